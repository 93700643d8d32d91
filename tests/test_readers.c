/* The readers of single files: text, folders and .npy. (Pictures: test_image.c.) */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>

#include "../base/file.h"
#include "../base/namelist.h"
#include "../base/npy.h"
#include "scratch.h"

static struct md_error error;

static void set_up(void) {
    scratch = scratch_open();
    error.text[0] = 0;
}

TestSuite(file, .init = set_up, .fini = scratch_tear_down);
TestSuite(npy, .init = set_up, .fini = scratch_tear_down);

/* --- file.h --- */

Test(file, write_replaces_and_leaves_nothing_else) {
    struct scratch_path path = scratch_path(&scratch, "folder/a");
    struct md_file file;
    cr_assert_eq(md_file_write(path.text, "first", 5, &error), MD_OK);
    cr_assert_eq(md_file_write(path.text, "second", 6, &error), MD_OK);
    cr_assert_eq(md_file_read(path.text, &file, &error), MD_OK);
    cr_assert_eq(file.size, 6);
    cr_assert_str_eq((char *)file.bytes, "second");
    md_file_free(&file);
    cr_assert_eq(scratch_count(scratch_path(&scratch, "folder").text), 1);
}

Test(file, failures_say_why) {
    struct md_file file;
    cr_assert_eq(md_file_read(scratch_path(&scratch, "none").text, &file, &error), MD_FAILED);
    assert_contains(error.text, "none: No such file or directory");
    cr_assert_eq(md_file_read(scratch.folder, &file, &error), MD_FAILED);
    assert_contains(error.text, "not a regular file");
    cr_assert_null(file.bytes);

    struct scratch_path inside_a_file = scratch_path(&scratch, "plain");
    scratch_write_text(inside_a_file.text, "");
    strcat(inside_a_file.text, "/a");
    cr_assert_eq(md_file_write(inside_a_file.text, "", 0, &error), MD_FAILED);
    assert_contains(error.text, "Not a directory");
    /* The target is a folder: the rename fails and the temporary file goes. */
    scratch_path(&scratch, "taken/full/x");
    cr_assert_eq(md_file_write(scratch_path(&scratch, "taken/full").text, "", 0, &error),
                 MD_FAILED);
    cr_assert_eq(scratch_count(scratch_path(&scratch, "taken").text), 1);
}

Test(file, a_huge_file_is_refused_before_it_is_read) {
    struct scratch_path path = scratch_path(&scratch, "huge");
    struct md_file file;
    scratch_write_text(path.text, "");
    cr_assert_eq(truncate(path.text, (off_t)MD_FILE_MAX_BYTES + 1), 0);
    cr_assert_eq(md_file_read(path.text, &file, &error), MD_FAILED);
    assert_contains(error.text, "expected at most");
}

Test(file, a_pipe_is_refused_and_not_waited_for, .timeout = 600) {
    struct scratch_path path = scratch_path(&scratch, "pipe");
    struct md_file file;
    cr_assert_eq(mkfifo(path.text, 0666), 0);
    cr_assert_eq(md_file_read(path.text, &file, &error), MD_FAILED);
    assert_contains(error.text, "pipe: not a regular file");
    cr_assert_eq(md_check_readable(path.text, &error), MD_FAILED);
    assert_contains(error.text, "pipe: cannot open: not a regular file");
    cr_assert_eq(md_check_readable(scratch.folder, &error), MD_FAILED);
}

Test(file, errors_are_one_line) {
    struct md_file file;
    cr_assert_eq(md_file_read(scratch_path(&scratch, "a\nb\r\x1b[31m\x7f").text, &file, &error),
                 MD_FAILED);
    assert_contains(error.text, "a?b??[31m?: No such file");
    md_error_prefix(&error, "\n\xc3\xa9"); /* what is not ASCII stays */
    cr_assert_eq(strncmp(error.text, "?\xc3\xa9: cannot read", 16), 0);
}

/* Of a path that is too long its end is what says which file it is. */
Test(file, a_long_prefix_keeps_its_end) {
    char prefix[400];
    memset(prefix, 'x', sizeof prefix);
    strcpy(prefix + sizeof prefix - 10, "/last.png");
    md_error_set(&error, "broken");
    md_error_prefix(&error, prefix);
    assert_contains(error.text, "xx/last.png: broken");
    cr_assert_eq(strncmp(error.text, "...xx", 5), 0);
}

Test(file, folders_are_read_in_order) {
    static const char *const made[] = {"b", ".hidden", "a", "c/d", "B"};
    static const char *const expected[] = {"B", "a", "b", "c"};
    struct md_names names = {0};
    for (int i = 0; i < 5; i++)
        scratch_write_text(scratch_path(&scratch, "%s", made[i]).text, "");
    cr_assert_eq(md_names_of_folder(scratch.folder, &names, &error), MD_OK);
    cr_assert_eq(names.count, 4);
    for (int i = 0; i < 4; i++)
        cr_assert_str_eq(names.names[i], expected[i]);
    md_names_free(&names);
    cr_assert_eq(md_names_of_folder(scratch_path(&scratch, "a").text, &names, &error), MD_FAILED);
    assert_contains(error.text, "a: Not a directory");
    cr_assert_eq(names.count, 0);
    cr_assert(md_is_folder(scratch_path(&scratch, "c").text));
    cr_assert(!md_is_folder(scratch_path(&scratch, "a").text));
    cr_assert(md_is_file(scratch_path(&scratch, "a").text));
    cr_assert(!md_is_file(scratch_path(&scratch, "c").text));
    cr_assert(!md_is_file(scratch_path(&scratch, "none").text));
}

Test(file, lines) {
    struct scratch_path path = scratch_path(&scratch, "text");
    struct md_text text;
    scratch_write_text(path.text, "\xEF\xBB\xBF first \r\n\r\n\tthird\r\n \r\n\n");
    cr_assert_eq(md_text_open(path.text, &text, &error), MD_OK);
    cr_assert_str_eq(md_text_line(&text), "first");
    cr_assert_str_eq(md_text_line(&text), "");
    cr_assert_str_eq(md_text_line(&text), "third");
    cr_assert_eq(text.line, 3);
    cr_assert_null(md_text_line(&text));
    md_text_close(&text);

    scratch_write(path.text, "a\0b", 3);
    cr_assert_eq(md_text_open(path.text, &text, &error), MD_FAILED);
    assert_contains(error.text, "zero byte at offset 1");
}

Test(file, integers) {
    static const struct {
        const char *text;
        int length; /* 0: no integer */
        int64_t value;
    } cases[] = {
        {"0", 1, 0},  {"-12,", 3, -12}, {"007x", 3, 7}, {"999999999999999", 15, 999999999999999},
        {"", 0, 0},   {"-", 0, 0},      {"+1", 0, 0},   {"1000000000000000", 0, 0},
        {" 1", 0, 0}, {"x", 0, 0},      {"--1", 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t value = 0;
        const char *end = md_parse_integer(cases[i].text, &value);
        cr_assert_eq(end ? end - cases[i].text : 0, cases[i].length, "%s", cases[i].text);
        cr_assert_eq(value, cases[i].value, "%s", cases[i].text);
    }
}

Test(file, reals) {
    static const struct {
        const char *text;
        int status;
        double value;
    } cases[] = {{"0", 0, 0},    {"-1.5e3", 0, -1500}, {"+.5", 0, 0.5},  {"", -1, 0},
                 {".", -1, 0},   {"1x", -1, 0},        {" 1", -1, 0},    {"0x10", -1, 0},
                 {"nan", -1, 0}, {"inf", -1, 0},       {"1e999", -1, 0}, {"1,2", -1, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double value = 0;
        cr_assert_eq(md_parse_real(cases[i].text, &value), cases[i].status, "%s", cases[i].text);
        if (cases[i].status == 0)
            cr_assert_eq(value, cases[i].value, "%s", cases[i].text);
    }
}

/* --- npy.h --- */

Test(npy, round_trip_of_every_number_of_dimensions) {
    static const size_t shape[4] = {2, 3, 1, 4};
    static const size_t counts[5] = {1, 2, 6, 6, 24};
    float values[24];
    for (int i = 0; i < 24; i++)
        values[i] = (float)i * 0.37f - 2;
    values[0] = NAN;
    for (int dimensions = 0; dimensions <= 4; dimensions++) {
        struct scratch_path path = scratch_path(&scratch, "a.npy");
        struct md_array array;
        cr_assert_eq(md_npy_write(path.text, values, dimensions, shape, &error), MD_OK);
        cr_assert_eq(md_npy_read(path.text, &array, &error), MD_OK, "%s", error.text);
        cr_assert_eq(array.dimensions, dimensions);
        cr_assert_eq(array.count, counts[dimensions]);
        cr_assert_arr_eq(array.shape, shape, (size_t)dimensions * sizeof *shape);
        cr_assert_arr_eq(array.values, values, array.count * sizeof *values);
        md_array_free(&array);
        cr_assert_null(array.values);
    }
}

/* Writes a .npy of the given version by hand: header as given, then `floats` zeros. */
static struct scratch_path write_npy(int version, const char *header, size_t floats) {
    struct scratch_path path = scratch_path(&scratch, "hand.npy");
    unsigned char bytes[1024] = "\x93NUMPY";
    size_t length = strlen(header), start = version == 1 ? 10 : 12;
    bytes[6] = (unsigned char)version;
    bytes[8] = (unsigned char)length;
    memcpy(bytes + start, header, length);
    scratch_write(path.text, bytes, start + length + 4 * floats);
    return path;
}

Test(npy, headers) {
    static const struct {
        int version;
        const char *header;
        size_t floats;
        const char *expected; /* part of the error, NULL when it is a good file */
    } cases[] = {
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 6, NULL},
        {2, "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }\n", 6, NULL},
        {3, "{\"shape\":(3,2),\"fortran_order\":False,\"descr\":\"<f4\"}", 6, NULL},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (0,), }", 0, NULL},
        {4, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 2, "found 4.0"},
        {0, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 2, "found 0.0"},
        {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", 6, "found <f8"},
        {1, "{'descr': '>f4', 'fortran_order': False, 'shape': (6,), }", 6, "found >f4"},
        {1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,)}", 6, "found ["},
        {1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", 6, "fortran_order False"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,6)}", 6, "at most 4 sizes"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (-6,)}", 6, "a shape"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (6)", 6, "',' or '}'"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': 6}", 6, "a shape"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}", 6, "a shape"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (7,), }", 6, "28 bytes"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }", 6, "found 24"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", 0,
         "a shape"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 999999999999999, 999999999)}", 0,
         NULL},
        {1, "{'descr': '<f4', 'fortran_order': False, }", 6, "fortran_order and shape"},
        {1, "{'descr': '<f4', 'shape': (6,), }", 6, "fortran_order and shape"},
        {1, "{'fortran_order': False, 'shape': (6,), }", 6, "fortran_order and shape"},
        {1, "{'descr': '<f4', 'colour': 'red'}", 6, "unknown key colour"},
        {1, "{'descr' '<f4'}", 6, "'key':"},
        {1, "{'descr': '<f4' 'fortran_order': False}", 6, "',' or '}'"},
        {1, "['descr']", 6, "begins with '{'"},
        {1, "", 6, "begins with '{'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct md_array array;
        struct scratch_path path = write_npy(cases[i].version, cases[i].header, cases[i].floats);
        int status = md_npy_read(path.text, &array, &error);
        if (cases[i].expected) {
            cr_assert_eq(status, MD_FAILED, "%s", cases[i].header);
            assert_contains(error.text, cases[i].expected);
            assert_contains(error.text, "hand.npy: ");
            cr_assert_null(array.values);
        } else {
            cr_assert_eq(status, MD_OK, "%s: %s", cases[i].header, error.text);
            cr_assert_eq(array.count, cases[i].floats);
            md_array_free(&array);
        }
    }
}

static int npy_fails(const char *path) {
    struct md_array array;
    int status = md_npy_read(path, &array, &error);
    cr_assert(status != MD_OK || array.values);
    md_array_free(&array);
    return status != MD_OK;
}

Test(npy, truncated_long_empty_missing) {
    static const size_t shape[2] = {2, 2};
    struct scratch_path path = scratch_path(&scratch, "a.npy");
    cr_assert_eq(md_npy_write(path.text, (float[4]){1, 2, 3, 4}, 2, shape, &error), MD_OK);
    scratch_each_prefix_fails(&scratch, path.text, npy_fails, &error);
    cr_assert_eq(truncate(path.text, 64 * 2 + 16 + 1), 0);
    cr_assert(npy_fails(path.text));
    assert_contains(error.text, "found 17");
    cr_assert(npy_fails(scratch_path(&scratch, "none.npy").text));
    assert_contains(error.text, "No such file");
}
