/* What is said of a sweep's cells. */
#include <string.h>

#include "cmd_sweep.h"
#include "listing.h"

void md_session_outcome(const struct md_cell_status *cell_status, char text[MD_OUTCOME_SIZE]) {
    char time[MD_DURATION_SIZE];
    md_duration(cell_status->seconds, time);
    if (cell_status->diverged)
        snprintf(text, MD_OUTCOME_SIZE, "diverged, %s", time);
    else
        snprintf(text, MD_OUTCOME_SIZE, "RMSE %.3f m, %s", cell_status->rmse_m, time);
}

static json_t *cell_json(const struct md_session *session, size_t i) {
    const struct md_cell_status *cell_status = &session->statuses[i];
    const struct md_grid_cell *cell = &session->grid.cells[i];
    json_t *settings = md_json_settings(&cell->config, session->grid.keys, session->grid.key_count);
    int done = cell_status->state == MD_DONE;
    int runs = cell_status->state == MD_RUNNING, has_why = cell_status->why[0] != '\0';
    int measured = done && !cell_status->diverged;
    json_t *json =
        json_pack("{s:s, s:s, s:o, s:b, s:o, s:o, s:o, s:o}", "name", cell->name, "state",
                  md_cell_state_names[cell_status->state], "settings", settings, "diverged",
                  cell_status->diverged, "rmse_m",
                  measured ? md_json_number(cell_status->rmse_m) : json_null(), "seconds",
                  done ? md_json_number(cell_status->seconds) : json_null(), "error",
                  has_why && !runs ? md_json_prose(cell_status->why) : json_null(), "progress",
                  has_why && runs ? md_json_prose(cell_status->why) : json_null());
    if (session->costs != NULL && json != NULL) {
        const struct md_cell_cost *cost = &session->costs[i];
        json_object_set_new(json, "samples", json_integer((json_int_t)cost->samples));
        json_object_set_new(json, "macs", json_real(cost->macs));
        json_object_set_new(json, "expected_seconds", json_real(cost->seconds));
    }
    return json;
}

static int print_json(const struct md_session *session, const size_t counts[MD_STATE_COUNT],
                      size_t diverged, struct md_error *error) {
    json_t *cells = json_array(), *states = json_object();
    for (size_t i = 0; i < session->grid.count; i++)
        json_array_append_new(cells, cell_json(session, i));
    for (int s = 0; s < MD_STATE_COUNT; s++)
        json_object_set_new(states, md_cell_state_names[s], json_integer((json_int_t)counts[s]));
    return md_print_json(json_pack("{s:s, s:s, s:o, s:I, s:o}", "folder", session->folder, "grid",
                                   session->grid.hash, "counts", states, "diverged",
                                   (json_int_t)diverged, "cells", cells),
                         error);
}

static int name_width(const struct md_grid *grid) {
    size_t width = 0;
    for (size_t i = 0; i < grid->count; i++)
        width = strlen(grid->cells[i].name) > width ? strlen(grid->cells[i].name) : width;
    return (int)width;
}

static void print_cell(const struct md_session *session, size_t i, int width) {
    const struct md_cell_status *cell_status = &session->statuses[i];
    char settings[MD_SETTINGS_SIZE], time[MD_DURATION_SIZE];
    int is_last =
        session->costs == NULL && cell_status->state != MD_DONE && cell_status->why[0] == '\0';
    printf("%-10s  %-*s", md_cell_state_names[cell_status->state], is_last ? 0 : width,
           session->grid.cells[i].name);
    if (cell_status->state == MD_DONE) {
        char outcome[MD_OUTCOME_SIZE];
        md_session_outcome(cell_status, outcome);
        printf("  %s", outcome);
    }
    if (session->costs != NULL && cell_status->state != MD_UNFIT) {
        md_grid_settings(&session->grid, i, settings);
        printf("  %zu samples, %.3g MAC, about %s: %s", session->costs[i].samples,
               session->costs[i].macs, md_duration(session->costs[i].seconds, time), settings);
    }
    printf("%s%s\n", cell_status->why[0] != '\0' ? "  " : "", cell_status->why);
}

int md_session_report(const struct md_session *session, int all, int workers, int json,
                      struct md_error *error) {
    size_t counts[MD_STATE_COUNT] = {0}, diverged = 0;
    double left_s = 0.0;
    char time[MD_DURATION_SIZE];
    for (size_t i = 0; i < session->grid.count; i++) {
        counts[session->statuses[i].state]++;
        diverged += (size_t)session->statuses[i].diverged;
        if (session->costs != NULL && session->statuses[i].state != MD_DONE)
            left_s += session->costs[i].seconds;
    }
    if (json)
        return print_json(session, counts, diverged, error);
    printf("%s: %zu cell%s:", session->folder, session->grid.count,
           session->grid.count > 1 ? "s" : "");
    const char *between = " ";
    for (int s = 0; s < MD_STATE_COUNT; s++)
        if (counts[s] > 0) {
            printf("%s%zu %s", between, counts[s], md_cell_state_names[s]);
            if (s == MD_DONE && diverged > 0)
                printf(" (%zu diverged)", diverged);
            between = ", ";
        }
    if (session->costs != NULL && left_s > 0.0)
        printf("; about %s of training left for %d worker%s", md_duration(left_s / workers, time),
               workers, workers > 1 ? "s" : "");
    printf("\n");
    int width = name_width(&session->grid);
    for (size_t i = 0; i < session->grid.count; i++)
        if (all || session->statuses[i].why[0] != '\0' || session->statuses[i].diverged)
            print_cell(session, i, width);
    return MD_OK;
}
