/* mudepth run and pretrain: one run from a config, its cell, and what to look at. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../base/file.h"
#include "../experiments/budget.h"
#include "../experiments/train.h"
#include "../plots/plots.h"
#include "../results/cell.h"
#include "../results/weights.h"
#include "command.h"
#include "pictures.h"
#include "runlog.h"

#define PRETRAIN_CONFIG "configs/pretrain.yaml"

struct options {
    const char *output;  /* the cell; NULL: named after the config, in MD_RUNS_FOLDER */
    const char *weights; /* where to save the weights alone as well; NULL: nowhere */
    const char *log;     /* NULL: none */
    int resume, figures, json;
};

/* Everything about one call. */
struct session {
    struct options options;
    int force;
    const char *config_path;
    struct md_config config;
    float *initial; /* weights the run starts from */
    struct md_run run;
    char identity[33], command[1024];
    char cell[1100], checkpoint[1160];
    const struct md_cell_job *job; /* NULL: of a call by itself, with a view */
    struct md_timing timing;
    struct md_view view;
    FILE *log;
    int is_done;         /* the cell was there already */
    int resumes;         /* from a checkpoint */
    time_t checkpointed; /* when the last one was written */
};

/* md_may_write of an option's file. */
static int check_free(const struct session *session, const char *option, const char *path,
                      struct md_error *error) {
    int status = md_may_write(path, session->force, error);
    return status == MD_OK ? status : md_fail_in(error, status, option);
}

/* Whether `path` is a pipe or a terminal: nothing there can be replaced or resumed. */
static int is_stream(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && (S_ISFIFO(about.st_mode) || S_ISCHR(about.st_mode));
}

/* Makes the folder of a file, which can be written there: known now, not after hours of training.
 */
static int prepare_folder(const char *path, struct md_error *error) {
    char folder[MD_PATH_MAX];
    md_path_folder(path, folder);
    int status = is_stream(path) ? MD_OK : md_make_folder(folder, error);
    return status == MD_OK && !is_stream(path) ? md_check_folder(path, 0, error) : status;
}

/* Fails unless a file besides the cell (option `option`) can be written. */
static int check_extra_file(const struct session *session, const char *option, const char *path,
                            int may_be_there, struct md_error *error) {
    if (path == NULL)
        return MD_OK;
    int status = may_be_there ? MD_OK : check_free(session, option, path, error);
    if (md_is_same_file(path, session->cell))
        status = md_fail(error, MD_USAGE, "%s: %.400s: is the cell", option, path);
    return status == MD_OK ? prepare_folder(path, error) : status;
}

/* Finds out what exists under the cell's name: nothing, this run's cell, its checkpoint. */
static int check_cell(struct session *session, struct md_error *error) {
    const struct options *o = &session->options;
    struct md_cell found;
    int has_cell = access(session->cell, F_OK) == 0, status;
    int has_checkpoint = access(session->checkpoint, F_OK) == 0;
    int is_same = has_cell && md_cell_read(session->cell, &found, error) == MD_OK &&
                  strcmp(found.identity, session->identity) == 0;
    session->is_done = is_same && !found.diverged && !session->force;
    if (!is_same && (status = check_free(session, "--output", session->cell, error)) != MD_OK)
        return status;
    if (session->job != NULL)
        session->options.resume = has_checkpoint;
    if (has_checkpoint && !o->resume && !session->force)
        return md_fail(error, MD_USAGE,
                       "%.400s: a checkpoint of an earlier run is there: continue it with "
                       "--resume, or begin anew with --force",
                       session->checkpoint);
    if (!has_checkpoint && o->resume && !session->is_done)
        md_note("%.400s: nothing to resume: the run begins", session->checkpoint);
    session->resumes = o->resume && has_checkpoint;
    return prepare_folder(session->cell, error);
}

/* The cell's path: as given, or the config's name and the run's identity in the default folder. */
static int name_output(struct session *session, struct md_error *error) {
    MD_TRY(md_output_path(session->cell, sizeof session->cell, session->options.output,
                          session->config_path, session->identity, ".h5", error));
    snprintf(session->checkpoint, sizeof session->checkpoint, "%s.checkpoint", session->cell);
    return check_cell(session, error);
}

static int write_due_checkpoint(void *context, struct md_run *run, struct md_error *error) {
    struct session *session = context;
    if (!md_stop_requested && time(NULL) - session->checkpointed < run->config.checkpoint_s)
        return MD_OK;
    session->checkpointed = time(NULL);
    return md_checkpoint_write(session->checkpoint, run, session->identity, error);
}

/* 2^-12, the root of the least binary16 above 0: with a smaller epsilon a second moment that
 * vanishes is divided by less than any that is left. */
#define LEAST_ROOT 0x1p-12

static void note_underflow(const struct md_config *config) {
    const char *format = md_format_names[config->format];
    if (config->optimizer != MD_ADAM || (config->format != MD_FP16 && config->format != MD_FP16W))
        return;
    if (config->moments == MD_MOMENTS_FORMAT && config->epsilon < LEAST_ROOT)
        md_note(
            "Adam's second moment vanishes in %s, and a weight then leaps: better moments: fp32, "
            "or epsilon: 0.001",
            format);
    if (config->loss_scale == 1 && config->batch > 1)
        md_note("gradients of a mean over %d samples may vanish in %s: better loss_scale: 1024",
                config->batch, format);
}

static void describe(const struct session *session) {
    const struct md_run *run = &session->run;
    const struct md_plan *plan = &run->engine.plan;
    const struct {
        const char *name;
        const struct md_dataset *data;
    } splits[] = {{"train", &run->train}, {"val", &run->val}, {"test", &run->test}};
    fprintf(stderr, "%s, %s, policy %s, %s: %zu train, %zu val, %zu test samples\n",
            run->network->name, md_format_names[run->config.format], run->config.policy,
            run->engine.setup.ops->level, run->train.count, run->val.count, run->test.count);
    char savings[MD_SAVINGS_TEXT];
    fprintf(stderr, "labels: %.1f %% of the training pictures' pixels have one\n",
            100.0 * run->label_share);
    if (run->config.strengths == MD_STRENGTHS_MEASURED)
        fprintf(stderr, "training pictures: measured gain %.3f, noise %.2f\n", run->train.gain,
                run->train.noise);
    for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++)
        if (splits[i].data->unused.count[MD_UNUSED_ZONES] > 0)
            fprintf(stderr, "%s: %zu %s left out\n", splits[i].name,
                    splits[i].data->unused.count[MD_UNUSED_ZONES],
                    md_unused_what(&splits[i].data->unused, MD_UNUSED_ZONES));
    md_savings_format(run->engine.setup.savings, savings);
    fprintf(stderr, "arena: %zu bytes (plan %s; mudepth plan --target host lists its buffers)",
            plan->arena_bytes, savings);
    fprintf(stderr, "\n%zu parameters learn; the optimizer keeps %zu bytes for each\n",
            plan->learning, md_plan_state_bytes(plan));
    note_underflow(&run->config);
}

/* Reports the run's progress to the sweep, or to the terminal and the log. */
static int report_progress(void *context, const char *what, double done, double all) {
    struct session *session = context;
    const struct md_run *run = &session->run;
    const struct md_position *at = &run->position;
    double now = md_seconds_now();
    struct md_run_progress progress = md_run_progress(run, &session->timing, what, done, all, now);
    if (session->job != NULL)
        return session->job->report(session->job->context, &progress);
    md_view_show(&session->view, &progress, now);
    if (session->log != NULL && at->step > 0)
        md_log_step(session->log, &run->last_step, at->epoch + 1);
    else if (session->log != NULL && strcmp(what, "training") == 0)
        md_log_epoch(session->log, &run->history[at->epoch - 1], at->epoch,
                     (int64_t)at->epoch * md_run_steps_an_epoch(run));
    return md_stop_requested != 0;
}

static struct md_watch watch_of(struct session *session) {
    session->view = md_view_open(md_verbosity, md_seconds_now());
    return (struct md_watch){report_progress, session};
}

static int open_log(struct session *session, struct md_error *error) {
    const struct options *o = &session->options;
    return o->log == NULL ? MD_OK
                          : md_log_open(o->log, o->resume && !is_stream(o->log), &session->run,
                                        &session->log, error);
}

static int train(struct session *session, struct md_error *error) {
    struct md_run *run = &session->run;
    struct md_watch watch = watch_of(session);
    int interrupted = 0, status = md_run_measure_before(run, &watch, error);
    if (status == MD_OK && session->resumes) {
        status = md_checkpoint_read(session->checkpoint, run, session->identity, error);
        /* Where there are no locks somebody else may have finished the cell: it is made twice. */
        if (status != MD_OK && session->job != NULL && access(session->checkpoint, F_OK) != 0)
            status = MD_OK;
    }
    session->checkpointed = time(NULL);
    MD_THEN(status, open_log(session, error));
    if (status == MD_OK && md_stop_requested)
        status = md_fail(error, MD_FAILED, "interrupted before the first step");
    else if (status == MD_OK)
        status = md_run_train(run, &watch, write_due_checkpoint, session, &interrupted, error);
    if (status == MD_OK && interrupted) {
        session->checkpointed = 0; /* an end between two epochs has not been kept yet */
        status = write_due_checkpoint(session, run, error);
        MD_THEN(status,
                md_fail(error, MD_FAILED,
                        "interrupted after epoch %d, step %d; --resume continues from %.300s",
                        run->position.epoch, run->position.step, session->checkpoint));
    }
    MD_THEN(status, md_run_measure_after(run, NULL, error));
    md_view_close(&session->view);
    return status;
}

/* The weights as the cell has them, with all it says about them, in a file of their own; not those
 * of a run that has diverged. */
static int save_weights(struct session *session, struct md_error *error) {
    struct md_run *run = &session->run;
    struct md_weights_info info = {.network = ""};
    char why[MD_DIVERGED_SIZE];
    if (session->options.weights == NULL || md_run_has_diverged(run, why))
        return MD_OK;
    int status = md_weights_read(session->cell, run->network, run->best_weights, &info, error);
    MD_THEN(status, md_weights_write(session->options.weights, run->network, run->best_weights,
                                     &info, error));
    if (status != MD_OK)
        return md_fail_in(error, status, "the cell is written, but not its weights");
    return MD_OK;
}

/* ---- what to look at ------------------------------------------------------------------------- */

/* CELL.h5 -> CELL.sheet.png, and CELL.loss.png when there are epochs to draw */
static int draw_figures(struct session *session, json_t *json, struct md_error *error) {
    char sheet[1200], curve[1200];
    int stem = (int)strlen(session->cell);
    if (stem > 3 && strcmp(session->cell + stem - 3, ".h5") == 0)
        stem -= 3;
    snprintf(sheet, sizeof sheet, "%.*s.sheet.png", stem, session->cell);
    snprintf(curve, sizeof curve, "%.*s.loss.png", stem, session->cell);
    int trained = session->run.position.epoch > 0,
        status = md_draw_samples(&session->run, session->initial, sheet, error);
    if (status == MD_OK && trained)
        status = md_draw_losses(&session->run, curve, error);
    if (status != MD_OK)
        return md_fail_in(error, status, "the cell is written, but not its figures");
    if (json != NULL) {
        json_object_set_new(json, "contact_sheet", json_string(sheet));
        json_object_set_new(json, "loss_curve", trained ? json_string(curve) : json_null());
    } else {
        printf("contact sheet:  %s\n", sheet);
        if (trained)
            printf("loss curve:     %s\n", curve);
    }
    return MD_OK;
}

static json_t *to_json(const struct session *session, int has_diverged) {
    const struct md_run *run = &session->run;
    const struct md_caps *caps = &run->config.caps;
    const struct md_judging judging = md_config_judging(&run->config);
    json_t *epochs = json_array(), *scores = json_array();
    for (int e = 0; e < run->position.epoch; e++) {
        const struct md_epoch *h = &run->history[e];
        json_array_append_new(epochs,
                              json_pack("{s:f, s:o, s:o, s:o}", "learning_rate", h->learning_rate,
                                        "train_loss", md_json_number(h->train_loss),
                                        "validation_loss", md_json_number(h->validation_loss),
                                        "validation_rmse_m", md_json_number(h->validation_rmse_m)));
    }
    for (int c = 0; c < caps->count; c++)
        json_array_append_new(scores, json_pack("{s:f, s:o, s:o, s:o}", "cap_m", caps->m[c],
                                                "before", md_report_json(&run->before[c]), "after",
                                                md_report_json(&run->after[c]), "dummy",
                                                md_report_json(&run->dummy[c])));
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:i, s:b, s:f, s:o, s:O, s:o}", "cell", session->cell,
        "identity", session->identity, "run_digest", run->position.digest, "cpu_level",
        run->engine.setup.ops->level, "arena_bytes", (json_int_t)run->engine.plan.arena_bytes,
        "steps", (json_int_t)run->engine.progress.steps, "skipped_steps",
        (json_int_t)run->engine.progress.skipped, "selected_epoch", md_run_selected_epoch(run),
        "diverged", has_diverged, "seconds", run->position.seconds, "epochs", epochs, "test",
        json_array_get(scores, 0), "test_by_cap", scores);
    if (json == NULL)
        return NULL;
    json_object_update_new(json,
                           json_pack("{s:i, s:f, s:b}", "forward_passes",
                                     md_forward_passes(&judging), "label_share", run->label_share,
                                     "stopped_early", run->position.epoch < run->config.epochs));
    json_object_set_new(json, "depth_kinds",
                        json_pack("{s:s, s:s, s:s}", "train", run->train.depth_kinds, "val",
                                  run->val.depth_kinds, "test", run->test.depth_kinds));
    if (run->config.strengths == MD_STRENGTHS_MEASURED)
        json_object_set_new(
            json, "measured",
            json_pack("{s:f, s:f}", "gain", run->train.gain, "noise", run->train.noise));
    if (session->options.weights != NULL && !has_diverged)
        json_object_set_new(json, "weights", json_string(session->options.weights));
    return json;
}

/* A table for each cap. */
static void print_tables(const struct md_run *run) {
    const struct md_caps *caps = &run->config.caps;
    for (int c = 0; c < caps->count; c++) {
        const struct md_report_row rows[] = {{"before fine-tuning", &run->before[c]},
                                             {"after fine-tuning", &run->after[c]},
                                             {"dummy predictor", &run->dummy[c]}};
        if (caps->count > 1)
            printf("%struth up to %g m\n", c > 0 ? "\n" : "", caps->m[c]);
        md_report_table(rows, 3, 0);
    }
}

/* why: how it diverged; NULL: it has not. */
static void note_outcome(const struct session *session, const char *why) {
    const struct md_run *run = &session->run;
    if (why != NULL)
        md_note("the run %s%s", why,
                session->options.weights != NULL ? "; its weights are not saved" : "");
    if (run->config.select == MD_SELECT_BEST && run->position.best_epoch == 0 &&
        run->position.epoch > 0)
        md_note("no validation loss is a number, so that no epoch is the best: the "
                "weights are those of the last one");
    if (run->position.epoch < run->config.epochs)
        md_note("stopped early, after epoch %d of %d: the last %d had no lower validation loss",
                run->position.epoch, run->config.epochs, run->config.early_stop);
    const struct md_progress *progress = &run->engine.progress;
    if (progress->skipped > 0)
        md_note("%" PRIu64 " of %" PRIu64 " steps were skipped: with loss_scale %d a gradient "
                "was infinite or NaN",
                progress->skipped, progress->skipped + progress->steps, run->config.loss_scale);
}

static int report(struct session *session, struct md_error *error) {
    const struct md_run *run = &session->run;
    const struct md_judging judging = md_config_judging(&run->config);
    char why[MD_DIVERGED_SIZE];
    int has_diverged = md_run_has_diverged(run, why);
    json_t *json = session->options.json ? to_json(session, has_diverged) : NULL;
    if (session->options.json && json == NULL)
        return md_print_json(json, error);
    note_outcome(session, has_diverged ? why : NULL);
    if (json == NULL) {
        print_tables(run);
        md_report_depth_kinds("train", &run->train);
        md_report_depth_kinds("val", &run->val);
        md_report_depth_kinds("test", &run->test);
        md_report_passes(run->network, &judging);
        printf("\nrun digest:     %s\ncell:           %s\n", run->position.digest, session->cell);
        if (session->options.weights != NULL && !has_diverged)
            printf("weights:        %s\n", session->options.weights);
    }
    int status = session->options.figures ? draw_figures(session, json, error) : MD_OK;
    if (json != NULL && status == MD_OK)
        status = md_print_json(json, error);
    else
        json_decref(json);
    if (status == MD_OK && has_diverged) {
        error->text[0] = '\0'; /* it has been reported */
        status = MD_FAILED;
    }
    return status;
}

/* Restores the result from the cell, which a repeated run would equal. */
static int recall(struct session *session, struct md_error *error) {
    char finished[32];
    int status = md_cell_recall(session->cell, &session->run, finished, error);
    if (status == MD_OK)
        md_note("%.400s: this run was made before, until %s, and is not made again: this is its "
                "result; --force makes it anew",
                session->cell, finished);
    return status == MD_OK ? open_log(session, error) : status;
}

/* The log cannot be written any more: the cell is there. */
static int close_log(struct session *session, struct md_error *error) {
    int failed = session->log != NULL && ferror(session->log);
    if (session->log != NULL && fclose(session->log) != 0)
        failed = 1;
    session->log = NULL;
    return failed ? md_fail(error, MD_FAILED,
                            "the cell is written, but not its log: --log: %.400s: cannot be "
                            "written to the end",
                            session->options.log)
                  : MD_OK;
}

/* Makes the cell, without any report. */
static int make_cell(struct session *session, struct md_error *error) {
    char digest[33];
    MD_TRY(md_load_weights(&session->config, &session->initial, error));
    md_weights_digest(session->initial, md_parameter_total(md_networks[session->config.network]),
                      digest);
    float *teacher; /* known now, not after all pictures have been read */
    MD_TRY(md_read_teacher(&session->config, &teacher, error));
    struct md_watch watch = watch_of(session);
    int status = md_run_open(&session->config, session->initial, &watch, &session->run, error);
    md_view_close(&session->view);
    if (status == MD_OK && teacher != NULL)
        md_teacher_set_weights(&session->run.teacher, teacher);
    free(teacher);
    if (status != MD_OK)
        return status;
    md_cell_identity(&session->run, digest, session->identity);
    status = name_output(session, error);
    MD_THEN(status,
            check_extra_file(session, "--save-weights", session->options.weights, 0, error));
    const char *log = session->options.log;
    if (status == MD_OK && log != NULL)
        status = check_extra_file(session, "--log", log, session->options.resume || is_stream(log),
                                  error);
    if (status == MD_OK && session->is_done)
        return recall(session, error);
    if (status == MD_OK && session->job == NULL && md_verbosity >= 0)
        describe(session);
    MD_THEN(status, train(session, error));
    MD_THEN(status, md_cell_write(session->cell, &session->run, session->identity, session->command,
                                  error));
    if (status == MD_OK)
        unlink(session->checkpoint);
    return status;
}

static void close_session(struct session *session) {
    if (session->log != NULL)
        fclose(session->log);
    md_run_close(&session->run);
    free(session->initial);
    free(session);
}

/* The run that the session's config, options and command say. */
static int make(struct session *session, struct md_error *error) {
    MD_TRY(make_cell(session, error));
    MD_TRY(save_weights(session, error));
    MD_TRY(close_log(session, error));
    return report(session, error);
}

static int run(const struct md_invocation *call, struct md_error *error) {
    struct session *session = calloc(1, sizeof *session);
    MD_TRY(md_check_memory(session != NULL, error));
    memcpy(&session->options, call->options, sizeof session->options);
    memcpy(session->command, call->line, sizeof session->command);
    session->force = call->common.force;
    session->config_path = call->words[0];
    int status =
        md_config_read(call->words[0], call->count - 1, call->words + 1, &session->config, error);
    MD_THEN(status, make(session, error));
    close_session(session);
    return status;
}

/* The same from scratch, which stands behind all other overrides. */
static int pretrain(const struct md_invocation *call, struct md_error *error) {
    static char config[] = PRETRAIN_CONFIG, scratch[] = "weights=scratch";
    struct md_invocation from_scratch = *call;
    char **words = calloc((size_t)call->count + 2, sizeof *words);
    int count = 0, has_config = call->count > 0 && strchr(call->words[0], '=') == NULL;
    MD_TRY(md_check_memory(words != NULL, error));
    words[count++] = has_config ? call->words[0] : config;
    int status = MD_OK;
    for (int i = has_config; i < call->count && status == MD_OK; i++) {
        if (strncmp(call->words[i], "weights=", 8) == 0)
            status =
                md_fail(error, MD_USAGE,
                        "command line: weights: pretrain begins from scratch, found \"%.100s\"",
                        call->words[i] + 8);
        words[count++] = call->words[i];
    }
    words[count++] = scratch;
    from_scratch.count = count;
    from_scratch.words = words;
    MD_THEN(status, run(&from_scratch, error));
    free(words);
    return status;
}

int md_run_cell(const struct md_cell_job *job, struct md_error *error) {
    struct session *session = calloc(1, sizeof *session);
    MD_TRY(md_check_memory(session != NULL, error));
    session->options = (struct options){.output = job->path};
    session->config_path = "";
    session->config = *job->config;
    session->job = job;
    session->config.checkpoint_s = job->checkpoint_s;
    snprintf(session->command, sizeof session->command, "%s", job->command);
    int status = make_cell(session, error);
    close_session(session);
    return status;
}

#define RUN_OPTIONS                                                                                \
    MD_OPT("log", 0, TARGET, log, "FILE.jsonl",                                                    \
           "also write a JSON object for each step and epoch, a line each, while the run goes on " \
           "(mudepth log)"),                                                                       \
        MD_OPT("resume", 0, FLAG, resume, NULL,                                                    \
               "continue from the checkpoint an interrupted run left, if there is one"),           \
        MD_OPT("figures", 0, FLAG, figures, NULL,                                                  \
               "also draw a contact sheet and a loss curve beside the cell"),                      \
        MD_OPT_JSON

static const struct md_option run_options[] = {
    MD_OPT("output", 'o', TARGET, output, "FILE",
           "the result cell (default " MD_RUNS_FOLDER "/CONFIG-IDENTITY.h5)"),
    MD_OPT("save-weights", 0, OUTPUT, weights, "FILE", "also write the weights alone",
           .makes_folder = 1),
    RUN_OPTIONS,
    {0}};

const struct md_command md_command_run = {
    .name = "run",
    .summary = "fine-tune (or train) a network as a config says, and measure it before and after",
    MD_CONFIG_WORDS(MD_ONE),
    MD_OPTIONS(run_options),
    .notes =
        "The keys of a config: mudepth help config.\n"
        "On a terminal a few lines show where it is; elsewhere there is a line for each epoch, and "
        "every 30 seconds.\n"
        "Interrupted (Ctrl-C), it finishes the step and leaves CELL.checkpoint for --resume. A run "
        "that is finished is not made again: what is in its cell is shown, and its figures can be "
        "drawn.\n"
        "A run diverges when a loss, a weight or the prediction after it becomes NaN or infinite, "
        "or no depth is left at all: its cell says so, no weights are saved besides, and the exit "
        "code is 1. no_prediction is the share of the pixels with a truth that have no depth (a "
        "disparity of 0 or less); protocol: textbook takes them as far away as can be, release "
        "passes over them.",
    .examples =
        "  mudepth run configs/demo.yaml --figures\n"
        "  mudepth run configs/matrix.yaml policy=full loss=depth_l1 epochs=10 threads=2\n"
        "  mudepth run configs/matrix.yaml data.root=FLIGHTS weights=tartanair.h5 augment=[flip]",
    .run = run};

static const struct md_option pretrain_options[] = {MD_OPT("output", 'o', OUTPUT, weights,
                                                           "WEIGHTS.h5", "the weights",
                                                           .is_required = 1, .makes_folder = 1),
                                                    RUN_OPTIONS,
                                                    {0}};

const struct md_command md_command_pretrain = {
    .name = "pretrain",
    .summary = "train a network from scratch and write its weights",
    MD_CONFIG_WORDS(MD_AT_MOST_ONE),
    MD_OPTIONS(pretrain_options),
    .notes =
        "It is mudepth run with weights=scratch: the cell of the run is where mudepth run puts "
        "it, and mudepth help config lists the keys. Of a run that diverged no weights are "
        "written. Without CONFIG.yaml it is " PRETRAIN_CONFIG
        ", which trains on the synthetic source world.",
    .examples = "  mudepth pretrain -o source.h5\n"
                "  mudepth pretrain data.world=road data.seed=7 -o road.h5\n"
                "  mudepth pretrain data.set=micro data.root=micro-tartanair data.val=val "
                "data.test=test \\\n      -o tartanair.h5",
    .run = pretrain};
