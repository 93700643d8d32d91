/* The built-in worlds from the inside: rays, camera, sensor, flight. (The recordings made with
 * them: test_synthetic.c.) Bounds on statistics are five deviations wide, and the seeds fixed. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../datasets/camera.h"
#include "../datasets/sample.h"

static const double five = 5;

/* ---- Rays ---- */

static const struct md_material grey = {.texture = MD_PLAIN, .first = {.5, .5, .5}, .scale_m = 1};

static const struct md_world *world_named(const char *name) {
    int world = 0;
    while (world < md_world_count && strcmp(md_world_names[world], name) != 0)
        world++;
    cr_assert_lt(world, md_world_count, "no world %s", name);
    return &md_worlds[world];
}

static struct md_scene *new_scene(void) {
    struct md_scene *scene = calloc(1, sizeof *scene);
    cr_assert_not_null(scene);
    return scene;
}

/* An empty grey room. */
static struct md_scene *new_room(double x, double y, double z) {
    struct md_scene *scene = new_scene();
    scene->place.size = (struct md_vec){x, y, z};
    for (int face = 0; face < MD_SHELL_FACES; face++)
        scene->place.shell[face] = grey;
    return scene;
}

static struct md_scene *new_furnished(const char *world, uint64_t seed) {
    struct md_scene *scene = new_scene();
    md_place_build(&scene->place, world_named(world), md_random_stream(seed, 0, 0, 0));
    md_scene_light(scene);
    return scene;
}

static void add_solid(struct md_scene *scene, enum md_solid_shape shape, struct md_vec at,
                      double yaw, struct md_vec low, struct md_vec high) {
    struct md_solid solid = {shape, low, high, grey};
    cr_assert(md_place_add_group(&scene->place, at, cos(yaw), sin(yaw)));
    cr_assert(md_place_add_solid(&scene->place, &solid));
}

static const struct md_vec ahead = {1, 0, 0};

static struct md_hit cast_from(const struct md_scene *scene, struct md_vec point,
                               struct md_vec direction) {
    struct md_eye eye;
    md_eye_open(&eye, &scene->place, point, ahead, -1);
    return md_eye_cast(&eye, direction);
}

Test(rays, meet_every_wall_of_an_empty_room) {
    struct md_scene *scene = new_room(6, 4, 3);
    const struct md_vec eye = {2, 1, 1.2};
    const struct {
        struct md_vec direction;
        double reach;
        struct md_vec normal;
    } known[] = {{{1, 0, 0}, 4, {-1, 0, 0}},     {{-1, 0, 0}, 2, {1, 0, 0}},
                 {{0, 1, 0}, 3, {0, -1, 0}},     {{0, -1, 0}, 1, {0, 1, 0}},
                 {{0, 0, 1}, 1.8, {0, 0, -1}},   {{0, 0, -2}, .6, {0, 0, 1}},
                 {{1, .25, .1}, 4, {-1, 0, 0}},  {{1, 0, -.5}, 2.4, {0, 0, 1}},
                 {{-.5, 2, .1}, 1.5, {0, -1, 0}}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct md_hit hit = cast_from(scene, eye, known[i].direction);
        cr_expect_float_eq(hit.reach, known[i].reach, 1e-9, "ray %zu: %.9f", i, hit.reach);
        cr_expect_gt(md_vec_dot(hit.normal, known[i].normal), 1 - 1e-9, "ray %zu", i);
    }
    free(scene);
}

Test(rays, meet_each_shape_where_geometry_says) {
    struct md_scene *scene = new_room(20, 20, 6);
    const struct md_vec eye = {2, 10, 2}, half = {1, 1, 1}, minus_half = {-1, -1, -1};
    const double quarter_pi = 0.78539816339744831, wall = 18 / 8.9;
    const struct {
        enum md_solid_shape shape;
        double middle_m, yaw; /* its height; 8 m away along x */
        struct md_vec direction;
        double reach;
    } known[] = {
        {MD_BOX, 2, 0, {1, 0, 0}, 7},
        {MD_BOX, 2, quarter_pi, {1, 0, 0}, 8 - 1.4142135623730951}, /* an edge in front */
        {MD_SPHERE, 2, 0, {1, 0, 0}, 7},
        {MD_SPHERE, 2, 0, {1, 0, 0.1}, 7.31853836334}, /* (8 - sqrt(64 - 63 * 1.01)) / 1.01 */
        {MD_CYLINDER, 2, 0, {1, 0, 0.1}, 7},
        {MD_CYLINDER, 2, 0, {1, 0, -1}, 2},         /* misses it: the floor is nearer */
        {MD_CYLINDER, .5, 0, {8, 0, -.5}, 1},       /* comes in through the disc on top */
        {MD_CYLINDER, .5, 0, {8.9, .9, -.5}, wall}, /* passes that disc within its box */
        {MD_BOX, .5, 0, {8.9, .9, -.5}, 1},         /* where a box would be hit */
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        scene->place.group_count = scene->place.solid_count = 0;
        add_solid(scene, known[i].shape, (struct md_vec){10, 10, known[i].middle_m}, known[i].yaw,
                  minus_half, half);
        struct md_hit hit = cast_from(scene, eye, known[i].direction);
        cr_expect_float_eq(hit.reach, known[i].reach, 1e-9, "ray %zu: %.12f", i, hit.reach);
    }
    free(scene);
}

static struct md_vec draw_inside(struct md_random *random, struct md_vec size) {
    struct md_vec point;
    point.x = md_random_range(random, 0, size.x);
    point.y = md_random_range(random, 0, size.y);
    point.z = md_random_range(random, 0, size.z);
    return point;
}

/* In a hall, or where the pieces of a street are. */
static struct md_vec draw_within(struct md_random *random, const struct md_place *place) {
    if (!place->is_open)
        return draw_inside(random, place->size);
    struct md_vec point = draw_inside(random, (struct md_vec){place->size.x, 40, 8});
    return md_vec_sub(point, (struct md_vec){0, 20, 0});
}

static struct md_vec draw_direction(struct md_random *random) {
    struct md_vec v;
    v.x = md_random_normal(random);
    v.y = md_random_normal(random);
    v.z = md_random_normal(random);
    return md_vec_scale(v, 1 / sqrt(md_vec_dot(v, v)));
}

/* Marches by the clearance, which shares no code with the ray caster but the places. */
static double march(const struct md_place *place, struct md_vec point, struct md_vec direction) {
    double gone = 0;
    for (int step = 0; step < 5000 && gone < 1e6; step++) { /* the sky has no end */
        double clearance =
            md_place_clearance(place, md_vec_add(point, md_vec_scale(direction, gone)));
        if (clearance < 1e-7)
            break;
        gone += clearance;
    }
    return gone;
}

Test(rays, agree_with_the_clearance_in_furnished_places) {
    struct md_random random = md_random_stream(3, 0, 0, 0);
    int compared = 0;
    for (int w = 0; w < md_world_count; w++)
        for (uint64_t seed = 1; seed <= 3; seed++) {
            struct md_scene *scene = new_furnished(md_world_names[w], seed);
            const struct md_place *place = &scene->place;
            for (int i = 0; i < 400; i++) {
                struct md_vec point = draw_within(&random, place);
                struct md_vec direction = draw_direction(&random);
                if (md_place_clearance(place, point) <= 0)
                    continue;
                struct md_eye all;
                md_eye_open(&all, place, point, direction, -1);
                struct md_hit hit = md_eye_cast(&all, direction);
                struct md_vec at = md_vec_add(point, md_vec_scale(direction, hit.reach));
                double marched = march(place, point, direction);
                cr_expect_eq(hit.is_sky, place->is_open && direction.z >= 0 && marched > 1e3,
                             "%s %d: marched %g", md_world_names[w], i, marched);
                if (hit.is_sky)
                    continue;
                /* A ray that grazes a surface within a micrometre may be held up there, and one
                 * that meets it in the distance is as flat as it is long. */
                cr_expect(fabs(hit.reach - marched) < 1e-4 * (1 + hit.reach),
                          "%s %d: %g, marched %g", md_world_names[w], i, hit.reach, marched);
                struct md_vec nearly =
                    md_vec_add(point, md_vec_scale(direction, hit.reach * 0.999));
                struct md_vec beyond =
                    md_vec_add(point, md_vec_scale(direction, hit.reach * 1.001));
                int is_shell =
                    hit.material >= place->shell && hit.material < place->shell + MD_SHELL_FACES;
                cr_expect_not(md_eye_blocked(&all, nearly));
                cr_expect(is_shell || md_eye_blocked(&all, beyond));
                cr_expect(!is_shell || fabs(md_place_clearance(place, at)) < 1e-6);
                compared++;
            }
            free(scene);
        }
    cr_assert_gt(compared, 2000);
}

Test(rays, see_the_same_through_a_narrow_eye) {
    struct md_scene *scene = new_furnished("field", 1);
    struct md_random random = md_random_stream(4, 0, 0, 0);
    for (int i = 0; i < 2000; i++) {
        struct md_vec point = draw_inside(&random, scene->place.size);
        struct md_vec forward = draw_direction(&random), other = draw_direction(&random);
        struct md_vec direction = md_vec_add(forward, md_vec_scale(other, 0.35));
        if (md_place_clearance(&scene->place, point) <= 0)
            continue;
        struct md_eye narrow, all;
        /* The widest angle between forward and direction has the sine 0.35. */
        md_eye_open(&narrow, &scene->place, point, forward, sqrt(1 - 0.35 * 0.35));
        md_eye_open(&all, &scene->place, point, forward, -1);
        cr_expect_eq(md_eye_cast(&narrow, direction).reach, md_eye_cast(&all, direction).reach);
        cr_expect_leq(narrow.count, all.count);
    }
    free(scene);
}

Test(places, refuse_what_no_longer_fits) {
    struct md_scene *scene = new_room(5, 5, 5);
    struct md_place *place = &scene->place;
    struct md_solid solid = {MD_BOX, {0, 0, 0}, {1, 1, 1}, grey};
    while (md_place_add_group(place, (struct md_vec){0, 0, 0}, 1, 0))
        ;
    cr_expect_eq(place->group_count, MD_MOST_GROUPS);
    while (md_place_add_solid(place, &solid))
        ;
    cr_expect_eq(place->solid_count, MD_MOST_SOLIDS);
    free(scene);
}

/* Every world has a palette for all its pieces are made of. */
Test(places, are_made_of_something) {
    for (int w = 0; w < md_world_count; w++)
        for (uint64_t seed = 1; seed <= 40; seed++) {
            struct md_scene *scene = new_furnished(md_world_names[w], seed);
            for (int i = 0; i < scene->place.solid_count; i++)
                cr_assert_gt(scene->place.solids[i].material.scale_m, 0, "%s", md_world_names[w]);
            for (int face = scene->place.is_open ? MD_FLOOR : 0; face < MD_SHELL_FACES; face++)
                cr_assert_gt(scene->place.shell[face].scale_m, 0, "%s", md_world_names[w]);
            free(scene);
        }
}

/* ---- Camera and sensor ---- */

enum { SIDE = 48, ZONES = 8 };

struct camera {
    struct md_frame frame;
    struct md_vec light[SIDE * SIDE];
    struct md_echo echoes[MD_RAYS * SIDE * MD_RAYS * SIDE];
};

static const struct md_lens square = {MD_SENSOR_SLOPE, MD_SENSOR_SLOPE};

static struct camera *shoot_through(struct md_scene *scene, struct md_lens lens,
                                    struct md_view view) {
    struct camera *camera = calloc(1, sizeof *camera);
    cr_assert_not_null(camera);
    camera->frame = (struct md_frame){SIDE, SIDE, camera->light, camera->echoes};
    scene->place.ambient = (struct md_vec){1, 1, 1};
    md_camera_shoot(scene, &lens, &view, &camera->frame);
    return camera;
}

static struct camera *shoot(struct md_scene *scene, struct md_view view) {
    return shoot_through(scene, square, view);
}

static const struct md_view along_x = {{1, 5, 5}, {1, 0, 0}, {0, -1, 0}, {0, 0, -1}};

Test(camera, measures_depth_along_its_axis) {
    struct md_scene *scene = new_room(4, 10, 10);
    struct camera *camera = shoot(scene, along_x);
    float depth_m[SIDE * SIDE];
    md_camera_depth(&camera->frame, depth_m);
    for (int i = 0; i < SIDE * SIDE; i++) /* not 3 / cos: the wall is upright to the axis */
        cr_expect_float_eq(depth_m[i], 3, 1e-6, "pixel %d: %.9g", i, depth_m[i]);
    free(camera);

    /* Turned by a small angle, the wall is a plane: d = 3 / (cos + slope * sin). */
    const double angle = 0.2;
    struct md_view turned = along_x;
    turned.forward = (struct md_vec){cos(angle), sin(angle), 0};
    turned.right = (struct md_vec){sin(angle), -cos(angle), 0};
    camera = shoot(scene, turned);
    md_camera_depth(&camera->frame, depth_m);
    for (int i = 0; i < SIDE * SIDE; i++) {
        double slope = MD_SENSOR_SLOPE * ((2 * (i % SIDE) + 1.0) / SIDE - 1);
        double expected = 3 / (cos(angle) + slope * sin(angle));
        cr_expect_float_eq(depth_m[i], expected, 1e-5, "pixel %d: %.9g", i, depth_m[i]);
    }
    free(camera);
    free(scene);
}

/* Left is left and up is up: a near box on the left, then one above. */
Test(camera, is_not_mirrored) {
    const struct {
        struct md_vec low, high;
        int near_pixel, far_pixel;
    } known[] = {{{2, 5.2, 4}, {3, 6, 6}, 24 * SIDE + 4, 24 * SIDE + 43},
                 {{2, 4, 5.2}, {3, 6, 6}, 4 * SIDE + 24, 43 * SIDE + 24}};
    for (int i = 0; i < 2; i++) {
        struct md_scene *scene = new_room(6, 10, 10);
        add_solid(scene, MD_BOX, (struct md_vec){0, 0, 0}, 0, known[i].low, known[i].high);
        struct camera *camera = shoot(scene, along_x);
        float depth_m[SIDE * SIDE];
        md_camera_depth(&camera->frame, depth_m);
        cr_expect_float_eq(depth_m[known[i].near_pixel], 1, 1e-6);
        cr_expect_float_eq(depth_m[known[i].far_pixel], 5, 1e-6);
        free(camera);
        free(scene);
    }
}

Test(camera, exposes_the_same_picture_from_the_same_stream_only) {
    struct md_scene *scene = new_room(4, 10, 10);
    uint8_t pictures[3][3 * SIDE * SIDE];
    for (uint32_t i = 0; i < 3; i++) {
        struct camera *camera = shoot(scene, along_x);
        md_camera_develop(world_named("field"), &camera->frame, md_random_stream(1, i / 2, 0, 0),
                          pictures[i]);
        free(camera);
    }
    cr_expect_eq(memcmp(pictures[0], pictures[1], sizeof pictures[0]), 0);
    cr_expect_neq(memcmp(pictures[0], pictures[2], sizeof pictures[0]), 0);
    free(scene);
}

/* Reads the wall of along_x at `distance` many times over and checks mean, spread and losses
 * against what `sensor` promises. The signal of a zone comes from the same echoes. */
static void check_wall(const struct md_sensor *sensor, double distance) {
    enum { READS = 400 };
    struct md_scene *scene = new_room(1 + distance, 10, 10);
    struct camera *camera = shoot(scene, along_x);
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
    free(scene);
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
    struct md_scene *scene = new_room(3.5, 10, 10);
    double edge = 5 - MD_SENSOR_SLOPE * (2 * 3.3 / ZONES - 1); /* 0.3 into the fourth column */
    add_solid(scene, MD_BOX, (struct md_vec){0, 0, 0}, 0, (struct md_vec){2, edge, 3},
              (struct md_vec){2.01, 7, 7});
    struct camera *camera = shoot(scene, along_x);
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
    free(scene);
}

/* A board in front of a far wall: its edge is where the lens of each axis says. */
Test(camera, has_a_field_of_view_for_each_axis) {
    const struct md_lens lenses[] = {{.86, .26}, {.3, .7}};
    const double inside = .9, outside = 1.1; /* of half the field of view */
    for (int i = 0; i < 2; i++) {
        struct md_scene *scene = new_room(20, 40, 40);
        struct md_view view = {{1, 20, 20}, {1, 0, 0}, {0, -1, 0}, {0, 0, -1}};
        double right = 4 * lenses[i].right / 2, down = 4 * lenses[i].down / 2;
        add_solid(scene, MD_BOX, (struct md_vec){5, 20, 20}, 0, (struct md_vec){0, -right, -down},
                  (struct md_vec){.1, right, down});
        struct camera *camera = shoot_through(scene, lenses[i], view);
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
        free(scene);
    }
}

/* ---- Under the open sky ---- */

static struct md_scene *new_plain(void) {
    struct md_scene *scene = new_room(20, 0, 60);
    scene->place.is_open = 1;
    scene->place.shell[MD_FLOOR].skirting_m = -1e6; /* the ground is not dark on either side */
    return scene;
}

static const struct md_view level = {{0, 0, 1.65}, {1, 0, 0}, {0, -1, 0}, {0, 0, -1}};

Test(open_place, has_exact_ground_and_no_depth_in_the_sky) {
    struct md_scene *scene = new_plain();
    const struct md_lens lens = {.86, .26};
    struct camera *camera = shoot_through(scene, lens, level);
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
    free(scene);
}

/* A sensor that looks into the sky gets nothing back. */
Test(open_place, gives_a_sensor_no_reading_in_the_sky) {
    struct md_scene *scene = new_plain();
    struct md_view up = {{0, 0, 1}, {0, 0, 1}, {0, -1, 0}, {1, 0, 0}};
    struct camera *camera = shoot(scene, up);
    float depth_m[ZONES * ZONES];
    md_sensor_read(&world_named("field")->sensor, &camera->frame, md_random_stream(1, 0, 0, 0),
                   depth_m);
    for (int zone = 0; zone < ZONES * ZONES; zone++)
        cr_expect_eq(depth_m[zone], 0);
    free(camera);
    free(scene);
}

/* The sun stands 45 degrees high in the back of a pole 10 m high at 12 m: its shadow lies from
 * there to 22 m. Everything that is lit gets ambient + sine of the height, shadows ambient alone.
 */
Test(open_place, has_shadows_where_geometry_says) {
    struct md_scene *scene = new_plain();
    const double away_m = 1e4, root_half = 0.70710678118654752;
    const struct md_vec towards = {-root_half, 0, root_half};
    add_solid(scene, MD_BOX, (struct md_vec){12, 0, 0}, 0, (struct md_vec){0, -4, 0},
              (struct md_vec){.01, 4, 10});
    scene->place.lights[0] = (struct md_light){md_vec_scale(towards, away_m),
                                               {away_m * away_m, away_m * away_m, away_m * away_m}};
    scene->place.light_count = 1;
    scene->place.ambient = (struct md_vec){1, 1, 1};
    md_scene_light(scene);
    int dark = 0, bright = 0;
    for (double x = 4; x < 30; x += .25)
        for (double y = -6; y <= 6; y += .5) {
            struct md_vec at = {x, y, 0};
            int in_shadow = fabs(y) < 4 && x > 12.02 && x < 22;
            if (fabs(x - 12) < .1 || fabs(x - 22) < .1 || fabs(fabs(y) - 4) < .1)
                continue; /* the sun is no farther than ten kilometres */
            cr_expect_eq(md_eye_blocked(&scene->lamps[0], at), in_shadow, "%g, %g", x, y);
            dark += in_shadow;
            bright += !in_shadow;
        }
    cr_expect(dark > 500 && bright > 500);
    free(scene);

    /* The same in the picture: ground in the sun, seen from above; light falls off to the side. */
    struct md_view above = {{0, 0, 5}, {0, 0, -1}, {0, -1, 0}, {-1, 0, 0}};
    double middle[2];
    for (int lit = 0; lit < 2; lit++) {
        scene = new_plain();
        scene->place.lights[0] = (struct md_light){
            md_vec_scale(towards, away_m), {away_m * away_m, away_m * away_m, away_m * away_m}};
        scene->place.light_count = lit;
        md_scene_light(scene);
        struct camera *camera = shoot(scene, above);
        middle[lit] = camera->light[SIDE / 2 * SIDE + SIDE / 2].y;
        free(camera);
        free(scene);
    }
    /* 1.25: a pixel's 4 rays are up to 1/48 off the axis, each cos^4; and 5 m of 10 km. */
    cr_expect_float_eq(middle[0], .5, 1.25e-3);
    cr_expect_float_eq(middle[1], .5 * (1 + root_half), 2.5e-3);
}

/* ---- Streets ---- */

Test(street, lets_a_car_through, .timeout = 600) {
    const struct md_world *road = world_named("road");
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct md_scene *scene = new_furnished("road", seed);
        const struct md_place *place = &scene->place;
        struct md_vec from = place->drive[0], to = place->drive[1];
        cr_expect(from.z >= road->flight_height_m.low && from.z < road->flight_height_m.high);
        cr_expect_lt(from.y, 0, "seed %d drives on the left", (int)seed);
        cr_expect_float_eq(to.x - from.x,
                           road->speed_m_s * road->frame_interval_s * road->frames_per_place, 1e-9);
        for (double x = from.x - 2; x < to.x + 4; x += .2) /* a car's sides and its bonnet */
            for (int side = -1; side <= 1; side++) {
                struct md_vec at = {x, from.y + side * .9, 1};
                cr_expect_geq(md_place_clearance(place, at), .2, "seed %d: %g, %g", (int)seed, at.x,
                              at.y);
            }
        cr_expect_gt(place->group_count, 30, "seed %d is empty", (int)seed);
        free(scene);
    }
}

Test(street, is_driven_through_forwards) {
    const struct md_world *road = world_named("road");
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct md_scene *scene = new_furnished("road", seed);
        struct md_flight flight;
        double before = -1;
        md_flight_start(&flight, road, &scene->place, md_random_stream(seed, 1, 0, 0));
        for (int frame = 0; frame < road->frames_per_place; frame++) {
            struct md_view view = md_flight_at(&flight, frame * road->frame_interval_s);
            cr_expect_gt(view.point.x, before - 1e-9);
            cr_expect_float_eq(view.point.y, scene->place.drive[0].y, 1e-9);
            /* The nose is off by five deviations at most, and swings. */
            double off_rad = 5 * road->off_course_rad + road->swing_rad + road->tilt_rad;
            cr_expect_gt(view.forward.x, cos(off_rad), "seed %d: %g", (int)seed, view.forward.x);
            before = view.point.x;
        }
        cr_expect_gt(before, scene->place.drive[1].x / 2, "seed %d stands still", (int)seed);
        free(scene);
    }
}

Test(street, stays_whole_when_no_more_fits) {
    int full = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct md_scene *scene = new_furnished("road", seed);
        const struct md_place *place = &scene->place;
        int solids = 0;
        for (int g = 0; g < place->group_count; g++) {
            cr_assert_gt(place->groups[g].count, 0);
            cr_assert_eq(place->groups[g].first, solids);
            solids += place->groups[g].count;
        }
        cr_assert_eq(solids, place->solid_count);
        full += place->group_count == MD_MOST_GROUPS;
        free(scene);
    }
    cr_expect_gt(full, 0, "none was full");
}

/* What sticks out of the box of its group is not seen from everywhere. */
Test(street, has_spheres_that_fit_into_their_boxes) {
    int spheres = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct md_scene *scene = new_furnished("road", seed);
        for (int i = 0; i < scene->place.solid_count; i++) {
            const struct md_solid *solid = &scene->place.solids[i];
            struct md_vec size = md_vec_sub(solid->high, solid->low);
            if (solid->shape != MD_SPHERE)
                continue;
            cr_expect_leq(size.x, size.z, "%g wide, %g high", size.x, size.z);
            cr_expect_float_eq(size.x, size.y, 1e-9);
            spheres++;
        }
        free(scene);
    }
    cr_expect_gt(spheres, 1000);
}

Test(street, has_its_strips_side_by_side) {
    const struct md_world *road = world_named("road");
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct md_scene *scene = new_furnished("road", seed);
        const struct md_group *ground = &scene->place.groups[0];
        const struct md_solid *slabs = &scene->place.solids[ground->first];
        cr_expect_geq(ground->count, 2); /* two lanes at least */
        for (int a = 0; a < ground->count; a++) {
            cr_expect(slabs[a].low.y < slabs[a].high.y && slabs[a].high.z > 0);
            for (int b = 0; b < a; b++)
                cr_expect(slabs[a].high.y <= slabs[b].low.y + 1e-9 ||
                          slabs[b].high.y <= slabs[a].low.y + 1e-9);
        }
        cr_expect_leq(ground->count, 2 * road->strip_count);
        free(scene);
    }
}

/* ---- Flight ---- */

Test(flight, keeps_clear_and_does_not_jump, .timeout = 600) {
    for (int w = 0; w < md_world_count; w++)
        for (uint64_t seed = 1; seed <= 40; seed++) {
            const struct md_world *world = &md_worlds[w];
            struct md_scene *scene = new_furnished(md_world_names[w], seed);
            struct md_flight flight;
            const double step_s = 0.05;
            md_flight_start(&flight, world, &scene->place, md_random_stream(seed, 1, 0, 0));
            struct md_vec before = md_flight_at(&flight, 0).point;
            for (int i = 1; i < 600; i++) {
                struct md_view view = md_flight_at(&flight, i * step_s);
                struct md_vec by = md_vec_sub(view.point, before);
                double clearance = md_place_clearance(&scene->place, view.point);
                cr_assert_geq(clearance, 0.25, "%s, seed %llu, %g s: %g m", md_world_names[w],
                              (unsigned long long)seed, i * step_s, clearance);
                /* Easing in and out is at most 1.5 times as fast as the average. */
                cr_assert_leq(sqrt(md_vec_dot(by, by)), 1.5 * world->speed_m_s * step_s + 1e-9);
                before = view.point;
            }
            free(scene);
        }
}

Test(flight, holds_its_camera_upright_and_square) {
    struct md_scene *scene = new_furnished("field", 1);
    struct md_flight flight;
    md_flight_start(&flight, world_named("field"), &scene->place, md_random_stream(1, 1, 0, 0));
    for (int i = 0; i < 200; i++) {
        struct md_view view = md_flight_at(&flight, i * 0.3);
        cr_expect_float_eq(md_vec_dot(view.forward, view.forward), 1, 1e-12);
        cr_expect_float_eq(md_vec_dot(view.right, view.right), 1, 1e-12);
        cr_expect_float_eq(md_vec_dot(view.forward, view.right), 0, 1e-12);
        cr_expect_float_eq(md_vec_dot(view.forward, view.down), 0, 1e-12);
        cr_expect_float_eq(md_vec_dot(view.right, view.down), 0, 1e-12);
        cr_expect_lt(view.down.z, -0.95);
        double handed = view.forward.x * view.right.y - view.forward.y * view.right.x;
        cr_expect_lt(handed, -0.95, "right is on the left");
    }
    free(scene);
}
