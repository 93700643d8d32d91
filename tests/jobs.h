/* For the tests of jobs and traces: a small job as bytes, and doing it in memory. Only static
 * functions, so that every test file may include it. */
#ifndef MD_TESTS_JOBS_H
#define MD_TESTS_JOBS_H

#include "../core/job.h"
#include "engine.h"

/* Bytes that grow; to be freed. */
struct bytes {
    unsigned char *at;
    size_t size, room;
};

static inline void append(struct bytes *to, const void *from, size_t size) {
    if (to->size + size > to->room) {
        to->room = 2 * (to->size + size);
        to->at = realloc(to->at, to->room);
        cr_assert(to->at);
    }
    if (size > 0)
        memcpy(to->at + to->size, from, size);
    to->size += size;
}

/* ---- a job ----------------------------------------------------------------------------------- */

enum { ALL_KINDS = (1 << MD_TRACE_FINAL_WEIGHTS) - 1 };

static inline uint32_t policy_of(const struct md_network *network, const char *text) {
    md_policy policy;
    cr_assert_eq(md_policy_parse(network, text, &policy), 0);
    return policy;
}

/* uPyD-Net's first decoder, one step, a picture of a sixteenth of its pixels: what that is too
 * small for, compare's tests have. */
static inline struct md_job small_job(enum md_format format, const char *level) {
    struct md_job job = {.magic = MD_JOB_MAGIC,
                         .network = sized_network("upydnet", 12),
                         .format = format,
                         .policy = policy_of(md_networks[0], "d0"),
                         .optimizer = MD_ADAM,
                         .objective = {.weight = {[MD_BERHU] = 1},
                                       .depth_cap_m = 5.0f,
                                       .stereo_scale = 0.5f,
                                       .smoothness = 0.01f,
                                       .teacher_channels = 3},
                         .batch = 1,
                         .cores = 1,
                         .steps = 1,
                         .kinds = ALL_KINDS,
                         .values = 1,
                         .hyper = {.beta1 = 0.9f,
                                   .beta2 = 0.999f,
                                   .epsilon = 1e-3f, /* or fp16 would end in NaN */
                                   .seed = {7, 8}},
                         .body = {1, 2}};
    snprintf(job.level, sizeof job.level, "%s", level);
    return job;
}

/* What step `step` is given: every second batch is not full, no sample comes twice. */
static inline struct md_job_step step_of(const struct md_job *job, uint32_t step) {
    return (struct md_job_step){job->batch - (job->batch > 1 && step % 2 == 1),
                                0.01f / (1.0f + (float)step)};
}
static inline int sample_of(const struct md_job *job, uint32_t step, uint32_t slot) {
    return (int)(step * job->batch + slot);
}

/* What a teacher sees, in the stages that are distilled. */
static inline void append_features(struct bytes *to, const struct md_job *job, int sample) {
    struct md_setup setup;
    struct md_plan plan;
    md_job_setup(job, &setup);
    if (!(job->objective.distill > 0))
        return;
    setup.ops = md_ops_find((enum md_format)job->format, "ref");
    md_plan_make(&setup, &plan);
    for (int l = 0; l < MD_MAX_LAYERS; l++)
        if (plan.teacher[l] != MD_NO_BUFFER) {
            int8_t *features = make_features(&setup, l, sample);
            append(to, features, md_teacher_bytes(&setup, l));
            free(features);
        }
}

/* To be freed. */
static inline struct bytes job_bytes(const struct md_job *job) {
    struct bytes bytes = {0};
    const struct md_network *network = &job->network;
    float *weights = random_weights(network, 1);
    append(&bytes, job, sizeof *job);
    append(&bytes, weights, md_parameter_total(network) * sizeof *weights);
    free(weights);
    for (uint32_t step = 0; step < job->steps; step++) {
        struct md_job_step head = step_of(job, step);
        append(&bytes, &head, sizeof head);
        for (uint32_t slot = 0; slot < head.samples; slot++) {
            struct made_sample made = make_sample(network, sample_of(job, step, slot));
            append(&bytes, &made.fb, sizeof made.fb);
            append(&bytes, made.picture, md_layer_elements(network, MD_PICTURE));
            if (md_needs_pair(&job->objective))
                append(&bytes, made.right, md_layer_elements(network, MD_PICTURE));
            append_features(&bytes, job, sample_of(job, step, slot));
            append(&bytes, made.label, pixels_of(network) * sizeof *made.label);
            free_sample(&made);
        }
    }
    return bytes;
}

/* ---- doing it -------------------------------------------------------------------------------- */

/* A job's bytes and the trace that comes of them. Writing fails from write number `most_writes` on
 * (0: never). */
struct exchange {
    const unsigned char *from;
    size_t left;
    struct bytes trace;
    int writes, most_writes;
    const struct md_ops *ops; /* NULL: those that the job names */
};

static inline int read_bytes(void *context, void *to, size_t size) {
    struct exchange *e = context;
    if (size > e->left)
        return -1;
    memcpy(to, e->from, size);
    e->from += size;
    e->left -= size;
    return 0;
}

static inline int write_bytes(void *context, const void *from, size_t size) {
    struct exchange *e = context;
    if (e->most_writes != 0 && e->writes >= e->most_writes)
        return -1;
    e->writes++;
    append(&e->trace, from, size);
    return 0;
}

/* As a machine would, in an arena of the planned size less `missing_bytes`, with a team of
 * job.cores + more_cores. */
static inline enum md_job_error do_job_with(struct exchange *e, size_t missing_bytes,
                                            int more_cores) {
    const struct md_io io = {e, read_bytes, write_bytes};
    struct md_job job;
    struct md_setup setup;
    struct md_engine engine;
    int failed;
    enum md_job_error error = md_job_read(&io, &job);
    if (error != MD_JOB_OK)
        return error;
    struct md_job_memory memory = {.engine = &engine};
    md_job_setup(&job, &setup);
    if (e->ops != NULL)
        setup.ops = e->ops;
    if (setup.ops == NULL)
        return md_job_run(&job, &setup, NULL, &memory, &io);
    md_plan_make(&setup, &engine.plan);
    struct md_team *team = md_host_team_start((int)job.cores + more_cores, &failed);
    cr_assert_eq(failed, 0);
    struct fenced arena = fence(engine.plan.arena_bytes, 64);
    struct fenced flash = fence(engine.plan.frozen_bytes, 64);
    memory.arena = arena.values;
    memory.flash = md_flash_in(flash.values, engine.plan.frozen_bytes);
    memory.arena_bytes = engine.plan.arena_bytes - missing_bytes;
    error = md_job_run(&job, &setup, team, &memory, &io);
    md_host_team_stop(team);
    cr_assert(fence_holds(&arena), "the job wrote beside its arena");
    cr_assert(fence_holds(&flash), "the job wrote beside its flash");
    unfence(&arena);
    unfence(&flash);
    return error;
}

static inline enum md_job_error do_bytes(const unsigned char *from, size_t size) {
    struct exchange e = {.from = from, .left = size};
    enum md_job_error error = do_job_with(&e, 0, 0);
    free(e.trace.at);
    return error;
}

/* The job's trace, by the operators that it names, or by others; to be freed. */
static inline struct bytes trace_by(const struct md_job *job, const struct md_ops *ops) {
    struct bytes bytes = job_bytes(job);
    struct exchange e = {.from = bytes.at, .left = bytes.size, .ops = ops};
    enum md_job_error error = do_job_with(&e, 0, 0);
    cr_assert_eq(error, MD_JOB_OK, "%s", md_job_error_texts[error]);
    cr_assert_eq(e.left, 0, "%zu bytes of the job were not read", e.left);
    free(bytes.at);
    return e.trace;
}
static inline struct bytes trace_of(const struct md_job *job) {
    return trace_by(job, NULL);
}

/* ---- its records ----------------------------------------------------------------------------- */

/* The record at `at`, which moves on behind it and its values; 0 at the end of the trace. */
static inline int next_record(const struct bytes *trace, size_t *at, struct md_record *record,
                              const unsigned char **values) {
    if (*at == trace->size)
        return 0;
    cr_assert_leq(*at + sizeof *record, trace->size);
    memcpy(record, trace->at + *at, sizeof *record);
    *values = trace->at + *at + sizeof *record;
    *at += sizeof *record + record->bytes;
    cr_assert_leq(*at, trace->size);
    return 1;
}

#endif
