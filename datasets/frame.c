/* From a picture and a depth map of any size to a sample: readers.h says how. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "readers.h"

int md_picture_centre(const struct md_source *source, const char *name, uint8_t *planes,
                      struct md_error *error) {
    char path[MD_PATH_MAX];
    struct md_image image;
    int status = md_path_format(path, error, "%s/%s", source->spec.root, name);
    if (status == MD_OK)
        status = md_image_read(path, &image, error);
    if (status != MD_OK)
        return status;
    const int shorter = image.height < image.width ? image.height : image.width;
    const int crop = source->spec.crop > 0 ? source->spec.crop : shorter;
    if (crop > shorter)
        status =
            md_fail(error, MD_FAILED, "%s: expected at least %dx%d pixels (the crop), found %dx%d",
                    path, crop, crop, image.width, image.height);
    else
        md_image_resize(&image, (image.height - crop) / 2, (image.width - crop) / 2, crop, crop,
                        source->height, source->width, planes);
    md_image_free(&image);
    return status;
}

int md_depth_map_room(int height, int width, struct md_depth_map *map, struct md_error *error) {
    *map = (struct md_depth_map){height, width,
                                 calloc((size_t)height * (size_t)width, sizeof *map->depth_m)};
    return map->depth_m
               ? MD_OK
               : md_fail(error, MD_FAILED, "out of memory for a depth map of %dx%d", width, height);
}

void md_depth_map_free(struct md_depth_map *map) {
    free(map->depth_m);
    *map = (struct md_depth_map){0};
}

int md_depth_png_read(const char *path, double metres_per_unit, unsigned no_value, int rotate,
                      struct md_depth_map *map, struct md_error *error) {
    struct md_grey16 grey;
    *map = (struct md_depth_map){0};
    int status = md_grey16_read(path, &grey, error);
    if (status != MD_OK)
        return status;
    status = md_depth_map_room(grey.height, grey.width, map, error);
    size_t count = status == MD_OK ? (size_t)grey.height * (size_t)grey.width : 0;
    for (size_t i = 0; i < count; i++) {
        unsigned value = grey.values[i];
        if (value == 0 || value == no_value)
            continue;
        value = (value >> rotate | value << (16 - rotate)) & 0xffffu;
        map->depth_m[i] = (float)(value * metres_per_unit);
    }
    md_grey16_free(&grey);
    return status == MD_OK ? MD_OK : md_fail_in(error, status, path);
}

/* ---- crops ----------------------------------------------------------------------------------- */

/* Top, bottom, left and right as shares of the height and the width. Sources: Garg et al. 2016 and
 * Eigen et al. 2014 as everyone's KITTI evaluation has them; NYU: rows 45..470 and columns 41..600
 * of 480 x 640. */
static const double crops[][4] = {
    [MD_CROP_NONE] = {0, 1, 0, 1},
    [MD_CROP_GARG] = {0.40810811, 0.99189189, 0.03594771, 0.96405229},
    [MD_CROP_EIGEN] = {0.3324324, 0.91351351, 0.0359477, 0.96405229},
    [MD_CROP_NYU] = {45 / 480., 471 / 480., 41 / 640., 601 / 640.},
};

void md_crop_truth(int evaluation_crop, int height, int width, float *truth_m) {
    const double *crop = crops[evaluation_crop];
    int top = (int)(crop[0] * height), bottom = (int)(crop[1] * height);
    int left = (int)(crop[2] * width), right = (int)(crop[3] * width);
    for (int h = 0; h < height; h++)
        for (int w = 0; w < width; w++)
            if (h < top || h >= bottom || w < left || w >= right)
                truth_m[h * width + w] = MD_NO_DEPTH;
}

/* ---- labels ---------------------------------------------------------------------------------- */

enum { ZONES = 8 };

/* The zone or label pixel that the centre of pixel `at` of `from` lies in, of `to`. */
static int cell_of(int at, int from, int to) {
    return (int)((2 * (int64_t)at + 1) * to / (2 * (int64_t)from));
}

/* The nearest point of each zone: the greatest disparity. */
static int pool(int height, int width, float **depth_m, float **disparity, struct md_error *error) {
    float *near_m = calloc((size_t)ZONES * ZONES, sizeof *near_m);
    float *near = malloc(sizeof *near * ZONES * ZONES);
    if (!near_m || !near) {
        free(near_m);
        free(near);
        return md_fail(error, MD_FAILED, "out of memory");
    }
    for (int zone = 0; zone < ZONES * ZONES; zone++)
        near[zone] = MD_INVALID;
    for (int h = 0; h < height; h++)
        for (int w = 0; w < width; w++) {
            int zone = cell_of(h, height, ZONES) * ZONES + cell_of(w, width, ZONES);
            if ((*disparity)[h * width + w] > near[zone]) {
                near[zone] = (*disparity)[h * width + w];
                near_m[zone] = (*depth_m)[h * width + w];
            }
        }
    free(*depth_m);
    free(*disparity);
    *depth_m = near_m;
    *disparity = near;
    return MD_OK;
}

/* Keeps a copy of the dense depth as the truth. */
static int keep_truth(struct md_sample *sample, struct md_error *error) {
    size_t bytes = (size_t)sample->depth_height * (size_t)sample->depth_width * sizeof(float);
    sample->truth_m = malloc(bytes);
    if (!sample->truth_m)
        return md_fail(error, MD_FAILED, "%s: out of memory", sample->name);
    memcpy(sample->truth_m, sample->depth_m, bytes);
    sample->truth_height = sample->depth_height;
    sample->truth_width = sample->depth_width;
    return MD_OK;
}

int md_sample_label(const struct md_source *source, struct md_sample *sample,
                    struct md_error *error) {
    int height = sample->depth_height, width = sample->depth_width, status = MD_OK;
    if (source->spec.label == MD_GRID_DENSE || (height <= ZONES && width <= ZONES))
        return MD_OK;
    if (source->spec.truth == MD_TRUTH_FULL && !sample->truth_m)
        status = keep_truth(sample, error);
    if (status == MD_OK)
        status = pool(height, width, &sample->depth_m, &sample->disparity, error);
    if (status == MD_OK && sample->right_picture)
        status = pool(height, width, &sample->right_depth_m, &sample->right_disparity, error);
    sample->depth_height = sample->depth_width = ZONES;
    return status;
}

/* The mean disparity of the map's pixels in each pixel of the label. */
static int average_down(const struct md_depth_map *map, float fb, struct md_sample *sample,
                        struct md_error *error) {
    int height = sample->depth_height, width = sample->depth_width;
    size_t cells = (size_t)height * (size_t)width;
    double *sum = calloc(2 * cells, sizeof *sum), *count = sum + cells;
    if (!sum)
        return md_fail(error, MD_FAILED, "out of memory");
    for (int h = 0; h < map->height; h++) {
        int row = cell_of(h, map->height, height) * width;
        for (int w = 0; w < map->width; w++) {
            float depth_m = map->depth_m[(size_t)h * (size_t)map->width + (size_t)w];
            if (depth_m == MD_NO_DEPTH)
                continue;
            int cell = row + cell_of(w, map->width, width);
            sum[cell] += 1 / (double)depth_m;
            count[cell]++;
        }
    }
    for (size_t cell = 0; cell < cells; cell++)
        sample->depth_m[cell] = count[cell] > 0 ? (float)(count[cell] / sum[cell]) : MD_NO_DEPTH;
    md_sample_disparity(sample, fb);
    free(sum);
    return MD_OK;
}

static void keep_finer_truth(const struct md_source *source, struct md_depth_map *map,
                             struct md_sample *sample) {
    int finer = map->height > sample->depth_height || map->width > sample->depth_width;
    if (source->spec.truth != MD_TRUTH_FULL || !finer)
        return;
    sample->truth_m = map->depth_m;
    sample->truth_height = map->height;
    sample->truth_width = map->width;
    map->depth_m = NULL;
    md_crop_truth(source->spec.evaluation_crop, sample->truth_height, sample->truth_width,
                  sample->truth_m);
}

int md_frame_sample(const struct md_source *source, const char *name,
                    const struct md_image *picture, struct md_depth_map *map, float fb,
                    struct md_sample *sample, struct md_error *error) {
    int height = map->height < source->height ? map->height : source->height;
    int width = map->width < source->width ? map->width : source->width;
    int status = md_sample_room(source, name, height, width, 0, sample, error);
    if (status != MD_OK)
        return status;
    md_image_resize(picture, 0, 0, picture->height, picture->width, source->height, source->width,
                    sample->picture);
    size_t pixels = (size_t)map->height * (size_t)map->width;
    for (size_t i = 0; i < pixels; i++)
        map->depth_m[i] = md_dense_depth(&source->spec, map->depth_m[i]);
    status = average_down(map, fb, sample, error);
    if (status == MD_OK) {
        keep_finer_truth(source, map, sample);
        status = md_sample_label(source, sample, error);
    }
    return status;
}
