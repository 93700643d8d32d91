#include "plots.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gnuplot.h"

/* All lengths are in pixels, from the top left corner. The pictures are drawn as one large image
 * of exactly the size it has on the page, so no program ever interpolates between pixels. */
enum {
    TILE = 192, /* the width a tile is enlarged to, by a whole number */
    GAP = 12,
    MARGIN = 20,
    HEAD = 72,    /* title and column titles */
    CAPTION = 34, /* below each row, its distance to the next included */
    BAR_GAP = 22,
    BAR = 16,
    BAR_LABELS = 62,
    KEY = 12, /* the height of a box beside which its meaning stands */
    KEY_GAP = 10,
    MOST_ROWS = 64,
    BAR_ROWS = 2 /* the colour bar is as high as at most so many rows */
};

struct page {
    const struct md_sheet *sheet;
    int rows, columns; /* of tiles */
    int zoom;
    int tile_height, tile_width, row_height;
    int image_height, image_width; /* all tiles with the gaps between them */
    int page_height, page_width;
};

static struct page lay_out(const struct md_sheet *sheet) {
    struct page p = {sheet, (int)sheet->count, 1 + sheet->map_count, .zoom = 1};
    if (sheet->width < TILE)
        p.zoom = TILE / sheet->width;
    p.tile_height = sheet->height * p.zoom;
    p.tile_width = sheet->width * p.zoom;
    p.row_height = p.tile_height + CAPTION;
    p.image_height = p.rows * p.row_height - CAPTION;
    p.image_width = p.columns * p.tile_width + (p.columns - 1) * GAP;
    p.page_height = HEAD + p.rows * p.row_height + MARGIN / 2;
    p.page_width = MARGIN + p.image_width + BAR_GAP + BAR + BAR_LABELS;
    return p;
}

/* The colour of pixel (y, x) of a tile; column 0 has the picture. */
static void tile_colour(const struct page *page, const struct md_sheet_row *row, int column, int y,
                        int x, uint8_t rgb[3]) {
    const struct md_sheet *sheet = page->sheet;
    if (column == 0) {
        int pixel = y / page->zoom * sheet->width + x / page->zoom;
        for (int c = 0; c < 3; c++)
            rgb[c] = row->picture[c * sheet->height * sheet->width + pixel];
        return;
    }
    const struct md_sheet_map *map = &row->maps[column - 1];
    int index =
        y * map->height / page->tile_height * map->width + x * map->width / page->tile_width;
    md_depth_colour((double)map->depth_m[index], sheet->max_depth_m, rgb);
}

static void draw_tile(const struct page *page, int row, int column, uint8_t *image) {
    int top = row * page->row_height, left = column * (page->tile_width + GAP);
    for (int y = 0; y < page->tile_height; y++)
        for (int x = 0; x < page->tile_width; x++) {
            size_t index = (size_t)(top + y) * (size_t)page->image_width + (size_t)(left + x);
            tile_colour(page, &page->sheet->rows[row], column, y, x, image + 3 * index);
        }
}

/* Returns the image of all tiles on white, (image_height, image_width, 3), or NULL. */
static uint8_t *draw_image(const struct page *page, size_t *size) {
    *size = 3 * (size_t)page->image_height * (size_t)page->image_width;
    uint8_t *image = malloc(*size);
    if (image == NULL)
        return NULL;
    memset(image, 255, *size);
    for (int row = 0; row < page->rows; row++)
        for (int column = 0; column < page->columns; column++)
            draw_tile(page, row, column, image);
    return image;
}

/* A position on the page in gnuplot's screen coordinates, which go from 0, the middle of the first
 * pixel, to 1, the middle of the last, and upwards. The edges of the image must fall exactly on
 * edges of pixels. */
static double screen_x(const struct page *page, double x) {
    return (x - 0.5) / (page->page_width - 1);
}

static double screen_y(const struct page *page, double y) {
    return 1.0 - (y - 0.5) / (page->page_height - 1);
}

static void write_position(FILE *script, const struct page *page, const char *before, double x,
                           double y) {
    fprintf(script, "%s screen %.9f,%.9f ", before, screen_x(page, x), screen_y(page, y));
}

/* `most`: the width available, in pixels. */
static void write_label(FILE *script, const struct page *page, const char *text, double x, double y,
                        double most, const char *align, double size) {
    fputs("set label ", script);
    md_gnuplot_text(script, text, most / (size * 96.0 / 72.0));
    write_position(script, page, " at", x, y);
    fprintf(script, "%s front font 'Helvetica,%g'\n", align, size);
}

static void write_texts(FILE *script, const struct page *page) {
    const char *title = page->sheet->title, *below = strchr(title, '\n');
    char first[1000];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(title, "\n"), title);
    write_label(script, page, first, MARGIN, below != NULL ? 16 : 22, page->image_width, "left",
                15);
    if (below != NULL)
        write_label(script, page, below + 1, MARGIN, 36, page->image_width, "left", 10);
    for (int c = 0; c < page->columns; c++)
        write_label(script, page, c == 0 ? "picture" : page->sheet->map_titles[c - 1],
                    MARGIN + c * (page->tile_width + GAP) + page->tile_width / 2.0, HEAD - 13,
                    page->tile_width, "center", 11);
    write_label(script, page, "depth (m)", MARGIN + page->image_width + BAR_GAP, HEAD - 13,
                BAR + BAR_LABELS, "left", 11);
    for (int r = 0; r < page->rows; r++)
        write_label(script, page, page->sheet->rows[r].caption, MARGIN,
                    HEAD + r * page->row_height + page->tile_height + 12, page->image_width, "left",
                    10);
}

/* A box in a colour that is not on the bar, and what it means beside it. */
static void write_key(FILE *script, const struct page *page, const unsigned char rgb[3],
                      const char *meaning, double y) {
    double x = MARGIN + page->image_width + BAR_GAP;
    write_position(script, page, "set object rectangle from", x, y);
    write_position(script, page, "to", x + BAR, y + KEY);
    fprintf(script, "fillcolor rgb '#%02x%02x%02x' fillstyle solid noborder\n", rgb[0], rgb[1],
            rgb[2]);
    write_label(script, page, meaning, x + BAR + 6, y + KEY / 2.0, BAR_LABELS, "left", 9);
}

static void write_colour_bar(FILE *script, const struct page *page) {
    int rows = page->rows < BAR_ROWS ? page->rows : BAR_ROWS;
    double top = HEAD + KEY + KEY_GAP, end = HEAD + rows * page->row_height - CAPTION;
    md_gnuplot_depth_palette(script);
    fprintf(script, "set cbrange [0:%.9g]\n", page->sheet->max_depth_m);
    write_position(script, page, "set colorbox user origin", MARGIN + page->image_width + BAR_GAP,
                   end);
    fprintf(script, "size screen %.6f,%.6f\n", (double)BAR / page->page_width,
            (end - top) / page->page_height);
    write_key(script, page, md_beyond_rgb, "beyond", HEAD);
    write_key(script, page, md_no_depth_rgb, "no value", end + KEY_GAP);
}

/* Places the plot's area exactly over the image's pixels. */
static void write_margins(FILE *script, const struct page *page) {
    fprintf(script, "set lmargin at screen %.9f\nset rmargin at screen %.9f\n",
            screen_x(page, MARGIN), screen_x(page, MARGIN + page->image_width));
    fprintf(script, "set tmargin at screen %.9f\nset bmargin at screen %.9f\n",
            screen_y(page, HEAD), screen_y(page, HEAD + page->image_height));
}

static void write_sheet(FILE *script, const struct page *page, const uint8_t *image, size_t size) {
    write_texts(script, page);
    write_colour_bar(script, page);
    write_margins(script, page);
    /* The second plot draws nothing; it makes gnuplot show the colour bar. */
    fprintf(script,
            "unset border\nunset tics\nunset key\nset cbtics\n"
            "set xrange [-0.5:%d.5]\nset yrange [%d.5:-0.5]\n"
            "plot '-' binary array=(%d,%d) format='%%uint8%%uint8%%uint8' with rgbimage, "
            "NaN with lines palette\n",
            page->image_width - 1, page->image_height - 1, page->image_width, page->image_height);
    fwrite(image, 1, size, script);
}

int md_plot_contact_sheet(const char *path, const struct md_sheet *sheet, struct md_error *error) {
    /* More rows than that no picture viewer would like to open. */
    if (sheet->count < 1 || sheet->count > MOST_ROWS || sheet->height < 1 || sheet->width < 1)
        return md_fail(error, MD_USAGE, "%s: %zu rows of %d x %d pixels, expected 1 to %d rows",
                       path, sheet->count, sheet->height, sheet->width, MOST_ROWS);
    if (!(sheet->max_depth_m > 0.0) || !isfinite(sheet->max_depth_m))
        return md_fail(error, MD_USAGE, "%s: largest depth %g m, expected more than 0", path,
                       sheet->max_depth_m);
    struct page page = lay_out(sheet);
    struct md_gnuplot figure;
    MD_TRY(md_gnuplot_start(&figure, path, page.page_width, page.page_height, error));
    size_t size;
    uint8_t *image = draw_image(&page, &size);
    if (image == NULL) {
        md_gnuplot_cancel(&figure);
        return md_fail(error, MD_FAILED, "%s: out of memory", path);
    }
    write_sheet(figure.script, &page, image, size);
    free(image);
    return md_gnuplot_finish(&figure, error);
}
