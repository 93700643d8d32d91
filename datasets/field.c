/* Field sets, a real sensor beside a camera: readers.h says how their samples are made. */
#include "readers.h"

enum { GRID_SIDE = 8 }; /* zones of a sensor along a side */

/* The part of a picture that is used, in its middle: the square of `crop` pixels that the sensor
 * sees; or as many whole zones of that size as there are on all sides of it. */
struct part {
    int rows, columns;            /* zones */
    int top, left, height, width; /* pixels */
};

static int zones_along(int pixels, int crop, int whole) {
    int more = (int)((int64_t)(pixels - crop) * GRID_SIDE / (2 * (int64_t)crop));
    return GRID_SIDE + (whole ? 2 * more : 0);
}

static struct part part_of(const struct md_image *image, int crop, int whole) {
    struct part part = {.rows = zones_along(image->height, crop, whole),
                        .columns = zones_along(image->width, crop, whole)};
    part.height = (int)((int64_t)part.rows * crop / GRID_SIDE);
    part.width = (int)((int64_t)part.columns * crop / GRID_SIDE);
    part.top = (image->height - part.height) / 2;
    part.left = (image->width - part.width) / 2;
    return part;
}

static int fill_sample(const struct md_source *source, const char *name,
                       const struct md_image *image, const struct part *part,
                       const float zone_m[GRID_SIDE * GRID_SIDE], struct md_sample *sample,
                       struct md_error *error) {
    int status = md_sample_room(source, name, part->rows, part->columns, 0, sample, error);
    if (status != MD_OK)
        return status;
    int first_row = (part->rows - GRID_SIDE) / 2, first_column = (part->columns - GRID_SIDE) / 2;
    for (int i = 0; i < GRID_SIDE * GRID_SIDE; i++)
        sample
            ->depth_m[(first_row + i / GRID_SIDE) * part->columns + first_column + i % GRID_SIDE] =
            zone_m[i];
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
    int status = md_path_format(path, error, "%s/%s", source->spec.root, name);
    if (status == MD_OK)
        status = md_image_read(path, &image, error);
    if (status != MD_OK)
        return status;
    const int shorter = image.height < image.width ? image.height : image.width;
    const int crop = source->spec.crop > 0 ? source->spec.crop : shorter;
    if (crop > shorter) {
        status =
            md_fail(error, MD_FAILED, "%s: expected at least %dx%d pixels (the crop), found %dx%d",
                    path, crop, crop, image.width, image.height);
    } else {
        struct part part = part_of(&image, crop, source->spec.picture == MD_PICTURE_WHOLE);
        status = fill_sample(source, name, &image, &part, zone_m, sample, error);
    }
    md_image_free(&image);
    return status;
}
