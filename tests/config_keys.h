/* Every key of a config with what it takes and refuses, and a config file of them. Static state and
 * functions; include it in one file of a program. */
#ifndef MD_TESTS_CONFIG_KEYS_H
#define MD_TESTS_CONFIG_KEYS_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "../experiments/config.h"
#include "scratch.h"

enum { TEXT_SIZE = 32768, MOST = 15 };

static struct scratch_path path; /* of the config under test */
static struct md_config config;
static struct md_error error;

static inline void set_up(void) {
    scratch = scratch_open();
    path = scratch_path(&scratch, "some.yaml");
    memset(&config, 0xa5, sizeof config); /* reading has to set everything */
}

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
    {"policy",
     NAME,
     {"d0", "full", "e+d0", "d0+d1+d2", "encoder", "last", "d0+biases"},
     {"none", "d3", "d0+", "d0,d1"}},
    {"budget_kb", WHOLE, {"0", "100000000", "9000000"}, {"100000001"}},
    {"plan",
     NAME,
     {"auto", "lean", "share+at_once", "lean+flash", "plain"},
     {"fastest", "lean+", "lean+auto", "share at_once"}},
    {"band", WHOLE, {"0", "8", "4096"}, {"4097"}},
    {"front", NAME, {"auto", "ups0", "decoder1.conv0"}, {"ups9", "encoder.conv3"}},
    {"loss",
     NAME,
     {"berhu", "l1", "mse", "rel_l1", "depth_l1", "rmse", "silog", "robust", "grad", "vnl",
      "photometric", "{rmse: 1, grad: 0.25}", "{silog: 1e-6}", "'{l1: 1000, mse: .5}'"},
     {"l2", "{}", "{rmse}", "{rmse: 0}", "{rmse: 1001}", "{rmse: x}", "{rmse: 1, rmse: 1}",
      "{l2: 1}", "{rmse: {l1: 1}}", "'{rmse: 1'", "'{rmse: 1,}'", "{rmse: }"}},
    {"loss_average", NAME, {"own", "pixel", "picture"}, {"batch"}},
    {"loss_weights", NAME, {"fixed", "dynamic"}, {"kendall"}},
    {"depth_cap_m", REAL, {"5", "0.1", "1000", "1e1"}, {"0.0999", "1001", "0"}},
    {"stereo_width", WHOLE, {"360", "1", "100000"}, {"0", "100001"}},
    {"smoothness", REAL, {"0.001", "0", "100"}, {"101"}},
    {"teacher", ANY_TEXT, {"''", "a b/it''s.h5", "t"}, {NULL}},
    {"teacher_network", NAME, {"upydnet_large", "upydnet"}, {"upydnet_8x8"}},
    {"distill", REAL, {"10", "0", "1000", "2.5"}, {"1000.1"}},
    {"optimizer", NAME, {"adam", "sgd"}, {"SGD"}},
    {"lr", REAL, {"0.001", "0", "10", "+.5", "1e-3"}, {"10.0001"}},
    {"schedule", NAME, {"constant", "cosine", "polynomial"}, {"linear"}},
    {"schedule_by", NAME, {"epoch", "step"}, {"batch"}},
    {"lr_floor", REAL, {"0", "1", "0.25"}, {"1.01"}},
    {"lr_power", REAL, {"0.9", "0.01", "100"}, {"0", "101"}},
    {"warmup", WHOLE, {"0", "1000000", "1500"}, {"1000001"}},
    {"momentum", REAL, {"0", "0.9999", "0.5"}, {"1"}},
    {"weight_decay", REAL, {"0", "1", "1e-4"}, {"1.01"}},
    {"decay", NAME, {"l2", "decoupled"}, {"adamw"}},
    {"beta1", REAL, {"0.9", "0", "0.99999"}, {"1"}},
    {"beta2", REAL, {"0.999", "0", "0.99999"}, {"1"}},
    {"epsilon", REAL, {"1e-7", "1e-12", "1"}, {"0", "1e-13", "1.1"}},
    {"clip_norm", REAL, {"0", "1000000", "35"}, {"1000001"}},
    {"moments", NAME, {"format", "fp32"}, {"fp16"}},
    {"loss_scale",
     WHOLE,
     {"1", "2", "16777216", "1024"},
     {"0", "3", "1023", "16777217", "33554432"}},
    {"weight_storage", NAME, {"plain", "stochastic", "master", "kahan"}, {"compensated"}},
    {"batch", WHOLE, {"16", "1", "256"}, {"0", "257"}},
    {"epochs", WHOLE, {"1", "0", "100000"}, {"100001"}},
    {"seed", WHOLE, {"0", "18446744073709551615", "007"}, {"18446744073709551616"}},
    {"augment",
     NAMES,
     {"[flip, gamma, gain, brightness]", "[]", "[gain]", "[gamma, flip]", "[crop]"},
     {NULL}},
    {"augment_probability", REAL, {"0.5", "0", "1", "0.9"}, {"1.1"}},
    {"augment_strengths", NAME, {"given", "measured"}, {"auto"}},
    {"augment_gamma", REAL, {"0.2", "0", "0.95"}, {"0.96"}},
    {"augment_gain", REAL, {"0.2", "0", "1"}, {"1.1"}},
    {"augment_brightness", REAL, {"2", "1", "10"}, {"0.9", "10.1"}},
    {"augment_crop", REAL, {"0.5", "0.05", "1"}, {"0.04", "1.1"}},
    {"augment_shift", WHOLE, {"3", "0", "24"}, {"-1", "25"}},
    {"augment_zoom", REAL, {"0.1", "0", "0.5"}, {"0.6"}},
    {"augment_noise", REAL, {"8", "0", "100"}, {"101"}},
    {"augment_cutout", REAL, {"0.3", "0", "1"}, {"1.1"}},
    {"label_mode", NAME, {"bilinear", "nearest", "release", "sparse", "pooled"}, {"bicubic"}},
    {"select", NAME, {"best", "last"}, {"first"}},
    {"early_stop", WHOLE, {"0", "3", "100000"}, {"-1", "100001"}},
    {"protocol", NAME, {"textbook", "release"}, {"book"}},
    {"flip_at_test", NAME, {"off", "on"}, {"both"}},
    {"mean_share", REAL, {"0", "0.1", "0.9"}, {"-0.1", "0.91", "1"}},
    {"cap_m",
     CAPS,
     {"80", "0.1", "1000", "[15]", "[80, 15, 25, 50]", "[1, 2, 3, 4, 5, 6, 7, 8]"},
     {"0.09", "1000.1", "[80, 1000.1]", "[80, 15, 80.0]", "[1, 2, 3, 4, 5, 6, 7, 8, 9]"}},
    {"threads", WHOLE, {"1", "2", "64"}, {"0", "65"}},
    {"checkpoint_s", WHOLE, {"60", "0", "1000000"}, {"-1", "1000001"}},
    /* These have one range and crop. */
    {"data.set", NAME, {NULL, "micro", "recording", "synthetic"}, {"cityscapes"}},
    {"data.root", ANY_TEXT, {"''", "/a folder/of 'mine'", "'#1: \\ [x]'"}, {NULL}},
    {"data.fraction", WHOLE, {"100", "1", "20"}, {"0", "101"}},
    {"data.target", NAME, {"auto", "nearest", "farthest", "both"}, {"all"}},
    {"data.statuses", NAME, {"valid", "certain", "likely"}, {"5"}},
    {"data.frames", WHOLE, {"1", "2", "8"}, {"0", "9"}},
    {"data.gate_frames", REAL, {"0", "0.1", "10"}, {"10.1"}},
    {"data.gate_neighbours", REAL, {"0", "0.1", "10"}, {"10.1"}},
    {"data.min_zones", WHOLE, {"0", "1", "64"}, {"-1", "65"}},
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
    {"data.depth_per_m",
     REAL,
     {"1000", "0.001", "1000000", "5000", "6553.5"},
     {"0", "0.0009", "1000001"}},
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
    {"data.train.root", ANY_TEXT, {"''", "a/b"}, {NULL}},
    {"data.val.root", ANY_TEXT, {"''", "a/b"}, {NULL}},
    {"data.test.root", ANY_TEXT, {"''", "a/b"}, {NULL}},
    {"data.evaluation_min_zones", WHOLE, {"0", "1", "64"}, {"-1", "65"}},
};
enum { RUN_KEYS = sizeof run_keys / sizeof run_keys[0] };

/* What keys need beside them to have an effect. */
static const struct context {
    const char *key, *with[2][2];
} contexts[] = {
    {"depth_cap_m", {{"loss", "depth_l1"}}},
    {"schedule", {{"epochs", "2"}}},
    {"schedule_by", {{"schedule", "cosine"}, {"epochs", "2"}}},
    {"lr_floor", {{"schedule", "cosine"}, {"epochs", "2"}}},
    {"lr_power", {{"schedule", "polynomial"}, {"epochs", "2"}}},
    {"moments", {{"format", "bf16"}}},
    {"augment_crop", {{"augment", "[flip, crop]"}}},
    {"augment_shift", {{"augment", "[shift]"}}},
    {"augment_zoom", {{"augment", "[shift, r2crop]"}}},
    {"augment_noise", {{"augment", "[noise]"}}},
    {"augment_cutout", {{"augment", "[gamma, cutout]"}}},
    {"momentum", {{"optimizer", "sgd"}}},
    {"decay", {{"weight_decay", "0.1"}}},
    {"loss", {{"data.set", "micro-kitti"}}},
    {"stereo_width", {{"loss", "photometric"}, {"data.set", "micro-kitti"}}},
    {"smoothness", {{"loss", "photometric"}, {"data.set", "cache"}}},
    {"teacher_network", {{"teacher", "t.h5"}}},
    {"distill", {{"teacher", "t.h5"}}},
    {"band", {{"plan", "share+stream"}}},
    {"front", {{"plan", "lean+flash"}}},
    {"data.sensor", {{"data.label", "tof8"}}},
    {"data.truth", {{"data.set", "micro-nyuv2"}}},
    {"data.target", {{"data.set", "recording"}}},
    {"data.statuses", {{"data.set", "recording"}}},
    {"data.frames", {{"data.set", "matrix"}}},
    {"data.gate_frames", {{"data.set", "matrix"}, {"data.frames", "3"}}},
    {"data.gate_neighbours", {{"data.label", "tof8"}}},
    {"data.min_zones", {{"data.set", "matrix"}}},
    {"data.evaluation_min_zones", {{"data.label", "tof8"}}},
    {"data.targets", {{"data.label", "tof8"}, {"data.sensor", "vl53l5cx"}}},
    {"data.ambient", {{"data.label", "tof8"}, {"data.sensor", "vl53l5cx"}}},
    {"data.sensor_fov_deg", {{"data.camera_fov_h_deg", "90"}}},
    {"data.alignment", {{"data.label", "tof8"}, {"data.camera_fov_h_deg", "90"}}},
    {"data.depth", {{"data.set", "kitti"}}},
    {"data.depth_per_m", {{"data.set", "rgbd"}}},
    {"data.picture", {{"data.set", "kitti"}}},
    {"data.world", {{"data.set", "synthetic"}}},
    {"data.seed", {{"data.set", "synthetic"}}},
    {"data.count", {{"data.set", "synthetic"}}},
    {"data.crop", {{"data.set", "recording"}}},
};
enum { CONTEXTS = sizeof contexts / sizeof contexts[0] };

/* What `key` is given for the sake of `changed`; NULL: nothing. */
static inline const char *value_beside(const struct key_case *changed, const char *key) {
    for (const struct context *c = contexts; c < contexts + CONTEXTS; c++)
        for (int i = 0; i < 2 && strcmp(c->key, changed->key) == 0 && c->with[i][0] != NULL; i++)
            if (strcmp(c->with[i][0], key) == 0)
                return c->with[i][1];
    return NULL;
}

/* The keys of `run_keys` as a config with one value exchanged (or added, for a default key). */
static inline void write_with(const struct key_case *changed, const char *value) {
    char text[TEXT_SIZE], data[TEXT_SIZE] = "data:\n";
    size_t length = 0;
    for (const struct key_case *k = run_keys; k < run_keys + RUN_KEYS; k++) {
        const char *chosen = k == changed ? value : value_beside(changed, k->key);
        if (chosen == NULL && k != changed && k->accepted[0] == NULL)
            chosen = k->accepted[1];
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

static inline int read_file(void) {
    error.text[0] = '\0';
    return md_config_read(path.text, 0, NULL, &config, &error);
}

static inline int read_text(const char *text) {
    scratch_write_text(path.text, text);
    return read_file();
}

/* Reads "key=value" pairs as one reads a result's config, in which any key may stand. */
static inline int parse_pairs(int count, char *const *pairs) {
    static char text[TEXT_SIZE];
    size_t length = 0;
    for (int data = 0; data < 2; data++)
        for (int i = 0; i < count; i++) {
            int of_data = strncmp(pairs[i], "data.", 5) == 0;
            const char *name = pairs[i] + (of_data ? 5 : 0), *equals = strchr(pairs[i], '=');
            if (of_data == data)
                length +=
                    (size_t)snprintf(text + length, sizeof text - length, "%s%.*s: %s\n",
                                     of_data ? "  " : "", (int)(equals - name), name, equals + 1);
            if (!data && i == count - 1)
                length += (size_t)snprintf(text + length, sizeof text - length, "data:\n");
        }
    return md_config_parse(text, "a result", &config, &error);
}

static inline char *formatted(int all) {
    char *text = malloc(TEXT_SIZE);
    cr_assert(text);
    cr_assert_eq(md_config_format(&config, all, text, TEXT_SIZE), strlen(text));
    return text;
}

static inline char *formatted_with(const struct key_case *changed, const char *value) {
    write_with(changed, value);
    cr_assert_eq(read_file(), MD_OK, "%s = %s: %s", changed->key,
                 value != NULL ? value : "(not given)", error.text);
    return formatted(1);
}

/* The error's text with its place as line alone: FILE:LINE: */
static inline const char *without_column(void) {
    static char text[sizeof error.text];
    const char *column = strstr(error.text, ".yaml:");
    cr_assert(column, "%s", error.text);
    column = strchr(column + strlen(".yaml:"), ':');
    int digits = (int)strspn(column + 1, "0123456789");
    cr_assert(digits > 0 && column[1 + digits] == ':', "no column: %s", error.text);
    snprintf(text, sizeof text, "%.*s%s", (int)(column - error.text), error.text,
             column + 1 + digits);
    return text;
}

#endif
