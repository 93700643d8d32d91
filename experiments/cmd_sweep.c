/* mudepth sweep, resume, rerun and status: many runs from one file, in one folder, however often
 * interrupted, on this machine or through Slurm. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../datasets/file.h"
#include "cmd_sweep.h"

#define DEFAULT_FOLDER "results/runs"
enum { MOST_WORKERS = 256, MOST_SECONDS = 1000000, MOST_TASKS = 4000000 };

struct options {
    const char *output; /* NULL: DEFAULT_FOLDER/CONFIG-HASH */
    int dry_run, json, slurm;
    struct md_work work;
    struct md_array array;
};

/* Everything about one call. */
struct call {
    struct options options;
    struct md_session session;
};

/* ---- options --------------------------------------------------------------------------------- */

/* Which command takes an option. */
enum { SWEEP = 1, RESUME = 2, RERUN = 4, STATUS = 8, MAKING = SWEEP | RESUME | RERUN };
static const struct {
    struct option option;
    int commands;
} all_options[] = {
    {{"output", required_argument, NULL, 'o'}, SWEEP},
    {{"dry-run", no_argument, NULL, 'n'}, SWEEP},
    {{"slurm", no_argument, NULL, 's'}, SWEEP | RESUME},
    {{"array-size", required_argument, NULL, 'a'}, SWEEP | RESUME},
    {{"task", required_argument, NULL, 't'}, RESUME},
    {{"failed", no_argument, NULL, 'f'}, RERUN},
    {{"jobs", required_argument, NULL, 'j'}, MAKING},
    {{"checkpoint", required_argument, NULL, 'c'}, MAKING},
    {{"json", no_argument, NULL, 'J'}, MAKING | STATUS},
};
enum { ALL_OPTIONS = sizeof all_options / sizeof all_options[0] };

/* "2/8": the third of eight */
static int parse_task(const char *text, struct md_work *work, struct md_error *error) {
    int64_t task = -1, tasks = -1;
    const char *rest = md_parse_integer(text, &task);
    if (rest != NULL && *rest == '/')
        rest = md_parse_integer(rest + 1, &tasks);
    if (rest == NULL || *rest != '\0' || tasks < 1 || tasks > MOST_TASKS || task < 0 ||
        task >= tasks)
        return md_fail(error, MD_USAGE,
                       "--task: expected K/N with K from 0 to N - 1, found \"%.100s\"", text);
    work->task = (int)task;
    work->tasks = (int)tasks;
    return MD_OK;
}

static int take_option(int c, struct options *options, struct md_error *error) {
    switch (c) {
    case 'o':
        options->output = optarg;
        return MD_OK;
    case 'n':
        options->dry_run = 1;
        return MD_OK;
    case 's':
        options->slurm = 1;
        return MD_OK;
    case 'f':
        options->work.only_failed = 1;
        return MD_OK;
    case 'J':
        options->json = 1;
        return MD_OK;
    case 't':
        return parse_task(optarg, &options->work, error);
    case 'a':
        return md_option_whole("--array-size", optarg, 1, MOST_TASKS, &options->array.size, error);
    case 'j':
        return md_option_whole("--jobs", optarg, 1, MOST_WORKERS, &options->work.workers, error);
    case 'c':
        return md_option_whole("--checkpoint", optarg, 0, MOST_SECONDS,
                               &options->work.checkpoint_seconds, error);
    default:
        return MD_USAGE; /* md_next_option has said it */
    }
}

/* What belongs to Slurm and what does not. */
static int check_options(const struct options *o, struct md_error *error) {
    if (!o->slurm && (o->array.size > 0 || o->array.options != NULL))
        return md_fail(error, MD_USAGE, "%s: only with --slurm",
                       o->array.size > 0 ? "--array-size" : "options of sbatch (behind --)");
    if (o->slurm && (o->dry_run || o->work.tasks > 0))
        return md_fail(error, MD_USAGE, "--slurm: not with %s",
                       o->dry_run ? "--dry-run, which changes nothing" : "--task");
    if (o->json && o->work.tasks > 0)
        return md_fail(error, MD_USAGE, "--json: not with --task, which does not report");
    return MD_OK;
}

/* Reads the options of `command`; optind is then at the other words, *argc behind them. */
static int parse(int command, int *argc, char **argv, struct call *call, struct md_error *error) {
    struct option options[ALL_OPTIONS + 1] = {{0}};
    const char *letters = command == SWEEP ? ":o:j:" : command == STATUS ? ":" : ":j:";
    int count = 0, status = MD_OK;
    for (int i = 0; i < ALL_OPTIONS; i++)
        if ((all_options[i].commands & command) != 0)
            options[count++] = all_options[i].option;
    call->options =
        (struct options){.work = {.workers = 1, .checkpoint_seconds = MD_CHECKPOINT_SECONDS}};
    struct md_array *array = &call->options.array;
    for (int i = 1; i < *argc && array->options == NULL; i++)
        if (strcmp(argv[i], "--") == 0) {
            array->options = argv + i + 1;
            array->option_count = (size_t)(*argc - i - 1);
            *argc = i;
        }
    int c;
    while (status == MD_OK && (c = md_next_option(*argc, argv, letters, options, error)) != -1)
        status = take_option(c, &call->options, error);
    md_command_line(*argc, argv, call->session.command, sizeof call->session.command);
    return status == MD_OK ? check_options(&call->options, error) : status;
}

/* ---- the folder ------------------------------------------------------------------------------ */

static int set_folder(struct md_session *session, int length, struct md_error *error) {
    if (length >= (int)sizeof session->folder)
        return md_fail(error, MD_USAGE, "%.200s...: the path is too long", session->folder);
    if (length == 0)
        return md_fail(error, MD_USAGE, "expected the name of a folder, found an empty one");
    return MD_OK;
}

/* As given, or named after the config and its grid. */
static int name_folder(struct md_session *session, const char *given, const char *config,
                       struct md_error *error) {
    const char *slash = strrchr(config, '/');
    const char *stem = slash != NULL ? slash + 1 : config;
    const char *dot = strrchr(stem, '.');
    int length = dot != NULL ? (int)(dot - stem) : (int)strlen(stem);
    return set_folder(session,
                      given != NULL
                          ? snprintf(session->folder, sizeof session->folder, "%s", given)
                          : snprintf(session->folder, sizeof session->folder,
                                     DEFAULT_FOLDER "/%.*s-%.8s", length, stem, session->grid.hash),
                      error);
}

/* The only word is a folder with a frozen grid. */
static int take_folder(int argc, char **argv, struct md_session *session, struct md_error *error) {
    if (optind + 1 != argc)
        return md_fail(error, MD_USAGE, "expected one folder; see mudepth %s --help", argv[0]);
    int status = set_folder(
        session, snprintf(session->folder, sizeof session->folder, "%s", argv[optind]), error);
    return status == MD_OK ? md_sweep_grid(session->folder, &session->grid, error) : status;
}

int md_session_look(struct md_session *session, int briefly, struct md_error *error) {
    size_t count = session->grid.count;
    if (session->looks == NULL)
        session->looks = calloc(count, sizeof *session->looks);
    if (session->looks == NULL)
        return md_fail(error, MD_FAILED, "out of memory");
    int status = MD_OK;
    for (size_t i = 0; i < count && status == MD_OK; i++)
        if (briefly)
            session->looks[i].state = md_sweep_state(&session->sweep, i);
        else
            status = md_sweep_look(&session->sweep, i, &session->looks[i], error);
    return status;
}

/* Missing weights would let every cell fail that starts from them. */
static int check_weights(const struct md_grid *grid, struct md_error *error) {
    for (size_t i = 0; i < grid->count; i++) {
        const char *weights = grid->cells[i].config.weights;
        if (strcmp(weights, "scratch") != 0 && access(weights, R_OK) != 0)
            return md_fail(error, MD_FAILED, "weights: %.400s: %s", weights, strerror(errno));
    }
    return MD_OK;
}

/* ---- the commands ---------------------------------------------------------------------------- */

/* Makes what is not there, or has Slurm do so. */
static int make(struct call *call, struct md_error *error) {
    struct md_session *session = &call->session;
    const struct md_work *work = &call->options.work;
    int status = check_weights(&session->grid, error);
    if (status == MD_OK)
        status = md_make_folder(session->folder, error);
    if (status == MD_OK)
        status = md_sweep_enter(&session->sweep, error);
    if (status == MD_OK && !session->sweep.has_locks)
        fprintf(stderr,
                "note: %.400s: this file system has no locks: when several sweeps work here, some "
                "cells may be made twice\n",
                session->folder);
    if (status == MD_OK)
        status = md_session_look(session, work->tasks > 0, error);
    if (status == MD_OK && call->options.slurm)
        return md_session_submit(session, work, &call->options.array, call->options.json, error);
    if (status != MD_OK)
        return status;
    int made = md_session_work(session, work, error);
    if (work->tasks > 0) /* all others would say the same */
        return made;
    struct md_error problem;
    status = md_session_look(session, 0, &problem);
    if (status == MD_OK)
        status = md_session_report(session, 0, call->options.json, &problem);
    if (made == MD_OK && status != MD_OK)
        *error = problem;
    return made != MD_OK ? made : status;
}

static int dry_run(struct call *call, struct md_error *error) {
    struct md_session *session = &call->session;
    int status = md_sweep_visit(&session->sweep, error);
    if (status == MD_OK)
        status = md_session_look(session, 0, error);
    if (status == MD_OK)
        status = md_session_estimate(session, error);
    return status == MD_OK ? md_session_report(session, 1, call->options.json, error) : status;
}

static int sweep(int argc, char **argv, struct call *call, struct md_error *error) {
    struct md_session *session = &call->session;
    int status = parse(SWEEP, &argc, argv, call, error);
    if (status == MD_OK && optind >= argc)
        status = md_fail(error, MD_USAGE, "expected a sweep file; see mudepth sweep --help");
    if (status == MD_OK)
        status =
            md_grid_read(argv[optind], argc - optind - 1, argv + optind + 1, &session->grid, error);
    if (status == MD_OK)
        status = name_folder(session, call->options.output, argv[optind], error);
    if (status == MD_OK && session->grid.repeated > 0)
        fprintf(stderr, "note: %zu more cells are the same runs as others and count once\n",
                session->grid.repeated);
    if (status != MD_OK)
        return status;
    return call->options.dry_run ? dry_run(call, error) : make(call, error);
}

static int resume(int argc, char **argv, struct call *call, struct md_error *error) {
    int status = parse(RESUME, &argc, argv, call, error);
    if (status == MD_OK)
        status = take_folder(argc, argv, &call->session, error);
    return status == MD_OK ? make(call, error) : status;
}

static int rerun(int argc, char **argv, struct call *call, struct md_error *error) {
    int status = parse(RERUN, &argc, argv, call, error);
    if (status == MD_OK && !call->options.work.only_failed)
        status = md_fail(error, MD_USAGE, "expected --failed; see mudepth rerun --help");
    if (status == MD_OK)
        status = take_folder(argc, argv, &call->session, error);
    return status == MD_OK ? make(call, error) : status;
}

static int status_of(int argc, char **argv, struct call *call, struct md_error *error) {
    struct md_session *session = &call->session;
    int status = parse(STATUS, &argc, argv, call, error);
    if (status == MD_OK)
        status = take_folder(argc, argv, session, error);
    if (status == MD_OK)
        status = md_sweep_visit(&session->sweep, error);
    if (status == MD_OK)
        status = md_session_look(session, 0, error);
    return status == MD_OK ? md_session_report(session, 1, call->options.json, error) : status;
}

/* Opens a call, makes it, and closes it. */
static int with_call(int (*make_call)(int argc, char **argv, struct call *call,
                                      struct md_error *error),
                     int argc, char **argv, struct md_error *error) {
    struct call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return md_fail(error, MD_FAILED, "out of memory");
    struct md_session *session = &call->session;
    session->sweep =
        (struct md_sweep){.folder = session->folder, .grid = &session->grid, .lock = -1};
    int status = make_call(argc, argv, call, error);
    md_sweep_leave(&session->sweep);
    md_grid_free(&session->grid);
    free(session->looks);
    free(session->costs);
    free(call);
    return status;
}

static int run_sweep(int argc, char **argv, struct md_error *error) {
    return with_call(sweep, argc, argv, error);
}
static int run_resume(int argc, char **argv, struct md_error *error) {
    return with_call(resume, argc, argv, error);
}
static int run_rerun(int argc, char **argv, struct md_error *error) {
    return with_call(rerun, argc, argv, error);
}
static int run_status(int argc, char **argv, struct md_error *error) {
    return with_call(status_of, argc, argv, error);
}

#define MAKING_HELP                                                                                \
    "  -j, --jobs N      worker processes (default 1)\n"                                           \
    "      --checkpoint SECONDS\n"                                                                 \
    "                    between two checkpoints of a cell (default 60; 0: after every step)\n"    \
    "      --json        print the cells as JSON\n"
#define SLURM_HELP                                                                                 \
    "      --slurm       hand the cells to Slurm, as a job array, and return; behind -- may "      \
    "stand\n"                                                                                      \
    "                    options of sbatch\n"                                                      \
    "      --array-size N\n"                                                                       \
    "                    tasks of the array (default: one per cell to make, at most 1000)\n"

const struct md_command md_command_sweep = {
    "sweep", "make many runs: every combination of a file's values, each a cell in one folder",
    "CONFIG.yaml [KEY=VALUE ...] [options] [-- SBATCH-OPTION ...]\n\n"
    "  -o, --output DIR  folder of the cells (default " DEFAULT_FOLDER "/CONFIG-HASH)\n"
    "      --dry-run     say what is there and what the rest costs; changes nothing\n" MAKING_HELP
        SLURM_HELP "\nCONFIG.yaml is a config with these keys more:\n\n"
    "  sweep: {policy: [d0, full], data.fraction: [10, 100], seed: 0..4}   every combination\n"
    "  also: [{policy: full, lr: 0.01, seed: 0..4}]                        cells beside them\n"
    "  except: [{policy: full, data.fraction: 100}]                        cells to leave out\n\n"
    "KEY=VALUE wins over all of them. A combination in which a key of the cell has no effect, such "
    "as\n"
    "momentum with optimizer: adam, is an error: except leaves it out. Cells that do not fit into\n"
    "their budget_kb are marked as unfit, with what they need, and never run. The whole grid is "
    "checked "
    "and written to DIR/sweep.yaml\n"
    "before the first run; a folder with another grid is refused. From then on mudepth resume DIR\n"
    "does what the same command again does: finished cells stay, interrupted ones go on from "
    "their\n"
    "checkpoints to the same bits, failed ones (DIR/CELL.error says why) are tried again. A run "
    "that\n"
    "diverged has not failed: its cell is done and says so, and would come out the same again.\n"
    "Several sweeps may work in one folder at once. Ctrl-C lets the workers finish their step and\n"
    "leave checkpoints.\n\n"
    "With --slurm every task runs mudepth resume DIR and takes cells until none is left; DIR and\n"
    "this program must be there on all nodes under the same path. Logs: DIR/slurm-JOB_TASK.log. A\n"
    "task that is preempted leaves a checkpoint and comes back; the sum of processors is\n"
    "threads x N of -j. Cells that fail are left alone until the next sweep, resume or rerun.\n\n"
    "examples:\n"
    "  mudepth sweep configs/sweep_demo.yaml -j 2\n"
    "  mudepth sweep configs/sweep_demo.yaml epochs=10 -o results/runs/longer --dry-run\n"
    "  mudepth sweep configs/sweep_demo.yaml -o /shared/demo --slurm -- --time=30 --partition=cpu\n"
    "  mudepth query results/runs/longer\n",
    NULL, run_sweep};

const struct md_command md_command_resume = {
    "resume", "go on with a sweep: make the cells that are not done",
    "DIR [options] [-- SBATCH-OPTION ...]\n\n" MAKING_HELP SLURM_HELP
    "      --task K/N    this is one of N calls, numbered from 0, that share the work: it begins "
    "at\n"
    "                    another cell than the others, leaves alone what failed, and ends when\n"
    "                    nothing is left that nobody is making\n\n"
    "DIR is the folder of a sweep; all else is in it. Finished cells stay, interrupted ones go on\n"
    "from their checkpoints, failed ones are tried again, from their checkpoints too.\n\n"
    "examples:\n"
    "  mudepth resume results/runs/longer -j 2\n"
    "  mudepth resume /shared/longer --slurm --array-size 20 -- --time=60\n",
    NULL, run_resume};

const struct md_command md_command_rerun = {
    "rerun", "make the failed cells of a sweep again, from the beginning",
    "DIR --failed [options]\n\n"
    "      --failed      which cells; their checkpoints are dropped\n" MAKING_HELP "\nexample:\n"
    "  mudepth rerun results/runs/longer --failed -j 2\n",
    NULL, run_rerun};

const struct md_command md_command_status = {
    "status", "say which cells of a sweep are done, running, failed, interrupted, missing or unfit",
    "DIR [--json]\n\n"
    "      --json  print the cells as JSON\n\n"
    "DIR is the folder of a sweep. checkpoint: interrupted, the next sweep goes on from there. A\n"
    "cell whose run diverged (a loss or a weight became NaN, mudepth run --help) is done and says\n"
    "so; mudepth query counts it apart.\n\n"
    "example:\n"
    "  mudepth status results/runs/longer\n",
    NULL, run_status};
