/* For tests that read and write files: a temporary folder of their own, and where the real data
 * lies when this machine has it. Only static functions, so that every test file may include it. */
#ifndef MD_TESTS_SCRATCH_H
#define MD_TESTS_SCRATCH_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/error.h"

#define assert_contains(text, part)                                                                \
    cr_assert(strstr(text, part), "expected \"%s\" in \"%s\"", part, text)

struct scratch {
    char folder[512];
};

/* Of the test that runs. */
static struct scratch scratch;

static inline struct scratch scratch_open(void) {
    struct scratch made;
    const char *parent = getenv("TMPDIR");
    snprintf(made.folder, sizeof made.folder, "%s/mudepth.XXXXXX", parent ? parent : "/tmp");
    cr_assert(mkdtemp(made.folder), "cannot create %s", made.folder);
    return made;
}

/* Removes a file, a link, or a folder with all that is in it. */
static inline void scratch_remove(const char *path) {
    struct stat about;
    int is_link = lstat(path, &about) == 0 && S_ISLNK(about.st_mode);
    DIR *folder = is_link ? NULL : opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char below[2048];
        int length = snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (length < (int)sizeof below && strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0)
            scratch_remove(below);
    }
    if (folder)
        closedir(folder);
    remove(path);
}

static inline void scratch_close(struct scratch *old) {
    scratch_remove(old->folder);
}

/* What most suites begin and end with. */
static inline void scratch_set_up(void) {
    scratch = scratch_open();
}
static inline void scratch_tear_down(void) {
    scratch_close(&scratch);
}

struct scratch_path {
    char text[1536];
};

/* A path in the folder. The folders it leads through are created. */
__attribute__((format(printf, 2, 3))) static inline struct scratch_path
scratch_path(const struct scratch *in, const char *format, ...) {
    struct scratch_path path;
    int root = snprintf(path.text, sizeof path.text, "%s/", in->folder);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(path.text + root, sizeof path.text - (size_t)root, format, arguments);
    va_end(arguments);
    for (char *c = path.text + root; *c; c++) {
        if (*c != '/')
            continue;
        *c = 0;
        mkdir(path.text, 0777);
        *c = '/';
    }
    return path;
}

static inline void scratch_write(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    cr_assert(file, "cannot write %s", path);
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

static inline void scratch_write_text(const char *path, const char *text) {
    scratch_write(path, text, strlen(text));
}

/* The whole file, to be freed; there is room for a zero behind it. */
static inline unsigned char *scratch_read(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    cr_assert(file, "cannot read %s", path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*size + 1);
    cr_assert(bytes);
    cr_assert_eq(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

/* Hands every prefix of the file to `fails`, which returns whether its reader refused it. The
 * reader's text has to name the file. */
static inline void scratch_each_prefix_fails(const struct scratch *in, const char *path,
                                             int (*fails)(const char *path),
                                             struct md_error *error) {
    size_t size;
    unsigned char *bytes = scratch_read(path, &size);
    struct scratch_path cut = scratch_path(in, "cut");
    for (size_t length = 0; length < size; length++) {
        scratch_write(cut.text, bytes, length);
        error->text[0] = 0;
        cr_assert(fails(cut.text), "%zu of %zu bytes were taken for a whole file", length, size);
        assert_contains(error->text, cut.text);
    }
    free(bytes);
}

/* Takes from the folder, and from us where we are root, the right to look into it; gives it back.
 */
static inline void scratch_lock(const struct scratch *in, const char *folder) {
    cr_assert_eq(chmod(in->folder, 0755) | chmod(folder, 0), 0);
    cr_assert(geteuid() != 0 || seteuid(65534) == 0);
}
static inline void scratch_unlock(const char *folder) {
    cr_assert_eq(seteuid(getuid()), 0);
    cr_assert_eq(chmod(folder, 0755), 0);
}

/* How many entries a folder has. */
static inline int scratch_count(const char *path) {
    int count = 0;
    DIR *folder = opendir(path);
    cr_assert(folder, "no folder %s", path);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count - 2; /* . and .. */
}

/* Where `name` lies in the data pack; skips the test, and says so, when it is not there. */
static inline struct scratch_path shared_data(const char *name) {
    struct scratch_path path;
    const char *shared = getenv("MUDEPTH_SHARED");
    snprintf(path.text, sizeof path.text, "%s/%s", shared ? shared : "../shared", name);
    if (access(path.text, F_OK) != 0) {
        fprintf(stderr, "SKIP: %s not there\n", path.text);
        cr_skip("%s not there", path.text);
    }
    return path;
}

#endif
