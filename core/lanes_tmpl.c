/* Faster twins of the convolutions, to the same bits: many output elements are computed side by
 * side in the lanes of a vector, and each still goes through the chain of ops_tmpl.c. Compiled once
 * per format and instruction set (MD_FORMAT, MD_LEVEL).
 *
 * There are two kernels (lanes_tap_sum.h, lanes_tap_product.h), and every operator is one of them:
 *
 * tap_sum      acc = 0; over channels, over taps: acc = fma(weight, source[p + tap], acc)
 *              Lanes are neighbouring pixels p of a grid, counted row after row. It is the forward
 *              pass and the input gradient. Where a stride is 2, the picture is first split into
 *              its four phases (even and odd rows and columns), on which a tap is a plain shift.
 * tap_product  acc = 0; over pixels p: acc = fma(lanes[p][channel], scalar[p + tap], acc)
 *              Lanes are channels, so one operand is transposed first. It is the weight gradient.
 *
 * A tap outside the picture is skipped by switching its lanes off, not by multiplying with zero:
 * that would change the bits where a weight is infinite, or the sum is a negative zero. */
#include "lanes_tap_product.h"
#include "lanes_tap_sum.h"
#include "network.h"
#include "ops.h"

/* What scratch holds, one behind the other: the lanes' bits; one rearranged operand (phases or
 * lanes); and, in a 16-bit format, an operand and the weights as real numbers. */
struct room {
    uint16_t *bits;
    real *arranged, *operand, *weight;
    size_t bytes; /* of all of it */
};

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

static struct room room_in(const struct md_shape *s, int transposed, void *scratch) {
    size_t pixels = (size_t)s->height * (size_t)s->width;
    size_t output = transposed ? 4 * pixels : pixels / (size_t)(s->stride * s->stride);
    size_t ci = (size_t)s->ci, co = (size_t)s->co;
    size_t phases = transposed ? co * output : s->stride == 2 ? ci * pixels : 0;
    /* The transposed convolution's bias gradient wants its output's error in lanes as well. */
    size_t lanes = larger(round_up(co, LANES) * output, round_up(ci, LANES) * pixels);
    size_t bits = round_up(MAX_TAPS * round_up(pixels, TILE) / LANES * sizeof(uint16_t), 64);
    size_t arranged = larger(phases, lanes);
    size_t operand = WIDENS ? round_up(larger(ci * pixels, co * output), LANES) : 0;
    size_t weight = WIDENS ? round_up(ci * co * (transposed ? 4 : 9), LANES) : 0;
    struct room room = {scratch, NULL, NULL, NULL, 0};
    room.bytes = bits + (arranged + operand + weight) * sizeof(real);
    if (scratch != NULL) {
        room.arranged = (real *)((unsigned char *)scratch + bits);
        room.operand = room.arranged + arranged;
        room.weight = room.operand + operand;
    }
    return room;
}

static size_t scratch_bytes(const struct md_shape *s, int transposed) {
    return room_in(s, transposed, NULL).bytes;
}

/* The four phases of `channels` planes: to[(row parity * 2 + column parity)][channel][h][w]. */
static void split_phases(const real *from, int channels, int height, int width, real *to) {
    for (int phase = 0; phase < 4; phase++)
        for (int c = 0; c < channels; c++)
            for (int h = phase / 2; h < height; h += 2) {
                const real *row = from + ((size_t)c * (size_t)height + (size_t)h) * (size_t)width;
                for (int w = phase % 2; w < width; w += 2)
                    *to++ = row[w];
            }
}

static void conv_forward(const struct md_shape *s, const void *x, const void *weight,
                         const void *bias, void *y, void *scratch, struct md_part part) {
    int first, last, ho = s->height / s->stride, wo = s->width / s->stride;
    size_t plane = (size_t)ho * (size_t)wo;
    struct room room = room_in(s, 0, scratch);
    struct tap_sum t = {ho, wo, s->ci, plane, 9, (size_t)s->ci * 9, 9, {{0}}};
    md_share(part, s->co, &first, &last);
    for (int kh = 0; kh < 3; kh++)
        for (int kw = 0; kw < 3; kw++) {
            /* With stride 2, output row h reads rows 2h-1 (odd phase, row h-1), 2h (even, h) and
             * 2h+1 (odd, h); columns alike. */
            int dh = s->stride == 1 ? kh - 1 : kh == 0 ? -1 : 0;
            int dw = s->stride == 1 ? kw - 1 : kw == 0 ? -1 : 0;
            int phase = s->stride == 1 ? 0 : (kh != 1) * 2 + (kw != 1);
            ptrdiff_t source = (ptrdiff_t)phase * s->ci * ho * wo + dh * wo + dw;
            t.taps[kh * 3 + kw] = (struct tap){source, kh * 3 + kw, dh, dw};
        }
    struct operand source = widened(x, (size_t)(s->ci * s->height * s->width), room.operand);
    if (s->stride == 2) {
        split_phases(source.at, s->ci, s->height, s->width, room.arranged);
        source.at = room.arranged;
    }
    struct sink sink = {(elem *)y + (size_t)first * plane, plane, (size_t)wo, 1,
                        (const elem *)bias + first,        0};
    run_tap_sum(&t, source, widened(weight, (size_t)(s->co * s->ci) * 9, room.weight), 1, 0, first,
                last, &sink, room.bits);
}

/* Which kernel rows (or columns), in the chain's order, an input row of a phase is used by, and how
 * far from it in the output's grid. Stride 1 has one phase. */
struct back_taps {
    int count;
    struct {
        int k, shift;
    } tap[3];
};
static const struct back_taps back_stride1 = {3, {{2, -1}, {1, 0}, {0, 1}}};
static const struct back_taps back_stride2[2] = {{1, {{1, 0}}}, {2, {{2, 0}, {0, 1}}}};

static void conv_input_gradient(const struct md_shape *s, const void *dy, const void *weight,
                                int first, int last, int accumulate, void *dx, void *scratch,
                                struct md_part part) {
    int from, to, ho = s->height / s->stride, wo = s->width / s->stride;
    size_t plane = (size_t)s->height * (size_t)s->width;
    struct room room = room_in(s, 0, scratch);
    struct operand source = widened(dy, (size_t)(s->co * ho * wo), room.operand);
    struct operand weights = widened(weight, (size_t)(s->co * s->ci) * 9, room.weight);
    md_share(part, last - first, &from, &to);
    for (int phase = 0; phase < s->stride * s->stride; phase++) {
        int a = phase / s->stride, b = phase % s->stride;
        const struct back_taps *rows = s->stride == 1 ? &back_stride1 : &back_stride2[a];
        const struct back_taps *columns = s->stride == 1 ? &back_stride1 : &back_stride2[b];
        struct tap_sum t = {ho, wo, s->co, (size_t)ho * (size_t)wo, (size_t)s->ci * 9, 9, 0, {{0}}};
        for (int i = 0; i < rows->count; i++)
            for (int j = 0; j < columns->count; j++) {
                int dh = rows->tap[i].shift, dw = columns->tap[j].shift;
                int k = rows->tap[i].k * 3 + columns->tap[j].k;
                t.taps[t.tap_count++] = (struct tap){dh * wo + dw, k, dh, dw};
            }
        struct sink sink = {(elem *)dx + (size_t)from * plane + (size_t)(a * s->width + b),
                            plane,
                            (size_t)s->width,
                            s->stride,
                            NULL,
                            accumulate};
        run_tap_sum(&t, source, weights, 1, 0, first + from, first + to, &sink, room.bits);
    }
}

static void conv_weight_gradient(const struct md_shape *s, const void *x, const void *dy,
                                 void *dweight, void *dbias, void *scratch, struct md_part part) {
    int first, last, ho = s->height / s->stride, wo = s->width / s->stride;
    size_t pixels = (size_t)ho * (size_t)wo;
    md_share(part, s->co, &first, &last);
    size_t stride = round_up((size_t)(last - first), LANES);
    struct room room = room_in(s, 0, scratch);
    real *lanes = room.arranged;
    struct tap_product t = {ho, wo, s->stride, s->height, s->width, s->ci, 1, 3};
    transpose((const elem *)dy + (size_t)first * pixels, last - first, (int)pixels, stride, lanes);
    sum_lanes(lanes, stride, (int)pixels, last - first, (elem *)dbias + first);
    run_tap_product(&t, scaled(lanes, stride * pixels), stride, last - first,
                    widened(x, (size_t)(s->ci * s->height * s->width), room.operand),
                    (elem *)dweight + (size_t)first * (size_t)s->ci * 9);
}

static void tconv_forward(const struct md_shape *s, const void *x, const void *weight,
                          const void *bias, void *y, void *scratch, struct md_part part) {
    int first, last;
    size_t pixels = (size_t)s->height * (size_t)s->width, row = 2 * (size_t)s->width;
    struct room room = room_in(s, 1, scratch);
    struct tap_sum t = {s->height, s->width, s->ci, pixels, (size_t)s->co * 4, 4, 1, {{0}}};
    struct operand source = widened(x, (size_t)s->ci * pixels, room.operand);
    struct operand weights = widened(weight, (size_t)(s->ci * s->co) * 4, room.weight);
    md_share(part, s->co, &first, &last);
    for (int k = 0; k < 4; k++) {
        struct sink sink = {(elem *)y + (size_t)first * 4 * pixels + (size_t)(k / 2) * row + k % 2,
                            4 * pixels,
                            row,
                            2,
                            (const elem *)bias + first,
                            0};
        run_tap_sum(&t, source, weights, 1, 0, first, last, &sink, room.bits);
        weights.at++; /* the next tap's */
    }
}

static void tconv_input_gradient(const struct md_shape *s, const void *dy, const void *weight,
                                 int first, int last, int accumulate, void *dx, void *scratch,
                                 struct md_part part) {
    int from, to;
    size_t pixels = (size_t)s->height * (size_t)s->width;
    struct room room = room_in(s, 1, scratch);
    struct tap_sum t = {s->height, s->width, s->co, pixels, 4, (size_t)s->co * 4, 1, {{0}}};
    md_share(part, last - first, &from, &to);
    struct operand source = widened(dy, (size_t)s->co * 4 * pixels, room.operand);
    split_phases(source.at, s->co, 2 * s->height, 2 * s->width, room.arranged);
    source.at = room.arranged;
    struct sink sink = {
        (elem *)dx + (size_t)from * pixels, pixels, (size_t)s->width, 1, NULL, accumulate};
    run_tap_sum(&t, source, widened(weight, (size_t)(s->ci * s->co) * 4, room.weight), 4,
                (size_t)s->co * pixels, first + from, first + to, &sink, room.bits);
}

static void tconv_weight_gradient(const struct md_shape *s, const void *x, const void *dy,
                                  void *dweight, void *dbias, void *scratch, struct md_part part) {
    int first, last, pixels = s->height * s->width;
    struct room room = room_in(s, 1, scratch);
    real *lanes = room.arranged;
    struct tap_product t = {s->height, s->width, 2, 2 * s->height, 2 * s->width, s->co, 0, 2};
    md_share(part, s->ci, &first, &last);
    size_t stride = round_up((size_t)(last - first), LANES);
    transpose((const elem *)x + (size_t)first * (size_t)pixels, last - first, pixels, stride,
              lanes);
    run_tap_product(&t, scaled(lanes, stride * (size_t)pixels), stride, last - first,
                    widened(dy, (size_t)(s->co * 4 * pixels), room.operand),
                    (elem *)dweight + (size_t)first * (size_t)s->co * 4);
    md_share(part, s->co, &first, &last);
    stride = round_up((size_t)(last - first), LANES);
    transpose((const elem *)dy + (size_t)first * 4 * (size_t)pixels, last - first, 4 * pixels,
              stride, lanes);
    sum_lanes(lanes, stride, 4 * pixels, last - first, (elem *)dbias + first);
}

#if defined(__AVX2__)

/* y > 0 ? y : y * slope. The slope is a power of two: wide, the product is exact. */
static void leaky_forward(size_t n, void *y_) {
    elem *y = y_;
    for (size_t i = 0; i < n; i += LANES) {
        vec a = load_elements(y + i, n - i);
        vec negative = v_round(v_scale(a, (real)MD_LEAKY_SLOPE));
        store_elements(y + i, n - i, v_blend(v_positive(a), negative, a));
    }
}

static void leaky_backward(size_t n, const void *y_, void *dy_) {
    const elem *y = y_;
    elem *dy = dy_;
    for (size_t i = 0; i < n; i += LANES) {
        vec a = load_elements(dy + i, n - i), sign = load_elements(y + i, n - i);
        vec negative = v_round(v_scale(a, (real)MD_LEAKY_SLOPE));
        store_elements(dy + i, n - i, v_blend(v_positive(sign), negative, a));
    }
}

#endif

const struct md_ops MD_NAME(MD_PASTE(md_lanes_, MD_LEVEL)) = {
#if defined(__AVX2__)
    .leaky_forward = leaky_forward,
    .leaky_backward = leaky_backward,
#endif
    .format = MD_THIS_FORMAT,
    .scratch_bytes = scratch_bytes,
    .conv_forward = conv_forward,
    .conv_input_gradient = conv_input_gradient,
    .conv_weight_gradient = conv_weight_gradient,
    .tconv_forward = tconv_forward,
    .tconv_input_gradient = tconv_input_gradient,
    .tconv_weight_gradient = tconv_weight_gradient,
};
