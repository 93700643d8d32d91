/* The built-in worlds as a data set: the same for everybody, and of the wanted character. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "../datasets/rooms.h"
#include "../datasets/sample.h"

enum { SIDE = 48, ZONES = 8 };

static const struct md_world *world_named(const char *name) {
    int world = 0;
    while (world < md_world_count && strcmp(md_worlds[world].name, name) != 0)
        world++;
    cr_assert_lt(world, md_world_count, "no world %s", name);
    return &md_worlds[world];
}

static struct md_data_spec spec_of(const char *world, uint64_t seed, const char *split,
                                   size_t count) {
    struct md_data_spec spec = md_data_spec_default;
    strcpy(spec.set, "synthetic");
    strcpy(spec.world, world);
    strcpy(spec.split, split);
    spec.seed = seed;
    spec.count = count;
    spec.max_depth_m = strcmp(world, "source") == 0 ? 80 : 4;
    return spec;
}

static struct md_dataset open_spec(const struct md_data_spec *spec) {
    struct md_dataset dataset;
    struct md_error error = {""};
    cr_assert_eq(md_dataset_open(spec, SIDE, SIDE, NULL, &dataset, &error), MD_OK, "%s",
                 error.text);
    return dataset;
}

static struct md_dataset open_world(const char *world, uint64_t seed, const char *split,
                                    size_t count) {
    struct md_data_spec spec = spec_of(world, seed, split, count);
    return open_spec(&spec);
}

static int same_sample(const struct md_sample *a, const struct md_sample *b) {
    size_t depths = (size_t)(a->depth_height * a->depth_width) * sizeof *a->depth_m;
    return memcmp(a->picture, b->picture, 3 * SIDE * SIDE) == 0 &&
           memcmp(a->depth_m, b->depth_m, depths) == 0 &&
           memcmp(a->disparity, b->disparity, depths) == 0;
}

/* Mean difference of two data sets' pictures, sample by sample, in levels. */
static double difference(const struct md_dataset *a, const struct md_dataset *b) {
    double sum = 0;
    for (size_t i = 0; i < a->count; i++)
        for (int p = 0; p < 3 * SIDE * SIDE; p++)
            sum += abs(a->samples[i].picture[p] - b->samples[i].picture[p]);
    return sum / ((double)a->count * 3 * SIDE * SIDE);
}

Test(synthetic, is_a_function_of_its_description) {
    const char *const worlds[] = {"source", "field"};
    for (int w = 0; w < 2; w++) {
        struct md_dataset first = open_world(worlds[w], 1, "train", 20);
        struct md_dataset again = open_world(worlds[w], 1, "train", 20);
        struct md_dataset longer = open_world(worlds[w], 1, "train", 35);
        struct md_dataset other_seed = open_world(worlds[w], 2, "train", 20);
        struct md_dataset other_split = open_world(worlds[w], 1, "test", 20);
        cr_expect_str_eq(first.digest, again.digest);
        cr_expect_str_neq(first.digest, other_seed.digest);
        cr_expect_str_neq(first.digest, other_split.digest);
        for (size_t i = 0; i < first.count; i++)
            cr_expect(same_sample(&first.samples[i], &longer.samples[i]), "%zu", i);
        /* Far more than the camera's noise: other places, or another flight. */
        cr_expect_gt(difference(&first, &other_seed), 15);
        cr_expect_gt(difference(&first, &other_split), 15);
        md_dataset_close(&first);
        md_dataset_close(&again);
        md_dataset_close(&longer);
        md_dataset_close(&other_seed);
        md_dataset_close(&other_split);
    }
}

static uint32_t first_bits(const char *world, enum md_purpose purpose, uint64_t seed,
                           uint32_t split, uint32_t number) {
    struct md_random random = md_world_stream(world_named(world), purpose, seed, split, number);
    return md_random_bits(&random);
}

Test(synthetic, has_one_field_per_seed_and_other_halls_for_every_flight) {
    enum md_purpose place = MD_FOR_PLACE, flight = MD_FOR_FLIGHT;
    cr_expect_eq(first_bits("field", place, 1, 2, 0), first_bits("field", place, 1, 3, 0));
    cr_expect_neq(first_bits("field", place, 1, 2, 0), first_bits("field", place, 2, 2, 0));
    cr_expect_neq(first_bits("field", flight, 1, 2, 0), first_bits("field", flight, 1, 3, 0));
    cr_expect_neq(first_bits("source", place, 1, 2, 0), first_bits("source", place, 1, 3, 0));
    cr_expect_neq(first_bits("source", place, 1, 2, 0), first_bits("source", place, 1, 2, 1));
    uint32_t seen[2 * MD_PURPOSES];
    for (int a = 0; a < 2 * MD_PURPOSES; a++) {
        seen[a] = first_bits(a < MD_PURPOSES ? "source" : "field",
                             (enum md_purpose)(a % MD_PURPOSES), 1, 0, 0);
        for (int b = 0; b < a; b++)
            cr_expect_neq(seen[a], seen[b], "streams %d and %d", b, a);
    }
}

Test(synthetic, has_the_shapes_it_promises) {
    struct md_dataset source = open_world("source", 1, "train", 10);
    struct md_dataset field = open_world("field", 1, "train", 10);
    cr_expect_str_eq(field.samples[7].name, "synthetic:field:train:7");
    for (size_t i = 0; i < 10; i++) {
        const struct md_sample *dense = &source.samples[i], *zones = &field.samples[i];
        cr_expect(dense->depth_height == SIDE && dense->depth_width == SIDE);
        cr_expect(zones->depth_height == ZONES && zones->depth_width == ZONES);
        cr_expect(dense->fb == 80 && zones->fb == 80);
        for (int p = 0; p < SIDE * SIDE; p++) {
            cr_expect(dense->depth_m[p] > 0.2 && dense->depth_m[p] < 60);
            cr_expect_float_eq(dense->disparity[p] * dense->depth_m[p], 80, 1e-4);
        }
        for (int z = 0; z < ZONES * ZONES; z++) {
            float depth_m = zones->depth_m[z], disparity = zones->disparity[z];
            if (depth_m == MD_NO_DEPTH)
                cr_expect_eq(disparity, MD_INVALID);
            else
                cr_expect_float_eq(disparity * depth_m, 80, 1e-4);
        }
    }
    md_dataset_close(&source);
    md_dataset_close(&field);
}

Test(synthetic, keeps_to_the_range_limits) {
    struct md_data_spec spec = spec_of("field", 1, "train", 60);
    spec.min_depth_m = 0.8;
    spec.max_depth_m = 2;
    struct md_dataset limited = open_spec(&spec);
    struct md_dataset all = open_world("field", 1, "train", 60);
    int dropped = 0;
    for (size_t i = 0; i < limited.count; i++)
        for (int z = 0; z < ZONES * ZONES; z++) {
            float depth_m = all.samples[i].depth_m[z];
            int within = depth_m >= 0.8f && depth_m < 2;
            dropped += depth_m > 0 && !within;
            cr_expect_eq(limited.samples[i].depth_m[z], within ? depth_m : MD_NO_DEPTH);
        }
    cr_expect_gt(dropped, 100);
    md_dataset_close(&limited);
    md_dataset_close(&all);
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The wanted character of the worlds: a sensor in small rooms, exact depth in large ones. */
Test(synthetic, looks_as_near_and_as_far_as_it_should, .timeout = 600) {
    enum { COUNT = 300 };
    static float depths[COUNT * ZONES * ZONES];
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct md_dataset field = open_world("field", seed, "train", COUNT);
        size_t valid = 0;
        for (size_t i = 0; i < COUNT; i++)
            for (int z = 0; z < ZONES * ZONES; z++)
                if (field.samples[i].depth_m[z] > 0)
                    depths[valid++] = field.samples[i].depth_m[z];
        qsort(depths, valid, sizeof *depths, ascending);
        double share = (double)valid / (COUNT * ZONES * ZONES);
        cr_expect(share > 0.55 && share < 0.9, "seed %d: %g valid", (int)seed, share);
        cr_expect(depths[valid / 2] > 0.9 && depths[valid / 2] < 2, "seed %d: median %g m",
                  (int)seed, depths[valid / 2]);
        md_dataset_close(&field);
    }
    struct md_dataset source = open_world("source", 1, "train", COUNT);
    for (size_t i = 0; i < COUNT; i++)
        for (int z = 0; z < ZONES * ZONES; z++) /* every 36th pixel is enough */
            depths[i * ZONES * ZONES + (size_t)z] = source.samples[i].depth_m[36 * z];
    qsort(depths, sizeof depths / sizeof *depths, sizeof *depths, ascending);
    double median = depths[COUNT * ZONES * ZONES / 2], most = depths[COUNT * ZONES * ZONES - 1];
    cr_expect(median > 5 && median < 10, "source: median %g m", median);
    cr_expect(most > 30, "source: farthest %g m", most);
    md_dataset_close(&source);
}

Test(synthetic, refuses_what_it_cannot_do) {
    struct md_dataset dataset;
    struct md_error error;
    struct md_data_spec spec = spec_of("moon", 1, "train", 10);
    cr_expect_eq(md_dataset_open(&spec, SIDE, SIDE, NULL, &dataset, &error), MD_USAGE);
    cr_expect_not_null(strstr(error.text, "moon"));
    for (int i = 0; i < md_world_count; i++)
        cr_expect_not_null(strstr(error.text, md_worlds[i].name), "%s", error.text);
    const size_t counts[] = {0, 1000001, SIZE_MAX};
    for (int i = 0; i < 3; i++) {
        spec = spec_of("field", 1, "train", counts[i]);
        cr_expect_eq(md_dataset_open(&spec, SIDE, SIDE, NULL, &dataset, &error), MD_USAGE);
        cr_expect_not_null(strstr(error.text, "1000000"), "%s", error.text);
    }
}
