/* A thin layer over HDF5 that turns its failures into our errors. HDF5's own error printing is
 * switched off by the first call. What it cannot turn into an error: HDF5 1.10 itself crashes on
 * some files whose groups are damaged (in H5HL_protect, found by fuzzing). */
#ifndef MD_BASE_H5_H
#define MD_BASE_H5_H

#include <hdf5.h>
#include <stddef.h>

#include "file.h"

/* Behind each file of ours, where HDF5 does not look, stands a seal, a digest of all of it: HDF5's
 * own checksums are of what describes data, not of the data. Whoever changes a file by HDF5 cuts
 * the seal off. */
enum { MD_H5_SEAL_BYTES = 50 };

/* Opens a file for reading; fails when it is missing, not HDF5, or truncated, or not as it was
 * sealed. */
int md_h5_open(const char *path, hid_t *file, struct md_error *error);

/* A file that appears whole or not at all (file.h). It is built in memory; md_h5_finish closes it
 * and, with `status` MD_OK, puts it in its place. Returns `status`, or MD_FAILED. */
struct md_h5_writer {
    hid_t file;
    struct md_new_file disk;
};
int md_h5_create(const char *path, struct md_h5_writer *writer, struct md_error *error);
int md_h5_finish(struct md_h5_writer *writer, int status, struct md_error *error);

/* Reads data set `name` of any numeric type into `values`, converted to `type` (H5T_NATIVE_FLOAT
 * and the like). It must have exactly `count` elements; when dimensions >= 0 also that shape. */
int md_h5_read(hid_t file, const char *name, hid_t type, int dimensions, const size_t *shape,
               size_t count, void *values, struct md_error *error);

/* Fails unless data set `name` is of exactly `type` and contiguous, and the file large enough for
 * all of it, so that there may be memory for it. Conversion would hide that a file is something
 * else, and a damaged compressed chunk makes HDF5 1.10 read beyond its memory (found by fuzzing).
 */
int md_h5_check_plain(hid_t file, const char *name, hid_t type, struct md_error *error);

/* Shape of data set `name`: at most `most` dimensions; fails when it has more or is missing. */
int md_h5_shape(hid_t file, const char *name, int most, int *dimensions, size_t *shape,
                struct md_error *error);

/* Reads the part of data set `name` whose first coordinate is `index`, shape[1] * shape[2] * ...
 * elements, into `values`. The data set must have just that shape, and elements of just that type.
 * It is contiguous, or in chunks that are plain, or deflated, shuffled and with checksums (which
 * are not checked). Chunks are unpacked here and not by HDF5's own filters, which in HDF5 1.10
 * crash on damaged ones. */
int md_h5_read_slice(hid_t file, const char *name, hid_t type, size_t index, int dimensions,
                     const size_t *shape, void *values, struct md_error *error);

/* 1 when there is a link called `name` (a path), else 0. */
int md_h5_has(hid_t file, const char *name);

/* Writes a data set; groups on the way are made. dimensions 0 writes a scalar. */
int md_h5_write(hid_t file, const char *name, hid_t type, int dimensions, const size_t *shape,
                const void *values, struct md_error *error);

/* Tables: data sets of one dimension whose elements are rows, structs to us, with these columns. In
 * the file a row is packed; its integers have 64 bits, its reals 64, both with the lowest byte
 * first, and texts their size, filled with zeros (at least one). */
enum md_h5_column_type {
    MD_H5_INTEGER, /* int64_t */
    MD_H5_REAL,    /* double */
    MD_H5_TEXT     /* char[size], ended by a zero, UTF-8 */
};
enum { MD_H5_MOST_COLUMNS = 64 }; /* of a table */
struct md_h5_column {
    const char *name;
    enum md_h5_column_type type;
    size_t offset, size; /* in the struct */
    int is_optional;     /* a real that is read as NaN from a table without this column */
};

/* Writes `rows` structs of `row_bytes` each; groups on the way are made. */
int md_h5_write_table(hid_t file, const char *name, const struct md_h5_column *columns,
                      size_t column_count, size_t row_bytes, size_t rows, const void *values,
                      struct md_error *error);

/* Reads them. The table must have these columns, in whatever order, no others, and so many rows. */
int md_h5_read_table(hid_t file, const char *name, const struct md_h5_column *columns,
                     size_t column_count, size_t row_bytes, size_t rows, void *values,
                     struct md_error *error);

/* 1 when there is such a table with such a column, else 0. */
int md_h5_has_column(hid_t file, const char *name, const char *column);

/* Makes group `name` (a path) and those above it; fine when it is there already. */
int md_h5_group(hid_t file, const char *name, struct md_error *error);

/* Attributes of `object` (a path; "/" for the file): UTF-8 text, 64-bit integer, double. Reading
 * text fails when it does not fit, or is of variable length (as h5py writes it). */
int md_h5_has_attribute(hid_t file, const char *object, const char *name);
int md_h5_write_text(hid_t file, const char *object, const char *name, const char *text,
                     struct md_error *error);
int md_h5_write_integer(hid_t file, const char *object, const char *name, long long value,
                        struct md_error *error);
int md_h5_write_real(hid_t file, const char *object, const char *name, double value,
                     struct md_error *error);
int md_h5_read_text(hid_t file, const char *object, const char *name, size_t size, char *text,
                    struct md_error *error);
int md_h5_read_integer(hid_t file, const char *object, const char *name, long long *value,
                       struct md_error *error);
int md_h5_read_real(hid_t file, const char *object, const char *name, double *value,
                    struct md_error *error);

#endif
