#include "job.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "jobs and traces are little-endian, and so must be the machine"
#endif

const char *const md_trace_kind_names[MD_TRACE_KIND_COUNT] = {
    "activation", "error", "weight gradient", "weight", "loss", "final weights", "end"};

const char *const md_job_error_texts[MD_JOB_ERROR_COUNT] = {
    "",
    "the job ends too early",
    "not a job, or a value in it is out of range",
    "no operators of this number format and level here",
    "not so many cores here",
    "the arena is too small",
    "the trace cannot be written"};

/* ---- digests --------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t digest, uint64_t element) {
    return (digest ^ element) * 0x100000001b3u;
}

uint64_t md_digest(enum md_format format, const void *values, size_t count) {
    const uint64_t *wide = values;
    const uint32_t *single = values;
    const uint16_t *half = values;
    uint64_t digest = 0xcbf29ce484222325u;
    /* Magnitudes above infinity are NaNs. */
    uint32_t infinity = format == MD_FP16 || format == MD_FP16W ? 0x7c00u : 0x7f80u;
    for (size_t i = 0; i < count; i++) {
        if (format == MD_FP64)
            digest = mix(digest, wide[i] << 1 > 0xffe0000000000000u ? ~(uint64_t)0 : wide[i]);
        else if (format == MD_FP32)
            digest = mix(digest, single[i] << 1 > 0xff000000u ? ~0u : single[i]);
        else
            digest = mix(digest, (half[i] & 0x7fffu) > infinity ? 0xffffu : half[i]);
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
    uint32_t networks = 0;
    while (md_networks[networks] != NULL)
        networks++;
    const struct {
        uint32_t value, low, high;
    } ranges[] = {{job->magic, MD_JOB_MAGIC, MD_JOB_MAGIC},
                  {job->network, 0, networks - 1},
                  {job->format, 0, MD_FORMAT_COUNT - 1},
                  {(uint32_t)job->level[sizeof job->level - 1], 0, 0},
                  {job->policy, 1, MD_POLICY_FULL},
                  {job->optimizer, 0, MD_OPTIMIZER_COUNT - 1},
                  {job->loss, 0, MD_LOSS_COUNT - 1},
                  {job->moments, 0, MD_MOMENTS_COUNT - 1},
                  {job->storing, 0, MD_STORING_COUNT - 1},
                  {job->loss_scale_log2, 0, MD_MOST_LOSS_SCALE_LOG2},
                  {job->batch, 1, MD_JOB_MAX_BATCH},
                  {job->cores, 1, MD_JOB_MAX_CORES},
                  {job->steps, 0, 1u << 30},
                  {job->kinds, 0, (1u << MD_TRACE_FINAL_WEIGHTS) - 1u},
                  {job->values, 0, 1}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (ranges[i].value < ranges[i].low || ranges[i].value > ranges[i].high)
            return MD_JOB_WRONG;
    const float numbers[] = {job->depth_cap_m, job->momentum, job->weight_decay,
                             job->beta1,       job->beta2,    job->epsilon};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (!is_finite(numbers[i]) || numbers[i] < 0.0f)
            return MD_JOB_WRONG;
    return MD_JOB_OK;
}

void md_job_setup(const struct md_job *job, struct md_setup *setup) {
    *setup = (struct md_setup){md_networks[job->network],
                               md_ops_find((enum md_format)job->format, job->level),
                               job->policy,
                               (enum md_optimizer)job->optimizer,
                               job->momentum > 0.0f,
                               (int)job->batch,
                               (int)job->cores,
                               (enum md_moments)job->moments,
                               (enum md_storing)job->storing};
}

/* ---- the work -------------------------------------------------------------------------------- */

struct work {
    const struct md_job *job;
    const struct md_io *io;
    struct md_engine engine;
    uint32_t step;
    int failed; /* the trace cannot be written */
};

static void record(struct work *work, enum md_trace_kind kind, uint32_t layer, uint32_t slot,
                   enum md_format format, const void *values, size_t count) {
    int whole = work->job->values || kind == MD_TRACE_FINAL_WEIGHTS;
    int wanted = kind >= MD_TRACE_FINAL_WEIGHTS || (work->job->kinds >> kind & 1u) != 0;
    if (!wanted || work->failed)
        return;
    uint64_t digest = md_digest(format, values, count);
    size_t bytes = whole ? count * md_format_bytes[format] : 0;
    struct md_record head = {kind,
                             work->step,
                             layer,
                             slot,
                             format,
                             (uint32_t)count,
                             (uint32_t)bytes,
                             (uint32_t)digest,
                             (uint32_t)(digest >> 32)};
    work->failed = work->io->write(work->io->context, &head, sizeof head) != 0 ||
                   (bytes > 0 && work->io->write(work->io->context, values, bytes) != 0);
}

static void observe(void *context, enum md_observed what, int layer, int slot, void *values,
                    size_t count) {
    struct work *work = context;
    record(work, (enum md_trace_kind)what, (uint32_t)layer, (uint32_t)slot,
           work->engine.setup.ops->format, values, count);
}

enum { PIECE = 256 }; /* floats read at a time */

static int read_weights(struct work *work) {
    size_t total = md_parameter_total(work->engine.setup.network);
    float some[PIECE];
    for (size_t done = 0, here; done < total; done += here) {
        here = total - done < PIECE ? total - done : PIECE;
        if (work->io->read(work->io->context, some, here * sizeof *some) != 0)
            return -1;
        md_engine_put_weights(&work->engine, done, here, some);
    }
    return 0;
}

static int read_label(const struct work *work, void *to, size_t count) {
    const struct md_ops *ops = work->engine.setup.ops;
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

static int read_picture(const struct work *work, void *to, size_t count) {
    const struct md_ops *ops = work->engine.setup.ops;
    uint8_t some[1024];
    unsigned char *at = to;
    for (size_t done = 0, here; done < count; done += here) {
        here = count - done < sizeof some ? count - done : sizeof some;
        if (work->io->read(work->io->context, some, here) != 0)
            return -1;
        ops->from_bytes(here, some, at + done * md_format_bytes[ops->format]);
    }
    return 0;
}

/* The parameters of every layer that learns. */
static void record_weights(struct work *work) {
    const struct md_network *network = work->engine.setup.network;
    enum md_format format = work->engine.setup.ops->format;
    const unsigned char *at = md_engine_region(&work->engine, MD_WEIGHTS, 0);
    for (int l = 0; l < network->layer_count; l++) {
        const struct md_layer *layer = &network->layers[l];
        size_t count = md_layer_weights(layer) + md_layer_biases(layer);
        if (work->engine.plan.learns[l])
            record(work, MD_TRACE_WEIGHT, (uint32_t)l, 0, format, at, count);
        at += count * md_format_bytes[format];
    }
}

static enum md_job_error step(struct work *work, float *fb) {
    struct md_engine *engine = &work->engine;
    const struct md_network *network = engine->setup.network;
    struct md_job_step head;
    if (work->io->read(work->io->context, &head, sizeof head) != 0)
        return MD_JOB_CUT;
    if (head.samples < 1 || head.samples > work->job->batch || !is_finite(head.learning_rate))
        return MD_JOB_WRONG;
    for (int s = 0; s < (int)head.samples; s++)
        if (work->io->read(work->io->context, &fb[s], sizeof *fb) != 0 ||
            read_picture(work, md_engine_region(engine, MD_PICTURES, s),
                         md_layer_elements(network, MD_PICTURE)) != 0 ||
            read_label(work, md_engine_region(engine, MD_LABELS, s),
                       md_layer_elements(network, network->layer_count - 1)) != 0)
            return MD_JOB_CUT;
    struct md_loss_report report;
    engine->update.learning_rate = head.learning_rate;
    md_engine_train(engine, (int)head.samples, fb, &report);
    const float loss[3] = {report.value, report.c, (float)report.valid};
    record(work, MD_TRACE_LOSS, 0, 0, MD_FP32, loss, 3);
    record_weights(work);
    work->step++;
    return MD_JOB_OK;
}

enum md_job_error md_job_run(const struct md_job *job, const struct md_setup *setup,
                             struct md_team *team, void *arena, size_t arena_bytes,
                             const struct md_io *io) {
    struct work work = {.job = job, .io = io};
    if (setup->ops == NULL)
        return MD_JOB_NO_OPERATORS;
    enum md_engine_error started = md_engine_start(&work.engine, setup, team, arena, arena_bytes);
    if (started != MD_ENGINE_OK)
        return started == MD_ENGINE_WRONG_TEAM ? MD_JOB_NO_CORES : MD_JOB_NO_MEMORY;
    work.engine.loss = (enum md_loss)job->loss;
    work.engine.depth_cap_m = job->depth_cap_m;
    work.engine.update = (struct md_update){.momentum = job->momentum,
                                            .weight_decay = job->weight_decay,
                                            .beta1 = job->beta1,
                                            .beta2 = job->beta2,
                                            .epsilon = job->epsilon,
                                            .loss_scale_log2 = (int)job->loss_scale_log2,
                                            .seed = job->seed[0] | (uint64_t)job->seed[1] << 32};
    if ((job->kinds & ((1u << MD_TRACE_WEIGHT) - 1u)) != 0) /* it makes cores wait for each other */
        work.engine.observe = observe;
    work.engine.observe_context = &work;

    struct md_job head = *job;
    head.magic = MD_TRACE_MAGIC;
    size_t total = md_parameter_total(setup->network);
    void *weights = md_engine_region(&work.engine, MD_WEIGHTS, 0);
    if (io->write(io->context, &head, sizeof head) != 0)
        return MD_JOB_NO_OUTPUT;
    if (read_weights(&work) != 0)
        return MD_JOB_CUT;
    float fb[MD_JOB_MAX_BATCH];
    enum md_job_error error = MD_JOB_OK;
    while (work.step < job->steps && error == MD_JOB_OK && !work.failed)
        error = step(&work, fb);
    if (error != MD_JOB_OK)
        return error;
    record(&work, MD_TRACE_FINAL_WEIGHTS, 0, 0, setup->ops->format, weights, total);
    record(&work, MD_TRACE_END, 0, 0, MD_FP32, NULL, 0);
    return work.failed ? MD_JOB_NO_OUTPUT : MD_JOB_OK;
}
