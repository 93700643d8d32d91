/* The operators of a training step, as a table of function pointers per number format: one record
 * for each kind of layer. Each output element is one fixed chain of roundings, written above its
 * function in ops_tmpl.c; every other implementation in a table (a faster one) gives the same
 * bits, except the `blas` backend.
 *
 * Conventions. `void *` is an array of the table's format. d in front of a name is the gradient of
 * the loss with respect to it. Arrays of one call do not overlap, unless said. Nothing allocates;
 * nothing can fail.
 *
 * Rows. A call computes only some rows of its result, and a map need not hold more rows than a call
 * touches: so a chain of layers can run as one moving front (plan.h). Which rows are computed
 * together never changes a bit.
 *
 * Work sharing. `part` says which share a call computes: with n channels (of the output for
 * forward and bias gradient, of the input for input and weight gradient) and N cores, core i takes
 * b = ceil(n / N) of them from i * b on. Calls for different parts touch disjoint outputs and need
 * separate `scratch`. */
#ifndef MD_CORE_OPS_H
#define MD_CORE_OPS_H

#include "format.h"
#include "network.h"

struct md_shape {
    int ci, co;
    int height, width; /* of the input */
    int stride; /* convolution: 1, or 2 with even height and width; pooling: its size (a divisor of
                 * both); transposed convolution: unused, its output is twice as high and wide */
};

struct md_part {
    int index, count;
};

/* The share of 0 .. n-1 that `part` stands for. */
static inline void md_share(struct md_part part, int n, int *first, int *last) {
    int chunk = (n + part.count - 1) / part.count;
    *first = part.index * chunk < n ? part.index * chunk : n;
    *last = *first + chunk < n ? *first + chunk : n;
}

/* Rows of a tensor (channels, height, width) in memory: `rows` of each channel, row h in place
 * h % rows. With rows == height it is the whole tensor, dense and row-major, otherwise a ring. */
struct md_map {
    void *at;
    int channels, height, width, rows;
};

/* Where row h begins, elements from `at`; a channel has rows * width of them. */
static inline size_t md_map_row(const struct md_map *map, int channel, int h) {
    return ((size_t)channel * (size_t)map->rows + (size_t)(h % map->rows)) * (size_t)map->width;
}
static inline size_t md_map_plane(const struct md_map *map) {
    return (size_t)map->rows * (size_t)map->width;
}

/* What an operator works on.
 *
 * forward          rows from .. to-1 of y, from x, weight (as md_layer_weights says) and bias (co);
 *                  leaky: and leaky_forward of them, where the operator `activates`
 * weight_gradient  dweight and dbias from x and rows from .. to-1 of y, which holds dy; a call that
 *                  does not begin with row 0 goes on with the chains of the one before. Both are
 *                  finished by the call with the last row. A shape without input channels, and x
 *                  without any: dbias alone. (Transposed convolution: from and to are
 *                  even.)
 * input_gradient   rows from .. to-1 of dx from y, which holds dy: dx has the error of the input's
 *                  channels first .. first + dx.channels - 1 (`part` shares out these). accumulate
 *                  0: dx is overwritten; 1: the finished chain is added to it. Max pooling reads x
 *                  as well, ReLU `mask`; dx may then be y itself. An operator that `activates`
 *                  heeds a `mask`: what it finishes goes through leaky_backward, too; the mask has
 *                  a bit for each element of dx. */
struct md_call {
    struct md_shape shape;
    struct md_map x[2]; /* the input's channels one after the other: the two halves of a concat; or
                         * all in the first, and the second has none */
    struct md_map y, dx;
    int first, accumulate, leaky;
    const void *weight, *bias;
    struct md_map mask; /* bits, in rows of md_mask_row; at NULL: none */
    void *dweight, *dbias;
    void *sums; /* chains of a weight gradient between calls: sums_bytes, where more than one is
                   made */
    int from, to;
    void *scratch;
    struct md_part part;
};

typedef void md_operator_fn(const struct md_call *call);

/* A kind of layer. */
struct md_operator {
    md_operator_fn *forward, *input_gradient;
    md_operator_fn *weight_gradient; /* NULL: has no parameters */

    /* Bytes of scratch memory for one core, when a call has at most `rows` rows of y (forward,
     * weight gradient), or of dx and as many of y as belong to them. */
    size_t (*scratch_bytes)(const struct md_shape *shape, int rows);

    /* Bytes of `sums`, for `cores` cores together. */
    size_t (*sums_bytes)(const struct md_shape *shape, int cores);

    /* Whether cores are faster when they share out a forward or input gradient call's `rows` rows
     * instead of its `channels` channels, by calls of their own. NULL: never. */
    int (*shares_rows)(const struct md_shape *shape, int rows, int channels, int cores);

    int activates; /* 1: forward heeds `leaky`, input_gradient a `mask` */
};

/* Bits from a row of a mask to the next one: whole bytes, unless it is dense. */
static inline int md_mask_row(int width, int dense) {
    return dense ? width : (width + 7) / 8 * 8;
}

enum md_loss {
    MD_BERHU,
    MD_L1,
    MD_MSE,
    MD_REL_L1,
    MD_DEPTH_L1,
    MD_LOSS_RMSE,
    MD_LOSS_SILOG,
    MD_LOSS_ROBUST,
    MD_LOSS_GRAD,
    MD_LOSS_VNL,
    MD_LOSS_PHOTOMETRIC,
    MD_LOSS_COUNT
};

/* "berhu", "l1", ... */
extern const char *const md_loss_names[MD_LOSS_COUNT + 1]; /* NULL at the end */

/* What a loss is a mean over: its own, all valid pixels of the batch but of rmse each picture's; or
 * those of the batch, or of each picture and then over pictures that have any, whichever it is. vnl
 * is always each picture's, over its triples of pixels, and photometric over all of its pixels. */
enum md_average { MD_AVERAGE_OWN, MD_AVERAGE_PIXEL, MD_AVERAGE_PICTURE, MD_AVERAGE_COUNT };

/* "own", "pixel", "picture". */
extern const char *const md_average_names[MD_AVERAGE_COUNT + 1]; /* NULL at the end */

/* Weights of losses in their sum: as given; or, each with a number p that is trained with the
 * network, from 1 on, by the same optimizer: the sum of weight * loss / (2 p^2) + ln(1 + p^2), p
 * being held at MD_LEAST_BALANCE (Kendall et al., "Multi-task learning using uncertainty", 2018, in
 * Liebel and Koerner's form; LiteDepth's losses/auto_weight_loss.py, without the hold). */
enum md_weighing { MD_WEIGHTS_FIXED, MD_WEIGHTS_DYNAMIC, MD_WEIGHING_COUNT };
#define MD_LEAST_BALANCE 1e-3

/* "fixed", "dynamic". */
extern const char *const md_weighing_names[MD_WEIGHING_COUNT + 1]; /* NULL at the end */

/* What is made small: a weighted sum of losses. */
struct md_objective {
    float weight[MD_LOSS_COUNT]; /* 0: not in it */
    enum md_average average;
    float depth_cap_m; /* of losses in depth: beyond it depth is linear in disparity */
    enum md_weighing weighing;
    float stereo_scale; /* photometric: pixels of the picture that a disparity of 1 is */
    float smoothness;   /* photometric: weight of steps of disparity where the picture has none */
    float distill; /* weight of how unlike a teacher's the stages' features are; 0: not in it */
    int32_t teacher_channels; /* of each of the teacher's stages: 1 .. MD_MOST_CHANNELS */
};

static inline struct md_objective md_single_loss(enum md_loss loss, float depth_cap_m) {
    struct md_objective objective = {.depth_cap_m = depth_cap_m};
    objective.weight[loss] = 1.0f;
    return objective;
}

/* Whether a loss is one picture's, and then averaged. */
static inline int md_by_picture(const struct md_objective *objective, enum md_loss loss) {
    return objective->average == MD_AVERAGE_PICTURE ||
           (objective->average == MD_AVERAGE_OWN && loss == MD_LOSS_RMSE) || loss == MD_LOSS_VNL ||
           loss == MD_LOSS_PHOTOMETRIC;
}

/* Whether pictures of two cameras are needed, which must have the output's size; labels then are
 * not. */
static inline int md_needs_pair(const struct md_objective *objective) {
    return objective->weight[MD_LOSS_PHOTOMETRIC] > 0;
}

/* vnl: how many triples a picture of so many pixels draws. */
static inline int md_loss_triples(int pixels) {
    return pixels * 3 / 20;
}

/* Bytes of what sums are made in. */
static inline size_t md_wide_bytes(enum md_format format) {
    return format == MD_FP64 ? sizeof(double) : sizeof(float);
}

/* Bytes of md_loss_batch.scratch that losses need, for whatever number of pictures. */
static inline size_t md_loss_scratch(const struct md_objective *objective, enum md_format format,
                                     int pixels) {
    size_t wide = md_wide_bytes(format);
    size_t vnl = objective->weight[MD_LOSS_VNL] > 0 ? (size_t)pixels * (wide + sizeof(uint32_t)) +
                                                          (size_t)md_loss_triples(pixels) * wide
                                                    : 0;
    size_t photometric = md_needs_pair(objective) ? 3 * (size_t)pixels * wide : 0;
    return vnl > photometric ? vnl : photometric;
}

/* Output, label (disparity, -1 = no value) and gradient have `pixels` elements a sample, in rows of
 * `width`, and `stride` elements from one sample to the next; fb is one per sample. Seed and step
 * name the random numbers of a loss that draws some. Pictures, (3, height, width) bytes, are there
 * for photometric only. */
struct md_loss_batch {
    int samples, pixels, width;
    size_t stride;
    const void *output, *label;
    const uint8_t *left, *right; /* what the network saw, and what the camera to its right did */
    size_t picture_stride;       /* bytes from one sample's to the next one's */
    const float *fb;
    void *gradient;
    void *scratch;       /* md_loss_scratch bytes, aligned to 8 */
    const void *balance; /* dynamic: MD_LOSS_COUNT elements, p; and the gradient by them */
    void *balance_gradient;
    uint32_t seed[2];
    uint64_t step;
};

struct md_loss_report {
    float value; /* 0 without a valid pixel */
    float c;     /* berhu: the threshold, the largest of all groups; otherwise 0 */
    int valid;   /* number of valid pixels; with photometric all are */
    int count;   /* of what the value is a mean: those; of a sum in which a loss is averaged by
                  * pictures, pictures that have any */
};

/* What is learned from a larger network, the teacher, of one stage (network.h) of one sample.
 * Structure-aware distillation (Liu et al., "Structured knowledge distillation", 2019, in
 * LiteDepth's form): with u the student's features of a pixel and v the teacher's, both as unit
 * vectors, the mean over pairs (i, j) of the n pixels that count of (u_i u_j - v_i v_j)^2. How many
 * channels each of them has is its own affair. Pixels of which the teacher's vector is zero do not
 * count. */
struct md_distill {
    struct md_map x;  /* the student's features, all rows */
    struct md_map dx; /* their error, which the gradient is added to */
    const int8_t
        *teacher; /* (channels, height, width): every pixel's vector in a unit of its own */
    int teacher_channels;
    float factor;        /* that the gradient is multiplied by */
    void *room;          /* md_distill_room bytes, of all parts together */
    void *scratch;       /* md_distill_scratch bytes */
    struct md_part part; /* of the pixels */
};

static inline size_t md_distill_room(enum md_format format, size_t pixels) {
    return 3 * pixels * md_wide_bytes(format);
}
enum { MD_DISTILL_LANES = 8 }; /* partial sums */
static inline size_t md_distill_scratch(enum md_format format, int channels) {
    return MD_DISTILL_LANES * (size_t)channels * md_wide_bytes(format);
}

enum md_optimizer { MD_SGD, MD_ADAM, MD_OPTIMIZER_COUNT };

/* "sgd", "adam". */
extern const char *const md_optimizer_names[MD_OPTIMIZER_COUNT + 1]; /* NULL at the end */

/* How many arrays of moments they keep: without momentum, and with. */
extern const unsigned char md_optimizer_moments[MD_OPTIMIZER_COUNT][2];

/* How a new weight is stored. Beyond plain they are for 16-bit formats, where most updates are less
 * than half a unit in a weight's last place and rounding to nearest would lose them all. */
enum md_storing {
    MD_STORE_PLAIN,      /* rounded to nearest */
    MD_STORE_STOCHASTIC, /* rounded up or down at random, right on average */
    MD_STORE_MASTER,     /* the rounding of a binary32 weight kept beside it */
    MD_STORE_KAHAN,      /* rounded to nearest, and what that lost kept beside it, in the format */
    MD_STORING_COUNT
};
/* What weight decay is: the gradient of weight_decay / 2 * w^2, of all parameters; or a step
 * -learning_rate * weight_decay * w beside the optimizer's own, of weights but not of biases
 * (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, in PyTorch's form). */
enum md_decay { MD_DECAY_L2, MD_DECAY_DECOUPLED, MD_DECAY_COUNT };
enum md_moments { MD_MOMENTS_FORMAT, MD_MOMENTS_FP32, MD_MOMENTS_COUNT };

/* "plain", "stochastic", ...; "l2", "decoupled"; "format", "fp32". */
extern const char *const md_storing_names[MD_STORING_COUNT + 1]; /* NULL at the end */
extern const char *const md_decay_names[MD_DECAY_COUNT + 1];     /* NULL at the end */
extern const char *const md_moments_names[MD_MOMENTS_COUNT + 1]; /* NULL at the end */

/* What updates are told by a run, in every step the same; in a job as it stands here: 32-bit words
 * without gaps. */
struct md_hyper {
    float momentum, weight_decay; /* momentum: SGD only */
    float beta1, beta2, epsilon;  /* Adam only */
    float clip_norm;     /* a gradient whose L2 norm is larger is scaled down to it; 0: none is */
    int loss_scale_log2; /* the gradient is 2^this times too large: 0 .. MD_MOST_LOSS_SCALE_LOG2 */
    enum md_decay decay;
    uint32_t seed[2]; /* stochastic: names the run's random bits; lower and upper half */
};

/* What one update needs beside the tensors. */
struct md_update {
    struct md_hyper hyper;
    float learning_rate;

    /* Kept by the step (step.c). */
    float correction1, correction2; /* Adam: 1 - beta^t */
    uint64_t step;                  /* t, from 1 */
    float clip;                     /* clip_norm: what the gradient is multiplied by */
};

enum { MD_MOST_LOSS_SCALE_LOG2 = 24 };

/* 2^log2 for 126 >= log2 >= -126. */
static inline float md_power_of_two(int log2) {
    return md_float_of((uint32_t)(127 + log2) << 23);
}

/* An optimizer's state for n parameters. Arrays that its options do not need may be NULL. */
struct md_optimizer_state {
    enum md_moments moments; /* the arrays of moments hold elements of the format, or floats */
    void *first;             /* Adam's first moment; SGD's momentum buffer when there is momentum */
    void *second;            /* Adam's second moment */
    enum md_storing storing;
    void *beside;    /* master: weights as floats; kahan: compensations, elements */
    size_t index;    /* of the first parameter in the network: stochastic draws by it */
    size_t decaying; /* decoupled: so many parameters, the first ones, decay */
};

/* One step for n parameters. */
typedef void md_update_fn(size_t n, const struct md_update *update, const void *gradient,
                          const struct md_optimizer_state *state, void *weight);

enum { MD_LEVEL_BYTES = 16 }; /* that a level's name may take */

struct md_ops {
    enum md_format format;
    const char *level; /* "ref", "scalar", "avx2", "avx512", "neon", "blas"; of fp16 only:
                        * "avx512fp16", "neonfp16" */

    struct md_operator kinds[MD_KIND_COUNT];

    /* y = y > 0 ? y : y * 1/8, in place. */
    void (*leaky_forward)(size_t n, void *y);
    /* Bit i % 8 of mask[i / 8] is y[i] > 0; the last byte's other bits are 0. */
    void (*mask)(size_t n, const void *y, uint8_t *mask);
    /* dy = mask ? dy : dy * 1/8, in place; the mask is of the forward's output, from bit `first`
     * on.
     */
    void (*leaky_backward)(size_t n, const uint8_t *mask, size_t first, void *dy);

    /* to[i] = to[i] + from[i]. */
    void (*add)(size_t n, const void *from, void *to);

    /* The gradient of scale (a power of two) times the objective, of a whole batch; of one without
     * a valid pixel 0. */
    void (*loss_gradient)(const struct md_objective *objective, const struct md_loss_batch *batch,
                          float scale, struct md_loss_report *report);

    /* Distillation, each part after all parts have done what is before: what pixels' vectors are to
     * be multiplied by; their gradient; and how unlike they are, of all. */
    void (*distill_begin)(const struct md_distill *distill);
    void (*distill_gradient)(const struct md_distill *distill);
    float (*distill_value)(const struct md_distill *distill);

    /* 1 when none of n values is infinite or NaN. */
    int (*finite)(size_t n, const void *values);
    /* The sum of the squares of n values, in binary32, compensated. */
    float (*square_sum)(size_t n, const void *values);

    md_update_fn *update[MD_OPTIMIZER_COUNT];

    /* Conversions: exact, or rounded once. Bytes become byte / 255. */
    void (*from_float)(size_t n, const float *from, void *to);
    void (*to_float)(size_t n, const void *from, float *to);
    void (*from_bytes)(size_t n, const uint8_t *from, void *to);
};

/* The tables that ops_tmpl.c and lanes_tmpl.c are compiled to, per format. md_lanes_* has optimised
 * functions in some slots, and NULL in the others. They are data, and all that such a file shows:
 * nothing compiled for an instruction set can run before its table was chosen (`make data-only`).
 * Which of them there are is up to the processor. */
#define MD_TABLES(format)                                                                          \
    extern const struct md_ops md_ops_ref_##format, md_lanes_scalar_##format,                      \
        md_ops_avx2_##format, md_lanes_avx2_##format, md_ops_avx512_##format,                      \
        md_lanes_avx512_##format, md_lanes_neon_##format
MD_TABLES(fp32);
MD_TABLES(fp64);
MD_TABLES(fp16);
MD_TABLES(bf16);
MD_TABLES(fp16w);
MD_TABLES(bf16w);
#undef MD_TABLES
extern const struct md_ops md_ops_avx512fp16_fp16, md_lanes_avx512fp16_fp16, md_ops_neonfp16_fp16,
    md_lanes_neonfp16_fp16;

typedef void md_slot_fn(void); /* what each member of a table from kinds on points to */

/* A table named `level`: `plain` with what is in `optimised`, which may be NULL, in its place. */
static inline struct md_ops md_ops_overlaid(const char *level, const struct md_ops *plain,
                                            const struct md_ops *optimised) {
    struct md_ops ops = *plain;
    ops.level = level;
    for (size_t at = offsetof(struct md_ops, kinds); optimised != NULL && at < sizeof ops;
         at += sizeof(md_slot_fn *)) {
        md_slot_fn *slot;
        __builtin_memcpy(&slot, (const unsigned char *)optimised + at, sizeof slot);
        if (slot != NULL)
            __builtin_memcpy((unsigned char *)&ops + at, &slot, sizeof slot);
    }
    return ops;
}

/* The best table for this machine, or the one that `level` names (md_ops.level); NULL when it is
 * unknown, or cannot run here, or does not exist for the format. A NULL or empty `level` asks for
 * the best (or what the machine's user has set). Provided per machine, in core/target. */
const struct md_ops *md_ops_find(enum md_format format, const char *level);

/* The levels that md_ops_find knows for `format` and can run here, best last before "blas"; ended
 * by NULL. */
int md_ops_levels(enum md_format format, const char *levels[8]);

#endif
