/* Options and words of a command, as a table: it parses them, checks them, prints the help and the
 * man page (help.h), and completes them in a shell (cmd_help.c). Nothing is said twice.
 *
 * Of an option that is given twice the last one counts, as of a KEY=VALUE. One that would have no
 * effect is an error: `needs` and `excludes` name the options that it depends on. */
#ifndef MD_COMMANDS_OPTIONS_H
#define MD_COMMANDS_OPTIONS_H

#include <stddef.h>

#include "../base/error.h"

/* What its field in the command's struct of options is, which is all zero at first. */
enum md_option_type {
    MD_OPTION_FLAG, /* int, 1 when it is given: an option without a value */
    MD_OPTION_TEXT, /* const char * */
    MD_OPTION_PATH, /* the same; a file or a folder */
    /* The same; what is written. A command with such an option has --force, without which nothing
     * that is there is replaced, and what cannot be made is refused before any work. */
    MD_OPTION_OUTPUT, /* a file: one that is there is refused (md_may_write) */
    MD_OPTION_TARGET, /* a file that may be resumed: the command decides when it is refused */
    MD_OPTION_FOLDER, /* the folder of many files: the command decides which are refused */
    MD_OPTION_WHOLE,  /* int, low to high */
    MD_OPTION_NUMBER, /* double, low to high */
    MD_OPTION_CHOICE, /* int, an index into `names` */
    MD_OPTION_OWN     /* what `parse` makes of it */
};

struct md_option {
    const char *name; /* without --; NULL ends a table */
    char letter;      /* 0: none */
    enum md_option_type type;
    size_t offset;     /* of the field */
    const char *value; /* what the help calls its value: "FILE" */
    const char *help;
    const char *preset; /* the value when it is not given; NULL: the field stays zero */
    double low, high;   /* both ends allowed */
    const char *const *names;
    /* Errors need not name the option. */
    int (*parse)(const char *text, void *field, struct md_error *error);
    int is_required;
    int makes_folder;  /* of an OUTPUT: its folder need not be there (a TARGET's and a FOLDER never
                          need be) */
    const char *needs; /* an option without which it has no effect; NULL: none */
    const char *excludes; /* options with which it has none: "json, csv"; NULL: none */
};

/* What the words between the options are, for the help and for completion. */
enum md_word_kind {
    MD_WORD_OTHER,
    MD_WORD_PATH,
    MD_WORD_CONFIG,   /* a config file */
    MD_WORD_OVERRIDE, /* KEY=VALUE of a config */
    MD_WORD_STUDY,
    MD_WORD_TOPIC /* of mudepth help */
};
enum md_word_number { MD_ONE, MD_AT_MOST_ONE, MD_AT_LEAST_ONE, MD_ANY_NUMBER };
struct md_word {
    const char *name; /* "CONFIG.yaml"; NULL: there are no more */
    enum md_word_kind kind;
    enum md_word_number number; /* all but the last one of a command are MD_ONE */
    const char *const *names;   /* what it can be; NULL: anything */
};
enum { MD_MOST_WORDS = 3, MD_MOST_OPTIONS = 24 };

struct md_invocation;

/* What every command takes besides; `force` only those that write files. */
struct md_common {
    int force, quiet, verbose;
};

struct md_command {
    const char *name, *summary;
    const struct md_command *const *commands; /* subcommands, ended by NULL; then the rest of the
                                                 struct is theirs, but for the texts */
    struct md_word words[MD_MOST_WORDS];
    const struct md_option *options; /* NULL: none */
    size_t options_size;             /* of the struct they fill */
    const char *rest;                /* what may stand behind --, as the help calls it */
    const char *rest_needs;          /* an option */
    const char *notes; /* paragraphs, a line each; lines that begin with a space stay as they are */
    const char *examples; /* lines */
    int computes_nothing; /* it is fine whatever MUDEPTH_CPU says */
    int (*run)(const struct md_invocation *call, struct md_error *error);
};

/* The options of a command by their number, its own ones and then those of many commands; NULL
 * behind the last. */
const struct md_option *md_option_at(const struct md_command *command, int number);

/* What was typed. */
struct md_invocation {
    const struct md_command *command;
    const void *options; /* command->options_size bytes */
    struct md_common common;
    int count; /* of words, as many as the command wants */
    char *const *words;
    int rest_count; /* behind -- */
    char *const *rest;
    char line[1024]; /* all of it, for a shell; cut when it is too long */
};

/* Fills `options`, of command->options_size bytes, and `call`. name: the command with those above
 * it, "data info"; argv[0] stands for it, and what is behind is permuted. "--help" is answered by
 * others. */
int md_invocation_parse(const struct md_command *command, const char *name, int argc, char **argv,
                        void *options, struct md_invocation *call, struct md_error *error);

/* One word for a shell: as it is when it has ordinary characters only, otherwise in single quotes.
 * Returns its length; what does not fit into `size` bytes is cut off. */
size_t md_shell_word(const char *word, char *text, size_t size);

/* A whole text as a number within low .. high. */
int md_parse_within(const char *text, double low, double high, double *value,
                    struct md_error *error);

/* A row of a table for `struct options`. Behind VALUE stands the help, and then what else the row
 * has: .preset = "1", .low = 1, .high = 64 */
#define MD_OPT(NAME, LETTER, TYPE, FIELD, VALUE, ...)                                              \
    {                                                                                              \
        .name = NAME, .letter = LETTER, .type = MD_OPTION_##TYPE,                                  \
        .offset = offsetof(struct options, FIELD), .value = VALUE, .help = __VA_ARGS__             \
    }
#define MD_OPT_JSON       MD_OPT("json", 0, FLAG, json, NULL, "print the result as JSON")
#define MD_OPTIONS(TABLE) .options = TABLE, .options_size = sizeof(struct options)

/* The words of commands that begin with a config. */
#define MD_CONFIG_WORDS(NUMBER)                                                                    \
    .words = {{"CONFIG.yaml", MD_WORD_CONFIG, NUMBER, NULL},                                       \
              {"KEY=VALUE", MD_WORD_OVERRIDE, MD_ANY_NUMBER, NULL}}

#endif
