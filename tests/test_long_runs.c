/* Whole fine-tunings in 16 bits: the same digest of the weights by the fastest plan and by the
 * leanest, here and as a RISC-V program under qemu; with Adam and SGD, of a part and of all layers.
 * A small picture, and as few steps as an emulator does in seconds: MUDEPTH_STEPS=200 does as many
 * as a fine-tuning. */
#include "jobs.h"
#include "program.h"

static void set_up(void) {
    scratch = scratch_open();
}

static void tear_down(void) {
    scratch_close(&scratch);
}

TestSuite(long_runs, .init = set_up, .fini = tear_down, .timeout = 36000);

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

static struct bytes host_trace(struct md_job job, const struct plan_of *plan) {
    job.savings = plan->savings;
    job.cores = plan->cores;
    return trace_of(&job);
}

/* The RISC-V program's, by the leanest plan; empty where it cannot be run. */
static struct bytes rv32_trace(struct md_job job) {
    char command[9000];
    struct scratch_path from = scratch_path(&scratch, "job"), to = scratch_path(&scratch, "trace");
    struct bytes trace = {0};
    int folder = (int)(strrchr(program(), '/') - program());
    job.savings = MD_SAVINGS_LEAN;
    struct bytes bytes = job_bytes(&job);
    scratch_write(from.text, bytes.at, bytes.size);
    free(bytes.at);
    snprintf(command, sizeof command,
             "qemu-riscv32 -cpu rv32,f=false,d=false,zfinx=true,zhinx=true '%.*s/mudepth-rv32' "
             "<'%s' >'%s'",
             folder, program(), from.text, to.text);
    cr_assert_eq(system(command), 0, "%s", command);
    trace.at = scratch_read(to.text, &trace.size);
    return trace;
}

/* (Sanitizers are not for its program: without them it runs.) */
static int has_rv32(void) {
#if defined(__SANITIZE_ADDRESS__)
    return 0;
#endif
    char path[8400];
    snprintf(path, sizeof path, "%.*s/mudepth-rv32", (int)(strrchr(program(), '/') - program()),
             program());
    return access(path, X_OK) == 0 && system("qemu-riscv32 --version >/dev/null 2>&1") == 0;
}

static uint32_t wanted_steps(void) {
    const char *text = getenv("MUDEPTH_STEPS");
    return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 3;
}

static void check_run(enum md_format format, enum md_optimizer optimizer, const char *policy) {
    struct md_job job = small_job(format, "");
    job.network = sized_network("upydnet", 12);
    job.policy = policy_of(&job.network, policy);
    job.optimizer = optimizer;
    job.steps = wanted_steps();
    job.kinds = 1u << MD_TRACE_LOSS;
    struct outcome first = {0};
    for (size_t p = 0; p <= LENGTH(plans); p++) {
        const char *name = p < LENGTH(plans) ? plans[p].name : "rv32, lean";
        if (p == LENGTH(plans) && !has_rv32()) {
            fprintf(stderr,
                    "SKIP: rv32: mudepth-rv32 or qemu-riscv32 not there, or sanitizers are\n");
            continue;
        }
        struct bytes trace = p < LENGTH(plans) ? host_trace(job, &plans[p]) : rv32_trace(job);
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
    Test(long_runs, name) {                                                                        \
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
