#include "plots.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gnuplot.h"

/* All lengths are in pixels, from the top left corner. The pictures are drawn as one large image
 * of exactly the size it has on the page, so no program ever interpolates between pixels. */
enum {
    COLUMNS = 4,
    TILE = 192, /* the width a tile is enlarged to, by a whole number */
    GAP = 12,
    MARGIN = 20,
    HEAD = 72,    /* title and column titles */
    CAPTION = 34, /* below each row, its distance to the next included */
    BAR_GAP = 22,
    BAR = 16,
    BAR_LABELS = 62,
    MOST_ROWS = 64,
    BAR_ROWS = 2 /* the colour bar is as high as at most so many rows */
};

static const char *const column_titles[COLUMNS] = {"picture", "sensor label", "before fine-tuning",
                                                   "after fine-tuning"};

struct sheet {
    const struct md_sheet_row *rows;
    int count, height, width; /* of a picture */
    int zoom;
    int tile_height, tile_width, row_height;
    int image_height, image_width; /* all tiles with the gaps between them */
    int page_height, page_width;
    double max_depth_m;
};

static struct sheet lay_out(const struct md_sheet_row *rows, int count, int height, int width,
                            double max_depth_m) {
    struct sheet s = {rows, count, height, width, .max_depth_m = max_depth_m};
    s.zoom = width < TILE ? TILE / width : 1;
    s.tile_height = height * s.zoom;
    s.tile_width = width * s.zoom;
    s.row_height = s.tile_height + CAPTION;
    s.image_height = count * s.row_height - CAPTION;
    s.image_width = COLUMNS * s.tile_width + (COLUMNS - 1) * GAP;
    s.page_height = HEAD + count * s.row_height + MARGIN / 2;
    s.page_width = MARGIN + s.image_width + BAR_GAP + BAR + BAR_LABELS;
    return s;
}

static void depth_colour(const struct sheet *sheet, const float *depth_m, int place,
                         uint8_t rgb[3]) {
    md_depth_colour((double)depth_m[place], sheet->max_depth_m, rgb);
}

/* The colour of picture pixel (y, x) of a tile. */
static void tile_colour(const struct sheet *sheet, const struct md_sheet_row *row, int column,
                        int y, int x, uint8_t rgb[3]) {
    int pixel = y * sheet->width + x, plane = sheet->height * sheet->width;
    int zone = y * row->zones_height / sheet->height * row->zones_width +
               x * row->zones_width / sheet->width;
    switch (column) {
    case 0:
        for (int c = 0; c < 3; c++)
            rgb[c] = row->picture[c * plane + pixel];
        break;
    case 1:
        depth_colour(sheet, row->zones_m, zone, rgb);
        break;
    case 2:
        depth_colour(sheet, row->before_m, pixel, rgb);
        break;
    default:
        depth_colour(sheet, row->after_m, pixel, rgb);
        break;
    }
}

static void draw_tile(const struct sheet *sheet, int row, int column, uint8_t *image) {
    int top = row * sheet->row_height, left = column * (sheet->tile_width + GAP);
    for (int y = 0; y < sheet->tile_height; y++)
        for (int x = 0; x < sheet->tile_width; x++) {
            size_t place = (size_t)(top + y) * (size_t)sheet->image_width + (size_t)(left + x);
            tile_colour(sheet, &sheet->rows[row], column, y / sheet->zoom, x / sheet->zoom,
                        image + 3 * place);
        }
}

/* Returns the image of all tiles on white, (image_height, image_width, 3), or NULL. */
static uint8_t *draw_image(const struct sheet *sheet, size_t *size) {
    *size = 3 * (size_t)sheet->image_height * (size_t)sheet->image_width;
    uint8_t *image = malloc(*size);
    if (image == NULL)
        return NULL;
    memset(image, 255, *size);
    for (int row = 0; row < sheet->count; row++)
        for (int column = 0; column < COLUMNS; column++)
            draw_tile(sheet, row, column, image);
    return image;
}

/* A place on the page in gnuplot's screen coordinates, which go from 0, the middle of the first
 * pixel, to 1, the middle of the last, and upwards. The edges of the image must fall exactly on
 * edges of pixels. */
static double screen_x(const struct sheet *sheet, double x) {
    return (x - 0.5) / (sheet->page_width - 1);
}

static double screen_y(const struct sheet *sheet, double y) {
    return 1.0 - (y - 0.5) / (sheet->page_height - 1);
}

static void write_place(FILE *script, const struct sheet *sheet, const char *before, double x,
                        double y) {
    fprintf(script, "%s screen %.9f,%.9f ", before, screen_x(sheet, x), screen_y(sheet, y));
}

/* `most` is the room there is, in pixels. */
static void write_label(FILE *script, const struct sheet *sheet, const char *text, double x,
                        double y, double most, const char *align, double size) {
    fputs("set label ", script);
    md_gnuplot_text(script, text, most / (size * 96.0 / 72.0));
    write_place(script, sheet, " at", x, y);
    fprintf(script, "%s front font 'Helvetica,%g'\n", align, size);
}

static void write_texts(FILE *script, const struct sheet *sheet, const char *title) {
    write_label(script, sheet, title, MARGIN, 22, sheet->image_width, "left", 15);
    for (int c = 0; c < COLUMNS; c++)
        write_label(script, sheet, column_titles[c],
                    MARGIN + c * (sheet->tile_width + GAP) + sheet->tile_width / 2.0, HEAD - 13,
                    sheet->tile_width, "center", 11);
    write_label(script, sheet, "depth (m)", MARGIN + sheet->image_width + BAR_GAP, HEAD - 13,
                BAR + BAR_LABELS, "left", 11);
    for (int r = 0; r < sheet->count; r++)
        write_label(script, sheet, sheet->rows[r].caption, MARGIN,
                    HEAD + r * sheet->row_height + sheet->tile_height + 12, sheet->image_width,
                    "left", 10);
}

/* A box in the colour of "no value" and those words beside it. */
static void write_no_value_key(FILE *script, const struct sheet *sheet, double x, double y) {
    const unsigned char *grey = md_no_depth_rgb;
    write_place(script, sheet, "set object rectangle from", x, y);
    write_place(script, sheet, "to", x + BAR, y + 12);
    fprintf(script, "fillcolor rgb '#%02x%02x%02x' fillstyle solid noborder\n", grey[0], grey[1],
            grey[2]);
    write_label(script, sheet, "no value", x + BAR + 6, y + 6, BAR_LABELS, "left", 9);
}

static void write_colour_bar(FILE *script, const struct sheet *sheet) {
    int rows = sheet->count < BAR_ROWS ? sheet->count : BAR_ROWS;
    double height = rows * sheet->row_height - CAPTION;
    md_gnuplot_depth_palette(script);
    fprintf(script, "set cbrange [0:%.9g]\n", sheet->max_depth_m);
    write_place(script, sheet, "set colorbox user origin", MARGIN + sheet->image_width + BAR_GAP,
                HEAD + height);
    fprintf(script, "size screen %.6f,%.6f\n", (double)BAR / sheet->page_width,
            height / sheet->page_height);
    write_no_value_key(script, sheet, MARGIN + sheet->image_width + BAR_GAP, HEAD + height + 12);
}

/* Places the plot's area exactly over the image's pixels. */
static void write_margins(FILE *script, const struct sheet *sheet) {
    fprintf(script, "set lmargin at screen %.9f\nset rmargin at screen %.9f\n",
            screen_x(sheet, MARGIN), screen_x(sheet, MARGIN + sheet->image_width));
    fprintf(script, "set tmargin at screen %.9f\nset bmargin at screen %.9f\n",
            screen_y(sheet, HEAD), screen_y(sheet, HEAD + sheet->image_height));
}

static void write_sheet(FILE *script, const struct sheet *sheet, const char *title,
                        const uint8_t *image, size_t size) {
    write_texts(script, sheet, title);
    write_colour_bar(script, sheet);
    write_margins(script, sheet);
    /* The second plot draws nothing; it makes gnuplot show the colour bar. */
    fprintf(script,
            "unset border\nunset tics\nunset key\nset cbtics\n"
            "set xrange [-0.5:%d.5]\nset yrange [%d.5:-0.5]\n"
            "plot '-' binary array=(%d,%d) format='%%uint8%%uint8%%uint8' with rgbimage, "
            "NaN with lines palette\n",
            sheet->image_width - 1, sheet->image_height - 1, sheet->image_width,
            sheet->image_height);
    fwrite(image, 1, size, script);
}

int md_plot_contact_sheet(const char *path, const char *title, const struct md_sheet_row *rows,
                          size_t count, int height, int width, double max_depth_m,
                          struct md_error *error) {
    /* More rows than that no picture viewer would like to open. */
    if (count < 1 || count > MOST_ROWS || height < 1 || width < 1)
        return md_fail(error, MD_USAGE, "%s: %zu rows of %d x %d pixels, expected 1 to %d rows",
                       path, count, height, width, MOST_ROWS);
    if (!(max_depth_m > 0.0) || !isfinite(max_depth_m))
        return md_fail(error, MD_USAGE, "%s: largest depth %g m, expected more than 0", path,
                       max_depth_m);
    struct sheet sheet = lay_out(rows, (int)count, height, width, max_depth_m);
    struct md_gnuplot figure;
    int status = md_gnuplot_start(&figure, path, sheet.page_width, sheet.page_height, error);
    if (status != MD_OK)
        return status;
    size_t size;
    uint8_t *image = draw_image(&sheet, &size);
    if (image == NULL) {
        md_gnuplot_cancel(&figure);
        return md_fail(error, MD_FAILED, "%s: out of memory", path);
    }
    write_sheet(figure.script, &sheet, title, image, size);
    free(image);
    return md_gnuplot_finish(&figure, error);
}
