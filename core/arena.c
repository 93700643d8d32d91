/* Where an engine's tensors lie in its arena. */
#include "step_parts.h"

void *md_engine_buffer(const struct md_engine *engine, int buffer, int copy) {
    const struct md_buffer *b = &engine->plan.buffer[buffer];
    return engine->arena + b->offset + (size_t)copy * engine->plan.stride[b->each];
}

void *md_engine_weights(const struct md_engine *engine, int layer) {
    return engine->plan.in_flash[layer] ? NULL
                                        : after(engine, engine->arena, engine->plan.weight[layer]);
}

void *md_engine_parameter_state(const struct md_engine *engine, enum md_state_array which,
                                size_t index) {
    size_t bytes = engine->plan.state[which].bytes;
    return bytes == 0 ? NULL : engine->arena + engine->plan.state[which].offset + index * bytes;
}

void *md_engine_layer_state(const struct md_engine *engine, enum md_state_array which, int layer) {
    return md_engine_parameter_state(engine, which, engine->plan.learned[layer]);
}

void *md_engine_whole_state(struct md_engine *engine, size_t *bytes) {
    const struct md_plan *plan = &engine->plan;
    *bytes = plan->weight_bytes;
    for (int k = 0; k < MD_STATE_ARRAYS; k++)
        if (plan->state[k].bytes > 0)
            *bytes = plan->state[k].offset + plan->state[k].bytes * plan->learning;
    return engine->arena;
}
