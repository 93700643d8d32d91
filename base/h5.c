#include "h5_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_DIMENSIONS = 8 };

/* No file locks: a file is renamed into place when complete and never changed afterwards, and
 * some cluster file systems have none. Strong closing: a file that is closed is closed, even when
 * someone forgot an object in it. */
static hid_t access_properties(void) {
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_file_locking(list, 0, 1);
    H5Pset_fclose_degree(list, H5F_CLOSE_STRONG);
    return list;
}

/* Properties of objects of kind `class`. No times: equal content is an equal file. Attributes and
 * links in order of creation: that needs the newer form of object headers, which has checksums.
 * (Asking for the newer file format instead breaks H5Fget_file_image: HDFGroup/hdf5 #1915.) */
static hid_t creation_properties(hid_t class) {
    hid_t list = H5Pcreate(class);
    H5Pset_obj_track_times(list, 0);
    H5Pset_attr_creation_order(list, H5P_CRT_ORDER_TRACKED);
    if (class != H5P_DATASET_CREATE)
        H5Pset_link_creation_order(list, H5P_CRT_ORDER_TRACKED);
    return list;
}

int md_h5_open(const char *path, hid_t *file, struct md_error *error) {
    md_h5_be_quiet();
    MD_TRY(md_check_readable(path, error)); /* HDF5 would say it in words of its own */
    if (H5Fis_hdf5(path) == 0)
        return md_fail(error, MD_FAILED, "%s: not a whole HDF5 file: it does not begin like one",
                       path);
    MD_TRY(md_h5_check_seal(path, error)); /* before HDF5 reads what is damaged */
    hid_t access = access_properties();
    *file = H5Fopen(path, H5F_ACC_RDONLY, access);
    H5Pclose(access);
    if (*file >= 0)
        return MD_OK;
    char cause[200];
    md_h5_find_cause(cause);
    return md_fail(error, MD_FAILED, "%s: not a whole HDF5 file (HDF5: %s)", path, cause);
}

/* HDF5 builds the file in memory and md_h5_finish writes it out, because HDF5 1.10 cannot take a
 * failing write: the file then stays open for ever, and the program crashes when it ends. */
static hid_t create_in_memory(const char *path) {
    enum { GROWTH_BYTES = 1 << 20, NOT_TO_DISK = 0 };
    hid_t access = access_properties(), creation = creation_properties(H5P_FILE_CREATE);
    H5Pset_fapl_core(access, GROWTH_BYTES, NOT_TO_DISK);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, creation, access);
    H5Pclose(creation);
    H5Pclose(access);
    return file;
}

int md_h5_create(const char *path, struct md_h5_writer *writer, struct md_error *error) {
    md_h5_be_quiet();
    /* Where nothing can be written, say so now and not after hours of training. */
    MD_TRY(md_new_file_open(path, &writer->disk, error));
    writer->file = create_in_memory(path);
    if (writer->file >= 0)
        return MD_OK;
    int status = md_fail(error, MD_FAILED, "%s: HDF5 cannot create a file in memory", path);
    return md_new_file_finish(&writer->disk, status, error);
}

/* Returns a copy of the file that is being built, or NULL. */
static unsigned char *copy_image(hid_t file, size_t *size) {
    ssize_t length = H5Fflush(file, H5F_SCOPE_GLOBAL) < 0 ? -1 : H5Fget_file_image(file, NULL, 0);
    unsigned char *image = length < 0 ? NULL : malloc((size_t)length);
    if (image != NULL && H5Fget_file_image(file, image, (size_t)length) != length) {
        free(image);
        return NULL;
    }
    *size = (size_t)length;
    return image;
}

int md_h5_finish(struct md_h5_writer *writer, int status, struct md_error *error) {
    size_t size = 0;
    unsigned char *image = status == MD_OK ? copy_image(writer->file, &size) : NULL;
    H5Fclose(writer->file);
    writer->file = H5I_INVALID_HID;
    if (status == MD_OK && image == NULL)
        status = md_fail(error, MD_FAILED, "%s: out of memory", writer->disk.path);
    else if (status == MD_OK && md_h5_write_sealed(writer->disk.stream, image, size) != 0)
        status = md_fail(error, MD_FAILED, "%.400s: cannot write: %s", writer->disk.path,
                         strerror(errno));
    free(image);
    return md_new_file_finish(&writer->disk, status, error);
}

/* Opens data set `name` and its data space; on failure neither is open. */
static int open_data_set(hid_t file, const char *name, hid_t *data, hid_t *space,
                         struct md_error *error) {
    *data = H5Dopen2(file, name, H5P_DEFAULT);
    if (*data < 0)
        return md_h5_blame(error, file, "data set", name, "open");
    *space = H5Dget_space(*data);
    if (*space < 0) {
        int status = md_h5_blame(error, file, "data set", name, "get the shape");
        H5Dclose(*data);
        return status;
    }
    return MD_OK;
}

/* Writes a shape as "(8, 3, 3, 3)". */
static void format_shape(int dimensions, const hsize_t *shape, size_t size, char *text) {
    size_t length = 0;
    text[0] = '\0';
    for (int d = 0; d < dimensions && length < size; d++)
        length += (size_t)snprintf(text + length, size - length, "%s%llu", d == 0 ? "(" : ", ",
                                   (unsigned long long)shape[d]);
    if (length < size)
        snprintf(text + length, size - length, "%s", dimensions == 0 ? "()" : ")");
}

static int check_shape(hid_t file, const char *name, hid_t space, int dimensions,
                       const size_t *shape, size_t count, struct md_error *error) {
    hsize_t found[H5S_MAX_RANK], expected[MOST_DIMENSIONS];
    int rank = H5Sget_simple_extent_dims(space, found, NULL);
    hssize_t elements = H5Sget_simple_extent_npoints(space);
    /* An HDF5 "null" space has rank 0 too, but no element. */
    if (rank < 0 || elements < 0 || dimensions > MOST_DIMENSIONS)
        return md_h5_refuse(error, file, "data set", name, "it has no shape that could be read");
    int same = (size_t)elements == count && (dimensions < 0 || rank == dimensions);
    for (int d = 0; d < dimensions; d++) {
        expected[d] = shape[d];
        same = same && found[d] == expected[d];
    }
    if (same)
        return MD_OK;
    char found_text[100], expected_text[100], reason[300];
    format_shape(rank, found, sizeof found_text, found_text);
    if (dimensions >= 0)
        format_shape(dimensions, expected, sizeof expected_text, expected_text);
    else
        snprintf(expected_text, sizeof expected_text, "%zu elements", count);
    snprintf(reason, sizeof reason, "its shape is %s, expected %s", found_text, expected_text);
    return md_h5_refuse(error, file, "data set", name, reason);
}

/* Checks that the elements are numbers and that the file has all of them: in a damaged file
 * HDF5 1.10 reads beyond a compact data set (found by fuzzing), and of one that was
 * never written it makes zeros. */
static int check_elements(hid_t file, const char *name, hid_t data, size_t count,
                          struct md_error *error) {
    hid_t type = H5Dget_type(data), creation = H5Dget_create_plist(data);
    H5T_class_t class = H5Tget_class(type);
    int chunked = H5Pget_layout(creation) == H5D_CHUNKED;
    int whole = H5Dget_storage_size(data) == count * H5Tget_size(type);
    H5Pclose(creation);
    H5Tclose(type);
    if (class != H5T_INTEGER && class != H5T_FLOAT)
        return md_h5_refuse(error, file, "data set", name, "its elements are not numbers");
    if (chunked)
        return md_h5_check_chunks(file, name, data, error);
    return whole ? MD_OK
                 : md_h5_refuse(error, file, "data set", name, "the file does not hold all of it");
}

int md_h5_read(hid_t file, const char *name, hid_t type, int dimensions, const size_t *shape,
               size_t count, void *values, struct md_error *error) {
    hid_t data, space = H5I_INVALID_HID;
    MD_TRY(open_data_set(file, name, &data, &space, error));
    int status = check_shape(file, name, space, dimensions, shape, count, error);
    MD_THEN(status, check_elements(file, name, data, count, error));
    if (status == MD_OK && H5Dread(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        status = md_h5_blame(error, file, "data set", name, "read");
    H5Sclose(space);
    H5Dclose(data);
    return status;
}

int md_h5_check_plain(hid_t file, const char *name, hid_t type, struct md_error *error) {
    hid_t data, space = H5I_INVALID_HID;
    MD_TRY(open_data_set(file, name, &data, &space, error));
    hid_t found = H5Dget_type(data), creation = H5Dget_create_plist(data);
    int plain = H5Tequal(found, type) > 0 && H5Pget_layout(creation) == H5D_CONTIGUOUS;
    hssize_t count = H5Sget_simple_extent_npoints(space);
    hsize_t bytes = H5Dget_storage_size(data), file_bytes;
    int whole = count >= 0 && bytes / H5Tget_size(type) == (hsize_t)count &&
                H5Fget_filesize(file, &file_bytes) >= 0 && bytes <= file_bytes;
    H5Pclose(creation);
    H5Tclose(found);
    H5Sclose(space);
    H5Dclose(data);
    if (!plain)
        return md_h5_refuse(error, file, "data set", name,
                            "it is not kept plain, in the type expected and in one piece");
    return whole ? MD_OK
                 : md_h5_refuse(error, file, "data set", name, "the file does not hold all of it");
}

int md_h5_shape(hid_t file, const char *name, int most, int *dimensions, size_t *shape,
                struct md_error *error) {
    hid_t data, space = H5I_INVALID_HID;
    MD_TRY(open_data_set(file, name, &data, &space, error));
    int status = MD_OK;
    hsize_t found[H5S_MAX_RANK];
    int rank = H5Sget_simple_extent_dims(space, found, NULL);
    if (rank < 0 || rank > most) {
        char reason[80];
        snprintf(reason, sizeof reason, "it has %d dimensions, at most %d expected", rank, most);
        status = md_h5_refuse(error, file, "data set", name, reason);
    } else {
        *dimensions = rank;
        for (int d = 0; d < rank; d++)
            shape[d] = (size_t)found[d];
    }
    H5Sclose(space);
    H5Dclose(data);
    return status;
}

int md_h5_has(hid_t file, const char *name) {
    md_h5_be_quiet();
    return H5Lexists(file, name, H5P_DEFAULT) > 0;
}

static int make_group(hid_t file, const char *group) {
    if (md_h5_has(file, group))
        return 0;
    hid_t creation = creation_properties(H5P_GROUP_CREATE);
    hid_t made = H5Gcreate2(file, group, H5P_DEFAULT, creation, H5P_DEFAULT);
    H5Pclose(creation);
    return made < 0 ? -1 : H5Gclose(made);
}

/* Makes the groups on the way to `name`: "/a", then "/a/b" for "/a/b/c". */
static int make_groups_above(hid_t file, const char *name) {
    char group[400];
    for (const char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        size_t length = (size_t)(slash - name);
        if (length >= sizeof group)
            return -1;
        memcpy(group, name, length);
        group[length] = '\0';
        if (length > 0 && make_group(file, group) < 0)
            return -1;
    }
    return 0;
}

int md_h5_group(hid_t file, const char *name, struct md_error *error) {
    md_h5_be_quiet();
    if (make_groups_above(file, name) < 0 || make_group(file, name) < 0)
        return md_h5_blame(error, file, "group", name, "make");
    return MD_OK;
}

static hid_t make_space(int dimensions, const size_t *shape) {
    hsize_t extent[MOST_DIMENSIONS];
    if (dimensions > MOST_DIMENSIONS)
        return H5I_INVALID_HID;
    for (int d = 0; d < dimensions; d++)
        extent[d] = shape[d];
    return dimensions == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(dimensions, extent, NULL);
}

int md_h5_write_as(hid_t file, const char *name, hid_t file_type, hid_t type, int dimensions,
                   const size_t *shape, const void *values, struct md_error *error) {
    md_h5_be_quiet();
    if (make_groups_above(file, name) < 0)
        return md_h5_blame(error, file, "data set", name, "make the groups above it");
    hid_t space = make_space(dimensions, shape);
    hid_t creation = creation_properties(H5P_DATASET_CREATE);
    hid_t data = H5Dcreate2(file, name, file_type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    int status = MD_OK;
    if (data < 0)
        status = md_h5_blame(error, file, "data set", name, "create");
    else if (H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        status = md_h5_blame(error, file, "data set", name, "write");
    if (data >= 0 && H5Dclose(data) < 0 && status == MD_OK)
        status = md_h5_blame(error, file, "data set", name, "close");
    H5Pclose(creation);
    if (space >= 0)
        H5Sclose(space);
    return status;
}

int md_h5_write(hid_t file, const char *name, hid_t type, int dimensions, const size_t *shape,
                const void *values, struct md_error *error) {
    return md_h5_write_as(file, name, type, type, dimensions, shape, values, error);
}
