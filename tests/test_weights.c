/* Weights files: published checkpoints and our own form, whole and broken. */
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "../results/pickle.h"
#include "../results/pth.h"
#include "../results/weights.h"
#include "checkpoint.h"
#include "h5_leaks.h"
#include "scratch.h"

enum { TOTAL = 107625 };

static struct scratch scratch;
static struct scratch_path path; /* of the file under test */
static struct md_error error;
static const struct md_network *network;
static float *written, *found;

static void set_up(void) {
    scratch = scratch_open();
    path = scratch_path(&scratch, "weights");
    network = md_networks[0];
    written = malloc(TOTAL * sizeof *written);
    found = calloc(TOTAL, sizeof *found);
    cr_assert(written && found);
    for (size_t i = 0; i < TOTAL; i++)
        written[i] = checkpoint_value(i);
}

static void tear_down(void) {
    scratch_close(&scratch);
    free(written);
    free(found);
}

TestSuite(weights, .init = set_up, .fini = tear_down, .timeout = 600);

static int read_found(struct md_weights_info *info) {
    return md_weights_read(path.text, network, found, info, &error);
}

static int same_values(void) {
    return memcmp(found, written, TOTAL * sizeof *found) == 0;
}

static void assert_reads_same(void) {
    cr_assert_eq(read_found(NULL), MD_OK, "%s", error.text);
    cr_assert(same_values());
}

/* The file must be refused with the two parts, and the file's name, in the text. */
static void assert_refused(const char *part, const char *other) {
    cr_assert_eq(read_found(NULL), MD_FAILED, "expected an error with '%s'", part);
    assert_contains(error.text, path.text);
    assert_contains(error.text, part);
    assert_contains(error.text, other);
}

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
    scratch_write_text(path.text, "");
    assert_refused("neither", "HDF5");
    scratch_write_text(path.text, "\x80\x02 what PyTorch 1.5 wrote");
    assert_refused("neither", "checkpoint");
}

/* ---- published checkpoints ---- */

H5_TEST(weights, checkpoint_reads_bit_equal) {
    struct md_weights_info info;
    checkpoint_write(path.text, (struct checkpoint){0});
    cr_assert_eq(read_found(&info), MD_OK, "%s", error.text);
    cr_assert(same_values());
    cr_assert_str_eq(info.stored_as, "float32");
    cr_assert_str_eq(info.network, "upydnet");
    cr_assert_str_eq(info.source, path.text);
    checkpoint_write(path.text, (struct checkpoint){.no_byte_order = 1});
    assert_reads_same();
}

H5_TEST(weights, bfloat16_is_widened_exactly) {
    struct md_weights_info info;
    checkpoint_write(path.text, (struct checkpoint){.bfloat16 = 1});
    cr_assert_eq(read_found(&info), MD_OK, "%s", error.text);
    cr_assert(same_values());
    cr_assert_str_eq(info.stored_as, "bfloat16");
}

H5_TEST(weights, network_is_told_by_the_shapes) {
    const struct md_network *told = NULL;
    for (int n = 0; n < 2; n++) {
        checkpoint_write(path.text, (struct checkpoint){.network = md_networks[n]});
        cr_assert_eq(md_weights_network(path.text, &told, &error), MD_OK, "%s", error.text);
        cr_assert_eq(told, md_networks[n]);
    }
    assert_refused("(32, 3, 3, 3)", "expected (8, 3, 3, 3)");
    checkpoint_write(path.text, (struct checkpoint){.name = "other"});
    cr_assert_eq(md_weights_network(path.text, &told, &error), MD_FAILED);
    assert_contains(error.text, "no network has these tensors");
}

/* Parameter 7 is encoder.conv3.bias, 6 its weight. */
static const struct broken_checkpoint {
    struct checkpoint checkpoint;
    const char *part, *other; /* of the message */
} broken_checkpoints[] = {
    {{.broken = 6, .name = "encoder.conv33.weight"}, "'encoder.conv33.weight'", "not belong"},
    {{.broken = 6, .name = ""}, "data.pkl byte", "empty, too long or unprintable"},
    {{.broken = 6, .name = "a\nb"}, "'a?b'", "unprintable"},
    {{.broken = 6, .left_out = 1}, "'encoder.conv3.weight'", "missing"},
    {{.broken = 6, .twice = 1}, "'encoder.conv3.weight'", "twice"},
    {{.broken = 1, .extra_name = "momentum"}, "'momentum'", "not belong"},
    {{.broken = 7, .more_elements = 1, .more_bytes = 4, .first_size = 17},
     "'encoder.conv3.bias'",
     "(17), expected (16)"},
    {{.broken = 6, .storage_type = "HalfStorage"}, "'encoder.conv3.weight'", "torch.HalfStorage"},
    {{.broken = 6, .storage_type = "DoubleStorage"}, "'encoder.conv3.weight'", "DoubleStorage"},
    {{.broken = 6, .transposed = 1}, "'encoder.conv3.weight'", "not contiguous"},
    {{.broken = 6, .first_size = 1 << 30}, "'encoder.conv3.weight'", "out of range"},
    {{.broken = 6, .first_size = -1}, "'encoder.conv3.weight'", "out of range"},
    {{.broken = 7, .first_size = 17}, "'encoder.conv3.bias'", "do not fit into a storage of 16"},
    {{.broken = 7, .skip = 1}, "'encoder.conv3.bias'", "from 1 on do not fit"},
    {{.broken = 7, .skip = -1}, "'encoder.conv3.bias'", "from -1 on do not fit"},
    {{.broken = 7, .more_elements = -17}, "'encoder.conv3.bias'", "a storage of -1 elements"},
    {{.broken = 7, .more_elements = 1 << 30}, "'encoder.conv3.bias'", "expected 1 to"},
    {{.broken = 7, .more_elements = 1}, "'encoder.conv3.bias'", "64 bytes, expected 68"},
    {{.broken = 7, .more_bytes = 1}, "'encoder.conv3.bias'", "65 bytes, expected 64"},
    {{.broken = 7, .without_entry = 1}, "'encoder.conv3.bias'", "no entry 'archive/data/7'"},
    {{.broken = 7, .bits = 0x7fc00000u}, "'encoder.conv3.bias'", "element 15 is nan"},
    {{.broken = 7, .bits = 0xff800000u}, "'encoder.conv3.bias'", "element 15 is -inf"},
    {{.broken = 7, .bfloat16 = 1, .bits = 0x7f800000u}, "'encoder.conv3.bias'", "15 is inf"},
    {{.broken = 7, .rebuild = "cos\nsystem\n"}, "data.pkl byte", "'os.system' is refused"},
    {{.broken = 7, .rebuild = "cbuiltins\neval\n"}, "data.pkl byte", "'builtins.eval' is refused"},
    {{.broken = 7, .rebuild = "i"}, "data.pkl byte", "instruction 0x69"},
    {{.past_end = 1}, "data.pkl byte", "more behind the end"},
    {{.byte_order = "big"}, "byte order", "little"},
    {{.byte_order = "bigger"}, "byte order", "little"},
    {{.byte_order = "little or perhaps big"}, "byteorder", "at most 16"},
    {{.without_pickle = 1}, "data.pkl", "not a checkpoint"},
    {{.compressed = 1}, "compressed", "expected stored"},
};

H5_TEST(weights, broken_checkpoints_are_refused) {
    for (size_t i = 0; i < sizeof broken_checkpoints / sizeof *broken_checkpoints; i++) {
        const struct broken_checkpoint *broken = &broken_checkpoints[i];
        checkpoint_write(path.text, broken->checkpoint);
        assert_refused(broken->part, broken->other);
    }
}

H5_TEST(weights, storage_may_be_larger_than_its_tensor) {
    checkpoint_write(path.text,
                     (struct checkpoint){.broken = 7, .more_elements = 1, .more_bytes = 4});
    assert_reads_same();
}

/* Small programs for the pickle machine that no writer of pickles would write. */
static const struct bad_pickle {
    const char *code, *part;
    size_t length;
} bad_pickles[] = {
#define CODE(text) text, .length = sizeof text - 1
    {CODE(""), .part = "0 bytes"},
    {CODE("}"), .part = "byte 1: the pickle ends too early"},
    {CODE("\x80"), .part = "byte 0: the pickle ends too early"},
    {CODE("\x80\x04}."), .part = "protocol 4, expected 2"},
    {CODE("}.."), .part = "more behind the end"},
    {CODE("."), .part = "not hold a state dict"},
    {CODE("K\1."), .part = "not hold a state dict"},
    {CODE("}}."), .part = "not hold a state dict"},
    {CODE("q\1"), .part = "byte 0: the stack is empty"},
    {CODE("(q\1"), .part = "byte 1: there is a mark where a value was expected"},
    {CODE("(K\1\x86"), .part = "byte 3: there is a mark"},
    {CODE("}(K\1s"), .part = "byte 4: there is a mark"},
    {CODE("}t"), .part = "no mark on the stack"},
    {CODE("}u"), .part = "no mark on the stack"},
    {CODE("h\0"), .part = "memo slot 0 is empty"},
    {CODE("}r\xff\xff\xff\xff"), .part = "memo slot 4294967295 is out of range"},
    {CODE("}j\xff\xff\xff\xff"), .part = "memo slot 4294967295 is empty"},
    {CODE("X\xff\xff\xff\xff"
          "a"),
     .part = "text of 4294967295 bytes does not fit"},
    {CODE("ccollections\nOrderedDict"), .part = "a name without its end"},
    {CODE("ctorch\nLongStorage\n"), .part = "'torch.LongStorage' is refused"},
    {CODE("ccollections\nOrderedDict\n(K\1tR"), .part = "OrderedDict with 1 arguments"},
    {CODE("ctorch\nFloatStorage\n)R"), .part = "call of torch.FloatStorage"},
    {CODE("ctorch._utils\n_rebuild_tensor_v2\n)R"), .part = "has 0 members, expected 6"},
    {CODE("K\1)R"), .part = "found a integer, expected a name"},
    {CODE("}}R"), .part = "found a dict, expected a tuple"},
    {CODE("}K\1K\2s"), .part = "a key is a integer, expected text"},
    {CODE("K\1X\1\0\0\0aK\2s"), .part = "no dict"},
    {CODE("}(X\1\0\0\0au"), .part = "a key without its value"},
    {CODE("}X\1\0\0\0aK\2s."), .part = "'a' is a integer, expected a tensor"},
    {CODE("}K\1b"), .part = "found a integer, expected a dict"},
    {CODE("}Q"), .part = "found a dict, expected a tuple"},
    {CODE("(K\1K\1K\1K\1K\1tQ"), .part = "member 0 of a storage is a integer, expected a text"},
#undef CODE
};

H5_TEST(weights, bad_pickles_are_refused) {
    for (size_t i = 0; i < sizeof bad_pickles / sizeof *bad_pickles; i++) {
        const struct bad_pickle *bad = &bad_pickles[i];
        struct md_state_dict dict;
        cr_assert_eq(md_pickle_read((const unsigned char *)bad->code, bad->length, &dict, &error),
                     MD_FAILED, "expected an error with '%s'", bad->part);
        assert_contains(error.text, bad->part);
    }
}

/* No byte of a pickle, changed or missing, may do more than make the reader refuse. That one must
 * not give other tensors in silence cannot be asked: a changed offset is as good as the right one.
 * The archive's checksum is what guards against that. */
H5_TEST(weights, mutated_pickle_never_crashes) {
    struct checkpoint checkpoint = {.network = network};
    struct bytes pickle = checkpoint_pickle(&checkpoint);
    struct md_state_dict dict;
    static const unsigned char changes[] = {0x01, 0x20, 0x80, 0xff};
    for (size_t i = 0; i < pickle.count; i++)
        for (size_t c = 0; c < sizeof changes; c++) {
            pickle.data[i] ^= changes[c];
            if (md_pickle_read(pickle.data, pickle.count, &dict, &error) == MD_OK)
                md_state_dict_free(&dict);
            else
                cr_assert_eq(strncmp(error.text, "data.pkl byte ", 14), 0, "%s", error.text);
            pickle.data[i] ^= changes[c];
        }
    cr_assert_eq(md_pickle_read(pickle.data, pickle.count, &dict, &error), MD_OK, "%s", error.text);
    cr_assert_eq(dict.count, 34);
    md_state_dict_free(&dict);
    free(pickle.data);
}

H5_TEST(weights, truncated_pickle_is_refused) {
    struct checkpoint checkpoint = {.network = network};
    struct bytes pickle = checkpoint_pickle(&checkpoint);
    struct md_state_dict dict;
    for (size_t length = 0; length < pickle.count; length++) {
        /* A copy of exactly that length lets the address sanitizer see a read beyond it. */
        unsigned char *start = malloc(length + 1);
        memcpy(start + 1, pickle.data, length);
        cr_assert_eq(md_pickle_read(start + 1, length, &dict, &error), MD_FAILED);
        free(start);
    }
    free(pickle.data);
}

H5_TEST(weights, pickle_with_a_changed_byte_in_a_good_archive) {
    struct checkpoint checkpoint = {.network = network};
    struct bytes pickle = checkpoint_pickle(&checkpoint);
    for (size_t i = 0; i < pickle.count; i += 97) {
        struct bytes changed = {0};
        put(&changed, pickle.data, pickle.count);
        changed.data[i] ^= 0x04;
        checkpoint_write_pickle(path.text, &checkpoint, changed);
        if (read_found(NULL) == MD_OK)
            cr_assert(same_values(), "byte %zu", i);
    }
    free(pickle.data);
}

static void write_byte(size_t place, int value) {
    FILE *file = fopen(path.text, "r+b");
    cr_assert(file);
    cr_assert_eq(fseek(file, (long)place, SEEK_SET), 0);
    putc(value, file);
    cr_assert_eq(fclose(file), 0);
}

/* Every `stride`-th byte of the file is changed: an error, or the same values. Returns how many
 * changes were noticed. */
static int change_bytes(size_t stride) {
    size_t size;
    int noticed = 0;
    unsigned char *bytes = scratch_read(path.text, &size);
    for (size_t i = 0; i < size; i += stride) {
        write_byte(i, bytes[i] ^ 0x10);
        if (read_found(NULL) != MD_OK)
            noticed++;
        else
            cr_assert(same_values(), "byte %zu changed in silence", i);
        write_byte(i, bytes[i]);
    }
    free(bytes);
    return noticed;
}

/* Every length that is a multiple of `stride`, and the first and last hundred, must be an error. */
static void truncate_file(size_t stride) {
    size_t size;
    free(scratch_read(path.text, &size));
    for (size_t length = size; length-- > 0;) {
        if (length % stride != 0 && length > 100 && length + 100 < size)
            continue;
        cr_assert_eq(truncate(path.text, (off_t)length), 0);
        cr_assert_eq(read_found(NULL), MD_FAILED, "%zu of %zu bytes", length, size);
        assert_contains(error.text, path.text);
    }
}

H5_TEST(weights, damaged_archive_is_noticed) {
    checkpoint_write(path.text, (struct checkpoint){0});
    /* Nearly every byte is covered by a checksum; names and times are not. */
    cr_assert_geq(change_bytes(1511), 250);
}

H5_TEST(weights, truncated_archive_is_refused) {
    checkpoint_write(path.text, (struct checkpoint){0});
    truncate_file(997);
}

static const struct published {
    const char *file, *stored_as, *digest;
} published[] = {
    /* Digests of what torch.load gives, in our order of parameters. */
    {"weights/tartanair_pretrain.pth", "float32", "b4a733811e0e7a25ce492f0b0b902238"},
    {"weights/kitti_scratch.pth", "float32", "e188de431f4016b972c51e53412ccaf4"},
    {"weights/idsia_sparse_1ep.pth", "bfloat16", "3e9457f062672f20c687a570ea92ec8d"},
};

H5_TEST(weights, published_checkpoints) {
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        struct md_weights_info info;
        path = shared_data(published[i].file);
        cr_assert_eq(read_found(&info), MD_OK, "%s", error.text);
        cr_assert_str_eq(info.stored_as, published[i].stored_as);
        cr_assert_str_eq(info.digest, published[i].digest);
    }
}

/* ---- our own form ---- */

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
    write_own();
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

/* Real weights, through our own form and back. */
H5_TEST(weights, published_checkpoint_survives_the_round_trip) {
    struct md_weights_info info, again;
    struct scratch_path own_path = path;
    path = shared_data(published[2].file);
    cr_assert_eq(read_found(&info), MD_OK, "%s", error.text);
    memcpy(written, found, TOTAL * sizeof *written);
    path = own_path;
    cr_assert_eq(md_weights_write(path.text, network, written, &info, &error), MD_OK);
    cr_assert_eq(read_found(&again), MD_OK, "%s", error.text);
    cr_assert(same_values());
    cr_assert_str_eq(again.digest, published[2].digest);
    cr_assert_str_eq(again.stored_as, "bfloat16");
    cr_assert_str_eq(again.source, info.source);
}
