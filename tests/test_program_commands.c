/* What the program's commands do, each at its best and at its worst. (Help and usage:
 * test_program.c; runs: test_program_run.c.) */
#include <criterion/criterion.h>

#include "../datasets/h5.h"
#include "../datasets/image.h"
#include "../datasets/npy.h"
#include "../experiments/metrics.h"
#include "../results/weights.h"
#include "checkpoint.h"
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

/* A network that, with weights of 0, predicts the same disparity everywhere: the last bias. */
static struct scratch_path flat_weights(const char *name, float weight, float disparity) {
    struct scratch_path path = scratch_path(&scratch, "%s", name);
    const struct md_network *network = md_networks[0];
    const struct md_weights_info info = {.network = "upydnet", .source = "made up"};
    size_t total = md_parameter_total(network);
    struct md_error error;
    float *weights = malloc(total * sizeof *weights);
    cr_assert(weights);
    for (size_t i = 0; i < total; i++)
        weights[i] = weight;
    weights[total - 1] = disparity;
    cr_assert_eq(md_weights_write(path.text, network, weights, &info, &error), MD_OK, "%s",
                 error.text);
    free(weights);
    return path;
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

/* ---- predict --------------------------------------------------------------------------------- */

static struct scratch_path picture(const char *name, int height, int width) {
    struct scratch_path path = scratch_path(&scratch, "%s", name);
    uint8_t *rgb = malloc((size_t)(3 * height * width));
    struct md_error error;
    cr_assert(rgb);
    for (int i = 0; i < 3 * height * width; i++)
        rgb[i] = (uint8_t)(i * 7 / 3);
    cr_assert_eq(md_png_write_rgb(path.text, rgb, height, width, &error), MD_OK);
    free(rgb);
    return path;
}

Test(commands, predict_writes_depth_and_colours) {
    struct scratch_path cell = small_cell(), wide = picture("wide.png", 60, 100),
                        tiny = picture("a b.c.png", 1, 1), folder = scratch_path(&scratch, "d/e");
    MUDEPTH("predict", "--weights", cell.text, wide.text, tiny.text, "-o", folder.text);
    assert_fine("wide.depth.png");
    assert_contains(out, "a b.c.colour.png");
    static const char *const names[] = {"wide.depth", "wide.colour", "a b.c.depth", "a b.c.colour"};
    for (int i = 0; i < 4; i++) {
        struct md_image image;
        struct md_error error;
        cr_assert_eq(
            md_image_read(scratch_path(&scratch, "d/e/%s.png", names[i]).text, &image, &error),
            MD_OK, "%s", error.text);
        cr_assert_eq(image.height, 48);
        cr_assert_eq(image.width, 48);
        md_image_free(&image);
    }
    MUDEPTH("predict", "--weights", cell.text, wide.text, "-o", folder.text);
    assert_fails(2, "wide.depth.png: is there already");
    struct scratch_path twin = scratch_path(&scratch, "other/wide.png"),
                        empty = scratch_path(&scratch, "empty");
    mkdir(scratch_path(&scratch, "other").text, 0777);
    rename(tiny.text, twin.text);
    MUDEPTH("predict", "--weights", cell.text, wide.text, twin.text, "-o", empty.text);
    assert_fails(2, "other/wide.png: both would be ");
    cr_assert_neq(access(empty.text, F_OK), 0, "written before it was refused");
}

Test(commands, predict_refuses_broken_pictures_by_name) {
    struct scratch_path cell = small_cell(), whole = picture("whole.png", 48, 48),
                        cut = scratch_path(&scratch, "cut.png"),
                        text = written("text.png", "no picture");
    size_t size;
    unsigned char *bytes = scratch_read(whole.text, &size);
    scratch_write(cut.text, bytes, size / 2);
    free(bytes);
    const char *broken[] = {cut.text, text.text, "no-such@list.txt", "/dev/null", "no.png"};
    for (int i = 0; i < 5; i++) {
        MUDEPTH("predict", "--weights", cell.text, broken[i], "-o",
                scratch_path(&scratch, "d%d", i).text);
        assert_fails(1, broken[i]);
        cr_assert_neq(access(scratch_path(&scratch, "d%d", i).text, F_OK), 0, "a folder is left");
    }
}

/* The depth of a plane 80 / 40 m away, as each output has it. */
Test(commands, predict_writes_what_is_asked_for) {
    struct scratch_path flat = flat_weights("flat.h5", 0, 40), wide = picture("wide.png", 60, 100),
                        folder = scratch_path(&scratch, "d");
    MUDEPTH("predict", "--weights", flat.text, wide.text, "-o", folder.text, "--full", "--npy",
            "--disparity", "--json");
    json_t *json = output_json(), *first = json_array_get(json_at(json, "pictures"), 0);
    cr_assert_str_eq(json_string_value(json_at(first, "picture")), wide.text);
    cr_assert_eq(json_real_value(json_at(first, "min_m")), 2.0);
    cr_assert_eq(json_real_value(json_at(first, "mean_m")), 2.0);
    cr_assert_eq(json_integer_value(json_at(first, "without_depth")), 0);
    struct md_grey16 grey;
    struct md_array array;
    struct md_error error;
    cr_assert_eq(md_grey16_read(json_string_value(json_at(first, "full")), &grey, &error), MD_OK,
                 "%s", error.text);
    cr_assert(grey.height == 60 && grey.width == 100);
    for (int i = 0; i < 60 * 100; i++) /* the square is columns 20 .. 79 */
        cr_assert_eq(grey.values[i], i % 100 >= 20 && i % 100 < 80 ? 2000 : 0, "pixel %d", i);
    md_grey16_free(&grey);
    cr_assert_eq(md_grey16_read(json_string_value(json_at(first, "disparity")), &grey, &error),
                 MD_OK, "%s", error.text);
    for (int i = 0; i < 48 * 48; i++)
        cr_assert_eq(grey.values[i], 40 * 256);
    md_grey16_free(&grey);
    static const struct {
        const char *name;
        size_t height, width;
        float value;
    } arrays[] = {{"npy", 48, 48, 2}, {"disparity_npy", 48, 48, 40}, {"full_npy", 60, 100, 2}};
    for (int a = 0; a < 3; a++) {
        const char *path = json_string_value(json_at(first, arrays[a].name));
        cr_assert_eq(md_npy_read(path, &array, &error), MD_OK);
        cr_assert(array.dimensions == 2 && array.shape[0] == arrays[a].height &&
                  array.shape[1] == arrays[a].width);
        for (size_t i = 0; i < array.count; i++)
            cr_assert_eq(array.values[i],
                         a < 2 || (i % 100 >= 20 && i % 100 < 80) ? arrays[a].value : 0);
        md_array_free(&array);
    }
    json_decref(json);
    cr_assert_eq(scratch_count(folder.text), 7);
    MUDEPTH("predict", "--weights", flat.text, wide.text, "-o", folder.text, "--npy");
    assert_fails(2, "is there already");
    need_tool("gnuplot");
    MUDEPTH("predict", "--weights", flat.text, wide.text, "-o", scratch_path(&scratch, "view").text,
            "--view");
    assert_fine("wide.view.png");
}

/* The two pictures of a stereo pair have one name in two folders. */
Test(commands, predict_keeps_folders) {
    struct scratch_path flat = flat_weights("flat.h5", 0, 40);
    picture("pair/left/1.png", 20, 20);
    picture("pair/right/1.png", 20, 20);
    scratch_path(&scratch, "here/");
    const struct manner here = {.folder = scratch_path(&scratch, "here").text};
    call(WORDS("predict", "../pair/left", "../pair//./right/1.png", "--weights", flat.text, "-o",
               "d"),
         here);
    assert_fails(2, "both would be d/1.depth.png; --folders keeps their folders");
    call(WORDS("predict", "../pair/left", "../pair//./right/1.png", "--weights", flat.text, "-o",
               "d", "--folders"),
         here);
    assert_fine("d/pair/left/1.depth.png\n");
    assert_contains(out, "d/pair/right/1.colour.png\n");
    cr_assert_eq(scratch_count(scratch_path(&scratch, "here/d/pair/right").text), 2);
    call(WORDS("predict", "../pair/left", "../pair/../pair/left/1.png", "--weights", flat.text,
               "-o", "e", "--folders"),
         here);
    assert_fine("e/pair/pair/left/1.depth.png\n");
}

/* A folder stands for its pictures, in order; @LIST for its lines; a bad one keeps none back. */
/* What of a picture of 400 x 500 pixels is used is what the set's own pictures are made of. */
Test(commands, predict_cuts_as_a_data_set_does) {
    static const struct {
        const char *like;
        int top, left, height, width;
    } cases[] = {{"recording", 0, 50, 400, 400},
                 {"{set: recording, crop: 200}", 100, 150, 200, 200},
                 {"{set: recording, picture: whole, crop: 200}", 0, 0, 400, 500},
                 {"matrix", 119, 169, 162, 162},
                 {"kitti", 0, 70, 360, 360},
                 {"{set: kitti-stereo, picture: whole}", 0, 0, 400, 500},
                 {"micro", 0, 0, 400, 500}};
    static const char *const bad[][2] = {{"{set: nyu, crop: 3}", "crop: has an effect only with"},
                                         {"{crop: 3}", "set is missing"},
                                         {"", "--like: "},
                                         {"{set: nyu, split: x}", "given twice"},
                                         {"nowhere", "set: "}};
    struct scratch_path flat = flat_weights("flat.h5", 0, 40), large = picture("l.png", 400, 500),
                        small = picture("small.png", 60, 100);
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct scratch_path folder = scratch_path(&scratch, "d%zu", c);
        struct md_grey16 grey;
        struct md_error error;
        MUDEPTH("predict", "--weights", flat.text, large.text, "-o", folder.text, "--full",
                "--like", cases[c].like);
        assert_fine("l.full.png");
        cr_assert_eq(
            md_grey16_read(scratch_path(&scratch, "d%zu/l.full.png", c).text, &grey, &error),
            MD_OK);
        for (int i = 0; i < 400 * 500; i++) {
            int y = i / 500 - cases[c].top, x = i % 500 - cases[c].left;
            int is_inside = y >= 0 && y < cases[c].height && x >= 0 && x < cases[c].width;
            cr_assert_eq(grey.values[i], is_inside ? 2000 : 0, "%s: %d", cases[c].like, i);
        }
        md_grey16_free(&grey);
    }
    for (size_t b = 0; b < sizeof bad / sizeof bad[0]; b++) {
        struct scratch_path none = scratch_path(&scratch, "none");
        MUDEPTH("predict", "--weights", flat.text, large.text, "-o", none.text, "--like",
                bad[b][0]);
        assert_fails(2, bad[b][1]);
        cr_assert_neq(access(none.text, F_OK), 0);
    }
    MUDEPTH("predict", "--weights", flat.text, small.text, "-o", scratch_path(&scratch, "s").text,
            "--like", "matrix");
    assert_fails(1, "small.png: expected at least 162x162 pixels (the crop), found 100x60");
}

Test(commands, predict_does_all_pictures_even_if_some_are_bad) {
    struct scratch_path flat = flat_weights("flat.h5", 0, 40),
                        folder = scratch_path(&scratch, "out"), frames, list;
    picture("frames/2.png", 48, 48);
    picture("frames/10.JPG", 20, 20);
    written("frames/1.jpeg", "no picture");
    written("frames/times.csv", "no picture either");
    frames = scratch_path(&scratch, "frames");
    char lines[4000];
    struct scratch_path more = picture("more.png", 5, 5);
    snprintf(lines, sizeof lines, "%s\n\nno.png  # gone\n", more.text);
    list = written("list.txt", lines);
    char word[2000];
    snprintf(word, sizeof word, "@%s", list.text);
    MUDEPTH("predict", "--weights", flat.text, frames.text, word, "-o", folder.text);
    assert_code(1);
    assert_contains(err, "frames/1.jpeg: ");
    assert_contains(err, "no.png");
    assert_contains(err, "mudepth predict: 2 of 5 pictures failed");
    const char *ten = strstr(out, "10.depth.png"), *two = strstr(out, "2.depth.png");
    cr_assert(ten && two && ten < two && strstr(out, "more.colour.png"), "%s", out);
    cr_assert_eq(scratch_count(folder.text), 6);
    MUDEPTH("predict", "--weights", flat.text, frames.text, "-o",
            scratch_path(&scratch, "json").text, "--json");
    assert_code(1);
    assert_contains(out, "\"error\": ");
    mkdir(scratch_path(&scratch, "none").text, 0777);
    MUDEPTH("predict", "--weights", flat.text, scratch_path(&scratch, "none").text, "-o",
            scratch_path(&scratch, "no").text);
    assert_fails(1, "none: no picture");
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
