/* Files that appear whole or not at all, whoever writes them, on disks that cannot do everything.
 * This program has an fsync of its own, which fails when it is told to. */
#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <sys/stat.h>

#include "../base/file.h"
#include "../core/network.h"
#include "../plots/plots.h"
#include "../results/weights.h"
#include "scratch.h"

static struct md_error error;
static int file_errno, folder_errno; /* that fsync fails with; 0: it does not */

int fsync(int descriptor) {
    struct stat about;
    cr_assert_eq(fstat(descriptor, &about), 0);
    errno = S_ISDIR(about.st_mode) ? folder_errno : file_errno;
    return errno != 0 ? -1 : 0;
}

TestSuite(new_file, .init = scratch_set_up, .fini = scratch_tear_down);

static int write_text(const char *path) {
    return md_file_write(path, "text", 4, &error);
}

static int write_weights(const char *path) {
    const struct md_network *network = md_network_find("upydnet");
    const struct md_weights_info info = {.source = "a test"};
    float *zeros = calloc(md_parameter_total(network), sizeof *zeros);
    cr_assert(zeros);
    int status = md_weights_write(path, network, zeros, &info, &error);
    free(zeros);
    return status;
}

static int write_figure(const char *path) {
    const double value = 1.0;
    const struct md_dot_row bar = {"a", &value, 1, 1.0, NAN, NAN, 2.0};
    return md_plot_groups(path, "title", &bar, 1, &error);
}

static const struct {
    const char *name;
    int (*write)(const char *path);
} writers[] = {{"a.txt", write_text}, {"a.h5", write_weights}, {"a.png", write_figure}};
enum { WRITERS = sizeof writers / sizeof writers[0] };

/* A finished cell was taken for a failed one where a folder cannot be flushed. */
Test(new_file, what_a_file_system_cannot_do_is_no_failure) {
    static const int cannot[] = {EINVAL, ENOSYS, ENOTSUP};
    for (int w = 0; w < WRITERS; w++)
        for (int i = 0; i < 6; i++) {
            struct scratch_path path = scratch_path(&scratch, "%s", writers[w].name);
            file_errno = i < 3 ? cannot[i] : 0;
            folder_errno = i < 3 ? 0 : cannot[i - 3];
            cr_assert_eq(writers[w].write(path.text), MD_OK, "%d: %s", i, error.text);
            cr_assert_eq(unlink(path.text), 0);
            cr_assert_eq(scratch_count(scratch.folder), 0);
        }
}

Test(new_file, a_disk_that_fails_is_one) {
    for (int w = 0; w < WRITERS; w++) {
        struct scratch_path path = scratch_path(&scratch, "%s", writers[w].name);
        file_errno = EIO;
        cr_assert_eq(writers[w].write(path.text), MD_FAILED);
        assert_contains(error.text, "cannot write: Input/output error");
        cr_assert_eq(scratch_count(scratch.folder), 0);
        file_errno = 0;
        folder_errno = EIO; /* the file is whole, but may be gone after the power was */
        cr_assert_eq(writers[w].write(path.text), MD_FAILED);
        assert_contains(error.text, "cannot flush the folder of");
        cr_assert_eq(unlink(path.text), 0);
        folder_errno = 0;
    }
}

/* Into such a folder one may put something, but not look. */
Test(new_file, a_folder_that_may_not_be_read) {
    if (geteuid() != 0) {
        fprintf(stderr, "SKIP: only root can become nobody\n");
        cr_skip("only root can become nobody");
    }
    cr_assert_eq(chmod(scratch.folder, 0333), 0);
    cr_assert_eq(seteuid(65534), 0);
    for (int w = 0; w < WRITERS; w++)
        cr_assert_eq(writers[w].write(scratch_path(&scratch, "%s", writers[w].name).text), MD_OK,
                     "%s", error.text);
    cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(scratch_count(scratch.folder), WRITERS);
}
