#include "sample.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../base/digest.h"
#include "readers.h"
#include "sensor.h"

const char *const md_label_grid_names[] = {"dense", "tof8", NULL};
const char *const md_alignment_names[] = {"crop", "pad", NULL};
const char *const md_truth_kind_names[] = {"full", "label", NULL};
const char *const md_evaluation_crop_names[] = {"none", "garg", "eigen", "nyu", NULL};
const char *const md_depth_source_names[] = {"auto", "groundtruth", "velodyne_raw", "lidar", NULL};
const char *const md_target_names[] = {"auto", "nearest", "farthest", "both", NULL};
const char *const md_statuses_names[] = {"valid", "certain", "likely", NULL};
const char *const md_picture_part_names[] = {"square", "whole", NULL};

/* ---- one sample ------------------------------------------------------------------------------ */

void md_sample_free(struct md_sample *sample) {
    free(sample->name);
    free(sample->picture);
    free(sample->depth_m);
    free(sample->disparity);
    free(sample->truth_m);
    free(sample->right_picture);
    free(sample->right_depth_m);
    free(sample->right_disparity);
    *sample = (struct md_sample){0};
}

struct md_sample md_sample_right(const struct md_sample *sample) {
    struct md_sample right = *sample;
    right.picture = sample->right_picture;
    right.depth_m = sample->right_depth_m;
    right.disparity = sample->right_disparity;
    right.right_picture = NULL;
    right.right_depth_m = right.right_disparity = NULL;
    return right;
}

float md_depth_code_m(uint16_t code, double per_m) {
    return code == 0 || code == MD_DEPTH_CODE_FAR ? MD_NO_DEPTH : (float)(code / per_m);
}

uint16_t md_depth_code(float depth_m, double per_m) {
    const double code = depth_m > 0 ? floor((double)depth_m * per_m + 0.5) : 0;
    return code < MD_DEPTH_CODE_FAR ? (uint16_t)code : MD_DEPTH_CODE_FAR;
}

/* Compared in float, as readings are: 20 mm is not nearer than 0.02 m. A NaN fails both. */
float md_valid_depth(const struct md_data_spec *spec, float depth_m) {
    bool valid = depth_m >= (float)spec->min_depth_m && depth_m < (float)spec->max_depth_m;
    return valid ? depth_m : MD_NO_DEPTH;
}

float md_target_depth(enum md_target_choice choice, int count, const float *depth_m) {
    float nearest_m = INFINITY, farthest_m = MD_NO_DEPTH, sum_m = 0;
    int valid = 0;
    for (int i = 0; i < count; i++)
        if (depth_m[i] != MD_NO_DEPTH) {
            nearest_m = fminf(nearest_m, depth_m[i]);
            farthest_m = fmaxf(farthest_m, depth_m[i]);
            sum_m += depth_m[i];
            valid++;
        }
    if (valid == 0)
        return MD_NO_DEPTH;
    return choice == MD_TARGET_FARTHEST ? farthest_m
           : choice == MD_TARGET_BOTH   ? sum_m / (float)valid
                                        : nearest_m;
}

int md_zone_has_value(const struct md_data_spec *spec, int64_t targets, int64_t status) {
    static const unsigned counting[] = {[MD_STATUS_VALID] = 1u << 5 | 1u << 9,
                                        [MD_STATUS_CERTAIN] = 1u << 5,
                                        [MD_STATUS_LIKELY] =
                                            1u << 5 | 1u << 6 | 1u << 9 | 1u << 10};
    return targets == 1 && status >= 0 && status < 32 &&
           (counting[spec->statuses] >> status & 1u) != 0;
}

float md_zone_depth(const struct md_data_spec *spec, int64_t distance_mm, int64_t targets,
                    int64_t status) {
    return md_zone_has_value(spec, targets, status)
               ? md_valid_depth(spec, (float)distance_mm / 1000.0f)
               : MD_NO_DEPTH;
}

float md_dense_depth(const struct md_data_spec *spec, float depth_m) {
    bool valid = depth_m >= (float)spec->min_depth_m && depth_m <= (float)spec->max_depth_m;
    return valid ? depth_m : MD_NO_DEPTH;
}

/* ---- which zones are kept -------------------------------------------------------------------- */

static int compare_depths(const void *a, const void *b) {
    float x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

float md_fuse_zone(const struct md_data_spec *spec, int count, float *depth_m) {
    if (count == 0 || (spec->gate_frames > 0 && count < 2))
        return MD_NO_DEPTH;
    qsort(depth_m, (size_t)count, sizeof *depth_m, compare_depths);
    float median = (depth_m[(count - 1) / 2] + depth_m[count / 2]) / 2;
    bool agree = depth_m[count - 1] - depth_m[0] <= (float)spec->gate_frames * median;
    return spec->gate_frames > 0 && !agree ? MD_NO_DEPTH : median;
}

/* Whether at least half of the values around (row, column) are near its own. */
static bool has_company(double most, int height, int width, const float *depth_m, int row,
                        int column) {
    const float here = depth_m[row * width + column];
    int values = 0, near = 0;
    for (int y = row > 0 ? row - 1 : 0; y <= row + 1 && y < height; y++)
        for (int x = column > 0 ? column - 1 : 0; x <= column + 1 && x < width; x++) {
            const float there = depth_m[y * width + x];
            if (there == MD_NO_DEPTH || (y == row && x == column))
                continue;
            values++;
            near += fabsf(there - here) <= (float)most * here;
        }
    return values > 0 && 2 * near >= values;
}

void md_gate(double most, int height, int width, float *depth_m, float *scratch) {
    memcpy(scratch, depth_m, (size_t)height * (size_t)width * sizeof *scratch);
    for (int row = 0; row < height; row++)
        for (int column = 0; column < width; column++)
            if (!has_company(most, height, width, scratch, row, column))
                depth_m[row * width + column] = MD_NO_DEPTH;
}

size_t md_valid_zones(const struct md_sample *sample) {
    size_t valid = 0;
    for (int i = 0; i < sample->depth_height * sample->depth_width; i++)
        valid += sample->depth_m[i] != MD_NO_DEPTH;
    return valid;
}
