/* For the benchmark: sets whose reading is timed. */
#ifndef MD_TESTS_BENCH_SAMPLES_H
#define MD_TESTS_BENCH_SAMPLES_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../datasets/cache.h"
#include "../datasets/micro.h"
#include "rounds.h"
#include "specs.h"

/* One of each kind: rays, small files, field pictures, full-size PNG. `{shared}` and `{made}` stand
 * for folders. */
static const struct set {
    const char *name, *set, *root, *split;
} sets[] = {
    {"synthetic field", "synthetic", "", "train"},
    {"micro, 48x48 PNG, .npy", "micro", "{made}", "train"},
    {"flights, 324x244 JPEG", "matrix", "{shared}/data/tof/Matrix_ToF_Drones", "all"},
    {"KITTI, 1242x375 PNG", "kitti", "{shared}/data/kitti/raw", "all"},
};

static inline struct md_data_spec spec_of(const struct set *set, const char *made) {
    const char *shared = getenv("MUDEPTH_SHARED") ? getenv("MUDEPTH_SHARED") : "../shared";
    struct md_data_spec spec = default_spec();
    const char *rest = strchr(set->root, '}');
    snprintf(spec.set, sizeof spec.set, "%s", set->set);
    snprintf(spec.split, sizeof spec.split, "%s", set->split);
    snprintf(spec.root, sizeof spec.root, "%s%s",
             rest == NULL          ? ""
             : set->root[1] == 's' ? shared
                                   : made,
             rest == NULL ? set->root : rest + 1);
    spec.max_depth_m = 0;
    return spec;
}

/* Milliseconds a sample; 0 when the set is not there. */
static inline double time_reading(void *context) {
    const struct md_data_spec *spec = context;
    struct md_dataset data;
    struct md_error error;
    double began = now();
    if (md_dataset_open(spec, 48, 48, NULL, &data, &error) != MD_OK)
        return 0.0;
    double took = now() - began;
    size_t count = data.count;
    md_dataset_close(&data);
    return 1e3 * took / (double)count;
}

/* What is read of `spec` as the micro set in a folder. */
static inline int write_micro(const struct md_data_spec *spec, const char *folder) {
    struct md_dataset data;
    struct md_error error;
    if (md_dataset_open(spec, 48, 48, NULL, &data, &error) != MD_OK)
        return -1;
    int status = md_micro_write(&data, folder, "train", 0, NULL, &error);
    md_dataset_close(&data);
    return status;
}

/* ... and as a cache, whose specification is `cached`. */
static inline int write_cache(const struct md_data_spec *spec, const char *folder,
                              struct md_data_spec *cached) {
    struct md_dataset data;
    struct md_error error;
    *cached = spec_of(&(struct set){"", "cache", "{made}", "cached"}, folder);
    if (md_dataset_open(spec, 48, 48, NULL, &data, &error) != MD_OK)
        return -1;
    int status = md_cache_write(&data, folder, "cached", 0, &error);
    md_dataset_close(&data);
    return status;
}

#endif
