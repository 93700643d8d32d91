#include "sensor.h"

#include <math.h>

const char *const md_sensor_model_names[] = {"vl53l5cx", "pool", NULL};

/* ---- what a sensor may be -------------------------------------------------------------------- */

int md_sensor_check(const struct md_sensor *sensor, struct md_error *error) {
    const double most = MD_SENSOR_HORIZON_M;
    const int pool = sensor->model == MD_SENSOR_POOL;
    const struct {
        const char *name;
        double value, low, high;
    } fields[] = {
        {"zones", sensor->zones, pool ? 1 : 4, pool ? 4096 : 8},
        {"range_m", sensor->range_m, 0.02, pool ? INFINITY : most},
        {"targets", sensor->targets, 1, MD_MOST_TARGETS},
        {"noise_m", sensor->noise_m, 0, most},
        {"noise_share", sensor->noise_share, 0, 1},
        {"half_detected", sensor->half_detected, 0, INFINITY},
        {"ambient", sensor->ambient, 0, INFINITY},
        {"apart_m", sensor->apart_m, pool ? 0 : MD_SENSOR_BIN_M, pool ? INFINITY : most},
        {"substantial", sensor->substantial, 0, 1},
        {"competing", sensor->competing, 0, 1},
        {"confused", sensor->confused, 0, 1},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!(fields[i].value >= fields[i].low && fields[i].value <= fields[i].high))
            return md_fail(error, MD_USAGE, "sensor: %s: expected %g to %g, found %g",
                           fields[i].name, fields[i].low, fields[i].high, fields[i].value);
    if (!pool && sensor->zones != 4 && sensor->zones != 8)
        return md_fail(error, MD_USAGE, "sensor: zones: expected 4 or 8, found %d", sensor->zones);
    return MD_OK;
}

/* ---- where its zones lie --------------------------------------------------------------------- */

static double half_angle_slope(double degrees) {
    const double pi = 3.14159265358979323846;
    return tan(degrees * pi / 360);
}

int md_sensor_rectangle(double sensor_deg, double camera_horizontal_deg, double camera_vertical_deg,
                        struct md_rectangle *rectangle, struct md_error *error) {
    const double angles[] = {sensor_deg, camera_horizontal_deg, camera_vertical_deg};
    for (int i = 0; i < 3; i++)
        if (!(angles[i] > 0 && angles[i] < 180))
            return md_fail(error, MD_USAGE,
                           "field of view: expected between 0 and 180 degrees, found %g",
                           angles[i]);
    double width = half_angle_slope(sensor_deg) / half_angle_slope(camera_horizontal_deg);
    double height = half_angle_slope(sensor_deg) / half_angle_slope(camera_vertical_deg);
    *rectangle = (struct md_rectangle){(1 - height) / 2, (1 - width) / 2, height, width};
    return MD_OK;
}

/* First pixel of zone `zone` along an axis, or of what is behind the last one; within the
 * picture. */
static int first_pixel(double begin, double extent, int zones, int zone, int pixels) {
    double first = floor(pixels * begin + zone * (pixels * extent) / zones);
    return (int)fmin(fmax(first, 0), pixels);
}

struct block {
    int top, bottom, left, right; /* bottom and right are outside */
};

static struct block zone_block(int zones, int zone, struct md_rectangle r, int height, int width) {
    int row = zone / zones, column = zone % zones;
    return (struct block){first_pixel(r.top, r.height, zones, row, height),
                          first_pixel(r.top, r.height, zones, row + 1, height),
                          first_pixel(r.left, r.width, zones, column, width),
                          first_pixel(r.left, r.width, zones, column + 1, width)};
}

void md_sensor_pad(int zones, const float *zone_depth_m, struct md_rectangle rectangle, int height,
                   int width, float *depth_m) {
    for (int i = 0; i < height * width; i++)
        depth_m[i] = MD_NO_DEPTH;
    for (int zone = 0; zone < zones * zones; zone++) {
        struct block block = zone_block(zones, zone, rectangle, height, width);
        for (int row = block.top; row < block.bottom; row++)
            for (int column = block.left; column < block.right; column++)
                depth_m[row * width + column] = zone_depth_m[zone];
    }
}

/* ---- what comes back ------------------------------------------------------------------------- */

void md_returns_add(struct md_returns *returns, double depth_m, double strength) {
    const double nearest_m = 0.001;
    double bin = depth_m / MD_SENSOR_BIN_M;
    returns->rays++;
    if (!(depth_m > 0 && bin < MD_SENSOR_BINS))
        return;
    double near_m = fmax(depth_m, nearest_m), signal = strength / (near_m * near_m);
    returns->signal[(int)bin] += signal;
    returns->moment[(int)bin] += signal * depth_m;
}

/* The nearest stretch of a zone's histogram, from a bin on, from which enough of the light comes
 * back. */
struct stretch {
    double signal, moment;
    int end; /* the bin behind it */
};

static double signal_between(const struct md_returns *returns, int first, int last) {
    double sum = 0;
    for (int bin = first; bin < last && bin < MD_SENSOR_BINS; bin++)
        sum += returns->signal[bin];
    return sum;
}

static struct stretch find_stretch(const struct md_sensor *sensor, const struct md_returns *returns,
                                   int from) {
    struct stretch found = {0, 0, from};
    int length = (int)(sensor->apart_m / MD_SENSOR_BIN_M + 0.5);
    double enough = sensor->substantial * signal_between(returns, from, MD_SENSOR_BINS);
    for (int near = from; near < MD_SENSOR_BINS && found.signal <= enough; near++) {
        found = (struct stretch){0, 0, near + length};
        for (int bin = near; bin < found.end && bin < MD_SENSOR_BINS; bin++) {
            found.signal += returns->signal[bin];
            found.moment += returns->moment[bin];
        }
    }
    return found;
}

/* A surface that could be reported. */
struct candidate {
    double signal, depth_m;
    double merged; /* signal from behind it, less than apart_m away */
};

/* Finds up to sensor->targets of them, nearest first: what lies apart_m behind one is looked
 * through in the same way as the whole. */
static int find_candidates(const struct md_sensor *sensor, const struct md_returns *returns,
                           struct candidate *candidate) {
    int count = 0;
    for (int from = 0; count < sensor->targets && from < MD_SENSOR_BINS; count++) {
        struct stretch stretch = find_stretch(sensor, returns, from);
        if (!(stretch.signal > 0))
            break;
        double depth_m = stretch.moment / stretch.signal;
        from = (int)ceil((depth_m + sensor->apart_m) / MD_SENSOR_BIN_M);
        candidate[count] =
            (struct candidate){stretch.signal, depth_m, signal_between(returns, stretch.end, from)};
    }
    return count;
}

static struct md_reading nothing(void) {
    struct md_reading reading = {.targets = 0};
    for (int i = 0; i < MD_MOST_TARGETS; i++)
        reading.target[i].status = MD_TARGET_NONE;
    return reading;
}

void md_sensor_report(const struct md_sensor *sensor, const struct md_returns *returns,
                      struct md_random *random, struct md_reading *reading) {
    struct candidate candidates[MD_MOST_TARGETS];
    int count = find_candidates(sensor, returns, candidates);
    double total = signal_between(returns, 0, MD_SENSOR_BINS), unexplained = total;
    double floor_signal = sensor->half_detected + sensor->ambient;
    for (int i = 0; i < count; i++)
        unexplained -= candidates[i].signal;
    *reading = nothing();
    int is_clear = unexplained <= sensor->competing * total;
    for (int i = 0; i < sensor->targets; i++) {
        double found = md_random_unit(random), confusion = md_random_unit(random);
        double error = md_random_normal(random);
        const struct candidate *here = &candidates[i];
        if (i >= count || here->depth_m >= sensor->range_m)
            continue;
        double strength = here->signal / returns->rays;
        if (!(found * (strength + floor_signal) < strength))
            continue;
        double deviation_m = sensor->noise_m + sensor->noise_share * here->depth_m;
        enum md_target_status status = MD_TARGET_VALID;
        if (!is_clear && confusion < sensor->confused)
            status = MD_TARGET_INCONSISTENT;
        else if (here->merged > sensor->competing * total)
            status = MD_TARGET_LARGE_PULSE;
        reading->target[reading->targets++] =
            (struct md_target){fmax(here->depth_m + deviation_m * error, 0), status};
    }
}

/* ---- reading a map of depths ----------------------------------------------------------------- */

/* A map and how wide its rows are. */
struct map {
    const float *depth_m, *reflectance;
    int width;
};

static void measure_histogram(const struct md_sensor *sensor, const struct map *map,
                              struct block block, struct md_random *random,
                              struct md_reading *reading) {
    const double middle_grey = 0.5;
    struct md_returns returns = {.rays = 0};
    for (int row = block.top; row < block.bottom; row++)
        for (int column = block.left; column < block.right; column++) {
            int pixel = row * map->width + column;
            md_returns_add(&returns, map->depth_m[pixel],
                           map->reflectance != NULL ? map->reflectance[pixel] : middle_grey);
        }
    md_sensor_report(sensor, &returns, random, reading);
}

/* The nearest depth from `from_m` on; INFINITY when there is none. */
static double nearest_from(const struct map *map, struct block block, double from_m) {
    double nearest_m = INFINITY;
    for (int row = block.top; row < block.bottom; row++)
        for (int column = block.left; column < block.right; column++) {
            double depth_m = map->depth_m[row * map->width + column];
            if (depth_m > 0 && depth_m >= from_m && depth_m < nearest_m)
                nearest_m = depth_m;
        }
    return nearest_m;
}

static void measure_nearest(const struct md_sensor *sensor, const struct map *map,
                            struct block block, struct md_random *random,
                            struct md_reading *reading) {
    (void)random;
    *reading = nothing();
    for (double from_m = 0; reading->targets < sensor->targets; from_m += sensor->apart_m) {
        from_m = nearest_from(map, block, from_m);
        if (!(from_m < sensor->range_m))
            break;
        reading->target[reading->targets++] = (struct md_target){from_m, MD_TARGET_VALID};
    }
}

void md_sensor_measure(const struct md_sensor *sensor, const float *depth_m,
                       const float *reflectance, int height, int width,
                       struct md_rectangle rectangle, struct md_random random,
                       struct md_reading *reading) {
    static void (*const models[])(const struct md_sensor *sensor, const struct map *map,
                                  struct block block, struct md_random *random,
                                  struct md_reading *reading) = {
        [MD_SENSOR_VL53L5CX] = measure_histogram, [MD_SENSOR_POOL] = measure_nearest};
    const struct map map = {depth_m, reflectance, width};
    for (int zone = 0; zone < sensor->zones * sensor->zones; zone++)
        models[sensor->model](sensor, &map,
                              zone_block(sensor->zones, zone, rectangle, height, width), &random,
                              &reading[zone]);
}

float md_reading_depth(const struct md_reading *reading, enum md_target_choice choice) {
    float depth_m[MD_MOST_TARGETS];
    int count = 0;
    for (int i = 0; i < reading->targets; i++)
        if (reading->target[i].status == MD_TARGET_VALID ||
            reading->target[i].status == MD_TARGET_LARGE_PULSE)
            depth_m[count++] = (float)reading->target[i].depth_m;
    return choice == MD_TARGET_AUTO && reading->targets != 1
               ? MD_NO_DEPTH
               : md_target_depth(choice, count, depth_m);
}
