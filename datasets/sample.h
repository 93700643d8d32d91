/* What every data set gives: samples in memory. A picture is kept as bytes and its depth at the
 * sensor's own resolution; labels and ground truth are made from them by labels.h. */
#ifndef MD_DATASETS_SAMPLE_H
#define MD_DATASETS_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define MD_INVALID  (-1.0f) /* in disparity: no value */
#define MD_NO_DEPTH 0.0f    /* in depth: no value */

struct md_sample {
    char *name;       /* where it comes from: the picture's path, or "synthetic:field:12" */
    uint8_t *picture; /* (3, height, width), RGB */
    float *depth_m;   /* (depth_height, depth_width), metres, MD_NO_DEPTH where there is none */
    float *disparity; /* the same shape, fb / depth, MD_INVALID where there is none */
    int depth_height, depth_width;
    float fb; /* focal length times baseline: depth_m = fb / disparity */
};

/* A data set owns its samples and everything they point to. */
struct md_dataset {
    int height, width; /* of every picture */
    size_t count;
    struct md_sample *samples;
    char digest[33]; /* XXH3-128 over all pictures, depths, disparities, shapes and fb, in hex */
};

/* Which recording, which part of it, and how its sensor is read. One text form for configs and
 * the command line: a YAML mapping such as {set: matrix, root: DIR, split: test}. */
struct md_data_spec {
    char set[16];       /* "micro", "matrix" or "synthetic" */
    char root[1024];    /* folder; unused for synthetic */
    char split[4096];   /* which samples; its form is said at each reader, "[a:b]" at its end cuts
                         * samples a .. b-1 out (either may be missing; asking for more samples
                         * than there are is a failure) */
    char world[16];     /* synthetic: one of md_world_names */
    uint64_t seed;      /* synthetic */
    size_t count;       /* synthetic: samples per split */
    double min_depth_m; /* a nearer reading is no value (VL53L5CX: 0.02) */
    double max_depth_m; /* a reading at or beyond it is no value (field sets: 4) */
    int crop;           /* matrix: side of the centred square of the picture that the sensor sees,
                         * pixels */
};

/* The built-in worlds (worlds.c), ended by NULL. */
extern const char *const md_world_names[];

/* Defaults: what a key that was not given means. */
extern const struct md_data_spec md_data_spec_default;

/* Reads the samples `spec` names; pictures are height x width. On failure nothing is left to
 * free. An empty selection is a failure.
 *
 * set "micro":     split is the stem of a CSV file in root: "train" reads root/train.csv.
 * set "matrix":    split is "all", "train", "val" or "test" (see matrix.c for the rule), the name
 *                  of one flight below root ("Approach/A0"; "." when root itself is a flight),
 *                  several of them separated by commas, or "@FILE" with one flight a line.
 * set "synthetic": split is any word; other words give other flights through the same world. */
int md_dataset_open(const struct md_data_spec *spec, int height, int width,
                    struct md_dataset *dataset, struct md_error *error);

void md_dataset_close(struct md_dataset *dataset);

/* For readers: appends one sample with room for its picture and depth (zeroed), or fails when
 * memory is out. `capacity` is the reader's to keep, 0 at first. */
int md_dataset_append(struct md_dataset *dataset, size_t *capacity, const char *name,
                      int depth_height, int depth_width, struct md_sample **sample,
                      struct md_error *error);

/* For readers: a reading in metres as `spec` sees it: MD_NO_DEPTH when it is not finite, nearer
 * than min_depth_m, or at or beyond max_depth_m. */
float md_valid_depth(const struct md_data_spec *spec, float depth_m);

#endif
