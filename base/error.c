#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST_PREFIX = 200 };

/* Names of files may have line feeds and what commands a terminal; an error is one line. */
static void make_one_line(char *text) {
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

void md_error_set(struct md_error *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    make_one_line(error->text);
}

void md_error_prefix(struct md_error *error, const char *prefix) {
    char text[sizeof error->text];
    size_t length = strlen(prefix);
    const char *end = length > LONGEST_PREFIX ? prefix + length - LONGEST_PREFIX : prefix;
    memcpy(text, error->text, sizeof text);
    md_error_set(error, "%s%s: %.800s", end > prefix ? "..." : "", end, text);
}
