/* What was published, in a CSV file of our own form (paper/published/README.md), as runs that can
 * be filtered, grouped and measured like our own. */
#ifndef MD_RESULTS_PUBLISHED_H
#define MD_RESULTS_PUBLISHED_H

#include "groups.h"

#define MD_PUBLISHED_FILE "paper/published/release.csv"

/* Adds the file's runs. The first line names the columns: keys of a config, `run` (becomes the
 * seed), `cap_m`, and metrics as in a cell (rmse_m, delta1, ...). Lines that differ in nothing but
 * cap_m and metrics are one run; the first one's cap is its primary one. An empty value: the key's
 * default, no cap, no metric. What was not published (before, dummy, digests, times) is NaN, empty
 * or 0. A wrong column, value or number of values is MD_FAILED and names the line. */
int md_published_read(const char *path, struct md_runs *runs, struct md_error *error);

#endif
