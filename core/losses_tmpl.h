/* A part of ops_tmpl.c, compiled with it once per number format: the losses, each a mean over a
 * group of the batch's samples: over all of them, or over each alone. */

/* What a loss is a mean over: the `valid` labels of samples first .. last-1. */
struct group {
    const struct md_loss_batch *batch;
    const struct md_objective *objective;
    int first, last, valid;
    int begun;  /* gradients of other losses are there: what follows is added */
    real t;     /* berhu: the largest label */
    real c;     /* berhu: 0.2 * the largest difference, valid or not */
    real fb;    /* of the sample that one is at */
    real floor; /* of the sample: disparity below which depth(o) is continued by its tangent */
};

/* Pixels of a sample, side by side so that compilers make vectors of what is done with them: where
 * they are, their outputs and their labels (disparity). */
struct block {
    int sample, end; /* all are before `end` */
    int count, index[BLOCK];
    real o[BLOCK], y[BLOCK];
};

/* Of all its pixels keeps those with a label. */
static void keep_labelled(struct block *b) {
    int labels = 0, kept = 0;
    for (int k = 0; k < b->count; k++)
        labels += b->y[k] != (real)-1;
    for (int k = 0; kept < labels && labels < b->count; k++) {
        real y = b->y[k];
        b->o[kept] = b->o[k];
        b->y[kept] = y;
        b->index[kept] = b->index[k];
        kept += y != (real)-1;
    }
    b->count = labels;
}

/* Goes on to the next block, at first from begin(g); 0: there is none. `all`: also of pixels
 * without label. */
static struct block begin(const struct group *g) {
    return (struct block){.sample = g->first};
}
static int next(struct group *g, struct block *b, int all) {
    const struct md_loss_batch *batch = g->batch;
    if (b->end == batch->pixels) {
        b->sample++;
        b->end = 0;
    }
    if (b->sample == g->last)
        return 0;
    g->fb = md_round((real)batch->fb[b->sample]);
    g->floor = md_div(g->fb, md_round((real)g->objective->depth_cap_m));
    size_t at = (size_t)b->sample * batch->stride + (size_t)b->end;
    b->count = batch->pixels - b->end < BLOCK ? batch->pixels - b->end : BLOCK;
    md_load_all((size_t)b->count, (const elem *)batch->output + at, b->o);
    md_load_all((size_t)b->count, (const elem *)batch->label + at, b->y);
    for (int k = 0; k < b->count; k++)
        b->index[k] = b->end + k;
    b->end += b->count;
    if (!all)
        keep_labelled(b);
    return 1;
}

/* A pixel's gradient, which is added to those of the losses before: rounded in between. */
static void put_gradient(const struct group *g, const struct block *b, int k, real gradient) {
    size_t at = (size_t)b->sample * g->batch->stride + (size_t)b->index[k];
    elem *to = (elem *)g->batch->gradient + at;
    *to = md_store(g->begun ? md_add(md_load(*to), gradient) : gradient);
}

static real sign_of(real a) {
    return a > 0 ? (real)1 : a < 0 ? (real)-1 : (real)0;
}

static real magnitude(real a) {
    return a < 0 ? md_negate(a) : a;
}

/* A sum and what its roundings lost (Knuth's two-sum). */
struct wide_sum {
    wide_real sum, lost;
};

static void add_to(struct wide_sum *s, wide_real value) {
    wide_real total = s->sum + value, from_value = total - s->sum;
    s->lost = s->lost + ((s->sum - (total - from_value)) + (value - from_value));
    s->sum = total;
}

/* Once the sum is infinite, what it lost is NaN. */
static wide_real sum_of(const struct wide_sum *s) {
    return s->lost == s->lost ? s->sum + s->lost : s->sum;
}

/* ---- means of terms --------------------------------------------------------------------------
 *
 * For one pixel: the term, and in *gradient its derivative by o before the division by the number
 * of pixels. */

/* o/t - y/t */
static real berhu_difference(real o, real y, const struct group *g) {
    return md_sub(md_div(o, g->t), md_div(y, g->t));
}

/* d = |o/t - y/t|; d < c: d, gradient sign / t; else (d*d - c*c) / (c + c), gradient
 * sign * (d / c) / t. The minus is the release's: the published formula jumps at c. */
static real berhu(real o, real y, const struct group *g, real *gradient) {
    real difference = berhu_difference(o, y, g), d = magnitude(difference);
    real square = md_div(md_sub(md_mul(d, d), md_mul(g->c, g->c)), md_add(g->c, g->c));
    real sign = sign_of(difference), slope = sign * md_div(d, g->c);
    int linear = d < g->c || g->c == 0;
    *gradient = md_div(linear ? sign : slope, g->t);
    return linear ? d : square;
}

/* |o - y| */
static real l1(real o, real y, const struct group *g, real *gradient) {
    real difference = md_sub(o, y);
    (void)g;
    *gradient = sign_of(difference);
    return magnitude(difference);
}

/* (o - y)^2 */
static real mse(real o, real y, const struct group *g, real *gradient) {
    real difference = md_sub(o, y);
    (void)g;
    *gradient = md_add(difference, difference);
    return md_mul(difference, difference);
}

/* |o - y| / y */
static real rel_l1(real o, real y, const struct group *g, real *gradient) {
    real difference = md_sub(o, y);
    (void)g;
    *gradient = md_div(sign_of(difference), y);
    return md_div(magnitude(difference), y);
}

/* depth(o) = fb/o above the floor f, and below it the tangent there, fb/f + (fb/f)/f * (f - o): a
 * plain floor would stop the gradient just where the network is most wrong, and this has the same
 * slope, -*slope, on both sides. */
static real depth_of(real o, const struct group *g, real *slope) {
    real held = o > g->floor ? o : g->floor;
    real depth = md_div(g->fb, held);
    *slope = md_div(depth, held);
    return md_fma(*slope, md_sub(held, o), depth);
}

/* depth(o) - fb/y */
static real depth_difference(real o, real y, const struct group *g, real *slope) {
    return md_sub(depth_of(o, g, slope), md_div(g->fb, y));
}

/* |depth(o) - fb/y| */
static real depth_l1(real o, real y, const struct group *g, real *gradient) {
    real slope, difference = depth_difference(o, y, g, &slope);
    *gradient = md_negate(sign_of(difference) * slope);
    return magnitude(difference);
}

/* Barron's general robust loss (CVPR 2019) with alpha 1 and c 2 m, the pseudo-Huber loss: with h =
 * (depth(o) - fb/y) / 2 and q = sqrt(h^2 + 1) it is q - 1 = h^2 / (q + 1), which does not cancel,
 * and its gradient -(h/2)/q * slope; wide until there. */
static real robust(real o, real y, const struct group *g, real *gradient) {
    real slope;
    wide_real h = (wide_real)depth_difference(o, y, g, &slope) / 2;
    wide_real q = md_wide_sqrt(md_wide_fma(h, h, 1));
    *gradient = md_from_wide(-(h / 2 / q) * (wide_real)slope);
    return md_from_wide(h * h / (q + 1));
}

/* A block's terms, in a loop for each. */
typedef void terms_fn(const struct block *b, const struct group *g, real *values, real *gradients);
#define TERMS(term)                                                                                \
    static void term##_terms(const struct block *b, const struct group *g, real *values,           \
                             real *gradients) {                                                    \
        const struct group constants = *g; /* which no pointer leads to */                         \
        for (int k = 0; k < b->count; k++)                                                         \
            values[k] = term(b->o[k], b->y[k], &constants, &gradients[k]);                         \
    }
TERMS(berhu)
TERMS(l1)
TERMS(mse)
TERMS(rel_l1)
TERMS(depth_l1)
TERMS(robust)

static terms_fn *const terms[MD_LOSS_COUNT] = {
    [MD_BERHU] = berhu_terms,       [MD_L1] = l1_terms,
    [MD_MSE] = mse_terms,           [MD_REL_L1] = rel_l1_terms,
    [MD_DEPTH_L1] = depth_l1_terms, [MD_LOSS_ROBUST] = robust_terms};

/* The largest number, at least `least`, of all pixels, valid or not. */
INLINE real largest_of(real (*number)(real o, real y, const struct group *g), real least,
                       struct group *g) {
    real largest[BLOCK];
    for (int k = 0; k < BLOCK; k++)
        largest[k] = least;
    for (struct block b = begin(g); next(g, &b, 1);)
        for (int k = 0; k < b.count; k++) {
            real here = number(b.o[k], b.y[k], g);
            largest[k] = here > largest[k] ? here : largest[k];
        }
    for (int k = 0; k < BLOCK; k++)
        least = largest[k] > least ? largest[k] : least;
    return least;
}

static real label_at(real o, real y, const struct group *g) {
    (void)o;
    (void)g;
    return y;
}

static real berhu_share(real o, real y, const struct group *g) {
    return md_mul(md_round((real)0.2), magnitude(berhu_difference(o, y, g)));
}

/* gradient = term's gradient * scale / N, N the number of valid pixels times that of groups:
 * rounded once, so that a scale keeps from underflow what the division would lose. The value feeds
 * nothing back; its sum is compensated and never rounded to 16 bits. */
static wide_real mean_of_terms(terms_fn *terms_of, struct group *g, wide_real scale, int groups) {
    struct wide_sum sum = {0, 0};
    real values[BLOCK], slopes[BLOCK], count = md_round((real)(g->valid * groups));
    for (struct block b = begin(g); next(g, &b, 0);) {
        terms_of(&b, g, values, slopes);
        for (int k = 0; k < b.count; k++) {
            add_to(&sum, values[k]);
            put_gradient(g, &b, k, md_div_scaled(slopes[k], scale, count));
        }
    }
    return sum_of(&sum) / (wide_real)g->valid;
}

/* ---- what is no mean of terms ----------------------------------------------------------------
 *
 * Depths, their differences and slopes are in the format. All that sums up thousands of them is
 * wide, until a pixel's gradient is rounded once: 8 bits, or numbers up to 65504, have no room for
 * it. share = scale / groups. */

/* The root r of the mean of d^2, d = depth(o) - fb/y, over n valid pixels; gradient = (d * -slope)
 * * (share / (n * r)), or 0 where r is. */
static wide_real rmse(struct group *g, wide_real share) {
    struct wide_sum squares = {0, 0};
    real slope;
    for (struct block b = begin(g); next(g, &b, 0);)
        for (int k = 0; k < b.count; k++) {
            wide_real d = depth_difference(b.o[k], b.y[k], g, &slope);
            add_to(&squares, d * d);
        }
    wide_real root = md_wide_sqrt(sum_of(&squares) / (wide_real)g->valid);
    wide_real factor = root == 0 ? 0 : share / ((wide_real)g->valid * root);
    for (struct block b = begin(g); next(g, &b, 0);)
        for (int k = 0; k < b.count; k++) {
            wide_real d = depth_difference(b.o[k], b.y[k], g, &slope);
            put_gradient(g, &b, k, md_from_wide(d * -(wide_real)slope * factor));
        }
    return root;
}

/* x = 2^k * m with sqrt(1/2) <= m < sqrt(2), of a normal x > 0. */
static wide_real mantissa_of(wide_real x, wide_real *k) {
    int exponent;
#if MD_NUMBER == MD_NUMBER_fp64
    union {
        double value;
        uint64_t bits;
    } u = {x};
    exponent = (int)((u.bits - 0x3fe6a09e667f3bcdu) >> 52);
    exponent = exponent > 2047 ? exponent - 4096 : exponent;
    u.bits -= (uint64_t)exponent << 52;
    *k = exponent;
    return u.value;
#else
    exponent = (int32_t)(md_float_bits(x) - 0x3f3504f3u) >> 23;
    *k = (wide_real)exponent;
    return md_float_of(md_float_bits(x) - ((uint32_t)exponent << 23));
#endif
}

/* ln x of a normal x > 0 (infinity and NaN are their own): k ln 2 + 2 artanh s, s = (m - 1) /
 * (m + 1), by the series 2 (s + s^3/3 + ... + s^(2n+1)/(2n+1)). |s| <= 3 - sqrt(8), so the rest is
 * less than s^(2n+2)/(2n+3)/(1 - s^2) of it: for n = 4 2.1e-9, a thirtieth of binary32's unit
 * roundoff u, and for n = 10 0.6e-18. Roundings: m - 1 is exact, m + 1 and s have one each, the
 * series (1 + less than s^2/2) two, its product one: 5 u of the series' value. k times the upper
 * part of ln 2 is exact, its lower part's error much smaller; the last sum has one more. Where k is
 * not 0, the series is at most as large as the result: in all |error| <= 6 u |ln x|. */
static wide_real natural_log(wide_real x) {
    enum { TERMS = sizeof(wide_real) == sizeof(double) ? 10 : 4 };
    if (!(x - x == 0))
        return x;
    wide_real k, m = mantissa_of(x, &k), s = (m - 1) / (m + 1), s2 = s * s;
    wide_real series = 0;
    for (int n = TERMS; n >= 0; n--)
        series = md_wide_fma(series, s2, (wide_real)1 / (wide_real)(2 * n + 1));
    const wide_real upper = (wide_real)0.693145751953125; /* 16 bits */
    const wide_real lower = (wide_real)1.42860682030941723212e-6;
    return k * upper + (k * lower + 2 * s * series);
}

/* e = ln(depth(o) + 1e-3) - ln(fb/y + 1e-3); *shifted is the first of the two depths. */
static wide_real log_difference(real o, real y, const struct group *g, real *slope,
                                wide_real *shifted) {
    const wide_real shift = (wide_real)1e-3;
    *shifted = (wide_real)depth_of(o, g, slope) + shift;
    return natural_log(*shifted) - natural_log((wide_real)md_div(g->fb, y) + shift);
}

/* Scale-invariant log loss: L = sqrt(var(e) + 0.15 mean(e)^2), the variance with N - 1 (of a single
 * pixel 0); gradient by the depth ((e - mean)/(N - 1) + 0.15 mean/N) / (L (depth + 1e-3)), or 0
 * where L is. Source: LiteDepth (losses/sigloss.py); lambda is 0.85. */
static wide_real silog(struct group *g, wide_real share) {
    const wide_real rest = (wide_real)0.15;
    struct wide_sum sum = {0, 0}, squares = {0, 0};
    wide_real n = (wide_real)g->valid, others = g->valid > 1 ? n - 1 : 1, shifted;
    real slope;
    for (struct block b = begin(g); next(g, &b, 0);)
        for (int k = 0; k < b.count; k++)
            add_to(&sum, log_difference(b.o[k], b.y[k], g, &slope, &shifted));
    wide_real mean = sum_of(&sum) / n;
    for (struct block b = begin(g); next(g, &b, 0);)
        for (int k = 0; k < b.count; k++) {
            wide_real off = log_difference(b.o[k], b.y[k], g, &slope, &shifted) - mean;
            add_to(&squares, off * off);
        }
    wide_real loss = md_wide_sqrt(md_wide_fma(rest * mean, mean, sum_of(&squares) / others));
    for (struct block b = begin(g); next(g, &b, 0);)
        for (int k = 0; k < b.count; k++) {
            wide_real off = log_difference(b.o[k], b.y[k], g, &slope, &shifted) - mean;
            wide_real by_depth = (off / others + rest * mean / n) / (loss * shifted);
            real gradient = loss == 0 ? 0 : md_from_wide(by_depth * -(wide_real)slope * share);
            put_gradient(g, &b, k, gradient);
        }
    return loss;
}

/* The difference in depth of a pixel's neighbour: in its row (way 0), or its column, the next (side
 * 1) or the one before (-1). 0: there is none, or no label. */
static int neighbour(const struct group *g, int sample, int pixel, int way, int side,
                     real *difference) {
    const struct md_loss_batch *batch = g->batch;
    int column = pixel % batch->width + (way == 0 ? side : 0);
    int index = pixel + (way == 0 ? side : side * batch->width);
    if (column < 0 || column >= batch->width || index < 0 || index >= batch->pixels)
        return 0;
    size_t at = (size_t)sample * batch->stride + (size_t)index;
    real slope, y = md_load(((const elem *)batch->label)[at]);
    if (y == (real)-1)
        return 0;
    *difference = depth_difference(md_load(((const elem *)batch->output)[at]), y, g, &slope);
    return 1;
}

/* With d = depth(o) - fb/y: the mean of |d' - d| over pairs of neighbours in a row, and that over
 * pairs in a column, both ends with a label; gradient = -slope * the sum over the pixel's pairs of
 * sign(d - d') * share / pairs of that direction. Source: LiteDepth's equation 8; its code
 * (losses/grad_loss.py) pulls at holes too. */
static wide_real grad(struct group *g, wide_real share) {
    struct wide_sum sums[2] = {{0, 0}, {0, 0}};
    wide_real pairs[2] = {0, 0}, value = 0;
    real slope, there;
    for (struct block b = begin(g); next(g, &b, 0);)
        for (int i = 0; i < 2 * b.count; i++) {
            int k = i / 2, w = i % 2;
            if (!neighbour(g, b.sample, b.index[k], w, 1, &there))
                continue;
            wide_real step =
                (wide_real)there - (wide_real)depth_difference(b.o[k], b.y[k], g, &slope);
            add_to(&sums[w], step < 0 ? -step : step);
            pairs[w] += 1;
        }
    for (struct block b = begin(g); next(g, &b, 0);)
        for (int k = 0; k < b.count; k++) {
            real here = depth_difference(b.o[k], b.y[k], g, &slope);
            wide_real factor = 0;
            for (int w = 0; w < 4; w++)
                if (neighbour(g, b.sample, b.index[k], w / 2, w % 2 ? -1 : 1, &there))
                    factor += (wide_real)((here > there) - (here < there)) * (share / pairs[w / 2]);
            put_gradient(g, &b, k, md_from_wide(-(wide_real)slope * factor));
        }
    for (int w = 0; w < 2; w++)
        value += pairs[w] > 0 ? sum_of(&sums[w]) / pairs[w] : 0;
    return value;
}

#include "normals_tmpl.h"
#include "photometric_tmpl.h"

/* ---- the sum --------------------------------------------------------------------------------- */

typedef wide_real whole_fn(struct group *g, wide_real share);
static whole_fn *const wholes[MD_LOSS_COUNT] = {[MD_LOSS_RMSE] = rmse,
                                                [MD_LOSS_SILOG] = silog,
                                                [MD_LOSS_GRAD] = grad,
                                                [MD_LOSS_VNL] = vnl,
                                                [MD_LOSS_PHOTOMETRIC] = photometric};

static wide_real loss_of_group(enum md_loss loss, struct group *g, wide_real scale, int groups,
                               struct md_loss_report *report) {
    if (loss == MD_BERHU) {
        g->t = largest_of(label_at, (real)-1, g);
        g->c = largest_of(berhu_share, 0, g);
        report->c = (float)g->c > report->c ? (float)g->c : report->c;
    }
    return terms[loss] != NULL ? mean_of_terms(terms[loss], g, scale, groups)
                               : wholes[loss](g, scale / (wide_real)groups);
}

/* How many labels samples first .. last-1 have. */
static int labels_of(const struct md_loss_batch *batch, int first, int last) {
    int labels = 0;
    for (int s = first; s < last; s++) {
        const elem *label = (const elem *)batch->label + (size_t)s * batch->stride;
        for (int p = 0; p < batch->pixels; p++)
            labels += md_load(label[p]) != (real)-1;
    }
    return labels;
}

/* The number p of a loss, or 0 where weights are fixed. What is not a number is to show. */
static wide_real balance_of(const struct md_objective *objective, const struct md_loss_batch *batch,
                            int loss) {
    if (objective->weighing == MD_WEIGHTS_FIXED)
        return 0;
    wide_real p = md_load(((const elem *)batch->balance)[loss]);
    return p < (wide_real)MD_LEAST_BALANCE ? (wide_real)MD_LEAST_BALANCE : p;
}

/* What a loss adds to the sum; the gradient by p, 2p / (1 + p^2) - loss / p^3. */
static wide_real balanced(const struct md_loss_batch *batch, int loss, wide_real p, wide_real value,
                          wide_real scale) {
    if (p == 0)
        return value;
    wide_real square = p * p, slope = 2 * p / (1 + square) - value / square / p;
    ((elem *)batch->balance_gradient)[loss] = md_store(md_from_wide(scale * slope));
    return value / (2 * square) + natural_log(1 + square);
}

static void loss_gradient(const struct md_objective *objective, const struct md_loss_batch *batch,
                          float scale, struct md_loss_report *report) {
    int pictures = 0, begun = 0;
    wide_real value = 0;
    *report = (struct md_loss_report){0, 0, 0, 0};
    for (int s = 0; s < batch->samples; s++) {
        int valid = labels_of(batch, s, s + 1);
        for (int p = 0; p < batch->pixels; p++)
            ((elem *)batch->gradient)[(size_t)s * batch->stride + (size_t)p] = 0;
        report->valid += valid;
        pictures += valid > 0;
    }
    if (md_needs_pair(objective))
        report->valid = batch->samples * batch->pixels;
    report->count = report->valid;
    for (int l = 0; l < MD_LOSS_COUNT && objective->weighing == MD_WEIGHTS_DYNAMIC; l++)
        ((elem *)batch->balance_gradient)[l] = 0;
    for (int l = 0; l < MD_LOSS_COUNT; l++) {
        wide_real weight = objective->weight[l], sum = 0;
        int all = l == MD_LOSS_PHOTOMETRIC, looked_at = all ? batch->samples : pictures;
        if (!(weight > 0) || looked_at == 0)
            continue;
        wide_real held = balance_of(objective, batch, l);
        wide_real share = (wide_real)scale * (held == 0 ? weight : weight / (2 * held * held));
        int each = md_by_picture(objective, (enum md_loss)l), groups = each ? looked_at : 1;
        int length = each ? 1 : batch->samples;
        for (int first = 0; first < batch->samples; first += length) {
            struct group g = {.batch = batch,
                              .objective = objective,
                              .first = first,
                              .last = first + length,
                              .valid = all ? length * batch->pixels
                                           : labels_of(batch, first, first + length),
                              .begun = begun};
            if (g.valid > 0)
                sum += loss_of_group((enum md_loss)l, &g, share, groups, report);
        }
        value += balanced(batch, l, held, weight * (sum / (wide_real)groups), (wide_real)scale);
        report->count = each ? looked_at : report->count;
        begun = 1;
    }
    report->value = (float)value;
}
