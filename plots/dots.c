#include "plots.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "gnuplot.h"

enum { WIDTH = 720, ROW = 22, HEAD = 50, FOOT = 118, MOST_ROWS = 200, MOST_LABEL = 40 };

struct range {
    double low, high;
};

static void see(struct range *range, double value) {
    if (!isfinite(value))
        return;
    range->low = fmin(range->low, value);
    range->high = fmax(range->high, value);
}

/* From what is published, the dummy predictors and the better half of the runs; runs farther away
 * than twice that span, that learned nothing, would press all the rest together. */
static struct range choose_range(const struct md_dot_row *rows, size_t count) {
    static const double widest = 2.0, room = 0.06;
    struct range all = {DBL_MAX, -DBL_MAX};
    for (size_t r = 0; r < count; r++) {
        see(&all, rows[r].published - rows[r].published_deviation);
        see(&all, rows[r].published + rows[r].published_deviation);
        see(&all, rows[r].published);
        see(&all, rows[r].dummy);
        for (size_t i = 0; i < rows[r].count; i++)
            see(&all, fmin(rows[r].values[i], rows[r].mean));
    }
    if (all.low > all.high)
        all = (struct range){0.0, 1.0};
    double limit = all.high + widest * fmax(all.high - all.low, 0.05 * fabs(all.high));
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < rows[r].count; i++)
            if (rows[r].values[i] <= limit)
                see(&all, rows[r].values[i]);
    double span = fmax(all.high - all.low, 1e-3 * fmax(fabs(all.high), 1e-6));
    return (struct range){all.low - room * span, all.high + room * span};
}

static int is_beyond(double value, const struct range *range) {
    return !(value <= range->high);
}

/* One block of data: a line for each finite value in place of a row. */
static void write_values(FILE *script, const char *name, const struct md_dot_row *rows,
                         size_t count, size_t offset) {
    fprintf(script, "$%s << END\n", name);
    for (size_t r = 0; r < count; r++) {
        double value;
        memcpy(&value, (const char *)&rows[r] + offset, sizeof value);
        double deviation = rows[r].published_deviation;
        if (isfinite(value))
            fprintf(script, "%.17g %zu %.17g\n", value, r, isfinite(deviation) ? deviation : 0.0);
    }
    fputs("NaN NaN NaN\nEND\n", script);
}

static void write_runs(FILE *script, const struct md_dot_row *rows, size_t count,
                       const struct range *range) {
    for (int beyond = 0; beyond < 2; beyond++) {
        fputs(beyond ? "$beyond << END\n" : "$runs << END\n", script);
        for (size_t r = 0; r < count; r++)
            for (size_t i = 0; i < rows[r].count; i++)
                if (is_beyond(rows[r].values[i], range) == beyond)
                    fprintf(script, "%.17g %zu\n", beyond ? range->high : rows[r].values[i], r);
        fputs("NaN NaN\nEND\n", script);
    }
}

static size_t longest_label(const struct md_dot_row *rows, size_t count) {
    size_t longest = 0;
    for (size_t r = 0; r < count; r++)
        longest = strlen(rows[r].label) > longest ? strlen(rows[r].label) : longest;
    return longest < MOST_LABEL ? longest : MOST_LABEL;
}

static void write_frame(FILE *script, const char *title, const char *axis,
                        const struct md_dot_row *rows, size_t count, int height) {
    static const double per_character = 7.4;
    double left = 24.0 + per_character * (double)longest_label(rows, count);
    md_gnuplot_title(script, title, WIDTH);
    fputs("set xlabel ", script);
    md_gnuplot_text(script, axis, 0.06 * WIDTH);
    fprintf(script,
            "\nset border 1\nset tics nomirror\nunset ytics\n"
            "set grid x lc rgb '#dddddd' lw 1 dt 1\n"
            "set lmargin at screen %.4f\nset rmargin at screen 0.97\n"
            "set tmargin at screen %.4f\nset bmargin at screen %.4f\n"
            "set key at screen 0.5,0.01 center bottom vertical maxrows 3 samplen 2 "
            "reverse Left spacing 1.15\n"
            "set yrange [%zu.7:-0.7]\n",
            left / WIDTH, 1.0 - (double)HEAD / height, (double)FOOT / height, count - 1);
    for (size_t r = 0; r < count; r++) {
        fputs("set label ", script);
        md_gnuplot_text(script, rows[r].label, 0.6 * MOST_LABEL);
        fprintf(script, " at graph 0,first %zu right offset -0.8,0\n", r);
        fprintf(script,
                "set arrow from graph 0,first %zu to graph 1,first %zu nohead back lc rgb "
                "'#eeeeee' lw 1\n",
                r, r);
    }
}

int md_plot_dots(const char *path, const char *title, const char *axis,
                 const struct md_dot_row *rows, size_t count, struct md_error *error) {
    struct md_gnuplot figure;
    if (count < 1 || count > MOST_ROWS)
        return md_fail(error, MD_USAGE, "%s: %zu rows to draw, expected 1 to %d", path, count,
                       MOST_ROWS);
    int height = HEAD + FOOT + ROW * (int)count;
    int status = md_gnuplot_start(&figure, path, WIDTH, height, error);
    if (status != MD_OK)
        return status;
    FILE *script = figure.script;
    struct range range = choose_range(rows, count);
    write_frame(script, title, axis, rows, count, height);
    fprintf(script, "set xrange [%.17g:%.17g]\n", range.low, range.high);
    write_runs(script, rows, count, &range);
    write_values(script, "means", rows, count, offsetof(struct md_dot_row, mean));
    write_values(script, "published", rows, count, offsetof(struct md_dot_row, published));
    write_values(script, "dummies", rows, count, offsetof(struct md_dot_row, dummy));
    fputs("plot $dummies using 1:2 with points lc rgb '#555555' pt 2 lw 1.5 ps 0.9 "
          "title 'dummy predictor', "
          "$published using 1:($2-0.2):3 with xerrorbars lc rgb '#d55e00' lw 1.5 pt 12 ps 1.1 "
          "title 'published mean, standard deviation', "
          "$runs using 1:($2+0.15) with points lc rgb '#56b4e9' pt 7 ps 0.6 title 'one run', "
          "$means using 1:($2+0.15) with points lc rgb '#003b5c' pt 1 lw 2.5 ps 1.1 "
          "title 'mean of the runs', "
          "$beyond using 1:($2+0.15) with points lc rgb '#cc79a7' pt 9 ps 1.1 "
          "title 'one run, diverged or beyond the axis'\n",
          script);
    return md_gnuplot_finish(&figure, error);
}
