/* Sweeps on a file system without locks, as some network mounts are: this program is a mudepth to
 * which the system refuses all of them. */
#define _DEFAULT_SOURCE /* syscall */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include "../commands/command.h"
#include "sweeps.h"

TestSuite(nolocks, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

volatile sig_atomic_t md_stop_requested;
int md_verbosity;

/* Instead of the C library's. */
int fcntl(int descriptor, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (command == F_SETLK || command == F_SETLKW || command == F_GETLK) {
        errno = ENOLCK;
        return -1;
    }
    return (int)syscall(SYS_fcntl, descriptor, command, argument);
}

/* A command in a process of its own; what it says to standard error goes to the file `log`. */
static pid_t begin_without_locks(const struct md_command *command, const char *log,
                                 const char *const *words) {
    int count = 0;
    while (words[count] != NULL)
        count++;
    struct scratch_path path = scratch_path(&scratch, "%s", log);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct md_error error = {{0}};
        dup2(open_output("/dev/null"), 1);
        dup2(open_output(path.text), 2);
        const struct md_found found = {.command = command, .name = "test", .depth = 1};
        int status = md_command_invoke(&found, count - 1, (char **)(uintptr_t)(words + 1), &error);
        fprintf(stderr, "%s\n", error.text);
        _exit(status);
    }
    return child;
}

static void end_fine(pid_t child, const char *log) {
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    read_output(log, err);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s", err);
    assert_contains(err, "cells: this file system has no locks");
}

/* Both make every cell, in the same order, at the same time; or begin at different ones. */
Test(nolocks, two_at_once_make_the_same_bits) {
    struct digests digests = undisturbed();
    const char *const *const ways[][2] = {
        {WORDS("sweep", config.text, "-o", folder.text, "--checkpoint", "0"),
         WORDS("sweep", config.text, "-o", folder.text, "--checkpoint", "0")},
        {WORDS("resume", folder.text, "--checkpoint", "0", "--task", "0/2"),
         WORDS("resume", folder.text, "--checkpoint", "0", "--task", "1/2")}};
    for (int w = 0; w < 2; w++) {
        const struct md_command *command = w == 0 ? &md_command_sweep : &md_command_resume;
        pid_t first = begin_without_locks(command, "first", ways[w][0]);
        pid_t second = begin_without_locks(command, "second", ways[w][1]);
        end_fine(first, "first");
        end_fine(second, "second");
        struct digests here = digests_of(folder.text);
        assert_same(&digests, &here);
        json_t *json = status_json(folder.text);
        for (size_t i = 0; i < SIX; i++) {
            json_t *cell = json_array_get(json_at(json, "cells"), i);
            remove(scratch_path(&scratch, "cells/%s.h5", json_string_value(json_at(cell, "name")))
                       .text);
        }
        json_decref(json);
    }
}

/* What this machine's ended processes were writing goes away, what a living one writes does not. */
Test(nolocks, half_files_of_the_living_stay) {
    char path[MD_PATH_MAX], dead_path[MD_PATH_MAX];
    struct md_error error;
    MUDEPTH("sweep", config.text, "-o", folder.text, "epochs=0");
    json_t *json = status_json(folder.text);
    const char *name =
        json_string_value(json_at(json_array_get(json_at(json, "cells"), 0), "name"));
    struct scratch_path cell = scratch_path(&scratch, "cells/%s.h5", name);
    json_decref(json);
    cr_assert_eq(md_temporary_path(path, cell.text, &error), MD_OK);
    scratch_write_text(path, "half");
    pid_t dead = fork();
    if (dead == 0) {
        md_temporary_path(dead_path, cell.text, &error);
        scratch_write_text(dead_path, "half");
        _exit(0);
    }
    cr_assert_eq(waitpid(dead, NULL, 0), dead);
    cr_assert_eq(scratch_count(folder.text), SIX + 2 + 2);
    end_fine(begin_without_locks(&md_command_resume, "log", WORDS("resume", folder.text)), "log");
    cr_assert_eq(scratch_count(folder.text), SIX + 2 + 1);
    cr_assert_eq(access(path, F_OK), 0);
}
