/* The micro layouts of the public release: CSV files without a header line, whose columns name a
 * sample's files. Pictures are JPEG or PNG of the network's size; depths (metres) and disparities
 * are float32 grids; fb is one number. Paths are relative to the folder that holds the CSV
 * (tartanair: to the root). A value counts only when both its depth and its disparity do. */
#include "micro.h"

#include <dirent.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/namelist.h"
#include "../base/npy.h"
#include "readers.h"

/* What a column names. */
enum role { IMG, DEPTH, DISP, FB, RIGHT_IMG, RIGHT_DEPTH, RIGHT_DISP, TRUTH, METRICS, ROLES };

enum { MOST_COLUMNS = 9, MAX_GRID_SIDE = 4096 };

struct layout {
    /* Prints the path of the CSV of a split; `part` is "" or "_10perc". */
    int (*name_csv)(char path[MD_PATH_MAX], const char *root, const char *split, const char *part,
                    struct md_error *error);
    bool from_root; /* paths are relative to the root, not to the CSV's folder */
    bool dense;     /* grids of the picture's size, clipped to the range */
    bool squares;   /* truths of MD_SQUARE_SIDE are cut out of KITTI's pictures */
    int columns;
    struct column {
        enum role role;
        const char *name;
    } column[MOST_COLUMNS];
};

static int csv_of_split(char path[MD_PATH_MAX], const char *root, const char *split,
                        const char *part, struct md_error *error) {
    return md_path_format(path, error, "%s/%s%s.csv", root, split, part);
}
static int csv_in_folder(char path[MD_PATH_MAX], const char *root, const char *split,
                         const char *part, struct md_error *error) {
    return md_path_format(path, error, "%s/%s/annotations%s.csv", root, split, part);
}
static int csv_of_scenario(char path[MD_PATH_MAX], const char *root, const char *split,
                           const char *part, struct md_error *error) {
    return md_path_format(path, error, "%s/%s/csv_annotations/%s%s.csv", root, split, split, part);
}

static const struct layout field_layout = {
    .name_csv = csv_of_split,
    .columns = 4,
    .column = {{IMG, "img"}, {DEPTH, "depth"}, {DISP, "disp"}, {FB, "fb"}}};
static const struct layout nyuv2_layout = {
    .name_csv = csv_of_split,
    .dense = true,
    .columns = 5,
    .column = {{IMG, "img"}, {TRUTH, "depthGT"}, {DEPTH, "depth"}, {DISP, "disp"}, {FB, "fb"}}};
static const struct layout kitti_layout = {.name_csv = csv_in_folder,
                                           .dense = true,
                                           .squares = true,
                                           .columns = 9,
                                           .column = {{IMG, "imgL"},
                                                      {RIGHT_IMG, "imgR"},
                                                      {TRUTH, "depthGT"},
                                                      {DISP, "dispL"},
                                                      {DEPTH, "depthL"},
                                                      {RIGHT_DISP, "dispR"},
                                                      {RIGHT_DEPTH, "depthR"},
                                                      {FB, "fb"},
                                                      {METRICS, "metrics"}}};
static const struct layout tartanair_layout = {
    .name_csv = csv_of_scenario,
    .from_root = true,
    .dense = true,
    .columns = 4,
    .column = {{IMG, "img"}, {DEPTH, "depth"}, {DISP, "disp"}, {FB, "fb"}}};

/* --- listing --- */

/* Adds the lines of the CSV of one split. */
static int list_csv(struct md_source *source, const char *split, struct md_error *error) {
    const struct layout *layout = source->reader->layout;
    char path[MD_PATH_MAX], part[20] = "";
    struct md_text text;
    if (source->spec.fraction < 100)
        snprintf(part, sizeof part, "_%dperc", source->spec.fraction);
    MD_TRY(layout->name_csv(path, source->spec.root, split, part, error));
    MD_TRY(md_text_open(path, &text, error));
    int status = md_source_add_lines(source, path, &text, error);
    md_text_close(&text);
    return status;
}

static int list_split(struct md_source *source, struct md_error *error) {
    return list_csv(source, source->spec.split, error);
}

static int add_scenario(void *context, char *name, struct md_error *error) {
    return list_csv(context, name, error);
}
static int list_scenarios(struct md_source *source, struct md_error *error) {
    return md_split_each(source->spec.split, add_scenario, source, error);
}

/* --- reading --- */

/* A line's files: what is read before it is known to be a sample. */
struct entry {
    struct md_image picture[2]; /* of the left camera, of the right one */
    struct md_array array[ROLES];
    int grid_height, grid_width; /* of DEPTH, or whichever grid comes first */
    float fb;
};

static void free_entry(struct entry *entry) {
    md_image_free(&entry->picture[0]);
    md_image_free(&entry->picture[1]);
    for (int role = 0; role < ROLES; role++)
        md_array_free(&entry->array[role]);
}

/* Cuts the line at its commas. */
static int split_line(const struct layout *layout, char *line, char *field[MOST_COLUMNS],
                      struct md_error *error) {
    const int found = md_field_count(line);
    if (found != layout->columns) {
        char names[100] = "";
        for (int c = 0; c < layout->columns; c++)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", c > 0 ? "," : "",
                     layout->column[c].name);
        return md_fail(error, MD_FAILED, "expected %d columns (%s), found %d", layout->columns,
                       names, found);
    }
    for (int column = 0; column < layout->columns; column++) {
        field[column] = md_next_field(&line);
        if (field[column][0] == 0)
            return md_fail(error, MD_FAILED, "the column %s is empty", layout->column[column].name);
    }
    return MD_OK;
}

static void format_shape(const struct md_array *array, char text[100]) {
    int length = snprintf(text, 100, "(");
    for (int d = 0; d < array->dimensions; d++)
        length +=
            snprintf(text + length, 100 - (size_t)length, "%s%zu", d ? ", " : "", array->shape[d]);
    snprintf(text + length, 100 - (size_t)length, ")");
}

/* The two sides of a grid; a leading 1 is no dimension. */
static int grid_shape(const struct md_array *array, int *height, int *width,
                      struct md_error *error) {
    int first = array->dimensions == 3 && array->shape[0] == 1;
    const size_t *shape = array->shape + first;
    if (array->dimensions - first != 2 || shape[0] < 1 || shape[1] < 1 ||
        shape[0] > MAX_GRID_SIDE || shape[1] > MAX_GRID_SIDE) {
        char text[100];
        format_shape(array, text);
        return md_fail(error, MD_FAILED,
                       "expected 2 dimensions of 1 to %d (or a 1 before them), found shape %s",
                       MAX_GRID_SIDE, text);
    }
    *height = (int)shape[0];
    *width = (int)shape[1];
    return MD_OK;
}

static int check_picture(const struct md_image *picture, const struct md_source *source,
                         struct md_error *error) {
    if (picture->height != source->height || picture->width != source->width)
        return md_fail(error, MD_FAILED, "expected %dx%d pixels, found %dx%d", source->width,
                       source->height, picture->width, picture->height);
    return MD_OK;
}

/* All grids but the truth have one shape. */
static int check_grid(const struct md_array *array, struct entry *entry, struct md_error *error) {
    int height, width;
    MD_TRY(grid_shape(array, &height, &width, error));
    if (entry->grid_height == 0) {
        entry->grid_height = height;
        entry->grid_width = width;
    }
    if (height != entry->grid_height || width != entry->grid_width)
        return md_fail(error, MD_FAILED,
                       "expected the shape of the grid before it (%d, %d), found "
                       "(%d, %d)",
                       entry->grid_height, entry->grid_width, height, width);
    return MD_OK;
}

static int check_fb(const struct md_array *fb, struct entry *entry, struct md_error *error) {
    if (fb->count != 1)
        return md_fail(error, MD_FAILED, "expected one value, found %zu", fb->count);
    if (!isfinite(fb->values[0]) || fb->values[0] <= 0)
        return md_fail(error, MD_FAILED, "expected a positive number, found %g", fb->values[0]);
    entry->fb = fb->values[0];
    return MD_OK;
}

/* Reads one column's file and looks whether it fits the columns before it. */
static int read_column(const struct md_source *source, enum role role, const char *path,
                       struct entry *entry, struct md_error *error) {
    int height, width, status, is_picture = role == IMG || role == RIGHT_IMG;
    struct md_image *picture = &entry->picture[role == RIGHT_IMG];
    struct md_array *array = &entry->array[role];
    if (role == METRICS || (role == TRUTH && source->spec.truth != MD_TRUTH_FULL))
        return MD_OK;
    MD_TRY(is_picture ? md_image_read(path, picture, error) : md_npy_read(path, array, error));
    if (is_picture)
        status = check_picture(picture, source, error);
    else if (role == FB)
        status = check_fb(array, entry, error);
    else if (role == TRUTH)
        status = grid_shape(array, &height, &width, error);
    else
        status = check_grid(array, entry, error);
    return status == MD_OK ? MD_OK : md_fail_in(error, status, path);
}

static float depth_of(const struct md_source *source, const struct layout *layout, float depth_m) {
    return layout->dense ? md_dense_depth(&source->spec, depth_m)
                         : md_valid_depth(&source->spec, depth_m);
}

static void fill_grid(const struct md_source *source, const struct layout *layout,
                      const struct md_array *depth, const struct md_array *disparity,
                      float *depth_m, float *disparities) {
    for (size_t i = 0; i < depth->count; i++) {
        float value_m = depth_of(source, layout, depth->values[i]);
        float value = disparity->values[i];
        int valid = value_m != MD_NO_DEPTH && isfinite(value) && value > 0;
        depth_m[i] = valid ? value_m : MD_NO_DEPTH;
        disparities[i] = valid ? value : MD_INVALID;
    }
}

/* To its own size: only the order of the bytes changes. */
static void fill_picture(const struct md_source *source, const struct md_image *picture,
                         uint8_t *planes) {
    md_image_resize(picture, 0, 0, source->height, source->width, source->height, source->width,
                    planes);
}

/* The size of most pictures that the release's KITTI truths are cut out of; the truths do not
 * tell. */
enum { KITTI_HEIGHT = 375, KITTI_WIDTH = 1242 };

/* The array becomes the sample's. */
static void move_truth(const struct md_source *source, const struct layout *layout,
                       struct md_array *truth, struct md_sample *sample) {
    int first = truth->dimensions == 3;
    struct md_depth_map map = {.height = (int)truth->shape[first],
                               .width = (int)truth->shape[first + 1],
                               .depth_m = truth->values};
    if (layout->squares && map.height == MD_SQUARE_SIDE && map.width == MD_SQUARE_SIDE) {
        map.whole_height = KITTI_HEIGHT;
        map.whole_width = KITTI_WIDTH;
        map.left = (KITTI_WIDTH - MD_SQUARE_SIDE) / 2;
    }
    truth->values = NULL;
    for (size_t i = 0; i < truth->count; i++)
        map.depth_m[i] = md_dense_depth(&source->spec, map.depth_m[i]);
    md_crop_truth(source->spec.evaluation_crop, &map);
    sample->truth_height = map.height;
    sample->truth_width = map.width;
    sample->truth_m = map.depth_m;
}

static int fill_sample(const struct md_source *source, const struct layout *layout,
                       const char *name, struct entry *entry, struct md_sample *sample,
                       struct md_error *error) {
    int right = entry->picture[1].rgb != NULL;
    MD_TRY(md_sample_allocate(source, name, entry->grid_height, entry->grid_width, right, sample,
                              error));
    fill_picture(source, &entry->picture[0], sample->picture);
    fill_grid(source, layout, &entry->array[DEPTH], &entry->array[DISP], sample->depth_m,
              sample->disparity);
    if (right) {
        fill_picture(source, &entry->picture[1], sample->right_picture);
        fill_grid(source, layout, &entry->array[RIGHT_DEPTH], &entry->array[RIGHT_DISP],
                  sample->right_depth_m, sample->right_disparity);
    }
    if (entry->array[TRUTH].values != NULL)
        move_truth(source, layout, &entry->array[TRUTH], sample);
    sample->fb = entry->fb;
    return md_sample_label(source, sample, error);
}

/* The path of what a line of the CSV names. */
static int path_of(const struct md_source *source, const char *csv, const char *field,
                   char path[MD_PATH_MAX], struct md_error *error) {
    const struct layout *layout = source->reader->layout;
    if (layout->from_root)
        return md_path_format(path, error, "%s/%s", source->spec.root, field);
    return md_path_format(path, error, "%.*s/%s", (int)(strrchr(csv, '/') - csv), csv, field);
}

static int read_line(struct md_source *source, size_t file, char *line, struct md_sample *sample,
                     struct md_error *error) {
    const struct layout *layout = source->reader->layout;
    char *field[MOST_COLUMNS] = {NULL};
    struct entry entry = {0};
    int status = split_line(layout, line, field, error);
    for (int column = 0; column < layout->columns && status == MD_OK; column++) {
        char path[MD_PATH_MAX];
        status = path_of(source, source->files.names[file], field[column], path, error);
        MD_THEN(status, read_column(source, layout->column[column].role, path, &entry, error));
    }
    MD_THEN(status, fill_sample(source, layout, field[0], &entry, sample, error));
    free_entry(&entry);
    return status;
}

static int read_entry(struct md_source *source, size_t index, struct md_sample *sample,
                      struct md_error *error) {
    return md_source_read_line(source, index, read_line, sample, error);
}

#define MICRO_READER(of, function, most_fb, range, text)                                           \
    {                                                                                              \
        .splits = text, .layout = &(of), .list = function, .read = read_entry, .fb = most_fb,      \
        .range_m = range, .needs_root = 1, .has_fractions = 1                                      \
    }

const struct md_reader md_micro_reader =
    MICRO_READER(field_layout, list_split, MD_FIELD_FB, 4,
                 "NAME reads root/NAME.csv (img,depth.npy,disp.npy,fb.npy; no header)");
const struct md_reader md_micro_kitti_reader =
    MICRO_READER(kitti_layout, list_split, MD_KITTI_FB, 80,
                 "train, val or test: reads root/NAME/annotations.csv");
const struct md_reader md_micro_nyuv2_reader = MICRO_READER(
    nyuv2_layout, list_split, MD_FIELD_FB, 5, "train, val or test: reads root/NAME.csv");
const struct md_reader md_micro_tartanair_reader =
    MICRO_READER(tartanair_layout, list_scenarios, MD_FIELD_FB, 80,
                 "scenarios with commas between, or @FILE with one a line: reads "
                 "root/NAME/csv_annotations/NAME.csv");

/* --- writing --- */

enum { COLUMNS = FB + 1 };

static int prepare_folders(const char *root, const char *split, struct md_error *error) {
    for (int column = 0; column < COLUMNS; column++) {
        char folder[MD_PATH_MAX];
        MD_TRY(md_path_format(folder, error, "%s/%s/%s", root, split,
                              field_layout.column[column].name));
        MD_TRY(md_make_folder(folder, error));
    }
    return MD_OK;
}

static int write_picture(const char *path, const struct md_dataset *dataset,
                         const struct md_sample *sample, struct md_error *error) {
    const size_t plane = (size_t)dataset->height * (size_t)dataset->width;
    uint8_t *rgb = malloc(3 * plane);
    if (!rgb)
        return md_fail(error, MD_FAILED, "%s: out of memory", path);
    for (size_t i = 0; i < 3 * plane; i++)
        rgb[i] = sample->picture[i % 3 * plane + i / 3];
    int status = md_png_write_rgb(path, rgb, dataset->height, dataset->width, error);
    free(rgb);
    return status;
}

/* Writes the four files of a sample. */
static int write_sample(const struct md_dataset *dataset, size_t index, const char *root,
                        const char *split, int force, struct md_error *error) {
    const struct md_sample *sample = &dataset->samples[index];
    const size_t shape[2] = {(size_t)sample->depth_height, (size_t)sample->depth_width};
    const float *values[COLUMNS] = {NULL, sample->depth_m, sample->disparity, &sample->fb};
    int status = MD_OK;
    for (int column = 0; column < COLUMNS && status == MD_OK; column++) {
        char path[MD_PATH_MAX];
        status =
            md_path_format(path, error, "%s/%s/%s/%zu.%s", root, split,
                           field_layout.column[column].name, index, column == IMG ? "png" : "npy");
        MD_THEN(status, md_may_write(path, force, error));
        if (status != MD_OK)
            break;
        if (column == IMG)
            status = write_picture(path, dataset, sample, error);
        else
            status = md_npy_write(path, values[column], column == FB ? 0 : 2, shape, error);
    }
    return status;
}

/* The text of the CSV file, to be freed; NULL when memory is out. */
static char *format_csv(size_t count, const char *split, size_t *size) {
    const size_t line_max = COLUMNS * (strlen(split) + 40);
    char *text = malloc(count * line_max + 1);
    *size = 0;
    for (size_t i = 0; text && i < count; i++)
        *size += (size_t)snprintf(text + *size, line_max,
                                  "%s/img/%zu.png,%s/depth/%zu.npy,%s/disp/%zu.npy,%s/fb/%zu.npy\n",
                                  split, i, split, i, split, i, split, i);
    return text;
}

static int write_csv(const char *path, size_t count, const char *split, struct md_error *error) {
    size_t size;
    char *text = format_csv(count, split, &size);
    if (!text)
        return md_fail(error, MD_FAILED, "%s: out of memory", path);
    int status = md_file_write(path, text, size, error);
    free(text);
    return status;
}

int md_micro_write(const struct md_dataset *dataset, const char *root, const char *split, int force,
                   const struct md_watch *watch, struct md_error *error) {
    char csv[MD_PATH_MAX];
    int status = md_split_check_name(split, error);
    MD_THEN(status, md_path_format(csv, error, "%s/%s.csv", root, split));
    MD_THEN(status, md_may_write(csv, force, error));
    MD_THEN(status, prepare_folders(root, split, error));
    if (status == MD_OK)
        unlink(csv); /* from now on it would be about other files */
    for (size_t i = 0; i < dataset->count && status == MD_OK; i++) {
        if (md_watch_report(watch, "writing", (double)i, (double)dataset->count))
            return md_fail(error, MD_FAILED, "%s/%s: interrupted after %zu of %zu samples", root,
                           split, i, dataset->count);
        status = write_sample(dataset, i, root, split, force, error);
    }
    return status == MD_OK ? write_csv(csv, dataset->count, split, error) : status;
}
