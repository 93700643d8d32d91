/* A data set as one file, so that it need not be decoded again. */
#ifndef MD_DATASETS_CACHE_H
#define MD_DATASETS_CACHE_H

#include "dataset.h"

/* Writes `dataset` as FOLDER/SPLIT.h5, whole or not at all; a file that is there is replaced with
 * `force` only. The set "cache" reads it again, to the same samples and digest. FOLDER is there.
 * Layout, for n samples, all of one label shape (others are refused) and either all or none with a
 * right view:
 *
 *     picture (n, 3, height, width) uint8      depth_m, disparity (n, depth_height, depth_width)
 *     fb (n)                                   name: the names' bytes, each ended by a line feed
 *     truth_shape (n, 2) int32, truth_m: all values one behind the other; (0, 0): none
 *     right_picture, right_depth_m, right_disparity, when there is a right view
 *     attributes: data_digest; max_depth_m, the range of the labels; depth_kinds, where there are
 *         several; checksum, XXH3-128 over max_depth_m and all arrays in this order */
int md_cache_write(const struct md_dataset *dataset, const char *folder, const char *split,
                   int force, struct md_error *error);

#endif
