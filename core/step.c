#include "step.h"

enum md_engine_error md_engine_start(struct md_engine *engine, const struct md_setup *setup,
                                     struct md_team *team, void *arena, size_t arena_bytes) {
    *engine = (struct md_engine){0};
    engine->setup = *setup;
    engine->team = team;
    engine->arena = arena;
    md_plan_make(setup, &engine->plan);
    if (setup->cores != (team == NULL ? 1 : team->cores))
        return MD_ENGINE_WRONG_TEAM;
    if (arena_bytes < engine->plan.arena_bytes)
        return MD_ENGINE_ARENA_TOO_SMALL;
    size_t state_bytes;
    unsigned char *state = md_engine_state(engine, &state_bytes);
    for (size_t i = 0; i < state_bytes; i++)
        state[i] = 0;
    return MD_ENGINE_OK;
}

/* ---- where things lie ------------------------------------------------------------------------ */

void *md_engine_region(const struct md_engine *engine, enum md_region r, int copy) {
    return engine->arena + engine->plan.regions[r].offset +
           (size_t)copy * engine->plan.regions[r].bytes;
}

/* `values` moved on by `count` elements. */
static void *after(const struct md_engine *engine, void *values, size_t count) {
    return (unsigned char *)values + count * md_format_bytes[engine->setup.ops->format];
}

static void *activation(const struct md_engine *engine, int layer, int slot) {
    if (layer == MD_PICTURE)
        return md_engine_region(engine, MD_PICTURES, slot);
    return after(engine, md_engine_region(engine, MD_ACTIVATIONS, slot),
                 engine->plan.activation[layer]);
}

/* The error of a layer's output; the last layer's is the gradient of the loss. */
static void *error_of(const struct md_engine *engine, int layer, int slot, int group) {
    if (layer == engine->setup.network->layer_count - 1)
        return md_engine_region(engine, MD_OUTPUT_GRADIENTS, slot);
    return after(engine, md_engine_region(engine, MD_ERRORS, group), engine->plan.error[layer]);
}

static void *gradient_of(const struct md_engine *engine, int layer, int slot) {
    return after(engine, md_engine_region(engine, MD_WEIGHT_GRADIENTS, slot),
                 engine->plan.gradient[layer]);
}

/* Weights and biases of a layer. */
static size_t layer_parameters(const struct md_engine *engine, int layer) {
    const struct md_layer *l = &engine->setup.network->layers[layer];
    return md_layer_weights(l) + md_layer_biases(l);
}

/* A layer's first input: the skip half of its concat where it has one. */
static int first_input(const struct md_layer *layer) {
    return layer->skip != MD_NO_SKIP ? layer->skip : layer->input;
}

void *md_engine_state(struct md_engine *engine, size_t *bytes) {
    *bytes = engine->plan.regions[MD_WEIGHTS].bytes +
             engine->plan.regions[MD_OPTIMIZER_STATE].bytes *
                 (size_t)engine->plan.regions[MD_OPTIMIZER_STATE].copies;
    return md_engine_region(engine, MD_WEIGHTS, 0);
}

/* Value `index` of an array that the optimizer keeps; NULL when it is not needed. */
static void *kept_at(const struct md_engine *engine, enum md_keeps which, size_t index) {
    size_t bytes = engine->plan.keeps[which].bytes;
    return bytes == 0 ? NULL : engine->arena + engine->plan.keeps[which].offset + index * bytes;
}

void md_engine_put_weights(struct md_engine *engine, size_t first, size_t count,
                           const float *weights) {
    const struct md_network *network = engine->setup.network;
    size_t bytes = engine->plan.keeps[MD_BESIDE_WEIGHT].bytes, begin = 0, last = first + count;
    engine->setup.ops->from_float(count, weights,
                                  after(engine, md_engine_region(engine, MD_WEIGHTS, 0), first));
    for (int l = 0; l < network->layer_count && bytes > 0; l++) {
        size_t end = begin + layer_parameters(engine, l);
        for (size_t i = first > begin ? first : begin; i < end && i < last; i++) {
            if (!engine->plan.learns[l])
                break;
            unsigned char *beside =
                kept_at(engine, MD_BESIDE_WEIGHT, engine->plan.gradient[l] + i - begin);
            if (engine->setup.storing == MD_STORE_MASTER)
                *(float *)(void *)beside = weights[i - first];
            else
                for (size_t b = 0; b < bytes; b++)
                    beside[b] = 0;
        }
        begin = end;
    }
}

void md_engine_set_weights(struct md_engine *engine, const float *weights) {
    md_engine_put_weights(engine, 0, md_parameter_total(engine->setup.network), weights);
}

void md_engine_get_weights(const struct md_engine *engine, float *weights) {
    engine->setup.ops->to_float(md_parameter_total(engine->setup.network),
                                md_engine_region(engine, MD_WEIGHTS, 0), weights);
}

void md_engine_set_picture(struct md_engine *engine, int slot, const uint8_t *picture) {
    engine->setup.ops->from_bytes(md_layer_elements(engine->setup.network, MD_PICTURE), picture,
                                  md_engine_region(engine, MD_PICTURES, slot));
}

/* Pixels of a label: of what the last layer writes. */
static size_t label_pixels(const struct md_engine *engine) {
    return md_layer_elements(engine->setup.network, engine->setup.network->layer_count - 1);
}

void md_engine_set_label(struct md_engine *engine, int slot, const float *disparity) {
    engine->setup.ops->from_float(label_pixels(engine), disparity,
                                  md_engine_region(engine, MD_LABELS, slot));
}

void md_engine_output(const struct md_engine *engine, int slot, float *disparity) {
    const struct md_network *network = engine->setup.network;
    engine->setup.ops->to_float(md_layer_elements(network, network->output),
                                activation(engine, network->output, slot), disparity);
}

void md_engine_get_gradients(const struct md_engine *engine, float *gradients) {
    const struct md_network *network = engine->setup.network;
    for (int l = 0; l < network->layer_count; l++) {
        const struct md_layer *layer = &network->layers[l];
        size_t count = md_layer_weights(layer) + md_layer_biases(layer);
        if (engine->plan.learns[l])
            engine->setup.ops->to_float(count, gradient_of(engine, l, 0), gradients);
        for (size_t i = 0; !engine->plan.learns[l] && i < count; i++)
            gradients[i] = 0.0f;
        gradients += count;
    }
}

/* ---- the cores at work ----------------------------------------------------------------------- */

/* One core's view of a run: which group it is in, and its part of that group's work. */
struct worker {
    struct md_engine *engine;
    int core, group;
    struct md_part part;
    void *scratch;
    int samples; /* of the batch */
};

static struct worker worker_of(struct md_engine *engine, int core, int samples) {
    int alone = engine->plan.groups > 1 || engine->setup.cores == 1;
    struct worker w = {engine, core, 0, {0, 1}, md_engine_region(engine, MD_SCRATCH, core),
                       samples};
    if (alone)
        w.group = core;
    else
        w.part = (struct md_part){core, engine->setup.cores};
    return w;
}

/* Waits for the cores that work on the same sample. */
static void meet(const struct worker *w) {
    if (w->engine->team != NULL && w->part.count > 1)
        w->engine->team->barrier(w->engine->team);
}

/* Waits for all cores. */
static void meet_all(const struct worker *w) {
    if (w->engine->team != NULL)
        w->engine->team->barrier(w->engine->team);
}

/* Shows a tensor to the observer, while the cores that work on it wait. */
static void observe(const struct worker *w, enum md_observed what, int layer, int slot,
                    void *values, size_t count) {
    if (w->engine->observe == NULL)
        return;
    meet(w);
    if (w->part.index == 0)
        w->engine->observe(w->engine->observe_context, what, layer, slot, values, count);
    meet(w);
}

/* This worker's channels of a layer's output: a pointer to them in `values` and their number of
 * elements. */
static void *own_channels(const struct worker *w, int layer, void *values, size_t *count) {
    const struct md_network *network = w->engine->setup.network;
    int first, last, co = network->layers[layer].co;
    md_share(w->part, co, &first, &last);
    size_t plane = md_layer_elements(network, layer) / (size_t)co;
    *count = (size_t)(last - first) * plane;
    return after(w->engine, values, (size_t)first * plane);
}

static void forward_layer(const struct worker *w, int l, int slot, void *weights) {
    const struct md_engine *engine = w->engine;
    const struct md_ops *ops = engine->setup.ops;
    const struct md_layer *layer = &engine->setup.network->layers[l];
    struct md_shape shape = md_layer_shape(engine->setup.network, l);
    void *x = activation(engine, first_input(layer), slot), *y = activation(engine, l, slot);
    void *bias = after(engine, weights, md_layer_weights(layer));
    size_t own, own_x;
    void *own_y = own_channels(w, l, y, &own);
    switch (layer->kind) {
    case MD_CONV3X3:
        ops->conv_forward(&shape, x, weights, bias, y, w->scratch, w->part);
        break;
    case MD_TCONV2X2:
        ops->tconv_forward(&shape, x, weights, bias, y, w->scratch, w->part);
        break;
    case MD_RELU:
        ops->relu_forward(own, own_channels(w, l, x, &own_x), own_y);
        break;
    case MD_AVERAGE_POOL:
        ops->pool_forward(&shape, x, y, w->part);
        break;
    case MD_MAX_POOL:
        ops->max_pool_forward(&shape, x, y, w->part);
        break;
    }
    if (layer->leaky)
        ops->leaky_forward(own, own_y);
    meet(w);
    observe(w, MD_SEE_ACTIVATION, l, slot, y, md_layer_elements(engine->setup.network, l));
}

static void forward_sample(const struct worker *w, int slot) {
    const struct md_network *network = w->engine->setup.network;
    void *weights = md_engine_region(w->engine, MD_WEIGHTS, 0);
    for (int l = 0; l < network->layer_count; l++) {
        const struct md_layer *layer = &network->layers[l];
        forward_layer(w, l, slot, weights);
        weights = after(w->engine, weights, md_layer_weights(layer) + md_layer_biases(layer));
    }
}

/* Whether a later layer has already put its share into the error of `layer`'s output, as the skip
 * half of its concat. */
static int feeds_a_skip(const struct md_network *network, int layer) {
    for (int l = layer + 2; l < network->layer_count; l++)
        if (network->layers[l].skip == layer)
            return 1;
    return 0;
}

static void input_gradient(const struct worker *w, int l, int slot, const void *dy,
                           const void *weights) {
    const struct md_engine *engine = w->engine;
    const struct md_network *network = engine->setup.network;
    const struct md_layer *layer = &network->layers[l];
    if (layer->input == MD_PICTURE)
        return;
    int skipped = layer->skip == MD_NO_SKIP ? 0 : network->layers[layer->skip].co;
    int skip_wanted = skipped > 0 && engine->plan.wanted[layer->skip];
    int first = skip_wanted ? 0 : skipped;
    int last = engine->plan.wanted[layer->input] ? layer->ci : skipped;
    if (first == last)
        return;
    struct md_shape shape = md_layer_shape(network, l);
    void *dx = error_of(engine, skip_wanted ? layer->skip : layer->input, slot, w->group);
    md_input_gradient_fn *run = layer->kind == MD_CONV3X3 ? engine->setup.ops->conv_input_gradient
                                                          : engine->setup.ops->tconv_input_gradient;
    run(&shape, dy, weights, first, last, feeds_a_skip(network, layer->input), dx, w->scratch,
        w->part);
}

static void backward_layer(const struct worker *w, int l, int slot, const void *weights) {
    const struct md_engine *engine = w->engine;
    const struct md_ops *ops = engine->setup.ops;
    const struct md_network *network = engine->setup.network;
    const struct md_layer *layer = &network->layers[l];
    struct md_shape shape = md_layer_shape(network, l);
    void *dy = error_of(engine, l, slot, w->group), *y = activation(engine, l, slot);
    size_t own, own_x, elements = md_layer_elements(network, l);
    void *own_dy = own_channels(w, l, dy, &own), *own_y = own_channels(w, l, y, &own);
    observe(w, MD_SEE_ERROR, l, slot, dy, elements);
    if (layer->kind == MD_RELU) {
        void *dx = error_of(engine, layer->input, slot, w->group);
        ops->relu_backward(own, own_y, own_dy, own_channels(w, l, dx, &own_x));
    } else if (layer->kind == MD_AVERAGE_POOL) {
        ops->pool_backward(&shape, dy, error_of(engine, layer->input, slot, w->group), w->part);
    } else if (layer->kind == MD_MAX_POOL) {
        ops->max_pool_backward(&shape, activation(engine, layer->input, slot), dy,
                               error_of(engine, layer->input, slot, w->group), w->part);
    } else {
        if (layer->leaky) {
            ops->leaky_backward(own, own_y, own_dy);
            meet(w);
        }
        if (engine->plan.learns[l]) {
            void *dweight = gradient_of(engine, l, slot);
            void *dbias = after(engine, dweight, md_layer_weights(layer));
            md_weight_gradient_fn *run =
                layer->kind == MD_CONV3X3 ? ops->conv_weight_gradient : ops->tconv_weight_gradient;
            run(&shape, activation(engine, first_input(layer), slot), dy, dweight, dbias,
                w->scratch, w->part);
            observe(w, MD_SEE_WEIGHT_GRADIENT, l, slot, dweight,
                    md_layer_weights(layer) + md_layer_biases(layer));
        }
        input_gradient(w, l, slot, dy, weights);
    }
    meet(w);
}

static void backward_sample(const struct worker *w, int slot) {
    const struct md_network *network = w->engine->setup.network;
    void *weights = md_engine_region(w->engine, MD_WEIGHTS, 0);
    size_t offset = md_parameter_total(network);
    for (int l = network->layer_count - 1; l >= 0 && w->engine->plan.wanted[l]; l--) {
        const struct md_layer *layer = &network->layers[l];
        offset -= md_layer_weights(layer) + md_layer_biases(layer);
        backward_layer(w, l, slot, after(w->engine, weights, offset));
    }
}

/* Calls `visit` for this worker's share of every layer that learns: `count` parameters from number
 * `first` of the layer's on. */
static void visit_share(const struct worker *w, void (*visit)(const struct worker *w, int layer,
                                                              size_t first, size_t count)) {
    struct md_part part = {w->core, w->engine->setup.cores};
    for (int l = 0; l < w->engine->setup.network->layer_count; l++) {
        int first, last;
        if (!w->engine->plan.learns[l])
            continue;
        md_share(part, (int)layer_parameters(w->engine, l), &first, &last);
        visit(w, l, (size_t)first, (size_t)(last - first));
    }
}

/* Adds the samples' gradients up in sample order. */
static void sum_gradients(const struct worker *w, int layer, size_t first, size_t count) {
    const struct md_engine *engine = w->engine;
    void *sum = after(engine, gradient_of(engine, layer, 0), first);
    for (int s = 1; s < w->samples; s++)
        engine->setup.ops->add(count, after(engine, gradient_of(engine, layer, s), first), sum);
}

static void update(const struct worker *w, int layer, size_t first, size_t count) {
    const struct md_engine *engine = w->engine;
    const struct md_ops *ops = engine->setup.ops;
    size_t index = first, learning = engine->plan.gradient[layer] + first;
    for (int l = 0; l < layer; l++)
        index += layer_parameters(engine, l);
    struct md_kept kept = {engine->setup.moments,
                           kept_at(engine, MD_FIRST_MOMENT, learning),
                           kept_at(engine, MD_SECOND_MOMENT, learning),
                           engine->setup.storing,
                           kept_at(engine, MD_BESIDE_WEIGHT, learning),
                           index};
    (engine->setup.optimizer == MD_ADAM ? ops->adam : ops->sgd)(
        count, &engine->update, after(engine, gradient_of(engine, layer, 0), first), &kept,
        after(engine, md_engine_region(engine, MD_WEIGHTS, 0), index));
}

/* ---- a run over a batch ---------------------------------------------------------------------- */

struct job {
    struct md_engine *engine;
    int samples, train;
    int updates; /* whether this step changes the weights */
    const float *fb;
    struct md_loss_report *report;
};

static void loss_of(struct md_engine *engine, int samples, const float *fb,
                    struct md_loss_report *report) {
    int last = engine->setup.network->layer_count - 1;
    size_t stride =
        engine->plan.regions[MD_ACTIVATIONS].bytes / md_format_bytes[engine->setup.ops->format];
    engine->setup.ops->loss_gradient(
        engine->loss, samples, (int)label_pixels(engine), activation(engine, last, 0), stride,
        md_engine_region(engine, MD_LABELS, 0), fb, engine->depth_cap_m,
        md_power_of_two(engine->update.loss_scale_log2),
        md_engine_region(engine, MD_OUTPUT_GRADIENTS, 0), report);
}

/* Decides about the update, from the summed gradients, and prepares it. 1 - beta^(t+1) comes from
 * 1 - beta^t, each step's terms positive: no cancellation, no power. Without a loss scale there is
 * no remedy for gradients that are not finite, and they are to show. */
static int advance(struct md_engine *engine) {
    struct md_progress *p = &engine->progress;
    const struct md_update *u = &engine->update;
    if (u->loss_scale_log2 > 0 &&
        !engine->setup.ops->finite(engine->plan.learning,
                                   md_engine_region(engine, MD_WEIGHT_GRADIENTS, 0))) {
        p->skipped++;
        return 0;
    }
    p->steps++;
    p->correction1 = u->beta1 * p->correction1 + (1.0f - u->beta1);
    p->correction2 = u->beta2 * p->correction2 + (1.0f - u->beta2);
    engine->update.correction1 = p->correction1;
    engine->update.correction2 = p->correction2;
    engine->update.step = p->steps;
    return 1;
}

/* Does the work of this worker's group on its share of the samples. Groups work at the same time,
 * unless somebody observes: then one after the other. */
static void for_own_samples(const struct worker *w,
                            void (*work)(const struct worker *w, int slot)) {
    int groups = w->engine->plan.groups, turns = w->engine->observe != NULL ? groups : 1;
    int first, last;
    md_share((struct md_part){groups > 1 ? w->group : 0, groups}, w->samples, &first, &last);
    for (int turn = 0; turn < turns; turn++) {
        for (int slot = first; slot < last && (turns == 1 || turn == w->group); slot++)
            work(w, slot);
        if (turns > 1)
            meet_all(w);
    }
}

static void work_on_batch(void *argument, int core) {
    struct job *job = argument;
    struct md_engine *engine = job->engine;
    struct worker w = worker_of(engine, core, job->samples);
    for_own_samples(&w, forward_sample);
    if (!job->train)
        return;
    meet_all(&w);
    if (core == 0)
        loss_of(engine, job->samples, job->fb, job->report);
    meet_all(&w);
    if (job->report->valid == 0)
        return;
    for_own_samples(&w, backward_sample);
    meet_all(&w);
    visit_share(&w, sum_gradients);
    meet_all(&w);
    if (core == 0)
        job->updates = advance(engine);
    meet_all(&w);
    if (job->updates)
        visit_share(&w, update);
}

static void run(struct job *job) {
    struct md_team *team = job->engine->team;
    if (team == NULL)
        work_on_batch(job, 0);
    else
        team->run(team, work_on_batch, job);
}

void md_engine_forward(struct md_engine *engine, int samples) {
    struct job job = {engine, samples, 0, 0, NULL, NULL};
    run(&job);
}

void md_engine_train(struct md_engine *engine, int samples, const float *fb,
                     struct md_loss_report *report) {
    struct job job = {engine, samples, 1, 0, fb, report};
    run(&job);
}

void md_engine_loss(struct md_engine *engine, int samples, const float *fb,
                    struct md_loss_report *report) {
    loss_of(engine, samples, fb, report);
}
