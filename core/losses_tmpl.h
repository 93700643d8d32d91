/* A part of ops_tmpl.c, compiled with it once per number format: the losses.
 *
 * For one pixel with output o, label y (disparity): the term of the loss, and in *gradient its
 * derivative by o before the division by the number of valid pixels. */

struct constants {
    real t;     /* the largest label of the batch */
    real c;     /* berhu: 0.2 * the largest difference of the batch, valid or not */
    real fb;    /* of the sample */
    real floor; /* depth_l1: disparity below which depth(o) is continued by its tangent */
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

/* |depth(o) - fb/y| with depth(o) = fb/o above the floor f, and below it the tangent there,
 * fb/f + (fb/f)/f * (f - o): a plain floor would stop the gradient just where the network is most
 * wrong, and this has the same slope on both sides. */
static real depth_l1(real o, real y, const struct constants *k, real *gradient) {
    real held = o > k->floor ? o : k->floor;
    real depth = md_div(k->fb, held), slope = md_div(depth, held);
    depth = md_fma(slope, md_sub(held, o), depth);
    real difference = md_sub(depth, md_div(k->fb, y));
    *gradient = md_negate(sign_of(difference) * slope);
    return magnitude(difference);
}

typedef real term_fn(real o, real y, const struct constants *k, real *gradient);
static term_fn *const terms[MD_LOSS_COUNT] = {berhu, l1, mse, rel_l1, depth_l1};

/* sum + value, with what the rounding lost kept in *lost (Knuth's two-sum). */
static wide_real compensated_add(wide_real sum, wide_real value, wide_real *lost) {
    wide_real total = sum + value, from_value = total - sum;
    *lost = *lost + ((sum - (total - from_value)) + (value - from_value));
    return total;
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
    wide_real sum = 0, lost = 0;
    real count = md_round((real)valid);
    for (int s = 0; s < samples; s++, output += stride, label += stride, gradient += stride) {
        k.fb = md_round((real)fb[s]);
        k.floor = md_div(k.fb, md_round((real)depth_cap_m));
        for (int p = 0; p < pixels; p++) {
            real slope, y = md_load(label[p]);
            gradient[p] = 0;
            if (y == (real)-1)
                continue;
            sum = compensated_add(sum, terms[loss](md_load(output[p]), y, &k, &slope), &lost);
            gradient[p] = md_store(md_div_scaled(slope, (wide_real)scale, count));
        }
    }
    /* Once the sum is infinite, what it lost is NaN. */
    sum = lost == lost ? sum + lost : sum;
    report->value = valid > 0 ? (float)(sum / (wide_real)valid) : 0.0f;
    report->c = (float)k.c;
    report->valid = valid;
}
