#include "cache.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/digest.h"
#include "../base/h5.h"
#include "../base/namelist.h"
#include "readers.h"

/* The arrays of a file, in its order. */
enum array {
    PICTURE,
    DEPTH,
    DISPARITY,
    FB,
    NAME,
    TRUTH_SHAPE,
    TRUTH,
    RIGHT_PICTURE,
    RIGHT_DEPTH,
    RIGHT_DISPARITY,
    ARRAYS
};
enum { MOST_SAMPLES = 1 << 24, MOST_SIDE = 4096 };

static const struct {
    const char *name;
    size_t bytes; /* of an element */
    int dimensions;
} arrays[ARRAYS] = {
    {"picture", 1, 4},       {"depth_m", 4, 3},
    {"disparity", 4, 3},     {"fb", 4, 1},
    {"name", 1, 1},          {"truth_shape", 4, 2},
    {"truth_m", 4, 1},       {"right_picture", 1, 4},
    {"right_depth_m", 4, 3}, {"right_disparity", 4, 3},
};

static hid_t type_of(enum array array) {
    return arrays[array].bytes == 1 ? H5T_NATIVE_UINT8
           : array == TRUTH_SHAPE   ? H5T_NATIVE_INT32
                                    : H5T_NATIVE_FLOAT;
}

/* A file in memory. */
struct cache {
    size_t count;
    size_t shape[ARRAYS][4];
    void *values[ARRAYS]; /* NULL: the file has no such array */
    size_t *truth_at;     /* where each sample's truth begins; count + 1 of them */
    double range_m;       /* of the labels */
    char depth_kinds[MD_DEPTH_KINDS_SIZE];
};

static size_t elements(const struct cache *cache, enum array array) {
    size_t product = 1;
    for (int d = 0; d < arrays[array].dimensions; d++)
        product *= cache->shape[array][d];
    return product;
}

static void free_cache(struct cache *cache) {
    for (int array = 0; array < ARRAYS; array++)
        free(cache->values[array]);
    free(cache->truth_at);
    free(cache);
}

static int checksum(const struct cache *cache, char text[33], struct md_error *error) {
    XXH3_state_t *state = XXH3_createState();
    MD_TRY(md_check_memory(state != NULL, error));
    XXH3_128bits_reset(state);
    XXH3_128bits_update(state, &cache->range_m, sizeof cache->range_m);
    for (int a = 0; a < ARRAYS; a++)
        if (cache->values[a]) {
            XXH3_128bits_update(state, cache->shape[a], sizeof cache->shape[a]);
            XXH3_128bits_update(state, cache->values[a],
                                elements(cache, (enum array)a) * arrays[a].bytes);
        }
    md_digest_text(XXH3_128bits_digest(state), text);
    XXH3_freeState(state);
    return MD_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Allocates an array of the given shape. */
static int make_array(struct cache *cache, enum array array, const size_t *shape,
                      struct md_error *error) {
    memcpy(cache->shape[array], shape, (size_t)arrays[array].dimensions * sizeof *shape);
    cache->values[array] = calloc(elements(cache, array) + 1, arrays[array].bytes);
    return cache->values[array] ? MD_OK : md_fail(error, MD_FAILED, "out of memory for the cache");
}

static int make_arrays(const struct md_dataset *dataset, struct cache *cache,
                       struct md_error *error) {
    const struct md_sample *first = dataset->samples;
    size_t n = dataset->count, names = 0, truths = 0;
    for (size_t s = 0; s < n; s++) {
        const struct md_sample *sample = &dataset->samples[s];
        names += strlen(sample->name) + 1;
        truths += (size_t)sample->truth_height * (size_t)sample->truth_width;
        if (sample->depth_height != first->depth_height ||
            sample->depth_width != first->depth_width ||
            !sample->right_picture != !first->right_picture)
            return md_fail(error, MD_FAILED,
                           "%s: expected the label's shape and the views of %s, which a cache has "
                           "for all samples",
                           sample->name, first->name);
        if (strchr(sample->name, '\n'))
            return md_fail(error, MD_FAILED, "%s: a line feed in a sample's name", sample->name);
    }
    const size_t picture[] = {n, 3, (size_t)dataset->height, (size_t)dataset->width};
    const size_t grid[] = {n, (size_t)first->depth_height, (size_t)first->depth_width};
    const size_t shapes[] = {n, 2};
    const size_t *shape[ARRAYS] = {picture, grid,    grid,    &n,   &names,
                                   shapes,  &truths, picture, grid, grid};
    cache->count = n;
    cache->range_m = dataset->range_m;
    int used = first->right_picture ? ARRAYS : RIGHT_PICTURE;
    for (int a = 0; a < used; a++)
        MD_TRY(make_array(cache, (enum array)a, shape[a], error));
    return MD_OK;
}

/* Copies sample s's part into an array whose parts are equally long. */
static void store(struct cache *cache, enum array array, size_t s, const void *from) {
    size_t bytes = elements(cache, array) / cache->count * arrays[array].bytes;
    memcpy((char *)cache->values[array] + s * bytes, from, bytes);
}

static void fill_arrays(const struct md_dataset *dataset, struct cache *cache) {
    char *name = cache->values[NAME];
    float *truth = cache->values[TRUTH];
    for (size_t s = 0; s < dataset->count; s++) {
        const struct md_sample *sample = &dataset->samples[s];
        const int32_t shape[] = {sample->truth_height, sample->truth_width};
        const void *parts[ARRAYS] = {sample->picture,
                                     sample->depth_m,
                                     sample->disparity,
                                     &sample->fb,
                                     NULL,
                                     shape,
                                     NULL,
                                     sample->right_picture,
                                     sample->right_depth_m,
                                     sample->right_disparity};
        for (int a = 0; a < ARRAYS; a++)
            if (parts[a] && cache->values[a])
                store(cache, (enum array)a, s, parts[a]);
        name += sprintf(name, "%s\n", sample->name);
        size_t pixels = (size_t)shape[0] * (size_t)shape[1];
        if (pixels > 0)
            memcpy(truth, sample->truth_m, pixels * sizeof *truth);
        truth += pixels;
    }
}

/* Which kinds of depth the samples had: only where there are several. And their range. */
static const char kinds_name[] = "depth_kinds", range_name[] = "max_depth_m";

static int write_file(const char *path, const struct cache *cache, const struct md_dataset *dataset,
                      struct md_error *error) {
    struct md_h5_writer writer;
    char sum[33];
    MD_TRY(md_h5_create(path, &writer, error));
    int status = MD_OK;
    for (int a = 0; a < ARRAYS && status == MD_OK; a++)
        if (cache->values[a])
            status = md_h5_write(writer.file, arrays[a].name, type_of((enum array)a),
                                 arrays[a].dimensions, cache->shape[a], cache->values[a], error);
    MD_THEN(status, md_h5_write_text(writer.file, "/", "data_digest", dataset->digest, error));
    MD_THEN(status, md_h5_write_real(writer.file, "/", range_name, cache->range_m, error));
    if (dataset->depth_kinds[0] != '\0')
        MD_THEN(status,
                md_h5_write_text(writer.file, "/", kinds_name, dataset->depth_kinds, error));
    MD_THEN(status, checksum(cache, sum, error));
    MD_THEN(status, md_h5_write_text(writer.file, "/", "checksum", sum, error));
    return md_h5_finish(&writer, status, error);
}

static int cache_path(char path[MD_PATH_MAX], const char *folder, const char *split,
                      struct md_error *error) {
    return md_path_format(path, error, "%s/%s.h5", folder, split);
}

int md_cache_write(const struct md_dataset *dataset, const char *folder, const char *split,
                   int force, struct md_error *error) {
    char path[MD_PATH_MAX];
    struct cache *cache = calloc(1, sizeof *cache);
    MD_TRY(md_check_memory(cache != NULL, error));
    int status = md_split_check_name(split, error);
    MD_THEN(status, cache_path(path, folder, split, error));
    MD_THEN(status, md_may_write(path, force, error));
    MD_THEN(status, make_arrays(dataset, cache, error));
    if (status == MD_OK) {
        fill_arrays(dataset, cache);
        status = write_file(path, cache, dataset, error);
    }
    free_cache(cache);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int refuse(const char *path, enum array array, const char *expected,
                  struct md_error *error) {
    return md_fail(error, MD_FAILED, "%s: data set '%s': expected %s", path, arrays[array].name,
                   expected);
}

/* The shape must fit the arrays before it; only then there is memory for it. */
static int check_shape(const struct md_source *source, const char *path, struct cache *cache,
                       enum array array, int dimensions, struct md_error *error) {
    const size_t *shape = cache->shape[array];
    size_t height = (size_t)source->height, width = (size_t)source->width;
    if (dimensions != arrays[array].dimensions)
        return refuse(path, array, "another number of dimensions", error);
    if (array == PICTURE)
        cache->count = shape[0];
    if (cache->count < 1 || cache->count > MOST_SAMPLES ||
        (array != NAME && array != TRUTH && shape[0] != cache->count))
        return refuse(path, array, "one entry for each of the samples", error);
    if (arrays[array].dimensions == 4 && (shape[1] != 3 || shape[2] != height || shape[3] != width))
        return refuse(path, array, "pictures of the network's size", error);
    if (arrays[array].dimensions == 3 &&
        (shape[1] < 1 || shape[1] > MOST_SIDE || shape[2] < 1 || shape[2] > MOST_SIDE ||
         shape[1] != cache->shape[DEPTH][1] || shape[2] != cache->shape[DEPTH][2]))
        return refuse(path, array, "grids of one sound shape", error);
    if (array == TRUTH_SHAPE && shape[1] != 2)
        return refuse(path, array, "two sides for each sample", error);
    return MD_OK;
}

static int read_array(const struct md_source *source, const char *path, hid_t file,
                      struct cache *cache, enum array array, struct md_error *error) {
    int dimensions;
    MD_TRY(md_h5_shape(file, arrays[array].name, 4, &dimensions, cache->shape[array], error));
    MD_TRY(check_shape(source, path, cache, array, dimensions, error));
    MD_TRY(md_h5_check_plain(file, arrays[array].name, type_of(array), error));
    size_t count = elements(cache, array);
    cache->values[array] = malloc(count * arrays[array].bytes + 1);
    if (!cache->values[array])
        return md_fail(error, MD_FAILED, "%s: out of memory", path);
    return md_h5_read(file, arrays[array].name, type_of(array), dimensions, cache->shape[array],
                      count, cache->values[array], error);
}

/* Finds where in `truth_m` each sample's truth begins. */
static int locate_truths(const char *path, struct cache *cache, struct md_error *error) {
    const int32_t *shape = cache->values[TRUTH_SHAPE];
    cache->truth_at = calloc(cache->count + 1, sizeof *cache->truth_at);
    if (!cache->truth_at)
        return md_fail(error, MD_FAILED, "%s: out of memory", path);
    for (size_t s = 0; s < cache->count; s++) {
        int32_t height = shape[2 * s], width = shape[2 * s + 1];
        if (height < 0 || height > MOST_SIDE || width < 0 || width > MOST_SIDE ||
            (height == 0) != (width == 0))
            return refuse(path, TRUTH_SHAPE, "sound sides", error);
        cache->truth_at[s + 1] = cache->truth_at[s] + (size_t)height * (size_t)width;
    }
    return cache->truth_at[cache->count] == cache->shape[TRUTH][0]
               ? MD_OK
               : refuse(path, TRUTH, "as many values as truth_shape says", error);
}

static int check_sum(const char *path, hid_t file, const struct cache *cache,
                     struct md_error *error) {
    char found[33], expected[33];
    MD_TRY(md_h5_read_text(file, "/", "checksum", sizeof expected, expected, error));
    MD_TRY(checksum(cache, found, error));
    if (strcmp(found, expected) != 0)
        return md_fail(error, MD_FAILED, "%s: damaged: its checksum is %s, expected %s", path,
                       found, expected);
    return MD_OK;
}

static int list_names(struct md_source *source, const char *path, const struct cache *cache,
                      struct md_error *error) {
    char *name = cache->values[NAME], *end = name + cache->shape[NAME][0];
    *end = 0;
    for (size_t s = 0; s < cache->count; s++) {
        char *feed = memchr(name, '\n', (size_t)(end - name));
        if (!feed)
            return refuse(path, NAME, "a name for each of the samples", error);
        *feed = 0;
        int status = md_source_add(source, name, s, error);
        if (status != MD_OK)
            return status;
        name = feed + 1;
    }
    return MD_OK;
}

/* Labels for every pixel are not what a spec means that asks for zones. */
static int check_label(const struct md_data_spec *spec, const struct cache *cache,
                       struct md_error *error) {
    const size_t *shape = cache->shape[DEPTH];
    int padded = spec->alignment == MD_ALIGN_PAD && spec->camera_fov_h_deg > 0;
    if (spec->camera_fov_h_deg > 0 && !(padded && spec->label == MD_GRID_TOF8))
        return md_fail(error, MD_USAGE,
                       "camera_fov_h_deg: of a cache only {label: tof8, alignment: pad} can be "
                       "asked for; the rest is decided when it is written");
    if (spec->label == MD_GRID_DENSE || padded || (shape[1] <= 8 && shape[2] <= 8))
        return MD_OK;
    return md_fail(error, MD_USAGE,
                   "label: the cache has labels of %zux%zu, and tof8 is decided when it is written",
                   shape[2], shape[1]);
}

static int read_range(const char *path, hid_t file, struct cache *cache, struct md_error *error) {
    if (!md_h5_has_attribute(file, "/", range_name))
        return md_fail(error, MD_FAILED,
                       "%s: expected the attribute %s, found none: of an older version of mudepth: "
                       "write the cache again",
                       path, range_name);
    return md_h5_read_real(file, "/", range_name, &cache->range_m, error);
}

static int read_file(struct md_source *source, const char *path, hid_t file, struct cache *cache,
                     struct md_error *error) {
    int used = md_h5_has(file, arrays[RIGHT_PICTURE].name) ? ARRAYS : RIGHT_PICTURE;
    for (int a = 0; a < used; a++)
        MD_TRY(read_array(source, path, file, cache, (enum array)a, error));
    MD_TRY(read_range(path, file, cache, error));
    MD_TRY(check_sum(path, file, cache, error));
    source->spec.max_depth_m = cache->range_m;
    if (md_h5_has_attribute(file, "/", kinds_name))
        MD_TRY(md_h5_read_text(file, "/", kinds_name, sizeof cache->depth_kinds, cache->depth_kinds,
                               error));
    MD_TRY(locate_truths(path, cache, error));
    MD_TRY(check_label(&source->spec, cache, error));
    return list_names(source, path, cache, error);
}

static int list(struct md_source *source, struct md_error *error) {
    char path[MD_PATH_MAX];
    hid_t file;
    struct cache *cache = source->state = calloc(1, sizeof *cache);
    MD_TRY(md_check_memory(cache != NULL, error));
    MD_TRY(cache_path(path, source->spec.root, source->spec.split, error));
    MD_TRY(md_h5_open(path, &file, error));
    int status = read_file(source, path, file, cache, error);
    H5Fclose(file);
    return status;
}

/* Sample s's part of such an array, *bytes long. */
static const void *find_part(const struct cache *cache, enum array array, size_t s, size_t *bytes) {
    *bytes = elements(cache, array) / cache->count * arrays[array].bytes;
    return (const char *)cache->values[array] + s * *bytes;
}

static int read_entry(struct md_source *source, size_t index, struct md_sample *sample,
                      struct md_error *error) {
    const struct cache *cache = source->state;
    const struct md_entry *entry = &source->entries[index];
    size_t s = entry->number, bytes;
    int right = cache->values[RIGHT_PICTURE] != NULL;
    MD_TRY(md_sample_allocate(source, entry->name, (int)cache->shape[DEPTH][1],
                              (int)cache->shape[DEPTH][2], right, sample, error));
    void *const parts[ARRAYS] = {sample->picture,
                                 sample->depth_m,
                                 sample->disparity,
                                 &sample->fb,
                                 NULL,
                                 NULL,
                                 NULL,
                                 sample->right_picture,
                                 sample->right_depth_m,
                                 sample->right_disparity};
    for (int a = 0; a < ARRAYS; a++)
        if (parts[a]) {
            const void *from = find_part(cache, (enum array)a, s, &bytes);
            memcpy(parts[a], from, bytes);
        }
    size_t values = cache->truth_at[s + 1] - cache->truth_at[s];
    if (values == 0 || source->spec.truth != MD_TRUTH_FULL)
        return MD_OK;
    sample->truth_m = malloc(values * sizeof *sample->truth_m);
    if (!sample->truth_m)
        return md_fail(error, MD_FAILED, "%s: out of memory", entry->name);
    memcpy(sample->truth_m, (const float *)cache->values[TRUTH] + cache->truth_at[s],
           values * sizeof *sample->truth_m);
    const int32_t *shape = (const int32_t *)cache->values[TRUTH_SHAPE] + 2 * s;
    sample->truth_height = shape[0];
    sample->truth_width = shape[1];
    return MD_OK;
}

/* The file says the kinds of its whole split, not those of a part of it. */
static void describe_depth_kinds(const struct md_source *source, char text[MD_DEPTH_KINDS_SIZE]) {
    const struct cache *cache = source->state;
    int is_part = source->count < cache->count && cache->depth_kinds[0] != '\0';
    snprintf(text, MD_DEPTH_KINDS_SIZE, "%s%.100s", is_part ? "a part of " : "",
             cache->depth_kinds);
}

static void close_cache(struct md_source *source) {
    free_cache(source->state);
}

const struct md_reader md_cache_reader = {
    .splits = "NAME reads root/NAME.h5, as `mudepth data cache` wrote it; ranges, labels and crops "
              "were decided then",
    .list = list,
    .read = read_entry,
    .depth_kinds = describe_depth_kinds,
    .close = close_cache,
    .range_m = 4, /* until the file says it */
    .needs_root = 1,
};
