/* Optimised convolutions, to the same bits: many output elements are computed side by
 * side in the lanes of a vector, and each still goes through the chain of ops_tmpl.c. Compiled once
 * per format and instruction set (MD_FORMAT, MD_LEVEL).
 *
 * There are two kernels (lanes_tap_sum.h, lanes_tap_product.h), and every operator is one of them:
 *
 * tap_sum      acc = 0; over channels, over taps: acc = fma(weight, source[p + tap], acc)
 *              Lanes are neighbouring pixels p of a grid, counted row after row. It is the forward
 *              pass and the input gradient. Where a stride is 2, the picture is first split into
 *              its four phases (even and odd rows and columns), on which a tap is a plain shift.
 *              Where there are vectors, a transposed convolution's lanes are columns of its output,
 *              two for each of the input's, and its weights for both are taken side by side.
 * tap_product  acc = 0; over pixels p: acc = fma(lanes[p][channel], scalar[p + tap], acc)
 *              Lanes are channels, so one operand is transposed first. It is the weight gradient.
 *
 * A tap outside the picture is skipped by switching its lanes off, not by multiplying with zero:
 * that would change the bits where a weight is infinite, or the sum is a negative zero. */
#include "lanes_tap_product.h"
#include "lanes_tap_sum.h"
#include "ops.h"

#if GATHERS
static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}
#endif

static int share_of(int n, int cores) {
    return (n + cores - 1) / cores;
}

/* Whether a convolution's weight gradient has input channels in lanes, where output channels would
 * leave more of them empty: dw = sum of dy[p] x[p + tap] = sum of x[q] dy[q - tap], by the same
 * products in the same order. */
static int turns(const struct md_shape *s) {
    return GATHERS && s->stride == 1 &&
           round_up((size_t)s->co, LANES) * (size_t)s->ci >
               round_up((size_t)s->ci, LANES) * (size_t)s->co;
}

/* A core's sums of weights, and all of its sums: behind those, the ones of biases. */
static size_t weight_sums(const struct md_shape *s, int transposed, int cores) {
    int share = share_of(s->ci, cores);
    return transposed ? sums_size(share, (size_t)s->co * 4)
           : turns(s) ? sums_size(share, (size_t)s->co * 9)
                      : sums_size(s->co, (size_t)share * 9);
}
static size_t core_sums(const struct md_shape *s, int transposed, int cores) {
    return weight_sums(s, transposed, cores) + sums_size(share_of(s->co, cores), 1);
}
/* What scratch holds, one behind the other: the lanes' bits; and, where operands are gathered, rows
 * of one, the lanes of another, weights, and the sums of a weight gradient. */
struct room {
    lane_bits *bits;
    real *operand, *lanes, *weight, *sums;
    size_t bytes; /* of all of it */
};

/* For calls with up to `rows` rows of y, or as many of dx as belong to them. */
static struct room room_in(const struct md_shape *s, int transposed, int rows, void *scratch) {
    int stride = transposed ? 1 : s->stride, grid = s->width / stride;
    size_t pixels = (size_t)(GATHERS ? (rows + 1) * grid : grid);
    size_t masks = GATHERS ? SHIFTS + MAX_TAPS : SHIFTS;
    struct room room = {.bits = scratch};
    room.bytes = round_up(masks * round_up(pixels, TILE) / LANES * sizeof(lane_bits), 16);
#if GATHERS
    int ci = s->ci, co = s->co, taps = transposed ? 4 : 9, width = transposed ? 2 * grid : grid;
    int x_rows = transposed ? rows / 2 + 1 : rows * stride + 3, y_rows = rows + 2;
    size_t x = window_size(ci, x_rows, s->width), y = window_size(co, y_rows, width);
    size_t lane = (size_t)(rows * width);
    size_t lanes = transposed
                       ? larger(round_up((size_t)ci, LANES) * lane / 4, 2 * LANES * (size_t)width)
                   : turns(s) ? round_up((size_t)ci, LANES) * (lane + 2 * (size_t)width)
                              : round_up((size_t)co, LANES) * lane;
    size_t weight =
        WIDENS ? (size_t)(ci > co ? ci : co) * round_up((size_t)(TILE_M * taps), LANES) : 0;
    if (scratch != NULL) {
        room.operand = (real *)((unsigned char *)scratch + round_up(room.bytes, 64));
        room.lanes = room.operand + larger(x, y);
        room.weight = room.lanes + lanes;
        room.sums = room.weight + weight;
    }
    size_t sums = core_sums(s, transposed, 1);
    room.bytes = round_up(room.bytes, 64) + (larger(x, y) + lanes + weight + sums) * sizeof(real);
#endif
    return room;
}

static size_t conv_scratch_bytes(const struct md_shape *s, int rows) {
    return room_in(s, 0, rows, NULL).bytes;
}
static size_t tconv_scratch_bytes(const struct md_shape *s, int rows) {
    return room_in(s, 1, rows, NULL).bytes;
}

static size_t conv_sums_bytes(const struct md_shape *s, int cores) {
    return core_sums(s, 0, cores) * sizeof(real) * (size_t)cores;
}
static size_t tconv_sums_bytes(const struct md_shape *s, int cores) {
    return core_sums(s, 1, cores) * sizeof(real) * (size_t)cores;
}

/* What a tap_sum costs for so many channels and pixels: tiles, of which one of a single channel
 * costs as much as a third of a whole one. */
static int cost_of(int channels, int pixels) {
    return (channels / TILE_M * 3 + channels % TILE_M) * ((pixels + TILE - 1) / TILE);
}
static int shares_rows(int width, int rows, int channels, int cores) {
    int by_rows = cost_of(channels, share_of(rows, cores) * width);
    return GATHERS && by_rows <= cost_of(share_of(channels, cores), rows * width);
}
static int conv_shares_rows(const struct md_shape *s, int rows, int channels, int cores) {
    return shares_rows(s->width / s->stride, rows, channels, cores);
}
static int tconv_shares_rows(const struct md_shape *s, int rows, int channels, int cores) {
    return shares_rows(PAIR * s->width, rows, channels, cores);
}

/* ---- taps ------------------------------------------------------------------------------------ */

/* How many grid rows from h on, of `height` rows, are read as one: all those that are gathered; of
 * others, those with a row above and below them, as far as these are side by side in their rings;
 * and else one. */
static int rows_of_strip(const struct tap_sum *t, int h, int to, int height) {
    int rows = lesser(to, height - 1) - h;
    if (t->window->gathered)
        return to - h;
    if (t->shifts == PAIRS) /* a row of the grid is one of every two */
        return 1;
    for (int half = 0; GATHERS && h > 0 && half < 2; half++)
        if (t->window->half[half].channels > 0)
            rows = lesser(rows, rows_side_by_side(t->window, half, h - 1, 3, 1));
    return GATHERS && h > 0 && rows > 1 ? rows : 1;
}

/* The strip of grid rows from h on: no taps yet. */
static void begin_strip(struct tap_sum *t, int h, int to, int height) {
    int before = t->height;
    t->height = rows_of_strip(t, h, to, height);
    t->above = h > 0;
    t->below = h + t->height < height;
    t->sums = 0;
    t->tap_count = 0;
    if (t->height != before)
        find_shifts(t);
    t->known = 0;
}

/* The tap of weight number `weight` whose source is at (h, w) for the grid's first pixel, shifted
 * by (dh, dw) in the grid; none where it leads out of the picture, `height` high, for the whole
 * grid. */
static void add_tap(struct tap_sum *t, int h, int w, int height, int dh, int dw, int weight) {
    struct tap *tap = &t->taps[t->tap_count];
    if (!t->window->gathered && (h < 0 || h >= height))
        return;
    for (int half = 0; half < 2; half++)
        tap->source[half] =
            t->window->half[half].channels > 0 ? window_at(t->window, half, h, w) : 0;
    tap->weight = weight;
    tap->dh = dh;
    tap->dw = dw;
    t->tap_count++;
}

static void end_sum(struct tap_sum *t) {
    t->ends[t->sums++] = t->tap_count;
}

/* Whether a grid of `rows` rows of `width` pixels reads rows where they are: if it is cheap. */
static int in_place(int rows, int width, int stride) {
    return READS_ROWS &&
           (MASKS_STEPS ? width % TILE == 0 && stride == 1 : rows == 1 || width % TILE == 0);
}

static enum shifts shifts_of(int width, int stride, int gathered) {
    return !GATHERS || stride > 1 ? ANY : width % TILE == 0 ? OUTER : gathered ? TRIPLES : ANY;
}

static void conv_forward(const struct md_call *c) {
    const struct md_shape *s = &c->shape;
    int first, last, stride = s->stride, ho = s->height / stride;
    int phased = GATHERS && stride == 2, above = c->from * stride - (phased ? 2 : 1);
    int here = !phased && in_place(c->to - c->from, s->width, 1);
    struct room room = room_in(s, 0, c->to - c->from, c->scratch);
    struct operand numbers;
    struct window window = open_window(c->x, 2, above, (c->to - 1) * stride + 2, here,
                                       phased ? 4 : 1, room.operand, &numbers);
    md_share(c->part, s->co, &first, &last);
    struct tap_sum t = {.width = s->width / stride,
                        .window = &window,
                        .step = GATHERS ? 1 : stride,
                        .weight_stride = 9,
                        .output_stride = (size_t)s->ci * 9,
                        .shifts = shifts_of(s->width, stride, window.gathered),
                        .weight_step = 1,
                        .bits = room.bits,
                        .weights = c->weight,
                        .room = room.weight};
    for (int h = c->from; h < c->to; h += t.height) {
        begin_strip(&t, h, c->to, ho);
        /* With stride 2, output row h reads rows 2h-1 (of the grid row before), 2h and 2h+1;
         * columns alike. */
        for (int kh = 0; kh < 3; kh++)
            for (int kw = 0; kw < 3; kw++)
                add_tap(&t, h * stride + kh - 1, kw - 1, s->height,
                        kh == 0 ? -1 : kh == 2 && stride == 1,
                        kw == 0 ? -1 : kw == 2 && stride == 1, kh * 3 + kw);
        end_sum(&t);
        const struct sink sink = {.map = &c->y,
                                  .first_channel = first,
                                  .first_row = h,
                                  .row_step = 1,
                                  .bias = (const elem *)c->bias + first,
                                  .leaky = c->leaky};
        run_tap_sum(&t, numbers, first, last, &sink);
    }
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

/* The first number from `from` on that is `phase` modulo `stride`, divided by it. */
static int first_in_phase(int from, int phase, int stride) {
    return (from - phase + stride - 1) / stride;
}

static void conv_input_gradient(const struct md_call *c) {
    const struct md_shape *s = &c->shape;
    int first, last, stride = s->stride, ho = s->height / stride;
    int above = c->from / stride - (stride == 1), below = (c->to - 1) / stride + 2;
    int here = in_place(c->to - c->from, s->width / stride, stride);
    struct room room = room_in(s, 0, (c->to - c->from + stride - 1) / stride, c->scratch);
    struct operand numbers;
    struct window window = open_window(&c->y, 1, above, below, here, 1, room.operand, &numbers);
    md_share(c->part, c->dx.channels, &first, &last);
    struct tap_sum t = {.width = s->width / stride,
                        .window = &window,
                        .step = 1,
                        .weight_stride = (size_t)s->ci * 9,
                        .output_stride = 9,
                        .shifts = shifts_of(s->width, stride, window.gathered),
                        .weight_step = -1,
                        .combination = stride == 1 ? ALONE : INTERLEAVED,
                        .bits = room.bits,
                        .weights = c->weight,
                        .room = room.weight};
    for (int a = 0; a < stride; a++) {
        int begin = first_in_phase(c->from, a, stride);
        const struct back_taps *rows = stride == 1 ? &back_stride1 : &back_stride2[a];
        for (int h = begin, end = first_in_phase(c->to, a, stride); h < end; h += t.height) {
            begin_strip(&t, h, end, ho);
            for (int b = 0; b < stride; b++) {
                const struct back_taps *columns = stride == 1 ? &back_stride1 : &back_stride2[b];
                for (int i = 0; i < rows->count; i++)
                    for (int j = 0; j < columns->count; j++) {
                        int dh = rows->tap[i].shift, dw = columns->tap[j].shift;
                        add_tap(&t, h + dh, dw, ho, dh, dw, rows->tap[i].k * 3 + columns->tap[j].k);
                    }
                end_sum(&t);
            }
            const struct sink sink = {.map = &c->dx,
                                      .first_channel = first,
                                      .first_row = h * stride + a,
                                      .row_step = stride,
                                      .accumulate = c->accumulate,
                                      .positive = c->mask.at};
            run_tap_sum(&t, numbers, c->first + first, c->first + last, &sink);
        }
    }
}

/* Lanes are columns of the output: PAIR of them read the same column of the input. */
static void tconv_forward(const struct md_call *c) {
    const struct md_shape *s = &c->shape;
    int first, last, width = PAIR * s->width;
    struct room room = room_in(s, 1, c->to - c->from, c->scratch);
    struct operand numbers;
    struct window window = open_window(c->x, 2, c->from / 2, (c->to + 1) / 2,
                                       READS_ROWS && width % TILE == 0, 1, room.operand, &numbers);
    md_share(c->part, s->co, &first, &last);
    struct tap_sum t = {.width = width,
                        .window = &window,
                        .step = 1,
                        .weight_stride = (size_t)s->co * 4,
                        .output_stride = 4,
                        .shifts = GATHERS ? DOUBLES : ANY,
                        .combination = GATHERS ? ALONE : INTERLEAVED,
                        .bits = room.bits,
                        .weights = c->weight,
                        .room = room.weight};
    for (int kh = 0; kh < 2; kh++) {
        int begin = first_in_phase(c->from, kh, 2);
        for (int h = begin, end = first_in_phase(c->to, kh, 2); h < end; h += t.height) {
            begin_strip(&t, h, end, s->height);
            for (int kw = 0; kw < 2; kw += PAIR) {
                add_tap(&t, h, 0, s->height, 0, 0, 2 * kh + kw);
                end_sum(&t);
            }
            const struct sink sink = {.map = &c->y,
                                      .first_channel = first,
                                      .first_row = 2 * h + kh,
                                      .row_step = 2,
                                      .bias = (const elem *)c->bias + first,
                                      .leaky = c->leaky};
            run_tap_sum(&t, numbers, first, last, &sink);
        }
    }
}

/* Lanes are columns of dy: PAIR of them belong to one of dx. */
static void tconv_input_gradient(const struct md_call *c) {
    const struct md_shape *s = &c->shape;
    int first, last;
    struct room room = room_in(s, 1, 2 * (c->to - c->from), c->scratch);
    struct operand numbers;
    int here = READS_ROWS && PAIR * s->width % TILE == 0;
    struct window window =
        open_window(&c->y, 1, 2 * c->from, 2 * c->to, here, PAIR, room.operand, &numbers);
    md_share(c->part, c->dx.channels, &first, &last);
    struct tap_sum t = {.width = PAIR * s->width,
                        .window = &window,
                        .step = GATHERS ? 1 : 2,
                        .weight_stride = 4,
                        .output_stride = (size_t)s->co * 4,
                        .shifts = GATHERS ? PAIRS : ANY,
                        .combination = ADDED,
                        .bits = room.bits,
                        .weights = c->weight,
                        .room = room.weight};
    for (int h = c->from; h < c->to; h += t.height) {
        begin_strip(&t, h, c->to, s->height);
        for (int k = 0; k < 4; k += PAIR) {
            add_tap(&t, 2 * h + k / 2, k % 2, 2 * s->height, 0, 0, k);
            end_sum(&t);
        }
        const struct sink sink = {.map = &c->dx,
                                  .first_channel = first,
                                  .first_row = h,
                                  .row_step = 1,
                                  .accumulate = c->accumulate,
                                  .positive = c->mask.at};
        run_tap_sum(&t, numbers, c->first + first, c->first + last, &sink);
    }
}

/* ---- weight gradients ------------------------------------------------------------------------ */

/* Where a core has its sums of weights and those of biases: what it keeps between calls, or the
 * room for a single one. */
static real *own_sums(const struct md_call *c, int transposed, const struct room *room,
                      real **biases) {
    const struct md_shape *s = &c->shape;
    size_t each = core_sums(s, transposed, c->part.count);
    real *sums = c->sums == NULL ? room->sums : (real *)c->sums + (size_t)c->part.index * each;
    *biases = sums == NULL ? NULL : sums + weight_sums(s, transposed, c->part.count);
    return sums;
}

/* Channels first .. last-1 of two maps. */
static void take_channels(const struct md_map maps[2], int first, int last, struct md_map some[2]) {
    for (int half = 0; half < 2; half++) {
        int from = lesser(first, maps[half].channels), to = lesser(last, maps[half].channels);
        some[half] = maps[half];
        some[half].channels = to - from;
        if (from > 0)
            some[half].at = (elem *)maps[half].at + (size_t)from * md_map_plane(&maps[half]);
        first -= from;
        last -= to;
    }
}

/* Channels first .. last-1 of two maps, rows from .. to-1, as lanes. (Gathered; else of one.) */
static struct operand open_lanes(const struct md_map maps[2], int first, int last, int from, int to,
                                 struct tap_product *t, struct window *where, real *room) {
    struct operand lanes;
#if GATHERS
    (void)where;
    t->lane_stride = round_up((size_t)(last - first), LANES);
    lanes = operand_of_rows(maps, 2, first, last, from, to, room);
    transpose(maps, first, last - first, from, to, t->lane_stride, 1 / lanes.unscale, room);
#else
    *where = open_window(maps, 1, from, to, 1, 1, room, &lanes);
    t->lanes = where;
    t->lane_stride = where->half[0].stride;
    lanes.at = where->half[0].at + (size_t)first * t->lane_stride;
    (void)last;
#endif
    return lanes;
}

/* The bias gradient. Output channels are in lanes; or else are put there, two vectors at a time, in
 * `room`. */
static void sum_bias(const struct md_call *c, real *sums, const struct operand *lanes,
                     size_t lane_stride, real *room) {
    int first, last;
    md_share(c->part, c->shape.co, &first, &last);
#if GATHERS
    elem *to = (elem *)c->dbias + first;
    if (lanes != NULL) {
        const struct operand own = {lanes->at + first, lanes->optimistic, lanes->unscale};
        sum_channels(own, lane_stride, (size_t)((c->to - c->from) * c->y.width), last - first,
                     c->from > 0, c->to == c->y.height, sums, to);
    }
    const struct md_map dy[2] = {c->y};
    const struct operand numbers = {room, 0, 1};
    for (int now; lanes == NULL && first < last; first += now, sums += now, to += now) {
        now = lesser(last - first, 2 * LANES); /* a sum of one vector has to wait for itself */
        for (int h = c->from; h < c->to; h++) {
            transpose(dy, first, now, h, h + 1, 2 * LANES, 1, room);
            sum_channels(numbers, 2 * LANES, (size_t)c->y.width, now, h > 0, h + 1 == c->y.height,
                         sums, to);
        }
    }
#else
    (void)lanes;
    (void)lane_stride;
    (void)room;
    sum_channels(c, first, last - first, sums);
#endif
}

/* With output channels in lanes, and input channels first .. last-1 as scalars. */
static void weigh_outputs(const struct md_call *c, int first, int last, const struct room *room,
                          real *sums, real *bias_sums) {
    const struct md_shape *s = &c->shape;
    int above = c->from * s->stride - 1, below = (c->to - 1) * s->stride + 2;
    const struct md_map dy[2] = {c->y};
    struct md_map x[2];
    struct operand factors;
    struct window where, scalars;
    struct tap_product t = {.first_row = c->from,
                            .width = s->width / s->stride,
                            .step = s->stride,
                            .scalar_to = s->height,
                            .scalar_width = s->width,
                            .origin = 1,
                            .kernel = 3,
                            .scalars = &scalars,
                            .weight_stride = (size_t)s->ci * 9};
    struct operand lanes = open_lanes(dy, 0, s->co, c->from, c->to, &t, &where, room->lanes);
    sum_bias(c, bias_sums, &lanes, t.lane_stride, NULL);
    if (first == last)
        return;
    take_channels(c->x, first, last, x);
    scalars = open_window(x, 2, above > 0 ? above : 0, lesser(below, s->height), READS_NUMBERS, 1,
                          room->operand, &factors);
    run_tap_product(&t, c->to - c->from, lanes, s->co, factors, c->from > 0, c->to == c->y.height,
                    sums, (elem *)c->dweight + (size_t)first * 9);
}

/* With input channels first .. last-1 in lanes, and dy as scalars. */
static void weigh_inputs(const struct md_call *c, int first, int last, const struct room *room,
                         real *sums, real *bias_sums) {
    const struct md_shape *s = &c->shape;
    int above = c->from > 0 ? c->from - 1 : 0, below = lesser(c->to + 1, s->height);
    struct operand factors;
    sum_bias(c, bias_sums, NULL, 0, room->lanes);
    if (first == last)
        return;
    struct window where,
        scalars = open_window(&c->y, 1, c->from, c->to, READS_NUMBERS, 1, room->operand, &factors);
    struct tap_product t = {.first_row = above,
                            .width = s->width,
                            .step = 1,
                            .scalar_from = c->from,
                            .scalar_to = c->to,
                            .scalar_width = s->width,
                            .origin = 1,
                            .kernel = 3,
                            .turned = 1,
                            .scalars = &scalars,
                            .weight_stride = (size_t)s->ci * 9};
    struct operand lanes = open_lanes(c->x, first, last, above, below, &t, &where, room->lanes);
    run_tap_product(&t, below - above, lanes, last - first, factors, c->from > 0,
                    c->to == c->y.height, sums, (elem *)c->dweight + (size_t)first * 9);
}

static void conv_weight_gradient(const struct md_call *c) {
    const struct md_shape *s = &c->shape;
    int first, last;
    struct room room = room_in(s, 0, c->to - c->from, c->scratch);
    real *bias_sums, *sums = own_sums(c, 0, &room, &bias_sums);
    md_share(c->part, s->ci, &first, &last);
    (turns(s) ? weigh_inputs : weigh_outputs)(c, first, last, &room, sums, bias_sums);
}

/* (A transposed convolution reads no concat.) */
static void tconv_weight_gradient(const struct md_call *c) {
    const struct md_shape *s = &c->shape;
    int first, last, from = c->from / 2, to = c->to / 2;
    struct room room = room_in(s, 1, c->to - c->from, c->scratch);
    struct operand factors;
    struct window where;
    real *bias_sums, *sums = own_sums(c, 1, &room, &bias_sums);
    md_share(c->part, s->ci, &first, &last);
    sum_bias(c, bias_sums, NULL, 0, room.lanes);
    if (first == last)
        return;
    struct window scalars =
        open_window(&c->y, 1, c->from, c->to, READS_NUMBERS, 1, room.operand, &factors);
    struct tap_product t = {.first_row = from,
                            .width = s->width,
                            .step = 2,
                            .scalar_to = 2 * s->height,
                            .scalar_width = 2 * s->width,
                            .kernel = 2,
                            .scalars = &scalars,
                            .weight_stride = (size_t)s->co * 4};
    struct operand lanes = open_lanes(c->x, first, last, from, to, &t, &where, room.lanes);
    run_tap_product(&t, to - from, lanes, last - first, factors, c->from > 0, c->to == c->y.height,
                    sums, (elem *)c->dweight + (size_t)(first * s->co) * 4);
}

/* ---- activations ----------------------------------------------------------------------------- */

#if GATHERS

static void leaky_forward(size_t n, void *y_) {
    elem *y = y_;
    for (size_t i = 0; i < n; i += LANES) {
        vec a = load_elements(y + i, n - i);
        store_elements(y + i, n - i, v_leaky(v_not_positive(a), a));
    }
}

static void mask_positive(size_t n, const void *y_, uint8_t *to) {
    const elem *y = y_;
    for (size_t i = 0; i < n; i += LANES) {
        unsigned bits = v_bits(V_ALL) & ~v_bits(v_not_positive(load_elements(y + i, n - i)));
        if (i % 8 != 0)
            bits = bits << i % 8 | to[i / 8];
        if (n - i >= LANES && LANES % 8 == 0)
            __builtin_memcpy(to + i / 8, &bits, LANES / 8);
        else
            for (size_t b = 0; b < LANES && i + b < n; b += 8)
                to[(i + b) / 8] = (uint8_t)(bits >> b);
    }
}

static void leaky_backward(size_t n, const uint8_t *positive, size_t first, void *dy_) {
    elem *dy = dy_;
    for (size_t i = 0; i < n; i += LANES) {
        vec a = load_elements(dy + i, n - i);
        store_elements(dy + i, n - i,
                       v_leaky(lanes_off(positive, first + i, n - i < LANES ? n - i : LANES), a));
    }
}

#endif

const struct md_ops MD_NAME(MD_PASTE(md_lanes_, MD_LEVEL)) = {
#if GATHERS
    .leaky_forward = leaky_forward,
    .mask = mask_positive,
    .leaky_backward = leaky_backward,
#endif
    .format = MD_THIS_FORMAT,
    .kinds = {[MD_CONV3X3] = {conv_forward, conv_input_gradient, conv_weight_gradient,
                              conv_scratch_bytes, conv_sums_bytes, conv_shares_rows, GATHERS},
              [MD_TCONV2X2] = {tconv_forward, tconv_input_gradient, tconv_weight_gradient,
                               tconv_scratch_bytes, tconv_sums_bytes, tconv_shares_rows, GATHERS}},
};
