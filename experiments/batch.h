/* What a training step is fed: which samples in which order, how each is prepared, and the learning
 * rate. Everything is a function of config, epoch and sample, never of what happened before. */
#ifndef MD_EXPERIMENTS_BATCH_H
#define MD_EXPERIMENTS_BATCH_H

#include "config.h"

/* The third name of a random stream: what it is drawn for. (Augmentation has its own.) */
enum md_draw { MD_DRAW_ORDER = 1, MD_DRAW_WEIGHTS = 2 };

/* A random order of 0 .. count-1 for an epoch (Fisher and Yates). */
void md_epoch_order(uint64_t seed, int epoch, uint32_t count, uint32_t *order);

/* Copies sample `index` to picture (3, height, width of the network) and makes its label
 * (disparity in the last layer's size), both augmented for the epoch; epoch < 0: without
 * augmentation (with `augment_strengths: measured` the data set is to have been measured). What is
 * flipped is the other camera's view where there is one. `right` (NULL: not
 * wanted): the picture of the camera to the right of it, augmented alike, for which the sample must
 * have one: of a mirrored right picture that is the mirrored left one. */
void md_prepare_sample(const struct md_config *config, const struct md_network *network,
                       const struct md_dataset *dataset, uint32_t index, int epoch,
                       uint8_t *picture, uint8_t *right, float *label);

/* Whether a split (named in errors) has the pictures of two cameras that the config's loss needs,
 * or it needs none. */
int md_check_pairs(const struct md_config *config, const struct md_dataset *dataset,
                   const char *name, struct md_error *error);

/* The learning rate of a step, 0 the first, of a run whose epochs have so many:
 *
 *     lr * (lr_floor + (1 - lr_floor) * left) * min(1, (step + 1) / warmup)
 *
 * where left is 1 (constant), (1 + cos(pi x)) / 2 (cosine) or (1 - x)^lr_power (polynomial), and x
 * the share of the run's steps, or of its epochs, that are over. */
double md_learning_rate(const struct md_config *config, int steps_an_epoch, int64_t step);

#endif
