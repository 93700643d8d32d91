/* mudepth plot: the figure of a named study. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../plots/plots.h"
#include "../results/append.h"
#include "../results/study.h"
#include "../results/weights.h"
#include "command.h"
#include "pictures.h"

enum { MOST_SERIES = 32, MOST_SAMPLES = 4 };

/* An axis's title. */
static const char *title_or(const char *title, const char *name) {
    return title[0] != '\0' ? title : name;
}

/* ---- dots ------------------------------------------------------------------------------------ */

static int draw_dots(const struct md_study *study, const char *path, struct md_error *error) {
    struct md_dot_row *rows = calloc(study->count, sizeof *rows);
    char(*labels)[MD_ROW_LABEL_SIZE] = calloc(study->count, sizeof *labels);
    double *values = calloc(study->ours.count * study->show.count + 1, sizeof *values);
    double *next = values;
    char title[MD_DATA_LINE_SIZE];
    size_t count = 0;
    md_study_title(study, title);
    int status = md_check_memory(rows != NULL && labels != NULL && values != NULL, error);
    for (size_t r = 0; r < study->count && status == MD_OK; r++) {
        const struct md_study_row *row = &study->rows[r];
        size_t runs = row->ours != NULL ? row->ours->count : 0;
        if (row->quantity->row != study->shown[0].row)
            continue;
        md_study_label(row->config, &study->keys, labels[count]);
        if (row->quantity->cap_m > 0.0)
            md_append(labels[count], sizeof labels[0], " %g m", row->quantity->cap_m);
        rows[count] = (struct md_dot_row){.label = labels[count],
                                          .values = next,
                                          .count = runs,
                                          .mean = row->measured.mean,
                                          .published = row->published.mean,
                                          .published_deviation = row->published.deviation,
                                          .dummy = row->dummy};
        count++;
        for (size_t i = 0; i < runs; i++)
            *next++ = md_quantity_of(row->quantity, &row->ours->runs[i]->cell);
    }
    MD_THEN(status, md_plot_dots(path, title, title_or(study->figure.x_title, study->shown[0].name),
                                 rows, count, error));
    free(values);
    free(labels);
    free(rows);
    return status;
}

/* ---- lines ----------------------------------------------------------------------------------- */

struct lines {
    struct md_series series[MOST_SERIES];
    struct md_point *points[MOST_SERIES]; /* owned; theirs */
    char labels[MOST_SERIES][MD_ROW_LABEL_SIZE + 102];
    size_t count;
    struct md_names words;
};

static void free_lines(struct lines *all) {
    for (size_t l = 0; l < all->count; l++)
        free(all->points[l]);
    md_names_free(&all->words);
    free(all);
}

/* Starts a line of at most so many points; NULL with an error. */
static struct md_series *add_line(struct lines *all, const char *label, int is_published, int style,
                                  size_t most, struct md_error *error) {
    size_t l = all->count;
    if (l == MOST_SERIES) {
        md_error_set(error, "more than %d lines to draw", MOST_SERIES);
        return NULL;
    }
    all->points[l] = calloc(most, sizeof *all->points[l]);
    if (md_check_memory(all->points[l] != NULL, error) != MD_OK)
        return NULL;
    snprintf(all->labels[l], sizeof all->labels[l], "%.301s", label);
    all->series[l] = (struct md_series){.label = all->labels[l],
                                        .points = all->points[l],
                                        .style = style,
                                        .is_published = is_published};
    return &all->series[all->count++];
}

static void add_to_line(struct lines *all, struct md_series *line, struct md_point point) {
    all->points[line - all->series][line->count++] = point;
}

static int draw_lines(const struct md_study *study, const struct lines *all, const char *x_axis,
                      const char *y_axis, int is_joined, const char *path, struct md_error *error) {
    char title[MD_DATA_LINE_SIZE];
    md_study_title(study, title);
    const struct md_series_plot plot = {.title = title,
                                        .x_axis = title_or(study->figure.x_title, x_axis),
                                        .y_axis = title_or(study->figure.y_title, y_axis),
                                        .is_joined = is_joined,
                                        .series = all->series,
                                        .count = all->count};
    return md_plot_series(path, &plot, error);
}

/* ---- curves and points ----------------------------------------------------------------------- */

/* A row's position on the x axis: its value of a key, or the mean of a quantity over our runs, also
 * for the published ones, which have no memory or time. */
static double x_of(const struct md_study *study, const struct md_study_row *row) {
    const char *x = study->figure.x;
    char value[MD_CONFIG_VALUE_SIZE];
    struct md_quantity quantity;
    struct md_error ignored;
    int key = md_config_find(x);
    if (key >= 0) {
        md_config_value(row->config, key, value);
        return strtod(value, NULL);
    }
    if (row->ours == NULL || md_quantity_parse(x, &quantity, &ignored) != MD_OK)
        return (double)NAN;
    return md_group_measure(row->ours, &quantity).mean;
}

static int is_shown(const struct md_study *study, const char *key) {
    int shown = strcmp(key, study->figure.x) == 0;
    for (size_t s = 0; s < study->figure.series.count; s++)
        shown |= strcmp(key, study->figure.series.names[s]) == 0;
    return shown;
}

/* Names a row's point: its keys that neither the series nor the axis shows. */
static int name_point(const struct md_study *study, const struct md_study_row *row,
                      struct lines *all, struct md_error *error) {
    char value[MD_CONFIG_VALUE_SIZE], text[MD_ROW_LABEL_SIZE] = "";
    for (size_t k = 0; k < study->keys.count; k++) {
        if (is_shown(study, study->keys.names[k]))
            continue;
        md_config_value(row->config, md_config_find(study->keys.names[k]), value);
        md_append(text, sizeof text, "%s%.80s", text[0] != '\0' ? " " : "", value);
    }
    return md_names_add(&all->words, text, error);
}

/* The line that a row's point belongs to: all rows of one label, ours or published. Both have one
 * style. */
static struct md_series *find_line(const struct md_study *study, struct lines *all,
                                   const struct md_study_row *row, int is_published,
                                   struct md_error *error) {
    char label[MD_ROW_LABEL_SIZE], texts[2][MD_ROW_LABEL_SIZE + 102];
    /* Published rows have values of keys, but not of quantities: these are our runs' (x_of). */
    const char *x = study->figure.x;
    char sources[2][100] = {"ours", "published"};
    int style = 0;
    if (md_config_find(x) < 0)
        snprintf(sources[1], sizeof sources[1], "published, drawn at our %.64s", x);
    md_study_label(row->config, &study->figure.series, label);
    for (int h = 0; h < 2; h++)
        snprintf(texts[h], sizeof texts[h], "%s%s%.99s", label, label[0] != '\0' ? ", " : "",
                 sources[h]);
    for (size_t l = 0; l < all->count; l++)
        if (strcmp(all->labels[l], texts[is_published]) == 0)
            return &all->series[l];
    for (size_t l = 0; l < all->count; l++) {
        int its_style = all->series[l].style;
        if (strcmp(all->labels[l], texts[!is_published]) == 0)
            return add_line(all, texts[is_published], is_published, its_style, study->count, error);
        style = its_style >= style ? its_style + 1 : style;
    }
    return add_line(all, texts[is_published], is_published, style, study->count, error);
}

static int add_point(const struct md_study *study, struct lines *all,
                     const struct md_study_row *row, int is_published, struct md_error *error) {
    const struct md_measure *measure = is_published ? &row->published : &row->measured;
    char label[MD_ROW_LABEL_SIZE];
    if (measure->count == 0)
        return MD_OK;
    if (isnan(x_of(study, row))) {
        md_study_label(row->config, &study->keys, label);
        md_note("%s: has no %s of ours and is not drawn", label, study->figure.x);
        return MD_OK;
    }
    struct md_series *line = find_line(study, all, row, is_published, error);
    if (line == NULL)
        return MD_FAILED;
    MD_TRY(name_point(study, row, all, error));
    int is_named = study->figure.kind == MD_FIGURE_POINTS && line == all->series;
    add_to_line(all, line, /* names once: the places are the same */
                (struct md_point){x_of(study, row), measure->mean, measure->deviation,
                                  is_named ? all->words.names[all->words.count - 1] : NULL});
    return MD_OK;
}

/* The first quantity alone. */
static int draw_series(const struct md_study *study, const char *path, struct md_error *error) {
    int joined = study->figure.kind == MD_FIGURE_CURVE, status = MD_OK;
    struct lines *all = calloc(1, sizeof *all);
    MD_TRY(md_check_memory(all != NULL, error));
    for (size_t r = 0; r < study->count && status == MD_OK; r += study->show.count)
        for (int published = 0; published < 2 && status == MD_OK; published++)
            status = add_point(study, all, &study->rows[r], published, error);
    MD_THEN(status,
            draw_lines(study, all, study->figure.x, study->shown[0].name, joined, path, error));
    free_lines(all);
    return status;
}

/* ---- losses ---------------------------------------------------------------------------------- */

/* As far as all runs of the group went. */
static int add_losses(const struct md_study *study, struct lines *all, const struct md_group *group,
                      struct md_error *error) {
    size_t epochs = (size_t)group->runs[0]->cell.config.epochs, common = epochs;
    char label[MD_ROW_LABEL_SIZE];
    md_study_label(&group->runs[0]->cell.config, &study->keys, label);
    struct md_series *line = add_line(all, label, 0, (int)all->count, epochs + 1, error);
    struct md_point *points = all->points[all->count - (line != NULL)];
    int status = line != NULL ? MD_OK : MD_FAILED;
    for (size_t i = 0; i < group->count && status == MD_OK; i++) {
        const struct md_finished_run *run = group->runs[i];
        if ((size_t)run->cell.config.epochs != epochs)
            status = md_fail(error, MD_USAGE, "%s: runs of %zu and of %d epochs in one line", label,
                             epochs, run->cell.config.epochs);
        struct md_cell_history history = {0};
        MD_THEN(status, md_cell_read_history(run->path, &history, error));
        common = history.epochs < common ? history.epochs : common;
        for (size_t e = 0; e < common && status == MD_OK; e++)
            points[e].y +=
                md_epoch_value(&history.epoch[e], md_study_column(study)) / (double)group->count;
        md_cell_history_free(&history);
    }
    for (size_t e = 0; e < common && status == MD_OK; e++, line->count++)
        points[e] = (struct md_point){(double)e + 1.0, points[e].y, (double)NAN, NULL};
    return status;
}

static int draw_losses(const struct md_study *study, const char *path, struct md_error *error) {
    struct lines *all = calloc(1, sizeof *all);
    int status = MD_OK;
    MD_TRY(md_check_memory(all != NULL, error));
    for (size_t g = 0; g < study->groups.count && status == MD_OK; g++)
        status = add_losses(study, all, &study->groups.groups[g], error);
    MD_THEN(status, draw_lines(study, all, "epoch", study->figure.y, 1, path, error));
    free_lines(all);
    return status;
}

/* ---- depth maps ------------------------------------------------------------------------------ */

/* Some test samples of the first run, which stays open, and what each run makes of them. */
struct album {
    struct md_run first, other;
    size_t chosen[MOST_SAMPLES], count;
    struct md_sheet_row rows[MOST_SAMPLES];
    float *depth; /* owned: (map, count, pixels) */
};

static int predict_all(struct md_run *run, const char *path, const struct album *album,
                       float *depth, struct md_error *error) {
    size_t pixels = (size_t)run->network->height * (size_t)run->network->width;
    const struct md_judging judging = md_run_judging(run);
    int status = md_weights_read(path, run->network, run->best_weights, NULL, error);
    if (status == MD_OK)
        md_engine_set_weights(&run->engine, run->best_weights);
    for (size_t s = 0; s < album->count && status == MD_OK; s++)
        status = md_predict(&run->engine, &judging, &run->test, album->chosen[s], 1,
                            depth + s * pixels, error);
    return status;
}

static int start_album(struct album *album, size_t maps, struct md_error *error) {
    const struct md_network *network = album->first.network;
    size_t pixels = (size_t)network->height * (size_t)network->width;
    album->count = md_choose_samples(&album->first.test, MOST_SAMPLES, album->chosen);
    album->depth = malloc(maps * album->count * pixels * sizeof *album->depth);
    MD_TRY(md_check_memory(album->depth != NULL, error));
    for (size_t s = 0; s < album->count; s++) {
        const struct md_sample *sample = &album->first.test.samples[album->chosen[s]];
        album->rows[s] =
            (struct md_sheet_row){sample->name,
                                  sample->picture,
                                  {{sample->depth_m, sample->depth_height, sample->depth_width}}};
        for (size_t m = 0; m < maps; m++)
            album->rows[s].maps[m + 1] = (struct md_sheet_map){
                album->depth + (m * album->count + s) * pixels, network->height, network->width};
    }
    return MD_OK;
}

static int add_map(const struct md_study *study, struct album *album, size_t m,
                   struct md_error *error) {
    const struct md_finished_run *finished = study->groups.groups[m].runs[0];
    struct md_run *run = m == 0 ? &album->first : &album->other;
    int status = md_run_open(&finished->cell.config, NULL, NULL, run, error);
    if (status != MD_OK)
        return md_fail_in(error, status, finished->path);
    if (m == 0)
        status = start_album(album, study->groups.count, error);
    size_t pixels = (size_t)run->network->height * (size_t)run->network->width;
    MD_THEN(status, predict_all(run, finished->path, album,
                                album->depth + m * album->count * pixels, error));
    if (m > 0)
        md_run_close(run);
    return status;
}

static int draw_maps(const struct md_study *study, const char *path, struct md_error *error) {
    char title[MD_DATA_LINE_SIZE], titles[MD_SHEET_MAPS][MD_ROW_LABEL_SIZE];
    size_t maps = study->groups.count;
    if (maps + 1 > MD_SHEET_MAPS)
        return md_fail(error, MD_USAGE, "%s: depth maps of %zu rows, expected at most %d",
                       study->name, maps, MD_SHEET_MAPS - 1);
    struct album *album = calloc(1, sizeof *album);
    int status = md_check_memory(album != NULL, error);
    for (size_t m = 0; m < maps && status == MD_OK; m++)
        status = add_map(study, album, m, error);
    if (status == MD_OK) {
        const struct md_config *config = &study->groups.groups[0].runs[0]->cell.config;
        const struct md_network *network = md_networks[config->network];
        md_study_title(study, title);
        struct md_sheet sheet = {.title = title,
                                 .map_titles = {"label"},
                                 .map_count = (int)maps + 1,
                                 .rows = album->rows,
                                 .count = album->count,
                                 .height = network->height,
                                 .width = network->width,
                                 .max_depth_m = album->first.test.range_m};
        for (size_t m = 0; m < maps; m++) {
            md_study_label(&study->groups.groups[m].runs[0]->cell.config, &study->keys, titles[m]);
            sheet.map_titles[m + 1] = titles[m];
        }
        status = md_plot_contact_sheet(path, &sheet, error);
    }
    if (album != NULL) {
        md_run_close(&album->first);
        free(album->depth);
    }
    free(album);
    return status;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int draw(const struct md_study *study, const char *path, struct md_error *error) {
    switch (study->figure.kind) {
    case MD_FIGURE_DOTS:
        return draw_dots(study, path, error);
    case MD_FIGURE_CURVE:
    case MD_FIGURE_POINTS:
        return draw_series(study, path, error);
    case MD_FIGURE_LOSSES:
        return draw_losses(study, path, error);
    default:
        return draw_maps(study, path, error);
    }
}

struct options {
    const char *output;
};

static int run(const struct md_invocation *call, struct md_error *error) {
    const struct options *o = call->options;
    struct md_study study;
    int status = md_study_read(call->words[0], &study, error);
    if (status == MD_OK && study.figure.kind == MD_FIGURE_NONE)
        status = md_fail(error, MD_USAGE, "%s has no figure", call->words[0]);
    else if (status == MD_OK) {
        status = md_study_compare(&study, call->count - 1, call->words + 1, error);
        if (status == MD_OK)
            md_note_all(&study.ours.notes);
        MD_THEN(status, draw(&study, o->output, error));
        MD_THEN(status, md_runs_check(&study.ours, error));
    }
    md_study_free(&study);
    return status;
}

static const struct md_option options[] = {
    MD_OPT("output", 'o', OUTPUT, output, "FILE", "the figure (PNG, SVG, PDF)", .is_required = 1),
    {0}};

const struct md_command md_command_plot = {
    .name = "plot",
    .summary = "draw the figure of a named study",
    .words = {{"NAME", MD_WORD_STUDY, MD_ONE, NULL},
              {"FOLDER|CELL.h5", MD_WORD_PATH, MD_ANY_NUMBER, NULL}},
    MD_OPTIONS(options),
    .notes =
        "NAME and FOLDER are as in mudepth table. The study says what kind of figure it has: every "
        "run beside the published ones, a curve over a key of the config, accuracy against memory, "
        "losses over the epochs, or depth maps of test samples (which needs the data and opens "
        "them again).",
    .examples = "  mudepth plot kitti -o kitti.pdf\n"
                "  mudepth plot kitti_memory results/runs/my_kitti -o memory.png",
    .run = run};
