/* NumPy's .npy files, version 1.0 to 3.0, float32 ('<f4') in C order: what the micro sets use. */
#ifndef MD_BASE_NPY_H
#define MD_BASE_NPY_H

#include <stddef.h>

#include "error.h"

struct md_array {
    int dimensions; /* 0 to 4 */
    size_t shape[4];
    size_t count;  /* product of the shape, 1 for a scalar */
    float *values; /* owned */
};

/* To be freed after MD_OK; on failure nothing is left to free. */
int md_npy_read(const char *path, struct md_array *array, struct md_error *error);
void md_array_free(struct md_array *array);

/* The bytes of a .npy file of `values` of the given shape: *size bytes, to be freed; NULL when
 * there is no memory. */
unsigned char *md_npy_bytes(const float *values, int dimensions, const size_t *shape, size_t *size);

/* Writes such a file by a temporary name and a rename. */
int md_npy_write(const char *path, const float *values, int dimensions, const size_t *shape,
                 struct md_error *error);

#endif
