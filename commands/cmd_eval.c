/* mudepth eval: all metrics of given weights on given data, beside the dummy predictor. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../core/target/host.h"
#include "../experiments/config.h"
#include "../results/weights.h"
#include "command.h"

enum { BATCH = 16 };

struct options {
    const char *weights, *data, *train, *backend;
    int protocol, flip, threads, json;
    struct md_caps caps;
    double mean_share;
};

/* What was measured: one for each cap. */
struct scores {
    struct md_metrics network[MD_MOST_CAPS], dummy[MD_MOST_CAPS];
};

static struct md_judging judging_of(const struct options *o) {
    return (struct md_judging){.protocol = (enum md_protocol)o->protocol,
                               .flip = (enum md_flip)o->flip,
                               .caps = o->caps,
                               .mean_share = o->mean_share};
}

/* "80" or "80,15,25,50" */
static int parse_caps(const char *text, void *field, struct md_error *error) {
    struct md_caps *caps = field;
    caps->count = 0;
    for (;; text++) {
        size_t length = strcspn(text, ",");
        char word[40];
        double cap_m;
        snprintf(word, sizeof word, "%.*s", length < sizeof word ? (int)length : 39, text);
        int status = md_parse_within(word, 0.1, 1000, &cap_m, error);
        if (status != MD_OK)
            return status;
        const char *problem = md_caps_add(caps, cap_m);
        if (problem != NULL)
            return md_fail(error, MD_USAGE, "%s: %s", problem, word);
        text += length;
        if (*text == '\0')
            return MD_OK;
    }
}

/* The network's and the dummy predictor's metrics on `data`; the dummy's means are of `train`. */
static int measure(const struct options *o, const struct md_network *network, const float *weights,
                   const struct md_dataset *data, const struct md_dataset *train,
                   struct scores *scores, struct md_error *error) {
    struct md_judging judging = judging_of(o);
    char levels[MD_HOST_LEVELS_TEXT];
    int failed, height, width;
    struct md_setup setup = {.network = network,
                             .ops = md_ops_find(MD_FP32, o->backend),
                             .batch = BATCH,
                             .cores = o->threads,
                             .savings = MD_SAVINGS_FAST};
    if (setup.ops == NULL)
        return md_fail(error, MD_USAGE, "--backend: \"%.100s\" does not exist here; there is %s",
                       o->backend, md_host_levels(MD_FP32, levels));
    struct md_plan plan;
    md_plan_make(&setup, &plan);
    md_layer_size(network, network->output, &height, &width);
    struct md_team *team = md_host_team_start(o->threads, &failed);
    void *arena = md_host_arena(plan.arena_bytes);
    float *dummy = malloc((size_t)height * (size_t)width * sizeof *dummy);
    struct md_progress_line line;
    struct md_watch watch = md_progress_watch(&line);
    int status = MD_OK;
    if (failed || arena == NULL || dummy == NULL)
        status = md_fail(error, MD_FAILED, "out of memory or threads");
    MD_THEN(status, md_dummy_fit(train, height, width, dummy, error));
    judging.mean_m = dummy;
    if (status == MD_OK) {
        struct md_engine engine;
        md_engine_start(&engine, &setup, team, arena, plan.arena_bytes);
        md_engine_set_weights(&engine, weights);
        status = md_evaluate(&engine, &judging, data, &watch, scores->network, error);
    }
    md_progress_clear(&line);
    if (status == MD_OK && md_stop_requested)
        status = md_fail(error, MD_FAILED, "interrupted");
    MD_THEN(status, md_dummy_evaluate(dummy, height, width, &judging, data, scores->dummy, error));
    MD_THEN(status, md_truth_check(&judging, "--data", data, scores->dummy, error));
    free(dummy);
    free(arena);
    md_host_team_stop(team);
    return status;
}

/* A prediction that is NaN or infinite makes no number of the metrics. */
static int check_prediction(const struct options *o, const struct scores *scores,
                            struct md_error *error) {
    for (int c = 0; c < o->caps.count; c++) {
        const double *value = scores->network[c].value;
        if (isnan(value[MD_RMSE]) && value[MD_NO_PREDICTION] > 0.0)
            return md_fail(
                error, MD_FAILED,
                "%.400s: the prediction is NaN or infinite, on up to %.3g %% of the pixels "
                "with a truth",
                o->weights, 100.0 * value[MD_NO_PREDICTION]);
    }
    return MD_OK;
}

/* The first cap's metrics, and those of all. */
static int report_json(const struct options *o, const struct md_network *network,
                       const struct md_dataset *data, const char *weights_digest,
                       const struct scores *scores, struct md_error *error) {
    const struct md_judging judging = judging_of(o);
    json_t *by_cap = json_array();
    for (int c = 0; c < o->caps.count; c++)
        json_array_append_new(by_cap,
                              json_pack("{s:f, s:o, s:o}", "cap_m", o->caps.m[c], "network_metrics",
                                        md_report_json(&scores->network[c]), "dummy_metrics",
                                        md_report_json(&scores->dummy[c])));
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:f, s:O}", "weights", o->weights, "weights_digest",
        weights_digest, "network", network->name, "data_digest", data->digest, "depth_kinds",
        data->depth_kinds, "protocol", md_protocol_names[o->protocol], "forward_passes",
        md_forward_passes(&judging), "mean_share", o->mean_share, "by_cap", by_cap);
    if (json != NULL)
        json_object_update(json, json_array_get(by_cap, 0));
    json_decref(by_cap);
    return md_print_json(json, error);
}

static int report(const struct options *o, const struct md_network *network,
                  const struct md_dataset *data, const char *weights_digest,
                  const struct scores *scores, struct md_error *error) {
    const struct md_judging judging = judging_of(o);
    const char *dummy = o->train != NULL ? "dummy predictor" : "dummy predictor (of this data)";
    if (o->json)
        return report_json(o, network, data, weights_digest, scores, error);
    for (int c = 0; c < o->caps.count; c++) {
        const struct md_report_row rows[] = {{network->name, &scores->network[c]},
                                             {dummy, &scores->dummy[c]}};
        md_report_table(rows, 2, 1);
        printf("\nprotocol %s, truth up to %g m, %zu images without truth\n",
               md_protocol_names[o->protocol], o->caps.m[c], scores->network[c].without_truth);
    }
    printf("weights %s\ndata    %s\n", weights_digest, data->digest);
    md_report_depth_kinds("data", data);
    md_report_passes(network, &judging);
    return MD_OK;
}

static int run(const struct md_invocation *call, struct md_error *error) {
    const struct options *o = call->options;
    const struct md_network *network;
    struct md_dataset data = {0}, train = {0};
    struct scores scores;
    char digest[33];
    if ((o->flip || o->mean_share > 0) && o->protocol == MD_RELEASE)
        return md_fail(
            error, MD_USAGE, "--%s has an effect only with --protocol textbook: release %s",
            o->flip ? "flip" : "mean-share", o->flip ? "flips by itself" : "stays as published");
    float *weights;
    MD_TRY(md_read_any_weights(o->weights, &network, &weights, NULL, error));
    md_weights_digest(weights, md_parameter_total(network), digest);
    int status = md_open_spec(o->data, network, &data, error);
    if (status == MD_OK && o->train != NULL)
        status = md_open_spec(o->train, network, &train, error);
    MD_THEN(status,
            measure(o, network, weights, &data, o->train != NULL ? &train : &data, &scores, error));
    MD_THEN(status, report(o, network, &data, digest, &scores, error));
    MD_THEN(status, check_prediction(o, &scores, error));
    md_dataset_close(&data);
    md_dataset_close(&train);
    free(weights);
    return status;
}

static const struct md_option options[] = {
    MD_OPT("weights", 0, PATH, weights, "W", "weights file (HDF5, result cell, or published .pth)",
           .is_required = 1),
    MD_OPT("data", 0, TEXT, data, "SPEC", "what to measure on", .is_required = 1),
    MD_OPT("train", 0, TEXT, train, "SPEC",
           "data whose per-pixel mean is the dummy predictor (default: that of --data)"),
    MD_OPT("protocol", 0, CHOICE, protocol, "NAME", "how it is judged", .names = md_protocol_names,
           .preset = "textbook"),
    MD_OPT("flip", 0, FLAG, flip, NULL,
           "predictions are the mean disparity of the picture's and, mirrored back, the mirrored "
           "picture's: two forward passes"),
    MD_OPT("mean-share", 0, NUMBER, mean_share, "X",
           "of so much of each predicted depth the mean of --train at that pixel takes the place",
           .preset = "0", .low = 0, .high = 0.9, .needs = "train"),
    MD_OPT("cap", 0, OWN, caps, "M[,M...]", "truth beyond M metres does not count",
           .parse = parse_caps, .preset = "80"),
    MD_OPT("threads", 0, WHOLE, threads, "N", "cores to use", .preset = "1", .low = 1,
           .high = MD_HOST_MAX_CORES),
    MD_OPT("backend", 0, TEXT, backend, "NAME",
           "operators: ref, scalar, avx2, avx512, blas (default: the fastest exact)"),
    MD_OPT_JSON,
    {0}};

const struct md_command md_command_eval = {
    .name = "eval",
    .summary = "measure weights on a data set, beside the dummy predictor",
    MD_OPTIONS(options),
    .notes =
        "no_prediction, a column when it is not 0, is the share of the pixels with a truth that "
        "have no depth (a disparity of 0 or less): textbook takes them as far away as can be, 80 "
        "m, release passes over them. \"without truth\" are images without a pixel that has one. "
        "Predictions are made in fp32, whatever format the weights were trained in; a run of "
        "another format measures in its own.\n"
        "The keys of SPEC, and the data sets: mudepth help config.",
    .examples =
        "  mudepth eval --weights w.h5 --data '{set: synthetic, split: test}'\n"
        "  mudepth eval --weights w.pth --data '{set: matrix, root: FLIGHTS, split: test}' \\\n"
        "      --train '{set: matrix, root: FLIGHTS, split: train}' --cap 4",
    .run = run};
