#include "plots.h"

#include <math.h>
#include <stdio.h>

#include "gnuplot.h"

enum { WIDTH = 1000, HEIGHT = 520, MAX_KINDS = 4 };

/* One colour (Okabe and Ito), dash and point per kind of tensor. */
static const char *const styles[MAX_KINDS] = {
    "lc rgb '#0072b2' lw 2 dt 1 pt 7 ps 0.7", "lc rgb '#d55e00' lw 2 dt 2 pt 5 ps 0.7",
    "lc rgb '#009e73' lw 2 dt 4 pt 9 ps 0.9", "lc rgb '#cc79a7' lw 2 dt 5 pt 13 ps 0.9"};

/* A zero has no place on a logarithmic axis and is left out. */
static void write_block(FILE *script, const char *name, size_t rows, size_t kinds,
                        const double *values) {
    fprintf(script, "$%s << END\n", name);
    for (size_t r = 0; r < rows; r++) {
        fprintf(script, "%zu", r);
        for (size_t k = 0; k < kinds; k++)
            if (values[r * kinds + k] > 0.0 && isfinite(values[r * kinds + k]))
                fprintf(script, " %.9g", values[r * kinds + k]);
            else
                fputs(" NaN", script);
        fputs("\n", script);
    }
    fputs("END\n", script);
}

static int has_value(size_t rows, size_t kinds, const double *values, size_t kind) {
    for (size_t r = 0; r < rows; r++)
        if (values[r * kinds + kind] > 0.0 && isfinite(values[r * kinds + kind]))
            return 1;
    return 0;
}

static void write_plot(FILE *script, const char *block, size_t rows,
                       const struct md_error_growth *growth, const double *values, int titles) {
    fputs("plot NaN notitle", script);
    for (size_t k = 0; k < growth->kinds; k++)
        if (has_value(rows, growth->kinds, values, k)) {
            fprintf(script, ", $%s using 1:%zu with linespoints %s pi %zu ", block, k + 2,
                    styles[k], 1 + rows / 30);
            if (titles)
                fprintf(script, "title '%s'", growth->kind_names[k]);
            else
                fputs("notitle", script);
        }
    fputs("\n", script);
}

int md_plot_error_growth(const char *path, const struct md_error_growth *growth,
                         struct md_error *error) {
    struct md_gnuplot figure;
    if (growth->steps < 1 || growth->kinds > MAX_KINDS)
        return md_fail(error, MD_USAGE, "%s: no steps to draw", path);
    int status = md_gnuplot_start(&figure, path, WIDTH, HEIGHT, error);
    if (status != MD_OK)
        return status;
    FILE *script = figure.script;
    write_block(script, "steps", growth->steps, growth->kinds, growth->by_step);
    write_block(script, "layers", growth->layers, growth->kinds, growth->by_layer);
    fputs("set multiplot\nset logscale y\nset format y '10^{%L}'\nset termoption enhanced\n"
          "set grid x y lc rgb '#dddddd' lw 1 dt 1\nset border 3\n"
          "set tics nomirror\nset tmargin at screen 0.86\nset bmargin at screen 0.30\n"
          "set label 1 ",
          script);
    md_gnuplot_text(script, growth->title, 60.0);
    fputs(" at screen 0.5,0.955 center font 'Helvetica,15'\n", script);
    fprintf(script,
            "set lmargin at screen 0.10\nset rmargin at screen 0.47\nset xlabel 'training step'\n"
            "set title 'all layers, by step'\n"
            "set ylabel 'relative RMS error'\nset xrange [%g:%g]\n"
            "set key at screen 0.28,0.03 center bottom horizontal maxcols 2 samplen 3 width 2\n",
            -0.02 * (double)growth->steps,
            (double)growth->steps - 1.0 + 0.02 * (double)growth->steps);
    write_plot(script, "steps", growth->steps, growth, growth->by_step, 1);
    fprintf(script,
            "unset label 1\nunset ylabel\nset lmargin at screen 0.57\nset rmargin at screen 0.98\n"
            "unset xlabel\nset title 'the last step, by layer'\nset xrange [-0.5:%g]\n"
            "set xtics rotate by 55 right noenhanced (",
            (double)growth->layers - 0.5);
    for (size_t l = 0; l < growth->layers; l++)
        fprintf(script, "%s'%s' %zu", l > 0 ? ", " : "", growth->layer_names[l], l);
    fputs(")\n", script);
    write_plot(script, "layers", growth->layers, growth, growth->by_layer, 0);
    fputs("unset multiplot\n", script);
    return md_gnuplot_finish(&figure, error);
}
