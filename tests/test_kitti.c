/* KITTI's folders and the .h5 form: generated files of the true format, and the real ones when they
 * are there. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>

#include "../datasets/h5.h"
#include "../datasets/readers.h"
#include "h5_leaks.h"
#include "kitti.h"
#include "scratch.h"
#include "specs.h"

static struct scratch scratch;
static struct md_error error;
static struct md_dataset dataset;

static void set_up(void) {
    scratch = scratch_open();
    error.text[0] = 0;
}

static void tear_down(void) {
    md_dataset_close(&dataset);
    scratch_close(&scratch);
}

TestSuite(kitti, .init = set_up, .fini = tear_down);
TestSuite(kitti_object, .init = set_up, .fini = tear_down);
TestSuite(kitti_stereo, .init = set_up, .fini = tear_down);
TestSuite(h5_frames, .init = set_up, .fini = tear_down);
TestSuite(kitti_real, .init = set_up, .fini = tear_down);

/* ---- opening --------------------------------------------------------------------------------- */

enum { SIDE = 4 }; /* of every sample's picture */

static int open_spec(const struct md_data_spec *spec, int side) {
    md_dataset_close(&dataset);
    error.text[0] = 0;
    return md_dataset_open(spec, side, side, NULL, &dataset, &error);
}

static struct md_data_spec spec_of(const char *set, const char *root, const char *split) {
    struct md_data_spec spec = default_spec();
    spec.max_depth_m = 0;
    spec.min_depth_m = 0;
    snprintf(spec.set, sizeof spec.set, "%s", set);
    snprintf(spec.root, sizeof spec.root, "%.1023s", root);
    snprintf(spec.split, sizeof spec.split, "%s", split);
    return spec;
}

/* Opens a set in the scratch folder. */
static int open_depth(const char *set, const char *split, int depth) {
    struct md_data_spec spec = spec_of(set, scratch.folder, split);
    spec.depth = depth;
    return open_spec(&spec, SIDE);
}

static int open_set(const char *set, const char *split) {
    return open_depth(set, split, MD_DEPTH_AUTO);
}

static void opens(const char *set, const char *split) {
    cr_assert_eq(open_set(set, split), MD_OK, "%s: %s", split, error.text);
}

static void refused(const char *set, const char *split, const char *part) {
    cr_assert_neq(open_set(set, split), MD_OK, "expected the error \"%s\"", part);
    assert_contains(error.text, part);
}

/* The last characters of each sample's name. */
static void names_end_with(const char *const *ends, size_t count) {
    cr_assert_eq(dataset.count, count, "found %zu samples", dataset.count);
    for (size_t i = 0; i < count; i++) {
        const char *name = dataset.samples[i].name;
        cr_assert(strlen(name) >= strlen(ends[i]) &&
                      strcmp(name + strlen(name) - strlen(ends[i]), ends[i]) == 0,
                  "sample %zu is %s, not %s", i, name, ends[i]);
    }
}
#define NAMES(...)                                                                                 \
    names_end_with((const char *const[]){__VA_ARGS__},                                             \
                   sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* ---- writing --------------------------------------------------------------------------------- */

static void write_text(const char *name, const char *text) {
    scratch_write_text(scratch_path(&scratch, "%s", name).text, text);
}

static void write_picture(const char *name) {
    uint8_t rgb[HEIGHT * WIDTH * 3];
    for (int i = 0; i < HEIGHT * WIDTH * 3; i++)
        rgb[i] = (uint8_t)(i % 251);
    cr_assert_eq(
        md_png_write_rgb(scratch_path(&scratch, "%s", name).text, rgb, HEIGHT, WIDTH, &error),
        MD_OK);
}

static void write_grey(const char *name, unsigned value, int height, int width) {
    uint16_t grey[HEIGHT * WIDTH * 4];
    for (int i = 0; i < height * width; i++)
        grey[i] = (uint16_t)value;
    cr_assert_eq(
        md_png_write_grey16(scratch_path(&scratch, "%s", name).text, grey, height, width, &error),
        MD_OK);
}

/* A map that has one value everywhere. */
static void write_depth(const char *name, unsigned value) {
    write_grey(name, value, HEIGHT, WIDTH);
}

#define OBJECT                                                                                     \
    "P2: 10 0 5 0 0 10 4 0 0 0 1 0\nP3: 10 0 5 -5 0 10 4 0 0 0 1 0\n"                              \
    "R0_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0\n"

static void write_scan(const char *name, size_t points, const float (*xyz)[4]) {
    scratch_write(scratch_path(&scratch, "%s", name).text, xyz, points * sizeof *xyz);
}

#define DRIVE(number) "2011_09_26/2011_09_26_drive_" number "_sync/"

/* A drive's picture, and its annotated depth of 1 m. */
static void write_frame(const char *drive, const char *frame) {
    char name[200];
    snprintf(name, sizeof name, "%simage_02/data/%s.png", drive, frame);
    write_picture(name);
    snprintf(name, sizeof name, "%sproj_depth/groundtruth/image_02/%s.png", drive, frame);
    write_depth(name, 256);
}

/* ---- raw ------------------------------------------------------------------------------------- */

Test(kitti, the_best_depth_of_a_frame_is_taken) {
    static const float ahead[][4] = {{10, 0, 0, 0}};
    write_text("2011_09_26/calib_cam_to_cam.txt", CAMERAS);
    write_text("2011_09_26/calib_velo_to_cam.txt", LIDAR);
    for (int i = 0; i < 4; i++) {
        char name[200];
        snprintf(name, sizeof name, DRIVE("0001") "image_02/data/%010d.png", i);
        write_picture(name);
        snprintf(name, sizeof name, DRIVE("0001") "velodyne_points/data/%010d.bin", i);
        if (i > 0)
            write_scan(name, 1, ahead);
        snprintf(name, sizeof name, DRIVE("0001") "proj_depth/velodyne_raw/image_02/%010d.png", i);
        if (i > 1)
            write_depth(name, 2 * 256);
        snprintf(name, sizeof name, DRIVE("0001") "proj_depth/groundtruth/image_02/%010d.png", i);
        if (i > 2)
            write_depth(name, 256 + 1);
    }
    static const struct {
        int depth;
        size_t count;
        float nearest_m[3]; /* of each sample */
    } cases[] = {{MD_DEPTH_AUTO, 3, {10, 2, 1 + 1 / 256.f}},
                 {MD_DEPTH_GROUNDTRUTH, 1, {1 + 1 / 256.f}},
                 {MD_DEPTH_VELODYNE_RAW, 2, {2, 2}},
                 {MD_DEPTH_LIDAR, 3, {10, 10, 10}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_eq(open_depth("kitti", "all", cases[i].depth), MD_OK, "%s", error.text);
        cr_assert_eq(dataset.count, cases[i].count);
        for (size_t s = 0; s < dataset.count; s++) {
            const struct md_sample *sample = &dataset.samples[s];
            float nearest_m = INFINITY;
            for (int p = 0; p < sample->depth_height * sample->depth_width; p++)
                if (sample->depth_m[p] != MD_NO_DEPTH && sample->depth_m[p] < nearest_m)
                    nearest_m = sample->depth_m[p];
            cr_assert_eq(nearest_m, cases[i].nearest_m[s], "case %zu: %g", i, nearest_m);
            cr_assert_eq(sample->fb, MD_KITTI_FB);
        }
    }
    /* Named, a frame without (such) a depth is an error. */
    struct scratch_path list = scratch_path(&scratch, "list.txt");
    char split[2000];
    snprintf(split, sizeof split, "@%s", list.text);
    scratch_write_text(list.text, "2011_09_26/2011_09_26_drive_0001_sync 3 l\n"
                                  "2011_09_26/2011_09_26_drive_0001_sync 0 l\n");
    refused("kitti", split, "line 2 of");
    assert_contains(error.text, "0000000000.png: expected a depth (auto) of the same frame");
    cr_assert_eq(open_depth("kitti", split, MD_DEPTH_LIDAR), MD_FAILED);
    assert_contains(error.text, "expected a depth (lidar)");
}

Test(kitti, drives_and_their_shares) {
    /* Sorted, the seven drives are numbered 0 .. 6. */
    static const char *const numbers[] = {"0005", "0001", "0019", "0002", "0091", "0113", "0104"};
    for (int i = 0; i < 7; i++) {
        char drive[100];
        snprintf(drive, sizeof drive, "2011_09_2%d/2011_09_2%d_drive_%s_sync/", 6 + i % 2,
                 6 + i % 2, numbers[i]);
        write_frame(drive, "0000000007");
        write_frame(drive, "0000000003");
    }
    /* A picture in two forms is one frame. */
    write_picture("2011_09_26/2011_09_26_drive_0005_sync/image_02/data/0000000003.jpg");
    /* None of these is a drive, a frame or a picture of one. */
    write_frame("2011_09_26/2011_09_26_drive_0001_extract/", "0000000000");
    write_frame("2011_09_26/other/", "0000000000");
    write_frame("elsewhere/2011_09_26_drive_0001_sync/", "0000000000");
    write_picture("2011_09_26/2011_09_26_drive_0005_sync/image_02/data/0000000009.png");
    write_picture("2011_09_26/2011_09_26_drive_0005_sync/image_02/data/000000003.png");
    write_text("2011_09_26/2011_09_26_drive_0005_sync/image_02/data/0000000003.txt", "");
    write_text("2011_09_26/2011_09_26_drive_0005_sync/image_02/data/.0000000003.png", "");
    write_text("2011_09_26/2011_09_26_drive_0005_sync/image_02/timestamps.txt", "");
    write_text("2011_09_28", "");
    opens("kitti", "all");
    cr_assert_eq(dataset.count, 14);
    NAMES("26_drive_0005_sync/image_02/data/0000000003.jpg",
          "0005_sync/image_02/data/0000000007.png",
          "26_drive_0019_sync/image_02/data/0000000003.png", "0007.png",
          "26_drive_0091_sync/image_02/data/0000000003.png", "0007.png",
          "26_drive_0104_sync/image_02/data/0000000003.png", "0007.png",
          "27_drive_0001_sync/image_02/data/0000000003.png", "0007.png",
          "27_drive_0002_sync/image_02/data/0000000003.png", "0007.png",
          "27_drive_0113_sync/image_02/data/0000000003.png", "0007.png");
    opens("kitti", "val");
    NAMES("26_drive_0091_sync/image_02/data/0000000003.png", "0007.png");
    opens("kitti", "test");
    NAMES("27_drive_0002_sync/image_02/data/0000000003.png", "0007.png");
    opens("kitti", "train");
    cr_assert_eq(dataset.count, 10);
    opens("kitti", " 2011_09_27_drive_0113_sync , 2011_09_26/2011_09_26_drive_0005_sync/[1:3]");
    NAMES("27_drive_0113_sync/image_02/data/0000000007.png",
          "26_drive_0005_sync/image_02/data/0000000003.jpg");
    refused("kitti", "2011_09_26_drive_0005_sync,2011_09_26_drive_0005_sync", "named twice");
    refused("kitti", "2011_09_26_drive_0006_sync", "2011_09_26_drive_0006_sync/image_02/data");
    refused("kitti", "nothing", "found \"nothing\"");
    refused("kitti", "", "expected a name, found nothing");
    refused("kitti", "@none.txt", "none.txt: No such file");
}

Test(kitti, the_depth_benchmark_keeps_its_depths_elsewhere) {
    /* Pictures with the raw data, depths in train and val; a drive whose pictures are there too. */
    write_picture(DRIVE("0001") "image_02/data/0000000005.png");
    write_picture(DRIVE("0002") "image_02/data/0000000005.png");
    write_depth("train/2011_09_26_drive_0001_sync/proj_depth/groundtruth/image_02/0000000005.png",
                256);
    write_depth("val/2011_09_26_drive_0002_sync/proj_depth/velodyne_raw/image_02/0000000005.png",
                512);
    write_frame("val/2011_09_26_drive_0000_sync/", "0000000006");
    /* No pictures: not a drive that could be used. */
    write_depth("val/2011_09_26_drive_0004_sync/proj_depth/groundtruth/image_02/0000000005.png",
                256);
    opens("kitti", "all");
    NAMES("0000_sync/image_02/data/0000000006.png", "0001_sync/image_02/data/0000000005.png",
          "0002_sync/image_02/data/0000000005.png");
    cr_assert_eq(dataset.samples[1].depth_m[0], 1);
    cr_assert_eq(dataset.samples[2].depth_m[0], 2);
    opens("kitti", "train");
    NAMES("0001_sync/image_02/data/0000000005.png");
    opens("kitti", "val");
    NAMES("0000_sync/image_02/data/0000000006.png", "0002_sync/image_02/data/0000000005.png");
    refused("kitti", "test", "expected a folder test");
}

Test(kitti, lists_of_frames) {
    struct scratch_path list = scratch_path(&scratch, "list.txt");
    char split[2000];
    snprintf(split, sizeof split, "@%s", list.text);
    write_frame(DRIVE("0001"), "0000000000");
    write_frame(DRIVE("0001"), "0000000069");
    write_picture(DRIVE("0001") "image_03/data/0000000069.png");
    write_depth(DRIVE("0001") "proj_depth/groundtruth/image_03/0000000069.png", 3 * 256);
    scratch_write_text(
        list.text, "\xEF\xBB\xBF# Eigen's\r\n"
                   "2011_09_26/2011_09_26_drive_0001_sync 0000000069 l\r\n"
                   "2011_09_26/2011_09_26_drive_0001_sync\t69  r \r\n\r\n"
                   "2011_09_26_drive_0001_sync 0 l # again\r\n"
                   "2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000000.png None 7\r\n"
                   "2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000000.jpg "
                   "2011_09_26/2011_09_26_drive_0001_sync/image_03/data/0000000000.jpg\r\n"
                   "2011_09_26/2011_09_26_drive_0001_sync/image_03/data/0000000069.png "
                   "2011_09_26_drive_0001_sync/proj_depth/groundtruth/image_03/0000000069.png "
                   "721.5377\r\n");
    opens("kitti", split);
    NAMES("image_02/data/0000000069.png", "image_03/data/0000000069.png",
          "image_02/data/0000000000.png", "image_02/data/0000000000.png",
          "image_03/data/0000000069.png");
    cr_assert_eq(dataset.samples[0].depth_m[0], 1);
    cr_assert_eq(dataset.samples[1].depth_m[0], 3);
    static const struct {
        const char *line, *expected;
    } cases[] = {
        {"2011_09_26/2011_09_26_drive_0001_sync 69",
         "found \"2011_09_26/2011_09_26_drive_0001_sync 69\""},
        {"2011_09_26/2011_09_26_drive_0001_sync 69 x", "expected \"DAY/DRIVE FRAME l\""},
        {"2011_09_26/2011_09_26_drive_0001_sync -1 l", "expected \"DAY/DRIVE FRAME l\""},
        {"2011_09_26/2011_09_26_drive_0001_sync 6x l", "expected \"DAY/DRIVE FRAME l\""},
        {"2011_09_26/2011_09_26_drive_0001_sync 69 l 4", "expected \"DAY/DRIVE FRAME l\""},
        {"2011_09_26/../../etc 69 l", "expected \"DAY/DRIVE FRAME l\""},
        {"2011_09_26/2011_09_26_drive_0001_sync 70 l", "0000000070.jpg, found none"},
        {"2011_09_26/2011_09_26_drive_0001_sync 99999999999 l", "found none"},
        {"2011_09_26/2011_09_26_drive_0008_sync 70 l",
         "pictures of the drive 2011_09_26_drive_0008"},
        {"2011_09_26/2011_09_26_drive_0001_sync/image_02/data/5.png", "FRAME.png, found \"2011"},
        {"2011_09_26/2011_09_26_drive_0001_sync/image_04/data/0000000000.png", "FRAME.png, found"},
        {"/data/image_02/data/0000000000.png", "FRAME.png, found"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scratch_write_text(list.text, cases[i].line);
        refused("kitti", split, cases[i].expected);
        assert_contains(error.text, "line 1 of ");
    }
    scratch_write_text(list.text, "# nothing\n");
    refused("kitti", split, "expected names, found none");
}

Test(kitti, what_does_not_fit_is_refused) {
    static const float ahead[][4] = {{10, 0, 0, 0}};
    write_picture(DRIVE("0001") "image_02/data/0000000000.png");
    refused("kitti", "all", "no samples");
    write_scan(DRIVE("0001") "velodyne_points/data/0000000000.bin", 1, ahead);
    refused("kitti", "all", "2011_09_26/calib_cam_to_cam.txt: No such file");
    write_text("2011_09_26/calib_cam_to_cam.txt", CAMERAS);
    refused("kitti", "all", "2011_09_26/calib_velo_to_cam.txt: No such file");
    /* Calibration may lie in the drive, too. */
    write_text(DRIVE("0001") "calib_velo_to_cam.txt", LIDAR);
    opens("kitti", "all");
    const char *map = DRIVE("0001") "proj_depth/velodyne_raw/image_02/0000000000.png";
    write_grey(map, 256, HEIGHT, WIDTH + 1);
    refused("kitti", "all", "expected the picture's 8x6 pixels, found 9x6");
    write_picture(map);
    refused("kitti", "all", "16-bit");
    write_text(map, "no picture");
    refused("kitti", "all", "velodyne_raw/image_02/0000000000.png");
    write_depth(map, 256);
    opens("kitti", "all");
    write_text(DRIVE("0001") "image_02/data/0000000000.png", "\x89PNG");
    refused("kitti", "all", "image_02/data/0000000000.png");
    scratch_remove(scratch_path(&scratch, "2011_09_26").text);
    refused("kitti", "all", "expected drives");
    struct md_data_spec spec = spec_of("kitti", scratch_path(&scratch, "none").text, "all");
    cr_assert_eq(open_spec(&spec, SIDE), MD_FAILED);
    assert_contains(error.text, "none is no folder");
}

/* ---- the square ------------------------------------------------------------------------------ */

/* 8x6 becomes the 6x6 whose left edge is column 1; Garg's crop of the whole is rows 2 .. 4 and
 * columns 0 .. 6, so of the square rows 2 .. 4 and columns 0 .. 5. */
Test(kitti, the_square_at_the_top_in_the_middle) {
    uint16_t grey[HEIGHT * WIDTH];
    uint8_t rgb[HEIGHT * WIDTH * 3];
    for (int i = 0; i < HEIGHT * WIDTH; i++) {
        grey[i] = (uint16_t)(256 + 256 * i);
        rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = (uint8_t)i;
    }
    const char *picture = DRIVE("0001") "image_02/data/0000000000.png";
    const char *map = DRIVE("0001") "proj_depth/groundtruth/image_02/0000000000.png";
    cr_assert_eq(
        md_png_write_rgb(scratch_path(&scratch, "%s", picture).text, rgb, HEIGHT, WIDTH, &error),
        MD_OK);
    cr_assert_eq(
        md_png_write_grey16(scratch_path(&scratch, "%s", map).text, grey, HEIGHT, WIDTH, &error),
        MD_OK);
    struct md_data_spec spec = spec_of("kitti", scratch.folder, "all");
    spec.evaluation_crop = MD_CROP_GARG;
    cr_assert_eq(open_spec(&spec, 6), MD_OK, "%s", error.text);
    const struct md_sample *sample = dataset.samples;
    for (int h = 0; h < 6; h++)
        for (int w = 0; w < 6; w++) {
            int from = h * WIDTH + w + 1;
            cr_assert_eq(sample->picture[h * 6 + w], from);
            cr_assert_float_eq(sample->depth_m[h * 6 + w], 1 + (float)from, 1e-5);
        }
    cr_assert_null(sample->truth_m); /* it is no finer */
    cr_assert_eq(open_spec(&spec, 3), MD_OK, "%s", error.text);
    sample = dataset.samples;
    cr_assert_eq(sample->truth_height, 6);
    cr_assert_eq(sample->truth_width, 6);
    for (int h = 0; h < 6; h++)
        for (int w = 0; w < 6; w++)
            cr_assert_eq(sample->truth_m[h * 6 + w],
                         h >= 2 && h < 5 ? 1 + (float)(h * WIDTH + w + 1) : MD_NO_DEPTH,
                         "row %d column %d: %g", h, w, sample->truth_m[h * 6 + w]);
    spec.picture = MD_PICTURE_WHOLE;
    cr_assert_eq(open_spec(&spec, 3), MD_OK, "%s", error.text);
    sample = dataset.samples;
    cr_assert_eq(sample->truth_width, 8);
    cr_assert_eq(sample->truth_m[2 * WIDTH + 6], 1 + 2 * WIDTH + 6);
    cr_assert_eq(sample->truth_m[2 * WIDTH + 7], MD_NO_DEPTH);
}

/* ---- object ---------------------------------------------------------------------------------- */

static void write_object(int frame, int depth_png) {
    static const float ahead[][4] = {{10, 0, 0, 0}};
    char name[100];
    snprintf(name, sizeof name, "training/image_2/%06d.png", frame);
    write_picture(name);
    snprintf(name, sizeof name, "training/calib/%06d.txt", frame);
    write_text(name, OBJECT);
    snprintf(name, sizeof name, "training/velodyne/%06d.bin", frame);
    write_scan(name, 1, ahead);
    snprintf(name, sizeof name, "training/proj_depth/velodyne_raw/image_2/%06d.png", frame);
    if (depth_png)
        write_depth(name, 512);
}

Test(kitti_object, frames_and_their_shares) {
    struct scratch_path list = scratch_path(&scratch, "list.txt");
    char split[2000];
    for (int i = 0; i < 7; i++)
        write_object(10 * i, i == 1);
    opens("kitti-object", "all");
    cr_assert_eq(dataset.count, 7);
    cr_assert_eq(dataset.samples[1].depth_m[0], 2); /* the PNG */
    cr_assert_eq(dataset.samples[0].depth_m[0], 0);
    opens("kitti-object", "val");
    NAMES("image_2/000020.png");
    opens("kitti-object", "test");
    NAMES("image_2/000050.png");
    opens("kitti-object", "train");
    NAMES("000000.png", "000010.png", "000030.png", "000040.png", "000060.png");
    opens("kitti-object", "000060, 000010");
    NAMES("000060.png", "000010.png");
    snprintf(split, sizeof split, "@%s", list.text);
    scratch_write_text(list.text, "000030\r\n\r\n000000\r\n");
    opens("kitti-object", split);
    NAMES("000030.png", "000000.png");
    scratch_write_text(list.text, "000030\n000031\n");
    refused("kitti-object", split, "line 2 of");
    assert_contains(error.text, "000031.jpg, found none");
    refused("kitti-object", "30", "a frame of 6 digits, found \"30\"");
    refused("kitti-object", "000030x", "found \"000030x\"");
    cr_assert_eq(open_depth("kitti-object", "all", MD_DEPTH_VELODYNE_RAW), MD_OK);
    NAMES("000010.png");
    cr_assert_eq(open_depth("kitti-object", "all", MD_DEPTH_GROUNDTRUTH), MD_USAGE);
    assert_contains(error.text, "the set kitti-object has no groundtruth");
    scratch_remove(scratch_path(&scratch, "training/calib/000030.txt").text);
    refused("kitti-object", "000030", "training/calib/000030.txt: No such file");
    struct md_data_spec spec =
        spec_of("kitti-object", scratch_path(&scratch, "training").text, "000020");
    cr_assert_eq(open_spec(&spec, SIDE), MD_OK, "%s", error.text);
    NAMES("image_2/000020.png");
}

/* Depths that may not be looked at are not taken for missing ones, for which others would do. */
Test(kitti_object, locked_folders_are_not_missing_ones) {
    struct scratch_path locked = scratch_path(&scratch, "training/proj_depth");
    write_picture("training/image_2/000000.png");
    write_grey("training/proj_depth/velodyne_raw/image_2/000000.png", 256, HEIGHT, WIDTH);
    write_text("training/velodyne/000000.bin", "0123456789abcdef");
    scratch_lock(&scratch, locked.text);
    refused("kitti-object", "all",
            "training/proj_depth/velodyne_raw/image_2/000000.png: Permission denied");
    scratch_unlock(locked.text);
    locked = scratch_path(&scratch, "training");
    scratch_lock(&scratch, locked.text);
    refused("kitti-object", "all", "training/image_2: Permission denied");
    scratch_unlock(locked.text);
}

Test(kitti_object, no_pictures_at_all) {
    refused("kitti-object", "all", "training/image_2/000000.png, found no such folder");
    refused("kitti-object", "000001", "expected pictures, found none");
}

/* ---- stereo ---------------------------------------------------------------------------------- */

Test(kitti_stereo, depth_is_focal_length_times_baseline_over_disparity) {
    write_picture("training/image_2/000003_10.png");
    write_picture("training/image_2/000003_11.png"); /* the next picture: without a disparity */
    write_depth("training/disp_occ_0/000003_10.png", 640);
    write_text("training/calib_cam_to_cam/000003.txt", CAMERAS);
    opens("kitti-stereo", "all");
    NAMES("image_2/000003_10.png");
    cr_assert_eq(dataset.samples[0].depth_m[0], 2); /* 5 / (640 / 256) */
    cr_assert_eq(dataset.samples[0].disparity[0], MD_KITTI_FB / 2);
    opens("kitti-stereo", "000003");
    /* 5 / (1 / 256) m is out of range, and 0 is no disparity. */
    write_depth("training/disp_occ_0/000003_10.png", 1);
    opens("kitti-stereo", "all");
    cr_assert_eq(dataset.samples[0].depth_m[0], MD_NO_DEPTH);
    write_depth("training/disp_occ_0/000003_10.png", 0);
    opens("kitti-stereo", "all");
    cr_assert_eq(dataset.samples[0].depth_m[0], MD_NO_DEPTH);
    write_grey("training/disp_occ_0/000003_10.png", 640, HEIGHT + 1, WIDTH);
    refused("kitti-stereo", "all", "expected the picture's 8x6 pixels, found 8x7");
    write_picture("training/disp_occ_0/000003_10.png");
    refused("kitti-stereo", "all", "disp_occ_0/000003_10.png");
    write_depth("training/disp_occ_0/000003_10.png", 640);
    write_text("training/calib_cam_to_cam/000003.txt", "P_rect_02: 1\n");
    refused("kitti-stereo", "all", "expected 12 numbers, found 1");
    scratch_remove(scratch_path(&scratch, "training/calib_cam_to_cam").text);
    refused("kitti-stereo", "all", "calib_cam_to_cam/000003.txt: No such file");
}

Test(kitti_stereo, the_older_benchmark_is_grey) {
    write_picture("training/image_0/000000_10.png");
    write_depth("training/disp_occ/000000_10.png", 512);
    write_text("training/calib/000000.txt",
               "P0: 10 0 5 0 0 10 4 0 0 0 1 0\nP1: 10 0 5 -6 0 10 4 0 0 0 1 0\n");
    opens("kitti-stereo-2012", "all");
    cr_assert_eq(dataset.samples[0].depth_m[0], 3);
}

/* ---- .h5 ------------------------------------------------------------------------------------- */

/* Writes a file with rgb (3, 2, 4) and depth (2, 4), or what else the shapes say. */
static void write_h5(const char *name, const size_t rgb_shape[3], hid_t rgb_type,
                     const size_t depth_shape[2]) {
    static const uint8_t bytes[24] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                                      13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24};
    static const float depths[8] = {1, 2, 0, NAN, 5, -6, 90, 80};
    static const float fractions[24] = {0.5f};
    struct md_h5_writer writer;
    int whole = rgb_type == H5T_NATIVE_UINT8;
    cr_assert_eq(md_h5_create(scratch_path(&scratch, "%s", name).text, &writer, &error), MD_OK);
    cr_assert_eq(md_h5_write(writer.file, "rgb", rgb_type, 3, rgb_shape,
                             whole ? (const void *)bytes : fractions, &error),
                 MD_OK);
    cr_assert_eq(
        md_h5_write(writer.file, "depth", H5T_NATIVE_FLOAT, 2, depth_shape, depths, &error), MD_OK);
    cr_assert_eq(md_h5_commit(&writer, &error), MD_OK, "%s", error.text);
}

static const size_t rgb_shape[3] = {3, 2, 4}, depth_shape[2] = {2, 4};

static int h5_fails(const char *path) {
    struct md_data_spec spec = spec_of("h5", scratch_path(&scratch, "cuts").text, "all");
    scratch_remove(spec.root);
    mkdir(spec.root, 0777);
    char name[1100];
    snprintf(name, sizeof name, "%s/cut.h5", spec.root);
    cr_assert_eq(rename(path, name), 0);
    int status = open_spec(&spec, SIDE);
    snprintf(name, sizeof name, " (%s)", path); /* moved: put the name it had into the error */
    strncat(error.text, name, sizeof error.text - strlen(error.text) - 1);
    return status != MD_OK;
}

H5_TEST(h5_frames, trees_of_files) {
    write_h5("train/01/b.h5", rgb_shape, H5T_NATIVE_UINT8, depth_shape);
    write_h5("train/00/a.h5", rgb_shape, H5T_NATIVE_UINT8, depth_shape);
    write_h5("val/c.h5", rgb_shape, H5T_NATIVE_UINT8, depth_shape);
    write_text("val/read.me", "");
    opens("h5", "all");
    NAMES("train/00/a.h5", "train/01/b.h5", "val/c.h5");
    opens("h5", "train");
    NAMES("train/00/a.h5", "train/01/b.h5");
    opens("h5", "val, train/01");
    NAMES("val/c.h5", "train/01/b.h5");
    refused("h5", "test", "test: No such file");
    refused("h5", "val,", "found nothing");
    for (int i = 0; i < 10; i++)
        scratch_path(&scratch, "deep/1/2/3/4/5/6/7/8/9/x");
    refused("h5", "all", "more than 8 folders deep");
    md_dataset_close(&dataset);
}

H5_TEST(h5_frames, values) {
    write_h5("a.h5", rgb_shape, H5T_NATIVE_UINT8, depth_shape);
    struct md_data_spec spec = spec_of("h5", scratch.folder, "all");
    spec.picture = MD_PICTURE_WHOLE;
    cr_assert_eq(md_dataset_open(&spec, 2, 4, NULL, &dataset, &error), MD_OK, "%s", error.text);
    static const float expected[8] = {1, 2, 0, 0, 5, 0, 0, 80};
    const struct md_sample *sample = dataset.samples;
    for (int i = 0; i < 24; i++)
        cr_assert_eq(sample->picture[i], i + 1);
    for (int i = 0; i < 8; i++) /* 1 / (1 / d), and 0.02 m is the default's nearest */
        cr_assert_float_eq(sample->depth_m[i], expected[i], 1e-5, "%d: %g", i, sample->depth_m[i]);
    cr_assert_eq(sample->fb, MD_KITTI_FB);
    md_dataset_close(&dataset);
}

H5_TEST(h5_frames, other_forms_are_refused) {
    static const size_t wide[3] = {3, 2, 5}, grey[3] = {1, 2, 4}, flat[3] = {3, 4, 2};
    const size_t *const shapes[] = {wide, grey, flat};
    for (int i = 0; i < 3; i++) {
        const size_t *shape = shapes[i];
        size_t depth[2] = {2, 4};
        float zeros[30] = {0};
        struct md_h5_writer writer;
        cr_assert_eq(md_h5_create(scratch_path(&scratch, "a.h5").text, &writer, &error), MD_OK);
        cr_assert_eq(md_h5_write(writer.file, "rgb", H5T_NATIVE_FLOAT, 3, shape, zeros, &error), 0);
        cr_assert_eq(md_h5_write(writer.file, "depth", H5T_NATIVE_FLOAT, 2, depth, zeros, &error),
                     0);
        cr_assert_eq(md_h5_commit(&writer, &error), MD_OK);
        refused("h5", "all", "a.h5: expected rgb of the shape (3, height, width)");
    }
    write_h5("a.h5", rgb_shape, H5T_NATIVE_FLOAT, depth_shape);
    refused("h5", "all", "a.h5: rgb: expected bytes, found 0.5");
    write_text("a.h5", "no HDF5");
    refused("h5", "all", "a.h5");
}

H5_TEST(h5_frames, truncated) {
    write_h5("whole", rgb_shape, H5T_NATIVE_UINT8, depth_shape);
    scratch_each_prefix_fails(&scratch, scratch_path(&scratch, "whole").text, h5_fails, &error);
}

/* ---- real files ------------------------------------------------------------------------------ */

static void opens_real(const char *set, const char *folder, const char *split, int depth,
                       size_t count) {
    struct scratch_path root = shared_data(folder);
    struct md_data_spec spec = spec_of(set, root.text, split);
    spec.depth = depth;
    spec.evaluation_crop = MD_CROP_GARG;
    cr_assert_eq(open_spec(&spec, 48), MD_OK, "%s", error.text);
    cr_assert_eq(dataset.count, count, "%s has %zu samples", split, dataset.count);
}

struct expected_sample {
    int labels, truths; /* how many values */
    struct {
        int row, column;
        float depth_m;
    } label[3];
    struct {
        int row, column;
        float rgb[3];
    } pixel[3];
};

/* The numbers were computed by NumPy, Pillow and h5py: the square a[:360, (width - 360) // 2:][:,
 * :360]; of the depths (PNG / 256) in 0 .. 80 m, for label pixel (r, c) those at rows and columns y
 * with int((2y + 1) * 48 / 720) equal r or c, n / sum(1 / depth); of the pictures, each pixel
 * doubled both ways, means of 15x15; truths: those within int(share * size) of Garg's crop. Depths
 * have five decimals and ours are floats: 5e-6 + 46 m * 2^-24 < 1e-5. Means have three and ours are
 * rounded. */
static void check_sample(size_t index, const struct expected_sample *expected) {
    const struct md_sample *sample = &dataset.samples[index];
    int labels = 0, truths = 0;
    cr_assert_eq(sample->truth_height, 360);
    cr_assert_eq(sample->truth_width, 360);
    for (int i = 0; i < 48 * 48; i++)
        labels += sample->depth_m[i] != MD_NO_DEPTH;
    for (int i = 0; i < 360 * 360; i++)
        truths += sample->truth_m[i] != MD_NO_DEPTH;
    cr_assert_eq(labels, expected->labels, "%d labels", labels);
    cr_assert_eq(truths, expected->truths, "%d truths", truths);
    for (int i = 0; i < 3; i++) {
        float found = sample->depth_m[expected->label[i].row * 48 + expected->label[i].column];
        cr_assert_float_eq(found, expected->label[i].depth_m, 1e-5, "%d: %.9g", i, found);
        for (int c = 0; c < 3; c++) {
            int byte =
                sample->picture[(c * 48 + expected->pixel[i].row) * 48 + expected->pixel[i].column];
            cr_assert_float_eq(byte, expected->pixel[i].rgb[c], 0.5005, "%d %d: %d", i, c, byte);
        }
    }
}

Test(kitti_real, raw) {
    static const struct expected_sample expected = {
        1144,
        30911,
        {{19, 46, 45.99229f}, {35, 28, 12.71182f}, {47, 47, 6.39234f}},
        {{0, 0, {255, 255, 255}},
         {20, 30, {81.116f, 93.08f, 88.858f}},
         {47, 47, {213.662f, 203.062f, 181.493f}}}};
    const char *root = "data/kitti/raw";
    opens_real("kitti", root, "all", MD_DEPTH_AUTO, 29);
    opens_real("kitti", root, "2011_09_26_drive_sfnd_sync", MD_DEPTH_AUTO, 26);
    opens_real("kitti", root, "all", MD_DEPTH_VELODYNE_RAW, 26);
    opens_real("kitti", root, "all", MD_DEPTH_LIDAR, 2);
    opens_real("kitti", root, "2011_09_26/2011_09_26_drive_metric3d_sync", MD_DEPTH_AUTO, 3);
    check_sample(0, &expected);
}

Test(kitti_real, object) {
    static const struct expected_sample expected = {
        1430,
        6635,
        {{17, 43, 12.34286f}, {33, 2, 13.49587f}, {47, 47, 6.19698f}},
        {{0, 0, {75.009f, 130.507f, 160.276f}},
         {20, 30, {24.422f, 26.818f, 30.093f}},
         {47, 47, {200.76f, 191.538f, 184.964f}}}};
    opens_real("kitti-object", "data/kitti/object", "all", MD_DEPTH_LIDAR, 2);
    opens_real("kitti-object", "data/kitti/object", "all", MD_DEPTH_AUTO, 11);
    check_sample(0, &expected);
}

H5_TEST(kitti_real, odometry_h5) {
    static const struct expected_sample expected = {
        1423,
        7011,
        {{17, 40, 9.63281f}, {33, 8, 10.47121f}, {47, 47, 5.56617f}},
        {{0, 0, {52.018f, 48.458f, 40.707f}},
         {20, 30, {41.12f, 38.836f, 47.089f}},
         {47, 47, {58.098f, 65.298f, 64.996f}}}};
    opens_real("h5", "data/kitti/odometry_h5", "all", MD_DEPTH_AUTO, 4);
    check_sample(0, &expected);
    md_dataset_close(&dataset);
}

/* What our projection makes of a scan beside the PNG that others made of it: the same pixels, the
 * same depths but for the PNG's rounding to 1/256 m (and ours to float: 80 m * 2^-24). `seen` are
 * pixels of an independent projection by NumPy in float64. */
struct expected_scan {
    const char *scan, *png, *cameras, *lidar;
    struct md_kitti_keys keys;
    int count;
    struct {
        int row, column;
        double depth_m;
    } seen[2];
};

#define OBJECT_KEYS                                                                                \
    { {"P2", "P3"}, "R0_rect", "Tr_velo_to_cam", NULL, NULL }
#define RAW  "data/kitti/raw/2011_09_26/"
#define SFND RAW "2011_09_26_drive_sfnd_sync/"
#define SCAN "data/kitti/object/training/"

static const struct expected_scan scans[] = {
    {SFND "velodyne_points/data/0000000000.bin",
     SFND "proj_depth/velodyne_raw/image_02/0000000000.png",
     RAW "calib_cam_to_cam.txt",
     RAW "calib_velo_to_cam.txt",
     {{"P_rect_02", "P_rect_03"}, "R_rect_00", NULL, "R", "T"},
     16340,
     {{73, 1241, 3.1058071981130766}, {249, 397, 8.284624861679326}}},
    {SFND "velodyne_points/data/0000000039.bin",
     SFND "proj_depth/velodyne_raw/image_02/0000000039.png",
     RAW "calib_cam_to_cam.txt",
     RAW "calib_velo_to_cam.txt",
     {{"P_rect_02", "P_rect_03"}, "R_rect_00", NULL, "R", "T"},
     16591,
     {{202, 551, 35.248805521159035}, {374, 1208, 3.1960471932293038}}},
    {SCAN "velodyne/000001.bin",
     SCAN "proj_depth/velodyne_raw/image_2/000001.png",
     SCAN "calib/000001.txt",
     SCAN "calib/000001.txt",
     OBJECT_KEYS,
     18646,
     {{121, 1233, 10.749125208355158}, {252, 861, 12.610810067325337}}},
    {SCAN "velodyne/000004.bin",
     SCAN "proj_depth/velodyne_raw/image_2/000004.png",
     SCAN "calib/000004.txt",
     SCAN "calib/000004.txt",
     OBJECT_KEYS,
     19081,
     {{125, 1156, 11.76832477815469}, {252, 347, 16.369227180984545}}},
};

Test(kitti_real, projected_scans_are_the_published_maps) {
    for (size_t i = 0; i < sizeof scans / sizeof *scans; i++) {
        const struct expected_scan *expected = &scans[i];
        double matrix[3][4];
        struct md_grey16 grey;
        struct md_depth_map map;
        int count = 0;
        cr_assert_eq(md_kitti_lidar_matrix(shared_data(expected->cameras).text,
                                           shared_data(expected->lidar).text, &expected->keys, 0,
                                           matrix, &error),
                     MD_OK, "%s", error.text);
        cr_assert_eq(md_grey16_read(shared_data(expected->png).text, &grey, &error), MD_OK);
        cr_assert_eq(md_depth_map_room(grey.height, grey.width, &map, &error), MD_OK);
        cr_assert_eq(md_kitti_project(shared_data(expected->scan).text, matrix, &map, &error),
                     MD_OK, "%s", error.text);
        for (int p = 0; p < grey.height * grey.width; p++) {
            cr_assert_eq(map.depth_m[p] != MD_NO_DEPTH, grey.values[p] != 0, "pixel %d", p);
            cr_assert(fabs(256 * (double)map.depth_m[p] - grey.values[p]) <=
                          0.5 + 256 * 80 * 0x1p-24,
                      "pixel %d: %g and %d / 256", p, map.depth_m[p], grey.values[p]);
            count += grey.values[p] != 0;
        }
        cr_assert_eq(count, expected->count);
        for (int k = 0; k < 2; k++)
            cr_assert_eq(map.depth_m[expected->seen[k].row * grey.width + expected->seen[k].column],
                         (float)expected->seen[k].depth_m);
        md_grey16_free(&grey);
        md_depth_map_free(&map);
    }
}
