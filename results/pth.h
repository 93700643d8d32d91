/* Published PyTorch checkpoints: a zip of raw little-endian tensors and a pickle that names them.
 * The pickle is read by a machine of its own that knows only what such a file needs; it runs no
 * code and refuses everything else. The state dict may lie below a name ("state_dict", "model")
 * among numbers, lists and an optimizer's state, which are passed over, and its names may begin
 * with what a wrapper put there ("module."). */
#ifndef MD_RESULTS_PTH_H
#define MD_RESULTS_PTH_H

#include <stddef.h>

#include "../datasets/error.h"

struct md_pth_tensor {
    char name[96];
    char type[16]; /* "float32" or "bfloat16" */
    int dimensions;
    size_t shape[8];
    size_t count;
    float *values; /* owned; bfloat16 widened exactly */
};

struct md_pth {
    size_t count;
    struct md_pth_tensor *tensors; /* in the file's order */
};

int md_pth_read(const char *path, struct md_pth *checkpoint, struct md_error *error);
void md_pth_free(struct md_pth *checkpoint);

#endif
