#include "plots.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "gnuplot.h"

enum { WIDTH = 800, HEIGHT = 500, LOSS = 0, RMSE = 1 };

/* A value axis: from low to high, logarithmic when the values span more than a linear axis can
 * show. */
struct axis {
    double least, most; /* of the values seen; least > most: none yet */
    double low, high;
    int logarithmic;
};

static void see(struct axis *axis, double value) {
    if (!isfinite(value))
        return;
    axis->least = fmin(axis->least, value);
    axis->most = fmax(axis->most, value);
}

static void see_all(struct axis *axis, const double *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        see(axis, values[i]);
}

/* The two axes get different room above, or the first and largest values of both would often
 * coincide. */
static void choose_range(struct axis *axis, double room_above) {
    static const double widest_linear = 20.0, room_below = 0.15;
    if (axis->least > axis->most) {
        axis->least = 0.0;
        axis->most = 1.0;
    }
    axis->logarithmic = axis->least > 0.0 && axis->most > widest_linear * axis->least;
    double span = axis->most - axis->least, low = axis->least - room_below * span;
    axis->low = axis->logarithmic ? axis->least / 1.1 : axis->least >= 0.0 ? fmax(low, 0.0) : low;
    axis->high =
        axis->logarithmic ? axis->most * (1.0 + room_above) : axis->most + room_above * span;
    /* A constant must not fill the whole height with its rounding errors. */
    if (span < 0.05 * fabs(axis->most)) {
        axis->low = axis->least - 0.1 * fabs(axis->most);
        axis->high = axis->most + 0.1 * fabs(axis->most);
    }
    if (axis->low == axis->high)
        axis->high = axis->low + 1.0;
}

/* Marks of a logarithmic axis at 1, 2 and 5 times the powers of ten; gnuplot alone would mark
 * the powers only, which a short axis may not have. */
static void write_logarithmic_tics(FILE *script, const char *axis_name, const struct axis *axis) {
    static const double steps[] = {1.0, 2.0, 5.0};
    const char *separator = "";
    fprintf(script, "set logscale %s\nset %stics (", axis_name, axis_name);
    for (int power = (int)floor(log10(axis->low)); pow(10.0, power) <= axis->high; power++)
        for (int s = 0; s < 3; s++) {
            double value = steps[s] * pow(10.0, power);
            if (value < axis->low || value > axis->high)
                continue;
            fprintf(script, "%s'%g' %.9g", separator, value, value);
            separator = ", ";
        }
    fputs(")\n", script);
}

static void write_axis(FILE *script, const char *axis_name, const char *label,
                       const struct axis *axis) {
    fprintf(script, "set %slabel '%s'\nset %stics nomirror\nset %srange [%.17g:%.17g]\n", axis_name,
            label, axis_name, axis_name, axis->low, axis->high);
    if (axis->logarithmic)
        write_logarithmic_tics(script, axis_name, axis);
}

/* What is drawn: the columns of the data block, each with a colour (safe for colour-blind
 * readers: Okabe and Ito, "Color Universal Design", 2008), a dash type and a point of its own. */
static const struct series {
    const char *title;
    int axis;
    const char *style;
} series[] = {
    {"training loss", LOSS, "linespoints lc rgb '#0072b2' lw 2 dt 1 pt 7 ps 0.7"},
    {"validation loss", LOSS, "linespoints lc rgb '#d55e00' lw 2 dt 2 pt 5 ps 0.7"},
    {"validation RMSE", RMSE, "linespoints lc rgb '#009e73' lw 2 dt 4 pt 9 ps 0.9"},
};
enum { SERIES_COUNT = sizeof series / sizeof *series };

static int has_value(const double *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i]))
            return 1;
    return 0;
}

static void write_data(FILE *script, size_t epochs, const double *const values[SERIES_COUNT]) {
    fputs("$curves << END\n", script);
    for (size_t e = 0; e < epochs; e++) {
        fprintf(script, "%zu", e + 1);
        for (int s = 0; s < SERIES_COUNT; s++)
            if (isfinite(values[s][e]))
                fprintf(script, " %.17g", values[s][e]);
            else
                fputs(" NaN", script);
        fputs("\n", script);
    }
    fputs("END\n", script);
}

struct curves {
    size_t epochs;
    const double *values[SERIES_COUNT]; /* as in `series` */
    double rmse_before_m, rmse_dummy_m;
    struct axis axes[2];
};

static void choose_axes(struct curves *curves) {
    struct axis *rmse = &curves->axes[RMSE];
    curves->axes[LOSS] = *rmse = (struct axis){.least = DBL_MAX, .most = -DBL_MAX};
    for (int s = 0; s < SERIES_COUNT; s++)
        see_all(&curves->axes[series[s].axis], curves->values[s], curves->epochs);
    see(rmse, curves->rmse_dummy_m);
    /* RMSE before fine-tuning can be thirty times that after it, and would flatten the rest. */
    if (rmse->least > rmse->most || curves->rmse_before_m <= 2.0 * rmse->most)
        see(rmse, curves->rmse_before_m);
    choose_range(&curves->axes[LOSS], 0.08);
    choose_range(rmse, 0.2);
}

static void write_axes(FILE *script, const struct curves *curves) {
    fprintf(script, "set xlabel 'epoch'\nset xrange [%g:%g]\n", -0.02 * (double)curves->epochs,
            1.02 * (double)curves->epochs);
    fputs(curves->epochs <= 12 ? "set xtics 0,1 nomirror\n" : "set xtics autofreq nomirror\n",
          script);
    write_axis(script, "y", "loss", &curves->axes[LOSS]);
    write_axis(script, "y2", "RMSE (m)", &curves->axes[RMSE]);
    fputs("set border 11\nset grid x y lc rgb '#dddddd' lw 1 dt 1\n"
          "set bmargin at screen 0.24\nset key at screen 0.5,0.02 center bottom vertical maxrows 3 "
          "reverse Left samplen 4\n",
          script);
}

static void write_rmse_levels(FILE *script, const struct curves *curves) {
    const struct axis *axis = &curves->axes[RMSE];
    if (isfinite(curves->rmse_before_m)) {
        int beyond = curves->rmse_before_m > axis->high;
        fprintf(script,
                ", $before using 1:2 axes x1y2 with points lc rgb '#009e73' lw 2 pt %d ps 1.6 "
                "title 'RMSE before fine-tuning: %.3g m%s'",
                beyond ? 8 : 6, curves->rmse_before_m, beyond ? " \xe2\x86\x91" : "");
    }
    if (isfinite(curves->rmse_dummy_m))
        fprintf(script,
                ", %.17g axes x1y2 with lines lc rgb '#555555' lw 1.5 dt (14,7) "
                "title 'RMSE of dummy predictor: %.3g m'",
                curves->rmse_dummy_m, curves->rmse_dummy_m);
}

static void write_curves(FILE *script, const struct curves *curves) {
    /* About twenty points a curve; the lines go through all epochs. */
    size_t interval = 1 + curves->epochs / 20;
    write_data(script, curves->epochs, curves->values);
    fprintf(script, "$before << END\n0 %.17g\nEND\n",
            fmin(curves->rmse_before_m, curves->axes[RMSE].high));
    /* Without a single value there are still the axes. */
    fputs("plot NaN notitle", script);
    for (int s = 0; s < SERIES_COUNT; s++)
        if (has_value(curves->values[s], curves->epochs))
            fprintf(script, ", $curves using 1:%d axes x1y%d with %s pi %zu title '%s'", s + 2,
                    series[s].axis + 1, series[s].style, interval, series[s].title);
    write_rmse_levels(script, curves);
    fputs("\n", script);
}

int md_plot_loss_curve(const char *path, const char *title, size_t epochs, const double *train_loss,
                       const double *validation_loss, const double *validation_rmse_m,
                       double rmse_before_m, double rmse_dummy_m, struct md_error *error) {
    struct curves curves = {.epochs = epochs,
                            .values = {train_loss, validation_loss, validation_rmse_m},
                            .rmse_before_m = rmse_before_m,
                            .rmse_dummy_m = rmse_dummy_m};
    if (epochs < 1)
        return md_fail(error, MD_USAGE, "%s: no epochs to draw", path);
    struct md_gnuplot figure;
    int status = md_gnuplot_start(&figure, path, WIDTH, HEIGHT, error);
    if (status != MD_OK)
        return status;
    choose_axes(&curves);
    md_gnuplot_title(figure.script, title, WIDTH);
    write_axes(figure.script, &curves);
    write_curves(figure.script, &curves);
    return md_gnuplot_finish(&figure, error);
}
