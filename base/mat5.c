/* A header of 128 bytes, then elements: a type, a size, and that many bytes. A variable is an
 * element of the type MATRIX whose bytes are elements again: flags, dimensions, name, numbers; or
 * such an element deflated inside one of the type COMPRESSED. (libmatio 1.5.23 was tried: of a
 * compressed variable that is truncated or has a wrong bit it makes numbers, and says nothing.) */
#include "mat5.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "file.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are copied as they lie on disk");

enum { HEADER_BYTES = 128, VERSION_OFFSET = 124, TAG_BYTES = 8, MOST_BYTES = 1 << 20 };

enum { INT32 = 5, UINT32 = 6, MATRIX = 14, COMPRESSED = 15 }; /* element types */

/* A matrix is real numbers when its class is between these and this flag is not set. */
enum { CLASS_DOUBLE = 6, CLASS_UINT64 = 15, FLAG_COMPLEX = 0x800 };

struct bytes {
    const uint8_t *at;
    size_t left;
};

struct element {
    uint32_t type;
    struct bytes content;
};

static uint32_t uint32_at(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* Takes the next element off `bytes`; false when it does not lie within them. */
static bool next_element(struct bytes *bytes, struct element *element) {
    if (bytes->left < TAG_BYTES)
        return false;
    uint32_t type = uint32_at(bytes->at), size = uint32_at(bytes->at + 4);
    if (type >> 16) { /* a small one: its size is packed with its type, its bytes are in the tag */
        size = type >> 16;
        *element = (struct element){type & 0xffff, {bytes->at + 4, size}};
        bytes->at += TAG_BYTES;
        bytes->left -= TAG_BYTES;
        return size <= 4;
    }
    *element = (struct element){type, {bytes->at + TAG_BYTES, size}};
    if (size > bytes->left - TAG_BYTES)
        return false;
    size_t padded = type == COMPRESSED ? size : ((size_t)size + 7) / 8 * 8;
    size_t step = TAG_BYTES + padded;
    step = step < bytes->left ? step : bytes->left;
    bytes->at += step;
    bytes->left -= step;
    return true;
}

static bool next_of_type(struct bytes *bytes, uint32_t type, struct element *element) {
    return next_element(bytes, element) && element->type == type;
}

/* --- numbers --- */

#define TYPES(X)                                                                                   \
    X(1, int8_t)                                                                                   \
    X(2, uint8_t)                                                                                  \
    X(3, int16_t)                                                                                  \
    X(4, uint16_t)                                                                                 \
    X(5, int32_t)                                                                                  \
    X(6, uint32_t)                                                                                 \
    X(7, float)                                                                                    \
    X(9, double)                                                                                   \
    X(12, int64_t)                                                                                 \
    X(13, uint64_t)

#define CONVERT(number, type)                                                                      \
    static double convert_##type(const uint8_t *at) {                                              \
        type value;                                                                                \
        memcpy(&value, at, sizeof value);                                                          \
        return (double)value;                                                                      \
    }
TYPES(CONVERT)

static const struct number_type {
    size_t size;
    double (*convert)(const uint8_t *at);
} number_types[] = {
#define ROW(number, type) [number] = {sizeof(type), convert_##type},
    TYPES(ROW)
#undef ROW
};

static int read_numbers(const struct element *numbers, size_t count, struct md_mat5_array *array,
                        struct md_error *error) {
    static const size_t types = sizeof number_types / sizeof *number_types;
    size_t size = numbers->type < types ? number_types[numbers->type].size : 0;
    if (size == 0 || numbers->content.left != count * size)
        return md_fail(error, MD_FAILED, "expected %zu numbers, found %zu bytes of type %u", count,
                       numbers->content.left, (unsigned)numbers->type);
    array->values = malloc((count > 0 ? count : 1) * sizeof *array->values);
    if (!array->values)
        return md_fail(error, MD_FAILED, "out of memory for %zu numbers", count);
    for (size_t i = 0; i < count; i++)
        array->values[i] = number_types[numbers->type].convert(numbers->content.at + i * size);
    array->count = count;
    return MD_OK;
}

/* --- variables --- */

/* The product of the dimensions; false when the file cannot hold so many. */
static bool count_of(struct bytes dimensions, size_t *count) {
    *count = 1;
    for (; dimensions.left >= 4; dimensions.at += 4, dimensions.left -= 4) {
        size_t side = uint32_at(dimensions.at);
        if (side > 0 && *count > MOST_BYTES / side)
            return false;
        *count *= side;
    }
    return true;
}

static int broken(struct md_error *error) {
    return md_fail(error, MD_FAILED, "truncated or damaged: a variable does not have its parts");
}

/* Reads the matrix when it is called `name`; `array` stays empty when it is not. */
static int read_matrix(struct bytes matrix, const char *name, struct md_mat5_array *array,
                       struct md_error *error) {
    struct element flags, dimensions, label, numbers;
    size_t count;
    if (!next_of_type(&matrix, UINT32, &flags) || flags.content.left != 8 ||
        !next_of_type(&matrix, INT32, &dimensions) || !next_element(&matrix, &label))
        return broken(error);
    if (label.content.left != strlen(name) || memcmp(label.content.at, name, strlen(name)) != 0)
        return MD_OK;
    uint32_t flag_bits = uint32_at(flags.content.at), class = flag_bits & 0xff;
    if (class < CLASS_DOUBLE || class > CLASS_UINT64 || flag_bits & FLAG_COMPLEX)
        return md_fail(error, MD_FAILED, "variable %s: expected real numbers, found class %u", name,
                       (unsigned)class);
    if (!count_of(dimensions.content, &count) || !next_element(&matrix, &numbers))
        return broken(error);
    int status = read_numbers(&numbers, count, array, error);
    return status == MD_OK ? MD_OK : md_fail_in(error, status, name);
}

/* Inflates to at most MOST_BYTES; the result is to be freed. */
static int inflate_element(struct bytes packed, uint8_t **plain, size_t *size,
                           struct md_error *error) {
    uLongf length = MOST_BYTES;
    *plain = malloc(MOST_BYTES);
    if (!*plain)
        return md_fail(error, MD_FAILED, "out of memory");
    int result = uncompress(*plain, &length, packed.at, packed.left);
    *size = length;
    if (result == Z_OK)
        return MD_OK;
    free(*plain);
    return result == Z_BUF_ERROR
               ? md_fail(error, MD_FAILED, "a variable is truncated, or has more than %d bytes",
                         MOST_BYTES)
               : md_fail(error, MD_FAILED, "a compressed variable is damaged");
}

static int read_compressed(struct bytes packed, const char *name, struct md_mat5_array *array,
                           struct md_error *error) {
    uint8_t *plain;
    struct bytes bytes;
    struct element element;
    MD_TRY(inflate_element(packed, &plain, &bytes.left, error));
    bytes.at = plain;
    int status = next_of_type(&bytes, MATRIX, &element)
                     ? read_matrix(element.content, name, array, error)
                     : broken(error);
    free(plain);
    return status;
}

static int find_variable(const struct md_file *file, const char *name, struct md_mat5_array *array,
                         struct md_error *error) {
    struct bytes bytes = {file->bytes + HEADER_BYTES, file->size - HEADER_BYTES};
    int status = MD_OK;
    while (status == MD_OK && !array->values && bytes.left > 0) {
        struct element element;
        if (!next_element(&bytes, &element))
            return md_fail(error, MD_FAILED, "truncated after %zu bytes", file->size);
        if (element.type == MATRIX)
            status = read_matrix(element.content, name, array, error);
        else if (element.type == COMPRESSED)
            status = read_compressed(element.content, name, array, error);
        else
            status = md_fail(error, MD_FAILED, "expected a variable, found an element of type %u",
                             (unsigned)element.type);
    }
    if (status == MD_OK && !array->values)
        return md_fail(error, MD_FAILED, "there is no variable %s", name);
    return status;
}

/* Behind 124 bytes of text: version 1.0, and the letters of the byte order as a 16-bit number. */
static int check_header(const struct md_file *file, struct md_error *error) {
    static const uint8_t expected[] = {0x00, 0x01, 'I', 'M'};
    if (file->size < HEADER_BYTES ||
        memcmp(file->bytes + VERSION_OFFSET, expected, sizeof expected) != 0)
        return md_fail(error, MD_FAILED, "not a little-endian MATLAB file of level 5");
    return MD_OK;
}

int md_mat5_read(const char *path, const char *name, struct md_mat5_array *array,
                 struct md_error *error) {
    struct md_file file;
    *array = (struct md_mat5_array){0};
    MD_TRY(md_file_read(path, &file, error));
    int status = check_header(&file, error);
    MD_THEN(status, find_variable(&file, name, array, error));
    md_file_free(&file);
    return status == MD_OK ? MD_OK : md_fail_in(error, status, path);
}

void md_mat5_free(struct md_mat5_array *array) {
    free(array->values);
    *array = (struct md_mat5_array){0};
}
