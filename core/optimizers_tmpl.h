/* A part of ops_tmpl.c, compiled with it once per number format: the optimizers.
 *
 * Parameters are updated in blocks, and what one stage hands on to the next is wide. Only what is
 * kept is rounded to the format, before it is used: 1 - 0.999 and 1e-7 have no place in 8 or 11
 * bits. (But plain SGD without fp32 momentum, loss scale or clipping is the device library's, in
 * the format throughout.) */

/* Whether an array of floats or of elements is one of wide values. */
INLINE int is_wide(const int floats) {
    return floats ? sizeof(float) == sizeof(wide_real) : MD_NUMBER <= MD_NUMBER_fp64;
}

/* Values first .. first+count-1 of such an array: where they are, if they are wide, or in room. */
INLINE wide_real *load_values(const int floats, void *array, size_t first, size_t count,
                              wide_real *room) {
    if (is_wide(floats))
        return (wide_real *)array + first;
    if (floats)
        for (size_t k = 0; k < count; k++)
            room[k] = (wide_real)((const float *)array)[first + k];
    else
        md_widen_all(count, (const elem *)array + first, room);
    return room;
}

/* Keeps changed values, and makes them what they have become. */
INLINE void store_values(const int floats, wide_real *values, void *array, size_t first,
                         size_t count) {
    float *kept = (float *)array + first;
    if (is_wide(floats))
        return;
    if (!floats)
        md_settle_wide(count, values, (elem *)array + first);
    for (size_t k = 0; k < count && floats; k++) {
        kept[k] = (float)values[k];
        values[k] = (wide_real)kept[k];
    }
}

/* Of parameters first .. first+count-1, how many, the first ones, decay in this way. */
static size_t decaying(const struct md_update *u, enum md_decay way,
                       const struct md_optimizer_state *state, size_t first, size_t count) {
    if (u->hyper.decay != way || !(u->hyper.weight_decay > 0))
        return 0;
    size_t left = state->decaying > first ? state->decaying - first : 0;
    return way == MD_DECAY_L2 || left > count ? count : left;
}

/* g = fma(strength, w, g) where there is decay of this way, w being the weight or its master. */
static void decay(const struct md_update *u, enum md_decay way, wide_real strength,
                  const struct md_optimizer_state *state, size_t first, size_t count, elem *weight,
                  wide_real *g) {
    wide_real room[BLOCK];
    count = decaying(u, way, state, first, count);
    const wide_real *w = state->storing == MD_STORE_MASTER
                             ? load_values(1, state->beside, first, count, room)
                             : load_values(0, weight, first, count, room);
    for (size_t k = 0; k < count; k++)
        g[k] = md_wide_fma(strength, w[k], g[k]);
}

static float square_sum(size_t n, const void *values_) {
    const elem *values = values_;
    struct wide_sum sum = {0, 0};
    for (size_t i = 0; i < n; i++) {
        wide_real value = md_load(values[i]);
        add_to(&sum, value * value);
    }
    return (float)sum_of(&sum);
}

/* g = gradient / 2^loss_scale_log2, exact unless it underflows in binary32, and times clip where
 * norms are clipped; then decay of the way l2. */
static void take_gradients(const struct md_update *u, const struct md_optimizer_state *state,
                           size_t first, size_t count, const elem *gradient, elem *weight,
                           wide_real *g) {
    wide_real unscale = md_power_of_two(-u->hyper.loss_scale_log2);
    unscale *= u->hyper.clip_norm > 0 ? u->clip : 1;
    const wide_real *scaled = load_values(0, (void *)gradient, first, count, g);
    for (size_t k = 0; k < count; k++)
        g[k] = scaled[k] * unscale;
    decay(u, MD_DECAY_L2, u->hyper.weight_decay, state, first, count, weight, g);
}

/* A random word per parameter: word i mod 4 of the Philox block with the seed as its key and the
 * counter (i / 4, lower and upper half of the step, DRAW_ROUNDING), i being its index in the
 * network. Those of `count` parameters, somewhere in `room`; blocks are computed side by side, so
 * that compilers make vectors of them. */
enum { DRAW_ROUNDING = 3, DRAWS = 2 * BLOCK / MD_PHILOX_WORDS };
static const uint32_t *draw_block(const struct md_update *u, size_t index, size_t count,
                                  uint32_t room[DRAWS * MD_PHILOX_WORDS]) {
    uint32_t key[2] = {u->hyper.seed[0], u->hyper.seed[1]}, words[MD_PHILOX_WORDS][DRAWS];
    size_t begin = index % MD_PHILOX_WORDS, draws = (begin + count - 1) / MD_PHILOX_WORDS + 1;
    for (size_t i = 0; i < draws; i++) {
        words[0][i] = (uint32_t)(index / MD_PHILOX_WORDS + i);
        words[1][i] = (uint32_t)u->step;
        words[2][i] = (uint32_t)(u->step >> 32);
        words[3][i] = DRAW_ROUNDING;
    }
    for (int round = 0; round < MD_PHILOX_ROUNDS; round++, md_philox_grow(key))
        for (size_t i = 0; i < draws; i++)
            md_philox_round(key, &words[0][i], &words[1][i], &words[2][i], &words[3][i]);
    for (size_t i = 0; i < draws; i++)
        for (int w = 0; w < MD_PHILOX_WORDS; w++)
            room[i * MD_PHILOX_WORDS + (size_t)w] = words[w][i];
    return room + begin;
}

/* `kahan`, below. */
static void put_compensated(size_t count, wide_real a, const wide_real *d, elem *weight,
                            elem *beside) {
    real c[BLOCK], w[BLOCK], s[BLOCK];
    md_load_all(count, beside, c);
    md_load_all(count, weight, w);
    for (size_t k = 0; k < count; k++)
        c[k] = md_from_wide(md_wide_fma(a, d[k], -(wide_real)c[k])); /* y */
    for (size_t k = 0; k < count; k++)
        s[k] = md_add(w[k], c[k]);
    md_settle_all(count, s, weight);
    for (size_t k = 0; k < count; k++)
        c[k] = md_sub(md_sub(s[k], w[k]), c[k]);
    md_store_all(count, c, beside);
}

/* The new weight, from w, its direction d and the step a:
 * plain:       fma(a, d, w), rounded to nearest;
 * stochastic:  fma(a, d, w), rounded by its random word (rounding.h);
 * master:      fma(a, d, master) is the new master, its rounding to nearest the weight;
 * kahan:       y = fma(a, d, -c);  s = w + y;  c = (s - w) - y;  s is the weight, used as stored.
 *              y and the sums are in the format's arithmetic. Source: Zamirai et al., "Revisiting
 *              BFloat16 Training", 2020, algorithm 1, here with a fused y. */
static void put_weights(const struct md_update *u, const struct md_optimizer_state *state,
                        size_t first, size_t count, wide_real a, const wide_real *d, elem *weight) {
    uint32_t draws[DRAWS * MD_PHILOX_WORDS];
    const uint32_t *random;
    wide_real room[BLOCK], *wide;
    elem *w = weight + first;
    switch (state->storing) {
    case MD_STORE_STOCHASTIC:
        random = draw_block(u, state->index + first, count, draws);
        wide = load_values(0, weight, first, count, room);
        for (size_t k = 0; k < count; k++)
            wide[k] = md_round_random(md_wide_fma(a, d[k], wide[k]), random[k]);
        md_narrow_all(count, wide, w);
        break;
    case MD_STORE_MASTER:
        wide = load_values(1, state->beside, first, count, room);
        for (size_t k = 0; k < count; k++)
            wide[k] = md_wide_fma(a, d[k], wide[k]);
        store_values(1, wide, state->beside, first, count);
        md_narrow_all(count, wide, w);
        break;
    case MD_STORE_KAHAN:
        put_compensated(count, a, d, w, (elem *)state->beside + first);
        break;
    default:
        wide = load_values(0, weight, first, count, room);
        for (size_t k = 0; k < count; k++)
            wide[k] = md_wide_fma(a, d[k], wide[k]);
        store_values(0, wide, weight, first, count);
        break;
    }
}

/* to = fma(a, b, c). */
static void fma_all(size_t count, real a, const real *b, const real *c, real *to) {
#if MD_NUMBER == MD_NUMBER_bf16 && MD_HAS_FMA
    uint32_t ties = 0; /* md_bf16_fma without its branches */
    real rounded[BLOCK];
    for (size_t k = 0; k < count; k++) {
        uint32_t bits = md_float_bits(__builtin_fmaf(a, b[k], c[k]));
        ties |= (bits & 0xffffu) == 0x8000u;
        rounded[k] = md_float_of((bits + 0x8000u) & 0xffff0000u);
    }
    for (size_t k = 0; k < count && !ties; k++)
        to[k] = rounded[k];
    if (!ties)
        return;
#endif
    for (size_t k = 0; k < count; k++)
        to[k] = md_fma(a, b[k], c[k]);
}

/* In the format: g = fma(weight_decay, w, g) if there is decay of the way l2; v = fma(momentum, v,
 * g) and g = v if there is momentum; the same decay, if it is decoupled; w = fma(-learning_rate, g,
 * w). */
static void plain_sgd(size_t n, const struct md_update *u, const elem *gradient,
                      const struct md_optimizer_state *state, elem *weight) {
    real step = md_negate(md_round((real)u->learning_rate)),
         momentum = md_round((real)u->hyper.momentum);
    real strength = md_round((real)u->hyper.weight_decay);
    elem *velocity = state->first;
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t count = n - first < BLOCK ? n - first : BLOCK;
        real g[BLOCK], w[BLOCK], v[BLOCK];
        md_load_all(count, gradient + first, g);
        md_load_all(count, weight + first, w);
        if (strength > 0)
            fma_all(decaying(u, MD_DECAY_L2, state, first, count), strength, w, g, g);
        if (momentum > 0) {
            md_load_all(count, velocity + first, v);
            fma_all(count, momentum, v, g, g);
            md_settle_all(count, g, velocity + first);
        }
        if (strength > 0)
            fma_all(decaying(u, MD_DECAY_DECOUPLED, state, first, count), strength, w, g, g);
        fma_all(count, step, g, w, w);
        md_store_all(count, w, weight + first);
    }
}

/* v = fma(momentum, v, g) and g = v. */
INLINE void add_momentum(const int floats, wide_real momentum, size_t first, size_t count,
                         void *velocity, wide_real *g) {
    wide_real room[BLOCK], *v = load_values(floats, velocity, first, count, room);
    for (size_t k = 0; k < count; k++)
        v[k] = md_wide_fma(momentum, v[k], g[k]);
    store_values(floats, v, velocity, first, count);
    for (size_t k = 0; k < count; k++)
        g[k] = v[k];
}

/* g as take_gradients has it, then add_momentum if there is momentum, then decoupled decay; the
 * weight as put_weights has it, with step -learning_rate and direction g. */
static void sgd(size_t n, const struct md_update *u, const void *gradient,
                const struct md_optimizer_state *state, void *weight) {
    wide_real g[BLOCK], momentum = u->hyper.momentum, step = -(wide_real)u->learning_rate;
    int floats = momentum > 0 && state->moments == MD_MOMENTS_FP32;
    if (state->storing == MD_STORE_PLAIN && !floats && u->hyper.loss_scale_log2 == 0 &&
        !(u->hyper.clip_norm > 0)) {
        plain_sgd(n, u, gradient, state, weight);
        return;
    }
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t count = n - first < BLOCK ? n - first : BLOCK;
        take_gradients(u, state, first, count, gradient, weight, g);
        if (momentum > 0 && floats)
            add_momentum(1, momentum, first, count, state->first, g);
        else if (momentum > 0)
            add_momentum(0, momentum, first, count, state->first, g);
        decay(u, MD_DECAY_DECOUPLED, u->hyper.weight_decay, state, first, count, weight, g);
        put_weights(u, state, first, count, step, g, weight);
    }
}

/* What numbers are divided by: `by`, and its reciprocal to twice as many digits. */
struct divisor {
    wide_real by, inverse, rest;
};

static struct divisor divisor_of(wide_real by) {
    wide_real inverse = 1 / by;
    return (struct divisor){by, inverse, md_wide_fma(-inverse, by, 1) / by};
}

/* a / d->by, rounded to nearest, where neither is negative or near the ends of the range. The first
 * quotient is off by less than a unit in the last place, its remainder is exact, and with a
 * reciprocal that is rounded to nearest that is enough (Markstein, "Computation of elementary
 * functions on the IBM RISC System/6000 processor", 1990). */
INLINE wide_real quotient(wide_real a, const struct divisor *d) {
#if MD_HAS_FMA && MD_NUMBER != MD_NUMBER_fp64 /* whose steps are not fused */
    wide_real first = md_wide_fma(a, d->inverse, a * d->rest);
    wide_real nearest = md_wide_fma(md_wide_fma(-first, d->by, a), d->inverse, first);
    uint32_t finite = 0u - (uint32_t)(a < (wide_real)__builtin_inff()); /* (no branch) */
    return md_float_of((md_float_bits(nearest) & finite) | (md_float_bits(a) & ~finite));
#else
    return a / d->by;
#endif
}

/* m = fma(beta1, m, (1 - beta1) * g);  v = fma(beta2, v, ((1 - beta2) * g) * g);
 * d = m / (sqrt(v) / sqrt(correction2) + epsilon), in g's place. */
INLINE void adam_directions(const int floats, const struct md_update *u,
                            const struct divisor *root2, size_t first, size_t count,
                            const struct md_optimizer_state *state, wide_real *g) {
    wide_real beta1 = u->hyper.beta1, beta2 = u->hyper.beta2, epsilon = u->hyper.epsilon;
    wide_real rest1 = (wide_real)1 - beta1, rest2 = (wide_real)1 - beta2;
    wide_real rooms[2][BLOCK];
    wide_real *m = load_values(floats, state->first, first, count, rooms[0]);
    wide_real *v = load_values(floats, state->second, first, count, rooms[1]);
    for (size_t k = 0; k < count; k++) {
        m[k] = md_wide_fma(beta1, m[k], rest1 * g[k]);
        v[k] = md_wide_fma(beta2, v[k], rest2 * g[k] * g[k]);
    }
    store_values(floats, m, state->first, first, count);
    store_values(floats, v, state->second, first, count);
    for (size_t k = 0; k < count; k++)
        g[k] = m[k] / (quotient(md_wide_sqrt(v[k]), root2) + epsilon);
}

/* g as take_gradients has it, d as adam_directions, then decoupled decay of strength weight_decay *
 * correction1; the weight as put_weights has it, with step -(learning_rate / correction1).
 * Source: Kingma and Ba, ICLR 2015, in the form PyTorch computes it. */
static void adam(size_t n, const struct md_update *u, const void *gradient,
                 const struct md_optimizer_state *state, void *weight) {
    wide_real g[BLOCK], step = -((wide_real)u->learning_rate / (wide_real)u->correction1);
    const struct divisor root2 = divisor_of(md_wide_sqrt((wide_real)u->correction2));
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t count = n - first < BLOCK ? n - first : BLOCK;
        take_gradients(u, state, first, count, gradient, weight, g);
        if (state->moments == MD_MOMENTS_FP32)
            adam_directions(1, u, &root2, first, count, state, g);
        else
            adam_directions(0, u, &root2, first, count, state, g);
        decay(u, MD_DECAY_DECOUPLED, (wide_real)u->hyper.weight_decay * (wide_real)u->correction1,
              state, first, count, weight, g);
        put_weights(u, state, first, count, step, g, weight);
    }
}
