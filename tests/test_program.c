/* The program at the command line: help, exit codes, what goes where. (What each command does:
 * test_program_commands.c, test_program_run.c.) */
#include <criterion/criterion.h>

#include "../experiments/config.h"
#include "program.h"

TestSuite(program, .init = scratch_set_up, .fini = scratch_tear_down, .timeout = 600);

/* ---- help and usage -------------------------------------------------------------------------- */

static const struct {
    const char *name, *options[18];
} commands[] = {
    {"run", {"--output", "--save-weights", "--resume", "--log", "--force", "--figures", "--json"}},
    {"pretrain", {"--output", "--resume", "--log", "--force", "--figures", "--json"}},
    {"log", {"CELL.h5"}},
    {"sweep",
     {"--output", "--jobs", "--dry-run", "--checkpoint", "--fail-fast", "--retries", "--json",
      "--slurm", "--array-size", "sweep:", "also:", "except:"}},
    {"resume",
     {"--jobs", "--checkpoint", "--fail-fast", "--retries", "--json", "--slurm", "--array-size",
      "--task"}},
    {"rerun", {"--failed", "--jobs", "--checkpoint", "--fail-fast", "--retries", "--json"}},
    {"status", {"--json"}},
    {"eval",
     {"--weights", "--data", "--train", "--protocol", "--flip", "--mean-share", "--cap",
      "--threads", "--backend", "--json"}},
    {"golden", {"--weights", "--trials", "--json"}},
    {"predict",
     {"--weights", "--output", "--full", "--view", "--npy", "--json", "--like", "--fb", "--flip",
      "--max", "--force", "--disparity", "--folders", "--train", "--mean-share"}},
    {"weights", {"--output", "--type", "--json", "--force", "export"}},
    {"data",
     {"--output", "--split", "--rows", "--json", "--force", "verify", "show", "export", "cache",
      "unpack"}},
    {"compare",
     {"--a", "--b", "--steps", "--tensors", "--digest", "--figure", "--json", "--save-job",
      "--save-trace", "--force"}},
    {"plan", {"--target", "--figure", "--json", "--force"}},
    {"diff", {"--json"}},
    {"table", {"--csv", "--json", "--latex", "--values"}},
    {"plot", {"--output", "--force"}},
    {"help", {"--man"}},
    {"completion", {"--line"}},
    {"report", {"--output", "--by", "--title", "--force"}},
    {"query",
     {"--by", "--show", "--sort", "--each", "--csv", "--latex", "--json", "--figure", "--force"}},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

Test(program, help_names_every_command) {
    static const char *const ways[] = {"--help", "-h", "help"};
    for (int w = 0; w < 3; w++) {
        MUDEPTH(ways[w]);
        assert_fine("usage: mudepth COMMAND");
        for (int c = 0; c < COMMANDS; c++)
            assert_contains(out, commands[c].name);
        cr_assert_str_empty(err);
    }
}

Test(program, help_of_a_command_names_every_option) {
    for (int c = 0; c < COMMANDS; c++) {
        MUDEPTH(commands[c].name, "--help");
        assert_fine("usage: mudepth ");
        for (int o = 0; commands[c].options[o] != NULL; o++)
            assert_contains(out, commands[c].options[o]);
        cr_assert_str_empty(err);
    }
}

#define ONE_STEP                                                                                   \
    "weights: scratch\npolicy: d0\nbatch: 1\nepochs: 1\ndata: {set: synthetic, count: 1}\n"
#define NO_STEP "weights: scratch\nepochs: 0\ndata: {set: synthetic, count: 1}\n"

static void assert_runs_by(const char *level, const char *config, const char *format,
                           const char *cell) {
    remove(cell);
    MUDEPTH("run", config, format, "-o", cell, "--json");
    json_t *json = output_json();
    cr_assert_str_eq(json_string_value(json_at(json, "cpu_level")), level);
    json_decref(json);
}

/* What MUDEPTH_CPU names is used and reported, unless the config asks for another backend; what is
 * not there is an error, not a silent choice. */
Test(program, the_environment_forces_a_level) {
    static const char *const wrong[] = {"avx1024", "blas", "REF"};
    struct scratch_path config = written("forced.yaml", NO_STEP),
                        asked = written("asked.yaml", NO_STEP "backend: ref\n"),
                        cell = scratch_path(&scratch, "forced.h5");
    unsetenv("MUDEPTH_CPU"); /* the test run's own */
    const char *levels[8], *best = md_ops_find(MD_FP32, NULL)->level;
    MUDEPTH("--help");
    assert_contains(out, "MUDEPTH_CPU");
    for (int w = 0; w < 3; w++) {
        setenv("MUDEPTH_CPU", wrong[w], 1);
        MUDEPTH("run", config.text, "-o", cell.text);
        assert_fails(2, "does not exist here; there is ref");
        assert_contains(err, wrong[w]);
        MUDEPTH("run", "--help");
        assert_code(0);
        MUDEPTH("help", "run");
        assert_code(0);
        MUDEPTH("completion", "bash");
        assert_code(0);
    }
    for (int l = 0, count = md_ops_levels(MD_FP16, levels); l < count; l++) {
        int everywhere = md_ops_find(MD_FP32, levels[l]) != NULL; /* or for fp16 only */
        setenv("MUDEPTH_CPU", levels[l], 1);
        assert_runs_by(everywhere ? levels[l] : best, config.text, "format=fp32", cell.text);
        if (!everywhere)
            assert_runs_by(levels[l], config.text, "format=fp16", cell.text);
    }
    assert_runs_by("ref", asked.text, "format=fp32", cell.text); /* MUDEPTH_CPU is another's */
    unsetenv("MUDEPTH_CPU");
}

/* -q says nothing on standard error, -v says more; standard output is the same. */
Test(program, quiet_and_verbose) {
    static const char *const how[] = {"-q", "--verbose"};
    struct scratch_path config = written("said.yaml", ONE_STEP),
                        cell = scratch_path(&scratch, "said.h5");
    char first[sizeof out];
    for (int h = 0; h < 2; h++) {
        remove(cell.text);
        MUDEPTH("run", config.text, "-o", cell.text, how[h]);
        assert_code(0);
        if (h == 0)
            strcpy(first, out);
        cr_assert_str_eq(out, first);
        cr_assert_eq(err[0] == '\0', h == 0, "%s", err);
    }
    assert_contains(err, " s of processors, ");
    MUDEPTH("run", "nowhere.yaml", "-q"); /* errors are not left out */
    assert_fails(1, "nowhere.yaml");
}

/* Each "--word" of a help text is an option, and one that this test knows. */
Test(program, options_in_help_exist) {
    int count = 0;
    for (int c = 0; c < COMMANDS; c++) {
        MUDEPTH(commands[c].name, "--help");
        char *help = strdup(out), *rest = help;
        while ((rest = strstr(rest, "--")) != NULL) {
            char option[40];
            int length = (int)strspn(rest, "-abcdefghijklmnopqrstuvwxyz"), known = 0;
            snprintf(option, sizeof option, "%.*s", length, rest);
            rest += length;
            if (strcmp(option, "--") == 0) /* what follows is of another program */
                rest += strcspn(rest, "\n");
            if (strcmp(option, "--help") == 0 || strcmp(option, "--") == 0 ||
                strcmp(option, "--quiet") == 0 || strcmp(option, "--verbose") == 0)
                continue;
            for (int o = 0; commands[c].options[o] != NULL; o++)
                known |= strcmp(option, commands[c].options[o]) == 0;
            cr_assert(known, "%s %s is not in this test's list", commands[c].name, option);
            MUDEPTH(commands[c].name, option);
            cr_assert(code == 2 || strcmp(option, "--man") == 0, "%s", out);
            cr_assert_null(strstr(err, "unknown option"), "%s", err);
            count++;
        }
        free(help);
    }
    cr_assert_gt(count, 15);
}

/* In one place, to which the commands refer. */
Test(program, help_names_every_key) {
    static const char *const takers[] = {"run", "eval", "data", "sweep", "pretrain", "plan"};
    char name[MD_CONFIG_NAME_SIZE];
    int keys = 0;
    MUDEPTH("help", "config");
    for (; md_config_key(keys, name) == 0; keys++) {
        char key[80];
        snprintf(key, sizeof key, "\n  %s", name);
        const char *at = strstr(out, key);
        cr_assert(at && strchr(" \n", at[strlen(key)]), "%s is not there", name);
    }
    cr_assert_gt(keys, 30);
    assert_contains(out, "only with optimizer: sgd; default 0");
    assert_contains(out, "the key split");
    assert_contains(out, "  kitti-stereo-2012 ");
    for (size_t c = 0; c < sizeof takers / sizeof *takers; c++) {
        MUDEPTH(takers[c], "--help");
        assert_contains(out, "mudepth help config");
    }
}

Test(program, version_says_what_it_was_built_from) {
    MUDEPTH("--version");
    assert_fine("mudepth ");
    cr_assert_gt(strlen(out), 20);
    cr_assert_str_empty(err);
}

#define SPEC "{set: synthetic, split: test, count: 2}"

/* Wrong usage: exit code 2, the offending word in standard error, nothing in standard output. */
Test(program, wrong_usage_is_2_and_says_why) {
    static const struct {
        const char *words[10], *message;
    } cases[] = {
        {{"mudepth"}, "usage: mudepth COMMAND"},
        {{"mudepth", ""}, "unknown command \"\""},
        {{"mudepth", "Run"}, "unknown command \"Run\""},
        {{"mudepth", "--json"}, "unknown command \"--json\""},
        {{"mudepth", "run"}, "expected CONFIG.yaml, found nothing"},
        {{"mudepth", "run", "a.yaml", "--bogus"}, "unknown option --bogus"},
        {{"mudepth", "run", "a.yaml", "-x"}, "unknown option -x"},
        {{"mudepth", "run", "a.yaml", "-jx"}, "unknown option -j"},
        {{"mudepth", "run", "a.yaml", "--output"}, "option --output needs a value"},
        {{"mudepth", "run", "a.yaml", "-o"}, "option -o needs a value"},
        {{"mudepth", "run", "a.yaml", "--json=yes"}, "--json=yes takes no value"},
        {{"mudepth", "run", "a.yaml", "--save-weights"}, "--save-weights needs a value"},
        {{"mudepth", "pretrain"}, "--output WEIGHTS.h5 must be given"},
        {{"mudepth", "pretrain", "a.yaml", "--cell", "b"}, "unknown option --cell"},
        {{"mudepth", "eval"}, "--weights W must be given"},
        {{"mudepth", "eval", "--data", SPEC}, "--weights W must be given"},
        {{"mudepth", "eval", "--weights", "w"}, "--data SPEC must be given"},
        {{"mudepth", "eval", "--weights", "w", "--data", SPEC, "x"}, "\"x\""},
        {{"mudepth", "eval", "--protocol", "book"}, "--protocol: expected textbook or release"},
        {{"mudepth", "eval", "--cap", "0"}, "--cap: expected a number from 0.1 to 1000"},
        {{"mudepth", "eval", "--cap", "nan"}, "--cap"},
        {{"mudepth", "eval", "--cap", "8x"}, "--cap"},
        {{"mudepth", "eval", "--cap", "0x10"}, "--cap"},
        {{"mudepth", "eval", "--cap", ""}, "--cap"},
        {{"mudepth", "eval", "--threads", "0"}, "--threads: expected a whole number"},
        {{"mudepth", "eval", "--threads", "1.5"}, "--threads: expected a whole number"},
        {{"mudepth", "eval", "--threads", "99999999999999999999"}, "--threads"},
        {{"mudepth", "golden"}, "expected FILE.h5, found nothing"},
        {{"mudepth", "golden", "a", "b"}, "unexpected \"b\""},
        {{"mudepth", "predict", "x.png"}, "--weights W must be given"},
        {{"mudepth", "predict", "--weights", "w", "-o", "d"}, "expected IMAGE, found nothing"},
        {{"mudepth", "predict", "--fb", "-1"}, "--fb: expected a number"},
        {{"mudepth", "predict", "--max", "inf"}, "--max: expected a number"},
        {{"mudepth", "weights"}, "weights: expected info, import or export"},
        {{"mudepth", "weights", "import", "a"}, "weights import: --output OUT.h5 must be given"},
        {{"mudepth", "weights", "info", "a", "b"}, "unexpected \"b\""},
        {{"mudepth", "weights", "info", "a", "-o", "b"}, "unknown option -o"},
        {{"mudepth", "data"}, "expected info, verify, show, export, cache or unpack"},
        {{"mudepth", "data", "look", SPEC}, "unknown command \"data look\""},
        {{"mudepth", "data", "info", SPEC, SPEC}, "unexpected \"{set"},
        {{"mudepth", "data", "export", SPEC}, "data export: --output DIR must be given"},
        {{"mudepth", "data", "cache", SPEC}, "data cache: --output DIR must be given"},
        {{"mudepth", "data", "export", SPEC, "-o", "d", "--json"}, "unknown option --json"},
        {{"mudepth", "data", "info", SPEC, "--split", "x"}, "unknown option --split"},
        {{"mudepth", "data", "verify", SPEC, "-o", "x"}, "unknown option -o"},
        {{"mudepth", "data", "show", SPEC, "-o", "x.png", "--rows", "65"}, "--rows: expected"},
        {{"mudepth", "data", "show", SPEC, "-o", "x.txt"}, "x.txt"},
        {{"mudepth", "data", "info", "{set: moon}"}, "data:1:7: set: expected one of"},
        {{"mudepth", "data", "info", "{set: micro, split: a}"}, "root"},
        {{"mudepth", "data", "info", "{set: synthetic, split: 'a[5:2]'}"}, "[5:2]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        call(cases[i].words, (struct manner){.folder = scratch.folder});
        assert_fails(2, cases[i].message);
    }
    cr_assert_eq(scratch_count(scratch.folder), 2, "something was written");
}

Test(program, what_is_not_there_is_1_and_says_its_name) {
    static const struct {
        const char *words[10], *message;
    } cases[] = {
        {{"mudepth", "run", "no.yaml"}, "no.yaml: No such file"},
        {{"mudepth", "run", "."}, ".: cannot read: Is a directory"},
        {{"mudepth", "eval", "--weights", "no.h5", "--data", SPEC}, "no.h5"},
        {{"mudepth", "eval", "--weights", ".", "--data", SPEC}, "."},
        {{"mudepth", "golden", "no.h5"}, "no.h5"},
        {{"mudepth", "golden", "."}, "."},
        {{"mudepth", "predict", "--weights", "no.h5", "-o", "d", "x.png"}, "no.h5"},
        {{"mudepth", "weights", "info", "no.pth"}, "no.pth"},
        {{"mudepth", "weights", "import", "no.pth", "-o", "x.h5"}, "no.pth"},
        {{"mudepth", "data", "info", "{set: micro, root: ., split: train}"}, "./train.csv"},
        {{"mudepth", "data", "info", "{set: matrix, root: no, split: all}"}, "no"},
        {{"mudepth", "data", "info", "{set: matrix, root: ., split: all}"}, "no flight"},
        {{"mudepth", "data", "export", SPEC, "-o", "stdout/x"}, "stdout"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        call(cases[i].words, (struct manner){.folder = scratch.folder});
        assert_fails(1, cases[i].message);
    }
    cr_assert_eq(scratch_count(scratch.folder), 2, "something was written");
}

/* ---- output ---------------------------------------------------------------------------------- */

Test(program, output_that_cannot_be_written_is_1) {
    static const char *const calls[][4] = {{"mudepth", "--help"},
                                           {"mudepth", "--version"},
                                           {"mudepth", "run", "--help"},
                                           {"mudepth", "data", "info", SPEC}};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        const char *words[] = {calls[i][0], calls[i][1], calls[i][2], calls[i][3], NULL};
        call(words, (struct manner){.output = "/dev/full"});
        assert_fails(1, "cannot write");
    }
}
