/* For lanes.h: two lanes of binary16 in one 32-bit register, as GAP9 has them (there vfmac.h,
 * elsewhere lane by lane): neighbouring outputs, so that the lanes do not change the bits of any.
 */
#ifndef MD_CORE_LANES_PAIRS_H
#define MD_CORE_LANES_PAIRS_H

#include "format.h"

typedef uint16_t lane_bits; /* one each */

#define GATHERS 0
#define LANES   2
#define TILE_M  4
#define TILE_P  2
#define WIDE    1
typedef real vec __attribute__((vector_size(2 * sizeof(real))));
typedef unsigned mask;
#define V_ALL 3u

static inline mask v_mask(const lane_bits *bits) {
    return *bits;
}
static inline vec v_load(const real *from) {
    vec v;
    __builtin_memcpy(&v, from, sizeof v);
    return v;
}
static inline vec v_widen(const elem *from) {
    return (vec){md_load(from[0]), md_load(from[1])};
}
static inline void v_narrow(elem *to, vec a) {
    to[0] = md_store(a[0]);
    to[1] = md_store(a[1]);
}
static inline unsigned v_fma_begin(void) {
    return 0;
}
static inline void v_fma_end(unsigned before) {
    (void)before;
}
static inline vec v_zero(void) {
    return (vec){0, 0};
}
static inline vec v_scale(vec a, real by) {
    return (vec){a[0] * by, a[1] * by};
}
static inline vec v_splat(const real *from) {
    return (vec){*from, *from};
}
static inline void v_store(real *to, vec a) {
    __builtin_memcpy(to, &a, sizeof a);
}
static inline vec v_wide_add(vec a, vec b) {
    return (vec){a[0] + b[0], a[1] + b[1]};
}
static inline vec v_add(vec a, vec b) {
    return (vec){md_add(a[0], b[0]), md_add(a[1], b[1])};
}
static inline vec v_fma(vec a, vec b, vec c) {
#if defined(__gap9__)
    __asm__("vfmac.h %0, %1, %2" : "+r"(c) : "r"(a), "r"(b));
    return c;
#else
    return (vec){md_fma(a[0], b[0], c[0]), md_fma(a[1], b[1], c[1])};
#endif
}
static inline vec v_fma_masked(vec a, vec b, vec c, mask m) {
    vec sum = v_fma(a, b, c);
    if (m == 3)
        return sum;
    return (vec){(m & 1u) != 0 ? sum[0] : c[0], (m & 2u) != 0 ? sum[1] : c[1]};
}

#endif
