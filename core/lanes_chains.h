/* For lanes_tmpl.c: operands as its kernels read them, and chains of fused steps, computed the
 * quick way (lanes_quick.h) if that is right and else by v_fma (lanes.h). */
#ifndef MD_CORE_LANES_CHAINS_H
#define MD_CORE_LANES_CHAINS_H

#include "lanes_quick.h"

#define INLINE   static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
/* Before a loop of a few constant rounds: takes it apart early enough for its array of vectors to
 * become registers. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define TILE     (TILE_P * LANES)
#define MAX_TAPS 9

/* The first n elements, at most a vector's worth: `from` is not read beyond them, nor `to` written.
 */
static vec load_elements(const elem *from, size_t n) {
    elem some[LANES] = {0};
    if (n >= LANES)
        return v_widen(from);
    for (size_t i = 0; i < n; i++)
        some[i] = from[i];
    return v_widen(some);
}
static void store_elements(elem *to, size_t n, vec a) {
    elem some[LANES];
    if (n >= LANES) {
        v_narrow(to, a);
        return;
    }
    v_narrow(some, a);
    for (size_t i = 0; i < n; i++)
        to[i] = some[i];
}

/* The kernels read operands as real numbers. Those of a 16-bit format are widened into scratch
 * first, once per operand; the others are what they are. */
#define WIDENS (MD_NUMBER > MD_NUMBER_fp64 && !MD_NATIVE_HALF)

struct operand {
    const real *at;
    int quick;    /* fit for lanes_quick.h: */
    real unscale; /* times this they are the numbers themselves */
};

/* An operand of n numbers in scratch; whole vectors are touched. */
static struct operand scaled(real *numbers, size_t n) {
    real scale = v_quick_scale(numbers, n);
    for (size_t i = 0; scale != 0 && i < n; i += LANES)
        v_store(numbers + i, v_scale(v_load(numbers + i), scale));
    return (struct operand){numbers, scale != 0, scale != 0 ? 1 / scale : 1};
}

static struct operand widened(const elem *from, size_t n, real *room) {
#if WIDENS
    for (size_t i = 0; i < n; i += LANES)
        v_store(room + i, load_elements(from + i, n - i));
    return scaled(room, n);
#else
    (void)n;
    (void)room;
    return (struct operand){from, 0, 1};
#endif
}

/* An operand's numbers as the chains of one way or the other want them. */
INLINE vec as_wanted(vec numbers, const struct operand *of, const int quick) {
    return QUICK && !quick ? v_scale(numbers, of->unscale) : numbers;
}

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

struct tap_sum;
struct tap_product;

/* Chains that are computed together, `rows` times `row` (whole vectors of lanes, of which the first
 * `count` are meant): a tile of a tap_sum, or the taps of one scalar channel of a tap_product. */
struct chains {
    /* Takes links first .. last-1 of every chain, the quick way or by v_fma. Chains start from 0
     * with link 0, else from what is in sums. */
    void (*run)(const struct chains *chains, int quick, int first, int last, real *sums);
    int links; /* channels, or rows of pixels */
    int tail;  /* so many at the end have a product in every chain; 0: a zero may have any sign */
    int rows, row, count;
    struct operand vectors, factors; /* what is multiplied: in lanes, and one for all lanes */
    const struct tap_sum *sum;
    const uint16_t *bits; /* of the tap_sum's lanes: */
    size_t bits_stride;   /* from one tap's to the next */
    const struct tap_product *product;
    size_t lane_stride; /* of the tap_product's vectors: from one pixel's to the next */
};

#define MOST_SUMS                                                                                  \
    (TILE_M * TILE > MAX_TAPS * WIDE * LANES ? TILE_M * TILE : MAX_TAPS * WIDE * LANES)

static void run_by_fma(const struct chains *c, int first, int last, real *sums) {
    unsigned before = v_fma_begin();
    c->run(c, 0, first, last, sums);
    v_fma_end(before);
}

/* Sums found the quick way. UNSIGNED: right but for the signs of zeros. */
enum verdict { WRONG, UNSIGNED, RIGHT };

/* What they are. If not wrong, they are made what the unscaled operands give. */
static enum verdict settle(const struct chains *c, real *sums) {
    const real unscale = c->vectors.unscale * c->factors.unscale;
    unsigned zeros = 0;
    if (v_watch_end())
        return WRONG;
    for (int r = 0; r < c->rows; r++, sums += c->row)
        for (int l = 0; l < c->count; l += LANES) {
            vec sum = v_load(sums + l);
            unsigned meant = (1u << (c->count - l < LANES ? c->count - l : LANES)) - 1u;
            if ((v_infinite(sum) & meant) != 0)
                return WRONG;
            zeros |= v_unsigned(sum) & meant;
            v_store(sums + l, v_scale(sum, unscale));
        }
    return zeros != 0 ? UNSIGNED : RIGHT;
}

/* The tail by v_fma after all, from sums whose zeros may have the wrong sign: once from +0 and once
 * from -0. Whether that makes no difference, as it does not if a tail's products are not all -0:
 * sums are then right. */
static int add_tail(const struct chains *c, real *sums) {
    real other[MOST_SUMS], unscale = c->vectors.unscale * c->factors.unscale;
    for (int i = 0; i < c->rows * c->row; i++) {
        sums[i] = sums[i] == 0 ? 0 : sums[i] * unscale;
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

/* All links of chains: the quick way if that is right. */
static void find(const struct chains *c, real *sums) {
    if (QUICK && c->vectors.quick && c->factors.quick) {
        int signs = LOSES_SIGNS && c->tail > 0, tail = signs && c->tail < c->links ? c->tail : 0;
        size_t bytes = (size_t)(c->rows * c->row) * sizeof *sums;
        real before[MOST_SUMS];
        v_watch_begin();
        c->run(c, 1, 0, c->links - tail, sums);
        if (tail > 0) {
            __builtin_memcpy(before, sums, bytes);
            c->run(c, 1, c->links - tail, c->links, sums);
        }
        enum verdict verdict = settle(c, sums);
        if (verdict == RIGHT || (verdict == UNSIGNED && !signs))
            return;
        if (verdict == UNSIGNED && tail > 0 && add_tail(c, before)) {
            __builtin_memcpy(sums, before, bytes);
            return;
        }
    }
    run_by_fma(c, 0, c->links, sums);
}

#endif
