#include "plots.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "axis.h"
#include "gnuplot.h"

enum { PANEL_WIDTH = 570, ROW = 22, AXIS_HEIGHT = 52, EDGE = 24, MOST_ROWS = 200 };
static const double most_label_em = 60.0;

static const char *const titles[] = {"dummy predictor", "published: mean, std. dev.", "one run",
                                     "mean of the runs", "one run, diverged: no value"};

static struct md_axis choose_axis(const struct md_dot_row *rows, size_t count) {
    struct md_axis axis = md_axis_start();
    for (size_t r = 0; r < count; r++) {
        md_axis_include(&axis, rows[r].published - rows[r].published_deviation);
        md_axis_include(&axis, rows[r].published + rows[r].published_deviation);
        md_axis_include(&axis, rows[r].published);
        md_axis_include(&axis, rows[r].dummy);
        md_axis_include(&axis, rows[r].mean);
        md_axis_include_all(&axis, rows[r].values, rows[r].count);
    }
    md_axis_choose(&axis, 0.06, 0.06);
    return axis;
}

/* One block of data: a line for each finite value in place of a row. Returns how many. */
static size_t write_values(FILE *script, const char *name, const struct md_dot_row *rows,
                           size_t count, size_t offset) {
    size_t written = 0;
    fprintf(script, "$%s << END\n", name);
    for (size_t r = 0; r < count; r++) {
        double value;
        memcpy(&value, (const char *)&rows[r] + offset, sizeof value);
        double deviation = rows[r].published_deviation;
        if (!isfinite(value))
            continue;
        fprintf(script, "%.17g %zu %.17g\n", value, r, isfinite(deviation) ? deviation : 0.0);
        written++;
    }
    fputs("NaN NaN NaN\nEND\n", script);
    return written;
}

/* The runs with a value or, at the right edge, those without; returns how many. */
static size_t write_runs(FILE *script, const char *name, const struct md_dot_row *rows,
                         size_t count, int have_value, const struct md_axis *axis) {
    size_t written = 0;
    fprintf(script, "$%s << END\n", name);
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < rows[r].count; i++) {
            if ((isfinite(rows[r].values[i]) != 0) != have_value)
                continue;
            fprintf(script, "%.17g %zu\n",
                    have_value ? rows[r].values[i] : md_axis_value(axis, 0.985), r);
            written++;
        }
    fputs("NaN NaN\nEND\n", script);
    return written;
}

/* `left`: pixels for the labels, `below`: for what stands below the rows. */
static void write_frame(const struct md_gnuplot *figure, const char *x_axis,
                        const struct md_dot_row *rows, size_t count, int left, int below) {
    FILE *script = figure->script;
    fputs("set xlabel ", script);
    md_gnuplot_text(script, x_axis, 38.0);
    fprintf(script,
            "\nset border 1\nset tics nomirror\nunset ytics\n"
            "set grid x lc rgb '#dddddd' lw 1 dt 1\n"
            "set lmargin at screen %.5f\nset rmargin at screen %.5f\n"
            "set bmargin at screen %.5f\nset yrange [%zu.7:-0.7]\n",
            (double)left / figure->width, 1.0 - (double)EDGE / figure->width,
            (double)below / figure->height, count - 1);
    for (size_t r = 0; r < count; r++) {
        fputs("set label ", script);
        md_gnuplot_text(script, rows[r].label, most_label_em);
        fprintf(script, " at graph 0,first %zu right offset -0.8,0\n", r);
        fprintf(script,
                "set arrow from graph 0,first %zu to graph 1,first %zu nohead back lc rgb "
                "'#eeeeee' lw 1\n",
                r, r);
    }
}

static void write_plot(FILE *script, const struct md_dot_row *rows, size_t count,
                       const struct md_axis *axis) {
    const struct md_gnuplot_part parts[] = {
        {write_values(script, "dummies", rows, count, offsetof(struct md_dot_row, dummy)),
         "$dummies using 1:2 with points lc rgb '#555555' pt 2 lw 1.5 ps 0.9"},
        {write_values(script, "published", rows, count, offsetof(struct md_dot_row, published)),
         "$published using 1:($2-0.2):3 with xerrorbars lc rgb '#d55e00' lw 1.5 pt 12 ps 1.1"},
        {write_runs(script, "runs", rows, count, 1, axis),
         "$runs using 1:($2+0.15) with points lc rgb '#56b4e9' pt 7 ps 0.6"},
        {write_values(script, "means", rows, count, offsetof(struct md_dot_row, mean)),
         "$means using 1:($2+0.15) with points lc rgb '#003b5c' pt 1 lw 2.5 ps 1.1"},
        {write_runs(script, "diverged", rows, count, 0, axis),
         "$diverged using 1:($2+0.15) with points lc rgb '#cc79a7' pt 9 ps 1.1"}};
    md_gnuplot_parts(script, parts, titles, sizeof parts / sizeof *parts);
}

int md_plot_dots(const char *path, const char *title, const char *x_axis,
                 const struct md_dot_row *rows, size_t count, struct md_error *error) {
    struct md_gnuplot figure;
    if (count < 1 || count > MOST_ROWS)
        return md_fail(error, MD_USAGE, "%s: %zu rows to draw, expected 1 to %d", path, count,
                       MOST_ROWS);
    double longest = 0.0;
    for (size_t r = 0; r < count; r++)
        longest = fmax(longest, md_gnuplot_width(rows[r].label, MD_TEXT_SIZE, most_label_em));
    int left = (int)longest + EDGE, width = left + PANEL_WIDTH + EDGE;
    struct md_legend legend = md_gnuplot_legend(titles, sizeof titles / sizeof *titles, width);
    int below = AXIS_HEIGHT + legend.height, panel = ROW * (int)count;
    panel = panel > legend.least_panel ? panel : legend.least_panel;
    int height = MD_TITLE_HEIGHT + panel + below;
    MD_TRY(md_gnuplot_start(&figure, path, width, height, error));
    struct md_axis axis = choose_axis(rows, count);
    md_gnuplot_head(&figure, title, &legend);
    write_frame(&figure, x_axis, rows, count, left, below);
    md_axis_write(figure.script, "x", &axis);
    write_plot(figure.script, rows, count, &axis);
    return md_gnuplot_finish(&figure, error);
}
