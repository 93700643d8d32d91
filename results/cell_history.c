/* What a finished run was like while it was made. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cell_parts.h"
#include "weights.h"

void md_cell_history_free(struct md_cell_history *history) {
    free(history->epoch);
    free(history->step);
    *history = (struct md_cell_history){0};
}

int md_cell_read_history(const char *path, struct md_cell_history *history,
                         struct md_error *error) {
    static const char epochs[] = "/training/epochs", steps[] = "/training/steps";
    enum { MOST_EPOCHS = 100000 };
    struct md_archive ar;
    char identity[33];
    *history = (struct md_cell_history){0};
    MD_TRY(md_archive_open(path, MD_CELL_KIND, &ar, identity, error));
    history->epochs = md_archive_rows(&ar, epochs, MOST_EPOCHS);
    history->step_rows = md_archive_rows(&ar, steps, MD_STEP_ROWS);
    history->epoch = calloc(history->epochs + 1, sizeof *history->epoch);
    history->step = calloc(history->step_rows + 1, sizeof *history->step);
    MD_THEN(ar.status, md_check_memory(history->epoch != NULL && history->step != NULL, error));
    md_archive_read_epochs(&ar, epochs, history->epochs, history->epoch);
    md_archive_read_steps(&ar, steps, history->step_rows, history->step);
    int status = md_archive_close(&ar);
    if (status != MD_OK)
        md_cell_history_free(history);
    return status;
}

static void copy_scores(const struct md_cell *cell, struct md_metrics *before,
                        struct md_metrics *after, struct md_metrics *dummy) {
    for (int c = 0; c < cell->cap_count; c++) {
        before[c] = cell->scores[c].of[MD_BEFORE];
        after[c] = cell->scores[c].of[MD_AFTER];
        dummy[c] = cell->scores[c].of[MD_DUMMY];
    }
}

static int recall_history(const char *path, struct md_run *run, struct md_error *error) {
    struct md_cell_history history;
    MD_TRY(md_cell_read_history(path, &history, error));
    if (history.epochs > (size_t)run->config.epochs || history.step_rows > run->step_losses.rows) {
        md_cell_history_free(&history);
        return md_fail(error, MD_FAILED, "%.400s: its tables are longer than its run", path);
    }
    run->position.epoch = (int)history.epochs;
    memcpy(run->history, history.epoch, history.epochs * sizeof *history.epoch);
    for (size_t r = 0; r < history.step_rows; r++) {
        const struct md_step_row *row = &history.step[r];
        double *sums = run->step_losses.sums[r];
        sums[0] = isnan(row->train_loss) ? 0.0 : row->train_loss;
        sums[1] = isnan(row->train_loss) ? 0.0 : 1.0; /* no valid pixel has no loss */
        sums[2] = row->learning_rate;
    }
    md_cell_history_free(&history);
    return MD_OK;
}

static void recall_position(const struct md_cell *cell, struct md_run *run) {
    struct md_position *at = &run->position;
    memcpy(at->digest, cell->run_digest, sizeof at->digest);
    at->best_epoch = run->config.select == MD_SELECT_BEST ? (int)cell->selected_epoch : 0;
    at->diverged_epoch = (int)cell->diverged_epoch;
    at->seconds = cell->seconds;
    at->cpu_seconds = cell->training_cpu_seconds;
    run->engine.progress.steps = (uint64_t)cell->steps;
    run->engine.progress.skipped = (uint64_t)cell->skipped_steps;
}

int md_cell_recall(const char *path, struct md_run *run, char finished[32],
                   struct md_error *error) {
    struct md_archive ar;
    struct md_cell cell;
    MD_TRY(md_cell_read(path, &cell, error));
    MD_TRY(recall_history(path, run, error));
    MD_TRY(md_weights_read(path, run->network, run->best_weights, NULL, error));
    MD_TRY(md_archive_open(path, MD_CELL_KIND, &ar, cell.identity, error));
    recall_position(&cell, run);
    memcpy(finished, cell.finished, sizeof cell.finished);
    copy_scores(&cell, run->before, run->after, run->dummy);
    md_archive_read_scores(&ar, "/validation/metrics", &cell);
    copy_scores(&cell, run->val_before, run->val_after, run->val_dummy);
    return md_archive_close(&ar);
}
