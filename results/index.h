/* An index of the cells in a folder, so that a question about thousands of them need not open
 * thousands of files: FOLDER/index.sqlite, an SQLite database that anyone may read, and delete at
 * any moment. It is a copy, the cells are what counts: an entry holds as long as its file's size,
 * inode and times are what they were, other files are read again, and the file is put in place
 * whole, or not at all where the folder cannot be written. Nobody waits for a lock on it.
 *
 *   cells      one row per cell. file (its name in the folder), size_bytes, inode, modified_ns,
 *              changed_ns, read_ns (nanoseconds since 1970: the file's times, and when it was
 * read), config (its YAML), and every other field of struct md_cell under its name settings (file,
 * key, value): each key of the config, in words metrics    (file, predictor, cap_m, images,
 * without_truth, rmse, abs_rel, ...): predictor is 'before', 'after' or 'dummy'; on the test split,
 * up to a depth of cap_m. NULL: NaN
 *
 *   sqlite3 FOLDER/index.sqlite "SELECT value, avg(rmse) FROM settings JOIN metrics USING (file)
 *       WHERE key = 'policy' AND predictor = 'after' GROUP BY value"
 *
 * user_version and application_id are a checksum of the file: one that was damaged, or changed by
 * somebody else, is made again. */
#ifndef MD_RESULTS_INDEX_H
#define MD_RESULTS_INDEX_H

#include "cell.h"

/* What is done with a file; `cell` is NULL when it is no whole cell, and `problem` says why. */
typedef int md_use_cell(void *context, const char *path, const struct md_cell *cell,
                        const struct md_error *problem, struct md_error *error);

/* Calls `use` for each FOLDER/NAME.h5 in the order of their names, until it fails. What else lies
 * in the folder (checkpoints, unfinished files, errors) is none of these. */
int md_index_each(const char *folder, md_use_cell *use, void *context, struct md_error *error);

#endif
