/* What the drone carries: a camera, and a time-of-flight sensor that looks the same way. */
#ifndef MD_WORLDS_CAMERA_H
#define MD_WORLDS_CAMERA_H

#include "flight.h"

/* A scene and the view of it from each of its lamps, for the shadows. */
struct md_lit_scene {
    struct md_scene scene;
    struct md_viewpoint lamps[MD_MOST_LIGHTS];
};

/* What came back along one of the rays through a pixel. */
struct md_echo {
    double depth_m;  /* along the optical axis; INFINITY from the sky */
    double strength; /* reflectance times the cosine of the incidence */
};

enum { MD_RAYS = 2 }; /* along each side of a pixel */

/* One exposure. Both arrays are the caller's. */
struct md_frame {
    int height, width;
    struct md_vec *light;   /* (height, width): linear colour, averaged over the pixel */
    struct md_echo *echoes; /* (MD_RAYS * height, MD_RAYS * width) */
};

/* Makes the lamps' views, after lit->scene was built. */
void md_scene_light(struct md_lit_scene *lit);

/* Casts all rays of `pose` through `lens`. */
void md_camera_render(const struct md_lit_scene *lit, const struct md_lens *lens,
                      const struct md_pose *pose, struct md_frame *frame);

/* Exposes, adds the camera's noise, and writes the picture as (3, height, width). `frame->light`
 * is used up. */
void md_camera_expose(const struct md_world *world, struct md_frame *frame, struct md_random random,
                      uint8_t *picture);

/* The depth at each pixel's centre, (height, width): the mean disparity of its rays, which is
 * exact where they meet one plane; INFINITY where they meet the sky. */
void md_camera_depth(const struct md_frame *frame, float *depth_m);

/* What the sensor reads in each of its zones, (zones, zones), by the rule for recordings. */
void md_sensor_read(const struct md_sensor *sensor, const struct md_frame *frame,
                    struct md_random random, float *depth_m);

#endif
