#include "cell_parts.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---------------------------------------------------------------------------------- */

void md_archive_group(struct md_archive *ar, const char *name) {
    MD_THEN(ar->status, md_h5_group(ar->file, name, ar->error));
}

void md_archive_write_text(struct md_archive *ar, const char *object, const char *name,
                           const char *value) {
    MD_THEN(ar->status, md_h5_write_text(ar->file, object, name, value, ar->error));
}

void md_archive_text(struct md_archive *ar, const char *object, const char *name, size_t size,
                     char *value) {
    MD_THEN(ar->status, ar->reads ? md_h5_read_text(ar->file, object, name, size, value, ar->error)
                                  : md_h5_write_text(ar->file, object, name, value, ar->error));
}

static void fail(struct md_archive *ar, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void fail(struct md_archive *ar, const char *format, ...) {
    char path[400] = "", text[sizeof ar->error->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    H5Fget_name(ar->file, path, sizeof path);
    ar->status = md_fail(ar->error, MD_FAILED, "%.400s: %s", path, text);
}

void md_archive_integer(struct md_archive *ar, const char *object, const char *name, long long low,
                        long long high, long long *value) {
    MD_THEN(ar->status, ar->reads ? md_h5_read_integer(ar->file, object, name, value, ar->error)
                                  : md_h5_write_integer(ar->file, object, name, *value, ar->error));
    if (ar->status == MD_OK && ar->reads && (*value < low || *value > high))
        fail(ar, "%s %s: expected %lld to %lld, found %lld", object, name, low, high, *value);
}

void md_archive_real(struct md_archive *ar, const char *object, const char *name, double *value) {
    MD_THEN(ar->status, ar->reads ? md_h5_read_real(ar->file, object, name, value, ar->error)
                                  : md_h5_write_real(ar->file, object, name, *value, ar->error));
}

void md_archive_array(struct md_archive *ar, const char *name, hid_t type, size_t count,
                      void *values) {
    MD_THEN(ar->status, ar->reads
                            ? md_h5_read(ar->file, name, type, 1, &count, count, values, ar->error)
                            : md_h5_write(ar->file, name, type, 1, &count, values, ar->error));
}

/* ---- the head -------------------------------------------------------------------------------- */

void md_archive_write_head(struct md_archive *ar, const char *kind, const struct md_run *run,
                           const char *identity) {
    char config[MD_CELL_CONFIG_SIZE];
    long long layout = MD_CELL_LAYOUT;
    const struct {
        const char *name;
        const struct md_dataset *data;
    } splits[] = {
        {"/data/train", &run->train}, {"/data/val", &run->val}, {"/data/test", &run->test}};
    md_config_format(&run->config, 1, config, sizeof config);
    md_archive_write_text(ar, "/", "kind", kind);
    md_archive_integer(ar, "/", "layout", 0, 0, &layout);
    md_archive_write_text(ar, "/", "identity", identity);
    md_archive_group(ar, "/config");
    md_archive_write_text(ar, "/config", "yaml", config);
    for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++) {
        const struct md_dataset *data = splits[i].data;
        long long samples = (long long)data->count;
        md_archive_group(ar, splits[i].name);
        md_archive_integer(ar, splits[i].name, "samples", 0, 0, &samples);
        md_archive_write_text(ar, splits[i].name, "digest", data->digest);
        if (data->depth_kinds[0] != '\0')
            md_archive_write_text(ar, splits[i].name, "depth_kinds", data->depth_kinds);
    }
}

int md_archive_open(const char *path, const char *kind, struct md_archive *ar, char identity[33],
                    struct md_error *error) {
    char found[40] = "";
    long long layout = 0;
    *ar = (struct md_archive){.error = error, .reads = 1};
    MD_TRY(md_h5_open(path, &ar->file, error));
    md_archive_text(ar, "/", "kind", sizeof found, found);
    if (ar->status == MD_OK && strcmp(found, kind) != 0)
        fail(ar, "expected a %s, found a %s", kind, found);
    md_archive_integer(ar, "/", "layout", LLONG_MIN, LLONG_MAX, &layout);
    if (ar->status == MD_OK && layout != MD_CELL_LAYOUT)
        fail(ar,
             "expected a %s of layout %d, found layout %lld, of another version of mudepth: make "
             "it again",
             kind, MD_CELL_LAYOUT, layout);
    md_archive_text(ar, "/", "identity", 33, identity);
    return MD_OK;
}

int md_archive_close(struct md_archive *ar) {
    H5Fclose(ar->file);
    return ar->status;
}

/* ---- epochs ---------------------------------------------------------------------------------- */

struct epoch_row {
    int64_t epoch; /* from 1 */
    struct md_epoch values;
};

#define REAL(name)                                                                                 \
    { #name, MD_H5_REAL, offsetof(struct epoch_row, values.name), sizeof(double), 0 }
static const struct md_h5_column epoch_columns[] = {
    {"epoch", MD_H5_INTEGER, offsetof(struct epoch_row, epoch), sizeof(int64_t), 0},
    REAL(learning_rate),
    REAL(train_loss),
    REAL(validation_loss),
    REAL(validation_rmse_m),
};
enum { EPOCH_COLUMNS = sizeof epoch_columns / sizeof epoch_columns[0] };
_Static_assert(EPOCH_COLUMNS == 1 + MD_EPOCH_COLUMNS, "every value has its column");

const char *md_epoch_column(int column) {
    return epoch_columns[1 + column].name;
}

double md_epoch_value(const struct md_epoch *epoch, int column) {
    const struct epoch_row row = {.values = *epoch};
    double value;
    memcpy(&value, (const char *)&row + epoch_columns[1 + column].offset, sizeof value);
    return value;
}

static void *allocate_rows(struct md_archive *ar, size_t count, size_t size) {
    void *rows = ar->status == MD_OK ? calloc(count + 1, size) : NULL;
    MD_THEN(ar->status, md_check_memory(rows != NULL, ar->error));
    return rows;
}

void md_archive_write_epochs(struct md_archive *ar, const char *name, const struct md_run *run) {
    size_t epochs = (size_t)run->position.epoch;
    struct epoch_row *rows = allocate_rows(ar, epochs, sizeof *rows);
    for (size_t e = 0; rows != NULL && e < epochs; e++)
        rows[e] = (struct epoch_row){(int64_t)e + 1, run->history[e]};
    MD_THEN(ar->status, md_h5_write_table(ar->file, name, epoch_columns, EPOCH_COLUMNS,
                                          sizeof *rows, epochs, rows, ar->error));
    free(rows);
}

size_t md_archive_rows(struct md_archive *ar, const char *name, size_t most) {
    int dimensions = 0;
    size_t rows = 0;
    MD_THEN(ar->status, md_h5_shape(ar->file, name, 1, &dimensions, &rows, ar->error));
    if (ar->status == MD_OK && rows > most)
        fail(ar, "%s: expected at most %zu rows, found %zu", name, most, rows);
    return ar->status == MD_OK ? rows : 0;
}

/* Reads a table of at most `most` rows, to be freed. */
static void *read_table(struct md_archive *ar, const char *name, const struct md_h5_column *columns,
                        size_t column_count, size_t row_bytes, size_t most, size_t *count) {
    *count = md_archive_rows(ar, name, most);
    void *rows = allocate_rows(ar, *count, row_bytes);
    MD_THEN(ar->status, md_h5_read_table(ar->file, name, columns, column_count, row_bytes, *count,
                                         rows, ar->error));
    return rows;
}

size_t md_archive_read_epochs(struct md_archive *ar, const char *name, size_t most,
                              struct md_epoch *history) {
    size_t count;
    struct epoch_row *rows =
        read_table(ar, name, epoch_columns, EPOCH_COLUMNS, sizeof *rows, most, &count);
    for (size_t e = 0; ar->status == MD_OK && e < count; e++)
        history[e] = rows[e].values;
    free(rows);
    return count;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static const struct md_h5_column step_columns[] = {
    {"step", MD_H5_INTEGER, offsetof(struct md_step_row, step), sizeof(int64_t), 0},
    {"train_loss", MD_H5_REAL, offsetof(struct md_step_row, train_loss), sizeof(double), 0},
    {"learning_rate", MD_H5_REAL, offsetof(struct md_step_row, learning_rate), sizeof(double), 0},
};
enum { STEP_COLUMNS = sizeof step_columns / sizeof step_columns[0] };

void md_archive_write_steps(struct md_archive *ar, const char *name, const struct md_run *run) {
    struct md_step_row *rows = allocate_rows(ar, run->step_losses.rows, sizeof *rows);
    MD_THEN(ar->status, md_h5_write_table(ar->file, name, step_columns, STEP_COLUMNS, sizeof *rows,
                                          md_run_step_rows(run, rows), rows, ar->error));
    free(rows);
}

size_t md_archive_read_steps(struct md_archive *ar, const char *name, size_t most,
                             struct md_step_row *steps) {
    size_t count;
    struct md_step_row *rows =
        read_table(ar, name, step_columns, STEP_COLUMNS, sizeof *rows, most, &count);
    if (ar->status == MD_OK)
        memcpy(steps, rows, count * sizeof *rows);
    free(rows);
    return count;
}
