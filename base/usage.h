/* Time, and the resources that work takes. Results record them; nothing depends on them. */
#ifndef MD_BASE_USAGE_H
#define MD_BASE_USAGE_H

/* Seconds of a monotonic clock. */
double md_seconds_now(void);

struct md_usage {
    double wall_seconds;
    double cpu_seconds;          /* user and system time of all threads of this process */
    long long peak_memory_bytes; /* the largest resident set this process has had */
};

/* Of this process so far. */
struct md_usage md_usage_now(void);

/* What it took since `began`, added to `earlier`; the peak is the larger one. */
struct md_usage md_usage_since(const struct md_usage *began, const struct md_usage *earlier);

#endif
