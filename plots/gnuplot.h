/* One run of gnuplot. Internal to plots/.
 *
 * The script, with its data, goes into a temporary file that becomes gnuplot's standard input,
 * and gnuplot draws to its standard output: no file name is ever part of a script, no pipe can
 * fill up or break, and a program that plots needs no care about SIGPIPE. */
#ifndef MD_PLOTS_GNUPLOT_H
#define MD_PLOTS_GNUPLOT_H

#include <stdio.h>

#include "../base/file.h"

struct md_gnuplot {
    FILE *script; /* write commands and data here */
    int width, height;
    const char *path;
};

/* Pixels that every figure has in common, however the machine's fonts are cut. */
enum { MD_TITLE_HEIGHT = 70, MD_LEGEND_ROW = 22, MD_TEXT_SIZE = 11 };

/* Starts a figure of width x height pixels (1/128 inch in a .pdf). MD_USAGE when `path` has none of
 * the three endings. After MD_OK, md_gnuplot_finish or md_gnuplot_cancel must follow. */
int md_gnuplot_start(struct md_gnuplot *figure, const char *path, int width, int height,
                     struct md_error *error);

/* Runs the script and renames the figure to its path; on failure no file is left. */
int md_gnuplot_finish(struct md_gnuplot *figure, struct md_error *error);

/* Gives the figure up instead. */
void md_gnuplot_cancel(struct md_gnuplot *figure);

/* Writes `text` (UTF-8) as a quoted string that gnuplot takes literally, followed by the option
 * that switches markup off. Control characters and broken UTF-8 become '?'; what would be wider
 * than about `most_em` times the font size is cut and ends in an ellipsis. */
void md_gnuplot_text(FILE *script, const char *text, double most_em);

/* About how many pixels wide a text of this font size (in points) is, rather too many than too few,
 * whichever font stands in for Helvetica; and at most as many as `most_em` makes of it. */
double md_gnuplot_width(const char *text, double size, double most_em);

/* A legend at the lower edge of a figure: as many columns as fit into its width. */
struct md_legend {
    int rows, height;
    int least_panel; /* gnuplot stacks no more rows than a panel of this height could hold */
    double most_em;  /* that a title may be wide */
};
struct md_legend md_gnuplot_legend(const char *const *titles, size_t count, int width);

/* Writes the commands that give a figure its legend and its title, within the uppermost
 * MD_TITLE_HEIGHT pixels, as all have it; what stands behind a line feed goes below it, smaller. */
void md_gnuplot_head(const struct md_gnuplot *figure, const char *title,
                     const struct md_legend *legend);

/* Writes the commands that make the depth colours (colour.c) gnuplot's palette. */
void md_gnuplot_depth_palette(FILE *script);

/* The colours of "no value" and of a depth beyond the scale. */
extern const unsigned char md_no_depth_rgb[3], md_beyond_rgb[3];

/* What a plot draws: data that were written, how, and how much of it there is. Parts without data
 * are left out, of the legend too. */
struct md_gnuplot_part {
    size_t count;
    const char *drawn;
};
void md_gnuplot_parts(FILE *script, const struct md_gnuplot_part *parts, const char *const *titles,
                      size_t count);

#endif
