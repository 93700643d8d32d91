#include "pictures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../plots/plots.h"

enum { SHEET_ROWS = 6 };

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

int md_draw_samples(struct md_run *run, const float *initial, const char *path,
                    struct md_error *error) {
    struct md_sheet_row rows[SHEET_ROWS];
    size_t chosen[SHEET_ROWS], count = md_choose_samples(&run->test, SHEET_ROWS, chosen);
    int height, width, status = MD_OK;
    md_layer_size(run->network, run->network->output, &height, &width);
    size_t pixels = (size_t)height * (size_t)width;
    float *depth = malloc((2 * count * pixels + 1) * sizeof *depth);
    MD_TRY(md_check_memory(depth != NULL, error));
    const float *weights[2] = {initial, run->best_weights};
    const struct md_judging judging = md_run_judging(run);
    for (size_t w = 0; w < 2; w++) {
        md_engine_set_weights(&run->engine, weights[w]);
        for (size_t r = 0; r < count && status == MD_OK; r++)
            status = md_predict(&run->engine, &judging, &run->test, chosen[r], 1,
                                depth + (w * count + r) * pixels, error);
    }
    for (size_t r = 0; r < count; r++) {
        const struct md_sample *s = &run->test.samples[chosen[r]];
        rows[r] = (struct md_sheet_row){s->name,
                                        s->picture,
                                        {{s->depth_m, s->depth_height, s->depth_width},
                                         {depth + r * pixels, height, width},
                                         {depth + (count + r) * pixels, height, width}}};
    }
    const struct md_sheet sheet = {
        .title = "Test samples before and after fine-tuning",
        .map_titles = {"sensor label", "before fine-tuning", "after fine-tuning"},
        .map_count = 3,
        .rows = rows,
        .count = count,
        .height = run->network->height,
        .width = run->network->width,
        .max_depth_m = run->test.range_m};
    MD_THEN(status, md_plot_contact_sheet(path, &sheet, error));
    free(depth);
    return status;
}

int md_draw_losses(const struct md_run *run, const char *path, struct md_error *error) {
    struct md_step_row *steps = malloc((run->step_losses.rows + 1) * sizeof *steps);
    MD_TRY(md_check_memory(steps != NULL, error));
    char title[320], loss[MD_CONFIG_VALUE_SIZE];
    md_config_value(&run->config, md_config_find("loss"), loss);
    snprintf(title, sizeof title, "%.200s, policy %s, %s %g", loss, run->config.policy,
             md_optimizer_names[run->config.optimizer], run->config.learning_rate);
    const struct md_loss_curve curve = {.title = title,
                                        .epochs = (size_t)run->position.epoch,
                                        .history = run->history,
                                        .rmse_before_m = run->val_before[0].value[MD_RMSE],
                                        .rmse_dummy_m = run->val_dummy[0].value[MD_RMSE],
                                        .step_rows = md_run_step_rows(run, steps),
                                        .steps_a_row = run->step_losses.steps_a_row,
                                        .steps = steps,
                                        .steps_an_epoch = md_run_steps_an_epoch(run)};
    int status = md_plot_loss_curve(path, &curve, error);
    free(steps);
    return status;
}

int md_draw_groups(const struct md_groups *groups, size_t run_count, const char *path,
                   struct md_error *error) {
    struct md_quantity rmse, dummy;
    struct md_dot_row *bars = malloc((groups->count + 1) * sizeof *bars);
    double *values = malloc((run_count + 1) * sizeof *values), *next = values;
    int status = md_check_memory(bars != NULL && values != NULL, error);
    MD_THEN(status, md_quantity_parse("rmse_m", &rmse, error));
    MD_THEN(status, md_quantity_parse("dummy.rmse_m", &dummy, error));
    for (size_t g = 0; g < groups->count && status == MD_OK; g++) {
        const struct md_group *group = &groups->groups[g];
        bars[g] = (struct md_dot_row){.label = group->label,
                                      .values = next,
                                      .count = group->count,
                                      .mean = md_group_measure(group, &rmse).mean,
                                      .dummy = md_group_measure(group, &dummy).mean};
        for (size_t i = 0; i < group->count; i++)
            *next++ = md_quantity_of(&rmse, &group->runs[i]->cell);
    }
    MD_THEN(status, md_plot_groups(path, "RMSE on the test split after fine-tuning", bars,
                                   groups->count, error));
    free(values);
    free(bars);
    return status;
}
