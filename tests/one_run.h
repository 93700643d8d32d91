/* For the tests of `mudepth run`: a small config, and the cell of its run. */
#ifndef MD_TESTS_ONE_RUN_H
#define MD_TESTS_ONE_RUN_H

#include "program.h"

static struct scratch_path config, cell;

static inline void set_up(void) {
    scratch = scratch_open();
    config = written("small.yaml", SMALL_FIELD);
    cell = scratch_path(&scratch, "out/cell.h5");
}

static inline int exists(const char *path) {
    return access(path, F_OK) == 0;
}

/* Runs with --json and returns the digest of the run. Whoever calls frees it. */
static inline char *digest_of_run(const char *first, const char *second) {
    remove(cell.text); /* or it would only be shown */
    MUDEPTH("run", config.text, "-o", cell.text, "--json", first, second);
    json_t *json = output_json();
    char *digest = strdup(json_string_value(json_at(json, "run_digest")));
    json_decref(json);
    return digest;
}

#endif
