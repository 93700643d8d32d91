/* KITTI's folders, from generated files of the true format. (Calibration and scans:
 * test_kitti_camera.c; real files: test_kitti_real.c.) */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>

#include "../datasets/readers.h"
#include "kitti.h"
#include "program.h"
#include "reading.h"

enum { SIDE = 4 }; /* of every sample's picture */

static void set_up(void) {
    begin_reading("kitti", SIDE, SIDE);
}

TestSuite(kitti, .init = set_up, .fini = end_reading);
TestSuite(kitti_object, .init = set_up, .fini = end_reading);
TestSuite(kitti_stereo, .init = set_up, .fini = end_reading);

/* ---- writing --------------------------------------------------------------------------------- */

static void write_picture(const char *name) {
    write_noise(name, 1, HEIGHT, WIDTH);
}

static void write_grey(const char *name, unsigned value, int height, int width) {
    uint16_t grey[HEIGHT * WIDTH * 4];
    for (int i = 0; i < height * width; i++)
        grey[i] = (uint16_t)value;
    write_grey16(name, grey, height, width);
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

/* Endings in capitals are the same endings; of what is left out it is said what and why. */
Test(kitti, what_is_passed_over) {
    write_frame(DRIVE("0001"), "0000000000");
    write_picture(DRIVE("0001") "image_02/data/0000000001.PNG");
    write_depth(DRIVE("0001") "proj_depth/groundtruth/image_02/0000000001.png", 512);
    write_picture(DRIVE("0001") "image_02/data/0000000002.png");
    write_depth(DRIVE("0001") "proj_depth/groundtruth/image_02/0000000002.Png", 768);
    write_picture(DRIVE("0001") "image_02/data/0000000003.Jpg");
    write_depth(DRIVE("0001") "proj_depth/groundtruth/image_02/0000000003.PNG", 1024);
    write_picture(DRIVE("0001") "image_02/data/0000000004.png");
    write_picture(DRIVE("0001") "image_02/data/mean.png");
    write_text(DRIVE("0001") "image_02/data/notes.txt", "");
    write_text(DRIVE("0001") "image_02/data/Thumbs.DB", "");
    write_depth(DRIVE("0001") "proj_depth/groundtruth/image_02/0000000007.png", 256);
    write_depth(DRIVE("0001") "proj_depth/velodyne_raw/image_02/0000000008.png", 256);
    write_depth(DRIVE("0002") "proj_depth/groundtruth/image_02/0000000000.png", 256);
    opens("kitti", "all");
    cr_assert_eq(dataset.count, 4);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(dataset.samples[i].depth_m[0], 1 + i);
    cr_assert_eq(dataset.unused.count[MD_UNUSED_PICTURE], 1);
    assert_contains(dataset.unused.shown[MD_UNUSED_PICTURE], "image_02/data/0000000004.png");
    cr_assert_eq(dataset.unused.count[MD_UNUSED_NAME], 1);
    cr_assert_eq(dataset.unused.count[MD_UNUSED_ENDING], 2);
    cr_assert_str_eq(dataset.unused.shown[MD_UNUSED_ENDING], ".DB, .txt");
    cr_assert_eq(dataset.unused.count[MD_UNUSED_DEPTH], 2);
    assert_contains(dataset.unused.shown[MD_UNUSED_DEPTH], "groundtruth/image_02/0000000007.png");
    cr_assert_str_eq(dataset.unused.shown[MD_UNUSED_FOLDER], "2011_09_26_drive_0002_sync");
    opens("kitti", write_list(DRIVE("0001") "image_02/data/0000000001.PNG\n"));
    cr_assert_eq(dataset.samples[0].depth_m[0], 2);
}

/* What mixes annotated depths and others says so, wherever its numbers are. */
Test(kitti, a_mixed_set_says_so) {
    static const char mixed[] = "groundtruth of 2, velodyne_raw of 1";
    char set[700], data[800], config[1000];
    write_frame(DRIVE("0001"), "0000000000");
    write_frame(DRIVE("0001"), "0000000001");
    opens("kitti", "all");
    cr_assert_str_eq(dataset.depth_kinds, "");
    write_picture(DRIVE("0001") "image_02/data/0000000002.png");
    write_depth(DRIVE("0001") "proj_depth/velodyne_raw/image_02/0000000002.png", 512);
    opens("kitti", "all");
    cr_assert_str_eq(dataset.depth_kinds, mixed);
    opens("kitti", "all[1:2]");
    cr_assert_str_eq(dataset.depth_kinds, "");

    snprintf(set, sizeof set, "set: kitti, root: '%s'", scratch.folder);
    snprintf(data, sizeof data, "{%s, split: all}", set);
    MUDEPTH("data", "info", data);
    assert_fine(mixed);
    snprintf(config, sizeof config,
             "weights: scratch\ndata: {%s, train: all, val: '', test: all}\n", set);
    struct scratch_path file = written("run.yaml", config), cell = scratch_path(&scratch, "r.h5");
    MUDEPTH("run", file.text, "-o", cell.text);
    assert_fine("mixed: the depths of train are of several kinds: groundtruth of 2, velodyne_raw");
    assert_contains(out, "mixed: the depths of test are");
    MUDEPTH("eval", "--weights", cell.text, "--data", data);
    assert_fine(mixed);
    MUDEPTH("eval", "--json", "--weights", cell.text, "--data", data);
    json_t *json = output_json();
    cr_assert_str_eq(json_string_value(json_at(json, "depth_kinds")), mixed);
    json_decref(json);

    /* A cache of it, and what is said of its runs, do so too. */
    MUDEPTH("query", cell.text);
    cr_assert(strstr(err, "mixed: the depths of train are of several kinds: groundtruth of 2"));
    MUDEPTH("report", scratch.folder, "-o", scratch_path(&scratch, "r.html").text);
    assert_fine("1 runs in 1 groups");
    size_t size;
    char *page = (char *)scratch_read(scratch_path(&scratch, "r.html").text, &size);
    page[size] = '\0';
    assert_contains(page, "mixed: the depths of test are of several kinds: groundtruth of 2");
    free(page);
    MUDEPTH("data", "cache", data, "-o", scratch_path(&scratch, "cached").text);
    snprintf(data, sizeof data, "{set: cache, root: %s/cached, split: train}", scratch.folder);
    MUDEPTH("data", "info", data);
    assert_fine(mixed);
    snprintf(data, sizeof data, "{set: cache, root: %s/cached, split: 'train[1:3]'}",
             scratch.folder);
    MUDEPTH("data", "info", data);
    assert_fine("several kinds: a part of groundtruth of 2, velodyne_raw of 1;");
}

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
        spec.depth = cases[i].depth;
        opens("kitti", "all");
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
    spec.depth = MD_DEPTH_AUTO;
    /* Named, a frame without (such) a depth is an error. */
    const char *split = write_list("2011_09_26/2011_09_26_drive_0001_sync 3 l\n"
                                   "2011_09_26/2011_09_26_drive_0001_sync 0 l\n");
    refused("kitti", split, MD_FAILED, "line 2 of");
    assert_contains(error.text, "0000000000.png: expected a depth (auto) of the same frame");
    spec.depth = MD_DEPTH_LIDAR;
    refused("kitti", split, MD_FAILED, "expected a depth (lidar)");
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
    cr_assert_str_eq(dataset.unused.shown[MD_UNUSED_FOLDER], "2011_09_26_drive_0001_extract");
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
    refused("kitti", "2011_09_26_drive_0005_sync,2011_09_26_drive_0005_sync", MD_USAGE,
            "named twice");
    refused("kitti", "2011_09_26_drive_0006_sync", MD_FAILED,
            "2011_09_26_drive_0006_sync/image_02/data");
    refused("kitti", "nothing", MD_USAGE, "found \"nothing\"");
    refused("kitti", "", MD_USAGE, "expected a name, found nothing");
    refused("kitti", "@none.txt", MD_FAILED, "none.txt: No such file");
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
    refused("kitti", "test", MD_FAILED, "expected a folder test");
}

Test(kitti, lists_of_frames) {
    write_frame(DRIVE("0001"), "0000000000");
    write_frame(DRIVE("0001"), "0000000069");
    write_picture(DRIVE("0001") "image_03/data/0000000069.png");
    write_depth(DRIVE("0001") "proj_depth/groundtruth/image_03/0000000069.png", 3 * 256);
    const char *list =
        write_list("\xEF\xBB\xBF# Eigen's\r\n"
                   "2011_09_26/2011_09_26_drive_0001_sync 0000000069 l\r\n"
                   "2011_09_26/2011_09_26_drive_0001_sync\t69  r \r\n\r\n"
                   "2011_09_26_drive_0001_sync 0 l # again\r\n"
                   "2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000000.png None 7\r\n"
                   "2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000000.jpg "
                   "2011_09_26/2011_09_26_drive_0001_sync/image_03/data/0000000000.jpg\r\n"
                   "2011_09_26/2011_09_26_drive_0001_sync/image_03/data/0000000069.png "
                   "2011_09_26_drive_0001_sync/proj_depth/groundtruth/image_03/0000000069.png "
                   "721.5377\r\n");
    opens("kitti", list);
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
        refused("kitti", write_list(cases[i].line), MD_FAILED, cases[i].expected);
        assert_contains(error.text, "line 1 of ");
    }
    refused("kitti", write_list("# nothing\n"), MD_FAILED, "expected names, found none");
}

Test(kitti, what_does_not_fit_is_refused) {
    static const float ahead[][4] = {{10, 0, 0, 0}};
    write_picture(DRIVE("0001") "image_02/data/0000000000.png");
    refused("kitti", "all", MD_FAILED, "no samples");
    write_scan(DRIVE("0001") "velodyne_points/data/0000000000.bin", 1, ahead);
    refused("kitti", "all", MD_FAILED, "2011_09_26/calib_cam_to_cam.txt: No such file");
    write_text("2011_09_26/calib_cam_to_cam.txt", CAMERAS);
    refused("kitti", "all", MD_FAILED, "2011_09_26/calib_velo_to_cam.txt: No such file");
    /* Calibration may lie in the drive, too. */
    write_text(DRIVE("0001") "calib_velo_to_cam.txt", LIDAR);
    opens("kitti", "all");
    const char *map = DRIVE("0001") "proj_depth/velodyne_raw/image_02/0000000000.png";
    write_grey(map, 256, HEIGHT, WIDTH + 1);
    refused("kitti", "all", MD_FAILED, "expected the picture's 8x6 pixels, found 9x6");
    write_picture(map);
    refused("kitti", "all", MD_FAILED, "16-bit");
    write_text(map, "no picture");
    refused("kitti", "all", MD_FAILED, "velodyne_raw/image_02/0000000000.png");
    write_depth(map, 256);
    opens("kitti", "all");
    write_text(DRIVE("0001") "image_02/data/0000000000.png", "\x89PNG");
    refused("kitti", "all", MD_FAILED, "image_02/data/0000000000.png");
    scratch_remove(scratch_path(&scratch, "2011_09_26").text);
    refused("kitti", "all", MD_FAILED, "expected drives");
    strcat(spec.root, "/none");
    refused("kitti", "all", MD_FAILED, "none is no folder");
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
    write_rgb(DRIVE("0001") "image_02/data/0000000000.png", rgb, HEIGHT, WIDTH);
    write_grey16(DRIVE("0001") "proj_depth/groundtruth/image_02/0000000000.png", grey, HEIGHT,
                 WIDTH);
    pictures.height = pictures.width = 6;
    opens("kitti", "all");
    const struct md_sample *sample = dataset.samples;
    for (int h = 0; h < 6; h++)
        for (int w = 0; w < 6; w++) {
            int from = h * WIDTH + w + 1;
            cr_assert_eq(sample->picture[h * 6 + w], from);
            cr_assert_float_eq(sample->depth_m[h * 6 + w], 1 + (float)from, 1e-5);
        }
    cr_assert_null(sample->truth_m); /* it is no finer */
    spec.evaluation_crop = MD_CROP_GARG;
    assert_opens();
    cr_assert(dataset.samples[0].truth_m); /* but cut */
    pictures.height = pictures.width = 3;
    assert_opens();
    sample = dataset.samples;
    cr_assert_eq(sample->truth_height, 6);
    cr_assert_eq(sample->truth_width, 6);
    for (int h = 0; h < 6; h++)
        for (int w = 0; w < 6; w++)
            cr_assert_eq(sample->truth_m[h * 6 + w],
                         h >= 2 && h < 5 ? 1 + (float)(h * WIDTH + w + 1) : MD_NO_DEPTH,
                         "row %d column %d: %g", h, w, sample->truth_m[h * 6 + w]);
    spec.picture = MD_PICTURE_WHOLE;
    assert_opens();
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
    opens("kitti-object", write_list("000030\r\n\r\n000000\r\n"));
    NAMES("000030.png", "000000.png");
    refused("kitti-object", write_list("000030\n000031\n"), MD_FAILED, "line 2 of");
    assert_contains(error.text, "000031.jpg, found none");
    refused("kitti-object", "30", MD_USAGE, "a frame of 6 digits, found \"30\"");
    refused("kitti-object", "000030x", MD_USAGE, "found \"000030x\"");
    spec.depth = MD_DEPTH_VELODYNE_RAW;
    opens("kitti-object", "all");
    NAMES("000010.png");
    spec.depth = MD_DEPTH_GROUNDTRUTH;
    refused("kitti-object", "all", MD_USAGE, "the set kitti-object has no groundtruth");
    spec.depth = MD_DEPTH_AUTO;
    scratch_remove(scratch_path(&scratch, "training/calib/000030.txt").text);
    refused("kitti-object", "000030", MD_FAILED, "training/calib/000030.txt: No such file");
    strcat(spec.root, "/training");
    opens("kitti-object", "000020");
    NAMES("image_2/000020.png");
}

/* Depths that may not be looked at are not taken for missing ones, for which others would do. */
Test(kitti_object, locked_folders_are_not_missing_ones) {
    struct scratch_path locked = scratch_path(&scratch, "training/proj_depth");
    write_picture("training/image_2/000000.png");
    write_grey("training/proj_depth/velodyne_raw/image_2/000000.png", 256, HEIGHT, WIDTH);
    write_text("training/velodyne/000000.bin", "0123456789abcdef");
    scratch_lock(&scratch, locked.text);
    refused("kitti-object", "all", MD_FAILED,
            "training/proj_depth/velodyne_raw/image_2/000000.png: Permission denied");
    scratch_unlock(locked.text);
    locked = scratch_path(&scratch, "training");
    scratch_lock(&scratch, locked.text);
    refused("kitti-object", "all", MD_FAILED, "training/image_2: Permission denied");
    scratch_unlock(locked.text);
}

Test(kitti_object, no_pictures_at_all) {
    refused("kitti-object", "all", MD_FAILED, "training/image_2/000000.png, found no such folder");
    refused("kitti-object", "000001", MD_FAILED, "expected pictures, found none");
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
    refused("kitti-stereo", "all", MD_FAILED, "expected the picture's 8x6 pixels, found 8x7");
    write_picture("training/disp_occ_0/000003_10.png");
    refused("kitti-stereo", "all", MD_FAILED, "disp_occ_0/000003_10.png");
    write_depth("training/disp_occ_0/000003_10.png", 640);
    write_text("training/calib_cam_to_cam/000003.txt", "P_rect_02: 1\n");
    refused("kitti-stereo", "all", MD_FAILED, "expected 12 numbers, found 1");
    scratch_remove(scratch_path(&scratch, "training/calib_cam_to_cam").text);
    refused("kitti-stereo", "all", MD_FAILED, "calib_cam_to_cam/000003.txt: No such file");
}

Test(kitti_stereo, the_older_benchmark_is_grey) {
    write_picture("training/image_0/000000_10.png");
    write_depth("training/disp_occ/000000_10.png", 512);
    write_text("training/calib/000000.txt",
               "P0: 10 0 5 0 0 10 4 0 0 0 1 0\nP1: 10 0 5 -6 0 10 4 0 0 0 1 0\n");
    opens("kitti-stereo-2012", "all");
    cr_assert_eq(dataset.samples[0].depth_m[0], 3);
}
