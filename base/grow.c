#include "grow.h"

#include <stdlib.h>

void *md_grow(void *elements, size_t count, size_t *capacity, size_t size, struct md_error *error) {
    if (count < *capacity)
        return elements;
    size_t wanted = *capacity ? 2 * *capacity : 16;
    void *moved = realloc(elements, wanted * size);
    if (moved)
        *capacity = wanted;
    else
        md_error_set(error, "out of memory for %zu elements of %zu bytes", wanted, size);
    return moved;
}
