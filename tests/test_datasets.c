/* Data sets as a whole: sample.h, the micro layout. (Matrix ToF flights: test_matrix.c.) */
#include <criterion/criterion.h>
#include <math.h>

#include "../base/file.h"
#include "../datasets/micro.h"
#include "../datasets/sensor.h"
#include "reading.h"

enum { SIDE = 6, GRID = 2, ZONES = GRID * GRID };

static void set_up(void) {
    begin_reading("micro", SIDE, SIDE);
    strcpy(spec.split, "train");
}

TestSuite(sample, .init = set_up, .fini = end_reading);
TestSuite(micro, .init = set_up, .fini = end_reading);

static void write_grid(const char *name, const float values[ZONES]) {
    write_npy(name, values, 2, (const size_t[]){GRID, GRID});
}

/* Files that make a good sample: "p.png,d.npy,s.npy,f.npy". */
static void write_good_files(void) {
    write_noise("p.png", 1, SIDE, SIDE);
    write_grid("d.npy", (float[]){1, 2, 0.5f, 3.5f});
    write_grid("s.npy", (float[]){80, 40, 160, 22});
    write_scalar("f.npy", 80);
}

static void write_csv(const char *text) {
    write_text("train.csv", text);
}

/* --- the micro layout --- */

Test(micro, a_csv_as_windows_leaves_it) {
    write_good_files();
    write_csv("\xEF\xBB\xBFp.png,d.npy,s.npy,f.npy\r\n  p.png , d.npy,\ts.npy , f.npy  \r\n\r\n\n");
    assert_opens();
    cr_assert_eq(dataset.count, 2);
    const struct md_sample *sample = &dataset.samples[1];
    cr_assert_str_eq(sample->name, "p.png");
    cr_assert_eq(sample->depth_height, GRID);
    cr_assert_eq(sample->depth_width, GRID);
    cr_assert_float_eq(sample->fb, 80, 0);
    cr_assert_arr_eq(sample->depth_m, ((float[]){1, 2, 0.5f, 3.5f}), sizeof(float[ZONES]));
    /* 22 is not 80 / 3.5: the file's disparity is kept. */
    cr_assert_arr_eq(sample->disparity, ((float[]){80, 40, 160, 22}), sizeof(float[ZONES]));
}

Test(micro, pictures_become_planes) {
    struct md_image image;
    write_good_files();
    write_csv("p.png,d.npy,s.npy,f.npy");
    assert_opens();
    cr_assert_eq(md_image_read(scratch_path(&scratch, "p.png").text, &image, &error), MD_OK);
    for (int pixel = 0; pixel < SIDE * SIDE; pixel++)
        for (int channel = 0; channel < 3; channel++)
            cr_assert_eq(dataset.samples[0].picture[channel * SIDE * SIDE + pixel],
                         image.rgb[3 * pixel + channel]);
    md_image_free(&image);
}

Test(micro, values_that_are_none) {
    static const struct {
        float depth, disparity;
        int valid;
    } cases[] = {
        {1, 80, 1},          {0.02f, 4000, 1}, {3.9999f, 20, 1},  {0.0199f, 4020, 0},
        {4, 20, 0},          {4.5f, 17, 0},    {0, 80, 0},        {-1, 80, 0},
        {-9.999f, 80000, 0}, {NAN, 80, 0},     {INFINITY, 80, 0}, {1, 0, 0},
        {1, -1, 0},          {1, NAN, 0},      {1, INFINITY, 0},  {-INFINITY, 80, 0},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    const size_t shape[3] = {1, CASES / 2, 2}; /* a leading 1 is no dimension */
    float depth[CASES], disparity[CASES];
    for (int i = 0; i < CASES; i++) {
        depth[i] = cases[i].depth;
        disparity[i] = cases[i].disparity;
    }
    write_good_files();
    write_npy("d.npy", depth, 3, shape);
    write_npy("s.npy", disparity, 2, shape + 1);
    write_csv("p.png,d.npy,s.npy,f.npy");
    assert_opens();
    cr_assert_eq(dataset.samples[0].depth_height, CASES / 2);
    for (int i = 0; i < CASES; i++) {
        float expected_depth = cases[i].valid ? depth[i] : MD_NO_DEPTH;
        float expected_disparity = cases[i].valid ? disparity[i] : MD_INVALID;
        cr_assert_eq(dataset.samples[0].depth_m[i], expected_depth, "case %d", i);
        cr_assert_eq(dataset.samples[0].disparity[i], expected_disparity, "case %d", i);
    }
}

Test(micro, dense_labels_and_one_element_fb) {
    static float depth[SIDE * SIDE], disparity[SIDE * SIDE];
    const size_t shape[2] = {SIDE, SIDE};
    for (int i = 0; i < SIDE * SIDE; i++) {
        depth[i] = 0.1f * (float)(i + 1);
        disparity[i] = 400 / depth[i];
    }
    write_good_files();
    write_npy("d.npy", depth, 2, shape);
    write_npy("s.npy", disparity, 2, shape);
    write_npy("f.npy", (float[]){400}, 2, (const size_t[]){1, 1});
    write_csv("p.png,d.npy,s.npy,f.npy");
    assert_opens();
    cr_assert_eq(dataset.samples[0].depth_width, SIDE);
    cr_assert_eq(dataset.samples[0].fb, 400);
    cr_assert_eq(dataset.samples[0].disparity[38 - 1 - 2], disparity[35]);
}

Test(micro, broken_csv_names_file_and_line) {
    static const struct {
        const char *csv, *line, *expected;
    } cases[] = {
        {"G\np.png,d.npy,s.npy\n", "line 2 of ", "expected 4 columns (img,depth,disp,fb), found 3"},
        {"G,x\n", "line 1 of ", "found 5"},
        {"G\n\nG\n", "line 2 of ", "found 1"},
        {"G\np.png,,s.npy,f.npy\n", "line 2 of ", "the column depth is empty"},
        {"G\nG\nnone.png,d.npy,s.npy,f.npy", "line 3 of ", "none.png: No such file"},
        {"p.png,d.npy,s.npy,none.npy", "line 1 of ", "none.npy: No such file"},
        {"big.png,d.npy,s.npy,f.npy", "line 1 of ", "big.png: expected 6x6 pixels, found 9x8"},
        {"tall.png,d.npy,s.npy,f.npy", "line 1 of ", "expected 6x6 pixels, found 6x8"},
        {"p.png,p.png,s.npy,f.npy", "line 1 of ", "p.png: not a .npy file"},
        {"d.npy,d.npy,s.npy,f.npy", "line 1 of ", "d.npy: expected a PNG or JPEG"},
        {"p.png,row.npy,s.npy,f.npy", "line 1 of ", "row.npy: expected 2 dimensions of 1 to 4096"},
        {"p.png,row.npy,s.npy,f.npy", "line 1 of ", "found shape (4)"},
        {"p.png,two.npy,s.npy,f.npy", "line 1 of ", "found shape (2, 2, 1)"},
        {"p.png,wide.npy,s.npy,f.npy", "line 1 of ", "found shape (1, 4097)"},
        {"p.png,none_in_it.npy,s.npy,f.npy", "line 1 of ", "found shape (0, 3)"},
        {"p.png,d.npy,tall.npy,f.npy", "line 1 of ",
         "shape of the grid before it (2, 2), found (4, 1)"},
        {"p.png,d.npy,s.npy,s.npy", "line 1 of ", "s.npy: expected one value, found 4"},
        {"p.png,d.npy,s.npy,zero.npy", "line 1 of ", "zero.npy: expected a positive number"},
        {"p.png,d.npy,s.npy,nan.npy", "line 1 of ", "nan.npy: expected a positive number"},
    };
    static const float zeros[4097];
    write_good_files();
    write_noise("big.png", 2, 8, 9);
    write_noise("tall.png", 2, 8, SIDE);
    write_npy("row.npy", zeros, 1, (const size_t[]){ZONES});
    write_npy("two.npy", zeros, 3, (const size_t[]){2, 2, 1});
    write_npy("wide.npy", zeros, 2, (const size_t[]){1, 4097});
    write_npy("none_in_it.npy", zeros, 2, (const size_t[]){0, 3});
    write_npy("tall.npy", zeros, 2, (const size_t[]){ZONES, 1});
    write_scalar("zero.npy", 0);
    write_scalar("nan.npy", NAN);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char csv[512] = "";
        for (const char *c = cases[i].csv; *c; c++) /* G stands for a good line */
            strncat(csv, *c == 'G' ? "p.png,d.npy,s.npy,f.npy" : c, *c == 'G' ? 30 : 1);
        write_csv(csv);
        assert_refused(MD_FAILED, cases[i].expected);
        assert_contains(error.text, "train.csv: ");
        assert_contains(error.text, cases[i].line);
    }
}

/* --- exporting --- */

/* Makes a data set of `count` samples that exercises every kind of value. */
static void write_samples(int count) {
    char csv[4096] = "";
    for (int i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "p%d.png", i);
        write_noise(name, (uint32_t)i, SIDE, SIDE);
        snprintf(name, sizeof name, "d%d.npy", i);
        write_grid(name, (float[]){1 + 0.1f * (float)i, 9, 0.5f, 3.5f});
        snprintf(name, sizeof name, "f%d.npy", i);
        write_scalar(name, 80 + (float)i);
        snprintf(csv + strlen(csv), sizeof csv - strlen(csv), "p%d.png,d%d.npy,s.npy,f%d.npy\n", i,
                 i, i);
    }
    write_grid("s.npy", (float[]){80, 40, NAN, 22});
    write_csv(csv);
}

Test(micro, write_and_read_back) {
    char digest[sizeof dataset.digest];
    write_samples(12);
    assert_opens();
    memcpy(digest, dataset.digest, sizeof digest);
    struct scratch_path root = scratch_path(&scratch, "some/where");
    cr_assert_eq(md_micro_write(&dataset, root.text, "val", 0, NULL, &error), MD_OK, "%s",
                 error.text);

    strcpy(spec.root, root.text);
    strcpy(spec.split, "val");
    assert_opens();
    cr_assert_eq(dataset.count, 12);
    cr_assert_str_eq(dataset.digest, digest);
    cr_assert_str_eq(dataset.samples[11].name, "val/img/11.png");
    cr_assert_eq(scratch_count(root.text), 2, "more than val and val.csv");
    cr_assert_eq(scratch_count(scratch_path(&scratch, "some/where/val/fb").text), 12);

    struct md_array depth, disparity;
    cr_assert_eq(
        md_npy_read(scratch_path(&scratch, "some/where/val/depth/0.npy").text, &depth, &error),
        MD_OK);
    cr_assert_eq(
        md_npy_read(scratch_path(&scratch, "some/where/val/disp/0.npy").text, &disparity, &error),
        MD_OK);
    cr_assert_arr_eq(depth.values, ((float[]){1, 0, 0, 3.5f}), sizeof(float[ZONES]));
    cr_assert_arr_eq(disparity.values, ((float[]){80, -1, -1, 22}), sizeof(float[ZONES]));
    md_array_free(&depth);
    md_array_free(&disparity);
}

Test(micro, write_does_not_overwrite) {
    write_samples(1);
    assert_opens();
    cr_assert_eq(md_micro_write(&dataset, scratch.folder, "train", 0, NULL, &error), MD_USAGE);
    assert_contains(error.text, "train.csv: is there already");
    cr_assert_neq(access(scratch_path(&scratch, "train").text, F_OK), 0, "something was written");
}

static int stop_at_second(void *context, const char *what, double done, double all) {
    (void)what, (void)all;
    *(double *)context = done;
    return done >= 1;
}

/* Neither is one of the files that a CSV of another name may be about. */
Test(micro, write_overwrites_no_sample) {
    struct scratch_path other = scratch_path(&scratch, "train/fb/1.npy");
    size_t size;
    write_samples(2);
    assert_opens();
    remove(scratch_path(&scratch, "train.csv").text);
    scratch_write_text(other.text, "precious");
    cr_assert_eq(md_micro_write(&dataset, scratch.folder, "train", 0, NULL, &error), MD_USAGE);
    assert_contains(error.text, "train/fb/1.npy: is there already; --force");
    unsigned char *bytes = scratch_read(other.text, &size);
    cr_assert_eq(memcmp(bytes, "precious", 8), 0);
    free(bytes);
}

Test(micro, writing_can_be_interrupted) {
    double reached = -1;
    struct md_watch watch = {stop_at_second, &reached};
    write_samples(3);
    assert_opens();
    cr_assert_eq(
        md_micro_write(&dataset, scratch_path(&scratch, "out").text, "val", 0, &watch, &error),
        MD_FAILED);
    assert_contains(error.text, "interrupted after 1 of 3 samples");
    cr_assert_eq(scratch_count(scratch_path(&scratch, "out/val/img").text), 1);
    cr_assert_neq(access(scratch_path(&scratch, "out/val.csv").text, F_OK), 0);
}

Test(micro, a_broken_export_has_no_csv) {
    write_samples(3);
    assert_opens();
    char label[MD_PATH_MAX], in_the_way[MD_PATH_MAX];
    snprintf(label, sizeof label, "%s", scratch_path(&scratch, "out/val/disp/2.npy").text);
    cr_assert_eq(md_temporary_path(in_the_way, label, &error), MD_OK);
    cr_assert_eq(mkdir(in_the_way, 0777), 0);
    cr_assert_eq(
        md_micro_write(&dataset, scratch_path(&scratch, "out").text, "val", 0, NULL, &error),
        MD_FAILED);
    assert_contains(error.text, "disp/2.npy.");
    cr_assert_neq(access(scratch_path(&scratch, "out/val.csv").text, F_OK), 0);
    cr_assert_eq(
        md_micro_write(&dataset, scratch_path(&scratch, "p0.png").text, "val", 0, NULL, &error),
        MD_FAILED);
    assert_contains(error.text, "p0.png");
}

Test(micro, split_names_that_would_break_the_csv_are_refused) {
    static const char *const names[] = {"", "a,b", "a/b", "..", "a b", "t[0:1]", "a\nb"};
    write_samples(1);
    assert_opens();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        cr_assert_eq(md_micro_write(&dataset, scratch.folder, names[i], 0, NULL, &error), MD_USAGE,
                     "%s", names[i]);
}

/* --- sample.h --- */

Test(sample, cuts) {
    static const struct {
        const char *split;
        int status;
        size_t first, count;
    } cases[] = {
        {"train", MD_OK, 0, 5},
        {"train[:]", MD_OK, 0, 5},
        {"train[0:5]", MD_OK, 0, 5},
        {"train[2:]", MD_OK, 2, 3},
        {"train[:2]", MD_OK, 0, 2},
        {"train[1:2]", MD_OK, 1, 1},
        {"train[3:3]", MD_FAILED, 0, 0},
        {"train[5:]", MD_FAILED, 0, 0},
        {"train[0:6]", MD_USAGE, 0, 0},
        {"train[3:2]", MD_USAGE, 0, 0},
        {"train[6:]", MD_USAGE, 0, 0},
        {"train[-1:]", MD_USAGE, 0, 0},
        {"train[:-1]", MD_USAGE, 0, 0},
        {"train[1]", MD_USAGE, 0, 0},
        {"train[a:b]", MD_USAGE, 0, 0},
        {"train[ 1:2]", MD_USAGE, 0, 0},
        {"train1:2]", MD_USAGE, 0, 0},
        {"train[1:2]]", MD_USAGE, 0, 0},
        {"train[1:2:3]", MD_USAGE, 0, 0},
        {"train[1:2", MD_FAILED, 0, 0},
        {"]", MD_USAGE, 0, 0},
        {"train[1000000000000000:]", MD_USAGE, 0, 0},
    };
    write_samples(5);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].status != MD_OK) {
            refused("micro", cases[i].split, cases[i].status, "");
            continue;
        }
        opens("micro", cases[i].split);
        cr_assert_eq(dataset.count, cases[i].count, "%s", spec.split);
        cr_assert_eq(dataset.samples[0].fb, 80 + (float)cases[i].first, "%s", spec.split);
    }
}

/* What had been read is freed; `make asan` sees to that. */
Test(sample, reading_can_be_interrupted) {
    double reached = -1;
    struct md_watch watch = {stop_at_second, &reached};
    struct md_data_spec synthetic = default_spec();
    cr_assert_eq(md_dataset_open(&synthetic, 48, 48, &watch, &dataset, &error), MD_FAILED);
    assert_contains(error.text, "interrupted while reading the set synthetic");
    cr_assert_eq(reached, 1);
    cr_assert_null(dataset.samples);
}

Test(sample, the_digest_sees_every_part) {
    char whole[sizeof dataset.digest];
    write_samples(3);
    assert_opens();
    memcpy(whole, dataset.digest, sizeof whole);
    cr_assert_eq(strlen(whole), 32);
    cr_assert_eq(strspn(whole, "0123456789abcdef"), 32);
    assert_opens();
    cr_assert_str_eq(dataset.digest, whole, "the same files gave another digest");

    for (int change = 0; change < 5; change++) {
        write_samples(3);
        strcpy(spec.split, change == 0 ? "train[0:2]" : "train");
        if (change == 1)
            write_noise("p2.png", 99, SIDE, SIDE);
        if (change == 2)
            write_grid("d2.npy", (float[]){1.2f, 9, 0.5f, 3.25f});
        if (change == 3)
            write_grid("s.npy", (float[]){80, 40, NAN, 23});
        if (change == 4)
            write_scalar("f2.npy", 83);
        assert_opens();
        cr_assert_str_neq(dataset.digest, whole, "change %d was not seen", change);
    }
}

Test(sample, the_digest_sees_shapes) {
    char square[sizeof dataset.digest];
    write_good_files();
    write_csv("p.png,d.npy,s.npy,f.npy");
    assert_opens();
    memcpy(square, dataset.digest, sizeof square);
    write_npy("d.npy", (float[]){1, 2, 0.5f, 3.5f}, 2, (const size_t[]){ZONES, 1});
    write_npy("s.npy", (float[]){80, 40, 160, 22}, 2, (const size_t[]){ZONES, 1});
    assert_opens();
    cr_assert_str_neq(dataset.digest, square);
}

Test(sample, wrong_requests) {
    static const struct {
        const char *set, *root;
        double min_depth_m, max_depth_m;
        int crop, status;
        const char *expected;
    } cases[] = {
        {"kitty", "R", 0, 4, 1, MD_USAGE, "set: \"kitty\" is no data set"},
        {"", "R", 0, 4, 1, MD_USAGE, "set: \"\" is no data set"},
        {"micro", "", 0, 4, 1, MD_USAGE, "root: the set micro needs"},
        {"matrix", "", 0, 4, 1, MD_USAGE, "root: the set matrix needs"},
        {"micro", "R", 4, 4, 1, MD_USAGE, "min_depth_m < max_depth_m"},
        {"micro", "R", -1, 4, 1, MD_USAGE, "min_depth_m < max_depth_m"},
        {"micro", "R", 0, NAN, 1, MD_USAGE, "min_depth_m < max_depth_m"},
        {"micro", "R", 0, INFINITY, 1, MD_USAGE, "min_depth_m < max_depth_m"},
        {"matrix", "R", 0, 4, -1, MD_USAGE, "crop: expected a number of pixels, found -1"},
        {"micro", "R/none", 0, 4, 1, MD_FAILED, "none/train.csv: No such file or directory"},
        {"micro", "R/none//", 0, 4, 1, MD_FAILED, "/none/train.csv: No such file or directory"},
        {"micro", "R", 0, 4, 1, MD_FAILED, "no samples"}, /* train.csv is empty */
    };
    write_csv("");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        strcpy(spec.set, cases[i].set);
        snprintf(spec.root, sizeof spec.root, "%s%s", cases[i].root[0] ? scratch.folder : "",
                 cases[i].root[0] ? cases[i].root + 1 : "");
        spec.min_depth_m = cases[i].min_depth_m;
        spec.max_depth_m = cases[i].max_depth_m;
        spec.crop = cases[i].crop;
        assert_refused(cases[i].status, cases[i].expected);
    }
}

Test(sample, valid_depth) {
    static const struct {
        float reading, expected;
    } cases[] = {{1, 1},           {0.02f, 0.02f}, {20 / 1000.0f, 0.02f}, {0.0199f, 0}, {4, 0},
                 {3.999f, 3.999f}, {NAN, 0},       {INFINITY, 0},         {-1, 0},      {0, 0}};
    const struct md_data_spec field_spec = default_spec();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_eq(md_valid_depth(&field_spec, cases[i].reading), cases[i].expected, "%g",
                     cases[i].reading);
}

/* --- real data --- */

Test(micro, the_real_set) {
    choose_shared("data/tof/micro_sec_mde");
    assert_opens();
    cr_assert_eq(dataset.count, 139);
    int valid = 0, sum_mm = 0;
    for (size_t i = 0; i < dataset.count; i++) {
        cr_assert_eq(dataset.samples[i].fb, 80);
        for (int zone = 0; zone < 64; zone++) {
            float depth_m = dataset.samples[i].depth_m[zone];
            valid += depth_m != MD_NO_DEPTH;
            sum_mm += (int)lroundf(1000 * depth_m);
            cr_assert_eq(depth_m == MD_NO_DEPTH, dataset.samples[i].disparity[zone] == MD_INVALID);
        }
    }
    /* Counted with NumPy and Pillow. */
    cr_assert_eq(valid, 6308);
    cr_assert_eq(sum_mm, 10682517);
    cr_assert_str_eq(dataset.samples[138].name, "train/img/comb_capt_202.jpg");
    cr_assert_eq(dataset.samples[138].picture[24 * 48 + 24], 157);
    cr_assert_float_eq(dataset.samples[0].depth_m[3], 1.528f, 1e-6);
    cr_assert_float_eq(dataset.samples[0].disparity[3], 52.356f, 1e-3);
}
