/* Exact arithmetic of the 16-bit formats and the fused step of binary32, in portable C: integers
 * and plain additions and multiplications of binary32 and binary64, rounded to nearest, ties to
 * even. Subnormals are kept, overflow gives infinity, a NaN stays a NaN.
 *
 * Round to odd. A result is first rounded to a wider format in a special way: when that was inexact
 * its last bit is made odd. A second rounding, to a format at least two bits narrower, then goes
 * the way a single rounding would have gone (Boldo and Melquiond, "Emulation of a FMA and correctly
 * rounded sums: proved algorithms using rounding to odd", 2008). */
#ifndef MD_CORE_ROUNDING_H
#define MD_CORE_ROUNDING_H

#include <stdint.h>

/* The machine has a fused multiply-add of binary32. */
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__riscv)
#define MD_HAS_FMA 1
#else
#define MD_HAS_FMA 0
#endif

/* The machine computes with binary16: md_half is that type. */
#if defined(__gap9__)
#define MD_HAS_HALF 1
typedef float16 md_half; /* the GAP SDK's compiler */
#elif defined(__riscv_zhinx) || defined(__AVX512FP16__) ||                                         \
    defined(__ARM_FEATURE_FP16_SCALAR_ARITHMETIC)
#define MD_HAS_HALF 1
__extension__ typedef _Float16 md_half;
#else
#define MD_HAS_HALF 0
#endif

static inline uint32_t md_float_bits(float value) {
    union {
        float value;
        uint32_t bits;
    } u = {value};
    return u.bits;
}
static inline float md_float_of(uint32_t bits) {
    union {
        uint32_t bits;
        float value;
    } u = {bits};
    return u.value;
}
static inline uint64_t md_double_bits(double value) {
    union {
        double value;
        uint64_t bits;
    } u = {value};
    return u.bits;
}
static inline double md_double_of(uint64_t bits) {
    union {
        uint64_t bits;
        double value;
    } u = {bits};
    return u.value;
}

/* a + b in binary32 and binary64, rounded to odd. The error of the sum is exact (Knuth's two-sum);
 * for infinities and NaN it is NaN, and nothing is touched. */
static inline float md_add_odd_float(float a, float b) {
    float sum = a + b, from_b = sum - a;
    float error = (a - (sum - from_b)) + (b - from_b);
    uint32_t bits = md_float_bits(sum);
    uint32_t inexact_and_even = (uint32_t)((error < 0.0f) | (error > 0.0f)) & ~bits & 1u;
    uint32_t away = (error > 0.0f) == (sum > 0.0f) ? 1u : (uint32_t)-1; /* from zero */
    return md_float_of(bits + inexact_and_even * away);
}
static inline double md_add_odd_double(double a, double b) {
    double sum = a + b, from_b = sum - a;
    double error = (a - (sum - from_b)) + (b - from_b);
    uint64_t bits = md_double_bits(sum);
    if ((error < 0.0 || error > 0.0) && (bits & 1u) == 0)
        bits += (error > 0.0) == (sum > 0.0) ? 1u : (uint64_t)-1;
    return md_double_of(bits);
}

/* ---- binary32 -------------------------------------------------------------------------------- */

/* a * b + c, rounded once. The product is exact in binary64. */
static inline float md_fp32_fma(float a, float b, float c) {
#if MD_HAS_FMA
    return __builtin_fmaf(a, b, c);
#else
    return (float)md_add_odd_double((double)a * (double)b, (double)c);
#endif
}

/* ---- binary16: 1 sign, 5 exponent, 10 fraction bits ------------------------------------------ */

/* The nearest binary16 value. (Without branches, so that loops of it become vectors.) */
static inline float md_fp16_round(float value) {
    uint32_t bits = md_float_bits(value), sign = bits & 0x80000000u, magnitude = bits ^ sign;
    /* Below 2^-14 the grid is 2^-24: that of binary32 at 3/4. */
    float shifted = (md_float_of(magnitude < 0x38800000u ? magnitude : 0) + 0.75f) - 0.75f;
    uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u); /* ties to even */
    rounded &= ~0x1fffu;
    rounded = rounded > 0x477fe000u ? 0x7f800000u : rounded; /* beyond 65504 */
    rounded = magnitude > 0x7f800000u ? magnitude : rounded; /* NaN */
    rounded = magnitude < 0x38800000u ? md_float_bits(shifted) : rounded;
    return md_float_of(rounded | sign);
}

/* One of the two binary16 neighbours of a value, the farther one from zero with the probability of
 * how far it is gone towards it, in steps of 2^-13 (subnormal results: 2^-24, and the value cut off
 * 24 bits below their last one). random has 32 uniform bits. The neighbour above 65504 is
 * infinity. */
static inline float md_fp16_round_random(float value, uint32_t random) {
    uint32_t bits = md_float_bits(value), sign = bits & 0x80000000u, magnitude = bits ^ sign;
    /* Below 2^-14: a multiple of 2^-24, and a rest. */
    float units = md_float_of(magnitude < 0x38800000u ? magnitude : 0) * 16777216.0f;
    int32_t whole = (int32_t)units, rest = (int32_t)((units - (float)whole) * 16777216.0f);
    whole += (int32_t)(random >> 8) < rest;
    uint32_t rounded = (magnitude + (random >> 19)) & ~0x1fffu;
    rounded = rounded > 0x477fe000u ? 0x7f800000u : rounded; /* beyond 65504 */
    rounded = magnitude > 0x7f800000u ? magnitude : rounded; /* NaN */
    rounded = magnitude < 0x38800000u ? md_float_bits((float)whole / 16777216.0f) : rounded;
    return md_float_of(rounded | sign);
}

#if MD_HAS_HALF
static inline uint16_t md_fp16_narrow(float value) {
    union {
        md_half value;
        uint16_t bits;
    } u = {(md_half)value};
    return u.bits;
}
static inline float md_fp16_widen(uint16_t half) {
    union {
        uint16_t bits;
        md_half value;
    } u = {half};
    return (float)u.value;
}

/* a * b + c, rounded once. */
static inline md_half md_half_fma(md_half a, md_half b, md_half c) {
#if defined(__gap9__)
    md_half sum;
    __asm__("fmadd.h %0, %1, %2, %3" : "=r"(sum) : "r"(a), "r"(b), "r"(c));
    return sum;
#else
    return __builtin_fmaf16(a, b, c);
#endif
}

/* -value, by its bits, and behind the compiler's back: QEMU 7.2 executes fsgnjn.h and fsgnjx.h (and
 * so fneg.h and fabs.h) without writing the result where floats live in integer registers. */
static inline md_half md_half_negate(md_half value) {
    union {
        md_half value;
        uint16_t bits;
    } u = {value};
    u.bits ^= 0x8000u;
    __asm__("" : "+r"(u.bits));
    return u.value;
}
#else
/* The bits of the nearest binary16 value. */
static inline uint16_t md_fp16_narrow(float value) {
    uint32_t bits = md_float_bits(md_fp16_round(value));
    uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    /* Times 2^-112 the exponents are those of binary16, and subnormals lie where they should. */
    uint32_t half = md_float_bits(md_float_of(magnitude) * 0x1p-112f) >> 13;
    half = magnitude == 0x7f800000u ? 0x7c00u : magnitude > 0x7f800000u ? 0x7e00u : half;
    return (uint16_t)(sign | half);
}

static inline float md_fp16_widen(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, magnitude = half & 0x7fffu;
    uint32_t wide = md_float_bits(md_float_of(magnitude << 13) * 0x1p112f);
    wide = magnitude >= 0x7c00u ? 0x7f800000u | magnitude << 13 : wide;
    return md_float_of(wide | sign);
}
#endif

/* a * b + c, rounded once. The product of two binary16 values is exact in binary32. */
static inline float md_fp16_fma(float a, float b, float c) {
    return md_fp16_round(md_add_odd_float(a * b, c));
}

/* ---- bfloat16: the upper half of binary32 ---------------------------------------------------- */

/* The nearest bfloat16 value. */
static inline float md_bf16_round(float value) {
    uint32_t bits = md_float_bits(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return value; /* NaN */
    bits += 0x7fffu + (bits >> 16 & 1u);
    return md_float_of(bits & 0xffff0000u);
}

/* One of the two bfloat16 neighbours of a value, the farther one from zero with the probability of
 * how far it is gone towards it, exactly. random has 32 uniform bits. The neighbour above the
 * largest number is infinity. */
static inline float md_bf16_round_random(float value, uint32_t random) {
    uint32_t bits = md_float_bits(value), rounded = (bits + (random >> 16)) & 0xffff0000u;
    return md_float_of((bits & 0x7fffffffu) > 0x7f800000u ? bits : rounded); /* or NaN */
}

/* The bits of the nearest bfloat16 value. (Without branches: loops of it become vectors.) */
static inline uint16_t md_bf16_narrow(float value) {
    uint32_t bits = md_float_bits(value), rounded = bits + 0x7fffu + (bits >> 16 & 1u);
    int nan = (bits & 0x7fffffffu) > 0x7f800000u;
    return (uint16_t)((nan ? bits | 0x00400000u : rounded) >> 16); /* a NaN keeps a set bit */
}

static inline float md_bf16_widen(uint16_t upper) {
    return md_float_of((uint32_t)upper << 16);
}

/* value / scale rounded to odd, for a power of two so large that the result may be subnormal in
 * binary32; back = result * scale is then what was kept of the value. */
static inline float md_shrink_odd(float value, float scale) {
    float small = value / scale, back = small * scale;
    uint32_t bits = md_float_bits(small);
    uint32_t size = md_float_bits(value) & 0x7fffffffu, kept = md_float_bits(back) & 0x7fffffffu;
    if (size != kept && (bits & 1u) == 0)
        bits += size > kept ? 1u : (uint32_t)-1;
    return md_float_of(bits);
}

static const float md_2_to_60 = 1152921504606846976.0f;

/* Below this (2^-95) a product or quotient of bfloat16 values may lose bits to binary32's subnormal
 * range, and is formed from scaled operands; 0 either is exact or rounds to 0 in any case. */
static inline int md_bf16_is_small(float value) {
    return (md_float_bits(value) & 0x7fffffffu) - 1u < 0x10000000u - 1u;
}

/* a * b, rounded once: with 8 + 8 bits exact in binary32, unless it is small. */
static inline float md_bf16_mul(float a, float b) {
    float product = a * b;
    if (md_bf16_is_small(product))
        product = md_shrink_odd(a * md_2_to_60 * (b * md_2_to_60), md_2_to_60 * md_2_to_60);
    return md_bf16_round(product);
}

/* a / b, rounded once: a quotient of 8-bit numbers that is half-way between two of 8 bits or fewer
 * has 9 bits, and no other comes so near that binary32 could not tell. */
static inline float md_bf16_div(float a, float b) {
    float quotient = a / b;
    if (md_bf16_is_small(quotient))
        quotient = md_shrink_odd(a / (b / md_2_to_60), md_2_to_60);
    return md_bf16_round(quotient);
}

/* a * b + c, rounded once, where the product is not between 2^-95 and 2^94. */
static inline float md_bf16_fma_scaled(float a, float b, float c) {
    const float up = md_2_to_60, huge = md_2_to_60 * 16.0f; /* 2^64 */
    uint32_t size = md_float_bits(c) & 0x7fffffffu;
    if ((md_float_bits(a * b) & 0x7fffffffu) < 0x10000000u) {
        /* An exact zero, or a c so much larger (2^-60) that the product cannot change it. */
        if ((md_float_bits(a) << 1) == 0 || (md_float_bits(b) << 1) == 0 || size >= 0x21800000u)
            return md_bf16_round(a * b + c);
        return md_bf16_round(
            md_shrink_odd(md_add_odd_float(a * up * (b * up), c * up * up), up * up));
    }
    if (size >= 0x7f800000u || !(a * 0.0f + b * 0.0f <= 0.0f)) /* infinite or not a number */
        return size >= 0x7f800000u && a * 0.0f + b * 0.0f <= 0.0f ? c : a * b + c;
    /* Large: 2^-128 of all; of a c below 1 only the side matters that it pulls to (2^-100). */
    float scaled = c / huge / huge;
    if (size - 1u < 0x3f800000u - 1u)
        scaled = md_float_of((md_float_bits(c) ^ size) | 0x0d800000u);
    return md_bf16_round(md_add_odd_float(a / huge * (b / huge), scaled)) * huge * huge;
}

/* a * b + c, rounded once. */
static inline float md_bf16_fma(float a, float b, float c) {
#if MD_HAS_FMA
    /* One rounding to binary32, and a second that goes wrong only where the first ends half-way
     * between two bfloat16 values. With ties gone, adding one half and cutting off rounds. */
    uint32_t bits = md_float_bits(__builtin_fmaf(a, b, c));
    if ((bits & 0xffffu) != 0x8000u)
        return md_float_of((bits + 0x8000u) & 0xffff0000u);
#endif
    float product = a * b;
    uint32_t exponent = md_float_bits(product) >> 23 & 0xffu;
    if (exponent - 32u < 190u) /* 2^-95 to 2^94: exact, and no sum with it overflows unrounded */
        return md_bf16_round(md_add_odd_float(product, c));
    return md_bf16_fma_scaled(a, b, c);
}

#endif
