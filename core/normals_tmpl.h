/* A part of losses_tmpl.h: virtual normals (Yin et al., "Enforcing geometric constraints of virtual
 * normal for depth prediction", ICCV 2019; LiteDepth's losses/vnl_loss.py). Three pixels of a
 * picture span a plane; the loss compares the normal of the predicted depths' with the labels'.
 *
 * A pixel's point is ((u - W/2) z/fx, (v - H/2) z/fy, z) with LiteDepth's camera, scaled to the
 * picture: fx = 518.858 W/640, fy = 519.470 H/480. Each picture draws int(0.15 W H) triples, with
 * replacement, among its pixels that have a label (the original: among all, and leaves those
 * without out), anew in every step. A triple is kept if, of the labels' points (as in the original;
 * LiteDepth asks the prediction's), there are no two edges with |cos| > 0.867, and not in each
 * coordinate two points nearer than 5 mm. Its loss is the L1 norm of the difference of the two unit
 * normals; the smallest quarter of a picture's is left out, and the rest averaged. A loss that is
 * not finite (the original: 0) is to show. Everything from the points on is wide. */

struct vector {
    wide_real at[3];
};

static struct vector minus(struct vector a, struct vector b) {
    for (int k = 0; k < 3; k++)
        a.at[k] -= b.at[k];
    return a;
}

static wide_real dot(struct vector a, struct vector b) {
    return a.at[0] * b.at[0] + a.at[1] * b.at[1] + a.at[2] * b.at[2];
}

static struct vector cross(struct vector a, struct vector b) {
    struct vector c;
    for (int k = 0; k < 3; k++) {
        int i = (k + 1) % 3, j = (k + 2) % 3;
        c.at[k] = a.at[i] * b.at[j] - a.at[j] * b.at[i];
    }
    return c;
}

static wide_real wide_magnitude(wide_real a) {
    return a < 0 ? -a : a;
}

/* The picture's room: gradients by depth, losses of the triples (-1: not kept), pixels with a
 * label. */
struct normals {
    struct group *g;
    int triples;
    wide_real *by_depth, *losses;
    uint32_t *pixels;
};

/* A pixel's point is the depth times this. */
static struct vector ray_of(const struct group *g, uint32_t pixel) {
    const wide_real fx = (wide_real)518.858 / 640, fy = (wide_real)519.470 / 480;
    int width = g->batch->width, height = g->batch->pixels / width;
    wide_real u = (wide_real)((int)pixel % width) - (wide_real)(width / 2);
    wide_real v = (wide_real)((int)pixel / width) - (wide_real)(height / 2);
    return (struct vector){{u / (fx * (wide_real)width), v / (fy * (wide_real)height), 1}};
}

/* The edges p12, p13 and p23 of three points, with the picture's labels or its outputs. */
static void edges_of(const struct group *g, const uint32_t pixels[3], int of_label,
                     struct vector edges[3]) {
    size_t sample = (size_t)g->first * g->batch->stride;
    struct vector points[3];
    real slope;
    for (int p = 0; p < 3; p++) {
        const elem *values = of_label ? g->batch->label : g->batch->output;
        real value = md_load(values[sample + pixels[p]]);
        wide_real depth = of_label ? md_div(g->fb, value) : depth_of(value, g, &slope);
        points[p] = ray_of(g, pixels[p]);
        for (int k = 0; k < 3; k++)
            points[p].at[k] *= depth;
    }
    edges[0] = minus(points[1], points[0]);
    edges[1] = minus(points[2], points[0]);
    edges[2] = minus(points[2], points[1]);
}

/* A unit normal; one that has no length stays, the original says, 100 times as large. */
static struct vector normal_of(const struct vector edges[3], wide_real *length) {
    struct vector normal = cross(edges[0], edges[1]);
    wide_real norm = md_wide_sqrt(dot(normal, normal));
    *length = norm == 0 ? (wide_real)0.01 : norm;
    for (int k = 0; k < 3; k++)
        normal.at[k] /= *length;
    return normal;
}

/* Words 0 to 2 of the Philox block with the seed as its key and the counter (triple, lower and
 * upper half of the step, DRAW_NORMALS + 256 * picture), as shares of the pixels with a label. */
enum { DRAW_NORMALS = 4 };
static void draw_triple(const struct normals *n, int triple, uint32_t pixels[3]) {
    const struct md_loss_batch *batch = n->g->batch;
    const uint32_t counter[MD_PHILOX_WORDS] = {(uint32_t)triple, (uint32_t)batch->step,
                                               (uint32_t)(batch->step >> 32),
                                               DRAW_NORMALS + 256 * (uint32_t)n->g->first};
    uint32_t words[MD_PHILOX_WORDS];
    md_philox(batch->seed, counter, words);
    for (int p = 0; p < 3; p++)
        pixels[p] = n->pixels[(uint64_t)words[p] * (uint32_t)n->g->valid >> 32];
}

static int is_kept(const struct vector edges[3]) {
    const wide_real nearest = (wide_real)0.005, straight = (wide_real)0.867;
    int near_in = 0;
    for (int k = 0; k < 3; k++)
        near_in += wide_magnitude(edges[0].at[k]) < nearest ||
                   wide_magnitude(edges[1].at[k]) < nearest ||
                   wide_magnitude(edges[2].at[k]) < nearest;
    if (near_in == 3)
        return 0;
    for (int a = 0; a < 3; a++) {
        struct vector one = edges[a], other = edges[(a + 1) % 3];
        wide_real lengths = md_wide_sqrt(dot(one, one)) * md_wide_sqrt(dot(other, other));
        if (wide_magnitude(dot(one, other)) > straight * (lengths + (wide_real)1e-8))
            return 0;
    }
    return 1;
}

/* The loss of a triple, or -1. */
static wide_real loss_of_triple(const struct normals *n, const uint32_t pixels[3]) {
    struct vector edges[3];
    wide_real length;
    edges_of(n->g, pixels, 1, edges);
    if (!is_kept(edges))
        return -1;
    struct vector right = normal_of(edges, &length);
    edges_of(n->g, pixels, 0, edges);
    struct vector off = minus(normal_of(edges, &length), right);
    return wide_magnitude(off.at[0]) + wide_magnitude(off.at[1]) + wide_magnitude(off.at[2]);
}

/* Adds `share` times the gradient of the triple's loss by its points' depths: with s the signs of
 * the difference of normals and c = p12 x p13, by c it is (s - n (n s)) / |c|, by p12 p13 x that,
 * by p13 that x p12. */
static void add_gradient(const struct normals *n, const uint32_t pixels[3], wide_real share) {
    struct vector edges[3], by[3];
    wide_real length;
    edges_of(n->g, pixels, 1, edges);
    struct vector right = normal_of(edges, &length);
    edges_of(n->g, pixels, 0, edges);
    struct vector normal = normal_of(edges, &length), off = minus(normal, right), signs, by_c;
    for (int k = 0; k < 3; k++)
        signs.at[k] = (wide_real)((off.at[k] > 0) - (off.at[k] < 0));
    wide_real along = dot(normal, signs);
    for (int k = 0; k < 3; k++)
        by_c.at[k] = (signs.at[k] - normal.at[k] * along) / length * share;
    by[1] = cross(edges[1], by_c);
    by[2] = cross(by_c, edges[0]);
    by[0] = minus(minus((struct vector){{0, 0, 0}}, by[1]), by[2]);
    for (int p = 0; p < 3; p++)
        n->by_depth[pixels[p]] += dot(ray_of(n->g, pixels[p]), by[p]);
}

/* The bits of a positive number order as it does. */
#if MD_NUMBER == MD_NUMBER_fp64
typedef uint64_t wide_bits;
#else
typedef uint32_t wide_bits;
#endif
static wide_real wide_of(wide_bits bits) {
    wide_real value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

/* How many losses of triples that are kept are less than `limit`. */
static int count_less(const struct normals *n, wide_real limit) {
    int count = 0;
    for (int t = 0; t < n->triples; t++)
        count += n->losses[t] >= 0 && n->losses[t] < limit;
    return count;
}

/* The loss that `drop` others come before: the largest number that at most so many are less than.
 */
static wide_real find_cut(const struct normals *n, int drop) {
    wide_bits cut = 0;
    for (int bit = 8 * (int)sizeof cut - 2; bit >= 0; bit--) {
        wide_bits more = cut | (wide_bits)1 << bit;
        if (!(wide_of(more) - wide_of(more) == 0)) /* beyond all numbers */
            continue;
        if (count_less(n, wide_of(more)) <= drop)
            cut = more;
    }
    return wide_of(cut);
}

/* Of equal losses at the cut the triples drawn first are left out. */
static wide_real vnl(struct group *g, wide_real share) {
    const struct md_loss_batch *batch = g->batch;
    struct normals n = {g, md_loss_triples(batch->pixels), batch->scratch, NULL, NULL};
    struct wide_sum sum = {0, 0};
    uint32_t pixels[3];
    int kept = 0, valid = 0;
    n.losses = n.by_depth + batch->pixels;
    n.pixels = (uint32_t *)(void *)(n.losses + n.triples);
    for (struct block b = begin(g); next(g, &b, 0);)
        for (int k = 0; k < b.count; k++) {
            n.pixels[valid++] = (uint32_t)b.index[k];
            n.by_depth[b.index[k]] = 0;
        }
    for (int t = 0; t < n.triples; t++) {
        draw_triple(&n, t, pixels);
        n.losses[t] = loss_of_triple(&n, pixels);
        kept += !(n.losses[t] < 0);
    }
    if (kept == 0)
        return 0;
    int drop = kept / 4;
    wide_real cut = find_cut(&n, drop), rest = (wide_real)(kept - drop);
    int equal = drop - count_less(&n, cut);
    for (int t = 0; t < n.triples; t++) {
        if (n.losses[t] < cut || (n.losses[t] == cut && equal-- > 0))
            continue;
        add_to(&sum, n.losses[t]);
        draw_triple(&n, t, pixels);
        add_gradient(&n, pixels, share / rest);
    }
    for (struct block b = begin(g); next(g, &b, 0);)
        for (int k = 0; k < b.count; k++) {
            real slope;
            depth_of(b.o[k], g, &slope);
            put_gradient(g, &b, k, md_from_wide(n.by_depth[b.index[k]] * -(wide_real)slope));
        }
    return sum_of(&sum) / rest;
}
