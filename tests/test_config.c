/* Configs and data specifications: every key, what it takes and what it refuses. (Broken files and
 * overrides: test_config_text.c; writing, and keys by their numbers: test_config_values.c.) */
#include "../datasets/augment.h"
#include "../datasets/sensor.h"
#include "config_keys.h"

TestSuite(config, .init = set_up, .fini = tear_down, .timeout = 600);

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
