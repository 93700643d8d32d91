/* For lanes_tmpl.c: the kernel tap_product. */
#ifndef MD_CORE_LANES_TAP_PRODUCT_H
#define MD_CORE_LANES_TAP_PRODUCT_H

#include <stddef.h>

#include "lanes_chains.h"

struct tap_product {
    int first_row, width; /* of the grid of pixels p */
    int step;             /* row h of the grid stands for row h * step of the scalars ... */
    int scalar_height, scalar_width;
    int origin; /* tap (kh, kw) is the scalar at (h * step + kh - origin, w * step + kw - origin) */
    int kernel; /* 3: 3x3 taps, skipped outside the picture; 2: 2x2 taps, all inside */
    const struct window *scalars;
    const struct window *lanes; /* not gathered: the other operand, where it lies */
    size_t lane_stride;         /* from a pixel to the next (not gathered: from a channel) */
};

#if GATHERS
/* to[p * stride + c] is pixel p of channel `first` + c of rows from .. to-1, zeros up to the
 * stride: lanes are then channels. */
static void transpose(const struct md_map *map, int first, int channels, int from_row, int to_row,
                      size_t stride, real *to) {
    int rows = to_row - from_row, slot = from_row % map->rows;
    int run = slot + rows <= map->rows ? rows * map->width : map->width; /* pixels side by side */
    for (int h = from_row; h < to_row; h += run / map->width, to += (size_t)run * stride)
        for (int c0 = 0; c0 < channels; c0 += LANES)
            for (int p0 = 0; p0 < run; p0 += LANES) {
                real block[LANES][LANES] = {{0}};
                int here = run - p0 < LANES ? run - p0 : LANES;
                for (int c = 0; c < LANES && c0 + c < channels; c++) {
                    const elem *row = (const elem *)map->at + md_map_row(map, first + c0 + c, h);
                    v_store(block[c], load_elements(row + p0, (size_t)here));
                }
                for (int p = 0; p < here; p++)
                    for (int c = 0; c < LANES; c++)
                        to[(size_t)(p0 + p) * stride + (size_t)(c0 + c)] = block[c][p];
            }
}
#endif

/* One pixel's taps kh0 .. kh1-1, kw0 .. kw1-1 (constants); rows[kh] is the scalar of kw 0. */
INLINE void pixel_taps(vec acc[][WIDE], const int wide, const int quick, const int kernel,
                       const int kh0, const int kh1, const int kw0, const int kw1,
                       const struct chains *chains, const source *lanes, size_t lane_stride,
                       const source *const rows[], int w) {
    vec value[WIDE];
    for (int v = 0; v < wide; v++)
        value[v] = as_wanted(v_channels(lanes + v * LANES, lane_stride), &chains->vectors, quick);
    for (int kh = kh0; kh < kh1; kh++)
        for (int kw = kw0; kw < kw1; kw++) {
            vec factor = as_wanted(v_factor(rows[kh] + w + kw), &chains->factors, quick);
            for (int v = 0; v < wide; v++) {
                vec *sum = &acc[kh * kernel + kw][v];
                *sum = quick ? v_fma_quick(value[v], factor, *sum) : v_fma(value[v], factor, *sum);
            }
        }
}

/* One row of pixels with 3x3 taps: the first and the last may lack a column. */
INLINE void pixel_row(vec acc[][WIDE], const int wide, const int quick, const int kh0,
                      const int kh1, const struct chains *chains, const source *lanes,
                      size_t lane_stride, const source *const rows[]) {
    const struct tap_product *t = chains->product;
    const size_t pixel = GATHERS ? t->lane_stride : 1;
    int last = t->width - 1;
    int cut = last * t->step + 1 >= t->scalar_width; /* the last pixel lacks its right column */
    if (last == 0 && cut) {
        pixel_taps(acc, wide, quick, 3, kh0, kh1, 1, 2, chains, lanes, lane_stride, rows, 0);
        return;
    }
    pixel_taps(acc, wide, quick, 3, kh0, kh1, 1, 3, chains, lanes, lane_stride, rows, 0);
    int w = 1;
    for (; w < last + !cut; w++) {
        lanes += pixel;
        pixel_taps(acc, wide, quick, 3, kh0, kh1, 0, 3, chains, lanes, lane_stride, rows,
                   w * t->step);
    }
    if (cut)
        pixel_taps(acc, wide, quick, 3, kh0, kh1, 0, 2, chains, lanes + pixel, lane_stride, rows,
                   w * t->step);
}

/* The chains of `wide` (a constant) vectors of lanes with every tap of one scalar channel. Links
 * are rows of the grid. */
INLINE void product(const struct chains *chains, const int wide, const int quick, int first,
                    int last, real *sums) {
    const struct tap_product *t = chains->product;
    const int middle = t->scalars->half[0].channels, half = chains->channel >= middle;
    const struct half *of = &t->scalars->half[half];
    const source *scalars =
        of->at + (size_t)(half ? chains->channel - middle : chains->channel) * of->stride;
    vec acc[MAX_TAPS][WIDE];
    /* One channel has no neighbour that could be read. */
    const size_t lane_stride = chains->count > 1 ? t->lane_stride : 0;
    for (int k = 0; k < MAX_TAPS; k++)
        for (int v = 0; v < wide; v++)
            acc[k][v] = begins(chains, first) || k >= chains->rows
                            ? v_zero()
                            : v_load(sums + (k * wide + v) * LANES);
    for (int link = first; link < last; link++) {
        int h = t->first_row + link, top = h * t->step - t->origin;
        const source *lanes = chains->vectors.at, *rows[3] = {NULL, NULL, NULL};
        lanes += GATHERS ? (ptrdiff_t)((size_t)(link * t->width) * t->lane_stride)
                         : window_at(t->lanes, 0, h, 0);
        for (int kh = 0; kh < t->kernel; kh++)
            if (top + kh >= 0 && top + kh < t->scalar_height)
                rows[kh] = scalars + window_at(t->scalars, half, top + kh, -t->origin);
        if (t->kernel == 2)
            for (int w = 0; w < t->width; w++)
                pixel_taps(acc, wide, quick, 2, 0, 2, 0, 2, chains,
                           lanes + (size_t)w * (GATHERS ? t->lane_stride : 1), lane_stride, rows,
                           w * t->step);
        else if (top >= 0 && top + 3 <= t->scalar_height)
            pixel_row(acc, wide, quick, 0, 3, chains, lanes, lane_stride, rows);
        else if (top >= 0)
            pixel_row(acc, wide, quick, 0, 2, chains, lanes, lane_stride, rows);
        else if (top + 3 <= t->scalar_height)
            pixel_row(acc, wide, quick, 1, 3, chains, lanes, lane_stride, rows);
        else
            pixel_row(acc, wide, quick, 1, 2, chains, lanes, lane_stride, rows);
    }
    for (int k = 0; k < chains->rows; k++)
        for (int v = 0; v < wide; v++)
            v_store(sums + (k * wide + v) * LANES, acc[k][v]);
}

static NOINLINE void run_product(const struct chains *c, int quick, int first, int last,
                                 real *sums) {
    if (QUICK && ROUNDS && quick && c->row == LANES)
        product(c, 1, 1, first, last, sums);
    else if (QUICK && ROUNDS && quick)
        product(c, WIDE, 1, first, last, sums);
    else if (c->row == LANES)
        product(c, 1, 0, first, last, sums);
    else
        product(c, WIDE, 0, first, last, sums);
}

/* Sums on their way between calls, where an element would not hold them, or not where they are
 * wanted: a vector's neighbours lie side by side. */
#define SUMS_APART (GATHERS || MD_NUMBER > MD_NUMBER_bf16)

/* of `channels` lanes with `each` numbers. */
static size_t sums_size(int channels, size_t each) {
    return SUMS_APART ? round_up((size_t)channels, LANES) * each : 0;
}

/* to[(lane * scalars + scalar) * taps + tap] for `count` lanes; `sums` is where the chains of a
 * part of the rows are kept. */
static void run_tap_product(const struct tap_product *t, int links, struct operand lanes, int count,
                            struct operand factors, int resumes, int ends, real *kept, elem *to) {
    size_t at = 0;
    int taps = t->kernel * t->kernel;
    int scalars = t->scalars->half[0].channels + t->scalars->half[1].channels;
    real sums[MAX_TAPS * WIDE * LANES];
    struct chains chains = {.run = run_product,
                            .quick = ROUNDS && lanes.quick && factors.quick,
                            .links = links,
                            .tail = 2,
                            .rows = taps,
                            .vectors = lanes,
                            .factors = factors,
                            .resumes = resumes,
                            .product = t};
    for (int first = 0; first < count; first += chains.row) {
        int wide = WIDE > 1 && count - first > LANES ? WIDE : 1;
        int here = count - first < wide * LANES ? count - first : wide * LANES;
        chains.row = wide * LANES;
        chains.count = here;
        chains.vectors.at = lanes.at + (GATHERS ? (size_t)first : (size_t)first * t->lane_stride);
        for (int s = 0; s < scalars; s++, at += (size_t)(taps * wide * LANES)) {
            size_t bytes = (size_t)(taps * wide * LANES) * sizeof *sums;
            chains.channel = s;
            for (int k = 0; !SUMS_APART && resumes && k < taps; k++)
                for (int lane = 0; lane < here; lane++)
                    sums[k * LANES + lane] = md_load(to[((first + lane) * scalars + s) * taps + k]);
            if (SUMS_APART && resumes)
                __builtin_memcpy(sums, kept + at, bytes);
            find(&chains, sums);
            if (SUMS_APART && !ends) {
                __builtin_memcpy(kept + at, sums, bytes);
                continue;
            }
            for (int k = 0; k < taps; k++)
                for (int v = 0; v < wide; v++) {
                    elem values[LANES];
                    v_narrow(values, v_load(sums + (k * wide + v) * LANES));
                    for (int lane = v * LANES; lane < here && lane < (v + 1) * LANES; lane++)
                        to[((size_t)(first + lane) * (size_t)scalars + (size_t)s) * (size_t)taps +
                           (size_t)k] = values[lane - v * LANES];
                }
        }
    }
}

/* The bias gradient of channels first .. first + count-1 (acc = 0; over p: acc + dy), going on in
 * `sums` from `behind` on, or in dbias. `room`: gathered rows of LANES channels. */
static void sum_channels(const struct md_call *c, int first, int count, real *room, real *sums,
                         size_t behind) {
    elem *to = (elem *)c->dbias + first;
    real *kept = sums == NULL ? NULL : sums + behind;
#if GATHERS
    for (int block = 0; block < count; block += LANES) {
        int here = count - block < LANES ? count - block : LANES;
        vec acc = kept != NULL && c->from > 0 ? v_load(kept + block) : v_zero();
        transpose(&c->y, first + block, here, c->from, c->to, LANES, room);
        for (int p = 0; p < (c->to - c->from) * c->y.width; p++)
            acc = v_add(acc, v_load(room + p * LANES));
        if (kept != NULL && c->to < c->y.height)
            v_store(kept + block, acc);
        else
            store_elements(to + block, (size_t)here, acc);
    }
#else
    (void)room;
    for (int channel = 0; channel < count; channel++) {
        real acc = c->from == 0 ? 0 : SUMS_APART ? kept[channel] : md_load(to[channel]);
        for (int h = c->from; h < c->to; h++) {
            const elem *row = (const elem *)c->y.at + md_map_row(&c->y, first + channel, h);
            for (int w = 0; w < c->y.width; w++)
                acc = md_add(acc, md_load(row[w]));
        }
        if (SUMS_APART && c->to < c->y.height)
            kept[channel] = acc;
        else
            to[channel] = md_store(acc);
    }
#endif
}

#endif
