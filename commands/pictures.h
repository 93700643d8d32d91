/* Which samples of a data set are worth looking at, and a run's pictures. */
#ifndef MD_COMMANDS_PICTURES_H
#define MD_COMMANDS_PICTURES_H

#include "../experiments/train.h"
#include "../results/groups.h"

/* Puts the numbers of samples into `chosen`: from each of `most` equal parts of the set the one
 * with the most relief. Returns how many: `most`, or all of a smaller set. */
size_t md_choose_samples(const struct md_dataset *dataset, size_t most, size_t *chosen);

/* Some test samples with the network's predictions before (by the weights `initial`) and after
 * (by run's best ones), as a PNG. The engine's weights are others afterwards. */
int md_draw_samples(struct md_run *run, const float *initial, const char *path,
                    struct md_error *error);

/* The losses of a run with epochs behind it, of steps and epochs, as a PNG. */
int md_draw_losses(const struct md_run *run, const char *path, struct md_error *error);

/* RMSE of the runs of each group, beside the dummy predictor's. */
int md_draw_groups(const struct md_groups *groups, size_t run_count, const char *path,
                   struct md_error *error);

#endif
