/* Making a sweep's cells: worker processes, and what is said meanwhile. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cmd_sweep.h"
#include "crew.h"
#include "live.h"

/* Of the cells that this call is to make. */
enum state { NOT_OURS, WAITING, WORKING, OVER };

/* Of a worker. FOUND: made by somebody else; LEFT: failed by somebody else; BUSY: somebody else is
 * at it. */
enum result { MADE = 10, FOUND, FAILED, STOPPED, BUSY, LEFT };

struct shift {
    struct md_session *session;
    struct md_work work;
    enum state *states;        /* one per cell */
    int *failures;             /* one per cell: how often it failed */
    int gives_up;              /* a cell failed, and that is enough */
    size_t first;              /* the cell to begin with */
    size_t wanted, over, made; /* cells to make; that were tried; that succeeded */
    double began, drawn;       /* seconds */
    struct md_live live;
};

/* ---- a worker -------------------------------------------------------------------------------- */

struct teller {
    struct md_board *board;
    const struct md_sweep *sweep;
    size_t cell;
    double told; /* seconds, when all who look at the folder were told; 0: not yet */
};

static int tell(void *context, const struct md_run_progress *progress) {
    static const double between_s = 1.0;
    struct teller *teller = context;
    double now = md_seconds_now();
    teller->board->progress = *progress;
    if (strcmp(progress->what, "training") == 0 &&
        (teller->told == 0.0 || now - teller->told >= between_s)) {
        char text[MD_PROGRESS_SIZE];
        md_progress_text(progress, ", ", text);
        md_sweep_tell(teller->sweep, teller->cell, text);
        teller->told = now;
    }
    if (md_board_stops(teller->board))
        md_stop_requested = 1;
    return md_stop_requested != 0;
}

static int run_cell(const struct shift *shift, size_t i, struct md_board *board) {
    const struct md_session *session = shift->session;
    char path[sizeof session->folder + MD_CELL_NAME_SIZE];
    struct teller teller = {board, &session->sweep, i, 0.0};
    MD_TRY(md_sweep_path(&session->sweep, i, ".h5", path, sizeof path, &board->error));
    MD_TRY(md_sweep_forget(&session->sweep, i, shift->work.only_failed, &board->error));
    const struct md_config *config = &session->grid.cells[i].config;
    const struct md_cell_job job = {
        config,
        path,
        session->command,
        tell,
        &teller,
        shift->work.checkpoint_s >= 0 ? shift->work.checkpoint_s : config->checkpoint_s};
    return md_run_cell(&job, &board->error);
}

/* A worker makes one cell. Without locks somebody else may have made it meanwhile. */
static int make_cell(void *context, size_t i, struct md_board *board) {
    const struct shift *shift = context;
    const struct md_sweep *sweep = &shift->session->sweep;
    struct md_cell_look look;
    struct md_error ignored; /* the sweep itself reports the failure too */
    if (!md_sweep_lock(sweep, i))
        return BUSY;
    md_sweep_tell(sweep, i, "");
    if (md_sweep_look(sweep, i, &look, &board->error) != MD_OK)
        return FAILED;
    if (look.state == MD_DONE)
        return FOUND;
    if (look.state == MD_FAILURE && shift->work.tasks > 0)
        return LEFT;
    if (run_cell(shift, i, board) == MD_OK)
        return MADE;
    if (md_stop_requested)
        return STOPPED;
    if (md_sweep_look(sweep, i, &look, &ignored) == MD_OK && look.state == MD_DONE)
        return FOUND;
    md_sweep_record(sweep, i, board->error.text, &ignored);
    return FAILED;
}

/* ---- what is said ---------------------------------------------------------------------------- */

/* A line per running cell, as many as there is room for, and one about all. */
static void print_table(const struct shift *shift, const struct md_crew *crew, FILE *to) {
    int room = shift->live.rows - 2 - (md_stop_requested != 0);
    double part = 0.0;
    char text[MD_PROGRESS_SIZE], left_text[MD_DURATION_SIZE];
    for (size_t w = 0; w < crew->size; w++) {
        const struct md_board *board = &crew->boards[w];
        if (crew->workers[w] == 0)
            continue;
        if (strcmp(board->progress.what, "training") == 0 && board->progress.all > 0.0)
            part += board->progress.done / board->progress.all;
        if (room-- <= 0)
            continue;
        const struct md_run_progress now = board->progress;
        md_progress_text(&now, ", ", text);
        /* Of a name that is too long its beginning says more than its hash. */
        const char *name = shift->session->grid.cells[crew->jobs[w]].name;
        int width = shift->live.columns - 3 - (int)strlen(text);
        fprintf(to, "%.*s  %s\n", width > 8 ? width : 8, name, text);
    }
    double done = (double)shift->over + part, left = (double)shift->wanted - done;
    fprintf(to, "%zu of %zu cells done, %zu failed, %zu running", shift->made, shift->wanted,
            shift->over - shift->made, crew->busy);
    if (done > 0.0)
        fprintf(to, ", %s to go",
                md_duration((md_seconds_now() - shift->began) / done * left, left_text));
    fprintf(to, "\n");
}

static void show(struct shift *shift, const struct md_crew *crew) {
    double now = md_seconds_now();
    char *text = NULL;
    size_t size;
    if (!shift->live.is_on || md_verbosity < 0 || now - shift->drawn < 0.2)
        return;
    FILE *to = open_memstream(&text, &size);
    if (to == NULL)
        return;
    shift->drawn = now;
    md_live_measure(&shift->live);
    print_table(shift, crew, to);
    if (fclose(to) == 0)
        md_live_draw(&shift->live, text);
    free(text);
}

/* A line for a cell that is over. On a terminal only for failures and runs that diverged: there is
 * the table. */
static void log_end(struct shift *shift, const struct md_crew_end *end) {
    const struct md_cell_look *look = &shift->session->looks[end->job];
    int done = end->result == MADE || end->result == FOUND;
    if ((shift->live.is_on || md_verbosity < 0) && done && !look->diverged)
        return;
    md_live_clear(&shift->live);
    fprintf(stderr, "[%zu/%zu] %s: ", shift->over, shift->wanted,
            shift->session->grid.cells[end->job].name);
    if (done) {
        char outcome[MD_OUTCOME_SIZE];
        md_session_outcome(look, outcome);
        fprintf(stderr, "%s, %s\n", end->result == MADE ? "done" : "made by another sweep",
                outcome);
    } else
        fprintf(stderr, "%s%s\n", end->result == STOPPED ? "" : "failed: ", end->error.text);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int choose_cells(struct shift *shift, struct md_error *error) {
    const struct md_session *session = shift->session;
    size_t count = session->grid.count;
    shift->states = calloc(count, sizeof *shift->states);
    shift->failures = calloc(count, sizeof *shift->failures);
    MD_TRY(md_check_memory(shift->states != NULL && shift->failures != NULL, error));
    for (size_t i = 0; i < count; i++) {
        enum md_cell_state state = session->looks[i].state;
        int failed = state == MD_FAILURE;
        if (state == MD_DONE || state == MD_UNFIT || (shift->work.only_failed && !failed) ||
            (shift->work.tasks > 0 && failed))
            continue;
        shift->states[i] = WAITING;
        shift->wanted++;
    }
    /* Tasks begin at different cells: they seldom ask for the same lock, and without locks they
     * seldom make the same cell. */
    if (shift->work.tasks > 0)
        shift->first = (size_t)((double)shift->work.task / shift->work.tasks * (double)count);
    return MD_OK;
}

/* Notes the end of a worker. */
static void finish(struct shift *shift, const struct md_crew_end *end) {
    const struct md_sweep *sweep = &shift->session->sweep;
    struct md_error error = {{0}};
    size_t i = end->job;
    shift->states[i] = WAITING;
    if (end->result == BUSY)
        return;
    if (end->result == LEFT) {
        shift->states[i] = NOT_OURS;
        shift->wanted--;
        return;
    }
    if (end->result == STOPPED || (end->result < MADE && md_stop_requested)) {
        log_end(shift, end);
        return;
    }
    int is_made = end->result == MADE || end->result == FOUND;
    if (!is_made && shift->failures[i]++ < shift->work.retries) {
        md_live_clear(&shift->live);
        md_note("%s: failed, and is tried again: %s", shift->session->grid.cells[i].name,
                end->error.text);
        return;
    }
    shift->gives_up |= !is_made && shift->work.fail_fast;
    if (end->result < MADE) /* a library, or a sanitizer, ended it */
        md_sweep_record(sweep, i, end->error.text, &error);
    shift->states[i] = OVER;
    shift->over++;
    shift->made += (size_t)is_made;
    md_sweep_look(sweep, i, &shift->session->looks[i], &error);
    log_end(shift, end);
}

/* The next cell to make that nobody else is making; grid.count: there is none now. */
static size_t next_cell(const struct shift *shift) {
    size_t count = shift->session->grid.count;
    for (size_t k = 0; k < count; k++) {
        size_t i = (shift->first + k) % count;
        if (shift->states[i] == WAITING && !md_sweep_is_locked(&shift->session->sweep, i))
            return i;
    }
    return count;
}

/* Starts workers while there are cells and workers; 0: none is at work now. */
static int start_workers(struct shift *shift, struct md_crew *crew, struct md_error *error,
                         int *status) {
    size_t i = 0;
    while (*status == MD_OK && !md_stop_requested && !shift->gives_up && crew->busy < crew->size &&
           (i = next_cell(shift)) < shift->session->grid.count) {
        shift->states[i] = WORKING;
        *status = md_crew_start(crew, i, make_cell, shift, error);
    }
    return crew->busy > 0;
}

static int make_cells(struct shift *shift, struct md_error *error) {
    static const double poll_s = 0.2;
    struct md_crew crew;
    struct md_crew_end end;
    int status = md_crew_open((size_t)shift->work.workers, &crew, error);
    if (status != MD_OK)
        return status;
    shift->began = md_seconds_now();
    shift->live = md_live_open();
    while (status == MD_OK && shift->over < shift->wanted) {
        int waits_for_others = !md_stop_requested && !shift->gives_up && shift->work.tasks == 0;
        if (!start_workers(shift, &crew, error, &status) && !waits_for_others)
            break;
        if (md_stop_requested || shift->gives_up)
            md_crew_stop(&crew);
        if (md_crew_wait(&crew, poll_s, &end))
            finish(shift, &end);
        show(shift, &crew);
    }
    md_live_clear(&shift->live);
    md_crew_close(&crew);
    return status;
}

static int outcome(const struct shift *shift, struct md_error *error) {
    size_t failed = shift->over - shift->made, left = shift->wanted - shift->over;
    if (failed == 0 && (left == 0 || (shift->work.tasks > 0 && !md_stop_requested)))
        return MD_OK;
    return md_fail(error, MD_FAILED,
                   "%s%zu of %zu cells failed, %zu are left; mudepth resume %.400s goes on with "
                   "all of them",
                   md_stop_requested ? "interrupted: "
                   : shift->gives_up ? "stopped at a failure: "
                                     : "",
                   failed, shift->wanted, left, shift->session->folder);
}

int md_session_work(struct md_session *session, const struct md_work *work,
                    struct md_error *error) {
    struct shift shift = {.session = session, .work = *work};
    md_sweep_tidy(&session->sweep);
    int status = choose_cells(&shift, error);
    MD_THEN(status, make_cells(&shift, error));
    free(shift.states);
    free(shift.failures);
    return status == MD_OK ? outcome(&shift, error) : status;
}
