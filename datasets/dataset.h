/* A data set in memory: the samples that a spec names. */
#ifndef MD_DATASETS_DATASET_H
#define MD_DATASETS_DATASET_H

#include "../base/watch.h"
#include "sample.h"
#include "unused.h"

/* A data set owns its samples. */
struct md_dataset {
    int height, width; /* of every picture */
    size_t count;
    struct md_sample *samples;
    double range_m;  /* max_depth_m of its labels; of a cache that of the set it was made of */
    char digest[33]; /* XXH3-128 over all pictures, depths, disparities, truths, shapes and fb, in
                      * hex */
    struct md_unused unused;               /* files that are no samples */
    double gain, noise;                    /* of its pictures: md_augment_measure; 0 before */
    char depth_kinds[MD_DEPTH_KINDS_SIZE]; /* "groundtruth of 3, lidar of 26": depths of several
                                      kinds; or
                                      "" */
};

/* Reads the samples `spec` names; pictures are height x width. On failure nothing is left to
 * free. An empty selection is a failure, and so is an early end that `watch` (may be NULL) asks
 * for. Which splits a set has is said at its reader. */
int md_dataset_open(const struct md_data_spec *spec, int height, int width,
                    const struct md_watch *watch, struct md_dataset *dataset,
                    struct md_error *error);

void md_dataset_close(struct md_dataset *dataset);

#endif
