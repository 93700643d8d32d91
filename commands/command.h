/* What the subcommands share. Commands may include every other room (README, "Where things are").
 */
#ifndef MD_COMMANDS_COMMAND_H
#define MD_COMMANDS_COMMAND_H

#include <jansson.h>
#include <signal.h>
#include <stdio.h>

#include "../base/error.h"
#include "../base/namelist.h"
#include "../experiments/config.h"
#include "../experiments/evaluate.h"
#include "../experiments/teacher.h"
#include "../results/weights.h"
#include "commands.h"
#include "progress.h"

/* Set by SIGINT and SIGTERM (main.c): finish the step, keep what there is, and end. */
extern volatile sig_atomic_t md_stop_requested;

/* Set by -q to -1 and by -v to 1 (main.c). */
extern int md_verbosity;

/* A line on standard error that begins with "note: "; not with -q. */
void md_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void md_note_all(const struct md_names *notes);

/* Makes a cell as mudepth run does, without printing: at `path`, from the checkpoint beside it
 * where there is one. `command` is the command line that asked for it. `report` is called after
 * every step, and must end the run (by a result other than 0) when md_stop_requested. */
struct md_cell_job {
    const struct md_config *config;
    const char *path, *command;
    int (*report)(void *context, const struct md_run_progress *progress);
    void *context;
    int checkpoint_s; /* between two checkpoints */
};
int md_run_cell(const struct md_cell_job *job, struct md_error *error);

/* The default folder of results. */
#define MD_RUNS_FOLDER "results/runs"

/* The path that was given; NULL: one in MD_RUNS_FOLDER, of the config's name, a hash and `ending`.
 */
int md_output_path(char *path, size_t size, const char *given, const char *config, const char *hash,
                   const char *ending, struct md_error *error);

/* Any weights file: its network, and its weights to be freed (NULL on a failure); info may be NULL.
 */
int md_read_any_weights(const char *path, const struct md_network **network, float **weights,
                        struct md_weights_info *info, struct md_error *error);

/* The weights a config starts from, md_parameter_total floats to be freed; NULL on a failure. */
int md_load_weights(const struct md_config *config, float **weights, struct md_error *error);

/* The teacher's weights, to be freed; NULL where there is none, or it fails. */
int md_read_teacher(const struct md_config *config, float **weights, struct md_error *error);

/* A watch that shows progress by md_view and asks for an early end when md_stop_requested. */
struct md_progress_line {
    struct md_view view;
    struct md_timing timing;
};
struct md_watch md_progress_watch(struct md_progress_line *line);
void md_progress_clear(struct md_progress_line *line);

/* Prints a line to standard output when the samples have depths of several kinds. */
void md_report_depth_kinds(const char *split, const struct md_dataset *data);

/* md_dataset_open with such a watch; and the same for a SPEC of the command line. */
int md_open_data(const struct md_data_spec *spec, int height, int width, struct md_dataset *dataset,
                 struct md_error *error);
int md_open_spec(const char *text, const struct md_network *network, struct md_dataset *dataset,
                 struct md_error *error);

/* Metrics as an aligned table, one row per named entry, and as JSON. no_prediction is a column when
 * a row has some. */
struct md_report_row {
    const char *name;
    const struct md_metrics *metrics;
};
void md_report_table(const struct md_report_row *rows, size_t count, int all);

/* Prints to standard output what a prediction costs when that is more than one forward pass. */
void md_report_passes(const struct md_network *network, const struct md_judging *judging);

/* A number as JSON, which has no NaN: null stands for no value. */
json_t *md_json_number(double value);
json_t *md_report_json(const struct md_metrics *metrics);

/* Prints a JSON object and a line end to standard output, and frees it. */
int md_print_json(json_t *object, struct md_error *error);

#endif
