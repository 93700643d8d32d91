/* The keys of a config as a table, for those who read and write configs. */
#ifndef MD_EXPERIMENTS_CONFIG_KEYS_H
#define MD_EXPERIMENTS_CONFIG_KEYS_H

#include "../base/namelist.h"
#include "../base/nearest.h"
#include "../base/yaml_reader.h"
#include "config.h"

/* LOSSES: a choice, or a mapping from choices to weights; POWER: of two. */
enum type { TEXT, CHOICE, LOSSES, BITS, REAL, CAPS, COUNT, POWER, SEED, POLICY, PLAN };

/* Values of `result` besides 0 and 1. BY_DIGEST: the key names a file or folder, whose contents
 * identify a run, by their digest, and not its name. The others are keys that were added later: so
 * that older results keep their identities, they are left out of the text that identifies a run
 * where they have their default (UNLESS_DEFAULT), or where they have no effect (WHERE_USED). */
enum { BY_DIGEST = 2, UNLESS_DEFAULT = 3, WHERE_USED = 4 };

/* That a key has one of these values: "a, b", or "!a, b" for any but these; of a list "[a", that it
 * has a, or "-a, b", that it has neither. */
struct condition {
    const char *key, *values;
};

/* When a key has an effect: where `set` holds (its key NULL: always), and one of `with` does, if
 * there are any. */
struct use {
    struct condition set, with[3];
    const char *idle; /* values that are accepted where it has no effect; NULL: the default; "":
                       * none */
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

/* A hint for an unknown key: "; it is called NAME now" when it was renamed, "; did you mean NAME?"
 * when a name is near, or nothing. */
const char *md_key_hint(const char *name, const struct md_nearest *nearest,
                        char text[MD_NEAREST_SIZE]);

/* A field's value in words, as md_config_value has it; and as it stands in a file. */
void md_key_value(const struct key *key, const void *fields, char text[MD_CONFIG_VALUE_SIZE]);
void md_key_format(const struct key *key, const void *fields, char *text, size_t size);

/* Of two fields, as md_config_order; of the key's values. */
int md_key_order(const struct key *key, const void *a, const void *b);
enum md_value_kind md_key_kind(const struct key *key);

/* The first condition that does not hold, for the key to have an effect; NULL when it has one. */
const struct condition *md_key_unmet(const struct section *sections, int count,
                                     const struct key *key);

/* Fails when a key that was given (a bit of given[section] for each) has no effect, unless its
 * value is accepted all the same (use.idle); and when a value goes with none of another key's. */
int md_check_uses(const struct section *sections, int count, const uint64_t *given,
                  struct md_error *error);

/* Puts what `use` asks for into `text`, which is empty: "set: matrix, recording". */
void md_describe_use(const struct use *use, char *text, size_t size);

/* Whether a field, of the struct `fields`, has its key's default. */
int md_key_is_default(const void *fields, const struct key *key);

/* Whether the key has an effect, or another value than its default. Others are left out of configs
 * that are written for reading. */
int md_key_is_relevant(const struct section *sections, int count, const struct section *section,
                       const struct key *key);

/* Sets the key's field, in the struct `fields`, from a text or a node; errors name the place. */
int md_key_set_text(const struct key *key, const char *text, void *fields,
                    const struct md_location *at, struct md_error *error);
int md_key_set(const struct key *key, const struct md_yaml *yaml, const yaml_node_t *node,
               void *fields, const struct md_location *at);

/* A config that is being read, layer by layer: the file, what a sweep sets, the command line. A
 * layer may repeat a key of the layers before it, but not one of its own. Errors name `origin` (a
 * file, "command line"), the line and the key. */
struct config_builder {
    struct md_config *config;
    struct section sections[RUN_SECTIONS];
    uint64_t given[RUN_SECTIONS];     /* by the layers before this one */
    uint64_t effective[RUN_SECTIONS]; /* those that had an effect at the end of their layer */
    struct md_location given_at[RUN_SECTIONS][MOST_KEYS];
};

/* Start with the defaults, which `config` gets; or with the values that `config` has. */
int md_builder_begin(struct config_builder *builder, struct md_config *config,
                     struct md_error *error);
void md_builder_extend(struct config_builder *builder, struct md_config *config);

/* Set what the YAML `text` of a file called `origin` says (an empty one nothing); the pairs of a
 * document that was read, but those named in `skip` (ended by NULL; may be NULL); one key by its
 * full name ("data.root"), whose place in errors is that of the node `stands` (NULL: none); and
 * "key=value" texts. */
enum { MD_CONFIG_LONGEST = 1 << 15 };
int md_builder_document(struct config_builder *builder, const char *text, size_t size,
                        const char *origin, struct md_error *error);
int md_builder_mapping(struct config_builder *builder, const struct md_yaml *yaml,
                       const char *const *skip);
int md_builder_set(struct config_builder *builder, const char *name, const struct md_yaml *yaml,
                   const yaml_node_t *node, const yaml_node_t *stands);
int md_builder_overrides(struct config_builder *builder, int count, char *const *overrides,
                         struct md_error *error);

/* Ends a layer; and ends the config: fails when a key is missing or was given without effect.
 * (Whether the step fits into the budget is not checked.) A key that had an effect in its layer and
 * lost it by a later one (the file's data.count, with another data.set) gets its default. */
void md_builder_end_layer(struct config_builder *builder);
int md_builder_finish(struct config_builder *builder, const char *origin, struct md_error *error);

enum { QUOTED_SIZE = 9000 }; /* twice the longest text */

/* A text in single quotes, as YAML wants it. */
void md_config_quote(const char *text, char *quoted, size_t size);

#endif
