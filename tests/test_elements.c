/* The slots of every table that are no convolutions, against the plain loops, bit for bit: element
 * by element, pooling, losses (core/ops.h; convolutions: test_ops.c). What the plain loops compute
 * is judged in test_arithmetic.c and test_losses.c. */
#include "crashes.h"
#include "operators.h"

static const int splits[] = {1, 2, 3, 5, 8};

TestSuite(elements, .init = tell_of_crashes);

/* ---- element by element ---------------------------------------------------------------------- */

typedef void slot_fn(const struct md_ops *ops, size_t n, void *const in[], void *const out[]);

static const struct md_update plain = {.learning_rate = 0.01f};
static const struct md_update heavy = {
    .learning_rate = 0.01f, .hyper.momentum = 0.9f, .hyper.weight_decay = 0.001f};
static const struct md_update decayed = {.learning_rate = 0.01f, .hyper.weight_decay = 0.001f};
static const struct md_update decayed_apart = {.learning_rate = 0.01f,
                                               .hyper.momentum = 0.9f,
                                               .hyper.weight_decay = 0.001f,
                                               .hyper.decay = MD_DECAY_DECOUPLED};
static const struct md_update adaptive = {.learning_rate = 0.01f,
                                          .hyper.beta1 = 0.9f,
                                          .hyper.beta2 = 0.999f,
                                          .hyper.epsilon = 1e-7f,
                                          .correction1 = 0.1f,
                                          .correction2 = 0.001f};
static const struct md_update scaled = {.learning_rate = 0.01f,
                                        .hyper.momentum = 0.9f,
                                        .hyper.weight_decay = 0.001f,
                                        .hyper.beta1 = 0.9f,
                                        .hyper.beta2 = 0.999f,
                                        .hyper.epsilon = 1e-7f,
                                        .hyper.loss_scale_log2 = 10,
                                        .hyper.seed = {5},
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
SLOT(leaky_backward, leaky_backward(n, in[0], 0, out[0]))
SLOT(leaky_backward_within, leaky_backward(n - n % 8, in[0], n % 8, out[0]))
SLOT(add, add(n, in[0], out[0]))
#define KEPT(moments, storing)                                                                     \
    (&(struct md_optimizer_state){moments, out[1], out[2], storing, out[3], 6, 70})
#define UPDATE(name, optimizer, settings, moments, storing)                                        \
    SLOT(name, update[optimizer](n, &settings, in[0], KEPT(moments, storing), out[0]))
UPDATE(sgd, MD_SGD, plain, MD_MOMENTS_FORMAT, MD_STORE_PLAIN)
UPDATE(sgd_momentum, MD_SGD, heavy, MD_MOMENTS_FORMAT, MD_STORE_PLAIN)
UPDATE(sgd_decay, MD_SGD, decayed, MD_MOMENTS_FORMAT, MD_STORE_PLAIN)
UPDATE(sgd_decoupled, MD_SGD, decayed_apart, MD_MOMENTS_FORMAT, MD_STORE_PLAIN)
UPDATE(sgd_fp32, MD_SGD, scaled, MD_MOMENTS_FP32, MD_STORE_PLAIN)
UPDATE(sgd_stochastic, MD_SGD, plain, MD_MOMENTS_FORMAT, MD_STORE_STOCHASTIC)
UPDATE(sgd_master, MD_SGD, scaled, MD_MOMENTS_FP32, MD_STORE_MASTER)
UPDATE(sgd_kahan, MD_SGD, heavy, MD_MOMENTS_FORMAT, MD_STORE_KAHAN)
UPDATE(adam, MD_ADAM, adaptive, MD_MOMENTS_FORMAT, MD_STORE_PLAIN)
UPDATE(adam_fp32, MD_ADAM, scaled, MD_MOMENTS_FP32, MD_STORE_PLAIN)
UPDATE(adam_stochastic, MD_ADAM, scaled, MD_MOMENTS_FP32, MD_STORE_STOCHASTIC)
UPDATE(adam_master, MD_ADAM, adaptive, MD_MOMENTS_FORMAT, MD_STORE_MASTER)
UPDATE(adam_kahan, MD_ADAM, scaled, MD_MOMENTS_FORMAT, MD_STORE_KAHAN)
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
    {"leaky_backward within bytes", leaky_backward_within, {MASK}, {ELEMENTS}},
    {"add", add, {ELEMENTS}, {ELEMENTS}},
    {"sgd", sgd, {ELEMENTS}, {ELEMENTS}},
    {"sgd with momentum", sgd_momentum, {ELEMENTS}, {ELEMENTS, ELEMENTS}},
    {"sgd with weight decay", sgd_decay, {ELEMENTS}, {ELEMENTS}},
    {"sgd with decoupled decay", sgd_decoupled, {ELEMENTS}, {ELEMENTS, ELEMENTS}},
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

Test(elements, elementwise) {
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
    int dense = s->height % 2, row = md_mask_row(s->width, dense),
        run = dense ? s->co * s->height : 1;
    uint8_t *bits = calloc((size_t)(s->co * s->height * row / 8) + 1, 1);
    for (int r = 0; pooling == RELU_BACK && r < s->co * s->height; r += run)
        ops->mask((size_t)(run * s->width),
                  (char *)x + (size_t)(r * s->width) * md_format_bytes[ops->format],
                  bits + r * row / 8);
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

Test(elements, pooling) {
    struct md_random random = md_random_stream(4, 0, 0, 0);
    const char *levels[8];
    for (int format = 0; format < MD_FORMAT_COUNT; format++) {
        int count = exact_levels((enum md_format)format, levels);
        levels[count++] = "ref";
        for (int i = 0; i < 20 * POOLINGS * count; i++) {
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
Test(elements, max_pool_takes_the_first_largest) {
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
    size_t width = 1 + md_random_below(random, 9),
           pixels = width * (1 + md_random_below(random, 24));
    size_t stride = pixels + md_random_below(random, 9);
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
    struct md_objective objective = md_single_loss(loss, 5.0f);
    objective.average = (enum md_average)md_random_below(random, MD_AVERAGE_COUNT);
    objective.weight[md_random_below(random, MD_LOSS_COUNT)] += 0.25f;
    objective.weighing = md_random_below(random, 2);
    objective.stereo_scale = 0.5f;
    objective.smoothness = (float)md_random_below(random, 2);
    uint8_t pictures[2][4 * 3 * 9 * 24];
    for (size_t i = 0; i < sizeof pictures; i++)
        pictures[i / sizeof pictures[0]][i % sizeof pictures[0]] = (uint8_t)md_random_bits(random);
    struct fenced room = fence(md_loss_scratch(&objective, format, (int)pixels), 8);
    struct fenced balance = fence(MD_LOSS_COUNT * elem, elem);
    struct fenced slopes[2] = {fence(MD_LOSS_COUNT * elem, elem),
                               fence(MD_LOSS_COUNT * elem, elem)};
    fill(format, data, random, MD_LOSS_COUNT, balance.values);
    memset(slopes[0].values, 0, MD_LOSS_COUNT * elem);
    memset(slopes[1].values, 0, MD_LOSS_COUNT * elem);
    for (int i = 0; i < 2; i++) {
        const struct md_loss_batch batch = {.samples = (int)samples,
                                            .pixels = (int)pixels,
                                            .width = (int)width,
                                            .stride = stride,
                                            .output = output.values,
                                            .label = label.values,
                                            .left = pictures[0],
                                            .right = pictures[1],
                                            .picture_stride = 3 * pixels,
                                            .fb = fb,
                                            .gradient = gradients[i].values,
                                            .scratch = room.values,
                                            .balance = balance.values,
                                            .balance_gradient = slopes[i].values,
                                            .seed = {1, 2},
                                            .step = samples};
        md_ops_find(format, names[i])->loss_gradient(&objective, &batch, scale, &reports[i]);
    }
    size_t at = first_difference(format, gradients[0].values, gradients[1].values, n);
    cr_assert(at == n && fence_holds(&gradients[1]) && fence_holds(&room) &&
                  fence_holds(&slopes[1]) &&
                  first_difference(format, slopes[0].values, slopes[1].values, MD_LOSS_COUNT) ==
                      MD_LOSS_COUNT &&
                  first_difference(MD_FP32, &reports[0].value, &reports[1].value, 1) == 1 &&
                  first_difference(MD_FP32, &reports[0].c, &reports[1].c, 1) == 1 &&
                  reports[0].valid == reports[1].valid,
              "%s %s %s, %s data, %zu samples of %zu pixels: element %zu", md_loss_names[loss],
              level, md_format_names[format], data_names[data], samples, pixels, at);
    unfence(&output);
    unfence(&label);
    unfence(&room);
    unfence(&balance);
    unfence(&slopes[0]);
    unfence(&slopes[1]);
    unfence(&gradients[0]);
    unfence(&gradients[1]);
}

Test(elements, losses) {
    struct md_random random = md_random_stream(5, 0, 0, 0);
    const char *levels[8];
    for (int format = 0; format < MD_FORMAT_COUNT; format++)
        for (int l = 0; l < exact_levels((enum md_format)format, levels); l++)
            for (int i = 0; i < 40 * MD_LOSS_COUNT; i++)
                check_loss((enum md_format)format, levels[l], (enum md_loss)(i % MD_LOSS_COUNT),
                           (enum data)(i / MD_LOSS_COUNT % DATA_COUNT), &random);
}
