/* The losses written down once more, in binary64 and as the literature has them: what those of
 * core/losses_tmpl.h are compared with. */
#ifndef MD_TESTS_LOSSES_H
#define MD_TESTS_LOSSES_H

#include "../core/random.h"
#include "numbers.h"

enum { MOST = 1024 };
static const double depth_cap = 5.0;
/* The numbers that dynamic weights have; and the gradient by them, of the last run. */
static double balance[MD_LOSS_COUNT] = {1, 0.75, 0.5, 2, 1, 1.25, 0.875, 1, 0.625, 1, 0.75};
static double balance_slopes[MD_LOSS_COUNT];
static const uint32_t seed[2] = {11, 12};
static const uint64_t step_of_draws = (UINT64_C(3) << 32) + 4;
/* What two cameras see, sample after sample. */
static uint8_t left_picture[3 * MOST], right_picture[3 * MOST];

/* Labels and outputs, sample after sample; label -1: none. */
struct batch {
    int samples, pixels;
    double output[MOST], label[MOST];
    float fb[4];
    int width; /* of a sample's rows; 0: it is one row */
};

static int count_of(const struct batch *b) {
    return b->samples * b->pixels;
}

/* What is held constant in the gradient. */
struct constants {
    double t, c;
    int valid;
    double rough; /* how many times larger than the largest difference its operands are */
};

static struct constants constants_of(enum md_loss loss, const struct batch *b) {
    struct constants k = {-1, 0, 0, 1};
    double largest = 0, operands = 0;
    for (int i = 0; i < count_of(b); i++) {
        k.t = fmax(k.t, b->label[i]);
        k.valid += b->label[i] != -1;
    }
    for (int i = 0; i < count_of(b) && loss == MD_BERHU && k.valid > 0; i++) {
        largest = fmax(largest, fabs(b->output[i] - b->label[i]) / k.t);
        operands = fmax(operands, (fabs(b->output[i]) + fabs(b->label[i])) / k.t);
    }
    k.c = 0.2 * largest;
    k.rough = largest > 0 ? operands / largest : 1;
    return k;
}

/* One pixel's value and derivative by o, and for the bounds the same with the operands' magnitudes
 * in place of their difference: no rounding on the way is relative to more than that. */
struct term {
    double value, slope, value_terms, slope_terms;
};

static struct term term_of(enum md_loss loss, double o, double y, double fb,
                           const struct constants *k) {
    double sign = (o > y) - (o < y), off = fabs(o - y), operands = fabs(o) + fabs(y);
    double floor = fb / depth_cap, slope = o > floor ? fb / (o * o) : fb / (floor * floor);
    double depth = o > floor ? fb / o : fb / floor + slope * (floor - o);
    double nearer = (depth > fb / y) - (depth < fb / y);
    switch (loss) {
    case MD_BERHU:
        if (off / k->t < k->c || k->c == 0)
            return (struct term){off / k->t, sign / k->t, operands / k->t, 1 / k->t};
        return (struct term){(off * off / (k->t * k->t) - k->c * k->c) / (2 * k->c),
                             sign * off / (k->c * k->t * k->t),
                             (operands * operands / (k->t * k->t) + k->c * k->c) / (2 * k->c),
                             operands / (k->c * k->t * k->t)};
    case MD_L1:
        return (struct term){off, sign, operands, 1};
    case MD_MSE:
        return (struct term){off * off, 2 * sign * off, operands * operands, 2 * operands};
    case MD_REL_L1:
        return (struct term){off / y, sign / y, operands / y, 1 / y};
    case MD_LOSS_ROBUST: {
        double h = (depth - fb / y) / 2, root = sqrt(h * h + 1);
        double terms = fb / floor + slope * (floor + fabs(o)) + fb / y;
        return (struct term){root - 1, -h / 2 / root * slope, terms, terms * slope};
    }
    default:
        return (struct term){fabs(depth - fb / y), -nearer * slope,
                             fb / floor + slope * (floor + fabs(o)) + fb / y, slope};
    }
}

/* Of picture s: how many labels it has, and the root of the mean of the squared differences in
 * depth; and the largest of the terms that these are made of. */
struct picture {
    int valid;
    double root, terms;
};

static struct picture picture_of(const struct batch *b, const struct constants *k, int s) {
    struct picture picture = {0, 0, 0};
    long double squares = 0;
    for (int i = s * b->pixels; i < (s + 1) * b->pixels; i++)
        if (b->label[i] != -1) {
            struct term d = term_of(MD_DEPTH_L1, b->output[i], b->label[i], (double)b->fb[s], k);
            squares += (long double)d.value * d.value;
            picture.terms = fmax(picture.terms, d.value_terms);
            picture.valid++;
        }
    picture.root = picture.valid > 0 ? sqrt((double)(squares / picture.valid)) : 0;
    return picture;
}

static int pictures_of(const struct batch *b, const struct constants *k) {
    int pictures = 0;
    for (int s = 0; s < b->samples; s++)
        pictures += picture_of(b, k, s).valid > 0;
    return pictures;
}

/* A pixel's part of the value (rmse: of its picture's, and its slope that of the mean), as if the
 * loss were a mean over pixels. A root is off by no more than the worst of its terms. */
static struct term share_of(enum md_loss loss, const struct batch *b, const struct constants *k,
                            int i) {
    int s = i / b->pixels;
    struct term term = term_of(loss == MD_LOSS_RMSE ? MD_DEPTH_L1 : loss, b->output[i], b->label[i],
                               (double)b->fb[s], k);
    if (loss != MD_LOSS_RMSE)
        return term;
    struct picture picture = picture_of(b, k, s);
    double d = term.value, share = (double)k->valid / picture.valid / pictures_of(b, k);
    double factor = picture.root > 0 ? share / picture.root : 0;
    term.value = picture.root * share;
    term.value_terms = picture.terms * share;
    term.slope_terms *= (term.value_terms + d * picture.terms / picture.root) * factor;
    term.slope *= d * factor;
    return term;
}

static inline double value_of(enum md_loss loss, const struct batch *b, const struct constants *k) {
    long double sum = 0;
    for (int i = 0; i < count_of(b); i++)
        if (b->label[i] != -1)
            sum += share_of(loss, b, k, i).value;
    return k->valid > 0 ? (double)(sum / k->valid) : 0.0;
}

/* ---- sums of losses, and what each is averaged over -------------------------------------------
 */

/* Pixel i's difference in depth, and the difference of the logarithms. */
static long double difference_at(const struct batch *b, int i, int logarithms) {
    double fb = (double)b->fb[i / b->pixels], floor = fb / depth_cap, o = b->output[i];
    long double depth =
        o > floor ? (long double)fb / o : fb / floor + fb / (floor * floor) * (floor - o);
    long double label = (long double)fb / b->label[i];
    const long double shift = 1e-3L;
    return logarithms ? logl(depth + shift) - logl(label + shift) : depth - label;
}

/* The pixel after pixel i in its row (way 0), or its column; -1: none with a label. */
static int after(const struct batch *b, int i, int way) {
    int in_sample = i % b->pixels, to = in_sample + (way == 0 ? 1 : b->width);
    int same = way == 0 ? to % b->width != 0 : to < b->pixels;
    return same && b->label[i - in_sample + to] != -1 ? i - in_sample + to : -1;
}

/* One loss of pixels first .. last-1, of which `valid` have a label. */
static long double value_of_group(enum md_loss loss, const struct batch *b, int first, int last,
                                  const struct constants *k) {
    long double sum = 0, squares = 0, pairs[2] = {0, 0}, steps[2] = {0, 0};
    for (int i = first; i < last; i++) {
        if (b->label[i] == -1)
            continue;
        long double d = difference_at(b, i, loss == MD_LOSS_SILOG);
        sum +=
            loss == MD_LOSS_SILOG ? d
            : loss == MD_LOSS_RMSE
                ? d * d
                : term_of(loss, b->output[i], b->label[i], (double)b->fb[i / b->pixels], k).value;
        for (int way = 0; way < 2; way++)
            if (after(b, i, way) >= 0) {
                steps[way] += fabsl(difference_at(b, after(b, i, way), 0) - d);
                pairs[way]++;
            }
    }
    long double mean = sum / k->valid;
    for (int i = first; i < last; i++)
        squares += b->label[i] == -1 ? 0 : powl(difference_at(b, i, 1) - mean, 2);
    if (loss == MD_LOSS_SILOG)
        return sqrtl((k->valid > 1 ? squares / (k->valid - 1) : 0) + 0.15L * mean * mean);
    if (loss == MD_LOSS_GRAD)
        return (pairs[0] > 0 ? steps[0] / pairs[0] : 0) + (pairs[1] > 0 ? steps[1] / pairs[1] : 0);
    return loss == MD_LOSS_RMSE ? sqrtl(mean) : mean;
}

/* ---- virtual normals, written down once more -------------------------------------------------
 */

struct vector {
    long double at[3];
};

/* Pixel i's point of picture s, of the label or of the output. */
static struct vector point_of(const struct batch *b, int s, int i, int of_label) {
    int at = s * b->pixels + i, height = b->pixels / b->width;
    double fb = (double)b->fb[s];
    long double z = (long double)fb / b->label[at];
    z += of_label ? 0 : difference_at(b, at, 0);
    return (struct vector){{(i % b->width - b->width / 2) * z / (518.858L * b->width / 640),
                            (i / b->width - height / 2) * z / (519.470L * height / 480), z}};
}

/* p12, p13, p23 */
static void edges_of(const struct batch *b, int s, const int triple[3], int of_label,
                     struct vector edges[3]) {
    static const int ends[3][2] = {{0, 1}, {0, 2}, {1, 2}};
    for (int e = 0; e < 3; e++)
        for (int k = 0; k < 3; k++)
            edges[e].at[k] = point_of(b, s, triple[ends[e][1]], of_label).at[k] -
                             point_of(b, s, triple[ends[e][0]], of_label).at[k];
}

static struct vector normal_of(const struct batch *b, int s, const int triple[3], int of_label) {
    struct vector e[3], n;
    edges_of(b, s, triple, of_label, e);
    for (int k = 0; k < 3; k++)
        n.at[k] = e[0].at[(k + 1) % 3] * e[1].at[(k + 2) % 3] -
                  e[0].at[(k + 2) % 3] * e[1].at[(k + 1) % 3];
    long double length = sqrtl(n.at[0] * n.at[0] + n.at[1] * n.at[1] + n.at[2] * n.at[2]);
    for (int k = 0; k < 3; k++)
        n.at[k] /= length == 0 ? 0.01L : length;
    return n;
}

/* The original's: of each coordinate whether any edge is short in it, and 3x3 cosines of which the
 * diagonal's are 1. */
static int is_good(const struct batch *b, int s, const int triple[3]) {
    struct vector e[3];
    int near_in = 0, cosines = 0;
    edges_of(b, s, triple, 1, e);
    for (int k = 0; k < 3; k++)
        near_in +=
            fabsl(e[0].at[k]) < 0.005L || fabsl(e[1].at[k]) < 0.005L || fabsl(e[2].at[k]) < 0.005L;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            long double product = 0, squares[2] = {0, 0};
            for (int k = 0; k < 3; k++) {
                product += e[i].at[k] * e[j].at[k];
                squares[0] += e[i].at[k] * e[i].at[k];
                squares[1] += e[j].at[k] * e[j].at[k];
            }
            cosines += fabsl(product / (sqrtl(squares[0]) * sqrtl(squares[1]) + 1e-8L)) > 0.867L;
        }
    return near_in < 3 && cosines <= 3;
}

/* The triples of picture s; returns how many. */
static int draw_triples(const struct batch *b, int s, int triples[MOST][3]) {
    int labels[MOST], valid = 0, count = (int)(0.15 * b->pixels + 1e-9);
    for (int i = 0; i < b->pixels; i++)
        if (b->label[s * b->pixels + i] != -1)
            labels[valid++] = i;
    for (int t = 0; t < count; t++) {
        const uint32_t counter[4] = {(uint32_t)t, (uint32_t)step_of_draws,
                                     (uint32_t)(step_of_draws >> 32), 4 + 256 * (uint32_t)s};
        uint32_t words[4];
        md_philox(seed, counter, words);
        for (int p = 0; p < 3 && valid > 0; p++)
            triples[t][p] = labels[(int)((double)words[p] / 0x1p32 * valid)];
    }
    return valid > 0 ? count : 0;
}

/* Those that are kept. */
static int triples_of(const struct batch *b, int s, int triples[MOST][3]) {
    int count = draw_triples(b, s, triples), kept = 0;
    for (int t = 0; t < count; t++)
        if (is_good(b, s, triples[t]))
            memmove(triples[kept++], triples[t], sizeof *triples);
    return kept;
}

static long double loss_of_triple(const struct batch *b, int s, const int triple[3]) {
    struct vector ours = normal_of(b, s, triple, 0), right = normal_of(b, s, triple, 1);
    long double loss = 0;
    for (int k = 0; k < 3; k++)
        loss += fabsl(ours.at[k] - right.at[k]);
    return loss;
}

/* The mean over the triples of picture s but the best quarter by `base`. */
static long double vnl_of(const struct batch *b, const struct batch *base, int s) {
    int triples[MOST][3], kept = triples_of(b, s, triples);
    long double sum = 0;
    for (int t = 0; t < kept; t++) {
        long double own = loss_of_triple(base, s, triples[t]);
        int before = 0;
        for (int o = 0; o < kept; o++) {
            long double other = loss_of_triple(base, s, triples[o]);
            before += other < own || (other == own && o < t);
        }
        sum += before >= kept / 4 ? loss_of_triple(b, s, triples[t]) : 0;
    }
    return kept > 0 ? sum / (kept - kept / 4) : 0;
}

/* Whether a component of a normal with pixel i passes the label's between two outputs. */
static inline int passes_a_normal(const struct batch *one, const struct batch *other, int i) {
    int triples[MOST][3], s = i / one->pixels, kept = triples_of(one, s, triples), passes = 0;
    for (int t = 0; t < kept; t++) {
        struct vector right = normal_of(one, s, triples[t], 1);
        for (int k = 0; k < 3; k++)
            passes |= (normal_of(one, s, triples[t], 0).at[k] < right.at[k]) !=
                      (normal_of(other, s, triples[t], 0).at[k] < right.at[k]);
    }
    return passes;
}

/* ---- two cameras, written down once more ----------------------------------------------------- */

/* Where pixel i of picture s is in the right one: in its row, within the picture. */
static long double seen_at(const struct batch *b, const struct md_objective *objective, int s,
                           int i) {
    long double x =
        i % b->width - (long double)objective->stereo_scale * b->output[s * b->pixels + i];
    return fminl(fmaxl(x, 0), b->width - 1);
}

/* Channel c of that: each pixel of the row counts by how near it is. */
static long double seen(const struct batch *b, const struct md_objective *objective, int s, int c,
                        int i) {
    const uint8_t *row = right_picture + (3 * s + c) * b->pixels + i / b->width * b->width;
    long double x = seen_at(b, objective, s, i), sum = 0;
    for (int column = 0; column < b->width; column++)
        sum += fmaxl(0, 1 - fabsl(x - column)) * row[column] / 255.0L;
    return sum;
}

static long double shown(const struct batch *b, int s, int c, int i) {
    return left_picture[(3 * s + c) * b->pixels + i] / 255.0L;
}

static int reflected(int at, int count) {
    return at < 0 ? -at : at >= count ? 2 * (count - 1) - at : at;
}

/* (1 - SSIM) / 2 at a pixel by means, variances and the covariance of the 3x3 around it. */
static long double unlike(const struct batch *b, const struct md_objective *objective, int s, int c,
                          int i) {
    long double one[9], other[9], means[2] = {0, 0}, variances = 0, covariance = 0;
    int height = b->pixels / b->width;
    for (int n = 0; n < 9; n++) {
        int at = reflected(i / b->width + n / 3 - 1, height) * b->width +
                 reflected(i % b->width + n % 3 - 1, b->width);
        one[n] = seen(b, objective, s, c, at);
        other[n] = shown(b, s, c, at);
        means[0] += one[n] / 9;
        means[1] += other[n] / 9;
    }
    for (int n = 0; n < 9; n++) {
        variances += (powl(one[n] - means[0], 2) + powl(other[n] - means[1], 2)) / 9;
        covariance += (one[n] - means[0]) * (other[n] - means[1]) / 9;
    }
    long double ssim = (2 * means[0] * means[1] + 1e-4L) * (2 * covariance + 9e-4L) /
                       ((means[0] * means[0] + means[1] * means[1] + 1e-4L) * (variances + 9e-4L));
    return fminl(fmaxl((1 - ssim) / 2, 0), 1);
}

/* The steps of disparity to the next pixel of a row (way 0) or column. */
static long double steps_of(const struct batch *b, int s, int way) {
    long double sum = 0, mean = 0;
    int pairs = 0;
    for (int i = 0; i < b->pixels; i++) {
        int to = way == 0 ? i + 1 : i + b->width;
        mean += b->output[s * b->pixels + i] / b->pixels;
        if (way == 0 ? to % b->width == 0 : to >= b->pixels)
            continue;
        long double apart = 0;
        for (int c = 0; c < 3; c++)
            apart += fabsl(shown(b, s, c, to) - shown(b, s, c, i)) / 3;
        sum += fabsl((long double)b->output[s * b->pixels + to] - b->output[s * b->pixels + i]) *
               expl(-apart);
        pairs++;
    }
    return sum / pairs / (mean + 1e-7L);
}

static long double photometric_of(const struct batch *b, const struct md_objective *objective,
                                  int s) {
    long double sum = 0;
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < b->pixels; i++)
            sum += 0.85L * unlike(b, objective, s, c, i) +
                   0.15L * fabsl(seen(b, objective, s, c, i) - shown(b, s, c, i));
    return sum / (3 * b->pixels) +
           (long double)objective->smoothness * (steps_of(b, s, 0) + steps_of(b, s, 1));
}

/* Runs the table's objective on samples that lie `gap` elements further apart than they need to. */
static inline struct md_loss_report run(enum md_format format, const struct md_objective *objective,
                                        const struct batch *b, int gap, double *gradient) {
    struct md_loss_report report;
    size_t n = (size_t)count_of(b), pixels = (size_t)b->pixels, stride = pixels + (size_t)gap;
    size_t room = (size_t)b->samples * stride;
    void *output = numbers(format, room), *label = numbers(format, room);
    void *slopes = numbers(format, room);
    for (size_t i = 0; i < room; i++)
        set_number(format, slopes, i, 99);
    for (size_t i = 0; i < n; i++) {
        size_t at = i / pixels * stride + i % pixels;
        set_number(format, output, at, b->output[i]);
        set_number(format, label, at, b->label[i]);
    }
    struct fenced work = fence(md_loss_scratch(objective, format, b->pixels), 8);
    const struct md_loss_batch batch = {.samples = b->samples,
                                        .pixels = b->pixels,
                                        .width = b->width > 0 ? b->width : b->pixels,
                                        .stride = stride,
                                        .output = output,
                                        .label = label,
                                        .left = left_picture,
                                        .right = right_picture,
                                        .picture_stride = 3 * pixels,
                                        .fb = b->fb,
                                        .gradient = slopes,
                                        .scratch = work.values,
                                        .balance = numbers(format, MD_LOSS_COUNT),
                                        .balance_gradient = numbers(format, MD_LOSS_COUNT),
                                        .seed = {seed[0], seed[1]},
                                        .step = step_of_draws};
    for (size_t l = 0; l < MD_LOSS_COUNT; l++)
        set_number(format, (void *)batch.balance, l, balance[l]);
    md_ops_find(format, "ref")->loss_gradient(objective, &batch, 1.0f, &report);
    for (size_t l = 0; l < MD_LOSS_COUNT; l++)
        balance_slopes[l] = number(format, batch.balance_gradient, l);
    free((void *)batch.balance);
    free(batch.balance_gradient);
    for (size_t i = 0; i < n; i++)
        gradient[i] = number(format, slopes, i / pixels * stride + i % pixels);
    for (size_t i = 0; i < room; i++)
        cr_assert(i % stride < pixels || number(format, slopes, i) == 99, "beside a sample");
    cr_assert(fence_holds(&work), "beside the scratch");
    unfence(&work);
    free(output);
    free(label);
    free(slopes);
    return report;
}

/* The sum; constants are those of `base`, which the gradient holds. */
static inline long double objective_of(const struct md_objective *objective, const struct batch *b,
                                       const struct batch *base) {
    long double sum = 0;
    for (int loss = 0; loss < MD_LOSS_COUNT; loss++) {
        int each = objective->average == MD_AVERAGE_PICTURE ||
                   (objective->average == MD_AVERAGE_OWN && loss == MD_LOSS_RMSE) ||
                   loss >= MD_LOSS_VNL;
        int groups = 0;
        long double value = 0;
        for (int s = 0; s < b->samples && objective->weight[loss] > 0; s += each ? 1 : b->samples) {
            int samples = each ? 1 : b->samples, first = s * b->pixels;
            struct batch part = {samples, b->pixels, {0}, {0}, {0}, b->width};
            memcpy(part.output, base->output + first, sizeof(double) * (size_t)count_of(&part));
            memcpy(part.label, base->label + first, sizeof(double) * (size_t)count_of(&part));
            struct constants k = constants_of((enum md_loss)loss, &part);
            if (k.valid == 0 && loss != MD_LOSS_PHOTOMETRIC)
                continue;
            groups++;
            value += loss == MD_LOSS_PHOTOMETRIC ? photometric_of(b, objective, s)
                     : loss == MD_LOSS_VNL       ? vnl_of(b, base, s)
                                                 : value_of_group((enum md_loss)loss, b, first,
                                                                  first + count_of(&part), &k);
        }
        if (groups == 0)
            continue;
        value *= (long double)objective->weight[loss] / groups;
        long double p = fmax(balance[loss], 1e-3);
        sum +=
            objective->weighing == MD_WEIGHTS_FIXED ? value : value / (2 * p * p) + logl(1 + p * p);
    }
    return sum;
}

#endif
