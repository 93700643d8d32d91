#include "random.h"

#include <math.h>

#include "../core/random.h"

static void next_block(struct md_random *random) {
    md_philox(random->key, random->counter, random->block);
    random->counter[0]++;
    random->used = 0;
}

struct md_random md_random_stream(uint64_t seed, uint32_t a, uint32_t b, uint32_t c) {
    return (struct md_random){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                              .counter = {0, a, b, c},
                              .used = MD_PHILOX_WORDS};
}

uint32_t md_random_name(const char *text) {
    uint32_t hash = UINT32_C(2166136261);
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * UINT32_C(16777619);
    return hash;
}

uint32_t md_random_bits(struct md_random *random) {
    if (random->used == MD_PHILOX_WORDS)
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
