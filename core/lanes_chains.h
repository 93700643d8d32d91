/* For lanes_tmpl.c: operands as its kernels read them, and chains of fused steps, computed the
 * optimistic way (lanes_optimistic.h) if that is right and else by v_fma (lanes.h). */
#ifndef MD_CORE_LANES_CHAINS_H
#define MD_CORE_LANES_CHAINS_H

#include <limits.h>

#include "lanes_optimistic.h"
#include "network.h"
#include "ops.h"

#define INLINE   static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
/* Before a loop of a few constant rounds: takes it apart early enough for its array of vectors to
 * become registers. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif
#define TILE (TILE_P * LANES)
/* Columns of a transposed convolution that are found together, by weights that lie side by side. */
#define PAIR     (GATHERS ? 2 : 1)
#define MAX_TAPS 9

/* Levels that gather want their operands as real numbers, and often side by side: the rows that a
 * call needs are put in scratch first, unless they can be read where they are (numbers one by one,
 * or vectors that do not touch what is beside a row). Others always read them where they are, so
 * that a device needs next to no scratch. */
#define WIDENS        (GATHERS && MD_NUMBER > MD_NUMBER_fp64 && !MD_NATIVE_HALF)
#define READS_NUMBERS (!WIDENS)
#if GATHERS
#define READS_ROWS (!WIDENS && MASKED_LOADS)
typedef real source;
#else
#define READS_ROWS 1
typedef elem source;
#endif

/* A vector's worth of elements, of which the first n are in `from`, which is not read beyond them:
 * there, or in `some`, with zeros behind them. */
static inline const elem *whole_vector(const elem *from, size_t n, elem some[LANES]) {
    if (n >= LANES)
        return from;
    for (size_t i = 0; i < LANES; i++)
        some[i] = i < n ? from[i] : 0;
    return some;
}

#define MASKS_ENDS (GATHERS && READS_ROWS)
#if MASKS_ENDS
/* The first n lanes of a vector. */
static inline mask first_lanes(size_t n) {
    return v_mask_of(n < LANES ? (1u << n) - 1u : ~0u);
}
#endif

/* The first n elements, at most a vector's worth: `from` is not read beyond them, nor `to` written.
 */
static vec load_elements(const elem *from, size_t n) {
#if MASKS_ENDS
    const mask first = first_lanes(n);
    return n < LANES ? v_load_masked(from, &first) : v_load(from);
#else
    elem some[LANES];
    return v_widen(whole_vector(from, n, some));
#endif
}
/* One element in all lanes. */
static vec v_widen_one(const elem *from) {
    real number = md_load(*from);
    return v_splat(&number);
}
static void store_elements(elem *to, size_t n, vec a) {
    if (n >= LANES) {
        v_narrow(to, a);
        return;
    }
#if MASKS_ENDS
    v_store_masked(to, first_lanes(n), a);
#else
    elem some[LANES];
    v_narrow(some, a);
    for (size_t i = 0; i < n; i++)
        to[i] = some[i];
#endif
}

#if GATHERS
/* a, but a * slope in the lanes of m. The slope is a power of two: wide, the product is exact. */
static inline vec v_leaky(mask m, vec a) {
#if MASKS_STEPS
    return V(mask_mul)(a, m, a, V(set1)((real)MD_LEAKY_SLOPE));
#else
    return v_blend(m, a, v_round(v_scale(a, (real)MD_LEAKY_SLOPE)));
#endif
}

/* Which lanes are off in a mask from bit i on, of which the first n count. No byte without one of
 * those is read. */
static inline mask lanes_off(const uint8_t *on, size_t i, size_t n) {
    uint64_t bits = 0;
    on += i / 8;
    if (LANES % 8 == 0 && n == LANES && i % 8 == 0)
        __builtin_memcpy(&bits, on, LANES / 8);
    else
        for (size_t b = 0; b < i % 8 + n; b += 8)
            bits |= (uint64_t)*on++ << b;
    return v_mask_of(~(unsigned)(bits >> i % 8));
}
#endif

/* Neighbouring pixels, `step` elements apart, in the lanes of m; one number in all lanes; one pixel
 * of neighbouring channels, `stride` elements apart (gathered: side by side). */
static inline vec v_pixels(const source *from, int step, const mask *m) {
#if GATHERS
    (void)step;
    return v_load_masked(from, m);
#elif LANES == 2
    if (*m == 3 && step == 1)
        return v_widen(from);
    return (vec){(*m & 1u) != 0 ? md_load(from[0]) : 0, (*m & 2u) != 0 ? md_load(from[step]) : 0};
#else
    (void)step;
    return *m != 0 ? md_load(*from) : 0;
#endif
}
static inline vec v_all_pixels(const source *from, int step) {
#if GATHERS
    (void)step;
    return v_load(from);
#else
    const mask all = V_ALL;
    return v_pixels(from, step, &all);
#endif
}
static inline vec v_factor(const source *from) {
#if GATHERS
    return v_splat(from);
#else
    return v_widen_one(from);
#endif
}
/* PAIR numbers in the lanes of a pixel's columns; and pixels in those of PAIR columns each. */
static inline vec v_factors(const source *from) {
#if GATHERS
    return v_splat_pair(from);
#else
    return v_factor(from);
#endif
}
static inline vec v_doubled_pixels(const source *from) {
#if GATHERS
    return v_load_doubled(from);
#else
    return v_all_pixels(from, 1);
#endif
}
static inline vec v_channels(const source *from, size_t stride) {
#if GATHERS
    (void)stride;
    return v_load(from);
#elif LANES == 2
    return (vec){md_load(from[0]), md_load(from[stride])};
#else
    (void)stride;
    return md_load(*from);
#endif
}

struct operand {
    const source *at;
    int optimistic; /* fit for lanes_optimistic.h: */
    real unscale;   /* times this they are the numbers themselves */
};

static int lesser(int a, int b) {
    return a < b ? a : b;
}

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

#if GATHERS
/* Numbers in scratch, of such extremes. */
static struct operand operand_of(const real *at, const struct extremes *extremes) {
    real scale = v_optimistic_scale(extremes);
    return (struct operand){at, scale != 0, scale != 0 ? 1 / scale : 1};
}

/* The first n elements, at most a vector's worth, as numbers that are scaled. */
static vec load_scaled(const elem *from, size_t n, real scale) {
    vec numbers = load_elements(from, n);
    return OPTIMISTIC && ROUNDS ? v_scale(numbers, scale) : numbers;
}

/* n elements, n > 0: the last vector ends with the last of them, where there are enough. */
static void include(struct extremes *extremes, const elem *from, int n) {
    elem some[LANES];
    int last = n > LANES ? n - LANES : 0;
    for (int i = 0; i < last; i += LANES)
        v_include(extremes, from + i);
    v_include(extremes, whole_vector(from + last, (size_t)n, some));
}
/* Whole vectors are written. */
static void widen(const elem *from, int n, real scale, real *to) {
    int last = n > LANES ? n - LANES : 0;
    for (int i = 0; i < last; i += LANES)
        v_store(to + i, load_scaled(from + i, LANES, scale));
    v_store(to + last, load_scaled(from + last, (size_t)n, scale));
}
#endif

/* An operand's numbers as the chains of one way or the other want them. */
INLINE vec as_wanted(vec numbers, const struct operand *of, const int optimistic) {
    return OPTIMISTIC && ROUNDS && !optimistic ? v_scale(numbers, of->unscale) : numbers;
}

/* ---- maps as the kernels read them ----------------------------------------------------------- */

/* Some rows of the channels of up to two maps: where they lie, or gathered. Of two phases (only
 * gathered), even and odd rows are apart, so that a step of two is one to the neighbour; of four,
 * columns too. */
struct window {
    struct half {
        const source *at; /* without channels: anywhere */
        size_t stride;    /* from a channel to the next, elements */
        int channels;
        int rows; /* of the ring */
    } half[2];
    int width, first_row, phases;
    int gathered;
    size_t phase; /* from a phase to the next, elements */
};

/* From a half's first element to row h's column w (-1: before its row's begin), elements. */
static ptrdiff_t window_at(const struct window *window, int half, int h, int w) {
    int rows = window->half[half].rows;
    if (!window->gathered)
        return (ptrdiff_t)(h < rows ? h : h % rows) * window->width + w;
    int r = window->phases > 1, c = window->phases > 2; /* log2 of rows' and columns' */
    h -= window->first_row;
    return (ptrdiff_t)window->phase * (((h & r) << c) + (w & c)) + (h >> r) * (window->width >> c) +
           (w >> c);
}

/* So many rows from row `top` of a half on, `step` apart, of which each reads `rows` rows, lie side
 * by side. */
static int rows_side_by_side(const struct window *window, int half, int top, int rows, int step) {
    int ring = window->half[half].rows, slot = top % ring;
    if (window->gathered)
        return INT_MAX;
    return slot + rows <= ring ? (ring - rows - slot) / step + 1 : 1;
}

/* The rows of up to two maps where they are. */
static struct window open_in_place(const struct md_map *maps, int parts, struct operand *operand) {
    struct window window = {.width = maps[0].width};
    for (int half = 0; half < parts; half++)
        window.half[half] = (struct half){maps[half].at, md_map_plane(&maps[half]),
                                          maps[half].channels, maps[half].rows};
    if (window.half[1].channels == 0)
        window.half[1].at = window.half[0].at;
    *operand = (struct operand){NULL, OPTIMISTIC, 1};
    return window;
}

#if GATHERS

/* Elements that a window of so many rows takes: what is read beside them is there, too. */
static size_t window_size(int channels, int rows, int width) {
    size_t numbers = (size_t)channels * (size_t)(rows + rows % 2) * (size_t)width;
    return LANES + round_up(numbers, LANES) + (size_t)4 * (TILE + LANES);
}

/* Channels first .. last-1 of up to two maps, rows from .. to-1, as they will be in scratch. */
static struct operand operand_of_rows(const struct md_map *maps, int parts, int first, int last,
                                      int from, int to, const real *at) {
    struct extremes extremes;
    v_no_extremes(&extremes);
    for (; parts > 0; parts--, first -= maps->channels, last -= maps->channels, maps++)
        for (int c = first > 0 ? first : 0; c < lesser(last, maps->channels); c++)
            for (int h = from, run; h < to; h += run) {
                run = lesser(to - h, maps->rows - h % maps->rows);
                include(&extremes, (const elem *)maps->at + md_map_row(maps, c, h),
                        run * maps->width);
            }
    return operand_of(at, &extremes);
}

/* A row's even and odd columns apart. Whole vectors are written. */
static void gather_phases(const elem *from, int width, size_t phase, real scale, real *to) {
    for (int w = 0; w < width; w += 2 * LANES, to += LANES) {
        vec even = load_scaled(from + w, (size_t)(width - w), scale), odd = v_zero();
        if (w + LANES < width)
            odd = load_scaled(from + w + LANES, (size_t)(width - w - LANES), scale);
        v_deinterleave(&even, &odd);
        v_store(to, even);
        v_store(to + phase, odd);
    }
}

static void fill_zeros(real *to, size_t n) {
    for (size_t i = 0; i < n; i += LANES)
        v_store(to + i, v_zero());
}

/* Rows first .. last-1 (of more phases than 1: first is even), zeros where there is none; in_place:
 * all there are. */
static struct window open_window(const struct md_map *maps, int parts, int first, int last,
                                 int in_place, int phases, real *room, struct operand *operand) {
    int channels = 0, width = maps[0].width, columns = phases > 2 ? 2 : 1;
    if (in_place)
        return open_in_place(maps, parts, operand);
    for (int half = 0; half < parts; half++)
        channels += maps[half].channels;
    last += phases > 1 && (last - first) % 2;
    size_t row = (size_t)(width / columns);
    size_t plane = (size_t)(last - first) * (size_t)width / (size_t)phases;
    struct window window = {.width = width, .first_row = first, .phases = phases, .gathered = 1};
    window.phase = (size_t)channels * plane + TILE;
    real *to = room + LANES;
    *operand = operand_of_rows(maps, parts, 0, channels, first > 0 ? first : 0,
                               lesser(last, maps[0].height), to);
    const real scale = 1 / operand->unscale;
    for (int half = 0; half < parts; half++)
        for (int c = 0; c < maps[half].channels; c++, to += plane)
            for (int h = first, run; h < last; h += run) {
                const struct md_map *map = &maps[half];
                int inside = h >= 0 && h < map->height;
                int here = inside ? map->rows - h % map->rows : 1;
                real *at = to + window_at(&window, half, h, 0);
                const elem *from = (const elem *)map->at + (inside ? md_map_row(map, c, h) : 0);
                run = phases > 1 || !inside ? 1 : lesser(lesser(last, map->height) - h, here);
                if (!inside && columns > 1)
                    fill_zeros(at + window.phase, row);
                if (!inside)
                    fill_zeros(at, row);
                else if (columns > 1)
                    gather_phases(from, width, window.phase, scale, at);
                else
                    widen(from, run * width, scale, at);
            }
    for (int k = 0; k < phases; k++) /* behind the last */
        fill_zeros(room + LANES + (size_t)k * window.phase + (size_t)channels * plane,
                   window.phase - (size_t)channels * plane);
    window.half[0] = (struct half){room + LANES, plane, channels, last - first};
    window.half[1].at = window.half[0].at;
    return window;
}

#else

static struct window open_window(const struct md_map *maps, int parts, int first, int last,
                                 int in_place, int phases, real *room, struct operand *operand) {
    (void)first;
    (void)last;
    (void)in_place;
    (void)phases;
    (void)room;
    return open_in_place(maps, parts, operand);
}

#endif

struct tap_sum;
struct tap_product;

/* Chains that are computed together, `rows` times `row` (whole vectors of lanes, of which the first
 * `count` are meant): a tile of a tap_sum, or the taps of one scalar channel of a tap_product. */
struct chains {
    /* Takes links first .. last-1 of every chain, the optimistic way or by v_fma. Chains start from
     * 0 with link 0, unless they resume, else from what is in sums. */
    void (*run)(const struct chains *chains, int optimistic, int first, int last, real *sums);
    int optimistic; /* the optimistic way may be right */
    int links;      /* channels, or rows of pixels */
    int tail; /* so many at the end have a product in every chain; 0: a zero may have any sign */
    int rows, row, count;
    struct operand vectors, factors; /* what is multiplied: in lanes, and one for all lanes */
    int resumes;                     /* chains go on from what is in sums */
    struct tap_sum *sum;
    int first_tap, last_tap; /* of the tap_sum's: first_tap .. last_tap-1 */
    ptrdiff_t pixel;         /* of the tap_sum: the tile's first, from the halves' first element */
    int vector;              /* the tile's first */
    int adds_zeros;          /* it may have products of +0 that are not meant */
    const struct tap_product *product;
    int channel, kernel_row; /* of the tap_product's scalars; the first of its taps */
};

#define MOST_SUMS                                                                                  \
    (TILE_M * TILE > MAX_TAPS * WIDE * LANES ? TILE_M * TILE : MAX_TAPS * WIDE * LANES)

/* Whether the chains begin with link `link`. */
INLINE int begins(const struct chains *c, int link) {
    return link == 0 && !c->resumes;
}

static void run_by_fma(const struct chains *c, int first, int last, real *sums) {
    unsigned before = v_fma_begin();
    c->run(c, 0, first, last, sums);
    v_fma_end(before);
}

#if OPTIMISTIC

/* Sums found the optimistic way. UNSIGNED: right but for the signs of zeros. */
enum verdict { WRONG, UNSIGNED, RIGHT };

#if DOUBTS

/* Lanes that are meant, of the vector with sum number l of a row. */
static unsigned meant_lanes(const struct chains *c, int l) {
    return ~0u >> (32 - (c->count - l < LANES ? c->count - l : LANES));
}

/* Whether all sums that are meant are right for sure (v_sure). */
INLINE int are_sure(const struct chains *c, const real *sums, const int zeros) {
    const int last = (c->count - 1) / LANES * LANES;
    const unsigned meant = meant_lanes(c, last); /* in the last vectors */
    mask all = V_ALL, some = V_ALL;
    for (int r = 0; r < c->rows; r++, sums += c->row) {
        for (int l = 0; l < last; l += LANES)
            all = v_sure(all, v_load(sums + l), zeros);
        some = v_sure(some, v_load(sums + last), zeros);
    }
    return v_bits(all) == v_bits(V_ALL) && (v_bits(some) & meant) == meant;
}

#endif

/* Ends what v_watch_begin began, which changed how the processor rounds, and says what they are. */
static enum verdict settle(const struct chains *c, const real *sums) {
    if (ROUNDS && v_watch_end())
        return WRONG;
#if DOUBTS
    if ((!ROUNDS && !c->adds_zeros) || are_sure(c, sums, 1))
        return RIGHT;
    if (!are_sure(c, sums, 0) || (!ROUNDS && v_watch_end()))
        return WRONG;
    return LOSES_SIGNS ? UNSIGNED : RIGHT;
#else
    (void)c;
    (void)sums;
    return RIGHT;
#endif
}

#if ROUNDS

/* Sums of scaled operands are made what unscaled ones give. */
static void unscale(const struct chains *c, real *sums) {
    const real by = c->vectors.unscale * c->factors.unscale;
    for (int r = 0; r < c->rows; r++, sums += c->row)
        for (int l = 0; l < c->count; l += LANES)
            v_store(sums + l, v_scale(v_load(sums + l), by));
}

/* The tail by v_fma after all, from sums whose zeros may have the wrong sign: once from +0 and once
 * from -0. Whether that makes no difference, as it does not if a tail's products are not all -0:
 * sums are then right. */
static int add_tail(const struct chains *c, real *sums) {
    real other[MOST_SUMS], by = c->vectors.unscale * c->factors.unscale;
    for (int i = 0; i < c->rows * c->row; i++) {
        sums[i] = sums[i] == 0 ? 0 : sums[i] * by;
        other[i] = sums[i] == 0 ? -(real)0 : sums[i];
    }
    run_by_fma(c, c->links - c->tail, c->links, sums);
    run_by_fma(c, c->links - c->tail, c->links, other);
    for (int r = 0; r < c->rows; r++)
        if (__builtin_memcmp(sums + r * c->row, other + r * c->row,
                             (size_t)c->count * sizeof *sums) != 0)
            return 0;
    return 1;
}

/* Makes sums those of scaled operands, which notes one that gets too small like everything else: so
 * only vectors that are meant are there. Whether the optimistic way can go on from them: not from
 * infinities and NaN, of bf16 not from what 2^16 times is infinite; nor from -0, whose sign
 * products of +0 take away, where that is not found by the tail. */
static int rescale(const struct chains *c, real *sums) {
    const real scale = 1 / (c->vectors.unscale * c->factors.unscale);
    const int n = c->rows * c->row;
    const uint32_t beyond = MD_NUMBER == MD_NUMBER_bf16 ? (127u + 112u) << 24 : 0xff000000u;
    int32_t least = 0; /* of the numbers' bits: -0 has the least of all */
    uint32_t most = 0; /* of twice the bits of what they become */
    for (int l = (int)round_up((size_t)c->count, LANES); l < c->row; l += LANES)
        for (int i = l; i < n; i += c->row)
            v_store(sums + i, v_zero());
    for (int i = 0; i < n; i++) {
        int32_t bits = (int32_t)md_float_bits((float)sums[i]);
        least = bits < least ? bits : least;
        sums[i] *= scale;
        uint32_t twice = md_float_bits((float)sums[i]) << 1;
        most = twice > most ? twice : most;
    }
    return most < beyond && (LOSES_SIGNS || least != INT32_MIN);
}

/* Links first .. last-1 of chains, from sums as they are, scaled or not: the optimistic way if that
 * is right. Whether sums are scaled then. */
static int find_links(const struct chains *c, int first, int last, int scaled, real *sums) {
    int resumes = !begins(c, first), signs = LOSES_SIGNS && c->tail > 0;
    int tail = signs && c->tail < last - first ? c->tail : 0;
    size_t bytes = (size_t)(c->rows * c->row) * sizeof *sums;
    real start[MOST_SUMS], before[MOST_SUMS];
    if (resumes)
        __builtin_memcpy(start, sums, bytes);
    v_watch_begin();
    int can = !resumes || scaled || rescale(c, sums);
    if (can)
        c->run(c, 1, first, last - tail, sums);
    if (can && tail > 0) {
        __builtin_memcpy(before, sums, bytes);
        c->run(c, 1, last - tail, last, sums);
    }
    enum verdict verdict = settle(c, sums);
    if (can && (verdict == RIGHT || (verdict == UNSIGNED && !signs)))
        return 1;
    if (can && verdict == UNSIGNED && tail > 0 && add_tail(c, before)) {
        __builtin_memcpy(sums, before, bytes);
        return 0;
    }
    if (resumes)
        __builtin_memcpy(sums, start, bytes);
    if (resumes && scaled)
        unscale(c, sums);
    run_by_fma(c, first, last, sums);
    return 0;
}

/* In bf16 small sums make the optimistic way wrong; chains have them at their begin more than
 * later. So its links are found in parts, with more and more links, and where one has to be done
 * again the others need not. To begin and end one takes as long as some channels of a small tile,
 * in which little is wrong, too: there they are fewer. */
static void find_optimistically(const struct chains *c, real *sums) {
    const int times = c->product == NULL && TILE_M * TILE < 128 ? 8 : 2;
    int first = 0, last = MD_NUMBER == MD_NUMBER_bf16 ? 1 : c->links, scaled = 0;
    for (; first < c->links; first = last, last = lesser(times * last, c->links))
        scaled = find_links(c, first, last, scaled, sums);
    if (scaled)
        unscale(c, sums);
}

#else

static void find_optimistically(const struct chains *c, real *sums) {
    c->run(c, 1, 0, c->links, sums);
    if (settle(c, sums) != RIGHT)
        run_by_fma(c, 0, c->links, sums);
}

#endif
#endif

/* All links of chains. */
static void find(const struct chains *c, real *sums) {
#if OPTIMISTIC
    if (c->optimistic) {
        find_optimistically(c, sums);
        return;
    }
#endif
    run_by_fma(c, 0, c->links, sums);
}

#endif
