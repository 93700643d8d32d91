#include "runlog.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

static void put(FILE *to, json_t *line) {
    if (line == NULL || json_dumpf(line, to, JSON_COMPACT) != 0)
        return;
    putc('\n', to);
    fflush(to);
    json_decref(line);
}

void md_log_step(FILE *to, const struct md_step_row *step, int epoch) {
    put(to, json_pack("{s:s, s:I, s:i, s:o, s:o}", "event", "step", "step", (json_int_t)step->step,
                      "epoch", epoch, "train_loss", md_json_number(step->train_loss),
                      "learning_rate", md_json_number(step->learning_rate)));
}

void md_log_epoch(FILE *to, const struct md_epoch *epoch, int number, int64_t step) {
    put(to,
        json_pack("{s:s, s:I, s:i, s:o, s:o, s:o, s:o}", "event", "epoch", "step", (json_int_t)step,
                  "epoch", number, "train_loss", md_json_number(epoch->train_loss),
                  "validation_loss", md_json_number(epoch->validation_loss), "validation_rmse_m",
                  md_json_number(epoch->validation_rmse_m), "learning_rate",
                  md_json_number(epoch->learning_rate)));
}

void md_log_all(FILE *to, const struct md_epoch *history, size_t epochs,
                const struct md_step_row *steps, size_t step_rows, int64_t steps_an_epoch) {
    size_t row = 0;
    for (size_t e = 0; e <= epochs; e++) {
        int64_t end = ((int64_t)e + 1) * steps_an_epoch;
        for (; row < step_rows && (e == epochs || steps[row].step <= end); row++)
            md_log_step(to, &steps[row], (int)((steps[row].step - 1) / steps_an_epoch) + 1);
        if (e < epochs)
            md_log_epoch(to, &history[e], (int)e + 1, end);
    }
}

static int write_past(FILE *to, const struct md_run *run, struct md_error *error) {
    struct md_step_row *steps = malloc((run->step_losses.rows + 1) * sizeof *steps);
    MD_TRY(md_check_memory(steps != NULL, error));
    size_t rows = md_run_step_rows(run, steps);
    md_log_all(to, run->history, (size_t)run->position.epoch, steps, rows,
               md_run_steps_an_epoch(run));
    free(steps);
    return MD_OK;
}

/* The step of a log's line; negative when the line is none. */
static int64_t step_of(const char *line) {
    const char *event;
    json_int_t step = -1;
    json_t *json = json_loads(line, 0, NULL);
    if (json == NULL || json_unpack(json, "{s:s, s:I}", "event", &event, "step", &step) != 0)
        step = -1;
    json_decref(json);
    return step;
}

/* Removes the lines after step `last`, and stays at the end of the file. Its last line may be
 * incomplete. */
static int truncate_log(const char *path, FILE *file, int64_t last, struct md_error *error) {
    static const char begin[] = "{\"event\":";
    char *line = NULL;
    size_t capacity = 0;
    long end = 0;
    int64_t step = 0;
    ssize_t length;
    while (step >= 0 && step <= last && (length = getline(&line, &capacity, file)) > 0) {
        size_t known = (size_t)length < sizeof begin - 1 ? (size_t)length : sizeof begin - 1;
        int is_whole = line[length - 1] == '\n', is_ours = strncmp(line, begin, known) == 0;
        step = !is_ours ? -1 : is_whole ? step_of(line) : last + 1;
        if (step >= 0 && step <= last)
            end = ftell(file);
    }
    free(line);
    if (step < 0)
        return md_fail(error, MD_USAGE,
                       "--log: %.400s: expected the log of a run, found other lines", path);
    if (fseek(file, end, SEEK_SET) != 0 || ftruncate(fileno(file), end) != 0)
        return md_fail(error, MD_FAILED, "--log: %.400s: %s", path, strerror(errno));
    return MD_OK;
}

int md_log_open(const char *path, int resumes, const struct md_run *run, FILE **log,
                struct md_error *error) {
    int64_t last = (int64_t)run->position.epoch * md_run_steps_an_epoch(run) + run->position.step;
    int is_old = resumes && access(path, F_OK) == 0;
    *log = fopen(path, is_old ? "r+" : "w");
    if (*log == NULL)
        return md_fail(error, MD_FAILED, "--log: %.400s: %s", path, strerror(errno));
    int status = is_old ? truncate_log(path, *log, last, error) : write_past(*log, run, error);
    if (status == MD_OK)
        return MD_OK;
    fclose(*log);
    *log = NULL;
    return status;
}
