/* Every slot of every table against the plain loops, bit for bit (dav1d's checkasm): core/ops.h.
 * What the plain loops compute is judged in test_arithmetic.c and test_losses.c. */
#include <fenv.h>
#include <signal.h>

#include "operators.h"

static const int splits[] = {1, 2, 3, 5, 8};

/* What is running, for the message when it touches a fence and dies. */
static char running[256];

static void tell_and_die(int signal_number) {
    ssize_t written = write(STDERR_FILENO, running, strlen(running));
    signal(signal_number, SIG_DFL);
    raise(written >= 0 ? signal_number : SIGABRT);
}

static void setup(void) {
    signal(SIGSEGV, tell_and_die);
    signal(SIGBUS, tell_and_die);
}

TestSuite(ops, .init = setup);

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
            memcpy((char *)expected[r] + (size_t)first * e.each * elem,
                   (char *)t->expected[r] + (size_t)first * e.each * elem,
                   (size_t)(last - first) * e.each * elem);
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

/* Bands of one row and of some, on as many cores, cut into halves anywhere. */
static void run_some_bands(struct trial *t, const struct md_ops *ops) {
    for (int i = 0; i < 2; i++)
        run_bands(t, ops, i == 0 ? 1 : 1 + (int)md_random_below(&t->random, 5),
                  splits[md_random_below(&t->random, LENGTH(splits))],
                  1 + (int)md_random_below(&t->random, (uint32_t)t->call.shape.ci));
}

/* Makes the taps of one side of the kernel infinite, or for a weight gradient one side of y's
 * error: where such a tap lies outside the picture, or such an error meets what is outside, the
 * result is finite if it is skipped and NaN if it is multiplied by zero. */
static void make_a_side_infinite(struct trial *t) {
    const struct call *c = &t->call;
    int height = 3, width = 3, side = (int)md_random_below(&t->random, 4);
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

/* Runs one call through every level and split. infinite: see above. */
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
        make_a_side_infinite(t);
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
    for (int i = 0; i < OPERANDS; i++) {
        unfence(&t->in[i]);
        free(t->in_copies[i]);
    }
    for (int r = 0; r < RESULTS; r++) {
        free(t->before[r]);
        free(t->expected[r]);
    }
}

static void check_both(const struct call *call, void *trial) {
    check_call(trial, call, ORDINARY, 0);
    check_call(trial, call, ADVERSARIAL, 0);
}

/* A picture of another size changes nothing but the planes: small ones keep the plain loops from
 * taking minutes. The real one is run in binary32, the published network's format. */
static void check_layers(enum md_format format, const char *network, int height, int width) {
    struct trial trial = {.format = format, .random = md_random_stream(1, 0, 0, 0), .few = 1};
    int calls = each_layer_call(md_network_find(network), height, width, check_both, &trial);
    cr_assert_geq(calls, 3 * 10);
    cr_assert_gt(trial.compared, 0);
}

Test(ops, layers_of_upydnet_fp32) {
    check_layers(MD_FP32, "upydnet", 48, 48);
}
Test(ops, layers_of_upydnet_fp64) {
    check_layers(MD_FP64, "upydnet", 16, 24);
}
Test(ops, layers_of_upydnet_fp16) {
    check_layers(MD_FP16, "upydnet", 16, 24);
    check_layers(MD_FP16W, "upydnet", 16, 24);
}
Test(ops, layers_of_upydnet_bf16) {
    check_layers(MD_BF16, "upydnet", 16, 24);
    check_layers(MD_BF16W, "upydnet", 16, 24);
}
Test(ops, layers_of_upydnet_large) {
    check_layers(MD_FP32, "upydnet_large", 12, 12);
}
Test(ops, layers_of_upydnet_8x8) {
    check_layers(MD_FP32, "upydnet_8x8", 20, 40);
}

static void check_random_shapes(enum md_format format) {
    struct trial trial = {.format = format, .random = md_random_stream(2, 0, 0, 0)};
    for (size_t o = 0; o < LENGTH(operators); o++)
        for (int i = 0; i < 240; i++) {
            /* Mostly small, so that borders are everywhere; channels up to more than two vectors.
             */
            uint32_t most = i % 16 == 0 ? 40 : i % 4 == 0 ? 20 : 7;
            struct call call =
                call_of(&operators[o], random_shape(&operators[o], most, &trial.random));
            call.first = (int)md_random_below(&trial.random, (uint32_t)call.shape.ci);
            call.last -= (int)md_random_below(&trial.random, (uint32_t)(call.last - call.first));
            call.accumulate = (int)md_random_below(&trial.random, 2);
            trial.compared = 0;
            check_call(&trial, &call, (enum data)(i % DATA_COUNT), 0);
            check_call(&trial, &call, POWERS_OF_TWO, 1);
            cr_assert_gt(trial.compared, 0);
        }
}

Test(ops, random_shapes_fp32) {
    check_random_shapes(MD_FP32);
}
Test(ops, random_shapes_fp64) {
    check_random_shapes(MD_FP64);
}
Test(ops, random_shapes_fp16) {
    check_random_shapes(MD_FP16);
}
Test(ops, random_shapes_bf16) {
    check_random_shapes(MD_BF16);
}
Test(ops, random_shapes_fp16w) {
    check_random_shapes(MD_FP16W);
}
Test(ops, random_shapes_bf16w) {
    check_random_shapes(MD_BF16W);
}

/* ---- element by element ---------------------------------------------------------------------- */

typedef void slot_fn(const struct md_ops *ops, size_t n, void *const in[], void *const out[]);

static const struct md_update plain = {.learning_rate = 0.01f};
static const struct md_update heavy = {
    .learning_rate = 0.01f, .momentum = 0.9f, .weight_decay = 0.001f};
static const struct md_update decayed = {.learning_rate = 0.01f, .weight_decay = 0.001f};
static const struct md_update adaptive = {.learning_rate = 0.01f,
                                          .beta1 = 0.9f,
                                          .beta2 = 0.999f,
                                          .epsilon = 1e-7f,
                                          .correction1 = 0.1f,
                                          .correction2 = 0.001f};
static const struct md_update scaled = {.learning_rate = 0.01f,
                                        .momentum = 0.9f,
                                        .weight_decay = 0.001f,
                                        .beta1 = 0.9f,
                                        .beta2 = 0.999f,
                                        .epsilon = 1e-7f,
                                        .loss_scale_log2 = 10,
                                        .seed = 5,
                                        .correction1 = 0.1f,
                                        .correction2 = 0.001f,
                                        .step = 3};

#define SLOT(name, call)                                                                           \
    static void name(const struct md_ops *ops, size_t n, void *const in[], void *const out[]) {    \
        (void)in;                                                                                  \
        ops->call;                                                                                 \
    }
SLOT(leaky_forward, leaky_forward(n, out[0]))
SLOT(mask, mask(n, in[0], out[0]))
SLOT(leaky_backward, leaky_backward(n, in[0], out[0]))
SLOT(add, add(n, in[0], out[0]))
#define KEPT(moments, storing) (&(struct md_kept){moments, out[1], out[2], storing, out[3], 6})
#define UPDATE(name, optimizer, settings, moments, storing)                                        \
    SLOT(name, optimizer(n, &settings, in[0], KEPT(moments, storing), out[0]))
UPDATE(sgd, sgd, plain, MD_MOMENTS_FORMAT, MD_STORE_PLAIN)
UPDATE(sgd_momentum, sgd, heavy, MD_MOMENTS_FORMAT, MD_STORE_PLAIN)
UPDATE(sgd_decay, sgd, decayed, MD_MOMENTS_FORMAT, MD_STORE_PLAIN)
UPDATE(sgd_fp32, sgd, scaled, MD_MOMENTS_FP32, MD_STORE_PLAIN)
UPDATE(sgd_stochastic, sgd, plain, MD_MOMENTS_FORMAT, MD_STORE_STOCHASTIC)
UPDATE(sgd_master, sgd, scaled, MD_MOMENTS_FP32, MD_STORE_MASTER)
UPDATE(sgd_kahan, sgd, heavy, MD_MOMENTS_FORMAT, MD_STORE_KAHAN)
UPDATE(adam, adam, adaptive, MD_MOMENTS_FORMAT, MD_STORE_PLAIN)
UPDATE(adam_fp32, adam, scaled, MD_MOMENTS_FP32, MD_STORE_PLAIN)
UPDATE(adam_stochastic, adam, scaled, MD_MOMENTS_FP32, MD_STORE_STOCHASTIC)
UPDATE(adam_master, adam, adaptive, MD_MOMENTS_FORMAT, MD_STORE_MASTER)
UPDATE(adam_kahan, adam, scaled, MD_MOMENTS_FORMAT, MD_STORE_KAHAN)
SLOT(from_float, from_float(n, in[0], out[0]))
SLOT(to_float, to_float(n, in[0], out[0]))
SLOT(from_bytes, from_bytes(n, in[0], out[0]))

/* What an array holds: elements of the format, floats, bytes, or a bit for each element. */
enum array { NONE, ELEMENTS, FLOATS, BYTES, MASK };
enum { OUTPUTS = 4 };

static const struct slot {
    const char *name;
    slot_fn *run;
    enum array in[2], out[OUTPUTS];
} slots[] = {
    {"leaky_forward", leaky_forward, {NONE}, {ELEMENTS}},
    {"mask", mask, {ELEMENTS}, {MASK}},
    {"leaky_backward", leaky_backward, {MASK}, {ELEMENTS}},
    {"add", add, {ELEMENTS}, {ELEMENTS}},
    {"sgd", sgd, {ELEMENTS}, {ELEMENTS}},
    {"sgd with momentum", sgd_momentum, {ELEMENTS}, {ELEMENTS, ELEMENTS}},
    {"sgd with weight decay", sgd_decay, {ELEMENTS}, {ELEMENTS}},
    {"sgd, fp32 moments", sgd_fp32, {ELEMENTS}, {ELEMENTS, FLOATS}},
    {"sgd, stochastic", sgd_stochastic, {ELEMENTS}, {ELEMENTS}},
    {"sgd, master", sgd_master, {ELEMENTS}, {ELEMENTS, FLOATS, NONE, FLOATS}},
    {"sgd, kahan", sgd_kahan, {ELEMENTS}, {ELEMENTS, ELEMENTS, NONE, ELEMENTS}},
    {"adam", adam, {ELEMENTS}, {ELEMENTS, ELEMENTS, ELEMENTS}},
    {"adam, fp32 moments", adam_fp32, {ELEMENTS}, {ELEMENTS, FLOATS, FLOATS}},
    {"adam, stochastic", adam_stochastic, {ELEMENTS}, {ELEMENTS, FLOATS, FLOATS}},
    {"adam, master", adam_master, {ELEMENTS}, {ELEMENTS, ELEMENTS, ELEMENTS, FLOATS}},
    {"adam, kahan", adam_kahan, {ELEMENTS}, {ELEMENTS, ELEMENTS, ELEMENTS, ELEMENTS}},
    {"from_float", from_float, {FLOATS}, {ELEMENTS}},
    {"to_float", to_float, {ELEMENTS}, {FLOATS}},
    {"from_bytes", from_bytes, {BYTES}, {ELEMENTS}},
};

static size_t array_bytes(enum array array, enum md_format format, size_t n) {
    size_t elem = md_format_bytes[format];
    return array == NONE       ? 0
           : array == ELEMENTS ? n * elem
           : array == FLOATS   ? n * sizeof(float)
           : array == MASK     ? (n + 7) / 8
                               : n;
}

static struct fenced fenced_data(enum array array, enum md_format format, enum data data, size_t n,
                                 struct md_random *random) {
    size_t bytes = array_bytes(array, format, n);
    if (array == FLOATS)
        format = MD_FP32;
    int in_bytes = array == BYTES || array == MASK;
    struct fenced f = fence(bytes, in_bytes ? 1 : md_format_bytes[format]);
    if (in_bytes)
        for (size_t i = 0; i < bytes; i++)
            f.values[i] = (unsigned char)md_random_bits(random);
    else
        fill(format, data, random, bytes / md_format_bytes[format], f.values);
    return f;
}

/* Same inputs, same random numbers: run by both tables. */
static void run_slot(const struct slot *slot, const struct md_ops *ops, enum data data, size_t n,
                     struct md_random random, struct fenced out[OUTPUTS]) {
    struct fenced in[2];
    void *from[2], *to[OUTPUTS], *copies[2];
    for (int i = 0; i < 2; i++) {
        in[i] = fenced_data(slot->in[i], ops->format, data, n, &random);
        from[i] = in[i].values;
        copies[i] = numbers(MD_FP64, in[i].bytes);
        memcpy(copies[i], from[i], in[i].bytes);
    }
    for (int i = 0; i < OUTPUTS; i++) {
        out[i] = fenced_data(slot->out[i], ops->format, data, n, &random);
        to[i] = out[i].values;
    }
    snprintf(running, sizeof running, "%s %s %s, %s data, n %zu\n", slot->name, ops->level,
             md_format_names[ops->format], data_names[data], n);
    slot->run(ops, n, from, to);
    for (int i = 0; i < 2; i++) {
        cr_assert(memcmp(copies[i], from[i], in[i].bytes) == 0, "%schanged input %d", running, i);
        unfence(&in[i]);
        free(copies[i]);
    }
    for (int i = 0; i < OUTPUTS; i++)
        cr_assert(fence_holds(&out[i]), "%swrote beside output %d", running, i);
}

static void check_slot(const struct slot *slot, enum md_format format, const char *level,
                       enum data data, size_t n, struct md_random *random) {
    struct fenced expected[OUTPUTS], out[OUTPUTS];
    md_random_bits(random);
    run_slot(slot, md_ops_find(format, "ref"), data, n, *random, expected);
    run_slot(slot, md_ops_find(format, level), data, n, *random, out);
    for (int i = 0; i < OUTPUTS; i++) {
        enum md_format type = slot->out[i] == FLOATS ? MD_FP32 : format;
        if (slot->out[i] == MASK) {
            cr_assert(memcmp(out[i].values, expected[i].values, out[i].bytes) == 0, "%smask",
                      running);
            type = MD_FP16; /* compared: nothing is left to compare */
        }
        size_t count = slot->out[i] == MASK ? 0 : out[i].bytes / md_format_bytes[type];
        size_t at = first_difference(type, out[i].values, expected[i].values, count);
        cr_assert(at == count, "%soutput %d[%zu] is 0x%llx, ref has 0x%llx", running, i, at,
                  bits_of(type, out[i].values, at), bits_of(type, expected[i].values, at));
        unfence(&expected[i]);
        unfence(&out[i]);
    }
}

Test(ops, elementwise) {
    static const size_t counts[] = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 1000};
    const char *levels[8];
    struct md_random random = md_random_stream(3, 0, 0, 0);
    for (int format = 0; format < MD_FORMAT_COUNT; format++)
        for (int l = 0; l < exact_levels((enum md_format)format, levels); l++)
            for (size_t s = 0; s < LENGTH(slots); s++)
                for (size_t n = 0; n < LENGTH(counts); n++)
                    for (int data = 0; data < DATA_COUNT; data++)
                        check_slot(&slots[s], (enum md_format)format, levels[l], (enum data)data,
                                   counts[n], &random);
}

/* ---- pooling and losses ---------------------------------------------------------------------- */

enum pooling { MEAN, MEAN_BACK, MAX, MAX_BACK, RELU, RELU_BACK, POOLINGS };

static void run_pool(const struct md_ops *ops, enum pooling pooling, const struct md_shape *s,
                     void *x, void *dy, void *out, struct md_part part) {
    static const enum md_layer_kind kinds[] = {MD_AVERAGE_POOL, MD_MAX_POOL, MD_RELU};
    int back = pooling % 2, ho = s->height / s->stride, wo = s->width / s->stride;
    int row = md_mask_bytes(s->width);
    uint8_t *bits = calloc((size_t)(s->co * s->height * row) + 1, 1);
    for (int r = 0; pooling == RELU_BACK && r < s->co * s->height; r++)
        ops->mask((size_t)s->width,
                  (char *)x + (size_t)(r * s->width) * md_format_bytes[ops->format],
                  bits + r * row);
    const struct md_call call = {.shape = *s,
                                 .x = {whole_map(x, s->co, s->height, s->width)},
                                 .y = whole_map(back ? dy : out, s->co, ho, wo),
                                 .dx = whole_map(out, s->co, s->height, s->width),
                                 .mask = whole_map(bits, s->co, s->height, row),
                                 .to = back ? s->height : ho,
                                 .part = part};
    const struct md_operator *o = &ops->kinds[kinds[pooling / 2]];
    (back ? o->input_gradient : o->forward)(&call);
    free(bits);
}

static void check_pool(const struct md_ops *ops, const struct md_shape *s, enum pooling pooling,
                       int split, enum data data, struct md_random *random) {
    static const char *const names[] = {"forward",      "backward", "max forward",
                                        "max backward", "relu",     "relu backward"};
    const struct md_ops *ref = md_ops_find(ops->format, "ref");
    size_t elem = md_format_bytes[ops->format];
    size_t x = (size_t)(s->co * s->height * s->width), y = x / (size_t)(s->stride * s->stride);
    size_t n = pooling % 2 ? x : y, per_channel = n / (size_t)s->co;
    struct fenced in = fence(x * elem, elem), error = fence(y * elem, elem),
                  out = fence(n * elem, elem);
    char *whole = numbers(ops->format, n), *expected = numbers(ops->format, n);
    fill(ops->format, data, random, x, in.values);
    fill(ops->format, data, random, y, error.values);
    memset(out.values, POISON, n * elem);
    memset(expected, POISON, n * elem);
    run_pool(ref, pooling, s, in.values, error.values, whole, (struct md_part){0, 1});
    for (int i = 0; i < split; i++) {
        struct md_part part = {i, split};
        int first, last;
        md_share(part, s->co, &first, &last);
        run_pool(ops, pooling, s, in.values, error.values, out.values, part);
        memcpy(expected + (size_t)first * per_channel * elem,
               whole + (size_t)first * per_channel * elem,
               (size_t)(last - first) * per_channel * elem);
        size_t at = first_difference(ops->format, out.values, expected, n);
        cr_assert(at == n && fence_holds(&out),
                  "pool %s %s %s, %s data, %d channels %dx%d by %d, part %d of %d: element %zu",
                  names[pooling], ops->level, md_format_names[ops->format], data_names[data], s->co,
                  s->height, s->width, s->stride, i, split, at);
    }
    unfence(&in);
    unfence(&error);
    unfence(&out);
    free(whole);
    free(expected);
}

Test(ops, pooling) {
    struct md_random random = md_random_stream(4, 0, 0, 0);
    const char *levels[8];
    for (int format = 0; format < MD_FORMAT_COUNT; format++) {
        int count = exact_levels((enum md_format)format, levels);
        levels[count++] = "ref";
        for (int i = 0; i < 50 * POOLINGS * count; i++) {
            enum pooling pooling = (enum pooling)(i % POOLINGS);
            int size = pooling < RELU ? 1 + (int)md_random_below(&random, 5) : 1;
            int co = (int)md_random_below(&random, 9);
            struct md_shape s = {co + 1, co + 1, 0, 0, size};
            s.height = size * (1 + (int)md_random_below(&random, 5));
            s.width = size * (1 + (int)md_random_below(&random, 5));
            check_pool(md_ops_find((enum md_format)format, levels[i / POOLINGS % count]), &s,
                       pooling, splits[i % (int)LENGTH(splits)], (enum data)(i % DATA_COUNT),
                       &random);
        }
    }
}

/* Two channels of 4x6 by 2 of small whole numbers, so that many are equal, and of NaNs: what is
 * taken is equal to or above all others, and comes first among its equals, a NaN last. */
Test(ops, max_pool_takes_the_first_largest) {
    enum { CO = 2, H = 4, W = 6, SIZE = 2, IN = CO * H * W, OUT = IN / SIZE / SIZE };
    const struct md_shape shape = {CO, CO, H, W, SIZE};
    struct md_random random = md_random_stream(5, 0, 0, 0);
    for (int format = 0; format < MD_FORMAT_COUNT; format++) {
        const struct md_ops *ops = md_ops_find((enum md_format)format, "ref");
        for (int trial = 0; trial < 100; trial++) {
            float x[IN], y[OUT], dy[OUT], dx[IN];
            void *in = numbers(ops->format, IN), *out = numbers(ops->format, OUT),
                 *error = numbers(ops->format, OUT), *back = numbers(ops->format, IN);
            for (int i = 0; i < IN; i++)
                x[i] = md_random_below(&random, 20) == 0 ? NAN
                                                         : (float)md_random_below(&random, 5) - 3;
            for (int i = 0; i < OUT; i++)
                dy[i] = (float)(i + 1);
            ops->from_float(IN, x, in);
            ops->from_float(OUT, dy, error);
            run_pool(ops, MAX, &shape, in, NULL, out, (struct md_part){0, 1});
            run_pool(ops, MAX_BACK, &shape, in, error, back, (struct md_part){0, 1});
            ops->to_float(OUT, out, y);
            ops->to_float(IN, back, dx);
            for (int o = 0; o < OUT; o++) {
                int c = o / (OUT / CO), row = o % (OUT / CO) / (W / SIZE), taken = -1;
                for (int i = 0; i < SIZE * SIZE; i++) {
                    int at = (c * H + row * SIZE + i / SIZE) * W + o % (W / SIZE) * SIZE + i % SIZE;
                    if (taken < 0 || isnan(x[at]) || (!isnan(x[taken]) && x[at] > x[taken]))
                        taken = at;
                }
                cr_assert(y[o] == x[taken] || (isnan(y[o]) && isnan(x[taken])), "%s",
                          md_format_names[format]);
                for (int i = 0; i < SIZE * SIZE; i++) {
                    int at = (c * H + row * SIZE + i / SIZE) * W + o % (W / SIZE) * SIZE + i % SIZE;
                    cr_assert_eq(dx[at], at == taken ? dy[o] : 0, "%s", md_format_names[format]);
                }
            }
            free(in);
            free(out);
            free(error);
            free(back);
        }
    }
}

/* samples x pixels; what is a sample's is followed by something else. Every eighth label lacks. */
static void check_loss(enum md_format format, const char *level, enum md_loss loss, enum data data,
                       struct md_random *random) {
    size_t elem = md_format_bytes[format], samples = 1 + md_random_below(random, 4);
    size_t pixels = 1 + md_random_below(random, 70), stride = pixels + md_random_below(random, 9);
    size_t n = (samples - 1) * stride + pixels;
    struct fenced output = fence(n * elem, elem), label = fence(n * elem, elem);
    struct fenced gradients[2] = {fence(n * elem, elem), fence(n * elem, elem)};
    struct md_loss_report reports[2];
    const char *names[2] = {"ref", level};
    float fb[4] = {80.0f, 1.0f, 33.25f, 1e-3f};
    float scale = md_power_of_two((int)md_random_below(random, 2) * MD_MOST_LOSS_SCALE_LOG2);
    fill(format, data, random, n, output.values);
    fill(format, data, random, n, gradients[0].values);
    memcpy(gradients[1].values, gradients[0].values, n * elem);
    for (size_t i = 0; i < n; i++)
        set_number(format, label.values, i,
                   md_random_below(random, 8) == 0 ? -1.0 : fabs(draw(format, data, random)));
    for (int i = 0; i < 2; i++)
        md_ops_find(format, names[i])
            ->loss_gradient(loss, (int)samples, (int)pixels, output.values, label.values, stride,
                            fb, 5.0f, scale, gradients[i].values, &reports[i]);
    size_t at = first_difference(format, gradients[0].values, gradients[1].values, n);
    cr_assert(at == n && fence_holds(&gradients[1]) &&
                  first_difference(MD_FP32, &reports[0].value, &reports[1].value, 1) == 1 &&
                  first_difference(MD_FP32, &reports[0].c, &reports[1].c, 1) == 1 &&
                  reports[0].valid == reports[1].valid,
              "%s %s %s, %s data, %zu samples of %zu pixels: element %zu", md_loss_names[loss],
              level, md_format_names[format], data_names[data], samples, pixels, at);
    unfence(&output);
    unfence(&label);
    unfence(&gradients[0]);
    unfence(&gradients[1]);
}

Test(ops, losses) {
    struct md_random random = md_random_stream(5, 0, 0, 0);
    const char *levels[8];
    for (int format = 0; format < MD_FORMAT_COUNT; format++)
        for (int l = 0; l < exact_levels((enum md_format)format, levels); l++)
            for (int i = 0; i < 100 * MD_LOSS_COUNT; i++)
                check_loss((enum md_format)format, levels[l], (enum md_loss)(i % MD_LOSS_COUNT),
                           (enum data)(i / MD_LOSS_COUNT % DATA_COUNT), &random);
}
