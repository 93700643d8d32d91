/* The microcontrollers' programs, RISC-V under qemu and GAP9's on a shim, against the host: jobs of
 * every kind tensor by tensor, and whole fine-tunings by the digest of the weights, which is the
 * same by the fastest plan and by the leanest. Small pictures (compare's tests have some of full
 * size), and as few steps as an emulator does in seconds: MUDEPTH_STEPS=200 does as many as a
 * fine-tuning. */
#include "comparing.h"
#include "program.h"

TestSuite(devices, .init = scratch_set_up, .fini = scratch_tear_down, .timeout = 36000);

/* ---- the microcontrollers' programs ---------------------------------------------------------- */

enum device { RV32, GAP9_LARGE, DEVICES };
static const struct {
    const char *program, *runner;
} devices[DEVICES] = {
    [RV32] = {"mudepth-rv32", "qemu-riscv32 -cpu rv32,f=false,d=false,zfinx=true,zhinx=true"},
    [GAP9_LARGE] = {"mudepth-gap9-large", ""}};

static struct scratch_path program_of(enum device device) {
    struct scratch_path path;
    int folder = (int)(strrchr(program(), '/') - program());
    snprintf(path.text, sizeof path.text, "%.*s/%s", folder, program(), devices[device].program);
    return path;
}

/* (Sanitizers are not for rv32's program: without them it runs.) */
static int has_device(enum device device) {
    int has = access(program_of(device).text, X_OK) == 0;
#if defined(__SANITIZE_ADDRESS__)
    has = has && device != RV32;
#endif
    has = has && (device != RV32 || system("qemu-riscv32 --version >/dev/null 2>&1") == 0);
    if (!has)
        fprintf(stderr, "SKIP: %s or its emulator not there, or sanitizers are\n",
                devices[device].program);
    return has;
}

static struct bytes device_trace(enum device device, const struct md_job *job) {
    char command[9000];
    struct scratch_path from = scratch_path(&scratch, "job"), to = scratch_path(&scratch, "trace");
    struct bytes trace = {0}, bytes = job_bytes(job);
    scratch_write(from.text, bytes.at, bytes.size);
    free(bytes.at);
    snprintf(command, sizeof command, "%s '%s' <'%s' >'%s'", devices[device].runner,
             program_of(device).text, from.text, to.text);
    cr_assert_eq(system(command), 0, "%s", command);
    trace.at = scratch_read(to.text, &trace.size);
    return trace;
}

/* Every format at every level of a device, every loss, and every way to update; some by plans that
 * save memory; cores that share a sample, or have one each. */
static const struct change {
    enum md_format format;
    const char *level, *policy;
    uint32_t savings, cores, band, batch;
    enum md_optimizer optimizer;
    enum md_storing storing;
    enum md_moments moments;
    uint32_t loss_scale_log2;
    float momentum, weight_decay;
    enum md_decay decay;
    enum md_loss loss;
    enum md_average average;
    float distill;
} changes[] = {
    {.format = MD_FP32,
     .level = "scalar",
     .cores = 8,
     .policy = "full",
     .weight_decay = 0.01f,
     .loss = MD_LOSS_RMSE},
    {.format = MD_FP32,
     .level = "ref",
     .savings = MD_SAVINGS_LEAN | MD_FLASH,
     .optimizer = MD_SGD,
     .momentum = 0.9f,
     .loss = MD_LOSS_SILOG,
     .weight_decay = 0.01f,
     .decay = MD_DECAY_DECOUPLED},
    {.format = MD_FP16,
     .level = "v2f16",
     .policy = "last+biases",
     .cores = 2,
     .batch = 2,
     .storing = MD_STORE_STOCHASTIC},
    {.format = MD_FP16,
     .level = "v2f16",
     .policy = "full",
     .savings = MD_SAVINGS_LEAN,
     .batch = 2,
     .loss = MD_LOSS_RMSE},
    {.format = MD_FP16,
     .level = "scalar",
     .cores = 8,
     .storing = MD_STORE_MASTER,
     .moments = MD_MOMENTS_FP32,
     .loss = MD_LOSS_SILOG,
     .average = MD_AVERAGE_PICTURE},
    {.format = MD_FP16,
     .level = "ref",
     .cores = 3,
     .policy = "full",
     .loss_scale_log2 = 8,
     .loss = MD_LOSS_GRAD,
     .savings = MD_SAVINGS_LEAN,
     .band = 2,
     .batch = 2},
    {.format = MD_BF16,
     .level = "scalar",
     .cores = 2,
     .loss = MD_LOSS_RMSE,
     .storing = MD_STORE_KAHAN,
     .weight_decay = 0.01f,
     .decay = MD_DECAY_DECOUPLED,
     .batch = 2,
     .moments = MD_MOMENTS_FP32},
    {.format = MD_BF16,
     .level = "ref",
     .cores = 8,
     .policy = "full",
     .loss_scale_log2 = 4,
     .loss = MD_LOSS_SILOG,
     .savings = MD_SAVINGS_LEAN,
     .storing = MD_STORE_STOCHASTIC},
    {.format = MD_FP16W,
     .level = "scalar",
     .cores = 8,
     .policy = "d0+biases",
     .optimizer = MD_SGD,
     .savings = MD_SHARE | MD_STREAM | MD_AGAIN},
    {.format = MD_FP16W, .level = "ref", .storing = MD_STORE_KAHAN, .loss = MD_LOSS_RMSE},
    {.format = MD_FP16, .level = "scalar", .cores = 3, .batch = 2, .loss = MD_LOSS_VNL},
    {.format = MD_BF16,
     .level = "ref",
     .policy = "full",
     .savings = MD_SAVINGS_LEAN,
     .band = 1,
     .loss = MD_LOSS_VNL},
    {.format = MD_BF16W,
     .level = "scalar",
     .policy = "full",
     .optimizer = MD_SGD,
     .storing = MD_STORE_MASTER},
    {.format = MD_BF16W, .level = "ref", .cores = 8, .batch = 2, .loss = MD_LOSS_ROBUST},
    {.format = MD_FP32, .level = "ref", .batch = 2, .loss = MD_LOSS_PHOTOMETRIC},
    {.format = MD_BF16, .level = "ref", .policy = "full", .loss = MD_LOSS_PHOTOMETRIC},
    {.format = MD_FP32, .level = "scalar", .cores = 8, .distill = 10},
    {.format = MD_BF16, .level = "scalar", .cores = 3, .policy = "full", .distill = 10},
    {.format = MD_FP16,
     .level = "v2f16",
     .savings = MD_SAVINGS_LEAN,
     .batch = 2,
     .loss_scale_log2 = 4,
     .distill = 10},
};

static void check_device(enum device device) {
    if (!has_device(device))
        cr_skip("not there");
    for (size_t i = 0; i < LENGTH(changes); i++) {
        const struct change *c = &changes[i];
        struct md_job job = small_job(c->format, "");
        job.network.height = job.network.width = 8;
        job.policy = policy_of(&job.network, c->policy != NULL ? c->policy : "d0");
        job.optimizer = c->optimizer;
        job.storing = c->storing;
        job.moments = c->moments;
        job.hyper.loss_scale_log2 = c->loss_scale_log2;
        job.hyper.momentum = c->momentum;
        job.hyper.weight_decay = c->weight_decay;
        job.hyper.decay = c->decay;
        job.hyper.clip_norm = i % 2 ? 1e-2f : 0.0f;
        job.objective.weight[MD_BERHU] = 0;
        job.objective.weight[c->loss] = 1;
        job.objective.weight[(c->loss + 1) % MD_LOSS_COUNT] = 0.25f;
        job.objective.average = c->average;
        job.objective.distill = c->distill;
        job.objective.weighing = i % 3 == 1;
        job.batch = c->batch > 0 ? c->batch : 1;
        job.steps = 2;
        struct bytes here = trace_of(&job);
        snprintf(job.level, sizeof job.level, "%s", c->level);
        job.cores = c->cores > 0 ? c->cores : 1;
        job.savings = c->savings;
        job.band = c->band;
        struct bytes there = device_trace(device, &job);
        struct md_comparison result;
        compare(&here, &there, &result, devices[device].program);
        cr_assert_eq(result.differing_tensors, 0, "%s, case %zu: %s", devices[device].program, i,
                     result.first);
        md_comparison_close(&result);
        free(here.at);
        free(there.at);
    }
}

Test(devices, rv32_has_the_hosts_bits) {
    check_device(RV32);
}
Test(devices, gap9_has_the_hosts_bits) {
    check_device(GAP9_LARGE);
}

/* ---- whole fine-tunings ---------------------------------------------------------------------- */

static const struct plan_of {
    const char *name;
    uint32_t savings, cores;
} plans[] = {{"fast", MD_SAVINGS_FAST, 1},
             {"fast, 2 cores", MD_SAVINGS_FAST, 2},
             {"lean", MD_SAVINGS_LEAN, 1},
             {"lean, 3 cores", MD_SAVINGS_LEAN, 3}};

/* The final weights' digest and the number of them that are no numbers. */
struct outcome {
    uint64_t digest;
    size_t steps, not_finite;
};

static struct outcome outcome_of(const struct bytes *trace) {
    struct outcome outcome = {0};
    struct md_record record;
    const unsigned char *values;
    for (size_t at = sizeof(struct md_job); next_record(trace, &at, &record, &values);) {
        outcome.steps += record.kind == MD_TRACE_LOSS;
        if (record.kind != MD_TRACE_FINAL_WEIGHTS)
            continue;
        outcome.digest = record.digest_low | (uint64_t)record.digest_high << 32;
        for (uint32_t i = 0; i < record.count; i++) {
            uint16_t half;
            memcpy(&half, values + i * sizeof half, sizeof half);
            uint16_t infinity = record.format == MD_FP16 ? 0x7c00 : 0x7f80;
            outcome.not_finite += (half & infinity) == infinity;
        }
    }
    return outcome;
}

static uint32_t wanted_steps(void) {
    const char *text = getenv("MUDEPTH_STEPS");
    return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 2;
}

static void check_run(enum md_format format, enum md_optimizer optimizer, const char *policy) {
    struct md_job job = small_job(format, "");
    job.policy = policy_of(&job.network, policy);
    job.optimizer = optimizer;
    job.steps = wanted_steps();
    job.kinds = 1u << MD_TRACE_LOSS;
    struct outcome first = {0};
    for (size_t p = 0; p <= LENGTH(plans); p++) {
        const char *name = p < LENGTH(plans) ? plans[p].name : "rv32, lean";
        if (p == LENGTH(plans) && !has_device(RV32))
            continue;
        job.savings = p < LENGTH(plans) ? plans[p].savings : MD_SAVINGS_LEAN;
        job.cores = p < LENGTH(plans) ? plans[p].cores : 1;
        struct bytes trace = p < LENGTH(plans) ? trace_of(&job) : device_trace(RV32, &job);
        struct outcome outcome = outcome_of(&trace);
        free(trace.at);
        first = p == 0 ? outcome : first;
        fprintf(stderr, "%s, %s, %s, %zu steps: %s: %016llx\n", md_format_names[format],
                md_optimizer_names[optimizer], policy, outcome.steps, name,
                (unsigned long long)outcome.digest);
        cr_assert_eq(outcome.steps, job.steps);
        cr_assert_eq(outcome.not_finite, 0, "%zu weights are no numbers", outcome.not_finite);
        cr_assert_eq(outcome.digest, first.digest, "%s", name);
    }
}

#define RUN(name, format, optimizer, policy)                                                       \
    Test(devices, name) {                                                                          \
        check_run(format, optimizer, policy);                                                      \
    }
RUN(fp16_sgd_d0, MD_FP16, MD_SGD, "d0")
RUN(fp16_sgd_full, MD_FP16, MD_SGD, "full")
RUN(fp16_adam_d0, MD_FP16, MD_ADAM, "d0")
RUN(fp16_adam_full, MD_FP16, MD_ADAM, "full")
RUN(bf16_sgd_d0, MD_BF16, MD_SGD, "d0")
RUN(bf16_sgd_full, MD_BF16, MD_SGD, "full")
RUN(bf16_adam_d0, MD_BF16, MD_ADAM, "d0")
RUN(bf16_adam_full, MD_BF16, MD_ADAM, "full")
