#include "cell.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/digest.h"
#include "../experiments/version.h"
#include "cell_parts.h"
#include "weights.h"

/* Names are filled up with zeros, and there are no gaps between the fields. */
void md_network_digest(const struct md_network *network, char digest[33]) {
    md_digest_text(XXH3_128bits(network, sizeof *network), digest);
}

enum { RANGES_SIZE = 60 };

/* The ranges that labels depend on and the config does not say: those of caches. Else "". */
static void describe_ranges(const struct md_run *run, char text[RANGES_SIZE]) {
    const double said = run->config.data.max_depth_m, train = run->train.range_m,
                 val = run->val.count > 0 ? run->val.range_m : said;
    text[0] = '\0';
    if (run->config.label_mode == MD_LABEL_RELEASE && (train != said || val != said))
        snprintf(text, RANGES_SIZE, " %.9g %.9g", train, val);
}

void md_cell_identity(const struct md_run *run, const char *weights_digest, char identity[33]) {
    enum { MORE = 320 };
    char text[MD_CELL_CONFIG_SIZE + MORE], ranges[RANGES_SIZE];
    size_t n = md_config_format(&run->config, 0, text, MD_CELL_CONFIG_SIZE);
    n = n < MD_CELL_CONFIG_SIZE ? n : MD_CELL_CONFIG_SIZE - 1;
    char network[33];
    md_network_digest(run->engine.setup.network, network);
    describe_ranges(run, ranges);
    int more = snprintf(text + n, MORE, "%s %s %s %s %s %d%s%s", network, run->train.digest,
                        run->val.digest, run->test.digest, weights_digest, MD_NUMERICS_VERSION,
                        run->teacher.digest, ranges);
    md_digest_text(XXH3_128bits(text, n + (size_t)more), identity);
}

/* ---- attributes ------------------------------------------------------------------------------ */

const struct md_cell_attribute md_cell_attributes[] = {
#define TEXT    MD_H5_TEXT
#define INTEGER MD_H5_INTEGER
#define REAL    MD_H5_REAL
#define OPTIONAL(object, name, type, field, is_optional)                                           \
    {                                                                                              \
        object, name, type, offsetof(struct md_cell, field), sizeof((struct md_cell *)0)->field,   \
            is_optional                                                                            \
    }
#define AT(object, name, type, field) OPTIONAL(object, name, type, field, 0)
#define P(type, field)                AT("/provenance", #field, type, field)
#define T(type, field)                AT("/training", #field, type, field)
    AT("/", "run_digest", TEXT, run_digest),
    AT("/config", "command", TEXT, command),
    AT("/config", "network_digest", TEXT, network_digest),
    P(TEXT, code_version),
    P(TEXT, git_commit),
    P(INTEGER, git_dirty),
    P(TEXT, compiler),
    P(TEXT, compiler_flags),
    P(TEXT, compiler_target),
    P(TEXT, cpu_level),
    P(TEXT, cpu_model),
    P(TEXT, host),
    P(TEXT, kernel),
    P(INTEGER, threads),
    P(INTEGER, numerics_version),
    P(TEXT, initial_weights_digest),
    OPTIONAL("/provenance", "teacher_digest", TEXT, teacher_digest, 1),
    P(TEXT, started),
    P(TEXT, finished),
    P(REAL, wall_seconds),
    P(REAL, cpu_seconds),
    P(INTEGER, peak_memory_bytes),
    T(INTEGER, arena_bytes),
    T(INTEGER, parameters_learning),
    T(INTEGER, optimizer_bytes_per_parameter),
    T(INTEGER, steps),
    T(INTEGER, skipped_steps),
    T(INTEGER, selected_epoch),
    T(INTEGER, diverged),
    T(INTEGER, diverged_epoch),
    AT("/training", "wall_seconds", REAL, seconds),
    AT("/training", "cpu_seconds", REAL, training_cpu_seconds),
    T(REAL, label_share),
    OPTIONAL("/training", "augment_gain", REAL, augment_gain, 1),
    OPTIONAL("/training", "augment_noise", REAL, augment_noise, 1),
};
enum { ATTRIBUTES = sizeof md_cell_attributes / sizeof md_cell_attributes[0] };
const size_t md_cell_attribute_count = ATTRIBUTES;

struct md_cell_value md_cell_value(const struct md_cell *cell,
                                   const struct md_cell_attribute *attribute) {
    struct md_cell_value value = {.text = (const char *)cell + attribute->offset};
    if (attribute->type == INTEGER)
        memcpy(&value.whole, value.text, sizeof value.whole);
    if (attribute->type == REAL)
        memcpy(&value.real, value.text, sizeof value.real);
    return value;
}

/* Whether an attribute is in the file. One that is not read is empty. */
static int is_present(const struct md_archive *ar, const struct md_cell_attribute *a, void *field) {
    const char *text = field;
    double real = NAN;
    if (!a->is_optional || ar->status != MD_OK)
        return 1;
    if (ar->reads) {
        if (md_h5_has_attribute(ar->file, a->object, a->name))
            return 1;
        memcpy(field, a->type == TEXT ? (const void *)"" : &real,
               a->type == TEXT ? 1 : sizeof real);
        return 0;
    }
    memcpy(&real, field, sizeof real);
    return a->type == TEXT ? text[0] != '\0' : !isnan(real);
}

void md_archive_attributes(struct md_archive *ar, struct md_cell *cell) {
    for (const struct md_cell_attribute *a = md_cell_attributes;
         a < md_cell_attributes + ATTRIBUTES; a++) {
        void *field = (char *)cell + a->offset;
        if (!ar->reads && strcmp(a->object, "/") != 0)
            md_archive_group(ar, a->object);
        if (!is_present(ar, a, field))
            continue;
        if (a->type == TEXT)
            md_archive_text(ar, a->object, a->name, a->size, field);
        else if (a->type == INTEGER)
            md_archive_integer(ar, a->object, a->name, 0, LLONG_MAX, field);
        else
            md_archive_real(ar, a->object, a->name, field);
    }
}

/* ---- metrics --------------------------------------------------------------------------------- */

struct metrics_row {
    char predictor[8];
    double cap_m, value[MD_METRIC_COUNT];
    int64_t images, without_truth;
};

#define COLUMN(type, field)                                                                        \
    { #field, type, offsetof(struct metrics_row, field), sizeof((struct metrics_row *)0)->field, 0 }
/* What a table has no column of is newer than the cell. (A name that was damaged is unknown.) */
#define METRIC(ID, NAME, TITLE, SHOWN, HELP)                                                       \
    {NAME, REAL, offsetof(struct metrics_row, value) + MD_##ID * sizeof(double), sizeof(double), 1},
static const struct md_h5_column metrics_columns[] = {
    COLUMN(TEXT, predictor),
    COLUMN(REAL, cap_m),
    MD_METRICS(METRIC) COLUMN(INTEGER, images),
    COLUMN(INTEGER, without_truth),
};
enum { METRICS_COLUMNS = sizeof metrics_columns / sizeof metrics_columns[0] };
_Static_assert(METRICS_COLUMNS == MD_METRIC_COUNT + 4 && METRICS_COLUMNS <= (int)MD_H5_MOST_COLUMNS,
               "every metric has its column");
const char *const md_predictor_names[] = {"before", "after", "dummy"};

/* metrics: one for each cap, of each predictor. */
static void write_metrics(struct md_archive *ar, const char *name, const struct md_caps *caps,
                          const struct md_metrics *const metrics[MD_PREDICTOR_COUNT]) {
    struct metrics_row rows[MD_MOST_CAPS * MD_PREDICTOR_COUNT], *row = rows;
    for (int c = 0; c < caps->count; c++)
        for (int p = 0; p < MD_PREDICTOR_COUNT; p++, row++) {
            const struct md_metrics *m = &metrics[p][c];
            *row = (struct metrics_row){.cap_m = caps->m[c],
                                        .images = (int64_t)m->images,
                                        .without_truth = (int64_t)m->without_truth};
            strcpy(row->predictor, md_predictor_names[p]);
            memcpy(row->value, m->value, sizeof row->value);
        }
    MD_THEN(ar->status, md_h5_write_table(ar->file, name, metrics_columns, METRICS_COLUMNS,
                                          sizeof *row, (size_t)(row - rows), rows, ar->error));
}

static int check_row(const struct metrics_row *row, double cap_m, const char *predictor) {
    return row->cap_m == cap_m && strcmp(row->predictor, predictor) == 0 && row->images >= 0 &&
           row->images <= INT_MAX && row->without_truth >= 0 && row->without_truth <= INT_MAX;
}

void md_archive_read_scores(struct md_archive *ar, const char *name, struct md_cell *cell) {
    struct metrics_row rows[MD_MOST_CAPS * MD_PREDICTOR_COUNT], *row = rows;
    const struct md_caps *caps = &cell->config.caps;
    MD_THEN(ar->status,
            md_h5_read_table(ar->file, name, metrics_columns, METRICS_COLUMNS, sizeof *row,
                             MD_PREDICTOR_COUNT * (size_t)caps->count, rows, ar->error));
    cell->cap_count = ar->status == MD_OK ? caps->count : 0;
    for (int m = 0; m < MD_METRIC_COUNT; m++)
        cell->has_metric[m] = md_h5_has_column(ar->file, name, md_metric_names[m]);
    for (int c = 0; c < cell->cap_count; c++) {
        struct md_cell_scores *scores = &cell->scores[c];
        scores->cap_m = caps->m[c];
        for (int p = 0; p < MD_PREDICTOR_COUNT; p++, row++) {
            char path[400] = "";
            if (check_row(row, caps->m[c], md_predictor_names[p])) {
                memcpy(scores->of[p].value, row->value, sizeof row->value);
                scores->of[p].images = (size_t)row->images;
                scores->of[p].without_truth = (size_t)row->without_truth;
                continue;
            }
            H5Fget_name(ar->file, path, sizeof path);
            ar->status = md_fail(
                ar->error, MD_FAILED,
                "%.400s: %s: row %d: expected predictor %s, cap_m %g and counts of images, found "
                "%s, %g, %lld and %lld",
                path, name, (int)(row - rows) + 1, md_predictor_names[p], caps->m[c],
                row->predictor, row->cap_m, (long long)row->images, (long long)row->without_truth);
            return;
        }
    }
}

/* ---- writing --------------------------------------------------------------------------------- */

#define SET(field, ...) snprintf(cell->field, sizeof cell->field, __VA_ARGS__)

/* Fills in what md_cell_attributes has. */
static void describe(const struct md_run *run, const char *command, struct md_cell *cell) {
    const struct md_plan *plan = &run->engine.plan;
    struct md_usage usage = md_run_usage(run);
    char why[MD_DIVERGED_SIZE];
    memset(cell, 0, sizeof *cell);
    SET(run_digest, "%s", run->position.digest);
    SET(command, "%s", command);
    md_network_digest(run->engine.setup.network, cell->network_digest);
    SET(code_version, "%s", md_code_version());
    SET(git_commit, "%s", md_git_commit());
    cell->git_dirty = md_git_dirty();
    SET(compiler, "%s", md_compiler());
    SET(compiler_flags, "%s", md_compiler_flags());
    SET(compiler_target, "%s", md_compiler_target());
    SET(cpu_level, "%s", run->engine.setup.ops->level);
    md_cpu_model(cell->cpu_model, sizeof cell->cpu_model);
    md_host_name(cell->host, sizeof cell->host);
    md_kernel(cell->kernel, sizeof cell->kernel);
    cell->threads = run->config.threads;
    cell->numerics_version = MD_NUMERICS_VERSION;
    SET(initial_weights_digest, "%s", run->initial_digest);
    SET(teacher_digest, "%s", run->teacher.digest);
    SET(started, "%s", run->started);
    md_time_now(cell->finished);
    cell->wall_seconds = usage.wall_seconds;
    cell->cpu_seconds = usage.cpu_seconds;
    cell->peak_memory_bytes = usage.peak_memory_bytes;
    cell->arena_bytes = (long long)plan->arena_bytes;
    cell->parameters_learning = (long long)plan->learning;
    cell->optimizer_bytes_per_parameter = (long long)md_plan_state_bytes(plan);
    cell->steps = (long long)run->engine.progress.steps;
    cell->skipped_steps = (long long)run->engine.progress.skipped;
    cell->selected_epoch = md_run_selected_epoch(run);
    cell->diverged = md_run_has_diverged(run, why);
    cell->diverged_epoch = run->position.diverged_epoch;
    cell->seconds = run->position.seconds;
    cell->training_cpu_seconds = run->position.cpu_seconds;
    cell->label_share = run->label_share;
    const int measured = run->config.strengths == MD_STRENGTHS_MEASURED;
    cell->augment_gain = measured ? run->train.gain : NAN;
    cell->augment_noise = measured ? run->train.noise : NAN;
}

static void write_libraries(struct md_archive *ar) {
    static const char where[] = "/provenance/libraries";
    const char *name;
    char version[MD_VERSION_SIZE];
    md_archive_group(ar, where);
    for (int i = 0; md_library(i, &name, version) == 0; i++)
        md_archive_write_text(ar, where, name, version);
}

static void write_weights(struct md_archive *ar, const struct md_run *run, const char *command) {
    struct md_weights_info info = {.stored_as = "float32"};
    snprintf(info.network, sizeof info.network, "%s", run->network->name);
    snprintf(info.source, sizeof info.source, "%.1000s, then %d epochs of %s", run->config.weights,
             run->position.epoch, run->config.data.set);
    snprintf(info.command, sizeof info.command, "%.1000s", command);
    snprintf(info.code_version, sizeof info.code_version, "%s", md_code_version());
    MD_THEN(ar->status,
            md_weights_store(ar->file, run->network, run->best_weights, &info, ar->error));
}

int md_cell_write(const char *path, const struct md_run *run, const char *identity,
                  const char *command, struct md_error *error) {
    struct md_h5_writer writer;
    struct md_cell cell;
    MD_TRY(md_h5_create(path, &writer, error));
    const struct md_caps *caps = &run->config.caps;
    struct md_archive ar = {writer.file, error, MD_OK, 0};
    describe(run, command, &cell);
    md_archive_write_head(&ar, MD_CELL_KIND, run, identity);
    md_archive_attributes(&ar, &cell);
    write_libraries(&ar);
    md_archive_write_epochs(&ar, "/training/epochs", run);
    md_archive_write_steps(&ar, "/training/steps", run);
    write_metrics(&ar, "/test/metrics", caps,
                  (const struct md_metrics *const[]){run->before, run->after, run->dummy});
    write_metrics(
        &ar, "/validation/metrics", caps,
        (const struct md_metrics *const[]){run->val_before, run->val_after, run->val_dummy});
    write_weights(&ar, run, command);
    return md_h5_finish(&writer, ar.status, error);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The rows of a table that is read only when somebody asks for it. */
static void read_epochs_done(struct md_archive *ar, const char *path, struct md_cell *cell) {
    const struct md_config *config = &cell->config;
    int dimensions = 0;
    size_t rows = 0;
    MD_THEN(ar->status,
            md_h5_shape(ar->file, "/training/epochs", 1, &dimensions, &rows, ar->error));
    cell->epochs_done = (long long)rows;
    if (ar->status == MD_OK && (cell->epochs_done > config->epochs ||
                                (cell->epochs_done < config->epochs && config->early_stop == 0)))
        ar->status =
            md_fail(ar->error, MD_FAILED, "%.400s: /training/epochs: expected %d rows, found %lld",
                    path, config->epochs, cell->epochs_done);
}

static void read_cell(struct md_archive *ar, const char *path, struct md_cell *cell) {
    static const char *const splits[] = {"/data/train", "/data/val", "/data/test"};
    char config[MD_CELL_CONFIG_SIZE] = "", origin[200];
    md_archive_text(ar, "/config", "yaml", sizeof config, config);
    snprintf(origin, sizeof origin, "%.180s, yaml of /config", path);
    /* What is wrong in a file is not wrong usage. */
    if (ar->status == MD_OK && md_config_parse(config, origin, &cell->config, ar->error) != MD_OK)
        ar->status = MD_FAILED;
    for (int i = 0; i < 3; i++) {
        md_archive_text(ar, splits[i], "digest", sizeof cell->data_digests[i],
                        cell->data_digests[i]);
        md_archive_integer(ar, splits[i], "samples", 0, LLONG_MAX, &cell->data_samples[i]);
        if (md_h5_has_attribute(ar->file, splits[i], "depth_kinds"))
            md_archive_text(ar, splits[i], "depth_kinds", MD_DEPTH_KINDS_SIZE,
                            cell->depth_kinds[i]);
    }
    md_archive_attributes(ar, cell);
    read_epochs_done(ar, path, cell);
    md_archive_read_scores(ar, "/test/metrics", cell);
}

int md_cell_read(const char *path, struct md_cell *cell, struct md_error *error) {
    struct md_archive ar;
    memset(cell, 0, sizeof *cell);
    MD_TRY(md_archive_open(path, MD_CELL_KIND, &ar, cell->identity, error));
    read_cell(&ar, path, cell);
    return md_archive_close(&ar);
}
