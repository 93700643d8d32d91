/* For tests of sweeps at the command line: a small one, what its folder holds, and sweeps that run
 * beside the test. */
#ifndef MD_TESTS_SWEEPS_H
#define MD_TESTS_SWEEPS_H

#include <sys/prctl.h>

#include "../base/file.h"
#include "../base/h5.h"
#include "program.h"

static struct scratch_path config, folder;

/* Six cells of 6 steps; with sanitizers, which take ten times as long, of 2. */
#ifdef __SANITIZE_ADDRESS__
enum { EPOCHS = 1, SAMPLES = 2 };
#define SIX_BASE                                                                                   \
    "weights: scratch\nlr: 0.003\nbatch: 1\nepochs: 1\ndata: {set: synthetic, count: 2}\n"
#else
enum { EPOCHS = 2, SAMPLES = 3 };
#define SIX_BASE                                                                                   \
    "weights: scratch\nlr: 0.003\nbatch: 1\nepochs: 2\ndata: {set: synthetic, count: 3}\n"
#endif
#define SIX_CELLS SIX_BASE "sweep: {policy: [d0, full], seed: 0..2}\n"
enum { SIX = 6, MOST_CELLS = 32 };

static inline void set_up(void) {
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* workers that lost their sweep become our children */
    scratch = scratch_open();
    config = written("six.yaml", SIX_CELLS);
    folder = scratch_path(&scratch, "cells");
}

/* ---- what is in a folder --------------------------------------------------------------------- */

static inline json_t *status_json(const char *where) {
    MUDEPTH("status", where, "--json");
    return output_json();
}

static inline int count_of(const char *where, const char *state) {
    char path[40];
    json_t *json = status_json(where);
    snprintf(path, sizeof path, "counts.%s", state);
    int count = (int)json_integer_value(json_at(json, path));
    json_decref(json);
    return count;
}

/* Texts that every cell of a sweep has, in the grid's order. */
struct digests {
    size_t count;
    char text[MOST_CELLS][33];
};

/* All cells are done, and but for `others` nothing else is there: no half files, checkpoints or
 * errors. */
static inline struct digests digests_beside(const char *where, int others) {
    struct digests digests;
    json_t *json = status_json(where);
    digests.count = json_array_size(json_at(json, "cells"));
    cr_assert_leq(digests.count, MOST_CELLS);
    cr_assert_eq((size_t)json_integer_value(json_at(json, "counts.done")), digests.count, "%s",
                 out);
    cr_assert_eq(scratch_count(where), (int)digests.count + 2 + others,
                 "more than cells, grid and lock");
    for (size_t i = 0; i < digests.count; i++) {
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

static inline struct digests digests_of(const char *where) {
    return digests_beside(where, 0);
}

static inline void assert_same(const struct digests *a, const struct digests *b) {
    cr_assert_eq(a->count, b->count);
    for (size_t i = 0; i < a->count; i++)
        cr_assert_str_eq(a->text[i], b->text[i], "cell %zu", i);
}

/* Of a sweep that nothing disturbed. */
static inline struct digests undisturbed(void) {
    struct scratch_path where = scratch_path(&scratch, "undisturbed");
    MUDEPTH("sweep", config.text, "-o", where.text);
    assert_code(0);
    return digests_of(where.text);
}

/* ---- beside the test ------------------------------------------------------------------------- */

/* The program in a process group of its own; what it says to standard error goes to the file `log`.
 */
static inline pid_t begin_logged(const char *const *words, const char *log) {
    const char *path = program();
    struct scratch_path out_path = scratch_path(&scratch, "stdout"),
                        err_path = scratch_path(&scratch, "%s", log);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        setpgid(0, 0);
        become_program(words, &(struct manner){.folder = NULL}, path, out_path.text, err_path.text);
    }
    setpgid(child, child);
    return child;
}

static inline pid_t begin_words(const char *const *words) {
    return begin_logged(words, "stderr");
}

/* The sweep, with a checkpoint after every step. */
static inline pid_t begin(const char *where) {
    return begin_words(WORDS("sweep", config.text, "-o", where, "-j2", "--checkpoint", "0"));
}

static inline void end(pid_t child) {
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    read_output("stdout", out);
    read_output("stderr", err);
}

/* And until all others of its group have ended: they became ours. */
static inline void end_all(pid_t child) {
    end(child);
    while (waitpid(-child, NULL, 0) > 0)
        ;
}

/* The sweep, its two workers held in the midst of a cell each. */
static inline pid_t begin_held(void) {
    hold_at(SAMPLES + 1);
    pid_t child = begin(folder.text);
    meet();
    meet();
    return child;
}

#endif
