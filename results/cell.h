/* The result of one run: one HDF5 file, which is whole or not there. Layout:
 *
 *   /                   attributes: kind ("mudepth cell"), layout (1), identity, run_digest
 *   /config             attributes: yaml (in full; itself a config file), command
 *   /provenance         attributes: code_version, compiler, cpu_level, host, finished, hdf5,
 *                       numerics
 *   /data/{train,val,test}  attributes: samples, digest
 *   /training           attributes: arena_bytes, parameters_learning, steps, skipped_steps,
 *                       optimizer_bytes_per_parameter, seconds, selected_epoch
 *   /training/{learning_rate, train_loss, validation_loss, validation_rmse_m}
 *                       float64, one per epoch; NaN where there is none
 *   /test/{before, after, dummy}  attributes: abs_rel ... log10, images, without_truth
 *   /validation/{before, dummy}   the same on the validation split
 *   /weights            as in weights.h: a cell is a weights file too
 *
 * A checkpoint has the same config and data attributes, and /checkpoint with everything that
 * md_run needs to go on. */
#ifndef MD_RESULTS_CELL_H
#define MD_RESULTS_CELL_H

#include "../experiments/train.h"

/* Hash of what decides a run's results: the config without the keys that cannot change them, the
 * data's and the initial weights' digests, the numerics version. 32 hex digits. */
void md_cell_identity(const struct md_run *run, const char *weights_digest, char identity[33]);

/* Reads the identity of the cell in `path`; fails when it is no cell. */
int md_cell_read_identity(const char *path, char identity[33], struct md_error *error);

/* What a finished run was, and what came of it: everything in a cell that tables are made of. */
struct md_cell {
    char identity[33];
    char code_version[100];
    char data_digests[3][33]; /* train, val, test */
    struct md_config config;
    long long parameters_learning, optimizer_bytes_per_parameter, steps, skipped_steps;
    double seconds;                         /* spent in training */
    struct md_metrics before, after, dummy; /* on the test split */
};

/* Reads a cell; fails when it is none, or a broken one. */
int md_cell_read(const char *path, struct md_cell *cell, struct md_error *error);

/* Writes the cell of a finished run. `command` is the command line that made it. */
int md_cell_write(const char *path, const struct md_run *run, const char *identity,
                  const char *command, struct md_error *error);

/* Writes a checkpoint of a run under way, and takes one up again: the run must have been opened
 * with the same config, data and initial weights, otherwise it is refused. */
int md_checkpoint_write(const char *path, struct md_run *run, const char *identity,
                        struct md_error *error);
int md_checkpoint_read(const char *path, struct md_run *run, const char *identity,
                       struct md_error *error);

#endif
