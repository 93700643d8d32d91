/* Arrays that grow by one element at a time. */
#ifndef MD_BASE_GROW_H
#define MD_BASE_GROW_H

#include <stddef.h>

#include "error.h"

/* Makes room for an element of `size` bytes behind the first `count`; returns where the elements
 * are now, or NULL and an error when memory is out (they then stay where they were). */
void *md_grow(void *elements, size_t count, size_t *capacity, size_t size, struct md_error *error);

#endif
