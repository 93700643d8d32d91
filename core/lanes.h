/* Vectors for lanes_tmpl.c: what one register of the instruction set being compiled for holds, and
 * the few operations the kernels need. A masked operation leaves switched-off lanes as they are
 * and touches no memory for them. */
#ifndef MD_CORE_LANES_H
#define MD_CORE_LANES_H

#include "format.h"

#include <immintrin.h>

#if defined(__AVX512F__) && MD_FORMAT == 32

#define LANES  16
#define TILE_M 8 /* output channels x TILE_P vectors of pixels are summed at a time: 24 of the 32  \
                  */
#define TILE_P 3 /* registers */
#define WIDE   2 /* vectors of channels x 9 taps in a weight gradient: 18 registers */
typedef __m512 vec;
typedef __mmask16 mask;

static inline mask v_mask(unsigned bits) {
    return (mask)bits;
}
static inline vec v_zero(void) {
    return _mm512_setzero_ps();
}
static inline vec v_splat(const elem *from) {
    return _mm512_set1_ps(*from);
}
static inline vec v_load(const elem *from) {
    return _mm512_loadu_ps(from);
}
static inline vec v_load_masked(const elem *from, mask m) {
    return _mm512_maskz_loadu_ps(m, from);
}
static inline void v_store(elem *to, vec a) {
    _mm512_storeu_ps(to, a);
}
static inline vec v_add(vec a, vec b) {
    return _mm512_add_ps(a, b);
}
static inline vec v_fma(vec a, vec b, vec c) {
    return _mm512_fmadd_ps(a, b, c);
}
static inline vec v_fma_masked(vec a, vec b, vec c, mask m) {
    return _mm512_mask3_fmadd_ps(a, b, c, m);
}

#elif defined(__AVX2__) && defined(__FMA__) && MD_FORMAT == 32

#define LANES  8
#define TILE_M 4 /* 12 of the 16 registers */
#define TILE_P 3
#define WIDE   1
typedef __m256 vec;
typedef __m256i mask;

static inline mask v_mask(unsigned bits) {
    const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)bits), lane), lane);
}
static inline vec v_zero(void) {
    return _mm256_setzero_ps();
}
static inline vec v_splat(const elem *from) {
    return _mm256_broadcast_ss(from);
}
static inline vec v_load(const elem *from) {
    return _mm256_loadu_ps(from);
}
static inline vec v_load_masked(const elem *from, mask m) {
    return _mm256_maskload_ps(from, m);
}
static inline void v_store(elem *to, vec a) {
    _mm256_storeu_ps(to, a);
}
static inline vec v_add(vec a, vec b) {
    return _mm256_add_ps(a, b);
}
static inline vec v_fma(vec a, vec b, vec c) {
    return _mm256_fmadd_ps(a, b, c);
}
static inline vec v_fma_masked(vec a, vec b, vec c, mask m) {
    return _mm256_blendv_ps(c, _mm256_fmadd_ps(a, b, c), _mm256_castsi256_ps(m));
}

#else
#error "no lanes for this instruction set and format"
#endif
#endif
