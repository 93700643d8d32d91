#include "initial_weights.h"

#include <math.h>

#include "../base/random.h"
#include "batch.h"

void md_initial_weights(const struct md_network *network, uint64_t seed, float *weights) {
    struct md_random random = md_random_stream(seed, 0, 0, MD_DRAW_WEIGHTS);
    struct md_parameter p;
    for (int i = 0; md_parameter(network, i, &p) == 0; i++) {
        const struct md_layer *layer = &network->layers[p.layer];
        const struct md_kind *kind = &md_kinds[layer->kind];
        int inputs = (kind->transposed ? layer->co : layer->ci) * kind->kernel * kind->kernel;
        double bound = 1.0 / sqrt((double)inputs);
        int is_last = p.dimensions == 1 && p.layer == md_last_with_parameters(network);
        for (size_t k = 0; k < p.count; k++)
            weights[p.offset + k] =
                is_last ? MD_INITIAL_DISPARITY : (float)md_random_range(&random, -bound, bound);
    }
}
