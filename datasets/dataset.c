#include "dataset.h"

#include <stdint.h>
#include <stdlib.h>
#include <xxhash.h>

#include "../base/digest.h"
#include "readers.h"

/* Both views' labels. */
static int gate_sample(const struct md_data_spec *spec, struct md_sample *sample,
                       struct md_error *error) {
    float *const labels[][2] = {{sample->depth_m, sample->disparity},
                                {sample->right_depth_m, sample->right_disparity}};
    const int zones = sample->depth_height * sample->depth_width;
    if (spec->gate_neighbours == 0)
        return MD_OK;
    float *scratch = malloc((size_t)zones * sizeof *scratch);
    if (!scratch)
        return md_fail(error, MD_FAILED, "%s: out of memory", sample->name);
    for (int view = 0; view < 2 && labels[view][0]; view++) {
        md_gate(spec->gate_neighbours, sample->depth_height, sample->depth_width, labels[view][0],
                scratch);
        for (int zone = 0; zone < zones; zone++)
            if (labels[view][0][zone] == MD_NO_DEPTH)
                labels[view][1][zone] = MD_INVALID;
    }
    free(scratch);
    return MD_OK;
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

static int read_samples(struct md_source *source, const struct md_watch *watch,
                        struct md_dataset *dataset, struct md_error *error) {
    dataset->samples = calloc(source->count, sizeof *dataset->samples);
    if (!dataset->samples)
        return md_fail(error, MD_FAILED, "out of memory for %zu samples", source->count);
    for (size_t i = 0; i < source->count; i++) {
        struct md_sample *sample = &dataset->samples[dataset->count];
        if (md_watch_report(watch, "reading", (double)i, (double)source->count))
            return md_fail(error, MD_FAILED, "interrupted while reading the set %s",
                           source->spec.set);
        int status = md_source_read(source, i, sample, error);
        if (status == MD_OK && (status = gate_sample(&source->spec, sample, error)) != MD_OK)
            md_sample_free(sample);
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
        dataset->range_m = source.spec.max_depth_m;
        if (source.reader->depth_kinds)
            source.reader->depth_kinds(&source, dataset->depth_kinds);
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
