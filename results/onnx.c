#include "onnx.h"

#include <string.h>

/* ---- protobuf -------------------------------------------------------------------------------- */

static void put_varint(FILE *to, uint64_t number) {
    for (; number >= 128; number >>= 7)
        putc((int)(number & 127) | 128, to);
    putc((int)number, to);
}

static void put_number(FILE *to, int field, int64_t number) {
    put_varint(to, (uint64_t)field << 3);
    put_varint(to, (uint64_t)number);
}

static void put_bytes(FILE *to, int field, const void *bytes, size_t size) {
    put_varint(to, (uint64_t)field << 3 | 2);
    put_varint(to, size);
    fwrite(bytes, 1, size, to);
}

static void put_text(FILE *to, int field, const char *text) {
    put_bytes(to, field, text, strlen(text));
}

/* A nested message: its length is only known at its end, so LENGTH_BYTES are reserved for it. */
enum { LENGTH_BYTES = 5 };

static long begin(FILE *to, int field) {
    put_varint(to, (uint64_t)field << 3 | 2);
    for (int i = 0; i < LENGTH_BYTES; i++)
        putc(0, to);
    return ftell(to);
}

static void end(FILE *to, long start) {
    const long here = ftell(to);
    fseek(to, start - LENGTH_BYTES, SEEK_SET);
    for (int i = 0; i < LENGTH_BYTES; i++) /* padded to LENGTH_BYTES, as varints may be */
        putc((int)((here - start) >> 7 * i & 127) | (i + 1 < LENGTH_BYTES ? 128 : 0), to);
    fseek(to, here, SEEK_SET);
}

/* ---- the parts of a model, by their numbers in onnx.proto -------------------------------------
 */

enum {
    MODEL_IR_VERSION = 1,
    MODEL_PRODUCER,
    MODEL_GRAPH = 7,
    MODEL_OPERATORS,
    MODEL_METADATA = 14
};
enum { OPERATORS_VERSION = 2 };
enum { METADATA_KEY = 1, METADATA_VALUE };
enum { GRAPH_NODE = 1, GRAPH_NAME, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT };
enum { NODE_INPUT = 1, NODE_OUTPUT, NODE_NAME, NODE_OPERATOR, NODE_ATTRIBUTE };
enum {
    ATTRIBUTE_NAME = 1,
    ATTRIBUTE_FLOAT,
    ATTRIBUTE_INT,
    ATTRIBUTE_INTS = 8,
    ATTRIBUTE_TYPE = 20
};
enum { IS_FLOAT = 1, IS_INT, IS_INTS = 7 }; /* an attribute */
enum { TENSOR_SIZE = 1, TENSOR_ELEMENTS, TENSOR_NAME = 8, TENSOR_DATA };
enum { FLOATS = 1 }; /* a tensor's elements */
enum { VALUE_NAME = 1, VALUE_TYPE };
enum { TYPE_TENSOR = 1, TYPE_ELEMENTS = 1, TYPE_SHAPE, SHAPE_SIZE = 1, SIZE_NUMBER = 1, SIZE_NAME };

/* `count` times the same number: ONNX's lists are of equal ones here. */
static void put_attribute(FILE *to, const char *name, int type, int count, float value) {
    const long attribute = begin(to, NODE_ATTRIBUTE);
    put_text(to, ATTRIBUTE_NAME, name);
    if (type == IS_FLOAT) {
        put_varint(to, ATTRIBUTE_FLOAT << 3 | 5);
        fwrite(&value, sizeof value, 1, to);
    }
    for (int i = 0; type != IS_FLOAT && i < count; i++)
        put_number(to, type == IS_INT ? ATTRIBUTE_INT : ATTRIBUTE_INTS, (int64_t)value);
    put_number(to, ATTRIBUTE_TYPE, type);
    end(to, attribute);
}

/* A node without its attributes; to be ended. */
static long begin_node(FILE *to, const char *kind, const char *const inputs[3],
                       const char *output) {
    const long node = begin(to, GRAPH_NODE);
    for (int i = 0; i < 3 && inputs[i] != NULL; i++)
        put_text(to, NODE_INPUT, inputs[i]);
    put_text(to, NODE_OUTPUT, output);
    put_text(to, NODE_NAME, output);
    put_text(to, NODE_OPERATOR, kind);
    return node;
}

/* ---- layers ---------------------------------------------------------------------------------- */

static const char *const kinds[] = {[MD_CONV3X3] = "Conv",
                                    [MD_TCONV2X2] = "ConvTranspose",
                                    [MD_RELU] = "Relu",
                                    [MD_AVERAGE_POOL] = "AveragePool",
                                    [MD_MAX_POOL] = "MaxPool"};
_Static_assert(sizeof kinds / sizeof kinds[0] == MD_KIND_COUNT, "every kind has its name");

static const char *tensor(const struct md_network *network, int layer) {
    return layer == MD_PICTURE        ? "picture"
           : layer == network->output ? "disparity"
                                      : network->layers[layer].name;
}

/* Up to three nodes: concat, the layer, LeakyReLU. */
static void put_layer(FILE *to, const struct md_network *network, int number) {
    const struct md_layer *layer = &network->layers[number];
    const struct md_kind *kind = &md_kinds[layer->kind];
    const char *input = tensor(network, layer->input), *output = tensor(network, number);
    char both[40], linear[40], weight[48], bias[48];
    snprintf(both, sizeof both, "%s.concat", layer->name);
    snprintf(linear, sizeof linear, "%s.linear", layer->name);
    snprintf(weight, sizeof weight, "%s%s.weight", layer->name, kind->suffix ? kind->suffix : "");
    snprintf(bias, sizeof bias, "%s%s.bias", layer->name, kind->suffix ? kind->suffix : "");
    if (layer->skip != MD_NO_SKIP) {
        const char *const halves[3] = {tensor(network, layer->skip), input};
        const long concat = begin_node(to, "Concat", halves, both);
        put_attribute(to, "axis", IS_INT, 1, 1);
        end(to, concat);
        input = both;
    }
    const char *const inputs[3] = {input, kind->kernel > 0 ? weight : NULL, bias};
    const long node = begin_node(to, kinds[layer->kind], inputs, layer->leaky ? linear : output);
    if (layer->kind != MD_RELU) {
        const int kernel = kind->kernel > 0 ? kind->kernel : layer->stride;
        put_attribute(to, "kernel_shape", IS_INTS, 2, (float)kernel);
        put_attribute(to, "strides", IS_INTS, 2, (float)(kind->up * layer->stride));
        put_attribute(to, "pads", IS_INTS, 4, (float)kind->padding);
    }
    end(to, node);
    if (layer->leaky) {
        const char *const before[3] = {linear};
        const long leaky = begin_node(to, "LeakyRelu", before, output);
        put_attribute(to, "alpha", IS_FLOAT, 1, MD_LEAKY_SLOPE);
        end(to, leaky);
    }
}

static void put_parameter(FILE *to, const struct md_parameter *p, const float *values) {
    const long initializer = begin(to, GRAPH_INITIALIZER);
    for (int d = 0; d < p->dimensions; d++)
        put_number(to, TENSOR_SIZE, p->shape[d]);
    put_number(to, TENSOR_ELEMENTS, FLOATS);
    put_text(to, TENSOR_NAME, p->name);
    put_bytes(to, TENSOR_DATA, values + p->offset, p->count * sizeof *values);
    end(to, initializer);
}

/* What goes into the graph or comes out: (batch, channels, height, width). */
static void put_value(FILE *to, int field, const struct md_network *network, int layer) {
    int size[3] = {layer == MD_PICTURE ? 3 : network->layers[layer].co};
    md_layer_size(network, layer, &size[1], &size[2]);
    const long value = begin(to, field);
    put_text(to, VALUE_NAME, tensor(network, layer));
    const long type = begin(to, VALUE_TYPE), of_tensor = begin(to, TYPE_TENSOR);
    put_number(to, TYPE_ELEMENTS, FLOATS);
    const long shape = begin(to, TYPE_SHAPE);
    for (int d = -1; d < 3; d++) {
        const long one = begin(to, SHAPE_SIZE);
        if (d < 0)
            put_text(to, SIZE_NAME, "batch");
        else
            put_number(to, SIZE_NUMBER, size[d]);
        end(to, one);
    }
    end(to, shape);
    end(to, of_tensor);
    end(to, type);
    end(to, value);
}

static void put_metadata(FILE *to, const char *key, const char *text) {
    const long pair = begin(to, MODEL_METADATA);
    put_text(to, METADATA_KEY, key);
    put_text(to, METADATA_VALUE, text);
    end(to, pair);
}

void md_onnx_write(FILE *to, const struct md_network *network, const float *values,
                   const struct md_weights_info *info) {
    struct md_parameter p;
    put_number(to, MODEL_IR_VERSION, 7);
    put_text(to, MODEL_PRODUCER, "mudepth");
    const long graph = begin(to, MODEL_GRAPH);
    for (int layer = 0; layer <= network->output; layer++)
        put_layer(to, network, layer);
    put_text(to, GRAPH_NAME, network->name);
    for (int i = 0; md_parameter(network, i, &p) == 0; i++)
        put_parameter(to, &p, values);
    put_value(to, GRAPH_INPUT, network, MD_PICTURE);
    put_value(to, GRAPH_OUTPUT, network, network->output);
    end(to, graph);
    const long operators = begin(to, MODEL_OPERATORS);
    put_number(to, OPERATORS_VERSION, 13);
    end(to, operators);
    put_metadata(to, "source", info->source);
    put_metadata(to, "digest", info->digest);
}
