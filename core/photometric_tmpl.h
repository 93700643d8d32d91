/* A part of losses_tmpl.h: what Godard et al. call photometric ("Digging into self-supervised
 * monocular depth estimation", ICCV 2019; nianticlabs/monodepth2), for a pair of rectified cameras:
 * the left picture, which the network saw, is put together from the right one by the predicted
 * disparity, and compared with what it is. No label is looked at.
 *
 * With a(p) the right picture at column x - stereo_scale * o of p's row, between two pixels linear
 * and beyond the edges as there, and b the left picture (bytes / 255), the loss is the mean over
 * pixels and channels of 0.85 (1 - SSIM(a, b)) / 2, held in 0 .. 1, + 0.15 |a - b|, SSIM of the
 * means of 3x3 pixels, the picture mirrored at its edges. To it comes `smoothness` times the sum,
 * over the two ways along rows and columns, of the mean over neighbours p, q of |o(q) - o(p)| /
 * mean of o * exp(-mean over channels of |b(q) - b(p)|). (There is one other picture, so there is
 * no least error over several, and no mask of what looks alike without moving, which such a pair
 * has not.) Everything is wide. */

/* One picture's, and its room: a of one channel, the gradient by that, and by the output. */
struct pair {
    const struct group *g;
    const uint8_t *left, *right;
    const elem *output;
    int pixels, width;
    wide_real *seen, *by_seen, *by_output;
};

static wide_real light_of(uint8_t byte) {
    return (wide_real)byte / 255;
}

/* What a pixel shows of a channel of the right picture, and the gradient by the pixel's output,
 * which is 0 at the edges and beyond them. */
static wide_real look_right(const struct pair *v, const uint8_t *channel, int pixel,
                            wide_real *slope) {
    const wide_real scale = v->g->objective->stereo_scale, last = (wide_real)(v->width - 1);
    int column = pixel % v->width;
    wide_real x = (wide_real)column - scale * (wide_real)md_load(v->output[pixel]);
    int inside = x > 0 && x < last;
    x = x < 0 ? 0 : x > last ? last : x;
    int from = x > 0 ? (int)x : 0; /* of what is not a number the first, and it shows in `x` */
    const uint8_t *at = channel + (pixel - column) + from;
    wide_real here = light_of(at[0]), step = from < v->width - 1 ? light_of(at[1]) - here : 0;
    *slope = inside ? -scale * step : 0;
    return here + (x - (wide_real)from) * step;
}

/* Before the first and behind the last of `count` rows or columns they come back, the outermost
 * only once; a single one is its own neighbour. */
static int mirrored(int at, int count) {
    at = at < 0 ? -at : at;
    at = at < count ? at : 2 * count - 2 - at;
    return at < 0 ? 0 : at;
}

/* The pixels around one, and itself. */
enum { AROUND = 9 };
static void look_around(const struct pair *v, int pixel, int around[AROUND]) {
    int row = pixel / v->width, column = pixel % v->width;
    for (int n = 0; n < AROUND; n++)
        around[n] = mirrored(row + n / 3 - 1, v->pixels / v->width) * v->width +
                    mirrored(column + n % 3 - 1, v->width);
}

/* (1 - SSIM) / 2 at a pixel of a channel, of which b is `left`; `share` times its gradient goes to
 * by_seen. With m the means, SSIM = A1 A2 / (B1 B2), A1 = 2 m(a) m(b) + C1, A2 = 2 (m(ab) - m(a)
 * m(b)) + C2, B1 = m(a)^2 + m(b)^2 + C1, B2 = m(aa) - m(a)^2 + m(bb) - m(b)^2 + C2. */
static wide_real unlikeness(const struct pair *v, const uint8_t *left, int pixel, wide_real share) {
    const wide_real c1 = (wide_real)1e-4, c2 = (wide_real)9e-4;
    wide_real a = 0, b = 0, aa = 0, bb = 0, ab = 0;
    int around[AROUND];
    look_around(v, pixel, around);
    for (int n = 0; n < AROUND; n++) {
        wide_real seen = v->seen[around[n]], there = light_of(left[around[n]]);
        a += seen / AROUND;
        b += there / AROUND;
        aa += seen * seen / AROUND;
        bb += there * there / AROUND;
        ab += seen * there / AROUND;
    }
    wide_real a1 = 2 * a * b + c1, a2 = 2 * (ab - a * b) + c2;
    wide_real b1 = a * a + b * b + c1, b2 = (aa - a * a) + (bb - b * b) + c2;
    wide_real ssim = a1 * a2 / (b1 * b2), half = (1 - ssim) / 2;
    if (half < 0 || half > 1)
        return half < 0 ? 0 : 1;
    wide_real by_ab = 2 * a1 / (b1 * b2), by_aa = -ssim / b2;
    wide_real by_a = 2 * b * (a2 - a1) / (b1 * b2) - 2 * a * ssim * (1 / b1 - 1 / b2);
    for (int n = 0; n < AROUND; n++)
        v->by_seen[around[n]] +=
            -share / (2 * AROUND) *
            (by_a + 2 * v->seen[around[n]] * by_aa + light_of(left[around[n]]) * by_ab);
    return half;
}

/* The sum over pixels of one channel, and its gradient; each pixel's weight is 1 / (3 pixels). */
static void compare_channel(const struct pair *v, int channel, struct wide_sum *sum) {
    const wide_real structure = (wide_real)0.85, plain = (wide_real)0.15;
    const uint8_t *left = v->left + (size_t)channel * (size_t)v->pixels;
    const uint8_t *right = v->right + (size_t)channel * (size_t)v->pixels;
    wide_real slope;
    for (int p = 0; p < v->pixels; p++) {
        v->seen[p] = look_right(v, right, p, &slope);
        wide_real off = v->seen[p] - light_of(left[p]);
        v->by_seen[p] = plain * (wide_real)((off > 0) - (off < 0));
        add_to(sum, plain * wide_magnitude(off));
    }
    for (int p = 0; p < v->pixels; p++)
        add_to(sum, structure * unlikeness(v, left, p, structure));
    for (int p = 0; p < v->pixels; p++) {
        look_right(v, right, p, &slope);
        v->by_output[p] += v->by_seen[p] * slope / (wide_real)(3 * v->pixels);
    }
}

/* exp(-t) for 0 <= t <= 1, by its series, which alternates: of n terms the rest is less than
 * t^(n+1) / (n+1)!, for n = 11 2.1e-9 and for n = 18 0.9e-17. */
static wide_real decay_of(wide_real t) {
    wide_real value = 1;
    for (int n = sizeof(wide_real) == sizeof(double) ? 18 : 11; n > 0; n--)
        value = md_wide_fma(-t / (wide_real)n, value, 1);
    return value;
}

/* exp(-mean over channels of the difference of two pixels) */
static wide_real likeness(const struct pair *v, int p, int q) {
    wide_real sum = 0;
    for (int channel = 0; channel < 3; channel++, p += v->pixels, q += v->pixels)
        sum += wide_magnitude(light_of(v->left[q]) - light_of(v->left[p]));
    return decay_of(sum / 3);
}

/* With m the mean of o (+ 1e-7), the gradient by o is that at a constant m, less value / m / pixels
 * of the mean's own. */
static wide_real roughness(const struct pair *v, wide_real weight) {
    const int height = v->pixels / v->width, steps[2] = {1, v->width};
    const int pairs[2] = {height * (v->width - 1), (height - 1) * v->width};
    struct wide_sum mean = {0, 0}, sum = {0, 0};
    for (int p = 0; p < v->pixels; p++)
        add_to(&mean, (wide_real)md_load(v->output[p]));
    wide_real m = sum_of(&mean) / (wide_real)v->pixels + (wide_real)1e-7;
    for (int p = 0; p < v->pixels; p++)
        for (int way = 0; way < 2; way++) {
            int q = p + steps[way];
            if (way == 0 ? q % v->width == 0 : q >= v->pixels)
                continue;
            wide_real off =
                ((wide_real)md_load(v->output[q]) - (wide_real)md_load(v->output[p])) / m;
            wide_real like = likeness(v, p, q) / (wide_real)pairs[way];
            wide_real slope = weight * like * (wide_real)((off > 0) - (off < 0)) / m;
            add_to(&sum, wide_magnitude(off) * like);
            v->by_output[q] += slope;
            v->by_output[p] -= slope;
        }
    for (int p = 0; p < v->pixels; p++)
        v->by_output[p] -= weight * sum_of(&sum) / m / (wide_real)v->pixels;
    return weight * sum_of(&sum);
}

static wide_real photometric(struct group *g, wide_real share) {
    const struct md_loss_batch *batch = g->batch;
    const size_t picture = (size_t)g->first * batch->picture_stride;
    struct pair v = {g,
                     batch->left + picture,
                     batch->right + picture,
                     (const elem *)batch->output + (size_t)g->first * batch->stride,
                     batch->pixels,
                     batch->width,
                     batch->scratch,
                     NULL,
                     NULL};
    struct wide_sum sum = {0, 0};
    v.by_seen = v.seen + v.pixels;
    v.by_output = v.by_seen + v.pixels;
    for (int p = 0; p < v.pixels; p++)
        v.by_output[p] = 0;
    for (int channel = 0; channel < 3; channel++)
        compare_channel(&v, channel, &sum);
    wide_real value = sum_of(&sum) / (wide_real)(3 * v.pixels);
    if (g->objective->smoothness > 0)
        value += roughness(&v, g->objective->smoothness);
    for (struct block b = begin(g); next(g, &b, 1);)
        for (int k = 0; k < b.count; k++)
            put_gradient(g, &b, k, md_from_wide(v.by_output[b.index[k]] * share));
    return value;
}
