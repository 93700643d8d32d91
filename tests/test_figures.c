/* What figures say, read from the scripts they are drawn by: every value is on its axis, and
 * nothing of a text is cut off by the edge of the page. */
#include <criterion/criterion.h>
#include <math.h>

#include "../base/image.h"
#include "../plots/axis.h"
#include "../plots/plots.h"
#include "scratch.h"

static struct scratch_path path;
static struct md_error error;

static void set_up(void) {
    scratch = scratch_open();
    path = scratch_path(&scratch, "figure.png");
}

TestSuite(figures, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

/* A gnuplot that copies: the figure is its own script. */
static void copy_scripts(void) {
    struct scratch_path program = scratch_path(&scratch, "bin/gnuplot");
    struct scratch_path folder = scratch_path(&scratch, "bin");
    scratch_write_text(program.text, "#!/bin/sh\nexec /bin/cat\n");
    cr_assert_eq(chmod(program.text, 0755), 0);
    cr_assert_eq(setenv("PATH", folder.text, 1), 0);
}

static char *take_script(int status) {
    size_t size;
    cr_assert_eq(status, MD_OK, "%s", error.text);
    char *script = (char *)scratch_read(path.text, &size);
    script[size] = '\0';
    return script;
}

/* ---- axes ---- */

static void read_range(const char *script, const char *axis, double *low, double *high) {
    char format[40];
    snprintf(format, sizeof format, "set %srange [", axis);
    const char *range = strstr(script, format);
    cr_assert_not_null(range);
    snprintf(format, sizeof format, "set %srange [%%lf:%%lf]", axis);
    cr_assert_eq(sscanf(range, format, low, high), 2);
}

/* The lines of a block; each value of column `column` is on the axis. */
static size_t count_on_axis(const char *script, const char *block, int column, const char *axis) {
    char head[40];
    double low, high, found[2];
    size_t count = 0;
    read_range(script, axis, &low, &high);
    snprintf(head, sizeof head, "$%s << END\n", block);
    const char *line = strstr(script, head);
    cr_assert_not_null(line, "no block %s", block);
    for (line += strlen(head); strncmp(line, "END", 3) != 0; line = strchr(line, '\n') + 1) {
        if (*line == '\n' || sscanf(line, "%lf %lf", &found[0], &found[1]) != 2 ||
            isnan(found[0]) || isnan(found[1]))
            continue;
        cr_assert(low <= found[column] && found[column] <= high, "%s: %g is not in %g .. %g", block,
                  found[column], low, high);
        count++;
    }
    return count;
}

/* Runs that learned nothing, beside runs that did; on a linear axis and on a logarithmic one. */
static const double linear[] = {0.5, 0.6, 2.3, 0.7}, far_apart[] = {0.5, 0.6, 21.3, NAN, INFINITY},
                    none[] = {NAN};

Test(figures, every_finite_run_of_a_group_is_on_the_axis) {
    copy_scripts();
    const struct md_dot_row groups[] = {{"a", linear, 4, 1.0, NAN, NAN, 0.65},
                                        {"b", far_apart, 5, 7.4, NAN, NAN, 0.65},
                                        {"c", none, 1, NAN, NAN, NAN, 30.0}};
    for (size_t count = 1; count <= 3; count++) {
        char *script = take_script(md_plot_groups(path.text, "", groups, count, &error));
        cr_assert_eq(count_on_axis(script, "runs", 1, "y"), count == 1 ? 4 : 7);
        cr_assert_eq(count_on_axis(script, "means", 1, "y"), count == 1 ? 1 : 2);
        cr_assert_eq(count_on_axis(script, "dummies", 1, "y"), 2 * count);
        cr_assert_eq(count_on_axis(script, "diverged", 1, "y"), count == 1 ? 0 : count);
        /* Nothing in the legend that is not drawn. */
        cr_assert_eq(strstr(script, "diverged: no value'") != NULL, count > 1);
        free(script);
    }
}

Test(figures, bars_begin_at_zero) {
    double low, high;
    copy_scripts();
    const struct md_dot_row group = {"a", linear, 4, 1.0, NAN, NAN, 0.65};
    char *script = take_script(md_plot_groups(path.text, "", &group, 1, &error));
    read_range(script, "y", &low, &high);
    cr_assert_eq(low, 0.0);
    cr_assert_gt(high, 2.3);
    assert_contains(script, "with boxes");
    free(script);
}

Test(figures, every_finite_run_of_a_row_is_on_the_axis) {
    copy_scripts();
    const struct md_dot_row rows[] = {{"a", linear, 4, 1.0, 0.4, 0.1, 0.7},
                                      {"b", far_apart, 5, 7.4, NAN, NAN, NAN},
                                      {"c", none, 1, NAN, 2.0, NAN, NAN}};
    char *script = take_script(md_plot_dots(path.text, "", "", rows, 3, &error));
    cr_assert_eq(count_on_axis(script, "runs", 0, "x"), 7);
    cr_assert_eq(count_on_axis(script, "means", 0, "x"), 2);
    cr_assert_eq(count_on_axis(script, "published", 0, "x"), 2);
    cr_assert_eq(count_on_axis(script, "diverged", 0, "x"), 3);
    free(script);
}

Test(figures, losses_of_steps_are_drawn_and_those_that_are_none_are_marked) {
    copy_scripts();
    const struct md_epoch epoch = {0.001, 0.4, NAN, NAN};
    const struct md_step_row steps[] = {{1, 40, 0}, {2, 2, 0}, {3, NAN, 0}, {4, 0.3, 0}};
    struct md_loss_curve curve = {.title = "",
                                  .epochs = 1,
                                  .history = &epoch,
                                  .rmse_before_m = NAN,
                                  .rmse_dummy_m = NAN,
                                  .step_rows = 2,
                                  .steps_a_row = 1,
                                  .steps = steps,
                                  .steps_an_epoch = 4};
    char *script = take_script(md_plot_loss_curve(path.text, &curve, &error));
    cr_assert_eq(count_on_axis(script, "steps", 1, "y"), 2);
    assert_contains(script, "title 'loss of a step'");
    cr_assert_null(strstr(script, "NaN or infinite"));
    free(script);
    curve.step_rows = 4;
    curve.steps_a_row = 7;
    script = take_script(md_plot_loss_curve(path.text, &curve, &error));
    cr_assert_eq(count_on_axis(script, "steps", 1, "y"), 3);
    cr_assert_eq(count_on_axis(script, "odd", 1, "y"), 1);
    assert_contains(script, "title 'mean loss of 7 steps'");
    assert_contains(script, "title 'training loss is NaN or infinite'");
    free(script);
}

/* Both panels have one axis, which covers both. */
Test(figures, errors_are_on_one_axis_and_infinite_ones_are_marked) {
    copy_scripts();
    static const char *const kinds[] = {"activation"}, *const layers[] = {"a", "b"};
    const double by_step[] = {1e-6, 0.0, NAN}, by_layer[] = {0.5, INFINITY};
    const struct md_error_growth growth = {"", 1, kinds, 3, by_step, 2, layers, by_layer};
    char *script = take_script(md_plot_error_growth(path.text, &growth, &error));
    cr_assert_eq(count_on_axis(script, "steps", 1, "y"), 1);
    cr_assert_eq(count_on_axis(script, "layers", 1, "y"), 1);
    cr_assert_eq(count_on_axis(script, "steps_odd", 1, "y"), 1);
    cr_assert_eq(count_on_axis(script, "layers_odd", 1, "y"), 1);
    cr_assert_null(strstr(strstr(script, "set yrange") + 1, "set yrange"));
    free(script);
}

static struct md_axis axis_of(double a, double b) {
    struct md_axis axis = md_axis_start();
    const double values[] = {a, NAN, b, INFINITY, -INFINITY};
    md_axis_include_all(&axis, values, 5);
    md_axis_choose(&axis, 0.1, 0.1);
    return axis;
}

Test(figures, an_axis_covers_what_it_has_seen) {
    static const struct {
        double a, b;
        int is_logarithmic;
    } cases[] = {{0, 0, 0},
                 {5, 5, 0},
                 {1, 2, 0},
                 {-3, 1e6, 0},
                 {0, 1e6, 0},
                 {1, 19, 0},
                 {1, 21, 1},
                 {1e-9, 1e9, 1},
                 {1e300, 1e-300, 1},
                 {-1e300, 1e300, 0},
                 {0.7, 0.7 + 1e-12, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct md_axis axis = axis_of(cases[i].a, cases[i].b);
        cr_assert_eq(axis.is_logarithmic, cases[i].is_logarithmic, "case %zu", i);
        cr_assert(axis.low <= fmin(cases[i].a, cases[i].b) &&
                      axis.high >= fmax(cases[i].a, cases[i].b) && axis.low < axis.high,
                  "case %zu: %g .. %g", i, axis.low, axis.high);
        for (int f = 0; f <= 4; f++)
            cr_assert_float_eq(md_axis_fraction(&axis, md_axis_value(&axis, f / 4.0)), f / 4.0,
                               1e-9);
    }
}

Test(figures, a_logarithmic_axis_has_few_marks_but_some) {
    static const double most[] = {21, 1e3, 1e9, 1e300};
    for (int i = 0; i < 4; i++) {
        struct md_axis axis = axis_of(1.0, most[i]);
        char *text = NULL;
        size_t size, marks = 0;
        FILE *stream = open_memstream(&text, &size);
        md_axis_write(stream, "y", &axis);
        fclose(stream);
        for (const char *c = strstr(text, "tics ("); *c != '\0'; c++)
            marks += *c == '\'';
        cr_assert(marks / 2 >= 3 && marks / 2 <= 13, "%zu marks up to %g", marks / 2, most[i]);
        free(text);
    }
}

/* ---- the edge of the page ---- */

static const char wide[] =
    "WWWWW@@@@@ policy=e+d0+d1+d2 optimizer=adam lr=0.001 format=bf16w "
    "weight_storage=stochastic moments=fp32 loss_scale=1024 and so on for ever",
                  titles[] =
                      "WWWWWWWWWWWWWWWWWWWW a title that goes on and on for ever and ever, and "
                      "then goes on\nMMMMMMMMMMMMMMMMMMMMMMMM and so does the line below it, as "
                      "long as there are words, and longer still, and still longer";

/* Text that is cut off reaches the edge. */
static void assert_margin(int status) {
    enum { MARGIN = 3 };
    struct md_image image;
    cr_assert_eq(status, MD_OK, "%s", error.text);
    cr_assert_eq(md_image_read(path.text, &image, &error), MD_OK, "%s", error.text);
    for (int y = 0; y < image.height; y++)
        for (int x = 0; x < image.width; x++) {
            int inside =
                y >= MARGIN && y < image.height - MARGIN && x >= MARGIN && x < image.width - MARGIN;
            const uint8_t *rgb = image.rgb + 3 * (y * image.width + x);
            cr_assert(inside || (rgb[0] & rgb[1] & rgb[2]) == 255,
                      "something at (%d, %d) of %d x %d pixels", y, x, image.height, image.width);
        }
    md_image_free(&image);
}

Test(figures, no_text_of_groups_is_cut) {
    struct md_dot_row groups[90];
    for (size_t g = 0; g < 90; g++)
        groups[g] =
            (struct md_dot_row){g % 3 == 0 ? wide : "fp32", far_apart, 5, 7.4, NAN, NAN, 0.65};
    assert_margin(md_plot_groups(path.text, titles, groups, 1, &error));
    assert_margin(md_plot_groups(path.text, titles, groups, 90, &error));
    groups[0].label = "a";
    assert_margin(md_plot_groups(path.text, "title", groups, 1, &error));
}

Test(figures, no_text_of_dots_is_cut) {
    struct md_dot_row rows[] = {{"tof8 e+d0+d1+d2", far_apart, 5, 1.0, 0.4, 0.1, 0.7},
                                {wide, linear, 4, 1.0, 0.4, 0.1, 0.7}};
    assert_margin(md_plot_dots(path.text, titles, wide, rows, 1, &error));
    assert_margin(md_plot_dots(path.text, titles, wide, rows, 2, &error));
    rows[0].label = "";
    assert_margin(md_plot_dots(path.text, "title", "RMSE (m)", rows, 1, &error));
}

Test(figures, no_text_of_series_is_cut) {
    static const struct md_point named[] = {
        {1, 0.5, NAN, wide}, {2, 0.6, NAN, "d0"}, {2, 0.7, NAN, "d0+d1"}, {2.001, 100, NAN, wide}};
    static const struct md_point bare[] = {
        {1, 0.5, NAN, NULL}, {2, 0.6, NAN, NULL}, {2, 0.7, NAN, NULL}, {2.001, 100, NAN, NULL}};
    const struct md_series series[] = {{wide, 4, named, 0, 0}, {"published", 4, bare, 0, 1}};
    const struct md_series_plot plot = {titles, wide, wide, 0, series, 2};
    assert_margin(md_plot_series(path.text, &plot, &error));
    struct md_series many[32]; /* a legend as high as a panel */
    for (int s = 0; s < 32; s++)
        many[s] = (struct md_series){wide, 4, bare, s, 0};
    const struct md_series_plot high = {titles, "x", "y", 1, many, 32};
    assert_margin(md_plot_series(path.text, &high, &error));
}

Test(figures, no_text_of_curves_is_cut) {
    static const struct md_epoch history[] = {
        {0, 0.4, 0.4, 0.6}, {0, NAN, NAN, 0.5}, {0, 0.3, 0.3, 0.4}};
    static const struct md_step_row steps[] = {{1, 0.4, 0}, {2, NAN, 0}};
    const struct md_loss_curve curve = {titles, 3, history, 21.3, 0.68, 2, 9, steps, 1};
    assert_margin(md_plot_loss_curve(path.text, &curve, &error));
}

Test(figures, no_text_of_error_growth_is_cut) {
    static const char *const kinds[] = {"activation", "error", "weight gradient", "weight"},
                             *const layers[] = {"decoder0.conv0", "decoder0.conv1"};
    static const double values[] = {1, 1e-9, 1e-3, NAN, 1, 1e-9, 1e-3, 1e-7};
    const struct md_error_growth growth = {titles, 4, kinds, 2, values, 2, layers, values};
    assert_margin(md_plot_error_growth(path.text, &growth, &error));
}

Test(figures, no_text_of_contact_sheets_is_cut) {
    enum { SIDE = 48 };
    static uint8_t picture[3 * SIDE * SIDE];
    static const float depth_m[] = {0.001f};
    const struct md_sheet_row row = {wide, picture, {{depth_m, 1, 1}, {depth_m, 1, 1}}};
    static const double max_m[] = {0.05, 4.0, 655.35, 1000.0};
    for (int i = 0; i < 4; i++) {
        const struct md_sheet sheet = {titles, {wide, wide}, 2, &row, 1, SIDE, SIDE, max_m[i]};
        assert_margin(md_plot_contact_sheet(path.text, &sheet, &error));
    }
}
