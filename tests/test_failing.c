/* Every call for memory, and every one that brings a file to the disk, fails once (failing.c): the
 * program says so and ends, what it was to write is whole or not there, and nothing is left beside
 * it. Under the address sanitizer, nothing leaks either. */
#include <criterion/criterion.h>
#include <dirent.h>

#include "../base/h5.h"
#include "program.h"

static struct scratch_path made; /* the folder for what a call makes */

#define TINY                                                                                       \
    "weights: scratch\npolicy: d2\nlr: 0.003\nbatch: 2\nepochs: 1\nthreads: 1\n"                   \
    "data: {set: synthetic, count: 1}\n"

static void set_up(void) {
    char path[8300];
    scratch = scratch_open();
    made = scratch_path(&scratch, "made");
    written("tiny.yaml", TINY);
    written("grid.yaml", TINY "sweep: {seed: [1]}\n");
    written("study.yaml", "title: T\nconfig: tiny.yaml\ncells: .\nrows: [format]\nshow: [rmse_m]\n"
                          "figure: {kind: dots}\n");
    call(WORDS("run", "tiny.yaml", "-o", "a.h5"), (struct manner){.folder = scratch.folder});
    assert_code(0);
    call(WORDS("run", "tiny.yaml", "format=bf16", "-o", "b.h5"),
         (struct manner){.folder = scratch.folder});
    assert_code(0);
    snprintf(path, sizeof path, "%s-failing", program());
    setenv("MUDEPTH_PROGRAM", path, 1);
}

TestSuite(failing, .init = set_up, .fini = scratch_tear_down, .timeout = 3600);

/* What lies in `made` is whole. Returns how many there are. */
static int check_made(const char *folder) {
    int count = 0;
    DIR *all = opendir(folder);
    for (struct dirent *entry; all != NULL && (entry = readdir(all)) != NULL;) {
        char path[9000];
        hid_t file;
        struct md_error error;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.')
            continue;
        cr_assert_null(strstr(entry->d_name, ".tmp."), "%s is left", path);
        count += 1 + check_made(path);
        if (strstr(entry->d_name, ".h5") == NULL || strstr(entry->d_name, ".h5.") != NULL)
            continue;
        cr_assert_eq(md_h5_open(path, &file, &error), MD_OK, "%s", error.text);
        H5Fclose(file);
    }
    if (all != NULL)
        closedir(all);
    return count;
}

/* One call with failure number `number`; 0: with none. Returns how many failures there could be. */
static long call_failing(const char *const *words, long number) {
    char text[40];
    struct scratch_path calls = scratch_path(&scratch, "calls");
    scratch_remove(made.text);
    scratch_path(&scratch, "made/x");
    snprintf(text, sizeof text, "%ld", number);
    setenv("MUDEPTH_FAIL", text, 1);
    setenv("MUDEPTH_CALLS", calls.text, 1);
    call(words, (struct manner){.folder = scratch.folder});
    size_t size;
    unsigned char *bytes = scratch_read(calls.text, &size);
    long count = strtol((const char *)bytes, NULL, 10);
    free(bytes);
    return count;
}

static void fail_everywhere(const char *const *words) {
    long count = call_failing(words, 0);
    int whole = check_made(made.text);
    assert_code(0);
    cr_assert_gt(count, 5);
    for (long number = 1; number <= count; number++) {
        call_failing(words, number);
        cr_assert(code == 0 || code == 1, "%s, failure %ld: exit code %d\n%s", words[1], number,
                  code, err);
        int there = check_made(made.text);
        if (code == 1)
            assert_contains(err, "mudepth");
        else
            cr_assert_eq(there, whole, "%s, failure %ld: exit code 0", words[1], number);
        cr_assert_null(strstr(err, "Success"), "%s", err);
    }
    fprintf(stderr, "%s: %ld failures\n", words[1], count);
}

#define FAIL_EVERYWHERE(name, ...)                                                                 \
    Test(failing, name) {                                                                          \
        fail_everywhere(WORDS(__VA_ARGS__));                                                       \
    }

FAIL_EVERYWHERE(run, "run", "tiny.yaml", "-o", "made/n.h5")
FAIL_EVERYWHERE(eval, "eval", "--weights", "a.h5", "--data",
                "{set: synthetic, split: test, count: 1}")
FAIL_EVERYWHERE(query, "query", "a.h5", "b.h5", "format=[fp32,bf16]", "--sort", "rmse_m")
FAIL_EVERYWHERE(diff, "diff", "a.h5", "b.h5", "--json")
FAIL_EVERYWHERE(table, "table", "./study.yaml", "a.h5", "b.h5")
FAIL_EVERYWHERE(plot, "plot", "./study.yaml", "a.h5", "-o", "made/p.png")
FAIL_EVERYWHERE(import, "weights", "import", "a.h5", "-o", "made/w.h5")
FAIL_EVERYWHERE(cache, "data", "cache", "{set: synthetic, split: train, count: 1}", "-o", "made")
FAIL_EVERYWHERE(export, "data", "export", "{set: synthetic, split: train, count: 1}", "-o", "made")
FAIL_EVERYWHERE(save_trace, "compare", "tiny.yaml", "--steps", "1", "--a", "host", "--save-trace",
                "made/t.trace")
FAIL_EVERYWHERE(sweep, "sweep", "grid.yaml", "-j", "1", "-o", "made")
