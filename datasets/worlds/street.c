/* Streets: strips of ground side by side, from the middle outwards on either side, with rows of
 * objects along them. The street runs along x, its middle is y = 0. */
#include <math.h>
#include <stddef.h>

#include "building.h"

/* Where one strip of one side of the street lies. */
struct row {
    const struct md_strip *strip;
    double inner_m, outer_m; /* from the middle */
    int side;                /* -1: right of who drives along x; 1: left */
};

/* Far beyond where objects stand, the strips go on to the horizon. */
static const struct md_range paved_m = {-40, 600};

/* The drive that a scene's frames are taken on, in the middle of the lane. */
static void plan_drive(struct site *site, const struct row *lane) {
    const struct md_world *world = site->world;
    double length_m = world->speed_m_s * world->frame_interval_s * world->frames_per_scene;
    struct md_vec from = {0, lane->side * (lane->inner_m + lane->outer_m) / 2,
                          md_draw(site, world->flight_height_m)};
    site->scene->drive[0] = site->scene->drive[1] = from;
    site->scene->drive[1].x += length_m;
}

/* Lays the strips of both sides as one group, and says in `rows` where they are. */
static int lay_strips(struct site *site, struct row *rows) {
    const struct md_world *world = site->world;
    int count = 0;
    md_scene_add_group(site->scene, (struct md_vec){0, 0, 0}, 1, 0);
    for (int side = -1; side <= 1; side += 2) {
        double inner_m = 0;
        for (int i = 0; i < world->strip_count; i++) {
            const struct md_strip *strip = &world->strips[i];
            double width_m = md_draw(site, strip->width_m), chance = md_random_unit(&site->random);
            if (chance >= strip->chance)
                continue;
            struct row row = {strip, inner_m, inner_m + width_m, side};
            inner_m = row.outer_m;
            rows[count++] = row;
            if (side < 0 && i == world->driven)
                plan_drive(site, &row);
            if (strip->surface.count == 0)
                continue;
            struct md_solid slab = {.shape = MD_BOX,
                                    .material = md_draw_material(site, &strip->surface)};
            slab.low = (struct md_vec){paved_m.low, side < 0 ? -row.outer_m : row.inner_m, 0};
            slab.high = (struct md_vec){paved_m.high, side < 0 ? -row.inner_m : row.outer_m,
                                        strip->height_m};
            md_scene_add_solid(site->scene, &slab);
        }
    }
    return count;
}

/* Whether the last group stands where the car drives. */
static int blocks_drive(const struct site *site) {
    const struct md_scene *scene = site->scene;
    const struct md_group *last = &scene->groups[scene->group_count - 1];
    const struct md_vec car_low = {-3, -1.2, -10}, car_high = {6, 1.2, 1.5};
    return md_boxes_overlap(last->world_low, last->world_high, md_vec_add(scene->drive[0], car_low),
                            md_vec_add(scene->drive[1], car_high), 0);
}

/* Stands objects along a strip with their fronts towards the road, from a little behind the car to
 * the end of the street. */
static void fill_row(struct site *site, const struct row *row) {
    const struct md_strip *strip = row->strip;
    double x = paved_m.low / 2 + md_draw(site, strip->gap_m);
    while (x < site->scene->size.x) {
        const struct object *object = md_draw_object(site, strip->objects);
        struct md_vec size = md_draw_size(site, object);
        double slack = fmax(row->outer_m - row->inner_m - size.y, 0);
        double away = row->inner_m + size.y / 2 + md_draw(site, (struct md_range){0, slack});
        double z = strip->height_m + md_draw(site, object->floor_m);
        struct md_vec origin = {x + size.x / 2, row->side * away, z};
        if (!md_add_object(site, object, size, origin, row->side, 0))
            return;
        if (blocks_drive(site))
            md_remove_last_group(site->scene);
        x += size.x + md_draw(site, strip->gap_m);
    }
}

/* So far away that all its light comes from one direction. */
static void add_sun(struct site *site) {
    const double away_m = 1e4, two_pi = 6.283185307179586;
    double round = md_draw(site, (struct md_range){0, two_pi}),
           rise = md_draw(site, site->world->sun_rise_rad),
           power = md_draw(site, site->world->sun_power);
    struct md_vec towards = {cos(rise) * cos(round), cos(rise) * sin(round), sin(rise)};
    site->scene->lights[site->scene->light_count++] =
        (struct md_light){md_vec_scale(towards, away_m),
                          md_vec_scale(site->world->lamp_colour, power * away_m * away_m)};
}

void md_street_build(struct site *site) {
    struct row rows[2 * MD_MOST_STRIPS];
    site->scene->shell[MD_FLOOR] = md_draw_material(site, &site->world->floors);
    site->scene->shell[MD_CEILING] = md_draw_material(site, &site->world->ceilings);
    add_sun(site);
    int count = lay_strips(site, rows);
    /* From the road outwards, so that a scene that is full lacks what is far away. */
    for (int i = 0; i < site->world->strip_count; i++)
        for (int r = 0; r < count; r++)
            if (rows[r].strip == &site->world->strips[i] && rows[r].strip->objects != NULL)
                fill_row(site, &rows[r]);
}
