/* Folders of .h5 files in the form of the sparse-to-dense code (Ma and Karaman 2018), which KITTI
 * odometry and NYU Depth v2 (FastDepth's too) are passed round in: `rgb` uint8 (3, height, width)
 * and `depth` in metres (height, width), 0 where there is none. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../base/h5.h"
#include "../base/namelist.h"
#include "readers.h"

static const char *const endings[] = {".h5", NULL};

enum { MOST_FOLDERS = 8, MAX_SIDE = 4096 };

/* Adds the files in root/relative and below, by name. */
static int list_folder(struct md_source *source, const char *relative, int depth,
                       struct md_error *error) {
    char path[MD_PATH_MAX];
    struct md_names names = {0};
    int status = md_path_format(path, error, "%s/%s", source->spec.root, relative);
    if (status == MD_OK && depth == MOST_FOLDERS)
        status = md_fail(error, MD_FAILED, "%s: more than %d folders deep", path, MOST_FOLDERS);
    MD_THEN(status, md_names_of_folder(path, &names, error));
    for (size_t i = 0; i < names.count && status == MD_OK; i++) {
        char below[MD_PATH_MAX];
        const char *name = names.names[i];
        status = md_path_format(below, error, "%s%s%s", relative, relative[0] ? "/" : "", name);
        MD_THEN(status, md_path_format(path, error, "%s/%s", source->spec.root, below));
        if (status == MD_OK && md_is_folder(path))
            status = list_folder(source, below, depth + 1, error);
        else if (status == MD_OK && md_bare_length(name, endings) > 0)
            status = md_source_add(source, below, 0, error);
        else if (status == MD_OK)
            md_unused_add(&source->unused, MD_UNUSED_ENDING, below);
    }
    md_names_free(&names);
    return status;
}

static int add_named(void *context, char *name, struct md_error *error) {
    return list_folder(context, name, 0, error);
}

static int list(struct md_source *source, struct md_error *error) {
    const char *split = source->spec.split;
    return strcmp(split, "all") == 0 ? list_folder(source, "", 0, error)
                                     : md_split_each(split, add_named, source, error);
}

/* ---- reading --------------------------------------------------------------------------------- */

static int check_sizes(hid_t file, size_t *height, size_t *width, struct md_error *error) {
    size_t rgb[3], depth[2];
    int dimensions[2];
    MD_TRY(md_h5_shape(file, "rgb", 3, &dimensions[0], rgb, error));
    MD_TRY(md_h5_shape(file, "depth", 2, &dimensions[1], depth, error));
    if (dimensions[0] != 3 || dimensions[1] != 2 || rgb[0] != 3 || rgb[1] != depth[0] ||
        rgb[2] != depth[1])
        return md_fail(error, MD_FAILED,
                       "expected rgb of the shape (3, height, width) and depth of (height, width)");
    if (depth[0] < 1 || depth[0] > MAX_SIDE || depth[1] < 1 || depth[1] > MAX_SIDE)
        return md_fail(error, MD_FAILED, "expected sides of 1 to %d pixels, found %zux%zu",
                       MAX_SIDE, depth[1], depth[0]);
    *height = depth[0];
    *width = depth[1];
    return MD_OK;
}

/* From planes of floats to pixels of bytes. */
static int convert_picture(const float *planes, struct md_image *picture, struct md_error *error) {
    const size_t pixels = (size_t)picture->height * (size_t)picture->width;
    picture->rgb = malloc(3 * pixels);
    MD_TRY(md_check_memory(picture->rgb != NULL, error));
    for (size_t i = 0; i < 3 * pixels; i++) {
        if (!(planes[i] >= 0 && planes[i] <= 255) || planes[i] != floorf(planes[i]))
            return md_fail(error, MD_FAILED, "rgb: expected bytes, found %g", planes[i]);
        picture->rgb[i % pixels * 3 + i / pixels] = (uint8_t)planes[i];
    }
    return MD_OK;
}

static int read_open_file(hid_t file, struct md_image *picture, struct md_depth_map *map,
                          struct md_error *error) {
    size_t height, width;
    MD_TRY(check_sizes(file, &height, &width, error));
    const size_t pixels = height * width, shape[3] = {3, height, width};
    *picture = (struct md_image){(int)height, (int)width, NULL};
    float *planes = malloc(3 * pixels * sizeof *planes);
    int status = planes ? md_depth_map_allocate((int)height, (int)width, map, error)
                        : md_fail(error, MD_FAILED, "out of memory");
    MD_THEN(status, md_h5_read(file, "rgb", H5T_NATIVE_FLOAT, 3, shape, 3 * pixels, planes, error));
    MD_THEN(status,
            md_h5_read(file, "depth", H5T_NATIVE_FLOAT, 2, shape + 1, pixels, map->depth_m, error));
    MD_THEN(status, convert_picture(planes, picture, error));
    free(planes);
    return status;
}

static int read_frame(struct md_source *source, const struct md_entry *entry,
                      struct md_image *picture, struct md_depth_map *map, struct md_error *error) {
    char path[MD_PATH_MAX];
    hid_t file;
    MD_TRY(md_path_format(path, error, "%s/%s", source->spec.root, entry->name));
    MD_TRY(md_h5_open(path, &file, error));
    int status = read_open_file(file, picture, map, error);
    H5Fclose(file);
    if (status != MD_OK && !strstr(error->text, entry->name))
        md_error_prefix(error, path);
    return status;
}

const struct md_reader md_h5_reader = {
    .splits = "all (every .h5 file below root), or folders below root with commas between "
              "(train or val, as they come), or @FILE with one a line. NYU Depth v2: {picture: "
              "whole, max_depth_m: 10}",
    .list = list,
    .read_frame = read_frame,
    .fb = MD_KITTI_FB,
    .part = md_square_part,
    .range_m = 80,
    .needs_root = 1,
};
