/* The worlds there are, as tables. */
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
static const struct md_stock field_stock[] = {
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
static const struct md_stock source_stock[] = {
    {MD_TABLE, 2},  {MD_SHELF, 4},  {MD_CABINET, 4}, {MD_CARTON, 6}, {MD_PILLAR, 4}, {MD_BALL, 1},
    {MD_SCREEN, 2}, {MD_POSTER, 5}, {MD_WINDOW, 6},  {MD_LEAF, 3},   {0, 0}};

const struct md_world md_worlds[] = {
    {.name = "source",
     .length_m = {12, 48},
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
     .furniture = PALETTE(source_furniture),
     .decoration = PALETTE(source_decoration),
     .panes = PALETTE(source_panes),
     .stock = source_stock,
     .furniture_scale = 2,
     .floor_per_piece_m2 = 16,
     .lamp_spacing_m = 9,
     .lamp_power = .5,
     .lamp_colour = {1, 1, .96},
     .ambient = {.5, .56, .64},
     .exposure = .28,
     .adaptation = .8,
     .saturation = 1,
     .read_noise = .004,
     .shot_noise = 2e-4,
     .frame_interval_s = 1.2,
     .frames_per_place = 8,
     .speed_m_s = 1.6,
     .turn_rad_s = .9,
     .tilt_rad = .05,
     .flight_height_m = {.8, 3}},
    {.name = "field",
     .length_m = {4.8, 6},
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
     .furniture = PALETTE(field_furniture),
     .decoration = PALETTE(field_decoration),
     .panes = PALETTE(field_panes),
     .stock = field_stock,
     .furniture_scale = 1,
     .floor_per_piece_m2 = .6,
     .lamp_spacing_m = 4,
     .lamp_power = .9,
     .lamp_colour = {1, .80, .56},
     .ambient = {.12, .10, .08},
     .exposure = .16,
     .adaptation = .5,
     .saturation = .7,
     .read_noise = .006,
     .shot_noise = 5e-4,
     .frame_interval_s = 2. / 13,
     .frames_per_place = 0,
     .speed_m_s = 1,
     .turn_rad_s = 1.5,
     .tilt_rad = .05,
     .flight_height_m = {.35, 1.6},
     .sensor = MD_VL53L5CX_8X8},
};
const int md_world_count = sizeof md_worlds / sizeof md_worlds[0];

struct md_random md_world_stream(const struct md_world *world, enum md_purpose purpose,
                                 uint64_t seed, uint32_t split, uint32_t number) {
    uint32_t row = (uint32_t)(world - md_worlds);
    if (purpose == MD_FOR_PLACE && world->frames_per_place == 0)
        split = number = 0;
    return md_random_stream(seed, row * MD_PURPOSES + purpose, split, number);
}
