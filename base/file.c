#define _XOPEN_SOURCE 700 /* realpath */
#include "file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail_errno(struct md_error *error, const char *verb, const char *path) {
    return md_fail(error, MD_FAILED, "cannot %s %s: %s", verb, path, strerror(errno));
}

/* Reads to the end of `descriptor`; returns the bytes read, or -1 with errno set. */
static ssize_t read_all(int descriptor, uint8_t *bytes, size_t size) {
    size_t have = 0;
    while (have < size) {
        ssize_t got = read(descriptor, bytes + have, size - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

static int read_open_file(int descriptor, const char *path, struct md_file *file,
                          struct md_error *error) {
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return fail_errno(error, "read", path);
    if (!S_ISREG(status.st_mode))
        return md_fail(error, MD_FAILED, "cannot read %s: not a regular file", path);
    if ((uintmax_t)status.st_size > MD_FILE_MAX_BYTES)
        return md_fail(error, MD_FAILED, "%s: %ju bytes, expected at most %zu", path,
                       (uintmax_t)status.st_size, MD_FILE_MAX_BYTES);
    file->bytes = malloc((size_t)status.st_size + 1);
    if (!file->bytes)
        return md_fail(error, MD_FAILED, "%s: out of memory", path);
    ssize_t size = read_all(descriptor, file->bytes, (size_t)status.st_size);
    if (size < 0) {
        int status_now = fail_errno(error, "read", path);
        md_file_free(file);
        return status_now;
    }
    file->size = (size_t)size;
    file->bytes[size] = 0;
    return MD_OK;
}

int md_file_read(const char *path, struct md_file *file, struct md_error *error) {
    *file = (struct md_file){0};
    /* O_NONBLOCK: a pipe would be waited for, here. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return fail_errno(error, "read", path);
    int status = read_open_file(descriptor, path, file, error);
    close(descriptor);
    return status;
}

int md_check_readable(const char *path, struct md_error *error) {
    struct stat about;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return md_fail(error, MD_FAILED, "%s: cannot open: %s", path, strerror(errno));
    bool regular = fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode);
    close(descriptor);
    return regular ? MD_OK : md_fail(error, MD_FAILED, "%s: cannot open: not a regular file", path);
}

void md_file_free(struct md_file *file) {
    free(file->bytes);
    *file = (struct md_file){0};
}

/* ---- writing --------------------------------------------------------------------------------- */

int md_may_write(const char *path, int force, struct md_error *error) {
    struct stat about;
    if (path[0] == '\0' || path[strlen(path) - 1] == '/')
        return md_fail(error, MD_USAGE, "expected the name of a file, found \"%.400s\"", path);
    if (lstat(path, &about) != 0) /* md_check_folder says whether it can be made */
        return MD_OK;
    if (stat(path, &about) != 0)
        return force ? MD_OK
                     : md_fail(error, MD_USAGE,
                               "%.400s: is a link to what is not there; --force replaces it", path);
    if (!S_ISREG(about.st_mode))
        return md_fail(error, MD_USAGE, "%.400s: is %s, expected the name of a file", path,
                       S_ISDIR(about.st_mode) ? "a folder" : "no ordinary file");
    return force ? MD_OK
                 : md_fail(error, MD_USAGE, "%.400s: is there already; --force replaces it", path);
}

void md_path_folder(const char *path, char folder[MD_PATH_MAX]) {
    const char *slash = strrchr(path, '/');
    int length = slash != NULL ? (int)(slash - path) + 1 : 1;
    while (length > 1 && path[length - 1] == '/')
        length--;
    snprintf(folder, MD_PATH_MAX, "%.*s", length, slash == NULL ? "." : path);
}

int md_check_folder(const char *path, int is_made, struct md_error *error) {
    char folder[MD_PATH_MAX], above[MD_PATH_MAX], inside[MD_PATH_MAX + 2];
    md_path_folder(path, folder);
    while (is_made && access(folder, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR) &&
           strcmp(folder, ".") != 0) {
        md_path_folder(folder, above);
        memcpy(folder, above, sizeof folder);
    }
    snprintf(inside, sizeof inside, "%s/.", folder); /* there is none in a file */
    return access(inside, W_OK) == 0
               ? MD_OK
               : md_fail(error, MD_FAILED, "%.400s: cannot write into this folder: %s", folder,
                         strerror(errno));
}

int md_make_folder(const char *path, struct md_error *error) {
    char part[MD_PATH_MAX];
    if (path[0] == '\0')
        return md_fail(error, MD_USAGE, "expected the name of a folder, found an empty one");
    if (md_path_format(part, error, "%s", path) != MD_OK)
        return MD_USAGE;
    for (char *slash = part + 1;; slash++) {
        char end = *slash;
        if (end != '/' && end != '\0')
            continue;
        *slash = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return md_fail(error, MD_FAILED, "%.400s: cannot make the folder: %s", part,
                           strerror(errno));
        *slash = end;
        if (end == '\0')
            return MD_OK;
    }
}

/* The path from the root, without links and "."; of what is not there too. */
static void spell_out(const char *path, char spelt[MD_PATH_MAX]) {
    char folder[MD_PATH_MAX], whole[MD_PATH_MAX];
    struct md_error ignored; /* what is too long is no file */
    const char *slash = strrchr(path, '/');
    if (realpath(path, spelt) != NULL)
        return;
    md_path_folder(path, folder);
    if (strcmp(path, folder) == 0) /* no folder: . or / */
        snprintf(spelt, MD_PATH_MAX, "%s", path);
    else {
        spell_out(folder, whole);
        md_path_format(spelt, &ignored, "%s/%s", whole, slash != NULL ? slash + 1 : path);
    }
}

int md_is_same_file(const char *a, const char *b) {
    char spelt[2][MD_PATH_MAX];
    spell_out(a, spelt[0]);
    spell_out(b, spelt[1]);
    return strcmp(spelt[0], spelt[1]) == 0;
}

/* Flushes to the disk, where the file system can. */
static bool flush_to_disk(int descriptor) {
    return fsync(descriptor) == 0 || errno == EINVAL || errno == ENOSYS || errno == ENOTSUP;
}

/* After a rename only the folder's own entry can still be lost with the power. Not everybody may
 * read a folder that he may write into: the file is there all the same. */
static int flush_folder_of(const char *path, struct md_error *error) {
    char folder[MD_PATH_MAX];
    md_path_folder(path, folder);
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = descriptor < 0 || flush_to_disk(descriptor)
                     ? MD_OK
                     : fail_errno(error, "flush the folder of", path);
    if (descriptor >= 0)
        close(descriptor);
    return status;
}

int md_temporary_path(char temporary[MD_PATH_MAX], const char *path, struct md_error *error) {
    char host[256] = "";
    gethostname(host, sizeof host - 1); /* without a name the process number has to do */
    return md_path_format(temporary, error, "%s.tmp.%ld.%s", path, (long)getpid(), host);
}

int md_new_file_open(const char *path, struct md_new_file *file, struct md_error *error) {
    MD_TRY(md_path_format(file->path, error, "%s", path));
    MD_TRY(md_temporary_path(file->temporary, path, error));
    int descriptor = open(file->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    file->stream = descriptor >= 0 ? fdopen(descriptor, "wb") : NULL;
    if (file->stream)
        return MD_OK;
    int status =
        md_fail(error, MD_FAILED, "%.400s: cannot create: %s", file->temporary, strerror(errno));
    if (descriptor >= 0) {
        close(descriptor);
        unlink(file->temporary);
    }
    return status;
}

int md_new_file_finish(struct md_new_file *file, int status, struct md_error *error) {
    errno = 0;
    if (ferror(file->stream)) /* why is forgotten by now; another byte finds it again */
        fputc(0, file->stream);
    bool written = fflush(file->stream) == 0 && !ferror(file->stream) &&
                   (status != MD_OK || flush_to_disk(fileno(file->stream)));
    int why = errno != 0 ? errno : EIO;
    if (fclose(file->stream) != 0 && written) {
        written = false;
        why = errno;
    }
    file->stream = NULL;
    if (status == MD_OK && !written)
        status = md_fail(error, MD_FAILED, "%.400s: cannot write: %s", file->path, strerror(why));
    else if (status == MD_OK && rename(file->temporary, file->path) != 0)
        status = md_fail(error, MD_FAILED, "%.400s: cannot rename to %.400s: %s", file->temporary,
                         file->path, strerror(errno));
    if (status == MD_OK)
        return flush_folder_of(file->path, error);
    unlink(file->temporary);
    return status;
}

int md_file_write(const char *path, const void *bytes, size_t size, struct md_error *error) {
    struct md_new_file file;
    MD_TRY(md_new_file_open(path, &file, error));
    int status = MD_OK;
    if (size > 0 && fwrite(bytes, 1, size, file.stream) != size)
        status = md_fail(error, MD_FAILED, "%.400s: cannot write: %s", path, strerror(errno));
    return md_new_file_finish(&file, status, error);
}

/* ---- paths and text -------------------------------------------------------------------------- */

/* The folder this program lies in, with a slash at its end. */
static void program_folder(char folder[MD_PATH_MAX]) {
    ssize_t length = readlink("/proc/self/exe", folder, MD_PATH_MAX - 1);
    while (length > 0 && folder[length - 1] != '/')
        length--;
    folder[length > 0 ? length : 0] = '\0';
}

void md_shipped_path(const char *name, char path[MD_PATH_MAX]) {
    char folder[MD_PATH_MAX];
    struct md_error ignored; /* what is too long is not there */
    program_folder(folder);
    if (name[0] == '/' || access(name, F_OK) == 0 ||
        md_path_format(path, &ignored, "%s../share/mudepth/%s", folder, name) != MD_OK ||
        access(path, F_OK) != 0)
        snprintf(path, MD_PATH_MAX, "%s", name);
}

int md_program_path(const char *name, char path[MD_PATH_MAX], struct md_error *error) {
    char folder[MD_PATH_MAX];
    program_folder(folder);
    int status = md_path_format(path, error, "%s../lib/mudepth/%s", folder, name);
    return status == MD_OK && access(path, X_OK) == 0
               ? MD_OK
               : md_path_format(path, error, "%s%s", folder, name);
}

static void squeeze_slashes(char *path) {
    char *to = path;
    for (const char *from = path; *from != '\0'; from++)
        if (*from != '/' || to == path || to[-1] != '/')
            *to++ = *from;
    *to = '\0';
}

int md_path_format(char path[MD_PATH_MAX], struct md_error *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(path, MD_PATH_MAX, format, arguments);
    va_end(arguments);
    if (length < 0 || length >= MD_PATH_MAX)
        return md_fail(error, MD_FAILED, "%.200s...: path longer than %d characters", path,
                       MD_PATH_MAX - 1);
    squeeze_slashes(path);
    return MD_OK;
}

int md_is_folder(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 ? S_ISDIR(status.st_mode) : errno == EACCES;
}

int md_is_file(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 ? !S_ISDIR(status.st_mode) : errno == EACCES;
}

size_t md_bare_length(const char *name, const char *const *endings) {
    const size_t length = strlen(name);
    for (; *endings; endings++) {
        const size_t ending = strlen(*endings);
        if (length > ending && strcasecmp(name + length - ending, *endings) == 0)
            return length - ending;
    }
    return 0;
}

void md_path_find_ending(char path[MD_PATH_MAX]) {
    enum { MOST = 6 };
    char given[MOST + 1], *dot = strrchr(path, '.');
    const size_t length = dot ? strlen(dot) : 0;
    if (length < 2 || length > MOST || strchr(dot, '/') || access(path, F_OK) == 0 ||
        errno != ENOENT)
        return;
    memcpy(given, dot, length + 1);
    for (unsigned capitals = 0; capitals < 1u << (length - 1); capitals++) {
        for (size_t i = 1; i < length; i++)
            dot[i] = (char)(capitals >> (i - 1) & 1u ? toupper(given[i]) : tolower(given[i]));
        if (access(path, F_OK) == 0)
            return;
    }
    memcpy(dot, given, length + 1);
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

char *md_trim(char *string) {
    size_t length = strlen(string);
    while (length > 0 && is_space(string[length - 1]))
        string[--length] = 0;
    while (is_space(*string))
        string++;
    return string;
}

int md_split_words(char *line, const char *separators, int most, char **words) {
    int count = 0;
    for (char *rest = NULL, *word = strtok_r(line, separators, &rest); word != NULL;
         word = strtok_r(NULL, separators, &rest), count++)
        if (count < most)
            words[count] = word;
    return count;
}

int md_field_count(const char *line) {
    int count = 1;
    for (; *line; line++)
        count += *line == ',';
    return count;
}

char *md_next_field(char **line) {
    char *field = *line;
    if (!field)
        return NULL;
    *line = strchr(field, ',');
    if (*line)
        *(*line)++ = 0;
    return md_trim(field);
}

int md_text_open(const char *path, struct md_text *text, struct md_error *error) {
    *text = (struct md_text){0};
    MD_TRY(md_file_read(path, &text->file, error));
    char *start = (char *)text->file.bytes;
    size_t length = strlen(start);
    if (length < text->file.size) {
        md_text_close(text);
        return md_fail(error, MD_FAILED, "%s: expected text, found a zero byte at offset %zu", path,
                       length);
    }
    if (strncmp(start, "\xEF\xBB\xBF", 3) == 0)
        start += 3;
    for (char *end = start + strlen(start); end > start && is_space(end[-1]); end--)
        end[-1] = 0;
    text->rest = start;
    return MD_OK;
}

void md_text_close(struct md_text *text) {
    md_file_free(&text->file);
    *text = (struct md_text){0};
}

char *md_text_line(struct md_text *text) {
    if (*text->rest == 0)
        return NULL;
    char *line = text->rest;
    size_t length = strcspn(line, "\n");
    text->rest = line + length + (line[length] == '\n');
    line[length] = 0;
    text->line++;
    return md_trim(line);
}

int md_fail_at_line(struct md_error *error, int status, const char *path, int line) {
    char where[MD_PATH_MAX + 32];
    snprintf(where, sizeof where, "line %d of %s", line, path);
    return md_fail_in(error, status, where);
}

const char *md_parse_integer(const char *string, int64_t *value) {
    bool negative = *string == '-';
    const char *digits = string + negative;
    size_t count = strspn(digits, "0123456789");
    if (count < 1 || count > 15)
        return NULL;
    *value = 0;
    for (size_t i = 0; i < count; i++)
        *value = *value * 10 + (digits[i] - '0');
    if (negative)
        *value = -*value;
    return digits + count;
}

int md_parse_real(const char *text, double *value) {
    char *end;
    if (text[0] == '\0' || text[strspn(text, "+-.0123456789eE")] != '\0')
        return -1;
    errno = 0;
    *value = strtod(text, &end);
    return *end == '\0' && isfinite(*value) && errno == 0 ? 0 : -1;
}
