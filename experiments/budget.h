/* The memory of a training step, whether it fits into a device, and which plan makes it fit. Sizes
 * are bytes, or kB of 1,000 bytes. */
#ifndef MD_EXPERIMENTS_BUDGET_H
#define MD_EXPERIMENTS_BUDGET_H

#include "config.h"
#include "plan_text.h"

/* The setup of a config's training with the operators of `level` ("": the config's own) on `cores`,
 * with the plan of md_device_plan; fails when there is no such level here. */
int md_config_setup(const struct md_config *config, const char *level, int cores,
                    struct md_setup *setup, struct md_error *error);

/* MD_USAGE when the config's teacher has no effect on what `policy` learns; MD_OK otherwise, also
 * without a teacher and for a policy of 0 (not known yet). md_config_setup checks it too. */
int md_check_teacher(const struct md_config *config, md_policy policy, struct md_error *error);

/* The config's plan on a device, with the device's operators and its eight cores, whatever the host
 * and the number of threads. plan: auto is the fastest plan that fits into budget_kb (0: the
 * fastest of all); a plan that streams without a given band gets the broadest that fits. Returns 1;
 * or 0 when none fits, with the smallest plan. */
int md_device_plan(const struct md_config *config, struct md_setup *setup, struct md_plan *plan);

/* Bytes of that plan's arena. */
size_t md_device_bytes(const struct md_config *config);

/* Fails when the device's arena does not fit into config->budget_kb (0: no limit); the error names
 * the smallest plan and its peak, and *needs (may be NULL) gets its bytes; otherwise *needs is 0.
 * Replaces policy "auto" by the policy that fits and did best in the published logs. */
int md_budget_fit(struct md_config *config, size_t *needs, struct md_error *error);

/* Bytes of the same step by other conventions (whole maps; batch and format of the setup).
 * paper: data and gradient of every activation that is kept, concats copied, LeakyReLU in place,
 * weights, gradients and optimizer state of what learns: a reconstruction, as the published formula
 * is not known. device library: data and gradient of every tensor, without lifetimes. */
size_t md_paper_bytes(const struct md_setup *setup, const struct md_plan *plan);
size_t md_library_bytes(const struct md_setup *setup, const struct md_plan *plan);

#endif
