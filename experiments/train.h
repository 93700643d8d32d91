/* One run: fine-tuning (or training from scratch) of one network on one data set, with everything
 * measured before and after. The program around it reads weights, writes results and checkpoints,
 * and shows progress; a run itself touches no file but the data set's. */
#ifndef MD_EXPERIMENTS_TRAIN_H
#define MD_EXPERIMENTS_TRAIN_H

#include "../base/usage.h"
#include "config.h"
#include "evaluate.h"
#include "teacher.h"

/* What one epoch gave. Without a validation split those are NaN. */
struct md_epoch {
    double learning_rate;   /* of its first step */
    double train_loss;      /* mean over the valid pixels (rmse: pictures) of the epoch's batches */
    double validation_loss; /* the same over the validation split, without augmentation */
    double validation_rmse_m;
};

/* The losses of the single steps, a row for each; in a run of more than MD_STEP_ROWS steps a row
 * for equally many of them, so that there are no more rows. */
enum { MD_STEP_ROWS = 4096 };
struct md_step_losses {
    size_t steps_a_row, rows; /* rows of the whole run */
    double (*sums)[3]; /* owned; of a row's steps: losses times what they are means of, that, and
                        * the last learning rate */
};
struct md_step_row {
    int64_t step;         /* the last one of the row, from 1 on, through all epochs */
    double train_loss;    /* mean over the valid pixels (rmse: pictures) of the row's batches */
    double learning_rate; /* of that last step */
};

/* Where the training stands; all of it is in a checkpoint, and with the same config and data it
 * continues to the same bits. */
struct md_position {
    int epoch;         /* epochs completed */
    int step;          /* steps completed in the current one */
    double loss_sum;   /* of the current epoch, times what each is the mean of */
    double loss_valid; /* valid pixels (rmse: pictures) of the current epoch */
    int best_epoch;    /* epochs completed when the best validation loss was seen; 0: none yet */
    double best_loss;
    int diverged_epoch;          /* in which (from 1) a loss or a weight was first NaN or infinite;
                                  * 0: in none */
    char digest[33];             /* chained over the weights after every completed epoch */
    double seconds, cpu_seconds; /* spent in training so far */
};

enum { MD_DIVERGED_SIZE = 100 };

struct md_run {
    struct md_config config;
    const struct md_network *network;   /* that predicts; the engine's may go on for the loss */
    struct md_dataset train, val, test; /* val.count is 0 without one */
    struct md_engine engine;
    struct md_team *team;
    void *arena;

    struct md_teacher teacher; /* if the config has one */
    float *mean_m;             /* the dummy predictor: (height, width) of the network's output */
    double label_share;        /* of the training pictures' pixels, how many have a label */
    struct md_position position;
    struct md_epoch *history; /* config.epochs of them, position.epoch filled */
    struct md_step_losses step_losses;
    struct md_step_row last_step; /* alone, however many make a row */
    float *best_weights;          /* md_parameter_total floats */

    /* One for each of the config's caps: on the test split, and on the validation split. */
    struct md_metrics before[MD_MOST_CAPS], after[MD_MOST_CAPS], dummy[MD_MOST_CAPS];
    struct md_metrics val_before[MD_MOST_CAPS], val_after[MD_MOST_CAPS], val_dummy[MD_MOST_CAPS];

    char initial_digest[33]; /* of the weights it started from */
    char started[32];        /* as md_time_now says it; of a resumed run, when its first part did */
    struct md_usage began;   /* when this part of the run was opened */
    struct md_usage earlier; /* what the parts before it took, up to the checkpoint taken up */
};

/* Refuses what keys ask for together and cannot have, and operators that are not here. md_run_open
 * does so too. */
int md_run_check(const struct md_config *config, struct md_error *error);

/* Opens the data, prepares the engine and its memory, sets the weights. `weights` NULL: from
 * scratch (md_initial_weights); so are those of a teacher until they are set. `watch` (may be NULL)
 * sees the data being read. */
int md_run_open(const struct md_config *config, const float *weights, const struct md_watch *watch,
                struct md_run *run, struct md_error *error);
void md_run_close(struct md_run *run);

/* Batches of one epoch. */
int md_run_steps_an_epoch(const struct md_run *run);

/* Writes the rows of the steps so far, at most step_losses.rows; returns how many. */
size_t md_run_step_rows(const struct md_run *run, struct md_step_row *rows);

/* What the run has taken so far, from opening its data on, with its earlier parts. */
struct md_usage md_run_usage(const struct md_run *run);

/* How the config says that predictions are made and judged; it points into the run. */
struct md_judging md_run_judging(const struct md_run *run);

/* Metrics before training, and the dummy predictor's, on test and validation split, at every cap.
 */
int md_run_measure_before(struct md_run *run, const struct md_watch *watch, struct md_error *error);

/* Whether nothing is left to train: all epochs are done, or the last early_stop of them had no
 * lower validation loss than the best before them. */
int md_run_is_over(const struct md_run *run);

/* Trains from run->position until it is over. After every step and every epoch (then position.step
 * is 0) it asks `watch`; on an early end *interrupted is 1 and the run can go on later.
 * `checkpoint` (may be NULL) is called after steps for a checkpoint to be written when it thinks it
 * is time. */
int md_run_train(struct md_run *run, const struct md_watch *watch,
                 int (*checkpoint)(void *context, struct md_run *run, struct md_error *error),
                 void *checkpoint_context, int *interrupted, struct md_error *error);

/* Epochs after which the weights were kept that config.select asks for. When no epoch had a
 * validation loss that is a number there is no best one, and it is the last: what came of the
 * training, and not what it began with. */
int md_run_selected_epoch(const struct md_run *run);

/* Puts those weights into the engine and measures them, on test and validation split. */
int md_run_measure_after(struct md_run *run, const struct md_watch *watch, struct md_error *error);

/* Whether a measured run came to nothing: a loss or a weight became NaN or infinite (the weights of
 * an earlier epoch may be kept, but the run was not what its config says), the prediction after it
 * is, or there is no depth at all. Then `why` says so. */
int md_run_has_diverged(const struct md_run *run, char why[MD_DIVERGED_SIZE]);

#endif
