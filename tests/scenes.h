/* For the tests of worlds: scenes to look at, to be freed. */
#ifndef MD_TESTS_SCENES_H
#define MD_TESTS_SCENES_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../datasets/sample.h"
#include "../datasets/worlds/camera.h"

static const struct md_material grey = {.texture = MD_PLAIN, .first = {.5, .5, .5}, .scale_m = 1};

static inline const struct md_world *world_named(const char *name) {
    int world = 0;
    while (world < md_world_count && strcmp(md_world_names[world], name) != 0)
        world++;
    cr_assert_lt(world, md_world_count, "no world %s", name);
    return &md_worlds[world];
}

static inline struct md_lit_scene *new_scene(void) {
    struct md_lit_scene *lit = calloc(1, sizeof *lit);
    cr_assert_not_null(lit);
    return lit;
}

/* An empty grey room. */
static inline struct md_lit_scene *new_room(double x, double y, double z) {
    struct md_lit_scene *lit = new_scene();
    lit->scene.size = (struct md_vec){x, y, z};
    for (int face = 0; face < MD_SHELL_FACES; face++)
        lit->scene.shell[face] = grey;
    return lit;
}

static inline struct md_lit_scene *new_furnished(const char *world, uint64_t seed) {
    struct md_lit_scene *lit = new_scene();
    md_scene_build(&lit->scene, world_named(world), md_random_stream(seed, 0, 0, 0));
    md_scene_light(lit);
    return lit;
}

static inline void add_solid(struct md_lit_scene *lit, enum md_solid_shape shape, struct md_vec at,
                             double yaw, struct md_vec low, struct md_vec high) {
    struct md_solid solid = {shape, low, high, grey};
    cr_assert(md_scene_add_group(&lit->scene, at, cos(yaw), sin(yaw)));
    cr_assert(md_scene_add_solid(&lit->scene, &solid));
}

#endif
