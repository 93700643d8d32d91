/* Field sets, a real sensor beside a camera: readers.h says how their samples are made. */
#include "readers.h"

enum { GRID_SIDE = 8 }; /* zones of a sensor along a side */

/* Zones along pixels of which the sensor sees `crop`: its own, or with them as many whole ones as
 * there are on both sides. */
static int zones_along(const struct md_data_spec *spec, int pixels, int crop) {
    int more = (int)((int64_t)(pixels - crop) * GRID_SIDE / (2 * (int64_t)crop));
    return GRID_SIDE + (spec->picture == MD_PICTURE_WHOLE ? 2 * more : 0);
}

/* The square that the sensor sees, as a side. */
static int crop_of(const struct md_data_spec *spec, int height, int width) {
    const int shorter = height < width ? height : width;
    return spec->crop > 0 ? spec->crop : shorter;
}

int md_field_part(const struct md_data_spec *spec, int height, int width, struct md_crop *part,
                  struct md_error *error) {
    const int crop = crop_of(spec, height, width);
    if (crop > height || crop > width)
        return md_fail(error, MD_FAILED, "expected at least %dx%d pixels (the crop), found %dx%d",
                       crop, crop, width, height);
    part->height = (int)((int64_t)zones_along(spec, height, crop) * crop / GRID_SIDE);
    part->width = (int)((int64_t)zones_along(spec, width, crop) * crop / GRID_SIDE);
    part->top = (height - part->height) / 2;
    part->left = (width - part->width) / 2;
    return MD_OK;
}

static int fill_sample(const struct md_source *source, const char *name,
                       const struct md_image *image, const struct md_crop *part,
                       const float zone_m[GRID_SIDE * GRID_SIDE], struct md_sample *sample,
                       struct md_error *error) {
    const struct md_data_spec *spec = &source->spec;
    const int crop = crop_of(spec, image->height, image->width);
    const int rows = zones_along(spec, image->height, crop),
              columns = zones_along(spec, image->width, crop);
    const int top = (rows - GRID_SIDE) / 2, left = (columns - GRID_SIDE) / 2;
    MD_TRY(md_sample_allocate(source, name, rows, columns, 0, sample, error));
    for (int i = 0; i < GRID_SIDE * GRID_SIDE; i++)
        sample->depth_m[(top + i / GRID_SIDE) * columns + left + i % GRID_SIDE] = zone_m[i];
    md_sample_disparity(sample, MD_FIELD_FB);
    md_image_resize(image, part->top, part->left, part->height, part->width, source->height,
                    source->width, sample->picture);
    return MD_OK;
}

int md_field_sample(const struct md_source *source, const char *name,
                    const float zone_m[GRID_SIDE * GRID_SIDE], struct md_sample *sample,
                    struct md_error *error) {
    char path[MD_PATH_MAX];
    struct md_image image;
    struct md_crop part;
    MD_TRY(md_path_format(path, error, "%s/%s", source->spec.root, name));
    MD_TRY(md_image_read(path, &image, error));
    int status = md_field_part(&source->spec, image.height, image.width, &part, error);
    if (status != MD_OK)
        status = md_fail_in(error, status, path);
    else
        status = fill_sample(source, name, &image, &part, zone_m, sample, error);
    md_image_free(&image);
    return status;
}
