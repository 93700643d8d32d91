/* One value of a config as text, and the order of two: what each type of values does. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_keys.h"

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
typedef void number_fn(double value, char *text, size_t size);
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

/* What a type of values does: its field in words, and two fields in order, as md_config_order. */
typedef void format_fn(const struct key *key, const void *field, number_fn *number, char *text,
                       size_t size);
typedef int order_fn(const struct key *key, const void *a, const void *b);

static void format_text(const struct key *key, const void *field, number_fn *number, char *text,
                        size_t size) {
    (void)key, (void)number;
    snprintf(text, size, "%s", (const char *)field);
}

static int order_texts(const struct key *key, const void *a, const void *b) {
    (void)key;
    return strcmp(a, b);
}

/* As a list of combinations goes: e, d0, d1, e+d0, e+d1, d0+d1; "auto" and the groups that the
 * published network has not come first, by their bytes. */
static int order_policies(const struct key *key, const void *a, const void *b) {
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
    return differing == 0 ? order_texts(key, a, b) : (policy[0] & first) != 0 ? -1 : 1;
}

/* A choice, a set of bits or a whole number. */
static uint64_t whole_of(const struct key *key, const void *field) {
    uint64_t whole = 0;
    unsigned small = 0;
    if (key->size == sizeof small)
        memcpy(&small, field, sizeof small);
    else
        memcpy(&whole, field, sizeof whole);
    return whole + small;
}

static void format_choice(const struct key *key, const void *field, number_fn *number, char *text,
                          size_t size) {
    (void)number;
    snprintf(text, size, "%s", key->names[whole_of(key, field)]);
}

static void format_bits(const struct key *key, const void *field, number_fn *number, char *text,
                        size_t size) {
    (void)number;
    snprintf(text, size, "[");
    for (int i = 0; key->names[i] != NULL; i++)
        if ((whole_of(key, field) >> i & 1u) != 0)
            snprintf(text + strlen(text), size - strlen(text), "%s%s", text[1] != '\0' ? ", " : "",
                     key->names[i]);
    snprintf(text + strlen(text), size - strlen(text), "]");
}

static void format_whole(const struct key *key, const void *field, number_fn *number, char *text,
                         size_t size) {
    (void)number;
    snprintf(text, size, "%llu", (unsigned long long)whole_of(key, field));
}

static int order_wholes(const struct key *key, const void *a, const void *b) {
    const uint64_t x = whole_of(key, a), y = whole_of(key, b);
    return (x > y) - (x < y);
}

static void format_real(const struct key *key, const void *field, number_fn *number, char *text,
                        size_t size) {
    (void)key;
    number(*(const double *)field, text, size);
}

static int order_reals(const struct key *key, const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    (void)key;
    return (x > y) - (x < y);
}

/* A single one stands without brackets, as it is given. */
static void format_caps(const struct key *key, const void *field, number_fn *number, char *text,
                        size_t size) {
    const struct md_caps *caps = field;
    size_t length = (size_t)snprintf(text, size, "%s", caps->count > 1 ? "[" : "");
    (void)key;
    for (int c = 0; c < caps->count; c++) {
        char one[32];
        number(caps->m[c], one, sizeof one);
        length += (size_t)snprintf(text + length, size - length, "%s%s", c > 0 ? ", " : "", one);
    }
    snprintf(text + length, size - length, "%s", caps->count > 1 ? "]" : "");
}

static int order_caps(const struct key *key, const void *a, const void *b) {
    const struct md_caps *x = a, *y = b;
    int c = 0;
    while (c < x->count && c < y->count && x->m[c] == y->m[c])
        c++;
    if (c == x->count || c == y->count)
        return (x->count > y->count) - (x->count < y->count);
    return order_reals(key, &x->m[c], &y->m[c]);
}

/* A single loss of weight 1 is its name. */
static void format_losses(const struct key *key, const void *field, number_fn *number, char *text,
                          size_t size) {
    const struct md_losses *losses = field;
    size_t length = 0;
    for (int l = 0; l < MD_LOSS_COUNT; l++) {
        char one[32];
        if (losses->weight[l] == 0.0)
            continue;
        number(losses->weight[l], one, sizeof one);
        length += (size_t)snprintf(text + length, size - length, "%s%s: %s",
                                   length > 0 ? ", " : "{", key->names[l], one);
    }
    snprintf(text + length, size - length, "}");
    for (int l = 0; l < MD_LOSS_COUNT; l++)
        if (losses->weight[l] == 1.0 && strchr(text, ',') == NULL)
            snprintf(text, size, "%s", key->names[l]);
}

/* Single losses as the table lists them. */
static int order_losses(const struct key *key, const void *a, const void *b) {
    const struct md_losses *x = a, *y = b;
    int l = 0;
    while (l < MD_LOSS_COUNT - 1 && x->weight[l] == y->weight[l])
        l++;
    return order_reals(key, &y->weight[l], &x->weight[l]);
}

static const struct {
    format_fn *format;
    order_fn *order;
    enum md_value_kind kind;
    int is_text; /* the field is; in YAML it stands in quotes */
} types[] = {
    [TEXT] = {format_text, order_texts, MD_WORD_VALUE, 1},
    [POLICY] = {format_text, order_policies, MD_WORD_VALUE, 1},
    [PLAN] = {format_text, order_texts, MD_WORD_VALUE, 1},
    [CHOICE] = {format_choice, order_wholes, MD_WORD_VALUE, 0},
    [LOSSES] = {format_losses, order_losses, MD_WORD_VALUE, 0},
    [BITS] = {format_bits, order_wholes, MD_LIST_VALUE, 0},
    [CAPS] = {format_caps, order_caps, MD_LIST_VALUE, 0},
    [REAL] = {format_real, order_reals, MD_NUMBER_VALUE, 0},
    [COUNT] = {format_whole, order_wholes, MD_NUMBER_VALUE, 0},
    [POWER] = {format_whole, order_wholes, MD_NUMBER_VALUE, 0},
    [SEED] = {format_whole, order_wholes, MD_NUMBER_VALUE, 0},
};

void md_key_format(const struct key *key, const void *fields, char *text, size_t size) {
    const void *field = (const char *)fields + key->offset;
    if (types[key->type].is_text)
        md_config_quote(field, text, size);
    else
        types[key->type].format(key, field, format_full, text, size);
}

void md_key_value(const struct key *key, const void *fields, char text[MD_CONFIG_VALUE_SIZE]) {
    types[key->type].format(key, (const char *)fields + key->offset, format_shortest, text,
                            MD_CONFIG_VALUE_SIZE);
}

int md_key_order(const struct key *key, const void *a, const void *b) {
    return types[key->type].order(key, a, b);
}

enum md_value_kind md_key_kind(const struct key *key) {
    return types[key->type].kind;
}
