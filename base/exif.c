#include "exif.h"

#include <string.h>

/* Numbers in either order of bytes; 0 behind the end. */
struct tiff {
    const uint8_t *bytes;
    size_t size;
    int big_endian;
};

static uint32_t number_at(const struct tiff *tiff, size_t offset, size_t bytes) {
    uint32_t value = 0;
    if (offset > tiff->size || bytes > tiff->size - offset)
        return 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | tiff->bytes[offset + (tiff->big_endian ? i : bytes - 1 - i)];
    return value;
}

/* TIFF 6.0: a header with the place of the first directory, whose entries have 12 bytes. The
 * orientation is a SHORT; some write another unsigned type. */
int md_exif_orientation(const uint8_t *bytes, size_t size) {
    enum { ENTRY = 12, ORIENTATION = 0x112, BYTE = 1, SHORT = 3, LONG = 4 };
    static const uint8_t type_bytes[LONG + 1] = {[BYTE] = 1, [SHORT] = 2, [LONG] = 4};
    if (size < 8 || (memcmp(bytes, "II", 2) != 0 && memcmp(bytes, "MM", 2) != 0))
        return 1;
    const struct tiff tiff = {bytes, size, bytes[0] == 'M'};
    const size_t directory = number_at(&tiff, 4, 4), count = number_at(&tiff, directory, 2);
    for (size_t at = directory + 2; at < directory + 2 + count * ENTRY; at += ENTRY) {
        const uint32_t type = number_at(&tiff, at + 2, 2);
        if (number_at(&tiff, at, 2) != ORIENTATION || type > LONG || type_bytes[type] == 0)
            continue;
        const uint32_t value = number_at(&tiff, at + 8, type_bytes[type]);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}
