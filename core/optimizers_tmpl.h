/* A part of ops_tmpl.c, compiled with it once per number format: the optimizers.
 *
 * Parameters are updated in blocks, and what one stage hands on to the next is wide. Only what is
 * kept is rounded to the format, before it is used: 1 - 0.999 and 1e-7 have no place in 8 or 11
 * bits. (But plain SGD without fp32 momentum or loss scale is the device library's, in the format
 * throughout.) */

enum { BLOCK = 64 };

/* For stages whose first argument is a constant at each call: a loop of its own for each value. */
#define INLINE static inline __attribute__((always_inline))

/* Value i of an array of floats or of elements. */
INLINE wide_real load_kept(const int floats, const void *from, size_t i) {
    return floats ? (wide_real)((const float *)from)[i]
                  : (wide_real)md_load(((const elem *)from)[i]);
}

/* Keeps a value there, and returns what it has become. */
INLINE wide_real keep(const int floats, wide_real value, void *to, size_t i) {
    if (floats)
        ((float *)to)[i] = (float)value;
    else
        ((elem *)to)[i] = md_narrow(value);
    return load_kept(floats, to, i);
}

/* g = gradient / 2^loss_scale_log2, exact unless it underflows in binary32;
 * g = fma(weight_decay, w, g) if there is decay, w being the weight or its master. */
static void take_gradients(const struct md_update *u, const struct md_kept *kept, size_t first,
                           size_t count, const elem *gradient, const elem *weight, wide_real *g) {
    wide_real unscale = md_power_of_two(-u->loss_scale_log2), decay = u->weight_decay;
    int master = kept->storing == MD_STORE_MASTER;
    const void *w = master ? kept->beside : (const void *)weight;
    for (size_t k = 0; k < count; k++)
        g[k] = md_load(gradient[first + k]) * unscale;
    for (size_t k = 0; decay > 0 && k < count; k++)
        g[k] = md_wide_fma(decay, load_kept(master, w, first + k), g[k]);
}

/* A random word per parameter: word i mod 4 of the Philox block with the seed as its key and the
 * counter (i / 4, lower and upper half of the step, DRAW_ROUNDING), i being its index in the
 * network. */
enum { DRAW_ROUNDING = 3 };
static void draw_block(const struct md_update *u, size_t index, size_t count, uint32_t *random) {
    const uint32_t key[2] = {(uint32_t)u->seed, (uint32_t)(u->seed >> 32)};
    uint32_t words[MD_PHILOX_WORDS];
    for (size_t k = 0; k < count; k++) {
        size_t word = (index + k) % MD_PHILOX_WORDS;
        const uint32_t counter[MD_PHILOX_WORDS] = {(uint32_t)((index + k) / MD_PHILOX_WORDS),
                                                   (uint32_t)u->step, (uint32_t)(u->step >> 32),
                                                   DRAW_ROUNDING};
        if (k == 0 || word == 0)
            md_philox(key, counter, words);
        random[k] = words[word];
    }
}

/* The new weight, from w, its direction d and the step a:
 * plain:       fma(a, d, w), rounded to nearest;
 * stochastic:  fma(a, d, w), rounded by its random word (rounding.h);
 * master:      fma(a, d, master) is the new master, its rounding to nearest the weight;
 * kahan:       y = fma(a, d, -c);  s = w + y;  c = (s - w) - y;  s is the weight, used as stored.
 *              y and the sums are in the format's arithmetic. Source: Zamirai et al., "Revisiting
 *              BFloat16 Training", 2020, algorithm 1, here with a fused y. */
static void put_weights(const struct md_update *u, const struct md_kept *kept, size_t first,
                        size_t count, wide_real a, const wide_real *d, elem *weight) {
    uint32_t random[BLOCK];
    elem *w = weight + first, *c = kept->beside;
    switch (kept->storing) {
    case MD_STORE_STOCHASTIC:
        draw_block(u, kept->index + first, count, random);
        for (size_t k = 0; k < count; k++)
            w[k] = md_narrow_random(md_wide_fma(a, d[k], md_load(w[k])), random[k]);
        break;
    case MD_STORE_MASTER:
        for (size_t k = 0; k < count; k++) {
            wide_real master = load_kept(1, kept->beside, first + k);
            w[k] = md_narrow(keep(1, md_wide_fma(a, d[k], master), kept->beside, first + k));
        }
        break;
    case MD_STORE_KAHAN:
        for (size_t k = 0; k < count; k++) {
            real y = md_from_wide(md_wide_fma(a, d[k], -(wide_real)md_load(c[first + k])));
            real old = md_load(w[k]);
            w[k] = md_store(md_add(old, y));
            c[first + k] = md_store(md_sub(md_sub(md_load(w[k]), old), y));
        }
        break;
    default:
        for (size_t k = 0; k < count; k++)
            w[k] = md_narrow(md_wide_fma(a, d[k], md_load(w[k])));
        break;
    }
}

/* In the format: g = fma(weight_decay, w, g) if there is decay; v = fma(momentum, v, g) and g = v
 * if there is momentum; w = fma(-learning_rate, g, w). */
static void plain_sgd(size_t n, const struct md_update *u, const elem *gradient, elem *velocity,
                      elem *weight) {
    real step = md_negate(md_round((real)u->learning_rate)), momentum = md_round((real)u->momentum);
    real decay = md_round((real)u->weight_decay);
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t count = n - first < BLOCK ? n - first : BLOCK;
        elem *w = weight + first;
        real g[BLOCK];
        for (size_t k = 0; k < count; k++)
            g[k] = md_load(gradient[first + k]);
        for (size_t k = 0; decay > 0 && k < count; k++)
            g[k] = md_fma(decay, md_load(w[k]), g[k]);
        for (size_t k = 0; momentum > 0 && k < count; k++) {
            elem *v = &velocity[first + k];
            *v = md_store(md_fma(momentum, md_load(*v), g[k]));
            g[k] = md_load(*v);
        }
        for (size_t k = 0; k < count; k++)
            w[k] = md_store(md_fma(step, g[k], md_load(w[k])));
    }
}

/* v = fma(momentum, v, g) and g = v. */
INLINE void add_momentum(const int floats, wide_real momentum, size_t first, size_t count,
                         void *velocity, wide_real *g) {
    for (size_t k = 0; k < count; k++)
        g[k] = keep(floats, md_wide_fma(momentum, load_kept(floats, velocity, first + k), g[k]),
                    velocity, first + k);
}

/* g as take_gradients has it, then add_momentum if there is momentum; the weight as put_weights has
 * it, with step -learning_rate and direction g. */
static void sgd(size_t n, const struct md_update *u, const void *gradient,
                const struct md_kept *kept, void *weight) {
    wide_real g[BLOCK], momentum = u->momentum, step = -(wide_real)u->learning_rate;
    int floats = momentum > 0 && kept->moments == MD_MOMENTS_FP32;
    if (kept->storing == MD_STORE_PLAIN && !floats && u->loss_scale_log2 == 0) {
        plain_sgd(n, u, gradient, kept->first, weight);
        return;
    }
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t count = n - first < BLOCK ? n - first : BLOCK;
        take_gradients(u, kept, first, count, gradient, weight, g);
        if (momentum > 0 && floats)
            add_momentum(1, momentum, first, count, kept->first, g);
        else if (momentum > 0)
            add_momentum(0, momentum, first, count, kept->first, g);
        put_weights(u, kept, first, count, step, g, weight);
    }
}

/* m = fma(beta1, m, (1 - beta1) * g);  v = fma(beta2, v, ((1 - beta2) * g) * g);
 * d = m / (sqrt(v) / sqrt(correction2) + epsilon), in g's place. */
INLINE void adam_directions(const int floats, const struct md_update *u, size_t first, size_t count,
                            const struct md_kept *kept, wide_real *g) {
    wide_real beta1 = u->beta1, beta2 = u->beta2, epsilon = u->epsilon;
    wide_real rest1 = (wide_real)1 - beta1, rest2 = (wide_real)1 - beta2;
    wide_real root2 = md_wide_sqrt((wide_real)u->correction2);
    void *first_moment = kept->first, *second_moment = kept->second;
    for (size_t k = 0; k < count; k++) {
        wide_real m = load_kept(floats, first_moment, first + k);
        wide_real v = load_kept(floats, second_moment, first + k);
        m = keep(floats, md_wide_fma(beta1, m, rest1 * g[k]), first_moment, first + k);
        v = keep(floats, md_wide_fma(beta2, v, rest2 * g[k] * g[k]), second_moment, first + k);
        g[k] = m / (md_wide_sqrt(v) / root2 + epsilon);
    }
}

/* g as take_gradients has it, d as adam_directions; the weight as put_weights has it, with step
 * -(learning_rate / correction1).
 * Source: Kingma and Ba, ICLR 2015, in the form PyTorch computes it. */
static void adam(size_t n, const struct md_update *u, const void *gradient,
                 const struct md_kept *kept, void *weight) {
    wide_real g[BLOCK], step = -((wide_real)u->learning_rate / (wide_real)u->correction1);
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t count = n - first < BLOCK ? n - first : BLOCK;
        take_gradients(u, kept, first, count, gradient, weight, g);
        if (kept->moments == MD_MOMENTS_FP32)
            adam_directions(1, u, first, count, kept, g);
        else
            adam_directions(0, u, first, count, kept, g);
        put_weights(u, kept, first, count, step, g, weight);
    }
}
