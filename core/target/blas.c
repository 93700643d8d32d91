/* Convolutions as matrix products (im2col) by OpenBLAS, for fp32. Every product is (channels) x
 * (ci * 9 or co * 4) x (pixels). Scratch holds the column matrix, rows being the taps. */
#include <cblas.h>

#include "host.h"

static size_t scratch_bytes(const struct md_shape *s, int transposed) {
    size_t pixels = (size_t)s->height * (size_t)s->width;
    size_t rows = transposed ? (size_t)s->co * 4 : (size_t)s->ci * 9;
    return rows * (transposed ? pixels : pixels / (size_t)(s->stride * s->stride)) * sizeof(float);
}

/* C (m, n) = op(A) op(B), row-major. */
static void multiply(int transpose_a, int transpose_b, int m, int n, int k, const float *a, int lda,
                     const float *b, int ldb, float *c) {
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                transpose_b ? CblasTrans : CblasNoTrans, m, n, k, 1.0f, a, lda, b, ldb, 0.0f, c, n);
}

/* Moves between the picture x and the column matrix (ci * 9, ho * wo) for channels first .. last-1:
 * to columns (zeros outside the picture), or, with `back`, adds the columns up into x. */
static void move_columns(const struct md_shape *s, int first, int last, float *x, float *columns,
                         int back) {
    int ho = s->height / s->stride, wo = s->width / s->stride;
    for (int row = first * 9; row < last * 9; row++)
        for (int h = 0; h < ho; h++)
            for (int w = 0; w < wo; w++, columns++) {
                int hi = h * s->stride + row % 9 / 3 - 1, wi = w * s->stride + row % 3 - 1;
                int inside = hi >= 0 && hi < s->height && wi >= 0 && wi < s->width;
                float *at =
                    &x[(row / 9 * s->height + (inside ? hi : 0)) * s->width + (inside ? wi : 0)];
                if (!back)
                    *columns = inside ? *at : 0.0f;
                else if (inside)
                    *at += *columns;
            }
}

/* The same for a transposed convolution's output y (co, 2h, 2w) and the matrix (co * 4, h * w). */
static void move_phases(const struct md_shape *s, int first, int last, const float *bias, float *y,
                        float *columns, int back) {
    for (int row = first * 4; row < last * 4; row++)
        for (int h = 0; h < s->height; h++)
            for (int w = 0; w < s->width; w++, columns++) {
                float *at = &y[(row / 4 * 2 * s->height + 2 * h + row % 4 / 2) * 2 * s->width +
                               2 * w + row % 2];
                if (back)
                    *at = *columns + bias[row / 4];
                else
                    *columns = *at;
            }
}

static void sum_planes(const float *dy, int first, int last, int pixels, float *dbias) {
    for (int c = first; c < last; c++) {
        float sum = 0.0f;
        for (int p = 0; p < pixels; p++)
            sum += dy[c * pixels + p];
        dbias[c] = sum;
    }
}

static void conv_forward(const struct md_shape *s, const void *x, const void *weight,
                         const void *bias, void *y, void *scratch, struct md_part part) {
    int first, last, pixels = s->height * s->width / (s->stride * s->stride), k = s->ci * 9;
    float *out = y;
    md_share(part, s->co, &first, &last);
    move_columns(s, 0, s->ci, (float *)x, scratch, 0);
    multiply(0, 0, last - first, pixels, k, (const float *)weight + first * k, k, scratch, pixels,
             out + first * pixels);
    for (int c = first; c < last; c++)
        for (int p = 0; p < pixels; p++)
            out[c * pixels + p] += ((const float *)bias)[c];
}

static void conv_weight_gradient(const struct md_shape *s, const void *x, const void *dy,
                                 void *dweight, void *dbias, void *scratch, struct md_part part) {
    int first, last, pixels = s->height * s->width / (s->stride * s->stride), k = s->ci * 9;
    md_share(part, s->co, &first, &last);
    move_columns(s, 0, s->ci, (float *)x, scratch, 0);
    multiply(0, 1, last - first, k, pixels, (const float *)dy + first * pixels, pixels, scratch,
             pixels, (float *)dweight + first * k);
    sum_planes(dy, first, last, pixels, dbias);
}

static void conv_input_gradient(const struct md_shape *s, const void *dy, const void *weight,
                                int first, int last, int accumulate, void *dx, void *scratch,
                                struct md_part part) {
    int from, to, pixels = s->height * s->width / (s->stride * s->stride);
    size_t plane = (size_t)s->height * (size_t)s->width;
    md_share(part, last - first, &from, &to);
    float *out = (float *)dx + (size_t)from * plane;
    multiply(1, 0, (to - from) * 9, pixels, s->co, (const float *)weight + (first + from) * 9,
             s->ci * 9, dy, pixels, scratch);
    for (size_t i = 0; !accumulate && i < (size_t)(to - from) * plane; i++)
        out[i] = 0.0f;
    move_columns(s, 0, to - from, out, scratch, 1);
}

static void tconv_forward(const struct md_shape *s, const void *x, const void *weight,
                          const void *bias, void *y, void *scratch, struct md_part part) {
    int first, last, pixels = s->height * s->width;
    md_share(part, s->co, &first, &last);
    multiply(1, 0, (last - first) * 4, pixels, s->ci, (const float *)weight + first * 4, s->co * 4,
             x, pixels, scratch);
    move_phases(s, first, last, bias, y, scratch, 1);
}

static void tconv_weight_gradient(const struct md_shape *s, const void *x, const void *dy,
                                  void *dweight, void *dbias, void *scratch, struct md_part part) {
    int first, last, pixels = s->height * s->width;
    md_share(part, s->ci, &first, &last);
    move_phases(s, 0, s->co, NULL, (float *)dy, scratch, 0);
    multiply(0, 1, last - first, s->co * 4, pixels, (const float *)x + first * pixels, pixels,
             scratch, pixels, (float *)dweight + first * s->co * 4);
    md_share(part, s->co, &first, &last);
    sum_planes(dy, first, last, 4 * pixels, dbias);
}

static void tconv_input_gradient(const struct md_shape *s, const void *dy, const void *weight,
                                 int first, int last, int accumulate, void *dx, void *scratch,
                                 struct md_part part) {
    int from, to, pixels = s->height * s->width;
    md_share(part, last - first, &from, &to);
    move_phases(s, 0, s->co, NULL, (float *)dy, scratch, 0);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, to - from, pixels, s->co * 4, 1.0f,
                (const float *)weight + (first + from) * s->co * 4, s->co * 4, scratch, pixels,
                accumulate ? 1.0f : 0.0f, (float *)dx + from * pixels, pixels);
}

const struct md_ops md_blas_fp32 = {
    .format = MD_FP32,
    .scratch_bytes = scratch_bytes,
    .conv_forward = conv_forward,
    .conv_weight_gradient = conv_weight_gradient,
    .conv_input_gradient = conv_input_gradient,
    .tconv_forward = tconv_forward,
    .tconv_weight_gradient = tconv_weight_gradient,
    .tconv_input_gradient = tconv_input_gradient,
};

int md_blas_start(void) {
    openblas_set_num_threads(1); /* a team's cores are the parallelism */
    return 1;
}
