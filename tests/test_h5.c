/* The HDF5 layer: data sets, attributes, files that appear whole or not at all. */
#include <math.h>
#include <zlib.h>

#include "h5_file.h"

TestSuite(h5, .init = set_up, .fini = scratch_tear_down);

static void write_ok(int status) {
    cr_assert_eq(status, MD_OK, "%s", error.text);
}

static void refused(int status, const char *part, const char *other) {
    cr_assert_eq(status, MD_FAILED, "expected an error with '%s'", part);
    assert_contains(error.text, "some.h5");
    assert_contains(error.text, part);
    assert_contains(error.text, other);
}

H5_TEST(h5, values_come_back_converted) {
    const uint8_t bytes[6] = {0, 1, 2, 3, 254, 255};
    const size_t shape[2] = {2, 3};
    const double loss = 0.1;
    float values[6];
    double scalar;
    write_ok(md_h5_write(writer.file, "/a/b/bytes", H5T_NATIVE_UINT8, 2, shape, bytes, &error));
    write_ok(md_h5_write(writer.file, "/a/loss", H5T_NATIVE_DOUBLE, 0, NULL, &loss, &error));
    reopen();
    write_ok(md_h5_read(file, "/a/b/bytes", H5T_NATIVE_FLOAT, 2, shape, 6, values, &error));
    for (int i = 0; i < 6; i++)
        cr_assert_eq(values[i], bytes[i]);
    write_ok(md_h5_read(file, "/a/b/bytes", H5T_NATIVE_FLOAT, -1, NULL, 6, values, &error));
    write_ok(md_h5_read(file, "/a/loss", H5T_NATIVE_DOUBLE, 0, NULL, 1, &scalar, &error));
    cr_assert_eq(scalar, loss);
    close_file();
}

H5_TEST(h5, wrong_shapes_and_names_are_refused) {
    const size_t shape[3] = {2, 3, 1};
    const float values[6] = {0};
    float found[7];
    size_t extent[3];
    int dimensions;
    write_ok(md_h5_write(writer.file, "/x", H5T_NATIVE_FLOAT, 3, shape, values, &error));
    reopen();
    refused(md_h5_read(file, "/y", H5T_NATIVE_FLOAT, -1, NULL, 6, found, &error), "'/y'", "open");
    refused(md_h5_read(file, "/x", H5T_NATIVE_FLOAT, -1, NULL, 7, found, &error), "'/x'",
            "(2, 3, 1), expected 7 elements");
    refused(md_h5_read(file, "/x", H5T_NATIVE_FLOAT, 2, shape, 6, found, &error), "'/x'",
            "(2, 3, 1), expected (2, 3)");
    refused(
        md_h5_read(file, "/x", H5T_NATIVE_FLOAT, 3, (const size_t[]){3, 2, 1}, 6, found, &error),
        "'/x'", "(2, 3, 1), expected (3, 2, 1)");
    refused(md_h5_read(file, "/x", H5T_NATIVE_FLOAT, 0, NULL, 1, found, &error), "'/x'",
            "expected ()");
    refused(md_h5_shape(file, "/x", 2, &dimensions, extent, &error), "3 dimensions", "at most 2");
    refused(md_h5_shape(file, "/y", 2, &dimensions, extent, &error), "'/y'", "open");
    write_ok(md_h5_shape(file, "/x", 3, &dimensions, extent, &error));
    cr_assert_eq(dimensions, 3);
    cr_assert_eq(memcmp(extent, shape, sizeof shape), 0);
    close_file();
}

H5_TEST(h5, text_is_not_read_as_numbers) {
    hid_t type = H5Tcopy(H5T_C_S1);
    char text = 'a';
    float value;
    write_ok(md_h5_write(writer.file, "/text", type, 0, NULL, &text, &error));
    H5Tclose(type);
    reopen();
    refused(md_h5_read(file, "/text", H5T_NATIVE_FLOAT, 0, NULL, 1, &value, &error), "'/text'",
            "not numbers");
    close_file();
}

/* ---- chunks ---------------------------------------------------------------------------------- */

enum { ROWS = 6, COLUMNS = 4, CHUNK_ROWS = 4 }; /* two chunks; the second one sticks out */

static void no_filter(hid_t creation) {
    (void)creation;
}
static void gzip(hid_t creation) {
    H5Pset_deflate(creation, 6);
}
static void all_filters(hid_t creation) {
    H5Pset_shuffle(creation);
    H5Pset_deflate(creation, 6);
    H5Pset_fletcher32(creation);
}
static void checksum(hid_t creation) {
    H5Pset_fletcher32(creation);
}
static void gzip_twice(hid_t creation) {
    H5Pset_deflate(creation, 6);
    H5Pset_deflate(creation, 6);
}
static void nbit(hid_t creation) {
    H5Pset_nbit(creation);
}

static hid_t create_chunked(void (*set_filters)(hid_t creation)) {
    hid_t space = H5Screate_simple(2, (const hsize_t[]){ROWS, COLUMNS}, NULL);
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(creation, 2, (const hsize_t[]){CHUNK_ROWS, COLUMNS});
    set_filters(creation);
    hid_t data =
        H5Dcreate2(writer.file, "/x", H5T_NATIVE_FLOAT, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    cr_assert(data >= 0);
    H5Pclose(creation);
    H5Sclose(space);
    return data;
}

static int read_chunked(float values[ROWS * COLUMNS]) {
    reopen();
    int status = md_h5_read(file, "/x", H5T_NATIVE_FLOAT, -1, NULL, ROWS * COLUMNS, values, &error);
    close_file();
    scratch_remove(path.text);
    struct md_error ignored;
    cr_assert_eq(md_h5_create(path.text, &writer, &ignored), MD_OK, "%s", ignored.text);
    return status;
}

H5_TEST(h5, chunks_are_unpacked) {
    void (*const filters[])(hid_t) = {no_filter, gzip, checksum, all_filters};
    float values[ROWS * COLUMNS], found[ROWS * COLUMNS];
    for (int i = 0; i < ROWS * COLUMNS; i++)
        values[i] = (float)(i / 5);
    for (int f = 0; f < 4; f++) {
        hid_t data = create_chunked(filters[f]);
        H5Dwrite(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
        H5Dclose(data);
        cr_assert_eq(read_chunked(found), MD_OK, "%d: %s", f, error.text);
        cr_assert_arr_eq(found, values, sizeof values);
    }
    md_h5_finish(&writer, MD_FAILED, &error);
}

/* What H5Dread of HDF5 1.10 reads out of bounds of, and what it makes zeros of. */
H5_TEST(h5, chunks_that_are_not_whole_are_refused) {
    enum { BYTES = CHUNK_ROWS * COLUMNS * sizeof(float) };
    static const struct {
        void (*set_filters)(hid_t);
        unsigned skipped;     /* of the filters */
        size_t plain, packed; /* bytes before packing (0: not packed), and kept (0: all) */
        const char *expected; /* NULL: a good one */
    } cases[] = {
        {gzip, 0, BYTES, 0, NULL},
        {gzip, 1, 0, BYTES, NULL},
        {gzip, 0, BYTES - 1, 0, "a chunk has too few bytes"},
        {gzip, 0, BYTES + 1, 0, "a compressed chunk is damaged"},
        {gzip, 0, BYTES, 9, "a compressed chunk is damaged"},
        {gzip, 0, 0, BYTES, "a compressed chunk is damaged"},
        {gzip, 1, 0, BYTES - 1, "a chunk has too few bytes"},
        {gzip, 1, 0, BYTES + 1, "a chunk has too many bytes"},
        {all_filters, 0, 0, 3, "a chunk has too few bytes"},
        {gzip_twice, 0, BYTES, 0, "other than by one pass of gzip"},
        {nbit, 0, BYTES, 0, "other than by one pass of gzip"},
    };
    float found[ROWS * COLUMNS];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char plain[BYTES + 1] = {0}, packed[2 * BYTES] = {0};
        uLongf size = sizeof packed;
        if (cases[i].plain > 0)
            compress(packed, &size, plain, cases[i].plain);
        hid_t data = create_chunked(cases[i].set_filters);
        for (hsize_t chunk = 0; chunk < 2; chunk++)
            H5Dwrite_chunk(data, H5P_DEFAULT, cases[i].skipped,
                           (const hsize_t[]){chunk * CHUNK_ROWS, 0},
                           cases[i].packed ? cases[i].packed : size, packed);
        H5Dclose(data);
        int status = read_chunked(found);
        cr_assert_eq(status, cases[i].expected ? MD_FAILED : MD_OK, "case %zu: %s", i, error.text);
        if (cases[i].expected)
            assert_contains(error.text, cases[i].expected);
    }
    H5Dclose(create_chunked(gzip));
    cr_assert_eq(read_chunked(found), MD_FAILED);
    assert_contains(error.text, "the file does not hold all of it");
    md_h5_finish(&writer, MD_FAILED, &error);
}

H5_TEST(h5, writing_over_is_refused) {
    const float value = 1;
    write_ok(md_h5_write(writer.file, "/x", H5T_NATIVE_FLOAT, 0, NULL, &value, &error));
    refused(md_h5_write(writer.file, "/x", H5T_NATIVE_FLOAT, 0, NULL, &value, &error), "'/x'",
            "cannot create");
    refused(md_h5_write(writer.file, "/x/y", H5T_NATIVE_FLOAT, 0, NULL, &value, &error), "'/x/y'",
            "cannot create");
    md_h5_finish(&writer, MD_FAILED, &error);
}

H5_TEST(h5, has_answers_for_every_path) {
    const float value = 1;
    write_ok(md_h5_write(writer.file, "/a/b", H5T_NATIVE_FLOAT, 0, NULL, &value, &error));
    cr_assert(md_h5_has(writer.file, "/"));
    cr_assert(md_h5_has(writer.file, "/a"));
    cr_assert(md_h5_has(writer.file, "/a/b"));
    cr_assert(md_h5_has(writer.file, "a/b"));
    cr_assert_not(md_h5_has(writer.file, ""));
    cr_assert_not(md_h5_has(writer.file, "/b"));
    cr_assert_not(md_h5_has(writer.file, "/b/a"));
    cr_assert_not(md_h5_has(writer.file, "/a/b/c"));
    cr_assert_not(md_h5_has(writer.file, "/a/b/c/d"));
    md_h5_finish(&writer, MD_FAILED, &error);
}

H5_TEST(h5, attributes_come_back) {
    char text[16];
    long long integer;
    double real;
    write_ok(md_h5_write_text(writer.file, "/", "unit", "m\xc2\xb2", &error));
    write_ok(md_h5_write_text(writer.file, "/", "empty", "", &error));
    write_ok(md_h5_write_integer(writer.file, "/", "seed", -9007199254740993, &error));
    write_ok(md_h5_write_real(writer.file, "/", "rmse_m", 0.1, &error));
    reopen();
    write_ok(md_h5_read_text(file, "/", "unit", sizeof text, text, &error));
    cr_assert_str_eq(text, "m\xc2\xb2");
    write_ok(md_h5_read_text(file, "/", "unit", 4, text, &error));
    write_ok(md_h5_read_text(file, "/", "empty", 1, text, &error));
    cr_assert_str_eq(text, "");
    write_ok(md_h5_read_integer(file, "/", "seed", &integer, &error));
    cr_assert_eq(integer, -9007199254740993);
    write_ok(md_h5_read_real(file, "/", "rmse_m", &real, &error));
    cr_assert_eq(real, 0.1);
    refused(md_h5_read_text(file, "/", "unit", 3, text, &error), "unit of /", "at most 2 bytes");
    refused(md_h5_read_text(file, "/", "seed", 9, text, &error), "seed of /", "not text");
    refused(md_h5_read_integer(file, "/", "rmse_m", &integer, &error), "rmse_m", "not an integer");
    refused(md_h5_read_real(file, "/", "unit", &real, &error), "unit of /", "not a number");
    refused(md_h5_read_real(file, "/", "loss", &real, &error), "loss of /", "cannot open");
    refused(md_h5_read_real(file, "/none", "loss", &real, &error), "loss of /none", "cannot open");
    close_file();
}

/* As h5py writes text; and an attribute that is not one value. */
H5_TEST(h5, attributes_of_other_programs) {
    const char *words = "of variable length";
    hsize_t two = 2;
    char text[32];
    double real;
    hid_t type = H5Tcopy(H5T_C_S1), scalar = H5Screate(H5S_SCALAR);
    hid_t pair = H5Screate_simple(1, &two, NULL);
    H5Tset_size(type, H5T_VARIABLE);
    hid_t attribute = H5Acreate2(writer.file, "words", type, scalar, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, type, &words);
    H5Aclose(attribute);
    H5Aclose(H5Acreate2(writer.file, "pair", H5T_NATIVE_DOUBLE, pair, H5P_DEFAULT, H5P_DEFAULT));
    H5Tclose(type);
    H5Sclose(scalar);
    H5Sclose(pair);
    reopen();
    refused(md_h5_read_text(file, "/", "words", sizeof text, text, &error), "words",
            "not text of fixed length");
    refused(md_h5_read_real(file, "/", "pair", &real, &error), "pair", "not a single value");
    close_file();
}

H5_TEST(h5, nothing_is_there_before_the_commit) {
    cr_assert_eq(access(path.text, F_OK), -1);
    cr_assert_eq(scratch_count(scratch.folder), 1);
    cr_assert_eq(md_h5_finish(&writer, MD_OK, &error), MD_OK, "%s", error.text);
    cr_assert_eq(access(path.text, F_OK), 0);
    cr_assert_eq(scratch_count(scratch.folder), 1);
}

H5_TEST(h5, abandoned_file_is_gone) {
    md_h5_finish(&writer, MD_FAILED, &error);
    cr_assert_eq(scratch_count(scratch.folder), 0);
}

/* An object someone forgot must not keep a file open. */
H5_TEST(h5, closing_closes_what_is_open) {
    cr_assert_geq(H5Gcreate2(writer.file, "/g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), 0);
    reopen();
    cr_assert(md_h5_has(file, "/g"));
    cr_assert_geq(H5Gopen2(file, "/g", H5P_DEFAULT), 0);
    H5Fclose(file);
}

H5_TEST(h5, groups_are_made) {
    write_ok(md_h5_group(writer.file, "/a/b", &error));
    write_ok(md_h5_group(writer.file, "/a/b", &error));
    cr_assert(md_h5_has(writer.file, "/a/b"));
    refused(md_h5_group(writer.file, "", &error), "group ''", "cannot make");
    md_h5_finish(&writer, MD_FAILED, &error);
}

/* Of a data set that was never written HDF5 would make zeros. */
H5_TEST(h5, unwritten_values_are_refused) {
    const hsize_t six = 6;
    float values[6];
    hid_t space = H5Screate_simple(1, &six, NULL);
    H5Dclose(H5Dcreate2(writer.file, "/x", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT,
                        H5P_DEFAULT));
    H5Sclose(space);
    reopen();
    refused(md_h5_read(file, "/x", H5T_NATIVE_FLOAT, -1, NULL, 6, values, &error), "'/x'",
            "does not hold all");
    close_file();
}

H5_TEST(h5, unreadable_files_are_refused) {
    md_h5_finish(&writer, MD_FAILED, &error);
    refused(md_h5_open(path.text, &file, &error), "cannot open", "No such file");
    scratch_write_text(path.text, "");
    refused(md_h5_open(path.text, &file, &error), "not a whole HDF5 file",
            "does not begin like one");
    scratch_write_text(path.text, "\x89HDF\r\n\x1a\n");
    refused(md_h5_open(path.text, &file, &error), "not a whole HDF5 file", "HDF5:");
}

/* A checkpoint with a changed weight was gone on from. */
H5_TEST(h5, whatever_bit_is_changed_is_found) {
    const float values[100] = {1};
    size_t size;
    write_ok(
        md_h5_write(writer.file, "/x", H5T_NATIVE_FLOAT, 1, (const size_t[]){100}, values, &error));
    reopen();
    close_file();
    unsigned char *bytes = scratch_read(path.text, &size);
    for (size_t bit = 0; bit < 8 * (size - MD_H5_SEAL_BYTES); bit += 37) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        scratch_write(path.text, bytes, size);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        refused(md_h5_open(path.text, &file, &error), "", bit < 64 ? "begin like" : "damaged: ");
    }
    scratch_write(path.text, bytes, size - MD_H5_SEAL_BYTES); /* as before there were seals */
    write_ok(md_h5_open(path.text, &file, &error));
    close_file();
    free(bytes);
}

H5_TEST(h5, what_hdf5_changes_has_no_seal) {
    reopen();
    close_file();
    file = H5Fopen(path.text, H5F_ACC_RDWR, H5P_DEFAULT);
    write_ok(md_h5_write_integer(file, "/", "note", 1, &error));
    close_file();
    write_ok(md_h5_open(path.text, &file, &error));
    close_file();
}

Test(h5, a_pipe_is_refused_and_not_waited_for, .timeout = 600) {
    struct scratch_path pipe = scratch_path(&scratch, "pipe");
    hid_t opened;
    md_h5_finish(&writer, MD_FAILED, &error);
    cr_assert_eq(mkfifo(pipe.text, 0666), 0);
    cr_assert_eq(md_h5_open(pipe.text, &opened, &error), MD_FAILED);
    assert_contains(error.text, "pipe: cannot open: not a regular file");
}

H5_TEST(h5, overlong_paths_are_refused) {
    char overlong[1300];
    struct md_h5_writer other;
    memset(overlong, 'x', sizeof overlong);
    overlong[sizeof overlong - 1] = '\0';
    cr_assert_eq(md_h5_create(overlong, &other, &error), MD_FAILED);
    assert_contains(error.text, "cannot create: File name too long");
    md_h5_finish(&writer, MD_FAILED, &error);
}

H5_TEST(h5, golden_files) {
    static uint8_t picture[3 * 48 * 48];
    static double output[48 * 48];
    const size_t shape[4] = {1, 3, 48, 48};
    double loss = 0.0;
    md_h5_finish(&writer, MD_FAILED, &error);
    path = shared_data("golden/step_batch1.h5");
    write_ok(md_h5_open(path.text, &file, &error));
    write_ok(
        md_h5_read(file, "/input_u8", H5T_NATIVE_UINT8, 4, shape, sizeof picture, picture, &error));
    write_ok(md_h5_read(file, "/f64/activation/output", H5T_NATIVE_DOUBLE, -1, NULL, 48 * 48,
                        output, &error));
    write_ok(md_h5_read(file, "/f64/loss", H5T_NATIVE_DOUBLE, 0, NULL, 1, &loss, &error));
    cr_assert(isfinite(loss) && loss > 0.0);
    close_file();
}
