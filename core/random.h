/* Counter-based random bits: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1,
 * 2, 3", SC 2011). A block depends on its key and counter alone, so whoever computes it, and when,
 * cannot matter. */
#ifndef MD_CORE_RANDOM_H
#define MD_CORE_RANDOM_H

#include <stdint.h>

enum { MD_PHILOX_WORDS = 4, MD_PHILOX_ROUNDS = 10 };

/* The block of 128 random bits that key and counter name. The constants are Philox' two multipliers
 * and what its key grows by after each round (table 2 of the paper, and the Weyl constants: the
 * golden ratio and sqrt(3) - 1 in 32 bits). */
static inline void md_philox(const uint32_t key[2], const uint32_t counter[MD_PHILOX_WORDS],
                             uint32_t block[MD_PHILOX_WORDS]) {
    uint32_t key0 = key[0], key1 = key[1];
    for (int i = 0; i < MD_PHILOX_WORDS; i++)
        block[i] = counter[i];
    for (int round = 0; round < MD_PHILOX_ROUNDS; round++) {
        uint64_t product0 = UINT64_C(0xD2511F53) * block[0];
        uint64_t product1 = UINT64_C(0xCD9E8D57) * block[2];
        block[0] = (uint32_t)(product1 >> 32) ^ block[1] ^ key0;
        block[1] = (uint32_t)product1;
        block[2] = (uint32_t)(product0 >> 32) ^ block[3] ^ key1;
        block[3] = (uint32_t)product0;
        key0 += UINT32_C(0x9E3779B9);
        key1 += UINT32_C(0xBB67AE85);
    }
}

#endif
