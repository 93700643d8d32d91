/* Labels and ground truth from the sensor's grid: labels.h. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../base/random.h"
#include "../datasets/labels.h"

enum { MAX_GRID = 64, MAX_PIXELS = 64 * 64 };

/* A grid with values from `random`, each zone valid with probability `valid`. */
struct grid {
    struct md_sample sample;
    float depth_m[MAX_GRID * MAX_GRID], disparity[MAX_GRID * MAX_GRID];
};

static void fill_grid(struct grid *grid, int height, int width, double valid,
                      struct md_random *random) {
    grid->sample = (struct md_sample){.depth_m = grid->depth_m,
                                      .disparity = grid->disparity,
                                      .depth_height = height,
                                      .depth_width = width,
                                      .fb = 80};
    for (int zone = 0; zone < height * width; zone++) {
        int is_valid = md_random_unit(random) < valid;
        float depth_m = (float)md_random_range(random, 0.1, 3.9);
        grid->depth_m[zone] = is_valid ? depth_m : MD_NO_DEPTH;
        grid->disparity[zone] = is_valid ? 80 / depth_m : MD_INVALID;
    }
}

/* Grids and pictures that the properties below are tried on. */
static const struct shape {
    int grid_height, grid_width, height, width;
} shapes[] = {
    {8, 8, 48, 48}, {8, 8, 8, 8},  {1, 1, 5, 7},     {4, 8, 9, 21},  {3, 5, 48, 40},
    {10, 12, 7, 5}, {1, 6, 4, 13}, {48, 48, 48, 48}, {2, 2, 63, 64},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* --- the four neighbours, written the other way round: as PyTorch's documentation puts
 * align_corners=False, in floating point --- */

struct tap {
    int zone;
    double weight;
};

static void axis_taps(int pixel, int pixels, int zones, int index[2], double weight[2]) {
    double source = fmax((pixel + 0.5) * zones / pixels - 0.5, 0);
    index[0] = (int)floor(source);
    index[1] = index[0] + 1 < zones ? index[0] + 1 : zones - 1;
    weight[1] = source - index[0];
    weight[0] = 1 - weight[1];
}

static void four_taps(const struct shape *shape, int y, int x, struct tap taps[4]) {
    int rows[2], columns[2];
    double row_weight[2], column_weight[2];
    axis_taps(y, shape->height, shape->grid_height, rows, row_weight);
    axis_taps(x, shape->width, shape->grid_width, columns, column_weight);
    for (int i = 0; i < 4; i++)
        taps[i] = (struct tap){rows[i / 2] * shape->grid_width + columns[i % 2],
                               row_weight[i / 2] * column_weight[i % 2]};
}

/* The zone that holds the middle of the pixel. */
static int own_zone(const struct shape *shape, int y, int x) {
    int row = (int)((y + 0.5) * shape->grid_height / shape->height);
    int column = (int)((x + 0.5) * shape->grid_width / shape->width);
    return row * shape->grid_width + column;
}

Test(labels, modes_have_names) {
    cr_assert_str_eq(md_label_mode_names[MD_LABEL_RELEASE], "release");
    cr_assert_str_eq(md_label_mode_names[MD_LABEL_POOLED], "pooled");
    cr_assert_null(md_label_mode_names[MD_LABEL_POOLED + 1]);
}

Test(labels, all_valid_is_plain_bilinear) {
    static struct grid grid;
    static float label[MAX_PIXELS];
    struct md_random random = md_random_stream(1, 0, 0, 0);
    for (int s = 0; s < SHAPES; s++) {
        const struct shape *shape = &shapes[s];
        fill_grid(&grid, shape->grid_height, shape->grid_width, 1, &random);
        md_label(&grid.sample, MD_LABEL_BILINEAR, 4, shape->height, shape->width, label);
        for (int y = 0; y < shape->height; y++)
            for (int x = 0; x < shape->width; x++) {
                struct tap taps[4];
                double expected = 0;
                four_taps(shape, y, x, taps);
                for (int i = 0; i < 4; i++)
                    expected += taps[i].weight * grid.disparity[taps[i].zone];
                cr_assert_float_eq(label[y * shape->width + x], expected, 1e-6 * expected,
                                   "shape %d, row %d, column %d", s, y, x);
            }
    }
}

Test(labels, invalid_zones_only_take_away) {
    static struct grid grid;
    static float label[MAX_PIXELS];
    struct md_random random = md_random_stream(2, 0, 0, 0);
    for (int trial = 0; trial < 20 * SHAPES; trial++) {
        const struct shape *shape = &shapes[trial % SHAPES];
        fill_grid(&grid, shape->grid_height, shape->grid_width, md_random_unit(&random), &random);
        md_label(&grid.sample, MD_LABEL_BILINEAR, 4, shape->height, shape->width, label);
        for (int y = 0; y < shape->height; y++)
            for (int x = 0; x < shape->width; x++) {
                struct tap taps[4];
                double sum = 0, total = 0;
                float low = INFINITY, high = 0, value = label[y * shape->width + x];
                four_taps(shape, y, x, taps);
                for (int i = 0; i < 4; i++) {
                    float disparity = grid.disparity[taps[i].zone];
                    if (disparity == MD_INVALID || taps[i].weight == 0)
                        continue;
                    sum += taps[i].weight * disparity;
                    total += taps[i].weight;
                    low = fminf(low, disparity);
                    high = fmaxf(high, disparity);
                }
                if (grid.disparity[own_zone(shape, y, x)] == MD_INVALID) {
                    cr_assert_eq(value, MD_INVALID);
                    continue;
                }
                cr_assert(value >= low && value <= high, "%g outside %g..%g", value, low, high);
                cr_assert_float_eq(value, sum / total, 1e-6 * value);
            }
    }
}

/* What the depth grid says must not leak either: only the disparity of valid zones counts. */
Test(labels, what_an_invalid_zone_hides_changes_nothing) {
    static struct grid grid;
    static float before[MAX_PIXELS], after[MAX_PIXELS];
    struct md_random random = md_random_stream(3, 0, 0, 0);
    for (int trial = 0; trial < 5 * SHAPES; trial++) {
        const struct shape *shape = &shapes[trial % SHAPES];
        const size_t pixels = (size_t)(shape->height * shape->width);
        fill_grid(&grid, shape->grid_height, shape->grid_width, 0.6, &random);
        md_label(&grid.sample, MD_LABEL_BILINEAR, 4, shape->height, shape->width, before);
        for (int zone = 0; zone < shape->grid_height * shape->grid_width; zone++)
            if (grid.disparity[zone] == MD_INVALID)
                grid.depth_m[zone] = (float)md_random_range(&random, 0, 4);
        md_label(&grid.sample, MD_LABEL_BILINEAR, 3, shape->height, shape->width, after);
        cr_assert_arr_eq(before, after, pixels * sizeof *before);
    }
}

Test(labels, equal_zones_give_exactly_their_value) {
    static struct grid grid;
    static float label[MAX_PIXELS];
    struct md_random random = md_random_stream(4, 0, 0, 0);
    for (int s = 0; s < SHAPES; s++) {
        fill_grid(&grid, shapes[s].grid_height, shapes[s].grid_width, 0.7, &random);
        for (int zone = 0; zone < shapes[s].grid_height * shapes[s].grid_width; zone++)
            if (grid.disparity[zone] != MD_INVALID)
                grid.disparity[zone] = 80 / 0.7f;
        md_label(&grid.sample, MD_LABEL_BILINEAR, 4, shapes[s].height, shapes[s].width, label);
        for (int pixel = 0; pixel < shapes[s].height * shapes[s].width; pixel++)
            cr_assert(label[pixel] == MD_INVALID || label[pixel] == 80 / 0.7f);
    }
}

Test(labels, a_grid_of_the_pictures_size_is_the_label) {
    static struct grid grid;
    static float label[MAX_PIXELS];
    struct md_random random = md_random_stream(5, 0, 0, 0);
    fill_grid(&grid, 48, 48, 0.5, &random);
    for (int mode = 0; md_label_mode_names[mode]; mode++) {
        md_label(&grid.sample, mode, 4, 48, 48, label);
        cr_assert_arr_eq(label, grid.disparity, 48 * 48 * sizeof *label, "%s",
                         md_label_mode_names[mode]);
    }
}

Test(labels, nearest_and_truth_take_the_zone_a_pixel_lies_in) {
    static struct grid grid;
    static float label[MAX_PIXELS], truth[MAX_PIXELS];
    struct md_random random = md_random_stream(6, 0, 0, 0);
    for (int s = 0; s < SHAPES; s++) {
        const struct shape *shape = &shapes[s];
        fill_grid(&grid, shape->grid_height, shape->grid_width, 0.7, &random);
        md_label(&grid.sample, MD_LABEL_NEAREST, 4, shape->height, shape->width, label);
        md_truth(&grid.sample, shape->height, shape->width, truth);
        for (int y = 0; y < shape->height; y++)
            for (int x = 0; x < shape->width; x++) {
                int zone = own_zone(shape, y, x), pixel = y * shape->width + x;
                cr_assert_eq(label[pixel], grid.disparity[zone]);
                cr_assert_eq(truth[pixel], grid.depth_m[zone]);
            }
    }
}

Test(labels, release_mixes_and_drops_only_what_is_all_missing) {
    static struct grid grid;
    static float label[MAX_PIXELS];
    static const float no_returns_m[] = {4, 3.3f};
    struct md_random random = md_random_stream(7, 0, 0, 0);
    int mixed = 0, dropped = 0;
    for (int trial = 0; trial < 4 * SHAPES; trial++) {
        const struct shape *shape = &shapes[trial % SHAPES];
        const float no_return_m = no_returns_m[trial % 2];
        fill_grid(&grid, shape->grid_height, shape->grid_width, 0.4, &random);
        md_label(&grid.sample, MD_LABEL_RELEASE, no_return_m, shape->height, shape->width, label);
        for (int y = 0; y < shape->height; y++)
            for (int x = 0; x < shape->width; x++) {
                struct tap taps[4];
                double expected = 0;
                int missing = 0, touched = 0;
                four_taps(shape, y, x, taps);
                for (int i = 0; i < 4; i++) {
                    float depth_m = grid.depth_m[taps[i].zone];
                    int none = depth_m == MD_NO_DEPTH || depth_m >= no_return_m;
                    touched += taps[i].weight > 1e-9;
                    missing += none && taps[i].weight > 1e-9;
                    expected +=
                        taps[i].weight * (none ? 80 / no_return_m : grid.disparity[taps[i].zone]);
                }
                float value = label[y * shape->width + x];
                mixed += missing > 0 && missing < touched;
                dropped += missing == touched;
                if (missing == touched)
                    cr_assert_eq(value, MD_INVALID);
                else
                    cr_assert_float_eq(value, expected, 1e-6 * expected);
            }
    }
    cr_assert(mixed > 100 && dropped > 100);
}

/* A zone's centre lies in the pixel or on its edge, by distances in floating point. */
Test(labels, sparse_has_the_zones_centres) {
    static struct grid grid;
    static float label[MAX_PIXELS];
    struct md_random random = md_random_stream(8, 0, 0, 0);
    for (int s = 0; s < SHAPES; s++) {
        const struct shape *shape = &shapes[s];
        fill_grid(&grid, shape->grid_height, shape->grid_width, 0.7, &random);
        md_label(&grid.sample, MD_LABEL_SPARSE, 4, shape->height, shape->width, label);
        for (int y = 0; y < shape->height; y++)
            for (int x = 0; x < shape->width; x++) {
                int zone = own_zone(shape, y, x);
                double row = (zone / shape->grid_width + 0.5) * shape->height / shape->grid_height;
                double column = (zone % shape->grid_width + 0.5) * shape->width / shape->grid_width;
                int central =
                    fabs(y + 0.5 - row) < 0.5 + 1e-9 && fabs(x + 0.5 - column) < 0.5 + 1e-9;
                cr_assert_eq(label[y * shape->width + x],
                             central ? grid.disparity[zone] : MD_INVALID, "shape %d, %d, %d", s, y,
                             x);
            }
    }
    fill_grid(&grid, 8, 8, 1, &random);
    md_label(&grid.sample, MD_LABEL_SPARSE, 4, 48, 48, label);
    for (int i = 0; i < 48 * 48; i++) {
        int row = i / 48 % 6, column = i % 48 % 6;
        cr_assert_eq(label[i] != MD_INVALID,
                     (row == 2 || row == 3) && (column == 2 || column == 3));
    }
}

Test(labels, pooled_has_the_nearest_points) {
    static const struct shape pairs[] = {{8, 8, 8, 8}, {48, 48, 8, 8}, {10, 12, 7, 5},
                                         {4, 8, 8, 8}, {37, 62, 8, 8}, {1, 1, 8, 8},
                                         {3, 5, 8, 8}, {64, 64, 8, 8}};
    static struct grid grid;
    static float label[MAX_PIXELS];
    struct md_random random = md_random_stream(9, 0, 0, 0);
    int empty = 0;
    for (size_t s = 0; s < sizeof pairs / sizeof *pairs; s++) {
        const struct shape *shape = &pairs[s];
        fill_grid(&grid, shape->grid_height, shape->grid_width, 0.2, &random);
        md_label(&grid.sample, MD_LABEL_POOLED, 4, shape->height, shape->width, label);
        for (int y = 0; y < shape->height; y++)
            for (int x = 0; x < shape->width; x++) {
                float best = MD_INVALID;
                for (int zone = 0; zone < shape->grid_height * shape->grid_width; zone++) {
                    int row = zone / shape->grid_width, column = zone % shape->grid_width;
                    int rows = row >= y * shape->grid_height / shape->height &&
                               row < (y + 1) * shape->grid_height / shape->height;
                    int columns = column >= x * shape->grid_width / shape->width &&
                                  column < (x + 1) * shape->grid_width / shape->width;
                    if (shape->grid_height < shape->height)
                        rows = row == own_zone(shape, y, x) / shape->grid_width;
                    if (shape->grid_width < shape->width)
                        columns = column == own_zone(shape, y, x) % shape->grid_width;
                    if (rows && columns)
                        best = fmaxf(best, grid.disparity[zone]);
                }
                empty += best == MD_INVALID;
                cr_assert_eq(label[y * shape->width + x], best, "shape %zu, %d, %d", s, y, x);
            }
    }
    cr_assert_gt(empty, 20);
}
