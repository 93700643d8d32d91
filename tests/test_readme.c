/* Every command in README.md and in the pages of docs is typed, from top to bottom, in a folder
 * that has small stand-ins for the data they name (readme_data.py). */
#include <criterion/criterion.h>
#include <glob.h>

#include "program.h"

TestSuite(readme, .init = scratch_set_up, .fini = scratch_tear_down, .timeout = 900);

/* Synthetic streets as the release's KITTI set is published. */
#define PACK_KITTI                                                                                 \
    "for s in train val test; do "                                                                 \
    "mudepth data export \"{set: synthetic, world: road, max_depth_m: 80, count: 4, split: $s}\" " \
    "-o packed --split $s && sed \"s|$s/||g\" packed/$s.csv | "                                    \
    "awk -F, -v OFS=, '{print $1,$1,$2,$3,$2,$3,$2,$4,$4}' >packed/$s/annotations_20perc.csv && "  \
    "mv packed/$s.csv packed/$s/annotations.csv && "                                               \
    "cp packed/$s/annotations_20perc.csv packed/$s/annotations.csv; done; "                        \
    "tar -C packed -czf micro-kitti.tar.gz ."

/* In the order of README.md and of docs by their names; commands that are not there, or not here,
 * are a failure. */
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
     "cp \"${MUDEPTH_SHARED:-$top/../shared}/golden/step_batch1.h5\" . && "
     "/usr/bin/python3 -c 'import h5py\n" /* all but the forty steps behind the first */
     "for o in \"sgd\", \"adam\": del h5py.File(\"step_batch1.h5\", \"a\")[\"f64/next_20_losses_\" "
     "+ o]'",
     " 0 beyond their bounds"},
    {"make rv32 gap9", "make", NULL, NULL},
    {"build/mudepth compare configs/demo.yaml batch=1 optimizer=sgd --steps 3 --a host:fp16 --b "
     "rv32:fp16:cores=8",
     "--steps 1 policy=last", "command -v qemu-riscv32", "bit-exact: "},
    {"build/mudepth compare configs/demo.yaml batch=1 --steps 40 --a host:bf16 --b host:fp32 "
     "--figure growth.png",
     "--steps 2", "command -v gnuplot", "relative error"},
    {"mudepth plan configs/demo.yaml format=bf16 batch=1 optimizer=sgd budget_kb=430 policy=auto",
     "", NULL, "policy d0"},
    {"mudepth plan configs/demo.yaml format=bf16 batch=1 optimizer=sgd plan=lean --figure step.png",
     "", "command -v gnuplot", "lean"},
    {"mudepth sweep configs/demo.yaml format=bf16 batch=1 optimizer=sgd lr=0.01 plan=auto "
     "policy=d0,d1,full budget_kb=300,430,720 seed=0..2 -o results/runs/budgets --dry-run",
     "data.count=2 seed=0", NULL, "3 missing, 5 unfit"},
    {"mudepth sweep configs/demo.yaml format=bf16 batch=1 optimizer=sgd lr=0.01 plan=auto "
     "policy=d0,d1,full budget_kb=300,430,720 seed=0..2 -o results/runs/budgets -j 2",
     "data.count=2 seed=0 epochs=1", NULL, "3 done, 5 unfit"},
    {"mudepth query results/runs/budgets --by policy --show rmse_m,dummy.rmse_m,step_kb", "", NULL,
     "full "},
    {"mudepth query results/runs/budgets 'step_kb<500' --sort rmse_m --csv", "", NULL, "rmse_m"},
    {"mudepth report results/runs/budgets -o budgets.html", "", "command -v gnuplot",
     "3 runs in 3 groups, 5 cells not there"},
    {"mudepth compare configs/demo.yaml batch=1 optimizer=sgd --steps 2 --a host:fp16 --b "
     "gap9-shim:fp16:lean:cores=8",
     "data.count=1 --steps 1 policy=last", "test -x build/mudepth-gap9-large", "bit-exact: "},
    {"mudepth compare configs/demo.yaml batch=1 optimizer=sgd --steps 2 --a "
     "gap9-shim:fp16:lean:cores=8 --save-job job.bin",
     "data.count=1 --steps 1 policy=last", "test -x build/mudepth-gap9-large", ""},
    {"mudepth compare configs/demo.yaml batch=1 optimizer=sgd --steps 2 --a trace:trace.bin --b "
     "host:fp16",
     "data.count=1 --steps 1 policy=last", "build/mudepth-gap9-large <job.bin >trace.bin",
     "bit-exact: "},
    {"mudepth compare configs/demo.yaml batch=1 optimizer=sgd --steps 2 --a trace:trace.bin --b "
     "host:fp32 --figure difference.png",
     "data.count=1 --steps 1 policy=last", "test -s trace.bin && command -v gnuplot",
     "relative error"},
    {"mudepth data verify '{set: recording, root: living_room, split: all}'", "", NULL, "10 sound"},
    {"mudepth data show '{set: recording, root: living_room, split: all}' -o living_room.png", "",
     "command -v gnuplot", "living_room.png"},
    {"mudepth run configs/field.yaml data.set=recording data.root=living_room data.crop=200 "
     "weights=tartanair_pretrain.pth -o living_room.h5 --figures",
     "epochs=1", "command -v gnuplot", "dummy predictor"},
    {"mudepth predict --weights living_room.h5 living_room/pictures -o depth --view --like '{set: "
     "recording, picture: whole, crop: 200}'",
     "", NULL, "9.view.png"},
    {"mudepth weights export living_room.h5 -o living_room.pth", "", NULL, "0 rounded"},
    {"mudepth weights export living_room.h5 -o living_room_weights.h --type bfloat16", "", NULL,
     "as bfloat16"},
    {"mudepth data unpack micro-kitti.tar.gz -o kitti", "", PACK_KITTI, "54 files"},
    {"mudepth data verify '{set: micro-kitti, root: kitti, split: test}'", "", NULL, "4 sound"},
    {"mudepth sweep configs/paper_kitti.yaml data.root=kitti weights=tartanair_pretrain.pth seed=0 "
     "-o results/runs/kitti --dry-run",
     "epochs=1 batch=4 policy=d0,full data.label=tof8 data.fraction=20", NULL, "2 missing"},
    {"mudepth sweep configs/paper_kitti.yaml data.root=kitti weights=tartanair_pretrain.pth seed=0 "
     "-o results/runs/kitti -j 2",
     "epochs=1 batch=4 policy=d0,full data.label=tof8 data.fraction=20", NULL, "2 done"},
    {"mudepth resume results/runs/kitti -j 2", "", NULL, "2 done"},
    {"mudepth status results/runs/kitti", "", NULL, "2 done"},
    {"mudepth table kitti", "", NULL, "published"},
    {"mudepth table kitti --latex", "", NULL, "toprule"},
    {"mudepth plot kitti -o kitti.pdf", "", "command -v gnuplot", ""},
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
             "unset MAKEFLAGS MAKELEVEL BUILD; top=$PWD; cd '%s' && PATH=/usr/bin:$PWD/build:$PATH "
             "&& { %s\n} "
             ">stdout 2>&1",
             scratch.folder, words);
    int status = system(command);
    read_output("stdout", out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- pages ------------------------------------------------------------------------------- */

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

/* The next command of a page; 0 at its end. */
static int next_command(FILE *page, char command[2000]) {
    static const char *const begins[] = {"make ", "build/mudepth ", "mudepth ", "PYTHONPATH="};
    char line[500];
    int goes_on = 0;
    command[0] = '\0';
    while (fgets(line, sizeof line, page) != NULL) {
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

/* Types the commands of a page, of which the first is number `c`; returns the number behind the
 * last one. */
static int type_page(const char *path, int c) {
    char command[2000];
    FILE *page = fopen(path, "r");
    cr_assert(page, "%s", path);
    for (; next_command(page, command); c++) {
        cr_assert(c < COMMANDS, "%s: not in the test: %s", path, command);
        cr_assert_str_eq(command, commands[c].command, "%s", path);
        type(c);
    }
    fclose(page);
    return c;
}

Test(readme, every_command_is_typed) {
    glob_t pages;
    if (shell("/usr/bin/python3 -c 'import h5py, pandas'") != 0) {
        fprintf(stderr, "SKIP: python3-h5py and python3-pandas not there\n");
        cr_skip("no h5py");
    }
    cr_assert_eq(shell("mkdir build && for p in '' -gap9-shim -gap9-large; do "
                       "ln -s '%s'$p build/mudepth$p; done && cp -R \"$top/configs\" "
                       "\"$top/python\" . && mkdir paper && "
                       "cp -R \"$top/paper/studies\" \"$top/paper/published\" paper && "
                       "cp configs/source_world.h5 tartanair_pretrain.pth && "
                       "python3 \"$top/tests/readme_data.py\"",
                       program()),
                 0, "%s", out);
    int c = type_page("README.md", 0);
    cr_assert_eq(glob("docs/*.md", 0, NULL, &pages), 0);
    for (size_t p = 0; p < pages.gl_pathc; p++) {
        cr_assert_eq(shell("grep -q '(%s)' \"$top/README.md\"", pages.gl_pathv[p]), 0,
                     "README.md does not lead to %s", pages.gl_pathv[p]);
        c = type_page(pages.gl_pathv[p], c);
    }
    globfree(&pages);
    cr_assert_eq(c, COMMANDS, "in no page: %s", commands[c].command);

    /* What is said of them in between, and the single run is found beside those of the sweep. */
    char said[300] = "";
    shell("build/mudepth query results/runs/demo results/runs/CELL.h5 --each --csv 2>/dev/null | "
          "grep -c '^results/runs/'");
    cr_assert_eq(atoi(out), 1 + 12, "%s", out);
    cr_assert_eq(
        shell(
            "build/mudepth compare configs/demo.yaml batch=1 optimizer=sgd --steps 3 --a host:fp16 "
            "--b host:fp16:cores=2"),
        0, "%s", out);
    cr_assert_null(strstr(out, "NaN"), "%s", out);
    strncat(said, out, strcspn(out, "\n"));
    cr_assert_eq(shell("tr '\\n' ' ' <\"$top/README.md\" | grep -qF '`%s`'", said), 0,
                 "README.md says something else than %s", said);
}
