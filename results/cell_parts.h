/* What cells and checkpoints share. Internal to this room. */
#ifndef MD_RESULTS_CELL_PARTS_H
#define MD_RESULTS_CELL_PARTS_H

#include "../datasets/h5.h"
#include "cell.h"

#define MD_CELL_KIND       "mudepth cell"
#define MD_CHECKPOINT_KIND "mudepth checkpoint"
enum { MD_CELL_LAYOUT = 5, MD_CELL_CONFIG_SIZE = 32768 };

/* A file that is written or read; remembers its first failure, so that a list of values reads as a
 * list. */
struct md_pen {
    hid_t file;
    struct md_error *error;
    int status, reads;
};

/* Opens a cell or checkpoint, whose kind, layout and identity are read. After MD_OK it must be
 * closed, which gives pen->status. */
int md_pen_open(const char *path, const char *kind, struct md_pen *pen, char identity[33],
                struct md_error *error);
int md_pen_close(struct md_pen *pen);

/* Written only. */
void md_pen_group(struct md_pen *pen, const char *name);
void md_pen_text(struct md_pen *pen, const char *object, const char *name, const char *value);

/* Written or read, so that both go through one list. Integers that are read must be within
 * low .. high. */
void md_pass_text(struct md_pen *pen, const char *object, const char *name, size_t size,
                  char *value);
void md_pass_integer(struct md_pen *pen, const char *object, const char *name, long long low,
                     long long high, long long *value);
void md_pass_real(struct md_pen *pen, const char *object, const char *name, double *value);
void md_pass_array(struct md_pen *pen, const char *name, hid_t type, size_t count, void *values);

/* All of md_cell_attributes; written, with their groups. */
void md_pass_attributes(struct md_pen *pen, struct md_cell *cell);

/* Writes the attributes of /, /config's yaml and /data. */
void md_pen_head(struct md_pen *pen, const char *kind, const struct md_run *run,
                 const char *identity);

/* The tables of the epochs that are completed and of the steps. Taking one returns how many rows
 * there are: at most `most`, for which there is room. */
void md_pen_epochs(struct md_pen *pen, const char *name, const struct md_run *run);
size_t md_take_epochs(struct md_pen *pen, const char *name, size_t most, struct md_epoch *history);
void md_pen_steps(struct md_pen *pen, const char *name, const struct md_run *run);
size_t md_take_steps(struct md_pen *pen, const char *name, size_t most, struct md_step_row *steps);

/* The scores of cell->config's caps in the table `name` into cell->scores. */
void md_take_scores(struct md_pen *pen, const char *name, struct md_cell *cell);

#endif
