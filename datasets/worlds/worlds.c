/* The worlds there are, as tables. */
#include <stddef.h>

#include "../sample.h"
#include "rooms.h"

#define PALETTE(list)                                                                              \
    { list, sizeof(list) / sizeof((list)[0]) }

static const struct md_finish field_walls[] = {
    {MD_MOTTLED, {.68, .60, .49}, {.52, .46, .38}, {.035, .05}, 0},
    {MD_STRIPES, {.50, .42, .34}, {.60, .52, .43}, {.09, .14}, 0},
    {MD_BRICKS, {.42, .22, .16}, {.62, .58, .52}, {.07, .09}, 0},
    {MD_MOTTLED, {.62, .58, .52}, {.40, .36, .32}, {.15, .3}, 0},
    {MD_PLANKS, {.48, .34, .22}, {.20, .13, .08}, {.10, .15}, 0},
};
static const struct md_finish field_floors[] = {
    {MD_PLANKS, {.38, .24, .14}, {.10, .06, .04}, {.10, .15}, 0},
    {MD_CHECKS, {.45, .42, .38}, {.20, .18, .16}, {.25, .35}, 0},
};
static const struct md_finish field_ceilings[] = {
    {MD_PLAIN, {.66, .63, .58}, {0, 0, 0}, {1, 1}, 0},
    {MD_PLANKS, {.55, .48, .40}, {.30, .24, .18}, {.15, .2}, 0},
};
static const struct md_finish field_furniture[] = {
    {MD_PLANKS, {.40, .25, .14}, {.16, .10, .06}, {.06, .1}, 0},
    {MD_PLAIN, {.70, .68, .64}, {0, 0, 0}, {1, 1}, 0},
    {MD_PLAIN, {.08, .08, .09}, {0, 0, 0}, {1, 1}, 0},
    {MD_MOTTLED, {.30, .32, .26}, {.18, .20, .17}, {.03, .06}, 0},
    {MD_PLAIN, {.45, .14, .10}, {0, 0, 0}, {1, 1}, 0},
    {MD_MOTTLED, {.52, .38, .24}, {.42, .30, .18}, {.05, .1}, 0},
};
static const struct md_finish field_decoration[] = {
    {MD_PATCHES, {.65, .55, .40}, {.12, .10, .14}, {.05, .1}, 0},
    {MD_MOTTLED, {.70, .66, .55}, {.10, .18, .25}, {.06, .12}, 0},
    {MD_STRIPES, {.55, .20, .12}, {.25, .22, .20}, {.03, .05}, 0},
    {MD_CHECKS, {.60, .58, .52}, {.10, .10, .10}, {.05, .08}, 0},
};
static const struct md_finish field_panes[] = {
    {MD_PLAIN, {.05, .06, .10}, {0, 0, 0}, {1, 1}, 0}, /* it is night outside */
};
static const struct md_object_weight field_objects[] = {
    {MD_TABLE, 4},  {MD_CHAIR, 4},  {MD_SHELF, 4}, {MD_CABINET, 4}, {MD_SOFA, 2},
    {MD_CARTON, 4}, {MD_PILLAR, 1}, {MD_BALL, 1},  {MD_SCREEN, 2},  {MD_POSTER, 6},
    {MD_WINDOW, 2}, {MD_LEAF, 3},   {MD_RUG, 2},   {0, 0}};

static const struct md_finish source_walls[] = {
    {MD_PLAIN, {.60, .63, .66}, {0, 0, 0}, {1, 1}, 0},
    {MD_BRICKS, {.55, .50, .47}, {.70, .70, .68}, {.2, .3}, 0},
    {MD_STRIPES, {.40, .46, .52}, {.55, .60, .65}, {.25, .6}, 0},
    {MD_MOTTLED, {.62, .62, .60}, {.40, .41, .42}, {.8, 2}, 0},
    {MD_CHECKS, {.58, .60, .58}, {.48, .52, .54}, {.8, 1.5}, 0},
    {MD_PLAIN, {.32, .42, .50}, {0, 0, 0}, {1, 1}, 0},
};
static const struct md_finish source_floors[] = {
    {MD_MOTTLED, {.45, .45, .44}, {.28, .29, .30}, {.8, 2}, 0},
    {MD_CHECKS, {.55, .55, .53}, {.32, .34, .36}, {.5, 1.2}, 0},
    {MD_PLANKS, {.55, .42, .28}, {.30, .20, .12}, {.25, .4}, 0},
    {MD_PATCHES, {.30, .38, .34}, {.45, .48, .44}, {.8, 1.5}, 0},
};
static const struct md_finish source_ceilings[] = {
    {MD_PLAIN, {.70, .72, .74}, {0, 0, 0}, {1, 1}, 0},
    {MD_STRIPES, {.35, .36, .38}, {.65, .66, .68}, {.6, 1.2}, 0},
    {MD_CHECKS, {.72, .72, .70}, {.60, .60, .60}, {.6, 1.2}, 0},
};
static const struct md_finish source_furniture[] = {
    {MD_PLAIN, {.65, .68, .70}, {0, 0, 0}, {1, 1}, 0},
    {MD_PLAIN, {.16, .28, .50}, {0, 0, 0}, {1, 1}, 0},
    {MD_PLAIN, {.70, .52, .12}, {0, 0, 0}, {1, 1}, 0},
    {MD_STRIPES, {.22, .38, .30}, {.30, .48, .38}, {.15, .3}, 0},
    {MD_PLANKS, {.58, .46, .30}, {.34, .24, .14}, {.15, .3}, 0},
    {MD_MOTTLED, {.50, .50, .50}, {.25, .27, .30}, {.3, .8}, 0},
};
static const struct md_finish source_decoration[] = {
    {MD_PATCHES, {.70, .60, .20}, {.10, .20, .40}, {.2, .5}, 0},
    {MD_STRIPES, {.75, .72, .10}, {.10, .10, .10}, {.1, .2}, 0},
};
static const struct md_finish source_panes[] = {
    {MD_PLAIN, {.85, .95, 1}, {0, 0, 0}, {1, 1}, 1.6},
    {MD_MOTTLED, {.75, .90, 1}, {.55, .75, .95}, {.8, 1.5}, 1.2},
};
static const struct md_object_weight source_objects[] = {
    {MD_TABLE, 2},  {MD_SHELF, 4},  {MD_CABINET, 4}, {MD_CARTON, 6}, {MD_PILLAR, 4}, {MD_BALL, 1},
    {MD_SCREEN, 2}, {MD_POSTER, 5}, {MD_WINDOW, 6},  {MD_LEAF, 3},   {0, 0}};

static const struct md_finish road_skies[] = {
    {MD_MOTTLED, {.42, .62, .95}, {1, 1, 1}, {30, 60}, 1.1},
    {MD_MOTTLED, {.75, .80, .86}, {.95, .96, .98}, {40, 80}, 1.1},
    {MD_PLAIN, {.50, .70, 1}, {0, 0, 0}, {1, 1}, 1},
};
static const struct md_finish road_grounds[] = {
    {MD_MOTTLED, {.10, .17, .05}, {.22, .26, .09}, {.5, 2}, 0},
    {MD_MOTTLED, {.30, .27, .20}, {.16, .17, .08}, {.5, 2}, 0},
    {MD_MOTTLED, {.26, .25, .24}, {.17, .17, .17}, {.4, 1}, 0},
};
static const struct md_finish road_asphalts[] = {
    {MD_MOTTLED, {.12, .12, .13}, {.16, .16, .16}, {.5, 2}, 0},
    {MD_MOTTLED, {.20, .20, .20}, {.25, .25, .24}, {.5, 2}, 0},
};
static const struct md_finish road_marks[] = {
    {MD_PLAIN, {.70, .70, .68}, {0, 0, 0}, {1, 1}, 0},
    {MD_STRIPES, {.70, .70, .68}, {.15, .15, .15}, {3, 5}, 0},
};
static const struct md_finish road_edges[] = {
    {MD_PLAIN, {.65, .65, .63}, {0, 0, 0}, {1, 1}, 0},
    {MD_PLAIN, {.40, .39, .37}, {0, 0, 0}, {1, 1}, 0},
};
static const struct md_finish road_pavements[] = {
    {MD_CHECKS, {.38, .37, .35}, {.32, .31, .30}, {.4, .6}, 0},
    {MD_BRICKS, {.38, .26, .20}, {.28, .25, .22}, {.1, .2}, 0},
    {MD_PLAIN, {.34, .34, .33}, {0, 0, 0}, {1, 1}, 0},
};
static const struct md_finish road_lawns[] = {
    {MD_MOTTLED, {.10, .20, .05}, {.20, .28, .08}, {.3, 1}, 0},
    {MD_MOTTLED, {.28, .25, .18}, {.12, .18, .06}, {.5, 1.5}, 0},
};
static const struct md_finish road_leaves[] = {
    {MD_MOTTLED, {.05, .12, .03}, {.18, .26, .07}, {.3, .7}, 0},
    {MD_MOTTLED, {.04, .08, .04}, {.10, .17, .08}, {.3, .6}, 0},
    {MD_MOTTLED, {.16, .18, .05}, {.30, .24, .08}, {.3, .7}, 0},
};
static const struct md_finish road_paints[] = {
    {MD_PLAIN, {.75, .75, .75}, {0, 0, 0}, {1, 1}, 0},
    {MD_PLAIN, {.04, .04, .05}, {0, 0, 0}, {1, 1}, 0},
    {MD_PLAIN, {.35, .37, .40}, {0, 0, 0}, {1, 1}, 0},
    {MD_PLAIN, {.12, .13, .15}, {0, 0, 0}, {1, 1}, 0},
    {MD_PLAIN, {.45, .04, .04}, {0, 0, 0}, {1, 1}, 0},
    {MD_PLAIN, {.05, .12, .35}, {0, 0, 0}, {1, 1}, 0},
};
static const struct md_finish road_fronts[] = {
    {MD_WINDOWS, {.62, .56, .44}, {.06, .07, .09}, {2.6, 3.2}, 0},
    {MD_WINDOWS, {.72, .70, .66}, {.08, .09, .10}, {2.6, 3.2}, 0},
    {MD_WINDOWS, {.40, .20, .14}, {.50, .50, .48}, {2.6, 3.2}, 0},
    {MD_WINDOWS, {.48, .40, .30}, {.05, .05, .06}, {2.8, 3.4}, 0},
    {MD_BRICKS, {.36, .18, .12}, {.50, .46, .40}, {.2, .3}, 0},
    {MD_PLAIN, {.60, .58, .54}, {0, 0, 0}, {1, 1}, 0},
};
static const struct md_finish road_roofs[] = {
    {MD_PLAIN, {.30, .12, .08}, {0, 0, 0}, {1, 1}, 0},
    {MD_PLAIN, {.12, .12, .13}, {0, 0, 0}, {1, 1}, 0},
};
static const struct md_finish road_limbs[] = {
    {MD_PLAIN, {.06, .05, .04}, {0, 0, 0}, {1, 1}, 0},
    {MD_PLAIN, {.16, .16, .16}, {0, 0, 0}, {1, 1}, 0},
};
static const struct md_finish road_bodies[] = {
    {MD_PLAIN, {.45, .40, .34}, {0, 0, 0}, {1, 1}, 0},
    {MD_PLANKS, {.30, .20, .12}, {.12, .08, .05}, {.12, .2}, 0},
    {MD_BRICKS, {.36, .20, .14}, {.48, .45, .40}, {.1, .2}, 0},
};
static const struct md_finish road_decoration[] = {
    {MD_PLAIN, {.45, .03, .03}, {0, 0, 0}, {1, 1}, 0},
    {MD_PATCHES, {.10, .20, .50}, {.75, .75, .75}, {.2, .4}, 0},
};
static const struct md_finish road_panes[] = {
    {MD_PLAIN, {.03, .04, .05}, {0, 0, 0}, {1, 1}, 0},
    {MD_PLAIN, {.12, .14, .17}, {0, 0, 0}, {1, 1}, 0},
};
static const struct md_object_weight road_traffic[] = {{MD_CAR, 5}, {MD_VAN, 1}, {0, 0}};
static const struct md_object_weight road_pavement_objects[] = {
    {MD_STREET_LAMP, 3}, {MD_TREE, 3}, {MD_SIGN, 3}, {MD_WALKER, 2}, {0, 0}};
static const struct md_object_weight road_borders[] = {{MD_HEDGE, 3}, {MD_FENCE, 2}, {0, 0}};
static const struct md_object_weight road_gardens[] = {{MD_TREE, 2}, {MD_BUSH, 3}, {0, 0}};
static const struct md_object_weight road_houses[] = {{MD_HOUSE, 5}, {MD_TREE, 1}, {0, 0}};
static const struct md_object_weight road_woods[] = {{MD_TREE, 3}, {MD_BUSH, 1}, {0, 0}};

/* chance, width, height of the surface, surface, objects, gaps */
static const struct md_strip road_strips[] = {
    {.8, {.05, .09}, .025, PALETTE(road_marks), NULL, {0, 0}},
    {1, {2.8, 3.8}, .02, PALETTE(road_asphalts), road_traffic, {15, 70}},
    {.25, {2.8, 3.6}, .02, PALETTE(road_asphalts), road_traffic, {10, 50}},
    {.7, {.1, .2}, .03, PALETTE(road_edges), NULL, {0, 0}},
    {.5, {2, 2.4}, .02, PALETTE(road_asphalts), road_traffic, {1, 9}},
    {.8, {1.4, 3.5}, .13, PALETTE(road_pavements), road_pavement_objects, {4, 18}},
    {.4, {.5, 1}, .1, PALETTE(road_lawns), road_borders, {0, 6}},
    {.6, {1.5, 10}, .08, PALETTE(road_lawns), road_gardens, {3, 14}},
    {.65, {9, 11}, .05, {NULL, 0}, road_houses, {0, 7}},
    {1, {8, 14}, 0, {NULL, 0}, road_woods, {2, 9}},
};

_Static_assert(sizeof road_strips / sizeof road_strips[0] <= MD_MOST_STRIPS, "too many strips");

static const struct md_finish arena_walls[] = {
    {MD_CHECKS, {.14, .15, .16}, {.34, .35, .36}, {.10, .14}, 0}, /* nets */
    {MD_STRIPES, {.62, .62, .60}, {.50, .51, .52}, {1.2, 1.8}, 0},
    {MD_CHECKS, {.30, .30, .28}, {.18, .18, .17}, {.12, .18}, 0},
    {MD_MOTTLED, {.60, .59, .56}, {.46, .46, .45}, {.3, .8}, 0},
};
static const struct md_finish arena_floors[] = {
    {MD_CHECKS, {.16, .26, .42}, {.40, .42, .44}, {.9, 1.1}, 0}, /* mats */
    {MD_PATCHES, {.46, .46, .44}, {.22, .23, .26}, {.5, 1}, 0},
    {MD_MOTTLED, {.44, .43, .40}, {.28, .28, .27}, {.3, 1}, 0},
};
static const struct md_finish arena_ceilings[] = {
    {MD_STRIPES, {.28, .28, .29}, {.08, .08, .09}, {.6, 1}, 0},
    {MD_PLAIN, {.16, .16, .17}, {0, 0, 0}, {1, 1}, 0},
};
static const struct md_finish arena_furniture[] = {
    {MD_PLAIN, {.70, .68, .62}, {0, 0, 0}, {1, 1}, 0},
    {MD_PLAIN, {.62, .14, .08}, {0, 0, 0}, {1, 1}, 0},
    {MD_PLAIN, {.66, .42, .06}, {0, 0, 0}, {1, 1}, 0},
    {MD_PLAIN, {.10, .18, .40}, {0, 0, 0}, {1, 1}, 0},
    {MD_MOTTLED, {.48, .36, .22}, {.36, .25, .14}, {.1, .3}, 0},
    {MD_STRIPES, {.70, .60, .08}, {.06, .06, .06}, {.1, .2}, 0},
};
static const struct md_finish arena_decoration[] = {
    {MD_CHECKS, {.75, .75, .75}, {.05, .05, .05}, {.08, .15}, 0},
    {MD_PATCHES, {.70, .68, .60}, {.08, .08, .10}, {.1, .2}, 0},
};
static const struct md_object_weight arena_objects[] = {
    {MD_SCREEN, 5}, {MD_POST, 3},   {MD_CARTON, 4}, {MD_GATE, 3},
    {MD_PILLAR, 1}, {MD_POSTER, 3}, {0, 0}};

enum { SOURCE, FIELD, ROAD, ARENA, WORLDS };
const char *const md_world_names[] = {
    [SOURCE] = "source", [FIELD] = "field", [ROAD] = "road", [ARENA] = "arena", [WORLDS] = NULL};
const int md_world_count = WORLDS;

const struct md_world md_worlds[] = {
    [SOURCE] = {.length_m = {12, 48},
                .width_m = {9, 28},
                .height_m = {3.5, 9},
                .fewest_rooms = 1,
                .most_rooms = 2,
                .door_width_m = {2.5, 4.5},
                .door_height_m = {2.8, 3.3},
                .wall_m = .25,
                .skirting_m = 0,
                .walls = PALETTE(source_walls),
                .floors = PALETTE(source_floors),
                .ceilings = PALETTE(source_ceilings),
                .component = {[MD_BODY] = PALETTE(source_furniture),
                              [MD_LIMB] = PALETTE(source_furniture),
                              [MD_DECORATED] = PALETTE(source_decoration),
                              [MD_PANE] = PALETTE(source_panes)},
                .objects = source_objects,
                .furniture_scale = 2,
                .floor_per_object_m2 = 16,
                .lamp_spacing_m = 9,
                .lamp_power = .5,
                .lamp_colour = {1, 1, .96},
                .ambient = {.5, .56, .64},
                .lens = {MD_SENSOR_SLOPE, MD_SENSOR_SLOPE},
                .exposure = .28,
                .adaptation = .8,
                .saturation = 1,
                .read_noise = .004,
                .shot_noise = 2e-4,
                .frame_interval_s = 1.2,
                .frames_per_scene = 8,
                .speed_m_s = 1.6,
                .turn_rad_s = .9,
                .tilt_rad = .05,
                .off_course_rad = .35,
                .swing_rad = .6,
                .flight_height_m = {.8, 3}},
    [FIELD] = {.length_m = {4.8, 6},
               .width_m = {4, 4.8},
               .height_m = {2.4, 2.7},
               .fewest_rooms = 2,
               .most_rooms = 3,
               .door_width_m = {.95, 1.2},
               .door_height_m = {1.95, 2.05},
               .wall_m = .12,
               .skirting_m = .08,
               .walls = PALETTE(field_walls),
               .floors = PALETTE(field_floors),
               .ceilings = PALETTE(field_ceilings),
               .component = {[MD_BODY] = PALETTE(field_furniture),
                             [MD_LIMB] = PALETTE(field_furniture),
                             [MD_DECORATED] = PALETTE(field_decoration),
                             [MD_PANE] = PALETTE(field_panes)},
               .objects = field_objects,
               .furniture_scale = 1,
               .floor_per_object_m2 = .6,
               .lamp_spacing_m = 4,
               .lamp_power = .9,
               .lamp_colour = {1, .80, .56},
               .ambient = {.12, .10, .08},
               .lens = {MD_SENSOR_SLOPE, MD_SENSOR_SLOPE},
               .exposure = .16,
               .adaptation = .5,
               .saturation = .7,
               .read_noise = .006,
               .shot_noise = 5e-4,
               .frame_interval_s = 2. / 13,
               .frames_per_scene = 0,
               .speed_m_s = 1,
               .turn_rad_s = 1.5,
               .tilt_rad = .05,
               .off_course_rad = .35,
               .swing_rad = .6,
               .flight_height_m = {.35, 1.6},
               .sensor = MD_VL53L5CX_8X8},
    [ROAD] = {.length_m = {125, 125},
              .height_m = {60, 60},
              .unskirted_m = -1e6,
              .floors = PALETTE(road_grounds),
              .ceilings = PALETTE(road_skies),
              .component = {[MD_BODY] = PALETTE(road_bodies),
                            [MD_LIMB] = PALETTE(road_limbs),
                            [MD_DECORATED] = PALETTE(road_decoration),
                            [MD_PANE] = PALETTE(road_panes),
                            [MD_PAINT] = PALETTE(road_paints),
                            [MD_LEAVES] = PALETTE(road_leaves),
                            [MD_FRONT] = PALETTE(road_fronts),
                            [MD_ROOF] = PALETTE(road_roofs)},
              .furniture_scale = 1,
              .lamp_colour = {1, .94, .84},
              .ambient = {.40, .47, .58},
              .strips = road_strips,
              .strip_count = sizeof road_strips / sizeof road_strips[0],
              .driven = 1,
              .sun_power = {.1, 1.8},
              .sun_rise_rad = {.3, 1.1},
              .lens = {.86, .26}, /* 81 x 29 degrees, as KITTI's pictures */
              .exposure = .30,
              .adaptation = .8,
              .saturation = 1,
              .read_noise = .004,
              .shot_noise = 2e-4,
              .frame_interval_s = .5,
              .frames_per_scene = 8,
              .speed_m_s = 8,
              .turn_rad_s = .9,
              .tilt_rad = .012,
              .off_course_rad = .03,
              .swing_rad = .05,
              .flight_height_m = {1.6, 1.7}},
    [ARENA] = {.length_m = {8, 10},
               .width_m = {8, 10},
               .height_m = {3.5, 5},
               .fewest_rooms = 1,
               .most_rooms = 1,
               .unskirted_m = -1e6,
               .walls = PALETTE(arena_walls),
               .floors = PALETTE(arena_floors),
               .ceilings = PALETTE(arena_ceilings),
               .component = {[MD_BODY] = PALETTE(arena_furniture),
                             [MD_LIMB] = PALETTE(arena_furniture),
                             [MD_DECORATED] = PALETTE(arena_decoration)},
               .objects = arena_objects,
               .furniture_scale = 1,
               .floor_per_object_m2 = 2.2,
               .lamp_spacing_m = 4,
               .lamp_power = .7,
               .lamp_colour = {.94, 1, .98},
               .ambient = {.16, .17, .18},
               .lens = {MD_SENSOR_SLOPE, MD_SENSOR_SLOPE},
               .exposure = .22,
               .adaptation = .3,
               .saturation = .6,
               .read_noise = .008,
               .shot_noise = 6e-4,
               .frame_interval_s = .3, /* else 400 samples would show but a corner of it */
               .speed_m_s = 1.2,
               .turn_rad_s = 1.5,
               .tilt_rad = .08,
               .off_course_rad = .35,
               .swing_rad = .6,
               .flight_height_m = {.4, 2},
               .sensor = MD_VL53L5CX_8X8},
};

struct md_random md_world_stream(const struct md_world *world, enum md_purpose purpose,
                                 uint64_t seed, uint32_t split, uint32_t number) {
    uint32_t row = (uint32_t)(world - md_worlds);
    if (purpose == MD_FOR_SCENE && world->frames_per_scene == 0)
        split = number = 0;
    return md_random_stream(seed, row * MD_PURPOSES + purpose, split, number);
}
