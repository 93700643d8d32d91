/* What a step's memory is, whether a device has it, and which plan makes it fit. Sizes are bytes,
 * or kB of 1,000 bytes. */
#ifndef MD_EXPERIMENTS_BUDGET_H
#define MD_EXPERIMENTS_BUDGET_H

#include "config.h"
#include "plan_text.h"

/* The setup of a config's training with the operators of `level` ("": the config's own) on `cores`,
 * with the plan of md_device_plan; fails when there is no such level here. */
int md_config_setup(const struct md_config *config, const char *level, int cores,
                    struct md_setup *setup, struct md_error *error);

/* Whether the config's teacher, if it has one, changes what this policy learns (0, one that is yet
 * to be found: it may): MD_OK, or MD_USAGE. md_config_setup asks. */
int md_check_teacher(const struct md_config *config, md_policy policy, struct md_error *error);

/* The config's plan on a device: the operators a device has, on its eight cores. What it needs is
 * the same on every host and for any number of threads. plan: auto is the fastest one that stays
 * within budget_kb, or the fastest of all; a plan that streams and does not say its band has the
 * broadest one that fits. Where none fits it is the smallest there is, and the result 0, else 1. */
int md_device_plan(const struct md_config *config, struct md_setup *setup, struct md_plan *plan);

/* Bytes of its arena. */
size_t md_device_bytes(const struct md_config *config);

/* Looks whether the device's arena stays within config->budget_kb (0: no limit). When it does not,
 * fails with the smallest plan and what binds it, and *needs (may be NULL) is its bytes, otherwise
 * 0. Puts the policy that fits and did best in the published logs in the place of policy "auto". */
int md_budget_fit(struct md_config *config, size_t *needs, struct md_error *error);

/* The same step as others count it (whole maps, batch and format of the setup).
 * paper: data and gradient of every activation that is kept, concats copied, LeakyReLU in place,
 * weights, gradients and optimizer state of what learns: a reconstruction, as the published formula
 * is not known. device library: data and gradient of every tensor, without lifetimes. */
size_t md_paper_bytes(const struct md_setup *setup, const struct md_plan *plan);
size_t md_library_bytes(const struct md_setup *setup, const struct md_plan *plan);

#endif
