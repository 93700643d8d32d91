#include "plots.h"

#include <math.h>
#include <string.h>

#include "gnuplot.h"

/* Our depth colours from near to far, equally spaced, straight lines in sRGB between them.
 * Chosen on a path through OKLab from pale yellow over green and blue to dark indigo, and spaced
 * by colour difference (CIE 1976, half for normal and half for deuteranope vision): lightness
 * falls all the way, so the order survives grey print and colour-blindness. */
static const unsigned char anchors[][3] = {
    {253, 242, 144}, {174, 225, 112}, {118, 210, 128}, {61, 191, 146}, {18, 165, 156},
    {43, 129, 148},  {25, 97, 146},   {37, 61, 133},   {32, 17, 75},
};
enum { LAST = sizeof anchors / sizeof *anchors - 1 };

const unsigned char md_no_depth_rgb[3] = {176, 176, 176};
/* Okabe and Ito's vermillion ("Color Universal Design", 2008): the scale has no warm colour as dark
 * as this, in normal and in deuteranope vision. */
const unsigned char md_beyond_rgb[3] = {213, 94, 0};

void md_depth_colour(double depth_m, double max_depth_m, uint8_t rgb[3]) {
    /* Depths come from binary32, in which the end of the scale may be a little larger. */
    int is_beyond = (float)depth_m > (float)max_depth_m;
    if (is_beyond || !(depth_m > 0.0)) { /* the negation catches NaN */
        memcpy(rgb, is_beyond ? md_beyond_rgb : md_no_depth_rgb, 3);
        return;
    }
    double position = fmin(depth_m / max_depth_m, 1.0) * LAST;
    int below = position < LAST ? (int)position : LAST - 1;
    double weight = position - below;
    for (int c = 0; c < 3; c++) {
        double mixed = anchors[below][c] * (1.0 - weight) + anchors[below + 1][c] * weight;
        rgb[c] = (uint8_t)lround(mixed);
    }
}

void md_gnuplot_depth_palette(FILE *script) {
    fputs("set palette maxcolors 256 defined (", script);
    for (int a = 0; a <= LAST; a++)
        fprintf(script, "%s%d '#%02x%02x%02x'", a == 0 ? "" : ", ", a, anchors[a][0], anchors[a][1],
                anchors[a][2]);
    fputs(")\n", script);
}
