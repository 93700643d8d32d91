/* What a run is doing, in words. */
#ifndef MD_COMMANDS_PROGRESS_H
#define MD_COMMANDS_PROGRESS_H

#include "../experiments/train.h"
#include "status_lines.h"

/* When an activity began, and how much was done then. All zero before the first call. */
struct md_timing {
    char what[16];
    double began, first;
};

struct md_run_progress {
    char what[16];    /* "reading", "evaluating", "training" */
    double done, all; /* of what: samples, but epochs of a training; all 0: nothing has begun */
    double left_s;    /* negative: unknown */

    /* Of a training. Losses and RMSE are NaN where there is none. */
    int epoch, epochs, step, steps; /* completed epochs, and steps of the current one */
    double loss;                    /* of the current epoch so far, or of the last one */
    double learning_rate, samples_per_s;
    double validation_rmse_m, best_rmse_m; /* of the last epoch, and of the best one */
    int best_epoch;                        /* 0: none */
};

/* The progress of any activity; and of a run, by its position. */
struct md_run_progress md_progress_of(struct md_timing *timing, const char *what, double done,
                                      double all, double now);
struct md_run_progress md_run_progress(const struct md_run *run, struct md_timing *timing,
                                       const char *what, double done, double all, double now);

/* "epoch 3 of 10, step 12 of 25, loss 0.1234, ..."; `between` stands for the comma in two places,
 * so that "\n" makes three lines of it. */
enum { MD_PROGRESS_SIZE = 300 };
void md_progress_text(const struct md_run_progress *progress, const char *between,
                      char text[MD_PROGRESS_SIZE]);

/* "1:02:03": hours, minutes, seconds. */
enum { MD_DURATION_SIZE = 32 };
const char *md_duration(double seconds, char text[MD_DURATION_SIZE]);

/* Where a run by itself is seen, on standard error: on a terminal a few lines in place; otherwise a
 * line for each epoch, and every 30 seconds. Verbose: a line for each step, or on a terminal for
 * each epoch; quiet (verbosity -1): nothing. */
struct md_view {
    struct md_status_lines status_lines;
    int verbosity;
    double shown_at; /* when a line was last printed, or the lines drawn */
};
struct md_view md_view_open(int verbosity, double now);
void md_view_show(struct md_view *view, const struct md_run_progress *progress, double now);
void md_view_close(struct md_view *view);

#endif
