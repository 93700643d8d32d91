#include "camera.h"

#include <math.h>
#include <string.h>

void md_scene_light(struct md_lit_scene *lit) {
    const struct md_scene *scene = &lit->scene;
    const struct md_vec anywhere = {0, 0, -1};
    for (int i = 0; i < scene->light_count; i++)
        md_viewpoint_open(&lit->lamps[i], scene, scene->lights[i].position, anywhere, -1);
}

/* ---- Light ---- */

static double brightness(struct md_vec colour) {
    return 0.2126 * colour.x + 0.7152 * colour.y + 0.0722 * colour.z;
}

/* How much of the light from everywhere gets into the corners of the hall. */
static double openness(const struct md_scene *scene, struct md_vec at) {
    const struct md_vec size = scene->size;
    const double deep_m = 0.1, open_m = 0.25;
    const double away_m[] = {at.x, size.x - at.x, at.y, size.y - at.y, at.z, size.z - at.z};
    double open = 1;
    for (int i = 0; i < 6 && !scene->is_open; i++)
        open *= (fabs(away_m[i]) + deep_m) / (fabs(away_m[i]) + open_m);
    return open;
}

/* Irradiance of a surface: light from everywhere, a little more from above, and the lamps'. */
static struct md_vec irradiance(const struct md_lit_scene *lit, struct md_vec at,
                                struct md_vec normal) {
    const double negligible = 0.03, lamp_radius2_m2 = 0.04;
    const struct md_scene *scene = &lit->scene;
    struct md_vec sum = md_vec_scale(scene->ambient, (0.8 + 0.2 * normal.z) * openness(scene, at));
    double dark = negligible * brightness(sum);
    for (int i = 0; i < scene->light_count; i++) {
        const struct md_light *light = &scene->lights[i];
        struct md_vec to = md_vec_sub(light->position, at);
        double square = md_vec_dot(to, to), facing = md_vec_dot(to, normal);
        double falloff = facing / (sqrt(square) * (square + lamp_radius2_m2));
        if (falloff * light->power.y > dark && !md_viewpoint_blocked(&lit->lamps[i], at))
            sum = md_vec_add(sum, md_vec_scale(light->power, falloff));
    }
    return sum;
}

/* Casts one ray; `pixel_slope` is how much wider a pixel gets per metre. */
static struct md_vec cast(const struct md_lit_scene *lit, const struct md_viewpoint *viewpoint,
                          struct md_vec direction, double pixel_slope, struct md_echo *echo) {
    struct md_hit hit = md_viewpoint_cast(viewpoint, direction);
    double length = sqrt(md_vec_dot(direction, direction));
    double cosine = fabs(md_vec_dot(direction, hit.normal)) / length;
    double footprint_m = hit.reach * pixel_slope / fmax(cosine, 0.2);
    struct md_vec albedo = md_material_albedo(hit.material, hit.u_m, hit.v_m, footprint_m);
    struct md_vec at = md_vec_add(viewpoint->point, md_vec_scale(direction, hit.reach));
    *echo = (struct md_echo){hit.reach, albedo.x * cosine}; /* infrared is nearest to red */
    if (hit.is_sky)
        *echo = (struct md_echo){INFINITY, 0};
    if (hit.material->emission > 0)
        return md_vec_scale(albedo, hit.material->emission);
    return md_vec_mul(albedo, irradiance(lit, at, hit.normal));
}

void md_camera_render(const struct md_lit_scene *lit, const struct md_lens *lens,
                      const struct md_pose *pose, struct md_frame *frame) {
    int rows = MD_RAYS * frame->height, columns = MD_RAYS * frame->width;
    double pixel_slope = 2 * sqrt(lens->right / frame->width * (lens->down / frame->height));
    double corner_cosine = 1 / sqrt(1 + (lens->right * lens->right + lens->down * lens->down));
    struct md_viewpoint viewpoint;
    md_viewpoint_open(&viewpoint, &lit->scene, pose->point, pose->forward, corner_cosine);
    memset(frame->light, 0, (size_t)frame->height * (size_t)frame->width * sizeof *frame->light);
    for (int row = 0; row < rows; row++)
        for (int column = 0; column < columns; column++) {
            double right = lens->right * ((2 * column + 1.0) / columns - 1);
            double down = lens->down * ((2 * row + 1.0) / rows - 1);
            struct md_vec aside =
                md_vec_add(md_vec_scale(pose->right, right), md_vec_scale(pose->down, down));
            struct md_vec light = cast(lit, &viewpoint, md_vec_add(pose->forward, aside),
                                       pixel_slope, &frame->echoes[row * columns + column]);
            /* A lens gives less light aside: the fourth power of the cosine. */
            double cosine2 = 1 / (1 + right * right + down * down);
            struct md_vec *pixel = &frame->light[row / MD_RAYS * frame->width + column / MD_RAYS];
            *pixel =
                md_vec_add(*pixel, md_vec_scale(light, cosine2 * cosine2 / (MD_RAYS * MD_RAYS)));
        }
}

/* ---- The picture ---- */

static uint8_t to_byte(const struct md_world *world, double light, struct md_random *random) {
    const double gamma = 2.2;
    double deviation = sqrt(world->read_noise * world->read_noise + world->shot_noise * light);
    light = fmin(fmax(light + deviation * md_random_normal(random), 0), 1);
    return (uint8_t)(255 * pow(light, 1 / gamma) + 0.5);
}

void md_camera_expose(const struct md_world *world, struct md_frame *frame, struct md_random random,
                      uint8_t *picture) {
    int pixels = frame->height * frame->width;
    double mean = 1e-6;
    for (int i = 0; i < pixels; i++)
        mean += fmin(brightness(frame->light[i]), 1) / pixels;
    double gain = pow(world->exposure / mean, world->adaptation);
    for (int i = 0; i < pixels; i++) {
        struct md_vec colour = md_vec_scale(frame->light[i], gain);
        double grey = brightness(colour) * (1 - world->saturation);
        picture[i] = to_byte(world, grey + world->saturation * colour.x, &random);
        picture[pixels + i] = to_byte(world, grey + world->saturation * colour.y, &random);
        picture[2 * pixels + i] = to_byte(world, grey + world->saturation * colour.z, &random);
    }
}

/* ---- Depth ---- */

void md_camera_depth(const struct md_frame *frame, float *depth_m) {
    int columns = MD_RAYS * frame->width;
    for (int row = 0; row < frame->height; row++)
        for (int column = 0; column < frame->width; column++) {
            const struct md_echo *first =
                &frame->echoes[MD_RAYS * row * columns + MD_RAYS * column];
            double inverse = 0;
            for (int i = 0; i < MD_RAYS * MD_RAYS; i++)
                inverse += 1 / first[i / MD_RAYS * columns + i % MD_RAYS].depth_m;
            depth_m[row * frame->width + column] = (float)(MD_RAYS * MD_RAYS / inverse);
        }
}

/* ---- The sensor ---- */

static void gather(const struct md_frame *frame, int zones, int zone, struct md_returns *returns) {
    int rows = MD_RAYS * frame->height, columns = MD_RAYS * frame->width;
    int zone_row = zone / zones, zone_column = zone % zones;
    *returns = (struct md_returns){.rays = 0};
    for (int row = zone_row * rows / zones; row < (zone_row + 1) * rows / zones; row++)
        for (int column = zone_column * columns / zones;
             column < (zone_column + 1) * columns / zones; column++) {
            const struct md_echo *echo = &frame->echoes[row * columns + column];
            md_returns_add(returns, echo->depth_m, echo->strength);
        }
}

void md_sensor_read(const struct md_sensor *sensor, const struct md_frame *frame,
                    struct md_random random, float *depth_m) {
    for (int zone = 0; zone < sensor->zones * sensor->zones; zone++) {
        struct md_returns returns;
        struct md_reading reading;
        gather(frame, sensor->zones, zone, &returns);
        md_sensor_report(sensor, &returns, &random, &reading);
        depth_m[zone] = md_reading_depth(&reading, MD_TARGET_AUTO);
    }
}
