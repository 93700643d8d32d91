/* How a plan is made. */
#include "plan_parts.h"

/* ---- what there is --------------------------------------------------------------------------- */

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
    int height, width, channels = md_plan_channels(network, b->layer);
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
        return held * (size_t)md_mask_row(width, b->dense) / 8;
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
    int moments = md_optimizer_moments[setup->optimizer][setup->momentum];
    plan->state[MD_FIRST_MOMENT].bytes = moments >= 1 ? moment : 0;
    plan->state[MD_SECOND_MOMENT].bytes = moments >= 2 ? moment : 0;
    plan->state[MD_BESIDE_WEIGHT].bytes = setup->storing == MD_STORE_MASTER  ? sizeof(float)
                                          : setup->storing == MD_STORE_KAHAN ? elem
                                                                             : 0;
    for (int k = 0; k < MD_STATE_ARRAYS; k++) {
        size_t bytes = plan->learning > 0 ? plan->state[k].bytes : 0;
        if (bytes > 0)
            end = (end + bytes - 1) / bytes * bytes;
        plan->state[k].offset = end;
        end += plan->learning * bytes;
    }
    return end;
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

/* What is there all the time takes whole cache lines, so that scratch, and what shares places
 * behind it, begin with one: largest first these are maps, whose vectors then mostly do not lie in
 * two. */
static size_t whole_lines(size_t bytes) {
    return (bytes + 63) / 64 * 64;
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
        size_t bytes = buffer_bytes(setup, plan, buffer);
        buffer->bytes = buffer->each == MD_EACH_GROUP ? md_plan_aligned(bytes) : whole_lines(bytes);
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
    md_plan_mark(network, setup->policy, plan);
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
    size_t state = place_kept(setup, weights, plan), end = whole_lines(state);
    fixed(plan, MD_WEIGHTS, 0, weights);
    fixed(plan, MD_OPTIMIZER_STATE, weights, end - weights);
    plan->scratch = fixed(plan, MD_SCRATCH, end, whole_lines(scratch_bytes(setup, plan)));
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
