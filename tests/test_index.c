/* The index of a folder's cells: what it says is what the cells say, now. */
#include <criterion/criterion.h>
#include <fcntl.h>

#include "index.h"

TestSuite(index, .init = set_up, .fini = tear_down, .timeout = 600);

/* ---- it says what the cells say -------------------------------------------------------------- */

Test(index, cells_come_back_as_they_are) {
    write_cells();
    for (int i = 0; i < CELLS; i++) {
        struct md_cell cell = cell_number(i);
        assert_same_cell(&expected.cell[i], &cell);
    }
    grow_old();
    for (int time = 0; time < 2; time++) { /* from the files, from the index */
        ask(&answer);
        assert_answer();
    }
    cr_assert_eq(index_rows("SELECT count(*) FROM cells"), CELLS);
}

/* For those who ask the index themselves: numbers are numbers, words are words. */
Test(index, settings_have_their_types) {
    write_cells();
    ask(&answer);
    cr_assert_eq(
        index_rows("SELECT count(*) FROM settings WHERE key = 'policy' AND value = 'e+d0'"), 1);
    cr_assert_eq(index_rows("SELECT count(*) FROM settings WHERE key = 'lr' AND value > 0.09"), 2);
    cr_assert_eq(index_rows("SELECT count(*) FROM settings WHERE key = 'seed' AND value = 0"), 3);
    /* SQLite has no such integer. */
    cr_assert_eq(index_rows("SELECT count(*) FROM settings WHERE value = '18446744073709551615'"),
                 1);
}

/* The second answer comes from the index: the files are not even opened. */
Test(index, files_are_not_read_again) {
    if (geteuid() != 0) {
        fprintf(stderr, "SKIP: only root may read what is forbidden to all\n");
        cr_skip("only root can become nobody");
    }
    write_cells();
    for (int i = 0; i < CELLS; i++)
        cr_assert_eq(chmod(scratch_path(&scratch, "%s", cell_names[i]).text, 0), 0);
    cr_assert_eq(chmod(scratch.folder, 0777), 0);
    grow_old();
    ask(&answer); /* root reads them */
    assert_answer();
    cr_assert_eq(seteuid(65534), 0);
    ask(&answer);
    cr_assert_eq(seteuid(0), 0);
    assert_answer();
}

/* More than fit into a page of the database, or a few. */
static int count_cell(void *context, const char *path, const struct md_cell *cell,
                      const struct md_error *problem, struct md_error *error) {
    int *count = context, number = atoi(strrchr(path, '/') + 1);
    struct md_cell made = made_cell("lr=0.1", number);
    (void)problem, (void)error;
    cr_assert_eq(number, (*count)++);
    cr_assert(cell);
    assert_same_cell(cell, &made);
    return MD_OK;
}

Test(index, many_cells) {
    enum { MANY = 300 };
    for (int i = 0; i < MANY; i++) {
        struct md_cell cell = made_cell("lr=0.1", i);
        write_made_cell(scratch_path(&scratch, "%03d.h5", i).text, &cell);
    }
    grow_old();
    for (int time = 0; time < 2; time++) {
        int count = 0;
        cell_ok(md_index_each(scratch.folder, count_cell, &count, &cell_error));
        cr_assert_eq(count, MANY);
    }
    cr_assert_eq(index_rows("SELECT count(*) FROM cells"), MANY);
}

static int refuse(void *context, const char *path, const struct md_cell *cell,
                  const struct md_error *problem, struct md_error *error) {
    int *calls = context;
    (void)path, (void)cell, (void)problem;
    ++*calls;
    return md_fail(error, MD_USAGE, "enough");
}

/* What is done with a cell may fail; that ends it, and harms no index. */
Test(index, a_user_who_has_enough) {
    int calls = 0;
    write_cells();
    for (int time = 0; time < 2; time++) {
        cr_assert_eq(md_index_each(scratch.folder, refuse, &calls, &cell_error), MD_USAGE);
        cr_assert_str_eq(cell_error.text, "enough");
        cr_assert_eq(calls, 1 + time);
        ask(&answer);
        assert_answer();
    }
}

/* ---- it is never stale ----------------------------------------------------------------------- */

Test(index, cells_come_go_and_change) {
    static const char *const names[] = {"a.h5", "d.h5", "e.h5"};
    write_cells();
    grow_old();
    ask(&answer);
    remove(scratch_path(&scratch, "%s", cell_names[1]).text);
    remove(scratch_path(&scratch, "%s", cell_names[2]).text);
    struct md_cell cell = made_cell("lr=0.7", 17);
    write_made_cell(scratch_path(&scratch, "a.h5").text, &cell);
    write_made_cell(scratch_path(&scratch, "e.h5").text, &cell);
    assert_says_what_the_cells_say(3, names);
    cr_assert_eq(index_rows("SELECT count(*) FROM cells"), 3);
    cr_assert_eq(index_rows("SELECT count(DISTINCT cell) FROM settings"), 3);
    cr_assert_eq(index_rows("SELECT count(*) FROM metrics"), 3 * 3);
}

/* A cell whose times are set back to what they were, as copying tools do. */
Test(index, a_change_with_old_times_is_seen) {
    static const char *const names[] = {"a.h5"};
    struct md_cell cell = made_cell("lr=0.1", 1), other = made_cell("lr=0.1", 2);
    struct scratch_path path = scratch_path(&scratch, "a.h5");
    struct stat about;
    write_made_cell(path.text, &cell);
    grow_old();
    ask(&answer);
    cr_assert_eq(stat(path.text, &about), 0);
    struct scratch_path copy = scratch_path(&scratch, "copy");
    write_made_cell(copy.text, &other);
    size_t size;
    unsigned char *bytes = scratch_read(copy.text, &size);
    cr_assert_eq((off_t)size, about.st_size);
    scratch_write(path.text, bytes, size); /* the inode stays */
    free(bytes);
    const struct timespec times[2] = {about.st_atim, about.st_mtim};
    cr_assert_eq(utimensat(AT_FDCWD, path.text, times, 0), 0);
    assert_says_what_the_cells_say(1, names);
    cr_assert_str_eq(answer.cell[0].identity, other.identity);
}

/* ---- what is no cell ------------------------------------------------------------------------- */

Test(index, only_whole_cells_are_cells) {
    static const char *const names[] = {"a.h5", "broken.h5", "folder.h5", "text.h5"};
    static const char *const others[] = {"a.h5.checkpoint", "a.h5.tmp.17", "b.error", "sweep.yaml",
                                         ".hidden.h5",      "h5",          ".h5",     "x.h5~"};
    struct md_cell cell = made_cell("lr=0.1", 1);
    write_made_cell(scratch_path(&scratch, "a.h5").text, &cell);
    write_made_cell(scratch_path(&scratch, "broken.h5").text, &cell);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        scratch_write_text(scratch_path(&scratch, "%s", others[i]).text, "no cell");
    scratch_write_text(scratch_path(&scratch, "text.h5").text, "no cell");
    cr_assert_eq(mkdir(scratch_path(&scratch, "folder.h5").text, 0777), 0);
    grow_old();
    ask(&answer);
    cr_assert_eq(index_rows("SELECT count(*) FROM cells"), 2);
    cr_assert_eq(truncate(scratch_path(&scratch, "broken.h5").text, 3000), 0);
    assert_says_what_the_cells_say(4, names);
    assert_contains(answer.problem[1], "broken.h5");
    assert_contains(answer.problem[2], "folder.h5");
    assert_contains(answer.problem[3], "text.h5");
    cr_assert_eq(index_rows("SELECT count(*) FROM cells"), 1);
}

Test(index, no_folder) {
    cr_assert_eq(
        md_index_each(scratch_path(&scratch, "none").text, note_down, &answer, &cell_error),
        MD_FAILED);
    assert_contains(cell_error.text, "none");
}
