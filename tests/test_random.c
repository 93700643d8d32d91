/* The random streams: random.h. Bounds on statistics are five deviations wide: a correct program
 * misses one for one seed in 1.7 million, and the seeds are fixed. */
#include <criterion/criterion.h>
#include <math.h>

#include "../base/random.h"

static const double five = 5;

/* The vectors published with the paper (kat_vectors of Random123): counter, key, block. */
Test(random, gives_the_published_philox_vectors) {
    static const struct {
        uint32_t counter[4], key[2], block[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const uint32_t *counter = known[i].counter, *key = known[i].key;
        struct md_random random =
            md_random_stream((uint64_t)key[1] << 32 | key[0], counter[1], counter[2], counter[3]);
        random.counter[0] = counter[0];
        for (int word = 0; word < 4; word++)
            cr_assert_eq(md_random_bits(&random), known[i].block[word], "vector %zu, word %d", i,
                         word);
    }
}

Test(random, counts_blocks_and_keeps_streams_apart) {
    struct md_random random = md_random_stream(7, 1, 2, 3), copy = random;
    for (int i = 0; i < 4; i++)
        md_random_bits(&random);
    struct md_random second_block = md_random_stream(7, 1, 2, 3);
    second_block.counter[0] = 1;
    cr_assert_eq(md_random_bits(&random), md_random_bits(&second_block));
    uint32_t first = md_random_bits(&copy);
    struct md_random others[] = {md_random_stream(8, 1, 2, 3), md_random_stream(7, 0, 2, 3),
                                 md_random_stream(7, 1, 0, 3), md_random_stream(7, 1, 2, 0),
                                 md_random_stream(UINT64_C(7) | UINT64_C(1) << 32, 1, 2, 3)};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        cr_assert_neq(first, md_random_bits(&others[i]), "stream %zu", i);
}

Test(random, has_the_moments_of_its_distributions) {
    enum { DRAWS = 200000 };
    double unit = 0, ranged = 0, normal = 0, square = 0;
    int seen[3] = {0};
    struct md_random random = md_random_stream(1, 2, 3, 4);
    for (int i = 0; i < DRAWS; i++) {
        double u = md_random_unit(&random), z = md_random_normal(&random);
        cr_assert(u >= 0 && u < 1);
        unit += u / DRAWS;
        normal += z / DRAWS;
        square += z * z / DRAWS;
        double x = md_random_range(&random, -2, 3);
        cr_assert(x >= -2 && x < 3);
        ranged += x / DRAWS;
        seen[md_random_below(&random, 3)]++;
        cr_assert_eq(md_random_below(&random, 1), 0);
    }
    /* Variances: of a unit 1/12, of a normal 1, of its square 2, of a third (1/3)(2/3). */
    cr_assert_lt(fabs(unit - 0.5), five * sqrt(1.0 / 12 / DRAWS));
    cr_assert_lt(fabs(ranged - 0.5), five * 5 * sqrt(1.0 / 12 / DRAWS));
    cr_assert_lt(fabs(normal), five * sqrt(1.0 / DRAWS));
    cr_assert_lt(fabs(square - 1), five * sqrt(2.0 / DRAWS));
    for (int i = 0; i < 3; i++)
        cr_assert_lt(fabs(seen[i] - DRAWS / 3.0), five * sqrt(DRAWS * 2.0 / 9));
}

Test(random, draws_below_large_bounds_without_bias) {
    /* Of n = 3 * 2^30, a plain remainder would give the first third twice as often. */
    enum { DRAWS = 100000 };
    struct md_random random = md_random_stream(5, 0, 0, 0);
    int low = 0;
    for (int i = 0; i < DRAWS; i++)
        low += md_random_below(&random, UINT32_C(3) << 30) < UINT32_C(1) << 30;
    cr_assert_lt(fabs(low - DRAWS / 3.0), five * sqrt(DRAWS * 2.0 / 9));
}
