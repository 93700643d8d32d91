/* experiments/trace: reads what a job writes, and refuses everything else by file and record. */
#include "../experiments/trace.h"
#include "jobs.h"
#include "scratch.h"

TestSuite(trace, .timeout = 600);

static struct md_error error;

/* ---- reading --------------------------------------------------------------------------------- */

static const char name[] = "some.trace";

/* Reads to the end, or as far as it goes; returns how many records were whole. */
static size_t read_whole(const unsigned char *bytes, size_t size, int *status) {
    FILE *file = fmemopen((void *)(uintptr_t)bytes, size, "rb");
    struct md_trace trace;
    size_t records = 0;
    cr_assert(file);
    error.text[0] = '\0';
    *status = md_trace_open(file, name, &trace, &error);
    while (*status == MD_OK && (*status = md_trace_next(&trace, &error)) == MD_OK) {
        records++;
        if (trace.record.kind == MD_TRACE_END)
            break;
    }
    md_trace_close(&trace);
    fclose(file);
    cr_assert_eq(*status != MD_OK, error.text[0] != '\0');
    return records;
}

static struct md_job job_of_trace(enum md_format format) {
    struct md_job job = small_job(format, "");
    job.batch = job.steps = 2;
    return job;
}

Test(trace, reads_what_a_job_writes) {
    for (int f = 0; f < 2 * MD_FORMAT_COUNT; f++) {
        struct md_job job = job_of_trace((enum md_format)(f / 2));
        struct md_trace trace;
        struct md_record record;
        const unsigned char *values;
        job.values = f % 2;
        struct bytes bytes = trace_of(&job);
        FILE *file = fmemopen(bytes.at, bytes.size, "rb");
        cr_assert_eq(md_trace_open(file, name, &trace, &error), MD_OK, "%s", error.text);
        cr_assert_arr_eq(&trace.job, &job, sizeof job);
        cr_assert_eq(trace.network, md_networks[0]);
        for (size_t at = sizeof job; next_record(&bytes, &at, &record, &values);) {
            cr_assert_eq(md_trace_next(&trace, &error), MD_OK, "%s", error.text);
            cr_assert_arr_eq(&trace.record, &record, sizeof record);
            if (record.bytes > 0)
                cr_assert_arr_eq(trace.values, values, record.bytes);
        }
        cr_assert_eq(trace.record.kind, MD_TRACE_END);
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
                 {MD_TRACE_LOSS, 0, "step 3, loss"},
                 {MD_TRACE_FINAL_WEIGHTS, 0, "step 3, final weights"},
                 {MD_TRACE_END, 0, "step 3, end"}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const struct md_trace trace = {
            .network = md_networks[0],
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
    size_t records = read_whole(bytes->at, size, &status);
    cr_assert_eq(status, MD_FAILED, "%zu bytes were taken for a whole trace", size);
    cr_assert_eq(records, record);
    assert_contains(error.text, name);
    snprintf(text, sizeof text, "ends in record %zu", record + 1);
    if (size >= sizeof(struct md_job))
        assert_contains(error.text, text);
}

Test(trace, cut_anywhere_is_an_error) {
    const struct md_job job = job_of_trace(MD_BF16);
    struct bytes bytes = trace_of(&job);
    struct md_record record;
    const unsigned char *values;
    for (size_t size = 0; size < sizeof job; size++)
        assert_stops(&bytes, size, 0);
    size_t index = 0, begin = sizeof job;
    for (size_t at = begin; next_record(&bytes, &at, &record, &values); begin = at, index++) {
        for (size_t b = 0; b < sizeof record; b++)
            assert_stops(&bytes, begin + b, index);
        for (size_t b = 0; b < record.bytes; b += 1 + record.bytes / 3)
            assert_stops(&bytes, begin + sizeof record + b, index);
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

/* What a record's head says about which tensor it is may change to another one's name (comparing
 * finds that); nothing else may, and nothing in the last two records, or in the values. */
static void assert_change_shows(struct bytes *bytes, size_t begin, const struct md_record *record,
                                size_t byte) {
    int is_name =
        byte < offsetof(struct md_record, format) && record->kind < MD_TRACE_FINAL_WEIGHTS;
    unsigned char change = byte % 2 == 0 ? 0x01 : 0x80;
    int passed = passes(bytes, begin + byte, change);
    cr_assert(!passed || is_name, "%s record: byte %zu ^ %02x was not noticed",
              md_trace_kind_names[record->kind], byte, change);
    if (!passed)
        assert_contains(error.text, "record ");
}

Test(trace, every_broken_byte_of_a_record_is_an_error) {
    const struct md_job job = job_of_trace(MD_FP16);
    struct bytes bytes = trace_of(&job);
    struct md_record record;
    const unsigned char *values;
    size_t begin = sizeof job;
    for (size_t at = begin; next_record(&bytes, &at, &record, &values); begin = at) {
        for (size_t b = 0; b < sizeof record; b++)
            assert_change_shows(&bytes, begin, &record, b);
        for (size_t b = 0; b < record.bytes; b += 1 + record.bytes / 5)
            assert_change_shows(&bytes, begin, &record, sizeof record + b);
    }
    free(bytes.at);
}

/* The rest of the head only tells the traces of different jobs apart (comparing looks at it). */
Test(trace, broken_bytes_of_the_head_are_errors) {
    static const size_t needed[] = {offsetof(struct md_job, magic),
                                    offsetof(struct md_job, network),
                                    offsetof(struct md_job, format), offsetof(struct md_job, steps),
                                    offsetof(struct md_job, values)};
    const struct md_job job = job_of_trace(MD_FP16);
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
                 {MD_TRACE_WEIGHT_GRADIENT, WORD(kind), MD_TRACE_LOSS},
                 {MD_TRACE_WEIGHT, WORD(step), 2},
                 {MD_TRACE_WEIGHT, WORD(slot), 1},
                 {MD_TRACE_WEIGHT, WORD(layer), 17}, /* has no weights */
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
