#include "pictures.h"

#include <math.h>

/* How much there is to see in a sample: the sum over its valid zones of how far they are from their
 * mean. */
static double relief(const struct md_sample *sample) {
    int zones = sample->depth_height * sample->depth_width, valid = 0;
    double sum = 0.0, deviation = 0.0;
    for (int z = 0; z < zones; z++) {
        valid += sample->depth_m[z] > 0.0f;
        sum += sample->depth_m[z];
    }
    for (int z = 0; z < zones && valid > 0; z++)
        if (sample->depth_m[z] > 0.0f)
            deviation += fabs(sample->depth_m[z] - sum / valid);
    return deviation;
}

size_t md_choose_samples(const struct md_dataset *dataset, size_t most, size_t *chosen) {
    size_t rows = dataset->count < most ? dataset->count : most;
    for (size_t r = 0; r < rows; r++) {
        chosen[r] = r * dataset->count / rows;
        for (size_t s = chosen[r]; s < (r + 1) * dataset->count / rows; s++)
            if (relief(&dataset->samples[s]) > relief(&dataset->samples[chosen[r]]))
                chosen[r] = s;
    }
    return rows;
}
