/* A shorter way to the bits for lanes_tmpl.c. A step of a chain by v_fma (lanes.h) is right
 * whatever it meets, and one outside the picture is left out by switching its lane off.
 * v_fma_optimistic takes fewer instructions and multiplies by +0 where it should leave out: that is
 * right except in cases that are rare and can be told afterwards, from the finished sums and the
 * processor's flags; the chain is then computed anew by v_fma.
 *
 * Formats that do not round each step to 16 bits. A chain starts from +0. A product of +0 and a
 * finite number is a zero, and adding it changes only a sum that is -0 (to +0). Sums that are not
 * zero become -0 by underflow only, which the processor notes (MXCSR, UE; FPSR, UFC), and -0 they
 * may have become +0 on the way to the end, but nothing else. So a finished sum is right unless it
 * is NaN, or zero when there was an underflow.
 *
 * 16-bit formats. A chain starts from +0, and both operands are multiplied by a power of two
 * beforehand, which changes no significand: it only moves the rare cases to where the processor
 * notices them. Below, S is the product of both powers.
 *
 * Rounding. Let w be a binary32 number and k the number of bits it has too many (13 or 16). Then
 *     (w - 2^k w) + 2^k w
 * is w rounded to 24 - k bits; the first sum is (1 - 2^k) w, rounded. A unit in the last place of
 * the first sum is one of w's last place that stays; or half of one, where w is within 2^-k above a
 * power of two, which it becomes either way. The second sum is exact. A tie goes to even, as 2^k w
 * is an even multiple of that unit: w's last bit is 0 where w is a tie. (The product is subtracted,
 * or else the first sum could have a digit more.) With max(|w|, s) in place of |w| in the product,
 * nothing below the unit of s stays: the subnormals of the format.
 *
 * fp16. w is the step rounded to odd, so that rounding twice is rounding once. S is 2^100: from
 * |w| / S = 2^15 (1 + 2^-13) on, well before 65520, the first sum overflows, and what follows is
 * infinite or NaN. Not found is the sign of a zero, as (-M) + M is +0. AVX2 has but one direction
 * at a time, here that to zero, and an instruction that rounds to binary16, so that S is 1. There,
 * ab + c rounded to w leaves a rest that is ab + (c - w). If |ab| <= |c|, c - w is exact, and so is
 * whether the rest is 0. Else w was rounded towards 0 from the same side as ab, c - w is -ab less
 * some of its magnitude, and rounded to zero it is not -ab: nor is what is found for the rest 0. So
 * w is made odd if that is not 0.
 *
 * bf16. w is the step rounded to nearest. A product of two significands of 8 bits has 16, so that
 * rounding twice is wrong only if the product is itself a tie and the addend c is not zero, but too
 * small to be seen, |c| <= 2^-24 |product|. The powers are such that every product is less than
 * 2^-102: such a c is less than 2^-126, subnormal in binary32, and the processor notes the use of a
 * subnormal operand (MXCSR, DE; FPSR, IDC, if such are taken for zeros). Where it has been rounded
 * to zero before, or anything else to a subnormal or to zero, that was noted, too (UE). So a sum
 * that is zero is +0 exactly. None is subnormal in bf16, as the powers are at most 2^-2. None
 * that begins at +0 comes near 2^112, where 2^16 w is not a number; from others that do the
 * optimistic way does not go on (rescale). */
#ifndef MD_CORE_LANES_OPTIMISTIC_H
#define MD_CORE_LANES_OPTIMISTIC_H

#include "lanes.h"

#if (ROUNDS && MD_NUMBER == MD_NUMBER_fp16 && defined(__AVX2__)) ||                                \
    (MD_NUMBER == MD_NUMBER_bf16 && GATHERS)
#define OPTIMISTIC 1

#if defined(__AVX2__) && !defined(__AVX512F__)
/* For AVX2's steps in assembly, which keep sums where they are: compilers put them anywhere, and
 * run out of registers. An operand may be read from memory (clang would put all of them there). */
#if defined(__clang__)
#define V_OR_MEMORY(a) "x"(a)
#else
#define V_OR_MEMORY(a) "xm"(a)
#endif
#define V_EACH(a)                                                                                  \
    { a, a, a, a, a, a, a, a }
#endif

#if MD_NUMBER == MD_NUMBER_fp16
#define LOSES_SIGNS 1

#if defined(__AVX512F__)

static inline vec v_fma_optimistic(vec a, vec b, vec c) {
    const float smallest = 0x1p100f * (0x1p-14f + 0x1p-27f); /* the normals begin at 2^-14 */
    vec down = v_fma_down(a, b, c, V_ALL), w = v_odd(down, v_fma_up(a, b, c, V_ALL));
    /* The larger by magnitude, with down's sign. What is a tie is its own neighbour down. */
    vec factor = _mm512_range_ps(down, V(set1)(smallest), 3);
    vec sum = V(fnmadd)(factor, V(set1)(0x1p13f), w);
    return V(fmadd)(factor, V(set1)(0x1p13f), sum);
}

/* Lanes of m whose sums are right for sure: numbers that are finite; and, of zeros too, not 0. */
static inline mask v_sure(mask m, vec sum, const int zeros) {
    return (mask)(m &
                  ~(zeros ? _mm512_fpclass_ps_mask(sum, 0x9f) : _mm512_fpclass_ps_mask(sum, 0x99)));
}

/* What numbers are to be multiplied by; 0 if they cannot be used for v_fma_optimistic. */
static inline real v_optimistic_scale(const struct extremes *of) {
    (void)of;
    return 0x1p50f;
}

static inline void v_watch_begin(void) {}
/* Whether something that v_fma_optimistic cannot do was met since v_watch_begin. */
static inline int v_watch_end(void) {
    return 0;
}

#else

static inline vec v_fma_optimistic(vec a, vec b, vec c) {
    static const uint32_t one[LANES] = V_EACH(1);
    vec w = c;
    __asm__("vfmadd231ps %3, %2, %1\n\t" /* ab + c */
            "vsubps %1, %0, %0\n\t"
            "vfmadd231ps %3, %2, %0\n\t" /* the rest */
            "vpminud %4, %0, %0\n\t"
            "vpor %0, %1, %1\n\t"
            "vcvtps2ph $0, %1, %x1\n\t"
            "vcvtph2ps %x1, %0"
            : "+&x"(c), "+&x"(w)
            : "x"(a), V_OR_MEMORY(b), "m"(one));
    return c;
}

static inline mask v_sure(mask m, vec sum, const int zeros) {
    mask finite = v_numbers(m, v_wide_sub(sum, sum));
    return zeros ? v_nonzero(finite, sum) : finite;
}

static inline real v_optimistic_scale(const struct extremes *of) {
    (void)of;
    return 1;
}

static inline void v_watch_begin(void) {
    _mm_setcsr(_mm_getcsr() | _MM_ROUND_TOWARD_ZERO);
}
static inline int v_watch_end(void) {
    _mm_setcsr(_mm_getcsr() & ~(unsigned)_MM_ROUND_MASK);
    return 0;
}

#endif

#else
#define LOSES_SIGNS 0

#if defined(__AVX2__) && !defined(__AVX512F__)
/* Four instructions for three ports, two of which add. */
static inline vec v_fma_optimistic(vec a, vec b, vec c) {
    static const uint32_t more[LANES] = V_EACH(16 << 23);
    vec product;
    __asm__("vfmadd231ps %3, %2, %0\n\t"
            "vpaddd %4, %0, %1\n\t"
            "vsubps %1, %0, %0\n\t"
            "vaddps %1, %0, %0"
            : "+x"(c), "=&x"(product)
            : "x"(a), V_OR_MEMORY(b), "m"(more));
    return c;
}
#else
static inline vec v_fma_optimistic(vec a, vec b, vec c) {
    const float power = 0x1p16f;
    vec w = v_fma_in_place(a, b, c);
    return v_wide_fma(w, v_splat(&power), v_scale(w, 1 - power));
}
#endif

/* The power that brings the largest of the numbers into [2^-52, 2^-51), or 1 if all are 0; 0 if it
 * is out of [2^-50, 2^12) (so that the product of two such powers can be undone by one), or a
 * number is so much smaller that it would become subnormal. */
static inline real v_optimistic_scale(const struct extremes *of) {
    uint16_t most[LANES], least[LANES];
    __builtin_memcpy(most, &of->most, sizeof most);
    __builtin_memcpy(least, &of->least, sizeof least);
    for (int i = 1; i < LANES; i++) {
        most[0] = most[i] > most[0] ? most[i] : most[0];
        least[0] = least[i] < least[0] ? least[i] : least[0];
    }
    int high = (most[0] >> 8) - 127, low = ((least[0] + 1) >> 8) - 127;
    if (most[0] == 0)
        return 1;
    if (high < -50 || high > 11 || low < high - 74)
        return 0;
    return md_float_of((uint32_t)(127 - 52 - high) << 23);
}

static inline void v_watch_begin(void) {
    v_flags_clear();
}
/* Whether something that v_fma_optimistic cannot do was met since v_watch_begin. */
static inline int v_watch_end(void) {
    return v_flags_range();
}

#endif
#elif !ROUNDS && GATHERS
#define OPTIMISTIC  1
#define LOSES_SIGNS 0

static inline vec v_fma_optimistic(vec a, vec b, vec c) {
    return v_fma_in_place(a, b, c);
}
static inline mask v_sure(mask m, vec sum, const int zeros) {
    return zeros ? v_nonzero(m, sum) : v_numbers(m, sum);
}
static inline real v_optimistic_scale(const struct extremes *of) {
    (void)of;
    return 1;
}
static inline void v_watch_begin(void) {
    v_flags_clear();
}
static inline int v_watch_end(void) {
    return v_flags_underflow();
}

#else

/* No chain is optimistic. */
#define OPTIMISTIC  0
#define LOSES_SIGNS 0
static inline vec v_fma_optimistic(vec a, vec b, vec c) {
    return v_fma(a, b, c);
}
static inline real v_optimistic_scale(const struct extremes *of) {
    (void)of;
    return 0;
}

#endif

/* What there is to doubt can be told from the sums; else v_watch_end has met all of it. */
#define DOUBTS (OPTIMISTIC && (!ROUNDS || LOSES_SIGNS))
#endif
