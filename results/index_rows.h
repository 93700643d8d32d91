/* The database of an index: its tables, and cells as rows of them. Internal to this room: index.c
 * says which cells. */
#ifndef MD_RESULTS_INDEX_ROWS_H
#define MD_RESULTS_INDEX_ROWS_H

#include <sqlite3.h>

#include "../datasets/namelist.h"
#include "cell.h"

/* What tells whether a file is still the one that was read. Times in nanoseconds since 1970. */
struct md_stamp {
    long long size_bytes, inode, modified_ns, changed_ns;
    long long read_ns; /* when it was read */
};

enum md_index_statement {
    MD_FIND_CELL,
    MD_FIND_METRICS,
    MD_ADD_CELL,
    MD_ADD_SETTING,
    MD_ADD_METRICS,
    MD_DROP_CELL,
    MD_DROP_SETTINGS,
    MD_DROP_METRICS,
    MD_INDEX_STATEMENTS
};

/* A database in memory. When SQLite fails, which it does only without memory, `is_broken` is set,
 * there are no cells in it any more, and none can be added: it is only a copy. */
struct md_index_rows {
    sqlite3 *database;
    sqlite3_stmt *statements[MD_INDEX_STATEMENTS];
    int is_broken;
};

/* Opens an image of a database, as md_index_rows_image gave it; or an empty one when `image` is
 * NULL, or was made by another version of the code or for other tables. */
void md_index_rows_open(struct md_index_rows *rows, const unsigned char *image, size_t size);
void md_index_rows_close(struct md_index_rows *rows);

/* The database as bytes, to be released with sqlite3_free; NULL when it is broken. */
unsigned char *md_index_rows_image(struct md_index_rows *rows, size_t *size);

/* Reads the cell of a file; 0 when there is none. */
int md_index_rows_find(struct md_index_rows *rows, const char *file, struct md_stamp *stamp,
                       struct md_cell *cell);

/* Puts a cell there, in the place of the file's older one. */
void md_index_rows_add(struct md_index_rows *rows, const char *file, const struct md_stamp *stamp,
                       const struct md_cell *cell);

/* Drops the cells of files that are not among these, which are sorted; returns how many. */
int md_index_rows_keep(struct md_index_rows *rows, const struct md_names *files);

#endif
