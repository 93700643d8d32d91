/* For tests of the index of a folder's cells: some cells with values that a database might change,
 * what the index says of them, and what their files say. Only static functions, so that every test
 * file may include it. */
#ifndef MD_TESTS_INDEX_H
#define MD_TESTS_INDEX_H

#include <sqlite3.h>
#include <time.h>

#include "../results/index.h"
#include "cells.h"

static struct scratch scratch;

static inline void set_up(void) {
    scratch = scratch_open();
}

static inline void tear_down(void) {
    scratch_close(&scratch);
}

static inline struct scratch_path index_path(void) {
    return scratch_path(&scratch, "index.sqlite");
}

/* ---- asking ---------------------------------------------------------------------------------- */

enum { MOST = 16 };

/* What md_index_each said, in its order. */
static struct answer {
    int count;
    char name[MOST][40], problem[MOST][1024]; /* empty: a cell */
    struct md_cell cell[MOST];
} answer, expected;

static inline int note_down(void *context, const char *path, const struct md_cell *cell,
                            const struct md_error *problem, struct md_error *error) {
    struct answer *to = context;
    (void)error;
    cr_assert_lt(to->count, MOST);
    snprintf(to->name[to->count], sizeof to->name[0], "%s", strrchr(path, '/') + 1);
    snprintf(to->problem[to->count], sizeof to->problem[0], "%s", problem ? problem->text : "");
    if (cell != NULL)
        to->cell[to->count] = *cell;
    to->count++;
    return MD_OK;
}

static inline void ask(struct answer *to) {
    memset(to, 0, sizeof *to);
    cell_ok(md_index_each(scratch.folder, note_down, to, &cell_error));
}

/* The same real number, or both none. */
static inline void assert_same_real(double a, double b, const char *what) {
    cr_assert(memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b)), "%s: %g, %g", what, a, b);
}

static inline void assert_same_metrics(const struct md_metrics *a, const struct md_metrics *b) {
    for (int m = 0; m < MD_METRIC_COUNT; m++)
        assert_same_real(a->value[m], b->value[m], md_metric_names[m]);
    cr_assert_eq(a->images, b->images);
    cr_assert_eq(a->without_truth, b->without_truth);
}

static inline void assert_same_cell(const struct md_cell *a, const struct md_cell *b) {
    char name[MD_CONFIG_NAME_SIZE];
    for (size_t i = 0; i < md_cell_attribute_count; i++) {
        const struct md_cell_attribute *about = &md_cell_attributes[i];
        const char *p = (const char *)a + about->offset, *q = (const char *)b + about->offset;
        double reals[2];
        memcpy(&reals[0], p, sizeof reals[0]);
        memcpy(&reals[1], q, sizeof reals[1]);
        if (about->type == MD_H5_REAL)
            assert_same_real(reals[0], reals[1], about->name);
        else
            cr_assert_eq(memcmp(p, q, about->type == MD_H5_TEXT ? strlen(p) + 1 : 8), 0, "%s",
                         about->name);
    }
    cr_assert_str_eq(a->identity, b->identity);
    for (int s = 0; s < 3; s++) {
        cr_assert_str_eq(a->data_digests[s], b->data_digests[s]);
        cr_assert_eq(a->data_samples[s], b->data_samples[s]);
    }
    for (int key = 0; md_config_key(key, name) == 0; key++)
        cr_assert_eq(md_config_order(&a->config, &b->config, key), 0, "%s", name);
    cr_assert_eq(a->cap_count, b->cap_count);
    for (int c = 0; c < a->cap_count; c++) {
        assert_same_real(a->scores[c].cap_m, b->scores[c].cap_m, "cap_m");
        assert_same_metrics(&a->scores[c].before, &b->scores[c].before);
        assert_same_metrics(&a->scores[c].after, &b->scores[c].after);
        assert_same_metrics(&a->scores[c].dummy, &b->scores[c].dummy);
    }
}

static inline void assert_answer(void) {
    cr_assert_eq(answer.count, expected.count);
    for (int i = 0; i < answer.count; i++) {
        cr_assert_str_eq(answer.name[i], expected.name[i]);
        cr_assert_str_eq(answer.problem[i], expected.problem[i]);
        if (answer.problem[i][0] == '\0')
            assert_same_cell(&answer.cell[i], &expected.cell[i]);
    }
}

/* Makes `expected` what the files themselves say. */
static inline void expect(int count, const char *const *names) {
    memset(&expected, 0, sizeof expected);
    for (int i = 0; i < count; i++) {
        struct scratch_path path = scratch_path(&scratch, "%s", names[i]);
        struct md_cell cell;
        struct md_error problem;
        int status = md_cell_read(path.text, &cell, &problem);
        note_down(&expected, path.text, status == MD_OK ? &cell : NULL,
                  status == MD_OK ? NULL : &problem, &cell_error);
    }
}

/* ---- the cells of the tests ------------------------------------------------------------------ */

enum { CELLS = 4 };
static const char *const cell_names[CELLS] = {"a.h5", "b'\"; --.h5", "c\xff\n.h5", "d.h5"};

static inline double from_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* With values that a database might change. */
static inline struct md_cell cell_number(int i) {
    static const char *const words[CELLS] = {"lr=0.1 cap_m=80", "lr=0.3 cap_m=[80,15,2.5]",
                                             "seed=18446744073709551615 policy=e+d0",
                                             "data.train=it's/é augment=[crop,flip]"};
    struct md_cell cell = made_cell(words[i], i + 1);
    const double odd[] = {-0.0,     1e300, 5e-324, (double)NAN, -(double)NAN,
                          INFINITY, 3.0,   0.1,    -INFINITY,   from_bits(0x3ff0000000000001)};
    memcpy(cell.scores[0].after.value, odd, sizeof odd);
    cell.scores[0].dummy.value[i] = (double)NAN;
    cell.seconds = -0.0;
    cell.peak_memory_bytes = 0x7fffffffffffffff;
    cell.host[0] = '\0';
    snprintf(cell.command, sizeof cell.command, "mudepth 'x'; DROP TABLE cells; --\t%d", i);
    return cell;
}

/* Until the index may take it that files which are written now are not written again in the same
 * tick. The time of their change cannot be set, so it is waited for. */
static inline void grow_old(void) {
    struct timespec time = {2, 100000000};
    nanosleep(&time, NULL);
}

static inline void write_cells(void) {
    for (int i = 0; i < CELLS; i++) {
        struct md_cell cell = cell_number(i);
        write_made_cell(scratch_path(&scratch, "%s", cell_names[i]).text, &cell);
    }
    expect(CELLS, cell_names);
}

/* What the index's file itself has, for the cells to be left out of the answer. */
static inline int index_rows(const char *query) {
    sqlite3 *database;
    sqlite3_stmt *statement;
    cr_assert_eq(sqlite3_open_v2(index_path().text, &database, SQLITE_OPEN_READONLY, NULL), 0);
    cr_assert_eq(sqlite3_prepare_v2(database, query, -1, &statement, NULL), SQLITE_OK, "%s",
                 sqlite3_errmsg(database));
    cr_assert_eq(sqlite3_step(statement), SQLITE_ROW);
    int value = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return value;
}

static inline void assert_says_what_the_cells_say(int count, const char *const *names) {
    expect(count, names);
    for (int time = 0; time < 2; time++) {
        ask(&answer);
        assert_answer();
    }
}

#endif
