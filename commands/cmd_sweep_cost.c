/* What a sweep's cells will cost. */
#include <stdlib.h>
#include <string.h>

#include "cmd_sweep.h"
#include "cost.h"

/* Whether trainings of both take the same time per multiply-accumulate, nearly. */
static int same_speed(const struct md_config *a, const struct md_config *b) {
    return a->format == b->format && a->threads == b->threads && a->network == b->network &&
           strcmp(a->backend, b->backend) == 0 && a->teacher_network == b->teacher_network &&
           (md_config_objective(a).distill > 0) == (md_config_objective(b).distill > 0);
}

/* From cells that are done, or else measured. */
static int find_rate(const struct md_session *session, size_t i, double *rate,
                     struct md_error *error) {
    const struct md_grid *grid = &session->grid;
    double macs = 0.0, seconds = 0.0;
    for (size_t c = 0; c < grid->count; c++)
        if (session->statuses[c].state == MD_DONE &&
            same_speed(&grid->cells[c].config, &grid->cells[i].config)) {
            macs += session->costs[c].macs;
            seconds += session->statuses[c].seconds;
        }
    *rate = macs / (seconds + 1e-9);
    return macs > 0.0 && seconds > 0.0 ? MD_OK : md_cost_rate(&grid->cells[i].config, rate, error);
}

static int same_data(const struct md_grid *grid, const struct md_config *a,
                     const struct md_config *b) {
    for (int k = 0; k < grid->key_count; k++) {
        char name[MD_CONFIG_NAME_SIZE];
        md_config_key(grid->keys[k], name);
        if (strncmp(name, "data.", 5) == 0 && md_config_order(a, b, grid->keys[k]) != 0)
            return 0;
    }
    return 1;
}

int md_session_estimate(struct md_session *session, struct md_error *error) {
    const struct md_grid *grid = &session->grid;
    int status = MD_OK;
    session->costs = calloc(grid->count, sizeof *session->costs);
    MD_TRY(md_check_memory(session->costs != NULL, error));
    for (size_t i = 0; i < grid->count && status == MD_OK; i++) {
        const struct md_config *config = &grid->cells[i].config;
        size_t same = 0; /* an earlier cell with the same data */
        while (same < i && !same_data(grid, &grid->cells[same].config, config))
            same++;
        if (same < i)
            session->costs[i].samples = session->costs[same].samples;
        else
            status = md_cost_samples(config, &session->costs[i].samples, error);
        if (session->statuses[i].state != MD_UNFIT)
            session->costs[i].macs = md_cost_macs(config, session->costs[i].samples);
    }
    for (size_t i = 0; i < grid->count && status == MD_OK; i++) {
        size_t same = 0;
        double rate = 0.0;
        while (same < i && (session->costs[same].macs == 0.0 ||
                            !same_speed(&grid->cells[same].config, &grid->cells[i].config)))
            same++;
        if (session->costs[i].macs == 0.0)
            continue;
        if (same < i)
            rate = session->costs[same].macs / session->costs[same].seconds;
        else
            status = find_rate(session, i, &rate, error);
        session->costs[i].seconds = session->costs[i].macs / rate;
    }
    return status;
}
