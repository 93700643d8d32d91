#include "sample.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "file.h"
#include "readers.h"

const struct md_data_spec md_data_spec_default = {
    .set = "synthetic",
    .split = "train",
    .world = "field",
    .seed = 1,
    .count = 512,
    .min_depth_m = 0.02,
    .max_depth_m = 4.0,
    .crop = 162,
};

static const struct data_set {
    const char *name;
    int (*read)(const struct md_data_spec *spec, struct md_dataset *dataset,
                struct md_error *error);
    bool needs_root;
} data_sets[] = {
    {"micro", md_micro_read, true},
    {"matrix", md_matrix_read, true},
    {"synthetic", md_synthetic_read, false},
};

static const struct data_set *find_set(const char *name) {
    for (size_t i = 0; i < sizeof data_sets / sizeof *data_sets; i++)
        if (strcmp(data_sets[i].name, name) == 0)
            return &data_sets[i];
    return NULL;
}

/* --- the cut "[a:b]" at the end of a split --- */

struct cut {
    size_t start, end; /* end is SIZE_MAX when it was not given */
};

/* Reads a bound that may be missing; returns where it ends. */
static const char *parse_bound(const char *text, size_t *bound) {
    int64_t value;
    const char *end = *text == '-' ? NULL : md_parse_integer(text, &value);
    if (!end)
        return text;
    *bound = (size_t)value;
    return end;
}

/* Takes the cut off the end of `split`. */
static int take_cut(char *split, struct cut *cut, struct md_error *error) {
    *cut = (struct cut){0, SIZE_MAX};
    size_t length = strlen(split);
    if (length == 0 || split[length - 1] != ']')
        return MD_OK;
    char *bracket = strrchr(split, '[');
    const char *colon = bracket ? parse_bound(bracket + 1, &cut->start) : "";
    const char *end = *colon == ':' ? parse_bound(colon + 1, &cut->end) : "";
    if (strcmp(end, "]") != 0)
        return md_fail(error, MD_USAGE, "split: expected NAME[a:b] with whole numbers, found %s",
                       split);
    *bracket = 0;
    return MD_OK;
}

static void free_sample(struct md_sample *sample) {
    free(sample->name);
    free(sample->picture);
    free(sample->depth_m);
    free(sample->disparity);
}

/* Keeps the samples inside the cut. Asking for more than there are is a failure: a run on fewer
 * samples than its config says would be a lie. */
static int apply_cut(struct md_dataset *dataset, struct cut cut, struct md_error *error) {
    size_t end = cut.end == SIZE_MAX ? dataset->count : cut.end;
    if (end > dataset->count || cut.start > end)
        return md_fail(error, MD_USAGE, "split: [%zu:%zu] does not lie within the %zu samples",
                       cut.start, end, dataset->count);
    for (size_t i = 0; i < dataset->count; i++)
        if (i < cut.start || i >= end)
            free_sample(&dataset->samples[i]);
    dataset->count = end - cut.start;
    if (dataset->count > 0)
        memmove(dataset->samples, dataset->samples + cut.start,
                dataset->count * sizeof *dataset->samples);
    return MD_OK;
}

/* --- digest --- */

static void digest_sample(XXH3_state_t *state, const struct md_dataset *dataset,
                          const struct md_sample *sample) {
    const size_t zones = (size_t)sample->depth_height * (size_t)sample->depth_width;
    const int32_t shape[] = {dataset->height, dataset->width, sample->depth_height,
                             sample->depth_width};
    XXH3_128bits_update(state, shape, sizeof shape);
    XXH3_128bits_update(state, &sample->fb, sizeof sample->fb);
    XXH3_128bits_update(state, sample->picture,
                        3 * (size_t)dataset->height * (size_t)dataset->width);
    XXH3_128bits_update(state, sample->depth_m, zones * sizeof *sample->depth_m);
    XXH3_128bits_update(state, sample->disparity, zones * sizeof *sample->disparity);
}

static int digest(struct md_dataset *dataset, struct md_error *error) {
    XXH3_state_t *state = XXH3_createState();
    if (!state || XXH3_128bits_reset(state) != XXH_OK) {
        XXH3_freeState(state);
        return md_fail(error, MD_FAILED, "out of memory for the digest");
    }
    for (size_t i = 0; i < dataset->count; i++)
        digest_sample(state, dataset, &dataset->samples[i]);
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
    XXH3_freeState(state);
    for (size_t i = 0; i < sizeof canonical.digest; i++) {
        dataset->digest[2 * i] = "0123456789abcdef"[canonical.digest[i] >> 4];
        dataset->digest[2 * i + 1] = "0123456789abcdef"[canonical.digest[i] & 15];
    }
    return MD_OK;
}

/* --- open and close --- */

static int check_spec(const struct md_data_spec *spec, const struct data_set *set,
                      struct md_error *error) {
    if (!set)
        return md_fail(error, MD_USAGE, "set: expected micro, matrix or synthetic, found \"%s\"",
                       spec->set);
    if (set->needs_root && spec->root[0] == 0)
        return md_fail(error, MD_USAGE, "root: the set %s needs the folder it lies in", set->name);
    if (!(spec->min_depth_m >= 0 && spec->min_depth_m < spec->max_depth_m &&
          isfinite(spec->max_depth_m)))
        return md_fail(error, MD_USAGE, "expected 0 <= min_depth_m < max_depth_m, found %g and %g",
                       spec->min_depth_m, spec->max_depth_m);
    if (spec->crop < 1)
        return md_fail(error, MD_USAGE, "crop: expected at least 1 pixel, found %d", spec->crop);
    return MD_OK;
}

static int read_samples(const struct md_data_spec *spec, struct md_dataset *dataset,
                        struct md_error *error) {
    struct md_data_spec uncut = *spec;
    struct cut cut;
    const struct data_set *set = find_set(spec->set);
    int status = check_spec(spec, set, error);
    if (status == MD_OK)
        status = take_cut(uncut.split, &cut, error);
    if (status == MD_OK)
        status = set->read(&uncut, dataset, error);
    if (status == MD_OK)
        status = apply_cut(dataset, cut, error);
    if (status == MD_OK && dataset->count == 0)
        status = md_fail(error, MD_FAILED, "set %s, split %s: no samples", spec->set, spec->split);
    return status == MD_OK ? digest(dataset, error) : status;
}

int md_dataset_open(const struct md_data_spec *spec, int height, int width,
                    struct md_dataset *dataset, struct md_error *error) {
    *dataset = (struct md_dataset){.height = height, .width = width};
    int status = read_samples(spec, dataset, error);
    if (status != MD_OK)
        md_dataset_close(dataset);
    return status;
}

void md_dataset_close(struct md_dataset *dataset) {
    for (size_t i = 0; i < dataset->count; i++)
        free_sample(&dataset->samples[i]);
    free(dataset->samples);
    *dataset = (struct md_dataset){0};
}

/* --- for readers --- */

static bool grow(struct md_dataset *dataset, size_t *capacity) {
    if (dataset->count < *capacity)
        return true;
    size_t wanted = *capacity ? 2 * *capacity : 64;
    struct md_sample *samples = realloc(dataset->samples, wanted * sizeof *samples);
    if (!samples)
        return false;
    dataset->samples = samples;
    *capacity = wanted;
    return true;
}

int md_dataset_append(struct md_dataset *dataset, size_t *capacity, const char *name,
                      int depth_height, int depth_width, struct md_sample **sample,
                      struct md_error *error) {
    const size_t zones = (size_t)depth_height * (size_t)depth_width;
    struct md_sample fresh = {
        .name = strdup(name),
        .picture = calloc(3 * (size_t)dataset->height, (size_t)dataset->width),
        .depth_m = calloc(zones, sizeof *fresh.depth_m),
        .disparity = calloc(zones, sizeof *fresh.disparity),
        .depth_height = depth_height,
        .depth_width = depth_width,
    };
    if (!fresh.name || !fresh.picture || !fresh.depth_m || !fresh.disparity ||
        !grow(dataset, capacity)) {
        free_sample(&fresh);
        return md_fail(error, MD_FAILED, "%s: out of memory for sample %zu", name, dataset->count);
    }
    *sample = &dataset->samples[dataset->count++];
    **sample = fresh;
    return MD_OK;
}

/* Compared in float, as readings are: 20 mm is not nearer than 0.02 m. A NaN fails both. */
float md_valid_depth(const struct md_data_spec *spec, float depth_m) {
    bool valid = depth_m >= (float)spec->min_depth_m && depth_m < (float)spec->max_depth_m;
    return valid ? depth_m : MD_NO_DEPTH;
}
