#include "augment.h"

#include <math.h>
#include <stddef.h>

#include "random.h"

const char *const md_augment_names[] = {"flip", "gamma", "gain", "brightness", NULL};

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
                int width, uint8_t *picture, float *label) {
    if (md_augment_flips(augmentations, seed, epoch, sample)) {
        flip_picture(picture, height, width);
        flip_label(label, height, width);
    }
    for (size_t i = 0; i < sizeof photometrics / sizeof *photometrics; i++) {
        struct md_random random =
            md_random_stream(seed, epoch, sample, PURPOSE | photometrics[i].bit);
        if ((augmentations & photometrics[i].bit) && md_random_unit(&random) < 0.5)
            change_picture(&photometrics[i], &random, picture, (size_t)height * (size_t)width);
    }
}
