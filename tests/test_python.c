/* The Python module (python/mudepth.py) reads what the program writes. */
#include <criterion/criterion.h>

#include "../base/image.h"
#include "../results/weights.h"
#include "shell.h"

TestSuite(python, .init = scratch_set_up, .fini = scratch_tear_down, .timeout = 600);

static void write_picture(void) {
    static uint8_t rgb[3 * 60 * 70];
    struct md_error error;
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)(i * 5 / 3);
    cr_assert_eq(md_png_write_rgb(scratch_path(&scratch, "p.png").text, rgb, 60, 70, &error),
                 MD_OK);
}

static void write_traces(const char *config) {
    static const char *const machines[][2] = {
        {"fast", "host:bf16:fast"}, {"lean", "host:bf16:lean:band=2"}, {"digest", "host:bf16"}};
    for (int m = 0; m < 3; m++) {
        struct scratch_path trace = scratch_path(&scratch, "%s.trace", machines[m][0]);
        MUDEPTH("compare", config, "batch=2", "--steps", "2", "--a", machines[m][1], "--save-trace",
                trace.text, m == 2 ? "--digest" : NULL);
        assert_code(0);
    }
}

Test(python, reads_what_the_program_writes) {
    if (shell(PYTHON " -c 'import h5py, pandas'") != 0) {
        fprintf(stderr, "SKIP: python3-h5py and python3-pandas not there\n");
        cr_skip("no h5py");
    }
    struct scratch_path config = written("plan.yaml", SMALL_FIELD "cap_m: [4, 2]\n");
    static const char *const policies[] = {"policy=d0", "policy=full"};
    for (int p = 0; p < 2; p++) {
        MUDEPTH("run", config.text, policies[p], "-o",
                scratch_path(&scratch, "runs/%d.h5", p).text);
        assert_fine("RMSE");
    }
    cr_assert_eq(shell("cd '%s' && '%s' query runs --each --json --show rmse_m,before.delta1,"
                       "dummy.rmse_m,abs_rel@2,arena_bytes,seconds >query.json && "
                       "head -c 5000 runs/1.h5 >runs/broken.h5 && "
                       "'%s' weights import runs/0.h5 -o runs/weights.h5 && "
                       "cp runs/weights.h5 .",
                       scratch.folder, program(), program()),
                 0, "%s", out);
    write_picture();
    write_traces(config.text);
    cr_assert_eq(
        shell("MUDEPTH='%s' " PYTHON " tests/python_module.py '%s'", program(), scratch.folder), 0,
        "%s", out);
}
