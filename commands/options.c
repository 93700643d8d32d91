#include "options.h"

#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/file.h"
#include "../base/namelist.h"
#include "../base/nearest.h"
#include "../results/study.h"

/* A call while it is read. */
struct reader {
    const struct md_command *command;
    const char *name; /* of the command, with those above it */
    char *fields;     /* the struct of options */
    struct md_common *common;
    unsigned given; /* bit per option */
    struct md_error *error;
};

/* For a long option getopt_long returns LONG plus its index, which is no character. */
enum { LONG = 256 };

#define COMMON(NAME, LETTER, FIELD, ...)                                                           \
    {                                                                                              \
        .name = NAME, .letter = LETTER, .type = MD_OPTION_FLAG,                                    \
        .offset = offsetof(struct md_common, FIELD), .help = __VA_ARGS__                           \
    }
static const struct md_option common[] = {
    COMMON("force", 'f', force,
           "replace the files of these names that are there: they are refused otherwise"),
    COMMON("quiet", 'q', quiet, "no notes and no progress on standard error",
           .excludes = "verbose"),
    COMMON("verbose", 'v', verbose, "say more, and at the end what it took"),
    {0}};

static int count_own(const struct md_command *command) {
    int count = 0;
    while (command->options != NULL && command->options[count].name != NULL)
        count++;
    return count;
}

static int is_output(const struct md_option *o) {
    return o->type == MD_OPTION_OUTPUT || o->type == MD_OPTION_TARGET ||
           o->type == MD_OPTION_FOLDER;
}

const struct md_option *md_option_at(const struct md_command *command, int number) {
    int own = count_own(command), writes = 0;
    for (int i = 0; i < own; i++)
        writes |= is_output(&command->options[i]);
    const struct md_option *option =
        number < own ? &command->options[number] : &common[number - own + !writes];
    return option->name != NULL ? option : NULL;
}

/* ---- values ---------------------------------------------------------------------------------- */

int md_parse_within(const char *text, double low, double high, double *value,
                    struct md_error *error) {
    if (md_parse_real(text, value) != 0 || !(*value >= low && *value <= high))
        return md_fail(error, MD_USAGE, "expected a number from %g to %g, found \"%.100s\"", low,
                       high, text);
    return MD_OK;
}

static int parse_whole(const struct md_option *o, const char *text, int *value,
                       struct md_error *error) {
    int64_t number = 0;
    const char *end = md_parse_integer(text, &number);
    if (end == NULL || *end != '\0' || (double)number < o->low || (double)number > o->high)
        return md_fail(error, MD_USAGE,
                       "expected a whole number from %.0f to %.0f, found \"%.100s\"", o->low,
                       o->high, text);
    *value = (int)number;
    return MD_OK;
}

static int parse_choice(const char *const *names, const char *text, int *value,
                        struct md_error *error) {
    char list[200];
    if ((*value = md_find_name(names, text)) >= 0)
        return MD_OK;
    md_join_names(names, " or ", list, sizeof list);
    return md_fail(error, MD_USAGE, "expected %s, found \"%.100s\"", list, text);
}

/* Names the option that an error, if it is one, is about. */
static int fail_in(const struct reader *r, int status, const struct md_option *o) {
    char name[40];
    snprintf(name, sizeof name, "--%s", o->name);
    return status == MD_OK ? MD_OK : md_fail_in(r->error, status, name);
}

static int set(const struct reader *r, int index, const char *text) {
    const struct md_option *o = md_option_at(r->command, index);
    int is_own = index < count_own(r->command);
    void *field = (is_own ? r->fields : (char *)r->common) + o->offset;
    int status = MD_OK;
    switch (o->type) {
    case MD_OPTION_FLAG:
        *(int *)field = 1;
        break;
    case MD_OPTION_WHOLE:
        status = parse_whole(o, text, field, r->error);
        break;
    case MD_OPTION_NUMBER:
        status = md_parse_within(text, o->low, o->high, field, r->error);
        break;
    case MD_OPTION_CHOICE:
        status = parse_choice(o->names, text, field, r->error);
        break;
    case MD_OPTION_OWN:
        status = o->parse(text, field, r->error);
        break;
    default:
        *(const char **)field = text;
        break;
    }
    return fail_in(r, status, o);
}

/* ---- the command line ------------------------------------------------------------------------ */

size_t md_shell_word(const char *word, char *text, size_t size) {
    static const char ordinary[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789_-+=./,:@%";
    if (word[0] != '\0' && word[strspn(word, ordinary)] == '\0')
        return (size_t)snprintf(text, size, "%s", word);
    size_t length = (size_t)snprintf(text, size, "'");
    for (const char *c = word; *c != '\0' && length < size; c++)
        length += (size_t)snprintf(text + length, size - length, *c == '\'' ? "'\\''" : "%c", *c);
    return length < size ? length + (size_t)snprintf(text + length, size - length, "'") : length;
}

static void write_line(const char *name, int argc, char *const *argv, char *text, size_t size) {
    size_t length = (size_t)snprintf(text, size, "mudepth %s", name);
    for (int i = 1; i < argc && length + 1 < size; i++) {
        text[length++] = ' ';
        length += md_shell_word(argv[i], text + length, size - length);
    }
}

/* ---- options --------------------------------------------------------------------------------- */

static int fail_option(const struct reader *r, int found, const char *word) {
    char hint[MD_NEAREST_SIZE] = "", name[64];
    struct md_nearest nearest;
    if (found == ':')
        return md_fail(r->error, MD_USAGE, "option %.100s needs a value", word);
    if (optopt >= LONG || (optopt != 0 && strncmp(word, "--", 2) == 0))
        return md_fail(r->error, MD_USAGE, "option %.100s takes no value", word);
    if (optopt != 0)
        return md_fail(r->error, MD_USAGE, "unknown option -%c; see mudepth %s --help", optopt,
                       r->name);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    nearest = md_nearest_to(name);
    const struct md_option *o;
    for (int i = 0; (o = md_option_at(r->command, i)) != NULL; i++)
        md_nearest_try(&nearest, o->name);
    if (nearest.name[0] != '\0')
        snprintf(hint, sizeof hint, "; did you mean --%s?", nearest.name);
    return md_fail(r->error, MD_USAGE, "unknown option %.100s%s; see mudepth %s --help", word, hint,
                   r->name);
}

static int find_letter(const struct md_command *command, int letter) {
    int i = 0;
    while (md_option_at(command, i)->letter != letter)
        i++;
    return i;
}

/* getopt_long's own tables; it moves the words behind the options. */
static int read_options(struct reader *r, int argc, char **argv) {
    const struct md_option *o;
    struct option longs[MD_MOST_OPTIONS + 1] = {{0}};
    char letters[2 * MD_MOST_OPTIONS + 2] = ":";
    size_t length = 1;
    int status = MD_OK, found;
    for (int i = 0; (o = md_option_at(r->command, i)) != NULL; i++) {
        int has_value = o->type != MD_OPTION_FLAG;
        longs[i] = (struct option){o->name, has_value, NULL, LONG + i};
        if (o->letter != 0)
            length += (size_t)snprintf(letters + length, sizeof letters - length, "%c%s", o->letter,
                                       has_value ? ":" : "");
        if (o->preset != NULL && set(r, i, o->preset) != MD_OK)
            return MD_FAILED;
    }
    optind = 0; /* anew */
    opterr = 0;
    while (status == MD_OK && (found = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        if (found == '?' || found == ':')
            return fail_option(r, found, argv[optind - 1]);
        int index = found >= LONG ? found - LONG : find_letter(r->command, found);
        status = set(r, index, optarg);
        r->given |= 1u << index;
    }
    return status;
}

/* Whether the options named in a list ("json, csv") have this one. */
static int is_listed(const char *list, const char *name) {
    size_t length = strlen(name);
    for (const char *item = list; item != NULL && *item != '\0'; item += strspn(item, ", ")) {
        size_t here = strcspn(item, ", ");
        if (here == length && strncmp(item, name, length) == 0)
            return 1;
        item += here;
    }
    return 0;
}

static int is_given(const struct reader *r, const char *name) {
    const struct md_option *o;
    for (int i = 0; (o = md_option_at(r->command, i)) != NULL; i++)
        if ((r->given >> i & 1u) != 0 && strcmp(o->name, name) == 0)
            return 1;
    return 0;
}

/* Fails when a required option is missing, or one would have no effect. */
static int check_options(const struct reader *r) {
    const struct md_option *o, *other;
    for (int i = 0; (o = md_option_at(r->command, i)) != NULL; i++) {
        if ((r->given >> i & 1u) == 0) {
            if (o->is_required)
                return md_fail(r->error, MD_USAGE, "--%s%s%s must be given; see mudepth %s --help",
                               o->name, o->value != NULL ? " " : "",
                               o->value != NULL ? o->value : "", r->name);
            continue;
        }
        if (o->needs != NULL && !is_given(r, o->needs))
            return md_fail(r->error, MD_USAGE, "--%s: only with --%s", o->name, o->needs);
        for (int k = 0; (other = md_option_at(r->command, k)) != NULL; k++)
            if ((r->given >> k & 1u) != 0 && is_listed(o->excludes, other->name))
                return md_fail(r->error, MD_USAGE, "--%s: not with --%s", o->name, other->name);
    }
    return MD_OK;
}

static const char *output_of(const struct reader *r, const struct md_option *o) {
    return is_output(o) ? *(char *const *)(void *)(r->fields + o->offset) : NULL;
}

/* Fails unless an output can be written, and what exists need not be replaced without --force. */
static int check_output(const struct reader *r, const struct md_option *o, const char *path) {
    int is_there = access(path, F_OK) == 0, is_folder = o->type == MD_OPTION_FOLDER;
    char inside[MD_PATH_MAX];
    int status = MD_OK;
    if (o->type == MD_OPTION_OUTPUT)
        status = md_may_write(path, r->common->force, r->error);
    else if (is_folder && path[0] == '\0')
        status = md_fail(r->error, MD_USAGE, "expected the name of a folder, found \"\"");
    else if (is_folder && is_there && !md_is_folder(path))
        status = md_fail(r->error, MD_USAGE, "%.400s: is there already, and is no folder", path);
    if (status == MD_OK && is_folder)
        status = md_path_format(inside, r->error, "%s/.", path);
    if (status == MD_OK && !(o->type == MD_OPTION_TARGET && is_there))
        status = md_check_folder(is_folder ? inside : path,
                                 o->type != MD_OPTION_OUTPUT || o->makes_folder, r->error);
    return fail_in(r, status, o);
}

/* All of them, and none is the same as another. */
static int check_outputs(const struct reader *r) {
    const struct md_option *own = r->command->options;
    int outputs = 0, status = MD_OK;
    for (int i = 0; i < count_own(r->command) && status == MD_OK; i++) {
        const char *path = output_of(r, &own[i]), *other;
        outputs += path != NULL || own[i].type == MD_OPTION_TARGET; /* it may have a default */
        for (int k = 0; path != NULL && k < i && status == MD_OK; k++)
            if ((other = output_of(r, &own[k])) != NULL && md_is_same_file(other, path))
                status = md_fail(r->error, MD_USAGE, "both --%s and --%s: %.400s", own[k].name,
                                 own[i].name, path);
        if (path != NULL && status == MD_OK)
            status = check_output(r, &own[i], path);
    }
    if (status == MD_OK && r->common->force && outputs == 0)
        return md_fail(r->error, MD_USAGE, "--force: nothing is written that it could replace");
    return status;
}

/* ---- words ----------------------------------------------------------------------------------- */

/* A config may have = in its path, but what has one and is no file was meant for an override. */
static int is_override(const char *word) {
    return strchr(word, '=') != NULL && access(word, F_OK) != 0;
}

/* Fails because a word is missing, or `found` (NULL: nothing) stands in its place. Lists the
 * studies where one is expected. */
static int fail_missing(const struct reader *r, const struct md_word *word, const char *found) {
    struct md_names studies = {0};
    struct md_error ignored; /* there are none then */
    char list[600] = "";
    if (word->kind == MD_WORD_STUDY && md_studies_list(&studies, &ignored) == MD_OK &&
        studies.count > 0) {
        size_t length = (size_t)snprintf(list, sizeof list, "; the studies are ");
        md_study_join(&studies, list + length, sizeof list - length);
    }
    md_names_free(&studies);
    return md_fail(r->error, MD_USAGE, "expected %s, found %s%.100s%s%s; see mudepth %s --help",
                   word->name, found != NULL ? "\"" : "", found != NULL ? found : "nothing",
                   found != NULL ? "\"" : "", list, r->name);
}

static int check_words(const struct reader *r, const struct md_invocation *call) {
    const struct md_word *word = r->command->words;
    int at = 0;
    for (; word < r->command->words + MD_MOST_WORDS && word->name != NULL; word++) {
        int is_there =
            at < call->count && !(word->kind == MD_WORD_CONFIG && is_override(call->words[at]));
        if (!is_there && (word->number == MD_ONE || word->number == MD_AT_LEAST_ONE))
            return fail_missing(r, word, at < call->count ? call->words[at] : NULL);
        int end =
            word->number == MD_ONE || word->number == MD_AT_MOST_ONE ? at + is_there : call->count;
        for (int index; word->names != NULL && at < end; at++)
            if (parse_choice(word->names, call->words[at], &index, r->error) != MD_OK)
                return MD_USAGE;
        at = end;
    }
    if (at < call->count)
        return md_fail(r->error, MD_USAGE, "unexpected \"%.100s\"; see mudepth %s --help",
                       call->words[at], r->name);
    return MD_OK;
}

/* Cuts off what is behind --, where that is for another program. */
static int split_rest(const struct md_command *command, int argc, char **argv,
                      struct md_invocation *call) {
    int i = 1;
    while (command->rest != NULL && i < argc && strcmp(argv[i], "--") != 0)
        i++;
    if (command->rest == NULL || i >= argc)
        return argc;
    call->rest = argv + i + 1;
    call->rest_count = argc - i - 1;
    return i;
}

int md_invocation_parse(const struct md_command *command, const char *name, int argc, char **argv,
                        void *options, struct md_invocation *call, struct md_error *error) {
    struct reader r = {.command = command,
                       .name = name,
                       .fields = options,
                       .common = &call->common,
                       .error = error};
    *call = (struct md_invocation){.command = command, .options = options};
    if (command->options_size > 0)
        memset(options, 0, command->options_size);
    argc = split_rest(command, argc, argv, call);
    write_line(name, argc, argv, call->line, sizeof call->line);
    MD_TRY(read_options(&r, argc, argv));
    call->count = argc - optind;
    call->words = argv + optind;
    MD_TRY(check_options(&r));
    if (call->rest != NULL && !is_given(&r, command->rest_needs))
        return md_fail(error, MD_USAGE, "%s (behind --): only with --%s", command->rest,
                       command->rest_needs);
    MD_TRY(check_words(&r, call));
    return check_outputs(&r);
}
