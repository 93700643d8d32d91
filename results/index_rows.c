#include "index_rows.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../experiments/version.h"
#include "cell_parts.h"

/* ---- columns --------------------------------------------------------------------------------- */

#define AT(name, type, field)                                                                      \
    { "/", name, type, offsetof(struct md_cell, field), sizeof((struct md_cell *)0)->field }

/* What a cell has besides md_cell_attributes. */
static const struct md_cell_attribute more_attributes[] = {
    AT("identity", MD_H5_TEXT, identity),
    AT("train_digest", MD_H5_TEXT, data_digests[0]),
    AT("val_digest", MD_H5_TEXT, data_digests[1]),
    AT("test_digest", MD_H5_TEXT, data_digests[2]),
    AT("train_samples", MD_H5_INTEGER, data_samples[0]),
    AT("val_samples", MD_H5_INTEGER, data_samples[1]),
    AT("test_samples", MD_H5_INTEGER, data_samples[2]),
};
enum { MORE = sizeof more_attributes / sizeof more_attributes[0], NAME_SIZE = 80 };

/* A predictor's metrics in struct md_cell_scores. */
static const struct {
    const char *name;
    size_t offset;
} predictors[] = {{"before", offsetof(struct md_cell_scores, before)},
                  {"after", offsetof(struct md_cell_scores, after)},
                  {"dummy", offsetof(struct md_cell_scores, dummy)}};
enum { PREDICTORS = sizeof predictors / sizeof predictors[0] };

/* The columns of `cells` begin with cell, file, and the stamp; config stands behind these. */
enum { FIRST_COLUMN = 7, FIRST_METRIC = 6 };

static const struct md_cell_attribute *column_at(size_t c) {
    if (c < MORE)
        return &more_attributes[c];
    return c - MORE < md_cell_attribute_count ? &md_cell_attributes[c - MORE] : NULL;
}

/* Of two attributes with one name, the second has its group before it: training_wall_seconds. */
static void name_column(size_t c, char name[NAME_SIZE]) {
    const struct md_cell_attribute *column = column_at(c);
    int is_repeated = 0;
    for (size_t before = 0; before < c; before++)
        is_repeated |= strcmp(column_at(before)->name, column->name) == 0;
    snprintf(name, NAME_SIZE, "%s%s%s", is_repeated ? column->object + 1 : "",
             is_repeated ? "_" : "", column->name);
}

/* ---- SQL ------------------------------------------------------------------------------------- */

struct script {
    char text[4000];
    size_t length;
};

static void append(struct script *script, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void append(struct script *script, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    script->length += (size_t)vsnprintf(script->text + script->length,
                                        sizeof script->text - script->length, format, arguments);
    va_end(arguments);
}

/* The columns have no types, so that SQLite keeps values as they are: a REAL one makes 0 of -0. */
static void write_schema(struct script *script) {
    char name[NAME_SIZE];
    append(script, "CREATE TABLE made_by (code_version);"
                   "CREATE TABLE cells (cell INTEGER PRIMARY KEY, file UNIQUE, size_bytes, inode, "
                   "modified_ns, changed_ns, read_ns");
    for (size_t c = 0; column_at(c) != NULL; c++) {
        name_column(c, name);
        append(script, ", %s", name);
    }
    append(script, ", config);"
                   "CREATE TABLE settings (cell, key, value, PRIMARY KEY (cell, key)) "
                   "WITHOUT ROWID;"
                   "CREATE TABLE metrics (cell, cap, predictor, cap_m, images, without_truth");
    for (int m = 0; m < MD_METRIC_COUNT; m++)
        append(script, ", %s", md_metric_columns[m]);
    append(script, ", PRIMARY KEY (cell, cap, predictor)) WITHOUT ROWID;");
}

/* "INSERT INTO TABLE VALUES (?1, ... ?COUNT)" */
static void write_insert(struct script *script, const char *table, int count) {
    append(script, "INSERT INTO %s VALUES (", table);
    for (int i = 1; i <= count; i++)
        append(script, "?%d%s", i, i < count ? ", " : ")");
}

static void write_statement(struct script *script, enum md_index_statement statement) {
    int columns = 0;
    while (column_at((size_t)columns) != NULL)
        columns++;
    switch (statement) {
    case MD_FIND_CELL:
        append(script, "SELECT * FROM cells WHERE file = ?1");
        break;
    case MD_FIND_METRICS:
        append(script, "SELECT * FROM metrics WHERE cell = ?1");
        break;
    case MD_ADD_CELL:
        write_insert(script, "cells", FIRST_COLUMN + columns + 1);
        break;
    case MD_ADD_SETTING:
        write_insert(script, "settings", 3);
        break;
    case MD_ADD_METRICS:
        write_insert(script, "metrics", FIRST_METRIC + MD_METRIC_COUNT);
        break;
    case MD_DROP_CELL:
        append(script, "DELETE FROM cells WHERE cell = ?1");
        break;
    case MD_DROP_SETTINGS:
        append(script, "DELETE FROM settings WHERE cell = ?1");
        break;
    default:
        append(script, "DELETE FROM metrics WHERE cell = ?1");
    }
}

/* ---- opening --------------------------------------------------------------------------------- */

static void close_database(struct md_index_rows *rows) {
    for (int s = 0; s < MD_INDEX_STATEMENTS; s++)
        sqlite3_finalize(rows->statements[s]);
    sqlite3_close(rows->database);
    memset(rows, 0, sizeof *rows);
}

static void fail(struct md_index_rows *rows) {
    close_database(rows);
    rows->is_broken = 1;
}

/* The only value of a query without parameters. */
static int says(const struct md_index_rows *rows, const char *query, const char *expected) {
    sqlite3_stmt *statement = NULL;
    int same = sqlite3_prepare_v2(rows->database, query, -1, &statement, NULL) == SQLITE_OK &&
               sqlite3_step(statement) == SQLITE_ROW;
    const unsigned char *text = same ? sqlite3_column_text(statement, 0) : NULL;
    same = text != NULL && strcmp((const char *)text, expected) == 0;
    sqlite3_finalize(statement);
    return same;
}

/* Whether the image is a database of just these tables, made by this version of the code. */
static int open_image(struct md_index_rows *rows, const unsigned char *image, size_t size,
                      const char *schema) {
    unsigned char *copy = sqlite3_malloc64(size);
    if (copy == NULL || sqlite3_open(":memory:", &rows->database) != SQLITE_OK) {
        sqlite3_free(copy);
        return 0;
    }
    memcpy(copy, image, size); /* which SQLite frees, on a failure too */
    return sqlite3_deserialize(
               rows->database, "main", copy, (sqlite3_int64)size, (sqlite3_int64)size,
               SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE) == SQLITE_OK &&
           says(rows,
                "SELECT group_concat(sql || ';', '') FROM sqlite_schema WHERE sql IS NOT NULL",
                schema) &&
           says(rows, "SELECT code_version FROM made_by", md_code_version());
}

static int make_empty(struct md_index_rows *rows, const char *schema) {
    sqlite3_stmt *statement = NULL;
    int made =
        sqlite3_open(":memory:", &rows->database) == SQLITE_OK &&
        sqlite3_exec(rows->database, schema, NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(rows->database, "INSERT INTO made_by VALUES (?1)", -1, &statement,
                           NULL) == SQLITE_OK &&
        sqlite3_bind_text(statement, 1, md_code_version(), -1, SQLITE_TRANSIENT) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_DONE;
    sqlite3_finalize(statement);
    return made;
}

void md_index_rows_open(struct md_index_rows *rows, const unsigned char *image, size_t size) {
    struct script schema = {"", 0};
    memset(rows, 0, sizeof *rows);
    write_schema(&schema);
    if (image == NULL || !open_image(rows, image, size, schema.text)) {
        close_database(rows);
        if (!make_empty(rows, schema.text)) {
            fail(rows);
            return;
        }
    }
    for (int s = 0; s < MD_INDEX_STATEMENTS && !rows->is_broken; s++) {
        struct script text = {"", 0};
        write_statement(&text, (enum md_index_statement)s);
        if (sqlite3_prepare_v2(rows->database, text.text, -1, &rows->statements[s], NULL) !=
            SQLITE_OK)
            fail(rows);
    }
    /* One transaction for all there is to do: without it each change would be one. */
    if (!rows->is_broken && sqlite3_exec(rows->database, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        fail(rows);
}

void md_index_rows_close(struct md_index_rows *rows) {
    close_database(rows);
}

unsigned char *md_index_rows_image(struct md_index_rows *rows, size_t *size) {
    sqlite3_int64 length = 0;
    unsigned char *image = NULL;
    if (!rows->is_broken && sqlite3_exec(rows->database, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
        image = sqlite3_serialize(rows->database, "main", &length, 0);
    *size = (size_t)length;
    return image;
}

/* ---- one cell -------------------------------------------------------------------------------- */

/* Runs a statement that gives no rows, and makes it ready for the next time. */
static void finish(struct md_index_rows *rows, enum md_index_statement s) {
    if (rows->is_broken)
        return;
    sqlite3_stmt *statement = rows->statements[s];
    int status = sqlite3_step(statement);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (status != SQLITE_DONE)
        fail(rows);
}

static double real_at(sqlite3_stmt *statement, int column) {
    return sqlite3_column_type(statement, column) == SQLITE_NULL
               ? (double)NAN
               : sqlite3_column_double(statement, column);
}

static int text_at(sqlite3_stmt *statement, int column, char *text, size_t size) {
    const unsigned char *found = sqlite3_column_text(statement, column);
    return found != NULL && snprintf(text, size, "%s", (const char *)found) < (int)size;
}

/* Reads one predictor's metrics at one cap. */
static int read_metrics(sqlite3_stmt *statement, struct md_cell *cell) {
    char predictor[20] = "";
    int cap = sqlite3_column_int(statement, 1), p = 0;
    text_at(statement, 2, predictor, sizeof predictor);
    while (p < PREDICTORS && strcmp(predictors[p].name, predictor) != 0)
        p++;
    if (cap < 0 || cap >= MD_MOST_CAPS || p == PREDICTORS)
        return 0;
    struct md_cell_scores *scores = &cell->scores[cap];
    struct md_metrics *metrics = (struct md_metrics *)((char *)scores + predictors[p].offset);
    scores->cap_m = real_at(statement, 3);
    metrics->images = (size_t)sqlite3_column_int64(statement, 4);
    metrics->without_truth = (size_t)sqlite3_column_int64(statement, 5);
    for (int m = 0; m < MD_METRIC_COUNT; m++)
        metrics->value[m] = real_at(statement, FIRST_METRIC + m);
    return 1;
}

static int read_cell(sqlite3_stmt *statement, struct md_stamp *stamp, struct md_cell *cell) {
    char config[MD_CELL_CONFIG_SIZE];
    struct md_error ignored; /* the cell itself will say so */
    int whole = 1, c = FIRST_COLUMN;
    memset(cell, 0, sizeof *cell);
    *stamp =
        (struct md_stamp){sqlite3_column_int64(statement, 2), sqlite3_column_int64(statement, 3),
                          sqlite3_column_int64(statement, 4), sqlite3_column_int64(statement, 5),
                          sqlite3_column_int64(statement, 6)};
    for (const struct md_cell_attribute *a; (a = column_at((size_t)(c - FIRST_COLUMN))) != NULL;
         c++) {
        char *field = (char *)cell + a->offset;
        long long whole_number = sqlite3_column_int64(statement, c);
        double real = real_at(statement, c);
        if (a->type == MD_H5_TEXT)
            whole &= text_at(statement, c, field, a->size);
        else
            memcpy(field, a->type == MD_H5_REAL ? (void *)&real : &whole_number, a->size);
    }
    return whole && text_at(statement, c, config, sizeof config) &&
           md_config_parse(config, "index", &cell->config, &ignored) == MD_OK;
}

int md_index_rows_find(struct md_index_rows *rows, const char *file, struct md_stamp *stamp,
                       struct md_cell *cell) {
    if (rows->is_broken)
        return 0;
    sqlite3_stmt *find = rows->statements[MD_FIND_CELL],
                 *find_metrics = rows->statements[MD_FIND_METRICS];
    int found = 0, metrics = 0, is_whole = 1;
    sqlite3_bind_text(find, 1, file, -1, SQLITE_TRANSIENT);
    if (sqlite3_step(find) == SQLITE_ROW) {
        found = read_cell(find, stamp, cell);
        sqlite3_bind_int64(find_metrics, 1, sqlite3_column_int64(find, 0));
        for (; found && sqlite3_step(find_metrics) == SQLITE_ROW; metrics++)
            is_whole &= read_metrics(find_metrics, cell);
        cell->cap_count = cell->config.caps.count;
        found = found && is_whole && metrics == PREDICTORS * cell->cap_count;
    }
    sqlite3_reset(find_metrics);
    sqlite3_reset(find);
    return found;
}

/* A number as such, when it is one that SQLite can hold. */
static void bind_setting(sqlite3_stmt *statement, int key, const char *value) {
    char *end;
    errno = 0;
    long long whole = strtoll(value, &end, 10);
    if (md_config_kind(key) != MD_NUMBER_VALUE || (*end == '\0' && errno != 0))
        sqlite3_bind_text(statement, 3, value, -1, SQLITE_TRANSIENT);
    else if (*end == '\0')
        sqlite3_bind_int64(statement, 3, whole);
    else
        sqlite3_bind_double(statement, 3, strtod(value, NULL));
}

static void add_settings(struct md_index_rows *rows, long long id, const struct md_config *config) {
    char name[MD_CONFIG_NAME_SIZE], value[MD_CONFIG_VALUE_SIZE];
    for (int key = 0; md_config_key(key, name) == 0 && !rows->is_broken; key++) {
        sqlite3_stmt *statement = rows->statements[MD_ADD_SETTING];
        md_config_value(config, key, value);
        sqlite3_bind_int64(statement, 1, id);
        sqlite3_bind_text(statement, 2, name, -1, SQLITE_TRANSIENT);
        bind_setting(statement, key, value);
        finish(rows, MD_ADD_SETTING);
    }
}

static void add_metrics(struct md_index_rows *rows, long long id, int cap, int p,
                        const struct md_cell_scores *scores) {
    sqlite3_stmt *statement = rows->statements[MD_ADD_METRICS];
    const struct md_metrics *metrics =
        (const struct md_metrics *)((const char *)scores + predictors[p].offset);
    if (rows->is_broken)
        return;
    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_int(statement, 2, cap);
    sqlite3_bind_text(statement, 3, predictors[p].name, -1, SQLITE_STATIC);
    sqlite3_bind_double(statement, 4, scores->cap_m);
    sqlite3_bind_int64(statement, 5, (long long)metrics->images);
    sqlite3_bind_int64(statement, 6, (long long)metrics->without_truth);
    for (int m = 0; m < MD_METRIC_COUNT; m++)
        sqlite3_bind_double(statement, FIRST_METRIC + m + 1, metrics->value[m]);
    finish(rows, MD_ADD_METRICS);
}

static void add_cell(struct md_index_rows *rows, const char *file, const struct md_stamp *stamp,
                     const struct md_cell *cell) {
    const long long stamps[] = {stamp->size_bytes, stamp->inode, stamp->modified_ns,
                                stamp->changed_ns, stamp->read_ns};
    char config[MD_CELL_CONFIG_SIZE];
    sqlite3_stmt *statement = rows->statements[MD_ADD_CELL];
    int c = FIRST_COLUMN + 1; /* parameters are counted from 1; the first, the cell's id, is new */
    sqlite3_bind_text(statement, 2, file, -1, SQLITE_TRANSIENT);
    for (int s = 0; s < FIRST_COLUMN - 2; s++)
        sqlite3_bind_int64(statement, 3 + s, stamps[s]);
    for (const struct md_cell_attribute *a; (a = column_at((size_t)(c - FIRST_COLUMN - 1))) != NULL;
         c++) {
        const char *field = (const char *)cell + a->offset;
        long long whole = 0;
        double real = 0.0;
        if (a->type == MD_H5_TEXT) {
            sqlite3_bind_text(statement, c, field, -1, SQLITE_TRANSIENT);
        } else if (a->type == MD_H5_INTEGER) {
            memcpy(&whole, field, sizeof whole);
            sqlite3_bind_int64(statement, c, whole);
        } else {
            memcpy(&real, field, sizeof real);
            sqlite3_bind_double(statement, c, real);
        }
    }
    md_config_format(&cell->config, 1, config, sizeof config);
    sqlite3_bind_text(statement, c, config, -1, SQLITE_TRANSIENT);
    finish(rows, MD_ADD_CELL);
}

static void drop(struct md_index_rows *rows, long long id) {
    for (int s = MD_DROP_CELL; s <= MD_DROP_METRICS && !rows->is_broken; s++) {
        sqlite3_bind_int64(rows->statements[s], 1, id);
        finish(rows, (enum md_index_statement)s);
    }
}

void md_index_rows_add(struct md_index_rows *rows, const char *file, const struct md_stamp *stamp,
                       const struct md_cell *cell) {
    if (rows->is_broken)
        return;
    sqlite3_stmt *find = rows->statements[MD_FIND_CELL];
    sqlite3_bind_text(find, 1, file, -1, SQLITE_TRANSIENT);
    long long old = sqlite3_step(find) == SQLITE_ROW ? sqlite3_column_int64(find, 0) : 0;
    sqlite3_reset(find);
    if (old > 0)
        drop(rows, old);
    if (!rows->is_broken)
        add_cell(rows, file, stamp, cell);
    if (rows->is_broken)
        return;
    long long id = sqlite3_last_insert_rowid(rows->database);
    add_settings(rows, id, &cell->config);
    for (int cap = 0; cap < cell->cap_count; cap++)
        for (int p = 0; p < PREDICTORS; p++)
            add_metrics(rows, id, cap, p, &cell->scores[cap]);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int md_index_rows_keep(struct md_index_rows *rows, const struct md_names *files) {
    sqlite3_stmt *list = NULL;
    int dropped = 0;
    if (rows->is_broken)
        return 0;
    if (sqlite3_prepare_v2(rows->database, "SELECT cell, file FROM cells", -1, &list, NULL) !=
        SQLITE_OK)
        fail(rows);
    /* A row that goes while the list is read is not met again. */
    while (!rows->is_broken && sqlite3_step(list) == SQLITE_ROW) {
        const char *file = (const char *)sqlite3_column_text(list, 1);
        if (file != NULL && files->count > 0 &&
            bsearch(&file, files->names, files->count, sizeof *files->names, by_name) != NULL)
            continue;
        drop(rows, sqlite3_column_int64(list, 0));
        dropped++;
    }
    sqlite3_finalize(list);
    return dropped;
}
