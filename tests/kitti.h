/* Small pictures, and the calibration files of raw recordings that go with them. */
#ifndef MD_TESTS_KITTI_H
#define MD_TESTS_KITTI_H

#include "../datasets/kitti_camera.h"

enum { HEIGHT = 6, WIDTH = 8 };

#define CAMERAS                                                                                    \
    "calib_time: 09-Jan-2012 13:57:47\n"                                                           \
    "R_rect_00: 1 0 0 0 1 0 0 0 1\n"                                                               \
    "P_rect_02: 1.0e+01 0 5 0 0 10 4 0 0 0 1 0\n"                                                  \
    "P_rect_03: 1.0e+01 0 5 -5 0 10 4 0 0 0 1 0\n"
#define LIDAR "calib_time: 15-Mar-2012\r\nR: 0 -1 0 0 0 -1 1 0 0\r\nT: 0 0 0\r\n"

static const struct md_kitti_keys raw_keys = {
    {"P_rect_02", "P_rect_03"}, "R_rect_00", NULL, "R", "T"};

#endif
