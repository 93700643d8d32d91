/* Cells without runs: made up, and written as cell.c reads them, in as much time as it takes to
 * write a small file. Only static functions, so that every test file may include it. */
#ifndef MD_TESTS_CELLS_H
#define MD_TESTS_CELLS_H

#include <math.h>

#include "../results/cell.h"
#include "../results/cell_parts.h"
#include "scratch.h"

static struct md_error cell_error;

#define cell_ok(call) cr_assert_eq(call, MD_OK, "%s", cell_error.text)

/* A cell of the config that `words` make of a small one ("lr=0.1 seed=3"), after which all of its
 * numbers are `salt` and what is near it. Cells of another salt are other runs. */
static inline struct md_cell made_cell(const char *words, int salt) {
    char text[1000], *overrides[40];
    int count = 0;
    struct md_cell cell;
    memset(&cell, 0, sizeof cell);
    snprintf(text, sizeof text, "weights=scratch data.set=synthetic %s", words);
    for (char *word = strtok(text, " "); word != NULL && count < 40; word = strtok(NULL, " "))
        overrides[count++] = word;
    cell_ok(md_config_read(NULL, count, overrides, &cell.config, &cell_error));
    for (size_t a = 0; a < md_cell_attribute_count; a++) {
        const struct md_cell_attribute *about = &md_cell_attributes[a];
        char *field = (char *)&cell + about->offset;
        double real = 1.0 / 3.0 + salt + (double)a;
        long long whole = salt * 100LL + (long long)a;
        if (about->type == MD_H5_TEXT)
            snprintf(field, about->size, "%.9s é", about->name);
        else
            memcpy(field, about->type == MD_H5_REAL ? (void *)&real : &whole, about->size);
    }
    cell.diverged = 0;
    snprintf(cell.identity, sizeof cell.identity, "%032d", salt);
    for (int s = 0; s < 3; s++) {
        snprintf(cell.data_digests[s], sizeof cell.data_digests[s], "%032d", s);
        cell.data_samples[s] = 10 + s;
    }
    cell.cap_count = cell.config.caps.count;
    for (int c = 0; c < cell.cap_count; c++) {
        struct md_cell_scores *scores = &cell.scores[c];
        scores->cap_m = cell.config.caps.m[c];
        for (int p = 0; p < MD_PREDICTOR_COUNT; p++) {
            for (int m = 0; m < MD_METRIC_COUNT; m++)
                scores->of[p].value[m] = salt + 0.1 * p + 0.01 * m + 0.001 * c;
            scores->of[p].images = 5;
            scores->of[p].without_truth = (size_t)(p + c);
        }
    }
    return cell;
}

struct written_row {
    char predictor[8];
    double cap_m, value[MD_METRIC_COUNT];
    int64_t images, without_truth;
};

static inline void write_made_metrics(hid_t file, const struct md_cell *cell) {
#define ROW(name, type, field)                                                                     \
    { name, type, offsetof(struct written_row, field), sizeof((struct written_row *)0)->field, 0 }
#define METRIC(ID, NAME, TITLE, SHOWN, HELP)                                                       \
    {NAME, MD_H5_REAL, offsetof(struct written_row, value[MD_##ID]), sizeof(double), 0},
    static const struct md_h5_column columns[] = {
        ROW("predictor", MD_H5_TEXT, predictor),
        ROW("cap_m", MD_H5_REAL, cap_m),
        MD_METRICS(METRIC) ROW("images", MD_H5_INTEGER, images),
        ROW("without_truth", MD_H5_INTEGER, without_truth),
    };
#undef ROW
#undef METRIC
    enum { ROWS = MD_PREDICTOR_COUNT };
    struct written_row rows[ROWS * MD_MOST_CAPS];
    memset(rows, 0, sizeof rows);
    for (int r = 0; r < ROWS * cell->cap_count; r++) {
        const struct md_metrics *metrics = &cell->scores[r / ROWS].of[r % ROWS];
        strcpy(rows[r].predictor, md_predictor_names[r % ROWS]);
        rows[r].cap_m = cell->scores[r / ROWS].cap_m;
        memcpy(rows[r].value, metrics->value, sizeof rows[r].value);
        rows[r].images = (int64_t)metrics->images;
        rows[r].without_truth = (int64_t)metrics->without_truth;
    }
    cell_ok(md_h5_write_table(file, "/test/metrics", columns, sizeof columns / sizeof columns[0],
                              sizeof rows[0], (size_t)(ROWS * cell->cap_count), rows, &cell_error));
}

/* As many rows as the config has epochs, which is all that is read with a cell. */
static inline void write_made_epochs(hid_t file, const struct md_cell *cell) {
    static const struct md_h5_column epoch = {"epoch", MD_H5_INTEGER, 0, sizeof(int64_t), 0};
    int64_t *rows = calloc((size_t)cell->config.epochs + 1, sizeof *rows);
    cell_ok(md_h5_write_table(file, "/training/epochs", &epoch, 1, sizeof *rows,
                              (size_t)cell->config.epochs, rows, &cell_error));
    free(rows);
}

static inline void write_made_cell(const char *path, const struct md_cell *made) {
    static const char *const splits[] = {"/data/train", "/data/val", "/data/test"};
    static char config[MD_CELL_CONFIG_SIZE];
    static struct md_cell cell[1];
    struct md_h5_writer writer;
    *cell = *made;
    cell_ok(md_h5_create(path, &writer, &cell_error));
    struct md_archive ar = {writer.file, &cell_error, MD_OK, 0};
    md_config_format(&cell->config, 1, config, sizeof config);
    md_archive_write_text(&ar, "/", "kind", MD_CELL_KIND);
    md_archive_integer(&ar, "/", "layout", 0, 0, &(long long){MD_CELL_LAYOUT});
    md_archive_write_text(&ar, "/", "identity", cell->identity);
    md_archive_group(&ar, "/config");
    md_archive_write_text(&ar, "/config", "yaml", config);
    for (int s = 0; s < 3; s++) {
        md_archive_group(&ar, splits[s]);
        md_archive_integer(&ar, splits[s], "samples", 0, 0, &cell->data_samples[s]);
        md_archive_write_text(&ar, splits[s], "digest", cell->data_digests[s]);
    }
    md_archive_attributes(&ar, cell);
    cell_ok(ar.status);
    write_made_metrics(writer.file, cell);
    write_made_epochs(writer.file, cell);
    cell_ok(md_h5_finish(&writer, MD_OK, &cell_error));
}

#endif
