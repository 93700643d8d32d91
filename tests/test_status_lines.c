/* The table of running cells, on a terminal that is played here: what mudepth sweep draws to it is
 * followed as a terminal would, and the screen looked at. */
#define _DEFAULT_SOURCE /* struct winsize */
#include <criterion/criterion.h>
#include <pty.h>
#include <sys/ioctl.h>

#include "sweeps.h"

TestSuite(status_lines, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

/* ---- a terminal ------------------------------------------------------------------------------ */

enum { MOST_ROWS = 30, MOST_COLUMNS = 200 };

static struct {
    int rows, columns, row, column;
    char screen[MOST_ROWS][MOST_COLUMNS + 1];
    char gone[1 << 16]; /* lines that left the screen at its top */
    int tables;         /* how often there was a line about all cells */
    int most_lines;     /* drawn lines at a time */
    char escape[16];    /* a command that has begun */
} tty;

static void tty_scroll(void) {
    size_t length = strlen(tty.gone);
    snprintf(tty.gone + length, sizeof tty.gone - length, "%s\n", tty.screen[0]);
    memmove(tty.screen[0], tty.screen[1], sizeof tty.screen[0] * (size_t)(tty.rows - 1));
    memset(tty.screen[tty.rows - 1], 0, sizeof tty.screen[0]);
}

static void tty_line_feed(void) {
    if (tty.row == tty.rows - 1)
        tty_scroll();
    else
        tty.row++;
}

/* One more character of a command, which begins with an escape. */
static void tty_command(char c) {
    size_t length = strlen(tty.escape);
    cr_assert_lt(length + 1, sizeof tty.escape);
    tty.escape[length] = c;
    if (c == '\033' || c == '[' || (c >= '0' && c <= '9'))
        return;
    if (c == 'A') {
        int up = atoi(tty.escape + 2);
        cr_assert_leq(up, tty.row, "to a line that is not on the screen");
        tty.most_lines = up > tty.most_lines ? up : tty.most_lines;
        tty.row -= up;
    } else {
        cr_assert_eq(c, 'J', "unknown command %s", tty.escape + 1);
        memset(tty.screen[tty.row] + tty.column, 0, sizeof tty.screen[0] - (size_t)tty.column);
        for (int r = tty.row + 1; r < tty.rows; r++)
            memset(tty.screen[r], 0, sizeof tty.screen[0]);
    }
    memset(tty.escape, 0, sizeof tty.escape);
}

static void tty_take(char c) {
    if (c == '\033' || tty.escape[0] != '\0') {
        tty_command(c);
    } else if (c == '\r') {
        tty.column = 0;
    } else if (c == '\n') {
        tty.tables += strstr(tty.screen[tty.row], " running") != NULL;
        tty_line_feed();
    } else {
        if (tty.column == tty.columns) {
            tty.column = 0;
            tty_line_feed();
        }
        tty.screen[tty.row][tty.column++] = c;
    }
}

/* All that is on the screen, with line feeds. */
static const char *screen(void) {
    static char text[MOST_ROWS * (MOST_COLUMNS + 2)];
    text[0] = '\0';
    for (int r = 0; r < tty.rows; r++)
        if (tty.screen[r][0] != '\0') {
            strcat(text, tty.screen[r]);
            strcat(text, "\n");
        }
    return text;
}

/* Waits for more and takes it; 0: there will be nothing more. */
static int tty_read(int terminal) {
    char bytes[4096];
    ssize_t got = read(terminal, bytes, sizeof bytes);
    for (ssize_t i = 0; i < got; i++)
        tty_take(bytes[i]);
    return got > 0;
}

/* Begins the program with standard error (and its controlling terminal) on such a terminal. */
static pid_t begin_on(int rows, int columns, const char *type, const char *const *words,
                      int *terminal) {
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    const char *path = program();
    struct scratch_path out_path = scratch_path(&scratch, "stdout");
    tty.rows = rows;
    tty.columns = columns;
    setenv("TERM", type, 1);
    pid_t child = forkpty(terminal, NULL, NULL, &size);
    cr_assert_geq(child, 0);
    if (child == 0)
        become_program(words, &(struct manner){.folder = NULL}, path, out_path.text, "/dev/tty");
    return child;
}

static void end_on(pid_t child, int terminal) {
    int status;
    while (tty_read(terminal))
        ;
    close(terminal);
    cr_assert_eq(waitpid(child, &status, 0), child);
    code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    read_output("stdout", out);
}

/* ---- the table ------------------------------------------------------------------------------- */

#define SWEEP_WORDS(...)                                                                           \
    WORDS("sweep", config.text, "-o", folder.text, "-j2", "--checkpoint", "0", __VA_ARGS__)

/* A line for each worker and one for all, while they work; nothing when they have ended. */
Test(status_lines, the_table_comes_and_goes) {
    char last[2000] = "";
    int terminal, seen = 0;
    hold_at(2 * SAMPLES + 2); /* in the third epoch, of which a step was told */
    pid_t child =
        begin_on(24, 100, "xterm", SWEEP_WORDS("epochs=6", "data.val=val[0:2]"), &terminal);
    while (tty_read(terminal)) {
        const char *at = screen();
        if (strstr(at, "running"))
            snprintf(last, sizeof last, "%s", at);
        seen |= strstr(at, "d0-seed0") != NULL ? 1 : 0;
        seen |= strstr(at, "epoch ") && strstr(at, " of 6, step ") ? 2 : 0;
        seen |= strstr(at, ", validation RMSE ") && strstr(at, " to go\n") ? 4 : 0;
        seen |= strstr(at, "0 of 6 cells done, 0 failed, 2 running") ? 8 : 0;
        seen |= strstr(at, " cells done, 0 failed, 2 running, ") ? 16 : 0;
        if (seen == 31 && hold >= 0)
            let_go();
    }
    end_on(child, terminal);
    cr_assert_eq(seen, 31, "%d; at the end: %s", seen, last);
    assert_fine("6 cells: 6 done");
    cr_assert_str_empty(screen(), "the table is still there");
    cr_assert_str_empty(tty.gone);
    cr_assert_eq(tty.most_lines, 3);
}

/* Cut to any size, it neither scrolls nor breaks lines. */
Test(status_lines, a_small_terminal) {
    static const int sizes[][2] = {{3, 30}, {2, 20}, {4, 12}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int terminal, lines = sizes[i][0] < 4 ? sizes[i][0] - 1 : 3;
        memset(&tty, 0, sizeof tty);
        folder = scratch_path(&scratch, "cells%zu", i);
        hold_at(1);
        pid_t child =
            begin_on(sizes[i][0], sizes[i][1], "xterm", SWEEP_WORDS("epochs=2"), &terminal);
        while (tty.most_lines < lines && tty_read(terminal))
            ;
        let_go();
        end_on(child, terminal);
        assert_fine("6 cells: 6 done");
        cr_assert_str_empty(screen());
        cr_assert_str_empty(tty.gone);
        cr_assert_eq(tty.most_lines, lines);
    }
}

/* Failures stay, above the table. */
Test(status_lines, failures_are_said_above_it) {
    struct scratch_path bad = written("bad.h5", "no weights\n");
    char text[6000];
    int terminal;
    snprintf(text, sizeof text,
             "lr: 0.003\nbatch: 1\nepochs: 6\ndata: {set: synthetic, count: 6}\n"
             "sweep: {weights: [scratch, '%s'], seed: 0..1}\n",
             bad.text);
    scratch_write_text(config.text, text);
    pid_t child = begin_on(24, 190, "xterm", SWEEP_WORDS(NULL), &terminal);
    end_on(child, terminal);
    assert_code(1);
    assert_contains(out, "2 done, 2 failed");
    const char *first = strstr(screen(), "failed: "),
               *end = strstr(screen(), "mudepth sweep: 2 of 4");
    cr_assert(first && end && first < end, "%s", screen());
    assert_contains(first, "bad.h5: neither an HDF5 file");
    cr_assert(strstr(first + 1, "failed: "), "one is missing in %s", screen());
    cr_assert_null(strstr(screen(), " running"), "the table is still there: %s", screen());
    cr_assert_gt(tty.tables, 0);
}

/* From the terminal itself. */
Test(status_lines, ctrl_c_leaves_a_clean_terminal) {
    int terminal;
    pid_t child = begin_on(24, 100, "xterm", SWEEP_WORDS("epochs=100000"), &terminal);
    while (strstr(screen(), ", loss ") == NULL)
        cr_assert(tty_read(terminal), "no step was made: %s", screen());
    cr_assert_eq(write(terminal, "\003", 1), 1);
    end_on(child, terminal);
    assert_code(1);
    assert_contains(screen(), "interrupted after epoch");
    assert_contains(screen(), "mudepth sweep: interrupted: 0 of 6 cells failed, 6 are left");
    cr_assert_null(strstr(screen(), " running"), "the table is still there: %s", screen());
    cr_assert_gt(count_of(folder.text, "checkpoint"), 0);
}

/* A run by itself, whose lines come and go; and Ctrl-C is acknowledged before the step is over. */
Test(status_lines, a_run_says_where_it_is) {
    struct scratch_path cell = scratch_path(&scratch, "cell.h5");
    int terminal;
    scratch_write_text(config.text, SIX_BASE);
    hold_at(EPOCHS > 1 ? SAMPLES + 2 : 2);
    pid_t child = begin_on(24, 100, "xterm", WORDS("run", config.text, "-o", cell.text, "epochs=9"),
                           &terminal);
    cr_assert_eq(meet(), child);
    /* Drawn after the first step; whether ever again before the held one is a matter of time. */
    while (strstr(screen(), ", loss ") == NULL)
        cr_assert(tty_read(terminal), "%s", screen());
    assert_contains(screen(), "epoch ");
    assert_contains(screen(), " of 9");
    cr_assert_eq(write(terminal, "\003", 1), 1);
    while (strstr(screen(), "stopping: ") == NULL)
        cr_assert(tty_read(terminal), "%s", screen());
    let_go();
    end_on(child, terminal);
    assert_code(1);
    assert_contains(screen(), "mudepth run: interrupted after epoch");
    cr_assert_null(strstr(screen(), ", loss "), "the lines are still there: %s", screen());
}

/* Who looks at the folder sees how far others are. */
Test(status_lines, status_says_how_far_running_cells_are) {
    int terminal;
    hold_at(2);
    pid_t child =
        begin_on(24, 100, "dumb", WORDS("sweep", config.text, "-o", folder.text), &terminal);
    meet();
    MUDEPTH("status", folder.text);
    assert_fine("running ");
    assert_contains(out, "  epoch 1 of ");
    assert_contains(out, ", step 1 of ");
    assert_contains(out, ", loss ");
    MUDEPTH("status", folder.text, "--json");
    assert_contains(out, "\"progress\": \"epoch 1 of ");
    let_go();
    end_on(child, terminal);
    assert_fine("6 cells: 6 done");
    MUDEPTH("status", folder.text);
    cr_assert_null(strstr(out, "loss"), "%s", out);
}

/* A terminal without commands gets what a file gets: lines. */
Test(status_lines, a_dumb_terminal_gets_lines) {
    int terminal;
    pid_t child = begin_on(24, 100, "dumb", SWEEP_WORDS("epochs=1"), &terminal);
    end_on(child, terminal);
    assert_fine("6 done");
    assert_contains(screen(), "[1/6] ");
    assert_contains(screen(), "[6/6] ");
    cr_assert_eq(tty.tables, 0);
}
