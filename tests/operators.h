/* For the tests of core: the six operators with weights behind one kind of call, so that a test is
 * written once for all of them. */
#ifndef MD_TESTS_OPERATORS_H
#define MD_TESTS_OPERATORS_H

#include "../core/plan.h"
#include "numbers.h"

enum direction { FORWARD, WEIGHT_GRADIENT, INPUT_GRADIENT };

static const struct operator{
    const char *name;
    int transposed;
    enum direction direction;
}
operators[] = {
    {"conv_forward", 0, FORWARD},
    {"conv_weight_gradient", 0, WEIGHT_GRADIENT},
    {"conv_input_gradient", 0, INPUT_GRADIENT},
    {"tconv_forward", 1, FORWARD},
    {"tconv_weight_gradient", 1, WEIGHT_GRADIENT},
    {"tconv_input_gradient", 1, INPUT_GRADIENT},
};

static inline enum md_layer_kind kind_of(const struct operator* op) {
    return op->transposed ? MD_TCONV2X2 : MD_CONV3X3;
}

/* One call of an operator; first, last and accumulate are for input gradients; leaky: behind a
 * forward pass the activation, behind an input gradient its derivative, by a mask that is dense or
 * not. */
struct call {
    const struct operator* op;
    struct md_shape shape;
    int first, last, accumulate, leaky, dense;
};

static inline struct call call_of(const struct operator* op, struct md_shape shape) {
    return (struct call){op, shape, 0, shape.ci, 0, 0, 1};
}

/* Elements of x, y (and their gradients), weight and bias. */
static inline size_t x_count(const struct call *c) {
    return (size_t)c->shape.ci * (size_t)c->shape.height * (size_t)c->shape.width;
}

static inline size_t y_pixels(const struct call *c) {
    size_t pixels = (size_t)c->shape.height * (size_t)c->shape.width;
    return c->op->transposed ? 4 * pixels : pixels / (size_t)(c->shape.stride * c->shape.stride);
}

static inline size_t y_count(const struct call *c) {
    return (size_t)c->shape.co * y_pixels(c);
}

static inline size_t weight_count(const struct call *c) {
    return (size_t)c->shape.co * (size_t)c->shape.ci * (c->op->transposed ? 4 : 9);
}

/* What a call reads: forward x, weight, bias; weight gradient x, dy; input gradient dy, weight, and
 * the bytes of a mask. */
enum { OPERANDS = 3, RESULTS = 2 };

static inline size_t operand_count(const struct call *c, int which) {
    const size_t counts[3][OPERANDS] = {
        [FORWARD] = {x_count(c), weight_count(c), (size_t)c->shape.co},
        [WEIGHT_GRADIENT] = {x_count(c), y_count(c), 0},
        [INPUT_GRADIENT] = {y_count(c), weight_count(c), x_count(c)},
    };
    return counts[c->op->direction][which];
}

/* What it writes (forward y; weight gradient dweight, dbias; input gradient dx): so many times the
 * channels that are shared out, and of each so many elements. */
struct extent {
    int times, channels;
    size_t each;
};

static inline struct extent result_extent(const struct call *c, int which) {
    const struct md_shape *s = &c->shape;
    size_t taps = c->op->transposed ? 4 : 9;
    if (c->op->direction == FORWARD)
        return which == 0 ? (struct extent){1, s->co, y_pixels(c)} : (struct extent){0};
    if (c->op->direction == INPUT_GRADIENT)
        return which == 0
                   ? (struct extent){1, c->last - c->first, (size_t)s->height * (size_t)s->width}
                   : (struct extent){0};
    if (which == 1)
        return (struct extent){1, s->co, 1};
    return c->op->transposed ? (struct extent){1, s->ci, (size_t)s->co * taps}
                             : (struct extent){s->co, s->ci, taps};
}

static inline size_t result_count(const struct call *c, int which) {
    struct extent e = result_extent(c, which);
    return (size_t)(e.times * e.channels) * e.each;
}

static inline struct md_map whole_map(void *at, int channels, int height, int width) {
    return (struct md_map){at, channels, height, width, height};
}

static inline int y_height(const struct call *c) {
    return c->op->transposed ? 2 * c->shape.height : c->shape.height / c->shape.stride;
}
static inline int y_width(const struct call *c) {
    return c->op->transposed ? 2 * c->shape.width : c->shape.width / c->shape.stride;
}

/* The call with whole maps, all rows at once. */
static inline struct md_call whole_call(const struct call *c, void *const in[], void *const out[],
                                        void *scratch, struct md_part part) {
    const struct md_shape *s = &c->shape;
    int forward = c->op->direction == FORWARD, back = c->op->direction == INPUT_GRADIENT;
    struct md_call call = {
        .shape = *s, .from = 0, .to = y_height(c), .scratch = scratch, .part = part};
    call.x[0] = whole_map(in[0], s->ci, s->height, s->width);
    call.y = whole_map(forward ? out[0] : back ? in[0] : in[1], s->co, y_height(c), y_width(c));
    call.weight = in[1];
    call.bias = in[2];
    call.dweight = out[0];
    call.dbias = out[1];
    if (back) {
        call.x[0].channels = 0;
        call.dx = whole_map(out[0], c->last - c->first, s->height, s->width);
        call.mask = whole_map(in[2], call.dx.channels, s->height, md_mask_row(s->width, c->dense));
        call.first = c->first;
        call.accumulate = c->accumulate;
        call.to = s->height;
    }
    return call;
}

/* What an operator that does not heed `leaky` or a mask leaves to others. */
static inline void activate(const struct md_ops *ops, const struct md_call *call, int back) {
    const struct md_map *map = back ? &call->dx : &call->y;
    int first, last;
    size_t bytes = md_format_bytes[ops->format];
    md_share(call->part, map->channels, &first, &last);
    for (int channel = first; channel < last; channel++)
        for (int h = call->from; h < call->to; h++) {
            char *row = (char *)map->at + md_map_row(map, channel, h) * bytes;
            if (back)
                ops->leaky_backward((size_t)map->width, call->mask.at,
                                    md_map_row(&call->mask, channel, h), row);
            else
                ops->leaky_forward((size_t)map->width, row);
        }
}

static inline void run_call(const struct md_ops *ops, const struct call *c,
                            const struct md_call *call) {
    const struct md_operator *o = &ops->kinds[kind_of(c->op)];
    int back = c->op->direction == INPUT_GRADIENT;
    int dense = call->dx.width == call->mask.width && call->dx.rows == call->mask.rows;
    int heeds = c->leaky && o->activates && (dense || !back);
    struct md_call heeding = *call;
    heeding.leaky = heeds && !back;
    if (!heeds)
        heeding.mask.at = NULL;
    (back                          ? o->input_gradient
     : c->op->direction == FORWARD ? o->forward
                                   : o->weight_gradient)(&heeding);
    if (c->leaky && !heeds)
        activate(ops, call, back);
}

static inline void make_call(const struct md_ops *ops, const struct call *c, void *const in[],
                             void *const out[], void *scratch, struct md_part part) {
    struct md_call call = whole_call(c, in, out, scratch, part);
    run_call(ops, c, &call);
}

static inline size_t scratch_for(const struct md_ops *ops, const struct call *c, int rows) {
    return ops->kinds[kind_of(c->op)].scratch_bytes(&c->shape, rows);
}

/* The call in words, for messages. */
static inline const char *describe(const struct call *c, enum md_format format) {
    static char text[160];
    snprintf(text, sizeof text,
             "%s %s, ci %d, co %d, %dx%d, stride %d, channels %d..%d, accumulate %d", c->op->name,
             md_format_names[format], c->shape.ci, c->shape.co, c->shape.height, c->shape.width,
             c->shape.stride, c->first, c->last, c->accumulate);
    return text;
}

/* Calls `visit` once for every different shape among a network's layers, for a picture of height x
 * width, and for each operator of that layer; the channels of its input gradients are those the
 * network may ask for. Returns the number of calls. */
static inline int each_layer_call(const struct md_network *original, int height, int width,
                                  void (*visit)(const struct call *call, void *context),
                                  void *context) {
    struct md_network network = *original;
    int calls = 0;
    network.height = height;
    network.width = width;
    for (int l = 0; l < network.layer_count; l++) {
        const struct md_layer *layer = &network.layers[l];
        struct md_shape shape = md_layer_shape(&network, l);
        int known = md_layer_weights(layer) == 0;
        for (int e = 0; e < l && !known; e++) {
            struct md_shape earlier = md_layer_shape(&network, e);
            known = network.layers[e].kind == layer->kind &&
                    memcmp(&earlier, &shape, sizeof shape) == 0;
        }
        for (size_t o = 0; o < LENGTH(operators) && !known; o++) {
            struct call call = call_of(&operators[o], shape);
            if (call.op->transposed != (layer->kind == MD_TCONV2X2))
                continue;
            /* A feature that later layers read too already has their share of the error. */
            call.accumulate = layer->stride == 2 && call.op->direction == INPUT_GRADIENT;
            call.leaky = call.op->direction == INPUT_GRADIENT ||
                         (layer->leaky && call.op->direction == FORWARD);
            visit(&call, context);
            calls++;
            if (layer->skip == MD_NO_SKIP || call.op->direction != INPUT_GRADIENT)
                continue;
            call.first = network.layers[layer->skip].co;
            visit(&call, context);
            calls++;
        }
    }
    return calls;
}

/* A shape for `op` that no network has, with at most `most` channels and pixels a side. */
static inline struct md_shape random_shape(const struct operator* op, uint32_t most,
                                           struct md_random *random) {
    struct md_shape s = {1, 1, 1, 1, 1};
    uint32_t special = md_random_below(random, 8);
    s.ci += (int)md_random_below(random, most);
    s.co += (int)md_random_below(random, most);
    s.height += special == 0 || special == 1 ? 0 : (int)md_random_below(random, most);
    s.width += special == 0 || special == 2 ? 0 : (int)md_random_below(random, most);
    if (special == 3) /* masks have no gaps */
        s.width = (s.width + 7) / 8 * 8;
    if (!op->transposed && md_random_below(random, 2) == 1) {
        s.stride = 2;
        s.height = (s.height + 1) / 2 * 2;
        s.width = (s.width + 1) / 2 * 2;
    }
    return s;
}

#endif
