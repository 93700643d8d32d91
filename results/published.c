#include "study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../base/file.h"
#include "../experiments/config_keys.h"

enum { MOST_COLUMNS = 64 };

/* What a column is about; the others are keys of a config. */
enum { RUN_COLUMN = -1, CAP_COLUMN = -2, METRIC_COLUMN = -3 };

struct column {
    char name[MD_CONFIG_NAME_SIZE];
    int what, metric; /* the number of a key, or one of those above; enum md_metric */
};

struct table {
    const char *path;
    struct column columns[MOST_COLUMNS];
    int count;
    struct md_cell cell; /* the run that is being read; cap_count 0: none yet */
    int line;            /* where it began */
    struct md_runs *runs;
};

/* ---- columns --------------------------------------------------------------------------------- */

static int find_metric(const char *name) {
    int metric = 0;
    while (metric < MD_METRIC_COUNT && strcmp(md_metric_names[metric], name) != 0)
        metric++;
    return metric;
}

static int parse_column(struct column *column, const char *name, struct md_error *error) {
    char key_name[MD_CONFIG_NAME_SIZE];
    *column = (struct column){.metric = find_metric(name)};
    if (strlen(name) >= sizeof column->name)
        return md_fail(error, MD_FAILED, "\"%.60s...\" is no column", name);
    strcpy(column->name, name);
    if (strcmp(name, "run") == 0)
        column->what = RUN_COLUMN;
    else if (strcmp(name, "cap_m") == 0)
        column->what = CAP_COLUMN;
    else if (column->metric < MD_METRIC_COUNT)
        column->what = METRIC_COLUMN;
    else
        while (md_config_key(column->what, key_name) == 0 && strcmp(key_name, name) != 0)
            column->what++;
    if (column->what >= 0 && md_config_key(column->what, key_name) != 0)
        return md_fail(error, MD_FAILED,
                       "column \"%s\": expected a key of a config, run, cap_m or a metric", name);
    return MD_OK;
}

static int parse_columns(struct table *table, char *line, struct md_error *error) {
    for (const char *name; (name = md_next_field(&line)) != NULL;) {
        if (table->count == MOST_COLUMNS)
            return md_fail(error, MD_FAILED, "more than %d columns", MOST_COLUMNS);
        struct column *column = &table->columns[table->count];
        int status = parse_column(column, name, error);
        if (status != MD_OK)
            return status;
        for (int c = 0; c < table->count; c++)
            if (strcmp(table->columns[c].name, name) == 0)
                return md_fail(error, MD_FAILED, "the column %s is there twice", name);
        table->count++;
    }
    return MD_OK;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* "inf" is a cap, and nothing else. */
static int parse_number(const struct column *column, const char *text, double *value,
                        struct md_error *error) {
    int is_cap = column->what == CAP_COLUMN;
    if (is_cap && strcmp(text, "inf") == 0) {
        *value = INFINITY;
        return MD_OK;
    }
    if (md_parse_real(text, value) != 0 || (is_cap && *value <= 0.0))
        return md_fail(error, MD_FAILED, "%s: expected %s, found \"%.60s\"", column->name,
                       is_cap ? "a number above 0, or inf" : "a number", text);
    return MD_OK;
}

static int set_key(struct config_builder *builder, const struct column *column, const char *text,
                   struct md_error *error) {
    const struct md_yaml none = {.origin = "the value", .error = error};
    const yaml_node_t node = md_yaml_scalar(text);
    const char *name = column->what == RUN_COLUMN ? "seed" : column->name;
    return md_builder_set(builder, name, &none, &node, NULL) == MD_OK ? MD_OK : MD_FAILED;
}

static struct md_metrics unknown_metrics(void) {
    struct md_metrics metrics = {.images = 1};
    for (int m = 0; m < MD_METRIC_COUNT; m++)
        metrics.value[m] = NAN;
    return metrics;
}

/* One line as a config and its scores. */
static int read_line(const struct table *table, char *line, struct md_config *config,
                     struct md_cell_scores *scores, struct md_error *error) {
    struct config_builder builder;
    const struct md_metrics unknown = unknown_metrics();
    *scores = (struct md_cell_scores){.of = {unknown, unknown, unknown}};
    int status = md_builder_begin(&builder, config, error), count = 0;
    for (const char *text; status == MD_OK && (text = md_next_field(&line)) != NULL; count++) {
        const struct column *column = &table->columns[count < table->count ? count : 0];
        if (count >= table->count || text[0] == '\0')
            continue;
        if (column->what >= 0 || column->what == RUN_COLUMN)
            status = set_key(&builder, column, text, error);
        else
            status = parse_number(column, text,
                                  column->what == CAP_COLUMN
                                      ? &scores->cap_m
                                      : &scores->of[MD_AFTER].value[column->metric],
                                  error);
    }
    if (status == MD_OK && count != table->count)
        status = md_fail(error, MD_FAILED, "expected %d values, found %d", table->count, count);
    if (status == MD_OK && md_builder_finish(&builder, "the line", error) != MD_OK)
        status = MD_FAILED;
    return status;
}

/* Whether the line goes on with the run that is being read. */
static int same_run(const struct table *table, const struct md_config *config) {
    char name[MD_CONFIG_NAME_SIZE];
    for (int key = 0; md_config_key(key, name) == 0; key++)
        if (md_config_order(config, &table->cell.config, key) != 0)
            return 0;
    return table->cell.cap_count > 0;
}

/* Hands the run that has been read on. */
static int finish_run(struct table *table, struct md_error *error) {
    char path[MD_PATH_MAX];
    if (table->cell.cap_count == 0)
        return MD_OK;
    snprintf(table->cell.identity, sizeof table->cell.identity, "published, line %d", table->line);
    MD_TRY(md_path_format(path, error, "%s:%d", table->path, table->line));
    return md_runs_add(table->runs, path, &table->cell, error);
}

static int add_line(struct table *table, int number, char *line, struct md_error *error) {
    struct md_config config;
    struct md_cell_scores scores;
    struct md_cell *cell = &table->cell;
    MD_TRY(read_line(table, line, &config, &scores, error));
    int status = MD_OK;
    if (!same_run(table, &config)) {
        status = finish_run(table, error);
        *cell = (struct md_cell){.config = config};
        table->line = number;
    }
    for (int c = 0; c < cell->cap_count; c++)
        if (cell->scores[c].cap_m == scores.cap_m)
            return md_fail(error, MD_FAILED, "the run of line %d has this cap already",
                           table->line);
    if (cell->cap_count == MD_MOST_CAPS)
        return md_fail(error, MD_FAILED, "the run of line %d has more than %d caps", table->line,
                       MD_MOST_CAPS);
    cell->scores[cell->cap_count++] = scores;
    return status;
}

static int read_text(struct table *table, struct md_text *text, struct md_error *error) {
    char *line = md_text_line(text);
    int status = line != NULL ? parse_columns(table, line, error)
                              : md_fail(error, MD_FAILED, "expected the names of the columns");
    while (status == MD_OK && (line = md_text_line(text)) != NULL)
        status = add_line(table, text->line, line, error);
    return status == MD_OK ? finish_run(table, error) : status;
}

int md_published_read(const char *path, struct md_runs *runs, struct md_error *error) {
    struct md_text text;
    struct table *table = calloc(1, sizeof *table);
    MD_TRY(md_check_memory(table != NULL, error));
    table->path = path;
    table->runs = runs;
    char found[MD_PATH_MAX];
    md_shipped_path(path, found);
    int status = md_text_open(found, &text, error);
    if (status == MD_OK) {
        status = read_text(table, &text, error);
        if (status != MD_OK)
            md_fail_at_line(error, status, path, text.line);
        md_text_close(&text);
    }
    free(table);
    return status;
}
