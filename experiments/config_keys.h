/* The keys of a config as a table, for those who read and write configs. Internal to this room. */
#ifndef MD_EXPERIMENTS_CONFIG_KEYS_H
#define MD_EXPERIMENTS_CONFIG_KEYS_H

#include "config.h"

enum type { TEXT, CHOICE, BITS, REAL, COUNT, POWER, SEED, POLICY }; /* POWER: of two */

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

enum { QUOTED_SIZE = 9000 }; /* twice the longest text */

/* "one, two, three" of names that are ended by NULL. */
void md_join_names(const char *const *names, char *text, size_t size);

/* A text in single quotes, as YAML wants it. */
void md_config_quote(const char *text, char *quoted, size_t size);

#endif
