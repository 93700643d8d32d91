/* mudepth query, on cells of small runs: what a row says, what is said about mixtures, and that
 * nothing but whole cells is taken. */
#include <criterion/criterion.h>
#include <math.h>

#include "../base/h5.h"
#include "../results/cell.h"
#include "cells.h"
#include "program.h"

enum { FORMATS = 2, SEEDS = 3 };
static const char *const formats[FORMATS] = {"fp32", "bf16"}; /* in the order of a table */

static struct scratch_path config, cells[FORMATS][SEEDS];

#define TINY                                                                                       \
    "weights: scratch\npolicy: d2\nlr: 0.003\nbatch: 1\nepochs: 1\n"                               \
    "data: {set: synthetic, count: 1}\n"

static struct scratch_path run_cell(const char *name, const char *format, int seed,
                                    const char *more) {
    struct scratch_path cell = scratch_path(&scratch, "%s", name);
    char format_word[40], seed_word[40];
    snprintf(format_word, sizeof format_word, "format=%s", format);
    snprintf(seed_word, sizeof seed_word, "seed=%d", seed);
    MUDEPTH("run", config.text, format_word, seed_word, more, "-o", cell.text);
    assert_fine("RMSE");
    return cell;
}

static void set_up(void) {
    scratch = scratch_open();
    config = written("tiny.yaml", TINY);
    for (int f = 0; f < FORMATS; f++)
        for (int s = 0; s < SEEDS; s++) {
            char name[40];
            snprintf(name, sizeof name, "%s-%d.h5", formats[f], s);
            cells[f][s] = run_cell(name, formats[f], s, "threads=1");
        }
}

TestSuite(query, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

#define ALL_CELLS                                                                                  \
    cells[1][2].text, cells[0][0].text, cells[1][0].text, cells[0][1].text, cells[1][1].text,      \
        cells[0][2].text

static struct md_cell read_cell(const char *path) {
    static struct md_cell cell;
    struct md_error error = {{0}};
    cr_assert_eq(md_cell_read(path, &cell, &error), MD_OK, "%s", error.text);
    return cell;
}

static double number(json_t *json, const char *path) {
    return json_number_value(json_at(json, path));
}

/* The names of quantities have dots, so json_at does not find them. */
static json_t *measured(json_t *row, const char *quantity, const char *what) {
    json_t *value = json_object_get(json_at(row, "measured"), quantity);
    cr_assert(value, "no %s in %s", quantity, out);
    return what != NULL ? json_at(value, what) : value;
}

static double mean(json_t *group, const char *quantity) {
    return json_number_value(measured(group, quantity, "mean"));
}

/* A file to be changed, already without attribute `name` of `object`. */
static hid_t opened_to_change(const char *path, const char *object, const char *name) {
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    cr_assert_geq(file, 0);
    if (name != NULL)
        cr_assert_geq(H5Adelete_by_name(file, object, name, H5P_DEFAULT), 0);
    return file;
}

/* The texts of "notes", one a line. */
static const char *notes_of(json_t *json) {
    static char text[4000];
    size_t i;
    json_t *one;
    text[0] = '\0';
    json_array_foreach(json_at(json, "notes"), i, one)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s\n", json_string_value(one));
    return text;
}

/* ---- rows ------------------------------------------------------------------------------------ */

Test(query, groups_by_what_differs_and_averages_over_seeds) {
    MUDEPTH("query", ALL_CELLS, "--json");
    json_t *json = output_json(), *groups = json_at(json, "groups");
    cr_assert_str_empty(err);
    cr_assert_eq(json_array_size(json_at(json, "by")), 1);
    cr_assert_eq(json_array_size(groups), FORMATS);
    for (int f = 0; f < FORMATS; f++) {
        json_t *group = json_array_get(groups, (size_t)f);
        double sum = 0, squares = 0, rmse[SEEDS], before = 0;
        cr_assert_str_eq(json_string_value(json_at(group, "values.format")), formats[f]);
        cr_assert_eq(number(group, "runs"), SEEDS);
        cr_assert_eq(number(group, "diverged"), 0);
        for (int s = 0; s < SEEDS; s++) {
            struct md_cell cell = read_cell(cells[f][s].text);
            rmse[s] = cell.scores[0].of[MD_AFTER].value[MD_RMSE];
            before += cell.scores[0].of[MD_BEFORE].value[MD_RMSE] / SEEDS;
            sum += rmse[s];
            cr_assert_float_eq(mean(group, "dummy.rmse_m"),
                               cell.scores[0].of[MD_DUMMY].value[MD_RMSE], 1e-12);
        }
        for (int s = 0; s < SEEDS; s++)
            squares += (rmse[s] - sum / SEEDS) * (rmse[s] - sum / SEEDS);
        cr_assert_gt(squares, 0);
        cr_assert_float_eq(mean(group, "rmse_m"), sum / SEEDS, 1e-12);
        cr_assert_float_eq(mean(group, "before.rmse_m"), before, 1e-12);
        cr_assert_float_eq(json_number_value(measured(group, "rmse_m", "sd")),
                           sqrt(squares / (SEEDS - 1)), 1e-12);
        cr_assert_eq(mean(group, "weight_bytes"), f == 0 ? 4 : 2);
        cr_assert_eq(mean(group, "optimizer_bytes_per_parameter"), f == 0 ? 8 : 4);
        cr_assert_eq(json_array_size(json_at(group, "each")), SEEDS);
    }
    json_decref(json);
}

/* One run has no deviation, and no group needs a key. */
Test(query, one_cell_is_a_group) {
    MUDEPTH("query", cells[0][0].text, "--json");
    json_t *json = output_json(), *group = json_array_get(json_at(json, "groups"), 0);
    cr_assert_eq(json_array_size(json_at(json, "by")), 0);
    cr_assert(json_is_null(measured(group, "rmse_m", "sd")));
    json_decref(json);
    MUDEPTH("query", cells[0][0].text);
    assert_fine("before.rmse_m");
}

Test(query, keys_are_chosen_and_their_order_sorts) {
    struct scratch_path faster = run_cell("faster.h5", "bf16", 0, "lr=0.03");
    MUDEPTH("query", faster.text, ALL_CELLS, "--by", "lr,format");
    assert_fine("lr     format  runs");
    const char *a = strstr(out, "0.003  fp32       3"), *b = strstr(out, "0.003  bf16       3"),
               *c = strstr(out, "0.03   bf16       1");
    cr_assert(a && b && c && a < b && b < c, "%s", out);
    MUDEPTH("query", ALL_CELLS, "--by", "data.set,seed");
    assert_fine("data.set   seed  runs");
}

/* A folder is what its cells are. */
Test(query, a_folder) {
    char given[MOST_OUTPUT];
    MUDEPTH("query", ALL_CELLS, "--csv");
    assert_fine("format,runs,diverged");
    strcpy(given, out);
    MUDEPTH("query", scratch.folder, "--csv");
    assert_code(0);
    cr_assert_str_empty(err);
    cr_assert_str_eq(out, given);
    struct scratch_path with_slash = scratch_path(&scratch, "%s", "");
    MUDEPTH("query", with_slash.text, "--each", "--csv");
    assert_fine(cells[0][0].text);
    struct scratch_path broken = written("broken.h5", "not a cell\n");
    MUDEPTH("query", scratch.folder, "--csv");
    assert_code(1);
    cr_assert_str_eq(out, given);
    assert_contains(err, broken.text);
    MUDEPTH("query", scratch.folder, cells[0][0].text, "format=fp32");
    assert_code(1);
    assert_contains(err, "fp32-0.h5 and counts once");
    MUDEPTH("query", scratch_path(&scratch, "empty/x").text);
    assert_fails(1, "found none");
    MUDEPTH("query", scratch_path(&scratch, "empty").text);
    assert_fails(1, "found none");
}

Test(query, forms) {
    MUDEPTH("query", ALL_CELLS, "--latex", "--show", "steps");
    assert_fine("\\begin{tabular}{lrrr}\n\\toprule\nformat & runs & diverged & steps \\\\\n"
                "\\midrule\nfp32 & $3$ & $0$ & $1$ \\\\\nbf16 & $3$ & $0$ & $1$ \\\\\n"
                "\\bottomrule\n");
    MUDEPTH("query", ALL_CELLS, "--csv", "--show", "steps");
    assert_fine("format,runs,diverged,steps,steps_sd\r\nfp32,3,0,1,0\r\nbf16,3,0,1,0\r\n");
    MUDEPTH("query", ALL_CELLS, "--csv", "--show", "steps", "--each", "format=bf16", "seed>0");
    assert_fine("cell,seed,steps\r\n");
    assert_contains(out, "/bf16-1.h5,1,1\r\n");
    MUDEPTH("query", ALL_CELLS, "--each", "--json", "--show", "rmse_m,rmse_m@3", "seed=2");
    json_t *json = output_json(), *row = json_array_get(json_at(json, "cells"), 1);
    struct md_cell cell = read_cell(cells[1][2].text);
    cr_assert_str_eq(json_string_value(json_at(row, "values.format")), "bf16");
    cr_assert_str_eq(json_string_value(json_at(row, "identity")), cell.identity);
    cr_assert_eq(number(row, "seed"), 2);
    cr_assert_eq(json_number_value(measured(row, "rmse_m", NULL)),
                 cell.scores[0].of[MD_AFTER].value[MD_RMSE]);
    cr_assert(json_is_null(measured(row, "rmse_m@3", NULL)));
    json_decref(json);
}

/* ---- what is said ---------------------------------------------------------------------------- */

Test(query, a_cell_given_twice_counts_once) {
    struct scratch_path copy = scratch_path(&scratch, "COPY.H5");
    rename(cells[0][1].text, copy.text);
    run_cell("fp32-1.h5", "fp32", 1, "threads=2"); /* the same results */
    MUDEPTH("query", scratch.folder, "format=fp32");
    assert_contains(err, "COPY.H5"); /* found whatever its ending looks like */
    MUDEPTH("query", cells[0][0].text, copy.text, cells[0][1].text, "--json");
    json_t *json = output_json();
    cr_assert_eq(number(json_array_get(json_at(json, "groups"), 0), "runs"), 2);
    assert_contains(notes_of(json), "is the same run as");
    assert_contains(err, "counts once");
    json_decref(json);
}

Test(query, a_mixture_is_said) {
    struct scratch_path other = run_cell("other.h5", "fp32", 7, "data.seed=5"),
                        slower = run_cell("slower.h5", "fp32", 8, "lr=0.001");
    hid_t file = opened_to_change(slower.text, "/provenance", "code_version");
    struct md_error error;
    cr_assert_eq(md_h5_write_text(file, "/provenance", "code_version", "long-ago", &error), MD_OK);
    H5Fclose(file);
    MUDEPTH("query", cells[0][0].text, other.text, slower.text, "--by", "format");
    assert_fine("fp32       3");
    assert_contains(err, "do not have the same train split");
    assert_contains(err, "do not have the same test split");
    assert_contains(err, "long-ago");
    assert_contains(err, "more than their seeds: lr, data.seed");
    /* What the groups say is no alarm; the same settings with other data are one. */
    MUDEPTH("query", cells[0][0].text, other.text, "--by", "format,data.seed");
    assert_fine("fp32");
    cr_assert_str_empty(err);
    file = opened_to_change(slower.text, "/data/test", "digest");
    cr_assert_eq(md_h5_write_text(file, "/data/test", "digest", "0123", &error), MD_OK);
    H5Fclose(file);
    MUDEPTH("query", other.text, cells[0][0].text, slower.text, "--by", "data.seed,lr");
    assert_contains(err, "fp32-0.h5 and ");
    assert_contains(err, "slower.h5 do not have the same test split");
    cr_assert_null(strstr(err, "train split"));
}

/* What has the same name need not be the same file. */
Test(query, other_weights_of_the_same_name_are_said) {
    static const char *const notes[] = {"different weights: ", "different teachers: "};
    for (int n = 0; n < 2; n++) {
        struct scratch_path made[2];
        for (int i = 0; i < 2; i++) {
            struct md_cell cell = made_cell("weights=w.h5 teacher=t.h5", i);
            made[i] = scratch_path(&scratch, "made%d%d.h5", n, i);
            strcpy(n == 0 ? cell.initial_weights_digest : cell.teacher_digest, i == 0 ? "a" : "b");
            write_made_cell(made[i].text, &cell);
        }
        MUDEPTH("query", made[0].text, made[1].text);
        assert_contains(err, notes[n]);
        assert_contains(err, n == 0 ? "had others in w.h5" : "had others in t.h5");
        cr_assert_null(strstr(err, notes[1 - n]));
    }
}

/* A run that came to nothing is counted, said, and not averaged; and it can be left out. */
Test(query, a_diverged_run_is_not_averaged) {
    struct scratch_path wild = run_cell("wild.h5", "fp32", 9, "threads=1");
    struct md_error error;
    hid_t file = opened_to_change(wild.text, "/training", "diverged");
    cr_assert_eq(md_h5_write_integer(file, "/training", "diverged", 1, &error), MD_OK);
    H5Fclose(file);
    MUDEPTH("query", cells[0][0].text, wild.text, "--by", "format", "--json");
    json_t *json = output_json(), *group = json_array_get(json_at(json, "groups"), 0);
    struct md_cell cell = read_cell(cells[0][0].text);
    cr_assert_eq(number(group, "runs"), 2);
    cr_assert_eq(number(group, "diverged"), 1);
    cr_assert_float_eq(mean(group, "rmse_m"), cell.scores[0].of[MD_AFTER].value[MD_RMSE], 1e-12);
    assert_contains(notes_of(json), "1 of 2 runs diverged");
    json_decref(json);
    MUDEPTH("query", cells[0][0].text, wild.text, "diverged=0", "--by", "");
    assert_fine("   1         0  ");
    MUDEPTH("query", wild.text, "--figure", scratch_path(&scratch, "wild.png").text);
    assert_code(0);
}

Test(query, draws_a_figure) {
    static const char *const names[] = {"t.png", "t.svg", "t.pdf"};
    for (int i = 0; i < 3; i++) {
        struct scratch_path figure = scratch_path(&scratch, "%s", names[i]);
        MUDEPTH("query", ALL_CELLS, "--figure", figure.text);
        assert_fine("bf16");
        cr_assert_eq(access(figure.text, R_OK), 0);
    }
    /* Above a group stands its mean. */
    char mean[40];
    struct scratch_path figure = scratch_path(&scratch, "one.svg");
    MUDEPTH("query", cells[0][0].text, "--figure", figure.text);
    size_t size;
    char *drawn = (char *)scratch_read(figure.text, &size);
    drawn[size] = '\0';
    snprintf(mean, sizeof mean, "%#.3g",
             read_cell(cells[0][0].text).scores[0].of[MD_AFTER].value[MD_RMSE]);
    assert_contains(drawn, mean);
    free(drawn);
    MUDEPTH("query", cells[0][0].text, "--figure", "t.gif");
    assert_code(2);
}

/* ---- what is refused ------------------------------------------------------------------------- */

Test(query, wrong_usage) {
    MUDEPTH("query");
    assert_fails(2, "expected FOLDER|CELL.h5|FILTER, found nothing");
    MUDEPTH("query", cells[0][0].text, "--by", "colour");
    assert_fails(2, "\"colour\" is no key");
    MUDEPTH("query", cells[0][0].text, "--by", "lr,,seed");
    assert_fails(2, "--by: \"lr,,seed\": expected a name, found nothing");
    MUDEPTH("query", cells[0][0].text, "--by", "format,format");
    assert_fails(2, "format is given twice");
}

/* JSON has no place for a path that is not UTF-8, a table has. */
Test(query, a_path_may_be_any_bytes) {
    struct scratch_path odd = scratch_path(&scratch, "\xff.h5");
    rename(cells[0][0].text, odd.text);
    MUDEPTH("query", odd.text, odd.text);
    assert_fine("runs");
    assert_contains(err, "\xff.h5 and counts once");
    MUDEPTH("query", odd.text, "--json");
    assert_fails(1, "not UTF-8");
    written("\xfe.h5", "not a cell\n");
    MUDEPTH("query", cells[0][1].text, scratch_path(&scratch, "\xfe.h5").text, "--json");
    assert_code(1);
    assert_contains(out, "?.h5: not a whole HDF5 file");
}

/* The latest call found this to be no cell, and showed what there was besides. */
static void assert_refused(const char *name, const char *problem) {
    assert_code(1);
    assert_contains(out, "before.rmse_m");
    assert_contains(err, "note: no whole cell: ");
    assert_contains(err, name);
    assert_contains(err, problem);
    assert_contains(err, "mudepth query: 1 of the files are no whole cells");
}

Test(query, what_is_no_cell) {
    struct scratch_path text = written("text.h5", "not a cell\n");
    MUDEPTH("query", cells[0][0].text, "missing.h5");
    assert_refused("missing.h5", "No such file");
    MUDEPTH("query", cells[0][0].text, text.text);
    assert_refused("text.h5", "not a whole HDF5 file");
    MUDEPTH("query", "configs/source_world.h5");
    assert_fails(1, "found none");
    assert_contains(err, "source_world.h5");
    struct scratch_path checkpoint = run_cell("checkpoint.h5", "fp32", 9, "threads=1");
    struct md_error error;
    hid_t file = opened_to_change(checkpoint.text, "/", "kind");
    cr_assert_eq(md_h5_write_text(file, "/", "kind", "mudepth checkpoint", &error), MD_OK);
    H5Fclose(file);
    MUDEPTH("query", cells[0][0].text, checkpoint.text);
    assert_refused("checkpoint.h5", "expected a mudepth cell, found a mudepth checkpoint");
}

/* `query results/runs` finds single runs and those of the sweeps that went into folders there. */
Test(query, a_folder_with_sweeps_in_it) {
    struct scratch_path sweep = scratch_path(&scratch, "sweep"),
                        other = scratch_path(&scratch, "no_sweep/x.h5");
    MUDEPTH("sweep", written("grid.yaml", TINY "sweep: {seed: [7, 8]}\n").text, "-o", sweep.text);
    assert_code(0);
    cr_assert_eq(rename(cells[0][0].text, other.text), 0); /* a folder of no sweep is passed over */
    MUDEPTH("query", scratch.folder, "--each", "--csv");
    assert_code(0);
    int lines = 0;
    for (const char *c = out; *c; c++)
        lines += *c == '\n';
    cr_assert_eq(lines, 1 + FORMATS * SEEDS - 1 + 2, "%s", out);
    assert_contains(out, sweep.text);
    MUDEPTH("query", scratch.folder, "seed=7..8", "--by", "", "--show", "rmse_m", "--csv");
    assert_fine("\n2,0,");
}

/* However deep; a link to a sweep is followed once, and leads nowhere in circles. */
/* Words in the order in which a sweep lists them, also when the first cell is missing; numbers
 * upwards. */
Test(query, rows_in_the_order_of_a_sweep) {
    struct scratch_path folder = scratch_path(&scratch, "own/order");
    char first[2000];
    MUDEPTH("sweep", written("own.yaml", TINY).text, "policy=d2,d0", "format=bf16,fp32", "seed=1,0",
            "-o", folder.text);
    assert_code(0);
    MUDEPTH("query", folder.text, "--by", "policy,format,seed", "--show", "steps", "--csv");
    assert_code(0);
    assert_contains(out, "\r\nd2,bf16,0,1,0,1,\r\nd2,bf16,1,1,0,1,\r\nd2,fp32,0,1,0,1,\r\n"
                         "d2,fp32,1,1,0,1,\r\nd0,bf16,0,1,0,1,\r\n");
    snprintf(first, sizeof first, "rm '%s'/bf16-d2*", folder.text);
    cr_assert_eq(system(first), 0);
    MUDEPTH("query", scratch_path(&scratch, "own").text, "--by", "format", "--show", "steps",
            "--csv");
    assert_code(0);
    assert_contains(out, "\r\nbf16,2,0,1,0\r\nfp32,4,0,1,0\r\n");
}

Test(query, sweeps_at_any_depth) {
    struct scratch_path sweep = scratch_path(&scratch, "a/b/sweep");
    MUDEPTH("sweep", written("grid.yaml", TINY "sweep: {seed: [7, 8]}\n").text, "-o", sweep.text);
    assert_code(0);
    MUDEPTH("sweep", written("other.yaml", TINY "sweep: {seed: [9]}\n").text, "-o",
            scratch_path(&scratch, "a/b/sweep/inner").text);
    assert_code(0);
    cr_assert_eq(rename(cells[0][0].text, scratch_path(&scratch, "a/b/x.h5").text), 0);
    cr_assert_eq(symlink("..", scratch_path(&scratch, "a/b/up").text), 0);
    MUDEPTH("query", scratch_path(&scratch, "a").text, "--by", "seed", "--show", "steps", "--csv");
    assert_fine("\r\n7,1,0,1,\r\n8,1,0,1,\r\n9,1,0,1,\r\n");
    cr_assert_eq(strlen(strchr(out, '\n')), strlen("\n7,1,0,1,\r\n8,1,0,1,\r\n9,1,0,1,\r\n"));
    cr_assert_eq(symlink(".", scratch_path(&scratch, "a/b/sweep/self").text), 0);
    MUDEPTH("query", scratch_path(&scratch, "a").text, "--by", "seed", "--show", "steps", "--csv");
    assert_code(0);
    assert_contains(out, "\r\n7,1,0,1,\r\n8,1,0,1,\r\n9,1,0,1,\r\n");
    assert_contains(err, "is the same run as");
}

static struct scratch_path damaged(int kind) {
    static const char *const configs[] = {"format: fp31\n", "[1, 2", "weights: scratch\n"};
    struct scratch_path path = run_cell("damaged.h5", "fp32", 20 + kind, "threads=1");
    struct md_error error;
    hid_t file = kind < 3    ? opened_to_change(path.text, "/config", "yaml")
                 : kind == 3 ? opened_to_change(path.text, "/", NULL)
                             : opened_to_change(path.text, "/training", "skipped_steps");
    if (kind < 3)
        cr_assert_eq(md_h5_write_text(file, "/config", "yaml", configs[kind], &error), MD_OK);
    else if (kind == 3)
        cr_assert_geq(H5Ldelete(file, "/test/metrics", H5P_DEFAULT), 0);
    else
        cr_assert_eq(md_h5_write_integer(file, "/training", "skipped_steps", -1, &error), MD_OK);
    H5Fclose(file);
    return path;
}

/* What is wrong in a cell is a failure, not wrong usage, and names the file. */
Test(query, broken_cells) {
    static const char *const problems[] = {"expected one of fp32", "not YAML",
                                           "data.set is missing", "/test/metrics", "skipped_steps"};
    for (int kind = 0; kind < 5; kind++) {
        struct scratch_path path = damaged(kind);
        MUDEPTH("query", cells[0][0].text, path.text);
        assert_refused("damaged.h5", problems[kind]);
        remove(path.text);
    }
}
