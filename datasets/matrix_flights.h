/* Which Matrix ToF flights a split means: see matrix_flights.c. */
#ifndef MD_DATASETS_MATRIX_FLIGHTS_H
#define MD_DATASETS_MATRIX_FLIGHTS_H

#include "../base/namelist.h"

/* Finds the flights that `split` means below `root`; at least one, or a failure. Their paths
 * are relative to the root; "." is the root itself. */
int md_flights_find(const char *root, const char *split, struct md_names *flights,
                    struct md_error *error);

#endif
