/* mudepth query: finished cells, filtered, grouped by keys of their configs; what was measured. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../results/groups.h"
#include "command.h"
#include "listing.h"
#include "pictures.h"

enum { MOST_SHOWN = 64 };

struct options {
    const char *by, *show, *sort, *figure;
    int each, json, csv, latex;
};

/* What rows are sorted by: a key of the config, or else a quantity. */
struct criterion {
    int key; /* -1: none */
    struct md_quantity quantity;
    int downwards;
};

struct query {
    struct options options;
    struct md_runs runs;
    struct md_groups groups;
    int keys[MD_MOST_KEYS + 1], key_count; /* that are shown: of the groups, and the seed of each */
    struct md_quantity shown[MOST_SHOWN];
    int shown_count;
    struct criterion criteria[MOST_SHOWN];
    int criterion_count;
    struct row *rows;
    size_t row_count;
};

/* A group, or with --each a run. */
struct row {
    const struct query *query;
    const struct md_group *group;
    const struct md_finished_run *run; /* NULL: the whole group */
    size_t index;                      /* before sorting */
};

/* ---- what is asked for ----------------------------------------------------------------------- */

static int add_shown(void *context, char *name, struct md_error *error) {
    struct query *query = context;
    if (query->shown_count == MOST_SHOWN)
        return md_fail(error, MD_USAGE, "more than %d quantities", MOST_SHOWN);
    return md_quantity_parse(name, &query->shown[query->shown_count++], error);
}

static int add_criterion(void *context, char *name, struct md_error *error) {
    struct query *query = context;
    if (query->criterion_count == MOST_SHOWN)
        return md_fail(error, MD_USAGE, "more than %d names", MOST_SHOWN);
    struct criterion *criterion = &query->criteria[query->criterion_count++];
    criterion->downwards = name[0] == '-';
    name += criterion->downwards;
    criterion->key = md_config_find(name);
    return criterion->key >= 0 ? MD_OK : md_quantity_parse(name, &criterion->quantity, error);
}

static int parse_names(struct query *query, struct md_error *error) {
    const char *sort = query->options.sort;
    int status = md_names_each(query->options.show, add_shown, query, error);
    if (status != MD_OK)
        return md_fail_in(error, status, "--show");
    status = sort != NULL ? md_names_each(sort, add_criterion, query, error) : MD_OK;
    return status == MD_OK ? MD_OK : md_fail_in(error, status, "--sort");
}

/* The words behind the options are cells, folders and filters, in any order. */
static int read_runs(struct query *query, int count, char *const *words, struct md_error *error) {
    struct md_filters filters = {NULL, 0};
    char **texts = calloc((size_t)count + 1, sizeof *texts);
    int filter_count = 0;
    MD_TRY(md_check_memory(texts != NULL, error));
    for (int i = 0; i < count; i++)
        if (md_filter_name(words[i]) > 0)
            texts[filter_count++] = words[i];
    int status = filter_count < count
                     ? md_filters_parse(filter_count, texts, &filters, error)
                     : md_fail(error, MD_USAGE,
                               "expected folders or result cells; see mudepth query --help");
    for (int i = 0; i < count && status == MD_OK; i++)
        if (md_filter_name(words[i]) == 0)
            status = md_runs_read(&query->runs, words[i], error);
    size_t read = query->runs.count;
    if (status == MD_OK && read == 0) {
        md_note_all(&query->runs.notes);
        status = md_fail(error, MD_FAILED, "expected finished cells, found none");
    }
    if (status == MD_OK)
        md_runs_filter(&query->runs, &filters);
    if (status == MD_OK && read > 0 && query->runs.count == 0)
        status = md_runs_note(&query->runs, error, "none of %zu cells passes the filters", read);
    md_filters_free(&filters);
    free(texts);
    return status;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static struct md_measure measure(const struct row *row, const struct md_quantity *quantity) {
    if (row->run == NULL)
        return md_group_measure(row->group, quantity);
    return (struct md_measure){1, md_quantity_of(quantity, &row->run->cell), (double)NAN};
}

static const struct md_config *config_of(const struct row *row) {
    return row->run != NULL ? &row->run->cell.config : &row->group->runs[0]->cell.config;
}

/* By one criterion; what has no number comes last, whatever the direction. */
static int order_by(const struct criterion *criterion, const struct row *a, const struct row *b) {
    int order;
    if (criterion->key >= 0) {
        order = md_config_order(config_of(a), config_of(b), criterion->key);
    } else {
        double p = measure(a, &criterion->quantity).mean, q = measure(b, &criterion->quantity).mean;
        if (!isfinite(p) || !isfinite(q))
            return !isfinite(p) - !isfinite(q);
        order = (p > q) - (p < q);
    }
    return criterion->downwards ? -order : order;
}

static int order_rows(const void *a, const void *b) {
    const struct row *p = a, *q = b;
    int order = 0;
    for (int c = 0; c < p->query->criterion_count && order == 0; c++)
        order = order_by(&p->query->criteria[c], p, q);
    return order != 0 ? order : (p->index > q->index) - (p->index < q->index);
}

static int make_rows(struct query *query, struct md_error *error) {
    query->rows = malloc((query->runs.count + 1) * sizeof *query->rows);
    MD_TRY(md_check_memory(query->rows != NULL, error));
    for (size_t g = 0; g < query->groups.count; g++) {
        const struct md_group *group = &query->groups.groups[g];
        for (size_t i = 0; i < (query->options.each ? group->count : 1); i++, query->row_count++)
            query->rows[query->row_count] = (struct row){
                query, group, query->options.each ? group->runs[i] : NULL, query->row_count};
    }
    qsort(query->rows, query->row_count, sizeof *query->rows, order_rows);
    return MD_OK;
}

/* A group has one value of a key that made it, and of no other. */
static int check_criteria(const struct query *query, struct md_error *error) {
    char name[MD_CONFIG_NAME_SIZE];
    for (int c = 0; c < query->criterion_count && !query->options.each; c++) {
        int key = query->criteria[c].key, found = key < 0;
        for (int k = 0; k < query->groups.key_count; k++)
            found |= query->groups.keys[k] == key;
        if (found || query->groups.count == 0)
            continue;
        md_config_key(key, name);
        return md_fail(error, MD_USAGE, "--sort: %s does not make the groups; --by says what does",
                       name);
    }
    return MD_OK;
}

/* Says which quantities were not measured everywhere. */
static int check_shown(struct query *query, struct md_error *error) {
    int status = MD_OK;
    for (int s = 0; s < query->shown_count && status == MD_OK; s++) {
        size_t without = 0;
        for (size_t i = 0; i < query->runs.count; i++)
            without += isnan(md_quantity_of(&query->shown[s], &query->runs.runs[i]->cell)) &&
                       !query->runs.runs[i]->cell.diverged;
        if (without > 0)
            status = md_runs_note(&query->runs, error, "%s: %zu of %zu runs have none",
                                  query->shown[s].name, without, query->runs.count);
    }
    return status;
}

static void choose_keys(struct query *query) {
    int seed = md_config_find("seed"), has_seed = 0;
    for (int k = 0; k < query->groups.key_count; k++) {
        query->keys[query->key_count++] = query->groups.keys[k];
        has_seed |= query->groups.keys[k] == seed;
    }
    if (query->options.each && !has_seed)
        query->keys[query->key_count++] = seed;
}

/* ---- text, CSV, LaTeX ------------------------------------------------------------------------ */

/* row NULL: only the titles are wanted. */
static void fill_row(const struct query *query, const struct row *row, struct md_listing *l) {
    const int is_each = query->options.each;
    if (is_each)
        md_listing_word(l, "cell", row != NULL ? row->run->path : "");
    md_listing_settings(l, row != NULL ? config_of(row) : NULL, query->keys, query->key_count);
    if (!is_each) {
        md_listing_number(l, "runs", 0, row != NULL ? (double)row->group->count : 0);
        md_listing_number(l, "diverged", 0, row != NULL ? (double)row->group->diverged : 0);
    }
    for (int s = 0; s < query->shown_count; s++) {
        const struct md_quantity *shown = &query->shown[s];
        const struct md_measure m = row != NULL ? measure(row, shown) : (struct md_measure){0};
        if (is_each)
            md_listing_number(l, shown->name, shown->decimals, m.mean);
        else
            md_listing_mean(l, shown->name, shown->decimals, m.mean, m.deviation);
    }
    if (row != NULL)
        md_listing_end_row(l);
}

static int print_listing(const struct query *query, struct md_error *error) {
    struct md_listing l = {.error = error};
    if (query->row_count == 0)
        fill_row(query, NULL, &l);
    for (size_t r = 0; r < query->row_count; r++)
        fill_row(query, &query->rows[r], &l);
    int status = md_listing_print(&l, query->options.csv     ? MD_CSV
                                      : query->options.latex ? MD_LATEX
                                                             : MD_TEXT);
    md_listing_free(&l);
    return status;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *values_of(const struct query *query, const struct md_config *config) {
    return md_json_settings(config, query->keys, query->key_count);
}

static json_t *run_json(const struct query *query, const struct md_finished_run *run) {
    json_t *measured = json_object();
    for (int s = 0; s < query->shown_count; s++)
        json_object_set_new(measured, query->shown[s].name,
                            md_json_number(md_quantity_of(&query->shown[s], &run->cell)));
    return json_pack("{s:s, s:s, s:I, s:b, s:o}", "cell", run->path, "identity", run->cell.identity,
                     "seed", (json_int_t)run->cell.config.seed, "diverged", run->cell.diverged != 0,
                     "measured", measured);
}

static json_t *group_json(const struct query *query, const struct md_group *group) {
    json_t *measured = json_object(), *each = json_array();
    for (int s = 0; s < query->shown_count; s++) {
        struct md_measure m = md_group_measure(group, &query->shown[s]);
        json_object_set_new(measured, query->shown[s].name,
                            json_pack("{s:I, s:o, s:o}", "runs", (json_int_t)m.count, "mean",
                                      md_json_number(m.mean), "sd", md_json_number(m.deviation)));
    }
    for (size_t i = 0; i < group->count; i++)
        json_array_append_new(each, run_json(query, group->runs[i]));
    return json_pack("{s:s, s:o, s:I, s:I, s:o, s:o}", "label", group->label, "values",
                     values_of(query, &group->runs[0]->cell.config), "runs",
                     (json_int_t)group->count, "diverged", (json_int_t)group->diverged, "measured",
                     measured, "each", each);
}

/* NULL when a path is not UTF-8. */
static json_t *to_json(const struct query *query) {
    json_t *keys = json_array(), *rows = json_array();
    int is_utf8 = 1;
    for (int k = 0; k < query->key_count; k++) {
        char name[MD_CONFIG_NAME_SIZE];
        md_config_key(query->keys[k], name);
        json_array_append_new(keys, json_string(name));
    }
    for (size_t i = 0; i < query->runs.count; i++)
        is_utf8 &= md_is_utf8(query->runs.runs[i]->path);
    for (size_t r = 0; r < query->row_count && is_utf8; r++) {
        const struct row *row = &query->rows[r];
        json_t *json = row->run != NULL ? run_json(query, row->run) : group_json(query, row->group);
        if (row->run != NULL)
            json_object_set_new(json, "values", values_of(query, config_of(row)));
        json_array_append_new(rows, json);
    }
    json_t *json =
        json_pack("{s:o, s:o, s:o}", "by", keys, query->options.each ? "cells" : "groups", rows,
                  "notes", md_json_notes(&query->runs.notes));
    if (is_utf8)
        return json;
    json_decref(json);
    return NULL;
}

static int report(struct query *query, struct md_error *error) {
    md_note_all(&query->runs.notes);
    MD_TRY(query->options.json ? md_print_json(to_json(query), error)
                               : print_listing(query, error));
    if (query->options.figure != NULL)
        MD_TRY(md_draw_groups(&query->groups, query->runs.count, query->options.figure, error));
    return md_runs_check(&query->runs, error);
}

static int work(struct query *query, int count, char *const *words, struct md_error *error) {
    MD_TRY(parse_names(query, error));
    MD_TRY(read_runs(query, count, words, error));
    MD_TRY(md_groups_make(&query->runs, query->options.by, &query->groups, error));
    MD_TRY(check_criteria(query, error));
    MD_TRY(check_shown(query, error));
    MD_TRY(make_rows(query, error));
    choose_keys(query);
    return report(query, error);
}

static int run(const struct md_invocation *call, struct md_error *error) {
    struct query *query = calloc(1, sizeof *query);
    MD_TRY(md_check_memory(query != NULL, error));
    memcpy(&query->options, call->options, sizeof query->options);
    int status = work(query, call->count, call->words, error);
    free(query->rows);
    md_groups_free(&query->groups);
    md_runs_free(&query->runs);
    free(query);
    return status;
}

static const struct md_option options[] = {
    MD_OPT("by", 0, TEXT, by, "KEY,...",
           "keys of the config that make a group (default: every key in which the cells differ, "
           "but `seed`); '' makes one group of all"),
    MD_OPT("show", 0, TEXT, show, "QUANTITY,...",
           "what is shown: means over the runs of a group, and their standard deviations",
           .preset = "before.rmse_m,rmse_m,dummy.rmse_m,weight_bytes,optimizer_bytes_per_parameter,"
                     "skipped_steps"),
    MD_OPT("sort", 0, TEXT, sort, "NAME,...",
           "sort the rows by keys or quantities, -NAME downwards (default: by the keys of the "
           "groups)"),
    MD_OPT("each", 0, FLAG, each, NULL, "a row for each run instead"),
    MD_OPT("csv", 0, FLAG, csv, NULL, "print a CSV table", .excludes = "latex, json"),
    MD_OPT("latex", 0, FLAG, latex, NULL, "print a LaTeX tabular (booktabs)", .excludes = "json"),
    MD_OPT("json", 0, FLAG, json, NULL, "print JSON with every run"),
    MD_OPT("figure", 0, OUTPUT, figure, "FILE",
           "also draw the groups' RMSE: every run, the means, the dummy predictor (PNG, SVG, "
           "PDF)"),
    {0}};

const struct md_command md_command_query = {
    .name = "query",
    .summary = "filter and group finished runs, and say what came out of each group",
    .words = {{"FOLDER|CELL.h5|FILTER", MD_WORD_OVERRIDE, MD_AT_LEAST_ONE, NULL}},
    MD_OPTIONS(options),
    .notes =
        "A filter is NAME=VALUE, or with != < <= > >=. NAME is a key of the config (mudepth help "
        "config) or a quantity (mudepth help quantities); = takes a range of numbers (seed=0..2) "
        "and a list too (format=[fp32, bf16]). All filters must hold. (A path that looks like a "
        "filter is written with ./ before it.) A folder stands for the runs in it and for those of "
        "the sweeps below it, at any depth.\n"
        "Runs that diverged (a loss, a weight or the prediction became NaN or infinite, or no "
        "depth is left at all) are counted apart: they are not in the means of what was measured "
        "after fine-tuning, and the filters diverged=0 and diverged=1 tell them apart. Notes say "
        "so, and when cells come from different data, weights or versions of the code, or runs of "
        "a group differ in more than their seeds. A file that is no whole cell is named in a note, "
        "and the exit code is 1.",
    .examples =
        "  mudepth query results/runs\n"
        "  mudepth query results/runs/sweep_demo-* policy=d0 'lr<0.01' --by format,optimizer\n"
        "  mudepth query results/runs 'rmse_m<0.6' --each --sort rmse_m --show rmse_m,delta1@15\n"
        "  mudepth query results/runs --by format,weight_storage --figure formats.png --latex",
    .run = run};
