/* The sets there are, and what is the same for all of them: the cut and the fraction of a split,
 * and reading one listed sample. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/grow.h"
#include "readers.h"
#include "sensor.h"

/* The name of each set and its reader. */
#define SETS(X)                                                                                    \
    X("micro", md_micro_reader)                                                                    \
    X("micro-kitti", md_micro_kitti_reader)                                                        \
    X("micro-nyuv2", md_micro_nyuv2_reader)                                                        \
    X("micro-tartanair", md_micro_tartanair_reader)                                                \
    X("matrix", md_matrix_reader)                                                                  \
    X("recording", md_recording_reader)                                                            \
    X("kitti", md_kitti_reader)                                                                    \
    X("kitti-object", md_kitti_object_reader)                                                      \
    X("kitti-stereo", md_kitti_stereo_reader)                                                      \
    X("kitti-stereo-2012", md_kitti_stereo_2012_reader)                                            \
    X("h5", md_h5_reader)                                                                          \
    X("nyu", md_nyu_reader)                                                                        \
    X("nyu-folder", md_nyu_folder_reader)                                                          \
    X("7scenes", md_sevenscenes_reader)                                                            \
    X("sunrgbd", md_sunrgbd_reader)                                                                \
    X("rgbd", md_rgbd_reader)                                                                      \
    X("synthetic", md_synthetic_reader)                                                            \
    X("cache", md_cache_reader)

#define NAME(name, reader)   name,
#define READER(name, reader) &reader,

const char *const md_data_set_names[] = {SETS(NAME) NULL};
static const struct md_reader *const readers[] = {SETS(READER) NULL};

static const struct md_reader *find_reader(const char *name) {
    for (size_t i = 0; readers[i]; i++)
        if (strcmp(md_data_set_names[i], name) == 0)
            return readers[i];
    return NULL;
}

const char *md_data_set_splits(int set) {
    return readers[set]->splits;
}

void md_data_unit(const struct md_data_spec *spec, char text[MD_UNIT_SIZE]) {
    const struct md_reader *reader = find_reader(spec->set);
    if (reader && reader->has_own_unit)
        snprintf(text, MD_UNIT_SIZE, "%.6g m%s (depth_per_m: %.9g)", 1 / spec->depth_per_m,
                 spec->depth_per_m == 1000 ? ", the millimetre" : "", spec->depth_per_m);
    else
        snprintf(text, MD_UNIT_SIZE, "%s", reader && reader->unit ? reader->unit : "the metre");
}

float md_data_fb(const struct md_data_spec *spec) {
    const struct md_reader *reader = find_reader(spec->set);
    return reader && reader->fb > 0 ? reader->fb : MD_FIELD_FB;
}

void md_data_spec_resolve(struct md_data_spec *spec) {
    const struct md_reader *reader = find_reader(spec->set);
    if (reader && spec->max_depth_m == 0)
        spec->max_depth_m = reader->range_m;
    if (spec->depth_per_m == 0)
        spec->depth_per_m = 1000;
    if (reader && spec->crop == 0)
        spec->crop = reader->crop;
    for (size_t end = strlen(spec->root); end > 1 && spec->root[end - 1] == '/'; end--)
        spec->root[end - 1] = '\0';
}

int md_picture_part(const struct md_data_spec *spec, int height, int width, struct md_crop *part,
                    struct md_error *error) {
    struct md_data_spec resolved = *spec;
    const struct md_reader *reader = find_reader(spec->set);
    md_data_spec_resolve(&resolved);
    *part = (struct md_crop){0, 0, height, width};
    return reader && reader->part ? reader->part(&resolved, height, width, part, error) : MD_OK;
}

/* ---- the cut "[a:b]" at the end of a split --------------------------------------------------- */

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

/* Reads the cut at the end of `split` and removes it there. */
static int parse_cut(char *split, struct cut *cut, struct md_error *error) {
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

/* Keeps the entries inside the cut. Asking for more than there are is a failure: a run on fewer
 * samples than its config says would be a lie. */
static int apply_cut(struct md_source *source, struct cut cut, struct md_error *error) {
    size_t end = cut.end == SIZE_MAX ? source->count : cut.end;
    if (end > source->count || cut.start > end)
        return md_fail(error, MD_USAGE, "split: [%zu:%zu] does not lie within the %zu samples",
                       cut.start, end, source->count);
    for (size_t i = 0; i < source->count; i++)
        if (i < cut.start || i >= end)
            free(source->entries[i].name);
    source->count = end - cut.start;
    if (source->count > 0)
        memmove(source->entries, source->entries + cut.start,
                source->count * sizeof *source->entries);
    return MD_OK;
}

/* Keeps spec.fraction percent of the entries, evenly spread: one is kept whenever fewer than that
 * percentage of those so far would have been. */
static void apply_fraction(struct md_source *source) {
    size_t kept = 0, percent = (size_t)source->spec.fraction;
    for (size_t i = 0; i < source->count; i++) {
        if ((i + 1) * percent / 100 > kept)
            source->entries[kept++] = source->entries[i];
        else
            free(source->entries[i].name);
    }
    source->count = kept;
}

/* ---- open, read, close ----------------------------------------------------------------------- */

static int check_spec(const struct md_data_spec *spec, const struct md_reader *reader,
                      struct md_error *error) {
    if (!reader)
        return md_fail(error, MD_USAGE,
                       "set: \"%s\" is no data set; mudepth data --help lists them", spec->set);
    if (reader->needs_root && spec->root[0] == 0)
        return md_fail(error, MD_USAGE, "root: the set %s needs to know where it lies", spec->set);
    if (!(spec->min_depth_m >= 0 && spec->min_depth_m < spec->max_depth_m &&
          isfinite(spec->max_depth_m)))
        return md_fail(error, MD_USAGE, "expected 0 <= min_depth_m < max_depth_m, found %g and %g",
                       spec->min_depth_m, spec->max_depth_m);
    if (!(spec->depth_per_m > 0 && isfinite(spec->depth_per_m)))
        return md_fail(error, MD_USAGE, "depth_per_m: expected a positive number, found %g",
                       spec->depth_per_m);
    if (spec->crop < 0)
        return md_fail(error, MD_USAGE, "crop: expected a number of pixels, found %d", spec->crop);
    if (spec->frames < 0 || spec->frames > MD_MOST_FRAMES)
        return md_fail(error, MD_USAGE, "frames: expected 1 to %d, found %d", MD_MOST_FRAMES,
                       spec->frames);
    if (spec->fraction < 1 || spec->fraction > 100)
        return md_fail(error, MD_USAGE, "fraction: expected 1 to 100 percent, found %d",
                       spec->fraction);
    return MD_OK;
}

/* Sets are published as archives. */
static int refuse_archive(const char *root, struct md_error *error) {
    static const char *const endings[] = {".tar", ".tar.gz", ".tgz", NULL};
    const size_t bare = md_bare_length(root, endings);
    if (bare == 0 || !md_is_file(root))
        return MD_OK;
    return md_fail(error, MD_FAILED,
                   "root: expected a folder, found an archive: mudepth data unpack %s -o %.*s",
                   root, (int)bare, root);
}

int md_source_open(const struct md_data_spec *spec, int height, int width, struct md_source *source,
                   struct md_error *error) {
    struct cut cut;
    *source = (struct md_source){
        .reader = find_reader(spec->set), .spec = *spec, .height = height, .width = width};
    md_data_spec_resolve(&source->spec);
    int status = check_spec(&source->spec, source->reader, error);
    if (status == MD_OK && source->reader->needs_root)
        status = refuse_archive(source->spec.root, error);
    MD_THEN(status, parse_cut(source->spec.split, &cut, error));
    MD_THEN(status, source->reader->list(source, error));
    if (status == MD_OK && !source->reader->has_fractions)
        apply_fraction(source);
    MD_THEN(status, apply_cut(source, cut, error));
    if (status == MD_OK && source->count == 0)
        status = md_fail(error, MD_FAILED, "set %s, split %s: no samples", spec->set, spec->split);
    if (status != MD_OK)
        md_source_close(source);
    return status;
}

int md_source_read(struct md_source *source, size_t index, struct md_sample *sample,
                   struct md_error *error) {
    *sample = (struct md_sample){0};
    int status = source->reader->read_frame != NULL
                     ? md_frame_read(source, index, sample, error)
                     : source->reader->read(source, index, sample, error);
    if (status != MD_OK)
        md_sample_free(sample);
    return status;
}

void md_source_close(struct md_source *source) {
    if (source->state && source->reader->close)
        source->reader->close(source);
    for (size_t i = 0; i < source->count; i++)
        free(source->entries[i].name);
    free(source->entries);
    md_names_free(&source->files);
    *source = (struct md_source){0};
}

/* ---- for readers ----------------------------------------------------------------------------- */

unsigned md_split_residues(const char *split) {
    static const struct {
        const char *name;
        unsigned residues; /* bit r: things with i % 12 == r */
    } splits[] = {
        {"all", MD_SPLIT_ALL}, {"train", MD_SPLIT_ALL & ~0x924u},
        {"val", 0x104},        {"test", 0x820},
        {"fold0", 0x111},      {"rest0", MD_SPLIT_ALL & ~0x111u},
        {"fold1", 0x222},      {"rest1", MD_SPLIT_ALL & ~0x222u},
        {"fold2", 0x444},      {"rest2", MD_SPLIT_ALL & ~0x444u},
        {"fold3", 0x888},      {"rest3", MD_SPLIT_ALL & ~0x888u},
    };
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++)
        if (strcmp(split, splits[i].name) == 0)
            return splits[i].residues;
    return 0;
}

int md_residues_have(unsigned residues, size_t number) {
    return (int)(residues >> number % 12 & 1u);
}

int md_source_add(struct md_source *source, const char *name, size_t number,
                  struct md_error *error) {
    struct md_entry *entries =
        md_grow(source->entries, source->count, &source->capacity, sizeof *entries, error);
    if (!entries)
        return MD_FAILED;
    source->entries = entries;
    char *copy = strdup(name);
    if (!copy)
        return md_fail(error, MD_FAILED, "out of memory for sample %zu", source->count);
    struct md_entry *entry = &source->entries[source->count++];
    entry->name = copy;
    entry->number = number;
    return MD_OK;
}

/* An entry's number is that of its line, and LINES times that of its file. */
enum { LINES = 1 << 28 };

int md_source_add_lines(struct md_source *source, const char *path, struct md_text *text,
                        struct md_error *error) {
    const size_t file = source->files.count;
    MD_TRY(md_names_add(&source->files, path, error));
    for (char *line; (line = md_text_line(text));)
        MD_TRY(md_source_add(source, line, file * LINES + (size_t)text->line, error));
    return MD_OK;
}

int md_source_read_line(struct md_source *source, size_t index, md_read_line *read,
                        struct md_sample *sample, struct md_error *error) {
    const struct md_entry *entry = &source->entries[index];
    const size_t file = entry->number / LINES;
    char *line = strdup(entry->name);
    int status =
        line ? read(source, file, line, sample, error) : md_fail(error, MD_FAILED, "out of memory");
    free(line);
    if (status != MD_OK)
        md_fail_at_line(error, status, source->files.names[file], (int)(entry->number % LINES));
    return status;
}
