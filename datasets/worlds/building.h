/* For those who build places (rooms.c, street.c): what is drawn from a world's palettes, and the
 * pieces that stand about. Internal to this room. */
#ifndef MD_WORLDS_BUILDING_H
#define MD_WORLDS_BUILDING_H

#include "rooms.h"

enum stand { FREE, AT_WALL };

struct part {
    enum md_solid_shape shape;
    enum md_component component;
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

/* A place that is being built. */
struct site {
    const struct md_world *world;
    struct md_place *place;
    struct md_random random;
};

static inline double span(struct md_range range) {
    return range.high - range.low;
}

double md_draw(struct site *site, struct md_range range);
int md_draw_below(struct site *site, int n);
struct md_vec md_draw_vec(struct site *site, struct md_range x, struct md_range y,
                          struct md_range z);
struct md_material md_draw_finish(struct site *site, const struct md_finish *finish);
struct md_material md_draw_material(struct site *site, const struct md_palette *palette);

/* One of the stock by its weight, and how large it is here. */
const struct piece *md_draw_piece(struct site *site, const struct md_stock *stock);
struct md_vec md_draw_size(struct site *site, const struct piece *piece);

/* Appends the piece as a group at `origin`, turned. Returns 0 when the place is full, and then
 * leaves it as it was. */
int md_add_piece(struct site *site, const struct piece *piece, struct md_vec size,
                 struct md_vec origin, double cosine, double sine);
void md_remove_last_group(struct md_place *place);

int md_boxes_overlap(struct md_vec low, struct md_vec high, struct md_vec other_low,
                     struct md_vec other_high, double gap);

/* A street into an empty place (street.c). */
void md_street_build(struct site *site);

#endif
