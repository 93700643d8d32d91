#include "version.h"

#include <time.h>
#include <unistd.h>

#include "build.h" /* made by the Makefile: MD_BUILD_VERSION, MD_BUILD_FLAGS */

const char *md_code_version(void) {
    return MD_BUILD_VERSION;
}

const char *md_compiler(void) {
#if defined(__clang__)
    return __VERSION__ " " MD_BUILD_FLAGS;
#else
    return "gcc " __VERSION__ " " MD_BUILD_FLAGS;
#endif
}

void md_host_name(char *text, size_t size) {
    if (gethostname(text, size) != 0)
        text[0] = '\0';
    text[size - 1] = '\0';
}

void md_time_now(char text[32]) {
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}
