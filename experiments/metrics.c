#include "metrics.h"

#include <math.h>

const char *const md_protocol_names[] = {"textbook", "release", NULL};
#define NAME_OF(ID, NAME, TITLE, SHOWN, HELP) NAME,
const char *const md_metric_names[MD_METRIC_COUNT] = {MD_METRICS(NAME_OF)};

/* The depth that a protocol clamps predictions to, metres. */
static const float farthest_m[MD_PROTOCOL_COUNT] = {[MD_TEXTBOOK] = 80.0f, [MD_RELEASE] = INFINITY};

const char *md_caps_add(struct md_caps *caps, double cap_m) {
    for (int c = 0; c < caps->count; c++)
        if (caps->m[c] == cap_m)
            return "the same cap twice";
    if (caps->count == MD_MOST_CAPS)
        return "more than 8 caps";
    caps->m[caps->count++] = cap_m;
    return NULL;
}

/* A prediction as the protocol judges it; NaN stays NaN. */
static float clamped_m(enum md_protocol protocol, float prediction_m) {
    float farthest = farthest_m[protocol];
    return prediction_m <= 0.0f || prediction_m > farthest ? farthest : prediction_m;
}

/* Sums over the pixels of one image; returns how many were judged. The cap is compared in float, as
 * truths are: one of 1100 mm is not beyond 1.1 m. */
static size_t sum_pixels(struct md_metrics *sums, enum md_protocol protocol, double cap_m,
                         int swapped, size_t n, const float *prediction_m, const float *truth_m,
                         double sum[MD_METRIC_COUNT], double *sum_log) {
    size_t judged = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(truth_m[i] > 0.0f && truth_m[i] <= (float)cap_m))
            continue;
        int is_missing = !(prediction_m[i] > 0.0f);
        sums->valid++;
        sums->unpredicted += (size_t)is_missing;
        if (prediction_m[i] <= 0.0f && protocol == MD_RELEASE)
            continue; /* but NaN goes on */
        float clamped = clamped_m(protocol, prediction_m[i]);
        double p = swapped ? truth_m[i] : clamped, g = swapped ? clamped : truth_m[i];
        double e = log(p) - log(g), ratio = p > g ? p / g : g / p;
        sum[MD_ABS_REL] += fabs(p - g) / g;
        sum[MD_SQ_REL] += (p - g) * (p - g) / g;
        sum[MD_RMSE] += (p - g) * (p - g);
        sum[MD_RMSE_LOG] += e * e;
        sum[MD_DELTA1] += ratio < 1.25;
        sum[MD_DELTA2] += ratio < 1.25 * 1.25;
        sum[MD_DELTA3] += ratio < 1.25 * 1.25 * 1.25;
        sum[MD_LOG10] += fabs(e) / log(10.0);
        *sum_log += e;
        judged++;
    }
    return judged;
}

void md_metrics_add(struct md_metrics *sums, enum md_protocol protocol, int dense, double cap_m,
                    size_t n, const float *prediction_m, const float *truth_m) {
    double image[MD_METRIC_COUNT] = {0}, sum_log = 0.0;
    size_t before = sums->valid,
           judged = sum_pixels(sums, protocol, cap_m, protocol == MD_RELEASE && dense, n,
                               prediction_m, truth_m, image, &sum_log);
    sums->without_truth += sums->valid == before;
    sums->images += sums->valid > before || protocol == MD_RELEASE;
    if (judged == 0)
        return;
    for (int m = 0; m < MD_METRIC_COUNT; m++)
        image[m] /= (double)judged;
    double mean_log = sum_log / (double)judged;
    double variance = image[MD_RMSE_LOG] - mean_log * mean_log;
    image[MD_RMSE] = sqrt(image[MD_RMSE]);
    image[MD_SI_RMSE] = sqrt(variance > 0.0 ? variance : 0.0);
    image[MD_SILOG] = 10.0 * image[MD_SI_RMSE];
    image[MD_RMSE_LOG] = sqrt(image[MD_RMSE_LOG]);
    for (int m = 0; m < MD_METRIC_COUNT; m++)
        sums->value[m] += image[m];
}

void md_metrics_finish(struct md_metrics *sums) {
    int is_nan = sums->images == 0 || isnan(sums->value[MD_RMSE]);
    for (int m = 0; m < MD_METRIC_COUNT; m++)
        sums->value[m] = is_nan ? (double)NAN : sums->value[m] / (double)sums->images;
    sums->value[MD_NO_PREDICTION] =
        sums->valid > 0 ? (double)sums->unpredicted / (double)sums->valid : (double)NAN;
}

int md_metrics_are_void(const struct md_metrics *metrics) {
    double missing = metrics->value[MD_NO_PREDICTION]; /* NaN: of no pixel */
    return missing == 1.0 || (missing >= 0.0 && !isfinite(metrics->value[MD_RMSE]));
}
