/* What a reader ignores: files in the folders where it looks for samples, folders in the root,
 * columns. `mudepth data info` and `verify` report it, so that nothing is ignored in silence. */
#ifndef MD_DATASETS_UNUSED_H
#define MD_DATASETS_UNUSED_H

#include <stddef.h>

enum md_unused_why {
    MD_UNUSED_ENDING,  /* a file whose ending the reader does not take */
    MD_UNUSED_NAME,    /* one that it takes, of a name that stands for nothing */
    MD_UNUSED_PICTURE, /* a picture that has no depth */
    MD_UNUSED_DEPTH,   /* a depth that has no picture */
    MD_UNUSED_ZONES,   /* a picture with fewer valid zones than spec.min_zones */
    MD_UNUSED_FILES,
    MD_UNUSED_FOLDER = MD_UNUSED_FILES, /* without the file that makes it a recording */
    MD_UNUSED_COLUMN,
    MD_UNUSED_WHYS
};

enum { MD_UNUSED_SHOWN = 160 };
struct md_unused {
    size_t count[MD_UNUSED_WHYS];
    char shown[MD_UNUSED_WHYS][MD_UNUSED_SHOWN]; /* some names (of endings: each once) */
};

/* Counts a file, folder or column; `name` is relative to the root. */
void md_unused_add(struct md_unused *unused, enum md_unused_why why, const char *name);

/* "2 files with other endings", "1 picture without a depth": what `count` of them are called. */
const char *md_unused_what(const struct md_unused *unused, enum md_unused_why why);

#endif
