#include "trace.h"

#include <stdlib.h>
#include <string.h>

static int from_memory(void *context, void *to, size_t bytes) {
    memcpy(to, context, bytes);
    return 0;
}

int md_trace_open(FILE *from, const char *name, struct md_trace *trace, struct md_error *error) {
    struct md_job head, checked;
    *trace = (struct md_trace){.from = from, .name = name};
    if (fread(&head, sizeof head, 1, from) != 1)
        return md_fail(error, MD_FAILED, "%s: the trace has no head of %zu bytes", name,
                       sizeof head);
    if (head.magic != MD_TRACE_MAGIC)
        return md_fail(error, MD_FAILED, "%s: expected a trace (MDT1), found %08x at its start",
                       name, (unsigned)head.magic);
    head.magic = MD_JOB_MAGIC;
    const struct md_io io = {&head, from_memory, NULL};
    if (md_job_read(&io, &checked) != MD_JOB_OK)
        return md_fail(error, MD_FAILED, "%s: a value in the trace's head is out of range", name);
    trace->job = checked;
    trace->network = md_networks[checked.network];
    return MD_OK;
}

void md_trace_close(struct md_trace *trace) {
    free(trace->values);
    trace->values = NULL;
}

/* How many values a record of this kind has. */
static size_t count_of(const struct md_network *network, uint32_t kind, uint32_t layer) {
    switch (kind) {
    case MD_TRACE_ACTIVATION:
    case MD_TRACE_ERROR:
        return md_layer_elements(network, (int)layer);
    case MD_TRACE_WEIGHT_GRADIENT:
    case MD_TRACE_WEIGHT:
        return md_layer_weights(&network->layers[layer]) + md_layer_biases(&network->layers[layer]);
    case MD_TRACE_LOSS:
        return 3;
    case MD_TRACE_FINAL_WEIGHTS:
        return md_parameter_total(network);
    default:
        return 0;
    }
}

/* Whether the job can have led to this record. */
static int is_possible(const struct md_trace *trace, const struct md_record *r) {
    const struct md_job *job = &trace->job;
    int at_end = r->kind >= MD_TRACE_FINAL_WEIGHTS;
    uint32_t layers = r->kind < MD_TRACE_LOSS ? (uint32_t)trace->network->layer_count : 1;
    uint32_t slots = r->kind < MD_TRACE_WEIGHT ? job->batch : 1;
    uint32_t format = r->kind == MD_TRACE_LOSS || r->kind == MD_TRACE_END ? MD_FP32 : job->format;
    if (r->kind > MD_TRACE_END || !(at_end || (job->kinds >> r->kind & 1u) != 0) ||
        (at_end ? r->step != job->steps : r->step >= job->steps) || r->layer >= layers ||
        r->slot >= slots || r->format != format)
        return 0;
    size_t count = count_of(trace->network, r->kind, r->layer);
    size_t bytes = job->values || at_end ? count * md_format_bytes[format] : 0;
    return (count > 0 || r->kind == MD_TRACE_END) && r->count == count && r->bytes == bytes;
}

static int cut(const struct md_trace *trace, struct md_error *error) {
    return md_fail(error, MD_FAILED, "%s: the trace ends in record %zu, before its end record",
                   trace->name, trace->records);
}

/* Reads the record's values, and checks that they have its digest. */
static int read_values(struct md_trace *trace, struct md_error *error) {
    const struct md_record *r = &trace->record;
    if (r->bytes > trace->room) {
        void *more = realloc(trace->values, r->bytes);
        if (more == NULL)
            return md_fail(error, MD_FAILED, "out of memory");
        trace->values = more;
        trace->room = r->bytes;
    }
    if (r->bytes > 0 && fread(trace->values, r->bytes, 1, trace->from) != 1)
        return cut(trace, error);
    uint64_t digest = md_digest((enum md_format)r->format, trace->values, r->count);
    if ((uint32_t)digest != r->digest_low || (uint32_t)(digest >> 32) != r->digest_high)
        return md_fail(error, MD_FAILED, "%s: the values of record %zu do not have its digest",
                       trace->name, trace->records);
    return MD_OK;
}

int md_trace_next(struct md_trace *trace, struct md_error *error) {
    struct md_record *r = &trace->record;
    trace->records++;
    if (fread(r, sizeof *r, 1, trace->from) != 1)
        return cut(trace, error);
    if (!is_possible(trace, r))
        return md_fail(error, MD_FAILED,
                       "%s: record %zu is broken: kind %u, step %u, layer %u, sample %u, format "
                       "%u, %u values, %u bytes",
                       trace->name, trace->records, (unsigned)r->kind, (unsigned)r->step,
                       (unsigned)r->layer, (unsigned)r->slot, (unsigned)r->format,
                       (unsigned)r->count, (unsigned)r->bytes);
    int status = r->bytes > 0 || r->count == 0 ? read_values(trace, error) : MD_OK;
    if (status == MD_OK && r->kind == MD_TRACE_END && fgetc(trace->from) != EOF)
        status = md_fail(error, MD_FAILED, "%s: the trace goes on after record %zu, its end",
                         trace->name, trace->records);
    return status;
}

void md_trace_describe(const struct md_trace *trace, char *text, size_t size) {
    const struct md_record *r = &trace->record;
    const char *kind = md_trace_kind_names[r->kind], *layer = trace->network->layers[r->layer].name;
    if (r->kind >= MD_TRACE_LOSS)
        snprintf(text, size, "step %u, %s", (unsigned)r->step, kind);
    else if (r->kind == MD_TRACE_WEIGHT)
        snprintf(text, size, "step %u, %s of %s", (unsigned)r->step, kind, layer);
    else
        snprintf(text, size, "step %u, %s of %s, sample %u", (unsigned)r->step, kind, layer,
                 (unsigned)r->slot);
}

double md_trace_value(const struct md_trace *trace, size_t i) {
    switch ((enum md_format)trace->record.format) {
    case MD_FP64:
        return ((const double *)trace->values)[i];
    case MD_FP32:
        return (double)((const float *)trace->values)[i];
    case MD_FP16:
    case MD_FP16W:
        return (double)md_fp16_widen(((const uint16_t *)trace->values)[i]);
    default:
        return (double)md_bf16_widen(((const uint16_t *)trace->values)[i]);
    }
}
