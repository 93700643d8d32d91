/* Our own plain form of what a VL53L5CX and a camera saw; recording.md says how to make one. A
 * recording is a folder with frames.csv and the pictures that it names. The first line of
 * frames.csv names its columns, which have the names of the sensor driver's arrays and may come in
 * any order:
 *
 *     picture                     path of the picture, relative to the folder
 *     distance_mm_0 .. _63        zone 0 is top left in the picture, zone 7 top right
 *     target_status_0 .. _63
 *     nb_target_detected_0 .. _63, or none of these: then each zone has one target
 *     second_distance_mm_0 .. _63, second_target_status_0 .. _63, or none of these: a zone's
 *                                 second target, for spec->target
 *     time_ms and others          or not; for whoever looks into the file
 *
 * The sensor sees a centred square of side spec->crop of the picture. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/grow.h"
#include "../base/namelist.h"
#include "readers.h"

enum { ZONES = 8 * 8 };

/* The kinds of columns, and how many columns each has; what is of none of them is OTHER. */
enum kind {
    PICTURE,
    DISTANCE,
    STATUS,
    TARGETS,
    SECOND_DISTANCE,
    SECOND_STATUS,
    KINDS,
    OTHER = KINDS
};
static const struct {
    const char *name;
    int columns;
    bool needed;
} kinds[KINDS] = {
    [PICTURE] = {"picture", 1, true},
    [DISTANCE] = {"distance_mm", ZONES, true},
    [STATUS] = {"target_status", ZONES, true},
    [TARGETS] = {"nb_target_detected", ZONES, false},
    [SECOND_DISTANCE] = {"second_distance_mm", ZONES, false},
    [SECOND_STATUS] = {"second_target_status", ZONES, false},
};
enum { MOST_COLUMNS = 1024 };

/* One frames.csv. */
struct csv {
    char *folder; /* relative to the root: "" or with a slash at its end; owned */
    int columns;
    struct column {
        enum kind kind;
        int zone;
    } column[MOST_COLUMNS];
    bool has[KINDS];
};

/* A reader's state: what the files of the source's lines say in their first ones. */
struct recordings {
    size_t count, capacity;
    struct csv *csvs;
};

static void close_recordings(struct md_source *source) {
    struct recordings *recordings = source->state;
    for (size_t i = 0; i < recordings->count; i++)
        free(recordings->csvs[i].folder);
    free(recordings->csvs);
    free(recordings);
}

static int csv_path(const struct md_source *source, const char *folder, char path[MD_PATH_MAX],
                    struct md_error *error) {
    int status = md_path_format(path, error, "%s/%sframes.csv", source->spec.root, folder);
    if (status == MD_OK)
        md_path_find_ending(path);
    return status;
}

/* --- the first line --- */

/* "distance_mm_12" is zone 12 of DISTANCE. What begins like that and has no such zone is a mistake;
 * any other name, "distance_mm_mean" too, is that of a column of no concern. */
static bool find_column(const char *name, struct column *column) {
    *column = (struct column){OTHER, 0};
    for (int kind = 0; kind < KINDS; kind++) {
        size_t length = strlen(kinds[kind].name);
        int64_t zone = 0;
        if (strncmp(name, kinds[kind].name, length) != 0)
            continue;
        const char *end = name + length;
        if (end[0] == '_' && isalpha((unsigned char)end[1]))
            break;
        if (kinds[kind].columns > 1)
            end = *end == '_' ? md_parse_integer(end + 1, &zone) : NULL;
        if (end && *end == 0 && zone >= 0 && zone < kinds[kind].columns)
            *column = (struct column){(enum kind)kind, (int)zone};
        return column->kind == (enum kind)kind || kinds[kind].columns == 1;
    }
    return true;
}

#define COLUMN_NAMES                                                                               \
    "expected the names of columns (picture, distance_mm_0 to _63, target_status_0 to _63, "       \
    "nb_target_detected_0 to _63 or none)"

static int check_complete(const struct md_data_spec *spec, const struct csv *csv,
                          bool seen[KINDS][ZONES], struct md_error *error) {
    const bool has_two = csv->has[SECOND_DISTANCE] && csv->has[SECOND_STATUS] && csv->has[TARGETS];
    if (!has_two &&
        (csv->has[SECOND_DISTANCE] || csv->has[SECOND_STATUS] || spec->target != MD_TARGET_AUTO))
        return md_fail(
            error, MD_FAILED,
            "expected the columns second_distance_mm_0 to _63, second_target_status_0 to "
            "_63 and nb_target_detected_0 to _63%s",
            spec->target != MD_TARGET_AUTO ? ", which target: asks for" : " together");
    for (int kind = 0; kind < KINDS; kind++)
        for (int zone = 0; zone < kinds[kind].columns; zone++) {
            char number[16] = "";
            if (seen[kind][zone] || !(kinds[kind].needed || csv->has[kind]))
                continue;
            if (kinds[kind].columns > 1)
                snprintf(number, sizeof number, "_%d", zone);
            return md_fail(error, MD_FAILED, COLUMN_NAMES "; there is no column %s%s",
                           kinds[kind].name, number);
        }
    return MD_OK;
}

static int read_header(struct md_source *source, char *line, struct csv *csv,
                       struct md_error *error) {
    bool seen[KINDS][ZONES] = {{false}};
    if (!line)
        return md_fail(error, MD_FAILED, "expected the names of columns, found no line");
    for (char *name; (name = md_next_field(&line));) {
        struct column column;
        if (csv->columns == MOST_COLUMNS)
            return md_fail(error, MD_FAILED, "more than %d columns", MOST_COLUMNS);
        if (!find_column(name, &column))
            return md_fail(error, MD_FAILED, COLUMN_NAMES ", found \"%.60s\"", name);
        csv->column[csv->columns++] = column;
        if (column.kind == OTHER) {
            if (strcmp(name, "time_ms") != 0)
                md_unused_add(&source->unused, MD_UNUSED_COLUMN, name);
            continue;
        }
        if (seen[column.kind][column.zone])
            return md_fail(error, MD_FAILED, "the column %s is named twice", name);
        seen[column.kind][column.zone] = csv->has[column.kind] = true;
    }
    return check_complete(&source->spec, csv, seen, error);
}

/* --- listing --- */

/* Which tenths of a recording a split takes: blocks, so that neighbours in time, which look alike,
 * are on one side. */
static const struct block {
    const char *name;
    size_t start, end;
} blocks[] = {{"all", 0, 10}, {"train", 0, 7}, {"val", 7, 8}, {"test", 8, 10}};
enum { BLOCKS = sizeof blocks / sizeof *blocks };

static bool is_recording(const struct md_source *source, const char *folder) {
    char path[MD_PATH_MAX];
    struct md_error ignored;
    return csv_path(source, folder, path, &ignored) == MD_OK && md_is_file(path);
}

/* Of the entries behind the first `before`, keeps those of the block. */
static void keep_block(struct md_source *source, size_t before, const struct block *block) {
    const size_t count = source->count - before;
    const size_t start = count * block->start / 10, end = count * block->end / 10;
    source->count = before;
    for (size_t i = 0; i < count; i++) {
        struct md_entry entry = source->entries[before + i];
        if (i >= start && i < end)
            source->entries[source->count++] = entry;
        else
            free(entry.name);
    }
}

/* Of a recording whose first line is yet to be read. */
static int add_csv(struct recordings *recordings, const char *folder, struct md_error *error) {
    struct csv *csvs =
        md_grow(recordings->csvs, recordings->count, &recordings->capacity, sizeof *csvs, error);
    if (!csvs)
        return MD_FAILED;
    recordings->csvs = csvs;
    csvs[recordings->count] = (struct csv){.folder = strdup(folder)};
    if (!csvs[recordings->count++].folder)
        return md_fail(error, MD_FAILED, "out of memory");
    return MD_OK;
}

static int add_recording(struct md_source *source, const char *folder, const struct block *block,
                         struct md_error *error) {
    struct recordings *recordings = source->state;
    const size_t before = source->count;
    char path[MD_PATH_MAX];
    struct md_text text;
    MD_TRY(add_csv(recordings, folder, error));
    MD_TRY(csv_path(source, folder, path, error));
    MD_TRY(md_text_open(path, &text, error));
    int status =
        read_header(source, md_text_line(&text), &recordings->csvs[recordings->count - 1], error);
    MD_THEN(status, md_source_add_lines(source, path, &text, error));
    if (status != MD_OK)
        md_fail_at_line(error, status, path, text.line);
    else
        keep_block(source, before, block);
    md_text_close(&text);
    return status;
}

/* Adds a block of the recording in a folder of the root; what is none is passed over. */
static int add_if_recording(struct md_source *source, const char *name, const struct block *block,
                            size_t *found, struct md_error *error) {
    char folder[MD_PATH_MAX], path[MD_PATH_MAX];
    MD_TRY(md_path_format(folder, error, "%s/", name));
    MD_TRY(md_path_format(path, error, "%s/%s", source->spec.root, name));
    if (is_recording(source, folder)) {
        ++*found;
        return add_recording(source, folder, block, error);
    }
    md_unused_add(&source->unused, md_is_folder(path) ? MD_UNUSED_FOLDER : MD_UNUSED_ENDING, name);
    return MD_OK;
}

/* Adds a block of the root itself, or of each recording in it. */
static int add_block(struct md_source *source, const struct block *block, struct md_error *error) {
    struct md_names names = {0};
    size_t found = 0;
    if (is_recording(source, ""))
        return add_recording(source, "", block, error);
    int status = md_names_of_folder(source->spec.root, &names, error);
    for (size_t i = 0; i < names.count && status == MD_OK; i++)
        status = add_if_recording(source, names.names[i], block, &found, error);
    md_names_free(&names);
    if (status == MD_OK && found == 0)
        return md_fail(error, MD_FAILED, "%s: no frames.csv there or in its folders",
                       source->spec.root);
    return status;
}

static int add_named(void *context, char *name, struct md_error *error) {
    char folder[MD_PATH_MAX];
    MD_TRY(md_path_format(folder, error, "%s/", name));
    return add_recording(context, folder, &blocks[0], error);
}

/* Whoever has a folder for train, val or test has divided the frames, and they are not divided
 * again. */
static bool is_divided(const struct md_source *source) {
    return is_recording(source, "train/") || is_recording(source, "val/") ||
           is_recording(source, "test/");
}

static int list(struct md_source *source, struct md_error *error) {
    const char *split = source->spec.split;
    source->state = calloc(1, sizeof(struct recordings));
    MD_TRY(md_check_memory(source->state != NULL, error));
    for (int b = 0; b < BLOCKS; b++)
        if (strcmp(split, blocks[b].name) == 0 && (b == 0 || !is_divided(source)))
            return add_block(source, &blocks[b], error);
    return md_split_each(split, add_named, source, error);
}

/* --- reading --- */

struct frame {
    const char *field[KINDS][ZONES];
};

/* A whole number, which programs that keep columns as floats write as "5.0". */
static bool parse_whole(const char *field, int64_t *value) {
    const char *end = md_parse_integer(field, value);
    if (end && *end == '.')
        end += 1 + strspn(end + 1, "0");
    return end && *end == 0;
}

static int need_whole(enum kind kind, int zone, const char *field, int64_t *value,
                      struct md_error *error) {
    return parse_whole(field, value) && *value >= 0
               ? MD_OK
               : md_fail(error, MD_FAILED, "%s, zone %d: expected a whole number, found \"%.60s\"",
                         kinds[kind].name, zone, field);
}

static int read_line(const struct csv *csv, char *line, struct frame *frame,
                     struct md_error *error) {
    const int found = md_field_count(line);
    if (found != csv->columns)
        return md_fail(error, MD_FAILED, "expected %d columns, as the first line has, found %d",
                       csv->columns, found);
    for (int c = 0; c < csv->columns; c++) {
        const struct column *column = &csv->column[c];
        const char *field = md_next_field(&line);
        if (column->kind != OTHER)
            frame->field[column->kind][column->zone] = field;
    }
    if (!frame->field[PICTURE][0] || frame->field[PICTURE][0][0] == 0)
        return md_fail(error, MD_FAILED, "the column picture is empty");
    return MD_OK;
}

/* One of a zone's targets, by the kind of its distance; the kind of its status is the next.
 * `alone`: how many there are to be, by the rule of md_zone_has_value. What the driver writes as
 * the distance of a zone without a value is any number. */
static int read_target(const struct md_data_spec *spec, const struct frame *frame,
                       enum kind distance_kind, int zone, int64_t alone, float *depth_m,
                       struct md_error *error) {
    const enum kind status_kind = distance_kind == DISTANCE ? STATUS : SECOND_STATUS;
    const char *distance = frame->field[distance_kind][zone];
    int64_t distance_mm = 0, zone_status;
    char *end;
    int status =
        need_whole(status_kind, zone, frame->field[status_kind][zone], &zone_status, error);
    if (status != MD_OK)
        return status;
    if (md_zone_has_value(spec, alone, zone_status))
        status = need_whole(distance_kind, zone, distance, &distance_mm, error);
    else if (strtod(distance, &end), end == distance || *end != 0)
        status = md_fail(error, MD_FAILED, "%s, zone %d: expected a number, found \"%.60s\"",
                         kinds[distance_kind].name, zone, distance);
    *depth_m = md_zone_depth(spec, distance_mm, alone, zone_status);
    return status;
}

/* Of two targets spec->target says which is chosen. */
static int read_zone(const struct md_source *source, const struct csv *csv,
                     const struct frame *frame, int zone, float *depth_m, struct md_error *error) {
    const struct md_data_spec *spec = &source->spec;
    int64_t targets = 1;
    float target_m[2] = {MD_NO_DEPTH, MD_NO_DEPTH};
    int status = MD_OK;
    if (csv->has[TARGETS])
        status = need_whole(TARGETS, zone, frame->field[TARGETS][zone], &targets, error);
    const bool chooses = targets == 2 && spec->target != MD_TARGET_AUTO;
    MD_THEN(status,
            read_target(spec, frame, DISTANCE, zone, chooses ? 1 : targets, &target_m[0], error));
    if (status == MD_OK && csv->has[SECOND_DISTANCE])
        status = read_target(spec, frame, SECOND_DISTANCE, zone, chooses, &target_m[1], error);
    *depth_m = md_target_depth((enum md_target_choice)spec->target, 2, target_m);
    return status;
}

static int read_frame(struct md_source *source, size_t file, char *line, struct md_sample *sample,
                      struct md_error *error) {
    const struct recordings *recordings = source->state;
    const struct csv *csv = &recordings->csvs[file];
    struct frame frame = {{{NULL}}};
    char name[MD_PATH_MAX];
    float zone_m[ZONES];
    MD_TRY(read_line(csv, line, &frame, error));
    MD_TRY(md_path_format(name, error, "%s%s", csv->folder, frame.field[PICTURE][0]));
    for (int zone = 0; zone < ZONES; zone++)
        MD_TRY(read_zone(source, csv, &frame, zone, &zone_m[zone], error));
    return md_field_sample(source, name, zone_m, sample, error);
}

static int read_entry(struct md_source *source, size_t index, struct md_sample *sample,
                      struct md_error *error) {
    return md_source_read_line(source, index, read_frame, sample, error);
}

const struct md_reader md_recording_reader = {
    .splits = "all frames of the recordings: root, or the folders in it that hold frames.csv; "
              "train, val or test: the first 70 %, the next 10 % and the last 20 % of each, or "
              "when root has such folders, those; or folders with commas between, or @FILE with "
              "one a line. datasets/recording.md says how to record one",
    .list = list,
    .read = read_entry,
    .part = md_field_part,
    .close = close_recordings,
    .unit = "the millimetre",
    .range_m = 4,
    .needs_root = 1,
};
