#include "evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../datasets/labels.h"

const char *const md_flip_names[] = {"off", "on", NULL};

void md_depth_from_disparity(float fb, size_t n, const float *disparity, float *depth_m) {
    for (size_t i = 0; i < n; i++)
        depth_m[i] = !isfinite(disparity[i]) ? NAN
                     : disparity[i] > 0.0f   ? fb / disparity[i]
                                             : MD_NO_DEPTH;
}

static void output_size(const struct md_engine *engine, int *height, int *width) {
    md_layer_size(engine->setup.network, engine->setup.network->output, height, width);
}

/* to = from with left and right exchanged, for `rows` rows of `row` elements of `bytes` each. */
static void flip(const void *from, int rows, int row, size_t bytes, void *to) {
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < row; c++)
            memcpy((char *)to + (size_t)(r * row + c) * bytes,
                   (const char *)from + (size_t)(r * row + row - 1 - c) * bytes, bytes);
}

/* Disparities of up to a batch of samples. */
static void forward(struct md_engine *engine, const struct md_sample *samples, int count,
                    int flipped, uint8_t *picture, float *disparity) {
    const struct md_network *network = engine->setup.network;
    int height, width;
    output_size(engine, &height, &width);
    for (int s = 0; s < count; s++) {
        if (flipped)
            flip(samples[s].picture, 3 * network->height, network->width, 1, picture);
        md_engine_set_picture(engine, s, flipped ? picture : samples[s].picture);
    }
    md_engine_forward(engine, count);
    for (int s = 0; s < count; s++)
        md_engine_output(engine, s, disparity + (size_t)s * (size_t)(height * width));
}

int md_forward_passes(const struct md_judging *judging) {
    return judging->flip == MD_FLIP_ON || judging->protocol == MD_RELEASE ? 2 : 1;
}

double md_prediction_mmac(const struct md_network *network, const struct md_judging *judging) {
    const md_policy nothing = 0; /* learns: only forward */
    return md_forward_passes(judging) * (double)md_step_macs(network, nothing) / 1e6;
}

/* The two outputs of one sample as one, in place of the plain one; the upper `border` rows are the
 * flipped one's. */
static void merge_flipped(int height, int width, int border, const float *flipped, float *plain) {
    for (int h = 0; h < height; h++)
        for (int w = 0; w < width; w++) {
            float other = flipped[h * width + width - 1 - w];
            float *here = &plain[h * width + w];
            *here = h < border ? other : (*here + other) / 2.0f;
        }
}

/* Pixels without a depth, or with NaN, stay so. */
static void shrink(const struct md_judging *judging, size_t n, float *depth_m) {
    const double share = judging->mean_share;
    for (size_t i = 0; share > 0.0 && i < n; i++)
        if (depth_m[i] > 0.0f)
            depth_m[i] =
                (float)((1.0 - share) * (double)depth_m[i] + share * (double)judging->mean_m[i]);
}

int md_predict(struct md_engine *engine, const struct md_judging *judging,
               const struct md_dataset *dataset, size_t first, size_t count, float *depth_m,
               struct md_error *error) {
    int height, width, batch = engine->setup.batch;
    int flips = md_forward_passes(judging) > 1;
    output_size(engine, &height, &width);
    int border = judging->protocol == MD_RELEASE ? width / 20 : 0;
    size_t pixels = (size_t)height * (size_t)width;
    uint8_t *picture = malloc(md_layer_elements(engine->setup.network, MD_PICTURE));
    float *flipped = malloc((size_t)batch * pixels * sizeof *flipped);
    for (size_t done = 0; picture != NULL && flipped != NULL && done < count;) {
        const struct md_sample *samples = &dataset->samples[first + done];
        int here = count - done < (size_t)batch ? (int)(count - done) : batch;
        float *depth = depth_m + done * pixels;
        forward(engine, samples, here, 0, picture, depth);
        if (flips)
            forward(engine, samples, here, 1, picture, flipped);
        for (int s = 0; s < here; s++) {
            float *one = depth + (size_t)s * pixels;
            if (flips)
                merge_flipped(height, width, border, flipped + (size_t)s * pixels, one);
            md_depth_from_disparity(samples[s].fb, pixels, one, one);
            shrink(judging, pixels, one);
        }
        done += (size_t)here;
    }
    int failed = picture == NULL || flipped == NULL;
    free(picture);
    free(flipped);
    return md_check_memory(!failed, error);
}

/* Whether a truth's values span more than the 8x8 zones of a sensor, which may lie in the middle of
 * a larger grid. */
static int is_dense(const struct md_sample *sample) {
    enum { ZONES = 8 };
    const float *truth_m = sample->truth_m != NULL ? sample->truth_m : sample->depth_m;
    int height, width;
    md_truth_size(sample, &height, &width);
    int top = height, bottom = 0, left = width, right = 0;
    for (int r = 0; r < height; r++)
        for (int c = 0; c < width; c++) {
            if (!(truth_m[r * width + c] > 0.0f))
                continue;
            top = r < top ? r : top;
            bottom = r + 1;
            left = c < left ? c : left;
            right = c >= right ? c + 1 : right;
        }
    return bottom - top > ZONES || right - left > ZONES;
}

/* Adds one sample's prediction (height, width) to the metrics, at the larger of the two sizes. */
static int add_sample(const struct md_judging *judging, const struct md_sample *sample, int height,
                      int width, const float *depth_m, struct md_metrics *metrics,
                      struct md_error *error) {
    int truth_height, truth_width;
    md_truth_size(sample, &truth_height, &truth_width);
    int finer = truth_height > height || truth_width > width;
    int dense = judging->protocol == MD_RELEASE && is_dense(sample);
    int rows = finer ? truth_height : height;
    int columns = finer ? truth_width : width;
    size_t n = (size_t)rows * (size_t)columns;
    float *truth = malloc(2 * n * sizeof *truth);
    MD_TRY(md_check_memory(truth != NULL, error));
    float *prediction = truth + n;
    md_truth(sample, rows, columns, truth);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
            prediction[r * columns + c] = depth_m[r * height / rows * width + c * width / columns];
    for (int c = 0; c < judging->caps.count; c++)
        md_metrics_add(&metrics[c], judging->protocol, dense, judging->caps.m[c], n, prediction,
                       truth);
    free(truth);
    return MD_OK;
}

static void clear(const struct md_judging *judging, struct md_metrics *metrics) {
    memset(metrics, 0, (size_t)judging->caps.count * sizeof *metrics);
}

static void finish(const struct md_judging *judging, struct md_metrics *metrics) {
    for (int c = 0; c < judging->caps.count; c++)
        md_metrics_finish(&metrics[c]);
}

int md_evaluate(struct md_engine *engine, const struct md_judging *judging,
                const struct md_dataset *dataset, const struct md_watch *watch,
                struct md_metrics *metrics, struct md_error *error) {
    int height, width, status = MD_OK;
    output_size(engine, &height, &width);
    size_t pixels = (size_t)height * (size_t)width, batch = (size_t)engine->setup.batch;
    float *depth = malloc(batch * pixels * sizeof *depth);
    clear(judging, metrics);
    MD_TRY(md_check_memory(depth != NULL, error));
    for (size_t done = 0; status == MD_OK && done < dataset->count; done += batch) {
        size_t here = dataset->count - done < batch ? dataset->count - done : batch;
        if (md_watch_report(watch, "evaluating", (double)done, (double)dataset->count)) {
            clear(judging, metrics);
            break;
        }
        status = md_predict(engine, judging, dataset, done, here, depth, error);
        for (size_t s = 0; status == MD_OK && s < here; s++)
            status = add_sample(judging, &dataset->samples[done + s], height, width,
                                depth + s * pixels, metrics, error);
    }
    free(depth);
    finish(judging, metrics);
    return status;
}

/* Sums of depths and how many they are: (height, width) each, and over all. */
struct sums {
    int height, width;
    double *sum, *count, overall, overall_count;
};

/* Adds each value of a truth where it lies, and one that is coarser than the sums to all pixels
 * that lie in it. */
static void add_truth(const struct md_sample *sample, struct sums *sums) {
    const float *truth_m = sample->truth_m != NULL ? sample->truth_m : sample->depth_m;
    int height, width;
    md_truth_size(sample, &height, &width);
    int rows = height > sums->height ? height : sums->height;
    int columns = width > sums->width ? width : sums->width;
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) {
            float depth_m = truth_m[md_place_along(r, rows, height) * width +
                                    md_place_along(c, columns, width)];
            int pixel = md_place_along(r, rows, sums->height) * sums->width +
                        md_place_along(c, columns, sums->width);
            if (!(depth_m > 0.0f))
                continue;
            sums->sum[pixel] += depth_m;
            sums->count[pixel]++;
            sums->overall += depth_m;
            sums->overall_count++;
        }
}

int md_dummy_fit(const struct md_dataset *train, int height, int width, float *depth_m,
                 struct md_error *error) {
    size_t pixels = (size_t)height * (size_t)width;
    struct sums sums = {height, width, calloc(2 * pixels, sizeof(double)), NULL, 0, 0};
    MD_TRY(md_check_memory(sums.sum != NULL, error));
    sums.count = sums.sum + pixels;
    for (size_t s = 0; s < train->count; s++)
        add_truth(&train->samples[s], &sums);
    double overall_m = sums.overall_count > 0 ? sums.overall / sums.overall_count : 0.0;
    for (size_t p = 0; p < pixels; p++)
        depth_m[p] = (float)(sums.count[p] > 0 ? sums.sum[p] / sums.count[p] : overall_m);
    free(sums.sum);
    return MD_OK;
}

int md_dummy_evaluate(const float *depth_m, int height, int width, const struct md_judging *judging,
                      const struct md_dataset *dataset, struct md_metrics *metrics,
                      struct md_error *error) {
    clear(judging, metrics);
    for (size_t s = 0; s < dataset->count; s++)
        if (add_sample(judging, &dataset->samples[s], height, width, depth_m, metrics, error) !=
            MD_OK)
            return MD_FAILED;
    finish(judging, metrics);
    return MD_OK;
}

int md_truth_check(const struct md_judging *judging, const char *what,
                   const struct md_dataset *dataset, const struct md_metrics *metrics,
                   struct md_error *error) {
    return metrics->valid > 0
               ? MD_OK
               : md_fail(error, MD_FAILED,
                         "%s: none of the %zu pictures has a depth up to %g m to be judged by",
                         what, dataset->count, judging->caps.m[0]);
}
