/* What cells and checkpoints share. Internal to results/. */
#ifndef MD_RESULTS_CELL_PARTS_H
#define MD_RESULTS_CELL_PARTS_H

#include "../base/h5.h"
#include "cell.h"

#define MD_CELL_KIND       "mudepth cell"
#define MD_CHECKPOINT_KIND "mudepth checkpoint"
enum { MD_CELL_LAYOUT = 6, MD_CELL_CONFIG_SIZE = 32768 };

/* A file that is written or read; remembers its first failure, so that a list of values reads as a
 * list. */
struct md_archive {
    hid_t file;
    struct md_error *error;
    int status, reads;
};

/* Opens a cell or checkpoint, whose kind, layout and identity are read. After MD_OK it must be
 * closed, which gives ar->status. */
int md_archive_open(const char *path, const char *kind, struct md_archive *ar, char identity[33],
                    struct md_error *error);
int md_archive_close(struct md_archive *ar);

/* Written only. */
void md_archive_group(struct md_archive *ar, const char *name);
void md_archive_write_text(struct md_archive *ar, const char *object, const char *name,
                           const char *value);

/* Written or read, so that both go through one list. Integers that are read must be within
 * low .. high. */
void md_archive_text(struct md_archive *ar, const char *object, const char *name, size_t size,
                     char *value);
void md_archive_integer(struct md_archive *ar, const char *object, const char *name, long long low,
                        long long high, long long *value);
void md_archive_real(struct md_archive *ar, const char *object, const char *name, double *value);
void md_archive_array(struct md_archive *ar, const char *name, hid_t type, size_t count,
                      void *values);

/* All of md_cell_attributes; written, with their groups. */
void md_archive_attributes(struct md_archive *ar, struct md_cell *cell);

/* Writes the attributes of /, /config's yaml and /data. */
void md_archive_write_head(struct md_archive *ar, const char *kind, const struct md_run *run,
                           const char *identity);

/* Rows of a table of one dimension; fails when there are more than `most`. */
size_t md_archive_rows(struct md_archive *ar, const char *name, size_t most);

/* The tables of the epochs that are completed and of the steps. Reading one returns how many rows
 * it has; more than `most`, the capacity of the array, are a failure. */
void md_archive_write_epochs(struct md_archive *ar, const char *name, const struct md_run *run);
size_t md_archive_read_epochs(struct md_archive *ar, const char *name, size_t most,
                              struct md_epoch *history);
void md_archive_write_steps(struct md_archive *ar, const char *name, const struct md_run *run);
size_t md_archive_read_steps(struct md_archive *ar, const char *name, size_t most,
                             struct md_step_row *steps);

/* The scores of cell->config's caps in the table `name` into cell->scores. */
void md_archive_read_scores(struct md_archive *ar, const char *name, struct md_cell *cell);

#endif
