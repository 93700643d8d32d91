#include "cost.h"

#include <string.h>

#include "../core/plan.h"
#include "../datasets/readers.h"
#include "../experiments/train.h"

int md_cost_samples(const struct md_config *config, size_t *samples, struct md_error *error) {
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

double md_cost_macs(const struct md_config *config, size_t samples) {
    const struct md_network *network = md_config_network(config);
    return (double)md_step_macs(network, md_config_policy(config)) * (double)samples *
           config->epochs;
}

int md_cost_rate(const struct md_config *config, double *rate, struct md_error *error) {
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
    *rate = md_cost_macs(&sample, run.train.count) / (run.position.seconds + 1e-9);
    md_run_close(&run);
    return status;
}
