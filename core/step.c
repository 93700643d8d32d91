#include "step_parts.h"

/* ---- the cores at work ----------------------------------------------------------------------- */

/* One core's view of a run: which group it is in, and its part of that group's work. */
struct worker {
    struct md_engine *engine;
    int core, group;
    struct md_part part;
    int samples; /* of the batch */
    int slot;    /* the sample it is at */
};

static struct worker worker_of(struct md_engine *engine, int core, int samples) {
    struct worker w = {engine, core, 0, {0, 1}, samples, 0};
    if (engine->plan.groups > 1)
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

static void *buffer_at(const struct worker *w, int buffer) {
    if (buffer == MD_NO_BUFFER)
        return NULL;
    const struct md_buffer *b = &w->engine->plan.buffer[buffer];
    int copy = b->each == MD_EACH_SAMPLE ? w->slot : b->each == MD_EACH_GROUP ? w->group : 0;
    return md_engine_buffer(w->engine, buffer, copy);
}

static struct md_map map_at(const struct worker *w, int buffer) {
    const struct md_network *network = w->engine->setup.network;
    struct md_map map = {NULL, 3, network->height, network->width, 1};
    if (buffer == MD_NO_BUFFER)
        return (struct md_map){NULL, 0, 0, 0, 1};
    const struct md_buffer *b = &w->engine->plan.buffer[buffer];
    if (b->layer != MD_PICTURE) {
        const struct md_shape *shape = &w->engine->plan.shape[b->layer];
        int up = md_kinds[network->layers[b->layer].kind].up;
        map.channels = shape->co;
        map.height = shape->height * up / shape->stride;
        map.width = shape->width * up / shape->stride;
    }
    map.at = buffer_at(w, buffer);
    map.rows = b->rows;
    if (b->kind == MD_MASK)
        map.width = md_mask_row(map.width, b->dense);
    return map;
}

/* Shows rows of a tensor to the observer, while the cores that work on it wait. */
static void observe(const struct worker *w, enum md_observed what, int layer,
                    const struct md_map *values, int from, int to) {
    if (w->engine->observe == NULL)
        return;
    meet(w);
    if (w->part.index == 0)
        w->engine->observe(w->engine->observe_context, what, layer, w->slot, values, from, to);
    meet(w);
}

/* What activations do to n values that lie side by side, whose signs are those bits of a mask. */
typedef void visit_fn(const struct md_ops *ops, size_t n, void *values, uint8_t *mask,
                      size_t first);

static void apply_leaky(const struct md_ops *ops, size_t n, void *values, uint8_t *mask,
                        size_t first) {
    (void)mask;
    (void)first;
    ops->leaky_forward(n, values);
}
static void make_mask(const struct md_ops *ops, size_t n, void *values, uint8_t *mask,
                      size_t first) {
    ops->mask(n, values, mask + first / 8);
}
static void derive_leaky(const struct md_ops *ops, size_t n, void *values, uint8_t *mask,
                         size_t first) {
    ops->leaky_backward(n, mask, first, values);
}

/* Whether a mask's rows have no bits between them: it has one for each of the map's elements. */
static int is_dense(const struct md_map *map, const struct md_map *mask) {
    return mask->at == NULL || (mask->width == map->width && mask->rows == map->rows);
}

/* Visits a part's channels of rows from .. to-1: row by row, or all that lie side by side. */
static void each_run(const struct worker *w, struct md_part part, const struct md_map *map,
                     const struct md_map *mask, int from, int to, visit_fn *visit) {
    int first, last, rows = to - from;
    int dense = is_dense(map, mask);
    md_share(part, map->channels, &first, &last);
    int run = dense && from % map->rows + rows <= map->rows ? rows : 1;
    int whole = dense && run == map->rows ? last - first : 1;
    size_t n = (size_t)whole * (size_t)run * (size_t)map->width;
    for (int c = first; c < last; c += whole)
        for (int h = from; h < to; h += run)
            visit(w->engine->setup.ops, n, after(w->engine, map->at, md_map_row(map, c, h)),
                  mask->at, mask->at == NULL ? 0 : md_map_row(mask, c, h));
}

/* How many of a layer's parameters learn, and the first one that does. */
static size_t learning(const struct md_engine *engine, int layer) {
    return md_plan_learning(engine->setup.network, &engine->plan, layer);
}
static size_t frozen(const struct md_engine *engine, int layer) {
    return md_plan_frozen(engine->setup.network, &engine->plan, layer);
}

/* ---- instructions ---------------------------------------------------------------------------- */

static void do_picture(const struct worker *w, const struct md_instruction *i) {
    struct md_map y = map_at(w, i->y);
    const uint8_t *bytes = buffer_at(w, i->x[0]);
    size_t plane = md_map_plane(&y);
    int first, last;
    md_share(w->part, y.channels, &first, &last);
    w->engine->setup.ops->from_bytes((size_t)(last - first) * plane, bytes + (size_t)first * plane,
                                     after(w->engine, y.at, (size_t)first * plane));
}

static struct md_call call_of(const struct worker *w, const struct md_instruction *i) {
    const struct md_engine *engine = w->engine;
    const struct md_layer *layer = &engine->setup.network->layers[i->layer];
    struct md_call call = {.shape = engine->plan.shape[i->layer],
                           .x = {map_at(w, i->x[0]), map_at(w, i->x[1])},
                           .y = map_at(w, i->y),
                           .mask = map_at(w, i->mask),
                           .weight = i->weight != MD_NO_BUFFER
                                         ? buffer_at(w, i->weight)
                                         : md_engine_weights(engine, i->layer),
                           .sums = buffer_at(w, i->chains),
                           .from = i->from,
                           .to = i->to,
                           .scratch = md_engine_buffer(engine, engine->plan.scratch, w->core),
                           .part = w->part};
    call.bias = after(engine, (void *)call.weight, md_layer_weights(layer));
    return call;
}

static const struct md_operator *operator_of(const struct worker *w, int layer) {
    return &w->engine->setup.ops->kinds[w->engine->setup.network->layers[layer].kind];
}

/* Makes a call for channels, `channels` in all, one for some of its rows, in multiples of `unit`,
 * if the cores are faster so; maybe for none. */
static void share_rows(const struct worker *w, int layer, int channels, int unit,
                       struct md_call *call) {
    const struct md_operator *operator= operator_of(w, layer);
    int rows = (call->to - call->from) / unit, first, last;
    if (operator->shares_rows == NULL || call->part.count == 1 ||
        rows * unit != call->to - call->from || !
        operator->shares_rows(&call->shape, rows, channels, call->part.count))
        return;
    md_share(call->part, rows, &first, &last);
    call->to = call->from + last * unit;
    call->from += first * unit;
    call->part = (struct md_part){0, 1};
}

static void do_forward(const struct worker *w, const struct md_instruction *i) {
    const struct md_layer *layer = &w->engine->setup.network->layers[i->layer];
    struct md_call call = call_of(w, i);
    share_rows(w, i->layer, layer->co, md_kinds[layer->kind].up, &call);
    if (call.from < call.to) {
        call.leaky = layer->leaky && operator_of(w, i->layer)->activates;
        operator_of(w, i->layer)->forward(&call);
        if (layer->leaky && !call.leaky)
            each_run(w, call.part, &call.y, &call.mask, call.from, call.to, apply_leaky);
    }
    if ((i->flags & MD_SECOND) == 0)
        observe(w, MD_SEE_ACTIVATION, i->layer, &call.y, i->from, i->to);
    if (call.from < call.to && i->mask != MD_NO_BUFFER)
        each_run(w, call.part, &call.y, &call.mask, call.from, call.to, make_mask);
}

static void do_mask(const struct worker *w, const struct md_instruction *i) {
    struct md_map y = map_at(w, i->y), mask = map_at(w, i->mask);
    each_run(w, w->part, &y, &mask, i->from, i->to, make_mask);
}

/* Averaged over the samples: `factor` is one's share. */
static void do_distill(const struct worker *w, const struct md_instruction *i) {
    const struct md_engine *engine = w->engine;
    const struct md_objective *objective = &engine->setup.objective;
    const struct md_ops *ops = engine->setup.ops;
    const struct md_distill distill = {
        .x = map_at(w, i->x[0]),
        .dx = map_at(w, i->y),
        .teacher = buffer_at(w, i->weight),
        .teacher_channels = objective->teacher_channels,
        .factor = objective->distill / (float)w->samples *
                  md_power_of_two(engine->update.hyper.loss_scale_log2),
        .room = buffer_at(w, i->chains),
        .scratch = md_engine_buffer(engine, engine->plan.scratch, w->core),
        .part = w->part};
    float *values = buffer_at(w, i->target);
    ops->distill_begin(&distill);
    meet(w);
    ops->distill_gradient(&distill);
    meet(w);
    if (w->part.index == 0)
        values[w->slot] = ops->distill_value(&distill);
}

/* Whether an error's derivative is taken where the error is completed, which nobody observes then;
 * and whether an instruction has nothing to do. */
static int derives_at_once(const struct worker *w, const struct md_instruction *i) {
    return (i->flags & (MD_DERIVES | MD_DERIVED)) != 0 && w->engine->observe == NULL;
}
static int is_idle(const struct worker *w, const struct md_instruction *i) {
    return i->what == MD_DO_ERROR &&
           (derives_at_once(w, i) || (i->mask == MD_NO_BUFFER && w->engine->observe == NULL));
}

static void do_error(const struct worker *w, const struct md_instruction *i) {
    struct md_map y = map_at(w, i->y), mask = map_at(w, i->mask);
    observe(w, MD_SEE_ERROR, i->layer, &y, i->from, i->to);
    if (i->mask != MD_NO_BUFFER)
        each_run(w, w->part, &y, &mask, i->from, i->to, derive_leaky);
}

/* The first sample's gradient, where gradients are summed, is where the sum will be. */
static void do_weight_gradient(const struct worker *w, const struct md_instruction *i) {
    const struct md_engine *engine = w->engine;
    const struct md_layer *layer = &engine->setup.network->layers[i->layer];
    struct md_call call = call_of(w, i);
    size_t count = learning(engine, i->layer);
    int summed = engine->plan.together, first, last;
    void *sum = summed ? buffer_at(w, engine->plan.gradient_sum[i->layer]) : NULL;
    call.dweight = summed && w->slot == 0 ? sum : buffer_at(w, i->target);
    call.shape = md_plan_weighed_shape(&engine->plan, i->layer);
    call.dbias = after(engine, call.dweight, count - md_layer_biases(layer));
    operator_of(w, i->layer)->weight_gradient(&call);
    if (i->to < call.y.height)
        return;
    const struct md_map whole = {call.dweight, 1, 1, (int)count, 1};
    observe(w, MD_SEE_WEIGHT_GRADIENT, i->layer, &whole, 0, 1);
    if (summed && w->slot > 0) {
        meet(w);
        md_share(w->part, (int)count, &first, &last);
        engine->setup.ops->add((size_t)(last - first), after(engine, call.dweight, (size_t)first),
                               after(engine, sum, (size_t)first));
    }
}

static void do_input_gradient(const struct worker *w, const struct md_instruction *i) {
    struct md_call call = call_of(w, i);
    call.dx = map_at(w, i->target);
    call.first =
        (i->flags & MD_SKIP_HALF) != 0 ? 0 : md_layer_skipped(w->engine->setup.network, i->layer);
    call.accumulate = (i->flags & MD_ACCUMULATE) != 0;
    share_rows(w, i->layer, call.dx.channels, call.shape.stride, &call);
    if (call.from == call.to)
        return;
    const struct md_map mask = call.mask;
    int derives = derives_at_once(w, i);
    int heeds = operator_of(w, i->layer)->activates && is_dense(&call.dx, &mask);
    if ((i->flags & MD_DERIVES) != 0 && !(derives && heeds))
        call.mask.at = NULL;
    operator_of(w, i->layer)->input_gradient(&call);
    if (derives && !heeds)
        each_run(w, call.part, &call.dx, &mask, call.from, call.to, derive_leaky);
}

/* Of a layer's parameters that learn, whose gradient there is, this part's. */
static void update_part(const struct md_engine *engine, int layer, struct md_part part,
                        void *gradient) {
    const struct md_network *network = engine->setup.network;
    int first, last;
    md_share(part, (int)learning(engine, layer), &first, &last);
    size_t count = (size_t)(last - first), from = (size_t)first + frozen(engine, layer);
    size_t learned = engine->plan.learned[layer] + (size_t)first;
    size_t weights = layer == network->layer_count ? 0 : md_layer_weights(&network->layers[layer]);
    struct md_optimizer_state state = {engine->setup.moments,
                                       md_engine_parameter_state(engine, MD_FIRST_MOMENT, learned),
                                       md_engine_parameter_state(engine, MD_SECOND_MOMENT, learned),
                                       engine->setup.storing,
                                       md_engine_parameter_state(engine, MD_BESIDE_WEIGHT, learned),
                                       engine->plan.parameter[layer] + from,
                                       weights > from ? weights - from : 0};
    engine->setup.ops->update[engine->setup.optimizer](
        count, &engine->update, after(engine, gradient, (size_t)first), &state,
        after(engine, md_engine_weights(engine, layer), from));
}

/* All cores share a layer's parameters. Gradients that were kept for each sample are first added up
 * in sample order. */
static void do_update(const struct worker *w, const struct md_instruction *i) {
    update_part(w->engine, i->layer, (struct md_part){w->core, w->engine->setup.cores},
                md_engine_buffer(w->engine, i->target, 0));
}

static void do_fetch(const struct worker *w, const struct md_instruction *i) {
    const struct md_engine *engine = w->engine;
    size_t elem = md_format_bytes[engine->setup.ops->format];
    if (w->part.index == 0)
        engine->flash.read(
            &engine->flash, engine->plan.weight[i->layer] * elem, buffer_at(w, i->y),
            md_plan_aligned(md_plan_parameters(engine->setup.network, i->layer) * elem));
}

static void (*const doing[MD_WHAT_COUNT])(const struct worker *w,
                                          const struct md_instruction *i) = {
    [MD_DO_PICTURE] = do_picture,
    [MD_DO_FORWARD] = do_forward,
    [MD_DO_MASK] = do_mask,
    [MD_DO_DISTILL] = do_distill,
    [MD_DO_ERROR] = do_error,
    [MD_DO_WEIGHT_GRADIENT] = do_weight_gradient,
    [MD_DO_INPUT_GRADIENT] = do_input_gradient,
    [MD_DO_UPDATE] = do_update,
    [MD_DO_FETCH] = do_fetch,
};

static void walk(const struct worker *w, int from, int to) {
    for (int n = from; n < to; n++) {
        const struct md_instruction *i = &w->engine->plan.instruction[n];
        if (is_idle(w, i))
            continue;
        doing[i->what](w, i);
        meet(w);
    }
}

/* ---- a run over a batch ---------------------------------------------------------------------- */

struct job {
    struct md_engine *engine;
    int samples, train;
    int updates; /* whether this step changes the weights */
    const float *fb;
    struct md_loss_report *report;
};

/* `step`: whose random numbers losses draw; 0: what is only looked at, always the same. */
static void loss_of(struct md_engine *engine, int samples, const float *fb, uint64_t step,
                    struct md_loss_report *report) {
    const struct md_plan *plan = &engine->plan;
    /* With one sample there is no next one; otherwise all three are samples' copies. */
    struct md_loss_batch batch = {
        .samples = samples,
        .pixels = (int)md_engine_label_pixels(engine),
        .stride = plan->stride[MD_EACH_SAMPLE] / md_format_bytes[engine->setup.ops->format],
        .output = md_engine_buffer(engine, plan->last_output, 0),
        .label = md_engine_buffer(engine, plan->label, 0),
        .fb = fb,
        .gradient = md_engine_buffer(engine, plan->output_gradient, 0),
        .seed = {engine->update.hyper.seed[0], engine->update.hyper.seed[1]},
        .step = step};
    if (plan->right_picture != MD_NO_BUFFER) {
        batch.left = md_engine_buffer(engine, plan->picture, 0);
        batch.right = md_engine_buffer(engine, plan->right_picture, 0);
        batch.picture_stride = plan->stride[MD_EACH_SAMPLE];
    }
    if (plan->loss_room != MD_NO_BUFFER)
        batch.scratch = md_engine_buffer(engine, plan->loss_room, 0);
    if (plan->learns[engine->setup.network->layer_count]) {
        batch.balance = md_engine_weights(engine, engine->setup.network->layer_count);
        batch.balance_gradient = after(engine, (void *)batch.balance, MD_LOSS_COUNT);
    }
    int height, last = engine->setup.network->layer_count - 1;
    md_layer_size(engine->setup.network, last, &height, &batch.width);
    engine->setup.ops->loss_gradient(&engine->setup.objective, &batch,
                                     md_power_of_two(engine->update.hyper.loss_scale_log2), report);
}

/* Adds to the report what was distilled: stage by stage, the samples' sum. */
static void report_distilled(const struct md_engine *engine, int samples,
                             struct md_loss_report *report) {
    for (int l = 0; l < engine->setup.network->layer_count; l++) {
        float sum = 0;
        if (engine->plan.distilled[l] == MD_NO_BUFFER)
            continue;
        const float *values = md_engine_buffer(engine, engine->plan.distilled[l], 0);
        for (int s = 0; s < samples; s++)
            sum += values[s];
        report->value += engine->setup.objective.distill / (float)samples * sum;
    }
}

/* Adds the samples' gradients up, where each has its own. */
static void sum_gradients(const struct worker *w) {
    const struct md_engine *engine = w->engine;
    struct md_part part = {w->core, engine->setup.cores};
    if (engine->plan.together)
        return;
    for (int l = 0; l < engine->setup.network->layer_count; l++) {
        int first, last;
        if (!engine->plan.learns[l])
            continue;
        md_share(part, (int)learning(engine, l), &first, &last);
        for (int s = 1; s < w->samples; s++)
            engine->setup.ops->add(
                (size_t)(last - first),
                after(engine, md_engine_buffer(engine, engine->plan.gradient[l], s), (size_t)first),
                after(engine, md_engine_buffer(engine, engine->plan.gradient[l], 0),
                      (size_t)first));
    }
}

static int all_finite(const struct md_engine *engine) {
    for (int l = 0; l <= engine->setup.network->layer_count; l++)
        if (engine->plan.learns[l] &&
            !engine->setup.ops->finite(learning(engine, l), md_engine_gradient(engine, l)))
            return 0;
    return 1;
}

/* What PyTorch's clip_grad_norm_ multiplies by, in binary32: min(1, clip_norm / (norm + 1e-6)), the
 * norm over all layers in their order, without the loss scale. One that overflows stops the step,
 * what is not a number is left to show. */
static float clip_of(const struct md_engine *engine) {
    const struct md_update *u = &engine->update;
    float squares = 0.0f;
    for (int l = 0; l <= engine->setup.network->layer_count; l++)
        if (engine->plan.learns[l])
            squares +=
                engine->setup.ops->square_sum(learning(engine, l), md_engine_gradient(engine, l));
    float norm = __builtin_sqrtf(squares) * md_power_of_two(-u->hyper.loss_scale_log2);
    float clip = u->hyper.clip_norm / (norm + 1e-6f);
    return clip < 1.0f ? clip : 1.0f;
}

/* Decides about the update, from the summed gradients, prepares it, and does that of dynamic
 * weights of losses. 1 - beta^(t+1) comes from
 * 1 - beta^t, each step's terms positive: no cancellation, no power. Without a loss scale there is
 * no remedy for gradients that are not finite, and they are to show. */
static int advance(struct md_engine *engine) {
    struct md_progress *p = &engine->progress;
    const struct md_update *u = &engine->update;
    if (u->hyper.loss_scale_log2 > 0 && !all_finite(engine)) {
        p->skipped++;
        return 0;
    }
    p->steps++;
    p->correction1 = u->hyper.beta1 * p->correction1 + (1.0f - u->hyper.beta1);
    p->correction2 = u->hyper.beta2 * p->correction2 + (1.0f - u->hyper.beta2);
    engine->update.correction1 = p->correction1;
    engine->update.correction2 = p->correction2;
    engine->update.step = p->steps;
    engine->update.clip = u->hyper.clip_norm > 0 ? clip_of(engine) : 1.0f;
    int losses = engine->setup.network->layer_count;
    if (engine->plan.learns[losses])
        update_part(engine, losses, (struct md_part){0, 1},
                    (void *)md_engine_gradient(engine, losses));
    return 1;
}

/* Does instructions from .. to-1 for this worker's group's share of the samples. Groups work at the
 * same time, unless somebody observes: then one after the other. */
static void walk_samples(struct worker *w, int from, int to) {
    int groups = w->engine->plan.groups, turns = w->engine->observe != NULL ? groups : 1;
    int first, last;
    md_share((struct md_part){groups > 1 ? w->group : 0, groups}, w->samples, &first, &last);
    for (int turn = 0; turn < turns; turn++) {
        for (w->slot = first; w->slot < last && (turns == 1 || turn == w->group); w->slot++)
            walk(w, from, to);
        if (turns > 1)
            meet_all(w);
    }
    w->slot = 0;
}

static void work_on_batch(void *argument, int core) {
    struct job *job = argument;
    struct md_engine *engine = job->engine;
    const struct md_plan *plan = &engine->plan;
    struct worker w = worker_of(engine, core, job->samples);
    int late = plan->update < plan->instructions; /* updates after all gradients */
    walk_samples(&w, 0, plan->loss);
    if (!job->train)
        return;
    meet_all(&w);
    if (core == 0) {
        loss_of(engine, job->samples, job->fb, engine->progress.steps + 1, job->report);
        job->updates = !late && job->report->valid > 0 && advance(engine);
    }
    meet_all(&w);
    if (job->report->valid == 0)
        return;
    walk_samples(&w, plan->loss + 1, plan->update);
    meet_all(&w);
    if (core == 0)
        report_distilled(engine, job->samples, job->report);
    if (!late)
        return;
    sum_gradients(&w);
    meet_all(&w);
    if (core == 0)
        job->updates = advance(engine);
    meet_all(&w);
    if (job->updates)
        walk(&w, plan->update, plan->instructions);
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
    loss_of(engine, samples, fb, 0, report);
}
