/* A grid's cells: their hashes, their names, and the file that gives them again. */
#include "grid_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/digest.h"
#include "config_keys.h"
#include "train.h"

enum { CONFIG_SIZE = 32768 };

void md_grid_free(struct md_grid *grid) {
    free(grid->cells);
    free(grid->keys);
    *grid = (struct md_grid){.count = 0};
}

/* ---- hashes and names ------------------------------------------------------------------------ */

static int differs(const struct md_grid *grid, int key) {
    for (size_t i = 1; i < grid->count; i++)
        if (md_config_order(&grid->cells[i].config, &grid->cells[0].config, key) != 0)
            return 1;
    return 0;
}

static int find_keys(struct md_grid *grid, struct md_error *error) {
    char name[MD_CONFIG_NAME_SIZE];
    int keys = 0;
    while (md_config_key(keys, name) == 0)
        keys++;
    free(grid->keys);
    grid->key_count = 0;
    grid->keys = calloc((size_t)keys + 1, sizeof *grid->keys);
    MD_TRY(md_check_memory(grid->keys != NULL, error));
    for (int key = 0; key < keys; key++)
        if (differs(grid, key))
            grid->keys[grid->key_count++] = key;
    return MD_OK;
}

/* A run's identity has the digests of files. Here they have not been opened: where cells name
 * different files, their names are hashed. */
static void hash_cell(const struct md_grid *grid, struct md_grid_cell *cell) {
    char text[CONFIG_SIZE], value[MD_CONFIG_VALUE_SIZE];
    size_t length = md_config_format(&cell->config, 0, text, sizeof text);
    for (int k = 0; k < grid->key_count; k++) {
        if (!md_config_by_digest(grid->keys[k]) || length >= sizeof text)
            continue;
        md_config_value(&cell->config, grid->keys[k], value);
        length +=
            (size_t)snprintf(text + length, sizeof text - length, "%d %s\n", grid->keys[k], value);
    }
    if (cell->needs_bytes > 0 && length < sizeof text) /* then the budget tells cells apart */
        length += (size_t)snprintf(text + length, sizeof text - length, "does not fit %d %s\n",
                                   cell->config.budget_kb, cell->config.plan);
    md_digest_text(XXH3_128bits(text, length < sizeof text ? length : sizeof text - 1), cell->hash);
}

/* A cell's hash, and which cell. */
struct hashed {
    char hash[MD_DIGEST_SIZE];
    size_t cell;
};

/* By hash, and of equal ones the first cell first. */
static int compare_hashes(const void *a, const void *b) {
    const struct hashed *x = a, *y = b;
    int order = memcmp(x->hash, y->hash, sizeof x->hash);
    return order != 0 ? order : (x->cell > y->cell) - (x->cell < y->cell);
}

/* Keeps the first of equal cells, `hashed` being sorted, and hashes the hashes that are left. */
static void drop_repeated(struct md_grid *grid, const struct hashed *hashed,
                          char (*hashes)[MD_DIGEST_SIZE]) {
    size_t kept = 0;
    for (size_t i = 0; i < grid->count; i++) {
        if (i > 0 && strcmp(hashed[i - 1].hash, hashed[i].hash) == 0)
            grid->cells[hashed[i].cell].hash[0] = '\0';
        else
            memcpy(hashes[kept++], hashed[i].hash, sizeof hashed[i].hash);
    }
    md_digest_text(XXH3_128bits(hashes, kept * sizeof *hashes), grid->hash);
    grid->repeated = grid->count - kept;
    kept = 0;
    for (size_t i = 0; i < grid->count; i++)
        if (grid->cells[i].hash[0] != '\0' && kept++ < i)
            grid->cells[kept - 1] = grid->cells[i];
    grid->count = kept;
}

/* Hashes all cells, and drops repeated ones. */
static int hash_cells(struct md_grid *grid, struct md_error *error) {
    struct hashed *hashed = malloc((grid->count + 1) * sizeof *hashed);
    char(*hashes)[MD_DIGEST_SIZE] = malloc((grid->count + 1) * sizeof *hashes);
    if (hashed == NULL || hashes == NULL) {
        free(hashed);
        free(hashes);
        return md_fail(error, MD_FAILED, "out of memory");
    }
    for (size_t i = 0; i < grid->count; i++) {
        hash_cell(grid, &grid->cells[i]);
        memcpy(hashed[i].hash, grid->cells[i].hash, sizeof hashed[i].hash);
        hashed[i].cell = i;
    }
    qsort(hashed, grid->count, sizeof *hashed, compare_hashes);
    drop_repeated(grid, hashed, hashes);
    free(hashed);
    free(hashes);
    return MD_OK;
}

/* A value as a part of a file's name: the end of a path, numbers with their key. */
static size_t name_value(const struct md_config *config, int key, char *text, size_t size) {
    char value[MD_CONFIG_VALUE_SIZE], name[MD_CONFIG_NAME_SIZE];
    md_config_key(key, name);
    md_config_value(config, key, value);
    const char *slash = strrchr(value, '/'), *dot = strrchr(name, '.');
    const char *shown = slash != NULL && slash[1] != '\0' ? slash + 1 : value;
    int is_number = isdigit((unsigned char)shown[0]);
    size_t length = (size_t)snprintf(text, size, "%s%.20s-",
                                     !is_number    ? ""
                                     : dot != NULL ? dot + 1
                                                   : name,
                                     shown);
    for (char *c = text; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("+.-_", *c) == NULL)
            *c = '_';
    return length;
}

static void name_cells(struct md_grid *grid) {
    enum { DIGITS = 12 };
    for (size_t i = 0; i < grid->count; i++) {
        struct md_grid_cell *cell = &grid->cells[i];
        size_t length = 0, size = sizeof cell->name - DIGITS;
        for (int k = 0; k < grid->key_count && length + 1 < size; k++)
            length += name_value(&cell->config, grid->keys[k], cell->name + length, size - length);
        length = length < size ? length : size - 1;
        if (length == 0 || cell->name[0] == '.') /* no hidden files */
            length = (size_t)snprintf(cell->name, size, "cell-");
        snprintf(cell->name + length, sizeof cell->name - length, "%.*s", DIGITS, cell->hash);
    }
}

int md_grid_identify(struct md_grid *grid, struct md_error *error) {
    int status = find_keys(grid, error);
    MD_THEN(status, hash_cells(grid, error));
    if (status == MD_OK) /* those of cells that were dropped do not count */
        status = find_keys(grid, error);
    if (status == MD_OK)
        name_cells(grid);
    return status;
}

/* ---- writing --------------------------------------------------------------------------------- */

void md_grid_settings(const struct md_grid *grid, size_t cell, char text[MD_SETTINGS_SIZE]) {
    size_t length = 0;
    text[0] = '\0';
    for (int k = 0; k < grid->key_count && length < MD_SETTINGS_SIZE; k++) {
        char name[MD_CONFIG_NAME_SIZE], value[MD_CONFIG_VALUE_SIZE];
        md_config_key(grid->keys[k], name);
        md_config_value(&grid->cells[cell].config, grid->keys[k], value);
        length += (size_t)snprintf(text + length, MD_SETTINGS_SIZE - length, "%s%s=%s",
                                   k > 0 ? " " : "", name, value);
    }
}

int md_grid_takes_lists(const char *name) {
    int key = md_config_find(name);
    return key >= 0 && md_config_kind(key) == MD_LIST_VALUE;
}

/* "key: value"; every value in quotes, but for lists. */
static void print_pair(FILE *to, const struct md_config *config, int key, const char *name) {
    char value[MD_CONFIG_VALUE_SIZE], quoted[QUOTED_SIZE];
    md_config_value(config, key, value);
    md_config_quote(value, quoted, sizeof quoted);
    fprintf(to, "%s: %s", name, md_grid_takes_lists(name) ? value : quoted);
}

/* Whether all cells have the same value of a key, and an effect of it. (What has none in one of
 * them has its default there.) */
static int is_common(const struct md_grid *grid, int key) {
    for (int k = 0; k < grid->key_count; k++)
        if (grid->keys[k] == key)
            return 0;
    for (size_t i = 0; i < grid->count; i++)
        if (!md_config_is_relevant(&grid->cells[i].config, key))
            return 0;
    return 1;
}

/* What makes the cell another than the others. */
static void print_cell(FILE *to, const struct md_grid *grid, const struct md_config *config) {
    char name[MD_CONFIG_NAME_SIZE];
    const char *between = "";
    fprintf(to, "  - {");
    for (int k = 0; k < grid->key_count; k++) {
        if (!md_config_is_relevant(config, grid->keys[k]))
            continue;
        md_config_key(grid->keys[k], name);
        fprintf(to, "%s", between);
        print_pair(to, config, grid->keys[k], name);
        between = ", ";
    }
    fprintf(to, "}\n");
}

char *md_grid_format(const struct md_grid *grid) {
    char *text = NULL, name[MD_CONFIG_NAME_SIZE];
    size_t size;
    int in_data = 0;
    FILE *to = open_memstream(&text, &size);
    if (to == NULL)
        return NULL;
    fprintf(to,
            "# A frozen sweep: what all cells have in common, then each of its %zu cells.\n"
            "grid: %s\n",
            grid->count, grid->hash);
    for (int key = 0; md_config_key(key, name) == 0; key++) {
        int of_data = strncmp(name, "data.", 5) == 0;
        if (!is_common(grid, key))
            continue;
        fprintf(to, "%s", of_data && !in_data ? "data:\n  " : of_data ? "  " : "");
        print_pair(to, &grid->cells[0].config, key, of_data ? name + 5 : name);
        fprintf(to, "\n");
        in_data = of_data;
    }
    fprintf(to, "also:\n");
    for (size_t i = 0; i < grid->count; i++)
        print_cell(to, grid, &grid->cells[i].config);
    int failed = ferror(to);
    if (fclose(to) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}
