#include "disturbed.h"

#include <math.h>

#include "../datasets/random.h"

static const double unit_roundoff = 1.0 / (1 << 24);

/* Scratch begins with the random numbers, then come the plain operator's scratch and room for the
 * squares of two operands and of the result. */
enum { HEAD = 128 };

static const struct md_ops *plain(void) {
    return md_ops_find(MD_FP64, NULL);
}

struct sizes {
    size_t x, y, weight, scratch;
};

static struct sizes sizes_of(const struct md_shape *s, int transposed) {
    size_t pixels = (size_t)s->height * (size_t)s->width, ci = (size_t)s->ci, co = (size_t)s->co;
    size_t output = transposed ? 4 * pixels : pixels / (size_t)(s->stride * s->stride);
    size_t scratch = (plain()->scratch_bytes(s, transposed) + 63) / 64 * 64;
    return (struct sizes){ci * pixels, co * output, ci * co * (transposed ? 4 : 9), scratch};
}

static size_t scratch_bytes(const struct md_shape *s, int transposed) {
    struct sizes n = sizes_of(s, transposed);
    return HEAD + n.scratch + (n.x + n.y + n.weight + 3 * (size_t)(s->ci + s->co)) * sizeof(double);
}

/* Where the parts of scratch are: each pointer has room for one tensor's squares. */
struct room {
    struct md_random *random;
    void *scratch;
    double *x, *y, *weight, *bias;
};

static struct room room_in(const struct md_shape *s, int transposed, void *memory) {
    struct sizes n = sizes_of(s, transposed);
    struct room room = {memory, (unsigned char *)memory + HEAD, NULL, NULL, NULL, NULL};
    room.x = (double *)((unsigned char *)room.scratch + n.scratch);
    room.y = room.x + n.x;
    room.weight = room.y + n.y;
    room.bias = room.weight + n.weight;
    return room;
}

static const double *squares(const void *values, size_t n, double *to) {
    const double *from = values;
    for (size_t i = 0; i < n; i++)
        to[i] = from[i] * from[i];
    return to;
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

static void forward(int transposed, const struct md_shape *s, const void *x, const void *weight,
                    const void *bias, void *y, void *memory, struct md_part part) {
    md_forward_fn *run = transposed ? plain()->tconv_forward : plain()->conv_forward;
    struct room room = room_in(s, transposed, memory);
    struct sizes n = sizes_of(s, transposed);
    run(s, x, weight, bias, y, room.scratch, part);
    run(s, squares(x, n.x, room.x), squares(weight, n.weight, room.weight),
        squares(bias, (size_t)s->co, room.bias), room.y, room.scratch, part);
    add_errors(room.random, s->ci * (transposed ? 1.0 : 9.0) + 1.0, room.y, n.y, y);
}

static void weight_gradient(int transposed, const struct md_shape *s, const void *x, const void *dy,
                            void *dweight, void *dbias, void *memory, struct md_part part) {
    md_weight_gradient_fn *run =
        transposed ? plain()->tconv_weight_gradient : plain()->conv_weight_gradient;
    struct room room = room_in(s, transposed, memory);
    struct sizes n = sizes_of(s, transposed);
    double outputs = (double)n.y / s->co, taps = transposed ? outputs / 4.0 : outputs;
    run(s, x, dy, dweight, dbias, room.scratch, part);
    run(s, squares(x, n.x, room.x), squares(dy, n.y, room.y), room.weight, room.bias, room.scratch,
        part);
    add_errors(room.random, taps, room.weight, n.weight, dweight);
    add_errors(room.random, outputs, room.bias, (size_t)s->co, dbias);
}

static void input_gradient(int transposed, const struct md_shape *s, const void *dy,
                           const void *weight, int first, int last, int accumulate, void *dx,
                           void *memory, struct md_part part) {
    md_input_gradient_fn *run =
        transposed ? plain()->tconv_input_gradient : plain()->conv_input_gradient;
    struct room room = room_in(s, transposed, memory);
    struct sizes n = sizes_of(s, transposed);
    size_t planes = n.x / (size_t)s->ci * (size_t)(last - first);
    run(s, dy, weight, first, last, accumulate, dx, room.scratch, part);
    run(s, squares(dy, n.y, room.y), squares(weight, n.weight, room.weight), first, last, 0, room.x,
        room.scratch, part);
    add_errors(room.random, s->co * (transposed ? 4.0 : 9.0) + accumulate, room.x, planes, dx);
}

static void conv_forward(const struct md_shape *s, const void *x, const void *weight,
                         const void *bias, void *y, void *scratch, struct md_part part) {
    forward(0, s, x, weight, bias, y, scratch, part);
}
static void tconv_forward(const struct md_shape *s, const void *x, const void *weight,
                          const void *bias, void *y, void *scratch, struct md_part part) {
    forward(1, s, x, weight, bias, y, scratch, part);
}
static void conv_weight_gradient(const struct md_shape *s, const void *x, const void *dy,
                                 void *dweight, void *dbias, void *scratch, struct md_part part) {
    weight_gradient(0, s, x, dy, dweight, dbias, scratch, part);
}
static void tconv_weight_gradient(const struct md_shape *s, const void *x, const void *dy,
                                  void *dweight, void *dbias, void *scratch, struct md_part part) {
    weight_gradient(1, s, x, dy, dweight, dbias, scratch, part);
}
static void conv_input_gradient(const struct md_shape *s, const void *dy, const void *weight,
                                int first, int last, int accumulate, void *dx, void *scratch,
                                struct md_part part) {
    input_gradient(0, s, dy, weight, first, last, accumulate, dx, scratch, part);
}
static void tconv_input_gradient(const struct md_shape *s, const void *dy, const void *weight,
                                 int first, int last, int accumulate, void *dx, void *scratch,
                                 struct md_part part) {
    input_gradient(1, s, dy, weight, first, last, accumulate, dx, scratch, part);
}

struct md_ops md_disturbed_ops(void) {
    struct md_ops ops = *plain();
    ops.scratch_bytes = scratch_bytes;
    ops.conv_forward = conv_forward;
    ops.conv_weight_gradient = conv_weight_gradient;
    ops.conv_input_gradient = conv_input_gradient;
    ops.tconv_forward = tconv_forward;
    ops.tconv_weight_gradient = tconv_weight_gradient;
    ops.tconv_input_gradient = tconv_input_gradient;
    return ops;
}

static struct md_random *random_of(struct md_engine *engine) {
    return (struct md_random *)(engine->arena + engine->plan.regions[MD_SCRATCH].offset);
}

void md_disturbed_seed(struct md_engine *engine, uint64_t trial) {
    *random_of(engine) = md_random_stream(trial, 0, 0, 0);
}

void md_disturb(struct md_engine *engine, size_t n, double *values) {
    for (size_t i = 0; i < n; i++)
        values[i] += unit_roundoff * values[i] * uniform(random_of(engine));
}
