/* The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 * A magic string, a version, the length of the header, the header (a Python dictionary), the
 * values. */
#include "npy.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are copied as they lie on disk");

#define MAGIC         "\x93NUMPY"
#define MAGIC_BYTES   6
#define LENGTH_OFFSET 8 /* behind magic and two version bytes */
#define ALIGNMENT     64

static const char *skip_spaces(const char *text) {
    return text + strspn(text, " \t\n\r");
}

/* When `token` comes next, steps over it and returns true. */
static bool accept(const char **text, const char *token) {
    const char *start = skip_spaces(*text);
    if (strncmp(start, token, strlen(token)) != 0)
        return false;
    *text = start + strlen(token);
    return true;
}

/* A quoted word without escapes. */
static bool accept_word(const char **text, char *word, size_t size) {
    const char *start = skip_spaces(*text);
    if (*start != '\'' && *start != '"')
        return false;
    size_t length = strcspn(start + 1, *start == '"' ? "\"" : "'");
    if (start[1 + length] != *start || length >= size)
        return false;
    memcpy(word, start + 1, length);
    word[length] = 0;
    *text = start + length + 2;
    return true;
}

/* A tuple of at most 4 sizes whose product fits the largest file. */
static bool accept_shape(const char **text, struct md_array *array) {
    array->dimensions = 0;
    array->count = 1;
    if (!accept(text, "("))
        return false;
    while (!accept(text, ")")) {
        int64_t side;
        const char *end = md_parse_integer(skip_spaces(*text), &side);
        if (!end || side < 0 || array->dimensions == 4)
            return false;
        if (side > 0 && array->count > MD_FILE_MAX_BYTES / (uint64_t)side)
            return false;
        array->shape[array->dimensions++] = (size_t)side;
        array->count *= (size_t)side;
        *text = end;
        if (!accept(text, ",") && *skip_spaces(*text) != ')')
            return false;
    }
    return true;
}

/* Reads the dictionary into the shape of `array`. */
static int parse_header(const char *header, struct md_array *array, struct md_error *error) {
    bool has_type = false, has_order = false, has_shape = false;
    const char *text = header;
    if (!accept(&text, "{"))
        return md_fail(error, MD_FAILED, "expected a header that begins with '{', found \"%.60s\"",
                       header);
    while (!accept(&text, "}")) {
        char key[16] = "", type[16] = "";
        if (!accept_word(&text, key, sizeof key) || !accept(&text, ":"))
            return md_fail(error, MD_FAILED, "header: expected 'key':, found \"%.60s\"", text);
        if (strcmp(key, "descr") == 0) {
            if (!accept_word(&text, type, sizeof type) || strcmp(type, "<f4") != 0)
                return md_fail(error, MD_FAILED,
                               "expected values of type <f4 (float32), found %.60s",
                               *type ? type : skip_spaces(text));
            has_type = true;
        } else if (strcmp(key, "fortran_order") == 0) {
            if (!accept(&text, "False"))
                return md_fail(error, MD_FAILED, "expected fortran_order False, found \"%.60s\"",
                               text);
            has_order = true;
        } else if (strcmp(key, "shape") == 0) {
            if (!accept_shape(&text, array))
                return md_fail(error, MD_FAILED,
                               "expected a shape of at most 4 sizes that fits a file of %zu bytes, "
                               "found \"%.60s\"",
                               MD_FILE_MAX_BYTES, text);
            has_shape = true;
        } else {
            return md_fail(error, MD_FAILED, "header: unknown key %s", key);
        }
        if (!accept(&text, ",") && *skip_spaces(text) != '}')
            return md_fail(error, MD_FAILED, "header: expected ',' or '}', found \"%.60s\"", text);
    }
    if (!has_type || !has_order || !has_shape)
        return md_fail(error, MD_FAILED, "header: expected descr, fortran_order and shape");
    return MD_OK;
}

/* Finds where the header begins and how long it is. */
static int find_header(const struct md_file *file, size_t *offset, size_t *length,
                       struct md_error *error) {
    const uint8_t *bytes = file->bytes;
    if (file->size < LENGTH_OFFSET || memcmp(bytes, MAGIC, MAGIC_BYTES) != 0)
        return md_fail(error, MD_FAILED, "not a .npy file: its first 6 bytes are not \\x93NUMPY");
    int version = bytes[6];
    if (version < 1 || version > 3 || bytes[7] != 0)
        return md_fail(error, MD_FAILED, "expected .npy version 1.0 to 3.0, found %d.%d", version,
                       bytes[7]);
    size_t length_bytes = version == 1 ? 2 : 4;
    *offset = LENGTH_OFFSET + length_bytes;
    *length = 0;
    for (size_t i = 0; i < length_bytes && *offset <= file->size; i++)
        *length |= (size_t)bytes[LENGTH_OFFSET + i] << (8 * i);
    if (*offset > file->size || *length > file->size - *offset)
        return md_fail(error, MD_FAILED, "truncated: the header does not end within %zu bytes",
                       file->size);
    return MD_OK;
}

static int parse_file(const struct md_file *file, struct md_array *array, struct md_error *error) {
    size_t offset = 0, length = 0;
    MD_TRY(find_header(file, &offset, &length, error));
    char *header = malloc(length + 1);
    MD_TRY(md_check_memory(header != NULL, error));
    memcpy(header, file->bytes + offset, length);
    header[length] = 0;
    int status = parse_header(header, array, error);
    free(header);
    if (status != MD_OK)
        return status;

    size_t found = file->size - offset - length;
    size_t expected = array->count * sizeof *array->values;
    if (found != expected)
        return md_fail(error, MD_FAILED,
                       "expected %zu bytes of values behind the header, found %zu", expected,
                       found);
    array->values = malloc(expected > 0 ? expected : 1);
    if (!array->values)
        return md_fail(error, MD_FAILED, "out of memory for %zu bytes", expected);
    memcpy(array->values, file->bytes + offset + length, expected);
    return MD_OK;
}

int md_npy_read(const char *path, struct md_array *array, struct md_error *error) {
    *array = (struct md_array){0};
    struct md_file file;
    MD_TRY(md_file_read(path, &file, error));
    int status = parse_file(&file, array, error);
    md_file_free(&file);
    if (status != MD_OK) {
        md_array_free(array);
        return md_fail_in(error, status, path);
    }
    return MD_OK;
}

void md_array_free(struct md_array *array) {
    free(array->values);
    *array = (struct md_array){0};
}

unsigned char *md_npy_bytes(const float *values, int dimensions, const size_t *shape,
                            size_t *size) {
    char header[4 * ALIGNMENT];
    size_t count = 1;
    int length = snprintf(header, sizeof header,
                          "{'descr': '<f4', 'fortran_order': False, "
                          "'shape': (");
    for (int d = 0; d < dimensions; d++) {
        count *= shape[d];
        length += snprintf(header + length, sizeof header - (size_t)length, "%zu,%s", shape[d],
                           d + 1 < dimensions ? " " : "");
    }
    length += snprintf(header + length, sizeof header - (size_t)length, "), }");

    /* Spaces and a line end bring the values to a multiple of 64 bytes. */
    size_t prefix = LENGTH_OFFSET + 2;
    size_t start = (prefix + (size_t)length + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    *size = start + count * sizeof *values;
    uint8_t *bytes = malloc(*size);
    if (!bytes)
        return NULL;
    memset(bytes, ' ', start);
    memcpy(bytes, MAGIC "\x01\x00", LENGTH_OFFSET);
    bytes[8] = (uint8_t)((start - prefix) & 0xff);
    bytes[9] = (uint8_t)((start - prefix) >> 8);
    memcpy(bytes + prefix, header, (size_t)length);
    bytes[start - 1] = '\n';
    memcpy(bytes + start, values, count * sizeof *values);
    return bytes;
}

int md_npy_write(const char *path, const float *values, int dimensions, const size_t *shape,
                 struct md_error *error) {
    size_t size;
    unsigned char *bytes = md_npy_bytes(values, dimensions, shape, &size);
    int status = bytes ? md_file_write(path, bytes, size, error)
                       : md_fail(error, MD_FAILED, "%s: out of memory for %zu bytes", path, size);
    free(bytes);
    return status;
}
