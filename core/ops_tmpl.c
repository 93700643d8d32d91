/* The reference operators: one plain loop each, compiled once per number format. They define the
 * arithmetic; every chain of roundings is written above its function. Taps outside the picture are
 * skipped. MD_LEVEL names the instruction set the file is compiled for. */
#include "ops.h"

#include "network.h"
#include "random.h"

#define SLOPE ((real)MD_LEAKY_SLOPE) /* a power of two: exact in every format */

static size_t scratch_bytes(const struct md_shape *s, int transposed) {
    (void)s;
    (void)transposed;
    return 0;
}

/* acc = 0; for ci, kh, kw ascending: acc = fma(w, x, acc); y = acc + bias. */
static void conv_forward(const struct md_shape *s, const void *x_, const void *weight_,
                         const void *bias_, void *y_, void *scratch, struct md_part part) {
    const elem *x = x_, *weight = weight_, *bias = bias_;
    elem *y = y_;
    int first, last, ho = s->height / s->stride, wo = s->width / s->stride;
    (void)scratch;
    md_share(part, s->co, &first, &last);
    for (int co = first; co < last; co++)
        for (int h = 0; h < ho; h++)
            for (int w = 0; w < wo; w++) {
                real acc = 0;
                for (int ci = 0; ci < s->ci; ci++)
                    for (int kh = 0; kh < 3; kh++)
                        for (int kw = 0; kw < 3; kw++) {
                            int hi = h * s->stride + kh - 1, wi = w * s->stride + kw - 1;
                            if (hi >= 0 && hi < s->height && wi >= 0 && wi < s->width)
                                acc =
                                    md_fma(md_load(weight[((co * s->ci + ci) * 3 + kh) * 3 + kw]),
                                           md_load(x[(ci * s->height + hi) * s->width + wi]), acc);
                        }
                y[(co * ho + h) * wo + w] = md_store(md_add(acc, md_load(bias[co])));
            }
}

/* A bias gradient, for channels first .. last-1: acc = 0; for ho, wo ascending: acc + dy. */
static void sum_planes(const elem *dy, int first, int last, int pixels, elem *dbias) {
    for (int co = first; co < last; co++) {
        real acc = 0;
        for (int p = 0; p < pixels; p++)
            acc = md_add(acc, md_load(dy[co * pixels + p]));
        dbias[co] = md_store(acc);
    }
}

/* acc = 0; for ho, wo ascending: acc = fma(dy, x, acc). */
static void conv_weight_gradient(const struct md_shape *s, const void *x_, const void *dy_,
                                 void *dweight_, void *dbias_, void *scratch, struct md_part part) {
    const elem *x = x_, *dy = dy_;
    elem *dweight = dweight_, *dbias = dbias_;
    int first, last, ho = s->height / s->stride, wo = s->width / s->stride;
    (void)scratch;
    md_share(part, s->co, &first, &last);
    for (int co = first; co < last; co++) {
        for (int ci = 0; ci < s->ci; ci++)
            for (int kh = 0; kh < 3; kh++)
                for (int kw = 0; kw < 3; kw++) {
                    real acc = 0;
                    for (int h = 0; h < ho; h++)
                        for (int w = 0; w < wo; w++) {
                            int hi = h * s->stride + kh - 1, wi = w * s->stride + kw - 1;
                            if (hi >= 0 && hi < s->height && wi >= 0 && wi < s->width)
                                acc =
                                    md_fma(md_load(dy[(co * ho + h) * wo + w]),
                                           md_load(x[(ci * s->height + hi) * s->width + wi]), acc);
                        }
                    dweight[((co * s->ci + ci) * 3 + kh) * 3 + kw] = md_store(acc);
                }
    }
    sum_planes(dy, first, last, ho * wo, dbias);
}

/* acc = 0; for co ascending, then the output pixels (ho, wo) that used this input pixel in
 * row-major order (the kernel index runs downwards): acc = fma(w, dy, acc). */
static void conv_input_gradient(const struct md_shape *s, const void *dy_, const void *weight_,
                                int first, int last, int accumulate, void *dx_, void *scratch,
                                struct md_part part) {
    const elem *dy = dy_, *weight = weight_;
    elem *dx = dx_;
    int from, to, ho = s->height / s->stride, wo = s->width / s->stride;
    (void)scratch;
    md_share(part, last - first, &from, &to);
    for (int c = from; c < to; c++)
        for (int hi = 0; hi < s->height; hi++)
            for (int wi = 0; wi < s->width; wi++) {
                real acc = 0;
                for (int co = 0; co < s->co; co++)
                    for (int kh = 2; kh >= 0; kh--)
                        for (int kw = 2; kw >= 0; kw--) {
                            int h = hi + 1 - kh, w = wi + 1 - kw;
                            if (h < 0 || h % s->stride != 0 || h / s->stride >= ho || w < 0 ||
                                w % s->stride != 0 || w / s->stride >= wo)
                                continue;
                            acc = md_fma(
                                md_load(weight[((co * s->ci + first + c) * 3 + kh) * 3 + kw]),
                                md_load(dy[(co * ho + h / s->stride) * wo + w / s->stride]), acc);
                        }
                elem *to_x = &dx[(c * s->height + hi) * s->width + wi];
                *to_x = md_store(accumulate ? md_add(md_load(*to_x), acc) : acc);
            }
}

/* Each output pixel has one tap: acc = 0; for ci ascending: acc = fma(w, x, acc); bias + acc. */
static void tconv_forward(const struct md_shape *s, const void *x_, const void *weight_,
                          const void *bias_, void *y_, void *scratch, struct md_part part) {
    const elem *x = x_, *weight = weight_, *bias = bias_;
    elem *y = y_;
    int first, last, ho = 2 * s->height, wo = 2 * s->width;
    (void)scratch;
    md_share(part, s->co, &first, &last);
    for (int co = first; co < last; co++)
        for (int h = 0; h < ho; h++)
            for (int w = 0; w < wo; w++) {
                real acc = 0;
                for (int ci = 0; ci < s->ci; ci++)
                    acc = md_fma(md_load(weight[((ci * s->co + co) * 2 + h % 2) * 2 + w % 2]),
                                 md_load(x[(ci * s->height + h / 2) * s->width + w / 2]), acc);
                y[(co * ho + h) * wo + w] = md_store(md_add(md_load(bias[co]), acc));
            }
}

/* dw: acc = 0; for hi, wi ascending: acc = fma(dy, x, acc). The weight gradient is shared out over
 * input channels; the bias gradient (acc = 0; over ho, wo: acc + dy) over output channels. */
static void tconv_weight_gradient(const struct md_shape *s, const void *x_, const void *dy_,
                                  void *dweight_, void *dbias_, void *scratch,
                                  struct md_part part) {
    const elem *x = x_, *dy = dy_;
    elem *dweight = dweight_, *dbias = dbias_;
    int first, last, ho = 2 * s->height, wo = 2 * s->width;
    (void)scratch;
    md_share(part, s->ci, &first, &last);
    for (int ci = first; ci < last; ci++)
        for (int co = 0; co < s->co; co++)
            for (int k = 0; k < 4; k++) {
                real acc = 0;
                for (int h = 0; h < s->height; h++)
                    for (int w = 0; w < s->width; w++)
                        acc = md_fma(md_load(dy[(co * ho + 2 * h + k / 2) * wo + 2 * w + k % 2]),
                                     md_load(x[(ci * s->height + h) * s->width + w]), acc);
                dweight[(ci * s->co + co) * 4 + k] = md_store(acc);
            }
    md_share(part, s->co, &first, &last);
    sum_planes(dy, first, last, ho * wo, dbias);
}

/* sum = 0; for kh, kw ascending: acc = 0; for co ascending: acc = fma(w, dy, acc); sum + acc. */
static void tconv_input_gradient(const struct md_shape *s, const void *dy_, const void *weight_,
                                 int first, int last, int accumulate, void *dx_, void *scratch,
                                 struct md_part part) {
    const elem *dy = dy_, *weight = weight_;
    elem *dx = dx_;
    int from, to, ho = 2 * s->height, wo = 2 * s->width;
    (void)scratch;
    md_share(part, last - first, &from, &to);
    for (int c = from; c < to; c++)
        for (int h = 0; h < s->height; h++)
            for (int w = 0; w < s->width; w++) {
                real sum = 0;
                for (int k = 0; k < 4; k++) {
                    real acc = 0;
                    for (int co = 0; co < s->co; co++)
                        acc = md_fma(md_load(weight[((first + c) * s->co + co) * 4 + k]),
                                     md_load(dy[(co * ho + 2 * h + k / 2) * wo + 2 * w + k % 2]),
                                     acc);
                    sum = md_add(sum, acc);
                }
                elem *to_x = &dx[(c * s->height + h) * s->width + w];
                *to_x = md_store(accumulate ? md_add(md_load(*to_x), sum) : sum);
            }
}

static void leaky_forward(size_t n, void *y_) {
    elem *y = y_;
    for (size_t i = 0; i < n; i++) {
        real v = md_load(y[i]);
        y[i] = v > 0 ? y[i] : md_store(md_mul(v, SLOPE));
    }
}

static void leaky_backward(size_t n, const void *y_, void *dy_) {
    const elem *y = y_;
    elem *dy = dy_;
    for (size_t i = 0; i < n; i++)
        dy[i] = md_load(y[i]) > 0 ? dy[i] : md_store(md_mul(md_load(dy[i]), SLOPE));
}

static void relu_forward(size_t n, const void *x_, void *y_) {
    const elem *x = x_;
    elem *y = y_;
    for (size_t i = 0; i < n; i++)
        y[i] = md_load(x[i]) < 0 ? 0 : x[i];
}

static void relu_backward(size_t n, const void *y_, const void *dy_, void *dx_) {
    const elem *y = y_, *dy = dy_;
    elem *dx = dx_;
    for (size_t i = 0; i < n; i++)
        dx[i] = md_load(y[i]) > 0 ? dy[i] : 0;
}

/* acc = 0; for kh, kw ascending: acc + x; y = acc / size^2. */
static void pool_forward(const struct md_shape *s, const void *x_, void *y_, struct md_part part) {
    const elem *x = x_;
    elem *y = y_;
    int first, last, ho = s->height / s->stride, wo = s->width / s->stride;
    real area = md_round((real)(s->stride * s->stride));
    md_share(part, s->co, &first, &last);
    for (int c = first; c < last; c++)
        for (int p = 0; p < ho * wo; p++) {
            const elem *from =
                &x[(c * s->height + p / wo * s->stride) * s->width + p % wo * s->stride];
            real acc = 0;
            for (int kh = 0; kh < s->stride; kh++)
                for (int kw = 0; kw < s->stride; kw++)
                    acc = md_add(acc, md_load(from[kh * s->width + kw]));
            y[c * ho * wo + p] = md_store(md_div(acc, area));
        }
}

/* dx = dy / size^2. */
static void pool_backward(const struct md_shape *s, const void *dy_, void *dx_,
                          struct md_part part) {
    const elem *dy = dy_;
    elem *dx = dx_;
    int first, last, ho = s->height / s->stride, wo = s->width / s->stride;
    real area = md_round((real)(s->stride * s->stride));
    md_share(part, s->co, &first, &last);
    for (int c = first; c < last; c++)
        for (int h = 0; h < s->height; h++)
            for (int w = 0; w < s->width; w++)
                dx[(c * s->height + h) * s->width + w] = md_store(
                    md_div(md_load(dy[(c * ho + h / s->stride) * wo + w / s->stride]), area));
}

/* Where the largest of size x size elements lies, from the first one in rows of `width`. */
static int largest_place(const elem *from, int size, int width) {
    int place = 0;
    for (int kh = 0; kh < size; kh++)
        for (int kw = 0; kw < size; kw++) {
            real here = md_load(from[kh * width + kw]);
            if (here > md_load(from[place]) || here != here)
                place = kh * width + kw;
        }
    return place;
}

static void max_pool_forward(const struct md_shape *s, const void *x_, void *y_,
                             struct md_part part) {
    const elem *x = x_;
    elem *y = y_;
    int first, last, ho = s->height / s->stride, wo = s->width / s->stride;
    md_share(part, s->co, &first, &last);
    for (int c = first; c < last; c++)
        for (int p = 0; p < ho * wo; p++) {
            const elem *from =
                &x[(c * s->height + p / wo * s->stride) * s->width + p % wo * s->stride];
            y[c * ho * wo + p] = from[largest_place(from, s->stride, s->width)];
        }
}

/* dx = dy where the largest x is, elsewhere 0. */
static void max_pool_backward(const struct md_shape *s, const void *x_, const void *dy_, void *dx_,
                              struct md_part part) {
    const elem *x = x_, *dy = dy_;
    elem *dx = dx_;
    int first, last, ho = s->height / s->stride, wo = s->width / s->stride;
    md_share(part, s->co, &first, &last);
    for (int i = first * s->height * s->width; i < last * s->height * s->width; i++)
        dx[i] = 0;
    for (int c = first; c < last; c++)
        for (int p = 0; p < ho * wo; p++) {
            int begin = (c * s->height + p / wo * s->stride) * s->width + p % wo * s->stride;
            dx[begin + largest_place(&x[begin], s->stride, s->width)] = dy[c * ho * wo + p];
        }
}

static void add(size_t n, const void *from_, void *to_) {
    const elem *from = from_;
    elem *to = to_;
    for (size_t i = 0; i < n; i++)
        to[i] = md_store(md_add(md_load(to[i]), md_load(from[i])));
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

/* ---- optimizers ------------------------------------------------------------------------------
 * Parameters are updated in blocks, and what one stage hands on to the next is wide. Only what is
 * kept is rounded to the format, before it is used: 1 - 0.999 and 1e-7 have no place in 8 or 11
 * bits. (But plain SGD without fp32 momentum or loss scale is the device library's, in the format
 * throughout.) */

enum { BLOCK = 64 };

/* For stages whose first argument is a constant at each call: a loop of its own for each value. */
#define INLINE static inline __attribute__((always_inline))

/* Value i of an array of floats or of elements. */
INLINE wide_real load_kept(const int floats, const void *from, size_t i) {
    return floats ? (wide_real)((const float *)from)[i]
                  : (wide_real)md_load(((const elem *)from)[i]);
}

/* Keeps a value there, and returns what it has become. */
INLINE wide_real keep(const int floats, wide_real value, void *to, size_t i) {
    if (floats)
        ((float *)to)[i] = (float)value;
    else
        ((elem *)to)[i] = md_narrow(value);
    return load_kept(floats, to, i);
}

/* g = gradient / 2^loss_scale_log2, exact unless it underflows in binary32;
 * g = fma(weight_decay, w, g) if there is decay, w being the weight or its master. */
static void take_gradients(const struct md_update *u, const struct md_kept *kept, size_t first,
                           size_t count, const elem *gradient, const elem *weight, wide_real *g) {
    wide_real unscale = md_power_of_two(-u->loss_scale_log2), decay = u->weight_decay;
    int master = kept->storing == MD_STORE_MASTER;
    const void *w = master ? kept->beside : (const void *)weight;
    for (size_t k = 0; k < count; k++)
        g[k] = md_load(gradient[first + k]) * unscale;
    for (size_t k = 0; decay > 0 && k < count; k++)
        g[k] = md_wide_fma(decay, load_kept(master, w, first + k), g[k]);
}

/* A random word per parameter: word i mod 4 of the Philox block with the seed as its key and the
 * counter (i / 4, lower and upper half of the step, DRAW_ROUNDING), i being its index in the
 * network. */
enum { DRAW_ROUNDING = 3 };
static void draw_block(const struct md_update *u, size_t index, size_t count, uint32_t *random) {
    const uint32_t key[2] = {(uint32_t)u->seed, (uint32_t)(u->seed >> 32)};
    uint32_t words[MD_PHILOX_WORDS];
    for (size_t k = 0; k < count; k++) {
        size_t word = (index + k) % MD_PHILOX_WORDS;
        const uint32_t counter[MD_PHILOX_WORDS] = {(uint32_t)((index + k) / MD_PHILOX_WORDS),
                                                   (uint32_t)u->step, (uint32_t)(u->step >> 32),
                                                   DRAW_ROUNDING};
        if (k == 0 || word == 0)
            md_philox(key, counter, words);
        random[k] = words[word];
    }
}

/* The new weight, from w, its direction d and the step a:
 * plain:       fma(a, d, w), rounded to nearest;
 * stochastic:  fma(a, d, w), rounded by its random word (rounding.h);
 * master:      fma(a, d, master) is the new master, its rounding to nearest the weight;
 * kahan:       y = fma(a, d, -c);  s = w + y;  c = (s - w) - y;  s is the weight, used as stored.
 *              y and the sums are in the format's arithmetic. Source: Zamirai et al., "Revisiting
 *              BFloat16 Training", 2020, algorithm 1, here with a fused y. */
static void put_weights(const struct md_update *u, const struct md_kept *kept, size_t first,
                        size_t count, wide_real a, const wide_real *d, elem *weight) {
    uint32_t random[BLOCK];
    elem *w = weight + first, *c = kept->beside;
    switch (kept->storing) {
    case MD_STORE_STOCHASTIC:
        draw_block(u, kept->index + first, count, random);
        for (size_t k = 0; k < count; k++)
            w[k] = md_narrow_random(md_wide_fma(a, d[k], md_load(w[k])), random[k]);
        break;
    case MD_STORE_MASTER:
        for (size_t k = 0; k < count; k++) {
            wide_real master = load_kept(1, kept->beside, first + k);
            w[k] = md_narrow(keep(1, md_wide_fma(a, d[k], master), kept->beside, first + k));
        }
        break;
    case MD_STORE_KAHAN:
        for (size_t k = 0; k < count; k++) {
            real y = md_from_wide(md_wide_fma(a, d[k], -(wide_real)md_load(c[first + k])));
            real old = md_load(w[k]);
            w[k] = md_store(md_add(old, y));
            c[first + k] = md_store(md_sub(md_sub(md_load(w[k]), old), y));
        }
        break;
    default:
        for (size_t k = 0; k < count; k++)
            w[k] = md_narrow(md_wide_fma(a, d[k], md_load(w[k])));
        break;
    }
}

/* In the format: g = fma(weight_decay, w, g) if there is decay; v = fma(momentum, v, g) and g = v
 * if there is momentum; w = fma(-learning_rate, g, w). */
static void plain_sgd(size_t n, const struct md_update *u, const elem *gradient, elem *velocity,
                      elem *weight) {
    real step = md_negate(md_round((real)u->learning_rate)), momentum = md_round((real)u->momentum);
    real decay = md_round((real)u->weight_decay);
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t count = n - first < BLOCK ? n - first : BLOCK;
        elem *w = weight + first;
        real g[BLOCK];
        for (size_t k = 0; k < count; k++)
            g[k] = md_load(gradient[first + k]);
        for (size_t k = 0; decay > 0 && k < count; k++)
            g[k] = md_fma(decay, md_load(w[k]), g[k]);
        for (size_t k = 0; momentum > 0 && k < count; k++) {
            elem *v = &velocity[first + k];
            *v = md_store(md_fma(momentum, md_load(*v), g[k]));
            g[k] = md_load(*v);
        }
        for (size_t k = 0; k < count; k++)
            w[k] = md_store(md_fma(step, g[k], md_load(w[k])));
    }
}

/* v = fma(momentum, v, g) and g = v. */
INLINE void add_momentum(const int floats, wide_real momentum, size_t first, size_t count,
                         void *velocity, wide_real *g) {
    for (size_t k = 0; k < count; k++)
        g[k] = keep(floats, md_wide_fma(momentum, load_kept(floats, velocity, first + k), g[k]),
                    velocity, first + k);
}

/* g as take_gradients has it, then add_momentum if there is momentum; the weight as put_weights has
 * it, with step -learning_rate and direction g. */
static void sgd(size_t n, const struct md_update *u, const void *gradient,
                const struct md_kept *kept, void *weight) {
    wide_real g[BLOCK], momentum = u->momentum, step = -(wide_real)u->learning_rate;
    int floats = momentum > 0 && kept->moments == MD_MOMENTS_FP32;
    if (kept->storing == MD_STORE_PLAIN && !floats && u->loss_scale_log2 == 0) {
        plain_sgd(n, u, gradient, kept->first, weight);
        return;
    }
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t count = n - first < BLOCK ? n - first : BLOCK;
        take_gradients(u, kept, first, count, gradient, weight, g);
        if (momentum > 0 && floats)
            add_momentum(1, momentum, first, count, kept->first, g);
        else if (momentum > 0)
            add_momentum(0, momentum, first, count, kept->first, g);
        put_weights(u, kept, first, count, step, g, weight);
    }
}

/* m = fma(beta1, m, (1 - beta1) * g);  v = fma(beta2, v, ((1 - beta2) * g) * g);
 * d = m / (sqrt(v) / sqrt(correction2) + epsilon), in g's place. */
INLINE void adam_directions(const int floats, const struct md_update *u, size_t first, size_t count,
                            const struct md_kept *kept, wide_real *g) {
    wide_real beta1 = u->beta1, beta2 = u->beta2, epsilon = u->epsilon;
    wide_real rest1 = (wide_real)1 - beta1, rest2 = (wide_real)1 - beta2;
    wide_real root2 = md_wide_sqrt((wide_real)u->correction2);
    void *first_moment = kept->first, *second_moment = kept->second;
    for (size_t k = 0; k < count; k++) {
        wide_real m = load_kept(floats, first_moment, first + k);
        wide_real v = load_kept(floats, second_moment, first + k);
        m = keep(floats, md_wide_fma(beta1, m, rest1 * g[k]), first_moment, first + k);
        v = keep(floats, md_wide_fma(beta2, v, rest2 * g[k] * g[k]), second_moment, first + k);
        g[k] = m / (md_wide_sqrt(v) / root2 + epsilon);
    }
}

/* g as take_gradients has it, d as adam_directions; the weight as put_weights has it, with step
 * -(learning_rate / correction1).
 * Source: Kingma and Ba, ICLR 2015, in the form PyTorch computes it. */
static void adam(size_t n, const struct md_update *u, const void *gradient,
                 const struct md_kept *kept, void *weight) {
    wide_real g[BLOCK], step = -((wide_real)u->learning_rate / (wide_real)u->correction1);
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t count = n - first < BLOCK ? n - first : BLOCK;
        take_gradients(u, kept, first, count, gradient, weight, g);
        if (kept->moments == MD_MOMENTS_FP32)
            adam_directions(1, u, first, count, kept, g);
        else
            adam_directions(0, u, first, count, kept, g);
        put_weights(u, kept, first, count, step, g, weight);
    }
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

/* ---- losses ---------------------------------------------------------------------------------
 * For one pixel with output o, label y (disparity): the term of the loss, and in *gradient its
 * derivative by o before the division by the number of valid pixels. */

struct constants {
    real t;     /* the largest label of the batch */
    real c;     /* berhu: 0.2 * the largest difference of the batch, valid or not */
    real fb;    /* of the sample */
    real floor; /* depth_l1: disparity below which depth(o) is continued by its tangent */
};

static real sign_of(real a) {
    return a > 0 ? (real)1 : a < 0 ? (real)-1 : (real)0;
}

static real magnitude(real a) {
    return a < 0 ? md_negate(a) : a;
}

/* d = |o/t - y/t|; d < c: d, gradient sign / t; else (d*d - c*c) / (c + c), gradient
 * sign * (d / c) / t. The minus is the release's: the published formula jumps at c. */
static real berhu(real o, real y, const struct constants *k, real *gradient) {
    real difference = md_sub(md_div(o, k->t), md_div(y, k->t)), d = magnitude(difference);
    *gradient = md_div(sign_of(difference), k->t);
    if (d < k->c || k->c == 0)
        return d;
    *gradient = md_div(sign_of(difference) * md_div(d, k->c), k->t);
    return md_div(md_sub(md_mul(d, d), md_mul(k->c, k->c)), md_add(k->c, k->c));
}

/* |o - y| */
static real l1(real o, real y, const struct constants *k, real *gradient) {
    real difference = md_sub(o, y);
    (void)k;
    *gradient = sign_of(difference);
    return magnitude(difference);
}

/* (o - y)^2 */
static real mse(real o, real y, const struct constants *k, real *gradient) {
    real difference = md_sub(o, y);
    (void)k;
    *gradient = md_add(difference, difference);
    return md_mul(difference, difference);
}

/* |o - y| / y */
static real rel_l1(real o, real y, const struct constants *k, real *gradient) {
    real difference = md_sub(o, y);
    (void)k;
    *gradient = md_div(sign_of(difference), y);
    return md_div(magnitude(difference), y);
}

/* |depth(o) - fb/y| with depth(o) = fb/o above the floor f, and below it the tangent there,
 * fb/f + (fb/f)/f * (f - o): a plain floor would stop the gradient just where the network is most
 * wrong, and this has the same slope on both sides. */
static real depth_l1(real o, real y, const struct constants *k, real *gradient) {
    real held = o > k->floor ? o : k->floor;
    real depth = md_div(k->fb, held), slope = md_div(depth, held);
    depth = md_fma(slope, md_sub(held, o), depth);
    real difference = md_sub(depth, md_div(k->fb, y));
    *gradient = md_negate(sign_of(difference) * slope);
    return magnitude(difference);
}

typedef real term_fn(real o, real y, const struct constants *k, real *gradient);
static term_fn *const terms[MD_LOSS_COUNT] = {berhu, l1, mse, rel_l1, depth_l1};

/* sum + value, with what the rounding lost kept in *lost (Knuth's two-sum). */
static wide_real compensated_add(wide_real sum, wide_real value, wide_real *lost) {
    wide_real total = sum + value, from_value = total - sum;
    *lost = *lost + ((sum - (total - from_value)) + (value - from_value));
    return total;
}

/* gradient = term's gradient * scale / N, N the number of valid pixels: rounded once, so that a
 * scale keeps from underflow what the division would lose. The reported value feeds nothing back;
 * its sum is compensated and never rounded to 16 bits. */
static void loss_gradient(enum md_loss loss, int samples, int pixels, const void *output_,
                          size_t output_stride, const void *label_, const float *fb,
                          float depth_cap_m, float scale, void *gradient_,
                          struct md_loss_report *report) {
    const elem *output = output_, *label = label_;
    elem *gradient = gradient_;
    int n = samples * pixels, valid = 0;
    struct constants k = {(real)-1, 0, 0, 0};
    for (int i = 0; i < n; i++) {
        real y = md_load(label[i]);
        valid += y != (real)-1;
        k.t = y > k.t ? y : k.t;
    }
    for (int i = 0; loss == MD_BERHU && valid > 0 && i < n; i++) {
        real o = md_load(output[(size_t)(i / pixels) * output_stride + (size_t)(i % pixels)]);
        real d = magnitude(md_sub(md_div(o, k.t), md_div(md_load(label[i]), k.t)));
        real share = md_mul(md_round((real)0.2), d);
        k.c = share > k.c ? share : k.c;
    }
    wide_real sum = 0, lost = 0;
    real count = md_round((real)valid);
    for (int i = 0; i < n; i++) {
        int s = i / pixels;
        real slope, y = md_load(label[i]);
        gradient[i] = 0;
        if (y == (real)-1)
            continue;
        k.fb = md_round((real)fb[s]);
        k.floor = md_div(k.fb, md_round((real)depth_cap_m));
        real o = md_load(output[(size_t)s * output_stride + (size_t)(i % pixels)]);
        sum = compensated_add(sum, terms[loss](o, y, &k, &slope), &lost);
        gradient[i] = md_store(md_div_scaled(slope, (wide_real)scale, count));
    }
    /* Once the sum is infinite, what it lost is NaN. */
    sum = lost == lost ? sum + lost : sum;
    report->value = valid > 0 ? (float)(sum / (wide_real)valid) : 0.0f;
    report->c = (float)k.c;
    report->valid = valid;
}

#define TEXT_(a) #a
#define TEXT(a)  TEXT_(a)

const struct md_ops MD_NAME(MD_PASTE(md_ops_, MD_LEVEL)) = {MD_THIS_FORMAT,
                                                            TEXT(MD_LEVEL),
                                                            scratch_bytes,
                                                            conv_forward,
                                                            tconv_forward,
                                                            conv_weight_gradient,
                                                            tconv_weight_gradient,
                                                            conv_input_gradient,
                                                            tconv_input_gradient,
                                                            leaky_forward,
                                                            leaky_backward,
                                                            relu_forward,
                                                            relu_backward,
                                                            pool_forward,
                                                            pool_backward,
                                                            max_pool_forward,
                                                            max_pool_backward,
                                                            add,
                                                            loss_gradient,
                                                            finite,
                                                            sgd,
                                                            adam,
                                                            from_float,
                                                            to_float,
                                                            from_bytes};
