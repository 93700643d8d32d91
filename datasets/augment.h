/* The four published augmentations, each with probability 1/2, in this order: horizontal flip of
 * picture and label; gamma in [0.8, 1.2]; one gain in [0.8, 1.2] per channel; brightness in
 * [0.5, 2.0]. The photometric ones act on bytes: x' = min(255, floor(f(x))). (The release lets a
 * gain above 255 wrap around; we saturate.) */
#ifndef MD_DATASETS_AUGMENT_H
#define MD_DATASETS_AUGMENT_H

#include <stdint.h>

/* Bits of a set of augmentations. */
enum { MD_FLIP = 1, MD_GAMMA = 2, MD_GAIN = 4, MD_BRIGHTNESS = 8, MD_AUGMENT_ALL = 15 };
extern const char *const md_augment_names[]; /* "flip", "gamma", "gain", "brightness", NULL */

/* Whether md_augment mirrors that sample in that epoch. */
int md_augment_flips(unsigned augmentations, uint64_t seed, uint32_t epoch, uint32_t sample);

/* Changes `picture` (3, height, width) and `label` (height, width) in place. What is drawn depends
 * on (seed, epoch, sample) alone, and for one augmentation not on whether another is on. */
void md_augment(unsigned augmentations, uint64_t seed, uint32_t epoch, uint32_t sample, int height,
                int width, uint8_t *picture, float *label);

#endif
