/* What an untaught network starts from. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../experiments/initial_weights.h"

Test(initial_weights, come_from_the_seed_and_end_alive) {
    const struct md_network *network = md_networks[0];
    size_t total = md_parameter_total(network);
    float *weights[3];
    for (int i = 0; i < 3; i++) {
        weights[i] = malloc(total * sizeof **weights);
        cr_assert(weights[i]);
        md_initial_weights(network, (uint64_t)i / 2, weights[i]);
    }
    cr_assert_eq(memcmp(weights[0], weights[1], total * sizeof **weights), 0);
    cr_assert_neq(memcmp(weights[0], weights[2], total * sizeof **weights), 0);
    cr_assert_eq(weights[0][total - 1], 10);
    struct md_parameter p;
    for (int t = 0; md_parameter(network, t, &p) == 0; t++) {
        const struct md_layer *layer = &network->layers[p.layer];
        double bound = 1 / sqrt(layer->kind == MD_CONV3X3 ? 9 * layer->ci : 4 * layer->co);
        for (size_t i = 0; i < p.count && p.offset + i + 1 < total; i++)
            cr_assert(fabs((double)weights[0][p.offset + i]) <= bound, "%s", p.name);
    }
    for (int i = 0; i < 3; i++)
        free(weights[i]);
}
