/* The built-in worlds: a deterministic flight, or drive, through scenes that exist only here.
 *
 * Two source domains, with exact depth at every pixel and a new scene every few samples: "source",
 * wide halls by daylight, and "road", streets under an open sky seen from a car. Two target
 * domains, one scene each, seen by an 8x8 time-of-flight sensor with all its faults: "field", a
 * small flat in lamp light, and "arena", a hall for drones with obstacles. The seed decides on the
 * scene, the split's name on the flight; a sample depends on these two and its own number alone. */
#include "../readers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "camera.h"

#define MOST_SAMPLES 1000000

struct recording {
    const struct md_world *world;
    uint64_t seed;
    uint32_t split; /* a hash of its name */
    struct md_lit_scene lit;
    struct md_flight flight;
    struct md_frame frame;
    size_t scene, next; /* number of the scene that is built; the next frame of its flight */
};
static const size_t no_scene = SIZE_MAX;

static struct md_random stream(const struct recording *recording, enum md_purpose purpose,
                               size_t number) {
    return md_world_stream(recording->world, purpose, recording->seed, recording->split,
                           (uint32_t)number);
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

/* Builds scene `number` and takes off in it. */
static void enter_scene(struct recording *recording, size_t number) {
    const struct md_world *world = recording->world;
    md_scene_build(&recording->lit.scene, world, stream(recording, MD_FOR_SCENE, number));
    md_scene_light(&recording->lit);
    md_flight_start(&recording->flight, world, &recording->lit.scene,
                    stream(recording, MD_FOR_FLIGHT, number));
    recording->scene = number;
}

/* Goes on to sample `number`; a flight only goes forward, so an earlier one begins it anew. */
static struct md_pose go_to(struct recording *recording, size_t number) {
    size_t per_scene = (size_t)recording->world->frames_per_scene;
    size_t scene = per_scene > 0 ? number / per_scene : 0;
    size_t frame = per_scene > 0 ? number % per_scene : number;
    if (scene != recording->scene || frame < recording->next)
        enter_scene(recording, scene);
    recording->next = frame + 1;
    return md_flight_at(&recording->flight, (double)frame * recording->world->frame_interval_s);
}

static void render_sample(struct recording *recording, size_t number, struct md_sample *sample) {
    const struct md_world *world = recording->world;
    struct md_pose pose = go_to(recording, number);
    md_camera_render(&recording->lit, &world->lens, &pose, &recording->frame);
    md_camera_expose(world, &recording->frame, stream(recording, MD_FOR_PICTURE, number),
                     sample->picture);
    if (world->sensor.zones > 0)
        md_sensor_read(&world->sensor, &recording->frame, stream(recording, MD_FOR_SENSOR, number),
                       sample->depth_m);
    else
        md_camera_depth(&recording->frame, sample->depth_m);
}

static int read_entry(struct md_source *source, size_t index, struct md_sample *sample,
                      struct md_error *error) {
    struct recording *recording = source->state;
    const struct md_entry *entry = &source->entries[index];
    int zones = recording->world->sensor.zones;
    MD_TRY(md_sample_allocate(source, entry->name, zones > 0 ? zones : source->height,
                              zones > 0 ? zones : source->width, 0, sample, error));
    render_sample(recording, entry->number, sample);
    for (int i = 0; i < sample->depth_height * sample->depth_width; i++)
        sample->depth_m[i] = md_valid_depth(&source->spec, sample->depth_m[i]);
    md_sample_disparity(sample, MD_FIELD_FB);
    return md_sample_label(source, sample, error);
}

static void close_recording(struct md_source *source) {
    struct recording *recording = source->state;
    free(recording->frame.light);
    free(recording->frame.echoes);
    free(recording);
}

static int list(struct md_source *source, struct md_error *error) {
    const struct md_data_spec *spec = &source->spec;
    const struct md_world *world = find_world(spec->world);
    if (world == NULL)
        return unknown_world(spec->world, error);
    if (spec->count < 1 || spec->count > MOST_SAMPLES)
        return md_fail(error, MD_USAGE, "synthetic: count is between 1 and %d, not %zu",
                       MOST_SAMPLES, spec->count);
    size_t pixels = (size_t)source->height * (size_t)source->width;
    struct recording *recording = calloc(1, sizeof *recording);
    MD_TRY(md_check_memory(recording != NULL, error));
    source->state = recording;
    recording->world = world;
    recording->seed = spec->seed;
    recording->split = md_random_name(spec->split);
    recording->scene = no_scene;
    recording->frame = (struct md_frame){
        source->height, source->width, malloc(pixels * sizeof *recording->frame.light),
        malloc(pixels * MD_RAYS * MD_RAYS * sizeof *recording->frame.echoes)};
    if (recording->frame.light == NULL || recording->frame.echoes == NULL)
        return md_fail(error, MD_FAILED, "synthetic: no memory for pictures of %d x %d pixels",
                       source->height, source->width);
    for (size_t i = 0; i < spec->count; i++) {
        char name[sizeof spec->split + 64];
        snprintf(name, sizeof name, "synthetic:%s:%s:%zu", spec->world, spec->split, i);
        MD_TRY(md_source_add(source, name, i, error));
    }
    return MD_OK;
}

const struct md_reader md_synthetic_reader = {
    .splits = "any word; another word is another flight. Worlds: field (a flat) and arena (a "
              "hall for drones) are one place per seed, seen by an 8x8 sensor; source (halls) "
              "and road (streets) a new place every 8 samples, with exact depth at every "
              "pixel, for which max_depth_m: 80 is right",
    .list = list,
    .read = read_entry,
    .close = close_recording,
    .range_m = 4,
};
