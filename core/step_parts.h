/* What step.c and flash.c have in common. */
#ifndef MD_CORE_STEP_PARTS_H
#define MD_CORE_STEP_PARTS_H

#include "step.h"

/* `values` moved on by `count` elements. */
static inline void *after(const struct md_engine *engine, void *values, size_t count) {
    return (unsigned char *)values + count * md_format_bytes[engine->setup.ops->format];
}

/* Puts in parameters of one layer, from its number `from` on. */
void md_engine_put_layer(struct md_engine *engine, int layer, size_t from, size_t count,
                         const float *weights);

#endif
