#include "slurm.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../datasets/file.h"
#include "../datasets/process.h"

/* sbatch's words, to be freed; the texts they point to are in `texts`. */
static char **words_of(const struct md_slurm_job *job, char (*texts)[MD_PATH_MAX]) {
    enum { OURS = 9 };
    static char program[] = "sbatch", parsable[] = "--parsable", requeue[] = "--requeue",
                append[] = "--open-mode=append", name[] = "--job-name=mudepth";
    char **words = calloc(OURS + job->option_count + 1, sizeof *words);
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
    if (job->option_count > 0)
        memcpy(words + sizeof ours / sizeof ours[0], job->options,
               job->option_count * sizeof *words);
    return words;
}

static int submit(const struct md_slurm_job *job, FILE *const files[3], char *const *words,
                  char id[MD_SLURM_ID_SIZE], struct md_error *error) {
    char said[800];
    if (fputs(job->script, files[0]) == EOF || fflush(files[0]) != 0)
        return md_fail(error, MD_FAILED, "cannot write the job's script: %s", strerror(errno));
    rewind(files[0]);
    const int descriptors[3] = {fileno(files[0]), fileno(files[1]), fileno(files[2])};
    int ended;
    if (md_process_run(words, descriptors, &ended, error) != MD_OK)
        return MD_FAILED;
    md_process_said(files[2], said, sizeof said);
    if (WIFSIGNALED(ended))
        return md_fail(error, MD_FAILED, "sbatch was killed by signal %d: %s", WTERMSIG(ended),
                       said);
    if (WEXITSTATUS(ended) != 0)
        return md_fail(error, MD_FAILED, "sbatch failed with exit code %d: %s", WEXITSTATUS(ended),
                       said);
    fputs(said, stderr);
    fputs(said[0] != '\0' ? "\n" : "", stderr);
    md_process_said(files[1], id, MD_SLURM_ID_SIZE);
    if (!isdigit((unsigned char)id[0]))
        return md_fail(error, MD_FAILED, "sbatch: expected the number of a job, found \"%.200s\"",
                       id);
    return MD_OK;
}

int md_slurm_submit(const struct md_slurm_job *job, char id[MD_SLURM_ID_SIZE],
                    struct md_error *error) {
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
                     ? submit(job, files, words, id, error)
                     : md_fail(error, MD_FAILED, "cannot make temporary files, or out of memory");
    for (int f = 0; f < 3; f++)
        if (files[f] != NULL)
            fclose(files[f]);
    free(words);
    free(texts);
    return status;
}
