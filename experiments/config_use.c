/* Keys that were given but have no effect: the table of keys says what each is used by; and values
 * that others do not go with. */
#include "config_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether a list, "[a, b]", has the word. */
static int has(const char *list, const char *word) {
    for (const char *item = list + strspn(list, "["); *item != '\0'; item += strspn(item, ", ]")) {
        size_t length = strcspn(item, ",]");
        if (length == strlen(word) && memcmp(item, word, length) == 0)
            return 1;
        item += length;
    }
    return 0;
}

/* Whether a list has none of the words of "a, b". */
static int lacks(const char *list, const char *words) {
    char word[MD_CONFIG_NAME_SIZE];
    for (; *words != '\0'; words += strspn(words, ", ")) {
        size_t length = strcspn(words, ",");
        snprintf(word, sizeof word, "%.*s", (int)length, words);
        if (has(list, word))
            return 0;
        words += length;
    }
    return 1;
}

/* Whether a value is one of a condition's (struct condition). */
static int allows(const char *values, const char *value) {
    if (values[0] == '-')
        return lacks(value, values + 1);
    if (values[0] == '[')
        return has(value, values + 1);
    int negated = values[0] == '!';
    size_t length = strlen(value);
    for (const char *item = values + negated;; item += 2) {
        size_t here = strcspn(item, ",");
        if (here == length && memcmp(item, value, length) == 0)
            return !negated;
        item += here;
        if (*item == '\0')
            return negated;
    }
}

/* The value of the key of this name. */
static void find_value(const struct section *sections, int count, const char *name,
                       char value[MD_CONFIG_VALUE_SIZE]) {
    value[0] = '\0';
    for (const struct section *s = sections; s < sections + count; s++)
        for (size_t k = 0; k < s->count; k++)
            if (strcmp(s->keys[k].name, name) == 0)
                md_key_value(&s->keys[k], s->fields, value);
}

/* The same of a value, or of one of the names in "{name: weight, ...}". */
static int allows_any(const char *values, char *value) {
    if (value[0] != '{')
        return allows(values, value);
    for (char *name = value + 1; *name != '\0';) {
        size_t length = strcspn(name, ":"), item = strcspn(name, ",}");
        name[length] = '\0';
        if (allows(values, name))
            return 1;
        name += item + 1 + (name[item] == ',');
    }
    return 0;
}

static int holds(const struct section *sections, int count, const struct condition *condition) {
    char value[MD_CONFIG_VALUE_SIZE];
    if (condition->key == NULL)
        return 0;
    find_value(sections, count, condition->key, value);
    return allows_any(condition->values, value);
}

const struct condition *md_key_unmet(const struct section *sections, int count,
                                     const struct key *key) {
    const struct use *use = key->use;
    if (use == NULL)
        return NULL;
    if (use->set.key != NULL && !holds(sections, count, &use->set))
        return &use->set;
    int any = use->with[0].key == NULL;
    for (size_t i = 0; i < sizeof use->with / sizeof *use->with; i++)
        any |= holds(sections, count, &use->with[i]);
    if (any)
        return NULL;
    return &use->with[0];
}

/* ---- messages -------------------------------------------------------------------------------- */

static void add_condition(const struct condition *condition, const char *before, char *text,
                          size_t size) {
    int negated = condition->values[0] == '!', of_list = condition->values[0] == '[';
    int of_others = condition->values[0] == '-';
    const char *values = condition->values + negated + of_list + of_others;
    size_t length = strlen(text);
    snprintf(text + length, size - length, "%s%s: %s%s", before, condition->key,
             negated     ? "any but "
             : of_list   ? "a list with "
             : of_others ? "a list without "
                         : "",
             values[0] != '\0' ? values : "''");
}

void md_describe_use(const struct use *use, char *text, size_t size) {
    const struct condition *conditions[] = {&use->set, &use->with[0], &use->with[1], &use->with[2]};
    static const char *const joints[] = {"", " and with ", " or ", " or "};
    for (int i = 0; i < 4; i++)
        if (conditions[i]->key != NULL)
            add_condition(conditions[i], text[0] != '\0' ? joints[i] : "", text, size);
}

static int fail_without_effect(const struct section *sections, int count,
                               const struct section *section, size_t k,
                               const struct condition *unmet, struct md_error *error) {
    const struct key *key = &section->keys[k];
    char use[300] = "", given[MD_CONFIG_VALUE_SIZE], found[MD_CONFIG_VALUE_SIZE];
    md_describe_use(key->use, use, sizeof use);
    md_key_value(key, section->fields, given);
    find_value(sections, count, unmet->key, found);
    return md_fail_at(&section->given_at[k], error,
                      "has an effect only with %s; found %.60s with %s: %.60s", use, given,
                      unmet->key, found[0] != '\0' ? found : "''");
}

/* ---- checking -------------------------------------------------------------------------------- */

static int is_preset(const struct key *key, const char *value) {
    return key->type == REAL ? strtod(value, NULL) == strtod(key->preset, NULL)
                             : strcmp(value, key->preset) == 0;
}

/* Whether a key without effect has a value that is accepted all the same. */
static int is_idle(const struct section *section, const struct key *key) {
    char value[MD_CONFIG_VALUE_SIZE];
    md_key_value(key, section->fields, value);
    return key->use->idle != NULL ? allows(key->use->idle, value) : is_preset(key, value);
}

int md_key_is_default(const void *fields, const struct key *key) {
    char value[MD_CONFIG_VALUE_SIZE];
    md_key_value(key, fields, value);
    return is_preset(key, value);
}

int md_key_is_relevant(const struct section *sections, int count, const struct section *section,
                       const struct key *key) {
    return md_key_unmet(sections, count, key) == NULL || !md_key_is_default(section->fields, key);
}

/* Values that require something of other keys. The photometric loss compares the pictures of a
 * pair: augmentations that change one of them alone, or the pixels per unit of disparity, do not go
 * with it. */
static const struct {
    struct condition value, required;
} bounds[] = {{{"loss", "photometric"}, {"set", "micro-kitti, cache"}},
              {{"loss", "photometric"}, {"label_mode", "!pooled"}},
              {{"loss", "photometric"}, {"augment", "-crop, shift, cutout, r2crop"}}};

static int check_bounds(const struct section *sections, int count, const struct section *section,
                        size_t k, struct md_error *error) {
    char found[MD_CONFIG_VALUE_SIZE];
    for (size_t b = 0; b < sizeof bounds / sizeof bounds[0]; b++) {
        const struct condition *value = &bounds[b].value, *required = &bounds[b].required;
        char text[300] = "";
        if (strcmp(value->key, section->keys[k].name) != 0 || !holds(sections, count, value) ||
            holds(sections, count, required))
            continue;
        add_condition(required, "", text, sizeof text);
        find_value(sections, count, required->key, found);
        return md_fail_at(&section->given_at[k], error, "%s needs %s; found %s: %.60s",
                          value->values, text, required->key, found);
    }
    return MD_OK;
}

int md_check_uses(const struct section *sections, int count, const uint64_t *given,
                  struct md_error *error) {
    for (int s = 0; s < count; s++)
        for (size_t k = 0; k < sections[s].count; k++) {
            const struct key *key = &sections[s].keys[k];
            const struct condition *unmet =
                (given[s] >> k & 1u) != 0 ? md_key_unmet(sections, count, key) : NULL;
            if (unmet != NULL && !is_idle(&sections[s], key))
                return fail_without_effect(sections, count, &sections[s], k, unmet, error);
            if ((given[s] >> k & 1u) != 0)
                MD_TRY(check_bounds(sections, count, &sections[s], k, error));
        }
    return MD_OK;
}
