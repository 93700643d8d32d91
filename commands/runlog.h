/* The log of a run, as it grows: a JSON object for each step and each epoch, a line each, by which
 * other programs follow it.
 *
 *   {"event":"step","step":3,"epoch":1,"train_loss":0.25,"learning_rate":0.001}
 *   {"event":"epoch","step":25,"epoch":1,"train_loss":0.31,"validation_loss":0.28,
 *    "validation_rmse_m":0.61,"learning_rate":0.001}                             (one line too)
 *
 * Steps and epochs count from 1, steps through all epochs; null stands for what is not a number.
 * Every line is written when its step is over. The log of a run that was interrupted continues
 * after the last step of its checkpoint: later lines are removed, since these steps are made again.
 */
#ifndef MD_COMMANDS_RUNLOG_H
#define MD_COMMANDS_RUNLOG_H

#include <stdio.h>

#include "../experiments/train.h"

/* Writes a line; ferror(to) tells whether that failed. */
void md_log_step(FILE *to, const struct md_step_row *step, int epoch);
void md_log_epoch(FILE *to, const struct md_epoch *epoch, int number, int64_t step);

/* The recorded steps and epochs of a run in their order; of more than MD_STEP_ROWS steps a line for
 * several. */
void md_log_all(FILE *to, const struct md_epoch *history, size_t epochs,
                const struct md_step_row *steps, size_t step_rows, int64_t steps_an_epoch);

/* Opens the log of a run. With `resumes`, a file that exists keeps its lines up to run->position,
 * and is refused when it is no log; otherwise the file begins anew, with all that the run has
 * recorded. */
int md_log_open(const char *path, int resumes, const struct md_run *run, FILE **log,
                struct md_error *error);

#endif
