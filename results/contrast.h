/* What a study compares: our runs beside the published ones, row by row. */
#ifndef MD_RESULTS_CONTRAST_H
#define MD_RESULTS_CONTRAST_H

#include "groups.h"
#include "study.h"

/* One quantity of the runs that have the row's keys in common. */
struct md_contrast_row {
    const struct md_config *config; /* of one of those runs */
    const struct md_quantity *quantity;
    const struct md_group *ours; /* NULL: none */
    struct md_measure measured, published;
    /* (our mean - published mean) / published standard deviation; NaN where one is missing or the
     * deviation is 0. */
    double difference;
    double before, dummy; /* our means of the other two predictors; NaN: no such thing */
};

struct md_contrast {
    const struct md_study *study; /* not owned, nor are the folders */
    int folder_count;
    char *const *folders; /* of our cells */
    struct md_runs ours, published;
    struct md_groups groups, published_groups;
    struct md_quantity *shown;    /* owned; as many as study->show has names */
    struct md_contrast_row *rows; /* owned; by the keys, then as study->show has the quantities */
    size_t count;
};

/* Reads the cells in the study's own folder, or in `folders` when there are any (or single cells),
 * and what was published, and puts them side by side. What should be known of them is in the notes
 * of contrast->ours. Without a single cell of ours it fails and says how they are made. To be
 * freed, after a failure too. */
int md_contrast_make(const struct md_study *study, int folder_count, char *const *folders,
                     struct md_contrast *contrast, struct md_error *error);
void md_contrast_free(struct md_contrast *contrast);

/* A sentence that says on what our runs ran, from their own configs; cut when it is too long. */
enum { MD_DATA_LINE_SIZE = 1200 };
void md_contrast_data_line(const struct md_contrast *contrast, char text[MD_DATA_LINE_SIZE]);

/* The study's title and, on a second line, in short the same, for a figure that may come to stand
 * by itself: "ours: synthetic world road instead of micro-kitti". */
void md_contrast_title(const struct md_contrast *contrast, char text[MD_DATA_LINE_SIZE]);

/* The values of a config for these keys, with blanks between: "tof8 d0". */
enum { MD_ROW_LABEL_SIZE = 200 };
void md_contrast_label(const struct md_config *config, const struct md_names *keys,
                       char text[MD_ROW_LABEL_SIZE]);

#endif
