/* Weights files in our own form, whole and broken. (Published checkpoints: test_checkpoints.c.) */
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "h5_leaks.h"
#include "weights_file.h"

TestSuite(weights, .init = begin_weights, .fini = end_weights, .timeout = 600);

H5_TEST(weights, digest_is_xxh3_128) {
    /* The published value for no input and seed 0. */
    char digest[33];
    md_weights_digest(written, 0, digest);
    cr_assert_str_eq(digest, "99aa06d3014798d86001c324468d497f");
}

H5_TEST(weights, published_network_has_107625_parameters) {
    cr_assert_eq(md_parameter_total(network), TOTAL);
}

H5_TEST(weights, other_files_are_refused) {
    assert_refused("cannot open", "No such file");
    cr_assert_eq(mkdir(path.text, 0777), 0);
    assert_refused("cannot open", "not a regular file");
    cr_assert_eq(rmdir(path.text), 0);
    scratch_write_text(path.text, "");
    assert_refused("neither", "HDF5");
    scratch_write_text(path.text, "\x80\x02 what PyTorch 1.5 wrote");
    assert_refused("neither", "checkpoint");
}

static const struct md_weights_info own = {.source = "a \xc3\xbc b.pth",
                                           .command = "mudepth weights 'x'",
                                           .code_version = "v1",
                                           .stored_as = "float32"};

static void write_own(void) {
    cr_assert_eq(md_weights_write(path.text, network, written, &own, &error), MD_OK, "%s",
                 error.text);
}

H5_TEST(weights, round_trip_is_bit_equal) {
    struct md_weights_info info;
    char digest[33];
    written[0] = -0.0f;
    written[1] = 1e-45f;
    written[2] = -3.4028235e38f;
    write_own();
    cr_assert_eq(read_found(&info), MD_OK, "%s", error.text);
    cr_assert(same_values());
    md_weights_digest(written, TOTAL, digest);
    cr_assert_str_eq(info.digest, digest);
    cr_assert_str_eq(info.network, "upydnet");
    cr_assert_str_eq(info.source, own.source);
    cr_assert_str_eq(info.command, own.command);
    cr_assert_str_eq(info.code_version, own.code_version);
    cr_assert_str_eq(info.stored_as, own.stored_as);
    cr_assert_eq(scratch_count(scratch.folder), 1, "nothing but the file");
    const struct md_network *told = NULL;
    cr_assert_eq(md_weights_network(path.text, &told, &error), MD_OK, "%s", error.text);
    cr_assert_eq(told, network);
}

H5_TEST(weights, equal_weights_make_equal_files) {
    size_t sizes[2];
    unsigned char *files[2];
    for (int i = 0; i < 2; i++) {
        write_own();
        files[i] = scratch_read(path.text, &sizes[i]);
        sleep(1); /* HDF5 would keep times in seconds */
    }
    cr_assert_eq(sizes[0], sizes[1]);
    cr_assert_eq(memcmp(files[0], files[1], sizes[0]), 0);
    free(files[0]);
    free(files[1]);
}

H5_TEST(weights, failed_write_leaves_nothing) {
    struct scratch_path inside = scratch_path(&scratch, "folder/file");
    path = scratch_path(&scratch, "folder");
    scratch_write_text(inside.text, "keeps the folder from being replaced");
    cr_assert_eq(md_weights_write(path.text, network, written, &own, &error), MD_FAILED);
    assert_contains(error.text, "cannot rename");
    cr_assert_eq(scratch_count(scratch.folder), 1);
    path = scratch_path(&scratch, "weights");
    snprintf(inside.text, sizeof inside.text, "%s/missing/file", scratch.folder);
    cr_assert_eq(md_weights_write(inside.text, network, written, &own, &error), MD_FAILED);
    assert_contains(error.text, "cannot create: No such file");
    cr_assert_eq(scratch_count(scratch.folder), 1);
}

/* Writes zeros over the file while no file may grow beyond `limit`. */
static int write_with_limit(size_t limit) {
    struct rlimit limits = {limit, RLIM_INFINITY};
    float *zeros = calloc(TOTAL, sizeof *zeros);
    cr_assert(zeros);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limits), 0);
    int status = md_weights_write(path.text, network, zeros, &own, &error);
    limits.rlim_cur = RLIM_INFINITY;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limits), 0);
    free(zeros);
    return status;
}

/* A limit on file size stands for a full disk: every write beyond it fails. */
H5_TEST(weights, full_disk_keeps_the_old_file) {
    size_t size;
    write_own();
    free(scratch_read(path.text, &size));
    signal(SIGXFSZ, SIG_IGN);
    for (size_t part = 0; part <= 20; part++) {
        cr_assert_eq(write_with_limit((size - 1) * part / 20), MD_FAILED, "part %zu", part);
        assert_contains(error.text, "cannot write: File too large");
        cr_assert_eq(scratch_count(scratch.folder), 1);
        assert_reads_same();
    }
}

H5_TEST(weights, truncated_h5_is_refused) {
    size_t size;
    write_own();
    free(scratch_read(path.text, &size));
    cr_assert_eq(truncate(path.text, (off_t)(size - MD_H5_SEAL_BYTES)), 0);
    truncate_file(997);
}

H5_TEST(weights, damaged_h5_is_noticed) {
    write_own();
    cr_assert_geq(change_bytes(1511), 250);
}

/* Ways to break our own form: each is done to a good file that is open for writing. */
static void remove_tensor(hid_t file) {
    H5Ldelete(file, "/weights/ups0.tconv.bias", H5P_DEFAULT);
}

static void replace_tensor(hid_t file, hid_t type, int dimensions, const size_t *shape) {
    static double zeros[64];
    remove_tensor(file);
    cr_assert_eq(
        md_h5_write(file, "/weights/ups0.tconv.bias", type, dimensions, shape, zeros, &error),
        MD_OK);
}

static void change_shape(hid_t file) {
    replace_tensor(file, H5T_IEEE_F32LE, 2, (const size_t[]){32, 1});
}

static void change_size(hid_t file) {
    replace_tensor(file, H5T_IEEE_F32LE, 1, (const size_t[]){33});
}

static void change_type(hid_t file) {
    replace_tensor(file, H5T_NATIVE_DOUBLE, 1, (const size_t[]){32});
}

static void compress(hid_t file) {
    const hsize_t extent = 32;
    hid_t space = H5Screate_simple(1, &extent, NULL), creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(creation, 1, &extent);
    H5Pset_deflate(creation, 1);
    remove_tensor(file);
    H5Dclose(H5Dcreate2(file, "/weights/ups0.tconv.bias", H5T_IEEE_F32LE, space, H5P_DEFAULT,
                        creation, H5P_DEFAULT));
    H5Pclose(creation);
    H5Sclose(space);
}

static void change_values(hid_t file) {
    replace_tensor(file, H5T_IEEE_F32LE, 1, (const size_t[]){32});
}

static void add_tensor(hid_t file) {
    cr_assert_eq(md_h5_write(file, "/weights/momentum", H5T_IEEE_F32LE, 0, NULL, written, &error),
                 MD_OK);
}

static void set_nan(hid_t file) {
    float values[32] = {[5] = NAN};
    hid_t data = H5Dopen2(file, "/weights/ups0.tconv.bias", H5P_DEFAULT);
    H5Dwrite(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    H5Dclose(data);
}

static void replace_network(hid_t file) {
    H5Adelete_by_name(file, "/weights", "network", H5P_DEFAULT);
    md_h5_write_text(file, "/weights", "network", "upydnet_large", &error);
}

static void remove_digest(hid_t file) {
    H5Adelete_by_name(file, "/weights", "digest", H5P_DEFAULT);
}

static void lengthen_network(hid_t file) {
    H5Adelete_by_name(file, "/weights", "network", H5P_DEFAULT);
    md_h5_write_text(file, "/weights", "network", "a name that is longer than any network's",
                     &error);
}

static void remove_group(hid_t file) {
    H5Ldelete(file, "/weights", H5P_DEFAULT);
}

static void group_to_number(hid_t file) {
    remove_group(file);
    md_h5_write(file, "/weights", H5T_NATIVE_FLOAT, 0, NULL, written, &error);
}

static const struct broken_h5 {
    void (*damage)(hid_t file);
    const char *part, *other;
} broken_h5s[] = {
    {remove_tensor, "ups0.tconv.bias'", "doesn't exist"},
    {change_shape, "ups0.tconv.bias'", "(32, 1), expected (32)"},
    {change_size, "ups0.tconv.bias'", "(33), expected (32)"},
    {change_type, "ups0.tconv.bias'", "not kept plain"},
    {compress, "ups0.tconv.bias'", "not kept plain"},
    {change_values, "damaged", "digest"},
    {add_tensor, "'momentum'", "does not belong"},
    {set_nan, "'ups0.tconv.bias'", "element 5 is nan"},
    {replace_network, "'upydnet_large'", "expected upydnet"},
    {lengthen_network, "network of /weights", "at most 31 bytes"},
    {remove_digest, "digest of /weights", "can't locate"},
    {remove_group, "network of /weights", "doesn't exist"},
    {group_to_number, "network of /weights", "can't locate"},
};

H5_TEST(weights, broken_h5_is_refused) {
    for (size_t i = 0; i < sizeof broken_h5s / sizeof *broken_h5s; i++) {
        write_own();
        hid_t file = H5Fopen(path.text, H5F_ACC_RDWR, H5P_DEFAULT);
        broken_h5s[i].damage(file);
        H5Fclose(file);
        assert_refused(broken_h5s[i].part, broken_h5s[i].other);
    }
}

H5_TEST(weights, other_network_is_refused) {
    write_own();
    network = md_networks[1];
    assert_refused("'upydnet'", "expected upydnet_large");
}
