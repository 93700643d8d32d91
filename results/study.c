#include "study.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/file.h"
#include "append.h"

/* ---- runs ------------------------------------------------------------------------------------ */

static int filter_runs(struct md_runs *runs, const struct md_names *texts, struct md_error *error) {
    struct md_filters filters;
    int status = md_filters_parse((int)texts->count, texts->names, &filters, error);
    if (status == MD_OK)
        md_runs_filter(runs, &filters);
    md_filters_free(&filters);
    return status;
}

static int read_ours(struct md_study *study, int folder_count, char *const *folders,
                     struct md_error *error) {
    char own[sizeof study->cells], *own_folders[] = {own};
    snprintf(own, sizeof own, "%s", study->cells);
    int count = folder_count > 0 ? folder_count : 1, status = MD_OK;
    char *const *paths = folder_count > 0 ? folders : own_folders;
    if (folder_count == 0 && !md_is_folder(own))
        status =
            md_fail(error, MD_FAILED,
                    "%.300s: there are no cells yet; mudepth sweep %.300s -o %.300s makes them",
                    own, study->config, own);
    for (int i = 0; i < count && status == MD_OK; i++)
        status = md_runs_read(&study->ours, paths[i], error);
    size_t found = study->ours.count;
    MD_THEN(status, filter_runs(&study->ours, &study->where, error));
    if (status == MD_OK && study->ours.count == 0)
        status = md_fail(error, MD_FAILED,
                         "%.300s: none of %zu cells belongs to %s; mudepth sweep %.300s -o %.300s "
                         "makes them",
                         paths[0], found, study->name, study->config, paths[0]);
    return status;
}

static int read_published(struct md_study *study, struct md_error *error) {
    const struct md_names *filters = &study->where_published;
    MD_TRY(filters->count > 0 ? md_published_read(MD_PUBLISHED_FILE, &study->published, error)
                              : MD_OK);
    if (filters->count > 0)
        MD_TRY(filter_runs(&study->published, filters, error));
    if (filters->count > 0 && study->published.count == 0)
        return md_fail(error, MD_FAILED, "%s: published: no row of %s passes these filters",
                       study->name, MD_PUBLISHED_FILE);
    return MD_OK;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Our mean of the same metric for another predictor. */
static double mean_of(const struct md_group *group, const struct md_quantity *quantity,
                      enum md_predictor predictor) {
    struct md_quantity other;
    struct md_error ignored;
    char name[2 * MD_QUANTITY_NAME_SIZE];
    snprintf(name, sizeof name, "%s.%s", md_predictor_names[predictor], quantity->name);
    if (group == NULL || md_quantity_parse(name, &other, &ignored) != MD_OK)
        return (double)NAN;
    return md_group_measure(group, &other).mean;
}

static void add_rows(struct md_study *study, const struct md_config *config,
                     const struct md_group *ours, const struct md_group *published) {
    const struct md_measure none = {0, (double)NAN, (double)NAN};
    for (size_t q = 0; q < study->show.count; q++) {
        struct md_study_row *row = &study->rows[study->count++];
        const struct md_quantity *quantity = &study->shown[q];
        *row = (struct md_study_row){
            .config = config,
            .quantity = quantity,
            .ours = ours,
            .measured = ours != NULL ? md_group_measure(ours, quantity) : none,
            .published = published != NULL ? md_group_measure(published, quantity) : none,
            .before = mean_of(ours, quantity, MD_BEFORE),
            .dummy = mean_of(ours, quantity, MD_DUMMY)};
        row->difference =
            row->published.deviation > 0.0
                ? (row->measured.mean - row->published.mean) / row->published.deviation
                : (double)NAN;
    }
}

/* Both are sorted by the same keys: one walk through the two. */
static void merge_groups(struct md_study *study) {
    size_t i = 0, j = 0;
    while (i < study->groups.count || j < study->published_groups.count) {
        const struct md_group *ours = study->groups.groups + i;
        const struct md_group *published = study->published_groups.groups + j;
        int which = i == study->groups.count ? 1
                    : j == study->published_groups.count
                        ? -1
                        : md_groups_order(&study->ours, &study->groups, ours, published);
        add_rows(study, &(which <= 0 ? ours : published)->runs[0]->cell.config,
                 which <= 0 ? ours : NULL, which >= 0 ? published : NULL);
        i += which <= 0;
        j += which >= 0;
    }
}

static int make_rows(struct md_study *study, struct md_error *error) {
    size_t shown = study->show.count;
    char keys[1000];
    md_study_join(&study->keys, keys, sizeof keys);
    int status = md_groups_make(&study->ours, keys, &study->groups, error);
    for (size_t w = 0; w < study->ours.words.count && status == MD_OK; w++) /* for one order */
        status = md_names_add(&study->published.words, study->ours.words.names[w], error);
    MD_THEN(status, md_groups_make(&study->published, keys, &study->published_groups, error));
    if (status != MD_OK)
        return status;
    study->shown = calloc(shown, sizeof *study->shown);
    study->rows =
        calloc((study->groups.count + study->published_groups.count) * shown, sizeof *study->rows);
    MD_TRY(md_check_memory(study->shown != NULL && study->rows != NULL, error));
    for (size_t q = 0; q < shown && status == MD_OK; q++)
        status = md_quantity_parse(study->show.names[q], &study->shown[q], error);
    if (status == MD_OK)
        merge_groups(study);
    return status;
}

int md_study_compare(struct md_study *study, int folder_count, char *const *folders,
                     struct md_error *error) {
    MD_TRY(read_ours(study, folder_count, folders, error));
    MD_TRY(read_published(study, error));
    return make_rows(study, error);
}

/* ---- in words -------------------------------------------------------------------------------- */

/* The values that runs have for a key, each once, in the order of the runs; of a path its end. */
static void list_values(const struct md_runs *runs, const char *name, char *text, size_t size) {
    enum { MOST = 5 };
    char values[MOST][MD_CONFIG_VALUE_SIZE], value[MD_CONFIG_VALUE_SIZE];
    int key = md_config_find(name), count = 0;
    text[0] = '\0';
    for (size_t i = 0; i < runs->count; i++) {
        int same = 0;
        md_config_value(&runs->runs[i]->cell.config, key, value);
        while (same < count && strcmp(values[same], value) != 0)
            same++;
        if (same < count)
            continue;
        const char *slash = strrchr(value, '/');
        md_append(text, size, "%s%.60s", count > 0 ? "/" : "",
                  count == MOST   ? "..."
                  : slash != NULL ? slash + 1
                                  : value);
        if (count == MOST)
            return;
        strcpy(values[count++], value);
    }
}

static void list_samples(const struct md_runs *runs, int split, char *text, size_t size) {
    long long least = runs->runs[0]->cell.data_samples[split], most = least;
    for (size_t i = 1; i < runs->count; i++) {
        long long samples = runs->runs[i]->cell.data_samples[split];
        least = samples < least ? samples : least;
        most = samples > most ? samples : most;
    }
    if (least == most)
        snprintf(text, size, "%lld", least);
    else
        snprintf(text, size, "%lld to %lld", least, most);
}

/* "synthetic world road instead of micro-kitti" */
static void append_sets(const struct md_study *study, char *text, size_t size) {
    char value[400], published[400] = "";
    list_values(&study->ours, "data.set", value, sizeof value);
    if (study->published.count > 0)
        list_values(&study->published, "data.set", published, sizeof published);
    md_append(text, size, "%s", value);
    if (strcmp(value, "synthetic") == 0) {
        list_values(&study->ours, "data.world", value, sizeof value);
        md_append(text, size, " world %s", value);
    } else if (strcmp(value, published) == 0) {
        published[0] = '\0';
    }
    if (published[0] != '\0')
        md_append(text, size, " instead of %s", published);
}

void md_study_title(const struct md_study *study, char text[MD_DATA_LINE_SIZE]) {
    snprintf(text, MD_DATA_LINE_SIZE, "%s\nours: ", study->title);
    append_sets(study, text, MD_DATA_LINE_SIZE);
}

void md_study_data_line(const struct md_study *study, char text[MD_DATA_LINE_SIZE]) {
    enum { SIZE = MD_DATA_LINE_SIZE };
    static const struct {
        const char *key, *format;
    } facts[] = {{"weights", ", from %s"}, {"loss", ", %s"},
                 {"optimizer", ", %s"},    {"lr", " %s"},
                 {"batch", ", batch %s"},  {"epochs", ", epochs %s"},
                 {"format", ", %s"},       {"protocol", ", %s protocol"}};
    const struct md_runs *ours = &study->ours;
    char value[400];
    snprintf(text, SIZE, "Ours: ");
    append_sets(study, text, SIZE);
    list_samples(ours, 0, value, sizeof value);
    md_append(text, SIZE, ", %s training", value);
    list_samples(ours, 2, value, sizeof value);
    md_append(text, SIZE, " and %s test samples", value);
    for (size_t f = 0; f < sizeof facts / sizeof *facts; f++) {
        list_values(ours, facts[f].key, value, sizeof value);
        md_append(text, SIZE, "%.*s%s%s", (int)strcspn(facts[f].format, "%"), facts[f].format,
                  value, strchr(facts[f].format, '%') + 2);
    }
    md_append(text, SIZE, ".");
}

void md_study_label(const struct md_config *config, const struct md_names *keys,
                    char text[MD_ROW_LABEL_SIZE]) {
    char value[MD_CONFIG_VALUE_SIZE];
    text[0] = '\0';
    for (size_t k = 0; k < keys->count; k++) {
        md_config_value(config, md_config_find(keys->names[k]), value);
        md_append(text, MD_ROW_LABEL_SIZE, "%s%.80s", k > 0 ? " " : "", value);
    }
}
