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

static int channels_of(const struct md_network *network, int layer) {
    return layer == MD_PICTURE ? 3 : network->layers[layer].co;
}

size_t md_layer_elements(const struct md_network *network, int layer) {
    return (size_t)md_layer_values(network, layer, channels_of(network, layer));
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

static void mark(const struct md_network *network, md_policy policy, struct md_plan *plan) {
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
    mark(network, policy, &plan);
    for (int l = 0; l < network->layer_count; l++)
        stages += plan.wanted[l] && md_is_stage(network, l);
    return stages > 0;
}

/* Where parameters lie: in the network's order, and among those that learn. A layer of which any
 * learn is in the arena as a whole. */
static void number_parameters(const struct md_setup *setup, struct md_plan *plan) {
    const struct md_network *network = setup->network;
    int flash = (setup->savings & MD_FLASH) != 0;
    size_t elem = md_format_bytes[setup->ops->format], all = 0, held = 0, frozen = 0;
    for (int l = 0; l < network->layer_count; l++) {
        size_t count = md_layer_parameters(&network->layers[l]);
        plan->in_flash[l] = flash && !plan->learns[l] && count > 0;
        plan->parameter[l] = all;
        plan->learned[l] = plan->learning;
        plan->weight[l] = plan->in_flash[l] ? frozen : held;
        all += count;
        plan->learning += md_plan_learning(network, plan, l);
        if (plan->in_flash[l])
            frozen += md_plan_aligned(count * elem) / elem;
        else
            held += count;
    }
    int losses = network->layer_count;
    plan->learns[losses] =
        setup->policy != 0 && setup->objective.weighing == MD_WEIGHTS_DYNAMIC ? MD_LEARNS_ALL : 0;
    plan->parameter[losses] = all;
    plan->learned[losses] = plan->learning;
    plan->weight[losses] = held;
    plan->learning += md_plan_learning(network, plan, losses);
    held += 2 * md_plan_learning(network, plan, losses);
    plan->weight_bytes = held * elem;
    plan->frozen_bytes = frozen * elem;
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
        {i->mask, i->what == MD_DO_INPUT_GRADIENT ? reading : rows,
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

/* When each buffer is live, and how many of its rows at a time. A row that is written last needs
 * all rows beside it that are still read afterwards. */
static void find_lives(const struct md_network *network, struct md_plan *plan) {
    int needed[MD_MAX_BUFFERS]; /* the first row that later instructions read or write */
    for (int b = 0; b < plan->buffers; b++)
        needed[b] = 0x7fff;
    for (int i = plan->instructions - 1; i >= 0; i--) {
        struct md_touch touched[MD_MAX_TOUCHED];
        int count = md_plan_touches(network, &plan->instruction[i], touched);
        for (int t = 0; t < count; t++) {
            struct md_buffer *buffer = &plan->buffer[touched[t].buffer];
            int *first = &needed[touched[t].buffer];
            if (buffer->first == 0xffff)
                buffer->last = (uint16_t)i;
            buffer->first = (uint16_t)i;
            if (touched[t].from < *first)
                *first = touched[t].from;
            if (touched[t].writes && touched[t].to - *first > buffer->rows)
                buffer->rows = (int16_t)(touched[t].to - *first);
        }
    }
    /* What is put in beforehand, and what is asked for after a forward pass. */
    const uint8_t given[] = {plan->picture, plan->right_picture, plan->label};
    for (int g = 0; g < 3; g++)
        if (given[g] != MD_NO_BUFFER)
            plan->buffer[given[g]].first = 0;
    for (int l = 0; l < network->layer_count; l++)
        if (plan->teacher[l] != MD_NO_BUFFER)
            plan->buffer[plan->teacher[l]].first = 0;
    struct md_buffer *output = &plan->buffer[plan->output];
    int height, width;
    md_layer_size(network, network->output, &height, &width);
    output->rows = (int16_t)height;
}

/* ---- how large it is ------------------------------------------------------------------------- */

static size_t buffer_bytes(const struct md_setup *setup, const struct md_plan *plan,
                           const struct md_buffer *b) {
    const struct md_network *network = setup->network;
    size_t elem = md_format_bytes[setup->ops->format];
    int height, width, channels = channels_of(network, b->layer);
    md_layer_size(network, b->layer, &height, &width);
    size_t held = (size_t)channels * (size_t)b->rows;
    switch ((enum md_buffer_kind)b->kind) {
    case MD_GRADIENT:
    case MD_GRADIENT_SUM:
        return md_plan_learning(network, plan, b->layer) * elem;
    case MD_CHAINS: {
        struct md_shape shape = md_plan_weighed_shape(plan, b->layer);
        return setup->ops->kinds[network->layers[b->layer].kind].sums_bytes(
            &shape, plan->groups > 1 ? 1 : setup->cores);
    }
    case MD_FETCHED:
        return md_layer_parameters(&network->layers[b->layer]) * elem;
    case MD_PICTURE_BYTES:
        return md_layer_elements(network, MD_PICTURE);
    case MD_LOSS_ROOM:
        return md_loss_scratch(&setup->objective, setup->ops->format,
                               (int)md_layer_elements(network, b->layer));
    case MD_TEACHER:
        return md_teacher_bytes(setup, b->layer);
    case MD_DISTILL_ROOM:
        return md_distill_room(setup->ops->format, (size_t)md_layer_values(network, b->layer, 1));
    case MD_DISTILLED:
        return (size_t)setup->batch * sizeof(float);
    case MD_LABEL:
        return md_layer_elements(network, b->layer) * elem;
    case MD_MASK:
        return held * (size_t)md_mask_bytes(width);
    default:
        return held * (size_t)width * elem;
    }
}

/* What an instruction wants of scratch memory, for one core. */
static size_t wanted_bytes(const struct md_setup *setup, const struct md_plan *plan,
                           const struct md_instruction *i) {
    if (i->what == MD_DO_DISTILL)
        return md_distill_scratch(setup->ops->format, setup->network->layers[i->layer].co);
    if (i->what != MD_DO_FORWARD && i->what != MD_DO_WEIGHT_GRADIENT &&
        i->what != MD_DO_INPUT_GRADIENT)
        return 0;
    const struct md_layer *layer = &setup->network->layers[i->layer];
    struct md_shape shape = i->what == MD_DO_WEIGHT_GRADIENT ? md_plan_weighed_shape(plan, i->layer)
                                                             : plan->shape[i->layer];
    int rows = i->to - i->from;
    if (i->what == MD_DO_INPUT_GRADIENT)
        rows = (rows * md_kinds[layer->kind].up + layer->stride - 1) / layer->stride;
    return setup->ops->kinds[layer->kind].scratch_bytes(&shape, rows);
}

/* One core's: the most that any instruction wants. */
static size_t scratch_bytes(const struct md_setup *setup, const struct md_plan *plan) {
    size_t most = 0;
    for (int n = 0; n < plan->instructions; n++) {
        size_t bytes = wanted_bytes(setup, plan, &plan->instruction[n]);
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* Gives the optimizer's arrays their places from byte `begin` of the arena on, each aligned to its
 * values, and returns where the last one ends. */
static size_t place_kept(const struct md_setup *setup, size_t begin, struct md_plan *plan) {
    size_t elem = md_format_bytes[setup->ops->format], end = begin;
    size_t moment = setup->moments == MD_MOMENTS_FP32 ? sizeof(float) : elem;
    int moments = setup->optimizer == MD_ADAM ? 2 : setup->momentum ? 1 : 0;
    plan->keeps[MD_FIRST_MOMENT].bytes = moments >= 1 ? moment : 0;
    plan->keeps[MD_SECOND_MOMENT].bytes = moments >= 2 ? moment : 0;
    plan->keeps[MD_BESIDE_WEIGHT].bytes = setup->storing == MD_STORE_MASTER  ? sizeof(float)
                                          : setup->storing == MD_STORE_KAHAN ? elem
                                                                             : 0;
    for (int k = 0; k < MD_KEEPS_COUNT; k++) {
        size_t bytes = plan->learning > 0 ? plan->keeps[k].bytes : 0;
        if (bytes > 0)
            end = (end + bytes - 1) / bytes * bytes;
        plan->keeps[k].offset = end;
        end += plan->learning * bytes;
    }
    return end;
}

size_t md_plan_kept_bytes(const struct md_plan *plan) {
    size_t bytes = 0;
    for (int k = 0; k < MD_KEEPS_COUNT; k++)
        bytes += plan->keeps[k].bytes;
    return bytes;
}

/* ---- where it lies --------------------------------------------------------------------------- */

static uint8_t fixed(struct md_plan *plan, enum md_buffer_kind kind, size_t offset, size_t bytes) {
    uint8_t number = md_plan_buffer(plan, kind, MD_PICTURE);
    struct md_buffer *buffer = &plan->buffer[number];
    buffer->each = MD_EACH_STEP;
    buffer->offset = offset;
    buffer->bytes = bytes;
    buffer->first = 0;
    buffer->last = (uint16_t)(plan->instructions - 1);
    return number;
}

int md_plan_copies(const struct md_setup *setup, const struct md_plan *plan, int buffer) {
    const struct md_buffer *b = &plan->buffer[buffer];
    if (b->kind == MD_SCRATCH)
        return setup->cores;
    return b->each == MD_EACH_SAMPLE ? setup->batch : b->each == MD_EACH_GROUP ? plan->groups : 1;
}

/* With a batch of one there is one copy of everything, and all of it can share; otherwise what is
 * live at the loss is there for each sample, and the rest for each group. */
static void sort_buffers(const struct md_setup *setup, struct md_plan *plan) {
    for (int b = 0; b < plan->buffers; b++) {
        struct md_buffer *buffer = &plan->buffer[b];
        int at_loss = (buffer->first <= plan->loss && buffer->last >= plan->loss) ||
                      buffer->kind == MD_PICTURE_BYTES; /* all are put in beforehand */
        int apart = buffer->kind == MD_GRADIENT && !plan->together;
        if (buffer->first == 0xffff) /* a picture that nobody reads */
            buffer->first = buffer->last = 0;
        int common = buffer->kind == MD_GRADIENT_SUM || buffer->kind == MD_DISTILLED ||
                     (buffer->kind == MD_LOSS_ROOM && setup->batch > 1);
        buffer->each = common                                   ? MD_EACH_STEP
                       : setup->batch > 1 && (at_loss || apart) ? MD_EACH_SAMPLE
                                                                : MD_EACH_GROUP;
        if (buffer->each != MD_EACH_GROUP) {
            buffer->first = 0;
            buffer->last = (uint16_t)(plan->instructions - 1);
        }
        buffer->bytes = md_plan_aligned(buffer_bytes(setup, plan, buffer));
    }
}

static void find_bound(const struct md_setup *setup, struct md_plan *plan) {
    int copies[MD_MAX_BUFFERS];
    for (int b = 0; b < plan->buffers; b++)
        copies[b] = md_plan_copies(setup, plan, b);
    plan->bound_bytes = md_plan_most_live(plan, copies, &plan->peak);
}

void md_plan_make(const struct md_setup *setup, struct md_plan *plan) {
    const struct md_network *network = setup->network;
    int shared = (setup->savings & MD_SHARE) != 0;
    *plan = (struct md_plan){0};
    plan->scratch = plan->picture = plan->right_picture = plan->label = plan->output_gradient =
        plan->loss_room = MD_NO_BUFFER;
    for (int l = 0; l < MD_MAX_LAYERS; l++)
        plan->gradient[l] = plan->gradient_sum[l] = plan->teacher[l] = plan->distilled[l] =
            MD_NO_BUFFER;
    mark(network, setup->policy, plan);
    number_parameters(setup, plan);
    plan->groups =
        setup->batch >= setup->cores && (setup->savings & MD_TOGETHER) == 0 ? setup->cores : 1;
    plan->together = plan->groups == 1 && setup->batch > 1;
    md_plan_schedule(setup, plan);
    if (plan->fault != NULL)
        return;
    find_lives(network, plan);
    sort_buffers(setup, plan);

    int commons = plan->buffers; /* that are not fixed */
    size_t weights = plan->weight_bytes;
    size_t state = place_kept(setup, weights, plan), end = md_plan_aligned(state);
    fixed(plan, MD_WEIGHTS, 0, weights);
    fixed(plan, MD_OPTIMIZER_STATE, weights, end - weights);
    plan->scratch = fixed(plan, MD_SCRATCH, end, md_plan_aligned(scratch_bytes(setup, plan)));
    plan->stride[MD_EACH_STEP] = plan->buffer[plan->scratch].bytes;
    end += plan->stride[MD_EACH_STEP] * (size_t)setup->cores;
    for (int b = 0; b < commons; b++)
        if (plan->buffer[b].each == MD_EACH_STEP) {
            plan->buffer[b].offset = end;
            end += plan->buffer[b].bytes;
        }
    const struct {
        unsigned each;
        int copies;
    } blocks[] = {{MD_EACH_SAMPLE, setup->batch}, {MD_EACH_GROUP, plan->groups}};
    for (int b = 0; b < 2; b++) {
        size_t next = md_plan_place(plan, blocks[b].each, shared, end);
        plan->stride[blocks[b].each] = next - end;
        end += (next - end) * (size_t)blocks[b].copies;
    }
    plan->arena_bytes = end;
    find_bound(setup, plan);
}

/* ---- what it costs --------------------------------------------------------------------------- */

size_t md_step_macs(const struct md_network *network, md_policy policy) {
    struct md_plan plan = {0};
    size_t total = 0;
    mark(network, policy, &plan);
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
