#include "augment.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "random.h"

const char *const md_augment_names[] = {"flip", "gamma", "gain", "brightness", "crop", NULL};

/* The last word of a stream's name; the low bits say which augmentation. */
#define PURPOSE 0xa9610000u

static double power(double byte, double gamma) {
    return 255.0 * pow(byte / 255.0, gamma);
}

static double times(double byte, double factor) {
    return byte * factor;
}

static const struct photometric {
    unsigned bit;
    double low, high;
    int parameters; /* 1: the same for all channels; 3: one each */
    double (*change)(double byte, double parameter);
} photometrics[] = {
    {MD_GAMMA, 0.8, 1.2, 1, power},
    {MD_GAIN, 0.8, 1.2, 3, times},
    {MD_BRIGHTNESS, 0.5, 2.0, 1, times},
};

static uint8_t saturate(double value) {
    return value < 255.0 ? (uint8_t)value : 255;
}

/* There are only 256 bytes: each is worked out once and then looked up. */
static void change_channel(const struct photometric *photometric, double parameter,
                           uint8_t *channel, size_t count) {
    uint8_t table[256];
    for (int byte = 0; byte < 256; byte++)
        table[byte] = saturate(photometric->change(byte, parameter));
    for (size_t i = 0; i < count; i++)
        channel[i] = table[channel[i]];
}

static void change_picture(const struct photometric *photometric, struct md_random *random,
                           uint8_t *picture, size_t plane) {
    double parameter = 0;
    for (int channel = 0; channel < 3; channel++) {
        if (channel < photometric->parameters)
            parameter = md_random_range(random, photometric->low, photometric->high);
        change_channel(photometric, parameter, picture + (size_t)channel * plane, plane);
    }
}

static void flip_picture(uint8_t *picture, int height, int width) {
    for (int row = 0; row < 3 * height; row++, picture += width)
        for (int left = 0, right = width - 1; left < right; left++, right--) {
            uint8_t kept = picture[left];
            picture[left] = picture[right];
            picture[right] = kept;
        }
}

static void flip_label(float *label, int height, int width) {
    for (int row = 0; row < height; row++, label += width)
        for (int left = 0, right = width - 1; left < right; left++, right--) {
            float kept = label[left];
            label[left] = label[right];
            label[right] = kept;
        }
}

int md_augment_flips(unsigned augmentations, uint64_t seed, uint32_t epoch, uint32_t sample) {
    struct md_random random = md_random_stream(seed, epoch, sample, PURPOSE | MD_FLIP);
    return (augmentations & MD_FLIP) && md_random_unit(&random) < 0.5;
}

void md_augment(unsigned augmentations, uint64_t seed, uint32_t epoch, uint32_t sample, int height,
                int width, uint8_t *picture, int label_height, int label_width, float *label) {
    if (md_augment_flips(augmentations, seed, epoch, sample)) {
        flip_picture(picture, height, width);
        flip_label(label, label_height, label_width);
    }
    for (size_t i = 0; i < sizeof photometrics / sizeof *photometrics; i++) {
        struct md_random random =
            md_random_stream(seed, epoch, sample, PURPOSE | photometrics[i].bit);
        if ((augmentations & photometrics[i].bit) && md_random_unit(&random) < 0.5)
            change_picture(&photometrics[i], &random, picture, (size_t)height * (size_t)width);
    }
}

/* ---- the crop -------------------------------------------------------------------------------- */

struct md_crop md_augment_crop(unsigned augmentations, uint64_t seed, uint32_t epoch,
                               uint32_t sample, int height, int width) {
    struct md_random random = md_random_stream(seed, epoch, sample, PURPOSE | MD_CROP);
    struct md_crop crop = {0, 0, height, width};
    if (!(augmentations & MD_CROP) || md_random_unit(&random) >= 0.5)
        return crop;
    double factor = md_random_range(&random, 0.5, 1);
    crop.height = (int)(factor * height + 0.5);
    crop.width = (int)(factor * width + 0.5);
    crop.top = (int)md_random_below(&random, (uint32_t)(height - crop.height + 1));
    crop.left = (int)md_random_below(&random, (uint32_t)(width - crop.width + 1));
    return crop;
}

/* Where the centre of an enlarged pixel falls on one axis of the picture: the two pixels whose
 * centres it lies between, and their weights, which are integers of sum 2 * pixels. */
struct between {
    int pixel[2];
    int64_t weight[2];
};

static struct between place_between(int pixel, int pixels, int begin, int size) {
    const int unit = 2 * pixels;
    int from_first = (2 * pixel + 1) * size - pixels;
    from_first = from_first > 0 ? from_first : 0;
    const int lower = from_first / unit, upper = lower + 1 < size ? lower + 1 : lower;
    const int fraction = from_first % unit;
    return (struct between){{begin + lower, begin + upper}, {unit - fraction, fraction}};
}

void md_crop_picture(const struct md_crop *crop, int height, int width, const uint8_t *from,
                     uint8_t *picture) {
    const int64_t total = (int64_t)4 * height * width;
    if (crop->height == height && crop->width == width) {
        memcpy(picture, from, (size_t)3 * (size_t)height * (size_t)width);
        return;
    }
    for (int y = 0; y < 3 * height; y++) {
        const uint8_t *plane = from + (size_t)(y / height) * (size_t)height * (size_t)width;
        struct between row = place_between(y % height, height, crop->top, crop->height);
        for (int x = 0; x < width; x++) {
            struct between column = place_between(x, width, crop->left, crop->width);
            int64_t sum = total / 2;
            for (int i = 0; i < 4; i++)
                sum += row.weight[i / 2] * column.weight[i % 2] *
                       plane[row.pixel[i / 2] * width + column.pixel[i % 2]];
            *picture++ = (uint8_t)(sum / total);
        }
    }
}

/* One axis of a crop in a label. */
struct enlargement {
    int labels, pixels, begin, size;
};

/* The label that becomes label `to`: the one its centre falls on. */
static int source_of(const struct enlargement *axis, int to) {
    return (2 * axis->labels * axis->begin + (2 * to + 1) * axis->size) / (2 * axis->pixels);
}

/* Going on by one in `to` goes on by none or one in its source, so the sources lie behind at first
 * and before from some place on: moving the former from the first on and the latter from the last
 * on never overwrites what is still needed. `stride` is in floats. */
static void enlarge(const struct enlargement *axis, size_t stride, size_t count, float *values) {
    for (int to = 0; to < axis->labels; to++)
        if (source_of(axis, to) > to)
            memcpy(values + (size_t)to * stride, values + (size_t)source_of(axis, to) * stride,
                   count * sizeof *values);
    for (int to = axis->labels - 1; to >= 0; to--)
        if (source_of(axis, to) < to)
            memcpy(values + (size_t)to * stride, values + (size_t)source_of(axis, to) * stride,
                   count * sizeof *values);
}

void md_crop_label(const struct md_crop *crop, int height, int width, int label_height,
                   int label_width, float *label) {
    const struct enlargement rows = {label_height, height, crop->top, crop->height};
    const struct enlargement columns = {label_width, width, crop->left, crop->width};
    enlarge(&rows, (size_t)label_width, (size_t)label_width, label);
    for (int row = 0; row < label_height; row++)
        enlarge(&columns, 1, 1, label + (size_t)row * (size_t)label_width);
}
