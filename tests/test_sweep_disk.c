/* Sweeps on a disk that is full, or that cannot be written to: a file system in memory that each
 * test mounts for itself and its children, and that goes with them. As root only. */
#define _GNU_SOURCE /* unshare */
#include <criterion/criterion.h>
#include <sched.h>
#include <sys/mount.h>

#include "sweeps.h"

TestSuite(sweep_disk, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

/* A disk of so many bytes, with the sweep's folder on it. */
static void mount_disk(const char *bytes) {
    char size[64];
    struct scratch_path disk = scratch_path(&scratch, "disk");
    folder = scratch_path(&scratch, "disk/cells"); /* makes the folder disk */
    snprintf(size, sizeof size, "size=%s", bytes);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", disk.text, "tmpfs", 0, size) != 0) {
        fprintf(stderr, "SKIP: no right to mount a file system\n");
        cr_skip("no right to mount a file system");
    }
}

static void remount_disk(const char *option, unsigned long flags) {
    cr_assert_eq(
        mount("none", scratch_path(&scratch, "disk").text, NULL, MS_REMOUNT | flags, option), 0);
}

static void unmount_disk(void) {
    cr_assert_eq(umount2(scratch_path(&scratch, "disk").text, MNT_DETACH), 0);
}

/* A cell has 500 kB, a checkpoint 1 to 2 MB, the grid 2 kB. The disk is full when the grid is
 * written, the first checkpoint, the first cell, a later one. */
Test(sweep_disk, when_it_is_full_nothing_is_lost) {
    static const char *const sizes[] = {"4k", "64k", "800k", "2500k"};
    struct digests digests = undisturbed();
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        mount_disk(sizes[s]);
        written("disk/other", "the whole first page");
        MUDEPTH("sweep", config.text, "-o", folder.text, "-j2", "--checkpoint", s < 2 ? "0" : "60");
        assert_code(1);
        assert_contains(err, "No space left on device");
        cr_assert_null(strstr(out, "whole"), "a half cell: %s", out);
        int has_grid = access(scratch_path(&scratch, "disk/cells/sweep.yaml").text, F_OK) == 0;
        int done = has_grid ? count_of(folder.text, "done") : 0;
        cr_assert_eq(has_grid, s > 0);
        cr_assert(s < 2 ? done == 0 : done >= 1 && done < SIX, "%d done in %s", done, sizes[s]);
        if (has_grid) { /* and again: still full, still whole */
            MUDEPTH("resume", folder.text);
            assert_code(1);
            assert_contains(err, "No space left on device");
            cr_assert_eq(count_of(folder.text, "done"), done);
        }
        remount_disk("size=64m", 0);
        if (has_grid)
            MUDEPTH("resume", folder.text, "-j2");
        else
            MUDEPTH("sweep", config.text, "-o", folder.text, "-j2");
        assert_fine("6 cells: 6 done");
        struct digests here = digests_of(folder.text);
        assert_same(&digests, &here);
        unmount_disk();
    }
}

Test(sweep_disk, when_it_is_read_only_nothing_changes) {
    struct digests digests = undisturbed();
    mount_disk("64m");
    remount_disk("size=64m", MS_RDONLY);
    MUDEPTH("sweep", config.text, "-o", folder.text);
    assert_fails(1, "disk/cells: cannot make the folder: Read-only file system");
    remount_disk("size=64m", 0);
    MUDEPTH("sweep", config.text, "-o", folder.text);
    assert_fine("6 done");
    json_t *json = status_json(folder.text);
    const char *name =
        json_string_value(json_at(json_array_get(json_at(json, "cells"), 1), "name"));
    remove(scratch_path(&scratch, "disk/cells/%s.h5", name).text);
    json_decref(json);
    remount_disk("size=64m", MS_RDONLY);
    static const char *const commands[][2] = {{"resume", NULL}, {"rerun", "--failed"}};
    for (int c = 0; c < 2; c++) {
        MUDEPTH(commands[c][0], folder.text, commands[c][1]);
        assert_fails(1, "disk/cells: cannot write into this folder: Read-only file system");
    }
    MUDEPTH("status", folder.text);
    assert_fine("6 cells: 5 done, 1 missing");
    MUDEPTH("sweep", config.text, "-o", folder.text, "--dry-run");
    assert_fine("6 cells: 5 done, 1 missing");
    remount_disk("size=64m", 0);
    MUDEPTH("resume", folder.text);
    assert_fine("6 done");
    struct digests here = digests_of(folder.text);
    assert_same(&digests, &here);
}
