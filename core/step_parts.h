/* What arena.c, flash.c, engine.c and step.c have in common. */
#ifndef MD_CORE_STEP_PARTS_H
#define MD_CORE_STEP_PARTS_H

#include "step.h"

/* `values` moved on by `count` elements. */
static inline void *after(const struct md_engine *engine, void *values, size_t count) {
    return (unsigned char *)values + count * md_format_bytes[engine->setup.ops->format];
}

/* Value `index` of an array that the optimizer keeps; NULL when it is not needed. */
void *md_engine_parameter_state(const struct md_engine *engine, enum md_state_array which,
                                size_t index);

/* Pixels of a label: of what the last layer writes. */
size_t md_engine_label_pixels(const struct md_engine *engine);

/* Puts in parameters of one layer, from its number `from` on. */
void md_engine_put_layer(struct md_engine *engine, int layer, size_t from, size_t count,
                         const float *weights);

#endif
