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
 * augmentation. (The data set has been prepared by md_prepare_training.) Where the sample has two
 * views, the flipped one is the right camera's. `right` (NULL: not wanted) gets the picture of the
 * camera to the right, augmented alike: of a mirrored right view that is the mirrored left one. */
void md_prepare_sample(const struct md_config *config, const struct md_network *network,
                       const struct md_dataset *dataset, uint32_t index, int epoch,
                       uint8_t *picture, uint8_t *right, float *label);

/* Fails when the config's loss needs pictures of two cameras and a split (`name`, for errors) has
 * not got them for all samples. */
int md_check_pairs(const struct md_config *config, const struct md_dataset *dataset,
                   const char *name, struct md_error *error);

/* Prepares the training split for md_prepare_sample: checks it as md_check_pairs does, and measures
 * its pictures where `augment_strengths: measured` asks for it. */
int md_prepare_training(const struct md_config *config, struct md_dataset *train,
                        struct md_error *error);

/* The learning rate of a step, 0 the first, of a run whose epochs have so many:
 *
 *     lr * (lr_floor + (1 - lr_floor) * left) * min(1, (step + 1) / warmup)
 *
 * where left is 1 (constant), (1 + cos(pi x)) / 2 (cosine) or (1 - x)^lr_power (polynomial), and x
 * the share of the run's steps, or of its epochs, that are over. */
double md_learning_rate(const struct md_config *config, int steps_an_epoch, int64_t step);

#endif
