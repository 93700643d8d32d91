#include "associate.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/file.h"
#include "../base/grow.h"
#include "../base/image.h"

enum { MOST_NEAR = 64, MOST_WORDS = 4 };
static const int64_t near_ns = 20000000, second_ns = 1000000000;

/* What one camera recorded: paths with their times. */
struct recording {
    size_t count, capacity;
    struct frame {
        int64_t time_ns;
        char *path; /* owned */
    } * frames;
};

static void free_recording(struct recording *recording) {
    for (size_t i = 0; i < recording->count; i++)
        free(recording->frames[i].path);
    free(recording->frames);
}

/* Reads seconds with or without decimals, of which nine count; returns where they end, or NULL. */
static const char *parse_time(const char *text, int64_t *time_ns) {
    int64_t seconds, unit = second_ns;
    const char *end = *text == '-' ? NULL : md_parse_integer(text, &seconds);
    if (!end || seconds >= INT64_MAX / second_ns)
        return NULL;
    *time_ns = seconds * second_ns;
    if (*end == '.')
        for (end++; *end >= '0' && *end <= '9'; end++)
            *time_ns += (*end - '0') * (unit /= 10);
    return end;
}

static int add_frame(struct recording *recording, int64_t time_ns, const char *path,
                     struct md_error *error) {
    struct frame *frames =
        md_grow(recording->frames, recording->count, &recording->capacity, sizeof *frames, error);
    if (!frames)
        return MD_FAILED;
    recording->frames = frames;
    frames[recording->count] = (struct frame){time_ns, strdup(path)};
    return md_check_memory(frames[recording->count++].path != NULL, error);
}

static int compare_frames(const void *a, const void *b) {
    const struct frame *one = a, *other = b;
    if (one->time_ns != other->time_ns)
        return one->time_ns < other->time_ns ? -1 : 1;
    return strcmp(one->path, other->path);
}

/* ---- nearest times --------------------------------------------------------------------------- */

struct candidate {
    int64_t gap_ns;
    size_t picture, depth;
};

struct candidates {
    size_t count, capacity;
    struct candidate *all;
};

static int compare_candidates(const void *a, const void *b) {
    const struct candidate *one = a, *other = b;
    if (one->gap_ns != other->gap_ns)
        return one->gap_ns < other->gap_ns ? -1 : 1;
    if (one->picture != other->picture)
        return one->picture < other->picture ? -1 : 1;
    return (one->depth > other->depth) - (one->depth < other->depth);
}

/* Adds the depths near a picture in time; those before number `first` are too early for it. */
static int add_near(struct candidates *candidates, const struct recording *pictures, size_t picture,
                    const struct recording *depths, size_t first, struct md_error *error) {
    for (size_t d = first; d < depths->count; d++) {
        const int64_t later = depths->frames[d].time_ns - pictures->frames[picture].time_ns;
        if (later >= near_ns)
            break;
        if (d - first == MOST_NEAR)
            return md_fail(error, MD_FAILED, "%s: more than %d depths within 0.02 s",
                           pictures->frames[picture].path, MOST_NEAR);
        struct candidate *all =
            md_grow(candidates->all, candidates->count, &candidates->capacity, sizeof *all, error);
        if (!all)
            return MD_FAILED;
        candidates->all = all;
        all[candidates->count++] = (struct candidate){llabs(later), picture, d};
    }
    return MD_OK;
}

/* Pairs candidates, the nearest in time first. depth_of gets the number of each picture's depth and
 * is SIZE_MAX before; `used`, one for each depth, is false before. */
static void match_nearest(struct candidates *candidates, size_t *depth_of, bool *used) {
    if (candidates->count > 0)
        qsort(candidates->all, candidates->count, sizeof *candidates->all, compare_candidates);
    for (size_t i = 0; i < candidates->count; i++) {
        const struct candidate *candidate = &candidates->all[i];
        if (depth_of[candidate->picture] != SIZE_MAX || used[candidate->depth])
            continue;
        depth_of[candidate->picture] = candidate->depth;
        used[candidate->depth] = true;
    }
}

static int pair_by_time(const struct recording *pictures, const struct recording *depths,
                        struct md_names *pairs, struct md_error *error) {
    struct candidates candidates = {0};
    size_t *depth_of = malloc((pictures->count + 1) * sizeof *depth_of);
    bool *used = calloc(depths->count + 1, sizeof *used);
    const size_t before = pairs->count;
    int status = md_check_memory(depth_of && used, error);
    for (size_t p = 0, first = 0; p < pictures->count && status == MD_OK; p++) {
        while (first < depths->count &&
               depths->frames[first].time_ns <= pictures->frames[p].time_ns - near_ns)
            first++;
        depth_of[p] = SIZE_MAX;
        status = add_near(&candidates, pictures, p, depths, first, error);
    }
    if (status == MD_OK)
        match_nearest(&candidates, depth_of, used);
    for (size_t p = 0; p < pictures->count && status == MD_OK; p++) {
        if (depth_of[p] == SIZE_MAX)
            continue;
        status = md_names_add(pairs, pictures->frames[p].path, error);
        MD_THEN(status, md_names_add(pairs, depths->frames[depth_of[p]].path, error));
    }
    if (status == MD_OK && pairs->count == before)
        status = md_fail(error, MD_FAILED,
                         "expected depths within 0.02 s of the %zu pictures, found none of %zu",
                         pictures->count, depths->count);
    free(candidates.all);
    free(depth_of);
    free(used);
    return status;
}

/* ---- reading lists --------------------------------------------------------------------------- */

static bool is_time(const char *word, int64_t *time_ns) {
    const char *end = parse_time(word, time_ns);
    return end && *end == 0;
}

static int add_timed_line(void *context, char *line, struct md_error *error) {
    char *words[MOST_WORDS], shown[80];
    int64_t time_ns;
    snprintf(shown, sizeof shown, "%s", line);
    if (md_split_words(line, " \t,", MOST_WORDS, words) != 2 || !is_time(words[0], &time_ns))
        return md_fail(error, MD_FAILED, "expected TIME PATH, found \"%s\"", shown);
    return add_frame(context, time_ns, words[1], error);
}

/* Two times and two paths, in either order, of which one lies in depth/. */
static int add_pair_line(void *context, char *line, struct md_error *error) {
    static const char depth[] = "depth/";
    char *words[MOST_WORDS], shown[80];
    int64_t time_ns;
    snprintf(shown, sizeof shown, "%s", line);
    bool sound = md_split_words(line, " \t,", MOST_WORDS, words) == MOST_WORDS &&
                 is_time(words[0], &time_ns) && is_time(words[2], &time_ns);
    const bool first = sound && strncmp(words[1], depth, strlen(depth)) == 0;
    const bool second = sound && strncmp(words[3], depth, strlen(depth)) == 0;
    if (!sound || first == second)
        return md_fail(error, MD_FAILED, "expected TIME rgb/FILE TIME depth/FILE, found \"%s\"",
                       shown);
    int status = md_names_add(context, words[first ? 3 : 1], error);
    return status == MD_OK ? md_names_add(context, words[first ? 1 : 3], error) : status;
}

/* All pictures in a subfolder whose names are times; `others`: some are not. */
static int list_timed_names(const char *folder, const char *below, struct recording *recording,
                            bool *others, struct md_error *error) {
    char path[MD_PATH_MAX];
    struct md_names names = {0};
    int status = md_path_format(path, error, "%s/%s", folder, below);
    if (status == MD_OK && md_is_folder(path))
        status = md_names_of_folder(path, &names, error);
    for (size_t i = 0; i < names.count && status == MD_OK; i++) {
        const char *name = names.names[i], *dot = strchr(name, '.');
        const size_t bare = md_bare_length(name, md_picture_endings);
        int64_t time_ns;
        if (bare == 0)
            continue;
        if (dot == name + bare || parse_time(name, &time_ns) != name + bare) {
            *others = true;
            continue;
        }
        status = md_path_format(path, error, "%s/%s", below, name);
        MD_THEN(status, add_frame(recording, time_ns, path, error));
    }
    md_names_free(&names);
    return status;
}

/* Reads the file in the folder by `use` when it is there. */
static int read_list(const char *folder, const char *name, md_use_name *use, void *context,
                     struct md_names *lists, struct md_error *error) {
    char path[MD_PATH_MAX];
    MD_TRY(md_path_format(path, error, "%s/%s", folder, name));
    MD_TRY(md_names_each_line(path, use, context, error));
    return md_names_add(lists, name, error);
}

static bool has_file(const char *folder, const char *name) {
    char path[MD_PATH_MAX];
    struct md_error ignored;
    return md_path_format(path, &ignored, "%s/%s", folder, name) == MD_OK && md_is_file(path);
}

int md_associate(const char *folder, struct md_names *pairs, struct md_names *lists, int *found,
                 struct md_error *error) {
    static const char *const names[2] = {"rgb.txt", "depth.txt"}, *const below[2] = {"rgb",
                                                                                     "depth"};
    struct recording recording[2] = {{0}};
    bool others[2] = {false, false};
    int status = MD_OK;
    *found = has_file(folder, "associations.txt");
    if (*found)
        return read_list(folder, "associations.txt", add_pair_line, pairs, lists, error);
    const bool listed = has_file(folder, names[0]) && has_file(folder, names[1]);
    for (int i = 0; i < 2 && status == MD_OK; i++)
        status = listed ? read_list(folder, names[i], add_timed_line, &recording[i], lists, error)
                        : list_timed_names(folder, below[i], &recording[i], &others[i], error);
    *found = listed || (recording[0].count > 0 && !others[0]);
    for (int i = 0; i < 2 && status == MD_OK; i++)
        if (recording[i].count > 0)
            qsort(recording[i].frames, recording[i].count, sizeof *recording[i].frames,
                  compare_frames);
    if (status == MD_OK && *found)
        status = pair_by_time(&recording[0], &recording[1], pairs, error);
    if (status != MD_OK && strstr(error->text, folder) == NULL)
        md_error_prefix(error, folder);
    free_recording(&recording[0]);
    free_recording(&recording[1]);
    return status;
}
