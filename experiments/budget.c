#include "budget.h"

#include <math.h>
#include <string.h>

#include "../core/target/host.h"

int md_config_setup(const struct md_config *config, const char *level, int cores,
                    struct md_setup *setup, struct md_error *error) {
    *setup = (struct md_setup){md_networks[md_config_network(config)],
                               md_ops_find((enum md_format)config->format, level),
                               md_config_policy(config),
                               (enum md_optimizer)config->optimizer,
                               config->momentum > 0,
                               config->batch,
                               cores,
                               (enum md_moments)config->moments,
                               (enum md_storing)config->storing};
    return setup->ops != NULL
               ? MD_OK
               : md_fail(error, MD_USAGE, "backend \"%s\" does not exist here for %s", level,
                         md_format_names[config->format]);
}

size_t md_device_bytes(const struct md_config *config) {
    struct md_setup setup;
    struct md_plan plan;
    struct md_error ignored; /* every machine has them */
    if (md_config_setup(config, "ref", 1, &setup, &ignored) != MD_OK)
        return SIZE_MAX;
    md_plan_make(&setup, &plan);
    return plan.arena_bytes;
}

/* The published policies, best first: by delta1, as the mean over KITTI (cap 80 m) and NYUv2 (5 m),
 * each fine-tuned with labels of 48x48 (10 % of the data) and of 8x8 (20 %), five or six runs each.
 * From the release's logs. */
static const char *const published[] = {"full", "e+d0+d2",  "e+d0+d1", "e+d1+d2", "e+d1",
                                        "e+d0", "d0+d1+d2", "d0+d1",   "e+d2",    "d0+d2",
                                        "d0",   "e",        "d1+d2",   "d1",      "d2"};
enum { POLICIES = sizeof published / sizeof published[0] };

static int too_large(const struct md_config *config, const char *what, size_t bytes,
                     struct md_error *error) {
    return md_fail(error, MD_USAGE,
                   "budget_kb: %d kB are not enough for %s: a step needs %zu bytes (mudepth plan "
                   "lists them)",
                   config->budget_kb, what, bytes);
}

int md_budget_fit(struct md_config *config, struct md_error *error) {
    size_t limit = config->budget_kb > 0 ? (size_t)config->budget_kb * 1000 : SIZE_MAX;
    size_t least = SIZE_MAX;
    if (strcmp(config->policy, "auto") != 0) {
        size_t bytes = md_device_bytes(config);
        return bytes <= limit ? MD_OK : too_large(config, config->policy, bytes, error);
    }
    for (int p = 0; p < POLICIES; p++) {
        strcpy(config->policy, published[p]);
        size_t bytes = md_device_bytes(config);
        if (bytes <= limit)
            return MD_OK;
        least = bytes < least ? bytes : least;
    }
    return too_large(config, "any policy", least, error);
}
