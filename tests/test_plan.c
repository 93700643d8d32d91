/* The plan of a training step, and that a policy does no work for nothing: core/plan.h,
 * core/step.h.
 */
#include "engine.h"

/* ---- the plan -------------------------------------------------------------------------------- */

struct interval {
    size_t from, to;
};

/* Every two of them lie apart, and all below `end`. */
static void assert_apart(const struct interval *intervals, int count, size_t end,
                         const char *what) {
    for (int i = 0; i < count; i++) {
        cr_assert(intervals[i].to <= end, "%s: %d ends at %zu of %zu", what, i, intervals[i].to,
                  end);
        for (int j = 0; j < i; j++)
            cr_assert(intervals[i].to <= intervals[j].from || intervals[j].to <= intervals[i].from,
                      "%s: %d and %d overlap", what, j, i);
    }
}

/* The optimizer's arrays lie apart in their region, aligned to their values, and are those that the
 * options need. */
static void check_kept(const struct md_setup *setup, const struct md_plan *plan) {
    struct interval at[MD_STATE_ARRAYS];
    size_t elem = md_format_bytes[setup->ops->format], sum = 0, begin = 0, end = 0;
    size_t moment = setup->moments == MD_MOMENTS_FP32 ? 4 : elem;
    int adam = setup->optimizer == MD_ADAM;
    const size_t right[MD_STATE_ARRAYS] = {adam || setup->momentum ? moment : 0, adam ? moment : 0,
                                           setup->storing == MD_STORE_MASTER  ? 4
                                           : setup->storing == MD_STORE_KAHAN ? elem
                                                                              : 0};
    for (int b = 0; b < plan->buffers; b++)
        if (plan->buffer[b].kind == MD_OPTIMIZER_STATE) {
            begin = plan->buffer[b].offset;
            end = begin + plan->buffer[b].bytes;
        }
    for (int k = 0; k < MD_STATE_ARRAYS; k++) {
        size_t from = plan->state[k].offset, bytes = plan->state[k].bytes * plan->learning;
        cr_assert_eq(plan->state[k].bytes, right[k]);
        cr_assert(bytes == 0 || from % plan->state[k].bytes == 0);
        cr_assert_geq(from, begin);
        at[k] = (struct interval){from, from + bytes};
        sum += right[k];
    }
    assert_apart(at, MD_STATE_ARRAYS, end, "optimizer state");
    cr_assert_eq(md_plan_state_bytes(plan), sum);
}

/* Buffers that are live together lie apart, with all their copies, and weights and what is kept
 * beside them are one piece. (That no buffer is too small: test_plans.c.) */
static void check_plan(const struct md_setup *setup) {
    static struct md_plan plan;
    static struct interval at[MD_MAX_BUFFERS * 16];
    size_t elem = md_format_bytes[setup->ops->format], live_most = 0;
    md_plan_make(setup, &plan);
    cr_assert_null(plan.fault, "%s", plan.fault);
    for (int i = 0; i < plan.instructions; i++) {
        int count = 0;
        size_t live = 0;
        for (int b = 0; b < plan.buffers; b++) {
            const struct md_buffer *buffer = &plan.buffer[b];
            if (buffer->first > i || buffer->last < i)
                continue;
            for (int c = 0; c < md_plan_copies(setup, &plan, b); c++, live += buffer->bytes) {
                size_t from = buffer->offset + (size_t)c * plan.stride[buffer->each];
                at[count++] = (struct interval){from, from + buffer->bytes};
            }
        }
        assert_apart(at, count, plan.arena_bytes, md_what_names[plan.instruction[i].what]);
        live_most = live > live_most ? live : live_most;
    }
    cr_assert_eq(plan.bound_bytes, live_most);
    for (int b = 0; b < plan.buffers; b++) {
        const struct md_buffer *buffer = &plan.buffer[b];
        cr_assert(buffer->kind == MD_OPTIMIZER_STATE || buffer->offset % 16 == 0);
        if (buffer->kind == MD_GRADIENT)
            cr_assert_geq(buffer->bytes,
                          md_layer_parameters(&setup->network->layers[buffer->layer]) * elem);
        if (setup->policy == 0)
            cr_assert(buffer->kind != MD_GRADIENT && buffer->kind != MD_LABEL &&
                          buffer->kind != MD_ERROR && buffer->kind != MD_MASK,
                      "%s without learning", md_buffer_names[buffer->kind]);
    }
    check_kept(setup, &plan);
}

Test(plan, plans_give_everything_a_place_of_its_own) {
    static const struct { int batch, cores; } sizes[] = {{1, 1}, {4, 3}, {3, 4}, {6, 2}};
    static const unsigned savings[] = {0, MD_SAVINGS_FAST, MD_SAVINGS_LEAN | MD_FLASH};
    int which = 0;
    for (int n = 0; md_networks[n] != NULL; n++)
        for (md_policy policy = 0; policy <= POLICY_FULL; policy++)
            for (size_t s = 0; s < LENGTH(sizes); s++, which++) {
                int o = which % (3 * MD_STORING_COUNT);
                enum md_format format = (enum md_format)(which % MD_FORMAT_COUNT);
                check_plan(&(struct md_setup){
                    .network = md_networks[n],
                    .ops = md_ops_find(format, NULL),
                    .policy = policy,
                    .optimizer = o % 3 == 2 ? MD_ADAM : MD_SGD,
                    .momentum = o % 3 == 1,
                    .batch = sizes[s].batch,
                    .cores = sizes[s].cores,
                    .moments = (enum md_moments)(o % 2),
                    .storing = (enum md_storing)(o / 3),
                    .objective =
                        {.weight = {[MD_BERHU] = 1, [MD_LOSS_VNL] = (float)(which % 5 == 0)},
                         .weighing = which % 7 == 0},
                    .savings = savings[which % 3],
                    .band = 8});
            }
}

/* A lean plan does a batch sample by sample and adds their gradients up in order (test_step.c), as
 * an accumulation over as many steps would: beyond the second one a sample costs only what the loss
 * of the batch is made of. */
Test(plan, a_lean_batch_accumulates) {
    static struct md_plan plan;
    static const enum md_format formats[] = {MD_FP32, MD_FP16, MD_BF16};
    for (int f = 0; f < (int)LENGTH(formats); f++)
        for (int p = 0; p < 2; p++) {
            struct md_setup setup = {.network = md_networks[0],
                                     .ops = md_ops_find(formats[f], "scalar"),
                                     .policy = p == 0 ? POLICY_FULL : POLICY_D0,
                                     .optimizer = MD_ADAM,
                                     .batch = 2,
                                     .cores = 8,
                                     .savings = MD_SAVINGS_LEAN};
            size_t pixels = pixels_of(setup.network), elem = md_format_bytes[formats[f]];
            md_plan_make(&setup, &plan);
            size_t two = plan.arena_bytes;
            setup.batch = 16;
            md_plan_make(&setup, &plan);
            cr_assert_eq(plan.arena_bytes - two, 14 * (3 + 3 * elem) * pixels, "%s, policy %d",
                         md_format_names[formats[f]], p);
        }
}

Test(plan, refuses_what_cannot_work) {
    struct md_network network = sized_network("upydnet", 8);
    struct md_setup setup = {.network = &network,
                             .ops = best_fp32(),
                             .policy = POLICY_FULL,
                             .optimizer = MD_ADAM,
                             .batch = 1,
                             .cores = 1};
    struct md_team team = {2, NULL, NULL};
    struct md_engine engine;
    struct md_plan plan;
    md_plan_make(&setup, &plan);
    /* One byte short, behind the fence: refusing must not touch it. */
    struct fenced arena = fence(plan.arena_bytes - 1, 64);
    cr_assert_eq(md_engine_start(&engine, &setup, NULL, arena.values, arena.bytes),
                 MD_ENGINE_ARENA_TOO_SMALL);
    cr_assert_eq(md_engine_start(&engine, &setup, &team, arena.values, plan.arena_bytes),
                 MD_ENGINE_WRONG_TEAM);
    setup.cores = 2;
    cr_assert_eq(md_engine_start(&engine, &setup, NULL, arena.values, plan.arena_bytes),
                 MD_ENGINE_WRONG_TEAM);
    for (size_t i = 0; i < arena.bytes; i++)
        cr_assert_eq(arena.values[i], POISON);
    unfence(&arena);
}

/* ---- what a policy computes ------------------------------------------------------------------ */

/* A table that notes its calls before passing them on. */
static struct {
    int forward[MD_MAX_LAYERS], weight_gradient[MD_MAX_LAYERS], input_gradient[MD_MAX_LAYERS];
    int channels[MD_MAX_LAYERS]; /* of the input gradient */
    size_t macs;
} calls;
static const struct md_engine *noted; /* the engine whose calls these are */

/* The layer whose weights (or, if `gradient`, their gradients) lie at `address`. */
static int layer_at(const void *address, int gradient) {
    const struct md_plan *plan = &noted->plan;
    for (int l = 0; l < noted->setup.network->layer_count; l++) {
        if (md_layer_weights(&noted->setup.network->layers[l]) == 0 ||
            (gradient && !plan->learns[l]))
            continue;
        const void *here =
            gradient ? md_engine_buffer(noted, plan->gradient[l], 0) : md_engine_weights(noted, l);
        if (here == address)
            return l;
    }
    cr_assert(0, "no layer's weights lie there");
    return 0;
}

/* Multiply-accumulates for `channels` of the layer's input channels. */
static size_t macs_of(int layer, int channels) {
    return md_layer_macs(noted->setup.network, layer) /
           (size_t)noted->setup.network->layers[layer].ci * (size_t)channels;
}

static void note(int *list, int layer, int channels) {
    list[layer]++;
    calls.macs += macs_of(layer, channels);
}

static enum md_layer_kind kind_of(int layer) {
    return (enum md_layer_kind)noted->setup.network->layers[layer].kind;
}

static void note_forward(const struct md_call *call) {
    int layer = layer_at(call->weight, 0);
    note(calls.forward, layer, call->shape.ci);
    best_fp32()->kinds[kind_of(layer)].forward(call);
}

static void note_weight_gradient(const struct md_call *call) {
    int layer = layer_at(call->dweight, 1);
    note(calls.weight_gradient, layer, call->shape.ci);
    best_fp32()->kinds[kind_of(layer)].weight_gradient(call);
}

static void note_input_gradient(const struct md_call *call) {
    int layer = layer_at(call->weight, 0);
    note(calls.input_gradient, layer, call->dx.channels);
    calls.channels[layer] += call->dx.channels;
    best_fp32()->kinds[kind_of(layer)].input_gradient(call);
}

static struct md_ops noting_ops(void) {
    struct md_ops ops = *best_fp32();
    for (int kind = 0; kind < MD_KIND_COUNT; kind++)
        if (md_kinds[kind].kernel > 0) {
            ops.kinds[kind].forward = note_forward;
            ops.kinds[kind].weight_gradient = note_weight_gradient;
            ops.kinds[kind].input_gradient = note_input_gradient;
        }
    return ops;
}

/* All layers are a chain, so an error is needed exactly of the layers from the first learning one
 * on; its own input's is not. Of a concat's skip half it is needed when the skip's layer is one of
 * those. */
static void check_work(md_policy policy) {
    const struct md_network *network = md_network_find("upydnet");
    struct md_ops ops = noting_ops();
    struct md_setup setup = {
        .network = network, .ops = &ops, .policy = policy, .batch = 1, .cores = 1};
    struct rig rig;
    rig_start(&rig, &setup);
    memset(&calls, 0, sizeof calls);
    noted = &rig.engine;
    rig_train(&rig, 1);
    int learning = 0;
    while ((policy >> network->layers[learning].group & 1u) == 0)
        learning++;
    for (int l = 0; l < network->layer_count; l++) {
        const struct md_layer *layer = &network->layers[l];
        if (md_layer_weights(layer) == 0)
            continue;
        cr_assert_eq(calls.forward[l], 1, "%s", layer->name);
        cr_assert_eq(calls.weight_gradient[l], (int)(policy >> layer->group & 1u), "%s",
                     layer->name);
        int halves = layer->skip == MD_NO_SKIP || layer->skip < learning ? 1 : 2;
        cr_assert_eq(calls.input_gradient[l], l > learning ? halves : 0, "%s", layer->name);
        if (l > learning)
            cr_assert_eq(calls.channels[l],
                         layer->ci - (halves == 1 ? md_layer_skipped(network, l) : 0), "%s",
                         layer->name);
    }
    cr_assert_eq(calls.macs, md_step_macs(network, policy), "%zu multiply-accumulates done",
                 calls.macs);
    rig_stop(&rig);
}

Test(plan, does_only_what_a_policy_needs) {
    for (md_policy policy = 1; policy <= POLICY_FULL; policy++)
        check_work(policy);
}

Test(plan, macs_are_the_published_ones) {
    const struct md_network *network = md_network_find("upydnet");
    cr_assert_eq(md_step_macs(network, POLICY_FULL), 238768128);
    cr_assert_eq(md_step_macs(network, POLICY_D0), 148985856);
    cr_assert_eq(md_step_macs(network, 0), 79755264);
}

/* One step by every policy changes what it may as the full one does, and nothing else. */
static void check_sparse(enum md_optimizer optimizer) {
    struct md_network network = sized_network("upydnet", 24);
    struct md_setup setup = {.network = &network,
                             .ops = best_fp32(),
                             .policy = POLICY_FULL,
                             .optimizer = optimizer,
                             .batch = 2,
                             .cores = 1};
    size_t total = md_parameter_total(&network);
    struct rig rig;
    rig_start(&rig, &setup);
    float *start = rig_weights(&rig);
    rig_train(&rig, 2);
    float *full = rig_weights(&rig), *gradients = rig_gradients(&rig);
    rig_stop(&rig);
    for (md_policy policy = 1; policy < POLICY_FULL; policy++) {
        setup.policy = policy;
        rig_start(&rig, &setup);
        rig_train(&rig, 2);
        float *sparse = rig_weights(&rig), *sparse_gradients = rig_gradients(&rig);
        float *expected = numbers(MD_FP32, total), *expected_gradients = numbers(MD_FP32, total);
        struct md_parameter p;
        for (int i = 0; md_parameter(&network, i, &p) == 0; i++) {
            int learns = (int)(policy >> network.layers[p.layer].group & 1u);
            size_t bytes = p.count * sizeof(float);
            cr_assert(memcmp(full + p.offset, start + p.offset, bytes) != 0, "%s", p.name);
            memcpy(expected + p.offset, (learns ? full : start) + p.offset, bytes);
            if (learns)
                memcpy(expected_gradients + p.offset, gradients + p.offset, bytes);
        }
        char text[MD_POLICY_TEXT];
        md_policy_format(&network, policy, text);
        assert_same_parameters(&network, sparse, expected, text);
        assert_same_parameters(&network, sparse_gradients, expected_gradients, text);
        free(sparse);
        free(sparse_gradients);
        free(expected);
        free(expected_gradients);
        rig_stop(&rig);
    }
    free(start);
    free(full);
    free(gradients);
}

Test(plan, sparse_updates_are_parts_of_the_full_one) {
    check_sparse(MD_SGD);
    check_sparse(MD_ADAM);
}
