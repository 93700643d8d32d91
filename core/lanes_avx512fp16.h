/* For lanes.h: AVX512-FP16, which computes with binary16: a step of it is one instruction, and its
 * subnormals are kept whatever MXCSR says. */
#ifndef MD_CORE_LANES_AVX512FP16_H
#define MD_CORE_LANES_AVX512FP16_H

#include <immintrin.h>

#include "format.h"

#define GATHERS      1
#define MASKED_LOADS 1
#define LANES        32
#define TILE_M       8
#define TILE_P       3
#define WIDE         2
#define V(name)      _mm512_##name##_ph
typedef uint32_t lane_bits;
typedef __m512h vec;
typedef __mmask32 mask;
#define V_ALL ((mask)-1)

/* (See lanes_x86.h.) */
static inline mask v_mask(const lane_bits *bits) {
    mask m;
    __asm__("kmovd %1, %0" : "=Yk"(m) : "m"(*bits));
    return m;
}
static inline mask v_mask_of(unsigned bits) {
    return bits;
}
static inline unsigned v_bits(mask m) {
    return m;
}
static inline vec v_load_masked(const real *from, const mask *m) {
    return _mm512_castsi512_ph(_mm512_maskz_loadu_epi16(*m, from));
}
static inline void v_store_masked(real *to, mask m, vec a) {
    _mm512_mask_storeu_epi16(to, m, _mm512_castph_si512(a));
}
static inline vec v_blend(mask m, vec off, vec on) {
    return V(mask_blend)(m, off, on);
}
static inline vec v_zero(void) {
    return V(setzero)();
}
static inline mask v_not_positive(vec a) {
    return _mm512_cmp_ph_mask(a, v_zero(), _CMP_NGT_UQ);
}
static inline vec v_scale(vec a, real by) {
    return V(mul)(a, V(set1)(by));
}
static inline vec v_splat(const real *from) {
    return V(set1)(*from);
}
static inline mask v_numbers(mask m, vec a) {
    return _mm512_mask_cmp_ph_mask(m, a, a, _CMP_ORD_Q);
}
static inline mask v_nonzero(mask m, vec a) {
    return _mm512_mask_cmp_ph_mask(m, a, v_zero(), _CMP_NEQ_OQ);
}

#define V_PAIRS(lane)                                                                              \
    lane, LANES + lane, lane + 1, LANES + lane + 1, lane + 2, LANES + lane + 2, lane + 3,          \
        LANES + lane + 3
static const uint16_t v_pairs[LANES] = {V_PAIRS(0), V_PAIRS(4), V_PAIRS(8), V_PAIRS(12)};
static const uint16_t v_evens[LANES] = {0,  2,  4,  6,  8,  10, 12, 14, 16, 18, 20,
                                        22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 42,
                                        44, 46, 48, 50, 52, 54, 56, 58, 60, 62};

/* Lanes of a (from 0 on) and b (from LANES on) by their numbers in `lanes`, each increased. */
static inline vec v_pick(vec a, const uint16_t *lanes, int more, vec b) {
    __m512i numbers = _mm512_add_epi16(_mm512_loadu_si512(lanes), _mm512_set1_epi16((short)more));
    return _mm512_permutex2var_ph(a, numbers, b);
}
/* Makes *a and *b, one after the other, a0 b0 a1 b1 ...; and back. */
static inline void v_interleave(vec *a, vec *b) {
    vec low = v_pick(*a, v_pairs, 0, *b), high = v_pick(*a, v_pairs, LANES / 2, *b);
    *a = low;
    *b = high;
}
static inline void v_deinterleave(vec *a, vec *b) {
    vec even = v_pick(*a, v_evens, 0, *b), odd = v_pick(*a, v_evens, 1, *b);
    *a = even;
    *b = odd;
}

/* Whether a result was rounded among the subnormals or to zero since v_flags_clear. */
static inline void v_flags_clear(void) {
    _mm_setcsr(_mm_getcsr() & ~(unsigned)_MM_EXCEPT_UNDERFLOW);
}
static inline int v_flags_underflow(void) {
    return (_mm_getcsr() & (unsigned)_MM_EXCEPT_UNDERFLOW) != 0;
}
static inline vec v_load(const real *from) {
    return V(loadu)(from);
}
static inline vec v_splat_pair(const real *from) {
    int both;
    __builtin_memcpy(&both, from, sizeof both);
    return _mm512_castsi512_ph(_mm512_set1_epi32(both));
}
static inline vec v_load_doubled(const real *from) {
    vec a = _mm512_castph256_ph512(_mm256_loadu_ph(from));
    return v_pick(a, v_pairs, 0, a);
}
static inline void v_store(real *to, vec a) {
    V(storeu)(to, a);
}
static inline vec v_wide_add(vec a, vec b) {
    return V(add)(a, b);
}
static inline vec v_wide_fma(vec a, vec b, vec c) {
    return V(fmadd)(a, b, c);
}
static inline vec v_fma_in_place(vec a, vec b, vec c) { /* (lanes_x86.h) */
    __asm__("vfmadd231ph %2, %1, %0" : "+v"(c) : "v"(a), "v"(b));
    return c;
}
#define MASKS_STEPS 1
static inline vec v_fma_masked(vec a, vec b, vec c, mask m) {
    __asm__("vfmadd231ph %2, %1, %0%{%3%}" : "+v"(c) : "v"(a), "v"(b), "Yk"(m));
    return c;
}

#endif
