/* The training step: batches, threads and levels, going on: core/step.h. (Its plan: test_plan.c.
 * Against PyTorch: test_gradients.c.) */
#include "engine.h"

/* ---- batches --------------------------------------------------------------------------------- */

/* The output's error that the loss of a larger batch gave this sample. */
static const float *given_error;

static void give_error(const struct md_objective *objective, const struct md_loss_batch *batch,
                       float scale, struct md_loss_report *report) {
    best_fp32()->loss_gradient(objective, batch, scale, report);
    memcpy(batch->gradient, given_error, (size_t)batch->pixels * sizeof(float));
}

/* Each sample alone is trained on the error that it had in the batch, so with t, c and the number
 * of pixels of the batch. */
Test(step, a_batch_is_the_ordered_sum_of_its_samples) {
    enum { SAMPLES = 4 };
    struct md_network network = sized_network("upydnet", 24);
    struct md_setup setup = {&network, best_fp32(), POLICY_FULL, MD_SGD, 0, SAMPLES, .cores = 1};
    size_t total = md_parameter_total(&network), pixels = pixels_of(&network);
    struct rig rig;
    rig_start(&rig, &setup);
    rig_train(&rig, SAMPLES);
    float *batch = rig_gradients(&rig), *sum = numbers(MD_FP32, total);
    float *errors = numbers(MD_FP32, SAMPLES * pixels);
    for (int s = 0; s < SAMPLES; s++)
        memcpy(errors + (size_t)s * pixels,
               md_engine_buffer(&rig.engine, rig.engine.plan.output_gradient, s),
               pixels * sizeof(float));
    rig_stop(&rig);

    struct md_ops ops = *best_fp32();
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
    assert_same_parameters(&network, batch, sum, "sum of the samples' gradients");
    free(batch);
    free(sum);
    free(errors);
}

Test(step, partial_batches_are_batches) {
    struct md_network network = sized_network("upydnet", 16);
    for (int samples = 1; samples < 4; samples++)
        for (int cores = 1; cores <= 3; cores += 2) {
            struct md_setup setup = {&network, best_fp32(), POLICY_FULL, MD_ADAM,
                                     0,        samples,     .cores = 1};
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
            for (int slot = samples; slot < 4; slot++) {
                const unsigned char *output = md_engine_buffer(&larger.engine, plan->output, slot);
                for (size_t i = 0; i < plan->buffer[plan->output].bytes; i++)
                    idle &= output[i] == POISON;
            }
            cr_assert(idle, "worked on samples that were not asked for");
            float *right = rig_weights(&exact), *ours = rig_weights(&larger);
            assert_same_parameters(&network, ours, right, "partial batch");
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
            struct md_setup setup = {
                &network, best_fp32(), POLICY_FULL,   (enum md_optimizer)optimizer,
                1,        2,           .cores = cores};
            struct rig rig;
            rig_start(&rig, &setup);
            rig_train(&rig, 2); /* so that there are moments */
            size_t bytes;
            void *state = md_engine_whole_state(&rig.engine, &bytes), *before = malloc(bytes);
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

/* ---- what learns ----------------------------------------------------------------------------- */

/* Weights after a step of uPyD-Net on two samples; to be freed. */
static float *weights_after(const struct md_network *network, const struct md_setup *setup,
                            const char *policy, int steps) {
    struct md_setup own = *setup;
    struct rig rig;
    cr_assert_eq(md_policy_parse(network, policy, &own.policy), 0);
    rig_start(&rig, &own);
    for (int i = 0; i < steps; i++)
        rig_train(&rig, own.batch);
    float *weights = rig_weights(&rig);
    rig_stop(&rig);
    return weights;
}

/* What learns alone learns what it does when all learn, and nothing else changes. */
static void check_parts(const struct md_network *network, const struct md_setup *setup) {
    static const struct {
        const char *policy;
        int biases, last, group;
    } parts[] = {{"biases", 1, 0, -1}, {"last", 0, 1, -1}, {"d0+biases", 1, 0, 1}};
    const struct md_layer *last = &network->layers[network->layer_count - 2];
    float *whole = weights_after(network, setup, "full", 1);
    float *start = weights_after(network, setup, "full", 0);
    for (size_t i = 0; i < LENGTH(parts); i++) {
        float *ours = weights_after(network, setup, parts[i].policy, 1);
        struct md_parameter p;
        for (int n = 0; md_parameter(network, n, &p) == 0; n++) {
            const struct md_layer *layer = &network->layers[p.layer];
            int learns = (parts[i].biases && p.dimensions == 1) ||
                         (parts[i].last && layer == last) || layer->group == parts[i].group;
            const float *right = (learns ? whole : start) + p.offset;
            cr_assert(memcmp(ours + p.offset, right, p.count * sizeof *right) == 0,
                      "%s, %s, savings %u, batch %d: %s", setup->ops->level, parts[i].policy,
                      setup->savings, setup->batch, p.name);
        }
        free(ours);
    }
    cr_assert(memcmp(whole, start, md_parameter_total(network) * sizeof *whole) != 0);
    free(whole);
    free(start);
}

Test(step, parts_learn_as_in_the_whole) {
    static const enum md_format formats[] = {MD_FP32, MD_FP16, MD_BF16, MD_FP16W};
    struct md_network network = sized_network("upydnet", 8);
    for (size_t f = 0; f < LENGTH(formats); f++) {
        const char *levels[8];
        int count = exact_levels(formats[f], levels), narrow = md_format_bytes[formats[f]] == 2;
        if (f == 0)
            levels[count++] = "ref";
        for (int way = 0; way < 2 * count; way++)
            check_parts(&network,
                        &(struct md_setup){.network = &network,
                                           .ops = md_ops_find(formats[f], levels[way / 2]),
                                           .optimizer = way % 2 ? MD_SGD : MD_ADAM,
                                           .momentum = way % 2,
                                           .batch = 1 + way % 2,
                                           .cores = way % 3 == 0 ? 3 : 1,
                                           .storing = !narrow   ? MD_STORE_PLAIN
                                                      : way % 2 ? MD_STORE_STOCHASTIC
                                                                : MD_STORE_MASTER,
                                           .savings = way % 4 < 2 ? MD_SAVINGS_LEAN | MD_FLASH
                                                                  : MD_SAVINGS_FAST,
                                           .band = 1 + way % 3});
    }
}

/* ---- threads and levels ---------------------------------------------------------------------- */

static float *weights_after_two_steps(const struct md_network *network, const char *level,
                                      enum md_optimizer optimizer, int batch, int cores) {
    struct md_setup setup = {network,       md_ops_find(MD_FP32, level), POLICY_FULL,
                             optimizer,     optimizer == MD_SGD,         batch,
                             .cores = cores};
    struct rig rig;
    rig_start(&rig, &setup);
    for (int step = 0; step < 2; step++)
        cr_assert_gt(rig_train(&rig, batch).valid, 0);
    float *weights = rig_weights(&rig);
    rig_stop(&rig);
    return weights;
}

/* By every exact level and number of threads the same weights as by `level` on one thread. */
static void check_threads(const char *name, int side, const char *level, const char **levels,
                          int level_count) {
    static const int cores[] = {1, 2, 3, 5};
    struct md_network network = sized_network(name, side);
    for (int o = 0; o < MD_OPTIMIZER_COUNT; o++) {
        enum md_optimizer optimizer = (enum md_optimizer)o;
        int batch = optimizer == MD_SGD ? 4 : 1;
        float *right = weights_after_two_steps(&network, level, optimizer, batch, 1);
        for (int l = 0; l < level_count; l++)
            for (size_t c = 0; c < LENGTH(cores); c++) {
                char what[80];
                snprintf(what, sizeof what, "%s, %s, batch %d, %d threads", levels[l],
                         md_optimizer_names[o], batch, cores[c]);
                float *ours =
                    weights_after_two_steps(&network, levels[l], optimizer, batch, cores[c]);
                assert_same_parameters(&network, ours, right, what);
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
        struct md_setup setup = {&network, best_fp32(), POLICY_D0, (enum md_optimizer)optimizer,
                                 1,        2,           .cores = 1};
        struct rig first, second;
        size_t bytes, other_bytes;
        rig_start(&first, &setup);
        rig_start(&second, &setup);
        rig_train(&first, 2);
        rig_train(&first, 2);
        void *state = md_engine_whole_state(&first.engine, &bytes);
        void *other = md_engine_whole_state(&second.engine, &other_bytes);
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
    struct md_setup setup = {&network, best_fp32(), POLICY_D2, MD_ADAM, 0, 1, .cores = 1};
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
    struct md_setup setup = {&network, best_fp32(), POLICY_FULL, MD_ADAM, 0, 3, .cores = 1};
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
    struct md_setup setup = {&plain, best_fp32(), POLICY_FULL, MD_SGD, 0, 2, .cores = 1};
    float *right = numbers(MD_FP32, pixels), *ours = numbers(MD_FP32, pixels);
    struct rig predicts, learns;
    rig_start(&predicts, &setup);
    setup.network = &pooled;
    rig_start(&learns, &setup);
    learns.engine.setup.objective = md_single_loss(MD_L1, 5.0f);
    for (int slot = 0; slot < 2; slot++) /* the pictures are the sample's, whatever the network */
        put_sample(&learns, slot, slot);
    struct md_loss_report report = rig_train(&learns, 2);
    md_engine_forward(&predicts.engine, 2);
    double sum = 0;
    int valid = 0;
    for (int slot = 0; slot < 2; slot++) {
        const float *label = md_engine_buffer(&learns.engine, learns.engine.plan.label, slot);
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

/* From p = 1 a loss L has half its weight, and the gradient 1 - L: with plain SGD, and by the value
 * that the step reports. Losses that are not in the sum stay where they are. */
Test(step, dynamic_weights_of_losses_are_trained) {
    struct md_network network = sized_network("upydnet", 12);
    struct md_setup setup = {&network,  md_ops_find(MD_FP64, NULL), POLICY_D0, MD_SGD, 0, 2,
                             .cores = 1};
    setup.objective = md_single_loss(MD_L1, 5.0f);
    setup.objective.weighing = MD_WEIGHTS_DYNAMIC;
    for (int late = 0; late < 2; late++) {
        struct rig rig;
        setup.batch = late ? 2 : 1;
        setup.savings = MD_SAVINGS_FAST;
        rig_start(&rig, &setup);
        double value = (double)rig_train(&rig, setup.batch).value, l1 = 2 * (value - log(2));
        const double *p = md_engine_weights(&rig.engine, network.layer_count);
        for (int l = 0; l < MD_LOSS_COUNT; l++) {
            double right = l == MD_L1 ? 1 - (double)0.01f * (1 - l1) : 1;
            cr_assert_float_eq(p[l], right, 1e-8, "%s: %.12g, not %.12g", md_loss_names[l], p[l],
                               right);
        }
        cr_assert_gt(fabs(p[MD_L1] - 1), 1e-4);
        rig_stop(&rig);
    }
}
