/* For the benchmark: the multiply-adds that a core can do at all. */
#ifndef MD_TESTS_BENCH_PEAK_H
#define MD_TESTS_BENCH_PEAK_H

#include <string.h>

#include "rounds.h"

#if defined(__x86_64__)
/* Twelve fused steps that need not wait for each other, in registers only. */
/* clang-format off */
#define FMA(r, i) "vfmadd231ps %%" r "15, %%" r "14, %%" r i "\n\t"
#define TWELVE(r)                                                                                  \
    FMA(r, "0") FMA(r, "1") FMA(r, "2") FMA(r, "3") FMA(r, "4") FMA(r, "5")                        \
    FMA(r, "6") FMA(r, "7") FMA(r, "8") FMA(r, "9") FMA(r, "10") FMA(r, "11")
/* clang-format on */
#define REPEAT(r)                                                                                  \
    __asm__ volatile("vzeroall\n1:\n\t" TWELVE(r) "dec %0\n\tjnz 1b\n\tvzeroupper"                 \
                     : "+r"(count)                                                                 \
                     :                                                                             \
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",       \
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15")

/* Seconds of `count` times twelve steps. */
static inline double time_steps(int lanes, long count) {
    double began = now();
    if (lanes == 16)
        REPEAT("zmm");
    else
        REPEAT("ymm");
    return now() - began;
}

/* Billions of fused steps of binary32 per second with this level's vectors, by the fastest of some
 * runs that take about `seconds` each, at least 3 in `all` seconds; 0: not known. A core is faster
 * for moments than for the time of a training step, so what is compared has to take as long. */
static inline double peak_of(const char *level, double seconds, double all) {
    double best = 0.0, began = now();
    int lanes = strcmp(level, "avx512") == 0 ? 16 : strcmp(level, "avx2") == 0 ? 8 : 0;
    if (lanes == 0)
        return 0.0;
    long warm = 100000, count = (long)((double)warm * seconds / time_steps(lanes, warm)) + 1;
    for (int i = 0; i < 3 || now() - began < all; i++) {
        double rate = 12e-9 * lanes * (double)count / time_steps(lanes, count);
        best = rate > best ? rate : best;
    }
    return best;
}
#else
static inline double peak_of(const char *level, double seconds, double all) {
    (void)level, (void)seconds, (void)all;
    return 0.0;
}
#endif

#endif
