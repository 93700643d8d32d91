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

/* How many values a record of this kind has; 0 when there is no such layer. */
static size_t expected_count(const struct md_trace *trace, const struct md_record *r) {
    const struct md_network *network = trace->network;
    if (r->layer >= (uint32_t)network->layer_count)
        return 0;
    const struct md_layer *layer = &network->layers[r->layer];
    switch (r->kind) {
    case MD_TRACE_ACTIVATION:
    case MD_TRACE_ERROR:
        return md_layer_elements(network, (int)r->layer);
    case MD_TRACE_WEIGHT_GRADIENT:
    case MD_TRACE_WEIGHT:
        return md_layer_weights(layer) + md_layer_biases(layer);
    case MD_TRACE_LOSS:
        return 3;
    default:
        return md_parameter_total(network);
    }
}

static int cut(const struct md_trace *trace, struct md_error *error) {
    return md_fail(error, MD_FAILED, "%s: the trace ends after %zu records, before its end record",
                   trace->name, trace->records);
}

int md_trace_next(struct md_trace *trace, struct md_error *error) {
    struct md_record *r = &trace->record;
    if (fread(r, sizeof *r, 1, trace->from) != 1)
        return cut(trace, error);
    trace->records++;
    if (r->kind == MD_TRACE_END)
        return MD_OK;
    enum md_format format = r->kind == MD_TRACE_LOSS ? MD_FP32 : (enum md_format)trace->job.format;
    size_t count = r->kind < MD_TRACE_END ? expected_count(trace, r) : 0;
    size_t bytes = count * md_format_bytes[format];
    if (count == 0 || r->count != count || r->format != format || r->slot >= trace->job.batch ||
        r->step > trace->job.steps || (r->bytes != 0 && r->bytes != bytes))
        return md_fail(error, MD_FAILED,
                       "%s: record %zu is broken: kind %u, step %u, layer %u, sample %u, format "
                       "%u, %u values, %u bytes",
                       trace->name, trace->records, (unsigned)r->kind, (unsigned)r->step,
                       (unsigned)r->layer, (unsigned)r->slot, (unsigned)r->format,
                       (unsigned)r->count, (unsigned)r->bytes);
    if (bytes > trace->room) {
        void *more = realloc(trace->values, bytes);
        if (more == NULL)
            return md_fail(error, MD_FAILED, "out of memory");
        trace->values = more;
        trace->room = bytes;
    }
    if (r->bytes == 0)
        return MD_OK;
    if (fread(trace->values, bytes, 1, trace->from) != 1)
        return cut(trace, error);
    uint64_t digest = md_digest(format, trace->values, count);
    if ((uint32_t)digest != r->digest_low || (uint32_t)(digest >> 32) != r->digest_high)
        return md_fail(error, MD_FAILED, "%s: the values of record %zu do not have its digest",
                       trace->name, trace->records);
    return MD_OK;
}

void md_trace_layer_name(const struct md_network *network, int layer, char *text, size_t size) {
    struct md_parameter p;
    for (int i = 0; md_parameter(network, i, &p) == 0; i++)
        if (p.layer == layer) {
            char *dot = strrchr(p.name, '.');
            snprintf(text, size, "%.*s", (int)(dot - p.name), p.name);
            return;
        }
    snprintf(text, size, network->layers[layer].kind == MD_RELU ? "relu" : "pool");
}

void md_trace_describe(const struct md_trace *trace, char *text, size_t size) {
    const struct md_record *r = &trace->record;
    char layer[64];
    const char *kind = md_trace_kind_names[r->kind];
    if (r->kind >= MD_TRACE_LOSS) {
        snprintf(text, size, "step %u, %s", (unsigned)r->step, kind);
        return;
    }
    md_trace_layer_name(trace->network, (int)r->layer, layer, sizeof layer);
    if (r->kind == MD_TRACE_WEIGHT)
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
