/* What a training costs, before it is run. */
#ifndef MD_COMMANDS_COST_H
#define MD_COMMANDS_COST_H

#include "../experiments/config.h"

/* Samples that the training split has; they are listed, not read, so that those with fewer zones
 * than data.min_zones are among them. */
int md_cost_samples(const struct md_config *config, size_t *samples, struct md_error *error);

/* Multiply-accumulates of a training: of all steps of all epochs, without measuring. */
double md_cost_macs(const struct md_config *config, size_t samples);

/* Multiply-accumulates per second of such a training here: a few steps on pictures of the synthetic
 * field are timed. */
int md_cost_rate(const struct md_config *config, double *rate, struct md_error *error);

#endif
