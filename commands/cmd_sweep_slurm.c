/* Handing a sweep's cells to Slurm. */
#define _XOPEN_SOURCE 700 /* realpath */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/file.h"
#include "../base/process.h"
#include "cmd_sweep.h"

/* Slurm's own limit, MaxArraySize, is 1001 unless a site says otherwise. */
enum { USUAL_TASKS = 1000 };

/* A job array, handed in by Slurm's own program sbatch. */
struct array_job {
    const char *script; /* the program that every task runs: #!/bin/sh and so on */
    const char *folder; /* absolute; where the tasks' slurm-JOB_TASK.log go */
    int tasks;          /* numbered from 0 in SLURM_ARRAY_TASK_ID */
    int processors;     /* per task */
    const struct md_array *array;
};
enum { ID_SIZE = 100 };

/* sbatch's words, to be freed; the texts they point to are in `texts`. */
static char **words_of(const struct array_job *job, char (*texts)[MD_PATH_MAX]) {
    enum { OURS = 9 };
    static char program[] = "sbatch", parsable[] = "--parsable", requeue[] = "--requeue",
                append[] = "--open-mode=append", name[] = "--job-name=mudepth";
    char **words = calloc(OURS + job->array->option_count + 1, sizeof *words);
    if (words == NULL)
        return NULL;
    snprintf(texts[0], MD_PATH_MAX, "--array=0-%d", job->tasks - 1);
    snprintf(texts[1], MD_PATH_MAX, "--cpus-per-task=%d", job->processors);
    /* In the name of a log %A is the job and %% is %. */
    size_t length = (size_t)snprintf(texts[2], MD_PATH_MAX, "--output=");
    for (const char *c = job->folder; *c != '\0' && length + 2 < MD_PATH_MAX; c++)
        length += (size_t)snprintf(texts[2] + length, MD_PATH_MAX - length,
                                   *c == '%' ? "%%%%" : "%c", *c);
    snprintf(texts[2] + length, MD_PATH_MAX - length, "/slurm-%%A_%%a.log");
    char *const ours[] = {program, parsable, requeue, append, name, texts[0], texts[1], texts[2]};
    memcpy(words, ours, sizeof ours);
    if (job->array->option_count > 0)
        memcpy(words + sizeof ours / sizeof ours[0], job->array->options,
               job->array->option_count * sizeof *words);
    return words;
}

static int run_sbatch(const struct array_job *job, FILE *const files[3], char *const *words,
                      char id[ID_SIZE], struct md_error *error) {
    char output[800];
    if (fputs(job->script, files[0]) == EOF || fflush(files[0]) != 0)
        return md_fail(error, MD_FAILED, "cannot write the job's script: %s", strerror(errno));
    rewind(files[0]);
    const int descriptors[3] = {fileno(files[0]), fileno(files[1]), fileno(files[2])};
    int ended;
    if (md_process_run(words, descriptors, &ended, error) != MD_OK)
        return MD_FAILED;
    md_process_output(files[2], output, sizeof output);
    if (WIFSIGNALED(ended))
        return md_fail(error, MD_FAILED, "sbatch was killed by signal %d: %s", WTERMSIG(ended),
                       output);
    if (WEXITSTATUS(ended) != 0)
        return md_fail(error, MD_FAILED, "sbatch failed with exit code %d: %s", WEXITSTATUS(ended),
                       output);
    fputs(output, stderr);
    fputs(output[0] != '\0' ? "\n" : "", stderr);
    md_process_output(files[1], id, ID_SIZE);
    if (!isdigit((unsigned char)id[0]))
        return md_fail(error, MD_FAILED, "sbatch: expected the number of a job, found \"%.200s\"",
                       id);
    return MD_OK;
}

/* Submits an array of tasks that come back when they are preempted. `id` is its number, behind
 * which sbatch may put ";CLUSTER". Fails with sbatch's own words, also when there is none. */
static int submit(const struct array_job *job, char id[ID_SIZE], struct md_error *error) {
    /* Such a path has no way to the logs' numbers: a backslash switches all % off. */
    if (strchr(job->folder, '\\') != NULL)
        return md_fail(error, MD_USAGE,
                       "%.400s: Slurm cannot put its logs into a folder with a backslash",
                       job->folder);
    if (2 * strlen(job->folder) + 40 > MD_PATH_MAX)
        return md_fail(error, MD_USAGE, "%.200s...: the path is too long", job->folder);
    char(*texts)[MD_PATH_MAX] = malloc(3 * sizeof *texts);
    char **words = texts != NULL ? words_of(job, texts) : NULL;
    FILE *files[3] = {tmpfile(), tmpfile(), tmpfile()};
    int status = words != NULL && files[0] != NULL && files[1] != NULL && files[2] != NULL
                     ? run_sbatch(job, files, words, id, error)
                     : md_fail(error, MD_FAILED, "cannot make temporary files, or out of memory");
    for (int f = 0; f < 3; f++)
        if (files[f] != NULL)
            fclose(files[f]);
    free(words);
    free(texts);
    return status;
}

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
    char folder[PATH_MAX], id[ID_SIZE] = "";
    size_t missing = 0;
    int status = count_missing(session, &missing, error);
    if (status == MD_OK && realpath(session->folder, folder) == NULL)
        status = md_fail(error, MD_FAILED, "%.400s: %s", session->folder, strerror(errno));
    if (status != MD_OK)
        return status;
    int tasks = missing == 0 ? 0 : array->size > 0 ? array->size : usual_tasks(missing);
    if (tasks > 0) {
        char *script = write_script(work, folder, tasks, error);
        const struct array_job job = {.script = script,
                                      .folder = folder,
                                      .tasks = tasks,
                                      .processors = most_threads(&session->grid) * work->workers,
                                      .array = array};
        status = script != NULL ? submit(&job, id, error) : MD_FAILED;
        free(script);
    }
    return status == MD_OK ? print_submission(session, id, tasks, missing, json, error) : status;
}
