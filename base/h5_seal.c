#include <errno.h>
#include <string.h>

#include "digest.h"
#include "h5_internal.h"

#define BEGIN "mudepth XXH3-128 "
enum { SEAL_SIZE = MD_H5_SEAL_BYTES + 1, BLOCK = 1 << 16 };
_Static_assert(SEAL_SIZE == sizeof BEGIN + MD_DIGEST_SIZE, "the digits and a line feed");

static void make_seal(XXH128_hash_t hash, char seal[SEAL_SIZE]) {
    char digest[MD_DIGEST_SIZE];
    md_digest_text(hash, digest);
    snprintf(seal, SEAL_SIZE, BEGIN "%s\n", digest);
}

int md_h5_write_sealed(FILE *stream, const void *image, size_t size) {
    char seal[SEAL_SIZE];
    make_seal(XXH3_128bits(image, size), seal);
    return fwrite(image, 1, size, stream) == size && fputs(seal, stream) >= 0 ? 0 : -1;
}

/* Of the file's first `size` bytes. */
static XXH128_hash_t hash_stream(FILE *stream, long size, XXH3_state_t *state) {
    unsigned char block[BLOCK];
    size_t got = 1;
    XXH3_128bits_reset(state);
    rewind(stream);
    for (; size > 0 && got > 0; size -= (long)got) {
        got = fread(block, 1, size < BLOCK ? (size_t)size : BLOCK, stream);
        XXH3_128bits_update(state, block, got);
    }
    return XXH3_128bits_digest(state);
}

/* Reads what stands where a seal would; *size is that of all before it. */
static int has_seal(FILE *stream, long *size, char found[SEAL_SIZE]) {
    if (fseek(stream, 1 - (long)SEAL_SIZE, SEEK_END) != 0 || (*size = ftell(stream)) < 0 ||
        fread(found, SEAL_SIZE - 1, 1, stream) != 1)
        return 0;
    found[SEAL_SIZE - 1] = '\0';
    return strncmp(found, BEGIN, sizeof BEGIN - 1) == 0;
}

int md_h5_check_seal(const char *path, struct md_error *error) {
    FILE *stream = fopen(path, "rb");
    if (stream == NULL)
        return md_fail(error, MD_FAILED, "%s: cannot open: %s", path, strerror(errno));
    XXH3_state_t *state = XXH3_createState();
    char found[SEAL_SIZE], made[SEAL_SIZE];
    long size;
    int status = md_check_memory(state != NULL, error);
    if (status == MD_OK && has_seal(stream, &size, found)) {
        make_seal(hash_stream(stream, size, state), made);
        if (strcmp(made, found) != 0)
            status =
                md_fail(error, MD_FAILED,
                        "%s: damaged: not all of it is as it was written (its digest is %.32s, "
                        "expected %.32s)",
                        path, made + sizeof BEGIN - 1, found + sizeof BEGIN - 1);
    }
    XXH3_freeState(state);
    fclose(stream);
    return status;
}
