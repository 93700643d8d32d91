/* One rule for everything that a command writes under a name it was given: what is there is refused
 * before anything is done, and replaced with --force. */
#include <criterion/criterion.h>

#include "../base/image.h"
#include "../commands/commands.h"
#include "program.h"

volatile sig_atomic_t md_stop_requested;
int md_verbosity;

TestSuite(overwrite, .init = scratch_set_up, .fini = scratch_tear_down, .timeout = 600);

#define SPEC "{set: synthetic, split: test, count: 1}"

/* The last word is the file, or the folder that `file` is in; the option is before it. */
static const struct {
    const char *words[9];
    const char *file, *tool;
} cases[] = {
    {{"run", "small.yaml", "--output", "new.h5"}, NULL, NULL},
    {{"run", "small.yaml", "--output", "a.h5", "--save-weights", "w.h5"}, NULL, NULL},
    {{"run", "small.yaml", "--output", "b.h5", "--log", "run.jsonl"}, NULL, NULL},
    {{"pretrain", "small.yaml", "--output", "source.h5"}, NULL, NULL},
    {{"pretrain", "small.yaml", "--output", "c.h5", "--log", "source.jsonl"}, NULL, NULL},
    {{"predict", "p.png", "--weights", "runs/cell.h5", "--output", "d"}, "d/p.depth.png", NULL},
    {{"predict", "p.png", "--npy", "--weights", "runs/cell.h5", "--output", "n"}, "n/p.npy", NULL},
    {{"weights", "import", "runs/cell.h5", "--output", "own.h5"}, NULL, NULL},
    {{"weights", "export", "runs/cell.h5", "--output", "own.pth"}, NULL, NULL},
    {{"data", "show", SPEC, "--output", "sheet.svg"}, NULL, "gnuplot"},
    {{"data", "export", SPEC, "--output", "micro"}, "micro/train.csv", NULL},
    {{"data", "export", SPEC, "--output", "files"}, "files/train/fb/0.npy", NULL},
    {{"data", "cache", SPEC, "--output", "cache"}, "cache/train.h5", NULL},
    {{"data", "unpack", "set.tar", "--output", "set/"}, "set/small.yaml", NULL},
    {{"compare", "small.yaml", "--save-job", "device.job"}, NULL, NULL},
    {{"compare", "small.yaml", "--save-trace", "host.trace"}, NULL, NULL},
    {{"compare", "small.yaml", "--b", "host:bf16", "--figure", "growth.svg"}, NULL, "gnuplot"},
    {{"plan", "small.yaml", "--figure", "plan.svg"}, NULL, "gnuplot"},
    {{"query", "runs/cell.h5", "--figure", "groups.svg"}, NULL, "gnuplot"},
    {{"report", "runs", "--output", "page.html"}, NULL, "gnuplot"},
    {{"plot", "./losses.yaml", "runs/cell.h5", "--output", "losses.svg"}, NULL, "gnuplot"},
};
enum { CASES = sizeof cases / sizeof *cases };

/* Types the words of a case, and perhaps one more, in the scratch folder. */
static void type(int c, const char *more) {
    const char *words[12] = {"mudepth"};
    int count = 1;
    for (; cases[c].words[count - 1] != NULL; count++)
        words[count] = cases[c].words[count - 1];
    words[count] = more;
    call(words, (struct manner){.folder = scratch.folder});
}

/* The same with another last word, where nothing can be written. */
static void assert_nowhere(int c, const char *path, const char *says) {
    const char *words[12] = {"mudepth"};
    int count = 1;
    for (; cases[c].words[count - 1] != NULL; count++)
        words[count] = cases[c].words[count - 1];
    words[count - 1] = path;
    call(words, (struct manner){.folder = scratch.folder});
    assert_fails(1, says);
    cr_assert_null(strchr(strchr(err, '\n') + 1, '\n'), "more is said: %s", err);
}

static const char *last_word(int c, int from_end) {
    int count = 0;
    while (cases[c].words[count] != NULL)
        count++;
    return cases[c].words[count - from_end];
}

static int is_precious(const char *path) {
    size_t size;
    unsigned char *bytes = scratch_read(path, &size);
    int is = size == 8 && memcmp(bytes, "precious", 8) == 0;
    free(bytes);
    return is;
}

static void try(int c) {
    const char *file = cases[c].file != NULL ? cases[c].file : last_word(c, 1);
    const char *named = strcmp(cases[c].words[1], "unpack") == 0 ? "set" : file;
    struct scratch_path there = written(file, "precious"),
                        beside = scratch_path(&scratch, "%s.beside", file);
    char message[400];
    scratch_write_text(beside.text, "precious");
    snprintf(message, sizeof message, "%s: is there already; --force replaces it\n", named);
    type(c, NULL);
    assert_fails(2, message);
    cr_assert_null(strchr(strchr(err, '\n') + 1, '\n'), "more is said: %s", err);
    cr_assert(is_precious(there.text), "%s was touched", file);
    type(c, "--force");
    assert_code(0);
    cr_assert_not(is_precious(there.text), "%s is as it was", file);
    cr_assert(is_precious(beside.text), "%s was touched", beside.text);
}

Test(overwrite, only_with_force) {
    uint8_t grey[3 * 48 * 48] = {0};
    struct md_error error;
    written("losses.yaml", "title: T\ncaption: C\nconfig: many.yaml\ncells: runs\nrows: [policy]\n"
                           "show: [rmse_m]\nfigure: {kind: losses, y: validation_loss}\n");
    written("many.yaml", SMALL_FIELD "sweep: {seed: [0]}\n");
    written("small.yaml", SMALL_FIELD);
    cr_assert_eq(md_png_write_rgb(scratch_path(&scratch, "p.png").text, grey, 48, 48, &error),
                 MD_OK);
    call(WORDS("run", "small.yaml", "-o", "runs/cell.h5"),
         (struct manner){.folder = scratch.folder});
    assert_code(0);
    char tar[1200];
    snprintf(tar, sizeof tar, "tar -C '%s' -cf '%s/set.tar' small.yaml", scratch.folder,
             scratch.folder);
    cr_assert_eq(system(tar), 0);
    int has_gnuplot = system("gnuplot --version >/dev/null 2>&1") == 0;
    for (int c = 0; c < CASES; c++)
        if (cases[c].tool == NULL || has_gnuplot)
            try(c);
    if (!has_gnuplot)
        fprintf(stderr, "SKIP: gnuplot not there\n");
}

/* ---- all that there are ---------------------------------------------------------------------- */

static int find_case(const char *command, const char *option) {
    int c = 0;
    while (c < CASES &&
           ((strcmp(cases[c].words[0], command) != 0 && strcmp(cases[c].words[1], command) != 0) ||
            strcmp(last_word(c, 2) + 2, option) != 0))
        c++;
    cr_assert_lt(c, (int)CASES, "no case: %s --%s", command, option);
    return c;
}

/* Refused before any file is looked at: there are none here. */
static void check_output(const char *command, const struct md_option *o) {
    int c = find_case(command, o->name);
    assert_nowhere(c, "/dev/null/x", "/dev/null: cannot write into this folder: Not a directory\n");
    if (o->type == MD_OPTION_OUTPUT && !o->makes_folder)
        assert_nowhere(c, "no/x", "no: cannot write into this folder: No such file or directory\n");
}

static void check_commands(const struct md_command *above) {
    for (int i = 0; above->commands != NULL && above->commands[i] != NULL; i++) {
        const struct md_command *command = above->commands[i];
        check_commands(command);
        for (const struct md_option *o = command->options; o != NULL && o->name != NULL; o++) {
            if (o->type >= MD_OPTION_OUTPUT && o->type <= MD_OPTION_FOLDER)
                check_output(command->name, o);
            else if (o->type == MD_OPTION_PATH && strcmp(command->name, "sweep") != 0)
                cr_assert_str_eq(o->name, "weights", "an output? %s --%s", command->name, o->name);
        }
    }
}

Test(overwrite, every_option_that_writes_has_a_case) {
    check_commands(&md_program);
    cr_assert_eq(scratch_count(scratch.folder), 2, "stdout, stderr");
}

/* As a user who may not write into /dev. */
Test(overwrite, a_log_may_be_a_stream) {
    written("small.yaml", SMALL_FIELD);
    cr_assert_eq(chmod(scratch.folder, 0777), 0);
    call(WORDS("run", "small.yaml", "-o", "new/cell.h5", "--log", "/dev/null"),
         (struct manner){.folder = scratch.folder, .as_nobody = 1});
    assert_code(0);
    call(WORDS("run", "small.yaml", "-o", "cell.h5", "--log", "/dev/x"),
         (struct manner){.folder = scratch.folder, .as_nobody = 1});
    assert_fails(1, "--log: /dev: cannot write into this folder: Permission denied");
}

/* ---- what no --force replaces ---------------------------------------------------------------- */

Test(overwrite, some_things_are_never_replaced) {
    static const struct {
        const char *words[7], *message;
    } wrong[] = {
        {{"plan", "small.yaml", "--figure", ".", "-f"}, "--figure: .: is a folder, expected"},
        {{"plan", "small.yaml", "--figure", "/dev/null", "-f"},
         "--figure: /dev/null: is no ordinary file"},
        {{"run", "small.yaml", "-o", ".", "-f"}, "--output: .: is a folder"},
        {{"plan", "small.yaml", "--figure", "", "-f"},
         "--figure: expected the name of a file, found \"\""},
        {{"plan", "small.yaml", "--figure", "new/"}, "expected the name of a file, found \"new/\""},
        {{"plan", "small.yaml", "-f"}, "--force: nothing is written that it could replace"},
        {{"run", "small.yaml", "--log", "x", "--save-weights", "x"},
         "both --save-weights and --log: x"},
        {{"run", "small.yaml", "--log", "new/x", "--save-weights", "./new//x"},
         "both --save-weights and --log: new/x"},
        {{"run", "small.yaml", "--log", "x", "--output", "link/x"}, "both --output and --log: x"},
        {{"data", "unpack", "set.tar", "-o", "small.yaml", "-f"},
         "small.yaml: is there already, and is no folder"},
        {{"table", "kitti", "-f"}, "unknown option -f"},
        {{"plan", "small.yaml", "--figure", "loose.png"},
         "--figure: loose.png: is a link to what is not there; --force"},
    };
    written("small.yaml", SMALL_FIELD);
    cr_assert_eq(symlink(".", scratch_path(&scratch, "link").text), 0);
    cr_assert_eq(symlink("none/x", scratch_path(&scratch, "loose.png").text), 0);
    for (size_t w = 0; w < sizeof wrong / sizeof *wrong; w++) {
        const char *words[9] = {"mudepth"};
        memcpy(words + 1, wrong[w].words, sizeof wrong[w].words);
        call(words, (struct manner){.folder = scratch.folder});
        assert_fails(2, wrong[w].message);
    }
    cr_assert_eq(scratch_count(scratch.folder), 5, "small.yaml, two links, stdout, stderr");
}
