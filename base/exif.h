/* The one thing in a picture's EXIF data that changes what its pixels mean. */
#ifndef MD_BASE_EXIF_H
#define MD_BASE_EXIF_H

#include <stddef.h>
#include <stdint.h>

/* The orientation that a TIFF structure says, 1 .. 8 (1: the pixels lie as they are to be seen); 1
 * too when it says none, or nothing that can be understood. */
int md_exif_orientation(const uint8_t *tiff, size_t size);

#endif
