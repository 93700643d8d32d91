/* NYU Depth v2's labelled frames as they are published: nyu_depth_v2_labeled.mat, which is HDF5
 * behind 512 bytes of MATLAB's. MATLAB counts the first coordinate fastest and HDF5 the last, so
 * what is (480, 640, 3, 1449) there is here
 *
 *     images      uint8    (1449, 3, 640, 480)
 *     depths      float32  (1449, 640, 480), metres, holes filled
 *     rawDepths   the same, as the Kinect saw it; 0: nothing
 *
 * Frames are numbered from 1, as in splits.mat beside it, whose arrays trainNdxs and testNdxs are
 * the official split. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../base/h5.h"
#include "../base/mat5.h"
#include "../base/namelist.h"
#include "readers.h"

enum { MOST_FRAMES = 1000000, MOST_SIDE = 4096, DEFLATE_RATIO = 1032 };

struct archive {
    hid_t file;
    size_t images[4], depths[3]; /* shapes */
    const char *depth;           /* name of the data set that is used */
};

static void close_archive(struct md_source *source) {
    struct archive *archive = source->state;
    if (archive->file >= 0)
        H5Fclose(archive->file);
    free(archive);
}

/* --- shapes --- */

static int check_images(const char *path, const size_t shape[4], int dimensions,
                        struct md_error *error) {
    if (dimensions == 4 && shape[0] >= 1 && shape[0] <= MOST_FRAMES && shape[1] == 3 &&
        shape[2] >= 1 && shape[2] <= MOST_SIDE && shape[3] >= 1 && shape[3] <= MOST_SIDE)
        return MD_OK;
    return md_fail(error, MD_FAILED,
                   "%s: images: expected the shape (frames, 3, width, height) with sides of at "
                   "most %d, found %d dimensions (%zu, %zu, %zu, %zu)",
                   path, MOST_SIDE, dimensions, shape[0], shape[1], shape[2], shape[3]);
}

static int check_depths(const char *path, const struct archive *archive, int dimensions,
                        struct md_error *error) {
    const size_t *images = archive->images, *depths = archive->depths;
    if (dimensions == 3 && depths[0] == images[0] && depths[1] == images[2] &&
        depths[2] == images[3])
        return MD_OK;
    return md_fail(error, MD_FAILED,
                   "%s: %s: expected the shape (%zu, %zu, %zu), as of images, found (%zu, %zu, "
                   "%zu)",
                   path, archive->depth, images[0], images[2], images[3], depths[0], depths[1],
                   depths[2]);
}

/* A small file cannot hold large frames: found out before they cost memory. */
static int check_size(const char *path, const struct archive *archive, struct md_error *error) {
    const size_t *shape = archive->depths;
    hsize_t size, most;
    if (H5Fget_filesize(archive->file, &size) < 0)
        return md_fail(error, MD_FAILED, "%s: has no size", path);
    most = size * DEFLATE_RATIO;
    if (shape[0] * shape[1] * shape[2] <= most)
        return MD_OK;
    return md_fail(error, MD_FAILED,
                   "%s: claims %zu frames of %zux%zu, more than %llu bytes can hold", path,
                   shape[0], shape[1], shape[2], (unsigned long long)size);
}

static int open_archive(struct md_source *source, bool raw, struct md_error *error) {
    const char *path = source->spec.root;
    struct archive *archive = calloc(1, sizeof *archive);
    int dimensions;
    MD_TRY(md_check_memory(archive != NULL, error));
    source->state = archive;
    archive->file = H5I_INVALID_HID;
    archive->depth = raw ? "rawDepths" : "depths";
    MD_TRY(md_h5_open(path, &archive->file, error));
    MD_TRY(md_h5_shape(archive->file, "images", 4, &dimensions, archive->images, error));
    MD_TRY(check_images(path, archive->images, dimensions, error));
    MD_TRY(md_h5_shape(archive->file, archive->depth, 3, &dimensions, archive->depths, error));
    MD_TRY(check_depths(path, archive, dimensions, error));
    return check_size(path, archive, error);
}

/* --- splits --- */

/* Adds frame `index`, counted from 1. */
static int add_frame(struct md_source *source, double index, struct md_error *error) {
    const struct archive *archive = source->state;
    const char *slash = strrchr(source->spec.root, '/');
    char name[sizeof source->spec.root + 16];
    if (!(index >= 1 && index <= (double)archive->images[0] && index == floor(index)))
        return md_fail(error, MD_FAILED, "expected the number of a frame, 1 to %zu, found %.15g",
                       archive->images[0], index);
    snprintf(name, sizeof name, "%s:%04d", slash ? slash + 1 : source->spec.root, (int)index);
    return md_source_add(source, name, (size_t)index - 1, error);
}

static int add_all(struct md_source *source, struct md_error *error) {
    const struct archive *archive = source->state;
    for (size_t i = 1; i <= archive->images[0]; i++)
        MD_TRY(add_frame(source, (double)i, error));
    return MD_OK;
}

static int add_numbered(void *context, char *number, struct md_error *error) {
    int64_t index;
    const char *end = md_parse_integer(number, &index);
    if (end && *end == 0)
        return add_frame(context, (double)index, error);
    return md_fail(error, MD_FAILED, "expected the number of a frame, found \"%.60s\"", number);
}

static int read_h5_numbers(hid_t file, const char *path, const char *name,
                           struct md_mat5_array *array, struct md_error *error) {
    size_t shape[2] = {0};
    int dimensions;
    MD_TRY(md_h5_shape(file, name, 2, &dimensions, shape, error));
    int status = MD_OK;
    if (dimensions != 2 || shape[0] > MOST_FRAMES || shape[1] > MOST_FRAMES ||
        shape[0] * shape[1] > MOST_FRAMES)
        return md_fail(error, MD_FAILED, "%s: %s: expected (1, frames), found (%zu, %zu)", path,
                       name, shape[0], shape[1]);
    array->count = shape[0] * shape[1];
    array->values = calloc(array->count + 1, sizeof *array->values);
    if (!array->values)
        return md_fail(error, MD_FAILED, "%s: out of memory", path);
    for (size_t i = 0; i < shape[0] && status == MD_OK; i++)
        status = md_h5_read_slice(file, name, H5T_NATIVE_DOUBLE, i, 2, shape,
                                  array->values + i * shape[1], error);
    return status;
}

/* From either kind of MATLAB file; published is the older one. */
static int read_numbers(const char *path, const char *name, struct md_mat5_array *array,
                        struct md_error *error) {
    hid_t newer;
    *array = (struct md_mat5_array){0};
    if (H5Fis_hdf5(path) <= 0)
        return md_mat5_read(path, name, array, error);
    MD_TRY(md_h5_open(path, &newer, error));
    int status = read_h5_numbers(newer, path, name, array, error);
    H5Fclose(newer);
    return status;
}

static int add_official(struct md_source *source, const char *name, struct md_error *error) {
    const char *root = source->spec.root, *slash = strrchr(root, '/');
    struct md_mat5_array array;
    char path[MD_PATH_MAX];
    MD_TRY(
        md_path_format(path, error, "%.*ssplits.mat", slash ? (int)(slash - root) + 1 : 0, root));
    int status = read_numbers(path, name, &array, error);
    for (size_t i = 0; status == MD_OK && i < array.count; i++) {
        status = add_frame(source, array.values[i], error);
        if (status != MD_OK) {
            md_error_prefix(error, name);
            md_error_prefix(error, path);
        }
    }
    md_mat5_free(&array);
    return status;
}

static int list(struct md_source *source, struct md_error *error) {
    static const char prefix[] = "raw:";
    const char *split = source->spec.split;
    bool raw = strncmp(split, prefix, strlen(prefix)) == 0;
    MD_TRY(open_archive(source, raw, error));
    split += raw ? strlen(prefix) : 0;
    if (split[0] == '@')
        return md_names_each_line(split + 1, add_numbered, source, error);
    if (strcmp(split, "all") == 0)
        return add_all(source, error);
    if (strcmp(split, "train") == 0)
        return add_official(source, "trainNdxs", error);
    if (strcmp(split, "test") == 0)
        return add_official(source, "testNdxs", error);
    return md_fail(error, MD_USAGE, "split: nyu has all, train, test and @FILE, not \"%s\"", split);
}

/* --- samples --- */

/* (channels, width, height) to (height, width, channels). */
static int read_picture(const struct archive *archive, size_t index, struct md_image *picture,
                        struct md_error *error) {
    const size_t width = archive->images[2], height = archive->images[3];
    uint8_t *columns = malloc(3 * width * height);
    *picture = (struct md_image){(int)height, (int)width, malloc(3 * width * height)};
    int status = columns && picture->rgb
                     ? md_h5_read_slice(archive->file, "images", H5T_NATIVE_UINT8, index, 4,
                                        archive->images, columns, error)
                     : md_fail(error, MD_FAILED, "out of memory for %zux%zu pixels", width, height);
    for (size_t y = 0; status == MD_OK && y < height; y++)
        for (size_t x = 0; x < width; x++)
            for (size_t c = 0; c < 3; c++)
                picture->rgb[3 * (y * width + x) + c] = columns[(c * width + x) * height + y];
    free(columns);
    return status;
}

static int read_depth(const struct archive *archive, size_t index, struct md_depth_map *map,
                      struct md_error *error) {
    const size_t width = archive->depths[1], height = archive->depths[2];
    MD_TRY(md_depth_map_allocate((int)height, (int)width, map, error));
    float *columns = malloc(width * height * sizeof *columns);
    if (!columns)
        return md_fail(error, MD_FAILED, "out of memory for %zux%zu depths", width, height);
    int status = md_h5_read_slice(archive->file, archive->depth, H5T_NATIVE_FLOAT, index, 3,
                                  archive->depths, columns, error);
    for (size_t y = 0; status == MD_OK && y < height; y++)
        for (size_t x = 0; x < width; x++)
            map->depth_m[y * width + x] = columns[x * height + y];
    free(columns);
    return status;
}

static int read_frame(struct md_source *source, const struct md_entry *entry,
                      struct md_image *picture, struct md_depth_map *map, struct md_error *error) {
    const struct archive *archive = source->state;
    int status = read_picture(archive, entry->number, picture, error);
    MD_THEN(status, read_depth(archive, entry->number, map, error));
    return status == MD_OK ? MD_OK : md_fail_in(error, status, entry->name);
}

const struct md_reader md_nyu_reader = {
    .splits = "root is nyu_depth_v2_labeled.mat. all; train or test by splits.mat beside it; or "
              "@FILE with one number of a frame a line, from 1. raw: before it (raw:test) takes "
              "rawDepths, with its holes",
    .list = list,
    .read_frame = read_frame,
    .fb = MD_FIELD_FB,
    .close = close_archive,
    .range_m = 10,
    .needs_root = 1,
};
