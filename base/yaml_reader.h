/* The one strict reader of YAML, under configs, sweeps and studies. Errors say where: file, line,
 * column and key; what was expected, and what was found. */
#ifndef MD_BASE_YAML_READER_H
#define MD_BASE_YAML_READER_H

#include <yaml.h>

#include "error.h"

/* A document that is being read. */
struct md_yaml {
    const char *origin; /* for messages: a file's name, "command line" */
    yaml_document_t document;
    const yaml_node_t *root; /* NULL: there is nothing */
    struct md_error *error;  /* where all calls below put theirs */
};

/* Loads a text's only document, to be freed. */
int md_yaml_load(const char *text, size_t size, const char *origin, struct md_yaml *yaml,
                 struct md_error *error);

/* The same for a document that is a mapping, or nothing. A text longer than `longest` bytes, or
 * nested too deep, is no `what`: libyaml's time grows with the square of the nesting. */
int md_yaml_read(const char *text, size_t size, const char *origin, const char *what,
                 size_t longest, struct md_yaml *yaml, struct md_error *error);

void md_yaml_free(struct md_yaml *yaml);

/* Where a key or its value stands, for messages. */
struct md_location {
    const char *origin;
    size_t line, column; /* from 1; 0: none */
    const char *prefix, *key;
};
struct md_location md_yaml_location(const struct md_yaml *yaml, const yaml_node_t *node,
                                    const char *prefix, const char *key);

/* MD_USAGE, and an error that says where; "expected WHAT, found" what the node is. */
int md_fail_at(const struct md_location *at, struct md_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int md_yaml_fail(const struct md_yaml *yaml, const yaml_node_t *node, const char *key,
                 const char *what);
int md_yaml_expected(const struct md_yaml *yaml, const yaml_node_t *node, const char *key,
                     const char *what);

/* Puts the node's location before an error's text; returns `status`. */
int md_yaml_fail_in(const struct md_yaml *yaml, const yaml_node_t *node, const char *key,
                    int status);

/* The text of a scalar without zero bytes; NULL for any other node. */
const char *md_yaml_text(const yaml_node_t *node);

/* Whether a scalar is YAML's word for nothing: null or ~, in no quotes, or nothing at all. */
int md_yaml_is_null(const yaml_node_t *node);

/* A scalar of no document. */
yaml_node_t md_yaml_scalar(const char *text);

/* The pairs of a mapping, in a loop
 *
 *     for (struct md_yaml_pair pair = {0}; md_yaml_next(&yaml, mapping, "data.", &pair, &status);)
 *         status = ...
 *
 * that ends when the status is not MD_OK. A key that is no text, or is there twice, is an error,
 * with the prefix before its name. */
struct md_yaml_pair {
    const char *name;
    const yaml_node_t *key, *value;
    const yaml_node_pair_t *at;
};
int md_yaml_next(const struct md_yaml *yaml, const yaml_node_t *mapping, const char *prefix,
                 struct md_yaml_pair *pair, int *status);

/* Item `index` of a list; NULL behind the last, and of what is no list. */
const yaml_node_t *md_yaml_item(const struct md_yaml *yaml, const yaml_node_t *list, size_t index);

#endif
