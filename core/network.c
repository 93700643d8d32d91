#include "network.h"

const struct md_kind md_kinds[MD_KIND_COUNT] = {
    [MD_CONV3X3] = {.kernel = 3, .suffix = "", .up = 1, .padding = 1, .window = 3},
    [MD_TCONV2X2] = {.kernel = 2, .transposed = 1, .suffix = ".tconv", .up = 2, .window = 1},
    [MD_RELU] = {.up = 1, .window = 1, .masked = 1},
    [MD_AVERAGE_POOL] = {.up = 1},
    [MD_MAX_POOL] = {.up = 1, .reads_input = 1}};

/* The published blocks. Transposed convolution upsN belongs to decoderN, as in the release. */
enum { ENCODER, DECODER0, DECODER1, DECODER2, BLOCKS };
#define NAMES                                                                                      \
    { "e", "d0", "d1", "d2" }

/* One row of a table. Channels: the encoder's three stages are a, b, c wide, the decoders d. */
#define CONV(nm, bl, in, sk, ci, co, st, lk)                                                       \
    { nm, MD_CONV3X3, bl, in, sk, ci, co, st, lk }
#define TCONV(nm, bl, in, d)                                                                       \
    { nm, MD_TCONV2X2, bl, in, MD_NO_SKIP, d, d, 1, 0 }

#define UPYDNET_LAYERS(a, b, c, d)                                                                 \
    CONV("encoder.conv0", ENCODER, MD_PICTURE, MD_NO_SKIP, 3, a, 1, 1), /* 0 */                    \
        CONV("encoder.conv1", ENCODER, 0, MD_NO_SKIP, a, a, 1, 1),      /* 1 */                    \
        CONV("encoder.conv2", ENCODER, 1, MD_NO_SKIP, a, b, 2, 1),      /* 2 */                    \
        CONV("encoder.conv3", ENCODER, 2, MD_NO_SKIP, b, b, 1, 1),      /* 3 */                    \
        CONV("encoder.conv4", ENCODER, 3, MD_NO_SKIP, b, c, 2, 1),      /* 4 */                    \
        CONV("encoder.conv5", ENCODER, 4, MD_NO_SKIP, c, c, 1, 1),      /* 5 */                    \
        CONV("decoder0.conv0", DECODER0, 5, MD_NO_SKIP, c, d, 1, 1),    /* 6 */                    \
        CONV("decoder0.conv1", DECODER0, 6, MD_NO_SKIP, d, d, 1, 1),    /* 7 */                    \
        CONV("decoder0.conv2", DECODER0, 7, MD_NO_SKIP, d, d, 1, 0),    /* 8 */                    \
        TCONV("ups0", DECODER0, 8, d),                                  /* 9 */                    \
        CONV("decoder1.conv0", DECODER1, 9, 3, (b) + (d), d, 1, 1),     /* 10 */                   \
        CONV("decoder1.conv1", DECODER1, 10, MD_NO_SKIP, d, d, 1, 1),   /* 11 */                   \
        CONV("decoder1.conv2", DECODER1, 11, MD_NO_SKIP, d, d, 1, 0),   /* 12 */                   \
        TCONV("ups1", DECODER1, 12, d),                                 /* 13 */                   \
        CONV("decoder2.conv0", DECODER2, 13, 1, (a) + (d), d, 1, 1),    /* 14 */                   \
        CONV("decoder2.conv1", DECODER2, 14, MD_NO_SKIP, d, d, 1, 1),   /* 15 */                   \
        CONV("decoder2.conv2", DECODER2, 15, MD_NO_SKIP, d, 1, 1, 0)    /* 16 */

#define RELU(nm, in)                                                                               \
    { nm, MD_RELU, DECODER2, in, MD_NO_SKIP, 1, 1, 1, 0 }
#define POOL(nm, kind, in, k)                                                                      \
    { nm, kind, DECODER2, in, MD_NO_SKIP, 1, 1, k, 0 }

static const struct md_network upydnet = {
    "upydnet", 48, 48, 18, 17, BLOCKS, NAMES, {UPYDNET_LAYERS(8, 16, 32, 32), RELU("output", 16)}};

static const struct md_network upydnet_large = {
    "upydnet_large",
    48,
    48,
    18,
    17,
    BLOCKS,
    NAMES,
    {UPYDNET_LAYERS(32, 64, 96, 96), RELU("output", 16)}};

static const struct md_network upydnet_8x8 = {"upydnet_8x8",
                                              320,
                                              320,
                                              19,
                                              18,
                                              BLOCKS,
                                              NAMES,
                                              {UPYDNET_LAYERS(8, 16, 32, 32), RELU("rectified", 16),
                                               POOL("output", MD_AVERAGE_POOL, 17, 40)}};

/* To be trained with a label of 8x8 zones: the loss sees what a sensor would see of the prediction,
 * the nearest point of each zone. (The release's DOWNSAMPLE_PREDICTION.) */
#define POOLED RELU("output", 16), POOL("zones", MD_MAX_POOL, 17, 6)

static const struct md_network upydnet_pooled = {
    "upydnet_pooled", 48, 48, 19, 17, BLOCKS, NAMES, {UPYDNET_LAYERS(8, 16, 32, 32), POOLED}};

static const struct md_network upydnet_large_pooled = {"upydnet_large_pooled",
                                                       48,
                                                       48,
                                                       19,
                                                       17,
                                                       BLOCKS,
                                                       NAMES,
                                                       {UPYDNET_LAYERS(32, 64, 96, 96), POOLED}};

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
    int up = 1, down = 1;
    for (; layer != MD_PICTURE; layer = network->layers[layer].input) {
        up *= md_kinds[network->layers[layer].kind].up;
        down *= network->layers[layer].stride;
    }
    *height = network->height * up / down;
    *width = network->width * up / down;
}

static int layer_height(const struct md_network *network, int layer) {
    int height, width;
    md_layer_size(network, layer, &height, &width);
    return height;
}

static struct md_rows within(int from, int to, int height) {
    return (struct md_rows){from > 0 ? from : 0, to < height ? to : height};
}

struct md_rows md_rows_read(const struct md_network *network, int layer, struct md_rows output) {
    const struct md_layer *l = &network->layers[layer];
    const struct md_kind *kind = &md_kinds[l->kind];
    int window = kind->window > 0 ? kind->window : l->stride;
    return within(output.from * l->stride / kind->up - kind->padding,
                  (output.to - 1) * l->stride / kind->up - kind->padding + window,
                  layer_height(network, l->input));
}

/* Output row h reads input rows h * stride - padding and the following, `window` of them. */
struct md_rows md_rows_reading(const struct md_network *network, int layer, struct md_rows input) {
    const struct md_layer *l = &network->layers[layer];
    const struct md_kind *kind = &md_kinds[l->kind];
    int window = kind->window > 0 ? kind->window : l->stride, height = layer_height(network, layer);
    if (kind->up > 1)
        return within(input.from * kind->up, input.to * kind->up, height);
    int first = input.from + kind->padding - window + 1;
    return within(first > 0 ? (first + l->stride - 1) / l->stride : 0,
                  (input.to - 1 + kind->padding) / l->stride + 1, height);
}

size_t md_layer_weights(const struct md_layer *layer) {
    int k = md_kinds[layer->kind].kernel;
    return (size_t)layer->co * (size_t)layer->ci * (size_t)(k * k);
}

size_t md_layer_biases(const struct md_layer *layer) {
    return md_kinds[layer->kind].kernel > 0 ? (size_t)layer->co : 0;
}

size_t md_layer_parameters(const struct md_layer *layer) {
    return md_layer_weights(layer) + md_layer_biases(layer);
}

int md_layer_skipped(const struct md_network *network, int layer) {
    int skip = network->layers[layer].skip;
    return skip == MD_NO_SKIP ? 0 : network->layers[skip].co;
}

uint64_t md_layer_values(const struct md_network *network, int layer, int channels) {
    int height, width;
    md_layer_size(network, layer, &height, &width);
    return (uint64_t)channels * (uint64_t)height * (uint64_t)width;
}

int md_is_stage(const struct md_network *network, int layer) {
    for (int l = layer + 1; l < network->layer_count; l++)
        if (network->layers[l].kind == MD_TCONV2X2 && network->layers[l].input == layer)
            return !network->layers[layer].leaky;
    return 0;
}

int md_stage_channels(const struct md_network *network) {
    int l = 0;
    while (l < network->layer_count && !md_is_stage(network, l))
        l++;
    return l < network->layer_count ? network->layers[l].co : 0;
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
        const struct md_kind *kind = &md_kinds[layer->kind];
        if (kind->kernel == 0)
            continue;
        size_t weights = md_layer_weights(layer), biases = md_layer_biases(layer);
        if (index < 2) {
            char *end = append(parameter->name, layer->name);
            end = append(end, kind->suffix);
            append(end, index == 0 ? ".weight" : ".bias");
            parameter->layer = l;
            parameter->dimensions = index == 0 ? 4 : 1;
            parameter->shape[0] = index == 0 && kind->transposed ? layer->ci : layer->co;
            parameter->shape[1] = index == 1 ? 1 : kind->transposed ? layer->co : layer->ci;
            parameter->shape[2] = parameter->shape[3] = index == 0 ? kind->kernel : 1;
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
        total += md_layer_parameters(&network->layers[l]);
    return total;
}

size_t md_layer_macs(const struct md_network *network, int layer) {
    int height, width;
    md_layer_size(network, layer, &height, &width);
    const struct md_layer *l = &network->layers[layer];
    int up = md_kinds[l->kind].up;
    /* A transposed convolution uses each of its weights once per input pixel, a quarter of the
     * output's. */
    return md_layer_weights(l) * (size_t)height * (size_t)width / (size_t)(up * up);
}

/* ---- whether a network can be run ------------------------------------------------------------ */

enum { MOST_PIXELS = 4096 }; /* a side */

static int ended(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (text[i] == '\0')
            return i > 0;
    return 0;
}

static int in_range(int value, int low, int high) {
    return value >= low && value <= high;
}

static const char *check_layer(const struct md_network *network, int l) {
    const struct md_layer *layer = &network->layers[l];
    int height, width, skip_height, skip_width;
    if (!ended(layer->name, sizeof layer->name))
        return "a name is empty, or not ended";
    if (!in_range(layer->kind, 0, MD_KIND_COUNT - 1) ||
        !in_range(layer->group, 0, network->group_count - 1) ||
        !in_range(layer->input, MD_PICTURE, l - 1) || !in_range(layer->skip, MD_NO_SKIP, l - 1) ||
        layer->skip == MD_PICTURE || !in_range(layer->leaky, 0, 1))
        return "kind, group, input, skip or leaky is out of range";
    const struct md_kind *kind = &md_kinds[layer->kind];
    if (!in_range(layer->ci, 1, MD_MOST_CHANNELS) || !in_range(layer->co, 1, MD_MOST_CHANNELS) ||
        !in_range(layer->stride, 1,
                  kind->window == 3  ? 2
                  : kind->window > 0 ? 1
                                     : MOST_PIXELS))
        return "channels or stride are out of range";
    int channels = layer->input == MD_PICTURE ? 3 : network->layers[layer->input].co;
    if (layer->ci != channels + md_layer_skipped(network, l) ||
        (kind->kernel == 0 && layer->co != layer->ci))
        return "the channels are not those of what it reads";
    if (layer->skip != MD_NO_SKIP && kind->window != 3)
        return "only a convolution reads a concat";
    md_layer_size(network, layer->input, &height, &width);
    if (height % layer->stride != 0 || width % layer->stride != 0 ||
        !in_range(height * kind->up, 1, MOST_PIXELS) || !in_range(width * kind->up, 1, MOST_PIXELS))
        return "its size is not whole, or out of range";
    if (layer->skip == MD_NO_SKIP)
        return NULL;
    md_layer_size(network, layer->skip, &skip_height, &skip_width);
    return skip_height != height || skip_width != width ? "the two halves differ in size"
           : layer->skip == layer->input                ? "both halves are the same"
                                                        : NULL;
}

static int is_read(const struct md_network *network, int layer) {
    for (int l = layer + 1; l < network->layer_count; l++)
        if (network->layers[l].input == layer || network->layers[l].skip == layer)
            return 1;
    return 0;
}

const char *md_network_check(const struct md_network *network, int *layer) {
    *layer = -1;
    if (!ended(network->name, sizeof network->name))
        return "the name is empty, or not ended";
    if (!in_range(network->layer_count, 1, MD_MAX_LAYERS) ||
        !in_range(network->output, 0, network->layer_count - 1) ||
        !in_range(network->group_count, 1, MD_MAX_GROUPS) ||
        !in_range(network->height, 1, MOST_PIXELS) || !in_range(network->width, 1, MOST_PIXELS))
        return "layers, groups, output or picture are out of range";
    for (int g = 0; g < network->group_count; g++)
        if (!ended(network->groups[g], sizeof network->groups[g]))
            return "a group's name is empty, or not ended";
    for (int l = 0; l < network->layer_count; l++) {
        const char *wrong = check_layer(network, l);
        *layer = l;
        if (wrong != NULL)
            return wrong;
        if (md_layer_values(network, l, network->layers[l].co) > MD_MOST_VALUES)
            return "its output is too large";
    }
    for (int l = 0; l + 1 < network->layer_count; l++) {
        *layer = l;
        if (!is_read(network, l))
            return "no layer reads it";
    }
    return network->layers[network->output].co != 1 ? "the output has more than one channel" : NULL;
}

/* ---- policies -------------------------------------------------------------------------------- */

/* Length of `name` when `text` begins with it and a '+' or the end follows, otherwise 0. */
static int starts_with_name(const char *text, const char *name) {
    int n = 0;
    for (; name[n] != '\0'; n++)
        if (text[n] != name[n])
            return 0;
    return text[n] == '\0' || text[n] == '+' ? n : 0;
}

int md_last_with_parameters(const struct md_network *network) {
    int l = network->layer_count - 1;
    while (l > 0 && md_layer_weights(&network->layers[l]) == 0)
        l--;
    return l;
}

enum md_learns md_layer_learns(const struct md_network *network, md_policy policy, int layer) {
    const struct md_layer *l = &network->layers[layer];
    if (md_layer_weights(l) == 0)
        return MD_LEARNS_NOTHING;
    if ((policy >> l->group & 1u) != 0 ||
        ((policy & MD_POLICY_LAST) != 0 && layer == md_last_with_parameters(network)))
        return MD_LEARNS_ALL;
    return (policy & MD_POLICY_BIASES) != 0 ? MD_LEARNS_BIASES : MD_LEARNS_NOTHING;
}

size_t md_learning_parameters(const struct md_layer *layer, enum md_learns learns) {
    return learns == MD_LEARNS_ALL      ? md_layer_parameters(layer)
           : learns == MD_LEARNS_BIASES ? md_layer_biases(layer)
                                        : 0;
}

/* The name of bit `bit` of a policy; NULL: it has none. */
static const char *policy_name(const struct md_network *network, int bit) {
    return bit < network->group_count     ? network->groups[bit]
           : 1 << bit == MD_POLICY_LAST   ? "last"
           : 1 << bit == MD_POLICY_BIASES ? "biases"
                                          : NULL;
}
enum { POLICY_BITS = MD_MAX_GROUPS + 2 };

/* Without what learns anyway. */
static md_policy shortest(const struct md_network *network, md_policy policy) {
    md_policy full = md_policy_full(network);
    if ((policy >> network->layers[md_last_with_parameters(network)].group & 1u) != 0)
        policy &= ~(md_policy)MD_POLICY_LAST;
    return (policy & full) == full ? full : policy;
}

int md_policy_parse(const struct md_network *network, const char *text, md_policy *policy) {
    md_policy found = 0;
    if (same_text(text, "full") || same_text(text, "none")) {
        *policy = text[0] == 'f' ? md_policy_full(network) : 0;
        return 0;
    }
    for (;;) {
        int bit = 0, length = 0;
        for (int b = 0; length == 0 && b < POLICY_BITS; b++) {
            const char *name = policy_name(network, b);
            if (name == NULL)
                continue;
            length = starts_with_name(text, name);
            if (length == 0 && same_text(name, "e"))
                length = starts_with_name(text, "encoder");
            bit = b;
        }
        if (length == 0 || (found & (1u << bit)) != 0)
            return -1;
        found |= 1u << bit;
        if (text[length] == '\0')
            break;
        text += length + 1;
    }
    *policy = shortest(network, found);
    return 0;
}

void md_policy_format(const struct md_network *network, md_policy policy,
                      char text[MD_POLICY_TEXT]) {
    char *end = text;
    *end = '\0';
    policy = shortest(network, policy);
    if (policy == 0 || policy == md_policy_full(network)) {
        append(end, policy == 0 ? "none" : "full");
        return;
    }
    for (int b = 0; b < POLICY_BITS; b++)
        if ((policy & (1u << b)) != 0 && policy_name(network, b) != NULL) {
            end = append(end, end == text ? "" : "+");
            end = append(end, policy_name(network, b));
        }
}
