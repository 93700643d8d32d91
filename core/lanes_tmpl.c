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

#include "lanes.h"

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

static const real *widened(const elem *from, size_t n, real *room) {
#if WIDENS
    for (size_t i = 0; i < n; i += LANES) {
        vec a = load_elements(from + i, n - i);
        if (i + LANES <= n)
            v_store(room + i, a);
        for (size_t l = i; i + LANES > n && l < n; l++)
            room[l] = md_load(from[l]);
    }
    return room;
#else
    (void)n;
    (void)room;
    return from;
#endif
}

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
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
INLINE void tile(const struct tap_sum *t, const int m, const real *source, const real *weight,
                 const uint16_t *bits, int vectors, real *sums) {
    vec acc[TILE_M][TILE_P];
    UNROLL for (int i = 0; i < m; i++) UNROLL for (int j = 0; j < TILE_P; j++) acc[i][j] = v_zero();
    for (int c = 0; c < t->channels; c++) {
        for (int k = 0; k < t->tap_count; k++) {
            const real *x = source + t->taps[k].source, *w = weight + t->taps[k].weight;
            const uint16_t *b = bits + k * vectors;
            mask on[TILE_P];
            vec value[TILE_P];
            UNROLL for (int j = 0; j < TILE_P; j++) {
                on[j] = v_mask(b[j]);
                value[j] = v_load_masked(x + j * LANES, on[j]);
            }
            UNROLL for (int i = 0; i < m; i++) {
                vec factor = v_splat(w + (size_t)i * t->output_stride);
                UNROLL for (int j = 0; j < TILE_P; j++) acc[i][j] =
                    v_fma_masked(factor, value[j], acc[i][j], on[j]);
            }
        }
        source += t->source_stride;
        weight += t->weight_stride;
    }
    UNROLL for (int i = 0; i < m; i++) UNROLL for (int j = 0; j < TILE_P; j++)
        v_store(sums + i * TILE + j * LANES, acc[i][j]);
}

static NOINLINE void tile_of(int m, const struct tap_sum *t, const real *source, const real *weight,
                             const uint16_t *bits, int vectors, real *sums) {
    if (m == TILE_M)
        tile(t, TILE_M, source, weight, bits, vectors, sums);
    else
        for (int i = 0; i < m; i++)
            tile(t, 1, source, weight + (size_t)i * t->output_stride, bits, vectors,
                 sums + i * TILE);
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

static void put(const struct sink *sink, int channel, int p, int count, int width,
                const real *sums) {
    elem *to = sink->to + (size_t)channel * sink->plane;
    real bias = sink->bias != NULL ? md_load(sink->bias[channel]) : 0;
    int dense = sink->step == 1;
    for (; count > 0; p += LANES, count -= LANES, sums += LANES) {
        int n = count < LANES ? count : LANES;
        elem some[LANES] = {0};
        vec sum = v_load(sums);
        if (sink->bias != NULL)
            sum = v_add(sum, v_splat(&bias));
        if (sink->accumulate && !dense)
            gather(sink, to, p, n, width, some);
        if (sink->accumulate)
            sum = v_add(dense ? load_elements(to + p, (size_t)n) : v_widen(some), sum);
        if (dense) {
            store_elements(to + p, (size_t)n, sum);
        } else {
            v_narrow(some, sum);
            scatter(sink, some, p, n, width, to);
        }
    }
}

/* All of it for output channels first .. last-1. With `parts` > 1 there are that many chains, their
 * sources part_stride elements apart and their weights one; their sums are added to 0 in order. */
static void run_tap_sum(const struct tap_sum *t, const real *source, const real *weight, int parts,
                        size_t part_stride, int first, int last, const struct sink *sink,
                        uint16_t *bits) {
    int pixels = t->height * t->width;
    int vectors = (int)round_up((size_t)pixels, TILE) / LANES;
    real sums[TILE_M * TILE], total[TILE_M * TILE];
    find_lanes(t, vectors, bits);
    for (int v = 0; v < vectors; v += TILE_P)
        for (int channel = first; channel < last; channel += TILE_M) {
            int m = last - channel < TILE_M ? last - channel : TILE_M;
            int count = pixels - v * LANES < TILE ? pixels - v * LANES : TILE;
            for (int part = 0; part < parts; part++) {
                unsigned before = v_fma_begin();
                tile_of(m, t, source + (size_t)part * part_stride + v * LANES,
                        weight + (size_t)channel * t->output_stride + part, bits + v, vectors,
                        sums);
                v_fma_end(before);
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
INLINE void pixel_taps(vec acc[][WIDE], const int wide, const int kernel, const int kh0,
                       const int kh1, const int kw0, const int kw1, const real *lanes,
                       const real *scalar, int row) {
    vec value[WIDE];
    for (int v = 0; v < wide; v++)
        value[v] = v_load(lanes + v * LANES);
    for (int kh = kh0; kh < kh1; kh++)
        for (int kw = kw0; kw < kw1; kw++) {
            vec factor = v_splat(scalar + kh * row + kw);
            for (int v = 0; v < wide; v++)
                acc[kh * kernel + kw][v] = v_fma(value[v], factor, acc[kh * kernel + kw][v]);
        }
}

/* One row of pixels with 3x3 taps: the first and the last may lack a column. */
INLINE void pixel_row(vec acc[][WIDE], const int wide, const int kh0, const int kh1,
                      const struct tap_product *t, const real *lanes, size_t lane_stride,
                      const real *scalar) {
    int last = t->width - 1, row = t->scalar_width;
    int cut = last * t->step + 1 >= t->scalar_width; /* the last pixel lacks its right column */
    if (last == 0 && cut) {
        pixel_taps(acc, wide, 3, kh0, kh1, 1, 2, lanes, scalar, row);
        return;
    }
    pixel_taps(acc, wide, 3, kh0, kh1, 1, 3, lanes, scalar, row);
    for (int w = 1; w < last + !cut; w++) {
        lanes += lane_stride;
        scalar += t->step;
        pixel_taps(acc, wide, 3, kh0, kh1, 0, 3, lanes, scalar, row);
    }
    if (cut)
        pixel_taps(acc, wide, 3, kh0, kh1, 0, 2, lanes + lane_stride, scalar + t->step, row);
}

/* The chains of `wide` (a constant) vectors of lanes with every tap of one scalar channel. */
INLINE void product(const struct tap_product *t, const int wide, const real *lanes,
                    size_t lane_stride, const real *scalar, real *sums) {
    vec acc[MAX_TAPS][WIDE];
    const int taps = t->kernel * t->kernel;
    for (int k = 0; k < MAX_TAPS; k++)
        for (int v = 0; v < wide; v++)
            acc[k][v] = v_zero();
    for (int h = 0; h < t->height; h++) {
        int top = h * t->step - t->origin;
        const real *row = scalar + (ptrdiff_t)top * t->scalar_width - t->origin;
        const real *row_lanes = lanes + (size_t)(h * t->width) * lane_stride;
        if (t->kernel == 2)
            for (int w = 0; w < t->width; w++)
                pixel_taps(acc, wide, 2, 0, 2, 0, 2, row_lanes + (size_t)w * lane_stride,
                           row + w * t->step, t->scalar_width);
        else if (top >= 0 && top + 3 <= t->scalar_height)
            pixel_row(acc, wide, 0, 3, t, row_lanes, lane_stride, row);
        else if (top >= 0)
            pixel_row(acc, wide, 0, 2, t, row_lanes, lane_stride, row);
        else if (top + 3 <= t->scalar_height)
            pixel_row(acc, wide, 1, 3, t, row_lanes, lane_stride, row);
        else
            pixel_row(acc, wide, 1, 2, t, row_lanes, lane_stride, row);
    }
    for (int k = 0; k < taps; k++)
        for (int v = 0; v < wide; v++)
            v_store(sums + (k * wide + v) * LANES, acc[k][v]);
}

static NOINLINE void product_of(int wide, const struct tap_product *t, const real *lanes,
                                size_t lane_stride, const real *scalar, real *sums) {
    if (wide == 1)
        product(t, 1, lanes, lane_stride, scalar, sums);
    else
        product(t, WIDE, lanes, lane_stride, scalar, sums);
}

/* to[(lane * scalars + scalar) * taps + tap] for `count` lanes. */
static void run_tap_product(const struct tap_product *t, const real *lanes, size_t lane_stride,
                            int count, const real *scalars, elem *to) {
    int taps = t->kernel * t->kernel;
    size_t plane = (size_t)t->scalar_height * (size_t)t->scalar_width;
    real sums[MAX_TAPS * WIDE * LANES];
    for (int first = 0; first < count; first += WIDE * LANES) {
        int wide = WIDE > 1 && count - first > LANES ? WIDE : 1;
        int here = count - first < wide * LANES ? count - first : wide * LANES;
        for (int s = 0; s < t->scalars; s++) {
            unsigned before = v_fma_begin();
            product_of(wide, t, lanes + first, lane_stride, scalars + (size_t)s * plane, sums);
            v_fma_end(before);
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
    size_t operand = WIDENS ? larger(ci * pixels, co * output) : 0;
    size_t weight = WIDENS ? ci * co * (transposed ? 4 : 9) : 0;
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
    const real *source = widened(x, (size_t)(s->ci * s->height * s->width), room.operand);
    if (s->stride == 2) {
        split_phases(source, s->ci, s->height, s->width, room.arranged);
        source = room.arranged;
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
    const real *source = widened(dy, (size_t)(s->co * ho * wo), room.operand);
    const real *weights = widened(weight, (size_t)(s->co * s->ci) * 9, room.weight);
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
    run_tap_product(&t, lanes, stride, last - first,
                    widened(x, (size_t)(s->ci * s->height * s->width), room.operand),
                    (elem *)dweight + (size_t)first * (size_t)s->ci * 9);
    sum_lanes(lanes, stride, (int)pixels, last - first, (elem *)dbias + first);
}

static void tconv_forward(const struct md_shape *s, const void *x, const void *weight,
                          const void *bias, void *y, void *scratch, struct md_part part) {
    int first, last;
    size_t pixels = (size_t)s->height * (size_t)s->width, row = 2 * (size_t)s->width;
    struct room room = room_in(s, 1, scratch);
    struct tap_sum t = {s->height, s->width, s->ci, pixels, (size_t)s->co * 4, 4, 1, {{0}}};
    const real *source = widened(x, (size_t)s->ci * pixels, room.operand);
    const real *weights = widened(weight, (size_t)(s->ci * s->co) * 4, room.weight);
    md_share(part, s->co, &first, &last);
    for (int k = 0; k < 4; k++) {
        struct sink sink = {(elem *)y + (size_t)first * 4 * pixels + (size_t)(k / 2) * row + k % 2,
                            4 * pixels,
                            row,
                            2,
                            (const elem *)bias + first,
                            0};
        run_tap_sum(&t, source, weights + k, 1, 0, first, last, &sink, room.bits);
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
    split_phases(widened(dy, (size_t)s->co * 4 * pixels, room.operand), s->co, 2 * s->height,
                 2 * s->width, room.arranged);
    struct sink sink = {
        (elem *)dx + (size_t)from * pixels, pixels, (size_t)s->width, 1, NULL, accumulate};
    run_tap_sum(&t, room.arranged, widened(weight, (size_t)(s->ci * s->co) * 4, room.weight), 4,
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
    run_tap_product(&t, lanes, stride, last - first,
                    widened(dy, (size_t)(s->co * 4 * pixels), room.operand),
                    (elem *)dweight + (size_t)first * (size_t)s->co * 4);
    md_share(part, s->co, &first, &last);
    stride = round_up((size_t)(last - first), LANES);
    transpose((const elem *)dy + (size_t)first * 4 * (size_t)pixels, last - first, 4 * pixels,
              stride, lanes);
    sum_lanes(lanes, stride, 4 * pixels, last - first, (elem *)dbias + first);
}

void MD_NAME(MD_PASTE(md_lanes_, MD_LEVEL))(struct md_ops *ops) {
    ops->scratch_bytes = scratch_bytes;
    ops->conv_forward = conv_forward;
    ops->conv_input_gradient = conv_input_gradient;
    ops->conv_weight_gradient = conv_weight_gradient;
    ops->tconv_forward = tconv_forward;
    ops->tconv_input_gradient = tconv_input_gradient;
    ops->tconv_weight_gradient = tconv_weight_gradient;
}
