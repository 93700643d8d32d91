/* Keys that would have no effect, and values that others do not go with, are refused; and what an
 * override takes the effect from is forgotten (experiments/config_use.c). */
#include "config_keys.h"

TestSuite(config_use, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

/* What is given beside `weights: w`, on lines of their own; the key and the line that the message
 * names; what would use it; what is given instead. */
static const struct idle_case {
    const char *text, *place, *use, *found;
} idle[] = {
    {"momentum: 0.9\ndata: {set: micro}\n", ":2: momentum: ", "with optimizer: sgd;",
     "found 0.9 with optimizer: adam"},
    {"optimizer: sgd\nbeta1: 0.5\ndata: {set: micro}\n", ":3: beta1: ", "with optimizer: adam;",
     "found 0.5 with optimizer: sgd"},
    {"optimizer: sgd\nbeta2: 0.5\ndata: {set: micro}\n", ":3: beta2: ", "", ""},
    {"optimizer: sgd\nepsilon: 1e-3\ndata: {set: micro}\n", ":3: epsilon: ", "", "found 0.001"},
    {"format: bf16\noptimizer: sgd\nmoments: fp32\ndata: {set: micro}\n",
     ":4: moments: ", "with optimizer: adam or momentum: any but 0;", ""},
    {"moments: fp32\ndata: {set: micro}\n", ":2: moments: ", "with format: any but fp32",
     "found fp32 with format: fp32"},
    {"schedule: cosine\ndata: {set: micro}\n", ":2: schedule: ", "or schedule_by: step;",
     "found cosine with epochs: 1"},
    {"epochs: 0\nschedule: cosine\ndata: {set: micro}\n", ":3: schedule: ", "", ""},
    {"augment: [r2crop]\naugment_probability: 0.1\ndata: {set: micro}\n",
     ":3: augment_probability: ", "with augment: any but [], [r2crop];", "found 0.1"},
    {"depth_cap_m: 10\ndata: {set: micro}\n", ":2: depth_cap_m: ",
     "with loss: any but berhu, l1, mse, rel_l1, photometric;", "with loss: berhu"},
    {"loss: vnl\nloss_average: pixel\ndata: {set: micro}\n", ":3: loss_average: ",
     "with loss: any but vnl, photometric and with batch: any but 1", "found pixel with loss: vnl"},
    {"batch: 1\nloss_average: picture\ndata: {set: micro, val: ''}\n",
     ":3: loss_average: ", "or val: any but '';", "found picture with batch: 1"},
    {"policy: biases\nweight_decay: 0.1\ndecay: decoupled\ndata: {set: micro}\n",
     ":3: weight_decay: ", "with policy: any but biases or decay: any but decoupled;",
     "found 0.1 with policy: biases"},
    {"loss: photometric\nlabel_mode: sparse\ndata: {set: micro-kitti}\n",
     ":3: label_mode: ", "with loss: any but photometric or teacher: any but '';",
     "found sparse with loss: photometric"},
    {"loss: l1\nstereo_width: 640\ndata: {set: micro-kitti}\n",
     ":3: stereo_width: ", "with loss: photometric;", "found 640 with loss: l1"},
    {"distill: 5\ndata: {set: micro}\n", ":2: distill: ", "with teacher: any but '';",
     "found 5 with teacher: ''"},
    {"teacher_network: upydnet\ndata: {set: micro}\n", ":2: teacher_network: ", "", ""},
    {"select: best\ndata: {set: micro, val: ~}\n", ":2: select: ", "with val: any but '';",
     "found best with val: ''"},
    {"data: {set: synthetic, root: d}\n", ":2: data.root: ", "with set: any but synthetic and ",
     "found d with set: synthetic"},
    {"data: {set: micro, root: d, train.root: a, val.root: b, test.root: c}\n",
     ":2: data.root: ", "with set: any but synthetic and with train.root: '' or val.root: '' or",
     "found d with train.root: a"},
    {"data:\n  set: micro\n  crop: 100\n", ":4: data.crop: ", "with set: matrix, recording;",
     "found 100 with set: micro"},
    {"data: {set: synthetic, crop: 9}\n", ":2: data.crop: ", "", ""},
    {"data: {set: rgbd, crop: 9}\n", ":2: data.crop: ", "", ""},
    {"data: {set: rgbd, picture: whole}\n", ":2: data.picture: ", "kitti-stereo-2012, h5;", ""},
    {"data: {set: rgbd, picture: square}\n", ":2: data.picture: ", "", "found square"},
    {"data: {set: micro, picture: whole}\n", ":2: data.picture: ", "", ""},
    {"data: {set: kitti, depth_per_m: 256}\n",
     ":2: data.depth_per_m: ", "with set: nyu-folder, 7scenes, sunrgbd, rgbd;", "found 256"},
    {"data: {set: h5, depth: lidar}\n", ":2: data.depth: ", "with set: kitti, kitti-object;", ""},
    {"data: {set: kitti-stereo, depth: groundtruth}\n", ":2: data.depth: ", "", ""},
    {"data: {set: micro, world: road}\n", ":2: data.world: ", "with set: synthetic;", ""},
    {"data: {set: micro, world: field}\n", ":2: data.world: ", "", ""},
    {"data: {set: micro-kitti, count: 400}\n", ":2: data.count: ", "", "found 400"},
    {"data: {set: micro, seed: 2}\n", ":2: data.seed: ", "with set: synthetic or sensor: vl53l5cx;",
     ""},
    {"data: {set: matrix, label: tof8}\n",
     ":2: data.label: ", "with set: any but matrix, recording;", "found tof8 with set: matrix"},
    {"data: {set: recording, label: tof8}\n", ":2: data.label: ", "", ""},
    {"data: {set: matrix, truth: label}\n", ":2: data.truth: ", "", ""},
    {"data: {set: micro, truth: label}\n", ":2: data.truth: ", "", ""},
    {"data: {set: synthetic, truth: label}\n", ":2: data.truth: ", "or world: any but field;",
     "found label with set: synthetic"},
    {"data: {set: matrix, evaluation_crop: garg}\n", ":2: data.evaluation_crop: ", "", ""},
    {"data: {set: cache, evaluation_crop: garg}\n", ":2: data.evaluation_crop: ", "", ""},
    {"data: {set: kitti, truth: label, evaluation_crop: garg}\n",
     ":2: data.evaluation_crop: ", "and with truth: full;", "found garg with truth: label"},
    {"data: {set: matrix, camera_fov_h_deg: 90}\n", ":2: data.camera_fov_h_deg: ", "", ""},
    {"data: {set: kitti, alignment: pad, camera_fov_v_deg: 90}\n", ":2: data.camera_fov_v_deg: ",
     "and with alignment: crop or label: tof8;", "found 90 with alignment: pad"},
    {"data: {set: kitti, label: tof8, alignment: pad}\n",
     ":2: data.alignment: ", "camera_fov_h_deg: any but 0;", "found pad with camera_fov_h_deg: 0"},
    {"data: {set: kitti, label: tof8, sensor_fov_deg: 60}\n", ":2: data.sensor_fov_deg: ", "", ""},
    {"data: {set: kitti, sensor: vl53l5cx}\n", ":2: data.sensor: ", "and with label: tof8;",
     "with label: dense"},
    {"data: {set: matrix, sensor: vl53l5cx}\n", ":2: data.sensor: ", "", "with set: matrix"},
    {"data: {set: cache, sensor: vl53l5cx, label: tof8}\n", ":2: data.sensor: ", "", ""},
    {"data: {set: kitti, targets: 2}\n", ":2: data.targets: ", "and with sensor: vl53l5cx;", ""},
    {"data: {set: kitti, label: tof8, targets: 2}\n", ":2: data.targets: ", "",
     "found 2 with sensor: pool"},
    {"data: {set: kitti, label: tof8, ambient: 1}\n", ":2: data.ambient: ", "", ""},
    {"data: {set: cache, max_depth_m: 10}\n", ":2: data.max_depth_m: ", "with set: any but cache;",
     "found 10"},
    {"data: {set: cache, min_depth_m: 1}\n", ":2: data.min_depth_m: ", "", ""},
};

Test(config_use, keys_without_effect_are_refused) {
    for (size_t i = 0; i < sizeof idle / sizeof idle[0]; i++) {
        char text[400];
        snprintf(text, sizeof text, "weights: w\n%s", idle[i].text);
        cr_assert_eq(read_text(text), MD_USAGE, "took %s", text);
        assert_contains(error.text, path.text);
        assert_contains(without_column(), idle[i].place);
        assert_contains(error.text, "has an effect only with ");
        assert_contains(error.text, idle[i].use);
        assert_contains(error.text, idle[i].found);
    }
    char *overrides[] = {"momentum=0.5"};
    read_text("weights: w\ndata: {set: micro}\n");
    cr_assert_eq(md_config_read(path.text, 1, overrides, &config, &error), MD_USAGE);
    assert_contains(error.text, "command line: momentum: has an effect only with optimizer: sgd");
    struct md_data_spec spec;
    cr_assert_eq(md_data_spec_parse("{set: rgbd, split: all, crop: 3}", &spec, &error), MD_USAGE);
    assert_contains(error.text, "data:1:31: crop: has an effect only with set: matrix, recording");
}

/* What is distilled is not streamed. */
Test(config_use, a_teacher_needs_whole_stages) {
    static const char *const cases[][2] = {
        {"decoder1.conv2", ":3: front: decoder1.conv2 is distilled and cannot be streamed; "},
        {"ups0", ":3: front: decoder1.conv2 is distilled and cannot be streamed; "},
        {"ups1", NULL},
        {"ups0\ndistill: 0", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[200];
        snprintf(text, sizeof text,
                 "weights: w\nplan: lean\nfront: %s\nteacher: t.h5\ndata: {set: micro}\n",
                 cases[i][0]);
        cr_assert_eq(read_text(text), cases[i][1] != NULL ? MD_USAGE : MD_OK, "%s: %s", text,
                     error.text);
        if (cases[i][1] != NULL)
            assert_contains(without_column(), cases[i][1]);
    }
}

/* Values that do not go with others, alone and in a sum: where the loss stands, and what it needs.
 */
Test(config_use, photometric_needs_pairs_that_stay_alike) {
    static const char *const cases[][2] = {
        {"data: {set: micro}", "needs set: micro-kitti, cache; found set: micro"},
        {"data: {set: kitti}", "found set: kitti"},
        {"label_mode: pooled\ndata: {set: cache}",
         "needs label_mode: any but pooled; found label_mode: pooled"},
        {"augment: [flip, crop]\ndata: {set: cache}",
         "needs augment: a list without crop, shift, cutout, r2crop; found augment: [flip, crop]"},
        {"augment: [shift]\ndata: {set: cache}", "found augment: [shift]"},
        {"augment: [cutout]\ndata: {set: cache}", "found augment: [cutout]"},
        {"augment: [gain, r2crop]\ndata: {set: cache}", "found augment: [gain, r2crop]"},
        {"augment: [flip, gamma, gain, brightness, noise]\ndata: {set: micro-kitti}", NULL},
        {"augment: []\ndata: {set: cache}", NULL}};
    static const char *const losses[] = {"photometric", "{l1: 0.1, photometric: 1}"};
    char text[300];
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        const char *expected = cases[i / 2][1];
        snprintf(text, sizeof text, "weights: w\nloss: %s\n%s\n", losses[i % 2], cases[i / 2][0]);
        cr_assert_eq(read_text(text), expected != NULL ? MD_USAGE : MD_OK, "%s: %s", text,
                     error.text);
        if (expected == NULL)
            continue;
        assert_contains(without_column(), ":2: loss: photometric needs ");
        assert_contains(error.text, expected);
    }
    char *overrides[] = {"data.set=micro"}; /* and is not forgotten when another layer does so */
    read_text("weights: w\nloss: photometric\ndata: {set: micro-kitti}\n");
    cr_assert_eq(md_config_read(path.text, 1, overrides, &config, &error), MD_USAGE);
    assert_contains(error.text, "loss: photometric needs set: micro-kitti, cache");
}

/* What says how it is anyway may stand there, and so may all that has an effect. */
Test(config_use, keys_with_effect_and_idle_ones_are_taken) {
    static const char *const good[] = {
        "momentum: 0.0\nbeta1: 0.5\ndata: {set: micro, evaluation_crop: none, crop: 0}\n",
        "format: bf16\noptimizer: sgd\nmomentum: 0.9\nmoments: fp32\ndata: {set: micro}\n",
        "optimizer: sgd\nmoments: format\nepsilon: 1e-07\ndata: {set: micro}\n",
        "schedule: cosine\nschedule_by: step\ndata: {set: micro}\n",
        "schedule: cosine\nepochs: 2\ndata: {set: micro}\n",
        "augment: [r2crop, flip]\naugment_probability: 0.1\ndata: {set: micro}\n",
        "select: last\ndata: {set: micro, val: ''}\n",
        "loss: depth_l1\ndepth_cap_m: 10\ndata: {set: micro}\n",
        "batch: 1\nloss_average: picture\ndata: {set: micro}\n",
        "batch: 2\nloss_average: picture\ndata: {set: micro, val: ''}\n",
        "policy: biases\nweight_decay: 0.1\ndata: {set: micro}\n",
        "policy: last\nweight_decay: 0.1\ndecay: decoupled\ndata: {set: micro}\n",
        "loss: photometric\nteacher: t.h5\nlabel_mode: sparse\ndata: {set: micro-kitti}\n",
        "loss: {l1: 0.1, photometric: 1}\nlabel_mode: sparse\ndata: {set: micro-kitti}\n",
        "loss: photometric\nlabel_mode: bilinear\ndata: {set: micro-kitti}\n",
        "data: {set: synthetic, world: road, truth: label}\n",
        "data: {set: kitti, label: tof8, sensor: vl53l5cx, targets: 2, ambient: 1, seed: 3}\n",
        "data: {set: kitti, camera_fov_h_deg: 90, camera_fov_v_deg: 60, sensor_fov_deg: 50}\n",
        "data: {set: kitti, depth: lidar, picture: square, evaluation_crop: garg}\n",
        "data: {set: synthetic, world: road, count: 3, seed: 2, max_depth_m: 80}\n",
        "data: {set: cache, root: d, label: tof8, truth: label, max_depth_m: 0}\n",
        "data: {set: matrix, crop: 100, max_depth_m: 3, label: dense, truth: full}\n",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char text[400];
        snprintf(text, sizeof text, "weights: w\n%s", good[i]);
        cr_assert_eq(read_text(text), MD_OK, "%s: %s", text, error.text);
    }
}

/* What the file says of its own set or optimizer does not bind the command line. */
Test(config_use, a_key_whose_effect_an_override_takes_away_has_its_default) {
    char *overrides[] = {"data.set=micro", "optimizer=adam", "data.val="};
    char *const chain[] = {"data.label=dense"};
    read_text("weights: w\noptimizer: sgd\nmomentum: 0.9\nselect: best\n"
              "data: {set: synthetic, count: 3, world: road, seed: 9, max_depth_m: 80}\n");
    cr_assert_eq(md_config_read(path.text, 3, overrides, &config, &error), MD_OK, "%s", error.text);
    cr_assert_eq(config.momentum, 0);
    cr_assert_eq(config.data.count, 400);
    cr_assert_eq(config.data.seed, 1);
    cr_assert_str_eq(config.data.world, "field");
    cr_assert_eq(config.data.max_depth_m, 80, "has an effect");
    read_text(
        "weights: w\ndata: {set: kitti, label: tof8, sensor: vl53l5cx, targets: 2, seed: 3,\n"
        "  sensor_fov_deg: 40, camera_fov_h_deg: 90, camera_fov_v_deg: 90, alignment: pad}\n");
    cr_assert_eq(md_config_read(path.text, 1, chain, &config, &error), MD_OK, "%s", error.text);
    cr_assert_eq(config.data.targets, 1);
    cr_assert_eq(config.data.sensor_fov_deg, 45);
    cr_assert_eq(config.data.alignment, MD_ALIGN_CROP);
    char *fp32[] = {"format=fp32", "weight_storage=kahan"};
    read_text("weights: w\nformat: bf16\nweight_storage: stochastic\ndata: {set: micro}\n");
    cr_assert_eq(md_config_read(path.text, 1, fp32, &config, &error), MD_OK, "%s", error.text);
    cr_assert_eq(config.storing, MD_STORE_PLAIN);
    cr_assert_eq(md_config_read(path.text, 2, fp32, &config, &error), MD_OK, "%s", error.text);
    cr_assert_eq(config.storing, MD_STORE_KAHAN); /* machines of `compare` have other formats */
    /* But what never had one is refused, and so is what the override itself gives. */
    read_text("weights: w\nmomentum: 0.9\ndata: {set: micro}\n");
    cr_assert_eq(md_config_read(path.text, 1, overrides + 1, &config, &error), MD_USAGE);
    assert_contains(error.text, "some.yaml:2:11: momentum: ");
    char *both[] = {"data.set=micro", "data.count=3"};
    read_text("weights: w\ndata: {set: synthetic, count: 4}\n");
    cr_assert_eq(md_config_read(path.text, 2, both, &config, &error), MD_USAGE);
    assert_contains(error.text, "command line: data.count: ");
}

/* A result of an earlier version may have what is refused now; what is written today has not. */
Test(config_use, results_with_keys_without_effect_are_read) {
    char *const pairs[] = {"weights=w", "momentum=0.5", "data.set=rgbd", "data.count=7"};
    cr_assert_eq(parse_pairs(4, pairs), MD_OK, "%s", error.text);
    cr_assert_eq(config.momentum, 0.5);
    char *text = formatted(1);
    assert_contains(text, "\nmomentum: 0.5\n");
    assert_contains(text, "\n  count: 7\n");
    cr_assert_null(strstr(text, "world"));
    cr_assert_null(strstr(text, "picture"));
    free(text);
}
