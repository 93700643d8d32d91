/* Counter-based random numbers (Philox: core/random.h). A number depends on its key and counter
 * alone, so what is drawn for one sample never depends on how many threads there are or what was
 * drawn before. */
#ifndef MD_BASE_RANDOM_H
#define MD_BASE_RANDOM_H

#include <stdint.h>

/* A stream of random numbers. Copying it copies its position. */
struct md_random {
    uint32_t key[2];
    uint32_t counter[4]; /* counter[0] runs; the other three name the stream */
    uint32_t block[4];
    unsigned used; /* how many words of block have been given out */
};

/* The stream named by (seed, a, b, c): for instance (run seed, epoch, sample, purpose). */
struct md_random md_random_stream(uint64_t seed, uint32_t a, uint32_t b, uint32_t c);

/* A text as a part of a stream's name: its FNV-1a hash. */
uint32_t md_random_name(const char *text);

/* 32 uniform bits. */
uint32_t md_random_bits(struct md_random *random);

/* Uniform in [0, 1), a multiple of 2^-32. */
double md_random_unit(struct md_random *random);

/* Uniform in [low, high). */
double md_random_range(struct md_random *random, double low, double high);

/* Uniform in 0 .. n-1, without bias; n >= 1. */
uint32_t md_random_below(struct md_random *random, uint32_t n);

/* Standard normal (Box-Muller). */
double md_random_normal(struct md_random *random);

#endif
