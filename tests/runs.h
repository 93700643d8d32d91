/* For tests of runs: a small one on the synthetic field, opened, trained and looked at in a line
 * each. */
#ifndef MD_TESTS_RUNS_H
#define MD_TESTS_RUNS_H

#include "../base/digest.h"
#include "../experiments/train.h"
#include "../results/cell.h"
#include "../results/weights.h"
#include "scratch.h"

static struct md_error run_error;

#define assert_ok(call) cr_assert_eq(call, MD_OK, "%s", run_error.text)

/* The base below, most of which is to be learned, changed by `words`: overrides between spaces, of
 * which a later one wins. */
static inline struct md_config config_of(const char *words) {
    enum { MOST = 40 };
    char text[1000], *overrides[MOST];
    int count = 0;
    struct md_config config;
    snprintf(text, sizeof text,
             "weights=scratch data.set=synthetic %s policy=full lr=0.003 batch=4 epochs=2 %s",
             strstr(words, "data.set=") == NULL ? "data.count=8 data.val=val[:2] data.test=test[:1]"
                                                : "",
             words);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        size_t key = strcspn(word, "=") + 1;
        int place = 0;
        while (place < count && strncmp(overrides[place], word, key) != 0)
            place++;
        cr_assert_lt(place, MOST);
        overrides[place] = word;
        count += place == count;
    }
    assert_ok(md_config_read(NULL, count, overrides, &config, &run_error));
    return config;
}

static inline struct md_run opened(const char *words) {
    struct md_run run;
    struct md_config config = config_of(words);
    assert_ok(md_run_open(&config, NULL, NULL, &run, &run_error));
    return run;
}

/* An epoch's end is told once more, and is no step. */
struct stop {
    int steps_left;
    double done;
};
static inline int stop_after(void *context, const char *what, double done, double all) {
    struct stop *stop = context;
    (void)what, (void)all;
    stop->steps_left -= done > stop->done;
    stop->done = done;
    return stop->steps_left <= 0;
}

/* Trains until `steps` steps are done; returns whether that was an interruption. */
static inline int train_for(struct md_run *run, int steps) {
    int interrupted;
    struct stop stop = {steps, -1.0};
    struct md_watch watch = {stop_after, &stop};
    assert_ok(md_run_train(run, &watch, NULL, NULL, &interrupted, &run_error));
    return interrupted;
}

/* What came out of a run. */
struct trained {
    char digest[33], weights[33]; /* of the run; of the weights that were kept */
    char step_losses[33];
    struct md_position position;
    struct md_epoch history[8];
    struct md_metrics after[MD_MOST_CAPS];
    uint64_t steps;
};

/* Measures, trains to the end and measures again. */
static inline struct trained finished(struct md_run *run) {
    struct trained done = {.steps = 0};
    int interrupted;
    assert_ok(md_run_measure_before(run, NULL, &run_error));
    assert_ok(md_run_train(run, NULL, NULL, NULL, &interrupted, &run_error));
    cr_assert_eq(interrupted, 0);
    cr_assert(md_run_is_over(run));
    assert_ok(md_run_measure_after(run, NULL, &run_error));
    strcpy(done.digest, run->position.digest);
    md_weights_digest(run->best_weights, md_parameter_total(run->network), done.weights);
    md_digest_text(
        XXH3_128bits(run->step_losses.sums, run->step_losses.rows * sizeof *run->step_losses.sums),
        done.step_losses);
    done.position = run->position;
    memcpy(done.history, run->history, (size_t)run->config.epochs * sizeof *done.history);
    memcpy(done.after, run->after, sizeof done.after);
    done.steps = run->engine.progress.steps;
    return done;
}

static inline struct trained trained_with(const char *words) {
    struct md_run run = opened(words);
    struct trained done = finished(&run);
    md_run_close(&run);
    return done;
}

/* Everything but the time must be equal, to the bit. */
static inline void assert_same(const struct trained *a, const struct trained *b, const char *what) {
    cr_assert_str_eq(a->digest, b->digest, "%s", what);
    cr_assert_str_eq(a->weights, b->weights, "%s", what);
    cr_assert_str_eq(a->step_losses, b->step_losses, "%s: losses of the steps", what);
    cr_assert_eq(memcmp(a->history, b->history, sizeof a->history), 0, "%s: history", what);
    cr_assert_eq(memcmp(a->after, b->after, sizeof a->after), 0, "%s: metrics", what);
    cr_assert_eq(a->position.best_epoch, b->position.best_epoch, "%s", what);
    cr_assert_eq(a->position.diverged_epoch, b->position.diverged_epoch, "%s", what);
    cr_assert_eq(a->steps, b->steps, "%s", what);
}

#endif
