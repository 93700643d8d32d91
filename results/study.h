/* A named table or figure of results, as a YAML file says what is in it:
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
 * errors that name file, line and key. `title`, `config`, `cells`, `rows` and `show` must be there;
 * without `published` no row has anything beside it, without `figure` there is none to draw. */
#ifndef MD_RESULTS_STUDY_H
#define MD_RESULTS_STUDY_H

#include "../datasets/namelist.h"
#include "../experiments/train.h"

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

struct md_study {
    char name[64]; /* of the file, without folder and ending */
    char title[200], caption[2000], config[1024], cells[1024];
    struct md_names where, published, rows, show, beside;
    struct {
        int kind; /* enum md_figure_kind */
        char x[64], y[64], x_title[100], y_title[100];
        struct md_names series;
    } figure;
};

/* Reads a study: NAME is MD_STUDY_FOLDER/NAME.yaml; a name with a slash is a file's path. To be
 * freed, after a failure too. */
#define MD_STUDY_FOLDER "paper/studies"
int md_study_read(const char *name, struct md_study *study, struct md_error *error);
void md_study_free(struct md_study *study);

/* The value of an epoch that the figure's `y` names. */
double md_study_epoch(const struct md_study *study, const struct md_epoch *epoch);

/* Names with commas between, as md_groups_make takes keys; cut when they are too long. */
void md_study_join(const struct md_names *names, char *text, size_t size);

#endif
