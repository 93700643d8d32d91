/* mudepth table: finished cells, grouped by keys of their configs; what comes out per group. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../core/ops.h"
#include "../plots/plots.h"
#include "../results/cell.h"
#include "command.h"

enum { MOST_KEYS = 64, LABEL_SIZE = 200 };

struct options {
    const char *by, *figure;
    int json;
};

struct entry {
    const char *path;
    struct md_cell cell;
};

/* Cells that are equal in every key of `by`; they lie side by side. */
struct group {
    struct entry *entries;
    size_t count, diverged;
    double *rmse_m; /* after fine-tuning, in the entries' order; NaN: diverged */
    double before_m, dummy_m, mean_m, deviation_m;
    long long skipped_steps;
    char label[LABEL_SIZE];
};

struct table {
    struct options options;
    struct entry *entries;
    double *rmse_m;
    size_t count;
    int by[MOST_KEYS], by_count; /* keys */
    struct group *groups;
    size_t group_count;
    json_t *notes;
};

static int parse(int argc, char **argv, struct options *o, struct md_error *error) {
    static const struct option options[] = {{"by", required_argument, NULL, 'b'},
                                            {"figure", required_argument, NULL, 'f'},
                                            {"json", no_argument, NULL, 'j'},
                                            {0}};
    for (int c; (c = md_next_option(argc, argv, ":", options, error)) != -1;) {
        if (c == '?')
            return MD_USAGE;
        o->by = c == 'b' ? optarg : o->by;
        o->figure = c == 'f' ? optarg : o->figure;
        o->json |= c == 'j';
    }
    if (optind >= argc)
        return md_fail(error, MD_USAGE, "expected result cells; see mudepth table --help");
    return MD_OK;
}

static void note(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void note(struct table *table, const char *format, ...) {
    char text[1000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_array_append_new(table->notes, json_string_nocheck(text)); /* a path may be anything */
}

/* ---- the cells ------------------------------------------------------------------------------- */

/* Reads the cells; one that is there twice counts once, or it would pass for another seed. */
static int read_cells(struct table *table, int count, char *const *paths, struct md_error *error) {
    for (int i = 0; i < count; i++) {
        struct entry *entry = &table->entries[table->count];
        int status = md_cell_read(paths[i], &entry->cell, error);
        if (status != MD_OK)
            return status;
        entry->path = paths[i];
        size_t same = 0;
        while (strcmp(table->entries[same].cell.identity, entry->cell.identity) != 0)
            same++;
        if (same < table->count)
            note(table, "%.300s is the same run as %.300s and counts once", paths[i],
                 table->entries[same].path);
        else
            table->count++;
    }
    return MD_OK;
}

/* Says what should be the same in all cells and is not. */
static void check_mixture(struct table *table) {
    static const char *const splits[] = {"train", "val", "test"};
    const struct entry *first = &table->entries[0];
    for (size_t i = 1; i < table->count; i++)
        if (strcmp(table->entries[i].cell.code_version, first->cell.code_version) != 0) {
            note(table, "made by different versions of the code: %.300s by %s, %.300s by %s",
                 first->path, first->cell.code_version, table->entries[i].path,
                 table->entries[i].cell.code_version);
            break;
        }
    for (int s = 0; s < 3; s++)
        for (size_t i = 1; i < table->count; i++)
            if (strcmp(table->entries[i].cell.data_digests[s], first->cell.data_digests[s]) != 0) {
                note(table, "different data: %.300s and %.300s do not have the same %s split",
                     first->path, table->entries[i].path, splits[s]);
                break;
            }
}

/* ---- grouping -------------------------------------------------------------------------------- */

static int differs(const struct entry *entries, size_t count, int key) {
    for (size_t i = 1; i < count; i++)
        if (md_config_order(&entries[i].cell.config, &entries[0].cell.config, key) != 0)
            return 1;
    return 0;
}

/* Every key in which runs differ that are meant to differ in their seeds only. */
static int find_differing(const struct entry *entries, size_t count, int keys[MOST_KEYS]) {
    char name[MD_CONFIG_NAME_SIZE];
    int found = 0;
    for (int key = 0; md_config_key(key, name) == 0 && found < MOST_KEYS; key++)
        if (strcmp(name, "seed") != 0 && md_config_decides(key) && differs(entries, count, key))
            keys[found++] = key;
    return found;
}

static int parse_keys(struct table *table, struct md_error *error) {
    const char *word = table->options.by;
    if (word == NULL) {
        table->by_count = find_differing(table->entries, table->count, table->by);
        return MD_OK;
    }
    for (;; word++) {
        size_t length = strcspn(word, ",");
        char name[MD_CONFIG_NAME_SIZE];
        int key = 0;
        while (md_config_key(key, name) == 0 &&
               (strlen(name) != length || strncmp(name, word, length) != 0))
            key++;
        if (md_config_key(key, name) != 0)
            return md_fail(error, MD_USAGE,
                           "--by: \"%.*s\" is no key of a config; mudepth run --help lists them",
                           length < 100 ? (int)length : 100, word);
        for (int b = 0; b < table->by_count; b++)
            if (table->by[b] == key)
                return md_fail(error, MD_USAGE, "--by: %s is given twice", name);
        table->by[table->by_count++] = key;
        word += length;
        if (*word == '\0')
            return MD_OK;
    }
}

static int order(const struct table *table, const struct entry *a, const struct entry *b) {
    int result = 0;
    for (int k = 0; k < table->by_count && result == 0; k++)
        result = md_config_order(&a->cell.config, &b->cell.config, table->by[k]);
    return result;
}

/* Insertion: a few hundred cells, and the ones of a group stay in the order they were given. */
static void sort(struct table *table, struct entry *room) {
    for (size_t i = 1; i < table->count; i++) {
        size_t place = i;
        while (place > 0 && order(table, &table->entries[i], &table->entries[place - 1]) < 0)
            place--;
        *room = table->entries[i];
        memmove(&table->entries[place + 1], &table->entries[place],
                (i - place) * sizeof *table->entries);
        table->entries[place] = *room;
    }
}

/* No depth at all on some pictures, or no number. */
static int has_diverged(const struct md_cell *cell) {
    return !isfinite(cell->scores[0].after.value[MD_RMSE]) ||
           cell->scores[0].after.images < cell->scores[0].before.images;
}

static void measure(struct group *group) {
    double sum = 0.0, squares = 0.0, before = 0.0, dummy = 0.0;
    for (size_t i = 0; i < group->count; i++) {
        const struct md_cell *cell = &group->entries[i].cell;
        int diverged = has_diverged(cell);
        group->rmse_m[i] = diverged ? (double)NAN : cell->scores[0].after.value[MD_RMSE];
        group->diverged += (size_t)diverged;
        group->skipped_steps += cell->skipped_steps;
        sum += diverged ? 0.0 : group->rmse_m[i];
        before += cell->scores[0].before.value[MD_RMSE];
        dummy += cell->scores[0].dummy.value[MD_RMSE];
    }
    double left = (double)(group->count - group->diverged);
    group->mean_m = left > 0.0 ? sum / left : (double)NAN;
    for (size_t i = 0; i < group->count; i++)
        if (isfinite(group->rmse_m[i]))
            squares += (group->rmse_m[i] - group->mean_m) * (group->rmse_m[i] - group->mean_m);
    group->deviation_m = left > 1.0 ? sqrt(squares / (left - 1.0)) : (double)NAN;
    group->before_m = before / (double)group->count;
    group->dummy_m = dummy / (double)group->count;
}

/* The group's values in words. A default that nearly all groups have goes without saying, and what
 * is said instead is said in full. */
static void name_group(const struct table *table, struct group *group) {
    for (int k = 0; k < table->by_count; k++) {
        char value[MD_CONFIG_VALUE_SIZE], name[MD_CONFIG_NAME_SIZE];
        size_t defaults = 0, length = strlen(group->label);
        for (size_t g = 0; g < table->group_count; g++)
            defaults += (size_t)md_config_is_default(&table->groups[g].entries[0].cell.config,
                                                     table->by[k]);
        const struct md_config *config = &group->entries[0].cell.config;
        int unsaid = 4 * defaults > 3 * table->group_count;
        if (unsaid && md_config_is_default(config, table->by[k]))
            continue;
        md_config_key(table->by[k], name);
        md_config_value(config, table->by[k], value);
        snprintf(group->label + length, sizeof group->label - length, "%s%s%s%.80s",
                 length > 0 ? " " : "", unsaid ? name : "", unsaid ? "=" : "", value);
    }
    if (group->label[0] == '\0')
        snprintf(group->label, sizeof group->label, table->by_count > 0 ? "default" : "all");
}

/* Says what the averages hide. */
static void check_group(struct table *table, const struct group *group) {
    int keys[MOST_KEYS];
    char names[600] = "", name[MD_CONFIG_NAME_SIZE];
    for (int k = 0, count = find_differing(group->entries, group->count, keys); k < count; k++) {
        size_t length = strlen(names);
        md_config_key(keys[k], name);
        snprintf(names + length, sizeof names - length, "%s%s", k > 0 ? ", " : "", name);
    }
    if (names[0] != '\0')
        note(table, "%s: its runs differ in more than their seeds: %s", group->label, names);
    if (group->diverged > 0)
        note(table, "%s: %zu of %zu runs diverged and are not in its mean", group->label,
             group->diverged, group->count);
}

static void make_groups(struct table *table) {
    for (size_t i = 0; i < table->count; i++) {
        struct entry *entry = &table->entries[i];
        if (i == 0 || order(table, entry - 1, entry) != 0)
            table->groups[table->group_count++] =
                (struct group){.entries = entry, .rmse_m = table->rmse_m + i};
        table->groups[table->group_count - 1].count++;
    }
    for (size_t g = 0; g < table->group_count; g++)
        measure(&table->groups[g]);
    for (size_t g = 0; g < table->group_count; g++) {
        name_group(table, &table->groups[g]);
        check_group(table, &table->groups[g]);
    }
}

/* ---- the report ------------------------------------------------------------------------------ */

static int weight_bytes(const struct group *group) {
    return (int)md_format_bytes[group->entries[0].cell.config.format];
}

static void print_number(int width, double value) {
    if (isfinite(value))
        printf("%*.3f", width, value);
    else
        printf("%*s", width, "-");
}

static void print_keys(const struct table *table, const struct group *group) {
    for (int k = 0; k < table->by_count; k++) {
        char text[MD_CONFIG_VALUE_SIZE], name[MD_CONFIG_NAME_SIZE];
        md_config_key(table->by[k], name);
        int width = (int)strlen(name);
        for (size_t g = 0; g < table->group_count; g++) {
            md_config_value(&table->groups[g].entries[0].cell.config, table->by[k], text);
            width = (int)strlen(text) > width ? (int)strlen(text) : width;
        }
        if (group != NULL)
            md_config_value(&group->entries[0].cell.config, table->by[k], text);
        printf("%-*s  ", width, group != NULL ? text : name);
    }
}

static void print_table(const struct table *table) {
    print_keys(table, NULL);
    printf("runs  diverged  before (m)  after (m)      sd  dummy (m)  weight (B)  state (B)  "
           "skipped\n");
    for (size_t g = 0; g < table->group_count; g++) {
        const struct group *group = &table->groups[g];
        print_keys(table, group);
        printf("%4zu  %8zu", group->count, group->diverged);
        print_number(12, group->before_m);
        print_number(11, group->mean_m);
        print_number(8, group->deviation_m);
        print_number(11, group->dummy_m);
        printf("  %10d  %9lld  %7lld\n", weight_bytes(group),
               group->entries[0].cell.optimizer_bytes_per_parameter, group->skipped_steps);
    }
}

static int is_utf8(const char *text) {
    json_t *string = json_string(text);
    json_decref(string);
    return string != NULL;
}

/* NULL when a text is not UTF-8. */
static json_t *to_json(const struct table *table) {
    for (size_t i = 0; i < json_array_size(table->notes); i++)
        if (!is_utf8(json_string_value(json_array_get(table->notes, i))))
            return NULL;
    for (size_t i = 0; i < table->count; i++)
        if (!is_utf8(table->entries[i].path))
            return NULL;
    json_t *keys = json_array(), *groups = json_array();
    for (size_t g = 0; g < table->group_count; g++) {
        const struct group *group = &table->groups[g];
        json_t *values = json_object(), *each = json_array();
        for (int k = 0; k < table->by_count; k++) {
            char name[MD_CONFIG_NAME_SIZE], value[MD_CONFIG_VALUE_SIZE];
            md_config_key(table->by[k], name);
            md_config_value(&group->entries[0].cell.config, table->by[k], value);
            json_object_set_new(values, name, json_string(value));
            if (g == 0)
                json_array_append_new(keys, json_string(name));
        }
        for (size_t i = 0; i < group->count; i++)
            json_array_append_new(each,
                                  json_pack("{s:s, s:I, s:o}", "cell", group->entries[i].path,
                                            "seed", (json_int_t)group->entries[i].cell.config.seed,
                                            "rmse_m", md_json_number(group->rmse_m[i])));
        json_array_append_new(
            groups,
            json_pack("{s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:i, s:I, s:I, s:o}", "values", values,
                      "runs", (json_int_t)group->count, "diverged", (json_int_t)group->diverged,
                      "rmse_before_m", md_json_number(group->before_m), "rmse_after_m",
                      md_json_number(group->mean_m), "rmse_after_deviation_m",
                      md_json_number(group->deviation_m), "rmse_dummy_m",
                      md_json_number(group->dummy_m), "weight_bytes_per_parameter",
                      weight_bytes(group), "optimizer_bytes_per_parameter",
                      (json_int_t)group->entries[0].cell.optimizer_bytes_per_parameter,
                      "skipped_steps", (json_int_t)group->skipped_steps, "each", each));
    }
    return json_pack("{s:o, s:o, s:O}", "by", keys, "groups", groups, "notes", table->notes);
}

static int draw(const struct table *table, struct md_error *error) {
    struct md_group_bar *bars = malloc(table->group_count * sizeof *bars);
    if (bars == NULL)
        return md_fail(error, MD_FAILED, "out of memory");
    for (size_t g = 0; g < table->group_count; g++) {
        const struct group *group = &table->groups[g];
        bars[g] = (struct md_group_bar){group->label, group->rmse_m, group->count, group->dummy_m};
    }
    int status = md_plot_groups(table->options.figure, "RMSE on the test split after fine-tuning",
                                bars, table->group_count, error);
    free(bars);
    return status;
}

static int report(const struct table *table, struct md_error *error) {
    for (size_t i = 0; i < json_array_size(table->notes); i++)
        fprintf(stderr, "note: %s\n", json_string_value(json_array_get(table->notes, i)));
    int status = MD_OK;
    if (table->options.json)
        status = md_print_json(to_json(table), error);
    else
        print_table(table);
    if (status == MD_OK && table->options.figure != NULL)
        status = draw(table, error);
    return status;
}

static int work(struct table *table, int count, char *const *paths, struct md_error *error) {
    size_t room = (size_t)count + 1; /* sorting needs one more */
    table->entries = calloc(room, sizeof *table->entries);
    table->rmse_m = calloc(room, sizeof *table->rmse_m);
    table->groups = calloc(room, sizeof *table->groups);
    table->notes = json_array();
    if (table->entries == NULL || table->rmse_m == NULL || table->groups == NULL ||
        table->notes == NULL)
        return md_fail(error, MD_FAILED, "out of memory");
    int status = read_cells(table, count, paths, error);
    if (status == MD_OK)
        status = parse_keys(table, error);
    if (status != MD_OK)
        return status;
    check_mixture(table);
    sort(table, &table->entries[count]);
    make_groups(table);
    return report(table, error);
}

static int run(int argc, char **argv, struct md_error *error) {
    struct table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return md_fail(error, MD_FAILED, "out of memory");
    int status = parse(argc, argv, &table->options, error);
    if (status == MD_OK)
        status = work(table, argc - optind, argv + optind, error);
    json_decref(table->notes);
    free(table->entries);
    free(table->rmse_m);
    free(table->groups);
    free(table);
    return status;
}

const struct md_command md_command_table = {
    "table", "group finished runs by keys of their configs, and say what came out of each group",
    "CELL.h5... [options]\n\n"
    "  --by KEY,...   keys of the config that make a group (default: every key in which the\n"
    "                 cells differ, but `seed`)\n"
    "  --figure FILE  also draw it: every run, the means, the dummy predictor (PNG, SVG, PDF)\n"
    "  --json         print the result as JSON, with every run\n\n"
    "A row is a group: its runs, and how many of them diverged (no depth at all on some pictures;\n"
    "they are not in the mean); the RMSE on the test split before fine-tuning, after it (mean and\n"
    "standard deviation over the runs), and of the dummy predictor; bytes of a weight and of what\n"
    "the optimizer keeps beside each that learns; steps skipped by all runs together. A note says\n"
    "when cells come from different data or versions of the code, or runs of a group differ in\n"
    "more than their seeds.\n\n"
    "examples:\n"
    "  mudepth table results/runs/*.h5\n"
    "  mudepth table results/runs/*.h5 --by format,optimizer,update --figure formats.png\n",
    NULL, run};
