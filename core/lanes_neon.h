/* For lanes.h: NEON, which all 64-bit ARM processors have; and, for fp16, its FP16 instructions,
 * which compute with binary16. */
#ifndef MD_CORE_LANES_NEON_H
#define MD_CORE_LANES_NEON_H

#include <arm_neon.h>

#include "format.h"

/* V(vadd) adds vectors of real numbers, V_N(vdup) makes one of a number; U and U_N do so with
 * unsigned integers as wide. LANE_BITS are those of v_mask. */
#if MD_NUMBER == MD_NUMBER_fp64
#define LANES 2
#define LANE_BITS                                                                                  \
    { 1, 2 }
#define V(name)   name##q_f64
#define V_N(name) name##q_n_f64
#define U(name)   name##q_u64
#define U_N(name) name##q_n_u64
typedef float64x2_t vec;
typedef uint64x2_t mask;
#elif MD_NATIVE_HALF
#define LANES 8
#define LANE_BITS                                                                                  \
    { 1, 2, 4, 8, 16, 32, 64, 128 }
#define V(name)   name##q_f16
#define V_N(name) name##q_n_f16
#define U(name)   name##q_u16
#define U_N(name) name##q_n_u16
typedef float16x8_t vec;
typedef uint16x8_t mask;
#else
#define LANES 4
#define LANE_BITS                                                                                  \
    { 1, 2, 4, 8 }
#define V(name)   name##q_f32
#define V_N(name) name##q_n_f32
#define U(name)   name##q_u32
#define U_N(name) name##q_n_u32
typedef float32x4_t vec;
typedef uint32x4_t mask;
#endif
typedef uint16_t lane_bits; /* one each */

#define GATHERS      1
#define MASKED_LOADS 0
#define TILE_M       8
#define TILE_P       3
#define WIDE         2
#define V_ALL        U(vceq)(U_N(vdup)(0), U_N(vdup)(0))

static inline mask v_mask_of(unsigned bits) {
    const mask lane = LANE_BITS;
    return U(vtst)(U_N(vdup)((lane_bits)bits), lane);
}
static inline mask v_mask(const lane_bits *bits) {
    return v_mask_of(*bits);
}
static inline unsigned v_bits(mask m) {
    const mask lane = LANE_BITS;
    return (unsigned)U(vaddv)(U(vand)(m, lane));
}
static inline vec v_blend(mask m, vec off, vec on) {
    return V(vbsl)(m, on, off);
}
static inline vec v_zero(void) {
    return V_N(vdup)(0);
}
static inline vec v_load(const real *from) {
    vec a;
    __builtin_memcpy(&a, from, sizeof a);
    return a;
}
static inline void v_store(real *to, vec a) {
    __builtin_memcpy(to, &a, sizeof a);
}
static inline vec v_load_masked(const real *from, const mask *m) {
    return v_blend(*m, v_zero(), v_load(from));
}
static inline vec v_splat(const real *from) {
    return V_N(vdup)(*from);
}
/* (See lanes_x86.h.) */
static inline vec v_splat_pair(const real *from) {
#if MD_NUMBER == MD_NUMBER_fp64
    return v_load(from);
#elif MD_NATIVE_HALF
    uint32_t both;
    __builtin_memcpy(&both, from, sizeof both);
    return vreinterpretq_f16_u32(vdupq_n_u32(both));
#else
    uint64_t both;
    __builtin_memcpy(&both, from, sizeof both);
    return vreinterpretq_f32_u64(vdupq_n_u64(both));
#endif
}
static inline vec v_load_doubled(const real *from) {
    vec a = v_zero();
    __builtin_memcpy(&a, from, sizeof a / 2);
    return V(vzip1)(a, a);
}
static inline vec v_scale(vec a, real by) {
    return V_N(vmul)(a, by);
}
static inline mask v_not_positive(vec a) {
    return U(vceqz)(V(vcgtz)(a));
}
static inline mask v_numbers(mask m, vec a) {
    return U(vand)(m, V(vceq)(a, a));
}
static inline mask v_nonzero(mask m, vec a) {
    return v_numbers(U(vbic)(m, V(vceqz)(a)), a);
}

/* Makes *a and *b, one after the other, a0 b0 a1 b1 ...; and back. */
static inline void v_interleave(vec *a, vec *b) {
    vec low = V(vzip1)(*a, *b), high = V(vzip2)(*a, *b);
    *a = low;
    *b = high;
}
static inline void v_deinterleave(vec *a, vec *b) {
    vec even = V(vuzp1)(*a, *b), odd = V(vuzp2)(*a, *b);
    *a = even;
    *b = odd;
}

/* The processor's state. Compilers do not know what depends on it: what stands between two changes
 * must be a function that they cannot take apart. */
#define V_GET(name, to)   __asm__ volatile("mrs %0, " name : "=r"(to) : : "memory")
#define V_SET(name, from) __asm__ volatile("msr " name ", %0" : : "r"(from) : "memory")
#define FPCR_DOWN         (2ul << 22) /* round down */
#define FPCR_FLUSH        (1ul << 24) /* subnormals are taken for zeros */
#define FPSR_UNDERFLOW    (1ul << 3)
#define FPSR_OPERAND      (1ul << 7)

/* Whether a result was rounded among the subnormals or to zero since v_flags_clear; or an operand
 * was subnormal, which is noted only where such are taken for zeros: for bf16, from v_flags_clear
 * to v_flags_range. */
static inline void v_flags_clear(void) {
    unsigned long flags;
    V_GET("fpsr", flags);
    V_SET("fpsr", flags & ~(FPSR_UNDERFLOW | FPSR_OPERAND));
#if MD_NUMBER == MD_NUMBER_bf16
    unsigned long state;
    V_GET("fpcr", state);
    V_SET("fpcr", state | FPCR_FLUSH);
#endif
}
static inline int v_flags_underflow(void) {
    unsigned long flags;
    V_GET("fpsr", flags);
    return (flags & FPSR_UNDERFLOW) != 0;
}
#if MD_NUMBER == MD_NUMBER_bf16
static inline int v_flags_range(void) {
    unsigned long flags, state;
    V_GET("fpcr", state);
    V_SET("fpcr", state & ~FPCR_FLUSH);
    V_GET("fpsr", flags);
    return (flags & (FPSR_UNDERFLOW | FPSR_OPERAND)) != 0;
}
#endif

/* Sum, and a * b + c, in the arithmetic that real itself has. */
static inline vec v_wide_add(vec a, vec b) {
    return V(vadd)(a, b);
}
static inline vec v_wide_sub(vec a, vec b) {
    return V(vsub)(a, b);
}
static inline vec v_wide_fma(vec a, vec b, vec c) {
#if MD_NUMBER == MD_NUMBER_fp64
    return vaddq_f64(vmulq_f64(a, b), c);
#else
    return V(vfma)(c, a, b);
#endif
}
static inline vec v_fma_in_place(vec a, vec b, vec c) { /* as the instruction is */
    return v_wide_fma(a, b, c);
}

/* ---- elements -------------------------------------------------------------------------------- */

#if (MD_NUMBER == MD_NUMBER_fp16 && !MD_NATIVE_HALF) || MD_NUMBER == MD_NUMBER_fp16w

static inline vec v_widen(const elem *from) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from)));
}
static inline void v_narrow(elem *to, vec a) {
    vst1_u16(to, vreinterpret_u16_f16(vcvt_f16_f32(a)));
}

#elif MD_NUMBER == MD_NUMBER_bf16 || MD_NUMBER == MD_NUMBER_bf16w

#define V_BITS(a) vreinterpretq_u32_f32(a)
#define V_OF(a)   vreinterpretq_f32_u32(a)

/* To the nearest number whose lower half is 0, ties to even; overflow carries into the exponent and
 * gives infinity. A NaN made by arithmetic on numbers with such a half stays one. */
static inline vec v_cut(vec a) {
    uint32x4_t half = vaddq_u32(V_BITS(a), vdupq_n_u32(0x7fff));
    uint32x4_t bits = vsraq_n_u32(half, vshlq_n_u32(V_BITS(a), 15), 31); /* and the last bit */
    return V_OF(vandq_u32(bits, vdupq_n_u32(0xffff0000u)));
}

static inline vec v_widen(const elem *from) {
    return V_OF(vshll_n_u16(vld1_u16(from), 15 + 1));
}
static inline void v_narrow(elem *to, vec a) {
    vst1_u16(to, vshrn_n_u32(V_BITS(v_cut(a)), 16));
}

#if MD_NUMBER == MD_NUMBER_bf16
struct extremes {
    uint16x4_t most, least;
};
static inline void v_include(struct extremes *extremes, const elem *from) {
    uint16x4_t twice = vshl_n_u16(vld1_u16(from), 1);
    extremes->most = vmax_u16(extremes->most, twice);
    extremes->least = vmin_u16(extremes->least, vsub_u16(twice, vdup_n_u16(1)));
}
#endif

#endif

/* ---- arithmetic that rounds as the format does ----------------------------------------------- */

#if MD_NUMBER == MD_NUMBER_bf16

static inline vec v_round(vec a) {
    return v_cut(a);
}

/* A fused step of bf16 is one of binary32, rounded to odd (rounding.h), and then to 16 bits. Of an
 * inexact result's neighbours, found by rounding down and up, one is odd: that one. An exact result
 * gives the same twice; only the difference of equal numbers is -0 or +0, of which the latter,
 * rounded up, is meant. Between v_fma_begin and v_fma_end the processor rounds down. */
static inline unsigned v_fma_begin(void) {
    unsigned long before;
    V_GET("fpcr", before);
    V_SET("fpcr", before | FPCR_DOWN);
    return (unsigned)before;
}
static inline void v_fma_end(unsigned before) {
    V_SET("fpcr", (unsigned long)before);
}
static inline vec v_fma(vec a, vec b, vec c) {
    const uint32x4_t sign = vdupq_n_u32(0x80000000u);
    vec down = vfmaq_f32(c, a, b);
    vec minus_up = vfmsq_f32(V_OF(veorq_u32(V_BITS(c), sign)), a, b);
    vec up = V_OF(veorq_u32(V_BITS(minus_up), sign));
    return v_cut(vbslq_f32(vtstq_u32(V_BITS(down), vdupq_n_u32(1)), down, up));
}

#elif ROUNDS

static inline unsigned v_fma_begin(void) {
    return 0;
}
static inline void v_fma_end(unsigned before) {
    (void)before;
}
static inline vec v_round(vec a) {
    return vcvt_f32_f16(vcvt_f16_f32(a));
}

/* A fused step of fp16: in binary64 what rounding it cuts off is too small to change what follows,
 * then to binary32, rounded to odd (rounding.h), and then to 16 bits. */
static inline vec v_fma(vec a, vec b, vec c) {
    float64x2_t low = vfmaq_f64(vcvt_f64_f32(vget_low_f32(c)), vcvt_f64_f32(vget_low_f32(a)),
                                vcvt_f64_f32(vget_low_f32(b)));
    float64x2_t high = vfmaq_f64(vcvt_high_f64_f32(c), vcvt_high_f64_f32(a), vcvt_high_f64_f32(b));
    return v_round(vcvtx_high_f32_f64(vcvtx_f32_f64(low), high));
}

#endif

#if ROUNDS
static inline vec v_fma_masked(vec a, vec b, vec c, mask m) {
    return v_blend(m, c, v_fma(a, b, c));
}
static inline vec v_add(vec a, vec b) {
    return v_round(v_wide_add(a, b));
}
#endif

#endif
