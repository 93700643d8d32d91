/* The arithmetic of the 16-bit formats (core/rounding.h and core/format.h) against the integers of
 * exact.h. MUDEPTH_NUMERICS=full (make check-numerics) goes through every pair of binary16 and
 * bfloat16 values for sums, products and quotients, every third binary32 value for conversions, and
 * 10^8 random triples per format for the fused step; without it, samples of them. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/ops.h"
#include "exact.h"

static float fp16_multiply(float a, float b) {
    return md_fp16_round(a * b);
}

static float fp16_divide(float a, float b) {
    return md_fp16_round(a / b);
}

/* One format under test. */
struct format {
    const struct float_form *form;
    float (*widen)(uint16_t bits);
    uint16_t (*narrow)(float value);
    float (*round)(float value);
    float (*fma)(float a, float b, float c);
    float (*multiply)(float a, float b), (*divide)(float a, float b);
};
static const struct format formats[] = {
    {&binary16_form, md_fp16_widen, md_fp16_narrow, md_fp16_round, md_fp16_fma, fp16_multiply,
     fp16_divide},
    {&bfloat16_form, md_bf16_widen, md_bf16_narrow, md_bf16_round, md_bf16_fma, md_bf16_mul,
     md_bf16_div},
};
enum { FORMATS = sizeof formats / sizeof formats[0] };

static int full(void) {
    const char *wanted = getenv("MUDEPTH_NUMERICS");
    return wanted != NULL && strcmp(wanted, "full") == 0;
}

/* splitmix64: the tests' own numbers. */
static uint64_t next(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Equal bits; every NaN equals every other. */
static int same(const struct float_form *f, uint32_t a, uint32_t b) {
    return a == b || (exact_of(f, a).kind == NOT_A_NUMBER && exact_of(f, b).kind == NOT_A_NUMBER);
}

static void check(const struct format *f, const char *what, uint16_t a, uint16_t b, uint16_t c,
                  float got, struct exact expected) {
    uint32_t wanted = exact_round(f->form, expected);
    cr_assert(same(f->form, f->narrow(got), wanted),
              "%s %s of %04x, %04x, %04x: expected %04x, got %04x (%a)", f->form->name, what, a, b,
              c, wanted, f->narrow(got), (double)got);
    /* The result is a value of the format, not merely near one. */
    cr_assert(isnan(got) || f->widen(f->narrow(got)) == got, "%s %s: %a is between two values",
              f->form->name, what, (double)got);
}

static void check_pair(const struct format *f, uint16_t a, uint16_t b) {
    float x = f->widen(a), y = f->widen(b);
    struct exact p = exact_of(f->form, a), q = exact_of(f->form, b);
    check(f, "sum", a, b, 0, f->round(x + y), exact_add(p, q));
    check(f, "product", a, b, 0, f->multiply(x, y), exact_multiply(p, q));
    check(f, "quotient", a, b, 0, f->divide(x, y), exact_divide(p, q));
}

static void check_triple(const struct format *f, uint16_t a, uint16_t b, uint16_t c) {
    struct exact product = exact_multiply(exact_of(f->form, a), exact_of(f->form, b));
    check(f, "fma", a, b, c, f->fma(f->widen(a), f->widen(b), f->widen(c)),
          exact_add(product, exact_of(f->form, c)));
}

/* Zeros, smallest and largest subnormals and normals, one and its neighbours, infinity, NaN. */
static size_t special_values(const struct format *f, uint16_t values[32]) {
    int m = f->form->fraction_bits;
    uint32_t one = ((1u << (f->form->exponent_bits - 1)) - 1u) << m;
    uint32_t infinity = ((1u << f->form->exponent_bits) - 1u) << m;
    const uint32_t some[] = {0,
                             1,
                             2,
                             3,
                             (1u << m) - 1u,
                             1u << m,
                             one - 1,
                             one,
                             one + 1,
                             one + 3,
                             2u << m,
                             infinity - 1,
                             infinity,
                             infinity + 1,
                             one + (1u << m),
                             infinity - (1u << m)};
    size_t count = sizeof some / sizeof some[0];
    for (size_t i = 0; i < count; i++) {
        values[2 * i] = (uint16_t)some[i];
        values[2 * i + 1] = (uint16_t)(some[i] | 0x8000u);
    }
    return 2 * count;
}

Test(rounding, every_value_widens_and_narrows_exactly) {
    for (int i = 0; i < FORMATS; i++)
        for (uint32_t bits = 0; bits < 65536; bits++) {
            const struct format *f = &formats[i];
            uint32_t wide_bits = md_float_bits(f->widen((uint16_t)bits));
            uint32_t expected = exact_round(&binary32_form, exact_of(f->form, bits));
            cr_assert(same(&binary32_form, wide_bits, expected), "%s %04x: expected %08x, got %08x",
                      f->form->name, bits, expected, wide_bits);
            cr_assert(same(f->form, f->narrow(f->widen((uint16_t)bits)), bits), "%s %04x",
                      f->form->name, bits);
        }
}

Test(rounding, binary32_values_narrow_to_the_nearest, .timeout = 600) {
    uint32_t step = full() ? 3u : 997u;
    for (int i = 0; i < FORMATS; i++) {
        const struct format *f = &formats[i];
        for (uint64_t bits = 0; bits < 1ull << 32; bits += step) {
            float value = md_float_of((uint32_t)bits);
            uint32_t expected = exact_round(f->form, exact_of(&binary32_form, (uint32_t)bits));
            cr_assert(same(f->form, f->narrow(value), expected),
                      "%s of %08x: expected %04x, got %04x", f->form->name, (unsigned)bits,
                      expected, f->narrow(value));
            cr_assert(same(f->form, f->narrow(f->round(value)), expected));
        }
    }
}

Test(rounding, special_values_in_every_combination) {
    for (int i = 0; i < FORMATS; i++) {
        uint16_t v[32];
        size_t n = special_values(&formats[i], v);
        for (size_t a = 0; a < n; a++)
            for (size_t b = 0; b < n; b++) {
                check_pair(&formats[i], v[a], v[b]);
                for (size_t c = 0; c < n; c++)
                    check_triple(&formats[i], v[a], v[b], v[c]);
            }
    }
}

Test(rounding, sums_products_and_quotients, .timeout = 3600) {
    uint64_t state = 1, pairs = full() ? 100000000 : 1000000;
    for (int i = 0; i < FORMATS; i++)
        for (uint64_t p = 0; p < pairs; p++) {
            uint32_t pair = (uint32_t)next(&state);
            check_pair(&formats[i], (uint16_t)pair, (uint16_t)(pair >> 16));
        }
}

/* Every pair, up to its order and one common sign. */
static void check_all_pairs(const struct format *f) {
    for (uint32_t a = 0; full() && a < 0x8000u; a++)
        for (uint32_t b = 0; b <= a; b++) {
            check_pair(f, (uint16_t)a, (uint16_t)b);
            check_pair(f, (uint16_t)b, (uint16_t)(a | 0x8000u));
        }
}

Test(rounding, all_pairs_of_binary16, .timeout = 3600) {
    check_all_pairs(&formats[0]);
}

Test(rounding, all_pairs_of_bfloat16, .timeout = 3600) {
    check_all_pairs(&formats[1]);
}

/* Uniform bits meet neither cancellation nor ties often: half of the triples get a third operand
 * near minus the product, and operands with few bits. */
Test(rounding, fused_steps, .timeout = 3600) {
    uint64_t state = 2, triples = full() ? 100000000 : 1500000;
    for (int i = 0; i < FORMATS; i++) {
        const struct format *f = &formats[i];
        for (uint64_t t = 0; t < triples; t++) {
            uint64_t draw = next(&state);
            uint16_t a = (uint16_t)draw, b = (uint16_t)(draw >> 16), c = (uint16_t)(draw >> 32);
            if ((draw >> 62 & 1u) != 0) {
                a &= (uint16_t)(0xffffu << (draw >> 56 & 7u));
                c = (uint16_t)(f->narrow(-f->widen(a) * f->widen(b)) + (int)(draw >> 48 & 7u) - 3);
            }
            check_triple(f, a, b, c);
        }
    }
}

Test(rounding, roots) {
    for (uint32_t bits = 0; bits < 0x7c00; bits++) {
        float root = md_fp16_round(sqrtf(md_fp16_widen((uint16_t)bits)));
        cr_assert(root == md_fp16_round((float)sqrt((double)md_fp16_widen((uint16_t)bits))));
    }
}

/* ---- the operators use it -------------------------------------------------------------------- */

/* One fused step as the format makes it, on the bits of its elements or, in a widening format, of
 * binary32. */
static uint32_t step_of(const struct float_form *accumulator, const struct float_form *f,
                        uint16_t a, uint16_t b, uint32_t c) {
    struct exact product = exact_multiply(exact_of(f, a), exact_of(f, b));
    return exact_round(accumulator, exact_add(product, exact_of(accumulator, c)));
}

/* A convolution of one row of pixels, 2 channels to 1, by its chain in integers. */
Test(rounding, a_convolution_is_its_chain_of_roundings) {
    static const struct {
        enum md_format format;
        const struct float_form *element, *accumulator;
    } cases[] = {{MD_FP16, &binary16_form, &binary16_form},
                 {MD_BF16, &bfloat16_form, &bfloat16_form},
                 {MD_FP16W, &binary16_form, &binary32_form},
                 {MD_BF16W, &bfloat16_form, &binary32_form}};
    enum { WIDTH = 6, CHANNELS = 2 };
    uint64_t state = 4;
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++)
        for (int trial = 0; trial < 2000; trial++) {
            const struct float_form *f = cases[n].element, *accumulator = cases[n].accumulator;
            const struct md_shape shape = {CHANNELS, 1, 1, WIDTH, 1};
            uint16_t x[CHANNELS * WIDTH], weight[CHANNELS * 9], bias, y[WIDTH];
            uint16_t mask = (uint16_t)(trial % 2 ? 0xbfffu : 0xffffu); /* half of them near 1 */
            for (int i = 0; i < CHANNELS * WIDTH; i++)
                x[i] = (uint16_t)next(&state) & mask;
            for (int i = 0; i < CHANNELS * 9; i++)
                weight[i] = (uint16_t)next(&state) & mask;
            bias = (uint16_t)next(&state) & mask;
            const struct md_call call = {.shape = shape,
                                         .x = {{x, CHANNELS, 1, WIDTH, 1}},
                                         .y = {y, 1, 1, WIDTH, 1},
                                         .weight = weight,
                                         .bias = &bias,
                                         .to = 1,
                                         .part = {0, 1}};
            md_ops_find(cases[n].format, "ref")->kinds[MD_CONV3X3].forward(&call);
            for (int w = 0; w < WIDTH; w++) {
                uint32_t acc = 0;
                for (int ci = 0; ci < CHANNELS; ci++)
                    for (int kw = 0; kw < 3; kw++)
                        if (w + kw - 1 >= 0 && w + kw - 1 < WIDTH)
                            acc = step_of(accumulator, f, weight[ci * 9 + 3 + kw],
                                          x[ci * WIDTH + w + kw - 1], acc);
                uint32_t sum = exact_round(
                    accumulator, exact_add(exact_of(accumulator, acc), exact_of(f, bias)));
                uint32_t expected = exact_round(f, exact_of(accumulator, sum));
                cr_assert(same(f, y[w], expected), "%s: y[%d] is %04x, expected %04x",
                          md_format_names[cases[n].format], w, y[w], expected);
            }
        }
}
