/* What the program's commands do, each at its best and at its worst. (Help and usage:
 * test_program.c; runs: test_program_run.c;
 * predictions: test_program_predict.c.) */
#include <criterion/criterion.h>

#include "../base/h5.h"
#include "../base/image.h"
#include "../base/npy.h"
#include "../experiments/metrics.h"
#include "checkpoint.h"
#include "flat_weights.h"
#include "h5_leaks.h"
#include "program.h"

TestSuite(commands, .init = scratch_set_up, .fini = scratch_tear_down, .timeout = 600);

#define SPEC "{set: synthetic, split: test, count: 2}"

static void assert_all_metrics(json_t *json, const char *prefix) {
    char path[100];
    for (int m = 0; m < MD_METRIC_COUNT; m++) {
        snprintf(path, sizeof path, "%s.%s", prefix, md_metric_names[m]);
        assert_json(json, path, JSON_REAL);
    }
    snprintf(path, sizeof path, "%s.images", prefix);
    assert_json(json, path, JSON_INTEGER);
    snprintf(path, sizeof path, "%s.without_truth", prefix);
    assert_json(json, path, JSON_INTEGER);
}

/* ---- eval ------------------------------------------------------------------------------------ */

Test(commands, eval_reports_the_network_beside_the_dummy) {
    struct scratch_path cell = small_cell();
    MUDEPTH("eval", "--weights", cell.text, "--data", SPEC);
    assert_fine("dummy predictor (of this data)");
    for (int m = 0; m < MD_NO_PREDICTION; m++)
        assert_contains(out, m == MD_RMSE ? "RMSE (m)" : md_metric_names[m]);
    cr_assert_null(strstr(out, "no_prediction"));
    cr_assert_str_empty(err);
    MUDEPTH("eval", "--weights", cell.text, "--data", SPEC, "--train",
            "{set: synthetic, split: train, count: 3}");
    assert_fine("dummy predictor  ");
}

static double value_at(json_t *json, const char *path) {
    return json_number_value(json_at(json, path));
}

/* A disparity of 0 is infinitely far: it gives what one just above 0 gives, and says so; only what
 * is no number has failed. */
Test(commands, eval_judges_a_prediction_that_is_none) {
    struct scratch_path zero = flat_weights("zero.h5", 0, 0),
                        tiny = flat_weights("tiny.h5", 0, 1e-30f),
                        below = flat_weights("below.h5", 0, -1);
    double rmse[3], share[3];
    const struct scratch_path *all[] = {&tiny, &zero, &below};
    for (int i = 0; i < 3; i++) {
        MUDEPTH("eval", "--weights", all[i]->text, "--data", SPEC, "--json");
        json_t *json = output_json();
        rmse[i] = value_at(json, "network_metrics.rmse_m");
        share[i] = value_at(json, "network_metrics.no_prediction");
        cr_assert_eq(value_at(json, "network_metrics.images"), 2);
        cr_assert_eq(value_at(json, "network_metrics.without_truth"), 0);
        cr_assert_eq(value_at(json, "dummy_metrics.no_prediction"), 0);
        json_decref(json);
    }
    cr_assert_gt(rmse[0], 70);
    cr_assert_eq(rmse[0], rmse[1]);
    cr_assert_eq(rmse[0], rmse[2]);
    cr_assert(share[0] == 0 && share[1] == 1 && share[2] == 1);
    MUDEPTH("eval", "--weights", zero.text, "--data", SPEC);
    assert_fine("  no_prediction    images\n");
    assert_contains(out, "          1.000         2\n");
    assert_contains(out, "0 images without truth");
    MUDEPTH("eval", "--weights", zero.text, "--data", SPEC, "--protocol", "release");
    assert_fine("          1.000         2\n");
    assert_contains(out, "0 images without truth");
}

/* Finite weights whose products are not: what comes of them is no depth, and no "no value". */
Test(commands, a_prediction_that_overflows_is_no_result) {
    struct scratch_path huge = flat_weights("huge.h5", 1e30f, 0),
                        folder = scratch_path(&scratch, "depth");
    uint8_t grey[3 * 48 * 48];
    struct md_error error;
    memset(grey, 100, sizeof grey);
    struct scratch_path picture = scratch_path(&scratch, "p.png");
    cr_assert_eq(md_png_write_rgb(picture.text, grey, 48, 48, &error), MD_OK);
    for (int p = 0; p < MD_PROTOCOL_COUNT; p++) {
        MUDEPTH("eval", "--weights", huge.text, "--data", SPEC, "--protocol", md_protocol_names[p]);
        assert_code(1);
        assert_contains(out, "nan");
        assert_contains(err, "huge.h5: the prediction is NaN or infinite");
    }
    MUDEPTH("predict", "--weights", huge.text, picture.text, "-o", folder.text);
    assert_fails(1, "p.png: the prediction is NaN or infinite at 2304 of 2304 pixels");
    cr_assert_neq(access(folder.text, F_OK), 0); /* nothing was worth a folder */
}

/* Nothing that could be wrong is no result either. */
Test(commands, what_no_depth_judges_is_no_result) {
    struct scratch_path cell = small_cell();
    MUDEPTH("eval", "--weights", cell.text, "--data", SPEC, "--cap", "0.1,80");
    assert_fails(1, "--data: none of the 2 pictures has a depth up to 0.1 m to be judged by");
    cr_assert_str_eq(out, "");
    MUDEPTH("eval", "--weights", cell.text, "--data", SPEC, "--cap", "80,0.1");
    assert_fine("2 images without truth");
}

Test(commands, eval_under_both_protocols) {
    static const char *const more[][4] = {{"--protocol", "textbook", "--json", NULL},
                                          {"--protocol", "release", "--json", NULL},
                                          {"--json", "--cap", "1.5", NULL},
                                          {"--json", "--flip", NULL, NULL}};
    struct scratch_path cell = small_cell();
    json_t *json[4];
    for (int i = 0; i < 4; i++) {
        MUDEPTH("eval", "--weights", cell.text, "--data", SPEC, more[i][0], more[i][1], more[i][2],
                more[i][3]);
        json[i] = output_json();
        assert_all_metrics(json[i], "network_metrics");
        assert_all_metrics(json[i], "dummy_metrics");
        for (const char *const *key =
                 WORDS("weights", "weights_digest", "network", "data_digest", "protocol") + 1;
             *key; key++)
            assert_json(json[i], *key, JSON_STRING);
    }
    cr_assert_str_eq(json_string_value(json_at(json[0], "protocol")), "textbook");
    cr_assert_str_eq(json_string_value(json_at(json[1], "protocol")), "release");
    cr_assert_not(
        json_equal(json_at(json[0], "network_metrics"), json_at(json[1], "network_metrics")));
    cr_assert_not(json_equal(json_at(json[0], "dummy_metrics"), json_at(json[2], "dummy_metrics")));
    cr_assert_not(
        json_equal(json_at(json[0], "network_metrics"), json_at(json[3], "network_metrics")));
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(json_integer_value(json_at(json[i], "forward_passes")), 1 + i % 2);
        json_decref(json[i]);
    }
    MUDEPTH("eval", "--weights", cell.text, "--data", SPEC, "--flip");
    assert_fine("each prediction: 2 forward passes, 159.");
    MUDEPTH("eval", "--weights", cell.text, "--data", SPEC, "--flip", "--protocol", "release");
    assert_fails(2, "--flip has an effect only with --protocol textbook");
}

/* What several caps give is what each gives alone, in their order; the first is the one. */
Test(commands, eval_at_several_caps) {
    static const char *const caps[] = {"1.5", "80", "3"};
    struct scratch_path cell = small_cell();
    MUDEPTH("eval", "--weights", cell.text, "--data", SPEC, "--json", "--cap", "1.5,80,3");
    json_t *all = output_json();
    cr_assert_eq(json_array_size(json_at(all, "by_cap")), 3);
    for (size_t c = 0; c < 3; c++) {
        MUDEPTH("eval", "--weights", cell.text, "--data", SPEC, "--json", "--cap", caps[c]);
        json_t *one = output_json(), *same = json_array_get(json_at(all, "by_cap"), c);
        cr_assert_eq(json_number_value(json_at(one, "cap_m")), strtod(caps[c], NULL));
        for (const char *const *key = WORDS("cap_m", "network_metrics", "dummy_metrics") + 1; *key;
             key++) {
            cr_assert(json_equal(json_at(one, *key), json_at(same, *key)), "%s %s", caps[c], *key);
            cr_assert(c > 0 || json_equal(json_at(one, *key), json_at(all, *key)), "%s", *key);
        }
        json_decref(one);
    }
    json_decref(all);
    MUDEPTH("eval", "--weights", cell.text, "--data", SPEC, "--cap", "1.5,80");
    assert_fine("truth up to 1.5 m");
    assert_contains(out, "truth up to 80 m");
    static const char *const wrong[][2] = {{"80,80.0", "the same cap twice"},
                                           {"80,", "expected a number"},
                                           {",80", "expected a number"},
                                           {"80,1001", "expected a number from 0.1 to 1000"},
                                           {"1,2,3,4,5,6,7,8,9", "more than 8 caps"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        MUDEPTH("eval", "--weights", cell.text, "--data", SPEC, "--cap", wrong[i][0]);
        assert_fails(2, wrong[i][1]);
    }
}

Test(commands, eval_is_equal_for_all_threads_and_levels) {
    static const char *const ways[][2] = {
        {"--threads", "2"}, {"--threads", "5"}, {"--backend", "ref"}};
    struct scratch_path cell = small_cell();
    MUDEPTH("eval", "--weights", cell.text, "--data", SPEC, "--json");
    char *first = strdup(out);
    for (int i = 0; i < 3; i++) {
        MUDEPTH("eval", "--weights", cell.text, "--data", SPEC, "--json", ways[i][0], ways[i][1]);
        cr_assert_str_eq(out, first);
    }
    free(first);
    MUDEPTH("eval", "--weights", cell.text, "--data", SPEC, "--backend", "sse");
    assert_fails(2, "--backend: \"sse\"");
}

/* ---- weights --------------------------------------------------------------------------------- */

Test(commands, weights_of_a_checkpoint_are_imported) {
    struct scratch_path pth = scratch_path(&scratch, "a 'b'\nc/published.pth"),
                        h5 = scratch_path(&scratch, "imported.h5");
    for (int bfloat16 = 0; bfloat16 < 2; bfloat16++) {
        checkpoint_write(pth.text, (struct checkpoint){.bfloat16 = bfloat16});
        remove(h5.text);
        MUDEPTH("weights", "import", pth.text, "-o", h5.text);
        assert_fine(bfloat16 ? "bfloat16" : "float32");
        MUDEPTH("weights", "info", h5.text, "--json");
        json_t *json = output_json();
        cr_assert_eq(json_integer_value(json_at(json, "parameters")), 107625);
        cr_assert_str_eq(json_string_value(json_at(json, "stored_as")),
                         bfloat16 ? "bfloat16" : "float32");
        cr_assert_str_eq(json_string_value(json_at(json, "source")), pth.text);
        for (const char *const *key =
                 WORDS("file", "network", "command", "code_version", "digest") + 1;
             *key; key++)
            assert_json(json, *key, JSON_STRING);
        json_decref(json);
    }
    MUDEPTH("weights", "info", h5.text);
    assert_fine("decoder2.conv2.bias");
    assert_contains(out, "(32, 48, 3, 3)");
}

Test(commands, weights_are_not_overwritten) {
    struct scratch_path cell = small_cell(), other = written("precious.h5", "precious");
    MUDEPTH("weights", "import", cell.text, "-o", other.text);
    assert_fails(2, "precious.h5: is there already");
    size_t size;
    unsigned char *bytes = scratch_read(other.text, &size);
    cr_assert_eq(size, 8);
    free(bytes);
    MUDEPTH("weights", "import", cell.text, "-o", "/dev/null/x.h5");
    assert_fails(1, "--output: /dev/null: cannot write into this folder");
}

Test(commands, broken_weights_are_refused_by_name) {
    struct scratch_path pth = scratch_path(&scratch, "broken.pth"), h5 = small_cell();
    const struct checkpoint broken[] = {
        {.network = md_network_find("upydnet_8x8"), .broken = 3, .first_size = 7},
        {.broken = 2, .left_out = 1},
        {.broken = 5, .bits = 0x7fc00000}};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        checkpoint_write(pth.text, broken[i]);
        MUDEPTH("eval", "--weights", pth.text, "--data", SPEC);
        assert_fails(1, "broken.pth");
    }
    size_t size;
    unsigned char *bytes = scratch_read(h5.text, &size);
    scratch_write(h5.text, bytes, size / 2);
    free(bytes);
    MUDEPTH("weights", "info", h5.text);
    assert_fails(1, "small.h5");
}

/* ---- plan ------------------------------------------------------------------------------------ */

Test(commands, plan_is_the_arena_that_a_run_uses) {
    struct scratch_path config = written("small.yaml", SMALL_FIELD), cell = small_cell();
    json_int_t sum = 0;
    MUDEPTH("plan", config.text, "--target", "host", "--json");
    json_t *plan = output_json(), *live;
    size_t l;
    json_int_t arena = json_integer_value(json_at(plan, "arena_bytes"));
    json_array_foreach(json_at(plan, "peak.live"), l, live) sum +=
        json_integer_value(json_object_get(live, "bytes"));
    cr_assert_eq(sum, json_integer_value(json_at(plan, "peak.bytes")));
    cr_assert_eq(sum, json_integer_value(json_at(plan, "bound_bytes")));
    cr_assert(sum <= arena, "no placement is smaller");
    cr_assert_eq(json_is_true(json_at(plan, "bound_reached")), sum == arena);
    cr_assert_eq(json_integer_value(json_at(plan, "total_bytes.mudepth")), arena);
    json_decref(plan);
    hid_t file;
    long long used;
    struct md_error error;
    cr_assert_eq(md_h5_open(cell.text, &file, &error), MD_OK);
    cr_assert_eq(md_h5_read_integer(file, "/training", "arena_bytes", &used, &error), MD_OK);
    H5Fclose(file);
    cr_assert_eq(used, arena);
    MUDEPTH("plan", config.text, "budget_kb=100000");
    assert_fine("budget_kb 100000: the device's arena takes ");
    MUDEPTH("plan", config.text, "budget_kb=100");
    assert_fails(1, "budget_kb: 100: does not fit: needs ");
    assert_contains(err, "what binds it is instruction ");
    MUDEPTH("plan", config.text, "--target", "gap8");
    assert_fails(2, "--target: expected gap9 or host, found \"gap8\"");
    struct scratch_path figure = scratch_path(&scratch, "plan.png");
    MUDEPTH("plan", config.text, "plan=lean", "--figure", figure.text);
    assert_fine("plan lean, band 1");
    cr_assert_eq(access(figure.text, F_OK), 0);
    MUDEPTH("plan");
    assert_fails(2, "expected CONFIG.yaml, found nothing");
}

/* ---- data ------------------------------------------------------------------------------------ */

Test(commands, data_info_says_what_there_is) {
    MUDEPTH("data", "info", "{set: synthetic, split: train, count: 3}");
    assert_fine("samples:  3, from synthetic:field:train:0 to synthetic:field:train:2");
    MUDEPTH("data", "info", "{set: synthetic, split: train, count: 3}", "--json");
    json_t *json = output_json();
    cr_assert_eq(json_integer_value(json_at(json, "samples")), 3);
    cr_assert_eq(json_integer_value(json_at(json, "width")), 48);
    assert_json(json, "valid_share", JSON_REAL);
    assert_json(json, "depth_percentiles_m.50", JSON_REAL);
    assert_json(json, "digest", JSON_STRING);
    json_decref(json);
    MUDEPTH("data", "info", "{set: synthetic, split: train, count: 3, max_depth_m: 0.1}");
    assert_fine("depth (m): none");
}

/* Of an even number of depths the median is the mean of the middle two. */
Test(commands, data_info_interpolates_percentiles) {
    static const float depth_m[] = {3, 1}, disparity[] = {80.0f / 3, 80};
    static const size_t shape[] = {1, 2};
    struct md_error error;
    char spec[2000];
    MUDEPTH("data", "export", "{set: synthetic, split: s, count: 1}", "-o", scratch.folder);
    cr_assert_eq(
        md_npy_write(scratch_path(&scratch, "train/depth/0.npy").text, depth_m, 2, shape, &error),
        MD_OK);
    cr_assert_eq(
        md_npy_write(scratch_path(&scratch, "train/disp/0.npy").text, disparity, 2, shape, &error),
        MD_OK);
    snprintf(spec, sizeof spec, "{set: micro, root: '%s', split: train}", scratch.folder);
    MUDEPTH("data", "info", spec);
    assert_fine("depth (m): 5 %: 1.10 25 %: 1.50 50 %: 2.00 75 %: 2.50 95 %: 2.90\n");
}

static char *digest_of(const char *spec) {
    MUDEPTH("data", "info", spec, "--json");
    return output_digest();
}

Test(commands, exported_and_cached_data_is_the_same_data) {
    static const char *const ways[][3] = {{"export", "micro", "part.csv: 2 samples"},
                                          {"cache", "cache", "part.h5: 2 samples"}};
    struct scratch_path folder = scratch_path(&scratch, "an export/of");
    char *from = digest_of(SPEC);
    for (int w = 0; w < 2; w++) {
        char spec[2000];
        MUDEPTH("data", ways[w][0], SPEC, "-o", folder.text, "--split", "part");
        assert_fine(ways[w][2]);
        snprintf(spec, sizeof spec, "{set: %s, root: '%s', split: part}", ways[w][1], folder.text);
        char *to = digest_of(spec);
        cr_assert_str_eq(from, to, "%s", ways[w][0]);
        free(to);
        MUDEPTH("data", ways[w][0], SPEC, "-o", folder.text, "--split", "../part");
        assert_fails(2, "../part");
    }
    free(from);
    MUDEPTH("data", "export", SPEC, "-o", folder.text, "--split", "part");
    assert_fails(2, "part.csv: is there already");
}

/* What the set micro does not read again is said. */
Test(commands, an_export_says_what_is_lost) {
    static const struct {
        const char *spec, *note;
    } cases[] = {
        {"{set: synthetic, world: road, split: s, count: 1, max_depth_m: 80}",
         "are read with a max_depth_m above that: of the set micro it is 4 otherwise"},
        {"{set: synthetic, world: road, split: s, count: 1, max_depth_m: 80, label: tof8}",
         "the truth of 1 samples, their depth map itself, is not written"},
        {"{set: synthetic, split: s, count: 1}", ""},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct scratch_path folder = scratch_path(&scratch, "%zu", c);
        MUDEPTH("data", "export", cases[c].spec, "-o", folder.text);
        assert_fine("1 samples");
        assert_contains(err, cases[c].note);
        cr_assert(cases[c].note[0] != '\0' || err[0] == '\0', "%s", err);
    }
}

/* Three of five samples are broken, each in its own way; what is sound is counted all the same. */
Test(commands, verify_names_everything_that_is_broken_and_goes_on) {
    struct scratch_path folder = scratch_path(&scratch, "set");
    char spec[2000];
    MUDEPTH("data", "export", "{set: synthetic, split: s, count: 5}", "-o", folder.text);
    snprintf(spec, sizeof spec, "{set: micro, root: '%s', split: train}", folder.text);
    MUDEPTH("data", "verify", spec);
    assert_fine("5 samples: 5 sound (0 of them without any depth), 0 broken");
    scratch_write_text(scratch_path(&scratch, "set/train/img/1.png").text, "no picture");
    scratch_write_text(scratch_path(&scratch, "set/train/disp/2.npy").text, "");
    remove(scratch_path(&scratch, "set/train/fb/4.npy").text);
    MUDEPTH("data", "verify", spec);
    cr_assert_eq(code, 1);
    assert_contains(err, "3 of 5 samples are broken");
    assert_contains(out, "broken: line 2 of ");
    assert_contains(out, "broken: line 3 of ");
    assert_contains(out, "fb/4.npy");
    assert_contains(out, "5 samples: 2 sound");
    MUDEPTH("data", "verify", spec, "--json");
    cr_assert_eq(code, 1);
    json_t *json = json_loads(out, 0, NULL);
    cr_assert(json, "no JSON: %s", out);
    cr_assert_eq(json_integer_value(json_at(json, "samples")), 5);
    cr_assert_eq(json_integer_value(json_at(json, "broken")), 3);
    cr_assert_eq(json_array_size(json_at(json, "errors")), 3);
    json_decref(json);
    MUDEPTH("data", "verify", "{set: synthetic, split: s, count: 2, max_depth_m: 0.03}");
    assert_fine("2 sound (2 of them without any depth)");
}

Test(commands, show_draws_a_picture) {
    struct scratch_path figure = scratch_path(&scratch, "show.png");
    size_t size;
    MUDEPTH("data", "show", SPEC, "-o", figure.text, "--rows", "1");
    assert_fine("show.png");
    unsigned char *bytes = scratch_read(figure.text, &size);
    cr_assert_eq(memcmp(bytes, "\x89PNG", 4), 0);
    free(bytes);
}

/* ---- golden ---------------------------------------------------------------------------------- */

Test(commands, golden_refuses_other_files) {
    struct scratch_path cell = small_cell(), text = written("text.h5", "no HDF5");
    MUDEPTH("golden", cell.text);
    assert_fails(1, "input_u8");
    assert_contains(err, "small.h5");
    MUDEPTH("golden", text.text, "--json");
    assert_fails(1, "text.h5");
}

/* ---- compare --------------------------------------------------------------------------------- */

/* The shares of weights that stood still, of side a, per layer that learns. */
static void assert_standstill(const char *format, const char *rate, double low, double high) {
    struct scratch_path config =
        written("steps.yaml", "weights: scratch\npolicy: d0\nbatch: 1\noptimizer: sgd\n"
                              "data: {set: synthetic, count: 4}\n");
    char side[40];
    const char *layer;
    json_t *pair;
    snprintf(side, sizeof side, "host:%s", format);
    MUDEPTH("compare", config.text, rate, "--a", side, "--b", "host:fp32", "--steps", "3",
            "--json");
    json_t *json = output_json(), *still = json_at(json, "unchanged_weights_by_layer");
    cr_assert_eq(json_object_size(still), 4);
    json_object_foreach(still, layer, pair) {
        double share = json_number_value(json_array_get(pair, 0));
        cr_assert(share >= low && share <= high, "%s: %g", layer, share);
    }
    json_decref(json);
}

Test(commands, compare_counts_weights_that_stand_still) {
    assert_standstill("bf16", "lr=0", 1.0, 1.0);
    assert_standstill("bf16", "lr=1e-5", 0.9, 1.0);
    assert_standstill("fp32", "lr=1", 0.01, 0.7);
}
