/* Weights for other programs: a PyTorch checkpoint, NumPy arrays, a header for firmware, an ONNX
 * model. */
#ifndef MD_RESULTS_EXPORT_H
#define MD_RESULTS_EXPORT_H

#include "weights.h"

/* The types that values can be stored in, "float32", "bfloat16", NULL. */
enum md_export_type { MD_EXPORT_FLOAT32, MD_EXPORT_BFLOAT16 };
extern const char *const md_export_types[];

/* Writes the weights of `network` (md_parameter_total values, parameter order) in the form that the
 * ending of `path` says, whole or not at all; equal weights make equal files:
 *
 * .pth  a state dict with the names of the published checkpoints, for torch.load with weights_only
 * .npz  an array of float32 for each of these names, for numpy.load
 * .h    a struct of constant arrays in C, in parameter order without gaps
 * .onnx the network with its weights, from picture to disparity (onnx.h)
 *
 * float32 keeps every bit; bfloat16 is the nearest value, ties to even. MD_USAGE when the ending is
 * none of these or the form has no such type. */
int md_weights_export(const char *path, const struct md_network *network, const float *values,
                      const struct md_weights_info *info, enum md_export_type type,
                      struct md_error *error);

/* How many of `count` values are no bfloat16, so that bfloat16 rounds them. */
size_t md_export_rounded(const float *values, size_t count);

#endif
