#include "monte_carlo.h"

#include <math.h>

#include "../base/random.h"

static const double unit_roundoff = 1.0 / (1 << 24);

/* Scratch begins with the random numbers, then come the plain operator's scratch and room for the
 * squares of two operands and of the result. */
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

/* Where the parts of scratch are: each pointer has room for one tensor's squares. */
struct room {
    struct md_random *random;
    void *scratch;
    double *x, *y, *weight, *bias;
};

static struct room room_in(enum md_layer_kind kind, const struct md_call *call) {
    struct sizes n = sizes_of(kind, &call->shape);
    struct room room = {call->scratch, (unsigned char *)call->scratch + HEAD, NULL, NULL, NULL,
                        NULL};
    room.x = (double *)((unsigned char *)room.scratch + n.scratch);
    room.y = room.x + n.x;
    room.weight = room.y + n.y;
    room.bias = room.weight + n.weight;
    return room;
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

/* Both halves of the input. */
static void square_input(struct md_call *call, const struct room *room) {
    double *to = room->x;
    for (int half = 0; half < 2; half++) {
        struct md_map *x = &call->x[half];
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

/* Each operator is done twice: as it is, and with squares for what it reads. Calls are for whole
 * maps. */

static void forward(enum md_layer_kind kind, const struct md_call *call) {
    struct room room = room_in(kind, call);
    const struct md_shape *s = &call->shape;
    struct sizes n = sizes_of(kind, s);
    struct md_call other = *call;
    other.scratch = room.scratch;
    plain(kind)->forward(&other);
    square_input(&other, &room);
    other.weight = squares(call->weight, n.weight, room.weight);
    other.bias = squares(call->bias, (size_t)s->co, room.bias);
    other.y.at = room.y;
    plain(kind)->forward(&other);
    double taps = kind == MD_TCONV2X2 ? 1.0 : 9.0;
    add_errors(room.random, s->ci * taps + 1.0, room.y, n.y, call->y.at);
}

static void weight_gradient(enum md_layer_kind kind, const struct md_call *call) {
    struct room room = room_in(kind, call);
    const struct md_shape *s = &call->shape;
    struct sizes n = sizes_of(kind, s);
    double outputs = (double)n.y / s->co, taps = kind == MD_TCONV2X2 ? outputs / 4.0 : outputs;
    struct md_call other = *call;
    other.scratch = room.scratch;
    plain(kind)->weight_gradient(&other);
    square_input(&other, &room);
    other.y.at = squares(call->y.at, n.y, room.y);
    other.dweight = room.weight;
    other.dbias = room.bias;
    plain(kind)->weight_gradient(&other);
    add_errors(room.random, taps, room.weight, n.weight, call->dweight);
    add_errors(room.random, outputs, room.bias, (size_t)s->co, call->dbias);
}

static void input_gradient(enum md_layer_kind kind, const struct md_call *call) {
    struct room room = room_in(kind, call);
    const struct md_shape *s = &call->shape;
    struct sizes n = sizes_of(kind, s);
    struct md_call other = *call;
    other.scratch = room.scratch;
    plain(kind)->input_gradient(&other);
    other.y.at = squares(call->y.at, n.y, room.y);
    other.weight = squares(call->weight, n.weight, room.weight);
    other.dx.at = room.x;
    other.accumulate = 0;
    plain(kind)->input_gradient(&other);
    double taps = kind == MD_TCONV2X2 ? 4.0 : 9.0;
    add_errors(room.random, s->co * taps + call->accumulate, room.x, elements(&call->dx),
               call->dx.at);
}

/* ---- the table ------------------------------------------------------------------------------- */

#define DISTURBED(name, kind)                                                                      \
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
DISTURBED(conv, MD_CONV3X3)
DISTURBED(tconv, MD_TCONV2X2)

#define RECORD(name, kind)                                                                         \
    (struct md_operator) {                                                                         \
        name##_forward, name##_input_gradient, name##_weight_gradient, name##_scratch_bytes,       \
            plain(kind)->sums_bytes, NULL                                                          \
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
