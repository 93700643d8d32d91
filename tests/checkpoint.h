/* Makes checkpoints as PyTorch would write them, good ones and ones broken in a chosen way, for
 * tests of their reader. Only static functions, so that every test file may include it. */
#ifndef MD_TESTS_CHECKPOINT_H
#define MD_TESTS_CHECKPOINT_H

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "../core/network.h"

/* What to write. All zero is a good float32 checkpoint of the first network; `broken` is the index
 * of the parameter the faults below it apply to. */
struct checkpoint {
    const struct md_network *network;
    int bfloat16, compressed, no_byte_order, without_pickle;
    const char *byte_order; /* instead of "little" */
    const char *rebuild;    /* "module\nname\n" instead of the function that makes a tensor */
    const char *extra_name; /* an additional tensor */
    const char *prefix;     /* before all names */
    int parameters;         /* each tensor is a parameter */
    int broken;
    const char *name, *storage_type;                 /* instead of the right ones */
    int left_out, twice, without_entry, transposed;  /* yes or no */
    int more_elements, more_bytes, first_size, skip; /* storage, entry, shape, storage offset */
    uint32_t bits;                                   /* of its last value; 0: as it should be */
    int past_end;                                    /* bytes behind the end of the pickle */
};

struct bytes {
    unsigned char *data;
    size_t count, room;
};

static inline void put(struct bytes *bytes, const void *data, size_t count) {
    if (bytes->count + count > bytes->room) {
        bytes->room = 2 * (bytes->count + count);
        bytes->data = realloc(bytes->data, bytes->room);
        cr_assert(bytes->data);
    }
    memcpy(bytes->data + bytes->count, data, count);
    bytes->count += count;
}

static inline void put_code(struct bytes *bytes, const char *codes) {
    put(bytes, codes, strlen(codes));
}

static inline void put_text(struct bytes *bytes, const char *text) {
    uint32_t length = (uint32_t)strlen(text);
    put_code(bytes, "X");
    put(bytes, &length, sizeof length);
    put_code(bytes, text);
}

/* The shortest of the three forms, as Python chooses it. */
static inline void put_integer(struct bytes *bytes, int32_t number) {
    int small = number >= 0 && number < 256, medium = number >= 0 && number < 65536;
    put_code(bytes, small ? "K" : medium ? "M" : "J");
    put(bytes, &number, small ? 1 : medium ? 2 : 4);
}

static inline void put_sizes(struct bytes *bytes, int dimensions, const int *sizes) {
    static const char *const closing[] = {")", "\x85", "\x86", "\x87", "t"};
    put_code(bytes, dimensions > 3 ? "(" : "");
    for (int d = 0; d < dimensions; d++)
        put_integer(bytes, sizes[d]);
    put_code(bytes, closing[dimensions]);
}

/* The value of parameter element `place`: of bfloat16, so that both forms can hold it. */
static inline float checkpoint_value(size_t place) {
    uint32_t bits = (uint32_t)(0x3c00 + place * 2654435761u % 1024) << 16;
    float value;
    bits |= place % 3 == 0 ? 0x80000000u : 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline void put_tensor(struct bytes *bytes, const struct checkpoint *checkpoint, int index,
                              const struct md_parameter *parameter) {
    int broken = index == checkpoint->broken, strides[4], sizes[4];
    const char *type = checkpoint->bfloat16 ? "BFloat16Storage" : "FloatStorage";
    char key[16];
    put_code(bytes, checkpoint->rebuild && broken ? checkpoint->rebuild
                                                  : "ctorch._utils\n_rebuild_tensor_v2\n");
    put_code(bytes, "((");
    put_text(bytes, "storage");
    put_code(bytes, "ctorch\n");
    put_code(bytes, broken && checkpoint->storage_type ? checkpoint->storage_type : type);
    put_code(bytes, "\n");
    snprintf(key, sizeof key, "%d", index);
    put_text(bytes, key);
    put_text(bytes, "cpu");
    put_integer(bytes, (int)parameter->count + (broken ? checkpoint->more_elements : 0));
    put_code(bytes, "tQ");
    put_integer(bytes, broken ? checkpoint->skip : 0);
    memcpy(sizes, parameter->shape, sizeof sizes);
    for (int d = parameter->dimensions, stride = 1; d-- > 0; stride *= sizes[d])
        strides[d] = stride;
    if (broken && checkpoint->first_size)
        sizes[0] = checkpoint->first_size;
    if (broken && checkpoint->transposed) {
        int first = strides[0];
        strides[0] = strides[1];
        strides[1] = first;
    }
    put_sizes(bytes, parameter->dimensions, sizes);
    put_sizes(bytes, parameter->dimensions, strides);
    put_code(bytes, "\x89"
                    "ccollections\nOrderedDict\n)RtR");
}

/* The tensors go into memo slot 1 and the dict comes with attributes, to have all of the
 * instructions in. */
static inline struct bytes checkpoint_pickle(const struct checkpoint *checkpoint) {
    struct bytes bytes = {0};
    struct md_parameter parameter;
    put(&bytes,
        "\x80\x02"
        "ccollections\nOrderedDict\n)Rq\x00(",
        32);
    for (int p = 0; md_parameter(checkpoint->network, p, &parameter) == 0; p++) {
        int broken = p == checkpoint->broken;
        if (broken && checkpoint->left_out)
            continue;
        char name[96];
        snprintf(name, sizeof name, "%s%s", checkpoint->prefix ? checkpoint->prefix : "",
                 parameter.name);
        for (int times = 0; times < (broken && checkpoint->twice ? 2 : 1); times++) {
            put_text(&bytes, broken && checkpoint->name ? checkpoint->name : name);
            put_code(&bytes, checkpoint->parameters ? "ctorch._utils\n_rebuild_parameter\n(" : "");
            put_tensor(&bytes, checkpoint, p, &parameter);
            put_code(&bytes, checkpoint->parameters ? "\x89"
                                                      "ccollections\nOrderedDict\n)RtR"
                                                    : "");
            put(&bytes, "r\x01\x00\x00\x00", 5);
        }
    }
    if (checkpoint->extra_name) {
        put_text(&bytes, checkpoint->extra_name);
        put(&bytes, "j\x01\x00\x00\x00", 5);
    }
    put_code(&bytes, "u}");
    put_text(&bytes, "_metadata");
    put_code(&bytes, "}");
    put_text(&bytes, "version");
    put_code(&bytes, "K\x01ssb.");
    put(&bytes, "........", (size_t)checkpoint->past_end);
    return bytes;
}

/* The raw storage of a parameter, in little-endian float32 or bfloat16. */
static inline struct bytes checkpoint_storage(const struct checkpoint *checkpoint, int index,
                                              const struct md_parameter *parameter) {
    struct bytes bytes = {0};
    int broken = index == checkpoint->broken;
    size_t width = checkpoint->bfloat16 ? 2 : 4;
    for (size_t i = 0; i < parameter->count; i++) {
        float value = checkpoint_value(parameter->offset + i);
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        if (broken && checkpoint->bits && i + 1 == parameter->count)
            bits = checkpoint->bits;
        put(&bytes, (unsigned char *)&bits + 4 - width, width);
    }
    for (int i = 0; broken && i < checkpoint->more_bytes; i++)
        put(&bytes, "", 1);
    return bytes;
}

/* Adds an entry and takes over the memory of `bytes`. */
static inline void add_entry(zip_t *zip, const struct checkpoint *checkpoint, const char *name,
                             struct bytes bytes) {
    char full[64];
    snprintf(full, sizeof full, "archive/%s", name);
    zip_source_t *source = zip_source_buffer(zip, bytes.data, bytes.count, 1);
    zip_int64_t index = zip_file_add(zip, full, source, 0);
    cr_assert_geq(index, 0);
    zip_set_file_compression(zip, (zip_uint64_t)index,
                             checkpoint->compressed ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0);
}

/* Writes a .pth with the given pickle, whose memory it takes over. */
static inline void checkpoint_write_pickle(const char *path, const struct checkpoint *checkpoint,
                                           struct bytes pickle) {
    struct md_parameter parameter;
    struct bytes order = {0};
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
    cr_assert(zip);
    if (checkpoint->without_pickle)
        free(pickle.data);
    else
        add_entry(zip, checkpoint, "data.pkl", pickle);
    put_code(&order, checkpoint->byte_order ? checkpoint->byte_order : "little");
    if (checkpoint->no_byte_order)
        free(order.data);
    else
        add_entry(zip, checkpoint, "byteorder", order);
    for (int p = 0; md_parameter(checkpoint->network, p, &parameter) == 0; p++) {
        char name[16];
        snprintf(name, sizeof name, "data/%d", p);
        if (p != checkpoint->broken || !checkpoint->without_entry)
            add_entry(zip, checkpoint, name, checkpoint_storage(checkpoint, p, &parameter));
    }
    cr_assert_eq(zip_close(zip), 0);
}

static inline void checkpoint_write(const char *path, struct checkpoint checkpoint) {
    if (checkpoint.network == NULL)
        checkpoint.network = md_networks[0];
    checkpoint_write_pickle(path, &checkpoint, checkpoint_pickle(&checkpoint));
}

#endif
