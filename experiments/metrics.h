/* How good a depth map is.
 *
 * For one image, over the valid pixels, which have a truth in (0, cap], with p the prediction, g
 * the truth and e = ln p - ln g:
 *
 *     abs_rel   mean |p - g| / g
 *     sq_rel    mean (p - g)^2 / g
 *     rmse      sqrt mean (p - g)^2, metres
 *     rmse_log  sqrt mean e^2
 *     delta_k   share with max(p / g, g / p) < 1.25^k
 *     silog     10 sqrt(mean e^2 - (mean e)^2)
 *     si_rmse   silog / 10
 *     log10     mean |log10 p - log10 g|
 *
 * then the mean over images. Sources: Eigen et al. 2014; the public release; LiteDepth. And
 *   no_prediction = share of all valid pixels whose prediction is not above 0
 *
 * Protocols. textbook: as above, with predictions beyond 80 m taken as 80 m (the depth to which the
 * networks are trained; a single disparity near 0 would otherwise outweigh everything), and those
 * that are not above 0 too, for a disparity of 0 is infinitely far; an image without a valid pixel
 * does not count. release: what the release's published logs were made with: pixels without a
 * prediction are passed over, so that no_prediction has to be read with the rest; an image that has
 * nothing left adds 0 and is counted; where the truth is denser than a sensor's 8x8 zones (its
 * KITTI and NYUv2 scripts), prediction and truth change places in the formulas. (Its flipped second
 * prediction is in evaluate.h.) In both a prediction that is NaN makes the metrics NaN. */
#ifndef MD_EXPERIMENTS_METRICS_H
#define MD_EXPERIMENTS_METRICS_H

#include <stddef.h>

enum md_protocol { MD_TEXTBOOK, MD_RELEASE, MD_PROTOCOL_COUNT };
extern const char *const md_protocol_names[]; /* "textbook", "release", NULL */

/* Every metric: its number (MD_...), its name everywhere, its title and when reports show it, and
 * what it is. Their order is that of a cell's columns. To add one: a line here, and its sum in
 * metrics.c. */
#define MD_METRICS(ROW)                                                                            \
    ROW(ABS_REL, "abs_rel", "abs_rel", ALWAYS, "mean of |error| / depth")                          \
    ROW(SQ_REL, "sq_rel", "sq_rel", IN_DETAIL, "mean of error^2 / depth, metres")                  \
    ROW(RMSE, "rmse_m", "RMSE (m)", FIRST, "root mean square error, metres")                       \
    ROW(RMSE_LOG, "rmse_log", "rmse_log", IN_DETAIL, "root mean square error of ln depth")         \
    ROW(DELTA1, "delta1", "delta1", ALWAYS, "share of pixels within a factor of 1.25")             \
    ROW(DELTA2, "delta2", "delta2", ALWAYS, "of 1.25^2")                                           \
    ROW(DELTA3, "delta3", "delta3", ALWAYS, "of 1.25^3")                                           \
    ROW(SILOG, "silog", "silog", IN_DETAIL,                                                        \
        "10 times the standard deviation of the error of ln depth")                                \
    ROW(SI_RMSE, "si_rmse", "si_rmse", IN_DETAIL, "that standard deviation")                       \
    ROW(LOG10, "log10", "log10", IN_DETAIL, "mean |error| of log10 depth")                         \
    ROW(NO_PREDICTION, "no_prediction", "no_prediction", ABOVE_0,                                  \
        "share of the valid pixels that have no predicted depth")

#define MD_METRIC_NUMBER(ID, NAME, TITLE, SHOWN, HELP) MD_##ID,
enum md_metric { MD_METRICS(MD_METRIC_NUMBER) MD_METRIC_COUNT };
extern const char *const md_metric_names[MD_METRIC_COUNT]; /* "abs_rel", ... "rmse_m", ... */

/* Depths up to which truth counts, metres; the first is the primary one, by which runs are chosen
 * and shown. */
enum { MD_MOST_CAPS = 8 };
struct md_caps {
    int count; /* 1 to MD_MOST_CAPS */
    double m[MD_MOST_CAPS];
};

/* Adds one more; returns what is wrong with it, or NULL. */
const char *md_caps_add(struct md_caps *caps, double cap_m);

struct md_metrics {
    double value[MD_METRIC_COUNT]; /* means over `images`; NaN when there is none */
    size_t images;                 /* that count */
    size_t without_truth;          /* images without a valid pixel */
    size_t valid, unpredicted;     /* sums: pixels, and of these without a prediction */
};

/* Whether there was something to predict and nothing came of it: no number, or no depth at all. */
int md_metrics_are_void(const struct md_metrics *metrics);

/* Adds one image of n pixels; `dense` says that the truth is more than 8x8 zones. */
void md_metrics_add(struct md_metrics *sums, enum md_protocol protocol, int dense, double cap_m,
                    size_t n, const float *prediction_m, const float *truth_m);

/* Turns the sums into means. */
void md_metrics_finish(struct md_metrics *sums);

#endif
