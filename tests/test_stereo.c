/* Learning from pictures of two cameras: what a step is given of them, what it costs, and whether a
 * network learns by them. (The loss itself: test_losses.c.) */
#include <criterion/criterion.h>

#include "../core/target/host.h"
#include "../datasets/augment.h"
#include "../experiments/batch.h"
#include "h5_leaks.h"
#include "reading.h"
#include "runs.h"

enum { SIDE = 48, PIXELS = SIDE * SIDE, APART = 4 };

static void set_up(void) {
    begin_reading("micro-kitti", SIDE, SIDE);
}

TestSuite(stereo, .init = set_up, .fini = end_reading);

static void write_flat(const char *name, float value) {
    static float values[PIXELS];
    const size_t shape[] = {SIDE, SIDE};
    for (size_t i = 0; i < PIXELS; i++)
        values[i] = value;
    write_npy(name, values, 2, shape);
}

/* A wall of noise in patches of 4x4, APART pixels further left in the right picture, and no label.
 */
static void write_pair(const char *folder) {
    static uint8_t wall[SIDE][SIDE + APART][3], view[SIDE][SIDE][3];
    static const char *const names[] = {"l.png", "r.png"};
    static const char *const grids[] = {"dl", "zl", "dr", "zr"};
    struct md_random random = md_random_stream(4, 0, 0, 0);
    char name[80];
    for (int h = 0; h < SIDE; h++)
        for (int w = 0; w < SIDE + APART; w++)
            for (int c = 0; c < 3; c++)
                wall[h][w][c] = h % 4 > 0   ? wall[h - 1][w][c]
                                : w % 4 > 0 ? wall[h][w - 1][c]
                                            : (uint8_t)md_random_bits(&random);
    for (int side = 0; side < 2; side++) {
        for (int h = 0; h < SIDE; h++)
            memcpy(view[h], wall[h] + side * APART, sizeof view[h]);
        snprintf(name, sizeof name, "%s/%s", folder, names[side]);
        write_rgb(name, &view[0][0][0], SIDE, SIDE);
    }
    for (int g = 0; g < 4; g++) {
        snprintf(name, sizeof name, "%s/%s.npy", folder, grids[g]);
        write_flat(name, -1);
    }
    snprintf(name, sizeof name, "%s/gt.npy", folder);
    write_flat(name, 20);
    snprintf(name, sizeof name, "%s/fb.npy", folder);
    write_scalar(name, 80);
    snprintf(name, sizeof name, "%s/annotations.csv", folder);
    write_text(name, "l.png,r.png,gt.npy,dl.npy,zl.npy,dr.npy,zr.npy,fb.npy,metrics.csv\n");
}

/* ---- what a step is given -------------------------------------------------------------------- */

/* The right picture is changed as the left one would be; and a mirrored pair has changed sides. */
Test(stereo, both_pictures_are_augmented_alike) {
    static struct md_config config;
    static uint8_t picture[3 * PIXELS], right[3 * PIXELS], expected[3 * PIXELS];
    static float label[PIXELS], none[PIXELS];
    int flips = 0, changed = 0;
    write_pair("test");
    strcpy(spec.split, "test");
    assert_opens();
    const struct md_sample *s = dataset.samples;
    config.augment = (struct md_augmentation){MD_AUGMENT_PUBLISHED, MD_PUBLISHED_STRENGTHS};
    for (int epoch = 0; epoch < 20; epoch++) {
        int flipped = md_augment_flips(&config.augment, 0, (uint32_t)epoch, 0);
        md_prepare_sample(&config, md_networks[0], &dataset, 0, epoch, picture, right, label);
        memcpy(expected, flipped ? s->picture : s->right_picture, sizeof expected);
        md_augment(&config.augment, 0, (uint32_t)epoch, 0, SIDE, SIDE, expected, NULL, SIDE, SIDE,
                   none);
        cr_assert_arr_eq(right, expected, sizeof right, "epoch %d", epoch);
        memcpy(expected, flipped ? s->right_picture : s->picture, sizeof expected);
        md_augment(&config.augment, 0, (uint32_t)epoch, 0, SIDE, SIDE, expected, NULL, SIDE, SIDE,
                   none);
        cr_assert_arr_eq(picture, expected, sizeof picture, "epoch %d", epoch);
        flips += flipped;
        changed += memcmp(picture, s->picture, sizeof picture) != 0 && !flipped;
        for (int i = 0; i < 3 * PIXELS; i++) /* what both see: at a distance, to the left */
            cr_assert(i % SIDE < APART || picture[i] == right[i - APART]);
    }
    cr_assert(flips > 3 && flips < 17 && changed > 3);
    md_prepare_sample(&config, md_networks[0], &dataset, 0, -1, picture, right, label);
    cr_assert_arr_eq(picture, s->picture, sizeof picture);
    cr_assert_arr_eq(right, s->right_picture, sizeof right);
    config.augment.set = MD_NOISE;
    config.augment.probability = 1;
    md_prepare_sample(&config, md_networks[0], &dataset, 0, 0, picture, right, label);
    cr_assert(memcmp(right, s->right_picture, sizeof right) != 0, "noise is each camera's");
}

/* ---- what it costs --------------------------------------------------------------------------- */

static size_t arena_of(enum md_loss loss, enum md_format format, int batch, unsigned savings) {
    static struct md_plan plan;
    const struct md_setup setup = {.network = md_networks[0],
                                   .ops = md_ops_find(format, "scalar"),
                                   .policy = 2,
                                   .optimizer = MD_ADAM,
                                   .batch = batch,
                                   .cores = 1,
                                   .objective = md_single_loss(loss, 5),
                                   .savings = savings};
    md_plan_make(&setup, &plan);
    cr_assert_null(plan.fault);
    return plan.arena_bytes;
}

/* A second picture a sample, and once three wide numbers a pixel; of a batch no less in a lean
 * plan, which needs both until the loss. */
Test(stereo, a_pair_costs_a_picture_and_the_losss_room) {
    static const enum md_format formats[] = {MD_FP32, MD_BF16, MD_FP64};
    for (size_t f = 0; f < 3; f++)
        for (int batch = 1; batch <= 4; batch += 3)
            for (int lean = 0; lean < 2; lean++) {
                size_t wide = formats[f] == MD_FP64 ? 8 : 4;
                size_t more = (size_t)batch * 3 * PIXELS + 3 * wide * PIXELS;
                unsigned savings = lean ? MD_SAVINGS_LEAN : 0;
                size_t one = arena_of(MD_L1, formats[f], batch, savings);
                size_t pair = arena_of(MD_LOSS_PHOTOMETRIC, formats[f], batch, savings);
                cr_assert(lean && batch == 1 ? pair <= one + more : pair == one + more,
                          "%s, batch %d: %zu more, not %zu", md_format_names[formats[f]], batch,
                          pair - one, more);
            }
}

/* ---- a run ----------------------------------------------------------------------------------- */

/* No label is needed, and the disparity at which the pair is alike comes nearer: 4 pixels of 48. */
H5_TEST(stereo, a_network_learns_from_a_pair) {
    char words[400];
    write_pair("train");
    write_pair("test");
    snprintf(words, sizeof words,
             "data.set=micro-kitti data.root=%.200s data.val=test loss=photometric stereo_width=96 "
             "augment=[] epochs=8 lr=0.002 select=last batch=1",
             scratch.folder);
    struct trained one = trained_with(words);
    strcat(words, " plan=lean threads=2");
    struct trained other = trained_with(words);
    cr_assert_lt(one.history[7].train_loss, 0.5 * one.history[0].train_loss);
    cr_assert_float_eq(one.history[6].validation_loss, one.history[7].train_loss, 1e-6);
    cr_assert_eq(one.steps, 8);
    assert_same(&one, &other, "another plan, two cores");
}

/* A set of pairs whose samples have none, as a cache may be. */
Test(stereo, samples_of_one_camera_are_refused) {
    static struct md_config config;
    uint8_t picture[3] = {0};
    struct md_sample sample = {.name = "a.png", .picture = picture};
    const struct md_dataset single = {.count = 1, .samples = &sample};
    struct md_error why;
    config.stereo_width = 48;
    config.loss.weight[MD_L1] = 1;
    cr_assert_eq(md_check_pairs(&config, &single, "data.val", &why), MD_OK);
    config.loss.weight[MD_LOSS_PHOTOMETRIC] = 0.5;
    cr_assert_eq(md_check_pairs(&config, &single, "data.val", &why), MD_FAILED);
    cr_assert_str_eq(why.text, "data.val: loss: photometric needs pictures of two cameras; found "
                               "one of a.png");
    sample.right_picture = picture;
    cr_assert_eq(md_check_pairs(&config, &single, "data.val", &why), MD_OK);
}
