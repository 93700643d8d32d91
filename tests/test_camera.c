/* What a camera and a sensor see of the built-in worlds, indoors and under the open sky. (The
 * worlds themselves: test_world.c.) Bounds on statistics are five deviations wide, and the seeds
 * fixed. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "scenes.h"

static const double five = 5;

/* ---- Camera and sensor ---- */

enum { SIDE = 48, ZONES = 8 };

struct camera {
    struct md_frame frame;
    struct md_vec light[SIDE * SIDE];
    struct md_echo echoes[MD_RAYS * SIDE * MD_RAYS * SIDE];
};

static const struct md_lens square = {MD_SENSOR_SLOPE, MD_SENSOR_SLOPE};

static struct camera *shoot_through(struct md_lit_scene *lit, struct md_lens lens,
                                    struct md_pose view) {
    struct camera *camera = calloc(1, sizeof *camera);
    cr_assert_not_null(camera);
    camera->frame = (struct md_frame){SIDE, SIDE, camera->light, camera->echoes};
    lit->scene.ambient = (struct md_vec){1, 1, 1};
    md_camera_render(lit, &lens, &view, &camera->frame);
    return camera;
}

static struct camera *shoot(struct md_lit_scene *lit, struct md_pose view) {
    return shoot_through(lit, square, view);
}

static const struct md_pose along_x = {{1, 5, 5}, {1, 0, 0}, {0, -1, 0}, {0, 0, -1}};

Test(camera, measures_depth_along_its_axis) {
    struct md_lit_scene *lit = new_room(4, 10, 10);
    struct camera *camera = shoot(lit, along_x);
    float depth_m[SIDE * SIDE];
    md_camera_depth(&camera->frame, depth_m);
    for (int i = 0; i < SIDE * SIDE; i++) /* not 3 / cos: the wall is upright to the axis */
        cr_expect_float_eq(depth_m[i], 3, 1e-6, "pixel %d: %.9g", i, depth_m[i]);
    free(camera);

    /* Turned by a small angle, the wall is a plane: d = 3 / (cos + slope * sin). */
    const double angle = 0.2;
    struct md_pose turned = along_x;
    turned.forward = (struct md_vec){cos(angle), sin(angle), 0};
    turned.right = (struct md_vec){sin(angle), -cos(angle), 0};
    camera = shoot(lit, turned);
    md_camera_depth(&camera->frame, depth_m);
    for (int i = 0; i < SIDE * SIDE; i++) {
        double slope = MD_SENSOR_SLOPE * ((2 * (i % SIDE) + 1.0) / SIDE - 1);
        double expected = 3 / (cos(angle) + slope * sin(angle));
        cr_expect_float_eq(depth_m[i], expected, 1e-5, "pixel %d: %.9g", i, depth_m[i]);
    }
    free(camera);
    free(lit);
}

/* Left is left and up is up: a near box on the left, then one above. */
Test(camera, is_not_mirrored) {
    const struct {
        struct md_vec low, high;
        int near_pixel, far_pixel;
    } known[] = {{{2, 5.2, 4}, {3, 6, 6}, 24 * SIDE + 4, 24 * SIDE + 43},
                 {{2, 4, 5.2}, {3, 6, 6}, 4 * SIDE + 24, 43 * SIDE + 24}};
    for (int i = 0; i < 2; i++) {
        struct md_lit_scene *lit = new_room(6, 10, 10);
        add_solid(lit, MD_BOX, (struct md_vec){0, 0, 0}, 0, known[i].low, known[i].high);
        struct camera *camera = shoot(lit, along_x);
        float depth_m[SIDE * SIDE];
        md_camera_depth(&camera->frame, depth_m);
        cr_expect_float_eq(depth_m[known[i].near_pixel], 1, 1e-6);
        cr_expect_float_eq(depth_m[known[i].far_pixel], 5, 1e-6);
        free(camera);
        free(lit);
    }
}

Test(camera, exposes_the_same_picture_from_the_same_stream_only) {
    struct md_lit_scene *lit = new_room(4, 10, 10);
    uint8_t pictures[3][3 * SIDE * SIDE];
    for (uint32_t i = 0; i < 3; i++) {
        struct camera *camera = shoot(lit, along_x);
        md_camera_expose(world_named("field"), &camera->frame, md_random_stream(1, i / 2, 0, 0),
                         pictures[i]);
        free(camera);
    }
    cr_expect_eq(memcmp(pictures[0], pictures[1], sizeof pictures[0]), 0);
    cr_expect_neq(memcmp(pictures[0], pictures[2], sizeof pictures[0]), 0);
    free(lit);
}

/* Reads the wall of along_x at `distance` many times over and checks mean, spread and losses
 * against what `sensor` promises. The signal of a zone comes from the same echoes. */
static void check_wall(const struct md_sensor *sensor, double distance) {
    enum { READS = 400 };
    struct md_lit_scene *lit = new_room(1 + distance, 10, 10);
    struct camera *camera = shoot(lit, along_x);
    double found = 0, expected = 0, variance = 0, sum = 0, squares = 0;
    for (uint32_t read = 0; read < READS; read++) {
        float depth_m[ZONES * ZONES];
        md_sensor_read(sensor, &camera->frame, md_random_stream(9, read, 0, 0), depth_m);
        for (int zone = 0; zone < ZONES * ZONES; zone++) {
            found += depth_m[zone] > 0;
            sum += depth_m[zone] > 0 ? depth_m[zone] - distance : 0;
            squares += depth_m[zone] > 0 ? pow(depth_m[zone] - distance, 2) : 0;
        }
    }
    const int rays = MD_RAYS * SIDE, side = rays / ZONES;
    for (int zone = 0; zone < ZONES * ZONES; zone++) {
        double signal = 0;
        for (int i = 0; i < side * side; i++) {
            int row = zone / ZONES * side + i / side, column = zone % ZONES * side + i % side;
            const struct md_echo *echo = &camera->echoes[row * rays + column];
            signal += echo->strength / (echo->depth_m * echo->depth_m) / (side * side);
        }
        double chance = signal / (signal + sensor->half_detected);
        expected += READS * chance;
        variance += READS * chance * (1 - chance);
    }
    double sigma = sensor->noise_m + sensor->noise_share * distance;
    cr_expect_leq(fabs(found - expected), five * sqrt(variance), "%g m: %g of %g found", distance,
                  found, expected);
    cr_expect_leq(fabs(sum / found), five * sigma / sqrt(found), "%g m: bias", distance);
    cr_expect_leq(fabs(squares / found - sigma * sigma), five * sigma * sigma * sqrt(2 / found),
                  "%g m: spread %g, not %g", distance, sqrt(squares / found), sigma);
    free(camera);
    free(lit);
}

Test(sensor, has_the_noise_and_losses_it_promises) {
    const double distances[] = {0.3, 1, 2, 3.5};
    for (int i = 0; i < 4; i++)
        check_wall(&world_named("field")->sensor, distances[i]);
}

/* A thin board at 1 m in front of a wall at 2.5 m: its edge runs through one column of zones. */
Test(sensor, reports_the_nearer_surface_or_gives_up) {
    enum { READS = 400 };
    const struct md_sensor *sensor = &world_named("field")->sensor;
    struct md_lit_scene *lit = new_room(3.5, 10, 10);
    double edge = 5 - MD_SENSOR_SLOPE * (2 * 3.3 / ZONES - 1); /* 0.3 into the fourth column */
    add_solid(lit, MD_BOX, (struct md_vec){0, 0, 0}, 0, (struct md_vec){2, edge, 3},
              (struct md_vec){2.01, 7, 7});
    struct camera *camera = shoot(lit, along_x);
    struct md_sensor decided = *sensor;
    decided.half_detected = 0; /* so that only competition makes zones invalid */
    decided.competing = 0.2;   /* the far 0.7 of the zone send 0.27 of its light */
    int invalid = 0;
    for (uint32_t read = 0; read < READS; read++) {
        float depth_m[ZONES * ZONES];
        md_sensor_read(&decided, &camera->frame, md_random_stream(2, read, 0, 0), depth_m);
        for (int row = 0; row < ZONES; row++) {
            cr_expect_float_eq(depth_m[row * ZONES + 2], 1, 0.15);
            cr_expect_float_eq(depth_m[row * ZONES + 4], 2.5, 0.4);
            float both = depth_m[row * ZONES + 3];
            invalid += both == 0;
            cr_expect(both == 0 || fabs(both - 1) < 0.15, "%g", both);
        }
    }
    double reads = READS * ZONES, share = sensor->confused;
    cr_expect_leq(fabs(invalid - reads * share), five * sqrt(reads * share * (1 - share)), "%d",
                  invalid);
    free(camera);
    free(lit);
}

/* A board in front of a far wall: its edge is where the lens of each axis says. */
Test(camera, has_a_field_of_view_for_each_axis) {
    const struct md_lens lenses[] = {{.86, .26}, {.3, .7}};
    const double inside = .9, outside = 1.1; /* of half the field of view */
    for (int i = 0; i < 2; i++) {
        struct md_lit_scene *lit = new_room(20, 40, 40);
        struct md_pose view = {{1, 20, 20}, {1, 0, 0}, {0, -1, 0}, {0, 0, -1}};
        double right = 4 * lenses[i].right / 2, down = 4 * lenses[i].down / 2;
        add_solid(lit, MD_BOX, (struct md_vec){5, 20, 20}, 0, (struct md_vec){0, -right, -down},
                  (struct md_vec){.1, right, down});
        struct camera *camera = shoot_through(lit, lenses[i], view);
        float depth_m[SIDE * SIDE];
        md_camera_depth(&camera->frame, depth_m);
        for (int p = 0; p < SIDE * SIDE; p++) { /* the board fills the middle half each way */
            double across = fabs((2 * (p % SIDE) + 1.0) / SIDE - 1) * 2;
            double along = fabs((2 * (p / SIDE) + 1.0) / SIDE - 1) * 2;
            if (across < inside && along < inside)
                cr_expect_float_eq(depth_m[p], 4, 1e-6, "pixel %d: %g", p, depth_m[p]);
            if (across > outside || along > outside)
                cr_expect_float_eq(depth_m[p], 19, 1e-6, "pixel %d: %g", p, depth_m[p]);
        }
        free(camera);
        free(lit);
    }
}

/* ---- Under the open sky ---- */

static struct md_lit_scene *new_plain(void) {
    struct md_lit_scene *lit = new_room(20, 0, 60);
    lit->scene.is_open = 1;
    lit->scene.shell[MD_FLOOR].skirting_m = -1e6; /* the ground is not dark on either side */
    return lit;
}

static const struct md_pose level = {{0, 0, 1.65}, {1, 0, 0}, {0, -1, 0}, {0, 0, -1}};

Test(open_place, has_exact_ground_and_no_depth_in_the_sky) {
    struct md_lit_scene *lit = new_plain();
    const struct md_lens lens = {.86, .26};
    struct camera *camera = shoot_through(lit, lens, level);
    float depth_m[SIDE * SIDE];
    md_camera_depth(&camera->frame, depth_m);
    for (int p = 0; p < SIDE * SIDE; p++) {
        double slope = lens.down * ((2 * (p / SIDE) + 1.0) / SIDE - 1);
        if (slope < 0)
            cr_expect(isinf(depth_m[p]), "pixel %d: %g", p, depth_m[p]);
        else
            cr_expect_float_eq(depth_m[p] * slope / 1.65, 1, 1e-6, "pixel %d: %g", p, depth_m[p]);
    }
    /* Three rays of four in the sky and one on a board at 5 m: a quarter of its disparity. */
    for (int ray = 0; ray < 4; ray++)
        camera->echoes[ray / 2 * MD_RAYS * SIDE + ray % 2].depth_m = ray == 3 ? 5 : INFINITY;
    md_camera_depth(&camera->frame, depth_m);
    cr_expect_float_eq(depth_m[0], 20, 1e-6);
    free(camera);
    free(lit);
}

/* A sensor that looks into the sky gets nothing back. */
Test(open_place, gives_a_sensor_no_reading_in_the_sky) {
    struct md_lit_scene *lit = new_plain();
    struct md_pose up = {{0, 0, 1}, {0, 0, 1}, {0, -1, 0}, {1, 0, 0}};
    struct camera *camera = shoot(lit, up);
    float depth_m[ZONES * ZONES];
    md_sensor_read(&world_named("field")->sensor, &camera->frame, md_random_stream(1, 0, 0, 0),
                   depth_m);
    for (int zone = 0; zone < ZONES * ZONES; zone++)
        cr_expect_eq(depth_m[zone], 0);
    free(camera);
    free(lit);
}

/* The sun stands 45 degrees high in the back of a pole 10 m high at 12 m: its shadow lies from
 * there to 22 m. Everything that is lit gets ambient + sine of the height, shadows ambient alone.
 */
Test(open_place, has_shadows_where_geometry_says) {
    struct md_lit_scene *lit = new_plain();
    const double away_m = 1e4, root_half = 0.70710678118654752;
    const struct md_vec towards = {-root_half, 0, root_half};
    add_solid(lit, MD_BOX, (struct md_vec){12, 0, 0}, 0, (struct md_vec){0, -4, 0},
              (struct md_vec){.01, 4, 10});
    lit->scene.lights[0] = (struct md_light){md_vec_scale(towards, away_m),
                                             {away_m * away_m, away_m * away_m, away_m * away_m}};
    lit->scene.light_count = 1;
    lit->scene.ambient = (struct md_vec){1, 1, 1};
    md_scene_light(lit);
    int dark = 0, bright = 0;
    for (double x = 4; x < 30; x += .25)
        for (double y = -6; y <= 6; y += .5) {
            struct md_vec at = {x, y, 0};
            int in_shadow = fabs(y) < 4 && x > 12.02 && x < 22;
            if (fabs(x - 12) < .1 || fabs(x - 22) < .1 || fabs(fabs(y) - 4) < .1)
                continue; /* the sun is no farther than ten kilometres */
            cr_expect_eq(md_viewpoint_blocked(&lit->lamps[0], at), in_shadow, "%g, %g", x, y);
            dark += in_shadow;
            bright += !in_shadow;
        }
    cr_expect(dark > 500 && bright > 500);
    free(lit);

    /* The same in the picture: ground in the sun, seen from above; light falls off to the side. */
    struct md_pose above = {{0, 0, 5}, {0, 0, -1}, {0, -1, 0}, {-1, 0, 0}};
    double middle[2];
    for (int lights = 0; lights < 2; lights++) {
        lit = new_plain();
        lit->scene.lights[0] = (struct md_light){
            md_vec_scale(towards, away_m), {away_m * away_m, away_m * away_m, away_m * away_m}};
        lit->scene.light_count = lights;
        md_scene_light(lit);
        struct camera *camera = shoot(lit, above);
        middle[lights] = camera->light[SIDE / 2 * SIDE + SIDE / 2].y;
        free(camera);
        free(lit);
    }
    /* 1.25: a pixel's 4 rays are up to 1/48 off the axis, each cos^4; and 5 m of 10 km. */
    cr_expect_float_eq(middle[0], .5, 1.25e-3);
    cr_expect_float_eq(middle[1], .5 * (1 + root_half), 2.5e-3);
}
