/* Plans against each other: what a step saves, and which rows it computes together, changes no bit
 * of any tensor of the step, optimizer's state included; and a bit that did change is found, at its
 * tensor. (Random networks: test_random_plans.c. That the plain plan is right: test_job.c,
 * test_step.c.) */
#include "comparing.h"

TestSuite(plans, .timeout = 900);

/* ---- plans ----------------------------------------------------------------------------------- */

/* uPyD-Net for a picture of 16 x 8. */
static struct md_job job_of_plans(enum md_format format) {
    struct md_job job = small_job(format, "");
    job.network.height = 16;
    job.network.width = 8;
    job.steps = 2;
    return job;
}

static const struct {
    uint32_t savings, band, cores;
} plans[] = {{MD_SHARE, 0, 1},
             {MD_AT_ONCE, 0, 2},
             {MD_TOGETHER, 0, 3},
             {MD_AGAIN, 0, 1},
             {MD_STREAM, 0, 1},
             {MD_STREAM, 3, 2},
             {MD_FLASH, 0, 2},
             {MD_SAVINGS_FAST, 0, 3},
             {MD_SAVINGS_LEAN, 1, 1},
             {MD_SAVINGS_LEAN, 2, 3},
             {MD_SAVINGS_LEAN, 4, 1},
             {MD_SAVINGS_LEAN, 16, 2},
             {MD_SAVINGS_LEAN | MD_FLASH, 5, 1}};

static void assert_plans_agree(struct md_job job) {
    struct bytes plain = trace_of(&job);
    for (size_t p = 0; p < LENGTH(plans); p++) {
        struct md_comparison result;
        char what[200];
        job.savings = plans[p].savings;
        job.band = plans[p].band;
        job.cores = plans[p].cores;
        snprintf(what, sizeof what, "%s, %s, policy %u, batch %u: savings %u, band %u, %u cores",
                 md_format_names[job.format], md_optimizer_names[job.optimizer],
                 (unsigned)job.policy, (unsigned)job.batch, (unsigned)job.savings,
                 (unsigned)job.band, (unsigned)job.cores);
        struct bytes trace = trace_of(&job);
        compare(&plain, &trace, &result, what);
        cr_assert_eq(result.differing_tensors, 0, "%s: %s", what, result.first);
        cr_assert_gt(result.tensors, 2 * 18 * job.batch);
        md_comparison_close(&result);
        free(trace.at);
    }
    free(plain.at);
}

/* Formats, optimizers, policies and batches; of the 16-bit formats each with one optimizer. */
Test(plans, change_no_bit) {
    static const enum md_format formats[] = {MD_FP32, MD_BF16, MD_FP16};
    static const char *const policies[] = {"d0", "full", "biases", "e+last"};
    for (size_t f = 0; f < LENGTH(formats); f++)
        for (uint32_t way = f == 2 ? 1 : 0; way < 8; way += f == 0 ? 1 : 2) {
            struct md_job job = job_of_plans(formats[f]);
            job.optimizer = way & 1u ? MD_ADAM : MD_SGD;
            job.policy = policy_of(&job.network, policies[(way ^ way >> 2) & 3u]);
            job.batch = way & 4u ? 2 : 1;
            job.hyper.momentum = way == 2 ? 0.9f : 0.0f;
            assert_plans_agree(job);
        }
}

Test(plans, change_no_bit_of_updates_and_losses) {
    for (uint32_t way = 0; way < 6; way++) {
        struct md_job job = job_of_plans(way % 2 ? MD_FP16W : MD_BF16W);
        job.policy = policy_of(&job.network, way % 3 == 0 ? "e+d1" : way % 3 == 1 ? "d2" : "full");
        job.moments = way % 2;
        job.storing = way % MD_STORING_COUNT;
        job.objective.weight[MD_BERHU] = 0;
        job.objective.weight[way] = job.objective.weight[MD_LOSS_COUNT - 1 - way] = 1;
        job.objective.average = way % MD_AVERAGE_COUNT;
        job.objective.weighing = way >= 2;
        job.hyper.loss_scale_log2 = way >= 3 ? 4 : 0;
        job.batch = 1 + way % 2;
        assert_plans_agree(job);
    }
}

Test(plans, change_no_bit_of_what_is_distilled) {
    struct md_job job = job_of_plans(MD_BF16);
    job.policy = policy_of(&job.network, "full");
    job.objective.distill = 10;
    job.batch = 2;
    assert_plans_agree(job);
}

Test(plans, change_no_bit_of_a_network_with_zones) {
    struct md_job job = job_of_plans(MD_BF16);
    job.network = sized_network("upydnet_pooled", 24);
    job.policy = policy_of(&job.network, "full");
    assert_plans_agree(job);
}

/* ---- what differs ---------------------------------------------------------------------------- */

/* One bit of one value of one record; its digest is put right. */
static void change(struct bytes *trace, enum md_trace_kind kind, uint32_t layer) {
    struct md_record record;
    const unsigned char *values;
    for (size_t at = sizeof(struct md_job); next_record(trace, &at, &record, &values);)
        if (record.kind == kind && record.layer == layer && record.step == 1) {
            unsigned char *own = trace->at + (values - trace->at);
            own[md_format_bytes[record.format]] ^= 1;
            void *aligned = numbers((enum md_format)record.format, record.count);
            memcpy(aligned, own, record.bytes);
            uint64_t digest = md_digest((enum md_format)record.format, aligned, 0, record.count);
            free(aligned);
            memcpy(own - sizeof digest, &digest, sizeof digest);
            return;
        }
    cr_assert_fail("no such record");
}

/* Not only when a weight has absorbed it. */
Test(plans, a_changed_state_of_the_optimizer_is_found) {
    static const struct {
        enum md_trace_kind kind;
        uint32_t layer;
        const char *first;
    } cases[] = {
        {MD_TRACE_FIRST_MOMENT, 7, "step 1, first moment of decoder0.conv1, value 1 of 9248: "},
        {MD_TRACE_SECOND_MOMENT, 0, "step 1, second moment of encoder.conv0, value 1 of 224: "},
        {MD_TRACE_BESIDE_WEIGHT, 9, "step 1, beside the weight of ups0, value 1 of 4128: "},
        {MD_TRACE_WEIGHT, 16, "step 1, weight of decoder2.conv2, value 1 of 289: "},
        {MD_TRACE_WEIGHT, 18, "step 1, weight of losses, value 1 of 11: "},
        {MD_TRACE_SECOND_MOMENT, 18, "step 1, second moment of losses, value 1 of 11: "}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct md_job job = job_of_plans(MD_FP16);
        struct md_comparison result;
        job.policy = policy_of(&job.network, "full");
        job.storing = MD_STORE_MASTER;
        job.objective.weighing = MD_WEIGHTS_DYNAMIC;
        struct bytes plain = trace_of(&job);
        job.savings = MD_SAVINGS_LEAN;
        struct bytes lean = trace_of(&job);
        change(&lean, cases[i].kind, cases[i].layer);
        compare(&plain, &lean, &result, "changed");
        cr_assert_eq(result.differing_tensors, 1);
        cr_assert_eq(result.differing_values, 1);
        cr_assert_arr_eq(result.first, cases[i].first, strlen(cases[i].first), "%s", result.first);
        md_comparison_close(&result);
        free(plain.at);
        free(lean.at);
    }
}

/* The first in the order of the step, not of the records. */
Test(plans, the_first_difference_is_the_steps) {
    struct md_job job = job_of_plans(MD_FP32);
    struct md_comparison result;
    struct bytes plain = trace_of(&job), other = trace_of(&job);
    change(&other, MD_TRACE_WEIGHT, 8);
    change(&other, MD_TRACE_ERROR, 9);
    change(&other, MD_TRACE_ERROR, 15);
    change(&other, MD_TRACE_ACTIVATION, 16);
    compare(&plain, &other, &result, "changed");
    cr_assert_eq(result.differing_tensors, 4);
    assert_contains(result.first, "step 1, activation of decoder2.conv2, sample 0, value 1 of 128");
    md_comparison_close(&result);
    free(plain.at);
    free(other.at);
}
