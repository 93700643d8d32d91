#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int is_training(const char *what) {
    return strcmp(what, "training") == 0;
}

struct md_run_progress md_progress_of(struct md_timing *timing, const char *what, double done,
                                      double all, double now) {
    struct md_run_progress progress = {
        .done = done, .all = all, .loss = NAN, .validation_rmse_m = NAN, .best_rmse_m = NAN};
    snprintf(progress.what, sizeof progress.what, "%s", what);
    if (strcmp(timing->what, progress.what) != 0 || done < timing->first) {
        *timing = (struct md_timing){.began = now, .first = done};
        memcpy(timing->what, progress.what, sizeof timing->what);
    }
    double did = done - timing->first;
    progress.left_s = did > 0.0 ? (now - timing->began) / did * (all - done) : -1.0;
    return progress;
}

struct md_run_progress md_run_progress(const struct md_run *run, struct md_timing *timing,
                                       const char *what, double done, double all, double now) {
    const struct md_position *at = &run->position;
    struct md_run_progress progress = md_progress_of(timing, what, done, all, now);
    if (!is_training(what))
        return progress;
    const struct md_epoch none = {NAN, NAN, NAN, NAN},
                          *last = at->epoch > 0 ? &run->history[at->epoch - 1] : &none,
                          *best = at->best_epoch > 0 ? &run->history[at->best_epoch - 1] : &none;
    progress.epoch = at->epoch;
    progress.epochs = run->config.epochs;
    progress.step = at->step;
    progress.steps = md_run_steps_an_epoch(run);
    progress.learning_rate = run->last_step.learning_rate;
    progress.samples_per_s =
        (done - timing->first) * (double)run->train.count / (now - timing->began + 1e-9);
    progress.loss = at->loss_valid > 0.0 ? at->loss_sum / at->loss_valid : last->train_loss;
    progress.validation_rmse_m = last->validation_rmse_m;
    progress.best_epoch = at->best_epoch;
    progress.best_rmse_m = best->validation_rmse_m;
    return progress;
}

const char *md_duration(double seconds, char text[MD_DURATION_SIZE]) {
    long whole = lround(fmax(0.0, fmin(seconds, 1e9)));
    snprintf(text, MD_DURATION_SIZE, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    return text;
}

void md_progress_text(const struct md_run_progress *p, const char *between,
                      char text[MD_PROGRESS_SIZE]) {
    char left[MD_DURATION_SIZE];
    size_t length = 0;
    int trains = is_training(p->what);
    text[0] = '\0';
#define ADD(...)                                                                                   \
    length += (size_t)snprintf(                                                                    \
        text + length, length < MD_PROGRESS_SIZE ? MD_PROGRESS_SIZE - length : 0, __VA_ARGS__)
    if (p->all <= 0.0)
        ADD("begins");
    else if (!trains)
        ADD("%s, %.0f %%", p->what, 100.0 * p->done / p->all);
    else if (p->step == 0)
        ADD("epoch %d of %d done", p->epoch, p->epochs);
    else
        ADD("epoch %d of %d, step %d of %d", p->epoch + 1, p->epochs, p->step, p->steps);
    if (trains)
        ADD(", loss %.4g, learning rate %.3g", p->loss, p->learning_rate);
    if (trains && isfinite(p->validation_rmse_m))
        ADD("%svalidation RMSE %.3f m", between, p->validation_rmse_m);
    if (trains && isfinite(p->best_rmse_m))
        ADD(", best %.3f m after epoch %d", p->best_rmse_m, p->best_epoch);
    if (trains && p->samples_per_s > 0.0) /* there is none after a single step */
        ADD("%s%.0f samples/s", between, p->samples_per_s);
    if (p->left_s >= 0.0)
        ADD(", %s to go", md_duration(p->left_s, left));
#undef ADD
}

/* ---- where a run by itself is seen ----------------------------------------------------------- */

struct md_view md_view_open(int verbosity, double now) {
    return (struct md_view){
        .status_lines = md_status_lines_open(), .verbosity = verbosity, .shown_at = now};
}

static void print_line(struct md_view *view, const struct md_run_progress *progress, double now) {
    char text[MD_PROGRESS_SIZE];
    md_status_lines_clear(&view->status_lines);
    md_progress_text(progress, ", ", text);
    fprintf(stderr, "%s\n", text);
    view->shown_at = now;
}

void md_view_show(struct md_view *view, const struct md_run_progress *progress, double now) {
    static const double redraw_s = 0.2, line_s = 30.0, short_s = 2.0; /* not worth a word */
    char text[MD_PROGRESS_SIZE + 1];
    double passed = now - view->shown_at;
    int trains = is_training(progress->what), ends_epoch = trains && progress->step == 0;
    if (view->verbosity < 0)
        return;
    if (view->status_lines.is_on
            ? ends_epoch && view->verbosity > 0
            : ends_epoch || passed >= line_s || (trains && view->verbosity > 0))
        print_line(view, progress, now);
    double wait_s = view->status_lines.lines > 0 ? redraw_s : trains ? 0.0 : short_s;
    if (!view->status_lines.is_on || passed < wait_s)
        return;
    md_status_lines_measure(&view->status_lines);
    md_progress_text(progress, view->status_lines.rows > 5 ? "\n" : ", ", text);
    strcat(text, "\n");
    md_status_lines_draw(&view->status_lines, text);
    view->shown_at = now;
}

void md_view_close(struct md_view *view) {
    if (view->status_lines.is_on)
        md_status_lines_clear(&view->status_lines);
}
