#include "filter.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/file.h"
#include "../base/grow.h"
#include "../experiments/config_keys.h"

/* One that begins like another stands before it. */
enum relation { UNEQUAL, AT_MOST, AT_LEAST, EQUAL, LESS, MORE, RELATIONS };
static const char *const relations[RELATIONS] = {"!=", "<=", ">=", "=", "<", ">"};

/* Dates are the only texts of a cell that < and > apply to. */
static int is_date(const struct md_cell_attribute *text) {
    return strcmp(text->name, "started") == 0 || strcmp(text->name, "finished") == 0;
}

static const struct md_cell_attribute identity = {
    "/", "identity", MD_H5_TEXT, offsetof(struct md_cell, identity), 33, 0};

/* The text of that name; NULL: there is none. */
static const struct md_cell_attribute *find_text(const char *name) {
    for (size_t a = 0; a < md_cell_attribute_count; a++)
        if (md_cell_attributes[a].type == MD_H5_TEXT &&
            strcmp(md_cell_attributes[a].name, name) == 0)
            return &md_cell_attributes[a];
    return strcmp(name, identity.name) == 0 ? &identity : NULL;
}

/* What a filter is about, and what its values are compared as. */
enum subject { KEY, QUANTITY, TEXT_OF_CELL };

/* From a low to a high value, both among them; a single value is both. Of the fields only what the
 * subject needs is there. */
struct interval {
    struct md_config *config[2]; /* owned; they have the key's values */
    double number[2];
    const char *text; /* within the filter's copy; texts have no intervals */
};

struct md_filter {
    char *copy; /* owned; of what was given, cut into pieces */
    enum relation relation;
    enum subject subject;
    int key;
    struct md_quantity quantity;
    const struct md_cell_attribute *text;
    struct interval *intervals; /* owned; to be equal is to be within one */
    size_t count, capacity;
};

/* ---- reading --------------------------------------------------------------------------------- */

static int is_number(const struct md_filter *filter) {
    return filter->subject == QUANTITY ||
           (filter->subject == KEY && md_config_kind(filter->key) == MD_NUMBER_VALUE);
}

/* A value of a key is read as an override is. */
static int read_config(int key, const char *word, struct md_config **config,
                       struct md_error *error) {
    char name[MD_CONFIG_NAME_SIZE];
    struct config_builder builder;
    md_config_key(key, name);
    size_t size = strlen(name) + strlen(word) + 2;
    char *override = malloc(size);
    *config = calloc(1, sizeof **config);
    int status = MD_FAILED;
    if (override == NULL || *config == NULL) {
        md_error_set(error, "out of memory");
    } else {
        snprintf(override, size, "%s=%s", name, word);
        md_builder_extend(&builder, *config);
        status = md_builder_overrides(&builder, 1, &override, error);
    }
    free(override);
    return status;
}

static int read_number(const char *word, double *number, struct md_error *error) {
    if (md_parse_real(word, number) != 0)
        return md_fail(error, MD_USAGE, "expected a number, found \"%.100s\"", word);
    return MD_OK;
}

/* Reads "VALUE", or of numbers "LOW..HIGH", which it cuts in two. */
static int add_interval(struct md_filter *filter, char *word, struct md_error *error) {
    struct interval *moved =
        md_grow(filter->intervals, filter->count, &filter->capacity, sizeof *moved, error);
    if (moved == NULL)
        return MD_FAILED;
    filter->intervals = moved;
    struct interval *interval = &moved[filter->count++];
    *interval = (struct interval){.text = word};
    char *dots = is_number(filter) ? strstr(word, "..") : NULL;
    const char *const ends[2] = {word, dots != NULL ? dots + 2 : word};
    if (dots != NULL)
        *dots = '\0';
    if (dots != NULL && filter->relation != EQUAL && filter->relation != UNEQUAL)
        return md_fail(error, MD_USAGE, "expected a single value, found a range");
    int status = MD_OK;
    for (int e = 0; e < 2 && status == MD_OK; e++)
        if (filter->subject == KEY)
            status = read_config(filter->key, ends[e], &interval->config[e], error);
        else if (filter->subject == QUANTITY)
            status = read_number(ends[e], &interval->number[e], error);
    return status;
}

/* Reads "VALUE" or "[VALUE, ...]"; a key whose values are lists has no lists of them. */
static int read_values(struct md_filter *filter, char *word, struct md_error *error) {
    size_t length = strlen(word);
    if (length < 2 || word[0] != '[' || word[length - 1] != ']' ||
        (filter->subject == KEY && md_config_kind(filter->key) == MD_LIST_VALUE))
        return add_interval(filter, word, error);
    if (filter->relation != EQUAL && filter->relation != UNEQUAL)
        return md_fail(error, MD_USAGE, "expected a single value, found a list");
    word[length - 1] = '\0';
    char *rest = word + 1;
    for (char *item; (item = md_next_field(&rest)) != NULL;)
        MD_TRY(add_interval(filter, item, error));
    return MD_OK;
}

static int find_subject(const char *name, struct md_filter *filter, struct md_error *error) {
    filter->key = md_config_find(name);
    filter->text = filter->key < 0 ? find_text(name) : NULL;
    filter->subject = filter->key >= 0 ? KEY : TEXT_OF_CELL;
    if (filter->key >= 0 || filter->text != NULL)
        return MD_OK;
    filter->subject = QUANTITY;
    return md_quantity_parse(name, &filter->quantity, error);
}

static int parse(const char *given, struct md_filter *filter, struct md_error *error) {
    filter->copy = strdup(given);
    MD_TRY(md_check_memory(filter->copy != NULL, error));
    size_t name_length = md_filter_name(given);
    char *value = filter->copy + name_length;
    int r = 0;
    while (r < RELATIONS && strncmp(value, relations[r], strlen(relations[r])) != 0)
        r++;
    if (name_length == 0 || r == RELATIONS)
        return md_fail(error, MD_USAGE, "expected a name, one of = != < <= > >=, and a value");
    filter->relation = (enum relation)r;
    *value = '\0';
    value += strlen(relations[r]);
    MD_TRY(find_subject(filter->copy, filter, error));
    int is_ordered = is_number(filter) || (filter->text != NULL && is_date(filter->text));
    if (!is_ordered && r != EQUAL && r != UNEQUAL)
        return md_fail(error, MD_USAGE, "%.100s is no number: expected = or !=, found %s",
                       filter->copy, relations[r]);
    return read_values(filter, value, error);
}

size_t md_filter_name(const char *text) {
    size_t length =
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@");
    return length > 0 && text[length] != '\0' && strchr("=!<>", text[length]) != NULL ? length : 0;
}

int md_filters_parse(int count, char *const *given, struct md_filters *filters,
                     struct md_error *error) {
    *filters = (struct md_filters){NULL, 0};
    filters->filters = calloc((size_t)count + 1, sizeof *filters->filters);
    MD_TRY(md_check_memory(filters->filters != NULL, error));
    int status = MD_OK;
    for (int i = 0; i < count && status == MD_OK; i++) {
        status = parse(given[i], &filters->filters[filters->count++], error);
        if (status != MD_OK)
            md_error_prefix(error, given[i]);
    }
    return status;
}

void md_filters_free(struct md_filters *filters) {
    for (size_t f = 0; f < filters->count; f++) {
        struct md_filter *filter = &filters->filters[f];
        for (size_t i = 0; i < filter->count; i++) {
            free(filter->intervals[i].config[0]);
            free(filter->intervals[i].config[1]);
        }
        free(filter->intervals);
        free(filter->copy);
    }
    free(filters->filters);
    *filters = (struct md_filters){NULL, 0};
}

/* ---- passing --------------------------------------------------------------------------------- */

/* How the cell's value compares with the lower or upper end of an interval: below, equal to or
 * above 0. */
static int order(const struct md_filter *filter, const struct md_cell *cell,
                 const struct interval *interval, int end) {
    double number;
    switch (filter->subject) {
    case KEY:
        return md_config_order(&cell->config, interval->config[end], filter->key);
    case QUANTITY:
        number = md_quantity_of(&filter->quantity, cell);
        return (number > interval->number[end]) - (number < interval->number[end]);
    default:
        return strcmp(md_cell_value(cell, filter->text).text, interval->text);
    }
}

static int passes(const struct md_filter *filter, const struct md_cell *cell) {
    const struct interval *first = filter->intervals;
    int within = 0;
    if (filter->subject == QUANTITY && isnan(md_quantity_of(&filter->quantity, cell)))
        return 0;
    switch (filter->relation) {
    case LESS:
        return order(filter, cell, first, 0) < 0;
    case AT_MOST:
        return order(filter, cell, first, 0) <= 0;
    case MORE:
        return order(filter, cell, first, 0) > 0;
    case AT_LEAST:
        return order(filter, cell, first, 0) >= 0;
    default:
        for (size_t i = 0; i < filter->count; i++)
            within |=
                order(filter, cell, &first[i], 0) >= 0 && order(filter, cell, &first[i], 1) <= 0;
        return within == (filter->relation == EQUAL);
    }
}

int md_filters_pass(const struct md_filters *filters, const struct md_cell *cell) {
    for (size_t f = 0; f < filters->count; f++)
        if (!passes(&filters->filters[f], cell))
            return 0;
    return 1;
}
