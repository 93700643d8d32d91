/* KITTI's real files, as folders and as .h5 frames, beside numbers that others computed of them. */
#include <criterion/criterion.h>
#include <math.h>

#include "../datasets/kitti_camera.h"
#include "../datasets/readers.h"
#include "h5_leaks.h"
#include "reading.h"

static void set_up(void) {
    begin_reading("kitti", 48, 48);
}

TestSuite(kitti_real, .init = set_up, .fini = end_reading);

static void opens_real(const char *set, const char *folder, const char *split, int depth,
                       size_t count) {
    choose_shared(folder);
    spec.depth = depth;
    spec.evaluation_crop = MD_CROP_GARG;
    opens(set, split);
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
        cr_assert_eq(md_depth_map_allocate(grey.height, grey.width, &map, &error), MD_OK);
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
