/* A job: what an engine is to do, as bytes, so that any machine can be given the same work; and the
 * trace it answers with. Both are streams of little-endian words without gaps:
 *
 * job    struct md_job; the weights (md_parameter_total floats, in parameter order); then, for each
 *        step, struct md_job_step, and for each of its samples fb (float), the picture (bytes,
 *        (3, height, width)), where the objective needs a pair (md_needs_pair) that of the right
 *        camera, for each stage that is distilled (plan.h: teacher) in the order of layers what a
 *        teacher sees in it (bytes, (teacher_channels, height, width)), and the label (floats,
 *        disparity as large as the last layer's output, -1 = no value)
 *
 * trace  struct md_job, its magic number replaced; then records, each followed by its values where
 *        bytes > 0; the last one is MD_TRACE_END
 *
 * Records of a step come in the order of the machine's plan (plan.h), which need not be another
 * machine's; a tensor's rows ascend. */
#ifndef MD_CORE_JOB_H
#define MD_CORE_JOB_H

#include "step.h"

#define MD_JOB_MAGIC   0x384a444du /* "MDJ8" */
#define MD_TRACE_MAGIC 0x3854444du /* "MDT8" */

#define MD_JOB_MAX_BATCH 256
#define MD_JOB_MAX_CORES 64
#define MD_JOB_MAX_BAND  4096

/* What a record holds. The first three are those of enum md_observed. */
enum md_trace_kind {
    MD_TRACE_ACTIVATION,
    MD_TRACE_ERROR,
    MD_TRACE_WEIGHT_GRADIENT,
    MD_TRACE_LOSS,         /* fp32: value, c, number of valid pixels */
    MD_TRACE_WEIGHT,       /* of a layer that learns, with its bias, after the step's update; layer
                            * layer_count: dynamic weights of losses */
    MD_TRACE_FIRST_MOMENT, /* the optimizer's state for it (enum md_state_array): everything that
                            * the next step depends on is in the trace */
    MD_TRACE_SECOND_MOMENT,
    MD_TRACE_BESIDE_WEIGHT,
    MD_TRACE_FINAL_WEIGHTS, /* all parameters; always written, always with values */
    MD_TRACE_END,
    MD_TRACE_KIND_COUNT
};

/* "activation", "error", "weight gradient", "loss", "weight", ... */
extern const char *const md_trace_kind_names[MD_TRACE_KIND_COUNT];

struct md_job {
    uint32_t magic;
    uint32_t format;            /* enum md_format */
    char level[MD_LEVEL_BYTES]; /* of the operators: "ref", ...; "": the machine's best */
    uint32_t policy, optimizer;
    uint32_t moments, storing; /* enum md_moments, enum md_storing */
    uint32_t batch, cores, steps;
    uint32_t savings, front, band; /* as in struct md_setup */
    uint32_t kinds;  /* which records are written: bits 1 << enum md_trace_kind, of those that
                      * are not always */
    uint32_t values; /* 1: with their values; 0: digests only */
    struct md_objective objective;
    struct md_hyper hyper;
    uint32_t body[2]; /* a digest of what follows: only passed on, to tell the traces of different
                       * jobs apart */
    struct md_network network;
};

struct md_job_step {
    uint32_t samples; /* 1 .. batch */
    float learning_rate;
};

struct md_record {
    uint32_t kind, step, layer, slot;
    uint32_t from, to;                /* rows of the tensor: (channels, to - from, width); what is
                                       * no map is one row */
    uint32_t format, count;           /* of the values */
    uint32_t bytes;                   /* that follow: 0, or all of them */
    uint32_t digest_low, digest_high; /* md_digest: a tensor's is the sum of its records' */
};

/* How a job is read and a trace is written: both return 0, or -1 when not all of it could be. */
struct md_io {
    void *context;
    int (*read)(void *context, void *to, size_t bytes);
    int (*write)(void *context, const void *from, size_t bytes);
};

enum md_job_error {
    MD_JOB_OK,
    MD_JOB_CUT,          /* the job ends too early */
    MD_JOB_WRONG,        /* not a job, or a value out of range */
    MD_JOB_NO_OPERATORS, /* the machine does not have the format, or the level */
    MD_JOB_NO_CORES,     /* ... not so many cores */
    MD_JOB_NO_MEMORY,    /* the arena is too small */
    MD_JOB_NO_PLAN,      /* more instructions or buffers than there is room for */
    MD_JOB_NO_OUTPUT,    /* the trace could not be written */
    MD_JOB_ERROR_COUNT
};

/* "", "the job ends too early", ... */
extern const char *const md_job_error_texts[MD_JOB_ERROR_COUNT];

/* Reads a job's head and checks every value in it. */
enum md_job_error md_job_read(const struct md_io *io, struct md_job *job);

/* What the head says about the engine, which reads the network there; ops is NULL where the machine
 * lacks format or level. */
void md_job_setup(const struct md_job *job, struct md_setup *setup);

/* Reads the rest of the job, does it in the arena (as md_engine_start wants it, of the size that
 * md_plan_make tells for md_job_setup's setup), and writes the trace. The engine is the caller's
 * because it is large; flash is for parameters that do not learn, where the setup wants it. */
struct md_job_memory {
    struct md_engine *engine;
    void *arena;
    size_t arena_bytes;
    struct md_flash flash;
};
enum md_job_error md_job_run(const struct md_job *job, const struct md_setup *setup,
                             struct md_team *team, const struct md_job_memory *memory,
                             const struct md_io *io);

/* A 64-bit digest of `count` values of a format that follow value `first` of a tensor: the sum over
 * all of them of a mixture of bits and place, every NaN counting as the same one. Any single
 * difference shows. Digests of a tensor's parts add up. */
uint64_t md_digest(enum md_format format, const void *values, size_t first, size_t count);

#endif
