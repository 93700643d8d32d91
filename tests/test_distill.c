/* Distillation: how unlike a teacher's the features of a stage are, and the gradient of it. (In
 * whole steps: test_gradients.c, test_random_plans.c, test_devices.c.) */
#include "../core/plan.h"
#include "distilling.h"

enum { MOST_PIXELS = 160, MOST_CHANNELS = 9, MOST = MOST_PIXELS * MOST_CHANNELS };

struct scene {
    enum md_format format;
    int channels, teacher_channels, height, width;
    double features[MOST], error[MOST];
    int8_t teacher[MOST];
};

static int pixels_of(const struct scene *s) {
    return s->height * s->width;
}
static size_t count_of(const struct scene *s) {
    return (size_t)(s->channels * pixels_of(s));
}

/* Every fifth pixel does not count. */
static struct scene scene_of(enum md_format format, int channels, int teacher_channels, int height,
                             int width, enum data data, struct md_random *random) {
    struct scene s = {format, channels, teacher_channels, height, width, {0}, {0}, {0}};
    for (int i = 0; i < channels * height * width; i++) {
        s.features[i] = draw(format, data, random);
        s.error[i] = draw(format, ORDINARY, random);
    }
    for (int i = 0; i < teacher_channels * height * width; i++)
        s.teacher[i] =
            i % (height * width) % 5 == 3 ? 0 : (int8_t)((int)md_random_below(random, 255) - 127);
    return s;
}

/* What all parts one after the other make of the error, in the scene's format (to be freed). */
static void *distilled(const struct scene *s, const char *level, int parts, float factor,
                       float *value) {
    const struct md_ops *ops = md_ops_find(s->format, level);
    size_t n = count_of(s), pixels = (size_t)pixels_of(s);
    struct fenced room = fence(md_distill_room(s->format, pixels), 8);
    struct fenced scratch = fence(md_distill_scratch(s->format, s->channels), 8);
    void *x = numbers(s->format, n), *dx = numbers(s->format, n);
    for (size_t i = 0; i < n; i++) {
        set_number(s->format, x, i, s->features[i]);
        set_number(s->format, dx, i, s->error[i]);
    }
    struct md_distill distill = {.x = {x, s->channels, s->height, s->width, s->height},
                                 .dx = {dx, s->channels, s->height, s->width, s->height},
                                 .teacher = s->teacher,
                                 .teacher_channels = s->teacher_channels,
                                 .factor = factor,
                                 .room = room.values,
                                 .scratch = scratch.values,
                                 .part.count = parts};
    for (; distill.part.index < parts; distill.part.index++)
        ops->distill_begin(&distill);
    for (distill.part.index = 0; distill.part.index < parts; distill.part.index++)
        ops->distill_gradient(&distill);
    *value = ops->distill_value(&distill);
    cr_assert(fence_holds(&room) && fence_holds(&scratch), "beside the room or the scratch");
    unfence(&room);
    unfence(&scratch);
    free(x);
    return dx;
}

static long double plain(const struct scene *s) {
    return unlikeness_of(s->features, s->channels, s->teacher, s->teacher_channels, pixels_of(s));
}

static void check_scene(struct scene *s) {
    const double step = 1e-6, factor = 0.75;
    float value;
    double *after = distilled(s, "ref", 1, (float)factor, &value), square = 0;
    cr_assert_float_eq((double)value, (double)plain(s), 1e-7 * (double)plain(s));
    for (size_t i = 0; i < count_of(s); i++)
        square += pow(after[i] - s->error[i], 2) / (double)count_of(s);
    for (size_t i = 0; i < count_of(s); i++) {
        double here = s->features[i];
        s->features[i] = here + step;
        long double up = plain(s);
        s->features[i] = here - step;
        double expected = factor * (double)((up - plain(s)) / (2 * (long double)step));
        s->features[i] = here;
        cr_assert_float_eq(after[i] - s->error[i], expected, 1e-6 * sqrt(square),
                           "value %zu of %dx%dx%d: %.12g, expected %.12g", i, s->channels,
                           s->height, s->width, after[i] - s->error[i], expected);
    }
    free(after);
}

Test(distill, is_the_formula_and_its_derivative) {
    static const int shapes[][4] = {{3, 2, 1, 9}, {4, 4, 5, 7}, {9, 5, 3, 3}, {3, 9, 8, 9}};
    struct md_random random = md_random_stream(50, 0, 0, 0);
    for (size_t i = 0; i < LENGTH(shapes); i++) {
        const int *at = shapes[i];
        struct scene s = scene_of(MD_FP64, at[0], at[1], at[2], at[3], ORDINARY, &random);
        check_scene(&s);
    }
}

/* One channel has only directions 1 and -1, which nothing turns. */
Test(distill, of_one_channel_has_no_gradient) {
    struct md_random random = md_random_stream(51, 0, 0, 0);
    struct scene s = scene_of(MD_FP64, 1, 3, 3, 4, ORDINARY, &random);
    float value;
    double *after = distilled(&s, "ref", 1, 1, &value);
    cr_assert_float_eq((double)value, (double)plain(&s), 1e-7);
    for (size_t i = 0; i < count_of(&s); i++)
        cr_assert_float_eq(after[i], s.error[i], 1e-15);
    free(after);
}

/* A vector of zeros has no direction: its cosines are 0, and it has no gradient. */
Test(distill, zeros_have_no_direction) {
    struct md_random random = md_random_stream(52, 0, 0, 0);
    for (int format = 0; format < MD_FORMAT_COUNT; format++) {
        struct scene s = scene_of((enum md_format)format, 3, 4, 4, 5, ORDINARY, &random);
        float value;
        for (int c = 0; c < 3; c++)
            s.features[c * 20 + 6] = c == 1 ? -0.0 : 0.0;
        void *after = distilled(&s, "ref", 2, 1, &value), *before = numbers(s.format, 60);
        cr_assert_float_eq((double)value, (double)plain(&s), 0.01);
        for (size_t i = 0; i < 60; i++) {
            int turned = i % 20 != 6 && i % 20 % 5 != 3; /* a fifth of the pixels do not count */
            set_number(s.format, before, i, s.error[i]);
            cr_assert(turned || bits_of(s.format, after, i) == bits_of(s.format, before, i));
            cr_assert(isfinite(number(s.format, after, i)));
        }
        free(after);
        memset(s.teacher, 0, sizeof s.teacher);
        after = distilled(&s, "ref", 1, 1, &value); /* none counts at all */
        cr_assert_eq(value, 0);
        cr_assert_eq(first_difference(s.format, after, before, 60), 60);
        free(after);
        free(before);
    }
}

/* A teacher that sees the same directions, however long its vectors, has nothing to say. */
Test(distill, likeness_is_no_loss) {
    struct md_random random = md_random_stream(53, 0, 0, 0);
    struct scene s = scene_of(MD_FP64, 4, 4, 5, 6, ORDINARY, &random);
    float value;
    for (int i = 0; i < 120; i++)
        s.features[i] = s.teacher[i] * (0.01 + i % 30);
    double *after = distilled(&s, "ref", 1, 1, &value);
    cr_assert_lt((double)value, 1e-30);
    for (size_t i = 0; i < 120; i++)
        cr_assert_float_eq(after[i], s.error[i], 1e-15);
    free(after);
}

/* By whatever level, and whatever number of cores. */
Test(distill, has_the_same_bits_everywhere) {
    struct md_random random = md_random_stream(54, 0, 0, 0);
    const char *levels[8];
    for (int format = 0; format < MD_FORMAT_COUNT; format++)
        for (int data = 0; data < DATA_COUNT; data++) {
            struct scene s =
                scene_of((enum md_format)format, 1 + (int)md_random_below(&random, 9),
                         1 + (int)md_random_below(&random, 9), 10,
                         1 + (int)md_random_below(&random, 16), (enum data)data, &random);
            float value, other;
            void *right = distilled(&s, "ref", 1, 0.1f, &value);
            int count = exact_levels(s.format, levels);
            for (int l = 0; l < count; l++) {
                void *ours = distilled(&s, levels[l], 1 + l, 0.1f, &other);
                size_t at = first_difference(s.format, ours, right, count_of(&s));
                cr_assert(at == count_of(&s), "%s, %s, %s: value %zu", md_format_names[format],
                          levels[l], data_names[data], at);
                cr_assert_eq(first_difference(MD_FP32, &other, &value, 1), 1);
                free(ours);
            }
            free(right);
        }
}

/* What is computed a second time is not kept for each sample until the loss is known: even where
 * nothing but the teacher asks for it, as behind these stages no activation's sign is. */
Test(distill, features_are_made_again) {
    static struct md_plan plan;
    struct md_network network = *md_network_find("upydnet");
    network.layer_count = 17;
    network.output = 16;
    network.layers[14].leaky = network.layers[15].leaky = 0;
    struct md_setup setup = {.network = &network,
                             .ops = md_ops_find(MD_BF16, "scalar"),
                             .policy = 2, /* d0 */
                             .batch = 4,
                             .cores = 1,
                             .objective = md_single_loss(MD_L1, 5.0f),
                             .savings = MD_SAVINGS_LEAN};
    int teachers = 0;
    setup.objective.distill = 1;
    setup.objective.teacher_channels = 96;
    md_plan_make(&setup, &plan);
    cr_assert_null(plan.fault);
    for (int b = 0; b < plan.buffers; b++) {
        const struct md_buffer *buffer = &plan.buffer[b];
        cr_assert(buffer->kind != MD_ACTIVATION || buffer->each != MD_EACH_SAMPLE ||
                      buffer->layer == network.output,
                  "activation of layer %d", buffer->layer);
        if (buffer->kind != MD_TEACHER)
            continue;
        int side = buffer->layer == 8 ? 12 : 24; /* a byte a channel */
        cr_assert_eq(buffer->bytes, (size_t)(96 * side * side));
        teachers++;
    }
    cr_assert_eq(teachers, 2);
}
