/* What the microcontroller targets share: which operators there are, and doing one job. The rest
 * (start, input and output, cores) is the target's own: rv32.c, ../gap9. */
#ifndef MD_CORE_TARGET_DEVICE_H
#define MD_CORE_TARGET_DEVICE_H

#include "../../job.h"

/* Reads a job, does it in the arena, and writes its trace. team(cores) gives a team of that many
 * cores, NULL when there are not so many; it is not asked for a single one. */
enum md_job_error md_device_work(const struct md_io *io, struct md_team *(*team)(int cores),
                                 void *arena, size_t arena_bytes);

#endif
