/* Counter-based random bits: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1,
 * 2, 3", SC 2011). A block depends on its key and counter alone, so whoever computes it, and when,
 * cannot matter. */
#ifndef MD_CORE_RANDOM_H
#define MD_CORE_RANDOM_H

#include <stdint.h>

enum { MD_PHILOX_WORDS = 4, MD_PHILOX_ROUNDS = 10 };

/* What a key grows by after each round (the Weyl constants: the golden ratio and sqrt(3) - 1 in 32
 * bits), and a round of a block (a, b, c, d) (Philox' two multipliers, table 2 of the paper). */
static inline void md_philox_grow(uint32_t key[2]) {
    key[0] += UINT32_C(0x9E3779B9);
    key[1] += UINT32_C(0xBB67AE85);
}
static inline void md_philox_round(const uint32_t key[2], uint32_t *a, uint32_t *b, uint32_t *c,
                                   uint32_t *d) {
    const uint32_t times_a = UINT32_C(0xD2511F53), times_c = UINT32_C(0xCD9E8D57);
    uint32_t upper_a = (uint32_t)((uint64_t)times_a * *a >> 32), lower_a = times_a * *a;
    uint32_t upper_c = (uint32_t)((uint64_t)times_c * *c >> 32), lower_c = times_c * *c;
    *a = upper_c ^ *b ^ key[0];
    *b = lower_c;
    *c = upper_a ^ *d ^ key[1];
    *d = lower_a;
}

/* The block of 128 random bits that key and counter name. */
static inline void md_philox(const uint32_t key[2], const uint32_t counter[MD_PHILOX_WORDS],
                             uint32_t block[MD_PHILOX_WORDS]) {
    uint32_t grown[2] = {key[0], key[1]};
    for (int i = 0; i < MD_PHILOX_WORDS; i++)
        block[i] = counter[i];
    for (int round = 0; round < MD_PHILOX_ROUNDS; round++, md_philox_grow(grown))
        md_philox_round(grown, &block[0], &block[1], &block[2], &block[3]);
}

#endif
