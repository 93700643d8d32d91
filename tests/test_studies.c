/* Studies: their files, the published runs, and what `mudepth table` and `mudepth plot` make of
 * both. */
#include <criterion/criterion.h>
#include <math.h>

#include "../experiments/grid.h"
#include "../results/study.h"
#include "program.h"

static struct md_error error;

static void set_up(void) {
    scratch = scratch_open();
}
static void tear_down(void) {
    scratch_close(&scratch);
}
TestSuite(studies, .init = set_up, .fini = tear_down, .timeout = 600);
TestSuite(published, .init = set_up, .fini = tear_down);

/* ---- files of studies ------------------------------------------------------------------------ */

#define HEAD "title: T\nconfig: c.yaml\ncells: runs\n"
#define KEYS "rows: [policy]\nshow: [rmse_m]\n"

static int read_study(const char *text, struct md_study *study) {
    error.text[0] = '\0';
    return md_study_read(written("s.yaml", text).text, study, &error);
}

Test(studies, a_file_says_what_is_compared) {
    struct md_study study;
    cr_assert_eq(read_study(HEAD "caption: C\nwhere: [seed=0..2]\npublished: [data.set=micro]\n"
                                 "rows: [data.label, policy]\nshow: [rmse_m@15, delta1]\n"
                                 "beside: [steps]\nfigure: {kind: points, x: step_kb, series: "
                                 "[data.label]}\n",
                            &study),
                 MD_OK, "%s", error.text);
    char rows[100];
    md_study_join(&study.keys, rows, sizeof rows);
    cr_assert_str_eq(study.name, "s");
    cr_assert_str_eq(study.title, "T");
    cr_assert_str_eq(study.caption, "C");
    cr_assert_str_eq(study.config, "c.yaml");
    cr_assert_str_eq(study.cells, "runs");
    cr_assert_str_eq(rows, "data.label,policy");
    cr_assert_str_eq(study.where.names[0], "seed=0..2");
    cr_assert_str_eq(study.where_published.names[0], "data.set=micro");
    cr_assert_str_eq(study.show.names[1], "delta1");
    cr_assert_str_eq(study.beside.names[0], "steps");
    cr_assert_eq(study.figure.kind, MD_FIGURE_POINTS);
    cr_assert_str_eq(study.figure.x, "step_kb");
    cr_assert_str_eq(study.figure.series.names[0], "data.label");
    md_study_free(&study);
}

/* Each is wrong in one way, which the error names with file, line and key. */
Test(studies, what_is_no_study) {
    static const struct {
        const char *text, *problem;
    } wrong[] = {
        {"", "the file is empty"},
        {"[1, 2]\n", "pairs"},
        {"title: [\n", "not YAML"},
        {HEAD "rows: [policy]\n", "s.yaml:1:1: show: is missing"},
        {"config: c\ncells: r\n" KEYS, "s.yaml:1:1: title: is missing"},
        {HEAD KEYS "colour: red\n", "s.yaml:6:1: colour: unknown key"},
        {HEAD KEYS "title: U\n", "s.yaml:6:1: title: the key is given twice"},
        {HEAD KEYS "caption: [a]\n", "s.yaml:6:10: caption: expected a text"},
        {HEAD KEYS "caption: ''\n", "s.yaml:6:10: caption: expected a text"},
        {HEAD "rows: policy\nshow: [rmse_m]\n", "s.yaml:4:7: rows: expected a list"},
        {HEAD "rows: []\nshow: [rmse_m]\n", "s.yaml:4:7: rows: expected at least one"},
        {HEAD "rows: [colour]\nshow: [rmse_m]\n", "s.yaml:4:8: rows: \"colour\" is no key"},
        {HEAD "rows: [policy, policy]\nshow: [rmse_m]\n", "s.yaml:4:16: rows: is there twice"},
        {HEAD "rows: [policy]\nshow: [rmse]\n", "s.yaml:5:8: show: \"rmse\""},
        {HEAD "rows: [policy]\nshow: [rmse_m@x]\n", "s.yaml:5:8: show: \"rmse_m@x\""},
        {HEAD KEYS "where: [colour=red]\n", "s.yaml:6:9: where: "},
        {HEAD KEYS "where: [policy=d9]\n", "s.yaml:6:9: where: "},
        {HEAD KEYS "figure: dots\n", "s.yaml:6:9: figure: expected a mapping"},
        {HEAD KEYS "figure: {kind: cake}\n", "s.yaml:6:16: kind: expected dots"},
        {HEAD KEYS "figure: {x: seed}\n", "s.yaml:6:9: kind: is missing"},
        {HEAD KEYS "figure: {kind: dots, x: seed}\n", "figure: x: this kind has none"},
        {HEAD KEYS "figure: {kind: curve}\n", "figure: x is missing"},
        {HEAD KEYS "figure: {kind: curve, x: colour}\n", "figure: x: \"colour\""},
        {HEAD KEYS "figure: {kind: losses}\n", "figure: y is missing"},
        {HEAD KEYS "figure: {kind: losses, y: colour}\n", "figure: y: expected train_loss"},
        {HEAD KEYS "figure: {kind: maps, series: [seed]}\n", "figure: series: this kind has none"},
        {HEAD KEYS "figure: {kind: maps, figure: {kind: maps}}\n", "figure: unknown key"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct md_study study;
        cr_assert_eq(read_study(wrong[i].text, &study), MD_USAGE, "case %zu", i);
        assert_contains(error.text, wrong[i].problem);
        assert_contains(error.text, "s.yaml");
        md_study_free(&study);
    }
    struct md_study study;
    cr_assert_eq(md_study_read("a b", &study, &error), MD_USAGE);
    assert_contains(error.text, "letters, digits");
    cr_assert_eq(md_study_read("./no_such_study", &study, &error), MD_USAGE);
    assert_contains(error.text, "and .yaml");
    cr_assert_eq(md_study_read("no_such_study", &study, &error), MD_FAILED);
    assert_contains(error.text, "paper/studies/no_such_study.yaml");
}

/* Every study that is there can be read, and so can the sweep that makes its cells. */
Test(studies, those_of_the_paper) {
    struct md_names names = {.count = 0};
    cr_assert_eq(md_names_of_folder(MD_STUDY_FOLDER, &names, &error), MD_OK, "%s", error.text);
    cr_assert_geq(names.count, 8);
    for (size_t i = 0; i < names.count; i++) {
        struct md_study study;
        struct md_grid grid;
        *strrchr(names.names[i], '.') = '\0';
        cr_assert_eq(md_study_read(names.names[i], &study, &error), MD_OK, "%s", error.text);
        cr_assert_eq(md_grid_read(study.config, 0, NULL, &grid, &error), MD_OK, "%s", error.text);
        md_grid_free(&grid);
        md_study_free(&study);
    }
    md_names_free(&names);
}

/* ---- published runs -------------------------------------------------------------------------- */

/* Of the 1,158 rows, KITTI's runs have five caps, all the others one; the 165 of KITTI against its
 * labels are runs of their own, but the one from scratch lacks the cap "inf". */
Test(published, the_release) {
    struct md_runs runs = {.count = 0};
    size_t rows = 0, kitti = 0, labels = 0;
    cr_assert_eq(md_published_read(MD_PUBLISHED_FILE, &runs, &error), MD_OK, "%s", error.text);
    for (size_t i = 0; i < runs.count; i++) {
        const struct md_cell *cell = &runs.runs[i]->cell;
        rows += (size_t)cell->cap_count;
        if (strcmp(cell->config.data.set, "micro-kitti") != 0)
            continue;
        labels += cell->config.data.truth == MD_TRUTH_LABEL;
        kitti += cell->config.data.truth == MD_TRUTH_FULL;
        if (cell->config.data.truth == MD_TRUTH_FULL)
            cr_assert_eq(cell->scores[0].cap_m, 80);
    }
    cr_assert_eq(rows, 1158);
    cr_assert_eq(kitti, 165);
    cr_assert_eq(labels, 165);
    cr_assert_eq(runs.count, 165 + 165 + 165 + 4);
    md_runs_free(&runs);
}

/* As the log of that run has it. */
Test(published, one_run) {
    static const char *const texts[] = {"data.set=micro-kitti", "data.label=dense",
                                        "data.fraction=10",     "policy=full",
                                        "data.truth=full",      "seed=0"};
    struct md_runs runs = {.count = 0};
    struct md_filters filters;
    cr_assert_eq(md_published_read(MD_PUBLISHED_FILE, &runs, &error), MD_OK, "%s", error.text);
    cr_assert_eq(md_filters_parse(6, (char *const *)(uintptr_t)texts, &filters, &error), MD_OK);
    md_runs_filter(&runs, &filters);
    cr_assert_eq(runs.count, 1);
    const struct md_cell *cell = &runs.runs[0]->cell;
    cr_assert_eq(cell->cap_count, 5);
    cr_assert_eq(cell->scores[0].of[MD_AFTER].value[MD_RMSE], 7.364);
    cr_assert_eq(cell->scores[0].of[MD_AFTER].value[MD_DELTA1], 0.806);
    cr_assert_eq(cell->scores[1].cap_m, 15);
    cr_assert(isinf(cell->scores[4].cap_m));
    cr_assert(isnan(cell->scores[0].of[MD_DUMMY].value[MD_RMSE]));
    cr_assert_eq(cell->config.epochs, 120);
    md_filters_free(&filters);
    md_runs_free(&runs);
}

/* The file is what its script makes of the release's table. */
Test(published, made_from_the_release) {
    struct scratch_path table = shared_data("reference/release_results.csv"),
                        made = scratch_path(&scratch, "made.csv");
    char command[5000];
    snprintf(command, sizeof command, "paper/published/from_release.awk %s > %s && cmp %s %s",
             table.text, made.text, made.text, MD_PUBLISHED_FILE);
    cr_assert_eq(system(command), 0);
}

#define COLUMNS "data.set,weights,policy,run,cap_m,rmse_m,delta1\n"
#define ROW     "micro,scratch,d0,0,4,0.5,0.9\n"

Test(published, broken_files) {
    static const struct {
        const char *text, *problem;
    } wrong[] = {
        {"", "expected the names of the columns"},
        {"data.set,colour\n", "line 1 of"},
        {"data.set,data.set\n", "data.set is there twice"},
        {COLUMNS "micro,scratch,d0,0,4,0.5\n", "expected 7 values, found 6"},
        {COLUMNS "micro,scratch,d0,0,4,0.5,0.9,1\n", "expected 7 values, found 8"},
        {COLUMNS ROW "micro,scratch,d0,1,4,half,0.9\n", "line 3 of"},
        {COLUMNS "micro,scratch,d0,0,4,nan,0.9\n", "rmse_m: expected a number, found \"nan\""},
        {COLUMNS "micro,scratch,d0,0,4,1e999,0.9\n", "expected a number"},
        {COLUMNS "micro,scratch,d0,0,-4,0.5,0.9\n", "cap_m: expected a number above 0"},
        {COLUMNS "micro,scratch,d7,0,4,0.5,0.9\n", "policy: expected"},
        {COLUMNS "micro,scratch,d0,x,4,0.5,0.9\n", "seed: expected"},
        {COLUMNS ",scratch,d0,0,4,0.5,0.9\n", "data.set is missing"},
        {COLUMNS ROW "micro,scratch,d0,0,4,0.6,0.9\n", "the run of line 2 has this cap already"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct md_runs runs = {.count = 0};
        struct scratch_path path = written("p.csv", wrong[i].text);
        cr_assert_eq(md_published_read(path.text, &runs, &error), MD_FAILED, "case %zu", i);
        assert_contains(error.text, wrong[i].problem);
        assert_contains(error.text, "p.csv");
        md_runs_free(&runs);
    }
}

/* ---- amounts of data ------------------------------------------------------------------------- */

/* What runs are judged by must be the same for any amount that they learn from. */
Test(studies, a_fraction_leaves_the_test_split_whole) {
    static const char *const texts[] = {"weights=scratch", "data.set=synthetic", "data.count=8",
                                        "data.fraction=25"};
    struct md_config config;
    struct md_run run;
    cr_assert_eq(md_config_read(NULL, 4, (char *const *)(uintptr_t)texts, &config, &error), MD_OK);
    cr_assert_eq(md_run_open(&config, NULL, NULL, &run, &error), MD_OK, "%s", error.text);
    cr_assert_eq(run.train.count, 2);
    cr_assert_eq(run.val.count, 2);
    cr_assert_eq(run.test.count, 8);
    md_run_close(&run);
}

/* ---- tables ---------------------------------------------------------------------------------- */

enum { POLICIES = 2, SEEDS = 3 };
static const char *const policies[POLICIES] = {"d0", "d2"};

/* Published: two runs of d0, one of d1. Their mean is 0.75, their deviation sqrt(2 * 0.25^2). */
#define PUBLISHED                                                                                  \
    COLUMNS "micro,scratch,d0,0,4,0.5,0.25\nmicro,scratch,d0,0,2,9,9\n"                            \
            "micro,scratch,d0,1,4,1.0,0.25\nmicro,scratch,d1,0,4,2.5,0.5\n"

#define STUDY                                                                                      \
    "title: 100 % of A & B_c\ncaption: Runs <x>.\nconfig: c.yaml\ncells: runs\n"                   \
    "published: [data.set=micro]\nrows: [policy]\n"

static void at_home(const char *const *words) {
    call(words, (struct manner){.folder = scratch.folder});
}
#define AT_HOME(...) at_home(WORDS(__VA_ARGS__))

/* A folder with cells, published results and studies of its own. */
static void make_home(void) {
    struct scratch_path config =
        written("c.yaml", "weights: scratch\nlr: 0.003\nbatch: 2\nepochs: 2\ncap_m: [4, 2]\n"
                          "data: {set: synthetic, count: 3}\n"
                          "sweep: {policy: [d0, d2], seed: 0..2}\n");
    written("paper/published/release.csv", PUBLISHED);
    written("paper/studies/a.yaml", STUDY "show: [rmse_m]\nfigure: {kind: dots}\n");
    written("paper/studies/b.yaml", STUDY "show: [rmse_m, delta1@2]\nbeside: [steps, step_kb]\n"
                                          "figure: {kind: points, x: step_kb}\n");
    written("paper/studies/curve.yaml",
            STUDY "show: [rmse_m]\nfigure: {kind: curve, x: epochs, series: [policy]}\n");
    written("paper/studies/losses.yaml",
            STUDY "show: [rmse_m]\nfigure: {kind: losses, y: validation_loss}\n");
    written("paper/studies/maps.yaml", STUDY "show: [rmse_m]\nfigure: {kind: maps}\n");
    written("paper/studies/plain.yaml", "title: T\nconfig: c.yaml\ncells: runs\n" KEYS);
    AT_HOME("sweep", config.text, "-o", "runs", "-j", "2");
    assert_code(0);
}

static void compare_at_home(struct md_study *study, const char *name) {
    static char home[1024];
    cr_assert(getcwd(home, sizeof home));
    cr_assert_eq(chdir(scratch.folder), 0);
    cr_assert_eq(md_study_read(name, study, &error), MD_OK, "%s", error.text);
    cr_assert_eq(md_study_compare(study, 0, NULL, &error), MD_OK, "%s", error.text);
    cr_assert_eq(chdir(home), 0);
}

static double json_number(json_t *json, const char *name) {
    return json_number_value(json_at(json, name));
}

Test(studies, ours_beside_the_published) {
    make_home();
    AT_HOME("table", "a", "--json");
    json_t *json = output_json(), *rows = json_at(json, "rows");
    cr_assert_eq(json_array_size(rows), 3, "d0 and d2, which the config lists, and d1");
    struct md_study study;
    compare_at_home(&study, "a");
    for (int p = 0; p < POLICIES; p++) {
        double sum = 0, squares = 0, rmse_m[SEEDS];
        int seeds = 0;
        for (size_t i = 0; i < study.ours.count; i++) {
            const struct md_cell *cell = &study.ours.runs[i]->cell;
            if (strcmp(cell->config.policy, policies[p]) == 0)
                sum += rmse_m[seeds++] = cell->scores[0].of[MD_AFTER].value[MD_RMSE];
        }
        cr_assert_eq(seeds, SEEDS);
        for (int s = 0; s < SEEDS; s++)
            squares += (rmse_m[s] - sum / SEEDS) * (rmse_m[s] - sum / SEEDS);
        json_t *row = json_array_get(rows, p);
        const struct md_cell *any = &study.ours.runs[0]->cell;
        cr_assert_str_eq(json_string_value(json_at(row, "values.policy")), policies[p]);
        /* Sums in another order: a few units in the last place. */
        cr_assert_float_eq(json_number(row, "ours"), sum / SEEDS, 1e-14 * sum);
        cr_assert_float_eq(json_number(row, "ours_sd"), sqrt(squares / (SEEDS - 1)), 1e-13);
        cr_assert_eq(json_number(row, "runs"), SEEDS);
        cr_assert_float_eq(json_number(row, "dummy"), any->scores[0].of[MD_DUMMY].value[MD_RMSE],
                           1e-14);
    }
    json_t *d0 = json_array_get(rows, 0), *d1 = json_array_get(rows, 2);
    double deviation = sqrt(2 * 0.25 * 0.25);
    cr_assert_eq(json_number(d0, "published"), 0.75);
    cr_assert_float_eq(json_number(d0, "published_sd"), deviation, 1e-15);
    cr_assert_eq(json_number(d0, "published_runs"), 2);
    cr_assert_float_eq(json_number(d0, "difference"), (json_number(d0, "ours") - 0.75) / deviation,
                       1e-12);
    /* One published run has no spread; of d1 there is no run of ours, of d2 none published. */
    cr_assert_eq(json_number(d1, "published"), 2.5);
    cr_assert(json_is_null(json_at(d1, "published_sd")) && json_is_null(json_at(d1, "ours")));
    cr_assert(json_is_null(json_at(d1, "difference")) && json_is_null(json_at(d1, "dummy")));
    cr_assert(json_is_null(json_at(json_array_get(rows, 1), "published")));
    md_study_free(&study);
    json_decref(json);
}

Test(studies, forms) {
    make_home();
    AT_HOME("table", "a");
    assert_fine("100 % of A & B_c");
    assert_contains(out,
                    "Ours: synthetic world field instead of micro, 3 training and 3 test samples, "
                    "from scratch, berhu,\nadam 0.003, batch 2, epochs 2, fp32");
    assert_contains(out, "published");
    AT_HOME("table", "b", "runs", "--csv");
    assert_fine(
        "policy,quantity,steps,step_kb,published,published_sd,published_runs,ours,ours_sd,runs,"
        "difference,before,dummy\r\n");
    assert_contains(out, "\r\nd0,delta1@2,");
    AT_HOME("table", "a", "--latex");
    assert_fine("\\caption{100 \\% of A \\& B\\_c. Runs \\textless{}x\\textgreater{}.");
    assert_contains(out, "\\label{tab:a}");
    assert_contains(out, "\\end{table}");
    AT_HOME("table", "a", "--values");
    assert_fine("\\mdvalue{a d0 rmse_m published}{0.750}");
    assert_contains(out, "\\mdvalue{a data}{Ours: synthetic");
    cr_assert(strstr(out, "{a d1 rmse_m ours}") == NULL);
    AT_HOME("table", "plain");
    assert_fine("ours");
    cr_assert(strstr(out, "published") == NULL);
}

Test(studies, figures) {
    static const char *const names[] = {"a", "b", "curve", "losses", "maps"};
    /* What was published has no memory: where it is drawn, and what is not. */
    static const char *const legends[] = {NULL, ">published, drawn at our step_kb<",
                                          ", published<"};
    static const struct {
        const char *ending, *magic;
    } forms[] = {{"png", "\x89PNG"}, {"svg", "<?xml"}, {"pdf", "%PDF"}};
    make_home();
    for (size_t n = 0; n < sizeof names / sizeof *names; n++)
        for (size_t f = 0; f < 3; f++) {
            char name[40];
            size_t size;
            snprintf(name, sizeof name, "%s.%s", names[n], forms[f].ending);
            AT_HOME("plot", names[n], "-o", name);
            assert_code(0);
            cr_assert_eq(strstr(err, "d1: has no step_kb of ours") != NULL, n == 1, "%s", err);
            unsigned char *bytes = scratch_read(scratch_path(&scratch, "%s", name).text, &size);
            bytes[size] = '\0';
            cr_assert_eq(memcmp(bytes, forms[f].magic, strlen(forms[f].magic)), 0, "%s", name);
            /* on what it ran, for a figure that stands by itself */
            if (strcmp(forms[f].ending, "svg") == 0)
                cr_assert(strstr((char *)bytes, "ours: synthetic world") != NULL, "%s", name);
            if (strcmp(forms[f].ending, "svg") == 0 && n < 3 && legends[n] != NULL)
                cr_assert(strstr((char *)bytes, legends[n]) != NULL, "%s", name);
            free(bytes);
        }
    AT_HOME("plot", "plain", "-o", "plain.png");
    assert_fails(2, "plain has no figure");
    AT_HOME("plot", "a", "-o", "a.gif");
    assert_fails(2, ".png, .svg or .pdf");
    AT_HOME("plot", "a");
    assert_fails(2, "--output FILE must be given");
}

/* A cell that cannot be read is no reason to hide the others, and none to call it fine. */
Test(studies, a_broken_cell_is_a_failure_behind_the_table) {
    make_home();
    written("runs/broken.h5", "no HDF5");
    AT_HOME("table", "a");
    assert_code(1);
    assert_contains(out, "published");
    assert_contains(err, "1 of the files are no whole cells");
    need_tool("gnuplot");
    AT_HOME("plot", "a", "-o", "a.svg");
    assert_code(1);
    assert_contains(err, "1 of the files are no whole cells");
    cr_assert_eq(access(scratch_path(&scratch, "a.svg").text, F_OK), 0);
}

Test(studies, are_listed) {
    written("paper/studies/a.yaml", STUDY "show: [rmse_m]\n");
    written("paper/studies/b.yaml", STUDY "show: [colour]\n");
    written("paper/studies/notes.txt", "no study");
    AT_HOME("help", "studies");
    assert_fine("  a   ");
    assert_contains(out, "100 % of A & B_c");
    assert_contains(out, "show: \"colour\"");
    cr_assert_null(strstr(out, "notes"));
    AT_HOME("table", "c");
    assert_fails(1, "paper/studies/c.yaml: there is no such study, but a,b");
    AT_HOME("plot", "c", "-o", "c.png");
    assert_fails(1, "there is no such study, but a,b");
    AT_HOME("table", "--help");
    assert_fine("mudepth help studies lists them");
}

Test(studies, without_cells) {
    written("paper/published/release.csv", PUBLISHED);
    written("paper/studies/a.yaml", STUDY "show: [rmse_m]\n");
    AT_HOME("table", "a");
    assert_fails(1, "there are no cells yet; mudepth sweep c.yaml -o runs makes them");
    AT_HOME("table");
    assert_fails(2, "expected NAME, found nothing; the studies are a; see mudepth table --help");
    AT_HOME("plot", "-o", "a.png");
    assert_fails(2, "expected NAME, found nothing; the studies are a; see");
    AT_HOME("table", "a", "--csv", "--json");
    assert_fails(2, "--csv: not with --json");
    AT_HOME("table", "a", "missing");
    assert_fails(1, "missing");
    make_home();
    written("paper/studies/a.yaml", STUDY "where: [policy=d1]\nshow: [rmse_m]\n");
    AT_HOME("table", "a");
    assert_fails(1, "none of 6 cells belongs to a");
    written("paper/studies/a.yaml",
            "title: T\nconfig: c.yaml\ncells: runs\n" KEYS "published: [data.set=matrix]\n");
    AT_HOME("table", "a");
    assert_fails(1, "no row of paper/published/release.csv");
    remove(scratch_path(&scratch, "paper/published/release.csv").text);
    AT_HOME("table", "a");
    assert_fails(1, "release.csv");
}
