/* The built-in worlds: a deterministic flight, or drive, through places that exist only here.
 *
 * Two to come from, with exact depth at every pixel and a new place every few samples: "source",
 * wide halls by daylight, and "road", streets under an open sky seen from a car. Two to be put
 * into, one place each, seen by an 8x8 time-of-flight sensor with all its faults: "field", a small
 * flat in lamp light, and "arena", a hall for drones with obstacles. The seed decides on the place,
 * the split's word on the flight, and a sample on nothing but these and its own number. */
#include "readers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "camera.h"

#define MOST_SAMPLES 1000000
static const float focal_times_baseline = 80;

struct recording {
    const struct md_world *world;
    uint64_t seed;
    uint32_t split; /* a hash of its word */
    struct md_scene scene;
    struct md_flight flight;
    struct md_frame frame;
};

static struct md_random stream(const struct recording *recording, enum md_purpose purpose,
                               size_t number) {
    return md_world_stream(recording->world, purpose, recording->seed, recording->split,
                           (uint32_t)number);
}

/* FNV-1a. */
static uint32_t hash_word(const char *word) {
    uint32_t hash = UINT32_C(2166136261);
    for (; *word != '\0'; word++)
        hash = (hash ^ (uint8_t)*word) * UINT32_C(16777619);
    return hash;
}

static const struct md_world *find_world(const char *name) {
    for (int i = 0; i < md_world_count; i++)
        if (strcmp(md_world_names[i], name) == 0)
            return &md_worlds[i];
    return NULL;
}

static int unknown_world(const char *name, struct md_error *error) {
    char names[200] = "";
    for (int i = 0; i < md_world_count; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s\"%s\"", i > 0 ? ", " : "",
                 md_world_names[i]);
    }
    return md_fail(error, MD_USAGE, "synthetic: world is one of %s, not \"%s\"", names, name);
}

/* Another place, in worlds that have several, and a flight through it. */
static void enter_place(struct recording *recording, size_t number) {
    const struct md_world *world = recording->world;
    md_place_build(&recording->scene.place, world, stream(recording, MD_FOR_PLACE, number));
    md_scene_light(&recording->scene);
    md_flight_start(&recording->flight, world, &recording->scene.place,
                    stream(recording, MD_FOR_FLIGHT, number));
}

static void take_sample(struct recording *recording, size_t number, struct md_sample *sample) {
    const struct md_world *world = recording->world;
    size_t per_place = (size_t)world->frames_per_place;
    size_t frame = per_place > 0 ? number % per_place : number;
    if (frame == 0)
        enter_place(recording, per_place > 0 ? number / per_place : 0);
    struct md_view view = md_flight_at(&recording->flight, (double)frame * world->frame_interval_s);
    md_camera_shoot(&recording->scene, &world->lens, &view, &recording->frame);
    md_camera_develop(world, &recording->frame, stream(recording, MD_FOR_PICTURE, number),
                      sample->picture);
    if (world->sensor.zones > 0)
        md_sensor_read(&world->sensor, &recording->frame, stream(recording, MD_FOR_SENSOR, number),
                       sample->depth_m);
    else
        md_camera_depth(&recording->frame, sample->depth_m);
}

static void limit_depth(const struct md_data_spec *spec, struct md_sample *sample) {
    sample->fb = focal_times_baseline;
    for (int i = 0; i < sample->depth_height * sample->depth_width; i++) {
        float depth_m = md_valid_depth(spec, sample->depth_m[i]);
        sample->depth_m[i] = depth_m;
        sample->disparity[i] = depth_m == MD_NO_DEPTH ? MD_INVALID : sample->fb / depth_m;
    }
}

static int record(struct recording *recording, const struct md_data_spec *spec,
                  struct md_dataset *dataset, struct md_error *error) {
    char name[sizeof spec->split + 64];
    size_t capacity = 0;
    int zones = recording->world->sensor.zones;
    for (size_t i = 0; i < spec->count; i++) {
        struct md_sample *sample;
        snprintf(name, sizeof name, "synthetic:%s:%s:%zu", spec->world, spec->split, i);
        int status =
            md_dataset_append(dataset, &capacity, name, zones > 0 ? zones : dataset->height,
                              zones > 0 ? zones : dataset->width, &sample, error);
        if (status != MD_OK)
            return status;
        take_sample(recording, i, sample);
        limit_depth(spec, sample);
    }
    return MD_OK;
}

int md_synthetic_read(const struct md_data_spec *spec, struct md_dataset *dataset,
                      struct md_error *error) {
    const struct md_world *world = find_world(spec->world);
    if (world == NULL)
        return unknown_world(spec->world, error);
    if (spec->count < 1 || spec->count > MOST_SAMPLES)
        return md_fail(error, MD_USAGE, "synthetic: count is between 1 and %d, not %zu",
                       MOST_SAMPLES, spec->count);
    size_t pixels = (size_t)dataset->height * (size_t)dataset->width;
    struct recording *recording = calloc(1, sizeof *recording);
    struct md_vec *light = malloc(pixels * sizeof *light);
    struct md_echo *echoes = malloc(pixels * MD_RAYS * MD_RAYS * sizeof *echoes);
    int status;
    if (recording == NULL || light == NULL || echoes == NULL) {
        status = md_fail(error, MD_FAILED, "synthetic: no memory for pictures of %d x %d pixels",
                         dataset->height, dataset->width);
    } else {
        recording->world = world;
        recording->seed = spec->seed;
        recording->split = hash_word(spec->split);
        recording->frame = (struct md_frame){dataset->height, dataset->width, light, echoes};
        status = record(recording, spec, dataset, error);
    }
    free(echoes);
    free(light);
    free(recording);
    return status;
}
