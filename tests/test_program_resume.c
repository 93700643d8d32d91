/* `mudepth run`, interrupted, killed and resumed, and its log, which goes on where it does. */
#include <criterion/criterion.h>
#include <math.h>

#include "../base/h5.h"
#include "../results/cell.h"
#include "h5_leaks.h"
#include "one_run.h"

TestSuite(resume, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

/* Nine steps; the signal comes in the fifth. */
#define LONG_RUN "epochs=3", "batch=2"

Test(resume, interrupted_and_resumed_is_the_same_run) {
    struct scratch_path checkpoint = scratch_path(&scratch, "out/cell.h5.checkpoint");
    char *whole = digest_of_run(LONG_RUN);
    const int signals[] = {SIGINT, SIGTERM};
    for (int s = 0; s < 2; s++) {
        remove(cell.text);
        hold_at(5);
        call(WORDS("run", config.text, "-o", cell.text, LONG_RUN),
             (struct manner){.interrupt = signals[s]});
        assert_fails(1, "interrupted after epoch 1, step 2");
        assert_contains(err, "--resume");
        assert_contains(err, checkpoint.text);
        cr_assert(exists(checkpoint.text));
        cr_assert_not(exists(cell.text));
        MUDEPTH("run", config.text, "-o", cell.text, LONG_RUN);
        assert_fails(2, "a checkpoint of an earlier run is there");
        MUDEPTH("run", config.text, "-o", cell.text, LONG_RUN, "--resume", "seed=3");
        assert_fails(1, "belongs to another run");
        cr_assert(exists(checkpoint.text));
        MUDEPTH("run", config.text, "-o", cell.text, LONG_RUN, "--resume", "--json", "threads=2");
        json_t *json = output_json();
        cr_assert_str_eq(json_string_value(json_at(json, "run_digest")), whole);
        json_decref(json);
        cr_assert_not(exists(checkpoint.text), "a finished run needs no checkpoint");
    }
    free(whole);
}

/* What was done behind the latest checkpoint is lost, and no more: here nothing. */
Test(resume, killed_it_goes_on_from_its_latest_checkpoint) {
    char *whole = digest_of_run(LONG_RUN);
    remove(cell.text);
    hold_at(6);
    call(WORDS("run", config.text, "-o", cell.text, LONG_RUN, "checkpoint_s=0"),
         (struct manner){.interrupt = SIGKILL});
    cr_assert_eq(code, 1000 + SIGKILL);
    cr_assert_not(exists(cell.text));
    MUDEPTH("run", config.text, "-o", cell.text, LONG_RUN, "--resume", "-v");
    assert_code(0);
    assert_contains(out, whole);
    cr_assert_null(strstr(err, "epoch 2 of 3, step 2 of 3"), "%s", err);
    assert_contains(err, "epoch 2 of 3, step 3 of 3");
    free(whole);
}

Test(resume, nothing_to_resume_is_a_beginning) {
    MUDEPTH("run", config.text, "-o", cell.text, "--resume");
    assert_fine("after fine-tuning");
    assert_contains(err, "cell.h5.checkpoint: nothing to resume");
}

/* ---- the log --------------------------------------------------------------------------------- */

/* A line for every step and epoch, once, whatever happened meanwhile: what mudepth log says. */
Test(resume, the_log_has_every_step_once) {
    struct scratch_path log = scratch_path(&scratch, "logs/run.jsonl"), foreign;
    size_t size;
    hold_at(5);
    call(WORDS("run", config.text, "-o", cell.text, LONG_RUN, "--log", log.text),
         (struct manner){.interrupt = SIGINT});
    assert_fails(1, "interrupted after epoch 1, step 2");
    FILE *file = fopen(log.text, "a"); /* as if it had been killed later */
    fprintf(file, "{\"event\":\"step\",\"step\":6,\"epoch\":2}\n{\"event\":\"st");
    fclose(file);
    foreign = written("precious.txt", "{\"mine\":1}\n");
    MUDEPTH("run", config.text, "-o", cell.text, LONG_RUN, "--resume", "--log", foreign.text);
    assert_fails(2, "expected the log of a run");
    MUDEPTH("run", config.text, "-o", cell.text, LONG_RUN, "--resume", "--log", log.text);
    assert_code(0);
    char *text = (char *)scratch_read(log.text, &size);
    MUDEPTH("log", cell.text);
    assert_code(0);
    cr_assert(size == strlen(out) && memcmp(text, out, size) == 0, "%s", text);
    int lines = 0;
    for (char *rest = out, *line; (line = strtok_r(rest, "\n", &rest)) != NULL; lines++) {
        json_t *json = json_loads(line, 0, NULL);
        cr_assert_eq(json_integer_value(json_at(json, "step")), lines + 1 - (lines + 1) / 4);
        assert_json(json, "train_loss", JSON_REAL);
        assert_json(json, "learning_rate", JSON_REAL);
        json_decref(json);
    }
    cr_assert_eq(lines, 9 + 3);
    MUDEPTH("run", config.text, "-o", cell.text, LONG_RUN, "--force", "--log", "/dev/full");
    assert_fails(1, "the cell is written, but not its log");
    MUDEPTH("run", config.text, "-o", scratch_path(&scratch, "x.h5").text, LONG_RUN, "--log",
            log.text);
    assert_fails(2, "run.jsonl: is there already; --force replaces it");
    free(text);
}

Test(resume, damaged_checkpoint_is_refused_and_kept) {
    struct scratch_path checkpoint = written("out/cell.h5.checkpoint", "no HDF5");
    MUDEPTH("run", config.text, "-o", cell.text, "--resume");
    assert_fails(1, checkpoint.text);
    cr_assert(exists(checkpoint.text));
}

/* When the user insists, the program ends at once. */
Test(resume, second_signal_kills) {
    hold_at(1);
    call(WORDS("run", config.text, "-o", cell.text),
         (struct manner){.interrupt = SIGINT, .again = SIGINT});
    cr_assert_eq(code, 1000 + SIGINT);
}
