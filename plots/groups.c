#include "plots.h"

#include <math.h>
#include <stdio.h>

#include "axis.h"
#include "gnuplot.h"

enum {
    PANEL_HEIGHT = 290,
    SLOT = 54,
    LEFT = 92, /* at least, for the marks of the axis */
    RIGHT = 24,
    LEAST_WIDTH = 560,
    MOST_WIDTH = 4000,
    VALUE_SIZE = 9 /* of the font of the means */
};
static const double most_label_em = 60.0, diagonal = 0.7071;

static const char *const titles[] = {"mean", "dummy predictor", "one run",
                                     "one run, diverged: no value"};

struct figure {
    const struct md_dot_row *groups;
    size_t count;
    struct md_axis axis;
    struct md_legend legend;
    int width, height, left, below, above; /* pixels; the panel is between */
    int is_upright;                        /* the means are, for lack of room */
    double slot;                           /* pixels from group to group */
};

static void write_mean(const struct md_dot_row *group, char text[32]) {
    snprintf(text, 32, isfinite(group->mean) ? "%#.3g" : "none", group->mean);
}

/* ---- where things stand ---------------------------------------------------------------------- */

/* Bars begin at zero, where the axis has one. */
static void choose_axis(struct figure *f) {
    f->axis = md_axis_start();
    for (size_t g = 0; g < f->count; g++) {
        md_axis_include(&f->axis, f->groups[g].dummy);
        md_axis_include_all(&f->axis, f->groups[g].values, f->groups[g].count);
    }
    md_axis_choose(&f->axis, 0.1, 0.1);
    if (!f->axis.is_logarithmic && f->axis.least >= 0.0)
        f->axis.low = 0.0;
}

/* The labels hang below the axis at 45 degrees, to the left; the means stand above the panel. */
static void lay_out(struct figure *f) {
    double lowest = 0.0, left = LEFT, longest = 0.0;
    size_t wide = MOST_WIDTH;
    for (size_t g = 0; g < f->count; g++) {
        char text[32];
        double label =
            diagonal * md_gnuplot_width(f->groups[g].label, MD_TEXT_SIZE, most_label_em) + 16.0;
        lowest = fmax(lowest, label);
        left = fmax(left, label - SLOT * ((double)g + 0.6));
        write_mean(&f->groups[g], text);
        longest = fmax(longest, md_gnuplot_width(text, VALUE_SIZE, 40.0));
    }
    f->left = (int)left;
    if (f->count < MOST_WIDTH / SLOT)
        wide = (size_t)f->left + RIGHT + SLOT * f->count;
    f->width = wide < LEAST_WIDTH ? LEAST_WIDTH : wide > MOST_WIDTH ? MOST_WIDTH : (int)wide;
    f->slot = (double)(f->width - f->left - RIGHT) / ((double)f->count + 0.2);
    f->is_upright = longest > f->slot - 4.0;
    f->above = MD_TITLE_HEIGHT + (f->is_upright ? (int)longest + 8 : 16);
    f->legend = md_gnuplot_legend(titles, sizeof titles / sizeof *titles, f->width);
    f->below = (int)lowest + 8 + f->legend.height;
    f->height = f->above + PANEL_HEIGHT + f->below;
}

static void write_frame(FILE *script, const struct figure *f) {
    fprintf(script,
            "set ylabel 'RMSE (m)'\nset border 3\nset tics nomirror\n"
            "set grid y lc rgb '#dddddd' lw 1 dt 1\nset boxwidth 0.8\nset style fill solid 1.0\n"
            "set errorbars 0\nset xtics 1 format ''\nset xrange [-0.6:%g]\n"
            "set lmargin at screen %.5f\nset rmargin at screen %.5f\n"
            "set tmargin at screen %.5f\nset bmargin at screen %.5f\n",
            (double)f->count - 0.4, (double)f->left / f->width, 1.0 - (double)RIGHT / f->width,
            1.0 - (double)f->above / f->height, (double)f->below / f->height);
    md_axis_write(script, "y", &f->axis);
    for (size_t g = 0; g < f->count; g++) {
        char text[32];
        fputs("set label ", script);
        md_gnuplot_text(script, f->groups[g].label, most_label_em);
        fprintf(script, " at %zu,graph -0.03 rotate by 45 right\n", g);
        write_mean(&f->groups[g], text);
        fprintf(script, "set label '%s' at %zu,graph 1.02 %s font 'Helvetica,%d'\n", text, g,
                f->is_upright ? "rotate by 90 left" : "center", VALUE_SIZE);
    }
}

/* ---- data ------------------------------------------------------------------------------------ */

/* Where run i of a group stands, so that equal ones do not hide each other. */
static double x_of_run(size_t g, size_t i, size_t count) {
    return (double)g + (count > 1 ? 0.5 * ((double)i / (double)(count - 1) - 0.5) : 0.0);
}

/* The runs with a value or, at the upper edge, those without; returns how many. */
static size_t write_runs(FILE *script, const struct figure *f, const char *name, int have_value) {
    size_t written = 0;
    fprintf(script, "$%s << END\n", name);
    for (size_t g = 0; g < f->count; g++)
        for (size_t i = 0; i < f->groups[g].count; i++) {
            double rmse_m = f->groups[g].values[i];
            if ((isfinite(rmse_m) != 0) != have_value)
                continue;
            fprintf(script, "%.6g %.17g\n", x_of_run(g, i, f->groups[g].count),
                    have_value ? rmse_m : md_axis_value(&f->axis, 0.97));
            written++;
        }
    fputs("NaN NaN\nEND\n", script);
    return written;
}

static size_t write_means(FILE *script, const struct figure *f) {
    size_t written = 0;
    fputs("$means << END\n", script);
    for (size_t g = 0; g < f->count; g++)
        if (isfinite(f->groups[g].mean)) {
            fprintf(script, "%zu %.17g\n", g, f->groups[g].mean);
            written++;
        }
    fputs("NaN NaN\nEND\n", script);
    return written;
}

static size_t write_dummies(FILE *script, const struct figure *f) {
    size_t written = 0;
    fputs("$dummies << END\n", script);
    for (size_t g = 0; g < f->count; g++) {
        double dummy_m = f->groups[g].dummy;
        if (g > 0 && dummy_m != f->groups[g - 1].dummy)
            fputs("\n", script); /* not one line through different levels */
        if (!isfinite(dummy_m))
            continue;
        fprintf(script, "%g %.17g\n%g %.17g\n", (double)g - 0.5, dummy_m, (double)g + 0.5, dummy_m);
        written++;
    }
    fputs("NaN NaN\nEND\n", script);
    return written;
}

/* A logarithmic axis has no zero for a bar
 * to begin at: there a mean is a stroke. */
static void write_plot(FILE *script, const struct figure *f) {
    const struct md_gnuplot_part parts[] = {
        {write_means(script, f), f->axis.is_logarithmic
                                     ? "$means using 1:2:(0.4) with xerrorbars lc rgb "
                                       "'#9ecae1' lw 5 ps 0"
                                     : "$means using 1:2 with boxes lc rgb '#9ecae1'"},
        {write_dummies(script, f),
         "$dummies using 1:2 with lines lc rgb '#555555' lw 1.5 dt (14,7)"},
        {write_runs(script, f, "runs", 1),
         "$runs using 1:2 with points lc rgb '#0072b2' pt 7 ps 0.8"},
        {write_runs(script, f, "diverged", 0),
         "$diverged using 1:2 with points lc rgb '#d55e00' pt 9 ps 1.2"}};
    md_gnuplot_parts(script, parts, titles, sizeof parts / sizeof *parts);
}

int md_plot_groups(const char *path, const char *title, const struct md_dot_row *groups,
                   size_t count, struct md_error *error) {
    struct md_gnuplot figure;
    struct figure f = {.groups = groups, .count = count};
    if (count < 1)
        return md_fail(error, MD_USAGE, "%s: no groups to draw", path);
    choose_axis(&f);
    lay_out(&f);
    MD_TRY(md_gnuplot_start(&figure, path, f.width, f.height, error));
    md_gnuplot_head(&figure, title, &f.legend);
    write_frame(figure.script, &f);
    write_plot(figure.script, &f);
    return md_gnuplot_finish(&figure, error);
}
