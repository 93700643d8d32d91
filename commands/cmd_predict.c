/* mudepth predict: depth of pictures, as PNG in millimetres and in colours, and as NumPy's array.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../base/file.h"
#include "../base/image.h"
#include "../base/namelist.h"
#include "../base/npy.h"
#include "../core/target/host.h"
#include "../datasets/readers.h"
#include "../experiments/config.h"
#include "../plots/plots.h"
#include "../results/cell.h"
#include "../results/weights.h"
#include "command.h"

enum { PATH_SIZE = 1200, MOST_VIEWED = 384 /* pixels a side of the picture in a view */ };

struct options {
    const char *weights, *folder, *like, *train;
    double fb, max_m, mean_share;
    int flip, full, view, npy, disparity, folders, json;
};

/* A picture, and what is predicted of a part of it. */
struct prediction {
    const struct md_data_spec *like; /* the set that cuts it so; NULL: the largest centred square */
    struct md_image image;
    struct md_crop part; /* of the image */
    uint8_t *picture;    /* the part as the network sees it */
    float *depth_m;      /* (height, width); not positive: none */
    double fb;           /* depth_m times disparity */
    struct md_judging judging;
    int height, width;
};

/* ---- what is written ------------------------------------------------------------------------- */

/* As 16 bits, in units of 1 / codes, 0 for none; codes 0: as NumPy's array. */
static int write_values(const char *path, const float *values, int height, int width, double codes,
                        struct md_error *error) {
    const size_t shape[] = {(size_t)height, (size_t)width}, pixels = shape[0] * shape[1];
    if (codes == 0)
        return md_npy_write(path, values, 2, shape, error);
    uint16_t *grey = malloc(pixels * sizeof *grey);
    MD_TRY(md_check_memory(grey != NULL, error));
    for (size_t i = 0; i < pixels; i++)
        grey[i] = md_depth_code(values[i], codes);
    int status = md_png_write_grey16(path, grey, height, width, error);
    free(grey);
    return status;
}

static int write_colour(const char *path, const struct prediction *p, const struct options *o,
                        struct md_error *error) {
    size_t pixels = (size_t)p->height * (size_t)p->width;
    uint8_t *colour = malloc(3 * pixels);
    MD_TRY(md_check_memory(colour != NULL, error));
    for (size_t i = 0; i < pixels; i++)
        md_depth_colour(p->depth_m[i], o->max_m, colour + 3 * i);
    int status = md_png_write_rgb(path, colour, p->height, p->width, error);
    free(colour);
    return status;
}

/* Bilinear between the centres of the prediction's pixels; where one of the four has no depth, the
 * nearest one counts. y and x: within the part, as shares of its sides. */
static float depth_at(const struct prediction *p, double y, double x) {
    double h = fmin(fmax(y * p->height - 0.5, 0), p->height - 1);
    double w = fmin(fmax(x * p->width - 0.5, 0), p->width - 1);
    int h0 = (int)h, w0 = (int)w, h1 = h0 + (h0 + 1 < p->height), w1 = w0 + (w0 + 1 < p->width);
    double down = h - h0, right = w - w0;
    const float *upper = p->depth_m + h0 * p->width, *lower = p->depth_m + h1 * p->width;
    float least = fminf(fminf(upper[w0], upper[w1]), fminf(lower[w0], lower[w1]));
    float most = fmaxf(fmaxf(upper[w0], upper[w1]), fmaxf(lower[w0], lower[w1]));
    if (least <= 0 || !isfinite(most))
        return (down < 0.5 ? upper : lower)[right < 0.5 ? w0 : w1];
    return (float)((1 - down) * ((1 - right) * upper[w0] + right * upper[w1]) +
                   down * ((1 - right) * lower[w0] + right * lower[w1]));
}

/* What is written of a prediction as numbers: `values`, (*height, *width), to be freed. NULL: out
 * of memory. */
typedef float *make_values(const struct prediction *p, const struct options *o, int *height,
                           int *width);

static float *depth_of(const struct prediction *p, const struct options *o, int *height,
                       int *width) {
    size_t bytes = (size_t)p->height * (size_t)p->width * sizeof(float);
    float *values = malloc(bytes);
    (void)o;
    *height = p->height;
    *width = p->width;
    return values != NULL ? memcpy(values, p->depth_m, bytes) : NULL;
}

static float *disparity_of(const struct prediction *p, const struct options *o, int *height,
                           int *width) {
    float *values = depth_of(p, o, height, width);
    for (int i = 0; values != NULL && i < p->height * p->width; i++)
        values[i] = values[i] > 0 ? (float)(p->fb / (double)values[i]) : 0;
    return values;
}

/* As large as the picture; 0 beside the part. */
static float *full_of(const struct prediction *p, const struct options *o, int *height,
                      int *width) {
    float *values = calloc((size_t)p->image.height * (size_t)p->image.width, sizeof *values);
    (void)o;
    *height = p->image.height;
    *width = p->image.width;
    for (int y = 0; values != NULL && y < p->part.height; y++)
        for (int x = 0; x < p->part.width; x++)
            values[(size_t)(p->part.top + y) * (size_t)*width + (size_t)(p->part.left + x)] =
                depth_at(p, (y + 0.5) / p->part.height, (x + 0.5) / p->part.width);
    return values;
}

static int write_view(const char *path, const struct prediction *p, const struct options *o,
                      struct md_error *error) {
    int shorter = p->part.height < p->part.width ? p->part.height : p->part.width;
    int side = shorter < MOST_VIEWED ? shorter : MOST_VIEWED;
    uint8_t *planes = malloc(3 * (size_t)side * (size_t)side);
    MD_TRY(md_check_memory(planes != NULL, error));
    md_image_resize(&p->image, p->part.top, p->part.left, p->part.height, p->part.width, side, side,
                    planes);
    const char *slash = strrchr(path, '/');
    const struct md_sheet_row row = {
        .picture = planes, .caption = "", .maps = {{p->depth_m, p->height, p->width}}};
    const struct md_sheet sheet = {.title = slash != NULL ? slash + 1 : path,
                                   .map_titles = {"depth"},
                                   .map_count = 1,
                                   .rows = &row,
                                   .count = 1,
                                   .height = side,
                                   .width = side,
                                   .max_depth_m = o->max_m};
    int status = md_plot_contact_sheet(path, &sheet, error);
    free(planes);
    return status;
}

/* What there is of a picture NAME: FOLDER/NAME and the ending. Either it is drawn, or values are
 * made and written. */
static const struct output {
    const char *name, *ending;
    size_t wanted[2]; /* where the options lie that ask for it; 0: none needed */
    int (*draw)(const char *path, const struct prediction *p, const struct options *o,
                struct md_error *error);
    make_values *make;
    double codes; /* write_values */
} outputs[] = {
#define ASKED(FIELD) offsetof(struct options, FIELD)
    {"depth", ".depth.png", {0}, NULL, depth_of, 1000},
    {"colour", ".colour.png", {0}, write_colour, NULL, 0},
    {"full", ".full.png", {ASKED(full)}, NULL, full_of, 1000},
    {"disparity", ".disparity.png", {ASKED(disparity)}, NULL, disparity_of, 256},
    {"view", ".view.png", {ASKED(view)}, write_view, NULL, 0},
    {"npy", ".npy", {ASKED(npy)}, NULL, depth_of, 0},
    {"full_npy", ".full.npy", {ASKED(full), ASKED(npy)}, NULL, full_of, 0},
    {"disparity_npy", ".disparity.npy", {ASKED(disparity), ASKED(npy)}, NULL, disparity_of, 0}};
enum { OUTPUTS = sizeof outputs / sizeof *outputs };

static int write_output(const struct output *output, const char *path, const struct prediction *p,
                        const struct options *o, struct md_error *error) {
    int height, width;
    if (output->draw != NULL)
        return output->draw(path, p, o, error);
    float *values = output->make(p, o, &height, &width);
    MD_TRY(md_check_memory(values != NULL, error));
    int status = write_values(path, values, height, width, output->codes, error);
    free(values);
    return status;
}

static int is_wanted(const struct options *o, const struct output *output) {
    int wanted = 1, flag;
    for (int i = 0; i < 2; i++) {
        memcpy(&flag, (const char *)o + output->wanted[i], sizeof flag);
        wanted &= output->wanted[i] == 0 || flag;
    }
    return wanted;
}

/* NAME of a picture: without its ending; with --folders its path, without what leads up, otherwise
 * the last part of it. */
static void name_picture(const char *picture, const struct options *o, char name[PATH_SIZE]) {
    size_t length = 0, size;
    for (const char *part = picture; *part != '\0'; part += size + (part[size] == '/')) {
        size = strcspn(part, "/");
        int is_step = size <= 2 && strncmp(part, "..", size) == 0;
        if (is_step && part[size] == '/')
            continue;
        length = o->folders ? length : 0;
        length += (size_t)snprintf(name + length, PATH_SIZE - length, "%s%.*s",
                                   length > 0 ? "/" : "", (int)size, part);
    }
    char *slash = strrchr(name, '/'), *stem = slash != NULL ? slash + 1 : name;
    char *dot = strrchr(stem, '.');
    if (dot != NULL && dot != stem)
        *dot = '\0';
}

static int name_output(const char *picture, const struct options *o, const char *ending,
                       char path[PATH_SIZE], struct md_error *error) {
    char name[PATH_SIZE] = "";
    if (strlen(picture) < sizeof name)
        name_picture(picture, o, name);
    if (name[0] == '\0' ||
        snprintf(path, PATH_SIZE, "%s/%s%s", o->folder, name, ending) >= PATH_SIZE)
        return md_fail(error, MD_USAGE, "%.200s...: the path is too long", picture);
    return MD_OK;
}

/* ---- which pictures -------------------------------------------------------------------------- */

static int use_line(void *context, char *name, struct md_error *error) {
    return md_names_add(context, name, error);
}

static int add_folder(const char *folder, struct md_names *pictures, struct md_error *error) {
    struct md_names names = {0};
    char path[MD_PATH_MAX];
    const size_t before = pictures->count;
    int status = md_names_of_folder(folder, &names, error);
    for (size_t n = 0; status == MD_OK && n < names.count; n++) {
        if (md_bare_length(names.names[n], md_picture_endings) == 0)
            continue;
        status = md_path_format(path, error, "%s/%s", folder, names.names[n]);
        MD_THEN(status, md_names_add(pictures, path, error));
    }
    if (status == MD_OK && pictures->count == before)
        status = md_fail(error, MD_FAILED, "%.400s: no picture (.png, .jpg, .jpeg) in this folder",
                         folder);
    md_names_free(&names);
    return status;
}

/* A picture, a folder of pictures, or @LIST. */
static int find_pictures(const struct md_invocation *call, struct md_names *pictures,
                         struct md_error *error) {
    int status = MD_OK;
    for (int i = 0; status == MD_OK && i < call->count; i++) {
        const char *word = call->words[i];
        if (word[0] == '@')
            status = md_names_each_line(word + 1, use_line, pictures, error);
        else if (md_is_folder(word))
            status = add_folder(word, pictures, error);
        else
            status = md_names_add(pictures, word, error);
    }
    return status;
}

struct claim {
    char path[PATH_SIZE]; /* of the first output */
    const char *picture;
};

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct claim *)a)->path, ((const struct claim *)b)->path);
}

static int check_free(const struct options *o, const char *picture, int force,
                      struct md_error *error) {
    char path[PATH_SIZE];
    int status = MD_OK;
    for (int n = 0; status == MD_OK && n < OUTPUTS; n++) {
        if (is_wanted(o, &outputs[n]))
            status = name_output(picture, o, outputs[n].ending, path, error);
        if (status == MD_OK && is_wanted(o, &outputs[n]))
            status = md_may_write(path, force, error);
    }
    return status;
}

/* Nothing is replaced unasked, and no picture by another: found out before anything is written. */
static int check_outputs(const struct md_names *pictures, const struct options *o, int force,
                         struct md_error *error) {
    struct claim *claims = malloc((pictures->count + 1) * sizeof *claims);
    int status = md_check_memory(claims != NULL, error);
    for (size_t i = 0; status == MD_OK && i < pictures->count; i++) {
        claims[i].picture = pictures->names[i];
        status = name_output(claims[i].picture, o, outputs[0].ending, claims[i].path, error);
        MD_THEN(status, check_free(o, claims[i].picture, force, error));
    }
    if (status == MD_OK && pictures->count > 1)
        qsort(claims, pictures->count, sizeof *claims, by_path);
    for (size_t i = 1; status == MD_OK && i < pictures->count; i++)
        if (by_path(&claims[i - 1], &claims[i]) == 0)
            status = md_fail(error, MD_USAGE, "%.300s and %.300s: both would be %.300s%s",
                             claims[i - 1].picture, claims[i].picture, claims[i].path,
                             o->folders ? "" : "; --folders keeps their folders");
    free(claims);
    return status;
}

/* ---- predicting ------------------------------------------------------------------------------ */

/* NaN is no depth, and no "no value" either. */
static int check_depth(const struct prediction *p, struct md_error *error) {
    size_t broken = 0, pixels = (size_t)p->height * (size_t)p->width;
    for (size_t i = 0; i < pixels; i++)
        broken += isnan(p->depth_m[i]) != 0;
    if (broken > 0)
        return md_fail(error, MD_FAILED, "the prediction is NaN or infinite at %zu of %zu pixels",
                       broken, pixels);
    return MD_OK;
}

static int choose_part(struct prediction *p, struct md_error *error) {
    const int height = p->image.height, width = p->image.width;
    const int side = height < width ? height : width;
    p->part = (struct md_crop){(height - side) / 2, (width - side) / 2, side, side};
    return p->like != NULL ? md_picture_part(p->like, height, width, &p->part, error) : MD_OK;
}

/* Predicts the depth of p->image. */
static int predict(struct md_engine *engine, struct prediction *p, struct md_error *error) {
    const struct md_network *network = engine->setup.network;
    MD_TRY(choose_part(p, error));
    md_image_resize(&p->image, p->part.top, p->part.left, p->part.height, p->part.width,
                    network->height, network->width, p->picture);
    struct md_sample sample = {.picture = p->picture, .fb = (float)p->fb};
    const struct md_dataset one = {.count = 1, .samples = &sample};
    MD_TRY(md_predict(engine, &p->judging, &one, 0, 1, p->depth_m, error));
    return check_depth(p, error);
}

/* What is said of the depth: the least, mean and largest, and how many pixels have none. */
static void describe(const struct prediction *p, json_t *about) {
    double least = INFINITY, most = 0, sum = 0;
    int none = 0, pixels = p->height * p->width;
    for (int i = 0; i < pixels; i++) {
        const double depth_m = p->depth_m[i];
        none += depth_m <= 0;
        sum += depth_m > 0 ? depth_m : 0;
        least = depth_m > 0 ? fmin(least, depth_m) : least;
        most = fmax(most, depth_m);
    }
    json_object_set_new(about, "min_m", md_json_number(none < pixels ? least : NAN));
    json_object_set_new(about, "mean_m", md_json_number(sum / (pixels - none)));
    json_object_set_new(about, "max_m", md_json_number(none < pixels ? most : NAN));
    json_object_set_new(about, "without_depth", json_integer(none));
}

/* Does all of one picture, and puts what there is into `about`. Errors name the picture. */
static int predict_one(struct md_engine *engine, const struct options *o, const char *picture,
                       struct prediction *p, json_t *about, struct md_error *error) {
    char path[PATH_SIZE], folder[MD_PATH_MAX];
    MD_TRY(md_image_read(picture, &p->image, error));
    int status = predict(engine, p, error);
    if (status != MD_OK)
        status = md_fail_in(error, status, picture);
    else if ((status = name_output(picture, o, "", path, error)) == MD_OK) {
        md_path_folder(path, folder);
        status = md_make_folder(folder, error); /* not for bad pictures only */
    }
    for (int n = 0; status == MD_OK && n < OUTPUTS; n++) {
        if (!is_wanted(o, &outputs[n]))
            continue;
        status = name_output(picture, o, outputs[n].ending, path, error);
        MD_THEN(status, write_output(&outputs[n], path, p, o, error));
        if (status != MD_OK)
            break;
        json_object_set_new(about, outputs[n].name, json_string(path));
        if (!o->json)
            printf("%s\n", path);
    }
    if (status == MD_OK)
        describe(p, about);
    md_image_free(&p->image);
    return status;
}

/* All pictures, even if some are bad: each of these is named on standard error. */
static int predict_all(struct md_engine *engine, const struct options *o,
                       const struct md_names *pictures, struct prediction *p, json_t *list,
                       struct md_error *error) {
    size_t failed = 0;
    for (size_t i = 0; i < pictures->count; i++) {
        const char *picture = pictures->names[i];
        json_t *about = json_pack("{s:s}", "picture", picture);
        if (md_stop_requested) {
            json_decref(about);
            return md_fail(error, MD_FAILED, "interrupted before %.400s", picture);
        }
        if (predict_one(engine, o, picture, p, about, error) != MD_OK) {
            failed++;
            json_object_set_new(about, "error", json_string(error->text));
            if (pictures->count > 1)
                fprintf(stderr, "mudepth predict: %s\n", error->text);
        }
        json_array_append_new(list, about);
    }
    if (failed > 0 && pictures->count > 1)
        return md_fail(error, MD_FAILED, "%zu of %zu pictures failed", failed, pictures->count);
    return failed > 0 ? MD_FAILED : MD_OK;
}

/* Reads --like: a data set's name, or a SPEC, which needs no split here. */
static int parse_like(const char *text, struct md_data_spec *like, struct md_error *error) {
    char spec[2000];
    size_t length = strlen(text);
    int is_mapping = text[0] == '{' && text[length - 1] == '}';
    int written = is_mapping
                      ? snprintf(spec, sizeof spec, "%.*s, split: all}", (int)length - 1, text)
                      : snprintf(spec, sizeof spec, "{set: %s, split: all}", text);
    if (written >= (int)sizeof spec)
        return md_fail(error, MD_USAGE, "--like: \"%.100s...\" is too long", text);
    int status = md_data_spec_parse(spec, like, error);
    if (status == MD_OK && like->camera_fov_h_deg > 0)
        status =
            md_fail(error, MD_USAGE, "camera_fov_h_deg: pictures are not cut to a sensor here");
    return status == MD_OK ? MD_OK : md_fail_in(error, status, "--like");
}

/* Says so when FB was chosen for want of another, and the weights are of a run on data of another
 * FB. (A cache's could be any.) */
static void note_fb(const struct options *o, double fb) {
    struct md_error ignored;
    struct md_cell *cell = o->fb > 0 ? NULL : malloc(sizeof *cell);
    if (cell != NULL && md_cell_read(o->weights, cell, &ignored) == MD_OK &&
        strcmp(cell->config.data.set, "cache") != 0 && (double)md_data_fb(&cell->config.data) != fb)
        md_note(
            "%.400s learned with an FB of %g (data.set: %s), and predicts with %g: --like %s or "
            "--fb says which",
            o->weights, (double)md_data_fb(&cell->config.data), cell->config.data.set, fb,
            cell->config.data.set);
    free(cell);
}

/* The mean depth of --train at each pixel. */
static int read_mean(const struct options *o, const struct md_network *network, int height,
                     int width, float *mean_m, struct md_error *error) {
    struct md_dataset train;
    MD_TRY(md_open_spec(o->train, network, &train, error));
    int status = md_dummy_fit(&train, height, width, mean_m, error);
    md_dataset_close(&train);
    return status;
}

static int with_weights(const struct options *o, const struct md_network *network,
                        const struct md_names *pictures, const struct md_data_spec *like, double fb,
                        json_t *list, struct md_error *error) {
    struct md_setup setup = {.network = network,
                             .ops = md_ops_find(MD_FP32, NULL),
                             .batch = 1,
                             .cores = 1,
                             .savings = MD_SAVINGS_FAST};
    struct md_plan plan;
    md_plan_make(&setup, &plan);
    void *arena = md_host_arena(plan.arena_bytes);
    float *weights = malloc(md_parameter_total(network) * sizeof *weights);
    const size_t pixels = md_layer_elements(network, network->output);
    float *mean_m = malloc(pixels * sizeof *mean_m);
    struct prediction p = {
        .like = like,
        .fb = fb,
        .judging = {.flip = (enum md_flip)o->flip, .mean_share = o->mean_share, .mean_m = mean_m},
        .picture = malloc(md_layer_elements(network, MD_PICTURE)),
        .depth_m = malloc(pixels * sizeof *p.depth_m)};
    int status = MD_OK;
    md_layer_size(network, network->output, &p.height, &p.width);
    if (arena == NULL || weights == NULL || p.depth_m == NULL || p.picture == NULL ||
        mean_m == NULL)
        status = md_fail(error, MD_FAILED, "out of memory");
    if (o->train != NULL)
        MD_THEN(status, read_mean(o, network, p.height, p.width, mean_m, error));
    MD_THEN(status, md_weights_read(o->weights, network, weights, NULL, error));
    if (status == MD_OK) {
        struct md_engine engine;
        md_engine_start(&engine, &setup, NULL, arena, plan.arena_bytes);
        md_engine_set_weights(&engine, weights);
        status = predict_all(&engine, o, pictures, &p, list, error);
    }
    free(arena);
    free(weights);
    free(mean_m);
    free(p.depth_m);
    free(p.picture);
    return status;
}

static int run(const struct md_invocation *call, struct md_error *error) {
    const struct options *o = call->options;
    const struct md_network *network;
    struct md_names pictures = {0};
    json_t *list = json_array();
    struct md_data_spec like = {0};
    int status = o->like != NULL ? parse_like(o->like, &like, error) : MD_OK;
    const double fb = o->fb > 0 ? o->fb : (double)md_data_fb(&like);
    MD_THEN(status, md_weights_network(o->weights, &network, error));
    MD_THEN(status, find_pictures(call, &pictures, error));
    MD_THEN(status, check_outputs(&pictures, o, call->common.force, error));
    if (status == MD_OK)
        note_fb(o, fb);
    MD_THEN(status,
            with_weights(o, network, &pictures, o->like != NULL ? &like : NULL, fb, list, error));
    if (o->json && json_array_size(list) > 0) {
        struct md_error unsaid;
        int printed = md_print_json(json_pack("{s:s, s:f, s:b, s:O}", "weights", o->weights, "fb",
                                              fb, "flip", o->flip, "pictures", list),
                                    status == MD_OK ? error : &unsaid);
        status = status == MD_OK ? printed : status;
    }
    json_decref(list);
    md_names_free(&pictures);
    return status;
}

static const struct md_option options[] = {
    MD_OPT("weights", 0, PATH, weights, "W", "weights file (HDF5, result cell, or published .pth)",
           .is_required = 1),
    MD_OPT("output", 'o', FOLDER, folder, "DIR",
           "folder for NAME.depth.png (16 bits, millimetres: 0 where no depth is predicted, or "
           "one below half a millimetre; 65535 beyond 65.534 m; data sets read both as no value) "
           "and NAME.colour.png (orange: beyond --max, grey: no value)",
           .is_required = 1),
    MD_OPT("full", 0, FLAG, full, NULL,
           "NAME.full.png as well: depth as large as the picture, in millimetres, bilinear; 0 "
           "beside the part that is used"),
    MD_OPT("view", 0, FLAG, view, NULL,
           "NAME.view.png as well: the picture, its depth beside it, and the scale"),
    MD_OPT("disparity", 0, FLAG, disparity, NULL,
           "NAME.disparity.png as well: FB / depth, 16 bits, 256 a unit as in KITTI's stereo "
           "benchmark; 0: none"),
    MD_OPT("npy", 0, FLAG, npy, NULL,
           "NAME.npy as well: metres as float32, for NumPy; NAME.full.npy with --full, "
           "NAME.disparity.npy with --disparity"),
    MD_OPT("folders", 0, FLAG, folders, NULL,
           "NAME keeps the folders that lead to IMAGE: for those of a stereo pair, or of several "
           "recordings, that have the same names"),
    MD_OPT(
        "like", 0, TEXT, like, "SPEC",
        "use the part of each picture that a data set uses, and its FB: its name, or with more of "
        "its keys, such as '{set: recording, crop: 200}'"),
    MD_OPT(
        "fb", 0, NUMBER, fb, "X",
        "FB, focal length times baseline; 0: that of the set of --like, 389.63 of KITTI, or else "
        "80",
        .preset = "0", .low = 0, .high = 1e6),
    MD_OPT("flip", 0, FLAG, flip, NULL,
           "the mean disparity of the picture's prediction and, mirrored back, the mirrored "
           "picture's: two forward passes"),
    MD_OPT("train", 0, TEXT, train, "SPEC", "the data of --mean-share", .needs = "mean-share"),
    MD_OPT("mean-share", 0, NUMBER, mean_share, "X",
           "of so much of each predicted depth the mean of --train at that pixel takes the place",
           .preset = "0", .low = 0, .high = 0.9, .needs = "train"),
    MD_OPT("max", 0, NUMBER, max_m, "M", "depth at the end of the colours, metres", .preset = "4",
           .low = 0.1, .high = 1000),
    MD_OPT_JSON,
    {0}};

const struct md_command md_command_predict = {
    .name = "predict",
    .summary = "depth of pictures, as PNG",
    .words = {{"IMAGE", MD_WORD_PATH, MD_AT_LEAST_ONE, NULL}},
    MD_OPTIONS(options),
    .notes = "Of each picture (PNG or JPEG) the largest centred square is used, or what --like "
             "says, resized to 48x48, and predicted in fp32. "
             "IMAGE may be a folder, which stands for the pictures in it, or @LIST, a text file "
             "with a path a line: frames of a video, for instance. A bad picture does not keep "
             "the others from being done; the exit code is 1 then.",
    .examples =
        "  mudepth predict --weights w.h5 room.jpg -o depth --view\n"
        "  mudepth predict --weights w.h5 frames/ -o depth --npy --json\n"
        "  mudepth predict --weights w.h5 image_02 image_03 -o depth --folders --disparity\n"
        "  mudepth predict --weights w.h5 F1/images -o depth --like matrix",
    .run = run};
