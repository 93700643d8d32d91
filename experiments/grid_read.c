/* Reading a sweep file: axes, their products, what is excluded. */
#include "grid_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../datasets/file.h"
#include "../datasets/grow.h"
#include "../datasets/namelist.h"
#include "budget.h"
#include "config_keys.h"
#include "train.h"

enum { MOST_BYTES = 1 << 22, MOST_DEPTH = 100, MOST_AXES = 32, MOST_CHOICES = 64 };

static const char *const own_keys[] = {"sweep", "also", "except", "grid", NULL};

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

/* What a KEY=VALUE,VALUE of the command line stands for, as many KEY=VALUE. */
struct choice {
    struct md_names texts;
};

struct builder {
    const char *path;
    yaml_document_t *document;
    const yaml_node_t *root;
    int choice_count;
    struct choice *choices;
    size_t line_product; /* combinations of them */
    struct md_grid *grid;
    struct md_error *error;
};

static const yaml_node_t *node_at(const struct builder *b, int index) {
    return yaml_document_get_node(b->document, index);
}

static size_t line_of(const yaml_node_t *node) {
    return node->start_mark.line + 1;
}

static int fail_at(const struct builder *b, const yaml_node_t *node, const char *key,
                   const char *what) {
    return md_fail(b->error, MD_USAGE, "%.200s:%zu: %.100s: %s", b->path, line_of(node), key, what);
}

/* The value of one of our own keys; NULL: it is not there. */
static int find_own(const struct builder *b, const char *name, const yaml_node_t **value) {
    *value = NULL;
    if (b->root == NULL)
        return MD_OK;
    for (const yaml_node_pair_t *pair = b->root->data.mapping.pairs.start;
         pair < b->root->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = node_at(b, pair->key);
        if (key->type != YAML_SCALAR_NODE ||
            strcmp((const char *)key->data.scalar.value, name) != 0)
            continue;
        if (*value != NULL)
            return fail_at(b, key, name, "the key is given twice");
        *value = node_at(b, pair->value);
    }
    return MD_OK;
}

/* ---- axes ------------------------------------------------------------------------------------ */

static int add_value(const struct builder *b, struct axis *axis, struct value value) {
    if (axis->count == MD_MOST_CELLS)
        return md_fail(b->error, MD_USAGE, "%.200s:%zu: %.100s: more than %d values", b->path,
                       line_of(value.node), axis->name, MD_MOST_CELLS);
    struct value *values =
        md_grow(axis->values, axis->count, &axis->capacity, sizeof *values, b->error);
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
static int add_node(const struct builder *b, struct axis *axis, const yaml_node_t *node) {
    int64_t first, last;
    if (!parse_range(node, &first, &last))
        return add_value(b, axis, (struct value){.node = node});
    if (last < first)
        return fail_at(b, node, axis->name, "expected a range from a smaller to a larger number");
    int status = MD_OK;
    for (int64_t n = first; n <= last && status == MD_OK; n++)
        status = add_value(b, axis, (struct value){node, (uint64_t)n, 1});
    return status;
}

static int is_list_of_lists(const struct builder *b, const yaml_node_t *node) {
    const yaml_node_item_t *first = node->data.sequence.items.start;
    return first < node->data.sequence.items.top && node_at(b, *first)->type == YAML_SEQUENCE_NODE;
}

static int read_axis(const struct builder *b, const yaml_node_t *node, int single_allowed,
                     struct axis *axis) {
    int64_t first, last;
    int is_list = node->type == YAML_SEQUENCE_NODE;
    if (single_allowed && is_list && md_grid_takes_lists(axis->name) && !is_list_of_lists(b, node))
        return add_value(b, axis, (struct value){.node = node});
    if (!is_list && !single_allowed && !parse_range(node, &first, &last))
        return fail_at(b, node, axis->name, "expected a list of values, or a range such as 0..4");
    if (!is_list)
        return add_node(b, axis, node);
    if (node->data.sequence.items.start == node->data.sequence.items.top)
        return fail_at(b, node, axis->name, "expected at least one value");
    int status = MD_OK;
    for (const yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top && status == MD_OK; item++)
        status = add_node(b, axis, node_at(b, *item));
    return status;
}

static void free_block(struct block *block) {
    for (int a = 0; a < block->count; a++)
        free(block->axes[a].values);
    block->count = 0;
}

static int read_block(const struct builder *b, const char *where, const yaml_node_t *mapping,
                      int single_allowed, struct block *block) {
    block->count = 0;
    if (mapping->type != YAML_MAPPING_NODE)
        return fail_at(b, mapping, where, "expected a mapping of keys and values");
    int status = MD_OK;
    for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top && status == MD_OK; pair++) {
        const yaml_node_t *key = node_at(b, pair->key);
        if (key->type != YAML_SCALAR_NODE)
            status = fail_at(b, key, where, "expected a key");
        else if (block->count == MOST_AXES)
            status = fail_at(b, key, where, "more than 32 keys");
        if (status != MD_OK)
            break;
        struct axis *axis = &block->axes[block->count++];
        *axis = (struct axis){.name = (const char *)key->data.scalar.value};
        status = read_axis(b, node_at(b, pair->value), single_allowed, axis);
    }
    if (status != MD_OK)
        free_block(block);
    return status;
}

/* ---- cells ----------------------------------------------------------------------------------- */

static int set_value(const struct builder *b, struct draft *draft, const char *name,
                     const struct value *value) {
    char text[24];
    yaml_node_t number = {.type = YAML_SCALAR_NODE};
    snprintf(text, sizeof text, "%llu", (unsigned long long)value->number);
    number.data.scalar.value = (yaml_char_t *)text;
    number.data.scalar.length = strlen(text);
    return md_draft_set(draft, name, b->document, value->is_number ? &number : value->node, b->path,
                        line_of(value->node), b->error);
}

/* Whether the config has all values of one of the mappings in `except`. */
static int is_excluded(const struct builder *b, const yaml_node_t *except,
                       const struct md_config *config, int *excluded) {
    struct md_config other;
    struct draft draft;
    struct block block;
    *excluded = 0;
    if (except == NULL)
        return MD_OK;
    if (except->type != YAML_SEQUENCE_NODE)
        return fail_at(b, except, "except", "expected a list of mappings");
    for (const yaml_node_item_t *item = except->data.sequence.items.start;
         item < except->data.sequence.items.top; item++) {
        const yaml_node_t *mapping = node_at(b, *item);
        int status = read_block(b, "except", mapping, 1, &block), same = 1, key = 0;
        if (status == MD_OK && block.count == 0)
            status = fail_at(b, mapping, "except", "expected keys and values");
        other = *config;
        md_draft_take(&draft, &other);
        for (int a = 0; a < block.count && status == MD_OK; a++) {
            const struct axis *axis = &block.axes[a];
            status = axis->count == 1 ? set_value(b, &draft, axis->name, axis->values)
                                      : fail_at(b, axis->values[0].node, axis->name,
                                                "except: expected a single value");
        }
        free_block(&block);
        if (status != MD_OK)
            return status;
        for (int s = 0; s < RUN_SECTIONS; key += (int)draft.sections[s++].count)
            for (size_t k = 0; k < draft.sections[s].count; k++)
                if ((draft.sections[s].given >> k & 1u) != 0)
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
static int set_overrides(const struct builder *b, struct draft *draft, size_t index) {
    char *texts[MOST_CHOICES];
    for (int c = b->choice_count - 1; c >= 0; c--) {
        const struct md_names *all = &b->choices[c].texts;
        texts[c] = all->names[index % all->count];
        index /= all->count;
    }
    return md_draft_overrides(draft, b->choice_count, texts, b->error);
}

/* Makes cell `index` of the block's product, which the command line's is the faster part of. */
static int make_cell(const struct builder *b, const yaml_node_t *except, const struct block *block,
                     size_t index, struct md_grid_cell *made, int *excluded) {
    struct md_config *config = &made->config;
    struct draft draft;
    int status = md_draft_begin(&draft, config, b->error);
    if (status == MD_OK && b->root != NULL)
        status = md_draft_mapping(&draft, b->document, b->root, own_keys, b->path, b->error);
    md_draft_next(&draft);
    for (int a = 0; a < block->count && status == MD_OK; a++)
        status =
            set_value(b, &draft, block->axes[a].name, value_at(block, a, index / b->line_product));
    md_draft_next(&draft);
    if (status == MD_OK)
        status = set_overrides(b, &draft, index % b->line_product);
    if (status == MD_OK)
        status = is_excluded(b, except, config, excluded);
    if (status != MD_OK || *excluded)
        return status;
    status = md_draft_end(&draft, b->path, b->error);
    md_config_settle(config);
    if (status == MD_OK && md_budget_fit(config, &made->needs_bytes, b->error) != MD_OK)
        status = made->needs_bytes > 0 ? MD_OK : MD_USAGE;
    if (status == MD_OK)
        status = md_run_check(config, b->error);
    if (status != MD_OK) {
        char cell[300];
        describe_cell(block, index / b->line_product, cell, sizeof cell);
        return md_fail_in(b->error, status, cell);
    }
    return MD_OK;
}

static int add_product(const struct builder *b, const yaml_node_t *except,
                       const struct block *block) {
    struct md_grid *grid = b->grid;
    size_t product = b->line_product;
    int status = MD_OK;
    for (int a = 0; a < block->count && product <= MD_MOST_CELLS; a++)
        product *= block->axes[a].count;
    if (product + grid->count > MD_MOST_CELLS)
        return md_fail(b->error, MD_USAGE, "%.200s: more than %d cells", b->path, MD_MOST_CELLS);
    for (size_t i = 0; i < product && status == MD_OK; i++) {
        int excluded = 0;
        struct md_grid_cell *cells =
            md_grow(grid->cells, grid->count, &grid->capacity, sizeof *cells, b->error);
        if (cells == NULL)
            return MD_FAILED;
        grid->cells = cells;
        status = make_cell(b, except, block, i, &cells[grid->count], &excluded);
        grid->excluded += (size_t)excluded;
        grid->count += status == MD_OK && !excluded;
    }
    return status;
}

static int add_block(const struct builder *b, const char *where, const yaml_node_t *except,
                     const yaml_node_t *mapping, int single_allowed) {
    struct block block;
    int status = read_block(b, where, mapping, single_allowed, &block);
    if (status == MD_OK) {
        status = add_product(b, except, &block);
        free_block(&block);
    }
    return status;
}

static int add_cells(const struct builder *b) {
    const yaml_node_t *sweep, *also, *except;
    if (find_own(b, "sweep", &sweep) != MD_OK || find_own(b, "also", &also) != MD_OK ||
        find_own(b, "except", &except) != MD_OK)
        return MD_USAGE;
    const struct block none = {.count = 0};
    if (sweep == NULL && also == NULL && b->line_product == 1)
        return md_fail(b->error, MD_USAGE,
                       "%.200s: expected `sweep:` or `also:`, or several values on the command "
                       "line (seed=0..4); for a single run there is mudepth run",
                       b->path);
    int status = sweep != NULL  ? add_block(b, "sweep", except, sweep, 0)
                 : also == NULL ? add_product(b, except, &none)
                                : MD_OK;
    if (status == MD_OK && also != NULL && also->type != YAML_SEQUENCE_NODE)
        status = fail_at(b, also, "also", "expected a list of mappings");
    if (status != MD_OK || also == NULL)
        return status;
    for (const yaml_node_item_t *item = also->data.sequence.items.start;
         item < also->data.sequence.items.top && status == MD_OK; item++)
        status = add_block(b, "also", except, node_at(b, *item), 1);
    return status;
}
static int check_hash(const struct builder *b) {
    const yaml_node_t *given;
    int status = find_own(b, "grid", &given);
    if (status != MD_OK || given == NULL)
        return status;
    if (given->type == YAML_SCALAR_NODE &&
        strcmp((const char *)given->data.scalar.value, b->grid->hash) == 0)
        return MD_OK;
    return md_fail(b->error, MD_USAGE,
                   "%.200s:%zu: grid: the cells' hash is %s: the file was changed after it was "
                   "frozen, or another version of mudepth froze it",
                   b->path, line_of(given), b->grid->hash);
}

/* ---- reading --------------------------------------------------------------------------------- */

static int build(const struct builder *b) {
    struct md_grid *grid = b->grid;
    int status = add_cells(b);
    if (status == MD_OK && grid->count == 0)
        status = md_fail(b->error, MD_USAGE, "%.200s: no cell is left", b->path);
    if (status == MD_OK)
        status = md_grid_identify(grid, b->error);
    return status == MD_OK ? check_hash(b) : status;
}

/* libyaml's time grows with the square of the nesting: by brackets, or by dashes on a line. */
static int check_text(const struct md_file *file, const char *path, struct md_error *error) {
    size_t brackets = 0, dashes = 0, deepest = 0;
    for (size_t i = 0; i < file->size; i++) {
        char c = (char)file->bytes[i], next = (char)file->bytes[i + 1]; /* a zero is at the end */
        brackets += c == '[' || c == '{';
        brackets -= (c == ']' || c == '}') && brackets > 0;
        dashes = c == '\n' ? 0 : dashes + ((c == '-' || c == '?') && next == ' ');
        deepest = brackets > deepest ? brackets : deepest;
        deepest = dashes > deepest ? dashes : deepest;
    }
    if (file->size > MOST_BYTES || deepest > MOST_DEPTH)
        return md_fail(error, MD_USAGE,
                       "%.400s: longer than %d bytes or nested deeper than %d: this is no sweep",
                       path, MOST_BYTES, MOST_DEPTH);
    return MD_OK;
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
    int status = MD_OK;
    for (int64_t n = first; n <= last && status == MD_OK; n++) {
        snprintf(text, sizeof text, "%s%lld", key, (long long)n);
        status = md_names_add(&choice->texts, text, error);
    }
    return status;
}

static int read_choice(const char *override, struct choice *choice, struct md_error *error) {
    char name[MD_CONFIG_NAME_SIZE], key[MD_CONFIG_NAME_SIZE + 1], value[MD_CONFIG_VALUE_SIZE];
    const char *rest = strchr(override, '=');
    size_t length = rest != NULL ? (size_t)(rest - override) : strlen(override);
    snprintf(name, sizeof name, "%.*s", length < sizeof name ? (int)length : 0, override);
    int number = md_config_find(name), status = MD_OK;
    if (number < 0 && rest != NULL && (strchr(rest, ',') != NULL || strstr(rest, "..") != NULL)) {
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
static int read_choices(int count, char *const *overrides, struct builder *b) {
    b->line_product = 1;
    for (int i = 0; i < count; i++) {
        size_t length = strcspn(overrides[i], "=") + 1;
        int same = 0;
        while (same < b->choice_count &&
               strncmp(b->choices[same].texts.names[0], overrides[i], length) != 0)
            same++;
        if (same == MOST_CHOICES)
            return md_fail(b->error, MD_USAGE, "command line: more than %d keys", MOST_CHOICES);
        b->choice_count += same == b->choice_count;
        md_names_free(&b->choices[same].texts);
        b->choices[same] = (struct choice){0};
        int status = read_choice(overrides[i], &b->choices[same], b->error);
        if (status != MD_OK)
            return status;
    }
    for (int c = 0; c < b->choice_count && b->line_product <= MD_MOST_CELLS; c++)
        b->line_product *= b->choices[c].texts.count;
    return MD_OK;
}

int md_grid_read(const char *path, int override_count, char *const *overrides, struct md_grid *grid,
                 struct md_error *error) {
    struct md_file file;
    yaml_document_t document;
    *grid = (struct md_grid){.count = 0};
    char found[MD_PATH_MAX];
    md_shipped_path(path, found);
    int status = md_file_read(found, &file, error);
    if (status != MD_OK)
        return status;
    status = check_text(&file, path, error);
    if (status == MD_OK)
        status = md_yaml_load((const char *)file.bytes, file.size, path, &document, error);
    md_file_free(&file);
    if (status != MD_OK)
        return status;
    struct choice choices[MOST_CHOICES] = {{{0}}};
    struct builder b = {.path = path,
                        .document = &document,
                        .root = yaml_document_get_root_node(&document),
                        .choices = choices,
                        .grid = grid,
                        .error = error};
    status = read_choices(override_count, overrides, &b);
    if (status == MD_OK)
        status = build(&b);
    for (int c = 0; c < b.choice_count; c++)
        md_names_free(&choices[c].texts);
    yaml_document_delete(&document);
    if (status != MD_OK)
        md_grid_free(grid);
    return status;
}
