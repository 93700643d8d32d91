/* mudepth plan: every buffer of a training step, before anything runs. */
#include <stdlib.h>
#include <string.h>

#include "budget.h"
#include "command.h"

static const char *const kept_names[MD_KEEPS_COUNT] = {
    [MD_FIRST_MOMENT] = "first moment",
    [MD_SECOND_MOMENT] = "second moment",
    [MD_BESIDE_WEIGHT] = "beside the weights",
};

static int print_json(const struct md_config *config, const struct md_plan *plan, size_t device,
                      struct md_error *error) {
    json_t *regions = json_array(), *kept = json_object();
    for (int r = 0; r < MD_REGION_COUNT; r++)
        json_array_append_new(regions, json_pack("{s:s, s:I, s:I, s:i}", "name", md_region_names[r],
                                                 "offset", (json_int_t)plan->regions[r].offset,
                                                 "bytes", (json_int_t)plan->regions[r].bytes,
                                                 "copies", plan->regions[r].copies));
    for (int k = 0; k < MD_KEEPS_COUNT; k++)
        json_object_set_new(
            kept, kept_names[k],
            json_integer((json_int_t)plan->keeps[k].bytes * (json_int_t)plan->learning));
    return md_print_json(
        json_pack("{s:s, s:s, s:i, s:I, s:o, s:o, s:I, s:I, s:i}", "policy", config->policy,
                  "format", md_format_names[config->format], "batch", config->batch,
                  "parameters_learning", (json_int_t)plan->learning, "regions", regions,
                  "optimizer_bytes", kept, "arena_bytes", (json_int_t)plan->arena_bytes,
                  "device_arena_bytes", (json_int_t)device, "budget_kb", config->budget_kb),
        error);
}

static void print_table(const struct md_config *config, const struct md_setup *setup,
                        const struct md_plan *plan, size_t device) {
    size_t sum = 0;
    printf("policy %s, format %s, batch %d, operators %s on %d core%s: %zu of %zu parameters "
           "learn\n\n%-18s %10s %8s %12s\n",
           config->policy, md_format_names[config->format], config->batch, setup->ops->level,
           setup->cores, setup->cores > 1 ? "s" : "", plan->learning,
           md_parameter_total(setup->network), "buffer", "bytes", "copies", "in all");
    for (int r = 0; r < MD_REGION_COUNT; r++) {
        size_t all = plan->regions[r].bytes * (size_t)plan->regions[r].copies;
        sum += all;
        if (all > 0)
            printf("%-18s %10zu %8d %12zu\n", md_region_names[r], plan->regions[r].bytes,
                   plan->regions[r].copies, all);
        for (int k = 0; r == MD_OPTIMIZER_STATE && k < MD_KEEPS_COUNT; k++)
            if (plan->keeps[k].bytes * plan->learning > 0)
                printf("  %-16s %10zu\n", kept_names[k], plan->keeps[k].bytes * plan->learning);
    }
    printf("%-18s %10s %8s %12zu\n%-18s %10s %8s %12zu\n\n", "between them", "", "",
           plan->arena_bytes - sum, "arena", "", "", plan->arena_bytes);
    printf("on a device (reference operators, no scratch): %zu bytes", device);
    if (config->budget_kb > 0)
        printf(", %.0f %% of budget_kb: %d", 100.0 * (double)device / (1000.0 * config->budget_kb),
               config->budget_kb);
    printf("\n");
}

static int run(int argc, char **argv, struct md_error *error) {
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
    int json = 0;
    for (int c; (c = md_next_option(argc, argv, ":", options, error)) != -1;) {
        if (c == '?')
            return MD_USAGE;
        json = 1;
    }
    if (optind >= argc)
        return md_fail(error, MD_USAGE, "a CONFIG.yaml is needed; see mudepth plan --help");
    struct md_config config;
    struct md_setup setup;
    struct md_plan plan;
    int status = md_config_read(argv[optind], argc - optind - 1, argv + optind + 1, &config, error);
    if (status == MD_OK)
        status = md_config_setup(&config, config.backend, config.threads, &setup, error);
    if (status != MD_OK)
        return status;
    md_plan_make(&setup, &plan);
    size_t device = md_device_bytes(&config);
    if (json)
        return print_json(&config, &plan, device, error);
    print_table(&config, &setup, &plan, device);
    return MD_OK;
}

const struct md_command md_command_plan = {
    "plan", "list every buffer of a training step with its bytes",
    "CONFIG.yaml [KEY=VALUE ...] [--json]\n\n"
    "      --json  print the plan as JSON\n\n"
    "The arena is what `mudepth run` allocates for the step here. budget_kb is compared with what\n"
    "the reference operators need, which have no scratch: a device can always run those.\n\n"
    "examples:\n"
    "  mudepth plan configs/demo.yaml policy=full format=bf16 batch=1\n"
    "  mudepth plan configs/demo.yaml policy=d2 format=fp16 batch=1 --json\n",
    NULL, run};
