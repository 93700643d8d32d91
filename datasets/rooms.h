/* The two built-in worlds, as parameters, and the building of places from them. */
#ifndef MD_DATASETS_ROOMS_H
#define MD_DATASETS_ROOMS_H

#include "random.h"
#include "sensor.h"
#include "world.h"

struct md_range {
    double low, high;
};

/* What a surface may be made of. */
struct md_finish {
    enum md_texture texture;
    struct md_vec first, second;
    struct md_range scale_m;
    double emission;
};

struct md_palette {
    const struct md_finish *finishes;
    int count;
};

enum md_piece {
    MD_TABLE,
    MD_CHAIR,
    MD_SHELF,
    MD_CABINET,
    MD_SOFA,
    MD_CARTON,
    MD_PILLAR,
    MD_BALL,
    MD_SCREEN,
    MD_POSTER,
    MD_WINDOW,
    MD_LEAF, /* of a closed door */
    MD_RUG
};

/* Which furniture rooms have: a piece of weight 2 is drawn twice as often as one of weight 1. */
struct md_stock {
    enum md_piece piece;
    int weight;
};

struct md_world {
    const char *name;

    struct md_range length_m, width_m, height_m; /* of the whole place */
    int fewest_rooms, most_rooms;
    struct md_range door_width_m, door_height_m; /* of the openings between rooms */
    double wall_m;                               /* thickness of the walls between rooms */
    double skirting_m; /* height of the dark strip at the bottom of walls */
    struct md_palette walls, floors, ceilings, furniture, decoration, panes;
    const struct md_stock *stock; /* ended by weight 0 */
    double furniture_scale;       /* 1: as at home */
    double floor_per_piece_m2;
    double lamp_spacing_m;
    double lamp_power; /* times the square of the lamp's height: irradiance below it */
    struct md_vec lamp_colour, ambient;

    double exposure;   /* what the mean of a picture is brought near to, 1 is white ... */
    double adaptation; /* ... by this power of the ratio: 0 fixed, 1 fully automatic */
    double saturation; /* 0 grey, 1 as it is */
    double read_noise, shot_noise; /* deviation in the dark; variance per unit of light */

    double frame_interval_s;
    int frames_per_place; /* 0: one place for all */
    double speed_m_s, turn_rad_s, tilt_rad;
    struct md_range flight_height_m;

    struct md_sensor sensor;
};

extern const struct md_world md_worlds[];
extern const int md_world_count;

/* What a random stream of a recording is for. */
enum md_purpose { MD_FOR_PLACE, MD_FOR_FLIGHT, MD_FOR_PICTURE, MD_FOR_SENSOR, MD_PURPOSES };

/* The stream for one purpose: of the seed, of the flight (`split`, a hash of its name), and of the
 * number of the place or sample. In a world of one place, the place is the seed's alone. */
struct md_random md_world_stream(const struct md_world *world, enum md_purpose purpose,
                                 uint64_t seed, uint32_t split, uint32_t number);

/* Builds the place that `random` decides on. */
void md_place_build(struct md_place *place, const struct md_world *world, struct md_random random);

#endif
