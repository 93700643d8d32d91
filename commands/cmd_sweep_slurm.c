/* Handing a sweep's cells to Slurm. */
#define _XOPEN_SOURCE 700 /* realpath */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd_sweep.h"
#include "slurm.h"

/* Slurm's own limit, MaxArraySize, is 1001 unless a site says otherwise. */
enum { USUAL_TASKS = 1000 };

/* The program of every task, to be freed: each works on what is frozen in the folder, as this very
 * program. NULL with `error`. */
static char *write_script(const struct md_work *work, const char *folder, int tasks,
                          struct md_error *error) {
    char program[PATH_MAX] = "", jobs[16], seconds[16], task[40], line[4 * PATH_MAX];
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0) {
        md_error_set(error, "cannot find this program's own file: %s", strerror(errno));
        return NULL;
    }
    snprintf(jobs, sizeof jobs, "%d", work->workers);
    snprintf(seconds, sizeof seconds, "%d", work->checkpoint_s);
    snprintf(task, sizeof task, "\"$SLURM_ARRAY_TASK_ID/%d\"", tasks);
    const char *words[] = {program, "resume", folder, "--jobs", jobs, "--checkpoint", seconds};
    size_t length = (size_t)snprintf(line, sizeof line, "#!/bin/sh\nexec");
    for (size_t i = 0; i < sizeof words / sizeof words[0] && length + 1 < sizeof line; i++) {
        line[length++] = ' ';
        length += md_shell_word(words[i], line + length, sizeof line - length);
    }
    /* It stands in the place of the shell, so that Slurm's signals reach it. */
    if (length < sizeof line)
        length += (size_t)snprintf(line + length, sizeof line - length, " --task %s\n", task);
    char *script = length < sizeof line ? strdup(line) : NULL;
    if (script == NULL)
        md_error_set(error, "%.400s: the path is too long", folder);
    return script;
}

/* Cells to make; what failed is forgotten, since tasks leave failed cells alone. */
static int count_missing(struct md_session *session, size_t *missing, struct md_error *error) {
    int status = MD_OK;
    *missing = 0;
    for (size_t i = 0; i < session->grid.count && status == MD_OK; i++) {
        enum md_cell_state state = session->statuses[i].state;
        *missing += state != MD_DONE && state != MD_UNFIT;
        if (state == MD_FAILURE)
            status = md_sweep_forget(&session->sweep, i, 0, error);
    }
    return status;
}

static int most_threads(const struct md_grid *grid) {
    int most = 1;
    for (size_t i = 0; i < grid->count; i++)
        most = grid->cells[i].config.threads > most ? grid->cells[i].config.threads : most;
    return most;
}

static int print_submission(const struct md_session *session, const char *id, int tasks,
                            size_t missing, int json, struct md_error *error) {
    if (json)
        return md_print_json(json_pack("{s:s, s:s, s:o, s:i, s:I}", "folder", session->folder,
                                       "grid", session->grid.hash, "job",
                                       tasks > 0 ? json_string(id) : json_null(), "tasks", tasks,
                                       "cells", (json_int_t)missing),
                             error);
    if (tasks == 0)
        printf("%s: all %zu cells are done\n", session->folder, session->grid.count);
    else
        printf("%s: job %s: %d task%s for %zu cell%s; mudepth status says how they are\n",
               session->folder, id, tasks, tasks > 1 ? "s" : "", missing, missing > 1 ? "s" : "");
    return MD_OK;
}

static int usual_tasks(size_t missing) {
    return missing < USUAL_TASKS ? (int)missing : USUAL_TASKS;
}

int md_session_submit(struct md_session *session, const struct md_work *work,
                      const struct md_array *array, int json, struct md_error *error) {
    char folder[PATH_MAX], id[MD_SLURM_ID_SIZE] = "";
    size_t missing = 0;
    int status = count_missing(session, &missing, error);
    if (status == MD_OK && realpath(session->folder, folder) == NULL)
        status = md_fail(error, MD_FAILED, "%.400s: %s", session->folder, strerror(errno));
    if (status != MD_OK)
        return status;
    int tasks = missing == 0 ? 0 : array->size > 0 ? array->size : usual_tasks(missing);
    if (tasks > 0) {
        char *script = write_script(work, folder, tasks, error);
        const struct md_slurm_job job = {script,
                                         folder,
                                         tasks,
                                         most_threads(&session->grid) * work->workers,
                                         array->option_count,
                                         array->options};
        status = script != NULL ? md_slurm_submit(&job, id, error) : MD_FAILED;
        free(script);
    }
    return status == MD_OK ? print_submission(session, id, tasks, missing, json, error) : status;
}
