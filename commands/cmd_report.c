/* mudepth report: a folder of runs as one page of HTML that needs nothing but itself. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../experiments/version.h"
#include "../plots/plots.h"
#include "../results/groups.h"
#include "../results/sweep.h"
#include "command.h"
#include "listing.h"
#include "pictures.h"

enum { MOST_CURVES = 24, CONFIG_SIZE = 16384 };

struct options {
    const char *output, *by, *title;
};

struct page {
    FILE *out;
    const char *folder, *output;
    struct md_runs runs;
    struct md_groups groups;
    struct md_listing missing; /* cells of sweeps that are not there */
    size_t missing_count;
    struct md_error *error;
};

/* ---- HTML ------------------------------------------------------------------------------------ */

/* Text as it stands; what is not UTF-8 becomes "?". */
static void put(FILE *out, const char *text) {
    const int is_utf8 = md_is_utf8(text);
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
            fprintf(out, "&#%d;", c);
        else
            putc((c >= 0x80 && !is_utf8) || (c < 0x20 && c != '\n') ? '?' : c, out);
    }
}

/* A cell of a number, which sorts by all of its digits (data-value). A deviation that is not finite
 * is left out. */
static void number(FILE *out, double value, double deviation, int decimals) {
    if (!isfinite(value)) {
        fputs("<td class=number>-", out);
        return;
    }
    char text[MD_NUMBER_SIZE];
    md_number_text(value, decimals, text);
    fprintf(out, "<td class=number data-value=%.17g>%s", value, text);
    if (isfinite(deviation))
        fprintf(out, " &plusmn; %.*f", decimals, deviation);
}

static void put_texts(FILE *out, const char *before, const char *text, const char *behind) {
    fputs(before, out);
    put(out, text);
    fputs(behind, out);
}

/* What a table's words are. LINKS: those of the first column are links to the runs; PROSE: those of
 * the last column are sentences, which may wrap. */
enum words { LINKS, PROSE, PLAIN };

/* A table whose columns sort when their titles are clicked. Frees it. */
static int put_table(FILE *out, struct md_listing *l, enum words words) {
    const struct md_entry *entry = l->entries;
    fputs("<div class=wide><table class=sorts><thead><tr>", out);
    for (size_t c = 0; c < l->column_count; c++)
        put_texts(out, "<th><button>", l->columns[c].title, "</button>");
    fputs("<tbody>\n", out);
    for (size_t r = 0; l->status == MD_OK && r < l->row_count; r++) {
        fputs("<tr>", out);
        for (size_t c = 0; c < l->column_count; c++, entry++)
            if (l->columns[c].is_number) {
                number(out, entry->number, entry->deviation, l->columns[c].decimals);
            } else if (words == LINKS && c == 0) {
                fprintf(out, "<td><a href=\"#run%zu\">", r);
                put_texts(out, "", entry->word, "</a>");
            } else {
                put_texts(out,
                          words == PROSE && c + 1 == l->column_count ? "<td class=text>" : "<td>",
                          entry->word, "");
            }
        fputs("\n", out);
    }
    fputs("</table></div>\n", out);
    int status = l->status;
    md_listing_free(l);
    return status;
}

static const char head[] =
    "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>\n"
    "<meta name=viewport content='width=device-width, initial-scale=1'>\n"
    "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; img-src data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
    "<style>\n"
    "body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;padding:1rem;max-width:75rem;"
    "color:#1b1b1b;background:#fff}\n"
    "h1,h2{line-height:1.2;overflow-wrap:anywhere}h2{margin-top:2rem}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top;"
    "white-space:nowrap}\n"
    "td.number{text-align:right}td.text{white-space:pre-wrap;overflow-wrap:anywhere;"
    "min-width:18rem}\n"
    "th button{font:inherit;font-weight:600;border:0;background:none;padding:0;cursor:pointer;"
    "text-decoration:underline dotted}\n"
    "th[aria-sort=ascending] button::after{content:' \\2191'}"
    "th[aria-sort=descending] button::after{content:' \\2193'}\n"
    "img{max-width:100%;height:auto}pre{overflow-x:auto;background:#f4f4f4;padding:.6rem}\n"
    "details{margin:.3rem 0;border-bottom:1px solid #ddd}summary{cursor:pointer;"
    "overflow-wrap:anywhere}.bad{color:#a02000}\n"
    "</style>\n<title>";

/* Rows sort by data-value, or else by their text; rows without a number come last. */
static const char script[] =
    "<script>\nfor (const b of document.querySelectorAll('.sorts button')) b.onclick = () => {\n"
    "  const th = b.parentNode, body = th.closest('table').tBodies[0], at = th.cellIndex;\n"
    "  const up = th.getAttribute('aria-sort') != 'ascending';\n"
    "  for (const other of th.parentNode.cells) other.removeAttribute('aria-sort');\n"
    "  th.setAttribute('aria-sort', up ? 'ascending' : 'descending');\n"
    "  const value = row => { const d = row.cells[at], t = d.textContent;\n"
    "    return d.dataset.value ?? (d.className == 'number' ? '' : t); };\n"
    "  const order = (p, q) => p === '' || q === '' ? (p === '') - (q === '') :\n"
    "    (up ? 1 : -1) * (isNaN(p - q) ? p.localeCompare(q, 'en', {numeric: true}) : p - q);\n"
    "  body.append(...[...body.rows].sort((r, s) => order(value(r), value(s))));\n"
    "};\n"
    "addEventListener('hashchange', () => {\n"
    "  const run = document.querySelector(location.hash); if (run) run.open = true; });\n"
    "</script>\n";

/* ---- figures --------------------------------------------------------------------------------- */

static void put_base64(FILE *out, const struct md_file *file) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < file->size; i += 3) {
        const size_t left = file->size - i;
        const unsigned long bits = (unsigned long)file->bytes[i] << 16 |
                                   (left > 1 ? (unsigned long)file->bytes[i + 1] << 8 : 0) |
                                   (left > 2 ? file->bytes[i + 2] : 0);
        for (int d = 0; d < 4; d++)
            putc(d > (int)left ? '=' : digits[bits >> (18 - 6 * d) & 63], out);
    }
}

/* type: "png" or "svg+xml". */
static int put_figure(const struct page *page, const char *path, const char *type,
                      const char *what) {
    struct md_file file;
    MD_TRY(md_file_read(path, &file, page->error));
    fprintf(page->out, "<p><img alt=\"");
    put(page->out, what);
    fprintf(page->out, "\" src=\"data:image/%s;base64,", type);
    put_base64(page->out, &file);
    fputs("\"></p>\n", page->out);
    md_file_free(&file);
    return MD_OK;
}

/* The path, beside the page, at which a figure is drawn before it is copied into the page. */
static int figure_path(const struct page *page, char path[MD_PATH_MAX]) {
    char temporary[MD_PATH_MAX];
    MD_TRY(md_temporary_path(temporary, page->output, page->error));
    return md_path_format(path, page->error, "%s.svg", temporary);
}

static int put_groups_figure(const struct page *page) {
    char path[MD_PATH_MAX];
    MD_TRY(figure_path(page, path));
    MD_TRY(md_draw_groups(&page->groups, page->runs.count, path, page->error));
    int status = put_figure(page, path, "svg+xml", "RMSE of every group");
    unlink(path);
    return status;
}

static int put_curve(const struct page *page, const struct md_group *group) {
    const struct md_finished_run *run = group->runs[0];
    struct md_cell_history history;
    char path[MD_PATH_MAX];
    MD_TRY(md_cell_read_history(run->path, &history, page->error));
    const struct md_loss_curve curve = {.title = group->label[0] != '\0' ? group->label : "run",
                                        .epochs = history.epochs,
                                        .history = history.epoch,
                                        .rmse_before_m = (double)NAN,
                                        .rmse_dummy_m = (double)NAN};
    int status = figure_path(page, path);
    MD_THEN(status, md_plot_loss_curve(path, &curve, page->error));
    md_cell_history_free(&history);
    if (status != MD_OK)
        return status;
    status = put_figure(page, path, "svg+xml", "losses over the epochs");
    unlink(path);
    return status;
}

/* Of the first run of each group that has more than one epoch. */
static int put_curves(const struct page *page) {
    int drawn = 0;
    for (size_t g = 0; g < page->groups.count && drawn < MOST_CURVES; g++) {
        const struct md_cell *first = &page->groups.groups[g].runs[0]->cell;
        if (first->epochs_done < 2 || first->diverged)
            continue;
        if (drawn++ == 0)
            fputs("<h2>Losses</h2><p>The first run of each group.</p>\n", page->out);
        MD_TRY(put_curve(page, &page->groups.groups[g]));
    }
    return MD_OK;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static const char *const shown_names[] = {"before.rmse_m", "rmse_m",      "dummy.rmse_m",
                                          "abs_rel",       "delta1",      "no_prediction",
                                          "seconds",       "arena_bytes", "skipped_steps"};
enum { SHOWN = sizeof shown_names / sizeof *shown_names };

static int put_groups(const struct page *page, const struct md_quantity *shown) {
    struct md_listing l = {.error = page->error};
    fputs("<h2>Groups</h2><p>Runs that differ in their seeds only: means and standard deviations; "
          "runs that diverged are not in them. A click on a title sorts.</p>\n",
          page->out);
    for (size_t g = 0; g < page->groups.count; g++) {
        const struct md_group *group = &page->groups.groups[g];
        md_listing_settings(&l, &group->runs[0]->cell.config, page->groups.keys,
                            page->groups.key_count);
        md_listing_number(&l, "runs", 0, (double)group->count);
        md_listing_number(&l, "diverged", 0, (double)group->diverged);
        for (int s = 0; s < SHOWN; s++) {
            const struct md_measure m = md_group_measure(group, &shown[s]);
            md_listing_mean(&l, shown[s].name, shown[s].decimals, m.mean, m.deviation);
        }
        md_listing_end_row(&l);
    }
    return put_table(page->out, &l, PLAIN);
}

static const char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static int put_runs(const struct page *page, const struct md_quantity *shown) {
    struct md_listing l = {.error = page->error};
    fputs("<h2>Runs</h2>\n", page->out);
    for (size_t i = 0; i < page->runs.count; i++) {
        const struct md_finished_run *run = page->runs.runs[i];
        md_listing_word(&l, "run", name_of(run->path));
        md_listing_settings(&l, &run->cell.config, page->groups.keys, page->groups.key_count);
        md_listing_number(&l, "seed", 0, (double)run->cell.config.seed);
        for (int s = 0; s < SHOWN; s++)
            md_listing_number(&l, shown[s].name, shown[s].decimals,
                              md_quantity_of(&shown[s], &run->cell));
        md_listing_word(&l, "code", run->cell.code_version);
        md_listing_word(&l, "host", run->cell.host);
        md_listing_end_row(&l);
    }
    return put_table(page->out, &l, LINKS);
}

static void put_attribute(FILE *out, const struct md_cell_attribute *attribute,
                          const struct md_cell *of) {
    const struct md_cell_value value = md_cell_value(of, attribute);
    put_texts(out, "<tr><th>", attribute->object, strcmp(attribute->object, "/") == 0 ? "" : "/");
    put_texts(out, "", attribute->name, "<td class=text>");
    if (attribute->type == MD_H5_TEXT)
        put(out, value.text);
    else if (attribute->type == MD_H5_INTEGER)
        fprintf(out, "%lld", value.whole);
    else if (!isnan(value.real))
        fprintf(out, "%.6g", value.real);
}

/* Config, provenance, and the figures that `run --figures` has put beside the cell. */
static int put_details(const struct page *page, size_t i) {
    static const char *const endings[] = {"sheet", "loss"};
    const struct md_finished_run *run = page->runs.runs[i];
    static char config[CONFIG_SIZE];
    char path[MD_PATH_MAX];
    md_config_format(&run->cell.config, 1, config, sizeof config);
    fprintf(page->out, "<details id=run%zu><summary>", i);
    put_texts(page->out, "", run->path, run->cell.diverged ? " <b class=bad>diverged</b>" : "");
    put_texts(page->out, "</summary>\n<p><code>", run->cell.command, "</code></p><pre>");
    put_texts(page->out, "", config, "</pre>\n<div class=wide><table>");
    for (size_t a = 0; a < md_cell_attribute_count; a++)
        if (strcmp(md_cell_attributes[a].object, "/config") != 0)
            put_attribute(page->out, &md_cell_attributes[a], &run->cell);
    fputs("</table></div>\n", page->out);
    for (int e = 0; e < 2; e++) {
        const size_t bare = md_bare_length(run->path, (const char *const[]){".h5", NULL});
        MD_TRY(md_path_format(path, page->error, "%.*s.%s.png", (int)bare, run->path, endings[e]));
        if (bare > 0 && access(path, F_OK) == 0)
            MD_TRY(put_figure(page, path, "png", endings[e]));
    }
    fputs("</details>\n", page->out);
    return MD_OK;
}

/* ---- what is not there ------------------------------------------------------------------------
 */

static int add_sweep(struct page *page, const char *folder) {
    struct md_grid grid = {0};
    struct md_sweep sweep = {.folder = folder, .grid = &grid};
    int status = md_sweep_grid(folder, &grid, page->error);
    MD_THEN(status, md_sweep_visit(&sweep, page->error));
    if (status != MD_OK) {
        md_grid_free(&grid);
        return status;
    }
    for (size_t i = 0; status == MD_OK && i < grid.count; i++) {
        struct md_cell_status cell_status;
        status = md_sweep_inspect(&sweep, i, &cell_status, page->error);
        if (status != MD_OK || cell_status.state == MD_DONE)
            continue;
        md_listing_word(&page->missing, "sweep", folder);
        md_listing_word(&page->missing, "cell", grid.cells[i].name);
        md_listing_word(&page->missing, "state", md_cell_state_names[cell_status.state]);
        md_listing_word(&page->missing, "why", cell_status.why);
        md_listing_end_row(&page->missing);
    }
    md_sweep_leave(&sweep);
    md_grid_free(&grid);
    return status;
}

/* Of the sweep in a folder, or of those below it. */
static int add_sweeps(struct page *page, const char *folder, int depth) {
    enum { MOST_DEPTH = 16 };
    struct md_names names = {0};
    char path[MD_PATH_MAX];
    if (md_is_sweep(folder))
        return add_sweep(page, folder);
    int status = md_names_of_folder(folder, &names, page->error);
    for (size_t n = 0; status == MD_OK && n < names.count && depth < MOST_DEPTH; n++) {
        status = md_path_format(path, page->error, "%s/%s", folder, names.names[n]);
        if (status == MD_OK && md_is_folder(path) && access(path, R_OK | X_OK) == 0)
            status = add_sweeps(page, path, depth + 1);
    }
    md_names_free(&names);
    return status;
}

static int put_missing(struct page *page) {
    MD_TRY(add_sweeps(page, page->folder, 0));
    page->missing_count = page->missing.row_count;
    if (page->missing_count == 0)
        return page->missing.status;
    fputs("<h2>What is not there</h2>\n", page->out);
    return put_table(page->out, &page->missing, PROSE);
}

/* ---- the page -------------------------------------------------------------------------------- */

static int put_page(struct page *page, const char *title) {
    struct md_quantity shown[SHOWN];
    for (int s = 0; s < SHOWN; s++)
        MD_TRY(md_quantity_parse(shown_names[s], &shown[s], page->error));
    put_texts(page->out, head, title, "</title></head><body>\n<h1>");
    put_texts(page->out, "", title, "</h1>\n");
    fprintf(page->out, "<p>%zu runs in %zu groups, of ", page->runs.count, page->groups.count);
    put_texts(page->out, "", page->folder, "; made by mudepth ");
    put_texts(page->out, "", md_code_version(), ".</p>\n");
    for (size_t i = 0; i < page->runs.notes.count; i++)
        put_texts(page->out, i == 0 ? "<h2>Notes</h2><ul>\n<li>" : "<li>",
                  page->runs.notes.names[i], i + 1 == page->runs.notes.count ? "</ul>\n" : "\n");
    MD_TRY(put_groups(page, shown));
    MD_TRY(put_groups_figure(page));
    MD_TRY(put_missing(page));
    MD_TRY(put_runs(page, shown));
    MD_TRY(put_curves(page));
    fputs("<h2>Each run: its config, provenance and figures</h2>\n", page->out);
    for (size_t i = 0; i < page->runs.count; i++)
        MD_TRY(put_details(page, i));
    fputs(script, page->out);
    return MD_OK;
}

static int write_page(struct page *page, const char *title) {
    struct md_new_file file;
    MD_TRY(md_new_file_open(page->output, &file, page->error));
    page->out = file.stream;
    int status = put_page(page, title);
    return md_new_file_finish(&file, status, page->error);
}

static int run(const struct md_invocation *call, struct md_error *error) {
    const struct options *o = call->options;
    struct page page = {
        .folder = call->words[0], .output = o->output, .missing.error = error, .error = error};
    int status = MD_OK;
    if (!md_is_folder(page.folder))
        return md_fail(error, MD_FAILED, "%.400s: expected a folder of runs", page.folder);
    status = md_runs_read(&page.runs, page.folder, error);
    if (status == MD_OK && page.runs.count == 0)
        status =
            md_fail(error, MD_FAILED, "%.400s: expected finished cells, found none", page.folder);
    MD_THEN(status, md_groups_make(&page.runs, o->by, &page.groups, error));
    MD_THEN(status, write_page(&page, o->title != NULL ? o->title : page.folder));
    if (status == MD_OK) {
        printf("%s: %zu runs in %zu groups, %zu cells not there\n", o->output, page.runs.count,
               page.groups.count, page.missing_count);
        status = md_runs_check(&page.runs, error);
    }
    md_listing_free(&page.missing);
    md_groups_free(&page.groups);
    md_runs_free(&page.runs);
    return status;
}

static const struct md_option options[] = {
    MD_OPT("output", 'o', OUTPUT, output, "FILE.html", "the page", .is_required = 1),
    MD_OPT("by", 0, TEXT, by, "KEY,...",
           "keys of the config that make a group (default: every key in which the cells differ, "
           "but `seed`)"),
    MD_OPT("title", 0, TEXT, title, "TEXT", "its title (default: the folder)"),
    {0}};

const struct md_command md_command_report = {
    .name = "report",
    .summary = "a folder of runs as one page of HTML",
    .words = {{"FOLDER", MD_WORD_PATH, MD_ONE, NULL}},
    MD_OPTIONS(options),
    .notes = "The page needs nothing but itself, neither other files nor a network: tables of "
             "groups and runs that sort by a click, figures, notes, what failed or is missing in "
             "the sweeps, and each run's config and provenance, with the figures of mudepth run "
             "that lie beside a cell. A file that is no whole cell is named in a "
             "note, and the exit code is 1.",
    .examples = "  mudepth report results/runs/demo -o demo.html\n"
                "  mudepth report results/runs -o all.html --by policy,format",
    .run = run};
