/* For the benchmark: a training that is timed (berHu, Adam, upydnet). */
#ifndef MD_TESTS_BENCH_STEP_H
#define MD_TESTS_BENCH_STEP_H

#include <math.h>
#include <stdio.h>

#include "../core/target/host.h"
#include "rounds.h"

enum { MAX_BATCH = 16, PIXELS = 48 * 48 };

struct training {
    struct md_engine engine;
    void *arena;
    int batch, steps;
};

/* Uniform, of a variance that keeps the size of activations and errors from layer to layer (He et
 * al., ICCV 2015); biases 0. So small that they vanish, 16-bit ones are not typical of training,
 * and how fast their steps are depends on that. */
static inline void draw_weights(const struct md_network *network, float *weights) {
    struct md_parameter p;
    srand(1);
    for (int i = 0; md_parameter(network, i, &p) == 0; i++) {
        int transposed = p.dimensions == 4 && p.shape[2] == 2; /* one tap a channel */
        size_t inputs = transposed ? (size_t)p.shape[0] : p.count / (size_t)p.shape[0];
        float bound = p.dimensions == 1 ? 0.0f : sqrtf(6.0f / (float)inputs);
        for (size_t k = 0; k < p.count; k++)
            *weights++ = bound * (2.0f * (float)rand() / (float)RAND_MAX - 1.0f);
    }
    weights[-1] = 10.0f; /* the last bias: the disparity predicted at first */
}

/* What a step uses up: put in again before each. */
static inline void put_samples(struct training *training) {
    static uint8_t picture[3 * PIXELS];
    static float label[PIXELS];
    srand(2);
    for (int s = 0; s < training->batch; s++) {
        for (int p = 0; p < 3 * PIXELS; p++)
            picture[p] = (uint8_t)(rand() >> 8);
        for (int p = 0; p < PIXELS; p++)
            label[p] = p / 48 % 3 == 0 ? -1.0f : 20.0f + 20.0f * (float)rand() / (float)RAND_MAX;
        md_engine_set_picture(&training->engine, s, picture);
        md_engine_set_label(&training->engine, s, label);
    }
}

/* The fastest of its steps: the others were disturbed. */
static inline double time_step(void *context) {
    static const float fb[MAX_BATCH] = {0}; /* berhu does not use it */
    struct training *training = context;
    struct md_loss_report report;
    double best = 1e9;
    for (int i = 0; i < training->steps; i++) {
        put_samples(training);
        double began = now();
        md_engine_train(&training->engine, training->batch, fb, &report);
        double took = now() - began;
        best = took < best ? took : best;
    }
    return 1e3 * best;
}

/* With as many steps as take `seconds`, at least 3, found out by the ones that warm up. To be
 * stopped. */
static inline struct training *start_training(const struct md_setup *setup, double seconds) {
    int failed;
    struct training *training = calloc(1, sizeof *training);
    float *weights = calloc(md_parameter_total(setup->network), sizeof *weights);
    struct md_team *team = md_host_team_start(setup->cores, &failed);
    if (training == NULL || weights == NULL || failed)
        abort();
    struct md_engine *engine = &training->engine;
    md_plan_make(setup, &engine->plan);
    training->arena = md_host_arena(engine->plan.arena_bytes);
    if (training->arena == NULL || md_engine_start(engine, setup, team, training->arena,
                                                   engine->plan.arena_bytes) != MD_ENGINE_OK)
        abort();
    engine->setup.objective = md_single_loss(MD_BERHU, 5.0f);
    engine->update = (struct md_update){
        .learning_rate = 1e-6f, .hyper.beta1 = 0.9f, .hyper.beta2 = 0.999f, .hyper.epsilon = 1e-7f};
    draw_weights(setup->network, weights);
    md_engine_set_weights(engine, weights);
    free(weights);
    training->batch = setup->batch;
    training->steps = 1;
    time_step(training);
    double steps = 1e3 * seconds / time_step(training);
    training->steps = steps < 3.0 ? 3 : steps > 100.0 ? 100 : (int)steps;
    return training;
}

static inline void stop_training(void *context) {
    struct training *training = context;
    md_host_team_stop(training->engine.team);
    free(training->arena);
    free(training);
}

#endif
