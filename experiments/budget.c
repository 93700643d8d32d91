#include "budget.h"

#include <stdio.h>
#include <string.h>

#include "../core/plan.h"
#include "../core/target/host.h"

/* ---- setups ---------------------------------------------------------------------------------- */

/* All but the plan. */
static void start_setup(const struct md_config *config, const char *level, int cores,
                        struct md_setup *setup) {
    const struct md_network *network = md_config_network(config);
    const int front = md_config_front(config);
    *setup = (struct md_setup){
        .network = network,
        .ops = md_ops_find((enum md_format)config->format, level),
        .policy = md_config_policy(config),
        .optimizer = (enum md_optimizer)config->optimizer,
        .momentum = config->momentum > 0,
        .waits = config->loss_scale > 1 || config->clip_norm > 0,
        .batch = config->batch,
        .cores = cores,
        .moments = (enum md_moments)config->moments,
        .storing = (enum md_storing)config->storing,
        .objective = md_config_objective(config),
        .front = front < network->layer_count ? front : 0,
    };
}

/* GAP9's cluster: eight cores, and operators without an instruction set of a host. */
#define DEVICE_LEVEL "scalar"
enum { DEVICE_CORES = 8 };

enum { MOST_CANDIDATES = 12 };
struct candidate {
    unsigned savings;
    int band;
};

static const int bands[] = {8, 4, 2, 1};
enum { BANDS = sizeof bands / sizeof bands[0] };

/* Plans that may do, the fastest first; returns how many. */
static int list_candidates(const struct md_config *config, struct candidate all[MOST_CANDIDATES]) {
    static const unsigned streamed[] = {MD_SAVINGS_FAST | MD_TOGETHER | MD_STREAM, MD_SAVINGS_LEAN};
    int savings, count = 0;
    md_savings_parse(config->plan, &savings);
    if (savings >= 0 &&
        ((savings & MD_STREAM) == 0 || config->band > 0 || config->budget_kb == 0)) {
        all[count++] = (struct candidate){(unsigned)savings, config->band};
    } else if (savings >= 0) {
        for (int b = 0; b < BANDS; b++)
            all[count++] = (struct candidate){(unsigned)savings, bands[b]};
    } else {
        all[count++] = (struct candidate){MD_SAVINGS_FAST, 0};
        if (config->batch > 1)
            all[count++] = (struct candidate){MD_SAVINGS_FAST | MD_TOGETHER, 0};
        for (int s = config->batch > 1 ? 0 : 1; s < 2; s++)
            for (int b = 0; b < BANDS; b++)
                all[count++] = (struct candidate){streamed[s], bands[b]};
    }
    return count;
}

int md_device_plan(const struct md_config *config, struct md_setup *setup, struct md_plan *plan) {
    struct candidate all[MOST_CANDIDATES], least = {0, 0};
    size_t limit = config->budget_kb > 0 ? (size_t)config->budget_kb * 1000 : SIZE_MAX;
    size_t least_bytes = SIZE_MAX;
    int count = list_candidates(config, all);
    start_setup(config, DEVICE_LEVEL, DEVICE_CORES, setup);
    for (int c = 0; c < count; c++) {
        setup->savings = all[c].savings;
        setup->band = all[c].band;
        md_plan_make(setup, plan);
        if (plan->fault == NULL && plan->arena_bytes <= limit)
            return 1;
        if (c == 0 || (plan->fault == NULL && plan->arena_bytes < least_bytes)) {
            least = all[c];
            least_bytes = plan->fault == NULL ? plan->arena_bytes : SIZE_MAX;
        }
    }
    setup->savings = least.savings;
    setup->band = least.band;
    md_plan_make(setup, plan);
    return 0;
}

size_t md_device_bytes(const struct md_config *config) {
    struct md_setup setup;
    struct md_plan plan;
    md_device_plan(config, &setup, &plan);
    return plan.arena_bytes;
}

int md_check_teacher(const struct md_config *config, md_policy policy, struct md_error *error) {
    if (policy == 0 || !(md_config_objective(config).distill > 0) ||
        md_policy_distills(md_config_network(config), policy))
        return MD_OK;
    return md_fail(error, MD_USAGE,
                   "teacher: has an effect only where a layer up to the end of decoder1 learns; "
                   "found policy: %s",
                   config->policy);
}

int md_config_setup(const struct md_config *config, const char *level, int cores,
                    struct md_setup *setup, struct md_error *error) {
    struct candidate all[MOST_CANDIDATES];
    char levels[MD_HOST_LEVELS_TEXT];
    int count = list_candidates(config, all);
    start_setup(config, level, cores, setup);
    setup->savings = all[0].savings;
    setup->band = all[0].band;
    if (count > 1 && config->budget_kb > 0) {
        struct md_setup device;
        struct md_plan plan;
        md_device_plan(config, &device, &plan);
        setup->savings = device.savings;
        setup->band = device.band;
    }
    return setup->ops != NULL
               ? md_check_teacher(config, setup->policy, error)
               : md_fail(error, MD_USAGE, "backend \"%s\" does not exist here for %s; there is %s",
                         level, md_format_names[config->format],
                         md_host_levels((enum md_format)config->format, levels));
}

/* ---- budgets --------------------------------------------------------------------------------- */

/* The published policies, best first: by delta1, as the mean over KITTI (cap 80 m) and NYUv2 (5 m),
 * each fine-tuned with labels of 48x48 (10 % of the data) and of 8x8 (20 %), five or six runs each.
 * From the release's logs. */
static const char *const published[] = {"full", "e+d0+d2",  "e+d0+d1", "e+d1+d2", "e+d1",
                                        "e+d0", "d0+d1+d2", "d0+d1",   "e+d2",    "d0+d2",
                                        "d0",   "e",        "d1+d2",   "d1",      "d2"};
enum { POLICIES = sizeof published / sizeof published[0] };

static int too_large(const struct md_config *config, const char *policy, size_t *needs,
                     struct md_error *error) {
    struct md_config smallest = *config;
    struct md_setup setup;
    struct md_plan plan;
    char peak[400], kb[MD_KB_TEXT], savings[MD_SAVINGS_TEXT], band[24] = "";
    snprintf(smallest.policy, sizeof smallest.policy, "%s", policy);
    md_device_plan(&smallest, &setup, &plan);
    if (plan.fault != NULL)
        return md_fail(error, MD_USAGE, "plan: %s: %s", config->plan, plan.fault);
    md_describe_peak(&setup, &plan, peak, sizeof peak);
    md_savings_format(setup.savings, savings);
    if ((setup.savings & MD_STREAM) != 0)
        snprintf(band, sizeof band, ", band %d", setup.band > 0 ? setup.band : 1);
    if (needs != NULL)
        *needs = plan.arena_bytes;
    return md_fail(error, MD_FAILED,
                   "budget_kb: %d: does not fit: needs %s kB: the smallest plan (policy %s, plan "
                   "%s%s) is %zu bytes; what binds it is %s",
                   config->budget_kb, md_kb_text(plan.arena_bytes, kb), policy, savings, band,
                   plan.arena_bytes, peak);
}

/* Whether the config's network has such a policy, and it fits. */
static int fits(const struct md_config *config, const char *policy, size_t *bytes) {
    struct md_config one = *config;
    struct md_setup setup;
    struct md_plan plan;
    md_policy parsed;
    *bytes = SIZE_MAX;
    if (md_policy_parse(md_config_network(config), policy, &parsed) != 0)
        return 0;
    snprintf(one.policy, sizeof one.policy, "%s", policy);
    int fit = md_device_plan(&one, &setup, &plan);
    *bytes = plan.fault == NULL ? plan.arena_bytes : SIZE_MAX;
    return fit;
}

/* Whether the config's teacher, if it has one, would change what such a policy learns. */
static int is_taught(const struct md_config *config, const char *policy) {
    struct md_error ignored;
    md_policy parsed;
    return md_policy_parse(md_config_network(config), policy, &parsed) == 0 &&
           md_check_teacher(config, parsed, &ignored) == MD_OK;
}

int md_budget_fit(struct md_config *config, size_t *needs, struct md_error *error) {
    const char *least = published[0];
    size_t bytes, least_bytes = SIZE_MAX;
    int is_auto = strcmp(config->policy, "auto") == 0;
    if (needs != NULL)
        *needs = 0;
    if (!is_auto && config->budget_kb == 0)
        return MD_OK;
    if (!is_auto)
        return fits(config, config->policy, &bytes)
                   ? MD_OK
                   : too_large(config, config->policy, needs, error);
    for (int p = 0; p < POLICIES; p++) {
        if (!is_taught(config, published[p]))
            continue;
        if (fits(config, published[p], &bytes)) {
            snprintf(config->policy, sizeof config->policy, "%s", published[p]);
            return MD_OK;
        }
        if (bytes < least_bytes) {
            least = published[p];
            least_bytes = bytes;
        }
    }
    return too_large(config, least, needs, error);
}

/* ---- as others count ------------------------------------------------------------------------- */

static size_t concat_elements(const struct md_network *network, int layer) {
    const struct md_layer *l = &network->layers[layer];
    return l->skip == MD_NO_SKIP
               ? 0
               : md_layer_elements(network, l->input) + md_layer_elements(network, l->skip);
}

/* Weights, and of what learns gradients and optimizer state. */
static size_t parameter_bytes(const struct md_setup *setup, const struct md_plan *plan,
                              size_t with_gradients) {
    size_t elem = md_format_bytes[setup->ops->format];
    return (md_parameter_total(setup->network) + with_gradients) * elem +
           plan->learning * md_plan_state_bytes(plan);
}

size_t md_paper_bytes(const struct md_setup *setup, const struct md_plan *plan) {
    const struct md_network *network = setup->network;
    unsigned char kept[MD_MAX_LAYERS + 1] = {0}; /* the picture first */
    size_t elements = 0;
    for (int l = 0; l < network->layer_count; l++) {
        const struct md_layer *layer = &network->layers[l];
        if (plan->learns[l] == MD_LEARNS_ALL) {
            kept[layer->input + 1] = 1;
            if (layer->skip != MD_NO_SKIP)
                kept[layer->skip + 1] = 1;
            elements += concat_elements(network, l);
        }
        if (plan->wanted[l] && md_kinds[layer->kind].kernel > 0) /* the others work in place */
            elements +=
                md_layer_elements(network, l) + (plan->wanted[layer->input >= 0 ? layer->input : l]
                                                     ? concat_elements(network, l)
                                                     : 0);
    }
    for (int l = MD_PICTURE; l < network->layer_count; l++)
        if (kept[l + 1])
            elements += md_layer_elements(network, l);
    return elements * (size_t)setup->batch * md_format_bytes[setup->ops->format] +
           parameter_bytes(setup, plan, plan->learning);
}

size_t md_library_bytes(const struct md_setup *setup, const struct md_plan *plan) {
    const struct md_network *network = setup->network;
    size_t elements = md_layer_elements(network, MD_PICTURE);
    for (int l = 0; l < network->layer_count; l++)
        elements += md_layer_elements(network, l) + concat_elements(network, l);
    return 2 * elements * (size_t)setup->batch * md_format_bytes[setup->ops->format] +
           parameter_bytes(setup, plan, md_parameter_total(network));
}
