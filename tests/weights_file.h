/* For the tests of weights files: weights in memory, a file of them, and what becomes of it when it
 * is damaged. Static state and functions; include it in one file of a program. */
#ifndef MD_TESTS_WEIGHTS_FILE_H
#define MD_TESTS_WEIGHTS_FILE_H

#include "../results/weights.h"
#include "checkpoint.h"
#include "scratch.h"

enum { TOTAL = 107625 };

static struct scratch_path path; /* of the file under test */
static struct md_error error;
static const struct md_network *network;
static float *written, *found;

static inline void begin_weights(void) {
    scratch = scratch_open();
    path = scratch_path(&scratch, "weights");
    network = md_networks[0];
    written = malloc(TOTAL * sizeof *written);
    found = calloc(TOTAL, sizeof *found);
    cr_assert(written && found);
    for (size_t i = 0; i < TOTAL; i++)
        written[i] = checkpoint_value(i);
}

static inline void end_weights(void) {
    scratch_close(&scratch);
    free(written);
    free(found);
}

static inline int read_found(struct md_weights_info *info) {
    return md_weights_read(path.text, network, found, info, &error);
}

static inline int same_values(void) {
    return memcmp(found, written, TOTAL * sizeof *found) == 0;
}

static inline void assert_reads_same(void) {
    cr_assert_eq(read_found(NULL), MD_OK, "%s", error.text);
    cr_assert(same_values());
}

/* The file must be refused with the two parts, and the file's name, in the text. */
static inline void assert_refused(const char *part, const char *other) {
    cr_assert_eq(read_found(NULL), MD_FAILED, "expected an error with '%s'", part);
    assert_contains(error.text, path.text);
    assert_contains(error.text, part);
    assert_contains(error.text, other);
}

static inline void write_byte(size_t place, int value) {
    FILE *file = fopen(path.text, "r+b");
    cr_assert(file);
    cr_assert_eq(fseek(file, (long)place, SEEK_SET), 0);
    putc(value, file);
    cr_assert_eq(fclose(file), 0);
}

/* Every `stride`-th byte of the file is changed: an error, or the same values. Returns how many
 * changes were noticed. */
static inline int change_bytes(size_t stride) {
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
static inline void truncate_file(size_t stride) {
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

#endif
