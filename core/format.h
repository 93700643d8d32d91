/* Number formats. One source per operator serves all of them: a file *_tmpl.c is compiled once per
 * format with MD_FORMAT set to its name, and finds here how an element is stored (elem), what it is
 * while one computes with it (real, which holds every value of the format exactly), and arithmetic
 * that rounds as the format does. Updates of 16-bit weights need more than the format: wide_real.
 *
 * name    stored as        each operation rounds to
 * fp32    binary32         binary32
 * fp64    binary64         binary64; product and sum of md_fma one after the other. It is no device
 *                          format: it serves gradient checks and error bounds, and without a fused
 *                          step it has the same bits on hosts with and without such an instruction
 * fp16    IEEE binary16    binary16
 * bf16    bfloat16         bfloat16
 * fp16w   IEEE binary16    binary32; to binary16 only when an element is stored
 * bf16w   bfloat16         binary32; to bfloat16 only when an element is stored
 *
 * Nothing here needs libm: where the machine has no fused instruction, it is computed. */
#ifndef MD_CORE_FORMAT_H
#define MD_CORE_FORMAT_H

#include <stddef.h>

#include "rounding.h"

#if defined(__F16C__)
#include <immintrin.h>
#endif

enum md_format { MD_FP32, MD_FP64, MD_FP16, MD_BF16, MD_FP16W, MD_BF16W, MD_FORMAT_COUNT };

/* "fp32", "fp64", ..., NULL. */
extern const char *const md_format_names[MD_FORMAT_COUNT + 1];

/* Bytes of one element. */
extern const size_t md_format_bytes[MD_FORMAT_COUNT];

#ifdef MD_FORMAT /* inside a template */

#define MD_PASTE_(a, b) a##b
#define MD_PASTE(a, b)  MD_PASTE_(a, b)
#define MD_NAME(x)      MD_PASTE(MD_PASTE(x, _), MD_FORMAT) /* x_fp32 */

#define MD_NUMBER_fp32  0
#define MD_NUMBER_fp64  1
#define MD_NUMBER_fp16  2
#define MD_NUMBER_bf16  3
#define MD_NUMBER_fp16w 4
#define MD_NUMBER_bf16w 5
#define MD_NUMBER       MD_PASTE(MD_NUMBER_, MD_FORMAT)
#define MD_THIS_FORMAT  ((enum md_format)MD_NUMBER)

/* fp16 on a machine that computes with it needs nothing of what follows: each operation rounds. */
#define MD_NATIVE_HALF (MD_NUMBER == MD_NUMBER_fp16 && MD_HAS_HALF)

/* Storage. */
#if MD_NUMBER == MD_NUMBER_fp64
typedef double elem;
typedef double real;
#elif MD_NUMBER == MD_NUMBER_fp32
typedef float elem;
typedef float real;
#elif MD_NATIVE_HALF
typedef md_half elem;
typedef md_half real;
#else
typedef uint16_t elem;
typedef float real;
#endif

/* Binary32 for all 16-bit formats: what updates are computed in. */
#if MD_NUMBER == MD_NUMBER_fp64
typedef double wide_real;
#else
typedef float wide_real;
#endif

static inline real md_load(elem a) {
#if MD_NATIVE_HALF
    return a;
#elif MD_NUMBER == MD_NUMBER_fp16 || MD_NUMBER == MD_NUMBER_fp16w
    return md_fp16_widen(a);
#elif MD_NUMBER == MD_NUMBER_bf16 || MD_NUMBER == MD_NUMBER_bf16w
    return md_bf16_widen(a);
#else
    return a;
#endif
}

/* Exact, except in the widening formats, which round here. */
static inline elem md_store(real a) {
#if MD_NATIVE_HALF
    return a;
#elif MD_NUMBER == MD_NUMBER_fp16 || MD_NUMBER == MD_NUMBER_fp16w
    return md_fp16_narrow(a);
#elif MD_NUMBER == MD_NUMBER_bf16 || MD_NUMBER == MD_NUMBER_bf16w
    return md_bf16_narrow(a);
#else
    return a;
#endif
}

/* The value of the format nearest to a binary32 or binary64 value. */
static inline real md_round(real a) {
#if MD_NATIVE_HALF
    return a;
#elif MD_NUMBER == MD_NUMBER_fp16
    return md_fp16_round(a);
#elif MD_NUMBER == MD_NUMBER_bf16
    return md_bf16_round(a);
#else
    return a;
#endif
}

static inline real md_negate(real a) {
#if MD_NATIVE_HALF
    return md_half_negate(a);
#else
    return -a;
#endif
}

/* Sum, product and quotient of values of a 16-bit format: binary32 has more than twice their
 * precision and two bits, so rounding there first changes nothing (Figueroa, "When is double
 * rounding innocuous?", 1995). Only products and quotients of bfloat16 can be too small for that:
 * they may underflow in binary32 already. */
static inline real md_add(real a, real b) {
    return md_round(a + b);
}
static inline real md_sub(real a, real b) {
    return md_round(a - b);
}
static inline real md_mul(real a, real b) {
#if MD_NUMBER == MD_NUMBER_bf16
    return md_bf16_mul(a, b);
#else
    return md_round(a * b);
#endif
}
static inline real md_div(real a, real b) {
#if MD_NUMBER == MD_NUMBER_bf16
    return md_bf16_div(a, b);
#else
    return md_round(a / b);
#endif
}

/* a * b + c. */
static inline real md_fma(real a, real b, real c) {
#if MD_NUMBER == MD_NUMBER_fp64
    return a * b + c;
#elif MD_NATIVE_HALF
    return md_half_fma(a, b, c);
#elif MD_NUMBER == MD_NUMBER_fp16
    return md_fp16_fma(a, b, c);
#elif MD_NUMBER == MD_NUMBER_bf16
    return md_bf16_fma(a, b, c);
#else
    return md_fp32_fma(a, b, c);
#endif
}

/* ---- wide_real ------------------------------------------------------------------------------- */

/* The element nearest to a wide value, rounded once. */
static inline elem md_narrow(wide_real a) {
    return md_store((real)a);
}

/* Conversions of MD_HALVES elements at a time. Not left to compilers, which do not know the
 * instructions. (Vectors as wide as those of the loops around them: a load of what was stored in
 * two pieces has to wait for both to reach the cache.) */
#if defined(__F16C__) && (MD_NUMBER == MD_NUMBER_fp16 || MD_NUMBER == MD_NUMBER_fp16w)
#if defined(__AVX512F__)
#define MD_HALVES 16
static inline void md_widen_some(const elem *from, float *to) {
    _mm512_storeu_ps(to, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from)));
}
static inline void md_narrow_some(const float *from, elem *to) {
    __m256i halves = _mm512_cvtps_ph(_mm512_loadu_ps(from), _MM_FROUND_TO_NEAREST_INT);
    _mm256_storeu_si256((__m256i *)to, halves);
}
#else
#define MD_HALVES 8
static inline void md_widen_some(const elem *from, float *to) {
    _mm256_storeu_ps(to, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from)));
}
static inline void md_narrow_some(const float *from, elem *to) {
    __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(from), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128((__m128i *)to, halves);
}
#endif
#endif

/* n elements as wide values, and the elements nearest to n wide values. */
static inline void md_widen_all(size_t n, const elem *from, wide_real *to) {
    size_t i = 0;
#if defined(MD_HALVES)
    for (; i + MD_HALVES <= n; i += MD_HALVES)
        md_widen_some(from + i, to + i);
#endif
    for (; i < n; i++)
        to[i] = md_load(from[i]);
}
static inline void md_narrow_all(size_t n, const wide_real *from, elem *to) {
    size_t i = 0;
#if defined(MD_HALVES)
    for (; i + MD_HALVES <= n; i += MD_HALVES)
        md_narrow_some(from + i, to + i);
#endif
    for (; i < n; i++)
        to[i] = md_narrow(from[i]);
}

/* md_narrow_all, and what has become of the values. */
static inline void md_settle_wide(size_t n, wide_real *values, elem *to) {
#if defined(MD_HALVES)
    md_narrow_all(n, values, to);
    md_widen_all(n, to, values);
#else
    for (size_t i = 0; i < n; i++) {
        to[i] = md_narrow(values[i]);
        values[i] = md_load(to[i]);
    }
#endif
}

/* The same of the numbers that the format's arithmetic has. */
#if MD_NATIVE_HALF
static inline void md_load_all(size_t n, const elem *from, real *to) {
    for (size_t i = 0; i < n; i++)
        to[i] = from[i];
}
static inline void md_store_all(size_t n, const real *from, elem *to) {
    for (size_t i = 0; i < n; i++)
        to[i] = from[i];
}
#define md_settle_all md_store_all
#else
#define md_load_all   md_widen_all
#define md_store_all  md_narrow_all
#define md_settle_all md_settle_wide
#endif

/* A neighbour of a wide value in the format, chosen by 32 random bits (rounding.h). Of a format
 * that is as wide as wide_real it is the value itself. */
static inline wide_real md_round_random(wide_real a, uint32_t random) {
#if MD_NUMBER == MD_NUMBER_fp16 || MD_NUMBER == MD_NUMBER_fp16w
    return md_fp16_round_random(a, random);
#elif MD_NUMBER == MD_NUMBER_bf16 || MD_NUMBER == MD_NUMBER_bf16w
    return md_bf16_round_random(a, random);
#else
    (void)random;
    return a;
#endif
}

/* A wide value as the format's arithmetic gives its results: rounded to the format, except in the
 * widening formats. */
static inline real md_from_wide(wide_real a) {
    return md_round((real)a);
}

/* a * b + c, without rounding to a 16-bit format. */
static inline wide_real md_wide_fma(wide_real a, wide_real b, wide_real c) {
#if MD_NUMBER == MD_NUMBER_fp64
    return a * b + c;
#else
    return md_fp32_fma(a, b, c);
#endif
}
static inline wide_real md_wide_sqrt(wide_real a) {
#if MD_NUMBER == MD_NUMBER_fp64
    return __builtin_sqrt(a);
#else
    return __builtin_sqrtf(a);
#endif
}

/* a * scale / b with a power of two as scale, rounded once: also where a / b underflows. */
static inline real md_div_scaled(real a, wide_real scale, real b) {
#if MD_NUMBER == MD_NUMBER_bf16
    return md_bf16_div(a * scale, b);
#else
    return md_from_wide((wide_real)a * scale / (wide_real)b);
#endif
}

#endif /* MD_FORMAT */
#endif
