/* What is said of a run while it goes on, by a clock of our own. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <math.h>
#include <signal.h>

#include "../commands/progress.h"

volatile sig_atomic_t md_stop_requested;
int md_verbosity;

static struct md_run_progress trained(int epoch, int step) {
    return (struct md_run_progress){.what = "training",
                                    .done = epoch + step / 25.0,
                                    .all = 10,
                                    .left_s = 3725.4,
                                    .epoch = epoch,
                                    .epochs = 10,
                                    .step = step,
                                    .steps = 25,
                                    .loss = 0.12345,
                                    .learning_rate = 0.001,
                                    .samples_per_s = 412.4,
                                    .validation_rmse_m = epoch > 0 ? 0.5124 : (double)NAN,
                                    .best_rmse_m = epoch > 0 ? 0.498 : (double)NAN,
                                    .best_epoch = epoch > 0 ? 1 : 0};
}

Test(progress, in_words) {
    char text[MD_PROGRESS_SIZE];
    struct md_run_progress at = {.all = 0, .left_s = -1};
    md_progress_text(&at, ", ", text);
    cr_assert_str_eq(text, "begins");
    at = (struct md_run_progress){.what = "reading", .done = 30, .all = 120, .left_s = 59.6};
    md_progress_text(&at, ", ", text);
    cr_assert_str_eq(text, "reading, 25 %, 0:01:00 to go");
    at = trained(0, 3);
    md_progress_text(&at, ", ", text);
    cr_assert_str_eq(text, "epoch 1 of 10, step 3 of 25, loss 0.1235, learning rate 0.001, "
                           "412 samples/s, 1:02:05 to go");
    at = trained(2, 0);
    md_progress_text(&at, "\n", text);
    cr_assert_str_eq(text, "epoch 2 of 10 done, loss 0.1235, learning rate 0.001\n"
                           "validation RMSE 0.512 m, best 0.498 m after epoch 1\n"
                           "412 samples/s, 1:02:05 to go");
}

Test(progress, what_is_left_follows_the_pace) {
    struct md_timing timing = {.what = ""};
    cr_assert_lt(md_progress_of(&timing, "reading", 0, 10, 100).left_s, 0);
    cr_assert_eq(md_progress_of(&timing, "reading", 4, 10, 102).left_s, 3);
    cr_assert_lt(md_progress_of(&timing, "training", 4, 10, 103).left_s, 0); /* resumed there */
    cr_assert_eq(md_progress_of(&timing, "training", 5, 10, 110).left_s, 35);
    cr_assert_lt(md_progress_of(&timing, "training", 1, 10, 111).left_s, 0); /* anew */
}

static const struct {
    int verbosity;
    const char *lines;
} ways[] = {{-1, ""}, {0, "e1 s3 e2 "}, {1, "s1 s2 e1 s3 e2 "}};

/* Not on a terminal: a line for each epoch and every 30 seconds; with -v for each step. */
Test(progress, lines_for_a_file, .init = cr_redirect_stderr) {
    static const struct {
        double now;
        int epoch, step;
    } moments[] = {{1, 0, 1}, {2, 0, 2}, {29, 1, 0}, {60, 1, 3}, {61, 2, 0}};
    char said[2000] = "", line[200];
    for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++) {
        struct md_view view = md_view_open(ways[w].verbosity, 0);
        view.status_lines.is_on = 0;
        fprintf(stderr, "-%d\n", ways[w].verbosity);
        for (size_t m = 0; m < sizeof moments / sizeof moments[0]; m++) {
            struct md_run_progress at = trained(moments[m].epoch, moments[m].step);
            md_view_show(&view, &at, moments[m].now);
        }
        md_view_close(&view);
    }
    fclose(stderr);
    FILE *got = cr_get_redirected_stderr();
    while (fgets(line, sizeof line, got) != NULL) {
        const char *step = strstr(line, "step "), *epoch = strstr(line, "epoch ");
        size_t length = strlen(said);
        snprintf(said + length, sizeof said - length, "%s%d ",
                 step    ? "s"
                 : epoch ? "e"
                         : "way",
                 step    ? atoi(step + 5)
                 : epoch ? atoi(epoch + 6)
                         : 0);
    }
    cr_assert_str_eq(said, "way0 way0 e1 s3 e2 way0 s1 s2 e1 s3 e2 ");
}
