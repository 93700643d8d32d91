/* For the benchmarks: a clock, and the spread of some rounds. */
#ifndef MD_TESTS_ROUNDS_H
#define MD_TESTS_ROUNDS_H

#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

enum { MOST_ROUNDS = 99 };

struct spread {
    double low, median, high;
};

/* Of `count` values, an odd number, or as many of the first as are. */
static inline struct spread spread_of(const double *values, int count) {
    double sorted[MOST_ROUNDS];
    memcpy(sorted, values, (size_t)count * sizeof *values);
    qsort(sorted, (size_t)count, sizeof *sorted, ascending);
    return (struct spread){sorted[0], sorted[count / 2], sorted[count - 1]};
}

#endif
