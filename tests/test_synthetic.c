/* The random streams and the built-in worlds: that they are what they claim to be, and the same
 * for everybody. Bounds on statistics are five deviations wide: a correct program fails one of
 * them once in 1.7 million seeds, and the seeds are fixed. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../datasets/camera.h"
#include "../datasets/sample.h"

static const double five = 5;

/* ---- Random numbers ---- */

/* The vectors published with the paper (kat_vectors of Random123): counter, key, block. */
Test(random, gives_the_published_philox_vectors) {
    static const struct {
        uint32_t counter[4], key[2], block[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const uint32_t *counter = known[i].counter, *key = known[i].key;
        struct md_random random =
            md_random_stream((uint64_t)key[1] << 32 | key[0], counter[1], counter[2], counter[3]);
        random.counter[0] = counter[0];
        for (int word = 0; word < 4; word++)
            cr_assert_eq(md_random_bits(&random), known[i].block[word], "vector %zu, word %d", i,
                         word);
    }
}

Test(random, counts_blocks_and_keeps_streams_apart) {
    struct md_random random = md_random_stream(7, 1, 2, 3), copy = random;
    for (int i = 0; i < 4; i++)
        md_random_bits(&random);
    struct md_random second_block = md_random_stream(7, 1, 2, 3);
    second_block.counter[0] = 1;
    cr_assert_eq(md_random_bits(&random), md_random_bits(&second_block));
    uint32_t first = md_random_bits(&copy);
    struct md_random others[] = {md_random_stream(8, 1, 2, 3), md_random_stream(7, 0, 2, 3),
                                 md_random_stream(7, 1, 0, 3), md_random_stream(7, 1, 2, 0),
                                 md_random_stream(UINT64_C(7) | UINT64_C(1) << 32, 1, 2, 3)};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        cr_assert_neq(first, md_random_bits(&others[i]), "stream %zu", i);
}

Test(random, has_the_moments_of_its_distributions) {
    enum { DRAWS = 200000 };
    double unit = 0, ranged = 0, normal = 0, square = 0;
    int seen[3] = {0};
    struct md_random random = md_random_stream(1, 2, 3, 4);
    for (int i = 0; i < DRAWS; i++) {
        double u = md_random_unit(&random), z = md_random_normal(&random);
        cr_assert(u >= 0 && u < 1);
        unit += u / DRAWS;
        normal += z / DRAWS;
        square += z * z / DRAWS;
        double x = md_random_range(&random, -2, 3);
        cr_assert(x >= -2 && x < 3);
        ranged += x / DRAWS;
        seen[md_random_below(&random, 3)]++;
        cr_assert_eq(md_random_below(&random, 1), 0);
    }
    /* Variances: of a unit 1/12, of a normal 1, of its square 2, of a third (1/3)(2/3). */
    cr_assert_lt(fabs(unit - 0.5), five * sqrt(1.0 / 12 / DRAWS));
    cr_assert_lt(fabs(ranged - 0.5), five * 5 * sqrt(1.0 / 12 / DRAWS));
    cr_assert_lt(fabs(normal), five * sqrt(1.0 / DRAWS));
    cr_assert_lt(fabs(square - 1), five * sqrt(2.0 / DRAWS));
    for (int i = 0; i < 3; i++)
        cr_assert_lt(fabs(seen[i] - DRAWS / 3.0), five * sqrt(DRAWS * 2.0 / 9));
}

Test(random, draws_below_large_bounds_without_bias) {
    /* Of n = 3 * 2^30, a plain remainder would give the first third twice as often. */
    enum { DRAWS = 100000 };
    struct md_random random = md_random_stream(5, 0, 0, 0);
    int low = 0;
    for (int i = 0; i < DRAWS; i++)
        low += md_random_below(&random, UINT32_C(3) << 30) < UINT32_C(1) << 30;
    cr_assert_lt(fabs(low - DRAWS / 3.0), five * sqrt(DRAWS * 2.0 / 9));
}

/* ---- Rays ---- */

static const struct md_material grey = {.texture = MD_PLAIN, .first = {.5, .5, .5}, .scale_m = 1};

static const struct md_world *world_named(const char *name) {
    int world = 0;
    while (world < md_world_count && strcmp(md_worlds[world].name, name) != 0)
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

static void add_solid(struct md_scene *scene, enum md_shape shape, struct md_vec at, double yaw,
                      struct md_vec low, struct md_vec high) {
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
        enum md_shape shape;
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
    for (int step = 0; step < 5000; step++) {
        double clearance =
            md_place_clearance(place, md_vec_add(point, md_vec_scale(direction, gone)));
        if (clearance < 1e-7)
            break;
        gone += clearance;
    }
    return gone;
}

Test(rays, agree_with_the_clearance_in_furnished_rooms) {
    const char *const worlds[] = {"source", "field"};
    struct md_random random = md_random_stream(3, 0, 0, 0);
    int compared = 0;
    for (int w = 0; w < 2; w++)
        for (uint64_t seed = 1; seed <= 3; seed++) {
            struct md_scene *scene = new_furnished(worlds[w], seed);
            const struct md_place *place = &scene->place;
            for (int i = 0; i < 400; i++) {
                struct md_vec point = draw_inside(&random, place->size);
                struct md_vec direction = draw_direction(&random);
                if (md_place_clearance(place, point) <= 0)
                    continue;
                struct md_eye all;
                md_eye_open(&all, place, point, direction, -1);
                double reach = md_eye_cast(&all, direction).reach;
                /* A ray that grazes a surface within a micrometre may be held up there. */
                double marched = march(place, point, direction);
                cr_expect(fabs(reach - marched) < 1e-4, "%s %d: %g, marched %g", worlds[w], i,
                          reach, marched);
                struct md_vec nearly = md_vec_add(point, md_vec_scale(direction, reach * 0.999));
                struct md_vec beyond = md_vec_add(point, md_vec_scale(direction, reach * 1.001));
                int is_shell = beyond.x < 0 || beyond.y < 0 || beyond.z < 0 ||
                               beyond.x > place->size.x || beyond.y > place->size.y ||
                               beyond.z > place->size.z;
                cr_expect_not(md_eye_blocked(&all, nearly));
                cr_expect(is_shell || md_eye_blocked(&all, beyond));
                compared++;
            }
            free(scene);
        }
    cr_assert_gt(compared, 1000);
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

/* ---- Camera and sensor ---- */

enum { SIDE = 48, ZONES = 8 };

struct camera {
    struct md_frame frame;
    struct md_vec light[SIDE * SIDE];
    struct md_echo echoes[MD_RAYS * SIDE * MD_RAYS * SIDE];
};

static struct camera *shoot(struct md_scene *scene, struct md_view view) {
    struct camera *camera = calloc(1, sizeof *camera);
    cr_assert_not_null(camera);
    camera->frame = (struct md_frame){SIDE, SIDE, camera->light, camera->echoes};
    scene->place.ambient = (struct md_vec){1, 1, 1};
    md_camera_shoot(scene, &view, &camera->frame);
    return camera;
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
        double slope = MD_CAMERA_SLOPE * ((2 * (i % SIDE) + 1.0) / SIDE - 1);
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
            signal += echo->return_ / (echo->depth_m * echo->depth_m) / (side * side);
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
    double edge = 5 - MD_CAMERA_SLOPE * (2 * 3.3 / ZONES - 1); /* 0.3 into the fourth column */
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

/* ---- Flight ---- */

Test(flight, keeps_clear_and_does_not_jump, .timeout = 120) {
    for (int w = 0; w < md_world_count; w++)
        for (uint64_t seed = 1; seed <= 40; seed++) {
            const struct md_world *world = &md_worlds[w];
            struct md_scene *scene = new_furnished(world->name, seed);
            struct md_flight flight;
            const double step_s = 0.05;
            md_flight_start(&flight, world, &scene->place, md_random_stream(seed, 1, 0, 0));
            struct md_vec before = md_flight_at(&flight, 0).point;
            for (int i = 1; i < 600; i++) {
                struct md_view view = md_flight_at(&flight, i * step_s);
                struct md_vec by = md_vec_sub(view.point, before);
                double clearance = md_place_clearance(&scene->place, view.point);
                cr_assert_geq(clearance, 0.25, "%s, seed %llu, %g s: %g m", world->name,
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

/* ---- Data sets ---- */

static struct md_data_spec spec_of(const char *world, uint64_t seed, const char *split,
                                   size_t count) {
    struct md_data_spec spec = md_data_spec_default;
    strcpy(spec.set, "synthetic");
    strcpy(spec.world, world);
    strcpy(spec.split, split);
    spec.seed = seed;
    spec.count = count;
    spec.max_depth_m = strcmp(world, "source") == 0 ? 80 : 4;
    return spec;
}

static struct md_dataset open_spec(const struct md_data_spec *spec) {
    struct md_dataset dataset;
    struct md_error error = {""};
    cr_assert_eq(md_dataset_open(spec, SIDE, SIDE, &dataset, &error), MD_OK, "%s", error.text);
    return dataset;
}

static struct md_dataset open_world(const char *world, uint64_t seed, const char *split,
                                    size_t count) {
    struct md_data_spec spec = spec_of(world, seed, split, count);
    return open_spec(&spec);
}

static int same_sample(const struct md_sample *a, const struct md_sample *b) {
    size_t depths = (size_t)(a->depth_height * a->depth_width) * sizeof *a->depth_m;
    return memcmp(a->picture, b->picture, 3 * SIDE * SIDE) == 0 &&
           memcmp(a->depth_m, b->depth_m, depths) == 0 &&
           memcmp(a->disparity, b->disparity, depths) == 0;
}

/* Mean difference of two data sets' pictures, sample by sample, in levels. */
static double difference(const struct md_dataset *a, const struct md_dataset *b) {
    double sum = 0;
    for (size_t i = 0; i < a->count; i++)
        for (int p = 0; p < 3 * SIDE * SIDE; p++)
            sum += abs(a->samples[i].picture[p] - b->samples[i].picture[p]);
    return sum / ((double)a->count * 3 * SIDE * SIDE);
}

Test(synthetic, is_a_function_of_its_description) {
    const char *const worlds[] = {"source", "field"};
    for (int w = 0; w < 2; w++) {
        struct md_dataset first = open_world(worlds[w], 1, "train", 20);
        struct md_dataset again = open_world(worlds[w], 1, "train", 20);
        struct md_dataset longer = open_world(worlds[w], 1, "train", 35);
        struct md_dataset other_seed = open_world(worlds[w], 2, "train", 20);
        struct md_dataset other_split = open_world(worlds[w], 1, "test", 20);
        cr_expect_str_eq(first.digest, again.digest);
        cr_expect_str_neq(first.digest, other_seed.digest);
        cr_expect_str_neq(first.digest, other_split.digest);
        for (size_t i = 0; i < first.count; i++) {
            cr_expect(same_sample(&first.samples[i], &longer.samples[i]), "%zu", i);
        }
        /* Far more than the camera's noise: other places, or another flight. */
        cr_expect_gt(difference(&first, &other_seed), 15);
        cr_expect_gt(difference(&first, &other_split), 15);
        md_dataset_close(&first);
        md_dataset_close(&again);
        md_dataset_close(&longer);
        md_dataset_close(&other_seed);
        md_dataset_close(&other_split);
    }
}

enum { SHADES = 6, COLOURS = SHADES * SHADES * SHADES };

/* How much of a data set's pictures has each colour. */
static void count_colours(const struct md_dataset *dataset, double share[COLOURS]) {
    const int pixels = SIDE * SIDE;
    memset(share, 0, COLOURS * sizeof *share);
    for (size_t i = 0; i < dataset->count; i++)
        for (int p = 0; p < pixels; p++) {
            const uint8_t *picture = dataset->samples[i].picture;
            int red = picture[p], green = picture[pixels + p], blue = picture[2 * pixels + p];
            int colour =
                (red * SHADES / 256 * SHADES + green * SHADES / 256) * SHADES + blue * SHADES / 256;
            share[colour] += 1.0 / ((double)dataset->count * pixels);
        }
}

/* Total variation between what two field flights see. */
static double colour_distance(uint64_t seed, const char *split, uint64_t other_seed,
                              const char *other_split) {
    double share[COLOURS], other_share[COLOURS], distance = 0;
    struct md_dataset a = open_world("field", seed, split, 200);
    struct md_dataset b = open_world("field", other_seed, other_split, 200);
    count_colours(&a, share);
    count_colours(&b, other_share);
    for (int i = 0; i < COLOURS; i++)
        distance += fabs(share[i] - other_share[i]) / 2;
    md_dataset_close(&a);
    md_dataset_close(&b);
    return distance;
}

Test(synthetic, flies_through_one_field_per_seed, .timeout = 120) {
    double same_place = 0, other_place = 0;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        same_place += colour_distance(seed, "train", seed, "test") / 4;
        other_place += colour_distance(seed, "train", seed + 1, "test") / 4;
    }
    cr_expect_lt(same_place, 0.6 * other_place, "%g, %g", same_place, other_place);
}

Test(synthetic, has_the_shapes_it_promises) {
    struct md_dataset source = open_world("source", 1, "train", 10);
    struct md_dataset field = open_world("field", 1, "train", 10);
    cr_expect_str_eq(field.samples[7].name, "synthetic:field:train:7");
    for (size_t i = 0; i < 10; i++) {
        const struct md_sample *dense = &source.samples[i], *zones = &field.samples[i];
        cr_expect(dense->depth_height == SIDE && dense->depth_width == SIDE);
        cr_expect(zones->depth_height == ZONES && zones->depth_width == ZONES);
        cr_expect(dense->fb == 80 && zones->fb == 80);
        for (int p = 0; p < SIDE * SIDE; p++) {
            cr_expect(dense->depth_m[p] > 0.2 && dense->depth_m[p] < 60);
            cr_expect_float_eq(dense->disparity[p] * dense->depth_m[p], 80, 1e-4);
        }
        for (int z = 0; z < ZONES * ZONES; z++) {
            float depth_m = zones->depth_m[z], disparity = zones->disparity[z];
            if (depth_m == MD_NO_DEPTH)
                cr_expect_eq(disparity, MD_INVALID);
            else
                cr_expect_float_eq(disparity * depth_m, 80, 1e-4);
        }
    }
    md_dataset_close(&source);
    md_dataset_close(&field);
}

Test(synthetic, keeps_to_the_range_limits) {
    struct md_data_spec spec = spec_of("field", 1, "train", 60);
    spec.min_depth_m = 0.8;
    spec.max_depth_m = 2;
    struct md_dataset limited = open_spec(&spec);
    struct md_dataset all = open_world("field", 1, "train", 60);
    int dropped = 0;
    for (size_t i = 0; i < limited.count; i++)
        for (int z = 0; z < ZONES * ZONES; z++) {
            float depth_m = all.samples[i].depth_m[z];
            int within = depth_m >= 0.8f && depth_m < 2;
            dropped += depth_m > 0 && !within;
            cr_expect_eq(limited.samples[i].depth_m[z], within ? depth_m : MD_NO_DEPTH);
        }
    cr_expect_gt(dropped, 100);
    md_dataset_close(&limited);
    md_dataset_close(&all);
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The wanted character of the worlds: a sensor in small rooms, exact depth in large ones. */
Test(synthetic, looks_as_near_and_as_far_as_it_should, .timeout = 120) {
    enum { COUNT = 300 };
    static float depths[COUNT * ZONES * ZONES];
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct md_dataset field = open_world("field", seed, "train", COUNT);
        size_t valid = 0;
        for (size_t i = 0; i < COUNT; i++)
            for (int z = 0; z < ZONES * ZONES; z++)
                if (field.samples[i].depth_m[z] > 0)
                    depths[valid++] = field.samples[i].depth_m[z];
        qsort(depths, valid, sizeof *depths, ascending);
        double share = (double)valid / (COUNT * ZONES * ZONES);
        cr_expect(share > 0.55 && share < 0.9, "seed %d: %g valid", (int)seed, share);
        cr_expect(depths[valid / 2] > 0.9 && depths[valid / 2] < 2, "seed %d: median %g m",
                  (int)seed, depths[valid / 2]);
        md_dataset_close(&field);
    }
    struct md_dataset source = open_world("source", 1, "train", COUNT);
    for (size_t i = 0; i < COUNT; i++)
        for (int z = 0; z < ZONES * ZONES; z++) /* every 36th pixel is enough */
            depths[i * ZONES * ZONES + (size_t)z] = source.samples[i].depth_m[36 * z];
    qsort(depths, sizeof depths / sizeof *depths, sizeof *depths, ascending);
    double median = depths[COUNT * ZONES * ZONES / 2], most = depths[COUNT * ZONES * ZONES - 1];
    cr_expect(median > 5 && median < 10, "source: median %g m", median);
    cr_expect(most > 30, "source: farthest %g m", most);
    md_dataset_close(&source);
}

Test(synthetic, refuses_what_it_cannot_do) {
    struct md_dataset dataset;
    struct md_error error;
    struct md_data_spec spec = spec_of("moon", 1, "train", 10);
    cr_expect_eq(md_dataset_open(&spec, SIDE, SIDE, &dataset, &error), MD_USAGE);
    cr_expect_not_null(strstr(error.text, "moon"));
    for (int i = 0; i < md_world_count; i++)
        cr_expect_not_null(strstr(error.text, md_worlds[i].name), "%s", error.text);
    const size_t counts[] = {0, 1000001, SIZE_MAX};
    for (int i = 0; i < 3; i++) {
        spec = spec_of("field", 1, "train", counts[i]);
        cr_expect_eq(md_dataset_open(&spec, SIDE, SIDE, &dataset, &error), MD_USAGE);
        cr_expect_not_null(strstr(error.text, "1000000"), "%s", error.text);
    }
}
