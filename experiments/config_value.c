/* One value of a config: from a text, or a node of a YAML document, to its field. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/file.h"
#include "config_keys.h"
#include "plan_text.h"

static int unknown_name(const struct md_location *at, const char *const *names, const char *text,
                        struct md_error *error) {
    char list[200];
    md_join_names(names, ", ", list, sizeof list);
    return md_fail_at(at, error, "expected one of %s, found \"%.100s\"", list, text);
}

static int parse_whole(const char *text, uint64_t *value) {
    char *end;
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
        return -1;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 ? 0 : -1;
}

static int set_number(const struct key *key, const char *text, void *field,
                      const struct md_location *at, struct md_error *error) {
    double real = 0;
    uint64_t whole = 0;
    int is_real = key->type == REAL || key->type == CAPS || key->type == LOSSES;
    if (is_real ? md_parse_real(text, &real) != 0 : parse_whole(text, &whole) != 0)
        return md_fail_at(at, error, "expected a %s, found \"%.100s\"",
                          is_real ? "number" : "whole number", text);
    if (!is_real)
        real = (double)whole;
    if (key->type != SEED && (real < key->low || real > key->high))
        return md_fail_at(at, error, "expected %g to %g, found %.100s", key->low, key->high, text);
    if (key->type == POWER && (whole & (whole - 1)) != 0)
        return md_fail_at(at, error, "expected a power of two, found %.100s", text);
    real += 0.0; /* no -0 */
    if (is_real)
        memcpy(field, &real, sizeof real);
    else if (key->size == sizeof(int))
        memcpy(field, &(int){(int)whole}, sizeof(int));
    else
        memcpy(field, &whole, sizeof whole);
    return MD_OK;
}

/* Whether the config in a result, where the text stands in quotes, would give it back: no line
 * breaks, no control characters, and only UTF-8 do. */
static int reads_back(const char *text) {
    char quoted[QUOTED_SIZE];
    yaml_parser_t parser;
    yaml_document_t document;
    md_config_quote(text, quoted, sizeof quoted);
    if (!yaml_parser_initialize(&parser))
        return 0;
    yaml_parser_set_input_string(&parser, (const unsigned char *)quoted, strlen(quoted));
    int same = 0;
    if (yaml_parser_load(&parser, &document)) {
        const yaml_node_t *root = yaml_document_get_root_node(&document);
        same = root != NULL && root->type == YAML_SCALAR_NODE &&
               strcmp((const char *)root->data.scalar.value, text) == 0;
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    return same;
}

/* One spelling of paths: "a//b", "a/./b", "a/b/" and "./a/b" are "a/b". But "./scratch" is a file,
 * and "scratch" is none. */
static void shorten_path(char *path) {
    char *to = path;
    for (size_t length = strlen(path); length > 1 && path[length - 1] == '/';)
        path[--length] = '\0';
    for (const char *from = path; *from != '\0';) {
        size_t length = strcspn(from, "/"), step = length + (from[length] == '/');
        int is_dot = length == 1 && *from == '.' && (from > path || strchr(from + step, '/'));
        if ((length == 0 && from > path) || is_dot) {
            from += step;
            continue;
        }
        memmove(to, from, step);
        to += step;
        from += step;
    }
    to -= to > path + 1 && to[-1] == '/';
    *to = '\0';
}

/* A policy in its shortest spelling, as a network has it that a config can name; whether it is the
 * config's own is known at the end of the draft. */
static int set_policy(const char *text, char *field, const struct md_location *at,
                      struct md_error *error) {
    md_policy policy;
    for (int n = 0; md_networks[n] != NULL; n++)
        if (md_policy_parse(md_networks[n], text, &policy) == 0 && policy != 0) {
            md_policy_format(md_networks[n], policy, field);
            return MD_OK;
        }
    return strcmp(text, "auto") == 0
               ? MD_OK
               : md_fail_at(at, error,
                            "expected e, d0, d1, d2, last, biases joined by +, full or auto, "
                            "found \"%.100s\"",
                            text);
}

static int set_plan(const char *text, char *field, const struct md_location *at,
                    struct md_error *error) {
    char names[200];
    int savings;
    md_join_names(md_saving_names, ", ", names, sizeof names);
    if (md_savings_parse(text, &savings) != 0)
        return md_fail_at(at, error,
                          "expected auto, or plain, fast, lean, %s joined by +, found \"%.100s\"",
                          names, text);
    if (savings >= 0)
        md_savings_format((unsigned)savings, field);
    return MD_OK;
}

static int set_text(const struct key *key, const char *text, void *field,
                    const struct md_location *at, struct md_error *error) {
    if (strlen(text) >= key->size)
        return md_fail_at(at, error, "longer than %zu characters", key->size - 1);
    if (text[0] == '\0' && key->preset == NULL)
        return md_fail_at(at, error, "must not be empty");
    if (!reads_back(text))
        return md_fail_at(at, error, "expected UTF-8 without line breaks and control characters");
    if (key->names != NULL && md_find_name(key->names, text) < 0)
        return unknown_name(at, key->names, text, error);
    strcpy(field, text);
    if (key->type == POLICY)
        return set_policy(text, field, at, error);
    if (key->type == PLAN)
        return set_plan(text, field, at, error);
    if (key->result == BY_DIGEST)
        shorten_path(field);
    return MD_OK;
}

static int set_cap(const struct key *key, const char *text, struct md_caps *caps,
                   const struct md_location *at, struct md_error *error) {
    double cap_m = 0.0;
    int status = set_number(key, text, &cap_m, at, error);
    const char *problem = status == MD_OK ? md_caps_add(caps, cap_m) : NULL;
    return problem != NULL ? md_fail_at(at, error, "%s: %.100s", problem, text) : status;
}

/* Without spaces around it. */
static char *trim(char *text) {
    text += strspn(text, " ");
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == ' ')
        text[--length] = '\0';
    return text;
}

/* "NAME", or "{NAME: WEIGHT, ...}". */
static int set_losses(const struct key *key, const char *text, struct md_losses *losses,
                      const struct md_location *at, struct md_error *error) {
    size_t length = strlen(text);
    char items[MD_CONFIG_VALUE_SIZE];
    *losses = (struct md_losses){{0.0}};
    if (text[0] != '{') {
        int found = md_find_name(key->names, text);
        if (found >= 0)
            losses->weight[found] = 1.0;
        return found >= 0 ? MD_OK : unknown_name(at, key->names, text, error);
    }
    if (length >= sizeof items || text[length - 1] != '}')
        return md_fail_at(at, error, "expected {NAME: WEIGHT, ...}, found \"%.100s\"", text);
    snprintf(items, sizeof items, "%.*s", (int)length - 2, text + 1);
    for (char *item = items, *next; item != NULL; item = next) {
        if ((next = strchr(item, ',')) != NULL)
            *next++ = '\0';
        char *weight = strchr(item, ':');
        if (weight != NULL)
            *weight++ = '\0';
        const char *name = trim(item);
        int loss;
        if (weight == NULL)
            return md_fail_at(at, error, "expected NAME: WEIGHT, found \"%.100s\"", name);
        if ((loss = md_find_name(key->names, name)) < 0)
            return unknown_name(at, key->names, name, error);
        if (losses->weight[loss] != 0.0)
            return md_fail_at(at, error, "%s is given twice", name);
        int status = set_number(key, trim(weight), &losses->weight[loss], at, error);
        if (status != MD_OK)
            return status;
    }
    return MD_OK;
}

/* A mapping of single values as the text that it would be in one line. */
static int mapping_text(const struct md_yaml *yaml, const yaml_node_t *node,
                        const struct md_location *at, char text[MD_CONFIG_VALUE_SIZE]) {
    size_t length = 0;
    int status = MD_OK;
    char prefix[MD_CONFIG_NAME_SIZE];
    snprintf(prefix, sizeof prefix, "%s: ", at->key);
    for (struct md_yaml_pair pair = {0}; md_yaml_next(yaml, node, prefix, &pair, &status);) {
        const char *words[2] = {pair.name, md_yaml_text(pair.value)};
        for (int i = 0; i < 2; i++) {
            if (words[i] == NULL || words[i][strcspn(words[i], "{}:,")] != '\0' ||
                length + strlen(words[i]) + 4 > 1000)
                return md_fail_at(at, yaml->error, "expected {NAME: WEIGHT, ...}");
            length += (size_t)sprintf(text + length, "%s%s",
                                      i        ? ": "
                                      : length ? ", "
                                               : "{",
                                      words[i]);
        }
    }
    strcpy(text + length, length > 0 ? "}" : "{}");
    return status;
}

int md_key_set_text(const struct key *key, const char *text, void *fields,
                    const struct md_location *at, struct md_error *error) {
    void *field = (char *)fields + key->offset;
    switch (key->type) {
    case TEXT:
    case POLICY:
    case PLAN:
        return set_text(key, text, field, at, error);
    case CHOICE: {
        int found = md_find_name(key->names, text);
        if (found < 0)
            return unknown_name(at, key->names, text, error);
        memcpy(field, &found, sizeof found);
        return MD_OK;
    }
    case LOSSES:
        return set_losses(key, text, field, at, error);
    case CAPS:
        *(struct md_caps *)field = (struct md_caps){.count = 0};
        return set_cap(key, text, field, at, error);
    case BITS:
        return md_fail_at(at, error, "expected a list such as %s, found \"%.100s\"", key->preset,
                          text);
    default:
        return set_number(key, text, field, at, error);
    }
}

/* Adds one item of a list. */
static int set_item(const struct key *key, const char *text, void *field,
                    const struct md_location *at, struct md_error *error) {
    if (key->type == CAPS)
        return set_cap(key, text, field, at, error);
    int found = md_find_name(key->names, text);
    if (found < 0)
        return unknown_name(at, key->names, text, error);
    *(unsigned *)field |= 1u << found;
    return MD_OK;
}

static int set_list(const struct key *key, const struct md_yaml *yaml, const yaml_node_t *node,
                    void *fields, const struct md_location *at) {
    void *field = (char *)fields + key->offset;
    if (key->type == CAPS && md_yaml_item(yaml, node, 0) == NULL)
        return md_fail_at(at, yaml->error,
                          "expected a number or a list of numbers, found an empty list");
    memset(field, 0, key->size);
    const yaml_node_t *item;
    for (size_t i = 0; (item = md_yaml_item(yaml, node, i)) != NULL; i++) {
        const char *text = md_yaml_text(item);
        if (text == NULL)
            return md_fail_at(at, yaml->error, "expected a list of %s",
                              key->type == CAPS ? "numbers" : "names");
        const struct md_location item_at =
            at->line > 0 ? md_yaml_location(yaml, item, at->prefix, at->key) : *at;
        MD_TRY(set_item(key, md_yaml_is_null(item) ? "" : text, field, &item_at, yaml->error));
    }
    return MD_OK;
}

int md_key_set(const struct key *key, const struct md_yaml *yaml, const yaml_node_t *node,
               void *fields, const struct md_location *at) {
    if (node->type == YAML_SEQUENCE_NODE && (key->type == BITS || key->type == CAPS))
        return set_list(key, yaml, node, fields, at);
    char mapping[MD_CONFIG_VALUE_SIZE] = "";
    if (node->type == YAML_MAPPING_NODE && key->type == LOSSES) {
        int status = mapping_text(yaml, node, at, mapping);
        return status == MD_OK ? md_key_set_text(key, mapping, fields, at, yaml->error) : status;
    }
    if (node->type != YAML_SCALAR_NODE)
        return md_fail_at(at, yaml->error, "expected a single value, found a %s",
                          node->type == YAML_SEQUENCE_NODE ? "list" : "mapping");
    const char *text = md_yaml_text(node);
    if (text == NULL)
        return md_fail_at(at, yaml->error, "a zero byte is not allowed");
    return md_key_set_text(key, md_yaml_is_null(node) ? "" : text, fields, at, yaml->error);
}
