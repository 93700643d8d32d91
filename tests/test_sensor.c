/* The time-of-flight sensor on maps of depths: sensor.h. Bounds on statistics are five deviations
 * wide, with fixed seeds. (What the worlds read with it: test_world.c.) */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "../datasets/sample.h"
#include "../datasets/sensor.h"

enum { SIDE = 48, ZONES = 8, ALL_ZONES = ZONES * ZONES, MOST_PIXELS = 128 * 128 };
static const double five = 5;

/* Finds everything, exactly and for sure. */
static struct md_sensor ideal(int targets) {
    struct md_sensor sensor = MD_VL53L5CX_8X8;
    sensor.targets = targets;
    sensor.noise_m = sensor.noise_share = sensor.half_detected = sensor.confused = 0;
    return sensor;
}

/* A map of SIDE x SIDE whose zones all see the same: column c of a zone (6 of them) lies at
 * depth_m[c]. */
static void paint_columns(const double depth_m[6], float *map) {
    for (int i = 0; i < SIDE * SIDE; i++)
        map[i] = (float)depth_m[i % SIDE % 6];
}

static void paint(double depth_m, float *map) {
    for (int i = 0; i < SIDE * SIDE; i++)
        map[i] = (float)depth_m;
}

static void look(const struct md_sensor *sensor, const float *map, uint64_t seed,
                 struct md_reading *reading) {
    md_sensor_measure(sensor, map, NULL, SIDE, SIDE, MD_WHOLE_PICTURE,
                      md_random_stream(seed, 0, 0, 0), reading);
}

Test(sensor_model, pool_is_the_max_of_disparity) {
    static const struct {
        int height, width, zones;
    } sizes[] = {{48, 48, 8}, {37, 124, 8}, {48, 48, 48}, {5, 7, 4}, {100, 9, 3}};
    static float map[MOST_PIXELS];
    static struct md_reading reading[SIDE * SIDE];
    struct md_random random = md_random_stream(1, 0, 0, 0);
    for (int s = 0; s < 5; s++) {
        int height = sizes[s].height, width = sizes[s].width, zones = sizes[s].zones, empty = 0;
        const struct md_sensor sensor = {
            .model = MD_SENSOR_POOL, .zones = zones, .targets = 1, .range_m = INFINITY};
        cr_assert_eq(md_sensor_check(&sensor, &(struct md_error){.text = ""}), MD_OK);
        for (int i = 0; i < height * width; i++)
            map[i] = md_random_unit(&random) < 0.3 ? MD_NO_DEPTH
                                                   : (float)md_random_range(&random, 0.1, 80);
        for (int i = 0; i < height * width; i++) /* the first zone: nothing */
            if (i / width < height / zones && i % width < width / zones)
                map[i] = MD_NO_DEPTH;
        md_sensor_measure(&sensor, map, NULL, height, width, MD_WHOLE_PICTURE, random, reading);
        for (int zone = 0; zone < zones * zones; zone++) {
            float best = MD_INVALID, depth_m = md_reading_depth(&reading[zone], MD_TARGET_AUTO);
            for (int i = 0; i < height * width; i++)
                if (i / width >= zone / zones * height / zones &&
                    i / width < (zone / zones + 1) * height / zones &&
                    i % width >= zone % zones * width / zones &&
                    i % width < (zone % zones + 1) * width / zones && map[i] != MD_NO_DEPTH)
                    best = fmaxf(best, 80 / map[i]);
            cr_assert_eq(depth_m == MD_NO_DEPTH ? MD_INVALID : 80 / depth_m, best,
                         "size %d, zone %d", s, zone);
            empty += depth_m == MD_NO_DEPTH;
        }
        cr_assert(empty >= 1 && empty < zones * zones);
        cr_assert_eq(reading[0].targets, 0);
        cr_assert_eq(reading[0].target[0].status, MD_TARGET_NONE);
    }
}

/* Each further target is the nearest point that is at least 600 mm behind the one before. */
Test(sensor_model, pool_gives_the_nearest_points_apart) {
    static float map[SIDE * SIDE];
    struct md_reading reading[ALL_ZONES];
    struct md_sensor sensor = {
        .model = MD_SENSOR_POOL, .zones = ZONES, .range_m = 20, .apart_m = 0.6};
    struct md_random random = md_random_stream(2, 0, 0, 0);
    for (int i = 0; i < SIDE * SIDE; i++)
        map[i] = md_random_unit(&random) < 0.5
                     ? MD_NO_DEPTH
                     : (float)md_random_range(&random, 0.1, i % SIDE < 24 ? 2 : 40);
    int fewer = 0;
    for (sensor.targets = 1; sensor.targets <= MD_MOST_TARGETS; sensor.targets++) {
        look(&sensor, map, 1, reading);
        for (int zone = 0; zone < ALL_ZONES; zone++) {
            double before = -1;
            int count = 0;
            for (; count < sensor.targets; count++) {
                double best = 20;
                for (int i = 0; i < 36; i++) {
                    double depth_m =
                        map[(zone / ZONES * 6 + i / 6) * SIDE + zone % ZONES * 6 + i % 6];
                    if (depth_m != MD_NO_DEPTH && depth_m >= before + 0.6)
                        best = fmin(best, depth_m);
                }
                if (best == 20)
                    break;
                cr_assert_eq(reading[zone].target[count].depth_m, best);
                cr_assert_eq(reading[zone].target[count].status, MD_TARGET_VALID);
                before = best;
            }
            cr_assert_eq(reading[zone].targets, count);
            fewer += count < sensor.targets;
        }
    }
    cr_assert(fewer > 0 && fewer < 3 * ALL_ZONES, "%d", fewer);
}

Test(sensor_model, two_surfaces_are_two_targets_when_far_enough_apart) {
    static float map[SIDE * SIDE];
    struct md_reading reading[ALL_ZONES];
    for (double near = 0.7; near < 3; near += 0.0317) {
        for (int apart = 0; apart < 2; apart++) {
            double far = near + (apart ? 0.7 : 0.5);
            const double columns[6] = {near, near, far, far, far, near};
            struct md_sensor sensor = ideal(4);
            paint_columns(columns, map);
            look(&sensor, map, 1, reading);
            for (int zone = 0; zone < ALL_ZONES; zone++) {
                const struct md_target *target = reading[zone].target;
                cr_assert_eq(reading[zone].targets, 1 + apart, "%g and %g m", near, far);
                cr_assert_float_eq(target[0].depth_m, near, 1e-6);
                cr_assert_float_eq(target[1].depth_m, apart ? far : 0, 1e-6);
                cr_assert_eq(target[1].status, apart ? MD_TARGET_VALID : MD_TARGET_NONE);
                /* The far half of the zone sends 1 / (1 + (far/near)^2) of the light. */
                double behind = 1 / (1 + far * far / near / near);
                int large = !apart && behind > sensor.competing;
                cr_assert_eq(target[0].status, large ? MD_TARGET_LARGE_PULSE : MD_TARGET_VALID);
                float alone = md_reading_depth(&reading[zone], MD_TARGET_AUTO);
                cr_assert_float_eq(alone, apart ? MD_NO_DEPTH : near, 1e-6);
                cr_assert_float_eq(md_reading_depth(&reading[zone], MD_TARGET_NEAREST), near, 1e-6);
                cr_assert_float_eq(md_reading_depth(&reading[zone], MD_TARGET_FARTHEST),
                                   (float)reading[zone].target[reading[zone].targets - 1].depth_m,
                                   1e-6);
                cr_assert_float_eq(md_reading_depth(&reading[zone], MD_TARGET_BOTH),
                                   apart ? (near + far) / 2 : near, 1e-6);
            }
            /* With room for one target only, the other's light may confuse. */
            sensor.targets = 1;
            sensor.confused = 1;
            look(&sensor, map, 1, reading);
            int confused = 1 / (1 + far * far / near / near) > sensor.competing;
            cr_assert_eq(reading[0].targets, 1);
            cr_assert_eq(reading[0].target[0].status,
                         confused ? MD_TARGET_INCONSISTENT : MD_TARGET_VALID);
            cr_assert_float_eq(md_reading_depth(&reading[0], MD_TARGET_NEAREST),
                               confused ? MD_NO_DEPTH : near, 1e-6);
        }
    }
}

Test(sensor_model, reports_as_many_targets_as_it_may_nearest_first) {
    static float map[SIDE * SIDE];
    struct md_reading reading[ALL_ZONES];
    const double columns[6] = {3.5, 0.5, 1.5, 2.5, 1.5, 0};
    paint_columns(columns, map);
    for (int targets = 1; targets <= MD_MOST_TARGETS; targets++) {
        struct md_sensor sensor = ideal(targets);
        look(&sensor, map, 1, reading);
        for (int zone = 0; zone < ALL_ZONES; zone++) {
            cr_assert_eq(reading[zone].targets, targets);
            for (int i = 0; i < MD_MOST_TARGETS; i++)
                cr_assert_float_eq(reading[zone].target[i].depth_m, i < targets ? 0.5 + i : 0,
                                   1e-6);
        }
    }
}

Test(sensor_model, sees_as_far_as_its_range) {
    static float map[SIDE * SIDE];
    struct md_reading reading[ALL_ZONES];
    struct md_sensor sensors[] = {
        ideal(2), {.model = MD_SENSOR_POOL, .zones = ZONES, .targets = 1, .range_m = 4}, ideal(2)};
    sensors[0].range_m = 4;
    for (int s = 0; s < 3; s++) {
        const double walls[] = {0.05, 3.99, 4, 4.01, 5.99, 6, 7, 1e30, NAN, -1, INFINITY};
        for (int w = 0; w < 11; w++) {
            paint(walls[w], map);
            look(&sensors[s], map, 1, reading);
            /* As a float, which 5.99 is only nearly. */
            int is_near = walls[w] > 0 && (float)walls[w] < (float)sensors[s].range_m;
            for (int zone = 0; zone < ALL_ZONES; zone++) {
                cr_assert_eq(reading[zone].targets, is_near, "sensor %d, %g m", s, walls[w]);
                cr_assert_float_eq(md_reading_depth(&reading[zone], MD_TARGET_AUTO),
                                   is_near ? walls[w] : 0, 1e-6);
            }
        }
    }
}

Test(sensor_model, has_the_noise_it_promises) {
    enum { READS = 200 };
    static float map[SIDE * SIDE];
    struct md_reading reading[ALL_ZONES];
    struct md_sensor sensor = MD_VL53L5CX_8X8;
    sensor.half_detected = 0;
    const double walls[] = {0.5, 1, 3.5};
    for (int w = 0; w < 3; w++) {
        double sum = 0, squares = 0, n = READS * ALL_ZONES;
        double sigma = sensor.noise_m + sensor.noise_share * walls[w];
        paint(walls[w], map);
        for (uint64_t read = 0; read < READS; read++) {
            look(&sensor, map, read, reading);
            for (int zone = 0; zone < ALL_ZONES; zone++) {
                double error = reading[zone].target[0].depth_m - walls[w];
                sum += error;
                squares += error * error;
            }
        }
        cr_assert_leq(fabs(sum / n), five * sigma / sqrt(n), "%g m: bias", walls[w]);
        cr_assert_leq(fabs(squares / n - sigma * sigma), five * sigma * sigma * sqrt(2 / n),
                      "%g m: spread %g, not %g", walls[w], sqrt(squares / n), sigma);
    }
}

/* A wall of reflectance r at depth d: signal r / d^2, of which the floor of a bright day is one
 * more. */
Test(sensor_model, loses_targets_to_ambient_light_as_it_promises) {
    enum { READS = 100 };
    static float map[SIDE * SIDE], reflectance[SIDE * SIDE];
    struct md_reading dark[ALL_ZONES], light[ALL_ZONES];
    struct md_sensor sensor = MD_VL53L5CX_8X8;
    const double ambients[] = {0, 0.01, 0.1, 1}, depth_m = 1.5, grey = 0.3;
    const double signal = (double)(float)grey / (depth_m * depth_m);
    double found[4] = {0};
    paint(depth_m, map);
    paint(grey, reflectance);
    for (uint32_t read = 0; read < READS; read++)
        for (int a = 0; a < 4; a++) {
            sensor.ambient = ambients[a];
            md_sensor_measure(&sensor, map, reflectance, SIDE, SIDE, MD_WHOLE_PICTURE,
                              md_random_stream(3, read, 0, 0), light);
            for (int zone = 0; zone < ALL_ZONES; zone++) {
                found[a] += light[zone].targets;
                if (a == 0 || light[zone].targets == 0)
                    continue;
                cr_assert_eq(dark[zone].targets, 1, "a target only light shows");
                cr_assert_eq(light[zone].target[0].depth_m, dark[zone].target[0].depth_m);
            }
            memcpy(dark, light, sizeof dark);
        }
    for (int a = 0; a < 4; a++) {
        double n = READS * ALL_ZONES;
        double chance = signal / (signal + sensor.half_detected + ambients[a]);
        cr_assert_leq(fabs(found[a] - n * chance), five * sqrt(n * chance * (1 - chance)),
                      "ambient %g: %g of %g found", ambients[a], found[a], n * chance);
    }
}

Test(sensor_model, depends_on_its_stream_and_its_own_zone_alone) {
    static float map[SIDE * SIDE];
    struct md_reading first[ALL_ZONES], again[ALL_ZONES], other[ALL_ZONES];
    struct md_sensor sensor = MD_VL53L5CX_8X8;
    struct md_random random = md_random_stream(5, 0, 0, 0);
    sensor.targets = 3;
    sensor.ambient = 0.1;
    for (int i = 0; i < SIDE * SIDE; i++)
        map[i] = (float)md_random_range(&random, 0.5, 5);
    memset(first, 0, sizeof first);
    memset(again, 0xff, sizeof again);
    look(&sensor, map, 1, first);
    look(&sensor, map, 1, again);
    look(&sensor, map, 2, other);
    int same = 0;
    for (int zone = 0; zone < ALL_ZONES; zone++) {
        cr_assert_eq(first[zone].targets, again[zone].targets);
        for (int i = 0; i < MD_MOST_TARGETS; i++) {
            cr_assert_eq(first[zone].target[i].depth_m, again[zone].target[i].depth_m);
            cr_assert_eq(first[zone].target[i].status, again[zone].target[i].status);
        }
        same += first[zone].target[0].depth_m == other[zone].target[0].depth_m;
    }
    cr_assert_lt(same, ALL_ZONES / 2);
    for (int i = 0; i < 6; i++) /* the top left zone alone sees nothing now */
        memset(&map[i * SIDE], 0, 6 * sizeof *map);
    look(&sensor, map, 1, other);
    cr_assert_eq(other[0].targets, 0);
    for (int zone = 1; zone < ALL_ZONES; zone++)
        cr_assert_eq(first[zone].target[0].depth_m, other[zone].target[0].depth_m);
}

Test(sensor_view, is_the_ratio_of_the_slopes) {
    struct md_rectangle r;
    struct md_error error = {.text = ""};
    cr_assert_eq(md_sensor_rectangle(45, 45, 45, &r, &error), MD_OK);
    cr_assert(r.top == 0 && r.left == 0 && r.height == 1 && r.width == 1);
    /* tan(45) / tan(60) = 1 / sqrt(3); tan(45) / tan(22.5) = 1 + sqrt(2). */
    cr_assert_eq(md_sensor_rectangle(90, 120, 45, &r, &error), MD_OK);
    cr_assert_float_eq(r.width, 1 / sqrt(3), 1e-12);
    cr_assert_float_eq(r.left, (1 - 1 / sqrt(3)) / 2, 1e-12);
    cr_assert_float_eq(r.height, 1 + sqrt(2), 1e-12);
    cr_assert_float_eq(r.top, -sqrt(2) / 2, 1e-12);
    const double wrong[] = {0, -1, 180, NAN, INFINITY};
    for (int i = 0; i < 15; i++) {
        double angles[3] = {45, 60, 50};
        angles[i % 3] = wrong[i / 3];
        error.text[0] = '\0';
        cr_assert_eq(md_sensor_rectangle(angles[0], angles[1], angles[2], &r, &error), MD_USAGE);
        cr_assert_neq(error.text[0], '\0');
    }
}

/* Depth that tells the pixel it was read at. */
Test(sensor_view, reads_and_pads_only_what_it_sees) {
    static float map[SIDE * SIDE], padded[SIDE * SIDE];
    float zones[ALL_ZONES];
    struct md_reading reading[ALL_ZONES];
    const struct md_sensor pool = {
        .model = MD_SENSOR_POOL, .zones = ZONES, .targets = 1, .range_m = INFINITY};
    const struct md_random random = md_random_stream(1, 0, 0, 0);
    for (int i = 0; i < SIDE * SIDE; i++)
        map[i] = (float)(1 + i);
    /* Rows 12 .. 35 and columns 16 .. 31: zones of 3x2 pixels. */
    const struct md_rectangle inner = {0.25, 1.0 / 3, 0.5, 1.0 / 3};
    md_sensor_measure(&pool, map, NULL, SIDE, SIDE, inner, random, reading);
    for (int zone = 0; zone < ALL_ZONES; zone++) {
        int row = 12 + zone / ZONES * 3, column = 16 + zone % ZONES * 2;
        zones[zone] = md_reading_depth(&reading[zone], MD_TARGET_AUTO);
        cr_assert_eq(zones[zone], map[row * SIDE + column], "zone %d", zone);
    }
    memset(padded, 0xff, sizeof padded);
    md_sensor_pad(ZONES, zones, inner, SIDE, SIDE, padded);
    for (int i = 0; i < SIDE * SIDE; i++) {
        int row = i / SIDE - 12, column = i % SIDE - 16;
        int inside = row >= 0 && row < 24 && column >= 0 && column < 16;
        cr_assert_eq(padded[i], inside ? zones[row / 3 * ZONES + column / 2] : MD_NO_DEPTH);
    }
    /* Twice as wide as the picture: only the middle four columns of zones see something. */
    const struct md_rectangle wide = {0, -0.5, 1, 2};
    md_sensor_measure(&pool, map, NULL, SIDE, SIDE, wide, random, reading);
    for (int zone = 0; zone < ALL_ZONES; zone++) {
        int column = zone % ZONES - 2, seen = column >= 0 && column < 4;
        cr_assert_eq(reading[zone].targets, seen);
        cr_assert_eq(md_reading_depth(&reading[zone], MD_TARGET_AUTO),
                     seen ? map[zone / ZONES * 6 * SIDE + column * 12] : MD_NO_DEPTH);
    }
}

Test(sensor_model, wrong_fields_are_named) {
    static const struct md_sensor good = MD_VL53L5CX_8X8;
    struct md_sensor wrong[12];
    const char *const names[] = {"zones",       "zones",    "targets", "targets",
                                 "range_m",     "range_m",  "noise_m", "ambient",
                                 "substantial", "confused", "apart_m", "half_detected"};
    struct md_error error = {.text = ""};
    cr_assert_eq(md_sensor_check(&good, &error), MD_OK);
    for (int i = 0; i < 12; i++)
        wrong[i] = good;
    wrong[0].zones = 0;
    wrong[1].zones = 6;
    wrong[2].targets = 0;
    wrong[3].targets = 5;
    wrong[4].range_m = 0;
    wrong[5].range_m = 6.1;
    wrong[6].noise_m = NAN;
    wrong[7].ambient = -1e-9;
    wrong[8].substantial = 1.5;
    wrong[9].confused = -0.5;
    wrong[10].apart_m = 0;
    wrong[11].half_detected = -1;
    for (int i = 0; i < 12; i++) {
        cr_assert_eq(md_sensor_check(&wrong[i], &error), MD_USAGE, "%d", i);
        cr_assert_not_null(strstr(error.text, names[i]), "%d: %s", i, error.text);
    }
}
