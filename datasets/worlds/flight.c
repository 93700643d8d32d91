#include "flight.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

static double distance(struct md_vec a, struct md_vec b) {
    struct md_vec by = md_vec_sub(a, b);
    return sqrt(md_vec_dot(by, by));
}

static struct md_vec between(struct md_vec a, struct md_vec b, double share) {
    return md_vec_add(a, md_vec_scale(md_vec_sub(b, a), share));
}

/* Anywhere in the hall at flying height. */
static struct md_vec draw_point(struct md_flight *flight) {
    struct md_vec size = flight->scene->size, point;
    struct md_range height = flight->world->flight_height_m;
    point.x = md_random_range(&flight->random, 0, size.x);
    point.y = md_random_range(&flight->random, 0, size.y);
    point.z = md_random_range(&flight->random, height.low, height.high);
    return point;
}

/* Steps along the line as far as the clearance shows to be safe. */
static int is_clear(const struct md_scene *scene, struct md_vec from, struct md_vec to) {
    const double least_step_m = 0.01;
    double length = distance(from, to);
    for (double gone = 0; gone < length;) {
        double clearance = md_scene_clearance(scene, between(from, to, gone / length));
        if (clearance < MD_FLIGHT_CLEARANCE_M)
            return 0;
        gone += fmax(clearance - MD_FLIGHT_CLEARANCE_M, least_step_m);
    }
    return md_scene_clearance(scene, to) >= MD_FLIGHT_CLEARANCE_M;
}

/* How far a point is from where the drone has been lately. */
static double novelty(const struct md_flight *flight, struct md_vec point) {
    int known = flight->goals < MD_FLIGHT_MEMORY ? flight->goals : MD_FLIGHT_MEMORY;
    double nearest = INFINITY;
    for (int i = 0; i < known; i++)
        nearest = fmin(nearest, distance(flight->visited[i], point));
    return nearest;
}

/* Of a few points within reach the one furthest from the last goals; where the drone is, if there
 * is none. */
static struct md_vec draw_goal(struct md_flight *flight) {
    enum { TRIES = 300, ENOUGH = 12 };
    struct md_vec here = flight->leg.to, goal = here;
    double best = 0;
    if (flight->scene->is_open)
        return flight->scene->drive[flight->goals % 2];
    for (int tries = 0, found = 0; tries < TRIES && found < ENOUGH; tries++) {
        struct md_vec point = draw_point(flight);
        if (!is_clear(flight->scene, here, point))
            continue;
        found++;
        if (novelty(flight, point) > best) {
            best = novelty(flight, point);
            goal = point;
        }
    }
    return goal;
}

/* The most open of many points: at least one of them is clear in any scene worth the name. */
static struct md_vec draw_start(struct md_flight *flight) {
    struct md_vec start = draw_point(flight);
    for (int tries = 1; tries < 100; tries++) {
        struct md_vec point = draw_point(flight);
        if (md_scene_clearance(flight->scene, point) > md_scene_clearance(flight->scene, start))
            start = point;
    }
    return start;
}

static void remember(struct md_flight *flight, struct md_vec goal) {
    flight->visited[flight->goals++ % MD_FLIGHT_MEMORY] = goal;
}

static void next_leg(struct md_flight *flight) {
    const double look_round = 0.15;
    struct md_leg *leg = &flight->leg;
    struct md_random *random = &flight->random;
    leg->start_s += leg->turn_s + leg->fly_s;
    leg->yaw_from += leg->yaw_by;
    struct md_vec goal = draw_goal(flight);
    leg->from = leg->to;
    leg->to = goal;
    remember(flight, goal);

    struct md_vec way = md_vec_sub(leg->to, leg->from);
    double yaw = atan2(way.y, way.x) + flight->world->off_course_rad * md_random_normal(random);
    leg->yaw_by = remainder(yaw - leg->yaw_from, 2 * pi);
    if (md_random_unit(random) < look_round && !flight->scene->is_open) /* the long way round */
        leg->yaw_by -= copysign(2 * pi, leg->yaw_by);
    leg->swing = md_random_range(random, -flight->world->swing_rad, flight->world->swing_rad);
    leg->turn_s = fabs(leg->yaw_by) / flight->world->turn_rad_s + 0.1;
    leg->fly_s = distance(leg->from, leg->to) / flight->world->speed_m_s;
}

void md_flight_start(struct md_flight *flight, const struct md_world *world,
                     const struct md_scene *scene, struct md_random random) {
    *flight = (struct md_flight){.world = world, .scene = scene, .random = random};
    for (int i = 0; i < 4; i++)
        flight->wobble_phase[i] = md_random_range(&flight->random, 0, 2 * pi);
    if (scene->is_open) { /* the drive goes along x */
        flight->leg.to = scene->drive[0];
    } else {
        flight->leg.to = draw_start(flight);
        flight->leg.yaw_from = md_random_range(&flight->random, -pi, pi);
    }
    remember(flight, flight->leg.to);
    next_leg(flight);
}

/* From 0 to 1, starting and ending at rest. */
static double ease(double x) {
    x = fmin(fmax(x, 0), 1);
    return x * x * (3 - 2 * x);
}

/* A slow and a faster swaying. */
static double wobble(const double phases[2], double time_s) {
    return 0.7 * sin(1.7 * time_s + phases[0]) + 0.3 * sin(5.3 * time_s + phases[1]);
}

static struct md_pose pose_of(struct md_vec point, double yaw, double pitch, double roll) {
    struct md_vec level = {sin(yaw), -cos(yaw), 0};
    struct md_vec forward = {cos(yaw) * cos(pitch), sin(yaw) * cos(pitch), sin(pitch)};
    struct md_vec down = {cos(yaw) * sin(pitch), sin(yaw) * sin(pitch), -cos(pitch)};
    struct md_pose pose = {.point = point, .forward = forward};
    pose.right = md_vec_add(md_vec_scale(level, cos(roll)), md_vec_scale(down, sin(roll)));
    pose.down = md_vec_sub(md_vec_scale(down, cos(roll)), md_vec_scale(level, sin(roll)));
    return pose;
}

struct md_pose md_flight_at(struct md_flight *flight, double time_s) {
    const struct md_leg *leg = &flight->leg;
    while (time_s >= leg->start_s + leg->turn_s + leg->fly_s)
        next_leg(flight);
    double since = time_s - leg->start_s;
    double flown = leg->fly_s > 0 ? ease((since - leg->turn_s) / leg->fly_s) : 1;
    double yaw =
        leg->yaw_from + leg->yaw_by * ease(since / leg->turn_s) + leg->swing * sin(2 * pi * flown);
    double tilt = flight->world->tilt_rad;
    return pose_of(between(leg->from, leg->to, flown), yaw,
                   tilt * wobble(flight->wobble_phase, time_s),
                   tilt * wobble(flight->wobble_phase + 2, time_s));
}
