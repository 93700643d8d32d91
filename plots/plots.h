/* Figures, drawn by a gnuplot process. The file's ending chooses the form: .png, .svg or
 * .pdf. Each is written to a temporary name and renamed, and fails when gnuplot is missing or
 * complains. */
#ifndef MD_PLOTS_PLOTS_H
#define MD_PLOTS_PLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"
#include "../core/plan.h"
#include "../experiments/train.h"

/* A contact sheet: a row per sample, its picture and then depth maps of any size. */
enum { MD_SHEET_MAPS = 4 };
struct md_sheet_row {
    const char *caption;
    const uint8_t *picture; /* (3, height, width) */
    struct md_sheet_map {
        const float *depth_m; /* (height, width), metres, <= 0 or NaN: no value */
        int height, width;
    } maps[MD_SHEET_MAPS];
};
struct md_sheet {
    const char *title;
    const char *map_titles[MD_SHEET_MAPS];
    int map_count; /* at most MD_SHEET_MAPS */
    const struct md_sheet_row *rows;
    size_t count;       /* at most 64 */
    int height, width;  /* of every picture */
    double max_depth_m; /* the end of the colours */
};

/* Draws it with one colour bar in metres from 0 to max_depth_m; what lies beyond, and no value,
 * have a colour and a word of their own. A map is drawn as large as the picture. */
int md_plot_contact_sheet(const char *path, const struct md_sheet *sheet, struct md_error *error);

/* What a training left behind. A training loss that is NaN or infinite is a mark at the upper edge,
 * another such value is left out. */
struct md_loss_curve {
    const char *title;
    size_t epochs;
    const struct md_epoch *history; /* of epochs 1 .. epochs */
    double rmse_before_m, rmse_dummy_m;
    size_t step_rows, steps_a_row; /* losses of single steps, or means of so many */
    const struct md_step_row *steps;
    int steps_an_epoch;
};

/* Training and validation loss (left axis) and validation RMSE (right axis, metres) over the
 * epochs, the losses of the steps behind them; `rmse_before_m` stands at epoch 0, `rmse_dummy_m` is
 * a dashed line. */
int md_plot_loss_curve(const char *path, const struct md_loss_curve *curve, struct md_error *error);

/* Relative errors between two runs: by_step is (steps, kinds), by_layer (layers, kinds). A 0 is not
 * drawn; NaN and infinity are marks at the upper edge. */
struct md_error_growth {
    const char *title;
    size_t kinds; /* of tensors, at most 4 */
    const char *const *kind_names;
    size_t steps;
    const double *by_step;
    size_t layers;
    const char *const *layer_names; /* without quotes */
    const double *by_layer;
};

/* The relative errors over the steps (left) and by layer (right). */
int md_plot_error_growth(const char *path, const struct md_error_growth *growth,
                         struct md_error *error);

/* Runs that differ in their seeds only, and the values they are compared with. */
struct md_dot_row {
    const char *label;
    const double *values; /* of each run; NaN: it came to nothing */
    size_t count;
    double mean; /* of the runs; NaN: none, as for the next three */
    double published, published_deviation, dummy;
};

/* RMSE of the runs of each group: a point a run, their mean as a bar (a stroke on a logarithmic
 * axis), the dummy predictor as a dashed line. Every value is on the axis; a run that came to
 * nothing is a mark at the upper edge. */
int md_plot_groups(const char *path, const char *title, const struct md_dot_row *groups,
                   size_t count, struct md_error *error);

/* Rows from top to bottom, values to the right: every run, the means, the published mean with its
 * standard deviation, the dummy predictor. Every value is on the axis; a run that came to nothing
 * is a mark at the right edge. At most 200 rows. */
int md_plot_dots(const char *path, const char *title, const char *axis,
                 const struct md_dot_row *rows, size_t count, struct md_error *error);

/* A series of points. */
struct md_point {
    double x, y, deviation; /* NaN: none */
    const char *name;       /* written above it; NULL: none */
};
struct md_series {
    const char *label;
    size_t count;
    const struct md_point *points;
    int style;        /* colour and shape; equal for what belongs together */
    int is_published; /* open shapes, dotted lines */
};

/* Series over x. joined: with lines between their points, which are to be in order. A NaN of x or y
 * is left out; there must be something left. */
struct md_series_plot {
    const char *title, *x_axis, *y_axis;
    int is_joined;
    const struct md_series *series;
    size_t count; /* at most 32 */
};
int md_plot_series(const char *path, const struct md_series_plot *plot, struct md_error *error);

/* The colour (sRGB) of a depth in 0 .. max_depth_m: the scale of all our depth pictures, readable
 * in grey print and by colour-blind readers. Farther: vermillion. No value (<= 0 or NaN): grey. */
void md_depth_colour(double depth_m, double max_depth_m, uint8_t rgb[3]);

/* Memory over a step: each buffer is a rectangle from the first to the last instruction that it is
 * live in (across) and from its first to behind its last byte (up, in kB of 1,000 bytes), in the
 * colour of its kind. The peak is a dashed line. */
int md_plot_memory(const char *path, const char *title, const struct md_setup *setup,
                   const struct md_plan *plan, struct md_error *error);

#endif
