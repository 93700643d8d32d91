/* The layouts of the release's sets beyond the field's: several grids, right views, full-size
 * truths, percentages. (The field's, and what can be broken in all of them: test_datasets.c.) */
#include <criterion/criterion.h>
#include <math.h>

#include "../core/network.h"
#include "../datasets/augment.h"
#include "../datasets/sensor.h"
#include "../experiments/batch.h"
#include "reading.h"

enum { SIDE = 48, PIXELS = SIDE * SIDE, TRUTH_HEIGHT = 60, TRUTH_WIDTH = 90 };

static void set_up(void) {
    begin_reading("micro", SIDE, SIDE);
}

TestSuite(layouts, .init = set_up, .fini = end_reading);

static void write_picture(const char *name, uint32_t seed) {
    write_noise(name, seed, SIDE, SIDE);
}

/* A grid that rises from `first` on by 1/64 a value; its value 5 is `odd`. */
static void write_grid(const char *name, int height, int width, float first, float odd) {
    size_t count = (size_t)height * (size_t)width, shape[] = {(size_t)height, (size_t)width};
    float *values = malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = i == 5 ? odd : first + (float)i / 64;
    write_npy(name, values, 2, shape);
    free(values);
}

/* ---- KITTI ----------------------------------------------------------------------------------- */

#define KITTI_LINE "l.png,r.png,gt.npy,dl.npy,zl.npy,dr.npy,zr.npy,fb.npy,metrics.csv\n"

static void write_kitti(const char *csv, const char *text) {
    write_picture("test/l.png", 1);
    write_picture("test/r.png", 2);
    write_grid("test/gt.npy", TRUTH_HEIGHT, TRUTH_WIDTH, 1, 0);
    write_grid("test/dl.npy", SIDE, SIDE, 1, -1);
    write_grid("test/zl.npy", SIDE, SIDE, 2, -1);
    write_grid("test/dr.npy", SIDE, SIDE, 3, 7);
    write_grid("test/zr.npy", SIDE, SIDE, 4, 8);
    write_scalar("test/fb.npy", 15);
    write_text(csv, text); /* metrics.csv is never opened */
}

Test(layouts, kitti_has_two_cameras_and_a_truth_of_its_own_size) {
    write_kitti("test/annotations.csv", KITTI_LINE);
    opens("micro-kitti", "test");
    cr_assert_eq(dataset.count, 1);
    const struct md_sample *s = dataset.samples;
    cr_assert_str_eq(s->name, "l.png");
    cr_assert_eq(s->fb, 15);
    cr_assert_eq(s->depth_height, SIDE);
    cr_assert_eq(s->depth_m[0], 2);
    cr_assert_eq(s->disparity[0], 1);
    cr_assert_eq(s->depth_m[5], MD_NO_DEPTH);
    cr_assert_eq(s->disparity[5], MD_INVALID);
    cr_assert_eq(s->right_depth_m[0], 4);
    cr_assert_eq(s->right_disparity[0], 3);
    cr_assert_eq(s->right_disparity[5], 7);
    cr_assert_neq(memcmp(s->picture, s->right_picture, 3 * PIXELS), 0);
    cr_assert_eq(s->truth_height, TRUTH_HEIGHT);
    cr_assert_eq(s->truth_width, TRUTH_WIDTH);
    cr_assert_eq(s->truth_m[5], MD_NO_DEPTH);
    cr_assert_eq(s->truth_m[100], 1 + 100 / 64.f);
    /* Rows 24 and on of 60 and columns 3 and on of 90. */
    spec.evaluation_crop = MD_CROP_GARG;
    opens("micro-kitti", "test");
    cr_assert_eq(dataset.samples->truth_m[100], MD_NO_DEPTH);
    cr_assert_neq(dataset.samples->truth_m[24 * TRUTH_WIDTH + 3], MD_NO_DEPTH);
}

/* Garg's crop of 375x1242 is rows 153 .. 370 and columns 44 .. 1196: of the square at the top, in
 * the middle, the rows from 153 on and all columns. */
Test(layouts, kitti_truths_are_squares_of_larger_pictures) {
    enum { TRUTH_SIDE = MD_SQUARE_SIDE };
    write_kitti("test/annotations.csv", KITTI_LINE);
    write_grid("test/gt.npy", TRUTH_SIDE, TRUTH_SIDE, 1, 1);
    spec.max_depth_m = 10000;
    spec.evaluation_crop = MD_CROP_GARG;
    opens("micro-kitti", "test");
    for (int h = 0; h < TRUTH_SIDE; h++)
        for (int w = 0; w < TRUTH_SIDE; w++)
            cr_assert_eq(dataset.samples->truth_m[h * TRUTH_SIDE + w] != MD_NO_DEPTH, h >= 153,
                         "row %d, column %d", h, w);
}

Test(layouts, kitti_is_clipped_at_80_m_and_80_m_is_a_value) {
    write_kitti("test/annotations.csv", KITTI_LINE);
    write_grid("test/zl.npy", SIDE, SIDE, 80, 1);
    opens("micro-kitti", "test");
    cr_assert_eq(dataset.samples->depth_m[0], 80);
    cr_assert_eq(dataset.samples->depth_m[1], MD_NO_DEPTH);
}

Test(layouts, a_percentage_has_a_csv_of_its_own) {
    write_kitti("test/annotations_10perc.csv", KITTI_LINE KITTI_LINE);
    refused("micro-kitti", "test", MD_FAILED, "test/annotations.csv: No such file");
    spec.fraction = 10;
    opens("micro-kitti", "test");
    cr_assert_eq(dataset.count, 2);
}

Test(layouts, sensors_eight_by_eight_are_made_of_both_views) {
    write_kitti("test/annotations.csv", KITTI_LINE);
    spec.label = MD_GRID_TOF8;
    opens("micro-kitti", "test");
    const struct md_sample *s = dataset.samples;
    cr_assert_eq(s->depth_height, 8);
    /* The nearest of 6 x 6 is the first, or the odd one. */
    cr_assert_eq(s->depth_m[0], 2);
    cr_assert_eq(s->disparity[0], 7.5f);
    cr_assert_eq(s->right_depth_m[0], 4);
    cr_assert_eq(s->right_depth_m[1], 4 + 6 / 64.f);
    cr_assert_eq(s->truth_height, TRUTH_HEIGHT);
}

Test(layouts, what_is_broken_is_named) {
    static const struct {
        const char *line, *expected;
    } cases[] = {
        {"l.png,r.png,gt.npy,dl.npy,zl.npy,dr.npy,zr.npy,fb.npy", "expected 9 columns (imgL,imgR,"},
        {"l.png,r.png,none.npy,dl.npy,zl.npy,dr.npy,zr.npy,fb.npy,m", "test/none.npy"},
        {"l.png,none.png,gt.npy,dl.npy,zl.npy,dr.npy,zr.npy,fb.npy,m", "test/none.png"},
        {"l.png,r.png,gt.npy,dl.npy,zl.npy,gt.npy,zr.npy,fb.npy,m", "(48, 48), found (60, 90)"},
        {"l.png,r.png,fb.npy,dl.npy,zl.npy,dr.npy,zr.npy,fb.npy,m", "expected 2 dimensions"},
        {"l.png,r.png,gt.npy,dl.npy,zl.npy,dr.npy,zr.npy,gt.npy,m", "expected one value"},
    };
    write_kitti("test/annotations.csv", "");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char csv[300];
        snprintf(csv, sizeof csv, "%s%s\r\n", KITTI_LINE, cases[i].line);
        write_text("test/annotations.csv", csv);
        refused("micro-kitti", "test", MD_FAILED, cases[i].expected);
        assert_contains(error.text, "line 2 of ");
    }
}

/* ---- flips ----------------------------------------------------------------------------------- */

/* A flipped left view is what a right camera sees, and the other way round. */
Test(layouts, a_flip_starts_from_the_right_view) {
    static struct md_config config;
    static uint8_t picture[3 * PIXELS];
    static float label[PIXELS];
    int flips = 0;
    write_kitti("test/annotations.csv", KITTI_LINE);
    opens("micro-kitti", "test");
    const struct md_sample *s = dataset.samples;
    config.augment = (struct md_augmentation){MD_FLIP, MD_PUBLISHED_STRENGTHS};
    config.seed = 3;
    for (int epoch = 0; epoch < 20; epoch++) {
        int flipped = md_augment_flips(&config.augment, 3, (uint32_t)epoch, 0);
        const uint8_t *from = flipped ? s->right_picture : s->picture;
        const float *disparity = flipped ? s->right_disparity : s->disparity;
        md_prepare_sample(&config, md_networks[0], &dataset, 0, epoch, picture, NULL, label);
        flips += flipped;
        for (int i = 0; i < 3 * PIXELS; i++)
            cr_assert_eq(picture[i], from[flipped ? i / SIDE * SIDE + SIDE - 1 - i % SIDE : i]);
        for (int i = 0; i < PIXELS; i++)
            cr_assert_eq(label[i], disparity[flipped ? i / SIDE * SIDE + SIDE - 1 - i % SIDE : i]);
    }
    cr_assert(flips > 0 && flips < 20);
    md_prepare_sample(&config, md_networks[0], &dataset, 0, -1, picture, NULL, label);
    cr_assert_arr_eq(picture, s->picture, sizeof picture, "without augmentation nothing flips");
}

/* ---- NYUv2, TartanAir ------------------------------------------------------------------------ */

/* An exported dense set is a micro set with labels of the picture's size. */
Test(layouts, dense_grids_of_the_field_layout_become_zones_too) {
    write_picture("p.png", 1);
    write_grid("z.npy", SIDE, SIDE, 1, 1);
    write_grid("d.npy", SIDE, SIDE, 1, 1);
    write_scalar("f.npy", 80);
    write_text("train.csv", "p.png,z.npy,d.npy,f.npy");
    spec.label = MD_GRID_TOF8;
    opens("micro", "train");
    cr_assert_eq(dataset.samples->depth_height, 8);
    cr_assert_eq(dataset.samples->depth_m[0], 1);
    cr_assert_eq(dataset.samples->truth_height, SIDE);
}

/* Half of each zone is 1 m away and half 3 m, from which little light comes. */
Test(layouts, of_two_targets_one_is_chosen) {
    static float depth_m[PIXELS];
    const size_t shape[] = {SIDE, SIDE};
    for (int i = 0; i < PIXELS; i++)
        depth_m[i] = i % 6 < 3 ? 1 : 3;
    write_picture("p.png", 1);
    write_npy("z.npy", depth_m, 2, shape);
    write_scalar("f.npy", 80);
    write_text("train.csv", "p.png,z.npy,z.npy,f.npy");
    spec.label = MD_GRID_TOF8;
    spec.sensor = MD_SENSOR_VL53L5CX;
    spec.targets = 2;
    for (spec.target = MD_TARGET_AUTO; spec.target <= MD_TARGET_FARTHEST; spec.target++) {
        int far = 0;
        opens("micro", "train");
        for (int zone = 0; zone < 64; zone++)
            far += dataset.samples->depth_m[zone] > 2;
        cr_assert(spec.target == MD_TARGET_FARTHEST ? far > 32 : far < 8, "%d: %d", spec.target,
                  far);
    }
}

Test(layouts, nyuv2_is_clipped_at_5_m) {
    write_picture("img/0.png", 1);
    write_grid("gt/0.npy", TRUTH_HEIGHT, TRUTH_WIDTH, 1, 9);
    write_grid("depth/0.npy", SIDE, SIDE, 5, 1);
    write_grid("disp/0.npy", SIDE, SIDE, 1, 1);
    write_scalar("fb/0.npy", 80);
    write_text("val.csv", "img/0.png,gt/0.npy,depth/0.npy,disp/0.npy,fb/0.npy\n");
    opens("micro-nyuv2", "val");
    cr_assert_eq(dataset.samples->depth_m[0], 5);
    cr_assert_eq(dataset.samples->depth_m[1], MD_NO_DEPTH);
    cr_assert_eq(dataset.samples->truth_m[0], 1);
    cr_assert_eq(dataset.samples->truth_m[5], MD_NO_DEPTH);
    cr_assert_null(dataset.samples->right_picture);
}

Test(layouts, tartanair_has_scenarios_and_paths_from_the_root) {
    for (int i = 0; i < 2; i++) {
        const char *scenario = i ? "ocean" : "office";
        char name[80], line[200];
        snprintf(name, sizeof name, "%s/%d.png", scenario, i);
        write_picture(name, (uint32_t)i);
        snprintf(line, sizeof line, "%s,depth.npy,disp.npy,fb.npy\n", name);
        snprintf(name, sizeof name, "%s/csv_annotations/%s.csv", scenario, scenario);
        write_text(name, line);
    }
    write_grid("depth.npy", SIDE, SIDE, 10, 80);
    write_grid("disp.npy", SIDE, SIDE, 1, 1);
    write_scalar("fb.npy", 80);
    opens("micro-tartanair", "office, ocean");
    cr_assert_eq(dataset.count, 2);
    cr_assert_str_eq(dataset.samples[1].name, "ocean/1.png");
    cr_assert_eq(dataset.samples[1].depth_m[5], 80);
    opens("micro-tartanair", "ocean");
    cr_assert_eq(dataset.count, 1);
    opens("micro-tartanair", write_list("ocean\n# not the other\n"));
    cr_assert_eq(dataset.count, 1);
    refused("micro-tartanair", "ocean,,office", MD_USAGE, "expected a name, found nothing");
    refused("micro-tartanair", "ocean, ocean", MD_USAGE, "ocean is named twice");
    refused("micro-tartanair", "sky", MD_FAILED, "sky/csv_annotations/sky.csv");
    write_text("ocean/csv_annotations/ocean.csv", "ocean/1.png,depth.npy,disp.npy,fb.npy\n1\n");
    refused("micro-tartanair", "office, ocean", MD_FAILED, "expected 4 columns");
    assert_contains(error.text, "line 2 of ");
    assert_contains(error.text, "ocean/csv_annotations/ocean.csv: ");
}

/* ---- fractions of other sets ----------------------------------------------------------------- */

Test(layouts, a_fraction_is_spread_evenly) {
    char csv[2000] = "";
    write_picture("p.png", 1);
    write_grid("d.npy", 8, 8, 1, 1);
    strcpy(spec.world, "field");
    spec.count = 20;
    choose("synthetic", "train");
    for (int percent = 1; percent <= 100; percent += 9) {
        spec.fraction = percent;
        int status = open_dataset();
        size_t expected = 20 * (size_t)percent / 100;
        cr_assert_eq(status, expected > 0 ? MD_OK : MD_FAILED, "%d %%: %s", percent, error.text);
        cr_assert_eq(dataset.count, expected);
    }
    spec.fraction = 25;
    assert_opens();
    for (size_t i = 0; i < 5; i++) {
        snprintf(csv, sizeof csv, "synthetic:field:train:%zu", 4 * i + 3);
        cr_assert_str_eq(dataset.samples[i].name, csv);
    }
    opens("synthetic", "train[1:3]"); /* of what the fraction left */
    cr_assert_str_eq(dataset.samples[0].name, "synthetic:field:train:7");
}
