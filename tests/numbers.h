/* For the tests of core: arrays of numbers of either format. Data that finds mistakes, fences
 * around memory, and comparison bit for bit. Only static functions, so that every test file may
 * include it. */
#ifndef MD_TESTS_NUMBERS_H
#define MD_TESTS_NUMBERS_H

#if defined(MD_VECTOR_LEVELS) && defined(__x86_64__)
#include <cpuid.h>
#elif defined(MD_VECTOR_LEVELS)
#include <sys/auxv.h>
#endif
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../base/random.h"
#include "../core/ops.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* The formats that are precise enough to be compared with formulas; the 16-bit ones come behind
 * them and are compared with integers (test_rounding.c) and, here, bit for bit. */
enum { PRECISE_FORMATS = MD_FP64 + 1 };
/* Of those: half of what lies between 1 and the next larger number. */
static inline double unit_roundoff(enum md_format format) {
    return format == MD_FP32 ? 0x1p-24 : 0x1p-53;
}

static inline double number(enum md_format format, const void *values, size_t i) {
    switch (format) {
    case MD_FP32:
        return ((const float *)values)[i];
    case MD_FP64:
        return ((const double *)values)[i];
    case MD_FP16:
    case MD_FP16W:
        return md_fp16_widen(((const uint16_t *)values)[i]);
    default:
        return md_bf16_widen(((const uint16_t *)values)[i]);
    }
}

static inline void set_number(enum md_format format, void *values, size_t i, double value) {
    switch (format) {
    case MD_FP32:
        ((float *)values)[i] = (float)value;
        break;
    case MD_FP64:
        ((double *)values)[i] = value;
        break;
    case MD_FP16:
    case MD_FP16W:
        ((uint16_t *)values)[i] = md_fp16_narrow((float)value);
        break;
    default:
        ((uint16_t *)values)[i] = md_bf16_narrow((float)value);
    }
}

static inline unsigned long long bits_of(enum md_format format, const void *values, size_t i) {
    unsigned long long bits = 0; /* little-endian, as all hosts here are */
    size_t bytes = md_format_bytes[format];
    memcpy(&bits, (const char *)values + i * bytes, bytes);
    return bits;
}

/* The first of n numbers that differ in their bits, or n. A NaN equals every NaN. */
static inline size_t first_difference(enum md_format format, const void *a, const void *b,
                                      size_t n) {
    size_t bytes = md_format_bytes[format];
    if (memcmp(a, b, n * bytes) == 0)
        return n;
    for (size_t i = 0; i < n; i++)
        if (bits_of(format, a, i) != bits_of(format, b, i) &&
            !(isnan(number(format, a, i)) && isnan(number(format, b, i))))
            return i;
    return n;
}

/* ---- data ------------------------------------------------------------------------------------ */

enum data {
    ORDINARY, /* normally distributed */
    POWERS_OF_TWO /* +-1 .. +-8: every sum of products is exact, so only indexing can be wrong */,
    ADVERSARIAL, /* products around the smallest number, zeros of both signs, subnormals; now and
                  * then something huge, infinite or NaN */
    HALVES, /* a byte at one of four distances: products lie half-way between two numbers of 16 bits
             * often, and what is added to them decides, however small */
    SPREAD, /* over 75 binades, few over 110 (fp16: all it has), half of them zero: products, and
             * what is added to them, of all sizes */
    TOWERING, /* many zeros in a row, and many numbers whose products are nearly the largest */
    FADING,   /* zeros of both signs and so small that products are rounded to zero, of whose sign a
               * sum may be; now and then something between 1 and 2 */
    DATA_COUNT
};
static const char *const data_names[DATA_COUNT] = {
    "ordinary", "powers of two", "adversarial", "halves", "spread", "towering", "fading"};

static inline double draw(enum md_format format, enum data data, struct md_random *random) {
    double sign = md_random_below(random, 2) ? 1.0 : -1.0;
    if (data == ORDINARY)
        return md_random_normal(random);
    if (data == POWERS_OF_TWO)
        return ldexp(sign, (int)md_random_below(random, 4));
    if (data == HALVES)
        return ldexp(sign * (1 + md_random_below(random, 255)),
                     -8 * (int)md_random_below(random, 4));
    if (data == SPREAD && md_random_below(random, 2) == 0)
        return sign * 0.0;
    if (data == SPREAD) {
        int half = format == MD_FP16 || format == MD_FP16W;
        int exponent = 12 - (int)md_random_below(random, md_random_below(random, 64) ? 75 : 110);
        if (half)
            exponent = 15 - (int)md_random_below(random, 40);
        return ldexp(sign * (1 + md_random_below(random, 127) / 128.0), exponent);
    }
    if (data == FADING && md_random_below(random, 64) == 0)
        return sign * (1 + md_random_unit(random));
    if (data == FADING)
        return md_random_below(random, 2) ? sign * 0.0 : ldexp(sign, -70);
    /* The smallest number, the largest, and half the smallest one's exponent. */
    static const struct {
        double smallest, largest;
        int root;
    } ranges[MD_FORMAT_COUNT] = {
        [MD_FP32] = {0x1p-149, FLT_MAX, -75},    [MD_FP64] = {DBL_TRUE_MIN, DBL_MAX, -538},
        [MD_FP16] = {0x1p-24, 65504, -12},       [MD_FP16W] = {0x1p-24, 65504, -12},
        [MD_BF16] = {0x1p-133, 0x1.fep127, -67}, [MD_BF16W] = {0x1p-133, 0x1.fep127, -67},
    };
    double smallest = ranges[format].smallest, largest = ranges[format].largest;
    uint32_t kind = md_random_below(random, 4096);
    if (kind < 3)
        return kind == 0 ? NAN : sign * (kind == 1 ? (double)INFINITY : largest);
    if (kind < 512)
        return sign * 0.0;
    if (kind < 1024)
        return sign * smallest * (1 + md_random_below(random, 1000));
    int root = ranges[format].root;
    return ldexp(sign * (1 + md_random_unit(random)), root + (int)md_random_below(random, 16) - 4);
}

static inline double tower(enum md_format format, struct md_random *random) {
    static const int roots[MD_FORMAT_COUNT] = {[MD_FP32] = 56, [MD_FP64] = 504, [MD_FP16] = 6,
                                               [MD_FP16W] = 6, [MD_BF16] = 56,  [MD_BF16W] = 56};
    double sign = md_random_below(random, 2) ? 1.0 : -1.0;
    return ldexp(sign * (1 + md_random_unit(random)),
                 roots[format] + (int)md_random_below(random, 4));
}

static inline void fill(enum md_format format, enum data data, struct md_random *random, size_t n,
                        void *values) {
    int is_tower = 0;
    for (size_t i = 0; i < n; i++) {
        if (data == TOWERING && i % 32 == 0)
            is_tower = md_random_below(random, 4) == 0;
        double value = data != TOWERING ? draw(format, data, random)
                       : is_tower       ? tower(format, random)
                                        : 0.0;
        set_number(format, values, i, value);
    }
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Memory that ends, up to alignment, at a page nobody may touch. In front of it, and in the
 * alignment's gap behind it, lies poison: as a number it is a NaN, so that a value read from there
 * shows in the result, and a write there is found when the fence is taken down. */
struct fenced {
    unsigned char *pages, *values;
    size_t bytes, page, whole;
};

enum { POISON = 0xff };

static inline struct fenced fence(size_t bytes, size_t alignment) {
    struct fenced f = {.bytes = bytes, .page = (size_t)sysconf(_SC_PAGESIZE)};
    void *pages = NULL;
    f.whole = (bytes / f.page + 2) * f.page;
    cr_assert_eq(posix_memalign(&pages, f.page, f.whole + f.page), 0);
    f.pages = pages;
    memset(f.pages, POISON, f.whole);
    cr_assert_eq(mprotect(f.pages + f.whole, f.page, PROT_NONE), 0);
    f.values = f.pages + (f.whole - bytes) / alignment * alignment;
    return f;
}

static inline int fence_holds(const struct fenced *f) {
    int holds = 1;
    for (const unsigned char *c = f->pages; c < f->values; c++)
        holds &= *c == POISON;
    for (const unsigned char *c = f->values + f->bytes; c < f->pages + f->whole; c++)
        holds &= *c == POISON;
    return holds;
}

static inline void unfence(struct fenced *f) {
    mprotect(f->pages + f->whole, f->page, PROT_READ | PROT_WRITE);
    free(f->pages);
}

/* n numbers, to be freed. */
static inline void *numbers(enum md_format format, size_t n) {
    void *values = calloc(n + 1, md_format_bytes[format]);
    cr_assert(values);
    return values;
}

/* ---- levels ---------------------------------------------------------------------------------- */

/* The levels that are compiled here, from the slowest to the fastest, without "ref" and "blas", and
 * which of them this processor can run; ended by NULL. */
struct built_level {
    const char *name;
    int here;
    int half_only; /* 1: there for fp16 only */
};
static inline const struct built_level *built_levels(void) {
    static struct built_level levels[5] = {{"scalar", 1, 0}};
#if defined(MD_VECTOR_LEVELS) && defined(__x86_64__)
    unsigned a, b, c, d;
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    int half = avx512 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & 1u << 23) != 0;
    levels[1] = (struct built_level){"avx2", avx2, 0};
    levels[2] = (struct built_level){"avx512", avx512, 0};
    levels[3] = (struct built_level){"avx512fp16", half, 1};
#elif defined(MD_VECTOR_LEVELS)
    levels[1] = (struct built_level){"neon", 1, 0};
    levels[2] = (struct built_level){"neonfp16", (getauxval(AT_HWCAP) >> 9 & 3) == 3, 1};
#endif
    return levels;
}

/* The levels of a format that have to give the reference's bits, ended by NULL: all but "ref" and
 * "blas". What this processor can run has to be among them. */
static inline int exact_levels(enum md_format format, const char *levels[8]) {
    const char *all[8];
    int count = 0, expected = 0, found = md_ops_levels(format, all);
    for (int i = 0; i < found; i++)
        if (strcmp(all[i], "ref") != 0 && strcmp(all[i], "blas") != 0)
            levels[count++] = all[i];
    levels[count] = NULL;
    for (const struct built_level *built = built_levels(); built->name != NULL; built++) {
        if (!built->here || (built->half_only && format != MD_FP16))
            continue;
        cr_assert(expected < count && strcmp(levels[expected], built->name) == 0,
                  "%s: level %d is not %s", md_format_names[format], expected, built->name);
        cr_assert_str_eq(md_ops_find(format, built->name)->level, built->name);
        expected++;
    }
    cr_assert_eq(count, expected, "%s: %d levels besides ref and blas", md_format_names[format],
                 count);
    return count;
}

#endif
