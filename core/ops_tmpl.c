/* The reference operators: one plain loop each, compiled once per number format. They define the
 * arithmetic; every chain of roundings is written above its function. Taps outside the picture are
 * skipped. MD_LEVEL names the instruction set the file is compiled for. */
#include "ops.h"

#include "network.h"

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

static void add(size_t n, const void *from_, void *to_) {
    const elem *from = from_;
    elem *to = to_;
    for (size_t i = 0; i < n; i++)
        to[i] = md_store(md_add(md_load(to[i]), md_load(from[i])));
}

/* g = fma(weight_decay, w, g) if there is decay; v = fma(momentum, v, g) and g = v if there is
 * momentum; w = fma(-learning_rate, g, w). */
static void sgd(size_t n, const struct md_update *u, const void *gradient_, void *state_,
                void *weight_) {
    const elem *gradient = gradient_;
    elem *velocity = state_, *weight = weight_;
    real step = md_round(-(real)u->learning_rate), momentum = md_round((real)u->momentum);
    real decay = md_round((real)u->weight_decay);
    for (size_t i = 0; i < n; i++) {
        real g = md_load(gradient[i]), w = md_load(weight[i]);
        if (decay > 0)
            g = md_fma(decay, w, g);
        if (momentum > 0) {
            velocity[i] = md_store(md_fma(momentum, md_load(velocity[i]), g));
            g = md_load(velocity[i]);
        }
        weight[i] = md_store(md_fma(step, g, w));
    }
}

/* g = fma(weight_decay, w, g) if there is decay;
 * m = fma(beta1, m, (1 - beta1) * g);  v = fma(beta2, v, ((1 - beta2) * g) * g);
 * w = fma(-(learning_rate / correction1), m / (sqrt(v) / sqrt(correction2) + epsilon), w).
 * Of the 16-bit formats only what is stored is rounded to them, the moments before they are used:
 * in between stands binary32, since 1 - 0.999 and 1e-7 have no place in 8 or 11 bits.
 * Source: Kingma and Ba, ICLR 2015, in the form PyTorch computes it. */
static void adam(size_t n, const struct md_update *u, const void *gradient_, void *state_,
                 size_t state_stride, void *weight_) {
    const elem *gradient = gradient_;
    elem *m = state_, *v = m + state_stride, *weight = weight_;
    real beta1 = (real)u->beta1, beta2 = (real)u->beta2, epsilon = (real)u->epsilon;
    real rest1 = (real)1 - beta1, rest2 = (real)1 - beta2, decay = (real)u->weight_decay;
    real step = -((real)u->learning_rate / (real)u->correction1);
    real root2 = md_wide_sqrt((real)u->correction2);
    for (size_t i = 0; i < n; i++) {
        real g = md_load(gradient[i]), w = md_load(weight[i]);
        if (decay > 0)
            g = md_wide_fma(decay, w, g);
        m[i] = md_store(md_wide_fma(beta1, md_load(m[i]), rest1 * g));
        v[i] = md_store(md_wide_fma(beta2, md_load(v[i]), rest2 * g * g));
        real scale = md_wide_sqrt(md_load(v[i])) / root2 + epsilon;
        weight[i] = md_store(md_wide_fma(step, md_load(m[i]) / scale, w));
    }
}

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
    return a < 0 ? -a : a;
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
    *gradient = -sign_of(difference) * slope;
    return magnitude(difference);
}

typedef real term_fn(real o, real y, const struct constants *k, real *gradient);
static term_fn *const terms[MD_LOSS_COUNT] = {berhu, l1, mse, rel_l1, depth_l1};

/* sum + value, with what the rounding lost kept in *lost (Knuth's two-sum). */
static real compensated_add(real sum, real value, real *lost) {
    real total = sum + value, from_value = total - sum;
    *lost = *lost + ((sum - (total - from_value)) + (value - from_value));
    return total;
}

/* gradient = term's gradient / N, N the number of valid pixels. The reported value feeds nothing
 * back; its sum is compensated and never rounded to 16 bits. */
static void loss_gradient(enum md_loss loss, int samples, int pixels, const void *output_,
                          size_t output_stride, const void *label_, const float *fb,
                          float depth_cap_m, void *gradient_, struct md_loss_report *report) {
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
    real sum = 0, lost = 0, count = md_round((real)valid);
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
        gradient[i] = md_store(md_div(slope, count));
    }
    /* Once the sum is infinite, what it lost is NaN. */
    sum = lost == lost ? sum + lost : sum;
    report->value = valid > 0 ? (float)(sum / (real)valid) : 0.0f;
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
                                                            add,
                                                            loss_gradient,
                                                            sgd,
                                                            adam,
                                                            from_float,
                                                            to_float,
                                                            from_bytes};
