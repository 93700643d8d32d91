#include "random.h"

#include <math.h>

enum { ROUNDS = 10, BLOCK_WORDS = 4 };

/* Philox' two multipliers and what its key grows by after each round (table 2 of the paper, and
 * the Weyl constants: the golden ratio and sqrt(3) - 1 in 32 bits). */
#define MULTIPLIER0 UINT64_C(0xD2511F53)
#define MULTIPLIER1 UINT64_C(0xCD9E8D57)
#define WEYL0       UINT32_C(0x9E3779B9)
#define WEYL1       UINT32_C(0xBB67AE85)

static void next_block(struct md_random *random) {
    uint32_t *x = random->block;
    uint32_t key0 = random->key[0], key1 = random->key[1];
    for (int i = 0; i < BLOCK_WORDS; i++)
        x[i] = random->counter[i];
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t product0 = MULTIPLIER0 * x[0], product1 = MULTIPLIER1 * x[2];
        x[0] = (uint32_t)(product1 >> 32) ^ x[1] ^ key0;
        x[1] = (uint32_t)product1;
        x[2] = (uint32_t)(product0 >> 32) ^ x[3] ^ key1;
        x[3] = (uint32_t)product0;
        key0 += WEYL0;
        key1 += WEYL1;
    }
    random->counter[0]++;
    random->used = 0;
}

struct md_random md_random_stream(uint64_t seed, uint32_t a, uint32_t b, uint32_t c) {
    return (struct md_random){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                              .counter = {0, a, b, c},
                              .used = BLOCK_WORDS};
}

uint32_t md_random_bits(struct md_random *random) {
    if (random->used == BLOCK_WORDS)
        next_block(random);
    return random->block[random->used++];
}

double md_random_unit(struct md_random *random) {
    return md_random_bits(random) * 0x1p-32;
}

double md_random_range(struct md_random *random, double low, double high) {
    return low + (high - low) * md_random_unit(random);
}

uint32_t md_random_below(struct md_random *random, uint32_t n) {
    /* The first 2^32 mod n words would make the small numbers likelier: draw again. */
    uint32_t surplus = (0 - n) % n, bits;
    do
        bits = md_random_bits(random);
    while (bits < surplus);
    return bits % n;
}

double md_random_normal(struct md_random *random) {
    const double two_pi = 6.283185307179586;
    double radius = sqrt(-2 * log(1 - md_random_unit(random))); /* 1 - u is never 0 */
    return radius * cos(two_pi * md_random_unit(random));
}
