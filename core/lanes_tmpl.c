/* Faster twins of the convolutions, to the same bits: many output elements are computed side by
 * side in the lanes of a vector, and each still goes through the chain of ops_tmpl.c. Compiled once
 * per format and instruction set (MD_FORMAT, MD_LEVEL).
 *
 * There are two kernels, and every operator is one of them:
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
#include "ops.h"

#include "lanes_quick.h"
#include "network.h"

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

/* ---- chains ---------------------------------------------------------------------------------- */

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

/* ---- tap_sum --------------------------------------------------------------------------------- */

struct tap {
    ptrdiff_t source; /* from pixel p of the grid to the source element, elements */
    ptrdiff_t weight; /* from the channel's weights to the tap's, elements */
    int dh, dw;       /* the shift, -1 .. 1: the tap exists where (h + dh, w + dw) is in the grid */
};

struct tap_sum {
    int height, width;    /* of the grid */
    int channels;         /* the chain runs over these */
    size_t source_stride; /* from one of them to the next, elements */
    size_t weight_stride;
    size_t output_stride; /* weights: from one output channel to the next, elements */
    int tap_count;
    struct tap taps[MAX_TAPS];
};

/* Where finished sums go: output channel m, pixel (h, w) to plane m, element
 * (h * step) * row + w * step. */
struct sink {
    elem *to;
    size_t plane, row;
    int step;
    const elem *bias; /* added to the sum where not NULL */
    int accumulate;   /* the sum is added to what is there */
};

/* bits[tap * vectors + v]: which lanes of vector v the tap exists for. */
static void find_lanes(const struct tap_sum *t, int vectors, uint16_t *bits) {
    const unsigned all = (1u << LANES) - 1u;
    int pixels = t->height * t->width;
    for (int v = 0; v < vectors; v++) {
        int p = v * LANES, column = p % t->width;
        unsigned left = 0, right = 0, top = 0, bottom = 0;
        unsigned inside = p >= pixels ? 0 : pixels - p < LANES ? (1u << (pixels - p)) - 1u : all;
        for (int l = (t->width - column) % t->width; l < LANES; l += t->width)
            left |= 1u << l;
        for (int l = t->width - 1 - column; l < LANES; l += t->width)
            right |= 1u << l;
        if (p < t->width)
            top = t->width - p < LANES ? (1u << (t->width - p)) - 1u : all;
        int last_row = pixels - t->width;
        if (last_row < p + LANES)
            bottom = last_row > p ? all & ~((1u << (last_row - p)) - 1u) : all;
        for (int k = 0; k < t->tap_count; k++) {
            int dh = t->taps[k].dh, dw = t->taps[k].dw;
            bits[k * vectors + v] = (uint16_t)(inside &
                                               ~(dw < 0   ? left
                                                 : dw > 0 ? right
                                                          : 0) &
                                               ~(dh < 0   ? top
                                                 : dh > 0 ? bottom
                                                          : 0));
        }
    }
}

/* The sums of `m` output channels (a constant) for the pixels of TILE_P vectors. One straight way
 * through the loops, masked throughout: with a second one for vectors that need no mask, compilers
 * keep the accumulators in memory. */
INLINE void tile(const struct chains *chains, const int m, const int quick, int first, int last,
                 const real *weight, real *sums) {
    const struct tap_sum *t = chains->sum;
    const struct operand *vectors = &chains->vectors, *factors = &chains->factors;
    const real *source = vectors->at + (size_t)first * t->source_stride;
    vec acc[TILE_M][TILE_P];
    weight += (size_t)first * t->weight_stride;
    UNROLL for (int i = 0; i < m; i++) UNROLL for (int j = 0; j < TILE_P; j++) acc[i][j] =
        first == 0 ? v_zero() : v_load(sums + i * TILE + j * LANES);
    for (int c = first; c < last; c++) {
        const uint16_t *bits = chains->bits;
        for (int k = 0; k < t->tap_count; k++, bits += chains->bits_stride) {
            const real *x = source + t->taps[k].source, *w = weight + t->taps[k].weight;
            mask on[TILE_P];
            vec value[TILE_P];
            UNROLL for (int j = 0; j < TILE_P; j++) {
                on[j] = v_mask(bits + j);
                value[j] = as_wanted(v_load_masked(x + j * LANES, on[j]), vectors, quick);
            }
            UNROLL for (int i = 0; i < m; i++) {
                vec factor = as_wanted(v_splat(w + (size_t)i * t->output_stride), factors, quick);
                UNROLL for (int j = 0; j < TILE_P; j++) acc[i][j] =
                    quick ? v_fma_quick(factor, value[j], acc[i][j], on[j])
                          : v_fma_masked(factor, value[j], acc[i][j], on[j]);
            }
        }
        source += t->source_stride;
        weight += t->weight_stride;
    }
    UNROLL for (int i = 0; i < m; i++) UNROLL for (int j = 0; j < TILE_P; j++)
        v_store(sums + i * TILE + j * LANES, acc[i][j]);
}

static NOINLINE void run_tile(const struct chains *c, int quick, int first, int last, real *sums) {
    const real *weight = c->factors.at;
    if (QUICK && quick && c->rows == TILE_M)
        tile(c, TILE_M, 1, first, last, weight, sums);
    else if (c->rows == TILE_M)
        tile(c, TILE_M, 0, first, last, weight, sums);
    for (int i = 0; c->rows < TILE_M && i < c->rows; i++, weight += c->sum->output_stride)
        if (QUICK && quick)
            tile(c, 1, 1, first, last, weight, sums + i * TILE);
        else
            tile(c, 1, 0, first, last, weight, sums + i * TILE);
}

/* n elements of the sink from pixel p on: copied to `some`, or from it. */
static void gather(const struct sink *sink, const elem *plane, int p, int n, int width,
                   elem *some) {
    for (int l = 0, h = p / width, w = p % width; l < n; l++, w++) {
        h += w == width;
        w = w == width ? 0 : w;
        some[l] = plane[(size_t)(h * sink->step) * sink->row + (size_t)(w * sink->step)];
    }
}
static void scatter(const struct sink *sink, const elem *some, int p, int n, int width,
                    elem *plane) {
    for (int l = 0, h = p / width, w = p % width; l < n; l++, w++) {
        h += w == width;
        w = w == width ? 0 : w;
        plane[(size_t)(h * sink->step) * sink->row + (size_t)(w * sink->step)] = some[l];
    }
}

/* Storing an element rounds, so a sum need not be rounded before. */
static void put(const struct sink *sink, int channel, int p, int count, int width,
                const real *sums) {
    elem *to = sink->to + (size_t)channel * sink->plane;
    real bias = sink->bias != NULL ? md_load(sink->bias[channel]) : 0;
    int dense = sink->step == 1;
    for (; count > 0; p += LANES, count -= LANES, sums += LANES) {
        int n = count < LANES ? count : LANES;
        elem some[LANES];
        vec sum = v_load(sums);
        if (sink->bias != NULL)
            sum = v_wide_add(sum, v_splat(&bias));
        if (sink->accumulate && dense)
            sum = v_wide_add(load_elements(to + p, (size_t)n), sum);
        if (sink->accumulate && !dense) {
            __builtin_memset(some, 0, sizeof some);
            gather(sink, to, p, n, width, some);
            sum = v_wide_add(v_widen(some), sum);
        }
        if (dense) {
            store_elements(to + p, (size_t)n, sum);
        } else {
            v_narrow(some, sum);
            scatter(sink, some, p, n, width, to);
        }
    }
}

/* Whether the sign of a sum that is zero is seen: not when something but -0 is added to it. */
static int shows_sign(const struct sink *sink, int parts, int channels) {
    int shows = sink->bias == NULL && parts == 1;
    for (int c = 0; sink->bias != NULL && c < channels; c++) {
        real bias = md_load(sink->bias[c]);
        shows |= bias == 0 && 1 / bias < 0;
    }
    return shows;
}

/* All of it for output channels first .. last-1. With `parts` > 1 there are that many chains, their
 * sources part_stride elements apart and their weights one; their sums are added to 0 in order. */
static void run_tap_sum(const struct tap_sum *t, struct operand source, struct operand weight,
                        int parts, size_t part_stride, int first, int last, const struct sink *sink,
                        uint16_t *bits) {
    int pixels = t->height * t->width;
    int vectors = (int)round_up((size_t)pixels, TILE) / LANES;
    real sums[TILE_M * TILE], total[TILE_M * TILE];
    struct chains chains = {.run = run_tile,
                            .links = t->channels,
                            .tail = shows_sign(sink, parts, last - first),
                            .row = TILE,
                            .vectors = source,
                            .factors = weight,
                            .sum = t,
                            .bits_stride = (size_t)vectors};
    find_lanes(t, vectors, bits);
    for (int v = 0; v < vectors; v += TILE_P)
        for (int channel = first; channel < last; channel += TILE_M) {
            int m = last - channel < TILE_M ? last - channel : TILE_M;
            int count = pixels - v * LANES < TILE ? pixels - v * LANES : TILE;
            chains.rows = m;
            chains.count = count;
            chains.bits = bits + v;
            for (int part = 0; part < parts; part++) {
                chains.vectors.at = source.at + (size_t)part * part_stride + (size_t)v * LANES;
                chains.factors.at = weight.at + (size_t)channel * t->output_stride + (size_t)part;
                find(&chains, sums);
                for (int i = 0; parts > 1 && i < m * TILE; i += LANES)
                    v_store(total + i,
                            v_add(part == 0 ? v_zero() : v_load(total + i), v_load(sums + i)));
            }
            for (int i = 0; i < m; i++)
                put(sink, channel - first + i, v * LANES, count, t->width,
                    (parts > 1 ? total : sums) + i * TILE);
        }
}

/* ---- tap_product ----------------------------------------------------------------------------- */

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

/* ---- the operators --------------------------------------------------------------------------- */

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

void MD_NAME(MD_PASTE(md_lanes_, MD_LEVEL))(struct md_ops *ops) {
#if defined(__AVX2__)
    ops->leaky_forward = leaky_forward;
    ops->leaky_backward = leaky_backward;
#endif
    ops->scratch_bytes = scratch_bytes;
    ops->conv_forward = conv_forward;
    ops->conv_input_gradient = conv_input_gradient;
    ops->conv_weight_gradient = conv_weight_gradient;
    ops->tconv_forward = tconv_forward;
    ops->tconv_input_gradient = tconv_input_gradient;
    ops->tconv_weight_gradient = tconv_weight_gradient;
}
