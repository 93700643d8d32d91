#include "study.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/file.h"
#include "../base/yaml_reader.h"
#include "../experiments/config.h"
#include "append.h"
#include "filter.h"

enum { LONGEST = 1 << 14 };

enum kind { TEXT_VALUE, KIND_VALUE, KEY_LIST, QUANTITY_LIST, FILTER_LIST };

struct field {
    const char *name;
    enum kind kind;
    size_t offset, size;
    int required;
};

#define AT(field) offsetof(struct md_study, field), sizeof((struct md_study *)0)->field

static const struct field study_fields[] = {
    {"title", TEXT_VALUE, AT(title), 1},      {"caption", TEXT_VALUE, AT(caption), 0},
    {"config", TEXT_VALUE, AT(config), 1},    {"cells", TEXT_VALUE, AT(cells), 1},
    {"where", FILTER_LIST, AT(where), 0},     {"published", FILTER_LIST, AT(where_published), 0},
    {"rows", KEY_LIST, AT(keys), 1},          {"show", QUANTITY_LIST, AT(show), 1},
    {"beside", QUANTITY_LIST, AT(beside), 0}, {0},
};
static const struct field figure_fields[] = {
    {"kind", KIND_VALUE, AT(figure.kind), 1},
    {"x", TEXT_VALUE, AT(figure.x), 0},
    {"y", TEXT_VALUE, AT(figure.y), 0},
    {"series", KEY_LIST, AT(figure.series), 0},
    {"x_title", TEXT_VALUE, AT(figure.x_title), 0},
    {"y_title", TEXT_VALUE, AT(figure.y_title), 0},
    {0},
};

/* Which keys a kind of figure must have (x, y), and whether it may have `series`. */
static const struct {
    const char *name;
    int x, y, series;
} figure_kinds[] = {
    [MD_FIGURE_NONE] = {"none", 0, 0, 0},     [MD_FIGURE_DOTS] = {"dots", 0, 0, 0},
    [MD_FIGURE_CURVE] = {"curve", 1, 0, 1},   [MD_FIGURE_POINTS] = {"points", 1, 0, 1},
    [MD_FIGURE_LOSSES] = {"losses", 0, 1, 0}, [MD_FIGURE_MAPS] = {"maps", 0, 0, 0},
};
enum { FIGURE_KINDS = sizeof figure_kinds / sizeof *figure_kinds };

/* ---- values ---------------------------------------------------------------------------------- */

/* The text of a scalar, NULL with an error otherwise. */
static const char *text_of(const struct md_yaml *yaml, const yaml_node_t *node, const char *key) {
    const char *text = md_yaml_text(node);
    if (text != NULL && text[0] != '\0')
        return text;
    md_yaml_expected(yaml, node, key, "a text that is not empty");
    return NULL;
}

static int check_key(const char *name, struct md_error *error) {
    return md_config_find(name) >= 0 ? MD_OK : md_config_unknown(name, error);
}

static int check_item(enum kind kind, const char *text, struct md_error *error) {
    char word[600];
    snprintf(word, sizeof word, "%s", text);
    char *words[] = {word};
    struct md_filters filters;
    struct md_quantity quantity;
    if (kind == KEY_LIST)
        return check_key(text, error);
    if (kind == QUANTITY_LIST)
        return md_quantity_parse(text, &quantity, error);
    if (strlen(text) >= sizeof word)
        return md_fail(error, MD_USAGE, "longer than %zu characters", sizeof word - 1);
    int status = md_filters_parse(1, words, &filters, error);
    md_filters_free(&filters);
    return status;
}

static int set_list(const struct md_yaml *yaml, const struct field *field, const yaml_node_t *node,
                    struct md_names *names) {
    const yaml_node_t *item;
    if (node->type != YAML_SEQUENCE_NODE)
        return md_yaml_expected(yaml, node, field->name, "a list");
    for (size_t i = 0; (item = md_yaml_item(yaml, node, i)) != NULL; i++) {
        const char *text = text_of(yaml, item, field->name);
        if (text == NULL)
            return MD_USAGE;
        int status = check_item(field->kind, text, yaml->error);
        if (status != MD_OK)
            return md_yaml_fail_in(yaml, item, field->name, status);
        for (size_t n = 0; n < names->count; n++)
            if (strcmp(names->names[n], text) == 0)
                return md_yaml_fail(yaml, item, field->name, "is there twice");
        status = md_names_add(names, text, yaml->error);
        if (status != MD_OK)
            return status;
    }
    return names->count > 0
               ? MD_OK
               : md_yaml_fail(yaml, node, field->name, "expected at least one, found none");
}

static int set_value(const struct md_yaml *yaml, const struct field *field, const yaml_node_t *node,
                     struct md_study *study) {
    void *to = (char *)study + field->offset;
    if (field->kind != TEXT_VALUE && field->kind != KIND_VALUE)
        return set_list(yaml, field, node, to);
    const char *text = text_of(yaml, node, field->name);
    if (text == NULL)
        return MD_USAGE;
    if (field->kind == TEXT_VALUE) {
        if (strlen(text) >= field->size)
            return md_yaml_fail(yaml, node, field->name, "the text is too long");
        strcpy(to, text);
        return MD_OK;
    }
    for (int k = MD_FIGURE_NONE + 1; k < FIGURE_KINDS; k++)
        if (strcmp(text, figure_kinds[k].name) == 0) {
            study->figure.kind = k;
            return MD_OK;
        }
    return md_yaml_expected(yaml, node, field->name, "dots, curve, points, losses or maps");
}

/* ---- mappings -------------------------------------------------------------------------------- */

static int set_mapping(const struct md_yaml *yaml, const struct field *fields,
                       const yaml_node_t *mapping, struct md_study *study);

static int set_pair(const struct md_yaml *yaml, const struct field *fields,
                    const struct md_yaml_pair *pair, struct md_study *study, unsigned *given) {
    int known = 0, is_figure = fields == study_fields && strcmp(pair->name, "figure") == 0;
    if (is_figure)
        return pair->value->type == YAML_MAPPING_NODE
                   ? set_mapping(yaml, figure_fields, pair->value, study)
                   : md_yaml_expected(yaml, pair->value, pair->name,
                                      "a mapping of keys and values");
    while (fields[known].name != NULL && strcmp(fields[known].name, pair->name) != 0)
        known++;
    *given |= 1u << known;
    return fields[known].name != NULL ? set_value(yaml, &fields[known], pair->value, study)
                                      : md_yaml_fail(yaml, pair->key, pair->name, "unknown key");
}

static int set_mapping(const struct md_yaml *yaml, const struct field *fields,
                       const yaml_node_t *mapping, struct md_study *study) {
    unsigned given = 0;
    int status = MD_OK;
    for (struct md_yaml_pair pair = {0}; md_yaml_next(yaml, mapping, "", &pair, &status);)
        status = set_pair(yaml, fields, &pair, study, &given);
    for (int f = 0; fields[f].name != NULL && status == MD_OK; f++)
        if (fields[f].required && (given >> f & 1u) == 0)
            status = md_yaml_fail(yaml, mapping, fields[f].name, "is missing");
    return status;
}

/* Checks that the keys of a figure go together. */
static int check_figure(const struct md_yaml *yaml, const struct md_study *study) {
    const yaml_node_t *root = yaml->root;
    int kind = study->figure.kind;
    int has_x = study->figure.x[0] != '\0', has_y = study->figure.y[0] != '\0';
    struct md_quantity quantity;
    if (has_x != figure_kinds[kind].x)
        return md_yaml_fail(yaml, root, "figure", has_x ? "x: this kind has none" : "x is missing");
    if (has_y != figure_kinds[kind].y)
        return md_yaml_fail(yaml, root, "figure", has_y ? "y: this kind has none" : "y is missing");
    if (study->figure.series.count > 0 && !figure_kinds[kind].series)
        return md_yaml_fail(yaml, root, "figure", "series: this kind has none");
    if (has_x && md_config_find(study->figure.x) < 0 &&
        md_quantity_parse(study->figure.x, &quantity, yaml->error) != MD_OK)
        return md_yaml_fail_in(yaml, root, "figure: x", MD_USAGE);
    if (has_y && md_study_column(study) == 0)
        return md_yaml_fail(yaml, root, "figure",
                            "y: expected train_loss, validation_loss or validation_rmse_m");
    return MD_OK;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* A name that LaTeX takes for a label as it stands. */
static int name_study(struct md_study *study, const char *path, struct md_error *error) {
    const char *slash = strrchr(path, '/'), *stem = slash != NULL ? slash + 1 : path;
    size_t length =
        strspn(stem, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    if (length == 0 || length >= sizeof study->name || strcmp(stem + length, ".yaml") != 0)
        return md_fail(error, MD_USAGE,
                       "%.200s: a study's name is 1 to %zu letters, digits, _ and -, and .yaml",
                       path, sizeof study->name - 1);
    memcpy(study->name, stem, length);
    return MD_OK;
}

int md_studies_list(struct md_names *names, struct md_error *error) {
    struct md_names files = {0};
    char folder[MD_PATH_MAX];
    md_shipped_path(MD_STUDY_FOLDER, folder);
    int status = md_names_of_folder(folder, &files, error);
    for (size_t i = 0; status == MD_OK && i < files.count; i++) {
        const size_t bare = md_bare_length(files.names[i], (const char *const[]){".yaml", NULL});
        files.names[i][bare] = '\0';
        if (bare > 0)
            status = md_names_add(names, files.names[i], error);
    }
    md_names_free(&files);
    return status;
}

/* Of a name that is none, says which there are. */
static int no_study(const char *path, struct md_error *error) {
    struct md_names names = {0};
    char list[600];
    if (md_studies_list(&names, error) != MD_OK)
        list[0] = '\0';
    else
        md_study_join(&names, list, sizeof list);
    md_names_free(&names);
    return md_fail(error, MD_FAILED, "%.200s: there is no such study%s%s", path,
                   list[0] != '\0' ? ", but " : ", and no other", list);
}

int md_study_read(const char *name, struct md_study *study, struct md_error *error) {
    char path[MD_PATH_MAX], folder[MD_PATH_MAX];
    struct md_file file;
    memset(study, 0, sizeof *study);
    md_shipped_path(MD_STUDY_FOLDER, folder);
    MD_TRY(strchr(name, '/') != NULL ? md_path_format(path, error, "%s", name)
                                     : md_path_format(path, error, "%s/%s.yaml", folder, name));
    MD_TRY(name_study(study, path, error));
    if (strchr(name, '/') == NULL && !md_is_file(path))
        MD_TRY(no_study(path, error));
    MD_TRY(md_file_read(path, &file, error));
    struct md_yaml yaml;
    int status =
        md_yaml_read((const char *)file.bytes, file.size, path, "study", LONGEST, &yaml, error);
    md_file_free(&file);
    if (status != MD_OK)
        return status;
    status = yaml.root != NULL ? set_mapping(&yaml, study_fields, yaml.root, study)
                               : md_fail(error, MD_USAGE, "%.200s: the file is empty", path);
    MD_THEN(status, check_figure(&yaml, study));
    md_yaml_free(&yaml);
    return status;
}

void md_study_free(struct md_study *study) {
    md_names_free(&study->where);
    md_names_free(&study->where_published);
    md_names_free(&study->keys);
    md_names_free(&study->show);
    md_names_free(&study->beside);
    md_names_free(&study->figure.series);
    free(study->rows);
    free(study->shown);
    md_groups_free(&study->groups);
    md_groups_free(&study->published_groups);
    md_runs_free(&study->ours);
    md_runs_free(&study->published);
}

int md_study_column(const struct md_study *study) {
    int column = MD_EPOCH_COLUMNS - 1;
    while (column > 0 && strcmp(md_epoch_column(column), study->figure.y) != 0)
        column--;
    return column;
}

void md_study_join(const struct md_names *names, char *text, size_t size) {
    text[0] = '\0';
    for (size_t i = 0; i < names->count; i++)
        md_append(text, size, "%s%s", i > 0 ? "," : "", names->names[i]);
}
