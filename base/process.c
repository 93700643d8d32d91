#include "process.h"

#include <ctype.h>
#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

static int spawn(char *const *words, const int descriptors[3], pid_t *child) {
    posix_spawn_file_actions_t actions;
    int reason = posix_spawn_file_actions_init(&actions);
    if (reason != 0)
        return reason;
    for (int d = 0; d < 3 && reason == 0; d++)
        reason = posix_spawn_file_actions_adddup2(&actions, descriptors[d], d);
    if (reason == 0)
        reason = posix_spawnp(child, words[0], &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    return reason;
}

int md_process_run(char *const *words, const int descriptors[3], int *ended,
                   struct md_error *error) {
    pid_t child, found;
    int reason = spawn(words, descriptors, &child);
    if (reason != 0)
        return md_fail(error, MD_FAILED, "cannot run %s (is it installed?): %s", words[0],
                       strerror(reason));
    do
        found = waitpid(child, ended, 0);
    while (found < 0 && errno == EINTR);
    if (found != child)
        return md_fail(error, MD_FAILED, "lost %s: %s", words[0], strerror(errno));
    return MD_OK;
}

void md_process_output(FILE *file, char *text, size_t size) {
    size_t length = 0;
    int gap = 0;
    rewind(file);
    for (int c; (c = getc(file)) != EOF && length + 2 < size;) {
        if (isspace(c)) {
            gap = length > 0;
            continue;
        }
        if (gap)
            text[length++] = ' ';
        gap = 0;
        text[length++] = (char)c;
    }
    text[length] = '\0';
}
