/* For the tests of readers: files of a data set in a scratch folder, and opening them. Static state
 * and functions; include it in one file of a program. */
#ifndef MD_TESTS_READING_H
#define MD_TESTS_READING_H

#include "../base/image.h"
#include "../base/npy.h"
#include "../base/random.h"
#include "../datasets/dataset.h"
#include "scratch.h"
#include "specs.h"

static struct md_data_spec spec;
static struct md_dataset dataset; /* the one opened last */
static struct md_error error;
static struct { int height, width; } pictures; /* that it is opened with */

/* ---- around each test ------------------------------------------------------------------------ */

/* The spec calls the empty folder all of a `set`, of the range that is the set's own. */
static inline void begin_reading(const char *set, int height, int width) {
    scratch = scratch_open();
    spec = default_spec();
    strcpy(spec.set, set);
    strcpy(spec.root, scratch.folder);
    strcpy(spec.split, "all");
    spec.max_depth_m = 0;
    pictures.height = height;
    pictures.width = width;
    error.text[0] = 0;
}

/* Real files instead, in pictures of the network's size; skips the test when they are not there. */
static inline void choose_shared(const char *name) {
    snprintf(spec.root, sizeof spec.root, "%.1000s", shared_data(name).text);
    pictures.height = pictures.width = 48;
}

static inline void end_reading(void) {
    md_dataset_close(&dataset);
    scratch_close(&scratch);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* As the spec says. */
static inline int open_dataset(void) {
    md_dataset_close(&dataset);
    error.text[0] = 0;
    return md_dataset_open(&spec, pictures.height, pictures.width, NULL, &dataset, &error);
}

static inline void assert_opens(void) {
    cr_assert_eq(open_dataset(), MD_OK, "%s, %s: %s", spec.set, spec.split, error.text);
}

/* The error has `part` in its text, and nothing is left. */
static inline void assert_refused(int status, const char *part) {
    cr_assert_eq(open_dataset(), status, "%s, %s: expected \"%s\": %s", spec.set, spec.split, part,
                 error.text);
    assert_contains(error.text, part);
    cr_assert_null(dataset.samples);
    cr_assert_eq(dataset.count, 0);
    cr_assert_eq(dataset.height, 0);
    cr_assert_eq(dataset.digest[0], 0);
}

static inline void choose(const char *set, const char *split) {
    snprintf(spec.set, sizeof spec.set, "%s", set);
    snprintf(spec.split, sizeof spec.split, "%s", split);
}

static inline void opens(const char *set, const char *split) {
    choose(set, split);
    assert_opens();
}

static inline void refused(const char *set, const char *split, int status, const char *part) {
    choose(set, split);
    assert_refused(status, part);
}

/* The last characters of each sample's name. */
static inline void names_end_with(const char *const *ends, size_t count) {
    cr_assert_eq(dataset.count, count, "found %zu samples", dataset.count);
    for (size_t i = 0; i < count; i++) {
        const char *name = dataset.samples[i].name;
        cr_assert(strlen(name) >= strlen(ends[i]) &&
                      strcmp(name + strlen(name) - strlen(ends[i]), ends[i]) == 0,
                  "sample %zu is %s, not %s", i, name, ends[i]);
    }
}
#define NAMES(...)                                                                                 \
    names_end_with((const char *const[]){__VA_ARGS__},                                             \
                   sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* ---- files in the folder --------------------------------------------------------------------- */

static inline void write_text(const char *name, const char *text) {
    scratch_write_text(scratch_path(&scratch, "%s", name).text, text);
}

/* Writes a list; returns the split that asks for it, until the next one. */
static inline const char *write_list(const char *text) {
    static char split[sizeof(struct scratch_path) + 1];
    struct scratch_path list = scratch_path(&scratch, "list.txt");
    scratch_write_text(list.text, text);
    snprintf(split, sizeof split, "@%s", list.text);
    return split;
}

static inline void write_rgb(const char *name, const uint8_t *rgb, int height, int width) {
    const struct scratch_path path = scratch_path(&scratch, "%s", name);
    cr_assert_eq(md_png_write_rgb(path.text, rgb, height, width, &error), MD_OK, "%s", error.text);
}

/* A picture whose every byte depends on `seed`. */
static inline void write_noise(const char *name, uint32_t seed, int height, int width) {
    uint8_t rgb[3 * 64 * 64];
    struct md_random random = md_random_stream(seed, 0, 0, 0);
    cr_assert_leq(3 * height * width, (int)sizeof rgb);
    for (int i = 0; i < 3 * height * width; i++)
        rgb[i] = (uint8_t)md_random_bits(&random);
    write_rgb(name, rgb, height, width);
}

static inline void write_grey16(const char *name, const uint16_t *grey, int height, int width) {
    const struct scratch_path path = scratch_path(&scratch, "%s", name);
    cr_assert_eq(md_png_write_grey16(path.text, grey, height, width, &error), MD_OK, "%s",
                 error.text);
}

static inline void write_npy(const char *name, const float *values, int dimensions,
                             const size_t *shape) {
    const struct scratch_path path = scratch_path(&scratch, "%s", name);
    cr_assert_eq(md_npy_write(path.text, values, dimensions, shape, &error), MD_OK, "%s",
                 error.text);
}

static inline void write_scalar(const char *name, float value) {
    write_npy(name, &value, 0, NULL);
}

#endif
