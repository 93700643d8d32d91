/* MATLAB's older files: every type of number, and broken ones. */
#include <criterion/criterion.h>

#include "../base/mat5.h"
#include "mat5.h"

static struct md_error error;

TestSuite(mat5, .init = scratch_set_up, .fini = scratch_tear_down);

Test(mat5, every_type_of_number) {
    const struct {
        uint32_t type, bytes;
        const void *numbers;
    } cases[] = {
        {1, 2, (const int8_t[]){3, -2}},    {2, 2, (const uint8_t[]){3, 254}},
        {3, 4, (const int16_t[]){3, -2}},   {4, 4, (const uint16_t[]){3, 65534}},
        {5, 8, (const int32_t[]){3, -2}},   {6, 8, (const uint32_t[]){3, 4294967294u}},
        {7, 8, (const float[]){3, -2}},     {9, 16, (const double[]){3, -2}},
        {12, 16, (const int64_t[]){3, -2}}, {13, 16, (const uint64_t[]){3, 254}},
    };
    static const double second[] = {-2, 254, -2, 65534, -2, 4294967294.0, -2, -2, -2, 254};
    struct scratch_path path = scratch_path(&scratch, "a.mat");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t bytes[1024];
        struct md_mat5_array array;
        size_t size = put_header(bytes);
        size += put_variable(bytes + size, "other", 6, 2, "1", 1, 1);
        size +=
            put_variable(bytes + size, "a", 6, cases[i].type, cases[i].numbers, 2, cases[i].bytes);
        scratch_write(path.text, bytes, size);
        cr_assert_eq(md_mat5_read(path.text, "a", &array, &error), MD_OK, "%s", error.text);
        cr_assert_eq(array.count, 2);
        cr_assert_eq(array.values[0], 3);
        cr_assert_eq(array.values[1], second[i], "type %u: %g", cases[i].type, array.values[1]);
        md_mat5_free(&array);
    }
}

Test(mat5, what_is_wrong) {
    static const struct {
        uint32_t class, type, count, bytes;
        const char *expected;
    } cases[] = {
        {6, 2, 3, 2, "a: expected 3 numbers, found 2 bytes of type 2"},
        {6, 8, 2, 2, "found 2 bytes of type 8"},
        {6, 99, 2, 2, "found 2 bytes of type 99"},
        {4, 4, 2, 4, "variable a: expected real numbers, found class 4"},
        {1, 2, 2, 2, "found class 1"},
        {6 | 0x800, 2, 2, 2, "expected real numbers"},
        {6, 2, 2000000, 2, "damaged"},
    };
    struct scratch_path path = scratch_path(&scratch, "a.mat");
    struct md_mat5_array array;
    uint8_t bytes[2048];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size = put_header(bytes);
        size += put_variable(bytes + size, "a", cases[i].class, cases[i].type, "1234",
                             cases[i].count, cases[i].bytes);
        scratch_write(path.text, bytes, size);
        cr_assert_eq(md_mat5_read(path.text, "a", &array, &error), MD_FAILED);
        assert_contains(error.text, cases[i].expected);
        assert_contains(error.text, "a.mat: ");
        cr_assert_null(array.values);
    }
    size_t size = put_header(bytes);
    size += put_element(bytes + size, 2, "12345678", 8);
    scratch_write(path.text, bytes, size);
    cr_assert_eq(md_mat5_read(path.text, "a", &array, &error), MD_FAILED);
    assert_contains(error.text, "expected a variable, found an element of type 2");
    put_header(bytes);
    memcpy(bytes + 126, "MI", 2);
    scratch_write(path.text, bytes, 128);
    cr_assert_eq(md_mat5_read(path.text, "a", &array, &error), MD_FAILED);
    assert_contains(error.text, "not a little-endian MATLAB file of level 5");
    memcpy(bytes + 126, "IM", 2);
    scratch_write(path.text, bytes, 128);
    cr_assert_eq(md_mat5_read(path.text, "a", &array, &error), MD_FAILED);
    assert_contains(error.text, "there is no variable a");
}

static int train_fails(const char *path) {
    struct md_mat5_array array;
    int status = md_mat5_read(path, "trainNdxs", &array, &error);
    md_mat5_free(&array);
    return status != MD_OK;
}

Test(mat5, truncated) {
    for (int compressed = 0; compressed < 2; compressed++)
        scratch_each_prefix_fails(&scratch, write_splits(&scratch, compressed).text, train_fails,
                                  &error);
}

Test(mat5, a_bomb_is_refused) {
    const size_t size = 2 << 20;
    uint8_t *zeros = calloc(size, 1), packed[8192], bytes[16384];
    uLongf length = sizeof packed;
    struct scratch_path path = scratch_path(&scratch, "a.mat");
    struct md_mat5_array array;
    cr_assert_eq(compress(packed, &length, zeros, size), Z_OK);
    size_t used = put_header(bytes);
    used += put_element(bytes + used, 15, packed, (uint32_t)length);
    scratch_write(path.text, bytes, used);
    cr_assert_eq(md_mat5_read(path.text, "a", &array, &error), MD_FAILED);
    assert_contains(error.text, "has more than 1048576 bytes");
    free(zeros);
}
