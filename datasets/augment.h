/* The four published augmentations, each with probability 1/2, in this order: horizontal flip of
 * picture and label; gamma in [0.8, 1.2]; one gain in [0.8, 1.2] per channel; brightness in
 * [0.5, 2.0]. The photometric ones act on bytes: x' = min(255, floor(f(x))). (The release lets a
 * gain above 255 wrap around; we saturate.)
 *
 * And before these, when asked for: a crop of random place and random size (the R2 crop of
 * LiteDepth, Li et al., 2022), also with probability 1/2, enlarged to the size of the whole. As
 * there, the label keeps its values: the depth of what is seen does not change, though it looks
 * nearer, and so neither does its disparity at an unchanged fb. */
#ifndef MD_DATASETS_AUGMENT_H
#define MD_DATASETS_AUGMENT_H

#include <stdint.h>

/* Bits of a set of augmentations. */
enum {
    MD_FLIP = 1,
    MD_GAMMA = 2,
    MD_GAIN = 4,
    MD_BRIGHTNESS = 8,
    MD_AUGMENT_PUBLISHED = 15,
    MD_CROP = 16
};
extern const char *const md_augment_names[]; /* "flip", "gamma", ..., "crop", NULL */

/* Whether md_augment mirrors that sample in that epoch. */
int md_augment_flips(unsigned augmentations, uint64_t seed, uint32_t epoch, uint32_t sample);

/* Changes `picture` (3, height, width) and `label` (label_height, label_width) in place by all but
 * the crop. What is drawn depends on (seed, epoch, sample) alone, and for one augmentation not on
 * whether another is on. */
void md_augment(unsigned augmentations, uint64_t seed, uint32_t epoch, uint32_t sample, int height,
                int width, uint8_t *picture, int label_height, int label_width, float *label);

/* A part of a picture, in pixels. */
struct md_crop {
    int top, left, height, width;
};

/* The crop of a picture of height x width: by one factor in [1/2, 1) of both sides, rounded to
 * pixels, anywhere inside; all of it when `augmentations` lacks MD_CROP, or chance decides so. What
 * is drawn depends on (seed, epoch, sample) alone. */
struct md_crop md_augment_crop(unsigned augmentations, uint64_t seed, uint32_t epoch,
                               uint32_t sample, int height, int width);

/* Enlarges a crop of `from` (3, height, width) to `picture`, of the same shape: bilinear between
 * the centres of the crop's pixels, beyond which they go on, rounded to nearest. */
void md_crop_picture(const struct md_crop *crop, int height, int width, const uint8_t *from,
                     uint8_t *picture);

/* Enlarges the same crop of a picture of height x width in that picture's label (label_height,
 * label_width), in place: each pixel takes the one that its centre falls on, so that nothing mixes
 * with what has no value. */
void md_crop_label(const struct md_crop *crop, int height, int width, int label_height,
                   int label_width, float *label);

#endif
