/* For lanes_tmpl.c: the kernel tap_product. */
#ifndef MD_CORE_LANES_TAP_PRODUCT_H
#define MD_CORE_LANES_TAP_PRODUCT_H

#include <stddef.h>

#include "lanes_chains.h"

struct tap_product {
    int first_row, width;       /* of the grid of pixels p */
    int step;                   /* row h of the grid stands for row h * step of the scalars ... */
    int scalar_from, scalar_to; /* rows of the scalars that count */
    int scalar_width;
    int origin; /* tap (kh, kw) is the scalar at (h * step + kh - origin, w * step + kw - origin) */
    int kernel; /* 3: 3x3 taps, skipped outside the picture; 2: 2x2 taps, all inside */
    int turned; /* lanes and scalars have changed places: taps count down */
    const struct window *scalars;
    const struct window *lanes; /* not gathered: the other operand, where it lies */
    size_t lane_stride;         /* from a pixel to the next (not gathered: from a channel) */
    size_t weight_stride;       /* from a lane's weights to the next one's (turned: a scalar's) */
};

#if GATHERS
/* Makes row i column i. Each round turns the digits of a number's place (row, column) by one: after
 * as many as a row has, both have changed places. */
INLINE void turn(vec rows[LANES]) {
    UNROLL for (int round = 1; round < LANES; round *= 2) {
        vec turned[LANES];
        UNROLL for (int i = 0; i < LANES / 2; i++) {
            turned[2 * i] = rows[i];
            turned[2 * i + 1] = rows[i + LANES / 2];
            v_interleave(&turned[2 * i], &turned[2 * i + 1]);
        }
        UNROLL for (int i = 0; i < LANES; i++) rows[i] = turned[i];
    }
}

/* to[p * stride + c] is pixel p of channel `first` + c of rows from .. to-1, zeros up to the
 * stride: lanes are then channels, of two maps one after the other. */
static void transpose(const struct md_map maps[2], int first, int channels, int from_row,
                      int to_row, size_t stride, real scale, real *to) {
    const size_t plane[2] = {md_map_plane(&maps[0]), md_map_plane(&maps[1])};
    int rows = to_row - from_row, width = maps[0].width, run = rows * width; /* pixels in a row */
    for (int half = 0; half < 2; half++)
        if (maps[half].channels > 0 && from_row % maps[half].rows + rows > maps[half].rows)
            run = width;
    for (int h = from_row; h < to_row; h += run / width, to += (size_t)run * stride) {
        const elem *row[2] = {NULL, NULL};
        for (int half = 0; half < 2; half++)
            if (maps[half].channels > 0)
                row[half] = (const elem *)maps[half].at + md_map_row(&maps[half], 0, h);
        for (int c0 = 0; c0 < channels; c0 += LANES)
            for (int p0 = 0; p0 < run; p0 += LANES) {
                vec block[LANES];
                for (int c = 0; c < LANES; c++) {
                    int channel = first + c0 + c, half = channel >= maps[0].channels;
                    size_t at = (size_t)(channel - half * maps[0].channels) * plane[half];
                    block[c] = c0 + c < channels
                                   ? load_scaled(row[half] + at + p0, (size_t)(run - p0), scale)
                                   : v_zero();
                }
                turn(block);
                for (int p = 0; p < LANES && p0 + p < run; p++)
                    v_store(to + (size_t)(p0 + p) * stride + c0, block[p]);
            }
    }
}

/* Rows of sums, `step` numbers apart, as elements: to[lane * stride + row] for `lanes` lanes. */
static void put_product(const real *sums, int rows, int step, int lanes, size_t stride, elem *to) {
    for (int lane = 0; lane < lanes; lane += LANES, sums += LANES)
        for (int r = 0; r < rows; r += LANES) {
            vec block[LANES];
            for (int i = 0; i < LANES; i++)
                block[i] = r + i < rows ? v_load(sums + (ptrdiff_t)(r + i) * step) : v_zero();
            turn(block);
            for (int i = 0; i < LANES && lane + i < lanes; i++)
                store_elements(to + (size_t)(lane + i) * stride + r, (size_t)(rows - r), block[i]);
        }
}
#endif

/* One pixel's taps kh0 .. kh1-1, kw0 .. kw1-1 (constants); rows[kh] is the scalar of kw 0. */
INLINE void pixel_taps(vec acc[][WIDE], const int wide, const int optimistic, const int kernel,
                       const int kh0, const int kh1, const int kw0, const int kw1,
                       const struct chains *chains, const source *lanes, size_t lane_stride,
                       const source *const rows[], int w) {
    for (int kh = kh0; kh < kh1; kh++)
        for (int v = 0; v < wide; v++) {
            vec value =
                as_wanted(v_channels(lanes + v * LANES, lane_stride), &chains->vectors, optimistic);
            for (int kw = kw0; kw < kw1; kw++) {
                vec factor = as_wanted(v_factor(rows[kh] + w + kw), &chains->factors, optimistic);
                vec *sum = &acc[kh * kernel + kw][v];
                *sum =
                    optimistic ? v_fma_optimistic(value, factor, *sum) : v_fma(value, factor, *sum);
            }
        }
}

/* One row of pixels with 3x3 taps: the first and the last may lack a column. */
INLINE void pixel_row(vec acc[][WIDE], const int wide, const int optimistic, const int kh0,
                      const int kh1, const struct chains *chains, const source *lanes,
                      size_t lane_stride, const source *const rows[]) {
    const struct tap_product *t = chains->product;
    const size_t pixel = GATHERS ? t->lane_stride : 1;
    int last = t->width - 1;
    int cut = last * t->step + 1 >= t->scalar_width; /* the last pixel lacks its right column */
    if (last == 0 && cut) {
        pixel_taps(acc, wide, optimistic, 3, kh0, kh1, 1, 2, chains, lanes, lane_stride, rows, 0);
        return;
    }
    pixel_taps(acc, wide, optimistic, 3, kh0, kh1, 1, 3, chains, lanes, lane_stride, rows, 0);
    int w = 1;
    for (; w < last + !cut; w++) {
        lanes += pixel;
        pixel_taps(acc, wide, optimistic, 3, kh0, kh1, 0, 3, chains, lanes, lane_stride, rows,
                   w * t->step);
    }
    if (cut)
        pixel_taps(acc, wide, optimistic, 3, kh0, kh1, 0, 2, chains, lanes + pixel, lane_stride,
                   rows, w * t->step);
}

/* The chains of `wide` (a constant) vectors of lanes with every tap of one scalar channel, or those
 * of `tall` (a constant) of its kernel's rows; or with the 2x2 taps of two. Links are rows of the
 * grid. */
INLINE void product(const struct chains *chains, const int wide, const int tall,
                    const int optimistic, int first, int last, real *sums) {
    const struct tap_product *t = chains->product;
    const int middle = t->scalars->half[0].channels, half = chains->channel >= middle;
    const struct half *of = &t->scalars->half[half];
    const source *scalars =
        of->at + (size_t)(half ? chains->channel - middle : chains->channel) * of->stride;
    vec acc[MAX_TAPS][WIDE];
    /* One channel has no neighbour that could be read. */
    const size_t lane_stride = chains->count > 1 ? t->lane_stride : 0;
    for (int k = 0; k < 3 * tall; k++)
        for (int v = 0; v < wide; v++)
            acc[k][v] = begins(chains, first) || k >= chains->rows
                            ? v_zero()
                            : v_load(sums + (k * wide + v) * LANES);
    for (int link = first; link < last; link++) {
        int h = t->first_row + link, top = h * t->step - t->origin + chains->kernel_row;
        const source *lanes = chains->vectors.at, *rows[4] = {NULL, NULL, NULL, NULL};
        lanes += GATHERS ? (ptrdiff_t)((size_t)(link * t->width) * t->lane_stride)
                         : window_at(t->lanes, 0, h, 0);
        for (int kh = 0; kh < lesser(t->kernel, tall); kh++)
            if (top + kh >= t->scalar_from && top + kh < t->scalar_to)
                rows[kh] = scalars + window_at(t->scalars, half, top + kh, -t->origin);
        const size_t pixel = GATHERS ? t->lane_stride : 1;
        if (tall == 1 && rows[0] == NULL)
            continue;
        if (tall == 1)
            pixel_row(acc, wide, optimistic, 0, 1, chains, lanes, lane_stride, rows);
        else if (GATHERS && t->kernel == 2 && chains->rows == 8) {
            rows[2] = rows[0] + of->stride;
            rows[3] = rows[1] + of->stride;
            for (int w = 0; w < t->width; w++, lanes += pixel)
                pixel_taps(acc, wide, optimistic, 2, 0, 4, 0, 2, chains, lanes, lane_stride, rows,
                           w * t->step);
        } else if (t->kernel == 2)
            for (int w = 0; w < t->width; w++, lanes += pixel)
                pixel_taps(acc, wide, optimistic, 2, 0, 2, 0, 2, chains, lanes, lane_stride, rows,
                           w * t->step);
        else if (rows[0] != NULL && rows[2] != NULL)
            pixel_row(acc, wide, optimistic, 0, 3, chains, lanes, lane_stride, rows);
        else if (rows[0] != NULL && rows[1] != NULL)
            pixel_row(acc, wide, optimistic, 0, 2, chains, lanes, lane_stride, rows);
        else if (rows[1] != NULL && rows[2] != NULL)
            pixel_row(acc, wide, optimistic, 1, 3, chains, lanes, lane_stride, rows);
        else if (rows[0] != NULL)
            pixel_row(acc, wide, optimistic, 0, 1, chains, lanes, lane_stride, rows);
        else if (rows[1] != NULL)
            pixel_row(acc, wide, optimistic, 1, 2, chains, lanes, lane_stride, rows);
        else
            pixel_row(acc, wide, optimistic, 2, 3, chains, lanes, lane_stride, rows);
    }
    for (int k = 0; k < 3 * tall && k < chains->rows; k++)
        for (int v = 0; v < wide; v++)
            v_store(sums + (k * wide + v) * LANES, acc[k][v]);
}

static NOINLINE void run_product(const struct chains *c, int optimistic, int first, int last,
                                 real *sums) {
    if (OPTIMISTIC && ROUNDS && optimistic && c->row == LANES)
        product(c, 1, 3, 1, first, last, sums);
    else if (OPTIMISTIC && ROUNDS && optimistic)
        product(c, WIDE, TALL, 1, first, last, sums);
    else if (c->row == LANES)
        product(c, 1, 3, 0, first, last, sums);
    else
        product(c, WIDE, TALL, 0, first, last, sums);
}

/* Sums on their way between calls, where an element would not hold them, or not where they are
 * wanted: a vector's neighbours lie side by side. */
#define SUMS_APART (GATHERS || MD_NUMBER > MD_NUMBER_bf16)

/* of `channels` lanes with `each` numbers. */
static size_t sums_size(int channels, size_t each) {
    return SUMS_APART ? round_up((size_t)channels, LANES) * each : 0;
}

/* to[lane * weight_stride + scalar * taps + tap] for `count` lanes (turned: [scalar * weight_stride
 * + lane * taps ...]); `kept` is where sums are between calls, and where they are gathered always.
 */
static void run_tap_product(const struct tap_product *t, int links, struct operand lanes, int count,
                            struct operand factors, int resumes, int ends, real *kept, elem *to) {
    int scalars = t->scalars->half[0].channels + t->scalars->half[1].channels;
    int pairs = GATHERS && t->kernel == 2 && scalars % 2 == 0; /* four chains would wait */
    int taps = pairs ? 8 : t->kernel * t->kernel;
    scalars /= 1 + pairs;
    real own[MAX_TAPS * WIDE * LANES];
    kept = SUMS_APART ? kept : NULL;
    struct chains chains = {.run = run_product,
                            .optimistic = ROUNDS && lanes.optimistic && factors.optimistic,
                            .links = links,
                            .tail = 3,
                            .vectors = lanes,
                            .factors = factors,
                            .resumes = resumes,
                            .product = t};
    for (int first = 0; first < count; first += chains.row) {
        int wide = count - first > (WIDE - 1) * LANES && (TALL == 3 || t->kernel == 3) ? WIDE : 1;
        int tall = wide > 1 ? TALL : 3;
        real *sums = kept != NULL ? kept : own;
        chains.row = wide * LANES;
        chains.count = lesser(count - first, chains.row);
        chains.vectors.at = lanes.at + (GATHERS ? (size_t)first : (size_t)first * t->lane_stride);
        for (int s = 0; s < scalars; s++) {
            elem *where = to + (size_t)first * t->weight_stride + (size_t)(s * taps);
            chains.channel = s * (1 + pairs);
            for (int k = 0; !SUMS_APART && resumes && k < taps; k++)
                for (int lane = 0; lane < chains.count; lane++)
                    sums[k * LANES + lane] = md_load(where[(size_t)lane * t->weight_stride + k]);
            chains.rows = lesser(taps, 3 * tall);
            for (chains.kernel_row = 0; chains.kernel_row < 3; chains.kernel_row += tall)
                find(&chains, sums + chains.kernel_row * 3 * chains.row);
            for (int k = 0; !GATHERS && (!SUMS_APART || ends) && k < taps; k++) {
                elem values[LANES];
                v_narrow(values, v_load(sums + k * LANES));
                for (int lane = 0; lane < chains.count; lane++)
                    where[(size_t)lane * t->weight_stride + k] = values[lane];
            }
            sums += kept != NULL ? taps * chains.row : 0;
        }
#if GATHERS
        if (ends && !t->turned)
            put_product(kept, scalars * taps, chains.row, chains.count, t->weight_stride,
                        to + (size_t)first * t->weight_stride);
        for (int s = 0; ends && t->turned && s < scalars; s++)
            put_product(kept + (s * taps + taps - 1) * chains.row, taps, -chains.row, chains.count,
                        (size_t)taps, to + (size_t)s * t->weight_stride + (size_t)(first * taps));
#endif
        kept += kept != NULL ? scalars * taps * chains.row : 0;
    }
}

#if GATHERS

/* Sums of `wide` vectors (a constant) of channels over pixels, acc + dy, from what is in sums. */
INLINE void sum_lanes(const int wide, struct operand lanes, size_t stride, size_t pixels,
                      real *sums) {
    vec acc[4];
    UNROLL for (int v = 0; v < wide; v++) acc[v] = v_load(sums + v * LANES);
    for (; pixels > 0; pixels--, lanes.at += stride)
        UNROLL for (int v = 0; v < wide; v++) acc[v] =
            v_add(acc[v], as_wanted(v_load(lanes.at + v * LANES), &lanes, 0));
    UNROLL for (int v = 0; v < wide; v++) v_store(sums + v * LANES, acc[v]);
}

/* The bias gradient (acc = 0; over p: acc + dy) of `count` channels in the lanes of `pixels`
 * pixels, going on in sums. */
static void sum_channels(struct operand lanes, size_t stride, size_t pixels, int count, int resumes,
                         int ends, real *sums, elem *to) {
    for (int left = count, now; left > 0;
         left -= now * LANES, lanes.at += now * LANES, sums += now * LANES, to += now * LANES) {
        now = left > 3 * LANES ? 4 : left > LANES ? 2 : 1;
        for (int v = 0; !resumes && v < now; v++)
            v_store(sums + v * LANES, v_zero());
        if (now == 4)
            sum_lanes(4, lanes, stride, pixels, sums);
        else if (now == 2)
            sum_lanes(2, lanes, stride, pixels, sums);
        else
            sum_lanes(1, lanes, stride, pixels, sums);
        for (int c = 0; ends && c < now * LANES && c < left; c += LANES)
            store_elements(to + c, (size_t)(left - c), v_load(sums + c));
    }
}

#else

/* The bias gradient of channels first .. first + count-1 (acc = 0; over p: acc + dy), going on in
 * `kept`, or in dbias. */
static void sum_channels(const struct md_call *c, int first, int count, real *kept) {
    elem *to = (elem *)c->dbias + first;
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
}

#endif

#endif
