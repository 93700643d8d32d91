/* Folders whose pictures and depths are named by the time they were taken at, as TUM's RGB-D
 * recordings: a camera of its own for each, so that no two names are the same. */
#ifndef MD_DATASETS_ASSOCIATE_H
#define MD_DATASETS_ASSOCIATE_H

#include "../base/namelist.h"

/* Pairs what is in the folder: by associations.txt ("TIME rgb/FILE TIME depth/FILE", in either
 * order); else by the times in rgb.txt and depth.txt ("TIME PATH") when both are there; else by the
 * names in rgb/ and depth/ when all in rgb/ are times in seconds (1305031102.175304.png). '#'
 * begins a comment in the files. By times, as TUM's associate.py: of all pairs less than 0.02 s
 * apart the nearest first, each picture and depth once.
 *
 * Appends the paths of each picture and its depth, relative to the folder, one behind the other;
 * and to `lists` the names of the files that were read. `found`: whether it is such a folder. */
int md_associate(const char *folder, struct md_names *pairs, struct md_names *lists, int *found,
                 struct md_error *error);

#endif
