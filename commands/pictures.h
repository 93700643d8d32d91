/* Which samples of a data set are worth looking at. */
#ifndef MD_COMMANDS_PICTURES_H
#define MD_COMMANDS_PICTURES_H

#include "../datasets/sample.h"

/* Puts the numbers of samples into `chosen`: from each of `most` equal parts of the set the one
 * with the most relief. Returns how many: `most`, or all of a smaller set. */
size_t md_choose_samples(const struct md_dataset *dataset, size_t most, size_t *chosen);

#endif
