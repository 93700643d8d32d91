/* An independent implementation of the 16-bit formats for the tests: integers only, no rounding but
 * one at the end. A number is significand * 2^exponent, exactly. */
#ifndef MD_TESTS_EXACT_H
#define MD_TESTS_EXACT_H

#include <stdint.h>

__extension__ typedef __int128 wide;

struct float_form {
    const char *name;
    int exponent_bits, fraction_bits;
};
static const struct float_form binary16_form = {"fp16", 5, 10}, bfloat16_form = {"bf16", 8, 7},
                               binary32_form = {"fp32", 8, 23};

enum kind { FINITE, INFINITE, NOT_A_NUMBER };

/* sign counts for zero and infinity too; significand is not negative. */
struct exact {
    enum kind kind;
    int negative;
    wide significand;
    int exponent;
};

static struct exact exact_of(const struct float_form *f, uint32_t bits) {
    uint32_t fraction = bits & ((1u << f->fraction_bits) - 1u);
    int field = (int)(bits >> f->fraction_bits & ((1u << f->exponent_bits) - 1u));
    int bias = (1 << (f->exponent_bits - 1)) - 1, most = (1 << f->exponent_bits) - 1;
    struct exact e = {FINITE, (int)(bits >> (f->exponent_bits + f->fraction_bits) & 1u), fraction,
                      (field > 0 ? field : 1) - bias - f->fraction_bits};
    if (field == most)
        e.kind = fraction == 0 ? INFINITE : NOT_A_NUMBER;
    else if (field > 0)
        e.significand += (wide)1 << f->fraction_bits;
    return e;
}

/* The bits of the nearest value of the form, ties to even. */
static uint32_t exact_round(const struct float_form *f, struct exact e) {
    int bias = (1 << (f->exponent_bits - 1)) - 1, most = (1 << f->exponent_bits) - 1;
    uint32_t sign = (uint32_t)e.negative << (f->exponent_bits + f->fraction_bits);
    uint32_t infinity = (uint32_t)most << f->fraction_bits;
    if (e.kind == NOT_A_NUMBER)
        return infinity | 1u << (f->fraction_bits - 1);
    if (e.kind == INFINITE)
        return sign | infinity;
    if (e.significand == 0)
        return sign;
    /* Bring the significand to fraction_bits + 1 bits, or to the subnormals' exponent, and keep
     * what is shifted out as a remainder. */
    int lowest = 1 - bias - f->fraction_bits, bits = 0;
    for (wide s = e.significand; s != 0; s >>= 1)
        bits++;
    int exponent = e.exponent + bits - (f->fraction_bits + 1);
    if (exponent < lowest)
        exponent = lowest;
    int shift = exponent - e.exponent;
    wide kept, rest, half;
    if (shift <= 0) {
        kept = e.significand << -shift;
        rest = half = 0;
    } else if (shift > 120) {
        kept = 0;
        rest = 1;
        half = 2;
    } else {
        kept = e.significand >> shift;
        rest = e.significand - (kept << shift);
        half = (wide)1 << (shift - 1);
    }
    if (rest > half || (rest == half && half != 0 && (kept & 1) != 0))
        kept++;
    if (kept >> (f->fraction_bits + 1) != 0) {
        kept >>= 1;
        exponent++;
    }
    if (kept >> f->fraction_bits == 0) /* subnormal or zero */
        return sign | (uint32_t)kept;
    int field = exponent - lowest + 1;
    if (field >= most)
        return sign | infinity;
    return sign | (uint32_t)field << f->fraction_bits |
           ((uint32_t)kept & ((1u << f->fraction_bits) - 1u));
}

static struct exact exact_multiply(struct exact a, struct exact b) {
    struct exact r = {FINITE, a.negative ^ b.negative, 0, 0};
    int zero = (a.kind == FINITE && a.significand == 0) || (b.kind == FINITE && b.significand == 0);
    if (a.kind == NOT_A_NUMBER || b.kind == NOT_A_NUMBER)
        r.kind = NOT_A_NUMBER;
    else if (a.kind == INFINITE || b.kind == INFINITE)
        r.kind = zero ? NOT_A_NUMBER : INFINITE;
    r.significand = a.significand * b.significand;
    r.exponent = a.exponent + b.exponent;
    return r;
}

/* Exact up to 2^-80 of the quotient; what lies below is kept as one bit. */
static inline struct exact exact_divide(struct exact a, struct exact b) {
    struct exact r = {FINITE, a.negative ^ b.negative, 0, 0};
    int zero_a = a.kind == FINITE && a.significand == 0;
    int zero_b = b.kind == FINITE && b.significand == 0;
    if (a.kind == NOT_A_NUMBER || b.kind == NOT_A_NUMBER ||
        (a.kind == INFINITE && b.kind == INFINITE) || (zero_a && zero_b))
        r.kind = NOT_A_NUMBER;
    else if (a.kind == INFINITE || zero_b)
        r.kind = INFINITE;
    if (r.kind != FINITE || zero_a || b.kind == INFINITE)
        return r;
    wide dividend = a.significand << 80;
    r.significand = dividend / b.significand | (dividend % b.significand != 0);
    r.exponent = a.exponent - 80 - b.exponent;
    return r;
}

/* Exact up to 2^-60 of the larger operand; what lies below is kept as one bit that is never at a
 * tie of a form with fewer than 50 bits. */
static struct exact exact_add(struct exact a, struct exact b) {
    if (a.kind != FINITE || b.kind != FINITE) {
        struct exact r = a.kind == FINITE ? b : a;
        if (a.kind == NOT_A_NUMBER || b.kind == NOT_A_NUMBER ||
            (a.kind == b.kind && a.negative != b.negative))
            r.kind = NOT_A_NUMBER;
        return r;
    }
    if (a.significand == 0 && b.significand == 0) {
        a.negative &= b.negative;
        return a;
    }
    if (a.significand == 0 || (b.significand != 0 && b.exponent > a.exponent)) {
        struct exact swap = a;
        a = b;
        b = swap;
    }
    if (b.significand != 0) { /* a has the larger exponent */
        int gap = a.exponent - b.exponent;
        if (gap <= 80) {
            a.significand <<= gap;
            a.exponent -= gap;
        } else {
            a.significand <<= 80;
            a.exponent -= 80;
            int shift = a.exponent - b.exponent;
            wide kept = shift > 120 ? 0 : b.significand >> shift;
            b.significand = kept | 1;
        }
    }
    wide sum = (a.negative ? -a.significand : a.significand) +
               (b.negative ? -b.significand : b.significand);
    a.negative = sum < 0;
    a.significand = sum < 0 ? -sum : sum;
    return a;
}

#endif
