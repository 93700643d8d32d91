/* mudepth compare: the same training steps on two machines, tensor by tensor and bit by bit. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "../base/file.h"
#include "../base/namelist.h"
#include "../compare/comparison.h"
#include "../compare/machine.h"
#include "../experiments/batch.h"
#include "../experiments/budget.h"
#include "../plots/plots.h"
#include "command.h"

struct options {
    const char *a, *b, *save_job, *save_trace, *figure;
    uint32_t kinds; /* of tensors: bits of enum md_trace_kind */
    int steps, digest, json;
};

struct comparison {
    struct md_config config;
    struct options options;
    const struct md_network *network;
    struct md_machine_spec specs[2];
    struct md_job job;
    char *body; /* of the job */
    size_t body_bytes;

    struct md_comparison result;
};

/* ---- the command line ------------------------------------------------------------------------ */

static const struct {
    const char *name;
    uint32_t kinds;
} tensors[] = {{"activation", 1u << MD_TRACE_ACTIVATION},
               {"error", 1u << MD_TRACE_ERROR},
               {"gradient", 1u << MD_TRACE_WEIGHT_GRADIENT},
               {"loss", 1u << MD_TRACE_LOSS},
               {"weight", 1u << MD_TRACE_WEIGHT},
               {"state", 1u << MD_TRACE_FIRST_MOMENT | 1u << MD_TRACE_SECOND_MOMENT |
                             1u << MD_TRACE_BESIDE_WEIGHT}};
enum { TENSORS = sizeof tensors / sizeof tensors[0] };

static int add_kinds(void *kinds, char *name, struct md_error *error) {
    for (int t = 0; t < TENSORS; t++)
        if (strcmp(tensors[t].name, name) == 0) {
            *(uint32_t *)kinds |= tensors[t].kinds;
            return MD_OK;
        }
    return md_fail(error, MD_USAGE,
                   "expected activation, error, gradient, loss, weight or state, joined by commas; "
                   "found \"%.100s\"",
                   name);
}

/* "activation,error,..." as bits */
static int parse_kinds(const char *text, void *kinds, struct md_error *error) {
    *(uint32_t *)kinds = 0;
    return md_names_each(text, add_kinds, kinds, error);
}

/* ---- the job --------------------------------------------------------------------------------- */

/* Writes the teacher's features of a picture. */
static void write_features(struct md_teacher *teacher, const uint8_t *picture, const float *label,
                           FILE *to) {
    md_teacher_infer(teacher, picture, label);
    for (int l = 0; l < MD_MAX_LAYERS; l++)
        if (teacher->features[l] != NULL)
            fwrite(teacher->features[l], 1, teacher->bytes[l], to);
}

/* Weights, and the batches that `mudepth run` would train with. */
static int write_body(struct comparison *c, const float *weights, struct md_teacher *teacher,
                      const struct md_dataset *data, FILE *to, struct md_error *error) {
    const struct md_config *config = &c->config;
    size_t picture_bytes = md_layer_elements(c->network, MD_PICTURE);
    size_t pixels = md_layer_elements(c->network, c->network->layer_count - 1);
    uint32_t *order = malloc(data->count * sizeof *order);
    const struct md_objective objective = md_config_objective(config);
    const size_t sides = md_needs_pair(&objective) ? 2 : 1;
    uint8_t *picture = malloc(sides * picture_bytes); /* the left one and the right one */
    float *label = malloc(pixels * sizeof *label);
    int status = md_check_memory(order != NULL && picture != NULL && label != NULL, error);
    int epoch = -1;
    fwrite(weights, sizeof *weights, md_parameter_total(c->network), to);
    size_t at = data->count; /* in the epoch */
    size_t steps_an_epoch = (data->count + (size_t)config->batch - 1) / (size_t)config->batch;
    for (int step = 0; status == MD_OK && step < c->options.steps; step++) {
        if (at == data->count) {
            at = 0;
            md_epoch_order(config->seed, ++epoch, (uint32_t)data->count, order);
        }
        size_t left = data->count - at, batch = (size_t)config->batch;
        struct md_job_step head = {(uint32_t)(left < batch ? left : batch),
                                   (float)md_learning_rate(config, (int)steps_an_epoch, step)};
        fwrite(&head, sizeof head, 1, to);
        for (uint32_t s = 0; s < head.samples; s++, at++) {
            md_prepare_sample(config, c->network, data, order[at], epoch, picture,
                              sides > 1 ? picture + picture_bytes : NULL, label);
            fwrite(&data->samples[order[at]].fb, sizeof(float), 1, to);
            fwrite(picture, picture_bytes, sides, to);
            write_features(teacher, picture, label, to);
            fwrite(label, sizeof *label, pixels, to);
        }
    }
    if (status == MD_OK && (fflush(to) != 0 || ferror(to)))
        status = md_fail(error, MD_FAILED, "out of memory for a job of %d steps", c->options.steps);
    free(order);
    free(picture);
    free(label);
    return status;
}

static int make_job(struct comparison *c, struct md_error *error) {
    const struct md_config *config = &c->config;
    struct md_data_spec spec;
    struct md_dataset data = {0};
    struct md_teacher teacher = {.arena = NULL};
    float *weights = NULL, *taught = NULL;
    struct md_setup setup;
    struct md_plan plan;
    c->network = md_config_network(config);
    md_config_split(config, MD_SPLIT_TRAIN, &spec);
    int status = md_config_setup(config, "ref", 1, &setup, error);
    if (status == MD_OK && config->batch > MD_JOB_MAX_BATCH)
        status = md_fail(error, MD_USAGE, "batch: expected at most %d here, found %d",
                         MD_JOB_MAX_BATCH, config->batch);
    MD_THEN(status, md_load_weights(config, &weights, error));
    if (status != MD_OK)
        return status;
    status = md_open_data(&spec, c->network->height, c->network->width, &data, error);
    if (status == MD_OK && data.count == 0)
        status = md_fail(error, MD_USAGE, "data.train must not be empty");
    MD_THEN(status, md_prepare_training(config, &data, error));
    md_plan_make(&setup, &plan);
    MD_THEN(status, md_teacher_open(config, &plan, NULL, &teacher, error));
    MD_THEN(status, md_read_teacher(config, &taught, error));
    if (status == MD_OK && taught != NULL)
        md_teacher_set_weights(&teacher, taught);
    free(taught);
    FILE *body = status == MD_OK ? open_memstream(&c->body, &c->body_bytes) : NULL;
    MD_THEN(status, md_check_memory(body != NULL, error));
    MD_THEN(status, write_body(c, weights, &teacher, &data, body, error));
    if (body != NULL && fclose(body) != 0 && status == MD_OK)
        status = md_fail(error, MD_FAILED, "out of memory for a job of %d steps", c->options.steps);
    md_teacher_close(&teacher);
    md_dataset_close(&data);
    free(weights);
    if (status != MD_OK)
        return status;
    uint64_t digest = XXH3_64bits(c->body, c->body_bytes);
    c->job = (struct md_job){.magic = MD_JOB_MAGIC,
                             .network = *c->network,
                             .policy = setup.policy,
                             .optimizer = (uint32_t)setup.optimizer,
                             .moments = (uint32_t)setup.moments,
                             .storing = (uint32_t)setup.storing,
                             .batch = (uint32_t)config->batch,
                             .steps = (uint32_t)c->options.steps,
                             .savings = setup.savings,
                             .front = (uint32_t)setup.front,
                             .band = (uint32_t)setup.band,
                             .kinds = c->options.kinds,
                             .values = !c->options.digest,
                             .objective = setup.objective,
                             .hyper = md_config_hyper(config),
                             .body = {(uint32_t)digest, (uint32_t)(digest >> 32)}};
    return MD_OK;
}

/* ---- saving instead of comparing ------------------------------------------------------------- */

static int save_job(struct comparison *c, struct md_error *error) {
    struct md_new_file to;
    MD_TRY(md_new_file_open(c->options.save_job, &to, error));
    int status =
        md_machine_write_job(&c->specs[0], &c->job, c->body, c->body_bytes, to.stream, error);
    return md_new_file_finish(&to, status, error);
}

static int save_trace(struct comparison *c, struct md_error *error) {
    char some[65536];
    struct md_new_file to;
    struct md_machine machine;
    MD_TRY(md_new_file_open(c->options.save_trace, &to, error));
    int status = md_machine_start(&c->specs[0], &c->job, c->body, c->body_bytes, &machine, error);
    for (size_t got = 1; status == MD_OK && got > 0;) {
        got = fread(some, 1, sizeof some, machine.trace);
        if (fwrite(some, 1, got, to.stream) != got)
            status =
                md_fail(error, MD_FAILED, "%.400s: cannot write: %s", to.path, strerror(errno));
    }
    status = md_machine_finish(&machine, status, error);
    return md_new_file_finish(&to, status, error);
}

/* ---- comparing ------------------------------------------------------------------------------- */

/* Checks that the traces are of this job, and have the values that are needed. */
static int check_heads(const struct comparison *c, const struct md_trace trace[2],
                       struct md_error *error) {
    int by_value = trace[0].job.values && trace[1].job.values;
    int same_format = trace[0].job.format == trace[1].job.format;
    for (int s = 0; s < 2; s++) {
        struct md_job head = trace[s].job;
        head.format = head.cores = 0;
        head.savings = c->job.savings;
        head.front = c->job.front;
        head.band = c->job.band;
        memset(head.level, 0, sizeof head.level);
        head.values = c->job.values;
        if (memcmp((const char *)&head, (const char *)&c->job, sizeof head) != 0)
            return md_fail(error, MD_FAILED,
                           "%s: the trace of another job: config, data, weights, --steps and "
                           "--tensors must be those it was made with",
                           trace[s].name);
    }
    if (!by_value && (!same_format || c->options.figure != NULL))
        return md_fail(error, MD_FAILED, "%s: without values, the trace cannot be %s",
                       trace[trace[0].job.values != 0].name,
                       same_format ? "drawn" : "compared with another format's");
    return MD_OK;
}

static int compare(struct comparison *c, struct md_error *error) {
    struct md_machine machines[2] = {{.spec = c->specs[0]}, {.spec = c->specs[1]}};
    struct md_trace trace[2] = {{0}};
    struct md_progress_line line;
    struct md_watch watch = md_progress_watch(&line);
    int status = MD_OK, broken = 0;
    for (int s = 0; s < 2 && status == MD_OK; s++) {
        broken = s;
        status =
            md_machine_start(&c->specs[s], &c->job, c->body, c->body_bytes, &machines[s], error);
    }
    for (int s = 0; s < 2 && status == MD_OK; s++) {
        broken = s;
        status = md_trace_open(machines[s].trace, c->specs[s].text, &trace[s], error);
    }
    MD_THEN(status, check_heads(c, trace, error));
    MD_THEN(status, md_comparison_read(trace, &watch, &c->result, &broken, error));
    md_progress_clear(&line);
    /* The machine whose trace broke knows best why. */
    int first = md_machine_finish(&machines[broken], status, error);
    int second = md_machine_finish(&machines[1 - broken], first, error);
    md_trace_close(&trace[0]);
    md_trace_close(&trace[1]);
    return second;
}

/* ---- the report ------------------------------------------------------------------------------ */

/* The kinds that tables and figures show; JSON has the others too. */
static const enum md_trace_kind shown[] = {MD_TRACE_ACTIVATION, MD_TRACE_ERROR,
                                           MD_TRACE_WEIGHT_GRADIENT, MD_TRACE_WEIGHT};
enum { SHOWN = sizeof shown / sizeof shown[0] };

static void print_gap(const char *name, const struct md_gap *gaps) {
    printf("%-22s", name);
    for (int k = 0; k < SHOWN; k++) {
        const struct md_gap *gap = &gaps[shown[k]];
        if (gap->values > 0)
            printf("  %8.2e %8.2e", md_gap_rms(gap), md_gap_largest(gap));
        else
            printf("  %8s %8s", "-", "-");
    }
    printf("\n");
}

/* Steps 0, 1, 2, 4, 8, ... and the last. */
static uint32_t next_shown(uint32_t step, uint32_t steps) {
    uint32_t next = step == 0 ? 1 : 2 * step;
    return step + 1 == steps ? steps : next < steps ? next : steps - 1;
}

static double unchanged_share(const struct md_unchanged_weights *counts) {
    return (double)counts->unchanged / (double)counts->weights;
}

static void print_unchanged(const struct comparison *c) {
    int begun = 0;
    for (int l = 0; l < c->network->layer_count; l++) {
        const struct md_unchanged_weights *counts = c->result.unchanged[l];
        if (counts[0].weights == 0)
            continue;
        if (!begun++)
            printf(
                "\nweights that a step leaves as they were, from the second on\n%-22s  %8s  %8s\n",
                "", "a", "b");
        printf("%-22s  %7.2f%%  %7.2f%%\n", c->network->layers[l].name,
               100.0 * unchanged_share(&counts[0]), 100.0 * unchanged_share(&counts[1]));
    }
}

static void print_growth(const struct comparison *c) {
    const struct md_comparison *r = &c->result;
    uint32_t steps = c->job.steps;
    printf("\nrelative error, RMS and largest; b is the measure\n%-22s", "");
    for (int k = 0; k < SHOWN; k++)
        printf("  %-17s", md_trace_kind_names[shown[k]]);
    printf("\n");
    for (uint32_t s = 0; s < steps; s = next_shown(s, steps)) {
        char name[32];
        snprintf(name, sizeof name, "step %u", (unsigned)s);
        print_gap(name, r->by_step[s]);
    }
    printf("\nin the last step, by layer\n");
    for (int l = 0; l < c->network->layer_count; l++)
        print_gap(c->network->layers[l].name, r->by_layer[l]);
    print_unchanged(c);
    printf("\nunits in the last place of the coarser format    values\n");
    for (int u = 0; u < MD_ULP_CLASSES; u++) {
        char limit[32];
        snprintf(limit, sizeof limit,
                 u == 0                    ? "0"
                 : u == MD_ULP_CLASSES - 1 ? "more"
                                           : "up to %g",
                 u > 0 ? ldexp(0.5, u - 1) : 0.0);
        if (r->ulps[u] > 0)
            printf("%-46s %8zu\n", limit, r->ulps[u]);
    }
}

/* Equal bits of NaN are no result. */
static void print_not_finite(const struct comparison *c) {
    const struct md_comparison *r = &c->result;
    const char *names[2] = {c->options.a, c->options.b};
    for (int side = 0; side < 2; side++)
        if (!r->has_values[side])
            printf("NaN or infinite: unknown of %s, which gave digests only\n", names[side]);
        else if (r->not_finite[side] > 0)
            printf("NaN or infinite: %zu of %zu values of %s\n", r->not_finite[side], r->values,
                   names[side]);
}

static json_t *not_finite_json(const struct md_comparison *r) {
    json_t *sides = json_array();
    for (int side = 0; side < 2; side++)
        json_array_append_new(sides, r->has_values[side]
                                         ? json_integer((json_int_t)r->not_finite[side])
                                         : json_null());
    return sides;
}

static json_t *digests_json(const struct md_comparison *r) {
    json_t *sides = json_array();
    for (int side = 0; side < 2; side++)
        json_array_append_new(sides,
                              json_sprintf("%016llx", (unsigned long long)r->final_digest[side]));
    return sides;
}

static json_t *gaps_json(const struct md_gap *gaps) {
    json_t *object = json_object();
    for (int k = 0; k < MD_COMPARED_KINDS; k++)
        if (gaps[k].values > 0)
            json_object_set_new(object, md_trace_kind_names[k],
                                json_pack("{s:o, s:o}", "rms", md_json_number(md_gap_rms(&gaps[k])),
                                          "largest", md_json_number(md_gap_largest(&gaps[k]))));
    return object;
}

static json_t *to_json(const struct comparison *c) {
    const struct md_comparison *r = &c->result;
    json_t *steps = json_array(), *layers = json_object(), *ulps = json_array();
    json_t *unchanged = json_object();
    int growth = r->by_value;
    for (uint32_t s = 0; growth && s < c->job.steps; s++)
        json_array_append_new(steps, gaps_json(r->by_step[s]));
    for (int l = 0; growth && l < c->network->layer_count; l++) {
        const char *name = c->network->layers[l].name;
        json_object_set_new(layers, name, gaps_json(r->by_layer[l]));
        if (r->unchanged[l][0].weights > 0)
            json_object_set_new(unchanged, name,
                                json_pack("[f, f]", unchanged_share(&r->unchanged[l][0]),
                                          unchanged_share(&r->unchanged[l][1])));
    }
    for (int u = 0; u < MD_ULP_CLASSES; u++)
        json_array_append_new(ulps, json_integer((json_int_t)r->ulps[u]));
    return json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "a", c->options.a, "b", c->options.b, "bit_exact", r->differing_tensors == 0,
                     "tensors", (json_int_t)r->tensors, "values", (json_int_t)r->values, "steps",
                     (json_int_t)c->job.steps, "differing_tensors",
                     (json_int_t)r->differing_tensors, "differing_values",
                     (json_int_t)r->differing_values, "not_finite", not_finite_json(r),
                     "final_weights_digest", digests_json(r), "first_difference",
                     r->first[0] != '\0' ? json_string(r->first) : json_null(),
                     "relative_error_by_step", steps, "relative_error_by_layer", layers,
                     "unchanged_weights_by_layer", unchanged, "ulp_classes", ulps);
}

static int draw(const struct comparison *c, struct md_error *error) {
    const struct md_comparison *r = &c->result;
    size_t steps = c->job.steps;
    double *errors = malloc((steps + MD_MAX_LAYERS) * SHOWN * sizeof *errors);
    char title[300];
    const char *layers[MD_MAX_LAYERS], *kinds[SHOWN];
    MD_TRY(md_check_memory(errors != NULL, error));
    double *by_layer = errors + steps * SHOWN;
    for (size_t k = 0; k < SHOWN; k++) {
        kinds[k] = md_trace_kind_names[shown[k]];
        for (size_t step = 0; step < steps; step++)
            errors[step * SHOWN + k] = md_gap_rms(&r->by_step[step][shown[k]]);
        for (size_t l = 0; l < (size_t)c->network->layer_count; l++)
            by_layer[l * SHOWN + k] = md_gap_rms(&r->by_layer[l][shown[k]]);
    }
    for (int l = 0; l < c->network->layer_count; l++)
        layers[l] = c->network->layers[l].name;
    snprintf(title, sizeof title, "%.100s against %.100s: policy %s, %s", c->options.a,
             c->options.b, c->config.policy, md_optimizer_names[c->config.optimizer]);
    const struct md_error_growth growth = {.title = title,
                                           .kinds = SHOWN,
                                           .kind_names = kinds,
                                           .steps = steps,
                                           .by_step = errors,
                                           .layers = (size_t)c->network->layer_count,
                                           .layer_names = layers,
                                           .by_layer = by_layer};
    int status = md_plot_error_growth(c->options.figure, &growth, error);
    free(errors);
    return status;
}

static int report(const struct comparison *c, struct md_error *error) {
    const struct md_comparison *r = &c->result;
    int status = MD_OK;
    if (c->options.json)
        status = md_print_json(to_json(c), error);
    else if (r->differing_tensors == 0) {
        printf("bit-exact: %zu tensors, %zu values, %u steps\n", r->tensors, r->values,
               (unsigned)c->job.steps);
        printf("final weights: digest %016llx\n", (unsigned long long)r->final_digest[0]);
        print_not_finite(c);
    } else {
        printf("different: %zu of %zu tensors", r->differing_tensors, r->tensors);
        if (r->by_value)
            printf(", %zu of %zu values", r->differing_values, r->values);
        printf("\nfirst: %s\n", r->first);
        print_not_finite(c);
        if (r->by_value)
            print_growth(c);
    }
    if (status == MD_OK && c->options.figure != NULL)
        status = draw(c, error);
    if (status == MD_OK && r->same_format && r->differing_tensors > 0) {
        error->text[0] = '\0'; /* the difference has been reported */
        status = MD_FAILED;
    }
    return status;
}

static int parse_machines(struct comparison *c, struct md_error *error) {
    const struct options *o = &c->options;
    MD_TRY(md_machine_parse("--a", o->a, c->config.format, &c->specs[0], error));
    MD_TRY(md_machine_parse("--b", o->b, c->config.format, &c->specs[1], error));
    int compares = o->save_job == NULL && o->save_trace == NULL;
    int both = compares && c->specs[0].kind != NULL && c->specs[1].kind != NULL;
    if (o->digest && both && c->specs[0].format != c->specs[1].format)
        return md_fail(error, MD_USAGE,
                       "--digest compares bits, and %s and %s have different formats", o->a, o->b);
    if (o->steps == 0 && o->figure != NULL)
        return md_fail(error, MD_USAGE, "--figure needs steps, there are none");
    if (o->steps == 0 && o->kinds != (1u << MD_TRACE_FINAL_WEIGHTS) - 1)
        return md_fail(error, MD_USAGE,
                       "--tensors needs steps, there are none: the weights are always compared");
    if ((o->save_job != NULL || o->save_trace != NULL) && c->specs[0].kind == NULL)
        return md_fail(error, MD_USAGE, "--a: a saved trace is there already");
    return MD_OK;
}

static int work(struct comparison *c, struct md_error *error) {
    MD_TRY(parse_machines(c, error));
    MD_TRY(make_job(c, error));
    if (c->options.save_job != NULL)
        return save_job(c, error);
    if (c->options.save_trace != NULL)
        return save_trace(c, error);
    MD_TRY(compare(c, error));
    return report(c, error);
}

static int run(const struct md_invocation *call, struct md_error *error) {
    struct comparison *c = calloc(1, sizeof *c);
    MD_TRY(md_check_memory(c != NULL, error));
    memcpy(&c->options, call->options, sizeof c->options);
    int status =
        md_config_read(call->words[0], call->count - 1, call->words + 1, &c->config, error);
    MD_THEN(status, work(c, error));
    free(c->body);
    md_comparison_close(&c->result);
    free(c);
    return status;
}

static const struct md_option options[] = {
    MD_OPT("a", 0, TEXT, a, "MACHINE", "what is compared", .preset = "host"),
    MD_OPT("b", 0, TEXT, b, "MACHINE", "with what", .preset = "host:ref"),
    MD_OPT("steps", 0, WHOLE, steps, "K", "training steps", .preset = "1", .low = 0,
           .high = 1000000),
    MD_OPT("tensors", 0, OWN, kinds, "LIST",
           "which (state: what the optimizer keeps); the final weights are always compared",
           .parse = parse_kinds, .preset = "activation,error,gradient,loss,weight,state"),
    MD_OPT("digest", 0, FLAG, digest, NULL, "only digests leave the machines: for long runs",
           .excludes = "figure"),
    MD_OPT("figure", 0, OUTPUT, figure, "FILE",
           "draw how the error grows, over the steps and by layer (PNG, SVG, PDF)"),
    MD_OPT_JSON,
    MD_OPT("save-job", 0, OUTPUT, save_job, "FILE",
           "write the job for machine a instead, for a device to be given",
           .excludes = "save-trace, b, figure, json"),
    MD_OPT("save-trace", 0, OUTPUT, save_trace, "FILE", "write the trace of machine a instead",
           .excludes = "b, figure, json"),
    {0}};

const struct md_command md_command_compare = {
    .name = "compare",
    .summary = "train on two machines side by side, and compare them bit by bit",
    MD_CONFIG_WORDS(MD_ONE),
    MD_OPTIONS(options),
    .notes =
        "The keys are those of a run, so that the same words can stand behind both; what only "
        "concerns the evaluation has no say here.\n\n"
        "A MACHINE is\n"
        "  host        this machine, in a process of its own\n"
        "  rv32        bare RISC-V under qemu-riscv32 (make rv32)\n"
        "  gap9-shim   the program for GAP9 on threads of this machine (make gap9), with the\n"
        "              1228800 bytes of the chip for a step\n"
        "  gap9-large  the same with 64 MB, for jobs that do not fit the chip\n"
        "  aarch64     that under qemu-aarch64 (make aarch64)\n"
        "  trace:FILE  a trace that --save-trace or a device wrote\n"
        "with :FORMAT (default the config's), :LEVEL of the operators (host: those of the key "
        "`backend`; others: ref, scalar, v2f16; aarch64: neon, neonfp16 instead of that), :cores=N "
        "and a plan behind it, which may change "
        "no "
        "bit: :plain, :fast, :lean, or savings joined by '+' (share, at_once, together, again, "
        "stream, flash), and :band=N rows at a time; default: the config's plan.\n"
        "A job that the machine's memory cannot hold is refused: mudepth plan lists what it needs. "
        "The steps are those that `mudepth run` would do first. exit code: 1 when machines of one "
        "format differ; with two formats the difference is what is asked for, and it is 0. How "
        "many values are NaN or infinite is said, for of equal NaNs nothing is learnt.",
    .examples =
        "  mudepth compare configs/demo.yaml --a host:avx2 --b host:ref\n"
        "  mudepth compare configs/demo.yaml batch=1 optimizer=sgd --steps 3 --a host:fp16 \\\n"
        "      --b rv32:fp16:cores=8\n"
        "  mudepth compare configs/demo.yaml batch=1 --a host:bf16:lean:band=2 --b "
        "host:bf16:plain\n"
        "  mudepth compare configs/demo.yaml batch=1 --a host:bf16 --b host:fp32 --steps 100 \\\n"
        "      --figure growth.png\n"
        "  mudepth compare configs/demo.yaml batch=1 format=bf16 policy=full --steps 200 \\\n"
        "      --tensors loss --a host --b rv32:lean   # a whole fine-tuning: hours of emulation",
    .run = run};
