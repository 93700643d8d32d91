/* Vectors of real numbers for lanes_tmpl.c: what one register of the instruction set being compiled
 * for holds, and the few operations the kernels need. A masked operation leaves switched-off lanes
 * as they are; v_load_masked makes them +0, and where MASKED_LOADS does not touch their memory, nor
 * does v_store_masked. */
#ifndef MD_CORE_LANES_H
#define MD_CORE_LANES_H

#include "format.h"

/* Every step of a chain is rounded to 16 bits. */
#define ROUNDS ((MD_NUMBER == MD_NUMBER_fp16 && !MD_NATIVE_HALF) || MD_NUMBER == MD_NUMBER_bf16)

#if MD_NATIVE_HALF && defined(__AVX512FP16__)
#include "lanes_avx512fp16.h"
#elif defined(__AVX2__)
#include "lanes_x86.h"
#elif defined(MD_NEON)
#include "lanes_neon.h"
#elif defined(MD_PAIRS)
#include "lanes_pairs.h"
#else
#include "lanes_portable.h"
#endif

#if !defined(TALL)
#define TALL 3
#endif

#if GATHERS && (MD_NUMBER <= MD_NUMBER_fp64 || MD_NATIVE_HALF)
/* An element is a number as it is. */
static inline vec v_widen(const elem *from) {
    return v_load(from);
}
static inline void v_narrow(elem *to, vec a) {
    v_store(to, a);
}
#endif

/* Of bf16 numbers that are included by the vector: twice their magnitudes' bits, the most and the
 * least (minus 1) of those not 0. Other formats need not know them. */
#if GATHERS && MD_NUMBER == MD_NUMBER_bf16
static inline void v_no_extremes(struct extremes *extremes) {
    __builtin_memset(&extremes->most, 0, sizeof extremes->most);
    __builtin_memset(&extremes->least, 0xff, sizeof extremes->least);
}
#else
struct extremes {
    char unused;
};
static inline void v_no_extremes(struct extremes *extremes) {
    extremes->unused = 0;
}
static inline void v_include(struct extremes *extremes, const elem *from) {
    (void)extremes;
    (void)from;
}
#endif

#if GATHERS && !ROUNDS
/* What the arithmetic of real gives is right, and needs no state of the processor. */
static inline unsigned v_fma_begin(void) {
    return 0;
}
static inline void v_fma_end(unsigned before) {
    (void)before;
}
static inline vec v_round(vec a) {
    return a;
}
static inline vec v_add(vec a, vec b) {
    return v_wide_add(a, b);
}
static inline vec v_fma(vec a, vec b, vec c) {
    return v_wide_fma(a, b, c);
}
#if !defined(MASKS_STEPS)
static inline vec v_fma_masked(vec a, vec b, vec c, mask m) {
    return v_blend(m, c, v_wide_fma(a, b, c));
}
#endif
#endif

/* v_fma_masked takes no longer than v_fma, and not as long as v_load_masked. */
#if !defined(MASKS_STEPS)
#define MASKS_STEPS 0
#endif

#endif
