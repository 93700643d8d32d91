#include "teacher.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../base/digest.h"
#include "../core/target/host.h"
#include "batch.h"
#include "initial_weights.h"

/* ---- what it sees ---------------------------------------------------------------------------- */

/* A pixel's features, `apart` from one channel to the next. */
static void encode(const float *features, int channels, size_t apart, int8_t *bytes) {
    float largest = 0.0f;
    for (int c = 0; c < channels; c++)
        largest = fmaxf(largest, fabsf(features[(size_t)c * apart]));
    for (int c = 0; c < channels; c++) {
        float share = rintf(127.0f * (features[(size_t)c * apart] / largest));
        bytes[(size_t)c * apart] = fabsf(share) <= 127.0f ? (int8_t)share : 0; /* 0 also of 0 / 0 */
    }
}

/* (Its plan does not stream: tensors are whole.) */
static void observe(void *context, enum md_observed what, int layer, int slot,
                    const struct md_map *values, int from, int to) {
    struct md_teacher *teacher = context;
    size_t pixels = md_map_plane(values);
    (void)what, (void)slot, (void)from, (void)to;
    if (teacher->stage[layer] == MD_PICTURE)
        return;
    int8_t *features = teacher->features[teacher->stage[layer]];
    for (size_t p = 0; p < pixels; p++)
        encode((const float *)values->at + p, values->channels, pixels, features + p);
}

/* The rows (or columns) of `there` that row `at` of `count` covers. */
static struct md_rows span_under(int at, int count, int there) {
    return (struct md_rows){at * there / count, ((at + 1) * there + count - 1) / count};
}

static int has_label(const float *label, int width, struct md_rows rows, struct md_rows columns) {
    for (int h = rows.from; h < rows.to; h++)
        for (int w = columns.from; w < columns.to; w++)
            if (label[h * width + w] != MD_INVALID)
                return 1;
    return 0;
}

/* Sets features to 0 where the label has no value. */
static void mask(struct md_teacher *teacher, int layer, const float *label) {
    const struct md_network *student = teacher->student;
    int height, width, label_height, label_width;
    md_layer_size(student, layer, &height, &width);
    md_layer_size(student, student->layer_count - 1, &label_height, &label_width);
    for (int p = 0; p < height * width; p++) {
        int8_t *at = teacher->features[layer] + p;
        if (has_label(label, label_width, span_under(p / width, height, label_height),
                      span_under(p % width, width, label_width)))
            continue;
        for (int c = 0; c < teacher->engine.setup.objective.teacher_channels;
             c++, at += height * width)
            *at = 0;
    }
}

void md_teacher_infer(struct md_teacher *teacher, const uint8_t *picture, const float *label) {
    if (teacher->arena == NULL)
        return;
    teacher->engine.observe_context = teacher; /* which may have moved */
    md_engine_set_picture(&teacher->engine, 0, picture);
    md_engine_forward(&teacher->engine, 1);
    for (int l = 0; l < teacher->student->layer_count; l++)
        if (teacher->features[l] != NULL)
            mask(teacher, l, label);
}

/* ---- opening and closing --------------------------------------------------------------------- */

/* Maps the teacher's stages to the student's, the first one to the first and so on, and allocates
 * the features of those that the plan asks for. */
static int map_stages(const struct md_setup *setup, const struct md_plan *student,
                      struct md_teacher *teacher, struct md_error *error) {
    int own = -1;
    for (int l = 0; l < MD_MAX_LAYERS; l++)
        teacher->stage[l] = MD_PICTURE;
    for (int l = 0; l < teacher->student->layer_count; l++) {
        if (!md_is_stage(teacher->student, l))
            continue;
        do
            own++;
        while (own < setup->network->layer_count && !md_is_stage(setup->network, own));
        if (student->teacher[l] == MD_NO_BUFFER)
            continue;
        size_t bytes =
            own < setup->network->layer_count ? md_layer_elements(setup->network, own) : 0;
        if (bytes != md_layer_values(teacher->student, l, setup->objective.teacher_channels))
            return md_fail(
                error, MD_USAGE, "teacher_network: %s has no stage of the size of %s's %s",
                setup->network->name, teacher->student->name, teacher->student->layers[l].name);
        teacher->stage[own] = l;
        teacher->bytes[l] = bytes;
        teacher->features[l] = malloc(teacher->bytes[l]);
        MD_TRY(md_check_memory(teacher->features[l] != NULL, error));
    }
    return MD_OK;
}

int md_teacher_open(const struct md_config *config, const struct md_plan *student,
                    struct md_team *team, struct md_teacher *teacher, struct md_error *error) {
    const struct md_objective objective = md_config_objective(config);
    const struct md_setup setup = {.network = md_networks[config->teacher_network],
                                   .ops = md_ops_find(MD_FP32, NULL),
                                   .batch = 1,
                                   .cores = team == NULL ? 1 : team->cores,
                                   .objective = objective,
                                   .savings = MD_SHARE};
    memset(teacher, 0, sizeof *teacher);
    if (!(objective.distill > 0))
        return MD_OK;
    teacher->student = md_config_network(config);
    MD_TRY(map_stages(&setup, student, teacher, error));
    struct md_plan plan;
    md_plan_make(&setup, &plan);
    teacher->arena = md_host_arena(plan.arena_bytes);
    float *weights = malloc(md_parameter_total(setup.network) * sizeof *weights);
    int status = md_check_memory(teacher->arena != NULL && weights != NULL, error);
    if (status == MD_OK) {
        md_engine_start(&teacher->engine, &setup, team, teacher->arena, plan.arena_bytes);
        teacher->engine.observe = observe;
        md_initial_weights(setup.network, config->seed, weights);
        md_teacher_set_weights(teacher, weights);
    }
    free(weights);
    return status;
}

void md_teacher_close(struct md_teacher *teacher) {
    for (int l = 0; l < MD_MAX_LAYERS; l++)
        free(teacher->features[l]);
    free(teacher->arena);
    memset(teacher, 0, sizeof *teacher);
}

void md_teacher_set_weights(struct md_teacher *teacher, const float *weights) {
    size_t total = md_parameter_total(teacher->engine.setup.network);
    md_engine_set_weights(&teacher->engine, weights);
    md_digest_text(XXH3_128bits(weights, total * sizeof *weights), teacher->digest);
}
