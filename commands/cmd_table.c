/* mudepth table: a named study, our results beside the published ones. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../results/study.h"
#include "command.h"
#include "help.h"
#include "listing.h"

struct options {
    int csv, json, latex, values;
};

/* ---- text, CSV, LaTeX ------------------------------------------------------------------------ */

/* Our mean of a quantity that the study wants beside its rows; its name was checked when the study
 * was read. */
static double mean_beside(const struct md_study_row *row, const char *name,
                          struct md_quantity *quantity) {
    struct md_error ignored;
    int known = md_quantity_parse(name, quantity, &ignored) == MD_OK;
    return known && row->ours != NULL ? md_group_measure(row->ours, quantity).mean : (double)NAN;
}

static void fill_row(struct md_listing *l, const struct md_study *study,
                     const struct md_study_row *row, int decimals) {
    struct md_quantity quantity;
    md_listing_settings(l, row->config, study->groups.keys, study->groups.key_count);
    if (study->show.count > 1)
        md_listing_word(l, "quantity", row->quantity->name);
    for (size_t b = 0; b < study->beside.count; b++) {
        double mean = mean_beside(row, study->beside.names[b], &quantity);
        md_listing_number(l, study->beside.names[b], quantity.decimals, mean);
    }
    if (study->where_published.count > 0) {
        md_listing_mean(l, "published", decimals, row->published.mean, row->published.deviation);
        md_listing_number(l, "published_runs", 0, (double)row->published.count);
    }
    md_listing_mean(l, "ours", decimals, row->measured.mean, row->measured.deviation);
    md_listing_number(l, "runs", 0, (double)row->measured.count);
    if (study->where_published.count > 0)
        md_listing_number(l, "difference", 1, row->difference);
    md_listing_number(l, "before", decimals, row->before);
    md_listing_number(l, "dummy", decimals, row->dummy);
    md_listing_end_row(l);
}

static int print_listing(const struct md_study *study, enum md_listing_form form,
                         struct md_error *error) {
    struct md_listing l = {.error = error};
    int decimals = 0;
    for (size_t q = 0; q < study->show.count; q++)
        decimals = study->shown[q].decimals > decimals ? study->shown[q].decimals : decimals;
    for (size_t r = 0; r < study->count; r++)
        fill_row(&l, study, &study->rows[r], decimals);
    int status = md_listing_print(&l, form);
    md_listing_free(&l);
    return status;
}

static const char difference_line[] =
    "The difference is in standard deviations of the published runs.";

static int print_text(const struct md_study *study, const char *data, struct md_error *error) {
    printf("%s\n\n", study->title);
    MD_TRY(print_listing(study, MD_TEXT, error));
    printf("\n");
    if (study->caption[0] != '\0')
        md_print_wrapped(study->caption, 0);
    if (study->where_published.count > 0)
        md_print_wrapped(difference_line, 0);
    md_print_wrapped(data, 0);
    return MD_OK;
}

static int print_latex(const struct md_study *study, const char *data, struct md_error *error) {
    printf("\\begin{table}[tbp]\n\\centering\n\\caption{");
    md_print_latex(study->title);
    printf(". ");
    md_print_latex(study->caption);
    printf(" ");
    md_print_latex(study->where_published.count > 0 ? difference_line : "");
    printf(" ");
    md_print_latex(data);
    printf("}\n\\label{tab:%s}\n", study->name);
    MD_TRY(print_listing(study, MD_LATEX, error));
    printf("\\end{table}\n");
    return MD_OK;
}

/* ---- single values --------------------------------------------------------------------------- */

/* What a row has, by name: for JSON and for texts that speak of single values. */
static const struct field {
    const char *name;
    size_t offset; /* of a double in the row */
    int decimals;  /* -1: the quantity's */
} fields[] = {
    {"published", offsetof(struct md_study_row, published.mean), -1},
    {"published_sd", offsetof(struct md_study_row, published.deviation), -1},
    {"ours", offsetof(struct md_study_row, measured.mean), -1},
    {"ours_sd", offsetof(struct md_study_row, measured.deviation), -1},
    {"difference", offsetof(struct md_study_row, difference), 1},
    {"before", offsetof(struct md_study_row, before), -1},
    {"dummy", offsetof(struct md_study_row, dummy), -1},
};
enum { FIELDS = sizeof fields / sizeof *fields };

static double field_of(const struct md_study_row *row, const struct field *field) {
    double value;
    memcpy(&value, (const char *)row + field->offset, sizeof value);
    return value;
}

/* \mdvalue{kitti tof8 d0 delta1 ours}{0.641} */
static void print_values(const struct md_study *study, const char *data) {
    char text[MD_NUMBER_SIZE];
    printf("\\mdvalue{%s data}{", study->name);
    md_print_latex(data);
    printf("}\n");
    for (size_t r = 0; r < study->count; r++)
        for (int f = 0; f < FIELDS; f++) {
            const struct md_study_row *row = &study->rows[r];
            double value = field_of(row, &fields[f]);
            char label[MD_ROW_LABEL_SIZE];
            int decimals = fields[f].decimals < 0 ? row->quantity->decimals : fields[f].decimals;
            md_study_label(row->config, &study->keys, label);
            md_number_text(value, decimals, text);
            if (isfinite(value))
                printf("\\mdvalue{%s %s %s %s}{%s}\n", study->name, label, row->quantity->name,
                       fields[f].name, text);
        }
    for (size_t r = 0; r < study->count; r += study->show.count)
        for (size_t b = 0; b < study->beside.count; b++) {
            char label[MD_ROW_LABEL_SIZE];
            struct md_quantity quantity;
            double value = mean_beside(&study->rows[r], study->beside.names[b], &quantity);
            md_study_label(study->rows[r].config, &study->keys, label);
            md_number_text(value, quantity.decimals, text);
            if (isfinite(value))
                printf("\\mdvalue{%s %s %s ours}{%s}\n", study->name, label, quantity.name, text);
        }
}

static json_t *row_json(const struct md_study *study, const struct md_study_row *row) {
    json_t *json =
        json_pack("{s:o, s:s, s:I, s:I}", "values",
                  md_json_settings(row->config, study->groups.keys, study->groups.key_count),
                  "quantity", row->quantity->name, "published_runs",
                  (json_int_t)row->published.count, "runs", (json_int_t)row->measured.count);
    for (int f = 0; f < FIELDS; f++)
        json_object_set_new(json, fields[f].name, md_json_number(field_of(row, &fields[f])));
    for (size_t b = 0; b < study->beside.count; b++) {
        struct md_quantity quantity;
        const char *name = study->beside.names[b];
        json_object_set_new(json, name, md_json_number(mean_beside(row, name, &quantity)));
    }
    return json;
}

static int print_json(const struct md_study *study, const char *data, struct md_error *error) {
    json_t *rows = json_array();
    for (size_t r = 0; r < study->count; r++)
        json_array_append_new(rows, row_json(study, &study->rows[r]));
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "study", study->name, "title",
                             study->title, "caption", study->caption, "data", data, "rows", rows,
                             "notes", md_json_notes(&study->ours.notes));
    return md_print_json(json, error);
}

/* ---- the command ----------------------------------------------------------------------------- */

static int report(const struct md_study *study, const struct options *o, struct md_error *error) {
    char data[MD_DATA_LINE_SIZE];
    md_study_data_line(study, data);
    if (!o->json)
        md_note_all(&study->ours.notes);
    if (o->csv)
        return print_listing(study, MD_CSV, error);
    if (o->json)
        return print_json(study, data, error);
    if (o->latex)
        return print_latex(study, data, error);
    if (!o->values)
        return print_text(study, data, error);
    print_values(study, data);
    return MD_OK;
}

static int run(const struct md_invocation *call, struct md_error *error) {
    struct md_study study;
    int status = md_study_read(call->words[0], &study, error);
    if (status == MD_OK) {
        status = md_study_compare(&study, call->count - 1, call->words + 1, error);
        MD_THEN(status, report(&study, call->options, error));
        MD_THEN(status, md_runs_check(&study.ours, error));
    }
    md_study_free(&study);
    return status;
}

static const struct md_option options[] = {
    MD_OPT("csv", 0, FLAG, csv, NULL, "print a CSV table", .excludes = "json, latex, values"),
    MD_OPT("json", 0, FLAG, json, NULL, "print JSON", .excludes = "latex, values"),
    MD_OPT("latex", 0, FLAG, latex, NULL, "print a LaTeX table (booktabs) with its caption",
           .excludes = "values"),
    MD_OPT("values", 0, FLAG, values, NULL,
           "print each number as a LaTeX macro, \\mdvalue{NAME ROW QUANTITY FIELD}{...}"),
    {0}};

const struct md_command md_command_table = {
    .name = "table",
    .summary = "a named study: our results beside the published ones, and the difference",
    .words = {{"NAME", MD_WORD_STUDY, MD_ONE, NULL},
              {"FOLDER|CELL.h5", MD_WORD_PATH, MD_ANY_NUMBER, NULL}},
    MD_OPTIONS(options),
    .notes =
        "NAME is that of a file " MD_STUDY_FOLDER
        "/NAME.yaml, or a path with a slash. It says which cells belong to the study; FOLDER "
        "is where they lie when not where it says. mudepth help studies lists them. A file that "
        "is no whole cell is named in a note, and the exit code is 1.\n"
        "Beside our mean and standard deviation over the runs stand those of the release's "
        "logs (paper/published), their difference in standard deviations of the published "
        "runs, and our means before fine-tuning and of the dummy predictor. The last line "
        "says on what our runs ran.",
    .examples = "  mudepth table kitti\n"
                "  mudepth table field results/runs/my_field --latex",
    .run = run};
