/* Finished runs, put into groups by keys of their configs: what `query`, `table` and `plot` show.
 *
 *   struct md_runs runs = {0};
 *   md_runs_read(&runs, "a.h5", error);             as many as there are
 *   md_runs_filter(&runs, filters);                 those that pass
 *   md_groups_make(&runs, "policy,lr", &groups, error);
 *   measure = md_group_measure(&groups.groups[0], &quantity);
 *   md_groups_free(&groups);
 *   md_runs_free(&runs);
 */
#ifndef MD_RESULTS_GROUPS_H
#define MD_RESULTS_GROUPS_H

#include "../base/namelist.h"
#include "filter.h"
#include "quantity.h"

/* A finished run, and the file it is in. */
struct md_finished_run {
    char *path; /* owned */
    struct md_cell cell;
};

struct md_runs {
    struct md_finished_run **runs; /* owned, and so is each */
    size_t count, capacity;
    size_t refused; /* files that are no whole cells, folders that cannot be read */
    /* What one should know of what is shown: runs that are there twice, mixtures, diverged runs;
     * sentences. A path may be any bytes, so these may too. */
    struct md_names notes;
    /* Words that the grids of the sweeps have, "KEY VALUE" (KEY: md_config_key), in their order. */
    struct md_names words;
};

/* Adds a copy of a cell. */
int md_runs_add(struct md_runs *runs, const char *path, const struct md_cell *cell,
                struct md_error *error);

/* Adds the cell in a file; or the cells in a folder (NAME.h5) and in the sweeps at any depth below
 * it, folder by folder, each in the order of the names. A file that is no whole cell, or a folder
 * below that cannot be read, is a note and counts as refused; the others are there all the same. */
int md_runs_read(struct md_runs *runs, const char *path, struct md_error *error);

void md_runs_free(struct md_runs *runs);

/* Adds to the notes. */
int md_runs_note(struct md_runs *runs, struct md_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Fails when some of what was read is no whole cell. */
int md_runs_check(const struct md_runs *runs, struct md_error *error);

/* Leaves those runs that pass the filters, in their order; frees the others. */
void md_runs_filter(struct md_runs *runs, const struct md_filters *filters);

enum { MD_MOST_KEYS = 64, MD_GROUP_LABEL_SIZE = 200 };

/* Runs that are equal in every key of the groups. */
struct md_group {
    struct md_finished_run *const *runs; /* in the order they were given; not owned */
    size_t count, diverged;
    /* The group's values in words, "bf16 lr=0.01", without defaults that nearly all groups have. */
    char label[MD_GROUP_LABEL_SIZE];
};

struct md_groups {
    int keys[MD_MOST_KEYS], key_count; /* of the config (md_config_key), that make the groups */
    struct md_group *groups;           /* owned; sorted by the keys, the first one first: numbers
                                          upwards, words as the sweeps list them, which have them */
    size_t count;
};

/* Drops runs that are there twice (they would pass for other seeds), sorts the rest by the keys
 * and makes the groups; `runs` must stay as it is while they are used. `by`: keys with commas
 * between; NULL: every key in which the runs differ, but the seed; "": none. A key that there is
 * not is MD_USAGE. Notes: runs that are there twice, different data, weights or versions of the
 * code, a group whose runs differ in more than their seeds or have diverged, depths of several
 * kinds. Freed with md_groups_free, after a failure too. */
int md_groups_make(struct md_runs *runs, const char *by, struct md_groups *groups,
                   struct md_error *error);
void md_groups_free(struct md_groups *groups);

/* The order of two groups made by the same keys of runs that know the same words. */
int md_groups_order(const struct md_runs *runs, const struct md_groups *groups,
                    const struct md_group *a, const struct md_group *b);

/* A quantity over the runs of a group that have one (md_quantity_of). */
struct md_measure {
    size_t count;
    double mean;      /* NaN: no run has it */
    double deviation; /* of a sample, with count - 1 below; NaN for fewer than two */
};
struct md_measure md_group_measure(const struct md_group *group,
                                   const struct md_quantity *quantity);

#endif
