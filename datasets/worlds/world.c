#include "world.h"

#include <float.h>
#include <math.h>
#include <stddef.h>

/* ---- A group's own coordinates ---- */

static struct md_vec turned_in(const struct md_group *group, struct md_vec world) {
    return (struct md_vec){world.x * group->cosine + world.y * group->sine,
                           world.y * group->cosine - world.x * group->sine, world.z};
}

static struct md_vec turned_out(const struct md_group *group, struct md_vec local) {
    return (struct md_vec){local.x * group->cosine - local.y * group->sine,
                           local.x * group->sine + local.y * group->cosine, local.z};
}

static struct md_vec lower(struct md_vec a, struct md_vec b) {
    return (struct md_vec){fmin(a.x, b.x), fmin(a.y, b.y), fmin(a.z, b.z)};
}

static struct md_vec upper(struct md_vec a, struct md_vec b) {
    return (struct md_vec){fmax(a.x, b.x), fmax(a.y, b.y), fmax(a.z, b.z)};
}

int md_scene_add_group(struct md_scene *scene, struct md_vec origin, double cosine, double sine) {
    if (scene->group_count == MD_MOST_GROUPS)
        return 0;
    const struct md_vec most = {DBL_MAX, DBL_MAX, DBL_MAX}, least = md_vec_scale(most, -1);
    scene->groups[scene->group_count++] = (struct md_group){.origin = origin,
                                                            .cosine = cosine,
                                                            .sine = sine,
                                                            .low = most,
                                                            .high = least,
                                                            .world_low = most,
                                                            .world_high = least,
                                                            .first = scene->solid_count};
    return 1;
}

int md_scene_add_solid(struct md_scene *scene, const struct md_solid *solid) {
    if (scene->solid_count == MD_MOST_SOLIDS)
        return 0;
    struct md_group *group = &scene->groups[scene->group_count - 1];
    scene->solids[scene->solid_count++] = *solid;
    group->count++;
    group->low = lower(group->low, solid->low);
    group->high = upper(group->high, solid->high);
    for (int corner = 0; corner < 4; corner++) {
        struct md_vec local = {corner & 1 ? solid->high.x : solid->low.x,
                               corner & 2 ? solid->high.y : solid->low.y, solid->low.z};
        struct md_vec foot = md_vec_add(group->origin, turned_out(group, local)), head = foot;
        head.z += solid->high.z - solid->low.z;
        group->world_low = lower(group->world_low, foot);
        group->world_high = upper(group->world_high, head);
    }
    return 1;
}

/* ---- Rays. A ray is point + reach * direction; no hit is a reach of DBL_MAX. ---- */

struct ray {
    struct md_vec point, direction, inverse; /* inverse = 1 / direction */
};

/* A ray exactly along a wall has no inverse; a hair's breadth beside it has. */
static double inverse_of(double x) {
    return 1 / (fabs(x) < 1e-12 ? 1e-12 : x);
}

static struct md_vec inverses_of(struct md_vec v) {
    return (struct md_vec){inverse_of(v.x), inverse_of(v.y), inverse_of(v.z)};
}

static double smaller(double a, double b) {
    return a < b ? a : b;
}

static double larger(double a, double b) {
    return a > b ? a : b;
}

/* Where the ray enters the box; 0 when it starts inside. */
static double box_reach(const struct ray *ray, struct md_vec low, struct md_vec high) {
    double x0 = (low.x - ray->point.x) * ray->inverse.x;
    double x1 = (high.x - ray->point.x) * ray->inverse.x;
    double y0 = (low.y - ray->point.y) * ray->inverse.y;
    double y1 = (high.y - ray->point.y) * ray->inverse.y;
    double z0 = (low.z - ray->point.z) * ray->inverse.z;
    double z1 = (high.z - ray->point.z) * ray->inverse.z;
    double enter = larger(larger(smaller(x0, x1), smaller(y0, y1)), larger(smaller(z0, z1), 0));
    double leave = smaller(smaller(larger(x0, x1), larger(y0, y1)), larger(z0, z1));
    return enter <= leave ? enter : DBL_MAX;
}

/* The smaller root of a x^2 + 2 b x + c = 0 where it is positive. */
static double first_root(double a, double b, double c) {
    double square = b * b - a * c;
    if (square < 0 || a <= 0)
        return DBL_MAX;
    double root = (-b - sqrt(square)) / a;
    return root > 0 ? root : DBL_MAX;
}

static double sphere_reach(const struct ray *ray, const struct md_solid *solid) {
    double radius = (solid->high.x - solid->low.x) / 2;
    struct md_vec centre = md_vec_scale(md_vec_add(solid->low, solid->high), 0.5);
    struct md_vec from = md_vec_sub(ray->point, centre);
    return first_root(md_vec_dot(ray->direction, ray->direction), md_vec_dot(from, ray->direction),
                      md_vec_dot(from, from) - radius * radius);
}

/* The mantle, or the disc above or below where the ray comes in through it. */
static double cylinder_reach(const struct ray *ray, const struct md_solid *solid) {
    double radius = (solid->high.x - solid->low.x) / 2;
    double x = ray->point.x - (solid->low.x + solid->high.x) / 2;
    double y = ray->point.y - (solid->low.y + solid->high.y) / 2;
    struct md_vec d = ray->direction;
    double mantle =
        first_root(d.x * d.x + d.y * d.y, x * d.x + y * d.y, x * x + y * y - radius * radius);
    double z = ray->point.z + mantle * d.z;
    if (mantle < DBL_MAX && z >= solid->low.z && z <= solid->high.z)
        return mantle;
    double disc = ((d.z < 0 ? solid->high.z : solid->low.z) - ray->point.z) * ray->inverse.z;
    double disc_x = x + disc * d.x, disc_y = y + disc * d.y;
    int inside = disc_x * disc_x + disc_y * disc_y <= radius * radius;
    return disc > 0 && inside ? disc : DBL_MAX;
}

static double solid_reach(const struct ray *ray, const struct md_solid *solid) {
    switch (solid->shape) {
    case MD_CYLINDER:
        return cylinder_reach(ray, solid);
    case MD_SPHERE:
        return sphere_reach(ray, solid);
    default:
        return box_reach(ray, solid->low, solid->high);
    }
}

/* The nearest solid of a group, nearer than `limit`; NULL when there is none. */
static const struct md_solid *group_cast(const struct md_scene *scene, const struct md_group *group,
                                         const struct ray *ray, double limit, double *reach) {
    const struct md_solid *nearest = NULL;
    if (box_reach(ray, group->low, group->high) >= limit)
        return NULL;
    for (int i = group->first; i < group->first + group->count; i++) {
        double found = solid_reach(ray, &scene->solids[i]);
        if (found < limit) {
            limit = found;
            nearest = &scene->solids[i];
        }
    }
    *reach = limit;
    return nearest;
}

/* Whether the ray comes near enough to the group: a quick look before the exact one. */
static int comes_near(const struct md_visible *visible, struct md_vec direction, double square) {
    double along = md_vec_dot(visible->centre, direction), radius = visible->radius_m;
    double outside = md_vec_dot(visible->centre, visible->centre) - radius * radius;
    return outside * square <= along * along;
}

static struct ray ray_in(const struct md_visible *visible, struct md_vec direction,
                         double inverse_z) {
    struct md_vec turned = turned_in(visible->group, direction);
    return (struct ray){
        visible->point, turned, {inverse_of(turned.x), inverse_of(turned.y), inverse_z}};
}

/* ---- What was hit ---- */

/* Unrolls a surface: upright ones keep z as v, so that bricks lie and stripes stand. */
static void lay_texture(struct md_hit *hit, struct md_vec normal, struct md_vec at) {
    int is_x = fabs(normal.x) > 0.5, is_z = fabs(normal.z) > 0.5;
    hit->u_m = is_x ? at.y : at.x;
    hit->v_m = is_z ? at.y : at.z;
}

static double sign(double x) {
    return x < 0 ? -1 : 1;
}

/* Of a point on a box: the axis along which it lies furthest out. */
static struct md_vec box_normal(const struct md_solid *solid, struct md_vec from_centre) {
    struct md_vec half = md_vec_scale(md_vec_sub(solid->high, solid->low), 0.5);
    double x = fabs(from_centre.x) - half.x, y = fabs(from_centre.y) - half.y,
           z = fabs(from_centre.z) - half.z;
    if (x >= y && x >= z)
        return (struct md_vec){sign(from_centre.x), 0, 0};
    if (y >= z)
        return (struct md_vec){0, sign(from_centre.y), 0};
    return (struct md_vec){0, 0, sign(from_centre.z)};
}

static struct md_vec solid_normal(const struct md_solid *solid, struct md_vec at) {
    struct md_vec centre = md_vec_scale(md_vec_add(solid->low, solid->high), 0.5);
    struct md_vec from = md_vec_sub(at, centre);
    double radius = (solid->high.x - solid->low.x) / 2;
    if (solid->shape == MD_BOX)
        return box_normal(solid, from);
    if (solid->shape == MD_SPHERE)
        return md_vec_scale(from, 1 / radius);
    if (from.x * from.x + from.y * from.y < radius * radius * (1 - 1e-9))
        return (struct md_vec){0, 0, sign(from.z)};
    return (struct md_vec){from.x / radius, from.y / radius, 0};
}

static struct md_hit shell_hit(const struct md_scene *scene, const struct ray *ray) {
    struct md_vec d = ray->direction, inverse = ray->inverse;
    double x = ((d.x < 0 ? 0 : scene->size.x) - ray->point.x) * inverse.x;
    double y = ((d.y < 0 ? 0 : scene->size.y) - ray->point.y) * inverse.y;
    double z = ((d.z < 0 ? 0 : scene->size.z) - ray->point.z) * inverse.z;
    int face = d.z < 0 ? MD_FLOOR : MD_CEILING;
    struct md_hit hit = {.reach = z, .normal = {0, 0, -sign(d.z)}};
    if (scene->is_open) {
        hit.is_sky = face == MD_CEILING;
        x = y = DBL_MAX;
    }
    if (y < hit.reach) {
        face = d.y < 0 ? MD_WALL_Y0 : MD_WALL_Y1;
        hit = (struct md_hit){.reach = y, .normal = {0, -sign(d.y), 0}};
    }
    if (x < hit.reach) {
        face = d.x < 0 ? MD_WALL_X0 : MD_WALL_X1;
        hit = (struct md_hit){.reach = x, .normal = {-sign(d.x), 0, 0}};
    }
    hit.material = &scene->shell[face];
    lay_texture(&hit, hit.normal, md_vec_add(ray->point, md_vec_scale(d, hit.reach)));
    return hit;
}

static struct md_hit solid_hit(const struct md_visible *visible, const struct md_solid *solid,
                               struct md_vec direction, double reach) {
    struct md_hit hit = {.reach = reach, .material = &solid->material};
    struct md_vec turned = turned_in(visible->group, direction);
    struct md_vec at = md_vec_add(visible->point, md_vec_scale(turned, reach));
    struct md_vec normal = solid_normal(solid, at);
    hit.normal = turned_out(visible->group, normal);
    lay_texture(&hit, normal, at);
    return hit;
}

/* ---- The viewpoint ---- */

static int in_cone(const struct md_visible *visible, struct md_vec forward, double cosine) {
    double along = md_vec_dot(visible->centre, forward);
    double square = md_vec_dot(visible->centre, visible->centre) - along * along;
    double sine = sqrt(1 - cosine * cosine);
    /* The distance of the centre from the cone's mantle, and the part behind its tip. */
    double outside = sqrt(larger(square, 0)) * cosine - along * sine;
    return cosine <= -1 || (outside <= visible->radius_m && along > -visible->radius_m);
}

static double box_distance(struct md_vec point, struct md_vec low, struct md_vec high) {
    double x = larger(larger(low.x - point.x, point.x - high.x), 0);
    double y = larger(larger(low.y - point.y, point.y - high.y), 0);
    double z = larger(larger(low.z - point.z, point.z - high.z), 0);
    return sqrt(x * x + y * y + z * z);
}

void md_viewpoint_open(struct md_viewpoint *viewpoint, const struct md_scene *scene,
                       struct md_vec point, struct md_vec forward, double cosine) {
    viewpoint->scene = scene;
    viewpoint->point = point;
    viewpoint->count = 0;
    for (int i = 0; i < scene->group_count; i++) {
        const struct md_group *group = &scene->groups[i];
        struct md_vec centre = md_vec_scale(md_vec_add(group->world_low, group->world_high), 0.5);
        struct md_vec half = md_vec_sub(group->world_high, centre);
        struct md_visible visible = {.group = group,
                                     .point = turned_in(group, md_vec_sub(point, group->origin)),
                                     .centre = md_vec_sub(centre, point),
                                     .radius_m = sqrt(md_vec_dot(half, half))};
        if (!in_cone(&visible, forward, cosine))
            continue;
        visible.near_m = box_distance(visible.point, group->low, group->high);
        int at = viewpoint->count++;
        for (; at > 0 && viewpoint->visible[at - 1].near_m > visible.near_m; at--)
            viewpoint->visible[at] = viewpoint->visible[at - 1];
        viewpoint->visible[at] = visible;
    }
}

struct md_hit md_viewpoint_cast(const struct md_viewpoint *viewpoint, struct md_vec direction) {
    struct ray world = {viewpoint->point, direction, inverses_of(direction)};
    struct md_hit shell = shell_hit(viewpoint->scene, &world);
    double reach = shell.reach, square = md_vec_dot(direction, direction), length = sqrt(square);
    const struct md_visible *visible = viewpoint->visible, *seen = NULL;
    const struct md_solid *nearest = NULL;
    for (int i = 0; i < viewpoint->count && visible->near_m < reach * length; i++, visible++) {
        if (!comes_near(visible, direction, square))
            continue;
        struct ray ray = ray_in(visible, direction, world.inverse.z);
        const struct md_solid *solid =
            group_cast(viewpoint->scene, visible->group, &ray, reach, &reach);
        if (solid != NULL) {
            nearest = solid;
            seen = visible;
        }
    }
    return nearest == NULL ? shell : solid_hit(seen, nearest, direction, reach);
}

int md_viewpoint_blocked(const struct md_viewpoint *viewpoint, struct md_vec target) {
    const double short_of_it = 1 - 1e-6; /* the surface at the target does not block itself */
    struct md_vec direction = md_vec_sub(target, viewpoint->point);
    double square = md_vec_dot(direction, direction), length = sqrt(square);
    double inverse_z = inverse_of(direction.z), reach;
    const struct md_visible *visible = viewpoint->visible;
    for (int i = 0; i < viewpoint->count && visible->near_m < length; i++, visible++) {
        if (!comes_near(visible, direction, square))
            continue;
        struct ray ray = ray_in(visible, direction, inverse_z);
        if (group_cast(viewpoint->scene, visible->group, &ray, short_of_it, &reach) != NULL)
            return 1;
    }
    return 0;
}

/* ---- Clearance ---- */

static double cylinder_distance(struct md_vec point, const struct md_solid *solid) {
    double x = point.x - (solid->low.x + solid->high.x) / 2;
    double y = point.y - (solid->low.y + solid->high.y) / 2;
    double side = sqrt(x * x + y * y) - (solid->high.x - solid->low.x) / 2;
    double above = larger(solid->low.z - point.z, point.z - solid->high.z);
    if (side < 0 && above < 0)
        return larger(side, above);
    return sqrt(larger(side, 0) * larger(side, 0) + larger(above, 0) * larger(above, 0));
}

static double solid_distance(struct md_vec point, const struct md_solid *solid) {
    struct md_vec centre = md_vec_scale(md_vec_add(solid->low, solid->high), 0.5);
    struct md_vec from = md_vec_sub(point, centre), half = md_vec_sub(solid->high, centre);
    if (solid->shape == MD_CYLINDER)
        return cylinder_distance(point, solid);
    if (solid->shape == MD_SPHERE)
        return sqrt(md_vec_dot(from, from)) - half.x;
    double inside =
        larger(larger(fabs(from.x) - half.x, fabs(from.y) - half.y), fabs(from.z) - half.z);
    return inside < 0 ? inside : box_distance(point, solid->low, solid->high);
}

double md_scene_clearance(const struct md_scene *scene, struct md_vec point) {
    struct md_vec size = scene->size;
    double clearance = point.z;
    if (!scene->is_open)
        clearance =
            smaller(smaller(smaller(point.x, size.x - point.x), smaller(point.y, size.y - point.y)),
                    smaller(point.z, size.z - point.z));
    for (int g = 0; g < scene->group_count; g++) {
        const struct md_group *group = &scene->groups[g];
        struct md_vec local = turned_in(group, md_vec_sub(point, group->origin));
        if (box_distance(local, group->low, group->high) > clearance)
            continue;
        for (int i = group->first; i < group->first + group->count; i++)
            clearance = smaller(clearance, solid_distance(local, &scene->solids[i]));
    }
    return clearance;
}
