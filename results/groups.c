#include "groups.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "../base/file.h"
#include "../base/grow.h"
#include "../experiments/budget.h"
#include "append.h"
#include "sweep.h"

/* ---- runs ------------------------------------------------------------------------------------ */

int md_runs_add(struct md_runs *runs, const char *path, const struct md_cell *cell,
                struct md_error *error) {
    struct md_finished_run **moved =
        md_grow(runs->runs, runs->count, &runs->capacity, sizeof(struct md_finished_run *), error);
    if (moved == NULL)
        return MD_FAILED;
    runs->runs = moved;
    struct md_finished_run *run = malloc(sizeof *run);
    if (run == NULL || (run->path = strdup(path)) == NULL) {
        free(run);
        return md_fail(error, MD_FAILED, "out of memory");
    }
    run->cell = *cell;
    runs->runs[runs->count++] = run;
    return MD_OK;
}

/* Adds the cell in a file; a file that is no whole cell becomes a note. */
static int read_file(struct md_runs *runs, const char *path, struct md_error *error) {
    struct md_cell cell;
    struct md_error problem;
    if (md_cell_read(path, &cell, &problem) == MD_OK)
        return md_runs_add(runs, path, &cell, error);
    runs->refused++;
    return md_runs_note(runs, error, "no whole cell: %s", problem.text);
}

/* "KEY VALUE"; only of keys whose values are words. */
enum { WORD_SIZE = MD_CONFIG_VALUE_SIZE + 16 };
static int print_word(const struct md_config *config, int key, char word[WORD_SIZE]) {
    char value[MD_CONFIG_VALUE_SIZE];
    if (md_config_kind(key) != MD_WORD_VALUE)
        return 0;
    md_config_value(config, key, value);
    snprintf(word, WORD_SIZE, "%d %s", key, value);
    return 1;
}

static size_t find_word(const struct md_names *words, const char *word) {
    size_t index = 0;
    while (index < words->count && strcmp(words->names[index], word) != 0)
        index++;
    return index;
}

/* Adds the words of a cell of a grid to runs->words, so that they keep the order of the grid. */
static int add_words(struct md_runs *runs, const struct md_grid *grid, size_t cell,
                     struct md_error *error) {
    char word[WORD_SIZE];
    int status = MD_OK;
    for (int k = 0; k < grid->key_count && status == MD_OK; k++)
        if (print_word(&grid->cells[cell].config, grid->keys[k], word) &&
            find_word(&runs->words, word) == runs->words.count)
            status = md_names_add(&runs->words, word, error);
    return status;
}

/* What the grid of a sweep says of its cells: their order, and which were not run because they do
 * not fit into their budgets. */
static int read_grid(struct md_runs *runs, const char *folder, struct md_error *error) {
    struct md_grid grid;
    struct md_error ignored; /* `mudepth status` tells what is wrong with a grid */
    if (!md_is_sweep(folder) || md_sweep_grid(folder, &grid, &ignored) != MD_OK)
        return MD_OK;
    int status = MD_OK;
    for (size_t i = 0; i < grid.count && status == MD_OK; i++) {
        char settings[MD_SETTINGS_SIZE], kb[MD_KB_TEXT];
        status = add_words(runs, &grid, i, error);
        if (grid.cells[i].needs_bytes == 0 || status != MD_OK)
            continue;
        md_grid_settings(&grid, i, settings);
        status = md_runs_note(runs, error, "%s: does not fit: needs %s kB", settings,
                              md_kb_text(grid.cells[i].needs_bytes, kb));
    }
    md_grid_free(&grid);
    return status;
}

/* The cells among what lies in a folder. One may go away meanwhile. */
static int read_cells(struct md_runs *runs, const char *folder, const struct md_names *names,
                      struct md_error *error) {
    char path[MD_PATH_MAX];
    struct stat about;
    for (size_t i = 0; i < names->count; i++) {
        const char *ending = strrchr(names->names[i], '.');
        if (ending == NULL || strcasecmp(ending, ".h5") != 0)
            continue;
        MD_TRY(md_path_format(path, error, "%s/%s", folder, names->names[i]));
        if (lstat(path, &about) == 0 || errno != ENOENT)
            MD_TRY(read_file(runs, path, error));
    }
    return read_grid(runs, folder, error);
}

static int read_folder(struct md_runs *runs, const char *folder, int is_given, int is_searched,
                       struct md_error *error);

/* The sweeps below a folder. What is behind a link is not searched: it might have no end. */
static int read_below(struct md_runs *runs, const char *folder, const struct md_names *names,
                      struct md_error *error) {
    char path[MD_PATH_MAX];
    struct stat about;
    int status = MD_OK;
    for (size_t i = 0; i < names->count && status == MD_OK; i++) {
        status = md_path_format(path, error, "%s/%s", folder, names->names[i]);
        if (status != MD_OK || lstat(path, &about) != 0)
            continue;
        if (S_ISDIR(about.st_mode) || (S_ISLNK(about.st_mode) && md_is_sweep(path)))
            status = read_folder(runs, path, 0, S_ISDIR(about.st_mode), error);
    }
    return status;
}

/* The cells in a folder, when it is the one that was given or a sweep, and in the sweeps below. */
static int read_folder(struct md_runs *runs, const char *folder, int is_given, int is_searched,
                       struct md_error *error) {
    struct md_names names = {0};
    int status = md_names_of_folder(folder, &names, error);
    if (status != MD_OK && !is_given) {
        runs->refused++;
        status = md_runs_note(runs, error, "%s", error->text);
    } else if (status == MD_OK) {
        if (is_given || md_is_sweep(folder))
            status = read_cells(runs, folder, &names, error);
        if (status == MD_OK && is_searched)
            status = read_below(runs, folder, &names, error);
    }
    md_names_free(&names);
    return status;
}

int md_runs_read(struct md_runs *runs, const char *path, struct md_error *error) {
    return md_is_folder(path) ? read_folder(runs, path, 1, 1, error) : read_file(runs, path, error);
}

static void drop(struct md_finished_run *run) {
    free(run->path);
    free(run);
}

void md_runs_free(struct md_runs *runs) {
    for (size_t i = 0; i < runs->count; i++)
        drop(runs->runs[i]);
    free(runs->runs);
    md_names_free(&runs->notes);
    md_names_free(&runs->words);
    *runs = (struct md_runs){0};
}

int md_runs_note(struct md_runs *runs, struct md_error *error, const char *format, ...) {
    char text[1000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return md_names_add(&runs->notes, text, error);
}

int md_runs_check(const struct md_runs *runs, struct md_error *error) {
    if (runs->refused > 0)
        return md_fail(error, MD_FAILED, "%zu of the files are no whole cells, see the notes",
                       runs->refused);
    return MD_OK;
}

void md_runs_filter(struct md_runs *runs, const struct md_filters *filters) {
    size_t kept = 0;
    for (size_t i = 0; i < runs->count; i++)
        if (md_filters_pass(filters, &runs->runs[i]->cell))
            runs->runs[kept++] = runs->runs[i];
        else
            drop(runs->runs[i]);
    runs->count = kept;
}

/* ---- sorting --------------------------------------------------------------------------------- */

/* A run that is being sorted, with the context that qsort does not pass on. */
struct sort_item {
    struct md_finished_run *run;
    size_t index; /* where it was given */
    const struct md_groups *groups;
    const size_t *ranks; /* of its values of the groups' keys among the words; NULL: not needed */
};

static int order_indices(const struct sort_item *a, const struct sort_item *b) {
    return (a->index > b->index) - (a->index < b->index);
}

static int by_identity(const void *a, const void *b) {
    const struct sort_item *p = a, *q = b;
    int order = strcmp(p->run->cell.identity, q->run->cell.identity);
    return order != 0 ? order : order_indices(p, q);
}

/* Whether runs are in one group. */
static int are_alike(const struct md_groups *groups, const struct md_finished_run *a,
                     const struct md_finished_run *b) {
    for (int k = 0; k < groups->key_count; k++)
        if (md_config_order(&a->cell.config, &b->cell.config, groups->keys[k]) != 0)
            return 0;
    return 1;
}

static void rank(const struct md_runs *runs, const struct md_groups *groups,
                 const struct md_finished_run *run, size_t *ranks) {
    char word[WORD_SIZE];
    for (int k = 0; k < groups->key_count; k++)
        ranks[k] = print_word(&run->cell.config, groups->keys[k], word)
                       ? find_word(&runs->words, word)
                       : 0;
}

static int order_keys(const struct md_groups *groups, const struct md_finished_run *a,
                      const size_t *ranks_a, const struct md_finished_run *b,
                      const size_t *ranks_b) {
    int order = 0;
    for (int k = 0; k < groups->key_count && order == 0; k++)
        order = ranks_a[k] != ranks_b[k]
                    ? (ranks_a[k] > ranks_b[k]) - (ranks_a[k] < ranks_b[k])
                    : md_config_order(&a->cell.config, &b->cell.config, groups->keys[k]);
    return order;
}

int md_groups_order(const struct md_runs *runs, const struct md_groups *groups,
                    const struct md_group *a, const struct md_group *b) {
    size_t ranks[2][MD_MOST_KEYS];
    rank(runs, groups, a->runs[0], ranks[0]);
    rank(runs, groups, b->runs[0], ranks[1]);
    return order_keys(groups, a->runs[0], ranks[0], b->runs[0], ranks[1]);
}

/* Within a group by identity: its sums have one order, however its runs were given. */
static int by_keys(const void *a, const void *b) {
    const struct sort_item *p = a, *q = b;
    int order = order_keys(p->groups, p->run, p->ranks, q->run, q->ranks);
    return order != 0 ? order : by_identity(p, q);
}

static struct sort_item *make_items(const struct md_runs *runs, const struct md_groups *groups,
                                    struct md_error *error) {
    struct sort_item *items = malloc((runs->count + 1) * sizeof *items);
    md_check_memory(items != NULL, error);
    for (size_t i = 0; items != NULL && i < runs->count; i++)
        items[i] = (struct sort_item){runs->runs[i], i, groups, NULL};
    return items;
}

static int sort_by_keys(struct md_runs *runs, const struct md_groups *groups,
                        struct md_error *error) {
    size_t keys = (size_t)groups->key_count;
    struct sort_item *items = make_items(runs, groups, error);
    size_t *ranks = malloc((runs->count * keys + 1) * sizeof *ranks);
    int status = md_check_memory(items != NULL && ranks != NULL, error);
    for (size_t i = 0; i < runs->count && status == MD_OK; i++) {
        rank(runs, groups, items[i].run, ranks + i * keys);
        items[i].ranks = ranks + i * keys;
    }
    if (status == MD_OK)
        qsort(items, runs->count, sizeof *items, by_keys);
    for (size_t i = 0; i < runs->count && status == MD_OK; i++)
        runs->runs[i] = items[i].run;
    free(items);
    free(ranks);
    return status;
}

/* A run that is there twice counts once, or it would pass for another seed. */
static int drop_repeated(struct md_runs *runs, struct md_error *error) {
    struct sort_item *items = make_items(runs, NULL, error);
    if (items == NULL)
        return MD_FAILED;
    qsort(items, runs->count, sizeof *items, by_identity);
    int status = MD_OK;
    for (size_t i = 0, first = 0; i < runs->count && status == MD_OK; i++) {
        if (strcmp(items[i].run->cell.identity, items[first].run->cell.identity) != 0)
            first = i;
        if (i == first)
            continue;
        status = md_runs_note(runs, error, "%.300s is the same run as %.300s and counts once",
                              items[i].run->path, items[first].run->path);
        runs->runs[items[i].index] = NULL;
        drop(items[i].run);
    }
    free(items);
    size_t kept = 0;
    for (size_t i = 0; i < runs->count; i++)
        if (runs->runs[i] != NULL)
            runs->runs[kept++] = runs->runs[i];
    runs->count = kept;
    return status;
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* The keys, besides the seed, in which runs differ; returns how many. */
static int find_differing(struct md_finished_run *const *runs, size_t count,
                          int keys[MD_MOST_KEYS]) {
    char name[MD_CONFIG_NAME_SIZE];
    int found = 0;
    if (count < 2)
        return 0;
    for (int key = 0; md_config_key(key, name) == 0 && found < MD_MOST_KEYS; key++) {
        int differs = 0;
        if (strcmp(name, "seed") == 0 || !md_config_affects_results(key))
            continue;
        for (size_t i = 1; i < count && !differs; i++)
            differs = md_config_order(&runs[i]->cell.config, &runs[0]->cell.config, key) != 0;
        if (differs)
            keys[found++] = key;
    }
    return found;
}

static int add_key(void *context, char *name, struct md_error *error) {
    struct md_groups *groups = context;
    int key = md_config_find(name);
    if (key < 0)
        return md_config_unknown(name, error);
    for (int k = 0; k < groups->key_count; k++)
        if (groups->keys[k] == key)
            return md_fail(error, MD_USAGE, "%s is given twice", name);
    groups->keys[groups->key_count++] = key;
    return MD_OK;
}

static int choose_keys(const struct md_runs *runs, const char *by, struct md_groups *groups,
                       struct md_error *error) {
    if (by == NULL) {
        groups->key_count = find_differing(runs->runs, runs->count, groups->keys);
        return MD_OK;
    }
    int status = by[0] != '\0' ? md_names_each(by, add_key, groups, error) : MD_OK;
    return status == MD_OK ? MD_OK : md_fail_in(error, status, "--by");
}

/* ---- groups ---------------------------------------------------------------------------------- */

/* The first run that should have the same data as run number i: the groups' keys that choose data,
 * network size or labels have the same values in both. */
static const struct md_finished_run *first_of_data(const struct md_runs *runs,
                                                   const struct md_groups *groups, size_t i) {
    char name[MD_CONFIG_NAME_SIZE];
    for (size_t first = 0;; first++) {
        int order = 0;
        for (int k = 0; k < groups->key_count && order == 0; k++)
            if (md_config_key(groups->keys[k], name) == 0 &&
                (strncmp(name, "data.", strlen("data.")) == 0 || strcmp(name, "network") == 0 ||
                 strcmp(name, "label_mode") == 0))
                order = md_config_order(&runs->runs[first]->cell.config,
                                        &runs->runs[i]->cell.config, groups->keys[k]);
        if (order == 0)
            return runs->runs[first];
    }
}

/* Notes what should be the same in all cells and is not: the version of the code, and the data of
 * those whose keys of the groups say the same data. */
static int check_mixture(struct md_runs *runs, const struct md_groups *groups,
                         struct md_error *error) {
    static const char *const splits[] = {"train", "val", "test"};
    const struct md_finished_run *first = runs->runs[0], *other = first;
    for (size_t i = 1; i < runs->count && other == first; i++)
        if (strcmp(runs->runs[i]->cell.code_version, first->cell.code_version) != 0)
            other = runs->runs[i];
    int status = MD_OK;
    if (other != first)
        status = md_runs_note(
            runs, error, "made by different versions of the code: %.300s by %s, %.300s by %s",
            first->path, first->cell.code_version, other->path, other->cell.code_version);
    for (int s = 0; s < 3 && status == MD_OK; s++) {
        other = first;
        for (size_t i = 1; i < runs->count && other == first; i++) {
            first = first_of_data(runs, groups, i);
            other = strcmp(runs->runs[i]->cell.data_digests[s], first->cell.data_digests[s]) != 0
                        ? runs->runs[i]
                        : first;
        }
        if (other != first)
            status = md_runs_note(runs, error,
                                  "different data: %.300s and %.300s do not have the same %s split",
                                  first->path, other->path, splits[s]);
        size_t mixed = 0;
        while (mixed < runs->count && runs->runs[mixed]->cell.depth_kinds[s][0] == '\0')
            mixed++;
        if (mixed < runs->count)
            MD_THEN(status,
                    md_runs_note(runs, error,
                                 "mixed: the depths of %s are of several kinds: %s, of %.300s",
                                 splits[s], runs->runs[mixed]->cell.depth_kinds[s],
                                 runs->runs[mixed]->path));
    }
    return status;
}

/* Notes that a file that two runs name was not the same: where is that of its name in a config, and
 * digest that of its digest in a cell. (What scratch is depends on the seed.) */
static int check_file(struct md_runs *runs, size_t where, size_t digest, const char *what,
                      struct md_error *error) {
    for (size_t i = 1; i < runs->count; i++) {
        const char *cell = (const char *)&runs->runs[i]->cell, *other;
        const char *name = (const char *)&runs->runs[i]->cell.config + where;
        size_t first = 0;
        while (strcmp((const char *)&runs->runs[first]->cell.config + where, name) != 0)
            first++;
        other = (const char *)&runs->runs[first]->cell;
        if (strcmp(name, "scratch") != 0 && strcmp(cell + digest, other + digest) != 0)
            return md_runs_note(runs, error, "different %s: %.300s and %.300s had others in %.300s",
                                what, runs->runs[first]->path, runs->runs[i]->path, name);
    }
    return MD_OK;
}

/* Appends to the groups' labels their values of key number k. Where more than three quarters of the
 * groups have the default, only other values are shown, with the key's name. */
static void add_to_labels(struct md_groups *groups, int k, char *is_default) {
    static const char *const unset = "";
    struct md_config defaults;
    const char *set = unset;
    size_t count = 0;
    for (size_t g = 0; g < groups->count; g++) {
        const struct md_config *config = &groups->groups[g].runs[0]->cell.config;
        if (strcmp(set, config->data.set) != 0)
            md_config_defaults(config, &defaults);
        set = config->data.set;
        is_default[g] = md_config_order(config, &defaults, groups->keys[k]) == 0;
        count += (size_t)is_default[g];
    }
    int is_usual = 4 * count > 3 * groups->count;
    for (size_t g = 0; g < groups->count; g++) {
        char value[MD_CONFIG_VALUE_SIZE], name[MD_CONFIG_NAME_SIZE];
        char *label = groups->groups[g].label;
        if (is_usual && is_default[g])
            continue;
        md_config_key(groups->keys[k], name);
        md_config_value(&groups->groups[g].runs[0]->cell.config, groups->keys[k], value);
        md_append(label, MD_GROUP_LABEL_SIZE, "%s%s%s%.80s", label[0] != '\0' ? " " : "",
                  is_usual ? name : "", is_usual ? "=" : "", value);
    }
}

static int name_groups(struct md_groups *groups, struct md_error *error) {
    char *is_default = malloc(groups->count);
    MD_TRY(md_check_memory(is_default != NULL, error));
    for (int k = 0; k < groups->key_count; k++)
        add_to_labels(groups, k, is_default);
    free(is_default);
    for (size_t g = 0; g < groups->count; g++)
        if (groups->groups[g].label[0] == '\0')
            snprintf(groups->groups[g].label, MD_GROUP_LABEL_SIZE,
                     groups->key_count > 0 ? "default" : "all");
    return MD_OK;
}

/* Notes what the means of a group hide. */
static int check_group(struct md_runs *runs, const struct md_group *group, struct md_error *error) {
    int keys[MD_MOST_KEYS], status = MD_OK;
    char names[600] = "", name[MD_CONFIG_NAME_SIZE];
    for (int k = 0, count = find_differing(group->runs, group->count, keys); k < count; k++) {
        md_config_key(keys[k], name);
        md_append(names, sizeof names, "%s%s", k > 0 ? ", " : "", name);
    }
    if (names[0] != '\0')
        status = md_runs_note(runs, error, "%s: its runs differ in more than their seeds: %s",
                              group->label, names);
    if (group->diverged > 0 && status == MD_OK)
        status = md_runs_note(runs, error, "%s: %zu of %zu runs diverged and are not in its mean",
                              group->label, group->diverged, group->count);
    return status;
}

static int divide(struct md_runs *runs, struct md_groups *groups, struct md_error *error) {
    groups->groups = calloc(runs->count, sizeof *groups->groups);
    MD_TRY(md_check_memory(groups->groups != NULL, error));
    for (size_t i = 0; i < runs->count; i++) {
        if (i == 0 || !are_alike(groups, runs->runs[i - 1], runs->runs[i]))
            groups->groups[groups->count++].runs = &runs->runs[i];
        struct md_group *group = &groups->groups[groups->count - 1];
        group->count++;
        group->diverged += runs->runs[i]->cell.diverged != 0;
    }
    MD_TRY(name_groups(groups, error));
    for (size_t g = 0; g < groups->count; g++)
        MD_TRY(check_group(runs, &groups->groups[g], error));
    return MD_OK;
}

int md_groups_make(struct md_runs *runs, const char *by, struct md_groups *groups,
                   struct md_error *error) {
    *groups = (struct md_groups){.count = 0};
    int status = drop_repeated(runs, error);
    MD_THEN(status, choose_keys(runs, by, groups, error));
    if (status != MD_OK || runs->count == 0)
        return status;
    MD_TRY(check_mixture(runs, groups, error));
    MD_TRY(check_file(runs, offsetof(struct md_config, weights),
                      offsetof(struct md_cell, initial_weights_digest), "weights", error));
    MD_TRY(check_file(runs, offsetof(struct md_config, teacher),
                      offsetof(struct md_cell, teacher_digest), "teachers", error));
    MD_TRY(sort_by_keys(runs, groups, error));
    return divide(runs, groups, error);
}

void md_groups_free(struct md_groups *groups) {
    free(groups->groups);
    *groups = (struct md_groups){.count = 0};
}

struct md_measure md_group_measure(const struct md_group *group,
                                   const struct md_quantity *quantity) {
    struct md_measure measure = {0, (double)NAN, (double)NAN};
    double first = 0.0, sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < group->count; i++) {
        double value = md_quantity_of(quantity, &group->runs[i]->cell);
        if (!isfinite(value))
            continue;
        first = measure.count++ == 0 ? value : first;
        sum += value - first; /* so that equal values have just this mean, and no deviation */
    }
    if (measure.count > 0)
        measure.mean = first + sum / (double)measure.count;
    for (size_t i = 0; i < group->count; i++) {
        double value = md_quantity_of(quantity, &group->runs[i]->cell);
        squares += isfinite(value) ? (value - measure.mean) * (value - measure.mean) : 0.0;
    }
    if (measure.count > 1)
        measure.deviation = sqrt(squares / (double)(measure.count - 1));
    return measure;
}
