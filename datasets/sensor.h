/* The model of a time-of-flight sensor: what a grid of zones reports of the surfaces in front of
 * it. The synthetic worlds are read with it, ray by ray, and dense depth maps. */
#ifndef MD_DATASETS_SENSOR_H
#define MD_DATASETS_SENSOR_H

#include "../base/error.h"
#include "../base/random.h"
#include "sample.h"

enum md_sensor_model {
    MD_SENSOR_VL53L5CX, /* a histogram over distance, with its faults; sees MD_SENSOR_HORIZON_M */
    MD_SENSOR_POOL      /* the nearest point of each zone, which is a max-pool of disparity: how
                         * the published 8x8 labels are made; then the nearest one that is apart_m
                         * behind it, and so on. Without noise and random numbers. */
};
extern const char *const md_sensor_model_names[]; /* "vl53l5cx", "pool", NULL */

/* The light that returns from a surface at depth d counts as reflectance * cos(incidence) / d^2,
 * averaged over a zone: the signal. */
struct md_sensor {
    enum md_sensor_model model;
    int zones;                   /* along each side, the VL53L5CX 4 or 8; in a world, 0: exact
                                  * depth at every pixel instead */
    int targets;                 /* most that are reported of a zone, nearest first: 1 .. 4 */
    double range_m;              /* a target at this depth or behind is not reported */
    double noise_m, noise_share; /* deviation of a reading: noise_m + noise_share * depth */
    double half_detected;        /* signal of which every other target is found, in the dark */
    double ambient;              /* light from outside, in the same unit: a target is found with
                                  * probability signal / (signal + half_detected + ambient) */
    double apart_m;              /* targets nearer to each other are taken for one */
    double substantial;          /* the share of a zone's signal that makes a target */
    double competing, confused;  /* when more than this share of a zone's signal is from no target
                                  * that could be reported, each is invalid with this probability */
};

enum { MD_SENSOR_BINS = 60, MD_MOST_TARGETS = 4 };
#define MD_SENSOR_BIN_M     0.1
#define MD_SENSOR_HORIZON_M (MD_SENSOR_BINS * MD_SENSOR_BIN_M)

/* The VL53L5CX at its 8x8 zones, reporting one target each as in the flights of matrix.c. The
 * 600 mm between two targets are the maker's; the other numbers are estimates. It reports up to 4 m
 * and now and then beyond, which is the caller's to cut off. */
#define MD_VL53L5CX_8X8                                                                            \
    {                                                                                              \
        .model = MD_SENSOR_VL53L5CX, .zones = 8, .targets = 1, .range_m = MD_SENSOR_HORIZON_M,     \
        .noise_m = .005, .noise_share = .015, .half_detected = .004, .apart_m = .6,                \
        .substantial = .25, .competing = .35, .confused = .6                                       \
    }

/* A target's status, in the VL53L5CX's numbers. It has others, for what a model of single frames
 * does not know: 10, for instance, says that there was no target in the frame before. */
enum md_target_status {
    MD_TARGET_INCONSISTENT = 4, /* other surfaces compete with it: not to be trusted */
    MD_TARGET_VALID = 5,
    MD_TARGET_LARGE_PULSE = 9, /* valid, but a share `competing` of the signal comes from behind it,
                                * less than apart_m away: perhaps two targets merged into one */
    MD_TARGET_NONE = 255
};

/* What one zone reports. */
struct md_reading {
    int targets; /* 0 .. sensor.targets */
    struct md_target {
        double depth_m; /* along the optical axis; a device gives whole millimetres */
        enum md_target_status status;
    } target[MD_MOST_TARGETS]; /* nearest first; the others are 0 and MD_TARGET_NONE */
};

/* Fails with MD_USAGE and says why when a field is out of its range. */
int md_sensor_check(const struct md_sensor *sensor, struct md_error *error);

/* ---- what it sees of a picture ---- */

/* A part of a picture in fractions of its height and width, from the top left. */
struct md_rectangle {
    double top, left, height, width;
};

/* All of it. */
#define MD_WHOLE_PICTURE ((struct md_rectangle){0, 0, 1, 1})

/* What a square sensor sees of a camera's picture, both with the same optical axis and no
 * distortion: tan(sensor / 2) / tan(camera / 2) of it along each axis, in the middle. A sensor that
 * sees more than the camera gets a rectangle that is larger than the picture. Fails with MD_USAGE
 * unless every angle is between 0 and 180 degrees. */
int md_sensor_rectangle(double sensor_deg, double camera_horizontal_deg, double camera_vertical_deg,
                        struct md_rectangle *rectangle, struct md_error *error);

/* ---- reading ---- */

/* Reads a dense map of depths (height, width) in metres, MD_NO_DEPTH where there is none (nothing
 * comes back from there), of which the sensor sees `rectangle`. reflectance is (height, width),
 * 0 .. 1, or NULL: a middle grey everywhere. Surfaces count as if they faced the sensor. A pixel
 * belongs to one zone; along an axis of n pixels zone z has those from floor(n * (begin + z *
 * extent / zones)) on: 6x6 of a 48x48 map. `reading` is (zones, zones).
 *
 * For every zone of a VL53L5CX sensor->targets blocks of `random` are drawn, whatever is seen: more
 * ambient light in the same scene only takes targets away. */
void md_sensor_measure(const struct md_sensor *sensor, const float *depth_m,
                       const float *reflectance, int height, int width,
                       struct md_rectangle rectangle, struct md_random random,
                       struct md_reading *reading);

/* A zone's depth in metres: of its valid targets (status 5 or 9) which is chosen. auto: by the rule
 * for recordings (matrix.c) that of its target when it has exactly one. MD_NO_DEPTH when there is
 * none. */
float md_reading_depth(const struct md_reading *reading, enum md_target_choice choice);

/* Puts the zones' depths (zones, zones) where the sensor sees them in a picture of height x width
 * pixels, by the same split into zones; MD_NO_DEPTH around. depth_m is (height, width). */
void md_sensor_pad(int zones, const float *zone_depth_m, struct md_rectangle rectangle, int height,
                   int width, float *depth_m);

/* ---- reading ray by ray ---- */

/* What comes back from one zone. Starts as all zeros. */
struct md_returns {
    double signal[MD_SENSOR_BINS], moment[MD_SENSOR_BINS]; /* moment: signal times depth */
    int rays;
};

/* One ray: depth along the optical axis (not above 0: nothing comes back), and the reflectance
 * times the cosine of the incidence. */
void md_returns_add(struct md_returns *returns, double depth_m, double strength);

/* The zone's reading by a VL53L5CX (a pool needs more than a histogram). */
void md_sensor_report(const struct md_sensor *sensor, const struct md_returns *returns,
                      struct md_random *random, struct md_reading *reading);

#endif
