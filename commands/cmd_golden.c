/* mudepth golden: the training step stored in a file, done again in binary32 and compared with the
 * file's float64 values tensor by tensor.
 *
 * The bounds are derived by experiment: the step is done in binary64 several times with operators
 * that make binary32's rounding errors (monte_carlo.h), and once without. A tensor's bound is
 * SAFETY times the root mean square, over the trials, of its largest deviation. The largest
 * deviation of one more draw, ours, exceeds a few times that only when something other than
 * rounding is at work. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../compare/monte_carlo.h"
#include "../core/target/host.h"
#include "../results/weights.h"
#include "command.h"

enum {
    MAX_TRIALS = 1000,
    SAFETY = 6,
    MORE_STEPS = 20,
    MAX_TENSORS = 256,
    MAX_BATCH = 64,
    NAME_SIZE = 48
};

/* How the step is done: in binary32, in binary64, and in Monte Carlo arithmetic (one trial). */
enum arithmetic { OURS, EXACT, TRIAL, ARITHMETICS };

/* One tensor of the file, and what we know about it. */
struct tensor {
    char name[80]; /* below /f64 and /f32 */
    size_t count;
    double *values[ARITHMETICS];              /* of each way */
    double squared_deviations;                /* sum over the trials */
    double error, relative, bound, reference; /* the result; reference: the file's own float32 */
};

struct golden {
    hid_t file;
    const struct md_network *network;
    int batch, trials;
    uint8_t *pictures;
    float *labels, *weights, *fb;
    struct tensor tensors[MAX_TENSORS];
    size_t count;
};

/* ---- the tensors, by name -------------------------------------------------------------------- */

/* Notes a tensor if the file has one of that name. */
static int add_tensor(struct golden *g, const char *kind, const char *name, size_t count,
                      struct md_error *error) {
    char path[96];
    snprintf(path, sizeof path, "/f64/%s%s", kind, name);
    if (!md_h5_has(g->file, path))
        return MD_OK;
    struct tensor *t = &g->tensors[g->count];
    double *memory = g->count < MAX_TENSORS ? calloc(ARITHMETICS * count, sizeof *memory) : NULL;
    MD_TRY(md_check_memory(memory != NULL, error));
    *t = (struct tensor){.count = count, .values = {memory, memory + count, memory + 2 * count}};
    snprintf(t->name, sizeof t->name, "%s%s", kind, name);
    g->count++;
    return MD_OK;
}

static int add_parameters(struct golden *g, const char *kind, struct md_error *error) {
    struct md_parameter p;
    for (int i = 0; md_parameter(g->network, i, &p) == 0; i++)
        MD_TRY(add_tensor(g, kind, p.name, p.count, error));
    return MD_OK;
}

/* What the tensors of an optimizer are called. */
static const char *name_after(int optimizer, char name[NAME_SIZE]) {
    snprintf(name, NAME_SIZE, "after_%s/", md_optimizer_names[optimizer]);
    return name;
}
static const char *name_losses(int optimizer, char name[NAME_SIZE]) {
    snprintf(name, NAME_SIZE, "next_%d_losses_%s", MORE_STEPS, md_optimizer_names[optimizer]);
    return name;
}

static int list_tensors(struct golden *g, struct md_error *error) {
    static const char *const per_layer[] = {"activation/", "error/"};
    char name[NAME_SIZE];
    MD_TRY(add_tensor(g, "", "loss", 1, error));
    MD_TRY(add_tensor(g, "", "c", 1, error));
    for (int k = 0; k < 2; k++)
        for (int l = 0; l < g->network->layer_count; l++)
            MD_TRY(add_tensor(g, per_layer[k], g->network->layers[l].name,
                              (size_t)g->batch * md_layer_elements(g->network, l), error));
    MD_TRY(add_parameters(g, "weight_grad/", error));
    for (int o = 0; o < MD_OPTIMIZER_COUNT; o++)
        MD_TRY(add_parameters(g, name_after(o, name), error));
    for (int o = 0; o < MD_OPTIMIZER_COUNT; o++)
        MD_TRY(add_tensor(g, "", name_losses(o, name), MORE_STEPS, error));
    return MD_OK;
}

static double *find_values(struct golden *g, enum arithmetic arithmetic, const char *kind,
                           const char *name) {
    char full[80];
    snprintf(full, sizeof full, "%s%s", kind, name);
    for (size_t i = 0; i < g->count; i++)
        if (strcmp(g->tensors[i].name, full) == 0)
            return g->tensors[i].values[arithmetic];
    return NULL;
}

static void copy_values(enum md_format format, const void *from, size_t count, double *to) {
    for (size_t i = 0; to != NULL && i < count; i++)
        to[i] = format == MD_FP32 ? ((const float *)from)[i] : ((const double *)from)[i];
}

/* ---- doing the step -------------------------------------------------------------------------- */

struct observer {
    struct golden *golden;
    struct md_engine *engine;
    enum arithmetic arithmetic;
    int first_step;
};

/* The plan saves nothing, and every map comes whole. */
static void observe(void *context, enum md_observed what, int layer, int slot,
                    const struct md_map *values, int from, int to) {
    const struct observer *at = context;
    const struct md_network *network = at->golden->network;
    size_t count = (size_t)values->channels * (size_t)(to - from) * (size_t)values->width;
    /* The loss's own few roundings are the only ones that no convolution makes. */
    if (at->arithmetic == TRIAL && what == MD_SEE_ERROR && layer == network->layer_count - 1)
        for (int roundings = 0; roundings < 4; roundings++)
            md_monte_carlo_round(at->engine, count, values->at);
    if (!at->first_step || what == MD_SEE_WEIGHT_GRADIENT)
        return;
    const char *kind = what == MD_SEE_ACTIVATION ? "activation/" : "error/";
    double *into = find_values(at->golden, at->arithmetic, kind, network->layers[layer].name);
    copy_values(at->engine->setup.ops->format, values->at, count,
                into != NULL ? into + (size_t)slot * count : NULL);
}

/* The tensors of each layer's parameters: weights, or the gradients of the step. */
static void copy_parameters(struct golden *g, enum arithmetic arithmetic, const char *kind,
                            const struct md_engine *engine, int gradients) {
    enum md_format format = engine->setup.ops->format;
    struct md_parameter p;
    for (int i = 0; md_parameter(g->network, i, &p) == 0; i++) {
        const unsigned char *layer =
            gradients ? md_engine_gradient(engine, p.layer) : md_engine_weights(engine, p.layer);
        size_t at = p.offset - engine->plan.parameter[p.layer];
        copy_values(format, layer + at * md_format_bytes[format], p.count,
                    find_values(g, arithmetic, kind, p.name));
    }
}

/* All but the weights is the same of every optimizer. */
static void copy_first_step(struct golden *g, enum arithmetic arithmetic, struct md_engine *engine,
                            const struct md_loss_report *report) {
    char name[NAME_SIZE];
    copy_parameters(g, arithmetic, name_after(engine->setup.optimizer, name), engine, 0);
    double *loss = find_values(g, arithmetic, "", "loss"), *c = find_values(g, arithmetic, "", "c");
    if (loss != NULL)
        *loss = report->value;
    if (c != NULL)
        *c = report->c;
    copy_parameters(g, arithmetic, "weight_grad/", engine, 1);
}

static void prepare(struct golden *g, struct md_engine *engine, struct observer *at) {
    size_t picture = md_layer_elements(g->network, MD_PICTURE);
    size_t pixels = md_layer_elements(g->network, g->network->layer_count - 1);
    engine->setup.objective = md_single_loss(MD_BERHU, 5.0f);
    engine->update = (struct md_update){
        .learning_rate = 1e-3f, .hyper.beta1 = 0.9f, .hyper.beta2 = 0.999f, .hyper.epsilon = 1e-7f};
    engine->observe = observe;
    engine->observe_context = at;
    md_engine_set_weights(engine, g->weights);
    for (int s = 0; s < g->batch; s++) {
        md_engine_set_picture(engine, s, g->pictures + (size_t)s * picture);
        md_engine_set_label(engine, s, g->labels + (size_t)s * pixels);
    }
}

/* The file's step and the MORE_STEPS after it. */
static int do_steps(struct golden *g, enum arithmetic arithmetic, uint64_t trial,
                    enum md_optimizer optimizer, struct md_error *error) {
    const struct md_ops monte_carlo = md_monte_carlo_ops();
    const struct md_ops *ops = arithmetic == OURS    ? md_ops_find(MD_FP32, NULL)
                               : arithmetic == EXACT ? md_ops_find(MD_FP64, NULL)
                                                     : &monte_carlo;
    const struct md_setup setup = {.network = g->network,
                                   .ops = ops,
                                   .policy = md_policy_full(g->network),
                                   .optimizer = optimizer,
                                   .batch = g->batch,
                                   .cores = 1};
    struct md_engine engine;
    md_plan_make(&setup, &engine.plan);
    size_t arena_bytes = engine.plan.arena_bytes;
    void *arena = md_host_arena(arena_bytes);
    MD_TRY(md_check_memory(arena != NULL, error));
    struct observer at = {g, &engine, arithmetic, 1};
    md_engine_start(&engine, &setup, NULL, arena, arena_bytes);
    prepare(g, &engine, &at);
    if (arithmetic == TRIAL)
        md_monte_carlo_seed(&engine, trial);
    char name[NAME_SIZE];
    double *losses = find_values(g, arithmetic, "", name_losses(optimizer, name));
    size_t total = md_parameter_total(g->network);
    for (int step = 0; step <= (losses != NULL ? MORE_STEPS : 0); step++) {
        struct md_loss_report report;
        at.first_step = step == 0;
        md_engine_train(&engine, g->batch, g->fb, &report);
        if (arithmetic == TRIAL) /* the rounding of the update */
            md_monte_carlo_round(&engine, total, md_engine_weights(&engine, 0));
        if (step == 0)
            copy_first_step(g, arithmetic, &engine, &report);
        else
            losses[step - 1] = report.value;
    }
    free(arena);
    return MD_OK;
}

static double largest_difference(const double *a, const double *b, size_t count) {
    double largest = 0.0;
    for (size_t i = 0; i < count; i++) {
        double d = fabs(a[i] - b[i]);
        largest = d > largest || isnan(d) ? d : largest;
    }
    return largest;
}

static int do_all(struct golden *g, const struct md_watch *watch, struct md_error *error) {
    for (int run = 0; run < g->trials + 2; run++) {
        enum arithmetic arithmetic = run == 0 ? OURS : run == 1 ? EXACT : TRIAL;
        if (md_watch_report(watch, "golden", run, g->trials + 2))
            return md_fail(error, MD_FAILED, "interrupted");
        for (int o = 0; o < MD_OPTIMIZER_COUNT; o++)
            MD_TRY(do_steps(g, arithmetic, (uint64_t)run, (enum md_optimizer)o, error));
        for (size_t i = 0; i < g->count && arithmetic == TRIAL; i++) {
            struct tensor *t = &g->tensors[i];
            double d = largest_difference(t->values[TRIAL], t->values[EXACT], t->count);
            t->squared_deviations += d * d;
        }
    }
    return MD_OK;
}

/* ---- comparing ------------------------------------------------------------------------------- */

static int compare(struct golden *g, struct tensor *t, struct md_error *error) {
    double *file = malloc(t->count * sizeof *file), largest = 0.0;
    char path[96];
    MD_TRY(md_check_memory(file != NULL, error));
    snprintf(path, sizeof path, "/f64/%s", t->name);
    int status = md_h5_read(g->file, path, H5T_NATIVE_DOUBLE, -1, NULL, t->count, file, error);
    if (status == MD_OK) {
        for (size_t i = 0; i < t->count; i++)
            largest = fabs(file[i]) > largest ? fabs(file[i]) : largest;
        t->error = largest_difference(t->values[OURS], file, t->count);
        t->relative = t->error == 0.0 ? 0.0 : t->error / largest;
        /* What is stored as binary32 is rounded once more. */
        t->bound = SAFETY * sqrt(t->squared_deviations / g->trials) + largest / (1 << 24);
        t->reference = NAN;
        snprintf(path, sizeof path, "/f32/%s", t->name);
        if (md_h5_has(g->file, path)) {
            status = md_h5_read(g->file, path, H5T_NATIVE_DOUBLE, -1, NULL, t->count,
                                t->values[TRIAL], error);
            t->reference = largest_difference(t->values[TRIAL], file, t->count);
        }
    }
    free(file);
    return status;
}

static int within(const struct tensor *t) {
    return t->error <= t->bound;
}

static void print_table(const struct golden *g) {
    printf("%-34s %10s %10s %10s %10s\n", "tensor", "error", "relative", "bound", "its float32");
    for (size_t i = 0; i < g->count; i++) {
        const struct tensor *t = &g->tensors[i];
        printf("%-34s %10.2e %10.2e %10.2e %10.2e%s\n", t->name, t->error, t->relative, t->bound,
               t->reference, within(t) ? "" : "  EXCEEDS ITS BOUND");
    }
}

static int print_as_json(const struct golden *g, struct md_error *error) {
    json_t *tensors = json_array();
    for (size_t i = 0; i < g->count; i++) {
        const struct tensor *t = &g->tensors[i];
        json_array_append_new(
            tensors, json_pack("{s:s, s:o, s:o, s:o, s:o, s:b}", "tensor", t->name, "error",
                               md_json_number(t->error), "relative", md_json_number(t->relative),
                               "bound", md_json_number(t->bound), "float32_of_the_file",
                               md_json_number(t->reference), "within", within(t)));
    }
    return md_print_json(json_pack("{s:o}", "tensors", tensors), error);
}

static int report(struct golden *g, int json, struct md_error *error) {
    size_t beyond = 0;
    int status = g->count > 0 ? MD_OK : md_fail(error, MD_FAILED, "no /f64 tensors to compare");
    for (size_t i = 0; i < g->count && status == MD_OK; i++) {
        status = compare(g, &g->tensors[i], error);
        beyond += !within(&g->tensors[i]);
    }
    if (status != MD_OK)
        return status;
    if (json) {
        status = print_as_json(g, error);
    } else {
        print_table(g);
        printf("\n%zu tensors (%s), %zu beyond their bounds\n", g->count,
               md_ops_find(MD_FP32, NULL)->level, beyond);
    }
    if (status == MD_OK && beyond > 0)
        return md_fail(error, MD_FAILED, "%zu of %zu tensors exceed their bounds", beyond,
                       g->count);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int read_weights(struct golden *g, const char *path, struct md_error *error) {
    struct md_parameter p;
    if (path != NULL)
        return md_weights_read(path, g->network, g->weights, NULL, error);
    for (int i = 0; md_parameter(g->network, i, &p) == 0; i++) {
        char name[80];
        size_t shape[4];
        snprintf(name, sizeof name, "/weights/%s", p.name);
        for (int d = 0; d < 4; d++)
            shape[d] = (size_t)p.shape[d];
        MD_TRY(md_h5_read(g->file, name, H5T_NATIVE_FLOAT, p.dimensions, shape, p.count,
                          g->weights + p.offset, error));
    }
    return MD_OK;
}

static int read_inputs(struct golden *g, const char *weights, struct md_error *error) {
    int dimensions;
    size_t shape[4] = {0};
    size_t h = (size_t)g->network->height, w = (size_t)g->network->width;
    MD_TRY(md_h5_shape(g->file, "/input_u8", 4, &dimensions, shape, error));
    if (dimensions != 4 || shape[0] < 1 || shape[0] > MAX_BATCH)
        return md_fail(error, MD_FAILED, "/input_u8: expected 1 to %d pictures of (3, %zu, %zu)",
                       MAX_BATCH, h, w);
    size_t batch = shape[0], picture_shape[4] = {batch, 3, h, w}, label_shape[3] = {batch, h, w};
    g->batch = (int)batch;
    g->pictures = malloc(batch * 3 * h * w);
    g->labels = malloc(batch * h * w * sizeof *g->labels);
    g->weights = malloc(md_parameter_total(g->network) * sizeof *g->weights);
    g->fb = malloc(batch * sizeof *g->fb);
    MD_TRY(md_check_memory(
        g->pictures != NULL && g->labels != NULL && g->weights != NULL && g->fb != NULL, error));
    for (size_t s = 0; s < batch; s++)
        g->fb[s] = 80.0f; /* berhu does not use it */
    MD_TRY(md_h5_read(g->file, "/input_u8", H5T_NATIVE_UINT8, 4, picture_shape, batch * 3 * h * w,
                      g->pictures, error));
    MD_TRY(md_h5_read(g->file, "/label_disparity", H5T_NATIVE_FLOAT, 3, label_shape, batch * h * w,
                      g->labels, error));
    return read_weights(g, weights, error);
}

static void close_golden(struct golden *g) {
    for (size_t i = 0; i < g->count; i++)
        free(g->tensors[i].values[OURS]);
    free(g->pictures);
    free(g->labels);
    free(g->weights);
    free(g->fb);
    H5Fclose(g->file);
    free(g);
}

struct options {
    const char *weights;
    int trials, json;
};

static int run(const struct md_invocation *call, struct md_error *error) {
    const struct options *o = call->options;
    struct golden *g = calloc(1, sizeof *g);
    MD_TRY(md_check_memory(g != NULL, error));
    g->network = md_networks[0];
    g->trials = o->trials;
    int status = md_h5_open(call->words[0], &g->file, error);
    if (status != MD_OK) {
        free(g);
        return status;
    }
    struct md_progress_line line;
    struct md_watch watch = md_progress_watch(&line);
    status = read_inputs(g, o->weights, error);
    MD_THEN(status, list_tensors(g, error));
    MD_THEN(status, do_all(g, &watch, error));
    md_progress_clear(&line);
    MD_THEN(status, report(g, o->json, error));
    close_golden(g);
    return status;
}

static const struct md_option options[] = {
    MD_OPT("weights", 0, PATH, weights, "W", "other weights than the file's"),
    MD_OPT("trials", 0, WHOLE, trials, "N",
           "steps with random rounding errors that the bounds come from", .preset = "8", .low = 1,
           .high = MAX_TRIALS),
    MD_OPT_JSON,
    {0}};

const struct md_command md_command_golden = {
    .name = "golden",
    .summary = "do the training step stored in a file again, and compare every tensor",
    .words = {{"FILE.h5", MD_WORD_PATH, MD_ONE, NULL}},
    MD_OPTIONS(options),
    .notes =
        "The file holds /input_u8 (N, 3, 48, 48), /label_disparity (N, 48, 48; -1 = no value), "
        "/weights/NAME, and below /f64 what the step gives: loss, c, activation/LAYER, "
        "error/LAYER, weight_grad/NAME, after_sgd/NAME (lr 1e-3), after_adam/NAME (lr 1e-3, eps "
        "1e-7), next_20_losses_sgd, next_20_losses_adam; any of them may be missing. The loss is "
        "berhu.\n"
        "error: largest |binary32 - float64|; relative: that over the largest |float64| of the "
        "tensor; bound: what rounding may do, found by doing the step with random rounding "
        "errors; its float32: the error of the file's own float32 values, where it has them. Exit "
        "code 1 when a tensor exceeds its bound.",
    .examples = "  mudepth golden step_batch1.h5",
    .run = run};
