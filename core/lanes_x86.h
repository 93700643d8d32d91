/* For lanes.h: AVX2 (with FMA and F16C) and AVX-512. */
#ifndef MD_CORE_LANES_X86_H
#define MD_CORE_LANES_X86_H

#include "format.h"

#include <immintrin.h>

typedef uint16_t lane_bits; /* one each */

#define GATHERS      1
#define MASKED_LOADS 1

/* V(add) is the intrinsic that adds vectors of this width and format. */
#if MD_NUMBER != MD_NUMBER_fp64
#define V_SUFFIX(prefix, name) prefix##name##_ps
#else
#define V_SUFFIX(prefix, name) prefix##name##_pd
#endif

#if defined(__AVX512F__)

#define V(name) V_SUFFIX(_mm512_, name)
/* TILE_M output channels x TILE_P vectors of pixels are summed at a time, and WIDE vectors of
 * channels x TALL rows of 3 taps in a weight gradient: as much as there are registers for. */
#define TILE_M 8
#define TILE_P 3
#define WIDE   2
#if MD_NUMBER != MD_NUMBER_fp64
#define LANES 16
typedef __m512 vec;
typedef __mmask16 mask;
#define V_COMPARE(m, a, how, b) _mm512_mask_cmp_ps_mask(m, a, b, how)
#else
#define LANES                   8
typedef __m512d vec;
typedef __mmask8 mask;
#define V_COMPARE(m, a, how, b) _mm512_mask_cmp_pd_mask(m, a, b, how)
#endif

/* Straight into a mask register, where it stays: compilers think that moving it anew is free. */
static inline mask v_mask(const lane_bits *bits) {
    mask m;
    __asm__("kmovw %1, %0" : "=Yk"(m) : "m"(*bits));
    return m;
}
static inline mask v_mask_of(unsigned bits) {
    return (mask)bits;
}
#define V_ALL ((mask)-1)
static inline unsigned v_bits(mask m) {
    return m;
}
static inline vec v_load_masked(const real *from, const mask *m) {
    return V(maskz_loadu)(*m, from);
}
static inline void v_store_masked(real *to, mask m, vec a) {
    V(mask_storeu)(to, m, a);
}
static inline vec v_blend(mask m, vec off, vec on) {
    return V(mask_blend)(m, off, on);
}

#else

#define V(name) V_SUFFIX(_mm256_, name)
#define TILE_M  4
#define TILE_P  3
#define WIDE    4
#define TALL    1
typedef __m256i mask;
#if MD_NUMBER != MD_NUMBER_fp64
#define LANES                   8
typedef __m256 vec;
#define V_COMPARE(m, a, how, b) _mm256_and_si256(m, _mm256_castps_si256(_mm256_cmp_ps(a, b, how)))

static inline mask v_mask_of(unsigned bits) {
    const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)bits), lane), lane);
}
static inline vec v_blend(mask m, vec off, vec on) {
    return _mm256_blendv_ps(off, on, _mm256_castsi256_ps(m));
}
static inline unsigned v_bits(mask m) {
    return (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(m));
}
#else
#define LANES                   4
typedef __m256d vec;
#define V_COMPARE(m, a, how, b) _mm256_and_si256(m, _mm256_castpd_si256(_mm256_cmp_pd(a, b, how)))

static inline mask v_mask_of(unsigned bits) {
    const __m256i lane = _mm256_setr_epi64x(1, 2, 4, 8);
    return _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x(bits), lane), lane);
}
static inline vec v_blend(mask m, vec off, vec on) {
    return _mm256_blendv_pd(off, on, _mm256_castsi256_pd(m));
}
static inline unsigned v_bits(mask m) {
    return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(m));
}
#endif
static inline mask v_mask(const lane_bits *bits) {
    return v_mask_of(*bits);
}
#define V_ALL _mm256_set1_epi32(-1)
/* The mask is read where it lies: compilers would have sums make room for it in registers. (Steps
 * that round have time for that.) */
static inline vec v_load_masked(const real *from, const mask *m) {
#if MD_NUMBER == MD_NUMBER_fp64 || ROUNDS
    return V(maskload)(from, *m);
#else
    vec v;
    __asm__("vmovaps %2, %0\n\tvmaskmovps %1, %0, %0"
            : "=&x"(v)
            : "m"(*(const real(*)[LANES])from), "m"(*m));
    return v;
#endif
}
static inline void v_store_masked(real *to, mask m, vec a) {
    V(maskstore)(to, m, a);
}

#endif

#if defined(__AVX512F__)

/* Lanes of a (from 0 on) and b (from LANES on) by their numbers. */
static inline vec v_pick(vec a, const int8_t lanes[LANES], vec b) {
#if MD_NUMBER != MD_NUMBER_fp64
    return _mm512_permutex2var_ps(
        a, _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)lanes)), b);
#else
    return _mm512_permutex2var_pd(
        a, _mm512_cvtepi8_epi64(_mm_loadl_epi64((const __m128i *)(const void *)lanes)), b);
#endif
}

#define V_PAIR(lane) lane, LANES + lane
static const int8_t v_pairs[] = {
    V_PAIR(0), V_PAIR(1), V_PAIR(2),  V_PAIR(3),  V_PAIR(4),  V_PAIR(5),  V_PAIR(6),  V_PAIR(7),
    V_PAIR(8), V_PAIR(9), V_PAIR(10), V_PAIR(11), V_PAIR(12), V_PAIR(13), V_PAIR(14), V_PAIR(15)};
static const int8_t v_evens[] = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30};
static const int8_t v_odds[] = {1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31};

/* Makes *a and *b, one after the other, a0 b0 a1 b1 ...; and back. */
static inline void v_interleave(vec *a, vec *b) {
    vec low = v_pick(*a, v_pairs, *b), high = v_pick(*a, v_pairs + LANES, *b);
    *a = low;
    *b = high;
}
static inline void v_deinterleave(vec *a, vec *b) {
    vec even = v_pick(*a, v_evens, *b), odd = v_pick(*a, v_odds, *b);
    *a = even;
    *b = odd;
}

#else

static inline void v_interleave(vec *a, vec *b) {
    vec low = V(unpacklo)(*a, *b), high = V(unpackhi)(*a, *b);
    *a = V(permute2f128)(low, high, 0x20);
    *b = V(permute2f128)(low, high, 0x31);
}
static inline void v_deinterleave(vec *a, vec *b) {
    vec low = V(permute2f128)(*a, *b, 0x20), high = V(permute2f128)(*a, *b, 0x31);
#if MD_NUMBER != MD_NUMBER_fp64
    *a = _mm256_shuffle_ps(low, high, 0x88);
    *b = _mm256_shuffle_ps(low, high, 0xdd);
#else
    *a = V(unpacklo)(low, high);
    *b = V(unpackhi)(low, high);
#endif
}

#endif

static inline vec v_zero(void) {
    return V(setzero)();
}
static inline mask v_not_positive(vec a) {
    return V_COMPARE(V_ALL, a, _CMP_NGT_UQ, v_zero());
}
static inline mask v_numbers(mask m, vec a) {
    return V_COMPARE(m, a, _CMP_ORD_Q, a);
}
static inline mask v_nonzero(mask m, vec a) {
    return V_COMPARE(m, a, _CMP_NEQ_OQ, v_zero());
}

/* Whether a result was rounded among the subnormals or to zero since v_flags_clear; or an operand
 * was subnormal. */
#define V_FLAGS_RANGE (_MM_EXCEPT_DENORM | _MM_EXCEPT_UNDERFLOW)
static inline void v_flags_clear(void) {
    const unsigned state = _mm_getcsr(), flags = V_FLAGS_RANGE;
    if ((state & flags) != 0) /* to set it takes longer than to look */
        _mm_setcsr(state & ~flags);
}
static inline int v_flags_underflow(void) {
    return (_mm_getcsr() & (unsigned)_MM_EXCEPT_UNDERFLOW) != 0;
}
static inline int v_flags_range(void) {
    return (_mm_getcsr() & (unsigned)V_FLAGS_RANGE) != 0;
}
static inline vec v_scale(vec a, real by) {
    return V(mul)(a, V(set1)(by));
}
static inline vec v_splat(const real *from) {
    return V(set1)(*from);
}
static inline vec v_load(const real *from) {
    return V(loadu)(from);
}
/* Two numbers in the even and the odd lanes; and each of LANES / 2 numbers in two lanes. */
static inline vec v_splat_pair(const real *from) {
#if MD_NUMBER == MD_NUMBER_fp64 && defined(__AVX512F__)
    return _mm512_broadcast_f64x2(_mm_loadu_pd(from));
#elif MD_NUMBER == MD_NUMBER_fp64
    return _mm256_broadcast_pd((const __m128d *)(const void *)from);
#else
    double both;
    __builtin_memcpy(&both, from, sizeof both);
#if defined(__AVX512F__)
    return _mm512_castpd_ps(_mm512_set1_pd(both));
#else
    return _mm256_castpd_ps(_mm256_set1_pd(both));
#endif
#endif
}
static inline vec v_load_doubled(const real *from) {
#if defined(__AVX512F__)
    vec a = V(castsi512)(_mm512_castsi256_si512(_mm256_loadu_si256((const void *)from)));
    return v_pick(a, v_pairs, a);
#elif MD_NUMBER == MD_NUMBER_fp64
    return _mm256_permute4x64_pd(_mm256_castpd128_pd256(_mm_loadu_pd(from)), 0x50);
#else
    return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(from)),
                                    _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
#endif
}
static inline void v_store(real *to, vec a) {
    V(storeu)(to, a);
}

/* Sum, and a * b + c, in the arithmetic that real itself has. */
static inline vec v_wide_add(vec a, vec b) {
    return V(add)(a, b);
}
static inline vec v_wide_sub(vec a, vec b) {
    return V(sub)(a, b);
}
static inline vec v_wide_fma(vec a, vec b, vec c) {
#if MD_NUMBER == MD_NUMBER_fp64
    return V(add)(V(mul)(a, b), c);
#else
    return V(fmadd)(a, b, c);
#endif
}
/* The same, the sum in c's register: compilers put it anywhere, and run out of registers. */
static inline vec v_fma_in_place(vec a, vec b, vec c) {
#if MD_NUMBER == MD_NUMBER_fp64
    return v_wide_fma(a, b, c);
#else
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(c) : "v"(a), "v"(b));
    return c;
#endif
}

#if defined(__AVX512F__) && !ROUNDS
#define MASKS_STEPS 1
static inline vec v_fma_masked(vec a, vec b, vec c, mask m) {
#if MD_NUMBER == MD_NUMBER_fp64
    return V(mask_add)(c, m, V(mul)(a, b), c);
#else
    __asm__("vfmadd231ps %2, %1, %0%{%3%}" : "+v"(c) : "v"(a), "v"(b), "Yk"(m));
    return c;
#endif
}
#endif

/* ---- elements -------------------------------------------------------------------------------- */

#if MD_NUMBER > MD_NUMBER_fp64

#if defined(__AVX512F__)
typedef __m512i ivec;
typedef __m256i halves; /* a vector of elements */
#define VI(name)   _mm512_##name
#define VH(name)   _mm256_##name
#define VI_ALL(op) _mm512_##op##_si512
#define V_BITS(a)  _mm512_castps_si512(a)
#define V_OF(a)    _mm512_castsi512_ps(a)
#else
typedef __m256i ivec;
typedef __m128i halves;
#define VI(name)   _mm256_##name
#define VH(name)   _mm_##name
#define VI_ALL(op) _mm256_##op##_si256
#define V_BITS(a)  _mm256_castps_si256(a)
#define V_OF(a)    _mm256_castsi256_ps(a)
#endif
#define VI_SPLAT(a) VI(set1_epi32)((int)(a))

static inline halves v_load_halves(const elem *from) {
    halves a;
    __builtin_memcpy(&a, from, sizeof a);
    return a;
}
static inline void v_store_halves(elem *to, halves a) {
    __builtin_memcpy(to, &a, sizeof a);
}

#if MD_NUMBER == MD_NUMBER_fp16 || MD_NUMBER == MD_NUMBER_fp16w

static inline vec v_widen(const elem *from) {
    return V(cvtph)(v_load_halves(from));
}
static inline void v_narrow(elem *to, vec a) {
    v_store_halves(to, VI(cvtps_ph)(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

#else

/* To the nearest number whose lower half is 0, ties to even; overflow carries into the exponent and
 * gives infinity. A NaN made by arithmetic on numbers with such a half stays one. */
static inline vec v_cut(vec a) {
    ivec bits = V_BITS(a);
    ivec last = VI_ALL(and)(VI(srli_epi32)(bits, 16), VI_SPLAT(1));
    bits = VI(add_epi32)(bits, VI(add_epi32)(last, VI_SPLAT(0x7fff)));
    return V_OF(VI_ALL(and)(bits, VI_SPLAT(0xffff0000u)));
}

static inline vec v_widen(const elem *from) {
    return V_OF(VI(slli_epi32)(VI(cvtepu16_epi32)(v_load_halves(from)), 16));
}
static inline void v_narrow(elem *to, vec a) {
    ivec upper = VI(srli_epi32)(V_BITS(v_cut(a)), 16);
#if defined(__AVX512F__)
    v_store_halves(to, _mm512_cvtepi32_epi16(upper));
#else
    upper = _mm256_permute4x64_epi64(_mm256_packus_epi32(upper, upper), 0xd8);
    v_store_halves(to, _mm256_castsi256_si128(upper));
#endif
}

#if MD_NUMBER == MD_NUMBER_bf16
struct extremes {
    halves most, least;
};
static inline void v_include(struct extremes *extremes, const elem *from) {
    halves twice = VH(add_epi16)(v_load_halves(from), v_load_halves(from));
    extremes->most = VH(max_epu16)(extremes->most, twice);
    extremes->least = VH(min_epu16)(extremes->least, VH(sub_epi16)(twice, VH(set1_epi16)(1)));
}
#endif
#endif

#endif

/* ---- arithmetic that rounds as the format does ----------------------------------------------- */

#if ROUNDS

/* a rounded to 16 bits in the lanes of m, `off` in the others. */
static inline vec v_round_masked(vec a, vec off, mask m) {
#if MD_NUMBER == MD_NUMBER_fp16 && defined(__AVX512F__)
    return _mm512_mask_cvtph_ps(off, m,
                                _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif MD_NUMBER == MD_NUMBER_fp16
    return v_blend(
        m, off, _mm256_cvtph_ps(_mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)));
#elif defined(__AVX512F__)
    /* Half is added and the rest cut off; where nothing is left to cut it was a tie, and the last
     * bit that was kept goes too. */
    ivec sum = VI(add_epi32)(V_BITS(a), VI_SPLAT(0x8000));
    mask tie = _mm512_mask_testn_epi32_mask(m, sum, VI_SPLAT(0xffff));
    ivec cut = _mm512_mask_and_epi32(V_BITS(off), m, sum, VI_SPLAT(0xffff0000u));
    return V_OF(_mm512_mask_and_epi32(cut, tie, sum, VI_SPLAT(0xfffe0000u)));
#else
    return v_blend(m, off, v_cut(a));
#endif
}
static inline vec v_round(vec a) {
    return v_round_masked(a, a, V_ALL);
}

/* A fused step of a 16-bit format is one of binary32, rounded to odd (rounding.h), and then to 16
 * bits. Rounded up and rounded down, an inexact result gives two neighbours, of which one is odd:
 * that one. An exact result gives the same twice; only the difference of equal numbers is -0 or +0,
 * of which the latter, rounded up, is meant. AVX-512 has the direction in the instruction. Before,
 * it is a state of the processor, which is as v_fma needs it between v_fma_begin and v_fma_end;
 * compilers do not know, so what stands in between must be a function they cannot take apart. */
#if defined(__AVX512F__)

static inline unsigned v_fma_begin(void) {
    return 0;
}
static inline void v_fma_end(unsigned before) {
    (void)before;
}
/* a * b + c rounded down and up in the lanes of m, c in the others. */
static inline vec v_fma_down(vec a, vec b, vec c, mask m) {
    return _mm512_mask3_fmadd_round_ps(a, b, c, m, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
static inline vec v_fma_up(vec a, vec b, vec c, mask m) {
    return _mm512_mask3_fmadd_round_ps(a, b, c, m, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
}
static inline vec v_odd(vec down, vec up) {
    return _mm512_mask_mov_ps(down, _mm512_testn_epi32_mask(V_BITS(down), VI_SPLAT(1)), up);
}
static inline vec v_fma_odd(vec a, vec b, vec c) {
    return v_odd(v_fma_down(a, b, c, V_ALL), v_fma_up(a, b, c, V_ALL));
}

#else

static inline unsigned v_fma_begin(void) {
    unsigned before = _mm_getcsr();
    _mm_setcsr((before & ~(unsigned)_MM_ROUND_MASK) | _MM_ROUND_DOWN);
    return before;
}
static inline void v_fma_end(unsigned before) {
    _mm_setcsr(before);
}
static inline vec v_fma_odd(vec a, vec b, vec c) {
    vec down = _mm256_fmadd_ps(a, b, c), minus_up = _mm256_fnmsub_ps(a, b, c);
    vec up = V_OF(VI_ALL(xor)(V_BITS(minus_up), VI_SPLAT(0x80000000u)));
    return _mm256_blendv_ps(up, down, V_OF(VI(slli_epi32)(V_BITS(down), 31)));
}

#endif

static inline vec v_fma_masked(vec a, vec b, vec c, mask m) {
    return v_round_masked(v_fma_odd(a, b, c), c, m);
}

static inline vec v_fma(vec a, vec b, vec c) {
    return v_fma_masked(a, b, c, V_ALL);
}
static inline vec v_add(vec a, vec b) {
    return v_round(v_wide_add(a, b));
}

#endif
#endif
