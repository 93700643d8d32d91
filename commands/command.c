#include "command.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../experiments/initial_weights.h"
#include "../experiments/train.h"

/* Of a known network. */
static int read_weights(const char *path, const struct md_network *network, float **weights,
                        struct md_weights_info *info, struct md_error *error) {
    *weights = malloc(md_parameter_total(network) * sizeof **weights);
    int status = md_check_memory(*weights != NULL, error);
    MD_THEN(status, md_weights_read(path, network, *weights, info, error));
    if (status == MD_OK)
        return MD_OK;
    free(*weights);
    *weights = NULL;
    return status;
}

int md_read_any_weights(const char *path, const struct md_network **network, float **weights,
                        struct md_weights_info *info, struct md_error *error) {
    *weights = NULL;
    MD_TRY(md_weights_network(path, network, error));
    return read_weights(path, *network, weights, info, error);
}

int md_load_weights(const struct md_config *config, float **weights, struct md_error *error) {
    const struct md_network *network = md_networks[config->network];
    if (strcmp(config->weights, "scratch") != 0)
        return read_weights(config->weights, network, weights, NULL, error);
    *weights = malloc(md_parameter_total(network) * sizeof **weights);
    MD_TRY(md_check_memory(*weights != NULL, error));
    md_initial_weights(network, config->seed, *weights);
    return MD_OK;
}

int md_read_teacher(const struct md_config *config, float **weights, struct md_error *error) {
    *weights = NULL;
    if (!(md_config_objective(config).distill > 0))
        return MD_OK;
    int status =
        read_weights(config->teacher, md_networks[config->teacher_network], weights, NULL, error);
    return status == MD_OK ? MD_OK : md_fail_in(error, status, "teacher");
}

void md_note_all(const struct md_names *notes) {
    for (size_t i = 0; i < notes->count; i++)
        md_note("%s", notes->names[i]);
}

void md_note(const char *format, ...) {
    va_list arguments;
    if (md_verbosity < 0)
        return;
    va_start(arguments, format);
    fprintf(stderr, "note: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
}

int md_output_path(char *path, size_t size, const char *given, const char *config, const char *hash,
                   const char *ending, struct md_error *error) {
    const char *slash = strrchr(config, '/'), *stem = slash != NULL ? slash + 1 : config;
    const char *dot = strrchr(stem, '.');
    int length = dot != NULL ? (int)(dot - stem) : (int)strlen(stem);
    int written = given != NULL ? snprintf(path, size, "%s", given)
                                : snprintf(path, size, MD_RUNS_FOLDER "/%.*s-%.8s%s", length, stem,
                                           hash, ending);
    return written < (int)size ? MD_OK
                               : md_fail(error, MD_USAGE, "%.200s...: the path is too long", path);
}

/* ---- progress -------------------------------------------------------------------------------- */

static int report_progress(void *context, const char *what, double done, double all) {
    struct md_progress_line *line = context;
    double now = md_seconds_now();
    struct md_run_progress progress = md_progress_of(&line->timing, what, done, all, now);
    md_view_show(&line->view, &progress, now);
    return md_stop_requested != 0;
}

struct md_watch md_progress_watch(struct md_progress_line *line) {
    *line = (struct md_progress_line){.view = md_view_open(md_verbosity, md_seconds_now())};
    return (struct md_watch){report_progress, line};
}

void md_progress_clear(struct md_progress_line *line) {
    md_view_close(&line->view);
}

int md_open_data(const struct md_data_spec *spec, int height, int width, struct md_dataset *dataset,
                 struct md_error *error) {
    struct md_progress_line line;
    struct md_watch watch = md_progress_watch(&line);
    int status = md_dataset_open(spec, height, width, &watch, dataset, error);
    md_progress_clear(&line);
    return status;
}

int md_open_spec(const char *text, const struct md_network *network, struct md_dataset *dataset,
                 struct md_error *error) {
    struct md_data_spec spec;
    MD_TRY(md_data_spec_parse(text, &spec, error));
    return md_open_data(&spec, network->height, network->width, dataset, error);
}

void md_report_depth_kinds(const char *split, const struct md_dataset *data) {
    if (data->depth_kinds[0] != '\0')
        printf("mixed: the depths of %s are of several kinds: %s\n", split, data->depth_kinds);
}

/* ---- reports --------------------------------------------------------------------------------- */

/* When a metric is shown, and in this order. */
enum showing { FIRST, ALWAYS, IN_DETAIL, ABOVE_0, SHOWINGS };
#define COLUMN(ID, NAME, TITLE, SHOWN, HELP) {TITLE, SHOWN},
static const struct column {
    const char *title;
    enum showing shown;
} columns[MD_METRIC_COUNT] = {MD_METRICS(COLUMN)};

static int is_shown(int metric, const struct md_report_row *rows, size_t count, int all) {
    enum showing shown = columns[metric].shown;
    int is_above_0 = 0;
    for (size_t r = 0; r < count; r++)
        is_above_0 |= rows[r].metrics->value[metric] > 0.0;
    return shown <= ALWAYS || (shown == IN_DETAIL && all) || (shown == ABOVE_0 && is_above_0);
}

/* The metrics that are shown, in their order; returns how many. */
static int choose_columns(const struct md_report_row *rows, size_t count, int all,
                          int chosen[MD_METRIC_COUNT]) {
    int shown = 0;
    for (int s = 0; s < SHOWINGS; s++)
        for (int m = 0; m < MD_METRIC_COUNT; m++)
            if ((int)columns[m].shown == s && is_shown(m, rows, count, all))
                chosen[shown++] = m;
    return shown;
}

void md_report_table(const struct md_report_row *rows, size_t count, int all) {
    enum { NARROWEST = 8 };
    int chosen[MD_METRIC_COUNT], shown = choose_columns(rows, count, all, chosen), width = 0;
    for (size_t r = 0; r < count; r++)
        width = (int)strlen(rows[r].name) > width ? (int)strlen(rows[r].name) : width;
    printf("%*s", width, "");
    for (int c = 0; c < shown; c++)
        printf("  %*s", NARROWEST, columns[chosen[c]].title);
    printf("  %*s\n", NARROWEST, "images");
    for (size_t r = 0; r < count; r++) {
        printf("%-*s", width, rows[r].name);
        for (int c = 0; c < shown; c++) {
            int title = (int)strlen(columns[chosen[c]].title);
            printf("  %*.3f", title > NARROWEST ? title : NARROWEST,
                   rows[r].metrics->value[chosen[c]]);
        }
        printf("  %*zu\n", NARROWEST, rows[r].metrics->images);
    }
}

void md_report_passes(const struct md_network *network, const struct md_judging *judging) {
    int passes = md_forward_passes(judging);
    if (passes > 1)
        printf("each prediction: %d forward passes, %.1f MMAC\n", passes,
               md_prediction_mmac(network, judging));
    if (judging->mean_share > 0.0)
        printf("each prediction: %g of the depth is the dummy predictor's\n", judging->mean_share);
}

json_t *md_json_number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *md_report_json(const struct md_metrics *metrics) {
    json_t *object = json_object();
    for (int m = 0; m < MD_METRIC_COUNT; m++)
        json_object_set_new(object, md_metric_names[m], md_json_number(metrics->value[m]));
    json_object_set_new(object, "images", json_integer((json_int_t)metrics->images));
    json_object_set_new(object, "without_truth", json_integer((json_int_t)metrics->without_truth));
    return object;
}

int md_print_json(json_t *object, struct md_error *error) {
    if (object == NULL)
        return md_fail(error, MD_FAILED, "no JSON can be made of it: a text is not UTF-8");
    int failed = json_dumpf(object, stdout, JSON_INDENT(2)) != 0 || putchar('\n') == EOF;
    json_decref(object);
    return failed ? md_fail(error, MD_FAILED, "cannot write JSON: %s", strerror(errno)) : MD_OK;
}
