/* A libFuzzer harness for everything that reads a user's file. The first byte picks the reader, the
 * rest becomes the file. Build with clang -fsanitize=fuzzer,address,undefined. A reader may refuse
 * what it is given, with a text; it may not crash, leak or leave something behind. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../datasets/image.h"
#include "../datasets/npy.h"
#include "../datasets/sample.h"
#include "h5_leaks.h"

enum { SIDE = 4 }; /* of every picture */

/* Where all files lie, made by LLVMFuzzerInitialize. (The current folder stays what it is:
 * libFuzzer has paths of its own, relative to it.) */
static char folder[512];

struct path {
    char text[1024];
};

static struct path path_of(const char *name) {
    struct path path;
    snprintf(path.text, sizeof path.text, "%s/%s", folder, name);
    return path;
}

static int read_image(struct md_error *error) {
    struct md_image image;
    int status = md_image_read(path_of("fuzzed.png").text, &image, error);
    md_image_free(&image);
    return status;
}

static int read_npy(struct md_error *error) {
    struct md_array array;
    int status = md_npy_read(path_of("fuzzed.npy").text, &array, error);
    md_array_free(&array);
    return status;
}

static int read_folder(const char *set, const char *root, const char *split,
                       struct md_error *error) {
    struct md_data_spec spec = md_data_spec_default;
    struct md_dataset dataset;
    snprintf(spec.set, sizeof spec.set, "%s", set);
    snprintf(spec.root, sizeof spec.root, "%s", root);
    snprintf(spec.split, sizeof spec.split, "%s", split);
    spec.crop = SIDE;
    int status = md_dataset_open(&spec, SIDE, SIDE, NULL, &dataset, error);
    if (status != MD_OK && (dataset.count || dataset.samples))
        abort();
    md_dataset_close(&dataset);
    return status;
}

static int read_dataset(const char *set, const char *split, struct md_error *error) {
    return read_folder(set, folder, split, error);
}

static int read_micro_csv(struct md_error *error) {
    return read_dataset("micro", "fuzzed", error);
}

static int read_micro_grid(struct md_error *error) {
    return read_dataset("micro", "grid", error);
}

static int read_state(struct md_error *error) {
    return read_dataset("matrix", "fuzzed_flight", error);
}

static int read_flight_list(struct md_error *error) {
    char split[1032];
    snprintf(split, sizeof split, "@%s", path_of("fuzzed.txt").text);
    return read_dataset("matrix", split, error);
}

/* The split itself is the user's text too. */
static int read_split(struct md_error *error) {
    char split[4096] = "";
    FILE *file = fopen(path_of("fuzzed_split").text, "rb");
    if (file) {
        size_t size = fread(split, 1, sizeof split - 1, file);
        split[size] = 0;
        fclose(file);
    }
    return read_dataset("matrix", split, error);
}

/* A scan or its calibration. */
static int read_kitti_object(struct md_error *error) {
    return read_folder("kitti-object", path_of("object").text, "000000", error);
}

static int read_kitti_calibration(struct md_error *error) {
    return read_folder("kitti-object", path_of("object").text, "000001", error);
}

static int read_kitti_disparity(struct md_error *error) {
    return read_folder("kitti-stereo", path_of("stereo").text, "all", error);
}

static int read_kitti_list(struct md_error *error) {
    char split[1032];
    snprintf(split, sizeof split, "@%s", path_of("fuzzed.txt").text);
    return read_dataset("kitti", split, error);
}

/* A data set of one gzipped chunk that holds these bytes instead. */
static void write_chunk(hid_t file, const char *name, int rank, unsigned skipped, const void *bytes,
                        size_t size) {
    static const hsize_t shape[3] = {3, SIDE, SIDE}, origin[3] = {0};
    hid_t space = H5Screate_simple(rank, shape + 3 - rank, NULL);
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(creation, rank, shape + 3 - rank);
    H5Pset_shuffle(creation);
    H5Pset_deflate(creation, 1);
    hid_t data = H5Dcreate2(file, name, rank == 3 ? H5T_NATIVE_UINT8 : H5T_NATIVE_FLOAT, space,
                            H5P_DEFAULT, creation, H5P_DEFAULT);
    if (H5Dwrite_chunk(data, H5P_DEFAULT, skipped, origin, size, bytes) < 0)
        abort();
    H5Dclose(data);
    H5Pclose(creation);
    H5Sclose(space);
}

/* The fuzzed bytes are what is left out of the filters, and the chunk of the picture. (Of a file's
 * own structure HDF5 1.10 believes too much: fuzzing that finds its errors, not ours.) */
static int read_h5_frames(struct md_error *error) {
    static const float depth[SIDE * SIDE] = {1};
    uint8_t bytes[1024];
    FILE *fuzzed = fopen(path_of("h5/chunk").text, "rb");
    size_t size = fuzzed ? fread(bytes, 1, sizeof bytes, fuzzed) : 0;
    struct h5_moment start = h5_now();
    if (fuzzed)
        fclose(fuzzed);
    if (size < 2)
        return read_folder("h5", path_of("h5/none").text, "all", error);
    hid_t file = H5Fcreate(path_of("h5/a.h5").text, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    write_chunk(file, "rgb", 3, bytes[0] & 3, bytes + 1, size - 1);
    write_chunk(file, "depth", 2, 3, depth, sizeof depth);
    H5Fclose(file);
    int status = read_folder("h5", path_of("h5").text, "all", error);
    if (h5_open_since(&start) != 0)
        abort();
    return status;
}

static const struct reader {
    const char *name; /* of the file it reads */
    int (*read)(struct md_error *error);
} readers[] = {
    {"fuzzed.png", read_image},
    {"fuzzed.npy", read_npy},
    {"fuzzed.csv", read_micro_csv},
    {"fuzzed.npy", read_micro_grid},
    {"fuzzed_flight/state_ToF.csv", read_state},
    {"fuzzed.txt", read_flight_list},
    {"fuzzed_split", read_split},
    {"object/training/velodyne/000000.bin", read_kitti_object},
    {"object/training/calib/000001.txt", read_kitti_calibration},
    {"stereo/training/disp_occ_0/000000_10.png", read_kitti_disparity},
    {"fuzzed.txt", read_kitti_list},
    {"h5/chunk", read_h5_frames},
};

static void write_file(const char *name, const void *bytes, size_t size) {
    FILE *file = fopen(path_of(name).text, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        abort();
}

static void write_text(const char *name, const char *text) {
    write_file(name, text, strlen(text));
}

static void make_folders(const char *const *names) {
    for (; *names; names++)
        if (mkdir(path_of(*names).text, 0777) != 0)
            abort();
}

/* KITTI frames round the fuzzed parts. */
static void prepare_kitti(void) {
    static const char *const folders[] = {
        "object",
        "object/training",
        "object/training/image_2",
        "object/training/calib",
        "object/training/velodyne",
        "stereo",
        "stereo/training",
        "stereo/training/image_2",
        "stereo/training/disp_occ_0",
        "stereo/training/calib_cam_to_cam",
        "2011_09_26",
        "2011_09_26/2011_09_26_drive_0001_sync",
        "2011_09_26/2011_09_26_drive_0001_sync/image_02",
        "2011_09_26/2011_09_26_drive_0001_sync/image_02/data",
        "2011_09_26/2011_09_26_drive_0001_sync/proj_depth",
        "2011_09_26/2011_09_26_drive_0001_sync/proj_depth/velodyne_raw",
        "2011_09_26/2011_09_26_drive_0001_sync/proj_depth/velodyne_raw/image_02",
        "h5",
        NULL};
    static const char *const pictures[] = {
        "object/training/image_2/000000.png", "object/training/image_2/000001.png",
        "stereo/training/image_2/000000_10.png",
        "2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000000.png"};
    static const uint8_t grey[3 * SIDE * SIDE] = {128, 128, 128};
    static const float scan[4] = {10, 0, 0, 0};
    static const uint16_t depth[SIDE * SIDE] = {256};
    static const char map[] = "2011_09_26/2011_09_26_drive_0001_sync/proj_depth/velodyne_raw/"
                              "image_02/0000000000.png";
    struct md_error error;
    make_folders(folders);
    if (md_png_write_grey16(path_of(map).text, depth, SIDE, SIDE, &error))
        abort();
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++)
        if (md_png_write_rgb(path_of(pictures[i]).text, grey, SIDE, SIDE, &error))
            abort();
    write_text("object/training/calib/000000.txt",
               "P2: 10 0 3 0 0 10 3 0 0 0 1 0\nR0_rect: 1 0 0 0 1 0 0 0 1\n"
               "Tr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0\n");
    write_file("object/training/velodyne/000001.bin", scan, sizeof scan);
    write_text("stereo/training/calib_cam_to_cam/000000.txt",
               "P_rect_02: 10 0 3 0 0 10 3 0 0 0 1 0\nP_rect_03: 10 0 3 -5 0 10 3 0 0 0 1 0\n");
}

/* What the fuzzed file needs round it: a sample of the micro layout, a flight with a picture,
 * frames of KITTI. */
int LLVMFuzzerInitialize(int *argument_count, char ***arguments) {
    (void)argument_count;
    (void)arguments;
    static const uint8_t grey[3 * SIDE * SIDE] = {128, 128, 128};
    static const size_t shape[2] = {2, 2};
    char state[64 * 16 + 16] = "100,0,0\n";
    struct md_error error;
    const char *parent = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/mudepth-fuzz.XXXXXX", parent ? parent : "/tmp");
    if (!mkdtemp(folder))
        abort();
    prepare_kitti();
    mkdir(path_of("fuzzed_flight").text, 0777);
    mkdir(path_of("fuzzed_flight/images").text, 0777);
    mkdir(path_of("flight").text, 0777);
    mkdir(path_of("flight/images").text, 0777);
    for (int zone = 0; zone < 64; zone++)
        strcat(state, "1500,1,5\n");
    write_file("flight/state_ToF.csv", state, strlen(state));
    write_file("grid.csv", "p,fuzzed.npy,s.npy,f.npy", 24);
    if (md_png_write_rgb(path_of("p").text, grey, SIDE, SIDE, &error) ||
        md_png_write_rgb(path_of("flight/images/100.jpeg").text, grey, SIDE, SIDE, &error) ||
        md_png_write_rgb(path_of("fuzzed_flight/images/100.jpeg").text, grey, SIDE, SIDE, &error) ||
        md_npy_write(path_of("s.npy").text, (const float[]){80, 40, 20, 10}, 2, shape, &error) ||
        md_npy_write(path_of("f.npy").text, (const float[]){80}, 0, NULL, &error))
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size < 1)
        return -1;
    const struct reader *reader = &readers[bytes[0] % (sizeof readers / sizeof *readers)];
    struct md_error error = {.text = ""};
    write_file(reader->name, bytes + 1, size - 1);
    int status = reader->read(&error);
    if ((status != MD_OK) != (error.text[0] != 0))
        abort(); /* a failure without a text, or a text without a failure */
    return 0;
}
