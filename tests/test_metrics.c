/* Metrics by hand: every metric, the masks and caps, the two protocols, the dummy predictor, and
 * the release's prediction with the flipped picture. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../core/target/host.h"
#include "../experiments/evaluate.h"
#include "../experiments/initial_weights.h"
#include "../experiments/train.h"

static struct md_metrics sums;
static const struct md_judging textbook = {MD_TEXTBOOK, MD_FLIP_OFF, {1, {80}}, 0, NULL},
                               release = {MD_RELEASE, MD_FLIP_OFF, {1, {80}}, 0, NULL},
                               flipped = {MD_TEXTBOOK, MD_FLIP_ON, {1, {80}}, 0, NULL};
static struct md_error error;

static void set_up(void) {
    memset(&sums, 0, sizeof sums);
}

TestSuite(metrics, .init = set_up, .timeout = 600);

static void assert_close(double found, double expected, const char *what) {
    cr_assert(fabs(found - expected) <= 1e-9 * fabs(expected), "%s: expected %.12g, found %.12g",
              what, expected, found);
}

static void add(enum md_protocol protocol, int dense, double cap_m, size_t n,
                const float *prediction, const float *truth) {
    md_metrics_add(&sums, protocol, dense, cap_m, n, prediction, truth);
}

/* ---- the formulas ---------------------------------------------------------------------------- */

/* Ratios 1.125, 1.5, 1.875 and 4: one below each of 1.25, 1.25^2, 1.25^3, and one beyond. */
static const float prediction[] = {1.125f, 3, 3.75f, 1}, truth[] = {1, 2, 2, 4};

/* Of the four pixels above, from the formulas in Python; `swapped` with truth for prediction. */
static const struct {
    const char *name;
    double value, swapped;
} by_hand[] = {
    {"abs_rel", 0.5625, 0.977777777777778},
    {"sq_rel", 1.07421875, 2.54097222222222},
    {"rmse_m", 1.80818451769163, 1.80818451769163},
    {"rmse_log", 0.789815753791958, 0.789815753791958},
    {"delta1", 0.25, 0.25},
    {"delta2", 0.5, 0.5},
    {"delta3", 0.75, 0.75},
    {"silog", 7.87638155756005, 7.87638155756005},
    {"si_rmse", 0.787638155756005, 0.787638155756005},
    {"log10", 0.275576261224309, 0.275576261224309},
    {"no_prediction", 0, 0},
};
enum { BY_HAND = sizeof by_hand / sizeof by_hand[0] };

/* Every metric that exists is compared: a new one without a value above fails. */
static void assert_by_hand(int swapped) {
    md_metrics_finish(&sums);
    for (int m = 0; m < MD_METRIC_COUNT; m++) {
        int h = 0;
        while (h < BY_HAND && strcmp(by_hand[h].name, md_metric_names[m]) != 0)
            h++;
        cr_assert_lt(h, BY_HAND, "%s has no value computed by hand", md_metric_names[m]);
        assert_close(sums.value[m], swapped ? by_hand[h].swapped : by_hand[h].value,
                     by_hand[h].name);
    }
}

Test(metrics, equal_those_computed_by_hand) {
    add(MD_TEXTBOOK, 0, 80, 4, prediction, truth);
    assert_by_hand(0);
    cr_assert_eq(sums.images, 1);
    cr_assert_eq(sums.without_truth, 0);
}

Test(metrics, names_differ) {
    for (int a = 0; a < MD_METRIC_COUNT; a++)
        for (int b = 0; b < a; b++)
            cr_assert_str_neq(md_metric_names[a], md_metric_names[b]);
    cr_assert_eq(BY_HAND, MD_METRIC_COUNT);
}

Test(metrics, release_exchanges_prediction_and_dense_truth) {
    static const struct {
        enum md_protocol protocol;
        int dense, swapped;
    } cases[] = {{MD_TEXTBOOK, 0, 0}, {MD_TEXTBOOK, 1, 0}, {MD_RELEASE, 0, 0}, {MD_RELEASE, 1, 1}};
    for (int i = 0; i < 4; i++) {
        set_up();
        add(cases[i].protocol, cases[i].dense, 80, 4, prediction, truth);
        assert_by_hand(cases[i].swapped);
    }
}

Test(metrics, a_perfect_prediction) {
    add(MD_TEXTBOOK, 0, 80, 4, truth, truth);
    md_metrics_finish(&sums);
    for (int m = 0; m < MD_METRIC_COUNT; m++) {
        int is_share = m >= MD_DELTA1 && m <= MD_DELTA3;
        cr_assert_eq(sums.value[m], is_share ? 1 : 0, "%s", md_metric_names[m]);
    }
}

/* silog and si_rmse do not see a common factor; the thresholds of delta do not count themselves. */
Test(metrics, a_common_factor) {
    float scaled[4];
    for (int i = 0; i < 4; i++)
        scaled[i] = 1.25f * truth[i];
    add(MD_TEXTBOOK, 0, 80, 4, scaled, truth);
    md_metrics_finish(&sums);
    cr_assert_lt(sums.value[MD_SI_RMSE], 1e-7);
    cr_assert_lt(sums.value[MD_SILOG], 1e-6);
    assert_close(sums.value[MD_ABS_REL], 0.25, "abs_rel");
    cr_assert_eq(sums.value[MD_DELTA1], 0);
    cr_assert_eq(sums.value[MD_DELTA2], 1);
}

/* ---- which pixels and images count ----------------------------------------------------------- */

static const float nan_ = NAN, far_ = INFINITY;

/* One pixel off by 1 m, and one that may not count beside it. */
Test(metrics, pixels_without_truth_do_not_count) {
    const float others[][2] = {{5, 0}, {5, -1},      {5, nan_}, {5, 4.001f}, {5, far_},
                               {0, 0}, {nan_, nan_}, {-1, 0},   {nan_, far_}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        const float p[] = {3, others[i][0]}, g[] = {2, others[i][1]};
        set_up();
        add(MD_TEXTBOOK, 0, 4, 2, p, g);
        md_metrics_finish(&sums);
        cr_assert_eq(sums.value[MD_RMSE], 1, "pair %zu: RMSE %g", i, sums.value[MD_RMSE]);
        cr_assert_eq(sums.value[MD_NO_PREDICTION], 0, "pair %zu", i);
        cr_assert_eq(sums.images, 1);
    }
}

/* What is not above 0 is judged as what is just above it, as far away as can be; only the release
 * passes over it; both say how much it is. */
Test(metrics, predictions_that_are_none_do_not_go_away) {
    const float others[] = {0, -0.0f, -1, -1e-40f, -far_}, g[] = {2, 2, 8, 0},
                just[] = {2, 2, far_, 1};
    struct md_metrics expected = {.images = 0};
    md_metrics_add(&expected, MD_TEXTBOOK, 0, 80, 4, just, g);
    md_metrics_finish(&expected);
    assert_close(expected.value[MD_RMSE], 72 / sqrt(3.0), "rmse");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        const float p[] = {2, 2, others[i], 1};
        set_up();
        add(MD_TEXTBOOK, 0, 80, 4, p, g);
        md_metrics_finish(&sums);
        for (int m = 0; m < MD_NO_PREDICTION; m++)
            cr_assert_eq(sums.value[m], expected.value[m], "%g: %s", (double)others[i],
                         md_metric_names[m]);
        assert_close(sums.value[MD_NO_PREDICTION], 1.0 / 3, "no_prediction");
        set_up();
        add(MD_RELEASE, 0, 80, 4, p, g);
        md_metrics_finish(&sums);
        cr_assert_eq(sums.value[MD_RMSE], 0);
        cr_assert_eq(sums.value[MD_DELTA1], 1);
        assert_close(sums.value[MD_NO_PREDICTION], 1.0 / 3, "no_prediction");
    }
}

/* A share of the pixels, not a mean of images' shares; an image without a truth has none. */
Test(metrics, the_share_without_a_prediction_is_of_all_pixels) {
    const float p[] = {0, 0, 0, 0, 5}, g[] = {1, 2, 3, 4, 5}, none[] = {0, 0};
    for (int protocol = 0; protocol < MD_PROTOCOL_COUNT; protocol++) {
        set_up();
        add((enum md_protocol)protocol, 0, 80, 1, p, g);
        add((enum md_protocol)protocol, 0, 80, 4, p + 1, g + 1);
        add((enum md_protocol)protocol, 0, 80, 2, p, none);
        md_metrics_finish(&sums);
        assert_close(sums.value[MD_NO_PREDICTION], 0.8, md_protocol_names[protocol]);
        cr_assert_eq(sums.without_truth, 1, "the truth is what is missing, not the prediction");
        cr_assert_eq(sums.images, protocol == MD_RELEASE ? 3 : 2);
    }
}

/* One NaN among the pixels of one image, and no number is left but the share. */
Test(metrics, a_prediction_that_is_nan_makes_all_nan) {
    const float p[] = {2, nan_, 3, 4}, g[] = {2, 2, 3, 4};
    for (int protocol = 0; protocol < MD_PROTOCOL_COUNT; protocol++)
        for (int dense = 0; dense < 2; dense++) {
            const float *const images[] = {g, p, g};
            set_up();
            for (int i = 0; i < 3; i++)
                add((enum md_protocol)protocol, dense, 80, 4, images[i], g);
            md_metrics_finish(&sums);
            for (int m = 0; m < MD_NO_PREDICTION; m++)
                cr_assert(isnan(sums.value[m]), "%s: %s", md_protocol_names[protocol],
                          md_metric_names[m]);
            assert_close(sums.value[MD_NO_PREDICTION], 1.0 / 12, "no_prediction");
            cr_assert_eq(sums.images, 3);
            cr_assert_eq(md_metrics_are_void(&sums), 1);
        }
}

Test(metrics, void_is_no_number_or_no_depth_but_not_no_truth) {
    const float some[] = {2, 0}, none[] = {0, 0}, g[] = {2, 2};
    const struct {
        const float *p, *g;
        int is_void;
    } cases[] = {{some, g, 0}, {g, g, 0}, {none, g, 1}, {g, none, 0}};
    for (int protocol = 0; protocol < MD_PROTOCOL_COUNT; protocol++)
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            set_up();
            add((enum md_protocol)protocol, 0, 80, 2, cases[i].p, cases[i].g);
            md_metrics_finish(&sums);
            cr_assert_eq(md_metrics_are_void(&sums), cases[i].is_void, "case %zu", i);
        }
}

/* 1.1 and 0.3 are larger as floats, 4.2 is smaller; the next float is beyond the cap. */
Test(metrics, truth_at_a_cap_that_no_float_is_counts_too) {
    static const double caps_m[] = {1.1, 0.3, 4.2};
    for (size_t c = 0; c < sizeof caps_m / sizeof *caps_m; c++) {
        float at_m = (float)caps_m[c], truths_m[] = {at_m, nextafterf(at_m, 9)};
        set_up();
        add(MD_TEXTBOOK, 1, caps_m[c], 2, truths_m, truths_m);
        cr_assert_eq(sums.valid, 1, "%g", caps_m[c]);
    }
}

Test(metrics, truth_at_the_cap_counts) {
    const float p[] = {5}, g[] = {4};
    add(MD_TEXTBOOK, 0, 4, 1, p, g);
    md_metrics_finish(&sums);
    cr_assert_eq(sums.value[MD_RMSE], 1);
}

Test(metrics, only_textbook_holds_predictions_at_80_m) {
    const float predictions[] = {80, 81, 1e6f, far_}, g[] = {2};
    for (int i = 0; i < 4; i++) {
        set_up();
        add(MD_TEXTBOOK, 0, 80, 1, &predictions[i], g);
        cr_assert_eq(sums.value[MD_RMSE], 78, "prediction %g", (double)predictions[i]);
        set_up();
        add(MD_RELEASE, 0, 80, 1, &predictions[i], g);
        cr_assert_eq(sums.value[MD_RMSE], (double)predictions[i] - 2);
    }
}

/* Errors of 1 m and 3 m on two images, and one that shows nothing. */
Test(metrics, images_without_truth_dilute_the_release_only) {
    const float p[] = {3, 3, 5, 5}, near[] = {2, 2, 0, 0}, far[] = {0, 2, 0, 2},
                none[] = {0, 0, 0, 0};
    static const struct {
        enum md_protocol protocol;
        double rmse;
        size_t images;
    } cases[] = {{MD_TEXTBOOK, (1 + 2.2360679774997896) / 2, 2},
                 {MD_RELEASE, (1 + 2.2360679774997896) / 3, 3}};
    for (int i = 0; i < 2; i++) {
        set_up();
        add(cases[i].protocol, 0, 80, 4, p, near);
        add(cases[i].protocol, 0, 80, 4, p, none);
        add(cases[i].protocol, 0, 80, 4, p, far); /* (1 + 9) / 2 under the root */
        md_metrics_finish(&sums);
        assert_close(sums.value[MD_RMSE], cases[i].rmse, "rmse");
        cr_assert_eq(sums.images, cases[i].images);
        cr_assert_eq(sums.without_truth, 1);
    }
}

Test(metrics, no_image_gives_nan) {
    const float p[] = {3}, none[] = {0};
    add(MD_TEXTBOOK, 0, 80, 1, p, none);
    add(MD_TEXTBOOK, 0, 80, 0, NULL, NULL);
    md_metrics_finish(&sums);
    for (int m = 0; m < MD_METRIC_COUNT; m++)
        cr_assert(isnan(sums.value[m]), "%s", md_metric_names[m]);
    cr_assert_eq(sums.images, 0);
    cr_assert_eq(sums.without_truth, 2);
}

/* ---- sizes, and the dummy predictor ---------------------------------------------------------- */

/* A data set of depth grids; pictures are not looked at. */
static struct md_dataset dataset_of(struct md_sample *samples, size_t count, int side,
                                    float *depths) {
    for (size_t s = 0; s < count; s++)
        samples[s] = (struct md_sample){.depth_m = depths + s * (size_t)(side * side),
                                        .depth_height = side,
                                        .depth_width = side,
                                        .fb = 80};
    return (struct md_dataset){.count = count, .samples = samples};
}

Test(metrics, dummy_is_the_mean_per_pixel_and_overall_where_there_is_none) {
    float depths[] = {1, 0, 3, 0, /* */ 2, 0, 0, 0, /* */ 6, 0, 5, 0}, dummy[4];
    struct md_sample samples[3];
    struct md_dataset data = dataset_of(samples, 3, 2, depths);
    cr_assert_eq(md_dummy_fit(&data, 2, 2, dummy, &error), MD_OK);
    cr_assert_eq(dummy[0], 3);
    cr_assert_eq(dummy[2], 4);
    cr_assert_float_eq(dummy[1], 17.0 / 5, 1e-6);
    cr_assert_eq(dummy[1], dummy[3]);
}

Test(metrics, dummy_of_data_without_any_depth_predicts_nothing) {
    float depths[4] = {0}, dummy[4] = {9, 9, 9, 9};
    struct md_sample sample;
    struct md_dataset data = dataset_of(&sample, 1, 2, depths);
    cr_assert_eq(md_dummy_fit(&data, 2, 2, dummy, &error), MD_OK);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(dummy[i], 0);
}

Test(metrics, a_coarser_truth_is_enlarged_for_the_dummy) {
    float depths[] = {1, 2, 3, 4}, dummy[16];
    struct md_sample sample;
    struct md_dataset data = dataset_of(&sample, 1, 2, depths);
    cr_assert_eq(md_dummy_fit(&data, 4, 4, dummy, &error), MD_OK);
    for (int i = 0; i < 16; i++)
        cr_assert_eq(dummy[i], depths[i / 8 * 2 + i % 4 / 2]);
}

/* A LiDAR's few values may lie anywhere in a pixel of the output. */
Test(metrics, all_values_of_a_finer_truth_count_for_the_dummy) {
    float depths[] = {1, 0, 0, 0, /* */ 0, 3, 0, 0, /* */ 0, 0, 0, 0, /* */ 7, 8, 0, 9}, dummy[4];
    float tall[] = {1, 2, 3, 0, 5, 6}, wide[8]; /* 6 rows become 2, 1 column becomes 4 */
    struct md_sample sample, sizes = {.depth_m = tall, .depth_height = 6, .depth_width = 1};
    struct md_dataset data = dataset_of(&sample, 1, 4, depths);
    cr_assert_eq(md_dummy_fit(&data, 2, 2, dummy, &error), MD_OK);
    const float expected[] = {2, 28 / 5.0f, 7.5f, 9};
    for (int i = 0; i < 4; i++)
        cr_assert_float_eq(dummy[i], expected[i], 1e-6, "%d: %g", i, (double)dummy[i]);
    data = (struct md_dataset){.count = 1, .samples = &sizes};
    cr_assert_eq(md_dummy_fit(&data, 2, 4, wide, &error), MD_OK);
    for (int i = 0; i < 8; i++)
        cr_assert_float_eq(wide[i], i < 4 ? 2 : 5.5, 1e-6);
}

/* The larger of both sizes counts: 2x2 against 4x4 either way, nearest neighbour. */
Test(metrics, sizes_meet_at_the_larger) {
    float small[] = {1, 2, 3, 4}, large[16];
    struct md_sample sample;
    for (int i = 0; i < 16; i++)
        large[i] = small[i / 8 * 2 + i % 4 / 2];
    large[0] = 5; /* off by 4 m in one of 16 pixels */
    struct md_dataset data = dataset_of(&sample, 1, 4, large);
    cr_assert_eq(md_dummy_evaluate(small, 2, 2, &textbook, &data, &sums, &error), MD_OK);
    cr_assert_eq(sums.value[MD_RMSE], 1);
    data = dataset_of(&sample, 1, 2, small);
    cr_assert_eq(md_dummy_evaluate(large, 4, 4, &textbook, &data, &sums, &error), MD_OK);
    cr_assert_eq(sums.value[MD_RMSE], 1);
}

/* Denser than a sensor's 8x8 zones is what the release exchanges. */
Test(metrics, density_is_that_of_the_truth) {
    enum { MOST = 9 };
    for (int side = MOST - 1; side <= MOST; side++) {
        float depths[MOST * MOST], dummy[1] = {4};
        struct md_sample sample;
        for (int i = 0; i < side * side; i++)
            depths[i] = 2;
        struct md_dataset data = dataset_of(&sample, 1, side, depths);
        cr_assert_eq(md_dummy_evaluate(dummy, 1, 1, &release, &data, &sums, &error), MD_OK);
        assert_close(sums.value[MD_ABS_REL], side == MOST ? 0.5 : 1, "abs_rel");
    }
}

/* Its 8x8 zones may lie in the middle of more. */
Test(metrics, density_is_not_that_of_the_grid) {
    enum { SIDE = 16, FIRST = 4 };
    static float depths[SIDE * SIDE], dummy[SIDE * SIDE];
    static struct md_sample sample;
    struct md_dataset data = dataset_of(&sample, 1, SIDE, depths);
    for (int i = 0; i < SIDE * SIDE; i++) {
        int row = i / SIDE - FIRST, column = i % SIDE - FIRST;
        depths[i] = row >= 0 && row < 8 && column >= 0 && column < 8 ? 2 : 0;
        dummy[i] = 4;
    }
    cr_assert_eq(md_dummy_evaluate(dummy, SIDE, SIDE, &release, &data, &sums, &error), MD_OK);
    assert_close(sums.value[MD_ABS_REL], 1, "zones");
    const int beyond[] = {(FIRST - 1) * SIDE + FIRST, (FIRST + 8) * SIDE + FIRST,
                          FIRST * SIDE + FIRST - 1, FIRST * SIDE + FIRST + 8};
    for (int i = 0; i < 4; i++) {
        depths[beyond[i]] = 2;
        cr_assert_eq(md_dummy_evaluate(dummy, SIDE, SIDE, &release, &data, &sums, &error), MD_OK);
        assert_close(sums.value[MD_ABS_REL], 0.5, "more than zones");
        depths[beyond[i]] = 0;
    }
}

/* ---- predictions ----------------------------------------------------------------------------- */

Test(metrics, depth_is_fb_over_disparity_and_none_below_0) {
    const float disparity[] = {40, 80, 0, -1, 1e-45f, nan_, far_, -far_};
    const float expected[] = {2, 1, 0, 0, far_, nan_, nan_, nan_};
    float depth[8];
    md_depth_from_disparity(80, 8, disparity, depth);
    for (int i = 0; i < 8; i++)
        cr_assert(isnan(expected[i]) ? isnan(depth[i]) : depth[i] == expected[i], "%d: %g", i,
                  (double)depth[i]);
}

enum { SIDE = 48, PIXELS = SIDE * SIDE };

/* Three pictures, in batches of two, so that the last batch is a partial one. */
Test(metrics, averages_with_the_flipped_picture) {
    static const struct md_judging *const ways[] = {&flipped, &release};
    static uint8_t pictures[6][3 * PIXELS];
    static float plain[6 * PIXELS], merged[3 * PIXELS];
    struct md_sample samples[6] = {{0}};
    const struct md_network *network = md_networks[0];
    struct md_setup setup = {network, md_ops_find(MD_FP32, NULL), 0, MD_SGD, 0, 2, .cores = 1};
    struct md_plan plan;
    struct md_engine engine;
    md_plan_make(&setup, &plan);
    void *arena = md_host_arena(plan.arena_bytes);
    float *weights = malloc(md_parameter_total(network) * sizeof *weights);
    cr_assert(arena && weights);
    cr_assert_eq(md_engine_start(&engine, &setup, NULL, arena, plan.arena_bytes), MD_ENGINE_OK);
    md_initial_weights(network, 1, weights);
    md_engine_set_weights(&engine, weights);

    for (int s = 0; s < 6; s++) { /* 3 .. 5 are 0 .. 2 flipped */
        samples[s] = (struct md_sample){.picture = pictures[s], .fb = 80 + 10 * (float)(s % 3)};
        for (int i = 0; i < 3 * PIXELS; i++) {
            int x = i % SIDE, from = s < 3 ? i : i - x + SIDE - 1 - x;
            pictures[s][i] = (uint8_t)(from * (7 + s % 3) + from / 101);
        }
    }
    struct md_dataset data = {.height = SIDE, .width = SIDE, .count = 6, .samples = samples};
    cr_assert_eq(md_predict(&engine, &textbook, &data, 0, 6, plain, &error), MD_OK);
    cr_assert_eq(md_forward_passes(&textbook), 1);
    int different = 0;
    for (int way = 0; way < 2; way++) {
        cr_assert_eq(md_predict(&engine, ways[way], &data, 0, 3, merged, &error), MD_OK);
        cr_assert_eq(md_forward_passes(ways[way]), 2);
        for (int k = 0; k < 3 * PIXELS; k++) {
            int s = k / PIXELS, y = k / SIDE % SIDE, x = k % SIDE;
            double fb = samples[s].fb, here = fb / (double)plain[k],
                   there = fb / (double)plain[(s + 3) * PIXELS + y * SIDE + SIDE - 1 - x];
            /* The upper 5 % of the release's come from the flipped picture alone. */
            double expected = fb / (way == 1 && y < SIDE / 20 ? there : (here + there) / 2);
            cr_assert_float_eq((double)merged[k], expected, 1e-5 * expected,
                               "way %d, sample %d, row %d, column %d", way, s, y, x);
            different += fabs(here - there) > 1e-3;
        }
    }
    cr_assert_gt(different, PIXELS);

    /* A share of the mean in each depth there is. */
    static float mean_m[PIXELS];
    struct md_judging shrunk = textbook;
    shrunk.mean_share = 0.25;
    shrunk.mean_m = mean_m;
    for (int i = 0; i < PIXELS; i++)
        mean_m[i] = 1 + (float)i / PIXELS;
    cr_assert_eq(md_predict(&engine, &shrunk, &data, 0, 3, merged, &error), MD_OK);
    for (int k = 0; k < 3 * PIXELS; k++)
        cr_assert_eq(merged[k],
                     plain[k] > 0
                         ? (float)(0.75 * (double)plain[k] + 0.25 * (double)mean_m[k % PIXELS])
                         : plain[k],
                     "%d: %g", k, (double)merged[k]);
    free(arena);
    free(weights);
}

static int stop(void *context, const char *what, double done, double all) {
    (void)context, (void)what, (void)done, (void)all;
    return 1;
}

Test(metrics, an_early_end_gives_no_metrics) {
    struct md_engine engine = {.setup = {.network = md_networks[0], .batch = 1}};
    struct md_sample sample = {0};
    struct md_dataset data = {.height = SIDE, .width = SIDE, .count = 1, .samples = &sample};
    struct md_watch watch = {stop, NULL};
    cr_assert_eq(md_evaluate(&engine, &release, &data, &watch, &sums, &error), MD_OK);
    cr_assert_eq(sums.images, 0);
    cr_assert(isnan(sums.value[MD_RMSE]));
}
