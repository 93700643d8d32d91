/* Budgets: what a step needs on a device, and policies that fit. */
#include <criterion/criterion.h>

#include "../core/target/host.h"
#include "../experiments/budget.h"
#include "scratch.h"

static struct md_config config;
static struct md_error error;

static int read_config(const char *policy, int budget_kb, const char *more) {
    char policy_text[60], budget_text[60], more_text[60];
    char *overrides[] = {"weights=scratch", "data.set=synthetic", "batch=1", "format=fp16",
                         policy_text,       budget_text,          more_text};
    snprintf(policy_text, sizeof policy_text, "policy=%s", policy);
    snprintf(budget_text, sizeof budget_text, "budget_kb=%d", budget_kb);
    snprintf(more_text, sizeof more_text, "%s", more);
    return md_config_read(NULL, 7, overrides, &config, &error);
}

static size_t need_of(const char *policy) {
    cr_assert_eq(read_config(policy, 0, "seed=1"), MD_OK, "%s", error.text);
    return md_device_bytes(&config);
}

/* What a device needs is the plan without scratch, summed up by hand. */
Test(budget, is_of_the_plan_without_scratch) {
    struct md_plan plan;
    struct md_setup setup;
    size_t need = need_of("d0");
    cr_assert_eq(md_config_setup(&config, "", 1, &setup, &error), MD_OK);
    md_plan_make(&setup, &plan);
    size_t scratch = plan.regions[MD_SCRATCH].bytes * (size_t)plan.regions[MD_SCRATCH].copies;
    cr_assert_gt(scratch, 0);
    cr_assert_eq(need, plan.arena_bytes - scratch);
    cr_assert_eq(need_of("d0"), need);
    cr_assert_eq(read_config("d0", 0, "threads=5"), MD_OK);
    cr_assert_eq(md_device_bytes(&config), need, "threads are the host's");
    cr_assert_eq(read_config("d0", 0, "backend=scalar"), MD_OK);
    cr_assert_eq(md_device_bytes(&config), need, "so are operators");
}

Test(budget, refuses_what_does_not_fit_and_says_the_need) {
    char expected[60];
    size_t need = need_of("full");
    int enough = (int)((need + 999) / 1000);
    cr_assert_eq(read_config("full", enough, "seed=1"), MD_OK, "%s", error.text);
    cr_assert_eq(read_config("full", enough - 1, "seed=1"), MD_USAGE);
    snprintf(expected, sizeof expected, "a step needs %zu bytes", need);
    assert_contains(error.text, expected);
    assert_contains(error.text, "budget_kb");
    cr_assert_eq(read_config("auto", 10, "seed=1"), MD_USAGE);
    assert_contains(error.text, "any policy");
}

/* With less and less memory: every policy fits, and the ones before it in the published order do
 * not. */
Test(budget, auto_is_the_best_published_that_fits) {
    static const char *const order[] = {"full", "e+d0+d2",  "e+d0+d1", "e+d1+d2", "e+d1",
                                        "e+d0", "d0+d1+d2", "d0+d1",   "e+d2",    "d0+d2",
                                        "d0",   "e",        "d1+d2",   "d1",      "d2"};
    int chosen = 0;
    cr_assert_eq(read_config("auto", 0, "seed=1"), MD_OK);
    cr_assert_str_eq(config.policy, "full", "without a limit");
    for (int budget_kb = (int)(need_of("full") / 1000) + 2; budget_kb > 0; budget_kb -= 40) {
        if (read_config("auto", budget_kb, "seed=1") != MD_OK)
            break;
        char policy[32];
        strcpy(policy, config.policy);
        size_t limit = (size_t)budget_kb * 1000;
        cr_assert_leq(md_device_bytes(&config), limit);
        for (int p = 0; strcmp(order[p], policy) != 0; p++)
            cr_assert_gt(need_of(order[p]), limit, "%d kB: %s would do", budget_kb, order[p]);
        chosen++;
    }
    cr_assert_gt(chosen, 5);
}
