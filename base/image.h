/* Pictures on disk (PNG, JPEG) and in memory. */
#ifndef MD_BASE_IMAGE_H
#define MD_BASE_IMAGE_H

#include <stdint.h>

#include "error.h"

/* Sides larger than this are refused before anything is allocated. */
#define MD_IMAGE_MAX_SIDE 16384

/* ".png", ".jpg", ".jpeg", NULL: what names of pictures end in, in capitals or not. */
extern const char *const md_picture_endings[];

struct md_image {
    int height, width;
    uint8_t *rgb; /* (height, width, 3); owned */
};

/* Reads a PNG or JPEG (told by its first bytes, not by its name) as 8-bit RGB: grey becomes three
 * equal channels, alpha is dropped, 16 bits keep their upper 8. Truncated or corrupt files are
 * errors, stray bytes that are no part of a pixel are none. CMYK, and an EXIF orientation other
 * than 1, are refused by name. */
int md_image_read(const char *path, struct md_image *image, struct md_error *error);
void md_image_free(struct md_image *image);

struct md_grey16 {
    int height, width;
    uint16_t *values; /* (height, width); owned */
};

/* Reads a PNG with 16-bit grey values, as depth maps are kept in; any other picture is an error. */
int md_grey16_read(const char *path, struct md_grey16 *grey, struct md_error *error);
void md_grey16_free(struct md_grey16 *grey);

/* Averages the rectangle (top, left, crop_height, crop_width) of the image down (or up) to
 * height x width by exact area weighting, rounds to nearest, and writes it as (3, height, width)
 * to `planes`. The rectangle lies inside the image. */
void md_image_resize(const struct md_image *image, int top, int left, int crop_height,
                     int crop_width, int height, int width, uint8_t *planes);

/* Writes an 8-bit RGB PNG from (height, width, 3), or a 16-bit grey one from (height, width), by
 * a temporary name and a rename. */
int md_png_write_rgb(const char *path, const uint8_t *rgb, int height, int width,
                     struct md_error *error);
int md_png_write_grey16(const char *path, const uint16_t *grey, int height, int width,
                        struct md_error *error);

#endif
