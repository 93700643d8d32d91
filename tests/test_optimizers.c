/* Optimizers of the plain loops, in both formats, against PyTorch's formulas in binary64:
 * core/ops.h. */
#include "numbers.h"

enum { PARAMETERS = 150, DECAYING = 100, STEPS = 20 };

/* A number, and how far rounding may have carried ours from it. The bounds grow with the values, by
 * the usual first-order rules; 2u for a fused step also covers fp64's two roundings. */
struct bounded {
    double value, bound;
};

struct parameter {
    struct bounded weight, first, second; /* moments; first is also SGD's buffer */
};

/* torch.optim.AdamW: w *= 1 - rate * decay, before the optimizer's own step. */
static void decay_apart(struct parameter *p, double decay, double u) {
    p->weight.bound += 8 * u * decay * fabs(p->weight.value);
    p->weight.value *= 1 - decay;
}

/* torch.optim.SGD, dampening 0. */
static void sgd(struct parameter *p, double gradient, const struct md_update *s, int step,
                double u) {
    double rate = (double)s->learning_rate, momentum = (double)s->hyper.momentum;
    double apart = s->hyper.decay == MD_DECAY_DECOUPLED ? (double)s->hyper.weight_decay * rate : 0;
    double decay = apart > 0 ? 0 : (double)s->hyper.weight_decay;
    struct bounded g = {gradient + decay * p->weight.value, decay * p->weight.bound};
    g.bound += 2 * u * (fabs(gradient) + fabs(g.value));
    if (momentum > 0) {
        double kept = step == 1 ? 0 : momentum * p->first.value;
        g.bound += momentum * p->first.bound + 2 * u * (fabs(kept) + fabs(g.value));
        g.value += kept;
        p->first = g;
    }
    decay_apart(p, apart, u);
    p->weight.value -= rate * g.value;
    p->weight.bound += rate * g.bound + 2 * u * (fabs(p->weight.value) + fabs(rate * g.value));
}

/* torch.optim.Adam; the corrections reach ours rounded to binary32. */
static void adam(struct parameter *p, double gradient, const struct md_update *s, int step,
                 double u) {
    double beta1 = (double)s->hyper.beta1, beta2 = (double)s->hyper.beta2;
    double apart = s->hyper.decay == MD_DECAY_DECOUPLED
                       ? (double)s->hyper.weight_decay * (double)s->learning_rate
                       : 0;
    double decay = apart > 0 ? 0 : (double)s->hyper.weight_decay;
    double correction1 = 1 - pow(beta1, step), correction2 = 1 - pow(beta2, step);
    double rate = (double)s->learning_rate / correction1;
    struct bounded g = {gradient + decay * p->weight.value, decay * p->weight.bound};
    g.bound += 2 * u * (fabs(gradient) + fabs(g.value));

    struct bounded m = {beta1 * p->first.value + (1 - beta1) * g.value, 0};
    m.bound = beta1 * p->first.bound + (1 - beta1) * g.bound +
              4 * u * (fabs(beta1 * p->first.value) + fabs((1 - beta1) * g.value));
    struct bounded v = {beta2 * p->second.value + (1 - beta2) * g.value * g.value, 0};
    v.bound = beta2 * p->second.bound + 2 * (1 - beta2) * fabs(g.value) * g.bound + 4 * u * v.value;

    struct bounded root = {sqrt(v.value) / sqrt(correction2) + (double)s->hyper.epsilon, 0};
    root.bound = root.value * (v.bound / (2 * v.value) + 4 * u + 0x1p-24);
    struct bounded move = {rate * m.value / root.value, 0};
    move.bound = rate * m.bound / root.value +
                 fabs(move.value) * (root.bound / root.value + 4 * u + 0x1p-24);
    p->first = m;
    p->second = v;
    decay_apart(p, apart, u);
    p->weight.value -= move.value;
    p->weight.bound += move.bound + 2 * u * (fabs(p->weight.value) + fabs(move.value));
}

static void (*const references[MD_OPTIMIZER_COUNT])(struct parameter *p, double gradient,
                                                    const struct md_update *s, int step,
                                                    double u) = {[MD_SGD] = sgd, [MD_ADAM] = adam};

static void check_optimizer(enum md_format format, enum md_optimizer optimizer,
                            struct md_update settings) {
    const struct md_ops *ops = md_ops_find(format, "ref");
    struct md_random random = md_random_stream(22, 0, 0, 0);
    struct parameter right[PARAMETERS] = {{{0, 0}, {0, 0}, {0, 0}}};
    void *weight = numbers(format, PARAMETERS), *gradient = numbers(format, PARAMETERS);
    void *first = numbers(format, PARAMETERS), *second = numbers(format, PARAMETERS);
    int moments = md_optimizer_moments[optimizer][settings.hyper.momentum > 0];
    struct md_optimizer_state kept = {.first = moments >= 1 ? first : NULL,
                                      .second = moments >= 2 ? second : NULL,
                                      .decaying = DECAYING};
    for (int i = 0; i < PARAMETERS; i++) {
        right[i].weight.value = (double)(float)md_random_normal(&random);
        set_number(format, weight, (size_t)i, right[i].weight.value);
    }
    for (int step = 1; step <= STEPS; step++) {
        settings.correction1 = (float)(1 - pow((double)settings.hyper.beta1, step));
        settings.correction2 = (float)(1 - pow((double)settings.hyper.beta2, step));
        for (int i = 0; i < PARAMETERS; i++) {
            double g = (double)(float)md_random_normal(&random);
            set_number(format, gradient, (size_t)i, g);
            struct md_update own = settings;
            if (settings.hyper.decay == MD_DECAY_DECOUPLED && i >= DECAYING)
                own.hyper.weight_decay = 0;
            references[optimizer](&right[i], g, &own, step, unit_roundoff(format));
        }
        ops->update[optimizer](PARAMETERS, &settings, gradient, &kept, weight);
    }
    for (size_t i = 0; i < PARAMETERS; i++) {
        struct bounded w = right[i].weight;
        cr_assert_lt(w.bound, (double)settings.learning_rate / 100, "a bound that proves nothing");
        cr_assert(fabs(number(format, weight, i) - w.value) <= w.bound,
                  "%s %s, momentum %g, decay %g: weight %zu is %.12g, expected %.12g +- %g",
                  md_optimizer_names[optimizer], md_format_names[format],
                  (double)settings.hyper.momentum, (double)settings.hyper.weight_decay, i,
                  number(format, weight, i), w.value, w.bound);
    }
    free(weight);
    free(gradient);
    free(first);
    free(second);
}

Test(optimizers, equal_pytorchs_formulas) {
    struct md_update settings = {
        .learning_rate = 1e-2f, .hyper.beta1 = 0.9f, .hyper.beta2 = 0.999f, .hyper.epsilon = 1e-7f};
    for (int format = 0; format < PRECISE_FORMATS; format++)
        for (int decays = 0; decays <= MD_DECAY_COUNT; decays++) {
            settings.hyper.weight_decay = decays ? 0.05f : 0.0f;
            settings.hyper.decay = decays == 2 ? MD_DECAY_DECOUPLED : MD_DECAY_L2;
            settings.hyper.momentum = 0.0f;
            check_optimizer((enum md_format)format, MD_ADAM, settings);
            check_optimizer((enum md_format)format, MD_SGD, settings);
            settings.hyper.momentum = 0.9f;
            check_optimizer((enum md_format)format, MD_SGD, settings);
        }
}
