#include "plan.h"

const char *const md_region_names[MD_REGION_COUNT] = {
    "weights",     "optimizer state",  "weight gradients", "pictures", "labels",
    "activations", "output gradients", "errors",           "scratch"};

#define ALIGNMENT 64 /* bytes: a cache line, and the widest vector */

struct md_shape md_layer_shape(const struct md_network *network, int layer) {
    const struct md_layer *l = &network->layers[layer];
    struct md_shape shape = {l->ci, l->co, 0, 0, l->stride};
    md_layer_size(network, l->input, &shape.height, &shape.width);
    return shape;
}

size_t md_layer_elements(const struct md_network *network, int layer) {
    int height, width, channels = layer == MD_PICTURE ? 3 : network->layers[layer].co;
    md_layer_size(network, layer, &height, &width);
    return (size_t)channels * (size_t)height * (size_t)width;
}

static void mark(const struct md_network *network, md_policy policy, struct md_plan *plan) {
    for (int l = 0; l < network->layer_count; l++) {
        const struct md_layer *layer = &network->layers[l];
        plan->learns[l] = md_layer_weights(layer) > 0 && (policy >> layer->block & 1u) != 0;
        plan->wanted[l] = plan->learns[l] ||
                          (layer->input != MD_PICTURE && plan->wanted[layer->input]) ||
                          (layer->skip != MD_NO_SKIP && plan->wanted[layer->skip]);
    }
}

/* Gives every layer's output a place, the skip half of a concat directly before the other half, and
 * returns the elements needed. With `only`, layers it does not mark take no room. */
static size_t place(const struct md_network *network, const unsigned char *only, size_t *offset) {
    size_t next = 0;
    unsigned char placed[MD_MAX_LAYERS] = {0};
    for (int l = 0; l < network->layer_count; l++) {
        int pair[2] = {network->layers[l].skip, network->layers[l].input};
        for (int i = 0; pair[0] != MD_NO_SKIP && i < 2; i++) {
            offset[pair[i]] = next;
            placed[pair[i]] = 1;
            next += only == NULL || only[pair[i]] ? md_layer_elements(network, pair[i]) : 0;
        }
    }
    for (int l = 0; l < network->layer_count; l++)
        if (!placed[l]) {
            offset[l] = next;
            next += only == NULL || only[l] ? md_layer_elements(network, l) : 0;
        }
    return next;
}

static size_t scratch_bytes(const struct md_setup *setup) {
    size_t most = 0;
    for (int l = 0; l < setup->network->layer_count; l++) {
        const struct md_layer *layer = &setup->network->layers[l];
        if (md_layer_weights(layer) == 0)
            continue;
        struct md_shape shape = md_layer_shape(setup->network, l);
        size_t bytes = setup->ops->scratch_bytes(&shape, layer->kind == MD_TCONV2X2);
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* Gives the optimizer's arrays their places from byte `begin` of the arena on, each aligned to its
 * values, and returns where the last one ends. */
static size_t place_kept(const struct md_setup *setup, size_t begin, struct md_plan *plan) {
    size_t elem = md_format_bytes[setup->ops->format], end = begin;
    size_t moment = setup->moments == MD_MOMENTS_FP32 ? sizeof(float) : elem;
    int moments = setup->optimizer == MD_ADAM ? 2 : setup->momentum ? 1 : 0;
    plan->keeps[MD_FIRST_MOMENT].bytes = moments >= 1 ? moment : 0;
    plan->keeps[MD_SECOND_MOMENT].bytes = moments >= 2 ? moment : 0;
    plan->keeps[MD_BESIDE_WEIGHT].bytes = setup->storing == MD_STORE_MASTER  ? sizeof(float)
                                          : setup->storing == MD_STORE_KAHAN ? elem
                                                                             : 0;
    for (int k = 0; k < MD_KEEPS_COUNT; k++) {
        size_t bytes = plan->learning > 0 ? plan->keeps[k].bytes : 0;
        if (bytes > 0)
            end = (end + bytes - 1) / bytes * bytes;
        plan->keeps[k].offset = end;
        end += plan->learning * bytes;
    }
    return end;
}

size_t md_plan_kept_bytes(const struct md_plan *plan) {
    size_t bytes = 0;
    for (int k = 0; k < MD_KEEPS_COUNT; k++)
        bytes += plan->keeps[k].bytes;
    return bytes;
}

void md_plan_make(const struct md_setup *setup, struct md_plan *plan) {
    const struct md_network *network = setup->network;
    size_t elem = md_format_bytes[setup->ops->format];
    int last = network->layer_count - 1;
    *plan = (struct md_plan){0};
    mark(network, setup->policy, plan);
    for (int l = 0; l <= last; l++)
        if (plan->learns[l]) {
            plan->gradient[l] = plan->learning;
            plan->learning +=
                md_layer_weights(&network->layers[l]) + md_layer_biases(&network->layers[l]);
        }
    plan->groups = setup->batch >= setup->cores ? setup->cores : 1;

    /* The error of the last output is the loss's gradient, which has a region of its own. */
    unsigned char inner[MD_MAX_LAYERS];
    for (int l = 0; l <= last; l++)
        inner[l] = l < last && plan->wanted[l];

    size_t weights = md_parameter_total(network) * elem;
    size_t kept = place_kept(setup, weights, plan) - weights; /* the weights lie first */
    int trains = plan->learning > 0;
    size_t pixels = md_layer_elements(network, last);
    const struct {
        size_t bytes;
        int copies;
    } needs[MD_REGION_COUNT] = {
        [MD_WEIGHTS] = {weights, 1},
        [MD_OPTIMIZER_STATE] = {kept, 1},
        [MD_WEIGHT_GRADIENTS] = {plan->learning * elem, setup->batch},
        [MD_PICTURES] = {md_layer_elements(network, MD_PICTURE) * elem, setup->batch},
        [MD_LABELS] = {pixels * elem, trains ? setup->batch : 0},
        [MD_ACTIVATIONS] = {place(network, NULL, plan->activation) * elem, setup->batch},
        [MD_OUTPUT_GRADIENTS] = {pixels * elem, trains ? setup->batch : 0},
        [MD_ERRORS] = {place(network, inner, plan->error) * elem, plan->groups},
        [MD_SCRATCH] = {scratch_bytes(setup), setup->cores}};
    for (int r = 0; r < MD_REGION_COUNT; r++) {
        /* Scratch starts every copy on a cache line; the others need to lie densely: the loss
         * runs over the outputs' gradients and labels of a batch in one go. */
        size_t bytes = needs[r].bytes;
        if (r == MD_SCRATCH)
            bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        plan->regions[r].offset = plan->arena_bytes;
        plan->regions[r].bytes = bytes;
        plan->regions[r].copies = needs[r].copies;
        plan->arena_bytes += bytes * (size_t)needs[r].copies;
        if (r != MD_WEIGHTS) /* the optimizer's state follows the weights without a gap */
            plan->arena_bytes = (plan->arena_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
}

size_t md_step_macs(const struct md_network *network, md_policy policy) {
    struct md_plan plan = {0};
    size_t total = 0;
    mark(network, policy, &plan);
    for (int l = 0; l < network->layer_count; l++) {
        const struct md_layer *layer = &network->layers[l];
        size_t macs = md_layer_macs(network, l);
        size_t per_channel = layer->ci > 0 ? macs / (size_t)layer->ci : 0;
        int skipped = layer->skip == MD_NO_SKIP ? 0 : network->layers[layer->skip].co;
        total += macs + (plan.learns[l] ? macs : 0);
        if (layer->skip != MD_NO_SKIP && plan.wanted[layer->skip])
            total += per_channel * (size_t)skipped;
        if (layer->input != MD_PICTURE && plan.wanted[layer->input])
            total += per_channel * (size_t)(layer->ci - skipped);
    }
    return total;
}
