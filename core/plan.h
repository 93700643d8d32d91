/* The plan of a training step: the step itself as a flat list of instructions, and the buffers they
 * work on with their places in one arena, all known before anything runs. The engine (step.h) walks
 * the list; nothing else decides order or place, on any machine.
 *
 * What a plan saves never changes a bit of any result:
 *
 * share     buffers that are never live together lie on one another. An error may so come to lie on
 *           the activation it belongs to: when it is made, only the activation's sign is wanted
 *           (a mask of one bit an element).
 * at_once   with a batch of 1, a layer's weights are updated as soon as its gradient is there, and
 *           the gradient's buffer is free again. (Not with a loss scale, which may skip the step,
 * nor where the norm of all gradients is clipped.) together  with a larger batch, all cores work on
 * one sample after the other, and its gradient is added to one sum, in sample order; otherwise,
 * where there are samples enough, each core works on its own, and every sample's gradient is kept
 * until all are there.
 *
 * again     with a larger batch, activations are not kept until the loss is known, but computed a
 *           second time, one sample at a time.
 *
 * stream    the last layers run as one front, a band of rows at a time, forward and backward: no
 *           buffer holds more rows of them than are wanted (a ring). Where one of them learns, they
 *           run forward a second time within the backward front.
 *
 * flash     parameters that do not learn are not in the arena but in memory that is only copied
 *           from: a layer's are fetched when it is their turn, forward and backward.
 *
 * Concats are never copied, branches that nobody needs are left out, pictures are kept as bytes. */
#ifndef MD_CORE_PLAN_H
#define MD_CORE_PLAN_H

#include "network.h"
#include "ops.h"

enum md_saving {
    MD_SHARE = 1,
    MD_AT_ONCE = 2,
    MD_TOGETHER = 4,
    MD_AGAIN = 8,
    MD_STREAM = 16,
    MD_FLASH = 32,
    MD_SAVING_COUNT = 6,
    /* What costs nothing on one core; and everything that stays in the arena. */
    MD_SAVINGS_FAST = MD_SHARE | MD_AT_ONCE,
    MD_SAVINGS_LEAN = MD_SHARE | MD_AT_ONCE | MD_TOGETHER | MD_AGAIN | MD_STREAM
};

/* "share", "at_once", ... in the order of their bits; NULL at the end. */
extern const char *const md_saving_names[MD_SAVING_COUNT + 1];

/* Everything that decides how a step is done and how much memory it needs. */
struct md_setup {
    const struct md_network *network;
    const struct md_ops *ops;
    md_policy policy; /* what learns; 0: inference only */
    enum md_optimizer optimizer;
    int momentum; /* SGD: 1 when a momentum buffer is needed */
    int batch;    /* samples per step, >= 1 */
    int cores;    /* that share the work, >= 1 */
    enum md_moments moments;
    enum md_storing storing; /* of new weights */
    struct md_objective objective;
    int waits;        /* 1: no update before all gradients are there: with a loss scale, whose
                       * steps may be skipped, and where a norm is clipped */
    unsigned savings; /* bits of enum md_saving */
    int front;        /* stream: the first layer of the front; 0: md_plan_front's */
    int band;         /* stream: rows at a time, >= 1; 0: 1 */
};

/* The layer from which on a network can be streamed: the last transposed convolution after which
 * each layer reads the one before (and maybe a skip from before the front). 0: it cannot. */
int md_plan_front(const struct md_network *network);

/* Whether it can be streamed from `layer` on. */
int md_plan_can_stream(const struct md_network *network, int layer);

enum md_buffer_kind {
    MD_WEIGHTS,
    MD_OPTIMIZER_STATE, /* directly behind the weights */
    MD_SCRATCH,
    MD_GRADIENT_SUM, /* over the samples of a batch */
    MD_GRADIENT,     /* of a layer's weights, the bias's behind it */
    MD_CHAINS,       /* of a weight gradient that goes on with later rows */
    MD_PICTURE_BYTES,
    MD_LABEL,
    MD_ACTIVATION,   /* layer MD_PICTURE: the picture as numbers */
    MD_MASK,         /* signs of an activation, a bit an element: rows of whole bytes, or dense */
    MD_ERROR,        /* gradient of the loss by a layer's output; the last layer's: by the output */
    MD_FETCHED,      /* a layer's parameters, from flash */
    MD_LOSS_ROOM,    /* scratch of losses that need some */
    MD_TEACHER,      /* what a teacher's features of a stage are, bytes */
    MD_DISTILL_ROOM, /* of a stage: md_distill_room */
    MD_DISTILLED,    /* of a stage: each sample's loss, floats */
    MD_BUFFER_KIND_COUNT
};

/* "weights", "optimizer state", ... */
extern const char *const md_buffer_names[MD_BUFFER_KIND_COUNT];

/* The buffers' sizes are multiples of this, and so are their places. */
enum { MD_PLAN_ALIGNMENT = 16 };
static inline size_t md_plan_aligned(size_t bytes) {
    return (bytes + MD_PLAN_ALIGNMENT - 1) / MD_PLAN_ALIGNMENT * MD_PLAN_ALIGNMENT;
}

enum { MD_MAX_BUFFERS = 200, MD_NO_BUFFER = 255, MD_MAX_INSTRUCTIONS = 2048 };

struct md_buffer {
    uint8_t kind;         /* enum md_buffer_kind */
    int8_t layer;         /* MD_PICTURE; also where it belongs to no layer */
    uint8_t each;         /* one copy for: */
    uint8_t dense;        /* a mask's rows have no bits between them */
    int16_t rows;         /* maps: rows held at a time */
    uint16_t first, last; /* the instructions between which it is live */
    size_t bytes, offset; /* of one copy; where the first copy lies */
};

/* What a buffer is one of. Copies of a sample's, and of a group's, lie md_plan.stride apart. */
enum { MD_EACH_STEP, MD_EACH_SAMPLE, MD_EACH_GROUP, MD_EACH_COUNT };

enum md_what {
    MD_DO_PICTURE, /* y from bytes */
    MD_DO_FORWARD, /* y from x, and its mask where there is one */
    MD_DO_MASK,    /* mask from y */
    MD_DO_LOSS,    /* of the batch: the last layer's error */
    MD_DO_DISTILL, /* y, a stage's error, from x, its activation, and weight, the teacher's
                    * features; chains: the room; target: the sample's loss */
    MD_DO_ERROR,   /* the derivative of the layer's own activation, in y: its error; its mask
                    * says where */
    MD_DO_WEIGHT_GRADIENT, /* target, from x and y: an error; complete, it is summed */
    MD_DO_INPUT_GRADIENT,  /* target, the error of a half of the input, from y, and from mask where
                            * the layer itself is an activation */
    MD_DO_UPDATE,
    MD_DO_FETCH, /* y: the layer's parameters, from flash */
    MD_WHAT_COUNT
};

/* "picture", "forward", ... */
extern const char *const md_what_names[MD_WHAT_COUNT];

/* Buffers by number, or MD_NO_BUFFER. */
struct md_instruction {
    uint8_t what; /* enum md_what */
    int8_t layer;
    uint8_t flags;
    uint8_t x[2], y, target, mask, chains;
    uint8_t weight;   /* where fetched parameters are; the others have their place in the arena */
    int16_t from, to; /* rows from .. to-1 of what is written (weight gradient: of y) */
};
/* MD_DERIVES: this input gradient completes its target, whose mask is named: unless errors are
 * observed, it does at once what the MD_DO_ERROR that is MD_DERIVED would do. */
enum { MD_ACCUMULATE = 1, MD_SECOND = 2, MD_SKIP_HALF = 4, MD_DERIVES = 8, MD_DERIVED = 16 };

/* The optimizer's state (struct md_optimizer_state): arrays of one value per parameter that learns.
 */
enum md_state_array { MD_FIRST_MOMENT, MD_SECOND_MOMENT, MD_BESIDE_WEIGHT, MD_STATE_ARRAYS };

struct md_plan {
    const char *fault; /* NULL, or why there is no plan */

    size_t arena_bytes;
    size_t weight_bytes; /* of the parameters that are in the arena */
    size_t frozen_bytes; /* flash: of those that are not, each layer's begin at a multiple of
                          * MD_PLAN_ALIGNMENT bytes */
    size_t bound_bytes;  /* the most that is live at once, all copies: no plan of these buffers can
                          * be smaller than this */
    int peak;            /* the instruction where that is so */

    int buffers, instructions;
    struct md_buffer buffer[MD_MAX_BUFFERS];
    struct md_instruction instruction[MD_MAX_INSTRUCTIONS];

    /* Instructions before `loss` are done for every sample, then it, then those before `update` for
     * every sample, then the rest. */
    int loss, update;

    /* Cores work in this many groups, each on samples of its own: one group per core when there
     * are samples enough, otherwise a single group that shares out the channels. */
    int groups;
    int together; /* 1: a batch's gradients are summed as they come; else each sample has its own */
    size_t stride[MD_EACH_COUNT]; /* bytes from a copy to the next */

    /* Behind the layers, as layer number layer_count, come the MD_LOSS_COUNT numbers of dynamic
     * weights of losses (ops.h), which learn, and in the arena behind them their gradient.
     *
     * Offsets in elements, per layer: of parameters in the network's, or where learns[] in those
     * that learn; and of a layer's weights in the arena, or (in_flash[]) in flash. */
    size_t parameter[MD_MAX_LAYERS + 1], learned[MD_MAX_LAYERS + 1], weight[MD_MAX_LAYERS + 1];
    size_t learning; /* parameters that learn */

    /* The optimizer's arrays: where in the arena they begin, and the bytes of one value (0: the
     * array is not needed). */
    struct {
        size_t offset, bytes;
    } state[MD_STATE_ARRAYS];

    /* Numbers of buffers; MD_NO_BUFFER where there is none. */
    uint8_t scratch, picture, right_picture, label, output, last_output, output_gradient, loss_room;
    uint8_t gradient[MD_MAX_LAYERS], gradient_sum[MD_MAX_LAYERS];
    uint8_t teacher[MD_MAX_LAYERS],
        distilled[MD_MAX_LAYERS]; /* of the stages that are distilled:
                                   * those of which an error is wanted */

    struct md_shape shape[MD_MAX_LAYERS];    /* md_layer_shape's */
    unsigned char learns[MD_MAX_LAYERS + 1]; /* enum md_learns: which parameters are updated */
    unsigned char in_flash[MD_MAX_LAYERS + 1];
    unsigned char wanted[MD_MAX_LAYERS]; /* the error of its output is needed: it learns, or a
                                          * layer it depends on does */
};

/* Makes the plan for `setup`. Large: keep it off small stacks. */
void md_plan_make(const struct md_setup *setup, struct md_plan *plan);

/* The rows of buffers that an instruction reads and writes (of buffers that are no maps: all). Up
 * to MD_MAX_TOUCHED; returns how many. */
struct md_touch {
    int buffer, from, to, writes;
};
enum { MD_MAX_TOUCHED = 8 };
int md_plan_touches(const struct md_network *network, const struct md_instruction *instruction,
                    struct md_touch touched[MD_MAX_TOUCHED]);

/* Copies of a buffer. */
int md_plan_copies(const struct md_setup *setup, const struct md_plan *plan, int buffer);

/* Bytes of optimizer state per parameter that learns. */
size_t md_plan_state_bytes(const struct md_plan *plan);

/* The shape of layer `layer`'s operator. */
struct md_shape md_layer_shape(const struct md_network *network, int layer);

/* The same of its weight gradient: where biases alone learn, it has no input channels. */
struct md_shape md_plan_weighed_shape(const struct md_plan *plan, int layer);

/* How many parameters a layer has. Layer layer_count: dynamic weights of losses. */
size_t md_plan_parameters(const struct md_network *network, int layer);

/* How many of a layer's parameters learn, the last ones, and which number the first of them has. */
size_t md_plan_learning(const struct md_network *network, const struct md_plan *plan, int layer);
size_t md_plan_frozen(const struct md_network *network, const struct md_plan *plan, int layer);

/* Elements of the output of a layer (MD_PICTURE: of the picture). */
size_t md_layer_elements(const struct md_network *network, int layer);

/* Whether there is something to distill: a stage that leads to what learns. */
int md_policy_distills(const struct md_network *network, md_policy policy);

/* Bytes of what a teacher's features of a stage are, of one sample. */
size_t md_teacher_bytes(const struct md_setup *setup, int layer);

/* Multiply-accumulates of a step of one sample in which nothing is computed twice: forward, and the
 * gradients that the policy needs. */
size_t md_step_macs(const struct md_network *network, md_policy policy);

#endif
