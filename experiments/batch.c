#include "batch.h"

#include <math.h>
#include <string.h>

#include "../datasets/augment.h"
#include "../datasets/labels.h"
#include "../datasets/random.h"

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
                       uint8_t *picture, float *label) {
    const struct md_sample *sample = &dataset->samples[index];
    struct md_sample right;
    int height, width;
    md_layer_size(network, network->layer_count - 1, &height, &width);
    if (epoch >= 0 && sample->right_picture != NULL &&
        md_augment_flips(config->augment, config->seed, (uint32_t)epoch, index)) {
        right = md_sample_right(sample);
        sample = &right;
    }
    memcpy(picture, sample->picture, (size_t)3 * (size_t)(network->height * network->width));
    md_label(sample, (enum md_label_mode)config->label, (float)config->data.max_depth_m, height,
             width, label);
    if (epoch >= 0)
        md_augment(config->augment, config->seed, (uint32_t)epoch, index, height, width, picture,
                   label);
}

double md_epoch_learning_rate(const struct md_config *config, int epoch) {
    if (config->schedule == MD_SCHEDULE_CONSTANT)
        return config->learning_rate;
    double turn = acos(-1.0) * epoch / config->epochs;
    return config->learning_rate * 0.5 * (1.0 + cos(turn));
}
