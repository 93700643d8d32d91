/* What the plain loops of core/ops_tmpl.c compute, against computations written here in another
 * way: the convolutions as one sum over products, their gradients as differences, the fused
 * multiply-add as libm's. And the one table that is not exact: blas. */

/* The path for machines without a fused instruction, whichever this one is. */
#undef __FMA__
#undef __ARM_FEATURE_FMA
#define MD_FORMAT fp32
#include "../core/format.h"

#include "operators.h"

/* ---- the convolutions, naively --------------------------------------------------------------- */

/* A convolution is the sum of all products y[co][h][w] * weight[co][ci][kh][kw] * x[ci][..][..],
 * differentiated: by y it is the forward pass, by the weight and by x its two gradients. The
 * picture has an explicit border of zeros. */
struct naive {
    long double *picture;  /* x, or its gradient, with the border */
    long double *sum[2];   /* of result 0 (for an input gradient: with the border) and 1 */
    long double *terms[2]; /* the sums of the terms' magnitudes */
    size_t roundings;      /* of the longest chain */
};

static void add_term(struct naive *n, int result, size_t i, long double term) {
    n->sum[result][i] += term;
    n->terms[result][i] += fabsl(term);
}

static size_t with_border(const struct call *c, size_t channel, size_t row, size_t column) {
    size_t border = c->op->transposed ? 0 : 2;
    return (channel * ((size_t)c->shape.height + border) + row) *
               ((size_t)c->shape.width + border) +
           column;
}

static size_t x_at(const struct call *c, size_t i) {
    size_t h = (size_t)c->shape.height, w = (size_t)c->shape.width, in = c->op->transposed ? 0 : 1;
    return with_border(c, i / (h * w), i / w % h + in, i % w + in);
}

static void add_products(const struct call *c, enum md_format format, void *const in[],
                         struct naive *n) {
    const struct md_shape *s = &c->shape;
    size_t kernel = c->op->transposed ? 2 : 3, ci_count = (size_t)s->ci, co_count = (size_t)s->co;
    size_t ho = (size_t)(c->op->transposed ? s->height : s->height / s->stride);
    size_t wo = (size_t)(c->op->transposed ? s->width : s->width / s->stride);
    size_t up = c->op->transposed ? 2 : 1, down = c->op->transposed ? 1 : (size_t)s->stride;
    for (size_t tap = 0; tap < kernel * kernel; tap++)
        for (size_t pixel = 0; pixel < ho * wo; pixel++)
            for (size_t pair = 0; pair < ci_count * co_count; pair++) {
                size_t ci = pair % ci_count, co = pair / ci_count;
                size_t kh = tap / kernel, kw = tap % kernel, h = pixel / wo, w = pixel % wo;
                size_t weight =
                    ((c->op->transposed ? ci * co_count + co : pair) * kernel + kh) * kernel + kw;
                size_t y = c->op->transposed ? (co * ho * 2 + h * up + kh) * wo * 2 + w * up + kw
                                             : (co * ho + h) * wo + w;
                size_t x = c->op->transposed ? with_border(c, ci, h, w)
                                             : with_border(c, ci, h * down + kh, w * down + kw);
                if (c->op->direction == FORWARD)
                    add_term(n, 0, y, n->picture[x] * number(format, in[1], weight));
                else if (c->op->direction == WEIGHT_GRADIENT)
                    add_term(n, 0, weight, n->picture[x] * number(format, in[1], y));
                else
                    add_term(n, 0, x,
                             (long double)number(format, in[0], y) * number(format, in[1], weight));
            }
}

static void run_naively(const struct call *c, enum md_format format, void *const in[],
                        struct naive *n) {
    size_t room = with_border(c, (size_t)c->shape.ci, 0, 0) + y_count(c) + weight_count(c);
    size_t y_plane = y_pixels(c);
    *n = (struct naive){.picture = calloc(room, sizeof(long double))};
    for (int r = 0; r < 2; r++) {
        n->sum[r] = calloc(room, sizeof(long double));
        n->terms[r] = calloc(room, sizeof(long double));
        cr_assert(n->picture && n->sum[r] && n->terms[r]);
    }
    for (size_t i = 0; i < x_count(c) && c->op->direction != INPUT_GRADIENT; i++)
        n->picture[x_at(c, i)] = number(format, in[0], i);
    add_products(c, format, in, n);
    for (size_t i = 0; i < y_count(c) && c->op->direction == FORWARD; i++)
        add_term(n, 0, i, number(format, in[2], i / y_plane));
    for (size_t i = 0; i < y_count(c) && c->op->direction == WEIGHT_GRADIENT; i++)
        add_term(n, 1, i / y_plane, number(format, in[1], i));
    size_t taps = c->op->transposed ? 4 : 9;
    n->roundings = c->op->direction == FORWARD          ? (size_t)c->shape.ci * taps
                   : c->op->direction == INPUT_GRADIENT ? (size_t)c->shape.co * taps
                                                        : y_plane;
}

static void free_naive(struct naive *n) {
    free(n->picture);
    for (int r = 0; r < 2; r++) {
        free(n->sum[r]);
        free(n->terms[r]);
    }
}

/* A chain of K fused steps on terms t_k is off by at most K u sum |t_k| to first order. To K come
 * the bias or what is accumulated to, four partial sums (transposed input gradient), and in fp64
 * one rounding of each product; second order, and the long doubles' own error, is below 1 %. With
 * powers of two nothing is rounded at all. */
static void check_naively(const struct call *c, enum md_format format, enum data data,
                          struct md_random *random, double *worst) {
    void *in[OPERANDS], *out[RESULTS], *before = numbers(format, result_count(c, 0));
    struct naive n;
    for (int i = 0; i < OPERANDS; i++) {
        in[i] = numbers(format, operand_count(c, i));
        fill(format, data, random, operand_count(c, i), in[i]);
    }
    for (int r = 0; r < RESULTS; r++)
        out[r] = numbers(format, result_count(c, r));
    fill(format, data, random, result_count(c, 0), before);
    memcpy(out[0], before, result_count(c, 0) * md_format_bytes[format]);
    run_naively(c, format, in, &n);
    make_call(md_ops_find(format, "ref"), c, in, out, NULL, (struct md_part){0, 1});
    double bound = 1.01 * (double)(n.roundings + 6) * unit_roundoff(format);
    for (int r = 0; r < RESULTS; r++)
        for (size_t i = 0; i < result_count(c, r); i++) {
            size_t at = i, plane = (size_t)c->shape.height * (size_t)c->shape.width;
            if (c->op->direction == INPUT_GRADIENT)
                at = x_at(c, (size_t)c->first * plane + i);
            if (c->accumulate)
                add_term(&n, r, at, number(format, before, i));
            double off = (double)fabsl(number(format, out[r], i) - n.sum[r][at]);
            double allowed = data == POWERS_OF_TWO ? 0.0 : bound * (double)n.terms[r][at];
            cr_assert(off <= allowed, "%s: result %d[%zu] is %.17g, expected %.17Lg +- %g",
                      describe(c, format), r, i, number(format, out[r], i), n.sum[r][at], allowed);
            *worst = allowed > 0 && off / allowed > *worst ? off / allowed : *worst;
        }
    free_naive(&n);
    for (int i = 0; i < OPERANDS; i++)
        free(in[i]);
    for (int r = 0; r < RESULTS; r++)
        free(out[r]);
    free(before);
}

static void check_layer_naively(const struct call *call, void *worst) {
    struct md_random random = md_random_stream(11, 0, 0, 0);
    struct call linear = *call;
    linear.leaky = 0;
    for (int format = 0; format < PRECISE_FORMATS; format++)
        for (int data = 0; data <= POWERS_OF_TWO; data++)
            check_naively(&linear, (enum md_format)format, (enum data)data, &random, worst);
}

Test(arithmetic, plain_convolutions_are_sums_of_products) {
    struct md_random random = md_random_stream(10, 0, 0, 0);
    double worst = 0;
    for (size_t o = 0; o < LENGTH(operators); o++)
        for (int i = 0; i < 100; i++) {
            struct call call = call_of(&operators[o], random_shape(&operators[o], 9, &random));
            call.first = (int)md_random_below(&random, (uint32_t)call.shape.ci);
            call.accumulate = call.op->direction == INPUT_GRADIENT && i % 2;
            check_layer_naively(&call, &worst);
        }
    cr_assert_gt(worst, 0);
    cr_assert_geq(each_layer_call(md_networks[0], 12, 12, check_layer_naively, &worst), 30);
}

/* ---- gradients are the derivatives of the forward pass --------------------------------------- */

static double product_sum(size_t n, const double *a, const double *b) {
    long double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (long double)a[i] * b[i];
    return (double)sum;
}

static void check_derivative(const char *name, size_t i, double ours, double difference,
                             double largest) {
    cr_assert(fabs(ours - difference) <= 1e-6 * largest,
              "%s: gradient[%zu] is %.12g, the difference quotient %.12g", name, i, ours,
              difference);
}

static double largest_of(size_t n, const double *values) {
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(values[i]));
    return largest;
}

/* sum of g * y, a number whose derivatives by x, weight and bias are the operators' results for an
 * error of g. It is linear in every one of them, so the step need not be small. */
static void check_convolution_derivatives(int transposed, struct md_shape shape,
                                          struct md_random *random) {
    const struct md_ops *ops = md_ops_find(MD_FP64, "ref");
    const struct operator* three = & operators[transposed ? 3 : 0];
    const double step = 0x1p-6;
    struct call calls[3];
    for (int d = 0; d < 3; d++)
        calls[d] = call_of(&three[d], shape);
    const struct call *forward = &calls[FORWARD];
    size_t outputs = y_count(forward);
    double *y = numbers(MD_FP64, outputs), *g = numbers(MD_FP64, outputs);
    void *in[OPERANDS], *gradient[OPERANDS], *result[RESULTS] = {y};
    for (int i = 0; i < OPERANDS; i++) {
        in[i] = numbers(MD_FP64, operand_count(forward, i));
        gradient[i] = numbers(MD_FP64, operand_count(forward, i));
        fill(MD_FP64, ORDINARY, random, operand_count(forward, i), in[i]);
    }
    fill(MD_FP64, ORDINARY, random, outputs, g);
    struct md_part all = {0, 1};
    make_call(ops, &calls[WEIGHT_GRADIENT], (void *[OPERANDS]){in[0], g}, &gradient[1], NULL, all);
    make_call(ops, &calls[INPUT_GRADIENT], (void *[OPERANDS]){g, in[1]}, &gradient[0], NULL, all);
    for (int o = 0; o < OPERANDS; o++) {
        size_t n = operand_count(forward, o);
        double largest = largest_of(n, gradient[o]);
        cr_assert_gt(largest, 0);
        for (size_t i = 0; i < n; i++) {
            double *at = (double *)in[o] + i, old = *at, sums[2];
            for (int side = 0; side < 2; side++) {
                *at = side ? old + step : old - step;
                make_call(ops, forward, in, result, NULL, all);
                sums[side] = product_sum(outputs, g, y);
            }
            *at = old;
            check_derivative(three->name, i, ((double *)gradient[o])[i],
                             (sums[1] - sums[0]) / (2 * step), largest);
        }
    }
    for (int i = 0; i < OPERANDS; i++) {
        free(in[i]);
        free(gradient[i]);
    }
    free(y);
    free(g);
}

Test(arithmetic, convolution_gradients_are_derivatives) {
    static const struct md_shape shapes[] = {
        {3, 2, 4, 5, 1}, {2, 3, 4, 6, 2}, {4, 1, 1, 1, 1}, {1, 2, 1, 7, 1}, {2, 2, 2, 2, 2}};
    struct md_random random = md_random_stream(12, 0, 0, 0);
    for (size_t s = 0; s < LENGTH(shapes); s++) {
        check_convolution_derivatives(0, shapes[s], &random);
        check_convolution_derivatives(1, shapes[s], &random);
    }
}

enum { CHANNELS = 2, HEIGHT = 6, WIDTH = 9, PIXELS = CHANNELS * HEIGHT * WIDTH };
static const struct md_shape pooled = {CHANNELS, CHANNELS, HEIGHT, WIDTH, 3};

/* y from x, and dx from y and dy, by the operator of a kind of layer, or LeakyReLU. */
enum { LEAKY = MD_KIND_COUNT, ROW = CHANNELS * HEIGHT };

static struct md_call call_on(const double *x, double *y, double *dx, int kind) {
    int size = kind == MD_RELU ? 1 : pooled.stride;
    const struct md_shape shape = {CHANNELS, CHANNELS, HEIGHT, WIDTH, size};
    return (struct md_call){.shape = shape,
                            .x = {whole_map((void *)(uintptr_t)x, CHANNELS, HEIGHT, WIDTH)},
                            .y = whole_map(y, CHANNELS, HEIGHT / size, WIDTH / size),
                            .dx = whole_map(dx, CHANNELS, HEIGHT, WIDTH),
                            .part = {0, 1}};
}
static void forward(const struct md_ops *ops, int kind, const double *x, double *y) {
    struct md_call call = call_on(x, y, NULL, kind);
    call.to = call.y.height;
    if (kind != LEAKY)
        ops->kinds[kind].forward(&call);
    else
        for (int i = 0; i < PIXELS; i++)
            y[i] = x[i];
    if (kind == LEAKY)
        ops->leaky_forward(PIXELS, y);
}
static void back(const struct md_ops *ops, int kind, const double *x, const double *y, double *dy,
                 double *dx) {
    enum { BITS = (WIDTH + 7) / 8 * 8 };
    uint8_t masks[ROW * BITS / 8];
    struct md_call call = call_on(x, dy, dx, kind);
    call.to = HEIGHT;
    call.mask = whole_map(masks, CHANNELS, HEIGHT, BITS);
    for (int r = 0; r < ROW && (kind == MD_RELU || kind == LEAKY); r++)
        ops->mask(WIDTH, y + r * WIDTH, masks + r * BITS / 8);
    if (kind != LEAKY) {
        ops->kinds[kind].input_gradient(&call);
        return;
    }
    memcpy(dx, dy, PIXELS * sizeof *dy);
    for (int r = 0; r < ROW; r++)
        ops->leaky_backward(WIDTH, masks, (size_t)(r * BITS), dx + r * WIDTH);
}

Test(arithmetic, other_gradients_are_derivatives) {
    static const struct {
        const char *name;
        int kind;
        size_t outputs;
    } functions[] = {{"leaky", LEAKY, PIXELS},
                     {"relu", MD_RELU, PIXELS},
                     {"pool", MD_AVERAGE_POOL, PIXELS / 9},
                     {"max pool", MD_MAX_POOL, PIXELS / 9}};
    const struct md_ops *ops = md_ops_find(MD_FP64, "ref");
    struct md_random random = md_random_stream(13, 0, 0, 0);
    const double step = 0x1p-20;
    for (size_t f = 0; f < LENGTH(functions); f++) {
        double x[PIXELS], y[PIXELS], g[PIXELS], dx[PIXELS];
        int compared = 0;
        fill(MD_FP64, ORDINARY, &random, PIXELS, x);
        fill(MD_FP64, ORDINARY, &random, PIXELS, g);
        forward(ops, functions[f].kind, x, y);
        back(ops, functions[f].kind, x, y, g, dx);
        for (size_t i = 0; i < PIXELS; i++) {
            double old = x[i], sums[2];
            if (fabs(old) <= step) /* a kink is no place for a difference quotient */
                continue;
            for (int side = 0; side < 2; side++) {
                x[i] = side ? old + step : old - step;
                forward(ops, functions[f].kind, x, y);
                sums[side] = product_sum(functions[f].outputs, g, y);
            }
            x[i] = old;
            check_derivative(functions[f].name, i, dx[i], (sums[1] - sums[0]) / (2 * step),
                             largest_of(PIXELS, dx));
            compared++;
        }
        cr_assert_gt(compared, PIXELS * 9 / 10);
    }
}

/* ---- the fused multiply-add without the instruction ------------------------------------------ */

static float float_of(uint32_t bits) {
    union {
        uint32_t bits;
        float value;
    } one = {bits};
    return one.value;
}

/* A number of either sign with an exponent of least .. least+range-1. */
static float spread(struct md_random *random, int least, uint32_t range) {
    float value = (float)ldexp(1.0 + (md_random_bits(random) & 0x7fffff) * 0x1p-23,
                               least + (int)md_random_below(random, range));
    return md_random_below(random, 2) ? -value : value;
}

static void draw_triple(int kind, struct md_random *random, float v[3]) {
    for (int i = 0; i < 3; i++)
        v[i] = kind == 0 ? float_of(md_random_bits(random)) : spread(random, -2, 4);
    uint32_t few = md_random_below(random, 64);
    switch (kind) {
    case 1: /* the sum nearly cancels */
        v[2] = -(v[0] * v[1]) * (1.0f + (float)((int)few - 32) * 0x1p-23f);
        break;
    case 2: /* near half a unit of c's last place: 1 - few^2 2^-46 of it, sometimes exactly */
        v[0] = 1.0f + (float)few * 0x1p-23f;
        v[1] = ldexpf(1.0f - (float)few * 0x1p-23f, -24);
        v[2] = spread(random, 0, 2);
        break;
    case 3: /* near the subnormal numbers */
        v[0] = spread(random, -76, 8);
        v[1] = spread(random, -76, 8);
        v[2] = spread(random, -152, 10);
        break;
    case 4: /* near overflow */
        v[0] = spread(random, 62, 3);
        v[1] = spread(random, 62, 3);
        v[2] = spread(random, 102, 26);
        break;
    case 5: /* c far below the product's last bit, or the product below c's */
        v[2] = spread(random, -80, 160);
        break;
    default:
        break;
    }
}

static void check_fma(float a, float b, float c) {
    float ours = md_fma(a, b, c), right = fmaf(a, b, c);
    if (memcmp(&ours, &right, sizeof ours) != 0 && !(isnan(ours) && isnan(right)))
        cr_assert(0, "fma(%a, %a, %a) is %a, expected %a", (double)a, (double)b, (double)c,
                  (double)ours, (double)right);
}

Test(arithmetic, portable_fma_is_correctly_rounded) {
    enum { KINDS = 6, EACH = 3500000 };
    struct md_random random = md_random_stream(14, 0, 0, 0);
    for (int kind = 0; kind < KINDS; kind++)
        for (int i = 0; i < EACH; i++) {
            float v[3];
            draw_triple(kind, &random, v);
            check_fma(v[0], v[1], v[2]);
        }
}

Test(arithmetic, portable_fma_of_special_values) {
    /* Every exponent field in steps, with the mantissas next to the ends and the middle. */
    static const uint32_t mantissas[] = {0, 1, 2, 0x3fffff, 0x400000, 0x400001, 0x7ffffe, 0x7fffff};
    static const uint32_t exponents[] = {0,   1,   2,   23,  24,  63,  103,
                                         126, 127, 150, 151, 253, 254, 255};
    float values[LENGTH(mantissas) * LENGTH(exponents) * 2];
    size_t count = 0;
    for (size_t e = 0; e < LENGTH(exponents); e++)
        for (size_t m = 0; m < LENGTH(mantissas); m++)
            for (uint32_t sign = 0; sign < 2; sign++)
                values[count++] = float_of(sign << 31 | exponents[e] << 23 | mantissas[m]);
    for (size_t a = 0; a < count; a++)
        for (size_t b = 0; b < count; b++)
            for (size_t c = 0; c < count; c++)
                check_fma(values[a], values[b], values[c]);
}

/* ---- blas ------------------------------------------------------------------------------------ */

/* One sum of K products in any order is off by at most K u sum |terms| to first order, so two of
 * them differ by twice that; the fp64 value hardly counts as one. The same operator on the
 * operands' magnitudes gives the sum of the terms'. */
static void check_blas(const struct call *call, void *context) {
    struct md_random *random = context;
    const struct md_ops *exact = md_ops_find(MD_FP64, NULL), *blas = md_ops_find(MD_FP32, "blas");
    void *in32[OPERANDS], *in64[OPERANDS], *magnitudes[OPERANDS];
    void *out32[RESULTS], *out64[RESULTS], *terms[RESULTS];
    void *scratch64 = numbers(MD_FP64, scratch_for(exact, call, y_height(call)));
    struct fenced scratch = fence(scratch_for(blas, call, y_height(call)), 4);
    for (int i = 0; i < OPERANDS + RESULTS; i++) {
        int result = i - OPERANDS;
        size_t n = i < OPERANDS ? operand_count(call, i) : result_count(call, result);
        float *single = numbers(MD_FP32, n);
        double *twice = numbers(MD_FP64, n), *magnitude = numbers(MD_FP64, n);
        fill(MD_FP32, ORDINARY, random, n, single);
        for (size_t k = 0; k < n; k++) {
            twice[k] = (double)single[k];
            magnitude[k] = fabs(twice[k]);
        }
        if (call->op->direction == INPUT_GRADIENT && i == 2) { /* bytes of a mask */
            memcpy(twice, single, n * sizeof *single);
            memcpy(magnitude, single, n * sizeof *single);
        }
        *(i < OPERANDS ? &in32[i] : &out32[result]) = single;
        *(i < OPERANDS ? &in64[i] : &out64[result]) = twice;
        *(i < OPERANDS ? &magnitudes[i] : &terms[result]) = magnitude;
    }
    make_call(exact, call, in64, out64, scratch64, (struct md_part){0, 1});
    make_call(exact, call, magnitudes, terms, scratch64, (struct md_part){0, 1});
    for (int part = 0; part < 3; part++)
        make_call(blas, call, in32, out32, scratch.values, (struct md_part){part, 3});
    size_t taps = call->op->transposed ? 4 : 9;
    size_t k = call->op->direction == FORWARD          ? (size_t)call->shape.ci * taps
               : call->op->direction == INPUT_GRADIENT ? (size_t)call->shape.co * taps
                                                       : y_pixels(call);
    for (int r = 0; r < RESULTS; r++)
        for (size_t i = 0; i < result_count(call, r); i++) {
            double ours = number(MD_FP32, out32[r], i), right = number(MD_FP64, out64[r], i);
            double allowed = 2.0 * (double)(k + 1) * 0x1p-24 * number(MD_FP64, terms[r], i);
            cr_assert(fabs(ours - right) <= allowed,
                      "blas %s: result %d[%zu] is %.9g, expected %.9g +- %g",
                      describe(call, MD_FP32), r, i, ours, right, allowed);
        }
    cr_assert(fence_holds(&scratch), "blas %s: beside scratch", describe(call, MD_FP32));
    unfence(&scratch);
    free(scratch64);
    for (int i = 0; i < OPERANDS; i++) {
        free(in32[i]);
        free(in64[i]);
        free(magnitudes[i]);
    }
    for (int r = 0; r < RESULTS; r++) {
        free(out32[r]);
        free(out64[r]);
        free(terms[r]);
    }
}

Test(arithmetic, blas_is_within_rounding) {
    struct md_random random = md_random_stream(15, 0, 0, 0);
    cr_assert_geq(each_layer_call(md_network_find("upydnet"), 48, 48, check_blas, &random), 30);
    cr_assert_geq(each_layer_call(md_network_find("upydnet_large"), 24, 24, check_blas, &random),
                  30);
    cr_assert_geq(each_layer_call(md_network_find("upydnet_8x8"), 40, 40, check_blas, &random), 30);
    for (size_t o = 0; o < LENGTH(operators); o++)
        for (int i = 0; i < 50; i++) {
            struct call call = call_of(&operators[o], random_shape(&operators[o], 12, &random));
            call.accumulate = i % 2;
            check_blas(&call, &random);
        }
}
