/* Published checkpoints, which PyTorch wrote, whole and broken. (Our own form: test_weights.c.) */
#include <criterion/criterion.h>

#include "../results/pickle.h"
#include "../results/pth.h"
#include "h5_leaks.h"
#include "weights_file.h"

TestSuite(checkpoints, .init = begin_weights, .fini = end_weights, .timeout = 600);

H5_TEST(checkpoints, checkpoint_reads_bit_equal) {
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

H5_TEST(checkpoints, bfloat16_is_widened_exactly) {
    struct md_weights_info info;
    checkpoint_write(path.text, (struct checkpoint){.bfloat16 = 1});
    cr_assert_eq(read_found(&info), MD_OK, "%s", error.text);
    cr_assert(same_values());
    cr_assert_str_eq(info.stored_as, "bfloat16");
}

H5_TEST(checkpoints, network_is_told_by_the_shapes) {
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

H5_TEST(checkpoints, broken_checkpoints_are_refused) {
    for (size_t i = 0; i < sizeof broken_checkpoints / sizeof *broken_checkpoints; i++) {
        const struct broken_checkpoint *broken = &broken_checkpoints[i];
        checkpoint_write(path.text, broken->checkpoint);
        assert_refused(broken->part, broken->other);
    }
}

H5_TEST(checkpoints, storage_may_be_larger_than_its_tensor) {
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
    {CODE("ctorch\nLongStorage\n"),
     .part = "'torch.LongStorage' is refused: only float32 and bfloat16 are read; leave out"},
    {CODE("ccollections\nOrderedDict\n(K\1tR"), .part = "OrderedDict with 1 arguments"},
    {CODE("ctorch\nFloatStorage\n)R"), .part = "call of torch.FloatStorage"},
    {CODE("ctorch._utils\n_rebuild_tensor_v2\n)R"), .part = "has 0 members, expected 6"},
    {CODE("K\1)R"), .part = "found a integer, expected a name"},
    {CODE("}}R"), .part = "found a dict, expected a tuple"},
    {CODE("K\1a"), .part = "no list to append to"},
    {CODE("}(K\1e"), .part = "no list to append to"},
    {CODE("]e"), .part = "no mark on the stack"},
    {CODE("]a"), .part = "no list to append to"},
    {CODE("G1234567"), .part = "byte 0: a number of 8 bytes does not fit"},
    {CODE("\x8a\2a"), .part = "byte 0: a number of 2 bytes does not fit"},
    {CODE("ctorch._utils\n_rebuild_parameter\n)R"), .part = "has 0 members, expected 3"},
    {CODE("cmodels\nNet\n"), .part = "'models.Net' is refused: the file holds more than a state "
                                     "dict; save model.state_dict()"},
    {CODE("\x8c\1a"), .part = "the file holds more than a state dict; save model.state_dict()"},
    {CODE("]."), .part = "not hold a state dict; save model.state_dict()"},
    {CODE("}K\1K\2s."), .part = "no state dict with tensors; save model.state_dict()"},
    {CODE("K\1X\1\0\0\0aK\2s"), .part = "no dict"},
    {CODE("}(X\1\0\0\0au"), .part = "a key without its value"},
    {CODE("}X\1\0\0\0aK\2s."), .part = "no state dict with tensors; save model.state_dict()"},
    {CODE("}q\0X\1\0\0\0ah\0s."), .part = "no state dict with tensors"}, /* holds itself */
    {CODE("}K\1b"), .part = "found a integer, expected a dict"},
    {CODE("}Q"), .part = "found a dict, expected a tuple"},
    {CODE("(K\1K\1K\1K\1K\1tQ"), .part = "member 0 of a storage is a integer, expected a text"},
#undef CODE
};

H5_TEST(checkpoints, bad_pickles_are_refused) {
    for (size_t i = 0; i < sizeof bad_pickles / sizeof *bad_pickles; i++) {
        const struct bad_pickle *bad = &bad_pickles[i];
        struct md_state_dict dict;
        cr_assert_eq(md_pickle_read((const unsigned char *)bad->code, bad->length, &dict, &error),
                     MD_FAILED, "expected an error with '%s'", bad->part);
        assert_contains(error.text, bad->part);
    }
}

/* Appends the pickle of a state dict without its beginning (protocol) and its end (stop). */
static void put_state_dict(struct bytes *bytes, const struct checkpoint *checkpoint) {
    struct bytes whole = checkpoint_pickle(checkpoint);
    put(bytes, whole.data + 2, whole.count - 3);
    free(whole.data);
}

static void put_optimizer(struct bytes *bytes) {
    put_text(bytes, "optimizer");
    put_code(bytes, "}");
    put_text(bytes, "state");
    put_code(bytes, "}K\1}"); /* numbers of parameters are its keys */
    put_text(bytes, "exp_avg");
    put(bytes, "j\1\0\0\0sss", 8);
    put_text(bytes, "param_groups");
    put_code(bytes, "]}");
    put_text(bytes, "betas");
    put_code(bytes, "G12345678G12345678\x86s");
    put_text(bytes, "params");
    put_code(bytes, "](K\1\x8a\5"
                    "12345"
                    "esass");
}

/* What training programs keep beside the state dict, and below which names they put it. */
H5_TEST(checkpoints, state_dicts_among_other_things) {
    static const char *const names[] = {"state_dict", "model", "model_state_dict", "network"};
    const struct checkpoint checkpoint = {.network = network};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        struct bytes pickle = {0};
        put(&pickle, "\x80\2}", 3);
        put_text(&pickle, "epoch");
        put_code(&pickle, "K\3s");
        put_text(&pickle, names[n]);
        put_state_dict(&pickle, &checkpoint);
        put_code(&pickle, "s");
        put_optimizer(&pickle);
        put_text(&pickle, "scheduler");
        put_code(&pickle, "Ns");
        put_text(&pickle, "best_loss");
        put_code(&pickle, "G12345678s.");
        checkpoint_write_pickle(path.text, &checkpoint, pickle);
        assert_reads_same();
    }
}

/* Tensors saved by DataParallel and the like, and as parameters; numbers among the tensors. */
H5_TEST(checkpoints, wrapped_models) {
    static const char *const prefixes[] = {"module.", "_orig_mod.", "module.model."};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        checkpoint_write(path.text, (struct checkpoint){.prefix = prefixes[i]});
        assert_reads_same();
    }
    checkpoint_write(path.text, (struct checkpoint){.parameters = 1});
    assert_reads_same();
    checkpoint_write(path.text, (struct checkpoint){.broken = 3, .prefix = "module.", .name = "x"});
    assert_refused("'module.encoder.conv0.weight'", "not belong");
    struct checkpoint checkpoint = {.network = network};
    struct bytes pickle = {0};
    put(&pickle, "\x80\2", 2);
    put_state_dict(&pickle, &checkpoint);
    put_text(&pickle, "epoch");
    put_code(&pickle, "K\5s");
    put_text(&pickle, "note");
    put_text(&pickle, "of no use");
    put_code(&pickle, "s.");
    checkpoint_write_pickle(path.text, &checkpoint, pickle);
    assert_reads_same();
    pickle = (struct bytes){0};
    put(&pickle, "\x80\2}", 3);
    put_text(&pickle, "model");
    put_state_dict(&pickle, &checkpoint);
    put_code(&pickle, "s");
    put_text(&pickle, "ema");
    put_state_dict(&pickle, &checkpoint);
    put_code(&pickle, "s.");
    checkpoint_write_pickle(path.text, &checkpoint, pickle);
    assert_refused("more than one dict with tensors", "save model.state_dict()");
}

/* No byte of a pickle, changed or missing, may do more than make the reader refuse. That one must
 * not give other tensors in silence cannot be asked: a changed offset is as good as the right one.
 * The archive's checksum is what guards against that. */
H5_TEST(checkpoints, mutated_pickle_never_crashes) {
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

H5_TEST(checkpoints, truncated_pickle_is_refused) {
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

H5_TEST(checkpoints, pickle_with_a_changed_byte_in_a_good_archive) {
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

H5_TEST(checkpoints, damaged_archive_is_noticed) {
    checkpoint_write(path.text, (struct checkpoint){0});
    /* Nearly every byte is covered by a checksum; names and times are not. */
    cr_assert_geq(change_bytes(1511), 250);
}

H5_TEST(checkpoints, truncated_archive_is_refused) {
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

H5_TEST(checkpoints, published_checkpoints) {
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        struct md_weights_info info;
        path = shared_data(published[i].file);
        cr_assert_eq(read_found(&info), MD_OK, "%s", error.text);
        cr_assert_str_eq(info.stored_as, published[i].stored_as);
        cr_assert_str_eq(info.digest, published[i].digest);
    }
}

/* Real weights, through our own form and back. */
H5_TEST(checkpoints, published_checkpoint_survives_the_round_trip) {
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
