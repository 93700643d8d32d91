/* The drone's path: it hovers and turns towards its next goal, flies there in a straight line
 * that is known to be clear, swinging its nose from side to side, and so on. In an open scene it is
 * a car's, whose goals are the two ends of its drive. */
#ifndef MD_WORLDS_FLIGHT_H
#define MD_WORLDS_FLIGHT_H

#include "rooms.h"

enum { MD_FLIGHT_MEMORY = 6 };

struct md_flight {
    const struct md_world *world;
    const struct md_scene *scene;
    struct md_random random;
    double wobble_phase[4];
    struct md_vec visited[MD_FLIGHT_MEMORY]; /* the last goals, to look for new ones elsewhere */
    int goals;                               /* how many there were */
    struct md_leg {
        struct md_vec from, to;
        double start_s, turn_s, fly_s;
        double yaw_from, yaw_by, swing; /* radians */
    } leg;
};

/* Where the camera is and looks: three unit vectors at right angles. */
struct md_pose {
    struct md_vec point, forward, right, down;
};

/* How far the drone stays from every surface, metres. */
#define MD_FLIGHT_CLEARANCE_M 0.28

/* Takes off somewhere in `scene`, or starts at the first end of its drive; the flight refers to
 * both world and scene. */
void md_flight_start(struct md_flight *flight, const struct md_world *world,
                     const struct md_scene *scene, struct md_random random);

/* The pose at `time_s` seconds after take-off; call it with times that do not decrease. */
struct md_pose md_flight_at(struct md_flight *flight, double time_s);

#endif
