#include "rooms.h"

#include <math.h>

/* ---- Furniture ---- */

enum stand { FREE, AT_WALL };
/* What a part is made of: two finishes of furniture, one of decoration, one of window panes. */
enum finish { BODY, LIMB, DECORATED, PANE, FINISHES };

struct part {
    enum md_shape shape;
    enum finish finish;
    struct md_vec low, high; /* in units of the piece: x and y in [-0.5, 0.5], back at 0.5 */
};

enum { MOST_PARTS = 9 };

struct piece {
    enum stand stand;
    struct md_range width_m, depth_m, height_m;
    struct md_range floor_m; /* how high its underside is */
    int part_count;
    struct part parts[MOST_PARTS];
};

/* clang-format off */
#define WHOLE(shape, finish) {{shape, finish, {-.5, -.5, 0}, {.5, .5, 1}}}
#define BLOCK(finish, x0, y0, z0, x1, y1, z1) {MD_BOX, finish, {x0, y0, z0}, {x1, y1, z1}}
#define LEG(x, y, top) BLOCK(LIMB, (x) - .04, (y) - .05, 0, (x) + .04, (y) + .05, top)
#define FOUR_LEGS(top) \
    LEG(-.44, -.42, top), LEG(.44, -.42, top), LEG(-.44, .42, top), LEG(.44, .42, top)
#define BOARD(z) BLOCK(BODY, -.46, -.5, z, .46, .46, (z) + .025)
#define BOOKS(x0, x1, z0, z1) BLOCK(DECORATED, x0, -.3, z0, x1, .4, z1)

/* stand, width, depth, height, height of the underside, parts */
static const struct piece pieces[] = {
    [MD_TABLE] = {AT_WALL, {.9, 1.7}, {.6, .9}, {.7, .78}, {0, 0}, 6,
                  {BLOCK(BODY, -.5, -.5, .94, .5, .5, 1), FOUR_LEGS(.94),
                   BLOCK(DECORATED, -.2, -.1, 1, .15, .3, 1.4)}},
    [MD_CHAIR] = {FREE, {.4, .5}, {.4, .5}, {.8, .95}, {0, 0}, 6,
                  {BLOCK(BODY, -.5, -.5, .46, .5, .5, .52), FOUR_LEGS(.46),
                   BLOCK(BODY, -.5, .4, .6, .5, .5, 1)}},
    [MD_SHELF] = {AT_WALL, {.7, 1.3}, {.28, .4}, {1.2, 2}, {0, 0}, 9,
                  {BLOCK(BODY, -.5, -.5, 0, -.46, .5, 1), BLOCK(BODY, .46, -.5, 0, .5, .5, 1),
                   BLOCK(LIMB, -.46, .46, 0, .46, .5, 1), BOARD(.04), BOARD(.36), BOARD(.68),
                   BOOKS(-.44, .1, .065, .27), BOOKS(-.2, .4, .385, .6),
                   BOOKS(-.4, .25, .705, .95)}},
    [MD_CABINET] = {AT_WALL, {.5, 1.4}, {.35, .6}, {.8, 2}, {0, 0}, 3,
                    {BLOCK(BODY, -.5, -.46, .05, .5, .5, 1),
                     BLOCK(LIMB, -.46, -.4, 0, .46, .5, .05),
                     BLOCK(LIMB, -.02, -.5, .1, .02, -.46, .95)}},
    [MD_SOFA] = {AT_WALL, {1.3, 2}, {.75, .95}, {.75, .9}, {0, 0}, 4,
                 {BLOCK(BODY, -.5, -.5, .06, .5, .5, .48), BLOCK(BODY, -.5, .25, .48, .5, .5, 1),
                  BLOCK(LIMB, -.5, -.5, .48, -.42, .25, .7),
                  BLOCK(LIMB, .42, -.5, .48, .5, .25, .7)}},
    [MD_CARTON] = {FREE, {.35, .7}, {.35, .6}, {.3, .9}, {0, 0}, 1, WHOLE(MD_BOX, BODY)},
    [MD_PILLAR] = {FREE, {.25, .5}, {.25, .5}, {9, 9}, {0, 0}, 1, WHOLE(MD_CYLINDER, BODY)},
    [MD_BALL] = {FREE, {.3, .55}, {.3, .55}, {.3, .55}, {0, 0}, 1, WHOLE(MD_SPHERE, DECORATED)},
    [MD_SCREEN] = {FREE, {.7, 1.2}, {.05, .07}, {1.2, 1.9}, {0, 0}, 1, WHOLE(MD_BOX, BODY)},
    [MD_POSTER] = {AT_WALL, {.4, 1}, {.02, .03}, {.5, 1}, {.8, 1.3}, 1, WHOLE(MD_BOX, DECORATED)},
    [MD_WINDOW] = {AT_WALL, {.7, 1.3}, {.03, .05}, {.8, 1.2}, {.7, 1}, 3,
                   {BLOCK(LIMB, -.5, -.3, 0, .5, .5, 1),
                    BLOCK(PANE, -.46, -.5, .05, -.02, -.3, .95),
                    BLOCK(PANE, .02, -.5, .05, .46, -.3, .95)}},
    [MD_LEAF] = {AT_WALL, {.85, .95}, {.04, .05}, {2, 2}, {0, 0}, 3,
                 {BLOCK(BODY, -.5, 0, 0, .5, .5, 1), BLOCK(LIMB, .36, -.5, .49, .44, 0, .52),
                  BLOCK(LIMB, -.35, -.1, .55, .25, 0, .9)}},
    [MD_RUG] = {FREE, {1.2, 2.2}, {.8, 1.5}, {.01, .015}, {0, 0}, 1, WHOLE(MD_BOX, DECORATED)},
};
/* clang-format on */

/* ---- Building ---- */

enum { MOST_ROOMS = 8 };

struct room {
    struct md_range x, y;
};

struct site {
    const struct md_world *world;
    struct md_place *place;
    struct md_random random;
    struct room rooms[MOST_ROOMS];
    int room_count;
    int turn;                        /* which finish the next wall gets */
    struct md_vec doors[MOST_ROOMS]; /* the middle of each, on the floor */
    int door_count;
};

static double draw(struct site *site, struct md_range range) {
    return md_random_range(&site->random, range.low, range.high);
}

static int draw_below(struct site *site, int n) {
    return (int)md_random_below(&site->random, (uint32_t)n);
}

/* One draw after the other: C leaves open in which order an initializer's parts are evaluated. */
static struct md_vec draw_vec(struct site *site, struct md_range x, struct md_range y,
                              struct md_range z) {
    struct md_vec drawn;
    drawn.x = draw(site, x);
    drawn.y = draw(site, y);
    drawn.z = draw(site, z);
    return drawn;
}

static struct md_material draw_finish(struct site *site, const struct md_finish *finish) {
    const struct md_range brighter = {.85, 1.15}, tinted = {.93, 1.07};
    double brightness = draw(site, brighter), scale_m = draw(site, finish->scale_m);
    struct md_vec tint = md_vec_scale(draw_vec(site, tinted, tinted, tinted), brightness);
    return (struct md_material){.texture = finish->texture,
                                .first = md_vec_mul(finish->first, tint),
                                .second = md_vec_mul(finish->second, tint),
                                .scale_m = scale_m,
                                .emission = finish->emission,
                                .variant = md_random_bits(&site->random)};
}

static struct md_material draw_material(struct site *site, const struct md_palette *palette) {
    return draw_finish(site, &palette->finishes[draw_below(site, palette->count)]);
}

/* Walls take turns, so that a place does not look the same on all sides. */
static struct md_material draw_wall(struct site *site) {
    const struct md_palette *walls = &site->world->walls;
    struct md_material material = draw_finish(site, &walls->finishes[site->turn++ % walls->count]);
    material.skirting_m = site->world->skirting_m;
    return material;
}

static double span(struct md_range range) {
    return range.high - range.low;
}

/* One piece of a wall that runs along y at `across` (or along x, when `along_x`). */
static void add_wall(struct site *site, const struct md_material *material, int along_x,
                     double across, struct md_range along, struct md_range z) {
    double half = site->world->wall_m / 2;
    struct md_solid wall = {.shape = MD_BOX, .material = *material};
    wall.low = (struct md_vec){across - half, along.low, z.low};
    wall.high = (struct md_vec){across + half, along.high, z.high};
    if (along_x) {
        wall.low = (struct md_vec){along.low, across - half, z.low};
        wall.high = (struct md_vec){along.high, across + half, z.high};
    }
    if (md_place_add_group(site->place, (struct md_vec){0, 0, 0}, 1, 0))
        md_place_add_solid(site->place, &wall);
}

/* Whether a wall there would end in a door that another wall already has. */
static int meets_door(const struct site *site, int along_x, double across, double clear_m) {
    for (int i = 0; i < site->door_count; i++) {
        struct md_vec door = site->doors[i];
        if (fabs((along_x ? door.y : door.x) - across) < clear_m)
            return 1;
    }
    return 0;
}

/* Cuts a room in two by a wall with a door in it. */
static void split_room(struct site *site, struct room *room) {
    const struct md_world *world = site->world;
    const struct md_range cut = {.4, .6};
    int along_x = span(room->y) > span(room->x);
    struct md_range *cut_side = along_x ? &room->y : &room->x;
    struct md_range along = along_x ? room->x : room->y;
    double across = cut_side->low + span(*cut_side) * draw(site, cut);
    double door_half = draw(site, world->door_width_m) / 2,
           door_top = draw(site, world->door_height_m);
    double door =
        draw(site, (struct md_range){along.low + door_half + .3, along.high - door_half - .3});
    if (span(along) < 2 * door_half + 1 || meets_door(site, along_x, across, 2 * door_half))
        return;

    double ceiling = site->place->size.z;
    struct md_material material = draw_wall(site);
    add_wall(site, &material, along_x, across, (struct md_range){along.low, door - door_half},
             (struct md_range){0, ceiling});
    add_wall(site, &material, along_x, across, (struct md_range){door + door_half, along.high},
             (struct md_range){0, ceiling});
    material.skirting_m = 0;
    add_wall(site, &material, along_x, across,
             (struct md_range){door - door_half, door + door_half},
             (struct md_range){door_top, ceiling});
    site->doors[site->door_count++] =
        along_x ? (struct md_vec){door, across, 0} : (struct md_vec){across, door, 0};

    struct room *other = &site->rooms[site->room_count++];
    *other = *room;
    (along_x ? &other->y : &other->x)->low = across + world->wall_m / 2;
    cut_side->high = across - world->wall_m / 2;
}

static void split_rooms(struct site *site) {
    const struct md_world *world = site->world;
    int wanted =
        world->fewest_rooms + draw_below(site, world->most_rooms - world->fewest_rooms + 1);
    for (int tries = 0; tries < 4 * MOST_ROOMS && site->room_count < wanted; tries++) {
        struct room *largest = site->rooms;
        for (int i = 1; i < site->room_count; i++) {
            struct room *room = &site->rooms[i];
            if (span(room->x) * span(room->y) > span(largest->x) * span(largest->y))
                largest = room;
        }
        split_room(site, largest);
    }
}

static int boxes_overlap(struct md_vec low, struct md_vec high, struct md_vec other_low,
                         struct md_vec other_high, double gap) {
    return low.x < other_high.x + gap && other_low.x < high.x + gap && low.y < other_high.y + gap &&
           other_low.y < high.y + gap && low.z < other_high.z && other_low.z < high.z;
}

/* Whether the last group stands in another one's way or in a door. */
static int is_in_the_way(const struct site *site, double gap) {
    const struct md_place *place = site->place;
    const struct md_group *last = &place->groups[place->group_count - 1], *group = place->groups;
    double clear = site->world->door_width_m.high * .75;
    for (; group < last; group++)
        if (boxes_overlap(last->world_low, last->world_high, group->world_low, group->world_high,
                          gap))
            return 1;
    for (int i = 0; i < site->door_count; i++) {
        struct md_vec door = site->doors[i],
                      above = {door.x, door.y, site->world->door_height_m.high};
        if (boxes_overlap(last->world_low, last->world_high, door, above, clear))
            return 1;
    }
    return 0;
}

static void remove_last_group(struct md_place *place) {
    place->group_count--;
    place->solid_count = place->groups[place->group_count].first;
}

struct pose {
    struct md_vec origin;
    double cosine, sine;
};

/* Somewhere in the room, turned anyhow; or with its back to one of the four walls. */
static struct pose draw_pose(struct site *site, const struct room *room, const struct piece *piece,
                             struct md_vec size) {
    static const double cosines[] = {1, -1, 0, 0}, sines[] = {0, 0, -1, 1};
    const double two_pi = 6.283185307179586, gap = .02;
    double highest = fmax(site->place->size.z - size.z - .1, 0);
    double z = fmin(draw(site, piece->floor_m) * site->world->furniture_scale, highest);
    if (piece->stand == FREE) {
        double angle = draw(site, (struct md_range){0, two_pi});
        double reach = hypot(size.x, size.y) / 2 + gap;
        struct md_range x = {room->x.low + reach, room->x.high - reach};
        struct md_range y = {room->y.low + reach, room->y.high - reach};
        struct md_vec origin = draw_vec(site, x, y, (struct md_range){z, z});
        return (struct pose){origin, cos(angle), sin(angle)};
    }
    int wall = draw_below(site, 4); /* high y, low y, high x, low x */
    double from_wall = size.y / 2 + gap, half = size.x / 2 + gap;
    struct md_range along = wall < 2 ? room->x : room->y, across = wall < 2 ? room->y : room->x;
    double at = draw(site, (struct md_range){along.low + half, along.high - half});
    double off = wall % 2 == 0 ? across.high - from_wall : across.low + from_wall;
    struct md_vec origin = wall < 2 ? (struct md_vec){at, off, z} : (struct md_vec){off, at, z};
    return (struct pose){origin, cosines[wall], sines[wall]};
}

static void add_parts(struct site *site, const struct piece *piece, struct md_vec size) {
    const struct md_world *world = site->world;
    struct md_material finishes[FINISHES];
    finishes[BODY] = draw_material(site, &world->furniture);
    finishes[LIMB] = draw_material(site, &world->furniture);
    finishes[PANE] = draw_material(site, &world->panes);
    for (int i = 0; i < piece->part_count; i++) {
        const struct part *part = &piece->parts[i];
        finishes[DECORATED] = draw_material(site, &world->decoration); /* no book is like another */
        struct md_solid solid = {part->shape, md_vec_mul(part->low, size),
                                 md_vec_mul(part->high, size), finishes[part->finish]};
        md_place_add_solid(site->place, &solid);
    }
}

static const struct piece *draw_piece(struct site *site) {
    int total = 0;
    for (const struct md_stock *row = site->world->stock; row->weight > 0; row++)
        total += row->weight;
    int drawn = draw_below(site, total);
    const struct md_stock *row = site->world->stock;
    for (; drawn >= row->weight; row++)
        drawn -= row->weight;
    return &pieces[row->piece];
}

/* Tries to put one more piece into the room; it is left out where it would be in the way. */
static void furnish(struct site *site, const struct room *room) {
    const struct piece *piece = draw_piece(site);
    double scale = site->world->furniture_scale * draw(site, (struct md_range){.8, 1.2});
    struct md_vec size =
        md_vec_scale(draw_vec(site, piece->width_m, piece->depth_m, piece->height_m), scale);
    size.z = fmin(size.z, site->place->size.z);
    if (piece->parts[0].shape != MD_BOX) /* round pieces are as deep as they are wide */
        size.y = size.x;
    double across = hypot(size.x, size.y) + .1; /* however it is turned */
    if (span(room->x) < across || span(room->y) < across ||
        site->place->solid_count + MOST_PARTS > MD_MOST_SOLIDS)
        return;
    struct pose pose = draw_pose(site, room, piece, size);
    if (!md_place_add_group(site->place, pose.origin, pose.cosine, pose.sine))
        return;
    add_parts(site, piece, size);
    if (is_in_the_way(site, piece->stand == FREE ? .3 * site->world->furniture_scale : .01))
        remove_last_group(site->place);
}

/* A row of lamps below the ceiling of a room, and the light they give. */
static void hang_lamps(struct site *site, const struct room *room) {
    const struct md_world *world = site->world;
    struct md_place *place = site->place;
    double spacing = world->lamp_spacing_m, height = place->size.z, scale = world->furniture_scale;
    int columns = (int)fmax(1, round(span(room->x) / spacing));
    int rows = (int)fmax(1, round(span(room->y) / spacing));
    struct md_solid lamp = {MD_BOX,
                            {-.5 * scale, -.08 * scale, -.04},
                            {.5 * scale, .08 * scale, 0},
                            {.first = world->lamp_colour, .scale_m = 1, .emission = 2.5}};
    for (int i = 0; i < columns * rows && place->light_count < MD_MOST_LIGHTS; i++) {
        int column = i % columns, row = i / columns;
        double x = room->x.low + span(room->x) * (column + .5) / columns;
        double y = room->y.low + span(room->y) * (row + .5) / rows;
        if (!md_place_add_group(place, (struct md_vec){x, y, height}, 1, 0))
            return;
        md_place_add_solid(place, &lamp);
        place->lights[place->light_count++] = (struct md_light){
            {x, y, height - .2},
            md_vec_scale(world->lamp_colour, world->lamp_power * height * height)};
    }
}

static void dress_shell(struct site *site) {
    const struct md_world *world = site->world;
    struct md_place *place = site->place;
    site->turn = draw_below(site, world->walls.count);
    for (int face = 0; face < MD_FLOOR; face++)
        place->shell[face] = draw_wall(site);
    place->shell[MD_FLOOR] = draw_material(site, &world->floors);
    place->shell[MD_CEILING] = draw_material(site, &world->ceilings);
}

void md_place_build(struct md_place *place, const struct md_world *world, struct md_random random) {
    struct site site = {.world = world, .place = place, .random = random, .room_count = 1};
    place->group_count = place->solid_count = place->light_count = 0;
    place->ambient = world->ambient;
    place->size = draw_vec(&site, world->length_m, world->width_m, world->height_m);
    site.rooms[0] = (struct room){{0, place->size.x}, {0, place->size.y}};
    dress_shell(&site);
    split_rooms(&site);
    for (int i = 0; i < site.room_count; i++)
        hang_lamps(&site, &site.rooms[i]);
    for (int i = 0; i < site.room_count; i++) {
        double area = span(site.rooms[i].x) * span(site.rooms[i].y);
        for (int piece = 0; piece < area / world->floor_per_piece_m2; piece++)
            furnish(&site, &site.rooms[i]);
    }
}
