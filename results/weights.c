#include "weights.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../base/digest.h"
#include "../base/file.h"
#include "append.h"
#include "pth.h"

#define GROUP "/weights"

void md_weights_digest(const float *values, size_t count, char digest[33]) {
    md_digest_text(XXH3_128bits(values, count * sizeof *values), digest);
}

/* The attributes of /weights and where they lie in md_weights_info. */
static const struct text_field {
    const char *name;
    size_t offset, size;
} text_fields[] = {
#define FIELD(name)                                                                                \
    { #name, offsetof(struct md_weights_info, name), sizeof((struct md_weights_info *)0)->name }
    FIELD(network),      FIELD(source),    FIELD(command),
    FIELD(code_version), FIELD(stored_as), FIELD(digest),
#undef FIELD
};
enum { FIELD_COUNT = sizeof text_fields / sizeof *text_fields };

static int find_parameter(const struct md_network *network, const char *name,
                          struct md_parameter *parameter) {
    for (int p = 0; md_parameter(network, p, parameter) == 0; p++)
        if (strcmp(parameter->name, name) == 0)
            return 0;
    return -1;
}

static int unknown_tensor(const struct md_network *network, const char *path, const char *name,
                          struct md_error *error) {
    return md_fail(error, MD_FAILED, "%s: tensor '%.100s' does not belong to network %s", path,
                   name, network->name);
}

static int check_finite(const float *values, const struct md_parameter *parameter, const char *path,
                        struct md_error *error) {
    for (size_t i = 0; i < parameter->count; i++)
        if (!isfinite(values[i]))
            return md_fail(error, MD_FAILED,
                           "%s: tensor '%s': element %zu is %f, expected a finite "
                           "number",
                           path, parameter->name, i, (double)values[i]);
    return MD_OK;
}

/* Writes a shape as "(8, 3, 3, 3)". */
static void format_shape(int dimensions, const size_t *shape, size_t size, char *text) {
    snprintf(text, size, "(");
    for (int d = 0; d < dimensions; d++)
        md_append(text, size, d == 0 ? "%zu" : ", %zu", shape[d]);
    md_append(text, size, ")");
}

static void parameter_shape(const struct md_parameter *parameter, size_t shape[4]) {
    for (int d = 0; d < 4; d++)
        shape[d] = (size_t)parameter->shape[d];
}

/* ---- published checkpoints ---- */

static int same_shape(const struct md_pth_tensor *tensor, const struct md_parameter *parameter) {
    int same = tensor->dimensions == parameter->dimensions;
    for (int d = 0; same && d < tensor->dimensions; d++)
        same = tensor->shape[d] == (size_t)parameter->shape[d];
    return same;
}

static int check_shape(const struct md_pth_tensor *tensor, const struct md_parameter *parameter,
                       const char *path, struct md_error *error) {
    if (same_shape(tensor, parameter))
        return MD_OK;
    char found[100], wanted[100];
    size_t shape[4];
    parameter_shape(parameter, shape);
    format_shape(tensor->dimensions, tensor->shape, sizeof found, found);
    format_shape(parameter->dimensions, shape, sizeof wanted, wanted);
    return md_fail(error, MD_FAILED, "%s: tensor '%s' has the shape %s, expected %s", path,
                   parameter->name, found, wanted);
}

static const struct md_pth_tensor *find_tensor(const struct md_state_dict *checkpoint,
                                               const char *name) {
    for (size_t i = 0; i < checkpoint->count; i++)
        if (strcmp(checkpoint->tensors[i].name, name) == 0)
            return &checkpoint->tensors[i];
    return NULL;
}

/* Checks that the checkpoint has the parameters of `network`, all of them and nothing else. */
static int match_pth(const struct md_state_dict *checkpoint, const struct md_network *network,
                     const char *path, struct md_error *error) {
    struct md_parameter parameter;
    for (size_t i = 0; i < checkpoint->count; i++)
        if (find_parameter(network, checkpoint->tensors[i].name, &parameter) != 0)
            return unknown_tensor(network, path, checkpoint->tensors[i].name, error);
    for (int p = 0; md_parameter(network, p, &parameter) == 0; p++) {
        const struct md_pth_tensor *tensor = find_tensor(checkpoint, parameter.name);
        if (tensor == NULL)
            return md_fail(error, MD_FAILED, "%s: tensor '%s' of network %s is missing", path,
                           parameter.name, network->name);
        MD_TRY(check_shape(tensor, &parameter, path, error));
    }
    return MD_OK;
}

/* A file is bfloat16 when all of it is: then its values fit into bfloat16 without loss. */
static const char *stored_type(const struct md_state_dict *checkpoint) {
    for (size_t i = 0; i < checkpoint->count; i++)
        if (checkpoint->tensors[i].type != MD_STORAGE_BFLOAT16)
            return "float32";
    return "bfloat16";
}

static void describe_pth(const struct md_state_dict *checkpoint, const struct md_network *network,
                         const char *path, const float *values, struct md_weights_info *info) {
    *info = (struct md_weights_info){0};
    snprintf(info->network, sizeof info->network, "%s", network->name);
    snprintf(info->source, sizeof info->source, "%s", path);
    snprintf(info->stored_as, sizeof info->stored_as, "%s", stored_type(checkpoint));
    md_weights_digest(values, md_parameter_total(network), info->digest);
}

static int copy_pth(const struct md_state_dict *checkpoint, const struct md_network *network,
                    const char *path, float *values, struct md_error *error) {
    struct md_parameter parameter;
    MD_TRY(match_pth(checkpoint, network, path, error));
    for (int p = 0; md_parameter(network, p, &parameter) == 0; p++) {
        float *to = values + parameter.offset;
        memcpy(to, find_tensor(checkpoint, parameter.name)->values, parameter.count * sizeof *to);
        MD_TRY(check_finite(to, &parameter, path, error));
    }
    return MD_OK;
}

static int read_pth(const char *path, const struct md_network *network, float *values,
                    struct md_weights_info *info, struct md_error *error) {
    struct md_state_dict checkpoint;
    MD_TRY(md_pth_read(path, &checkpoint, error));
    int status = copy_pth(&checkpoint, network, path, values, error);
    if (status == MD_OK && info != NULL)
        describe_pth(&checkpoint, network, path, values, info);
    md_state_dict_free(&checkpoint);
    return status;
}

static int network_of_pth(const char *path, const struct md_network **network,
                          struct md_error *error) {
    struct md_state_dict checkpoint;
    MD_TRY(md_pth_read(path, &checkpoint, error));
    struct md_error difference = {{0}},
                    nearest = {{0}}; /* what the first network misses is the best hint */
    int status = MD_OK;
    *network = NULL;
    for (int n = 0; *network == NULL && md_networks[n] != NULL; n++) {
        if (match_pth(&checkpoint, md_networks[n], "nearest", &difference) == MD_OK)
            *network = md_networks[n];
        nearest = n == 0 ? difference : nearest;
    }
    if (*network == NULL)
        status =
            md_fail(error, MD_FAILED, "%s: no network has these tensors (%s)", path, nearest.text);
    md_state_dict_free(&checkpoint);
    return status;
}

/* ---- our own form ---- */

static int read_info(hid_t file, struct md_weights_info *info, struct md_error *error) {
    for (int f = 0; f < FIELD_COUNT; f++)
        MD_TRY(md_h5_read_text(file, GROUP, text_fields[f].name, text_fields[f].size,
                               (char *)info + text_fields[f].offset, error));
    return MD_OK;
}

static int check_network(const char *path, const struct md_network *network,
                         const struct md_weights_info *info, struct md_error *error) {
    if (strcmp(info->network, network->name) == 0)
        return MD_OK;
    return md_fail(error, MD_FAILED, "%s: these are weights of network '%s', expected %s", path,
                   info->network, network->name);
}

struct link_check {
    const char *path;
    const struct md_network *network;
    struct md_error *error;
};

static herr_t check_link(hid_t group, const char *name, const H5L_info_t *about, void *context) {
    const struct link_check *check = context;
    struct md_parameter parameter;
    (void)group;
    (void)about;
    if (find_parameter(check->network, name, &parameter) == 0)
        return 0;
    unknown_tensor(check->network, check->path, name, check->error);
    return 1;
}

static int check_links(const char *path, hid_t file, const struct md_network *network,
                       struct md_error *error) {
    struct link_check check = {path, network, error};
    herr_t found = H5Literate_by_name(file, GROUP, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, check_link,
                                      &check, H5P_DEFAULT);
    if (found < 0)
        return md_fail(error, MD_FAILED, "%s: cannot list what is in " GROUP, path);
    return found == 0 ? MD_OK : MD_FAILED;
}

static int read_parameter(const char *path, hid_t file, const struct md_parameter *parameter,
                          float *values, struct md_error *error) {
    char name[sizeof GROUP + sizeof parameter->name];
    size_t shape[4];
    parameter_shape(parameter, shape);
    snprintf(name, sizeof name, GROUP "/%s", parameter->name);
    MD_TRY(md_h5_check_plain(file, name, H5T_IEEE_F32LE, error));
    MD_TRY(md_h5_read(file, name, H5T_NATIVE_FLOAT, parameter->dimensions, shape, parameter->count,
                      values + parameter->offset, error));
    return check_finite(values + parameter->offset, parameter, path, error);
}

static int check_digest(const char *path, const struct md_network *network, const float *values,
                        const struct md_weights_info *info, struct md_error *error) {
    char digest[33];
    md_weights_digest(values, md_parameter_total(network), digest);
    if (strcmp(digest, info->digest) == 0)
        return MD_OK;
    return md_fail(error, MD_FAILED, "%s: the weights are damaged: their digest is %s, expected %s",
                   path, digest, info->digest);
}

static int read_opened(const char *path, hid_t file, const struct md_network *network,
                       float *values, struct md_weights_info *info, struct md_error *error) {
    struct md_parameter parameter;
    MD_TRY(read_info(file, info, error));
    MD_TRY(check_network(path, network, info, error));
    MD_TRY(check_links(path, file, network, error));
    for (int p = 0; md_parameter(network, p, &parameter) == 0; p++)
        MD_TRY(read_parameter(path, file, &parameter, values, error));
    return check_digest(path, network, values, info, error);
}

static int read_h5(const char *path, const struct md_network *network, float *values,
                   struct md_weights_info *info, struct md_error *error) {
    struct md_weights_info found = {0};
    hid_t file;
    MD_TRY(md_h5_open(path, &file, error));
    int status = read_opened(path, file, network, values, &found, error);
    H5Fclose(file);
    if (status == MD_OK && info != NULL)
        *info = found;
    return status;
}

static int network_of_h5(const char *path, const struct md_network **network,
                         struct md_error *error) {
    char name[sizeof((struct md_weights_info *)0)->network];
    hid_t file;
    MD_TRY(md_h5_open(path, &file, error));
    int status = md_h5_read_text(file, GROUP, "network", sizeof name, name, error);
    H5Fclose(file);
    *network = status == MD_OK ? md_network_find(name) : NULL;
    if (status == MD_OK && *network == NULL)
        status = md_fail(error, MD_FAILED, "%s: these are weights of an unknown network '%s'", path,
                         name);
    return status;
}

int md_weights_store(hid_t file, const struct md_network *network, const float *values,
                     const struct md_weights_info *info, struct md_error *error) {
    struct md_parameter parameter;
    struct md_weights_info stored = *info;
    for (int p = 0; md_parameter(network, p, &parameter) == 0; p++) {
        char name[sizeof GROUP + sizeof parameter.name];
        size_t shape[4];
        parameter_shape(&parameter, shape);
        snprintf(name, sizeof name, GROUP "/%s", parameter.name);
        MD_TRY(md_h5_write(file, name, H5T_IEEE_F32LE, parameter.dimensions, shape,
                           values + parameter.offset, error));
    }
    snprintf(stored.network, sizeof stored.network, "%s", network->name);
    md_weights_digest(values, md_parameter_total(network), stored.digest);
    for (int f = 0; f < FIELD_COUNT; f++)
        MD_TRY(md_h5_write_text(file, GROUP, text_fields[f].name,
                                (const char *)&stored + text_fields[f].offset, error));
    return MD_OK;
}

int md_weights_write(const char *path, const struct md_network *network, const float *values,
                     const struct md_weights_info *info, struct md_error *error) {
    struct md_h5_writer writer;
    MD_TRY(md_h5_create(path, &writer, error));
    int status = md_weights_store(writer.file, network, values, info, error);
    return md_h5_finish(&writer, status, error);
}

/* ---- either form ---- */

enum form { FORM_PTH, FORM_H5, FORM_COUNT };

static const struct form_reader {
    const char *magic;
    size_t magic_length;
    int (*read)(const char *path, const struct md_network *network, float *values,
                struct md_weights_info *info, struct md_error *error);
    int (*network)(const char *path, const struct md_network **network, struct md_error *error);
} forms[FORM_COUNT] = {
    [FORM_PTH] = {"PK", 2, read_pth, network_of_pth},
    [FORM_H5] = {"\x89HDF\r\n\x1a\n", 8, read_h5, network_of_h5},
};

/* Where the file is, which may have come with the program, and what it is. */
static int find_form(const char *name, char path[MD_PATH_MAX], const struct form_reader **form,
                     struct md_error *error) {
    char start[8] = {0};
    md_shipped_path(name, path);
    MD_TRY(md_check_readable(path, error));
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return md_fail(error, MD_FAILED, "%s: cannot open: %s", path, strerror(errno));
    size_t length = fread(start, 1, sizeof start, file);
    fclose(file);
    for (int f = 0; f < FORM_COUNT; f++)
        if (length >= forms[f].magic_length &&
            memcmp(start, forms[f].magic, forms[f].magic_length) == 0) {
            *form = &forms[f];
            return MD_OK;
        }
    return md_fail(error, MD_FAILED, "%s: neither an HDF5 file nor a PyTorch checkpoint (zip)",
                   path);
}

int md_weights_read(const char *path, const struct md_network *network, float *values,
                    struct md_weights_info *info, struct md_error *error) {
    const struct form_reader *form;
    char found[MD_PATH_MAX];
    MD_TRY(find_form(path, found, &form, error));
    return form->read(found, network, values, info, error);
}

int md_weights_network(const char *path, const struct md_network **network,
                       struct md_error *error) {
    const struct form_reader *form;
    char found[MD_PATH_MAX];
    MD_TRY(find_form(path, found, &form, error));
    return form->network(found, network, error);
}
