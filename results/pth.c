#include "pth.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "tensors are copied as they lie in the file, which is little-endian");

enum { MOST_PREFIX = 200 };

struct archive {
    zip_t *zip;
    char prefix[MOST_PREFIX]; /* what stands before "data.pkl" in the entry names */
    struct md_error *error;
};

static int open_archive(const char *path, struct archive *archive) {
    int code = 0;
    archive->zip = zip_open(path, ZIP_RDONLY, &code);
    if (archive->zip != NULL)
        return MD_OK;
    zip_error_t reason;
    zip_error_init_with_code(&reason, code);
    int status = md_fail(archive->error, MD_FAILED, "not a whole zip archive: %s",
                         zip_error_strerror(&reason));
    zip_error_fini(&reason);
    return status;
}

/* Every entry lies in one folder, which is named after the file PyTorch wrote. */
static int find_prefix(struct archive *archive) {
    static const char wanted[] = "/data.pkl";
    zip_int64_t count = zip_get_num_entries(archive->zip, 0);
    for (zip_int64_t i = 0; i < count; i++) {
        const char *name = zip_get_name(archive->zip, (zip_uint64_t)i, 0);
        const char *slash = name == NULL ? NULL : strchr(name, '/');
        if (slash == NULL || strcmp(slash, wanted) != 0 || slash - name >= MOST_PREFIX - 1)
            continue;
        snprintf(archive->prefix, sizeof archive->prefix, "%.*s/", (int)(slash - name), name);
        return MD_OK;
    }
    return md_fail(archive->error, MD_FAILED,
                   "no 'NAME/data.pkl' inside: not a checkpoint of "
                   "PyTorch 1.6 or later");
}

/* Reads the whole of an open entry. Only the read behind the last byte makes libzip compare the
 * checksum. */
static int read_opened(zip_file_t *entry, unsigned char *bytes, size_t size) {
    unsigned char beyond;
    return zip_fread(entry, bytes, size) == (zip_int64_t)size && zip_fread(entry, &beyond, 1) == 0;
}

/* Reads entry PREFIX`name` into memory of its own. The entry must not be compressed (PyTorch
 * never does), so that its size is bounded by the file's; and it must have `expected` bytes, or
 * at most `most` when `expected` is 0. */
static int read_entry(const struct archive *archive, const char *name, size_t expected, size_t most,
                      unsigned char **bytes, size_t *size) {
    char full[MOST_PREFIX + 64];
    zip_stat_t about;
    snprintf(full, sizeof full, "%s%s", archive->prefix, name);
    zip_uint64_t wanted =
        ZIP_STAT_INDEX | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if (zip_stat(archive->zip, full, 0, &about) != 0 || (about.valid & wanted) != wanted)
        return md_fail(archive->error, MD_FAILED, "no entry '%s' inside", full);
    if (about.comp_method != ZIP_CM_STORE || about.size != about.comp_size)
        return md_fail(archive->error, MD_FAILED, "entry '%s' is compressed, expected stored",
                       full);
    if (expected != 0 ? about.size != expected : about.size > most)
        return md_fail(archive->error, MD_FAILED, "entry '%s' has %llu bytes, expected %s%zu", full,
                       (unsigned long long)about.size, expected != 0 ? "" : "at most ",
                       expected != 0 ? expected : most);
    *size = (size_t)about.size;
    *bytes = malloc(*size + 1);
    zip_file_t *entry = zip_fopen_index(archive->zip, about.index, 0);
    int whole = *bytes != NULL && entry != NULL && read_opened(entry, *bytes, *size);
    if (entry != NULL)
        zip_fclose(entry);
    if (whole)
        return MD_OK;
    free(*bytes);
    *bytes = NULL;
    return md_fail(archive->error, MD_FAILED, "entry '%s' is truncated or has a wrong checksum",
                   full);
}

/* Absent means little: older versions of PyTorch knew nothing else. */
static int check_byte_order(const struct archive *archive) {
    char full[MOST_PREFIX + 64];
    snprintf(full, sizeof full, "%sbyteorder", archive->prefix);
    if (zip_name_locate(archive->zip, full, 0) < 0)
        return MD_OK;
    unsigned char *text = NULL;
    size_t size = 0;
    MD_TRY(read_entry(archive, "byteorder", 0, 16, &text, &size));
    int status = MD_OK;
    if (size != 6 || memcmp(text, "little", 6) != 0)
        status = md_fail(archive->error, MD_FAILED, "its byte order is not 'little'");
    free(text);
    return status;
}

static int read_state_dict(const struct archive *archive, struct md_state_dict *dict) {
    unsigned char *pickle = NULL;
    size_t size = 0;
    MD_TRY(read_entry(archive, "data.pkl", 0, MD_PICKLE_MOST_BYTES, &pickle, &size));
    int status = md_pickle_read(pickle, size, dict, archive->error);
    free(pickle);
    return status;
}

static void widen(enum md_storage_type type, const unsigned char *from, size_t count,
                  float *values) {
    if (type == MD_STORAGE_FLOAT32) {
        memcpy(values, from, count * sizeof *values);
        return;
    }
    /* A bfloat16 is the upper half of the float32 of the same value. */
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)from[2 * i] << 16 | (uint32_t)from[2 * i + 1] << 24;
        memcpy(&values[i], &bits, sizeof bits);
    }
}

static int read_values(const struct archive *archive, struct md_pth_tensor *tensor) {
    const size_t element = tensor->type == MD_STORAGE_FLOAT32 ? sizeof(float) : sizeof(uint16_t);
    char entry[64];
    unsigned char *storage = NULL;
    size_t size = 0;
    snprintf(entry, sizeof entry, "data/%s", tensor->storage);
    MD_TRY(read_entry(archive, entry, tensor->storage_count * element, 0, &storage, &size));
    tensor->values = malloc(tensor->count * sizeof *tensor->values);
    int status = md_check_memory(tensor->values != NULL, archive->error);
    if (status == MD_OK)
        widen(tensor->type, storage + tensor->offset * element, tensor->count, tensor->values);
    free(storage);
    return status;
}

/* Tensors may share a storage, so the sum is bounded, not each alone. */
static int check_total(const struct archive *archive, const struct md_state_dict *dict) {
    size_t total = 0;
    for (size_t i = 0; i < dict->count; i++)
        total += dict->tensors[i].storage_count;
    if (total <= MD_PICKLE_MOST_ELEMENTS)
        return MD_OK;
    return md_fail(archive->error, MD_FAILED, "%zu elements in all, expected at most %d", total,
                   MD_PICKLE_MOST_ELEMENTS);
}

static int read_tensors(const struct archive *archive, struct md_state_dict *dict) {
    MD_TRY(check_total(archive, dict));
    for (size_t i = 0; i < dict->count; i++) {
        int status = read_values(archive, &dict->tensors[i]);
        char where[120];
        snprintf(where, sizeof where, "tensor '%s'", dict->tensors[i].name);
        if (status != MD_OK)
            return md_fail_in(archive->error, status, where);
    }
    return MD_OK;
}

static int read_archive(struct archive *archive, struct md_state_dict *dict) {
    MD_TRY(find_prefix(archive));
    MD_TRY(check_byte_order(archive));
    MD_TRY(read_state_dict(archive, dict));
    return read_tensors(archive, dict);
}

int md_pth_read(const char *path, struct md_state_dict *dict, struct md_error *error) {
    struct archive archive = {.error = error};
    *dict = (struct md_state_dict){0};
    int status = open_archive(path, &archive);
    if (status == MD_OK) {
        status = read_archive(&archive, dict);
        zip_discard(archive.zip);
    }
    if (status == MD_OK)
        return MD_OK;
    md_state_dict_free(dict);
    return md_fail_in(error, status, path);
}
