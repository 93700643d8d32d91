/* Number formats. One source per operator serves all of them: a file *_tmpl.c is compiled once per
 * format with MD_FORMAT set, and finds here what an element is and how it is rounded.
 *
 * fp32: binary32, a product and a sum are fused (one rounding) wherever md_fma stands.
 * fp64: binary64, product and sum rounded one after the other. It is no device format: it serves
 *       gradient checks and error bounds, and without a fused step it has the same bits on hosts
 *       with and without such an instruction.
 * Nothing here needs libm: where the machine has no fused instruction, md_fma computes it. */
#ifndef MD_CORE_FORMAT_H
#define MD_CORE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

enum md_format { MD_FP32, MD_FP64, MD_FORMAT_COUNT };

/* "fp32", "fp64". */
extern const char *const md_format_names[MD_FORMAT_COUNT];

/* Bytes of one element. */
extern const size_t md_format_bytes[MD_FORMAT_COUNT];

#ifdef MD_FORMAT /* inside a template: 32 or 64 */

#if MD_FORMAT == 32
#define MD_NAME_(x)    x##_fp32
#define MD_NAME(x)     MD_NAME_(x)
#define MD_THIS_FORMAT MD_FP32
typedef float elem;

static inline elem md_fma(elem a, elem b, elem c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__riscv)
    return __builtin_fmaf(a, b, c);
#else
    /* a * b is exact in binary64. The sum is rounded there first; when that was inexact, its last
     * bit is made odd, so that the second rounding, to binary32, goes the way a single rounding
     * would have gone (round to odd; Boldo and Melquiond, "Emulation of a FMA and correctly
     * rounded sums", 2008). For infinities and NaN the error term is NaN and nothing is touched. */
    double product = (double)a * (double)b, rounded = product + (double)c;
    double from_c = rounded - product;
    double error = (product - (rounded - from_c)) + ((double)c - from_c);
    union {
        double value;
        uint64_t bits;
    } sum = {rounded};
    if ((error < 0.0 || error > 0.0) && (sum.bits & 1u) == 0)
        sum.bits += (error > 0.0) == (rounded > 0.0) ? 1u : (uint64_t)-1;
    return (float)sum.value;
#endif
}
static inline elem md_sqrt(elem a) {
    return __builtin_sqrtf(a);
}

#elif MD_FORMAT == 64
#define MD_NAME_(x)    x##_fp64
#define MD_NAME(x)     MD_NAME_(x)
#define MD_THIS_FORMAT MD_FP64
typedef double elem;

static inline elem md_fma(elem a, elem b, elem c) {
    return a * b + c;
}
static inline elem md_sqrt(elem a) {
    return __builtin_sqrt(a);
}
#endif

#endif /* MD_FORMAT */
#endif
