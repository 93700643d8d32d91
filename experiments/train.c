#include "train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/digest.h"
#include "../base/random.h"
#include "../core/target/host.h"
#include "batch.h"
#include "budget.h"
#include "initial_weights.h"
#include "version.h"

/* ---- opening and closing --------------------------------------------------------------------- */

static int open_split(const struct md_run *run, enum md_split split, const struct md_watch *watch,
                      struct md_dataset *dataset, struct md_error *error) {
    struct md_data_spec spec;
    char key[16];
    md_config_split(&run->config, split, &spec);
    memset(dataset, 0, sizeof *dataset);
    if (spec.split[0] == '\0')
        return MD_OK;
    int status =
        md_dataset_open(&spec, run->network->height, run->network->width, watch, dataset, error);
    snprintf(key, sizeof key, "data.%s", md_split_names[split]);
    return status == MD_OK ? MD_OK : md_fail_in(error, status, key);
}

static int open_engine(struct md_run *run, struct md_error *error) {
    const struct md_config *config = &run->config;
    int failed;
    struct md_setup setup;
    MD_TRY(md_config_setup(config, config->backend, config->threads, &setup, error));
    struct md_plan plan;
    md_plan_make(&setup, &plan);
    if (plan.fault != NULL)
        return md_fail(error, MD_USAGE, "plan: %s: %s", config->plan, plan.fault);
    run->team = md_host_team_start(config->threads, &failed);
    run->arena = md_host_arena(plan.arena_bytes + plan.frozen_bytes);
    if (failed || run->arena == NULL)
        return md_fail(error, MD_FAILED, "no memory for an arena of %zu bytes, or no %d threads",
                       plan.arena_bytes, config->threads);
    md_engine_start(&run->engine, &setup, run->team, run->arena, plan.arena_bytes);
    run->engine.flash =
        md_flash_in((unsigned char *)run->arena + plan.arena_bytes, plan.frozen_bytes);
    run->engine.update = (struct md_update){.hyper = md_config_hyper(config)};
    return MD_OK;
}

/* A weight that is as wide as the update's arithmetic has nothing to gain; a loss divides by the
 * number of valid pixels, in the format; and after the last epoch there is nothing to stop. */
int md_run_check(const struct md_config *config, struct md_error *error) {
    static const double largest_binary16 = 65504.0;
    const struct md_network *network = md_config_network(config);
    size_t pixels = md_layer_elements(network, network->layer_count - 1);
    if (config->storing != MD_STORE_PLAIN && md_format_bytes[config->format] != 2)
        return md_fail(error, MD_USAGE,
                       "weight_storage: %s needs a 16-bit format, found format: %s",
                       md_storing_names[config->storing], md_format_names[config->format]);
    if (config->format == MD_FP16 && (double)pixels * config->batch > largest_binary16)
        return md_fail(error, MD_USAGE,
                       "batch: expected at most %d with format: fp16, which counts no more pixels, "
                       "found %d",
                       (int)(largest_binary16 / (double)pixels), config->batch);
    if (config->early_stop > 0 && config->early_stop >= config->epochs)
        return md_fail(error, MD_USAGE,
                       "early_stop: expected less than epochs: %d, or it has no effect; found %d",
                       config->epochs, config->early_stop);
    struct md_setup setup;
    return md_config_setup(config, config->backend, config->threads, &setup, error);
}

int md_run_steps_an_epoch(const struct md_run *run) {
    size_t batch = (size_t)run->config.batch;
    return (int)((run->train.count + batch - 1) / batch);
}

static void open_step_losses(struct md_run *run) {
    struct md_step_losses *losses = &run->step_losses;
    size_t steps = (size_t)md_run_steps_an_epoch(run) * (size_t)run->config.epochs;
    losses->steps_a_row = 1 + (steps > 0 ? steps - 1 : 0) / MD_STEP_ROWS;
    losses->rows = (steps + losses->steps_a_row - 1) / losses->steps_a_row;
    losses->sums = calloc(losses->rows + 1, sizeof *losses->sums);
}

/* Finds run->label_share, without augmentation; fails where nothing has a label. */
static int count_labels(struct md_run *run, struct md_error *error) {
    const struct md_network *network = md_config_network(&run->config);
    size_t pixels = md_layer_elements(network, network->layer_count - 1), valid = 0;
    uint8_t *picture = malloc(md_layer_elements(network, MD_PICTURE));
    float *label = malloc(pixels * sizeof *label);
    for (size_t i = 0; picture != NULL && label != NULL && i < run->train.count; i++) {
        md_prepare_sample(&run->config, network, &run->train, (uint32_t)i, -1, picture, NULL,
                          label);
        for (size_t p = 0; p < pixels; p++)
            valid += label[p] != MD_INVALID;
    }
    int failed = picture == NULL || label == NULL;
    const struct md_objective objective = md_config_objective(&run->config);
    int without = md_needs_pair(&objective) && !(objective.distill > 0); /* learns without labels */
    free(picture);
    free(label);
    if (!failed && valid == 0 && run->config.epochs > 0 && !without)
        return md_fail(error, MD_FAILED,
                       "data.train: none of the %zu pictures has a label: there is nothing to "
                       "learn from",
                       run->train.count);
    run->label_share = (double)valid / (double)(pixels * run->train.count);
    return md_check_memory(!failed, error);
}

/* Labels that have a value for every pixel have no zones coarser than that: `nearest` and `sparse`
 * would have no effect on them, and the run's name would be wrong. */
static int check_label(const struct md_run *run, struct md_error *error) {
    const struct md_network *network = md_config_network(&run->config);
    int height, width, label = run->config.label_mode;
    md_layer_size(network, network->layer_count - 1, &height, &width);
    if (label != MD_LABEL_NEAREST && label != MD_LABEL_SPARSE)
        return MD_OK;
    for (size_t i = 0; i < run->train.count; i++)
        if (run->train.samples[i].depth_height != height ||
            run->train.samples[i].depth_width != width)
            return MD_OK;
    return md_fail(
        error, MD_USAGE,
        "label_mode: %s has an effect only on labels that are coarser than %dx%d, such as "
        "those of data.label: tof8",
        md_label_mode_names[label], width, height);
}

static int fit_mean(struct md_run *run, struct md_error *error) {
    int height, width;
    md_layer_size(run->network, run->network->output, &height, &width);
    run->mean_m = malloc((size_t)height * (size_t)width * sizeof *run->mean_m);
    MD_TRY(md_check_memory(run->mean_m != NULL, error));
    return md_dummy_fit(&run->train, height, width, run->mean_m, error);
}

int md_run_open(const struct md_config *config, const float *weights, const struct md_watch *watch,
                struct md_run *run, struct md_error *error) {
    memset(run, 0, sizeof *run);
    if (md_run_check(config, error) != MD_OK)
        return MD_USAGE;
    run->began = md_usage_now();
    md_time_now(run->started);
    run->config = *config;
    run->network = md_networks[config->network];
    md_config_resolve_selection(&run->config);
    size_t total = md_parameter_total(run->network);
    struct md_dataset *const data[MD_SPLITS] = {&run->train, &run->val, &run->test};
    int status = MD_OK;
    for (int i = 0; i < MD_SPLITS && status == MD_OK; i++)
        status = open_split(run, (enum md_split)i, watch, data[i], error);
    if (status == MD_OK && (run->train.count == 0 || run->test.count == 0))
        status = md_fail(error, MD_USAGE, "data.train and data.test must not be empty");
    MD_THEN(status, md_prepare_training(config, &run->train, error));
    MD_THEN(status, md_check_pairs(config, &run->val, "data.val", error));
    MD_THEN(status, check_label(run, error));
    MD_THEN(status, count_labels(run, error));
    MD_THEN(status, fit_mean(run, error));
    MD_THEN(status, open_engine(run, error));
    MD_THEN(status, md_teacher_open(config, &run->engine.plan, run->team, &run->teacher, error));
    if (status == MD_OK) {
        run->history = calloc((size_t)config->epochs + 1, sizeof *run->history);
        run->best_weights = malloc(total * sizeof *run->best_weights);
        open_step_losses(run);
        status = md_check_memory(run->history != NULL && run->best_weights != NULL &&
                                     run->step_losses.sums != NULL,
                                 error);
    }
    if (status != MD_OK) {
        md_run_close(run);
        return status;
    }
    if (weights != NULL)
        memcpy(run->best_weights, weights, total * sizeof *weights);
    else
        md_initial_weights(run->network, config->seed, run->best_weights);
    md_digest_text(XXH3_128bits(run->best_weights, total * sizeof *weights), run->initial_digest);
    md_engine_set_weights(&run->engine, run->best_weights);
    run->position.best_loss = INFINITY;
    return MD_OK;
}

struct md_usage md_run_usage(const struct md_run *run) {
    return md_usage_since(&run->began, &run->earlier);
}

void md_run_close(struct md_run *run) {
    md_dataset_close(&run->train);
    md_dataset_close(&run->val);
    md_dataset_close(&run->test);
    md_teacher_close(&run->teacher);
    md_host_team_stop(run->team);
    free(run->arena);
    free(run->mean_m);
    free(run->history);
    free(run->step_losses.sums);
    free(run->best_weights);
    memset(run, 0, sizeof *run);
}

/* ---- measuring ------------------------------------------------------------------------------- */

struct md_judging md_run_judging(const struct md_run *run) {
    struct md_judging judging = md_config_judging(&run->config);
    judging.mean_m = run->mean_m;
    return judging;
}

int md_run_measure_before(struct md_run *run, const struct md_watch *watch,
                          struct md_error *error) {
    const struct {
        const struct md_dataset *data;
        struct md_metrics *dummy, *network;
    } splits[] = {{&run->test, run->dummy, run->before},
                  {&run->val, run->val_dummy, run->val_before}};
    const struct md_judging judging = md_run_judging(run);
    int height, width, status = MD_OK;
    md_layer_size(run->network, run->network->output, &height, &width);
    for (int i = 0; i < 2 && status == MD_OK; i++) {
        status = md_dummy_evaluate(run->mean_m, height, width, &judging, splits[i].data,
                                   splits[i].dummy, error);
        if (status == MD_OK && i == 0)
            status = md_truth_check(&judging, "data.test", &run->test, run->dummy, error);
        MD_THEN(status, md_evaluate(&run->engine, &judging, splits[i].data, watch,
                                    splits[i].network, error));
    }
    return status;
}

static int has_best(const struct md_run *run) {
    return run->config.select == MD_SELECT_BEST &&
           (run->position.best_epoch > 0 || run->config.epochs == 0);
}

int md_run_selected_epoch(const struct md_run *run) {
    return has_best(run) ? run->position.best_epoch : run->position.epoch;
}

int md_run_measure_after(struct md_run *run, const struct md_watch *watch, struct md_error *error) {
    if (has_best(run))
        md_engine_set_weights(&run->engine, run->best_weights);
    else
        md_engine_get_weights(&run->engine, run->best_weights);
    const struct md_judging judging = md_run_judging(run);
    MD_TRY(md_evaluate(&run->engine, &judging, &run->test, watch, run->after, error));
    return md_evaluate(&run->engine, &judging, &run->val, watch, run->val_after, error);
}

int md_run_has_diverged(const struct md_run *run, char why[MD_DIVERGED_SIZE]) {
    int epoch = run->position.diverged_epoch;
    if (epoch > 0)
        snprintf(why, MD_DIVERGED_SIZE,
                 "diverged in epoch %d: a loss or a weight became NaN or infinite", epoch);
    else
        snprintf(why, MD_DIVERGED_SIZE, "diverged: after training there is %s",
                 isfinite(run->after[0].value[MD_RMSE]) ? "no depth at all"
                                                        : "a depth that is NaN or infinite");
    return epoch > 0 || md_metrics_are_void(&run->after[0]);
}

/* ---- training -------------------------------------------------------------------------------- */

/* What samples of a batch are prepared in. */
struct sample_buffers {
    uint32_t *order;          /* the epoch's order of the training samples */
    uint8_t *picture, *right; /* right: NULL unless the loss needs it */
    float *label;
    float *fb; /* one per slot */
};

static int allocate_buffers(const struct md_run *run, struct sample_buffers *buffers,
                            struct md_error *error) {
    const struct md_network *network = run->engine.setup.network;
    size_t pixels = md_layer_elements(network, network->layer_count - 1);
    buffers->order = malloc(run->train.count * sizeof *buffers->order);
    int pairs = md_needs_pair(&run->engine.setup.objective);
    buffers->picture = malloc(md_layer_elements(network, MD_PICTURE));
    buffers->right = pairs ? malloc(md_layer_elements(network, MD_PICTURE)) : NULL;
    buffers->label = malloc(pixels * sizeof *buffers->label);
    buffers->fb = malloc((size_t)run->config.batch * sizeof *buffers->fb);
    return md_check_memory(buffers->order != NULL && buffers->picture != NULL &&
                               buffers->label != NULL && buffers->fb != NULL &&
                               (buffers->right != NULL || !pairs),
                           error);
}

static void free_buffers(struct sample_buffers *buffers) {
    free(buffers->order);
    free(buffers->picture);
    free(buffers->right);
    free(buffers->label);
    free(buffers->fb);
}

/* Puts one sample into a slot; epoch < 0: as it is, without augmentation. */
static void fill_slot(struct md_run *run, struct sample_buffers *buffers,
                      const struct md_dataset *dataset, uint32_t index, int epoch, int slot) {
    md_prepare_sample(&run->config, run->engine.setup.network, dataset, index, epoch,
                      buffers->picture, buffers->right, buffers->label);
    md_engine_set_picture(&run->engine, slot, buffers->picture);
    if (buffers->right != NULL)
        md_engine_set_right_picture(&run->engine, slot, buffers->right);
    md_engine_set_label(&run->engine, slot, buffers->label);
    buffers->fb[slot] = dataset->samples[index].fb;
}

/* Gives the slot the teacher's features of the sample that was prepared last. */
static void infer_teacher(struct md_run *run, const struct sample_buffers *buffers, int slot) {
    struct md_teacher *teacher = &run->teacher;
    md_teacher_infer(teacher, buffers->picture, buffers->label);
    for (int l = 0; l < MD_MAX_LAYERS; l++)
        if (teacher->features[l] != NULL)
            md_engine_set_teacher(&run->engine, slot, l, teacher->features[l]);
}

static int batch_at(const struct md_run *run, const struct md_dataset *dataset, size_t done) {
    size_t left = dataset->count - done, batch = (size_t)run->config.batch;
    return (int)(left < batch ? left : batch);
}

/* Notes that a loss or a weight of the current epoch is NaN or infinite. */
static void note_divergence(struct md_position *at) {
    if (at->diverged_epoch == 0)
        at->diverged_epoch = at->epoch + 1;
}

/* The mean loss of so many pixels or pictures; NaN without any, which is no divergence. */
static double mean_loss(struct md_position *at, double sum, double valid) {
    if (valid > 0.0 && !isfinite(sum))
        note_divergence(at);
    return valid > 0.0 ? sum / valid : (double)NAN;
}

static int validate(struct md_run *run, struct sample_buffers *buffers, struct md_epoch *epoch,
                    struct md_error *error) {
    double sum = 0.0, valid = 0.0;
    struct md_metrics metrics;
    struct md_judging judging = md_run_judging(run);
    judging.caps.count = 1; /* the primary one */
    epoch->validation_loss = epoch->validation_rmse_m = NAN;
    if (run->val.count == 0)
        return MD_OK;
    for (size_t done = 0; done < run->val.count; done += (size_t)run->config.batch) {
        int here = batch_at(run, &run->val, done);
        struct md_loss_report report;
        for (int s = 0; s < here; s++)
            fill_slot(run, buffers, &run->val, (uint32_t)done + (uint32_t)s, -1, s);
        md_engine_forward(&run->engine, here);
        md_engine_loss(&run->engine, here, buffers->fb, &report);
        sum += (double)report.value * report.count;
        valid += report.count;
    }
    epoch->validation_loss = mean_loss(&run->position, sum, valid);
    MD_TRY(md_evaluate(&run->engine, &judging, &run->val, NULL, &metrics, error));
    epoch->validation_rmse_m = metrics.value[MD_RMSE];
    return MD_OK;
}

/* digest = XXH3-128(digest before, weights). */
static void chain_digest(char digest[33], const float *weights, size_t count) {
    XXH3_state_t *state = XXH3_createState();
    if (state == NULL)
        return;
    XXH3_128bits_reset(state);
    XXH3_128bits_update(state, digest, strlen(digest));
    XXH3_128bits_update(state, weights, count * sizeof *weights);
    md_digest_text(XXH3_128bits_digest(state), digest);
    XXH3_freeState(state);
}

static int all_finite(const float *weights, size_t count) {
    size_t i = 0;
    while (i < count && isfinite(weights[i]))
        i++;
    return i == count;
}

static int finish_epoch(struct md_run *run, struct sample_buffers *buffers,
                        struct md_error *error) {
    struct md_position *at = &run->position;
    struct md_epoch *epoch = &run->history[at->epoch];
    int steps = md_run_steps_an_epoch(run);
    size_t total = md_parameter_total(run->network);
    float *weights = malloc(total * sizeof *weights);
    MD_TRY(md_check_memory(weights != NULL, error));
    epoch->learning_rate = md_learning_rate(&run->config, steps, (int64_t)at->epoch * steps);
    epoch->train_loss = mean_loss(at, at->loss_sum, at->loss_valid);
    int status = validate(run, buffers, epoch, error);
    md_engine_get_weights(&run->engine, weights);
    if (!all_finite(weights, total))
        note_divergence(at);
    chain_digest(at->digest, weights, total);
    at->epoch++;
    at->step = 0;
    at->loss_sum = at->loss_valid = 0.0;
    if (run->config.select == MD_SELECT_BEST && epoch->validation_loss < at->best_loss) {
        at->best_loss = epoch->validation_loss;
        at->best_epoch = at->epoch;
        memcpy(run->best_weights, weights, total * sizeof *weights);
    }
    free(weights);
    return status;
}

/* By the history alone, so that a resumed run stops where it would have. */
static int stops_early(const struct md_run *run) {
    int best = 0; /* epochs done when the validation loss was lowest */
    double least = INFINITY;
    for (int e = 0; e < run->position.epoch; e++)
        if (run->history[e].validation_loss < least) {
            least = run->history[e].validation_loss;
            best = e + 1;
        }
    return run->config.early_stop > 0 && run->position.epoch - best >= run->config.early_stop;
}

int md_run_is_over(const struct md_run *run) {
    return run->position.epoch >= run->config.epochs || stops_early(run);
}

/* Steps done through all epochs. */
static size_t steps_done(const struct md_run *run) {
    const struct md_position *at = &run->position;
    return (size_t)at->epoch * (size_t)md_run_steps_an_epoch(run) + (size_t)at->step;
}

size_t md_run_step_rows(const struct md_run *run, struct md_step_row *rows) {
    const struct md_step_losses *losses = &run->step_losses;
    size_t steps = steps_done(run), count = 0;
    for (size_t done = 0; done < steps; done += losses->steps_a_row, count++) {
        size_t last = done + losses->steps_a_row < steps ? done + losses->steps_a_row : steps;
        const double *sums = losses->sums[count];
        rows[count] = (struct md_step_row){
            (int64_t)last, sums[1] > 0.0 ? sums[0] / sums[1] : (double)NAN, sums[2]};
    }
    return count;
}

/* One step of the current epoch. */
static void step(struct md_run *run, struct sample_buffers *buffers) {
    struct md_position *at = &run->position;
    size_t done = (size_t)at->step * (size_t)run->config.batch;
    int here = batch_at(run, &run->train, done);
    struct md_loss_report report;
    for (int s = 0; s < here; s++) {
        fill_slot(run, buffers, &run->train, buffers->order[done + (size_t)s], at->epoch, s);
        infer_teacher(run, buffers, s);
    }
    run->engine.update.learning_rate =
        (float)md_learning_rate(&run->config, md_run_steps_an_epoch(run), (int64_t)steps_done(run));
    md_engine_train(&run->engine, here, buffers->fb, &report);
    double loss = (double)report.value * report.count;
    double *sums = run->step_losses.sums[steps_done(run) / run->step_losses.steps_a_row];
    at->loss_sum += loss;
    at->loss_valid += report.count;
    sums[0] += loss;
    sums[1] += report.count;
    sums[2] = (double)run->engine.update.learning_rate;
    at->step++;
    run->last_step = (struct md_step_row){
        (int64_t)steps_done(run), report.count > 0 ? loss / report.count : (double)NAN, sums[2]};
}

static void count_time(struct md_position *at, const struct md_usage *began,
                       const struct md_usage *earlier) {
    struct md_usage spent = md_usage_since(began, earlier);
    at->seconds = spent.wall_seconds;
    at->cpu_seconds = spent.cpu_seconds;
}

int md_run_train(struct md_run *run, const struct md_watch *watch,
                 int (*checkpoint)(void *context, struct md_run *run, struct md_error *error),
                 void *checkpoint_context, int *interrupted, struct md_error *error) {
    struct md_position *at = &run->position;
    int steps = md_run_steps_an_epoch(run);
    struct sample_buffers buffers = {0};
    int status = allocate_buffers(run, &buffers, error);
    const struct md_usage began = md_usage_now(), earlier = {at->seconds, at->cpu_seconds, 0};
    *interrupted = 0;
    while (status == MD_OK && !md_run_is_over(run)) {
        md_epoch_order(run->config.seed, at->epoch, (uint32_t)run->train.count, buffers.order);
        while (at->step < steps && status == MD_OK && !*interrupted) {
            step(run, &buffers);
            count_time(at, &began, &earlier);
            *interrupted = md_watch_report(watch, "training", at->epoch + (double)at->step / steps,
                                           run->config.epochs);
            if (checkpoint != NULL && at->step < steps)
                status = checkpoint(checkpoint_context, run, error);
        }
        if (at->step < steps)
            break;
        MD_THEN(status, finish_epoch(run, &buffers, error));
        count_time(at, &began, &earlier);
        if (status == MD_OK && md_watch_report(watch, "training", at->epoch, run->config.epochs))
            *interrupted = 1;
        if (*interrupted)
            break;
    }
    free_buffers(&buffers);
    *interrupted = *interrupted && !md_run_is_over(run);
    return status;
}
