/* What this program is and where it runs: part of every result. */
#ifndef MD_EXPERIMENTS_VERSION_H
#define MD_EXPERIMENTS_VERSION_H

#include <stddef.h>

/* Changes whenever the bits of a run's results may. */
#define MD_NUMERICS_VERSION 3

/* What git calls the commit this program was built from, with "-dirty" behind it when the sources
 * were not exactly that commit's; and the commit in full. "unknown": built without git. */
const char *md_code_version(void);
const char *md_git_commit(void);

/* 1 when the sources were not exactly that commit's, or there is no commit to compare them with. */
int md_git_dirty(void);

/* "gcc 12.2.0", the flags it was called with, and for what machine: "x86_64-linux-gnu". */
const char *md_compiler(void);
const char *md_compiler_flags(void);
const char *md_compiler_target(void);

/* The libraries in this program have numbers, from 0. Puts what the one of this number is called,
 * and its version, there; -1 when there are not so many. */
enum { MD_VERSION_SIZE = 100 };
int md_library(int number, const char **name, char version[MD_VERSION_SIZE]);

/* Name of this machine, of its processor ("unknown" where the system does not tell) and of the
 * kernel that runs, cut when they are too long; and the time as 2026-11-20T06:00:00Z. */
void md_host_name(char *text, size_t size);
void md_cpu_model(char *text, size_t size);
void md_kernel(char *text, size_t size);
void md_time_now(char text[32]);

#endif
