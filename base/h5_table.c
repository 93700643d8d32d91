#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "h5_internal.h"

_Static_assert(sizeof(double) == 8 && sizeof(int64_t) == 8, "columns have 64 bits");

static hid_t text_of(size_t size) {
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, size);
    H5Tset_strpad(type, H5T_STR_NULLPAD); /* as numpy keeps its texts */
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

/* The type of a row: in memory as the struct, in a file packed and the same on every machine. */
static hid_t row_type(const struct md_h5_column *columns, size_t count, size_t row_bytes,
                      int in_file) {
    size_t bytes = 0, at = 0;
    for (size_t c = 0; c < count; c++)
        bytes += columns[c].size;
    hid_t row = H5Tcreate(H5T_COMPOUND, in_file ? bytes : row_bytes);
    for (size_t c = 0; c < count; c++) {
        hid_t integer = in_file ? H5T_STD_I64LE : H5T_NATIVE_INT64;
        hid_t real = in_file ? H5T_IEEE_F64LE : H5T_NATIVE_DOUBLE;
        hid_t text = columns[c].type == MD_H5_TEXT ? text_of(columns[c].size) : H5I_INVALID_HID;
        H5Tinsert(row, columns[c].name, in_file ? at : columns[c].offset,
                  columns[c].type == MD_H5_INTEGER ? integer
                  : columns[c].type == MD_H5_REAL  ? real
                                                   : text);
        if (text >= 0)
            H5Tclose(text);
        at += columns[c].size;
    }
    return row;
}

int md_h5_write_table(hid_t file, const char *name, const struct md_h5_column *columns,
                      size_t column_count, size_t row_bytes, size_t rows, const void *values,
                      struct md_error *error) {
    md_h5_be_quiet();
    hid_t packed = row_type(columns, column_count, row_bytes, 1);
    hid_t type = row_type(columns, column_count, row_bytes, 0);
    int status = md_h5_write_as(file, name, packed, type, 1, &rows, values, error);
    H5Tclose(type);
    H5Tclose(packed);
    return status;
}

static const struct md_h5_column *column_named(const struct md_h5_column *columns, size_t count,
                                               const char *name) {
    for (size_t c = 0; name != NULL && c < count; c++)
        if (strcmp(columns[c].name, name) == 0)
            return &columns[c];
    return NULL;
}

/* The columns that a row of the file has, in its order. */
struct present {
    struct md_h5_column column[MD_H5_MOST_COLUMNS];
    size_t count;
    char reason[300]; /* what is wrong with them, or "" */
};

static int has_type(hid_t found, unsigned member, const struct md_h5_column *column) {
    hid_t row = row_type(column, 1, 0, 1);
    hid_t type = H5Tget_member_type(found, member), wanted = H5Tget_member_type(row, 0);
    int same = H5Tequal(type, wanted) > 0;
    H5Tclose(wanted);
    H5Tclose(type);
    H5Tclose(row);
    return same;
}

static void find_member(hid_t found, unsigned member, const struct md_h5_column *columns,
                        size_t count, struct present *present) {
    static const char *const types[] = {"64-bit integers", "64-bit reals", "text"};
    char *name = H5Tget_member_name(found, member);
    const struct md_h5_column *column = column_named(columns, count, name);
    if (column == NULL)
        snprintf(present->reason, sizeof present->reason,
                 "its column \"%.100s\" is unknown: it may be of a newer version",
                 name != NULL ? name : "?");
    else if (column_named(present->column, present->count, name) != NULL)
        snprintf(present->reason, sizeof present->reason, "it has two columns \"%s\"", name);
    else if (!has_type(found, member, column))
        snprintf(present->reason, sizeof present->reason, "column \"%s\": expected %s of %zu bytes",
                 name, types[column->type], column->size);
    else
        present->column[present->count++] = *column;
    H5free_memory(name);
}

static void find_columns(hid_t found, const struct md_h5_column *columns, size_t count,
                         struct present *present) {
    int members = H5Tget_nmembers(found);
    if (members < 0)
        snprintf(present->reason, sizeof present->reason, "its elements are not rows of columns");
    for (int m = 0; m < members && present->reason[0] == '\0'; m++)
        find_member(found, (unsigned)m, columns, count, present);
    for (size_t c = 0; c < count && present->reason[0] == '\0'; c++)
        if (!columns[c].is_optional &&
            column_named(present->column, present->count, columns[c].name) == NULL)
            snprintf(present->reason, sizeof present->reason, "it has no column \"%s\"",
                     columns[c].name);
}

static int check_columns(hid_t file, const char *name, const struct md_h5_column *columns,
                         size_t count, struct present *present, struct md_error *error) {
    hid_t data = H5Dopen2(file, name, H5P_DEFAULT);
    if (data < 0)
        return md_h5_blame(error, file, "table", name, "open");
    hid_t found = H5Dget_type(data);
    find_columns(found, columns, count, present);
    H5Tclose(found);
    H5Dclose(data);
    return present->reason[0] == '\0' ? MD_OK
                                      : md_h5_refuse(error, file, "table", name, present->reason);
}

static int check_rows(hid_t file, const char *name, size_t rows, struct md_error *error) {
    int dimensions;
    size_t found = 0;
    char reason[100];
    int status = md_h5_shape(file, name, 1, &dimensions, &found, error);
    if (status != MD_OK || (dimensions == 1 && found == rows))
        return status;
    snprintf(reason, sizeof reason, "it has %zu rows, expected %zu", found, rows);
    return md_h5_refuse(error, file, "table", name, reason);
}

static int read_rows(hid_t file, const char *name, hid_t type, void *values,
                     struct md_error *error) {
    int status = MD_OK;
    hid_t data = H5Dopen2(file, name, H5P_DEFAULT);
    if (data < 0 || H5Dread(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        status = md_h5_blame(error, file, "table", name, "read");
    if (data >= 0)
        H5Dclose(data);
    return status;
}

/* Every text that was read has an end. */
static int check_texts(hid_t file, const char *name, const struct present *present,
                       size_t row_bytes, size_t rows, const void *values, struct md_error *error) {
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < present->count; c++) {
            const struct md_h5_column *column = &present->column[c];
            const char *text = (const char *)values + r * row_bytes + column->offset;
            if (column->type == MD_H5_TEXT && memchr(text, '\0', column->size) == NULL)
                return md_h5_refuse(error, file, "table", name, "a text in it has no end");
        }
    return MD_OK;
}

/* NaN in every optional column: what the table has none of stays so. */
static void empty_rows(const struct md_h5_column *columns, size_t column_count, size_t row_bytes,
                       size_t rows, void *values) {
    const double none = (double)NAN;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < column_count; c++)
            if (columns[c].is_optional)
                memcpy((char *)values + r * row_bytes + columns[c].offset, &none, sizeof none);
}

int md_h5_read_table(hid_t file, const char *name, const struct md_h5_column *columns,
                     size_t column_count, size_t row_bytes, size_t rows, void *values,
                     struct md_error *error) {
    struct present present = {.count = 0};
    md_h5_be_quiet();
    MD_TRY(check_columns(file, name, columns, column_count, &present, error));
    hid_t packed = row_type(present.column, present.count, row_bytes, 1);
    hid_t type = row_type(present.column, present.count, row_bytes, 0);
    int status = check_rows(file, name, rows, error);
    MD_THEN(status, md_h5_check_plain(file, name, packed, error));
    if (status == MD_OK)
        empty_rows(columns, column_count, row_bytes, rows, values);
    MD_THEN(status, read_rows(file, name, type, values, error));
    MD_THEN(status, check_texts(file, name, &present, row_bytes, rows, values, error));
    H5Tclose(type);
    H5Tclose(packed);
    return status;
}

int md_h5_has_column(hid_t file, const char *name, const char *column) {
    md_h5_be_quiet();
    hid_t data = H5Dopen2(file, name, H5P_DEFAULT), type = H5Dget_type(data);
    int has = H5Tget_member_index(type, column) >= 0;
    H5Tclose(type);
    H5Dclose(data);
    return has;
}
