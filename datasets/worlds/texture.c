/* The albedo of a material at a point: every texture is a function of the point alone, built from a
 * hash of integer lattice points. */
#include "world.h"

#include <math.h>

/* Uniform in [0, 1) and the same for ever for one lattice point. */
static double lattice(double column, double row, uint32_t variant) {
    uint32_t h = variant ^ (uint32_t)(int32_t)column * UINT32_C(0x9E3779B1) ^
                 (uint32_t)(int32_t)row * UINT32_C(0x85EBCA77);
    h = (h ^ h >> 15) * UINT32_C(0x2C1B3C6D);
    h = (h ^ h >> 12) * UINT32_C(0x297A2D39);
    return (h ^ h >> 15) * 0x1p-32;
}

static double smooth(double x) {
    return x * x * (3 - 2 * x);
}

static double blend(double a, double b, double share) {
    return a + (b - a) * share;
}

/* Value noise: lattice values, smoothly interpolated. */
static double noise(double u, double v, uint32_t variant) {
    double column = floor(u), row = floor(v), across = smooth(u - column);
    double below = blend(lattice(column, row, variant), lattice(column + 1, row, variant), across);
    double above =
        blend(lattice(column, row + 1, variant), lattice(column + 1, row + 1, variant), across);
    return blend(below, above, smooth(v - row));
}

static int is_odd(double whole) {
    return fmod(whole, 2) != 0;
}

/* Below: the share of the second colour at (u, v), which are counted in units of the scale. */

static double plain(double u, double v, uint32_t variant) {
    (void)u, (void)v, (void)variant;
    return 0;
}

static double checks(double u, double v, uint32_t variant) {
    (void)variant;
    return is_odd(floor(u) + floor(v));
}

static double stripes(double u, double v, uint32_t variant) {
    (void)v, (void)variant;
    return is_odd(floor(u));
}

static double bricks(double u, double v, uint32_t variant) {
    double row = floor(v), along = u / 2 + (is_odd(row) ? 0.5 : 0), column = floor(along);
    int mortar = v - row < 0.15 || along - column < 0.075;
    return mortar ? 1 : 0.35 * lattice(column, row, variant);
}

static double planks(double u, double v, uint32_t variant) {
    double column = floor(u), along = v / 10 + lattice(column, 0, variant), row = floor(along);
    int gap = u - column < 0.08 || along - row < 0.01;
    double grain = noise(u * 6, v / 2, variant);
    return gap ? 1 : 0.45 * lattice(column, row, variant + 1) + 0.25 * grain;
}

static double mottled(double u, double v, uint32_t variant) {
    return 0.65 * noise(u, v, variant) + 0.35 * noise(u * 2.7, v * 2.7, variant + 1);
}

static double patches(double u, double v, uint32_t variant) {
    return lattice(floor(u), floor(v), variant);
}

/* Each darker or brighter behind its pane. */
static double windows(double u, double v, uint32_t variant) {
    double column = floor(u), row = floor(v), across = u - column, up = v - row;
    int inside = across > 0.28 && across < 0.72 && up > 0.3 && up < 0.82;
    return inside ? 1 - 0.35 * lattice(column, row, variant) : 0;
}

static const struct {
    double (*share)(double u, double v, uint32_t variant);
    double mean; /* of the share: what is seen from too far away */
} textures[] = {
    [MD_PLAIN] = {plain, 0},       [MD_CHECKS] = {checks, 0.5},   [MD_STRIPES] = {stripes, 0.5},
    [MD_BRICKS] = {bricks, 0.35},  [MD_PLANKS] = {planks, 0.4},   [MD_MOTTLED] = {mottled, 0.5},
    [MD_PATCHES] = {patches, 0.5}, [MD_WINDOWS] = {windows, 0.19}};

struct md_vec md_material_albedo(const struct md_material *material, double u_m, double v_m,
                                 double footprint_m) {
    const double skirting_albedo = 0.06;
    if (v_m < material->skirting_m)
        return (struct md_vec){skirting_albedo, skirting_albedo, skirting_albedo};
    double scale = material->scale_m, share = textures[material->texture].mean;
    /* Full contrast up to half a unit per pixel, none beyond one and a half. */
    double contrast = fmin(1.5 - footprint_m / scale, 1);
    if (contrast > 0) {
        double here =
            textures[material->texture].share(u_m / scale, v_m / scale, material->variant);
        share = blend(share, here, contrast);
    }
    return md_vec_add(md_vec_scale(material->first, 1 - share),
                      md_vec_scale(material->second, share));
}
