/* Configs and data specifications: every key, what it takes and what it refuses. (Broken files and
 * overrides: test_config_text.c.) */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "../datasets/augment.h"
#include "../datasets/random.h"
#include "../datasets/sensor.h"
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

TestSuite(config, .init = set_up, .fini = tear_down, .timeout = 600);

/* ---- the keys -------------------------------------------------------------------------------- */

enum kind { ANY_TEXT, NAME, NAMES, REAL, WHOLE, CAPS };

/* Values that no key of a kind may take. Those of a real key are refused by whole ones, too. */
static const char *const refused_by_kind[][16] = {
    [ANY_TEXT] = {"[a]", "{a: b}", "\"a\\0b\"", "\"a\\nb\"", "\"\\x07\"", "|\n      a\n      b",
                  NULL},
    [NAME] = {"''", "nonsense", "Adam", "0", "[full]", "{full: 1}", "\"fp32\\0\"", NULL},
    [NAMES] = {"flip", "''", "[[flip]]", "[flip, {gamma: 1}]", "[shake]", "{flip: 1}", "15", NULL},
    [REAL] = {"''", "8x", "0x10", "nan", ".nan", "inf", "1e999", "1e-999", "-1", "1 2", "1,5",
              "--1", "[0.5]", "{a: 0.5}", "\"0.5\\0\"", NULL},
    [CAPS] = {"''", "8x", "nan", "inf", "-1", "0", "1,5", "[]", "[[80]]", "[80, x]", "[80, '']",
              "[80, {a: 1}]", "{a: 80}", "\"80\\0\"", "[80, \"15\\0\"]"},
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
    {"format", NAME, {"fp32", "fp64"}, {"fp8"}},
    {"backend", ANY_TEXT, {"''", "ref", "avx2", "blas"}, {"a_name_too_long_"}},
    {"policy", NAME, {"d0", "full", "e+d0", "d0+d1+d2", "encoder"}, {"none", "d3", "d0+", "d0,d1"}},
    {"budget_kb", WHOLE, {"0", "100000000", "9000000"}, {"100000001"}},
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
    {"moments", NAME, {"format", "fp32"}, {"fp16"}},
    {"loss_scale",
     WHOLE,
     {"1", "2", "16777216", "1024"},
     {"0", "3", "1023", "16777217", "33554432"}},
    {"update", NAME, {"plain", "stochastic", "master", "kahan"}, {"compensated"}},
    {"batch", WHOLE, {"16", "1", "256"}, {"0", "257"}},
    {"epochs", WHOLE, {"1", "0", "100000"}, {"100001"}},
    {"seed", WHOLE, {"0", "18446744073709551615", "007"}, {"18446744073709551616"}},
    {"augment",
     NAMES,
     {"[flip, gamma, gain, brightness]", "[]", "[gain]", "[gamma, flip]", "[crop]"},
     {NULL}},
    {"label", NAME, {"bilinear", "nearest", "release", "sparse", "pooled"}, {"bicubic"}},
    {"select", NAME, {"best", "last"}, {"first"}},
    {"protocol", NAME, {"textbook", "release"}, {"book"}},
    {"cap_m",
     CAPS,
     {"80", "0.1", "1000", "[15]", "[80, 15, 25, 50]", "[1, 2, 3, 4, 5, 6, 7, 8]"},
     {"0.09", "1000.1", "[80, 1000.1]", "[80, 15, 80.0]", "[1, 2, 3, 4, 5, 6, 7, 8, 9]"}},
    {"threads", WHOLE, {"1", "2", "64"}, {"0", "65"}},
    /* These have one range and crop. */
    {"data.set", NAME, {NULL, "micro", "recording", "synthetic"}, {"cityscapes"}},
    {"data.root", ANY_TEXT, {"''", "/a folder/of 'mine'", "'#1: \\ [x]'"}, {NULL}},
    {"data.fraction", WHOLE, {"100", "1", "20"}, {"0", "101"}},
    {"data.label", NAME, {"dense", "tof8"}, {"sparse"}},
    {"data.sensor", NAME, {"pool", "vl53l5cx"}, {"vl53l1x"}},
    {"data.targets", WHOLE, {"1", "2", "4"}, {"0", "5"}},
    {"data.ambient", REAL, {"0", "0.1", "1000"}, {"1001"}},
    {"data.sensor_fov_deg", REAL, {"45", "0.1", "179"}, {"0.09", "180"}},
    {"data.camera_fov_h_deg", REAL, {"0", "90", "179"}, {"180"}},
    {"data.camera_fov_v_deg", REAL, {"0", "90", "179"}, {"180"}},
    {"data.alignment", NAME, {"crop", "pad"}, {"none"}},
    {"data.truth", NAME, {"full", "label"}, {"none"}},
    {"data.evaluation_crop", NAME, {"none", "garg", "eigen", "nyu"}, {"kitti"}},
    {"data.depth", NAME, {"auto", "groundtruth", "velodyne_raw", "lidar"}, {"stereo"}},
    {"data.picture", NAME, {"square", "whole"}, {"half"}},
    {"data.world", NAME, {"field", "source", "road", "arena"}, {"moon"}},
    {"data.seed", WHOLE, {"1", "0", "18446744073709551615"}, {"18446744073709551616"}},
    {"data.count", WHOLE, {"400", "1", "1000000"}, {"0", "1000001"}},
    {"data.min_depth_m", REAL, {"0.02", "0", "100"}, {"100.1"}},
    {"data.max_depth_m", REAL, {"4", "0.1", "1000"}, {"1001"}},
    {"data.crop", WHOLE, {"0", "1", "16384"}, {"-1", "16385"}},
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
                               "budget_kb=900000",
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
                               "moments=fp32",
                               "loss_scale=16",
                               "update=kahan",
                               "batch=3",
                               "epochs=4",
                               "seed=5",
                               "augment=[gain, flip]",
                               "label=nearest",
                               "select=last",
                               "protocol=release",
                               "cap_m=[6, 3.5]",
                               "threads=8",
                               "weights=w",
                               "data.set=matrix",
                               "data.root=r",
                               "data.fraction=20",
                               "data.label=tof8",
                               "data.sensor=vl53l5cx",
                               "data.targets=3",
                               "data.ambient=0.25",
                               "data.sensor_fov_deg=40",
                               "data.camera_fov_h_deg=80",
                               "data.camera_fov_v_deg=60",
                               "data.alignment=pad",
                               "data.truth=label",
                               "data.evaluation_crop=garg",
                               "data.depth=lidar",
                               "data.picture=whole",
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
    cr_assert_eq(config.moments, MD_MOMENTS_FP32);
    cr_assert_eq(config.storing, MD_STORE_KAHAN);
    cr_assert_eq(config.augment, MD_GAIN | MD_FLIP);
    cr_assert_eq(config.label, MD_LABEL_NEAREST);
    cr_assert_eq(config.select, MD_SELECT_LAST);
    cr_assert_eq(config.protocol, MD_RELEASE);
    cr_assert_eq(config.data.label, MD_GRID_TOF8);
    cr_assert_eq(config.data.sensor, MD_SENSOR_VL53L5CX);
    cr_assert_eq(config.data.alignment, MD_ALIGN_PAD);
    cr_assert_eq(config.data.truth, MD_TRUTH_LABEL);
    cr_assert_eq(config.data.evaluation_crop, MD_CROP_GARG);
    cr_assert_eq(config.data.depth, MD_DEPTH_LIDAR);
    cr_assert_eq(config.data.picture, MD_PICTURE_WHOLE);
    const double reals[][2] = {{config.depth_cap_m, 7},
                               {config.learning_rate, 0.25},
                               {config.momentum, 0.5},
                               {config.weight_decay, 0.1},
                               {config.beta1, 0.2},
                               {config.beta2, 0.3},
                               {config.epsilon, 0.4},
                               {config.caps.count, 2},
                               {config.caps.m[0], 6},
                               {config.caps.m[1], 3.5},
                               {config.data.min_depth_m, 0.5},
                               {config.data.max_depth_m, 11},
                               {config.loss_scale, 16},
                               {config.batch, 3},
                               {config.epochs, 4},
                               {(double)config.seed, 5},
                               {config.threads, 8},
                               {(double)config.data.seed, 9},
                               {(double)config.data.count, 10},
                               {config.budget_kb, 900000},
                               {config.data.fraction, 20},
                               {config.data.targets, 3},
                               {config.data.ambient, 0.25},
                               {config.data.sensor_fov_deg, 40},
                               {config.data.camera_fov_h_deg, 80},
                               {config.data.camera_fov_v_deg, 60},
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
                   {"moments", md_moments_names, MD_MOMENTS_COUNT, &config.moments},
                   {"update", md_storing_names, MD_STORING_COUNT, &config.storing},
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

Test(config, a_loss_scale_that_is_no_power_of_two_is_told_so) {
    char *overrides[] = {"weights=w", "data.set=synthetic", "loss_scale=1000"};
    cr_assert_eq(md_config_read(NULL, 3, overrides, &config, &error), MD_USAGE);
    assert_contains(error.text, "loss_scale: expected a power of two, found 1000");
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

/* Weights and data count by what is in them, which is not the config's to know. */
Test(config, what_cannot_change_a_result_is_left_out) {
    for (const struct key_case *k = run_keys; k < run_keys + RUN_KEYS; k++) {
        const char *other = k->accepted[1] && k->accepted[0] ? k->accepted[1] : k->accepted[2];
        free(formatted_with(k, k->accepted[k->accepted[0] == NULL]));
        char *before = formatted(0);
        free(formatted_with(k, other));
        char *after = formatted(0);
        int left_out = strstr("threads budget_kb weights data.root", k->key) != NULL;
        cr_assert_eq(strcmp(before, after) == 0, left_out, "%s", k->key);
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

/* ---- one key by its number ------------------------------------------------------------------- */

Test(config, keys_have_numbers_in_the_order_of_the_table) {
    char name[MD_CONFIG_NAME_SIZE];
    for (int k = 0; k < RUN_KEYS; k++) {
        cr_assert_eq(md_config_key(k, name), 0);
        cr_assert_str_eq(name, run_keys[k].key);
        cr_assert_eq(md_config_find(name), k);
        cr_assert_eq(md_config_decides(k), strstr("threads budget_kb", name) == NULL, "%s", name);
    }
    cr_assert_eq(md_config_key(RUN_KEYS, name), -1);
    cr_assert_eq(md_config_find("lr "), -1);
}

/* A default is one, anything else is not; the order of two values is that of their fields, and
 * exchanging them turns it round. */
Test(config, values_are_ordered_and_know_their_default) {
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

Test(config, numbers_are_ordered_by_size_and_written_shortly) {
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

Test(config, a_snapshot_is_read_back) {
    char *text = formatted_with(run_keys, "'it''s.h5'");
    cr_assert_eq(md_config_parse(text, "a cell", &config, &error), MD_OK, "%s", error.text);
    char *again = formatted(1);
    cr_assert_str_eq(text, again);
    cr_assert_eq(md_config_parse("weights: a\nlr: x\n", "a cell", &config, &error), MD_USAGE);
    assert_contains(error.text, "a cell:2: lr: expected a number");
    free(text);
    free(again);
}

/* ---- data specifications --------------------------------------------------------------------- */

Test(config, data_spec_keys_and_defaults) {
    struct md_data_spec found;
    memset(&found, 0xa5, sizeof found);
    cr_assert_eq(
        md_data_spec_parse("{set: matrix, split: 'x[0:2]', root: a b, crop: 9}", &found, &error),
        MD_OK, "%s", error.text);
    cr_assert_str_eq(found.set, "matrix");
    cr_assert_str_eq(found.split, "x[0:2]");
    cr_assert_str_eq(found.root, "a b");
    cr_assert_str_eq(found.world, "field");
    cr_assert_eq(found.crop, 9);
    cr_assert_eq(found.seed, 1);
    cr_assert_eq(found.min_depth_m, 0.02);
    cr_assert_eq(found.max_depth_m, 4);
}

Test(config, data_spec_has_the_data_keys_of_a_config) {
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
