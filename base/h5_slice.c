#include "h5_internal.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { MOST_DIMENSIONS = 4 };

/* A slice being read. */
struct slice {
    hid_t file, data;
    const char *name;
    int dimensions;
    size_t size; /* of an element */
    hsize_t index, shape[MOST_DIMENSIONS];
    uint8_t *values;
};

static int refuse(const struct slice *slice, const char *reason, struct md_error *error) {
    return md_h5_refuse(error, slice->file, "data set", slice->name, reason);
}

static size_t product(const hsize_t *sides, int count) {
    size_t value = 1;
    for (int i = 0; i < count; i++)
        value *= (size_t)sides[i];
    return value;
}

/* --- in one piece --- */

static int read_contiguous(struct slice *slice, struct md_error *error) {
    hsize_t start[MOST_DIMENSIONS] = {slice->index}, count[MOST_DIMENSIONS];
    memcpy(count, slice->shape, sizeof count);
    count[0] = 1;
    if (H5Dget_storage_size(slice->data) != product(slice->shape, slice->dimensions) * slice->size)
        return refuse(slice, "the file does not hold all of it", error);
    hid_t space = H5Dget_space(slice->data), type = H5Dget_type(slice->data);
    hid_t memory = H5Screate_simple(slice->dimensions, count, NULL);
    bool read = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
                H5Dread(slice->data, type, memory, space, H5P_DEFAULT, slice->values) >= 0;
    int status = read ? MD_OK : md_h5_blame(error, slice->file, "data set", slice->name, "read");
    H5Sclose(memory);
    H5Tclose(type);
    H5Sclose(space);
    return status;
}

/* --- in chunks --- */

/* Copies what the slice and the chunk at `corner` share, row by row. */
static void copy_shared(const struct slice *slice, const struct md_h5_chunks *chunks,
                        const hsize_t *corner) {
    static const hsize_t one[MOST_DIMENSIONS] = {1, 1, 1, 1};
    const int last = slice->dimensions - 1;
    hsize_t shared[MOST_DIMENSIONS], at[MOST_DIMENSIONS] = {slice->index - corner[0]};
    for (int d = 0; d <= last; d++) {
        shared[d] = slice->shape[d] - corner[d];
        shared[d] = shared[d] < chunks->side[d] ? shared[d] : chunks->side[d];
    }
    do {
        size_t from = (size_t)at[0], to = 0;
        for (int d = 1; d <= last; d++) {
            from = from * (size_t)chunks->side[d] + (size_t)at[d];
            to = to * (size_t)slice->shape[d] + (size_t)(corner[d] + at[d]);
        }
        memcpy(slice->values + to * slice->size, chunks->elements + from * slice->size,
               (size_t)shared[last] * slice->size);
    } while (md_h5_advance(at, one, shared, 1, last - 1));
}

static int read_chunks(const struct slice *slice, struct md_error *error) {
    struct md_h5_chunks chunks;
    hsize_t corner[MOST_DIMENSIONS] = {0};
    const char *wrong = md_h5_chunks_open(slice->file, slice->data, &chunks);
    if (!wrong) {
        corner[0] = slice->index / chunks.side[0] * chunks.side[0];
        do {
            wrong = md_h5_chunk_read(&chunks, corner);
            if (!wrong)
                copy_shared(slice, &chunks, corner);
        } while (!wrong &&
                 md_h5_advance(corner, chunks.side, slice->shape, 1, slice->dimensions - 1));
    }
    md_h5_chunks_close(&chunks);
    return wrong ? refuse(slice, wrong, error) : MD_OK;
}

/* --- either --- */

static int check_type(struct slice *slice, hid_t type, struct md_error *error) {
    hid_t found = H5Dget_type(slice->data);
    bool same = H5Tequal(found, type) > 0;
    H5Tclose(found);
    slice->size = H5Tget_size(type);
    return same ? MD_OK : refuse(slice, "its elements have another type than expected", error);
}

static int check_shape(struct slice *slice, const size_t *shape, struct md_error *error) {
    int dimensions;
    size_t found[MOST_DIMENSIONS];
    MD_TRY(md_h5_shape(slice->file, slice->name, MOST_DIMENSIONS, &dimensions, found, error));
    bool same = dimensions == slice->dimensions;
    for (int d = 0; same && d < dimensions; d++) {
        slice->shape[d] = shape[d];
        same = found[d] == shape[d];
    }
    return same && slice->index < shape[0]
               ? MD_OK
               : refuse(slice, "it has another shape than expected", error);
}

static int read_slice(struct slice *slice, hid_t type, const size_t *shape,
                      struct md_error *error) {
    int status = check_shape(slice, shape, error);
    MD_THEN(status, check_type(slice, type, error));
    if (status != MD_OK)
        return status;
    hid_t creation = H5Dget_create_plist(slice->data);
    H5D_layout_t layout = H5Pget_layout(creation);
    if (layout == H5D_CHUNKED)
        status = read_chunks(slice, error);
    else if (layout == H5D_CONTIGUOUS)
        status = read_contiguous(slice, error);
    else
        status = refuse(slice, "expected it in one piece or in chunks", error);
    H5Pclose(creation);
    return status;
}

int md_h5_read_slice(hid_t file, const char *name, hid_t type, size_t index, int dimensions,
                     const size_t *shape, void *values, struct md_error *error) {
    struct slice slice = {
        .file = file, .name = name, .dimensions = dimensions, .index = index, .values = values};
    md_h5_be_quiet();
    slice.data = H5Dopen2(file, name, H5P_DEFAULT);
    if (slice.data < 0)
        return md_h5_blame(error, file, "data set", name, "open");
    int status = read_slice(&slice, type, shape, error);
    H5Dclose(slice.data);
    return status;
}
