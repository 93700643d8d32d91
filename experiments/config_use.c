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

/* "a, b" has the value, or "!a, b" has not; or the value has a of "[a", or none of "-a, b". */
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

/* One of the names in "{name: weight, ...}" does; or the value itself. */
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

static int meets(const struct section *sections, int count, const struct need *need) {
    char value[MD_CONFIG_VALUE_SIZE];
    if (need->key == NULL)
        return 0;
    find_value(sections, count, need->key, value);
    return allows_any(need->values, value);
}

const struct need *md_key_unmet(const struct section *sections, int count, const struct key *key) {
    const struct use *use = key->use;
    if (use == NULL)
        return NULL;
    if (use->set.key != NULL && !meets(sections, count, &use->set))
        return &use->set;
    if (use->with[0].key == NULL || meets(sections, count, &use->with[0]) ||
        meets(sections, count, &use->with[1]))
        return NULL;
    return &use->with[0];
}

/* ---- messages -------------------------------------------------------------------------------- */

static void add_need(const struct need *need, const char *before, char *text, size_t size) {
    int negated = need->values[0] == '!', of_list = need->values[0] == '[';
    int of_others = need->values[0] == '-';
    const char *values = need->values + negated + of_list + of_others;
    size_t length = strlen(text);
    snprintf(text + length, size - length, "%s%s: %s%s", before, need->key,
             negated     ? "any but "
             : of_list   ? "a list with "
             : of_others ? "a list without "
                         : "",
             values[0] != '\0' ? values : "''");
}

void md_describe_use(const struct use *use, char *text, size_t size) {
    const struct need *needs[] = {&use->set, &use->with[0], &use->with[1]};
    static const char *const joints[] = {"", " and with ", " or "};
    for (int i = 0; i < 3; i++)
        if (needs[i]->key != NULL)
            add_need(needs[i], text[0] != '\0' ? joints[i] : "", text, size);
}

static int complain(const struct section *sections, int count, const struct section *section,
                    size_t k, const struct need *unmet, struct md_error *error) {
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

/* Whether what has no effect is how it is anyway. */
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

int md_key_says(const struct section *sections, int count, const struct section *section,
                const struct key *key) {
    return md_key_unmet(sections, count, key) == NULL || !md_key_is_default(section->fields, key);
}

/* Values that want something of other keys. What is not like it in both pictures of a pair, or
 * changes how many pixels a disparity is, has no photometric loss. */
static const struct {
    struct need value, wants;
} bounds[] = {{{"loss", "photometric"}, {"set", "micro-kitti, cache"}},
              {{"loss", "photometric"}, {"label_mode", "!pooled"}},
              {{"loss", "photometric"}, {"augment", "-crop, shift, cutout, r2crop"}}};

static int check_bounds(const struct section *sections, int count, const struct section *section,
                        size_t k, struct md_error *error) {
    char found[MD_CONFIG_VALUE_SIZE];
    for (size_t b = 0; b < sizeof bounds / sizeof bounds[0]; b++) {
        const struct need *value = &bounds[b].value, *wants = &bounds[b].wants;
        char want[300] = "";
        if (strcmp(value->key, section->keys[k].name) != 0 || !meets(sections, count, value) ||
            meets(sections, count, wants))
            continue;
        add_need(wants, "", want, sizeof want);
        find_value(sections, count, wants->key, found);
        return md_fail_at(&section->given_at[k], error, "%s needs %s; found %s: %.60s",
                          value->values, want, wants->key, found);
    }
    return MD_OK;
}

int md_check_uses(const struct section *sections, int count, const uint64_t *given,
                  struct md_error *error) {
    for (int s = 0; s < count; s++)
        for (size_t k = 0; k < sections[s].count; k++) {
            const struct key *key = &sections[s].keys[k];
            const struct need *unmet =
                (given[s] >> k & 1u) != 0 ? md_key_unmet(sections, count, key) : NULL;
            if (unmet != NULL && !is_idle(&sections[s], key))
                return complain(sections, count, &sections[s], k, unmet, error);
            if ((given[s] >> k & 1u) != 0)
                MD_TRY(check_bounds(sections, count, &sections[s], k, error));
        }
    return MD_OK;
}
