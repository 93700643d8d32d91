#include "comparison.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of no difference 0, whatever the measure is. */
static double relative(double difference, double measure) {
    double quotient = difference == 0.0 ? 0.0 : difference / measure;
    return isnan(quotient) ? (double)NAN : quotient; /* without a sign */
}

double md_gap_rms(const struct md_gap *gap) {
    return sqrt(relative(gap->square_difference, gap->square));
}

double md_gap_largest(const struct md_gap *gap) {
    return relative(gap->largest_difference, gap->largest);
}

/* ---- one pair of tensors --------------------------------------------------------------------- */

/* Bits of a format's significand, and the exponent of its smallest subnormal. */
static const struct precision {
    int bits, lowest;
} precisions[MD_FORMAT_COUNT] = {{24, -149}, {53, -1074}, {11, -24},
                                 {8, -133},  {11, -24},   {8, -133}};

/* |a - b| in units in the last place of the coarser format. */
static double ulps_apart(const struct md_trace trace[2], double a, double b) {
    struct precision p = precisions[trace[0].record.format], q = precisions[trace[1].record.format];
    if (q.bits < p.bits)
        p = q;
    int exponent;
    frexp(fmax(fabs(a), fabs(b)), &exponent);
    exponent = exponent - p.bits > p.lowest ? exponent - p.bits : p.lowest;
    return ldexp(fabs(a - b), -exponent);
}

/* 0: equal; 1: up to half an ulp; then up to 1, 2, 4, ...; the last: more, or not finite. */
static int ulp_class(double ulps) {
    int class = 0;
    for (double limit = 0.0; class < MD_ULP_CLASSES - 1 && !(ulps <= limit); class ++)
        limit = class == 0 ? 0.5 : 2.0 * limit;
    return class;
}

static int same(double a, double b) {
    return a == b ? signbit(a) == signbit(b) : isnan(a) && isnan(b);
}

static void note_first(struct md_comparison *c, const struct md_trace trace[2], size_t i) {
    char what[200];
    if (c->first[0] != '\0')
        return;
    md_trace_describe(&trace[0], what, sizeof what);
    const struct md_record *a = &trace[0].record, *b = &trace[1].record;
    if (a->bytes == 0 || b->bytes == 0) {
        snprintf(c->first, sizeof c->first, "%s: digest %08x%08x against %08x%08x", what,
                 (unsigned)a->digest_high, (unsigned)a->digest_low, (unsigned)b->digest_high,
                 (unsigned)b->digest_low);
        return;
    }
    char hex[2][20];
    for (int s = 0; s < 2; s++) {
        uint64_t bits = 0;
        size_t bytes = md_format_bytes[trace[s].record.format];
        memcpy(&bits, (const char *)trace[s].values + i * bytes, bytes);
        snprintf(hex[s], sizeof hex[s], "%0*llx", (int)bytes * 2, (unsigned long long)bits);
    }
    double x = md_trace_value(&trace[0], i), y = md_trace_value(&trace[1], i);
    snprintf(c->first, sizeof c->first,
             "%s, value %zu of %u: %s (%.9g) against %s (%.9g), %.4g ulp", what, i,
             (unsigned)a->count, hex[0], x, hex[1], y, ulps_apart(trace, x, y));
}

/* NaN once it is. */
static double larger(double a, double b) {
    return isnan(a) || a > b ? a : b;
}

void md_gap_add(struct md_gap *gap, double a, double b) {
    double difference = fabs(a - b);
    if (same(a, b) && !isfinite(b))
        return;
    gap->values++;
    gap->square_difference += difference * difference;
    gap->square += b * b;
    gap->largest_difference = larger(gap->largest_difference, difference);
    gap->largest = larger(gap->largest, fabs(b));
}

/* One pair of tensors with values: returns how many differ. */
static size_t compare_values(struct md_comparison *c, const struct md_trace trace[2]) {
    const struct md_record *a = &trace[0].record;
    size_t differing = 0;
    for (size_t i = 0; i < a->count; i++) {
        double x = md_trace_value(&trace[0], i), y = md_trace_value(&trace[1], i);
        int equal = same(x, y);
        if (!equal)
            note_first(c, trace, i);
        differing += !equal;
        if (a->kind == MD_TRACE_LOSS || a->kind >= MD_COMPARED_KINDS)
            continue;
        md_gap_add(&c->by_step[a->step][a->kind], x, y);
        if (a->step + 1 == trace[0].job.steps)
            md_gap_add(&c->by_layer[a->layer][a->kind], x, y);
        c->ulps[ulp_class(equal ? 0.0 : ulps_apart(trace, x, y))]++;
    }
    return differing;
}

/* Counts the weights that a step left unchanged, and copies them for the next step. */
static int count_unchanged(struct md_comparison *c, const struct md_trace *trace, int side,
                           struct md_error *error) {
    const struct md_record *record = &trace->record;
    struct md_unchanged_weights *counts = &c->unchanged[record->layer][side];
    double **before = &c->weights_before[record->layer][side];
    int is_first = *before == NULL;
    if (is_first)
        *before = malloc(((size_t)record->count + 1) * sizeof **before);
    MD_TRY(md_check_memory(*before != NULL, error));
    for (size_t i = 0; i < record->count; i++) {
        double weight = md_trace_value(trace, i);
        if (!is_first) {
            counts->weights++;
            counts->unchanged += same(weight, (*before)[i]);
        }
        (*before)[i] = weight;
    }
    return MD_OK;
}

static size_t count_not_finite(const struct md_trace *trace) {
    size_t count = 0;
    for (size_t i = 0; trace->record.bytes > 0 && i < trace->record.count; i++)
        count += !isfinite(md_trace_value(trace, i));
    return count;
}

/* One pair of tensors. */
static int compare_tensor(struct md_comparison *c, const struct md_trace trace[2],
                          struct md_error *error) {
    const struct md_record *a = &trace[0].record, *b = &trace[1].record;
    size_t differing = 0;
    int equal = a->digest_low == b->digest_low && a->digest_high == b->digest_high;
    if (a->bytes > 0 && b->bytes > 0) {
        differing = compare_values(c, trace);
        equal = differing == 0;
    } else if (!equal)
        note_first(c, trace, 0);
    c->tensors++;
    c->values += a->count;
    c->differing_tensors += !equal;
    c->differing_values += differing;
    for (int side = 0; side < 2; side++) {
        const struct md_record *record = &trace[side].record;
        c->not_finite[side] += count_not_finite(&trace[side]);
        if (record->kind == MD_TRACE_FINAL_WEIGHTS)
            c->final_digest[side] = record->digest_low | (uint64_t)record->digest_high << 32;
    }
    int has_both = a->kind == MD_TRACE_WEIGHT && a->bytes > 0 && b->bytes > 0;
    for (int side = 0; side < 2 && has_both; side++)
        MD_TRY(count_unchanged(c, &trace[side], side, error));
    return MD_OK;
}

/* ---- two traces ------------------------------------------------------------------------------ */

int md_comparison_read(struct md_trace trace[2], const struct md_watch *watch,
                       struct md_comparison *comparison, int *broken, struct md_error *error) {
    uint32_t steps = trace[0].job.steps;
    *comparison = (struct md_comparison){0};
    comparison->same_format = trace[0].job.format == trace[1].job.format;
    for (int side = 0; side < 2; side++)
        comparison->has_values[side] = trace[side].job.values != 0;
    comparison->by_value = comparison->has_values[0] && comparison->has_values[1];
    comparison->by_step = calloc((size_t)steps + 1, sizeof *comparison->by_step);
    MD_TRY(md_check_memory(comparison->by_step != NULL, error));
    for (;;) {
        for (int s = 0; s < 2; s++) {
            *broken = s;
            MD_TRY(md_trace_next(&trace[s], error));
        }
        const struct md_record *a = &trace[0].record, *b = &trace[1].record;
        if (a->step != b->step || trace[0].at != trace[1].at) {
            char text[200];
            *broken = a->step < b->step || (a->step == b->step && trace[0].at < trace[1].at);
            md_trace_describe(&trace[1 - *broken], text, sizeof text);
            return md_fail(error, MD_FAILED, "%s: the trace lacks %s", trace[*broken].name, text);
        }
        if (a->kind == MD_TRACE_END)
            return MD_OK;
        MD_TRY(compare_tensor(comparison, trace, error));
        if (md_watch_report(watch, "comparing steps", a->step, steps))
            return md_fail(error, MD_FAILED, "interrupted");
    }
}

void md_comparison_close(struct md_comparison *comparison) {
    free(comparison->by_step);
    comparison->by_step = NULL;
    for (int l = 0; l <= MD_MAX_LAYERS; l++)
        for (int side = 0; side < 2; side++) {
            free(comparison->weights_before[l][side]);
            comparison->weights_before[l][side] = NULL;
        }
}
