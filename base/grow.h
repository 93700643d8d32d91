/* Arrays that grow by one element at a time. */
#ifndef MD_BASE_GROW_H
#define MD_BASE_GROW_H

#include <stddef.h>

#include "error.h"

/* Grows an array of elements of `size` bytes so that one more fits behind the first `count`.
 * Returns the array, which may have moved; or NULL with an error when memory is out (it is then
 * unchanged). */
void *md_grow(void *elements, size_t count, size_t *capacity, size_t size, struct md_error *error);

#endif
