#include "unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "namelist.h"

enum { BLOCK = 1 << 16, END_MARK = 1024 };

struct work {
    struct archive *archive;
    const char *path;         /* of the archive */
    char folder[MD_PATH_MAX]; /* where it is unpacked until it is whole */
    struct md_names made;     /* paths, in the order they were made */
    unsigned long long archive_bytes;
    const struct md_watch *watch;
    struct md_unpacked unpacked;
    struct md_error *error;
};

static int fail_member(const struct work *w, const char *name, const char *what) {
    return md_fail(w->error, MD_FAILED, "%.300s: %.300s: %s", w->path, name, what);
}

static int fail_archive(const struct work *w) {
    const char *why = archive_error_string(w->archive);
    return md_fail(w->error, MD_FAILED, "%.300s: %.300s", w->path,
                   why != NULL ? why : "not a tar archive");
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Writes a member's name without empty parts and "."; "" is the folder itself. */
static int clean_name(const struct work *w, const char *name, char clean[MD_PATH_MAX]) {
    size_t length = 0;
    if (name == NULL || name[0] == '\0')
        return md_fail(w->error, MD_FAILED, "%.300s: a member without a name", w->path);
    if (name[0] == '/')
        return fail_member(w, name, "an absolute name");
    for (const char *part = name; *part != '\0';) {
        const size_t size = strcspn(part, "/");
        if (size == 2 && strncmp(part, "..", 2) == 0)
            return fail_member(w, name, "the name leads out of the folder");
        if (size > 0 && !(size == 1 && part[0] == '.')) {
            if (length + size + 2 > MD_PATH_MAX)
                return fail_member(w, name, "the name is too long");
            length += (size_t)snprintf(clean + length, MD_PATH_MAX - length, "%s%.*s",
                                       length > 0 ? "/" : "", (int)size, part);
        }
        part += size + (part[size] == '/');
    }
    clean[length] = '\0';
    return MD_OK;
}

/* ---- making ---------------------------------------------------------------------------------- */

/* Adds what was made to the list of it; removes it when that fails. */
static int remember_made(struct work *w, const char *path) {
    int status = md_names_add(&w->made, path, w->error);
    if (status != MD_OK)
        remove(path);
    return status;
}

/* Makes a folder, which may be there; so may not a file of its name. */
static int make_folder(struct work *w, const char *path, const char *name) {
    struct stat about;
    if (mkdir(path, 0777) == 0) {
        w->unpacked.folders++;
        return remember_made(w, path);
    }
    if (errno != EEXIST)
        return fail_member(w, name, strerror(errno));
    return lstat(path, &about) == 0 && S_ISDIR(about.st_mode)
               ? MD_OK
               : fail_member(w, name, "there is a file of that name already");
}

/* The folders that a member lies in. */
static int make_parents(struct work *w, char *path, const char *name) {
    for (char *slash = path + strlen(w->folder) + 1; (slash = strchr(slash, '/')) != NULL;
         slash++) {
        *slash = '\0';
        MD_TRY(make_folder(w, path, name));
        *slash = '/';
    }
    return MD_OK;
}

static int check_size(const struct work *w, const char *name) {
    const unsigned long long bytes = w->unpacked.bytes;
    if (bytes > MD_UNPACK_SMALL && bytes / MD_UNPACK_RATIO > w->archive_bytes)
        return fail_member(w, name, "the archive unpacks to more than 200 times its size");
    return MD_OK;
}

static int copy_data(struct work *w, const char *name, FILE *to) {
    static char block[BLOCK];
    for (la_ssize_t got; (got = archive_read_data(w->archive, block, sizeof block)) != 0;) {
        if (got < 0)
            return fail_archive(w);
        w->unpacked.bytes += (unsigned long long)got;
        int status = check_size(w, name);
        if (status != MD_OK)
            return status;
        if (fwrite(block, 1, (size_t)got, to) != (size_t)got)
            return fail_member(w, name, strerror(errno));
    }
    return MD_OK;
}

static int make_file(struct work *w, const char *path, const char *name) {
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (descriptor < 0)
        return fail_member(w, name, errno == EEXIST ? "is there twice" : strerror(errno));
    int status = remember_made(w, path);
    FILE *to = status == MD_OK ? fdopen(descriptor, "wb") : NULL;
    if (to == NULL) {
        close(descriptor);
        return status == MD_OK ? fail_member(w, name, strerror(errno)) : status;
    }
    status = copy_data(w, name, to);
    if (fclose(to) != 0 && status == MD_OK)
        status = fail_member(w, name, strerror(errno));
    w->unpacked.files++;
    return status;
}

static int unpack_member(struct work *w, struct archive_entry *entry) {
    char clean[MD_PATH_MAX], path[MD_PATH_MAX];
    const char *name = archive_entry_pathname(entry);
    MD_TRY(clean_name(w, name, clean));
    const int is_folder = archive_entry_filetype(entry) == AE_IFDIR;
    if (archive_entry_hardlink(entry) != NULL ||
        (!is_folder && archive_entry_filetype(entry) != AE_IFREG))
        return fail_member(w, name,
                           "expected a file or a folder, found a link, a device or the like");
    if (clean[0] == '\0')
        return is_folder ? MD_OK : fail_member(w, name, "a file without a name");
    MD_TRY(md_path_format(path, w->error, "%s/%s", w->folder, clean));
    MD_TRY(make_parents(w, path, name));
    return is_folder ? make_folder(w, path, name) : make_file(w, path, name);
}

/* ---- the archive ----------------------------------------------------------------------------- */

/* A tar ends in two blocks of zeros, where the next header would be. One that is cut between two
 * members would pass for whole; gzip knows by itself. */
static int check_end(const struct work *w) {
    const la_int64_t end = archive_read_header_position(w->archive) + END_MARK;
    if (w->unpacked.files == 0)
        return md_fail(w->error, MD_FAILED, "%.300s: no files in it", w->path);
    if (archive_filter_code(w->archive, 0) == ARCHIVE_FILTER_NONE &&
        (unsigned long long)end > w->archive_bytes)
        return md_fail(w->error, MD_FAILED, "%.300s: truncated: no end mark", w->path);
    return MD_OK;
}

static int unpack_members(struct work *w) {
    struct archive_entry *entry;
    int status = MD_OK;
    while (status == MD_OK) {
        const int got = archive_read_next_header(w->archive, &entry);
        if (got == ARCHIVE_EOF)
            return check_end(w);
        if (got != ARCHIVE_OK)
            return fail_archive(w);
        status = unpack_member(w, entry);
        if (status == MD_OK && w->watch != NULL &&
            md_watch_report(w->watch, "unpacking", (double)archive_filter_bytes(w->archive, -1),
                            (double)w->archive_bytes) != 0)
            status = md_fail(w->error, MD_FAILED, "interrupted");
    }
    return status;
}

static int open_archive(struct work *w) {
    struct stat about;
    MD_TRY(md_check_readable(w->path, w->error));
    if (stat(w->path, &about) != 0)
        return md_fail(w->error, MD_FAILED, "cannot read %.300s: %s", w->path, strerror(errno));
    w->archive_bytes = (unsigned long long)about.st_size;
    w->archive = archive_read_new();
    MD_TRY(md_check_memory(w->archive != NULL, w->error));
    archive_read_support_filter_gzip(w->archive);
    archive_read_support_format_tar(w->archive);
    return archive_read_open_filename(w->archive, w->path, BLOCK) == ARCHIVE_OK ? MD_OK
                                                                                : fail_archive(w);
}

/* Where the file that number i replaces is kept until all are installed. */
static int replaced_path(const struct work *w, size_t i, char path[MD_PATH_MAX]) {
    return md_path_format(path, w->error, "%s.old/%zu", w->folder, i);
}

/* Moves number i of what was made to `to`. *replaces: there was a folder, or a file, which is then
 * at replaced_path. */
static int install(const struct work *w, const char *from, const char *to, size_t i,
                   int *replaces) {
    char old[MD_PATH_MAX];
    const char *name = from + strlen(w->folder) + 1;
    struct stat about;
    if (md_is_folder(from)) {
        *replaces = md_is_folder(to);
        return *replaces || mkdir(to, 0777) == 0 ? MD_OK : fail_member(w, name, strerror(errno));
    }
    if (lstat(to, &about) == 0) {
        if (S_ISDIR(about.st_mode))
            return fail_member(w, name, "there is a folder of that name already");
        if (replaced_path(w, i, old) != MD_OK)
            return MD_FAILED;
        if (link(to, old) != 0 && rename(to, old) != 0) /* not every file system has links */
            return fail_member(w, name, strerror(errno));
        *replaces = 1;
    }
    return rename(from, to) == 0 ? MD_OK : fail_member(w, name, strerror(errno));
}

/* Undoes install, also one that failed half-way. */
static void restore(const struct work *w, const char *from, const char *to, size_t i,
                    int replaces) {
    char old[MD_PATH_MAX];
    if (md_is_folder(from) && !replaces)
        rmdir(to);
    else if (access(from, F_OK) != 0)
        (void)!rename(to, from);
    if (!md_is_folder(from) && replaces && replaced_path(w, i, old) == MD_OK) {
        (void)!rename(old, to);
        remove(old); /* it is still there when both were one file */
    }
}

/* Moves all that was made into a folder that is there: all of it or nothing. */
static int move_into(struct work *w, const char *folder) {
    char path[MD_PATH_MAX], old[MD_PATH_MAX];
    int *replaces = calloc(w->made.count + 1, sizeof *replaces), status = MD_OK;
    size_t done = 0;
    MD_TRY(md_check_memory(replaces != NULL, w->error));
    status = md_path_format(old, w->error, "%s.old", w->folder);
    if (status == MD_OK && mkdir(old, 0777) != 0)
        status = md_fail(w->error, MD_FAILED, "%.400s: cannot make the folder: %s", old,
                         strerror(errno));
    for (; status == MD_OK && done < w->made.count; done++) {
        const char *from = w->made.names[done];
        status = md_path_format(path, w->error, "%s/%s", folder, from + strlen(w->folder) + 1);
        MD_THEN(status, install(w, from, path, done, &replaces[done]));
    }
    while (done-- > 0) {
        const char *from = w->made.names[done];
        struct md_error ignored; /* the path was not too long in the loop above */
        if (status == MD_OK) {
            if (replaces[done] && replaced_path(w, done, path) == MD_OK)
                remove(path);
        } else if (md_path_format(path, &ignored, "%s/%s", folder, from + strlen(w->folder) + 1) ==
                   MD_OK)
            restore(w, from, path, done, replaces[done]);
    }
    rmdir(old);
    free(replaces);
    return status;
}

/* Moves what was unpacked to where it is wanted. */
static int install_all(struct work *w, const char *folder, int is_there) {
    if (is_there)
        return move_into(w, folder);
    return rename(w->folder, folder) == 0
               ? MD_OK
               : md_fail(w->error, MD_FAILED, "%.400s: cannot rename: %s", folder, strerror(errno));
}

int md_unpack(const char *archive, const char *folder, int force, const struct md_watch *watch,
              struct md_unpacked *unpacked, struct md_error *error) {
    struct work w = {.path = archive, .watch = watch, .error = error};
    char name[MD_PATH_MAX], above[MD_PATH_MAX];
    int length = (int)strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    MD_TRY(md_path_format(name, error, "%.*s", length, folder));
    folder = name;
    int is_there = access(folder, F_OK) == 0;
    if (is_there && !(force && md_is_folder(folder)))
        return md_fail(error, MD_USAGE, "%.400s: is there already%s", folder,
                       md_is_folder(folder) ? "; --force replaces it" : ", and is no folder");
    md_path_folder(folder, above);
    int status = md_temporary_path(w.folder, folder, error);
    MD_THEN(status, open_archive(&w));
    MD_THEN(status, md_make_folder(above, error));
    if (status == MD_OK && mkdir(w.folder, 0777) != 0)
        status = md_fail(error, MD_FAILED, "%.400s: cannot make the folder: %s", folder,
                         strerror(errno));
    else if (status == MD_OK) {
        status = unpack_members(&w);
        MD_THEN(status, install_all(&w, folder, is_there));
        for (size_t i = w.made.count; i-- > 0;) /* what has not found its place */
            remove(w.made.names[i]);
        rmdir(w.folder);
    }
    archive_read_free(w.archive);
    md_names_free(&w.made);
    *unpacked = w.unpacked;
    return status;
}
