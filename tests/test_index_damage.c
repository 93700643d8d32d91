/* The index of a folder's cells: whatever happens to it, the answer is that of the cells. */
#include <criterion/criterion.h>
#include <sys/wait.h>

#include "../datasets/digest.h"
#include "index.h"

TestSuite(index_damage, .init = set_up, .fini = tear_down, .timeout = 600);

static void assert_index_is_whole(void) {
    cr_assert_eq(index_rows("SELECT count(*) FROM cells"), CELLS);
}

Test(index_damage, is_made_again_when_it_is_no_index) {
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
Test(index_damage, is_made_again_when_somebody_changed_it) {
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

/* What SQLite left beside an older file would be taken for a part of the new one. */
Test(index_damage, what_belonged_to_an_older_file_goes) {
    static const char *const belongings[] = {"index.sqlite-journal", "index.sqlite-wal",
                                             "index.sqlite-shm"};
    write_cells();
    for (int b = 0; b < 3; b++)
        scratch_write_text(scratch_path(&scratch, "%s", belongings[b]).text, "of another file");
    ask(&answer);
    assert_answer();
    for (int b = 0; b < 3; b++)
        cr_assert_neq(access(scratch_path(&scratch, "%s", belongings[b]).text, F_OK), 0);
    assert_index_is_whole();
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
Test(index_damage, is_made_again_when_it_is_of_another_version) {
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
        cr_assert_eq(index_rows("SELECT count(*) FROM metrics WHERE rmse_m = 0"), 0);
        cr_assert_eq(index_rows("SELECT count(DISTINCT cell) FROM settings"), CELLS);
    }
}

/* What the index says of a file that was read in the two seconds after its last change is not
 * believed: it may have been changed again in the same tick of the clock. */
Test(index_damage, a_file_that_had_just_changed_is_read_again) {
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
Test(index_damage, damage_changes_no_answer) {
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
Test(index_damage, locks_are_not_waited_for) {
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

Test(index_damage, a_folder_that_cannot_be_written) {
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
Test(index_damage, many_at_once) {
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
