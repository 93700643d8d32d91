/* The training step: plan, sparse updates, batches, threads, and that no work is done for nothing:
 * core/plan.h, core/step.h. Against PyTorch it is compared in test_golden.c. */
#include "engine.h"

static const struct md_ops *best(void) {
    return md_ops_find(MD_FP32, NULL);
}

static void assert_same(const struct md_network *network, const float *ours, const float *right,
                        const char *what) {
    size_t n = md_parameter_total(network), at = first_difference(MD_FP32, ours, right, n);
    cr_assert(at == n, "%s: parameter %zu is %a, expected %a", what, at, (double)ours[at],
              (double)right[at]);
}

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

Test(step, plans_give_everything_a_place_of_its_own) {
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

Test(step, refuses_what_cannot_work) {
    struct md_network network = sized_network("upydnet", 8);
    struct md_setup setup = {&network, best(), MD_POLICY_FULL, MD_ADAM, 0, 1, .cores = 1};
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
        best()->name(s, x, weight, bias, y, scratch, part);                                        \
    }
#define WEIGHT_GRADIENT(name)                                                                      \
    static void name(const struct md_shape *s, const void *x, const void *dy, void *dweight,       \
                     void *dbias, void *scratch, struct md_part part) {                            \
        note(calls.weight_gradient, layer_at(dweight, 1), s->ci);                                  \
        best()->name(s, x, dy, dweight, dbias, scratch, part);                                     \
    }
#define INPUT_GRADIENT(name)                                                                       \
    static void name(const struct md_shape *s, const void *dy, const void *weight, int first,      \
                     int last, int accumulate, void *dx, void *scratch, struct md_part part) {     \
        int layer = layer_at(weight, 0);                                                           \
        note(calls.input_gradient, layer, last - first);                                           \
        calls.first[layer] = first;                                                                \
        calls.last[layer] = last;                                                                  \
        best()->name(s, dy, weight, first, last, accumulate, dx, scratch, part);                   \
    }
FORWARD(conv_forward)
FORWARD(tconv_forward)
WEIGHT_GRADIENT(conv_weight_gradient)
WEIGHT_GRADIENT(tconv_weight_gradient)
INPUT_GRADIENT(conv_input_gradient)
INPUT_GRADIENT(tconv_input_gradient)

static struct md_ops noting_ops(void) {
    struct md_ops ops = *best();
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

Test(step, does_only_what_a_policy_needs) {
    for (md_policy policy = 1; policy <= MD_POLICY_FULL; policy++)
        check_work(policy);
}

Test(step, macs_are_the_published_ones) {
    const struct md_network *network = md_network_find("upydnet");
    cr_assert_eq(md_step_macs(network, MD_POLICY_FULL), 238768128);
    cr_assert_eq(md_step_macs(network, 1u << MD_DECODER0), 148985856);
    cr_assert_eq(md_step_macs(network, 0), 79755264);
}

/* One step by every policy changes what it may as the full one does, and nothing else. */
static void check_sparse(enum md_optimizer optimizer) {
    struct md_network network = sized_network("upydnet", 24);
    struct md_setup setup = {&network, best(), MD_POLICY_FULL, optimizer, 0, 2, .cores = 1};
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
        assert_same(&network, sparse, expected, text);
        assert_same(&network, sparse_gradients, expected_gradients, text);
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

Test(step, sparse_updates_are_parts_of_the_full_one) {
    check_sparse(MD_SGD);
    check_sparse(MD_ADAM);
}

/* ---- batches --------------------------------------------------------------------------------- */

/* The output's error that the loss of a larger batch gave this sample. */
static const float *given_error;

static void give_error(enum md_loss loss, int samples, int pixels, const void *output,
                       size_t output_stride, const void *label, const float *fb, float depth_cap_m,
                       float scale, void *gradient, struct md_loss_report *report) {
    best()->loss_gradient(loss, samples, pixels, output, output_stride, label, fb, depth_cap_m,
                          scale, gradient, report);
    memcpy(gradient, given_error, (size_t)pixels * sizeof(float));
}

/* Each sample alone is trained on the error that it had in the batch, so with t, c and the number
 * of pixels of the batch. */
Test(step, a_batch_is_the_ordered_sum_of_its_samples) {
    enum { SAMPLES = 4 };
    struct md_network network = sized_network("upydnet", 24);
    struct md_setup setup = {&network, best(), MD_POLICY_FULL, MD_SGD, 0, SAMPLES, .cores = 1};
    size_t total = md_parameter_total(&network), pixels = pixels_of(&network);
    struct rig rig;
    rig_start(&rig, &setup);
    rig_train(&rig, SAMPLES);
    float *batch = rig_gradients(&rig), *sum = numbers(MD_FP32, total);
    float *errors = numbers(MD_FP32, SAMPLES * pixels);
    memcpy(errors, rig.arena.values + rig.engine.plan.regions[MD_OUTPUT_GRADIENTS].offset,
           SAMPLES * pixels * sizeof(float));
    rig_stop(&rig);

    struct md_ops ops = *best();
    ops.loss_gradient = give_error;
    setup.ops = &ops;
    setup.batch = 1;
    for (int sample = 0; sample < SAMPLES; sample++) {
        rig_start(&rig, &setup);
        put_sample(&rig, 0, sample);
        given_error = errors + (size_t)sample * pixels;
        rig_train(&rig, 1);
        float *one = rig_gradients(&rig);
        for (size_t i = 0; i < total; i++)
            sum[i] = sample == 0 ? one[i] : sum[i] + one[i];
        free(one);
        rig_stop(&rig);
    }
    assert_same(&network, batch, sum, "sum of the samples' gradients");
    free(batch);
    free(sum);
    free(errors);
}

Test(step, partial_batches_are_batches) {
    struct md_network network = sized_network("upydnet", 16);
    for (int samples = 1; samples < 4; samples++)
        for (int cores = 1; cores <= 3; cores += 2) {
            struct md_setup setup = {&network, best(),  MD_POLICY_FULL, MD_ADAM,
                                     0,        samples, .cores = 1};
            struct rig exact, larger;
            int idle = 1;
            rig_start(&exact, &setup);
            setup.batch = 4;
            setup.cores = cores;
            rig_start(&larger, &setup);
            for (int step = 0; step < 2; step++) {
                struct md_loss_report a = rig_train(&exact, samples);
                struct md_loss_report b = rig_train(&larger, samples);
                cr_assert(a.value == b.value && a.c == b.c && a.valid == b.valid);
            }
            const struct md_plan *plan = &larger.engine.plan;
            size_t bytes = plan->regions[MD_ACTIVATIONS].bytes;
            for (size_t i = (size_t)samples * bytes; i < 4 * bytes; i++)
                idle &= larger.arena.values[plan->regions[MD_ACTIVATIONS].offset + i] == POISON;
            cr_assert(idle, "worked on samples that were not asked for");
            float *right = rig_weights(&exact), *ours = rig_weights(&larger);
            assert_same(&network, ours, right, "partial batch");
            free(right);
            free(ours);
            rig_stop(&exact);
            rig_stop(&larger);
        }
}

/* Without a label there is nothing to learn: weights, moments and the count of steps stay. */
Test(step, a_batch_without_labels_changes_nothing) {
    struct md_network network = sized_network("upydnet", 8);
    for (int optimizer = 0; optimizer < MD_OPTIMIZER_COUNT; optimizer++)
        for (int cores = 1; cores <= 3; cores += 2) {
            struct md_setup setup = {&network, best(), MD_POLICY_FULL, (enum md_optimizer)optimizer,
                                     1,        2,      .cores = cores};
            struct rig rig;
            rig_start(&rig, &setup);
            rig_train(&rig, 2); /* so that there are moments */
            size_t bytes;
            void *state = md_engine_state(&rig.engine, &bytes), *before = malloc(bytes);
            struct md_progress progress = rig.engine.progress;
            cr_assert(before);
            memcpy(before, state, bytes);
            float *none = numbers(MD_FP32, pixels_of(&network));
            for (size_t i = 0; i < pixels_of(&network); i++)
                none[i] = -1;
            md_engine_set_label(&rig.engine, 0, none);
            md_engine_set_label(&rig.engine, 1, none);
            struct md_loss_report report = rig_train(&rig, 2);
            cr_assert(report.value == 0 && report.valid == 0);
            cr_assert(memcmp(before, state, bytes) == 0, "%s", md_optimizer_names[optimizer]);
            cr_assert_eq(rig.engine.progress.steps, progress.steps);
            cr_assert_eq(rig.engine.progress.correction1, progress.correction1);
            put_sample(&rig, 1, 1);
            rig_train(&rig, 2);
            cr_assert(memcmp(before, state, bytes) != 0, "a label makes no difference");
            free(before);
            free(none);
            rig_stop(&rig);
        }
}

/* ---- threads and levels ---------------------------------------------------------------------- */

static float *weights_after_three_steps(const struct md_network *network, const char *level,
                                        enum md_optimizer optimizer, int batch, int cores) {
    struct md_setup setup = {network,       md_ops_find(MD_FP32, level), MD_POLICY_FULL,
                             optimizer,     optimizer == MD_SGD,         batch,
                             .cores = cores};
    struct rig rig;
    rig_start(&rig, &setup);
    for (int step = 0; step < 3; step++)
        cr_assert_gt(rig_train(&rig, batch).valid, 0);
    float *weights = rig_weights(&rig);
    rig_stop(&rig);
    return weights;
}

/* By every exact level and number of threads the same weights as by `level` on one thread. */
static void check_threads(const char *name, int side, const char *level, const char **levels,
                          int level_count) {
    static const int cores[] = {1, 2, 3, 5}, batches[] = {1, 4};
    struct md_network network = sized_network(name, side);
    for (size_t b = 0; b < LENGTH(batches); b++)
        for (int o = 0; o < MD_OPTIMIZER_COUNT; o++) {
            float *right =
                weights_after_three_steps(&network, level, (enum md_optimizer)o, batches[b], 1);
            for (int l = 0; l < level_count; l++)
                for (size_t c = 0; c < LENGTH(cores); c++) {
                    char what[80];
                    snprintf(what, sizeof what, "%s, %s, batch %d, %d threads", levels[l],
                             md_optimizer_names[o], batches[b], cores[c]);
                    float *ours = weights_after_three_steps(
                        &network, levels[l], (enum md_optimizer)o, batches[b], cores[c]);
                    assert_same(&network, ours, right, what);
                    free(ours);
                }
            free(right);
        }
}

Test(step, threads_and_levels_give_the_same_bits) {
    const char *levels[8];
    int count = exact_levels(MD_FP32, levels);
    levels[count++] = "ref";
    check_threads("upydnet", 8, "ref", levels, count);
    check_threads("upydnet_pooled", 12, levels[0], levels, count - 1);
}

/* The real planes, without the plain and scalar loops, which would take minutes. */
Test(step, threads_give_the_same_bits_on_the_published_network) {
    const char *levels[8];
    int count = exact_levels(MD_FP32, levels);
    if (count < 2) {
        fprintf(stderr, "SKIP: this processor has no vector levels\n");
        cr_skip("this processor has no vector levels");
    }
    check_threads("upydnet", 48, levels[1], levels + 1, count - 1);
}

/* ---- going on -------------------------------------------------------------------------------- */

Test(step, a_copied_state_goes_on_to_the_same_bits) {
    struct md_network network = sized_network("upydnet", 16);
    for (int optimizer = 0; optimizer < MD_OPTIMIZER_COUNT; optimizer++) {
        struct md_setup setup = {&network, best(), 1u << MD_DECODER0, (enum md_optimizer)optimizer,
                                 1,        2,      .cores = 1};
        struct rig first, second;
        size_t bytes, other_bytes;
        rig_start(&first, &setup);
        rig_start(&second, &setup);
        rig_train(&first, 2);
        rig_train(&first, 2);
        void *state = md_engine_state(&first.engine, &bytes);
        void *other = md_engine_state(&second.engine, &other_bytes);
        cr_assert_eq(bytes, other_bytes);
        memcpy(other, state, bytes);
        second.engine.progress = first.engine.progress;
        for (int step = 0; step < 2; step++) {
            rig_train(&first, 2);
            rig_train(&second, 2);
        }
        cr_assert(memcmp(other, state, bytes) == 0, "%s", md_optimizer_names[optimizer]);
        rig_stop(&first);
        rig_stop(&second);
    }
}

/* correction = beta * correction + (1 - beta): 1 - beta is exact for betas of 1/2 and more, and the
 * two roundings of a step are relative to a value that only grows, so after t steps the error is at
 * most 2 t u of it. */
Test(step, adams_corrections_are_powers) {
    struct md_network network = sized_network("upydnet", 4);
    struct md_setup setup = {&network, best(), 1u << MD_DECODER2, MD_ADAM, 0, 1, .cores = 1};
    struct rig rig;
    rig_start(&rig, &setup);
    for (int t = 1; t <= 200; t++) {
        rig_train(&rig, 1);
        double right1 = 1 - pow((double)0.9f, t), right2 = 1 - pow((double)0.999f, t);
        double bound = 2 * t * 0x1p-24;
        cr_assert_eq(rig.engine.progress.steps, (uint64_t)t);
        cr_assert(fabs((double)rig.engine.progress.correction1 - right1) <= bound * right1, "%d",
                  t);
        cr_assert(fabs((double)rig.engine.progress.correction2 - right2) <= bound * right2, "%d",
                  t);
    }
    rig_stop(&rig);
}

/* An engine that learns nothing needs less memory and sees the same; and the loss without a step is
 * the step's. */
Test(step, inference_alone_gives_the_same_output) {
    struct md_network network = sized_network("upydnet", 16);
    struct md_setup setup = {&network, best(), MD_POLICY_FULL, MD_ADAM, 0, 3, .cores = 1};
    size_t pixels = pixels_of(&network);
    float *right = numbers(MD_FP32, pixels), *ours = numbers(MD_FP32, pixels);
    struct rig trains, infers;
    rig_start(&trains, &setup);
    setup.policy = 0;
    rig_start(&infers, &setup);
    cr_assert_lt(infers.engine.plan.arena_bytes, trains.engine.plan.arena_bytes);
    struct md_loss_report report;
    md_engine_forward(&trains.engine, 3);
    md_engine_loss(&trains.engine, 3, trains.fb, &report);
    struct md_loss_report step = rig_train(&trains, 3);
    cr_assert(report.value == step.value && report.c == step.c && report.valid == step.valid);
    cr_assert_eq(report.valid, 3 * (int)(pixels - (pixels + 3) / 7));
    md_engine_forward(&infers.engine, 3);
    for (int slot = 0; slot < 3; slot++) {
        md_engine_output(&trains.engine, slot,
                         right); /* still the forward pass before the update */
        md_engine_output(&infers.engine, slot, ours);
        cr_assert_eq(first_difference(MD_FP32, ours, right, pixels), pixels, "slot %d", slot);
    }
    free(right);
    free(ours);
    rig_stop(&trains);
    rig_stop(&infers);
}

/* The layer that pools for the loss changes nothing in the prediction; its loss is that of the
 * nearest points, the largest disparities. */
Test(step, pooling_for_the_loss_leaves_the_prediction) {
    struct md_network plain = sized_network("upydnet", 24);
    struct md_network pooled = sized_network("upydnet_pooled", 24);
    size_t pixels = pixels_of(&plain), zones = pixels_of(&pooled);
    cr_assert_eq(pixels, 36 * zones);
    struct md_setup setup = {&plain, best(), MD_POLICY_FULL, MD_SGD, 0, 2, .cores = 1};
    float *right = numbers(MD_FP32, pixels), *ours = numbers(MD_FP32, pixels);
    struct rig predicts, learns;
    rig_start(&predicts, &setup);
    setup.network = &pooled;
    rig_start(&learns, &setup);
    learns.engine.loss = MD_L1;
    for (int slot = 0; slot < 2; slot++) /* the pictures are the sample's, whatever the network */
        put_sample(&learns, slot, slot);
    struct md_loss_report report = rig_train(&learns, 2);
    md_engine_forward(&predicts.engine, 2);
    double sum = 0;
    int valid = 0;
    for (int slot = 0; slot < 2; slot++) {
        const float *label = (const float *)md_engine_region(&learns.engine, MD_LABELS, slot);
        md_engine_output(&predicts.engine, slot, right);
        md_engine_output(&learns.engine, slot, ours);
        cr_assert_eq(first_difference(MD_FP32, ours, right, pixels), pixels, "slot %d", slot);
        for (size_t z = 0; z < zones; z++) {
            float nearest = -1;
            for (size_t p = 0; p < 36; p++)
                nearest = fmaxf(nearest, right[(z / 4 * 6 + p / 6) * 24 + z % 4 * 6 + p % 6]);
            sum += label[z] == -1 ? 0 : fabs((double)nearest - (double)label[z]);
            valid += label[z] != -1;
        }
    }
    cr_assert_eq(report.valid, valid);
    /* Each of the few terms is rounded to binary32 once, and the sum. */
    cr_assert_float_eq((double)report.value, sum / valid, 4 * 0x1p-24 * sum / valid);
    free(right);
    free(ours);
    rig_stop(&predicts);
    rig_stop(&learns);
}
