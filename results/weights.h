/* Weights files: our own HDF5 form, and the published PyTorch checkpoints.
 *
 * Ours: one float32 data set per parameter under /weights, named as in the checkpoints
 * ("/weights/encoder.conv0.weight"), and attributes of /weights: network, source, command,
 * code_version, stored_as, digest. A result cell holds the same group, so a cell is a weights file
 * too. */
#ifndef MD_RESULTS_WEIGHTS_H
#define MD_RESULTS_WEIGHTS_H

#include "../base/error.h"
#include "../base/h5.h"
#include "../core/network.h"

struct md_weights_info {
    char network[32];
    char source[1100];  /* the file they were imported from, or what trained them */
    char command[1100]; /* how to make this file again */
    char code_version[64];
    char stored_as[16]; /* "float32" or "bfloat16": what the original file held */
    char digest[33];    /* XXH3-128 of the float32 values in parameter order, in hex */
};

/* Reads the weights of `network` from `path` (HDF5 or .pth, told by the first bytes) into `values`
 * (md_parameter_total elements, parameter order). `info` may be NULL. Errors name the file and
 * the tensor, with the shape or type expected and found. */
int md_weights_read(const char *path, const struct md_network *network, float *values,
                    struct md_weights_info *info, struct md_error *error);

/* Finds out which network the weights in `path` belong to: by the attribute in an HDF5 file, by
 * the shapes in a .pth. */
int md_weights_network(const char *path, const struct md_network **network, struct md_error *error);

/* Writes /weights into an open file (info->digest is computed here). */
int md_weights_store(hid_t file, const struct md_network *network, const float *values,
                     const struct md_weights_info *info, struct md_error *error);

/* Writes a weights file of its own, whole or not at all. */
int md_weights_write(const char *path, const struct md_network *network, const float *values,
                     const struct md_weights_info *info, struct md_error *error);

/* XXH3-128 of `count` floats, as 32 hex digits and a zero. */
void md_weights_digest(const float *values, size_t count, char digest[33]);

#endif
