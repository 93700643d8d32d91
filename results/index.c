#include "index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../datasets/digest.h"
#include "../datasets/file.h"
#include "index_rows.h"

/* ---- the file -------------------------------------------------------------------------------- */

/* SQLite leaves these bytes of a database's header to its owner: user_version, application_id. */
enum { USER_VERSION = 60, APPLICATION_ID = 68, HEADER_BYTES = 100 };

/* Takes the checksum out of an image, which is then what it is a checksum of. */
static uint64_t take_checksum(unsigned char *image) {
    uint64_t checksum = 0;
    for (int i = 0; i < 8; i++) {
        unsigned char *byte = &image[i < 4 ? USER_VERSION + i : APPLICATION_ID + i - 4];
        checksum = checksum << 8 | *byte;
        *byte = 0;
    }
    return checksum;
}

static void put_checksum(unsigned char *image, uint64_t checksum) {
    for (int i = 7; i >= 0; i--, checksum >>= 8)
        image[i < 4 ? USER_VERSION + i : APPLICATION_ID + i - 4] = (unsigned char)checksum;
}

/* No index, or a damaged one, is an empty one. */
static void load(struct md_index_rows *rows, const char *path) {
    struct md_file file;
    struct md_error ignored;
    int is_whole = md_file_read(path, &file, &ignored) == MD_OK && file.size >= HEADER_BYTES;
    if (is_whole) {
        uint64_t checksum = take_checksum(file.bytes);
        is_whole = checksum == XXH3_64bits(file.bytes, file.size);
    }
    md_index_rows_open(rows, is_whole ? file.bytes : NULL, file.size);
    md_file_free(&file);
}

/* Where it cannot be written there will be none. */
static void save(struct md_index_rows *rows, const char *path) {
    static const char *const belongings[] = {"journal", "wal", "shm"};
    size_t size;
    struct md_error ignored;
    unsigned char *image = md_index_rows_image(rows, &size);
    if (image == NULL)
        return;
    take_checksum(image);
    put_checksum(image, XXH3_64bits(image, size));
    /* What SQLite left beside an older file, when somebody changed that, is not this one's. */
    for (int b = 0; b < 3; b++) {
        char other[MD_PATH_MAX];
        if (md_path_format(other, &ignored, "%s-%s", path, belongings[b]) == MD_OK)
            unlink(other);
    }
    (void)md_file_write(path, image, size, &ignored);
    sqlite3_free(image);
}

/* ---- cells ----------------------------------------------------------------------------------- */

static long long nanoseconds(struct timespec time) {
    return (long long)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int look_at(const char *path, struct md_stamp *stamp) {
    struct stat about;
    struct timespec now;
    if (stat(path, &about) != 0)
        return -1;
    clock_gettime(CLOCK_REALTIME, &now);
    *stamp =
        (struct md_stamp){(long long)about.st_size, (long long)about.st_ino,
                          nanoseconds(about.st_mtim), nanoseconds(about.st_ctim), nanoseconds(now)};
    return 0;
}

/* Whether a file is the one that was read. One that had just changed then may have changed again
 * within a tick of the file system's clock, of which the coarsest take two seconds. */
static int is_same(const struct md_stamp *read, const struct md_stamp *now) {
    static const long long tick_ns = 2000000000;
    long long latest = read->modified_ns > read->changed_ns ? read->modified_ns : read->changed_ns;
    return read->size_bytes == now->size_bytes && read->inode == now->inode &&
           read->modified_ns == now->modified_ns && read->changed_ns == now->changed_ns &&
           read->read_ns - tick_ns > latest;
}

struct each {
    const char *folder, *slash; /* what stands between it and a file */
    md_use_cell *use;
    void *context;
    struct md_index_rows rows;
    int is_changed; /* the index is not what is in its file */
};

/* *is_cell: whether the file is a whole one. */
static int use_file(struct each *each, const char *name, int *is_cell, struct md_error *error) {
    char path[MD_PATH_MAX];
    struct md_stamp now, read;
    struct md_cell cell;
    struct md_error problem;
    int status = md_path_format(path, error, "%s%s%s", each->folder, each->slash, name);
    if (status != MD_OK)
        return status;
    int is_there = look_at(path, &now) == 0;
    *is_cell = 1;
    if (is_there && md_index_rows_find(&each->rows, name, &read, &cell) && is_same(&read, &now))
        return each->use(each->context, path, &cell, NULL, error);
    if (md_cell_read(path, &cell, &problem) == MD_OK) {
        if (is_there)
            md_index_rows_add(&each->rows, name, &now, &cell);
        each->is_changed = 1;
        return each->use(each->context, path, &cell, NULL, error);
    }
    *is_cell = 0;
    struct stat about;
    if (lstat(path, &about) != 0 && errno == ENOENT)
        return MD_OK; /* it went away meanwhile */
    return each->use(each->context, path, NULL, &problem, error);
}

/* Leaves the names of cells. */
static void select_cells(struct md_names *names) {
    static const char ending[] = ".h5";
    size_t kept = 0;
    for (size_t i = 0; i < names->count; i++) {
        size_t length = strlen(names->names[i]);
        if (length >= sizeof ending &&
            strcmp(names->names[i] + length + 1 - sizeof ending, ending) == 0)
            names->names[kept++] = names->names[i];
        else
            free(names->names[i]);
    }
    names->count = kept;
}

/* Leaves in `names` those of whole cells. */
static int use_files(struct each *each, struct md_names *names, struct md_error *error) {
    size_t kept = 0;
    int status = MD_OK;
    for (size_t i = 0; i < names->count; i++) {
        int is_cell = 0;
        if (status == MD_OK)
            status = use_file(each, names->names[i], &is_cell, error);
        if (is_cell)
            names->names[kept++] = names->names[i];
        else
            free(names->names[i]);
    }
    names->count = kept;
    return status;
}

int md_index_each(const char *folder, md_use_cell *use, void *context, struct md_error *error) {
    size_t length = strlen(folder);
    int ends_in_slash = length > 0 && folder[length - 1] == '/';
    struct each each = {folder, ends_in_slash ? "" : "/", use, context, {0}, 0};
    struct md_names names = {0};
    char path[MD_PATH_MAX];
    int status = md_path_format(path, error, "%s%sindex.sqlite", folder, each.slash);
    if (status == MD_OK)
        status = md_names_of_folder(folder, &names, error);
    if (status == MD_OK) {
        select_cells(&names);
        load(&each.rows, path);
        status = use_files(&each, &names, error);
        if (status == MD_OK && (md_index_rows_keep(&each.rows, &names) > 0 || each.is_changed))
            save(&each.rows, path);
        md_index_rows_close(&each.rows);
    }
    md_names_free(&names);
    return status;
}
