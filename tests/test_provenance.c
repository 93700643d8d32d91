/* What a cell says of where it comes from: read by other people's tools, true to the binary, added
 * up over the parts of a run. */
#include <criterion/criterion.h>
#include <math.h>

#include "../experiments/version.h"
#include "../results/cell.h"
#include "shell.h"

TestSuite(provenance, .init = scratch_set_up, .fini = scratch_tear_down, .timeout = 600);

/* ---- h5py and pandas ------------------------------------------------------------------------- */

Test(provenance, h5py_and_pandas_find_what_is_documented) {
    if (shell(PYTHON " -c 'import h5py, pandas'") != 0) {
        fprintf(stderr, "SKIP: python3-h5py and python3-pandas not there\n");
        cr_skip("no h5py");
    }
    struct scratch_path config = written("small.yaml", SMALL_FIELD),
                        cell = scratch_path(&scratch, "small.h5"),
                        json = scratch_path(&scratch, "small.json");
    MUDEPTH("run", config.text, "cap_m=[80, 3, 2.5]", "-o", cell.text, "--json");
    assert_code(0);
    scratch_write_text(json.text, out);
    cr_assert_eq(shell(PYTHON " tests/cell_layout.py '%s' '%s'", cell.text, json.text), 0, "%s",
                 out);
}

/* ---- the build ------------------------------------------------------------------------------- */

/* As they stand in build.h. */
struct build {
    char version[100], commit[100];
    int dirty;
};

static void take_macro(const char *name, char *value, size_t size) {
    char key[40];
    snprintf(key, sizeof key, "#define MD_BUILD_%s ", name);
    const char *at = strstr(out, key);
    cr_assert(at, "no %s in %s", name, out);
    at += strlen(key);
    at += *at == '"';
    snprintf(value, size, "%.*s", (int)strcspn(at, "\"\n"), at);
}

/* `make` that does not see that it is called by another one, with another BUILD. */
#define MAKE "env -u MAKEFLAGS -u MAKELEVEL -u BUILD -u OPTIMIZE make -s build/build.h "

/* What our Makefile makes of the folder when it is built. */
static struct build built(const char *folder) {
    struct build build;
    char dirty[8];
    cr_assert_eq(shell("cd '%s' && " MAKE "&& "
                       "cat build/build.h",
                       folder),
                 0, "%s", out);
    take_macro("VERSION", build.version, sizeof build.version);
    take_macro("COMMIT", build.commit, sizeof build.commit);
    take_macro("DIRTY", dirty, sizeof dirty);
    build.dirty = atoi(dirty);
    return build;
}

#define GIT "git -c user.name=x -c user.email=x -c commit.gpgsign=false"

/* A folder with our Makefile and a source; with a repository of its own or without. */
static struct scratch_path project(const char *name, int has_git) {
    struct scratch_path folder = scratch_path(&scratch, "%s", name);
    cr_assert_eq(shell("mkdir -p '%s/core' && cp Makefile '%s' && cd '%s' && echo 1 >core/a.c && "
                       "echo 1 >README.md && echo build/ >.gitignore",
                       folder.text, folder.text, folder.text),
                 0, "%s", out);
    if (has_git)
        cr_assert_eq(
            shell("cd '%s' && git init -q && git add -A && " GIT " commit -qm one", folder.text), 0,
            "%s", out);
    return folder;
}

static int is_commit(const char *text) {
    return strspn(text, "0123456789abcdef") == 40 && text[40] == '\0';
}

Test(provenance, a_build_knows_whether_its_sources_are_the_commits) {
    static const struct {
        const char *change;
        int dirty;
    } steps[] = {{"true", 0},
                 {"echo 2 >core/a.c", 1},
                 {"git checkout -q core/a.c", 0},
                 {"echo 2 >core/new.c", 1}, /* it would be compiled */
                 {"rm core/new.c", 0},
                 {"echo '# 2' >>Makefile", 1},
                 {"git checkout -q Makefile", 0},
                 {"rm core/a.c", 1},
                 {"git checkout -q core/a.c", 0},
                 {"echo 2 >README.md", 0}}; /* it is in no program */
    need_tool("git");
    struct scratch_path folder = project("ours", 1);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        const char *change = steps[i].change;
        cr_assert_eq(shell("cd '%s' && %s", folder.text, change), 0, "%s: %s", change, out);
        struct build build = built(folder.text);
        cr_assert_eq(build.dirty, steps[i].dirty, "%s", change);
        cr_assert_eq(strstr(build.version, "-dirty") != NULL, steps[i].dirty, "%s: %s", change,
                     build.version);
        cr_assert(is_commit(build.commit), "%s", build.commit);
        cr_assert_eq(strncmp(build.version, build.commit, 12), 0);
    }
}

/* A release that was unpacked, perhaps into someone else's repository, whose commit it is not. */
Test(provenance, a_build_without_git_knows_nothing) {
    need_tool("git");
    struct scratch_path theirs = project("theirs", 1);
    (void)theirs;
    struct scratch_path folders[] = {project("alone", 0), project("theirs/vendor", 0)};
    for (int i = 0; i < 2; i++) {
        struct build build = built(folders[i].text);
        cr_assert_str_eq(build.version, "unknown");
        cr_assert_str_eq(build.commit, "unknown");
        cr_assert_eq(build.dirty, 1, "nobody knows that it is not");
    }
}

Test(provenance, flags_may_have_quotes) {
    struct scratch_path folder = project("quotes", 0);
    cr_assert_eq(shell("cd '%s' && " MAKE "CFLAGS='-DX=\"\\\"a b\\\"\"' && "
                       "echo 'const char *flags = MD_BUILD_FLAGS;' | "
                       "cc -std=c11 -fsyntax-only -include build/build.h -x c - && "
                       "grep FLAGS build/build.h",
                       folder.text),
                 0, "%s", out);
    assert_contains(out, "-ffp-contract=off");
    assert_contains(out, "a b");
}

Test(provenance, this_program_says_what_it_is) {
    int known = strcmp(md_git_commit(), "unknown") != 0;
    cr_assert(known ? is_commit(md_git_commit()) : md_git_dirty() == 1);
    cr_assert_eq(strstr(md_code_version(), "-dirty") != NULL, known && md_git_dirty());
    assert_contains(md_compiler_flags(), "-std=c11");
    cr_assert_str_not_empty(md_compiler());
    cr_assert_str_not_empty(md_compiler_target());
    MUDEPTH("--version");
    assert_fine(md_compiler());
}

Test(provenance, every_library_has_a_version) {
    const char *name;
    char version[MD_VERSION_SIZE];
    int count = 0;
    for (; md_library(count, &name, version) == 0; count++)
        cr_assert(strpbrk(version, "0123456789"), "%s: \"%s\"", name, version);
    cr_assert_eq(md_library(count, &name, version), -1);
    cr_assert_geq(count, 9);
}

/* Texts are cut, not overrun. */
Test(provenance, names_of_the_machine_fit) {
    static void (*const names[])(char *, size_t) = {md_host_name, md_cpu_model, md_kernel};
    for (int i = 0; i < 3; i++) {
        char whole[300], cut[4] = "xyz";
        names[i](whole, sizeof whole);
        names[i](cut, 3);
        cr_assert_str_not_empty(whole);
        cr_assert_eq(strncmp(cut, whole, 2), 0);
        cr_assert_eq(cut[2], '\0');
    }
}
