/* Configs and data specifications as texts: broken ones, all good forms, and overrides. (What the
 * keys may be: test_config.c.) */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "../datasets/augment.h"
#include "../experiments/config.h"
#include "scratch.h"

static struct scratch_path path; /* of the config under test */
static struct md_config config;
static struct md_error error;

static void set_up(void) {
    scratch = scratch_open();
    path = scratch_path(&scratch, "some.yaml");
    memset(&config, 0xa5, sizeof config); /* reading has to set everything */
}

TestSuite(config_text, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

static int read_file(void) {
    error.text[0] = '\0';
    return md_config_read(path.text, 0, NULL, &config, &error);
}

static int read_text(const char *text) {
    scratch_write_text(path.text, text);
    return read_file();
}

/* ---- files ----------------------------------------------------------------------------------- */

#define GOOD "weights: w\ndata: {set: micro}\n"

static const struct file_case {
    const char *name, *text;
    int line; /* that the message names; 0: none */
    const char *message;
} broken_files[] = {
    {"empty", "", 0, "weights is missing"},
    {"comment only", "# nothing\n\n", 0, "weights is missing"},
    {"no data", "weights: w\n", 0, "data.set is missing"},
    {"empty data", "weights: w\ndata: {}\n", 0, "data.set is missing"},
    {"null data", "weights: w\ndata:\n", 2, "data: "},
    {"text as data", "weights: w\ndata: synthetic\n", 2, "data: "},
    {"list as data", "weights: w\ndata: [set, synthetic]\n", 2, "data: "},
    {"unknown key", GOOD "\n# gap\nepoch: 3\n", 5, "epoch: unknown key"},
    {"unknown data key", "weights: w\ndata:\n  set: synthetic\n  sed: 1\n", 4, "data.sed: unknown"},
    {"run key in data", "weights: w\ndata: {set: synthetic, lr: 1}\n", 2, "data.lr: unknown key"},
    {"data key outside", GOOD "crop: 3\n", 3, "crop: unknown key"},
    {"data in data", "weights: w\ndata: {data: {set: synthetic}}\n", 2, "data.data: unknown key"},
    {"dotted key", GOOD "data.seed: 2\n", 3, "data.seed: unknown key"},
    {"repeated key", GOOD "lr: 1\nlr: 1\n", 4, "lr: the key is given twice"},
    {"repeated data key", "weights: w\ndata:\n  set: micro\n  set: micro\n", 4,
     "data.set: the key"},
    {"repeated data", GOOD "data: {seed: 3}\n", 3, "data: the key is given twice"},
    {"repeated by quotes", GOOD "lr: 1\n'lr': 1\n", 4, "lr: the key is given twice"},
    {"zero byte in key", GOOD "\"lr\\0x\": 1\n", 3, "lr: a zero byte"},
    {"empty key", GOOD "'': 1\n", 3, "unknown key"},
    {"list as key", GOOD "[lr]: 1\n", 3, "expected a key"},
    {"capital key", GOOD "LR: 1\n", 3, "LR: unknown key"},
    {"list", "- weights: w\n", 0, "expected \"key: value\" pairs"},
    {"scalar", "weights\n", 0, "expected \"key: value\" pairs"},
    {"second document", GOOD "---\nlr: 1\n", 3, "second"},
    {"tab as indent", "weights: w\ndata:\n\tset: micro\n", 3, "not YAML"},
    {"open quote", "weights: 'w\nlr: 1\n", 3, "not YAML"},
    {"open bracket", GOOD "augment: [flip\nlr: 1\n", 4, "not YAML"},
    {"two colons", GOOD "lr: 1: 2\n", 3, "not YAML"},
    {"unknown alias", GOOD "lr: *rate\n", 3, "not YAML"},
    {"binary", "\x89HDF\r\n\x1a\n\x01\x02", 0, "byte 0: not YAML"},
    {"broken UTF-8", GOOD "augment: [\xff]\n", 0, "not YAML"},
    {"merge key", "base: &b {lr: 1}\n" GOOD, 1, "base: unknown key"},
    {"merge key in data", "weights: w\ndata: &d {set: micro, <<: *d}\n", 2, "data.<<: unknown key"},
    {"alias to itself", "weights: w\naugment: &a [*a]\ndata: {set: micro}\n", 2,
     "augment: expected"},
    {"data as its own member", "weights: w\ndata: &d {set: *d}\n", 2,
     "data.set: expected a single"},
};

Test(config_text, broken_files_are_refused_with_the_line) {
    for (size_t i = 0; i < sizeof broken_files / sizeof broken_files[0]; i++) {
        const struct file_case *f = &broken_files[i];
        char place[1700];
        cr_assert_eq(read_text(f->text), MD_USAGE, "%s was taken", f->name);
        snprintf(place, sizeof place, f->line ? "%s:%d:" : "%s: ", path.text, f->line);
        assert_contains(error.text, place);
        assert_contains(error.text, f->message);
    }
}

/* What an item of a list, or a value on a line of its own, is: there and not where its key is. */
Test(config_text, a_wrong_value_is_named_by_line_and_column) {
    static const struct {
        const char *text, *place;
    } wrong[] = {
        {"weights: w\nlr: x\n", "some.yaml:2:5: lr: expected"},
        {"weights: w\nlr:\n  x\n", "some.yaml:3:3: lr: expected"},
        {"weights: w\npolciy: d0\n", "some.yaml:2:1: polciy: unknown key"},
        {"weights: w\npolicy: d0\npolicy: d1\n", "some.yaml:3:1: policy: the key is"},
        {"weights: w\ndata:\n  set: moon\n", "some.yaml:3:8: data.set: expected one of"},
        {"weights: w\ndata: {set: moon}\n", "some.yaml:2:13: data.set: expected one of"},
        {"weights: w\naugment: [flip, flop]\n", "some.yaml:2:17: augment: expected one of"},
        {"weights: w\naugment:\n- flip\n- flop\n", "some.yaml:4:3: augment: expected"},
        {"weights: w\ncap_m: [80, 15, 80]\n", "some.yaml:2:17: cap_m: the same cap"},
        {"weights: w\nloss: {rmse: x}\n", "some.yaml:2:7: loss: expected a number"},
        {"weights: w\nlr: [1]\n", "some.yaml:2:5: lr: expected a single value"},
        {"weights: w\ndata: {set: micro}\npolicy: x\n", "some.yaml:3:9: policy: "},
        {"weights: w\ndata: {set: micro}\nfront: x\nplan: lean\n",
         "some.yaml:3:8: front: expected auto"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(read_text(wrong[i].text), MD_USAGE, "%s", wrong[i].text);
        assert_contains(error.text, wrong[i].place);
    }
}

Test(config_text, whatever_is_no_file_fails) {
    cr_assert_eq(read_file(), MD_FAILED);
    assert_contains(error.text, path.text);
    assert_contains(error.text, "No such file");
    cr_assert_eq(md_config_read(scratch.folder, 0, NULL, &config, &error), MD_FAILED);
    assert_contains(error.text, scratch.folder);
    assert_contains(error.text, "directory");
}

/* Every beginning of a good config is a config, an error in YAML or one in a key, and no crash. */
Test(config_text, prefixes_and_single_byte_changes_do_not_crash) {
    static const char changes[] = "\x01\xff'{\n";
    char text[4096];
    cr_assert_eq(read_text(GOOD), MD_OK);
    size_t size = md_config_format(&config, 1, text, sizeof text), good = 0, bad = 0;
    for (size_t i = 0; i < size; i++) {
        char kept = text[i];
        scratch_write(path.text, text, i);
        *(read_file() == MD_OK ? &good : &bad) += 1;
        text[i] = changes[i % (sizeof changes - 1)];
        *(read_text(text) == MD_OK ? &good : &bad) += 1;
        text[i] = kept;
    }
    cr_assert(good > 0 && bad > 0);
}

Test(config_text, good_forms) {
    static const char *const forms[] = {
        GOOD "lr: 0.5\n",
        "\xef\xbb\xbf" GOOD "lr: 0.5\n",
        "weights: w\r\nlr: 0.5\r\ndata:\r\n  set: synthetic\r\n",
        "# a comment\n---\n{weights: w, data: {set: synthetic}, lr: 0.5}\n...\n",
        "'weights': \"w\"\nlr: '0.5'\ndata:\n    'set': synthetic # the field\n",
        "lr: &a 0.5\nweights: w\ndata: {set: synthetic}\n",
        "data:\n  set: &s synthetic\n\n\nlr:    5e-1\nweights: w",
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        cr_assert_eq(read_text(forms[i]), MD_OK, "form %zu: %s", i, error.text);
        cr_assert_eq(config.learning_rate, 0.5);
        cr_assert_str_eq(config.weights, "w");
    }
    cr_assert_eq(read_text("weights: w\nweight_decay: &m 0.5\nlr: *m\ndata: {set: micro}\n"),
                 MD_OK);
    cr_assert_eq(config.learning_rate, 0.5); /* an alias means what its anchor says */
}

/* null, ~ and nothing are one value: the empty one, which most keys do not take. */
Test(config_text, null_is_nothing_for_every_key) {
    static const char *const nothing[] = {"", "~", "null", "Null", "NULL", "''"};
    char key[MD_CONFIG_NAME_SIZE], text[400], *override = text;
    for (int k = 0; md_config_key(k, key) == 0; k++) {
        char complaint[sizeof error.text];
        int expected = 0, in_data = strncmp(key, "data.", 5) == 0;
        for (size_t n = 0; n < 2 * sizeof nothing / sizeof nothing[0]; n++) {
            const char *value = nothing[n / 2];
            if (n % 2 == 0 && in_data)
                snprintf(text, sizeof text, "%sdata:\n  %s%s: %s\n",
                         strcmp(key, "data.set") ? "weights: w\n" : "",
                         strcmp(key, "data.set") ? "set: micro\n  " : "", key + 5, value);
            else if (n % 2 == 0)
                snprintf(text, sizeof text, "data: {set: micro}\n%s%s: %s\n",
                         strcmp(key, "weights") ? "weights: w\n" : "", key, value);
            if (n % 2 == 0) {
                int status = read_text(text);
                const char *at = strstr(error.text, key);
                if (n == 0) {
                    expected = status;
                    snprintf(complaint, sizeof complaint, "%s", at != NULL ? at : "");
                }
                cr_assert_eq(status, expected, "%s: %s: %s", key, value, error.text);
                cr_assert_str_eq(at != NULL ? at : "", complaint);
                continue;
            }
            if (value[0] == '\'')
                continue; /* on the command line quotes are part of a text */
            scratch_write_text(path.text, GOOD);
            error.text[0] = '\0';
            snprintf(text, sizeof text, "%s=%s", key, value);
            cr_assert_eq(md_config_read(path.text, 1, &override, &config, &error), expected,
                         "%s: %s", text, error.text);
            const char *at = strstr(error.text, key);
            cr_assert_str_eq(at != NULL ? at : "", complaint, "%s", text);
        }
        cr_assert_eq(expected == MD_OK,
                     strstr(" data.val.root data.test.root data.train.root data.root backend "
                            "data.val data.test data.train teacher ",
                            key) != NULL,
                     "%s", key);
    }
}

Test(config_text, null_in_quotes_is_a_word) {
    static const char *const forms[][2] = {
        {"'null'", "null"}, {"\"~\"", "~"}, {"nUll", "nUll"}, {"nulls", "nulls"}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "weights: w\ndata: {set: micro, val: %s}\n", forms[i][0]);
        cr_assert_eq(read_text(text), MD_OK, "%s", error.text);
        cr_assert_str_eq(config.val, forms[i][1]);
    }
    static const char *const empty[] = {"~\n", "null\n", "---\n", "--- ~\n"};
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        cr_assert_eq(read_text(empty[i]), MD_USAGE);
        assert_contains(error.text, "weights is missing");
    }
    cr_assert_eq(read_text(GOOD "augment: [flip, ~]\n"), MD_USAGE);
    cr_assert_eq(read_text(GOOD "cap_m: [80, null]\n"), MD_USAGE);
    assert_contains(error.text, "expected a number, found \"\"");
}

/* Nine lists of nine: 3.8 * 10^8 names when they are expanded. */
Test(config_text, billion_laughs_are_cheap, .timeout = 600) {
    char text[2000] = "weights: w\na0: &a0 [flip]\n";
    for (int i = 1; i <= 9; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1,
                 i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    cr_assert_eq(read_text(text), MD_USAGE);
    assert_contains(error.text, ":2:1: a0: unknown key");
}

/* libyaml's time grows with the square of the nesting: a minute for a file of 200 kB. */
Test(config_text, deep_nesting_and_huge_values_are_refused, .timeout = 600) {
    static const int sizes[] = {4000, 1 << 20};
    for (int i = 0; i < 2; i++) {
        char *text = malloc((size_t)sizes[i] + 1);
        cr_assert(text);
        for (const char *c = "[{x-"; *c; c++) {
            memset(text, *c, (size_t)sizes[i]);
            memcpy(text, "augment: ", 9);
            text[sizes[i]] = '\0';
            cr_assert_eq(read_text(text), MD_USAGE);
            assert_contains(error.text, path.text);
        }
        free(text);
    }
}

/* What stands behind the longest text that is read must not be dropped in silence. */
Test(config_text, a_long_file_is_read_whole_or_refused) {
    char text[40000] = GOOD "# ";
    memset(text + strlen(text), '-', 30000);
    cr_assert_eq(read_text(text), MD_OK, "%s", error.text);
    memset(text + strlen(text), '-', 9000);
    cr_assert_eq(read_text(text), MD_USAGE);
    assert_contains(error.text, "longer than");
}

/* ---- overrides ------------------------------------------------------------------------------- */

static int read_with(char *override) {
    scratch_write_text(path.text, "lr: 0.5\n" GOOD);
    error.text[0] = '\0';
    return md_config_read(path.text, 1, &override, &config, &error);
}

Test(config_text, overrides_win_over_the_file) {
    cr_assert_eq(read_with("lr=0.01"), MD_OK, "%s", error.text);
    cr_assert_eq(config.learning_rate, 0.01);
    static char *const roots[] = {"a b", "a: b", "{x}", "'q'", "@x", "# no comment", "é", "a=b"};
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        char override[80];
        snprintf(override, sizeof override, "data.root=%s", roots[i]);
        cr_assert_eq(read_with(override), MD_OK, "%s", error.text);
        cr_assert_str_eq(config.data.root, roots[i]);
    }
    cr_assert_eq(read_with("augment=[flip]"), MD_OK, "%s", error.text);
    cr_assert_eq(config.augment.set, MD_FLIP);
    cr_assert_eq(read_with("data.train=all[0:7]"), MD_OK, "%s", error.text);
    cr_assert_str_eq(config.train, "all[0:7]");
    cr_assert_eq(read_with("data.val="), MD_OK, "%s", error.text);
    cr_assert_str_eq(config.val, "");
}

Test(config_text, wrong_overrides_are_refused_with_the_key) {
    static const char *const wrong[][2] = {{"lr", "expected key=value"},
                                           {"=3", "expected key=value"},
                                           {"", "expected key=value"},
                                           {"rate=3", "rate: unknown key"},
                                           {"data.=x", "data.: unknown key"},
                                           {"data=3", "data: unknown key"},
                                           {"data={set: micro}", "data: "},
                                           {"data.lr=3", "data.lr: unknown key"},
                                           {"lr=", "lr: expected a number"},
                                           {"lr= 1", "lr: expected a number"},
                                           {"lr=[1]", "lr: expected a single"},
                                           {"augment=flip", "augment: expected a list"},
                                           {"augment=[flip", "augment: "},
                                           {"augment=[flip] x", "augment: expected a list"},
                                           {"augment=[shake]", "augment: "},
                                           {"data.train=[0:1]", "data.train: expected a single"},
                                           {"data.root=a\nb", "data.root: "},
                                           {"data.root=\xff", "data.root: expected UTF-8"},
                                           {"data.root=\x1b[1m", "data.root: expected UTF-8"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char override[80];
        strcpy(override, wrong[i][0]);
        cr_assert_eq(read_with(override), MD_USAGE, "took %s", override);
        assert_contains(error.text, "command line");
        assert_contains(error.text, wrong[i][1]);
    }
}

Test(config_text, of_two_overrides_the_last_one_counts) {
    char *const twice[] = {"lr=1", "data.test=a", "lr=2", "data.test=b"};
    scratch_write_text(path.text, GOOD);
    cr_assert_eq(md_config_read(path.text, 4, twice, &config, &error), MD_OK, "%s", error.text);
    cr_assert(config.learning_rate == 2.0 && strcmp(config.test, "b") == 0);
}

/* ---- data specifications --------------------------------------------------------------------- */

Test(config_text, wrong_data_specifications_are_refused) {
    static const char *const wrong[][2] = {{"", "set is missing"},
                                           {"{}", "set is missing"},
                                           {"{set: micro}", "split is missing"},
                                           {"{split: train}", "set is missing"},
                                           {"micro", "key: value"},
                                           {"[micro]", "key: value"},
                                           {"{set: micro, split: a", "not YAML"},
                                           {"{set: micro, split: a} b", "not YAML"},
                                           {"{set: micro, split: a, split: a}", "split: the key"},
                                           {"{set: micro, split: ''}", "split: must not be empty"},
                                           {"{set: moon, split: a}", "set: expected one of"},
                                           {"{set: micro, split: [a]}", "split: expected a single"},
                                           {"{set: micro, split: a, lr: 1}", "lr: unknown key"},
                                           {"{set: micro, split: a, data: {crop: 1}}", "data"},
                                           {"\xff", "not YAML"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct md_data_spec found;
        cr_assert_eq(md_data_spec_parse(wrong[i][0], &found, &error), MD_USAGE, "took %s",
                     wrong[i][0]);
        assert_contains(error.text, wrong[i][1]);
    }
}
