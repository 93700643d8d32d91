/* Writing the micro layout (NETWORK tables of the release): see micro.c. */
#ifndef MD_DATASETS_MICRO_H
#define MD_DATASETS_MICRO_H

#include "dataset.h"

/* Writes `dataset` as ROOT/SPLIT.csv (img,depth,disp,fb, no header, paths relative to ROOT) with
 * ROOT/SPLIT/{img/N.png, depth/N.npy, disp/N.npy, fb/N.npy}. Creates folders; files
 * that are there are replaced with `force` only. SPLIT.csv is written last, by renaming, so that a
 * broken export, or one that `watch` (NULL: nobody) has ended, is never taken for a whole one. No
 * value: depth is written as 0, disparity as -1. */
int md_micro_write(const struct md_dataset *dataset, const char *root, const char *split, int force,
                   const struct md_watch *watch, struct md_error *error);

#endif
