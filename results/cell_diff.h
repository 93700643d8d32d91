/* Two cells, compared: what they were made of, and what came of it. */
#ifndef MD_RESULTS_CELL_DIFF_H
#define MD_RESULTS_CELL_DIFF_H

#include "quantity.h"

enum { MD_MOST_PARAMETERS = 2 * MD_MAX_LAYERS };

/* A column of the epochs that both cells have. */
struct md_curve_gap {
    size_t first; /* the first epoch that differs, from 1; 0: none */
    double largest;
    size_t largest_at; /* largest |b - a|, and its epoch; 0: no difference that is a number */
};

/* A parameter tensor. */
struct md_tensor_gap {
    struct md_parameter parameter;
    size_t differing;    /* values of other bits */
    double largest, rms; /* of b - a */
};

struct md_cell_diff {
    const char *path[2]; /* not owned */
    struct md_cell cell[2];
    struct md_cell_history history[2];

    int same_run; /* the same identity: same config (where it decides), data, weights, numerics */
    int same_results; /* to the bit, of what both cells have (metrics, caps, epochs) */
    char first[400];  /* where the results differ first, in the order in which they arise */

    struct md_curve_gap curves[MD_EPOCH_COLUMNS];
    int tensor_count; /* 0: weights of different networks */
    struct md_tensor_gap tensors[MD_MOST_PARAMETERS];
};

/* Reads and compares; to be closed, after a failure too. */
int md_cell_diff_open(const char *a, const char *b, struct md_cell_diff *diff,
                      struct md_error *error);
void md_cell_diff_close(struct md_cell_diff *diff);

/* Whether both cells have the metric. */
int md_diff_has_metric(const struct md_cell_diff *diff, int metric);

/* Equal bits, or both not a number. */
int md_same_real(double a, double b);

#endif
