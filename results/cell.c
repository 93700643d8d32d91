#include "cell.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../datasets/digest.h"
#include "../experiments/version.h"
#include "weights.h"

#define CELL_KIND       "mudepth cell"
#define CHECKPOINT_KIND "mudepth checkpoint"
enum { LAYOUT = 1, CONFIG_SIZE = 32768 };

void md_cell_identity(const struct md_run *run, const char *weights_digest, char identity[33]) {
    char text[CONFIG_SIZE + 256];
    size_t n = md_config_format(&run->config, 0, text, CONFIG_SIZE);
    n = n < CONFIG_SIZE ? n : CONFIG_SIZE - 1;
    int more = snprintf(text + n, 256, "%s %s %s %s %d", run->train.digest, run->val.digest,
                        run->test.digest, weights_digest, MD_NUMERICS_VERSION);
    md_digest_text(XXH3_128bits(text, n + (size_t)more), identity);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* A writer that remembers its first failure, so that a list of writes reads as a list. */
struct pen {
    hid_t file;
    struct md_error *error;
    int status;
};

static void group(struct pen *pen, const char *name) {
    if (pen->status == MD_OK)
        pen->status = md_h5_group(pen->file, name, pen->error);
}
static void text(struct pen *pen, const char *object, const char *name, const char *value) {
    if (pen->status == MD_OK)
        pen->status = md_h5_write_text(pen->file, object, name, value, pen->error);
}
static void integer(struct pen *pen, const char *object, const char *name, long long value) {
    if (pen->status == MD_OK)
        pen->status = md_h5_write_integer(pen->file, object, name, value, pen->error);
}
static void real(struct pen *pen, const char *object, const char *name, double value) {
    if (pen->status == MD_OK)
        pen->status = md_h5_write_real(pen->file, object, name, value, pen->error);
}
static void array(struct pen *pen, const char *name, hid_t type, size_t count, const void *values) {
    if (pen->status == MD_OK)
        pen->status = md_h5_write(pen->file, name, type, 1, &count, values, pen->error);
}

static void write_head(struct pen *pen, const char *kind, const struct md_run *run,
                       const char *identity) {
    char config[CONFIG_SIZE];
    const struct {
        const char *name;
        const struct md_dataset *data;
    } splits[] = {
        {"/data/train", &run->train}, {"/data/val", &run->val}, {"/data/test", &run->test}};
    md_config_format(&run->config, 1, config, sizeof config);
    text(pen, "/", "kind", kind);
    integer(pen, "/", "layout", LAYOUT);
    text(pen, "/", "identity", identity);
    group(pen, "/config");
    text(pen, "/config", "yaml", config);
    for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++) {
        group(pen, splits[i].name);
        integer(pen, splits[i].name, "samples", (long long)splits[i].data->count);
        text(pen, splits[i].name, "digest", splits[i].data->digest);
    }
}

static void write_provenance(struct pen *pen, const struct md_run *run) {
    char host[128], now[32], hdf5[32];
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    snprintf(hdf5, sizeof hdf5, "%u.%u.%u", major, minor, release);
    md_host_name(host, sizeof host);
    md_time_now(now);
    group(pen, "/provenance");
    text(pen, "/provenance", "code_version", md_code_version());
    text(pen, "/provenance", "compiler", md_compiler());
    text(pen, "/provenance", "cpu_level", run->engine.setup.ops->level);
    text(pen, "/provenance", "host", host);
    text(pen, "/provenance", "finished", now);
    text(pen, "/provenance", "hdf5", hdf5);
    integer(pen, "/provenance", "numerics", MD_NUMERICS_VERSION);
}

/* The epochs' figures, one data set each; `fields` of struct md_epoch in this order. */
static const struct {
    const char *name;
    size_t offset;
} epoch_columns[] = {
    {"learning_rate", offsetof(struct md_epoch, learning_rate)},
    {"train_loss", offsetof(struct md_epoch, train_loss)},
    {"validation_loss", offsetof(struct md_epoch, validation_loss)},
    {"validation_rmse_m", offsetof(struct md_epoch, validation_rmse_m)},
};
enum { EPOCH_COLUMNS = sizeof epoch_columns / sizeof epoch_columns[0] };

static void write_epochs(struct pen *pen, const char *where, const struct md_run *run) {
    size_t epochs = (size_t)run->position.epoch;
    double *column = calloc(epochs + 1, sizeof *column);
    if (column == NULL)
        pen->status = md_fail(pen->error, MD_FAILED, "out of memory");
    for (int c = 0; c < EPOCH_COLUMNS && pen->status == MD_OK; c++) {
        char name[64];
        snprintf(name, sizeof name, "%s/%s", where, epoch_columns[c].name);
        for (size_t e = 0; e < epochs; e++)
            memcpy(&column[e], (const char *)&run->history[e] + epoch_columns[c].offset,
                   sizeof *column);
        array(pen, name, H5T_NATIVE_DOUBLE, epochs, column);
    }
    free(column);
}

static void write_training(struct pen *pen, const struct md_run *run) {
    const char *where = "/training";
    int best = run->config.select == MD_SELECT_BEST;
    group(pen, where);
    integer(pen, where, "arena_bytes", (long long)run->engine.plan.arena_bytes);
    integer(pen, where, "parameters_learning", (long long)run->engine.plan.learning);
    integer(pen, where, "optimizer_bytes_per_parameter",
            (long long)md_plan_kept_bytes(&run->engine.plan));
    integer(pen, where, "steps", (long long)run->engine.progress.steps);
    integer(pen, where, "skipped_steps", (long long)run->engine.progress.skipped);
    integer(pen, where, "selected_epoch", best ? run->position.best_epoch : run->position.epoch);
    real(pen, where, "seconds", run->position.seconds);
    write_epochs(pen, where, run);
}

static void write_metrics(struct pen *pen, const char *where, const struct md_metrics *metrics) {
    group(pen, where);
    for (int m = 0; m < MD_METRIC_COUNT; m++)
        real(pen, where, md_metric_names[m], metrics->value[m]);
    integer(pen, where, "images", (long long)metrics->images);
    integer(pen, where, "without_truth", (long long)metrics->without_truth);
}

static void write_weights(struct pen *pen, const struct md_run *run, const char *command) {
    struct md_weights_info info = {.stored_as = "float32"};
    snprintf(info.network, sizeof info.network, "%s", run->network->name);
    snprintf(info.source, sizeof info.source, "%.1000s, then %d epochs of %s", run->config.weights,
             run->position.epoch, run->config.data.set);
    snprintf(info.command, sizeof info.command, "%.1000s", command);
    snprintf(info.code_version, sizeof info.code_version, "%s", md_code_version());
    if (pen->status == MD_OK)
        pen->status =
            md_weights_store(pen->file, run->network, run->best_weights, &info, pen->error);
}

static int finish(struct md_h5_writer *writer, const struct pen *pen) {
    if (pen->status == MD_OK)
        return md_h5_commit(writer, pen->error);
    md_h5_abandon(writer);
    return pen->status;
}

int md_cell_write(const char *path, const struct md_run *run, const char *identity,
                  const char *command, struct md_error *error) {
    struct md_h5_writer writer;
    int status = md_h5_create(path, &writer, error);
    if (status != MD_OK)
        return status;
    struct pen pen = {writer.file, error, MD_OK};
    write_head(&pen, CELL_KIND, run, identity);
    text(&pen, "/", "run_digest", run->position.digest);
    text(&pen, "/config", "command", command);
    write_provenance(&pen, run);
    write_training(&pen, run);
    write_metrics(&pen, "/test/before", &run->before);
    write_metrics(&pen, "/test/after", &run->after);
    write_metrics(&pen, "/test/dummy", &run->dummy);
    write_metrics(&pen, "/validation/before", &run->val_before);
    write_metrics(&pen, "/validation/dummy", &run->val_dummy);
    write_weights(&pen, run, command);
    return finish(&writer, &pen);
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

#define WHERE "/checkpoint"

int md_checkpoint_write(const char *path, struct md_run *run, const char *identity,
                        struct md_error *error) {
    struct md_h5_writer writer;
    int status = md_h5_create(path, &writer, error);
    if (status != MD_OK)
        return status;
    const struct md_position *at = &run->position;
    const struct md_progress *progress = &run->engine.progress;
    size_t bytes;
    const void *state = md_engine_state(&run->engine, &bytes);
    struct pen pen = {writer.file, error, MD_OK};
    write_head(&pen, CHECKPOINT_KIND, run, identity);
    group(&pen, WHERE);
    integer(&pen, WHERE, "epoch", at->epoch);
    integer(&pen, WHERE, "step", at->step);
    integer(&pen, WHERE, "best_epoch", at->best_epoch);
    integer(&pen, WHERE, "optimizer_steps", (long long)progress->steps);
    integer(&pen, WHERE, "skipped_steps", (long long)progress->skipped);
    real(&pen, WHERE, "loss_sum", at->loss_sum);
    real(&pen, WHERE, "loss_valid", at->loss_valid);
    real(&pen, WHERE, "best_loss", at->best_loss);
    real(&pen, WHERE, "correction1", progress->correction1);
    real(&pen, WHERE, "correction2", progress->correction2);
    real(&pen, WHERE, "seconds", at->seconds);
    text(&pen, WHERE, "run_digest", at->digest);
    array(&pen, WHERE "/state", H5T_NATIVE_UINT8, bytes, state);
    array(&pen, WHERE "/best_weights", H5T_NATIVE_FLOAT, md_parameter_total(run->network),
          run->best_weights);
    write_epochs(&pen, WHERE, run);
    return finish(&writer, &pen);
}

static int check_kind(hid_t file, const char *path, const char *kind, char identity[33],
                      struct md_error *error) {
    char found[40];
    long long layout;
    int status = md_h5_read_text(file, "/", "kind", sizeof found, found, error);
    if (status == MD_OK && strcmp(found, kind) != 0)
        status = md_fail(error, MD_FAILED, "%.400s: expected a %s, found a %s", path, kind, found);
    if (status == MD_OK)
        status = md_h5_read_integer(file, "/", "layout", &layout, error);
    if (status == MD_OK && layout != LAYOUT)
        status = md_fail(error, MD_FAILED, "%.400s: expected layout %d, found %lld", path, LAYOUT,
                         layout);
    return status == MD_OK ? md_h5_read_text(file, "/", "identity", 33, identity, error) : status;
}

int md_cell_read_identity(const char *path, char identity[33], struct md_error *error) {
    hid_t file;
    int status = md_h5_open(path, &file, error);
    if (status != MD_OK)
        return status;
    status = check_kind(file, path, CELL_KIND, identity, error);
    H5Fclose(file);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The counterparts of a pen. */
static void take_integer(struct pen *pen, const char *where, const char *name, long long low,
                         long long high, long long *value) {
    if (pen->status == MD_OK)
        pen->status = md_h5_read_integer(pen->file, where, name, value, pen->error);
    if (pen->status == MD_OK && (*value < low || *value > high)) {
        char path[400] = "";
        H5Fget_name(pen->file, path, sizeof path);
        pen->status =
            md_fail(pen->error, MD_FAILED, "%.400s: %s %s: expected %lld to %lld, found %lld", path,
                    where, name, low, high, *value);
    }
}
static void take_real(struct pen *pen, const char *where, const char *name, double *value) {
    if (pen->status == MD_OK)
        pen->status = md_h5_read_real(pen->file, where, name, value, pen->error);
}
static void take_text(struct pen *pen, const char *where, const char *name, size_t size,
                      char *value) {
    if (pen->status == MD_OK)
        pen->status = md_h5_read_text(pen->file, where, name, size, value, pen->error);
}
static void take_array(struct pen *pen, const char *name, hid_t type, size_t count, void *values) {
    if (pen->status == MD_OK)
        pen->status = md_h5_read(pen->file, name, type, 1, &count, count, values, pen->error);
}

static void take_epochs(struct pen *pen, struct md_run *run, size_t epochs) {
    double *column = calloc(epochs + 1, sizeof *column);
    if (column == NULL)
        pen->status = md_fail(pen->error, MD_FAILED, "out of memory");
    for (int c = 0; c < EPOCH_COLUMNS && pen->status == MD_OK; c++) {
        char name[64];
        snprintf(name, sizeof name, WHERE "/%s", epoch_columns[c].name);
        take_array(pen, name, H5T_NATIVE_DOUBLE, epochs, column);
        for (size_t e = 0; e < epochs; e++)
            memcpy((char *)&run->history[e] + epoch_columns[c].offset, &column[e], sizeof *column);
    }
    free(column);
}

static void take_metrics(struct pen *pen, const char *where, struct md_metrics *metrics) {
    long long images = 0, without_truth = 0;
    for (int m = 0; m < MD_METRIC_COUNT; m++)
        take_real(pen, where, md_metric_names[m], &metrics->value[m]);
    take_integer(pen, where, "images", 0, INT_MAX, &images);
    take_integer(pen, where, "without_truth", 0, INT_MAX, &without_truth);
    metrics->images = (size_t)images;
    metrics->without_truth = (size_t)without_truth;
}

static void take_cell(struct pen *pen, const char *path, struct md_cell *cell) {
    static const char *const splits[] = {"/data/train", "/data/val", "/data/test"};
    char config[CONFIG_SIZE] = "", origin[200];
    take_text(pen, "/config", "yaml", sizeof config, config);
    snprintf(origin, sizeof origin, "%.180s, yaml of /config", path);
    /* What is wrong in a file is not wrong usage. */
    if (pen->status == MD_OK && md_config_parse(config, origin, &cell->config, pen->error) != MD_OK)
        pen->status = MD_FAILED;
    take_text(pen, "/provenance", "code_version", sizeof cell->code_version, cell->code_version);
    for (int i = 0; i < 3; i++)
        take_text(pen, splits[i], "digest", sizeof cell->data_digests[i], cell->data_digests[i]);
    const char *where = "/training";
    take_integer(pen, where, "parameters_learning", 0, INT_MAX, &cell->parameters_learning);
    take_integer(pen, where, "optimizer_bytes_per_parameter", 0, INT_MAX,
                 &cell->optimizer_bytes_per_parameter);
    take_integer(pen, where, "steps", 0, LLONG_MAX, &cell->steps);
    take_integer(pen, where, "skipped_steps", 0, LLONG_MAX, &cell->skipped_steps);
    take_real(pen, where, "seconds", &cell->seconds);
    take_metrics(pen, "/test/before", &cell->before);
    take_metrics(pen, "/test/after", &cell->after);
    take_metrics(pen, "/test/dummy", &cell->dummy);
}

int md_cell_read(const char *path, struct md_cell *cell, struct md_error *error) {
    hid_t file;
    memset(cell, 0, sizeof *cell);
    int status = md_h5_open(path, &file, error);
    if (status != MD_OK)
        return status;
    struct pen pen = {file, error, check_kind(file, path, CELL_KIND, cell->identity, error)};
    if (pen.status == MD_OK)
        take_cell(&pen, path, cell);
    H5Fclose(file);
    return pen.status;
}

/* Reads everything into the run. What it changes on a failure does not matter: the run is then
 * given up. */
static void take_state(struct pen *pen, struct md_run *run) {
    struct md_position *at = &run->position;
    long long epoch = 0, step = 0, best_epoch = 0, steps = 0, skipped = 0;
    long long batch = run->config.batch;
    long long most_steps = ((long long)run->train.count + batch - 1) / batch;
    double correction1 = 0, correction2 = 0;
    size_t bytes;
    void *state = md_engine_state(&run->engine, &bytes);
    take_integer(pen, WHERE, "epoch", 0, run->config.epochs, &epoch);
    take_integer(pen, WHERE, "step", 0, most_steps, &step);
    take_integer(pen, WHERE, "best_epoch", 0, epoch, &best_epoch);
    take_integer(pen, WHERE, "optimizer_steps", 0, epoch * most_steps + step, &steps);
    take_integer(pen, WHERE, "skipped_steps", 0, epoch * most_steps + step - steps, &skipped);
    take_real(pen, WHERE, "loss_sum", &at->loss_sum);
    take_real(pen, WHERE, "loss_valid", &at->loss_valid);
    take_real(pen, WHERE, "best_loss", &at->best_loss);
    take_real(pen, WHERE, "correction1", &correction1);
    take_real(pen, WHERE, "correction2", &correction2);
    take_real(pen, WHERE, "seconds", &at->seconds);
    take_array(pen, WHERE "/state", H5T_NATIVE_UINT8, bytes, state);
    take_array(pen, WHERE "/best_weights", H5T_NATIVE_FLOAT, md_parameter_total(run->network),
               run->best_weights);
    take_text(pen, WHERE, "run_digest", sizeof at->digest, at->digest);
    if (pen->status == MD_OK)
        take_epochs(pen, run, (size_t)epoch);
    at->epoch = (int)epoch;
    at->step = (int)step;
    at->best_epoch = (int)best_epoch;
    run->engine.progress = (struct md_progress){(uint64_t)steps, (float)correction1,
                                                (float)correction2, (uint64_t)skipped};
}

int md_checkpoint_read(const char *path, struct md_run *run, const char *identity,
                       struct md_error *error) {
    hid_t file;
    char found[33];
    int status = md_h5_open(path, &file, error);
    if (status != MD_OK)
        return status;
    status = check_kind(file, path, CHECKPOINT_KIND, found, error);
    if (status == MD_OK && strcmp(found, identity) != 0)
        status = md_fail(error, MD_FAILED,
                         "%.400s: belongs to another run: config, data, initial weights or "
                         "numerics differ",
                         path);
    if (status == MD_OK) {
        struct pen pen = {file, error, MD_OK};
        take_state(&pen, run);
        status = pen.status;
    }
    H5Fclose(file);
    return status;
}
