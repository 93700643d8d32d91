/* Every command in README.md is typed, from top to bottom, in a folder that has small stand-ins for
 * the data they name (readme_data.py). */
#include <criterion/criterion.h>

#include "program.h"

static void set_up(void) {
    scratch = scratch_open();
}

static void tear_down(void) {
    scratch_close(&scratch);
}

TestSuite(readme, .init = set_up, .fini = tear_down, .timeout = 900);

/* In the order of README.md; commands that are not in it, or not here, are a failure. */
static const struct {
    const char *command;
    const char
        *less; /* appended, so that it takes seconds; "make": only that there are the targets */
    const char *before; /* what has to be there, as a shell command */
    const char *says;   /* part of the output */
} commands[] = {
    {"make demo", "make", NULL, NULL},
    {"make check", "make", NULL, NULL},
    {"build/mudepth weights info tartanair_pretrain.pth", "", NULL, "107625 parameters"},
    {"build/mudepth run configs/matrix.yaml data.root=FLIGHTS weights=tartanair_pretrain.pth "
     "--figures",
     "", NULL, "dummy predictor"},
    {"build/mudepth eval --weights tartanair_pretrain.pth --data '{set: micro, root: DIR, split: "
     "test}'",
     "", "build/mudepth data export '{set: synthetic, split: test, count: 4}' -o DIR --split test",
     "dummy predictor"},
    {"build/mudepth predict --weights results/runs/CELL.h5 room.jpg -o depth", "",
     "mv results/runs/matrix-*.h5 results/runs/CELL.h5", "room.depth.png"},
    {"build/mudepth weights export results/runs/CELL.h5 -o finetuned.pth", "", NULL, "0 rounded"},
    {"build/mudepth data verify '{set: kitti, root: KITTI, split: all}'", "", NULL, "1 sound"},
    {"build/mudepth data show '{set: nyu, root: nyu_depth_v2_labeled.mat, split: test}' -o "
     "rooms.png",
     "", NULL, "rooms.png"},
    {"build/mudepth plan configs/matrix.yaml format=bf16 batch=1 policy=full optimizer=adam "
     "budget_kb=1200",
     "", NULL, "no placement is smaller"},
    {"PYTHONPATH=python python3 -c 'import mudepth\n"
     "metrics = mudepth.Cell(\"CELL.h5\").metrics()\n"
     "print(metrics[metrics.predictor == \"after\"])'",
     "", "cp results/runs/CELL.h5 .", "[1 rows x "},
    {"build/mudepth sweep configs/sweep_demo.yaml -j 2 -o results/runs/demo", "data.count=4", NULL,
     "12 cells: 12 done"},
    {"build/mudepth status results/runs/demo", "", NULL, "12 done"},
    {"build/mudepth query results/runs/demo format=fp32 --by policy --show rmse_m,dummy.rmse_m", "",
     NULL, "e+d0 "},
    {"build/mudepth report results/runs/demo -o demo.html", "", "command -v gnuplot",
     "12 runs in 6 groups"},
    {"build/mudepth diff results/runs/demo/CELL.h5 results/runs/demo/ANOTHER.h5", "",
     "cd results/runs/demo && cp fp32-d0-seed0-*.h5 CELL.h5 && cp fp32-d0-seed1-*.h5 ANOTHER.h5",
     "seed    0  1"},
    {"make paper", "make", NULL, NULL},
    {"build/mudepth golden step_batch1.h5", "--trials 4",
     "cp \"${MUDEPTH_SHARED:-$top/../shared}/golden/step_batch1.h5\" .", " 0 beyond their bounds"},
    {"make rv32 gap9", "make", NULL, NULL},
    {"build/mudepth compare configs/demo.yaml batch=1 optimizer=sgd --steps 3 --a host:fp16 --b "
     "rv32:fp16:cores=8",
     "--steps 1", "command -v qemu-riscv32", "bit-exact: "},
    {"build/mudepth compare configs/demo.yaml batch=1 --steps 40 --a host:bf16 --b host:fp32 "
     "--figure growth.png",
     "--steps 2", "command -v gnuplot", "relative error"},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

/* Runs a shell command in the scratch folder, `top` being the project's, with what it says in
 * `out`; returns its exit code. */
__attribute__((format(printf, 1, 2))) static int shell(const char *format, ...) {
    char words[4000], command[6000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    snprintf(command, sizeof command,
             "unset MAKEFLAGS MAKELEVEL BUILD; PATH=/usr/bin:$PATH; top=$PWD; cd '%s' && { %s\n} "
             ">stdout 2>&1",
             scratch.folder, words);
    int status = system(command);
    read_output("stdout", out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- README.md ------------------------------------------------------------------------------- */

static int count_of(const char *text, char what) {
    int count = 0;
    for (; *text != '\0'; text++)
        count += *text == what;
    return count;
}

/* Appends a line of a block without its indentation and comment. A command goes on behind \ and
 * within quotes: returns whether it does. */
static int append_line(char *command, const char *line) {
    const char *comment = strstr(line, "  #");
    size_t length = comment != NULL ? (size_t)(comment - line) : strcspn(line, "\n");
    while (length > 0 && line[length - 1] == ' ')
        length--;
    if (length > 0 && line[length - 1] == '\\') {
        strncat(command, line, length - 1);
        return 1;
    }
    strncat(command, line, length);
    if (count_of(command, '\'') % 2 == 0)
        return 0;
    strcat(command, "\n");
    return 1;
}

/* The next command of README.md; 0 at its end. */
static int next_command(FILE *readme, char command[2000]) {
    static const char *const begins[] = {"make ", "build/mudepth ", "PYTHONPATH="};
    char line[500];
    int goes_on = 0;
    command[0] = '\0';
    while (fgets(line, sizeof line, readme) != NULL) {
        const char *text = line + strspn(line, " ");
        int is_command = goes_on;
        for (size_t b = 0; b < sizeof begins / sizeof begins[0]; b++)
            is_command |=
                strncmp(line, "    ", 4) == 0 && strncmp(text, begins[b], strlen(begins[b])) == 0;
        if (!is_command)
            continue;
        goes_on = append_line(command, text);
        if (!goes_on)
            return 1;
    }
    return 0;
}

/* ---- typing ---------------------------------------------------------------------------------- */

static void type(int c) {
    if (strcmp(commands[c].less, "make") == 0) {
        cr_assert_eq(shell("cd \"$top\" && make -n %s", commands[c].command + strlen("make ")), 0,
                     "%s\n%s", commands[c].command, out);
        return;
    }
    if (commands[c].before != NULL && shell("%s", commands[c].before) != 0) {
        fprintf(stderr, "SKIP: %s: %s\n", commands[c].command, out);
        return;
    }
    cr_assert_eq(shell("%s %s", commands[c].command, commands[c].less), 0, "%s\n%s",
                 commands[c].command, out);
    cr_assert(strstr(out, commands[c].says), "expected \"%s\" of %s in\n%s", commands[c].says,
              commands[c].command, out);
}

Test(readme, every_command_is_typed) {
    char command[2000];
    FILE *readme = fopen("README.md", "r");
    int c = 0;
    cr_assert(readme);
    if (shell("/usr/bin/python3 -c 'import h5py, pandas'") != 0) {
        fprintf(stderr, "SKIP: python3-h5py and python3-pandas not there\n");
        cr_skip("no h5py");
    }
    cr_assert_eq(shell("mkdir build && ln -s '%s' build/mudepth && cp -R \"$top/configs\" "
                       "\"$top/python\" . && "
                       "cp configs/source_world.h5 tartanair_pretrain.pth && "
                       "python3 \"$top/tests/readme_data.py\"",
                       program()),
                 0, "%s", out);
    for (; next_command(readme, command); c++) {
        cr_assert(c < COMMANDS, "not in the test: %s", command);
        cr_assert_str_eq(command, commands[c].command);
        type(c);
    }
    fclose(readme);
    cr_assert_eq(c, COMMANDS, "not in README.md: %s", commands[c].command);

    /* What is said of them in between, and the single run is found beside those of the sweep. */
    char said[300] = "";
    shell("build/mudepth query results/runs --each --csv 2>/dev/null | grep -c '^results/runs/'");
    cr_assert_eq(atoi(out), 1 + 12, "%s", out);
    cr_assert_eq(
        shell(
            "build/mudepth compare configs/demo.yaml batch=1 optimizer=sgd --steps 3 --a host:fp16 "
            "--b host:scalar:fp16:cores=2"),
        0, "%s", out);
    cr_assert_null(strstr(out, "NaN"), "%s", out);
    strncat(said, out, strcspn(out, "\n"));
    cr_assert_eq(shell("tr '\\n' ' ' <\"$top/README.md\" | grep -qF '`%s`'", said), 0,
                 "README.md says something else than %s", said);
}
