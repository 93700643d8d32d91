#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cell_parts.h"

#define WHERE "/checkpoint"

/* ---- the engine's state: what changes, in the network's order, whatever the plan ------------ */

static const char *const kept_names[MD_KEEPS_COUNT] = {
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

static void pass(struct md_pen *pen, int reads, const char *name, size_t bytes, void *values) {
    if (reads)
        md_take_array(pen, name, H5T_NATIVE_UINT8, bytes, values);
    else
        md_pen_array(pen, name, H5T_NATIVE_UINT8, bytes, values);
}

/* Writes or reads the weights that learn and what the optimizer keeps of them. The others are the
 * initial ones, whose digest is in the identity. */
static void pass_engine(struct md_pen *pen, int reads, const struct md_engine *engine) {
    const struct md_plan *plan = &engine->plan;
    size_t size = plan->learning * md_format_bytes[engine->setup.ops->format];
    unsigned char *weights = malloc(size + 1);
    if (weights == NULL) {
        pen->status = md_fail(pen->error, MD_FAILED, "out of memory");
        return;
    }
    copy_learning(engine, 0, weights);
    long long kept = (long long)md_plan_kept_bytes(plan);
    if (reads)
        md_take_integer(pen, WHERE, "optimizer_bytes_per_parameter", kept, kept, &kept);
    else
        md_pen_integer(pen, WHERE, "optimizer_bytes_per_parameter", kept);
    pass(pen, reads, WHERE "/weights", size, weights);
    if (reads && pen->status == MD_OK)
        copy_learning(engine, 1, weights);
    free(weights);
    for (int k = 0; k < MD_KEEPS_COUNT; k++)
        if (plan->keeps[k].bytes > 0)
            pass(pen, reads, kept_names[k], plan->learning * plan->keeps[k].bytes,
                 engine->arena + plan->keeps[k].offset);
}

int md_checkpoint_write(const char *path, struct md_run *run, const char *identity,
                        struct md_error *error) {
    struct md_h5_writer writer;
    int status = md_h5_create(path, &writer, error);
    if (status != MD_OK)
        return status;
    const struct md_position *at = &run->position;
    const struct md_progress *progress = &run->engine.progress;
    struct md_effort effort = md_run_effort(run);
    struct md_pen pen = {writer.file, error, MD_OK};
    md_pen_head(&pen, MD_CHECKPOINT_KIND, run, identity);
    md_pen_group(&pen, WHERE);
    md_pen_integer(&pen, WHERE, "epoch", at->epoch);
    md_pen_integer(&pen, WHERE, "step", at->step);
    md_pen_integer(&pen, WHERE, "best_epoch", at->best_epoch);
    md_pen_integer(&pen, WHERE, "diverged_epoch", at->diverged_epoch);
    md_pen_integer(&pen, WHERE, "optimizer_steps", (long long)progress->steps);
    md_pen_integer(&pen, WHERE, "skipped_steps", (long long)progress->skipped);
    md_pen_real(&pen, WHERE, "loss_sum", at->loss_sum);
    md_pen_real(&pen, WHERE, "loss_valid", at->loss_valid);
    md_pen_real(&pen, WHERE, "best_loss", at->best_loss);
    md_pen_real(&pen, WHERE, "correction1", progress->correction1);
    md_pen_real(&pen, WHERE, "correction2", progress->correction2);
    md_pen_text(&pen, WHERE, "run_digest", at->digest);
    md_pen_text(&pen, WHERE, "started", run->started);
    md_pen_real(&pen, WHERE, "training_wall_seconds", at->seconds);
    md_pen_real(&pen, WHERE, "training_cpu_seconds", at->cpu_seconds);
    md_pen_real(&pen, WHERE, "wall_seconds", effort.wall_seconds);
    md_pen_real(&pen, WHERE, "cpu_seconds", effort.cpu_seconds);
    md_pen_integer(&pen, WHERE, "peak_memory_bytes", effort.peak_memory_bytes);
    pass_engine(&pen, 0, &run->engine);
    md_pen_array(&pen, WHERE "/best_weights", H5T_NATIVE_FLOAT, md_parameter_total(run->network),
                 run->best_weights);
    md_pen_epochs(&pen, WHERE "/epochs", run);
    md_pen_array(&pen, WHERE "/step_losses", H5T_NATIVE_DOUBLE, 3 * run->step_losses.rows,
                 run->step_losses.sums);
    return md_h5_finish(&writer, pen.status, error);
}

/* Reads everything into the run. What it changes on a failure does not matter: the run is then
 * given up. */
static void take_state(struct md_pen *pen, struct md_run *run) {
    struct md_position *at = &run->position;
    long long epoch = 0, step = 0, best_epoch = 0, diverged_epoch = 0, steps = 0, skipped = 0;
    long long most_steps = md_run_steps_an_epoch(run);
    double correction1 = 0, correction2 = 0;
    md_take_integer(pen, WHERE, "epoch", 0, run->config.epochs, &epoch);
    md_take_integer(pen, WHERE, "step", 0, most_steps, &step);
    md_take_integer(pen, WHERE, "best_epoch", 0, epoch, &best_epoch);
    md_take_integer(pen, WHERE, "diverged_epoch", 0, epoch, &diverged_epoch);
    md_take_integer(pen, WHERE, "optimizer_steps", 0, epoch * most_steps + step, &steps);
    md_take_integer(pen, WHERE, "skipped_steps", 0, epoch * most_steps + step - steps, &skipped);
    md_take_real(pen, WHERE, "loss_sum", &at->loss_sum);
    md_take_real(pen, WHERE, "loss_valid", &at->loss_valid);
    md_take_real(pen, WHERE, "best_loss", &at->best_loss);
    md_take_real(pen, WHERE, "correction1", &correction1);
    md_take_real(pen, WHERE, "correction2", &correction2);
    md_take_text(pen, WHERE, "run_digest", sizeof at->digest, at->digest);
    md_take_text(pen, WHERE, "started", sizeof run->started, run->started);
    md_take_real(pen, WHERE, "training_wall_seconds", &at->seconds);
    md_take_real(pen, WHERE, "training_cpu_seconds", &at->cpu_seconds);
    md_take_real(pen, WHERE, "wall_seconds", &run->earlier.wall_seconds);
    md_take_real(pen, WHERE, "cpu_seconds", &run->earlier.cpu_seconds);
    md_take_integer(pen, WHERE, "peak_memory_bytes", 0, LLONG_MAX, &run->earlier.peak_memory_bytes);
    pass_engine(pen, 1, &run->engine);
    md_take_array(pen, WHERE "/best_weights", H5T_NATIVE_FLOAT, md_parameter_total(run->network),
                  run->best_weights);
    size_t epochs = md_take_epochs(pen, WHERE "/epochs", (size_t)run->config.epochs, run->history);
    if (pen->status == MD_OK && epochs != (size_t)epoch)
        pen->status = md_fail(pen->error, MD_FAILED, "%s: expected %lld epochs, found %zu", WHERE,
                              epoch, epochs);
    md_take_array(pen, WHERE "/step_losses", H5T_NATIVE_DOUBLE, 3 * run->step_losses.rows,
                  run->step_losses.sums);
    at->epoch = (int)epoch;
    at->step = (int)step;
    at->best_epoch = (int)best_epoch;
    at->diverged_epoch = (int)diverged_epoch;
    run->engine.progress = (struct md_progress){(uint64_t)steps, (float)correction1,
                                                (float)correction2, (uint64_t)skipped};
}

int md_checkpoint_read(const char *path, struct md_run *run, const char *identity,
                       struct md_error *error) {
    hid_t file;
    char found[33] = "";
    int status = md_h5_open(path, &file, error);
    if (status != MD_OK)
        return status;
    struct md_pen pen = {file, error, MD_OK};
    md_take_kind(&pen, MD_CHECKPOINT_KIND, found);
    if (pen.status == MD_OK && strcmp(found, identity) != 0)
        pen.status = md_fail(error, MD_FAILED,
                             "%.400s: belongs to another run: config, data, initial weights or "
                             "numerics differ",
                             path);
    if (pen.status == MD_OK)
        take_state(&pen, run);
    H5Fclose(file);
    return pen.status;
}
