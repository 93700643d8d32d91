/* The inside of the KITTI sets: where the parts of a frame lie, and which frames a split means. */
#ifndef MD_DATASETS_KITTI_H
#define MD_DATASETS_KITTI_H

#include <stdbool.h>

#include "kitti_camera.h"

/* In a template $T is the day of a drive, $D its name, $C the camera (2 left, 3 right), and $F the
 * frame's number. Paths are relative to the root. */
enum { MD_KITTI_PREFIXES = 5, MD_KITTI_PICTURES = 2, MD_KITTI_KINDS = MD_DEPTH_LIDAR + 1 };
struct md_kitti_layout {
    const char *prefixes[MD_KITTI_PREFIXES]; /* folders in which parts may lie; each part lies whole
                                                in one */
    const char *pictures[MD_KITTI_PICTURES]; /* the first that is there */
    const char *depths[MD_KITTI_KINDS]; /* by enum md_depth_source; of the last, scans to project */
    const char *calibration[2];         /* of the cameras, of the LiDAR */
    struct md_kitti_keys keys;
    int digits;     /* of a frame's number */
    bool drives;    /* frames lie in drives: recordings of their own */
    bool disparity; /* PNGs hold 256 times the disparity in pixels, not the depth in metres */
};

/* What one camera saw of a drive; without drives there is one. */
enum { MD_KITTI_DRIVE_SIZE = 64, MD_KITTI_DAY_LENGTH = 10 };
struct md_kitti_view {
    char drive[MD_KITTI_DRIVE_SIZE];
    int camera;                         /* 0 left, 1 right */
    const char *prefix[MD_KITTI_KINDS]; /* of the depths; of the pictures at MD_DEPTH_AUTO; NULL:
                                         * nowhere */
};

/* A reader's state. An entry's name is its picture's path, its number MD_KITTI_KINDS times that of
 * its view plus the kind of its depth. */
struct md_kitti_listing {
    size_t count, capacity;
    struct md_kitti_view *views;
};

/* Makes the listing and adds the entries that the split means. */
int md_kitti_list(struct md_source *source, struct md_error *error);

/* root/prefix/part, with the $ of the latter two replaced. */
struct md_kitti_path {
    char text[MD_PATH_MAX];
};
int md_kitti_path(const struct md_source *source, const struct md_kitti_view *view,
                  const char *prefix, const char *part, int64_t frame, struct md_kitti_path *path,
                  struct md_error *error);

/* The frame number at the start of a file's name; -1: there is none of so many digits. */
int64_t md_kitti_frame(const struct md_kitti_layout *layout, const char *name);

/* Puts the number of the view into `index`; it is made where it is not there yet. */
int md_kitti_find_view(struct md_source *source, const char *drive, int camera, size_t *index,
                       struct md_error *error);

/* Adds those of the view's frames that have a depth and, numbered from 0, are in the residues. */
int md_kitti_add_view(struct md_source *source, size_t view, unsigned residues,
                      struct md_error *error);

/* Adds a frame that the split names; one without a picture or depth is a failure. */
int md_kitti_add_frame(struct md_source *source, const char *drive, int camera, int64_t frame,
                       struct md_error *error);

#endif
