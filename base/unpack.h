/* Unpacking what a data set is published as. */
#ifndef MD_BASE_UNPACK_H
#define MD_BASE_UNPACK_H

#include "error.h"
#include "watch.h"

struct md_unpacked {
    size_t files, folders;
    unsigned long long bytes;
};

/* Unpacks a tar archive, plain or through gzip, into `folder`, which must not be there; it appears
 * whole or not at all, and so do the folders above it. With `force` it may be there: files of the
 * archive's names are then replaced when all is unpacked, all of them or none, and others stay.
 * The archive is read once, from front to back.
 *
 * An archive may come from anywhere. It may hold files and folders with names below `folder`, each
 * once, and nothing else: absolute names, "..", links, devices, names that are there twice (also
 * when they are spelt differently), and what unpacks to more than MD_UNPACK_RATIO times its size
 * (and more than MD_UNPACK_SMALL bytes) are refused, with the archive and the name. Owners, rights
 * and times are not taken over. `watch` (may be NULL) may ask for an early end. */
enum { MD_UNPACK_RATIO = 200, MD_UNPACK_SMALL = 64 << 20 };
int md_unpack(const char *archive, const char *folder, int force, const struct md_watch *watch,
              struct md_unpacked *unpacked, struct md_error *error);

#endif
