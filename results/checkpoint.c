#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cell_parts.h"

#define WHERE "/checkpoint"

/* ---- the engine's state: what changes, in the network's order, whatever the plan ------------ */

static const char *const state_names[MD_STATE_ARRAYS] = {
    [MD_FIRST_MOMENT] = WHERE "/first_moment",
    [MD_SECOND_MOMENT] = WHERE "/second_moment",
    [MD_BESIDE_WEIGHT] = WHERE "/beside_weight",
};

/* Copies the weights that learn, as they are in the engine, to or from `bytes`. */
static void copy_learning(const struct md_engine *engine, int to_engine, unsigned char *bytes) {
    const struct md_network *network = engine->setup.network;
    for (int l = 0; l <= network->layer_count; l++) {
        if (!engine->plan.learns[l])
            continue;
        size_t bytes_each = md_format_bytes[engine->setup.ops->format];
        void *weights = (unsigned char *)md_engine_weights(engine, l) +
                        md_plan_frozen(network, &engine->plan, l) * bytes_each;
        size_t size = md_plan_learning(network, &engine->plan, l) * bytes_each;
        memcpy(to_engine ? weights : bytes, to_engine ? bytes : weights, size);
        bytes += size;
    }
}

/* The weights that learn and what the optimizer keeps of them. The others are the initial ones,
 * whose digest is in the identity. */
static void archive_engine(struct md_archive *ar, const struct md_engine *engine) {
    const struct md_plan *plan = &engine->plan;
    size_t size = plan->learning * md_format_bytes[engine->setup.ops->format];
    unsigned char *weights = malloc(size + 1);
    MD_THEN(ar->status, md_check_memory(weights != NULL, ar->error));
    if (weights == NULL)
        return;
    copy_learning(engine, 0, weights);
    long long state_bytes = (long long)md_plan_state_bytes(plan);
    md_archive_integer(ar, WHERE, "optimizer_bytes_per_parameter", state_bytes, state_bytes,
                       &state_bytes);
    md_archive_array(ar, WHERE "/weights", H5T_NATIVE_UINT8, size, weights);
    if (ar->reads && ar->status == MD_OK)
        copy_learning(engine, 1, weights);
    free(weights);
    for (int k = 0; k < MD_STATE_ARRAYS; k++)
        if (plan->state[k].bytes > 0)
            md_archive_array(ar, state_names[k], H5T_NATIVE_UINT8,
                             plan->learning * plan->state[k].bytes,
                             engine->arena + plan->state[k].offset);
}

static void archive_epochs(struct md_archive *ar, struct md_run *run, long long epoch) {
    if (!ar->reads) {
        md_archive_write_epochs(ar, WHERE "/epochs", run);
        return;
    }
    size_t epochs =
        md_archive_read_epochs(ar, WHERE "/epochs", (size_t)run->config.epochs, run->history);
    if (ar->status == MD_OK && epochs != (size_t)epoch)
        ar->status = md_fail(ar->error, MD_FAILED, "%s: expected %lld epochs, found %zu", WHERE,
                             epoch, epochs);
}

/* Writes the run's state, or reads it. (When reading fails half-way the run is not used any more.)
 */
static void archive_state(struct md_archive *ar, struct md_run *run, struct md_usage *usage) {
    struct md_position *at = &run->position;
    struct md_progress *progress = &run->engine.progress;
    long long most_steps = md_run_steps_an_epoch(run);
    long long epoch = at->epoch, step = at->step, best_epoch = at->best_epoch;
    long long diverged_epoch = at->diverged_epoch;
    long long steps = (long long)progress->steps, skipped = (long long)progress->skipped;
    double correction1 = progress->correction1, correction2 = progress->correction2;
    md_archive_integer(ar, WHERE, "epoch", 0, run->config.epochs, &epoch);
    md_archive_integer(ar, WHERE, "step", 0, most_steps, &step);
    md_archive_integer(ar, WHERE, "best_epoch", 0, epoch, &best_epoch);
    md_archive_integer(ar, WHERE, "diverged_epoch", 0, epoch, &diverged_epoch);
    md_archive_integer(ar, WHERE, "optimizer_steps", 0, epoch * most_steps + step, &steps);
    md_archive_integer(ar, WHERE, "skipped_steps", 0, epoch * most_steps + step - steps, &skipped);
    md_archive_real(ar, WHERE, "loss_sum", &at->loss_sum);
    md_archive_real(ar, WHERE, "loss_valid", &at->loss_valid);
    md_archive_real(ar, WHERE, "best_loss", &at->best_loss);
    md_archive_real(ar, WHERE, "correction1", &correction1);
    md_archive_real(ar, WHERE, "correction2", &correction2);
    md_archive_text(ar, WHERE, "run_digest", sizeof at->digest, at->digest);
    md_archive_text(ar, WHERE, "started", sizeof run->started, run->started);
    md_archive_real(ar, WHERE, "training_wall_seconds", &at->seconds);
    md_archive_real(ar, WHERE, "training_cpu_seconds", &at->cpu_seconds);
    md_archive_real(ar, WHERE, "wall_seconds", &usage->wall_seconds);
    md_archive_real(ar, WHERE, "cpu_seconds", &usage->cpu_seconds);
    md_archive_integer(ar, WHERE, "peak_memory_bytes", 0, LLONG_MAX, &usage->peak_memory_bytes);
    archive_engine(ar, &run->engine);
    md_archive_array(ar, WHERE "/best_weights", H5T_NATIVE_FLOAT, md_parameter_total(run->network),
                     run->best_weights);
    archive_epochs(ar, run, epoch);
    md_archive_array(ar, WHERE "/step_losses", H5T_NATIVE_DOUBLE, 3 * run->step_losses.rows,
                     run->step_losses.sums);
    at->epoch = (int)epoch;
    at->step = (int)step;
    at->best_epoch = (int)best_epoch;
    at->diverged_epoch = (int)diverged_epoch;
    *progress = (struct md_progress){(uint64_t)steps, (float)correction1, (float)correction2,
                                     (uint64_t)skipped};
}

int md_checkpoint_write(const char *path, struct md_run *run, const char *identity,
                        struct md_error *error) {
    struct md_h5_writer writer;
    MD_TRY(md_h5_create(path, &writer, error));
    struct md_usage usage = md_run_usage(run);
    struct md_archive ar = {writer.file, error, MD_OK, 0};
    md_archive_write_head(&ar, MD_CHECKPOINT_KIND, run, identity);
    md_archive_group(&ar, WHERE);
    archive_state(&ar, run, &usage);
    return md_h5_finish(&writer, ar.status, error);
}

int md_checkpoint_read(const char *path, struct md_run *run, const char *identity,
                       struct md_error *error) {
    struct md_archive ar;
    char found[33] = "";
    MD_TRY(md_archive_open(path, MD_CHECKPOINT_KIND, &ar, found, error));
    if (ar.status == MD_OK && strcmp(found, identity) != 0)
        ar.status = md_fail(error, MD_FAILED,
                            "%.400s: belongs to another run: config, data, initial weights or "
                            "numerics differ",
                            path);
    if (ar.status == MD_OK)
        archive_state(&ar, run, &run->earlier);
    return md_archive_close(&ar);
}
