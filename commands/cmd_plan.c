/* mudepth plan: a training step as it is planned, before anything runs: its buffers with their
 * lives and places, its peak, and what binds it. */
#include <stdlib.h>
#include <string.h>

#include "../experiments/budget.h"
#include "../plots/plots.h"
#include "command.h"

static const char *const state_names[MD_STATE_ARRAYS] = {
    [MD_FIRST_MOMENT] = "first moment",
    [MD_SECOND_MOMENT] = "second moment",
    [MD_BESIDE_WEIGHT] = "beside the weights",
};

enum target { GAP9, HOST };
static const char *const target_names[] = {"gap9", "host", NULL};

struct options {
    int target; /* enum target */
    const char *figure;
    int json;
};

/* What is planned. */
struct planned {
    const struct md_config *config;
    const struct options *options;
    struct md_setup setup;
    struct md_plan plan;
    char savings[MD_SAVINGS_TEXT];
};

/* The step's bytes, as others count them too. */
static const struct convention {
    const char *name, *help;
    size_t (*bytes)(const struct md_setup *setup, const struct md_plan *plan);
} conventions[] = {
    {"paper", "static data and gradient of each kept activation, concats copied (our assumptions)",
     md_paper_bytes},
    {"device-library", "data and gradient of every tensor, no lifetimes", md_library_bytes},
};
enum { CONVENTIONS = sizeof conventions / sizeof conventions[0] };

/* A buffer of maps: rows that it holds, of so many. */
static int rows_of(const struct planned *t, const struct md_buffer *b) {
    int height, width;
    if (b->kind != MD_ACTIVATION && b->kind != MD_MASK && b->kind != MD_ERROR)
        return 0;
    md_layer_size(t->setup.network, b->layer, &height, &width);
    return height;
}

static const char *layer_of(const struct planned *t, const struct md_instruction *i) {
    return i->layer == MD_PICTURE ? "picture" : t->setup.network->layers[i->layer].name;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *buffer_json(const struct planned *t, int number) {
    const struct md_buffer *b = &t->plan.buffer[number];
    char name[64];
    md_describe_buffer(t->setup.network, b, name, sizeof name);
    return json_pack("{s:s, s:s, s:I, s:I, s:i, s:I, s:i, s:i, s:i, s:i}", "name", name, "kind",
                     md_buffer_names[b->kind], "offset", (json_int_t)b->offset, "bytes",
                     (json_int_t)b->bytes, "copies", md_plan_copies(&t->setup, &t->plan, number),
                     "stride", (json_int_t)t->plan.stride[b->each], "rows",
                     rows_of(t, b) > 0 ? b->rows : 0, "height", rows_of(t, b), "first", b->first,
                     "last", b->last);
}

static json_t *peak_json(const struct planned *t) {
    const struct md_instruction *i = &t->plan.instruction[t->plan.peak];
    char text[400];
    json_t *live = json_array();
    for (int b = 0; b < t->plan.buffers; b++) {
        if (!md_buffer_is_live(&t->plan.buffer[b], t->plan.peak))
            continue;
        md_describe_buffer(t->setup.network, &t->plan.buffer[b], text, sizeof text);
        json_array_append_new(live, json_pack("{s:s, s:I}", "name", text, "bytes",
                                              (json_int_t)md_buffer_total(&t->setup, &t->plan, b)));
    }
    return json_pack("{s:I, s:i, s:s, s:s, s:i, s:i, s:o}", "bytes",
                     (json_int_t)t->plan.bound_bytes, "instruction", t->plan.peak, "what",
                     md_what_names[i->what], "layer", layer_of(t, i), "from", i->from, "to", i->to,
                     "live", live);
}

static int print_json(const struct planned *t, struct md_error *error) {
    const struct md_plan *plan = &t->plan;
    json_t *buffers = json_array(), *state = json_object(), *totals = json_object();
    for (int b = 0; b < plan->buffers; b++)
        if (plan->buffer[b].bytes > 0)
            json_array_append_new(buffers, buffer_json(t, b));
    for (int k = 0; k < MD_STATE_ARRAYS; k++)
        json_object_set_new(
            state, state_names[k],
            json_integer((json_int_t)plan->state[k].bytes * (json_int_t)plan->learning));
    json_object_set_new(totals, "mudepth", json_integer((json_int_t)plan->arena_bytes));
    for (int c = 0; c < CONVENTIONS; c++)
        json_object_set_new(totals, conventions[c].name,
                            json_integer((json_int_t)conventions[c].bytes(&t->setup, plan)));
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:i, s:s, s:i}", "network",
                             t->setup.network->name, "policy", t->config->policy, "format",
                             md_format_names[t->config->format], "optimizer",
                             md_optimizer_names[t->config->optimizer], "batch", t->config->batch,
                             "target", target_names[t->options->target], "cores", t->setup.cores,
                             "plan", t->savings, "band", t->setup.band);
    json_t *more = json_pack(
        "{s:o, s:o, s:I, s:I, s:b, s:o, s:I, s:i, s:I, s:I, s:o, s:i}", "buffers", buffers,
        "optimizer_bytes", state, "arena_bytes", (json_int_t)plan->arena_bytes, "bound_bytes",
        (json_int_t)plan->bound_bytes, "bound_reached", plan->arena_bytes == plan->bound_bytes,
        "peak", peak_json(t), "frozen_bytes", (json_int_t)plan->frozen_bytes, "instructions",
        plan->instructions, "program_bytes",
        (json_int_t)plan->instructions * (json_int_t)sizeof plan->instruction[0],
        "parameters_learning", (json_int_t)plan->learning, "total_bytes", totals, "budget_kb",
        t->config->budget_kb);
    const struct md_judging judging = md_config_judging(t->config);
    json_object_set_new(more, "forward_passes", json_integer(md_forward_passes(&judging)));
    json_object_set_new(more, "prediction_mmac",
                        json_real(md_prediction_mmac(t->setup.network, &judging)));
    json_object_update(json, more);
    json_decref(more);
    return md_print_json(json, error);
}

/* ---- the table ------------------------------------------------------------------------------- */

static void print_buffers(const struct planned *t) {
    printf("%-32s %10s %6s %12s %8s  %s\n", "buffer", "bytes", "copies", "in all", "rows",
           "live in instructions");
    for (int b = 0; b < t->plan.buffers; b++) {
        const struct md_buffer *buffer = &t->plan.buffer[b];
        char name[64], rows[24] = "";
        int height = rows_of(t, buffer);
        if (buffer->bytes == 0)
            continue;
        md_describe_buffer(t->setup.network, buffer, name, sizeof name);
        if (height > 0)
            snprintf(rows, sizeof rows, "%d/%d", buffer->rows, height);
        printf("%-32s %10zu %6d %12zu %8s  %d..%d\n", name, buffer->bytes,
               md_plan_copies(&t->setup, &t->plan, b), md_buffer_total(&t->setup, &t->plan, b),
               rows, buffer->first, buffer->last);
        for (int k = 0; buffer->kind == MD_OPTIMIZER_STATE && k < MD_STATE_ARRAYS; k++)
            if (t->plan.state[k].bytes * t->plan.learning > 0)
                printf("  %-30s %10zu\n", state_names[k],
                       t->plan.state[k].bytes * t->plan.learning);
    }
}

static void print_table(const struct planned *t) {
    const struct md_plan *plan = &t->plan;
    const struct md_config *config = t->config;
    const struct md_judging judging = md_config_judging(config);
    char kb[MD_KB_TEXT], peak[500];
    printf("network %s, policy %s, optimizer %s, format %s, batch %d: %zu of %zu parameters learn\n"
           "target %s: operators %s on %d core%s; plan %s",
           t->setup.network->name, config->policy, md_optimizer_names[config->optimizer],
           md_format_names[config->format], config->batch, plan->learning,
           md_parameter_total(t->setup.network), target_names[t->options->target],
           t->setup.ops->level, t->setup.cores, t->setup.cores > 1 ? "s" : "", t->savings);
    if ((t->setup.savings & MD_STREAM) != 0)
        printf(", band %d", t->setup.band > 0 ? t->setup.band : 1);
    printf("; kB are 1,000 bytes\n\n");
    print_buffers(t);
    md_describe_peak(&t->setup, plan, peak, sizeof peak);
    printf("\npeak: %zu bytes live at %s\n", plan->bound_bytes, peak);
    printf("arena: %zu bytes (%s kB), %s\n", plan->arena_bytes, md_kb_text(plan->arena_bytes, kb),
           plan->arena_bytes == plan->bound_bytes ? "which is the peak: no placement is smaller"
                                                  : "more than the peak");
    if (plan->arena_bytes != plan->bound_bytes)
        printf("  beyond the peak: %zu bytes\n", plan->arena_bytes - plan->bound_bytes);
    printf("program: %d instructions of %zu bytes, %zu bytes\n", plan->instructions,
           sizeof plan->instruction[0], (size_t)plan->instructions * sizeof plan->instruction[0]);
    if (plan->frozen_bytes > 0)
        printf("flash: %zu bytes of weights that do not learn, beside the arena\n",
               plan->frozen_bytes);
    printf("prediction, beside the step: %d forward pass%s, %.1f MMAC\n",
           md_forward_passes(&judging), md_forward_passes(&judging) > 1 ? "es" : "",
           md_prediction_mmac(t->setup.network, &judging));
    printf("\nthe same step by other conventions\n  %-16s %12zu\n", "mudepth", plan->arena_bytes);
    for (int c = 0; c < CONVENTIONS; c++)
        printf("  %-16s %12zu  %s\n", conventions[c].name, conventions[c].bytes(&t->setup, plan),
               conventions[c].help);
    if (config->budget_kb > 0)
        printf("\nbudget_kb %d: the device's arena takes %.0f %% of it\n", config->budget_kb,
               (double)md_device_bytes(config) / (10.0 * config->budget_kb));
}

/* ---- the figure ------------------------------------------------------------------------------ */

static int draw(const struct planned *t, struct md_error *error) {
    const struct md_plan *plan = &t->plan;
    char title[300], kb[MD_KB_TEXT];
    snprintf(title, sizeof title,
             "Memory of a step: %s, policy %s, %s, %s, batch %d\nplan %s, target %s: %s kB",
             t->setup.network->name, t->config->policy, md_optimizer_names[t->config->optimizer],
             md_format_names[t->config->format], t->config->batch, t->savings,
             target_names[t->options->target], md_kb_text(plan->arena_bytes, kb));
    return md_plot_memory(t->options->figure, title, &t->setup, plan, error);
}

/* ---- the command ----------------------------------------------------------------------------- */

static int run(const struct md_invocation *call, struct md_error *error) {
    const struct options *o = call->options;
    struct md_config config;
    int status = md_config_read(call->words[0], call->count - 1, call->words + 1, &config, error);
    struct planned *planned = status == MD_OK ? calloc(1, sizeof *planned) : NULL;
    MD_THEN(status, md_check_memory(planned != NULL, error));
    if (status != MD_OK)
        return status;
    planned->config = &config;
    planned->options = o;
    if (o->target == GAP9) {
        md_device_plan(&config, &planned->setup, &planned->plan);
        status = md_check_teacher(&config, planned->setup.policy, error);
    } else if ((status = md_config_setup(&config, config.backend, config.threads, &planned->setup,
                                         error)) == MD_OK)
        md_plan_make(&planned->setup, &planned->plan);
    if (status == MD_OK && planned->plan.fault != NULL)
        status = md_fail(error, MD_FAILED, "plan: %s: %s", config.plan, planned->plan.fault);
    md_savings_format(planned->setup.savings, planned->savings);
    if (status == MD_OK && o->figure != NULL)
        status = draw(planned, error);
    if (status == MD_OK && o->json)
        status = print_json(planned, error);
    else if (status == MD_OK)
        print_table(planned);
    free(planned);
    return status;
}

static const struct md_option options[] = {
    MD_OPT("target", 0, CHOICE, target, "T",
           "operators and eight cores of the device, which budget_kb is compared with, or what "
           "`mudepth run` allocates here, with the scratch of its own operators",
           .names = target_names, .preset = "gap9"),
    MD_OPT("figure", 0, OUTPUT, figure, "F",
           "draw memory over the step (PNG, SVG, PDF): buffers are rectangles, time across, "
           "address up"),
    MD_OPT_JSON,
    {0}};

const struct md_command md_command_plan = {
    .name = "plan",
    .summary = "list the buffers of a training step with their lives, its peak and what binds it",
    MD_CONFIG_WORDS(MD_ONE),
    MD_OPTIONS(options),
    .notes =
        "The step is a list of instructions; a buffer is live from the first to the last one that "
        "touches it. The peak is the most that is live at once: no placement of these buffers is "
        "smaller. With budget_kb, plan: auto is the fastest plan that fits, and policy: auto the "
        "best policy; where nothing fits, the exit code is 1 and the smallest plan is named. kB "
        "are 1,000 bytes. The keys plan, band and front (mudepth help config) force a plan; none "
        "changes a bit of any result. All keys are those of a run, so that the same words can "
        "stand behind both; data and learning rates take no memory, and the target gap9 has its "
        "own eight cores whatever threads says.",
    .examples =
        "  mudepth plan configs/demo.yaml format=bf16 batch=1 policy=full optimizer=adam "
        "budget_kb=1200\n"
        "  mudepth plan configs/demo.yaml format=bf16 batch=1 policy=d0 plan=lean+flash --figure "
        "plan.png",
    .run = run};
