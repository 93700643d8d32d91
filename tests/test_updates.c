/* How 16-bit weights learn: moments in binary32, stochastic rounding, master weights and Kahan's
 * compensation, against integers and binary64. (In whole steps, and loss scale:
 * test_update_steps.c. Every level against the plain loops: test_ops.c.) */
#include "engine.h"
#include "exact.h"

static const enum md_format small_formats[] = {MD_FP16, MD_BF16, MD_FP16W, MD_BF16W};

/* ---- an independent update ------------------------------------------------------------------- */

/* Numbers are doubles that hold values of binary32 or of a 16-bit format. */
static const struct float_form *form_of(enum md_format format) {
    return format == MD_FP16 || format == MD_FP16W ? &binary16_form : &bfloat16_form;
}

static double value_of(const struct float_form *form, uint32_t bits) {
    struct exact e = exact_of(form, bits);
    cr_assert_eq(e.kind, FINITE);
    return ldexp((double)e.significand, e.exponent) * (e.negative ? -1 : 1);
}

static struct exact exact_float(double value) {
    return exact_of(&binary32_form, md_float_bits((float)value));
}

static double fused(const struct float_form *form, double a, double b, double c) {
    struct exact product = exact_multiply(exact_float(a), exact_float(b));
    return value_of(form, exact_round(form, exact_add(product, exact_float(c))));
}

static double rounded(const struct float_form *form, double a) {
    return value_of(form, exact_round(form, exact_float(a)));
}

/* The upper neighbour (away from zero) when the word's highest bits are among the last `rest` of
 * 2^dropped; below the smallest normal number in steps of 2^-24. */
static double rounded_randomly(const struct float_form *form, double a, uint32_t word) {
    struct exact e = exact_float(a);
    int lowest = form == &binary16_form ? -24 : -133, bits = 0;
    for (wide s = e.significand; s != 0; s >>= 1)
        bits++;
    int unit = e.exponent + bits - (form->fraction_bits + 1), subnormal = unit < lowest;
    int dropped = (subnormal ? lowest : unit) - e.exponent;
    if (dropped <= 0)
        return a;
    wide kept = dropped > 60 ? 0 : e.significand >> dropped;
    wide rest = e.significand - (kept << (dropped > 60 ? 0 : dropped));
    int up = word >> (32 - (dropped < 32 ? dropped : 31)) >= ((wide)1 << dropped) - rest;
    if (subnormal && form == &binary16_form)
        up = word >> 8 < (rest << 24) >> dropped;
    return ldexp((double)(kept + up), e.exponent + dropped) * (e.negative ? -1 : 1);
}

struct parameter {
    double weight, first, second, beside;
};

struct options {
    enum md_format format;
    enum md_optimizer optimizer;
    enum md_moments moments;
    enum md_storing storing;
};

/* Of binary32, correctly rounded: binary64 has more than twice its precision. */
static double single(double a) {
    return (double)(float)a;
}

static void expect_weight(const struct options *o, const struct md_update *u, struct parameter *p,
                          double step, double direction, size_t index) {
    const struct float_form *form = form_of(o->format), *single_form = &binary32_form;
    int widening = o->format == MD_FP16W || o->format == MD_BF16W;
    const struct float_form *results = widening ? single_form : form;
    if (o->storing == MD_STORE_KAHAN) {
        double y = rounded(results, fused(single_form, step, direction, -p->beside)),
               old = p->weight;
        p->weight = rounded(form, fused(results, 1, old, y));
        p->beside = rounded(form, fused(results, 1, fused(results, 1, p->weight, -old), -y));
        return;
    }
    double from = o->storing == MD_STORE_MASTER ? p->beside : p->weight;
    double to = fused(single_form, step, direction, from);
    p->beside = to;
    p->weight = rounded(form, to);
    if (o->storing == MD_STORE_STOCHASTIC) {
        struct md_random random =
            md_random_stream(u->hyper.seed[0] | (uint64_t)u->hyper.seed[1] << 32, (uint32_t)u->step,
                             (uint32_t)(u->step >> 32), 3);
        uint32_t word = 0;
        random.counter[0] = (uint32_t)(index / 4);
        for (size_t i = 0; i <= index % 4; i++)
            word = md_random_bits(&random);
        p->weight = rounded_randomly(form, to, word);
    }
}

static void expect_update(const struct options *o, const struct md_update *u, struct parameter *p,
                          double gradient, size_t index) {
    const struct float_form *form = form_of(o->format), *arithmetic = &binary32_form;
    double step = -(double)u->learning_rate, momentum = (double)u->hyper.momentum;
    double decay = (double)u->hyper.weight_decay;
    int widening = o->format == MD_FP16W || o->format == MD_BF16W;
    if (o->optimizer == MD_SGD && (o->moments == MD_MOMENTS_FORMAT || !(momentum > 0)) &&
        o->storing == MD_STORE_PLAIN && u->hyper.loss_scale_log2 == 0 && !widening) {
        arithmetic = form; /* the device library's */
        step = rounded(form, step);
        momentum = rounded(form, momentum);
        decay = rounded(form, decay);
    }
    const struct float_form *moments = o->moments == MD_MOMENTS_FP32 ? &binary32_form : form;
    double g = ldexp(gradient, -u->hyper.loss_scale_log2);
    if (decay > 0)
        g = fused(arithmetic, decay, o->storing == MD_STORE_MASTER ? p->beside : p->weight, g);
    if (o->optimizer == MD_ADAM) {
        double beta1 = (double)u->hyper.beta1, beta2 = (double)u->hyper.beta2;
        double rest1 = single(1 - beta1), rest2 = single(1 - beta2);
        p->first = rounded(moments, fused(arithmetic, beta1, p->first, single(rest1 * g)));
        p->second =
            rounded(moments, fused(arithmetic, beta2, p->second, single(single(rest2 * g) * g)));
        step = -single((double)u->learning_rate / (double)u->correction1);
        double root = single(single(sqrt(p->second)) / single(sqrt((double)u->correction2)));
        g = single(p->first / single(root + (double)u->hyper.epsilon));
    } else if (momentum > 0) {
        g = p->first = rounded(moments, fused(arithmetic, momentum, p->first, g));
    }
    if (arithmetic == form)
        p->weight = fused(form, step, g, p->weight);
    else
        expect_weight(o, u, p, step, g, index);
}

/* ---- the operators against it ---------------------------------------------------------------- */

enum { PARAMETERS = 150, STEPS = 6, INDEX = 5 };

static const char *describe(const struct options *o, const struct md_update *u) {
    static char text[200];
    snprintf(text, sizeof text, "%s %s, moments %s, %s, scale 2^%d, momentum %g, decay %g",
             md_optimizer_names[o->optimizer], md_format_names[o->format],
             md_moments_names[o->moments], md_storing_names[o->storing], u->hyper.loss_scale_log2,
             (double)u->hyper.momentum, (double)u->hyper.weight_decay);
    return text;
}

static void assert_value(const struct options *o, const struct md_update *u, const char *what,
                         enum md_format format, const void *values, size_t i, double right) {
    cr_assert(number(format, values, i) == right, "%s: %s %zu after step %d is %a, expected %a",
              describe(o, u), what, i, (int)u->step, number(format, values, i), right);
}

static void check_update(const struct options *o, struct md_update u) {
    const struct md_ops *ops = md_ops_find(o->format, "ref");
    struct md_random random = md_random_stream(40, 0, 0, 0);
    struct parameter right[PARAMETERS] = {{0}};
    int kept_moments = md_optimizer_moments[o->optimizer][u.hyper.momentum > 0];
    enum md_format moments = o->moments == MD_MOMENTS_FP32 ? MD_FP32 : o->format;
    enum md_format beside = o->storing == MD_STORE_MASTER ? MD_FP32 : o->format;
    void *weight = numbers(o->format, PARAMETERS), *gradient = numbers(o->format, PARAMETERS);
    struct md_optimizer_state kept = {.moments = o->moments,
                                      .first = numbers(moments, PARAMETERS),
                                      .second = numbers(moments, PARAMETERS),
                                      .storing = o->storing,
                                      .beside = numbers(beside, PARAMETERS),
                                      .index = INDEX};
    for (size_t i = 0; i < PARAMETERS; i++) {
        double start = (double)(float)md_random_normal(&random);
        set_number(o->format, weight, i, start);
        right[i].weight = number(o->format, weight, i);
        if (o->storing == MD_STORE_MASTER) {
            set_number(MD_FP32, kept.beside, i, start);
            right[i].beside = start;
        }
    }
    for (u.step = 1; u.step <= STEPS; u.step++) {
        u.correction1 = (float)(1 - pow(0.9, (double)u.step));
        u.correction2 = (float)(1 - pow(0.999, (double)u.step));
        for (size_t i = 0; i < PARAMETERS; i++) {
            set_number(o->format, gradient, i,
                       ldexp(md_random_normal(&random), u.hyper.loss_scale_log2));
            expect_update(o, &u, &right[i], number(o->format, gradient, i), INDEX + i);
        }
        ops->update[o->optimizer](PARAMETERS, &u, gradient, &kept, weight);
        for (size_t i = 0; i < PARAMETERS; i++) {
            assert_value(o, &u, "weight", o->format, weight, i, right[i].weight);
            if (kept_moments >= 1)
                assert_value(o, &u, "first moment", moments, kept.first, i, right[i].first);
            if (kept_moments >= 2)
                assert_value(o, &u, "second moment", moments, kept.second, i, right[i].second);
            if (o->storing == MD_STORE_MASTER || o->storing == MD_STORE_KAHAN)
                assert_value(o, &u, "beside", beside, kept.beside, i, right[i].beside);
        }
    }
    free(weight);
    free(gradient);
    free(kept.first);
    free(kept.second);
    free(kept.beside);
}

Test(updates, equal_an_independent_computation) {
    static const struct { float momentum, decay; } settings[] = {{0, 0}, {0.9f, 0.05f}};
    for (size_t f = 0; f < LENGTH(small_formats); f++)
        for (int way = 0; way < MD_OPTIMIZER_COUNT * MD_MOMENTS_COUNT * MD_STORING_COUNT; way++)
            for (int log2 = 0; log2 <= 8; log2 += 8)
                for (size_t s = 0; s < LENGTH(settings); s++) {
                    int kept = way / MD_OPTIMIZER_COUNT;
                    struct options o = {small_formats[f],
                                        (enum md_optimizer)(way % MD_OPTIMIZER_COUNT),
                                        (enum md_moments)(kept % MD_MOMENTS_COUNT),
                                        (enum md_storing)(kept / MD_MOMENTS_COUNT)};
                    check_update(&o, (struct md_update){.learning_rate = 0.01f,
                                                        .hyper.momentum = settings[s].momentum,
                                                        .hyper.weight_decay = settings[s].decay,
                                                        .hyper.beta1 = 0.9f,
                                                        .hyper.beta2 = 0.999f,
                                                        .hyper.epsilon = 1e-7f,
                                                        .hyper.loss_scale_log2 = log2,
                                                        .hyper.seed = {0x3456789a, 0x12}});
                }
}

/* ---- stochastic rounding --------------------------------------------------------------------- */

/* The mean of N roundings, each up with probability p by one unit, deviates by sqrt(p (1 - p) / N)
 * units; five deviations are missed once in 1.7 million. Subnormal probabilities of fp16 are cut
 * off at 2^-24. */
static void check_unbiased(const struct float_form *form, float (*round)(float, uint32_t),
                           double value, double unit, struct md_random *random) {
    enum { DRAWS = 40000 };
    double low = floor(value / unit) * unit, part = (value - low) / unit, mean = 0;
    for (int i = 0; i < DRAWS; i++) {
        double one = (double)round((float)value, md_random_bits(random));
        cr_assert(one == low || (part > 0 && one == low + unit), "%s %a became %a", form->name,
                  value, one);
        mean += (one - low) / unit / DRAWS;
    }
    cr_assert(fabs(mean - part) <= 5 * sqrt(part * (1 - part) / DRAWS) + 0x1p-24,
              "%s %a: %g of %g went up", form->name, value, mean, part);
}

Test(updates, stochastic_rounding_is_right_on_average) {
    struct md_random random = md_random_stream(41, 0, 0, 0);
    static const double parts[] = {0, 0x1p-10, 0.1, 0.5, 0.75, 0.999};
    for (size_t i = 0; i < LENGTH(parts); i++)
        for (int sign = -1; sign <= 1; sign += 2) {
            double part = (double)(float)parts[i] * sign;
            /* Units of 1 .. 2 and of the smallest numbers; binary32 has 13 and 16 bits more. */
            double normal = floor(part * 0x1p13) * 0x1p-13;
            check_unbiased(&binary16_form, md_fp16_round_random, sign + normal * 0x1p-10, 0x1p-10,
                           &random);
            check_unbiased(&binary16_form, md_fp16_round_random, part * 0x1p-24, 0x1p-24, &random);
            check_unbiased(&binary16_form, md_fp16_round_random, (sign * 700 + normal) * 0x1p-24,
                           0x1p-24, &random);
            check_unbiased(&bfloat16_form, md_bf16_round_random, sign + normal * 0x1p-7, 0x1p-7,
                           &random);
            check_unbiased(&bfloat16_form, md_bf16_round_random, normal * 0x1p-133, 0x1p-133,
                           &random);
        }
}

Test(updates, stochastic_rounding_keeps_what_is_exact_and_ends_at_infinity) {
    static const uint32_t words[] = {0, 1, 0x80000000u, 0xffffffffu};
    for (size_t w = 0; w < LENGTH(words); w++) {
        for (uint32_t bits = 0; bits < 0x10000; bits++) {
            float half = md_fp16_widen((uint16_t)bits), brain = md_bf16_widen((uint16_t)bits);
            float kept_half = md_fp16_round_random(half, words[w]);
            float kept_brain = md_bf16_round_random(brain, words[w]);
            cr_assert(isnan(half) ? isnan(kept_half)
                                  : md_float_bits(half) == md_float_bits(kept_half));
            cr_assert(isnan(brain) ? isnan(kept_brain)
                                   : md_float_bits(brain) == md_float_bits(kept_brain));
        }
        int up = words[w] == 0xffffffffu;
        cr_assert_eq(isinf(md_fp16_round_random(65504.5f, words[w])) != 0, up);
        cr_assert_eq(isinf(md_fp16_round_random(-65504.5f, words[w])) != 0, up);
        cr_assert(isinf(md_fp16_round_random(65536.0f, words[w])));
        cr_assert_eq(isinf(md_bf16_round_random(0x1.fe0002p127f, words[w])) != 0, up);
        cr_assert(isnan(md_bf16_round_random(NAN, words[w])));
    }
}

/* What is drawn for a parameter depends on seed, step and its index: on nothing else, and on all of
 * these. */
Test(updates, random_bits_belong_to_seed_step_and_parameter) {
    enum { MANY = 300 };
    const struct md_ops *ops = md_ops_find(MD_BF16, NULL);
    uint16_t whole[MANY], parts[MANY], gradient[MANY];
    for (size_t i = 0; i < MANY; i++)
        gradient[i] = md_bf16_narrow(-0.5f);
    const struct md_update u = {.learning_rate = 0x1p-7f, .hyper.seed = {3}, .step = 4};
    struct md_optimizer_state kept = {.storing = MD_STORE_STOCHASTIC, .index = 10};
    for (size_t piece = 1; piece <= MANY; piece += piece < 9 ? 1 : 97) {
        for (size_t i = 0; i < MANY; i++)
            whole[i] = parts[i] = md_bf16_narrow(1.0f);
        kept.index = 10;
        ops->update[MD_SGD](MANY, &u, gradient, &kept, whole);
        for (size_t i = 0; i < MANY; i += piece) {
            kept.index = 10 + i;
            ops->update[MD_SGD](MANY - i < piece ? MANY - i : piece, &u, gradient + i, &kept,
                                parts + i);
        }
        cr_assert_arr_eq(whole, parts, sizeof whole, "pieces of %zu", piece);
    }
    struct md_update others[] = {u, u, u, u};
    others[0].hyper.seed[0] = 2;
    others[1].hyper.seed[1] = 1;
    others[2].step = 5;
    others[3].step = 4 + (UINT64_C(1) << 32);
    for (size_t o = 0; o <= LENGTH(others); o++) {
        for (size_t i = 0; i < MANY; i++)
            parts[i] = md_bf16_narrow(1.0f);
        kept.index = o == LENGTH(others) ? 11 : 10;
        ops->update[MD_SGD](MANY, o == LENGTH(others) ? &u : &others[o], gradient, &kept, parts);
        int equal = 0;
        for (size_t i = 0; i < MANY; i++)
            equal += whole[i] == parts[i];
        /* Independent draws agree with probability 1/2. */
        cr_assert(abs(equal - MANY / 2) < 5 * sqrt(MANY / 4.0), "case %zu: %d equal", o, equal);
    }
}

/* ---- stalled weights ------------------------------------------------------------------------- */

/* A weight of 1 goes down by `step` a thousand times, by less than half of what lies between 1 and
 * the number below it: plain rounding keeps it where it is. Adam's direction for a constant
 * gradient is that gradient's sign. */
static void check_stalled(enum md_format format, enum md_optimizer optimizer, double unit) {
    enum { WEIGHTS = 64, TIMES = 1000 };
    const struct md_ops *ops = md_ops_find(format, NULL);
    double step = unit / 8, end = 1 - TIMES * step;
    for (int storing = 0; storing < MD_STORING_COUNT; storing++) {
        struct md_update u = {.learning_rate = (float)step,
                              .hyper.beta1 = 0.9f,
                              .hyper.beta2 = 0.999f,
                              .hyper.epsilon = 1e-7f,
                              .hyper.seed = {6}};
        void *weight = numbers(format, WEIGHTS), *gradient = numbers(format, WEIGHTS);
        struct md_optimizer_state kept = {.moments = MD_MOMENTS_FP32,
                                          .first = numbers(MD_FP32, WEIGHTS),
                                          .second = numbers(MD_FP32, WEIGHTS),
                                          .storing = (enum md_storing)storing,
                                          .beside = numbers(MD_FP32, WEIGHTS)};
        for (size_t i = 0; i < WEIGHTS; i++) {
            set_number(format, weight, i, 1);
            set_number(format, gradient, i, 1);
            if (storing == MD_STORE_MASTER)
                set_number(MD_FP32, kept.beside, i, 1);
        }
        double mean = 0;
        for (u.step = 1; u.step <= TIMES; u.step++) {
            u.correction1 = (float)(1 - pow((double)u.hyper.beta1, (double)u.step));
            u.correction2 = (float)(1 - pow((double)u.hyper.beta2, (double)u.step));
            ops->update[optimizer](WEIGHTS, &u, gradient, &kept, weight);
        }
        for (size_t i = 0; i < WEIGHTS; i++)
            mean += number(format, weight, i) / WEIGHTS;
        /* Master and Kahan: half a unit for the weight, and less than another for the steps' own
         * roundings. Stochastic: a step's variance is at most p (1 - p) units^2, p = 1/8. */
        double bound =
            storing == MD_STORE_STOCHASTIC ? 5 * unit * sqrt(TIMES * 7.0 / 64 / WEIGHTS) : unit;
        if (storing == MD_STORE_PLAIN)
            cr_assert_eq(mean, 1, "plain %s moved", md_format_names[format]);
        else
            cr_assert(fabs(mean - end) <= bound && bound < (1 - end) / 10,
                      "%s %s %s: 1 went to %g, expected %g +- %g", md_format_names[format],
                      md_optimizer_names[optimizer], md_storing_names[storing], mean, end, bound);
        free(weight);
        free(gradient);
        free(kept.first);
        free(kept.second);
        free(kept.beside);
    }
}

Test(updates, each_remedy_moves_a_weight_that_plain_rounding_keeps) {
    for (size_t f = 0; f < LENGTH(small_formats); f++)
        for (int o = 0; o < MD_OPTIMIZER_COUNT; o++)
            check_stalled(small_formats[f], (enum md_optimizer)o,
                          form_of(small_formats[f]) == &binary16_form ? 0x1p-11 : 0x1p-8);
}
