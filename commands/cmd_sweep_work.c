/* Making a sweep's cells: worker processes, and what is said meanwhile. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cmd_sweep.h"
#include "status_lines.h"
#include "worker_pool.h"

/* Of the cells that this call is to make. */
enum state { NOT_OURS, WAITING, WORKING, OVER };

/* Of a worker. FOUND: made by somebody else; LEFT: failed by somebody else; BUSY: somebody else is
 * at it. */
enum result { MADE = 10, FOUND, FAILED, STOPPED, BUSY, LEFT };

struct scheduler {
    struct md_session *session;
    struct md_work work;
    enum state *states;        /* one per cell */
    int *failures;             /* one per cell: how often it failed */
    int gives_up;              /* a cell failed, and that is enough */
    size_t first;              /* the cell to begin with */
    size_t wanted, over, made; /* cells to make; that were tried; that succeeded */
    double began, drawn;       /* seconds */
    struct md_status_lines status_lines;
};

/* ---- a worker -------------------------------------------------------------------------------- */

struct reporter {
    struct md_worker_state *state;
    const struct md_sweep *sweep;
    size_t cell;
    double reported; /* when the progress was last written to the folder, seconds; 0: not yet */
};

static int report_progress(void *context, const struct md_run_progress *progress) {
    static const double between_s = 1.0;
    struct reporter *reporter = context;
    double now = md_seconds_now();
    reporter->state->progress = *progress;
    if (strcmp(progress->what, "training") == 0 &&
        (reporter->reported == 0.0 || now - reporter->reported >= between_s)) {
        char text[MD_PROGRESS_SIZE];
        md_progress_text(progress, ", ", text);
        md_sweep_write_progress(reporter->sweep, reporter->cell, text);
        reporter->reported = now;
    }
    if (md_worker_stops(reporter->state))
        md_stop_requested = 1;
    return md_stop_requested != 0;
}

static int run_cell(const struct scheduler *scheduler, size_t i, struct md_worker_state *state) {
    const struct md_session *session = scheduler->session;
    char path[sizeof session->folder + MD_CELL_NAME_SIZE];
    struct reporter reporter = {state, &session->sweep, i, 0.0};
    MD_TRY(md_sweep_path(&session->sweep, i, ".h5", path, sizeof path, &state->error));
    MD_TRY(md_sweep_forget(&session->sweep, i, scheduler->work.only_failed, &state->error));
    const struct md_config *config = &session->grid.cells[i].config;
    const struct md_cell_job job = {.config = config,
                                    .path = path,
                                    .command = session->command,
                                    .report = report_progress,
                                    .context = &reporter,
                                    .checkpoint_s = scheduler->work.checkpoint_s >= 0
                                                        ? scheduler->work.checkpoint_s
                                                        : config->checkpoint_s};
    return md_run_cell(&job, &state->error);
}

/* A worker makes one cell. Without locks somebody else may have made it meanwhile. */
static int make_cell(void *context, size_t i, struct md_worker_state *state) {
    const struct scheduler *scheduler = context;
    const struct md_sweep *sweep = &scheduler->session->sweep;
    struct md_cell_status cell_status;
    struct md_error ignored; /* the sweep itself reports the failure too */
    if (!md_sweep_lock(sweep, i))
        return BUSY;
    md_sweep_write_progress(sweep, i, "");
    if (md_sweep_inspect(sweep, i, &cell_status, &state->error) != MD_OK)
        return FAILED;
    if (cell_status.state == MD_DONE)
        return FOUND;
    if (cell_status.state == MD_FAILURE && scheduler->work.tasks > 0)
        return LEFT;
    if (run_cell(scheduler, i, state) == MD_OK)
        return MADE;
    if (md_stop_requested)
        return STOPPED;
    if (md_sweep_inspect(sweep, i, &cell_status, &ignored) == MD_OK && cell_status.state == MD_DONE)
        return FOUND;
    md_sweep_record(sweep, i, state->error.text, &ignored);
    return FAILED;
}

/* ---- what is said ---------------------------------------------------------------------------- */

/* A line per running cell, as many as fit on the terminal, and one about all. */
static void print_table(const struct scheduler *scheduler, const struct md_pool *pool, FILE *to) {
    int lines_left = scheduler->status_lines.rows - 2 - (md_stop_requested != 0);
    double part = 0.0;
    char text[MD_PROGRESS_SIZE], left_text[MD_DURATION_SIZE];
    for (size_t w = 0; w < pool->size; w++) {
        const struct md_worker_state *state = &pool->states[w];
        if (pool->pids[w] == 0)
            continue;
        if (strcmp(state->progress.what, "training") == 0 && state->progress.all > 0.0)
            part += state->progress.done / state->progress.all;
        if (lines_left-- <= 0)
            continue;
        const struct md_run_progress now = state->progress;
        md_progress_text(&now, ", ", text);
        /* Of a name that is too long its beginning says more than its hash. */
        const char *name = scheduler->session->grid.cells[pool->jobs[w]].name;
        int width = scheduler->status_lines.columns - 3 - (int)strlen(text);
        fprintf(to, "%.*s  %s\n", width > 8 ? width : 8, name, text);
    }
    double done = (double)scheduler->over + part, left = (double)scheduler->wanted - done;
    fprintf(to, "%zu of %zu cells done, %zu failed, %zu running", scheduler->made,
            scheduler->wanted, scheduler->over - scheduler->made, pool->busy);
    if (done > 0.0)
        fprintf(to, ", %s to go",
                md_duration((md_seconds_now() - scheduler->began) / done * left, left_text));
    fprintf(to, "\n");
}

static void show(struct scheduler *scheduler, const struct md_pool *pool) {
    double now = md_seconds_now();
    char *text = NULL;
    size_t size;
    if (!scheduler->status_lines.is_on || md_verbosity < 0 || now - scheduler->drawn < 0.2)
        return;
    FILE *to = open_memstream(&text, &size);
    if (to == NULL)
        return;
    scheduler->drawn = now;
    md_status_lines_measure(&scheduler->status_lines);
    print_table(scheduler, pool, to);
    if (fclose(to) == 0)
        md_status_lines_draw(&scheduler->status_lines, text);
    free(text);
}

/* A line for a cell that is over. On a terminal only for failures and runs that diverged: there is
 * the table. */
static void log_end(struct scheduler *scheduler, const struct md_pool_end *end) {
    const struct md_cell_status *cell_status = &scheduler->session->statuses[end->job];
    int done = end->result == MADE || end->result == FOUND;
    if ((scheduler->status_lines.is_on || md_verbosity < 0) && done && !cell_status->diverged)
        return;
    md_status_lines_clear(&scheduler->status_lines);
    fprintf(stderr, "[%zu/%zu] %s: ", scheduler->over, scheduler->wanted,
            scheduler->session->grid.cells[end->job].name);
    if (done) {
        char outcome[MD_OUTCOME_SIZE];
        md_session_outcome(cell_status, outcome);
        fprintf(stderr, "%s, %s\n", end->result == MADE ? "done" : "made by another sweep",
                outcome);
    } else
        fprintf(stderr, "%s%s\n", end->result == STOPPED ? "" : "failed: ", end->error.text);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int choose_cells(struct scheduler *scheduler, struct md_error *error) {
    const struct md_session *session = scheduler->session;
    size_t count = session->grid.count;
    scheduler->states = calloc(count, sizeof *scheduler->states);
    scheduler->failures = calloc(count, sizeof *scheduler->failures);
    MD_TRY(md_check_memory(scheduler->states != NULL && scheduler->failures != NULL, error));
    for (size_t i = 0; i < count; i++) {
        enum md_cell_state state = session->statuses[i].state;
        int failed = state == MD_FAILURE;
        if (state == MD_DONE || state == MD_UNFIT || (scheduler->work.only_failed && !failed) ||
            (scheduler->work.tasks > 0 && failed))
            continue;
        scheduler->states[i] = WAITING;
        scheduler->wanted++;
    }
    /* Tasks begin at different cells: they seldom ask for the same lock, and without locks they
     * seldom make the same cell. */
    if (scheduler->work.tasks > 0)
        scheduler->first =
            (size_t)((double)scheduler->work.task / scheduler->work.tasks * (double)count);
    return MD_OK;
}

/* Notes the end of a worker. */
static void finish(struct scheduler *scheduler, const struct md_pool_end *end) {
    const struct md_sweep *sweep = &scheduler->session->sweep;
    struct md_error error = {{0}};
    size_t i = end->job;
    scheduler->states[i] = WAITING;
    if (end->result == BUSY)
        return;
    if (end->result == LEFT) {
        scheduler->states[i] = NOT_OURS;
        scheduler->wanted--;
        return;
    }
    if (end->result == STOPPED || (end->result < MADE && md_stop_requested)) {
        log_end(scheduler, end);
        return;
    }
    int is_made = end->result == MADE || end->result == FOUND;
    if (!is_made && scheduler->failures[i]++ < scheduler->work.retries) {
        md_status_lines_clear(&scheduler->status_lines);
        md_note("%s: failed, and is tried again: %s", scheduler->session->grid.cells[i].name,
                end->error.text);
        return;
    }
    scheduler->gives_up |= !is_made && scheduler->work.fail_fast;
    if (end->result < MADE) /* a library, or a sanitizer, ended it */
        md_sweep_record(sweep, i, end->error.text, &error);
    scheduler->states[i] = OVER;
    scheduler->over++;
    scheduler->made += (size_t)is_made;
    md_sweep_inspect(sweep, i, &scheduler->session->statuses[i], &error);
    log_end(scheduler, end);
}

/* The next cell to make that nobody else is making; grid.count: there is none now. */
static size_t next_cell(const struct scheduler *scheduler) {
    size_t count = scheduler->session->grid.count;
    for (size_t k = 0; k < count; k++) {
        size_t i = (scheduler->first + k) % count;
        if (scheduler->states[i] == WAITING && !md_sweep_is_locked(&scheduler->session->sweep, i))
            return i;
    }
    return count;
}

/* Starts workers while there are cells and workers; 0: none is at work now. */
static int start_workers(struct scheduler *scheduler, struct md_pool *pool, struct md_error *error,
                         int *status) {
    size_t i = 0;
    while (*status == MD_OK && !md_stop_requested && !scheduler->gives_up &&
           pool->busy < pool->size && (i = next_cell(scheduler)) < scheduler->session->grid.count) {
        scheduler->states[i] = WORKING;
        *status = md_pool_start(pool, i, make_cell, scheduler, error);
    }
    return pool->busy > 0;
}

static int make_cells(struct scheduler *scheduler, struct md_error *error) {
    static const double poll_s = 0.2;
    struct md_pool pool;
    struct md_pool_end end;
    MD_TRY(md_pool_open((size_t)scheduler->work.workers, &pool, error));
    int status = MD_OK;
    scheduler->began = md_seconds_now();
    scheduler->status_lines = md_status_lines_open();
    while (status == MD_OK && scheduler->over < scheduler->wanted) {
        int waits_for_others =
            !md_stop_requested && !scheduler->gives_up && scheduler->work.tasks == 0;
        if (!start_workers(scheduler, &pool, error, &status) && !waits_for_others)
            break;
        if (md_stop_requested || scheduler->gives_up)
            md_pool_stop(&pool);
        if (md_pool_wait(&pool, poll_s, &end))
            finish(scheduler, &end);
        show(scheduler, &pool);
    }
    md_status_lines_clear(&scheduler->status_lines);
    md_pool_close(&pool);
    return status;
}

static int outcome(const struct scheduler *scheduler, struct md_error *error) {
    size_t failed = scheduler->over - scheduler->made, left = scheduler->wanted - scheduler->over;
    if (failed == 0 && (left == 0 || (scheduler->work.tasks > 0 && !md_stop_requested)))
        return MD_OK;
    return md_fail(error, MD_FAILED,
                   "%s%zu of %zu cells failed, %zu are left; mudepth resume %.400s goes on with "
                   "all of them",
                   md_stop_requested     ? "interrupted: "
                   : scheduler->gives_up ? "stopped at a failure: "
                                         : "",
                   failed, scheduler->wanted, left, scheduler->session->folder);
}

int md_session_work(struct md_session *session, const struct md_work *work,
                    struct md_error *error) {
    struct scheduler scheduler = {.session = session, .work = *work};
    md_sweep_tidy(&session->sweep);
    int status = choose_cells(&scheduler, error);
    MD_THEN(status, make_cells(&scheduler, error));
    free(scheduler.states);
    free(scheduler.failures);
    return status == MD_OK ? outcome(&scheduler, error) : status;
}
