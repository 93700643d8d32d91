/* A comparison finds what it is for: each operator on maps is broken on one side only,
 * a little (another order or association of a chain, a rounding more or less, elements that are
 * shared out wrongly), and the first difference has to be at the tensor that it makes, in the step
 * where it shows. And a twin that is not broken gives none.
 * (Operators on elements, optimizers: test_broken_updates.c.) */
#include "broken.h"

TestSuite(broken, .timeout = 900);

/* ---- operators on maps ----------------------------------------------------------------------- */

enum direction { FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT };
enum way {
    NOTHING,     /* is broken */
    ROUNDING,    /* sums are not rounded to the format: the operator of the wide format */
    ORDER,       /* a chain runs from its end */
    ASSOCIATION, /* it is the sum of two, of even and odd terms */
    SHARING,     /* channels are shared out among twice as many cores as there are */
    ROWS,        /* the last rows are left out */
    TWICE,       /* the first core's share is done twice */
};

/* The one operator that is broken, and the layer where it is: told by its shape. */
static struct {
    enum md_layer_kind kind;
    enum direction direction;
    enum way way;
    int ci, co;
    int bias; /* weight gradient: the bias's only; otherwise the weight's only */
    struct twins ops;
} broken;

static md_operator_fn *operator_of(const struct md_ops *ops) {
    const struct md_operator *o = &ops->kinds[broken.kind];
    return broken.direction == FORWARD          ? o->forward
           : broken.direction == INPUT_GRADIENT ? o->input_gradient
                                                : o->weight_gradient;
}

static size_t element(void) {
    return md_format_bytes[broken.ops.right->format];
}

/* values (outer, n, inner) with the middle axis from its end; to be freed. */
static void *reversed(const void *values, size_t outer, size_t n, size_t inner) {
    size_t piece = inner * element();
    unsigned char *to = numbers(broken.ops.right->format, outer * n * inner);
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < n; i++)
            memcpy(to + (o * n + i) * piece,
                   (const unsigned char *)values + (o * n + n - 1 - i) * piece, piece);
    return to;
}

/* ... with only every second one along it, or every second `group` of them, the others 0. */
static void *every_second(const void *values, size_t outer, size_t n, size_t inner, size_t group,
                          size_t odd) {
    size_t piece = inner * element();
    unsigned char *to = numbers(broken.ops.right->format, outer * n * inner);
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < n; i++)
            if (i / group % 2 == odd)
                memcpy(to + (o * n + i) * piece,
                       (const unsigned char *)values + (o * n + i) * piece, piece);
    return to;
}

static size_t area(const struct md_map *map) {
    return md_map_plane(map);
}

/* Sums run over the input's channels (forward), the output's (input gradient), or over pixels
 * (weight gradient): with the operands along that axis reversed, the same operator does them from
 * the end. Of pixels it is the rows, and of the result the taps. */
static void from_the_end(const struct md_call *call) {
    const struct md_shape *s = &call->shape;
    size_t ci = (size_t)s->ci, co = (size_t)s->co, side = (size_t)md_kinds[broken.kind].kernel;
    size_t taps = side * side, weights = ci * co * taps;
    int transposed = md_kinds[broken.kind].transposed;
    struct md_call other = *call;
    void *x = NULL, *y = NULL, *weight = NULL;
    if (broken.direction == FORWARD) {
        other.x[0].at = x = reversed(call->x[0].at, 1, ci, area(&call->x[0]));
        other.weight = weight = transposed ? reversed(call->weight, 1, ci, co * taps)
                                           : reversed(call->weight, co, ci, taps);
    } else if (broken.direction == INPUT_GRADIENT) {
        other.y.at = y = reversed(call->y.at, 1, co, area(&call->y));
        other.weight = weight = transposed ? reversed(call->weight, ci, co, taps)
                                           : reversed(call->weight, 1, co, ci * taps);
    } else {
        other.x[0].at = x = reversed(call->x[0].at, ci, (size_t)s->height, (size_t)s->width);
        other.y.at = y = reversed(call->y.at, co, (size_t)call->y.height, (size_t)call->y.width);
    }
    operator_of(broken.ops.right)(&other);
    if (broken.direction == WEIGHT_GRADIENT) {
        weight = reversed(call->dweight, ci * co, side, side);
        memcpy(call->dweight, weight, weights * element());
    }
    free(x);
    free(y);
    free(weight);
}

/* Where the result is, and its elements. */
static void *result_of(const struct md_call *call, size_t *n) {
    const struct md_map *map = broken.direction == FORWARD ? &call->y : &call->dx;
    size_t side = (size_t)md_kinds[broken.kind].kernel;
    *n =
        broken.direction == WEIGHT_GRADIENT
            ? (size_t)call->shape.ci * (size_t)call->shape.co * side * side + (size_t)call->shape.co
            : (size_t)map->channels * area(map);
    return broken.direction == WEIGHT_GRADIENT ? call->dweight : map->at;
}

/* The same axes: a sum of every second term, and added to it that of the others. (A tap of a
 * transposed convolution's weight gradient has every second row alone.) */
static void in_two_sums(const struct md_call *call) {
    const struct md_shape *s = &call->shape;
    size_t n;
    void *result = result_of(call, &n), *first = numbers(broken.ops.right->format, n);
    void *zeros = numbers(broken.ops.right->format, (size_t)s->co);
    for (size_t odd = 0; odd < 2; odd++) {
        struct md_call other = *call;
        void *values = NULL;
        if (broken.direction == FORWARD) {
            values = every_second(call->x[0].at, 1, (size_t)s->ci, area(&call->x[0]), 1, odd);
            other.x[0].at = values;
            other.bias = odd ? zeros : call->bias;
        } else {
            size_t group =
                broken.direction == INPUT_GRADIENT ? 1 : (size_t)md_kinds[broken.kind].up;
            size_t outer = broken.direction == INPUT_GRADIENT ? 1 : (size_t)s->co;
            size_t axis =
                broken.direction == INPUT_GRADIENT ? (size_t)s->co : (size_t)call->y.height;
            size_t inner =
                broken.direction == INPUT_GRADIENT ? area(&call->y) : (size_t)call->y.width;
            values = every_second(call->y.at, outer, axis, inner, group, odd);
            other.y.at = values;
        }
        operator_of(broken.ops.right)(&other);
        if (odd)
            broken.ops.right->add(n, first, result);
        else
            memcpy(first, result, n * element());
        free(values);
    }
    free(first);
    free(zeros);
}

static void do_wrong(const struct md_call *call) {
    struct md_call other = *call;
    switch (broken.way) {
    case NOTHING:
        operator_of(broken.ops.right)(call);
        break;
    case ROUNDING:
        operator_of(broken.ops.wide)(call);
        break;
    case ORDER:
        from_the_end(call);
        break;
    case ASSOCIATION:
        in_two_sums(call);
        break;
    case SHARING:
        other.part.count *= 2;
        operator_of(broken.ops.right)(&other);
        break;
    case ROWS:
        other.to -= md_kinds[broken.kind].up;
        operator_of(broken.ops.right)(&other);
        break;
    case TWICE:
        operator_of(broken.ops.right)(call);
        if (call->part.index == 0)
            operator_of(broken.ops.right)(call);
        break;
    }
}

/* Does the call as it should be but for the layer that is broken, and there the weight's or the
 * bias's gradient only. */
static void broken_operator(const struct md_call *call) {
    if (call->shape.ci != broken.ci || call->shape.co != broken.co) {
        operator_of(broken.ops.right)(call);
        return;
    }
    if (broken.direction != WEIGHT_GRADIENT) {
        do_wrong(call);
        return;
    }
    size_t n, biases = (size_t)call->shape.co;
    unsigned char *result = result_of(call, &n);
    size_t from = broken.bias ? 0 : n - biases, count = broken.bias ? n - biases : biases;
    do_wrong(call);
    struct md_call right = *call;
    unsigned char *all = numbers(broken.ops.right->format, n);
    right.dweight = all;
    right.dbias = all + (n - biases) * element();
    right.part = (struct md_part){0, 1};
    operator_of(broken.ops.right)(&right);
    if (call->part.index == 0)
        memcpy(result + from * element(), all + from * element(), count * element());
    free(all);
}

static const struct {
    const char *layer; /* whose operator it is */
    const char *first; /* the first difference that is expected, behind "step 0, " */
    enum md_layer_kind kind;
    enum direction direction;
    int ci, co, bias;
    unsigned ways;
    uint32_t batch; /* beside 1 */
} operators[] = {
#define CHAIN (1u << ORDER | 1u << ASSOCIATION | 1u << ROUNDING)
#define SHARE (1u << SHARING | 1u << ROWS)
    {"conv2", "activation of conv2", MD_CONV3X3, FORWARD, 5, 6, 0, CHAIN | SHARE, 1},
    {"conv2", "error of conv1", MD_CONV3X3, INPUT_GRADIENT, 5, 6, 0, CHAIN | SHARE, 1},
    {"conv2", "weight gradient of conv2", MD_CONV3X3, WEIGHT_GRADIENT, 5, 6, 0,
     CHAIN | 1u << SHARING, 1},
    {"conv2", "weight gradient of conv2", MD_CONV3X3, WEIGHT_GRADIENT, 5, 6, 1,
     CHAIN | 1u << SHARING, 1},
    {"tconv", "activation of tconv", MD_TCONV2X2, FORWARD, 6, 7, 0, CHAIN | SHARE, 1},
    {"tconv", "error of conv2", MD_TCONV2X2, INPUT_GRADIENT, 6, 7, 0, CHAIN | SHARE, 1},
    {"tconv", "weight gradient of tconv", MD_TCONV2X2, WEIGHT_GRADIENT, 6, 7, 0,
     CHAIN | 1u << SHARING, 1},
    {"tconv", "weight gradient of tconv", MD_TCONV2X2, WEIGHT_GRADIENT, 6, 7, 1, CHAIN, 1},
    {"conv1", "error of conv0", MD_CONV3X3, INPUT_GRADIENT, 4, 5, 0, SHARE | 1u << TWICE, 1},
    {"conv3", "activation of conv3", MD_CONV3X3, FORWARD, 11, 8, 0, 1u << ROUNDING | SHARE, 1},
    {"relu", "activation of relu", MD_RELU, FORWARD, 1, 1, 0, 1u << ROWS, 1},
    {"relu", "error of conv4", MD_RELU, INPUT_GRADIENT, 1, 1, 0, 1u << ROWS, 1},
    {"pool", "activation of pool", MD_AVERAGE_POOL, FORWARD, 1, 1, 0, 1u << ROUNDING | 1u << ROWS,
     1},
    {"pool", "error of relu", MD_AVERAGE_POOL, INPUT_GRADIENT, 1, 1, 0, 1u << ROWS, 1},
    {"pool", "activation of pool", MD_MAX_POOL, FORWARD, 1, 1, 0, 1u << ROWS, 1},
    {"pool", "error of relu", MD_MAX_POOL, INPUT_GRADIENT, 1, 1, 0, 1u << ROWS, 1},
};

static void check_operator(size_t o, size_t f, enum way way) {
    enum md_layer_kind pool = operators[o].kind == MD_MAX_POOL ? MD_MAX_POOL : MD_AVERAGE_POOL;
    struct md_job job = job_of_all(formats[f][0], pool);
    char what[200], first[200] = "";
    broken.kind = operators[o].kind;
    broken.direction = operators[o].direction;
    broken.way = way;
    broken.ci = operators[o].ci;
    broken.co = operators[o].co;
    broken.bias = operators[o].bias;
    broken.ops = twins_of(f);
    struct md_ops ops = *broken.ops.right;
    struct md_operator *slot = &ops.kinds[operators[o].kind];
    *(broken.direction == FORWARD          ? &slot->forward
      : broken.direction == INPUT_GRADIENT ? &slot->input_gradient
                                           : &slot->weight_gradient) = broken_operator;
    if (way == SHARING) /* among two: one core alone is never wrong */
        job.cores = 2;
    snprintf(what, sizeof what, "operator %zu, of %s, way %d", o, operators[o].layer, way);
    if (way != NOTHING)
        snprintf(first, sizeof first, "step 0, %s, sample 0, value ", operators[o].first);
    assert_first(&job, &ops, first, what);
}

Test(broken, operators_are_found) {
    int count = 0;
    for (size_t o = 0; o < LENGTH(operators); o++)
        for (size_t f = 0; f < LENGTH(formats); f++) {
            check_operator(o, f, NOTHING);
            for (enum way way = ROUNDING; way <= TWICE; way++)
                if ((operators[o].ways >> way & 1u) != 0 && (way != ROUNDING || f > 0)) {
                    check_operator(o, f, way);
                    count++;
                }
        }
    cr_assert_gt(count, 100);
}
