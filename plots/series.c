#include "plots.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "axis.h"
#include "gnuplot.h"

enum {
    WIDTH = 720,
    PANEL_HEIGHT = 310,
    OVERHANG = 40, /* of the name of the y axis, above and below the panel */
    AXIS_HEIGHT = 52,
    MOST_SERIES = 32,
    FEW_POINTS = 16,
    NAME_SIZE = 9
};
static const double most_name_em = 20.0;

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

static int is_drawn(const struct md_point *point) {
    return isfinite(point->x) && isfinite(point->y);
}

/* What is drawn, by x and by y; 0 when there is nothing. */
static int find_axes(const struct md_series_plot *plot, struct md_axis *x, struct md_axis *y) {
    *x = *y = md_axis_start();
    for (size_t s = 0; s < plot->count; s++)
        for (size_t i = 0; i < plot->series[s].count; i++) {
            const struct md_point *point = &plot->series[s].points[i];
            if (!is_drawn(point))
                continue;
            md_axis_include(x, point->x);
            md_axis_include(y, point->y);
            md_axis_include(y, point->y - point->deviation);
            md_axis_include(y, point->y + point->deviation);
        }
    return x->least <= x->most;
}

/* Whether the places on the x axis are numbers that one counts, such as epochs. */
static int are_whole(const struct md_series_plot *plot) {
    for (size_t s = 0; s < plot->count; s++)
        for (size_t i = 0; i < plot->series[s].count; i++)
            if (plot->series[s].points[i].x != floor(plot->series[s].points[i].x))
                return 0;
    return 1;
}

static void write_data(FILE *script, const struct md_series_plot *plot) {
    for (size_t s = 0; s < plot->count; s++) {
        fprintf(script, "$series%zu << END\n", s);
        for (size_t i = 0; i < plot->series[s].count; i++) {
            const struct md_point *point = &plot->series[s].points[i];
            if (is_drawn(point))
                fprintf(script, "%.17g %.17g %.17g\n", point->x, point->y,
                        isfinite(point->deviation) ? point->deviation : 0.0);
        }
        fputs("NaN NaN NaN\nEND\n", script);
    }
}

/* Pixels that the longest name needs, upright; 0: there are none. */
static double longest_name(const struct md_series_plot *plot) {
    double longest = 0.0;
    for (size_t s = 0; s < plot->count; s++)
        for (size_t i = 0; i < plot->series[s].count; i++)
            if (plot->series[s].points[i].name != NULL)
                longest = fmax(longest, md_gnuplot_width(plot->series[s].points[i].name, NAME_SIZE,
                                                         most_name_em));
    return longest;
}

struct name {
    double position; /* in parts of the x axis */
    const char *text;
};

static int order_names(const void *a, const void *b) {
    const struct name *p = a, *q = b;
    return (p->position > q->position) - (p->position < q->position);
}

/* Moves names apart that would cover each other. */
static void spread_names(struct name *names, size_t count) {
    double gap = fmin(1.5 * NAME_SIZE * 96.0 / 72.0 / WIDTH, 1.0 / (double)count);
    for (size_t n = 1; n < count; n++)
        names[n].position = fmax(names[n].position, names[n - 1].position + gap);
    for (size_t n = count; n-- > 0;)
        names[n].position = fmin(names[n].position, 1.0 - gap * (double)(count - 1 - n));
}

/* Names upright at the upper edge, above all that is drawn, in the order in which the points stand.
 */
static int write_names(FILE *script, const struct md_series_plot *plot, const struct md_axis *x,
                       struct md_error *error) {
    size_t most = 1, count = 0;
    for (size_t s = 0; s < plot->count; s++)
        most += plot->series[s].count;
    struct name *names = malloc(most * sizeof *names);
    MD_TRY(md_check_memory(names != NULL, error));
    for (size_t s = 0; s < plot->count; s++)
        for (size_t i = 0; i < plot->series[s].count; i++) {
            const struct md_point *point = &plot->series[s].points[i];
            if (point->name != NULL && is_drawn(point))
                names[count++] = (struct name){md_axis_fraction(x, point->x), point->name};
        }
    qsort(names, count, sizeof *names, order_names);
    spread_names(names, count);
    for (size_t n = 0; n < count; n++) {
        fputs("set label ", script);
        md_gnuplot_text(script, names[n].text, most_name_em);
        fprintf(script, " at graph %.5f,graph 1 right rotate by 90 font 'Helvetica,%d'\n",
                names[n].position, NAME_SIZE);
    }
    free(names);
    return MD_OK;
}

static void write_series(FILE *script, const struct md_series_plot *plot,
                         const struct md_legend *legend) {
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
        md_gnuplot_text(script, series->label, legend->most_em);
    }
    fputs("\n", script);
}

int md_plot_series(const char *path, const struct md_series_plot *plot, struct md_error *error) {
    struct md_gnuplot figure;
    struct md_axis x, y;
    const char *titles[MOST_SERIES];
    if (plot->count > MOST_SERIES)
        return md_fail(error, MD_USAGE, "%s: %zu series to draw, expected at most %d", path,
                       plot->count, MOST_SERIES);
    if (!find_axes(plot, &x, &y))
        return md_fail(error, MD_FAILED, "%s: there is no value to draw", path);
    for (size_t s = 0; s < plot->count; s++)
        titles[s] = plot->series[s].label;
    struct md_legend legend = md_gnuplot_legend(titles, plot->count, WIDTH);
    double names = longest_name(plot);
    int below = AXIS_HEIGHT + legend.height, panel = PANEL_HEIGHT + (int)names;
    panel = panel > legend.least_panel ? panel : legend.least_panel;
    int height = MD_TITLE_HEIGHT + panel + below;
    MD_TRY(md_gnuplot_start(&figure, path, WIDTH, height, error));
    FILE *script = figure.script;
    md_gnuplot_head(&figure, plot->title, &legend);
    fputs("set xlabel ", script);
    md_gnuplot_text(script, plot->x_axis, 40.0);
    fputs("\nset ylabel ", script);
    md_gnuplot_text(script, plot->y_axis, (panel + 2 * OVERHANG) / (MD_TEXT_SIZE * 96.0 / 72.0));
    fprintf(script,
            "\nset border 3\nset tics nomirror\nset grid x y lc rgb '#dddddd' lw 1 dt 1\n"
            "set rmargin at screen 0.96\nset bmargin at screen %.5f\n",
            (double)below / height);
    md_axis_choose(&x, 0.05, 0.05);
    md_axis_choose(&y, 0.08, 0.08 + 1.1 * names / PANEL_HEIGHT);
    if (are_whole(plot) && x.high - x.low <= 12.0)
        fputs("set xtics 1\n", script);
    md_axis_write(script, "x", &x);
    md_axis_write(script, "y", &y);
    write_data(script, plot);
    int status = write_names(script, plot, &x, error);
    if (status != MD_OK) {
        md_gnuplot_cancel(&figure);
        return status;
    }
    write_series(script, plot, &legend);
    return md_gnuplot_finish(&figure, error);
}
