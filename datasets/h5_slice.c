#include "h5_internal.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    MOST_DIMENSIONS = 4,
    MOST_CHUNK_BYTES = 1 << 28,
    DEFLATE_RATIO = 1032, /* what a deflated byte can at most stand for */
    FEW_BYTES = 1024
};

/* A slice being read. */
struct slice {
    hid_t file, data;
    const char *name;
    int dimensions;
    size_t size; /* of an element */
    hsize_t index, shape[MOST_DIMENSIONS];
    uint8_t *values;

    /* Chunked data sets: */
    hsize_t chunk[MOST_DIMENSIONS];  /* their shape */
    hsize_t corner[MOST_DIMENSIONS]; /* where the current one lies */
    size_t chunk_bytes;
    int shuffle, deflate; /* number of this filter; -1: is not there */
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

static int read_piece(struct slice *slice, struct md_error *error) {
    hsize_t start[MOST_DIMENSIONS] = {slice->index}, count[MOST_DIMENSIONS];
    memcpy(count, slice->shape, sizeof count);
    count[0] = 1;
    if (H5Dget_storage_size(slice->data) != product(slice->shape, slice->dimensions) * slice->size)
        return refuse(slice, "the file does not hold all of it", error);
    hid_t space = H5Dget_space(slice->data), type = H5Dget_type(slice->data);
    hid_t room = H5Screate_simple(slice->dimensions, count, NULL);
    bool read = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
                H5Dread(slice->data, type, room, space, H5P_DEFAULT, slice->values) >= 0;
    int status = read ? MD_OK : md_h5_blame(error, slice->file, "data set", slice->name, "read");
    H5Sclose(room);
    H5Tclose(type);
    H5Sclose(space);
    return status;
}

/* --- in chunks --- */

/* The current chunk while it is being read. */
struct chunk {
    uint32_t skipped; /* bit i: filter i was not applied to it */
    size_t packed_bytes;
    uint8_t *packed, *plain, *sorted; /* as it is stored, inflated, unshuffled */
};

static void free_chunk(struct chunk *chunk) {
    free(chunk->packed);
    free(chunk->plain);
    free(chunk->sorted);
}

/* Reads the chunk at slice->corner as it is stored. */
static int fetch_chunk(const struct slice *slice, struct chunk *chunk, struct md_error *error) {
    hsize_t size = 0, file_size = 0;
    if (H5Dget_chunk_storage_size(slice->data, slice->corner, &size) < 0 || size == 0)
        return refuse(slice, "the file does not hold all of it", error);
    if (H5Fget_filesize(slice->file, &file_size) < 0 || size > file_size ||
        slice->chunk_bytes > FEW_BYTES + DEFLATE_RATIO * size)
        return refuse(slice, "a chunk has an impossible size", error);
    chunk->packed_bytes = (size_t)size;
    chunk->packed = malloc(chunk->packed_bytes);
    chunk->plain = malloc(slice->chunk_bytes);
    chunk->sorted = malloc(slice->chunk_bytes);
    if (!chunk->packed || !chunk->plain || !chunk->sorted)
        return refuse(slice, "out of memory for a chunk", error);
    if (H5Dread_chunk(slice->data, H5P_DEFAULT, slice->corner, &chunk->skipped, chunk->packed) < 0)
        return md_h5_blame(error, slice->file, "data set", slice->name, "read a chunk of");
    return MD_OK;
}

static bool applied(const struct chunk *chunk, int filter) {
    return filter >= 0 && !(chunk->skipped >> filter & 1);
}

/* Shuffled are all first bytes of the elements, then all second ones, and so on. */
static void unshuffle(const struct slice *slice, const uint8_t *plain, uint8_t *sorted) {
    const size_t count = slice->chunk_bytes / slice->size;
    for (size_t byte = 0; byte < slice->size; byte++)
        for (size_t i = 0; i < count; i++)
            sorted[i * slice->size + byte] = plain[byte * count + i];
}

/* Undoes the filters; *elements is then somewhere in the chunk. */
static int decode_chunk(const struct slice *slice, struct chunk *chunk, const uint8_t **elements,
                        struct md_error *error) {
    *elements = chunk->packed;
    size_t length = chunk->packed_bytes;
    if (applied(chunk, slice->deflate)) {
        uLongf inflated = slice->chunk_bytes;
        if (uncompress(chunk->plain, &inflated, chunk->packed, chunk->packed_bytes) != Z_OK)
            return refuse(slice, "a compressed chunk is damaged", error);
        *elements = chunk->plain;
        length = inflated;
    }
    if (length != slice->chunk_bytes)
        return refuse(slice, "a chunk has too few bytes", error);
    if (applied(chunk, slice->shuffle)) {
        unshuffle(slice, *elements, chunk->sorted);
        *elements = chunk->sorted;
    }
    return MD_OK;
}

/* Counts `at` on, the last coordinate fastest and the first not at all; false after the last. */
static bool advance(hsize_t *at, const hsize_t *step, const hsize_t *end, int last) {
    for (int d = last; d > 0; d--) {
        at[d] += step[d];
        if (at[d] < end[d])
            return true;
        at[d] = 0;
    }
    return false;
}

/* Copies what the slice and the current chunk share, row by row. */
static void copy_shared(const struct slice *slice, const uint8_t *elements) {
    static const hsize_t one[MOST_DIMENSIONS] = {1, 1, 1, 1};
    const int last = slice->dimensions - 1;
    hsize_t shared[MOST_DIMENSIONS], at[MOST_DIMENSIONS] = {slice->index - slice->corner[0]};
    for (int d = 0; d <= last; d++) {
        shared[d] = slice->shape[d] - slice->corner[d];
        shared[d] = shared[d] < slice->chunk[d] ? shared[d] : slice->chunk[d];
    }
    do {
        size_t from = (size_t)at[0], to = 0;
        for (int d = 1; d <= last; d++) {
            from = from * (size_t)slice->chunk[d] + (size_t)at[d];
            to = to * (size_t)slice->shape[d] + (size_t)(slice->corner[d] + at[d]);
        }
        memcpy(slice->values + to * slice->size, elements + from * slice->size,
               (size_t)shared[last] * slice->size);
    } while (advance(at, one, shared, last - 1));
}

static int read_chunk(struct slice *slice, struct md_error *error) {
    struct chunk chunk = {0};
    const uint8_t *elements;
    int status = fetch_chunk(slice, &chunk, error);
    if (status == MD_OK)
        status = decode_chunk(slice, &chunk, &elements, error);
    if (status == MD_OK)
        copy_shared(slice, elements);
    free_chunk(&chunk);
    return status;
}

/* Which filters there are: shuffle, then deflate, each at most once. */
static int find_filters(struct slice *slice, hid_t creation, struct md_error *error) {
    int count = H5Pget_nfilters(creation);
    slice->shuffle = slice->deflate = -1;
    for (int f = 0; f < count; f++) {
        unsigned flags;
        size_t values = 0;
        H5Z_filter_t filter =
            H5Pget_filter2(creation, (unsigned)f, &flags, &values, NULL, 0, NULL, NULL);
        if (filter == H5Z_FILTER_DEFLATE && slice->deflate < 0)
            slice->deflate = f;
        else if (filter == H5Z_FILTER_SHUFFLE && f == 0)
            slice->shuffle = f;
        else
            return refuse(slice, "expected it plain, or shuffled and deflated", error);
    }
    return MD_OK;
}

static int read_chunks(struct slice *slice, hid_t creation, struct md_error *error) {
    int status = find_filters(slice, creation, error);
    if (status != MD_OK)
        return status;
    if (H5Pget_chunk(creation, MOST_DIMENSIONS, slice->chunk) != slice->dimensions)
        return refuse(slice, "its chunks have another number of dimensions", error);
    slice->chunk_bytes = slice->size;
    for (int d = 0; d < slice->dimensions; d++) {
        if (slice->chunk[d] < 1 || slice->chunk[d] > MOST_CHUNK_BYTES / slice->chunk_bytes)
            return refuse(slice, "expected chunks of at most 256 MiB", error);
        slice->chunk_bytes *= (size_t)slice->chunk[d];
    }
    slice->corner[0] = slice->index / slice->chunk[0] * slice->chunk[0];
    do
        status = read_chunk(slice, error);
    while (status == MD_OK &&
           advance(slice->corner, slice->chunk, slice->shape, slice->dimensions - 1));
    return status;
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
    int status = md_h5_shape(slice->file, slice->name, MOST_DIMENSIONS, &dimensions, found, error);
    if (status != MD_OK)
        return status;
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
    if (status == MD_OK)
        status = check_type(slice, type, error);
    if (status != MD_OK)
        return status;
    hid_t creation = H5Dget_create_plist(slice->data);
    H5D_layout_t layout = H5Pget_layout(creation);
    if (layout == H5D_CHUNKED)
        status = read_chunks(slice, creation, error);
    else if (layout == H5D_CONTIGUOUS)
        status = read_piece(slice, error);
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
