#include "plots.h"

#include <math.h>
#include <stdio.h>

#include "gnuplot.h"

enum { WIDTH = 900, PANEL_HEIGHT = 460, AXIS_HEIGHT = 52, TITLE_SIZE = 80 };

/* Safe for colour-blind readers as far as there are so many (Okabe and Ito, "Color Universal
 * Design", 2008, then greys and lighter ones); every rectangle has a line around it besides. */
static const char *const colours[] = {
    "#0072b2", "#56b4e9", "#999999", "#cc79a7", "#d55e00", "#7f3b08", "#f0e442", "#fff7bc",
    "#009e73", "#a6dba0", "#e69f00", "#332288", "#dddddd", "#117733", "#bbbbbb", "#882255"};

_Static_assert(sizeof colours / sizeof *colours >= MD_BUFFER_KIND_COUNT, "no colour for a kind");

/* Where copy c of a buffer begins. */
static double place_of(const struct md_plan *plan, const struct md_buffer *buffer, int c) {
    return (double)(buffer->offset + (size_t)c * plan->stride[buffer->each]);
}

/* One block of data per kind. */
static void write_kind(FILE *script, const struct md_setup *setup, const struct md_plan *plan,
                       int kind) {
    fprintf(script, "$kind%d << END\n", kind);
    for (int b = 0; b < plan->buffers; b++) {
        const struct md_buffer *buffer = &plan->buffer[b];
        int copies =
            (int)buffer->kind == kind && buffer->bytes > 0 ? md_plan_copies(setup, plan, b) : 0;
        for (int c = 0; c < copies; c++) {
            double low = buffer->first, high = buffer->last + 1.0;
            double from = place_of(plan, buffer, c) / 1000.0;
            double to = (place_of(plan, buffer, c) + (double)buffer->bytes) / 1000.0;
            fprintf(script, "%.9g %.9g %.9g %.9g %.9g %.9g\n", (low + high) / 2, (from + to) / 2,
                    low, high, from, to);
        }
    }
    fputs("END\n", script);
}

int md_plot_memory(const char *path, const char *title, const struct md_setup *setup,
                   const struct md_plan *plan, struct md_error *error) {
    const char *titles[MD_BUFFER_KIND_COUNT + 1];
    char peak[TITLE_SIZE];
    size_t shown = 0;
    double top = 0.0;
    int is_shown[MD_BUFFER_KIND_COUNT] = {0};
    for (int b = 0; b < plan->buffers; b++) {
        const struct md_buffer *buffer = &plan->buffer[b];
        int copies = md_plan_copies(setup, plan, b);
        if (copies == 0)
            continue;
        is_shown[buffer->kind] |= buffer->bytes > 0;
        top = fmax(top, place_of(plan, buffer, copies - 1) + (double)buffer->bytes);
    }
    for (int k = 0; k < MD_BUFFER_KIND_COUNT; k++)
        if (is_shown[k])
            titles[shown++] = md_buffer_names[k];
    snprintf(peak, sizeof peak, "peak: %.1f kB live at instruction %d",
             (double)plan->bound_bytes / 1000.0, plan->peak);
    titles[shown++] = peak;
    struct md_legend legend = md_gnuplot_legend(titles, shown, WIDTH);
    struct md_gnuplot figure;
    MD_TRY(md_gnuplot_start(&figure, path, WIDTH,
                            MD_TITLE_HEIGHT + PANEL_HEIGHT + AXIS_HEIGHT + legend.height, error));
    FILE *script = figure.script;
    for (int k = 0; k < MD_BUFFER_KIND_COUNT; k++)
        write_kind(script, setup, plan, k);
    fprintf(script, "$peak << END\n%.9g 0\n%.9g %.9g\nEND\n", plan->peak + 0.5, plan->peak + 0.5,
            1.03 * top / 1000.0);
    md_gnuplot_head(&figure, title, &legend);
    fprintf(script,
            "set xlabel 'instruction'\nset ylabel 'address (kB of 1,000 bytes)'\n"
            "set xrange [0:%d]\nset yrange [0:%.9g]\nset tics nomirror out\nset border 3\n"
            "set bmargin at screen %.5f\nset style fill solid 1.0 border lc rgb '#333333'\n"
            "plot NaN notitle",
            plan->instructions, 1.03 * top / 1000.0,
            (double)(AXIS_HEIGHT + legend.height) / figure.height);
    for (int k = 0; k < MD_BUFFER_KIND_COUNT; k++)
        if (is_shown[k])
            fprintf(script,
                    ", $kind%d using 1:2:3:4:5:6 with boxxyerror lw 0.4 fc rgb '%s' title '%s'", k,
                    colours[k], md_buffer_names[k]);
    fprintf(script, ", $peak using 1:2 with lines lc rgb '#000000' lw 1.5 dt 2 title '%s'\n", peak);
    return md_gnuplot_finish(&figure, error);
}
