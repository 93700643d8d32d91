#include "sample.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "readers.h"
#include "sensor.h"

const char *const md_label_grid_names[] = {"dense", "tof8", NULL};
const char *const md_alignment_names[] = {"crop", "pad", NULL};
const char *const md_truth_kind_names[] = {"full", "label", NULL};
const char *const md_evaluation_crop_names[] = {"none", "garg", "eigen", "nyu", NULL};
const char *const md_depth_source_names[] = {"auto", "groundtruth", "velodyne_raw", "lidar", NULL};
const char *const md_picture_part_names[] = {"square", "whole", NULL};

int md_watch_tell(const struct md_watch *watch, const char *what, double done, double all) {
    return watch != NULL && watch->tell(watch->context, what, done, all);
}

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

int md_zone_has_value(int64_t targets, int64_t status) {
    return (status == 5 || status == 9) && targets == 1;
}

float md_zone_depth(const struct md_data_spec *spec, int64_t distance_mm, int64_t targets,
                    int64_t status) {
    return md_zone_has_value(targets, status) ? md_valid_depth(spec, (float)distance_mm / 1000.0f)
                                              : MD_NO_DEPTH;
}

float md_dense_depth(const struct md_data_spec *spec, float depth_m) {
    bool valid = depth_m >= (float)spec->min_depth_m && depth_m <= (float)spec->max_depth_m;
    return valid ? depth_m : MD_NO_DEPTH;
}

/* ---- digest ---------------------------------------------------------------------------------- */

static void digest_sample(XXH3_state_t *state, const struct md_dataset *dataset,
                          const struct md_sample *sample) {
    const size_t zones = (size_t)sample->depth_height * (size_t)sample->depth_width;
    const size_t bytes = 3 * (size_t)dataset->height * (size_t)dataset->width;
    const int32_t shape[] = {dataset->height, dataset->width, sample->depth_height,
                             sample->depth_width};
    XXH3_128bits_update(state, shape, sizeof shape);
    XXH3_128bits_update(state, &sample->fb, sizeof sample->fb);
    XXH3_128bits_update(state, sample->picture, bytes);
    XXH3_128bits_update(state, sample->depth_m, zones * sizeof *sample->depth_m);
    XXH3_128bits_update(state, sample->disparity, zones * sizeof *sample->disparity);
    if (sample->truth_m) {
        const int32_t size[] = {sample->truth_height, sample->truth_width};
        XXH3_128bits_update(state, size, sizeof size);
        XXH3_128bits_update(state, sample->truth_m,
                            (size_t)size[0] * (size_t)size[1] * sizeof *sample->truth_m);
    }
    if (sample->right_picture) {
        XXH3_128bits_update(state, sample->right_picture, bytes);
        XXH3_128bits_update(state, sample->right_depth_m, zones * sizeof *sample->depth_m);
        XXH3_128bits_update(state, sample->right_disparity, zones * sizeof *sample->disparity);
    }
}

static int digest(struct md_dataset *dataset, struct md_error *error) {
    XXH3_state_t *state = XXH3_createState();
    if (!state || XXH3_128bits_reset(state) != XXH_OK) {
        XXH3_freeState(state);
        return md_fail(error, MD_FAILED, "out of memory for the digest");
    }
    for (size_t i = 0; i < dataset->count; i++)
        digest_sample(state, dataset, &dataset->samples[i]);
    md_digest_text(XXH3_128bits_digest(state), dataset->digest);
    XXH3_freeState(state);
    return MD_OK;
}

/* ---- all samples ----------------------------------------------------------------------------- */

size_t md_valid_zones(const struct md_sample *sample) {
    size_t valid = 0;
    for (int i = 0; i < sample->depth_height * sample->depth_width; i++)
        valid += sample->depth_m[i] != MD_NO_DEPTH;
    return valid;
}

static int read_samples(struct md_source *source, const struct md_watch *watch,
                        struct md_dataset *dataset, struct md_error *error) {
    dataset->samples = calloc(source->count, sizeof *dataset->samples);
    if (!dataset->samples)
        return md_fail(error, MD_FAILED, "out of memory for %zu samples", source->count);
    for (size_t i = 0; i < source->count; i++) {
        struct md_sample *sample = &dataset->samples[dataset->count];
        if (md_watch_tell(watch, "reading", (double)i, (double)source->count))
            return md_fail(error, MD_FAILED, "interrupted while reading the set %s",
                           source->spec.set);
        int status = md_source_read(source, i, sample, error);
        if (status != MD_OK)
            return status;
        if (md_valid_zones(sample) >= (size_t)source->spec.min_zones) {
            dataset->count++;
        } else {
            md_unused_add(&dataset->unused, MD_UNUSED_ZONES, sample->name);
            md_sample_free(sample);
        }
    }
    if (dataset->count == 0)
        return md_fail(error, MD_FAILED,
                       "set %s, split %s: none of the %zu pictures has the %d valid zones of "
                       "min_zones",
                       source->spec.set, source->spec.split, source->count, source->spec.min_zones);
    return digest(dataset, error);
}

int md_dataset_open(const struct md_data_spec *spec, int height, int width,
                    const struct md_watch *watch, struct md_dataset *dataset,
                    struct md_error *error) {
    struct md_source source;
    *dataset = (struct md_dataset){.height = height, .width = width};
    int status = md_source_open(spec, height, width, &source, error);
    if (status == MD_OK) {
        dataset->unused = source.unused;
        if (source.reader->mix)
            source.reader->mix(&source, dataset->mix);
        status = read_samples(&source, watch, dataset, error);
        md_source_close(&source);
    }
    if (status != MD_OK)
        md_dataset_close(dataset);
    return status;
}

void md_dataset_close(struct md_dataset *dataset) {
    for (size_t i = 0; i < dataset->count; i++)
        md_sample_free(&dataset->samples[i]);
    free(dataset->samples);
    *dataset = (struct md_dataset){0};
}
