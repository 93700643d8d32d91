/* The loss photometric of the plain loops against its definition in binary64, by hand, and of
 * outputs that are wrong: core/photometric_tmpl.h. */
#include "losses.h"

/* Whether something of pixel i has a kink between two outputs of it: it passes a pixel of the right
 * picture, the light of the left one, or the disparity of a neighbour. */
static int passes_a_kink(const struct batch *one, const struct batch *other,
                         const struct md_objective *objective, int s, int i) {
    const struct batch *both[2] = {one, other};
    int around[] = {i - 1, i + 1, i - one->width, i + one->width}, passes = 0, signs[2][3];
    double outputs[2];
    for (int n = 0; n < 2; n++) {
        outputs[n] = both[n]->output[s * one->pixels + i];
        for (int c = 0; c < 3; c++)
            signs[n][c] = seen(both[n], objective, s, c, i) < shown(one, s, c, i);
    }
    for (int c = 0; c < 3; c++)
        passes |= signs[0][c] != signs[1][c];
    for (int n = 0; n < 4; n++)
        if (around[n] >= 0 && around[n] < one->pixels) {
            double there = one->output[s * one->pixels + around[n]];
            passes |= (outputs[0] <= there) != (outputs[1] <= there);
        }
    long double at[2];
    for (int n = 0; n < 2; n++)
        at[n] = i % one->width - (long double)objective->stereo_scale * outputs[n];
    return passes || floorl(at[0]) != floorl(at[1]);
}

/* A textured picture with some black and white, and one that shows it about two pixels further
 * left, with light of its own; outputs around four, some that look beyond the edges; every second
 * sample without any label.
 */
static struct batch pair_batch(struct md_random *random) {
    struct batch b = {.samples = 2, .width = 9, .pixels = 9 * 7, .fb = {80, 65.5f}};
    for (int i = 0; i < 2 * 3 * b.pixels; i++)
        left_picture[i] =
            (uint8_t)(i % 11 < 2 ? i % 11 * 240
                                 : 60 + i / b.pixels * 20 + (int)md_random_below(random, 80));
    for (int i = 0; i < 2 * 3 * b.pixels; i++)
        right_picture[i] = (uint8_t)(left_picture[i % b.width < b.width - 2 ? i + 2 : i] +
                                     (int)md_random_below(random, 8));
    for (int i = 0; i < count_of(&b); i++) {
        b.output[i] = (double)(float)md_random_range(random, 1, i % 5 == 0 ? 30 : 7);
        b.label[i] =
            i % 3 == 0 || i >= b.pixels ? -1 : (double)(float)md_random_range(random, 2, 8);
    }
    return b;
}

static const struct md_objective pairs[] = {
    {.weight = {[MD_LOSS_PHOTOMETRIC] = 1}, .depth_cap_m = 5, .stereo_scale = 0.5f},
    {.weight = {[MD_LOSS_PHOTOMETRIC] = 1},
     .depth_cap_m = 5,
     .stereo_scale = 0.4375f,
     .smoothness = 0.5f},
    {.weight = {[MD_L1] = 0.1f, [MD_LOSS_PHOTOMETRIC] = 2},
     .depth_cap_m = 5,
     .stereo_scale = 0.5f,
     .smoothness = 0.001f},
    {.weight = {[MD_LOSS_RMSE] = 0.1f, [MD_LOSS_PHOTOMETRIC] = 2},
     .depth_cap_m = 5,
     .weighing = MD_WEIGHTS_DYNAMIC,
     .stereo_scale = 0.5f},
};

/* As sums of losses are in test_losses.c, but of all pixels: none needs a label. */
Test(photometric, is_as_defined) {
    struct md_random random = md_random_stream(28, 0, 0, 0);
    for (size_t n = 0; n < LENGTH(pairs); n++) {
        int compared = 0, moving = 0;
        struct batch b = pair_batch(&random);
        double gradient[MOST], single[MOST], largest = 0, step = 0x1p-13;
        struct md_loss_report report = run(MD_FP64, &pairs[n], &b, n % 2, gradient);
        struct md_loss_report report32 = run(MD_FP32, &pairs[n], &b, 1, single);
        double value = (double)objective_of(&pairs[n], &b, &b);
        cr_assert_float_eq(report.value, value, 2 * 0x1p-24 * value, "%zu: %.9g, not %.9g", n,
                           (double)report.value, value);
        cr_assert_float_eq(report32.value, value, 1e-5 * value, "%zu", n);
        cr_assert(report.valid == count_of(&b) && report.count == b.samples);
        for (int i = 0; i < count_of(&b); i++)
            largest = fmax(largest, fabs(gradient[i]));
        for (int i = 0; i < count_of(&b); i++) {
            struct batch sides[2] = {b, b};
            long double sums[2];
            for (int side = 0; side < 2; side++) {
                sides[side].output[i] += side ? step : -step;
                sums[side] = objective_of(&pairs[n], &sides[side], &b);
            }
            cr_assert(fabs(single[i] - gradient[i]) <= 1e-4 * largest,
                      "%zu: gradient[%d] is %.9g in fp32, %.9g in fp64", n, i, single[i],
                      gradient[i]);
            if (passes_a_kink(&sides[0], &sides[1], &pairs[n], i / b.pixels, i % b.pixels))
                continue;
            double difference = (double)((sums[1] - sums[0]) / (2 * (long double)step));
            cr_assert(fabs(difference - gradient[i]) <= 1e-6 * fabs(difference) + 1e-8 * largest,
                      "%zu: gradient[%d] is %.12g, the difference quotient %.12g", n, i,
                      gradient[i], difference);
            compared++;
            moving += gradient[i] != 0;
        }
        cr_assert(compared > count_of(&b) * 9 / 10 && moving > count_of(&b) / 2, "%zu: %d, %d", n,
                  compared, moving);
    }
}

/* By hand. Pictures of one light each, 0.2 and 0.4: SSIM is (2 * 0.2 * 0.4 + C1) / (0.04 + 0.16 +
 * C1), and nothing moves it. The same picture twice is like itself at no disparity; and as a
 * picture that lies three pixels further left, at a disparity of three pixels. */
Test(photometric, by_hand) {
    const struct md_objective objective = pairs[0]; /* half a pixel is a disparity of one */
    struct md_random random = md_random_stream(29, 0, 0, 0);
    for (int format = 0; format < PRECISE_FORMATS; format++) {
        struct batch b = pair_batch(&random);
        double gradient[MOST];
        memset(left_picture, 51, sizeof left_picture);
        memset(right_picture, 102, sizeof right_picture);
        double flat = 0.85 * (1 - 0.1601 / 0.2001) / 2 + 0.15 * 0.2;
        struct md_loss_report report = run((enum md_format)format, &objective, &b, 0, gradient);
        cr_assert_float_eq(report.value, flat, 1e-5, "%g, not %g", (double)report.value, flat);
        for (int i = 0; i < count_of(&b); i++)
            cr_assert(gradient[i] == 0);
        b = pair_batch(&random);
        memcpy(right_picture, left_picture, sizeof right_picture);
        memset(b.output, 0, sizeof b.output);
        report = run((enum md_format)format, &objective, &b, 0, gradient);
        cr_assert_float_eq(report.value, 0, 1e-6);
        for (int i = 0; i < 2 * 3 * b.pixels; i++)
            left_picture[i] =
                i % b.width < 3 ? right_picture[i / b.width * b.width] : right_picture[i - 3];
        for (int i = 0; i < count_of(&b); i++)
            b.output[i] = 6;
        report = run((enum md_format)format, &objective, &b, 0, gradient);
        cr_assert_float_eq(report.value, 0, 1e-6);
    }
}

/* One row or one column is a picture too; and what is wrong with a prediction must show. */
Test(photometric, of_small_and_of_wrong_outputs) {
    struct md_random random = md_random_stream(30, 0, 0, 0);
    struct batch b = pair_batch(&random);
    double gradient[MOST];
    for (int way = 0; way < 3; way++) {
        struct batch thin = b;
        thin.pixels = way == 2 ? 1 : 7;
        thin.width = way == 0 ? 7 : 1;
        cr_assert(isfinite(run(MD_FP32, &pairs[1], &thin, 1, gradient).value));
        for (int i = 0; i < count_of(&thin); i++)
            cr_assert(isfinite(gradient[i]));
    }
    b.output[3] = NAN;
    cr_assert(isnan(run(MD_FP32, &pairs[0], &b, 0, gradient).value));
    cr_assert(isnan(gradient[3]));
}
