#include "kitti_camera.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../base/file.h"

/* Beyond these a calibration is a mistake. */
#define MAX_FOCAL    1e5 /* pixels */
#define MAX_BASELINE 10. /* metres */

/* ---- calibration text ------------------------------------------------------------------------ */

/* Reads exactly `count` finite numbers. */
static int parse_numbers(const char *key, char *text, int count, double *values,
                         struct md_error *error) {
    int found = 0;
    for (char *rest = NULL, *token = strtok_r(text, " \t", &rest); token;
         token = strtok_r(NULL, " \t", &rest), found++) {
        double value;
        if (md_parse_real(token, &value) != 0)
            return md_fail(error, MD_FAILED, "%s: expected finite numbers, found \"%.60s\"", key,
                           token);
        if (found < count)
            values[found] = value;
    }
    if (found != count)
        return md_fail(error, MD_FAILED, "%s: expected %d numbers, found %d", key, count, found);
    return MD_OK;
}

/* Reads the numbers of the first line `key: ...`. */
static int read_key(const char *path, const char *key, int count, double *values,
                    struct md_error *error) {
    const size_t length = strlen(key);
    struct md_text text;
    MD_TRY(md_text_open(path, &text, error));
    int status = MD_OK;
    char *line;
    while ((line = md_text_line(&text)) && (strncmp(line, key, length) != 0 || line[length] != ':'))
        continue;
    if (!line)
        status =
            md_fail(error, MD_FAILED, "%s: expected a line \"%s: ...\", found none", path, key);
    else if ((status = parse_numbers(key, line + length + 1, count, values, error)) != MD_OK)
        md_fail_at_line(error, status, path, text.line);
    md_text_close(&text);
    return status;
}

/* A rectified camera: [f 0 cx tx; 0 f cy ty; 0 0 1 tz]. */
static int read_projection(const char *path, const char *key, double matrix[3][4],
                           struct md_error *error) {
    MD_TRY(read_key(path, key, 12, &matrix[0][0], error));
    const double *last = matrix[2], x = matrix[0][0], y = matrix[1][1];
    if (!(x >= 1 && x <= MAX_FOCAL && y >= 1 && y <= MAX_FOCAL))
        return md_fail(error, MD_FAILED,
                       "%s: %s: expected focal lengths of 1 to %g pixels, found %g and %g", path,
                       key, MAX_FOCAL, x, y);
    if (!(last[0] == 0 && last[1] == 0 && last[2] == 1))
        return md_fail(error, MD_FAILED, "%s: %s: expected a last row 0 0 1 z, found %g %g %g %g",
                       path, key, last[0], last[1], last[2], last[3]);
    return MD_OK;
}

/* The files give seven digits; what is far from a rotation is no calibration. */
static int check_rotation(const char *path, const char *key, double matrix[3][4],
                          struct md_error *error) {
    const double tolerance = 1e-3;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            double product = 0;
            for (int k = 0; k < 3; k++)
                product += matrix[i][k] * matrix[j][k];
            if (!(fabs(product - (i == j)) < tolerance))
                return md_fail(error, MD_FAILED,
                               "%s: %s: expected a rotation, found rows %d and %d with the product "
                               "%g",
                               path, key, i + 1, j + 1, product);
        }
    return MD_OK;
}

static int read_rotation(const char *path, const char *key, double matrix[3][4],
                         struct md_error *error) {
    double values[9];
    MD_TRY(read_key(path, key, 9, values, error));
    for (int i = 0; i < 9; i++)
        matrix[i / 3][i % 3] = values[i];
    return check_rotation(path, key, matrix, error);
}

/* [R|T] in one line or in two. */
static int read_rigid(const char *path, const struct md_kitti_keys *keys, double matrix[3][4],
                      struct md_error *error) {
    double translation[3];
    int status;
    if (keys->rigid) {
        status = read_key(path, keys->rigid, 12, &matrix[0][0], error);
        return status == MD_OK ? check_rotation(path, keys->rigid, matrix, error) : status;
    }
    status = read_rotation(path, keys->rotation, matrix, error);
    MD_THEN(status, read_key(path, keys->translation, 3, translation, error));
    for (int i = 0; i < 3 && status == MD_OK; i++)
        matrix[i][3] = translation[i];
    return status;
}

int md_kitti_focal_baseline(const char *path, const struct md_kitti_keys *keys, double *fb,
                            struct md_error *error) {
    double left[3][4], right[3][4];
    MD_TRY(read_projection(path, keys->projection[0], left, error));
    MD_TRY(read_projection(path, keys->projection[1], right, error));
    *fb = left[0][3] - right[0][3];
    double baseline = *fb / left[0][0];
    if (!(baseline > 0 && baseline <= MAX_BASELINE))
        return md_fail(error, MD_FAILED,
                       "%s: expected the camera of %s at most %g m to the right of that of %s, "
                       "found %g m",
                       path, keys->projection[1], MAX_BASELINE, keys->projection[0], baseline);
    return MD_OK;
}

/* ---- LiDAR scans ----------------------------------------------------------------------------- */

/* product = left * right, both with a row 0 0 0 1 below. */
static void multiply(double left[3][4], double right[3][4], double product[3][4]) {
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++) {
            product[i][j] = j == 3 ? left[i][3] : 0;
            for (int k = 0; k < 3; k++)
                product[i][j] += left[i][k] * right[k][j];
        }
}

int md_kitti_lidar_matrix(const char *cameras, const char *lidar, const struct md_kitti_keys *keys,
                          int camera, double matrix[3][4], struct md_error *error) {
    double projection[3][4], rectification[3][4] = {{0}}, rigid[3][4] = {{0}}, rectified[3][4];
    MD_TRY(read_projection(cameras, keys->projection[camera], projection, error));
    MD_TRY(read_rotation(cameras, keys->rectification, rectification, error));
    MD_TRY(read_rigid(lidar, keys, rigid, error));
    multiply(rectification, rigid, rectified);
    multiply(projection, rectified, matrix);
    return MD_OK;
}

/* Returns whether the point lies in the picture. */
static int project_point(double matrix[3][4], const float point[4], struct md_depth_map *map) {
    double p[3];
    for (int i = 0; i < 3; i++)
        p[i] = matrix[i][0] * (double)point[0] + matrix[i][1] * (double)point[1] +
               matrix[i][2] * (double)point[2] + matrix[i][3];
    if (!(point[0] >= 0) || !(p[2] > 0 && p[2] <= FLT_MAX))
        return 0;
    double column = rint(p[0] / p[2] - 1), row = rint(p[1] / p[2] - 1);
    if (!(column >= 0 && column < map->width && row >= 0 && row < map->height))
        return 0;
    float *depth_m = &map->depth_m[(size_t)row * (size_t)map->width + (size_t)column];
    if (*depth_m == MD_NO_DEPTH || (float)p[2] < *depth_m)
        *depth_m = (float)p[2];
    return 1;
}

int md_kitti_project(const char *scan, double matrix[3][4], struct md_depth_map *map,
                     struct md_error *error) {
    enum { POINT_BYTES = 16 };
    struct md_file file;
    size_t seen = 0;
    MD_TRY(md_file_read(scan, &file, error));
    int status = MD_OK;
    if (file.size == 0 || file.size % POINT_BYTES != 0)
        status = md_fail(error, MD_FAILED,
                         "%s: expected points of %d bytes (float32 x, y, z, reflectance), found "
                         "%zu bytes",
                         scan, POINT_BYTES, file.size);
    for (size_t at = 0; at < file.size && status == MD_OK; at += POINT_BYTES) {
        float point[4];
        memcpy(point, file.bytes + at, sizeof point); /* little-endian, as all our hosts are */
        seen += (size_t)project_point(matrix, point, map);
    }
    md_file_free(&file);
    if (status == MD_OK && seen == 0)
        status = md_fail(error, MD_FAILED,
                         "%s: expected points that the camera sees, found none: the scan or its "
                         "calibration is wrong",
                         scan);
    return status;
}
