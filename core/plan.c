/* A plan's parts, each for itself: shapes, parameters, buffers, what an instruction touches. */
#include "plan_parts.h"

const char *const md_saving_names[MD_SAVING_COUNT + 1] = {"share",  "at_once", "together", "again",
                                                          "stream", "flash",   NULL};

const char *const md_buffer_names[MD_BUFFER_KIND_COUNT] = {
    "weights",   "optimizer state", "scratch",      "gradient sum", "gradient", "chains",
    "picture",   "label",           "activation",   "mask",         "error",    "fetched weights",
    "loss room", "teacher",         "distill room", "distilled"};

const char *const md_what_names[MD_WHAT_COUNT] = {
    "picture", "forward",         "mask",           "loss",   "distill",
    "error",   "weight gradient", "input gradient", "update", "fetch"};

struct md_shape md_layer_shape(const struct md_network *network, int layer) {
    const struct md_layer *l = &network->layers[layer];
    struct md_shape shape = {l->ci, l->co, 0, 0, l->stride};
    md_layer_size(network, l->input, &shape.height, &shape.width);
    return shape;
}

struct md_shape md_plan_weighed_shape(const struct md_plan *plan, int layer) {
    struct md_shape shape = plan->shape[layer];
    if (plan->learns[layer] == MD_LEARNS_BIASES)
        shape.ci = 0;
    return shape;
}

size_t md_plan_parameters(const struct md_network *network, int layer) {
    return layer == network->layer_count ? MD_LOSS_COUNT
                                         : md_layer_parameters(&network->layers[layer]);
}

size_t md_plan_learning(const struct md_network *network, const struct md_plan *plan, int layer) {
    if (layer == network->layer_count)
        return plan->learns[layer] ? MD_LOSS_COUNT : 0;
    return md_learning_parameters(&network->layers[layer], (enum md_learns)plan->learns[layer]);
}

size_t md_plan_frozen(const struct md_network *network, const struct md_plan *plan, int layer) {
    return md_plan_parameters(network, layer) - md_plan_learning(network, plan, layer);
}

size_t md_layer_elements(const struct md_network *network, int layer) {
    return (size_t)md_layer_values(network, layer, md_plan_channels(network, layer));
}

size_t md_teacher_bytes(const struct md_setup *setup, int layer) {
    return (size_t)md_layer_values(setup->network, layer, setup->objective.teacher_channels);
}

int md_plan_can_stream(const struct md_network *network, int layer) {
    if (layer < 1 || layer >= network->layer_count || network->layers[layer].input == MD_PICTURE)
        return 0;
    for (int l = layer; l < network->layer_count; l++)
        if (network->layers[l].skip >= layer || (l > layer && network->layers[l].input != l - 1))
            return 0;
    return 1;
}

int md_plan_front(const struct md_network *network) {
    for (int l = network->layer_count - 1; l > 0; l--)
        if (md_kinds[network->layers[l].kind].up > 1)
            return md_plan_can_stream(network, l) ? l : 0;
    return 0;
}

/* ---- what there is --------------------------------------------------------------------------- */

void md_plan_mark(const struct md_network *network, md_policy policy, struct md_plan *plan) {
    for (int l = 0; l < network->layer_count; l++) {
        const struct md_layer *layer = &network->layers[l];
        plan->shape[l] = md_layer_shape(network, l);
        plan->learns[l] = (unsigned char)md_layer_learns(network, policy, l);
        plan->wanted[l] = plan->learns[l] ||
                          (layer->input != MD_PICTURE && plan->wanted[layer->input]) ||
                          (layer->skip != MD_NO_SKIP && plan->wanted[layer->skip]);
    }
}

int md_policy_distills(const struct md_network *network, md_policy policy) {
    struct md_plan plan = {0};
    int stages = 0;
    md_plan_mark(network, policy, &plan);
    for (int l = 0; l < network->layer_count; l++)
        stages += plan.wanted[l] && md_is_stage(network, l);
    return stages > 0;
}

uint8_t md_plan_buffer(struct md_plan *plan, enum md_buffer_kind kind, int layer) {
    if (plan->buffers == MD_MAX_BUFFERS) {
        plan->fault = "more buffers than there is room for";
        return MD_NO_BUFFER;
    }
    plan->buffer[plan->buffers] =
        (struct md_buffer){.kind = (uint8_t)kind, .layer = (int8_t)layer, .first = 0xffff};
    return (uint8_t)plan->buffers++;
}

/* ---- what an instruction touches ------------------------------------------------------------- */

int md_plan_touches(const struct md_network *network, const struct md_instruction *i,
                    struct md_touch touched[MD_MAX_TOUCHED]) {
    int count = 0, height = 0, width;
    struct md_rows rows = {i->from, i->to}, all, read = {0, 0}, reading = {0, 0};
    md_layer_size(network, i->layer, &height, &width);
    all = (struct md_rows){0, height};
    if (i->what == MD_DO_FORWARD || i->what == MD_DO_WEIGHT_GRADIENT)
        read = md_rows_read(network, i->layer, rows);
    if (i->what == MD_DO_INPUT_GRADIENT) {
        reading = md_rows_reading(network, i->layer, rows);
        read = md_rows_read(network, i->layer, reading);
    }
    if (i->what == MD_DO_LOSS || i->what == MD_DO_DISTILL)
        read = all;
    const struct {
        int buffer;
        struct md_rows rows;
        int writes;
    } may[] = {
        {i->x[0], read, 0},
        {i->x[1], i->what == MD_DO_LOSS ? (struct md_rows){0, 0} : read, 0},
        {i->y, i->what == MD_DO_INPUT_GRADIENT ? reading : rows,
         i->what == MD_DO_PICTURE || i->what == MD_DO_FORWARD || i->what == MD_DO_LOSS ||
             i->what == MD_DO_DISTILL || i->what == MD_DO_ERROR || i->what == MD_DO_FETCH},
        {i->mask, i->what == MD_DO_INPUT_GRADIENT && (i->flags & MD_DERIVES) == 0 ? reading : rows,
         i->what == MD_DO_FORWARD || i->what == MD_DO_MASK},
        {i->target, rows, i->what != MD_DO_UPDATE},
        {i->chains, rows, i->what != MD_DO_LOSS},
        {i->weight, rows, 0},
    };
    for (size_t m = 0; m < sizeof may / sizeof may[0]; m++)
        if (may[m].buffer != MD_NO_BUFFER)
            touched[count++] =
                (struct md_touch){may[m].buffer, may[m].rows.from, may[m].rows.to, may[m].writes};
    return count;
}

size_t md_plan_state_bytes(const struct md_plan *plan) {
    size_t bytes = 0;
    for (int k = 0; k < MD_STATE_ARRAYS; k++)
        bytes += plan->state[k].bytes;
    return bytes;
}

int md_plan_copies(const struct md_setup *setup, const struct md_plan *plan, int buffer) {
    const struct md_buffer *b = &plan->buffer[buffer];
    if (b->kind == MD_SCRATCH)
        return setup->cores;
    return b->each == MD_EACH_SAMPLE ? setup->batch : b->each == MD_EACH_GROUP ? plan->groups : 1;
}

/* ---- what it costs --------------------------------------------------------------------------- */

size_t md_step_macs(const struct md_network *network, md_policy policy) {
    struct md_plan plan = {0};
    size_t total = 0;
    md_plan_mark(network, policy, &plan);
    for (int l = 0; l < network->layer_count; l++) {
        const struct md_layer *layer = &network->layers[l];
        size_t macs = md_layer_macs(network, l), per_channel = macs / (size_t)layer->ci;
        int skipped = md_layer_skipped(network, l);
        total += macs + (plan.learns[l] == MD_LEARNS_ALL ? macs : 0);
        if (layer->skip != MD_NO_SKIP && plan.wanted[layer->skip])
            total += per_channel * (size_t)skipped;
        if (layer->input != MD_PICTURE && plan.wanted[layer->input])
            total += per_channel * (size_t)(layer->ci - skipped);
    }
    return total;
}
