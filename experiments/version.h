/* What this program is and where it runs: part of every result. */
#ifndef MD_EXPERIMENTS_VERSION_H
#define MD_EXPERIMENTS_VERSION_H

#include <stddef.h>

/* Changes whenever the bits of a run's results may. */
#define MD_NUMERICS_VERSION 1

/* "git-1a2b3c4d" with "-dirty" behind it when the sources were changed, or "release-0.1". */
const char *md_code_version(void);

/* "gcc 12.2.0" and the flags it was called with. */
const char *md_compiler(void);

/* Name of this machine, and the time as 2026-11-20T06:00:00Z. */
void md_host_name(char *text, size_t size);
void md_time_now(char text[32]);

#endif
