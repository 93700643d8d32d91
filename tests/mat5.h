/* MATLAB's files of level 5, which older official splits come in, made byte by byte. */
#ifndef MD_TESTS_MAT5_H
#define MD_TESTS_MAT5_H

#include <stdint.h>
#include <zlib.h>

#include "scratch.h"

/* Appends an element of a level 5 file, padded. */
static inline size_t put_element(uint8_t *at, uint32_t type, const void *bytes, uint32_t size) {
    memcpy(at, &type, 4);
    memcpy(at + 4, &size, 4);
    memset(at + 8, 0, (size + 7) / 8 * 8);
    memcpy(at + 8, bytes, size);
    return 8 + (size + 7) / 8 * 8;
}

/* Appends a small element: at most 4 bytes, in its tag. */
static inline size_t put_small(uint8_t *at, uint16_t type, const void *bytes, uint16_t size) {
    memset(at, 0, 8);
    memcpy(at, &type, 2);
    memcpy(at + 2, &size, 2);
    memcpy(at + 4, bytes, size);
    return 8;
}

/* Appends a column of `count` numbers, `bytes` bytes of the file's number type `type`, as a
 * variable of the class `class`. */
static inline size_t put_variable(uint8_t *at, const char *name, uint32_t class, uint32_t type,
                                  const void *numbers, uint32_t count, uint32_t bytes) {
    uint8_t body[4096];
    const uint32_t flags[2] = {class, 0};
    const int32_t dimensions[2] = {(int32_t)count, 1};
    size_t size = put_element(body, 6, flags, sizeof flags);
    size += put_element(body + size, 5, dimensions, sizeof dimensions);
    size += strlen(name) <= 4 ? put_small(body + size, 1, name, (uint16_t)strlen(name))
                              : put_element(body + size, 1, name, (uint32_t)strlen(name));
    size += bytes <= 4 ? put_small(body + size, (uint16_t)type, numbers, (uint16_t)bytes)
                       : put_element(body + size, type, numbers, bytes);
    return put_element(at, 14, body, (uint32_t)size);
}

static inline size_t put_header(uint8_t *at) {
    memset(at, ' ', 128);
    memcpy(at, "MATLAB 5.0 MAT-file", 19);
    memcpy(at + 124, "\x00\x01IM", 4);
    return 128;
}

/* Appends `size` bytes of a variable as a compressed one, which is not padded. */
static inline size_t put_compressed(uint8_t *at, const uint8_t *variable, size_t size) {
    uint8_t packed[4096];
    uLongf length = sizeof packed;
    cr_assert_eq(compress(packed, &length, variable, size), Z_OK);
    uint32_t tag[2] = {15, (uint32_t)length};
    memcpy(at, tag, 8);
    memcpy(at + 8, packed, length);
    return 8 + length;
}

/* testNdxs 1, 4 and trainNdxs 2, 3, 5, as doubles kept in 16 bits, as MATLAB does. */
static inline struct scratch_path write_splits(const struct scratch *in, int compressed) {
    static const uint16_t test[] = {1, 4}, train[] = {2, 3, 5};
    struct scratch_path path = scratch_path(in, "splits.mat");
    uint8_t bytes[8192], variables[2][1024];
    size_t size = put_header(bytes), sizes[2];
    sizes[0] = put_variable(variables[0], "testNdxs", 6, 4, test, 2, sizeof test);
    sizes[1] = put_variable(variables[1], "trainNdxs", 6, 4, train, 3, sizeof train);
    for (int v = 0; v < 2; v++) {
        if (compressed) {
            size += put_compressed(bytes + size, variables[v], sizes[v]);
        } else {
            memcpy(bytes + size, variables[v], sizes[v]);
            size += sizes[v];
        }
    }
    scratch_write(path.text, bytes, size);
    return path;
}

#endif
