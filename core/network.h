/* The network as data: which layers there are, what they read, and where their parameters lie.
 *
 * Source of the three tables: Nadalini et al., arXiv 2512.00086 and its public release.
 * Freestanding: nothing here allocates, prints or fails on memory. */
#ifndef MD_CORE_NETWORK_H
#define MD_CORE_NETWORK_H

#include <stddef.h>
#include <stdint.h>

enum md_layer_kind {
    MD_CONV3X3,      /* 3x3 convolution, padding 1, stride 1 or 2, with bias */
    MD_TCONV2X2,     /* 2x2 transposed convolution, stride 2, with bias */
    MD_RELU,         /* max(x, 0) */
    MD_AVERAGE_POOL, /* mean over pool x pool pixels, stride pool */
    MD_MAX_POOL,     /* the largest of pool x pool pixels, stride pool */
    MD_KIND_COUNT
};

/* What is true of a kind of layer in every network. (Its operators are in ops.h.) */
struct md_kind {
    int kernel;         /* taps a side of a weight; 0: no parameters */
    int transposed;     /* weight is (ci, co, kernel, kernel) instead of (co, ci, ...) */
    const char *suffix; /* stands between the layer's name and ".weight" */
    int up;             /* the output is so many times as high and wide, before the stride */
    int padding;        /* output row r reads `window` input rows from r * stride / up - padding */
    int window;         /* 0: as many as the stride */
    int reads_input;    /* the input gradient reads the input */
    int masked;         /* the input gradient reads the sign of the output */
};
extern const struct md_kind md_kinds[MD_KIND_COUNT];

/* What learns: bit g of a policy is group g of the network, all of whose layers do; MD_POLICY_LAST
 * the last layer that has parameters; MD_POLICY_BIASES the biases of all layers. */
typedef unsigned md_policy;

enum { MD_PICTURE = -1, MD_NO_SKIP = -2, MD_MAX_LAYERS = 24, MD_MAX_GROUPS = 8 };
enum { MD_MOST_CHANNELS = 4096, MD_MOST_VALUES = 1 << 28 }; /* of a layer, for one sample */
enum { MD_POLICY_LAST = 1 << MD_MAX_GROUPS, MD_POLICY_BIASES = 2 << MD_MAX_GROUPS };
enum md_learns { MD_LEARNS_NOTHING, MD_LEARNS_BIASES, MD_LEARNS_ALL };

struct md_layer {
    char name[16]; /* "encoder.conv0", "ups0", "output": the name of the tensor it writes */
    int32_t kind;  /* enum md_layer_kind */
    int32_t group;
    int32_t input;  /* the layer whose output is read; MD_PICTURE for the network's input */
    int32_t skip;   /* the layer whose output stands before input's in the channel concat, or
                     * MD_NO_SKIP */
    int32_t ci, co; /* input channels (skip included) and output channels */
    int32_t stride; /* convolution: 1 or 2; pooling: its size; otherwise 1 */
    int32_t leaky;  /* 1: LeakyReLU(1/8) after the layer */
};

/* Complete data: a job carries these bytes. */
struct md_network {
    char name[24]; /* "upydnet", "upydnet_large", "upydnet_8x8"; the first two once more with
                    * "_pooled" behind the name, see network.c */
    int32_t height, width; /* of the picture, pixels; 3 channels */
    int32_t layer_count;   /* the loss is taken of what the last one writes */
    int32_t output;        /* the layer that writes the prediction: disparity */
    int32_t group_count;
    char groups[MD_MAX_GROUPS][8]; /* their names in a policy; "e" may also be written "encoder" */
    struct md_layer layers[MD_MAX_LAYERS];
};

/* What of a layer learns, and how many of its parameters: the last ones, since biases are behind
 * weights. */
enum md_learns md_layer_learns(const struct md_network *network, md_policy policy, int layer);
size_t md_learning_parameters(const struct md_layer *layer, enum md_learns learns);

/* All groups. */
static inline md_policy md_policy_full(const struct md_network *network) {
    return (1u << network->group_count) - 1u;
}

/* The negative slope of LeakyReLU. */
#define MD_LEAKY_SLOPE 0.125f

/* What training from scratch begins with as the bias of the layer that md_last_with_parameters is:
 * a disparity of 8 m at fb 80, so that the ReLU behind it is alive. */
#define MD_INITIAL_DISPARITY 10.0f
int md_last_with_parameters(const struct md_network *network);

/* All networks that are built in, ended by NULL; the first one is the published uPyD-Net. */
extern const struct md_network *const md_networks[];

/* The built-in network called `name`, or NULL. */
const struct md_network *md_network_find(const char *name);

/* NULL when a network can be run: every layer reads earlier ones of the channels and sizes that it
 * says, and all but the last are read, names are ended, numbers in range. Otherwise what is wrong,
 * and *layer where (-1: not in a layer). */
const char *md_network_check(const struct md_network *network, int *layer);

/* The rows of its input that a layer reads for rows from .. to-1 of its output; and the rows of its
 * output that read any of rows from .. to-1 of its input. Within the tensor. */
struct md_rows {
    int from, to;
};
struct md_rows md_rows_read(const struct md_network *network, int layer, struct md_rows output);
struct md_rows md_rows_reading(const struct md_network *network, int layer, struct md_rows input);

/* Height and width of the output of layer `layer` (MD_PICTURE: of the picture). */
void md_layer_size(const struct md_network *network, int layer, int *height, int *width);

/* Values of that output, if it had so many channels. */
uint64_t md_layer_values(const struct md_network *network, int layer, int channels);

/* Number of elements a layer's weight and bias have (0 for a layer without parameters).
 * Convolution: weight is (co, ci, 3, 3); transposed: (ci, co, 2, 2); bias is (co). */
size_t md_layer_weights(const struct md_layer *layer);
size_t md_layer_biases(const struct md_layer *layer);
size_t md_layer_parameters(const struct md_layer *layer); /* both */

/* Channels of the first half of a layer's concat; 0 for a layer without one. */
int md_layer_skipped(const struct md_network *network, int layer);

/* One parameter tensor. All parameters of a network lie one after the other in layer order, a
 * layer's weight before its bias; offset and count are in elements. */
struct md_parameter {
    char name[48]; /* as in the published checkpoints: "encoder.conv0.weight", "ups0.tconv.bias" */
    int layer;
    int dimensions; /* 4 for a weight, 1 for a bias */
    int shape[4];
    size_t offset, count;
};

/* Fills `parameter` with the index-th parameter tensor; returns 0, or -1 when there is none. */
int md_parameter(const struct md_network *network, int index, struct md_parameter *parameter);

/* Whether a layer writes the features of a stage: what a transposed convolution enlarges, and no
 * activation has gone over. */
int md_is_stage(const struct md_network *network, int layer);

/* Channels of all stages of a network that is built in; 0: it has none. */
int md_stage_channels(const struct md_network *network);

/* Number of parameters (elements) of the whole network. */
size_t md_parameter_total(const struct md_network *network);

/* Multiply-accumulates of one forward pass of `layer`, batch 1. */
size_t md_layer_macs(const struct md_network *network, int layer);

/* Reads a policy: names of the network's groups (the published ones are "e" or "encoder", "d0",
 * "d1", "d2"), "last" and "biases" joined by '+', or "full", or "none". Returns 0, or -1 when
 * `text` is not a policy (`policy` is then untouched). */
int md_policy_parse(const struct md_network *network, const char *text, md_policy *policy);

/* Writes the policy in its shortest spelling ("d0", "e+d0", "full", "none"). */
enum { MD_POLICY_TEXT = MD_MAX_GROUPS * 8 + 16 };
void md_policy_format(const struct md_network *network, md_policy policy,
                      char text[MD_POLICY_TEXT]);

#endif
