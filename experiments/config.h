/* What a run is: a YAML file of keys and values, overridden on the command line by key=value.
 * Strict: an unknown, repeated or missing key, a wrong type and a value out of range are errors
 * that name file, line, column and key, and so is a key without effect in this run, which would be
 * believed (config_use.c). The keys are one table (config_keys.c); `mudepth help config` prints it.
 */
#ifndef MD_EXPERIMENTS_CONFIG_H
#define MD_EXPERIMENTS_CONFIG_H

#include "../core/network.h"
#include "../core/ops.h"
#include "../datasets/augment.h"
#include "../datasets/labels.h"
#include "../datasets/sample.h"
#include "evaluate.h"

enum md_select { MD_SELECT_BEST, MD_SELECT_LAST };
enum md_schedule { MD_SCHEDULE_CONSTANT, MD_SCHEDULE_COSINE, MD_SCHEDULE_POLYNOMIAL };
enum md_pace { MD_PACE_EPOCH, MD_PACE_STEP };

/* Weights of losses in their sum; 0: not in it. */
struct md_losses {
    double weight[MD_LOSS_COUNT];
};

struct md_config {
    char weights[1024]; /* a weights file, or "scratch" */
    int network;        /* index into the table's names, which are those of md_networks */
    int format;         /* enum md_format */
    char backend[16];   /* operator level; "" is the best one here */
    char policy[MD_POLICY_TEXT];
    int budget_kb;  /* 1000 bytes each, 0: no limit */
    char plan[64];  /* what is saved (budget.h): changes no bit */
    int band;       /* of a plan that streams; 0: as broad as fits */
    char front[16]; /* the first layer that is streamed, or "auto" */
    struct md_losses loss;
    int average;        /* enum md_average: the key is `loss_average` */
    int weighing;       /* enum md_weighing: the key is `loss_weights` */
    double depth_cap_m; /* losses in depth */
    int stereo_width;   /* photometric */
    double smoothness;
    char teacher[1024];  /* a weights file; "": none */
    int teacher_network; /* as network */
    double distill;      /* weight of what is learned from the teacher */
    int optimizer;       /* enum md_optimizer */
    double learning_rate;
    int schedule; /* enum md_schedule */
    int pace;     /* enum md_pace: the key is `schedule_by` */
    double lr_floor, lr_power;
    int warmup; /* steps */
    int decay;  /* enum md_decay */
    double momentum, weight_decay, beta1, beta2, epsilon;
    double clip_norm;
    int moments;    /* enum md_moments */
    int loss_scale; /* a power of two */
    int storing;    /* enum md_storing: the key is `weight_storage` */
    int batch, epochs;
    uint64_t seed;
    struct md_augmentation augment;
    int strengths;    /* enum md_strengths: the key is `augment_strengths` */
    int label_mode;   /* enum md_label_mode */
    int select;       /* enum md_select */
    int early_stop;   /* epochs; 0: never */
    int protocol;     /* enum md_protocol */
    int flip_at_test; /* enum md_flip */
    double mean_share;
    struct md_caps caps;
    int threads;
    int checkpoint_s;         /* between two checkpoints; 0: after every step */
    struct md_data_spec data; /* split is unused: the three below are */
    char train[sizeof((struct md_data_spec *)0)->split];
    char val[sizeof((struct md_data_spec *)0)->split];
    char test[sizeof((struct md_data_spec *)0)->split];
    char train_root[sizeof((struct md_data_spec *)0)->root]; /* "": data.root */
    char val_root[sizeof((struct md_data_spec *)0)->root];
    char test_root[sizeof((struct md_data_spec *)0)->root];
    int evaluation_min_zones; /* of val and test */
};

enum md_split { MD_SPLIT_TRAIN, MD_SPLIT_VAL, MD_SPLIT_TEST, MD_SPLITS };
extern const char *const md_split_names[]; /* "train", "val", "test", NULL */

/* Reads the file (NULL: defaults only), then the overrides ("key=value"), then checks that every
 * key without a default was given. */
int md_config_read(const char *path, int override_count, char *const *overrides,
                   struct md_config *config, struct md_error *error);

/* Without a validation split there is no best epoch: `select` becomes the last, and nothing stops
 * early. Every run does so before it starts. */
void md_config_resolve_selection(struct md_config *config);

/* The network that a config's training runs through: the config's own, or with label_mode: pooled
 * the one that goes on to the zones. Their parameters are the same. */
const struct md_network *md_config_network(const struct md_config *config);

/* The data specification of a split; its `split` is empty when the config has none. The training
 * split keeps no finer truth, since nothing is judged on it. Keys that choose training samples or
 * labels (data.fraction, target, statuses, frames, gates) do not change what runs are judged on. */
void md_config_split(const struct md_config *config, enum md_split split,
                     struct md_data_spec *spec);

/* How its predictions are made and judged. */
struct md_judging md_config_judging(const struct md_config *config);

/* The losses that a config's training minimises. */
struct md_objective md_config_objective(const struct md_config *config);

/* The hyperparameters of its updates. */
struct md_hyper md_config_hyper(const struct md_config *config);

/* The policy of a config that was read. */
md_policy md_config_policy(const struct md_config *config);

/* The number of the layer that its key `front` names; layer_count when it names none ("auto"). */
int md_config_front(const struct md_config *config);

/* The config, one "key: value" a line, in the table's order, equal for equal runs. Returns the
 * length without the final zero, as snprintf does. `all`: itself a config file, which leaves out
 * the defaults of keys without effect (momentum, with Adam); otherwise every key that can change a
 * result (not threads). */
size_t md_config_format(const struct md_config *config, int all, char *text, size_t size);

/* The same from a text that md_config_format made, such as a result's: a key that is not in it has
 * its default. `origin` names the text in errors. */
int md_config_parse(const char *text, const char *origin, struct md_config *config,
                    struct md_error *error);

/* The keys have numbers, from 0 in the table's order. Puts the full name ("data.root") of one into
 * `name`; -1 when there are not so many. */
enum { MD_CONFIG_NAME_SIZE = 40, MD_CONFIG_VALUE_SIZE = 4608 };
int md_config_key(int key, char name[MD_CONFIG_NAME_SIZE]);

/* The number of a name, or -1. */
int md_config_find(const char *name);

/* Whether a key can change a result. */
int md_config_affects_results(int key);

/* Whether it counts by what is in the file it names. */
int md_config_by_digest(int key);

/* Whether a key has an effect in a config, or another value than its default. */
int md_config_is_relevant(const struct md_config *config, int key);

/* What values of a key are like. */
enum md_value_kind { MD_WORD_VALUE, MD_NUMBER_VALUE, MD_LIST_VALUE };
enum md_value_kind md_config_kind(int key);

/* Whether commas can stand between several values of it: not in lists, nor where a value may have
 * commas itself, as paths do. */
int md_config_has_axis(int key);

/* A config's value of a key in words. */
void md_config_value(const struct md_config *config, int key, char text[MD_CONFIG_VALUE_SIZE]);

/* Every key's default, for the data set of `config`; keys without one are empty. */
void md_config_defaults(const struct md_config *config, struct md_config *defaults);

/* Below, equal to or above 0 as a's value of the key comes before, is, or comes after b's: numbers
 * by size, choices as the table lists them, policies as combinations are
 * listed (e, d0, e+d0), texts by their bytes. */
int md_config_order(const struct md_config *a, const struct md_config *b, int key);

/* Reads a data specification from the command line: a YAML mapping in one line, such as
 * {set: matrix, root: DIR, split: test}. */
int md_data_spec_parse(const char *text, struct md_data_spec *spec, struct md_error *error);

/* The words that a key, or the items of a key that is a list, can be, ended by NULL; NULL: other
 * values. */
const char *const *md_config_choices(int key);

/* MD_USAGE: there is no key of this name. */
int md_config_unknown(const char *name, struct md_error *error);

/* What `mudepth help config` says of a key. */
enum { MD_CONFIG_HELP_SIZE = 1400 };
void md_config_describe(int key, char text[MD_CONFIG_HELP_SIZE]);

#endif
