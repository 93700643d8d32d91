/* NYU Depth v2's .mat: generated files of its layout in every way HDF5 keeps them, the splits from
 * either kind of splits.mat or a list, and broken files. */
#include <criterion/criterion.h>
#include <hdf5.h>
#include <math.h>

#include "../datasets/readers.h"
#include "h5_leaks.h"
#include "mat5.h"
#include "reading.h"

enum { MATLAB_BYTES = 512 };

static struct scratch_path mat;

static void set_up(void) {
    begin_reading("nyu", 5, 7); /* the size of most frames here: none is resized */
    mat = scratch_path(&scratch, "nyu_depth_v2_labeled.mat");
    snprintf(spec.root, sizeof spec.root, "%.1000s", mat.text);
}

TestSuite(nyu, .init = set_up, .fini = end_reading);

/* --- a file of the layout --- */

/* Values that say where they belong: row y, column x of frame f. */
static uint8_t byte_at(size_t f, size_t c, size_t y, size_t x) {
    struct md_random random = md_random_stream(1, (uint32_t)(4 * f + c), (uint32_t)y, (uint32_t)x);
    return (uint8_t)md_random_bits(&random);
}
static float depth_at(size_t f, size_t y, size_t x) {
    return 1.0f + 0.5f * (float)f + 0.01f * (float)y + 0.0001f * (float)x;
}
static float raw_depth_at(size_t f, size_t y, size_t x) {
    return (x + y) % 3 == 0 ? 0 : depth_at(f, y, x) + 1;
}

/* How a data set is kept. */
struct keeping {
    hsize_t chunk[4]; /* of images; the depths' is without the second; 0 first: in one piece */
    int shuffled, deflated;
};

static hid_t create_mat(const char *path) {
    hid_t creation = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_userblock(creation, MATLAB_BYTES);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, creation, H5P_DEFAULT);
    H5Pclose(creation);
    cr_assert(file >= 0);
    return file;
}

/* What MATLAB puts in front: text, version 2.0, byte order. */
static void write_user_block(const char *path) {
    char block[MATLAB_BYTES] =
        "MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: ... HDF5 schema "
        "1.00 .";
    memcpy(block + 124, "\x00\x02IM", 4);
    FILE *file = fopen(path, "r+b");
    cr_assert(file);
    cr_assert_eq(fwrite(block, 1, sizeof block, file), sizeof block);
    fclose(file);
}

static void write_array(hid_t file, const char *name, hid_t type, int dimensions,
                        const hsize_t *shape, const struct keeping *keeping, const void *values) {
    hsize_t chunk[4] = {keeping->chunk[0], keeping->chunk[2], keeping->chunk[3]};
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    if (dimensions == 4)
        memcpy(chunk, keeping->chunk, sizeof chunk);
    if (chunk[0] > 0)
        H5Pset_chunk(creation, dimensions, chunk);
    if (keeping->shuffled)
        H5Pset_shuffle(creation);
    if (keeping->deflated)
        H5Pset_deflate(creation, 3);
    hid_t space = H5Screate_simple(dimensions, shape, NULL);
    hid_t data = H5Dcreate2(file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    cr_assert(data >= 0);
    if (values)
        cr_assert(H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(data);
    H5Sclose(space);
    H5Pclose(creation);
}

static void write_depths(hid_t file, const char *name, const hsize_t shape[3],
                         const struct keeping *keeping, float (*at)(size_t f, size_t y, size_t x)) {
    float *values = malloc(shape[0] * shape[1] * shape[2] * sizeof *values);
    size_t i = 0;
    for (size_t f = 0; f < shape[0]; f++)
        for (size_t x = 0; x < shape[1]; x++)
            for (size_t y = 0; y < shape[2]; y++)
                values[i++] = at(f, y, x);
    write_array(file, name, H5T_IEEE_F32LE, 3, shape, keeping, values);
    free(values);
}

static void write_images(hid_t file, const hsize_t shape[4], const struct keeping *keeping) {
    uint8_t *values = malloc(shape[0] * shape[1] * shape[2] * shape[3]);
    size_t i = 0;
    for (size_t f = 0; f < shape[0]; f++)
        for (size_t c = 0; c < shape[1]; c++)
            for (size_t x = 0; x < shape[2]; x++)
                for (size_t y = 0; y < shape[3]; y++)
                    values[i++] = byte_at(f, c, y, x);
    write_array(file, "images", H5T_STD_U8LE, 4, shape, keeping, values);
    free(values);
}

static void write_mat(size_t frames, size_t height, size_t width, const struct keeping *keeping) {
    const hsize_t images[4] = {frames, 3, width, height}, depths[3] = {frames, width, height};
    hid_t file = create_mat(mat.text);
    write_images(file, images, keeping);
    write_depths(file, "depths", depths, keeping, depth_at);
    write_depths(file, "rawDepths", depths, keeping, raw_depth_at);
    H5Fclose(file);
    write_user_block(mat.text);
}

/* Opens all frames in their own size, where nothing is averaged, and compares each pixel. */
static void assert_round_trip(const char *split, size_t frames, int height, int width,
                              float (*at)(size_t f, size_t y, size_t x)) {
    pictures.height = height;
    pictures.width = width;
    opens("nyu", split);
    cr_assert_eq(dataset.count, frames);
    for (size_t f = 0; f < frames; f++) {
        const struct md_sample *sample = &dataset.samples[f];
        size_t pixels = (size_t)height * (size_t)width, wrong = 0;
        for (size_t i = 0; i < pixels; i++) {
            size_t y = i / (size_t)width, x = i % (size_t)width;
            wrong += sample->depth_m[i] != at(f, y, x);
            for (size_t c = 0; c < 3; c++)
                wrong += sample->picture[c * pixels + i] != byte_at(f, c, y, x);
        }
        cr_assert_eq(wrong, 0, "frame %zu: %zu values are wrong", f, wrong);
        cr_assert_eq(sample->fb, 80);
    }
}

H5_TEST(nyu, round_trip_in_the_true_size) {
    write_mat(2, 480, 640, &(struct keeping){{1, 1, 64, 480}, 0, 1});
    assert_round_trip("all", 2, 480, 640, depth_at);
    cr_assert_str_eq(dataset.samples[1].name, "nyu_depth_v2_labeled.mat:0002");
    assert_round_trip("raw:all", 2, 480, 640, raw_depth_at);
    md_dataset_close(&dataset);
}

H5_TEST(nyu, every_way_of_keeping) {
    static const struct keeping ways[] = {
        {{0}, 0, 0},          {{1, 3, 7, 5}, 0, 0},
        {{1, 3, 7, 5}, 0, 1}, {{1, 1, 2, 3}, 0, 1}, /* chunks that reach beyond the frame */
        {{2, 2, 4, 4}, 1, 1},                       /* and beyond the frames */
        {{3, 3, 7, 5}, 1, 0}, {{2, 1, 1, 1}, 0, 0},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        write_mat(3, 5, 7, &ways[i]);
        assert_round_trip("all", 3, 5, 7, depth_at);
        assert_round_trip("raw:all", 3, 5, 7, raw_depth_at);
    }
    md_dataset_close(&dataset);
}

/* HDF5 notes for each chunk which filters it went without, as those that save nothing do. */
H5_TEST(nyu, chunks_without_their_filters) {
    const hsize_t images[4] = {2, 3, 7, 5}, depths[3] = {2, 7, 5}, second[4] = {1, 0, 0, 0};
    const struct keeping keeping = {{1, 3, 7, 5}, 1, 1};
    uint8_t plain[3 * 7 * 5];
    size_t i = 0;
    for (size_t c = 0; c < 3; c++)
        for (size_t x = 0; x < 7; x++)
            for (size_t y = 0; y < 5; y++)
                plain[i++] = byte_at(1, c, y, x);
    hid_t file = create_mat(mat.text);
    write_images(file, images, &keeping);
    write_depths(file, "depths", depths, &keeping, depth_at);
    hid_t data = H5Dopen2(file, "images", H5P_DEFAULT);
    cr_assert(H5Dwrite_chunk(data, H5P_DEFAULT, 3, second, sizeof plain, plain) >= 0);
    H5Dclose(data);
    H5Fclose(file);
    assert_round_trip("all", 2, 5, 7, depth_at);
    file = H5Fopen(mat.text, H5F_ACC_RDWR, H5P_DEFAULT);
    data = H5Dopen2(file, "images", H5P_DEFAULT);
    cr_assert(H5Dwrite_chunk(data, H5P_DEFAULT, 3, second, sizeof plain - 1, plain) >= 0);
    H5Dclose(data);
    H5Fclose(file);
    assert_refused(MD_FAILED, "data set 'images': a chunk has too few bytes");
}

Test(nyu, the_evaluation_crop) {
    write_mat(1, 480, 640, &(struct keeping){{0}, 0, 0});
    spec.evaluation_crop = MD_CROP_NYU;
    pictures.height = pictures.width = 48;
    assert_opens();
    const struct md_sample *sample = &dataset.samples[0];
    cr_assert_eq(sample->truth_height, 480);
    cr_assert_eq(sample->truth_width, 640);
    for (int y = 0; y < 480; y++)
        for (int x = 0; x < 640; x++)
            cr_assert_eq(sample->truth_m[y * 640 + x] != MD_NO_DEPTH,
                         y >= 45 && y <= 470 && x >= 41 && x <= 600, "%d, %d", y, x);
}

/* --- splits --- */

static void write_newer_splits(double first) {
    const double test[] = {first, 4}, train[] = {2, 3, 5};
    const struct keeping keeping = {{1, 0, 2, 0}, 0, 1};
    struct scratch_path path = scratch_path(&scratch, "splits.mat");
    hid_t file = create_mat(path.text);
    write_array(file, "testNdxs", H5T_IEEE_F64LE, 2, (const hsize_t[]){1, 2}, &keeping, test);
    write_array(file, "trainNdxs", H5T_IEEE_F64LE, 2, (const hsize_t[]){3, 1},
                &(struct keeping){{0}, 0, 0}, train);
    H5Fclose(file);
    write_user_block(path.text);
}

/* Opens the split and compares the numbers of its frames, by their names and by what is in them,
 * with `expected`. */
static void assert_frames(const char *split, const char *expected) {
    char found[256] = "";
    opens("nyu", split);
    for (size_t i = 0; i < dataset.count; i++) {
        const char *number = strchr(dataset.samples[i].name, ':') + 1;
        cr_assert_eq(dataset.samples[i].picture[0], byte_at((size_t)atoi(number) - 1, 0, 0, 0));
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%s", i ? " " : "", number);
    }
    cr_assert_str_eq(found, expected, "%s: %s", split, found);
}

static void assert_official(void) {
    assert_frames("train", "0002 0003 0005");
    assert_frames("test", "0001 0004");
    assert_frames("raw:test[1:]", "0004");
}

H5_TEST(nyu, official_splits) {
    write_mat(6, 5, 7, &(struct keeping){{1, 3, 7, 5}, 0, 1});
    write_splits(&scratch, 0);
    assert_official();
    write_splits(&scratch, 1);
    assert_official();
    write_newer_splits(1);
    assert_official();
    assert_frames("all", "0001 0002 0003 0004 0005 0006");
    md_dataset_close(&dataset);
}

Test(nyu, a_list_of_frames) {
    char split[2048];
    write_mat(6, 5, 7, &(struct keeping){{0}, 0, 0});
    const char *list = write_list("\xEF\xBB\xBF# mine\r\n 6 \r\n\r\n2 # dark\r\n2\r\n");
    assert_frames(list, "0006 0002 0002");
    snprintf(split, sizeof split, "raw:%s[:1]", list);
    assert_frames(split, "0006");
}

H5_TEST(nyu, wrong_splits) {
    static const struct {
        const char *list, *expected;
    } cases[] = {
        {"1\n7\n", "line 2 of "},
        {"1\n7\n", "list.txt: expected the number of a frame, 1 to 6, found 7"},
        {"0\n", "1 to 6, found 0"},
        {"-1\n", "1 to 6, found -1"},
        {"999999999999999\n", "1 to 6, found 999999999999999"},
        {"1000000000000000\n", "a frame, found \"1000000000000000\""},
        {"1,2\n", "a frame, found \"1,2\""},
        {"one\n", "a frame, found \"one\""},
        {"1.5\n", "a frame, found \"1.5\""},
        {"# none\n", "expected names, found none"},
    };
    write_mat(6, 5, 7, &(struct keeping){{0}, 0, 0});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refused("nyu", write_list(cases[i].list), MD_FAILED, cases[i].expected);
    refused("nyu", "@/nowhere/at/all", MD_FAILED, "cannot read /nowhere/at/all");
    refused("nyu", "val", MD_USAGE, "nyu has all, train, test and @FILE, not \"val\"");
    refused("nyu", "raw:", MD_USAGE, "not \"\"");
    refused("nyu", "test", MD_FAILED, "splits.mat: No such file");
    write_newer_splits(1.5);
    refused("nyu", "test", MD_FAILED, "splits.mat: testNdxs: expected the number of a frame");
    write_newer_splits(7);
    refused("nyu", "test", MD_FAILED, "1 to 6, found 7");
    write_newer_splits((double)NAN);
    refused("nyu", "test", MD_FAILED, "1 to 6, found nan");
    write_text("splits.mat", "not MATLAB's");
    refused("nyu", "train", MD_FAILED, "splits.mat: not a little-endian MATLAB file of level 5");
}

/* --- broken files --- */

H5_TEST(nyu, wrong_shapes) {
    static const struct {
        hsize_t images[4], depths[3];
        const char *expected;
    } cases[] = {
        {{2, 3, 7, 5}, {3, 7, 5}, "depths: expected the shape (2, 7, 5), as of images, found (3"},
        {{2, 3, 7, 5}, {2, 5, 7}, "found (2, 5, 7)"},
        {{2, 4, 7, 5}, {2, 7, 5}, "images: expected the shape (frames, 3, width, height)"},
        {{2, 3, 1, 4097}, {2, 1, 4097}, "sides of at most 4096"},
    };
    const struct keeping whole = {{0}, 0, 0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hid_t file = create_mat(mat.text);
        write_images(file, cases[i].images, &whole);
        write_depths(file, "depths", cases[i].depths, &whole, depth_at);
        H5Fclose(file);
        refused("nyu", "all", MD_FAILED, cases[i].expected);
        refused("nyu", "raw:all", MD_FAILED, i < 2 ? "rawDepths" : "images");
    }
    hid_t file = create_mat(mat.text);
    write_images(file, cases[0].images, &whole);
    H5Fclose(file);
    refused("nyu", "all", MD_FAILED, "data set 'depths': cannot open");
    file = create_mat(mat.text);
    write_depths(file, "images", cases[0].depths, &whole, depth_at);
    H5Fclose(file);
    refused("nyu", "all", MD_FAILED, "images: expected the shape (frames, 3, width, height)");
    scratch_write_text(mat.text, "not HDF5");
    refused("nyu", "all", MD_FAILED, "not a whole HDF5 file");
    remove(mat.text);
    refused("nyu", "all", MD_FAILED, "No such file");
}

/* Chunked data sets that were never written take no room, whatever they claim. */
H5_TEST(nyu, absurd_sizes) {
    const hsize_t images[4] = {1000000, 3, 4096, 4096}, depths[3] = {1000000, 4096, 4096};
    const hsize_t few[4] = {2, 3, 7, 5}, huge[4] = {2, 3, 7, 5};
    hid_t file = create_mat(mat.text);
    write_array(file, "images", H5T_STD_U8LE, 4, images, &(struct keeping){{1, 3, 64, 64}, 0, 1},
                NULL);
    write_array(file, "depths", H5T_IEEE_F32LE, 3, depths, &(struct keeping){{1, 3, 64, 64}, 0, 1},
                NULL);
    H5Fclose(file);
    assert_refused(MD_FAILED, "claims 1000000 frames of 4096x4096, more than ");

    file = create_mat(mat.text);
    write_array(file, "images", H5T_STD_U8LE, 4, few, &(struct keeping){{1, 3, 7, 5}, 0, 1}, NULL);
    write_depths(file, "depths", (const hsize_t[]){2, 7, 5}, &(struct keeping){{0}, 0, 0},
                 depth_at);
    H5Fclose(file);
    assert_refused(MD_FAILED, "data set 'images': the file does not hold all of it");
    file = create_mat(mat.text);
    write_array(file, "images", H5T_STD_U8LE, 4, huge, &(struct keeping){{0}, 0, 0}, NULL);
    write_depths(file, "depths", (const hsize_t[]){2, 7, 5}, &(struct keeping){{0}, 0, 0},
                 depth_at);
    H5Fclose(file);
    assert_refused(MD_FAILED, "data set 'images': the file does not hold all of it");
}

H5_TEST(nyu, wrong_kinds_of_data) {
    const hsize_t images[4] = {2, 3, 7, 5}, depths[3] = {2, 7, 5};
    static const double values[2 * 7 * 5];
    const struct keeping whole = {{0}, 0, 0};
    hid_t file = create_mat(mat.text);
    write_images(file, images, &whole);
    write_array(file, "depths", H5T_IEEE_F64LE, 3, depths, &whole, values);
    H5Fclose(file);
    assert_refused(MD_FAILED, "data set 'depths': its elements have another type");

    hid_t creation = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(3, depths, NULL);
    file = create_mat(mat.text);
    write_images(file, images, &whole);
    H5Pset_chunk(creation, 3, depths);
    H5Pset_nbit(creation);
    H5Dclose(H5Dcreate2(file, "depths", H5T_IEEE_F32LE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
    H5Sclose(space);
    H5Pclose(creation);
    H5Fclose(file);
    assert_refused(MD_FAILED,
                   "data set 'depths': it is packed in a way other than by one pass of gzip");
}

/* A file that ends too early is no HDF5; one with a chunk overwritten is found out by zlib. */
H5_TEST(nyu, damaged_files) {
    size_t size;
    write_mat(2, 40, 30, &(struct keeping){{1, 3, 30, 40}, 0, 1});
    unsigned char *bytes = scratch_read(mat.text, &size);
    for (size_t length = 0; length < size; length += 1 + size / 50) {
        scratch_write(mat.text, bytes, length);
        assert_refused(MD_FAILED, "nyu_depth_v2_labeled.mat: ");
    }
    int damaged = 0;
    for (size_t at = MATLAB_BYTES; at + 2 < size; at++) {
        /* The first bytes of a zlib stream made with level 3. */
        if (bytes[at] != 0x78 || bytes[at + 1] != 0x5e)
            continue;
        memset(bytes + at, 0xff, 2);
        scratch_write(mat.text, bytes, size);
        damaged += open_dataset() == MD_FAILED &&
                   strstr(error.text, "a compressed chunk is damaged") != NULL;
        memcpy(bytes + at, "\x78\x5e", 2);
    }
    cr_assert_geq(damaged, 4); /* 2 frames of images and of depths; random bytes may look alike */
    free(bytes);
}
