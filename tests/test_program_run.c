/* `mudepth run` at the command line: results, and what cannot be written. (What interrupts it:
 * test_program_resume.c. The other subcommands: test_program.c.) */
#include <criterion/criterion.h>
#include <math.h>

#include "../base/h5.h"
#include "../experiments/metrics.h"
#include "../results/cell.h"
#include "h5_leaks.h"
#include "one_run.h"

TestSuite(program_run, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

/* ---- results --------------------------------------------------------------------------------- */

Test(program_run, reports_before_after_and_dummy) {
    MUDEPTH("run", config.text, "-o", cell.text);
    assert_fine("before fine-tuning");
    assert_contains(out, "after fine-tuning");
    assert_contains(out, "dummy predictor");
    assert_contains(out, cell.text);
    assert_contains(err, "6 train, 6 val, 6 test samples"); /* not a result, so not in `out` */
    cr_assert_null(strstr(out, "arena"));
    cr_assert_eq(scratch_count(scratch_path(&scratch, "out/").text), 1);
}

/* Identities are of contents: who moves a file can still resume. */
Test(program_run, identity_does_not_know_where_files_are) {
    char identity[2][33] = {"", ""};
    struct scratch_path first = small_cell(), second = scratch_path(&scratch, "moved.h5");
    for (int i = 0; i < 2; i++) {
        char weights[5000];
        snprintf(weights, sizeof weights, "weights=%s", i == 0 ? first.text : second.text);
        MUDEPTH("run", config.text, weights, "-o", cell.text, "--json");
        json_t *json = output_json();
        snprintf(identity[i], 33, "%s", json_string_value(json_at(json, "identity")));
        json_decref(json);
        cr_assert_eq(rename(first.text, second.text), i == 0 ? 0 : -1);
    }
    cr_assert_str_eq(identity[0], identity[1]);
}

Test(program_run, json_has_everything) {
    static const char *const tests[] = {"before", "after", "dummy"};
    MUDEPTH("run", config.text, "-o", cell.text, "--json");
    json_t *json = output_json();
    static const char *const texts[] = {"cell", "identity", "run_digest", "cpu_level"};
    for (int i = 0; i < 4; i++)
        assert_json(json, texts[i], JSON_STRING);
    assert_json(json, "arena_bytes", JSON_INTEGER);
    assert_json(json, "seconds", JSON_REAL);
    cr_assert_eq(json_array_size(json_at(json, "epochs")), 2);
    for (size_t e = 0; e < 2; e++) {
        json_t *epoch = json_array_get(json_at(json, "epochs"), e);
        static const char *const keys[] = {"learning_rate", "train_loss", "validation_loss",
                                           "validation_rmse_m"};
        for (int k = 0; k < 4; k++)
            assert_json(epoch, keys[k], JSON_REAL);
    }
    for (int t = 0; t < 3; t++)
        for (int m = 0; m < MD_METRIC_COUNT; m++) {
            char path[100];
            snprintf(path, sizeof path, "test.%s.%s", tests[t], md_metric_names[m]);
            assert_json(json, path, JSON_REAL);
        }
    json_decref(json);
}

Test(program_run, figures_lie_beside_the_cell) {
    need_tool("gnuplot");
    MUDEPTH("run", config.text, "-o", cell.text, "--figures", "--json");
    json_t *json = output_json();
    static const char *const names[] = {"contact_sheet", "loss_curve"};
    for (int i = 0; i < 2; i++)
        cr_assert(exists(json_string_value(json_at(json, names[i]))));
    json_decref(json);
    cr_assert_eq(scratch_count(scratch_path(&scratch, "out/").text), 3);
    struct scratch_path untrained = scratch_path(&scratch, "none/cell.h5");
    MUDEPTH("run", config.text, "-o", untrained.text, "--figures", "epochs=0");
    assert_fine("contact sheet");
    cr_assert_eq(scratch_count(scratch_path(&scratch, "none/").text), 2, "no epochs, no curve");
}

/* The latest run has diverged, and everything says so: the exit code, a note, the table or JSON,
 * and its cell. Nothing after it is what was before it. */
static void assert_diverged(int epoch, int as_json) {
    struct md_cell found;
    struct md_error error;
    char note[100];
    assert_code(1);
    snprintf(note, sizeof note, "note: the run diverged in epoch %d", epoch);
    assert_contains(err, note);
    cr_assert_eq(md_cell_read(cell.text, &found, &error), MD_OK, "%s", error.text);
    cr_assert_eq(found.diverged, 1);
    cr_assert_eq(found.selected_epoch, 2);
    cr_assert(isfinite(found.scores[0].of[MD_BEFORE].value[MD_RMSE]));
    cr_assert(isnan(found.scores[0].of[MD_AFTER].value[MD_RMSE]));
    cr_assert_eq(found.scores[0].of[MD_AFTER].value[MD_NO_PREDICTION], 1);
    cr_assert_eq(found.scores[0].of[MD_AFTER].images, 2);
    assert_contains(out, as_json ? "\"diverged\": true" : "nan");
    MUDEPTH("weights", "info", cell.text);
    assert_fails(1, "expected a finite number");
    MUDEPTH("query", cell.text, "--show", "rmse_m,before.rmse_m,no_prediction,diverged", "--csv");
    assert_fine("1,1,,");
    assert_contains(err, "1 of 1 runs diverged");
    MUDEPTH("query", cell.text, "diverged=0");
    assert_fine("");
    assert_contains(err, "none of 1 cells");
}

/* Weights that become NaN in the first epoch, whatever is selected and wherever it is resumed. */
/* What Adam in binary16 loses in silence, and only where it does. */
Test(program_run, what_vanishes_in_binary16_is_noted) {
    static const struct {
        const char *keys[4];
        int moments, gradients;
    } cases[] = {
        {{"format=fp16"}, 1, 1},
        {{"format=fp16w", "batch=1"}, 1, 0},
        {{"format=fp16", "loss_scale=1024"}, 1, 0},
        {{"format=fp16", "moments=fp32"}, 0, 1},
        {{"format=fp16", "epsilon=0.001", "batch=1"}, 0, 0},
        {{"format=fp16", "optimizer=sgd"}, 0, 0},
        {{"format=bf16"}, 0, 0},
    };
    struct scratch_path file = written("run.yaml", "weights: scratch\nbatch: 2\n"
                                                   "data: {set: synthetic, count: 2, val: ''}\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scratch_path made = scratch_path(&scratch, "noted%zu.h5", i);
        const char *words[12] = {"mudepth", "run", file.text, "-o", made.text, "lr=1e-6"};
        for (int k = 0; cases[i].keys[k] != NULL; k++)
            words[6 + k] = cases[i].keys[k];
        call(words, (struct manner){0});
        cr_assert_eq(strstr(err, "second moment vanishes") != NULL, cases[i].moments, "%zu", i);
        cr_assert_eq(strstr(err, "a mean over 2 samples may vanish") != NULL, cases[i].gradients,
                     "%zu: %s", i, err);
    }
}

Test(program_run, a_run_that_diverges_says_so_and_fails) {
    static const char *const ways[][3] = {
        {"loss=mse", "optimizer=sgd", "lr=10"},
        {"format=fp16", "epsilon=1e-8", "lr=0.001"},
        {"format=fp16", "epsilon=1e-8", "data.val="},
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        for (int as_json = 0; as_json < 2; as_json++) { /* the second time it is only shown */
            MUDEPTH("run", config.text, "-o", cell.text, "data.count=2", "batch=1", ways[i][0],
                    ways[i][1], ways[i][2], as_json ? "--json" : NULL);
            assert_diverged(1, as_json);
        }
        remove(cell.text); /* what follows is not that run */
        MUDEPTH("run", config.text, "-o", cell.text, "data.count=2", "batch=1", ways[i][0],
                ways[i][1], ways[i][2], "protocol=release", "--json");
        assert_code(1);
        assert_contains(out, "\"diverged\": true");
        remove(cell.text);
    }
}

/* No loss is NaN yet after the only step, but weights are, or all are finite and the depth is not.
 */
Test(program_run, what_the_last_step_broke_has_diverged) {
    static const char *const ways[][3] = {
        {"optimizer=adam", "epsilon=1e-8", " in epoch 1: a loss or a weight"},
        {"optimizer=sgd", "policy=full",
         ": after training there is a depth that is NaN or infinite"}};
    for (int i = 0; i < 2; i++) {
        json_error_t problem;
        char note[100];
        MUDEPTH("run", config.text, "-o", scratch_path(&scratch, "%d.h5", i).text, "format=fp16",
                "epochs=1", "batch=6", "data.val=", "loss=mse", "lr=10", ways[i][0], ways[i][1],
                "--json");
        assert_code(1);
        snprintf(note, sizeof note, "note: the run diverged%s", ways[i][2]);
        assert_contains(err, note);
        json_t *json = json_loads(out, 0, &problem);
        assert_json(json_array_get(json_at(json, "epochs"), 0), "train_loss", JSON_REAL);
        assert_json(json, "test.after.rmse_m", JSON_NULL);
        assert_json(json, "diverged", JSON_TRUE);
        json_decref(json);
    }
}

/* What is best before it breaks is kept and measured, but the run has diverged. */
Test(program_run, a_run_that_diverges_later_keeps_its_best_weights) {
    struct md_cell found;
    struct md_error error;
    MUDEPTH("run", config.text, "-o", cell.text, "--save-weights",
            scratch_path(&scratch, "w.h5").text, "format=fp16", "batch=6", "epochs=3",
            "optimizer=sgd", "loss=mse", "lr=0.03");
    assert_code(1);
    assert_contains(err, "note: the run diverged in epoch ");
    assert_contains(err, "; its weights are not saved");
    cr_assert(!exists(scratch_path(&scratch, "w.h5").text));
    cr_assert_eq(md_cell_read(cell.text, &found, &error), MD_OK, "%s", error.text);
    cr_assert_eq(found.diverged, 1);
    cr_assert_gt(found.selected_epoch, 0);
    cr_assert(isfinite(found.scores[0].of[MD_AFTER].value[MD_RMSE]));
    MUDEPTH("query", cell.text, "--show", "rmse_m");
    assert_contains(err, "1 of 1 runs diverged");
}

/* Steps that are too long leave a ReLU that is never passed again: all finite, but no depth. */
Test(program_run, a_network_without_any_depth_has_diverged) {
    MUDEPTH("run", config.text, "-o", cell.text, "optimizer=sgd", "policy=d2", "loss=mse", "lr=0.1",
            "--json");
    assert_code(1);
    assert_contains(err, "note: the run diverged: after training there is no depth at all");
    assert_contains(out, "\"no_prediction\": 1.0");
}

Test(program_run, without_a_label_or_a_truth_there_is_no_run) {
    static const char *const ways[][2] = {
        {"data.max_depth_m=0.1", "data.train: none of the "},
        {"cap_m=0.1", "data.test: none of the "},
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        MUDEPTH("run", config.text, "-o", cell.text, ways[i][0]);
        assert_code(1);
        assert_contains(err, ways[i][1]);
        cr_assert(!exists(cell.text));
    }
}

Test(program_run, says_what_an_update_costs_and_what_it_skipped) {
    MUDEPTH("run", config.text, "-o", cell.text, "format=fp16", "moments=fp32",
            "weight_storage=master", "policy=d0");
    assert_fine("run digest");
    assert_contains(err, "31872 parameters learn; the optimizer keeps 12 bytes for each");
    cr_assert_null(strstr(err, "skipped"));
    struct scratch_path other = scratch_path(&scratch, "other.h5");
    MUDEPTH("run", config.text, "-o", other.text, "format=fp16", "loss_scale=16777216", "--json");
    assert_contains(err, "with loss_scale 16777216 a gradient was infinite or NaN");
    json_t *json = output_json();
    assert_json(json, "skipped_steps", JSON_INTEGER);
    cr_assert_gt(json_integer_value(json_at(json, "skipped_steps")), 0);
    json_decref(json);
    MUDEPTH("run", config.text, "-o", other.text, "weight_storage=master", "format=fp32");
    assert_fails(2, "weight_storage: master needs a 16-bit format");
    MUDEPTH("run", config.text, "-o", other.text, "loss_scale=24");
    assert_fails(2, "loss_scale: expected a power of two");
}

Test(program_run, a_path_that_json_cannot_say_is_1_and_the_cell_is_there) {
    struct scratch_path path = scratch_path(&scratch, "\xff.h5");
    MUDEPTH("run", config.text, "-o", path.text, "--json");
    assert_fails(1, "not UTF-8");
    cr_assert(exists(path.text));
}

Test(program_run, default_output_is_named_after_config_and_identity) {
    call(WORDS("run", "small.yaml", "--json"), (struct manner){.folder = scratch.folder});
    json_t *json = output_json();
    char name[200];
    snprintf(name, sizeof name, "results/runs/small-%.8s.h5",
             json_string_value(json_at(json, "identity")));
    cr_assert_str_eq(json_string_value(json_at(json, "cell")), name);
    cr_assert(exists(scratch_path(&scratch, "%s", name).text));
    json_decref(json);
}

Test(program_run, paths_may_be_of_any_kind) {
    static const char *const names[] = {"a b.h5",  "it's \"it\".h5", "line\nbreak.h5", "-x.h5",
                                        "深/é.h5", "%s%n.h5",        "no_ending",      ".h5"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        call(WORDS("run", config.text, "-o", names[i], "--json", "epochs=1"),
             (struct manner){.folder = scratch.folder});
        json_t *json = output_json();
        cr_assert_str_eq(json_string_value(json_at(json, "cell")), names[i]);
        json_decref(json);
        call(WORDS("weights", "info", "--", names[i]), (struct manner){.folder = scratch.folder});
        assert_fine("107625 parameters");
    }
}

Test(program_run, command_in_a_cell_can_be_pasted) {
    char command[1024];
    struct md_error error;
    hid_t file;
    cell = scratch_path(&scratch, "out/it's b.h5");
    MUDEPTH("run", config.text, "-o", cell.text, "augment=[flip]");
    assert_code(0);
    cr_assert_eq(md_h5_open(cell.text, &file, &error), MD_OK);
    cr_assert_eq(md_h5_read_text(file, "/config", "command", sizeof command, command, &error),
                 MD_OK);
    H5Fclose(file);
    assert_contains(command, "mudepth run ");
    assert_contains(command, "/out/it'\\''s b.h5' ");
    assert_contains(command, " 'augment=[flip]'");
}

Test(program_run, threads_do_not_change_the_result) {
    char *one = digest_of_run("threads=1", NULL), *three = digest_of_run("threads=3", NULL);
    cr_assert_str_eq(one, three);
    free(one);
    free(three);
}

/* The exported files hold all that the built-in set does. */
Test(program_run, exported_data_gives_the_same_metrics) {
    struct scratch_path folder = scratch_path(&scratch, "exported");
    static const char *const splits[] = {"train", "val", "test"};
    for (int s = 0; s < 3; s++) {
        char spec[100];
        snprintf(spec, sizeof spec, "{set: synthetic, count: 6, split: %s}", splits[s]);
        MUDEPTH("data", "export", spec, "-o", folder.text, "--split", splits[s]);
        assert_code(0);
    }
    MUDEPTH("run", config.text, "-o", cell.text, "--json");
    json_t *built_in = output_json();
    char root[1700];
    snprintf(root, sizeof root, "data.root=%s", folder.text);
    MUDEPTH("run", config.text, "-o", scratch_path(&scratch, "other.h5").text, "--json",
            "data.set=micro", root);
    json_t *exported = output_json();
    cr_assert(json_equal(json_at(built_in, "test"), json_at(exported, "test")));
    cr_assert(json_equal(json_at(built_in, "run_digest"), json_at(exported, "run_digest")));
    json_decref(built_in);
    json_decref(exported);
}

Test(program_run, starts_from_the_weights_of_a_cell) {
    char weights[1700];
    MUDEPTH("run", config.text, "-o", cell.text, "--json");
    json_t *first = output_json();
    snprintf(weights, sizeof weights, "weights=%s", cell.text);
    MUDEPTH("run", config.text, "-o", scratch_path(&scratch, "next.h5").text, "--json", weights);
    json_t *next = output_json();
    cr_assert(json_equal(json_at(first, "test.after"), json_at(next, "test.before")));
    json_decref(first);
    json_decref(next);
}

Test(program_run, weights_of_another_network_are_refused) {
    MUDEPTH("run", config.text, "-o", cell.text, "network=upydnet_large", "epochs=0");
    assert_code(0);
    char weights[1700];
    snprintf(weights, sizeof weights, "weights=%s", cell.text);
    MUDEPTH("run", config.text, "-o", scratch_path(&scratch, "next.h5").text, weights);
    assert_fails(1, "cell.h5");
    assert_contains(err, "upydnet_large");
}

/* ---- a result that is there already ---------------------------------------------------------- */

Test(program_run, saved_weights_replace_nothing) {
    struct scratch_path notes = written("notes.txt", "precious");
    MUDEPTH("run", config.text, "-o", cell.text, "--save-weights", notes.text);
    assert_fails(2, "notes.txt: is there already");
    MUDEPTH("run", config.text, "-o", cell.text, "--save-weights", cell.text);
    assert_fails(2, "both --output and --save-weights: ");
    MUDEPTH("run", config.text, "-o", cell.text, "--save-weights", "");
    assert_fails(2, "--save-weights: expected the name of a file");
    MUDEPTH("run", config.text, "-o", cell.text, "--save-weights", "/dev/null/x.h5");
    assert_fails(1, "/dev/null");
    cr_assert_null(strstr(err, "arena"), "before any training");
    cr_assert_not(exists(cell.text));
    size_t size;
    unsigned char *kept = scratch_read(notes.text, &size);
    cr_assert_eq(memcmp(kept, "precious", 8), 0);
    free(kept);
}

/* What is finished is shown, and everything that can be made of it, but it is not made again. */
Test(program_run, a_finished_run_is_old) {
    struct scratch_path weights = scratch_path(&scratch, "w.h5");
    size_t size[2];
    MUDEPTH("run", config.text, "-o", cell.text, "--json", "epochs=2", "cap_m=[80, 5]");
    assert_code(0);
    char *first = strdup(out);
    unsigned char *bytes[2] = {scratch_read(cell.text, &size[0])};
    MUDEPTH("run", config.text, "-o", cell.text, "--json", "epochs=2", "cap_m=[80, 5]",
            "--save-weights", weights.text, "-v");
    assert_contains(err, "note: ");
    assert_contains(err, "cell.h5: this run was made before, until 20");
    cr_assert_null(strstr(err, "epoch"), "%s", err);
    out[strstr(out, "\"weights\"") - out] = '\0';
    cr_assert_eq(strncmp(out, first, strlen(out) - 10), 0, "%s", out);
    cr_assert(exists(weights.text));
    bytes[1] = scratch_read(cell.text, &size[1]);
    cr_assert(size[0] == size[1] && memcmp(bytes[0], bytes[1], size[0]) == 0);
    MUDEPTH("run", config.text, "-o", cell.text, "--json", "epochs=2", "cap_m=[80, 5]", "--force");
    assert_code(0);
    assert_contains(err, "epoch 2 of 2 done");
    cr_assert_null(strstr(err, "note: "), "%s", err);
    free(bytes[0]);
    free(bytes[1]);
    free(first);
}

Test(program_run, nothing_else_is_overwritten) {
    struct scratch_path text = written("notes.txt", "precious");
    size_t size[2];
    free(digest_of_run(NULL, NULL));
    unsigned char *before = scratch_read(cell.text, &size[0]);
    MUDEPTH("run", config.text, "-o", cell.text, "seed=2");
    assert_fails(2, "cell.h5: is there already; --force replaces it");
    unsigned char *after = scratch_read(cell.text, &size[1]);
    cr_assert_eq(size[0], size[1]);
    cr_assert_eq(memcmp(before, after, size[0]), 0);
    free(before);
    free(after);
    MUDEPTH("run", config.text, "-o", text.text);
    assert_fails(2, "notes.txt: is there already");
    MUDEPTH("run", config.text, "-o", scratch.folder);
    assert_fails(2, "is a folder");
    MUDEPTH("run", config.text, "-o", "");
    assert_fails(2, "--output: expected the name of a file");
    MUDEPTH("run", config.text, "-o", scratch_path(&scratch, "new/").text);
    assert_fails(2, "--output: expected the name of a file");
    unsigned char *notes = scratch_read(text.text, &size[0]);
    cr_assert_eq(memcmp(notes, "precious", 8), 0);
    free(notes);
}

/* The second time it is only shown. */
Test(program_run, a_run_that_stops_early_says_so) {
    for (int again = 0; again < 2; again++) {
        MUDEPTH("run", config.text, "-o", cell.text, "lr=0", "epochs=6", "early_stop=2", "--json");
        json_t *json = output_json();
        assert_contains(err, "note: stopped early, after epoch 3 of 6: the last 2 had no lower "
                             "validation loss");
        cr_assert_eq(json_array_size(json_at(json, "epochs")), 3);
        assert_json(json, "stopped_early", JSON_TRUE);
        json_decref(json);
    }
    MUDEPTH("query", cell.text, "--show", "epochs_done", "--csv");
    assert_fine("3");
    MUDEPTH("diff", cell.text, cell.text);
    assert_code(0);
    MUDEPTH("log", cell.text);
    assert_fine("\"event\":\"epoch\",\"step\":6,\"epoch\":3,");
    MUDEPTH("run", config.text, "-o", cell.text, "early_stop=1", "data.val=");
    assert_fails(2, "command line: early_stop: has an effect only with val: any but ''");
}

/* ---- what cannot be written ------------------------------------------------------------------ */

Test(program_run, full_disk_is_1_and_leaves_nothing_broken) {
    const struct manner full_disk = {.file_bytes = 100000};
    call(WORDS("run", config.text, "-o", cell.text), full_disk);
    assert_fails(1, "cell.h5");
    cr_assert_eq(scratch_count(scratch_path(&scratch, "out/").text), 0);
    /* And a cell that was there stays. */
    char *digest = digest_of_run(NULL, NULL);
    call(WORDS("run", config.text, "-o", cell.text, "--force"), full_disk);
    assert_fails(1, "cell.h5");
    char *again = digest_of_run(NULL, NULL);
    cr_assert_str_eq(again, digest);
    free(digest);
    free(again);
}

/* Known before the training, not after it. */
Test(program_run, read_only_folder_is_1_before_any_training) {
    struct scratch_path folder = scratch_path(&scratch, "locked/");
    chmod(scratch.folder, 0755);
    mkdir(folder.text, 0555);
    call(WORDS("run", config.text, "-o", scratch_path(&scratch, "locked/cell.h5").text),
         (struct manner){.as_nobody = 1});
    assert_fails(1, "locked: cannot write into this folder: Permission denied");
    cr_assert_null(strstr(err, "arena"));
    MUDEPTH("run", config.text, "-o", scratch_path(&scratch, "small.yaml").text, "-o",
            "/dev/null/x.h5");
    assert_fails(1, "/dev/null");
    cr_assert_eq(scratch_count(folder.text), 0);
}

/* Messages must not end up in the first file that is opened. */
Test(program_run, closed_streams_do_not_damage_the_cell) {
    static struct md_cell read;
    struct md_error error;
    call(WORDS("run", config.text, "-o", cell.text), (struct manner){.close_streams = 1});
    assert_code(1);
    cr_assert_eq(md_cell_read(cell.text, &read, &error), MD_OK, "%s", error.text);
    MUDEPTH("weights", "info", cell.text);
    assert_fine("107625 parameters");
}

Test(program_run, report_that_cannot_be_printed_is_1_but_the_cell_is_there) {
    call(WORDS("run", config.text, "-o", cell.text, "--json"),
         (struct manner){.output = "/dev/full"});
    assert_fails(1, "cannot write");
    cr_assert(exists(cell.text));
}
