/* mudepth help and completion: what the tables of commands say. */
#include <stdio.h>
#include <string.h>

#include "../datasets/namelist.h"
#include "commands.h"
#include "completion.h"
#include "help.h"

struct options {
    int man;
    const char *line;
};

static int help(const struct md_invocation *call, struct md_error *error) {
    const struct options *o = call->options;
    struct md_found found;
    if (o->man && call->count > 0)
        return md_fail(error, MD_USAGE, "--man: of all commands, not of \"%.100s\" alone",
                       call->words[0]);
    if (o->man) {
        md_help_man(&md_program);
        return MD_OK;
    }
    for (const struct md_topic *topic = md_topics; call->count == 1 && topic->name != NULL; topic++)
        if (strcmp(topic->name, call->words[0]) == 0) {
            md_help_topic(topic);
            return MD_OK;
        }
    int status = md_command_find(call->count, call->words, &found, error);
    if (status == MD_OK)
        md_help_command(found.command, found.name);
    return status;
}

static const struct md_option help_options[] = {
    MD_OPT("man", 0, FLAG, man, NULL, "print all of it as a page for man"), {0}};

const struct md_command md_command_help = {
    .name = "help",
    .summary = "say what a command does and takes, or the keys of a config",
    .words = {{.name = "COMMAND|TOPIC", .kind = MD_WORD_TOPIC, .number = MD_ANY_NUMBER}},
    MD_OPTIONS(help_options),
    .notes = "The topics are config and quantities.",
    .examples = "  mudepth help run\n"
                "  mudepth help data show\n"
                "  mudepth help config\n"
                "  mudepth help --man | man -l -",
    .computes_nothing = 1,
    .run = help};

static int completion(const struct md_invocation *call, struct md_error *error) {
    const struct options *o = call->options;
    if ((o->line != NULL) == (call->count == 1))
        return md_fail(error, MD_USAGE,
                       "expected the name of a shell; see mudepth completion --help");
    if (o->line != NULL)
        md_complete(&md_program, o->line);
    else
        printf("%s", md_shell_scripts[md_find_name(md_shell_names, call->words[0])]);
    return MD_OK;
}

static const struct md_option completion_options[] = {
    MD_OPT("line", 0, TEXT, line, "LINE",
           "print what the last word of a line can become instead: what the script asks for"),
    {0}};

const struct md_command md_command_completion = {
    .name = "completion",
    .summary = "print a script with which a shell completes commands, options and keys",
    .words = {{.name = "SHELL", .number = MD_AT_MOST_ONE, .names = md_shell_names}},
    MD_OPTIONS(completion_options),
    .notes = "SHELL is bash, zsh or fish.",
    .examples = "  source <(mudepth completion bash)\n"
                "  mudepth completion zsh >~/.zsh/_mudepth      (a folder of fpath)\n"
                "  mudepth completion fish >~/.config/fish/completions/mudepth.fish",
    .computes_nothing = 1,
    .run = completion};
