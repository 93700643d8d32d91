/* mudepth predict: depth of pictures, as 16-bit PNG in millimetres and as a coloured PNG. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../core/target/host.h"
#include "../datasets/image.h"
#include "../plots/plots.h"
#include "../results/weights.h"
#include "command.h"

struct options {
    const char *weights, *folder;
    double fb, max_m;
    int flip;
};

/* The largest centred square of the picture, resized to the network's input. */
static int read_picture(const char *path, const struct md_network *network, uint8_t *picture,
                        struct md_error *error) {
    struct md_image image;
    int status = md_image_read(path, &image, error);
    if (status != MD_OK)
        return status;
    int side = image.height < image.width ? image.height : image.width;
    md_image_resize(&image, (image.height - side) / 2, (image.width - side) / 2, side, side,
                    network->height, network->width, picture);
    md_image_free(&image);
    return MD_OK;
}

/* FOLDER/STEM.depth.png and FOLDER/STEM.colour.png. */
static int name_outputs(const char *path, const char *folder, char names[2][1200],
                        struct md_error *error) {
    static const char *const endings[] = {"depth", "colour"};
    const char *slash = strrchr(path, '/'), *stem = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(stem, '.');
    int length = dot != NULL && dot != stem ? (int)(dot - stem) : (int)strlen(stem);
    for (int i = 0; i < 2; i++)
        if (snprintf(names[i], 1200, "%s/%.*s.%s.png", folder, length, stem, endings[i]) >= 1200)
            return md_fail(error, MD_USAGE, "%.200s...: the path is too long", path);
    return MD_OK;
}

/* Nothing is replaced, and no picture by the next: found out before anything is written. */
static int check_outputs(const struct md_invocation *call, const char *folder,
                         struct md_error *error) {
    char names[2][1200], others[2][1200];
    for (int i = 0; i < call->count; i++) {
        int status = name_outputs(call->words[i], folder, names, error);
        for (int earlier = 0; status == MD_OK && earlier < i; earlier++)
            if (name_outputs(call->words[earlier], folder, others, error) == MD_OK &&
                strcmp(names[0], others[0]) == 0)
                status = md_fail(error, MD_USAGE, "%.400s and %.400s: both would be %.400s",
                                 call->words[earlier], call->words[i], names[0]);
        for (int n = 0; status == MD_OK && n < 2; n++)
            if (access(names[n], F_OK) == 0)
                status =
                    md_fail(error, MD_USAGE, "%.400s: is there already; give another -o", names[n]);
        if (status != MD_OK)
            return status;
    }
    return MD_OK;
}

static int write_depth(char names[2][1200], const float *depth_m, int height, int width,
                       double max_m, struct md_error *error) {
    size_t pixels = (size_t)height * (size_t)width;
    uint16_t *millimetres = malloc(pixels * sizeof *millimetres);
    uint8_t *colour = malloc(3 * pixels);
    int status =
        millimetres == NULL || colour == NULL ? md_fail(error, MD_FAILED, "out of memory") : MD_OK;
    for (size_t p = 0; status == MD_OK && p < pixels; p++) {
        millimetres[p] = md_depth_code(depth_m[p], 1000);
        md_depth_colour(depth_m[p], max_m, colour + 3 * p);
    }
    if (status == MD_OK)
        status = md_png_write_grey16(names[0], millimetres, height, width, error);
    if (status == MD_OK)
        status = md_png_write_rgb(names[1], colour, height, width, error);
    free(millimetres);
    free(colour);
    return status;
}

/* NaN is no depth, and no "no value" either. */
static int check_depth(const char *path, const float *depth_m, size_t pixels,
                       struct md_error *error) {
    size_t broken = 0;
    for (size_t p = 0; p < pixels; p++)
        broken += isnan(depth_m[p]) != 0;
    if (broken > 0)
        return md_fail(error, MD_FAILED,
                       "%.400s: the prediction is NaN or infinite at %zu of %zu pixels", path,
                       broken, pixels);
    return MD_OK;
}

static int predict_one(struct md_engine *engine, const struct options *o, const char *path,
                       uint8_t *picture, float *depth_m, struct md_error *error) {
    const struct md_network *network = engine->setup.network;
    char names[2][1200];
    int height, width, status = name_outputs(path, o->folder, names, error);
    if (status == MD_OK)
        status = read_picture(path, network, picture, error);
    if (status != MD_OK)
        return status;
    md_layer_size(network, network->output, &height, &width);
    struct md_sample sample = {.picture = picture, .fb = (float)o->fb};
    const struct md_dataset one = {.count = 1, .samples = &sample};
    const struct md_judging judging = {.flip = (enum md_flip)o->flip};
    status = md_predict(engine, &judging, &one, 0, 1, depth_m, error);
    if (status == MD_OK)
        status = check_depth(path, depth_m, (size_t)height * (size_t)width, error);
    if (status == MD_OK)
        status = write_depth(names, depth_m, height, width, o->max_m, error);
    if (status == MD_OK)
        printf("%s\n%s\n", names[0], names[1]);
    return status;
}

static int run(const struct md_invocation *call, struct md_error *error) {
    const struct options *o = call->options;
    const struct md_network *network;
    int status = md_weights_network(o->weights, &network, error);
    if (status == MD_OK)
        status = check_outputs(call, o->folder, error);
    if (status == MD_OK)
        status = md_make_folder(o->folder, error);
    if (status != MD_OK)
        return status;
    struct md_setup setup = {.network = network,
                             .ops = md_ops_find(MD_FP32, NULL),
                             .batch = 1,
                             .cores = 1,
                             .savings = MD_SAVINGS_FAST};
    struct md_plan plan;
    md_plan_make(&setup, &plan);
    void *arena = md_host_arena(plan.arena_bytes);
    float *weights = malloc(md_parameter_total(network) * sizeof *weights);
    float *depth = malloc(md_layer_elements(network, network->output) * sizeof *depth);
    uint8_t *picture = malloc(md_layer_elements(network, MD_PICTURE));
    if (arena == NULL || weights == NULL || depth == NULL || picture == NULL)
        status = md_fail(error, MD_FAILED, "out of memory");
    if (status == MD_OK)
        status = md_weights_read(o->weights, network, weights, NULL, error);
    if (status == MD_OK) {
        struct md_engine engine;
        md_engine_start(&engine, &setup, NULL, arena, plan.arena_bytes);
        md_engine_set_weights(&engine, weights);
        for (int i = 0; i < call->count && status == MD_OK; i++)
            status = md_stop_requested
                         ? md_fail(error, MD_FAILED, "interrupted before %.400s", call->words[i])
                         : predict_one(&engine, o, call->words[i], picture, depth, error);
    }
    free(arena);
    free(weights);
    free(depth);
    free(picture);
    return status;
}

static const struct md_option options[] = {
    MD_OPT("weights", 0, PATH, weights, "W", "weights file (HDF5, result cell, or published .pth)",
           .is_required = 1),
    MD_OPT("output", 'o', PATH, folder, "DIR",
           "folder for NAME.depth.png (16 bits, millimetres: 0 where no depth is predicted, or "
           "one below half a millimetre; 65535 beyond 65.534 m; data sets read both as no value) "
           "and NAME.colour.png (orange: beyond --max, grey: no value)",
           .is_required = 1),
    MD_OPT("fb", 0, NUMBER, fb, "X", "focal length times baseline", .preset = "80", .low = 1e-3,
           .high = 1e6),
    MD_OPT("flip", 0, FLAG, flip, NULL,
           "the mean disparity of the picture's prediction and, mirrored back, the mirrored "
           "picture's: two forward passes"),
    MD_OPT("max", 0, NUMBER, max_m, "M", "depth at the end of the colours, metres", .preset = "4",
           .low = 0.1, .high = 1000),
    {0}};

const struct md_command md_command_predict = {
    .name = "predict",
    .summary = "depth of pictures, as PNG",
    .words = {{"IMAGE", MD_WORD_PATH, MD_AT_LEAST_ONE, NULL}},
    MD_OPTIONS(options),
    .notes = "Of each picture (PNG or JPEG) the largest centred square is used, resized to 48x48.",
    .examples = "  mudepth predict --weights w.h5 room.jpg -o depth",
    .run = run};
