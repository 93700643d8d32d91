/* What make install puts somewhere is a whole program there, and make uninstall takes it away. */
#include <criterion/criterion.h>

#include "program.h"

TestSuite(install, .init = scratch_set_up, .fini = scratch_tear_down, .timeout = 300);

static void make(const char *target) {
    char build[8300], command[12000];
    snprintf(build, sizeof build, "%s", program());
    *strrchr(build, '/') = '\0';
    snprintf(command, sizeof command, "make -s %s BUILD=%s DESTDIR=%s PREFIX=/usr >/dev/null",
             target, build, scratch_path(&scratch, "root").text);
    cr_assert_eq(system(command), 0, "%s", command);
}

static int count_files(void) {
    char command[2000];
    snprintf(command, sizeof command, "find %s -type f", scratch_path(&scratch, "root").text);
    FILE *found = popen(command, "r");
    int count = 0;
    for (int c; (c = fgetc(found)) != EOF;)
        count += c == '\n';
    pclose(found);
    return count;
}

#define IN_A_FOLDER(...)                                                                           \
    call(WORDS(__VA_ARGS__), (struct manner){.folder = scratch_path(&scratch, "away").text})

Test(install, runs_from_any_folder_and_goes_away) {
    struct scratch_path installed = scratch_path(&scratch, "root/usr/bin/mudepth");
    make("install-files");
    cr_assert_gt(count_files(), 30);
    setenv("MUDEPTH_PROGRAM", installed.text, 1);
    written("away/own/own.yaml", "weights: start.h5\ndata: {set: synthetic, count: 2}\n");
    /* What came with it: a config, the weights it names, a study and published results. */
    IN_A_FOLDER("run", "configs/demo.yaml", "epochs=0", "data.count=2", "-o", "own/start.h5");
    assert_fine("after fine-tuning");
    IN_A_FOLDER("sweep", "configs/sweep_demo.yaml", "--dry-run", "data.count=2");
    assert_fine("missing");
    IN_A_FOLDER("table", "nowhere");
    assert_fails(1, "there is no such study, but ");
    assert_contains(err, "kitti");
    IN_A_FOLDER("table", "kitti_scratch");
    assert_fails(1, "there are no cells yet");
    cr_assert_eq(
        access(scratch_path(&scratch, "root/usr/share/mudepth/paper/published/release.csv").text,
               R_OK),
        0);
    /* A relative path in a config is of the config's folder. */
    IN_A_FOLDER("run", "own/own.yaml", "epochs=0", "-o", "second.h5");
    assert_fine("after fine-tuning");
    IN_A_FOLDER("run", "own/own.yaml", "epochs=0", "weights=start.h5", "-o", "third.h5");
    assert_fails(1, "start.h5: "); /* but of the command line, of this one */
    unsetenv("MUDEPTH_PROGRAM");
}

Test(install, what_was_installed_is_removed) {
    make("install-files");
    make("uninstall");
    cr_assert_eq(count_files(), 0);
}
