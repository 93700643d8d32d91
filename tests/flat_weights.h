/* For the tests of what predicts: a network whose prediction is known. */
#ifndef MD_TESTS_FLAT_WEIGHTS_H
#define MD_TESTS_FLAT_WEIGHTS_H

#include "../results/weights.h"
#include "scratch.h"

/* A network that, with weights of 0, predicts the same disparity everywhere: the last bias. */
static inline struct scratch_path flat_weights(const char *name, float weight, float disparity) {
    struct scratch_path path = scratch_path(&scratch, "%s", name);
    const struct md_network *network = md_networks[0];
    const struct md_weights_info info = {.network = "upydnet", .source = "made up"};
    size_t total = md_parameter_total(network);
    struct md_error error;
    float *weights = malloc(total * sizeof *weights);
    cr_assert(weights);
    for (size_t i = 0; i < total; i++)
        weights[i] = weight;
    weights[total - 1] = disparity;
    cr_assert_eq(md_weights_write(path.text, network, weights, &info, &error), MD_OK, "%s",
                 error.text);
    free(weights);
    return path;
}

#endif
