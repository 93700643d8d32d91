/* A config as text, and its keys by their numbers: named, valued, ordered, described. */
#include <stdio.h>
#include <string.h>

#include "config_keys.h"

/* ---- writing --------------------------------------------------------------------------------- */

/* Whether the key is part of what a run is known by. */
static int identifies(const struct section *sections, const struct section *section,
                      const struct key *key) {
    return key->result == 1 ||
           (key->result == UNLESS_DEFAULT && !md_key_is_default(section->fields, key)) ||
           (key->result == WHERE_USED && md_key_unmet(sections, RUN_SECTIONS, key) == NULL);
}

size_t md_config_format(const struct md_config *config, int all, char *text, size_t size) {
    struct section sections[RUN_SECTIONS];
    struct md_config copy = *config;
    char value[QUOTED_SIZE];
    size_t length = 0;
    md_config_sections(&copy, sections);
    for (int s = 0; s < RUN_SECTIONS; s++) {
        for (size_t k = 0; k < sections[s].count; k++) {
            const struct key *key = &sections[s].keys[k];
            if (all ? !md_key_is_relevant(sections, RUN_SECTIONS, &sections[s], key)
                    : !identifies(sections, &sections[s], key))
                continue;
            md_key_format(key, sections[s].fields, value, sizeof value);
            const char *begin = s == DATA && k == 0 ? "data:\n  " : s != RUN ? "  " : "";
            length += (size_t)snprintf(length < size ? text + length : NULL,
                                       length < size ? size - length : 0, "%s%s: %s\n", begin,
                                       key->name, value);
        }
    }
    return length;
}

/* ---- one key by its number ------------------------------------------------------------------- */

/* NULL when there are not so many. */
static const struct key *find_key(const struct section sections[RUN_SECTIONS], int number,
                                  const struct section **section) {
    size_t k = (size_t)number;
    for (*section = sections; *section < sections + RUN_SECTIONS; k -= (*section)++->count)
        if (k < (*section)->count)
            return &(*section)->keys[k];
    return NULL;
}

/* The same, when its fields do not matter. */
static const struct key *key_of(int number, const char **prefix) {
    struct section sections[RUN_SECTIONS];
    const struct section *section;
    md_config_sections(&(struct md_config){.format = 0}, sections);
    const struct key *key = find_key(sections, number, &section);
    *prefix = key != NULL ? section->prefix : "";
    return key;
}

int md_config_key(int number, char name[MD_CONFIG_NAME_SIZE]) {
    const char *prefix;
    const struct key *key = key_of(number, &prefix);
    if (key != NULL)
        snprintf(name, MD_CONFIG_NAME_SIZE, "%s%s", prefix, key->name);
    return key != NULL ? 0 : -1;
}

int md_config_find(const char *name) {
    char found[MD_CONFIG_NAME_SIZE];
    for (int key = 0; md_config_key(key, found) == 0; key++)
        if (strcmp(found, name) == 0)
            return key;
    return -1;
}

/* What a key was called, and is now. */
static const struct {
    const char *was, *is;
} renamed[] = {{"label", "label_mode"}, {"update", "weight_storage"}};

const char *md_key_hint(const char *name, const struct md_nearest *nearest,
                        char text[MD_NEAREST_SIZE]) {
    for (size_t r = 0; r < sizeof renamed / sizeof renamed[0]; r++)
        if (strcmp(name, renamed[r].was) == 0) {
            snprintf(text, MD_NEAREST_SIZE, "; it is called %s now", renamed[r].is);
            return text;
        }
    return md_nearest_hint(nearest, text);
}

int md_config_unknown(const char *name, struct md_error *error) {
    char key_name[MD_CONFIG_NAME_SIZE], hint[MD_NEAREST_SIZE];
    struct md_nearest nearest = md_nearest_to(name);
    for (int key = 0; md_config_key(key, key_name) == 0; key++)
        md_nearest_try(&nearest, key_name);
    return md_fail(error, MD_USAGE,
                   "\"%.100s\" is no key of a config%s; mudepth help config lists them", name,
                   md_key_hint(name, &nearest, hint));
}

int md_config_affects_results(int number) {
    const char *prefix;
    return key_of(number, &prefix)->result != 0;
}

int md_config_by_digest(int number) {
    const char *prefix;
    return key_of(number, &prefix)->result == BY_DIGEST;
}

const char *const *md_config_choices(int number) {
    const char *prefix;
    return key_of(number, &prefix)->names;
}

int md_config_is_relevant(const struct md_config *config, int number) {
    struct section sections[RUN_SECTIONS];
    const struct section *section;
    md_config_sections((struct md_config *)(uintptr_t)config, sections);
    const struct key *key = find_key(sections, number, &section);
    return md_key_is_relevant(sections, RUN_SECTIONS, section, key);
}

/* The key of this number, and its field in a config, which is only read: a copy of so large a thing
 * would be felt. */
static const struct key *find_field(const struct md_config *config, int number,
                                    const char **field) {
    struct section sections[RUN_SECTIONS];
    const struct section *section;
    md_config_sections((struct md_config *)(uintptr_t)config, sections);
    const struct key *key = find_key(sections, number, &section);
    *field = (const char *)section->fields + key->offset;
    return key;
}

void md_config_value(const struct md_config *config, int number, char text[MD_CONFIG_VALUE_SIZE]) {
    const char *field;
    const struct key *key = find_field(config, number, &field);
    md_key_value(key, field - key->offset, text);
}

int md_config_order(const struct md_config *a, const struct md_config *b, int number) {
    const char *field[2];
    const struct key *key = find_field(a, number, &field[0]);
    find_field(b, number, &field[1]);
    return md_key_order(key, field[0], field[1]);
}

enum md_value_kind md_config_kind(int number) {
    const char *prefix;
    return md_key_kind(key_of(number, &prefix));
}

int md_config_has_axis(int number) {
    const char *prefix;
    const struct key *key = key_of(number, &prefix);
    return md_config_kind(number) != MD_LIST_VALUE && (key->type != TEXT || key->names != NULL);
}

void md_config_describe(int number, char text[MD_CONFIG_HELP_SIZE]) {
    const char *prefix;
    const struct key *key = key_of(number, &prefix);
    char choices[200] = "", use[300] = "";
    if (key->names != NULL && key->type != BITS)
        md_join_names(key->names, ", ", choices, sizeof choices);
    if (key->use != NULL)
        md_describe_use(key->use, use, sizeof use);
    snprintf(text, MD_CONFIG_HELP_SIZE, "%s%s%s%s%s%s; %s%s", key->help,
             choices[0] != '\0' ? " (" : "", choices, choices[0] != '\0' ? ")" : "",
             use[0] != '\0' ? "; only with " : "", use,
             key->preset == NULL ? "must be given" : "default ",
             key->preset == NULL      ? ""
             : key->preset[0] != '\0' ? key->preset
                                      : "empty");
}
