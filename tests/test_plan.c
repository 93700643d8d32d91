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
    struct interval at[MD_KEEPS_COUNT];
    size_t elem = md_format_bytes[setup->ops->format], sum = 0;
    size_t moment = setup->moments == MD_MOMENTS_FP32 ? 4 : elem;
    int adam = setup->optimizer == MD_ADAM;
    const size_t right[MD_KEEPS_COUNT] = {adam || setup->momentum ? moment : 0, adam ? moment : 0,
                                          setup->storing == MD_STORE_MASTER  ? 4
                                          : setup->storing == MD_STORE_KAHAN ? elem
                                                                             : 0};
    for (int k = 0; k < MD_KEEPS_COUNT; k++) {
        size_t from = plan->keeps[k].offset, bytes = plan->keeps[k].bytes * plan->learning;
        cr_assert_eq(plan->keeps[k].bytes, right[k]);
        cr_assert(bytes == 0 || from % plan->keeps[k].bytes == 0);
        cr_assert_geq(from, plan->regions[MD_OPTIMIZER_STATE].offset);
        at[k] = (struct interval){from, from + bytes};
        sum += right[k];
    }
    assert_apart(at, MD_KEEPS_COUNT,
                 plan->regions[MD_OPTIMIZER_STATE].offset + plan->regions[MD_OPTIMIZER_STATE].bytes,
                 "optimizer state");
    cr_assert_eq(md_plan_kept_bytes(plan), sum);
}

static void check_plan(const struct md_setup *setup) {
    struct md_plan plan;
    struct interval at[MD_REGION_COUNT + MD_MAX_LAYERS], errors[MD_MAX_LAYERS];
    size_t elem = md_format_bytes[setup->ops->format];
    int last = setup->network->layer_count - 1, wanted = 0;
    md_plan_make(setup, &plan);
    for (int r = 0; r < MD_REGION_COUNT; r++) {
        size_t bytes = plan.regions[r].bytes * (size_t)plan.regions[r].copies;
        at[r] = (struct interval){plan.regions[r].offset, plan.regions[r].offset + bytes};
        cr_assert(r == MD_OPTIMIZER_STATE || at[r].from % 64 == 0, "%s", md_region_names[r]);
    }
    assert_apart(at, MD_REGION_COUNT, plan.arena_bytes, "regions");
    cr_assert_eq(at[MD_WEIGHTS].to, at[MD_OPTIMIZER_STATE].from, "a checkpoint is one piece");
    for (int l = 0; l <= last; l++) {
        size_t n = md_layer_elements(setup->network, l) * elem;
        at[l] = (struct interval){plan.activation[l] * elem, plan.activation[l] * elem + n};
        if (plan.wanted[l] && l != last)
            errors[wanted++] = (struct interval){plan.error[l] * elem, plan.error[l] * elem + n};
    }
    for (int l = 0; l <= last; l++) {
        int skip = setup->network->layers[l].skip, input = setup->network->layers[l].input;
        if (skip == MD_NO_SKIP)
            continue;
        size_t n = md_layer_elements(setup->network, skip);
        cr_assert_eq(plan.activation[skip] + n, plan.activation[input], "a concat in one piece");
        cr_assert(!plan.wanted[skip] || plan.error[skip] + n == plan.error[input]);
    }
    assert_apart(at, last + 1, plan.regions[MD_ACTIVATIONS].bytes, "activations");
    assert_apart(errors, wanted, plan.regions[MD_ERRORS].bytes, "errors");
    cr_assert_eq(plan.learning * elem, plan.regions[MD_WEIGHT_GRADIENTS].bytes);
    check_kept(setup, &plan);
    static const enum md_region training[] = {MD_OPTIMIZER_STATE, MD_WEIGHT_GRADIENTS, MD_LABELS,
                                              MD_OUTPUT_GRADIENTS, MD_ERRORS};
    for (size_t r = 0; r < LENGTH(training) && setup->policy == 0; r++)
        cr_assert_eq(plan.regions[training[r]].bytes * (size_t)plan.regions[training[r]].copies, 0,
                     "%s without learning", md_region_names[training[r]]);
}

Test(plan, plans_give_everything_a_place_of_its_own) {
    static const struct { int batch, cores; } sizes[] = {{1, 1}, {4, 3}, {3, 4}, {16, 2}};
    for (int n = 0; md_networks[n] != NULL; n++)
        for (md_policy policy = 0; policy <= MD_POLICY_FULL; policy++)
            for (size_t s = 0; s < LENGTH(sizes); s++)
                for (int format = 0; format < MD_FORMAT_COUNT; format++)
                    for (int o = 0; o < 3 * MD_STORING_COUNT; o++)
                        check_plan(&(struct md_setup){
                            md_networks[n], md_ops_find((enum md_format)format, NULL), policy,
                            o % 3 == 2 ? MD_ADAM : MD_SGD, o % 3 == 1, sizes[s].batch,
                            sizes[s].cores, (enum md_moments)(o % 2), (enum md_storing)(o / 3)});
}

Test(plan, refuses_what_cannot_work) {
    struct md_network network = sized_network("upydnet", 8);
    struct md_setup setup = {&network, best_fp32(), MD_POLICY_FULL, MD_ADAM, 0, 1, .cores = 1};
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
    int first[MD_MAX_LAYERS], last[MD_MAX_LAYERS]; /* channels of the input gradient */
    size_t macs;
} calls;
static const struct md_engine *noted; /* the engine whose calls these are */

/* The layer whose weights (or, if `gradient`, their gradients) lie at `address`. */
static int layer_at(const void *address, int gradient) {
    const struct md_plan *plan = &noted->plan;
    enum md_region region = gradient ? MD_WEIGHT_GRADIENTS : MD_WEIGHTS;
    size_t at =
        (size_t)((const unsigned char *)address - noted->arena) - plan->regions[region].offset;
    struct md_parameter p;
    for (int i = 0; md_parameter(noted->setup.network, i, &p) == 0; i += 2)
        if (gradient ? plan->learns[p.layer] && plan->gradient[p.layer] * 4 == at
                     : p.offset * 4 == at)
            return p.layer;
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

#define FORWARD(name)                                                                              \
    static void name(const struct md_shape *s, const void *x, const void *weight,                  \
                     const void *bias, void *y, void *scratch, struct md_part part) {              \
        note(calls.forward, layer_at(weight, 0), s->ci);                                           \
        best_fp32()->name(s, x, weight, bias, y, scratch, part);                                   \
    }
#define WEIGHT_GRADIENT(name)                                                                      \
    static void name(const struct md_shape *s, const void *x, const void *dy, void *dweight,       \
                     void *dbias, void *scratch, struct md_part part) {                            \
        note(calls.weight_gradient, layer_at(dweight, 1), s->ci);                                  \
        best_fp32()->name(s, x, dy, dweight, dbias, scratch, part);                                \
    }
#define INPUT_GRADIENT(name)                                                                       \
    static void name(const struct md_shape *s, const void *dy, const void *weight, int first,      \
                     int last, int accumulate, void *dx, void *scratch, struct md_part part) {     \
        int layer = layer_at(weight, 0);                                                           \
        note(calls.input_gradient, layer, last - first);                                           \
        calls.first[layer] = first;                                                                \
        calls.last[layer] = last;                                                                  \
        best_fp32()->name(s, dy, weight, first, last, accumulate, dx, scratch, part);              \
    }
FORWARD(conv_forward)
FORWARD(tconv_forward)
WEIGHT_GRADIENT(conv_weight_gradient)
WEIGHT_GRADIENT(tconv_weight_gradient)
INPUT_GRADIENT(conv_input_gradient)
INPUT_GRADIENT(tconv_input_gradient)

static struct md_ops noting_ops(void) {
    struct md_ops ops = *best_fp32();
    ops.conv_forward = conv_forward;
    ops.tconv_forward = tconv_forward;
    ops.conv_weight_gradient = conv_weight_gradient;
    ops.tconv_weight_gradient = tconv_weight_gradient;
    ops.conv_input_gradient = conv_input_gradient;
    ops.tconv_input_gradient = tconv_input_gradient;
    return ops;
}

/* All layers are a chain, so an error is needed exactly of the layers from the first learning one
 * on; its own input's is not. Of a concat's skip half it is needed when the skip's layer is one of
 * those. */
static void check_work(md_policy policy) {
    const struct md_network *network = md_network_find("upydnet");
    struct md_ops ops = noting_ops();
    struct md_setup setup = {network, &ops, policy, MD_SGD, 0, 1, .cores = 1};
    struct rig rig;
    rig_start(&rig, &setup);
    memset(&calls, 0, sizeof calls);
    noted = &rig.engine;
    rig_train(&rig, 1);
    int learning = 0;
    while ((policy >> network->layers[learning].block & 1u) == 0)
        learning++;
    for (int l = 0; l < network->layer_count; l++) {
        const struct md_layer *layer = &network->layers[l];
        if (md_layer_weights(layer) == 0)
            continue;
        cr_assert_eq(calls.forward[l], 1, "%s", layer->name);
        cr_assert_eq(calls.weight_gradient[l], (int)(policy >> layer->block & 1u), "%s",
                     layer->name);
        cr_assert_eq(calls.input_gradient[l], l > learning, "%s", layer->name);
        if (l <= learning)
            continue;
        int skipped = layer->skip != MD_NO_SKIP && layer->skip < learning;
        cr_assert_eq(calls.first[l], skipped ? network->layers[layer->skip].co : 0, "%s",
                     layer->name);
        cr_assert_eq(calls.last[l], layer->ci, "%s", layer->name);
    }
    cr_assert_eq(calls.macs, md_step_macs(network, policy), "%zu multiply-accumulates done",
                 calls.macs);
    rig_stop(&rig);
}

Test(plan, does_only_what_a_policy_needs) {
    for (md_policy policy = 1; policy <= MD_POLICY_FULL; policy++)
        check_work(policy);
}

Test(plan, macs_are_the_published_ones) {
    const struct md_network *network = md_network_find("upydnet");
    cr_assert_eq(md_step_macs(network, MD_POLICY_FULL), 238768128);
    cr_assert_eq(md_step_macs(network, 1u << MD_DECODER0), 148985856);
    cr_assert_eq(md_step_macs(network, 0), 79755264);
}

/* One step by every policy changes what it may as the full one does, and nothing else. */
static void check_sparse(enum md_optimizer optimizer) {
    struct md_network network = sized_network("upydnet", 24);
    struct md_setup setup = {&network, best_fp32(), MD_POLICY_FULL, optimizer, 0, 2, .cores = 1};
    size_t total = md_parameter_total(&network);
    struct rig rig;
    rig_start(&rig, &setup);
    float *start = rig_weights(&rig);
    rig_train(&rig, 2);
    float *full = rig_weights(&rig), *gradients = rig_gradients(&rig);
    rig_stop(&rig);
    for (md_policy policy = 1; policy < MD_POLICY_FULL; policy++) {
        setup.policy = policy;
        rig_start(&rig, &setup);
        rig_train(&rig, 2);
        float *sparse = rig_weights(&rig), *sparse_gradients = rig_gradients(&rig);
        float *expected = numbers(MD_FP32, total), *expected_gradients = numbers(MD_FP32, total);
        struct md_parameter p;
        for (int i = 0; md_parameter(&network, i, &p) == 0; i++) {
            int learns = (int)(policy >> network.layers[p.layer].block & 1u);
            size_t bytes = p.count * sizeof(float);
            cr_assert(memcmp(full + p.offset, start + p.offset, bytes) != 0, "%s", p.name);
            memcpy(expected + p.offset, (learns ? full : start) + p.offset, bytes);
            if (learns)
                memcpy(expected_gradients + p.offset, gradients + p.offset, bytes);
        }
        char text[16];
        md_policy_format(policy, text);
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
