/* Vectors for lanes_tmpl.c: what one register of the instruction set being compiled for holds, and
 * the few operations the kernels need. A masked operation leaves switched-off lanes as they are
 * and touches no memory for them. */
#ifndef MD_CORE_LANES_H
#define MD_CORE_LANES_H

#include "format.h"

#include <immintrin.h>

/* V(add) is the intrinsic that adds vectors of this width and format. */
#if MD_FORMAT == 32
#define V_SUFFIX(prefix, name) prefix##name##_ps
#else
#define V_SUFFIX(prefix, name) prefix##name##_pd
#endif

#if defined(__AVX512F__)

#define V(name) V_SUFFIX(_mm512_, name)
#define TILE_M                                                                                     \
    8            /* output channels x TILE_P vectors of pixels are summed at a time: 24 of the 32  \
                  */
#define TILE_P 3 /* registers */
#define WIDE   2 /* vectors of channels x 9 taps in a weight gradient: 18 registers */
#if MD_FORMAT == 32
#define LANES 16
typedef __m512 vec;
typedef __mmask16 mask;
#else
#define LANES 8
typedef __m512d vec;
typedef __mmask8 mask;
#endif

static inline mask v_mask(unsigned bits) {
    return (mask)bits;
}
static inline vec v_load_masked(const elem *from, mask m) {
    return V(maskz_loadu)(m, from);
}
static inline vec v_blend(mask m, vec off, vec on) {
    return V(mask_blend)(m, off, on);
}

#elif defined(__AVX2__)

#define V(name) V_SUFFIX(_mm256_, name)
#define TILE_M  4 /* 12 of the 16 registers */
#define TILE_P  3
#define WIDE    1
typedef __m256i mask;
#if MD_FORMAT == 32
#define LANES 8
typedef __m256 vec;

static inline mask v_mask(unsigned bits) {
    const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)bits), lane), lane);
}
static inline vec v_blend(mask m, vec off, vec on) {
    return _mm256_blendv_ps(off, on, _mm256_castsi256_ps(m));
}
#else
#define LANES 4
typedef __m256d vec;

static inline mask v_mask(unsigned bits) {
    const __m256i lane = _mm256_setr_epi64x(1, 2, 4, 8);
    return _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x((long long)bits), lane), lane);
}
static inline vec v_blend(mask m, vec off, vec on) {
    return _mm256_blendv_pd(off, on, _mm256_castsi256_pd(m));
}
#endif
static inline vec v_load_masked(const elem *from, mask m) {
    return V(maskload)(from, m);
}

#else
#error "no lanes for this instruction set"
#endif

static inline vec v_zero(void) {
    return V(setzero)();
}
static inline vec v_splat(const elem *from) {
    return V(set1)(*from);
}
static inline vec v_load(const elem *from) {
    return V(loadu)(from);
}
static inline void v_store(elem *to, vec a) {
    V(storeu)(to, a);
}
static inline vec v_add(vec a, vec b) {
    return V(add)(a, b);
}

/* md_fma in every lane. */
static inline vec v_fma(vec a, vec b, vec c) {
#if MD_FORMAT == 32
    return V(fmadd)(a, b, c);
#else
    return V(add)(V(mul)(a, b), c);
#endif
}
static inline vec v_fma_masked(vec a, vec b, vec c, mask m) {
    return v_blend(m, c, v_fma(a, b, c));
}
#endif
