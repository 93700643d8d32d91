/* Where HDF5 1.10 unpacks a chunk of a damaged file to fewer bytes than a chunk has, it reads on
 * behind them (found by fuzzing). So every chunk is unpacked here first, to be counted. */
#include <hdf5.h>
#include <stdlib.h>
#include <zlib.h>

#include "h5.h"
#include "h5_internal.h"

enum { MOST_CHUNK_BYTES = 1 << 28, MOST_FILTERS = 8, CHECKSUM_BYTES = 4 };

/* How the chunks of a data set are kept. */
struct pipeline {
    int count, deflated; /* filters; whether one of them is deflate */
    H5Z_filter_t filters[MOST_FILTERS];
    size_t bytes; /* of a chunk */
    hsize_t chunks;
};

/* Returns what is wrong, or NULL. */
static const char *read_pipeline(hid_t data, hid_t space, hid_t creation, size_t element,
                                 struct pipeline *pipeline) {
    hsize_t shape[H5S_MAX_RANK], chunk[H5S_MAX_RANK];
    int rank = H5Sget_simple_extent_dims(space, shape, NULL);
    hsize_t found;
    *pipeline = (struct pipeline){.bytes = element, .chunks = 1};
    if (rank < 1 || H5Pget_chunk(creation, H5S_MAX_RANK, chunk) != rank)
        return "it has no chunks that could be read";
    for (int d = 0; d < rank; d++) {
        if (chunk[d] < 1 || chunk[d] > MOST_CHUNK_BYTES / pipeline->bytes)
            return "its chunks are too large";
        pipeline->bytes *= (size_t)chunk[d];
        pipeline->chunks *= (shape[d] + chunk[d] - 1) / chunk[d];
    }
    if (H5Dget_num_chunks(data, space, &found) < 0 || found != pipeline->chunks)
        return "the file does not hold all of it";
    pipeline->count = H5Pget_nfilters(creation);
    if (pipeline->count < 0 || pipeline->count > MOST_FILTERS)
        return "it has too many filters";
    for (int i = 0; i < pipeline->count; i++) {
        size_t parameters = 0;
        unsigned flags;
        H5Z_filter_t filter =
            H5Pget_filter2(creation, (unsigned)i, &flags, &parameters, NULL, 0, NULL, NULL);
        if (filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32 &&
            (filter != H5Z_FILTER_DEFLATE || pipeline->deflated++))
            return "it is packed in a way other than by one pass of gzip";
        pipeline->filters[i] = filter;
    }
    return NULL;
}

/* Whether the `stored` bytes unpack to a whole chunk; bit i of `skipped`: filter i was left out. */
static int is_whole(const struct pipeline *pipeline, Bytef *packed, size_t stored, unsigned skipped,
                    Bytef *unpacked) {
    for (int i = pipeline->count - 1; i >= 0; i--) {
        uLongf size = pipeline->bytes;
        if (skipped >> i & 1u)
            continue;
        if (pipeline->filters[i] == H5Z_FILTER_FLETCHER32) {
            if (stored < CHECKSUM_BYTES)
                return 0;
            stored -= CHECKSUM_BYTES;
        } else if (pipeline->filters[i] == H5Z_FILTER_DEFLATE) {
            if (uncompress(unpacked, &size, packed, stored) != Z_OK)
                return 0;
            stored = size;
        }
    }
    return stored == pipeline->bytes;
}

static const char *check_chunk(hid_t data, hid_t space, hsize_t number,
                               const struct pipeline *pipeline, Bytef *unpacked) {
    static const char broken[] = "a chunk of it is broken";
    hsize_t offset[H5S_MAX_RANK], stored;
    unsigned skipped;
    uint32_t again;
    if (H5Dget_chunk_info(data, space, number, offset, &skipped, NULL, &stored) < 0)
        return broken;
    /* A packed chunk may be a little larger than a plain one, but not much. */
    if (stored > 2 * pipeline->bytes + 1024)
        return broken;
    Bytef *packed = malloc((size_t)stored + 1);
    if (packed == NULL)
        return "out of memory";
    int whole = H5Dread_chunk(data, H5P_DEFAULT, offset, &again, packed) >= 0 && again == skipped &&
                is_whole(pipeline, packed, (size_t)stored, skipped, unpacked);
    free(packed);
    return whole ? NULL : broken;
}

int md_h5_check_chunks(hid_t file, const char *name, hid_t data, hid_t space,
                       struct md_error *error) {
    hid_t type = H5Dget_type(data), creation = H5Dget_create_plist(data);
    struct pipeline pipeline;
    Bytef *unpacked = NULL;
    const char *wrong = read_pipeline(data, space, creation, H5Tget_size(type), &pipeline);
    if (wrong == NULL && (unpacked = malloc(pipeline.bytes)) == NULL)
        wrong = "out of memory";
    for (hsize_t i = 0; wrong == NULL && i < pipeline.chunks; i++)
        wrong = check_chunk(data, space, i, &pipeline, unpacked);
    free(unpacked);
    H5Pclose(creation);
    H5Tclose(type);
    return wrong == NULL ? MD_OK : md_h5_refuse(error, file, "data set", name, wrong);
}
