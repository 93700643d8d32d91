#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../base/file.h"
#include "../base/namelist.h"
#include "../experiments/budget.h"
#include "cell.h"

const char *const md_cell_state_names[] = {"done",       "running", "failed",
                                           "checkpoint", "missing", "unfit"};

static const char frozen_name[] = "sweep.yaml", lock_name[] = "sweep.lock";

int md_sweep_path(const struct md_sweep *sweep, size_t cell, const char *suffix, char *path,
                  size_t size, struct md_error *error) {
    int length =
        snprintf(path, size, "%s/%s%s", sweep->folder, sweep->grid->cells[cell].name, suffix);
    if (length >= (int)size)
        return md_fail(error, MD_USAGE, "%.200s...: the path is too long", sweep->folder);
    return MD_OK;
}

int md_is_sweep(const char *folder) {
    char path[MD_PATH_MAX];
    struct md_error ignored;
    return md_path_format(path, &ignored, "%s/%s", folder, frozen_name) == MD_OK &&
           md_is_file(path);
}

/* ---- locks ----------------------------------------------------------------------------------- */

/* A cell's byte of the lock file is given by its hash, so that it is the same whatever the order of
 * the cells; behind all of them is the byte of who freezes the grid. */
static const off_t freezing_byte = (off_t)1 << 48;

static off_t byte_of(const struct md_sweep *sweep, size_t cell) {
    char digits[13];
    snprintf(digits, sizeof digits, "%.12s", sweep->grid->cells[cell].hash);
    return (off_t)strtoull(digits, NULL, 16);
}

static struct flock lock_of(off_t byte, int kind) {
    return (struct flock){.l_type = (short)kind, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
}

int md_sweep_is_locked(const struct md_sweep *sweep, size_t cell) {
    struct flock lock = lock_of(byte_of(sweep, cell), F_WRLCK);
    return sweep->lock >= 0 && fcntl(sweep->lock, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

int md_sweep_lock(const struct md_sweep *sweep, size_t cell) {
    struct flock lock = lock_of(byte_of(sweep, cell), F_WRLCK);
    return fcntl(sweep->lock, F_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES);
}

void md_sweep_write_progress(const struct md_sweep *sweep, size_t cell, const char *text) {
    char line[MD_SWEEP_PROGRESS_SIZE + 1];
    snprintf(line, sizeof line, "%-*.*s\n", MD_SWEEP_PROGRESS_SIZE - 1, MD_SWEEP_PROGRESS_SIZE - 1,
             text);
    (void)!pwrite(sweep->lock, line, MD_SWEEP_PROGRESS_SIZE,
                  (off_t)(cell * MD_SWEEP_PROGRESS_SIZE));
}

/* Waits for the lock of who freezes the grid, or finds out that there are no locks here. */
static int lock_freezing(struct md_sweep *sweep, const char *path, struct md_error *error) {
    struct flock lock = lock_of(freezing_byte, F_WRLCK);
    sweep->has_locks = fcntl(sweep->lock, F_SETLKW, &lock) == 0;
    if (sweep->has_locks || errno == ENOLCK || errno == ENOSYS || errno == EOPNOTSUPP ||
        errno == EINVAL)
        return MD_OK;
    return md_fail(error, MD_FAILED, "%.400s: cannot lock: %s", path, strerror(errno));
}

/* ---- what killed processes have left --------------------------------------------------------- */

struct named {
    const char *name;
    size_t cell;
};

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

/* The cells by their names, to be freed; NULL: out of memory. */
static struct named *sort_cells(const struct md_grid *grid) {
    struct named *cells = malloc((grid->count + 1) * sizeof *cells);
    for (size_t i = 0; i < grid->count && cells != NULL; i++)
        cells[i] = (struct named){grid->cells[i].name, i};
    if (cells != NULL)
        qsort(cells, grid->count, sizeof *cells, compare_names);
    return cells;
}

/* Parses a file's name: "CELL.h5.tmp.PID.HOST" (md_temporary_path) is being written by
 * "PID.HOST", "CELL.error" by nobody ("", at the name's end). Returns 0 when it is neither that,
 * nor a checkpoint, nor any of these being written; otherwise `name` ends behind CELL. */
static int parse_file_name(char *name, const char **writer) {
    static const char *const suffixes[] = {".h5.checkpoint", ".error", ".h5"};
    char *end = name + strlen(name), *temporary = NULL;
    for (char *next = name; (next = strstr(next, ".tmp.")) != NULL; next++)
        temporary = next;
    *writer = temporary != NULL ? temporary + strlen(".tmp.") : end;
    end = temporary != NULL ? temporary : end;
    for (int s = 0; s < (temporary != NULL ? 3 : 2); s++) {
        size_t length = strlen(suffixes[s]);
        if ((size_t)(end - name) <= length || strncmp(end - length, suffixes[s], length) != 0)
            continue;
        end[-(ptrdiff_t)length] = '\0';
        return 1;
    }
    return 0;
}

/* Whether nobody writes this file of a cell that nobody has locked. Locks need not reach other
 * machines, but time does. */
static int is_abandoned(const struct md_sweep *sweep, const char *path, const char *writer) {
    enum { DAY_S = 24 * 60 * 60 };
    char host[256] = "";
    struct stat file;
    int64_t process = 0;
    gethostname(host, sizeof host - 1);
    const char *rest = md_parse_integer(writer, &process);
    if (rest != NULL && *rest == '.' && strcmp(rest + 1, host) == 0)
        return sweep->has_locks || (kill((pid_t)process, 0) != 0 && errno == ESRCH);
    return stat(path, &file) == 0 && time(NULL) - file.st_mtime > DAY_S;
}

/* Removes the file `path` of a cell when nobody needs it. */
static void remove_if_abandoned(const struct md_sweep *sweep, size_t cell, const char *path,
                                const char *writer) {
    if (!md_sweep_lock(sweep, cell))
        return;
    int is_needed = writer[0] != '\0' ? !is_abandoned(sweep, path, writer)
                                      : md_sweep_state(sweep, cell) != MD_DONE;
    if (!is_needed)
        unlink(path);
    struct flock lock = lock_of(byte_of(sweep, cell), F_UNLCK);
    fcntl(sweep->lock, F_SETLK, &lock);
}

void md_sweep_tidy(const struct md_sweep *sweep) {
    struct md_names folder = {0};
    struct md_error ignored; /* it is only untidy */
    struct named *cells = sort_cells(sweep->grid);
    int status = cells != NULL ? md_names_of_folder(sweep->folder, &folder, &ignored) : MD_FAILED;
    for (size_t i = 0; i < folder.count && status == MD_OK; i++) {
        char path[MD_PATH_MAX], *name = folder.names[i];
        const char *writer;
        if (md_path_format(path, &ignored, "%s/%s", sweep->folder, name) != MD_OK ||
            !parse_file_name(name, &writer))
            continue;
        const struct named wanted = {name, 0}, *found = bsearch(&wanted, cells, sweep->grid->count,
                                                                sizeof *cells, compare_names);
        if (found != NULL)
            remove_if_abandoned(sweep, found->cell, path, writer);
    }
    md_names_free(&folder);
    free(cells);
}

/* ---- the frozen grid ------------------------------------------------------------------------- */

int md_sweep_grid(const char *folder, struct md_grid *grid, struct md_error *error) {
    char path[MD_PATH_MAX];
    MD_TRY(md_path_format(path, error, "%s/%s", folder, frozen_name));
    if (access(path, F_OK) != 0)
        return md_fail(error, MD_USAGE, "%.400s: %s: no sweep was begun there", path,
                       strerror(errno));
    return md_grid_read(path, 0, NULL, grid, error);
}

static int compare_grid(const struct md_sweep *sweep, struct md_error *error) {
    struct md_grid frozen;
    MD_TRY(md_sweep_grid(sweep->folder, &frozen, error));
    int status = MD_OK;
    if (strcmp(frozen.hash, sweep->grid->hash) != 0)
        status = md_fail(error, MD_USAGE,
                         "%.400s: holds another sweep: expected a grid of %zu cells with hash "
                         "%.8s, found one of %zu with %.8s; give another --output",
                         sweep->folder, sweep->grid->count, sweep->grid->hash, frozen.count,
                         frozen.hash);
    md_grid_free(&frozen);
    return status;
}

static int freeze(const struct md_sweep *sweep, const char *path, struct md_error *error) {
    char *text = md_grid_format(sweep->grid);
    MD_TRY(md_check_memory(text != NULL, error));
    int status = md_file_write(path, text, strlen(text), error);
    free(text);
    /* What was written has to give the same cells again, now and not at the next call. */
    return status == MD_OK ? compare_grid(sweep, error) : status;
}

int md_sweep_enter(struct md_sweep *sweep, struct md_error *error) {
    char path[MD_PATH_MAX], frozen[MD_PATH_MAX];
    sweep->lock = -1;
    MD_TRY(md_path_format(path, error, "%s/%s", sweep->folder, lock_name));
    MD_TRY(md_path_format(frozen, error, "%s/%s", sweep->folder, frozen_name));
    sweep->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (sweep->lock < 0)
        return md_fail(error, MD_FAILED, "%.400s: cannot write into this folder: %s", sweep->folder,
                       strerror(errno));
    int status = lock_freezing(sweep, path, error);
    MD_THEN(status,
            access(frozen, F_OK) == 0 ? compare_grid(sweep, error) : freeze(sweep, frozen, error));
    if (status != MD_OK) {
        md_sweep_leave(sweep);
        return status;
    }
    struct flock lock = lock_of(freezing_byte, F_UNLCK);
    fcntl(sweep->lock, F_SETLK, &lock);
    return MD_OK;
}

int md_sweep_visit(struct md_sweep *sweep, struct md_error *error) {
    char path[MD_PATH_MAX];
    sweep->lock = -1;
    int status = md_path_format(path, error, "%s/%s", sweep->folder, frozen_name);
    if (status == MD_OK && access(path, F_OK) == 0)
        status = compare_grid(sweep, error);
    MD_THEN(status, md_path_format(path, error, "%s/%s", sweep->folder, lock_name));
    if (status == MD_OK)
        sweep->lock = open(path, O_RDONLY | O_CLOEXEC);
    return status;
}

void md_sweep_leave(struct md_sweep *sweep) {
    if (sweep->lock >= 0)
        close(sweep->lock);
    sweep->lock = -1;
}

/* ---- one cell -------------------------------------------------------------------------------- */

enum { CONFIG_SIZE = 32768 };

static int same_config(const struct md_config *a, const struct md_config *b) {
    char text[2][CONFIG_SIZE];
    md_config_format(a, 0, text[0], CONFIG_SIZE);
    md_config_format(b, 0, text[1], CONFIG_SIZE);
    return strcmp(text[0], text[1]) == 0;
}

static void read_result(const struct md_sweep *sweep, size_t cell, const char *path,
                        struct md_cell_status *cell_status) {
    struct md_cell found;
    struct md_error problem = {{0}};
    if (md_cell_read(path, &found, &problem) == MD_OK &&
        !same_config(&found.config, &sweep->grid->cells[cell].config))
        md_error_set(&problem, "%.400s: is not this cell's result; move it away", path);
    cell_status->state = problem.text[0] == '\0' ? MD_DONE : MD_FAILURE;
    cell_status->seconds = found.seconds;
    cell_status->rmse_m = found.scores[0].of[MD_AFTER].value[MD_RMSE];
    cell_status->diverged = cell_status->state == MD_DONE && found.diverged != 0;
    snprintf(cell_status->why, sizeof cell_status->why, "%.500s", problem.text);
}

enum md_cell_state md_sweep_state(const struct md_sweep *sweep, size_t cell) {
    static const struct {
        const char *suffix;
        enum md_cell_state state;
    } signs[] = {{".h5", MD_DONE}, {".error", MD_FAILURE}, {".h5.checkpoint", MD_INTERRUPTED}};
    char path[MD_PATH_MAX];
    struct md_error ignored;
    enum md_cell_state state = MD_MISSING;
    if (sweep->grid->cells[cell].needs_bytes > 0)
        return MD_UNFIT;
    for (size_t i = 0; i < sizeof signs / sizeof signs[0] && state == MD_MISSING; i++)
        if (md_sweep_path(sweep, cell, signs[i].suffix, path, sizeof path, &ignored) == MD_OK &&
            access(path, F_OK) == 0)
            state = signs[i].state;
    return state != MD_DONE && md_sweep_is_locked(sweep, cell) ? MD_RUNNING : state;
}

int md_sweep_inspect(const struct md_sweep *sweep, size_t cell, struct md_cell_status *cell_status,
                     struct md_error *error) {
    char result[MD_PATH_MAX], failure[MD_PATH_MAX], kb[MD_KB_TEXT];
    struct md_file why;
    struct md_error ignored;
    memset(cell_status, 0, sizeof *cell_status);
    MD_TRY(md_sweep_path(sweep, cell, ".h5", result, sizeof result, error));
    MD_TRY(md_sweep_path(sweep, cell, ".error", failure, sizeof failure, error));
    cell_status->state = md_sweep_state(sweep, cell);
    if (cell_status->state == MD_DONE)
        read_result(sweep, cell, result, cell_status);
    else if (cell_status->state == MD_RUNNING) {
        char progress[MD_SWEEP_PROGRESS_SIZE + 1] = "";
        (void)!pread(sweep->lock, progress, MD_SWEEP_PROGRESS_SIZE,
                     (off_t)(cell * MD_SWEEP_PROGRESS_SIZE));
        snprintf(cell_status->why, sizeof cell_status->why, "%s", md_trim(progress));
    } else if (cell_status->state == MD_UNFIT)
        snprintf(cell_status->why, sizeof cell_status->why, "does not fit: needs %s kB",
                 md_kb_text(sweep->grid->cells[cell].needs_bytes, kb));
    else if (cell_status->state == MD_FAILURE && md_file_read(failure, &why, &ignored) == MD_OK) {
        snprintf(cell_status->why, sizeof cell_status->why, "%s", md_trim((char *)why.bytes));
        md_file_free(&why);
    }
    return MD_OK;
}

int md_sweep_record(const struct md_sweep *sweep, size_t cell, const char *why,
                    struct md_error *error) {
    char path[MD_PATH_MAX], line[sizeof((struct md_error *)0)->text + 1];
    MD_TRY(md_sweep_path(sweep, cell, ".error", path, sizeof path, error));
    snprintf(line, sizeof line, "%s\n", why);
    return md_file_write(path, line, strlen(line), error);
}

static int remove_file(const struct md_sweep *sweep, size_t cell, const char *suffix,
                       struct md_error *error) {
    char path[MD_PATH_MAX];
    MD_TRY(md_sweep_path(sweep, cell, suffix, path, sizeof path, error));
    if (unlink(path) != 0 && errno != ENOENT)
        return md_fail(error, MD_FAILED, "cannot remove %.400s: %s", path, strerror(errno));
    return MD_OK;
}

int md_sweep_forget(const struct md_sweep *sweep, size_t cell, int anew, struct md_error *error) {
    int status = remove_file(sweep, cell, ".error", error);
    return status == MD_OK && anew ? remove_file(sweep, cell, ".h5.checkpoint", error) : status;
}
