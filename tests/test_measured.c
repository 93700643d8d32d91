/* Strengths of augmentation that are measured in the pictures: augment_strengths. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "../base/random.h"
#include "../datasets/augment.h"
#include "../experiments/batch.h"
#include "program.h"
#include "runs.h"

enum { SIDE = 48, PLANE = SIDE * SIDE, MOST = 400 };

static uint8_t bytes[MOST][3 * PLANE];
static struct md_sample samples[MOST];

/* The first `count` pictures as a data set, measured. */
static struct md_dataset measured(size_t count) {
    struct md_dataset dataset = {.height = SIDE, .width = SIDE, .count = count, .samples = samples};
    for (size_t i = 0; i < count; i++)
        samples[i].picture = bytes[i];
    md_augment_measure(&dataset);
    return dataset;
}

/* What was put in by md_augment comes out. 400 draws of each channel: their deviation is known to
 * 0.45 / sqrt(400) of it (the fourth moment of an even distribution is 1.8 squares of its second),
 * so that five times that is 0.11; bytes lose up to 1 of 120 on the way. */
Test(measured, gain_is_what_the_augmentation_has) {
    const double gain = 0.3;
    const struct md_augmentation augmentation = {.set = MD_GAIN, .probability = 1, .gain = gain};
    float label = 0;
    for (uint32_t i = 0; i < MOST; i++) {
        memset(bytes[i], 120, sizeof bytes[i]);
        md_augment(&augmentation, 1, 0, i, SIDE, SIDE, bytes[i], NULL, 1, 1, &label);
    }
    const struct md_dataset dataset = measured(MOST);
    cr_assert_float_eq(dataset.gain, gain, 0.12 * gain, "%g", dataset.gain);
    cr_assert_eq(dataset.noise, 0);
}

/* Of a grey camera 0, however its exposure varies; also with pictures that are black, or none. */
Test(measured, gain_of_grey_is_none) {
    for (int i = 0; i < 5; i++)
        memset(bytes[i], 50 * i, sizeof bytes[i]);
    cr_assert_eq(measured(5).gain, 0);
    cr_assert_eq(measured(1).gain, 0);
    cr_assert_eq(measured(0).gain, 0);
    cr_assert_eq(measured(0).noise, 0);
}

/* What does not vary, such as a camera's tint, is no gain: only what differs is. */
Test(measured, gain_of_a_tint_is_none) {
    for (int i = 0; i < 3; i++)
        for (int c = 0; c < 3; c++)
            memset(bytes[i] + c * PLANE, (i + 1) * 20 * (c + 1), PLANE);
    cr_assert_float_eq(measured(3).gain, 0, 1e-7);
    memset(bytes[0], 0, 2 * PLANE);
    cr_assert_gt(measured(3).gain, 0.2);
    memset(bytes[3], 0, sizeof bytes[3]); /* black: no colour */
    cr_assert_eq(measured(4).gain, measured(3).gain);
    cr_assert_eq(measured(1).gain, 0);
}

/* Noise on a slope with an edge. Rounding adds 1/12 to the variance. The edge is in 2 of 46 columns
 * of sums, which are beyond the median of all: that is the median of the others at 0.5 / (44 / 46),
 * which is 5.4 % more. 12 x 46^2 sums know it to 1.17 / sqrt(n), 0.7 %, if no pixel were in nine of
 * them. */
Test(measured, noise_is_what_was_added) {
    static const double deviations[] = {0, 1, 3, 8};
    for (int d = 0; d < 4; d++) {
        struct md_random random = md_random_stream(1, 2, 3, 4);
        for (int i = 0; i < 4; i++)
            for (int p = 0; p < 3 * PLANE; p++)
                bytes[i][p] =
                    (uint8_t)floor(60 + p % PLANE / SIDE + (p % SIDE < SIDE / 2 ? 60 : 0) +
                                   deviations[d] * md_random_normal(&random) + 0.5);
        const double noise = measured(4).noise,
                     expected = sqrt(deviations[d] * deviations[d] + (d > 0) / 12.0);
        cr_assert_float_eq(noise, expected, 0.1 * expected, "%g: %g", deviations[d], noise);
    }
}

/* A sample is prepared as with the same numbers given. */
Test(measured, is_as_if_given) {
    char words[200];
    static uint8_t picture[2][3 * PLANE];
    static float label[2][PLANE];
    struct md_run run = opened("augment=[gain,noise] augment_strengths=measured");
    cr_assert(run.train.gain > 0 && run.train.noise > 0);
    snprintf(words, sizeof words, "augment=[gain,noise] augment_gain=%.17g augment_noise=%.17g",
             run.train.gain, run.train.noise);
    const struct md_config given = config_of(words);
    for (uint32_t i = 0; i < run.train.count; i++) {
        md_prepare_sample(&run.config, run.network, &run.train, i, 0, picture[0], NULL, label[0]);
        md_prepare_sample(&given, run.network, &run.train, i, 0, picture[1], NULL, label[1]);
        cr_assert_arr_eq(picture[0], picture[1], sizeof picture[0]);
    }
    md_run_close(&run);
}

/* And so is a device's job. */
Test(measured, is_as_if_given_in_jobs, .init = scratch_set_up, .fini = scratch_tear_down) {
    char gain[60], noise[60], command[4000];
    struct scratch_path path[2];
    struct md_run run = opened("data.count=2 augment=[gain,noise] augment_strengths=measured");
    snprintf(gain, sizeof gain, "augment_gain=%.17g", run.train.gain);
    snprintf(noise, sizeof noise, "augment_noise=%.17g", run.train.noise);
    md_run_close(&run);
    const char *const strengths[2][2] = {
        {"augment_strengths=measured", "augment_strengths=measured"}, {gain, noise}};
    for (int i = 0; i < 2; i++) {
        path[i] = scratch_path(&scratch, "%d.bin", i);
        MUDEPTH("compare", "configs/demo.yaml", "batch=1", "data.count=2", "augment=[gain,noise]",
                "augment_probability=1", strengths[i][0], strengths[i][1], "--steps", "1", "--a",
                "host:fp32", "--save-job", path[i].text);
        assert_code(0);
    }
    snprintf(command, sizeof command, "cmp '%s' '%s'", path[0].text, path[1].text);
    cr_assert_eq(system(command), 0);
}

/* Numbers beside it, or nothing that it is of: an error. */
Test(measured, has_an_effect) {
    static const struct {
        const char *words[2], *expected;
    } cases[] = {
        {{"augment_gain=0.1", "augment=[gain,noise]"},
         "augment_gain: has an effect only with augm"},
        {{"augment_noise=3", "augment=[gain,noise]"},
         "augment_noise: has an effect only with augm"},
        {{"augment=[flip,shift]", "seed=1"},
         "augment_strengths: has an effect only with augment: a "
         "list with gain or augment: a list with noise"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct md_config config;
        char *overrides[] = {"weights=scratch", "data.set=synthetic", "augment_strengths=measured",
                             (char *)cases[i].words[0], (char *)cases[i].words[1]};
        cr_assert_eq(md_config_read(NULL, 5, overrides, &config, &run_error), MD_USAGE);
        cr_assert(strstr(run_error.text, cases[i].expected) != NULL, "%s", run_error.text);
    }
}
