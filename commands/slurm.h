/* Job arrays of Slurm, handed in by its own program sbatch. */
#ifndef MD_COMMANDS_SLURM_H
#define MD_COMMANDS_SLURM_H

#include <stddef.h>

#include "../datasets/error.h"

struct md_slurm_job {
    const char *script; /* the program that every task runs: #!/bin/sh and so on */
    const char *folder; /* absolute; where the tasks' slurm-JOB_TASK.log go */
    int tasks;          /* numbered from 0 in SLURM_ARRAY_TASK_ID */
    int processors;     /* per task */
    size_t option_count;
    char *const *options; /* more of sbatch's; they win over ours */
};

/* Submits an array of tasks that come back when they are preempted. `id` is its number, behind
 * which sbatch may put ";CLUSTER". Fails with sbatch's own words, also when there is none. */
enum { MD_SLURM_ID_SIZE = 100 };
int md_slurm_submit(const struct md_slurm_job *job, char id[MD_SLURM_ID_SIZE],
                    struct md_error *error);

#endif
