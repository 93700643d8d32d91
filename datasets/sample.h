/* What every data set gives: samples in memory. A picture is kept as bytes and its depth at the
 * sensor's own resolution; labels and ground truth are made from them by labels.h. */
#ifndef MD_DATASETS_SAMPLE_H
#define MD_DATASETS_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"

#define MD_INVALID  (-1.0f) /* in disparity: no value */
#define MD_NO_DEPTH 0.0f    /* in depth: no value */

/* The samples of a sensor or a stereo pair: what labels are made of, and what predictions are
 * judged by when that is finer. Everything a sample points to is its own. */
struct md_sample {
    char *name;       /* where it comes from: the picture's path, or "synthetic:field:12" */
    uint8_t *picture; /* (3, height, width), RGB */
    float *depth_m;   /* (depth_height, depth_width), metres, MD_NO_DEPTH where there is none */
    float *disparity; /* the same shape, fb / depth, MD_INVALID where there is none */
    int depth_height, depth_width;
    float fb;       /* focal length times baseline: depth_m = fb / disparity */
    float *truth_m; /* (truth_height, truth_width), metres; NULL: depth_m is the truth */
    int truth_height, truth_width;
    /* What the other camera of a pair saw, in the same shapes; NULL: there is none. A horizontal
     * flip starts from it, since a mirrored left picture is one that a right camera takes. */
    uint8_t *right_picture;
    float *right_depth_m, *right_disparity;
};

enum { MD_DEPTH_KINDS_SIZE = 120 };

/* Which data set, which part of it, and how it is read. One text form for configs and the command
 * line, a YAML mapping such as {set: matrix, root: DIR, split: test}; the defaults are there:
 * md_data_spec_parse. */
struct md_data_spec {
    char set[24];     /* one of md_data_set_names */
    char root[1024];  /* folder or file; unused for synthetic */
    char split[4096]; /* which samples; its form is said at each reader, "[a:b]" at its end cuts
                       * samples a .. b-1 out (either may be missing; asking for more samples than
                       * there are is a failure) */
    int fraction;     /* percent of the split's samples, evenly spread over it (the micro sets have
                       * CSV files of their own for that); before the cut */
    int target;       /* of a zone with several: enum md_target_choice */
    int statuses;     /* real sensors: enum md_statuses */
    int frames;       /* matrix: of so many frames, the nearest in time, a label is made (0: one) */
    double gate_frames;     /* and a zone kept if its readings in them agree; see md_fuse_zone */
    double gate_neighbours; /* a zone is kept if it agrees with its neighbours; see md_gate */
    int min_zones; /* a picture whose label has fewer values is left out, after fraction and cut */
    int label;     /* enum md_label_grid */
    /* What tof8 labels are seen with: enum md_sensor_model; the most that a zone reports (of
     * several the nearest is the label); light from outside, see sensor.h. */
    int sensor, targets;
    double ambient;
    /* What sensor and camera see, in degrees. Unless the camera's are 0, the sensor sees the middle
     * of the picture only, and the two are aligned: enum md_alignment. */
    double sensor_fov_deg, camera_fov_h_deg, camera_fov_v_deg;
    int alignment;
    int truth;           /* enum md_truth_kind */
    char world[16];      /* synthetic: one of md_world_names */
    uint64_t seed;       /* synthetic: which place; tof8: of the sensor's noise */
    size_t count;        /* synthetic: samples per split */
    double min_depth_m;  /* a nearer reading is no value (VL53L5CX: 0.02) */
    double max_depth_m;  /* field sets: a reading at or beyond it is no value (4); dense ones: a
                          * reading beyond it. 0: the set's own */
    int crop;            /* field sets: side of the centred square of the picture that the sensor
                          * sees, pixels; 0: the set's own */
    int evaluation_crop; /* enum md_evaluation_crop, on truths of their own size */
    double depth_per_m;  /* sets of 16-bit depth PNGs: how many of their units are a metre (TUM:
                          * 5000); 0: 1000, the millimetre */
    int depth;           /* kitti: enum md_depth_source */
    int picture;         /* kitti, h5, field sets: enum md_picture_part */
};

/* What depth maps with more than 8x8 values become: labels of the picture's size, or what an 8x8
 * time-of-flight sensor would have seen. */
enum md_label_grid { MD_GRID_DENSE, MD_GRID_TOF8 };
extern const char *const md_label_grid_names[]; /* "dense", "tof8", NULL */

/* The picture (and its depth map) is cut to what the sensor sees, or it stays and has labels in the
 * middle only. */
enum md_alignment { MD_ALIGN_CROP, MD_ALIGN_PAD };
extern const char *const md_alignment_names[]; /* "crop", "pad", NULL */

/* Whether a depth map that is finer than the label is kept, to judge predictions by. */
enum md_truth_kind { MD_TRUTH_FULL, MD_TRUTH_LABEL };
extern const char *const md_truth_kind_names[]; /* "full", "label", NULL */

/* The part of a finer truth that predictions are judged on: all; Garg's and Eigen's of KITTI
 * (fractions of the height and width); NYU Depth v2 without its white frame (Eigen's). */
enum md_evaluation_crop { MD_CROP_NONE, MD_CROP_GARG, MD_CROP_EIGEN, MD_CROP_NYU };
extern const char *const md_evaluation_crop_names[]; /* "none", "garg", "eigen", "nyu", NULL */

/* Which depth of KITTI's: the annotated maps (accumulated, checked), the raw ones, or LiDAR scans
 * projected by us; auto: the first of these that a frame has. */
enum md_depth_source { MD_DEPTH_AUTO, MD_DEPTH_GROUNDTRUTH, MD_DEPTH_VELODYNE_RAW, MD_DEPTH_LIDAR };
extern const char *const md_depth_source_names[]; /* "auto", "groundtruth", "velodyne_raw", ... */

/* What becomes the network's picture: the square of MD_SQUARE_SIDE pixels at the top, in the middle
 * (smaller pictures: as large as fits; field sets: the square that the sensor sees), or all of it,
 * squashed. The release's KITTI pictures and truths are such squares. (The side is in its test
 * code; that they are at the top is measured: there its KITTI weights predict the road alike in all
 * rows, and by MD_KITTI_FB; in the middle, seven rows lower, they do neither.) */
enum md_picture_part { MD_PICTURE_SQUARE, MD_PICTURE_WHOLE };
extern const char *const md_picture_part_names[]; /* "square", "whole", NULL */
#define MD_SQUARE_SIDE 360

/* The built-in worlds (worlds.c), ended by NULL. */
extern const char *const md_world_names[];

/* All sets, ended by NULL. */
extern const char *const md_data_set_names[];

/* Replaces max_depth_m, crop and depth_per_m by the set's own where they are 0, and removes slashes
 * at the end of root. */
void md_data_spec_resolve(struct md_data_spec *spec);

/* One depth of a zone's readings in several frames, of which `count` (at most MD_MOST_FRAMES) are
 * values: their median (of an even number the mean of the middle two). MD_NO_DEPTH without any; and
 * with gate_frames unless there are at least two and the farthest is at most gate_frames times the
 * median behind the nearest. Changes the order of depth_m. */
enum { MD_MOST_FRAMES = 8 };
float md_fuse_zone(const struct md_data_spec *spec, int count, float *depth_m);

/* Sets to MD_NO_DEPTH the zones (height, width) that do not agree with their neighbours: a zone
 * keeps its value when at least half of the values among the eight around it, and at least one,
 * differ by at most `most` times its depth. Neighbours are as they were before the call. `scratch`
 * has room for as many values. */
void md_gate(double most, int height, int width, float *depth_m, float *scratch);

/* How many values a sample's label has. */
size_t md_valid_zones(const struct md_sample *sample);

/* The sample that the other camera of a pair gives: a view into `sample`, which it must not
 * outlive; right_picture of it is NULL. `sample` has a right picture. */
struct md_sample md_sample_right(const struct md_sample *sample);

void md_sample_free(struct md_sample *sample);

/* Depths in 16-bit PNGs, of which `per_m` are a metre: 0 is no value, and so is 65535, which stands
 * for all that is farther than 65534 can say. The same for all readers and writers: md_depth_code
 * gives 65535 for those, and 0 for a depth that is not positive, or nearer than half a unit. */
enum { MD_DEPTH_CODE_FAR = 65535 };
float md_depth_code_m(uint16_t code, double per_m);
uint16_t md_depth_code(float depth_m, double per_m);

/* Field sets: a reading in metres as `spec` sees it: MD_NO_DEPTH when it is not finite, nearer
 * than min_depth_m, or at or beyond max_depth_m (where a sensor saw nothing). */
float md_valid_depth(const struct md_data_spec *spec, float depth_m);

/* Which target of a zone counts. auto: of tof8 labels the nearest valid one; in recordings of two
 * none, as the authors of the Matrix ToF flights have it. both: the mean of their depths, what a
 * pixel of the zone has on average when each target takes as much of it. */
enum md_target_choice { MD_TARGET_AUTO, MD_TARGET_NEAREST, MD_TARGET_FARTHEST, MD_TARGET_BOTH };
extern const char *const md_target_names[]; /* "auto", "nearest", "farthest", "both", NULL */

/* The depth that is chosen of `count` targets', those with MD_NO_DEPTH apart, of auto the nearest;
 * MD_NO_DEPTH when none is left. */
float md_target_depth(enum md_target_choice choice, int count, const float *depth_m);

/* What a zone of a VL53L5CX says: its distance is a value when it has one target and a status that
 * counts. By the rule of the authors of the Matrix ToF flights those are 5 and 9; 9 may be two
 * targets merged into one, 6 and 10 are of targets that were not there in the frame before. */
enum md_statuses { MD_STATUS_VALID, MD_STATUS_CERTAIN, MD_STATUS_LIKELY };
extern const char *const md_statuses_names[]; /* "valid" (5, 9), "certain" (5), "likely" (5, 6, 9,
                                               * 10), NULL */
int md_zone_has_value(const struct md_data_spec *spec, int64_t targets, int64_t status);
float md_zone_depth(const struct md_data_spec *spec, int64_t distance_mm, int64_t targets,
                    int64_t status);

/* Dense sets: the same as md_valid_depth, but exactly max_depth_m is a value, since they are
 * clipped to it. */
float md_dense_depth(const struct md_data_spec *spec, float depth_m);

#endif
