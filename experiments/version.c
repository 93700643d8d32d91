#include "version.h"

#include <stdio.h> /* before jpeglib.h, which needs it */

#include <cblas.h>
#include <hdf5.h>
#include <jansson.h>
#include <jpeglib.h>
#include <png.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <xxhash.h>
#include <yaml.h>
#include <zip.h>
#include <zlib.h>

#include "build.h" /* made by the Makefile: MD_BUILD_... */

const char *md_code_version(void) {
    return MD_BUILD_VERSION;
}

const char *md_git_commit(void) {
    return MD_BUILD_COMMIT;
}

int md_git_dirty(void) {
    return MD_BUILD_DIRTY;
}

const char *md_compiler(void) {
#if defined(__clang__)
    return __VERSION__;
#else
    return "gcc " __VERSION__;
#endif
}

const char *md_compiler_flags(void) {
    return MD_BUILD_FLAGS;
}

const char *md_compiler_target(void) {
    return MD_BUILD_TARGET;
}

/* ---- libraries ------------------------------------------------------------------------------- */

static const char *hdf5_version(void) {
    static char text[40];
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    snprintf(text, sizeof text, "%u.%u.%u", major, minor, release);
    return text;
}

static const char *png_version(void) {
    return png_get_libpng_ver(NULL);
}

/* It cannot be asked, only the header it was compiled with. */
static const char *jpeg_version(void) {
#define TEXT_OF(macro)       TEXT_OF_VALUE(macro)
#define TEXT_OF_VALUE(value) #value
#if defined(LIBJPEG_TURBO_VERSION)
    return "turbo " TEXT_OF(LIBJPEG_TURBO_VERSION);
#else
    return TEXT_OF(JPEG_LIB_VERSION);
#endif
}

static const char *xxhash_version(void) {
    static char text[40];
    unsigned version = XXH_versionNumber();
    snprintf(text, sizeof text, "%u.%u.%u", version / 10000, version / 100 % 100, version % 100);
    return text;
}

static const char *openblas_version(void) {
    return openblas_get_config();
}

static const struct {
    const char *name;
    const char *(*version)(void);
} libraries[] = {
    {"hdf5", hdf5_version},           {"zlib", zlibVersion},
    {"libpng", png_version},          {"libjpeg", jpeg_version},
    {"libzip", zip_libzip_version},   {"libyaml", yaml_get_version_string},
    {"xxhash", xxhash_version},       {"openblas", openblas_version},
    {"jansson", jansson_version_str},
};

int md_library(int number, const char **name, char version[MD_VERSION_SIZE]) {
    if (number >= (int)(sizeof libraries / sizeof libraries[0]))
        return -1;
    *name = libraries[number].name;
    snprintf(version, MD_VERSION_SIZE, "%s", libraries[number].version());
    return 0;
}

/* ---- the machine ----------------------------------------------------------------------------- */

void md_host_name(char *text, size_t size) {
    struct utsname system;
    snprintf(text, size, "%s", uname(&system) == 0 ? system.nodename : "unknown");
}

void md_cpu_model(char *text, size_t size) {
    static const char key[] = "model name";
    char line[400];
    FILE *file = fopen("/proc/cpuinfo", "r");
    snprintf(text, size, "unknown");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *value = strchr(line, ':');
        if (value == NULL || strncmp(line, key, sizeof key - 1) != 0)
            continue;
        value += 1 + strspn(value + 1, " ");
        value[strcspn(value, "\n")] = '\0';
        snprintf(text, size, "%s", value);
        break;
    }
    if (file != NULL)
        fclose(file);
}

void md_kernel(char *text, size_t size) {
    struct utsname system;
    if (uname(&system) == 0)
        snprintf(text, size, "%s %s", system.sysname, system.release);
    else
        snprintf(text, size, "unknown");
}

void md_time_now(char text[32]) {
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}
