#include "usage.h"

#include <sys/resource.h>
#include <time.h>

double md_seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double seconds_of(struct timeval time) {
    return (double)time.tv_sec + 1e-6 * (double)time.tv_usec;
}

struct md_usage md_usage_now(void) {
    struct rusage used = {.ru_maxrss = 0};
    getrusage(RUSAGE_SELF, &used);
    return (struct md_usage){md_seconds_now(),
                             seconds_of(used.ru_utime) + seconds_of(used.ru_stime),
                             1024LL * used.ru_maxrss}; /* Linux counts it in KiB */
}

struct md_usage md_usage_since(const struct md_usage *began, const struct md_usage *earlier) {
    struct md_usage sum = md_usage_now();
    sum.wall_seconds += earlier->wall_seconds - began->wall_seconds;
    sum.cpu_seconds += earlier->cpu_seconds - began->cpu_seconds;
    if (sum.peak_memory_bytes < earlier->peak_memory_bytes)
        sum.peak_memory_bytes = earlier->peak_memory_bytes;
    return sum;
}
