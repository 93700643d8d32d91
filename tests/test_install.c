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
    IN_A_FOLDER("weights", "info", "configs/source_world.h5");
    assert_fine("107625 parameters");
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

/* The package is whole and has the fields that apt goes by. */
Test(install, a_debian_package) {
    struct scratch_path unpacked = scratch_path(&scratch, "unpacked/usr/bin/mudepth");
    char command[9000];
    need_tool("dpkg-shlibdeps");
    snprintf(command, sizeof command, "deb-file DEB=%s/deb", scratch.folder);
    make(command);
    snprintf(command, sizeof command,
             "cd %s && dpkg-deb -x deb/*.deb unpacked && dpkg-deb -f deb/*.deb >stdout && "
             "cd unpacked && dpkg-deb -e ../deb/*.deb && md5sum -c --quiet DEBIAN/md5sums && "
             "zcat usr/share/doc/mudepth/changelog.gz | dpkg-parsechangelog -l- >>../stdout && "
             "test -r usr/share/doc/mudepth/copyright && zcat usr/share/man/man1/mudepth.1.gz | "
             "grep -q '^.SH FILES'",
             scratch.folder);
    cr_assert_eq(system(command), 0, "%s", command);
    read_output("stdout", out);
    assert_contains(out, "\nRecommends: gnuplot-nox\n");
    assert_contains(out, "libhdf5");
    assert_contains(out, "\nSource: mudepth\n"); /* of the changelog */
    setenv("MUDEPTH_PROGRAM", unpacked.text, 1);
    written("away/x", "");
    IN_A_FOLDER("plan", "configs/demo.yaml");
    assert_fine("arena");
    unsetenv("MUDEPTH_PROGRAM");
}
