/* The network as data: which layers there are, what they read, and where their parameters lie.
 *
 * Source of the three tables: Nadalini et al., arXiv 2512.00086 and its public release.
 * Freestanding: nothing here allocates, prints or fails on memory. */
#ifndef MD_CORE_NETWORK_H
#define MD_CORE_NETWORK_H

#include <stddef.h>

enum md_layer_kind {
    MD_CONV3X3,      /* 3x3 convolution, padding 1, stride 1 or 2, with bias */
    MD_TCONV2X2,     /* 2x2 transposed convolution, stride 2, with bias */
    MD_RELU,         /* max(x, 0) */
    MD_AVERAGE_POOL, /* mean over pool x pool pixels, stride pool */
    MD_MAX_POOL      /* the largest of pool x pool pixels, stride pool */
};

/* The blocks a sparse-update policy can switch on. Transposed convolution upsN belongs to
 * decoderN, as in the release. */
enum md_block { MD_ENCODER, MD_DECODER0, MD_DECODER1, MD_DECODER2, MD_BLOCK_COUNT };

/* Set of blocks that learn: bit b is block b. */
typedef unsigned md_policy;
#define MD_POLICY_FULL ((1u << MD_BLOCK_COUNT) - 1u)

enum { MD_PICTURE = -1, MD_NO_SKIP = -2 };

struct md_layer {
    const char *name; /* "encoder.conv0", "ups0", "output": the name of the tensor it writes */
    enum md_layer_kind kind;
    enum md_block block;
    int input;  /* the layer whose output is read; MD_PICTURE for the network's input */
    int skip;   /* the layer whose output stands before input's in the channel concat, or
                 * MD_NO_SKIP */
    int ci, co; /* input channels (skip included) and output channels */
    int stride; /* convolution: 1 or 2; pooling: its size; otherwise 1 */
    int leaky;  /* 1: LeakyReLU(1/8) after the layer */
};

#define MD_MAX_LAYERS 24

struct md_network {
    const char *name;  /* "upydnet", "upydnet_large", "upydnet_8x8"; the first two once more with
                        * "_pooled" behind the name, see network.c */
    int height, width; /* of the picture, pixels; 3 channels */
    int layer_count;   /* the loss is taken of what the last one writes */
    int output;        /* the layer that writes the prediction: disparity */
    struct md_layer layers[MD_MAX_LAYERS];
};

/* The negative slope of LeakyReLU. */
#define MD_LEAKY_SLOPE 0.125f

/* All networks, ended by NULL; the first one is the published uPyD-Net. */
extern const struct md_network *const md_networks[];

/* The network called `name`, or NULL. */
const struct md_network *md_network_find(const char *name);

/* Height and width of the output of layer `layer` (MD_PICTURE: of the picture). */
void md_layer_size(const struct md_network *network, int layer, int *height, int *width);

/* Number of elements a layer's weight and bias have (0 for a layer without parameters).
 * Convolution: weight is (co, ci, 3, 3); transposed: (ci, co, 2, 2); bias is (co). */
size_t md_layer_weights(const struct md_layer *layer);
size_t md_layer_biases(const struct md_layer *layer);

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

/* Number of parameters (elements) of the whole network. */
size_t md_parameter_total(const struct md_network *network);

/* Multiply-accumulates of one forward pass of `layer`, batch 1. */
size_t md_layer_macs(const struct md_network *network, int layer);

/* Reads a policy: block names "encoder" or "e", "d0", "d1", "d2" joined by '+', or "full", or
 * "none". Returns 0, or -1 when `text` is not a policy (`policy` is then untouched). */
int md_policy_parse(const char *text, md_policy *policy);

/* Writes the policy in its shortest spelling ("d0", "e+d0", "full", "none"); `text` has room for
 * 16 characters. */
void md_policy_format(md_policy policy, char text[16]);

#endif
