#include "cell_parts.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---------------------------------------------------------------------------------- */

void md_pen_group(struct md_pen *pen, const char *name) {
    MD_THEN(pen->status, md_h5_group(pen->file, name, pen->error));
}

void md_pen_text(struct md_pen *pen, const char *object, const char *name, const char *value) {
    MD_THEN(pen->status, md_h5_write_text(pen->file, object, name, value, pen->error));
}

void md_pass_text(struct md_pen *pen, const char *object, const char *name, size_t size,
                  char *value) {
    MD_THEN(pen->status, pen->reads
                             ? md_h5_read_text(pen->file, object, name, size, value, pen->error)
                             : md_h5_write_text(pen->file, object, name, value, pen->error));
}

static void fail(struct md_pen *pen, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct md_pen *pen, const char *format, ...) {
    char path[400] = "", text[sizeof pen->error->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    H5Fget_name(pen->file, path, sizeof path);
    pen->status = md_fail(pen->error, MD_FAILED, "%.400s: %s", path, text);
}

void md_pass_integer(struct md_pen *pen, const char *object, const char *name, long long low,
                     long long high, long long *value) {
    MD_THEN(pen->status, pen->reads
                             ? md_h5_read_integer(pen->file, object, name, value, pen->error)
                             : md_h5_write_integer(pen->file, object, name, *value, pen->error));
    if (pen->status == MD_OK && pen->reads && (*value < low || *value > high))
        fail(pen, "%s %s: expected %lld to %lld, found %lld", object, name, low, high, *value);
}

void md_pass_real(struct md_pen *pen, const char *object, const char *name, double *value) {
    MD_THEN(pen->status, pen->reads
                             ? md_h5_read_real(pen->file, object, name, value, pen->error)
                             : md_h5_write_real(pen->file, object, name, *value, pen->error));
}

void md_pass_array(struct md_pen *pen, const char *name, hid_t type, size_t count, void *values) {
    MD_THEN(pen->status,
            pen->reads ? md_h5_read(pen->file, name, type, 1, &count, count, values, pen->error)
                       : md_h5_write(pen->file, name, type, 1, &count, values, pen->error));
}

/* ---- the head -------------------------------------------------------------------------------- */

void md_pen_head(struct md_pen *pen, const char *kind, const struct md_run *run,
                 const char *identity) {
    char config[MD_CELL_CONFIG_SIZE];
    const struct {
        const char *name;
        const struct md_dataset *data;
    } splits[] = {
        {"/data/train", &run->train}, {"/data/val", &run->val}, {"/data/test", &run->test}};
    md_config_format(&run->config, 1, config, sizeof config);
    md_pen_text(pen, "/", "kind", kind);
    md_pass_integer(pen, "/", "layout", 0, 0, &(long long){MD_CELL_LAYOUT});
    md_pen_text(pen, "/", "identity", identity);
    md_pen_group(pen, "/config");
    md_pen_text(pen, "/config", "yaml", config);
    for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++) {
        const struct md_dataset *data = splits[i].data;
        md_pen_group(pen, splits[i].name);
        md_pass_integer(pen, splits[i].name, "samples", 0, 0, &(long long){(long long)data->count});
        md_pen_text(pen, splits[i].name, "digest", data->digest);
        if (data->mix[0] != '\0')
            md_pen_text(pen, splits[i].name, "depth_kinds", data->mix);
    }
}

int md_pen_open(const char *path, const char *kind, struct md_pen *pen, char identity[33],
                struct md_error *error) {
    char found[40] = "";
    long long layout = 0;
    *pen = (struct md_pen){.error = error, .reads = 1};
    MD_TRY(md_h5_open(path, &pen->file, error));
    md_pass_text(pen, "/", "kind", sizeof found, found);
    if (pen->status == MD_OK && strcmp(found, kind) != 0)
        fail(pen, "expected a %s, found a %s", kind, found);
    md_pass_integer(pen, "/", "layout", LLONG_MIN, LLONG_MAX, &layout);
    if (pen->status == MD_OK && layout != MD_CELL_LAYOUT)
        fail(pen,
             "expected a %s of layout %d, found layout %lld, of another version of mudepth: make "
             "it again",
             kind, MD_CELL_LAYOUT, layout);
    md_pass_text(pen, "/", "identity", 33, identity);
    return MD_OK;
}

int md_pen_close(struct md_pen *pen) {
    H5Fclose(pen->file);
    return pen->status;
}

/* ---- epochs ---------------------------------------------------------------------------------- */

struct epoch_row {
    int64_t epoch; /* from 1 */
    struct md_epoch is;
};

#define REAL(name)                                                                                 \
    { #name, MD_H5_REAL, offsetof(struct epoch_row, is.name), sizeof(double) }
static const struct md_h5_column epoch_columns[] = {
    {"epoch", MD_H5_INTEGER, offsetof(struct epoch_row, epoch), sizeof(int64_t)},
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
    const struct epoch_row row = {.is = *epoch};
    double value;
    memcpy(&value, (const char *)&row + epoch_columns[1 + column].offset, sizeof value);
    return value;
}

static void *room_for(struct md_pen *pen, size_t count, size_t size) {
    void *rows = pen->status == MD_OK ? calloc(count + 1, size) : NULL;
    MD_THEN(pen->status, md_check_memory(rows != NULL, pen->error));
    return rows;
}

void md_pen_epochs(struct md_pen *pen, const char *name, const struct md_run *run) {
    size_t epochs = (size_t)run->position.epoch;
    struct epoch_row *rows = room_for(pen, epochs, sizeof *rows);
    for (size_t e = 0; rows != NULL && e < epochs; e++)
        rows[e] = (struct epoch_row){(int64_t)e + 1, run->history[e]};
    MD_THEN(pen->status, md_h5_write_table(pen->file, name, epoch_columns, EPOCH_COLUMNS,
                                           sizeof *rows, epochs, rows, pen->error));
    free(rows);
}

/* Reads a table of any length, to be freed; of at most `most` rows. */
static void *take_table(struct md_pen *pen, const char *name, const struct md_h5_column *columns,
                        size_t column_count, size_t row_bytes, size_t most, size_t *count) {
    int dimensions = 0;
    *count = 0;
    MD_THEN(pen->status, md_h5_shape(pen->file, name, 1, &dimensions, count, pen->error));
    if (pen->status == MD_OK && *count > most)
        fail(pen, "%s: expected at most %zu rows, found %zu", name, most, *count);
    void *rows = room_for(pen, *count, row_bytes);
    MD_THEN(pen->status, md_h5_read_table(pen->file, name, columns, column_count, row_bytes, *count,
                                          rows, pen->error));
    return rows;
}

size_t md_take_epochs(struct md_pen *pen, const char *name, size_t most, struct md_epoch *history) {
    size_t count;
    struct epoch_row *rows =
        take_table(pen, name, epoch_columns, EPOCH_COLUMNS, sizeof *rows, most, &count);
    for (size_t e = 0; pen->status == MD_OK && e < count; e++)
        history[e] = rows[e].is;
    free(rows);
    return count;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static const struct md_h5_column step_columns[] = {
    {"step", MD_H5_INTEGER, offsetof(struct md_step_row, step), sizeof(int64_t)},
    {"train_loss", MD_H5_REAL, offsetof(struct md_step_row, train_loss), sizeof(double)},
    {"learning_rate", MD_H5_REAL, offsetof(struct md_step_row, learning_rate), sizeof(double)},
};
enum { STEP_COLUMNS = sizeof step_columns / sizeof step_columns[0] };

void md_pen_steps(struct md_pen *pen, const char *name, const struct md_run *run) {
    struct md_step_row *rows = room_for(pen, run->step_losses.rows, sizeof *rows);
    MD_THEN(pen->status,
            md_h5_write_table(pen->file, name, step_columns, STEP_COLUMNS, sizeof *rows,
                              md_run_step_rows(run, rows), rows, pen->error));
    free(rows);
}

size_t md_take_steps(struct md_pen *pen, const char *name, size_t most, struct md_step_row *steps) {
    size_t count;
    struct md_step_row *rows =
        take_table(pen, name, step_columns, STEP_COLUMNS, sizeof *rows, most, &count);
    if (pen->status == MD_OK)
        memcpy(steps, rows, count * sizeof *rows);
    free(rows);
    return count;
}
