#include "batch.h"

#include <math.h>

#include "../base/random.h"
#include "../datasets/augment.h"
#include "../datasets/labels.h"

void md_epoch_order(uint64_t seed, int epoch, uint32_t count, uint32_t *order) {
    struct md_random random = md_random_stream(seed, (uint32_t)epoch, 0, MD_DRAW_ORDER);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = md_random_below(&random, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
}

void md_prepare_sample(const struct md_config *config, const struct md_network *network,
                       const struct md_dataset *dataset, uint32_t index, int epoch,
                       uint8_t *picture, uint8_t *right, float *label) {
    const struct md_sample *sample = &dataset->samples[index];
    struct md_sample mirrored;
    const uint8_t *other = sample->right_picture;
    struct md_augmentation augmentation = config->augment;
    const int height = network->height, width = network->width;
    int label_height, label_width;
    if (config->strengths == MD_STRENGTHS_MEASURED) {
        augmentation.gain = dataset->gain;
        augmentation.noise = dataset->noise;
    }
    augmentation.set = epoch >= 0 ? augmentation.set : 0;
    md_layer_size(network, network->layer_count - 1, &label_height, &label_width);
    if (sample->right_picture != NULL &&
        md_augment_flips(&augmentation, config->seed, (uint32_t)epoch, index)) {
        other = sample->picture;
        mirrored = md_sample_right(sample);
        sample = &mirrored;
    }
    struct md_crop crop =
        md_augment_crop(&augmentation, config->seed, (uint32_t)epoch, index, height, width);
    md_crop_picture(&crop, height, width, sample->picture, picture);
    if (right != NULL)
        md_crop_picture(&crop, height, width, other, right);
    md_label(sample, (enum md_label_mode)config->label_mode, (float)dataset->range_m, label_height,
             label_width, label);
    md_crop_label(&crop, height, width, label_height, label_width, label);
    md_augment(&augmentation, config->seed, (uint32_t)epoch, index, height, width, picture, right,
               label_height, label_width, label);
}

int md_check_pairs(const struct md_config *config, const struct md_dataset *dataset,
                   const char *name, struct md_error *error) {
    const struct md_objective objective = md_config_objective(config);
    for (size_t i = 0; i < dataset->count && md_needs_pair(&objective); i++)
        if (dataset->samples[i].right_picture == NULL)
            return md_fail(error, MD_FAILED,
                           "%s: loss: photometric needs pictures of two cameras; found one of %s",
                           name, dataset->samples[i].name);
    return MD_OK;
}

int md_prepare_training(const struct md_config *config, struct md_dataset *train,
                        struct md_error *error) {
    MD_TRY(md_check_pairs(config, train, "data.train", error));
    if (config->strengths == MD_STRENGTHS_MEASURED)
        md_augment_measure(train);
    return MD_OK;
}

double md_learning_rate(const struct md_config *config, int steps_an_epoch, int64_t step) {
    int by_step = config->pace == MD_PACE_STEP;
    double whole = by_step ? (double)steps_an_epoch * config->epochs : config->epochs;
    double over = fmin(by_step ? (double)step : (double)(step / steps_an_epoch), whole);
    double left = 1.0;
    if (config->schedule == MD_SCHEDULE_COSINE)
        left = 0.5 * (1.0 + cos(acos(-1.0) * over / whole));
    else if (config->schedule == MD_SCHEDULE_POLYNOMIAL)
        left = pow(1.0 - over / whole, config->lr_power);
    double risen = step + 1 < config->warmup ? (double)(step + 1) / config->warmup : 1.0;
    return config->learning_rate * (config->lr_floor + (1.0 - config->lr_floor) * left) * risen;
}
