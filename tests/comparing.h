/* For the tests of jobs: two traces in memory, compared as `mudepth compare` does it. */
#ifndef MD_TESTS_COMPARING_H
#define MD_TESTS_COMPARING_H

#include "../compare/comparison.h"
#include "jobs.h"
#include "scratch.h"

/* Afterwards md_comparison_close must follow. `what` is for messages. */
static inline void compare(const struct bytes *a, const struct bytes *b,
                           struct md_comparison *result, const char *what) {
    const struct bytes *bytes[2] = {a, b};
    static const char *const names[] = {"a", "b"};
    struct md_trace trace[2];
    struct md_error error;
    FILE *files[2];
    int broken = 0, status = MD_OK;
    for (int s = 0; s < 2; s++) {
        files[s] = fmemopen(bytes[s]->at, bytes[s]->size, "rb");
        cr_assert(files[s]);
        cr_assert_eq(md_trace_open(files[s], names[s], &trace[s], &error), MD_OK, "%s", error.text);
    }
    status = md_comparison_read(trace, NULL, result, &broken, &error);
    cr_assert_eq(status, MD_OK, "%s: %s", what, error.text);
    for (int s = 0; s < 2; s++) {
        md_trace_close(&trace[s]);
        fclose(files[s]);
    }
}

#endif
