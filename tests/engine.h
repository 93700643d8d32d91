/* For the tests of core: a training engine with pictures, labels and weights in it, in an arena of
 * exactly the planned size behind a fence. */
#ifndef MD_TESTS_ENGINE_H
#define MD_TESTS_ENGINE_H

#include "../core/target/host.h"
#include "numbers.h"

enum { MOST_SAMPLES = 4 };

/* The groups of the built-in networks. */
enum { POLICY_E = 1, POLICY_D0 = 2, POLICY_D1 = 4, POLICY_D2 = 8, POLICY_FULL = 15 };

/* uPyD-Net (or another) for a picture of side x side. */
static inline struct md_network sized_network(const char *name, int side) {
    struct md_network network = *md_network_find(name);
    network.height = network.width = side;
    return network;
}

static inline const struct md_ops *best_fp32(void) {
    return md_ops_find(MD_FP32, NULL);
}

static inline void assert_same_parameters(const struct md_network *network, const float *ours,
                                          const float *right, const char *what) {
    size_t n = md_parameter_total(network), at = first_difference(MD_FP32, ours, right, n);
    cr_assert(at == n, "%s: parameter %zu is %a, expected %a", what, at, (double)ours[at],
              (double)right[at]);
}

static inline size_t pixels_of(const struct md_network *network) {
    return md_layer_elements(network, network->layer_count - 1);
}

struct rig {
    struct md_engine engine;
    struct fenced arena, flash;
    struct md_team *team;
    float fb[MOST_SAMPLES];
};

/* Weights of the size that keeps activations at theirs, and a last bias that lets most of the
 * outputs pass the final ReLU. To be freed. */
static inline float *random_weights(const struct md_network *network, uint64_t seed) {
    struct md_random random = md_random_stream(seed, 1, 0, 0);
    float *weights = numbers(MD_FP32, md_parameter_total(network));
    struct md_parameter p;
    for (int i = 0; md_parameter(network, i, &p) == 0; i++) {
        int transposed = network->layers[p.layer].kind == MD_TCONV2X2;
        double fan_in = (double)network->layers[p.layer].ci * (transposed ? 1 : 9);
        for (size_t k = 0; k < p.count; k++)
            weights[p.offset + k] =
                (float)(md_random_normal(&random) * (p.dimensions == 1 ? 0.1 : sqrt(1.7 / fan_in)));
    }
    weights[md_parameter_total(network) - 1] = 1.0f;
    return weights;
}

/* Sample `sample` of a fixed random set; every seventh pixel lacks a label. Both to be freed. */
struct made_sample {
    float fb;
    uint8_t *picture, *right;
    float *label;
};
static inline struct made_sample make_sample(const struct md_network *network, int sample) {
    struct md_random random = md_random_stream(3, 2, (uint32_t)sample, 0);
    size_t bytes = md_layer_elements(network, MD_PICTURE), pixels = pixels_of(network);
    struct made_sample made = {2.0f + (float)sample, malloc(bytes), malloc(bytes),
                               numbers(MD_FP32, pixels)};
    cr_assert(made.picture && made.right);
    for (size_t i = 0; i < bytes; i++)
        made.picture[i] = (uint8_t)md_random_bits(&random);
    for (size_t i = 0; i < pixels; i++)
        made.label[i] = i % 7 == 3 ? -1.0f : (float)md_random_range(&random, 0.5, 4);
    for (size_t i = 0; i < bytes; i++)
        made.right[i] = (uint8_t)md_random_bits(&random);
    return made;
}

static inline void free_sample(struct made_sample *made) {
    free(made->picture);
    free(made->right);
    free(made->label);
}

/* What a teacher sees of it in a stage; every fifth pixel does not count. To be freed. */
static inline int8_t *make_features(const struct md_setup *setup, int layer, int sample) {
    struct md_random random = md_random_stream(3, 3, (uint32_t)sample, (uint32_t)layer);
    size_t bytes = md_teacher_bytes(setup, layer);
    size_t pixels = bytes / (size_t)setup->objective.teacher_channels;
    int8_t *features = malloc(bytes);
    cr_assert(features);
    for (size_t i = 0; i < bytes; i++)
        features[i] = i % pixels % 5 == 3 ? 0 : (int8_t)((int)md_random_below(&random, 255) - 127);
    return features;
}

/* Puts it into slot `slot`. */
static inline void put_sample(struct rig *rig, int slot, int sample) {
    struct made_sample made = make_sample(rig->engine.setup.network, sample);
    md_engine_set_picture(&rig->engine, slot, made.picture);
    if (rig->engine.plan.right_picture != MD_NO_BUFFER)
        md_engine_set_right_picture(&rig->engine, slot, made.right);
    if (rig->engine.setup.policy != 0)
        md_engine_set_label(&rig->engine, slot, made.label);
    for (int l = 0; l < MD_MAX_LAYERS; l++)
        if (rig->engine.plan.teacher[l] != MD_NO_BUFFER) {
            int8_t *features = make_features(&rig->engine.setup, l, sample);
            md_engine_set_teacher(&rig->engine, slot, l, features);
            free(features);
        }
    rig->fb[slot] = made.fb;
    free_sample(&made);
}

/* Flash that takes its contract at its word. */
static inline void check_copy(const struct md_flash *flash, size_t offset, size_t bytes) {
    cr_assert(offset % MD_PLAN_ALIGNMENT == 0 && bytes % MD_PLAN_ALIGNMENT == 0 && bytes > 0 &&
                  offset + bytes <= flash->bytes,
              "%zu bytes at %zu of %zu", bytes, offset, flash->bytes);
}
static inline void read_checked(const struct md_flash *flash, size_t offset, void *to,
                                size_t bytes) {
    check_copy(flash, offset, bytes);
    memcpy(to, (const unsigned char *)flash->memory + offset, bytes);
}
static inline void write_checked(const struct md_flash *flash, size_t offset, const void *from,
                                 size_t bytes) {
    check_copy(flash, offset, bytes);
    memcpy((unsigned char *)flash->memory + offset, from, bytes);
}

/* Starts an engine on `cores` threads, with weights, and with sample s in slot s. A setup without a
 * loss gets berHu. */
static inline void rig_start(struct rig *rig, const struct md_setup *given) {
    int failed;
    struct md_setup own = *given, *setup = &own;
    if (own.objective.depth_cap_m <= 0)
        own.objective = md_single_loss(MD_BERHU, 5.0f);
    md_plan_make(setup, &rig->engine.plan);
    size_t bytes = rig->engine.plan.arena_bytes;
    rig->arena = fence(bytes, 64);
    rig->team = md_host_team_start(setup->cores, &failed);
    cr_assert_eq(failed, 0);
    cr_assert_eq(md_engine_start(&rig->engine, setup, rig->team, rig->arena.values, bytes),
                 MD_ENGINE_OK);
    rig->flash = fence(rig->engine.plan.frozen_bytes, 64);
    rig->engine.flash = (struct md_flash){read_checked, write_checked, rig->flash.values,
                                          rig->engine.plan.frozen_bytes};
    float *weights = random_weights(setup->network, 1);
    md_engine_set_weights(&rig->engine, weights);
    free(weights);
    rig->engine.update = (struct md_update){.learning_rate = 1e-2f,
                                            .hyper.momentum = setup->momentum ? 0.9f : 0.0f,
                                            .hyper.beta1 = 0.9f,
                                            .hyper.beta2 = 0.999f,
                                            .hyper.epsilon = 1e-7f};
    for (int slot = 0; slot < setup->batch; slot++)
        put_sample(rig, slot, slot);
}

static inline struct md_loss_report rig_train(struct rig *rig, int samples) {
    struct md_loss_report report;
    md_engine_train(&rig->engine, samples, rig->fb, &report);
    return report;
}

static inline void rig_stop(struct rig *rig) {
    md_host_team_stop(rig->team);
    cr_assert(fence_holds(&rig->arena), "the engine wrote beside its arena");
    unfence(&rig->arena);
    cr_assert(fence_holds(&rig->flash), "the engine wrote beside its flash");
    unfence(&rig->flash);
}

/* All parameters, or gradients; to be freed. */
static inline float *rig_weights(const struct rig *rig) {
    float *weights = numbers(MD_FP32, md_parameter_total(rig->engine.setup.network));
    md_engine_get_weights(&rig->engine, weights);
    return weights;
}
static inline float *rig_gradients(const struct rig *rig) {
    float *gradients = numbers(MD_FP32, md_parameter_total(rig->engine.setup.network));
    for (int l = 0; l < rig->engine.setup.network->layer_count; l++)
        if (rig->engine.plan.learns[l])
            rig->engine.setup.ops->to_float(
                md_layer_parameters(&rig->engine.setup.network->layers[l]),
                md_engine_gradient(&rig->engine, l), gradients + rig->engine.plan.parameter[l]);
    return gradients;
}

#endif
