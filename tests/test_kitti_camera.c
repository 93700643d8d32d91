/* KITTI's calibration text, and LiDAR scans projected by it. (Of real files: test_kitti_real.c.) */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>

#include "kitti.h"
#include "scratch.h"

static struct md_error error;

static void set_up(void) {
    scratch = scratch_open();
    error.text[0] = 0;
}

TestSuite(kitti_camera, .init = set_up, .fini = scratch_tear_down);

static struct scratch_path cameras, lidar;

static int read_matrix(int camera, double matrix[3][4]) {
    return md_kitti_lidar_matrix(cameras.text, lidar.text, &raw_keys, camera, matrix, &error);
}

static void write_calibration(const char *cameras_text, const char *lidar_text) {
    cameras = scratch_path(&scratch, "cameras.txt");
    lidar = scratch_path(&scratch, "lidar.txt");
    scratch_write_text(cameras.text, cameras_text);
    scratch_write_text(lidar.text, lidar_text);
}

/* All numbers are small integers: the sums are exact in any order. */
Test(kitti_camera, matrix_is_projection_rectification_and_rigid_motion) {
    double matrix[3][4];
    write_calibration("P_rect_02: 10 0 5 2 0 10 4 3 0 0 1 1\nP_rect_03: 1 0 0 0 0 1 0 0 0 0 1 0\n"
                      "R_rect_00: 0 1 0 -1 0 0 0 0 1\n",
                      "R: 0 0 1 0 -1 0 1 0 0\nT: 2 3 10\n");
    /* rectified = (0 -1 0 3; 0 0 -1 -2; 1 0 0 10); times P: first row 10 * r0 + 5 * r2 + 2 and so
     * on */
    double by_hand[3][4] = {{5, -10, 0, 82}, {4, 0, -10, 23}, {1, 0, 0, 11}};
    cr_assert_eq(read_matrix(0, matrix), MD_OK, "%s", error.text);
    for (int i = 0; i < 12; i++)
        cr_assert_eq(matrix[i / 4][i % 4], by_hand[i / 4][i % 4], "%d: %g", i,
                     matrix[i / 4][i % 4]);
    cr_assert_eq(read_matrix(1, matrix), MD_OK, "%s", error.text);
    cr_assert_eq(matrix[0][1], -1);
    cr_assert_eq(matrix[0][3], 3);
}

Test(kitti_camera, nearest_point_of_a_pixel_counts) {
    static const float points[][4] = {
        {10, 0, 0, 0.5f}, /* straight ahead: column 5 - 1, row 4 - 1 */
        {7, 0, 0, 0},     /* the same pixel, nearer */
        {9, 0, 0, 0},     /* the same pixel, farther */
        {20, 2, 0, 0},    /* 1 m in 10 to the left: one column */
        {20, 0, 2, 0},    /* up: one row */
        {20, -3, 0, 0},   /* column 5.5 - 1 = 4.5 rounds to the even 4: behind the nearer */
        {20, -5, 0, 0},   /* 6.5 rounds to 6 */
        {-1, 0, 0, 0},    /* behind */
        {0, 0, 0, 0},     /* in the camera: depth 0 */
        {1, 9, 0, 0},     /* beside the picture */
        {NAN, 0, 0, 0},   {5, NAN, 0, 0}, {INFINITY, 0, 0, 0}, {5, INFINITY, 0, 0},
    };
    double matrix[3][4];
    struct md_depth_map map;
    struct scratch_path scan = scratch_path(&scratch, "scan.bin");
    write_calibration(CAMERAS, LIDAR);
    scratch_write(scan.text, points, sizeof points);
    cr_assert_eq(read_matrix(0, matrix), MD_OK, "%s", error.text);
    cr_assert_eq(md_depth_map_allocate(HEIGHT, WIDTH, &map, &error), MD_OK);
    cr_assert_eq(md_kitti_project(scan.text, matrix, &map, &error), MD_OK, "%s", error.text);
    float expected[HEIGHT * WIDTH] = {
        [3 * WIDTH + 4] = 7, [3 * WIDTH + 3] = 20, [2 * WIDTH + 4] = 20, [3 * WIDTH + 6] = 20};
    for (int i = 0; i < HEIGHT * WIDTH; i++)
        cr_assert_eq(map.depth_m[i], expected[i], "row %d column %d: %g", i / WIDTH, i % WIDTH,
                     map.depth_m[i]);
    md_depth_map_free(&map);
}

/* The LiDAR sits 2 m behind the camera. */
Test(kitti_camera, points_behind_the_lidar_do_not_count) {
    static const float points[][4] = {{-1, 0, 0, 0}, {5, 0, 0, 0}};
    double matrix[3][4];
    struct md_depth_map map;
    struct scratch_path scan = scratch_path(&scratch, "scan.bin");
    write_calibration(CAMERAS, "R: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 2\n");
    scratch_write(scan.text, points, sizeof points);
    cr_assert_eq(read_matrix(0, matrix), MD_OK, "%s", error.text);
    cr_assert_eq(md_depth_map_allocate(HEIGHT, WIDTH, &map, &error), MD_OK);
    cr_assert_eq(md_kitti_project(scan.text, matrix, &map, &error), MD_OK, "%s", error.text);
    cr_assert_eq(map.depth_m[3 * WIDTH + 4], 7);
    md_depth_map_free(&map);
}

Test(kitti_camera, broken_scans) {
    static const float ahead[][4] = {{10, 0, 0, 0}, {10, 0, 0, 0}}, behind[][4] = {{-10, 0, 0, 0}};
    double matrix[3][4];
    struct md_depth_map map;
    struct scratch_path scan = scratch_path(&scratch, "scan.bin");
    write_calibration(CAMERAS, LIDAR);
    cr_assert_eq(read_matrix(0, matrix), MD_OK, "%s", error.text);
    cr_assert_eq(md_depth_map_allocate(HEIGHT, WIDTH, &map, &error), MD_OK);
    for (size_t size = 0; size <= sizeof ahead; size++) {
        scratch_write(scan.text, ahead, size);
        int fails = md_kitti_project(scan.text, matrix, &map, &error) != MD_OK;
        cr_assert_eq(fails, size == 0 || size % 16 != 0, "%zu bytes", size);
        if (fails)
            assert_contains(error.text, "scan.bin: expected points of 16 bytes");
    }
    scratch_write(scan.text, behind, sizeof behind);
    cr_assert_neq(md_kitti_project(scan.text, matrix, &map, &error), MD_OK);
    assert_contains(error.text, "expected points that the camera sees, found none");
    cr_assert_neq(md_kitti_project(scratch.folder, matrix, &map, &error), MD_OK);
    md_depth_map_free(&map);
}

Test(kitti_camera, broken_calibrations) {
    static const char good_r[] = "R_rect_00: 1 0 0 0 1 0 0 0 1\n";
    static const char good_p[] = "P_rect_02: 10 0 5 0 0 10 4 0 0 0 1 0\n";
    static const struct {
        const char *projection, *rectification, *lidar, *expected;
    } cases[] = {
        {"", good_r, LIDAR, "cameras.txt: expected a line \"P_rect_02: ...\", found none"},
        {"P_rect_021: 1\nP_rect_02 : 1\n", good_r, LIDAR, "\"P_rect_02: ...\""},
        {"P_rect_02:\n", good_r, LIDAR, "line 1 of"},
        {"P_rect_02: 10 0 5 0 0 10 4 0 0 0 1\n", good_r, LIDAR, "expected 12 numbers, found 11"},
        {"P_rect_02: 10 0 5 0 0 10 4 0 0 0 1 0 9\n", good_r, LIDAR, "found 13"},
        {"P_rect_02: 10 0 x 0 0 10 4 0 0 0 1 0\n", good_r, LIDAR, "found \"x\""},
        {"P_rect_02: 10 0 5e 0 0 10 4 0 0 0 1 0\n", good_r, LIDAR, "found \"5e\""},
        {"P_rect_02: 10 0 nan 0 0 10 4 0 0 0 1 0\n", good_r, LIDAR, "found \"nan\""},
        {"P_rect_02: 10 0 1e999 0 0 10 4 0 0 0 1 0\n", good_r, LIDAR, "found \"1e999\""},
        {"P_rect_02: -10 0 5 0 0 10 4 0 0 0 1 0\n", good_r, LIDAR, "found -10 and 10"},
        {"P_rect_02: 10 0 5 0 0 1e30 4 0 0 0 1 0\n", good_r, LIDAR, "focal lengths"},
        {"P_rect_02: 10 0 5 0 0 10 4 0 0 0 0 1\n", good_r, LIDAR, "last row 0 0 1 z"},
        {good_p, "", LIDAR, "R_rect_00"},
        {good_p, "R_rect_00: 1 0 0 0 1 0 0 0 2\n", LIDAR, "expected a rotation"},
        {good_p, "R_rect_00: 1 0 0 1 0 0 0 0 1\n", LIDAR, "rows 1 and 2"},
        {good_p, "R_rect_00: 1e300 0 0 0 1e300 0 0 0 1e300\n", LIDAR, "expected a rotation"},
        {good_p, good_r, "R: 0 -1 0 0 0 -1 1 0 0\n", "lidar.txt: expected a line \"T: ...\""},
        {good_p, good_r, "T: 0 0 0\n", "lidar.txt: expected a line \"R: ...\""},
        {good_p, good_r, "R: 0 0 0 0 0 0 0 0 0\nT: 0 0 0\n", "lidar.txt: R: expected a rotation"},
        {good_p, good_r, "R: 0 -1 0 0 0 -1 1 0 0\nT: 0 inf 0\n", "line 2 of"},
    };
    double matrix[3][4];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[400];
        snprintf(text, sizeof text, "%s%s", cases[i].projection, cases[i].rectification);
        write_calibration(text, cases[i].lidar);
        cr_assert_eq(read_matrix(0, matrix), MD_FAILED, "case %zu", i);
        assert_contains(error.text, cases[i].expected);
    }
    scratch_remove(lidar.text);
    write_calibration(CAMERAS, "");
    scratch_remove(lidar.text);
    cr_assert_eq(read_matrix(0, matrix), MD_FAILED);
    assert_contains(error.text, "lidar.txt: No such file");
}

Test(kitti_camera, focal_length_times_baseline) {
    double fb;
    write_calibration(CAMERAS, "");
    cr_assert_eq(md_kitti_focal_baseline(cameras.text, &raw_keys, &fb, &error), MD_OK);
    cr_assert_eq(fb, 5);
    static const char *const right[] = {"0", "5", "-101"};
    for (int i = 0; i < 3; i++) {
        char text[300];
        snprintf(text, sizeof text,
                 "P_rect_02: 10 0 5 0 0 10 4 0 0 0 1 0\nP_rect_03: 10 0 5 %s 0 10 4 0 0 0 1 0\n",
                 right[i]);
        write_calibration(text, "");
        cr_assert_neq(md_kitti_focal_baseline(cameras.text, &raw_keys, &fb, &error), MD_OK);
        assert_contains(error.text, "at most 10 m to the right");
    }
}
