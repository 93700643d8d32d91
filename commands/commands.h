/* The subcommands by their names. */
#ifndef MD_COMMANDS_COMMANDS_H
#define MD_COMMANDS_COMMANDS_H

#include "options.h"

extern const struct md_command md_program; /* whose subcommands are all others */
extern const struct md_command md_command_run, md_command_pretrain, md_command_eval,
    md_command_golden, md_command_predict, md_command_weights, md_command_data, md_command_compare,
    md_command_query, md_command_diff, md_command_log, md_command_report, md_command_plan,
    md_command_sweep, md_command_resume, md_command_rerun, md_command_status, md_command_table,
    md_command_plot, md_command_completion, md_command_help;

/* The command that the first words name, as far down as they do. */
struct md_found {
    const struct md_command *command; /* one with subcommands when there were too few words */
    char name[40];                    /* "data info"; "" is the program */
    int depth;                        /* words */
};
int md_command_find(int count, char *const *words, struct md_found *found, struct md_error *error);

/* Fails with the names of its subcommands. */
int md_command_expected(const struct md_found *found, struct md_error *error);

/* Reads the words of a call, argv[0] standing for the command's name, and makes it. */
int md_command_invoke(const struct md_found *found, int argc, char **argv, struct md_error *error);

#endif
