/* Data sets as one file: the same samples come back, and nothing that is damaged is taken. */
#include <criterion/criterion.h>

#include "../base/h5.h"
#include "../datasets/cache.h"
#include "../experiments/batch.h"
#include "h5_leaks.h"
#include "reading.h"

enum { SIDE = 6, LABEL = 3, COUNT = 4 };

static struct scratch_path path;
static struct md_dataset made;

static void *noise(size_t bytes, uint32_t seed) {
    uint8_t *values = malloc(bytes + 1);
    struct md_random random = md_random_stream(seed, 0, 0, 0);
    cr_assert(values);
    for (size_t i = 0; i < bytes; i++)
        values[i] = (uint8_t)(md_random_bits(&random) % 60); /* no NaN in any float */
    return values;
}

/* Samples whose truths have sizes of their own; the second has none. */
static void make(int stereo) {
    static const int truths[COUNT][2] = {{5, 7}, {0, 0}, {1, 1}, {9, 2}};
    size_t picture = 3 * SIDE * SIDE, grid = LABEL * LABEL * sizeof(float);
    made = (struct md_dataset){.height = SIDE, .width = SIDE, .count = COUNT};
    made.samples = calloc(COUNT, sizeof *made.samples);
    for (uint32_t s = 0; s < COUNT; s++) {
        char name[40];
        size_t pixels = (size_t)truths[s][0] * (size_t)truths[s][1];
        snprintf(name, sizeof name, "a name/%u, with commas", s);
        made.samples[s] = (struct md_sample){
            .name = strdup(name),
            .picture = noise(picture, 10 * s),
            .depth_m = noise(grid, 10 * s + 1),
            .disparity = noise(grid, 10 * s + 2),
            .depth_height = LABEL,
            .depth_width = LABEL,
            .fb = (float)s + 0.5f,
            .truth_m = pixels > 0 ? noise(pixels * sizeof(float), 10 * s + 3) : NULL,
            .truth_height = truths[s][0],
            .truth_width = truths[s][1],
            .right_picture = stereo ? noise(picture, 10 * s + 4) : NULL,
            .right_depth_m = stereo ? noise(grid, 10 * s + 5) : NULL,
            .right_disparity = stereo ? noise(grid, 10 * s + 6) : NULL,
        };
    }
    strcpy(made.digest, "0123456789abcdef0123456789abcdef");
}

static void set_up(void) {
    begin_reading("cache", SIDE, SIDE);
    strcpy(spec.split, "part");
    path = scratch_path(&scratch, "part.h5");
}

static void tear_down(void) {
    md_dataset_close(&made);
    end_reading();
}

TestSuite(cache, .init = set_up, .fini = tear_down, .timeout = 600);

static void write_cache(void) {
    cr_assert_eq(md_cache_write(&made, scratch.folder, "part", 1, &error), MD_OK, "%s", error.text);
}

#define assert_same(s, part, bytes)                                                                \
    cr_assert_arr_eq(dataset.samples[s].part, made.samples[s].part, bytes, #part " of %zu", s)

static void assert_same_samples(int stereo) {
    size_t grid = LABEL * LABEL * sizeof(float);
    cr_assert_eq(dataset.count, COUNT);
    for (size_t s = 0; s < COUNT; s++) {
        const struct md_sample *a = &made.samples[s], *b = &dataset.samples[s];
        cr_assert_str_eq(a->name, b->name);
        cr_assert_eq(a->fb, b->fb);
        cr_assert_eq(b->depth_height, LABEL);
        cr_assert_eq(b->depth_width, LABEL);
        assert_same(s, picture, 3 * SIDE * SIDE);
        assert_same(s, depth_m, grid);
        assert_same(s, disparity, grid);
        cr_assert_eq(a->truth_height, b->truth_height);
        cr_assert_eq(a->truth_width, b->truth_width);
        cr_assert_eq(a->truth_m == NULL, b->truth_m == NULL);
        if (a->truth_m != NULL)
            assert_same(s, truth_m, (size_t)(a->truth_height * a->truth_width) * sizeof(float));
        cr_assert_eq(b->right_picture != NULL, stereo);
        if (stereo) {
            assert_same(s, right_picture, 3 * SIDE * SIDE);
            assert_same(s, right_depth_m, grid);
            assert_same(s, right_disparity, grid);
        }
    }
}

H5_TEST(cache, gives_the_same_samples_back) {
    for (int stereo = 0; stereo < 2; stereo++) {
        make(stereo);
        write_cache();
        assert_opens();
        assert_same_samples(stereo);
        char digest[33];
        strcpy(digest, dataset.digest);
        write_cache(); /* over the first */
        assert_opens();
        cr_assert_str_eq(dataset.digest, digest);
        cr_assert_eq(scratch_count(scratch.folder), 1, "something was left");
        md_dataset_close(&made);
    }
}

H5_TEST(cache, a_data_set_from_it_has_its_digest) {
    struct md_data_spec synthetic = default_spec();
    synthetic.count = 3;
    cr_assert_eq(md_dataset_open(&synthetic, SIDE, SIDE, NULL, &made, &error), MD_OK);
    write_cache();
    assert_opens();
    cr_assert_str_eq(dataset.digest, made.digest);
    strcpy(spec.split, "part[1:2]");
    assert_opens();
    cr_assert_str_eq(dataset.samples[0].name, made.samples[1].name);
}

/* label_mode: release reads what lies at the range or has no depth as lying there. */
H5_TEST(cache, labels_of_it_know_the_range_of_its_set) {
    enum { PIXELS = 48 * 48 };
    const struct md_network *network = md_networks[0];
    static struct md_config config;
    static uint8_t picture[3 * PIXELS];
    static float expected[PIXELS], label[PIXELS];
    struct md_data_spec synthetic = default_spec();
    synthetic.count = 1;
    synthetic.max_depth_m = 2.5;
    cr_assert_eq(md_dataset_open(&synthetic, 48, 48, NULL, &made, &error), MD_OK);
    pictures.height = pictures.width = 48;
    write_cache();
    assert_opens();
    cr_assert_eq(dataset.range_m, 2.5);
    config.label_mode = MD_LABEL_RELEASE;
    config.data.max_depth_m = 4; /* as a config has it that names a cache */
    md_prepare_sample(&config, network, &made, 0, -1, picture, NULL, expected);
    md_prepare_sample(&config, network, &dataset, 0, -1, picture, NULL, label);
    cr_assert_arr_eq(label, expected, sizeof label);
    int shifted = 0; /* no label is beyond the range */
    for (int i = 0; i < PIXELS; i++)
        shifted += label[i] != MD_INVALID && label[i] < 80.0f / 2.5f;
    cr_assert_eq(shifted, 0);
}

H5_TEST(cache, of_an_older_version_is_refused) {
    make(0);
    write_cache();
    hid_t file = H5Fopen(path.text, H5F_ACC_RDWR, H5P_DEFAULT);
    cr_assert_geq(H5Adelete_by_name(file, "/", "max_depth_m", H5P_DEFAULT), 0);
    H5Fclose(file);
    assert_refused(MD_FAILED, "expected the attribute max_depth_m, found none");
}

H5_TEST(cache, truth_is_left_out_on_request) {
    make(0);
    write_cache();
    spec.truth = MD_TRUTH_LABEL;
    assert_opens();
    for (size_t s = 0; s < COUNT; s++)
        cr_assert_null(dataset.samples[s].truth_m);
}

H5_TEST(cache, is_replaced_with_force_only) {
    make(0);
    write_text("part.h5", "precious");
    cr_assert_eq(md_cache_write(&made, scratch.folder, "part", 0, &error), MD_USAGE);
    assert_contains(error.text, "part.h5: is there already; --force replaces it");
    cr_assert_eq(md_cache_write(&made, scratch.folder, "part", 1, &error), MD_OK);
    assert_opens();
}

H5_TEST(cache, stays_in_its_folder) {
    static const char *const names[] = {"", "../part", "a/b", "part[0:1]"};
    make(0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cr_assert_eq(md_cache_write(&made, scratch.folder, names[i], 0, &error), MD_USAGE);
        assert_contains(error.text, "split: expected letters");
    }
    cr_assert_eq(scratch_count(scratch.folder), 0);
}

H5_TEST(cache, dense_labels_are_not_taken_for_zones) {
    make(0);
    for (uint32_t s = 0; s < COUNT; s++) {
        struct md_sample *sample = &made.samples[s];
        free(sample->depth_m);
        free(sample->disparity);
        sample->depth_height = sample->depth_width = 9;
        sample->depth_m = noise(81 * sizeof(float), s);
        sample->disparity = noise(81 * sizeof(float), s);
    }
    write_cache();
    spec.label = MD_GRID_TOF8;
    assert_refused(MD_USAGE, "label: the cache has labels of 9x9, and tof8 is decided when it is "
                             "written");
    spec.camera_fov_h_deg = spec.camera_fov_v_deg = 60;
    assert_refused(MD_USAGE, "camera_fov_h_deg: of a cache only {label: tof8, alignment: pad}");
    spec.alignment = MD_ALIGN_PAD; /* then zones are labels of this size */
    assert_opens();
}

H5_TEST(cache, samples_that_do_not_fit_together_are_refused) {
    make(1);
    made.samples[2].depth_height = 1;
    cr_assert_eq(md_cache_write(&made, scratch.folder, "part", 0, &error), MD_FAILED);
    assert_contains(error.text, "a name/2");
    made.samples[2].depth_height = LABEL;
    free(made.samples[3].right_picture);
    made.samples[3].right_picture = NULL;
    cr_assert_eq(md_cache_write(&made, scratch.folder, "part", 0, &error), MD_FAILED);
    assert_contains(error.text, "a name/3");
    cr_assert_eq(scratch_count(scratch.folder), 0);
}

/* Whatever byte of the arrays is turned, and wherever the file is cut, it is found out. */
H5_TEST(cache, damage_is_found) {
    size_t size, wrong = 0;
    make(1);
    write_cache();
    unsigned char *bytes = scratch_read(path.text, &size);
    size -= MD_H5_SEAL_BYTES; /* the cache's own checksum will do */
    for (size_t i = 0; i < size; i += 1 + i % 7) {
        bytes[i] ^= 0x41;
        scratch_write(path.text, bytes, size);
        bytes[i] ^= 0x41;
        if (open_dataset() != MD_OK) {
            wrong++;
            assert_contains(error.text, "part.h5");
            continue;
        }
        assert_same_samples(1); /* a byte that means nothing */
    }
    cr_assert_gt(wrong, 300);
    for (size_t length = 0; length < size; length += 13) {
        scratch_write(path.text, bytes, length);
        cr_assert_eq(open_dataset(), MD_FAILED, "%zu of %zu bytes", length, size);
        assert_contains(error.text, "part.h5");
    }
    free(bytes);
}

H5_TEST(cache, wrong_sizes_are_refused) {
    make(0);
    write_cache();
    pictures.height = SIDE + 1;
    assert_refused(MD_FAILED, "'picture': expected pictures of the network's size");
    pictures.height = SIDE;
    strcpy(spec.split, "none");
    assert_refused(MD_FAILED, "none.h5: cannot open: No such file");
}

/* Adds a data set of bytes that claims a shape, and of which nothing was ever written. */
static void claim(hid_t file, const char *name, int dimensions, const hsize_t *shape) {
    hid_t space = H5Screate_simple(dimensions, shape, NULL);
    hid_t data =
        H5Dcreate2(file, name, H5T_NATIVE_UINT8, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    cr_assert_geq(data, 0);
    H5Dclose(data);
    H5Sclose(space);
    H5Fclose(file);
}

/* Headers that claim more than there can be cost no memory. */
H5_TEST(cache, absurd_shapes_are_refused) {
    claim(H5Fcreate(path.text, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), "picture", 4,
          (hsize_t[]){(hsize_t)1 << 40, 3, SIDE, SIDE});
    assert_refused(MD_FAILED, "expected one entry for each of the samples");
}

/* The same of an array that may have any length. */
H5_TEST(cache, absurd_lengths_are_refused) {
    make(0);
    write_cache();
    hid_t file = H5Fopen(path.text, H5F_ACC_RDWR, H5P_DEFAULT);
    H5Ldelete(file, "name", H5P_DEFAULT);
    claim(file, "name", 1, &(hsize_t){(hsize_t)1 << 50});
    assert_refused(MD_FAILED, "'name': the file does not hold all of it");
}
