#include "yaml_reader.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "namelist.h"

enum { MOST_DEPTH = 100, MOST_KEYS = 1000 }; /* each is compared with all before it */

/* ---- places ---------------------------------------------------------------------------------- */

struct md_location md_yaml_location(const struct md_yaml *yaml, const yaml_node_t *node,
                                    const char *prefix, const char *key) {
    return (struct md_location){yaml->origin, node->start_mark.line + 1,
                                node->start_mark.column + 1, prefix, key};
}

int md_fail_at(const struct md_location *at, struct md_error *error, const char *format, ...) {
    char what[600], line[48] = "";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (at->line > 0)
        snprintf(line, sizeof line, ":%zu:%zu", at->line, at->column);
    return md_fail(error, MD_USAGE, "%.200s%s: %s%.100s%s%s", at->origin, line, at->prefix, at->key,
                   at->prefix[0] != '\0' || at->key[0] != '\0' ? ": " : "", what);
}

int md_yaml_fail(const struct md_yaml *yaml, const yaml_node_t *node, const char *key,
                 const char *what) {
    const struct md_location at = md_yaml_location(yaml, node, "", key);
    return md_fail_at(&at, yaml->error, "%s", what);
}

int md_yaml_expected(const struct md_yaml *yaml, const yaml_node_t *node, const char *key,
                     const char *what) {
    const struct md_location at = md_yaml_location(yaml, node, "", key);
    const char *text = md_yaml_text(node);
    if (node->type == YAML_SCALAR_NODE && text != NULL && !md_yaml_is_null(node))
        return md_fail_at(&at, yaml->error, "expected %s, found \"%.100s\"", what, text);
    return md_fail_at(&at, yaml->error, "expected %s, found %s", what,
                      node->type == YAML_SEQUENCE_NODE  ? "a list"
                      : node->type == YAML_MAPPING_NODE ? "a mapping"
                      : text == NULL                    ? "a zero byte"
                                                        : "nothing");
}

int md_yaml_fail_in(const struct md_yaml *yaml, const yaml_node_t *node, const char *key,
                    int status) {
    char where[400];
    snprintf(where, sizeof where, "%.200s:%zu:%zu: %.100s", yaml->origin, node->start_mark.line + 1,
             node->start_mark.column + 1, key);
    return md_fail_in(yaml->error, status, where);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

const char *md_yaml_text(const yaml_node_t *node) {
    const char *text = (const char *)node->data.scalar.value;
    return node->type == YAML_SCALAR_NODE && strlen(text) == node->data.scalar.length ? text : NULL;
}

int md_yaml_is_null(const yaml_node_t *node) {
    static const char *const words[] = {"", "~", "null", "Null", "NULL", NULL};
    return node->type == YAML_SCALAR_NODE && node->data.scalar.style <= YAML_PLAIN_SCALAR_STYLE &&
           md_find_name(words, (const char *)node->data.scalar.value) >= 0;
}

yaml_node_t md_yaml_scalar(const char *text) {
    yaml_node_t node = {.type = YAML_SCALAR_NODE};
    node.data.scalar.value = (yaml_char_t *)(uintptr_t)text;
    node.data.scalar.length = strlen(text);
    return node;
}

static const yaml_node_t *node_at(const struct md_yaml *yaml, int index) {
    return yaml_document_get_node((yaml_document_t *)(uintptr_t)&yaml->document, index);
}

int md_yaml_next(const struct md_yaml *yaml, const yaml_node_t *mapping, const char *prefix,
                 struct md_yaml_pair *pair, int *status) {
    const yaml_node_pair_t *const first = mapping->data.mapping.pairs.start;
    pair->at = pair->at == NULL ? first : pair->at + 1;
    if (*status != MD_OK || pair->at >= mapping->data.mapping.pairs.top)
        return 0;
    pair->key = node_at(yaml, pair->at->key);
    pair->value = node_at(yaml, pair->at->value);
    if (pair->key->type != YAML_SCALAR_NODE || pair->at - first >= MOST_KEYS) {
        *status = pair->at - first >= MOST_KEYS
                      ? md_yaml_fail(yaml, pair->key, prefix, "more than 1000 keys")
                      : md_yaml_expected(yaml, pair->key, prefix, "a key");
        return 0;
    }
    pair->name = (const char *)pair->key->data.scalar.value;
    const struct md_location at = md_yaml_location(yaml, pair->key, prefix, pair->name);
    if (md_yaml_text(pair->key) == NULL)
        *status = md_fail_at(&at, yaml->error, "a zero byte is not allowed");
    for (const yaml_node_pair_t *earlier = first; earlier < pair->at; earlier++)
        if (strcmp((const char *)node_at(yaml, earlier->key)->data.scalar.value, pair->name) == 0)
            *status = md_fail_at(&at, yaml->error, "the key is given twice");
    return *status == MD_OK;
}

const yaml_node_t *md_yaml_item(const struct md_yaml *yaml, const yaml_node_t *list, size_t index) {
    if (list->type != YAML_SEQUENCE_NODE ||
        index >= (size_t)(list->data.sequence.items.top - list->data.sequence.items.start))
        return NULL;
    return node_at(yaml, list->data.sequence.items.start[index]);
}

/* ---- documents ------------------------------------------------------------------------------- */

static int not_yaml(const yaml_parser_t *parser, const char *origin, struct md_error *error) {
    const char *problem = parser->problem != NULL ? parser->problem : "no more is known";
    if (parser->error == YAML_READER_ERROR)
        return md_fail(error, MD_USAGE, "%.200s: byte %zu: not YAML: %s", origin,
                       parser->problem_offset, problem);
    return md_fail(error, MD_USAGE, "%.200s:%zu:%zu: not YAML: %s", origin,
                   parser->problem_mark.line + 1, parser->problem_mark.column + 1, problem);
}

/* Loads the only document. */
static int load(yaml_parser_t *parser, yaml_document_t *document, const char *origin,
                struct md_error *error) {
    yaml_document_t next;
    if (!yaml_parser_load(parser, document))
        return not_yaml(parser, origin, error);
    int status = MD_OK;
    if (!yaml_parser_load(parser, &next)) {
        status = not_yaml(parser, origin, error);
    } else {
        if (yaml_document_get_root_node(&next) != NULL)
            status =
                md_fail(error, MD_USAGE, "%.200s:%zu:%zu: expected one document, found a second",
                        origin, next.start_mark.line + 1, next.start_mark.column + 1);
        yaml_document_delete(&next);
    }
    if (status != MD_OK)
        yaml_document_delete(document);
    return status;
}

int md_yaml_load(const char *text, size_t size, const char *origin, struct md_yaml *yaml,
                 struct md_error *error) {
    yaml_parser_t parser;
    *yaml = (struct md_yaml){.origin = origin, .error = error};
    if (!yaml_parser_initialize(&parser))
        return md_fail(error, MD_FAILED, "out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    int status = load(&parser, &yaml->document, origin, error);
    yaml_parser_delete(&parser);
    if (status == MD_OK)
        yaml->root = yaml_document_get_root_node(&yaml->document);
    return status;
}

/* How deep brackets are nested, or dashes on a line. */
static size_t depth_of(const char *text, size_t size) {
    size_t brackets = 0, dashes = 0, deepest = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i], next = i + 1 < size ? text[i + 1] : '\0';
        brackets += c == '[' || c == '{';
        brackets -= (c == ']' || c == '}') && brackets > 0;
        dashes = c == '\n' ? 0 : dashes + ((c == '-' || c == '?') && next == ' ');
        deepest = brackets > deepest ? brackets : deepest;
        deepest = dashes > deepest ? dashes : deepest;
    }
    return deepest;
}

int md_yaml_read(const char *text, size_t size, const char *origin, const char *what,
                 size_t longest, struct md_yaml *yaml, struct md_error *error) {
    if (size > longest || depth_of(text, size) > MOST_DEPTH)
        return md_fail(error, MD_USAGE,
                       "%.400s: longer than %zu bytes or nested deeper than %d: this is no %s",
                       origin, longest, MOST_DEPTH, what);
    int status = md_yaml_load(text, size, origin, yaml, error);
    if (status == MD_OK && yaml->root != NULL && md_yaml_is_null(yaml->root))
        yaml->root = NULL;
    if (status == MD_OK && yaml->root != NULL && yaml->root->type != YAML_MAPPING_NODE) {
        md_yaml_free(yaml);
        status = md_fail(error, MD_USAGE, "%.200s: expected \"key: value\" pairs", origin);
    }
    return status;
}

void md_yaml_free(struct md_yaml *yaml) {
    yaml_document_delete(&yaml->document);
    yaml->root = NULL;
}
