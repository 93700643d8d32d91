#include "cell_diff.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weights.h"

int md_same_real(double a, double b) {
    uint64_t bits[2];
    memcpy(&bits[0], &a, sizeof a);
    memcpy(&bits[1], &b, sizeof b);
    return bits[0] == bits[1] || (isnan(a) && isnan(b));
}

/* Notes that results differ; the first difference is kept in diff->first. */
static void note_difference(struct md_cell_diff *diff, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void note_difference(struct md_cell_diff *diff, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (diff->same_results)
        vsnprintf(diff->first, sizeof diff->first, format, arguments);
    va_end(arguments);
    diff->same_results = 0;
}

/* ---- metrics --------------------------------------------------------------------------------- */

int md_diff_has_metric(const struct md_cell_diff *diff, int metric) {
    return diff->cell[0].has_metric[metric] && diff->cell[1].has_metric[metric];
}

/* At every cap that both cells have. */
static void compare_metrics(struct md_cell_diff *diff, enum md_predictor predictor) {
    const char *name = md_predictor_names[predictor];
    for (int c = 0; c < diff->cell[0].cap_count; c++) {
        const struct md_cell_scores *scores = &diff->cell[0].scores[c],
                                    *others = md_find_scores(&diff->cell[1], scores->cap_m);
        if (others == NULL)
            continue;
        const struct md_metrics *a = &scores->of[predictor], *b = &others->of[predictor];
        for (int m = 0; m < MD_METRIC_COUNT; m++)
            if (md_diff_has_metric(diff, m) && !md_same_real(a->value[m], b->value[m]))
                note_difference(diff, "%s.%s@%g: %.9g against %.9g", name, md_metric_names[m],
                                scores->cap_m, a->value[m], b->value[m]);
        if (a->images != b->images || a->without_truth != b->without_truth)
            note_difference(
                diff, "%s.images@%g: %zu against %zu, and %zu against %zu without truth", name,
                scores->cap_m, a->images, b->images, a->without_truth, b->without_truth);
    }
}

/* ---- epochs ---------------------------------------------------------------------------------- */

static void compare_epochs(struct md_cell_diff *diff) {
    long long counts[2] = {diff->cell[0].epochs_done, diff->cell[1].epochs_done};
    size_t both = (size_t)(counts[0] < counts[1] ? counts[0] : counts[1]);
    for (size_t e = 0; e < both; e++)
        for (int c = 0; c < MD_EPOCH_COLUMNS; c++) {
            struct md_curve_gap *curve = &diff->curves[c];
            double a = md_epoch_value(&diff->history[0].epoch[e], c);
            double b = md_epoch_value(&diff->history[1].epoch[e], c);
            if (md_same_real(a, b))
                continue;
            note_difference(diff, "epoch %zu: %s %.9g against %.9g", e + 1, md_epoch_column(c), a,
                            b);
            curve->first = curve->first == 0 ? e + 1 : curve->first;
            if (fabs(b - a) > curve->largest || (curve->largest_at == 0 && !isnan(b - a))) {
                curve->largest = fabs(b - a);
                curve->largest_at = e + 1;
            }
        }
    if (counts[0] != counts[1])
        note_difference(diff, "%lld epochs against %lld", counts[0], counts[1]);
}

/* ---- weights --------------------------------------------------------------------------------- */

static void compare_tensor(struct md_tensor_gap *gap, const float *a, const float *b) {
    double squares = 0.0;
    for (size_t i = 0; i < gap->parameter.count; i++) {
        double difference = (double)b[i] - (double)a[i];
        uint32_t bits[2];
        memcpy(&bits[0], &a[i], sizeof a[i]);
        memcpy(&bits[1], &b[i], sizeof b[i]);
        gap->differing += bits[0] != bits[1];
        gap->largest = fmax(gap->largest, fabs(difference));
        squares += difference * difference;
    }
    gap->rms = sqrt(squares / (double)gap->parameter.count);
}

static int compare_weights(struct md_cell_diff *diff, struct md_error *error) {
    const struct md_network *network[2];
    for (int w = 0; w < 2; w++)
        MD_TRY(md_weights_network(diff->path[w], &network[w], error));
    if (network[0] != network[1]) {
        note_difference(diff, "weights of %s against %s", network[0]->name, network[1]->name);
        return MD_OK;
    }
    size_t total = md_parameter_total(network[0]);
    float *weights = malloc(2 * total * sizeof *weights);
    int status = md_check_memory(weights != NULL, error);
    for (int w = 0; w < 2 && status == MD_OK; w++)
        status =
            md_weights_read(diff->path[w], network[w], weights + (size_t)w * total, NULL, error);
    for (int p = 0; status == MD_OK && p < MD_MOST_PARAMETERS; p++) {
        struct md_tensor_gap *gap = &diff->tensors[p];
        if (md_parameter(network[0], p, &gap->parameter) != 0)
            break;
        diff->tensor_count++;
        compare_tensor(gap, weights + gap->parameter.offset,
                       weights + total + gap->parameter.offset);
        if (gap->differing > 0)
            note_difference(diff, "%s: %zu of %zu weights, by up to %.3g", gap->parameter.name,
                            gap->differing, gap->parameter.count, gap->largest);
    }
    free(weights);
    return status;
}

/* ---- all of it ------------------------------------------------------------------------------- */

int md_cell_diff_open(const char *a, const char *b, struct md_cell_diff *diff,
                      struct md_error *error) {
    memset(diff, 0, sizeof *diff);
    diff->path[0] = a;
    diff->path[1] = b;
    for (int w = 0; w < 2; w++) {
        MD_TRY(md_cell_read(diff->path[w], &diff->cell[w], error));
        MD_TRY(md_cell_read_history(diff->path[w], &diff->history[w], error));
    }
    const struct md_cell *p = &diff->cell[0], *q = &diff->cell[1];
    diff->same_run = strcmp(p->identity, q->identity) == 0;
    diff->same_results = 1;
    compare_metrics(diff, MD_BEFORE);
    compare_metrics(diff, MD_DUMMY);
    compare_epochs(diff);
    if (p->steps != q->steps || p->skipped_steps != q->skipped_steps)
        note_difference(diff, "%lld steps against %lld, and %lld skipped against %lld", p->steps,
                        q->steps, p->skipped_steps, q->skipped_steps);
    if (strcmp(p->run_digest, q->run_digest) != 0)
        note_difference(diff, "run digest: %s against %s", p->run_digest, q->run_digest);
    if (p->selected_epoch != q->selected_epoch)
        note_difference(diff, "weights of epoch %lld against epoch %lld", p->selected_epoch,
                        q->selected_epoch);
    int status = compare_weights(diff, error);
    if (status == MD_OK)
        compare_metrics(diff, MD_AFTER);
    return status;
}

void md_cell_diff_close(struct md_cell_diff *diff) {
    md_cell_history_free(&diff->history[0]);
    md_cell_history_free(&diff->history[1]);
}
