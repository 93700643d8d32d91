/* Reading a sweep file: axes, their products, what is excluded. */
#include "grid_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/file.h"
#include "../base/grow.h"
#include "budget.h"
#include "config_keys.h"
#include "train.h"

enum { LONGEST = 1 << 22, MOST_AXES = 32, MOST_CHOICES = 64 };

enum { SWEEP, ALSO, EXCEPT, GRID, OWN_KEYS };
static const char *const own_keys[OWN_KEYS + 1] = {"sweep", "also", "except", "grid", NULL};

/* One value of an axis: a node of the file, or a number of a range. */
struct value {
    const yaml_node_t *node; /* where it stands */
    uint64_t number;
    int is_number;
};

struct axis {
    const char *name;
    struct value *values; /* owned */
    size_t count, capacity;
};

/* A product of axes. */
struct block {
    struct axis axes[MOST_AXES];
    int count;
};

/* A KEY=VALUE,VALUE of the command line, as one KEY=VALUE for each value. */
struct choice {
    struct md_names texts;
};

struct sweep_reader {
    struct md_yaml yaml;
    const yaml_node_t *own[OWN_KEYS]; /* NULL: not there */
    int choice_count;
    struct choice *choices;
    size_t line_product; /* combinations of them */
    struct md_grid *grid;
    struct md_error *error;
};

/* Finds the values of our own keys. */
static int find_own(struct sweep_reader *b) {
    int status = MD_OK;
    if (b->yaml.root == NULL)
        return MD_OK;
    for (struct md_yaml_pair p = {0}; md_yaml_next(&b->yaml, b->yaml.root, "", &p, &status);) {
        int own = md_find_name(own_keys, p.name);
        if (own >= 0)
            b->own[own] = p.value;
    }
    return status;
}

/* ---- axes ------------------------------------------------------------------------------------ */

static int add_value(const struct sweep_reader *b, struct axis *axis, struct value value) {
    if (axis->count == MD_MOST_CELLS)
        return md_yaml_fail(&b->yaml, value.node, axis->name, "more than 10000 values");
    struct value *values =
        md_grow(axis->values, axis->count, &axis->capacity, sizeof *values, b->yaml.error);
    if (values == NULL)
        return MD_FAILED;
    axis->values = values;
    axis->values[axis->count++] = value;
    return MD_OK;
}

/* "0..4" */
static int parse_range(const yaml_node_t *node, int64_t *first, int64_t *last) {
    if (node->type != YAML_SCALAR_NODE)
        return 0;
    const char *text = (const char *)node->data.scalar.value, *end = md_parse_integer(text, first);
    if (end == NULL || *first < 0 || strncmp(end, "..", 2) != 0)
        return 0;
    end = md_parse_integer(end + 2, last);
    return end != NULL && *end == '\0';
}

/* A single value, or all of a range. */
static int add_node(const struct sweep_reader *b, struct axis *axis, const yaml_node_t *node) {
    int64_t first, last;
    if (!parse_range(node, &first, &last))
        return add_value(b, axis, (struct value){.node = node});
    if (last < first)
        return md_yaml_expected(&b->yaml, node, axis->name,
                                "a range from a smaller to a larger number");
    int status = MD_OK;
    for (int64_t n = first; n <= last && status == MD_OK; n++)
        status = add_value(b, axis, (struct value){node, (uint64_t)n, 1});
    return status;
}

static int is_list_of_lists(const struct sweep_reader *b, const yaml_node_t *node) {
    const yaml_node_t *first = md_yaml_item(&b->yaml, node, 0);
    return first != NULL && first->type == YAML_SEQUENCE_NODE;
}

static int read_axis(const struct sweep_reader *b, const yaml_node_t *node, int single_allowed,
                     struct axis *axis) {
    int64_t first, last;
    int is_list = node->type == YAML_SEQUENCE_NODE;
    if (single_allowed && is_list && md_grid_takes_lists(axis->name) && !is_list_of_lists(b, node))
        return add_value(b, axis, (struct value){.node = node});
    if (!is_list && !single_allowed && !parse_range(node, &first, &last))
        return md_yaml_expected(&b->yaml, node, axis->name,
                                "a list of values, or a range such as 0..4");
    if (!is_list)
        return add_node(b, axis, node);
    const yaml_node_t *item = md_yaml_item(&b->yaml, node, 0);
    MD_TRY(item != NULL ? MD_OK
                        : md_yaml_fail(&b->yaml, node, axis->name, "expected at least one value"));
    for (size_t i = 0; (item = md_yaml_item(&b->yaml, node, i)) != NULL; i++)
        MD_TRY(add_node(b, axis, item));
    return MD_OK;
}

static void free_block(struct block *block) {
    for (int a = 0; a < block->count; a++)
        free(block->axes[a].values);
    block->count = 0;
}

static int read_block(const struct sweep_reader *b, const char *where, const yaml_node_t *mapping,
                      int single_allowed, struct block *block) {
    block->count = 0;
    if (mapping->type != YAML_MAPPING_NODE)
        return md_yaml_expected(&b->yaml, mapping, where, "a mapping of keys and values");
    int status = MD_OK;
    for (struct md_yaml_pair p = {0}; md_yaml_next(&b->yaml, mapping, "", &p, &status);) {
        if (block->count == MOST_AXES) {
            status = md_yaml_fail(&b->yaml, p.key, where, "more than 32 keys");
            break;
        }
        struct axis *axis = &block->axes[block->count++];
        *axis = (struct axis){.name = p.name};
        status = read_axis(b, p.value, single_allowed, axis);
    }
    if (status != MD_OK)
        free_block(block);
    return status;
}

/* Item `index` of one of our own keys that is a list. */
static const yaml_node_t *item_of(const struct sweep_reader *b, int own, size_t index) {
    return b->own[own] != NULL ? md_yaml_item(&b->yaml, b->own[own], index) : NULL;
}

/* ---- cells ----------------------------------------------------------------------------------- */

static int set_value(const struct sweep_reader *b, struct config_builder *builder, const char *name,
                     const struct value *value) {
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value->number);
    const yaml_node_t number = md_yaml_scalar(text);
    return md_builder_set(builder, name, &b->yaml, value->is_number ? &number : value->node,
                          value->node);
}

/* Whether the config has all values of one of the mappings in `except`. */
static int is_excluded(const struct sweep_reader *b, const struct md_config *config,
                       int *excluded) {
    struct md_config other;
    struct config_builder builder;
    struct block block;
    const yaml_node_t *mapping;
    *excluded = 0;
    for (size_t i = 0; (mapping = item_of(b, EXCEPT, i)) != NULL; i++) {
        int status = read_block(b, "except", mapping, 1, &block), same = 1, key = 0;
        if (status == MD_OK && block.count == 0)
            status = md_yaml_fail(&b->yaml, mapping, "except", "expected keys and values");
        other = *config;
        md_builder_extend(&builder, &other);
        for (int a = 0; a < block.count && status == MD_OK; a++) {
            const struct axis *axis = &block.axes[a];
            status = axis->count == 1 ? set_value(b, &builder, axis->name, axis->values)
                                      : md_yaml_fail(&b->yaml, axis->values[0].node, axis->name,
                                                     "except: expected a single value");
        }
        free_block(&block);
        if (status != MD_OK)
            return status;
        for (int s = 0; s < RUN_SECTIONS; key += (int)builder.sections[s++].count)
            for (size_t k = 0; k < builder.sections[s].count; k++)
                if ((builder.sections[s].given >> k & 1u) != 0)
                    same &= md_config_order(config, &other, key + (int)k) == 0;
        *excluded |= same;
    }
    return MD_OK;
}

/* The value of axis `a` in cell `index` of the block's product, in which the last is the fastest.
 */
static const struct value *value_at(const struct block *block, int a, size_t index) {
    for (int faster = block->count - 1; faster > a; faster--)
        index /= block->axes[faster].count;
    return &block->axes[a].values[index % block->axes[a].count];
}

/* "cell policy=d0 seed=3", for errors. */
static void describe_cell(const struct block *block, size_t index, char *text, size_t size) {
    size_t length = (size_t)snprintf(text, size, "cell");
    for (int a = 0; a < block->count && length < size; a++) {
        const struct value *value = value_at(block, a, index);
        char number[24];
        snprintf(number, sizeof number, "%llu", (unsigned long long)value->number);
        const char *shown = value->is_number ? number
                            : value->node->type == YAML_SCALAR_NODE
                                ? (const char *)value->node->data.scalar.value
                                : "[...]";
        length += (size_t)snprintf(text + length, size - length, " %.40s=%.60s",
                                   block->axes[a].name, shown);
    }
}

/* Sets what combination `index` of the command line's choices says, the last being the fastest. */
static int set_overrides(const struct sweep_reader *b, struct config_builder *builder,
                         size_t index) {
    char *texts[MOST_CHOICES];
    for (int c = b->choice_count - 1; c >= 0; c--) {
        const struct md_names *all = &b->choices[c].texts;
        texts[c] = all->names[index % all->count];
        index /= all->count;
    }
    return md_builder_overrides(builder, b->choice_count, texts, b->yaml.error);
}

/* Makes cell `index` of the block's product, which the command line's is the faster part of. */
static int make_cell(const struct sweep_reader *b, const struct block *block, size_t index,
                     struct md_grid_cell *made, int *excluded) {
    struct md_config *config = &made->config;
    struct config_builder builder;
    int status = md_builder_begin(&builder, config, b->yaml.error);
    if (status == MD_OK && b->yaml.root != NULL)
        status = md_builder_mapping(&builder, &b->yaml, own_keys);
    md_builder_end_layer(&builder);
    for (int a = 0; a < block->count && status == MD_OK; a++)
        status = set_value(b, &builder, block->axes[a].name,
                           value_at(block, a, index / b->line_product));
    md_builder_end_layer(&builder);
    MD_THEN(status, set_overrides(b, &builder, index % b->line_product));
    MD_THEN(status, is_excluded(b, config, excluded));
    if (status != MD_OK || *excluded)
        return status;
    status = md_builder_finish(&builder, b->yaml.origin, b->yaml.error);
    md_config_resolve_selection(config);
    if (status == MD_OK && md_budget_fit(config, &made->needs_bytes, b->yaml.error) != MD_OK)
        status = made->needs_bytes > 0 ? MD_OK : MD_USAGE;
    MD_THEN(status, md_run_check(config, b->yaml.error));
    if (status != MD_OK) {
        char cell[300];
        describe_cell(block, index / b->line_product, cell, sizeof cell);
        return md_fail_in(b->yaml.error, status, cell);
    }
    return MD_OK;
}

static int add_product(const struct sweep_reader *b, const struct block *block) {
    struct md_grid *grid = b->grid;
    size_t product = b->line_product;
    int status = MD_OK;
    for (int a = 0; a < block->count && product <= MD_MOST_CELLS; a++)
        product *= block->axes[a].count;
    if (product + grid->count > MD_MOST_CELLS)
        return md_fail(b->yaml.error, MD_USAGE, "%.200s: more than %d cells", b->yaml.origin,
                       MD_MOST_CELLS);
    for (size_t i = 0; i < product && status == MD_OK; i++) {
        int excluded = 0;
        struct md_grid_cell *cells =
            md_grow(grid->cells, grid->count, &grid->capacity, sizeof *cells, b->yaml.error);
        if (cells == NULL)
            return MD_FAILED;
        grid->cells = cells;
        status = make_cell(b, block, i, &cells[grid->count], &excluded);
        grid->excluded += (size_t)excluded;
        grid->count += status == MD_OK && !excluded;
    }
    return status;
}

static int add_block(const struct sweep_reader *b, int own, const yaml_node_t *mapping) {
    struct block block;
    int status = read_block(b, own_keys[own], mapping, own != SWEEP, &block);
    if (status == MD_OK) {
        status = add_product(b, &block);
        free_block(&block);
    }
    return status;
}

static int add_cells(const struct sweep_reader *b) {
    const struct block none = {.count = 0};
    const yaml_node_t *mapping, *sweep = b->own[SWEEP];
    if (sweep == NULL && b->own[ALSO] == NULL && b->line_product == 1)
        return md_fail(b->yaml.error, MD_USAGE,
                       "%.200s: expected `sweep:` or `also:`, or several values on the command "
                       "line (seed=0..4); for a single run there is mudepth run",
                       b->yaml.origin);
    for (int own = ALSO; own <= EXCEPT; own++)
        if (b->own[own] != NULL && b->own[own]->type != YAML_SEQUENCE_NODE)
            return md_yaml_expected(&b->yaml, b->own[own], own_keys[own], "a list of mappings");
    MD_TRY(sweep != NULL          ? add_block(b, SWEEP, sweep)
           : b->own[ALSO] == NULL ? add_product(b, &none)
                                  : MD_OK);
    for (size_t i = 0; (mapping = item_of(b, ALSO, i)) != NULL; i++)
        MD_TRY(add_block(b, ALSO, mapping));
    return MD_OK;
}

static int check_hash(const struct sweep_reader *b) {
    const yaml_node_t *given = b->own[GRID];
    char what[200];
    if (given == NULL ||
        (md_yaml_text(given) != NULL && strcmp(md_yaml_text(given), b->grid->hash) == 0))
        return MD_OK;
    snprintf(what, sizeof what,
             "the cells' hash is %s: the file was changed after it was frozen, or another version "
             "of mudepth froze it",
             b->grid->hash);
    return md_yaml_fail(&b->yaml, given, "grid", what);
}

/* ---- reading --------------------------------------------------------------------------------- */

static int build(const struct sweep_reader *b) {
    struct md_grid *grid = b->grid;
    MD_TRY(add_cells(b));
    if (grid->count == 0)
        return md_fail(b->yaml.error, MD_USAGE, "%.200s: no cell is left", b->yaml.origin);
    MD_TRY(md_grid_identify(grid, b->yaml.error));
    return check_hash(b);
}

/* ---- the command line ------------------------------------------------------------------------ */

/* "KEY=" and a value of a list: itself, or the numbers of a range. */
static int add_choice(struct choice *choice, const char *key, const char *value, int has_ranges,
                      struct md_error *error) {
    char text[MD_CONFIG_NAME_SIZE + MD_CONFIG_VALUE_SIZE];
    int64_t first = 0, last = 0;
    const char *end = has_ranges ? md_parse_integer(value, &first) : NULL;
    if (end != NULL && first >= 0 && strncmp(end, "..", 2) == 0)
        end = md_parse_integer(end + 2, &last);
    else
        end = NULL;
    if (end == NULL || *end != '\0') {
        snprintf(text, sizeof text, "%s%s", key, value);
        return md_names_add(&choice->texts, text, error);
    }
    if (last < first || last - first >= MD_MOST_CELLS)
        return md_fail(error, MD_USAGE,
                       "command line: %s%.100s: expected a range from a smaller to a larger number",
                       key, value);
    for (int64_t n = first; n <= last; n++) {
        snprintf(text, sizeof text, "%s%lld", key, (long long)n);
        MD_TRY(md_names_add(&choice->texts, text, error));
    }
    return MD_OK;
}

static int read_choice(const char *override, struct choice *choice, struct md_error *error) {
    char name[MD_CONFIG_NAME_SIZE], key[MD_CONFIG_NAME_SIZE + 1], value[MD_CONFIG_VALUE_SIZE];
    const char *rest = strchr(override, '=');
    size_t length = rest != NULL ? (size_t)(rest - override) : strlen(override);
    snprintf(name, sizeof name, "%.*s", length < sizeof name ? (int)length : 0, override);
    int number = md_config_find(name), status = MD_OK;
    if (number < 0 && rest != NULL) {
        md_config_unknown(name, error);
        return md_fail_in(error, MD_USAGE, "command line");
    }
    if (rest == NULL || number < 0 || !md_config_has_axis(number))
        return md_names_add(&choice->texts, override, error);
    snprintf(key, sizeof key, "%s=", name);
    do {
        length = strcspn(++rest, ",");
        snprintf(value, sizeof value, "%.*s", (int)length, rest);
        status = add_choice(choice, key, value, md_config_kind(number) == MD_NUMBER_VALUE, error);
        rest += length;
    } while (status == MD_OK && *rest == ',');
    return status;
}

/* Of equal keys the last one counts. */
static int read_choices(int count, char *const *overrides, struct sweep_reader *b) {
    b->line_product = 1;
    for (int i = 0; i < count; i++) {
        size_t length = strcspn(overrides[i], "=") + 1;
        int same = 0;
        while (same < b->choice_count &&
               strncmp(b->choices[same].texts.names[0], overrides[i], length) != 0)
            same++;
        if (same == MOST_CHOICES)
            return md_fail(b->yaml.error, MD_USAGE, "command line: more than %d keys",
                           MOST_CHOICES);
        b->choice_count += same == b->choice_count;
        md_names_free(&b->choices[same].texts);
        b->choices[same] = (struct choice){0};
        int status = read_choice(overrides[i], &b->choices[same], b->yaml.error);
        if (status != MD_OK)
            return status;
    }
    for (int c = 0; c < b->choice_count && b->line_product <= MD_MOST_CELLS; c++)
        b->line_product *= b->choices[c].texts.count;
    return MD_OK;
}

int md_grid_read(const char *path, int override_count, char *const *overrides, struct md_grid *grid,
                 struct md_error *error) {
    struct choice choices[MOST_CHOICES] = {{{0}}};
    struct sweep_reader b = {.choices = choices, .grid = grid};
    struct md_file file;
    *grid = (struct md_grid){.count = 0};
    char found[MD_PATH_MAX];
    md_shipped_path(path, found);
    MD_TRY(md_file_read(found, &file, error));
    int status =
        md_yaml_read((const char *)file.bytes, file.size, path, "sweep", LONGEST, &b.yaml, error);
    md_file_free(&file);
    if (status != MD_OK)
        return status;
    status = find_own(&b);
    MD_THEN(status, read_choices(override_count, overrides, &b));
    MD_THEN(status, build(&b));
    for (int c = 0; c < b.choice_count; c++)
        md_names_free(&choices[c].texts);
    md_yaml_free(&b.yaml);
    if (status != MD_OK)
        md_grid_free(grid);
    return status;
}
