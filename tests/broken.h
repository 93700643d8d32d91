/* For the tests of what a comparison finds: a job with every kind of layer, done once more by
 * operators of which one is broken. */
#ifndef MD_TESTS_BROKEN_H
#define MD_TESTS_BROKEN_H

#include "comparing.h"

/* Formats with the wide one whose operators do not round sums; fp32 has none. */
static const enum md_format formats[][2] = {
    {MD_FP32, MD_FP32}, {MD_FP16, MD_FP16W}, {MD_BF16, MD_BF16W}};

/* A format's operators, and those of its wide one. */
struct twins {
    const struct md_ops *right, *wide;
};
static inline struct twins twins_of(size_t format) {
    return (struct twins){md_ops_find(formats[format][0], "ref"),
                          md_ops_find(formats[format][1], "ref")};
}

/* Every kind of layer, no two of one shape; a skip, and a layer that two read. */
static inline struct md_network every_kind(enum md_layer_kind pool) {
    struct md_network network = {.name = "every kind",
                                 .height = 8,
                                 .width = 8,
                                 .layer_count = 8,
                                 .output = 6,
                                 .group_count = 1,
                                 .groups = {"a"},
                                 .layers = {{"conv0", MD_CONV3X3, 0, -1, MD_NO_SKIP, 3, 4, 1, 1},
                                            {"conv1", MD_CONV3X3, 0, 0, MD_NO_SKIP, 4, 5, 2, 1},
                                            {"conv2", MD_CONV3X3, 0, 1, MD_NO_SKIP, 5, 6, 1, 0},
                                            {"tconv", MD_TCONV2X2, 0, 2, MD_NO_SKIP, 6, 7, 1, 1},
                                            {"conv3", MD_CONV3X3, 0, 3, 0, 11, 8, 1, 1},
                                            {"conv4", MD_CONV3X3, 0, 4, MD_NO_SKIP, 8, 1, 1, 0},
                                            {"relu", MD_RELU, 0, 5, MD_NO_SKIP, 1, 1, 1, 0},
                                            {"pool", (int32_t)pool, 0, 6, MD_NO_SKIP, 1, 1, 2, 0}}};
    int layer;
    const char *wrong = md_network_check(&network, &layer);
    cr_assert_null(wrong, "layer %d: %s", layer, wrong);
    return network;
}

static inline struct md_job job_of_all(enum md_format format, enum md_layer_kind pool) {
    struct md_job job = small_job(format, "ref");
    job.network = every_kind(pool);
    job.policy = 1;
    job.steps = 2;
    return job;
}

/* Compares the job by its own operators with that by others. */
static inline struct md_comparison against(const struct md_job *job, const struct md_ops *ops,
                                           const char *what) {
    struct md_comparison result;
    struct bytes right = trace_of(job), wrong = trace_by(job, ops);
    compare(&right, &wrong, &result, what);
    free(right.at);
    free(wrong.at);
    md_comparison_close(&result);
    return result;
}

/* The first difference begins with this; "": there is none. */
static inline void assert_first(const struct md_job *job, const struct md_ops *ops,
                                const char *first, const char *what) {
    struct md_comparison result = against(job, ops, what);
    int right = first[0] == '\0' ? result.differing_tensors == 0
                                 : strncmp(result.first, first, strlen(first)) == 0;
    cr_assert(right, "%s in %s: expected \"%s\", found \"%s\"", what, md_format_names[job->format],
              first, result.first);
}

#endif
