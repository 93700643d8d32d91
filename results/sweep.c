#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../datasets/file.h"
#include "../datasets/namelist.h"
#include "cell.h"

const char *const md_cell_state_names[] = {"done", "running", "failed", "checkpoint", "missing"};

static const char frozen_name[] = "sweep.yaml", lock_name[] = "sweep.lock";

int md_sweep_path(const struct md_sweep *sweep, size_t cell, const char *suffix, char *path,
                  size_t size, struct md_error *error) {
    int length =
        snprintf(path, size, "%s/%s%s", sweep->folder, sweep->grid->cells[cell].name, suffix);
    if (length >= (int)size)
        return md_fail(error, MD_USAGE, "%.200s...: the path is too long", sweep->folder);
    return MD_OK;
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

/* Whether `name` is "CELL.h5.tmp.PID" or "CELL.h5.checkpoint.tmp.PID", as h5.c calls them, or
 * "CELL.error.PID.tmp", as file.c does. */
static int is_unfinished(const char *name, const char *cell) {
    static const char *const beginnings[] = {".h5.tmp.", ".h5.checkpoint.tmp.", ".error."};
    size_t length = strlen(cell);
    for (size_t i = 0; i < 3 && strncmp(name, cell, length) == 0; i++)
        if (strncmp(name + length, beginnings[i], strlen(beginnings[i])) == 0)
            return 1;
    return 0;
}

static void remove_unfinished(const struct md_sweep *sweep, size_t cell) {
    struct md_names folder = {0};
    struct md_error ignored; /* it is only untidy */
    char path[MD_PATH_MAX];
    if (md_names_of_folder(sweep->folder, &folder, &ignored) != MD_OK)
        return;
    for (size_t i = 0; i < folder.count; i++)
        if (is_unfinished(folder.names[i], sweep->grid->cells[cell].name) &&
            md_path_format(path, &ignored, "%s/%s", sweep->folder, folder.names[i]) == MD_OK)
            unlink(path);
    md_names_free(&folder);
}

int md_sweep_lock(const struct md_sweep *sweep, size_t cell) {
    struct flock lock = lock_of(byte_of(sweep, cell), F_WRLCK);
    if (fcntl(sweep->lock, F_SETLK, &lock) != 0)
        return 0;
    remove_unfinished(sweep, cell);
    return 1;
}

/* ---- the frozen grid ------------------------------------------------------------------------- */

int md_sweep_grid(const char *folder, struct md_grid *grid, struct md_error *error) {
    char path[MD_PATH_MAX];
    int status = md_path_format(path, error, "%s/%s", folder, frozen_name);
    if (status != MD_OK)
        return status;
    if (access(path, F_OK) != 0)
        return md_fail(error, MD_USAGE, "%.400s: %s: no sweep was begun there", path,
                       strerror(errno));
    return md_grid_read(path, 0, NULL, grid, error);
}

static int compare_grid(const struct md_sweep *sweep, struct md_error *error) {
    struct md_grid frozen;
    int status = md_sweep_grid(sweep->folder, &frozen, error);
    if (status != MD_OK)
        return status;
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
    if (text == NULL)
        return md_fail(error, MD_FAILED, "out of memory");
    int status = md_file_write(path, text, strlen(text), error);
    free(text);
    /* What was written has to give the same cells again, now and not at the next call. */
    return status == MD_OK ? compare_grid(sweep, error) : status;
}

int md_sweep_enter(struct md_sweep *sweep, struct md_error *error) {
    char path[MD_PATH_MAX], frozen[MD_PATH_MAX];
    struct flock lock = lock_of(freezing_byte, F_WRLCK);
    int status = md_path_format(path, error, "%s/%s", sweep->folder, lock_name);
    sweep->lock = -1;
    if (status == MD_OK)
        status = md_path_format(frozen, error, "%s/%s", sweep->folder, frozen_name);
    if (status != MD_OK)
        return status;
    sweep->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (sweep->lock < 0)
        return md_fail(error, MD_FAILED, "%.400s: cannot write into this folder: %s", sweep->folder,
                       strerror(errno));
    if (fcntl(sweep->lock, F_SETLKW, &lock) != 0)
        status = md_fail(error, MD_FAILED, "%.400s: cannot lock: %s", path, strerror(errno));
    else
        status =
            access(frozen, F_OK) == 0 ? compare_grid(sweep, error) : freeze(sweep, frozen, error);
    if (status != MD_OK) {
        md_sweep_leave(sweep);
        return status;
    }
    lock.l_type = F_UNLCK;
    fcntl(sweep->lock, F_SETLK, &lock);
    return MD_OK;
}

int md_sweep_visit(struct md_sweep *sweep, struct md_error *error) {
    char path[MD_PATH_MAX];
    sweep->lock = -1;
    int status = md_path_format(path, error, "%s/%s", sweep->folder, frozen_name);
    if (status == MD_OK && access(path, F_OK) == 0)
        status = compare_grid(sweep, error);
    if (status == MD_OK)
        status = md_path_format(path, error, "%s/%s", sweep->folder, lock_name);
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

static void look_at_result(const struct md_sweep *sweep, size_t cell, const char *path,
                           struct md_cell_look *look) {
    struct md_cell found;
    struct md_error problem = {{0}};
    if (md_cell_read(path, &found, &problem) == MD_OK &&
        !same_config(&found.config, &sweep->grid->cells[cell].config))
        md_error_set(&problem, "%.400s: is not this cell's result; move it away", path);
    look->state = problem.text[0] == '\0' ? MD_DONE : MD_FAILURE;
    look->seconds = found.seconds;
    look->rmse_m = found.scores[0].after.value[MD_RMSE];
    snprintf(look->why, sizeof look->why, "%.500s", problem.text);
}

int md_sweep_look(const struct md_sweep *sweep, size_t cell, struct md_cell_look *look,
                  struct md_error *error) {
    char result[MD_PATH_MAX], checkpoint[MD_PATH_MAX], failure[MD_PATH_MAX];
    memset(look, 0, sizeof *look);
    int status = md_sweep_path(sweep, cell, ".h5", result, sizeof result, error);
    if (status == MD_OK)
        status = md_sweep_path(sweep, cell, ".h5.checkpoint", checkpoint, sizeof checkpoint, error);
    if (status == MD_OK)
        status = md_sweep_path(sweep, cell, ".error", failure, sizeof failure, error);
    if (status != MD_OK)
        return status;
    struct md_file why;
    struct md_error ignored;
    look->state = MD_MISSING;
    if (access(checkpoint, F_OK) == 0)
        look->state = MD_INTERRUPTED;
    if (md_file_read(failure, &why, &ignored) == MD_OK) {
        look->state = MD_FAILURE;
        snprintf(look->why, sizeof look->why, "%s", md_trim((char *)why.bytes));
        md_file_free(&why);
    }
    if (md_sweep_is_locked(sweep, cell))
        look->state = MD_RUNNING;
    if (access(result, F_OK) == 0)
        look_at_result(sweep, cell, result, look);
    return MD_OK;
}

int md_sweep_record(const struct md_sweep *sweep, size_t cell, const char *why,
                    struct md_error *error) {
    char path[MD_PATH_MAX], line[sizeof((struct md_error *)0)->text + 1];
    int status = md_sweep_path(sweep, cell, ".error", path, sizeof path, error);
    if (status != MD_OK)
        return status;
    if (why == NULL) {
        unlink(path);
        return MD_OK;
    }
    snprintf(line, sizeof line, "%s\n", why);
    return md_file_write(path, line, strlen(line), error);
}
