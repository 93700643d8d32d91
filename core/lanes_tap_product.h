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

/* to[p * stride + c] is number p < `pixels` of row c < `channels`, and 0 for other channels. */
INLINE void transpose_block(const elem *const row[LANES], size_t at, int channels, size_t pixels,
                            real scale, size_t stride, real *to) {
    vec block[LANES];
    UNROLL for (int c = 0; c < LANES; c++) block[c] =
        c < channels ? load_scaled(row[c] + at, pixels, scale) : v_zero();
    turn(block);
    UNROLL for (size_t p = 0; p < LANES; p++) if (p < pixels) v_store(to + p * stride, block[p]);
}

/* to[p * stride + c] is pixel p of channel `first` + c of rows from .. to-1, zeros up to the
 * stride: lanes are then channels, of two maps one after the other. */
static void transpose(const struct md_map maps[2], int first, int channels, int from_row,
                      int to_row, size_t stride, real scale, real *to) {
    int rows = to_row - from_row, width = maps[0].width, run = rows * width; /* pixels in a row */
    for (int half = 0; half < 2; half++)
        if (maps[half].channels > 0 && from_row % maps[half].rows + rows > maps[half].rows)
            run = width;
    for (int h = from_row; h < to_row; h += run / width, to += (size_t)run * stride)
        for (int c0 = 0; c0 < channels; c0 += LANES) {
            const elem *row[LANES];
            int count = lesser(channels - c0, LANES), p = 0;
            for (int c = 0; c < count; c++) {
                int channel = first + c0 + c, half = channel >= maps[0].channels;
                row[c] = (const elem *)maps[half].at +
                         md_map_row(&maps[half], channel - half * maps[0].channels, h);
            }
            for (; p + LANES <= run && count == LANES; p += LANES)
                transpose_block(row, (size_t)p, LANES, LANES, scale, stride,
                                to + (size_t)p * stride + c0);
            for (; p < run; p += LANES)
                transpose_block(row, (size_t)p, count, (size_t)(run - p), scale, stride,
                                to + (size_t)p * stride + c0);
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
                       const source *const rows[], ptrdiff_t w) {
    for (int kh = kh0; kh < kh1; kh++)
        for (int v = 0; v < wide; v++) {
            vec value =
                as_wanted(v_channels(lanes + v * LANES, lane_stride), &chains->vectors, optimistic);
            for (int kw = kw0; kw < kw1; kw++) {
                vec factor = as_wanted(v_factor(rows[kh] + w + kw), &chains->factors, optimistic);
                vec *sum = &acc[kh * kernel + kw][v];
                *sum =
                    optimistic ? v_fma_optimistic(factor, value, *sum) : v_fma(value, factor, *sum);
            }
        }
}

/* Rows of the grid that have the same rows of the kernel. */
struct rows {
    int count;
    const source *lanes,
        *scalars[4]; /* of the first: pixel 0, and its tap kw 0 of each kernel row */
    size_t next_lanes, next_scalars; /* to the next row's, elements */
};

/* One row of pixels with 3x3 taps: the first and the last may lack a column. */
INLINE void pixel_row(vec acc[][WIDE], const int wide, const int optimistic, const int kh0,
                      const int kh1, const struct chains *chains, const source *lanes,
                      size_t lane_stride, const source *const rows[]) {
    const struct tap_product *t = chains->product;
    const size_t pixel = GATHERS ? t->lane_stride : 1;
    const int last = t->width - 1;
    const int cut = last * t->step + 1 >= t->scalar_width; /* the last lacks its right column */
    if (last == 0 && cut) {
        pixel_taps(acc, wide, optimistic, 3, kh0, kh1, 1, 2, chains, lanes, lane_stride, rows, 0);
        return;
    }
    pixel_taps(acc, wide, optimistic, 3, kh0, kh1, 1, 3, chains, lanes, lane_stride, rows, 0);
    ptrdiff_t at = t->step;
    for (int left = last - cut; left > 0; left--, at += t->step) {
        lanes += pixel;
        /* Or they are computed anew behind the loop, which takes longer than it does. */
        __asm__("" : "+r"(lanes), "+r"(at));
        pixel_taps(acc, wide, optimistic, 3, kh0, kh1, 0, 3, chains, lanes, lane_stride, rows, at);
    }
    if (cut)
        pixel_taps(acc, wide, optimistic, 3, kh0, kh1, 0, 2, chains, lanes + pixel, lane_stride,
                   rows, at);
}

/* Takes the products of some rows with kernel rows kh0 .. kh1-1 into the sums of `wide` vectors of
 * lanes (all constants). */
INLINE void rows_of(const int wide, const int optimistic, const int kernel, const int kh0,
                    const int kh1, const struct chains *chains, struct rows rows, real *sums) {
    const struct tap_product *t = chains->product;
    const size_t pixel = GATHERS ? t->lane_stride : 1;
    /* One channel has no neighbour that could be read. */
    const size_t lane_stride = chains->count > 1 ? t->lane_stride : 0;
    vec acc[MAX_TAPS][WIDE];
    UNROLL for (int k = kh0 * kernel; k < kh1 * kernel; k++) UNROLL for (int v = 0; v < wide; v++)
        acc[k][v] = v_load(sums + (k * wide + v) * LANES);
    for (; rows.count > 0; rows.count--) {
        if (kernel == 3)
            pixel_row(acc, wide, optimistic, kh0, kh1, chains, rows.lanes, lane_stride,
                      rows.scalars);
        for (int w = 0; kernel == 2 && w < t->width; w++)
            pixel_taps(acc, wide, optimistic, 2, kh0, kh1, 0, 2, chains,
                       rows.lanes + (size_t)w * pixel, lane_stride, rows.scalars, w * t->step);
        rows.lanes += rows.next_lanes;
        UNROLL for (int kh = kh0; kh < kh1; kh++) rows.scalars[kh] += rows.next_scalars;
    }
    UNROLL for (int k = kh0 * kernel; k < kh1 * kernel; k++) UNROLL for (int v = 0; v < wide; v++)
        v_store(sums + (k * wide + v) * LANES, acc[k][v]);
}

/* By the first of the kernel's rows and the one behind the last; of a 2x2 kernel, in the last line,
 * of one channel or of two. Functions of their own, or compilers run out of registers. */
typedef void rows_fn(const struct chains *chains, const struct rows *rows, real *sums);
#define ROWS_FN(name, wide, optimistic, kernel, kh0, kh1)                                          \
    static NOINLINE void name(const struct chains *chains, const struct rows *rows, real *sums) {  \
        rows_of(wide, optimistic, kernel, kh0, kh1, chains, *rows, sums);                          \
    }
#define ROWS_FNS(name, wide, optimistic)                                                           \
    ROWS_FN(name##_0_1, wide, optimistic, 3, 0, 1)                                                 \
    ROWS_FN(name##_0_2, wide, optimistic, 3, 0, 2)                                                 \
    ROWS_FN(name##_0_3, wide, optimistic, 3, 0, 3)                                                 \
    ROWS_FN(name##_1_2, wide, optimistic, 3, 1, 2)                                                 \
    ROWS_FN(name##_1_3, wide, optimistic, 3, 1, 3)                                                 \
    ROWS_FN(name##_2_3, wide, optimistic, 3, 2, 3)                                                 \
    ROWS_FN(name##_of_2, wide, optimistic, 2, 0, 2)                                                \
    ROWS_FN(name##_of_4, wide, optimistic, 2, 0, 4)                                                \
    static rows_fn *const name[4][5] = {{NULL, name##_0_1, name##_0_2, name##_0_3},                \
                                        {NULL, NULL, name##_1_2, name##_1_3},                      \
                                        {NULL, NULL, NULL, name##_2_3},                            \
                                        {NULL, NULL, name##_of_2, NULL, name##_of_4}};
ROWS_FNS(exact_narrow, 1, 0)
#if WIDE > 1 && TALL == 3
ROWS_FNS(exact_wide, WIDE, 0)
#elif WIDE > 1
ROWS_FN(exact_wide_0_1, WIDE, 0, 3, 0, 1)
static rows_fn *const exact_wide[4][5] = {{NULL, exact_wide_0_1}};
#else
#define exact_wide exact_narrow
#endif
#if OPTIMISTIC && ROUNDS
ROWS_FNS(optimistic_narrow, 1, 1)
#if WIDE > 1 && TALL == 3
ROWS_FNS(optimistic_wide, WIDE, 1)
#elif WIDE > 1
ROWS_FN(optimistic_wide_0_1, WIDE, 1, 3, 0, 1)
static rows_fn *const optimistic_wide[4][5] = {{NULL, optimistic_wide_0_1}};
#else
#define optimistic_wide optimistic_narrow
#endif
#else
#define optimistic_narrow exact_narrow
#define optimistic_wide   exact_wide
#endif

/* The rows from link `link` on, before link `last`, with the same rows kh0 .. kh1-1 of the kernel:
 * kh1 <= kh0 where there are none. */
static struct rows rows_from(const struct chains *c, int link, int last, int *kh0, int *kh1) {
    const struct tap_product *t = c->product;
    const int middle = t->scalars->half[0].channels, half = c->channel >= middle;
    const struct half *of = &t->scalars->half[half];
    const source *channel = of->at + (size_t)(c->channel - half * middle) * of->stride;
    const int all = c->rows / t->kernel, each = lesser(all, t->kernel); /* the kernel's rows */
    const int h = t->first_row + link, top = h * t->step - t->origin + c->kernel_row;
    struct rows rows = {.count = 1,
                        .lanes = c->vectors.at,
                        .next_lanes = (size_t)t->width * (GATHERS ? t->lane_stride : 1),
                        .next_scalars = (size_t)(t->step * t->scalars->width)};
    rows.lanes += GATHERS ? (size_t)link * rows.next_lanes : (size_t)window_at(t->lanes, 0, h, 0);
    *kh0 = top < t->scalar_from ? t->scalar_from - top : 0;
    *kh1 = lesser(each, t->scalar_to - top);
    if (*kh0 == 0 && *kh1 == each) {
        int inside = (t->scalar_to - each - top) / t->step + 1;
        rows.count = lesser(lesser(last - link, inside),
                            rows_side_by_side(t->scalars, half, top, each, t->step));
        if (!GATHERS)
            rows.count = lesser(rows.count, rows_side_by_side(t->lanes, 0, h, 1, 1));
    }
    for (int kh = *kh0; kh < *kh1; kh++)
        rows.scalars[kh] = channel + window_at(t->scalars, half, top + kh, -t->origin);
    for (int kh = each; kh < all; kh++, *kh1 = all) /* of a second channel */
        rows.scalars[kh] = rows.scalars[kh - each] + of->stride;
    return rows;
}

/* Links are rows of the grid, and chains those of `row` lanes with the taps of one scalar channel,
 * or those of some of its kernel's rows; or with the 2x2 taps of two. */
static void run_product(const struct chains *c, int optimistic, int first, int last, real *sums) {
    const int wide = c->row > LANES, three = c->product->kernel == 3;
    rows_fn *const(*run)[5] = !optimistic ? (wide ? exact_wide : exact_narrow)
                                          : (wide ? optimistic_wide : optimistic_narrow);
    for (int i = 0; begins(c, first) && i < c->rows * c->row; i += LANES)
        v_store(sums + i, v_zero());
    for (int link = first, count; link < last; link += count) {
        int kh0, kh1;
        const struct rows rows = rows_from(c, link, last, &kh0, &kh1);
        if (kh0 < kh1)
            run[three ? kh0 : 3][kh1](c, &rows, sums);
        count = rows.count;
    }
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
