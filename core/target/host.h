/* The host as a target: threads as cores, and memory for the arena. */
#ifndef MD_CORE_TARGET_HOST_H
#define MD_CORE_TARGET_HOST_H

#include "../step.h"

#define MD_HOST_MAX_CORES 64

/* Starts a team of `cores` threads (the caller's is one of them), 1 .. MD_HOST_MAX_CORES. Returns
 * NULL for one core, which needs no team, and sets *failed to 1 when threads or memory are out. */
struct md_team *md_host_team_start(int cores, int *failed);

/* Ends and frees it; NULL is fine. */
void md_host_team_stop(struct md_team *team);

/* Memory aligned to 64 bytes, to be freed with free(); NULL when it is out. */
void *md_host_arena(size_t bytes);

/* The level that the environment variable MUDEPTH_CPU forces (see md_ops.level), or "". Where
 * md_ops_find is not asked for a level it takes this one, and finds nothing if it cannot run; the
 * best one for formats that it does not exist for. */
const char *md_host_level(void);

/* The names of md_ops_levels for an error's text, such as "ref, scalar, avx2". */
enum { MD_HOST_LEVELS_TEXT = 8 * (MD_LEVEL_BYTES + 2) };
const char *md_host_levels(enum md_format format, char text[MD_HOST_LEVELS_TEXT]);

/* The convolutions by im2col and OpenBLAS: fast, but not bit-exact: OpenBLAS chooses its own order
 * of summation per processor. */
extern const struct md_ops md_blas_fp32;

/* Makes OpenBLAS ready, and says 1. */
int md_blas_start(void);

#endif
