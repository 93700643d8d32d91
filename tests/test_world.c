/* The built-in worlds from the inside: rays, scenes, streets, flight. (What a camera and a sensor
 * see there: test_camera.c. The recordings made with them: test_synthetic.c.) */
#include <criterion/criterion.h>
#include <math.h>

#include "scenes.h"

/* ---- Rays ---- */

static const struct md_vec ahead = {1, 0, 0};

static struct md_hit cast_from(const struct md_lit_scene *lit, struct md_vec point,
                               struct md_vec direction) {
    struct md_viewpoint viewpoint;
    md_viewpoint_open(&viewpoint, &lit->scene, point, ahead, -1);
    return md_viewpoint_cast(&viewpoint, direction);
}

Test(rays, meet_every_wall_of_an_empty_room) {
    struct md_lit_scene *lit = new_room(6, 4, 3);
    const struct md_vec viewpoint = {2, 1, 1.2};
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
        struct md_hit hit = cast_from(lit, viewpoint, known[i].direction);
        cr_expect_float_eq(hit.reach, known[i].reach, 1e-9, "ray %zu: %.9f", i, hit.reach);
        cr_expect_gt(md_vec_dot(hit.normal, known[i].normal), 1 - 1e-9, "ray %zu", i);
    }
    free(lit);
}

Test(rays, meet_each_shape_where_geometry_says) {
    struct md_lit_scene *lit = new_room(20, 20, 6);
    const struct md_vec viewpoint = {2, 10, 2}, half = {1, 1, 1}, minus_half = {-1, -1, -1};
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
        lit->scene.group_count = lit->scene.solid_count = 0;
        add_solid(lit, known[i].shape, (struct md_vec){10, 10, known[i].middle_m}, known[i].yaw,
                  minus_half, half);
        struct md_hit hit = cast_from(lit, viewpoint, known[i].direction);
        cr_expect_float_eq(hit.reach, known[i].reach, 1e-9, "ray %zu: %.12f", i, hit.reach);
    }
    free(lit);
}

static struct md_vec draw_inside(struct md_random *random, struct md_vec size) {
    struct md_vec point;
    point.x = md_random_range(random, 0, size.x);
    point.y = md_random_range(random, 0, size.y);
    point.z = md_random_range(random, 0, size.z);
    return point;
}

/* In a hall, or where the objects of a street are. */
static struct md_vec draw_within(struct md_random *random, const struct md_scene *scene) {
    if (!scene->is_open)
        return draw_inside(random, scene->size);
    struct md_vec point = draw_inside(random, (struct md_vec){scene->size.x, 40, 8});
    return md_vec_sub(point, (struct md_vec){0, 20, 0});
}

static struct md_vec draw_direction(struct md_random *random) {
    struct md_vec v;
    v.x = md_random_normal(random);
    v.y = md_random_normal(random);
    v.z = md_random_normal(random);
    return md_vec_scale(v, 1 / sqrt(md_vec_dot(v, v)));
}

/* Marches by the clearance, which shares no code with the ray caster but the scenes. */
static double march(const struct md_scene *scene, struct md_vec point, struct md_vec direction) {
    double gone = 0;
    for (int step = 0; step < 5000 && gone < 1e6; step++) { /* the sky has no end */
        double clearance =
            md_scene_clearance(scene, md_vec_add(point, md_vec_scale(direction, gone)));
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
            struct md_lit_scene *lit = new_furnished(md_world_names[w], seed);
            const struct md_scene *scene = &lit->scene;
            for (int i = 0; i < 400; i++) {
                struct md_vec point = draw_within(&random, scene);
                struct md_vec direction = draw_direction(&random);
                if (md_scene_clearance(scene, point) <= 0)
                    continue;
                struct md_viewpoint all;
                md_viewpoint_open(&all, scene, point, direction, -1);
                struct md_hit hit = md_viewpoint_cast(&all, direction);
                struct md_vec at = md_vec_add(point, md_vec_scale(direction, hit.reach));
                double marched = march(scene, point, direction);
                cr_expect_eq(hit.is_sky, scene->is_open && direction.z >= 0 && marched > 1e3,
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
                    hit.material >= scene->shell && hit.material < scene->shell + MD_SHELL_FACES;
                cr_expect_not(md_viewpoint_blocked(&all, nearly));
                cr_expect(is_shell || md_viewpoint_blocked(&all, beyond));
                cr_expect(!is_shell || fabs(md_scene_clearance(scene, at)) < 1e-6);
                compared++;
            }
            free(lit);
        }
    cr_assert_gt(compared, 2000);
}

Test(rays, see_the_same_through_a_narrow_eye) {
    struct md_lit_scene *lit = new_furnished("field", 1);
    struct md_random random = md_random_stream(4, 0, 0, 0);
    for (int i = 0; i < 2000; i++) {
        struct md_vec point = draw_inside(&random, lit->scene.size);
        struct md_vec forward = draw_direction(&random), other = draw_direction(&random);
        struct md_vec direction = md_vec_add(forward, md_vec_scale(other, 0.35));
        if (md_scene_clearance(&lit->scene, point) <= 0)
            continue;
        struct md_viewpoint narrow, all;
        /* The widest angle between forward and direction has the sine 0.35. */
        md_viewpoint_open(&narrow, &lit->scene, point, forward, sqrt(1 - 0.35 * 0.35));
        md_viewpoint_open(&all, &lit->scene, point, forward, -1);
        cr_expect_eq(md_viewpoint_cast(&narrow, direction).reach,
                     md_viewpoint_cast(&all, direction).reach);
        cr_expect_leq(narrow.count, all.count);
    }
    free(lit);
}

Test(scenes, refuse_what_no_longer_fits) {
    struct md_lit_scene *lit = new_room(5, 5, 5);
    struct md_scene *scene = &lit->scene;
    struct md_solid solid = {MD_BOX, {0, 0, 0}, {1, 1, 1}, grey};
    while (md_scene_add_group(scene, (struct md_vec){0, 0, 0}, 1, 0))
        ;
    cr_expect_eq(scene->group_count, MD_MOST_GROUPS);
    while (md_scene_add_solid(scene, &solid))
        ;
    cr_expect_eq(scene->solid_count, MD_MOST_SOLIDS);
    free(lit);
}

/* Every world has a palette for all its objects are made of. */
Test(scenes, are_made_of_something) {
    for (int w = 0; w < md_world_count; w++)
        for (uint64_t seed = 1; seed <= 40; seed++) {
            struct md_lit_scene *lit = new_furnished(md_world_names[w], seed);
            for (int i = 0; i < lit->scene.solid_count; i++)
                cr_assert_gt(lit->scene.solids[i].material.scale_m, 0, "%s", md_world_names[w]);
            for (int face = lit->scene.is_open ? MD_FLOOR : 0; face < MD_SHELL_FACES; face++)
                cr_assert_gt(lit->scene.shell[face].scale_m, 0, "%s", md_world_names[w]);
            free(lit);
        }
}

/* ---- Streets ---- */

Test(street, lets_a_car_through, .timeout = 600) {
    const struct md_world *road = world_named("road");
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct md_lit_scene *lit = new_furnished("road", seed);
        const struct md_scene *scene = &lit->scene;
        struct md_vec from = scene->drive[0], to = scene->drive[1];
        cr_expect(from.z >= road->flight_height_m.low && from.z < road->flight_height_m.high);
        cr_expect_lt(from.y, 0, "seed %d drives on the left", (int)seed);
        cr_expect_float_eq(to.x - from.x,
                           road->speed_m_s * road->frame_interval_s * road->frames_per_scene, 1e-9);
        for (double x = from.x - 2; x < to.x + 4; x += .2) /* a car's sides and its bonnet */
            for (int side = -1; side <= 1; side++) {
                struct md_vec at = {x, from.y + side * .9, 1};
                cr_expect_geq(md_scene_clearance(scene, at), .2, "seed %d: %g, %g", (int)seed, at.x,
                              at.y);
            }
        cr_expect_gt(scene->group_count, 30, "seed %d is empty", (int)seed);
        free(lit);
    }
}

Test(street, is_driven_through_forwards) {
    const struct md_world *road = world_named("road");
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct md_lit_scene *lit = new_furnished("road", seed);
        struct md_flight flight;
        double before = -1;
        md_flight_start(&flight, road, &lit->scene, md_random_stream(seed, 1, 0, 0));
        for (int frame = 0; frame < road->frames_per_scene; frame++) {
            struct md_pose view = md_flight_at(&flight, frame * road->frame_interval_s);
            cr_expect_gt(view.point.x, before - 1e-9);
            cr_expect_float_eq(view.point.y, lit->scene.drive[0].y, 1e-9);
            /* The nose is off by five deviations at most, and swings. */
            double off_rad = 5 * road->off_course_rad + road->swing_rad + road->tilt_rad;
            cr_expect_gt(view.forward.x, cos(off_rad), "seed %d: %g", (int)seed, view.forward.x);
            before = view.point.x;
        }
        cr_expect_gt(before, lit->scene.drive[1].x / 2, "seed %d stands still", (int)seed);
        free(lit);
    }
}

Test(street, stays_whole_when_no_more_fits) {
    int full = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct md_lit_scene *lit = new_furnished("road", seed);
        const struct md_scene *scene = &lit->scene;
        int solids = 0;
        for (int g = 0; g < scene->group_count; g++) {
            cr_assert_gt(scene->groups[g].count, 0);
            cr_assert_eq(scene->groups[g].first, solids);
            solids += scene->groups[g].count;
        }
        cr_assert_eq(solids, scene->solid_count);
        full += scene->group_count == MD_MOST_GROUPS;
        free(lit);
    }
    cr_expect_gt(full, 0, "none was full");
}

/* What sticks out of the box of its group is not seen from everywhere. */
Test(street, has_spheres_that_fit_into_their_boxes) {
    int spheres = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct md_lit_scene *lit = new_furnished("road", seed);
        for (int i = 0; i < lit->scene.solid_count; i++) {
            const struct md_solid *solid = &lit->scene.solids[i];
            struct md_vec size = md_vec_sub(solid->high, solid->low);
            if (solid->shape != MD_SPHERE)
                continue;
            cr_expect_leq(size.x, size.z, "%g wide, %g high", size.x, size.z);
            cr_expect_float_eq(size.x, size.y, 1e-9);
            spheres++;
        }
        free(lit);
    }
    cr_expect_gt(spheres, 1000);
}

Test(street, has_its_strips_side_by_side) {
    const struct md_world *road = world_named("road");
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct md_lit_scene *lit = new_furnished("road", seed);
        const struct md_group *ground = &lit->scene.groups[0];
        const struct md_solid *slabs = &lit->scene.solids[ground->first];
        cr_expect_geq(ground->count, 2); /* two lanes at least */
        for (int a = 0; a < ground->count; a++) {
            cr_expect(slabs[a].low.y < slabs[a].high.y && slabs[a].high.z > 0);
            for (int b = 0; b < a; b++)
                cr_expect(slabs[a].high.y <= slabs[b].low.y + 1e-9 ||
                          slabs[b].high.y <= slabs[a].low.y + 1e-9);
        }
        cr_expect_leq(ground->count, 2 * road->strip_count);
        free(lit);
    }
}

/* ---- Flight ---- */

Test(flight, keeps_clear_and_does_not_jump, .timeout = 600) {
    for (int w = 0; w < md_world_count; w++)
        for (uint64_t seed = 1; seed <= 40; seed++) {
            const struct md_world *world = &md_worlds[w];
            struct md_lit_scene *lit = new_furnished(md_world_names[w], seed);
            struct md_flight flight;
            const double step_s = 0.05;
            md_flight_start(&flight, world, &lit->scene, md_random_stream(seed, 1, 0, 0));
            struct md_vec before = md_flight_at(&flight, 0).point;
            for (int i = 1; i < 600; i++) {
                struct md_pose view = md_flight_at(&flight, i * step_s);
                struct md_vec by = md_vec_sub(view.point, before);
                double clearance = md_scene_clearance(&lit->scene, view.point);
                cr_assert_geq(clearance, 0.25, "%s, seed %llu, %g s: %g m", md_world_names[w],
                              (unsigned long long)seed, i * step_s, clearance);
                /* Easing in and out is at most 1.5 times as fast as the average. */
                cr_assert_leq(sqrt(md_vec_dot(by, by)), 1.5 * world->speed_m_s * step_s + 1e-9);
                before = view.point;
            }
            free(lit);
        }
}

Test(flight, holds_its_camera_upright_and_square) {
    struct md_lit_scene *lit = new_furnished("field", 1);
    struct md_flight flight;
    md_flight_start(&flight, world_named("field"), &lit->scene, md_random_stream(1, 1, 0, 0));
    for (int i = 0; i < 200; i++) {
        struct md_pose view = md_flight_at(&flight, i * 0.3);
        cr_expect_float_eq(md_vec_dot(view.forward, view.forward), 1, 1e-12);
        cr_expect_float_eq(md_vec_dot(view.right, view.right), 1, 1e-12);
        cr_expect_float_eq(md_vec_dot(view.forward, view.right), 0, 1e-12);
        cr_expect_float_eq(md_vec_dot(view.forward, view.down), 0, 1e-12);
        cr_expect_float_eq(md_vec_dot(view.right, view.down), 0, 1e-12);
        cr_expect_lt(view.down.z, -0.95);
        double handed = view.forward.x * view.right.y - view.forward.y * view.right.x;
        cr_expect_lt(handed, -0.95, "right is on the left");
    }
    free(lit);
}
