/* `mudepth pretrain` at the command line: a run from scratch whose weights are kept. (Runs:
 * test_program_run.c.) */
#include <criterion/criterion.h>

#include "program.h"

static struct scratch_path config;

static void set_up(void) {
    scratch = scratch_open();
    config = written("small.yaml", SMALL_FIELD);
}

TestSuite(pretrain, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

static char *digest_of_weights(const char *path) {
    MUDEPTH("weights", "info", path, "--json");
    return output_digest();
}

/* Works in the scratch folder, whose configs/pretrain.yaml is small, and says where the cell is. */
#define PRETRAIN(...)                                                                              \
    call(WORDS("pretrain", __VA_ARGS__), (struct manner){.folder = scratch.folder})

static void write_default_config(const char *text) {
    cr_assert_eq(mkdir(scratch_path(&scratch, "configs").text, 0777), 0);
    written("configs/pretrain.yaml", text);
}

Test(pretrain, is_a_run_and_an_import) {
    struct scratch_path weights = scratch_path(&scratch, "new/w.h5"),
                        imported = scratch_path(&scratch, "imported.h5");
    struct scratch_path cell = scratch_path(&scratch, "cell.h5");
    size_t sizes[2];
    write_default_config(SMALL_FIELD);
    PRETRAIN("-o", weights.text, "seed=3", "--json");
    json_t *json = output_json();
    cr_assert_str_eq(json_string_value(json_at(json, "weights")), weights.text);
    const char *made = json_string_value(json_at(json, "cell"));
    cr_assert_eq(strncmp(made, "results/runs/pretrain-", 22), 0, "%s", made);
    MUDEPTH("weights", "import", scratch_path(&scratch, "%s", made).text, "-o", imported.text);
    assert_code(0);
    unsigned char *bytes = scratch_read(weights.text, &sizes[0]),
                  *expected = scratch_read(imported.text, &sizes[1]);
    cr_assert_eq(sizes[0], sizes[1]);
    cr_assert_eq(memcmp(bytes, expected, sizes[0]), 0, "not what an import gives");
    free(bytes);
    free(expected);
    json_decref(json);

    char *pretrained = digest_of_weights(weights.text);
    MUDEPTH("run", config.text, "-o", cell.text, "seed=3");
    char *run = digest_of_weights(cell.text);
    cr_assert_str_eq(pretrained, run);
    free(pretrained);
    free(run);
}

Test(pretrain, is_from_scratch_whatever_the_config_says) {
    struct scratch_path fine_tuning =
        written("tune.yaml", "weights: no.h5\nepochs: 1\ndata: {set: synthetic, count: 2}\n");
    PRETRAIN(fine_tuning.text, "-o", "w.h5", "policy=full", "data.world=road",
             "data.max_depth_m=80");
    assert_fine("weights:        w.h5");
    assert_contains(out, "results/runs/tune-");
    PRETRAIN(fine_tuning.text, "-o", "x.h5", "weights=no.h5");
    assert_fails(2, "weights: pretrain begins from scratch, found \"no.h5\"");
}

Test(pretrain, can_be_resumed) {
    struct scratch_path weights = scratch_path(&scratch, "w.h5");
    write_default_config(SMALL_FIELD);
    hold_at(5);
    call(WORDS("pretrain", "-o", weights.text, "epochs=3", "batch=2"),
         (struct manner){.folder = scratch.folder, .interrupt = SIGINT});
    assert_fails(1, "interrupted after epoch 1, step 2");
    cr_assert_neq(access(weights.text, F_OK), 0);
    PRETRAIN("--resume", "-o", weights.text, "epochs=3", "batch=2");
    assert_fine("w.h5");
    char *resumed = digest_of_weights(weights.text);
    PRETRAIN("-o", scratch_path(&scratch, "whole.h5").text, "epochs=3", "batch=2", "--force");
    assert_fine("whole.h5");
    char *whole = digest_of_weights(scratch_path(&scratch, "whole.h5").text);
    cr_assert_str_eq(resumed, whole);
    free(whole);
    free(resumed);
}
