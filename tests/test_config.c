/* Configs and data specifications: every key, every way to get one wrong. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "../datasets/augment.h"
#include "../datasets/random.h"
#include "../experiments/config.h"
#include "scratch.h"

enum { TEXT_SIZE = 32768, MOST = 12 };

static struct scratch scratch;
static struct scratch_path path; /* of the config under test */
static struct md_config config;
static struct md_error error;

static void set_up(void) {
    scratch = scratch_open();
    path = scratch_path(&scratch, "some.yaml");
    memset(&config, 0xa5, sizeof config); /* reading has to set everything */
}

static void tear_down(void) {
    scratch_close(&scratch);
}

TestSuite(config, .init = set_up, .fini = tear_down);
TestSuite(spec, .init = set_up, .fini = tear_down);

/* ---- the keys -------------------------------------------------------------------------------- */

enum kind { ANY_TEXT, NAME, NAMES, REAL, WHOLE };

/* Values that no key of a kind may take. Those of a real key are refused by whole ones, too. */
static const char *const refused_by_kind[][16] = {
    [ANY_TEXT] = {"[a]", "{a: b}", "\"a\\0b\"", "\"a\\nb\"", "\"\\x07\"", "\"\\u2028\"",
                  "|\n a\n b", NULL},
    [NAME] = {"''", "nonsense", "Adam", "0", "[full]", "{full: 1}", "\"fp32\\0\"", NULL},
    [NAMES] = {"flip", "''", "[[flip]]", "[flip, {gamma: 1}]", "[shake]", "{flip: 1}", "15", NULL},
    [REAL] = {"''", "8x", "0x10", "nan", ".nan", "inf", "1e999", "1e-999", "-1", "1 2", "1,5",
              "--1", "[0.5]", "{a: 0.5}", "\"0.5\\0\"", NULL},
    [WHOLE] = {"1.5", "1e2", "+1", "-0", "true", "99999999999999999999", NULL},
};

/* `accepted` begins with the default (NULL: there is none) and has both ends of the range, and
 * something else than the default; `refused` has what lies just beyond. */
static const struct key_case {
    const char *key;
    enum kind kind;
    const char *accepted[MOST], *refused[MOST];
} run_keys[] = {
    {"weights", ANY_TEXT, {NULL, "scratch", "a b/it''s.h5", "\"tab \\\" é 深.pth\""}, {"''"}},
    {"network", NAME, {"upydnet", "upydnet_large"}, {"upydnet_8x8"}},
    {"format", NAME, {"fp32", "fp64"}, {"fp16"}},
    {"backend", ANY_TEXT, {"''", "ref", "avx2", "blas"}, {"a_name_too_long_"}},
    {"policy", NAME, {"d0", "full", "e+d0", "d0+d1+d2", "encoder"}, {"none", "d3", "d0+", "d0,d1"}},
    {"loss", NAME, {"berhu", "l1", "mse", "rel_l1", "depth_l1"}, {"l2"}},
    {"depth_cap_m", REAL, {"5", "0.1", "1000", "1e1"}, {"0.0999", "1001", "0"}},
    {"optimizer", NAME, {"adam", "sgd"}, {"SGD"}},
    {"lr", REAL, {"0.001", "0", "10", "+.5", "1e-3"}, {"10.0001"}},
    {"schedule", NAME, {"constant", "cosine"}, {"linear"}},
    {"momentum", REAL, {"0", "0.9999", "0.5"}, {"1"}},
    {"weight_decay", REAL, {"0", "1", "1e-4"}, {"1.01"}},
    {"beta1", REAL, {"0.9", "0", "0.99999"}, {"1"}},
    {"beta2", REAL, {"0.999", "0", "0.99999"}, {"1"}},
    {"epsilon", REAL, {"1e-7", "1e-12", "1"}, {"0", "1e-13", "1.1"}},
    {"batch", WHOLE, {"16", "1", "256"}, {"0", "257"}},
    {"epochs", WHOLE, {"1", "0", "100000"}, {"100001"}},
    {"seed", WHOLE, {"0", "18446744073709551615", "007"}, {"18446744073709551616"}},
    {"augment",
     NAMES,
     {"[flip, gamma, gain, brightness]", "[]", "[gain]", "[gamma, flip]"},
     {NULL}},
    {"label", NAME, {"bilinear", "nearest", "release"}, {"bicubic"}},
    {"select", NAME, {"best", "last"}, {"first"}},
    {"protocol", NAME, {"textbook", "release"}, {"book"}},
    {"cap_m", REAL, {"80", "0.1", "1000"}, {"0.09", "1000.1"}},
    {"threads", WHOLE, {"1", "2", "64"}, {"0", "65"}},
    {"data.set", NAME, {NULL, "micro", "matrix", "synthetic"}, {"kitti"}},
    {"data.root", ANY_TEXT, {"''", "/a folder/of 'mine'", "'#1: \\ [x]'"}, {NULL}},
    {"data.world", NAME, {"field", "source"}, {"moon"}},
    {"data.seed", WHOLE, {"1", "0", "18446744073709551615"}, {"18446744073709551616"}},
    {"data.count", WHOLE, {"400", "1", "1000000"}, {"0", "1000001"}},
    {"data.min_depth_m", REAL, {"0.02", "0", "100"}, {"100.1"}},
    {"data.max_depth_m", REAL, {"4", "0.1", "1000"}, {"0.09", "1001"}},
    {"data.crop", WHOLE, {"162", "1", "16384"}, {"0", "16385"}},
    {"data.train", ANY_TEXT, {"train", "'all[0:3]'", "A0,A1"}, {NULL}},
    {"data.val", ANY_TEXT, {"val", "''", "'x[:9]'"}, {NULL}},
    {"data.test", ANY_TEXT, {"test", "'@list'"}, {NULL}},
};
enum { RUN_KEYS = sizeof run_keys / sizeof run_keys[0] };

/* The keys of `run_keys` as a config with one value exchanged (or added, for a default key). */
static void write_with(const struct key_case *changed, const char *value) {
    char text[TEXT_SIZE], data[TEXT_SIZE] = "data:\n";
    size_t length = 0;
    for (const struct key_case *k = run_keys; k < run_keys + RUN_KEYS; k++) {
        const char *chosen = k == changed ? value : k->accepted[0] == NULL ? k->accepted[1] : NULL;
        if (chosen == NULL)
            continue;
        if (strncmp(k->key, "data.", 5) == 0)
            snprintf(data + strlen(data), sizeof data - strlen(data), "  %s: %s\n", k->key + 5,
                     chosen);
        else
            length +=
                (size_t)snprintf(text + length, sizeof text - length, "%s: %s\n", k->key, chosen);
    }
    snprintf(text + length, sizeof text - length, "%s", data);
    scratch_write_text(path.text, text);
}

static int read_file(void) {
    error.text[0] = '\0';
    return md_config_read(path.text, 0, NULL, &config, &error);
}

static int read_text(const char *text) {
    scratch_write_text(path.text, text);
    return read_file();
}

static char *formatted(int all) {
    char *text = malloc(TEXT_SIZE);
    cr_assert(text);
    cr_assert_eq(md_config_format(&config, all, text, TEXT_SIZE), strlen(text));
    return text;
}

static char *formatted_with(const struct key_case *changed, const char *value) {
    write_with(changed, value);
    cr_assert_eq(read_file(), MD_OK, "%s = %s: %s", changed->key, value, error.text);
    return formatted(1);
}

Test(config, table_of_this_test_has_every_key) {
    /* Or else a new key would go untested. */
    char *text = formatted_with(run_keys, "scratch"), *line = strtok(text, "\n");
    const char *prefix = "";
    int found = 0;
    for (; line != NULL; line = strtok(NULL, "\n")) {
        char key[80];
        if (strcmp(line, "data:") == 0) {
            prefix = "data.";
            continue;
        }
        snprintf(key, sizeof key, "%s%.*s", prefix, (int)strcspn(line + strspn(line, " "), ":"),
                 line + strspn(line, " "));
        cr_assert_lt(found, RUN_KEYS, "no case for %s", key);
        cr_assert_str_eq(key, run_keys[found].key);
        found++;
    }
    cr_assert_eq(found, RUN_KEYS);
    free(text);
}

/* Also that no key reads into another one's field: a change shows in its own line only. */
Test(config, every_key_takes_its_good_values_and_has_its_default) {
    for (const struct key_case *k = run_keys; k < run_keys + RUN_KEYS; k++) {
        char *preset = formatted_with(k, k->accepted[k->accepted[0] == NULL]);
        if (k->accepted[0] != NULL) {
            char *left_out = formatted_with(k, NULL);
            cr_assert_str_eq(left_out, preset, "%s: not the default", k->key);
            free(left_out);
        }
        for (int v = (k->accepted[0] == NULL) + 1; k->accepted[v] != NULL; v++) {
            char *text = formatted_with(k, k->accepted[v]);
            size_t same = 0;
            while (text[same] == preset[same] && text[same] != '\0')
                same++;
            while (same > 0 && text[same - 1] != '\n')
                same--;
            int is_default = text[same] == '\0';
            const char *name = strchr(k->key, '.') ? strchr(k->key, '.') + 1 : k->key;
            cr_assert(is_default ? strtod(k->accepted[v], NULL) == strtod(k->accepted[0], NULL)
                                 : strncmp(text + same + strspn(text + same, " "), name,
                                           strlen(name)) == 0,
                      "%s: %s shows at %.60s", k->key, k->accepted[v], text + same);
            cr_assert_str_eq(strchr(text + same, '\n') ? strchr(text + same, '\n') : "",
                             strchr(preset + same, '\n') ? strchr(preset + same, '\n') : "",
                             "%s: %s changes another key too", k->key, k->accepted[v]);
            free(text);
        }
        free(preset);
    }
}

/* The line of the file, counted from 1, on which the key stands. */
static int line_of(const char *key) {
    const char *dot = strchr(key, '.');
    char name[80];
    size_t size;
    char *text = (char *)scratch_read(path.text, &size);
    text[size] = '\0';
    snprintf(name, sizeof name, "\n%s%s: ", dot ? "  " : "", dot ? dot + 1 : key);
    const char *at = strncmp(text, name + 1, strlen(name + 1)) == 0 ? text - 1 : strstr(text, name);
    cr_assert(at);
    int line = 1;
    for (const char *c = text; c <= at; c++)
        line += *c == '\n';
    free(text);
    return line;
}

static void assert_refused(const struct key_case *k, const char *value) {
    char place[1800];
    write_with(k, value);
    cr_assert_eq(read_file(), MD_USAGE, "%s took %s", k->key, value);
    snprintf(place, sizeof place, "%s:%d: %s: ", path.text, line_of(k->key), k->key);
    assert_contains(error.text, place);
}

Test(config, every_key_refuses_bad_values_with_file_line_and_key) {
    int count = 0;
    for (const struct key_case *k = run_keys; k < run_keys + RUN_KEYS; k++) {
        for (int v = 0; k->refused[v] != NULL; v++, count++)
            assert_refused(k, k->refused[v]);
        for (int kind = k->kind == WHOLE ? REAL : k->kind; kind <= (int)k->kind; kind++)
            for (int v = 0; refused_by_kind[kind][v] != NULL; v++, count++)
                assert_refused(k, refused_by_kind[kind][v]);
    }
    cr_assert_gt(count, 300);
}

Test(config, text_as_long_as_its_field_fits_and_one_more_does_not) {
    char value[sizeof config.train + 1];
    for (const struct key_case *k = run_keys; k < run_keys + RUN_KEYS; k++) {
        size_t room = strcmp(k->key, "weights") == 0     ? sizeof config.weights
                      : strcmp(k->key, "data.root") == 0 ? sizeof config.data.root
                      : strcmp(k->key, "data.test") == 0 ? sizeof config.test
                                                         : 0;
        if (room == 0)
            continue;
        memset(value, 'x', room);
        value[room] = '\0';
        assert_refused(k, value);
        assert_contains(error.text, "longer than");
        value[room - 1] = '\0';
        free(formatted_with(k, value));
    }
}

Test(config, fields_hold_what_the_keys_say) {
    char *const overrides[] = {"network=upydnet_large",
                               "format=fp64",
                               "backend=ref",
                               "policy=e+d1",
                               "loss=depth_l1",
                               "depth_cap_m=7",
                               "optimizer=sgd",
                               "lr=0.25",
                               "schedule=cosine",
                               "momentum=0.5",
                               "weight_decay=0.1",
                               "beta1=0.2",
                               "beta2=0.3",
                               "epsilon=0.4",
                               "batch=3",
                               "epochs=4",
                               "seed=5",
                               "augment=[gain, flip]",
                               "label=nearest",
                               "select=last",
                               "protocol=release",
                               "cap_m=6",
                               "threads=8",
                               "weights=w",
                               "data.set=matrix",
                               "data.root=r",
                               "data.world=source",
                               "data.seed=9",
                               "data.count=10",
                               "data.min_depth_m=0.5",
                               "data.max_depth_m=11",
                               "data.crop=12",
                               "data.train=a",
                               "data.val=b",
                               "data.test=c"};
    enum { COUNT = sizeof overrides / sizeof overrides[0] };
    cr_assert_eq(COUNT, RUN_KEYS, "a key is missing here");
    cr_assert_eq(md_config_read(NULL, COUNT, overrides, &config, &error), MD_OK, "%s", error.text);
    cr_assert_str_eq(md_networks[config.network]->name, "upydnet_large");
    cr_assert_str_eq(md_format_names[config.format], "fp64");
    cr_assert_str_eq(config.backend, "ref");
    cr_assert_eq(md_config_policy(&config), 1u << MD_ENCODER | 1u << MD_DECODER1);
    cr_assert_eq(config.loss, MD_DEPTH_L1);
    cr_assert_eq(config.optimizer, MD_SGD);
    cr_assert_eq(config.schedule, MD_SCHEDULE_COSINE);
    cr_assert_eq(config.augment, MD_GAIN | MD_FLIP);
    cr_assert_eq(config.label, MD_LABEL_NEAREST);
    cr_assert_eq(config.select, MD_SELECT_LAST);
    cr_assert_eq(config.protocol, MD_RELEASE);
    const double reals[][2] = {{config.depth_cap_m, 7},
                               {config.learning_rate, 0.25},
                               {config.momentum, 0.5},
                               {config.weight_decay, 0.1},
                               {config.beta1, 0.2},
                               {config.beta2, 0.3},
                               {config.epsilon, 0.4},
                               {config.cap_m, 6},
                               {config.data.min_depth_m, 0.5},
                               {config.data.max_depth_m, 11},
                               {config.batch, 3},
                               {config.epochs, 4},
                               {(double)config.seed, 5},
                               {config.threads, 8},
                               {(double)config.data.seed, 9},
                               {(double)config.data.count, 10},
                               {config.data.crop, 12}};
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++)
        cr_assert_eq(reals[i][0], reals[i][1], "pair %zu", i);
    const char *texts[][2] = {{config.weights, "w"},   {config.data.set, "matrix"},
                              {config.data.root, "r"}, {config.data.world, "source"},
                              {config.train, "a"},     {config.val, "b"},
                              {config.test, "c"}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        cr_assert_str_eq(texts[i][0], texts[i][1]);
}

/* The choices are indices into core's own tables. */
Test(config, choices_stand_in_the_order_of_core) {
    const struct {
        const char *key, *const *names;
        int count, *field;
    } choices[] = {{"format", md_format_names, MD_FORMAT_COUNT, &config.format},
                   {"loss", md_loss_names, MD_LOSS_COUNT, &config.loss},
                   {"optimizer", md_optimizer_names, MD_OPTIMIZER_COUNT, &config.optimizer},
                   {"protocol", md_protocol_names, MD_PROTOCOL_COUNT, &config.protocol}};
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++)
        for (int v = 0; v < choices[i].count; v++) {
            char override[80], *overrides[] = {override, "weights=w", "data.set=synthetic"};
            snprintf(override, sizeof override, "%s=%s", choices[i].key, choices[i].names[v]);
            cr_assert_eq(md_config_read(NULL, 3, overrides, &config, &error), MD_OK, "%s",
                         error.text);
            cr_assert_eq(*choices[i].field, v, "%s", override);
        }
}

/* ---- files ----------------------------------------------------------------------------------- */

#define GOOD "weights: w\ndata: {set: synthetic}\n"

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

Test(config, broken_files_are_refused_with_the_line) {
    for (size_t i = 0; i < sizeof broken_files / sizeof broken_files[0]; i++) {
        const struct file_case *f = &broken_files[i];
        char place[1700];
        cr_assert_eq(read_text(f->text), MD_USAGE, "%s was taken", f->name);
        snprintf(place, sizeof place, f->line ? "%s:%d:" : "%s: ", path.text, f->line);
        assert_contains(error.text, place);
        assert_contains(error.text, f->message);
    }
}

Test(config, whatever_is_no_file_fails) {
    cr_assert_eq(read_file(), MD_FAILED);
    assert_contains(error.text, path.text);
    assert_contains(error.text, "No such file");
    cr_assert_eq(md_config_read(scratch.folder, 0, NULL, &config, &error), MD_FAILED);
    assert_contains(error.text, scratch.folder);
    assert_contains(error.text, "directory");
}

/* Every beginning of a good config is a config, an error in YAML or one in a key, and no crash. */
Test(config, prefixes_and_single_byte_changes_do_not_crash) {
    static const char changes[] = "\x01\xff'{\n";
    free(formatted_with(run_keys, "scratch"));
    char *text = formatted(1);
    size_t size = strlen(text), good = 0, bad = 0;
    for (size_t i = 0; i < size; i++) {
        char kept = text[i];
        scratch_write(path.text, text, i);
        *(read_file() == MD_OK ? &good : &bad) += 1;
        text[i] = changes[i % (sizeof changes - 1)];
        *(read_text(text) == MD_OK ? &good : &bad) += 1;
        text[i] = kept;
    }
    cr_assert(good > 0 && bad > 0);
    free(text);
}

Test(config, good_forms) {
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
    cr_assert_eq(read_text("weights: w\nmomentum: &m 0.5\nlr: *m\ndata: {set: micro}\n"), MD_OK);
    cr_assert_eq(config.learning_rate, 0.5); /* an alias means what its anchor says */
}

/* Nine lists of nine: 3.8 * 10^8 names when they are expanded. */
Test(config, billion_laughs_are_cheap, .timeout = 20) {
    char text[2000] = "weights: w\na0: &a0 [flip]\n";
    for (int i = 1; i <= 9; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1,
                 i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    cr_assert_eq(read_text(text), MD_USAGE);
    assert_contains(error.text, ":2: a0: unknown key");
}

Test(config, deep_nesting_and_huge_values_are_refused) {
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE);
    cr_assert(text);
    for (const char *c = "[{x-"; *c; c++) {
        memset(text, *c, SIZE);
        memcpy(text, "augment: ", 9);
        text[SIZE - 1] = '\0';
        cr_assert_eq(read_text(text), MD_USAGE);
    }
    free(text);
}

/* ---- overrides ------------------------------------------------------------------------------- */

static int read_with(char *override) {
    scratch_write_text(path.text, "lr: 0.5\n" GOOD);
    error.text[0] = '\0';
    return md_config_read(path.text, 1, &override, &config, &error);
}

Test(config, overrides_win_over_the_file) {
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
    cr_assert_eq(config.augment, MD_FLIP);
    cr_assert_eq(read_with("data.train=all[0:7]"), MD_OK, "%s", error.text);
    cr_assert_str_eq(config.train, "all[0:7]");
    cr_assert_eq(read_with("data.val="), MD_OK, "%s", error.text);
    cr_assert_str_eq(config.val, "");
}

Test(config, wrong_overrides_are_refused_with_the_key) {
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
    char *const twice[] = {"lr=1", "lr=1"};
    cr_assert_eq(md_config_read(path.text, 2, twice, &config, &error), MD_USAGE);
    assert_contains(error.text, "lr: the key is given twice");
}

/* ---- writing --------------------------------------------------------------------------------- */

static struct md_random dice;

static const char *random_value(const struct key_case *k, char text[400]) {
    static const char *const letters[] = {"a", "'",  "\"", "\\", " ", "#", ": ", "{", "]", ",", "%",
                                          "é", "深", "😀",  "!",  "&", "*", "-",  "?", "=", "\t"};
    int choices = 1;
    while (k->accepted[choices] != NULL)
        choices++;
    const char *chosen = k->accepted[md_random_below(&dice, (uint32_t)choices)];
    if (k->kind == REAL)
        snprintf(text, 400, "%.17g", md_random_range(&dice, 0.1, 0.99));
    else if (k->kind == ANY_TEXT && strcmp(k->key, "backend") != 0) {
        snprintf(text, 400, "x");
        for (uint32_t n = md_random_below(&dice, 40); n > 0; n--)
            strcat(text, letters[md_random_below(&dice, sizeof letters / sizeof letters[0] - 1)]);
    } else if (k->kind == ANY_TEXT || chosen == NULL)
        snprintf(text, 400, "%s", k->accepted[1]);
    else
        snprintf(text, 400, "%s", chosen);
    return text;
}

Test(config, what_is_written_reads_back_equal) {
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
        cr_assert_eq(md_config_read(NULL, RUN_KEYS, pointers, &config, &error), MD_OK, "%s",
                     error.text);
        struct md_config before = config;
        char *first = formatted(1);
        cr_assert_eq(read_text(first), MD_OK, "%s\n%s", error.text, first);
        char *second = formatted(1);
        cr_assert_str_eq(first, second);
        cr_assert_str_eq(config.train, before.train);
        cr_assert_eq(config.learning_rate, before.learning_rate);
        free(first);
        free(second);
    }
}

Test(config, only_threads_is_left_out_of_what_can_change_a_result) {
    for (const struct key_case *k = run_keys; k < run_keys + RUN_KEYS; k++) {
        const char *other = k->accepted[1] && k->accepted[0] ? k->accepted[1] : k->accepted[2];
        free(formatted_with(k, k->accepted[k->accepted[0] == NULL]));
        char *before = formatted(0);
        free(formatted_with(k, other));
        char *after = formatted(0);
        cr_assert_eq(strcmp(before, after) == 0, strcmp(k->key, "threads") == 0, "%s", k->key);
        free(before);
        free(after);
    }
}

Test(config, format_returns_the_length_and_stays_in_its_room) {
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

/* ---- data specifications --------------------------------------------------------------------- */

Test(spec, keys_and_defaults) {
    struct md_data_spec found;
    memset(&found, 0xa5, sizeof found);
    cr_assert_eq(
        md_data_spec_parse("{set: matrix, split: 'x[0:2]', root: a b, crop: 9}", &found, &error),
        MD_OK, "%s", error.text);
    cr_assert_str_eq(found.set, "matrix");
    cr_assert_str_eq(found.split, "x[0:2]");
    cr_assert_str_eq(found.root, "a b");
    cr_assert_str_eq(found.world, md_data_spec_default.world);
    cr_assert_eq(found.crop, 9);
    cr_assert_eq(found.seed, md_data_spec_default.seed);
    cr_assert_eq(found.min_depth_m, md_data_spec_default.min_depth_m);
    cr_assert_eq(found.max_depth_m, md_data_spec_default.max_depth_m);
}

Test(spec, the_data_keys_of_a_config_are_its_keys) {
    int count = 0;
    for (const struct key_case *k = run_keys; k < run_keys + RUN_KEYS; k++) {
        struct md_data_spec found;
        char text[200];
        const char *key = k->key + 5, *value = k->accepted[1];
        if (strncmp(k->key, "data.", 5) != 0 || strcmp(key, "set") == 0)
            continue;
        int is_split =
            strcmp(key, "train") == 0 || strcmp(key, "val") == 0 || strcmp(key, "test") == 0;
        snprintf(text, sizeof text, "{set: synthetic, split: s, %s: %s}", key, value);
        cr_assert_eq(md_data_spec_parse(text, &found, &error), is_split ? MD_USAGE : MD_OK,
                     "%s: %s", text, error.text);
        for (int v = 0; v < MOST && k->refused[v] != NULL; v++, count++) {
            snprintf(text, sizeof text, "{set: synthetic, split: s, %s: %s}", key, k->refused[v]);
            cr_assert_eq(md_data_spec_parse(text, &found, &error), MD_USAGE, "took %s", text);
            assert_contains(error.text, "data:1: ");
            assert_contains(error.text, key);
        }
    }
    cr_assert_gt(count, 5);
}

Test(spec, wrong_texts_are_refused) {
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
                                           {"{set: nyu, split: a}", "set: expected one of"},
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
