/* Configs and data specifications: every key, what it takes and what it refuses. (Keys
 * without effect: test_config_use.c; broken files and overrides: test_config_text.c; writing, and
 * keys by their numbers: test_config_values.c.) */
#include "../datasets/augment.h"
#include "../datasets/sensor.h"
#include "config_keys.h"

TestSuite(config, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

Test(config, table_of_this_test_has_every_key) {
    char name[MD_CONFIG_NAME_SIZE]; /* or else a new key would go untested */
    for (int k = 0; k < RUN_KEYS; k++) {
        cr_assert_eq(md_config_key(k, name), 0);
        cr_assert_str_eq(name, run_keys[k].key);
    }
    cr_assert_neq(md_config_key(RUN_KEYS, name), 0, "no case for %s", name);
}

static void read_with(const struct key_case *changed, const char *value) {
    free(formatted_with(changed, value));
}

/* Also as another text, such as 1e-3. */
static int is_preset(const struct key_case *key, const char *value) {
    const char *preset = key->accepted[0];
    return preset != NULL && (key->kind == REAL || key->kind == WHOLE) &&
           strtod(value, NULL) == strtod(preset, NULL);
}

/* Also that no key reads into another one's field: a change shows in its own value only. */
Test(config, every_key_takes_its_good_values_and_has_its_default) {
    static struct md_config preset;
    for (int k = 0; k < RUN_KEYS; k++) {
        const struct key_case *key = &run_keys[k];
        read_with(key, key->accepted[key->accepted[0] == NULL]);
        preset = config;
        if (key->accepted[0] != NULL) {
            read_with(key, NULL);
            cr_assert_eq(md_config_order(&config, &preset, k), 0, "%s: not the default", key->key);
        }
        for (int v = (key->accepted[0] == NULL) + 1; key->accepted[v] != NULL; v++) {
            read_with(key, key->accepted[v]);
            for (int other = 0; other < RUN_KEYS; other++)
                cr_assert_eq(md_config_order(&config, &preset, other) != 0,
                             other == k && !is_preset(key, key->accepted[v]), "%s: %s, seen in %s",
                             key->key, key->accepted[v], run_keys[other].key);
        }
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
    assert_contains(without_column(), place);
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
                               "plan=at_once+stream+share",
                               "band=6",
                               "front=ups0",
                               "loss={rmse: 1, grad: 0.25}",
                               "loss_average=picture",
                               "loss_weights=dynamic",
                               "depth_cap_m=7",
                               "stereo_width=640",
                               "smoothness=0.26",
                               "teacher=g",
                               "teacher_network=upydnet",
                               "distill=7.5",
                               "optimizer=sgd",
                               "lr=0.25",
                               "schedule=cosine",
                               "schedule_by=step",
                               "lr_floor=0.6",
                               "lr_power=2",
                               "warmup=13",
                               "momentum=0.5",
                               "weight_decay=0.1",
                               "decay=decoupled",
                               "beta1=0.2",
                               "beta2=0.3",
                               "epsilon=0.4",
                               "clip_norm=0.7",
                               "moments=fp32",
                               "loss_scale=16",
                               "weight_storage=kahan",
                               "batch=3",
                               "epochs=4",
                               "seed=5",
                               "augment=[gain, flip]",
                               "augment_probability=0.6",
                               "augment_strengths=measured",
                               "augment_gamma=0.7",
                               "augment_gain=0.8",
                               "augment_brightness=9",
                               "augment_crop=0.11",
                               "augment_shift=13",
                               "augment_zoom=0.14",
                               "augment_noise=15",
                               "augment_cutout=0.17",
                               "label_mode=nearest",
                               "select=last",
                               "early_stop=18",
                               "protocol=release",
                               "flip_at_test=on",
                               "mean_share=0.25",
                               "cap_m=[6, 3.5]",
                               "threads=8",
                               "checkpoint_s=8",
                               "weights=w",
                               "data.set=matrix",
                               "data.root=r",
                               "data.fraction=20",
                               "data.target=farthest",
                               "data.statuses=likely",
                               "data.frames=4",
                               "data.gate_frames=0.21",
                               "data.gate_neighbours=0.22",
                               "data.min_zones=6",
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
                               "data.depth_per_m=5000",
                               "data.picture=whole",
                               "data.world=source",
                               "data.seed=9",
                               "data.count=10",
                               "data.min_depth_m=0.5",
                               "data.max_depth_m=11",
                               "data.crop=12",
                               "data.train=a",
                               "data.val=b",
                               "data.test=c",
                               "data.train.root=d",
                               "data.val.root=e",
                               "data.test.root=f",
                               "data.evaluation_min_zones=7"};
    enum { COUNT = sizeof overrides / sizeof overrides[0] };
    cr_assert_eq(COUNT, RUN_KEYS, "a key is missing here");
    cr_assert_eq(parse_pairs(COUNT, overrides), MD_OK, "%s", error.text);
    cr_assert_str_eq(md_networks[config.network]->name, "upydnet_large");
    cr_assert_str_eq(md_format_names[config.format], "fp64");
    cr_assert_str_eq(config.backend, "ref");
    cr_assert_eq(md_config_policy(&config), 1u << 0 | 1u << 2);
    cr_assert_eq(config.average, MD_AVERAGE_PICTURE);
    cr_assert_eq(config.weighing, MD_WEIGHTS_DYNAMIC);
    cr_assert_eq(config.strengths, MD_STRENGTHS_MEASURED);
    cr_assert_eq(config.loss.weight[MD_LOSS_RMSE], 1);
    cr_assert_eq(config.loss.weight[MD_LOSS_GRAD], 0.25);
    cr_assert_eq(config.loss.weight[MD_BERHU], 0);
    cr_assert_eq(config.optimizer, MD_SGD);
    cr_assert_eq(config.schedule, MD_SCHEDULE_COSINE);
    cr_assert_eq(config.pace, MD_PACE_STEP);
    cr_assert_eq(config.decay, MD_DECAY_DECOUPLED);
    cr_assert_eq(config.moments, MD_MOMENTS_FP32);
    cr_assert_eq(config.storing, MD_STORE_KAHAN);
    cr_assert_eq(config.augment.set, MD_GAIN | MD_FLIP);
    cr_assert_eq(config.label_mode, MD_LABEL_NEAREST);
    cr_assert_eq(config.select, MD_SELECT_LAST);
    cr_assert_eq(config.protocol, MD_RELEASE);
    cr_assert_eq(config.flip_at_test, MD_FLIP_ON);
    cr_assert_eq(config.mean_share, 0.25);
    cr_assert_eq(config.data.label, MD_GRID_TOF8);
    cr_assert_eq(config.data.sensor, MD_SENSOR_VL53L5CX);
    cr_assert_eq(config.data.alignment, MD_ALIGN_PAD);
    cr_assert_eq(config.data.truth, MD_TRUTH_LABEL);
    cr_assert_eq(config.data.evaluation_crop, MD_CROP_GARG);
    cr_assert_eq(config.data.depth, MD_DEPTH_LIDAR);
    cr_assert_eq(config.data.picture, MD_PICTURE_WHOLE);
    const double reals[][2] = {{config.depth_cap_m, 7},
                               {config.stereo_width, 640},
                               {config.smoothness, 0.26},
                               {config.distill, 7.5},
                               {config.teacher_network, 0},
                               {config.learning_rate, 0.25},
                               {config.lr_floor, 0.6},
                               {config.lr_power, 2},
                               {config.warmup, 13},
                               {config.momentum, 0.5},
                               {config.weight_decay, 0.1},
                               {config.beta1, 0.2},
                               {config.beta2, 0.3},
                               {config.epsilon, 0.4},
                               {config.clip_norm, 0.7},
                               {config.early_stop, 18},
                               {config.caps.count, 2},
                               {config.caps.m[0], 6},
                               {config.caps.m[1], 3.5},
                               {config.data.min_depth_m, 0.5},
                               {config.data.max_depth_m, 11},
                               {config.data.depth_per_m, 5000},
                               {config.loss_scale, 16},
                               {config.batch, 3},
                               {config.epochs, 4},
                               {(double)config.seed, 5},
                               {config.threads, 8},
                               {(double)config.data.seed, 9},
                               {(double)config.data.count, 10},
                               {config.budget_kb, 900000},
                               {config.band, 6},
                               {config.data.fraction, 20},
                               {config.data.targets, 3},
                               {config.data.ambient, 0.25},
                               {config.data.sensor_fov_deg, 40},
                               {config.data.camera_fov_h_deg, 80},
                               {config.data.camera_fov_v_deg, 60},
                               {config.data.crop, 12},
                               {config.augment.probability, 0.6},
                               {config.augment.gamma, 0.7},
                               {config.augment.gain, 0.8},
                               {config.augment.brightness, 9},
                               {config.augment.crop, 0.11},
                               {config.augment.shift, 13},
                               {config.augment.zoom, 0.14},
                               {config.augment.noise, 15},
                               {config.augment.cutout, 0.17},
                               {config.data.min_zones, 6},
                               {config.data.target, MD_TARGET_FARTHEST},
                               {config.data.statuses, MD_STATUS_LIKELY},
                               {config.data.frames, 4},
                               {config.data.gate_frames, 0.21},
                               {config.data.gate_neighbours, 0.22},
                               {config.evaluation_min_zones, 7}};
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++)
        cr_assert_eq(reals[i][0], reals[i][1], "pair %zu", i);
    const char *texts[][2] = {{config.weights, "w"},   {config.plan, "fast+stream"},
                              {config.front, "ups0"},  {config.data.set, "matrix"},
                              {config.data.root, "r"}, {config.data.world, "source"},
                              {config.train, "a"},     {config.val, "b"},
                              {config.test, "c"},      {config.train_root, "d"},
                              {config.teacher, "g"},   {config.val_root, "e"},
                              {config.test_root, "f"}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        cr_assert_str_eq(texts[i][0], texts[i][1]);
}

/* What is learned from and what is judged by are chosen apart. */
Test(config, splits_have_roots_and_zones_of_their_own) {
    char *overrides[] = {"weights=w",
                         "data.set=matrix",
                         "data.root=here",
                         "data.fraction=50",
                         "data.min_zones=3",
                         "data.evaluation_min_zones=8",
                         "data.gate_neighbours=0.1",
                         "data.frames=3",
                         "data.gate_frames=0.2",
                         "data.statuses=certain",
                         "data.test=all[3:]",
                         "data.test.root=there"};
    static const struct {
        const char *split, *root;
        int fraction, min_zones, truth;
    } expected[MD_SPLITS] = {{"train", "here", 50, 3, MD_TRUTH_LABEL},
                             {"val", "here", 50, 8, MD_TRUTH_FULL},
                             {"all[3:]", "there", 100, 8, MD_TRUTH_FULL}};
    cr_assert_eq(md_config_read(NULL, 12, overrides, &config, &error), MD_OK, "%s", error.text);
    for (int s = 0; s < MD_SPLITS; s++) {
        struct md_data_spec found;
        md_config_split(&config, (enum md_split)s, &found);
        cr_assert_str_eq(found.split, expected[s].split);
        cr_assert_str_eq(found.root, expected[s].root);
        cr_assert_eq(found.fraction, expected[s].fraction);
        cr_assert_eq(found.min_zones, expected[s].min_zones);
        cr_assert_eq((int)found.truth, expected[s].truth);
        cr_assert_eq(found.frames, s == 0 ? 3 : 1, "labels are gated, truth is not");
        cr_assert_eq(found.statuses, s == 0 ? MD_STATUS_CERTAIN : MD_STATUS_VALID);
        cr_assert_eq(found.gate_frames, s == 0 ? 0.2 : 0);
        cr_assert_eq(found.gate_neighbours, s == 0 ? 0.1 : 0);
    }
}

/* Each loss alone is itself, and a sum is the same however it is written. */
Test(config, losses_are_weights) {
    for (int l = 0; l < MD_LOSS_COUNT; l++) {
        char override[80], *overrides[] = {override, "weights=w", "data.set=micro-kitti"};
        snprintf(override, sizeof override, "loss=%s", md_loss_names[l]);
        cr_assert_eq(md_config_read(NULL, 3, overrides, &config, &error), MD_OK, "%s", error.text);
        for (int other = 0; other < MD_LOSS_COUNT; other++)
            cr_assert_eq(config.loss.weight[other], other == l, "%s", override);
    }
    static const char *const texts[] = {"loss: {grad: .25, rmse: 1}",
                                        "loss:\n  rmse: 1\n  grad: 0.25",
                                        "loss: '{ rmse : 1.0 , grad: 2.5e-1 }'"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char text[200], value[MD_CONFIG_VALUE_SIZE];
        snprintf(text, sizeof text, "weights: w\n%s\ndepth_cap_m: 7\ndata: {set: micro}\n",
                 texts[i]);
        cr_assert_eq(read_text(text), MD_OK, "%s", error.text);
        md_config_value(&config, md_config_find("loss"), value);
        cr_assert_str_eq(value, "{rmse: 1, grad: 0.25}");
    }
    cr_assert_eq(
        read_text("weights: w\nloss: {l1: 1, mse: 2}\ndepth_cap_m: 7\ndata: {set: micro}\n"),
        MD_USAGE);
    assert_contains(error.text, "found 7 with loss: {l1: 1, mse: 2}");
}

/* The choices are indices into core's own tables. */
Test(config, choices_stand_in_the_order_of_core) {
    const struct {
        const char *key, *const *names;
        int count, *field;
    } choices[] = {{"format", md_format_names, MD_FORMAT_COUNT, &config.format},
                   {"optimizer", md_optimizer_names, MD_OPTIMIZER_COUNT, &config.optimizer},
                   {"moments", md_moments_names, MD_MOMENTS_COUNT, &config.moments},
                   {"weight_storage", md_storing_names, MD_STORING_COUNT, &config.storing},
                   {"protocol", md_protocol_names, MD_PROTOCOL_COUNT, &config.protocol}};
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++)
        for (int v = 0; v < choices[i].count; v++) {
            char override[80],
                *overrides[] = {"format=bf16", override, "weights=w", "data.set=synthetic"};
            snprintf(override, sizeof override, "%s=%s", choices[i].key, choices[i].names[v]);
            cr_assert_eq(md_config_read(NULL, 4, overrides, &config, &error), MD_OK, "%s",
                         error.text);
            cr_assert_eq(*choices[i].field, v, "%s", override);
        }
}

/* A config's network is a number in core's list, and each has its twin for pooled labels. */
Test(config, every_network_is_core_s_and_can_pool) {
    const char *const *names = md_config_choices(md_config_find("network"));
    struct md_config named;
    memset(&named, 0, sizeof named);
    for (; names[named.network] != NULL; named.network++) {
        named.label_mode = MD_LABEL_BILINEAR;
        cr_assert_str_eq(md_config_network(&named)->name, names[named.network]);
        named.label_mode = MD_LABEL_POOLED;
        cr_assert_not_null(md_config_network(&named), "%s", names[named.network]);
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

/* In one line, with what the key needs. */
static void write_spec(const struct key_case *k, const char *value, char *text, size_t size) {
    const char *set = value_beside(k, "data.set");
    size_t length = (size_t)snprintf(text, size, "{set: %s, split: s, %s: %s",
                                     set != NULL ? set : "micro", k->key + 5, value);
    for (const struct key_case *other = run_keys; other < run_keys + RUN_KEYS; other++) {
        const char *beside = strcmp(other->key, "data.set") ? value_beside(k, other->key) : NULL;
        if (beside != NULL)
            length +=
                (size_t)snprintf(text + length, size - length, ", %s: %s", other->key + 5, beside);
    }
    snprintf(text + length, size - length, "}");
}

Test(config, data_spec_has_the_data_keys_of_a_config) {
    int count = 0;
    for (const struct key_case *k = run_keys; k < run_keys + RUN_KEYS; k++) {
        struct md_data_spec found;
        char text[200];
        const char *key = k->key + 5, *value = k->accepted[1];
        if (strncmp(k->key, "data.", 5) != 0 || strcmp(key, "set") == 0)
            continue;
        int is_split = strncmp(key, "train", 5) == 0 || strncmp(key, "val", 3) == 0 ||
                       strncmp(key, "test", 4) == 0 || strcmp(key, "evaluation_min_zones") == 0;
        write_spec(k, value, text, sizeof text);
        cr_assert_eq(md_data_spec_parse(text, &found, &error), is_split ? MD_USAGE : MD_OK,
                     "%s: %s", text, error.text);
        for (int v = 0; v < MOST && k->refused[v] != NULL; v++, count++) {
            write_spec(k, k->refused[v], text, sizeof text);
            cr_assert_eq(md_data_spec_parse(text, &found, &error), MD_USAGE, "took %s", text);
            assert_contains(error.text, "data:1:");
            assert_contains(error.text, key);
        }
    }
    cr_assert_gt(count, 5);
}
