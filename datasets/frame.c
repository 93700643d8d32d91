/* From a picture and a depth map of any size to a sample: readers.h says how. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "labels.h"
#include "readers.h"
#include "sensor.h"

int md_depth_map_allocate(int height, int width, struct md_depth_map *map, struct md_error *error) {
    *map = (struct md_depth_map){.height = height, .width = width};
    map->depth_m = calloc((size_t)height * (size_t)width, sizeof *map->depth_m);
    return map->depth_m
               ? MD_OK
               : md_fail(error, MD_FAILED, "out of memory for a depth map of %dx%d", width, height);
}

void md_depth_map_free(struct md_depth_map *map) {
    free(map->depth_m);
    *map = (struct md_depth_map){0};
}

int md_depth_png_read(const char *path, double per_m, int rotate, struct md_depth_map *map,
                      struct md_error *error) {
    struct md_grey16 grey;
    *map = (struct md_depth_map){0};
    MD_TRY(md_grey16_read(path, &grey, error));
    int status = md_depth_map_allocate(grey.height, grey.width, map, error);
    size_t count = status == MD_OK ? (size_t)grey.height * (size_t)grey.width : 0;
    for (size_t i = 0; i < count; i++) {
        const unsigned value = grey.values[i];
        map->depth_m[i] =
            md_depth_code_m((uint16_t)(value >> rotate | value << (16 - rotate)), per_m);
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

void md_crop_truth(int evaluation_crop, struct md_depth_map *map) {
    const double *crop = crops[evaluation_crop];
    int whole_height = map->whole_height ? map->whole_height : map->height;
    int whole_width = map->whole_height ? map->whole_width : map->width;
    int top = (int)(crop[0] * whole_height);
    int bottom = (int)(crop[1] * whole_height);
    int left = (int)(crop[2] * whole_width) - map->left;
    int right = (int)(crop[3] * whole_width) - map->left;
    for (int h = 0; h < map->height; h++)
        for (int w = 0; w < map->width; w++)
            if (h < top || h >= bottom || w < left || w >= right)
                map->depth_m[(size_t)h * (size_t)map->width + (size_t)w] = MD_NO_DEPTH;
}

int md_square_part(const struct md_data_spec *spec, int height, int width, struct md_crop *part,
                   struct md_error *error) {
    (void)error;
    int side = height < width ? height : width;
    side = side < MD_SQUARE_SIDE ? side : MD_SQUARE_SIDE;
    *part = spec->picture == MD_PICTURE_WHOLE ? (struct md_crop){0, 0, height, width}
                                              : (struct md_crop){0, (width - side) / 2, side, side};
    return MD_OK;
}

static void cut_frame(const struct md_source *source, struct md_image *picture,
                      struct md_depth_map *map) {
    struct md_crop part;
    struct md_error none; /* every picture has a square */
    int height = map->height, width = map->width;
    if (source->spec.picture == MD_PICTURE_WHOLE ||
        md_square_part(&source->spec, height, width, &part, &none) != MD_OK)
        return;
    size_t left = (size_t)part.left, row = (size_t)part.height;
    for (size_t h = 0; h < row; h++) {
        size_t from = h * (size_t)width + left;
        memmove(picture->rgb + 3 * h * row, picture->rgb + 3 * from, 3 * row);
        memmove(map->depth_m + h * row, map->depth_m + from, row * sizeof *map->depth_m);
    }
    picture->height = picture->width = map->height = map->width = part.height;
    map->left = (int)left;
    map->whole_height = height;
    map->whole_width = width;
}

/* ---- labels ---------------------------------------------------------------------------------- */

/* The sensor that `spec` describes, and the part of a picture that it sees. */
struct sensing {
    struct md_sensor sensor;
    struct md_rectangle rectangle;
};

static int aligns(const struct md_data_spec *spec, enum md_alignment alignment) {
    return (spec->camera_fov_h_deg > 0 || spec->camera_fov_v_deg > 0) &&
           spec->alignment == (int)alignment;
}

static int sensor_part(const struct md_data_spec *spec, struct md_rectangle *rectangle,
                       struct md_error *error) {
    if (!(spec->camera_fov_h_deg > 0 && spec->camera_fov_v_deg > 0))
        return md_fail(error, MD_USAGE,
                       "camera_fov_h_deg and camera_fov_v_deg: expected both or none, found %g and "
                       "%g",
                       spec->camera_fov_h_deg, spec->camera_fov_v_deg);
    return md_sensor_rectangle(spec->sensor_fov_deg, spec->camera_fov_h_deg, spec->camera_fov_v_deg,
                               rectangle, error);
}

static int set_up_sensing(const struct md_data_spec *spec, struct sensing *sensing,
                          struct md_error *error) {
    sensing->sensor = (struct md_sensor)MD_VL53L5CX_8X8;
    sensing->sensor.model = (enum md_sensor_model)spec->sensor;
    sensing->sensor.targets = spec->targets;
    sensing->sensor.ambient = spec->ambient;
    /* The pool model's range is that of the data. */
    sensing->sensor.range_m = spec->sensor == MD_SENSOR_POOL ? INFINITY : spec->max_depth_m;
    sensing->rectangle = MD_WHOLE_PICTURE;
    if (spec->sensor == MD_SENSOR_VL53L5CX && spec->max_depth_m > MD_SENSOR_HORIZON_M)
        return md_fail(error, MD_USAGE, "max_depth_m: the sensor %s sees at most %g m, found %g",
                       md_sensor_model_names[spec->sensor], MD_SENSOR_HORIZON_M, spec->max_depth_m);
    int status = md_sensor_check(&sensing->sensor, error);
    return status == MD_OK && aligns(spec, MD_ALIGN_PAD)
               ? sensor_part(spec, &sensing->rectangle, error)
               : status;
}

/* Luminance, 0 .. 1: the closest that a picture comes to the reflectance in infrared. */
static void find_reflectance(const uint8_t *picture, int pixels, float *reflectance) {
    for (int i = 0; i < pixels; i++)
        reflectance[i] = (0.299f * picture[i] + 0.587f * picture[pixels + i] +
                          0.114f * picture[2 * pixels + i]) /
                         255;
}

enum { TOF_STREAM = 0x746f6638 }; /* "tof8" */

/* Replaces the dense depth *depth_m of a view by what the sensor measures of it. `side` is 0 for
 * the left view, 1 for the right one. */
static int measure_view(const struct md_source *source, const struct sensing *sensing,
                        const struct md_sample *sample, const uint8_t *picture, uint32_t side,
                        float **depth_m, struct md_error *error) {
    int height = sample->depth_height, width = sample->depth_width;
    int zones = sensing->sensor.zones, pads = aligns(&source->spec, MD_ALIGN_PAD);
    size_t pixels = (size_t)height * (size_t)width;
    struct md_reading readings[8 * 8];
    float zone_m[8 * 8];
    float *reflectance = malloc(pixels * sizeof *reflectance);
    float *measured_m =
        malloc((pads ? pixels : sizeof zone_m / sizeof *zone_m) * sizeof *measured_m);
    if (!reflectance || !measured_m) {
        free(reflectance);
        free(measured_m);
        return md_fail(error, MD_FAILED, "%s: out of memory", sample->name);
    }
    int same = height == source->height && width == source->width;
    if (same)
        find_reflectance(picture, (int)pixels, reflectance);
    md_sensor_measure(
        &sensing->sensor, *depth_m, same ? reflectance : NULL, height, width, sensing->rectangle,
        /* A sample's random numbers are those of its name, whatever else is listed. */
        md_random_stream(source->spec.seed, md_random_name(sample->name), side, TOF_STREAM),
        readings);
    const enum md_target_choice target = source->spec.target == MD_TARGET_AUTO
                                             ? MD_TARGET_NEAREST
                                             : (enum md_target_choice)source->spec.target;
    for (int zone = 0; zone < zones * zones; zone++)
        zone_m[zone] = md_reading_depth(&readings[zone], target);
    if (pads)
        md_sensor_pad(zones, zone_m, sensing->rectangle, height, width, measured_m);
    else
        memcpy(measured_m, zone_m, sizeof zone_m);
    free(reflectance);
    free(*depth_m);
    *depth_m = measured_m;
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

static int measure_sample(const struct md_source *source, struct md_sample *sample,
                          struct md_error *error) {
    struct sensing sensing;
    int status = set_up_sensing(&source->spec, &sensing, error), zones = sensing.sensor.zones;
    if (status == MD_OK && (sample->depth_height < zones || sample->depth_width < zones))
        status = md_fail(error, MD_FAILED,
                         "%s: label: tof8: expected at least %dx%d depths, found %dx%d",
                         sample->name, zones, zones, sample->depth_width, sample->depth_height);
    if (status == MD_OK && source->spec.truth == MD_TRUTH_FULL && !sample->truth_m)
        status = keep_truth(sample, error);
    MD_THEN(status,
            measure_view(source, &sensing, sample, sample->picture, 0, &sample->depth_m, error));
    if (status == MD_OK && sample->right_picture)
        status = measure_view(source, &sensing, sample, sample->right_picture, 1,
                              &sample->right_depth_m, error);
    if (status != MD_OK)
        return status;
    if (!aligns(&source->spec, MD_ALIGN_PAD))
        sample->depth_height = sample->depth_width = sensing.sensor.zones;
    md_sample_disparity(sample, sample->fb);
    return MD_OK;
}

/* label: tof8 and evaluation_crop need a depth map; an 8x8 grid of zones has nothing to be measured
 * or cut out. */
static int check_map(const struct md_source *source, const struct md_sample *sample,
                     struct md_error *error) {
    const struct md_data_spec *spec = &source->spec;
    int height = sample->depth_height, width = sample->depth_width;
    int measures = spec->label == MD_GRID_TOF8, cuts = spec->evaluation_crop != MD_CROP_NONE;
    if (height > 8 || width > 8 || !(measures || (cuts && !sample->truth_m)))
        return MD_OK;
    return md_fail(error, MD_USAGE,
                   "%s: %s: has an effect only on depth maps of more than 8x8 values, found %dx%d",
                   sample->name, measures ? "label: tof8" : "evaluation_crop", width, height);
}

static int label_sample(const struct md_source *source, struct md_sample *sample,
                        struct md_error *error) {
    int status = check_map(source, sample, error);
    return status != MD_OK || source->spec.label == MD_GRID_DENSE
               ? status
               : measure_sample(source, sample, error);
}

static int keep_cropped(const struct md_source *source, struct md_sample *sample,
                        struct md_error *error) {
    int status = keep_truth(sample, error);
    struct md_depth_map map = {
        .height = sample->truth_height, .width = sample->truth_width, .depth_m = sample->truth_m};
    if (status == MD_OK)
        md_crop_truth(source->spec.evaluation_crop, &map);
    return status;
}

int md_sample_label(const struct md_source *source, struct md_sample *sample,
                    struct md_error *error) {
    if (aligns(&source->spec, MD_ALIGN_CROP))
        return md_fail(error, MD_USAGE,
                       "alignment: crop is for pictures in their own size; for the small ones of "
                       "the set %s there is pad",
                       source->spec.set);
    MD_TRY(check_map(source, sample, error));
    if (source->spec.evaluation_crop != MD_CROP_NONE && !sample->truth_m)
        MD_TRY(keep_cropped(source, sample, error));
    return label_sample(source, sample, error);
}

/* Each pixel of the label gets the depth of the mean disparity of the map's pixels in it. */
static int average_down(const struct md_depth_map *map, float fb, struct md_sample *sample,
                        struct md_error *error) {
    int height = sample->depth_height, width = sample->depth_width;
    size_t cells = (size_t)height * (size_t)width;
    double *sum = calloc(2 * cells, sizeof *sum);
    MD_TRY(md_check_memory(sum != NULL, error));
    double *count = sum + cells;
    for (int h = 0; h < map->height; h++) {
        int row = md_place_along(h, map->height, height) * width;
        for (int w = 0; w < map->width; w++) {
            float depth_m = map->depth_m[(size_t)h * (size_t)map->width + (size_t)w];
            if (depth_m == MD_NO_DEPTH)
                continue;
            int cell = row + md_place_along(w, map->width, width);
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

static void keep_map_as_truth(const struct md_source *source, struct md_depth_map *map,
                              struct md_sample *sample) {
    int finer = map->height > sample->depth_height || map->width > sample->depth_width;
    int cropped = source->spec.evaluation_crop != MD_CROP_NONE;
    if (source->spec.truth != MD_TRUTH_FULL || !(finer || cropped))
        return;
    md_crop_truth(source->spec.evaluation_crop, map);
    sample->truth_m = map->depth_m;
    sample->truth_height = map->height;
    sample->truth_width = map->width;
    map->depth_m = NULL;
}

/* The pixels of height x width whose centres lie in the rectangle; at least one. */
static struct md_crop part_of(struct md_rectangle rectangle, int height, int width) {
    int top = (int)(rectangle.top * height + 0.5), left = (int)(rectangle.left * width + 0.5);
    int bottom = (int)((rectangle.top + rectangle.height) * height + 0.5);
    int right = (int)((rectangle.left + rectangle.width) * width + 0.5);
    struct md_crop part = {top, left, bottom > top ? bottom - top : 1,
                           right > left ? right - left : 1};
    return part;
}

/* With MD_ALIGN_CROP: what the sensor sees of the picture, and the map cut to the same. */
static int cut_to_sensor(const struct md_source *source, const struct md_image *picture,
                         struct md_depth_map *map, struct md_crop *part, struct md_error *error) {
    struct md_rectangle seen;
    *part = (struct md_crop){0, 0, picture->height, picture->width};
    if (!aligns(&source->spec, MD_ALIGN_CROP))
        return MD_OK;
    MD_TRY(sensor_part(&source->spec, &seen, error));
    if (source->spec.evaluation_crop != MD_CROP_NONE)
        return md_fail(error, MD_USAGE,
                       "evaluation_crop: %s is a part of whole pictures; alignment: crop has none",
                       md_evaluation_crop_names[source->spec.evaluation_crop]);
    if (seen.height > 1 || seen.width > 1)
        return md_fail(error, MD_USAGE,
                       "alignment: crop: the sensor sees more than the camera; expected "
                       "camera_fov_h_deg and camera_fov_v_deg of at least %g",
                       source->spec.sensor_fov_deg);
    *part = part_of(seen, picture->height, picture->width);
    struct md_crop kept = part_of(seen, map->height, map->width);
    for (int h = 0; h < kept.height; h++)
        memmove(map->depth_m + (size_t)h * (size_t)kept.width,
                map->depth_m + (size_t)(kept.top + h) * (size_t)map->width + (size_t)kept.left,
                (size_t)kept.width * sizeof *map->depth_m);
    map->height = kept.height;
    map->width = kept.width;
    return MD_OK;
}

int md_frame_sample(const struct md_source *source, const char *name,
                    const struct md_image *picture, struct md_depth_map *map, float fb,
                    struct md_sample *sample, struct md_error *error) {
    struct md_crop part;
    MD_TRY(cut_to_sensor(source, picture, map, &part, error));
    int height = map->height < source->height ? map->height : source->height;
    int width = map->width < source->width ? map->width : source->width;
    MD_TRY(md_sample_allocate(source, name, height, width, 0, sample, error));
    md_image_resize(picture, part.top, part.left, part.height, part.width, source->height,
                    source->width, sample->picture);
    size_t pixels = (size_t)map->height * (size_t)map->width;
    for (size_t i = 0; i < pixels; i++)
        map->depth_m[i] = md_dense_depth(&source->spec, map->depth_m[i]);
    MD_TRY(average_down(map, fb, sample, error));
    keep_map_as_truth(source, map, sample);
    return label_sample(source, sample, error);
}

int md_frame_read(struct md_source *source, size_t index, struct md_sample *sample,
                  struct md_error *error) {
    const struct md_reader *reader = source->reader;
    const struct md_entry *entry = &source->entries[index];
    struct md_image picture = {0};
    struct md_depth_map map = {0};
    int status = reader->read_frame(source, entry, &picture, &map, error);
    if (status == MD_OK && reader->part == md_square_part)
        cut_frame(source, &picture, &map);
    MD_THEN(status,
            md_frame_sample(source, entry->name, &picture, &map, reader->fb, sample, error));
    md_image_free(&picture);
    md_depth_map_free(&map);
    return status;
}

int md_sample_allocate(const struct md_source *source, const char *name, int depth_height,
                       int depth_width, int right, struct md_sample *sample,
                       struct md_error *error) {
    const size_t zones = (size_t)depth_height * (size_t)depth_width;
    const size_t bytes = 3 * (size_t)source->height * (size_t)source->width;
    sample->name = strdup(name);
    sample->picture = calloc(bytes, 1);
    sample->depth_m = calloc(zones, sizeof *sample->depth_m);
    sample->disparity = calloc(zones, sizeof *sample->disparity);
    sample->depth_height = depth_height;
    sample->depth_width = depth_width;
    if (right) {
        sample->right_picture = calloc(bytes, 1);
        sample->right_depth_m = calloc(zones, sizeof *sample->right_depth_m);
        sample->right_disparity = calloc(zones, sizeof *sample->right_disparity);
    }
    if (!sample->name || !sample->picture || !sample->depth_m || !sample->disparity ||
        (right && (!sample->right_picture || !sample->right_depth_m || !sample->right_disparity)))
        return md_fail(error, MD_FAILED, "%s: out of memory", name);
    return MD_OK;
}

void md_sample_disparity(struct md_sample *sample, float fb) {
    sample->fb = fb;
    for (int i = 0; i < sample->depth_height * sample->depth_width; i++)
        sample->disparity[i] =
            sample->depth_m[i] == MD_NO_DEPTH ? MD_INVALID : fb / sample->depth_m[i];
}
