/* Augmentation. The four published ones, each with probability 1/2, in this order: horizontal flip
 * of picture and label; gamma in [0.8, 1.2]; one gain in [0.8, 1.2] per channel; brightness in
 * [0.5, 2.0]. The photometric ones act on bytes: x' = min(255, floor(f(x))). (The release lets a
 * gain above 255 wrap around; we saturate.)
 *
 * Others are off unless a config names them. Before these four: a crop of random position and size,
 * enlarged to the picture's size; a small shift and zoom, outside of which the edge pixels are
 * repeated and the label has no value. After them: noise of the camera, the same for all channels
 * of a grey picture; a square of the picture (not of the label) that becomes its mean colour; and
 * the R2 crop of LiteDepth (Li et al., 2022), with probability 1: a part of random position and of
 * one of three sizes (in 48x48: 24x28, 36x40 and all), which keeps its scale, in the top left; the
 * rest is black, without label. Enlarging does not change the label's values: the depth of a thing
 * stays the same, and so does its disparity at an unchanged fb. */
#ifndef MD_DATASETS_AUGMENT_H
#define MD_DATASETS_AUGMENT_H

#include <stdint.h>

struct md_dataset;

/* Bits of a set of augmentations. */
enum {
    MD_FLIP = 1,
    MD_GAMMA = 2,
    MD_GAIN = 4,
    MD_BRIGHTNESS = 8,
    MD_AUGMENT_PUBLISHED = 15,
    MD_CROP = 16,
    MD_SHIFT = 32,
    MD_NOISE = 64,
    MD_CUTOUT = 128,
    MD_R2CROP = 256
};
extern const char *const md_augment_names[]; /* "flip", "gamma", ..., "crop", ..., NULL */

/* Which, and how strong they are. */
struct md_augmentation {
    unsigned set;       /* of bits */
    double probability; /* of each but MD_R2CROP */
    double gamma, gain; /* drawn from 1 +- this */
    double brightness;  /* drawn from 1 / brightness to brightness */
    double crop;        /* smallest crop, as a share of the sides */
    int shift;          /* most pixels, both ways and along both axes */
    double zoom;        /* the sides of what is shown are 1 +- this times the picture's */
    double noise;       /* largest standard deviation, in bytes */
    double cutout;      /* the square's side, a share of the picture's */
};
#define MD_PUBLISHED_STRENGTHS                                                                     \
    .probability = 0.5, .gamma = 0.2, .gain = 0.2, .brightness = 2, .crop = 0.5, .shift = 3,       \
    .zoom = 0.1, .noise = 8, .cutout = 0.3

/* Where the strengths of gain and noise come from: the numbers that are given, or the pictures that
 * are learned from (struct md_dataset: gain, noise). */
enum md_strengths { MD_STRENGTHS_GIVEN, MD_STRENGTHS_MEASURED };
extern const char *const md_strengths_names[]; /* "given", "measured", NULL */

/* Sets dataset->gain and dataset->noise from its pictures.
 *
 * gain: from v, the variance over the pictures of a channel's mean divided by the mean of all
 * three, the largest of the channels'. Gains drawn uniformly from 1 +- g have variance g^2 / 3, of
 * which dividing by the mean of three leaves two thirds: v = g^2 * 2 / 9, so g = sqrt(4.5 v). At
 * most 1; 0 for a grey camera. Black pictures do not count.
 *
 * noise: of white noise of standard deviation s, the sum with the weights 1 -2 1, -2 4 -2, 1 -2 1
 * around a pixel (Immerkaer, 1996), in which what changes evenly along either axis cancels, has 6
 * s; and the median of its size, which edges do not move, is 0.6745 of that. In units of a byte. */
void md_augment_measure(struct md_dataset *dataset);

/* Whether md_augment mirrors that sample in that epoch. */
int md_augment_flips(const struct md_augmentation *augmentation, uint64_t seed, uint32_t epoch,
                     uint32_t sample);

/* Changes `picture` (3, height, width) and `label` (label_height, label_width) in place by all but
 * crop and shift; and `right` (NULL: there is none), the picture of a second camera, like the
 * first: cutout and r2crop leave it, and noise is its own. What is drawn depends on (seed, epoch,
 * sample) alone, and for one augmentation not on whether another is on. */
void md_augment(const struct md_augmentation *augmentation, uint64_t seed, uint32_t epoch,
                uint32_t sample, int height, int width, uint8_t *picture, uint8_t *right,
                int label_height, int label_width, float *label);

/* A part of a picture, in pixels; some of it may lie outside. */
struct md_crop {
    int top, left, height, width;
};

/* The part of a picture of height x width that a sample shows. With MD_CROP (and its probability)
 * one factor in [augmentation->crop, 1) of both sides, rounded to pixels, at a random position
 * inside; otherwise all of it. With MD_SHIFT that part is then scaled about its middle by one
 * factor, and moved. What is drawn depends on (seed, epoch, sample) alone. */
struct md_crop md_augment_crop(const struct md_augmentation *augmentation, uint64_t seed,
                               uint32_t epoch, uint32_t sample, int height, int width);

/* Enlarges (or reduces) a crop of `from` (3, height, width) to `picture`, of the same shape:
 * bilinear between the centres of the crop's pixels, beyond which they go on, as the picture does
 * beyond its edges, rounded to nearest. */
void md_crop_picture(const struct md_crop *crop, int height, int width, const uint8_t *from,
                     uint8_t *picture);

/* Enlarges the same crop of a picture of height x width in that picture's label (label_height,
 * label_width), in place, by the nearest neighbour, so that values do not mix with MD_INVALID;
 * outside it is MD_INVALID. */
void md_crop_label(const struct md_crop *crop, int height, int width, int label_height,
                   int label_width, float *label);

#endif
