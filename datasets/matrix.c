/* Flights of a nano-drone with a VL53L5CX 8x8 time-of-flight sensor and a grey camera, as recorded
 * by Mueller et al. (T-RO 2023; ETH-PBL/Matrix_ToF_Drones). A flight is a folder:
 *
 *     state_ToF.csv       65 lines a frame: "time_ms,0,0", then "distance_mm,targets,status" for
 *                         each zone from the top left in row-major order; times never go back
 *     images/TIME.jpeg    grey pictures, named by the same clock in ms
 *
 * Each picture is paired with the frame nearest in time, the earlier line of the file on a tie, or
 * the spec->frames nearest ones; a picture without one within 100 ms is left out. (A flight's zones
 * have at most one target, and there is no sigma and no signal in its files.) The sensor sees the
 * middle of the picture only: a centred square of side spec->crop. Which flights a split means:
 * matrix_flights.c. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/grow.h"
#include "matrix_flights.h"
#include "readers.h"

enum { ZONES = 8 * 8, MAX_GAP_MS = 100 };

struct frame {
    int64_t time_ms;
    float depth_m[ZONES];
};

struct picture {
    int64_t time_ms;
    char *name; /* of the file in images/ */
};

/* One flight while it is being read. */
struct flight {
    size_t frame_count, frame_capacity;
    struct frame *frames;
    size_t picture_count, picture_capacity;
    struct picture *pictures;
};

/* A reader's state: the ToF frames of all flights. An entry's number is that of its frame. */
struct recording {
    size_t count, capacity;
    struct frame *frames;
};

static void free_flight(struct flight *flight) {
    for (size_t i = 0; i < flight->picture_count; i++)
        free(flight->pictures[i].name);
    free(flight->pictures);
    free(flight->frames);
}

/* --- state_ToF.csv --- */

/* Three integers with commas between and nothing behind. */
static bool parse_line(const char *line, int64_t value[3]) {
    for (int i = 0; i < 3; i++) {
        line += strspn(line, " \t");
        line = md_parse_integer(line, &value[i]);
        if (!line)
            return false;
        line += strspn(line, " \t");
        if (*line++ != (i < 2 ? ',' : 0))
            return false;
    }
    return true;
}

/* Begins a frame with its header line. */
static int begin_frame(struct flight *flight, const char *line, const int64_t value[3],
                       struct md_error *error) {
    if (value[0] < 0 || value[1] != 0 || value[2] != 0)
        return md_fail(error, MD_FAILED,
                       "expected a frame's first line time_ms,0,0, found \"%.60s\"", line);
    size_t count = flight->frame_count;
    if (count > 0 && value[0] < flight->frames[count - 1].time_ms)
        return md_fail(error, MD_FAILED, "time goes back from %lld to %lld ms",
                       (long long)flight->frames[count - 1].time_ms, (long long)value[0]);
    struct frame *frames =
        md_grow(flight->frames, count, &flight->frame_capacity, sizeof *frames, error);
    if (!frames)
        return MD_FAILED;
    flight->frames = frames;
    flight->frames[count].time_ms = value[0];
    flight->frame_count++;
    return MD_OK;
}

/* Reads the next line; `zone` is ZONES between frames and otherwise the zone that comes next. */
static int read_state_line(const struct md_data_spec *spec, const char *line, int *zone,
                           struct flight *flight, struct md_error *error) {
    int64_t value[3];
    if (!parse_line(line, value))
        return md_fail(error, MD_FAILED, "expected three integers, found \"%.60s\"", line);
    if (*zone == ZONES) {
        *zone = 0;
        return begin_frame(flight, line, value, error);
    }
    flight->frames[flight->frame_count - 1].depth_m[(*zone)++] =
        md_zone_depth(spec, value[0], value[1], value[2]);
    return MD_OK;
}

static int read_frames(const struct md_data_spec *spec, const char *folder, struct flight *flight,
                       struct md_error *error) {
    char path[MD_PATH_MAX];
    struct md_text text;
    int status = md_path_format(path, error, "%s/state_ToF.csv", folder);
    if (status == MD_OK)
        md_path_find_ending(path);
    MD_THEN(status, md_text_open(path, &text, error));
    if (status != MD_OK)
        return status;
    int zone = ZONES;
    for (char *line; status == MD_OK && (line = md_text_line(&text));)
        status = read_state_line(spec, line, &zone, flight, error);
    if (status == MD_OK && zone != ZONES)
        status =
            md_fail(error, MD_FAILED, "truncated: the last frame has %d of %d zones", zone, ZONES);
    if (status != MD_OK)
        md_fail_at_line(error, status, path, text.line);
    md_text_close(&text);
    if (status == MD_OK && flight->frame_count == 0)
        status = md_fail(error, MD_FAILED, "%s: expected frames, found an empty file", path);
    return status;
}

/* --- images/ --- */

/* Adds the file when it is a picture; other files are passed over. */
static int add_picture(struct md_source *source, const char *name, struct flight *flight,
                       struct md_error *error) {
    static const char *const endings[] = {".jpeg", NULL};
    const size_t bare = md_bare_length(name, endings);
    int64_t time_ms;
    const char *end = md_parse_integer(name, &time_ms);
    if (bare == 0) {
        md_unused_add(&source->unused, MD_UNUSED_ENDING, name);
        return MD_OK;
    }
    if (!end || end != name + bare)
        return md_fail(error, MD_FAILED, "expected pictures named TIME.jpeg, found %s", name);
    struct picture *pictures = md_grow(flight->pictures, flight->picture_count,
                                       &flight->picture_capacity, sizeof *pictures, error);
    if (!pictures)
        return MD_FAILED;
    flight->pictures = pictures;
    char *copy = strdup(name);
    if (!copy)
        return md_fail(error, MD_FAILED, "out of memory for picture %s", name);
    struct picture *picture = &flight->pictures[flight->picture_count++];
    picture->time_ms = time_ms;
    picture->name = copy;
    return MD_OK;
}

static int compare_pictures(const void *a, const void *b) {
    const struct picture *left = a, *right = b;
    if (left->time_ms != right->time_ms)
        return left->time_ms < right->time_ms ? -1 : 1;
    return strcmp(left->name, right->name);
}

static int list_pictures(struct md_source *source, const char *folder, struct flight *flight,
                         struct md_error *error) {
    char path[MD_PATH_MAX];
    MD_TRY(md_path_format(path, error, "%s/images", folder));
    struct md_names names = {0};
    int status = md_names_of_folder(path, &names, error);
    for (size_t i = 0; status == MD_OK && i < names.count; i++) {
        status = add_picture(source, names.names[i], flight, error);
        if (status != MD_OK)
            md_error_prefix(error, path);
    }
    md_names_free(&names);
    if (status != MD_OK)
        return status;
    if (flight->picture_count > 0)
        qsort(flight->pictures, flight->picture_count, sizeof *flight->pictures, compare_pictures);
    return MD_OK;
}

/* --- samples --- */

static bool is_among(const struct frame *frame, const struct frame *const *frames, int count) {
    for (int i = 0; i < count; i++)
        if (frames[i] == frame)
            return true;
    return false;
}

/* Finds at most `most` frames, the nearest first; returns how many there are. */
static int nearest_frames(const struct flight *flight, int64_t time_ms, int most,
                          const struct frame *nearest[MD_MOST_FRAMES]) {
    for (int count = 0; count < most; count++) {
        int64_t smallest = MAX_GAP_MS + 1;
        for (size_t i = 0; i < flight->frame_count; i++) {
            int64_t gap = llabs(flight->frames[i].time_ms - time_ms);
            if (gap < smallest && !is_among(&flight->frames[i], nearest, count)) {
                nearest[count] = &flight->frames[i];
                smallest = gap;
            }
        }
        if (smallest > MAX_GAP_MS)
            return count;
    }
    return most;
}

/* What the frames nearest to a picture say together; whether there is one. */
static bool fuse_frames(const struct md_data_spec *spec, const struct flight *flight,
                        int64_t time_ms, struct frame *fused) {
    const struct frame *nearest[MD_MOST_FRAMES];
    const int count = nearest_frames(flight, time_ms, spec->frames > 1 ? spec->frames : 1, nearest);
    fused->time_ms = time_ms;
    for (int zone = 0; zone < ZONES; zone++) {
        float depth_m[MD_MOST_FRAMES];
        int values = 0;
        for (int f = 0; f < count; f++)
            if (nearest[f]->depth_m[zone] != MD_NO_DEPTH)
                depth_m[values++] = nearest[f]->depth_m[zone];
        fused->depth_m[zone] = md_fuse_zone(spec, values, depth_m);
    }
    return count > 0;
}

static int read_entry(struct md_source *source, size_t index, struct md_sample *sample,
                      struct md_error *error) {
    const struct recording *recording = source->state;
    const struct md_entry *entry = &source->entries[index];
    return md_field_sample(source, entry->name, recording->frames[entry->number].depth_m, sample,
                           error);
}

/* Adds a sample: its picture's path, and its frame, which is kept. */
static int add_sample(struct md_source *source, const char *name, const struct frame *frame,
                      struct md_error *error) {
    struct recording *recording = source->state;
    struct frame *frames =
        md_grow(recording->frames, recording->count, &recording->capacity, sizeof *frames, error);
    if (!frames)
        return MD_FAILED;
    recording->frames = frames;
    recording->frames[recording->count] = *frame;
    return md_source_add(source, name, recording->count++, error);
}

/* Adds the samples of a flight whose frames and pictures have been listed. */
static int add_samples(struct md_source *source, const char *path, const struct flight *flight,
                       struct md_error *error) {
    bool at_root = strcmp(path, ".") == 0;
    int status = MD_OK;
    for (size_t i = 0; i < flight->picture_count && status == MD_OK; i++) {
        const struct picture *picture = &flight->pictures[i];
        struct frame frame;
        char name[MD_PATH_MAX];
        status = md_path_format(name, error, "%s%simages/%s", at_root ? "" : path,
                                at_root ? "" : "/", picture->name);
        if (status == MD_OK && !fuse_frames(&source->spec, flight, picture->time_ms, &frame))
            md_unused_add(&source->unused, MD_UNUSED_PICTURE, name);
        else if (status == MD_OK)
            status = add_sample(source, name, &frame, error);
    }
    return status;
}

static int list_flight(struct md_source *source, const char *path, struct md_error *error) {
    char folder[MD_PATH_MAX];
    struct flight flight = {0};
    int status = md_path_format(folder, error, "%s/%s", source->spec.root, path);
    MD_THEN(status, read_frames(&source->spec, folder, &flight, error));
    MD_THEN(status, list_pictures(source, folder, &flight, error));
    MD_THEN(status, add_samples(source, path, &flight, error));
    free_flight(&flight);
    return status;
}

static int list(struct md_source *source, struct md_error *error) {
    struct md_names flights;
    source->state = calloc(1, sizeof(struct recording));
    MD_TRY(md_check_memory(source->state != NULL, error));
    MD_TRY(md_flights_find(source->spec.root, source->spec.split, &flights, error));
    int status = MD_OK;
    for (size_t i = 0; i < flights.count && status == MD_OK; i++)
        status = list_flight(source, flights.names[i], error);
    md_names_free(&flights);
    return status;
}

static void close_recording(struct md_source *source) {
    struct recording *recording = source->state;
    free(recording->frames);
    free(recording);
}

const struct md_reader md_matrix_reader = {
    .splits = "all, train, val or test of the flights below root, or fold0 to fold3 (every fourth "
              "of them) and rest0 to rest3 (all others); or one flight, or several "
              "with commas between (Approach/A0,Rotate/R1), or @FILE with one a line. Of the "
              "flights sorted by name, every sixth from the third on is val, every sixth from "
              "the sixth on is test. A folder that is itself a flight: \".\"",
    .list = list,
    .read = read_entry,
    .part = md_field_part,
    .close = close_recording,
    .unit = "the millimetre",
    .range_m = 4,
    .needs_root = 1,
    .crop = 162,
};
