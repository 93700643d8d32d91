#include "monte_carlo.h"

#include <math.h>

#include "../base/random.h"

static const double unit_roundoff = 1.0 / (1 << 24);

/* Scratch memory begins with the random numbers, in HEAD bytes; then come the plain operator's own
 * and the squares of two operands and of the result. */
enum { HEAD = 128 };

static const struct md_operator *plain(enum md_layer_kind kind) {
    return &md_ops_find(MD_FP64, NULL)->kinds[kind];
}

struct sizes {
    size_t x, y, weight, scratch;
};

static struct sizes sizes_of(enum md_layer_kind kind, const struct md_shape *s) {
    size_t pixels = (size_t)s->height * (size_t)s->width, ci = (size_t)s->ci, co = (size_t)s->co;
    size_t up = (size_t)md_kinds[kind].up, taps = (size_t)md_kinds[kind].kernel;
    size_t output = pixels * up * up / (size_t)(s->stride * s->stride);
    size_t scratch = (plain(kind)->scratch_bytes(s, s->height * (int)up) + 63) / 64 * 64;
    return (struct sizes){ci * pixels, co * output, ci * co * taps * taps, scratch};
}

static size_t scratch_bytes(enum md_layer_kind kind, const struct md_shape *s) {
    struct sizes n = sizes_of(kind, s);
    return HEAD + n.scratch + (n.x + n.y + n.weight + 3 * (size_t)(s->ci + s->co)) * sizeof(double);
}

/* The areas of scratch memory: `plain` for the plain operator, and one for the squares of each
 * tensor. */
struct areas {
    struct md_random *random;
    void *plain;
    double *x, *y, *weight, *bias;
};

static struct areas areas_in(void *scratch, const struct sizes *n) {
    struct areas areas = {.random = scratch, .plain = (unsigned char *)scratch + HEAD};
    areas.x = (double *)((unsigned char *)areas.plain + n->scratch);
    areas.y = areas.x + n->x;
    areas.weight = areas.y + n->y;
    areas.bias = areas.weight + n->weight;
    return areas;
}

/* A call of a plain operator, with what it needs to be repeated on squares. */
struct repeated {
    struct sizes n;
    struct areas areas;
    struct md_call call; /* as the original, but with the plain operator's scratch memory */
};

static struct repeated repeat(enum md_layer_kind kind, const struct md_call *call) {
    struct repeated r = {.n = sizes_of(kind, &call->shape), .call = *call};
    r.areas = areas_in(call->scratch, &r.n);
    r.call.scratch = r.areas.plain;
    return r;
}

static void *squares(const void *values, size_t n, double *to) {
    const double *from = values;
    for (size_t i = 0; i < n; i++)
        to[i] = from[i] * from[i];
    return to;
}

static size_t elements(const struct md_map *map) {
    return (size_t)map->channels * md_map_plane(map);
}

/* Squares both halves of the input. */
static void square_input(struct repeated *r) {
    double *to = r->areas.x;
    for (int half = 0; half < 2; half++) {
        struct md_map *x = &r->call.x[half];
        size_t n = x->channels > 0 ? elements(x) : 0;
        x->at = squares(x->at, n, to);
        to += n;
    }
}

/* Uniform in +-1. */
static double uniform(struct md_random *random) {
    return md_random_range(random, -1.0, 1.0);
}

/* result += errors of chains of `length` steps whose terms' squares sum up to `sums`. The uniform
 * draw has a standard deviation of 1 / sqrt(3), which is the 3 in the formula. */
static void add_errors(struct md_random *random, double length, const double *sums, size_t n,
                       double *result) {
    for (size_t i = 0; i < n; i++) {
        double scale = sqrt((sums[i] + result[i] * result[i]) * length);
        result[i] += unit_roundoff * scale * uniform(random);
    }
}

/* How many taps a weight has between two channels, and how many pixels of the output one of the
 * input becomes, which share them out. */
static double taps_of(enum md_layer_kind kind) {
    return md_kinds[kind].kernel * md_kinds[kind].kernel;
}
static double enlarged(enum md_layer_kind kind) {
    return md_kinds[kind].up * md_kinds[kind].up;
}

/* Each operator is done twice: as it is, and on squares. Calls are for whole maps. */

static void forward(enum md_layer_kind kind, const struct md_call *call) {
    struct repeated r = repeat(kind, call);
    const struct md_shape *s = &call->shape;
    plain(kind)->forward(&r.call);
    square_input(&r);
    r.call.weight = squares(call->weight, r.n.weight, r.areas.weight);
    r.call.bias = squares(call->bias, (size_t)s->co, r.areas.bias);
    r.call.y.at = r.areas.y;
    plain(kind)->forward(&r.call);
    double taps = taps_of(kind) / enlarged(kind);
    add_errors(r.areas.random, s->ci * taps + 1.0, r.areas.y, r.n.y, call->y.at);
}

static void weight_gradient(enum md_layer_kind kind, const struct md_call *call) {
    struct repeated r = repeat(kind, call);
    const struct md_shape *s = &call->shape;
    double outputs = (double)r.n.y / s->co, taps = outputs / enlarged(kind);
    plain(kind)->weight_gradient(&r.call);
    square_input(&r);
    r.call.y.at = squares(call->y.at, r.n.y, r.areas.y);
    r.call.dweight = r.areas.weight;
    r.call.dbias = r.areas.bias;
    plain(kind)->weight_gradient(&r.call);
    add_errors(r.areas.random, taps, r.areas.weight, r.n.weight, call->dweight);
    add_errors(r.areas.random, outputs, r.areas.bias, (size_t)s->co, call->dbias);
}

static void input_gradient(enum md_layer_kind kind, const struct md_call *call) {
    struct repeated r = repeat(kind, call);
    const struct md_shape *s = &call->shape;
    plain(kind)->input_gradient(&r.call);
    r.call.y.at = squares(call->y.at, r.n.y, r.areas.y);
    r.call.weight = squares(call->weight, r.n.weight, r.areas.weight);
    r.call.dx.at = r.areas.x;
    r.call.accumulate = 0;
    plain(kind)->input_gradient(&r.call);
    double taps = taps_of(kind);
    add_errors(r.areas.random, s->co * taps + call->accumulate, r.areas.x, elements(&call->dx),
               call->dx.at);
}

/* ---- the table ------------------------------------------------------------------------------- */

#define MONTE_CARLO(name, kind)                                                                    \
    static void name##_forward(const struct md_call *call) {                                       \
        forward(kind, call);                                                                       \
    }                                                                                              \
    static void name##_weight_gradient(const struct md_call *call) {                               \
        weight_gradient(kind, call);                                                               \
    }                                                                                              \
    static void name##_input_gradient(const struct md_call *call) {                                \
        input_gradient(kind, call);                                                                \
    }                                                                                              \
    static size_t name##_scratch_bytes(const struct md_shape *shape, int rows) {                   \
        (void)rows;                                                                                \
        return scratch_bytes(kind, shape);                                                         \
    }
MONTE_CARLO(conv, MD_CONV3X3)
MONTE_CARLO(tconv, MD_TCONV2X2)

#define RECORD(name, kind)                                                                         \
    (struct md_operator) {                                                                         \
        name##_forward, name##_input_gradient, name##_weight_gradient, name##_scratch_bytes,       \
            plain(kind)->sums_bytes, NULL, 0                                                       \
    }

struct md_ops md_monte_carlo_ops(void) {
    struct md_ops ops = *md_ops_find(MD_FP64, NULL);
    ops.kinds[MD_CONV3X3] = RECORD(conv, MD_CONV3X3);
    ops.kinds[MD_TCONV2X2] = RECORD(tconv, MD_TCONV2X2);
    return ops;
}

static struct md_random *random_of(struct md_engine *engine) {
    return md_engine_buffer(engine, engine->plan.scratch, 0);
}

void md_monte_carlo_seed(struct md_engine *engine, uint64_t trial) {
    *random_of(engine) = md_random_stream(trial, 0, 0, 0);
}

void md_monte_carlo_round(struct md_engine *engine, size_t n, double *values) {
    for (size_t i = 0; i < n; i++)
        values[i] += unit_roundoff * values[i] * uniform(random_of(engine));
}
