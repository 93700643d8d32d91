/* An engine's start, what is put into it and asked for. */
#include "step_parts.h"

enum md_engine_error md_engine_start(struct md_engine *engine, const struct md_setup *setup,
                                     struct md_team *team, void *arena, size_t arena_bytes) {
    const int losses = setup->network->layer_count;
    const float one = 1.0f;
    *engine = (struct md_engine){0};
    engine->setup = *setup;
    engine->team = team;
    engine->arena = arena;
    md_plan_make(setup, &engine->plan);
    if (engine->plan.fault != NULL)
        return MD_ENGINE_NO_PLAN;
    if (setup->cores != (team == NULL ? 1 : team->cores))
        return MD_ENGINE_WRONG_TEAM;
    if (arena_bytes < engine->plan.arena_bytes)
        return MD_ENGINE_ARENA_TOO_SMALL;
    size_t state_bytes;
    unsigned char *state = md_engine_whole_state(engine, &state_bytes);
    for (size_t i = 0; i < state_bytes; i++)
        state[i] = 0;
    for (size_t l = 0; l < md_plan_learning(setup->network, &engine->plan, losses); l++)
        md_engine_put_layer(engine, losses, l, 1, &one);
    return MD_ENGINE_OK;
}

static void set_bytes(struct md_engine *engine, int buffer, int slot, const void *bytes,
                      size_t count) {
    __builtin_memcpy(md_engine_buffer(engine, buffer, slot), bytes, count);
}

void md_engine_set_picture(struct md_engine *engine, int slot, const uint8_t *picture) {
    set_bytes(engine, engine->plan.picture, slot, picture,
              md_layer_elements(engine->setup.network, MD_PICTURE));
}

void md_engine_set_right_picture(struct md_engine *engine, int slot, const uint8_t *picture) {
    set_bytes(engine, engine->plan.right_picture, slot, picture,
              md_layer_elements(engine->setup.network, MD_PICTURE));
}

void md_engine_set_teacher(struct md_engine *engine, int slot, int layer, const int8_t *features) {
    set_bytes(engine, engine->plan.teacher[layer], slot, features,
              md_teacher_bytes(&engine->setup, layer));
}

size_t md_engine_label_pixels(const struct md_engine *engine) {
    return md_layer_elements(engine->setup.network, engine->setup.network->layer_count - 1);
}

void md_engine_set_label(struct md_engine *engine, int slot, const float *disparity) {
    engine->setup.ops->from_float(md_engine_label_pixels(engine), disparity,
                                  md_engine_buffer(engine, engine->plan.label, slot));
}

void md_engine_output(const struct md_engine *engine, int slot, float *disparity) {
    engine->setup.ops->to_float(
        md_layer_elements(engine->setup.network, engine->setup.network->output),
        md_engine_buffer(engine, engine->plan.output, slot), disparity);
}

const void *md_engine_gradient(const struct md_engine *engine, int layer) {
    const struct md_plan *plan = &engine->plan;
    if (layer == engine->setup.network->layer_count)
        return after(engine, md_engine_weights(engine, layer), MD_LOSS_COUNT);
    return md_engine_buffer(engine,
                            plan->together ? plan->gradient_sum[layer] : plan->gradient[layer], 0);
}
