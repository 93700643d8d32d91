/* The engine's parameters, as they are put in and asked for: in the arena, or in flash. */
#include "step_parts.h"

static void read_memory(const struct md_flash *flash, size_t offset, void *to, size_t bytes) {
    __builtin_memcpy(to, (const unsigned char *)flash->memory + offset, bytes);
}
static void write_memory(const struct md_flash *flash, size_t offset, const void *from,
                         size_t bytes) {
    __builtin_memcpy((unsigned char *)flash->memory + offset, from, bytes);
}

struct md_flash md_flash_in(void *memory, size_t bytes) {
    return (struct md_flash){read_memory, write_memory, memory, bytes};
}

/* Copies go by pieces of so many elements of a layer, the last one up to a whole alignment. */
enum { PIECE = 64 };

struct piece {
    size_t offset, bytes; /* in flash */
    double elements[PIECE];
};

static void read_piece(const struct md_engine *engine, int layer, size_t number,
                       struct piece *piece) {
    size_t elem = md_format_bytes[engine->setup.ops->format], from = number * PIECE;
    size_t left = (md_plan_parameters(engine->setup.network, layer) - from) * elem;
    piece->offset = (engine->plan.weight[layer] + from) * elem;
    piece->bytes = left < PIECE * elem ? md_plan_aligned(left) : PIECE * elem;
    engine->flash.read(&engine->flash, piece->offset, piece->elements, piece->bytes);
}

/* How many of `count` elements from `from` on are in the same piece. */
static size_t in_piece(size_t from, size_t count) {
    size_t rest = PIECE - from % PIECE;
    return count < rest ? count : rest;
}

static void put_in_flash(struct md_engine *engine, int layer, size_t from, size_t count,
                         const float *weights) {
    struct piece piece;
    for (size_t here; count > 0; from += here, weights += here, count -= here) {
        here = in_piece(from, count);
        read_piece(engine, layer, from / PIECE, &piece);
        engine->setup.ops->from_float(here, weights, after(engine, piece.elements, from % PIECE));
        engine->flash.write(&engine->flash, piece.offset, piece.elements, piece.bytes);
    }
}

void md_engine_read_weights(const struct md_engine *engine, int layer, size_t first, size_t count,
                            void *to) {
    size_t elem = md_format_bytes[engine->setup.ops->format];
    unsigned char *t = to;
    struct piece piece;
    for (size_t here; count > 0; first += here, t += here * elem, count -= here) {
        void *weights = md_engine_weights(engine, layer);
        here = in_piece(first, count);
        if (weights == NULL)
            read_piece(engine, layer, first / PIECE, &piece);
        __builtin_memcpy(t,
                         weights == NULL ? after(engine, piece.elements, first % PIECE)
                                         : after(engine, weights, first),
                         here * elem);
    }
}

void md_engine_put_layer(struct md_engine *engine, int layer, size_t from, size_t count,
                         const float *weights) {
    if (engine->plan.in_flash[layer]) {
        put_in_flash(engine, layer, from, count, weights);
        return;
    }
    engine->setup.ops->from_float(count, weights,
                                  after(engine, md_engine_weights(engine, layer), from));
    size_t bytes = engine->plan.state[MD_BESIDE_WEIGHT].bytes,
           first = md_plan_frozen(engine->setup.network, &engine->plan, layer);
    size_t skipped = first > from ? first - from : 0;
    if (!engine->plan.learns[layer] || bytes == 0 || skipped >= count)
        return;
    unsigned char *beside = md_engine_layer_state(engine, MD_BESIDE_WEIGHT, layer);
    beside += (from + skipped - first) * bytes;
    for (size_t i = skipped; i < count; i++, beside += bytes)
        if (engine->setup.storing == MD_STORE_MASTER)
            *(float *)(void *)beside = weights[i];
        else
            for (size_t b = 0; b < bytes; b++)
                beside[b] = 0;
}

void md_engine_put_weights(struct md_engine *engine, size_t first, size_t count,
                           const float *weights) {
    for (int l = 0; l < engine->setup.network->layer_count; l++) {
        size_t begin = engine->plan.parameter[l],
               end = begin + md_plan_parameters(engine->setup.network, l);
        size_t from = first > begin ? first : begin;
        size_t to = first + count < end ? first + count : end;
        if (from < to)
            md_engine_put_layer(engine, l, from - begin, to - from, weights + (from - first));
    }
}

void md_engine_set_weights(struct md_engine *engine, const float *weights) {
    md_engine_put_weights(engine, 0, md_parameter_total(engine->setup.network), weights);
}

void md_engine_get_weights(const struct md_engine *engine, float *weights) {
    double some[PIECE];
    for (int l = 0; l < engine->setup.network->layer_count; l++)
        for (size_t from = 0, all = md_plan_parameters(engine->setup.network, l); from < all;
             from += PIECE) {
            size_t here = all - from < PIECE ? all - from : PIECE;
            md_engine_read_weights(engine, l, from, here, some);
            engine->setup.ops->to_float(here, some, weights + engine->plan.parameter[l] + from);
        }
}
