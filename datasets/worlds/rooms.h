/* The built-in worlds, as parameters, and the building of scenes from them. */
#ifndef MD_WORLDS_ROOMS_H
#define MD_WORLDS_ROOMS_H

#include "../../base/random.h"
#include "../sensor.h"
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

/* Which palette of the world a part of an object takes its material from; an empty one is not used
 * in that world. */
enum md_component {
    MD_BODY,
    MD_LIMB,
    MD_DECORATED, /* drawn anew for each part: no book is like another */
    MD_PANE,
    MD_PAINT,
    MD_LEAVES,
    MD_FRONT, /* of a house */
    MD_ROOF,
    MD_COMPONENTS
};

enum md_object {
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
    MD_RUG,
    MD_POST,
    MD_GATE,
    MD_CAR,
    MD_VAN,
    MD_HOUSE,
    MD_TREE,
    MD_BUSH,
    MD_HEDGE,
    MD_FENCE,
    MD_STREET_LAMP,
    MD_SIGN,
    MD_WALKER
};

/* How often an object is drawn: one of weight 2 twice as often as one of weight 1. */
struct md_object_weight {
    enum md_object object;
    int weight;
};

enum { MD_MOST_STRIPS = 12 };

/* One of the strips that a street is made of, from its middle outwards. Either side has its own. */
struct md_strip {
    double chance; /* that a side has it */
    struct md_range width_m;
    double height_m;                        /* of its surface */
    struct md_palette surface;              /* empty: the bare ground */
    const struct md_object_weight *objects; /* what stands along it; NULL: nothing */
    struct md_range gap_m;                  /* between one object and the next */
};

/* Half the field of view, as slopes. */
struct md_lens {
    double right, down;
};

/* tan(45 degrees / 2): the VL53L5CX's field of view along both axes. */
#define MD_SENSOR_SLOPE 0.41421356237309503

struct md_world {
    struct md_range length_m, width_m, height_m; /* of the scene; outdoors, how high the sky is */
    int fewest_rooms, most_rooms;
    struct md_range door_width_m, door_height_m; /* of the openings between rooms */
    double wall_m;                               /* thickness of the walls between rooms */
    double skirting_m; /* height of the dark strip at the bottom of walls */
    /* skirting_m of everything but walls; far below 0, nothing is dark. (The first two worlds have
     * 0 here, where faces are dark at v_m < 0: a flaw, kept so that their pictures stay the same.)
     */
    double unskirted_m;
    struct md_palette walls, floors, ceilings; /* outdoors: no walls, ground, sky */
    struct md_palette component[MD_COMPONENTS];
    const struct md_object_weight *objects; /* ended by weight 0 */
    double furniture_scale;                 /* factor on the size of objects */
    double floor_per_object_m2;
    double lamp_spacing_m;
    double lamp_power; /* times the square of the lamp's height: irradiance below it */
    struct md_vec lamp_colour, ambient;

    /* Outdoors: a street instead of a hall, and the sun, of the lamps' colour. */
    const struct md_strip *strips;
    int strip_count;                         /* 0: a hall */
    int driven;                              /* the strip, of chance 1, that the camera is on */
    struct md_range sun_power, sun_rise_rad; /* irradiance facing it; height above the horizon */

    struct md_lens lens;
    double exposure;   /* the mean that pictures are scaled towards; 1 is white */
    double adaptation; /* the gain is (exposure / mean)^adaptation: 0 fixed, 1 fully automatic */
    double saturation; /* 0 grey, 1 as it is */
    double read_noise, shot_noise; /* deviation in the dark; variance per unit of light */

    double frame_interval_s;
    int frames_per_scene; /* 0: one scene for all */
    double speed_m_s, turn_rad_s, tilt_rad;
    double off_course_rad, swing_rad; /* yaw: deviation at each leg; amplitude along it */
    struct md_range flight_height_m;  /* or the height of the camera on its car */

    struct md_sensor sensor;
};

extern const struct md_world md_worlds[]; /* in the order of md_world_names (sample.h) */
extern const int md_world_count;

/* What a random stream is for. */
enum md_purpose { MD_FOR_SCENE, MD_FOR_FLIGHT, MD_FOR_PICTURE, MD_FOR_SENSOR, MD_PURPOSES };

/* The stream for one purpose: of the seed, of the flight (`split`, a hash of its name), and of the
 * number of the scene or sample. In a world of one scene, the scene is the seed's alone. */
struct md_random md_world_stream(const struct md_world *world, enum md_purpose purpose,
                                 uint64_t seed, uint32_t split, uint32_t number);

/* Builds the scene that `random` decides on. */
void md_scene_build(struct md_scene *scene, const struct md_world *world, struct md_random random);

#endif
