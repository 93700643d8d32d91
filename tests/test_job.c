/* core/job: the trace of a job against an engine driven by hand, whatever the number of cores and
 * the level; digests; and jobs that cannot be done. (Reading traces: test_trace.c. Other machines:
 * test_compare.c.) */
#include "jobs.h"

TestSuite(job, .timeout = 600);

/* ---- the trace, written by hand -------------------------------------------------------------- */

/* A number's bits as digests see them: a NaN is a NaN. */
static uint64_t plain_element(enum md_format format, const void *values, size_t i) {
    return isnan(number(format, values, i)) ? ~(uint64_t)0 >> (64 - 8 * md_format_bytes[format])
                                            : bits_of(format, values, i);
}

/* As md_digest's comment says it. */
static uint64_t plain_digest(enum md_format format, const void *values, size_t first,
                             size_t count) {
    uint64_t digest = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t x = (plain_element(format, values, i) + 1) * 0x9e3779b97f4a7c15u +
                     (first + i) * 0xbf58476d1ce4e5b9u;
        x = (x ^ x >> 32) * 0x94d049bb133111ebu;
        digest += x ^ x >> 29;
    }
    return digest;
}

struct by_hand {
    struct bytes trace;
    uint32_t step;
    enum md_format format;
};

/* A whole tensor of `rows` rows. */
static void put_record(struct by_hand *hand, enum md_trace_kind kind, int layer, int slot,
                       enum md_format format, const void *values, size_t count, uint32_t rows) {
    uint64_t digest = plain_digest(format, values, 0, count);
    size_t bytes = count * md_format_bytes[format];
    const uint32_t words[] = {kind,
                              hand->step,
                              (uint32_t)layer,
                              (uint32_t)slot,
                              0,
                              rows,
                              (uint32_t)format,
                              (uint32_t)count,
                              (uint32_t)bytes,
                              (uint32_t)digest,
                              (uint32_t)(digest >> 32)};
    append(&hand->trace, words, sizeof words);
    append(&hand->trace, values, bytes);
}

static void see(void *context, enum md_observed what, int layer, int slot,
                const struct md_map *values, int from, int to) {
    static const enum md_trace_kind kinds[] = {[MD_SEE_ACTIVATION] = MD_TRACE_ACTIVATION,
                                               [MD_SEE_ERROR] = MD_TRACE_ERROR,
                                               [MD_SEE_WEIGHT_GRADIENT] = MD_TRACE_WEIGHT_GRADIENT};
    struct by_hand *hand = context;
    cr_assert(from == 0 && to == values->height && values->rows == values->height);
    put_record(hand, kinds[what], layer, slot, hand->format, values->at,
               (size_t)values->channels * md_map_plane(values), (uint32_t)to);
}

/* What the update left of each layer that learns: its weights, and what the optimizer keeps. */
static void put_update(struct by_hand *hand, const struct rig *rig) {
    const struct md_setup *setup = &rig->engine.setup;
    int moments = md_optimizer_moments[setup->optimizer][setup->momentum];
    int beside = setup->storing == MD_STORE_MASTER || setup->storing == MD_STORE_KAHAN;
    for (int l = 0; l <= setup->network->layer_count; l++) {
        int losses = l == setup->network->layer_count; /* dynamic weights of losses */
        const struct md_layer *layer = &setup->network->layers[l];
        size_t count = losses ? MD_LOSS_COUNT : md_layer_parameters(layer);
        if (losses ? setup->objective.weighing == MD_WEIGHTS_FIXED
                   : count == 0 || (setup->policy >> layer->group & 1u) == 0)
            continue;
        put_record(hand, MD_TRACE_WEIGHT, l, 0, hand->format, md_engine_weights(&rig->engine, l),
                   count, 1);
        for (int m = 0; m < moments; m++)
            put_record(hand, MD_TRACE_FIRST_MOMENT + (unsigned)m, l, 0,
                       setup->moments == MD_MOMENTS_FP32 ? MD_FP32 : hand->format,
                       md_engine_layer_state(&rig->engine, MD_FIRST_MOMENT + (unsigned)m, l), count,
                       1);
        if (beside)
            put_record(hand, MD_TRACE_BESIDE_WEIGHT, l, 0,
                       setup->storing == MD_STORE_MASTER ? MD_FP32 : hand->format,
                       md_engine_layer_state(&rig->engine, MD_BESIDE_WEIGHT, l), count, 1);
    }
}

/* The whole trace of the job, done by one core with the operators of `level`. */
static struct bytes trace_by_hand(const struct md_job *job, const char *level) {
    struct by_hand hand = {.format = (enum md_format)job->format};
    struct rig rig;
    const struct md_setup setup = {.network = &job->network,
                                   .ops = md_ops_find(hand.format, level),
                                   .policy = job->policy,
                                   .optimizer = (enum md_optimizer)job->optimizer,
                                   .momentum = job->hyper.momentum > 0,
                                   .waits =
                                       job->hyper.loss_scale_log2 > 0 || job->hyper.clip_norm > 0,
                                   .batch = (int)job->batch,
                                   .cores = 1,
                                   .moments = (enum md_moments)job->moments,
                                   .storing = (enum md_storing)job->storing,
                                   .objective = job->objective};
    struct md_job head = *job;
    head.magic = MD_TRACE_MAGIC;
    append(&hand.trace, &head, sizeof head);
    rig_start(&rig, &setup);
    rig.engine.observe = see;
    rig.engine.observe_context = &hand;
    for (; hand.step < job->steps; hand.step++) {
        struct md_job_step step = step_of(job, hand.step);
        for (uint32_t slot = 0; slot < step.samples; slot++)
            put_sample(&rig, (int)slot, sample_of(job, hand.step, slot));
        rig.engine.update.learning_rate = step.learning_rate;
        rig.engine.update.hyper = job->hyper;
        struct md_loss_report report = rig_train(&rig, (int)step.samples);
        put_record(&hand, MD_TRACE_LOSS, 0, 0, MD_FP32,
                   (const float[]){report.value, report.c, (float)report.valid}, 3, 1);
        put_update(&hand, &rig);
    }
    put_record(&hand, MD_TRACE_FINAL_WEIGHTS, 0, 0, hand.format, md_engine_weights(&rig.engine, 0),
               md_parameter_total(setup.network), 1);
    put_record(&hand, MD_TRACE_END, 0, 0, MD_FP32, NULL, 0, 1);
    rig_stop(&rig);
    return hand.trace;
}

static const char *describe(const struct md_job *job) {
    static char text[200];
    snprintf(text, sizeof text, "%s, level \"%s\", %u cores, batch %u, %s, moments %s, update %s",
             md_format_names[job->format], job->level, (unsigned)job->cores, (unsigned)job->batch,
             md_optimizer_names[job->optimizer], md_moments_names[job->moments],
             md_storing_names[job->storing]);
    return text;
}

/* Bit for bit, but for the NaNs; level and cores of the heads may differ. */
static void assert_same(const struct md_job *job, const struct bytes *a, const struct bytes *b) {
    struct md_record x, y;
    const unsigned char *of_x, *of_y;
    size_t at_a = sizeof *job, at_b = sizeof *job;
    while (next_record(a, &at_a, &x, &of_x)) {
        cr_assert(next_record(b, &at_b, &y, &of_y));
        cr_assert_arr_eq(&x, &y, sizeof x, "%s: %s of layer %u, slot %u, step %u", describe(job),
                         md_trace_kind_names[x.kind], (unsigned)x.layer, (unsigned)x.slot,
                         (unsigned)x.step);
        if (x.bytes > 0)
            cr_assert_eq(first_difference((enum md_format)x.format, of_x, of_y, x.count), x.count,
                         "%s", describe(job));
    }
    cr_assert_eq(at_b, b->size);
}

static void assert_trace(const struct md_job *job, const struct bytes *expected) {
    struct bytes trace = trace_of(job);
    struct md_job head = *job;
    head.magic = MD_TRACE_MAGIC;
    cr_assert_arr_eq(trace.at, &head, sizeof head);
    assert_same(job, &trace, expected);
    free(trace.at);
}

/* More samples than cores, as many, and fewer: groups of cores work otherwise then. */
Test(job, cores_do_not_change_the_trace) {
    for (int f = 0; f < MD_FORMAT_COUNT; f++)
        for (uint32_t batch = 2; batch <= 4; batch += 2) {
            struct md_job job = small_job((enum md_format)f, "");
            job.batch = batch;
            job.steps = batch == 2 ? 2 : 1;
            struct bytes expected = trace_by_hand(&job, NULL);
            for (uint32_t cores = 1; cores <= 5; cores += 1 + (cores == 3)) {
                job.cores = cores;
                assert_trace(&job, &expected);
            }
            free(expected.at);
        }
}

Test(job, levels_do_not_change_the_trace) {
    for (int f = 0; f < MD_FORMAT_COUNT; f++) {
        const char *levels[8];
        int count = exact_levels((enum md_format)f, levels);
        struct md_job job = small_job((enum md_format)f, "ref");
        struct bytes expected = trace_by_hand(&job, "ref");
        assert_trace(&job, &expected);
        for (int l = 0; l < count; l++) {
            snprintf(job.level, sizeof job.level, "%s", levels[l]);
            assert_trace(&job, &expected);
        }
        free(expected.at);
    }
}

Test(job, carries_every_option_of_the_update) {
    for (int o = 0; o < MD_OPTIMIZER_COUNT * MD_MOMENTS_COUNT * MD_STORING_COUNT; o++) {
        struct md_job job = small_job(o % 3 == 0 ? MD_FP16 : MD_BF16, "");
        job.optimizer = (uint32_t)o % MD_OPTIMIZER_COUNT;
        job.moments = (uint32_t)o / MD_OPTIMIZER_COUNT % MD_MOMENTS_COUNT;
        job.storing = (uint32_t)o / MD_OPTIMIZER_COUNT / MD_MOMENTS_COUNT;
        job.hyper.loss_scale_log2 = o % 5 == 0 ? 0 : 8;
        job.hyper.momentum = job.optimizer == MD_SGD && o % 4 == 0 ? 0.9f : 0.0f;
        job.hyper.weight_decay = o % 3 == 0 ? 1e-2f : 0.0f;
        job.hyper.decay = (uint32_t)(o % 2 == 0);
        job.hyper.clip_norm = o % 7 < 3 ? 1e-3f : 0.0f;
        job.steps = 2;
        struct bytes expected = trace_by_hand(&job, NULL);
        assert_trace(&job, &expected);
        free(expected.at);
    }
}

Test(job, carries_loss_and_policy) {
    static const char *const policies[] = {"e", "d2", "full"};
    for (uint32_t l = 0; l < MD_LOSS_COUNT; l++) {
        struct md_job job = small_job(MD_FP32, "");
        job.objective.weight[MD_BERHU] = 0;
        job.objective.weight[l] = 1;
        job.objective.weight[(l + 1) % MD_LOSS_COUNT] = l % 2 == 0 ? 0 : 0.25f;
        job.objective.average = l % MD_AVERAGE_COUNT;
        job.objective.depth_cap_m = 1.5f;
        job.objective.weighing = l / 2 % 2;
        job.objective.distill = (float)(l % 2);
        job.policy = policy_of(&job.network, policies[l % LENGTH(policies)]);
        struct bytes expected = trace_by_hand(&job, NULL);
        assert_trace(&job, &expected);
        free(expected.at);
    }
}

/* ---- what is written ------------------------------------------------------------------------- */

/* What is left of a trace when only these kinds are wanted, with values or without. */
static struct bytes filtered(const struct bytes *trace, uint32_t kinds, int values) {
    struct bytes rest = {0};
    struct md_record record;
    const unsigned char *of;
    append(&rest, trace->at, sizeof(struct md_job));
    for (size_t at = rest.size; next_record(trace, &at, &record, &of);) {
        if (record.kind < MD_TRACE_FINAL_WEIGHTS && (kinds >> record.kind & 1u) == 0)
            continue;
        if (!values && record.kind != MD_TRACE_FINAL_WEIGHTS)
            record.bytes = 0;
        append(&rest, &record, sizeof record);
        append(&rest, of, record.bytes);
    }
    return rest;
}

Test(job, writes_the_kinds_that_are_wanted) {
    struct md_job job = small_job(MD_BF16, "");
    job.batch = job.steps = 2;
    struct bytes whole = trace_of(&job);
    for (uint32_t kinds = 0; kinds <= ALL_KINDS; kinds += kinds % 2 == 0 ? 1 : 5)
        for (uint32_t values = 0; values < 2; values++) {
            struct bytes expected = filtered(&whole, kinds, (int)values);
            job.kinds = kinds;
            job.values = values;
            assert_trace(&job, &expected);
            free(expected.at);
        }
    free(whole.at);
}

Test(job, without_steps_gives_the_weights_back) {
    struct md_job job = small_job(MD_FP32, "");
    job.steps = 0;
    struct bytes trace = trace_of(&job);
    float *weights = random_weights(&job.network, 1);
    struct md_record record;
    const unsigned char *of;
    size_t at = sizeof job;
    cr_assert(next_record(&trace, &at, &record, &of));
    cr_assert_eq(record.kind, MD_TRACE_FINAL_WEIGHTS);
    cr_assert_arr_eq(of, weights, record.bytes);
    cr_assert(next_record(&trace, &at, &record, &of));
    cr_assert_eq(record.kind, MD_TRACE_END);
    cr_assert_eq(at, trace.size);
    free(weights);
    free(trace.at);
}

/* ---- digests --------------------------------------------------------------------------------- */

Test(job, digest_shows_every_single_change) {
    enum { COUNT = 9 };
    for (int f = 0; f < MD_FORMAT_COUNT; f++) {
        enum md_format format = (enum md_format)f;
        struct md_random random = md_random_stream(5, (uint32_t)f, 0, 0);
        size_t bytes = md_format_bytes[f];
        unsigned char *values = numbers(format, COUNT);
        fill(format, ORDINARY, &random, COUNT, values);
        uint64_t digest = md_digest(format, values, 0, COUNT);
        cr_assert_eq(digest, plain_digest(format, values, 0, COUNT));
        cr_assert_neq(digest, md_digest(format, values, 0, COUNT - 1));
        for (size_t half = 0; half <= COUNT; half++)
            cr_assert_eq(digest, md_digest(format, values, 0, half) +
                                     md_digest(format, values + half * bytes, half, COUNT - half));
        for (size_t bit = 0; bit < COUNT * bytes * 8; bit++) {
            values[bit / 8] ^= (unsigned char)(1u << bit % 8);
            cr_assert_neq(md_digest(format, values, 0, COUNT), digest, "%s, bit %zu",
                          md_format_names[f], bit);
            values[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
        /* Two that change places. */
        unsigned char kept[8];
        memcpy(kept, values, bytes);
        memcpy(values, values + bytes, bytes);
        memcpy(values + bytes, kept, bytes);
        cr_assert_neq(md_digest(format, values, 0, COUNT), digest);
        free(values);
    }
}

/* All patterns of the 16-bit formats; of the wider ones those whose upper 16 bits are these, and
 * the lower ones 0, 1 or all set. */
Test(job, digest_knows_a_single_NaN) {
    for (int f = 0; f < MD_FORMAT_COUNT; f++) {
        enum md_format format = (enum md_format)f;
        size_t bytes = md_format_bytes[f];
        unsigned char nan[8], value[8];
        set_number(format, nan, 0, (double)NAN);
        uint64_t of_nan = md_digest(format, nan, 0, 1);
        for (uint32_t upper = 0; upper < 1u << 16; upper++)
            for (int lower = 0; lower < (bytes == 2 ? 1 : 3); lower++) {
                memset(value, lower == 2 ? 0xff : 0, sizeof value);
                value[0] |= lower == 1;
                value[bytes - 2] = (unsigned char)upper;
                value[bytes - 1] = (unsigned char)(upper >> 8);
                cr_assert_eq(md_digest(format, value, 0, 1) == of_nan,
                             isnan(number(format, value, 0)) != 0, "%s, %llx", md_format_names[f],
                             bits_of(format, value, 0));
            }
    }
}

/* ---- what cannot be done --------------------------------------------------------------------- */

#define assert_error(call, wish, what)                                                             \
    do {                                                                                           \
        enum md_job_error error_ = call;                                                           \
        cr_assert_eq(error_, wish, "%s: \"%s\" instead of \"%s\"", what,                           \
                     md_job_error_texts[error_], md_job_error_texts[wish]);                        \
    } while (0)

/* Every part, cut before its first byte, behind it, and before its last one. */
Test(job, cut_anywhere_is_an_error) {
    struct md_job job = small_job(MD_FP32, "");
    const struct md_network *network = &job.network;
    job.batch = 2;
    job.steps = 2;
    job.kinds = 0;
    job.objective.weight[MD_LOSS_PHOTOMETRIC] = 1; /* of two pictures */
    const size_t picture = md_layer_elements(network, MD_PICTURE);
    job.objective.distill = 1; /* at the ends of decoder0 and decoder1, of 3x3 and 6x6 */
#define SAMPLE 4, picture, picture, 3 * 9, 3 * 36, 4 * pixels_of(network)
    const size_t parts[] = {sizeof job,
                            4 * md_parameter_total(network),
                            sizeof(struct md_job_step),
                            SAMPLE,
                            SAMPLE,
                            sizeof(struct md_job_step),
                            SAMPLE};
    struct bytes bytes = job_bytes(&job);
    size_t at = 0;
    for (size_t p = 0; p < LENGTH(parts); p++) {
        const size_t cuts[] = {at, at + 1, at + parts[p] - 1};
        char what[80];
        snprintf(what, sizeof what, "cut in part %zu", p);
        for (size_t c = 0; c < LENGTH(cuts); c++)
            assert_error(do_bytes(bytes.at, cuts[c]), MD_JOB_CUT, what);
        at += parts[p];
    }
    cr_assert_eq(at, bytes.size);
    assert_error(do_bytes(bytes.at, at), MD_JOB_OK, "the whole job");
    free(bytes.at);
}

static const struct field {
    const char *name;
    size_t offset;
    uint32_t good, bad;
} fields[] = {
#define FIELD(name, good, bad)                                                                     \
    { #name, offsetof(struct md_job, name), good, bad }
    FIELD(magic, MD_JOB_MAGIC, MD_TRACE_MAGIC),
    FIELD(network.height, 12, 14), /* a whole number of pixels in every layer */
    FIELD(network.width, 4096, 4100),
    FIELD(network.layer_count, 18, 17), /* the output is the last one's */
    FIELD(network.output, 17, 15),      /* of one channel */
    FIELD(network.layers[3].input, 2, 3),
    FIELD(network.layers[6].co, 32, 31),
    FIELD(network.layers[6].kind, MD_CONV3X3, UINT32_MAX),
    FIELD(network.groups[1], 0x3064, 0),
    FIELD(format, MD_FORMAT_COUNT - 1, MD_FORMAT_COUNT),
    FIELD(format, 0, UINT32_MAX),
    FIELD(level[12], 0x6161, 0x1000000),
    FIELD(level[12], 0x616161, 0x61616161),
    FIELD(policy, 1, 0),
    FIELD(policy, 15, 16),
    FIELD(optimizer, MD_OPTIMIZER_COUNT - 1, MD_OPTIMIZER_COUNT),
    FIELD(objective.average, MD_AVERAGE_COUNT - 1, MD_AVERAGE_COUNT),
    FIELD(objective.weighing, MD_WEIGHING_COUNT - 1, MD_WEIGHING_COUNT),
    FIELD(objective.weight[MD_BERHU], 0x3f800000, 0), /* no loss at all */
    FIELD(objective.teacher_channels, MD_MOST_CHANNELS, MD_MOST_CHANNELS + 1),
    FIELD(objective.teacher_channels, 0, UINT32_MAX), /* as none is asked */
    FIELD(moments, MD_MOMENTS_COUNT - 1, MD_MOMENTS_COUNT),
    FIELD(storing, MD_STORING_COUNT - 1, MD_STORING_COUNT),
    FIELD(hyper.decay, MD_DECAY_COUNT - 1, MD_DECAY_COUNT),
    FIELD(hyper.loss_scale_log2, MD_MOST_LOSS_SCALE_LOG2, MD_MOST_LOSS_SCALE_LOG2 + 1),
    FIELD(batch, 1, 0),
    FIELD(batch, MD_JOB_MAX_BATCH, MD_JOB_MAX_BATCH + 1),
    FIELD(cores, 1, 0),
    FIELD(cores, MD_JOB_MAX_CORES, MD_JOB_MAX_CORES + 1),
    FIELD(steps, 1u << 30, (1u << 30) + 1),
    FIELD(savings, (1u << MD_SAVING_COUNT) - 1, 1u << MD_SAVING_COUNT),
    FIELD(front, 0, MD_MAX_LAYERS),
    FIELD(band, MD_JOB_MAX_BAND, MD_JOB_MAX_BAND + 1),
    FIELD(kinds, ALL_KINDS, ALL_KINDS + 1),
    FIELD(values, 1, 2),
/* Numbers, as their bits: anything from 0 on that is finite. */
#define NUMBER(name)                                                                               \
    FIELD(name, 0x7f7fffff, 0x7f800000), FIELD(name, 0, 0x7fc00000), FIELD(name, 1, 0x80000001)
    NUMBER(objective.weight[MD_LOSS_GRAD]),
    NUMBER(objective.depth_cap_m),
    NUMBER(objective.stereo_scale),
    NUMBER(objective.smoothness),
    NUMBER(objective.distill),
    NUMBER(hyper.momentum),
    NUMBER(hyper.weight_decay),
    NUMBER(hyper.beta1),
    NUMBER(hyper.beta2),
    NUMBER(hyper.epsilon),
    NUMBER(hyper.clip_norm),
};

static enum md_job_error read_with(const struct field *field, uint32_t value) {
    struct md_job job = small_job(MD_FP32, ""), read;
    memcpy((char *)&job + field->offset, &value, sizeof value);
    struct exchange e = {.from = (unsigned char *)&job, .left = sizeof job};
    return md_job_read(&(struct md_io){&e, read_bytes, write_bytes}, &read);
}

Test(job, values_out_of_range_are_errors) {
    for (size_t i = 0; i < LENGTH(fields); i++) {
        assert_error(read_with(&fields[i], fields[i].good), MD_JOB_OK, fields[i].name);
        assert_error(read_with(&fields[i], fields[i].bad), MD_JOB_WRONG, fields[i].name);
    }
}

/* What is distilled has channels, and is not streamed. */
Test(job, distilling_needs_a_teacher_and_whole_stages) {
    struct md_job job = small_job(MD_FP32, ""), read;
    job.objective.distill = 1;
    job.savings = MD_STREAM;
    for (job.front = 13; job.front > 11; job.front--) { /* ups1, and the end of decoder1 */
        struct bytes bytes = job_bytes(&job);
        assert_error(do_bytes(bytes.at, bytes.size), job.front == 13 ? MD_JOB_OK : MD_JOB_NO_PLAN,
                     "front");
        free(bytes.at);
    }
    job.network.height = 256;
    job.network.width = 1024;
    static const int channels[] = {
        0, 1024, MD_MOST_CHANNELS}; /* none, and of which size_t may not say the bytes */
    for (int c = 0; c < 3; c++) {
        job.objective.teacher_channels = channels[c];
        struct exchange e = {.from = (unsigned char *)&job, .left = sizeof job};
        assert_error(md_job_read(&(struct md_io){&e, read_bytes, write_bytes}, &read),
                     c == 1 ? MD_JOB_OK : MD_JOB_WRONG, "channels");
    }
}

/* What looks at pictures wants outputs as large as they are. */
Test(job, a_pair_needs_outputs_of_its_size) {
    for (int pooled = 0; pooled < 2; pooled++)
        for (int pair = 0; pair < 2; pair++) {
            struct md_job job = small_job(MD_FP32, ""), read;
            job.network = sized_network(pooled ? "upydnet_pooled" : "upydnet", 24);
            job.objective.weight[MD_LOSS_PHOTOMETRIC] = (float)pair;
            struct exchange e = {.from = (unsigned char *)&job, .left = sizeof job};
            assert_error(md_job_read(&(struct md_io){&e, read_bytes, write_bytes}, &read),
                         pooled && pair ? MD_JOB_WRONG : MD_JOB_OK, job.network.name);
        }
}

Test(job, steps_out_of_range_are_errors) {
    static const struct {
        const char *what;
        struct md_job_step step;
    } steps[] = {{"no sample", {0, 0.1f}},
                 {"more samples than the batch", {2, 0.1f}},
                 {"very many samples", {UINT32_MAX, 0.1f}},
                 {"learning rate NaN", {1, NAN}},
                 {"learning rate infinite", {1, INFINITY}}};
    struct md_job job = small_job(MD_FP32, "");
    struct bytes bytes = job_bytes(&job);
    for (size_t i = 0; i < LENGTH(steps); i++) {
        memcpy(bytes.at + sizeof job + 4 * md_parameter_total(&job.network), &steps[i].step,
               sizeof steps[i].step);
        assert_error(do_bytes(bytes.at, bytes.size), MD_JOB_WRONG, steps[i].what);
    }
    free(bytes.at);
}

Test(job, operators_that_are_not_there_are_an_error) {
    static const char *const levels[] = {"no", "REF", "blas ", "avx2222"};
    for (int f = 0; f < MD_FORMAT_COUNT; f++)
        for (size_t l = 0; l < LENGTH(levels) + (f != MD_FP32); l++) {
            struct md_job job =
                small_job((enum md_format)f, l < LENGTH(levels) ? levels[l] : "blas");
            struct bytes bytes = job_bytes(&job);
            assert_error(do_bytes(bytes.at, bytes.size), MD_JOB_NO_OPERATORS, describe(&job));
            free(bytes.at);
        }
}

Test(job, memory_and_cores_that_are_not_there_are_errors) {
    struct md_job job = small_job(MD_FP16, "");
    for (job.cores = 1; job.cores <= 3; job.cores++) {
        struct bytes bytes = job_bytes(&job);
        for (int more = -1; more <= 1; more++) {
            struct exchange e = {.from = bytes.at, .left = bytes.size};
            if (more != 0 && (int)job.cores + more > 0)
                assert_error(do_job_with(&e, 0, more), MD_JOB_NO_CORES, describe(&job));
            cr_assert_eq(e.writes, 0);
        }
        struct exchange e = {.from = bytes.at, .left = bytes.size};
        assert_error(do_job_with(&e, 1, 0), MD_JOB_NO_MEMORY, describe(&job));
        cr_assert_eq(e.writes, 0);
        free(bytes.at);
    }
}

/* The head's magic number and the rest of it, record and values of each step's loss, the final
 * weights' record and their values by layers (of those that have any), the end. After a failure
 * nothing is written, and no further step done. */
Test(job, output_that_fails_is_an_error_and_the_last_of_it) {
    enum { HEAD = 2, STEP = 2, PIECE = 128 }; /* parameters written at a time */
    struct md_job job = small_job(MD_FP32, "");
    job.kinds = 1u << MD_TRACE_LOSS;
    job.steps = 2;
    int writes = HEAD + 2 * STEP + 1 + 1;
    for (int l = 0; l < job.network.layer_count; l++)
        writes += ((int)md_layer_parameters(&job.network.layers[l]) + PIECE - 1) / PIECE;
    struct bytes bytes = job_bytes(&job);
    for (int most = 1; most <= writes; most += most > HEAD + 2 * STEP + 2 ? 100 : 1) {
        if (most > writes - 100)
            most = most < writes - 1 ? writes - 1 : writes;
        struct exchange e = {.from = bytes.at, .left = bytes.size, .most_writes = most};
        assert_error(do_job_with(&e, 0, 0), most < writes ? MD_JOB_NO_OUTPUT : MD_JOB_OK, "output");
        cr_assert_eq(e.writes, most);
        cr_assert_eq(e.left == 0, most >= HEAD + STEP);
        free(e.trace.at);
    }
    struct exchange none = {.from = bytes.at, .left = bytes.size, .writes = 1, .most_writes = 1};
    assert_error(do_job_with(&none, 0, 0), MD_JOB_NO_OUTPUT, "no output at all");
    free(bytes.at);
}

Test(job, every_error_and_kind_has_a_text) {
    cr_assert_str_empty(md_job_error_texts[MD_JOB_OK]);
    for (int e = MD_JOB_OK + 1; e < MD_JOB_ERROR_COUNT; e++)
        cr_assert_gt(strlen(md_job_error_texts[e]), 10);
    for (int k = 0; k < MD_TRACE_KIND_COUNT; k++)
        cr_assert_gt(strlen(md_trace_kind_names[k]), 2);
}
