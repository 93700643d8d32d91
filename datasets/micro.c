/* The micro layout of the public release: ROOT/SPLIT.csv without a header line, each line
 *
 *     img,depth.npy,disp.npy,fb.npy
 *
 * with paths relative to ROOT. The picture is a JPEG or PNG of the network's size; depth (metres)
 * and disparity are float32 grids of the same shape; fb is one number. A value counts only when
 * both its depth and its disparity do. */
#include "micro.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "image.h"
#include "npy.h"
#include "readers.h"

enum { IMG, DEPTH, DISP, FB, COLUMNS };
static const char *const columns[COLUMNS] = {"img", "depth", "disp", "fb"};

#define MAX_GRID_SIDE 4096

/* --- reading --- */

/* A line's files: what is read before it is known to be a sample. */
struct entry {
    struct md_image picture;
    struct md_array array[COLUMNS]; /* of DEPTH, DISP and FB */
    int grid_height, grid_width;
};

static void free_entry(struct entry *entry) {
    md_image_free(&entry->picture);
    for (int column = DEPTH; column < COLUMNS; column++)
        md_array_free(&entry->array[column]);
}

/* Cuts the line at its commas. */
static int split_line(char *line, char *field[COLUMNS], struct md_error *error) {
    int found = 1;
    for (const char *c = line; *c; c++)
        found += *c == ',';
    if (found != COLUMNS)
        return md_fail(error, MD_FAILED, "expected 4 columns (img,depth,disp,fb), found %d", found);
    for (int column = 0; column < COLUMNS; column++) {
        char *end = line + strcspn(line, ",");
        char *next = *end ? end + 1 : end;
        *end = 0;
        field[column] = md_trim(line);
        if (field[column][0] == 0)
            return md_fail(error, MD_FAILED, "the column %s is empty", columns[column]);
        line = next;
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

static int check_picture(const struct entry *entry, const struct md_dataset *dataset,
                         struct md_error *error) {
    if (entry->picture.height != dataset->height || entry->picture.width != dataset->width)
        return md_fail(error, MD_FAILED, "expected %dx%d pixels, found %dx%d", dataset->width,
                       dataset->height, entry->picture.width, entry->picture.height);
    return MD_OK;
}

static int check_disparity(const struct entry *entry, struct md_error *error) {
    int height, width;
    int status = grid_shape(&entry->array[DISP], &height, &width, error);
    if (status == MD_OK && (height != entry->grid_height || width != entry->grid_width))
        return md_fail(error, MD_FAILED, "expected the shape of depth (%d, %d), found (%d, %d)",
                       entry->grid_height, entry->grid_width, height, width);
    return status;
}

static int check_fb(const struct md_array *fb, struct md_error *error) {
    if (fb->count != 1)
        return md_fail(error, MD_FAILED, "expected one value, found %zu", fb->count);
    if (!isfinite(fb->values[0]) || fb->values[0] <= 0)
        return md_fail(error, MD_FAILED, "expected a positive number, found %g", fb->values[0]);
    return MD_OK;
}

/* Reads one column's file and looks whether it fits the columns before it. */
static int read_column(int column, const char *path, const struct md_dataset *dataset,
                       struct entry *entry, struct md_error *error) {
    struct md_array *array = &entry->array[column];
    int status = column == IMG ? md_image_read(path, &entry->picture, error)
                               : md_npy_read(path, array, error);
    if (status != MD_OK)
        return status;
    switch (column) {
    case IMG:
        status = check_picture(entry, dataset, error);
        break;
    case DEPTH:
        status = grid_shape(array, &entry->grid_height, &entry->grid_width, error);
        break;
    case DISP:
        status = check_disparity(entry, error);
        break;
    default:
        status = check_fb(array, error);
        break;
    }
    return status == MD_OK ? MD_OK : md_fail_in(error, status, path);
}

static void fill_sample(const struct md_data_spec *spec, const struct md_dataset *dataset,
                        const struct entry *entry, struct md_sample *sample) {
    const size_t zones = (size_t)entry->grid_height * (size_t)entry->grid_width;
    /* To its own size: only the order of the bytes changes. */
    md_image_resize(&entry->picture, 0, 0, dataset->height, dataset->width, dataset->height,
                    dataset->width, sample->picture);
    for (size_t i = 0; i < zones; i++) {
        float depth_m = md_valid_depth(spec, entry->array[DEPTH].values[i]);
        float disparity = entry->array[DISP].values[i];
        int valid = depth_m != MD_NO_DEPTH && isfinite(disparity) && disparity > 0;
        sample->depth_m[i] = valid ? depth_m : MD_NO_DEPTH;
        sample->disparity[i] = valid ? disparity : MD_INVALID;
    }
    sample->fb = entry->array[FB].values[0];
}

static int read_line(const struct md_data_spec *spec, char *line, struct md_dataset *dataset,
                     size_t *capacity, struct md_error *error) {
    char *field[COLUMNS];
    struct entry entry = {0};
    int status = split_line(line, field, error);
    for (int column = 0; column < COLUMNS && status == MD_OK; column++) {
        char path[MD_PATH_MAX];
        status = md_path_format(path, error, "%s/%s", spec->root, field[column]);
        if (status == MD_OK)
            status = read_column(column, path, dataset, &entry, error);
    }
    struct md_sample *sample = NULL;
    if (status == MD_OK)
        status = md_dataset_append(dataset, capacity, field[IMG], entry.grid_height,
                                   entry.grid_width, &sample, error);
    if (status == MD_OK)
        fill_sample(spec, dataset, &entry, sample);
    free_entry(&entry);
    return status;
}

int md_micro_read(const struct md_data_spec *spec, struct md_dataset *dataset,
                  struct md_error *error) {
    char path[MD_PATH_MAX];
    struct md_text text;
    int status = md_path_format(path, error, "%s/%s.csv", spec->root, spec->split);
    if (status == MD_OK)
        status = md_text_open(path, &text, error);
    if (status != MD_OK)
        return status;
    size_t capacity = 0;
    for (char *line; status == MD_OK && (line = md_text_line(&text));) {
        status = read_line(spec, line, dataset, &capacity, error);
        if (status != MD_OK)
            md_fail_at_line(error, status, path, text.line);
    }
    md_text_close(&text);
    return status;
}

/* --- writing --- */

static int make_folder(const char *path, struct md_error *error) {
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return md_fail(error, MD_FAILED, "cannot create the folder %s: %s", path, strerror(errno));
    return MD_OK;
}

/* Creates the folder and those above it. */
static int make_folders(const char *path, struct md_error *error) {
    char part[MD_PATH_MAX];
    int status = md_path_format(part, error, "%s", path);
    for (char *c = part; *c && status == MD_OK; c++) {
        if (*c != '/' || c == part)
            continue;
        *c = 0;
        status = make_folder(part, error);
        *c = '/';
    }
    return status == MD_OK ? make_folder(part, error) : status;
}

static int prepare_folders(const char *root, const char *split, struct md_error *error) {
    int status = MD_OK;
    for (int column = 0; column < COLUMNS && status == MD_OK; column++) {
        char folder[MD_PATH_MAX];
        status = md_path_format(folder, error, "%s/%s/%s", root, split, columns[column]);
        if (status == MD_OK)
            status = make_folders(folder, error);
    }
    return status;
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
                        const char *split, struct md_error *error) {
    const struct md_sample *sample = &dataset->samples[index];
    const size_t shape[2] = {(size_t)sample->depth_height, (size_t)sample->depth_width};
    const float *values[COLUMNS] = {NULL, sample->depth_m, sample->disparity, &sample->fb};
    int status = MD_OK;
    for (int column = 0; column < COLUMNS && status == MD_OK; column++) {
        char path[MD_PATH_MAX];
        status = md_path_format(path, error, "%s/%s/%s/%zu.%s", root, split, columns[column], index,
                                column == IMG ? "png" : "npy");
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

int md_micro_write(const struct md_dataset *dataset, const char *root, const char *split,
                   struct md_error *error) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_-";
    char csv[MD_PATH_MAX];
    if (split[0] == 0 || split[strspn(split, allowed)] != 0)
        return md_fail(error, MD_USAGE, "split: expected letters, digits, _ and -, found \"%s\"",
                       split);
    int status = md_path_format(csv, error, "%s/%s.csv", root, split);
    if (status == MD_OK && access(csv, F_OK) == 0)
        status = md_fail(error, MD_USAGE, "%s is there already and is not overwritten", csv);
    if (status == MD_OK)
        status = prepare_folders(root, split, error);
    for (size_t i = 0; i < dataset->count && status == MD_OK; i++)
        status = write_sample(dataset, i, root, split, error);
    return status == MD_OK ? write_csv(csv, dataset->count, split, error) : status;
}
