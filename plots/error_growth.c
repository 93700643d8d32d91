#include "plots.h"

#include <math.h>
#include <stdio.h>

#include "axis.h"
#include "gnuplot.h"

enum { WIDTH = 1000, PANEL_HEIGHT = 290, MAX_KINDS = 4 };
static const char odd_title[] = "NaN or infinite";

/* One colour (Okabe and Ito), dash and point per kind of tensor. */
static const char *const styles[MAX_KINDS] = {
    "lc rgb '#0072b2' lw 2 dt 1 pt 7 ps 0.7", "lc rgb '#d55e00' lw 2 dt 2 pt 5 ps 0.7",
    "lc rgb '#009e73' lw 2 dt 4 pt 9 ps 0.9", "lc rgb '#cc79a7' lw 2 dt 5 pt 13 ps 0.9"};

/* Values as a panel shows them: (rows, kinds). */
struct panel {
    const char *block, *title;
    size_t rows;
    const double *values;
    double left, right; /* on the page */
};

/* Both panels have one axis. A zero has no place on it. */
static struct md_axis choose_axis(const struct panel panels[2], size_t kinds) {
    struct md_axis axis = md_axis_start();
    for (int p = 0; p < 2; p++)
        for (size_t i = 0; i < panels[p].rows * kinds; i++)
            if (panels[p].values[i] > 0.0)
                md_axis_include(&axis, panels[p].values[i]);
    md_axis_choose(&axis, 0.05, 0.1);
    return axis;
}

static int is_drawn(double value) {
    return value > 0.0 && isfinite(value);
}

static size_t count_drawn(const struct panel *panel, size_t kinds, size_t kind) {
    size_t drawn = 0;
    for (size_t r = 0; r < panel->rows; r++)
        drawn += (size_t)is_drawn(panel->values[r * kinds + kind]);
    return drawn;
}

/* The values and, in a block of its own, where one is NaN or infinite; returns how many are. */
static size_t write_data(FILE *script, const struct panel *panel, size_t kinds,
                         const struct md_axis *axis) {
    size_t odd = 0;
    fprintf(script, "$%s << END\n", panel->block);
    for (size_t r = 0; r < panel->rows; r++) {
        fprintf(script, "%zu", r);
        for (size_t k = 0; k < kinds; k++)
            if (is_drawn(panel->values[r * kinds + k]))
                fprintf(script, " %.9g", panel->values[r * kinds + k]);
            else
                fputs(" NaN", script);
        fputs("\n", script);
    }
    fprintf(script, "END\n$%s_odd << END\n", panel->block);
    for (size_t i = 0; i < panel->rows * kinds; i++)
        if (!isfinite(panel->values[i])) {
            fprintf(script, "%zu %.9g\n", i / kinds, md_axis_value(axis, 0.97));
            odd++;
        }
    fputs("NaN NaN\nEND\n", script);
    return odd;
}

/* A panel; with keys, whose titles stand in the legend whether or not its values are drawn. */
static void write_panel(FILE *script, const struct panel *panel,
                        const struct md_error_growth *growth, int has_odd, int keys) {
    fprintf(script,
            "set lmargin at screen %g\nset rmargin at screen %g\nset title '%s'\nplot NaN notitle",
            panel->left, panel->right, panel->title);
    for (size_t k = 0; k < growth->kinds; k++)
        if (count_drawn(panel, growth->kinds, k) > 0)
            fprintf(script, ", $%s using 1:%zu with linespoints %s pi %zu notitle", panel->block,
                    k + 2, styles[k], 1 + panel->rows / 30);
    for (size_t k = 0; keys && k < growth->kinds; k++)
        fprintf(script, ", NaN with linespoints %s title '%s'", styles[k], growth->kind_names[k]);
    if (has_odd)
        fprintf(script, ", $%s_odd using 1:2 with points lc rgb '#000000' pt 9 ps 1.2 notitle",
                panel->block);
    if (has_odd && keys)
        fprintf(script, ", NaN with points lc rgb '#000000' pt 9 ps 1.2 title '%s'", odd_title);
    fputs("\n", script);
}

static void write_layers(FILE *script, const struct md_error_growth *growth) {
    fprintf(script,
            "unset ylabel\nunset xlabel\nset xrange [-0.5:%g]\nset xtics rotate by 55 right "
            "noenhanced (",
            (double)growth->layers - 0.5);
    for (size_t l = 0; l < growth->layers; l++)
        fprintf(script, "%s'%s' %zu", l > 0 ? ", " : "", growth->layer_names[l], l);
    fputs(")\n", script);
}

int md_plot_error_growth(const char *path, const struct md_error_growth *growth,
                         struct md_error *error) {
    struct md_gnuplot figure;
    if (growth->steps < 1 || growth->kinds > MAX_KINDS)
        return md_fail(error, MD_USAGE, "%s: no steps to draw", path);
    const struct panel panels[2] = {
        {"steps", "all layers, by step", growth->steps, growth->by_step, 0.10, 0.47},
        {"layers", "the last step, by layer", growth->layers, growth->by_layer, 0.57, 0.98}};
    const char *titles[MAX_KINDS + 1] = {odd_title};
    for (size_t k = 0; k < growth->kinds; k++)
        titles[k + 1] = growth->kind_names[k];
    struct md_legend legend = md_gnuplot_legend(titles, growth->kinds + 1, WIDTH);
    double names = 0.0;
    for (size_t l = 0; l < growth->layers; l++)
        names = fmax(names, md_gnuplot_width(growth->layer_names[l], MD_TEXT_SIZE, 40.0));
    int below = 24 + (int)(0.82 * names) + legend.height, above = MD_TITLE_HEIGHT + 10;
    int height = above + PANEL_HEIGHT + below;
    MD_TRY(md_gnuplot_start(&figure, path, WIDTH, height, error));
    FILE *script = figure.script;
    struct md_axis axis = choose_axis(panels, growth->kinds);
    size_t odd = 0;
    for (int p = 0; p < 2; p++)
        odd += write_data(script, &panels[p], growth->kinds, &axis);
    fputs("set multiplot\nset grid x y lc rgb '#dddddd' lw 1 dt 1\nset border 3\n"
          "set tics nomirror\nset xlabel 'training step'\nset ylabel 'relative RMS error'\n",
          script);
    md_gnuplot_head(&figure, growth->title, &legend);
    md_axis_write(script, "y", &axis);
    fprintf(script, "set tmargin at screen %.5f\nset bmargin at screen %.5f\nset xrange [%g:%g]\n",
            1.0 - (double)above / height, (double)below / height, -0.02 * (double)growth->steps,
            (double)growth->steps - 1.0 + 0.02 * (double)growth->steps);
    write_panel(script, &panels[0], growth, odd > 0, 1);
    fputs("unset label\n", script); /* the title is drawn */
    write_layers(script, growth);
    write_panel(script, &panels[1], growth, odd > 0, 0);
    fputs("unset multiplot\n", script);
    return md_gnuplot_finish(&figure, error);
}
