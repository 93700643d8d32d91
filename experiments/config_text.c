/* Keys and values of a config as text: written, named by number, ordered, described. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_keys.h"
#include "nearest.h"

/* ---- writing --------------------------------------------------------------------------------- */

void md_config_quote(const char *text, char *quoted, size_t size) {
    size_t n = 0;
    quoted[n++] = '\'';
    for (; *text != '\0' && n + 4 < size; text++) {
        if (*text == '\'')
            quoted[n++] = '\'';
        quoted[n++] = *text;
    }
    quoted[n++] = '\'';
    quoted[n] = '\0';
}

/* A decimal number that reads back as this one: always in 17 digits, and the shortest. */
static void format_full(double value, char *text, size_t size) {
    snprintf(text, size, "%.17g", value);
}
static void format_shortest(double value, char *text, size_t size) {
    char one[32];
    format_full(value, text, size);
    for (int digits = 1; digits < 17; digits++) {
        snprintf(one, sizeof one, "%.*g", digits, value);
        if (strtod(one, NULL) == value && strlen(one) < strlen(text)) /* 80, and not 8e+01 */
            snprintf(text, size, "%s", one);
    }
}

/* A single one stands without brackets, as it is given. */
static void format_caps(const struct md_caps *caps, void (*format)(double, char *, size_t),
                        char *text, size_t size) {
    size_t length = (size_t)snprintf(text, size, "%s", caps->count > 1 ? "[" : "");
    for (int c = 0; c < caps->count; c++) {
        char number[32];
        format(caps->m[c], number, sizeof number);
        length += (size_t)snprintf(text + length, size - length, "%s%s", c > 0 ? ", " : "", number);
    }
    snprintf(text + length, size - length, "%s", caps->count > 1 ? "]" : "");
}

/* Whether the field is a text. */
static int is_text(const struct key *key) {
    return key->type == TEXT || key->type == POLICY || key->type == PLAN;
}

/* A single loss of weight 1 is its name. */
static void format_losses(const struct md_losses *losses, void (*format)(double, char *, size_t),
                          char *text, size_t size) {
    size_t length = 0;
    for (int l = 0; l < MD_LOSS_COUNT; l++) {
        char number[32];
        if (losses->weight[l] == 0.0)
            continue;
        format(losses->weight[l], number, sizeof number);
        length += (size_t)snprintf(text + length, size - length, "%s%s: %s",
                                   length > 0 ? ", " : "{", md_loss_names[l], number);
    }
    snprintf(text + length, size - length, "}");
    for (int l = 0; l < MD_LOSS_COUNT; l++)
        if (losses->weight[l] == 1.0 && strchr(text, ',') == NULL)
            snprintf(text, size, "%s", md_loss_names[l]);
}

static void format_value(const struct key *key, const void *fields, char *text, size_t size) {
    const void *field = (const char *)fields + key->offset;
    int number;
    unsigned bits;
    double real;
    uint64_t whole;
    switch (key->type) {
    case TEXT:
    case POLICY:
    case PLAN:
        md_config_quote(field, text, size);
        break;
    case CHOICE:
        memcpy(&number, field, sizeof number);
        snprintf(text, size, "%s", key->names[number]);
        break;
    case BITS:
        memcpy(&bits, field, sizeof bits);
        snprintf(text, size, "[");
        for (int i = 0; key->names[i] != NULL; i++)
            if ((bits >> i & 1u) != 0)
                snprintf(text + strlen(text), size - strlen(text), "%s%s",
                         text[1] != '\0' ? ", " : "", key->names[i]);
        snprintf(text + strlen(text), size - strlen(text), "]");
        break;
    case REAL:
        memcpy(&real, field, sizeof real);
        format_full(real, text, size);
        break;
    case CAPS:
        format_caps(field, format_full, text, size);
        break;
    case LOSSES:
        format_losses(field, format_full, text, size);
        break;
    default:
        whole = 0;
        memcpy(&whole, field, key->size == sizeof(int) ? sizeof(int) : sizeof whole);
        snprintf(text, size, "%llu", (unsigned long long)whole);
        break;
    }
}

/* Whether the key is part of what a run is known by. */
static int identifies(const struct section *sections, const struct section *section,
                      const struct key *key) {
    return key->result == 1 ||
           (key->result == UNLESS_DEFAULT && !md_key_is_default(section->fields, key)) ||
           (key->result == WHERE_USED &&
            md_key_unmet(sections, RUN_SECTIONS, section, key) == NULL);
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
            if (all ? !md_key_says(sections, RUN_SECTIONS, &sections[s], key)
                    : !identifies(sections, &sections[s], key))
                continue;
            format_value(key, sections[s].fields, value, sizeof value);
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

int md_config_unknown(const char *name, struct md_error *error) {
    char key_name[MD_CONFIG_NAME_SIZE], hint[MD_NEAREST_SIZE];
    struct md_nearest nearest = md_nearest_to(name);
    for (int key = 0; md_config_key(key, key_name) == 0; key++)
        md_nearest_try(&nearest, key_name);
    return md_fail(error, MD_USAGE,
                   "\"%.100s\" is no key of a config%s; mudepth help config lists them", name,
                   md_nearest_hint(&nearest, hint));
}

int md_config_decides(int number) {
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

int md_config_says(const struct md_config *config, int number) {
    struct section sections[RUN_SECTIONS];
    const struct section *section;
    md_config_sections((struct md_config *)(uintptr_t)config, sections);
    const struct key *key = find_key(sections, number, &section);
    return md_key_says(sections, RUN_SECTIONS, section, key);
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

void md_key_value(const struct key *key, const void *fields, char text[MD_CONFIG_VALUE_SIZE]) {
    const char *field = (const char *)fields + key->offset;
    double real;
    if (is_text(key)) {
        snprintf(text, MD_CONFIG_VALUE_SIZE, "%s", field);
    } else if (key->type == REAL) {
        memcpy(&real, field, sizeof real);
        format_shortest(real, text, MD_CONFIG_VALUE_SIZE);
    } else if (key->type == CAPS) {
        format_caps((const void *)field, format_shortest, text, MD_CONFIG_VALUE_SIZE);
    } else if (key->type == LOSSES) {
        format_losses((const void *)field, format_shortest, text, MD_CONFIG_VALUE_SIZE);
    } else {
        format_value(key, fields, text, MD_CONFIG_VALUE_SIZE);
    }
}

void md_config_value(const struct md_config *config, int number, char text[MD_CONFIG_VALUE_SIZE]) {
    const char *field;
    const struct key *key = find_field(config, number, &field);
    md_key_value(key, field - key->offset, text);
}

static int compare_caps(const struct md_caps *a, const struct md_caps *b) {
    int c = 0;
    while (c < a->count && c < b->count && a->m[c] == b->m[c])
        c++;
    if (c == a->count || c == b->count)
        return (a->count > b->count) - (a->count < b->count);
    return a->m[c] > b->m[c] ? 1 : -1;
}

/* Single losses as the table lists them. */
static int compare_losses(const struct md_losses *a, const struct md_losses *b) {
    int l = 0;
    while (l < MD_LOSS_COUNT - 1 && a->weight[l] == b->weight[l])
        l++;
    return (a->weight[l] < b->weight[l]) - (a->weight[l] > b->weight[l]);
}

/* md_config_order of numbers, choices and sets of bits. */
static int compare_numbers(const struct key *key, const char *a, const char *b) {
    double real[2];
    uint64_t whole[2] = {0, 0};
    if (key->type == REAL) {
        memcpy(&real[0], a, sizeof real[0]);
        memcpy(&real[1], b, sizeof real[1]);
        return (real[0] > real[1]) - (real[0] < real[1]);
    }
    const char *field[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        unsigned small;
        if (key->size == sizeof small) {
            memcpy(&small, field[i], sizeof small);
            whole[i] = small;
        } else {
            memcpy(&whole[i], field[i], sizeof whole[i]);
        }
    }
    return (whole[0] > whole[1]) - (whole[0] < whole[1]);
}

/* As a list of combinations goes: e, d0, d1, e+d0, e+d1, d0+d1; "auto" and the groups that the
 * published network has not come first, by their bytes. */
static int compare_policies(const char *a, const char *b) {
    const char *text[2] = {a, b};
    md_policy policy[2] = {0, 0};
    int parts[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        md_policy_parse(md_networks[0], text[i], &policy[i]);
        for (md_policy left = policy[i]; left != 0; left &= left - 1)
            parts[i]++;
    }
    const md_policy differing = policy[0] ^ policy[1], first = differing & (~differing + 1);
    if (parts[0] != parts[1])
        return parts[0] - parts[1];
    return differing == 0 ? strcmp(a, b) : (policy[0] & first) != 0 ? -1 : 1;
}

int md_config_order(const struct md_config *a, const struct md_config *b, int number) {
    const char *field[2];
    const struct key *key = find_field(a, number, &field[0]);
    find_field(b, number, &field[1]);
    if (key->type == POLICY)
        return compare_policies(field[0], field[1]);
    if (is_text(key))
        return strcmp(field[0], field[1]);
    if (key->type == CAPS)
        return compare_caps((const void *)field[0], (const void *)field[1]);
    if (key->type == LOSSES)
        return compare_losses((const void *)field[0], (const void *)field[1]);
    return compare_numbers(key, field[0], field[1]);
}

enum md_value_kind md_config_kind(int number) {
    const char *prefix;
    switch (key_of(number, &prefix)->type) {
    case BITS:
    case CAPS:
        return MD_LIST_VALUE;
    case REAL:
    case COUNT:
    case POWER:
    case SEED:
        return MD_NUMBER_VALUE;
    default:
        return MD_WORD_VALUE;
    }
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
