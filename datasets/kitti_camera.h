/* KITTI's calibration text, and its LiDAR scans seen by a camera. */
#ifndef MD_DATASETS_KITTI_CAMERA_H
#define MD_DATASETS_KITTI_CAMERA_H

#include "readers.h"

/* How a kind of calibration file calls what it holds. Files have lines `KEY: NUMBER NUMBER ...` */
struct md_kitti_keys {
    const char *projection[2]; /* of the left and the right camera, 3x4: P_rect_02, P_rect_03 */
    const char *rectification; /* 3x3: R_rect_00; NULL: no LiDAR comes with it */
    const char *rigid;       /* from the LiDAR to the camera, 3x4 [R|T]: Tr_velo_to_cam; or NULL, */
    const char *rotation;    /* when it is given as 3x3 R */
    const char *translation; /* and T */
};

/* Reads focal length times baseline in metres * pixels: what a disparity in pixels divides to give
 * the depth. It is how far the two projections' fourth columns lie apart. */
int md_kitti_focal_baseline(const char *path, const struct md_kitti_keys *keys, double *fb,
                            struct md_error *error);

/* Reads what maps a LiDAR point (x, y, z, 1) to (u * depth, v * depth, depth) of camera 0 (left) or
 * 1 (right): projection * rectification * [R|T]. `cameras` is the file with the projections and
 * the rectification, `lidar` the one with the rest; they may be one. */
int md_kitti_lidar_matrix(const char *cameras, const char *lidar, const struct md_kitti_keys *keys,
                          int camera, double matrix[3][4], struct md_error *error);

/* Projects a scan (float32 x, y, z, reflectance; metres, x ahead) into the empty `map`, pixel
 * centres at whole numbers from 1 as in KITTI's own development kit: column round(u - 1), row
 * round(v - 1). Points with x < 0 or behind the camera do not count, nor do those that are not
 * finite; of several in a pixel the nearest wins. */
int md_kitti_project(const char *scan, double matrix[3][4], struct md_depth_map *map,
                     struct md_error *error);

#endif
