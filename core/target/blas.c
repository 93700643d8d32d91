/* Convolutions as matrix products (im2col) by OpenBLAS, for fp32. A product's columns are pixels of
 * the rows that are asked for. Scratch holds the column matrix, whose rows are taps (channels * 9,
 * or of a transposed convolution * 4), and behind it the other matrix, whose rows are channels. */
#include <cblas.h>

#include "host.h"

static size_t conv_scratch_bytes(const struct md_shape *s, int rows) {
    size_t pixels = (size_t)(rows + 2) * (size_t)(s->width / s->stride);
    return (size_t)(s->ci * 9 + s->co) * pixels * sizeof(float);
}
static size_t tconv_scratch_bytes(const struct md_shape *s, int rows) {
    size_t pixels = (size_t)(rows / 2 + 1) * (size_t)s->width;
    return (size_t)(s->co * 4 + s->ci) * pixels * sizeof(float);
}
static size_t no_sums(const struct md_shape *s, int cores) {
    (void)s;
    (void)cores;
    return 0; /* what is added up between calls lies in the gradient itself */
}

/* C (m, n) = op(A) op(B) + beta C, row-major. */
static void multiply(int transpose_a, int transpose_b, int m, int n, int k, const float *a, int lda,
                     const float *b, int ldb, float beta, float *c, int ldc) {
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                transpose_b ? CblasTrans : CblasNoTrans, m, n, k, 1.0f, a, lda, b, ldb, beta, c,
                ldc);
}

static float *row_at(const struct md_map *map, int channel, int h) {
    return (float *)map->at + md_map_row(map, channel, h);
}

/* Channel `channel` of both halves of an input. */
static float *input_row(const struct md_call *c, int channel, int h) {
    int half = channel >= c->x[0].channels;
    return row_at(&c->x[half], half ? channel - c->x[0].channels : channel, h);
}

/* Channels first .. last-1 of rows from .. to-1, dense. */
static void gather(const struct md_map *map, int first, int last, int from, int to, float *out) {
    for (int c = first; c < last; c++)
        for (int h = from; h < to; h++)
            for (int w = 0; w < map->width; w++)
                *out++ = row_at(map, c, h)[w];
}

/* Of output channel `channel`, its bias not added yet. */
static float output_of(const struct md_call *c, int channel, float sum) {
    sum += ((const float *)c->bias)[channel];
    return c->leaky && !(sum > 0.0f) ? sum * MD_LEAKY_SLOPE : sum;
}

/* Output channels first .. last-1. */
static void scatter(const struct md_call *c, int first, int last, const float *in) {
    for (int channel = first; channel < last; channel++)
        for (int h = c->from; h < c->to; h++)
            for (int w = 0; w < c->y.width; w++)
                row_at(&c->y, channel, h)[w] = output_of(c, channel, *in++);
}

/* The taps of input channels first .. last-1 for rows from .. to-1 of the output; zeros outside the
 * picture. */
static int input_columns(const struct md_call *c, int first, int last, float *columns) {
    const struct md_shape *s = &c->shape;
    int wo = s->width / s->stride;
    for (int tap = first * 9; tap < last * 9; tap++)
        for (int h = c->from; h < c->to; h++)
            for (int w = 0; w < wo; w++) {
                int hi = h * s->stride + tap % 9 / 3 - 1, wi = w * s->stride + tap % 3 - 1;
                int inside = hi >= 0 && hi < s->height && wi >= 0 && wi < s->width;
                *columns++ = inside ? input_row(c, tap / 9, hi)[wi] : 0.0f;
            }
    return (c->to - c->from) * wo;
}

static void conv_forward(const struct md_call *c) {
    const struct md_shape *s = &c->shape;
    int first, last, k = s->ci * 9, pixels = input_columns(c, 0, s->ci, c->scratch);
    float *out = (float *)c->scratch + k * pixels;
    md_share(c->part, s->co, &first, &last);
    multiply(0, 0, last - first, pixels, k, (const float *)c->weight + first * k, k, c->scratch,
             pixels, 0.0f, out, pixels);
    scatter(c, first, last, out);
}

static void sum_planes(const struct md_call *c) {
    int first, last;
    md_share(c->part, c->shape.co, &first, &last);
    for (int co = first; co < last; co++) {
        float sum = c->from == 0 ? 0.0f : ((float *)c->dbias)[co];
        for (int h = c->from; h < c->to; h++)
            for (int w = 0; w < c->y.width; w++)
                sum += row_at(&c->y, co, h)[w];
        ((float *)c->dbias)[co] = sum;
    }
}

static void conv_weight_gradient(const struct md_call *c) {
    const struct md_shape *s = &c->shape;
    int first, last;
    md_share(c->part, s->ci, &first, &last);
    int k = (last - first) * 9, pixels = input_columns(c, first, last, c->scratch);
    float *dy = (float *)c->scratch + k * pixels;
    gather(&c->y, 0, s->co, c->from, c->to, dy);
    if (k > 0)
        multiply(0, 1, s->co, k, pixels, dy, pixels, c->scratch, pixels, c->from == 0 ? 0.0f : 1.0f,
                 (float *)c->dweight + first * 9, s->ci * 9);
    sum_planes(c);
}

/* Where there is a mask, the activation's derivative of the finished rows of some channels. */
static void derive(const struct md_call *c, int first, int last) {
    const uint8_t *positive = c->mask.at;
    float *dx = c->dx.at;
    for (int ci = first; ci < last && positive != NULL; ci++)
        for (int h = c->from; h < c->to; h++)
            for (int w = 0; w < c->dx.width; w++) {
                size_t at = md_map_row(&c->dx, ci, h) + (size_t)w;
                if ((positive[at / 8] >> at % 8 & 1) == 0)
                    dx[at] *= (float)MD_LEAKY_SLOPE;
            }
}

static void conv_input_gradient(const struct md_call *c) {
    const struct md_shape *s = &c->shape;
    int ho = s->height / s->stride, wo = s->width / s->stride, first, last;
    int from = c->from > 0 ? (c->from - 1) / s->stride : 0;
    int to = c->to / s->stride + 1 < ho ? c->to / s->stride + 1 : ho, pixels = (to - from) * wo;
    md_share(c->part, c->dx.channels, &first, &last);
    float *column = c->scratch, *dy = column + (last - first) * 9 * pixels;
    gather(&c->y, 0, s->co, from, to, dy);
    multiply(1, 0, (last - first) * 9, pixels, s->co,
             (const float *)c->weight + (c->first + first) * 9, s->ci * 9, dy, pixels, 0.0f, column,
             pixels);
    for (int ci = first; ci < last; ci++) {
        for (int h = c->from; h < c->to && !c->accumulate; h++)
            for (int w = 0; w < s->width; w++)
                row_at(&c->dx, ci, h)[w] = 0.0f;
        for (int tap = 0; tap < 9; tap++)
            for (int h = from; h < to; h++)
                for (int w = 0; w < wo; w++, column++) {
                    int hi = h * s->stride + tap / 3 - 1, wi = w * s->stride + tap % 3 - 1;
                    if (hi >= c->from && hi < c->to && wi >= 0 && wi < s->width)
                        row_at(&c->dx, ci, hi)[wi] += *column;
                }
    }
    derive(c, first, last);
}

/* The four phases of a transposed convolution's output, rows from .. to-1 of its input. */
static void phases(const struct md_map *y, int from, int to, int width, float *columns) {
    for (int tap = 0; tap < y->channels * 4; tap++)
        for (int h = from; h < to; h++)
            for (int w = 0; w < width; w++)
                *columns++ = row_at(y, tap / 4, 2 * h + tap % 4 / 2)[2 * w + tap % 2];
}

static void tconv_forward(const struct md_call *c) {
    const struct md_shape *s = &c->shape;
    int first, last, from = c->from / 2, to = (c->to + 1) / 2, pixels = (to - from) * s->width;
    md_share(c->part, s->co, &first, &last);
    float *column = c->scratch, *x = column + (last - first) * 4 * pixels;
    gather(&c->x[0], 0, s->ci, from, to, x);
    multiply(1, 0, (last - first) * 4, pixels, s->ci, (const float *)c->weight + first * 4,
             s->co * 4, x, pixels, 0.0f, column, pixels);
    for (int tap = first * 4; tap < last * 4; tap++)
        for (int h = from; h < to; h++)
            for (int w = 0; w < s->width; w++, column++) {
                int ho = 2 * h + tap % 4 / 2;
                if (ho >= c->from && ho < c->to)
                    row_at(&c->y, tap / 4, ho)[2 * w + tap % 2] = output_of(c, tap / 4, *column);
            }
}

static void tconv_weight_gradient(const struct md_call *c) {
    const struct md_shape *s = &c->shape;
    int first, last, from = c->from / 2, to = c->to / 2, pixels = (to - from) * s->width;
    float *x = (float *)c->scratch + s->co * 4 * pixels;
    md_share(c->part, s->ci, &first, &last);
    phases(&c->y, from, to, s->width, c->scratch);
    gather(&c->x[0], first, last, from, to, x);
    multiply(0, 1, last - first, s->co * 4, pixels, x, pixels, c->scratch, pixels,
             c->from == 0 ? 0.0f : 1.0f, (float *)c->dweight + first * s->co * 4, s->co * 4);
    sum_planes(c);
}

static void tconv_input_gradient(const struct md_call *c) {
    const struct md_shape *s = &c->shape;
    int first, last, pixels = (c->to - c->from) * s->width;
    float *dx = (float *)c->scratch + s->co * 4 * pixels, *at = dx;
    md_share(c->part, c->dx.channels, &first, &last);
    phases(&c->y, c->from, c->to, s->width, c->scratch);
    multiply(0, 0, last - first, pixels, s->co * 4,
             (const float *)c->weight + (c->first + first) * s->co * 4, s->co * 4, c->scratch,
             pixels, 0.0f, dx, pixels);
    for (int ci = first; ci < last; ci++)
        for (int h = c->from; h < c->to; h++)
            for (int w = 0; w < s->width; w++, at++)
                row_at(&c->dx, ci, h)[w] = *at + (c->accumulate ? row_at(&c->dx, ci, h)[w] : 0.0f);
    derive(c, first, last);
}

const struct md_ops md_blas_fp32 = {
    .format = MD_FP32,
    .kinds = {[MD_CONV3X3] = {conv_forward, conv_input_gradient, conv_weight_gradient,
                              conv_scratch_bytes, no_sums, NULL, 1},
              [MD_TCONV2X2] = {tconv_forward, tconv_input_gradient, tconv_weight_gradient,
                               tconv_scratch_bytes, no_sums, NULL, 1}},
};

int md_blas_start(void) {
    openblas_set_num_threads(1); /* a team's cores are the parallelism */
    return 1;
}
