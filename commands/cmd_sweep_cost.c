/* What a sweep's cells will cost. */
#include <stdlib.h>
#include <string.h>

#include "../core/plan.h"
#include "../datasets/readers.h"
#include "../experiments/train.h"
#include "cmd_sweep.h"

/* Samples that the training split has; they are listed, not read, so that those with fewer zones
 * than data.min_zones are among them. */
static int count_samples(const struct md_config *config, size_t *samples, struct md_error *error) {
    const struct md_network *network = md_networks[config->network];
    struct md_data_spec spec;
    struct md_source source;
    md_config_split(config, MD_SPLIT_TRAIN, &spec);
    int status = md_source_open(&spec, network->height, network->width, &source, error);
    if (status != MD_OK)
        return md_fail_in(error, status, "data.train");
    *samples = source.count;
    md_source_close(&source);
    return MD_OK;
}

/* Multiply-accumulates of a training: of all steps of all epochs, without measuring. */
static double macs_of(const struct md_config *config, size_t samples) {
    const struct md_network *network = md_config_network(config);
    return (double)md_step_macs(network, md_config_policy(config)) * (double)samples *
           config->epochs;
}

/* Multiply-accumulates per second of such a training here: a few steps on pictures of the synthetic
 * field are timed. */
static int measure_rate(const struct md_config *config, double *rate, struct md_error *error) {
    enum { STEPS = 3 };
    struct md_config sample = *config;
    struct md_run run;
    int interrupted = 0;
    int status = md_data_spec_parse("{set: synthetic, split: train}", &sample.data, error);
    sample.data.count = (size_t)config->batch;
    sample.train_root[0] = sample.val_root[0] = sample.test_root[0] = '\0';
    strcpy(sample.train, "train");
    sample.val[0] = '\0';
    strcpy(sample.test, "test[0:1]");
    sample.epochs = STEPS;
    MD_THEN(status, md_run_open(&sample, NULL, NULL, &run, error));
    if (status != MD_OK)
        return status;
    status = md_run_train(&run, NULL, NULL, NULL, &interrupted, error);
    *rate = macs_of(&sample, run.train.count) / (run.position.seconds + 1e-9);
    md_run_close(&run);
    return status;
}

/* Whether trainings of both take the same time per multiply-accumulate, nearly. */
static int same_speed(const struct md_config *a, const struct md_config *b) {
    return a->format == b->format && a->threads == b->threads && a->network == b->network &&
           strcmp(a->backend, b->backend) == 0 && a->teacher_network == b->teacher_network &&
           (md_config_objective(a).distill > 0) == (md_config_objective(b).distill > 0);
}

/* From cells that are done, or else measured. */
static int find_rate(const struct md_session *session, size_t i, double *rate,
                     struct md_error *error) {
    const struct md_grid *grid = &session->grid;
    double macs = 0.0, seconds = 0.0;
    for (size_t c = 0; c < grid->count; c++)
        if (session->statuses[c].state == MD_DONE &&
            same_speed(&grid->cells[c].config, &grid->cells[i].config)) {
            macs += session->costs[c].macs;
            seconds += session->statuses[c].seconds;
        }
    *rate = macs / (seconds + 1e-9);
    return macs > 0.0 && seconds > 0.0 ? MD_OK : measure_rate(&grid->cells[i].config, rate, error);
}

static int same_data(const struct md_grid *grid, const struct md_config *a,
                     const struct md_config *b) {
    for (int k = 0; k < grid->key_count; k++) {
        char name[MD_CONFIG_NAME_SIZE];
        md_config_key(grid->keys[k], name);
        if (strncmp(name, "data.", 5) == 0 && md_config_order(a, b, grid->keys[k]) != 0)
            return 0;
    }
    return 1;
}

int md_session_estimate(struct md_session *session, struct md_error *error) {
    const struct md_grid *grid = &session->grid;
    int status = MD_OK;
    session->costs = calloc(grid->count, sizeof *session->costs);
    MD_TRY(md_check_memory(session->costs != NULL, error));
    for (size_t i = 0; i < grid->count && status == MD_OK; i++) {
        const struct md_config *config = &grid->cells[i].config;
        size_t same = 0; /* an earlier cell with the same data */
        while (same < i && !same_data(grid, &grid->cells[same].config, config))
            same++;
        if (same < i)
            session->costs[i].samples = session->costs[same].samples;
        else
            status = count_samples(config, &session->costs[i].samples, error);
        if (session->statuses[i].state != MD_UNFIT)
            session->costs[i].macs = macs_of(config, session->costs[i].samples);
    }
    for (size_t i = 0; i < grid->count && status == MD_OK; i++) {
        size_t same = 0;
        double rate = 0.0;
        while (same < i && (session->costs[same].macs == 0.0 ||
                            !same_speed(&grid->cells[same].config, &grid->cells[i].config)))
            same++;
        if (session->costs[i].macs == 0.0)
            continue;
        if (same < i)
            rate = session->costs[same].macs / session->costs[same].seconds;
        else
            status = find_rate(session, i, &rate, error);
        session->costs[i].seconds = session->costs[i].macs / rate;
    }
    return status;
}
