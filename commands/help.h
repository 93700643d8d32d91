/* What is said of commands, options, config keys and quantities, on a terminal and as a man page:
 * all of it is written from their tables. */
#ifndef MD_COMMANDS_HELP_H
#define MD_COMMANDS_HELP_H

#include "options.h"

/* What `mudepth help` knows besides the commands; ended by a name of NULL. */
struct md_page;
struct md_topic {
    const char *name, *summary;
    void (*write)(const struct md_page *page);
};
extern const struct md_topic md_topics[];

/* The help of a command (name: with those above it, "data info"; "" is the program) and of a topic,
 * to standard output. */
void md_help_command(const struct md_command *command, const char *name);
void md_help_topic(const struct md_topic *topic);

/* All commands and topics as one page for man. */
void md_help_man(const struct md_command *program);

/* Prints words with single spaces between, in lines of at most 100 characters, all of which but the
 * first are indented by so many; the first goes on behind as much. */
void md_print_wrapped(const char *text, int indent);

#endif
