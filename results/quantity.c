#include "quantity.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "../base/file.h"
#include "../core/ops.h"
#include "../experiments/budget.h"

/* What a row of the table below is read from, at `where`. */
enum source {
    METRIC,      /* enum md_metric */
    IMAGES,      /* offset of a size_t in struct md_metrics */
    WHOLE,       /* offset of a long long in struct md_cell */
    REAL,        /* and of a double */
    FORMAT,      /* the bytes of the config's number format */
    STEP_MEMORY, /* of one step, from the config */
    STEP_WORK,
    PREDICTION_WORK
};

#define METRIC_ROW(ID, NAME, TITLE, SHOWN, HELP) {NAME, METRIC, MD_##ID, 3, HELP},
static const struct row {
    const char *name;
    enum source source;
    size_t where;
    int decimals;
    const char *help;
} rows[] = {
    MD_METRICS(METRIC_ROW){"images", IMAGES, offsetof(struct md_metrics, images), 0,
                           "pictures that count"},
    {"without_truth", IMAGES, offsetof(struct md_metrics, without_truth), 0,
     "pictures without a valid pixel"},
    {"seconds", REAL, offsetof(struct md_cell, seconds), 1, "spent in training"},
    {"training_cpu_seconds", REAL, offsetof(struct md_cell, training_cpu_seconds), 1,
     "and of all threads together"},
    {"wall_seconds", REAL, offsetof(struct md_cell, wall_seconds), 1, "spent in all"},
    {"cpu_seconds", REAL, offsetof(struct md_cell, cpu_seconds), 1, "and of all threads together"},
    {"peak_memory_bytes", WHOLE, offsetof(struct md_cell, peak_memory_bytes), 0,
     "largest resident set of the process"},
    {"arena_bytes", WHOLE, offsetof(struct md_cell, arena_bytes), 0,
     "memory of the run's training step on the host that made it; on the device: step_kb"},
    {"steps", WHOLE, offsetof(struct md_cell, steps), 0, "updates of the weights"},
    {"skipped_steps", WHOLE, offsetof(struct md_cell, skipped_steps), 0,
     "steps without an update, as gradients overflowed"},
    {"epochs_done", WHOLE, offsetof(struct md_cell, epochs_done), 0,
     "passes over the train split; fewer than the config's epochs when it was stopped early"},
    {"selected_epoch", WHOLE, offsetof(struct md_cell, selected_epoch), 0,
     "epochs after which the weights were kept"},
    {"diverged", WHOLE, offsetof(struct md_cell, diverged), 0,
     "1: the run came to nothing, its metrics after fine-tuning are none"},
    {"label_share", REAL, offsetof(struct md_cell, label_share), 3,
     "of the training pictures' pixels, how many have a label"},
    {"parameters_learning", WHOLE, offsetof(struct md_cell, parameters_learning), 0,
     "weights that learn"},
    {"optimizer_bytes_per_parameter", WHOLE,
     offsetof(struct md_cell, optimizer_bytes_per_parameter), 0,
     "what the optimizer keeps beside each of them"},
    {"step_kb", STEP_MEMORY, 0, 0,
     "memory of a training step of batch 1 on the device, 1000 bytes"},
    {"step_mmac", STEP_WORK, 0, 1, "million multiply-accumulates of such a step"},
    {"prediction_mmac", PREDICTION_WORK, 0, 1,
     "and of a prediction: one forward pass, or two with the mirrored picture"},
    {"weight_bytes", FORMAT, 0, 0, "of one weight, by its number format"},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static int is_of_predictor(const struct row *row) {
    return row->source == METRIC || row->source == IMAGES;
}

static int unknown(const char *name, struct md_error *error) {
    return md_fail(error, MD_USAGE,
                   "\"%.100s\" is not known; mudepth help quantities lists what is measured, "
                   "mudepth help config the keys of a config",
                   name);
}

/* "@15": a cap behind a metric's name. */
static int parse_cap(const char *text, const char *name, double *cap_m, struct md_error *error) {
    if (md_parse_real(text, cap_m) != 0 || !(*cap_m > 0.0))
        return md_fail(error, MD_USAGE, "\"%.100s\": expected a depth cap in metres behind the @",
                       name);
    return MD_OK;
}

int md_quantity_parse(const char *name, struct md_quantity *quantity, struct md_error *error) {
    *quantity = (struct md_quantity){.predictor = MD_AFTER};
    if (snprintf(quantity->name, sizeof quantity->name, "%s", name) >= (int)sizeof quantity->name)
        return unknown(name, error);
    const char *begin = name, *at = strchr(name, '@');
    int named = 0;
    for (int p = 0; p < MD_PREDICTOR_COUNT && !named; p++) {
        size_t length = strlen(md_predictor_names[p]);
        named = strncmp(name, md_predictor_names[p], length) == 0 && name[length] == '.';
        if (named) {
            quantity->predictor = (enum md_predictor)p;
            begin += length + 1;
        }
    }
    size_t length = at != NULL ? (size_t)(at - begin) : strlen(begin);
    int row = 0;
    while (row < ROWS &&
           (strlen(rows[row].name) != length || strncmp(rows[row].name, begin, length) != 0))
        row++;
    if (row == ROWS || ((named || at != NULL) && !is_of_predictor(&rows[row])))
        return unknown(name, error);
    quantity->row = row;
    quantity->decimals = rows[row].decimals;
    return at != NULL ? parse_cap(at + 1, name, &quantity->cap_m, error) : MD_OK;
}

/* ---- values ---------------------------------------------------------------------------------- */

const struct md_cell_scores *md_find_scores(const struct md_cell *cell, double cap_m) {
    for (int c = 0; c < cell->cap_count; c++)
        if (cap_m == 0.0 || cell->scores[c].cap_m == cap_m)
            return &cell->scores[c];
    return NULL;
}

static double score_of(const struct md_quantity *quantity, const struct row *row,
                       const struct md_cell *cell) {
    const struct md_cell_scores *scores = md_find_scores(cell, quantity->cap_m);
    if (scores == NULL)
        return (double)NAN;
    const struct md_metrics *metrics = &scores->of[quantity->predictor];
    size_t images;
    if (row->source == IMAGES) {
        memcpy(&images, (const char *)metrics + row->where, sizeof images);
        return (double)images;
    }
    if (quantity->predictor == MD_AFTER && cell->diverged)
        return (double)NAN;
    return metrics->value[row->where];
}

/* Cores have scratch memory of their own and a batch its samples: a device has one of each. */
static double step_kb(const struct md_config *config) {
    struct md_config device = *config;
    device.batch = 1;
    return (double)md_device_bytes(&device) / 1000.0;
}

double md_quantity_of(const struct md_quantity *quantity, const struct md_cell *cell) {
    const struct row *row = &rows[quantity->row];
    const char *field = (const char *)cell + row->where;
    struct md_judging judging;
    long long whole;
    double real;
    switch (row->source) {
    case WHOLE:
        memcpy(&whole, field, sizeof whole);
        return (double)whole;
    case REAL:
        memcpy(&real, field, sizeof real);
        return real;
    case STEP_MEMORY:
        return step_kb(&cell->config);
    case STEP_WORK:
        return (double)md_step_macs(md_config_network(&cell->config),
                                    md_config_policy(&cell->config)) /
               1e6;
    case PREDICTION_WORK:
        judging = md_config_judging(&cell->config);
        return md_prediction_mmac(md_networks[cell->config.network], &judging);
    case FORMAT:
        return (double)md_format_bytes[cell->config.format];
    default:
        return score_of(quantity, row, cell);
    }
}

int md_quantity_describe(int row, const char **name, const char **help) {
    if (row >= ROWS)
        return -1;
    *name = rows[row].name;
    *help = rows[row].help;
    return 0;
}
