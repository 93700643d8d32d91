/* For lanes_tmpl.c: the kernel tap_sum. */
#ifndef MD_CORE_LANES_TAP_SUM_H
#define MD_CORE_LANES_TAP_SUM_H

#include "lanes_chains.h"

enum { MAX_SUMS = 4, SHIFTS = 3 };

struct tap {
    ptrdiff_t source[2]; /* from pixel p of the grid to the source element, in either half */
    ptrdiff_t weight;    /* from the channel's weights to the tap's, elements */
    int dh, dw; /* the shift, -1 .. 1: the tap exists where (h + dh, w + dw) is in the grid, or dh
                 * leads to a row above or below it that is there */
};

/* How several sums make a result: added to 0 in order, or as the columns 0, 1, 0, 1, ... of it. */
enum combination { ALONE, ADDED, INTERLEAVED };

/* What is known of the taps beforehand: nothing; that none is shifted by a column; that besides the
 * grid is a row of which there is nothing behind the last pixel; that they come in threes, of dw
 * -1, 0 and 1, a source element and weight_step apart; and that besides rows begin and end only
 * with tiles. */
enum shifts { ANY, NONE, SHORT, TRIPLES, OUTER };

struct tap_sum {
    int height, width;           /* of the grid */
    int above, below;            /* 1: there are rows beside the grid */
    const struct window *window; /* the chain runs over the channels of its halves */
    int step;                    /* from a pixel to the next, source elements */
    const elem *weights;
    size_t weight_stride; /* from a channel to the next, elements */
    size_t output_stride; /* weights: from one output channel to the next, elements */
    real *room; /* where weights are widened, those of a tile's output channels at a time */
    size_t factor_stride; /* from a channel to the next there */
    enum shifts shifts;
    int weight_step;
    enum combination combination;
    int sums; /* each of the taps from the end of the one before to its own */
    int ends[MAX_SUMS], tap_count;
    struct tap taps[MAX_TAPS];
    lane_bits *bits; /* the lanes of each vector: lanes_of_shift, lanes_of_tap */
    int known;       /* those of taps */
};

/* Where finished sums go: output channel m, row h of the grid to row first_row + h * row_step of
 * channel m. */
struct sink {
    const struct md_map *map;
    int first_channel, first_row, row_step;
    const elem *bias; /* added to the sum where not NULL */
    int accumulate;   /* the sum is added to what is there */
};

/* bits[v]: which lanes of vector v a tap exists for. */
static void find_lanes(const struct tap_sum *t, const struct tap *tap, int vectors,
                       lane_bits *bits) {
    const unsigned all = ~0u >> (32 - LANES);
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
        bits[v] = (lane_bits)(inside & ~off);
    }
}

static int grid_vectors(const struct tap_sum *t) {
    return (int)round_up((size_t)(t->height * t->width), TILE) / LANES;
}

/* Where the lanes of a column shift begin, and behind them those of tap k. */
static lane_bits *lanes_of_shift(const struct tap_sum *t, int dw) {
    return t->bits + (dw + 1) * grid_vectors(t);
}
static lane_bits *lanes_of_tap(const struct tap_sum *t, int k) {
    return t->bits + (SHIFTS + k) * grid_vectors(t);
}

/* The optimistic way has zeros where there are no rows, and wants but the columns. */
static void find_shifts(struct tap_sum *t) {
    for (int dw = -1; dw <= 1; dw++) {
        const struct tap column = {.dw = dw};
        find_lanes(t, &column, grid_vectors(t), lanes_of_shift(t, dw));
    }
    t->known = 0;
}
static void find_taps(struct tap_sum *t) {
    for (int k = 0; !t->known && k < t->tap_count; k++)
        find_lanes(t, &t->taps[k], grid_vectors(t), lanes_of_tap(t, k));
    t->known = 1;
}

/* The sums of `m` output channels for the pixels of `wide` vectors (both constants), over channels
 * first .. last-1 of one half. `shifts` is a constant, too. */
INLINE void tile(const struct chains *chains, const int m, const int wide, const int optimistic,
                 const enum shifts shifts, int half, int first, int last, int begin,
                 const source *weight, real *sums) {
    const struct tap_sum *t = chains->sum;
    const struct operand *vectors = &chains->vectors, *factors = &chains->factors;
    const struct half *of = &t->window->half[half];
    const source *from = of->at + chains->pixel + (size_t)first * of->stride;
    const int vector = LANES * (GATHERS ? 1 : t->step), columns = shifts >= TRIPLES ? 3 : 1;
    vec acc[TILE_M][TILE_P];
    mask left[TILE_P], right[TILE_P];
    UNROLL for (int j = 0; shifts >= SHORT && j < wide; j++) {
        left[j] = v_mask(lanes_of_shift(t, shifts == SHORT ? 0 : -1) + chains->vector + j);
        right[j] = v_mask(lanes_of_shift(t, 1) + chains->vector + j);
    }
    UNROLL for (int i = 0; i < m; i++) UNROLL for (int j = 0; j < wide; j++) acc[i][j] =
        begin ? v_zero() : v_load(sums + i * TILE + j * LANES);
    for (int c = first; c < last; c++) {
        for (int k = chains->first_tap; k < chains->last_tap; k += columns) {
            const struct tap *tap = &t->taps[k];
            const source *x = from + tap->source[half], *w = weight + tap->weight;
            const lane_bits *bits = (optimistic || !t->window->gathered ? lanes_of_shift(t, tap->dw)
                                                                        : lanes_of_tap(t, k)) +
                                    chains->vector;
            UNROLL for (int column = 0; column < columns; column++) {
                mask on[TILE_P];
                vec value[TILE_P];
                UNROLL for (int j = 0; j < wide; j++) {
                    const source *at = x + j * vector;
                    int whole = shifts == NONE || (shifts >= TRIPLES && column == 1) ||
                                (shifts == OUTER && j != (column == 0 ? 0 : TILE_P - 1));
                    const mask *lit = shifts < SHORT ? &on[j] : column == 0 ? &left[j] : &right[j];
                    if (shifts < SHORT)
                        on[j] = v_mask(bits + j);
                    value[j] =
                        as_wanted(whole ? v_all_pixels(at, t->step) : v_pixels(at, t->step, lit),
                                  vectors, optimistic);
                }
                UNROLL for (int i = 0; i < m; i++) {
                    vec factor =
                        as_wanted(v_factor(w + (size_t)i * t->output_stride), factors, optimistic);
                    UNROLL for (int j = 0; j < wide; j++) acc[i][j] =
                        optimistic ? v_fma_optimistic(factor, value[j], acc[i][j])
                                   : v_fma_masked(factor, value[j], acc[i][j], on[j]);
                }
                x++;
                w += t->weight_step;
            }
        }
        from += of->stride;
        weight += t->factor_stride;
    }
    UNROLL for (int i = 0; i < m; i++) UNROLL for (int j = 0; j < wide; j++)
        v_store(sums + i * TILE + j * LANES, acc[i][j]);
}

/* m output channels (a constant) the optimistic way, for the vectors with pixels that are meant. */
INLINE void tile_of(const struct chains *c, const int m, const enum shifts shifts, int half,
                    int first, int last, int begin, const source *weight, real *sums) {
    if (c->count <= LANES)
        tile(c, m, 1, 1, shifts, half, first, last, begin, weight, sums);
    else if (c->count <= 2 * LANES)
        tile(c, m, 2, 1, shifts, half, first, last, begin, weight, sums);
    else
        tile(c, m, TILE_P, 1, shifts, half, first, last, begin, weight, sums);
}

/* m output channels (a constant), the way that is asked for. */
INLINE void some_tiles(const struct chains *c, const int m, int optimistic, int half, int first,
                       int last, int begin, const source *weight, real *sums) {
    const enum shifts shifts = OPTIMISTIC && optimistic ? c->sum->shifts : ANY;
    if (OPTIMISTIC && shifts == OUTER)
        tile(c, m, TILE_P, 1, OUTER, half, first, last, begin, weight, sums);
    else if (OPTIMISTIC && shifts == TRIPLES)
        tile_of(c, m, TRIPLES, half, first, last, begin, weight, sums);
    else if (OPTIMISTIC && READS_ROWS && shifts == SHORT)
        tile_of(c, m, SHORT, half, first, last, begin, weight, sums);
    else if (OPTIMISTIC && shifts == NONE)
        tile_of(c, m, NONE, half, first, last, begin, weight, sums);
    else if (OPTIMISTIC && optimistic)
        tile_of(c, m, ANY, half, first, last, begin, weight, sums);
    else
        tile(c, m, TILE_P, 0, ANY, half, first, last, begin, weight, sums);
}

static NOINLINE void run_half(const struct chains *c, int optimistic, int half, int first, int last,
                              int begin, const source *weight, real *sums) {
    if (c->rows == TILE_M) {
        some_tiles(c, TILE_M, optimistic, half, first, last, begin, weight, sums);
        return;
    }
    for (int i = 0; i < c->rows; i++, weight += c->sum->output_stride)
        some_tiles(c, 1, optimistic, half, first, last, begin, weight, sums + i * TILE);
}

/* Links are the channels of both halves. */
static void run_tile(const struct chains *c, int optimistic, int first, int last, real *sums) {
    if (c->sum->window->gathered && !optimistic)
        find_taps(c->sum);
    int middle = c->sum->window->half[0].channels;
    const source *weight = c->factors.at + (size_t)first * c->sum->factor_stride;
    if (first < middle || first == last)
        run_half(c, optimistic, 0, first, last < middle ? last : middle, begins(c, first), weight,
                 sums);
    if (last > middle) {
        int from = first > middle ? first : middle;
        weight += (size_t)(from - first) * c->sum->factor_stride;
        run_half(c, optimistic, 1, from - middle, last - middle, begins(c, from), weight, sums);
    }
}

/* n sums, at most a vector's worth, to elements. Storing an element rounds, so a sum need not be
 * rounded before. */
INLINE void store_vector(const struct sink *sink, vec bias, vec sum, size_t n, elem *to) {
    if (sink->bias != NULL)
        sum = v_wide_add(sum, bias);
    if (sink->accumulate)
        sum = v_wide_add(load_elements(to, n), sum);
    store_elements(to, n, sum);
}
/* n sums to elements that lie side by side. */
static void store_run(const struct sink *sink, int channel, const real *sums, int n, elem *to) {
    const vec bias = sink->bias != NULL ? v_widen_one(sink->bias + channel) : v_zero();
    for (; n >= LANES; n -= LANES, sums += LANES, to += LANES)
        store_vector(sink, bias, v_load(sums), LANES, to);
    if (n > 0)
        store_vector(sink, bias, v_load(sums), (size_t)n, to);
}

/* The sums of `count` pixels from p on, each for `columns` columns of the sink, of `rows` channels
 * from `channel` on; a channel's begin `stride` after those of the one before. */
static void put(const struct sink *sink, int channel, int rows, int p, int count, int columns,
                const struct tap_sum *t, const real *sums, size_t stride) {
    int slot = sink->first_row % sink->map->rows;
    int dense = sink->row_step == 1 && slot + t->height <= sink->map->rows;
    for (int h = dense ? 0 : p / t->width, w = p - h * t->width, run; count > 0;
         h++, w = 0, count -= run, sums += run * columns) {
        size_t row = md_map_row(sink->map, sink->first_channel + channel,
                                sink->first_row + h * sink->row_step);
        elem *to = (elem *)sink->map->at + row + (size_t)(w * columns);
        run = dense ? count : lesser(t->width - w, count);
        for (int i = 0; i < rows; i++, to += md_map_plane(sink->map))
            store_run(sink, channel + i, sums + (size_t)i * stride, run * columns, to);
    }
}

/* Whether the sign of a sum that is zero is seen: not when something but -0 is added to it. */
static int shows_sign(const struct sink *sink, const struct tap_sum *t, int channels) {
    int shows = sink->bias == NULL && t->combination != ADDED;
    for (int c = 0; sink->bias != NULL && c < channels; c++) {
        real bias = md_load(sink->bias[c]);
        shows |= bias == 0 && 1 / bias < 0;
    }
    return shows;
}

/* A vector of either, one after the other. */
static void interleave(const real *even, const real *odd, real *to) {
#if GATHERS
    vec a = v_load(even), b = v_load(odd);
    v_interleave(&a, &b);
    v_store(to, a);
    v_store(to + LANES, b);
#else
    for (int lane = 0; lane < LANES; lane++) {
        to[2 * lane] = even[lane];
        to[2 * lane + 1] = odd[lane];
    }
#endif
}

/* The sums of `rows` channels for a tile's first `count` pixels as those of the result's pixels,
 * *stride from channel to channel: in `whole`, or where they are. */
static const real *combine(const struct tap_sum *t, int rows, int count,
                           const real sums[][TILE_M * TILE], real *whole, size_t *stride) {
    *stride = t->combination == INTERLEAVED ? 2 * TILE : TILE;
    if (t->combination == ALONE)
        return sums[0];
    for (int r = 0; r < rows; r++)
        for (int l = r * TILE, last = l + count; l < last; l += LANES) {
            vec total = v_zero();
            for (int k = 0; t->combination == ADDED && k < t->sums; k++)
                total = v_add(total, v_load(sums[k] + l));
            if (t->combination == ADDED)
                v_store(whole + l, total);
            else
                interleave(sums[0] + l, sums[1] + l, whole + 2 * l);
        }
    return whole;
}

/* The weights of output channels first .. last-1. To be widened, they lie side by side, or in a run
 * for each link. */
static struct operand open_weights(struct tap_sum *t, int links, int first, int last) {
    const elem *from = t->weights + (size_t)first * t->output_stride;
    t->factor_stride = t->weight_stride;
#if WIDENS
    struct extremes extremes;
    int count = (last - first) * (int)t->output_stride, runs = 1;
    if (t->output_stride <= t->weight_stride) {
        runs = links;
        t->factor_stride = round_up((size_t)count, LANES);
    }
    v_no_extremes(&extremes);
    for (int r = 0; r < runs; r++)
        include(&extremes, from + (size_t)r * t->weight_stride, count);
    struct operand weights = operand_of(t->room, &extremes);
    for (int r = 0; r < runs; r++)
        widen(from + (size_t)r * t->weight_stride, count, 1 / weights.unscale,
              t->room + (size_t)r * t->factor_stride);
    return weights;
#else
    (void)links;
    (void)last;
    return (struct operand){from, OPTIMISTIC, 1};
#endif
}

/* All of it for output channels first .. last-1, which are the sink's from its first channel on.
 * `numbers` says how the window's numbers are scaled. */
static void run_tap_sum(struct tap_sum *t, struct operand numbers, int first, int last,
                        const struct sink *sink) {
    int pixels = t->height * t->width, columns = t->combination == INTERLEAVED ? 2 : 1;
    int together = WIDENS ? TILE_M : last - first; /* channels whose weights are widened */
    real sums[MAX_SUMS][TILE_M * TILE];
    real whole[2 * TILE_M * TILE + LANES]; /* a last vector may begin at any number */
    size_t stride;
    struct chains chains = {.run = run_tile,
                            .links = t->window->half[0].channels + t->window->half[1].channels,
                            .tail = LOSES_SIGNS && shows_sign(sink, t, last - first),
                            .row = TILE,
                            .vectors = numbers,
                            .sum = t};
    if (OPTIMISTIC && !ROUNDS)
        v_watch_begin();
    for (int block = first, end; block < last; block = end) {
        end = lesser(block + together, last);
        struct operand weights = open_weights(t, chains.links, block, end);
        chains.factors = weights;
        chains.optimistic = numbers.optimistic && weights.optimistic;
        for (int p = 0; p < pixels; p += TILE)
            for (int channel = block; channel < end; channel += TILE_M) {
                chains.rows = lesser(end - channel, TILE_M);
                chains.count = lesser(pixels - p, TILE);
                chains.vector = p / LANES;
                chains.pixel = (ptrdiff_t)p * t->step;
                chains.factors.at = weights.at + (size_t)(channel - block) * t->output_stride;
                for (int k = 0; k < t->sums; k++) {
                    chains.first_tap = k > 0 ? t->ends[k - 1] : 0;
                    chains.last_tap = t->ends[k];
                    find(&chains, sums[k]);
                }
                const real *result = combine(t, chains.rows, chains.count,
                                             (const real(*)[TILE_M * TILE]) sums, whole, &stride);
                put(sink, channel - first, chains.rows, p, chains.count, columns, t, result,
                    stride);
            }
    }
}

#endif
