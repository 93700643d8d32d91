#include "plots.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gnuplot.h"

enum {
    PANEL_HEIGHT = 360,
    LEGEND_HEIGHT = 60,
    SLOT = 54,
    MARGINS = 130,
    LEAST_WIDTH = 560,
    MOST_WIDTH = 4000,
    MOST_LABEL = 48
};

/* The upper end of the axis. Runs far above the best ones, that learned nothing, would flatten all
 * the rest. */
static double choose_top(const struct md_group_bar *groups, size_t count) {
    static const double widest = 3.0;
    double least = DBL_MAX, most = 0.0;
    for (size_t g = 0; g < count; g++) {
        if (isfinite(groups[g].rmse_dummy_m))
            most = fmax(most, groups[g].rmse_dummy_m);
        for (size_t i = 0; i < groups[g].count; i++)
            if (isfinite(groups[g].rmse_m[i]))
                least = fmin(least, groups[g].rmse_m[i]);
    }
    double limit = fmax(most, widest * (least < DBL_MAX ? least : 0.0));
    for (size_t g = 0; g < count; g++)
        for (size_t i = 0; i < groups[g].count; i++)
            if (groups[g].rmse_m[i] <= limit)
                most = fmax(most, groups[g].rmse_m[i]);
    return most > 0.0 ? 1.15 * most : 1.0;
}

static int goes_beyond(double rmse_m, double top) {
    return !(rmse_m <= top);
}

static double mean(const struct md_group_bar *group) {
    double sum = 0.0, runs = 0.0;
    for (size_t i = 0; i < group->count; i++)
        if (isfinite(group->rmse_m[i])) {
            sum += group->rmse_m[i];
            runs += 1.0;
        }
    return runs > 0.0 ? sum / runs : (double)NAN;
}

/* Where run i of a group stands, so that equal ones do not hide each other. */
static double place(size_t g, size_t i, size_t count) {
    return (double)g + (count > 1 ? 0.5 * ((double)i / (double)(count - 1) - 0.5) : 0.0);
}

static void write_data(FILE *script, const struct md_group_bar *groups, size_t count, double top) {
    fputs("$runs << END\n", script);
    for (size_t g = 0; g < count; g++)
        for (size_t i = 0; i < groups[g].count; i++)
            if (!goes_beyond(groups[g].rmse_m[i], top))
                fprintf(script, "%.6g %.17g\n", place(g, i, groups[g].count), groups[g].rmse_m[i]);
    fputs("NaN NaN\nEND\n$beyond << END\n", script);
    for (size_t g = 0; g < count; g++)
        for (size_t i = 0; i < groups[g].count; i++)
            if (goes_beyond(groups[g].rmse_m[i], top))
                fprintf(script, "%.6g %.17g\n", place(g, i, groups[g].count), 0.97 * top);
    fputs("NaN NaN\nEND\n$means << END\n", script);
    for (size_t g = 0; g < count; g++)
        if (isfinite(mean(&groups[g])))
            fprintf(script, "%zu %.17g\n", g, fmin(mean(&groups[g]), top));
    fputs("NaN NaN\nEND\n$dummies << END\n", script);
    for (size_t g = 0; g < count; g++) {
        if (g > 0 && groups[g].rmse_dummy_m != groups[g - 1].rmse_dummy_m)
            fputs("\n", script); /* not one line through different levels */
        if (isfinite(groups[g].rmse_dummy_m))
            fprintf(script, "%g %.17g\n%g %.17g\n", (double)g - 0.5, groups[g].rmse_dummy_m,
                    (double)g + 0.5, groups[g].rmse_dummy_m);
    }
    fputs("NaN NaN\nEND\n", script);
}

/* The means, at the foot of their bars. */
static void write_values(FILE *script, const struct md_group_bar *groups, size_t count,
                         double top) {
    for (size_t g = 0; g < count; g++) {
        double value = mean(&groups[g]);
        char text[32];
        snprintf(text, sizeof text, isfinite(value) ? "%#.3g" : "none", value);
        fprintf(script, "set label '%s' at %zu,%.17g center front\n", text, g, 0.04 * top);
    }
}

/* Pixels that the labels need below the axis, at 45 degrees. */
static int label_height(const struct md_group_bar *groups, size_t count) {
    static const double per_character = 5.4;
    size_t longest = 0;
    for (size_t g = 0; g < count; g++)
        longest = strlen(groups[g].label) > longest ? strlen(groups[g].label) : longest;
    return 24 + (int)(per_character * (double)(longest < MOST_LABEL ? longest : MOST_LABEL));
}

int md_plot_groups(const char *path, const char *title, const struct md_group_bar *groups,
                   size_t count, struct md_error *error) {
    struct md_gnuplot figure;
    if (count < 1)
        return md_fail(error, MD_USAGE, "%s: no groups to draw", path);
    size_t wide = MARGINS + SLOT * count;
    int width = wide < LEAST_WIDTH ? LEAST_WIDTH : wide > MOST_WIDTH ? MOST_WIDTH : (int)wide;
    int below = label_height(groups, count) + LEGEND_HEIGHT, height = PANEL_HEIGHT + below;
    int status = md_gnuplot_start(&figure, path, width, height, error);
    if (status != MD_OK)
        return status;
    FILE *script = figure.script;
    double top = choose_top(groups, count);
    md_gnuplot_title(script, title, width);
    fputs("set ylabel 'RMSE (m)'\nset border 3\nset tics nomirror\n"
          "set grid y lc rgb '#dddddd' lw 1 dt 1\nset boxwidth 0.8\nset style fill solid 1.0\n"
          "set tmargin at screen 0.9\nset lmargin 10\n"
          "set key at screen 0.5,0.015 center bottom horizontal samplen 3 width 2\n"
          "set xtics 1 format ''\n",
          script);
    fprintf(script, "set bmargin at screen %.4f\n", (double)below / height);
    for (size_t g = 0; g < count; g++) {
        fputs("set label ", script);
        md_gnuplot_text(script, groups[g].label, 0.6 * MOST_LABEL);
        fprintf(script, " at %zu,graph -0.03 rotate by 45 right\n", g);
    }
    fprintf(script, "set xrange [-0.6:%g]\nset yrange [0:%.17g]\n", (double)count - 0.4, top);
    write_data(script, groups, count, top);
    write_values(script, groups, count, top);
    fputs("plot $means using 1:2 with boxes lc rgb '#9ecae1' title 'mean', "
          "$dummies using 1:2 with lines lc rgb '#555555' lw 1.5 dt (14,7) "
          "title 'dummy predictor', "
          "$runs using 1:2 with points lc rgb '#0072b2' pt 7 ps 0.8 title 'one run', "
          "$beyond using 1:2 with points lc rgb '#d55e00' pt 9 ps 1.2 "
          "title 'one run, diverged or beyond the axis'\n",
          script);
    return md_gnuplot_finish(&figure, error);
}
