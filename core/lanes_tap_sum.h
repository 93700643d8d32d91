/* For lanes_tmpl.c: the kernel tap_sum. */
#ifndef MD_CORE_LANES_TAP_SUM_H
#define MD_CORE_LANES_TAP_SUM_H

#include "lanes_chains.h"

struct tap {
    ptrdiff_t source[2]; /* from pixel p of the grid to the source element, in either half */
    ptrdiff_t weight;    /* from the channel's weights to the tap's, elements */
    int dh, dw; /* the shift, -1 .. 1: the tap exists where (h + dh, w + dw) is in the grid, or dh
                 * leads to a row above or below it that is there */
    int bits;   /* which row of bits says so */
};

struct tap_sum {
    int height, width;           /* of the grid */
    int above, below;            /* 1: there are rows beside the grid */
    const struct window *window; /* the chain runs over the channels of its halves */
    int step;                    /* from a pixel to the next, source elements */
    size_t weight_stride;        /* from a channel to the next, elements */
    size_t output_stride;        /* weights: from one output channel to the next, elements */
    int parts; /* chains whose sums are added to 0 in order: each has one tap, that of its number */
    int tap_count;
    struct tap taps[MAX_TAPS];
};

/* Where finished sums go: output channel m, pixel (h, w) to row first_row + h * step, column
 * first_column + w * step of channel m. */
struct sink {
    const struct md_map *map;
    int first_channel, first_row, first_column, step;
    const elem *bias; /* added to the sum where not NULL */
    int accumulate;   /* the sum is added to what is there */
};

/* bits[v]: which lanes of vector v a tap exists for. */
static void find_lanes(const struct tap_sum *t, const struct tap *tap, int vectors,
                       uint16_t *bits) {
    const unsigned all = (1u << LANES) - 1u;
    int pixels = t->height * t->width, last_row = pixels - t->width;
    for (int v = 0; v < vectors; v++) {
        int p = v * LANES, column = p % t->width;
        unsigned off = 0;
        unsigned inside = p >= pixels ? 0 : pixels - p < LANES ? (1u << (pixels - p)) - 1u : all;
        if (tap->dw != 0) {
            int edge = tap->dw < 0 ? (t->width - column) % t->width : t->width - 1 - column;
            for (int l = edge; l < LANES; l += t->width)
                off |= 1u << l;
        }
        if (tap->dh < 0 && !t->above && p < t->width)
            off |= t->width - p < LANES ? (1u << (t->width - p)) - 1u : all;
        if (tap->dh > 0 && !t->below && last_row < p + LANES)
            off |= last_row > p ? all & ~((1u << (last_row - p)) - 1u) : all;
        bits[v] = (uint16_t)(inside & ~off);
    }
}

/* The sums of `m` output channels (a constant) for the pixels of TILE_P vectors, over channels
 * first .. last-1 of one half. One straight way through the loops, masked throughout: with a second
 * one for vectors that need no mask, compilers keep the accumulators in memory. */
INLINE void tile(const struct chains *chains, const int m, const int quick, int half, int first,
                 int last, int begin, const source *weight, real *sums) {
    const struct tap_sum *t = chains->sum;
    const struct operand *vectors = &chains->vectors, *factors = &chains->factors;
    const struct half *of = &t->window->half[half];
    const source *from = of->at + chains->pixel + (size_t)first * of->stride;
    const int vector = LANES * (GATHERS ? 1 : t->step);
    vec acc[TILE_M][TILE_P];
    UNROLL for (int i = 0; i < m; i++) UNROLL for (int j = 0; j < TILE_P; j++) acc[i][j] =
        begin ? v_zero() : v_load(sums + i * TILE + j * LANES);
    for (int c = first; c < last; c++) {
        for (int k = 0; k < t->tap_count; k++) {
            const uint16_t *bits = chains->bits + (size_t)t->taps[k].bits * chains->bits_stride;
            const source *x = from + t->taps[k].source[half], *w = weight + t->taps[k].weight;
            mask on[TILE_P];
            vec value[TILE_P];
            UNROLL for (int j = 0; j < TILE_P; j++) {
                on[j] = v_mask(bits + j);
                value[j] = as_wanted(v_pixels(x + j * vector, t->step, on[j]), vectors, quick);
            }
            UNROLL for (int i = 0; i < m; i++) {
                vec factor = as_wanted(v_factor(w + (size_t)i * t->output_stride), factors, quick);
                UNROLL for (int j = 0; j < TILE_P; j++) acc[i][j] =
                    quick ? v_fma_quick(factor, value[j], acc[i][j], on[j])
                          : v_fma_masked(factor, value[j], acc[i][j], on[j]);
            }
        }
        from += of->stride;
        weight += t->weight_stride;
    }
    UNROLL for (int i = 0; i < m; i++) UNROLL for (int j = 0; j < TILE_P; j++)
        v_store(sums + i * TILE + j * LANES, acc[i][j]);
}

static NOINLINE void run_half(const struct chains *c, int quick, int half, int first, int last,
                              int begin, const source *weight, real *sums) {
    if (QUICK && quick && c->rows == TILE_M)
        tile(c, TILE_M, 1, half, first, last, begin, weight, sums);
    else if (c->rows == TILE_M)
        tile(c, TILE_M, 0, half, first, last, begin, weight, sums);
    for (int i = 0; c->rows < TILE_M && i < c->rows; i++, weight += c->sum->output_stride)
        if (QUICK && quick)
            tile(c, 1, 1, half, first, last, begin, weight, sums + i * TILE);
        else
            tile(c, 1, 0, half, first, last, begin, weight, sums + i * TILE);
}

/* Links are the channels of both halves. */
static void run_tile(const struct chains *c, int quick, int first, int last, real *sums) {
    int middle = c->sum->window->half[0].channels;
    const source *weight = c->factors.at + (size_t)first * c->sum->weight_stride;
    if (first < middle || first == last)
        run_half(c, quick, 0, first, last < middle ? last : middle, begins(c, first), weight, sums);
    if (last > middle) {
        int from = first > middle ? first : middle;
        weight += (size_t)(from - first) * c->sum->weight_stride;
        run_half(c, quick, 1, from - middle, last - middle, begins(c, from), weight, sums);
    }
}

/* n elements of the sink from pixel p on, a row's run at a time: copied to `some`, or from it. */
static void move_run(const struct sink *sink, int channel, int p, int n, int width, elem *some,
                     int out) {
    for (int h = p / width, w = p % width, run; n > 0; h++, w = 0, n -= run, some += run) {
        elem *at = (elem *)sink->map->at +
                   md_map_row(sink->map, channel, sink->first_row + h * sink->step) +
                   (size_t)(sink->first_column + w * sink->step);
        run = width - w < n ? width - w : n;
        for (int l = 0; out && l < run; l++)
            at[l * sink->step] = some[l];
        for (int l = 0; !out && l < run; l++)
            some[l] = at[l * sink->step];
    }
}

/* Storing an element rounds, so a sum need not be rounded before. */
static void put(const struct sink *sink, int channel, int p, int count, const struct tap_sum *t,
                const real *sums) {
    int c = sink->first_channel + channel, slot = sink->first_row % sink->map->rows;
    real bias = sink->bias != NULL ? md_load(sink->bias[channel]) : 0;
    int dense = sink->step == 1 && slot + t->height <= sink->map->rows;
    elem *to = (elem *)sink->map->at + md_map_row(sink->map, c, sink->first_row);
    for (; count > 0; p += LANES, count -= LANES, sums += LANES) {
        int n = count < LANES ? count : LANES;
        elem some[LANES];
        vec sum = v_load(sums);
        if (sink->bias != NULL)
            sum = v_wide_add(sum, v_splat(&bias));
        if (sink->accumulate && dense)
            sum = v_wide_add(load_elements(to + p, (size_t)n), sum);
        if (sink->accumulate && !dense) {
            move_run(sink, c, p, n, t->width, some, 0);
            sum = v_wide_add(load_elements(some, (size_t)n), sum);
        }
        if (dense) {
            store_elements(to + p, (size_t)n, sum);
        } else {
            v_narrow(some, sum);
            move_run(sink, c, p, n, t->width, some, 1);
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

static int grid_vectors(const struct tap_sum *t) {
    return (int)round_up((size_t)(t->height * t->width), TILE) / LANES;
}

/* All of it for output channels first .. last-1, which are the sink's from its first channel on.
 * `numbers` says how the window's numbers are scaled. */
static void run_tap_sum(const struct tap_sum *t, struct operand numbers, struct operand weight,
                        int first, int last, const struct sink *sink, const uint16_t *bits) {
    int pixels = t->height * t->width, vectors = grid_vectors(t);
    real sums[TILE_M * TILE], total[TILE_M * TILE];
    struct tap_sum part = *t;
    struct chains chains = {.run = run_tile,
                            .links = t->window->half[0].channels + t->window->half[1].channels,
                            .tail = shows_sign(sink, t->parts, last - first),
                            .row = TILE,
                            .vectors = numbers,
                            .factors = weight,
                            .sum = &part,
                            .bits_stride = (size_t)vectors};
    part.tap_count = t->parts > 1 ? 1 : t->tap_count;
    for (int v = 0; v < vectors; v += TILE_P)
        for (int channel = first; channel < last; channel += TILE_M) {
            int m = last - channel < TILE_M ? last - channel : TILE_M;
            int count = pixels - v * LANES < TILE ? pixels - v * LANES : TILE;
            chains.rows = m;
            chains.count = count;
            chains.bits = bits + v;
            chains.pixel = (ptrdiff_t)v * LANES * t->step;
            chains.factors.at = weight.at + (size_t)channel * t->output_stride;
            for (int k = 0; k < t->parts; k++) {
                part.taps[0] = t->taps[k];
                find(&chains, sums);
                for (int i = 0; t->parts > 1 && i < m * TILE; i += LANES)
                    v_store(total + i,
                            v_add(k == 0 ? v_zero() : v_load(total + i), v_load(sums + i)));
            }
            for (int i = 0; i < m; i++)
                put(sink, channel - first + i, v * LANES, count, t,
                    (t->parts > 1 ? total : sums) + i * TILE);
        }
}

#endif
