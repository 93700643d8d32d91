/* compare/trace: reads what a job writes, and refuses everything else by file and record. */
#include <math.h>
#include <sys/resource.h>

#include "../compare/comparison.h"
#include "../compare/trace.h"
#include "jobs.h"
#include "scratch.h"

TestSuite(trace, .timeout = 600);

static struct md_error error;

/* ---- reading --------------------------------------------------------------------------------- */

static const char name[] = "some.trace";

/* Reads to the end, or as far as it goes; returns how many tensors were whole. */
static size_t read_whole(const unsigned char *bytes, size_t size, int *status) {
    FILE *file = fmemopen((void *)(uintptr_t)bytes, size, "rb");
    struct md_trace trace;
    size_t tensors = 0;
    cr_assert(file);
    error.text[0] = '\0';
    *status = md_trace_open(file, name, &trace, &error);
    while (*status == MD_OK && (*status = md_trace_next(&trace, &error)) == MD_OK) {
        tensors++;
        if (trace.record.kind == MD_TRACE_END)
            break;
    }
    md_trace_close(&trace);
    fclose(file);
    cr_assert_eq(*status != MD_OK, error.text[0] != '\0');
    return tensors;
}

static struct md_job job_of_trace(enum md_format format) {
    struct md_job job = small_job(format, "");
    job.batch = job.steps = 2;
    return job;
}

/* Finds the record of a whole tensor. */
static void find_record(const struct bytes *bytes, const struct md_record *like,
                        struct md_record *record, const unsigned char **values) {
    for (size_t at = sizeof(struct md_job); next_record(bytes, &at, record, values);)
        if (record->kind == like->kind && record->step == like->step &&
            record->layer == like->layer && record->slot == like->slot)
            return;
    cr_assert_fail("no such record");
}

/* The plain plan writes each tensor at once, in another order. */
Test(trace, reads_what_a_job_writes) {
    for (int f = 0; f < 2 * MD_FORMAT_COUNT; f++) {
        struct md_job job = job_of_trace((enum md_format)(f / 2));
        struct md_trace trace = {.record = {.kind = MD_TRACE_KIND_COUNT}};
        struct md_record record;
        const unsigned char *values;
        size_t records = 0, tensors = 0;
        job.values = f % 2;
        struct bytes bytes = trace_of(&job);
        FILE *file = fmemopen(bytes.at, bytes.size, "rb");
        cr_assert_eq(md_trace_open(file, name, &trace, &error), MD_OK, "%s", error.text);
        cr_assert_arr_eq(&trace.job, &job, sizeof job);
        for (size_t at = sizeof job; next_record(&bytes, &at, &record, &values);)
            records++;
        for (; trace.record.kind != MD_TRACE_END; tensors++) {
            cr_assert_eq(md_trace_next(&trace, &error), MD_OK, "%s", error.text);
            find_record(&bytes, &trace.record, &record, &values);
            cr_assert_arr_eq(&trace.record, &record, sizeof record);
            if (record.bytes > 0)
                cr_assert_arr_eq(trace.values, values, record.bytes);
        }
        cr_assert_eq(tensors, records);
        md_trace_close(&trace);
        fclose(file);
        free(bytes.at);
    }
}

/* ---- order ----------------------------------------------------------------------------------- */

/* Tensors in words, a line each, of two samples of a network of three layers. */
Test(trace, tensors_come_in_one_order_whatever_the_plan) {
    static const char *const expected[] = {"step 0, activation of first, sample 0",
                                           "step 0, activation of second, sample 0",
                                           "step 0, activation of output, sample 0",
                                           "step 0, activation of first, sample 1",
                                           "step 0, activation of second, sample 1",
                                           "step 0, activation of output, sample 1",
                                           "step 0, error of output, sample 0",
                                           "step 0, error of second, sample 0",
                                           "step 0, weight gradient of second, sample 0",
                                           "step 0, error of first, sample 0",
                                           "step 0, weight gradient of first, sample 0",
                                           "step 0, error of output, sample 1",
                                           "step 0, error of second, sample 1",
                                           "step 0, weight gradient of second, sample 1",
                                           "step 0, error of first, sample 1",
                                           "step 0, weight gradient of first, sample 1",
                                           "step 0, loss",
                                           "step 0, weight of first",
                                           "step 0, first moment of first",
                                           "step 0, second moment of first",
                                           "step 0, beside the weight of first",
                                           "step 0, weight of second",
                                           "step 0, first moment of second",
                                           "step 0, second moment of second",
                                           "step 0, beside the weight of second",
                                           "step 1, final weights",
                                           "step 1, end"};
    static const uint32_t plans[] = {0, MD_SAVINGS_LEAN};
    for (size_t p = 0; p < LENGTH(plans); p++) {
        struct md_job job = small_job(MD_BF16, "");
        job.network =
            (struct md_network){"small",
                                8,
                                8,
                                3,
                                2,
                                1,
                                {"all"},
                                {{"first", MD_CONV3X3, 0, MD_PICTURE, MD_NO_SKIP, 3, 2, 1, 1},
                                 {"second", MD_CONV3X3, 0, 0, MD_NO_SKIP, 2, 1, 1, 0},
                                 {"output", MD_RELU, 0, 1, MD_NO_SKIP, 1, 1, 1, 0}}};
        job.policy = 1;
        job.batch = 2;
        job.storing = MD_STORE_KAHAN;
        job.savings = plans[p];
        struct md_trace trace;
        struct bytes bytes = trace_of(&job);
        FILE *file = fmemopen(bytes.at, bytes.size, "rb");
        cr_assert_eq(md_trace_open(file, name, &trace, &error), MD_OK, "%s", error.text);
        for (size_t t = 0; t < LENGTH(expected); t++) {
            char text[200];
            cr_assert_eq(md_trace_next(&trace, &error), MD_OK, "%s", error.text);
            md_trace_describe(&trace, text, sizeof text);
            cr_assert_str_eq(text, expected[t]);
        }
        md_trace_close(&trace);
        fclose(file);
        free(bytes.at);
    }
}

Test(trace, values_are_those_of_the_format) {
    for (int f = 0; f < MD_FORMAT_COUNT; f++) {
        double values[3];
        struct md_trace trace = {.record = {.format = (uint32_t)f}, .values = values};
        const double wishes[] = {-0.0, 1.5, (double)-INFINITY};
        for (size_t i = 0; i < LENGTH(wishes); i++)
            set_number((enum md_format)f, values, i, wishes[i]);
        for (size_t i = 0; i < LENGTH(wishes); i++) {
            double value = md_trace_value(&trace, i);
            cr_assert_arr_eq(&value, &wishes[i], sizeof value, "%s: %g", md_format_names[f], value);
        }
    }
}

Test(trace, names_its_tensors) {
    static const struct {
        enum md_trace_kind kind;
        uint32_t layer;
        const char *text;
    } cases[] = {{MD_TRACE_ACTIVATION, 0, "step 3, activation of encoder.conv0, sample 1"},
                 {MD_TRACE_ERROR, 17, "step 3, error of output, sample 1"},
                 {MD_TRACE_WEIGHT_GRADIENT, 9, "step 3, weight gradient of ups0, sample 1"},
                 {MD_TRACE_WEIGHT, 16, "step 3, weight of decoder2.conv2"},
                 {MD_TRACE_SECOND_MOMENT, 16, "step 3, second moment of decoder2.conv2"},
                 {MD_TRACE_LOSS, 0, "step 3, loss"},
                 {MD_TRACE_FINAL_WEIGHTS, 0, "step 3, final weights"},
                 {MD_TRACE_END, 0, "step 3, end"}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const struct md_trace trace = {
            .job = {.network = *md_networks[0]},
            .record = {.kind = cases[i].kind, .step = 3, .layer = cases[i].layer, .slot = 1}};
        char text[100];
        md_trace_describe(&trace, text, sizeof text);
        cr_assert_str_eq(text, cases[i].text);
    }
}

/* ---- cut ------------------------------------------------------------------------------------- */

static void assert_stops(const struct bytes *bytes, size_t size, size_t record) {
    int status;
    char text[40];
    read_whole(bytes->at, size, &status);
    cr_assert_eq(status, MD_FAILED, "%zu bytes were taken for a whole trace", size);
    assert_contains(error.text, name);
    snprintf(text, sizeof text, "ends in record %zu", record + 1);
    if (size >= sizeof(struct md_job))
        assert_contains(error.text, text);
}

Test(trace, cut_anywhere_is_an_error) {
    struct md_job job = job_of_trace(MD_BF16);
    job.network = sized_network("upydnet", 16);
    struct bytes bytes = trace_of(&job);
    struct md_record record;
    const unsigned char *values;
    for (size_t size = 0; size < sizeof job; size += size < 8 ? 1 : 61)
        assert_stops(&bytes, size, 0);
    size_t index = 0, begin = sizeof job;
    for (size_t at = begin; next_record(&bytes, &at, &record, &values); begin = at, index++) {
        for (size_t b = 0; b < sizeof record; b += 1 + index % 7)
            assert_stops(&bytes, begin + b, index);
        if (record.bytes > 0)
            assert_stops(&bytes, begin + sizeof record + record.bytes / 2, index);
        if (record.bytes > 0)
            assert_stops(&bytes, at - 1, index);
    }
    free(bytes.at);
}

/* ---- broken ---------------------------------------------------------------------------------- */

/* Reads it with byte `at` changed; returns whether it was taken for whole. */
static int passes(struct bytes *bytes, size_t at, unsigned char change) {
    int status;
    bytes->at[at] ^= change;
    read_whole(bytes->at, bytes->size, &status);
    bytes->at[at] ^= change;
    cr_assert(status == MD_OK || strstr(error.text, name), "%s", error.text);
    return status == MD_OK;
}

/* What a record's head says about which tensor it is may change to the name of one that is not
 * there (comparing finds that); nothing else may, and nothing in the last two records, or in the
 * values. */
static void assert_change_shows(struct bytes *bytes, size_t begin, const struct md_record *record,
                                size_t byte) {
    int is_name = byte < offsetof(struct md_record, from) && record->kind < MD_TRACE_FINAL_WEIGHTS;
    unsigned char change = byte % 2 == 0 ? 0x01 : 0x80;
    int passed = passes(bytes, begin + byte, change);
    cr_assert(!passed || is_name, "%s record: byte %zu ^ %02x was not noticed",
              md_trace_kind_names[record->kind], byte, change);
    if (!passed)
        cr_assert(strstr(error.text, "record ") || strstr(error.text, " rows of "), "%s",
                  error.text);
}

/* Of a plan whose tensors come row by row. */
Test(trace, every_broken_byte_of_a_record_is_an_error) {
    struct md_job job = small_job(MD_FP16, "");
    job.network = sized_network("upydnet", 8);
    job.savings = MD_SAVINGS_LEAN;
    struct bytes bytes = trace_of(&job);
    struct md_record record;
    const unsigned char *values;
    size_t begin = sizeof job;
    for (size_t at = begin; next_record(&bytes, &at, &record, &values); begin = at) {
        for (size_t b = 0; b < sizeof record; b++)
            assert_change_shows(&bytes, begin, &record, b);
        for (size_t b = 0; b < record.bytes; b += 1 + record.bytes / 2)
            assert_change_shows(&bytes, begin, &record, sizeof record + b);
    }
    free(bytes.at);
}

/* The rest of the head only tells the traces of different jobs apart (comparing looks at it). */
Test(trace, broken_bytes_of_the_head_are_errors) {
    static const size_t needed[] = {offsetof(struct md_job, magic),
                                    offsetof(struct md_job, network.layer_count),
                                    offsetof(struct md_job, format), offsetof(struct md_job, steps),
                                    offsetof(struct md_job, values)};
    struct md_job job = job_of_trace(MD_FP16);
    job.storing = MD_STORE_KAHAN; /* so that there are records of every kind */
    struct bytes bytes = trace_of(&job);
    for (size_t i = 0; i < LENGTH(needed); i++)
        for (size_t b = 0; b < 4; b++)
            for (unsigned bit = 0; bit < 8; bit++)
                cr_assert_not(passes(&bytes, needed[i] + b, (unsigned char)(1u << bit)),
                              "byte %zu, bit %u", needed[i] + b, bit);
    for (uint32_t kind = 0; kind < MD_TRACE_FINAL_WEIGHTS; kind++)
        cr_assert_not(passes(&bytes, offsetof(struct md_job, kinds), (unsigned char)(1u << kind)),
                      "a record of a kind that was not asked for");
    free(bytes.at);
}

/* Fields that are in range for some record, but not for this one. */
Test(trace, fields_out_of_place_are_errors) {
#define WORD(field) offsetof(struct md_record, field) / sizeof(uint32_t)
    static const struct {
        enum md_trace_kind kind;
        size_t word;
        uint32_t value;
    } cases[] = {{MD_TRACE_ACTIVATION, WORD(step), 2}, /* of steps 0 and 1 */
                 {MD_TRACE_ACTIVATION, WORD(slot), 2}, /* of a batch of 2 */
                 {MD_TRACE_ACTIVATION, WORD(layer), 18},
                 {MD_TRACE_ACTIVATION, WORD(bytes), 0}, /* with values, as all */
                 {MD_TRACE_ERROR, WORD(kind), MD_TRACE_KIND_COUNT},
                 {MD_TRACE_ERROR, WORD(from), 1},
                 {MD_TRACE_ERROR, WORD(to), 0},
                 {MD_TRACE_ERROR, WORD(to), 49},
                 {MD_TRACE_WEIGHT_GRADIENT, WORD(kind), MD_TRACE_LOSS},
                 {MD_TRACE_WEIGHT_GRADIENT, WORD(layer), 5}, /* does not learn */
                 {MD_TRACE_WEIGHT, WORD(step), 2},
                 {MD_TRACE_WEIGHT, WORD(slot), 1},
                 {MD_TRACE_WEIGHT, WORD(layer), 17}, /* has no weights */
                 {MD_TRACE_WEIGHT, WORD(kind), MD_TRACE_BESIDE_WEIGHT},
                 {MD_TRACE_SECOND_MOMENT, WORD(layer), 5},
                 {MD_TRACE_SECOND_MOMENT, WORD(format), MD_FP32},
                 {MD_TRACE_LOSS, WORD(step), 2},
                 {MD_TRACE_LOSS, WORD(layer), 1},
                 {MD_TRACE_LOSS, WORD(slot), 1},
                 {MD_TRACE_LOSS, WORD(format), MD_FP16},
                 {MD_TRACE_FINAL_WEIGHTS, WORD(step), 1},
                 {MD_TRACE_FINAL_WEIGHTS, WORD(layer), 1},
                 {MD_TRACE_FINAL_WEIGHTS, WORD(bytes), 0},
                 {MD_TRACE_END, WORD(step), 1},
                 {MD_TRACE_END, WORD(count), 1},
                 {MD_TRACE_END, WORD(format), MD_FP16}};
    const struct md_job job = job_of_trace(MD_FP16);
    struct bytes bytes = trace_of(&job);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct md_record record = {.kind = MD_TRACE_KIND_COUNT};
        const unsigned char *values = NULL;
        uint32_t kept;
        int status;
        for (size_t at = sizeof job; record.kind != cases[i].kind;)
            cr_assert(next_record(&bytes, &at, &record, &values));
        unsigned char *word = bytes.at + (values - sizeof record - bytes.at) + 4 * cases[i].word;
        memcpy(&kept, word, 4);
        memcpy(word, &cases[i].value, 4);
        read_whole(bytes.at, bytes.size, &status);
        memcpy(word, &kept, 4);
        cr_assert_eq(status, MD_FAILED, "%s: word %zu = %u", md_trace_kind_names[cases[i].kind],
                     cases[i].word, (unsigned)cases[i].value);
        assert_contains(error.text, "is broken");
    }
    free(bytes.at);
}

static void assert_expects_row(const struct bytes *bytes, uint32_t from, uint32_t expected) {
    int status;
    char text[80];
    read_whole(bytes->at, bytes->size, &status);
    cr_assert_eq(status, MD_FAILED);
    snprintf(text, sizeof text, " has rows %u to ", (unsigned)from);
    assert_contains(error.text, text);
    snprintf(text, sizeof text, "; expected row %u", (unsigned)expected);
    assert_contains(error.text, text);
}

/* Rows that do not go on where the ones before ended, or that are missing at the step's end. */
Test(trace, rows_are_all_there_and_ascend) {
    struct md_job job = small_job(MD_FP16, "");
    job.network = sized_network("upydnet", 16);
    job.savings = MD_SAVINGS_LEAN;
    job.kinds = 1u << MD_TRACE_ACTIVATION;
    for (job.values = 0; job.values < 2; job.values++) {
        struct bytes bytes = trace_of(&job);
        struct md_record record = {0}, last;
        char text[80];
        const unsigned char *values;
        int status;
        size_t at = sizeof job, before = at, size = bytes.size;
        while (next_record(&bytes, &at, &record, &values) && record.from == 0)
            before = at;
        cr_assert_lt(record.to, 16);
        const unsigned char *second = bytes.at + before;
        size_t length = at - before, behind = size - at;
        struct bytes other = {0};
        append(&other, bytes.at, at); /* twice */
        append(&other, second, length + behind);
        assert_expects_row(&other, record.from, record.to);
        other.size = before; /* left out */
        append(&other, second + length, behind);
        assert_expects_row(&other, record.to, record.from);
        free(other.at);
        for (at = before = sizeof job; next_record(&bytes, &at, &last, &values); before = at)
            if (last.kind == record.kind && last.layer == record.layer && last.to == 16)
                break;
        memmove(bytes.at + before, bytes.at + at, size - at);
        read_whole(bytes.at, size - (at - before), &status);
        cr_assert_eq(status, MD_FAILED);
        snprintf(text, sizeof text, ": %u of 16 rows of step 0, activation of ",
                 (unsigned)last.from);
        assert_contains(error.text, text);
        free(bytes.at);
    }
}

/* A step cannot begin again. */
Test(trace, steps_ascend) {
    struct md_job job = small_job(MD_FP32, "");
    job.kinds = 1u << MD_TRACE_LOSS;
    job.steps = 2;
    struct bytes bytes = trace_of(&job);
    int status;
    unsigned char *first = bytes.at + sizeof job, kept[sizeof(struct md_record) + 12];
    memcpy(kept, first, sizeof kept);
    memcpy(first, first + sizeof kept, sizeof kept);
    memcpy(first + sizeof kept, kept, sizeof kept);
    read_whole(bytes.at, bytes.size, &status);
    cr_assert_eq(status, MD_FAILED);
    assert_contains(error.text, "record 2 is broken");
    free(bytes.at);
}

/* A job of huge maps, whose records say that gigabytes follow: memory is taken for what is there.
 */
Test(trace, memory_is_taken_for_what_comes) {
    struct md_job job = small_job(MD_FP32, "");
    job.network =
        (struct md_network){"huge",
                            4096,
                            4096,
                            2,
                            1,
                            1,
                            {"all"},
                            {{"first", MD_CONV3X3, 0, MD_PICTURE, MD_NO_SKIP, 3, 16, 1, 0},
                             {"output", MD_CONV3X3, 0, 0, MD_NO_SKIP, 16, 1, 1, 0}}};
    job.policy = 1;
    job.magic = MD_TRACE_MAGIC;
    const struct md_record record = {
        .to = 4096, .format = MD_FP32, .count = 16 * 4096u * 4096u, .bytes = 64 * 4096u * 4096u};
    struct bytes bytes = {0};
    struct rlimit limit = {512 << 20, RLIM_INFINITY}, kept;
    int status;
    append(&bytes, &job, sizeof job);
    append(&bytes, &record, sizeof record);
    cr_assert_eq(getrlimit(RLIMIT_DATA, &kept), 0);
    limit.rlim_max = kept.rlim_max;
#if defined(__SANITIZE_ADDRESS__) /* it takes more than there is, by itself */
    limit = kept;
#endif
    cr_assert_eq(setrlimit(RLIMIT_DATA, &limit), 0);
    read_whole(bytes.at, bytes.size, &status);
    cr_assert_eq(setrlimit(RLIMIT_DATA, &kept), 0);
    cr_assert_eq(status, MD_FAILED);
    assert_contains(error.text, "ends in record 1");
    free(bytes.at);
}

Test(trace, nothing_may_follow_the_end) {
    struct md_job job = small_job(MD_FP32, "");
    job.steps = 0;
    struct bytes bytes = trace_of(&job);
    int status;
    read_whole(bytes.at, bytes.size, &status);
    cr_assert_eq(status, MD_OK);
    append(&bytes, "x", 1);
    read_whole(bytes.at, bytes.size, &status);
    cr_assert_eq(status, MD_FAILED);
    assert_contains(error.text, "goes on after record 2");
    free(bytes.at);
}

/* ---- relative errors ------------------------------------------------------------------------- */

/* A NaN on one side is no small error, wherever it stands; equal ones say nothing. */
Test(gap, not_a_number_stays_one) {
    static const struct {
        double a[3], b[3];
        double rms, largest; /* NaN: is NaN */
        size_t values;
    } cases[] = {
        {{1, 0, 0}, {2, 0, 0}, 0.5, 0.5, 3},
        {{NAN, 2, 3}, {1, 2, 4}, NAN, NAN, 3},
        {{1, NAN, 3}, {1, 2, 4}, NAN, NAN, 3},
        {{1, 2, 3}, {NAN, 2, 4}, NAN, NAN, 3},
        {{1, 2, 3}, {1, 2, NAN}, NAN, NAN, 3},
        {{1, 2, 3}, {1, 2, INFINITY}, NAN, NAN, 3},
        {{1, 2, INFINITY}, {1, 2, 3}, INFINITY, INFINITY, 3},
        {{NAN, 2, INFINITY}, {NAN, 1, INFINITY}, 1, 1, 1},
        {{NAN, NAN, NAN}, {NAN, NAN, NAN}, 0, 0, 0},
        {{0, 0, 1}, {0, 0, 0}, INFINITY, INFINITY, 3},
        {{0, 0, 0}, {0, 0, 0}, 0, 0, 3},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct md_gap gap = {0};
        for (int i = 0; i < 3; i++)
            md_gap_add(&gap, cases[c].a[i], cases[c].b[i]);
        double rms = md_gap_rms(&gap), largest = md_gap_largest(&gap);
        cr_assert(rms == cases[c].rms || (isnan(rms) && isnan(cases[c].rms)), "%zu: %g", c, rms);
        cr_assert(largest == cases[c].largest || (isnan(largest) && isnan(cases[c].largest)),
                  "%zu: %g", c, largest);
        cr_assert_eq(gap.values, cases[c].values, "%zu", c);
    }
}
