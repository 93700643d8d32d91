#include "network.h"

/* One row of a table. Channels: the encoder's three stages are a, b, c wide, the decoders d. */
#define CONV(nm, bl, in, sk, ci, co, st, lk)                                                       \
    { nm, MD_CONV3X3, bl, in, sk, ci, co, st, lk }
#define TCONV(nm, bl, in, d)                                                                       \
    { nm, MD_TCONV2X2, bl, in, MD_NO_SKIP, d, d, 1, 0 }

#define UPYDNET_LAYERS(a, b, c, d)                                                                 \
    CONV("encoder.conv0", MD_ENCODER, MD_PICTURE, MD_NO_SKIP, 3, a, 1, 1), /* 0 */                 \
        CONV("encoder.conv1", MD_ENCODER, 0, MD_NO_SKIP, a, a, 1, 1),      /* 1 */                 \
        CONV("encoder.conv2", MD_ENCODER, 1, MD_NO_SKIP, a, b, 2, 1),      /* 2 */                 \
        CONV("encoder.conv3", MD_ENCODER, 2, MD_NO_SKIP, b, b, 1, 1),      /* 3 */                 \
        CONV("encoder.conv4", MD_ENCODER, 3, MD_NO_SKIP, b, c, 2, 1),      /* 4 */                 \
        CONV("encoder.conv5", MD_ENCODER, 4, MD_NO_SKIP, c, c, 1, 1),      /* 5 */                 \
        CONV("decoder0.conv0", MD_DECODER0, 5, MD_NO_SKIP, c, d, 1, 1),    /* 6 */                 \
        CONV("decoder0.conv1", MD_DECODER0, 6, MD_NO_SKIP, d, d, 1, 1),    /* 7 */                 \
        CONV("decoder0.conv2", MD_DECODER0, 7, MD_NO_SKIP, d, d, 1, 0),    /* 8 */                 \
        TCONV("ups0", MD_DECODER0, 8, d),                                  /* 9 */                 \
        CONV("decoder1.conv0", MD_DECODER1, 9, 3, (b) + (d), d, 1, 1),     /* 10 */                \
        CONV("decoder1.conv1", MD_DECODER1, 10, MD_NO_SKIP, d, d, 1, 1),   /* 11 */                \
        CONV("decoder1.conv2", MD_DECODER1, 11, MD_NO_SKIP, d, d, 1, 0),   /* 12 */                \
        TCONV("ups1", MD_DECODER1, 12, d),                                 /* 13 */                \
        CONV("decoder2.conv0", MD_DECODER2, 13, 1, (a) + (d), d, 1, 1),    /* 14 */                \
        CONV("decoder2.conv1", MD_DECODER2, 14, MD_NO_SKIP, d, d, 1, 1),   /* 15 */                \
        CONV("decoder2.conv2", MD_DECODER2, 15, MD_NO_SKIP, d, 1, 1, 0)    /* 16 */

#define RELU(nm, in)                                                                               \
    { nm, MD_RELU, MD_DECODER2, in, MD_NO_SKIP, 1, 1, 1, 0 }
#define POOL(nm, kind, in, k)                                                                      \
    { nm, kind, MD_DECODER2, in, MD_NO_SKIP, 1, 1, k, 0 }

static const struct md_network upydnet = {
    "upydnet", 48, 48, 18, 17, {UPYDNET_LAYERS(8, 16, 32, 32), RELU("output", 16)}};

static const struct md_network upydnet_large = {
    "upydnet_large", 48, 48, 18, 17, {UPYDNET_LAYERS(32, 64, 96, 96), RELU("output", 16)}};

static const struct md_network upydnet_8x8 = {"upydnet_8x8",
                                              320,
                                              320,
                                              19,
                                              18,
                                              {UPYDNET_LAYERS(8, 16, 32, 32), RELU("rectified", 16),
                                               POOL("output", MD_AVERAGE_POOL, 17, 40)}};

/* To be trained with a label of 8x8 zones: the loss sees what a sensor would see of the prediction,
 * the nearest point of each zone. (The release's DOWNSAMPLE_PREDICTION.) */
#define ZONES(pixels) RELU("output", 16), POOL("zones", MD_MAX_POOL, 17, (pixels) / 8)

static const struct md_network upydnet_pooled = {
    "upydnet_pooled", 48, 48, 19, 17, {UPYDNET_LAYERS(8, 16, 32, 32), ZONES(48)}};

static const struct md_network upydnet_large_pooled = {
    "upydnet_large_pooled", 48, 48, 19, 17, {UPYDNET_LAYERS(32, 64, 96, 96), ZONES(48)}};

const struct md_network *const md_networks[] = {
    &upydnet, &upydnet_large, &upydnet_8x8, &upydnet_pooled, &upydnet_large_pooled, NULL};

static int same_text(const char *a, const char *b) {
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

const struct md_network *md_network_find(const char *name) {
    for (int i = 0; md_networks[i] != NULL; i++)
        if (same_text(md_networks[i]->name, name))
            return md_networks[i];
    return NULL;
}

void md_layer_size(const struct md_network *network, int layer, int *height, int *width) {
    int doublings = 0, divisor = 1;
    for (; layer != MD_PICTURE; layer = network->layers[layer].input) {
        doublings += network->layers[layer].kind == MD_TCONV2X2;
        divisor *= network->layers[layer].stride;
    }
    *height = (network->height << doublings) / divisor;
    *width = (network->width << doublings) / divisor;
}

static int has_parameters(const struct md_layer *layer) {
    return layer->kind == MD_CONV3X3 || layer->kind == MD_TCONV2X2;
}

static int kernel_size(const struct md_layer *layer) {
    return layer->kind == MD_CONV3X3 ? 3 : 2;
}

size_t md_layer_weights(const struct md_layer *layer) {
    int k = kernel_size(layer);
    return has_parameters(layer) ? (size_t)layer->co * (size_t)layer->ci * (size_t)(k * k) : 0;
}

size_t md_layer_biases(const struct md_layer *layer) {
    return has_parameters(layer) ? (size_t)layer->co : 0;
}

static char *append(char *to, const char *text) {
    while (*text != '\0')
        *to++ = *text++;
    *to = '\0';
    return to;
}

int md_parameter(const struct md_network *network, int index, struct md_parameter *parameter) {
    size_t offset = 0;
    for (int l = 0; index >= 0 && l < network->layer_count; l++) {
        const struct md_layer *layer = &network->layers[l];
        if (!has_parameters(layer))
            continue;
        size_t weights = md_layer_weights(layer), biases = md_layer_biases(layer);
        if (index < 2) {
            int transposed = layer->kind == MD_TCONV2X2, k = kernel_size(layer);
            char *end = append(parameter->name, layer->name);
            end = append(end, transposed ? ".tconv" : "");
            append(end, index == 0 ? ".weight" : ".bias");
            parameter->layer = l;
            parameter->dimensions = index == 0 ? 4 : 1;
            parameter->shape[0] = index == 0 && transposed ? layer->ci : layer->co;
            parameter->shape[1] = index == 1 ? 1 : (transposed ? layer->co : layer->ci);
            parameter->shape[2] = parameter->shape[3] = index == 0 ? k : 1;
            parameter->offset = index == 0 ? offset : offset + weights;
            parameter->count = index == 0 ? weights : biases;
            return 0;
        }
        index -= 2;
        offset += weights + biases;
    }
    return -1;
}

size_t md_parameter_total(const struct md_network *network) {
    size_t total = 0;
    for (int l = 0; l < network->layer_count; l++)
        total += md_layer_weights(&network->layers[l]) + md_layer_biases(&network->layers[l]);
    return total;
}

size_t md_layer_macs(const struct md_network *network, int layer) {
    int height, width;
    md_layer_size(network, layer, &height, &width);
    const struct md_layer *l = &network->layers[layer];
    /* A transposed convolution uses each of its weights once per input pixel, a quarter of the
     * output's. */
    return md_layer_weights(l) * (size_t)height * (size_t)width / (l->kind == MD_TCONV2X2 ? 4 : 1);
}

static const char *const block_names[MD_BLOCK_COUNT] = {"e", "d0", "d1", "d2"};

/* Length of `name` when `text` begins with it and a '+' or the end follows, otherwise 0. */
static int starts_with_name(const char *text, const char *name) {
    int n = 0;
    for (; name[n] != '\0'; n++)
        if (text[n] != name[n])
            return 0;
    return text[n] == '\0' || text[n] == '+' ? n : 0;
}

int md_policy_parse(const char *text, md_policy *policy) {
    md_policy found = 0;
    if (same_text(text, "full") || same_text(text, "none")) {
        *policy = text[0] == 'f' ? MD_POLICY_FULL : 0;
        return 0;
    }
    for (;;) {
        int block = 0, length = starts_with_name(text, "encoder");
        for (int b = 0; length == 0 && b < MD_BLOCK_COUNT; b++) {
            length = starts_with_name(text, block_names[b]);
            block = b;
        }
        if (length == 0 || (found & (1u << block)) != 0)
            return -1;
        found |= 1u << block;
        if (text[length] == '\0')
            break;
        text += length + 1;
    }
    *policy = found;
    return 0;
}

void md_policy_format(md_policy policy, char text[16]) {
    char *end = text;
    *end = '\0';
    if (policy == 0 || policy == MD_POLICY_FULL) {
        append(end, policy == 0 ? "none" : "full");
        return;
    }
    for (int b = 0; b < MD_BLOCK_COUNT; b++)
        if ((policy & (1u << b)) != 0) {
            end = append(end, end == text ? "" : "+");
            end = append(end, block_names[b]);
        }
}
