#include "plots.h"

#include <stdio.h>

#include "gnuplot.h"

enum { WIDTH = 900, PANEL_HEIGHT = 460, AXIS_HEIGHT = 52, TITLE_SIZE = 80 };

/* Safe for colour-blind readers as far as there are so many (Okabe and Ito, "Color Universal
 * Design", 2008, then greys and lighter ones); every rectangle has a line around it besides. */
static const char *const colours[MD_MEMORY_KINDS] = {
    "#0072b2", "#56b4e9", "#999999", "#cc79a7", "#d55e00", "#7f3b08", "#f0e442", "#fff7bc",
    "#009e73", "#a6dba0", "#e69f00", "#332288", "#dddddd", "#117733", "#bbbbbb", "#882255"};

/* One block of data per kind; returns how many rectangles it has. */
static size_t write_kind(FILE *script, const struct md_memory_map *map, int kind) {
    size_t written = 0;
    fprintf(script, "$kind%d << END\n", kind);
    for (size_t b = 0; b < map->count; b++) {
        const struct md_memory_buffer *buffer = &map->buffers[b];
        if (buffer->kind != kind || buffer->to_bytes <= buffer->from_bytes)
            continue;
        double low = buffer->first, high = buffer->last + 1.0;
        double from = buffer->from_bytes / 1000.0, to = buffer->to_bytes / 1000.0;
        fprintf(script, "%.9g %.9g %.9g %.9g %.9g %.9g\n", (low + high) / 2, (from + to) / 2, low,
                high, from, to);
        written++;
    }
    fputs("END\n", script);
    return written;
}

int md_plot_memory(const char *path, const struct md_memory_map *map, struct md_error *error) {
    const char *titles[MD_MEMORY_KINDS + 1];
    char peak[TITLE_SIZE];
    size_t shown = 0;
    double top = 0.0;
    unsigned char is_shown[MD_MEMORY_KINDS] = {0};
    for (size_t b = 0; b < map->count; b++) {
        const struct md_memory_buffer *buffer = &map->buffers[b];
        is_shown[buffer->kind] |= buffer->to_bytes > buffer->from_bytes;
        top = buffer->to_bytes > top ? buffer->to_bytes : top;
    }
    for (int k = 0; k < map->kind_count; k++)
        if (is_shown[k])
            titles[shown++] = map->kind_names[k];
    snprintf(peak, sizeof peak, "peak: %.1f kB live at instruction %d", map->peak_bytes / 1000.0,
             map->peak);
    titles[shown++] = peak;
    struct md_legend legend = md_gnuplot_legend(titles, shown, WIDTH);
    struct md_gnuplot figure;
    MD_TRY(md_gnuplot_start(&figure, path, WIDTH,
                            MD_TITLE_HEIGHT + PANEL_HEIGHT + AXIS_HEIGHT + legend.height, error));
    FILE *script = figure.script;
    for (int k = 0; k < map->kind_count; k++)
        write_kind(script, map, k);
    fprintf(script, "$peak << END\n%.9g 0\n%.9g %.9g\nEND\n", map->peak + 0.5, map->peak + 0.5,
            1.03 * top / 1000.0);
    md_gnuplot_title(&figure, map->title);
    md_gnuplot_write_legend(&figure, &legend);
    fprintf(script,
            "set xlabel 'instruction'\nset ylabel 'address (kB of 1,000 bytes)'\n"
            "set xrange [0:%d]\nset yrange [0:%.9g]\nset tics nomirror out\nset border 3\n"
            "set bmargin at screen %.5f\nset style fill solid 1.0 border lc rgb '#333333'\n"
            "plot NaN notitle",
            map->instructions, 1.03 * top / 1000.0,
            (double)(AXIS_HEIGHT + legend.height) / figure.height);
    for (int k = 0; k < map->kind_count; k++)
        if (is_shown[k])
            fprintf(script,
                    ", $kind%d using 1:2:3:4:5:6 with boxxyerror lw 0.4 fc rgb '%s' title '%s'", k,
                    colours[k], map->kind_names[k]);
    fprintf(script, ", $peak using 1:2 with lines lc rgb '#000000' lw 1.5 dt 2 title '%s'\n", peak);
    return md_gnuplot_finish(&figure, error);
}
