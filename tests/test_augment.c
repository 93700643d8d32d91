/* Augmentation of pictures and labels, and crops that enlarge a part: augment.h. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../base/random.h"
#include "../datasets/augment.h"
#include "../datasets/sample.h"

enum { HEIGHT = 5, WIDTH = 6, PLANE = HEIGHT * WIDTH };

struct example {
    uint8_t picture[3 * PLANE];
    float label[PLANE];
};

static const struct md_augmentation *of(unsigned set) {
    static struct md_augmentation augmentation;
    augmentation = (struct md_augmentation){set, MD_PUBLISHED_STRENGTHS};
    return &augmentation;
}

/* An example whose every element is different enough to tell where it went. */
static struct example plain_example(void) {
    struct example example;
    for (int i = 0; i < 3 * PLANE; i++)
        example.picture[i] = (uint8_t)(i * 255 / (3 * PLANE - 1));
    for (int i = 0; i < PLANE; i++)
        example.label[i] = (float)i;
    return example;
}

static struct example augmented(unsigned augmentations, uint64_t seed, uint32_t epoch,
                                uint32_t sample) {
    struct example example = plain_example();
    md_augment(of(augmentations), seed, epoch, sample, HEIGHT, WIDTH, example.picture, NULL, HEIGHT,
               WIDTH, example.label);
    return example;
}

static int same(const struct example *a, const struct example *b) {
    return memcmp(a->picture, b->picture, sizeof a->picture) == 0 &&
           memcmp(a->label, b->label, sizeof a->label) == 0;
}

Test(augment, names) {
    static const char *const expected[] = {"flip",  "gamma", "gain",   "brightness", "crop",
                                           "shift", "noise", "cutout", "r2crop"};
    for (int i = 0; i < 9; i++)
        cr_assert_str_eq(md_augment_names[i], expected[i]);
    cr_assert_null(md_augment_names[9]);
}

Test(augment, none_changes_nothing) {
    const struct example plain = plain_example();
    for (uint32_t sample = 0; sample < 50; sample++) {
        struct example example = augmented(0, 1, 0, sample);
        cr_assert(same(&example, &plain));
    }
}

Test(augment, each_depends_on_seed_epoch_and_sample_alone) {
    for (unsigned bit = MD_FLIP; bit <= MD_BRIGHTNESS; bit <<= 1) {
        int changes[3] = {0};
        for (uint32_t i = 0; i < 64; i++) {
            struct example first = augmented(bit, 1, 2, i), again = augmented(bit, 1, 2, i);
            struct example other[3] = {augmented(bit, 2, 2, i), augmented(bit, 1, 3, i),
                                       augmented(bit, 1, 2, i + 1)};
            cr_assert(same(&first, &again));
            for (int k = 0; k < 3; k++)
                changes[k] += !same(&first, &other[k]);
        }
        for (int k = 0; k < 3; k++)
            cr_assert(changes[k] > 16, "augmentation %u hardly depends on key %d", bit, k);
    }
}

/* Together they do what each does alone, one after the other: none sees another's draws. */
Test(augment, none_changes_what_another_draws) {
    for (uint32_t sample = 0; sample < 64; sample++)
        for (unsigned set = 0; set <= MD_AUGMENT_PUBLISHED; set++) {
            struct example together = augmented(set, 9, 1, sample), apart = plain_example();
            for (unsigned bit = MD_FLIP; bit <= MD_BRIGHTNESS; bit <<= 1)
                md_augment(of(set & bit), 9, 1, sample, HEIGHT, WIDTH, apart.picture, NULL, HEIGHT,
                           WIDTH, apart.label);
            cr_assert(same(&together, &apart), "set %u, sample %u", set, sample);
        }
}

Test(augment, each_happens_half_the_time) {
    enum { SAMPLES = 4000 };
    const struct example plain = plain_example();
    for (unsigned bit = MD_FLIP; bit <= MD_BRIGHTNESS; bit <<= 1) {
        int happened = 0;
        for (uint32_t sample = 0; sample < SAMPLES; sample++) {
            struct example example = augmented(bit, 5, 0, sample);
            happened += !same(&example, &plain);
        }
        /* Five standard deviations, and a little for draws that change no byte. */
        cr_assert_float_eq(happened, SAMPLES / 2, 5 * sqrt(SAMPLES) / 2 + 10, "%u: %d", bit,
                           happened);
    }
}

/* If two shared their draws they would happen together always. */
Test(augment, each_happens_independently_of_the_others) {
    enum { SAMPLES = 1000 };
    const struct example plain = plain_example();
    for (unsigned a = MD_FLIP; a <= MD_BRIGHTNESS; a <<= 1)
        for (unsigned b = a << 1; b <= MD_BRIGHTNESS; b <<= 1) {
            int agreed = 0;
            for (uint32_t sample = 0; sample < SAMPLES; sample++) {
                struct example with_a = augmented(a, 5, 0, sample);
                struct example with_b = augmented(b, 5, 0, sample);
                agreed += same(&with_a, &plain) == same(&with_b, &plain);
            }
            cr_assert_float_eq(agreed, SAMPLES / 2, 5 * sqrt(SAMPLES) / 2 + 10, "%u and %u: %d", a,
                               b, agreed);
        }
}

Test(augment, flip_mirrors_picture_and_label) {
    const struct example plain = plain_example();
    int flipped = 0;
    for (uint32_t sample = 0; sample < 20; sample++) {
        struct example example = augmented(MD_FLIP, 1, 0, sample);
        if (same(&example, &plain))
            continue;
        flipped++;
        for (int row = 0; row < 3 * HEIGHT; row++)
            for (int x = 0; x < WIDTH; x++)
                cr_assert_eq(example.picture[row * WIDTH + x],
                             plain.picture[row * WIDTH + WIDTH - 1 - x]);
        for (int row = 0; row < HEIGHT; row++)
            for (int x = 0; x < WIDTH; x++)
                cr_assert_eq(example.label[row * WIDTH + x],
                             plain.label[row * WIDTH + WIDTH - 1 - x]);
    }
    cr_assert_gt(flipped, 0);
}

/* Whether one parameter explains what became of a channel: x' = min(255, floor(f(x))) bounds it
 * from both sides by each byte. The bounds met over all samples must fill the published range. */
static void parameter_bounds(unsigned bit, const uint8_t *before, const uint8_t *after, double *low,
                             double *high) {
    *low = 0;
    *high = 100;
    for (int i = 0; i < PLANE; i++) {
        double x = before[i], at_least = after[i], below = after[i] == 255 ? 1e9 : after[i] + 1.0;
        if (bit == MD_GAMMA && before[i] > 0 && before[i] < 255 && after[i] > 0) {
            *low = fmax(*low, log(below / 255) / log(x / 255));
            *high = fmin(*high, log(at_least / 255) / log(x / 255));
        } else if (bit != MD_GAMMA && before[i] > 0) {
            *low = fmax(*low, at_least / x);
            *high = fmin(*high, below / x);
        }
    }
}

Test(augment, photometric_ranges) {
    static const struct {
        unsigned bit;
        double low, high;
        int one_for_all;
    } cases[] = {{MD_GAMMA, 0.8, 1.2, 1}, {MD_GAIN, 0.8, 1.2, 0}, {MD_BRIGHTNESS, 0.5, 2.0, 1}};
    const struct example plain = plain_example();
    for (int c = 0; c < 3; c++) {
        double least = 100, most = 0, apart = 0;
        for (uint32_t sample = 0; sample < 2000; sample++) {
            struct example example = augmented(cases[c].bit, 3, 0, sample);
            double low[3], high[3];
            cr_assert_arr_eq(example.label, plain.label, sizeof plain.label);
            if (same(&example, &plain))
                continue;
            for (int channel = 0; channel < 3; channel++) {
                parameter_bounds(cases[c].bit, plain.picture + channel * PLANE,
                                 example.picture + channel * PLANE, &low[channel], &high[channel]);
                cr_assert(low[channel] <= high[channel] + 1e-9, "no parameter does this");
                cr_assert(high[channel] >= cases[c].low && low[channel] <= cases[c].high);
                least = fmin(least, high[channel]);
                most = fmax(most, low[channel]);
            }
            apart = fmax(apart, low[0] - high[1]);
        }
        double range = cases[c].high - cases[c].low;
        cr_assert_lt(least, cases[c].low + 0.05 * range, "%u: %g", cases[c].bit, least);
        cr_assert_gt(most, cases[c].high - 0.05 * range, "%u: %g", cases[c].bit, most);
        cr_assert_eq(apart <= 1e-9, cases[c].one_for_all, "%u: %g", cases[c].bit, apart);
    }
}

/* A label of another size than the picture. */
Test(augment, flip_mirrors_a_coarse_label) {
    struct example example = plain_example(), plain = plain_example();
    uint32_t sample = 0;
    while (augmented(MD_FLIP, 1, 0, sample).label[0] == 0)
        sample++;
    md_augment(of(MD_FLIP), 1, 0, sample, HEIGHT, WIDTH, example.picture, NULL, 2, 3,
               example.label);
    for (int i = 0; i < PLANE; i++)
        cr_assert_eq(example.label[i], i < 6 ? plain.label[i / 3 * 3 + 2 - i % 3] : plain.label[i]);
    cr_assert_eq(example.picture[0], plain.picture[WIDTH - 1]);
}

/* --- the crop --- */

enum { SIDE = 48 };

static struct md_crop crop_of(uint64_t seed, uint32_t epoch, uint32_t sample) {
    return md_augment_crop(of(MD_CROP), seed, epoch, sample, SIDE, SIDE);
}

static int same_crop(struct md_crop a, struct md_crop b) {
    return memcmp(&a, &b, sizeof a) == 0;
}

static const struct md_crop whole = {0, 0, SIDE, SIDE};

Test(crop, is_all_when_it_is_off) {
    for (uint32_t sample = 0; sample < 50; sample++)
        cr_assert(
            same_crop(md_augment_crop(of(MD_AUGMENT_PUBLISHED), 1, 0, sample, SIDE, SIDE), whole));
}

Test(crop, depends_on_seed_epoch_and_sample_alone) {
    int changes[3] = {0};
    for (uint32_t i = 0; i < 64; i++) {
        struct md_crop first = crop_of(1, 2, i);
        cr_assert(same_crop(first, crop_of(1, 2, i)));
        cr_assert(same_crop(
            first, md_augment_crop(of(MD_CROP | MD_AUGMENT_PUBLISHED), 1, 2, i, SIDE, SIDE)));
        changes[0] += !same_crop(first, crop_of(2, 2, i));
        changes[1] += !same_crop(first, crop_of(1, 3, i));
        changes[2] += !same_crop(first, crop_of(1, 2, i + 1));
    }
    for (int k = 0; k < 3; k++)
        cr_assert_gt(changes[k], 16, "key %d", k);
}

/* Of 4000, half are crops, but for those whose factor is rounded to all (one in 48); their sizes
 * are even over 24 .. 48, and their places over what is left. */
Test(crop, has_every_size_and_place) {
    enum { SAMPLES = 4000 };
    int cropped = 0, sizes[SIDE + 1] = {0}, corners[2] = {0}, others = 0;
    double place[2] = {0};
    struct example plain = plain_example();
    for (uint32_t sample = 0; sample < SAMPLES; sample++) {
        struct md_crop crop = crop_of(5, 0, sample);
        cr_assert(crop.top >= 0 && crop.left >= 0 && crop.top + crop.height <= SIDE &&
                  crop.left + crop.width <= SIDE && crop.height >= SIDE / 2);
        cr_assert_eq(crop.height, crop.width);
        struct example flipped = augmented(MD_FLIP, 5, 0, sample);
        others += same(&flipped, &plain) == same_crop(crop, whole);
        if (crop.height == SIDE)
            continue;
        cropped++;
        sizes[crop.height]++;
        corners[0] += crop.top == 0;
        corners[1] += crop.top + crop.height == SIDE;
        place[0] += (double)crop.top / (SIDE - crop.height);
        place[1] += (double)crop.left / (SIDE - crop.width);
    }
    double expected = SAMPLES * 0.5 * 47 / 48;
    cr_assert_float_eq(cropped, expected, 5 * sqrt(SAMPLES) / 2);
    cr_assert_float_eq(others, SAMPLES / 2, 5 * sqrt(SAMPLES) / 2 + SAMPLES / 48.0);
    for (int size = 25; size < SIDE; size++)
        cr_assert_float_eq(sizes[size], cropped / 23.5, 5 * sqrt(cropped / 23.5), "%d: %d", size,
                           sizes[size]);
    for (int axis = 0; axis < 2; axis++) { /* of values in 0 .. 1 the deviation is at most 1/2 */
        cr_assert_float_eq(place[axis] / cropped, 0.5, 5 * 0.5 / sqrt(cropped));
        cr_assert_gt(corners[axis], 0);
    }
    struct md_crop oblong = {0, 0, 40, 80};
    for (uint32_t sample = 0; oblong.height == 40; sample++)
        oblong = md_augment_crop(of(MD_CROP), 1, 0, sample, 40, 80);
    cr_assert_leq(abs(2 * oblong.height - oblong.width), 1, "the sides keep their ratio");
}

/* Bilinear by its definition, in floating point; and a plane stays one. */
Test(crop, enlarges_the_picture) {
    enum { H = 12, W = 16 };
    static const struct md_crop crops[] = {{0, 0, H, W}, {0, 0, 6, 8},   {6, 8, 6, 8},
                                           {3, 2, 7, 9}, {1, 0, 11, 15}, {5, 5, 1, 1}};
    uint8_t picture[3 * H * W], enlarged[3 * H * W];
    struct md_random random = md_random_stream(10, 0, 0, 0);
    for (size_t c = 0; c < sizeof crops / sizeof *crops; c++) {
        const struct md_crop *crop = &crops[c];
        for (int i = 0; i < 3 * H * W; i++)
            picture[i] = (uint8_t)md_random_below(&random, 256);
        md_crop_picture(crop, H, W, picture, enlarged);
        for (int i = 0; i < 3 * H * W; i++) {
            int y = i / W % H, x = i % W, plane = i / (H * W) * H * W;
            double row = fmin(fmax((y + 0.5) * crop->height / H - 0.5, 0), crop->height - 1);
            double column = fmin(fmax((x + 0.5) * crop->width / W - 0.5, 0), crop->width - 1);
            double sum = 0;
            for (int r = 0; r < crop->height; r++)
                for (int k = 0; k < crop->width; k++)
                    sum += fmax(1 - fabs(row - r), 0) * fmax(1 - fabs(column - k), 0) *
                           picture[plane + (crop->top + r) * W + crop->left + k];
            cr_assert(fabs(enlarged[i] - sum) <= 0.5 + 1e-9, "crop %zu, %d: %d, not %g", c, i,
                      enlarged[i], sum);
        }
        if (c == 0)
            cr_assert_arr_eq(enlarged, picture, sizeof picture);
    }
}

/* Every pixel of the label is that of the place its centre came from: nothing mixes. */
Test(crop, enlarges_the_label_without_mixing) {
    static const struct { int height, width; } labels[] = {{SIDE, SIDE}, {8, 8}, {5, 7}, {1, 1}};
    static float label[SIDE * SIDE], plain[SIDE * SIDE];
    int moved = 0;
    for (uint32_t sample = 0; sample < 400; sample++) {
        int h = labels[sample % 4].height, w = labels[sample % 4].width;
        struct md_crop crop = crop_of(3, 0, sample);
        for (int i = 0; i < h * w; i++)
            plain[i] = label[i] = i % 3 == 0 ? MD_INVALID : (float)(1 + i);
        md_crop_label(&crop, SIDE, SIDE, h, w, label);
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++) {
                int row = (int)floor((crop.top + (y + 0.5) * crop.height / h) * h / SIDE + 1e-9);
                int column = (int)floor((crop.left + (x + 0.5) * crop.width / w) * w / SIDE + 1e-9);
                cr_assert_eq(label[y * w + x], plain[row * w + column], "sample %u, %d, %d", sample,
                             y, x);
                moved += row != y || column != x;
            }
        if (same_crop(crop, whole))
            cr_assert_arr_eq(label, plain, (size_t)(h * w) * sizeof *label);
    }
    cr_assert_gt(moved, 10000);
}

/* Picture and label stay together: what the label says lies where the picture shows it. */
Test(crop, keeps_picture_and_label_together) {
    static uint8_t picture[3 * SIDE * SIDE], enlarged[3 * SIDE * SIDE];
    static float label[SIDE * SIDE];
    for (int i = 0; i < 3 * SIDE * SIDE; i++)
        picture[i] = (uint8_t)(5 * (i / (SIDE * SIDE) == 0 ? i / SIDE % SIDE : i % SIDE));
    for (uint32_t sample = 0; sample < 40; sample++) {
        struct md_crop crop = crop_of(4, 0, sample);
        for (int axis = 0; axis < 2; axis++) {
            for (int i = 0; i < SIDE * SIDE; i++)
                label[i] = (float)(5 * (axis == 0 ? i / SIDE : i % SIDE));
            md_crop_picture(&crop, SIDE, SIDE, picture, enlarged);
            md_crop_label(&crop, SIDE, SIDE, SIDE, SIDE, label);
            /* The nearest pixel is at most half of one away, and bytes are rounded. */
            for (int i = 0; i < SIDE * SIDE; i++)
                cr_assert(fabsf(label[i] - enlarged[axis * SIDE * SIDE + i]) <= 3);
        }
    }
}

/* --- shift and zoom --- */

static struct md_augmentation shifting(int shift, double zoom) {
    struct md_augmentation augmentation = *of(MD_SHIFT);
    augmentation.shift = shift;
    augmentation.zoom = zoom;
    augmentation.probability = 1;
    return augmentation;
}

/* Every size and place up to the strengths, in all four directions. */
Test(shift, reaches_its_strengths) {
    const struct md_augmentation moving = shifting(3, 0.25), still = shifting(0, 0);
    int least[2] = {SIDE, SIDE}, most[2] = {0}, size[2] = {SIDE, SIDE};
    for (uint32_t sample = 0; sample < 2000; sample++) {
        struct md_crop crop = md_augment_crop(&moving, 1, 0, sample, SIDE, SIDE);
        const int from_middle[] = {crop.top - (SIDE - crop.height) / 2,
                                   crop.left - (SIDE - crop.width) / 2};
        cr_assert_eq(crop.height, crop.width);
        for (int axis = 0; axis < 2; axis++) {
            least[axis] = from_middle[axis] < least[axis] ? from_middle[axis] : least[axis];
            most[axis] = from_middle[axis] > most[axis] ? from_middle[axis] : most[axis];
        }
        size[0] = crop.height < size[0] ? crop.height : size[0];
        size[1] = crop.height > size[1] ? crop.height : size[1];
        cr_assert(same_crop(md_augment_crop(&still, 1, 0, sample, SIDE, SIDE), whole));
    }
    for (int axis = 0; axis < 2; axis++)
        cr_assert(least[axis] == -3 && most[axis] == 3, "%d to %d", least[axis], most[axis]);
    cr_assert(size[0] == 36 && size[1] == 60, "%d to %d", size[0], size[1]);
}

/* What comes from outside is the picture's edge, without a label. */
Test(shift, goes_on_beyond_the_edge_without_a_label) {
    static const struct md_crop crops[] = {
        {-2, 3, SIDE, SIDE}, {5, -7, SIDE, SIDE}, {-6, -6, 60, 60}, {-9, 4, 54, 40}};
    static uint8_t picture[3 * SIDE * SIDE], shown[3 * SIDE * SIDE];
    static float label[SIDE * SIDE];
    for (size_t c = 0; c < sizeof crops / sizeof *crops; c++) {
        const struct md_crop *crop = &crops[c];
        int outside = 0;
        for (int i = 0; i < SIDE * SIDE; i++)
            label[i] = (float)(picture[i] = (uint8_t)(2 * (i % SIDE) + 3 * (i / SIDE)));
        md_crop_picture(crop, SIDE, SIDE, picture, shown);
        md_crop_label(crop, SIDE, SIDE, SIDE, SIDE, label);
        for (int i = 0; i < SIDE * SIDE; i++) {
            double row = crop->top + (i / SIDE + 0.5) * crop->height / SIDE;
            double column = crop->left + (i % SIDE + 0.5) * crop->width / SIDE;
            int is_inside = row >= 0 && row < SIDE && column >= 0 && column < SIDE;
            double there = 2 * (fmin(fmax(column - 0.5, 0), SIDE - 1)) +
                           3 * (fmin(fmax(row - 0.5, 0), SIDE - 1));
            /* A crop's outer half pixels go on as its edge. */
            cr_assert_float_eq(shown[i], there,
                               0.51 + 2.5 * (crop->height < SIDE) + (crop->width != SIDE),
                               "crop %zu, %d: %d, not %g", c, i, shown[i], there);
            if (is_inside)
                cr_assert_float_eq((double)label[i],
                                   2 * floor(column + 1e-9) + 3 * floor(row + 1e-9), 1e-6);
            else
                cr_assert_eq(label[i], MD_INVALID);
            outside += !is_inside;
        }
        cr_assert_gt(outside, SIDE);
    }
}

/* --- noise, cutout, R2 crop --- */

static struct md_augmentation always(unsigned bit) {
    struct md_augmentation augmentation = *of(bit);
    augmentation.probability = 1;
    return augmentation;
}

/* Over pictures the variance is that of a deviation between 0 and most: most^2 / 3, and 1/12 of
 * rounding. Of a grey picture it is grey. */
Test(noise, has_its_strength_and_keeps_grey_grey) {
    static uint8_t picture[3 * SIDE * SIDE];
    static float label[1];
    struct md_augmentation augmentation = always(MD_NOISE);
    for (int grey = 0; grey < 2; grey++) {
        double sum = 0, squares = 0, differences = 0;
        enum { SAMPLES = 100, PIXELS = SIDE * SIDE };
        for (uint32_t sample = 0; sample < SAMPLES; sample++) {
            for (int i = 0; i < 3 * PIXELS; i++)
                picture[i] = (uint8_t)(128 + (grey ? 0 : i / PIXELS));
            md_augment(&augmentation, 1, 0, sample, SIDE, SIDE, picture, NULL, 1, 1, label);
            for (int i = 0; i < PIXELS; i++) {
                double change = picture[i] - 128.0;
                sum += change;
                squares += change * change;
                differences += picture[i] != picture[2 * PIXELS + i] - (grey ? 0 : 2);
            }
        }
        cr_assert_float_eq(sum / (SAMPLES * PIXELS), 0, 0.1);
        cr_assert_float_eq(squares / (SAMPLES * PIXELS), 64.0 / 3, 6);
        cr_assert_eq(differences == 0, grey);
    }
}

Test(cutout, is_a_square_of_the_mean_anywhere) {
    static float label[1];
    const struct md_augmentation augmentation = always(MD_CUTOUT);
    int tops[SIDE] = {0};
    for (uint32_t sample = 0; sample < 500; sample++) {
        static uint8_t picture[3 * SIDE * SIDE];
        int top = -1, left = -1, changed = 0;
        for (int i = 0; i < 3 * SIDE * SIDE; i++)
            picture[i] = (uint8_t)(i % 2 == 0 ? 10 : 13 + i / (SIDE * SIDE));
        md_augment(&augmentation, 1, 0, sample, SIDE, SIDE, picture, NULL, 1, 1, label);
        for (int i = 0; i < SIDE * SIDE; i++)
            if (picture[i] == 11) {
                top = top < 0 ? i / SIDE : top;
                left = left < 0 ? i % SIDE : left;
                changed++;
                cr_assert(i / SIDE < top + 14 && i % SIDE >= left && i % SIDE < left + 14);
                cr_assert_eq(picture[i + 2 * SIDE * SIDE], 12);
            }
        cr_assert_eq(changed, 14 * 14, "0.3 of 48 is 14.4");
        tops[top]++;
    }
    cr_assert(tops[0] > 0 && tops[34] > 0);
}

/* Three sizes, equally often; at its own scale in the top left, the rest black without a label. */
Test(r2crop, is_a_part_at_its_own_scale) {
    static const int sizes[3][2] = {{24, 28}, {36, 40}, {SIDE, SIDE}};
    static uint8_t picture[3 * SIDE * SIDE];
    static float label[SIDE * SIDE], coarse[64];
    int found[3] = {0}, moved = 0;
    for (uint32_t sample = 0; sample < 300; sample++) {
        for (int i = 0; i < 3 * SIDE * SIDE; i++)
            picture[i] = (uint8_t)(1 + i % SIDE + 4 * (i / SIDE % SIDE));
        for (int i = 0; i < SIDE * SIDE; i++)
            label[i] = picture[i];
        for (int i = 0; i < 64; i++)
            coarse[i] = (float)i;
        md_augment(of(MD_R2CROP), 1, 0, sample, SIDE, SIDE, picture, NULL, SIDE, SIDE, label);
        int height = 0, width = 0, size = 0;
        while (width < SIDE && picture[width] > 0)
            width++;
        while (height < SIDE && picture[height * SIDE] > 0)
            height++;
        while (size < 3 && (sizes[size][0] != height || sizes[size][1] != width))
            size++;
        cr_assert_lt(size, 3, "%d x %d", height, width);
        found[size]++;
        moved += picture[0] != 1;
        for (int i = 0; i < 3 * SIDE * SIDE; i++) {
            int y = i / SIDE % SIDE, x = i % SIDE, is_inside = y < height && x < width;
            cr_assert_eq(picture[i], is_inside ? picture[0] + x + 4 * y : 0);
            if (i < SIDE * SIDE)
                cr_assert_eq(label[i], is_inside ? picture[i] : MD_INVALID);
        }
        md_augment(of(MD_R2CROP), 1, 0, sample, SIDE, SIDE, picture, NULL, 8, 8, coarse);
        for (int i = 0; i < 64; i++)
            cr_assert_eq(coarse[i] != MD_INVALID,
                         6 * (i / 8) + 3 < height && 6 * (i % 8) + 3 < width);
    }
    for (int size = 0; size < 3; size++)
        cr_assert_float_eq(found[size], 100, 5 * sqrt(300 * 2 / 9.0));
    cr_assert_gt(moved, 150);
}

/* --- strengths --- */

/* Half the strength is half the range; and how often is a number too. */
Test(strength, bounds_what_is_drawn) {
    const struct example plain = plain_example();
    struct md_augmentation augmentation = *of(MD_BRIGHTNESS);
    augmentation.brightness = 1.25;
    augmentation.probability = 0.9;
    int changed = 0;
    double least = 100, most = 0;
    for (uint32_t sample = 0; sample < 2000; sample++) {
        struct example example = plain;
        double low, high;
        md_augment(&augmentation, 3, 0, sample, HEIGHT, WIDTH, example.picture, NULL, HEIGHT, WIDTH,
                   example.label);
        changed += !same(&example, &plain);
        parameter_bounds(MD_BRIGHTNESS, plain.picture + PLANE, example.picture + PLANE, &low,
                         &high);
        cr_assert(high >= 0.8 && low <= 1.25);
        least = fmin(least, high);
        most = fmax(most, low);
    }
    cr_assert(least < 0.83 && most > 1.22, "%g to %g", least, most);
    cr_assert_float_eq(changed, 1800, 5 * sqrt(2000 * 0.09) + 40);
}
