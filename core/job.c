#include "job.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "jobs and traces are little-endian, and so must be the machine"
#endif

const char *const md_trace_kind_names[MD_TRACE_KIND_COUNT] = {
    "activation",   "error",         "weight gradient",   "loss",          "weight",
    "first moment", "second moment", "beside the weight", "final weights", "end"};

const char *const md_job_error_texts[MD_JOB_ERROR_COUNT] = {
    "",
    "the job ends too early",
    "not a job, or a value in it is out of range",
    "no operators of this number format and level here",
    "not so many cores here",
    "the arena is too small",
    "there is no such plan",
    "the trace cannot be written"};

/* ---- digests --------------------------------------------------------------------------------- */

/* For a given place a permutation of 64-bit numbers. */
static uint64_t mix(uint64_t element, uint64_t place) {
    uint64_t x = (element + 1) * 0x9e3779b97f4a7c15u + place * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 32) * 0x94d049bb133111ebu;
    return x ^ x >> 29;
}

uint64_t md_digest(enum md_format format, const void *values, size_t first, size_t count) {
    const uint64_t *wide = values;
    const uint32_t *single = values;
    const uint16_t *half = values;
    uint64_t digest = 0;
    /* Magnitudes above infinity are NaNs. */
    uint32_t infinity = format == MD_FP16 || format == MD_FP16W ? 0x7c00u : 0x7f80u;
    for (size_t i = 0; i < count; i++) {
        uint64_t element;
        if (format == MD_FP64)
            element = wide[i] << 1 > 0xffe0000000000000u ? ~(uint64_t)0 : wide[i];
        else if (format == MD_FP32)
            element = single[i] << 1 > 0xff000000u ? ~0u : single[i];
        else
            element = (half[i] & 0x7fffu) > infinity ? 0xffffu : half[i];
        digest += mix(element, first + i);
    }
    return digest;
}

/* ---- the head -------------------------------------------------------------------------------- */

static int is_finite(float value) {
    return value - value == 0.0f;
}

enum md_job_error md_job_read(const struct md_io *io, struct md_job *job) {
    if (io->read(io->context, job, sizeof *job) != 0)
        return MD_JOB_CUT;
    int layer;
    if (md_network_check(&job->network, &layer) != NULL)
        return MD_JOB_WRONG;
    const md_policy known = md_policy_full(&job->network) | MD_POLICY_LAST | MD_POLICY_BIASES;
    const struct {
        uint32_t value, low, high;
    } ranges[] = {{job->magic, MD_JOB_MAGIC, MD_JOB_MAGIC},
                  {job->format, 0, MD_FORMAT_COUNT - 1},
                  {(uint32_t)job->level[sizeof job->level - 1], 0, 0},
                  {job->policy, 1, known},
                  {job->policy & ~known, 0, 0},
                  {job->optimizer, 0, MD_OPTIMIZER_COUNT - 1},
                  {job->objective.average, 0, MD_AVERAGE_COUNT - 1},
                  {job->objective.weighing, 0, MD_WEIGHING_COUNT - 1},
                  {(uint32_t)job->objective.teacher_channels, 0, MD_MOST_CHANNELS},
                  {job->moments, 0, MD_MOMENTS_COUNT - 1},
                  {job->storing, 0, MD_STORING_COUNT - 1},
                  {job->hyper.decay, 0, MD_DECAY_COUNT - 1},
                  {(uint32_t)job->hyper.loss_scale_log2, 0, MD_MOST_LOSS_SCALE_LOG2},
                  {job->batch, 1, MD_JOB_MAX_BATCH},
                  {job->cores, 1, MD_JOB_MAX_CORES},
                  {job->steps, 0, 1u << 30},
                  {job->savings, 0, (1u << MD_SAVING_COUNT) - 1u},
                  {job->front, 0, MD_MAX_LAYERS - 1},
                  {job->band, 0, MD_JOB_MAX_BAND},
                  {job->kinds, 0, (1u << MD_TRACE_FINAL_WEIGHTS) - 1u},
                  {job->values, 0, 1}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (ranges[i].value < ranges[i].low || ranges[i].value > ranges[i].high)
            return MD_JOB_WRONG;
    const float numbers[] = {job->objective.depth_cap_m, job->objective.stereo_scale,
                             job->objective.smoothness,  job->objective.distill,
                             job->hyper.momentum,        job->hyper.weight_decay,
                             job->hyper.beta1,           job->hyper.beta2,
                             job->hyper.epsilon,         job->hyper.clip_norm};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (!is_finite(numbers[i]) || numbers[i] < 0.0f)
            return MD_JOB_WRONG;
    float most = 0.0f; /* of the losses' weights */
    for (int l = 0; l < MD_LOSS_COUNT; l++) {
        if (!is_finite(job->objective.weight[l]) || job->objective.weight[l] < 0.0f)
            return MD_JOB_WRONG;
        most = job->objective.weight[l] > most ? job->objective.weight[l] : most;
    }
    int height, width;
    md_layer_size(&job->network, job->network.layer_count - 1, &height, &width);
    int alike = height == job->network.height && width == job->network.width;
    if (job->objective.distill > 0.0f && job->objective.teacher_channels == 0)
        return MD_JOB_WRONG;
    for (int l = 0; l < job->network.layer_count; l++)
        if (md_layer_values(&job->network, l, job->objective.teacher_channels) > MD_MOST_VALUES)
            return MD_JOB_WRONG;
    return most > 0.0f && (alike || !md_needs_pair(&job->objective)) ? MD_JOB_OK : MD_JOB_WRONG;
}

void md_job_setup(const struct md_job *job, struct md_setup *setup) {
    *setup =
        (struct md_setup){.network = &job->network,
                          .ops = md_ops_find((enum md_format)job->format, job->level),
                          .policy = job->policy,
                          .optimizer = (enum md_optimizer)job->optimizer,
                          .momentum = job->hyper.momentum > 0.0f,
                          .waits = job->hyper.loss_scale_log2 > 0 || job->hyper.clip_norm > 0.0f,
                          .batch = (int)job->batch,
                          .cores = (int)job->cores,
                          .moments = (enum md_moments)job->moments,
                          .storing = (enum md_storing)job->storing,
                          .objective = job->objective,
                          .savings = job->savings,
                          .front = (int)job->front,
                          .band = (int)job->band};
}

/* ---- the work -------------------------------------------------------------------------------- */

struct work {
    const struct md_job *job;
    const struct md_io *io;
    struct md_engine *engine;
    uint32_t step;
    int failed; /* the trace cannot be written */
};

static void put(struct work *work, const void *from, size_t bytes) {
    if (bytes > 0)
        work->failed = work->failed || work->io->write(work->io->context, from, bytes) != 0;
}

static int is_wanted(const struct work *work, enum md_trace_kind kind) {
    return kind >= MD_TRACE_FINAL_WEIGHTS || (work->job->kinds >> kind & 1u) != 0;
}

/* Rows from .. to-1 of a map; its digests go by an element's place in the whole tensor. */
static void record_rows(struct work *work, enum md_trace_kind kind, int layer, int slot,
                        enum md_format format, const struct md_map *map, int from, int to) {
    size_t width = (size_t)map->width, bytes = width * md_format_bytes[format];
    size_t rows = (size_t)map->channels * (size_t)(to - from);
    uint64_t digest = 0;
    int whole = work->job->values || kind == MD_TRACE_FINAL_WEIGHTS;
    if (!is_wanted(work, kind))
        return;
    for (int c = 0; c < map->channels; c++)
        for (int h = from; h < to; h++) {
            const unsigned char *row = map->at;
            row += md_map_row(map, c, h) * md_format_bytes[format];
            digest += md_digest(format, row, (size_t)(c * map->height + h) * width, width);
        }
    const struct md_record head = {kind,
                                   work->step,
                                   (uint32_t)layer,
                                   (uint32_t)slot,
                                   (uint32_t)from,
                                   (uint32_t)to,
                                   format,
                                   (uint32_t)(rows * width),
                                   whole ? (uint32_t)(rows * bytes) : 0,
                                   (uint32_t)digest,
                                   (uint32_t)(digest >> 32)};
    put(work, &head, sizeof head);
    for (int c = 0; whole && c < map->channels; c++)
        for (int h = from; h < to; h++)
            put(work,
                (const unsigned char *)map->at + md_map_row(map, c, h) * md_format_bytes[format],
                bytes);
}

/* What is no map. */
static void record(struct work *work, enum md_trace_kind kind, int layer, enum md_format format,
                   void *values, size_t count) {
    const struct md_map map = {values, 1, 1, (int)count, 1};
    record_rows(work, kind, layer, 0, format, &map, 0, 1);
}

static void observe(void *context, enum md_observed what, int layer, int slot,
                    const struct md_map *values, int from, int to) {
    struct work *work = context;
    record_rows(work, (enum md_trace_kind)what, layer, slot, work->engine->setup.ops->format,
                values, from, to);
}

enum { PIECE = 128 }; /* values read at a time */

static int read_weights(struct work *work) {
    size_t total = md_parameter_total(work->engine->setup.network);
    float some[PIECE];
    for (size_t done = 0, here; done < total; done += here) {
        here = total - done < PIECE ? total - done : PIECE;
        if (work->io->read(work->io->context, some, here * sizeof *some) != 0)
            return -1;
        md_engine_put_weights(work->engine, done, here, some);
    }
    return 0;
}

/* 0 where there is no such buffer. */
static int read_bytes(const struct work *work, int buffer, int slot, size_t bytes) {
    return buffer == MD_NO_BUFFER
               ? 0
               : work->io->read(work->io->context, md_engine_buffer(work->engine, buffer, slot),
                                bytes);
}

static int read_picture(const struct work *work, int buffer, int slot) {
    return read_bytes(work, buffer, slot,
                      md_layer_elements(work->engine->setup.network, MD_PICTURE));
}

static int read_teacher(const struct work *work, int slot) {
    const struct md_engine *engine = work->engine;
    for (int l = 0; l < engine->setup.network->layer_count; l++)
        if (read_bytes(work, engine->plan.teacher[l], slot, md_teacher_bytes(&engine->setup, l)))
            return -1;
    return 0;
}

static int read_label(const struct work *work, void *to, size_t count) {
    const struct md_ops *ops = work->engine->setup.ops;
    float some[PIECE];
    unsigned char *at = to;
    for (size_t done = 0, here; done < count; done += here) {
        here = count - done < PIECE ? count - done : PIECE;
        if (work->io->read(work->io->context, some, here * sizeof *some) != 0)
            return -1;
        ops->from_float(here, some, at + done * md_format_bytes[ops->format]);
    }
    return 0;
}

/* Reads up to PIECE parameters from `from` on, of one layer, and returns how many. */
static size_t read_final(const struct work *work, size_t from, double some[PIECE]) {
    const struct md_network *network = work->engine->setup.network;
    const size_t *begin = work->engine->plan.parameter;
    int layer = 0;
    while (from >= begin[layer] + md_layer_parameters(&network->layers[layer]))
        layer++;
    from -= begin[layer];
    size_t rest = md_layer_parameters(&network->layers[layer]) - from;
    size_t count = rest < PIECE ? rest : PIECE;
    md_engine_read_weights(work->engine, layer, from, count, some);
    return count;
}

/* All parameters, layer by layer in the engine's format. */
static void record_final(struct work *work) {
    const struct md_network *network = work->engine->setup.network;
    enum md_format format = work->engine->setup.ops->format;
    uint64_t digest = 0;
    size_t total = md_parameter_total(network), here;
    double some[PIECE];
    for (size_t from = 0; from < total; from += here) {
        here = read_final(work, from, some);
        digest += md_digest(format, some, from, here);
    }
    const struct md_record head = {MD_TRACE_FINAL_WEIGHTS,
                                   work->step,
                                   0,
                                   0,
                                   0,
                                   1,
                                   format,
                                   (uint32_t)total,
                                   (uint32_t)(total * md_format_bytes[format]),
                                   (uint32_t)digest,
                                   (uint32_t)(digest >> 32)};
    put(work, &head, sizeof head);
    for (size_t from = 0; from < total; from += here) {
        here = read_final(work, from, some);
        put(work, some, here * md_format_bytes[format]);
    }
}

/* What an update leaves behind, of every layer that learns. */
static void record_update(struct work *work) {
    static const struct {
        enum md_trace_kind kind;
        enum md_state_array array;
    } arrays[] = {{MD_TRACE_FIRST_MOMENT, MD_FIRST_MOMENT},
                  {MD_TRACE_SECOND_MOMENT, MD_SECOND_MOMENT},
                  {MD_TRACE_BESIDE_WEIGHT, MD_BESIDE_WEIGHT}};
    const struct md_engine *engine = work->engine;
    enum md_format format = engine->setup.ops->format;
    for (int l = 0; l <= engine->setup.network->layer_count; l++) {
        if (!engine->plan.learns[l])
            continue;
        record(work, MD_TRACE_WEIGHT, l, format, md_engine_weights(engine, l),
               md_plan_parameters(engine->setup.network, l));
        size_t count = md_plan_learning(engine->setup.network, &engine->plan, l);
        for (int k = 0; k < MD_STATE_ARRAYS; k++) {
            void *values = md_engine_layer_state(engine, arrays[k].array, l);
            int wide = engine->plan.state[arrays[k].array].bytes != md_format_bytes[format];
            if (values != NULL)
                record(work, arrays[k].kind, l, wide ? MD_FP32 : format, values, count);
        }
    }
}

static enum md_job_error step(struct work *work, float *fb) {
    struct md_engine *engine = work->engine;
    const struct md_network *network = engine->setup.network;
    const struct md_io *io = work->io;
    struct md_job_step head;
    if (io->read(io->context, &head, sizeof head) != 0)
        return MD_JOB_CUT;
    if (head.samples < 1 || head.samples > work->job->batch || !is_finite(head.learning_rate))
        return MD_JOB_WRONG;
    for (int s = 0; s < (int)head.samples; s++)
        if (io->read(io->context, &fb[s], sizeof *fb) != 0 ||
            read_picture(work, engine->plan.picture, s) != 0 ||
            read_picture(work, engine->plan.right_picture, s) != 0 || read_teacher(work, s) != 0 ||
            read_label(work, md_engine_buffer(engine, engine->plan.label, s),
                       md_layer_elements(network, network->layer_count - 1)) != 0)
            return MD_JOB_CUT;
    struct md_loss_report report;
    engine->update.learning_rate = head.learning_rate;
    md_engine_train(engine, (int)head.samples, fb, &report);
    float loss[3] = {report.value, report.c, (float)report.valid};
    record(work, MD_TRACE_LOSS, 0, MD_FP32, loss, 3);
    record_update(work);
    work->step++;
    return MD_JOB_OK;
}

enum md_job_error md_job_run(const struct md_job *job, const struct md_setup *setup,
                             struct md_team *team, const struct md_job_memory *memory,
                             const struct md_io *io) {
    struct work work = {.job = job, .io = io, .engine = memory->engine};
    if (setup->ops == NULL)
        return MD_JOB_NO_OPERATORS;
    enum md_engine_error started =
        md_engine_start(work.engine, setup, team, memory->arena, memory->arena_bytes);
    if (started != MD_ENGINE_OK)
        return started == MD_ENGINE_WRONG_TEAM ? MD_JOB_NO_CORES
               : started == MD_ENGINE_NO_PLAN  ? MD_JOB_NO_PLAN
                                               : MD_JOB_NO_MEMORY;
    if (work.engine->plan.frozen_bytes > memory->flash.bytes)
        return MD_JOB_NO_MEMORY;
    work.engine->flash = memory->flash;
    work.engine->update = (struct md_update){.hyper = job->hyper};
    if ((job->kinds & ((1u << MD_TRACE_LOSS) - 1u)) != 0) /* it makes cores wait for each other */
        work.engine->observe = observe;
    work.engine->observe_context = &work;

    const uint32_t magic = MD_TRACE_MAGIC; /* in the place of the head's own */
    put(&work, &magic, sizeof magic);
    put(&work, (const unsigned char *)job + sizeof magic, sizeof *job - sizeof magic);
    if (work.failed)
        return MD_JOB_NO_OUTPUT;
    if (read_weights(&work) != 0)
        return MD_JOB_CUT;
    float fb[MD_JOB_MAX_BATCH];
    enum md_job_error error = MD_JOB_OK;
    while (work.step < job->steps && error == MD_JOB_OK && !work.failed)
        error = step(&work, fb);
    if (error != MD_JOB_OK)
        return error;
    record_final(&work);
    record(&work, MD_TRACE_END, 0, MD_FP32, NULL, 0);
    return work.failed ? MD_JOB_NO_OUTPUT : MD_JOB_OK;
}
