#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int md_fail(struct md_error *error, enum md_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return status;
}

int md_fail_in(struct md_error *error, int status, const char *prefix) {
    char text[sizeof error->text];
    memcpy(text, error->text, sizeof text);
    snprintf(error->text, sizeof error->text, "%.200s: %.800s", prefix, text);
    return status;
}
