/* Where HDF5 1.10 unpacks a chunk of a damaged file to fewer bytes than a chunk has, it reads on
 * behind them (found by fuzzing). So chunks are unpacked here: to be counted before HDF5 does it
 * again, or to be used at once. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "h5_internal.h"

enum {
    MOST_CHUNK_BYTES = 1 << 28,
    DEFLATE_RATIO = 1032, /* what a deflated byte can at most stand for */
    FEW_BYTES = 1024,
    CHECKSUM_BYTES = 4
};

/* Finds the filters, which are known, and deflate at most once. */
static const char *find_filters(hid_t creation, struct md_h5_chunks *chunks) {
    int deflated = 0;
    chunks->filter_count = H5Pget_nfilters(creation);
    if (chunks->filter_count < 0 || chunks->filter_count > MD_H5_MOST_FILTERS)
        return "it has too many filters";
    for (int i = 0; i < chunks->filter_count; i++) {
        size_t parameters = 0;
        unsigned flags;
        H5Z_filter_t filter =
            H5Pget_filter2(creation, (unsigned)i, &flags, &parameters, NULL, 0, NULL, NULL);
        if (filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32 &&
            (filter != H5Z_FILTER_DEFLATE || deflated++))
            return "it is packed in a way other than by one pass of gzip";
        chunks->filters[i] = filter;
    }
    return NULL;
}

const char *md_h5_chunks_open(hid_t file, hid_t data, struct md_h5_chunks *chunks) {
    *chunks = (struct md_h5_chunks){.file = file, .data = data};
    hid_t space = H5Dget_space(data), type = H5Dget_type(data),
          creation = H5Dget_create_plist(data);
    chunks->rank = H5Sget_simple_extent_dims(space, chunks->shape, NULL);
    chunks->element = chunks->bytes = H5Tget_size(type);
    const char *wrong = chunks->rank < 1 || chunks->element < 1 ||
                                H5Pget_chunk(creation, H5S_MAX_RANK, chunks->side) != chunks->rank
                            ? "it has no chunks that could be read"
                            : find_filters(creation, chunks);
    for (int d = 0; d < chunks->rank && !wrong; d++) {
        if (chunks->side[d] < 1 || chunks->side[d] > MOST_CHUNK_BYTES / chunks->bytes)
            wrong = "its chunks are too large";
        else
            chunks->bytes *= (size_t)chunks->side[d];
    }
    H5Pclose(creation);
    H5Tclose(type);
    H5Sclose(space);
    return wrong;
}

void md_h5_chunks_close(struct md_h5_chunks *chunks) {
    free(chunks->buffers[0]);
    free(chunks->buffers[1]);
}

int md_h5_advance(hsize_t *at, const hsize_t *step, const hsize_t *end, int first, int last) {
    for (int d = last; d >= first; d--) {
        at[d] += step[d];
        if (at[d] < end[d])
            return 1;
        at[d] = 0;
    }
    return 0;
}

/* Shuffled are all first bytes of the elements, then all second ones, and so on. */
static void unshuffle(const struct md_h5_chunks *chunks, const uint8_t *from, uint8_t *to) {
    const size_t count = chunks->bytes / chunks->element;
    for (size_t byte = 0; byte < chunks->element; byte++)
        for (size_t i = 0; i < count; i++)
            to[i * chunks->element + byte] = from[byte * count + i];
}

/* Undoes the filters, the last one first; bit i of `skipped`: filter i was left out. */
static const char *unpack(struct md_h5_chunks *chunks, const uint8_t *packed, size_t length,
                          unsigned skipped) {
    static const char few[] = "a chunk has too few bytes";
    const uint8_t *from = packed;
    for (int i = chunks->filter_count - 1; i >= 0; i--) {
        uint8_t *to = chunks->buffers[from == chunks->buffers[0]];
        uLongf size = chunks->bytes;
        if (skipped >> i & 1u)
            continue;
        if (chunks->filters[i] == H5Z_FILTER_FLETCHER32) {
            if (length < CHECKSUM_BYTES)
                return few;
            length -= CHECKSUM_BYTES;
            continue;
        }
        if (chunks->filters[i] == H5Z_FILTER_DEFLATE) {
            if (uncompress(to, &size, from, length) != Z_OK)
                return "a compressed chunk is damaged";
            length = size;
        } else {
            if (length != chunks->bytes)
                return few;
            unshuffle(chunks, from, to);
        }
        from = to;
    }
    if (length < chunks->bytes)
        return few;
    if (length > chunks->bytes)
        return "a chunk has too many bytes";
    /* What went through no filter is not in the room yet. */
    if (from == packed)
        memcpy(chunks->buffers[0], packed, length);
    chunks->elements = from == packed ? chunks->buffers[0] : from;
    return NULL;
}

const char *md_h5_chunk_read(struct md_h5_chunks *chunks, const hsize_t *corner) {
    hsize_t size = 0, file_size = 0;
    uint32_t skipped = 0;
    if (H5Dget_chunk_storage_size(chunks->data, corner, &size) < 0 || size == 0)
        return "the file does not hold all of it";
    if (H5Fget_filesize(chunks->file, &file_size) < 0 || size > file_size ||
        chunks->bytes > FEW_BYTES + DEFLATE_RATIO * size)
        return "a chunk has an impossible size";
    for (int i = 0; i < 2; i++)
        if (!chunks->buffers[i] && !(chunks->buffers[i] = malloc(chunks->bytes)))
            return "out of memory for a chunk";
    uint8_t *packed = malloc((size_t)size);
    if (!packed)
        return "out of memory for a chunk";
    const char *wrong = H5Dread_chunk(chunks->data, H5P_DEFAULT, corner, &skipped, packed) < 0
                            ? "a chunk cannot be read"
                            : unpack(chunks, packed, (size_t)size, skipped);
    free(packed);
    return wrong;
}

int md_h5_check_chunks(hid_t file, const char *name, hid_t data, struct md_error *error) {
    struct md_h5_chunks chunks;
    hsize_t corner[H5S_MAX_RANK] = {0};
    const char *wrong = md_h5_chunks_open(file, data, &chunks);
    if (!wrong)
        do
            wrong = md_h5_chunk_read(&chunks, corner);
        while (!wrong && md_h5_advance(corner, chunks.side, chunks.shape, 0, chunks.rank - 1));
    md_h5_chunks_close(&chunks);
    return wrong ? md_h5_refuse(error, file, "data set", name, wrong) : MD_OK;
}
