/* Predictions, and how they are judged on a data set. */
#ifndef MD_EXPERIMENTS_EVALUATE_H
#define MD_EXPERIMENTS_EVALUATE_H

#include "../core/step.h"
#include "../datasets/sample.h"
#include "metrics.h"

/* Of a clock that only goes forward. */
double md_seconds_now(void);

/* Depth in metres from disparity: fb / o, 0 (no prediction) where o <= 0, and NaN where o is no
 * finite number. */
void md_depth_from_disparity(float fb, size_t n, const float *disparity, float *depth_m);

/* Predicts `count` samples from `first` on with the engine's weights: depth_m is (count, height,
 * width) of the network's output. With the release protocol the prediction is averaged with that
 * of the flipped picture, flipped back, and its upper rows (5 % of the height) are taken from the
 * latter alone (the release means columns, but its index selects rows). */
int md_predict(struct md_engine *engine, enum md_protocol protocol,
               const struct md_dataset *dataset, size_t first, size_t count, float *depth_m,
               struct md_error *error);

/* Metrics of the engine's weights on a data set, caps->count of them. A truth that is coarser than
 * the prediction is enlarged to it, a finer one keeps its size and the prediction is enlarged, both
 * by nearest neighbour. Ends early, with images = 0, when `watch` says so. */
int md_evaluate(struct md_engine *engine, enum md_protocol protocol, const struct md_caps *caps,
                const struct md_dataset *dataset, const struct md_watch *watch,
                struct md_metrics *metrics, struct md_error *error);

/* The dummy predictor: per pixel (height, width) the mean depth of the data set's truth; where a
 * pixel never has one, the mean over all pixels that have. */
int md_dummy_fit(const struct md_dataset *train, int height, int width, float *depth_m,
                 struct md_error *error);

/* Its metrics on a data set. */
int md_dummy_evaluate(const float *depth_m, int height, int width, enum md_protocol protocol,
                      const struct md_caps *caps, const struct md_dataset *dataset,
                      struct md_metrics *metrics, struct md_error *error);

#endif
