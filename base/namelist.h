/* Names: what lies in a folder, what a split asks for. */
#ifndef MD_BASE_NAMELIST_H
#define MD_BASE_NAMELIST_H

#include <stddef.h>

#include "error.h"

struct md_names {
    size_t count, capacity;
    char **names; /* owned, and so is each */
};

/* Appends a copy. On failure too what is in `names` stays and is the caller's to free. */
int md_names_add(struct md_names *names, const char *name, struct md_error *error);

void md_names_free(struct md_names *names);

/* Sorts those from number `first` on in the order of strcmp. */
void md_names_sort(struct md_names *names, size_t first);

/* Whether `name` is among names that are sorted. */
int md_names_have(const struct md_names *names, const char *name);

/* Appends what lies in the folder, sorted, whatever its kind; not what begins with a dot. */
int md_names_of_folder(const char *path, struct md_names *names, struct md_error *error);

/* Of names that are ended by NULL: the number of `text` among them, or -1; and all in one text,
 * with commas between and `last` (", " or " or ") before the last one. */
int md_find_name(const char *const *names, const char *text);
void md_join_names(const char *const *names, const char *last, char *text, size_t size);

/* What is done with a name, which it may change and must not keep. */
typedef int md_use_name(void *context, char *name, struct md_error *error);

/* Calls `use` for each name of a text file, one a line, until it fails. '#' at the start of a line
 * or behind white space begins a comment, elsewhere it is part of the name; blank lines are
 * skipped. White space round a name is no part of it. A file without a name is a failure. Errors of
 * `use` get the line. */
int md_names_each_line(const char *path, md_use_name *use, void *context, struct md_error *error);

/* The same for a list with commas between, in which an empty name is a failure. */
int md_names_each(const char *list, md_use_name *use, void *context, struct md_error *error);

/* The same for what `split` names: "A", or "A,B,C", or "@FILE". Slashes at the end of a name are no
 * part of it. One that comes twice is a failure. */
int md_split_each(const char *split, md_use_name *use, void *context, struct md_error *error);

/* Fails with MD_USAGE unless `split` can be the name of what is written for it: letters, digits, _
 * and -. */
int md_split_check_name(const char *split, struct md_error *error);

#endif
