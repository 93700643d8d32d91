/* For lanes_tmpl.c: the kernel tap_sum. */
#ifndef MD_CORE_LANES_TAP_SUM_H
#define MD_CORE_LANES_TAP_SUM_H

#include "lanes_sink.h"

enum { MAX_SUMS = 4, SHIFTS = 3 };

struct tap {
    ptrdiff_t source[2]; /* from pixel p of the grid to the source element, in either half */
    ptrdiff_t weight;    /* from the channel's weights to the tap's, elements */
    int dh, dw; /* the shift, -1 .. 1: the tap exists where (h + dh, w + dw) is in the grid, or dh
                 * leads to a row above or below it that is there */
    struct step {
        const struct tap *tap;
        ptrdiff_t source[2], weight;
    } steps[2]; /* to the next of its sum, and how far on its source and weight are; to the next but
                 * two; from the last one to the first of the next channel */
};

/* How several sums make a result: added to 0 in order, those of a pixel's lanes one by one; or as
 * the columns 0, 1, 0, 1, ... of it. */
enum combination { ALONE, ADDED, INTERLEAVED };

/* What is known of the taps beforehand: nothing; that none is shifted by a column, and even and odd
 * columns have weights of their own, side by side; and that besides both have the same source
 * element; that taps come in threes, of dw -1, 0 and 1, a source element and weight_step apart;
 * that besides rows begin and end only with tiles; and that what lies beside them may then be read.
 */
enum shifts { ANY, PAIRS, DOUBLES, TRIPLES, OUTER, INNER };

struct tap_sum {
    int height, width;           /* of the grid */
    int above, below;            /* 1: there are rows beside the grid */
    const struct window *window; /* the chain runs over the channels of its halves */
    int step; /* from a pixel to the next, source elements (DOUBLES: to the next but one) */
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
}
static void find_taps(struct tap_sum *t) {
    for (int k = 0; !t->known && k < t->tap_count; k++)
        find_lanes(t, &t->taps[k], grid_vectors(t), lanes_of_tap(t, k));
    t->known = 1;
}

/* Whether the tile from pixel p on reads rows of zeros that stand for those beside the picture. */
static int reads_beside(const struct tap_sum *t, int p) {
    return t->window->gathered &&
           ((!t->above && p < t->width) || (!t->below && p + TILE > (t->height - 1) * t->width));
}

/* Whether the optimistic way has products of +0 for taps of that tile that are not there: by those
 * rows, or by loads that are masked. */
static int adds_zeros(const struct tap_sum *t, int p) {
    if (t->shifts == PAIRS || t->shifts == DOUBLES)
        return 0;
    return !MASKS_STEPS || t->shifts == OUTER || reads_beside(t, p);
}

/* Links of a tile's chains, all in one half. */
struct links {
    int half, first, last;
    const source *weight;
};

/* The lanes of a tile's vectors that have a pixel to the left, and one to the right. */
struct ends {
    mask begin[TILE_P], end[TILE_P];
};

/* (From here on, m output channels, `wide` vectors of pixels, `optimistic` and `shifts` are
 * constants.) */
INLINE void find_ends(const struct chains *chains, const int wide, const enum shifts shifts,
                      struct ends *ends) {
    UNROLL for (int j = 0; shifts >= TRIPLES && j < wide; j++) {
        ends->begin[j] = v_mask(lanes_of_shift(chains->sum, -1) + chains->vector + j);
        ends->end[j] = v_mask(lanes_of_shift(chains->sum, 1) + chains->vector + j);
    }
}

/* Whether lanes of a tile's vector j may be off; of taps in threes, for the one in this column. */
INLINE int may_lack(const enum shifts shifts, const int column, const int j) {
    if (shifts < TRIPLES)
        return shifts == ANY;
    return column != 1 && (shifts == TRIPLES || j == (column == 0 ? 0 : TILE_P - 1));
}

/* Takes links into a tile's sums. */
INLINE void take_links(const struct chains *chains, const int m, const int wide,
                       const int optimistic, const enum shifts shifts, const struct links *links,
                       const struct ends *ends, vec acc[TILE_M][TILE_P]) {
    const struct tap_sum *t = chains->sum;
    const struct operand *vectors = &chains->vectors, *factors = &chains->factors;
    const int half = links->half;
    const struct half *of = &t->window->half[half];
    const source *from = of->at + chains->pixel + (size_t)links->first * of->stride;
    const int vector = shifts == DOUBLES ? LANES / PAIR : LANES * (GATHERS ? 1 : t->step);
    const int columns = shifts >= TRIPLES ? 3 : 1;
    const int by_step =
        MASKS_STEPS && optimistic && (shifts == ANY || shifts == TRIPLES || shifts == INNER);
    const size_t stride = t->output_stride;
    const int taps = chains->last_tap - chains->first_tap;
    const struct tap *tap = t->taps + chains->first_tap;
    const source *next_x = from + tap->source[half], *next_w = links->weight + tap->weight;
    /* One loop, not one in another: its end is foreseen by the processor. */
    for (int left = (links->last - links->first) * (taps / columns); left > 0; left--) {
        const source *x = next_x, *w = next_w;
        const lane_bits *bits =
            (optimistic || !t->window->gathered ? lanes_of_shift(t, tap->dw)
                                                : lanes_of_tap(t, (int)(tap - t->taps))) +
            chains->vector;
        const struct step *step = &tap->steps[columns > 1];
        next_x += step->source[half];
        next_w += step->weight;
        tap = step->tap;
        UNROLL for (int column = 0; column < columns; column++) {
            mask on[TILE_P];
            const mask *lit[TILE_P];
            vec value[TILE_P];
            UNROLL for (int j = 0; j < wide; j++) {
                const source *at = x + j * vector;
                lit[j] = shifts < TRIPLES ? &on[j] : column == 0 ? &ends->begin[j] : &ends->end[j];
                int whole = shifts != DOUBLES && (by_step || !may_lack(shifts, column, j));
                if (shifts < TRIPLES)
                    on[j] = v_mask(bits + j);
                value[j] = as_wanted(shifts == DOUBLES ? v_doubled_pixels(at)
                                     : whole           ? v_all_pixels(at, t->step)
                                                       : v_pixels(at, t->step, lit[j]),
                                     vectors, optimistic);
            }
            const source *const upper = w + 4 * stride; /* few addresses to compute */
            UNROLL for (int i = 0; i < m; i++) {
                const source *at = (i < 4 ? w : upper) + (size_t)(i % 4) * stride;
                vec factor =
                    as_wanted(shifts == PAIRS || shifts == DOUBLES ? v_factors(at) : v_factor(at),
                              factors, optimistic);
                UNROLL for (int j = 0; j < wide; j++) acc[i][j] =
                    !optimistic || (by_step && may_lack(shifts, column, j))
                        ? v_fma_masked(factor, value[j], acc[i][j], *lit[j])
                        : v_fma_optimistic(factor, value[j], acc[i][j]);
            }
            x++;
            w += t->weight_step;
        }
    }
}

INLINE void tile(const struct chains *chains, const int m, const int wide, const int optimistic,
                 const enum shifts shifts, int begins, const struct links *links, real *sums) {
    struct ends ends;
    vec acc[TILE_M][TILE_P];
    find_ends(chains, wide, shifts, &ends);
    UNROLL for (int i = 0; i < m; i++) UNROLL for (int j = 0; j < wide; j++) acc[i][j] =
        begins ? v_zero() : v_load(sums + i * TILE + j * LANES);
    take_links(chains, m, wide, optimistic, shifts, links, &ends, acc);
    UNROLL for (int i = 0; i < m; i++) UNROLL for (int j = 0; j < wide; j++)
        v_store(sums + i * TILE + j * LANES, acc[i][j]);
}

/* Functions of their own, or compilers run out of registers. */
typedef void tile_fn(const struct chains *c, int begins, const struct links *links, real *sums);
#define TILE_FN(name, m, wide, optimistic, shifts)                                                 \
    static NOINLINE void name(const struct chains *c, int begins, const struct links *links,       \
                              real *sums) {                                                        \
        tile(c, m, wide, optimistic, shifts, begins, links, sums);                                 \
    }
#define EXACT_FNS(shifts)                                                                          \
    TILE_FN(exact_one_##shifts, 1, TILE_P, 0, shifts)                                              \
    TILE_FN(exact_many_##shifts, TILE_M, TILE_P, 0, shifts)
#define EXACT_ROW(shifts) [shifts] = {exact_one_##shifts, exact_many_##shifts}
EXACT_FNS(ANY)
#if GATHERS
EXACT_FNS(PAIRS)
EXACT_FNS(DOUBLES)
#endif
static tile_fn *const exact_tiles[][2] = {EXACT_ROW(ANY),
#if GATHERS
                                          EXACT_ROW(PAIRS), EXACT_ROW(DOUBLES)
#endif
};

#if OPTIMISTIC
#define TILE_FNS(shifts)                                                                           \
    TILE_FN(one_##shifts##_1, 1, 1, 1, shifts)                                                     \
    TILE_FN(one_##shifts##_2, 1, 2, 1, shifts)                                                     \
    TILE_FN(one_##shifts##_3, 1, 3, 1, shifts)                                                     \
    TILE_FN(many_##shifts##_1, TILE_M, 1, 1, shifts)                                               \
    TILE_FN(many_##shifts##_2, TILE_M, 2, 1, shifts)                                               \
    TILE_FN(many_##shifts##_3, TILE_M, 3, 1, shifts)
#define TILE_ROW(shifts)                                                                           \
    [shifts] = {{one_##shifts##_1, one_##shifts##_2, one_##shifts##_3},                            \
                {many_##shifts##_1, many_##shifts##_2, many_##shifts##_3}}
TILE_FNS(ANY)
TILE_FNS(PAIRS)
TILE_FNS(DOUBLES)
TILE_FNS(TRIPLES)
TILE_FNS(OUTER)
static tile_fn *const optimistic_tiles[][2][TILE_P] = {
    TILE_ROW(ANY), TILE_ROW(PAIRS), TILE_ROW(DOUBLES), TILE_ROW(TRIPLES), TILE_ROW(OUTER)};
#endif

/* The optimistic way only takes vectors with pixels that are meant. */
static void run_links(const struct chains *c, int optimistic, int begins, struct links links,
                      real *sums) {
    const enum shifts shifts = c->sum->shifts;
    int many = c->rows == TILE_M;
    tile_fn *run = exact_tiles[shifts == PAIRS || shifts == DOUBLES ? shifts : ANY][many];
#if OPTIMISTIC
    if (optimistic)
        run = optimistic_tiles[shifts][many][(c->count - 1) / LANES];
#endif
    (void)optimistic;
    for (int i = 0; i < c->rows; i += many ? TILE_M : 1, links.weight += c->sum->output_stride)
        run(c, begins, &links, sums + i * TILE);
}

/* Links are the channels of both halves. */
static void run_tile(const struct chains *c, int optimistic, int first, int last, real *sums) {
    if (c->sum->window->gathered && !optimistic)
        find_taps(c->sum);
    int middle = c->sum->window->half[0].channels;
    for (int half = 0; half < 2; half++) {
        int from = half == 0 || first > middle ? first : middle;
        int to = half == 1 ? last : lesser(last, middle);
        struct links links = {half, from - half * middle, to - half * middle, c->factors.at};
        links.weight += (size_t)from * c->sum->factor_stride;
        if (from < to || (half == 0 && first == last))
            run_links(c, optimistic, begins(c, from), links, sums);
    }
}

#if OPTIMISTIC && !ROUNDS

/* Whether all of a tile's finished sums are right for sure (v_sure). */
INLINE int is_sure(vec sums[TILE_M][TILE_P], const int zeros) {
    unsigned all = v_bits(V_ALL);
    UNROLL for (int j = 0; j < TILE_P; j++) {
        mask column = V_ALL;
        UNROLL for (int i = 0; i < TILE_M; i++) column = v_sure(column, sums[i][j], zeros);
        all &= v_bits(column);
    }
    return all == v_bits(V_ALL);
}

INLINE void store_tile(const struct sink *sink, const int finish, int channel,
                       vec sums[TILE_M][TILE_P], elem *to) {
    const size_t plane = md_map_plane(sink->map);
    const uint8_t *positive = sink->positive;
    const elem *bias = (finish & BIASED) != 0 ? sink->bias + channel : NULL;
    size_t at = (size_t)(to - (const elem *)sink->map->at);
    UNROLL for (int i = 0; i < TILE_M; i++, to += plane, at += plane) {
        const size_t bit = at / 8 * 8; /* whole bytes, as compilers are to know (put_some) */
        vec added = (finish & BIASED) != 0 ? v_widen_one(bias + i) : v_zero();
        UNROLL for (int j = 0; j < TILE_P; j++) store_vector(
            finish, added, positive, bit + j * LANES, sums[i][j], LANES, to + j * LANES);
    }
}

/* The sums of TILE_M output channels for a tile's pixels, put where they go: from `to` on, the
 * first one's being the sink's `channel`. Whether it was right. */
INLINE int put_tile(const struct chains *c, const enum shifts shifts, const source *weight,
                    const struct sink *sink, int channel, elem *to) {
    const struct half *half = c->sum->window->half;
    const int finish = finish_of(sink);
    struct links links = {0, 0, half[0].channels, weight};
    struct ends ends;
    vec acc[TILE_M][TILE_P];
    find_ends(c, TILE_P, shifts, &ends);
    UNROLL for (int i = 0; i < TILE_M; i++) UNROLL for (int j = 0; j < TILE_P; j++) acc[i][j] =
        v_zero();
    for (; links.half < 2; links.half++) {
        take_links(c, TILE_M, TILE_P, 1, shifts, &links, &ends, acc);
        links.weight += (size_t)links.last * c->sum->factor_stride;
        links.last = half[1].channels;
    }
    const int reads_zeros = c->adds_zeros && !(MASKS_STEPS && shifts == INNER);
    if (reads_zeros && !is_sure(acc, 1) && (!is_sure(acc, 0) || v_watch_end()))
        return 0;
#define STORE(constant) store_tile(sink, constant, channel, acc, to)
    KNOWING(finish, STORE);
    return 1;
}

typedef int put_fn(const struct chains *c, const source *weight, const struct sink *sink,
                   int channel, elem *to);
#define PUT_FN(shifts)                                                                             \
    static NOINLINE int put_##shifts(const struct chains *c, const source *weight,                 \
                                     const struct sink *sink, int channel, elem *to) {             \
        return put_tile(c, shifts, weight, sink, channel, to);                                     \
    }
PUT_FN(ANY)
PUT_FN(DOUBLES)
PUT_FN(TRIPLES)
PUT_FN(OUTER)
#if MASKS_STEPS
PUT_FN(INNER)
#else
#define put_INNER put_OUTER
#endif
static put_fn *const putting[] = {[ANY] = put_ANY,
                                  [DOUBLES] = put_DOUBLES,
                                  [TRIPLES] = put_TRIPLES,
                                  [OUTER] = put_OUTER,
                                  [INNER] = put_INNER};

/* The shifts of the tile from pixel p on: whether its taps, three by three, read nothing outside
 * their channels' planes. */
static enum shifts shifts_at(const struct tap_sum *t, int p) {
    int inside = t->shifts == OUTER && !reads_beside(t, p);
    for (int half = 0; half < 2; half++)
        for (int k = 0; t->window->half[half].channels > 0 && k < t->tap_count; k++) {
            ptrdiff_t from = p + t->taps[k].source[half];
            inside &= from >= 0 && from + TILE <= (ptrdiff_t)t->window->half[half].stride;
        }
    return inside ? INNER : t->shifts;
}

#endif

/* Whether the rows of the grid lie side by side in the sink. */
static int is_dense(const struct sink *sink, const struct tap_sum *t) {
    return sink->row_step == 1 && sink->first_row % sink->map->rows + t->height <= sink->map->rows;
}

/* The result's sums for `count` pixels of the grid from p on, of `rows` channels from `channel` on;
 * a channel's begin `stride` after those of the one before. */
static void put(const struct sink *sink, int channel, int rows, int p, int count,
                const struct tap_sum *t, const real *sums, size_t stride) {
    const int columns = t->combination == INTERLEAVED ? 2 : 1; /* of a pixel */
    const int lanes = t->combination == ADDED ? PAIR : 1;
    const int dense = is_dense(sink, t), width = t->width / lanes;
    p /= lanes;
    count /= lanes;
    for (int h = dense ? 0 : p / width, w = p - h * width, run; count > 0;
         h++, w = 0, count -= run, sums += run * columns) {
        elem *to = row_of(sink, channel, h) + w * columns;
        run = dense ? count : lesser(width - w, count);
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

/* A vector's pixels from the sums' lanes l .. last-1, PAIR of each sum for a pixel. */
static vec add_sums(const struct tap_sum *t, const real sums[][TILE_M * TILE], int l, int last) {
    vec total = v_zero();
    for (int k = 0; k < t->sums; k++) {
        vec next = v_load(sums[k] + l);
#if GATHERS
        vec odd = l + LANES < last ? v_load(sums[k] + l + LANES) : v_zero();
        v_deinterleave(&next, &odd);
        total = v_add(v_add(total, next), odd);
#else
        (void)last;
        total = v_add(total, next);
#endif
    }
    return total;
}

/* The sums of `rows` channels for a tile's first `count` pixels as those of the result's pixels,
 * *stride from channel to channel: in `whole`, or where they are. */
static const real *combine(const struct tap_sum *t, int rows, int count,
                           const real sums[][TILE_M * TILE], real *whole, size_t *stride) {
    *stride = t->combination == INTERLEAVED ? 2 * TILE : TILE;
    if (t->combination == ALONE)
        return sums[0];
    for (int r = 0; r < rows; r++) {
        int first = r * TILE, last = first + count;
        for (int l = first; t->combination == ADDED && l < last; l += PAIR * LANES)
            v_store(whole + first + (l - first) / PAIR, add_sums(t, sums, l, last));
        for (int l = first; t->combination == INTERLEAVED && l < last; l += LANES)
            interleave(sums[0] + l, sums[1] + l, whole + 2 * l);
    }
    return whole;
}

/* From tap k of those first .. last-1 to the next one, or the next but two. */
static struct step step_from(const struct tap_sum *t, int k, int by, int first, int last) {
    const struct tap *tap = &t->taps[k], *next = &t->taps[k + by < last ? k + by : first];
    struct step step = {next, {0, 0}, next->weight - tap->weight};
    for (int half = 0; half < 2; half++)
        step.source[half] = next->source[half] - tap->source[half] +
                            (k + by < last ? 0 : (ptrdiff_t)t->window->half[half].stride);
    step.weight += k + by < last ? 0 : (ptrdiff_t)t->factor_stride;
    return step;
}

static void find_steps(struct tap_sum *t) {
    for (int sum = 0, k = 0, first = 0; sum < t->sums; first = t->ends[sum++])
        for (; k < t->ends[sum]; k++)
            for (int three = 0; three < 2; three++)
                t->taps[k].steps[three] = step_from(t, k, three ? 3 : 1, first, t->ends[sum]);
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

/* A tile's sums, and the result they make, from pixel p of the grid on, for the sink's channels
 * from `channel` on. */
static void run_sums(const struct tap_sum *t, struct chains *chains, const struct sink *sink,
                     int channel, int p, real sums[][TILE_M * TILE], real *whole) {
    size_t stride;
    for (int k = 0; k < t->sums; k++) {
        chains->first_tap = k > 0 ? t->ends[k - 1] : 0;
        chains->last_tap = t->ends[k];
        find(chains, sums[k]);
    }
    const real *result = combine(t, chains->rows, chains->count,
                                 (const real(*)[TILE_M * TILE]) sums, whole, &stride);
    put(sink, channel, chains->rows, p, chains->count, t, result, stride);
}

/* Of the output channels from the sink's `channel` on, `count` of them, does some the optimistic
 * way and puts their sums where they go, if those of the tile from pixel p on lie side by side
 * there, and their bits in whole bytes. Returns how many. */
static int put_some(const struct tap_sum *t, struct chains *chains, const struct sink *sink,
                    int channel, int count, int p) {
#if OPTIMISTIC && !ROUNDS
    if (!chains->optimistic || t->combination != ALONE || chains->count < TILE ||
        !(t->width % TILE == 0 || is_dense(sink, t)))
        return 0;
    chains->first_tap = 0;
    chains->last_tap = t->tap_count;
    elem *to = row_of(sink, channel, p / t->width) + p % t->width;
    size_t at = (size_t)(to - (const elem *)sink->map->at);
    if (sink->positive != NULL && (at % 8 != 0 || md_map_plane(sink->map) % 8 != 0))
        return 0;
    const source *weight = chains->factors.at;
    put_fn *const put_next = putting[shifts_at(t, p)];
    int done = 0;
    while (done + TILE_M <= count && put_next(chains, weight, sink, channel + done, to)) {
        done += TILE_M;
        weight += TILE_M * t->output_stride;
        to += TILE_M * md_map_plane(sink->map);
    }
    return done;
#else
    (void)t;
    (void)chains;
    (void)sink;
    (void)channel;
    (void)count;
    (void)p;
    return 0;
#endif
}

/* All of it for output channels first .. last-1, which are the sink's from its first channel on.
 * `numbers` says how the window's numbers are scaled. */
static void run_tap_sum(struct tap_sum *t, struct operand numbers, int first, int last,
                        const struct sink *sink) {
    int pixels = t->height * t->width;
    int together = WIDENS ? TILE_M : last - first; /* channels whose weights are widened */
    real sums[MAX_SUMS][TILE_M * TILE];
    real whole[2 * TILE_M * TILE + LANES]; /* a last vector may begin at any number */
    struct chains chains = {.run = run_tile,
                            .links = t->window->half[0].channels + t->window->half[1].channels,
                            .tail = LOSES_SIGNS && shows_sign(sink, t, last - first),
                            .row = TILE,
                            .vectors = numbers,
                            .sum = t};
#if OPTIMISTIC && !ROUNDS
    v_watch_begin();
#endif
    for (int block = first, end; block < last; block = end) {
        end = lesser(block + together, last);
        struct operand weights = open_weights(t, chains.links, block, end);
        chains.factors = weights;
        find_steps(t);
        chains.optimistic = numbers.optimistic && weights.optimistic;
        for (int p = 0; p < pixels; p += TILE) {
            chains.count = lesser(pixels - p, TILE);
            chains.vector = p / LANES;
            chains.adds_zeros = OPTIMISTIC && adds_zeros(t, p);
            chains.pixel = (ptrdiff_t)(t->shifts == DOUBLES ? p / PAIR : p) * t->step;
            chains.factors.at = weights.at;
            int channel = block + put_some(t, &chains, sink, block - first, end - block, p);
            for (; channel < end; channel += TILE_M) {
                chains.rows = lesser(end - channel, TILE_M);
                chains.factors.at = weights.at + (size_t)(channel - block) * t->output_stride;
                run_sums(t, &chains, sink, channel - first, p, sums, whole);
            }
        }
    }
}

#endif
