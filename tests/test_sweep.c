/* `mudepth sweep` and `status` at the command line: what a folder of cells is after sweeps that
 * went well, failed, were interrupted and were killed. (Which cells there are: test_grid.c.)
 *
 * MUDEPTH_SWEEP_KILLS=N: so many kills instead of a few. */
#include <criterion/criterion.h>
#include <fcntl.h>

#include "../datasets/h5.h"
#include "../results/cell.h"
#include "program.h"

static struct scratch_path config, folder;

/* Six cells of 18 steps. */
#define SIX_CELLS                                                                                  \
    "weights: scratch\nlr: 0.003\nbatch: 1\nepochs: 3\ndata: {set: synthetic, count: 6}\n"         \
    "sweep: {policy: [d0, full], seed: 0..2}\n"
enum { SIX = 6 };

static void set_up(void) {
    scratch = scratch_open();
    config = written("six.yaml", SIX_CELLS);
    folder = scratch_path(&scratch, "cells");
}

static void tear_down(void) {
    scratch_close(&scratch);
}

TestSuite(sweep, .init = set_up, .fini = tear_down, .timeout = 600);

/* ---- what is in a folder --------------------------------------------------------------------- */

static json_t *status_json(const char *where) {
    MUDEPTH("status", where, "--json");
    return output_json();
}

static int count_of(const char *where, const char *state) {
    char path[40];
    json_t *json = status_json(where);
    snprintf(path, sizeof path, "counts.%s", state);
    int count = (int)json_integer_value(json_at(json, path));
    json_decref(json);
    return count;
}

/* Texts that every cell of a sweep has, in the grid's order. */
struct digests {
    char text[SIX][33];
};

/* All cells are done, and nothing else is there: no half files, checkpoints or errors. */
static struct digests digests_of(const char *where) {
    struct digests digests;
    json_t *json = status_json(where);
    cr_assert_eq(json_integer_value(json_at(json, "counts.done")), SIX, "%s", out);
    cr_assert_eq(scratch_count(where), SIX + 2, "there is more than cells, grid and lock");
    for (size_t i = 0; i < SIX; i++) {
        struct md_error error;
        hid_t file;
        char path[2000];
        json_t *cell = json_array_get(json_at(json, "cells"), i);
        snprintf(path, sizeof path, "%s/%s.h5", where, json_string_value(json_at(cell, "name")));
        cr_assert_eq(md_h5_open(path, &file, &error), MD_OK, "%s", error.text);
        cr_assert_eq(md_h5_read_text(file, "/", "run_digest", 33, digests.text[i], &error), MD_OK);
        H5Fclose(file);
    }
    json_decref(json);
    return digests;
}

static void assert_same(const struct digests *a, const struct digests *b) {
    for (int i = 0; i < SIX; i++)
        cr_assert_str_eq(a->text[i], b->text[i], "cell %d", i);
}

/* Of a sweep that nothing disturbed. */
static struct digests undisturbed(void) {
    struct scratch_path where = scratch_path(&scratch, "undisturbed");
    MUDEPTH("sweep", config.text, "-o", where.text);
    assert_fine("6 cells: 6 done");
    return digests_of(where.text);
}

/* ---- the ordinary way ------------------------------------------------------------------------ */

Test(sweep, cells_are_what_run_makes) {
    struct digests digests = undisturbed();
    struct scratch_path small = written("one.yaml", "weights: scratch\nlr: 0.003\nbatch: 1\n"
                                                    "epochs: 3\n"
                                                    "data: {set: synthetic, count: 6}\n");
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

/* Cells know the command that made them, and table takes them. */
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
    assert_contains(command, "six.yaml seed=7 epochs=1");
    MUDEPTH("query", cell.text);
    assert_fine("after (m)");
}

Test(sweep, a_dry_run_changes_nothing) {
    MUDEPTH("sweep", config.text, "-o", folder.text, "--dry-run");
    assert_fine("6 cells: 6 missing; about ");
    assert_contains(out, "6 samples, ");
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
        cr_assert_eq(json_integer_value(json_at(cell, "samples")), 6);
        /* three epochs of six samples, each at least once forward: 48.6 million, once more back */
        cr_assert_geq(macs, 18 * 40e6);
        cr_assert_leq(macs, 18 * 400e6);
        cr_assert_gt(json_real_value(json_at(cell, "expected_seconds")), 0);
        cr_assert_eq(json_is_null(json_at(cell, "rmse_m")), i == 1);
    }
    json_decref(json);
}

/* ---- wrong usage ----------------------------------------------------------------------------- */

Test(sweep, wrong_usage) {
    MUDEPTH("sweep");
    assert_fails(2, "expected a sweep file");
    MUDEPTH("sweep", "missing.yaml");
    assert_fails(1, "missing.yaml");
    MUDEPTH("sweep", config.text, "-j", "0");
    assert_fails(2, "--jobs: expected a whole number from 1");
    MUDEPTH("sweep", config.text, "--checkpoint", "x");
    assert_fails(2, "--checkpoint: expected a whole number");
    MUDEPTH("sweep", config.text, "-o", "");
    assert_fails(2, "--output: expected the name of a folder");
    MUDEPTH("sweep", config.text, "colour=1", "-o", folder.text);
    assert_fails(2, "colour: unknown key");
    MUDEPTH("sweep", config.text, "weights=missing.h5", "-o", folder.text);
    assert_fails(1, "weights: missing.h5: No such file");
    MUDEPTH("sweep", config.text, "data.root=nowhere", "data.set=micro", "--dry-run");
    assert_fails(1, "nowhere");
    MUDEPTH("run", config.text, "-o", folder.text);
    assert_fails(2, "sweep: unknown key");
    cr_assert_neq(access(folder.text, F_OK), 0);
    MUDEPTH("status");
    assert_fails(2, "expected one folder");
    MUDEPTH("status", scratch.folder);
    assert_fails(2, "no sweep was begun there");
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
    assert_fails(2, "sweep.yaml:4: grid: ");
    MUDEPTH("status", folder.text);
    assert_fails(2, "sweep.yaml:4: grid: ");
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
    MUDEPTH("sweep", mixed.text, "-o", folder.text, "--failed");
    assert_fine("3 done, 1 missing");
    cr_assert_neq(access(error_file.text, F_OK), 0, "it succeeded");
    MUDEPTH("sweep", mixed.text, "-o", folder.text, "--failed");
    assert_fine("3 done, 1 missing");
    MUDEPTH("sweep", mixed.text, "-o", folder.text);
    assert_fine("4 cells: 4 done");
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

/* ---- interruptions --------------------------------------------------------------------------- */

/* A sweep in a process group of its own, with one more word; what it says to standard error goes to
 * the file `log`. */
static pid_t begin_with(const char *where, const char *word, const char *log) {
    const char *path = program();
    struct scratch_path out_path = scratch_path(&scratch, "stdout"),
                        err_path = scratch_path(&scratch, "%s", log);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        setpgid(0, 0);
        become_program(WORDS("sweep", config.text, "-o", where, "-j2", "--checkpoint", "0", word),
                       &(struct manner){.folder = NULL}, path, out_path.text, err_path.text);
    }
    setpgid(child, child);
    return child;
}

static pid_t begin(const char *where) {
    return begin_with(where, NULL, "stderr");
}

static void end(pid_t child) {
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    read_output("stdout", out);
    read_output("stderr", err);
}

/* Until something is there that a worker has made. */
static void wait_for_work(const char *where) {
    for (int i = 0; i < 3000; i++) {
        DIR *entries = opendir(where);
        int found = 0;
        for (struct dirent *entry; entries && (entry = readdir(entries));)
            found |= strstr(entry->d_name, ".h5") != NULL;
        if (entries)
            closedir(entries);
        if (found)
            return;
        wait_s(0.01);
    }
    cr_assert_fail("no worker did anything");
}

static uint64_t random_state = 88172645463325252u;
static double random_s(double most) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return most * (double)(random_state >> 11) / 9007199254740992.0;
}

/* Kill after kill, and a new folder whenever a sweep got to its end. Every cell that is ever there
 * must be whole and right. */
Test(sweep, killed_at_any_moment_it_goes_on_to_the_same_bits, .timeout = 3600) {
    const char *asked = getenv("MUDEPTH_SWEEP_KILLS");
    int kills = asked ? atoi(asked) : 8, finished = 0, checkpoints = 0;
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    struct digests digests = undisturbed();
    clock_gettime(CLOCK_MONOTONIC, &after);
    double whole_s =
        (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    for (int k = 0; k < kills; k++) {
        struct scratch_path where = scratch_path(&scratch, "killed%d", finished);
        pid_t child = begin(where.text);
        wait_s(random_s(0.7 * whole_s));
        kill(-child, SIGKILL);
        end(child);
        int in_time = code != 0;
        if (access(scratch_path(&scratch, "killed%d/sweep.yaml", finished).text, F_OK) != 0)
            continue;
        cr_assert_eq(count_of(where.text, "failed"), 0, "%s", out);
        cr_assert_eq(count_of(where.text, "running"), 0, "a lock outlived its process");
        checkpoints += count_of(where.text, "checkpoint");
        if (!in_time) {
            struct digests here = digests_of(where.text);
            assert_same(&digests, &here);
            finished++;
        }
    }
    struct scratch_path where = scratch_path(&scratch, "killed%d", finished);
    MUDEPTH("sweep", config.text, "-o", where.text, "-j2");
    assert_fine("6 cells: 6 done");
    struct digests here = digests_of(where.text);
    assert_same(&digests, &here);
    if (asked)
        fprintf(stderr, "%d kills, %d sweeps finished, %d checkpoints seen\n", kills, finished,
                checkpoints);
}

/* Workers that lost their parent finish their step, not their cell, which would take hours. */
Test(sweep, workers_do_not_outlive_their_sweep) {
    pid_t child = begin_with(folder.text, "epochs=100000", "stderr");
    wait_for_work(folder.text);
    kill(child, SIGKILL);
    end(child);
    int alive = 1; /* in the group; those that ended may take a moment to be collected */
    for (int i = 0; i < 3000 && (alive = kill(-child, 0) == 0); i++)
        wait_s(0.01);
    kill(-child, SIGKILL);
    cr_assert_not(alive);
    cr_assert_eq(count_of(folder.text, "running"), 0);
    cr_assert_eq(count_of(folder.text, "failed"), 0);
    cr_assert_gt(count_of(folder.text, "checkpoint"), 0);
}

static void interrupt(int signal_number, int whole_group) {
    struct digests digests = undisturbed();
    pid_t child = begin(folder.text);
    wait_for_work(folder.text);
    kill(whole_group ? -child : child, signal_number);
    end(child);
    assert_code(1);
    assert_contains(err, "mudepth sweep: interrupted: 0 of 6 cells failed, ");
    assert_contains(err, "are left; the same command goes on");
    assert_contains(out, "6 cells: ");
    cr_assert_eq(count_of(folder.text, "failed"), 0);
    cr_assert_eq(count_of(folder.text, "running"), 0);
    cr_assert_gt(count_of(folder.text, "checkpoint"), 0, "%s", out);
    MUDEPTH("sweep", config.text, "-o", folder.text, "-j2");
    assert_fine("6 done");
    struct digests here = digests_of(folder.text);
    assert_same(&digests, &here);
}

Test(sweep, an_interrupted_sweep_leaves_checkpoints) {
    interrupt(SIGTERM, 0);
}

/* As a terminal does it. */
Test(sweep, ctrl_c_reaches_all_processes_at_once) {
    interrupt(SIGINT, 1);
}

/* Who works on a cell: the process that holds a lock. */
static pid_t find_worker(void) {
    for (int i = 0; i < 3000; i++) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int file = open(scratch_path(&scratch, "cells/sweep.lock").text, O_RDWR);
        int found = file >= 0 && fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK &&
                    lock.l_start < (off_t)1 << 48;
        if (file >= 0)
            close(file);
        if (found)
            return lock.l_pid;
        wait_s(0.005);
    }
    cr_assert_fail("no worker has locked a cell");
    return 0;
}

Test(sweep, a_worker_that_crashes_is_a_failed_cell) {
    struct digests digests = undisturbed();
    pid_t child = begin(folder.text);
    kill(find_worker(), SIGKILL);
    end(child);
    assert_code(1);
    assert_contains(out, "6 cells: 5 done, 1 failed");
    assert_contains(out, "the worker was ended by signal 9");
    MUDEPTH("sweep", config.text, "-o", folder.text, "--failed");
    assert_fine("6 done");
    struct digests here = digests_of(folder.text);
    assert_same(&digests, &here);
}

/* Each cell is made once, by one of them. */
Test(sweep, two_at_once_share_the_work) {
    struct digests digests = undisturbed();
    static const char *const logs[] = {"log0", "log1"};
    pid_t child[2];
    int made = 0;
    for (int i = 0; i < 2; i++)
        child[i] = begin_with(folder.text, NULL, logs[i]);
    for (int i = 0; i < 2; i++) {
        end(child[i]);
        read_output(logs[i], err);
        assert_code(0);
        for (const char *rest = err; (rest = strstr(rest, ": done, RMSE")) != NULL; rest++)
            made++;
    }
    cr_assert_eq(made, SIX);
    struct digests here = digests_of(folder.text);
    assert_same(&digests, &here);
}

/* Files that a killed process was writing go away with the next attempt at their cell, and only
 * those. */
Test(sweep, half_files_are_swept_up) {
    MUDEPTH("sweep", config.text, "-o", folder.text, "epochs=0");
    json_t *json = status_json(folder.text);
    const char *name =
        json_string_value(json_at(json_array_get(json_at(json, "cells"), 2), "name"));
    static const char *const half[] = {".h5.tmp.4321", ".h5.checkpoint.tmp.4321",
                                       ".error.4321.tmp"};
    remove(scratch_path(&scratch, "cells/%s.h5", name).text);
    for (int h = 0; h < 3; h++)
        scratch_write_text(scratch_path(&scratch, "cells/%s%s", name, half[h]).text, "half");
    written("cells/notes.tmp.4321", "precious");
    json_decref(json);
    MUDEPTH("sweep", config.text, "-o", folder.text, "epochs=0");
    assert_fine("6 done");
    cr_assert_eq(scratch_count(folder.text), SIX + 3);
}
