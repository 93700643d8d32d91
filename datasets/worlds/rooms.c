#include "rooms.h"

#include <math.h>

#include "building.h"

enum { MOST_ROOMS = 8 };

struct room {
    struct md_range x, y;
};

struct hall {
    struct site *site;
    struct room rooms[MOST_ROOMS];
    int room_count;
    int turn;                        /* which finish the next wall gets */
    struct md_vec doors[MOST_ROOMS]; /* the middle of each, on the floor */
    int door_count;
};

/* Walls take the finishes in turn, so that a scene does not look the same on all sides. */
static struct md_material draw_wall(struct hall *hall) {
    const struct md_palette *walls = &hall->site->world->walls;
    struct md_material material =
        md_draw_finish(hall->site, &walls->finishes[hall->turn++ % walls->count]);
    material.skirting_m = hall->site->world->skirting_m;
    return material;
}

/* One section of a wall that runs along y at `across` (or along x, when `along_x`). */
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
    if (md_scene_add_group(site->scene, (struct md_vec){0, 0, 0}, 1, 0))
        md_scene_add_solid(site->scene, &wall);
}

/* Whether a wall there would end in a door that another wall already has. */
static int meets_door(const struct hall *hall, int along_x, double across, double clear_m) {
    for (int i = 0; i < hall->door_count; i++) {
        struct md_vec door = hall->doors[i];
        if (fabs((along_x ? door.y : door.x) - across) < clear_m)
            return 1;
    }
    return 0;
}

/* Cuts a room in two by a wall with a door in it. */
static void split_room(struct hall *hall, struct room *room) {
    struct site *site = hall->site;
    const struct md_world *world = site->world;
    const struct md_range cut = {.4, .6};
    int along_x = span(room->y) > span(room->x);
    struct md_range *cut_side = along_x ? &room->y : &room->x;
    struct md_range along = along_x ? room->x : room->y;
    double across = cut_side->low + span(*cut_side) * md_draw(site, cut);
    double door_half = md_draw(site, world->door_width_m) / 2,
           door_top = md_draw(site, world->door_height_m);
    double door =
        md_draw(site, (struct md_range){along.low + door_half + .3, along.high - door_half - .3});
    if (span(along) < 2 * door_half + 1 || meets_door(hall, along_x, across, 2 * door_half))
        return;

    double ceiling = site->scene->size.z;
    struct md_material material = draw_wall(hall);
    add_wall(site, &material, along_x, across, (struct md_range){along.low, door - door_half},
             (struct md_range){0, ceiling});
    add_wall(site, &material, along_x, across, (struct md_range){door + door_half, along.high},
             (struct md_range){0, ceiling});
    material.skirting_m = 0;
    add_wall(site, &material, along_x, across,
             (struct md_range){door - door_half, door + door_half},
             (struct md_range){door_top, ceiling});
    hall->doors[hall->door_count++] =
        along_x ? (struct md_vec){door, across, 0} : (struct md_vec){across, door, 0};

    struct room *other = &hall->rooms[hall->room_count++];
    *other = *room;
    (along_x ? &other->y : &other->x)->low = across + world->wall_m / 2;
    cut_side->high = across - world->wall_m / 2;
}

static void split_rooms(struct hall *hall) {
    const struct md_world *world = hall->site->world;
    int wanted = world->fewest_rooms +
                 md_draw_below(hall->site, world->most_rooms - world->fewest_rooms + 1);
    for (int tries = 0; tries < 4 * MOST_ROOMS && hall->room_count < wanted; tries++) {
        struct room *largest = hall->rooms;
        for (int i = 1; i < hall->room_count; i++) {
            struct room *room = &hall->rooms[i];
            if (span(room->x) * span(room->y) > span(largest->x) * span(largest->y))
                largest = room;
        }
        split_room(hall, largest);
    }
}

/* Whether the last group stands in another one's way or in a door. */
static int is_in_the_way(const struct hall *hall, double gap) {
    const struct md_world *world = hall->site->world;
    const struct md_scene *scene = hall->site->scene;
    const struct md_group *last = &scene->groups[scene->group_count - 1], *group = scene->groups;
    double clear = world->door_width_m.high * .75;
    for (; group < last; group++)
        if (md_boxes_overlap(last->world_low, last->world_high, group->world_low, group->world_high,
                             gap))
            return 1;
    for (int i = 0; i < hall->door_count; i++) {
        struct md_vec door = hall->doors[i], above = {door.x, door.y, world->door_height_m.high};
        if (md_boxes_overlap(last->world_low, last->world_high, door, above, clear))
            return 1;
    }
    return 0;
}

struct pose {
    struct md_vec origin;
    double cosine, sine;
};

/* Somewhere in the room, turned anyhow; or with its back to one of the four walls. */
static struct pose draw_pose(struct site *site, const struct room *room,
                             const struct object *object, struct md_vec size) {
    static const double cosines[] = {1, -1, 0, 0}, sines[] = {0, 0, -1, 1};
    const double two_pi = 6.283185307179586, gap = .02;
    double highest = fmax(site->scene->size.z - size.z - .1, 0);
    double z = fmin(md_draw(site, object->floor_m) * site->world->furniture_scale, highest);
    if (object->placement == FREE) {
        double angle = md_draw(site, (struct md_range){0, two_pi});
        double reach = hypot(size.x, size.y) / 2 + gap;
        struct md_range x = {room->x.low + reach, room->x.high - reach};
        struct md_range y = {room->y.low + reach, room->y.high - reach};
        struct md_vec origin = md_draw_vec(site, x, y, (struct md_range){z, z});
        return (struct pose){origin, cos(angle), sin(angle)};
    }
    int wall = md_draw_below(site, 4); /* high y, low y, high x, low x */
    double from_wall = size.y / 2 + gap, half = size.x / 2 + gap;
    struct md_range along = wall < 2 ? room->x : room->y, across = wall < 2 ? room->y : room->x;
    double at = md_draw(site, (struct md_range){along.low + half, along.high - half});
    double off = wall % 2 == 0 ? across.high - from_wall : across.low + from_wall;
    struct md_vec origin = wall < 2 ? (struct md_vec){at, off, z} : (struct md_vec){off, at, z};
    return (struct pose){origin, cosines[wall], sines[wall]};
}

/* Tries to put one more object into the room; it is left out where it would be in the way. */
static void furnish(struct hall *hall, const struct room *room) {
    struct site *site = hall->site;
    const struct object *object = md_draw_object(site, site->world->objects);
    struct md_vec size = md_draw_size(site, object);
    double across = hypot(size.x, size.y) + .1; /* however it is turned */
    if (span(room->x) < across || span(room->y) < across)
        return;
    struct pose pose = draw_pose(site, room, object, size);
    if (md_add_object(site, object, size, pose.origin, pose.cosine, pose.sine) &&
        is_in_the_way(hall, object->placement == FREE ? .3 * site->world->furniture_scale : .01))
        md_remove_last_group(site->scene);
}

/* A row of lamps below the ceiling of a room, and the light they give. */
static void add_lamps(struct site *site, const struct room *room) {
    const struct md_world *world = site->world;
    struct md_scene *scene = site->scene;
    double spacing = world->lamp_spacing_m, height = scene->size.z, scale = world->furniture_scale;
    int columns = (int)fmax(1, round(span(room->x) / spacing));
    int rows = (int)fmax(1, round(span(room->y) / spacing));
    struct md_solid lamp = {MD_BOX,
                            {-.5 * scale, -.08 * scale, -.04},
                            {.5 * scale, .08 * scale, 0},
                            {.first = world->lamp_colour, .scale_m = 1, .emission = 2.5}};
    for (int i = 0; i < columns * rows && scene->light_count < MD_MOST_LIGHTS; i++) {
        int column = i % columns, row = i / columns;
        double x = room->x.low + span(room->x) * (column + .5) / columns;
        double y = room->y.low + span(room->y) * (row + .5) / rows;
        if (!md_scene_add_group(scene, (struct md_vec){x, y, height}, 1, 0))
            return;
        md_scene_add_solid(scene, &lamp);
        scene->lights[scene->light_count++] = (struct md_light){
            {x, y, height - .2},
            md_vec_scale(world->lamp_colour, world->lamp_power * height * height)};
    }
}

static void draw_shell(struct hall *hall) {
    const struct md_world *world = hall->site->world;
    struct md_scene *scene = hall->site->scene;
    hall->turn = md_draw_below(hall->site, world->walls.count);
    for (int face = 0; face < MD_FLOOR; face++)
        scene->shell[face] = draw_wall(hall);
    scene->shell[MD_FLOOR] = md_draw_material(hall->site, &world->floors);
    scene->shell[MD_CEILING] = md_draw_material(hall->site, &world->ceilings);
}

static void build_hall(struct site *site) {
    struct hall hall = {.site = site, .room_count = 1};
    hall.rooms[0] = (struct room){{0, site->scene->size.x}, {0, site->scene->size.y}};
    draw_shell(&hall);
    split_rooms(&hall);
    for (int i = 0; i < hall.room_count; i++)
        add_lamps(site, &hall.rooms[i]);
    for (int i = 0; i < hall.room_count; i++) {
        double area = span(hall.rooms[i].x) * span(hall.rooms[i].y);
        for (int object = 0; object < area / site->world->floor_per_object_m2; object++)
            furnish(&hall, &hall.rooms[i]);
    }
}

void md_scene_build(struct md_scene *scene, const struct md_world *world, struct md_random random) {
    struct site site = {world, scene, random};
    scene->group_count = scene->solid_count = scene->light_count = 0;
    scene->ambient = world->ambient;
    scene->size = md_draw_vec(&site, world->length_m, world->width_m, world->height_m);
    scene->is_open = world->strip_count > 0;
    if (scene->is_open)
        md_street_build(&site);
    else
        build_hall(&site);
}
