/* Words that are put together one behind the other. */
#ifndef MD_RESULTS_APPEND_H
#define MD_RESULTS_APPEND_H

#include <stddef.h>

/* Prints behind what is in `text`, which is cut when there is no room for all of it. */
void md_append(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
