/* The memory plan: how large the arena is and what lies where in it, known before anything runs.
 * (Each tensor has a place of its own. A planner that shares and shrinks buffers belongs here.) */
#ifndef MD_CORE_PLAN_H
#define MD_CORE_PLAN_H

#include "network.h"
#include "ops.h"

/* Everything that decides how much memory a run needs. */
struct md_setup {
    const struct md_network *network;
    const struct md_ops *ops;
    md_policy policy; /* which blocks learn; 0: inference only */
    enum md_optimizer optimizer;
    int momentum; /* SGD: 1 when a momentum buffer is needed */
    int batch;    /* samples per step, >= 1 */
    int cores;    /* that share the work, >= 1 */
    enum md_moments moments;
    enum md_storing storing; /* of new weights */
};

/* What an optimizer keeps, an array of one value per parameter that learns each (struct md_kept).
 */
enum md_keeps { MD_FIRST_MOMENT, MD_SECOND_MOMENT, MD_BESIDE_WEIGHT, MD_KEEPS_COUNT };

enum md_region {
    MD_WEIGHTS,
    MD_OPTIMIZER_STATE, /* directly behind the weights: the two are what a checkpoint keeps */
    MD_WEIGHT_GRADIENTS,
    MD_PICTURES,
    MD_LABELS,
    MD_ACTIVATIONS,
    MD_OUTPUT_GRADIENTS,
    MD_ERRORS,
    MD_SCRATCH,
    MD_REGION_COUNT
};

/* "weights", "optimizer state", ... */
extern const char *const md_region_names[MD_REGION_COUNT];

struct md_plan {
    /* A region is `copies` equal parts of `bytes` each (one per sample, or one per core). */
    struct {
        size_t offset, bytes;
        int copies;
    } regions[MD_REGION_COUNT];
    size_t arena_bytes;

    /* Cores work in this many groups, each on samples of its own: one group per core when there
     * are samples enough, otherwise a single group that shares out the channels. */
    int groups;

    /* Element offsets, per layer. The two tensors of a concat lie one after the other, so no
     * concat is ever copied. */
    size_t activation[MD_MAX_LAYERS]; /* within a sample's activations */
    size_t error[MD_MAX_LAYERS];      /* within a group's errors; where wanted[] */
    size_t gradient[MD_MAX_LAYERS];   /* weight gradient, bias behind it; where learns[] */
    size_t learning;                  /* parameters that learn */

    /* The optimizer's arrays: where in the arena they begin, and the bytes of one value (0: the
     * array is not needed). */
    struct {
        size_t offset, bytes;
    } keeps[MD_KEEPS_COUNT];

    unsigned char learns[MD_MAX_LAYERS]; /* the layer's parameters are updated */
    unsigned char wanted[MD_MAX_LAYERS]; /* the error of its output is needed: it learns, or a
                                          * layer it depends on does */
};

/* Makes the plan for `setup`. */
void md_plan_make(const struct md_setup *setup, struct md_plan *plan);

/* Bytes of optimizer state per parameter that learns. */
size_t md_plan_kept_bytes(const struct md_plan *plan);

/* The shape of layer `layer`'s operator. */
struct md_shape md_layer_shape(const struct md_network *network, int layer);

/* Elements of the output of a layer (MD_PICTURE: of the picture). */
size_t md_layer_elements(const struct md_network *network, int layer);

/* Multiply-accumulates of one training step of one sample: forward, and the gradients that the
 * policy needs. */
size_t md_step_macs(const struct md_network *network, md_policy policy);

#endif
