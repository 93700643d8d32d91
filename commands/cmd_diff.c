/* mudepth diff: two finished cells side by side: what made them, and what came of it. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../base/namelist.h"
#include "../experiments/config.h"
#include "../results/append.h"
#include "../results/cell_diff.h"
#include "command.h"
#include "listing.h"

static const char *const splits[] = {"train", "val", "test"};

/* ---- what made them -------------------------------------------------------------------------- */

/* A field of both cells, in words. */
struct pair {
    const char *name;
    char a[MD_CONFIG_VALUE_SIZE], b[MD_CONFIG_VALUE_SIZE];
};

/* The key of the config with this number; 0 when there is none. */
static int key_pair(const struct md_cell_diff *diff, int key, char name[MD_CONFIG_NAME_SIZE],
                    struct pair *pair) {
    if (md_config_key(key, name) != 0)
        return 0;
    pair->name = name;
    md_config_value(&diff->cell[0].config, key, pair->a);
    md_config_value(&diff->cell[1].config, key, pair->b);
    return 1;
}

static void attribute_text(const struct md_cell *cell, const struct md_cell_attribute *about,
                           char text[MD_CONFIG_VALUE_SIZE]) {
    const struct md_cell_value value = md_cell_value(cell, about);
    text[0] = '\0';
    if (about->type == MD_H5_TEXT)
        snprintf(text, MD_CONFIG_VALUE_SIZE, "%s", value.text);
    else if (about->type == MD_H5_INTEGER)
        snprintf(text, MD_CONFIG_VALUE_SIZE, "%lld", value.whole);
    else if (!isnan(value.real))
        snprintf(text, MD_CONFIG_VALUE_SIZE, "%.9g", value.real);
}

/* The number-th of what is known of how the cells came about: attributes by their names in the
 * files, "provenance/host". */
static int attribute_pair(const struct md_cell_diff *diff, size_t number, char name[100],
                          struct pair *pair) {
    if (number >= md_cell_attribute_count)
        return 0;
    const struct md_cell_attribute *about = &md_cell_attributes[number];
    snprintf(name, 100, "%s%s%s", about->object + 1, about->object[1] != '\0' ? "/" : "",
             about->name);
    pair->name = name;
    attribute_text(&diff->cell[0], about, pair->a);
    attribute_text(&diff->cell[1], about, pair->b);
    return 1;
}

/* ---- the verdict ----------------------------------------------------------------------------- */

static const char *between(const char *text) {
    return text[0] != '\0' ? ", " : "";
}

/* What of that which decides a run's results is different. */
static void name_causes(const struct md_cell_diff *diff, char *text, size_t size) {
    const struct md_cell *a = &diff->cell[0], *b = &diff->cell[1];
    char name[MD_CONFIG_NAME_SIZE];
    text[0] = '\0';
    for (int key = 0; md_config_key(key, name) == 0; key++)
        if (md_config_affects_results(key) && !md_config_by_digest(key) &&
            md_config_order(&a->config, &b->config, key) != 0)
            md_append(text, size, "%s%s", between(text), name);
    for (int s = 0; s < 3; s++)
        if (strcmp(a->data_digests[s], b->data_digests[s]) != 0)
            md_append(text, size, "%sthe data (%s)", between(text), splits[s]);
    if (strcmp(a->initial_weights_digest, b->initial_weights_digest) != 0)
        md_append(text, size, "%sthe weights they started from", between(text));
    if (a->numerics_version != b->numerics_version)
        md_append(text, size, "%sthe numerics", between(text));
    if (text[0] == '\0')
        snprintf(text, size, "their identities only");
}

static void print_verdict(const struct md_cell_diff *diff) {
    char causes[2000];
    name_causes(diff, causes, sizeof causes);
    if (diff->same_run)
        printf("same run, ");
    else
        printf("different runs, in: %s\n", causes);
    if (diff->same_results)
        printf("same results to the bit\n");
    else
        printf("different results; first %s\n", diff->first);
}

/* ---- as text --------------------------------------------------------------------------------- */

static void add(struct md_listing *l, const char *title, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void add(struct md_listing *l, const char *title, const char *format, ...) {
    char text[MD_CONFIG_VALUE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    md_listing_word(l, title, text);
}

static void add_number(struct md_listing *l, const char *title, double value) {
    if (isfinite(value))
        add(l, title, "%.6g", value);
    else
        add(l, title, "-");
}

static void add_pair(struct md_listing *l, const char *title, const struct pair *pair) {
    md_listing_word(l, title, pair->name);
    md_listing_word(l, "a", pair->a);
    md_listing_word(l, "b", pair->b);
    md_listing_end_row(l);
}

/* Prints the rows under their titles, unless there are none, and forgets them. */
static void print_rows(struct md_listing *l) {
    if (l->status == MD_OK && l->row_count > 0) {
        putchar('\n');
        l->status = md_listing_print(l, MD_TEXT);
    }
    md_listing_free(l);
}

static void print_causes(const struct md_cell_diff *diff, struct md_listing *l) {
    const struct md_cell *a = &diff->cell[0], *b = &diff->cell[1];
    struct pair pair;
    char key_name[MD_CONFIG_NAME_SIZE], name[100];
    for (int key = 0; key_pair(diff, key, key_name, &pair); key++)
        if (md_config_order(&a->config, &b->config, key) != 0)
            add_pair(l, "config", &pair);
    print_rows(l);
    for (int s = 0; s < 3; s++)
        if (strcmp(a->data_digests[s], b->data_digests[s]) != 0) {
            md_listing_word(l, "data", splits[s]);
            add(l, "a", "%s, %lld samples", a->data_digests[s], a->data_samples[s]);
            add(l, "b", "%s, %lld samples", b->data_digests[s], b->data_samples[s]);
            md_listing_end_row(l);
        }
    print_rows(l);
    for (size_t i = 0; attribute_pair(diff, i, name, &pair); i++)
        if (strcmp(pair.a, pair.b) != 0)
            add_pair(l, "attribute", &pair);
    print_rows(l);
}

/* A metric that both cells have. `number` counts the metrics of all predictors at all caps of the
 * first cell. */
struct metric_pair {
    int number, metric;
    enum md_predictor predictor;
    double cap_m, a, b;
};

/* The next one from position->number on; 0: there is none. */
static int next_metric(const struct md_cell_diff *diff, struct metric_pair *position) {
    while (position->number < diff->cell[0].cap_count * MD_PREDICTOR_COUNT * MD_METRIC_COUNT) {
        int n = position->number++;
        position->metric = n % MD_METRIC_COUNT;
        position->predictor = (enum md_predictor)(n / MD_METRIC_COUNT % MD_PREDICTOR_COUNT);
        const struct md_cell_scores *scores =
            &diff->cell[0].scores[n / (MD_METRIC_COUNT * MD_PREDICTOR_COUNT)];
        const struct md_cell_scores *others = md_find_scores(&diff->cell[1], scores->cap_m);
        if (others == NULL || !md_diff_has_metric(diff, position->metric))
            continue;
        position->cap_m = scores->cap_m;
        position->a = scores->of[position->predictor].value[position->metric];
        position->b = others->of[position->predictor].value[position->metric];
        return 1;
    }
    return 0;
}

static void print_metrics(const struct md_cell_diff *diff, struct md_listing *l) {
    for (struct metric_pair at = {0}; next_metric(diff, &at);) {
        if (md_same_real(at.a, at.b))
            continue;
        add(l, "on the test split", "%s.%s@%g", md_predictor_names[at.predictor],
            md_metric_names[at.metric], at.cap_m);
        add_number(l, "a", at.a);
        add_number(l, "b", at.b);
        add_number(l, "b - a", at.b - at.a);
        md_listing_end_row(l);
    }
    print_rows(l);
}

static void print_curves(const struct md_cell_diff *diff, struct md_listing *l) {
    for (int c = 0; c < MD_EPOCH_COLUMNS; c++) {
        const struct md_curve_gap *curve = &diff->curves[c];
        if (curve->first == 0)
            continue;
        md_listing_word(l, "over the epochs", md_epoch_column(c));
        add(l, "first difference", "epoch %zu", curve->first);
        add_number(l, "largest", curve->largest_at > 0 ? curve->largest : (double)NAN);
        add(l, "in", curve->largest_at > 0 ? "epoch %zu" : "-", curve->largest_at);
        md_listing_end_row(l);
    }
    print_rows(l);
}

static void print_tensors(const struct md_cell_diff *diff, struct md_listing *l) {
    for (int t = 0; t < diff->tensor_count; t++) {
        const struct md_tensor_gap *gap = &diff->tensors[t];
        if (gap->differing == 0)
            continue;
        md_listing_word(l, "weights", gap->parameter.name);
        add(l, "values", "%zu", gap->parameter.count);
        add(l, "differing", "%zu", gap->differing);
        add(l, "share", "%.1f %%", 100.0 * (double)gap->differing / (double)gap->parameter.count);
        add_number(l, "largest", gap->largest);
        add_number(l, "RMS of b - a", gap->rms);
        md_listing_end_row(l);
    }
    print_rows(l);
}

static int print_text(const struct md_cell_diff *diff, struct md_error *error) {
    struct md_listing l = {.error = error};
    print_verdict(diff);
    print_causes(diff, &l);
    print_metrics(diff, &l);
    print_curves(diff, &l);
    print_tensors(diff, &l);
    return l.status;
}

/* ---- as JSON --------------------------------------------------------------------------------- */

static json_t *attribute_json(const struct md_cell *cell, const struct md_cell_attribute *about) {
    const struct md_cell_value value = md_cell_value(cell, about);
    return about->type == MD_H5_TEXT      ? json_string(value.text)
           : about->type == MD_H5_INTEGER ? json_integer(value.whole)
                                          : md_json_number(value.real);
}

/* All metrics at all caps of both, the same or not. */
static json_t *metrics_json(const struct md_cell_diff *diff) {
    json_t *all = json_array();
    for (struct metric_pair at = {0}; next_metric(diff, &at);)
        json_array_append_new(all, json_pack("{s:s, s:f, s:s, s:o, s:o, s:o, s:b}", "predictor",
                                             md_predictor_names[at.predictor], "cap_m", at.cap_m,
                                             "metric", md_metric_names[at.metric], "a",
                                             md_json_number(at.a), "b", md_json_number(at.b),
                                             "difference", md_json_number(at.b - at.a), "same",
                                             md_same_real(at.a, at.b)));
    return all;
}

static json_t *curves_json(const struct md_cell_diff *diff) {
    json_t *curves = json_object();
    for (int c = 0; c < MD_EPOCH_COLUMNS; c++) {
        const struct md_curve_gap *curve = &diff->curves[c];
        int has_largest = curve->largest_at > 0;
        json_object_set_new(
            curves, md_epoch_column(c),
            json_pack("{s:o, s:o, s:o}", "first_epoch",
                      curve->first > 0 ? json_integer((json_int_t)curve->first) : json_null(),
                      "largest_difference", has_largest ? json_real(curve->largest) : json_null(),
                      "largest_in_epoch",
                      has_largest ? json_integer((json_int_t)curve->largest_at) : json_null()));
    }
    return curves;
}

static json_t *tensors_json(const struct md_cell_diff *diff) {
    json_t *tensors = json_object();
    for (int t = 0; t < diff->tensor_count; t++) {
        const struct md_tensor_gap *gap = &diff->tensors[t];
        json_object_set_new(
            tensors, gap->parameter.name,
            json_pack("{s:I, s:I, s:o, s:o}", "values", (json_int_t)gap->parameter.count,
                      "differing", (json_int_t)gap->differing, "largest_difference",
                      md_json_number(gap->largest), "rms_difference", md_json_number(gap->rms)));
    }
    return tensors;
}

/* NULL when a text is not UTF-8. */
static json_t *to_json(const struct md_cell_diff *diff) {
    const struct md_cell *a = &diff->cell[0], *b = &diff->cell[1];
    json_t *config = json_object(), *data = json_object(), *attributes = json_object();
    char key_name[MD_CONFIG_NAME_SIZE], name[100];
    struct pair pair;
    for (int key = 0; key_pair(diff, key, key_name, &pair); key++)
        if (md_config_order(&a->config, &b->config, key) != 0)
            json_object_set_new(config, pair.name,
                                json_pack("{s:o, s:o}", "a", md_json_setting(&a->config, key), "b",
                                          md_json_setting(&b->config, key)));
    for (int s = 0; s < 3; s++)
        json_object_set_new(
            data, splits[s],
            json_pack("{s:s, s:s}", "a", a->data_digests[s], "b", b->data_digests[s]));
    int is_utf8 = 1;
    for (size_t i = 0; attribute_pair(diff, i, name, &pair); i++) {
        is_utf8 &= md_is_utf8(pair.a) && md_is_utf8(pair.b);
        if (strcmp(pair.a, pair.b) != 0)
            json_object_set_new(attributes, pair.name,
                                json_pack("{s:o, s:o}", "a",
                                          attribute_json(a, &md_cell_attributes[i]), "b",
                                          attribute_json(b, &md_cell_attributes[i])));
    }
    json_t *json = json_pack(
        "{s:s, s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "a", diff->path[0], "b",
        diff->path[1], "same_run", diff->same_run, "same_results", diff->same_results,
        "first_difference", diff->same_results ? json_null() : json_string(diff->first), "config",
        config, "data_digests", data, "attributes", attributes, "metrics", metrics_json(diff),
        "epochs", curves_json(diff), "weights", tensors_json(diff));
    if (is_utf8)
        return json;
    json_decref(json);
    return NULL;
}

static int compare(const char *a, const char *b, int json, struct md_cell_diff *diff,
                   struct md_error *error) {
    int status = md_cell_diff_open(a, b, diff, error);
    MD_THEN(status, json ? md_print_json(to_json(diff), error) : print_text(diff, error));
    if (status == MD_OK && diff->same_run && !diff->same_results) {
        error->text[0] = '\0'; /* the difference has been reported */
        status = MD_FAILED;
    }
    return status;
}

struct options {
    int json;
};

static int run(const struct md_invocation *call, struct md_error *error) {
    const struct options *o = call->options;
    struct md_cell_diff *diff = calloc(1, sizeof *diff);
    MD_TRY(md_check_memory(diff != NULL, error));
    int status = compare(call->words[0], call->words[1], o->json, diff, error);
    md_cell_diff_close(diff);
    free(diff);
    return status;
}

static const struct md_option options[] = {
    MD_OPT("json", 0, FLAG, json, NULL, "print the result as JSON, with what is the same too"),
    {0}};

const struct md_command md_command_diff = {
    .name = "diff",
    .summary = "compare two finished runs: what made them, and what came of it",
    .words = {{"A.h5", MD_WORD_PATH, MD_ONE, NULL}, {"B.h5", MD_WORD_PATH, MD_ONE, NULL}},
    MD_OPTIONS(options),
    .notes =
        "Says whether the cells are the same run (the same config where it decides, data, initial "
        "weights and numerics), and whether their results are the same to the bit, or where they "
        "differ first; then all that differs: keys of the config, data, attributes "
        "(results/cell.h), metrics at each depth cap, what the epochs gave, and weights.\n"
        "exit code: 1 when the same run has different results; of different runs the difference "
        "is what is asked for, and it is 0.",
    .examples = "  mudepth diff results/runs/a.h5 results/runs/b.h5\n"
                "  mudepth diff here/demo.h5 there/demo.h5 --json",
    .run = run};
