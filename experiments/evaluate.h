/* Predictions, and how they are judged on a data set. */
#ifndef MD_EXPERIMENTS_EVALUATE_H
#define MD_EXPERIMENTS_EVALUATE_H

#include "../core/step.h"
#include "../datasets/dataset.h"
#include "metrics.h"

/* Depth in metres from disparity: fb / o, 0 (no prediction) where o <= 0, and NaN where o is no
 * finite number. */
void md_depth_from_disparity(float fb, size_t n, const float *disparity, float *depth_m);

/* Whether the output is averaged with that of the flipped picture, flipped back. */
enum md_flip { MD_FLIP_OFF, MD_FLIP_ON };
extern const char *const md_flip_names[]; /* "off", "on", NULL */

/* How predictions are made and judged. */
struct md_judging {
    enum md_protocol protocol;
    enum md_flip flip; /* the release protocol flips by itself */
    struct md_caps caps;
    /* Shrinkage: depths become (1 - mean_share) depth + mean_share mean_m, where there is one.
     * mean_m: (height, width) of the network's output, of the caller; NULL with a share of 0. */
    double mean_share;
    const float *mean_m;
};

/* Forward passes that a prediction takes: 2 when the flipped picture has one of its own. */
int md_forward_passes(const struct md_judging *judging);

/* Million multiply-accumulates of such a prediction. */
double md_prediction_mmac(const struct md_network *network, const struct md_judging *judging);

/* Predicts `count` samples from `first` on with the engine's weights: depth_m is (count, height,
 * width) of the network's output. MD_FLIP_ON: of the mean disparity of the picture's output and
 * the flipped one's, flipped back; it costs a second forward pass. The release protocol does the
 * same, but takes the upper rows (5 % of the height) from the latter alone (it means columns, but
 * its index selects rows). */
int md_predict(struct md_engine *engine, const struct md_judging *judging,
               const struct md_dataset *dataset, size_t first, size_t count, float *depth_m,
               struct md_error *error);

/* Metrics of the engine's weights on a data set, one for each cap. A truth that is coarser than
 * the prediction is enlarged to it, a finer one keeps its size and the prediction is enlarged, both
 * by nearest neighbour. Ends early, with images = 0, when `watch` says so. */
int md_evaluate(struct md_engine *engine, const struct md_judging *judging,
                const struct md_dataset *dataset, const struct md_watch *watch,
                struct md_metrics *metrics, struct md_error *error);

/* The dummy predictor: per pixel (height, width) the mean depth of the data set's truth, of a finer
 * one all of its values that lie in the pixel; where a pixel never has one, the mean over all. */
int md_dummy_fit(const struct md_dataset *train, int height, int width, float *depth_m,
                 struct md_error *error);

/* Its metrics on a data set. */
int md_dummy_evaluate(const float *depth_m, int height, int width, const struct md_judging *judging,
                      const struct md_dataset *dataset, struct md_metrics *metrics,
                      struct md_error *error);

/* Refuses to call a result what was judged by no pixel at all, up to the first cap; `what` names
 * the data set. */
int md_truth_check(const struct md_judging *judging, const char *what,
                   const struct md_dataset *dataset, const struct md_metrics *metrics,
                   struct md_error *error);

#endif
