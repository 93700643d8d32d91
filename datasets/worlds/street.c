/* Streets: strips of ground side by side, from the middle outwards on either side, with rows of
 * pieces along them. The street runs along x, its middle is y = 0. */
#include <math.h>
#include <stddef.h>

#include "building.h"

/* Where one strip of one side of the street lies. */
struct row {
    const struct md_strip *strip;
    double inner_m, outer_m; /* from the middle */
    int side;                /* -1: right of who drives along x; 1: left */
};

/* Far beyond where pieces stand, the strips go on to the horizon. */
static const struct md_range paved_m = {-40, 600};

/* The drive that a place's frames are taken on, in the middle of the lane. */
static void plan_drive(struct site *site, const struct row *lane) {
    const struct md_world *world = site->world;
    double length_m = world->speed_m_s * world->frame_interval_s * world->frames_per_place;
    struct md_vec from = {0, lane->side * (lane->inner_m + lane->outer_m) / 2,
                          md_draw(site, world->flight_height_m)};
    site->place->drive[0] = site->place->drive[1] = from;
    site->place->drive[1].x += length_m;
}

/* Lays the strips of both sides as one group, and says in `rows` where they are. */
static int lay_strips(struct site *site, struct row *rows) {
    const struct md_world *world = site->world;
    int count = 0;
    md_place_add_group(site->place, (struct md_vec){0, 0, 0}, 1, 0);
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
            md_place_add_solid(site->place, &slab);
        }
    }
    return count;
}

/* Whether the last group stands where the car drives. */
static int blocks_drive(const struct site *site) {
    const struct md_place *place = site->place;
    const struct md_group *last = &place->groups[place->group_count - 1];
    const struct md_vec car_low = {-3, -1.2, -10}, car_high = {6, 1.2, 1.5};
    return md_boxes_overlap(last->world_low, last->world_high, md_vec_add(place->drive[0], car_low),
                            md_vec_add(place->drive[1], car_high), 0);
}

/* Stands pieces along a strip with their fronts towards the road, from a little behind the car to
 * the end of the street. */
static void fill_row(struct site *site, const struct row *row) {
    const struct md_strip *strip = row->strip;
    double x = paved_m.low / 2 + md_draw(site, strip->gap_m);
    while (x < site->place->size.x) {
        const struct piece *piece = md_draw_piece(site, strip->stock);
        struct md_vec size = md_draw_size(site, piece);
        double slack = fmax(row->outer_m - row->inner_m - size.y, 0);
        double away = row->inner_m + size.y / 2 + md_draw(site, (struct md_range){0, slack});
        double z = strip->height_m + md_draw(site, piece->floor_m);
        struct md_vec origin = {x + size.x / 2, row->side * away, z};
        if (!md_add_piece(site, piece, size, origin, row->side, 0))
            return;
        if (blocks_drive(site))
            md_remove_last_group(site->place);
        x += size.x + md_draw(site, strip->gap_m);
    }
}

/* So far away that all its light comes from one direction. */
static void raise_sun(struct site *site) {
    const double away_m = 1e4, two_pi = 6.283185307179586;
    double round = md_draw(site, (struct md_range){0, two_pi}),
           rise = md_draw(site, site->world->sun_rise_rad),
           power = md_draw(site, site->world->sun_power);
    struct md_vec towards = {cos(rise) * cos(round), cos(rise) * sin(round), sin(rise)};
    site->place->lights[site->place->light_count++] =
        (struct md_light){md_vec_scale(towards, away_m),
                          md_vec_scale(site->world->lamp_colour, power * away_m * away_m)};
}

void md_street_build(struct site *site) {
    struct row rows[2 * MD_MOST_STRIPS];
    site->place->shell[MD_FLOOR] = md_draw_material(site, &site->world->floors);
    site->place->shell[MD_CEILING] = md_draw_material(site, &site->world->ceilings);
    raise_sun(site);
    int count = lay_strips(site, rows);
    /* From the road outwards, so that a place that is full lacks what is far away. */
    for (int i = 0; i < site->world->strip_count; i++)
        for (int r = 0; r < count; r++)
            if (rows[r].strip == &site->world->strips[i] && rows[r].strip->stock != NULL)
                fill_row(site, &rows[r]);
}
