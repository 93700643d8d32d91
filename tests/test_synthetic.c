/* The built-in worlds as a data set: the same for everybody, and of the wanted character. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../datasets/worlds/rooms.h"
#include "scenes.h"
#include "specs.h"

enum { SIDE = 48, ZONES = 8 };

static struct md_data_spec spec_of(const char *world, uint64_t seed, const char *split,
                                   size_t count) {
    struct md_data_spec spec = default_spec();
    strcpy(spec.set, "synthetic");
    strcpy(spec.world, world);
    strcpy(spec.split, split);
    spec.seed = seed;
    spec.count = count;
    int has_sensor = strcmp(world, "field") == 0 || strcmp(world, "arena") == 0;
    spec.max_depth_m = has_sensor ? 4 : 80;
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
    for (int w = 0; w < md_world_count; w++) {
        struct md_dataset first = open_world(md_world_names[w], 1, "train", 20);
        struct md_dataset again = open_world(md_world_names[w], 1, "train", 20);
        struct md_dataset longer = open_world(md_world_names[w], 1, "train", 35);
        struct md_dataset other_seed = open_world(md_world_names[w], 2, "train", 20);
        struct md_dataset other_split = open_world(md_world_names[w], 1, "test", 20);
        cr_expect_str_eq(first.digest, again.digest);
        cr_expect_str_neq(first.digest, other_seed.digest);
        cr_expect_str_neq(first.digest, other_split.digest);
        for (size_t i = 0; i < first.count; i++)
            cr_expect(same_sample(&first.samples[i], &longer.samples[i]), "%zu", i);
        /* Far more than the camera's noise: other scenes, or another flight. */
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
    enum { MOST_STREAMS = 10 * MD_PURPOSES };
    enum md_purpose scene = MD_FOR_SCENE, flight = MD_FOR_FLIGHT;
    static const char *const fields[] = {"field", "arena"}, *const sources[] = {"source", "road"};
    for (int i = 0; i < 2; i++) {
        const char *f = fields[i], *s = sources[i];
        cr_expect_eq(first_bits(f, scene, 1, 2, 0), first_bits(f, scene, 1, 3, 0));
        cr_expect_neq(first_bits(f, scene, 1, 2, 0), first_bits(f, scene, 2, 2, 0));
        cr_expect_neq(first_bits(f, flight, 1, 2, 0), first_bits(f, flight, 1, 3, 0));
        cr_expect_neq(first_bits(s, scene, 1, 2, 0), first_bits(s, scene, 1, 3, 0));
        cr_expect_neq(first_bits(s, scene, 1, 2, 0), first_bits(s, scene, 1, 2, 1));
    }
    uint32_t seen[MOST_STREAMS];
    cr_assert_leq(md_world_count * MD_PURPOSES, MOST_STREAMS);
    for (int a = 0; a < md_world_count * MD_PURPOSES; a++) {
        seen[a] = first_bits(md_world_names[a / MD_PURPOSES], (enum md_purpose)(a % MD_PURPOSES), 1,
                             0, 0);
        for (int b = 0; b < a; b++)
            cr_expect_neq(seen[a], seen[b], "streams %d and %d", b, a);
    }
}

Test(synthetic, names_each_of_its_worlds) {
    for (int w = 0; w < md_world_count; w++)
        cr_assert_not_null(md_world_names[w]);
    cr_expect_null(md_world_names[md_world_count]);
}

static void check_values(const struct md_sample *sample) {
    cr_expect_eq(sample->fb, 80);
    for (int i = 0; i < sample->depth_height * sample->depth_width; i++) {
        float depth_m = sample->depth_m[i], disparity = sample->disparity[i];
        if (depth_m == MD_NO_DEPTH)
            cr_expect_eq(disparity, MD_INVALID);
        else
            cr_expect_float_eq(disparity * depth_m, 80, 1e-4);
    }
}

Test(synthetic, has_the_shapes_it_promises) {
    for (int w = 0; w < md_world_count; w++) {
        const char *world = md_world_names[w];
        int side = world_named(world)->sensor.zones > 0 ? ZONES : SIDE;
        char name[64];
        struct md_dataset dataset = open_world(world, 1, "train", 10);
        snprintf(name, sizeof name, "synthetic:%s:train:7", world);
        cr_expect_str_eq(dataset.samples[7].name, name);
        for (size_t i = 0; i < 10; i++) {
            const struct md_sample *sample = &dataset.samples[i];
            cr_expect(sample->depth_height == side && sample->depth_width == side);
            check_values(sample);
            for (int p = 0; strcmp(world, "source") == 0 && p < SIDE * SIDE; p++)
                cr_expect(sample->depth_m[p] > 0.2 && sample->depth_m[p] < 60);
        }
        md_dataset_close(&dataset);
    }
}

/* What lies beyond the limit is dropped; the sky, which has no depth, whatever the limit is. */
Test(synthetic, has_no_depth_in_the_sky_of_the_road) {
    enum { COUNT = 160 };
    const struct md_world *road = world_named("road");
    struct md_data_spec spec = spec_of("road", 1, "train", COUNT);
    struct md_dataset near = open_spec(&spec);
    spec.max_depth_m = 1000;
    struct md_dataset far = open_spec(&spec);
    /* The car's camera tilts and rolls by tilt_rad at most; so far below the horizon is the
     * lowest row of pixels, and so far away the ground in it. */
    double lowest = road->lens.down * (1 - 1. / SIDE),
           slope = lowest - 1.01 * road->tilt_rad * (1 + road->lens.right);
    size_t sky = 0, dropped = 0;
    for (size_t i = 0; i < COUNT; i++)
        for (int p = 0; p < SIDE * SIDE; p++) {
            float depth_m = far.samples[i].depth_m[p];
            sky += depth_m == MD_NO_DEPTH;
            dropped += depth_m >= 80;
            cr_expect_eq(near.samples[i].depth_m[p], depth_m < 80 ? depth_m : MD_NO_DEPTH);
            if (p >= SIDE * (SIDE - 1))
                cr_expect(depth_m > 0.3 && depth_m < road->flight_height_m.high / slope, "%zu: %g",
                          i, depth_m);
        }
    double share = (double)sky / (COUNT * SIDE * SIDE);
    cr_expect(share > 0.1 && share < 0.4, "%g is sky", share);
    cr_expect_gt(dropped, COUNT);
    md_dataset_close(&near);
    md_dataset_close(&far);
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

/* The wanted character of the worlds: a sensor in small rooms and an arena, exact depth in large
 * halls and on roads. */
static const struct {
    const char *world;
    uint64_t seeds;
    double valid_low, valid_high, median_low_m, median_high_m, most_low_m;
} characters[] = {{"field", 4, .55, .9, .9, 2, 3},
                  {"arena", 4, .3, .65, 1.2, 2.2, 3.5},
                  {"source", 1, 1, 1, 5, 10, 30},
                  {"road", 2, .6, .9, 8, 16, 79}};

Test(synthetic, looks_as_near_and_as_far_as_it_should, .timeout = 600) {
    enum { COUNT = 100 };
    static float depths[COUNT * ZONES * ZONES];
    for (size_t c = 0; c < sizeof characters / sizeof *characters; c++)
        for (uint64_t seed = 1; seed <= characters[c].seeds; seed++) {
            struct md_dataset dataset = open_world(characters[c].world, seed, "train", COUNT);
            size_t valid = 0;
            for (size_t i = 0; i < COUNT; i++) { /* every 36th pixel is enough */
                const struct md_sample *sample = &dataset.samples[i];
                int step = sample->depth_width == SIDE ? 36 : 1;
                for (int z = 0; z < ZONES * ZONES; z++)
                    if (sample->depth_m[step * z] > 0)
                        depths[valid++] = sample->depth_m[step * z];
            }
            qsort(depths, valid, sizeof *depths, ascending);
            double share = (double)valid / (COUNT * ZONES * ZONES);
            double median = depths[valid / 2], most = depths[valid - 1];
            cr_expect(share >= characters[c].valid_low && share <= characters[c].valid_high,
                      "%s, seed %d: %g valid", characters[c].world, (int)seed, share);
            cr_expect(median > characters[c].median_low_m && median < characters[c].median_high_m,
                      "%s, seed %d: median %g m", characters[c].world, (int)seed, median);
            cr_expect(most > characters[c].most_low_m, "%s, seed %d: farthest %g m",
                      characters[c].world, (int)seed, most);
            md_dataset_close(&dataset);
        }
}

Test(synthetic, refuses_what_it_cannot_do) {
    struct md_dataset dataset;
    struct md_error error;
    struct md_data_spec spec = spec_of("moon", 1, "train", 10);
    cr_expect_eq(md_dataset_open(&spec, SIDE, SIDE, NULL, &dataset, &error), MD_USAGE);
    cr_expect_not_null(strstr(error.text, "moon"));
    for (int i = 0; i < md_world_count; i++)
        cr_expect_not_null(strstr(error.text, md_world_names[i]), "%s", error.text);
    const size_t counts[] = {0, 1000001, SIZE_MAX};
    for (int i = 0; i < 3; i++) {
        spec = spec_of("field", 1, "train", counts[i]);
        cr_expect_eq(md_dataset_open(&spec, SIDE, SIDE, NULL, &dataset, &error), MD_USAGE);
        cr_expect_not_null(strstr(error.text, "1000000"), "%s", error.text);
    }
}
