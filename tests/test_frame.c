/* From pictures and depth maps to samples: frame.c, and the 16-bit pictures that depth maps are. */
#include <criterion/criterion.h>
#include <math.h>
#include <png.h>

#include "../base/random.h"
#include "../datasets/readers.h"
#include "../datasets/sensor.h"
#include "scratch.h"
#include "specs.h"

enum { SIDE = 6 };

static struct scratch_path path;
static struct md_error error;
static struct md_source source;
static struct md_sample sample;
static struct md_depth_map map;
static uint8_t rgb[3 * 64 * 64];
static struct md_image picture;

static void set_up(void) {
    scratch = scratch_open();
    path = scratch_path(&scratch, "depth.png");
    source = (struct md_source){.spec = default_spec(), .height = SIDE, .width = SIDE};
    source.spec.max_depth_m = 80;
    picture = (struct md_image){12, 18, rgb};
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)(i * 37);
}

static void tear_down(void) {
    md_depth_map_free(&map);
    md_sample_free(&sample);
    scratch_close(&scratch);
}

TestSuite(frame, .init = set_up, .fini = tear_down);

/* ---- 16-bit pictures ------------------------------------------------------------------------- */

Test(frame, grey16_gives_every_value_back) {
    uint16_t values[256 * 256];
    struct md_grey16 grey;
    for (int i = 0; i < 256 * 256; i++)
        values[i] = (uint16_t)i;
    cr_assert_eq(md_png_write_grey16(path.text, values, 256, 256, &error), MD_OK);
    cr_assert_eq(md_grey16_read(path.text, &grey, &error), MD_OK, "%s", error.text);
    cr_assert_eq(grey.height, 256);
    cr_assert_eq(grey.width, 256);
    cr_assert_arr_eq(grey.values, values, sizeof values);
    md_grey16_free(&grey);
    cr_assert_null(grey.values);
}

static int grey16_fails(const char *file) {
    struct md_grey16 grey;
    return md_grey16_read(file, &grey, &error) == MD_FAILED && grey.values == NULL;
}

Test(frame, grey16_takes_nothing_else) {
    cr_assert_eq(md_png_write_rgb(path.text, rgb, 12, 18, &error), MD_OK);
    cr_assert(grey16_fails(path.text));
    assert_contains(error.text, "expected 16-bit grey values");
    png_image eight = {
        .version = PNG_IMAGE_VERSION, .width = 18, .height = 12, .format = PNG_FORMAT_GRAY};
    cr_assert(png_image_write_to_file(&eight, path.text, 0, rgb, 0, NULL));
    cr_assert(grey16_fails(path.text));
    assert_contains(error.text, "expected 16-bit grey values");
    scratch_write(path.text, "\xff\xd8\xff\xe0", 4);
    cr_assert(grey16_fails(path.text));
    assert_contains(error.text, "expected a PNG picture");
    const uint16_t values[4] = {1, 2, 3, 65535};
    cr_assert_eq(md_png_write_grey16(path.text, values, 2, 2, &error), MD_OK);
    scratch_each_prefix_fails(&scratch, path.text, grey16_fails, &error);
}

Test(frame, depth_of_a_png) {
    const uint16_t values[6] = {0, 256, 384, 65535, 9, 0x4001};
    cr_assert_eq(md_png_write_grey16(path.text, values, 2, 3, &error), MD_OK);
    cr_assert_eq(md_depth_png_read(path.text, 256, 0, &map, &error), MD_OK);
    cr_assert_eq(map.height, 2);
    cr_assert_eq(map.width, 3);
    const float metres[6] = {MD_NO_DEPTH, 1, 1.5f, MD_NO_DEPTH, 9 / 256.f, 64.00390625f};
    cr_assert_arr_eq(map.depth_m, metres, sizeof metres);
    md_depth_map_free(&map);
    /* Turned right by three bits: 0x4001 is 0010 1000 0000 0000, 9 is 1 and a bit that comes in
     * from above. */
    cr_assert_eq(md_depth_png_read(path.text, 1, 3, &map, &error), MD_OK);
    const float turned[6] = {MD_NO_DEPTH, 32, 48, MD_NO_DEPTH, 0x2001, 0x2800};
    cr_assert_arr_eq(map.depth_m, turned, sizeof turned);
}

/* ---- samples --------------------------------------------------------------------------------- */

static void make_map(int height, int width, uint32_t seed) {
    struct md_random random = md_random_stream(seed, 0, 0, 0);
    cr_assert_eq(md_depth_map_allocate(height, width, &map, &error), MD_OK);
    for (int i = 0; i < height * width; i++)
        map.depth_m[i] = md_random_unit(&random) < 0.4
                             ? MD_NO_DEPTH
                             : (float)md_random_range(&random, 0.5, 100); /* some beyond 80 m */
}

static int make_sample(void) {
    return md_frame_sample(&source, "a frame", &picture, &map, 40, &sample, &error);
}

/* The mean disparity over the pixels of a map whose centres lie in cell (y, x) of the label. */
static double mean_disparity(const float *depth_m, int height, int width, int y, int x) {
    double sum = 0, count = 0;
    for (int h = 0; h < height; h++)
        for (int w = 0; w < width; w++) {
            double row = (h + 0.5) * SIDE / height, column = (w + 0.5) * SIDE / width;
            float value = depth_m[h * width + w];
            if (floor(row) != y || floor(column) != x || value == 0 || value > 80)
                continue;
            sum += 40 / (double)value;
            count++;
        }
    return count > 0 ? sum / count : MD_INVALID;
}

Test(frame, labels_are_mean_disparities_and_the_map_stays_as_truth) {
    static const int sizes[][2] = {{12, 18}, {7, 13}, {6, 6}, {6, 40}, {31, 6}};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        int height = sizes[s][0], width = sizes[s][1];
        make_map(height, width, (uint32_t)s);
        float *before = malloc((size_t)(height * width) * sizeof *before);
        memcpy(before, map.depth_m, (size_t)(height * width) * sizeof *before);
        cr_assert_eq(make_sample(), MD_OK, "%s", error.text);
        cr_assert_eq(sample.depth_height, SIDE);
        cr_assert_eq(sample.depth_width, SIDE);
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                double expected = mean_disparity(before, height, width, y, x);
                float found = sample.disparity[y * SIDE + x];
                /* Two roundings to binary32, of the depth and of the disparity. */
                cr_assert_float_eq(found, expected, 2e-7 * fabs(expected), "%dx%d at (%d, %d)",
                                   width, height, y, x);
                cr_assert_eq(found == MD_INVALID, sample.depth_m[y * SIDE + x] == MD_NO_DEPTH);
            }
        int finer = height > SIDE || width > SIDE;
        cr_assert_eq(sample.truth_m != NULL, finer);
        for (int i = 0; finer && i < height * width; i++)
            cr_assert_eq(sample.truth_m[i], before[i] > 80 ? MD_NO_DEPTH : before[i]);
        cr_assert_eq(sample.fb, 40);
        cr_assert_str_eq(sample.name, "a frame");
        free(before);
        md_sample_free(&sample);
        md_depth_map_free(&map);
    }
}

Test(frame, a_coarser_map_is_the_label) {
    make_map(4, 3, 1);
    float before[12];
    memcpy(before, map.depth_m, sizeof before);
    cr_assert_eq(make_sample(), MD_OK);
    cr_assert_eq(sample.depth_height, 4);
    cr_assert_eq(sample.depth_width, 3);
    cr_assert_null(sample.truth_m);
    for (int i = 0; i < 12; i++)
        cr_assert_float_eq(sample.depth_m[i], before[i] > 80 ? MD_NO_DEPTH : before[i],
                           1e-7 * before[i]);
}

Test(frame, pictures_are_averaged_down) {
    uint8_t expected[3 * SIDE * SIDE];
    make_map(6, 6, 1);
    md_image_resize(&picture, 0, 0, 12, 18, SIDE, SIDE, expected);
    cr_assert_eq(make_sample(), MD_OK);
    cr_assert_arr_eq(sample.picture, expected, sizeof expected);
}

Test(frame, no_truth_is_kept_when_none_is_wanted) {
    source.spec.truth = MD_TRUTH_LABEL;
    make_map(12, 18, 1);
    cr_assert_eq(make_sample(), MD_OK);
    cr_assert_null(sample.truth_m);
    source.spec.label = MD_GRID_TOF8;
    source.height = source.width = 48;
    md_sample_free(&sample);
    cr_assert_eq(make_sample(), MD_OK);
    cr_assert_null(sample.truth_m);
}

Test(frame, zones_see_the_nearest_point) {
    source.height = source.width = 48;
    source.spec.label = MD_GRID_TOF8;
    make_map(48, 48, 3);
    for (int i = 0; i < 6 * 48; i++) /* nothing in the first row of zones but for one pixel */
        map.depth_m[i] = i == 7 ? 3 : MD_NO_DEPTH;
    float before[48 * 48];
    memcpy(before, map.depth_m, sizeof before);
    cr_assert_eq(make_sample(), MD_OK, "%s", error.text);
    cr_assert_eq(sample.depth_height, 8);
    cr_assert_eq(sample.depth_width, 8);
    for (int zone = 0; zone < 64; zone++) {
        float nearest = INFINITY;
        for (int i = 0; i < 36; i++) {
            float depth_m = before[(zone / 8 * 6 + i / 6) * 48 + zone % 8 * 6 + i % 6];
            if (depth_m != MD_NO_DEPTH && depth_m <= 80)
                nearest = fminf(nearest, depth_m);
        }
        /* Three roundings: the mean of one value is taken through its inverse. */
        if (isfinite(nearest))
            cr_assert_float_eq(sample.depth_m[zone], nearest, 2e-7 * nearest);
        else
            cr_assert_eq(sample.depth_m[zone], MD_NO_DEPTH);
    }
    cr_assert_eq(sample.disparity[0], MD_INVALID);
    cr_assert_float_eq(sample.disparity[1], 40 / 3., 3e-6);
    cr_assert_eq(sample.truth_height, 48, "the dense depth stays as the truth");
    cr_assert_float_eq(sample.truth_m[7], 3, 3e-7);
}

/* ---- what a sensor sees of a wider picture --------------------------------------------------- */

/* 45 degrees of 90 are tan(22.5 deg) = 0.4142 of a side: of 96 pixels those from 28.1 to 67.9. */
static void look_through_a_wide_lens(enum md_alignment alignment) {
    source.height = source.width = 48;
    source.spec.label = MD_GRID_TOF8;
    source.spec.camera_fov_h_deg = source.spec.camera_fov_v_deg = 90;
    source.spec.alignment = alignment;
    cr_assert_eq(md_depth_map_allocate(96, 96, &map, &error), MD_OK);
    for (int i = 0; i < 96 * 96; i++) {
        int inside = i / 96 >= 28 && i / 96 < 68 && i % 96 >= 28 && i % 96 < 68;
        map.depth_m[i] = inside ? 2 : 1; /* what is nearer is not in view */
    }
}

Test(frame, a_picture_is_cut_to_what_the_sensor_sees) {
    uint8_t expected[3 * 48 * 48];
    look_through_a_wide_lens(MD_ALIGN_CROP);
    cr_assert_eq(make_sample(), MD_OK, "%s", error.text);
    cr_assert_eq(sample.depth_height, 8);
    for (int zone = 0; zone < 64; zone++)
        cr_assert_eq(sample.depth_m[zone], 2, "zone %d", zone);
    cr_assert_eq(sample.truth_height, 40, "the dense depth of the part is the truth");
    cr_assert_eq(sample.truth_m[0], 2);
    /* Rows 3.5 to 8.5 of 12 and columns 5.3 to 12.7 of 18, by whole pixels. */
    md_image_resize(&picture, 4, 5, 4, 8, 48, 48, expected);
    cr_assert_arr_eq(sample.picture, expected, sizeof expected);
}

Test(frame, or_has_labels_in_the_middle_only) {
    /* Zones begin and end at whole pixels: from 14.06 and to 33.94, cut. */
    look_through_a_wide_lens(MD_ALIGN_PAD);
    cr_assert_eq(make_sample(), MD_OK, "%s", error.text);
    cr_assert_eq(sample.depth_height, 48);
    for (int i = 0; i < 48 * 48; i++) {
        int inside = i / 48 >= 14 && i / 48 < 33 && i % 48 >= 14 && i % 48 < 33;
        cr_assert_eq(sample.depth_m[i], inside ? 2 : MD_NO_DEPTH, "(%d, %d)", i / 48, i % 48);
        cr_assert_eq(sample.disparity[i], inside ? 20 : MD_INVALID);
    }
}

Test(frame, views_that_cannot_be_are_refused) {
    static const struct {
        double sensor_deg, horizontal_deg, vertical_deg;
        int alignment, crop;
        const char *expected;
    } cases[] = {{45, 40, 90, MD_ALIGN_CROP, MD_CROP_NONE, "sees more than the camera"},
                 {45, 90, 90, MD_ALIGN_CROP, MD_CROP_GARG, "evaluation_crop: garg"},
                 {45, 90, 0, MD_ALIGN_PAD, MD_CROP_NONE,
                  "camera_fov_h_deg and camera_fov_v_deg: expected both or none, found 90 and 0"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        look_through_a_wide_lens((enum md_alignment)cases[i].alignment);
        source.spec.sensor_fov_deg = cases[i].sensor_deg;
        source.spec.camera_fov_h_deg = cases[i].horizontal_deg;
        source.spec.camera_fov_v_deg = cases[i].vertical_deg;
        source.spec.evaluation_crop = cases[i].crop;
        cr_assert_eq(make_sample(), MD_USAGE, "case %zu", i);
        assert_contains(error.text, cases[i].expected);
        md_depth_map_free(&map);
        md_sample_free(&sample);
    }
    source.spec.camera_fov_v_deg = 90;
    source.spec.alignment = MD_ALIGN_CROP;
    cr_assert_eq(md_sample_label(&source, &sample, &error), MD_USAGE);
    assert_contains(error.text, "pad");
}

/* A map that is narrower than the zones are many would leave some without a pixel. */
Test(frame, zones_need_a_pixel_each) {
    static const int sizes[][2] = {{1, 48}, {48, 1}, {7, 9}};
    source.height = source.width = 48;
    source.spec.label = MD_GRID_TOF8;
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(md_depth_map_allocate(sizes[i][0], sizes[i][1], &map, &error), MD_OK);
        cr_assert_eq(make_sample(), MD_FAILED);
        assert_contains(error.text, "label: tof8: expected at least 8x8 depths, found ");
        md_depth_map_free(&map);
        md_sample_free(&sample);
    }
}

Test(frame, a_sensor_that_cannot_see_so_far_is_refused) {
    source.spec.label = MD_GRID_TOF8;
    source.spec.sensor = MD_SENSOR_VL53L5CX;
    source.height = source.width = 48;
    make_map(12, 18, 1);
    cr_assert_eq(make_sample(), MD_USAGE);
    assert_contains(error.text, "max_depth_m: the sensor vl53l5cx sees at most 6 m, found 80");
}

/* The sensor's numbers belong to the sample's name and the seed. */
Test(frame, a_sensor_with_noise_is_deterministic) {
    float first[64];
    source.height = source.width = 48;
    source.spec.label = MD_GRID_TOF8;
    source.spec.sensor = MD_SENSOR_VL53L5CX;
    source.spec.max_depth_m = 4;
    for (int turn = 0; turn < 4; turn++) { /* the same, another seed, another name */
        cr_assert_eq(md_depth_map_allocate(48, 48, &map, &error), MD_OK);
        for (int i = 0; i < 48 * 48; i++)
            map.depth_m[i] = 1.5f;
        source.spec.seed = turn == 2 ? 2 : 1;
        cr_assert_eq(md_frame_sample(&source, turn == 3 ? "another" : "a frame", &picture, &map, 40,
                                     &sample, &error),
                     MD_OK, "%s", error.text);
        if (turn == 0)
            memcpy(first, sample.depth_m, sizeof first);
        else
            cr_assert_eq(memcmp(first, sample.depth_m, sizeof first) == 0, turn == 1);
        md_depth_map_free(&map);
        md_sample_free(&sample);
    }
}

/* ---- crops ----------------------------------------------------------------------------------- */

/* Of a map that is no finer than the label, and of one that is the label. */
Test(frame, the_crop_is_of_every_truth) {
    source.height = source.width = 48;
    source.spec.evaluation_crop = MD_CROP_NYU;
    for (int way = 0; way < 4; way++) { /* with and without a sensor */
        source.spec.label = way % 2 ? MD_GRID_TOF8 : MD_GRID_DENSE;
        cr_assert_eq(md_depth_map_allocate(48, 48, &map, &error), MD_OK);
        for (int i = 0; i < 48 * 48; i++)
            map.depth_m[i] = 2;
        if (way < 2) {
            cr_assert_eq(make_sample(), MD_OK, "%s", error.text);
        } else {
            cr_assert_eq(md_sample_allocate(&source, "it", 48, 48, 0, &sample, &error), MD_OK);
            memcpy(sample.depth_m, map.depth_m, 48 * 48 * sizeof *map.depth_m);
            cr_assert_eq(md_sample_label(&source, &sample, &error), MD_OK, "%s", error.text);
        }
        cr_assert_eq(sample.truth_height, 48);
        cr_assert_eq(sample.truth_width, 48);
        for (int i = 0; i < 48 * 48; i++) { /* 4.5 to 47.1 and 3.075 to 45.075, rounded down */
            int h = i / 48, w = i % 48, inside = h >= 4 && h < 47 && w >= 3 && w < 45;
            cr_assert_eq(sample.truth_m[i], inside ? 2 : MD_NO_DEPTH, "(%d, %d)", h, w);
        }
        for (int i = 0; i < sample.depth_height * sample.depth_width; i++)
            cr_assert_eq(sample.depth_m[i], 2, "labels to learn from are not cut");
        md_depth_map_free(&map);
        md_sample_free(&sample);
    }
}

Test(frame, zones_are_no_map) {
    source.height = source.width = 48;
    for (int key = 0; key < 2; key++) {
        source.spec.evaluation_crop = key == 0 ? MD_CROP_GARG : MD_CROP_NONE;
        source.spec.label = key == 1 ? MD_GRID_TOF8 : MD_GRID_DENSE;
        cr_assert_eq(md_sample_allocate(&source, "it", 8, 8, 0, &sample, &error), MD_OK);
        cr_assert_eq(md_sample_label(&source, &sample, &error), MD_USAGE);
        assert_contains(error.text, key == 0 ? "it: evaluation_crop: has an effect only on depth "
                                               "maps of more than 8x8 values, found 8x8"
                                             : "it: label: tof8: has an effect only on depth maps");
        md_sample_free(&sample);
    }
}

Test(frame, evaluation_crops_are_those_of_the_literature) {
    /* First and last row and column that are looked at. KITTI: as the usual evaluation code cuts
     * (fractions times the size, rounded down); NYU: [45:471, 41:601]. */
    static const struct {
        int crop, height, width, top, bottom, left, right;
    } cases[] = {
        {MD_CROP_NONE, 375, 1242, 0, 374, 0, 1241},
        {MD_CROP_GARG, 375, 1242, 153, 370, 44, 1196},
        {MD_CROP_EIGEN, 375, 1242, 124, 341, 44, 1196},
        {MD_CROP_GARG, 370, 1224, 151, 365, 43, 1179},
        {MD_CROP_NYU, 480, 640, 45, 470, 41, 600},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int height = cases[i].height, width = cases[i].width;
        float *truth = malloc((size_t)(height * width) * sizeof *truth);
        for (int p = 0; p < height * width; p++)
            truth[p] = 1;
        md_crop_truth(cases[i].crop, &(struct md_depth_map){height, width, .depth_m = truth});
        for (int h = 0; h < height; h++)
            for (int w = 0; w < width; w++)
                cr_assert_eq(truth[h * width + w] != MD_NO_DEPTH,
                             h >= cases[i].top && h <= cases[i].bottom && w >= cases[i].left &&
                                 w <= cases[i].right,
                             "case %zu, row %d, column %d", i, h, w);
        free(truth);
    }
}
