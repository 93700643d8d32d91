/* Vectors of real numbers for lanes_tmpl.c: what one register of the instruction set being compiled
 * for holds, and the few operations the kernels need. A masked operation leaves switched-off lanes
 * as they are and touches no memory for them. */
#ifndef MD_CORE_LANES_H
#define MD_CORE_LANES_H

#include "format.h"

#if defined(__AVX2__)
#include <immintrin.h>

/* V(add) is the intrinsic that adds vectors of this width and format. */
#if MD_NUMBER != MD_NUMBER_fp64
#define V_SUFFIX(prefix, name) prefix##name##_ps
#else
#define V_SUFFIX(prefix, name) prefix##name##_pd
#endif

#if defined(__AVX512F__)

#define V(name) V_SUFFIX(_mm512_, name)
/* TILE_M output channels x TILE_P vectors of pixels are summed at a time, and WIDE vectors of
 * channels x 9 taps in a weight gradient: as much as there are registers for. */
#define TILE_M 8
#define TILE_P 3
#define WIDE   2
#if MD_NUMBER != MD_NUMBER_fp64
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
static inline vec v_load_masked(const real *from, mask m) {
    return V(maskz_loadu)(m, from);
}
static inline vec v_blend(mask m, vec off, vec on) {
    return V(mask_blend)(m, off, on);
}

#else

#define V(name) V_SUFFIX(_mm256_, name)
#define TILE_M  4
#define TILE_P  2
#define WIDE    1
typedef __m256i mask;
#if MD_NUMBER != MD_NUMBER_fp64
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
static inline vec v_load_masked(const real *from, mask m) {
    return V(maskload)(from, m);
}

#endif

static inline vec v_zero(void) {
    return V(setzero)();
}
static inline vec v_splat(const real *from) {
    return V(set1)(*from);
}
static inline vec v_load(const real *from) {
    return V(loadu)(from);
}
static inline void v_store(real *to, vec a) {
    V(storeu)(to, a);
}
/* ---- arithmetic that rounds as the format does ------------------------------------------------
 */

#if MD_NUMBER == MD_NUMBER_fp16 || MD_NUMBER == MD_NUMBER_bf16

/* The 16-bit formats compute in binary32. A fused step there is rounded once; rounding it again, to
 * 16 bits, goes wrong only where its result lies exactly half-way between two 16-bit values and the
 * unrounded one did not. Those lanes are rare: one in 2^13 or 2^16. So the fast way is taken by
 * all, and a vector with such a lane takes the slow one, which rounds to odd first (rounding.h). */

#if defined(__AVX512F__)
typedef __m512i ivec;
#define VI(name)   _mm512_##name
#define VI_ALL(op) _mm512_##op##_si512
static inline int v_any_equal(ivec a, ivec b) {
    return _mm512_cmpeq_epi32_mask(a, b) != 0;
}
/* 0 < a < b in any lane */
static inline int v_any_between(ivec a, int b) {
    return (_mm512_cmplt_epi32_mask(a, _mm512_set1_epi32(b)) & _mm512_test_epi32_mask(a, a)) != 0;
}
static inline ivec v_mask_where_odd_needed(vec error, ivec bits) {
    __mmask16 inexact = _mm512_cmp_ps_mask(error, _mm512_setzero_ps(), _CMP_NEQ_OQ);
    __mmask16 even = _mm512_testn_epi32_mask(bits, _mm512_set1_epi32(1));
    return _mm512_maskz_set1_epi32(inexact & even, -1);
}
static inline vec v_fp16_round(vec a) {
    return _mm512_cvtph_ps(_mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
#else
typedef __m256i ivec;
#define VI(name)   _mm256_##name
#define VI_ALL(op) _mm256_##op##_si256
static inline int v_any_equal(ivec a, ivec b) {
    return _mm256_movemask_epi8(_mm256_cmpeq_epi32(a, b)) != 0;
}
static inline int v_any_between(ivec a, int b) {
    ivec below = _mm256_cmpgt_epi32(_mm256_set1_epi32(b), a);
    return !_mm256_testz_si256(below, _mm256_cmpgt_epi32(a, _mm256_setzero_si256()));
}
static inline ivec v_mask_where_odd_needed(vec error, ivec bits) {
    ivec inexact = _mm256_castps_si256(_mm256_cmp_ps(error, _mm256_setzero_ps(), _CMP_NEQ_OQ));
    ivec odd =
        _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_and_si256(bits, _mm256_set1_epi32(1)));
    return _mm256_andnot_si256(odd, inexact);
}
static inline vec v_fp16_round(vec a) {
    return _mm256_cvtph_ps(_mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
#endif

static inline ivec v_bits(vec a) {
#if defined(__AVX512F__)
    return _mm512_castps_si512(a);
#else
    return _mm256_castps_si256(a);
#endif
}
static inline vec v_of_bits(ivec a) {
#if defined(__AVX512F__)
    return _mm512_castsi512_ps(a);
#else
    return _mm256_castsi256_ps(a);
#endif
}

static inline vec v_round(vec a) {
#if MD_NUMBER == MD_NUMBER_fp16
    return v_fp16_round(a);
#else
    ivec bits = v_bits(a), low = VI_ALL(and)(VI(srli_epi32)(bits, 16), VI(set1_epi32)(1));
    bits = VI(add_epi32)(bits, VI(add_epi32)(low, VI(set1_epi32)(0x7fff)));
    return v_of_bits(VI_ALL(and)(bits, VI(set1_epi32)((int)0xffff0000u)));
#endif
}

/* The sum is rounded to odd, if the product is exact in binary32: of binary16 values it always is,
 * of bfloat16 values unless it is very small or large; then the portable code goes lane by lane. */
static __attribute__((noinline)) vec v_fma_slow(vec a, vec b, vec c) {
    vec product = V(mul)(a, b), sum = V(add)(product, c), from_c = V(sub)(sum, product);
    vec error = V(add)(V(sub)(product, V(sub)(sum, from_c)), V(sub)(c, from_c));
#if MD_NUMBER == MD_NUMBER_bf16
    ivec size = VI_ALL(and)(v_bits(product), VI(set1_epi32)(0x7fffffff));
    /* 2^-95 and 2^94, as in md_bf16_fma; a product of 0 counts as small */
    if (v_any_between(VI(add_epi32)(size, VI(set1_epi32)(1)), (32 << 23) + 1) ||
        v_any_between(VI(sub_epi32)(VI(set1_epi32)(0x7fffffff), size), 0x7fffffff - (221 << 23))) {
        real x[LANES], y[LANES], z[LANES];
        v_store(x, a);
        v_store(y, b);
        v_store(z, c);
        for (int l = 0; l < LANES; l++)
            z[l] = md_bf16_fma(x[l], y[l], z[l]);
        return v_load(z);
    }
#endif
    ivec bits = v_bits(sum);
    ivec towards = VI(srai_epi32)(VI_ALL(xor)(v_bits(error), bits), 31); /* 0 away from 0, -1 to */
    towards = VI_ALL(or)(towards, VI(set1_epi32)(1));
    towards = VI_ALL(and)(towards, v_mask_where_odd_needed(error, bits));
    return v_round(v_of_bits(VI(add_epi32)(bits, towards)));
}

#if MD_NUMBER == MD_NUMBER_fp16
static inline vec v_fma(vec a, vec b, vec c) {
    vec sum = V(fmadd)(a, b, c);
    ivec bits = v_bits(sum), tie = VI(set1_epi32)(0x1000);
    /* A subnormal of binary16 loses more than these 13 bits: the slow way, for all but 0. */
    if (__builtin_expect(
            v_any_equal(VI_ALL(and)(bits, VI(set1_epi32)(0x1fff)), tie) |
                v_any_between(VI_ALL(and)(bits, VI(set1_epi32)(0x7fffffff)), 0x38800000),
            0))
        return v_fma_slow(a, b, c);
    return v_round(sum);
}
#else
static inline vec v_fma(vec a, vec b, vec c) {
    ivec bits = v_bits(V(fmadd)(a, b, c));
    ivec half = VI(set1_epi32)((int)0x80000000u);
    if (__builtin_expect(v_any_equal(VI(slli_epi32)(bits, 16), half), 0))
        return v_fma_slow(a, b, c);
    /* No ties are left, so adding one half and cutting off is rounding to nearest. */
    bits = VI(add_epi32)(bits, VI(set1_epi32)(0x8000));
    return v_of_bits(VI_ALL(and)(bits, VI(set1_epi32)((int)0xffff0000u)));
}
#endif

#else

static inline vec v_round(vec a) {
    return a;
}
static inline vec v_fma(vec a, vec b, vec c) {
#if MD_NUMBER == MD_NUMBER_fp64
    return V(add)(V(mul)(a, b), c);
#else
    return V(fmadd)(a, b, c);
#endif
}

#endif

static inline vec v_add(vec a, vec b) {
    return v_round(V(add)(a, b));
}
static inline vec v_fma_masked(vec a, vec b, vec c, mask m) {
    return v_blend(m, c, v_fma(a, b, c));
}

#elif defined(MD_PAIRS)

/* Two lanes of binary16 in one 32-bit register, as GAP9 has them (there vfmac.h, elsewhere lane by
 * lane): neighbouring outputs, so that the lanes do not change the bits of any. */
#define LANES  2
#define TILE_M 4
#define TILE_P 2
#define WIDE   1
typedef real vec __attribute__((vector_size(2 * sizeof(real))));
typedef unsigned mask;

static inline mask v_mask(unsigned bits) {
    return bits;
}
static inline vec v_load(const real *from) {
    vec v;
    __builtin_memcpy(&v, from, sizeof v);
    return v;
}
static inline vec v_load_masked(const real *from, mask m) {
    if (m == 3)
        return v_load(from);
    return (vec){(m & 1u) != 0 ? from[0] : 0, (m & 2u) != 0 ? from[1] : 0};
}
static inline vec v_zero(void) {
    return (vec){0, 0};
}
static inline vec v_splat(const real *from) {
    return (vec){*from, *from};
}
static inline void v_store(real *to, vec a) {
    __builtin_memcpy(to, &a, sizeof a);
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

#else

/* Any machine: a vector of one lane. What is left of the kernels is a tile of sums in registers,
 * each operand loaded once for several of them. */
#define LANES  1
#define TILE_M 4
#define TILE_P 2
#define WIDE   1
typedef real vec;
typedef unsigned mask;

static inline mask v_mask(unsigned bits) {
    return bits;
}
static inline vec v_load_masked(const real *from, mask m) {
    return m != 0 ? *from : 0;
}
static inline vec v_zero(void) {
    return 0;
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
#endif
