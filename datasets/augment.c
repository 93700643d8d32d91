#include "augment.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "../base/random.h"
#include "dataset.h"

const char *const md_augment_names[] = {"flip",  "gamma", "gain",   "brightness", "crop",
                                        "shift", "noise", "cutout", "r2crop",     NULL};

/* The last word of a stream's name; the low bits say which augmentation. */
#define PURPOSE 0xa9610000u

/* Whether one augmentation happens to one sample; `random` goes on to its further draws. */
static int draw_happens(const struct md_augmentation *augmentation, unsigned bit, uint64_t seed,
                        uint32_t epoch, uint32_t sample, struct md_random *random) {
    *random = md_random_stream(seed, epoch, sample, PURPOSE | bit);
    return (augmentation->set & bit) && md_random_unit(random) < augmentation->probability;
}

static double power(double byte, double gamma) {
    return 255.0 * pow(byte / 255.0, gamma);
}

static double times(double byte, double factor) {
    return byte * factor;
}

static const struct photometric {
    unsigned bit;
    size_t strength; /* offset in struct md_augmentation */
    int is_ratio;    /* the parameter is in [1 / strength, strength], or in 1 +- strength */
    int parameters;  /* 1: the same for all channels; 3: one each */
    double (*change)(double byte, double parameter);
} photometrics[] = {
    {MD_GAMMA, offsetof(struct md_augmentation, gamma), 0, 1, power},
    {MD_GAIN, offsetof(struct md_augmentation, gain), 0, 3, times},
    {MD_BRIGHTNESS, offsetof(struct md_augmentation, brightness), 1, 1, times},
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

static void change_picture(const struct photometric *photometric,
                           const struct md_augmentation *augmentation, struct md_random *random,
                           uint8_t *picture, size_t plane) {
    double parameter = 0, strength;
    memcpy(&strength, (const char *)augmentation + photometric->strength, sizeof strength);
    const double low = photometric->is_ratio ? 1 / strength : 1 - strength,
                 high = photometric->is_ratio ? strength : 1 + strength;
    for (int channel = 0; channel < 3; channel++) {
        if (channel < photometric->parameters)
            parameter = md_random_range(random, low, high);
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

int md_augment_flips(const struct md_augmentation *augmentation, uint64_t seed, uint32_t epoch,
                     uint32_t sample) {
    struct md_random random;
    return draw_happens(augmentation, MD_FLIP, seed, epoch, sample, &random);
}

static void add_noise(double most, struct md_random *random, uint8_t *picture, size_t plane) {
    const int is_grey = memcmp(picture, picture + plane, plane) == 0 &&
                        memcmp(picture, picture + 2 * plane, plane) == 0;
    const double deviation = md_random_range(random, 0, most);
    for (size_t i = 0; i < 3 * plane; i++) {
        if (is_grey && i >= plane) {
            picture[i] = picture[i - plane];
            continue;
        }
        double byte = floor(picture[i] + deviation * md_random_normal(random) + 0.5);
        picture[i] = saturate(byte > 0 ? byte : 0);
    }
}

/* A part of these shares of the picture's sides, anywhere inside. */
static struct md_crop draw_part(double share_of_height, double share_of_width, int height,
                                int width, struct md_random *random) {
    struct md_crop part = {0, 0, (int)(share_of_height * height + 0.5),
                           (int)(share_of_width * width + 0.5)};
    part.top = (int)md_random_below(random, (uint32_t)(height - part.height + 1));
    part.left = (int)md_random_below(random, (uint32_t)(width - part.width + 1));
    return part;
}

static int mean_byte(const uint8_t *bytes, size_t count) {
    size_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += bytes[i];
    return count > 0 ? (int)(sum / count) : 0;
}

static void cut_out(const struct md_crop *square, int width, size_t plane, uint8_t *picture) {
    for (int channel = 0; channel < 3; channel++, picture += plane) {
        const int mean = mean_byte(picture, plane);
        for (int row = square->top; row < square->top + square->height; row++)
            memset(picture + row * width + square->left, mean, (size_t)square->width);
    }
}

/* Moves a part to the top left; the rest becomes black, without labels. */
static void keep_part(const struct md_crop *part, int height, int width, uint8_t *picture,
                      int label_height, int label_width, float *label) {
    const struct md_crop moved = {part->top, part->left, height, width};
    for (int row = 0; row < 3 * height; row++) {
        uint8_t *to = picture + (size_t)row * (size_t)width;
        int inside = row % height < part->height ? part->width : 0;
        memmove(to, to + (inside ? part->top * width + part->left : 0), (size_t)inside);
        memset(to + inside, 0, (size_t)(width - inside));
    }
    md_crop_label(&moved, height, width, label_height, label_width, label);
    for (int y = 0; y < label_height; y++)
        for (int x = 0; x < label_width; x++)
            if ((2 * y + 1) * height >= 2 * part->height * label_height ||
                (2 * x + 1) * width >= 2 * part->width * label_width)
                label[y * label_width + x] = MD_INVALID;
}

static struct md_crop choose_part(uint64_t seed, uint32_t epoch, uint32_t sample, int height,
                                  int width) {
    static const double shares[][2] = {{1.0 / 2, 7.0 / 12}, {3.0 / 4, 5.0 / 6}, {1, 1}};
    struct md_random random = md_random_stream(seed, epoch, sample, PURPOSE | MD_R2CROP);
    const double *share = shares[md_random_below(&random, 3)];
    return draw_part(share[0], share[1], height, width, &random);
}

void md_augment(const struct md_augmentation *augmentation, uint64_t seed, uint32_t epoch,
                uint32_t sample, int height, int width, uint8_t *picture, uint8_t *right,
                int label_height, int label_width, float *label) {
    const size_t plane = (size_t)height * (size_t)width;
    uint8_t *const pictures[] = {picture, right};
    const int count = right != NULL ? 2 : 1;
    struct md_random random;
    if (md_augment_flips(augmentation, seed, epoch, sample)) {
        for (int p = 0; p < count; p++)
            flip_picture(pictures[p], height, width);
        flip_label(label, label_height, label_width);
    }
    for (size_t i = 0; i < sizeof photometrics / sizeof *photometrics; i++)
        for (int p = 0; p < count; p++) /* each draws the same */
            if (draw_happens(augmentation, photometrics[i].bit, seed, epoch, sample, &random))
                change_picture(&photometrics[i], augmentation, &random, pictures[p], plane);
    if (draw_happens(augmentation, MD_NOISE, seed, epoch, sample, &random))
        for (int p = 0; p < count; p++)
            add_noise(augmentation->noise, &random, pictures[p], plane);
    if (draw_happens(augmentation, MD_CUTOUT, seed, epoch, sample, &random)) {
        const struct md_crop square =
            draw_part(augmentation->cutout, augmentation->cutout, height, width, &random);
        cut_out(&square, width, plane, picture);
    }
    if (augmentation->set & MD_R2CROP) {
        const struct md_crop part = choose_part(seed, epoch, sample, height, width);
        keep_part(&part, height, width, picture, label_height, label_width, label);
    }
}

/* ---- measured strengths ---------------------------------------------------------------------- */

const char *const md_strengths_names[] = {"given", "measured", NULL};

static double measure_gain(const struct md_dataset *dataset) {
    const size_t plane = (size_t)dataset->height * (size_t)dataset->width;
    double sums[3] = {0}, squares[3] = {0}, most = 0;
    size_t count = 0;
    for (size_t i = 0; i < dataset->count; i++) {
        double mean[3], all = 0;
        for (int c = 0; c < 3; c++) {
            size_t sum = 0;
            for (size_t p = 0; p < plane; p++)
                sum += dataset->samples[i].picture[(size_t)c * plane + p];
            all += mean[c] = (double)sum / (double)plane;
        }
        for (int c = 0; c < 3 && all > 0; c++) {
            const double share = 3 * mean[c] / all - 1;
            sums[c] += share;
            squares[c] += share * share;
        }
        count += all > 0;
    }
    for (int c = 0; c < 3 && count > 0; c++) {
        const double average = sums[c] / (double)count;
        most = fmax(most, squares[c] / (double)count - average * average);
    }
    return fmin(sqrt(4.5 * most), 1);
}

enum { MOST_RESIDUAL = 8 * 255 };

/* Counts the sizes of a channel's residuals. */
static void count_residuals(const uint8_t *channel, int height, int width,
                            size_t counts[MOST_RESIDUAL + 1]) {
    static const int weights[3] = {1, -2, 1};
    for (int y = 1; y + 1 < height; y++)
        for (int x = 1; x + 1 < width; x++) {
            int sum = 0;
            for (int i = 0; i < 9; i++)
                sum += weights[i / 3] * weights[i % 3] *
                       channel[(y + i / 3 - 1) * width + x + i % 3 - 1];
            counts[abs(sum)]++;
        }
}

/* The median of the sizes, interpolated: a size r stands for r - 1/2 to r + 1/2. */
static double median_of(const size_t counts[MOST_RESIDUAL + 1]) {
    size_t total = 0, below = 0;
    for (int r = 0; r <= MOST_RESIDUAL; r++)
        total += counts[r];
    for (int r = 0; r <= MOST_RESIDUAL && total > 0; below += counts[r++])
        if (2 * (below + counts[r]) >= total)
            return fmax(0, r - 0.5 + ((double)total / 2 - (double)below) / (double)counts[r]);
    return 0;
}

static double measure_noise(const struct md_dataset *dataset) {
    static const double quartile =
        0.674489750196082; /* of the normal distribution: its median size */
    const size_t plane = (size_t)dataset->height * (size_t)dataset->width;
    size_t counts[MOST_RESIDUAL + 1] = {0};
    for (size_t i = 0; i < dataset->count; i++)
        for (size_t c = 0; c < 3; c++)
            count_residuals(dataset->samples[i].picture + c * plane, dataset->height,
                            dataset->width, counts);
    return median_of(counts) / (6 * quartile);
}

void md_augment_measure(struct md_dataset *dataset) {
    dataset->gain = measure_gain(dataset);
    dataset->noise = measure_noise(dataset);
}

/* ---- the crop -------------------------------------------------------------------------------- */

/* Uniform in -most .. most. */
static int draw_shift(int most, struct md_random *random) {
    return (int)md_random_below(random, 2 * (uint32_t)most + 1) - most;
}

static void zoom_and_shift(const struct md_augmentation *augmentation, struct md_random *random,
                           struct md_crop *crop) {
    const double factor = md_random_range(random, 1 - augmentation->zoom, 1 + augmentation->zoom);
    const struct md_crop before = *crop;
    crop->height = (int)fmax(factor * before.height + 0.5, 1);
    crop->width = (int)fmax(factor * before.width + 0.5, 1);
    crop->top += (before.height - crop->height) / 2 + draw_shift(augmentation->shift, random);
    crop->left += (before.width - crop->width) / 2 + draw_shift(augmentation->shift, random);
}

struct md_crop md_augment_crop(const struct md_augmentation *augmentation, uint64_t seed,
                               uint32_t epoch, uint32_t sample, int height, int width) {
    struct md_random random;
    struct md_crop crop = {0, 0, height, width};
    if (draw_happens(augmentation, MD_CROP, seed, epoch, sample, &random)) {
        double factor = md_random_range(&random, augmentation->crop, 1);
        crop = draw_part(factor, factor, height, width, &random);
    }
    if (draw_happens(augmentation, MD_SHIFT, seed, epoch, sample, &random))
        zoom_and_shift(augmentation, &random, &crop);
    return crop;
}

/* Linear interpolation along one axis of the picture: the two pixels whose centres the centre of an
 * enlarged pixel lies between, and their weights, integers whose sum is 2 * pixels. */
struct interpolation {
    int pixel[2];
    int64_t weight[2];
};

static int clamp_pixel(int pixel, int pixels) {
    return pixel < 0 ? 0 : pixel < pixels ? pixel : pixels - 1;
}

static struct interpolation interpolate_axis(int pixel, int pixels, int begin, int size) {
    const int unit = 2 * pixels;
    int from_first = (2 * pixel + 1) * size - pixels;
    from_first = from_first > 0 ? from_first : 0;
    const int lower = from_first / unit, upper = lower + 1 < size ? lower + 1 : lower;
    const int fraction = from_first % unit;
    return (struct interpolation){
        {clamp_pixel(begin + lower, pixels), clamp_pixel(begin + upper, pixels)},
        {unit - fraction, fraction}};
}

void md_crop_picture(const struct md_crop *crop, int height, int width, const uint8_t *from,
                     uint8_t *picture) {
    const int64_t total = (int64_t)4 * height * width;
    if (crop->top == 0 && crop->left == 0 && crop->height == height && crop->width == width) {
        memcpy(picture, from, (size_t)3 * (size_t)height * (size_t)width);
        return;
    }
    for (int y = 0; y < 3 * height; y++) {
        const uint8_t *plane = from + (size_t)(y / height) * (size_t)height * (size_t)width;
        struct interpolation row = interpolate_axis(y % height, height, crop->top, crop->height);
        for (int x = 0; x < width; x++) {
            struct interpolation column = interpolate_axis(x, width, crop->left, crop->width);
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

/* The label that becomes label `to`: the one its centre falls on; -1: there is none. */
static int source_of(const struct enlargement *axis, int to) {
    const int centre = 2 * axis->labels * axis->begin + (2 * to + 1) * axis->size;
    const int source = centre / (2 * axis->pixels);
    return centre >= 0 && source < axis->labels ? source : -1;
}

static void copy_source(const struct enlargement *axis, int to, size_t stride, size_t count,
                        float *values) {
    memcpy(values + (size_t)to * stride, values + (size_t)source_of(axis, to) * stride,
           count * sizeof *values);
}

/* In place. source_of(to) - to never grows with `to` when a part is enlarged, and never falls when
 * it is reduced, so its sign changes once at most: labels with a source behind them, copied from
 * the first on, and then those with a source before them, from the last on, overwrite no value that
 * is still to be copied. `stride` is in floats. */
static void enlarge(const struct enlargement *axis, size_t stride, size_t count, float *values) {
    for (int to = 0; to < axis->labels; to++)
        if (source_of(axis, to) > to)
            copy_source(axis, to, stride, count, values);
    for (int to = axis->labels - 1; to >= 0; to--)
        if (source_of(axis, to) >= 0 && source_of(axis, to) < to)
            copy_source(axis, to, stride, count, values);
    for (int to = 0; to < axis->labels; to++)
        for (size_t i = 0; i < count && source_of(axis, to) < 0; i++)
            values[(size_t)to * stride + i] = MD_INVALID;
}

void md_crop_label(const struct md_crop *crop, int height, int width, int label_height,
                   int label_width, float *label) {
    const struct enlargement rows = {label_height, height, crop->top, crop->height};
    const struct enlargement columns = {label_width, width, crop->left, crop->width};
    enlarge(&rows, (size_t)label_width, (size_t)label_width, label);
    for (int row = 0; row < label_height; row++)
        enlarge(&columns, 1, 1, label + (size_t)row * (size_t)label_width);
}
