/* Every convolution of every table against the plain loops, bit for bit (dav1d's checkasm):
 * core/ops.h. The other slots: test_elements.c. What the plain loops compute is judged in
 * test_arithmetic.c. test_ops --bench [FORMAT] times the layers' calls at all levels, each after it
 * has been found to be right. */
#include <fenv.h>

#include "crashes.h"
#include "operators.h"
#include "rounds.h"

static const int splits[] = {1, 2, 3, 5, 8};

/* Sanitizers take their time, and see in fewer calls and rows what they can see. */
#if defined(__SANITIZE_ADDRESS__)
enum { CALLS = 16, ROWS = 8, KINDS_OF_DATA = 1 };
#else
enum { CALLS = 64, ROWS = 8, KINDS_OF_DATA = 2 };
#endif

TestSuite(ops, .init = tell_of_crashes);

/* What is compiled here and cannot be tried. */
Test(ops, levels_that_are_built_run_here) {
    for (const struct built_level *built = built_levels(); built->name != NULL; built++)
        if (!built->here)
            fprintf(stderr, "SKIP: this processor has no %s\n", built->name);
}

/* ---- convolutions ---------------------------------------------------------------------------- */

/* A call, its operands, what the results held before, and what the plain loops make of that. */
struct trial {
    enum md_format format;
    struct call call;
    const char *data;
    struct fenced in[OPERANDS];
    void *in_copies[OPERANDS], *before[RESULTS], *expected[RESULTS];
    struct md_random random;
    size_t few;   /* 1: not every split. Layers need not have them all, random shapes do */
    int compared; /* elements, over all levels */
};

static void run_shares(struct trial *t, const struct md_ops *ops, int split) {
    size_t elem = md_format_bytes[t->format], n[RESULTS];
    struct fenced out[RESULTS];
    struct fenced scratch = fence(scratch_for(ops, &t->call, y_height(&t->call)), 64);
    void *in[OPERANDS], *results[RESULTS], *expected[RESULTS];
    for (int i = 0; i < OPERANDS; i++)
        in[i] = t->in[i].values;
    for (int r = 0; r < RESULTS; r++) {
        n[r] = result_count(&t->call, r);
        out[r] = fence(n[r] * elem, elem);
        results[r] = out[r].values;
        expected[r] = numbers(t->format, n[r]);
        memcpy(out[r].values, t->before[r], n[r] * elem);
        memcpy(expected[r], t->before[r], n[r] * elem);
    }
    for (int i = 0; i < split; i++) {
        struct md_part part = {i, split};
        snprintf(running, sizeof running, "%s %s, %s data, part %d of %d\n", ops->level,
                 describe(&t->call, t->format), t->data, i, split);
        memset(scratch.values, POISON, scratch.bytes);
        make_call(ops, &t->call, in, results, scratch.values, part);
        for (int r = 0; r < RESULTS; r++) {
            struct extent e = result_extent(&t->call, r);
            int first, last;
            md_share(part, e.channels, &first, &last);
            for (int k = 0; k < e.times; k++) {
                size_t from = (size_t)(k * e.channels + first) * e.each * elem;
                memcpy((char *)expected[r] + from, (char *)t->expected[r] + from,
                       (size_t)(last - first) * e.each * elem);
            }
            size_t at = first_difference(t->format, results[r], expected[r], n[r]);
            cr_assert(at == n[r], "%sresult %d[%zu] is 0x%llx, expected 0x%llx", running, r, at,
                      bits_of(t->format, results[r], at), bits_of(t->format, expected[r], at));
            cr_assert(fence_holds(&out[r]), "%swrote beside result %d", running, r);
            t->compared += (int)n[r];
        }
        for (int k = 0; k < OPERANDS; k++)
            cr_assert(memcmp(in[k], t->in_copies[k], t->in[k].bytes) == 0, "%schanged operand %d",
                      running, k);
        cr_assert(fence_holds(&scratch), "%swrote beside scratch of %zu bytes", running,
                  scratch.bytes);
    }
    for (int r = 0; r < RESULTS; r++) {
        unfence(&out[r]);
        free(expected[r]);
    }
    unfence(&scratch);
}

/* A ring that holds some rows of a map, in a fence; what it does not hold is poison. */
struct ring {
    struct md_map map;
    struct fenced memory;
};

static struct ring ring_of(enum md_format format, const struct md_map *whole, int rows) {
    size_t elem = md_format_bytes[format];
    struct ring ring = {*whole, {0}};
    ring.map.rows = rows < whole->height ? rows : whole->height;
    ring.memory = fence((size_t)whole->channels * md_map_plane(&ring.map) * elem, elem);
    ring.map.at = ring.memory.values;
    return ring;
}

/* Copies rows from .. to-1, into the ring or out of it. */
static void move_rows(enum md_format format, struct ring *ring, const struct md_map *whole,
                      int from, int to, int out) {
    size_t elem = md_format_bytes[format];
    for (int c = 0; c < whole->channels; c++)
        for (int h = from; h < to; h++) {
            char *in_ring = (char *)ring->map.at + md_map_row(&ring->map, c, h) * elem;
            char *in_whole = (char *)whole->at + md_map_row(whole, c, h) * elem;
            memcpy(out ? in_whole : in_ring, out ? in_ring : in_whole, (size_t)whole->width * elem);
        }
}

/* Only rows from .. to-1 are there. */
static void hold_rows(enum md_format format, struct ring *ring, const struct md_map *whole,
                      struct md_rows rows) {
    memset(ring->memory.values, POISON, ring->memory.bytes);
    move_rows(format, ring, whole, rows.from, rows.to, 0);
}

/* The rows of x for rows of y, and of y for rows of dx: a network of one layer knows. */
static struct md_network network_of(const struct call *c) {
    const struct md_shape *s = &c->shape;
    struct md_network n = {.height = s->height, .width = s->width, .layer_count = 1};
    n.layers[0] = (struct md_layer){.kind = (int32_t)kind_of(c->op),
                                    .input = MD_PICTURE,
                                    .skip = MD_NO_SKIP,
                                    .ci = s->ci,
                                    .co = s->co,
                                    .stride = c->op->transposed ? 1 : s->stride};
    return n;
}

/* The call once more in bands of rows, on rings of just the rows that a band wants and with the
 * input in two maps, as a front has them. */
static void run_bands(struct trial *t, const struct md_ops *ops, int band, int split, int halves) {
    const struct call *c = &t->call;
    const struct md_network network = network_of(c);
    size_t elem = md_format_bytes[t->format];
    int back = c->op->direction == INPUT_GRADIENT, forward = c->op->direction == FORWARD;
    if (c->op->direction == WEIGHT_GRADIENT && c->op->transposed)
        band = (band + 1) / 2 * 2;
    void *in[OPERANDS], *out[RESULTS];
    for (int i = 0; i < OPERANDS; i++)
        in[i] = t->in[i].values;
    for (int r = 0; r < RESULTS; r++) {
        out[r] = numbers(t->format, result_count(c, r));
        memcpy(out[r], t->before[r], result_count(c, r) * elem);
    }
    struct fenced scratch = fence(scratch_for(ops, c, back ? y_height(c) : band), 64);
    struct fenced sums = fence(ops->kinds[kind_of(c->op)].sums_bytes(&c->shape, split), 64);
    memset(sums.values, POISON, sums.bytes);
    const struct md_call whole = whole_call(c, in, out, scratch.values, (struct md_part){0, split});
    struct md_map x[2] = {whole.x[0], whole.x[0]};
    x[0].channels = c->op->transposed ? c->shape.ci : halves;
    x[1].channels = whole.x[0].channels - x[0].channels;
    x[1].at = (char *)x[0].at + (size_t)x[0].channels * md_map_plane(&x[0]) * elem;
    for (int from = 0; from < whole.to; from += band) {
        struct md_call call = whole;
        call.from = from;
        call.to = from + band < whole.to ? from + band : whole.to;
        struct md_rows rows = {call.from, call.to}, read = md_rows_read(&network, 0, rows);
        struct md_rows y = back ? md_rows_reading(&network, 0, rows) : rows;
        struct ring rings[2], y_ring = ring_of(t->format, &whole.y, y.to - y.from), dx_ring;
        for (int h = 0; h < 2 && !back; h++) {
            rings[h] = ring_of(t->format, &x[h], read.to - read.from);
            hold_rows(t->format, &rings[h], &x[h], read);
            call.x[h] = rings[h].map;
        }
        hold_rows(t->format, &y_ring, &whole.y, forward ? (struct md_rows){0, 0} : y);
        call.y = y_ring.map;
        call.sums = sums.values;
        if (back) {
            dx_ring = ring_of(t->format, &whole.dx, call.to - call.from);
            hold_rows(t->format, &dx_ring, &whole.dx, rows);
            call.dx = dx_ring.map;
        }
        for (int i = 0; i < split; i++) {
            snprintf(running, sizeof running,
                     "%s %s, %s data, rows %d..%d, halves %d, part %d of %d\n", ops->level,
                     describe(c, t->format), t->data, from, call.to, halves, i, split);
            call.part.index = i;
            memset(scratch.values, POISON, scratch.bytes);
            run_call(ops, c, &call);
        }
        if (forward)
            move_rows(t->format, &y_ring, &whole.y, call.from, call.to, 1);
        if (back)
            move_rows(t->format, &dx_ring, &whole.dx, call.from, call.to, 1);
        cr_assert(fence_holds(&y_ring.memory) && (!back || fence_holds(&dx_ring.memory)),
                  "%swrote beside a ring", running);
        for (int h = 0; h < 2 && !back; h++)
            unfence(&rings[h].memory);
        unfence(&y_ring.memory);
        if (back)
            unfence(&dx_ring.memory);
    }
    for (int r = 0; r < RESULTS; r++) {
        size_t n = result_count(c, r), at = first_difference(t->format, out[r], t->expected[r], n);
        cr_assert(at == n, "%sin bands of %d: result %d[%zu] is 0x%llx, expected 0x%llx", running,
                  band, r, at, bits_of(t->format, out[r], at),
                  bits_of(t->format, t->expected[r], at));
        t->compared += (int)n;
        free(out[r]);
    }
    cr_assert(fence_holds(&scratch) && fence_holds(&sums), "%swrote beside scratch or sums",
              running);
    unfence(&scratch);
    unfence(&sums);
}

/* Bands of one row or of some, on as many cores, cut into halves anywhere. */
static void run_some_bands(struct trial *t, const struct md_ops *ops) {
    uint32_t most = md_random_below(&t->random, 2) == 0 ? 1 : 5;
    run_bands(t, ops, 1 + (int)md_random_below(&t->random, most),
              splits[md_random_below(&t->random, LENGTH(splits))],
              1 + (int)md_random_below(&t->random, (uint32_t)t->call.shape.ci));
}

/* Makes the taps of one side of the kernel infinite, or for a weight gradient one side of y's
 * error: where such a tap lies outside the picture, or such an error meets what is outside, the
 * result is finite if it is skipped and NaN if it is multiplied by zero. */
static void make_a_side_infinite(struct trial *t, int side) {
    const struct call *c = &t->call;
    int height = 3, width = 3;
    if (c->op->direction == WEIGHT_GRADIENT) {
        height = c->shape.height / c->shape.stride;
        width = c->shape.width / c->shape.stride;
    }
    size_t plane = (size_t)height * (size_t)width;
    for (size_t i = 0; i < operand_count(c, 1); i++) {
        int row = (int)(i % plane) / width, column = (int)(i % plane) % width;
        if (side == 0   ? row == 0
            : side == 1 ? row == height - 1
            : side == 2 ? column == 0
                        : column == width - 1)
            set_number(t->format, t->in[1].values, i, INFINITY);
    }
}

/* Multiply-adds of a call. */
static double work_of(const struct call *c) {
    double pixels = (double)y_pixels(c) / (c->op->transposed ? 4.0 : 1.0);
    return pixels * (double)weight_count(c) * (double)(c->last - c->first) / c->shape.ci;
}

/* Of each level the fastest of some repetitions: microseconds, billions of multiply-adds a second,
 * and how many times as fast as the plain loops that is. */
static void time_call(const struct trial *t, const struct call *call, void *const in[],
                      void *const results[]) {
    enum { REPEATS = 20 };
    const char *levels[8];
    double ref_us = 0.0;
    for (int l = -1; l < exact_levels(t->format, levels); l++) {
        const struct md_ops *ops = md_ops_find(t->format, l < 0 ? "ref" : levels[l]);
        struct fenced scratch = fence(scratch_for(ops, call, y_height(call)), 64);
        double best_us = INFINITY;
        for (int i = 0; i < (l < 0 ? 2 : REPEATS); i++) {
            double began = now();
            make_call(ops, call, in, results, scratch.values, (struct md_part){0, 1});
            best_us = fmin(best_us, 1e6 * (now() - began));
        }
        ref_us = l < 0 ? best_us : ref_us;
        printf("%-11s %10.1f us %7.2f G/s %7.1f times  %s\n", ops->level, best_us,
               1e-3 * work_of(call) / best_us, ref_us / best_us, describe(call, t->format));
        unfence(&scratch);
    }
    fflush(stdout);
}

/* Runs one call through every level and split. infinite: 0, or 1 and a side: see above. */
static void check_call(struct trial *t, const struct call *call, enum data data, int infinite) {
    const char *levels[8];
    size_t elem = md_format_bytes[t->format];
    t->call = *call;
    t->data = infinite ? "infinite border" : data_names[data];
    for (int i = 0; i < OPERANDS; i++) {
        size_t n = operand_count(call, i);
        t->in[i] = fence(n * elem, elem);
        fill(t->format, data, &t->random, n, t->in[i].values);
    }
    if (infinite && !call->op->transposed)
        make_a_side_infinite(t, infinite - 1);
    for (int i = 0; i < OPERANDS; i++) {
        t->in_copies[i] = numbers(t->format, t->in[i].bytes / elem);
        memcpy(t->in_copies[i], t->in[i].values, t->in[i].bytes);
    }
    for (int r = 0; r < RESULTS; r++) {
        size_t n = result_count(call, r);
        t->before[r] = numbers(t->format, n);
        t->expected[r] = numbers(t->format, n);
        fill(t->format, data, &t->random, n, t->before[r]);
        memcpy(t->expected[r], t->before[r], n * elem);
    }
    const struct md_ops *ref = md_ops_find(t->format, "ref");
    void *in[OPERANDS] = {t->in[0].values, t->in[1].values, t->in[2].values};
    make_call(ref, call, in, t->expected, NULL, (struct md_part){0, 1});
    /* The plain loops' own shares: cheap shapes are enough, they have no special cases. */
    for (size_t s = 0; s < LENGTH(splits) && weight_count(call) * y_pixels(call) < 5000; s++)
        run_shares(t, ref, splits[s]);
    if (weight_count(call) * y_pixels(call) < 5000)
        run_some_bands(t, ref);
    for (int l = 0; l < exact_levels(t->format, levels); l++) {
        for (size_t s = 0; s < LENGTH(splits); s += 1 + 2 * t->few)
            run_shares(t, md_ops_find(t->format, levels[l]), splits[s]);
        run_some_bands(t, md_ops_find(t->format, levels[l]));
    }
    cr_assert_eq(fegetround(), FE_TONEAREST, "%sleft another rounding", running);
    if (getenv("MUDEPTH_BENCH") != NULL && data == ORDINARY)
        time_call(t, call, in, t->before);
    for (int i = 0; i < OPERANDS; i++) {
        unfence(&t->in[i]);
        free(t->in_copies[i]);
    }
    for (int r = 0; r < RESULTS; r++) {
        free(t->before[r]);
        free(t->expected[r]);
    }
}

static void check_layer(const struct call *call, void *trial) {
    static const enum data kinds[] = {ORDINARY, ADVERSARIAL};
    for (int kind = 0; kind < KINDS_OF_DATA; kind++)
        check_call(trial, call, kinds[kind], 0);
}

/* A picture of another size changes nothing but the planes: small ones keep the plain loops from
 * taking minutes. In binary32, the published network's format, it is as wide as the real one. */
static void check_layers(enum md_format format, const char *network, int height, int width) {
    struct trial trial = {.format = format, .random = md_random_stream(1, 0, 0, 0), .few = 1};
    int calls = each_layer_call(md_network_find(network), height, width, check_layer, &trial);
    cr_assert_geq(calls, 3 * 10);
    cr_assert_gt(trial.compared, 0);
}

Test(ops, layers_of_upydnet_fp32) {
    check_layers(MD_FP32, "upydnet", ROWS, 48);
}
Test(ops, layers_of_upydnet_fp64) {
    check_layers(MD_FP64, "upydnet", 8, 24);
}
Test(ops, layers_of_upydnet_fp16) {
    check_layers(MD_FP16, "upydnet", 8, 24);
    check_layers(MD_FP16W, "upydnet", 8, 24);
}
Test(ops, layers_of_upydnet_bf16) {
    check_layers(MD_BF16, "upydnet", 8, 24);
    check_layers(MD_BF16W, "upydnet", 8, 24);
}
Test(ops, layers_of_upydnet_large) {
    check_layers(MD_FP32, "upydnet_large", 4, 12);
}
Test(ops, layers_of_upydnet_8x8) {
    check_layers(MD_FP32, "upydnet_8x8", 12, 40);
}

/* Rows that are whole tiles of any level, and more than one: one that neither begins nor ends a row
 * may lie beside the picture all the same. */
static void check_wide_rows(enum md_format format) {
    enum { SIDES = 4 };
    static const int widths[] = {48, 96, 192};
    struct trial trial = {.format = format, .random = md_random_stream(3, 0, 0, 0), .few = 1};
    for (size_t o = 0; o < LENGTH(operators); o++)
        for (size_t i = 0; i < LENGTH(widths); i++) {
            struct md_shape shape = {8, 8, 1 + (int)md_random_below(&trial.random, 3), widths[i],
                                     1};
            struct call call = call_of(&operators[o], shape);
            check_call(&trial, &call, ADVERSARIAL, 0);
            for (int side = 0; side < SIDES && !call.op->transposed; side++)
                check_call(&trial, &call, POWERS_OF_TWO, 1 + side);
        }
}

static void check_random_shapes(enum md_format format) {
    struct trial trial = {.format = format, .random = md_random_stream(2, 0, 0, 0)};
    const char *fewer = getenv("MUDEPTH_CALLS"); /* an emulated processor takes its time */
    int calls = fewer != NULL ? atoi(fewer) : CALLS;
    for (size_t o = 0; o < LENGTH(operators); o++)
        for (int i = 0; i < calls; i++) {
            /* Mostly small, so that borders are everywhere; channels up to more than two vectors.
             */
            uint32_t most = i % 16 == 0 ? 40 : i % 4 == 0 ? 20 : 7;
            struct call call =
                call_of(&operators[o], random_shape(&operators[o], most, &trial.random));
            call.first = (int)md_random_below(&trial.random, (uint32_t)call.shape.ci);
            call.last -= (int)md_random_below(&trial.random, (uint32_t)(call.last - call.first));
            call.accumulate = (int)md_random_below(&trial.random, 2);
            call.leaky = call.op->direction != WEIGHT_GRADIENT && i % 2 == 1;
            call.dense = i % 4 == 1;
            trial.compared = 0;
            check_call(&trial, &call, (enum data)(i % DATA_COUNT), 0);
            check_call(&trial, &call, POWERS_OF_TWO, 1 + (int)md_random_below(&trial.random, 4));
            cr_assert_gt(trial.compared, 0);
        }
}

Test(ops, random_shapes_fp32) {
    check_random_shapes(MD_FP32);
    check_wide_rows(MD_FP32);
}
Test(ops, random_shapes_fp64) {
    check_random_shapes(MD_FP64);
    check_wide_rows(MD_FP64);
}
Test(ops, random_shapes_fp16) {
    check_random_shapes(MD_FP16);
    check_wide_rows(MD_FP16);
}
Test(ops, random_shapes_bf16) {
    check_random_shapes(MD_BF16);
    check_wide_rows(MD_BF16);
}
Test(ops, random_shapes_fp16w) {
    check_random_shapes(MD_FP16W);
    check_wide_rows(MD_FP16W);
}
Test(ops, random_shapes_bf16w) {
    check_random_shapes(MD_BF16W);
    check_wide_rows(MD_BF16W);
}

#if !defined(MD_TESTS_PLAIN_CRITERION_H)
/* Tests are processes of their own, which the environment reaches. */
int main(int count, char **words) {
    char pattern[64] = "ops/layers*",
         *timing[] = {words[0], (char[]){"-j1"}, (char[]){"--filter"}, pattern};
    int bench = count > 1 && strcmp(words[1], "--bench") == 0;
    if (bench)
        setenv("MUDEPTH_BENCH", "1", 1);
    if (bench && count > 2)
        snprintf(pattern, sizeof pattern, "ops/layers*%.20s", words[2]);
    struct criterion_test_set *tests = criterion_initialize();
    int passed = 0;
    if (criterion_handle_args(bench ? 4 : count, bench ? timing : words, true))
        passed = criterion_run_all_tests(tests);
    criterion_finalize(tests);
    return !passed;
}
#endif
