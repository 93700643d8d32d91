/* Which Matrix ToF flights a split means: see matrix_flights.c. */
#ifndef MD_DATASETS_MATRIX_FLIGHTS_H
#define MD_DATASETS_MATRIX_FLIGHTS_H

#include <stddef.h>

#include "error.h"

/* Paths relative to the root; "." is the root itself. */
struct md_flights {
    size_t count, capacity;
    char **paths; /* owned, and so is each */
};

/* Finds the flights that `split` means below `root`; at least one, or a failure. */
int md_flights_find(const char *root, const char *split, struct md_flights *flights,
                    struct md_error *error);

void md_flights_free(struct md_flights *flights);

#endif
