#include "h5_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longer text than this is not ours, and not worth the memory. */
enum { MOST_TEXT = 1 << 20 };

/* Attributes are named in errors as "NAME of OBJECT". */
struct attribute_label {
    char text[400];
};

static struct attribute_label label(const char *object, const char *name) {
    struct attribute_label made;
    snprintf(made.text, sizeof made.text, "%.150s of %.200s", name, object);
    return made;
}

static int write_attribute(hid_t file, const char *object, const char *name, hid_t type,
                           const void *value, struct md_error *error) {
    md_h5_be_quiet();
    struct attribute_label what = label(object, name);
    int status = MD_OK;
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute =
        H5Acreate_by_name(file, object, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0)
        status = md_h5_blame(error, file, "attribute", what.text, "create");
    else if (H5Awrite(attribute, type, value) < 0)
        status = md_h5_blame(error, file, "attribute", what.text, "write");
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Sclose(space);
    return status;
}

/* The type of UTF-8 text in `size` bytes, the ending zero included. */
static hid_t text_type(size_t size) {
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, size);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

int md_h5_write_text(hid_t file, const char *object, const char *name, const char *text,
                     struct md_error *error) {
    hid_t type = text_type(strlen(text) + 1);
    int status = write_attribute(file, object, name, type, text, error);
    H5Tclose(type);
    return status;
}

int md_h5_write_integer(hid_t file, const char *object, const char *name, long long value,
                        struct md_error *error) {
    return write_attribute(file, object, name, H5T_NATIVE_LLONG, &value, error);
}

int md_h5_write_real(hid_t file, const char *object, const char *name, double value,
                     struct md_error *error) {
    return write_attribute(file, object, name, H5T_NATIVE_DOUBLE, &value, error);
}

int md_h5_has_attribute(hid_t file, const char *object, const char *name) {
    md_h5_be_quiet();
    return H5Aexists_by_name(file, object, name, H5P_DEFAULT) > 0;
}

static int is_scalar(hid_t attribute) {
    hid_t space = H5Aget_space(attribute);
    hssize_t elements = H5Sget_simple_extent_npoints(space);
    if (space >= 0)
        H5Sclose(space);
    return elements == 1;
}

/* Opens attribute `name` of `object` with its type; on failure neither is open. */
static int open_attribute(hid_t file, const char *object, const char *name, hid_t *attribute,
                          hid_t *type, struct md_error *error) {
    md_h5_be_quiet();
    *attribute = H5Aopen_by_name(file, object, name, H5P_DEFAULT, H5P_DEFAULT);
    if (*attribute < 0)
        return md_h5_blame(error, file, "attribute", label(object, name).text, "open");
    *type = H5Aget_type(*attribute);
    if (*type >= 0 && is_scalar(*attribute))
        return MD_OK;
    int status = md_h5_refuse(error, file, "attribute", label(object, name).text,
                              "it is not a single value");
    if (*type >= 0)
        H5Tclose(*type);
    H5Aclose(*attribute);
    return status;
}

/* Copies text of fixed length, whatever its padding; NULL, or what is wrong. Text of variable
 * length, which we never write, is refused: in a damaged file it makes HDF5 1.10 read and write
 * beyond its memory (found by tests/fuzz_weights.c). */
static const char *read_text(hid_t attribute, hid_t type, size_t size, char *text) {
    static const char no_text[] = "it is not text of fixed length, or too long";
    size_t length = H5Tget_size(type);
    if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0 || length > MOST_TEXT)
        return no_text;
    char *found = malloc(length + 1);
    if (found == NULL)
        return "out of memory";
    hid_t memory = H5Tcopy(type);
    int fits = H5Tset_size(memory, length + 1) >= 0 &&
               H5Tset_strpad(memory, H5T_STR_NULLTERM) >= 0 &&
               H5Aread(attribute, memory, found) >= 0 && strlen(found) < size;
    if (fits)
        memcpy(text, found, strlen(found) + 1);
    H5Tclose(memory);
    free(found);
    return fits ? NULL : no_text;
}

int md_h5_read_text(hid_t file, const char *object, const char *name, size_t size, char *text,
                    struct md_error *error) {
    hid_t attribute = H5I_INVALID_HID, type = H5I_INVALID_HID;
    char reason[100];
    MD_TRY(open_attribute(file, object, name, &attribute, &type, error));
    int status = MD_OK;
    const char *problem = read_text(attribute, type, size, text);
    if (problem != NULL) {
        snprintf(reason, sizeof reason, "%s (at most %zu bytes)", problem, size - 1);
        status = md_h5_refuse(error, file, "attribute", label(object, name).text, reason);
    }
    H5Tclose(type);
    H5Aclose(attribute);
    return status;
}

static int read_number(hid_t file, const char *object, const char *name, int real, void *value,
                       struct md_error *error) {
    hid_t attribute = H5I_INVALID_HID, type = H5I_INVALID_HID;
    MD_TRY(open_attribute(file, object, name, &attribute, &type, error));
    int status = MD_OK;
    H5T_class_t class = H5Tget_class(type);
    if (class != H5T_INTEGER && !(real && class == H5T_FLOAT))
        status = md_h5_refuse(error, file, "attribute", label(object, name).text,
                              real ? "it is not a number" : "it is not an integer");
    else if (H5Aread(attribute, real ? H5T_NATIVE_DOUBLE : H5T_NATIVE_LLONG, value) < 0)
        status = md_h5_blame(error, file, "attribute", label(object, name).text, "read");
    H5Tclose(type);
    H5Aclose(attribute);
    return status;
}

int md_h5_read_integer(hid_t file, const char *object, const char *name, long long *value,
                       struct md_error *error) {
    return read_number(file, object, name, 0, value, error);
}

int md_h5_read_real(hid_t file, const char *object, const char *name, double *value,
                    struct md_error *error) {
    return read_number(file, object, name, 1, value, error);
}
