/* The folder of a sweep:
 *
 *   sweep.yaml             the frozen grid (md_grid_format); whole or not there
 *   sweep.lock             who works on a cell has locked a byte of it, and writes a line into it
 *                          now and then that says how far the cell is
 *   CELL.h5                a finished cell, whole or not there; also of a run that diverged, which
 *                          the same config would do again
 *   CELL.h5.checkpoint     of a cell that was interrupted
 *   CELL.error             why a cell failed; goes away when it succeeds
 *
 * Any number of sweeps over the same grid may work in one folder at once, also on several machines.
 * The system takes a lock back when its process ends in whatever way, so none is ever stale.
 *
 * On a file system without locks (some network mounts), or where they do not reach other machines,
 * nothing goes wrong either: two processes may make the same cell, each under a name of its own,
 * and the last puts a file in place of an equal one. Work is done twice, that is all; and nobody
 * is seen to be working. */
#ifndef MD_RESULTS_SWEEP_H
#define MD_RESULTS_SWEEP_H

#include "../experiments/grid.h"

struct md_sweep {
    const char *folder;
    const struct md_grid *grid; /* not owned */
    int lock;                   /* descriptor of sweep.lock; -1: nobody has worked here yet */
    int has_locks;              /* the file system gives them */
};

enum md_cell_state {
    MD_DONE,
    MD_RUNNING,
    MD_FAILURE,
    MD_INTERRUPTED,
    MD_MISSING,
    MD_UNFIT, /* its step needs more memory than its budget_kb: it is never run */
    MD_STATE_COUNT
};
extern const char *const md_cell_state_names[]; /* "done", "running", "failed", "checkpoint", ... */

/* What is known of one cell. */
struct md_cell_status {
    enum md_cell_state state;
    double seconds, rmse_m; /* done: spent in training; on the test split after it */
    int diverged;           /* done, but the run came to nothing */
    char why[512];          /* failed: the error; unfit: what it needs; running: how far it is */
};

/* The file `suffix` (".h5") of a cell. */
int md_sweep_path(const struct md_sweep *sweep, size_t cell, const char *suffix, char *path,
                  size_t size, struct md_error *error);

/* Opens the folder's lock file, and writes sweep->grid into the folder when it has none; a folder
 * with another grid is refused. */
int md_sweep_enter(struct md_sweep *sweep, struct md_error *error);

/* The same without changing anything: a folder without a grid, or none at all, is fine too. */
int md_sweep_visit(struct md_sweep *sweep, struct md_error *error);

/* Closes sweep.lock, which releases all locks of this process. */
void md_sweep_leave(struct md_sweep *sweep);

/* Whether a grid is frozen in the folder. */
int md_is_sweep(const char *folder);

/* Reads the grid that is frozen in the folder. */
int md_sweep_grid(const char *folder, struct md_grid *grid, struct md_error *error);

/* The state of a cell by the files that exist and its lock; its result is not opened. */
enum md_cell_state md_sweep_state(const struct md_sweep *sweep, size_t cell);

/* The state of a cell with details, for which its result is read. A result of another config is a
 * failure. */
int md_sweep_inspect(const struct md_sweep *sweep, size_t cell, struct md_cell_status *cell_status,
                     struct md_error *error);

/* Whether another process works on the cell. */
int md_sweep_is_locked(const struct md_sweep *sweep, size_t cell);

/* Locks a cell until this process ends: 1, also where there are no locks; 0 when another one has
 * it.
 */
int md_sweep_lock(const struct md_sweep *sweep, size_t cell);

/* Writes into sweep.lock how far a cell is that this process has locked; of the text at most
 * MD_SWEEP_PROGRESS_SIZE - 1 bytes count. */
enum { MD_SWEEP_PROGRESS_SIZE = 320 };
void md_sweep_write_progress(const struct md_sweep *sweep, size_t cell, const char *text);

/* Removes what processes that were killed have left: half-written files (of this machine's; of
 * others' after a day), checkpoints and errors of cells that are done. This process must not have
 * locked a cell. */
void md_sweep_tidy(const struct md_sweep *sweep);

/* Writes why a cell failed into its file. */
int md_sweep_record(const struct md_sweep *sweep, size_t cell, const char *why,
                    struct md_error *error);

/* Forgets an attempt at a cell that is not done: its error and, when it is to begin anew, its
 * checkpoint. */
int md_sweep_forget(const struct md_sweep *sweep, size_t cell, int anew, struct md_error *error);

#endif
