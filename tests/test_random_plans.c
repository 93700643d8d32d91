/* Plans of random networks, policies, savings and batches: that no two buffers that are live
 * together lie on one another, that an engine stays within its arena and each instruction within
 * its buffers, and that the bits are those of the plan without any saving. (The published network's
 * sizes: test_plan.c.) */
#include "engine.h"

/* ---- random networks ------------------------------------------------------------------------- */

static int chance(struct md_random *random, uint32_t in) {
    return md_random_below(random, in) == 0;
}

/* A layer with as large an output as `layer` that a convolution after it can read beside it; or
 * MD_NO_SKIP. */
static int some_skip(const struct md_network *network, int layer, struct md_random *random) {
    int height, width, h, w, found = MD_NO_SKIP;
    md_layer_size(network, layer, &height, &width);
    for (int l = 0; l < layer; l++) {
        md_layer_size(network, l, &h, &w);
        if (h == height && w == width && chance(random, 2))
            found = l;
    }
    return found;
}

/* A convolution, mostly; sometimes a transposed one, where the picture does not become too large.
 */
static void add_layer(struct md_network *network, struct md_random *random) {
    int l = network->layer_count, height, width;
    struct md_layer *layer = &network->layers[l];
    int input = l == 0 || (l == 1 && chance(random, 8)) ? MD_PICTURE : l - 1;
    md_layer_size(network, input, &height, &width);
    int up = input != MD_PICTURE && height <= 8 && chance(random, 4);
    *layer = (struct md_layer){.kind = up ? MD_TCONV2X2 : MD_CONV3X3,
                               .group = (int32_t)md_random_below(random, 3),
                               .input = input,
                               .skip = MD_NO_SKIP,
                               .co = 1 + (int32_t)md_random_below(random, 6),
                               .stride = 1,
                               .leaky = chance(random, 2)};
    snprintf(layer->name, sizeof layer->name, "l%d", l % 100);
    if (!up && input != MD_PICTURE && chance(random, 2))
        layer->skip = some_skip(network, input, random);
    if (!up && height % 2 == 0 && width % 2 == 0 && height > 4 && chance(random, 4))
        layer->stride = 2;
    layer->ci =
        (input == MD_PICTURE ? 3 : network->layers[input].co) + md_layer_skipped(network, l);
    network->layer_count++;
}

/* Behind the rest: one channel, and perhaps ReLU and pooling. */
static void add_end(struct md_network *network, struct md_random *random) {
    int height, width, l = network->layer_count++;
    network->layers[l] = (struct md_layer){"last", MD_CONV3X3, 0,
                                           l - 1,  MD_NO_SKIP, network->layers[l - 1].co,
                                           1,      1,          chance(random, 3)};
    network->output = l;
    if (chance(random, 4))
        return;
    network->layers[l + 1] = (struct md_layer){"output", MD_RELU, 1, l, MD_NO_SKIP, 1, 1, 1, 0};
    network->output = ++l;
    network->layer_count++;
    md_layer_size(network, l, &height, &width);
    if (height % 2 != 0 || width % 2 != 0 || chance(random, 2))
        return;
    network->layers[l + 1] = (struct md_layer){
        "zones", chance(random, 2) ? MD_MAX_POOL : MD_AVERAGE_POOL, 2, l, MD_NO_SKIP, 1, 1, 2, 0};
    network->layer_count++;
}

static struct md_network random_network(struct md_random *random) {
    struct md_network network = {.name = "random", .group_count = 3, .groups = {"a", "b", "c"}};
    int layers = 2 + (int)md_random_below(random, 9), layer;
    network.height = 2 * (1 + (int)md_random_below(random, 6));
    network.width = 2 * (1 + (int)md_random_below(random, 6));
    while (network.layer_count < layers)
        add_layer(&network, random);
    add_end(&network, random);
    const char *wrong = md_network_check(&network, &layer);
    if (wrong != NULL) { /* a layer that nobody reads */
        cr_assert_str_eq(wrong, "no layer reads it");
        return random_network(random);
    }
    return network;
}

/* ---- what a plan must be --------------------------------------------------------------------- */

static void check_places(const struct md_setup *setup, const struct md_plan *plan) {
    size_t highest = 0;
    for (int a = 0; a < plan->buffers; a++) {
        const struct md_buffer *one = &plan->buffer[a];
        size_t copies = (size_t)md_plan_copies(setup, plan, a);
        size_t end = one->offset + (copies - 1) * plan->stride[one->each] + one->bytes;
        highest = end > highest ? end : highest;
        /* (Cache lines.) */
        int apart = one->kind != MD_WEIGHTS && one->kind != MD_OPTIMIZER_STATE;
        cr_assert(!apart || one->each == MD_EACH_GROUP ||
                      (one->offset % 64 == 0 && plan->stride[one->each] % 64 == 0),
                  "buffer %d begins at %zu", a, one->offset);
        for (int b = 0; b < a; b++) {
            const struct md_buffer *other = &plan->buffer[b];
            if (one->first <= other->last && other->first <= one->last && one->each == other->each)
                cr_assert(one->offset + one->bytes <= other->offset ||
                              other->offset + other->bytes <= one->offset,
                          "buffers %d and %d are live together on one place", a, b);
        }
    }
    cr_assert_eq(highest, plan->arena_bytes, "the arena ends elsewhere than its highest buffer");
    cr_assert_leq(plan->bound_bytes, plan->arena_bytes);
}

/* Every row that is read was written, and is still in its ring: its place has not been taken. */
static void check_rows(const struct md_network *network, const struct md_plan *plan) {
    static short held[MD_MAX_BUFFERS][64]; /* which row lies in a place; -1: none */
    memset(held, 0xff, sizeof held);
    for (int n = 0; n < plan->instructions; n++) {
        struct md_touch touched[MD_MAX_TOUCHED];
        const struct md_instruction *i = &plan->instruction[n];
        int count = md_plan_touches(network, i, touched);
        for (int t = 0; t < count; t++) {
            const struct md_buffer *b = &plan->buffer[touched[t].buffer];
            int map = b->kind == MD_ACTIVATION || b->kind == MD_ERROR || b->kind == MD_MASK;
            int changes = i->what == MD_DO_ERROR || (i->flags & MD_ACCUMULATE) != 0;
            cr_assert(b->first <= n && n <= b->last, "instruction %d: buffer %d is not live", n,
                      touched[t].buffer);
            for (int row = touched[t].from; map && row < touched[t].to; row++) {
                short *place = &held[touched[t].buffer][row % b->rows];
                cr_assert(*place == row || (touched[t].writes && !changes),
                          "instruction %d: row %d of buffer %d is not there", n, row,
                          touched[t].buffer);
                *place = (short)row;
            }
        }
    }
}

/* ---- the same bits --------------------------------------------------------------------------- */

struct outcome {
    enum md_format format;
    uint64_t weights, tensors; /* digests; tensors: of everything that was observed */
};

static void digest_rows(void *context, enum md_observed what, int layer, int slot,
                        const struct md_map *map, int from, int to) {
    struct outcome *outcome = context;
    for (int c = 0; c < map->channels; c++)
        for (int h = from; h < to; h++)
            for (int w = 0; w < map->width; w++) {
                size_t at = md_map_row(map, c, h) + (size_t)w;
                int none = isnan(number(outcome->format, map->at, at)); /* all NaNs are equal */
                uint64_t value = none ? 1 : bits_of(outcome->format, map->at, at);
                uint64_t place = (uint64_t)((c * map->height + h) * map->width + w);
                value += (uint64_t)what << 60 | (uint64_t)layer << 54 | (uint64_t)slot << 48;
                value = (value ^ place << 33) * UINT64_C(0x9e3779b97f4a7c15);
                outcome->tensors += (value ^ value >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
            }
}

static struct outcome outcome_of(const struct md_setup *setup, int observed) {
    static struct rig rig;
    struct outcome outcome = {setup->ops->format, 0, 0};
    rig_start(&rig, setup);
    cr_assert_null(rig.engine.plan.fault, "%s", rig.engine.plan.fault);
    check_places(setup, &rig.engine.plan);
    check_rows(setup->network, &rig.engine.plan);
    if (observed) {
        rig.engine.observe = digest_rows;
        rig.engine.observe_context = &outcome;
    }
    for (int step = 0; step < 2; step++) {
        for (int slot = 0; slot < setup->batch; slot++)
            put_sample(&rig, slot, slot);
        rig_train(&rig, setup->batch);
    }
    float *weights = rig_weights(&rig);
    for (size_t i = 0; i < md_parameter_total(setup->network); i++)
        outcome.weights =
            (outcome.weights ^ (isnan(weights[i]) ? 1 : bits_of(MD_FP32, weights, i))) *
            UINT64_C(0x100000001b3);
    free(weights);
    rig_stop(&rig);
    return outcome;
}

static struct md_objective objective_of(int distilled) {
    struct md_objective objective = md_single_loss(MD_L1, 5.0f);
    objective.distill = (float)distilled;
    objective.teacher_channels = 3;
    return objective;
}

static int has_plan(const struct md_setup *setup) {
    static struct md_plan plan;
    md_plan_make(setup, &plan);
    return plan.fault == NULL;
}

static void check_savings(struct md_setup *setup, struct md_random *random, const char *what) {
    struct md_setup plain = *setup;
    plain.savings = 0;
    plain.cores = 1;
    plain.ops = md_ops_find(setup->ops->format, "ref");
    struct outcome right = outcome_of(&plain, 1);
    for (int trial = 0; trial < 3; trial++) {
        setup->savings =
            trial == 0 ? MD_SAVINGS_LEAN : md_random_below(random, 1u << MD_SAVING_COUNT);
        setup->band = (int)md_random_below(random, 5);
        setup->front = 0;
        if (chance(random, 2))
            setup->front = (int)md_random_below(random, (uint32_t)setup->network->layer_count);
        setup->cores = 1 + (int)md_random_below(random, 3);
        if (!has_plan(setup)) /* what is distilled cannot be streamed */
            setup->savings &= ~(unsigned)MD_STREAM;
        int observed = chance(random, 2);
        struct outcome ours = outcome_of(setup, observed);
        cr_assert(ours.weights == right.weights && (!observed || ours.tensors == right.tensors),
                  "%s, savings %u, front %d, band %d, cores %d, batch %d, policy %u: other %s",
                  what, setup->savings, setup->front, setup->band, setup->cores, setup->batch,
                  setup->policy, ours.weights != right.weights ? "weights" : "tensors");
    }
}

static void check_random_plans(enum md_format format, uint64_t seed, int networks) {
    struct md_random random = md_random_stream(seed, 4, 0, 0);
    for (int n = 0; n < networks; n++) {
        struct md_network network = random_network(&random);
        const char *levels[8];
        int level = (int)md_random_below(&random, (uint32_t)exact_levels(format, levels));
        struct md_setup setup = {.network = &network,
                                 .ops = md_ops_find(format, levels[level]),
                                 .policy = 1 + md_random_below(&random, 7) +
                                           MD_POLICY_LAST * md_random_below(&random, 4),
                                 .optimizer = chance(&random, 2) ? MD_SGD : MD_ADAM,
                                 .batch = 1 + (int)md_random_below(&random, MOST_SAMPLES),
                                 .waits = chance(&random, 4),
                                 .objective = objective_of(n % 2)};
        struct md_plan *plan = malloc(sizeof *plan);
        cr_assert(plan);
        md_plan_make(&setup, plan);
        int learns = plan->learning > 0;
        free(plan);
        char what[80];
        snprintf(what, sizeof what, "%s, network %d of seed %d, %s", md_format_names[format], n,
                 (int)seed, levels[level]);
        if (learns)
            check_savings(&setup, &random, what);
    }
}

/* MUDEPTH_PLANS: so many networks of each format, from another seed each time. */
static int networks_asked(void) {
    const char *asked = getenv("MUDEPTH_PLANS");
    return asked != NULL ? atoi(asked) : 80;
}

Test(random_plans, of_random_networks_fp32) {
    check_random_plans(MD_FP32, 1, networks_asked());
}
Test(random_plans, of_random_networks_fp16) {
    check_random_plans(MD_FP16, 2, networks_asked());
}
Test(random_plans, of_random_networks_bf16) {
    check_random_plans(MD_BF16, 3, networks_asked());
}
Test(random_plans, of_random_networks_wide) {
    check_random_plans(MD_FP16W, 4, networks_asked() / 2);
    check_random_plans(MD_BF16W, 5, networks_asked() / 2);
}

/* Every saving alone, every pair, and all bands on the published network's layers. */
Test(random_plans, of_upydnet) {
    struct md_network network = sized_network("upydnet", 16);
    static const md_policy policies[] = {POLICY_D0, POLICY_D0 | POLICY_D2, POLICY_FULL,
                                         POLICY_D0 | MD_POLICY_BIASES};
    for (size_t p = 0; p < LENGTH(policies); p++)
        for (int batch = 1; batch <= 3; batch += 2) {
            struct md_setup setup = {.network = &network,
                                     .ops = best_fp32(),
                                     .policy = policies[p],
                                     .optimizer = MD_ADAM,
                                     .batch = batch,
                                     .cores = 1,
                                     .objective = objective_of(1)};
            struct outcome right = outcome_of(&setup, 0);
            for (int a = 0; a < MD_SAVING_COUNT; a++)
                for (int b = 0; b <= a; b++) {
                    setup.savings = 1u << a | 1u << b;
                    setup.band = 1 + (a + b) % 4;
                    cr_assert_eq(outcome_of(&setup, 0).weights, right.weights, "%s, %s, batch %d",
                                 md_saving_names[a], md_saving_names[b], batch);
                }
        }
}
