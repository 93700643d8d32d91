/* The pickle of a PyTorch state dict, read by a machine that knows only what such a pickle needs.
 * Internal to results/. */
#ifndef MD_RESULTS_PICKLE_H
#define MD_RESULTS_PICKLE_H

#include <stddef.h>

#include "../base/error.h"

/* The largest published network has 34 tensors and about a million parameters. */
enum {
    MD_PICKLE_MOST_BYTES = 1 << 20,
    MD_PICKLE_MOST_TENSORS = 1024,
    MD_PICKLE_MOST_ELEMENTS = 1 << 24 /* of one tensor or storage, and of all together */
};

enum md_storage_type { MD_STORAGE_FLOAT32, MD_STORAGE_BFLOAT16 };

/* A tensor: as the pickle describes it a contiguous stretch of a storage. */
struct md_pth_tensor {
    char name[96];
    char storage[32]; /* its key: the values are in "PREFIX/data/KEY" */
    enum md_storage_type type;
    size_t storage_count, offset, count; /* elements; offset + count <= storage_count */
    int dimensions;
    size_t shape[8];
    float *values; /* owned; bfloat16 widened exactly; NULL: not read yet */
};

struct md_state_dict {
    size_t count;
    struct md_pth_tensor *tensors; /* owned, in the order of the pickle */
};

/* Reads `length` bytes of data.pkl. Memory is bounded by a small multiple of `length`. Errors
 * begin with "data.pkl byte N: ". */
int md_pickle_read(const unsigned char *bytes, size_t length, struct md_state_dict *dict,
                   struct md_error *error);
void md_state_dict_free(struct md_state_dict *dict);

#endif
