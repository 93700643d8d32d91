/* Tables of the HDF5 layer: rows that are structs to us, compound data sets to others. */
#include <math.h>
#include <stdint.h>

#include "h5_file.h"

TestSuite(h5_table, .init = set_up, .fini = scratch_tear_down);

/* With gaps between its fields, which are not in this order in the file. */
struct row {
    double loss;
    char name[5];
    int64_t epoch;
};
#define COLUMN(type, field)                                                                        \
    { #field, type, offsetof(struct row, field), sizeof((struct row *)0)->field, 0 }
static const struct md_h5_column columns[] = {COLUMN(MD_H5_INTEGER, epoch),
                                              COLUMN(MD_H5_TEXT, name), COLUMN(MD_H5_REAL, loss)};
static const struct row rows[] = {{0.1, "one", 1}, {-1e300, "four", INT64_MIN}};
enum { BYTES = 8 + 5 + 8 }; /* of a packed row */

static void write_rows(size_t count) {
    cr_assert_eq(
        md_h5_write_table(writer.file, "/a/table", columns, 3, sizeof *rows, count, rows, &error),
        MD_OK, "%s", error.text);
}

static int read_as(const struct md_h5_column *as, size_t count, size_t row_count,
                   struct row *values) {
    error.text[0] = '\0';
    return md_h5_read_table(file, "/a/table", as, count, sizeof *values, row_count, values, &error);
}

H5_TEST(h5_table, rows_come_back) {
    struct row values[3];
    memset(values, 0xa5, sizeof values);
    write_rows(2);
    reopen();
    cr_assert_eq(read_as(columns, 3, 2, values), MD_OK, "%s", error.text);
    for (int r = 0; r < 2; r++) {
        cr_assert_eq(values[r].loss, rows[r].loss);
        cr_assert_eq(values[r].epoch, rows[r].epoch);
        cr_assert_str_eq(values[r].name, rows[r].name);
    }
    cr_assert_eq(((unsigned char *)&values[2])[0], 0xa5, "written beyond the rows");
    close_file();
}

/* Whatever their order; of those that are optional and not there a value is NaN. */
H5_TEST(h5_table, columns_are_found_by_name) {
    struct wide {
        double later;
        struct row row;
    } values[2];
    const struct md_h5_column as[] = {
        {"loss", MD_H5_REAL, offsetof(struct wide, row.loss), 8, 1},
        {"later", MD_H5_REAL, offsetof(struct wide, later), 8, 1},
        {"name", MD_H5_TEXT, offsetof(struct wide, row.name), 5, 0},
        {"epoch", MD_H5_INTEGER, offsetof(struct wide, row.epoch), 8, 0}};
    write_rows(2);
    reopen();
    cr_assert_eq(md_h5_read_table(file, "/a/table", as, 4, sizeof *values, 2, values, &error),
                 MD_OK, "%s", error.text);
    for (int r = 0; r < 2; r++) {
        cr_assert(isnan(values[r].later));
        cr_assert_eq(values[r].row.loss, rows[r].loss);
        cr_assert_eq(values[r].row.epoch, rows[r].epoch);
        cr_assert_str_eq(values[r].row.name, rows[r].name);
    }
    cr_assert(md_h5_has_column(file, "/a/table", "loss"));
    cr_assert(!md_h5_has_column(file, "/a/table", "later"));
    cr_assert(!md_h5_has_column(file, "/a/none", "loss"));
    close_file();
}

/* HDF5 writes no such table, and notices what was changed but in files without checksums. */
H5_TEST(h5_table, two_columns_of_one_name_are_refused) {
    struct md_h5_column loss = columns[2];
    struct row value;
    const hsize_t one = 1;
    size_t size, changed = 0;
    reopen();
    close_file();
    file = H5Fcreate(path.text, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t type = H5Tcreate(H5T_COMPOUND, 16), space = H5Screate_simple(1, &one, NULL);
    H5Tinsert(type, "loss", 0, H5T_IEEE_F64LE);
    H5Tinsert(type, "lass", 8, H5T_IEEE_F64LE);
    H5Dclose(H5Dcreate2(file, "table", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
    H5Tclose(type);
    close_file();
    unsigned char *bytes = scratch_read(path.text, &size);
    for (size_t i = 0; i + 5 <= size; i++)
        if (memcmp(bytes + i, "lass", 5) == 0) {
            bytes[i + 1] = 'o';
            changed++;
        }
    scratch_write(path.text, bytes, size);
    free(bytes);
    cr_assert_eq(changed, 1);
    cr_assert_eq(md_h5_open(path.text, &file, &error), MD_OK, "%s", error.text);
    cr_assert_eq(md_h5_read_table(file, "table", &loss, 1, sizeof value, 1, &value, &error),
                 MD_FAILED);
    assert_contains(error.text, "it has two columns \"loss\"");
    close_file();
}

H5_TEST(h5_table, a_table_may_be_empty) {
    struct row value;
    write_rows(0);
    reopen();
    cr_assert_eq(read_as(columns, 3, 0, &value), MD_OK, "%s", error.text);
    close_file();
}

/* Nothing of what lies between the fields of the struct gets into the file. */
H5_TEST(h5_table, rows_are_packed_and_the_lowest_byte_comes_first) {
    unsigned char bytes[2 * BYTES];
    static const unsigned char first[] = {1, 0, 0, 0, 0, 0, 0, 0, 'o', 'n', 'e', 0, 0};
    write_rows(2);
    reopen();
    hid_t data = H5Dopen2(file, "/a/table", H5P_DEFAULT), type = H5Dget_type(data);
    cr_assert_eq(H5Tget_size(type), BYTES);
    cr_assert_geq(H5Dread(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes), 0);
    cr_assert_arr_eq(bytes, first, sizeof first);
    cr_assert_eq(bytes[BYTES + 7], 0x80, "INT64_MIN ends with its highest byte");
    H5Tclose(type);
    H5Dclose(data);
    close_file();
}

H5_TEST(h5_table, another_table_is_refused) {
    const struct {
        struct md_h5_column columns[4];
        size_t count, rows;
        const char *message;
    } cases[] = {
        {{columns[0], columns[1], columns[2]}, 3, 1, "it has 2 rows, expected 1"},
        {{columns[0], columns[1], columns[2]}, 3, 3, "it has 2 rows, expected 3"},
        {{columns[0], columns[1]}, 2, 2, "its column \"loss\" is unknown"},
        {{columns[0], columns[1], {"los", MD_H5_REAL, 0, 8, 1}}, 3, 2, "\"loss\" is unknown"},
        {{columns[0], columns[1], columns[2], {"more", MD_H5_REAL, 0, 8, 0}},
         4,
         2,
         "it has no column \"more\""},
        {{{"epoch", MD_H5_REAL, 0, 8, 0}, columns[1], columns[2]},
         3,
         2,
         "\"epoch\": expected 64-bit"},
        {{columns[0], columns[1], {"loss", MD_H5_INTEGER, 0, 8, 0}},
         3,
         2,
         "\"loss\": expected 64-bi"},
        {{columns[0], {"name", MD_H5_TEXT, 8, 4, 0}, columns[2]}, 3, 2, "text of 4 bytes"}};
    struct row values[3];
    write_rows(2);
    reopen();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_eq(read_as(cases[i].columns, cases[i].count, cases[i].rows, values), MD_FAILED,
                     "%s", cases[i].message);
        assert_contains(error.text, cases[i].message);
        assert_contains(error.text, path.text);
        assert_contains(error.text, "/a/table");
    }
    close_file();
}

H5_TEST(h5_table, what_is_no_table_is_refused) {
    struct row values[2];
    const size_t two = 2;
    cr_assert_eq(md_h5_write(writer.file, "/a/table", H5T_NATIVE_DOUBLE, 1, &two,
                             (const double[]){1, 2}, &error),
                 MD_OK);
    reopen();
    cr_assert_eq(read_as(columns, 3, 2, values), MD_FAILED);
    assert_contains(error.text, "not rows of columns");
    cr_assert_eq(md_h5_read_table(file, "/a", columns, 3, sizeof *values, 2, values, &error),
                 MD_FAILED);
    cr_assert_eq(md_h5_read_table(file, "/b", columns, 3, sizeof *values, 2, values, &error),
                 MD_FAILED);
    assert_contains(error.text, "table '/b': cannot open");
    close_file();
}

/* A row type with a gap, and one with the fields in the same order in other places. */
H5_TEST(h5_table, rows_of_another_make_are_refused) {
    struct row values[2];
    hsize_t two = 2;
    hid_t type = H5Tcreate(H5T_COMPOUND, BYTES + 3), text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, 5);
    H5Tset_strpad(text, H5T_STR_NULLPAD);
    H5Tset_cset(text, H5T_CSET_UTF8);
    H5Tinsert(type, "epoch", 0, H5T_STD_I64LE);
    H5Tinsert(type, "name", 8, text);
    H5Tinsert(type, "loss", 16, H5T_IEEE_F64LE);
    hid_t space = H5Screate_simple(1, &two, NULL),
          group = H5Gcreate2(writer.file, "/a", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    hid_t data = H5Dcreate2(group, "table", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    char raw[2 * (BYTES + 3)] = {0};
    cr_assert_geq(H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, raw), 0);
    H5Dclose(data);
    H5Gclose(group);
    H5Sclose(space);
    H5Tclose(text);
    H5Tclose(type);
    reopen();
    cr_assert_eq(read_as(columns, 3, 2, values), MD_FAILED);
    assert_contains(error.text, "not kept plain");
    close_file();
}

H5_TEST(h5_table, a_text_without_an_end_is_refused) {
    struct row endless[2] = {{0, "one", 1}, {0, "xxxx", 2}};
    endless[1].name[4] = 'x';
    cr_assert_eq(
        md_h5_write_table(writer.file, "/a/table", columns, 3, sizeof *endless, 2, endless, &error),
        MD_OK);
    reopen();
    cr_assert_eq(read_as(columns, 3, 2, endless), MD_FAILED);
    assert_contains(error.text, "no end");
    close_file();
}
