/* The order of a training step: which instructions there are, and what they work on (plan.h). */
#include "plan_parts.h"

struct schedule {
    const struct md_setup *setup;
    const struct md_network *network;
    struct md_plan *plan;
    int front;  /* first layer of the front; layer_count: there is none */
    int second; /* 1: within the backward part */
    int again;  /* all activations are made a second time */

    unsigned char kept[MD_MAX_LAYERS];   /* the backward part reads the layer's activation ... */
    unsigned char masked[MD_MAX_LAYERS]; /* ... or its signs */
    unsigned char rerun[MD_MAX_LAYERS];  /* runs forward within the backward part, too */

    uint8_t activation[MD_MAX_LAYERS + 1]; /* the latest; [0]: the picture */
    uint8_t mask[MD_MAX_LAYERS], error[MD_MAX_LAYERS], chains[MD_MAX_LAYERS];
    int fetched;    /* the layer whose parameters were fetched last; MD_PICTURE: none */
    uint8_t window; /* where they are */
    unsigned char derived[MD_MAX_LAYERS]; /* the layer's error was completed by a MD_DERIVES */
    int made[MD_MAX_LAYERS];              /* rows of the front's activations, in the present pass */
    int errors[MD_MAX_LAYERS];            /* rows of the front's errors that are finished */
    int weighed[MD_MAX_LAYERS];           /* ... and in the weights' gradient */
    int skipped[MD_MAX_LAYERS];           /* rows of the error of the layer's skip */
};

static int height_of(const struct schedule *s, int layer) {
    int height, width;
    md_layer_size(s->network, layer, &height, &width);
    return height;
}

static struct md_instruction *emit(struct schedule *s, enum md_what what, int layer, int from,
                                   int to) {
    struct md_plan *plan = s->plan;
    if (plan->instructions == MD_MAX_INSTRUCTIONS) {
        plan->fault = "more instructions than there is room for: take larger bands";
        plan->instructions--;
    }
    struct md_instruction *next = &plan->instruction[plan->instructions++];
    *next = (struct md_instruction){(uint8_t)what,
                                    (int8_t)layer,
                                    0,
                                    {MD_NO_BUFFER, MD_NO_BUFFER},
                                    MD_NO_BUFFER,
                                    MD_NO_BUFFER,
                                    MD_NO_BUFFER,
                                    MD_NO_BUFFER,
                                    MD_NO_BUFFER,
                                    (int16_t)from,
                                    (int16_t)to};
    return next;
}

static int is_streamed(const struct schedule *s, int layer) {
    return layer >= s->front;
}

static int is_distilled(const struct schedule *s, int layer) {
    return s->setup->objective.distill > 0 && s->plan->wanted[layer] &&
           md_is_stage(s->network, layer);
}

/* Forgets what was fetched, where a pass begins. */
static void begin_pass(struct schedule *s) {
    s->fetched = MD_PICTURE;
    s->window = MD_NO_BUFFER;
}

/* The layer of the front with the most parameters in flash. */
static int largest_in_flash(const struct schedule *s) {
    int largest = s->front;
    for (int l = s->front; l < s->network->layer_count; l++)
        if (s->plan->in_flash[l] &&
            (!s->plan->in_flash[largest] || md_layer_parameters(&s->network->layers[l]) >
                                                md_layer_parameters(&s->network->layers[largest])))
            largest = l;
    return largest;
}

/* Where a layer's parameters are that are in flash: fetched, unless they were the last ones that
 * were. Layers of the front share one buffer: they are fetched anew for each band. */
static uint8_t fetch(struct schedule *s, int layer) {
    if (!s->plan->in_flash[layer])
        return MD_NO_BUFFER;
    if (s->fetched == layer)
        return s->window;
    if (!is_streamed(s, layer))
        s->window = md_plan_buffer(s->plan, MD_FETCHED, layer);
    else if (s->window == MD_NO_BUFFER || !is_streamed(s, s->fetched))
        s->window = md_plan_buffer(s->plan, MD_FETCHED, largest_in_flash(s));
    s->fetched = layer;
    emit(s, MD_DO_FETCH, layer, 0, 1)->y = s->window;
    return s->window;
}

/* ---- forward --------------------------------------------------------------------------------- */

/* The picture as numbers is short-lived: it is made anew for the weight gradient. */
static void make_picture(struct schedule *s) {
    struct md_instruction *i = emit(s, MD_DO_PICTURE, MD_PICTURE, 0, height_of(s, MD_PICTURE));
    i->y = s->activation[0] = md_plan_buffer(s->plan, MD_ACTIVATION, MD_PICTURE);
    i->x[0] = s->plan->picture;
}

static void name_inputs(const struct schedule *s, int layer, struct md_instruction *i) {
    const struct md_layer *l = &s->network->layers[layer];
    int half = 0;
    if (l->skip != MD_NO_SKIP)
        i->x[half++] = s->activation[l->skip + 1];
    i->x[half] = s->activation[l->input + 1];
}

/* Whether the mask of a layer is made when its activation is: the activation itself will not be
 * there any more, or only then. */
static int masks_now(const struct schedule *s, int layer) {
    if (!s->masked[layer])
        return 0;
    if (is_streamed(s, layer))
        return s->second == s->rerun[layer];
    return !s->kept[layer] && s->second == s->again;
}

static void forward(struct schedule *s, int layer, int from, int to) {
    const struct md_layer *l = &s->network->layers[layer];
    if (l->input == MD_PICTURE && from == 0)
        make_picture(s);
    if (from == 0)
        s->activation[layer + 1] = md_plan_buffer(s->plan, MD_ACTIVATION, layer);
    uint8_t weight = fetch(s, layer);
    int masks = masks_now(s, layer);
    if (masks && from == 0)
        s->mask[layer] = md_plan_buffer(s->plan, MD_MASK, layer);
    struct md_instruction *i = emit(s, MD_DO_FORWARD, layer, from, to);
    name_inputs(s, layer, i);
    i->weight = weight;
    i->y = s->activation[layer + 1];
    i->mask = masks ? s->mask[layer] : MD_NO_BUFFER;
    i->flags = s->second ? MD_SECOND : 0;
}

/* Rows of the front that are done at a time. */
static int band_of(const struct schedule *s) {
    return s->setup->band > 0 ? s->setup->band : 1;
}

static int least(int a, int b) {
    return a < b ? a : b;
}

static void weigh(struct schedule *s);

/* Sees to it that the rows before `rows` of a layer of the front are made. */
static void ensure_rows(struct schedule *s, int layer, int rows) {
    int height = height_of(s, layer), input = s->network->layers[layer].input;
    while (s->made[layer] < rows) {
        int from = s->made[layer], to = least(from + band_of(s), height);
        if (is_streamed(s, input))
            ensure_rows(s, input, md_rows_read(s->network, layer, (struct md_rows){from, to}).to);
        forward(s, layer, from, to);
        s->made[layer] = to;
        if (s->second)
            weigh(s);
    }
}

static void forward_pass(struct schedule *s) {
    int last = s->network->layer_count - 1;
    begin_pass(s);
    for (int l = 0; l <= last && !is_streamed(s, l); l++)
        if (!s->second || s->rerun[l])
            forward(s, l, 0, height_of(s, l));
    for (int l = s->front; l <= last; l++)
        s->made[l] = 0;
    if (!s->second && is_streamed(s, last))
        ensure_rows(s, last, height_of(s, last));
}

/* ---- backward -------------------------------------------------------------------------------- */

/* Whether a later layer than `layer` has already put its share into the error of `target`. */
static int has_share(const struct schedule *s, int target, int layer) {
    for (int l = layer + 1; l < s->network->layer_count; l++)
        if (s->network->layers[l].input == target || s->network->layers[l].skip == target)
            return 1;
    return 0;
}

static int is_last_share(const struct schedule *s, int target, int layer) {
    for (int l = 0; l < layer; l++)
        if (s->network->layers[l].input == target || s->network->layers[l].skip == target)
            return 0;
    return 1;
}

/* The mask of an activation that is still there: before its error is written, which may then lie
 * on it. All rows are made at once, and by cores that share channels: it is dense, unless a channel
 * ends within a byte. */
static void mask_kept(struct schedule *s, int layer) {
    if (!s->masked[layer] || s->mask[layer] != MD_NO_BUFFER)
        return;
    struct md_instruction *i = emit(s, MD_DO_MASK, layer, 0, height_of(s, layer));
    i->y = s->activation[layer + 1];
    i->mask = s->mask[layer] = md_plan_buffer(s->plan, MD_MASK, layer);
    s->plan->buffer[i->mask].dense = md_layer_values(s->network, layer, 1) % 8 == 0;
}

/* Whether what `layer`, not of the front, adds to the error of `target` completes it, so that its
 * activation's derivative can follow. (A stage, to which a teacher adds, has no activation.) */
static int derives(const struct schedule *s, int target, int layer) {
    return s->network->layers[target].leaky && !md_kinds[s->network->layers[layer].kind].masked &&
           !is_streamed(s, layer) && is_last_share(s, target, layer);
}

static void input_gradient(struct schedule *s, int layer, int skip, int from, int to) {
    const struct md_layer *l = &s->network->layers[layer];
    const struct md_kind *kind = &md_kinds[l->kind];
    int target = skip ? l->skip : l->input;
    if (!is_streamed(s, target) && from == 0 && is_last_share(s, target, layer))
        mask_kept(s, target);
    if (s->error[target] == MD_NO_BUFFER)
        s->error[target] = md_plan_buffer(s->plan, MD_ERROR, target);
    uint8_t weight = fetch(s, layer);
    struct md_instruction *i = emit(s, MD_DO_INPUT_GRADIENT, layer, from, to);
    i->weight = weight;
    i->y = s->error[layer];
    i->target = s->error[target];
    i->flags =
        (uint8_t)((has_share(s, target, layer) ? MD_ACCUMULATE : 0) | (skip ? MD_SKIP_HALF : 0));
    if (kind->masked)
        i->mask = s->mask[layer];
    if (derives(s, target, layer)) {
        i->mask = s->mask[target];
        i->flags |= MD_DERIVES;
        s->derived[target] = MD_DERIVED;
    }
    if (kind->reads_input)
        name_inputs(s, layer, i);
}

/* What a teacher has to say about the error of a stage, once that is complete. */
static void distill(struct schedule *s, int layer) {
    struct md_plan *plan = s->plan;
    if (!is_distilled(s, layer))
        return;
    struct md_instruction *i = emit(s, MD_DO_DISTILL, layer, 0, height_of(s, layer));
    i->x[0] = s->activation[layer + 1];
    i->y = s->error[layer];
    i->weight = plan->teacher[layer] = md_plan_buffer(plan, MD_TEACHER, layer);
    i->chains = md_plan_buffer(plan, MD_DISTILL_ROOM, layer);
    i->target = plan->distilled[layer] = md_plan_buffer(plan, MD_DISTILLED, layer);
}

/* The derivative of the layer's own activation, once rows of its error are complete. */
static void finish_error(struct schedule *s, int layer, int from, int to) {
    struct md_instruction *i = emit(s, MD_DO_ERROR, layer, from, to);
    i->y = s->error[layer];
    i->mask = s->network->layers[layer].leaky ? s->mask[layer] : MD_NO_BUFFER;
    i->flags = s->derived[layer];
}

static void weight_gradient(struct schedule *s, int layer, int from, int to) {
    struct md_plan *plan = s->plan;
    int weights_too = plan->learns[layer] == MD_LEARNS_ALL;
    if (from == 0) {
        if (weights_too && s->network->layers[layer].input == MD_PICTURE)
            make_picture(s);
        plan->gradient[layer] = md_plan_buffer(plan, MD_GRADIENT, layer);
        s->chains[layer] =
            to < height_of(s, layer) ? md_plan_buffer(plan, MD_CHAINS, layer) : MD_NO_BUFFER;
    }
    struct md_instruction *i = emit(s, MD_DO_WEIGHT_GRADIENT, layer, from, to);
    if (weights_too)
        name_inputs(s, layer, i);
    i->y = s->error[layer];
    i->target = plan->gradient[layer];
    i->chains = s->chains[layer];
}

/* Goes on with the weight gradients of the front as far as there are rows for them: so that no row
 * is made, or kept, for them longer than for the errors. */
static void weigh(struct schedule *s) {
    for (int l = s->network->layer_count - 1; l >= s->front; l--) {
        int input = s->network->layers[l].input, height = height_of(s, l);
        int up = md_kinds[s->network->layers[l].kind].up;
        while (s->plan->learns[l] && s->weighed[l] < height) {
            int from = s->weighed[l], to = least(from + (band_of(s) + up - 1) / up * up, height);
            int read = md_rows_read(s->network, l, (struct md_rows){from, to}).to;
            if (s->errors[l] < to || (s->plan->learns[l] == MD_LEARNS_ALL &&
                                      is_streamed(s, input) && s->made[input] < read))
                break;
            weight_gradient(s, l, from, to);
            s->weighed[l] = to;
        }
    }
}

static void ensure_errors(struct schedule *s, int layer, int rows);

/* What layer `reader` of the front puts into rows from .. to-1 of the error of its input or skip.
 */
static void share(struct schedule *s, int reader, int skip, int from, int to) {
    const struct md_layer *l = &s->network->layers[reader];
    const struct md_kind *kind = &md_kinds[l->kind];
    struct md_rows read = md_rows_reading(s->network, reader, (struct md_rows){from, to});
    ensure_errors(s, reader, read.to);
    if (kind->reads_input && is_streamed(s, l->input))
        ensure_rows(s, l->input, md_rows_read(s->network, reader, read).to);
    if (kind->masked && s->rerun[reader])
        ensure_rows(s, reader, read.to);
    input_gradient(s, reader, skip, from, to);
}

/* Sees to it that the rows before `rows` of the error of a layer of the front are finished, in
 * which its only reader, the next layer, has a share; the last one's is the loss's gradient. */
static void ensure_errors(struct schedule *s, int layer, int rows) {
    int height = height_of(s, layer);
    while (s->errors[layer] < rows) {
        int from = s->errors[layer], to = least(from + band_of(s), height);
        if (layer + 1 < s->network->layer_count)
            share(s, layer + 1, 0, from, to);
        if (s->masked[layer] && s->rerun[layer])
            ensure_rows(s, layer, to);
        finish_error(s, layer, from, to);
        s->errors[layer] = to;
        weigh(s);
    }
}

/* The same for the error of a tensor before the front: what layer `reader` puts into it. */
static void ensure_share(struct schedule *s, int reader, int skip, int rows, int *done) {
    const struct md_layer *l = &s->network->layers[reader];
    int height = height_of(s, skip ? l->skip : l->input);
    while (*done < rows) {
        int from = *done, to = least(from + band_of(s), height);
        share(s, reader, skip, from, to);
        *done = to;
    }
}

/* The front, from the last layer's error to what it leads to before the front: all layers keep step
 * with the rows of the highest of them. */
static void backward_front(struct schedule *s) {
    const struct md_plan *plan = s->plan;
    int last = s->network->layer_count - 1, input = s->network->layers[s->front].input;
    int all = 0, done = 0;
    for (int l = s->front; l <= last; l++)
        all = height_of(s, l) > all ? height_of(s, l) : all;
    for (int row = 1; row <= all; row++) {
        for (int l = last; l >= s->front; l--) {
            int skip = s->network->layers[l].skip;
            if (skip != MD_NO_SKIP && plan->wanted[skip])
                ensure_share(s, l, 1, row * height_of(s, skip) / all, &s->skipped[l]);
        }
        if (plan->wanted[input])
            ensure_share(s, s->front, 0, row * height_of(s, input) / all, &done);
        for (int l = last; l >= s->front; l--)
            if (plan->learns[l])
                ensure_errors(s, l, row * height_of(s, l) / all);
    }
    for (int l = last; l >= s->front; l--)
        if (plan->learns[l] == MD_LEARNS_ALL && is_streamed(s, s->network->layers[l].input))
            ensure_rows(s, s->network->layers[l].input, height_of(s, s->network->layers[l].input));
}

static int updates_at_once(const struct md_setup *setup) {
    return (setup->savings & MD_AT_ONCE) != 0 && setup->batch == 1 && !setup->waits;
}

static void update(struct schedule *s, int layer) {
    struct md_plan *plan = s->plan;
    if (!plan->learns[layer])
        return;
    if (plan->together)
        plan->gradient_sum[layer] = md_plan_buffer(plan, MD_GRADIENT_SUM, layer);
    emit(s, MD_DO_UPDATE, layer, 0, 0)->target =
        plan->together ? plan->gradient_sum[layer] : plan->gradient[layer];
}

static void backward_pass(struct schedule *s) {
    const struct md_plan *plan = s->plan;
    int last = s->network->layer_count - 1, at_once = updates_at_once(s->setup);
    begin_pass(s);
    if (is_streamed(s, last)) {
        backward_front(s);
        for (int l = last; l >= s->front && at_once; l--)
            update(s, l);
    }
    for (int l = least(last, s->front - 1); l >= 0; l--) {
        const struct md_layer *layer = &s->network->layers[l];
        if (!plan->wanted[l])
            continue;
        mask_kept(s, l);
        distill(s, l);
        finish_error(s, l, 0, height_of(s, l));
        if (plan->learns[l])
            weight_gradient(s, l, 0, height_of(s, l));
        if (layer->skip != MD_NO_SKIP && plan->wanted[layer->skip])
            input_gradient(s, l, 1, 0, height_of(s, layer->skip));
        if (layer->input != MD_PICTURE && plan->wanted[layer->input])
            input_gradient(s, l, 0, 0, height_of(s, layer->input));
        if (at_once)
            update(s, l);
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* What the backward part reads, and so what runs forward again: of the front, all that is read and
 * what leads to it; before the front, only if all activations are made again. */
static void look_ahead(struct schedule *s) {
    const struct md_network *network = s->network;
    for (int l = network->layer_count - 1; l >= 0; l--) {
        const struct md_layer *layer = &network->layers[l];
        const struct md_kind *kind = &md_kinds[layer->kind];
        int leads = layer->input >= 0 && s->plan->wanted[layer->input];
        s->kept[l] |= (unsigned char)is_distilled(s, l);
        if (is_distilled(s, l) && is_streamed(s, l))
            s->plan->fault = "a stage that is distilled cannot be streamed: front has to be "
                             "a layer behind it";
        s->masked[l] = s->plan->wanted[l] && (layer->leaky || (kind->masked && leads));
        int again = s->again || is_streamed(s, l);
        s->rerun[l] |= again && (s->kept[l] || (s->again && s->masked[l]));
        int reads =
            s->rerun[l] || s->plan->learns[l] == MD_LEARNS_ALL || (kind->reads_input && leads);
        const int inputs[2] = {layer->input, layer->skip};
        for (int i = 0; reads && i < 2; i++)
            if (inputs[i] >= 0) {
                s->kept[inputs[i]] = 1;
                s->rerun[inputs[i]] |= s->again;
            }
    }
}

void md_plan_schedule(const struct md_setup *setup, struct md_plan *plan) {
    const struct md_network *network = setup->network;
    int last = network->layer_count - 1, trains = plan->learning > 0;
    int front = setup->front > 0 ? setup->front : md_plan_front(network);
    int streams = (setup->savings & MD_STREAM) != 0 && md_plan_can_stream(network, front);
    struct schedule s = {.setup = setup,
                         .network = network,
                         .plan = plan,
                         .front = streams ? front : network->layer_count,
                         .again = (setup->savings & MD_AGAIN) != 0 && setup->batch > 1};
    for (int l = 0; l < MD_MAX_LAYERS; l++)
        s.mask[l] = s.error[l] = MD_NO_BUFFER;
    look_ahead(&s);
    plan->picture = md_plan_buffer(plan, MD_PICTURE_BYTES, MD_PICTURE);
    forward_pass(&s);
    plan->output = s.activation[network->output + 1];
    plan->last_output = s.activation[last + 1];
    plan->loss = plan->instructions;
    struct md_instruction *loss = emit(&s, MD_DO_LOSS, last, 0, height_of(&s, last));
    loss->x[0] = plan->last_output;
    loss->x[1] = plan->output;
    if (trains) {
        plan->label = md_plan_buffer(plan, MD_LABEL, last);
        plan->output_gradient = s.error[last] = md_plan_buffer(plan, MD_ERROR, last);
        loss->mask = plan->label;
        loss->y = plan->output_gradient;
        if (md_needs_pair(&setup->objective)) {
            loss->weight = plan->picture;
            loss->chains = plan->right_picture = md_plan_buffer(plan, MD_PICTURE_BYTES, MD_PICTURE);
        }
        if (md_loss_scratch(&setup->objective, setup->ops->format, 1) > 0)
            loss->target = plan->loss_room = md_plan_buffer(plan, MD_LOSS_ROOM, last);
        s.second = 1;
        if (s.again)
            forward_pass(&s);
        for (int l = s.front; l <= last; l++)
            s.made[l] = 0;
        backward_pass(&s);
    }
    plan->update = plan->instructions;
    for (int l = last; l >= 0 && !updates_at_once(setup); l--)
        update(&s, l);
}
