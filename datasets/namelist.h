/* Names: what lies in a folder, what a split asks for. */
#ifndef MD_DATASETS_NAMELIST_H
#define MD_DATASETS_NAMELIST_H

#include <stddef.h>

#include "error.h"

struct md_names {
    size_t count, capacity;
    char **names; /* owned, and so is each */
};

/* Appends a copy. On failure too what is in `names` stays and is the caller's to free. */
int md_names_add(struct md_names *names, const char *name, struct md_error *error);

void md_names_free(struct md_names *names);

/* Appends what lies in the folder, in the order of strcmp, whatever its kind; not what begins with
 * a dot. */
int md_names_of_folder(const char *path, struct md_names *names, struct md_error *error);

/* Calls `use` for each name that `split` holds, until it fails: "A", or "A,B,C" with commas
 * between, or "@FILE" with one a line, where '#' begins a comment and blank lines are skipped.
 * White space round a name and slashes at its end are no part of it. An empty name, one that comes
 * twice, and a file without a name are failures. */
int md_split_each(const char *split,
                  int (*use)(void *context, const char *name, struct md_error *error),
                  void *context, struct md_error *error);

/* Fails with MD_USAGE unless `split` can be the name of what is written for it: letters, digits, _
 * and -. */
int md_split_check_name(const char *split, struct md_error *error);

#endif
