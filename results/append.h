/* Texts that are put together piece by piece. */
#ifndef MD_RESULTS_APPEND_H
#define MD_RESULTS_APPEND_H

#include <stddef.h>

/* Prints to the end of `text`, a buffer of `size` bytes; what does not fit is cut off. */
void md_append(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
