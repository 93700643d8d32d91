/* Scenes to fly or drive through: a hall, or the ground under an open sky, furnished with groups of
 * simple solids and lit by lamps or the sun; rays through it, and how far a point is from
 * everything.
 *
 * Lengths are metres; x and y lie on the floor, z points up, the floor is z = 0. Colours are linear
 * RGB albedos in [0, 1] kept in a vector. What scenes look like is decided in rooms.c and
 * street.c. */
#ifndef MD_WORLDS_WORLD_H
#define MD_WORLDS_WORLD_H

#include <stdint.h>

struct md_vec {
    double x, y, z;
};

static inline struct md_vec md_vec_add(struct md_vec a, struct md_vec b) {
    return (struct md_vec){a.x + b.x, a.y + b.y, a.z + b.z};
}
static inline struct md_vec md_vec_sub(struct md_vec a, struct md_vec b) {
    return (struct md_vec){a.x - b.x, a.y - b.y, a.z - b.z};
}
static inline struct md_vec md_vec_scale(struct md_vec a, double factor) {
    return (struct md_vec){a.x * factor, a.y * factor, a.z * factor};
}
static inline struct md_vec md_vec_mul(struct md_vec a, struct md_vec b) {
    return (struct md_vec){a.x * b.x, a.y * b.y, a.z * b.z};
}
static inline double md_vec_dot(struct md_vec a, struct md_vec b) {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

enum md_texture {
    MD_PLAIN,
    MD_CHECKS,
    MD_STRIPES, /* upright, `scale_m` wide */
    MD_BRICKS,  /* `scale_m` high, twice as long */
    MD_PLANKS,  /* `scale_m` wide, ten times as long */
    MD_MOTTLED, /* smooth noise with lumps of `scale_m` */
    MD_PATCHES, /* squares of `scale_m`, each of its own shade: posters, books, carpets */
    MD_WINDOWS  /* rows of upright ones, `scale_m` from each to the next */
};

struct md_material {
    enum md_texture texture;
    struct md_vec first, second; /* the texture mixes these two */
    double scale_m;
    double skirting_m; /* a dark strip this high at the bottom */
    double emission;   /* light it sends out by itself, as radiance of its colour */
    uint32_t variant;  /* two materials that differ in this only have other knots and stains */
};

enum md_solid_shape { MD_BOX, MD_CYLINDER, MD_SPHERE };

/* The solid that fits into the box between two corners, in the coordinates of its group. A
 * cylinder stands upright; it and a sphere are as wide as the box along x. */
struct md_solid {
    enum md_solid_shape shape;
    struct md_vec low, high;
    struct md_material material;
};

/* A few solids that stand together: a table, a shelf, a section of a wall. Turned by (cosine, sine)
 * about the upright axis and then moved to `origin`. */
struct md_group {
    struct md_vec origin;
    double cosine, sine;
    struct md_vec low, high;             /* the box round its solids, in its own coordinates */
    struct md_vec world_low, world_high; /* the box round it, in the world's */
    int first, count;                    /* its part of md_scene.solids */
};

struct md_light {
    struct md_vec position;
    struct md_vec power; /* irradiance at one metre */
};

enum { MD_MOST_GROUPS = 160, MD_MOST_SOLIDS = 640, MD_MOST_LIGHTS = 9 };
enum { MD_WALL_X0, MD_WALL_X1, MD_WALL_Y0, MD_WALL_Y1, MD_FLOOR, MD_CEILING, MD_SHELL_FACES };

struct md_scene {
    struct md_vec size;                       /* the hall is [0, size] */
    int is_open;                              /* no walls, and the sky for a ceiling */
    struct md_vec drive[2];                   /* where an open scene is driven through, both ends */
    struct md_material shell[MD_SHELL_FACES]; /* of its walls, floor and ceiling */
    struct md_group groups[MD_MOST_GROUPS];
    struct md_solid solids[MD_MOST_SOLIDS];
    struct md_light lights[MD_MOST_LIGHTS];
    int group_count, solid_count, light_count;
    struct md_vec ambient;
};

/* A scene as seen from one point: every group's coordinates of that point, nearest group first.
 * Camera rays share such a point, and so do the shadow rays of one lamp. */
struct md_viewpoint {
    const struct md_scene *scene;
    struct md_vec point;
    int count;
    struct md_visible { /* a group, as seen from the point */
        const struct md_group *group;
        struct md_vec point;  /* in the group's coordinates */
        double near_m;        /* nothing of the group is nearer */
        struct md_vec centre; /* of a sphere round the group, seen from the point, in the world's */
        double radius_m;
    } visible[MD_MOST_GROUPS];
};

struct md_hit {
    double reach; /* the ray meets the surface at point + reach * direction */
    int is_sky;   /* no surface: `reach` is where the clouds are drawn */
    struct md_vec normal;
    const struct md_material *material;
    double u_m, v_m; /* where on the surface, for its texture */
};

/* Appends an empty group at `origin`, turned; then its solids, one by one. Both return 0 when the
 * scene is full, and then leave it as it was. */
int md_scene_add_group(struct md_scene *scene, struct md_vec origin, double cosine, double sine);
int md_scene_add_solid(struct md_scene *scene, const struct md_solid *solid);

/* Makes the view of `scene` from `point`: the groups that a cone about `forward` (a unit vector)
 * with the given cosine of its half angle touches; a cosine of -1 sees all. */
void md_viewpoint_open(struct md_viewpoint *viewpoint, const struct md_scene *scene,
                       struct md_vec point, struct md_vec forward, double cosine);

/* The first surface along `direction` (of any length but 0; inside the viewpoint's cone). There
 * always is one: a hall is closed, and above an open scene is the sky. */
struct md_hit md_viewpoint_cast(const struct md_viewpoint *viewpoint, struct md_vec direction);

/* Whether a group stands between the viewpoint and `target`. */
int md_viewpoint_blocked(const struct md_viewpoint *viewpoint, struct md_vec target);

/* How far `point` is from the nearest surface; negative inside a solid, outside the hall or under
 * the ground. */
double md_scene_clearance(const struct md_scene *scene, struct md_vec point);

/* The albedo at (u, v); details smaller than `footprint_m` are averaged away. */
struct md_vec md_material_albedo(const struct md_material *material, double u_m, double v_m,
                                 double footprint_m);

#endif
