/* The keys of a config as a table, for those who read and write configs. Internal to this room. */
#ifndef MD_EXPERIMENTS_CONFIG_KEYS_H
#define MD_EXPERIMENTS_CONFIG_KEYS_H

#include <yaml.h>

#include "config.h"

enum type { TEXT, CHOICE, BITS, REAL, CAPS, COUNT, POWER, SEED, POLICY }; /* POWER: of two */

/* For `result`: the name of something that counts by what is in it, which digests speak for. */
enum { BY_DIGEST = 2 };

struct key {
    const char *name;
    enum type type;
    size_t offset, size;      /* in the struct; size of a text */
    double low, high;         /* numbers: the range, both ends allowed */
    const char *const *names; /* choices and bits */
    const char *preset;       /* default; NULL: the key must be given */
    int result;               /* 1: can change what comes out; 0: cannot; BY_DIGEST */
    const char *help;
};

/* A table of keys, and the struct they are fields of. */
struct section {
    const char *prefix;
    const struct key *keys;
    size_t count;
    void *fields;
    unsigned given; /* bit per key */
};
enum { RUN, DATA, SPLITS, RUN_SECTIONS };

/* The keys of a run with the fields of `config`, and those of a data specification (two sections:
 * the set's keys and its split). */
void md_config_sections(struct md_config *config, struct section sections[RUN_SECTIONS]);
void md_data_sections(struct md_data_spec *spec, struct section sections[2]);

/* Whether the key of this number counts by what is in the file it names. */
int md_config_by_digest(int number);

/* A config that is being read, layer by layer: the file, what a sweep sets, the command line. A
 * layer may repeat a key of the layers before it, but not one of its own. Errors name `origin` (a
 * file, "command line"), the line and the key. */
struct draft {
    struct md_config *config;
    struct section sections[RUN_SECTIONS];
    unsigned given[RUN_SECTIONS]; /* by the layers before this one */
};

/* Starts with the defaults in `config`; or with what `config` holds. */
int md_draft_begin(struct draft *draft, struct md_config *config, struct md_error *error);
void md_draft_take(struct draft *draft, struct md_config *config);

/* Set all pairs of a mapping but those named in `skip` (ended by NULL; may be NULL); one key with
 * its full name ("data.root"); and "key=value" texts. */
int md_draft_mapping(struct draft *draft, yaml_document_t *document, const yaml_node_t *mapping,
                     const char *const *skip, const char *origin, struct md_error *error);
int md_draft_set(struct draft *draft, const char *name, yaml_document_t *document,
                 const yaml_node_t *node, const char *origin, size_t line, struct md_error *error);
int md_draft_overrides(struct draft *draft, int count, char *const *overrides,
                       struct md_error *error);

/* Ends a layer; and the config: every key is there, the step fits into the budget. */
void md_draft_next(struct draft *draft);
int md_draft_end(struct draft *draft, const char *origin, struct md_error *error);

/* Loads a text's only YAML document, which is a mapping or empty, to be freed with
 * yaml_document_delete. */
int md_yaml_load(const char *text, size_t size, const char *origin, yaml_document_t *document,
                 struct md_error *error);

enum { QUOTED_SIZE = 9000 }; /* twice the longest text */

/* "one, two, three" of names that are ended by NULL. */
void md_join_names(const char *const *names, char *text, size_t size);

/* A text in single quotes, as YAML wants it. */
void md_config_quote(const char *text, char *quoted, size_t size);

#endif
