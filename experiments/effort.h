/* What work takes: a part of every result, and of nothing that decides one. */
#ifndef MD_EXPERIMENTS_EFFORT_H
#define MD_EXPERIMENTS_EFFORT_H

struct md_effort {
    double wall_seconds;
    double cpu_seconds;          /* user and system time of all threads of this process */
    long long peak_memory_bytes; /* the largest resident set this process has had */
};

/* Of this process so far. Its wall clock begins anywhere, and only goes forward. */
struct md_effort md_effort_now(void);

/* What it took since `began`, added to `earlier`; the peak is the larger one. */
struct md_effort md_effort_since(const struct md_effort *began, const struct md_effort *earlier);

#endif
