/* Two traces of one job, compared tensor by tensor. */
#ifndef MD_COMPARE_COMPARISON_H
#define MD_COMPARE_COMPARISON_H

#include "../experiments/evaluate.h"
#include "trace.h"

/* The kinds of tensors whose differences are measured: those of a step, but not its loss. */
enum { MD_COMPARED_KINDS = MD_TRACE_FINAL_WEIGHTS, MD_ULP_CLASSES = 13 };

/* How far two arrays a and b are apart. */
struct md_gap {
    double square_difference, square;   /* sums of (a - b)^2 and of b^2 */
    double largest_difference, largest; /* of |a - b| and of |b| */
    size_t values;                      /* that there was something to learn from */
};

/* Adds a pair of values. Of the same infinity, or of two NaN, nothing is learnt: they are left out.
 * Where only one of a pair is NaN, the errors are NaN. */
void md_gap_add(struct md_gap *gap, double a, double b);

/* Relative errors: the root mean square of a - b over that of b, and the largest |a - b| over the
 * largest |b|. */
double md_gap_rms(const struct md_gap *gap);
double md_gap_largest(const struct md_gap *gap);

/* Weights of a layer, counted once per step but the first, and how many of those the step left as
 * they were: their gradient was zero, or the update was lost in the rounding. */
struct md_unchanged_weights {
    size_t unchanged, weights;
};

struct md_comparison {
    size_t tensors, values, differing_tensors, differing_values;
    int same_format;
    int by_value;                                /* both traces have values */
    int has_values[2];                           /* of a and b, or only digests */
    size_t not_finite[2];                        /* values of a and b that are NaN or infinite */
    uint64_t final_digest[2];                    /* of all weights of a and b after the last step */
    char first[600];                             /* the first difference; empty: none */
    struct md_gap (*by_step)[MD_COMPARED_KINDS]; /* one per step; owned */
    struct md_gap by_layer[MD_MAX_LAYERS + 1][MD_COMPARED_KINDS]; /* of the last step */

    struct md_unchanged_weights unchanged[MD_MAX_LAYERS + 1][2]; /* of a and b */
    double *weights_before[MD_MAX_LAYERS + 1][2];                /* of the step before; owned */

    /* Values by their distance in units in the last place of the coarser format: 0, up to 1/2, up
     * to 1, 2, 4, ..., and what is beyond or not finite. */
    size_t ulps[MD_ULP_CLASSES];
};

/* Reads two opened traces, whose jobs differ in format, level, cores and plan at most, to their
 * ends. On an error *broken is the trace that is the cause.
 * Afterwards md_comparison_close must follow. */
int md_comparison_read(struct md_trace trace[2], const struct md_watch *watch,
                       struct md_comparison *comparison, int *broken, struct md_error *error);
void md_comparison_close(struct md_comparison *comparison);

#endif
