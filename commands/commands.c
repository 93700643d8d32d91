/* All commands, and the way from what was typed to one of them. */
#include "commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/nearest.h"
#include "../base/usage.h"
#include "../results/append.h"
#include "command.h"
#include "help.h"

static const struct md_command *const commands[] = {
    &md_command_run,     &md_command_pretrain,
    &md_command_sweep,   &md_command_resume,
    &md_command_rerun,   &md_command_status,
    &md_command_eval,    &md_command_golden,
    &md_command_predict, &md_command_weights,
    &md_command_data,    &md_command_compare,
    &md_command_plan,    &md_command_query,
    &md_command_report,  &md_command_diff,
    &md_command_log,     &md_command_table,
    &md_command_plot,    &md_command_completion,
    &md_command_help,    NULL,
};
const struct md_command md_program = {.name = "",
                                      .summary = "on-device learning of monocular depth, on a host",
                                      .commands = commands};

int md_command_find(int count, char *const *words, struct md_found *found, struct md_error *error) {
    *found = (struct md_found){.command = &md_program};
    while (found->command->commands != NULL && found->depth < count) {
        const char *word = words[found->depth];
        const struct md_command *const *below = found->command->commands;
        struct md_nearest nearest = md_nearest_to(word);
        char hint[MD_NEAREST_SIZE];
        for (; *below != NULL && strcmp((*below)->name, word) != 0; below++)
            md_nearest_try(&nearest, (*below)->name);
        if (*below == NULL)
            return md_fail(error, MD_USAGE,
                           "unknown command \"%s%s%.100s\"%s; see mudepth%s%s --help", found->name,
                           found->name[0] != '\0' ? " " : "", word, md_nearest_hint(&nearest, hint),
                           found->name[0] != '\0' ? " " : "", found->name);
        md_append(found->name, sizeof found->name, "%s%s", found->depth > 0 ? " " : "", word);
        found->command = *below;
        found->depth++;
    }
    return MD_OK;
}

int md_command_expected(const struct md_found *found, struct md_error *error) {
    char list[300] = "";
    for (const struct md_command *const *below = found->command->commands; *below != NULL; below++)
        md_append(list, sizeof list, "%s%s",
                  list[0] == '\0'    ? ""
                  : below[1] == NULL ? " or "
                                     : ", ",
                  (*below)->name);
    return md_fail(error, MD_USAGE, "%s%s; see mudepth%s%s --help",
                   found->depth == 0 ? "usage: mudepth COMMAND [options], COMMAND being "
                                     : "expected ",
                   list, found->depth > 0 ? " " : "", found->name);
}

int md_command_invoke(const struct md_found *found, int argc, char **argv, struct md_error *error) {
    struct md_invocation call;
    void *options = calloc(1, found->command->options_size + 1);
    MD_TRY(md_check_memory(options != NULL, error));
    int status =
        md_invocation_parse(found->command, found->name, argc, argv, options, &call, error);
    md_verbosity = call.common.verbose - call.common.quiet;
    if (status == MD_OK) {
        const struct md_usage began = md_usage_now(), none = {0};
        status = found->command->run(&call, error);
        const struct md_usage took = md_usage_since(&began, &none);
        if (md_verbosity > 0)
            fprintf(stderr, "took %.2f s, %.2f s of processors, %lld MB of memory at most\n",
                    took.wall_seconds, took.cpu_seconds, took.peak_memory_bytes / 1000000);
    }
    free(options);
    return status;
}
