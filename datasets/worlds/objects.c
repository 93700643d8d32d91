#include "building.h"

#include <math.h>

/* ---- The objects there are ---- */

/* clang-format off */
#define WHOLE(shape, component) {{shape, component, {-.5, -.5, 0}, {.5, .5, 1}}}
#define BLOCK(component, x0, y0, z0, x1, y1, z1) {MD_BOX, component, {x0, y0, z0}, {x1, y1, z1}}
#define ROUND(shape, component, half, z0, z1) {shape, component, {-(half), -(half), z0}, {half, half, z1}}
#define AXLE(x) BLOCK(MD_LIMB, (x) - .08, -.48, 0, (x) + .08, .48, .22)
#define REAR_LAMPS(z0, z1) \
    BLOCK(MD_DECORATED, .5, -.46, z0, .505, -.3, z1), BLOCK(MD_DECORATED, .5, .3, z0, .505, .46, z1)
#define LEG(x, y, top) BLOCK(MD_LIMB, (x) - .04, (y) - .05, 0, (x) + .04, (y) + .05, top)
#define FOUR_LEGS(top) \
    LEG(-.44, -.42, top), LEG(.44, -.42, top), LEG(-.44, .42, top), LEG(.44, .42, top)
#define BOARD(z) BLOCK(MD_BODY, -.46, -.5, z, .46, .46, (z) + .025)
#define BOOKS(x0, x1, z0, z1) BLOCK(MD_DECORATED, x0, -.3, z0, x1, .4, z1)

/* stand, width, depth, height, height of the underside, parts */
static const struct object objects[] = {
    [MD_TABLE] = {AT_WALL, {.9, 1.7}, {.6, .9}, {.7, .78}, {0, 0}, 6,
                  {BLOCK(MD_BODY, -.5, -.5, .94, .5, .5, 1), FOUR_LEGS(.94),
                   BLOCK(MD_DECORATED, -.2, -.1, 1, .15, .3, 1.4)}},
    [MD_CHAIR] = {FREE, {.4, .5}, {.4, .5}, {.8, .95}, {0, 0}, 6,
                  {BLOCK(MD_BODY, -.5, -.5, .46, .5, .5, .52), FOUR_LEGS(.46),
                   BLOCK(MD_BODY, -.5, .4, .6, .5, .5, 1)}},
    [MD_SHELF] = {AT_WALL, {.7, 1.3}, {.28, .4}, {1.2, 2}, {0, 0}, 9,
                  {BLOCK(MD_BODY, -.5, -.5, 0, -.46, .5, 1), BLOCK(MD_BODY, .46, -.5, 0, .5, .5, 1),
                   BLOCK(MD_LIMB, -.46, .46, 0, .46, .5, 1), BOARD(.04), BOARD(.36), BOARD(.68),
                   BOOKS(-.44, .1, .065, .27), BOOKS(-.2, .4, .385, .6),
                   BOOKS(-.4, .25, .705, .95)}},
    [MD_CABINET] = {AT_WALL, {.5, 1.4}, {.35, .6}, {.8, 2}, {0, 0}, 3,
                    {BLOCK(MD_BODY, -.5, -.46, .05, .5, .5, 1),
                     BLOCK(MD_LIMB, -.46, -.4, 0, .46, .5, .05),
                     BLOCK(MD_LIMB, -.02, -.5, .1, .02, -.46, .95)}},
    [MD_SOFA] = {AT_WALL, {1.3, 2}, {.75, .95}, {.75, .9}, {0, 0}, 4,
                 {BLOCK(MD_BODY, -.5, -.5, .06, .5, .5, .48), BLOCK(MD_BODY, -.5, .25, .48, .5, .5, 1),
                  BLOCK(MD_LIMB, -.5, -.5, .48, -.42, .25, .7),
                  BLOCK(MD_LIMB, .42, -.5, .48, .5, .25, .7)}},
    [MD_CARTON] = {FREE, {.35, .7}, {.35, .6}, {.3, .9}, {0, 0}, 1, WHOLE(MD_BOX, MD_BODY)},
    [MD_PILLAR] = {FREE, {.25, .5}, {.25, .5}, {9, 9}, {0, 0}, 1, WHOLE(MD_CYLINDER, MD_BODY)},
    [MD_BALL] = {FREE, {.3, .55}, {.3, .55}, {.3, .55}, {0, 0}, 1, WHOLE(MD_SPHERE, MD_DECORATED)},
    [MD_SCREEN] = {FREE, {.7, 1.2}, {.05, .07}, {1.2, 1.9}, {0, 0}, 1, WHOLE(MD_BOX, MD_BODY)},
    [MD_POSTER] = {AT_WALL, {.4, 1}, {.02, .03}, {.5, 1}, {.8, 1.3}, 1, WHOLE(MD_BOX, MD_DECORATED)},
    [MD_WINDOW] = {AT_WALL, {.7, 1.3}, {.03, .05}, {.8, 1.2}, {.7, 1}, 3,
                   {BLOCK(MD_LIMB, -.5, -.3, 0, .5, .5, 1),
                    BLOCK(MD_PANE, -.46, -.5, .05, -.02, -.3, .95),
                    BLOCK(MD_PANE, .02, -.5, .05, .46, -.3, .95)}},
    [MD_LEAF] = {AT_WALL, {.85, .95}, {.04, .05}, {2, 2}, {0, 0}, 3,
                 {BLOCK(MD_BODY, -.5, 0, 0, .5, .5, 1), BLOCK(MD_LIMB, .36, -.5, .49, .44, 0, .52),
                  BLOCK(MD_LIMB, -.35, -.1, .55, .25, 0, .9)}},
    [MD_RUG] = {FREE, {1.2, 2.2}, {.8, 1.5}, {.01, .015}, {0, 0}, 1, WHOLE(MD_BOX, MD_DECORATED)},
    [MD_POST] = {FREE, {.08, .2}, {.08, .2}, {1.6, 3}, {0, 0}, 1, WHOLE(MD_CYLINDER, MD_LIMB)},
    [MD_GATE] = {FREE, {1.4, 1.9}, {.06, .1}, {1.8, 2.3}, {0, 0}, 4,
                 {BLOCK(MD_BODY, -.5, -.5, 0, -.42, .5, 1), BLOCK(MD_BODY, .42, -.5, 0, .5, .5, 1),
                  BLOCK(MD_BODY, -.42, -.5, .93, .42, .5, 1),
                  BLOCK(MD_BODY, -.42, -.5, .2, .42, .5, .27)}},
    [MD_CAR] = {FREE, {3.8, 4.6}, {1.65, 1.85}, {1.4, 1.6}, {0, 0}, 7,
                {BLOCK(MD_PAINT, -.5, -.5, .16, .5, .5, .58),
                 BLOCK(MD_PANE, -.3, -.46, .58, .42, .46, .93),
                 BLOCK(MD_PAINT, -.22, -.44, .93, .36, .44, 1), AXLE(-.3), AXLE(.3),
                 REAR_LAMPS(.42, .54)}},
    [MD_VAN] = {FREE, {4.6, 7}, {1.9, 2.2}, {2.1, 3}, {0, 0}, 6,
                {BLOCK(MD_PAINT, -.5, -.5, .12, .5, .5, 1),
                 BLOCK(MD_PANE, -.51, -.45, .5, -.3, .51, .85), AXLE(-.33), AXLE(.3),
                 REAR_LAMPS(.25, .35)}},
    [MD_HOUSE] = {AT_WALL, {8, 15}, {8, 10}, {5, 12}, {0, 0}, 4,
                  {BLOCK(MD_FRONT, -.5, -.5, 0, .5, .5, .86),
                   BLOCK(MD_ROOF, -.52, -.54, .86, .52, .54, .92),
                   BLOCK(MD_ROOF, -.45, -.3, .92, .45, .3, 1),
                   BLOCK(MD_DECORATED, .12, -.51, 0, .2, -.5, .25)}},
    [MD_TREE] = {FREE, {3.4, 5}, {4, 4}, {6.5, 9}, {0, 0}, 3,
                 {ROUND(MD_CYLINDER, MD_LIMB, .05, 0, .5), ROUND(MD_SPHERE, MD_LEAVES, .5, .22, 1),
                  {MD_SPHERE, MD_LEAVES, {-.5, -.2, .2}, {.1, .4, .7}}}},
    [MD_BUSH] = {FREE, {.8, 1.6}, {1, 1}, {1.6, 2}, {-.4, -.3}, 1, WHOLE(MD_SPHERE, MD_LEAVES)},
    [MD_HEDGE] = {FREE, {3, 9}, {.6, .9}, {.8, 2}, {0, 0}, 1, WHOLE(MD_BOX, MD_LEAVES)},
    [MD_FENCE] = {FREE, {3, 9}, {.1, .3}, {.7, 1.4}, {0, 0}, 1, WHOLE(MD_BOX, MD_BODY)},
    [MD_STREET_LAMP] = {FREE, {1.8, 2.2}, {2, 2}, {5, 8}, {0, 0}, 2,
                        {ROUND(MD_CYLINDER, MD_LIMB, .035, 0, 1),
                         BLOCK(MD_LIMB, -.05, -.9, .97, .05, .0, 1)}},
    [MD_SIGN] = {FREE, {.7, .9}, {.8, .8}, {2.2, 3}, {0, 0}, 2,
                 {ROUND(MD_CYLINDER, MD_LIMB, .06, 0, 1),
                  BLOCK(MD_DECORATED, -.12, -.5, .68, -.07, .5, 1)}},
    [MD_WALKER] = {FREE, {.42, .55}, {.5, .5}, {1.6, 1.9}, {0, 0}, 3,
                   {ROUND(MD_CYLINDER, MD_LIMB, .35, 0, .48),
                    ROUND(MD_CYLINDER, MD_PAINT, .5, .48, .86),
                    ROUND(MD_SPHERE, MD_BODY, .2, .86, 1)}},
};
/* clang-format on */

/* ---- Drawing ---- */

double md_draw(struct site *site, struct md_range range) {
    return md_random_range(&site->random, range.low, range.high);
}

int md_draw_below(struct site *site, int n) {
    return (int)md_random_below(&site->random, (uint32_t)n);
}

/* One draw after the other: C leaves open in which order an initializer's parts are evaluated. */
struct md_vec md_draw_vec(struct site *site, struct md_range x, struct md_range y,
                          struct md_range z) {
    struct md_vec drawn;
    drawn.x = md_draw(site, x);
    drawn.y = md_draw(site, y);
    drawn.z = md_draw(site, z);
    return drawn;
}

struct md_material md_draw_finish(struct site *site, const struct md_finish *finish) {
    const struct md_range brighter = {.85, 1.15}, tinted = {.93, 1.07};
    double brightness = md_draw(site, brighter), scale_m = md_draw(site, finish->scale_m);
    struct md_vec tint = md_vec_scale(md_draw_vec(site, tinted, tinted, tinted), brightness);
    return (struct md_material){.texture = finish->texture,
                                .first = md_vec_mul(finish->first, tint),
                                .second = md_vec_mul(finish->second, tint),
                                .scale_m = scale_m,
                                .skirting_m = site->world->unskirted_m,
                                .emission = finish->emission,
                                .variant = md_random_bits(&site->random)};
}

struct md_material md_draw_material(struct site *site, const struct md_palette *palette) {
    return md_draw_finish(site, &palette->finishes[md_draw_below(site, palette->count)]);
}

const struct object *md_draw_object(struct site *site, const struct md_object_weight *weights) {
    int total = 0;
    for (const struct md_object_weight *row = weights; row->weight > 0; row++)
        total += row->weight;
    int drawn = md_draw_below(site, total);
    for (; drawn >= weights->weight; weights++)
        drawn -= weights->weight;
    return &objects[weights->object];
}

struct md_vec md_draw_size(struct site *site, const struct object *object) {
    double scale = site->world->furniture_scale * md_draw(site, (struct md_range){.8, 1.2});
    struct md_vec size =
        md_vec_scale(md_draw_vec(site, object->width_m, object->depth_m, object->height_m), scale);
    size.z = fmin(size.z, site->scene->size.z);
    if (object->parts[0].shape != MD_BOX) /* round objects are as deep as they are wide */
        size.y = size.x;
    return size;
}

/* ---- Building ---- */

int md_add_object(struct site *site, const struct object *object, struct md_vec size,
                  struct md_vec origin, double cosine, double sine) {
    const struct md_palette *palettes = site->world->component;
    struct md_material materials[MD_COMPONENTS] = {{.texture = MD_PLAIN}};
    if (site->scene->solid_count + MOST_PARTS > MD_MOST_SOLIDS ||
        !md_scene_add_group(site->scene, origin, cosine, sine))
        return 0;
    for (int component = 0; component < MD_COMPONENTS; component++)
        if (component != MD_DECORATED && palettes[component].count > 0)
            materials[component] = md_draw_material(site, &palettes[component]);
    for (int i = 0; i < object->part_count; i++) {
        const struct part *part = &object->parts[i];
        materials[MD_DECORATED] = md_draw_material(site, &palettes[MD_DECORATED]);
        struct md_solid solid = {part->shape, md_vec_mul(part->low, size),
                                 md_vec_mul(part->high, size), materials[part->component]};
        md_scene_add_solid(site->scene, &solid);
    }
    return 1;
}

void md_remove_last_group(struct md_scene *scene) {
    scene->group_count--;
    scene->solid_count = scene->groups[scene->group_count].first;
}

int md_boxes_overlap(struct md_vec low, struct md_vec high, struct md_vec other_low,
                     struct md_vec other_high, double gap) {
    return low.x < other_high.x + gap && other_low.x < high.x + gap && low.y < other_high.y + gap &&
           other_low.y < high.y + gap && low.z < other_high.z && other_low.z < high.z;
}
