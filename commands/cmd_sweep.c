/* mudepth sweep, resume, rerun and status: many runs from one file, in one folder, however often
 * interrupted, on this machine or through Slurm. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/file.h"
#include "../experiments/config.h"
#include "cmd_sweep.h"

enum { MOST_WORKERS = 256, MOST_SECONDS = 1000000, MOST_TASKS = 4000000 };

struct options {
    const char *output; /* NULL: MD_RUNS_FOLDER/CONFIG-HASH */
    int dry_run, json, slurm, failed, fail_fast;
    int retries, jobs, checkpoint_s, array_size;
    struct task {
        int number, all;
    } task;
};

/* ---- options --------------------------------------------------------------------------------- */

/* "2/8": the third of eight */
static int parse_task(const char *text, void *field, struct md_error *error) {
    struct task *parsed = field;
    int64_t task = -1, tasks = -1;
    const char *rest = md_parse_integer(text, &task);
    if (rest != NULL && *rest == '/')
        rest = md_parse_integer(rest + 1, &tasks);
    if (rest == NULL || *rest != '\0' || tasks < 1 || tasks > MOST_TASKS || task < 0 ||
        task >= tasks)
        return md_fail(error, MD_USAGE, "expected K/N with K from 0 to N - 1, found \"%.100s\"",
                       text);
    *parsed = (struct task){(int)task, (int)tasks};
    return MD_OK;
}

/* ---- the folder ------------------------------------------------------------------------------ */

/* As given, or named after the config and its grid. */
static int name_folder(struct md_session *session, const char *given, const char *config,
                       struct md_error *error) {
    if (given != NULL && given[0] == '\0')
        return md_fail(error, MD_USAGE, "expected the name of a folder, found an empty one");
    return md_output_path(session->folder, sizeof session->folder, given, config,
                          session->grid.hash, "", error);
}

/* Opens the folder that the only word names, with its frozen grid. */
static int open_folder(const struct md_invocation *call, struct md_session *session,
                       struct md_error *error) {
    MD_TRY(name_folder(session, call->words[0], "", error));
    return md_sweep_grid(session->folder, &session->grid, error);
}

int md_session_inspect(struct md_session *session, int briefly, struct md_error *error) {
    size_t count = session->grid.count;
    if (session->statuses == NULL)
        session->statuses = calloc(count, sizeof *session->statuses);
    MD_TRY(md_check_memory(session->statuses != NULL, error));
    int status = MD_OK;
    for (size_t i = 0; i < count && status == MD_OK; i++)
        if (briefly)
            session->statuses[i].state = md_sweep_state(&session->sweep, i);
        else
            status = md_sweep_inspect(&session->sweep, i, &session->statuses[i], error);
    return status;
}

static int check_path(const char *key, const char *path, struct md_error *error) {
    return path[0] == '\0' || access(path, R_OK) == 0
               ? MD_OK
               : md_fail(error, MD_FAILED, "%s: %.400s: %s", key, path, strerror(errno));
}

/* Fails when weights or data are missing: every cell that needs them would fail. */
static int check_paths(const struct md_grid *grid, struct md_error *error) {
    for (size_t i = 0; i < grid->count; i++) {
        const struct md_config *config = &grid->cells[i].config;
        int has_weights = strcmp(config->weights, "scratch") != 0;
        const struct {
            const char *key, *path;
        } paths[] = {{"weights", has_weights ? config->weights : ""},
                     {"teacher", config->teacher},
                     {"data.root", config->data.root},
                     {"data.train.root", config->train_root},
                     {"data.val.root", config->val_root},
                     {"data.test.root", config->test_root}};
        for (size_t p = 0; p < sizeof paths / sizeof paths[0]; p++)
            MD_TRY(check_path(paths[p].key, paths[p].path, error));
    }
    return MD_OK;
}

/* Says when the folder was begun with other names of what counts by its contents: whoever resumes
 * it goes on with those. */
static void note_moved(const struct md_session *session) {
    char name[MD_CONFIG_NAME_SIZE], was[MD_CONFIG_VALUE_SIZE], is[MD_CONFIG_VALUE_SIZE];
    struct md_grid frozen;
    struct md_error ignored; /* md_sweep_enter has reported it */
    if (md_sweep_grid(session->folder, &frozen, &ignored) != MD_OK)
        return;
    for (int key = 0; md_config_key(key, name) == 0; key++) {
        const struct md_config *a = &frozen.cells[0].config, *b = &session->grid.cells[0].config;
        if (!md_config_by_digest(key) || md_config_order(a, b, key) == 0)
            continue;
        md_config_value(a, key, was);
        md_config_value(b, key, is);
        md_note("%.400s was begun with %s: %.400s, and here it is %.400s: other contents would "
                "make cells that do not belong together; mudepth resume goes on with the former",
                session->folder, name, was, is);
    }
    md_grid_free(&frozen);
}

/* ---- the commands ---------------------------------------------------------------------------- */

/* Makes what is not there, or has Slurm do so. */
static int make(const struct md_invocation *call, struct md_session *session,
                struct md_error *error) {
    const struct options *o = call->options;
    const struct md_work work = {.workers = o->jobs,
                                 .checkpoint_s = o->checkpoint_s,
                                 .only_failed = o->failed,
                                 .fail_fast = o->fail_fast,
                                 .retries = o->retries,
                                 .task = o->task.number,
                                 .tasks = o->task.all};
    const struct md_array array = {o->array_size, (size_t)call->rest_count, call->rest};
    int status = check_paths(&session->grid, error);
    MD_THEN(status, md_make_folder(session->folder, error));
    MD_THEN(status, md_sweep_enter(&session->sweep, error));
    if (status == MD_OK)
        note_moved(session);
    if (status == MD_OK && !session->sweep.has_locks)
        md_note("%.400s: this file system has no locks: when several sweeps work here, some "
                "cells may be made twice",
                session->folder);
    MD_THEN(status, md_session_inspect(session, work.tasks > 0, error));
    if (status == MD_OK && o->slurm)
        return md_session_submit(session, &work, &array, o->json, error);
    if (status != MD_OK)
        return status;
    int made = md_session_work(session, &work, error);
    if (work.tasks > 0) /* other tasks would report the same */
        return made;
    struct md_error problem;
    status = md_session_inspect(session, 0, &problem);
    MD_THEN(status, md_session_report(session, 0, o->jobs, o->json, &problem));
    if (made == MD_OK && status != MD_OK)
        *error = problem;
    return made != MD_OK ? made : status;
}

/* Reports the state of all cells, and with `estimates` what the rest costs. */
static int show_status(const struct md_invocation *call, struct md_session *session, int estimates,
                       struct md_error *error) {
    const struct options *o = call->options;
    MD_TRY(md_sweep_visit(&session->sweep, error));
    MD_TRY(md_session_inspect(session, 0, error));
    if (estimates)
        MD_TRY(md_session_estimate(session, error));
    int all = !estimates || md_verbosity > 0;
    return md_session_report(session, all, o->jobs, o->json, error);
}

static int sweep(const struct md_invocation *call, struct md_session *session,
                 struct md_error *error) {
    const struct options *o = call->options;
    int status =
        md_grid_read(call->words[0], call->count - 1, call->words + 1, &session->grid, error);
    MD_THEN(status, name_folder(session, o->output, call->words[0], error));
    if (status == MD_OK && session->grid.repeated > 0)
        md_note("%zu more cells are the same runs as others and count once",
                session->grid.repeated);
    if (status != MD_OK)
        return status;
    return o->dry_run ? show_status(call, session, 1, error) : make(call, session, error);
}

static int resume(const struct md_invocation *call, struct md_session *session,
                  struct md_error *error) {
    MD_TRY(open_folder(call, session, error));
    return make(call, session, error);
}

static int status_of(const struct md_invocation *call, struct md_session *session,
                     struct md_error *error) {
    MD_TRY(open_folder(call, session, error));
    return show_status(call, session, 0, error);
}

/* Opens a session, works in it, and closes it. */
static int with_session(int (*work)(const struct md_invocation *call, struct md_session *session,
                                    struct md_error *error),
                        const struct md_invocation *call, struct md_error *error) {
    struct md_session *session = calloc(1, sizeof *session);
    MD_TRY(md_check_memory(session != NULL, error));
    memcpy(session->command, call->line, sizeof session->command);
    session->sweep =
        (struct md_sweep){.folder = session->folder, .grid = &session->grid, .lock = -1};
    int status = work(call, session, error);
    md_sweep_leave(&session->sweep);
    md_grid_free(&session->grid);
    free(session->statuses);
    free(session->costs);
    free(session);
    return status;
}

static int run_sweep(const struct md_invocation *call, struct md_error *error) {
    return with_session(sweep, call, error);
}
static int run_resume(const struct md_invocation *call, struct md_error *error) {
    return with_session(resume, call, error);
}
static int run_status(const struct md_invocation *call, struct md_error *error) {
    return with_session(status_of, call, error);
}

/* ---- the commands' tables -------------------------------------------------------------------- */

/* What all that make cells take, and those that can hand them to Slurm. */
#define MAKING_OPTIONS(EXCLUDES)                                                                   \
    MD_OPT("jobs", 'j', WHOLE, jobs, "N", "worker processes", .preset = "1", .low = 1,             \
           .high = MOST_WORKERS),                                                                  \
        MD_OPT("checkpoint", 0, WHOLE, checkpoint_s, "SECONDS",                                    \
               "between two checkpoints of a cell; -1: as checkpoint_s of its config says",        \
               .preset = "-1", .low = -1, .high = MOST_SECONDS),                                   \
        MD_OPT("fail-fast", 0, FLAG, fail_fast, NULL,                                              \
               "stop at the first cell that fails: the others leave checkpoints",                  \
               .excludes = EXCLUDES),                                                              \
        MD_OPT("retries", 0, WHOLE, retries, "N",                                                  \
               "try a cell that fails so many times more, from its checkpoint", .low = 0,          \
               .high = 100, .excludes = EXCLUDES),                                                 \
        CELLS_OPTION
#define CELLS_OPTION MD_OPT("json", 0, FLAG, json, NULL, "print the cells as JSON")
#define SLURM_OPTIONS(EXCLUDES)                                                                    \
    MD_OPT("slurm", 0, FLAG, slurm, NULL,                                                          \
           "hand the cells to Slurm, as a job array, and return; behind -- may stand options of "  \
           "sbatch",                                                                               \
           .excludes = EXCLUDES),                                                                  \
        MD_OPT("array-size", 0, WHOLE, array_size, "N",                                            \
               "tasks of the array (default: one per cell to make, at most 1000)", .low = 1,       \
               .high = MOST_TASKS, .needs = "slurm")

static const struct md_option sweep_options[] = {
    MD_OPT("output", 'o', PATH, output, "DIR",
           "folder of the cells (default " MD_RUNS_FOLDER "/CONFIG-HASH)"),
    MD_OPT("dry-run", 0, FLAG, dry_run, NULL,
           "say what is there and what the rest costs (-v: of every cell); changes nothing",
           .excludes = "checkpoint"),
    MAKING_OPTIONS("dry-run, slurm"),
    SLURM_OPTIONS("dry-run"),
    {0}};
static const struct md_option resume_options[] = {
    MAKING_OPTIONS("slurm, task"),
    SLURM_OPTIONS("task"),
    MD_OPT("task", 0, OWN, task, "K/N",
           "this is one of N calls, numbered from 0, that share the work: it begins at another "
           "cell than the others, leaves alone what failed, and ends when nothing is left that "
           "nobody is making",
           .parse = parse_task, .excludes = "json"),
    {0}};
static const struct md_option rerun_options[] = {
    MD_OPT("failed", 0, FLAG, failed, NULL, "which cells; their checkpoints are dropped",
           .is_required = 1),
    MAKING_OPTIONS(NULL),
    {0}};
static const struct md_option status_options[] = {CELLS_OPTION, {0}};

const struct md_command md_command_sweep = {
    .name = "sweep",
    .summary = "make many runs: every combination of a file's values, each a cell in one folder",
    MD_CONFIG_WORDS(MD_ONE),
    MD_OPTIONS(sweep_options),
    .rest = "SBATCH-OPTION",
    .rest_needs = "slurm",
    .notes =
        "CONFIG.yaml is a config (mudepth help config) with these keys more:\n"
        "  sweep: {policy: [d0, full], data.fraction: [10, 100], seed: 0..4}   every combination\n"
        "  also: [{policy: full, lr: 0.01, seed: 0..4}]                        cells beside them\n"
        "  except: [{policy: full, data.fraction: 100}]                        cells to leave out\n"
        "KEY=VALUE wins over all of them, and may have several values too: policy=d0,full "
        "seed=0..4 makes every combination, also of a config without sweep. A combination in which "
        "a key of the cell has no effect, "
        "such as momentum with optimizer: adam, is an error: except leaves it out. Cells that do "
        "not fit into their budget_kb are marked as unfit, with what they need, and never run. The "
        "whole grid is checked and written to DIR/sweep.yaml before the first run; a folder with "
        "another grid is refused. From then on mudepth resume DIR does what the same command again "
        "does: finished cells stay, interrupted ones go on from their checkpoints to the same "
        "bits, failed ones (DIR/CELL.error says why) are tried again. A run that diverged has not "
        "failed: its cell is done and says so, and would come out the same again. Several sweeps "
        "may work in one folder at once. Ctrl-C lets the workers finish their step and leave "
        "checkpoints.\n"
        "With --slurm every task runs mudepth resume DIR and takes cells until none is left; DIR "
        "and this program must be there on all nodes under the same path. Logs: "
        "DIR/slurm-JOB_TASK.log. A task that is preempted leaves a checkpoint and comes back; the "
        "sum of processors is threads x N of -j. Cells that fail are left alone until the next "
        "sweep, resume or rerun.",
    .examples =
        "  mudepth sweep configs/sweep_demo.yaml -j 2\n"
        "  mudepth sweep configs/demo.yaml policy=d0,full seed=0..4 --retries 1\n"
        "  mudepth sweep configs/sweep_demo.yaml epochs=10 -o results/runs/longer --dry-run\n"
        "  mudepth sweep configs/sweep_demo.yaml -o /shared/demo --slurm -- --time=30 "
        "--partition=cpu\n"
        "  mudepth query results/runs/longer",
    .run = run_sweep};

const struct md_command md_command_resume = {
    .name = "resume",
    .summary = "go on with a sweep: make the cells that are not done",
    .words = {{"DIR", MD_WORD_PATH, MD_ONE, NULL}},
    MD_OPTIONS(resume_options),
    .rest = "SBATCH-OPTION",
    .rest_needs = "slurm",
    .notes = "DIR is the folder of a sweep; all else is in it. Finished cells stay, interrupted "
             "ones go on from their checkpoints, failed ones are tried again, from their "
             "checkpoints too.",
    .examples = "  mudepth resume results/runs/longer -j 2\n"
                "  mudepth resume /shared/longer --slurm --array-size 20 -- --time=60",
    .run = run_resume};

const struct md_command md_command_rerun = {
    .name = "rerun",
    .summary = "make the failed cells of a sweep again, from the beginning",
    .words = {{"DIR", MD_WORD_PATH, MD_ONE, NULL}},
    MD_OPTIONS(rerun_options),
    .examples = "  mudepth rerun results/runs/longer --failed -j 2",
    .run = run_resume};

const struct md_command md_command_status = {
    .name = "status",
    .summary =
        "say which cells of a sweep are done, running, failed, interrupted, missing or unfit",
    .words = {{"DIR", MD_WORD_PATH, MD_ONE, NULL}},
    MD_OPTIONS(status_options),
    .notes = "DIR is the folder of a sweep. Of cells that are running it says how far they are. "
             "checkpoint: interrupted, the next sweep goes on from "
             "there. A cell whose run diverged (a loss or a weight became NaN, mudepth run --help) "
             "is done and says so; mudepth query counts it apart.",
    .examples = "  mudepth status results/runs/longer",
    .run = run_status};
