/* Configs that are written and read back, and their keys by number: values, order, defaults. */
#include "../base/random.h"
#include "config_keys.h"

TestSuite(config_values, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

/* ---- writing --------------------------------------------------------------------------------- */

static struct md_random dice;

static const char *random_value(const struct key_case *k, char text[400]) {
    static const char *const letters[] = {"a", "''", "\"", "\\", " ", "#", ": ", "{", "]", ",", "%",
                                          "é", "深", "😀",  "!",  "&", "*", "-",  "?", "=", "\t"};
    int choices = 1;
    while (k->accepted[choices] != NULL)
        choices++;
    const char *chosen = k->accepted[md_random_below(&dice, (uint32_t)choices)];
    if (k->kind == REAL) /* between the two ends */
        snprintf(
            text, 400, "%.17g",
            md_random_range(&dice, strtod(k->accepted[1], NULL), strtod(k->accepted[2], NULL)));
    else if (k->kind == ANY_TEXT && strcmp(k->key, "backend") != 0) {
        snprintf(text, 400, "'x");
        for (uint32_t n = md_random_below(&dice, 40); n > 0; n--)
            strcat(text, letters[md_random_below(&dice, sizeof letters / sizeof letters[0] - 1)]);
        strcat(text, "'");
    } else if (k->kind == ANY_TEXT || chosen == NULL)
        snprintf(text, 400, "%s", k->accepted[1]);
    else
        snprintf(text, 400, "%s", chosen);
    return text;
}

Test(config_values, what_is_written_reads_back_equal) {
    static char overrides[RUN_KEYS][500];
    char *pointers[RUN_KEYS];
    dice = md_random_stream(1, 0, 0, 0);
    for (int round = 0; round < 300; round++) {
        for (int k = 0; k < RUN_KEYS; k++) {
            char value[400];
            snprintf(overrides[k], sizeof overrides[k], "%s=%s", run_keys[k].key,
                     random_value(&run_keys[k], value));
            pointers[k] = overrides[k];
        }
        cr_assert_eq(parse_pairs(RUN_KEYS, pointers), MD_OK, "%s", error.text);
        struct md_config before = config;
        char *first = formatted(1);
        cr_assert_eq(md_config_parse(first, "it", &config, &error), MD_OK, "%s\n%s", error.text,
                     first);
        char *second = formatted(1);
        cr_assert_str_eq(first, second);
        cr_assert_str_eq(config.train, before.train);
        cr_assert_eq(config.learning_rate, before.learning_rate);
        free(first);
        free(second);
    }
}

static int ends_with_root(const char *key) {
    const char *root = strstr(key, "root");
    return root != NULL && root[4] == '\0';
}

/* Weights and data (and a teacher, of which there is said that there is one) count by what is in
 * them, which is not the config's to know. */
Test(config_values, what_cannot_change_a_result_is_left_out) {
    for (const struct key_case *k = run_keys; k < run_keys + RUN_KEYS; k++) {
        const char *other = k->accepted[1] && k->accepted[0] ? k->accepted[1] : k->accepted[2];
        free(formatted_with(k, k->accepted[k->accepted[0] == NULL]));
        char *before = formatted(0);
        free(formatted_with(k, other));
        char *after = formatted(0);
        int left_out =
            strstr("threads checkpoint_s budget_kb plan band front weights", k->key) != NULL ||
            ends_with_root(k->key);
        cr_assert_eq(strcmp(before, after) == 0, left_out, "%s", k->key);
        free(before);
        free(after);
    }
}

Test(config_values, format_returns_the_length_and_stays_in_its_room) {
    char *whole = formatted_with(run_keys, "scratch");
    size_t length = strlen(whole);
    for (size_t size = 0; size < length + 3; size++) {
        char *room = malloc(size + 1);
        room[size] = '#';
        cr_assert_eq(md_config_format(&config, 1, room, size), length);
        cr_assert_eq(room[size], '#');
        cr_assert(size == 0 || strncmp(room, whole, strlen(room)) == 0);
        free(room);
    }
    free(whole);
}

/* ---- one key by its number ------------------------------------------------------------------- */

Test(config_values, keys_have_numbers_in_the_order_of_the_table) {
    char name[MD_CONFIG_NAME_SIZE];
    for (int k = 0; k < RUN_KEYS; k++) {
        cr_assert_eq(md_config_key(k, name), 0);
        cr_assert_str_eq(name, run_keys[k].key);
        cr_assert_eq(md_config_find(name), k);
        cr_assert_eq(md_config_affects_results(k),
                     strstr("threads checkpoint_s budget_kb plan band front", name) == NULL, "%s",
                     name);
    }
    cr_assert_eq(md_config_key(RUN_KEYS, name), -1);
    cr_assert_eq(md_config_find("lr "), -1);
}

/* A default is one, anything else is not; the order of two values is that of their fields, and
 * exchanging them turns it round. */
Test(config_values, values_are_ordered_and_know_their_default) {
    static const enum md_value_kind kinds[] = {[NAMES] = MD_LIST_VALUE,
                                               [CAPS] = MD_LIST_VALUE,
                                               [REAL] = MD_NUMBER_VALUE,
                                               [WHOLE] = MD_NUMBER_VALUE}; /* others:
                                                      MD_WORD_VALUE */
    static char value[MD_CONFIG_VALUE_SIZE];
    static struct md_config defaults;
    for (int k = 0; k < RUN_KEYS; k++) {
        const struct key_case *key = &run_keys[k];
        free(formatted_with(key, key->accepted[key->accepted[0] == NULL]));
        struct md_config first = config;
        cr_assert_eq(md_config_order(&first, &first, k), 0, "%s", key->key);
        md_config_defaults(&first, &defaults);
        cr_assert_eq(md_config_order(&first, &defaults, k) == 0, key->accepted[0] != NULL, "%s",
                     key->key);
        cr_assert_eq(md_config_kind(k), kinds[key->kind], "%s", key->key);
        free(formatted_with(key, key->accepted[key->accepted[0] == NULL ? 2 : 1]));
        int order = md_config_order(&first, &config, k), back = md_config_order(&config, &first, k);
        cr_assert(order != 0 && (order < 0) == (back > 0), "%s", key->key);
        md_config_defaults(&config, &defaults);
        cr_assert_neq(md_config_order(&config, &defaults, k), 0, "%s", key->key);
        md_config_value(&config, k, value);
        if (key->kind == REAL)
            cr_assert_eq(strtod(value, NULL), strtod(key->accepted[1], NULL), "%s: %s", key->key,
                         value);
        else if (key->kind == NAME && key->accepted[0] != NULL)
            cr_assert_str_eq(value, key->accepted[1], "%s", key->key);
    }
}

Test(config_values, numbers_are_ordered_by_size_and_written_shortly) {
    static char value[MD_CONFIG_VALUE_SIZE];
    const struct key_case *rate = run_keys;
    while (strcmp(rate->key, "lr") != 0)
        rate++;
    free(formatted_with(rate, "0.1"));
    struct md_config large = config;
    md_config_value(&large, (int)(rate - run_keys), value);
    cr_assert_str_eq(value, "0.1");
    free(formatted_with(rate, "9e-3"));
    md_config_value(&config, (int)(rate - run_keys), value);
    cr_assert_str_eq(value, "0.009");
    cr_assert_lt(md_config_order(&config, &large, (int)(rate - run_keys)), 0);
    const struct key_case *seed = rate;
    while (strcmp(seed->key, "seed") != 0)
        seed++;
    free(formatted_with(seed, "18446744073709551615"));
    large = config;
    free(formatted_with(seed, "18446744073709551614")); /* no double tells them apart */
    cr_assert_lt(md_config_order(&config, &large, (int)(seed - run_keys)), 0);
}

Test(config_values, policies_are_ordered_as_combinations) {
    static const char *const policies[] = {"e",    "d0",   "d2",    "last",      "biases",
                                           "e+d0", "e+d2", "d0+d1", "d0+biases", "full"};
    const struct key_case *policy = run_keys;
    while (strcmp(policy->key, "policy") != 0)
        policy++;
    free(formatted_with(policy, policies[0]));
    for (size_t i = 1; i < sizeof policies / sizeof *policies; i++) {
        struct md_config less = config;
        free(formatted_with(policy, policies[i]));
        cr_assert_lt(md_config_order(&less, &config, (int)(policy - run_keys)), 0, "%s",
                     policies[i]);
        cr_assert_gt(md_config_order(&config, &less, (int)(policy - run_keys)), 0);
    }
}

Test(config_values, a_snapshot_is_read_back) {
    char *text = formatted_with(run_keys, "'it''s.h5'");
    cr_assert_eq(md_config_parse(text, "a cell", &config, &error), MD_OK, "%s", error.text);
    char *again = formatted(1);
    cr_assert_str_eq(text, again);
    cr_assert_eq(md_config_parse("weights: a\nlr: x\n", "a cell", &config, &error), MD_USAGE);
    assert_contains(error.text, "a cell:2:5: lr: expected a number");
    free(text);
    free(again);
}
