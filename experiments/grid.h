/* A sweep's cells: every config that a sweep file describes, checked before the first one runs.
 *
 * A sweep file is a config with these keys more:
 *
 *   sweep:                   # a cell for every combination of values
 *     policy: [d0, e+d0, full]
 *     data.fraction: [10, 100]
 *     seed: 0..4             # whole numbers; also inside a list: [0..2, 7]
 *   also:                    # more cells, each a mapping; what has several values is combined too
 *     - {policy: full, lr: 0.01, seed: 0..4}
 *   except:                  # a cell that has all values of one of these is left out
 *     - {policy: full, data.fraction: 100}
 *   grid: HASH               # in frozen files: what the cells must hash to
 *
 * On the command line policy=d0,full seed=0..4 are axes too, of every cell of the file; of a file
 * without sweep and also, of its single one.
 *
 * Keys of one cell: the file's own, then the cell's, then those of the command line, which win. A
 * list as a value (augment, cap_m) is a list in the list. A combination in which a key of the cell
 * has no effect (momentum: 0.9 with optimizer: adam) is an error that names the cell, before the
 * first one runs: `except` leaves such cells out, or they stand in `also`. A cell that does not fit
 * into its budget_kb is none: it is marked as such, and the others go on. A key of the file that
 * has no effect in a cell (momentum, where the cell sets optimizer: adam) has its default there. */
#ifndef MD_EXPERIMENTS_GRID_H
#define MD_EXPERIMENTS_GRID_H

#include "../base/digest.h"
#include "config.h"

enum { MD_MOST_CELLS = 10000, MD_CELL_NAME_SIZE = 96, MD_SETTINGS_SIZE = 400 };

struct md_grid_cell {
    struct md_config config;
    char hash[MD_DIGEST_SIZE];    /* of what decides the results, as far as the config has it */
    char name[MD_CELL_NAME_SIZE]; /* for files: the settings in short and 12 digits of the hash */
    size_t needs_bytes;           /* 0: its step fits into budget_kb; otherwise the least it needs:
                                   * the cell is there to be seen, and never run */
};

struct md_grid {
    size_t count, capacity;
    struct md_grid_cell *cells; /* owned */
    size_t excluded, repeated;  /* cells that were left out, and that were there already */
    int *keys;                  /* owned: the numbers of the keys in which cells differ */
    int key_count;
    char hash[MD_DIGEST_SIZE]; /* of the cells' hashes, in any order */
};

/* Reads the file with these overrides. Every cell is a whole config; of cells with equal hashes the
 * first stays. (Equal runs with other budgets are one cell, but not those that do not fit.) Files,
 * weights and data alike, are not looked at: two cells are different when they name different ones.
 * On failure nothing is left to free. */
int md_grid_read(const char *path, int override_count, char *const *overrides, struct md_grid *grid,
                 struct md_error *error);
void md_grid_free(struct md_grid *grid);

/* The settings in which the cell differs from others: "policy=d0 seed=3"; cut when it is too long.
 */
void md_grid_settings(const struct md_grid *grid, size_t cell, char text[MD_SETTINGS_SIZE]);

/* The grid as a sweep file that gives the same cells again, with its hash; to be freed. NULL: out
 * of memory. */
char *md_grid_format(const struct md_grid *grid);

#endif
