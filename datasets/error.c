#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void md_error_set(struct md_error *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
}

void md_error_prefix(struct md_error *error, const char *prefix) {
    char text[sizeof error->text];
    memcpy(text, error->text, sizeof text);
    snprintf(error->text, sizeof error->text, "%.200s: %.800s", prefix, text);
}
