/* Other programs, run with files (not pipes) as their input and output, so that neither side can
 * block the other. */
#ifndef MD_BASE_PROCESS_H
#define MD_BASE_PROCESS_H

#include <stddef.h>
#include <stdio.h>

#include "error.h"

/* Runs the program words[0], found in PATH, with these three as its standard input, output and
 * error, and waits for it. *ended is as waitpid gives it. Fails when the program cannot be run. */
int md_process_run(char *const *words, const int descriptors[3], int *ended,
                   struct md_error *error);

/* What a program wrote to `file`, from its beginning, on one line; cut when it is too long. */
void md_process_output(FILE *file, char *text, size_t size);

#endif
