#include "plots.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gnuplot.h"

enum { WIDTH = 720, PANEL_HEIGHT = 420, LEGEND_ROW = 22, MOST_SERIES = 32, FEW_POINTS = 16 };

/* Okabe and Ito's colours ("Color Universal Design", 2008), each with a dash type, a filled and an
 * open shape of its own, so that grey print tells them apart too. */
static const struct style {
    const char *colour;
    int dash, filled, open;
} styles[] = {
    {"#0072b2", 1, 7, 6},   {"#d55e00", 2, 5, 4},   {"#009e73", 4, 9, 8}, {"#cc79a7", 5, 11, 10},
    {"#e69f00", 3, 13, 12}, {"#56b4e9", 1, 15, 14}, {"#000000", 2, 2, 1}, {"#7f7f7f", 4, 3, 3},
};
enum { STYLES = sizeof styles / sizeof *styles };

static int is_drawn(const struct md_series *series, size_t i) {
    return isfinite(series->x[i]) && isfinite(series->y[i]);
}

struct extent {
    double low, high;
};

static void see(struct extent *extent, double value) {
    extent->low = fmin(extent->low, value);
    extent->high = fmax(extent->high, value);
}

/* What is drawn, by x and by y; 0 when there is nothing. */
static int find_extents(const struct md_series_plot *plot, struct extent *x, struct extent *y) {
    *x = *y = (struct extent){DBL_MAX, -DBL_MAX};
    for (size_t s = 0; s < plot->count; s++)
        for (size_t i = 0; i < plot->series[s].count; i++) {
            const struct md_series *series = &plot->series[s];
            double deviation = series->deviation != NULL ? series->deviation[i] : 0.0;
            if (!is_drawn(series, i))
                continue;
            see(x, series->x[i]);
            see(y, series->y[i] - (isfinite(deviation) ? deviation : 0.0));
            see(y, series->y[i] + (isfinite(deviation) ? deviation : 0.0));
        }
    return x->low <= x->high;
}

/* Whether the places on the x axis are numbers that one counts, such as epochs. */
static int are_whole(const struct md_series_plot *plot) {
    for (size_t s = 0; s < plot->count; s++)
        for (size_t i = 0; i < plot->series[s].count; i++)
            if (plot->series[s].x[i] != floor(plot->series[s].x[i]))
                return 0;
    return 1;
}

/* An axis with room beside what is drawn; logarithmic where the values span more than a linear one
 * shows, marked at 1, 2 and 5 times the powers of ten. */
static void write_range(FILE *script, const char *axis, const struct extent *extent, int is_counted,
                        double room) {
    static const double widest_linear = 20.0;
    double span = fmax(extent->high - extent->low, 0.02 * fabs(extent->high) + 1e-9);
    if (extent->high - extent->low <= 12.0 && is_counted)
        fprintf(script, "set %stics 1\n", axis);
    if (extent->low <= 0.0 || extent->high < widest_linear * extent->low) {
        fprintf(script, "set %srange [%.17g:%.17g]\n", axis, extent->low - room * span,
                extent->high + room * span);
        return;
    }
    double factor = pow(extent->high / extent->low, room);
    fprintf(script, "set logscale %s\nset %srange [%.17g:%.17g]\nset %stics (", axis, axis,
            extent->low / factor, extent->high * factor, axis);
    const char *between = "";
    for (int power = (int)floor(log10(extent->low)) - 1; power <= (int)log10(extent->high) + 1;
         power++)
        for (int step = 1; step <= 5; step += step == 1 ? 1 : 3) {
            fprintf(script, "%s'%g' %.9g", between, step * pow(10.0, power),
                    step * pow(10.0, power));
            between = ", ";
        }
    fputs(")\n", script);
}

static void write_data(FILE *script, const struct md_series_plot *plot) {
    for (size_t s = 0; s < plot->count; s++) {
        const struct md_series *series = &plot->series[s];
        fprintf(script, "$series%zu << END\n", s);
        for (size_t i = 0; i < series->count; i++) {
            double deviation = series->deviation != NULL ? series->deviation[i] : 0.0;
            if (is_drawn(series, i))
                fprintf(script, "%.17g %.17g %.17g\n", series->x[i], series->y[i],
                        isfinite(deviation) ? deviation : 0.0);
        }
        fputs("NaN NaN NaN\nEND\n", script);
    }
}

/* Names upright at the upper edge, in which order the points stand: there may be many close
 * together.
 */
static void write_names(FILE *script, const struct md_series_plot *plot) {
    for (size_t s = 0; s < plot->count; s++)
        for (size_t i = 0; i < plot->series[s].count; i++) {
            const struct md_series *series = &plot->series[s];
            if (series->names == NULL || !is_drawn(series, i))
                continue;
            fputs("set label ", script);
            md_gnuplot_text(script, series->names[i], 12.0);
            fprintf(script, " at first %.17g,graph 1 right rotate by 90 font 'Helvetica,9'\n",
                    series->x[i]);
        }
}

static int has_names(const struct md_series_plot *plot) {
    int found = 0;
    for (size_t s = 0; s < plot->count; s++)
        found |= plot->series[s].names != NULL;
    return found;
}

static void write_series(FILE *script, const struct md_series_plot *plot) {
    for (size_t s = 0; s < plot->count; s++) {
        const struct md_series *series = &plot->series[s];
        const struct style *style = &styles[series->style % STYLES];
        int point = series->is_published ? style->open : style->filled;
        fputs(s == 0 ? "plot " : ", ", script);
        size_t interval = 1 + series->count / FEW_POINTS;
        fprintf(script,
                "$series%zu using 1:2:3 with yerrorbars lc rgb '%s' lw 1 pt %d pi %zu notitle, ", s,
                style->colour, point, interval);
        fprintf(script,
                "$series%zu using 1:2 with %s lc rgb '%s' lw 2 dt %d pt %d ps 1.1 pi %zu title ", s,
                plot->is_joined ? "linespoints" : "points", style->colour,
                series->is_published ? 3 : style->dash, point, interval);
        md_gnuplot_text(script, series->label, 34.0);
    }
    fputs("\n", script);
}

int md_plot_series(const char *path, const struct md_series_plot *plot, struct md_error *error) {
    struct md_gnuplot figure;
    struct extent x, y;
    if (plot->count > MOST_SERIES)
        return md_fail(error, MD_USAGE, "%s: %zu series to draw, expected at most %d", path,
                       plot->count, MOST_SERIES);
    if (!find_extents(plot, &x, &y))
        return md_fail(error, MD_FAILED, "%s: there is no value to draw", path);
    int legend = LEGEND_ROW * (int)((plot->count + 1) / 2) + 8, below = legend + 52;
    int height = PANEL_HEIGHT + legend;
    int status = md_gnuplot_start(&figure, path, WIDTH, height, error);
    if (status != MD_OK)
        return status;
    FILE *script = figure.script;
    md_gnuplot_title(script, plot->title, WIDTH);
    fputs("set xlabel ", script);
    md_gnuplot_text(script, plot->x_axis, 40.0);
    fputs("\nset ylabel ", script);
    md_gnuplot_text(script, plot->y_axis, 26.0);
    fprintf(script,
            "\nset border 3\nset tics nomirror\nset grid x y lc rgb '#dddddd' lw 1 dt 1\n"
            "set rmargin at screen 0.96\nset bmargin at screen %.4f\n"
            "set key at screen 0.5,0.01 center bottom vertical maxrows %zu samplen 4 "
            "reverse Left spacing 1.15\n",
            (double)below / height, (plot->count + 1) / 2);
    write_range(script, "x", &x, are_whole(plot), 0.05);
    if (has_names(plot)) /* room for them above the points */
        y.high += 0.3 * (y.high - y.low);
    write_range(script, "y", &y, 0, 0.08);
    write_data(script, plot);
    write_names(script, plot);
    write_series(script, plot);
    return md_gnuplot_finish(&figure, error);
}
