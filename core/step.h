/* The training step: forward, loss, backward, update, for one network in one arena. */
#ifndef MD_CORE_STEP_H
#define MD_CORE_STEP_H

#include "plan.h"

/* The cores that share the work. run() calls work(argument, core) once on each core 0 .. cores-1
 * and returns when all have; barrier() is called by all of them within a run. One core needs
 * neither: a NULL team. */
struct md_team {
    int cores;
    void (*run)(struct md_team *team, void (*work)(void *argument, int core), void *argument);
    void (*barrier)(struct md_team *team);
};

/* What an observer is shown, with the layer it belongs to (loss gradient: the last one). A weight
 * gradient holds the weight's and behind it the bias's, as one row of one channel. */
enum md_observed { MD_SEE_ACTIVATION, MD_SEE_ERROR, MD_SEE_WEIGHT_GRADIENT };

/* Called with rows from .. to-1 of every tensor as soon as they are complete: whatever the plan,
 * each row of each tensor is shown once, a tensor's rows in ascending order, by one core at a time.
 * The values are in the engine's format; what the observer changes in them is what the step goes on
 * with (but not what it computes a second time, see plan.h). Errors are shown before the derivative
 * of the layer's own activation is applied. The order of tensors is the plan's; it does not depend
 * on the number of cores, which take turns, sample by sample. */
typedef void md_observe_fn(void *context, enum md_observed what, int layer, int slot,
                           const struct md_map *values, int from, int to);

/* How far the optimizer has come: with weights and optimizer state, all that a resumed run
 * needs. */
struct md_progress {
    uint64_t steps;
    float correction1, correction2; /* Adam: 1 - beta^steps */
    uint64_t skipped;               /* steps that changed nothing: see md_engine_train */
};

/* Memory that is not addressed but copied from and to: flash, or RAM beside the chip. Offsets and
 * sizes are multiples of MD_PLAN_ALIGNMENT bytes. Several cores may read at once. */
struct md_flash {
    void (*read)(const struct md_flash *flash, size_t offset, void *to, size_t bytes);
    void (*write)(const struct md_flash *flash, size_t offset, const void *from, size_t bytes);
    void *memory; /* the owner's */
    size_t bytes; /* its size */
};

/* Memory of one's own that stands for it. */
struct md_flash md_flash_in(void *memory, size_t bytes);

struct md_engine {
    struct md_setup setup;
    struct md_plan plan;
    struct md_team *team;
    unsigned char *arena;
    struct md_flash flash;   /* for parameters that do not learn, with MD_FLASH */
    struct md_update update; /* may be changed between steps (learning-rate schedules) */
    struct md_progress progress;
    md_observe_fn *observe;
    void *observe_context;
};

enum md_engine_error {
    MD_ENGINE_OK = 0,
    MD_ENGINE_ARENA_TOO_SMALL,
    MD_ENGINE_WRONG_TEAM,
    MD_ENGINE_NO_PLAN /* engine->plan.fault says why */
};

/* Prepares an engine: plans, and takes the arena (arena_bytes long, aligned to 64 bytes; it stays
 * the caller's, and must live as long as the engine). Weights are undefined and the optimizer's
 * state is zero afterwards. update and the observer are the caller's to set; and
 * flash (of plan.frozen_bytes), where the plan wants it, before weights are put in. The update's
 * loss scale must be 1, and its clip_norm 0, where the setup says that no update waits. */
enum md_engine_error md_engine_start(struct md_engine *engine, const struct md_setup *setup,
                                     struct md_team *team, void *arena, size_t arena_bytes);

/* All parameters, md_parameter_total floats in parameter order. What an update keeps beside a
 * weight starts anew: a master is the float itself, a compensation 0. */
void md_engine_set_weights(struct md_engine *engine, const float *weights);
void md_engine_put_weights(struct md_engine *engine, size_t first, size_t count,
                           const float *weights); /* only parameters first .. first+count-1 */
void md_engine_get_weights(const struct md_engine *engine, float *weights);

/* The same of a layer in the engine's format: its parameters first .. first+count-1, of which
 * biases are the last. */
void md_engine_read_weights(const struct md_engine *engine, int layer, size_t first, size_t count,
                            void *to);

/* A layer's weights in the engine's format, its biases behind them; NULL where they are in flash.
 */
void *md_engine_weights(const struct md_engine *engine, int layer);

/* The gradient of a layer that learns, of the last md_engine_train: summed over its samples and
 * still times the loss scale, in the engine's format, the weight's, where that learns, and behind
 * it the bias's. Only with a plan whose buffers are not shared: otherwise it is gone. */
const void *md_engine_gradient(const struct md_engine *engine, int layer);

/* What the optimizer keeps of a layer that learns; NULL where it keeps no such array. */
void *md_engine_layer_state(const struct md_engine *engine, enum md_state_array which, int layer);

/* Where a sample's (or with a batch of 1, any) buffer lies. */
void *md_engine_buffer(const struct md_engine *engine, int buffer, int copy);

/* Weights in the arena and optimizer state, one behind the other: the same setup and (flash) the
 * same frozen weights with these bytes and the same progress continue to the same bits. */
void *md_engine_whole_state(struct md_engine *engine, size_t *bytes);

/* A step uses up pictures and labels: where buffers are shared, they are overwritten.
 *
 * Puts a picture (3, height, width) and, for training, its label (disparity as large as the last
 * layer's output, -1 = no value) into slot 0 .. batch-1. */
void md_engine_set_picture(struct md_engine *engine, int slot, const uint8_t *picture);
/* With an objective that needs it (md_needs_pair): what a camera to the right of it saw. */
void md_engine_set_right_picture(struct md_engine *engine, int slot, const uint8_t *picture);
/* With one that distills (plan.h: teacher): what a teacher sees in it, in a stage. */
void md_engine_set_teacher(struct md_engine *engine, int slot, int layer, const int8_t *features);
void md_engine_set_label(struct md_engine *engine, int slot, const float *disparity);

/* Forward pass of slots 0 .. samples-1. */
void md_engine_forward(struct md_engine *engine, int samples);

/* The prediction of a slot after a forward pass: disparity, from layer network->output. */
void md_engine_output(const struct md_engine *engine, int slot, float *disparity);

/* Forward pass, loss and gradients of slots 0 .. samples-1; fb is one per slot. Then, unless the
 * batch has no valid pixel, one update of the parameters that learn. With a loss scale above 1, a
 * step with a gradient that is infinite or NaN changes nothing and is counted as skipped, as by
 * PyTorch's GradScaler (but the scale stays). Needs a setup that trains: without one the arena has
 * no labels and no gradients. */
void md_engine_train(struct md_engine *engine, int samples, const float *fb,
                     struct md_loss_report *report);

/* Loss of slots 0 .. samples-1 after a forward pass, without what is distilled; overwrites the
 * output gradients only. Needs a setup that trains. */
void md_engine_loss(struct md_engine *engine, int samples, const float *fb,
                    struct md_loss_report *report);

#endif
