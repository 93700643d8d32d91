/* How 16-bit weights learn, in whole steps: loss scale, and every way of keeping moments and
 * weights. (The operators: test_updates.c. Where the arrays lie: test_step.c.) */
#include "engine.h"

/* Weights and everything the optimizer keeps. */
static int same_state(struct rig *a, struct rig *b) {
    size_t bytes, other_bytes;
    const void *state = md_engine_whole_state(&a->engine, &bytes);
    const void *other = md_engine_whole_state(&b->engine, &other_bytes);
    return bytes == other_bytes && memcmp(state, other, bytes) == 0;
}

/* ---- loss scale ------------------------------------------------------------------------------ */

/* 1/t = 5e-5 is a number of fp16, a 9216th of it is none. */
Test(update_steps, loss_scale_keeps_small_gradients) {
    enum { PIXELS = 9216 };
    static const enum md_format formats[] = {MD_FP16, MD_FP16W};
    for (size_t f = 0; f < LENGTH(formats); f++) {
        enum md_format format = formats[f];
        void *output = numbers(format, PIXELS), *label = numbers(format, PIXELS);
        void *gradient = numbers(format, PIXELS);
        struct md_loss_report report[2];
        float fb = 80;
        const struct md_objective objective = md_single_loss(MD_BERHU, 5);
        const struct md_loss_batch batch = {.samples = 1,
                                            .pixels = PIXELS,
                                            .width = PIXELS,
                                            .stride = PIXELS,
                                            .output = output,
                                            .label = label,
                                            .fb = &fb,
                                            .gradient = gradient};
        for (size_t i = 0; i < PIXELS; i++) {
            set_number(format, output, i, i == 0 ? 10000 : 19984);
            set_number(format, label, i, 20000);
        }
        for (int scaled = 0; scaled < 2; scaled++) {
            float scale = scaled ? 0x1p16f : 1;
            md_ops_find(format, NULL)->loss_gradient(&objective, &batch, scale, &report[scaled]);
            float slope = 1 / 20000.0f;
            if (format == MD_FP16)
                slope = md_fp16_round(slope);
            double right = (double)md_fp16_round(slope * scale / PIXELS);
            cr_assert_eq(fabs(number(format, gradient, 1)), right, "%a, expected %a",
                         number(format, gradient, 1), right);
            cr_assert_eq(right > 0, scaled);
        }
        cr_assert_eq(report[0].value, report[1].value, "the loss itself is not scaled");
        free(output);
        free(label);
        free(gradient);
    }
}

/* torch.nn.utils.clip_grad_norm_, and then SGD: in fp64 up to what is binary32 of it. A limit that
 * is not reached changes no bit, and a loss scale none of what is clipped; with a batch of 1 all
 * gradients wait, which takes memory. */
Test(update_steps, gradients_are_clipped_by_their_norm) {
    struct md_network network = sized_network("upydnet", 8);
    size_t total = md_parameter_total(&network);
    for (int batch = 1; batch <= 2; batch++) {
        struct md_setup setup = {
            &network,   md_ops_find(MD_FP64, NULL), POLICY_FULL, MD_SGD, 0, batch, .cores = 1,
            .waits = 1, .savings = MD_SAVINGS_FAST};
        enum { PLAIN, LOOSE, TIGHT, SCALED, WAYS };
        struct rig rigs[WAYS];
        float *before = NULL, *after[WAYS];
        for (int way = 0; way < WAYS; way++) {
            rig_start(&rigs[way], &setup);
            before = way == 0 ? rig_weights(&rigs[way]) : before;
            rigs[way].engine.update.hyper.clip_norm = way == LOOSE   ? 1e6f
                                                      : way == PLAIN ? 0
                                                                     : 1e-3f;
            rigs[way].engine.update.hyper.loss_scale_log2 = way == SCALED ? 12 : 0;
            rigs[way].engine.update.learning_rate = 1;
            rig_train(&rigs[way], batch);
            after[way] = rig_weights(&rigs[way]);
        }
        double squares = 0, moved = 0;
        for (size_t i = 0; i < total; i++) {
            double step = (double)after[PLAIN][i] - (double)before[i];
            squares += step * step;
        }
        double clip = 1e-3 / (sqrt(squares) + 1e-6);
        cr_assert_lt(clip, 0.5);
        for (size_t i = 0; i < total; i++) {
            double step = (double)after[TIGHT][i] - (double)before[i];
            double right = clip * ((double)after[PLAIN][i] - (double)before[i]);
            moved += step * step;
            cr_assert(fabs(step - right) <= 1e-6 * fabs(right) + 0x1p-22 * fabs((double)before[i]),
                      "%zu: %g, expected %g", i, step, right);
        }
        cr_assert_float_eq(sqrt(moved), 1e-3, 1e-5);
        cr_assert_eq(first_difference(MD_FP32, after[LOOSE], after[PLAIN], total), total);
        cr_assert_eq(first_difference(MD_FP32, after[SCALED], after[TIGHT], total), total);
        size_t waiting = rigs[TIGHT].engine.plan.arena_bytes;
        static struct md_plan plan;
        setup.waits = 0;
        md_plan_make(&setup, &plan);
        cr_assert_eq(plan.arena_bytes < waiting, batch == 1);
        for (int way = 0; way < WAYS; way++) {
            rig_stop(&rigs[way]);
            free(after[way]);
        }
        free(before);
    }
}

/* Where nothing underflows, a power of two commutes with every rounding. */
Test(update_steps, loss_scale_comes_out_again) {
    static const struct {
        enum md_format format;
        enum md_optimizer optimizer;
    } ways[] = {{MD_FP32, MD_SGD}, {MD_FP32, MD_ADAM}, {MD_FP64, MD_ADAM}, {MD_BF16, MD_ADAM}};
    struct md_network network = sized_network("upydnet", 8);
    size_t total = md_parameter_total(&network);
    for (size_t w = 0; w < LENGTH(ways); w++) {
        struct md_setup setup = {
            &network,  md_ops_find(ways[w].format, NULL), POLICY_FULL, ways[w].optimizer, 1, 2,
            .cores = 1};
        struct rig plain, scaled;
        rig_start(&plain, &setup);
        rig_start(&scaled, &setup);
        scaled.engine.update.hyper.loss_scale_log2 = 12;
        for (int step = 0; step < 3; step++) {
            rig_train(&plain, 2);
            rig_train(&scaled, 2);
        }
        float *right = rig_weights(&plain), *ours = rig_weights(&scaled);
        float *right_gradients = rig_gradients(&plain), *ours_gradients = rig_gradients(&scaled);
        cr_assert_eq(first_difference(MD_FP32, ours, right, total), total, "case %zu", w);
        for (size_t i = 0; i < total; i++)
            cr_assert_eq(ours_gradients[i], right_gradients[i] * 4096);
        cr_assert_eq(scaled.engine.progress.skipped, 0);
        free(right);
        free(ours);
        free(right_gradients);
        free(ours_gradients);
        rig_stop(&plain);
        rig_stop(&scaled);
    }
}

/* The step is not there at all: what follows is what would have come in its place. */
Test(update_steps, a_step_whose_gradients_overflow_is_skipped_and_counted) {
    struct md_network network = sized_network("upydnet", 8);
    for (int cores = 1; cores <= 3; cores++)
        for (int storing = 0; storing < MD_STORING_COUNT; storing++) {
            struct md_setup setup = {
                &network,        md_ops_find(MD_FP16, NULL), POLICY_FULL, MD_ADAM, 0, 2, cores,
                MD_MOMENTS_FP32, (enum md_storing)storing,   .waits = 1};
            struct rig with, without;
            rig_start(&with, &setup);
            rig_start(&without, &setup);
            rig_train(&with, 2);
            rig_train(&without, 2);
            with.engine.update.hyper.loss_scale_log2 = MD_MOST_LOSS_SCALE_LOG2;
            rig_train(&with, 2);
            cr_assert(same_state(&with, &without));
            cr_assert_eq(with.engine.progress.skipped, 1);
            cr_assert_eq(with.engine.progress.steps, 1);
            with.engine.update.hyper.loss_scale_log2 = 0;
            rig_train(&with, 2);
            rig_train(&without, 2);
            cr_assert(same_state(&with, &without), "%d cores, %s", cores,
                      md_storing_names[storing]);
            rig_stop(&with);
            rig_stop(&without);
        }
}

/* Then nothing is scaled that could be scaled less: what went wrong is to show in the weights. */
Test(update_steps, without_a_loss_scale_nothing_is_skipped) {
    struct md_network network = sized_network("upydnet", 8);
    size_t total = md_parameter_total(&network);
    for (int log2 = 0; log2 < 2; log2++) {
        struct md_setup setup = {&network,  md_ops_find(MD_FP16, NULL), POLICY_FULL, MD_ADAM, 0, 1,
                                 .cores = 1};
        struct rig rig;
        rig_start(&rig, &setup);
        float *before = rig_weights(&rig);
        before[0] = NAN; /* of the first layer: everything behind it is NaN */
        md_engine_set_weights(&rig.engine, before);
        rig.engine.update.hyper.loss_scale_log2 = log2;
        rig_train(&rig, 1);
        float *after = rig_weights(&rig);
        cr_assert_eq(rig.engine.progress.skipped, (uint64_t)log2);
        cr_assert_eq(isnan(after[total - 2]) != 0, log2 == 0); /* the last one is a bias */
        free(before);
        free(after);
        rig_stop(&rig);
    }
}

Test(update_steps, finite_finds_every_number_that_is_not) {
    for (int format = 0; format < MD_FORMAT_COUNT; format++) {
        const char *levels[8];
        int count = exact_levels((enum md_format)format, levels);
        levels[count++] = "ref";
        double most = format == MD_FP16 || format == MD_FP16W ? 65504 : 0x1.fep127;
        for (int l = 0; l < count; l++)
            for (size_t n = 0; n < 70; n++) {
                const struct md_ops *ops = md_ops_find((enum md_format)format, levels[l]);
                void *values = numbers((enum md_format)format, n);
                for (size_t i = 0; i < n; i++)
                    set_number((enum md_format)format, values, i, i % 2 ? most : -most);
                cr_assert_eq(ops->finite(n, values), 1);
                for (size_t i = 0; i < n; i++) {
                    static const double bad[] = {INFINITY, -INFINITY, NAN};
                    set_number((enum md_format)format, values, i, bad[i % 3]);
                    cr_assert_eq(ops->finite(n, values), 0, "%zu of %zu", i, n);
                    set_number((enum md_format)format, values, i, 0);
                }
                free(values);
            }
    }
}

/* ---- whole steps ----------------------------------------------------------------------------- */

static const struct way {
    enum md_format format;
    enum md_optimizer optimizer;
    enum md_moments moments;
    enum md_storing storing;
    int loss_scale_log2;
} ways[] = {
    {MD_BF16, MD_ADAM, MD_MOMENTS_FP32, MD_STORE_STOCHASTIC, 0},
    {MD_BF16, MD_SGD, MD_MOMENTS_FORMAT, MD_STORE_KAHAN, 0},
    {MD_FP16, MD_ADAM, MD_MOMENTS_FP32, MD_STORE_MASTER, 8},
    {MD_FP16W, MD_SGD, MD_MOMENTS_FP32, MD_STORE_STOCHASTIC, 4},
    {MD_BF16W, MD_ADAM, MD_MOMENTS_FORMAT, MD_STORE_KAHAN, 2},
    {MD_FP16, MD_SGD, MD_MOMENTS_FP32, MD_STORE_PLAIN, 8},
};

static struct md_setup setup_of(const struct way *way, const struct md_network *network,
                                const char *level, int cores) {
    return (struct md_setup){.network = network,
                             .ops = md_ops_find(way->format, level),
                             .policy = POLICY_FULL,
                             .optimizer = way->optimizer,
                             .momentum = 1,
                             .batch = 3,
                             .cores = cores,
                             .moments = way->moments,
                             .storing = way->storing,
                             .waits = way->loss_scale_log2 > 0};
}

static void train(struct rig *rig, const struct way *way, int steps) {
    rig->engine.update.hyper.loss_scale_log2 = way->loss_scale_log2;
    rig->engine.update.hyper.seed[0] = 9;
    for (int step = 0; step < steps; step++)
        cr_assert_gt(rig_train(rig, 3).valid, 0);
    cr_assert_eq(rig->engine.progress.skipped, 0);
    cr_assert_eq(rig->engine.update.step, rig->engine.progress.steps);
}

Test(update_steps, threads_and_levels_give_the_same_bits) {
    struct md_network network = sized_network("upydnet", 8);
    for (size_t w = 0; w < LENGTH(ways); w++) {
        const char *levels[8];
        int count = exact_levels(ways[w].format, levels);
        levels[count++] = "ref";
        struct md_setup setup = setup_of(&ways[w], &network, "ref", 1);
        struct rig right, ours;
        rig_start(&right, &setup);
        train(&right, &ways[w], 2);
        for (int l = 0; l < count; l++)
            for (int cores = 3; cores <= 4; cores++) { /* 3 have a sample each, 4 share channels */
                setup = setup_of(&ways[w], &network, levels[l], cores);
                rig_start(&ours, &setup);
                train(&ours, &ways[w], 2);
                cr_assert(same_state(&ours, &right), "case %zu, %s, %d cores", w, levels[l], cores);
                rig_stop(&ours);
            }
        rig_stop(&right);
    }
}

Test(update_steps, a_copied_state_goes_on_to_the_same_bits) {
    struct md_network network = sized_network("upydnet", 8);
    for (size_t w = 0; w < LENGTH(ways); w++) {
        struct md_setup setup = setup_of(&ways[w], &network, NULL, 1);
        struct rig first, second;
        size_t bytes;
        rig_start(&first, &setup);
        rig_start(&second, &setup);
        train(&first, &ways[w], 2);
        void *state = md_engine_whole_state(&first.engine, &bytes);
        void *other = md_engine_whole_state(&second.engine, &bytes);
        memcpy(other, state, bytes);
        second.engine.progress = first.engine.progress;
        train(&first, &ways[w], 2);
        train(&second, &ways[w], 2);
        cr_assert(same_state(&first, &second), "case %zu", w);
        rig_stop(&first);
        rig_stop(&second);
    }
}

/* Random bits go by the parameter's place in the network and not among those that learn. */
Test(update_steps, sparse_updates_are_parts_of_the_full_one) {
    struct md_network network = sized_network("upydnet", 8);
    struct md_setup setup = setup_of(&ways[0], &network, NULL, 1);
    struct rig rig;
    rig_start(&rig, &setup);
    train(&rig, &ways[0], 1);
    float *full = rig_weights(&rig);
    rig_stop(&rig);
    for (int group = 0; group < network.group_count; group++) {
        setup.policy = 1u << group;
        rig_start(&rig, &setup);
        train(&rig, &ways[0], 1);
        float *sparse = rig_weights(&rig);
        struct md_parameter p;
        for (int i = 0; md_parameter(&network, i, &p) == 0; i++)
            if (network.layers[p.layer].group == group)
                cr_assert(memcmp(sparse + p.offset, full + p.offset, p.count * sizeof(float)) == 0,
                          "%s", p.name);
        free(sparse);
        rig_stop(&rig);
    }
    free(full);
}

/* As one update of all parameters, the network's first one being number 0. */
Test(update_steps, random_bits_begin_with_the_first_parameter) {
    struct md_network network = sized_network("upydnet", 8);
    struct md_setup setup = setup_of(&ways[0], &network, NULL, 1);
    size_t total = md_parameter_total(&network);
    struct rig rig;
    rig_start(&rig, &setup);
    float *before = rig_weights(&rig), *right = numbers(MD_FP32, total);
    train(&rig, &ways[0], 1);
    float *after = rig_weights(&rig), *gradients = rig_gradients(&rig);
    void *weight = numbers(MD_BF16, total), *gradient = numbers(MD_BF16, total);
    struct md_optimizer_state kept = {.moments = ways[0].moments,
                                      .first = numbers(MD_FP32, total),
                                      .second = numbers(MD_FP32, total),
                                      .storing = ways[0].storing};
    setup.ops->from_float(total, before, weight);
    setup.ops->from_float(total, gradients, gradient);
    setup.ops->update[ways[0].optimizer](total, &rig.engine.update, gradient, &kept, weight);
    setup.ops->to_float(total, weight, right);
    cr_assert_eq(first_difference(MD_FP32, after, right, total), total);
    void *const owned[] = {before, right,    after,      gradients,
                           weight, gradient, kept.first, kept.second};
    for (size_t i = 0; i < LENGTH(owned); i++)
        free(owned[i]);
    rig_stop(&rig);
}

/* Masters begin with what the weights were before they were rounded. */
Test(update_steps, new_weights_begin_with_nothing_lost) {
    struct md_network network = sized_network("upydnet", 8);
    float *weights = random_weights(&network, 2);
    for (int storing = MD_STORE_MASTER; storing <= MD_STORE_KAHAN; storing++) {
        struct md_setup setup = setup_of(&ways[1], &network, NULL, 1);
        setup.storing = (enum md_storing)storing;
        setup.policy = POLICY_D0 | POLICY_D2;
        struct rig rig;
        rig_start(&rig, &setup);
        train(&rig, &ways[1], 2);
        md_engine_set_weights(&rig.engine, weights);
        const struct md_plan *plan = &rig.engine.plan;
        const unsigned char *beside = rig.arena.values + plan->state[MD_BESIDE_WEIGHT].offset;
        size_t bytes = plan->state[MD_BESIDE_WEIGHT].bytes, checked = 0;
        struct md_parameter p;
        for (int i = 0; md_parameter(&network, i, &p) == 0; i++)
            for (size_t k = 0; k < p.count && plan->learns[p.layer]; k++, checked++) {
                static const float none = 0;
                cr_assert(memcmp(beside + checked * bytes,
                                 storing == MD_STORE_MASTER ? &weights[p.offset + k] : &none,
                                 bytes) == 0,
                          "%s", p.name);
            }
        cr_assert_eq(checked, plan->learning);
        rig_stop(&rig);
    }
    free(weights);
}
