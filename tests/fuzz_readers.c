/* A libFuzzer harness for everything that reads a user's file. The first byte picks the reader, the
 * rest becomes the file. Build with clang -fsanitize=fuzzer,address,undefined. A reader may refuse
 * what it is given, with a text; it may not crash, leak or leave something behind. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "../base/h5.h"
#include "../base/image.h"
#include "../base/mat5.h"
#include "../base/npy.h"
#include "../datasets/dataset.h"
#include "h5_leaks.h"
#include "specs.h"

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
    struct md_data_spec spec = default_spec();
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

static int read_recording(struct md_error *error) {
    return read_dataset("recording", "fuzzed_flight", error);
}

static int read_depth_png(struct md_error *error) {
    return read_dataset("rgbd", "pair", error);
}

/* TUM's layouts: pictures and depths in pairs, and each by its time. */
static int read_associations(struct md_error *error) {
    return read_folder("rgbd", path_of("paired").text, "all", error);
}

static int read_times(struct md_error *error) {
    return read_folder("rgbd", path_of("timed").text, "all", error);
}

static int read_sequences(struct md_error *error) {
    return read_dataset("7scenes", "train", error);
}

static void write_mat(const char *name, int chunked);

/* The newer kind of MATLAB file. HDF5 1.10 itself crashes on damaged metadata (in H5HL_protect,
 * found by fuzzing), so that only what we decode is fuzzed: a chunk of the depths, behind a byte of
 * the filters that it went without. */
static int read_nyu(struct md_error *error) {
    static const hsize_t corner[3] = {0, 0, 0};
    uint8_t bytes[1 << 12];
    struct h5_moment start = h5_now();
    FILE *fuzzed = fopen(path_of("fuzzed.chunk").text, "rb");
    size_t size = fuzzed ? fread(bytes, 1, sizeof bytes, fuzzed) : 0;
    if (!fuzzed || fclose(fuzzed) != 0)
        abort();
    write_mat("fuzzed.mat", 1);
    if (size > 1) {
        hid_t file = H5Fopen(path_of("fuzzed.mat").text, H5F_ACC_RDWR, H5P_DEFAULT);
        hid_t data = H5Dopen2(file, "depths", H5P_DEFAULT);
        H5Dwrite_chunk(data, H5P_DEFAULT, bytes[0], corner, size - 1, bytes + 1);
        H5Dclose(data);
        H5Fclose(file);
    }
    int status = read_folder("nyu", path_of("fuzzed.mat").text, "all", error);
    if (h5_open_since(&start) != 0)
        abort();
    return status;
}

static int read_frame_list(struct md_error *error) {
    char split[1032];
    snprintf(split, sizeof split, "@%s", path_of("fuzzed.txt").text);
    return read_folder("nyu", path_of("sound.mat").text, split, error);
}

static int read_mat5(struct md_error *error) {
    struct md_mat5_array array;
    int status = md_mat5_read(path_of("fuzzed.mat").text, "testNdxs", &array, error);
    md_mat5_free(&array);
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
    {"fuzzed_flight/frames.csv", read_recording},
    {"pair/depth.png", read_depth_png},
    {"TrainSplit.txt", read_sequences},
    {"fuzzed.mat", read_mat5},
    {"fuzzed.txt", read_frame_list},
    {"fuzzed.chunk", read_nyu},
    {"paired/associations.txt", read_associations},
    {"timed/rgb.txt", read_times},
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

/* --- sound files --- */

/* A file of NYU's layout, in one piece or in deflated chunks. */
static void write_mat(const char *name, int chunked) {
    static const uint8_t images[2 * 3 * SIDE * SIDE] = {1, 2, 3};
    static const float depths[2 * SIDE * SIDE] = {1, 2, 3};
    const hsize_t shape[] = {2, 3, SIDE, SIDE}, depth_shape[] = {2, SIDE, SIDE};
    hid_t file = H5Fcreate(path_of(name).text, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    for (int i = 0; i < 2; i++) {
        hid_t creation = H5Pcreate(H5P_DATASET_CREATE), type = i ? H5T_IEEE_F32LE : H5T_STD_U8LE;
        hid_t space = H5Screate_simple(4 - i, i ? depth_shape : shape, NULL);
        if (chunked) {
            H5Pset_chunk(creation, 4 - i, i ? depth_shape : shape);
            H5Pset_shuffle(creation);
            H5Pset_deflate(creation, 3);
        }
        hid_t data = H5Dcreate2(file, i ? "depths" : "images", type, space, H5P_DEFAULT, creation,
                                H5P_DEFAULT);
        if (H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, i ? (const void *)depths : images) <
            0)
            abort();
        H5Dclose(data);
        H5Sclose(space);
        H5Pclose(creation);
    }
    H5Fclose(file);
}

/* A level 5 file with the variable testNdxs of the one number 2. */
static void write_mat5(const char *name) {
    const uint32_t variable[] = {14, 56, 6, 8, 6, 0, 5, 8, 1, 1, 1, 8, 0, 0, 2 | 1 << 16, 2};
    uint8_t bytes[128 + sizeof variable] = "MATLAB 5.0 MAT-file";
    memcpy(bytes + 124, "\x00\x01IM", 4);
    memcpy(bytes + 128, variable, sizeof variable);
    memcpy(bytes + 128 + 48, "testNdxs", 8);
    write_file(name, bytes, sizeof bytes);
}

static void write_recording(const char *name) {
    char text[8192] = "picture,time_ms";
    const char *const columns[] = {"distance_mm", "target_status", "nb_target_detected"};
    for (int column = 0; column < 3 * 64; column++)
        snprintf(text + strlen(text), sizeof text - strlen(text), ",%s_%d", columns[column / 64],
                 column % 64);
    strcat(text, "\n../p,17");
    for (int column = 0; column < 3 * 64; column++)
        strcat(text, column < 64 ? ",1500" : column < 128 ? ",5" : ",1");
    write_file(name, text, strlen(text));
}

/* Makes the sound file `name` a seed: an input with which the reader succeeds. */
static void add_seed(int reader, const char *name) {
    char bytes[1 << 16], seed[64];
    FILE *file = fopen(path_of(name).text, "rb");
    size_t size = file ? fread(bytes + 1, 1, sizeof bytes - 1, file) : 0;
    if (size == 0 || fclose(file) != 0)
        abort();
    struct md_error error;
    write_file(readers[reader].name, bytes + 1, size);
    if (readers[reader].read(&error) != MD_OK) {
        fprintf(stderr, "%s is no good seed: %s\n", name, error.text);
        abort();
    }
    bytes[0] = (char)reader;
    snprintf(seed, sizeof seed, "seeds/%d-%.40s", reader, strrchr(name, '/') + 1);
    write_file(seed, bytes, size + 1);
}

/* For the readers of other people's folders and of MATLAB's files, and what becomes their seeds. */
static void write_newer_files(void) {
    static const uint8_t grey[3 * SIDE * SIDE] = {128, 128, 128};
    static const uint16_t depths[SIDE * SIDE] = {1000, 2000, 3000};
    struct md_error error;
    make_folders((const char *const[]){"pair", "seq-01", "seeds", "sound", "paired", "paired/rgb",
                                       "paired/depth", "timed", NULL});
    write_mat("sound.mat", 0);
    static const uint8_t chunk[1 + 2 * SIDE * SIDE * sizeof(float)] = {3, 0, 0, 128, 63};
    uint8_t packed[1 + 2 * sizeof chunk] = {0};
    uLongf packed_bytes = 2 * sizeof chunk;
    if (compress(packed + 1, &packed_bytes, chunk + 1, sizeof chunk - 1) != Z_OK)
        abort();
    write_file("sound/chunk", chunk, sizeof chunk);
    write_file("sound/packed", packed, packed_bytes + 1);
    write_mat5("sound/splits.mat");
    write_recording("sound/frames.csv");
    write_file("sound/numbers.txt", "1\n2 # two\n", 10);
    write_file("sound/TrainSplit.txt", "sequence1\n", 10);
    write_text("sound/associations.txt", "# paired\n1.5 rgb/a.png 1.51 depth/a.png\n");
    write_text("sound/rgb.txt", "1.5 ../paired/rgb/a.png\n9 none.png\n");
    write_text("timed/depth.txt", "1.49 ../paired/depth/a.png\n1.515 none.png\n");
    if (md_png_write_rgb(path_of("pair/rgb.png").text, grey, SIDE, SIDE, &error) ||
        md_png_write_rgb(path_of("seq-01/frame-1.color.png").text, grey, SIDE, SIDE, &error) ||
        md_png_write_grey16(path_of("seq-01/frame-1.depth.png").text, depths, SIDE, SIDE, &error) ||
        md_png_write_rgb(path_of("paired/rgb/a.png").text, grey, SIDE, SIDE, &error) ||
        md_png_write_grey16(path_of("paired/depth/a.png").text, depths, SIDE, SIDE, &error) ||
        md_png_write_grey16(path_of("sound/depth.png").text, depths, SIDE, SIDE, &error))
        abort();
}

static void add_seeds(void) {
    static const struct {
        int (*read)(struct md_error *error);
        const char *name;
    } seeds[] = {
        {read_recording, "sound/frames.csv"},
        {read_depth_png, "sound/depth.png"},
        {read_sequences, "sound/TrainSplit.txt"},
        {read_mat5, "sound/splits.mat"},
        {read_frame_list, "sound/numbers.txt"},
        {read_nyu, "sound/chunk"},
        {read_nyu, "sound/packed"},
        {read_associations, "sound/associations.txt"},
        {read_times, "sound/rgb.txt"},
    };
    for (size_t s = 0; s < sizeof seeds / sizeof *seeds; s++)
        for (size_t r = 0; r < sizeof readers / sizeof *readers; r++)
            if (readers[r].read == seeds[s].read)
                add_seed((int)r, seeds[s].name);
}

/* Appends the folder of seeds to the arguments of libFuzzer when these are folders of inputs (a
 * file is an input to be run again, alone). */
static void append_seeds(int *count, char ***arguments) {
    static char path[sizeof(struct path)];
    struct stat about;
    int folders = 0;
    for (int i = 1; i < *count; i++) {
        if ((*arguments)[i][0] == '-')
            continue;
        if (stat((*arguments)[i], &about) != 0 || !S_ISDIR(about.st_mode))
            return;
        folders++;
    }
    char **longer = calloc((size_t)*count + 2, sizeof *longer);
    if (folders == 0 || !longer) {
        free(longer);
        return;
    }
    memcpy(longer, *arguments, (size_t)*count * sizeof *longer);
    snprintf(path, sizeof path, "%s", path_of("seeds").text);
    longer[(*count)++] = path;
    *arguments = longer;
}

/* What the fuzzed file needs round it: a sample of the micro layout, a flight with a picture, and
 * the like. */
int LLVMFuzzerInitialize(int *argument_count, char ***arguments) {
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
    write_newer_files();
    add_seeds();
    append_seeds(argument_count, arguments);
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
