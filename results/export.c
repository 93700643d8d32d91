#include "export.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "../base/file.h"
#include "../base/npy.h"
#include "../core/rounding.h"
#include "onnx.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "tensors are copied as they lie in memory; in the files they are little-endian");

const char *const md_export_types[] = {"float32", "bfloat16", NULL};

struct export {
    const char *path;
    const struct md_network *network;
    const float *values;
    const struct md_weights_info *info;
    const uint16_t *halves; /* the values as bfloat16; NULL: they are to be float32 */
    struct md_error *error;
};

size_t md_export_rounded(const float *values, size_t count) {
    size_t rounded = 0;
    for (size_t i = 0; i < count; i++)
        rounded += md_bf16_round(values[i]) != values[i];
    return rounded;
}

static int no_memory(const struct export *e) {
    return md_fail(e->error, MD_FAILED, "%s: out of memory", e->path);
}

/* ---- archives -------------------------------------------------------------------------------- */

/* Adds an entry (source: NULL when there was no memory), stored, with the first of all times. */
static int add_source(const struct export *e, zip_t *zip, const char *name, zip_source_t *source) {
    if (source == NULL)
        return no_memory(e);
    zip_int64_t index = zip_file_add(zip, name, source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
        zip_source_free(source);
        return md_fail(e->error, MD_FAILED, "%s: cannot add %s: %s", e->path, name,
                       zip_strerror(zip));
    }
    zip_set_file_compression(zip, (zip_uint64_t)index, ZIP_CM_STORE, 0);
    zip_file_set_dostime(zip, (zip_uint64_t)index, 0, 1 << 5 | 1, 0); /* 1980-01-01 */
    return MD_OK;
}

/* The same for bytes whose memory it takes over. */
static int add_entry(const struct export *e, zip_t *zip, const char *name, void *bytes,
                     size_t size) {
    zip_source_t *source = bytes != NULL ? zip_source_buffer(zip, bytes, size, 1) : NULL;
    if (source == NULL)
        free(bytes);
    return add_source(e, zip, name, source);
}

static int add_text(const struct export *e, zip_t *zip, const char *name, const char *text) {
    return add_source(e, zip, name, zip_source_buffer(zip, text, strlen(text), 0));
}

/* Writes the bytes that an archive came to. */
static int write_source(const struct export *e, zip_source_t *source) {
    zip_stat_t about;
    if (zip_source_stat(source, &about) != 0 || zip_source_open(source) != 0)
        return md_fail(e->error, MD_FAILED, "%s: %s", e->path,
                       zip_error_strerror(zip_source_error(source)));
    unsigned char *bytes = malloc(about.size);
    int status = MD_OK;
    if (bytes == NULL || zip_source_read(source, bytes, about.size) != (zip_int64_t)about.size)
        status = no_memory(e);
    zip_source_close(source);
    MD_THEN(status, md_file_write(e->path, bytes, about.size, e->error));
    free(bytes);
    return status;
}

/* Makes an archive, in memory, of what `fill` adds to it. */
static int write_archive(const struct export *e,
                         int (*fill)(const struct export *e, zip_t *archive)) {
    zip_error_t problem;
    zip_error_init(&problem);
    zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, &problem);
    zip_t *zip = source != NULL ? zip_open_from_source(source, ZIP_TRUNCATE, &problem) : NULL;
    int status = MD_OK;
    if (zip == NULL) {
        status = md_fail(e->error, MD_FAILED, "%s: %s", e->path, zip_error_strerror(&problem));
        zip_source_free(source);
    } else {
        zip_source_keep(source);
        status = fill(e, zip);
        if (status == MD_OK && zip_close(zip) != 0)
            status = md_fail(e->error, MD_FAILED, "%s: %s", e->path, zip_strerror(zip));
        else if (status == MD_OK)
            zip = NULL;
        if (zip != NULL)
            zip_discard(zip);
        MD_THEN(status, write_source(e, source));
        zip_source_free(source);
    }
    zip_error_fini(&problem);
    return status;
}

/* ---- .npz ------------------------------------------------------------------------------------ */

static int fill_npz(const struct export *e, zip_t *zip) {
    struct md_parameter p;
    for (int i = 0; md_parameter(e->network, i, &p) == 0; i++) {
        char name[sizeof p.name + sizeof ".npy"];
        size_t shape[4], size;
        for (int d = 0; d < p.dimensions; d++)
            shape[d] = (size_t)p.shape[d];
        unsigned char *bytes = md_npy_bytes(e->values + p.offset, p.dimensions, shape, &size);
        snprintf(name, sizeof name, "%s.npy", p.name);
        MD_TRY(add_entry(e, zip, name, bytes, size));
    }
    return MD_OK;
}

static int write_npz(const struct export *e) {
    return write_archive(e, fill_npz);
}

/* ---- .pth ------------------------------------------------------------------------------------ */

/* Instructions of Python's pickle, protocol 2, which PyTorch writes: the least that makes an
 * OrderedDict of tensors. */
static void put_text(FILE *pickle, const char *text) { /* BINUNICODE */
    uint32_t length = (uint32_t)strlen(text);
    putc('X', pickle);
    fwrite(&length, sizeof length, 1, pickle);
    fputs(text, pickle);
}

static void put_integer(FILE *pickle, size_t number) { /* BININT; no network has 2^31 elements */
    int32_t value = (int32_t)number;
    putc('J', pickle);
    fwrite(&value, sizeof value, 1, pickle);
}

/* (function) (storage, offset, shape, strides, requires_grad, hooks) REDUCE */
static void put_tensor(FILE *pickle, const struct export *e, int index,
                       const struct md_parameter *p) {
    char key[16];
    size_t strides[4], stride = 1;
    snprintf(key, sizeof key, "%d", index);
    fputs("ctorch._utils\n_rebuild_tensor_v2\n((", pickle);
    put_text(pickle, "storage");
    fputs(e->halves != NULL ? "ctorch\nBFloat16Storage\n" : "ctorch\nFloatStorage\n", pickle);
    put_text(pickle, key);
    put_text(pickle, "cpu");
    put_integer(pickle, p->count);
    fputs("tQ", pickle); /* TUPLE BINPERSID */
    put_integer(pickle, 0);
    for (int d = p->dimensions; d-- > 0; stride *= (size_t)p->shape[d])
        strides[d] = stride;
    putc('(', pickle);
    for (int d = 0; d < p->dimensions; d++)
        put_integer(pickle, (size_t)p->shape[d]);
    fputs("t(", pickle);
    for (int d = 0; d < p->dimensions; d++)
        put_integer(pickle, strides[d]);
    fputs("t\x89" /* NEWFALSE */ "ccollections\nOrderedDict\n)RtR", pickle);
}

static void put_state_dict(FILE *pickle, const struct export *e) {
    struct md_parameter p;
    fputs("\x80\x02" /* PROTO 2 */ "ccollections\nOrderedDict\n)R(", pickle);
    for (int i = 0; md_parameter(e->network, i, &p) == 0; i++) {
        put_text(pickle, p.name);
        put_tensor(pickle, e, i, &p);
    }
    fputs("u.", pickle); /* SETITEMS STOP */
}

static int fill_pth(const struct export *e, zip_t *zip) {
    struct md_parameter p;
    char *text = NULL, name[32];
    size_t size = 0;
    FILE *pickle = open_memstream(&text, &size);
    if (pickle == NULL)
        return no_memory(e);
    put_state_dict(pickle, e);
    if (fclose(pickle) != 0) {
        free(text);
        return no_memory(e);
    }
    MD_TRY(add_entry(e, zip, "archive/data.pkl", text, size));
    MD_TRY(add_text(e, zip, "archive/byteorder", "little"));
    for (int i = 0; md_parameter(e->network, i, &p) == 0; i++) {
        const size_t width = e->halves != NULL ? sizeof *e->halves : sizeof *e->values;
        const void *from =
            e->halves != NULL ? (const void *)(e->halves + p.offset) : e->values + p.offset;
        snprintf(name, sizeof name, "archive/data/%d", i);
        MD_TRY(add_source(e, zip, name, zip_source_buffer(zip, from, p.count * width, 0)));
    }
    return add_text(e, zip, "archive/version", "3\n");
}

static int write_pth(const struct export *e) {
    return write_archive(e, fill_pth);
}

/* ---- .h -------------------------------------------------------------------------------------- */

/* Text from elsewhere must not end the comment that it stands in, nor look like another one. */
static void put_comment(FILE *header, const char *what, const char *text) {
    fprintf(header, " * %s: ", what);
    for (; *text != '\0'; text++)
        putc(isprint((unsigned char)*text) && *text != '*' && *text != '\\' ? *text : '?', header);
    putc('\n', header);
}

/* An identifier of a name: "encoder_conv0_weight". */
static void put_name(FILE *header, const char *name, int (*letter)(int)) {
    for (; *name != '\0'; name++)
        putc(isalnum((unsigned char)*name) ? letter((unsigned char)*name) : '_', header);
}

static void put_members(FILE *header, const struct export *e) {
    struct md_parameter p;
    for (int i = 0; md_parameter(e->network, i, &p) == 0; i++) {
        fprintf(header, "    %s ", e->halves != NULL ? "uint16_t" : "float");
        put_name(header, p.name, tolower);
        fprintf(header, "[%zu]; /* (", p.count);
        for (int d = 0; d < p.dimensions; d++)
            fprintf(header, "%s%d", d > 0 ? ", " : "", p.shape[d]);
        fputs(") */\n", header);
    }
}

static void put_values(FILE *header, const struct export *e) {
    struct md_parameter p;
    for (int i = 0; md_parameter(e->network, i, &p) == 0; i++) {
        fprintf(header, "    /* %s */\n    {", p.name);
        for (size_t k = 0; k < p.count; k++) {
            fputs(k == 0 ? "" : k % 8 == 0 ? ",\n     " : ", ", header);
            if (e->halves != NULL)
                fprintf(header, "0x%04x", e->halves[p.offset + k]);
            else
                fprintf(header, "%af", (double)e->values[p.offset + k]);
        }
        fputs("},\n", header);
    }
}

static void put_header(FILE *header, const struct export *e) {
    const char *name = e->network->name;
    fprintf(header, "/* Weights of %s, %zu parameters as %s%s.\n", name,
            md_parameter_total(e->network), md_export_types[e->halves != NULL],
            e->halves != NULL ? ", the upper half of a float32" : "");
    put_comment(header, "source", e->info->source);
    put_comment(header, "digest of the float32 weights (XXH3-128)", e->info->digest);
    fputs(" * Convolutions are (co, ci, 3, 3), transposed ones (ci, co, 2, 2). */\n#ifndef ",
          header);
    put_name(header, name, toupper);
    fputs("_WEIGHTS_H\n#define ", header);
    put_name(header, name, toupper);
    fputs("_WEIGHTS_H\n\n#include <stdint.h>\n\nstatic const struct ", header);
    put_name(header, name, tolower);
    fputs("_weights {\n", header);
    put_members(header, e);
    fputs("} ", header);
    put_name(header, name, tolower);
    fputs("_weights = {\n", header);
    put_values(header, e);
    fputs("};\n\n#endif\n", header);
}

static int write_stream(const struct export *e, void (*put)(FILE *to, const struct export *e)) {
    struct md_new_file file;
    MD_TRY(md_new_file_open(e->path, &file, e->error));
    put(file.stream, e);
    return md_new_file_finish(&file, MD_OK, e->error);
}

static int write_header(const struct export *e) {
    return write_stream(e, put_header);
}

static void put_onnx(FILE *to, const struct export *e) {
    md_onnx_write(to, e->network, e->values, e->info);
}

static int write_onnx(const struct export *e) {
    return write_stream(e, put_onnx);
}

/* ---- all forms ------------------------------------------------------------------------------- */

static const struct form {
    const char *ending;
    int (*write)(const struct export *e);
    int has_bfloat16;
} forms[] = {{".pth", write_pth, 1},
             {".npz", write_npz, 0},
             {".h", write_header, 1},
             {".onnx", write_onnx, 0}};

/* To be freed, as *halves. No weight becomes infinite. */
static int to_bfloat16(const struct export *e, uint16_t **halves) {
    struct md_parameter p;
    *halves = malloc(md_parameter_total(e->network) * sizeof **halves);
    if (*halves == NULL)
        return no_memory(e);
    for (int i = 0; md_parameter(e->network, i, &p) == 0; i++)
        for (size_t k = 0; k < p.count; k++) {
            const float value = e->values[p.offset + k];
            (*halves)[p.offset + k] = md_bf16_narrow(value);
            if (!isfinite(md_bf16_round(value)))
                return md_fail(e->error, MD_FAILED,
                               "%s: tensor '%s': element %zu is %g, too large for bfloat16",
                               e->path, p.name, k, (double)value);
        }
    return MD_OK;
}

static const struct form *find_form(const char *path) {
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++)
        if (md_bare_length(path, (const char *const[]){forms[f].ending, NULL}) > 0)
            return &forms[f];
    return NULL;
}

int md_weights_export(const char *path, const struct md_network *network, const float *values,
                      const struct md_weights_info *info, enum md_export_type type,
                      struct md_error *error) {
    struct export e = {
        .path = path, .network = network, .values = values, .info = info, .error = error};
    const struct form *form = find_form(path);
    uint16_t *halves = NULL;
    int status = MD_OK;
    if (form == NULL)
        return md_fail(error, MD_USAGE, "%s: expected a name that ends in .pth, .npz, .h or .onnx",
                       path);
    if (type == MD_EXPORT_BFLOAT16 && !form->has_bfloat16)
        return md_fail(error, MD_USAGE, "%s: expected a .pth or .h for bfloat16", path);
    if (type == MD_EXPORT_BFLOAT16)
        status = to_bfloat16(&e, &halves);
    e.halves = halves;
    MD_THEN(status, form->write(&e));
    free(halves);
    return status;
}
