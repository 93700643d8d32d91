#include "plots.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "axis.h"
#include "gnuplot.h"

enum { WIDTH = 800, PANEL_HEIGHT = 320, AXIS_HEIGHT = 52, LOSS = 0, RMSE = 1 };

static void write_axis(FILE *script, const char *name, const char *label,
                       const struct md_axis *axis) {
    fprintf(script, "set %slabel '%s'\nset %stics nomirror\n", name, label, name);
    md_axis_write(script, name, axis);
}

/* What is drawn: the columns of the data block, each with a colour (safe for colour-blind
 * readers: Okabe and Ito, "Color Universal Design", 2008), a dash type and a point of its own. */
static const struct series {
    const char *title;
    int axis;
    size_t offset; /* in struct md_epoch */
    const char *style;
} series[] = {
    {"training loss", LOSS, offsetof(struct md_epoch, train_loss),
     "linespoints lc rgb '#0072b2' lw 2 dt 1 pt 7 ps 0.7"},
    {"validation loss", LOSS, offsetof(struct md_epoch, validation_loss),
     "linespoints lc rgb '#d55e00' lw 2 dt 2 pt 5 ps 0.7"},
    {"validation RMSE", RMSE, offsetof(struct md_epoch, validation_rmse_m),
     "linespoints lc rgb '#009e73' lw 2 dt 4 pt 9 ps 0.9"},
};
enum { SERIES_COUNT = sizeof series / sizeof *series, TITLE_SIZE = 80 };

/* Titles of the legend; empty: not drawn. */
struct figure {
    const struct md_loss_curve *curve;
    struct md_axis axes[2];
    char steps[TITLE_SIZE], odd[TITLE_SIZE], before[TITLE_SIZE], dummy[TITLE_SIZE];
    struct md_legend legend;
};

static double value_of(const struct md_loss_curve *curve, int s, size_t epoch) {
    double value;
    memcpy(&value, (const char *)&curve->history[epoch] + series[s].offset, sizeof value);
    return value;
}

static size_t count_epochs(const struct md_loss_curve *curve, int s) {
    size_t found = 0;
    for (size_t e = 0; e < curve->epochs; e++)
        found += isfinite(value_of(curve, s, e)) != 0;
    return found;
}

static size_t count_steps(const struct md_loss_curve *curve) {
    size_t found = 0;
    for (size_t r = 0; r < curve->step_rows; r++)
        found += isfinite(curve->steps[r].train_loss) != 0;
    return found;
}

/* Where the row of steps ends, in epochs. */
static double place_of(const struct md_loss_curve *curve, size_t r) {
    return (double)curve->steps[r].step / curve->steps_an_epoch;
}

static void write_data(FILE *script, const struct figure *f) {
    const struct md_loss_curve *curve = f->curve;
    fputs("$curves << END\n", script);
    for (size_t e = 0; e < curve->epochs; e++) {
        fprintf(script, "%zu", e + 1);
        for (int s = 0; s < SERIES_COUNT; s++)
            if (isfinite(value_of(curve, s, e)))
                fprintf(script, " %.17g", value_of(curve, s, e));
            else
                fputs(" NaN", script);
        fputs("\n", script);
    }
    fputs("END\n$steps << END\n", script);
    for (size_t r = 0; r < curve->step_rows; r++)
        if (isfinite(curve->steps[r].train_loss))
            fprintf(script, "%.9g %.9g\n", place_of(curve, r), curve->steps[r].train_loss);
        else
            fputs("\n", script); /* a gap */
    fprintf(script, "NaN NaN\nEND\n$before << END\n0 %.17g\nEND\n$odd << END\n",
            fmin(curve->rmse_before_m, f->axes[RMSE].high));
    double edge = md_axis_value(&f->axes[LOSS], 0.98);
    for (size_t e = 0; e < curve->epochs; e++)
        if (!isfinite(curve->history[e].train_loss))
            fprintf(script, "%zu %.17g\n", e + 1, edge);
    for (size_t r = 0; r < curve->step_rows; r++)
        if (!isfinite(curve->steps[r].train_loss))
            fprintf(script, "%.9g %.17g\n", place_of(curve, r), edge);
    fputs("END\n", script);
}

static void choose_axes(struct figure *f) {
    const struct md_loss_curve *curve = f->curve;
    struct md_axis *loss = &f->axes[LOSS], *rmse = &f->axes[RMSE];
    *loss = *rmse = md_axis_start();
    for (int s = 0; s < SERIES_COUNT; s++)
        for (size_t e = 0; e < curve->epochs; e++)
            md_axis_include(&f->axes[series[s].axis], value_of(curve, s, e));
    for (size_t r = 0; r < curve->step_rows; r++)
        md_axis_include(loss, curve->steps[r].train_loss);
    md_axis_include(rmse, curve->rmse_dummy_m);
    /* RMSE before fine-tuning can be thirty times that after it, and would flatten the rest: then
     * its mark stands at the upper edge, and the legend says how much it is. */
    if (rmse->least > rmse->most || curve->rmse_before_m <= 2.0 * rmse->most)
        md_axis_include(rmse, curve->rmse_before_m);
    /* Different room above, or the first and largest values of both would often coincide. */
    md_axis_choose(loss, 0.15, 0.08);
    md_axis_choose(rmse, 0.15, 0.2);
}

static void write_titles(struct figure *f) {
    const struct md_loss_curve *curve = f->curve;
    const char *titles[SERIES_COUNT + 4];
    size_t count = 0;
    if (count_steps(curve) > 0)
        snprintf(f->steps, TITLE_SIZE,
                 curve->steps_a_row == 1 ? "loss of a step" : "mean loss of %zu steps",
                 curve->steps_a_row);
    if (count_epochs(curve, 0) < curve->epochs || count_steps(curve) < curve->step_rows)
        snprintf(f->odd, TITLE_SIZE, "training loss is NaN or infinite");
    if (isfinite(curve->rmse_before_m))
        snprintf(f->before, TITLE_SIZE, "RMSE before fine-tuning: %.3g m%s", curve->rmse_before_m,
                 curve->rmse_before_m > f->axes[RMSE].high ? " \xe2\x86\x91" : "");
    if (isfinite(curve->rmse_dummy_m))
        snprintf(f->dummy, TITLE_SIZE, "RMSE of dummy predictor: %.3g m", curve->rmse_dummy_m);
    for (int s = 0; s < SERIES_COUNT; s++)
        titles[count++] = series[s].title;
    titles[count++] = f->steps;
    titles[count++] = f->odd;
    titles[count++] = f->before;
    titles[count++] = f->dummy;
    f->legend = md_gnuplot_legend(titles, count, WIDTH);
}

static void write_axes(const struct md_gnuplot *figure, const struct figure *f) {
    FILE *script = figure->script;
    fprintf(script, "set xlabel 'epoch'\nset xrange [%g:%g]\n", -0.02 * (double)f->curve->epochs,
            1.02 * (double)f->curve->epochs);
    fputs(f->curve->epochs <= 12 ? "set xtics 0,1 nomirror\n" : "set xtics autofreq nomirror\n",
          script);
    write_axis(script, "y", "loss", &f->axes[LOSS]);
    write_axis(script, "y2", "RMSE (m)", &f->axes[RMSE]);
    fprintf(script,
            "set border 11\nset grid x y lc rgb '#dddddd' lw 1 dt 1\nset bmargin at screen %.5f\n",
            (double)(AXIS_HEIGHT + f->legend.height) / figure->height);
}

static void write_plot(FILE *script, const struct figure *f) {
    const struct md_loss_curve *curve = f->curve;
    /* About twenty points a curve; the lines go through all epochs. */
    size_t interval = 1 + curve->epochs / 20;
    /* Without a single value there are still the axes. */
    fputs("plot NaN notitle", script);
    if (f->steps[0] != '\0')
        fprintf(script, ", $steps using 1:2 with lines lc rgb '#7fb8dc' lw 1 title '%s'", f->steps);
    for (int s = 0; s < SERIES_COUNT; s++)
        if (count_epochs(curve, s) > 0)
            fprintf(script, ", $curves using 1:%d axes x1y%d with %s pi %zu title '%s'", s + 2,
                    series[s].axis + 1, series[s].style, interval, series[s].title);
    if (f->odd[0] != '\0')
        fprintf(script, ", $odd using 1:2 with points lc rgb '#000000' pt 9 ps 1.2 title '%s'",
                f->odd);
    if (f->before[0] != '\0')
        fprintf(script,
                ", $before using 1:2 axes x1y2 with points lc rgb '#009e73' lw 2 pt %d ps 1.6 "
                "title '%s'",
                curve->rmse_before_m > f->axes[RMSE].high ? 8 : 6, f->before);
    if (f->dummy[0] != '\0')
        fprintf(script, ", %.17g axes x1y2 with lines lc rgb '#555555' lw 1.5 dt (14,7) title '%s'",
                curve->rmse_dummy_m, f->dummy);
    fputs("\n", script);
}

int md_plot_loss_curve(const char *path, const struct md_loss_curve *curve,
                       struct md_error *error) {
    struct figure f = {.curve = curve};
    if (curve->epochs < 1)
        return md_fail(error, MD_USAGE, "%s: no epochs to draw", path);
    choose_axes(&f);
    write_titles(&f);
    struct md_gnuplot figure;
    int height = MD_TITLE_HEIGHT + PANEL_HEIGHT + AXIS_HEIGHT + f.legend.height;
    MD_TRY(md_gnuplot_start(&figure, path, WIDTH, height, error));
    md_gnuplot_head(&figure, curve->title, &f.legend);
    write_axes(&figure, &f);
    write_data(figure.script, &f);
    write_plot(figure.script, &f);
    return md_gnuplot_finish(&figure, error);
}
