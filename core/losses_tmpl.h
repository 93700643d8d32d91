/* A part of ops_tmpl.c, compiled with it once per number format: the losses.
 *
 * Most are a mean over the batch's valid pixels. For one pixel with output o, label y (disparity):
 * the term of the loss, and in *gradient its derivative by o before the division by the number of
 * valid pixels. */

struct constants {
    real t;     /* the largest label of the batch */
    real c;     /* berhu: 0.2 * the largest difference of the batch, valid or not */
    real fb;    /* of the sample */
    real floor; /* disparity below which depth(o) is continued by its tangent */
};

static real sign_of(real a) {
    return a > 0 ? (real)1 : a < 0 ? (real)-1 : (real)0;
}

static real magnitude(real a) {
    return a < 0 ? md_negate(a) : a;
}

/* d = |o/t - y/t|; d < c: d, gradient sign / t; else (d*d - c*c) / (c + c), gradient
 * sign * (d / c) / t. The minus is the release's: the published formula jumps at c. */
static real berhu(real o, real y, const struct constants *k, real *gradient) {
    real difference = md_sub(md_div(o, k->t), md_div(y, k->t)), d = magnitude(difference);
    *gradient = md_div(sign_of(difference), k->t);
    if (d < k->c || k->c == 0)
        return d;
    *gradient = md_div(sign_of(difference) * md_div(d, k->c), k->t);
    return md_div(md_sub(md_mul(d, d), md_mul(k->c, k->c)), md_add(k->c, k->c));
}

/* |o - y| */
static real l1(real o, real y, const struct constants *k, real *gradient) {
    real difference = md_sub(o, y);
    (void)k;
    *gradient = sign_of(difference);
    return magnitude(difference);
}

/* (o - y)^2 */
static real mse(real o, real y, const struct constants *k, real *gradient) {
    real difference = md_sub(o, y);
    (void)k;
    *gradient = md_add(difference, difference);
    return md_mul(difference, difference);
}

/* |o - y| / y */
static real rel_l1(real o, real y, const struct constants *k, real *gradient) {
    real difference = md_sub(o, y);
    (void)k;
    *gradient = md_div(sign_of(difference), y);
    return md_div(magnitude(difference), y);
}

/* depth(o) - fb/y with depth(o) = fb/o above the floor f, and below it the tangent there,
 * fb/f + (fb/f)/f * (f - o): a plain floor would stop the gradient just where the network is most
 * wrong, and this has the same slope, -*slope, on both sides. */
static real depth_difference(real o, real y, const struct constants *k, real *slope) {
    real held = o > k->floor ? o : k->floor;
    real depth = md_div(k->fb, held);
    *slope = md_div(depth, held);
    return md_sub(md_fma(*slope, md_sub(held, o), depth), md_div(k->fb, y));
}

/* |depth(o) - fb/y| */
static real depth_l1(real o, real y, const struct constants *k, real *gradient) {
    real slope, difference = depth_difference(o, y, k, &slope);
    *gradient = md_negate(sign_of(difference) * slope);
    return magnitude(difference);
}

typedef real term_fn(real o, real y, const struct constants *k, real *gradient);
static term_fn *const terms[MD_LOSS_COUNT] = {berhu, l1, mse, rel_l1, depth_l1, NULL};

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

static void at_sample(struct constants *k, float fb, float depth_cap_m) {
    k->fb = md_round((real)fb);
    k->floor = md_div(k->fb, md_round((real)depth_cap_m));
}

static int valid_among(int pixels, const elem *label) {
    int valid = 0;
    for (int p = 0; p < pixels; p++)
        valid += md_load(label[p]) != (real)-1;
    return valid;
}

/* rmse, of one picture: the root r of the mean of d^2, d = depth(o) - fb/y, over its n valid
 * pixels; gradient = (d * -slope) * factor, rounded once, with factor = share / (n * r), or 0 where
 * r is. Differences and slopes are in the format; squares, their compensated sum, the root and the
 * factor are wide: in 8 bits, or up to 65504, there are no sums of thousands of squares. */
static wide_real picture_rmse(int pixels, int valid, const elem *output, const elem *label,
                              const struct constants *k, wide_real share, elem *gradient) {
    struct wide_sum squares = {0, 0};
    real slope;
    for (int p = 0; p < pixels; p++)
        if (md_load(label[p]) != (real)-1) {
            wide_real d = depth_difference(md_load(output[p]), md_load(label[p]), k, &slope);
            add_to(&squares, d * d);
        }
    wide_real root = md_wide_sqrt(sum_of(&squares) / (wide_real)valid);
    wide_real factor = root == 0 ? 0 : share / ((wide_real)valid * root);
    for (int p = 0; p < pixels; p++)
        if (md_load(label[p]) != (real)-1) {
            wide_real d = depth_difference(md_load(output[p]), md_load(label[p]), k, &slope);
            gradient[p] = md_narrow(d * -(wide_real)slope * factor);
        }
    return root;
}

/* The mean over the pictures with a valid pixel of what each alone has. */
static void rmse_gradient(int samples, int pixels, const elem *output, const elem *label,
                          size_t stride, const float *fb, float depth_cap_m, float scale,
                          elem *gradient, struct md_loss_report *report) {
    struct wide_sum roots = {0, 0};
    struct constants k = {0, 0, 0, 0};
    int pictures = 0;
    report->valid = 0;
    for (int s = 0; s < samples; s++) {
        int valid = valid_among(pixels, label + (size_t)s * stride);
        report->valid += valid;
        pictures += valid > 0;
    }
    for (int s = 0; s < samples; s++, output += stride, label += stride, gradient += stride) {
        int valid = valid_among(pixels, label);
        for (int p = 0; p < pixels; p++)
            gradient[p] = 0;
        at_sample(&k, fb[s], depth_cap_m);
        if (valid > 0)
            add_to(&roots, picture_rmse(pixels, valid, output, label, &k,
                                        (wide_real)scale / (wide_real)pictures, gradient));
    }
    report->value = pictures > 0 ? (float)(sum_of(&roots) / (wide_real)pictures) : 0.0f;
    report->c = 0;
    report->count = pictures;
}

/* gradient = term's gradient * scale / N, N the number of valid pixels: rounded once, so that a
 * scale keeps from underflow what the division would lose. The reported value feeds nothing back;
 * its sum is compensated and never rounded to 16 bits. */
static void loss_gradient(enum md_loss loss, int samples, int pixels, const void *output_,
                          const void *label_, size_t stride, const float *fb, float depth_cap_m,
                          float scale, void *gradient_, struct md_loss_report *report) {
    const elem *output = output_, *label = label_;
    elem *gradient = gradient_;
    int valid = 0;
    if (loss == MD_LOSS_RMSE) {
        rmse_gradient(samples, pixels, output, label, stride, fb, depth_cap_m, scale, gradient,
                      report);
        return;
    }
    struct constants k = {(real)-1, 0, 0, 0};
    for (int s = 0; s < samples; s++)
        for (int p = 0; p < pixels; p++) {
            real y = md_load(label[(size_t)s * stride + (size_t)p]);
            valid += y != (real)-1;
            k.t = y > k.t ? y : k.t;
        }
    for (int s = 0; loss == MD_BERHU && valid > 0 && s < samples; s++)
        for (int p = 0; p < pixels; p++) {
            real o = md_load(output[(size_t)s * stride + (size_t)p]);
            real y = md_load(label[(size_t)s * stride + (size_t)p]);
            real share =
                md_mul(md_round((real)0.2), magnitude(md_sub(md_div(o, k.t), md_div(y, k.t))));
            k.c = share > k.c ? share : k.c;
        }
    struct wide_sum sum = {0, 0};
    real count = md_round((real)valid);
    for (int s = 0; s < samples; s++, output += stride, label += stride, gradient += stride) {
        at_sample(&k, fb[s], depth_cap_m);
        for (int p = 0; p < pixels; p++) {
            real slope, y = md_load(label[p]);
            gradient[p] = 0;
            if (y == (real)-1)
                continue;
            add_to(&sum, terms[loss](md_load(output[p]), y, &k, &slope));
            gradient[p] = md_store(md_div_scaled(slope, (wide_real)scale, count));
        }
    }
    report->value = valid > 0 ? (float)(sum_of(&sum) / (wide_real)valid) : 0.0f;
    report->c = (float)k.c;
    report->valid = report->count = valid;
}
