/* mudepth data: what a data set holds, and its samples as files of the micro layout. */
#include <stdlib.h>
#include <string.h>

#include "../datasets/micro.h"
#include "command.h"
#include "config.h"

static int compare_floats(const void *a, const void *b) {
    float x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* All valid depths, sorted; their number in *count. */
static float *sorted_depths(const struct md_dataset *data, size_t *count, size_t *zones) {
    *count = *zones = 0;
    for (size_t s = 0; s < data->count; s++)
        *zones += (size_t)data->samples[s].depth_height * (size_t)data->samples[s].depth_width;
    float *depths = malloc((*zones + 1) * sizeof *depths);
    for (size_t s = 0; depths != NULL && s < data->count; s++) {
        const struct md_sample *sample = &data->samples[s];
        for (int z = 0; z < sample->depth_height * sample->depth_width; z++)
            if (sample->depth_m[z] > 0.0f)
                depths[(*count)++] = sample->depth_m[z];
    }
    if (depths != NULL)
        qsort(depths, *count, sizeof *depths, compare_floats);
    return depths;
}

static int show(const struct md_dataset *data, int json, struct md_error *error) {
    static const int percents[] = {5, 25, 50, 75, 95};
    size_t count, zones;
    float *depths = sorted_depths(data, &count, &zones);
    if (depths == NULL)
        return md_fail(error, MD_FAILED, "out of memory");
    json_t *percentiles = json_object();
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        char name[8];
        snprintf(name, sizeof name, "%d", percents[i]);
        json_object_set_new(percentiles, name,
                            count > 0 ? json_real(depths[(count - 1) * (size_t)percents[i] / 100])
                                      : json_null());
    }
    const struct md_sample *first = &data->samples[0];
    double share = (double)count / (double)zones;
    int status = MD_OK;
    if (json) {
        status =
            md_print_json(json_pack("{s:I, s:i, s:i, s:i, s:i, s:f, s:O, s:s}", "samples",
                                    (json_int_t)data->count, "height", data->height, "width",
                                    data->width, "depth_height", first->depth_height, "depth_width",
                                    first->depth_width, "valid_share", share, "depth_percentiles_m",
                                    percentiles, "digest", data->digest),
                          error);
    } else {
        printf("samples:  %zu, from %s to %s\npictures: %dx%d, depth %dx%d\n", data->count,
               first->name, data->samples[data->count - 1].name, data->width, data->height,
               first->depth_width, first->depth_height);
        printf("valid:    %.1f %% of the depth values\ndepth (m):%s", 100.0 * share,
               count > 0 ? "" : " none");
        for (void *i = count > 0 ? json_object_iter(percentiles) : NULL; i != NULL;
             i = json_object_iter_next(percentiles, i))
            printf(" %s %%: %.2f", json_object_iter_key(i),
                   json_number_value(json_object_iter_value(i)));
        printf("\ndigest:   %s\n", data->digest);
    }
    json_decref(percentiles);
    free(depths);
    return status;
}

static int run(int argc, char **argv, struct md_error *error) {
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"split", required_argument, NULL, 's'},
                                            {"json", no_argument, NULL, 'j'},
                                            {0}};
    const char *output = NULL, *split = NULL;
    int json = 0;
    for (int c; (c = md_next_option(argc, argv, ":o:", options, error)) != -1;) {
        if (c == '?')
            return MD_USAGE;
        output = c == 'o' ? optarg : output;
        split = c == 's' ? optarg : split;
        json |= c == 'j';
    }
    const char *what = optind < argc ? argv[optind] : "";
    int exports = strcmp(what, "export") == 0;
    if (argc - optind != 2 || (!exports && strcmp(what, "info") != 0) ||
        exports != (output != NULL) || (exports ? json : split != NULL))
        return md_fail(error, MD_USAGE,
                       "expected \"info SPEC\" or \"export SPEC -o DIR\"; see mudepth data --help");
    if (split == NULL)
        split = "train";
    struct md_data_spec spec;
    struct md_dataset data;
    int status = md_data_spec_parse(argv[optind + 1], &spec, error);
    if (status == MD_OK)
        status = md_dataset_open(&spec, 48, 48, &data, error);
    if (status != MD_OK)
        return status;
    if (!exports)
        status = show(&data, json, error);
    else if ((status = md_make_folder(output, error)) == MD_OK)
        status = md_micro_write(&data, output, split, error);
    if (status == MD_OK && exports)
        printf("%s/%s.csv: %zu samples\n", output, split, data.count);
    md_dataset_close(&data);
    return status;
}

static void help_more(void) {
    md_config_print_keys(1);
}

const struct md_command md_command_data = {
    "data", "say what a data set holds; export it to the micro layout",
    "info SPEC [--json]\n"
    "       mudepth data export SPEC -o DIR [--split NAME]\n\n"
    "  -o, --output DIR  folder for NAME.csv and the folder NAME with its files\n"
    "      --split NAME  name of the exported split (default train)\n\n"
    "examples:\n"
    "  mudepth data info '{set: matrix, root: FLIGHTS, split: all}'\n"
    "  mudepth data export '{set: synthetic, seed: 7, split: train, count: 100}' -o my_flight\n\n"
    "What split means:\n"
    "  micro      split: NAME reads root/NAME.csv (img,depth.npy,disp.npy,fb.npy; no header)\n"
    "  matrix     split: all, train, val or test of the flights below root; or one flight, or\n"
    "             several with commas between (Approach/A0,Rotate/R1), or @FILE with one a line.\n"
    "             Of the flights sorted by name, every sixth from the third on is val, every\n"
    "             sixth from the sixth on is test. A folder that is itself a flight: \".\"\n"
    "  synthetic  split: any word; another word is another flight. Worlds: field (a flat) and\n"
    "             arena (a hall for drones) are one place per seed, seen by an 8x8 sensor; source\n"
    "             (halls) and road (streets) a new place every 8 samples, with exact depth at\n"
    "             every pixel, for which max_depth_m: 80 is right\n"
    "  A trailing [a:b] takes samples a to b-1 of any of them.\n\n"
    "keys of SPEC:\n",
    help_more, run};
