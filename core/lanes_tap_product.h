/* For lanes_tmpl.c: the kernel tap_product. */
#ifndef MD_CORE_LANES_TAP_PRODUCT_H
#define MD_CORE_LANES_TAP_PRODUCT_H

#include "lanes_chains.h"

struct tap_product {
    int height, width; /* of the grid of pixels p */
    int step;          /* pixel (h, w) of the grid stands for row h * step of the scalars ... */
    int scalar_height, scalar_width;
    int scalars; /* channels of the scalar operand */
    int origin; /* tap (kh, kw) is the scalar at (h * step + kh - origin, w * step + kw - origin) */
    int kernel; /* 3: 3x3 taps, skipped outside the picture; 2: 2x2 taps, all inside */
};

/* to[p * stride + c] = from[c * pixels + p], zeros up to the stride: lanes are then channels. */
static void transpose(const elem *from, int channels, int pixels, size_t stride, real *to) {
    for (int c0 = 0; c0 < channels; c0 += LANES)
        for (int p0 = 0; p0 < pixels; p0 += LANES) {
            real block[LANES][LANES] = {{0}};
            int here = pixels - p0 < LANES ? pixels - p0 : LANES;
            for (int c = 0; c < LANES && c0 + c < channels; c++) {
                const elem *row = from + (size_t)(c0 + c) * (size_t)pixels + (size_t)p0;
                v_store(block[c], load_elements(row, (size_t)here));
            }
            for (int p = 0; p < here; p++)
                for (int c = 0; c < LANES; c++)
                    to[(size_t)(p0 + p) * stride + (size_t)(c0 + c)] = block[c][p];
        }
}

/* One pixel's taps kh0 .. kh1-1, kw0 .. kw1-1 (constants). */
INLINE void pixel_taps(vec acc[][WIDE], const int wide, const int quick, const int kernel,
                       const int kh0, const int kh1, const int kw0, const int kw1,
                       const struct chains *chains, const real *lanes, const real *scalar) {
    const int row = chains->product->scalar_width;
    vec value[WIDE];
    for (int v = 0; v < wide; v++)
        value[v] = as_wanted(v_load(lanes + v * LANES), &chains->vectors, quick);
    for (int kh = kh0; kh < kh1; kh++)
        for (int kw = kw0; kw < kw1; kw++) {
            vec factor = as_wanted(v_splat(scalar + kh * row + kw), &chains->factors, quick);
            for (int v = 0; v < wide; v++) {
                vec *sum = &acc[kh * kernel + kw][v];
                *sum = quick ? v_fma_quick(value[v], factor, *sum, V_ALL)
                             : v_fma(value[v], factor, *sum);
            }
        }
}

/* One row of pixels with 3x3 taps: the first and the last may lack a column. */
INLINE void pixel_row(vec acc[][WIDE], const int wide, const int quick, const int kh0,
                      const int kh1, const struct chains *chains, const real *lanes,
                      const real *scalar) {
    const struct tap_product *t = chains->product;
    int last = t->width - 1;
    int cut = last * t->step + 1 >= t->scalar_width; /* the last pixel lacks its right column */
    if (last == 0 && cut) {
        pixel_taps(acc, wide, quick, 3, kh0, kh1, 1, 2, chains, lanes, scalar);
        return;
    }
    pixel_taps(acc, wide, quick, 3, kh0, kh1, 1, 3, chains, lanes, scalar);
    for (int w = 1; w < last + !cut; w++) {
        lanes += chains->lane_stride;
        scalar += t->step;
        pixel_taps(acc, wide, quick, 3, kh0, kh1, 0, 3, chains, lanes, scalar);
    }
    if (cut)
        pixel_taps(acc, wide, quick, 3, kh0, kh1, 0, 2, chains, lanes + chains->lane_stride,
                   scalar + t->step);
}

/* The chains of `wide` (a constant) vectors of lanes with every tap of one scalar channel. */
INLINE void product(const struct chains *chains, const int wide, const int quick, int first,
                    int last, real *sums) {
    const struct tap_product *t = chains->product;
    vec acc[MAX_TAPS][WIDE];
    for (int k = 0; k < MAX_TAPS; k++)
        for (int v = 0; v < wide; v++)
            acc[k][v] =
                first == 0 || k >= chains->rows ? v_zero() : v_load(sums + (k * wide + v) * LANES);
    for (int h = first; h < last; h++) {
        int top = h * t->step - t->origin;
        const real *row = chains->factors.at + (ptrdiff_t)top * t->scalar_width - t->origin;
        const real *lanes = chains->vectors.at + (size_t)(h * t->width) * chains->lane_stride;
        if (t->kernel == 2)
            for (int w = 0; w < t->width; w++)
                pixel_taps(acc, wide, quick, 2, 0, 2, 0, 2, chains,
                           lanes + (size_t)w * chains->lane_stride, row + w * t->step);
        else if (top >= 0 && top + 3 <= t->scalar_height)
            pixel_row(acc, wide, quick, 0, 3, chains, lanes, row);
        else if (top >= 0)
            pixel_row(acc, wide, quick, 0, 2, chains, lanes, row);
        else if (top + 3 <= t->scalar_height)
            pixel_row(acc, wide, quick, 1, 3, chains, lanes, row);
        else
            pixel_row(acc, wide, quick, 1, 2, chains, lanes, row);
    }
    for (int k = 0; k < chains->rows; k++)
        for (int v = 0; v < wide; v++)
            v_store(sums + (k * wide + v) * LANES, acc[k][v]);
}

static NOINLINE void run_product(const struct chains *c, int quick, int first, int last,
                                 real *sums) {
    if (QUICK && quick && c->row == LANES)
        product(c, 1, 1, first, last, sums);
    else if (QUICK && quick)
        product(c, WIDE, 1, first, last, sums);
    else if (c->row == LANES)
        product(c, 1, 0, first, last, sums);
    else
        product(c, WIDE, 0, first, last, sums);
}

/* to[(lane * scalars + scalar) * taps + tap] for `count` lanes. */
static void run_tap_product(const struct tap_product *t, struct operand lanes, size_t lane_stride,
                            int count, struct operand scalars, elem *to) {
    int taps = t->kernel * t->kernel;
    size_t plane = (size_t)t->scalar_height * (size_t)t->scalar_width;
    real sums[MAX_TAPS * WIDE * LANES];
    struct chains chains = {.run = run_product,
                            .links = t->height,
                            .tail = 2,
                            .rows = taps,
                            .vectors = lanes,
                            .factors = scalars,
                            .product = t,
                            .lane_stride = lane_stride};
    for (int first = 0; first < count; first += WIDE * LANES) {
        int wide = WIDE > 1 && count - first > LANES ? WIDE : 1;
        int here = count - first < wide * LANES ? count - first : wide * LANES;
        for (int s = 0; s < t->scalars; s++) {
            chains.row = wide * LANES;
            chains.count = here;
            chains.vectors.at = lanes.at + first;
            chains.factors.at = scalars.at + (size_t)s * plane;
            find(&chains, sums);
            for (int k = 0; k < taps; k++)
                for (int v = 0; v < wide; v++) {
                    elem values[LANES];
                    v_narrow(values, v_load(sums + (k * wide + v) * LANES));
                    for (int lane = v * LANES; lane < here && lane < (v + 1) * LANES; lane++)
                        to[((size_t)(first + lane) * (size_t)t->scalars + (size_t)s) *
                               (size_t)taps +
                           (size_t)k] = values[lane - v * LANES];
                }
        }
    }
}

/* acc = 0; over p: acc + lanes[p][channel]. */
static void sum_lanes(const real *lanes, size_t lane_stride, int pixels, int count, elem *to) {
    for (int first = 0; first < count; first += LANES) {
        real sums[LANES];
        vec acc = v_zero();
        for (int p = 0; p < pixels; p++)
            acc = v_add(acc, v_load(lanes + (size_t)p * lane_stride + first));
        v_store(sums, acc);
        for (int l = 0; l < LANES && first + l < count; l++)
            to[first + l] = md_store(sums[l]);
    }
}

#endif
