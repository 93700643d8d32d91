/* For lanes.h: any machine: a vector of one lane. What is left of the kernels is a tile of sums in
 * registers, each operand loaded once for several of them. */
#ifndef MD_CORE_LANES_PORTABLE_H
#define MD_CORE_LANES_PORTABLE_H

#include "format.h"

typedef uint16_t lane_bits; /* one each */

#define GATHERS 0
#define LANES   1
#define TILE_M  4
#define TILE_P  2
#define WIDE    1
typedef real vec;
typedef unsigned mask;
#define V_ALL 1u

static inline mask v_mask(const lane_bits *bits) {
    return *bits;
}
static inline vec v_widen(const elem *from) {
    return md_load(*from);
}
static inline void v_narrow(elem *to, vec a) {
    *to = md_store(a);
}
static inline unsigned v_fma_begin(void) {
    return 0;
}
static inline void v_fma_end(unsigned before) {
    (void)before;
}
static inline vec v_zero(void) {
    return 0;
}
static inline vec v_scale(vec a, real by) {
    return a * by;
}
static inline vec v_splat(const real *from) {
    return *from;
}
static inline vec v_load(const real *from) {
    return *from;
}
static inline void v_store(real *to, vec a) {
    *to = a;
}
static inline vec v_wide_add(vec a, vec b) {
    return a + b;
}
static inline vec v_add(vec a, vec b) {
    return md_add(a, b);
}
static inline vec v_fma(vec a, vec b, vec c) {
    return md_fma(a, b, c);
}
static inline vec v_fma_masked(vec a, vec b, vec c, mask m) {
    return m != 0 ? md_fma(a, b, c) : c;
}

#endif
