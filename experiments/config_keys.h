/* The keys of a config as a table, for those who read and write configs. */
#ifndef MD_EXPERIMENTS_CONFIG_KEYS_H
#define MD_EXPERIMENTS_CONFIG_KEYS_H

#include "../base/namelist.h"
#include "../base/nearest.h"
#include "../base/yaml_reader.h"
#include "config.h"

/* LOSSES: a choice, or a mapping from choices to weights; POWER: of two. */
enum type { TEXT, CHOICE, LOSSES, BITS, REAL, CAPS, COUNT, POWER, SEED, POLICY, PLAN };

/* For `result`: the name of something that counts by what is in it, which digests speak for; and
 * keys younger than results that are to stay found, which are not said in what a run is known by
 * where they have their default, or have no effect. */
enum { BY_DIGEST = 2, UNLESS_DEFAULT = 3, WHERE_USED = 4 };

/* Another key, and values of it: "a, b", or "!a, b" for all but these; of a list "[a", those that
 * have it; or "-a, b", those that have none of these. */
struct need {
    const char *key, *values;
};

/* When a key has an effect: in these data sets (key NULL: in all), and, if there are any, with one
 * of these. */
struct use {
    struct need set, with[2];
    const char *idle; /* the values that are right elsewhere; NULL: the default; "": none */
};

struct key {
    const char *name;
    enum type type;
    size_t offset, size;      /* in the struct; size of a text */
    double low, high;         /* numbers: the range, both ends allowed */
    const char *const *names; /* choices and bits */
    const char *preset;       /* default; NULL: the key must be given */
    int result;               /* 1: can change what comes out; 0: cannot; or as above */
    const char *help;
    const struct use *use; /* NULL: always */
};

enum { MOST_KEYS = 64 };

/* A table of keys, and the struct they are fields of. */
struct section {
    const char *prefix;
    const struct key *keys;
    size_t count;
    void *fields;
    uint64_t given;               /* bit per key */
    struct md_location *given_at; /* per key, where its value stands; NULL: nobody asks */
};
enum { RUN, DATA, SPLITS, RUN_SECTIONS };

/* The keys of a run with the fields of `config`, and those of a data specification (two sections:
 * the set's keys and its split). */
void md_config_sections(struct md_config *config, struct section sections[RUN_SECTIONS]);
void md_data_sections(struct md_data_spec *spec, struct section sections[2]);

/* What one who gave a key that there is not may have meant: "; it is called NAME now" of one that
 * there was, "; did you mean NAME?", or nothing. */
const char *md_key_hint(const char *name, const struct md_nearest *nearest,
                        char text[MD_NEAREST_SIZE]);

/* A field's value in words, as md_config_value has it; and as it stands in a file. */
void md_key_value(const struct key *key, const void *fields, char text[MD_CONFIG_VALUE_SIZE]);
void md_key_format(const struct key *key, const void *fields, char *text, size_t size);

/* Of two fields, as md_config_order; of the key's values. */
int md_key_order(const struct key *key, const void *a, const void *b);
enum md_value_kind md_key_kind(const struct key *key);

/* What the key would need to have an effect, NULL when it has one. */
const struct need *md_key_unmet(const struct section *sections, int count, const struct key *key);

/* A key that was given, as the bits say, but has no effect is an error, unless its value is what
 * holds anyway; and so is a value that does not go with others. */
int md_check_uses(const struct section *sections, int count, const uint64_t *given,
                  struct md_error *error);

/* Puts what `use` asks for into `text`, which is empty: "set: matrix, recording". */
void md_describe_use(const struct use *use, char *text, size_t size);

/* Whether a field, of the struct `fields`, has its key's default. */
int md_key_is_default(const void *fields, const struct key *key);

/* Whether it has an effect, or at least another value than the default. Where it does not, a config
 * that is written for reading leaves it out. */
int md_key_says(const struct section *sections, int count, const struct section *section,
                const struct key *key);

/* Sets the key's field, in the struct `fields`, from a text or a node; errors name the place. */
int md_key_set_text(const struct key *key, const char *text, void *fields,
                    const struct md_location *at, struct md_error *error);
int md_key_set(const struct key *key, const struct md_yaml *yaml, const yaml_node_t *node,
               void *fields, const struct md_location *at);

/* A config that is being read, layer by layer: the file, what a sweep sets, the command line. A
 * layer may repeat a key of the layers before it, but not one of its own. Errors name `origin` (a
 * file, "command line"), the line and the key. */
struct draft {
    struct md_config *config;
    struct section sections[RUN_SECTIONS];
    uint64_t given[RUN_SECTIONS];     /* by the layers before this one */
    uint64_t effective[RUN_SECTIONS]; /* those that had an effect at the end of their layer */
    struct md_location given_at[RUN_SECTIONS][MOST_KEYS];
};

/* Starts with the defaults in `config`; or with what `config` holds. */
int md_draft_begin(struct draft *draft, struct md_config *config, struct md_error *error);
void md_draft_take(struct draft *draft, struct md_config *config);

/* Set all that the document `text` of a file called `origin` says (an empty one nothing); all pairs
 * of a document but those named in `skip` (ended by NULL; may be NULL); one key
 * with its full name ("data.root") that stands at a node of the document (`stands`; NULL: nowhere),
 * errors as the document has them; and "key=value" texts. */
enum { MD_CONFIG_LONGEST = 1 << 15 };
int md_draft_document(struct draft *draft, const char *text, size_t size, const char *origin,
                      struct md_error *error);
int md_draft_mapping(struct draft *draft, const struct md_yaml *yaml, const char *const *skip);
int md_draft_set(struct draft *draft, const char *name, const struct md_yaml *yaml,
                 const yaml_node_t *node, const yaml_node_t *stands);
int md_draft_overrides(struct draft *draft, int count, char *const *overrides,
                       struct md_error *error);

/* Ends a layer; and the config: every key is there, none was given in vain. (Whether its step fits
 * into the budget is not asked.) What had an effect until a later layer took it away (the file's
 * data.count, with another data.set) has its default again. */
void md_draft_next(struct draft *draft);
int md_draft_end(struct draft *draft, const char *origin, struct md_error *error);

enum { QUOTED_SIZE = 9000 }; /* twice the longest text */

/* A text in single quotes, as YAML wants it. */
void md_config_quote(const char *text, char *quoted, size_t size);

#endif
