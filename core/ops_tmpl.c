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

/* y = the largest x, as it is: nothing is rounded. */
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
#include "optimizers_tmpl.h"

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
