/* mudepth help and completion: what the tables of commands say. */
#include <stdio.h>
#include <string.h>

#include "../base/file.h"
#include "../base/namelist.h"
#include "../experiments/config.h"
#include "../results/study.h"
#include "commands.h"
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

/* ---- completion ------------------------------------------------------------------------------ */

/* The scripts that ask for completions, and the shells they are for. */
static const char *const shell_names[] = {"bash", "zsh", "fish", NULL};
static const char *const shell_scripts[] = {
    /* Readline takes what is behind = and : for a word of its own. */
    "_mudepth() {\n"
    "    local line=\"${COMP_LINE:0:COMP_POINT}\"\n"
    "    local word=\"${line##* }\"\n"
    "    mapfile -t COMPREPLY < <(\"$1\" completion --line \"$line\" 2>/dev/null)\n"
    "    [[ ${#COMPREPLY[@]} -gt 0 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null\n"
    "    [[ $word == *[=:]* ]] && COMPREPLY=(\"${COMPREPLY[@]#\"${word%[=:]*}\"[=:]}\")\n"
    "    return 0\n"
    "}\n"
    "complete -o default -F _mudepth mudepth\n",
    "#compdef mudepth\n"
    "_mudepth() {\n"
    "    local -a found\n"
    "    found=(\"${(@f)$(\"$words[1]\" completion --line \"$LBUFFER\" 2>/dev/null)}\")\n"
    "    if [[ -z $found ]]; then _files\n"
    "    elif [[ $found[1] == *= ]]; then compadd -Q -S '' -a found\n"
    "    else compadd -Q -a found; fi\n"
    "}\n"
    "compdef _mudepth mudepth\n",
    "complete -c mudepth -a '(mudepth completion --line (commandline -cp) 2>/dev/null)'\n"};

/* The line as far as it has been read. */
struct reader {
    const struct md_command *command;
    const struct md_option *waits; /* for its value; NULL: none */
    int words;                     /* of the command's */
};

/* PREFIX NAME ENDING, where the name goes on from `begun`. */
static void offer(const char *begun, const char *prefix, const char *name, const char *ending) {
    if (name[0] != '\0' && strncmp(name, begun, strlen(begun)) == 0)
        printf("%s%s%s\n", prefix, name, ending);
}

static void offer_all(const char *begun, const char *prefix, const char *const *names) {
    for (int i = 0; names != NULL && names[i] != NULL; i++)
        offer(begun, prefix, names[i], "");
}

static const struct md_command *find_command(const struct md_command *above, const char *name) {
    for (int i = 0; above->commands != NULL && above->commands[i] != NULL; i++)
        if (strcmp(above->commands[i]->name, name) == 0)
            return above->commands[i];
    return NULL;
}

/* "--name", "--name=VALUE" or "-n" */
static const struct md_option *find_option(const struct md_command *command, const char *word) {
    size_t length = strcspn(word, "=");
    const struct md_option *o;
    for (int i = 0; (o = md_option_at(command, i)) != NULL; i++)
        if ((length == strlen(o->name) + 2 && strncmp(word + 2, o->name, length - 2) == 0) ||
            (word[1] != '-' && o->letter == word[1]))
            return o;
    return NULL;
}

static void read_word(struct reader *r, const char *word) {
    const struct md_command *below = find_command(r->command, word);
    if (r->waits != NULL) {
        r->waits = NULL;
    } else if (word[0] == '-') {
        const struct md_option *o = find_option(r->command, word);
        if (o != NULL && o->type != MD_OPTION_FLAG && strchr(word, '=') == NULL)
            r->waits = o;
    } else if (below != NULL) {
        r->command = below;
    } else {
        r->words++;
    }
}

/* "policy=d" or "pol" */
static void offer_override(const char *begun) {
    char name[MD_CONFIG_NAME_SIZE], prefix[MD_CONFIG_NAME_SIZE + 1];
    const char *equals = strchr(begun, '=');
    if (equals == NULL) {
        for (int key = 0; md_config_key(key, name) == 0; key++)
            offer(begun, "", name, "=");
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)(equals - begun), begun);
    snprintf(prefix, sizeof prefix, "%s=", name);
    if (md_config_find(name) >= 0)
        offer_all(equals + 1, prefix, md_config_choices(md_config_find(name)));
}

static void offer_studies(const char *begun) {
    struct md_names names = {0};
    struct md_error ignored; /* there is nothing to offer then */
    if (md_studies_list(&names, &ignored) == MD_OK)
        for (size_t i = 0; i < names.count; i++)
            offer(begun, "", names.names[i], "");
    md_names_free(&names);
}

static void offer_commands(const struct md_command *above, const char *begun) {
    for (int i = 0; above->commands != NULL && above->commands[i] != NULL; i++)
        offer(begun, "", above->commands[i]->name, "");
}

static void offer_topics(const struct md_command *program, const char *begun) {
    offer_commands(program, begun);
    for (const struct md_topic *topic = md_topics; topic->name != NULL; topic++)
        offer(begun, "", topic->name, "");
}

static void offer_word(const struct md_command *program, const struct reader *r,
                       const char *begun) {
    const struct md_word *word = r->command->words;
    if (r->words == 0)
        offer_commands(r->command, begun);
    for (int i = 0; i < r->words && word + 1 < r->command->words + MD_MOST_WORDS; i++)
        word += word[1].name != NULL;
    if (word->kind == MD_WORD_OVERRIDE)
        offer_override(begun);
    else if (word->kind == MD_WORD_STUDY)
        offer_studies(begun);
    else if (word->kind == MD_WORD_TOPIC)
        offer_topics(program, begun);
    else
        offer_all(begun, "", word->names);
}

static void offer_last(const struct md_command *program, const struct reader *r,
                       const char *begun) {
    char prefix[80];
    const char *equals = strchr(begun, '=');
    const struct md_option *option = begun[0] == '-' ? find_option(r->command, begun) : NULL;
    if (r->waits != NULL) {
        offer_all(begun, "", r->waits->names);
    } else if (option != NULL && equals != NULL) {
        snprintf(prefix, sizeof prefix, "--%s=", option->name);
        offer_all(equals + 1, prefix, option->names);
    } else if (begun[0] == '-') {
        for (int i = 0; (option = md_option_at(r->command, i)) != NULL; i++)
            offer(begun[1] == '-' ? begun + 2 : begun + 1, "--", option->name, "");
        offer(begun[1] == '-' ? begun + 2 : begun + 1, "--", "help", "");
    } else {
        offer_word(program, r, begun);
    }
}

/* Prints what the last word of `line` can become ("mudepth run configs/demo.yaml pol"), a line
 * each; nothing where a file is wanted, which shells know better. A line that ends with a space has
 * an empty last word. */
static void complete(const struct md_command *program, const char *line) {
    struct reader r = {.command = program};
    char word[1024];
    for (int number = 0;; number++) {
        size_t length = strcspn(line, " ");
        snprintf(word, sizeof word, "%.*s", (int)length, line);
        line += length;
        if (*line == '\0')
            break;
        if (number > 0)
            read_word(&r, word);
        line += strspn(line, " ");
    }
    offer_last(program, &r, word);
}

static int completion(const struct md_invocation *call, struct md_error *error) {
    const struct options *o = call->options;
    if ((o->line != NULL) == (call->count == 1))
        return md_fail(error, MD_USAGE,
                       "expected the name of a shell; see mudepth completion --help");
    if (o->line != NULL)
        complete(&md_program, o->line);
    else
        printf("%s", shell_scripts[md_find_name(shell_names, call->words[0])]);
    return MD_OK;
}

static const struct md_option completion_options[] = {
    MD_OPT("line", 0, TEXT, line, "LINE",
           "print what the last word of a line can become instead: what the script asks for"),
    {0}};

const struct md_command md_command_completion = {
    .name = "completion",
    .summary = "print a script with which a shell completes commands, options and keys",
    .words = {{.name = "SHELL", .number = MD_AT_MOST_ONE, .names = shell_names}},
    MD_OPTIONS(completion_options),
    .notes = "SHELL is bash, zsh or fish.",
    .examples = "  source <(mudepth completion bash)\n"
                "  mudepth completion zsh >~/.zsh/_mudepth      (a folder of fpath)\n"
                "  mudepth completion fish >~/.config/fish/completions/mudepth.fish",
    .computes_nothing = 1,
    .run = completion};
