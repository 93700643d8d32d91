/* What grid.c and grid_read.c share. */
#ifndef MD_EXPERIMENTS_GRID_INTERNAL_H
#define MD_EXPERIMENTS_GRID_INTERNAL_H

#include "grid.h"

/* When all cells have their configs: finds the keys in which they differ, drops those that are
 * there already, and gives the rest their hashes and names and the grid its hash. */
int md_grid_identify(struct md_grid *grid, struct md_error *error);

/* Whether the values of this key of the config are lists. */
int md_grid_takes_lists(const char *name);

#endif
