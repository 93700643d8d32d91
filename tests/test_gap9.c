/* core/target/gap9/Makefile as owners of a GAP9 use it, with stand-ins for the SDK: gap9_sdk for
 * its rules, the shim for its functions. */
#include <criterion/criterion.h>

#include "program.h"

TestSuite(gap9, .init = scratch_set_up, .fini = scratch_tear_down, .timeout = 900);

/* Runs make in a copy of core, with what it says in `out`; returns its exit code. */
static int make(const char *words) {
    char command[4000];
    snprintf(command, sizeof command,
             "rules=$PWD/tests/gap9_sdk; [ -d '%s/core' ] || cp -R core '%s' && "
             "cd '%s/core/target/gap9' && "
             "env -u MAKEFLAGS -u MAKELEVEL -u JOB -u TRACE -u APP_CFLAGS RULES_DIR=$rules "
             "make -j2 %s >'%s/stdout' 2>&1",
             scratch.folder, scratch.folder, scratch.folder, words, scratch.folder);
    int status = system(command);
    read_output("stdout", out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define assert_makes(words) cr_assert_eq(make(words), 0, "%s", out)

Test(gap9, its_makefile_builds_a_program_with_the_hosts_bits) {
    static const char *const machines[] = {
        "fp32:scalar",         "fp16:v2f16:cores=8", "fp16:scalar:cores=8", "bf16:ref:cores=2",
        "bf16:scalar:cores=8", "fp16w:scalar",       "bf16w:scalar:cores=2"};
    struct scratch_path config = written("small.yaml", SMALL_FIELD),
                        job = scratch_path(&scratch, "core/target/gap9/job.bin");
    char device[100], host[100], trace[1600];
    scratch_remove(scratch_path(&scratch, "core").text);
    snprintf(trace, sizeof trace, "trace:%s/core/target/gap9/trace.bin", scratch.folder);
    assert_makes("all ARENA_BYTES=67108864");
    cr_assert_null(strstr(out, "warning"), "%s", out);
    for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++) {
        snprintf(device, sizeof device, "gap9-large:%s", machines[i]);
        snprintf(host, sizeof host, "host:%.*s", (int)strcspn(machines[i], ":"), machines[i]);
        MUDEPTH("compare", config.text, "batch=1", "policy=last", "--a", device, "--save-job",
                job.text, "--force");
        assert_code(0);
        assert_makes(i % 2 ? "run platform=gvsoc" : "run platform=board PMSIS_OS=pulpos");
        MUDEPTH("compare", config.text, "batch=1", "policy=last", "--a", host, "--b", trace);
        assert_fine("bit-exact: ");
    }

    /* Unless it is told otherwise, its arena is the chip's: it does not hold that step, but a
     * lean one, whose parameters that do not learn are beside the chip. */
    scratch_remove(scratch_path(&scratch, "core/target/gap9/BUILD/GAP9_V2/GCC_RISCV/gap9.o").text);
    MUDEPTH("compare", config.text, "batch=1", "--a", "gap9-large:fp16", "--save-job", job.text,
            "--force");
    assert_code(0);
    cr_assert_neq(make("all run"), 0);
    assert_contains(out, "Error 5");
    MUDEPTH("compare", config.text, "batch=1", "policy=last", "--a",
            "gap9-shim:fp16:v2f16:lean+flash:cores=8", "--save-job", job.text, "--force");
    assert_code(0);
    assert_makes("run");
    MUDEPTH("compare", config.text, "batch=1", "policy=last", "--a", "host:fp16", "--b", trace);
    assert_fine("bit-exact: ");
    assert_makes("clean");
    cr_assert_neq(access(scratch_path(&scratch, "core/target/gap9/generated").text, F_OK), 0);
}
