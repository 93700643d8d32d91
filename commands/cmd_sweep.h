/* What the commands sweep, resume, rerun and status share: a folder of cells and what is known of
 * it. */
#ifndef MD_COMMANDS_CMD_SWEEP_H
#define MD_COMMANDS_CMD_SWEEP_H

#include "../results/sweep.h"
#include "command.h"

/* What a cell is expected to cost. */
struct md_cell_cost {
    size_t samples;
    double macs, seconds; /* of training */
};

/* Cells to make, and how. */
struct md_work {
    int workers, checkpoint_s; /* -1: as the config says */
    int fail_fast;             /* end at the first failure */
    int retries;               /* of a cell that fails */
    int only_failed;           /* make only cells that failed, without their checkpoints */
    int task, tasks; /* this is one of so many that share the cells; tasks 0: it is alone */
};

/* Everything about one call. */
struct md_session {
    char command[1024], folder[1100];
    struct md_grid grid;
    struct md_sweep sweep;
    struct md_cell_status *statuses; /* owned: one per cell; NULL: not looked yet */
    struct md_cell_cost *costs;      /* owned: one per cell; NULL: not asked for */
};

/* Looks at all cells. Briefly: what the names in the folder say, without opening results. */
int md_session_inspect(struct md_session *session, int briefly, struct md_error *error);

/* Finds the costs; cells have been looked at. */
int md_session_estimate(struct md_session *session, struct md_error *error);

/* What came of a cell that is done: "RMSE 0.512 m, 0:00:03". */
enum { MD_OUTCOME_SIZE = 60 };
void md_session_outcome(const struct md_cell_status *cell_status, char text[MD_OUTCOME_SIZE]);

/* Prints what there is: all cells, or only those that failed or diverged; as JSON always all. What
 * the rest costs is for so many workers. */
int md_session_report(const struct md_session *session, int all, int workers, int json,
                      struct md_error *error);

/* Makes cells, in worker processes; the folder has been entered. Alone it ends when every cell is
 * done or failed, whoever made it; one of several tasks ends when no cell is left that nobody is
 * making, and does not retry cells that failed. Fails when a cell did, or was left by an
 * interruption. */
int md_session_work(struct md_session *session, const struct md_work *work, struct md_error *error);

/* A job array of Slurm. */
struct md_array {
    int size;            /* tasks; 0: one per cell to make, at most 1000 */
    size_t option_count; /* more for sbatch */
    char *const *options;
};

/* Hands all cells that are not done to Slurm, where tasks make them as one of several calls, and
 * prints the job. What failed is forgotten, since tasks would leave it alone. */
int md_session_submit(struct md_session *session, const struct md_work *work,
                      const struct md_array *array, int json, struct md_error *error);

#endif
