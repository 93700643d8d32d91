/* Which runs mudepth query shows, and in which order: filters, groups and sorting, on made-up cells
 * of which every number is known. */
#include <criterion/criterion.h>

#include "cells.h"
#include "program.h"

/* Cell i: policy d0 (0 to 5) or e+d0 (6 to 11), lr 0.1 or 0.01 in turns of three, seed i % 3. Its
 * RMSE after fine-tuning is 1 + i, and 10 times that up to 15 m. */
enum { CELLS = 12 };
static struct scratch_path folder;

static struct md_cell cell_number(int i) {
    char words[200];
    snprintf(words, sizeof words, "policy=%s lr=%s seed=%d cap_m=%s format=%s",
             i < 6 ? "d0" : "e+d0", i / 3 % 2 ? "0.01" : "0.1", i % 3, i == 11 ? "80" : "[80,15]",
             i == 4 ? "bf16" : "fp32");
    struct md_cell cell = made_cell(words, i);
    for (int c = 0; c < cell.cap_count; c++)
        cell.scores[c].of[MD_AFTER].value[MD_RMSE] = (1 + i) * (c ? 10 : 1);
    snprintf(cell.host, sizeof cell.host, "box%d", i % 2);
    snprintf(cell.finished, sizeof cell.finished, "2026-11-%02dT10:00:00Z", i + 1);
    cell.steps = 100;
    return cell;
}

static void set_up(void) {
    scratch = scratch_open();
    folder = scratch_path(&scratch, "cells");
    for (int i = 0; i < CELLS; i++) {
        struct md_cell cell = cell_number(i);
        write_made_cell(scratch_path(&scratch, "cells/%02d.h5", i).text, &cell);
    }
}

TestSuite(filter, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

/* The numbers of the cells that --each shows, "0 4 11", in their order. */
static const char *shown(void) {
    static char text[200];
    json_t *json = output_json(), *row;
    size_t i;
    text[0] = '\0';
    json_array_foreach(json_at(json, "cells"), i, row) {
        const char *name = strrchr(json_string_value(json_at(row, "cell")), '/') + 1;
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", i ? " " : "", atoi(name));
    }
    json_decref(json);
    return text;
}

#define assert_shows(numbers, ...)                                                                 \
    do {                                                                                           \
        MUDEPTH("query", folder.text, "--each", "--json", __VA_ARGS__);                            \
        cr_assert_str_eq(shown(), numbers, "%s instead of %s", shown(), numbers);                  \
    } while (0)

/* ---- filters --------------------------------------------------------------------------------- */

Test(filter, keys) {
    assert_shows("0 1 2 3 5 4", "policy=d0", "--by", "format");
    assert_shows("0 3 6 9", "seed=0", "--by", "");
    assert_shows("0 1 3 4 6 7 9 10", "seed<2", "--by", "");
    assert_shows("1 2 4 5 7 8 10 11", "seed>=1", "--by", "");
    assert_shows("1 2 4 5 7 8 10 11", "seed=1..2", "--by", "");
    assert_shows("0 3 6 9", "seed!=1..5", "--by", "");
    assert_shows("0 2 3 5 6 8 9 11", "seed=[0, 2]", "--by", "");
    assert_shows("1 4 7 10", "seed!=[0, 2..9]", "--by", "");
    assert_shows("3 4 5 9 10 11", "lr<=1e-2", "--by", "");
    assert_shows("0 1 2 6 7 8", "lr>.01", "--by", "");
    assert_shows("4", "format!=fp32", "--by", "");
    assert_shows("4", "format=[bf16, fp16]", "--by", "");
    assert_shows("11", "cap_m=80", "--by", "");
    assert_shows("11", "cap_m!=[80, 15]", "--by", "");
    assert_shows("3 5", "policy=d0", "lr=0.01", "seed=[0,2]", "--by", "");
    assert_shows("", "data.count=17", "--by", "");
    assert_contains(err, "none of 12 cells passes the filters");
}

Test(filter, quantities) {
    assert_shows("0 1 2", "rmse_m<=3", "--by", "");
    assert_shows("0 1 2", "after.rmse_m<=3", "--by", "");
    assert_shows("4", "rmse_m=5", "--by", "");
    assert_shows("4", "rmse_m@15=50", "--by", "");
    assert_shows("4", "rmse_m@15.0=49.9..5.01e1", "--by", "");
    assert_shows("10", "rmse_m@15>100", "--by", ""); /* the last has no such cap */
    assert_shows("0 1 2 3 4 5 6 7 8 9", "rmse_m@15!=110", "--by", "");
    assert_shows("", "rmse_m@20>0", "--by", "");
    assert_shows("0 1 2 3 4 5 6 7 8 9 10 11", "steps=100", "images=5", "dummy.images=5", "--by",
                 "");
    assert_shows("2", "dummy.abs_rel=2.2", "--by", "");
}

Test(filter, texts_of_cells) {
    assert_shows("1 3 5 7 9 11", "host=box1", "--by", "");
    assert_shows("0 2 4 6 8 10", "host!=box1", "--by", "");
    assert_shows("9 10 11", "finished>2026-11-10", "--by", "");
    assert_shows("7", "identity=00000000000000000000000000000007", "--by", "");
}

Test(filter, what_is_no_filter) {
    static const struct {
        const char *filter, *problem;
    } cases[] = {
        {"colour=red", "\"colour\" is not known"},
        {"rmse=1", "\"rmse\" is not known"},
        {"later.rmse_m=1", "\"later.rmse_m\" is not known"},
        {"before.steps=1", "\"before.steps\" is not known"},
        {"steps@15=1", "\"steps@15\" is not known"},
        {"rmse_m@=1", "expected a depth cap"},
        {"rmse_m@-1=1", "expected a name"},
        {"rmse_m@0=1", "expected a depth cap"},
        {"rmse_m@1x=1", "expected a depth cap"},
        {"format=fp31", "expected one of fp32"},
        {"format=", "expected one of fp32"},
        {"format<bf16", "format is no number: expected = or !=, found <"},
        {"host<box", "host is no number"},
        {"augment=flip", "expected a list"},
        {"seed=x", "expected a whole number"},
        {"seed=0..x", "expected a whole number"},
        {"seed=", "expected a whole number"},
        {"seed==1", "expected a whole number"},
        {"seed=[]", "expected a whole number"},
        {"seed<0..3", "expected a single value, found a range"},
        {"seed<[1]", "expected a single value, found a list"},
        {"rmse_m<nan", "expected a number"},
        {"rmse_m<1e999", "expected a number"},
        {"rmse_m<0x10", "expected a number"},
        {"rmse_m<", "expected a number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(cases[i].problem, "expected a name") == 0)
            continue; /* it does not even look like one, and is a path */
        MUDEPTH("query", folder.text, cases[i].filter);
        assert_fails(2, cases[i].problem);
        assert_contains(err, cases[i].filter);
    }
    MUDEPTH("query", "seed=1");
    assert_fails(2, "expected folders or result cells");
    MUDEPTH("query", folder.text, "rmse_m@-1=1"); /* a path */
    assert_code(1);
    assert_contains(err, "rmse_m@-1=1");
}

/* A path that looks like a filter can be named all the same. */
Test(filter, a_path_like_a_filter) {
    struct scratch_path odd = scratch_path(&scratch, "lr=0.1.h5");
    rename(scratch_path(&scratch, "cells/05.h5").text, odd.text);
    call(WORDS("query", "./lr=0.1.h5", "--csv"), (struct manner){.folder = scratch.folder});
    assert_fine("runs,diverged");
    call(WORDS("query", "lr=0.1.h5", "--csv"), (struct manner){.folder = scratch.folder});
    assert_code(2);
}

/* ---- groups and order ------------------------------------------------------------------------ */

static void assert_rows(const char *first_column, const char *const *rows, size_t count) {
    const char *at = out;
    assert_code(0);
    cr_assert_eq(strncmp(out, first_column, strlen(first_column)), 0, "%s", out);
    for (size_t r = 0; r < count; r++) {
        char line[200];
        snprintf(line, sizeof line, "\n%s", rows[r]);
        const char *found = strstr(at, line);
        cr_assert(found, "no \"%s\" in order in %s", rows[r], out);
        at = found + 1;
    }
}
#define assert_rows(title, ...)                                                                    \
    assert_rows(title, (const char *const[]){__VA_ARGS__},                                         \
                sizeof(const char *const[]){__VA_ARGS__} / sizeof(char *))

Test(filter, groups_are_sorted) {
    MUDEPTH("query", folder.text, "format=fp32", "--by", "policy,lr", "--show", "rmse_m");
    assert_rows("policy  lr    runs  diverged  rmse_m     sd\n",
                "d0      0.01     2         0   5.000  1.414\n",
                "d0      0.1      3         0   2.000  1.000\n",
                "e+d0    0.01     3         0  11.000  1.000\n",
                "e+d0    0.1      3         0   8.000  1.000\n");
    MUDEPTH("query", folder.text, "--by", "policy,lr", "--show", "rmse_m", "--sort", "-rmse_m");
    assert_rows("policy", "e+d0    0.01 ", "e+d0    0.1 ", "d0      0.01 ", "d0      0.1 ");
    MUDEPTH("query", folder.text, "--by", "policy,lr", "--show", "steps", "--sort",
            "steps,-lr,policy");
    assert_rows("policy", "d0      0.1 ", "e+d0    0.1 ", "d0      0.01 ", "e+d0    0.01 ");
}

/* What was not measured comes last, upwards and downwards, and is said. */
Test(filter, what_was_not_measured) {
    assert_shows("9 10 11", "policy=e+d0", "lr=0.01", "--sort", "rmse_m@15");
    assert_shows("10 9 11", "policy=e+d0", "lr=0.01", "--sort", "-rmse_m@15");
    MUDEPTH("query", folder.text, "policy=e+d0", "lr=0.01", "--by", "policy", "--show",
            "rmse_m@15,rmse_m@20,steps");
    assert_fine("policy  runs  diverged  rmse_m@15     sd  rmse_m@20  steps\n"
                "e+d0       3         0    105.000  7.071          -    100\n");
    assert_contains(err, "rmse_m@15: 1 of 3 runs have none");
    assert_contains(err, "rmse_m@20: 3 of 3 runs have none");
}

Test(filter, each_run_has_its_row) {
    MUDEPTH("query", folder.text, "policy=d0", "lr=0.1", "--each", "--show", "rmse_m,seconds");
    assert_fine("seed  rmse_m  seconds\n");
    assert_contains(out, "/02.h5  2      3.000     ");
    assert_shows("2 1 0", "policy=d0", "lr=0.1", "--sort", "-seed");
    assert_shows("5 4 3 2 1 0", "--sort", "lr,-rmse_m", "policy=d0", "--by", "");
}

Test(filter, wrong_names) {
    MUDEPTH("query", folder.text, "--show", "rmse_m,colour");
    assert_fails(2, "--show: \"colour\" is not known");
    MUDEPTH("query", folder.text, "--show", "");
    assert_fails(2, "--show: \"\": expected a name");
    MUDEPTH("query", folder.text, "--show", "lr");
    assert_fails(2, "--show: \"lr\" is not known");
    MUDEPTH("query", folder.text, "--sort", "colour");
    assert_fails(2, "--sort: \"colour\" is not known");
    MUDEPTH("query", folder.text, "--by", "policy", "--sort", "lr");
    assert_fails(2, "--sort: lr does not make the groups");
    MUDEPTH("query", folder.text, "--csv", "--json");
    assert_fails(2, "--csv: not with --json");
}
