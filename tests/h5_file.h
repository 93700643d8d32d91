/* For tests of the HDF5 layer: a file that is written, put in its place, read and closed. Static
 * state and functions; include it in one file of a program. */
#ifndef MD_TESTS_H5_FILE_H
#define MD_TESTS_H5_FILE_H

#include <criterion/criterion.h>

#include "../base/h5.h"
#include "h5_leaks.h"
#include "scratch.h"

static struct scratch_path path;
static struct md_error error;
static struct md_h5_writer writer;
static hid_t file;

static inline void set_up(void) {
    scratch = scratch_open();
    path = scratch_path(&scratch, "some.h5");
    cr_assert_eq(md_h5_create(path.text, &writer, &error), MD_OK, "%s", error.text);
}

/* Puts the file in its place and opens it. */
static inline void reopen(void) {
    cr_assert_eq(md_h5_finish(&writer, MD_OK, &error), MD_OK, "%s", error.text);
    cr_assert_eq(md_h5_open(path.text, &file, &error), MD_OK, "%s", error.text);
}

/* Closing a file closes all in it, so what was forgotten must be counted before. */
static inline void close_file(void) {
    cr_assert_eq(H5Fget_obj_count(file, H5F_OBJ_ALL), 1, "an HDF5 object stays open");
    H5Fclose(file);
}

#endif
