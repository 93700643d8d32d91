/* What was measured in a finished run, by name:
 *
 *   [before.|after.|dummy.]METRIC[@CAP]
 *       on the test split: rmse_m, abs_rel, delta1 and so on (metrics.h), images, without_truth.
 *       Without a predictor it is that after fine-tuning; CAP is a depth cap in metres, without it
 *       the run's first.
 *   arena_bytes, seconds, skipped_steps, ...
 *       of the run.
 *
 * `mudepth help quantities` lists them. */
#ifndef MD_RESULTS_QUANTITY_H
#define MD_RESULTS_QUANTITY_H

#include "cell.h"

enum { MD_QUANTITY_NAME_SIZE = 64 };

struct md_quantity {
    char name[MD_QUANTITY_NAME_SIZE]; /* as it was given */
    int row;                          /* of the table of quantities */
    enum md_predictor predictor;      /* of a metric */
    double cap_m;                     /* of a metric; 0: the run's first cap */
    int decimals;                     /* that tables show */
};

/* Reads the name of a quantity; one that there is not is MD_USAGE. */
int md_quantity_parse(const char *name, struct md_quantity *quantity, struct md_error *error);

/* What was measured up to a cap (0: the first); NULL when nothing was. */
const struct md_cell_scores *md_find_scores(const struct md_cell *cell, double cap_m);

/* The quantity in a run; NaN where it has none: it was not measured at that cap, or it is one after
 * fine-tuning and the run diverged. */
double md_quantity_of(const struct md_quantity *quantity, const struct md_cell *cell);

/* The name of a row of the table and what it means; -1 when there are not so many. */
int md_quantity_describe(int row, const char **name, const char **help);

#endif
