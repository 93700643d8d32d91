/* For the benchmark: every operator with weights, in all its calls of the network, and the
 * optimizers. The calls are those of the operator test (operators.h). */
#ifndef MD_TESTS_BENCH_OPERATORS_H
#define MD_TESTS_BENCH_OPERATORS_H

#include "../core/target/host.h"
#include "operators.h"
#include "rounds.h"

enum { REPEATS = 5, UPDATED = 1 << 15, MOST_CALLS = 40 };

/* n numbers as large as such operands are, without zeros. To be freed. */
static inline void *operand(const struct md_ops *ops, size_t n, float size) {
    float *values = calloc(n + 1, sizeof *values);
    void *operand = calloc(n + 1, md_format_bytes[ops->format]);
    if (values == NULL || operand == NULL)
        abort();
    for (size_t i = 0; i < n; i++)
        values[i] = size * ((float)(rand() % 1999) - 999.0f + 0.5f) / 1000.0f;
    ops->from_float(n, values, operand);
    free(values);
    return operand;
}

/* All calls of an operator in a network, with their operands. */
struct calls {
    const struct md_ops *ops;
    const struct operator* op;
    int count;
    double macs;
    struct ready_call {
        struct call call;
        void *in[OPERANDS], *results[RESULTS], *scratch;
    } ready[MOST_CALLS];
};

static inline void ready_call(const struct call *call, void *context) {
    static const float sizes[3][OPERANDS] = {[FORWARD] = {1.0f, 0.2f, 0.1f},
                                             [WEIGHT_GRADIENT] = {1.0f, 0.01f, 0.0f},
                                             [INPUT_GRADIENT] = {0.01f, 0.2f, 0.0f}};
    struct calls *calls = context;
    if (call->op != calls->op)
        return;
    if (calls->count == MOST_CALLS)
        abort();
    struct ready_call *ready = &calls->ready[calls->count++];
    ready->call = *call;
    for (int i = 0; i < OPERANDS; i++)
        ready->in[i] = operand(calls->ops, operand_count(call, i), sizes[call->op->direction][i]);
    for (int i = 0; i < RESULTS; i++)
        ready->results[i] = operand(calls->ops, result_count(call, i), 0.01f);
    ready->scratch = md_host_arena(scratch_for(calls->ops, call, y_height(call)));
    double pixels = (double)y_pixels(call) / (call->op->transposed ? 4.0 : 1.0);
    double share = call->op->direction == INPUT_GRADIENT
                       ? (double)(call->last - call->first) / call->shape.ci
                       : 1.0;
    calls->macs += share * pixels * (double)weight_count(call);
}

static inline struct calls *start_calls(const struct md_ops *ops, const struct operator* op) {
    struct calls *calls = calloc(1, sizeof *calls);
    if (calls == NULL)
        abort();
    calls->ops = ops;
    calls->op = op;
    each_layer_call(md_networks[0], 48, 48, ready_call, calls);
    return calls;
}

static inline void stop_calls(void *context) {
    struct calls *calls = context;
    for (struct ready_call *r = calls->ready; r < calls->ready + calls->count; r++) {
        for (int i = 0; i < OPERANDS; i++)
            free(r->in[i]);
        for (int i = 0; i < RESULTS; i++)
            free(r->results[i]);
        free(r->scratch);
    }
    free(calls);
}

/* Milliseconds of all calls together, each the fastest of some. */
static inline double time_calls(void *context) {
    struct calls *calls = context;
    double sum = 0.0;
    for (struct ready_call *r = calls->ready; r < calls->ready + calls->count; r++) {
        double best = 1e9;
        for (int i = 0; i < REPEATS; i++) {
            double began = now();
            make_call(calls->ops, &r->call, r->in, r->results, r->scratch, (struct md_part){0, 1});
            double took = now() - began;
            best = took < best ? took : best;
        }
        sum += best;
    }
    return 1e3 * sum;
}

/* An optimizer's update of UPDATED parameters. */
struct updates {
    const struct md_ops *ops;
    enum md_optimizer optimizer;
    void *gradient, *weight;
    struct md_kept kept;
};

static inline struct updates *start_updates(const struct md_ops *ops, enum md_optimizer optimizer) {
    struct updates *updates = calloc(1, sizeof *updates);
    if (updates == NULL)
        abort();
    *updates = (struct updates){
        ops,
        optimizer,
        operand(ops, UPDATED, 0.01f),
        operand(ops, UPDATED, 0.2f),
        {.first = operand(ops, UPDATED, 0.0f), .second = operand(ops, UPDATED, 0.0f)}};
    return updates;
}

static inline void stop_updates(void *context) {
    struct updates *updates = context;
    free(updates->gradient);
    free(updates->weight);
    free(updates->kept.first);
    free(updates->kept.second);
    free(updates);
}

/* Milliseconds of the fastest of some. */
static inline double time_updates(void *context) {
    static const struct md_update update = {.learning_rate = 1e-6f,
                                            .hyper.momentum = 0.9f,
                                            .hyper.beta1 = 0.9f,
                                            .hyper.beta2 = 0.999f,
                                            .hyper.epsilon = 1e-7f,
                                            .correction1 = 0.1f,
                                            .correction2 = 0.001f};
    struct updates *u = context;
    double best = 1e9;
    for (int i = 0; i < 4 * REPEATS; i++) {
        double began = now();
        (u->optimizer == MD_ADAM ? u->ops->adam : u->ops->sgd)(UPDATED, &update, u->gradient,
                                                               &u->kept, u->weight);
        double took = now() - began;
        best = took < best ? took : best;
    }
    return 1e3 * best;
}

#endif
