/* What rooms.c and street.c build scenes with: random draws from a world's palettes, and the
 * objects (furniture, cars, trees, houses) that stand in them. Internal to datasets/worlds. */
#ifndef MD_WORLDS_BUILDING_H
#define MD_WORLDS_BUILDING_H

#include "rooms.h"

enum placement { FREE, AT_WALL };

/* One solid of an object. */
struct part {
    enum md_solid_shape shape;
    enum md_component component;
    struct md_vec low, high; /* in units of the object: x and y in [-0.5, 0.5], back at 0.5 */
};

enum { MOST_PARTS = 9 };

struct object {
    enum placement placement;
    struct md_range width_m, depth_m, height_m;
    struct md_range floor_m; /* how high its underside is */
    int part_count;
    struct part parts[MOST_PARTS];
};

/* A scene that is being built. */
struct site {
    const struct md_world *world;
    struct md_scene *scene;
    struct md_random random;
};

static inline double span(struct md_range range) {
    return range.high - range.low;
}

/* Uniform draws from a range, and of 0 .. n-1, with the site's random numbers. */
double md_draw(struct site *site, struct md_range range);
int md_draw_below(struct site *site, int n);
struct md_vec md_draw_vec(struct site *site, struct md_range x, struct md_range y,
                          struct md_range z);
/* A material of that finish, with its colours and scale varied a little; of one of a palette's
 * finishes. */
struct md_material md_draw_finish(struct site *site, const struct md_finish *finish);
struct md_material md_draw_material(struct site *site, const struct md_palette *palette);

/* Draws one of the objects (a list ended by weight 0) by its weight, and its size in metres. */
const struct object *md_draw_object(struct site *site, const struct md_object_weight *weights);
struct md_vec md_draw_size(struct site *site, const struct object *object);

/* Appends the object as a group at `origin`, turned. Returns 0 when the scene is full, and then
 * leaves it as it was. */
int md_add_object(struct site *site, const struct object *object, struct md_vec size,
                  struct md_vec origin, double cosine, double sine);
/* Takes back what md_add_object appended last. */
void md_remove_last_group(struct md_scene *scene);

/* Whether two boxes overlap, or along x and y lie nearer to each other than `gap`. */
int md_boxes_overlap(struct md_vec low, struct md_vec high, struct md_vec other_low,
                     struct md_vec other_high, double gap);

/* Builds a street in an empty scene (street.c). */
void md_street_build(struct site *site);

#endif
