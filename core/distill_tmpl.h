/* A part of ops_tmpl.c, compiled with it once per number format: distillation (struct md_distill).
 *
 * Neither matrix of cosines is ever there: a row of both is made, and used up, at a time. With f
 * the student's features of a pixel and t the teacher's, all sums wide:
 *
 *   r = 1 / sqrt(sum of f f over channels), or 0 where that sum is 0 (so that u = r f is 0, too);
 *   s likewise of t
 *   a = the sum of f_i f_j over channels, b that of t_i t_j; each from 0 on, channels ascending
 *   d_ij = (a r_i) r_j - (b s_i) s_j; 0 where j does not count: its s is 0
 *   value = sum over i of the sum over j of d_ij d_ij, divided by n n
 *   g = the sum over j of (d_ij r_j) f_j, for each channel; h = the sum of g f_i over channels
 *   gradient of pixel i = ((g - (h r_i) (f_i r_i)) r_i) (4 factor / (n n)); rounded to the format
 *   when it is added to the error
 *
 * The 4: d_ij is there twice, and squared. Sums over j are eight, of every eighth pixel each, and
 * then ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)). That over i is compensated. */

enum { AT_A_TIME = 32, LANES = MD_DISTILL_LANES };

/* The room. */
struct relations {
    const struct md_distill *of;
    int pixels;
    wide_real *ours, *theirs; /* r, s */
    wide_real *unlike;        /* of each pixel: the sum over j of d d */
};

static struct relations relations_of(const struct md_distill *distill) {
    int n = distill->x.height * distill->x.width;
    wide_real *room = distill->room;
    return (struct relations){distill, n, room, room + n, room + 2 * n};
}

static const elem *features(const struct relations *all, int channel) {
    return (const elem *)all->of->x.at + (size_t)channel * (size_t)all->pixels;
}

static const int8_t *taught(const struct relations *all, int channel) {
    return all->of->teacher + (size_t)channel * (size_t)all->pixels;
}

static wide_real inverse_root(wide_real squares) {
    return squares == 0 ? 0 : 1 / md_wide_sqrt(squares);
}

static void distill_begin(const struct md_distill *distill) {
    struct relations all = relations_of(distill);
    int first, last;
    md_share(distill->part, all.pixels, &first, &last);
    for (int p = first; p < last; p++) {
        wide_real ours = 0, theirs = 0;
        for (int c = 0; c < distill->x.channels; c++) {
            wide_real f = md_load(features(&all, c)[p]);
            ours += f * f;
        }
        for (int c = 0; c < distill->teacher_channels; c++) {
            wide_real t = taught(&all, c)[p];
            theirs += t * t;
        }
        all.ours[p] = inverse_root(ours);
        all.theirs[p] = inverse_root(theirs);
        all.unlike[p] = 0;
    }
}

/* d_ij of some j, from `from` on. */
static void compare_some(const struct relations *all, int i, int from, int count, wide_real *d) {
    wide_real a[AT_A_TIME] = {0}, b[AT_A_TIME] = {0}, some[AT_A_TIME];
    for (int c = 0; c < all->of->x.channels; c++) {
        const elem *f = features(all, c);
        wide_real here = md_load(f[i]);
        md_widen_all((size_t)count, f + from, some);
        for (int j = 0; j < count; j++)
            a[j] += here * some[j];
    }
    for (int c = 0; c < all->of->teacher_channels; c++) {
        const int8_t *t = taught(all, c);
        for (int j = 0; j < count; j++)
            b[j] += (wide_real)(t[i] * t[from + j]);
    }
    const wide_real *ours = all->ours + from, *theirs = all->theirs + from;
    for (int j = 0; j < count; j++)
        d[j] =
            theirs[j] == 0 ? 0 : a[j] * all->ours[i] * ours[j] - b[j] * all->theirs[i] * theirs[j];
}

static void add_products(int count, const wide_real *a, const wide_real *b,
                         wide_real lanes[LANES]) {
    int j = 0;
    for (; j + LANES <= count; j += LANES)
        for (int k = 0; k < LANES; k++)
            lanes[k] += a[j + k] * b[j + k];
    for (; j < count; j++)
        lanes[j % LANES] += a[j] * b[j];
}

static wide_real sum_of_lanes(const wide_real l[LANES]) {
    return ((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]));
}

/* Makes row i, and adds for each channel what its weights d_ij r_j make of f_j to LANES of `pulls`.
 */
static void add_row(const struct relations *all, int i, wide_real *pulls) {
    wide_real unlike[LANES] = {0}, d[AT_A_TIME], some[AT_A_TIME];
    for (int from = 0, count; from < all->pixels; from += count) {
        count = all->pixels - from < AT_A_TIME ? all->pixels - from : AT_A_TIME;
        compare_some(all, i, from, count, d);
        add_products(count, d, d, unlike);
        for (int j = 0; j < count; j++)
            d[j] *= all->ours[from + j];
        for (int c = 0; c < all->of->x.channels; c++) {
            md_widen_all((size_t)count, features(all, c) + from, some);
            add_products(count, d, some, pulls + LANES * c);
        }
    }
    all->unlike[i] = sum_of_lanes(unlike);
}

/* Only what turns a vector is left of what pulls at it: its length does not count. */
static void turn(const struct relations *all, int i, const wide_real *pulls, wide_real factor) {
    const struct md_map *dx = &all->of->dx;
    wide_real r = all->ours[i], along = 0;
    for (int c = 0; c < dx->channels; c++)
        along += pulls[c] * (wide_real)md_load(features(all, c)[i]);
    for (int c = 0; c < dx->channels; c++) {
        elem *to = (elem *)dx->at + (size_t)c * (size_t)all->pixels + (size_t)i;
        wide_real f = md_load(features(all, c)[i]);
        wide_real gradient = (pulls[c] - along * r * (f * r)) * r * factor;
        *to = md_store(md_add(md_load(*to), md_from_wide(gradient)));
    }
}

static wide_real pairs_of(const struct relations *all) {
    int counted = 0;
    for (int p = 0; p < all->pixels; p++)
        counted += all->theirs[p] != 0;
    return (wide_real)counted * (wide_real)counted;
}

static void distill_gradient(const struct md_distill *distill) {
    struct relations all = relations_of(distill);
    wide_real *pulls = distill->scratch;
    wide_real factor = 4 * (wide_real)distill->factor / pairs_of(&all);
    int first, last;
    md_share(distill->part, all.pixels, &first, &last);
    for (int i = first; i < last; i++) {
        if (all.theirs[i] == 0)
            continue;
        for (int p = 0; p < LANES * distill->x.channels; p++)
            pulls[p] = 0;
        add_row(&all, i, pulls);
        for (int c = 0; c < distill->x.channels; c++)
            pulls[c] = sum_of_lanes(pulls + LANES * c);
        turn(&all, i, pulls, factor);
    }
}

static float distill_value(const struct md_distill *distill) {
    struct relations all = relations_of(distill);
    struct wide_sum sum = {0, 0};
    wide_real pairs = pairs_of(&all);
    for (int i = 0; i < all.pixels; i++)
        add_to(&sum, all.unlike[i]);
    return (float)(pairs == 0 ? 0 : sum_of(&sum) / pairs);
}
