#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/file.h"
#include "../datasets/augment.h"
#include "config_keys.h"
#include "plan_text.h"

/* ---- documents ------------------------------------------------------------------------------- */

/* The key with the prefix and name of `at`, and its section; NULL: there is none. */
static const struct key *find_key(struct section *sections, int count, const struct md_location *at,
                                  struct section **section) {
    for (*section = sections; *section < sections + count; (*section)++)
        for (size_t k = 0; k < (*section)->count; k++)
            if (strcmp((*section)->prefix, at->prefix) == 0 &&
                strcmp((*section)->keys[k].name, at->key) == 0)
                return &(*section)->keys[k];
    return NULL;
}

static int unknown_key(const struct section *sections, int count, const struct md_location *at,
                       struct md_error *error) {
    char hint[MD_NEAREST_SIZE];
    struct md_nearest nearest = md_nearest_to(at->key);
    for (int s = 0; s < count; s++)
        for (size_t k = 0; strcmp(sections[s].prefix, at->prefix) == 0 && k < sections[s].count;
             k++)
            md_nearest_try(&nearest, sections[s].keys[k].name);
    return md_fail_at(at, error, "unknown key%s; mudepth help config lists the keys",
                      md_key_hint(at->prefix[0] == '\0' ? at->key : "", &nearest, hint));
}

/* `key_at` and `at`: where the key and its value stand. */
static int set_in(struct section *sections, int count, const struct md_location *key_at,
                  const struct md_yaml *yaml, const yaml_node_t *node,
                  const struct md_location *at) {
    struct section *section;
    const struct key *key = find_key(sections, count, key_at, &section);
    if (key == NULL)
        return unknown_key(sections, count, key_at, yaml->error);
    size_t k = (size_t)(key - section->keys);
    section->given |= (uint64_t)1 << k;
    if (section->given_at != NULL)
        section->given_at[k] =
            (struct md_location){at->origin, at->line, at->column, section->prefix, key->name};
    return md_key_set(key, yaml, node, section->fields, at);
}

/* Sets every pair of a mapping but those with a name in `skip` (may be NULL); a mapping under
 * "data" belongs to the sections of that prefix. */
static int set_mapping(struct section *sections, int count, const char *prefix,
                       const struct md_yaml *yaml, const yaml_node_t *mapping,
                       const char *const *skip) {
    int status = MD_OK;
    for (struct md_yaml_pair pair = {0}; md_yaml_next(yaml, mapping, prefix, &pair, &status);) {
        const struct md_location key_at = md_yaml_location(yaml, pair.key, prefix, pair.name),
                                 at = md_yaml_location(yaml, pair.value, prefix, pair.name);
        if (skip != NULL && md_find_name(skip, pair.name) >= 0)
            continue;
        if (prefix[0] == '\0' && strcmp(pair.name, "data") == 0 &&
            pair.value->type == YAML_MAPPING_NODE)
            status = set_mapping(sections, count, "data.", yaml, pair.value, NULL);
        else
            status = set_in(sections, count, &key_at, yaml, pair.value, &at);
    }
    return status;
}

/* Sets what the mapping of a text says. An empty document sets nothing. */
static int set_document(const char *text, size_t size, const char *origin, struct section *sections,
                        int count, struct md_error *error) {
    struct md_yaml yaml;
    MD_TRY(md_yaml_read(text, size, origin, "config", MD_CONFIG_LONGEST, &yaml, error));
    int status = MD_OK;
    if (yaml.root != NULL)
        status = set_mapping(sections, count, sections[0].prefix, &yaml, yaml.root, NULL);
    md_yaml_free(&yaml);
    return status;
}

/* The location of a key given by its full name ("data.root"), without a line. */
static struct md_location location_of(const char *origin, const char *name) {
    const char *prefix = strncmp(name, "data.", 5) == 0 ? "data." : "";
    return (struct md_location){.origin = origin, .prefix = prefix, .key = name + strlen(prefix)};
}

/* "data.root=DIR": the value is a list when it is one in YAML, and otherwise text as it stands
 * (which a mapping may be, too). */
static int set_override(const char *text, struct section *sections, int count,
                        struct md_error *error) {
    const char *origin = "command line", *equals = strchr(text, '=');
    char name[64];
    if (equals == NULL || equals == text || (size_t)(equals - text) >= sizeof name)
        return md_fail(error, MD_USAGE, "%s: expected key=value, found \"%.200s\"", origin, text);
    snprintf(name, sizeof name, "%.*s", (int)(equals - text), text);
    const struct md_location at = location_of(origin, name);
    const yaml_node_t plain = md_yaml_scalar(equals + 1);
    struct md_error ignored;
    struct md_yaml yaml;
    int loaded = md_yaml_load(equals + 1, strlen(equals + 1), origin, &yaml, &ignored) == MD_OK;
    int is_list = loaded && yaml.root != NULL && yaml.root->type == YAML_SEQUENCE_NODE;
    yaml.error = error;
    int status = set_in(sections, count, &at, &yaml, is_list ? yaml.root : &plain, &at);
    if (loaded)
        md_yaml_free(&yaml);
    return status;
}

static int set_presets(struct section *sections, int count, struct md_error *error) {
    for (int s = 0; s < count; s++)
        for (size_t k = 0; k < sections[s].count; k++) {
            const struct key *key = &sections[s].keys[k];
            struct md_location at = {.origin = "default", .key = key->name};
            void *field = (char *)sections[s].fields + key->offset;
            if (key->type == BITS)
                memcpy(field, &(unsigned){MD_AUGMENT_PUBLISHED}, sizeof(unsigned));
            else if (key->preset != NULL &&
                     md_key_set_text(key, key->preset, sections[s].fields, &at, error) != MD_OK)
                return MD_FAILED;
        }
    return MD_OK;
}

static int check_given(const struct section *sections, int count, const uint64_t *given,
                       const char *origin, struct md_error *error) {
    for (int s = 0; s < count; s++)
        for (size_t k = 0; k < sections[s].count; k++)
            if (sections[s].keys[k].preset == NULL && (given[s] >> k & 1u) == 0)
                return md_fail(error, MD_USAGE, "%.200s: %s%s is missing", origin,
                               sections[s].prefix, sections[s].keys[k].name);
    return MD_OK;
}

void md_builder_extend(struct config_builder *builder, struct md_config *config) {
    *builder = (struct config_builder){.config = config};
    md_config_sections(config, builder->sections);
    for (int s = 0; s < RUN_SECTIONS; s++)
        builder->sections[s].given_at = builder->given_at[s];
}

int md_builder_begin(struct config_builder *builder, struct md_config *config,
                     struct md_error *error) {
    memset(config, 0, sizeof *config);
    md_builder_extend(builder, config);
    return set_presets(builder->sections, RUN_SECTIONS, error);
}

int md_builder_document(struct config_builder *builder, const char *text, size_t size,
                        const char *origin, struct md_error *error) {
    return set_document(text, size, origin, builder->sections, RUN_SECTIONS, error);
}

int md_builder_mapping(struct config_builder *builder, const struct md_yaml *yaml,
                       const char *const *skip) {
    return set_mapping(builder->sections, RUN_SECTIONS, "", yaml, yaml->root, skip);
}

int md_builder_set(struct config_builder *builder, const char *name, const struct md_yaml *yaml,
                   const yaml_node_t *node, const yaml_node_t *stands) {
    struct md_location at = location_of(yaml->origin, name);
    if (stands != NULL)
        at = md_yaml_location(yaml, stands, at.prefix, at.key);
    return set_in(builder->sections, RUN_SECTIONS, &at, yaml, node, &at);
}

int md_builder_overrides(struct config_builder *builder, int count, char *const *overrides,
                         struct md_error *error) {
    for (int i = 0; i < count; i++)
        MD_TRY(set_override(overrides[i], builder->sections, RUN_SECTIONS, error));
    return MD_OK;
}

void md_builder_end_layer(struct config_builder *builder) {
    for (int s = 0; s < RUN_SECTIONS; s++) {
        struct section *section = &builder->sections[s];
        for (size_t k = 0; k < section->count; k++)
            if ((section->given >> k & 1u) != 0) {
                int idle = md_key_unmet(builder->sections, RUN_SECTIONS, &section->keys[k]) != NULL;
                builder->effective[s] &= ~((uint64_t)1 << k);
                builder->effective[s] |= (uint64_t)!idle << k;
            }
        builder->given[s] |= section->given;
        section->given = 0;
    }
}

/* Gives one key that had an effect, and has none any more, its default; 0 when there is none. */
static int reset_one(struct config_builder *builder) {
    for (int s = 0; s < RUN_SECTIONS; s++)
        for (size_t k = 0; k < builder->sections[s].count; k++) {
            struct section *section = &builder->sections[s];
            const struct key *key = &section->keys[k];
            const struct md_location at = {.origin = "default", .key = key->name};
            struct md_error ignored; /* the table's defaults are fine */
            if ((builder->effective[s] >> k & 1u) == 0 ||
                md_key_unmet(builder->sections, RUN_SECTIONS, key) == NULL)
                continue;
            md_key_set_text(key, key->preset, section->fields, &at, &ignored);
            builder->given[s] &= ~((uint64_t)1 << k);
            builder->effective[s] &= ~((uint64_t)1 << k);
            return 1;
        }
    return 0;
}

void md_config_resolve_selection(struct md_config *config) {
    if (config->val[0] != '\0')
        return;
    config->select = MD_SELECT_LAST;
    config->early_stop = 0;
}

/* Where the value of a key of the run was given. */
static struct md_location given_location(const struct config_builder *builder, const char *key,
                                         const char *origin) {
    const struct section *run = &builder->sections[RUN];
    for (size_t k = 0; k < run->count; k++)
        if (strcmp(run->keys[k].name, key) == 0 && (builder->given[RUN] >> k & 1u) != 0)
            return builder->given_at[RUN][k];
    return location_of(origin, key);
}

/* What the table of uses cannot say: plans that do not stream are many. */
static int check_streams(const struct config_builder *builder, const char *origin,
                         struct md_error *error) {
    const struct md_config *config = builder->config;
    struct md_location at = given_location(builder, config->band > 0 ? "band" : "front", origin);
    int savings;
    md_savings_parse(config->plan, &savings);
    if (savings < 0 || (savings & MD_STREAM) != 0 ||
        (config->band == 0 && strcmp(config->front, "auto") == 0))
        return MD_OK;
    return md_fail_at(&at, error, "has an effect only with a plan that streams; found plan: %s",
                      config->plan);
}

/* Groups and layers that keys name must be of the config's network. */
static int check_network(const struct config_builder *builder, const char *origin,
                         struct md_error *error) {
    const struct md_config *config = builder->config;
    const struct md_network *network = md_config_network(config);
    struct md_location policy_at = given_location(builder, "policy", origin),
                       front_at = given_location(builder, "front", origin);
    md_policy policy;
    if (strcmp(config->policy, "auto") != 0 &&
        md_policy_parse(network, config->policy, &policy) != 0)
        return md_fail_at(&policy_at, error, "network %s has no groups %s", network->name,
                          config->policy);
    if (strcmp(config->front, "auto") != 0 && !md_plan_can_stream(network, md_config_front(config)))
        return md_fail_at(
            &front_at, error,
            "expected auto or a layer from which %s can be streamed, such as %s, found "
            "\"%s\"",
            network->name, network->layers[md_plan_front(network)].name, config->front);
    return MD_OK;
}

/* A stage that is distilled must not be streamed: its rows are never all in memory. */
static int check_teacher(const struct config_builder *builder, const char *origin,
                         struct md_error *error) {
    const struct md_config *config = builder->config;
    const struct md_network *network = md_config_network(config);
    struct md_location front_at = given_location(builder, "front", origin);
    if (!(md_config_objective(config).distill > 0))
        return MD_OK;
    for (int layer = md_config_front(config); layer < network->layer_count; layer++)
        if (md_is_stage(network, layer))
            return md_fail_at(&front_at, error,
                              "%s is distilled and cannot be streamed; expected auto or a layer "
                              "behind it, found %s",
                              network->layers[layer].name, config->front);
    return MD_OK;
}

/* A relative path is relative to the folder of the config that gives it, or else to the current
 * one, or to what came with the program. */
static void find_path(char *path, size_t size, const char *origin) {
    char found[MD_PATH_MAX], file[MD_PATH_MAX];
    struct md_error ignored; /* what is too long is not there */
    if (path[0] == '\0' || path[0] == '/')
        return;
    md_shipped_path(origin, file);
    const char *slash = strrchr(file, '/');
    if (slash == NULL ||
        md_path_format(found, &ignored, "%.*s/%s", (int)(slash - file), file, path) != MD_OK ||
        access(found, F_OK) != 0)
        md_shipped_path(path, found);
    if (strlen(found) < size)
        strcpy(path, found);
}

static void find_paths(struct config_builder *builder) {
    for (int s = 0; s < RUN_SECTIONS; s++)
        for (size_t k = 0; k < builder->sections[s].count; k++) {
            const struct section *section = &builder->sections[s];
            const struct key *key = &section->keys[k];
            char *field = (char *)section->fields + key->offset;
            if (key->result == BY_DIGEST && (builder->given[s] >> k & 1u) != 0 &&
                strcmp(field, "scratch") != 0)
                find_path(field, key->size, builder->given_at[s][k].origin);
        }
}

static int complete(struct config_builder *builder, const char *origin, int strict,
                    struct md_error *error) {
    md_builder_end_layer(builder);
    int status = check_given(builder->sections, RUN_SECTIONS, builder->given, origin, error);
    while (status == MD_OK && strict && reset_one(builder)) {
    }
    if (status == MD_OK && strict)
        status = md_check_uses(builder->sections, RUN_SECTIONS, builder->given, error);
    if (status == MD_OK && strict)
        status = check_streams(builder, origin, error);
    if (status == MD_OK && strict)
        status = check_teacher(builder, origin, error);
    if (status == MD_OK && strict)
        find_paths(builder);
    md_data_spec_resolve(&builder->config->data);
    return status == MD_OK ? check_network(builder, origin, error) : status;
}

int md_builder_finish(struct config_builder *builder, const char *origin, struct md_error *error) {
    return complete(builder, origin, 1, error);
}

int md_config_parse(const char *text, const char *origin, struct md_config *config,
                    struct md_error *error) {
    struct config_builder builder;
    MD_TRY(md_builder_begin(&builder, config, error));
    MD_TRY(md_builder_document(&builder, text, strlen(text), origin, error));
    return complete(&builder, origin, 0, error);
}

int md_data_spec_parse(const char *text, struct md_data_spec *spec, struct md_error *error) {
    struct section sections[2];
    struct md_location given_at[2][MOST_KEYS];
    memset(spec, 0, sizeof *spec);
    md_data_sections(spec, sections);
    MD_TRY(set_presets(sections, 2, error));
    for (int s = 0; s < 2; s++)
        sections[s].given_at = given_at[s];
    MD_TRY(set_document(text, strlen(text), "data", sections, 2, error));
    uint64_t given[] = {sections[0].given, sections[1].given};
    MD_TRY(check_given(sections, 2, given, "data", error));
    MD_TRY(md_check_uses(sections, 2, given, error));
    md_data_spec_resolve(spec);
    return MD_OK;
}

void md_config_defaults(const struct md_config *config, struct md_config *defaults) {
    struct config_builder builder;
    struct md_error ignored; /* the table's defaults are fine */
    md_builder_begin(&builder, defaults, &ignored);
    struct md_data_spec own = defaults->data; /* of the config's set, which has a default range */
    memcpy(own.set, config->data.set, sizeof own.set);
    md_data_spec_resolve(&own);
    defaults->data.max_depth_m = own.max_depth_m;
}

const struct md_network *md_config_network(const struct md_config *config) {
    char pooled[64];
    const struct md_network *network = md_networks[config->network];
    if (config->label_mode != MD_LABEL_POOLED)
        return network;
    snprintf(pooled, sizeof pooled, "%s_pooled", network->name);
    return md_network_find(pooled);
}

const char *const md_split_names[] = {"train", "val", "test", NULL};

void md_config_split(const struct md_config *config, enum md_split split,
                     struct md_data_spec *spec) {
    const struct {
        const char *split, *root;
        int fraction, truth, min_zones;
    } splits[MD_SPLITS] = {
        {config->train, config->train_root, config->data.fraction, MD_TRUTH_LABEL,
         config->data.min_zones},
        {config->val, config->val_root, config->data.fraction, config->data.truth,
         config->evaluation_min_zones},
        {config->test, config->test_root, 100, config->data.truth, config->evaluation_min_zones}};
    const char *root = splits[split].root;
    *spec = config->data;
    memcpy(spec->split, splits[split].split, sizeof spec->split);
    if (root[0] != '\0')
        memcpy(spec->root, root, sizeof spec->root);
    spec->fraction = splits[split].fraction;
    spec->truth = splits[split].truth;
    if (spec->truth == MD_TRUTH_LABEL)
        spec->evaluation_crop = MD_CROP_NONE;
    spec->min_zones = splits[split].min_zones;
    if (split != MD_SPLIT_TRAIN) {
        spec->target = MD_TARGET_AUTO;
        spec->statuses = MD_STATUS_VALID;
        spec->frames = 1;
        spec->gate_frames = spec->gate_neighbours = 0;
    }
}

struct md_judging md_config_judging(const struct md_config *config) {
    return (struct md_judging){.protocol = (enum md_protocol)config->protocol,
                               .flip = (enum md_flip)config->flip_at_test,
                               .caps = config->caps,
                               .mean_share = config->mean_share};
}

struct md_objective md_config_objective(const struct md_config *config) {
    struct md_objective objective = {.average = (enum md_average)config->average,
                                     .depth_cap_m = (float)config->depth_cap_m,
                                     .weighing = (enum md_weighing)config->weighing,
                                     .stereo_scale = (float)md_networks[config->network]->width /
                                                     (float)config->stereo_width,
                                     .smoothness = (float)config->smoothness};
    const struct md_network *teacher = md_networks[config->teacher_network];
    if (config->teacher[0] != '\0' && config->distill > 0) {
        objective.distill = (float)config->distill;
        objective.teacher_channels = md_stage_channels(teacher);
    }
    for (int l = 0; l < MD_LOSS_COUNT; l++)
        objective.weight[l] = (float)config->loss.weight[l];
    return objective;
}

struct md_hyper md_config_hyper(const struct md_config *config) {
    return (struct md_hyper){.momentum = (float)config->momentum,
                             .weight_decay = (float)config->weight_decay,
                             .beta1 = (float)config->beta1,
                             .beta2 = (float)config->beta2,
                             .epsilon = (float)config->epsilon,
                             .clip_norm = (float)config->clip_norm,
                             .loss_scale_log2 = ilogb(config->loss_scale),
                             .decay = (enum md_decay)config->decay,
                             .seed = {(uint32_t)config->seed, (uint32_t)(config->seed >> 32)}};
}

md_policy md_config_policy(const struct md_config *config) {
    md_policy policy = 0;
    md_policy_parse(md_networks[config->network], config->policy, &policy);
    return policy;
}

int md_config_front(const struct md_config *config) {
    const struct md_network *network = md_config_network(config);
    int layer = 0;
    while (layer < network->layer_count && strcmp(network->layers[layer].name, config->front) != 0)
        layer++;
    return layer;
}
