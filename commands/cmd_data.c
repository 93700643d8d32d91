/* mudepth data: what a data set holds, whether its files are sound, how it looks; and its samples
 * as files of the micro layout, or as one file that needs no decoding. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../base/file.h"
#include "../base/unpack.h"
#include "../datasets/cache.h"
#include "../datasets/labels.h"
#include "../datasets/micro.h"
#include "../datasets/readers.h"
#include "../experiments/config.h"
#include "../plots/plots.h"
#include "command.h"

enum { SIDE = 48, MOST_ROWS = 64, BINS = 10, BAR = 40 };

struct options {
    const char *output, *split;
    int json, rows;
};

/* The data of the SPEC that was typed. */
static int open_spec(const struct md_invocation *call, struct md_data_spec *spec,
                     struct md_dataset *data, struct md_error *error) {
    MD_TRY(md_data_spec_parse(call->words[0], spec, error));
    return md_open_data(spec, SIDE, SIDE, data, error);
}

/* ---- what was passed over -------------------------------------------------------------------- */

static json_t *unused_json(const struct md_unused *unused) {
    json_t *list = json_array();
    for (int why = 0; why < MD_UNUSED_WHYS; why++)
        if (unused->count[why] > 0)
            json_array_append_new(
                list, json_pack("{s:I, s:s, s:s}", "count", (json_int_t)unused->count[why], "what",
                                md_unused_what(unused, why), "such_as", unused->shown[why]));
    return list;
}

/* "3 files not used: 2 files with other endings (.txt, .db), 1 picture without a depth (7.png)" */
static void print_unused(const struct md_unused *unused) {
    size_t files = 0;
    for (int why = 0; why < MD_UNUSED_FILES; why++)
        files += unused->count[why];
    if (files > 0)
        printf("%zu file%s not used", files, files == 1 ? "" : "s");
    const char *before = ": ";
    for (int why = 0; why < MD_UNUSED_FILES; why++) {
        if (unused->count[why] == 0)
            continue;
        printf("%s%zu %s (%s)", before, unused->count[why], md_unused_what(unused, why),
               unused->shown[why]);
        before = ", ";
    }
    printf("%s", files > 0 ? "\n" : "");
    for (int why = MD_UNUSED_FILES; why < MD_UNUSED_WHYS; why++)
        if (unused->count[why] > 0)
            printf("%zu %s not used: %s\n", unused->count[why], md_unused_what(unused, why),
                   unused->shown[why]);
}

/* ---- info ------------------------------------------------------------------------------------ */

static int compare_floats(const void *a, const void *b) {
    float x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* What predictions are judged by, of all samples. */
struct depths {
    size_t pixels;  /* with and without a value */
    size_t count;   /* of values */
    float *sorted;  /* them; owned */
    float farthest; /* 0: there is none */
};

static int gather_depths(const struct md_dataset *data, struct depths *depths,
                         struct md_error *error) {
    int height, width;
    *depths = (struct depths){0};
    for (size_t s = 0; s < data->count; s++) {
        md_truth_size(&data->samples[s], &height, &width);
        depths->pixels += (size_t)height * (size_t)width;
    }
    depths->sorted = malloc((depths->pixels + 1) * sizeof *depths->sorted);
    MD_TRY(md_check_memory(depths->sorted != NULL, error));
    for (size_t s = 0; s < data->count; s++) {
        const struct md_sample *sample = &data->samples[s];
        const float *depth_m = sample->truth_m != NULL ? sample->truth_m : sample->depth_m;
        md_truth_size(sample, &height, &width);
        for (size_t p = 0; p < (size_t)height * (size_t)width; p++)
            if (depth_m[p] > 0.0f)
                depths->sorted[depths->count++] = depth_m[p];
    }
    qsort(depths->sorted, depths->count, sizeof *depths->sorted, compare_floats);
    if (depths->count > 0)
        depths->farthest = depths->sorted[depths->count - 1];
    return MD_OK;
}

/* BINS equal parts of 0 to the farthest depth. */
static void count_bins(const struct depths *depths, size_t bins[BINS]) {
    memset(bins, 0, BINS * sizeof *bins);
    for (size_t i = 0; i < depths->count; i++) {
        int bin = (int)(BINS * (double)depths->sorted[i] / (double)depths->farthest);
        bins[bin < BINS ? bin : BINS - 1]++;
    }
}

/* Of at least one depth; between two neighbours linearly, so that the median of an even number is
 * the mean of the middle two. */
static double percentile_of(const struct depths *depths, int percent) {
    double at = (double)(depths->count - 1) * percent / 100;
    size_t lower = (size_t)at, upper = lower + (lower + 1 < depths->count);
    double low_m = (double)depths->sorted[lower], high_m = (double)depths->sorted[upper];
    return low_m + (at - (double)lower) * (high_m - low_m);
}

static json_t *percentiles_of(const struct depths *depths) {
    static const int percents[] = {5, 25, 50, 75, 95};
    json_t *percentiles = json_object();
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        char name[8];
        snprintf(name, sizeof name, "%d", percents[i]);
        json_object_set_new(percentiles, name,
                            depths->count > 0 ? json_real(percentile_of(depths, percents[i]))
                                              : json_null());
    }
    return percentiles;
}

static json_t *info_json(const struct md_dataset *data, const char *unit,
                         const struct depths *depths, const size_t bins[BINS]) {
    const struct md_sample *first = &data->samples[0];
    json_t *histogram = json_array();
    int height, width;
    md_truth_size(first, &height, &width);
    for (int b = 0; b < BINS; b++)
        json_array_append_new(histogram, json_integer((json_int_t)bins[b]));
    return json_pack(
        "{s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:b, s:f, s:o, s:{s:f, s:o}, s:s, s:s, s:s, s:o}",
        "samples", (json_int_t)data->count, "height", data->height, "width", data->width,
        "depth_height", first->depth_height, "depth_width", first->depth_width, "truth_height",
        height, "truth_width", width, "stereo", first->right_picture != NULL, "valid_share",
        (double)depths->count / (double)depths->pixels, "depth_percentiles_m",
        percentiles_of(depths), "depth_histogram", "bin_m", (double)depths->farthest / BINS,
        "counts", histogram, "unit", unit, "depth_kinds", data->depth_kinds, "digest", data->digest,
        "not_used", unused_json(&data->unused));
}

static void print_info(const struct md_dataset *data, const char *unit, const struct depths *depths,
                       const size_t bins[BINS]) {
    const struct md_sample *first = &data->samples[0];
    int height, width;
    size_t most = 1;
    md_truth_size(first, &height, &width);
    printf("samples:  %zu, from %s to %s\npictures: %dx%d%s, label %dx%d, truth %dx%d\n",
           data->count, first->name, data->samples[data->count - 1].name, data->width, data->height,
           first->right_picture != NULL ? " (two cameras)" : "", first->depth_width,
           first->depth_height, width, height);
    printf(
        "unit:     %s, of depths in the files\nvalid:    %.1f %% of the depth values\ndepth (m):%s",
        unit, 100.0 * (double)depths->count / (double)depths->pixels,
        depths->count > 0 ? "" : " none");
    json_t *percentiles = percentiles_of(depths);
    for (void *i = depths->count > 0 ? json_object_iter(percentiles) : NULL; i != NULL;
         i = json_object_iter_next(percentiles, i))
        printf(" %s %%: %.2f", json_object_iter_key(i),
               json_number_value(json_object_iter_value(i)));
    json_decref(percentiles);
    printf("\n");
    for (int b = 0; b < BINS; b++)
        most = bins[b] > most ? bins[b] : most;
    for (int b = 0; b < BINS && depths->count > 0; b++) {
        printf("  %6.2f .. %6.2f  %5.1f %%  ", (double)depths->farthest * b / BINS,
               (double)depths->farthest * (b + 1) / BINS,
               100.0 * (double)bins[b] / (double)depths->count);
        for (size_t c = 0; c < (bins[b] * BAR + most - 1) / most; c++)
            putchar('#');
        printf("\n");
    }
    if (data->depth_kinds[0] != '\0')
        printf("mixed:    depths of several kinds: %s; the key depth takes one\n",
               data->depth_kinds);
    printf("digest:   %s\n", data->digest);
    print_unused(&data->unused);
}

static int info(const struct md_invocation *call, struct md_error *error) {
    const struct options *o = call->options;
    struct md_data_spec spec;
    struct md_dataset data;
    struct depths depths;
    size_t bins[BINS];
    char unit[MD_UNIT_SIZE];
    MD_TRY(open_spec(call, &spec, &data, error));
    md_data_unit(&spec, unit);
    int status = gather_depths(&data, &depths, error);
    if (status == MD_OK) {
        count_bins(&depths, bins);
        if (o->json)
            status = md_print_json(info_json(&data, unit, &depths, bins), error);
        else
            print_info(&data, unit, &depths, bins);
    }
    free(depths.sorted);
    md_dataset_close(&data);
    return status;
}

/* ---- verify ---------------------------------------------------------------------------------- */

static int has_depth(const struct md_sample *sample) {
    for (int z = 0; z < sample->depth_height * sample->depth_width; z++)
        if (sample->depth_m[z] != MD_NO_DEPTH)
            return 1;
    return 0;
}

/* Opens everything and goes on where something is broken. */
static int verify(const struct md_invocation *call, struct md_error *error) {
    const struct options *o = call->options;
    struct md_data_spec spec;
    struct md_source source;
    struct md_progress_line line;
    struct md_watch watch = md_progress_watch(&line);
    struct md_unused unused;
    size_t broken = 0, empty = 0;
    int status = md_data_spec_parse(call->words[0], &spec, error);
    MD_THEN(status, md_source_open(&spec, SIDE, SIDE, &source, error));
    if (status != MD_OK)
        return status;
    size_t all = source.count, s = 0;
    json_t *list = json_array();
    for (; s < all && !md_watch_report(&watch, "verifying", (double)s, (double)all); s++) {
        struct md_sample sample;
        struct md_error found;
        if (md_source_read(&source, s, &sample, &found) == MD_OK) {
            empty += !has_depth(&sample);
            md_sample_free(&sample);
            continue;
        }
        broken++;
        md_progress_clear(&line);
        if (o->json)
            json_array_append_new(list, json_string(found.text));
        else
            printf("broken: %s\n", found.text);
    }
    md_progress_clear(&line);
    unused = source.unused;
    md_source_close(&source);
    if (o->json) {
        status =
            md_print_json(json_pack("{s:I, s:I, s:I, s:O, s:o}", "samples", (json_int_t)s, "broken",
                                    (json_int_t)broken, "without_depth", (json_int_t)empty,
                                    "errors", list, "not_used", unused_json(&unused)),
                          error);
    } else {
        printf("%zu samples: %zu sound (%zu of them without any depth), %zu broken\n", s,
               s - broken, empty, broken);
        print_unused(&unused);
    }
    json_decref(list);
    if (status == MD_OK && s < all)
        return md_fail(error, MD_FAILED, "interrupted after %zu of %zu samples", s, all);
    if (status == MD_OK && broken > 0)
        return md_fail(error, MD_FAILED, "%zu of %zu samples are broken", broken, all);
    return status;
}

/* ---- show ------------------------------------------------------------------------------------ */

/* Samples that are evenly spread over the set. */
static int draw(const struct options *o, const struct md_data_spec *spec,
                const struct md_dataset *data, struct md_error *error) {
    size_t rows = data->count < (size_t)o->rows ? data->count : (size_t)o->rows;
    struct md_sheet_row sheet_rows[MOST_ROWS];
    float *labels = malloc(rows * SIDE * SIDE * sizeof *labels);
    MD_TRY(md_check_memory(labels != NULL, error));
    for (size_t r = 0; r < rows; r++) {
        const struct md_sample *sample = &data->samples[r * data->count / rows];
        float *label = labels + r * SIDE * SIDE;
        int height, width;
        md_truth_size(sample, &height, &width);
        md_label(sample, MD_LABEL_BILINEAR, (float)data->range_m, SIDE, SIDE, label);
        md_depth_from_disparity(sample->fb, SIDE * SIDE, label, label);
        sheet_rows[r] = (struct md_sheet_row){
            sample->name,
            sample->picture,
            {{sample->truth_m != NULL ? sample->truth_m : sample->depth_m, height, width},
             {sample->depth_m, sample->depth_height, sample->depth_width},
             {label, SIDE, SIDE}}};
    }
    char title[120];
    snprintf(title, sizeof title, "%.40s: %zu of %zu samples", spec->set, rows, data->count);
    const struct md_sheet sheet = {
        .title = title,
        .map_titles = {"truth", "label as read", "label for every pixel"},
        .map_count = 3,
        .rows = sheet_rows,
        .count = rows,
        .height = SIDE,
        .width = SIDE,
        .max_depth_m = data->range_m};
    int status = md_plot_contact_sheet(o->output, &sheet, error);
    free(labels);
    return status;
}

static int show(const struct md_invocation *call, struct md_error *error) {
    const struct options *o = call->options;
    struct md_data_spec spec;
    struct md_dataset data;
    MD_TRY(open_spec(call, &spec, &data, error));
    int status = draw(o, &spec, &data, error);
    md_dataset_close(&data);
    if (status == MD_OK)
        printf("%s\n", o->output);
    return status;
}

/* ---- export and cache ------------------------------------------------------------------------ */

static int write_as(const struct md_invocation *call, const char *ending,
                    int (*write)(const struct md_dataset *dataset, const char *folder,
                                 const char *split, int force, const struct md_watch *watch,
                                 struct md_error *error),
                    struct md_error *error) {
    const struct options *o = call->options;
    struct md_data_spec spec;
    struct md_dataset data;
    struct md_progress_line line;
    struct md_watch watch = md_progress_watch(&line);
    MD_TRY(open_spec(call, &spec, &data, error));
    int status = md_make_folder(o->output, error);
    MD_THEN(status, write(&data, o->output, o->split, call->common.force, &watch, error));
    md_progress_clear(&line);
    if (status == MD_OK)
        printf("%s/%s.%s: %zu samples\n", o->output, o->split, ending, data.count);
    md_dataset_close(&data);
    return status;
}

/* What the set micro, by itself, does not read of the samples that they were. */
static void note_unread(const struct md_dataset *data) {
    struct md_data_spec micro = {.set = "micro"};
    float farthest_m = 0;
    size_t finer = 0;
    md_data_spec_resolve(&micro);
    for (size_t s = 0; s < data->count; s++) {
        const struct md_sample *sample = &data->samples[s];
        finer += sample->truth_m != NULL;
        for (int z = 0; z < sample->depth_height * sample->depth_width; z++)
            farthest_m = fmaxf(farthest_m, sample->depth_m[z]);
    }
    if (farthest_m >= (float)micro.max_depth_m)
        md_note(
            "depths up to %g m are read with a max_depth_m above that: of the set micro it is %g "
            "otherwise",
            (double)farthest_m, micro.max_depth_m);
    if (finer > 0)
        md_note("the truth of %zu samples, their depth map itself, is not written: what is read is "
                "judged by the labels",
                finer);
}

static int write_micro(const struct md_dataset *dataset, const char *folder, const char *split,
                       int force, const struct md_watch *watch, struct md_error *error) {
    MD_TRY(md_micro_write(dataset, folder, split, force, watch, error));
    note_unread(dataset);
    return MD_OK;
}

static int export(const struct md_invocation *call, struct md_error *error) {
    return write_as(call, "csv", write_micro, error);
}

/* Quick, and whole or not at all. */
static int write_cache(const struct md_dataset *dataset, const char *folder, const char *split,
                       int force, const struct md_watch *watch, struct md_error *error) {
    (void)watch;
    return md_cache_write(dataset, folder, split, force, error);
}

static int cache(const struct md_invocation *call, struct md_error *error) {
    return write_as(call, "h5", write_cache, error);
}

static int unpack(const struct md_invocation *call, struct md_error *error) {
    const struct options *o = call->options;
    struct md_progress_line line;
    struct md_watch watch = md_progress_watch(&line);
    struct md_unpacked unpacked;
    int status = md_unpack(call->words[0], o->output, call->common.force, &watch, &unpacked, error);
    md_progress_clear(&line);
    if (status == MD_OK)
        printf("%s: %zu files in %zu folders, %.1f MB\n", o->output, unpacked.files,
               unpacked.folders, (double)unpacked.bytes / 1e6);
    return status;
}

/* ---- the command ----------------------------------------------------------------------------- */

static const struct md_option saying_options[] = {MD_OPT_JSON, {0}};
static const struct md_option show_options[] = {
    MD_OPT("output", 'o', OUTPUT, output, "FILE", "the figure (PNG, SVG, PDF)", .is_required = 1),
    MD_OPT("rows", 0, WHOLE, rows, "N", "samples to draw, evenly spread", .preset = "12", .low = 1,
           .high = MOST_ROWS),
    {0}};
static const struct md_option writing_options[] = {
    MD_OPT("output", 'o', FOLDER, output, "DIR", "the folder", .is_required = 1),
    MD_OPT("split", 0, TEXT, split, "S", "name of the split that is written", .preset = "train"),
    {0}};

#define ACTION(NAME, SUMMARY, OPTIONS)                                                             \
    static const struct md_command command_##NAME = {.name = #NAME,                                \
                                                     .summary = SUMMARY,                           \
                                                     .words = {{.name = "SPEC"}},                  \
                                                     .options = OPTIONS,                           \
                                                     .options_size = sizeof(struct options),       \
                                                     .run = NAME}
ACTION(info, "sizes, depths, digest", saying_options);
ACTION(verify, "open everything, list what is broken", saying_options);
ACTION(show, "draw samples", show_options);
ACTION(export, "write the micro layout: DIR/S.csv and the folder DIR/S with its files",
       writing_options);
ACTION(cache, "write DIR/S.h5 for the set cache", writing_options);
static const struct md_option unpack_options[] = {
    MD_OPT("output", 'o', FOLDER, output, "DIR",
           "the folder, which must not be there yet; with --force only the archive's own files are "
           "replaced in it",
           .is_required = 1),
    {0}};
static const struct md_command command_unpack = {
    .name = "unpack",
    .summary = "unpack a set's .tar or .tar.gz, whole or not at all",
    .words = {{"ARCHIVE", MD_WORD_PATH, MD_ONE, NULL}},
    MD_OPTIONS(unpack_options),
    .run = unpack};
static const struct md_command *const actions[] = {
    &command_info,  &command_verify, &command_show, &command_export,
    &command_cache, &command_unpack, NULL};

const struct md_command md_command_data = {
    .name = "data",
    .summary = "say what a data set holds, verify, show, export, cache or unpack it",
    .commands = actions,
    .notes = "The keys of SPEC, and the data sets: mudepth help config; where they are published: "
             "datasets/README.md. An archive may hold files and folders below its own and nothing "
             "else: absolute names, \"..\", links, devices, names that are there twice and what "
             "unpacks to more than 200 times its size are refused.",
    .examples =
        "  mudepth data unpack micro_kitti.tar.gz -o kitti\n"
        "  mudepth data info '{set: matrix, root: FLIGHTS, split: all}'\n"
        "  mudepth data verify '{set: matrix, root: FLIGHTS, split: all}'\n"
        "  mudepth data show '{set: synthetic, split: test, count: 40}' -o field.png\n"
        "  mudepth data export '{set: synthetic, seed: 7, split: train, count: 100}' -o my_flight\n"
        "  mudepth data cache '{set: matrix, root: FLIGHTS, split: train}' -o flights --split "
        "train"};
