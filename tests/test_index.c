/* The index of a folder's cells: what it says is what the cells say, whatever happens to it. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <time.h>

#include "../datasets/digest.h"
#include "../results/index.h"
#include "cells.h"

static struct scratch scratch;

static void set_up(void) {
    scratch = scratch_open();
}

static void tear_down(void) {
    scratch_close(&scratch);
}

TestSuite(index, .init = set_up, .fini = tear_down, .timeout = 600);

static struct scratch_path index_path(void) {
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

static int note_down(void *context, const char *path, const struct md_cell *cell,
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

static void ask(struct answer *to) {
    memset(to, 0, sizeof *to);
    cell_ok(md_index_each(scratch.folder, note_down, to, &cell_error));
}

/* The same real number, or both none. */
static void assert_same_real(double a, double b, const char *what) {
    cr_assert(memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b)), "%s: %g, %g", what, a, b);
}

static void assert_same_metrics(const struct md_metrics *a, const struct md_metrics *b) {
    for (int m = 0; m < MD_METRIC_COUNT; m++)
        assert_same_real(a->value[m], b->value[m], md_metric_names[m]);
    cr_assert_eq(a->images, b->images);
    cr_assert_eq(a->without_truth, b->without_truth);
}

static void assert_same_cell(const struct md_cell *a, const struct md_cell *b) {
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

static void assert_answer(void) {
    cr_assert_eq(answer.count, expected.count);
    for (int i = 0; i < answer.count; i++) {
        cr_assert_str_eq(answer.name[i], expected.name[i]);
        cr_assert_str_eq(answer.problem[i], expected.problem[i]);
        if (answer.problem[i][0] == '\0')
            assert_same_cell(&answer.cell[i], &expected.cell[i]);
    }
}

/* Makes `expected` what the files themselves say. */
static void expect(int count, const char *const *names) {
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

static double from_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* With values that a database might change. */
static struct md_cell cell_number(int i) {
    static const char *const words[CELLS] = {"lr=0.1 cap_m=80", "lr=0.3 cap_m=[80,15,2.5]",
                                             "seed=18446744073709551615 policy=e+d0",
                                             "data.root=it's/é augment=[crop,flip]"};
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
static void grow_old(void) {
    struct timespec time = {2, 100000000};
    nanosleep(&time, NULL);
}

static void write_cells(void) {
    for (int i = 0; i < CELLS; i++) {
        struct md_cell cell = cell_number(i);
        write_made_cell(scratch_path(&scratch, "%s", cell_names[i]).text, &cell);
    }
    expect(CELLS, cell_names);
}

/* What the index's file itself has, for the cells to be left out of the answer. */
static int index_rows(const char *query) {
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

/* ---- it is never stale ----------------------------------------------------------------------- */

static void assert_says_what_the_cells_say(int count, const char *const *names) {
    expect(count, names);
    for (int time = 0; time < 2; time++) {
        ask(&answer);
        assert_answer();
    }
}

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

/* ---- whatever happens to it ------------------------------------------------------------------ */

static void assert_index_is_whole(void) {
    cr_assert_eq(index_rows("SELECT count(*) FROM cells"), CELLS);
}

Test(index, is_made_again_when_it_is_no_index) {
    write_cells();
    ask(&answer);
    struct scratch_path path = index_path();
    size_t size;
    unsigned char *bytes = scratch_read(path.text, &size);
    const size_t lengths[] = {0, 1, 60, 99, 100, 101, size / 2, size - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        scratch_write(path.text, bytes, lengths[i]);
        assert_says_what_the_cells_say(CELLS, cell_names);
        assert_index_is_whole();
    }
    scratch_write_text(path.text, "not a database, but long enough to have the header of one: a "
                                  "hundred bytes are not much, after all, and so on");
    assert_says_what_the_cells_say(CELLS, cell_names);
    assert_index_is_whole();
    remove(path.text);
    cr_assert_eq(mkfifo(path.text, 0666), 0);
    assert_says_what_the_cells_say(CELLS, cell_names);
    assert_index_is_whole();
    remove(path.text);
    cr_assert_eq(mkdir(path.text, 0777), 0);
    assert_says_what_the_cells_say(CELLS, cell_names);
    free(bytes);
}

/* What another hand writes into the database does not pass for what cells say. */
Test(index, is_made_again_when_somebody_changed_it) {
    static const char *const changes[] = {
        "UPDATE metrics SET rmse_m = 0",
        "DELETE FROM cells WHERE file = 'a.h5'",
        "UPDATE made_by SET code_version = 'older'",
        "DROP TABLE settings",
        "ALTER TABLE cells ADD COLUMN remark",
        "PRAGMA user_version = 7",
        "PRAGMA journal_mode = WAL; UPDATE metrics SET rmse_m = 1",
        "VACUUM"};
    write_cells();
    grow_old();
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        sqlite3 *database;
        ask(&answer);
        cr_assert_eq(sqlite3_open(index_path().text, &database), SQLITE_OK);
        cr_assert_eq(sqlite3_exec(database, changes[i], NULL, NULL, NULL), SQLITE_OK, "%s: %s",
                     changes[i], sqlite3_errmsg(database));
        sqlite3_close(database);
        assert_says_what_the_cells_say(CELLS, cell_names);
        assert_index_is_whole();
        cr_assert_eq(index_rows("SELECT count(*) FROM metrics WHERE rmse_m IN (0, 1)"), 0);
    }
}

/* Gives a changed database the checksum of a whole one. */
static void seal(void) {
    size_t size;
    unsigned char *bytes = scratch_read(index_path().text, &size);
    memset(bytes + 60, 0, 4);
    memset(bytes + 68, 0, 4);
    uint64_t checksum = XXH3_64bits(bytes, size);
    for (int i = 0; i < 4; i++) {
        bytes[60 + i] = (unsigned char)(checksum >> (56 - 8 * i));
        bytes[68 + i] = (unsigned char)(checksum >> (24 - 8 * i));
    }
    scratch_write(index_path().text, bytes, size);
    free(bytes);
}

/* An index of another version of the code, or with other tables, is as good as none. */
Test(index, is_made_again_when_it_is_of_another_version) {
    static const char *const changes[] = {
        "UPDATE made_by SET code_version = 'older'", "DELETE FROM made_by",
        "ALTER TABLE cells ADD COLUMN remark", "ALTER TABLE cells RENAME COLUMN host TO kernel2",
        "DROP TABLE settings"};
    write_cells();
    grow_old();
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        sqlite3 *database;
        ask(&answer);
        cr_assert_eq(sqlite3_open(index_path().text, &database), SQLITE_OK);
        cr_assert_eq(sqlite3_exec(database, "UPDATE metrics SET rmse_m = 0", NULL, NULL, NULL),
                     SQLITE_OK);
        cr_assert_eq(sqlite3_exec(database, changes[i], NULL, NULL, NULL), SQLITE_OK, "%s: %s",
                     changes[i], sqlite3_errmsg(database));
        sqlite3_close(database);
        seal();
        assert_says_what_the_cells_say(CELLS, cell_names);
        assert_index_is_whole();
    }
}

/* What the index says of a file that was read in the two seconds after its last change is not
 * believed: it may have been changed again in the same tick of the clock. */
Test(index, a_file_that_had_just_changed_is_read_again) {
    static const struct {
        const char *read_ns;
        int is_believed;
    } cases[] = {{"max(changed_ns, modified_ns) + 2000000001", 1},
                 {"max(changed_ns, modified_ns) + 2000000000", 0},
                 {"max(changed_ns, modified_ns)", 0},
                 {"0", 0}};
    write_cells();
    grow_old();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char change[200];
        sqlite3 *database;
        snprintf(change, sizeof change,
                 "UPDATE metrics SET rmse_m = 77; UPDATE cells SET read_ns = %s", cases[i].read_ns);
        remove(index_path().text);
        ask(&answer);
        assert_answer();
        cr_assert_eq(sqlite3_open(index_path().text, &database), SQLITE_OK);
        cr_assert_eq(sqlite3_exec(database, change, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(database);
        seal();
        ask(&answer);
        if (cases[i].is_believed)
            cr_assert_eq(answer.cell[0].scores[0].before.value[MD_RMSE], 77);
        else
            assert_answer();
    }
}

/* Some hundred kinds of damage: flipped bytes, all over the file. */
Test(index, damage_changes_no_answer) {
    uint64_t random = 20261120;
    write_cells();
    grow_old();
    ask(&answer);
    size_t size;
    unsigned char *bytes = scratch_read(index_path().text, &size);
    for (int i = 0; i < 400; i++) {
        int flips = 1 + i % 7;
        unsigned char *damaged = malloc(size);
        memcpy(damaged, bytes, size);
        for (int f = 0; f < flips; f++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            /* Half of them where the headers of the file and of its first page are. */
            size_t place = (random >> 33) % (i % 2 ? size : 200);
            damaged[place] ^= (unsigned char)(1u << (random >> 20 & 7u));
        }
        scratch_write(index_path().text, damaged, size);
        free(damaged);
        ask(&answer);
        assert_answer();
    }
    free(bytes);
}

/* A reader or writer who never ends does not hold anybody up. */
Test(index, locks_are_not_waited_for) {
    write_cells();
    ask(&answer);
    sqlite3 *database;
    cr_assert_eq(sqlite3_open(index_path().text, &database), SQLITE_OK);
    cr_assert_eq(
        sqlite3_exec(database, "BEGIN EXCLUSIVE; UPDATE metrics SET rmse_m = 0", NULL, NULL, NULL),
        SQLITE_OK);
    assert_says_what_the_cells_say(CELLS, cell_names);
    sqlite3_exec(database, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(database);
    assert_says_what_the_cells_say(CELLS, cell_names);
}

Test(index, a_folder_that_cannot_be_written) {
    if (geteuid() != 0) {
        fprintf(stderr, "SKIP: only root can become nobody\n");
        cr_skip("only root can become nobody");
    }
    write_cells();
    cr_assert_eq(chmod(scratch.folder, 0755), 0);
    cr_assert_eq(seteuid(65534), 0);
    assert_says_what_the_cells_say(CELLS, cell_names);
    cr_assert_eq(scratch_count(scratch.folder), CELLS);
    cr_assert_eq(seteuid(0), 0);
}

/* Several at once, over cells that come and go meanwhile. */
Test(index, many_at_once) {
    enum { PROCESSES = 4, TIMES = 25 };
    write_cells();
    for (int p = 0; p < PROCESSES; p++) {
        pid_t child = fork();
        cr_assert_geq(child, 0);
        for (int i = 0; child == 0 && i < TIMES; i++) {
            memset(&answer, 0, sizeof answer);
            if (md_index_each(scratch.folder, note_down, &answer, &cell_error) != MD_OK ||
                answer.count < CELLS)
                _exit(1);
            for (int k = 0; k < answer.count; k++)
                if (answer.problem[k][0] != '\0')
                    _exit(2);
        }
        if (child == 0)
            _exit(0);
    }
    struct scratch_path passing = scratch_path(&scratch, "passing.h5");
    for (int i = 0; i < TIMES; i++) {
        struct md_cell cell = made_cell("lr=0.2", 100 + i);
        write_made_cell(passing.text, &cell);
        remove(passing.text);
    }
    for (int p = 0; p < PROCESSES; p++) {
        int status;
        cr_assert_geq(wait(&status), 0);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d", status);
    }
    assert_says_what_the_cells_say(CELLS, cell_names);
    cr_assert_eq(scratch_count(scratch.folder), CELLS + 1); /* and the index */
}
