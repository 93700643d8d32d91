/* Figures: the colour scale, the two figures in all three forms, and everything that can go wrong
 * between us and gnuplot. */
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>

#include "../base/image.h"
#include "../plots/gnuplot.h"
#include "../plots/plots.h"
#include "scratch.h"

enum { SIDE = 48, PIXELS = SIDE * SIDE, ZONES = 8, MOST_ROWS = 65, MOST_EPOCHS = 100 };

static struct scratch_path path;
static struct md_error error;

static uint8_t picture[3 * PIXELS];
static float zones_m[ZONES * ZONES], before_m[PIXELS], after_m[PIXELS];
static struct md_sheet_row rows[MOST_ROWS];
static double train[MOST_EPOCHS], validation[MOST_EPOCHS], rmse_m[MOST_EPOCHS];

static void set_up(void) {
    scratch = scratch_open();
    path = scratch_path(&scratch, "figure.png");
    for (int i = 0; i < PIXELS; i++) {
        for (int c = 0; c < 3; c++)
            picture[c * PIXELS + i] = (uint8_t)(i * 7 + c * 50);
        before_m[i] = (float)(i % 41) * 0.1f;
        after_m[i] = (float)(i % 37) * 0.1f;
    }
    before_m[0] = NAN;
    before_m[1] = 4.1f;
    for (int z = 0; z < ZONES * ZONES; z++)
        zones_m[z] = (float)(z - 1) * 0.0625f;
    for (int r = 0; r < MOST_ROWS; r++)
        rows[r] = (struct md_sheet_row){
            "flight 3",
            picture,
            {{zones_m, ZONES, ZONES}, {before_m, SIDE, SIDE}, {after_m, SIDE, SIDE}}};
    for (int e = 0; e < MOST_EPOCHS; e++) {
        train[e] = exp(-0.1 * e);
        validation[e] = 0.1 + exp(-0.1 * e);
        rmse_m[e] = 0.5 + 0.3 * exp(-0.2 * e);
    }
}

TestSuite(plots, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

static int sheet_to(const char *title, size_t count, double max_depth_m) {
    const struct md_sheet sheet = {
        title, {"zones", "before", "after"}, 3, rows, count, SIDE, SIDE, max_depth_m};
    return md_plot_contact_sheet(path.text, &sheet, &error);
}

static int sheet(const char *title, size_t count) {
    return sheet_to(title, count, 4.0);
}

static int curve_of(const char *title, size_t epochs, const double *train_loss,
                    const double *validation_loss, const double *validation_rmse_m,
                    double rmse_before_m, double dummy_m) {
    static struct md_epoch history[MOST_EPOCHS];
    for (size_t e = 0; e < epochs; e++)
        history[e] =
            (struct md_epoch){0.001, train_loss[e], validation_loss[e], validation_rmse_m[e]};
    const struct md_loss_curve it = {
        .title = title,
        .epochs = epochs,
        .history = history,
        .rmse_before_m = rmse_before_m,
        .rmse_dummy_m = dummy_m,
    };
    return md_plot_loss_curve(path.text, &it, &error);
}

static int curve(const char *title, size_t epochs) {
    return curve_of(title, epochs, train, validation, rmse_m, 21.3, 0.68);
}

/* The figure is there, begins like its form, and is alone in its folder. */
static void assert_drawn(int status, const char *magic) {
    cr_assert_eq(status, MD_OK, "%s", error.text);
    size_t size;
    unsigned char *bytes = scratch_read(path.text, &size);
    cr_assert(size > strlen(magic) && memcmp(bytes, magic, strlen(magic)) == 0, "%s", path.text);
    free(bytes);
    cr_assert_eq(scratch_count(scratch.folder), 1, "a temporary file stays behind");
    remove(path.text);
}

/* ---- the colour scale ---- */

static double lightness(const uint8_t rgb[3]) {
    return 0.2126 * pow(rgb[0] / 255.0, 2.2) + 0.7152 * pow(rgb[1] / 255.0, 2.2) +
           0.0722 * pow(rgb[2] / 255.0, 2.2);
}

Test(plots, nearer_is_always_brighter) {
    uint8_t rgb[3];
    md_depth_colour(1e-6, 4.0, rgb);
    double nearer = lightness(rgb);
    for (int step = 1; step <= 40; step++) {
        md_depth_colour(step * 0.1, 4.0, rgb);
        cr_assert_lt(lightness(rgb), nearer, "at %g m", step * 0.1);
        nearer = lightness(rgb);
    }
}

Test(plots, no_value_is_grey_and_what_lies_beyond_is_not_the_end) {
    static const double no_values[] = {0.0, -1.0, -INFINITY, NAN};
    uint8_t rgb[3], end[3];
    for (int i = 0; i < 4; i++) {
        md_depth_colour(no_values[i], 4.0, rgb);
        cr_assert_eq(memcmp(rgb, md_no_depth_rgb, 3), 0);
    }
    cr_assert(md_no_depth_rgb[0] == md_no_depth_rgb[1] && md_no_depth_rgb[1] == md_no_depth_rgb[2]);
    md_depth_colour(4.0, 4.0, end);
    cr_assert(end[0] == 32 && end[1] == 17 && end[2] == 75);
    md_depth_colour((double)3.7f, 3.7, rgb); /* a little more than 3.7 */
    cr_assert_eq(memcmp(rgb, end, 3), 0);
    static const double beyond[] = {4.001, 400.0, 1e300, INFINITY};
    for (int i = 0; i < 4; i++) {
        md_depth_colour(beyond[i], 4.0, rgb);
        cr_assert_eq(memcmp(rgb, md_beyond_rgb, 3), 0, "at %g m", beyond[i]);
    }
}

Test(plots, gnuplot_has_the_same_colours) {
    char *script = NULL, colour[32];
    size_t size;
    uint8_t rgb[3];
    FILE *stream = open_memstream(&script, &size);
    md_gnuplot_depth_palette(stream);
    fclose(stream);
    for (int a = 0; a <= 8; a++) {
        md_depth_colour(a == 0 ? 1e-9 : a / 8.0, 1.0, rgb);
        snprintf(colour, sizeof colour, "%d '#%02x%02x%02x'", a, rgb[0], rgb[1], rgb[2]);
        assert_contains(script, colour);
    }
    cr_assert_not(strstr(script, "9 '#"));
    free(script);
}

/* ---- figures ---- */

static const struct form {
    const char *name, *magic;
} forms[] = {{"figure.png", "\x89PNG\r\n"},
             {"figure.svg", "<?xml"},
             {"it's a \"%d\" \\ figure.pdf", "%PDF"}};

Test(plots, every_form_is_drawn) {
    for (int f = 0; f < 3; f++) {
        path = scratch_path(&scratch, "%s", forms[f].name);
        assert_drawn(sheet("title", 2), forms[f].magic);
        assert_drawn(curve("title", 10), forms[f].magic);
    }
}

Test(plots, any_number_of_rows_and_epochs_is_drawn) {
    assert_drawn(sheet("one row", 1), "\x89PNG");
    assert_drawn(sheet("twelve rows", 12), "\x89PNG");
    assert_drawn(curve("one epoch", 1), "\x89PNG");
    assert_drawn(curve("a hundred epochs", MOST_EPOCHS), "\x89PNG");
}

/* Draws an SVG, where one can look for a legend. */
static void assert_legend(const char *title, const char *legend, int expected) {
    struct scratch_path png = path;
    size_t size;
    path = scratch_path(&scratch, "figure.svg");
    cr_assert_eq(curve(title, 10), MD_OK, "%s", error.text);
    char *text = (char *)scratch_read(path.text, &size);
    text[size] = '\0';
    cr_assert_eq(strstr(text, legend) != NULL, expected, "legend '%s'", legend);
    free(text);
    remove(path.text);
    path = png;
}

Test(plots, missing_values_are_left_out) {
    assert_legend("all", "validation RMSE", 1);
    train[3] = validation[0] = rmse_m[9] = NAN;
    train[5] = INFINITY;
    assert_drawn(curve("some", 10), "\x89PNG");
    for (int e = 0; e < 10; e++)
        rmse_m[e] = NAN;
    assert_drawn(curve("no RMSE", 10), "\x89PNG");
    assert_legend("no RMSE", "validation RMSE", 0);
    assert_drawn(curve_of("nothing", 10, rmse_m, rmse_m, rmse_m, NAN, NAN), "\x89PNG");
    for (int e = 0; e < 10; e++)
        rmse_m[e] = 0.0;
    assert_drawn(curve_of("zero", 10, rmse_m, rmse_m, rmse_m, 0, 0), "\x89PNG");
    for (int e = 0; e < 10; e++)
        rmse_m[e] = -1e300;
    assert_drawn(curve_of("huge", 10, rmse_m, train, train, 1e300, 1e-300), "\x89PNG");
}

/* Equal but for one step: the outermost pixels go through gnuplot's smoothing of edges. */
static void assert_pixel(const struct md_image *image, int y, int x, const uint8_t rgb[3]) {
    const uint8_t *found = image->rgb + 3 * (y * image->width + x);
    for (int c = 0; c < 3; c++)
        cr_assert_leq(abs(found[c] - rgb[c]), 1, "(%d, %d) is %d %d %d, expected %d %d %d", y, x,
                      found[0], found[1], found[2], rgb[0], rgb[1], rgb[2]);
}

/* Every pixel of a tile is a block of 4 x 4 of exactly its colour. */
static void assert_tile(const struct md_image *image, int left, const float *depth_m, int side) {
    enum { TOP = 72, TILE = 192 };
    for (int y = 0; y < TILE; y++)
        for (int x = 0; x < TILE; x++) {
            int place = y * side / TILE * side + x * side / TILE;
            uint8_t rgb[3] = {picture[place], picture[PIXELS + place], picture[2 * PIXELS + place]};
            if (depth_m != NULL)
                md_depth_colour((double)depth_m[place], 4.0, rgb);
            assert_pixel(image, TOP + y, left + x, rgb);
        }
}

Test(plots, pixels_of_the_contact_sheet_are_exact) {
    struct md_image image;
    cr_assert_eq(sheet("title", 2), MD_OK, "%s", error.text);
    cr_assert_eq(md_image_read(path.text, &image, &error), MD_OK, "%s", error.text);
    cr_assert_eq(image.width, 924);
    assert_tile(&image, 20, NULL, SIDE);
    assert_tile(&image, 224, zones_m, ZONES);
    assert_tile(&image, 428, before_m, SIDE);
    assert_tile(&image, 632, after_m, SIDE);
    assert_pixel(&image, 72 + 6, 846 + 8, md_beyond_rgb); /* the boxes above and below the bar */
    assert_pixel(&image, 72 + 2 * 192 + 34 + 10 + 6, 846 + 8, md_no_depth_rgb);
    md_image_free(&image);
}

/* ---- groups ---- */

static int groups(const char *label, const double *rmse, size_t runs, double dummy, size_t count) {
    static struct md_dot_row bars[60];
    double mean = runs > 0 ? rmse[0] : (double)NAN;
    for (size_t g = 0; g < count; g++)
        bars[g] = (struct md_dot_row){label, rmse, runs, mean, NAN, NAN, g % 2 == 0 ? dummy : 0.7};
    return md_plot_groups(path.text, "groups", bars, count, &error);
}

Test(plots, any_groups_are_drawn) {
    static const double some[] = {0.5, 0.6, 21.0, NAN}, huge[] = {1e300, INFINITY, -1.0};
    for (int f = 0; f < 3; f++) {
        path = scratch_path(&scratch, "%s", forms[f].name);
        assert_drawn(groups("fp32", some, 4, 0.65, 3), forms[f].magic);
    }
    path = scratch_path(&scratch, "figure.png");
    assert_drawn(groups("one run", some, 1, 0.65, 1), "\x89PNG");
    assert_drawn(groups("no runs", some, 0, NAN, 1), "\x89PNG");
    assert_drawn(groups("diverged only", some + 3, 1, NAN, 2), "\x89PNG");
    assert_drawn(groups("huge", huge, 3, 0.0, 2), "\x89PNG");
    assert_drawn(groups("many groups", some, 4, 0.65, 60), "\x89PNG");
    assert_drawn(groups("a very long label of a group, longer than any room below an axis", some, 4,
                        0.65, 2),
                 "\x89PNG");
    assert_drawn(groups("'\n`touch x`\" a_b^{c}", some, 4, 0.65, 2), "\x89PNG");
    cr_assert_eq(groups("none", some, 4, 0.65, 0), MD_USAGE);
    assert_contains(error.text, "no groups");
}

/* `count` equal rows. */
static int dots(const char *label, const double *values, size_t runs, double published,
                size_t count) {
    static struct md_dot_row dot_rows[201];
    for (size_t r = 0; r < count; r++)
        dot_rows[r] = (struct md_dot_row){
            label, values, runs, runs > 0 ? values[0] : (double)NAN, published, 0.02, 0.7};
    return md_plot_dots(path.text, "dots", "RMSE (m)", dot_rows, count, &error);
}

Test(plots, any_dots_are_drawn) {
    static const double some[] = {0.5, 0.6, 21.0, NAN}, huge[] = {1e300, INFINITY, -1.0};
    for (int f = 0; f < 3; f++) {
        path = scratch_path(&scratch, "%s", forms[f].name);
        assert_drawn(dots("tof8 d0", some, 4, 0.65, 3), forms[f].magic);
    }
    path = scratch_path(&scratch, "figure.png");
    assert_drawn(dots("no runs", some, 0, 0.65, 1), "\x89PNG");
    assert_drawn(dots("nothing at all", some, 0, NAN, 1), "\x89PNG");
    assert_drawn(dots("diverged only", some + 3, 1, NAN, 2), "\x89PNG");
    assert_drawn(dots("huge", huge, 3, 0.5, 2), "\x89PNG");
    assert_drawn(dots("'\n`touch x`\" a_b^{c}", some, 4, 0.65, 200), "\x89PNG");
    cr_assert_eq(dots("none", some, 4, 0.65, 0), MD_USAGE);
    cr_assert_eq(dots("too many", some, 4, 0.65, 201), MD_USAGE);
    assert_contains(error.text, "201 rows");
}

/* `count` series of one label, each of the values over 1, 10, 100. */
static int series(const double *values, size_t points, int joined, size_t count) {
    const struct md_point named[] = {
        {1, values[0], 0.1, "d0"}, {10, values[1], NAN, "`touch x`"}, {100, values[2], 0, ""}};
    struct md_point bare[3];
    static struct md_series all[33];
    for (int i = 0; i < 3; i++)
        bare[i] = (struct md_point){named[i].x, named[i].y, named[i].deviation, NULL};
    for (size_t s = 0; s < count; s++)
        all[s] =
            (struct md_series){"a, 'ours'", points, s % 2 == 0 ? named : bare, (int)s, s % 2 == 1};
    const struct md_series_plot plot = {"series", "epochs", "RMSE (m)", joined, all, count};
    return md_plot_series(path.text, &plot, &error);
}

Test(plots, any_series_are_drawn) {
    static const double some[] = {0.5, NAN, 21.0}, same[] = {2, 2, 2}, nothing[] = {NAN, NAN, NAN},
                        below[] = {-3, 0, 1e300};
    for (int f = 0; f < 3; f++) {
        path = scratch_path(&scratch, "%s", forms[f].name);
        assert_drawn(series(some, 3, f % 2, 4), forms[f].magic);
    }
    path = scratch_path(&scratch, "figure.png");
    assert_drawn(series(same, 1, 1, 1), "\x89PNG");
    assert_drawn(series(below, 3, 0, 2), "\x89PNG");
    assert_drawn(series(same, 3, 1, 32), "\x89PNG");
    cr_assert_eq(series(same, 3, 1, 33), MD_USAGE);
    assert_contains(error.text, "33 series");
    cr_assert_eq(series(nothing, 3, 0, 2), MD_FAILED);
    assert_contains(error.text, "no value to draw");
    cr_assert_eq(series(same, 3, 0, 0), MD_FAILED);
    cr_assert_eq(scratch_count(scratch.folder), 0);
}

Test(plots, requests_that_make_no_sense_are_refused) {
    cr_assert_eq(sheet("no rows", 0), MD_USAGE);
    assert_contains(error.text, "0 rows");
    cr_assert_eq(sheet("too many rows", MOST_ROWS), MD_USAGE);
    cr_assert_eq(curve("no epochs", 0), MD_USAGE);
    assert_contains(error.text, "no epochs");
    static const double depths_m[] = {0.0, -1.0, NAN, INFINITY};
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(sheet_to("", 1, depths_m[i]), MD_USAGE);
        assert_contains(error.text, "largest depth");
    }
    static const char *const names[] = {"figure", "figure.jpg", "figure.png.", "png", "figure.PNG"};
    for (int i = 0; i < 5; i++) {
        path = scratch_path(&scratch, "%s", names[i]);
        cr_assert_eq(curve("title", 3), MD_USAGE, "%s", names[i]);
        assert_contains(error.text, "must end in .png, .svg or .pdf");
    }
    cr_assert_eq(scratch_count(scratch.folder), 0);
}

/* ---- text ---- */

static char *quoted(const char *text, double most_em) {
    char *script = NULL;
    size_t size;
    FILE *stream = open_memstream(&script, &size);
    md_gnuplot_text(stream, text, most_em);
    fclose(stream);
    return script;
}

static const struct quoting {
    const char *text, *inside; /* the quotes */
} quotings[] = {
    {"", ""},
    {"Run a", "Run a"},
    {"-12", "\\055\\061\\062"},
    {"it's", "it\\047s"},
    {"'", "\\047"},
    {"\"\\`@", "\\042\\134\\140\\100"},
    {"$x_{1}", "\\044x\\137\\173\\061\\175"},
    {"two\nlines\ttab\x7f", "two\\077lines\\077tab\\077"},
    {"\xc3\xbc", "\\303\\274"},
    {"\xe6\xb7\xb1\xf0\x9f\x98\x80", "\\346\\267\\261\\360\\237\\230\\200"},
    /* Broken UTF-8: alone, cut, overlong, surrogate, beyond the end, forbidden in XML. */
    {"\x80", "\\077"},
    {"\xc3", "\\077"},
    {"\xe6\xb7'", "\\077\\077\\047"},
    {"\xc0\xa7", "\\077\\077"},
    {"\xe0\x80\xa7", "\\077\\077\\077"},
    {"\xed\xa0\x80", "\\077\\077\\077"},
    {"\xf4\x90\x80\x80", "\\077\\077\\077\\077"},
    {"\xff", "\\077"},
    {"\xef\xbf\xbf", "\\077\\077\\077"},
};

static void assert_quoted(const char *text, double most_em, const char *inside) {
    char *script = quoted(text, most_em), expected[200];
    snprintf(expected, sizeof expected, "\"%s\" noenhanced", inside);
    cr_assert_str_eq(script, expected);
    free(script);
}

Test(plots, text_is_quoted) {
    for (size_t i = 0; i < sizeof quotings / sizeof *quotings; i++)
        assert_quoted(quotings[i].text, 1000.0, quotings[i].inside);
}

Test(plots, long_text_ends_in_an_ellipsis) {
    assert_quoted("WWWWWWWWWW", 5.0, "WWWW\\342\\200\\246");
    assert_quoted("WWWWW", 5.0, "WWWWW");
    /* Never in the middle of a character. */
    assert_quoted("\xe6\xb7\xb1\xe6\xb7\xb1\xe6\xb7\xb1", 2.5, "\\346\\267\\261\\342\\200\\246");
}

/* In the SVG the text can be read back: all of it, nothing interpreted. */
Test(plots, titles_are_taken_literally) {
    path = scratch_path(&scratch, "figure.svg");
    cr_assert_eq(curve("it's 1e-3 0.68 a_b^{c} \\n {/:Bold x} <b>&amp;", 3), MD_OK, "%s",
                 error.text);
    size_t size;
    unsigned char *bytes = scratch_read(path.text, &size);
    bytes[size] = '\0';
    assert_contains((char *)bytes, "it's 1e-3 0.68 a_b^{c} \\n {/:Bold x} &lt;b>&amp;amp;");
    free(bytes);
}

Test(plots, titles_cannot_run_anything) {
    static const char *const attacks[] = {"'\n!touch %s\n'",
                                          "`touch %s`",
                                          "'; system('touch %s'); '",
                                          "\\\n!touch %s\n",
                                          "\"; system(\"touch %s\"); \"",
                                          "' . system('touch %s') . '",
                                          "\xe6'\n!touch %s\n"};
    struct scratch_path touched = scratch_path(&scratch, "touched");
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        char title[2 * sizeof touched.text];
        const char *mark = strstr(attacks[i], "%s");
        snprintf(title, sizeof title, "%.*s%s%s", (int)(mark - attacks[i]), attacks[i],
                 touched.text, mark + 2);
        rows[0].caption = title;
        assert_drawn(curve(title, 3), "\x89PNG");
        assert_drawn(sheet(title, 1), "\x89PNG");
    }
}

/* ---- failures ---- */

/* Runs with a program of our own in gnuplot's place. */
static void replace_gnuplot(const char *script) {
    struct scratch_path program = scratch_path(&scratch, "bin/gnuplot");
    struct scratch_path folder = scratch_path(&scratch, "bin");
    scratch_write_text(program.text, script);
    cr_assert_eq(chmod(program.text, 0755), 0);
    cr_assert_eq(setenv("PATH", folder.text, 1), 0);
}

static void assert_not_drawn(const char *part) {
    cr_assert_eq(sheet("title", 2), MD_FAILED, "expected an error with '%s'", part);
    assert_contains(error.text, part);
    assert_contains(error.text, "figure.png");
    /* Only the folder with the false gnuplot is there. */
    cr_assert_eq(scratch_count(scratch.folder), 1, "something stays behind");
}

static const struct false_gnuplot {
    const char *script, *part;
} false_gnuplots[] = {
    {"#!/bin/sh\nexec >&2\necho\necho '  no such'\necho 'terminal'\nexit 3\n",
     "gnuplot failed (exit status 3): no such terminal"},
    {"#!/bin/sh\necho drawing\necho 'line 0: warning: empty x range' >&2\n",
     "warning: empty x range"},
    {"#!/bin/sh\necho drawing\nkill -9 $$\n", "killed by signal 9"},
    {"#!/bin/sh\n", "drew nothing"},
    {"#!/bin/sh\nexec 0<&-\nexit 1\n", "exit status 1"},
    {"#!/no/such/shell\n", "cannot run gnuplot"},
};

Test(plots, failures_of_gnuplot_are_told) {
    for (size_t i = 0; i < sizeof false_gnuplots / sizeof *false_gnuplots; i++) {
        replace_gnuplot(false_gnuplots[i].script);
        assert_not_drawn(false_gnuplots[i].part);
    }
}

Test(plots, missing_gnuplot_is_told) {
    replace_gnuplot("");
    setenv("PATH", "/nonexistent", 1);
    assert_not_drawn("cannot run gnuplot (is it installed?): No such file");
}

Test(plots, warnings_of_the_font_library_do_no_harm) {
    replace_gnuplot("#!/bin/sh\necho drawing\necho 'Fontconfig warning: no cache' >&2\n");
    cr_assert_eq(sheet("title", 1), MD_OK, "%s", error.text);
}

Test(plots, endless_complaints_are_cut) {
    replace_gnuplot("#!/bin/sh\ni=0\nwhile [ $i -lt 20000 ]; do echo 'complaint complaint' >&2\n"
                    "i=$((i+1)); done\nexit 1\n");
    assert_not_drawn("complaint complaint");
}

Test(plots, failure_keeps_the_old_figure) {
    size_t size;
    scratch_write_text(path.text, "old");
    setenv("PATH", "/nonexistent", 1);
    cr_assert_eq(curve("title", 3), MD_FAILED);
    unsigned char *bytes = scratch_read(path.text, &size);
    cr_assert(size == 3 && memcmp(bytes, "old", 3) == 0);
    free(bytes);
}

Test(plots, unwritable_places_are_told) {
    snprintf(path.text, sizeof path.text, "%s/missing/figure.png", scratch.folder);
    cr_assert_eq(curve("title", 3), MD_FAILED);
    assert_contains(error.text, "cannot create: No such file");
    struct scratch_path inside = scratch_path(&scratch, "folder.png/file");
    scratch_write_text(inside.text, "");
    path = scratch_path(&scratch, "folder.png");
    cr_assert_eq(curve("title", 3), MD_FAILED);
    assert_contains(error.text, "cannot rename");
    cr_assert_eq(scratch_count(scratch.folder), 1);
}
