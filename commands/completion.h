/* What could stand next on a command line. */
#ifndef MD_COMMANDS_COMPLETION_H
#define MD_COMMANDS_COMPLETION_H

#include "options.h"

/* Prints what the last word of `line` can become ("mudepth run configs/demo.yaml pol"), a line
 * each, to standard output; nothing where a file is wanted, which shells know better. A line that
 * ends with a space has an empty last word. */
void md_complete(const struct md_command *program, const char *line);

/* The scripts that ask for it, as they are named by md_shell_names. */
extern const char *const md_shell_names[]; /* "bash", "zsh", "fish", NULL */
extern const char *const md_shell_scripts[];

#endif
