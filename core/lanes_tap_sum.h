/* For lanes_tmpl.c: the kernel tap_sum. */
#ifndef MD_CORE_LANES_TAP_SUM_H
#define MD_CORE_LANES_TAP_SUM_H

#include "lanes_chains.h"

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

/* n elements of the sink from pixel p on, a row's run at a time: copied to `some`, or from it. */
static void gather(const struct sink *sink, const elem *plane, int p, int n, int width,
                   elem *some) {
    for (int h = p / width, w = p % width, run; n > 0; h++, w = 0, n -= run, some += run) {
        const elem *from = plane + (size_t)(h * sink->step) * sink->row + (size_t)(w * sink->step);
        run = width - w < n ? width - w : n;
        for (int l = 0; l < run; l++)
            some[l] = from[l * sink->step];
    }
}
static void scatter(const struct sink *sink, const elem *some, int p, int n, int width,
                    elem *plane) {
    for (int h = p / width, w = p % width, run; n > 0; h++, w = 0, n -= run, some += run) {
        elem *to = plane + (size_t)(h * sink->step) * sink->row + (size_t)(w * sink->step);
        run = width - w < n ? width - w : n;
        for (int l = 0; l < run; l++)
            to[l * sink->step] = some[l];
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

#endif
