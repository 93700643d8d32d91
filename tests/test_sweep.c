/* `mudepth sweep`, `resume`, `rerun` and `status` at the command line: what a folder of cells is
 * after sweeps that went well or failed. (Which cells there are: test_grid.c; what becomes of
 * interrupted ones: test_sweep_interrupted.c.) */
#include <criterion/criterion.h>

#include "sweeps.h"

TestSuite(sweep, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

/* ---- the ordinary way ------------------------------------------------------------------------ */

Test(sweep, cells_are_what_run_makes) {
    struct digests digests = undisturbed();
    struct scratch_path small = written("one.yaml", SIX_BASE);
    static const char *const policies[] = {"policy=d0", "policy=full"};
    for (int i = 0; i < SIX; i += 4) {
        char seed[20];
        snprintf(seed, sizeof seed, "seed=%d", i % 3);
        MUDEPTH("run", small.text, policies[i / 3], seed, "-o",
                scratch_path(&scratch, "one%d.h5", i).text, "--json");
        json_t *json = output_json();
        cr_assert_str_eq(json_string_value(json_at(json, "run_digest")), digests.text[i]);
        json_decref(json);
    }
}

Test(sweep, says_each_cell_once_and_does_it_once) {
    MUDEPTH("sweep", config.text, "-o", folder.text, "-j", "2");
    assert_fine("6 cells: 6 done");
    for (int i = 1; i <= SIX; i++) {
        char number[20];
        snprintf(number, sizeof number, "[%d/6] ", i);
        assert_contains(err, number);
    }
    struct digests first = digests_of(folder.text);
    struct scratch_path frozen = scratch_path(&scratch, "cells/sweep.yaml");
    MUDEPTH("sweep", frozen.text, "-o", folder.text);
    assert_fine("6 cells: 6 done");
    cr_assert_str_empty(err, "there is nothing to do");
    struct digests second = digests_of(folder.text);
    assert_same(&first, &second);
}

Test(sweep, default_folder_is_named_after_config_and_grid) {
    call(WORDS("sweep", "six.yaml", "epochs=0", "--json"),
         (struct manner){.folder = scratch.folder});
    json_t *json = output_json();
    char name[100];
    snprintf(name, sizeof name, "results/runs/six-%.8s", json_string_value(json_at(json, "grid")));
    cr_assert_str_eq(json_string_value(json_at(json, "folder")), name);
    cr_assert_eq(scratch_count(scratch_path(&scratch, "%s", name).text), SIX + 2);
    json_decref(json);
}

/* Cells know the command that made them, and query takes them. */
Test(sweep, cells_are_results_as_others) {
    char command[1024];
    struct md_error error;
    hid_t file;
    MUDEPTH("sweep", config.text, "-o", folder.text, "seed=7", "epochs=1");
    assert_fine("2 cells: 2 done");
    assert_contains(err, "note: 4 more cells are the same runs");
    json_t *json = status_json(folder.text);
    const char *name =
        json_string_value(json_at(json_array_get(json_at(json, "cells"), 0), "name"));
    struct scratch_path cell = scratch_path(&scratch, "cells/%s.h5", name);
    json_decref(json);
    cr_assert_eq(md_h5_open(cell.text, &file, &error), MD_OK);
    cr_assert_eq(md_h5_read_text(file, "/config", "command", sizeof command, command, &error),
                 MD_OK);
    H5Fclose(file);
    assert_contains(command, "mudepth sweep ");
    assert_contains(command, " seed=7 epochs=1");
    MUDEPTH("query", cell.text);
    assert_fine("rmse_m");
}

Test(sweep, a_dry_run_changes_nothing) {
    MUDEPTH("sweep", config.text, "-o", folder.text, "--dry-run");
    assert_fine("6 cells: 6 missing; about 0:");
    cr_assert_eq(strchr(out, '\n')[1], '\0', "one line: %s", out);
    MUDEPTH("sweep", config.text, "-o", folder.text, "--dry-run", "-v");
    assert_fine("6 cells: 6 missing; about 0:");
    char samples[40];
    snprintf(samples, sizeof samples, "  %d samples, ", SAMPLES);
    assert_contains(out, samples);
    assert_contains(out, ": policy=full seed=2\n");
    cr_assert_neq(access(folder.text, F_OK), 0, "not even a folder");

    MUDEPTH("sweep", config.text, "-o", folder.text);
    assert_code(0);
    json_t *json = status_json(folder.text);
    const char *name =
        json_string_value(json_at(json_array_get(json_at(json, "cells"), 1), "name"));
    remove(scratch_path(&scratch, "cells/%s.h5", name).text);
    json_decref(json);
    call(WORDS("sweep", config.text, "-o", folder.text, "--dry-run", "--json"),
         (struct manner){.as_nobody = 0});
    json = output_json();
    cr_assert_eq(json_integer_value(json_at(json, "counts.done")), 5);
    cr_assert_eq(json_integer_value(json_at(json, "counts.missing")), 1);
    cr_assert_eq(scratch_count(folder.text), SIX - 1 + 2);
    for (size_t i = 0; i < SIX; i++) {
        json_t *cell = json_array_get(json_at(json, "cells"), i);
        double macs = json_real_value(json_at(cell, "macs"));
        cr_assert_str_eq(json_string_value(json_at(cell, "state")), i == 1 ? "missing" : "done");
        cr_assert_str_eq(json_string_value(json_at(cell, "settings.policy")),
                         i < 3 ? "d0" : "full");
        cr_assert_eq(json_integer_value(json_at(cell, "samples")), SAMPLES);
        /* each sample at least once forward: 48.6 million, once more back */
        cr_assert_geq(macs, EPOCHS * SAMPLES * 40e6);
        cr_assert_leq(macs, EPOCHS * SAMPLES * 400e6);
        cr_assert_gt(json_real_value(json_at(cell, "expected_seconds")), 0);
        cr_assert_eq(json_is_null(json_at(cell, "rmse_m")), i == 1);
    }
    json_decref(json);
}

/* ---- axes on the command line ---------------------------------------------------------------- */

/* They make the cells that a file would, of any config, and win over a file's. */
Test(sweep, several_values_on_the_command_line) {
    static const struct {
        const char *base, *words[3];
        int cells;
        const char *settings[3]; /* of the second cell, and of the last */
    } cases[] = {
        {SIX_BASE, {"policy=d0,full", "seed=0..2"}, 6, {": policy=d0 seed=1\n", "=full seed=2\n"}},
        {SIX_BASE, {"seed=4,0..1"}, 3, {": seed=0\n", ": seed=1\n"}},
        {SIX_BASE, {"lr=0.1,0.02", "lr=0.01,0.003"}, 2, {": lr=0.003\n", ": lr=0.01\n"}},
        {SIX_CELLS,
         {"policy=d2", "format=fp32,bf16"},
         6,
         {": format=bf16 seed=0\n", "=bf16 seed=2\n"}},
        {SIX_CELLS, {"seed=7"}, 2, {": policy=full\n"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scratch_write_text(config.text, cases[i].base);
        MUDEPTH("sweep", config.text, "-o", folder.text, "--dry-run", "-v", cases[i].words[0],
                cases[i].words[1]);
        char count[40];
        snprintf(count, sizeof count, ": %d cells: %d missing", cases[i].cells, cases[i].cells);
        assert_fine(count);
        for (int s = 0; s < 3 && cases[i].settings[s]; s++)
            assert_contains(out, cases[i].settings[s]);
    }
    static const struct {
        const char *word, *message;
    } wrong[] = {{"policy=d0,fll", "command line: policy: "},
                 {"polcy=d0,full", "did you mean policy?"},
                 {"polcy=d0", "did you mean policy?"},
                 {"label=sparse", "it is called label_mode now"},
                 {"seed=4..0", "expected a range from a smaller to a larger number"},
                 {"seed=0,", "command line: seed: "},
                 {"seed=0..10000", "expected a range"},
                 {"data.val=a,b", "expected `sweep:` or `also:`"}};
    scratch_write_text(config.text, SIX_BASE);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        MUDEPTH("sweep", config.text, "-o", folder.text, "--dry-run", wrong[i].word);
        assert_fails(2, wrong[i].message);
    }
}

/* ---- failures and paths ---------------------------------------------------------------------- */

/* The first cell fails, whatever is tried; the three others need not be made. */
Test(sweep, failures_end_it_or_are_tried_again) {
    struct scratch_path bad = written("bad.h5", "no weights\n");
    char weights[3000];
    snprintf(weights, sizeof weights,
             "lr: 0.003\nbatch: 1\nepochs: 1\ndata: {set: synthetic, count: 2}\n"
             "sweep: {weights: ['%s', scratch], seed: 0..1}\n",
             bad.text);
    scratch_write_text(config.text, weights);
    MUDEPTH("sweep", config.text, "-o", folder.text, "--fail-fast");
    assert_code(1);
    assert_contains(err, "stopped at a failure: 1 of 4 cells failed, 3 are left");
    MUDEPTH("sweep", config.text, "-o", folder.text, "--retries", "2");
    assert_code(1);
    assert_contains(err, "2 of 4 cells failed, 0 are left");
    int tries = 0;
    for (const char *at = err; (at = strstr(at, "is tried again: ")) != NULL; at++)
        tries++;
    cr_assert_eq(tries, 4, "%s", err);
    MUDEPTH("resume", folder.text, "--retries", "1", "--task", "0/1");
    assert_fails(2, "--retries: not with --task");
}

Test(sweep, missing_data_is_noticed_before_the_first_cell) {
    scratch_write_text(config.text, "weights: scratch\nepochs: 1\n"
                                    "data: {set: matrix, root: nowhere}\nsweep: {seed: 0..1}\n");
    MUDEPTH("sweep", config.text, "-o", folder.text);
    assert_fails(1, "data.root: nowhere: No such file");
    cr_assert_neq(access(folder.text, F_OK), 0, "not even a folder");
}

Test(sweep, a_root_that_moved_is_said) {
    struct scratch_path first = small_cell(), second = scratch_path(&scratch, "moved.h5");
    char text[3000], moved[3000];
    cr_assert_eq(link(first.text, second.text), 0);
    snprintf(text, sizeof text,
             "weights: %s\nepochs: 1\ndata: {set: synthetic, count: 2}\nsweep: {seed: 0..1}\n",
             first.text);
    scratch_write_text(config.text, text);
    snprintf(moved, sizeof moved, "weights=%s", second.text);
    MUDEPTH("sweep", config.text, "-o", folder.text);
    assert_code(0);
    cr_assert_null(strstr(err, "was begun with"));
    MUDEPTH("sweep", config.text, "-o", folder.text, moved);
    assert_code(0);
    assert_contains(err, "was begun with weights: ");
}

/* ---- cells that do not fit ------------------------------------------------------------------- */

/* They are marked, and the others go on; runs that are equal but for their budgets are one cell. */
Test(sweep, cells_that_do_not_fit_are_marked_and_the_rest_goes_on) {
    config = written("budgets.yaml", SIX_BASE
                     "format: bf16\nsweep: {policy: [d0, full], budget_kb: [400, 600, 900]}\n");
    MUDEPTH("sweep", config.text, "-o", folder.text);
    assert_fine("5 cells: 1 done, 4 unfit");
    MUDEPTH("status", folder.text);
    assert_fine("does not fit: needs 1,148 kB");
    json_t *json = status_json(folder.text), *cell;
    size_t c;
    int unfit = 0;
    json_array_foreach(json_at(json, "cells"), c, cell) {
        json_int_t budget_kb = json_integer_value(json_at(cell, "settings.budget_kb"));
        int is_unfit = strcmp(json_string_value(json_at(cell, "state")), "unfit") == 0;
        cr_assert_eq(json_is_string(json_at(cell, "error")), is_unfit);
        unfit += is_unfit && budget_kb > 0;
    }
    json_decref(json);
    cr_assert_eq(unfit, 4);
    MUDEPTH("query", folder.text);
    assert_code(0);
    assert_contains(err, "policy=full budget_kb=900: does not fit: needs 1,148 kB");
    MUDEPTH("resume", folder.text);
    assert_fine("unfit");
    MUDEPTH("sweep", config.text, "-o", folder.text, "--dry-run", "policy=auto", "budget_kb=10");
    assert_code(2);
}

/* ---- wrong usage ----------------------------------------------------------------------------- */

Test(sweep, wrong_usage) {
    MUDEPTH("sweep");
    assert_fails(2, "expected CONFIG.yaml, found nothing");
    MUDEPTH("sweep", "missing.yaml");
    assert_fails(1, "missing.yaml");
    MUDEPTH("sweep", config.text, "-j", "0");
    assert_fails(2, "--jobs: expected a whole number from 1");
    MUDEPTH("sweep", config.text, "--checkpoint", "x");
    assert_fails(2, "--checkpoint: expected a whole number");
    MUDEPTH("sweep", config.text, "-o", "");
    assert_fails(2, "expected the name of a folder");
    MUDEPTH("sweep", config.text, "colour=1", "-o", folder.text);
    assert_fails(2, "\"colour\" is no key of a config");
    MUDEPTH("sweep", config.text, "weights=missing.h5", "-o", folder.text);
    assert_fails(1, "weights: missing.h5: No such file");
    MUDEPTH("sweep", config.text, "data.root=nowhere", "data.set=micro", "--dry-run");
    assert_fails(1, "nowhere");
    MUDEPTH("run", config.text, "-o", folder.text);
    assert_fails(2, "sweep: unknown key");
    cr_assert_neq(access(folder.text, F_OK), 0);
    static const char *const commands[] = {"status", "resume"};
    for (int c = 0; c < 2; c++) {
        MUDEPTH(commands[c]);
        assert_fails(2, "expected DIR, found nothing");
        MUDEPTH(commands[c], scratch.folder);
        assert_fails(2, "no sweep was begun there");
    }
    MUDEPTH("rerun", folder.text);
    assert_fails(2, "--failed must be given");
    MUDEPTH("sweep", config.text, "--failed");
    assert_fails(2, "unknown option --failed");
    MUDEPTH("resume", folder.text, "-o", folder.text);
    assert_fails(2, "unknown option -o");
}

Test(sweep, a_folder_has_one_grid) {
    MUDEPTH("sweep", config.text, "-o", folder.text, "epochs=0");
    assert_fine("6 done");
    static const char *const ways[] = {"--json", "--dry-run"};
    for (int w = 0; w < 2; w++) {
        MUDEPTH("sweep", config.text, "-o", folder.text, ways[w]);
        assert_fails(2, "cells: holds another sweep: expected a grid of 6 cells with hash");
    }
    cr_assert_eq(count_of(folder.text, "done"), SIX);
    struct scratch_path frozen = scratch_path(&scratch, "cells/sweep.yaml");
    scratch_write_text(frozen.text, "weights: scratch\ndata: {set: synthetic}\nalso: [{}]\n"
                                    "grid: 0123\n");
    MUDEPTH("sweep", config.text, "-o", folder.text, "epochs=0");
    assert_fails(2, "sweep.yaml:4:7: grid: ");
    MUDEPTH("status", scratch_path(&scratch, "cells//").text);
    assert_fails(2, "/cells/sweep.yaml:4:7: grid: ");
}

/* ---- failures -------------------------------------------------------------------------------- */

/* Cells that start from a file that is no weights file fail; the others do not notice. */
Test(sweep, a_failed_cell_does_not_stop_the_others) {
    struct scratch_path good = small_cell(), bad = written("bad.h5", "no weights\n"),
                        mixed = written("mixed.yaml", ""), error_file;
    char text[6000];
    snprintf(text, sizeof text,
             "epochs: 1\ndata: {set: synthetic, count: 2}\n"
             "sweep: {weights: ['%s', '%s'], seed: 0..1}\n",
             bad.text, good.text);
    scratch_write_text(mixed.text, text);
    for (int attempt = 0; attempt < 2; attempt++) { /* by default failed cells are tried again */
        MUDEPTH("sweep", mixed.text, "-o", folder.text, attempt == 0 ? "-j2" : "-j1");
        assert_code(1);
        assert_contains(out, attempt == 0 ? "4 cells: 2 done, 2 failed" : "2 done, 2 failed");
        assert_contains(out, "bad.h5: neither an HDF5 file");
        assert_contains(err, attempt == 0 ? "[4/4] " : "[2/2] ");
        assert_contains(err, "2 of ");
    }
    json_t *json = status_json(folder.text), *cell = json_array_get(json_at(json, "cells"), 0);
    cr_assert_str_eq(json_string_value(json_at(cell, "state")), "failed");
    assert_contains(json_string_value(json_at(cell, "error")), "bad.h5: neither an HDF5 file");
    error_file = scratch_path(&scratch, "cells/%s.error", json_string_value(json_at(cell, "name")));
    cr_assert_eq(access(error_file.text, R_OK), 0);
    json_t *missing = json_array_get(json_at(json, "cells"), 2);
    remove(scratch_path(&scratch, "cells/%s.h5", json_string_value(json_at(missing, "name"))).text);
    json_decref(json);

    remove(bad.text);
    cr_assert_eq(link(good.text, bad.text), 0);
    MUDEPTH("rerun", folder.text, "--failed");
    assert_fine("3 done, 1 missing");
    cr_assert_neq(access(error_file.text, F_OK), 0, "it succeeded");
    MUDEPTH("rerun", folder.text, "--failed");
    assert_fine("3 done, 1 missing");
    MUDEPTH("sweep", mixed.text, "-o", folder.text);
    assert_fine("4 cells: 4 done");
}

/* A cell that diverged is done, says so everywhere, and is not tried again: the bits would be the
 * same. */
Test(sweep, a_cell_that_diverged_is_done_and_marked) {
    struct scratch_path mixed =
        written("mixed.yaml", "weights: scratch\nepsilon: 1e-8\npolicy: full\nepochs: 1\nbatch: 2\n"
                              "data: {set: synthetic, count: 4}\nsweep: {format: [fp32, fp16]}\n");
    for (int attempt = 0; attempt < 2; attempt++) {
        MUDEPTH("sweep", mixed.text, "-o", folder.text);
        assert_fine("2 cells: 2 done (1 diverged)\ndone ");
        assert_contains(out, "  diverged, ");
        cr_assert_null(strstr(out, "RMSE"), "what is well needs no line");
        cr_assert_eq(strstr(err, "done, diverged, ") != NULL, attempt == 0, "%s", err);
        cr_assert_null(strstr(err, "nan"));
    }
    MUDEPTH("rerun", folder.text, "--failed");
    assert_fine("2 done (1 diverged)");
    json_t *json = status_json(folder.text);
    for (int i = 0; i < 2; i++) {
        json_t *cell = json_array_get(json_at(json, "cells"), (size_t)i);
        const char *format = json_string_value(json_at(cell, "settings.format"));
        int is_fp16 = strcmp(format, "fp16") == 0;
        cr_assert_str_eq(json_string_value(json_at(cell, "state")), "done");
        assert_json(cell, "diverged", is_fp16 ? JSON_TRUE : JSON_FALSE);
        assert_json(cell, "rmse_m", is_fp16 ? JSON_NULL : JSON_REAL);
    }
    cr_assert_eq(json_integer_value(json_at(json, "diverged")), 1);
    json_decref(json);
    for (int again = 0; again < 2; again++) { /* from the cells, and from the index */
        MUDEPTH("query", folder.text, "--by", "", "--show", "rmse_m");
        assert_fine("   2         1  ");
    }
}

Test(sweep, a_file_that_is_not_the_cell_stays_and_is_named) {
    struct digests digests = undisturbed();
    struct scratch_path where = scratch_path(&scratch, "undisturbed");
    json_t *json = status_json(where.text), *cells = json_at(json, "cells");
    struct scratch_path cell[2];
    for (size_t i = 0; i < 2; i++)
        cell[i] = scratch_path(&scratch, "undisturbed/%s.h5",
                               json_string_value(json_at(json_array_get(cells, i), "name")));
    json_decref(json);
    remove(cell[1].text);
    cr_assert_eq(link(cell[0].text, cell[1].text), 0);
    MUDEPTH("sweep", config.text, "-o", where.text);
    assert_code(1);
    assert_contains(out, "5 done, 1 failed");
    assert_contains(out, "is not this cell's result");
    remove(cell[1].text);
    scratch_write_text(cell[1].text, "half");
    MUDEPTH("sweep", config.text, "-o", where.text);
    assert_code(1);
    assert_contains(out, "not a whole HDF5 file");
    remove(cell[1].text);
    MUDEPTH("sweep", config.text, "-o", where.text);
    assert_fine("6 done");
    struct digests again = digests_of(where.text);
    assert_same(&digests, &again);
}

Test(sweep, a_folder_that_cannot_be_written) {
    MUDEPTH("sweep", config.text, "-o", "/dev/null/cells");
    assert_fails(1, "/dev/null");
    cr_assert_eq(mkdir(folder.text, 0555), 0);
    chmod(scratch.folder, 0755);
    call(WORDS("sweep", config.text, "-o", folder.text), (struct manner){.as_nobody = 1});
    assert_fails(1, "cells: cannot write into this folder: Permission denied");
    cr_assert_eq(scratch_count(folder.text), 0);
    chmod(folder.text, 0755);
    MUDEPTH("sweep", config.text, "-o", folder.text, "epochs=0");
    chmod(folder.text, 0555);
    call(WORDS("status", folder.text), (struct manner){.as_nobody = 1});
    assert_fine("6 done");
    chmod(folder.text, 0755);
}

/* A cell has 500 kB, the grid 2 kB. */
Test(sweep, a_full_disk_loses_nothing) {
    struct digests digests = undisturbed();
    call(WORDS("sweep", config.text, "-o", folder.text), (struct manner){.file_bytes = 100});
    assert_fails(1, "sweep.yaml");
    cr_assert_eq(scratch_count(folder.text), 1, "the lock");
    call(WORDS("sweep", config.text, "-o", folder.text, "-j2", "--checkpoint", "0"),
         (struct manner){.file_bytes = 20000});
    assert_code(1);
    assert_contains(out, "6 cells: 6 failed");
    assert_contains(err, "File too large");
    cr_assert_eq(scratch_count(folder.text), SIX + 2, "errors, grid and lock");
    MUDEPTH("sweep", config.text, "-o", folder.text);
    assert_fine("6 done");
    struct digests again = digests_of(folder.text);
    assert_same(&digests, &again);
}
