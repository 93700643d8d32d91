/* What a step's memory is, and whether a device has it. */
#ifndef MD_EXPERIMENTS_BUDGET_H
#define MD_EXPERIMENTS_BUDGET_H

#include "../core/plan.h"
#include "config.h"

/* The setup of a config's training with the operators of `level` ("": the config's own) on `cores`;
 * fails when there is no such level here. */
int md_config_setup(const struct md_config *config, const char *level, int cores,
                    struct md_setup *setup, struct md_error *error);

/* Bytes of the arena on a device: the plan for the reference operators, which work without scratch.
 * It is the same on every host and for any number of threads. */
size_t md_device_bytes(const struct md_config *config);

/* Looks whether the device's arena stays within config->budget_kb (of 1000 bytes; 0: no limit), and
 * fails with what is needed when it does not. Puts the policy that fits and did best in the
 * published logs in the place of policy "auto". */
int md_budget_fit(struct md_config *config, struct md_error *error);

#endif
