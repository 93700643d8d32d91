/* mudepth sweep and status: many runs from one file, in one folder, however often interrupted. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../results/sweep.h"
#include "command.h"
#include "cost.h"
#include "crew.h"

#define DEFAULT_FOLDER "results/runs"
enum { MOST_WORKERS = 256, MOST_SECONDS = 1000000 };

struct options {
    const char *output; /* NULL: DEFAULT_FOLDER/CONFIG-HASH */
    int workers, checkpoint_seconds, dry_run, only_failed, json;
};

/* What a cell is expected to cost. */
struct cost {
    size_t samples;
    double macs, seconds; /* of training */
};

/* Of the cells that this call is to make. */
enum progress { NOT_OURS, WAITING, WORKING, OVER };

/* Everything about one call. */
struct session {
    struct options options;
    const char *config_path;
    char command[1024], folder[1100];
    struct md_grid grid;
    struct md_sweep sweep;
    struct md_cell_look *looks; /* one per cell, as are these */
    struct cost *costs;         /* NULL: not asked for */
    enum progress *progress;
    size_t wanted, over, made; /* cells to make; that were tried; that succeeded */
    double began, shown;       /* seconds */
    int on_terminal, width;
};

static int out_of_memory(struct md_error *error) {
    return md_fail(error, MD_FAILED, "out of memory");
}

static int look_at_all(struct session *session, struct md_error *error) {
    size_t count = session->grid.count;
    if (session->looks == NULL)
        session->looks = calloc(count, sizeof *session->looks);
    if (session->looks == NULL)
        return out_of_memory(error);
    int status = MD_OK;
    for (size_t i = 0; i < count && status == MD_OK; i++)
        status = md_sweep_look(&session->sweep, i, &session->looks[i], error);
    return status;
}

/* ---- what is said ---------------------------------------------------------------------------- */

static json_t *cell_json(const struct session *session, size_t i) {
    const struct md_cell_look *look = &session->looks[i];
    const struct md_grid_cell *cell = &session->grid.cells[i];
    json_t *settings = json_object();
    for (int k = 0; k < session->grid.key_count; k++) {
        char name[MD_CONFIG_NAME_SIZE], value[MD_CONFIG_VALUE_SIZE];
        md_config_key(session->grid.keys[k], name);
        md_config_value(&cell->config, session->grid.keys[k], value);
        json_object_set_new(settings, name, json_string(value));
    }
    int done = look->state == MD_DONE;
    json_t *json = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "name", cell->name, "state",
                             md_cell_state_names[look->state], "settings", settings, "rmse_m",
                             done ? md_json_number(look->rmse_m) : json_null(), "seconds",
                             done ? md_json_number(look->seconds) : json_null(), "error",
                             look->why[0] != '\0' ? json_string_nocheck(look->why) : json_null());
    if (session->costs != NULL && json != NULL) {
        const struct cost *cost = &session->costs[i];
        json_object_set_new(json, "samples", json_integer((json_int_t)cost->samples));
        json_object_set_new(json, "macs", json_real(cost->macs));
        json_object_set_new(json, "expected_seconds", json_real(cost->seconds));
    }
    return json;
}

static int print_json(const struct session *session, const size_t counts[MD_STATE_COUNT],
                      struct md_error *error) {
    json_t *cells = json_array(), *states = json_object();
    for (size_t i = 0; i < session->grid.count; i++)
        json_array_append_new(cells, cell_json(session, i));
    for (int s = 0; s < MD_STATE_COUNT; s++)
        json_object_set_new(states, md_cell_state_names[s], json_integer((json_int_t)counts[s]));
    return md_print_json(json_pack("{s:s, s:s, s:o, s:o}", "folder", session->folder, "grid",
                                   session->grid.hash, "counts", states, "cells", cells),
                         error);
}

static int name_width(const struct md_grid *grid) {
    size_t width = 0;
    for (size_t i = 0; i < grid->count; i++)
        width = strlen(grid->cells[i].name) > width ? strlen(grid->cells[i].name) : width;
    return (int)width;
}

static void print_cell(const struct session *session, size_t i, int width) {
    const struct md_cell_look *look = &session->looks[i];
    char settings[MD_SETTINGS_SIZE];
    int is_last = session->costs == NULL && look->state != MD_DONE && look->why[0] == '\0';
    printf("%-10s  %-*s", md_cell_state_names[look->state], is_last ? 0 : width,
           session->grid.cells[i].name);
    if (look->state == MD_DONE)
        printf("  RMSE %.3f m, %.1f s", look->rmse_m, look->seconds);
    if (session->costs != NULL) {
        md_grid_settings(&session->grid, i, settings);
        printf("  %zu samples, %.3g MAC, about %.0f s: %s", session->costs[i].samples,
               session->costs[i].macs, session->costs[i].seconds, settings);
    }
    printf("%s%s\n", look->why[0] != '\0' ? "  " : "", look->why);
}

/* Says what there is: all cells, or only those that failed. */
static int report(const struct session *session, int all, struct md_error *error) {
    size_t counts[MD_STATE_COUNT] = {0};
    double left_s = 0.0;
    for (size_t i = 0; i < session->grid.count; i++) {
        counts[session->looks[i].state]++;
        if (session->costs != NULL && session->looks[i].state != MD_DONE)
            left_s += session->costs[i].seconds;
    }
    if (session->options.json)
        return print_json(session, counts, error);
    printf("%s: %zu cell%s:", session->folder, session->grid.count,
           session->grid.count > 1 ? "s" : "");
    const char *between = " ";
    for (int s = 0; s < MD_STATE_COUNT; s++)
        if (counts[s] > 0) {
            printf("%s%zu %s", between, counts[s], md_cell_state_names[s]);
            between = ", ";
        }
    if (session->costs != NULL)
        printf("; about %.0f s of training left for one worker", left_s);
    printf("\n");
    int width = name_width(&session->grid);
    for (size_t i = 0; i < session->grid.count; i++)
        if (all || session->looks[i].state == MD_FAILURE)
            print_cell(session, i, width);
    return MD_OK;
}

/* ---- a dry run ------------------------------------------------------------------------------- */

/* Whether trainings of both take the same time per multiply-accumulate, nearly. */
static int same_speed(const struct md_config *a, const struct md_config *b) {
    return a->format == b->format && a->threads == b->threads && a->network == b->network &&
           strcmp(a->backend, b->backend) == 0;
}

/* From cells that are done, or else measured. */
static int find_rate(const struct session *session, size_t i, double *rate,
                     struct md_error *error) {
    const struct md_grid *grid = &session->grid;
    double macs = 0.0, seconds = 0.0;
    for (size_t c = 0; c < grid->count; c++)
        if (session->looks[c].state == MD_DONE &&
            same_speed(&grid->cells[c].config, &grid->cells[i].config)) {
            macs += session->costs[c].macs;
            seconds += session->looks[c].seconds;
        }
    *rate = macs / (seconds + 1e-9);
    return macs > 0.0 && seconds > 0.0 ? MD_OK : md_cost_rate(&grid->cells[i].config, rate, error);
}

static int same_data(const struct md_grid *grid, const struct md_config *a,
                     const struct md_config *b) {
    for (int k = 0; k < grid->key_count; k++) {
        char name[MD_CONFIG_NAME_SIZE];
        md_config_key(grid->keys[k], name);
        if (strncmp(name, "data.", 5) == 0 && md_config_order(a, b, grid->keys[k]) != 0)
            return 0;
    }
    return 1;
}

static int estimate(struct session *session, struct md_error *error) {
    const struct md_grid *grid = &session->grid;
    int status = MD_OK;
    session->costs = calloc(grid->count, sizeof *session->costs);
    if (session->costs == NULL)
        return out_of_memory(error);
    for (size_t i = 0; i < grid->count && status == MD_OK; i++) {
        const struct md_config *config = &grid->cells[i].config;
        size_t same = 0; /* an earlier cell with the same data */
        while (same < i && !same_data(grid, &grid->cells[same].config, config))
            same++;
        if (same < i)
            session->costs[i].samples = session->costs[same].samples;
        else
            status = md_cost_samples(config, &session->costs[i].samples, error);
        session->costs[i].macs = md_cost_macs(config, session->costs[i].samples);
    }
    for (size_t i = 0; i < grid->count && status == MD_OK; i++) {
        size_t same = 0;
        double rate = 0.0;
        while (same < i && (session->costs[same].macs == 0.0 ||
                            !same_speed(&grid->cells[same].config, &grid->cells[i].config)))
            same++;
        if (session->costs[i].macs == 0.0)
            continue;
        if (same < i)
            rate = session->costs[same].macs / session->costs[same].seconds;
        else
            status = find_rate(session, i, &rate, error);
        session->costs[i].seconds = session->costs[i].macs / rate;
    }
    return status;
}

/* ---- workers --------------------------------------------------------------------------------- */

enum result {
    MADE = 10,
    FOUND,
    FAILED,
    STOPPED,
    BUSY
}; /* of a worker; FOUND: made by another sweep */

static int tell(void *context, const char *what, double done, double all) {
    struct md_board *board = context;
    (void)what;
    board->done = done;
    board->all = all;
    if (md_board_stops(board))
        md_stop_requested = 1;
    return md_stop_requested != 0;
}

/* A worker makes one cell. */
static int make_cell(void *context, size_t i, struct md_board *board) {
    const struct session *session = context;
    struct md_cell_look look;
    const struct md_watch watch = {tell, board};
    char path[sizeof session->folder + MD_CELL_NAME_SIZE];
    if (!md_sweep_lock(&session->sweep, i))
        return BUSY;
    int status = md_sweep_path(&session->sweep, i, ".h5", path, sizeof path, &board->error);
    if (status == MD_OK)
        status = md_sweep_look(&session->sweep, i, &look, &board->error);
    if (status == MD_OK && look.state == MD_DONE)
        return FOUND;
    if (status == MD_OK) {
        const struct md_cell_job job = {&session->grid.cells[i].config, path, session->command,
                                        &watch, session->options.checkpoint_seconds};
        status = md_run_cell(&job, &board->error);
    }
    struct md_error ignored; /* the sweep itself reports the failure too */
    if (status == MD_OK)
        md_sweep_record(&session->sweep, i, NULL, &ignored);
    else if (!md_stop_requested)
        md_sweep_record(&session->sweep, i, board->error.text, &ignored);
    return status == MD_OK ? MADE : md_stop_requested ? STOPPED : FAILED;
}

static void clear_line(struct session *session) {
    if (session->width > 0)
        fprintf(stderr, "\r%*s\r", session->width, "");
    session->width = 0;
}

static void show(struct session *session, const struct md_crew *crew) {
    double now = md_seconds_now(), part = 0.0;
    if (!session->on_terminal || now - session->shown < 0.2)
        return;
    for (size_t w = 0; w < crew->size; w++)
        if (crew->workers[w] != 0 && crew->boards[w].all > 0.0)
            part += crew->boards[w].done / crew->boards[w].all;
    double done = (double)session->over + part;
    clear_line(session);
    session->shown = now;
    session->width =
        fprintf(stderr, "%zu of %zu cells done, %zu failed, %zu running (%.0f %%), %.0f s to go",
                session->made, session->wanted, session->over - session->made, crew->busy,
                crew->busy > 0 ? 100.0 * part / (double)crew->busy : 0.0,
                (now - session->began) / (done + 1e-9) * ((double)session->wanted - done));
    fflush(stderr);
}

/* A line for a cell that is over. On a terminal only for failures: there is the line that lives. */
static void log_end(struct session *session, const struct md_crew_end *end) {
    const struct md_cell_look *look = &session->looks[end->job];
    const char *name = session->grid.cells[end->job].name;
    int done = end->result == MADE || end->result == FOUND;
    if (session->on_terminal && done)
        return;
    clear_line(session);
    fprintf(stderr, "[%zu/%zu] %s: ", session->over, session->wanted, name);
    if (done)
        fprintf(stderr, "%s, RMSE %.3f m, %.1f s\n",
                end->result == MADE ? "done" : "made by another sweep", look->rmse_m,
                look->seconds);
    else
        fprintf(stderr, "%s%s\n", end->result == FAILED ? "failed: " : "", end->error.text);
}

/* Notes the end of a worker. */
static void finish(struct session *session, const struct md_crew_end *end) {
    struct md_error error = {{0}};
    size_t i = end->job;
    session->progress[i] = WAITING;
    if (end->result == BUSY)
        return;
    if (end->result == STOPPED || (end->result < MADE && md_stop_requested)) {
        log_end(session, end);
        return;
    }
    if (end->result < MADE) /* a library, or a sanitizer, ended it */
        md_sweep_record(&session->sweep, i, end->error.text, &error);
    session->progress[i] = OVER;
    session->over++;
    session->made += end->result == MADE || end->result == FOUND;
    md_sweep_look(&session->sweep, i, &session->looks[i], &error);
    log_end(session, end);
}

/* The next cell to make that nobody else is making; grid.count: there is none now. */
static size_t next_cell(const struct session *session) {
    size_t i = 0;
    while (i < session->grid.count &&
           (session->progress[i] != WAITING || md_sweep_is_locked(&session->sweep, i)))
        i++;
    return i;
}

static int make_cells(struct session *session, struct md_error *error) {
    enum { POLL_MS = 200 };
    struct md_crew crew;
    struct md_crew_end end;
    int status = md_crew_open((size_t)session->options.workers, &crew, error);
    if (status != MD_OK)
        return status;
    session->began = md_seconds_now();
    session->on_terminal = isatty(STDERR_FILENO);
    while (status == MD_OK && session->over < session->wanted &&
           !(md_stop_requested && crew.busy == 0)) {
        size_t i = 0;
        while (!md_stop_requested && status == MD_OK && crew.busy < crew.size &&
               (i = next_cell(session)) < session->grid.count) {
            session->progress[i] = WORKING;
            status = md_crew_start(&crew, i, make_cell, session, error);
        }
        if (md_stop_requested)
            md_crew_stop(&crew);
        if (md_crew_wait(&crew, 1e-3 * POLL_MS, &end))
            finish(session, &end);
        show(session, &crew);
    }
    clear_line(session);
    md_crew_close(&crew);
    return status;
}

/* ---- a sweep --------------------------------------------------------------------------------- */

static int parse(int argc, char **argv, struct session *session, struct md_error *error) {
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"jobs", required_argument, NULL, 'j'},
                                            {"checkpoint", required_argument, NULL, 'c'},
                                            {"dry-run", no_argument, NULL, 'n'},
                                            {"failed", no_argument, NULL, 'f'},
                                            {"json", no_argument, NULL, 'J'},
                                            {0}};
    struct options *o = &session->options;
    *o = (struct options){.workers = 1, .checkpoint_seconds = MD_CHECKPOINT_SECONDS};
    for (int c; (c = md_next_option(argc, argv, ":o:j:", options, error)) != -1;) {
        if (c == '?' ||
            (c == 'j' &&
             md_option_whole("--jobs", optarg, 1, MOST_WORKERS, &o->workers, error) != MD_OK) ||
            (c == 'c' && md_option_whole("--checkpoint", optarg, 0, MOST_SECONDS,
                                         &o->checkpoint_seconds, error) != MD_OK))
            return MD_USAGE;
        o->output = c == 'o' ? optarg : o->output;
        o->dry_run |= c == 'n';
        o->only_failed |= c == 'f';
        o->json |= c == 'J';
    }
    if (optind >= argc)
        return md_fail(error, MD_USAGE, "expected a sweep file; see mudepth sweep --help");
    session->config_path = argv[optind];
    md_command_line(argc, argv, session->command, sizeof session->command);
    return md_grid_read(argv[optind], argc - optind - 1, argv + optind + 1, &session->grid, error);
}

static int name_folder(struct session *session, struct md_error *error) {
    const char *slash = strrchr(session->config_path, '/');
    const char *stem = slash != NULL ? slash + 1 : session->config_path;
    const char *dot = strrchr(stem, '.'), *given = session->options.output;
    int length = dot != NULL ? (int)(dot - stem) : (int)strlen(stem);
    int written = given != NULL
                      ? snprintf(session->folder, sizeof session->folder, "%s", given)
                      : snprintf(session->folder, sizeof session->folder,
                                 DEFAULT_FOLDER "/%.*s-%.8s", length, stem, session->grid.hash);
    if (written >= (int)sizeof session->folder)
        return md_fail(error, MD_USAGE, "%.200s...: the path is too long", session->folder);
    if (written == 0)
        return md_fail(error, MD_USAGE, "--output: expected the name of a folder");
    return MD_OK;
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

static int choose_cells(struct session *session, struct md_error *error) {
    session->progress = calloc(session->grid.count, sizeof *session->progress);
    if (session->progress == NULL)
        return out_of_memory(error);
    for (size_t i = 0; i < session->grid.count; i++) {
        enum md_cell_state state = session->looks[i].state;
        if (session->options.only_failed ? state != MD_FAILURE : state == MD_DONE)
            continue;
        session->progress[i] = WAITING;
        session->wanted++;
    }
    return MD_OK;
}

static int sweep(struct session *session, struct md_error *error) {
    int status = check_weights(&session->grid, error);
    if (status == MD_OK)
        status = md_make_folder(session->folder, error);
    if (status == MD_OK)
        status = md_sweep_enter(&session->sweep, error);
    if (status == MD_OK)
        status = look_at_all(session, error);
    if (status == MD_OK)
        status = choose_cells(session, error);
    if (status == MD_OK)
        status = make_cells(session, error);
    if (status == MD_OK)
        status = look_at_all(session, error);
    if (status == MD_OK)
        status = report(session, 0, error);
    if (status != MD_OK || session->made == session->wanted)
        return status;
    return md_fail(error, MD_FAILED,
                   "%s%zu of %zu cells failed, %zu are left; the same command goes on with all of "
                   "them",
                   md_stop_requested ? "interrupted: " : "", session->over - session->made,
                   session->wanted, session->wanted - session->over);
}

static int dry_run(struct session *session, struct md_error *error) {
    int status = md_sweep_visit(&session->sweep, error);
    if (status == MD_OK)
        status = look_at_all(session, error);
    if (status == MD_OK)
        status = estimate(session, error);
    return status == MD_OK ? report(session, 1, error) : status;
}

static struct session *open_session(struct md_error *error) {
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        md_error_set(error, "out of memory");
        return NULL;
    }
    session->sweep =
        (struct md_sweep){.folder = session->folder, .grid = &session->grid, .lock = -1};
    return session;
}

static void close_session(struct session *session) {
    md_sweep_leave(&session->sweep);
    md_grid_free(&session->grid);
    free(session->looks);
    free(session->costs);
    free(session->progress);
    free(session);
}

static int run_sweep(int argc, char **argv, struct md_error *error) {
    struct session *session = open_session(error);
    if (session == NULL)
        return MD_FAILED;
    int status = parse(argc, argv, session, error);
    if (status == MD_OK)
        status = name_folder(session, error);
    if (status == MD_OK && session->grid.repeated > 0)
        fprintf(stderr, "note: %zu more cells are the same runs as others and count once\n",
                session->grid.repeated);
    if (status == MD_OK)
        status = session->options.dry_run ? dry_run(session, error) : sweep(session, error);
    close_session(session);
    return status;
}

const struct md_command md_command_sweep = {
    "sweep", "make many runs: every combination of a file's values, each a cell in one folder",
    "CONFIG.yaml [KEY=VALUE ...] [options]\n\n"
    "  -o, --output DIR  folder of the cells (default " DEFAULT_FOLDER "/CONFIG-HASH)\n"
    "  -j, --jobs N      worker processes (default 1)\n"
    "      --dry-run     say what is there and what the rest costs; changes nothing\n"
    "      --failed      make only the cells that failed\n"
    "      --checkpoint SECONDS\n"
    "                    between two checkpoints of a cell (default 60; 0: after every step)\n"
    "      --json        print the cells as JSON\n\n"
    "CONFIG.yaml is a config with these keys more:\n\n"
    "  sweep: {policy: [d0, full], data.fraction: [10, 100], seed: 0..4}   every combination\n"
    "  also: [{policy: full, lr: 0.01, seed: 0..4}]                        cells beside them\n"
    "  except: [{policy: full, data.fraction: 100}]                        cells to leave out\n\n"
    "KEY=VALUE wins over all of them. The whole grid is checked and written to DIR/sweep.yaml\n"
    "before the first run; a folder with another grid is refused. The same command again makes "
    "what\n"
    "is missing: finished cells stay, interrupted ones go on from their checkpoints to the same\n"
    "bits, failed ones (DIR/CELL.error says why) are tried again. Several sweeps may work in one\n"
    "folder at once. Ctrl-C lets the workers finish their step and leave checkpoints.\n\n"
    "examples:\n"
    "  mudepth sweep configs/sweep_demo.yaml -j 2\n"
    "  mudepth sweep configs/sweep_demo.yaml epochs=10 -o results/runs/longer --dry-run\n"
    "  mudepth query results/runs/longer\n",
    NULL, run_sweep};

/* ---- the state of one ------------------------------------------------------------------------ */

static int status_of(int argc, char **argv, struct session *session, struct md_error *error) {
    static const struct option options[] = {{"json", no_argument, NULL, 'J'}, {0}};
    for (int c; (c = md_next_option(argc, argv, ":", options, error)) != -1;) {
        if (c == '?')
            return MD_USAGE;
        session->options.json = 1;
    }
    if (optind + 1 != argc)
        return md_fail(error, MD_USAGE, "expected one folder; see mudepth status --help");
    session->options.output = argv[optind];
    int status = name_folder(session, error);
    if (status == MD_OK)
        status = md_sweep_grid(session->folder, &session->grid, error);
    if (status == MD_OK)
        status = md_sweep_visit(&session->sweep, error);
    if (status == MD_OK)
        status = look_at_all(session, error);
    return status == MD_OK ? report(session, 1, error) : status;
}

static int run_status(int argc, char **argv, struct md_error *error) {
    struct session *session = open_session(error);
    if (session == NULL)
        return MD_FAILED;
    session->config_path = "";
    int status = status_of(argc, argv, session, error);
    close_session(session);
    return status;
}

const struct md_command md_command_status = {
    "status", "say which cells of a sweep are done, running, failed, interrupted or missing",
    "DIR [--json]\n\n"
    "      --json  print the cells as JSON\n\n"
    "DIR is the folder of a sweep. checkpoint: interrupted, the next sweep goes on from there.\n\n"
    "example:\n"
    "  mudepth status results/runs/longer\n",
    NULL, run_status};
