/* Linked with the program (-Wl,--wrap), this makes mudepth-failing: a mudepth of which one call for
 * memory, or one that brings a file to the disk, fails as if there were no more: call number
 * MUDEPTH_FAIL, counted from 1 over all threads of each process. Where MUDEPTH_CALLS names a file,
 * the process writes there, at its end, how many such calls it made. Libraries' own calls are not
 * counted. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_long calls;

static void tell(void) {
    FILE *file = fopen(getenv("MUDEPTH_CALLS"), "w");
    if (file != NULL) {
        fprintf(file, "%ld\n", atomic_load(&calls));
        fclose(file);
    }
}

static int fails(int why) {
    const char *wanted = getenv("MUDEPTH_FAIL");
    long number = atomic_fetch_add(&calls, 1) + 1;
    if (number == 1 && getenv("MUDEPTH_CALLS") != NULL)
        atexit(tell);
    int is_it = wanted != NULL && strtol(wanted, NULL, 10) == number;
    errno = is_it ? why : errno;
    return is_it;
}

/* WRAP(type, name, parameters, arguments, what it returns when it fails, errno) */
#define WRAP(type, name, parameters, arguments, failure, why)                                      \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters {                                                                \
        return fails(why) ? (failure) : __real_##name arguments;                                   \
    }

WRAP(void *, malloc, (size_t size), (size), NULL, ENOMEM)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL, ENOMEM)
WRAP(void *, realloc, (void *old, size_t size), (old, size), NULL, ENOMEM)
WRAP(char *, strdup, (const char *text), (text), NULL, ENOMEM)
WRAP(FILE *, tmpfile, (void), (), NULL, ENOSPC)
WRAP(FILE *, fdopen, (int file, const char *mode), (file, mode), NULL, ENOMEM)
WRAP(int, fsync, (int file), (file), -1, EIO)
WRAP(int, rename, (const char *from, const char *to), (from, to), -1, ENOSPC)

WRAP(int, posix_memalign, (void **to, size_t alignment, size_t size), (to, alignment, size), ENOMEM,
     ENOMEM)

/* A stream remembers that it failed. */
static int spoil(FILE *stream) {
    enum { ERROR_SEEN = 0x20 }; /* of glibc: there is no function that sets it */
    int is_told = stream == stdout || stream == stderr;
    if (is_told || !fails(ENOSPC))
        return 0;
    stream->_flags |= ERROR_SEEN;
    return 1;
}

size_t __real_fwrite(const void *values, size_t size, size_t count, FILE *stream);
size_t __wrap_fwrite(const void *values, size_t size, size_t count, FILE *stream);
size_t __wrap_fwrite(const void *values, size_t size, size_t count, FILE *stream) {
    return spoil(stream) ? 0 : __real_fwrite(values, size, count, stream);
}

int __real_fflush(FILE *stream);
int __wrap_fflush(FILE *stream);
int __wrap_fflush(FILE *stream) {
    return stream != NULL && spoil(stream) ? EOF : __real_fflush(stream);
}
