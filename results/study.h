/* A study: our runs beside the published ones, row by row, for a table or a figure, as a YAML file
 * says what is in it:
 *
 *   title: Fine-tuning on KITTI, by what learns
 *   caption: Share of pixels within 25 % of the truth, ...
 *   config: configs/paper_kitti.yaml         the sweep that makes its cells
 *   cells: results/runs/kitti                and where they lie, when no other folder is named
 *   where: [weights!=scratch]                which of them (filter.h)
 *   published: [data.set=micro-kitti]        which rows of the release's logs stand beside them
 *   rows: [data.label, policy]               keys that make a row
 *   show: [delta1, rmse_m@15]                what was measured (quantity.h), each a row too
 *   beside: [parameters_learning]            columns of their own, our means
 *   figure:
 *     kind: dots                             dots, curve, points, losses or maps
 *     x: data.fraction                       curve, points: a key or a quantity
 *     series: [policy]                       curve, points: keys, a line or mark for each value
 *     y: validation_loss                     losses: or train_loss, validation_rmse_m
 *
 * Read strictly: an unknown, repeated or missing key, a wrong type and a name that there is not are
 * errors that name file, line, column and key. `title`, `config`, `cells`, `rows` and `show` must
 * be there; without `published` no row has anything beside it, without `figure` there is none to
 * draw. */
#ifndef MD_RESULTS_STUDY_H
#define MD_RESULTS_STUDY_H

#include "groups.h"

/* dots: every run of every row that shows the same metric as the first, the means, what was
 * published. curve, points: the first of `show` over x, joined by lines or named. losses: `y` over
 * the epochs, a line for each row. maps: depth of some test samples, a column for the first run of
 * each row. */
enum md_figure_kind {
    MD_FIGURE_NONE,
    MD_FIGURE_DOTS,
    MD_FIGURE_CURVE,
    MD_FIGURE_POINTS,
    MD_FIGURE_LOSSES,
    MD_FIGURE_MAPS
};

/* One quantity of the runs that have the row's keys in common. */
struct md_study_row {
    const struct md_config *config; /* of one of those runs */
    const struct md_quantity *quantity;
    const struct md_group *ours; /* NULL: none */
    struct md_measure measured, published;
    /* (our mean - published mean) / published standard deviation; NaN where one is missing or the
     * deviation is 0. */
    double difference;
    double before, dummy; /* our means of the other two predictors; NaN: no such thing */
};

struct md_study {
    char name[64]; /* of the file, without folder and ending */
    char title[200], caption[2000], config[1024], cells[1024];
    struct md_names where, where_published, show, beside;
    struct md_names keys; /* that make a row: `rows` in the file */
    struct {
        int kind; /* enum md_figure_kind */
        char x[64], y[64], x_title[100], y_title[100];
        struct md_names series;
    } figure;
    /* What md_study_compare found. */
    struct md_runs ours, published;
    struct md_groups groups, published_groups;
    struct md_quantity *shown; /* owned; as many as `show` has names */
    struct md_study_row *rows; /* owned; by the keys, then as `show` has the quantities */
    size_t count;
};

/* Reads a study: NAME is MD_STUDY_FOLDER/NAME.yaml; a name with a slash is a file's path. To be
 * freed, after a failure too. */
#define MD_STUDY_FOLDER "paper/studies"
int md_study_read(const char *name, struct md_study *study, struct md_error *error);
void md_study_free(struct md_study *study);

/* Appends the names of the studies that are there, sorted. */
int md_studies_list(struct md_names *names, struct md_error *error);

/* Reads the cells in the study's own folder, or in `folders` when there are any (or single cells),
 * and what was published, and puts them side by side. What should be known of them is in the notes
 * of study->ours. Without a single cell of ours it fails and says how they are made. */
int md_study_compare(struct md_study *study, int folder_count, char *const *folders,
                     struct md_error *error);

/* A sentence that says on what our runs ran, from their own configs; cut when it is too long. */
enum { MD_DATA_LINE_SIZE = 1200 };
void md_study_data_line(const struct md_study *study, char text[MD_DATA_LINE_SIZE]);

/* The study's title and, on a second line, in short the same, for a figure that may come to stand
 * by itself: "ours: synthetic world road instead of micro-kitti". */
void md_study_title(const struct md_study *study, char text[MD_DATA_LINE_SIZE]);

/* The values of a config for these keys, with blanks between: "tof8 d0". */
enum { MD_ROW_LABEL_SIZE = 200 };
void md_study_label(const struct md_config *config, const struct md_names *keys,
                    char text[MD_ROW_LABEL_SIZE]);

/* The value of an epoch that the figure's `y` names (md_epoch_value); 0, the learning rate, is
 * none.
 */
int md_study_column(const struct md_study *study);

/* Names with commas between, as md_groups_make takes keys; cut when they are too long. */
void md_study_join(const struct md_names *names, char *text, size_t size);

/* Adds the runs that were published, in a CSV file of our own form (paper/published/README.md), so
 * that they can be filtered, grouped and measured like our own. The first line names the columns:
 * keys of a config, `run` (becomes the seed), `cap_m`, and metrics as in a cell (rmse_m, delta1,
 * ...). Lines that differ in nothing but cap_m and metrics are one run; the first one's cap is its
 * primary one. An empty value: the key's default, no cap, no metric. What was not published
 * (before, dummy, digests, times) is NaN, empty or 0. A wrong column, value or number of values is
 * MD_FAILED and names the line. */
#define MD_PUBLISHED_FILE "paper/published/release.csv"
int md_published_read(const char *path, struct md_runs *runs, struct md_error *error);

#endif
