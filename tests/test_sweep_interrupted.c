/* Sweeps that are interrupted, killed and crossed by others: nothing is lost, nothing is there
 * twice, and the bits are those of a sweep that nothing disturbed.
 *
 * MUDEPTH_SWEEP_KILLS=N: also N kills of larger sweeps. */
#include <criterion/criterion.h>

#include "sweeps.h"

TestSuite(sweep_interrupted, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

static uint64_t random_state = 88172645463325252u;
static double random_s(double most) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return most * (double)(random_state >> 11) / 9007199254740992.0;
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Kill after kill of the sweep `file` with these overrides (NULL: none), and a new folder whenever
 * one got to its end. Every cell that is ever there must be whole and right. */
static void kill_again_and_again(const char *file, const char *data, const char *weights,
                                 int kills) {
    int finished = 0, checkpoints = 0;
    size_t cells = 0;
    struct scratch_path where = scratch_path(&scratch, "undisturbed");
    double began = now_s();
    MUDEPTH("sweep", file, "-o", where.text, data, weights);
    assert_code(0);
    double whole_s = now_s() - began;
    struct digests digests = digests_of(where.text);
    config = scratch_path(&scratch, "undisturbed/sweep.yaml"); /* the overrides are in it */
    for (int k = 0; k < kills; k++) {
        where = scratch_path(&scratch, "killed%d", finished);
        struct scratch_path frozen = scratch_path(&scratch, "killed%d/sweep.yaml", finished);
        pid_t child = access(frozen.text, F_OK) == 0
                          ? begin_words(WORDS("resume", where.text, "-j2", "--checkpoint", "0"))
                          : begin(where.text);
        wait_s(random_s(0.7 * whole_s));
        kill(-child, SIGKILL);
        end_all(child);
        int in_time = code != 0;
        if (access(frozen.text, F_OK) != 0)
            continue;
        cr_assert_eq(count_of(where.text, "failed"), 0, "%s", out);
        cr_assert_eq(count_of(where.text, "running"), 0, "a lock outlived its process");
        checkpoints += count_of(where.text, "checkpoint");
        if (!in_time) {
            struct digests here = digests_of(where.text);
            assert_same(&digests, &here);
            cells += here.count;
            finished++;
        }
    }
    where = scratch_path(&scratch, "killed%d", finished);
    MUDEPTH("sweep", config.text, "-o", where.text, "-j2");
    assert_code(0);
    struct digests here = digests_of(where.text);
    assert_same(&digests, &here);
    fprintf(
        stderr,
        "%d kills in %d sweeps of %zu cells, each %.1f s undisturbed: %d checkpoints found, %zu "
        "cells compared, all the same\n",
        kills, finished + 1, digests.count, whole_s, checkpoints, cells + here.count);
}

Test(sweep_interrupted, killed_at_any_moment_it_goes_on_to_the_same_bits) {
    kill_again_and_again(config.text, NULL, NULL, 8);
}

/* The same with thirty cells and more kills; minutes, so only when it is asked for. */
static int kills_asked_for(void) {
    const char *asked = getenv("MUDEPTH_SWEEP_KILLS");
    if (asked == NULL)
        cr_skip("MUDEPTH_SWEEP_KILLS=50 runs it");
    return atoi(asked);
}

Test(sweep_interrupted, many_kills_on_the_synthetic_field, .timeout = 7200) {
    config = written("grid.yaml", "weights: scratch\nlr: 0.003\nbatch: 4\nepochs: 2\n"
                                  "data: {set: synthetic, count: 12}\n"
                                  "sweep: {policy: [d0, e+d0, full], format: [fp32, bf16], "
                                  "seed: 0..4}\n");
    kill_again_and_again(config.text, NULL, NULL, kills_asked_for());
}

Test(sweep_interrupted, many_kills_on_real_flights, .timeout = 7200) {
    int kills = kills_asked_for();
    char root[2000], weights[2000];
    snprintf(root, sizeof root, "data.root=%s", shared_data("data/tof/Matrix_ToF_Drones").text);
    snprintf(weights, sizeof weights, "weights=%s",
             shared_data("weights/tartanair_pretrain.pth").text);
    kill_again_and_again("configs/sweep_flights.yaml", root, weights, kills);
}

/* Workers that lost their parent finish their step, not their cell, which would take hours. */
Test(sweep_interrupted, workers_do_not_outlive_their_sweep) {
    hold_at(2);
    pid_t child = begin_words(WORDS("sweep", config.text, "-o", folder.text, "-j2", "--checkpoint",
                                    "0", "epochs=100000"));
    meet();
    kill(child, SIGKILL);
    let_go();
    end_all(child);
    cr_assert_eq(count_of(folder.text, "running"), 0);
    cr_assert_eq(count_of(folder.text, "failed"), 0);
    cr_assert_gt(count_of(folder.text, "checkpoint"), 0);
}

static void interrupt(int signal_number, int whole_group) {
    struct digests digests = undisturbed();
    pid_t child = begin_held();
    kill(whole_group ? -child : child, signal_number);
    while (meet() != child) /* it told its workers to stop */
        ;
    let_go();
    end(child);
    assert_code(1);
    assert_contains(err, "mudepth sweep: interrupted: 0 of 6 cells failed, ");
    assert_contains(err, "cells goes on with all of them"); /* "mudepth resume .../cells goes on" */
    assert_contains(out, "6 cells: ");
    cr_assert_eq(count_of(folder.text, "failed"), 0);
    cr_assert_eq(count_of(folder.text, "running"), 0);
    cr_assert_gt(count_of(folder.text, "checkpoint"), 0, "%s", out);
    MUDEPTH("resume", folder.text, "-j2");
    assert_fine("6 done");
    struct digests here = digests_of(folder.text);
    assert_same(&digests, &here);
}

Test(sweep_interrupted, an_interrupted_sweep_leaves_checkpoints) {
    interrupt(SIGTERM, 0);
}

/* As a terminal does it. */
Test(sweep_interrupted, ctrl_c_reaches_all_processes_at_once) {
    interrupt(SIGINT, 1);
}

Test(sweep_interrupted, a_worker_that_crashes_is_a_failed_cell) {
    struct digests digests = undisturbed();
    hold_at(SAMPLES + 1);
    pid_t child = begin(folder.text);
    kill(meet(), SIGKILL);
    let_go();
    end(child);
    assert_code(1);
    assert_contains(out, "6 cells: 5 done, 1 failed");
    assert_contains(out, "the worker was ended by signal 9");
    MUDEPTH("rerun", folder.text, "--failed");
    assert_fine("6 done");
    struct digests here = digests_of(folder.text);
    assert_same(&digests, &here);
}

/* Each cell is made once, by one of them. */
Test(sweep_interrupted, two_at_once_share_the_work) {
    struct digests digests = undisturbed();
    static const char *const logs[] = {"log0", "log1"};
    pid_t child[2];
    int made = 0;
    for (int i = 0; i < 2; i++)
        child[i] = begin_logged(WORDS("sweep", config.text, "-o", folder.text, "-j2"), logs[i]);
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

/* What killed processes were writing goes away with the next sweep, and only that: not what another
 * machine may be writing, nor what is none of ours. */
Test(sweep_interrupted, half_files_are_swept_up) {
    MUDEPTH("sweep", config.text, "-o", folder.text, "epochs=0");
    json_t *json = status_json(folder.text), *cells = json_at(json, "cells");
    const char *name = json_string_value(json_at(json_array_get(cells, 2), "name"));
    static const char *const files[] = {".h5", ".h5.checkpoint", ".error"};
    for (int f = 0; f < 3; f++) {
        char whole[MD_PATH_MAX], path[MD_PATH_MAX];
        struct md_error error;
        snprintf(whole, sizeof whole, "%s",
                 scratch_path(&scratch, "cells/%s%s", name, files[f]).text);
        cr_assert_eq(md_temporary_path(path, whole, &error), MD_OK); /* as if this was killed */
        scratch_write_text(path, "half");
        scratch_write_text(
            scratch_path(&scratch, "cells/%s%s.tmp.1.elsewhere", name, files[f]).text, "half");
        if (f > 0) /* killed between the result and the end of what came before it */
            scratch_write_text(whole, "old");
    }
    struct scratch_path old = scratch_path(&scratch, "cells/%s.h5.tmp.2.elsewhere", name);
    scratch_write_text(old.text, "half");
    struct timespec long_ago[2] = {{time(NULL) - 90000, 0}, {time(NULL) - 90000, 0}};
    cr_assert_eq(utimensat(AT_FDCWD, old.text, long_ago, 0), 0);
    written("cells/notes.h5.tmp.4321", "precious");
    written("cells/notes.error", "precious");
    cr_assert_eq(scratch_count(folder.text), SIX + 2 + 3 + 3 + 2 + 1 + 2);
    remove(scratch_path(&scratch, "cells/%s.h5",
                        json_string_value(json_at(json_array_get(cells, 0), "name")))
               .text);
    json_decref(json);
    MUDEPTH("resume", folder.text);
    assert_fine("6 done");
    cr_assert_eq(scratch_count(folder.text), SIX + 2 + 3 + 2);
}
