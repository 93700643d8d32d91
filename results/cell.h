/* The result of one run: one HDF5 file, which is whole or not there. Layout 6:
 *
 *   /                attributes: kind ("mudepth cell"), layout (6), identity, run_digest (chained
 *                    over the weights after every epoch)
 *   /config          attributes: yaml (in full; itself a config file), command (that made it),
 *                    network_digest (of the trained network's table, which its name stands for)
 *   /provenance      attributes; nothing of it decides a result:
 *       code_version, git_commit      "unknown" when the program was built without git
 *       git_dirty                     1: the sources were not exactly those of that commit
 *       compiler, compiler_flags, compiler_target
 *       cpu_level                     of the operators (md_ops.level)
 *       cpu_model, host, kernel       of the machine; of a resumed run, of its last part
 *       threads
 *       numerics_version              changes whenever the bits of a result may
 *       initial_weights_digest        of the weights the run started from
 *       teacher_digest                of its teacher's weights, if it has one
 *       started, finished             UTC, as 2026-11-20T06:00:00Z
 *       wall_seconds, cpu_seconds     from opening the data to writing the cell; CPU: user and
 *                                     system time of all threads
 *       peak_memory_bytes             largest resident set of the process
 *   /provenance/libraries             attributes: version of each library in the program
 *   /data/{train,val,test}            attributes: samples, digest; depth_kinds ("groundtruth of 3,
 *                    lidar of 26"), where a split has depths of several kinds
 *   /training        attributes: arena_bytes (of the host that made it, with its threads and
 *                    operators), parameters_learning, optimizer_bytes_per_parameter, steps,
 *                    skipped_steps, selected_epoch (epochs done when its weights were kept),
 *                    label_share (of the training pictures' pixels, how many have a label),
 *                    augment_gain, augment_noise (the strengths that were measured, with
 *                    augment_strengths: measured), diverged (1: the run came to nothing, see
 *                    md_run_has_diverged in train.h), diverged_epoch (in which a loss or a weight
 *                    became NaN or infinite; 0: none), wall_seconds, cpu_seconds (of the training
 *                    alone)
 *   /training/epochs table: epoch (from 1), learning_rate, train_loss, validation_loss,
 *                    validation_rmse_m; NaN where there is none; with early_stop maybe fewer rows
 *                    than the config has epochs
 *   /training/steps  table: step (from 1, through all epochs), train_loss, learning_rate; in a run
 *                    of more than 4096 steps a row is the mean of equally many, and `step` and
 *                    learning_rate are the last one's
 *   /test/metrics    table, for each cap of the config the rows before, after and dummy: predictor
 *                    (text), cap_m, abs_rel, sq_rel, rmse_m, rmse_log, delta1, delta2, delta3,
 *                    silog, si_rmse, log10, no_prediction, images, without_truth, as in metrics.h;
 *                    in whatever order, and without the metrics that are newer than the cell
 *   /validation/metrics  the same on the validation split; without one, images are 0
 *   /weights         as in weights.h: a cell is a weights file too
 *   Behind HDF5's end there is a seal (h5.h), by which a changed bit is found.
 *
 * Attributes are text (UTF-8 of fixed length), 64-bit integers or 64-bit reals; tables (h5.h) are
 * compound data sets, which pandas.DataFrame(file["/test/metrics"][:]) takes as they are.
 *
 * What a run took is added up over its parts when it was interrupted and resumed: each part counts
 * up to its last checkpoint, and peak_memory_bytes is the largest of theirs.
 *
 * A checkpoint has the same /, /config and /data, and /checkpoint with everything that md_run needs
 * to go on. */
#ifndef MD_RESULTS_CELL_H
#define MD_RESULTS_CELL_H

#include "../base/h5.h"
#include "../experiments/train.h"

/* XXH3-128 of a network's table. 32 hex digits. */
void md_network_digest(const struct md_network *network, char digest[33]);

/* Hash of what decides a run's results: the config without the keys that cannot change them, the
 * digests of the network's table, of the data, of the initial weights and the teacher's, the
 * numerics version. 32 hex digits. */
void md_cell_identity(const struct md_run *run, const char *weights_digest, char identity[33]);

/* What predicts, in the order of a table of metrics: the network before and after fine-tuning, and
 * the dummy predictor. */
enum md_predictor { MD_BEFORE, MD_AFTER, MD_DUMMY, MD_PREDICTOR_COUNT };
extern const char *const md_predictor_names[MD_PREDICTOR_COUNT]; /* "before", "after", "dummy" */

/* On the test split, with truth up to cap_m. */
struct md_cell_scores {
    double cap_m;
    struct md_metrics of[MD_PREDICTOR_COUNT];
};

/* What a finished run was, and what came of it: all of a cell but its epochs, its metrics on the
 * validation split, its libraries and its weights. */
struct md_cell {
    char identity[33], run_digest[33];
    struct md_config config;
    char command[1024];
    char network_digest[33];

    char code_version[100], git_commit[65];
    long long git_dirty;
    char compiler[100], compiler_flags[1000], compiler_target[100];
    char cpu_level[16], cpu_model[200], host[128], kernel[200];
    long long threads, numerics_version;
    char initial_weights_digest[33], teacher_digest[33], started[32], finished[32];
    double wall_seconds, cpu_seconds;
    long long peak_memory_bytes;

    char data_digests[3][33];                 /* train, val, test */
    char depth_kinds[3][MD_DEPTH_KINDS_SIZE]; /* of each; "": depths of one kind */
    long long data_samples[3];

    long long arena_bytes, parameters_learning, optimizer_bytes_per_parameter;
    long long steps, skipped_steps, selected_epoch, diverged, diverged_epoch;
    long long epochs_done;                /* the config's epochs, or fewer with early_stop */
    double seconds, training_cpu_seconds; /* spent in training */
    double label_share, augment_gain, augment_noise;

    int cap_count, has_metric[MD_METRIC_COUNT]; /* 0: newer than the cell, and NaN in the scores */
    struct md_cell_scores scores[MD_MOST_CAPS]; /* [0]: the primary cap */
};

/* What struct md_cell holds as it stands in the file. */
struct md_cell_attribute {
    const char *object, *name;
    enum md_h5_column_type type;
    size_t offset, size; /* of the field */
    int is_optional;     /* not in a file where it is "" or NaN */
};
extern const struct md_cell_attribute md_cell_attributes[];
extern const size_t md_cell_attribute_count;

/* An attribute's value in a cell: what its type says. */
struct md_cell_value {
    const char *text;
    long long whole;
    double real;
};
struct md_cell_value md_cell_value(const struct md_cell *cell,
                                   const struct md_cell_attribute *attribute);

/* Reads a cell; fails when it is none, or a broken one. */
int md_cell_read(const char *path, struct md_cell *cell, struct md_error *error);

/* The values of an epoch by their names in the table of the epochs: "learning_rate", ... */
enum { MD_EPOCH_COLUMNS = 4 };
const char *md_epoch_column(int column);
double md_epoch_value(const struct md_epoch *epoch, int column);

/* What the training of a cell gave, owned. */
struct md_cell_history {
    size_t epochs, step_rows; /* epochs: the cell's epochs_done */
    struct md_epoch *epoch;   /* (epochs) */
    struct md_step_row *step; /* (step_rows) */
};
int md_cell_read_history(const char *path, struct md_cell_history *history, struct md_error *error);
void md_cell_history_free(struct md_cell_history *history);

/* Restores a finished run from its cell into an opened run, as if training and measuring were done.
 * `finished` gets the time when they were. */
int md_cell_recall(const char *path, struct md_run *run, char finished[32], struct md_error *error);

/* Writes the cell of a finished run. `command` is the command line that made it. */
int md_cell_write(const char *path, const struct md_run *run, const char *identity,
                  const char *command, struct md_error *error);

/* Writes a checkpoint of a run under way; and restores one into a run that was opened with the same
 * config, data and initial weights (any other is refused). */
int md_checkpoint_write(const char *path, struct md_run *run, const char *identity,
                        struct md_error *error);
int md_checkpoint_read(const char *path, struct md_run *run, const char *identity,
                       struct md_error *error);

#endif
