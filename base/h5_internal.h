/* What the parts of the HDF5 layer share. */
#ifndef MD_BASE_H5_INTERNAL_H
#define MD_BASE_H5_INTERNAL_H

#include "h5.h"

/* Switches HDF5's own error printing off. */
void md_h5_be_quiet(void);

/* What HDF5 says went wrong. */
void md_h5_find_cause(char cause[200]);

/* Fails with "FILE: WHAT 'NAME': cannot DEED (HDF5: cause)"; `file` may be any object in it. */
int md_h5_blame(struct md_error *error, hid_t file, const char *what, const char *name,
                const char *deed);

/* Fails with "FILE: WHAT 'NAME': REASON". */
int md_h5_refuse(struct md_error *error, hid_t file, const char *what, const char *name,
                 const char *reason);

/* md_h5_write with another type in the file than in memory. */
int md_h5_write_as(hid_t file, const char *name, hid_t file_type, hid_t type, int dimensions,
                   const size_t *shape, const void *values, struct md_error *error);

/* Writes a file and its seal (h5.h): 0, or -1. */
int md_h5_write_sealed(FILE *stream, const void *image, size_t size);
/* Fails when the file has a seal and is not what was sealed. */
int md_h5_check_seal(const char *path, struct md_error *error);

/* The chunks of a data set, one of them unpacked. */
enum { MD_H5_MOST_FILTERS = 8 };
struct md_h5_chunks {
    hid_t file, data;
    int rank;
    hsize_t shape[H5S_MAX_RANK], side[H5S_MAX_RANK]; /* of the data set, of a chunk */
    size_t element, bytes;                           /* of an element, of a chunk */
    int filter_count;
    H5Z_filter_t filters[MD_H5_MOST_FILTERS];
    const uint8_t *elements; /* of the chunk read last, in one of `buffers` */
    uint8_t *buffers[2];     /* owned; filters go from one to the other */
};

/* Returns what is wrong, or NULL; is to be closed either way. */
const char *md_h5_chunks_open(hid_t file, hid_t data, struct md_h5_chunks *chunks);
void md_h5_chunks_close(struct md_h5_chunks *chunks);

/* Reads the chunk whose first element is at `corner` past HDF5's own filters; fails unless it is
 * there and unpacks to its full size. Returns what is wrong, or NULL. */
const char *md_h5_chunk_read(struct md_h5_chunks *chunks, const hsize_t *corner);

/* Advances `at` to the next position of a grid, coordinate `last` fastest: each of the coordinates
 * first .. last runs from 0 by its step while it is less than its end. Returns 0 after the last. */
int md_h5_advance(hsize_t *at, const hsize_t *step, const hsize_t *end, int first, int last);

/* Fails unless every chunk of the chunked data set is there and unpacks to its full size. */
int md_h5_check_chunks(hid_t file, const char *name, hid_t data, struct md_error *error);

#endif
