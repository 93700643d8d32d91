/* A cell whose table of metrics has other columns, as one of another version. */
#ifndef MD_TESTS_METRICS_COLUMNS_H
#define MD_TESTS_METRICS_COLUMNS_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "../base/h5.h"

/* A row with the columns of `row` but one and with one more, a real (both may be NULL), the last
 * ones first. */
static inline hid_t other_row(hid_t row, const char *left_out, const char *added) {
    hid_t other = H5Tcreate(H5T_COMPOUND, H5Tget_size(row) + sizeof(double));
    size_t at = 0;
    for (int m = H5Tget_nmembers(row) - 1; m >= 0; m--) {
        char *name = H5Tget_member_name(row, (unsigned)m);
        hid_t type = H5Tget_member_type(row, (unsigned)m);
        if (left_out == NULL || strcmp(name, left_out) != 0) {
            H5Tinsert(other, name, at, type);
            at += H5Tget_size(type);
        }
        H5Tclose(type);
        H5free_memory(name);
    }
    if (added != NULL)
        H5Tinsert(other, added, at, H5T_IEEE_F64LE);
    H5Tpack(other);
    return other;
}

static inline void change_metrics_columns(const char *path, const char *left_out,
                                          const char *added) {
    static const char name[] = "/test/metrics";
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), data = H5Dopen2(file, name, H5P_DEFAULT);
    hid_t row = H5Dget_type(data), space = H5Dget_space(data);
    hid_t other = other_row(row, left_out, added);
    void *rows = calloc((size_t)H5Sget_simple_extent_npoints(space), H5Tget_size(other));
    cr_assert_geq(H5Dread(data, other, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows), 0);
    H5Dclose(data);
    cr_assert_geq(H5Ldelete(file, name, H5P_DEFAULT), 0);
    data = H5Dcreate2(file, name, other, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    cr_assert_geq(H5Dwrite(data, other, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows), 0);
    free(rows);
    H5Tclose(other);
    H5Tclose(row);
    H5Sclose(space);
    H5Dclose(data);
    H5Fclose(file);
}

#endif
