/* An index of the cells in a folder, so that a question about thousands of them need not open
 * thousands of files: FOLDER/index.sqlite, an SQLite database that anyone may read, and delete at
 * any moment. It is a copy, the cells are what counts: what it says of a file holds as long as the
 * file's size, inode and times are what they were; other files are read again. It is put in place
 * whole; where the folder cannot be written there is none, and all cells are read. No lock is taken
 * or waited for.
 *
 *   cells      a row per cell: cell (its number), file (in the folder), size_bytes, inode,
 *              modified_ns, changed_ns, read_ns (nanoseconds since 1970: of the file, and when it
 *              was read), identity, {train,val,test}_{digest,samples}, run_digest, and every
 *              attribute of /provenance and /training (cell.h) under its name, but
 *              training_wall_seconds and training_cpu_seconds; config (YAML, in full)
 *   settings   cell, key, value: every key of the config
 *   metrics    cell, cap (0: the first), predictor (before, after, dummy), cap_m, images,
 *              without_truth, abs_rel, sq_rel, rmse_m, ...: on the test split; NULL is NaN
 *
 *   sqlite3 FOLDER/index.sqlite "SELECT value, count(*), avg(rmse_m)
 *       FROM settings JOIN metrics USING (cell)
 *       WHERE key = 'policy' AND predictor = 'after' AND cap = 0 GROUP BY value"
 *
 * The database's user_version and application_id are a checksum over the rest of the file: one that
 * was damaged, or changed by another hand, is made again. */
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
