/* Shell commands, what they say being kept like a program's (program.h). */
#ifndef MD_TESTS_SHELL_H
#define MD_TESTS_SHELL_H

#include "program.h"

/* Debian's, which its packages (h5py, pandas, torch) are for. */
#define PYTHON "/usr/bin/python3"

/* Runs a shell command, with what it prints in `out`; returns its exit code. */
__attribute__((format(printf, 1, 2))) static inline int shell(const char *format, ...) {
    char words[6000], command[8000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    snprintf(command, sizeof command, "{ %s; } >'%s' 2>&1", words,
             scratch_path(&scratch, "stdout").text);
    int status = system(command);
    read_output("stdout", out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
