/* The reference operators: one plain loop each, compiled once per number format. They define the
 * arithmetic; every chain of roundings is written above its function. Taps outside the picture are
 * skipped. MD_LEVEL names the instruction set the file is compiled for. */
#include "ops.h"

#include "network.h"
#include "random.h"

#define SLOPE ((real)MD_LEAKY_SLOPE) /* a power of two: exact in every format */

enum { BLOCK = 64 }; /* elements that are converted together */

/* For functions whose first argument is a constant at each call: loops of its own for each value.
 */
#define INLINE static inline __attribute__((always_inline))

static size_t no_scratch(const struct md_shape *s, int rows) {
    (void)s;
    (void)rows;
    return 0;
}

/* Where an accumulator is wider than an element, chains that go on need room of their own. */
#define SUMS_APART (sizeof(real) > sizeof(elem) && MD_NUMBER > MD_NUMBER_bf16)

static size_t conv_sums_bytes(const struct md_shape *s, int cores) {
    (void)cores;
    return SUMS_APART ? (size_t)s->co * ((size_t)s->ci * 9 + 1) * sizeof(real) : 0;
}

static size_t tconv_sums_bytes(const struct md_shape *s, int cores) {
    (void)cores;
    return SUMS_APART ? (size_t)s->co * ((size_t)s->ci * 4 + 1) * sizeof(real) : 0;
}

static elem *row_at(const struct md_map *map, int channel, int h) {
    return (elem *)map->at + md_map_row(map, channel, h);
}

/* Chain i of a weight gradient, before a call's rows and after them. `sums` counts on from dweight
 * to dbias. */
static real begin_chain(const struct md_call *c, const elem *to, size_t i, size_t sum) {
    return c->from == 0 ? 0 : SUMS_APART ? ((const real *)c->sums)[sum] : md_load(to[i]);
}
static void end_chain(const struct md_call *c, elem *to, size_t i, size_t sum, int height,
                      real acc) {
    if (SUMS_APART && c->to < height)
        ((real *)c->sums)[sum] = acc;
    else
        to[i] = md_store(acc);
}

/* acc = 0; for ci, kh, kw ascending: acc = fma(w, x, acc); y = acc + bias. */
static void conv_forward(const struct md_call *c) {
    const struct md_shape *s = &c->shape;
    const elem *weight = c->weight, *bias = c->bias;
    int first, last, wo = s->width / s->stride;
    md_share(c->part, s->co, &first, &last);
    for (int co = first; co < last; co++)
        for (int h = c->from; h < c->to; h++)
            for (int w = 0; w < wo; w++) {
                const elem *tap = weight + co * s->ci * 9;
                real acc = 0;
                for (int half = 0; half < 2; half++)
                    for (int ci = 0; ci < c->x[half].channels; ci++, tap += 9)
                        for (int kh = 0; kh < 3; kh++) {
                            int hi = h * s->stride + kh - 1;
                            if (hi < 0 || hi >= s->height)
                                continue;
                            const elem *row = row_at(&c->x[half], ci, hi);
                            for (int kw = 0; kw < 3; kw++) {
                                int wi = w * s->stride + kw - 1;
                                if (wi >= 0 && wi < s->width)
                                    acc = md_fma(md_load(tap[kh * 3 + kw]), md_load(row[wi]), acc);
                            }
                        }
                row_at(&c->y, co, h)[w] = md_store(md_add(acc, md_load(bias[co])));
            }
}

/* A bias gradient: acc = 0; for ho, wo ascending: acc + dy. */
static void sum_planes(const struct md_call *c, size_t sums) {
    int first, last;
    md_share(c->part, c->shape.co, &first, &last);
    for (int co = first; co < last; co++) {
        real acc = begin_chain(c, c->dbias, (size_t)co, sums + (size_t)co);
        for (int h = c->from; h < c->to; h++)
            for (int w = 0; w < c->y.width; w++)
                acc = md_add(acc, md_load(row_at(&c->y, co, h)[w]));
        end_chain(c, c->dbias, (size_t)co, sums + (size_t)co, c->y.height, acc);
    }
}

/* acc = 0; for ho, wo ascending: acc = fma(dy, x, acc). */
static void conv_weight_gradient(const struct md_call *c) {
    const struct md_shape *s = &c->shape;
    int first, last, ci = 0, wo = s->width / s->stride;
    md_share(c->part, s->ci, &first, &last);
    for (int half = 0; half < 2; half++)
        for (int channel = 0; channel < c->x[half].channels; channel++, ci++)
            for (int i = 0; ci >= first && ci < last && i < s->co * 9; i++) {
                int co = i / 9, k = i % 9;
                size_t at = (size_t)((co * s->ci + ci) * 9 + k);
                real acc = begin_chain(c, c->dweight, at, at);
                for (int h = c->from; h < c->to; h++) {
                    int hi = h * s->stride + k / 3 - 1;
                    if (hi < 0 || hi >= s->height)
                        continue;
                    const elem *x = row_at(&c->x[half], channel, hi), *dy = row_at(&c->y, co, h);
                    for (int w = 0; w < wo; w++) {
                        int wi = w * s->stride + k % 3 - 1;
                        if (wi >= 0 && wi < s->width)
                            acc = md_fma(md_load(dy[w]), md_load(x[wi]), acc);
                    }
                }
                end_chain(c, c->dweight, at, at, c->y.height, acc);
            }
    sum_planes(c, (size_t)(s->co * s->ci) * 9);
}

/* acc = 0; for co ascending, then the output pixels (ho, wo) that used this input pixel in
 * row-major order (the kernel index runs downwards): acc = fma(w, dy, acc). */
static void conv_input_gradient(const struct md_call *c) {
    const struct md_shape *s = &c->shape;
    const elem *weight = c->weight;
    int first, last, ho = s->height / s->stride, wo = s->width / s->stride;
    md_share(c->part, c->dx.channels, &first, &last);
    for (int ci = first; ci < last; ci++)
        for (int hi = c->from; hi < c->to; hi++)
            for (int wi = 0; wi < s->width; wi++) {
                real acc = 0;
                for (int co = 0; co < s->co; co++)
                    for (int kh = 2; kh >= 0; kh--) {
                        int h = hi + 1 - kh;
                        if (h < 0 || h % s->stride != 0 || h / s->stride >= ho)
                            continue;
                        const elem *row = row_at(&c->y, co, h / s->stride);
                        const elem *tap = weight + ((co * s->ci + c->first + ci) * 3 + kh) * 3;
                        for (int kw = 2; kw >= 0; kw--) {
                            int w = wi + 1 - kw;
                            if (w >= 0 && w % s->stride == 0 && w / s->stride < wo)
                                acc = md_fma(md_load(tap[kw]), md_load(row[w / s->stride]), acc);
                        }
                    }
                elem *to = &row_at(&c->dx, ci, hi)[wi];
                *to = md_store(c->accumulate ? md_add(md_load(*to), acc) : acc);
            }
}

/* Each output pixel has one tap: acc = 0; for ci ascending: acc = fma(w, x, acc); bias + acc. */
static void tconv_forward(const struct md_call *c) {
    const struct md_shape *s = &c->shape;
    const elem *weight = c->weight, *bias = c->bias;
    int first, last;
    md_share(c->part, s->co, &first, &last);
    for (int co = first; co < last; co++)
        for (int h = c->from; h < c->to; h++)
            for (int w = 0; w < 2 * s->width; w++) {
                const elem *tap = weight + (co * 2 + h % 2) * 2 + w % 2;
                real acc = 0;
                for (int half = 0; half < 2; half++)
                    for (int ci = 0; ci < c->x[half].channels; ci++, tap += s->co * 4)
                        acc = md_fma(md_load(*tap), md_load(row_at(&c->x[half], ci, h / 2)[w / 2]),
                                     acc);
                row_at(&c->y, co, h)[w] = md_store(md_add(md_load(bias[co]), acc));
            }
}

/* dw: acc = 0; for hi, wi ascending: acc = fma(dy, x, acc). */
static void tconv_weight_gradient(const struct md_call *c) {
    const struct md_shape *s = &c->shape;
    int first, last, ci = 0;
    md_share(c->part, s->ci, &first, &last);
    for (int half = 0; half < 2; half++)
        for (int channel = 0; channel < c->x[half].channels; channel++, ci++)
            for (int i = 0; ci >= first && ci < last && i < s->co * 4; i++) {
                size_t at = (size_t)(ci * s->co * 4 + i);
                real acc = begin_chain(c, c->dweight, at, at);
                for (int h = c->from / 2; h < c->to / 2; h++) {
                    const elem *x = row_at(&c->x[half], channel, h);
                    const elem *dy = row_at(&c->y, i / 4, 2 * h + i % 4 / 2) + i % 2;
                    for (int w = 0; w < s->width; w++)
                        acc = md_fma(md_load(dy[2 * w]), md_load(x[w]), acc);
                }
                end_chain(c, c->dweight, at, at, c->y.height, acc);
            }
    sum_planes(c, (size_t)(s->co * s->ci) * 4);
}

/* sum = 0; for kh, kw ascending: acc = 0; for co ascending: acc = fma(w, dy, acc); sum + acc. */
static void tconv_input_gradient(const struct md_call *c) {
    const struct md_shape *s = &c->shape;
    const elem *weight = c->weight;
    int first, last;
    md_share(c->part, c->dx.channels, &first, &last);
    for (int ci = first; ci < last; ci++)
        for (int h = c->from; h < c->to; h++)
            for (int w = 0; w < s->width; w++) {
                real sum = 0;
                for (int k = 0; k < 4; k++) {
                    real acc = 0;
                    for (int co = 0; co < s->co; co++)
                        acc = md_fma(md_load(weight[((c->first + ci) * s->co + co) * 4 + k]),
                                     md_load(row_at(&c->y, co, 2 * h + k / 2)[2 * w + k % 2]), acc);
                    sum = md_add(sum, acc);
                }
                elem *to = &row_at(&c->dx, ci, h)[w];
                *to = md_store(c->accumulate ? md_add(md_load(*to), sum) : sum);
            }
}

/* y = x < 0 ? 0 : x (a NaN stays one). */
static void relu_forward(const struct md_call *c) {
    int first, last;
    md_share(c->part, c->shape.co, &first, &last);
    for (int co = first; co < last; co++)
        for (int h = c->from; h < c->to; h++) {
            const elem *x = row_at(&c->x[0], co, h);
            elem *y = row_at(&c->y, co, h);
            for (int w = 0; w < c->shape.width; w++)
                y[w] = md_load(x[w]) < 0 ? 0 : x[w];
        }
}

static inline int has_bit(const uint8_t *mask, size_t i) {
    return mask[i / 8] >> i % 8 & 1;
}

/* dx = y > 0 ? dy : 0. */
static void relu_backward(const struct md_call *c) {
    int first, last;
    md_share(c->part, c->shape.co, &first, &last);
    for (int co = first; co < last; co++)
        for (int h = c->from; h < c->to; h++) {
            const elem *dy = row_at(&c->y, co, h);
            const uint8_t *mask = c->mask.at;
            size_t bit = md_map_row(&c->mask, co, h);
            elem *dx = row_at(&c->dx, co, h);
            for (int w = 0; w < c->shape.width; w++)
                dx[w] = has_bit(mask, bit + (size_t)w) ? dy[w] : 0;
        }
}

/* acc = 0; for kh, kw ascending: acc + x; y = acc / size^2. */
static void pool_forward(const struct md_call *c) {
    int first, last, size = c->shape.stride;
    real area = md_round((real)(size * size));
    md_share(c->part, c->shape.co, &first, &last);
    for (int co = first; co < last; co++)
        for (int h = c->from; h < c->to; h++)
            for (int w = 0; w < c->y.width; w++) {
                real acc = 0;
                for (int kh = 0; kh < size; kh++)
                    for (int kw = 0; kw < size; kw++)
                        acc = md_add(acc,
                                     md_load(row_at(&c->x[0], co, h * size + kh)[w * size + kw]));
                row_at(&c->y, co, h)[w] = md_store(md_div(acc, area));
            }
}

/* dx = dy / size^2. */
static void pool_backward(const struct md_call *c) {
    int first, last, size = c->shape.stride;
    real area = md_round((real)(size * size));
    md_share(c->part, c->shape.co, &first, &last);
    for (int co = first; co < last; co++)
        for (int h = c->from; h < c->to; h++)
            for (int w = 0; w < c->shape.width; w++)
                row_at(&c->dx, co, h)[w] =
                    md_store(md_div(md_load(row_at(&c->y, co, h / size)[w / size]), area));
}

/* Which of the size x size pixels under (h, w) is the largest, in row-major order: the first of
 * equal ones, the last of NaNs. As PyTorch does it. */
static int largest_place(const struct md_call *c, int channel, int h, int w) {
    int place = 0, size = c->shape.stride;
    real largest = md_load(row_at(&c->x[0], channel, h * size)[w * size]);
    for (int k = 0; k < size * size; k++) {
        real here = md_load(row_at(&c->x[0], channel, h * size + k / size)[w * size + k % size]);
        if (here > largest || here != here) {
            largest = here;
            place = k;
        }
    }
    return place;
}

/* y = the largest x, as it is: nothing is rounded. */
static void max_pool_forward(const struct md_call *c) {
    int first, last, size = c->shape.stride;
    md_share(c->part, c->shape.co, &first, &last);
    for (int co = first; co < last; co++)
        for (int h = c->from; h < c->to; h++)
            for (int w = 0; w < c->y.width; w++) {
                int k = largest_place(c, co, h, w);
                row_at(&c->y, co, h)[w] =
                    row_at(&c->x[0], co, h * size + k / size)[w * size + k % size];
            }
}

/* dx = dy where the largest x is, elsewhere 0. */
static void max_pool_backward(const struct md_call *c) {
    int first, last, size = c->shape.stride;
    md_share(c->part, c->shape.co, &first, &last);
    for (int co = first; co < last; co++)
        for (int h = c->from; h < c->to; h++)
            for (int w = 0; w < c->shape.width; w++) {
                int here = h % size * size + w % size;
                row_at(&c->dx, co, h)[w] = largest_place(c, co, h / size, w / size) == here
                                               ? row_at(&c->y, co, h / size)[w / size]
                                               : 0;
            }
}

static void leaky_forward(size_t n, void *y_) {
    elem *y = y_;
    for (size_t i = 0; i < n; i++) {
        real v = md_load(y[i]);
        y[i] = v > 0 ? y[i] : md_store(md_mul(v, SLOPE));
    }
}

static void mask(size_t n, const void *y_, uint8_t *to) {
    const elem *y = y_;
    for (size_t i = 0; i < n; i++) {
        if (i % 8 == 0)
            to[i / 8] = 0;
        to[i / 8] |= (uint8_t)((md_load(y[i]) > 0) << i % 8);
    }
}

static void leaky_backward(size_t n, const uint8_t *positive, size_t first, void *dy_) {
    elem *dy = dy_;
    for (size_t i = 0; i < n; i++)
        if (!has_bit(positive, first + i))
            dy[i] = md_store(md_mul(md_load(dy[i]), SLOPE));
}

static void add(size_t n, const void *from_, void *to_) {
    const elem *from = from_;
    elem *to = to_;
    real a[BLOCK], b[BLOCK];
    size_t i = 0;
    for (; sizeof(elem) == sizeof(real) && i < n; i++) /* nothing is converted */
        to[i] = md_store(md_add(md_load(to[i]), md_load(from[i])));
    for (size_t count; i < n; i += count) {
        count = n - i < BLOCK ? n - i : BLOCK;
        md_load_all(count, to + i, a);
        md_load_all(count, from + i, b);
        for (size_t k = 0; k < count; k++)
            a[k] = md_add(a[k], b[k]);
        md_store_all(count, a, to + i);
    }
}

static int finite(size_t n, const void *values_) {
    const elem *values = values_;
    int infinite = 0;
    for (size_t i = 0; i < n; i++) {
        real v = md_load(values[i]);
        infinite |= !(v - v == 0);
    }
    return !infinite;
}

/* ---- conversions ----------------------------------------------------------------------------- */

static void from_float(size_t n, const float *from, void *to_) {
    elem *to = to_;
    for (size_t i = 0; i < n; i++)
        to[i] = md_store((real)from[i]);
}

static void to_float(size_t n, const void *from_, float *to) {
    const elem *from = from_;
    for (size_t i = 0; i < n; i++)
        to[i] = (float)md_load(from[i]);
}

static void from_bytes(size_t n, const uint8_t *from, void *to_) {
    elem *to = to_;
    for (size_t i = 0; i < n; i++)
        to[i] = md_store(md_div((real)from[i], 255));
}

#include "losses_tmpl.h"

#include "distill_tmpl.h"
#include "optimizers_tmpl.h"

#define TEXT_(a) #a
#define TEXT(a)  TEXT_(a)

const struct md_ops MD_NAME(MD_PASTE(md_ops_, MD_LEVEL)) = {
    .format = MD_THIS_FORMAT,
    .level = TEXT(MD_LEVEL),
    .kinds = {[MD_CONV3X3] = {conv_forward, conv_input_gradient, conv_weight_gradient, no_scratch,
                              conv_sums_bytes, NULL, 0},
              [MD_TCONV2X2] = {tconv_forward, tconv_input_gradient, tconv_weight_gradient,
                               no_scratch, tconv_sums_bytes, NULL, 0},
              [MD_RELU] = {relu_forward, relu_backward, NULL, no_scratch, NULL, NULL, 0},
              [MD_AVERAGE_POOL] = {pool_forward, pool_backward, NULL, no_scratch, NULL, NULL, 0},
              [MD_MAX_POOL] = {max_pool_forward, max_pool_backward, NULL, no_scratch, NULL, NULL,
                               0}},
    .leaky_forward = leaky_forward,
    .mask = mask,
    .leaky_backward = leaky_backward,
    .add = add,
    .loss_gradient = loss_gradient,
    .distill_begin = distill_begin,
    .distill_gradient = distill_gradient,
    .distill_value = distill_value,
    .finite = finite,
    .square_sum = square_sum,
    .update = {[MD_SGD] = sgd, [MD_ADAM] = adam},
    .from_float = from_float,
    .to_float = to_float,
    .from_bytes = from_bytes};
