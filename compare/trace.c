#include "trace.h"

#include <stdlib.h>
#include <string.h>

/* A tensor whose rows are still coming: as one record, of rows 0 to record.to-1; to == 0: none yet.
 * Values have a row's channels one after the other until the step is complete. */
struct md_tensor {
    struct md_record record;
    unsigned char *values;
};

/* ---- what a job can lead to ------------------------------------------------------------------ */

/* Indices of a step's tensors: activations, then errors and gradients, the loss, then what an
 * update leaves behind, of each layer UPDATE_KINDS; the final weights and the end. */
enum { UPDATE_KINDS = MD_TRACE_FINAL_WEIGHTS - MD_TRACE_WEIGHT };

static size_t tensor_index(const struct md_job *job, const struct md_record *r) {
    size_t layers = (size_t)job->network.layer_count, samples = job->batch;
    size_t from_last = layers - 1 - r->layer, loss = 3 * samples * layers;
    switch ((enum md_trace_kind)r->kind) {
    case MD_TRACE_ACTIVATION:
        return r->slot * layers + r->layer;
    case MD_TRACE_ERROR:
    case MD_TRACE_WEIGHT_GRADIENT:
        return (samples + 2 * r->slot) * layers + 2 * from_last +
               (r->kind == MD_TRACE_WEIGHT_GRADIENT);
    case MD_TRACE_LOSS:
        return loss;
    case MD_TRACE_FINAL_WEIGHTS:
    case MD_TRACE_END:
        return loss + 1 + UPDATE_KINDS * (layers + 1) + (r->kind == MD_TRACE_END);
    default:
        return loss + 1 + UPDATE_KINDS * r->layer + (r->kind - MD_TRACE_WEIGHT);
    }
}

/* Layer number layer_count stands for the dynamic weights of losses. */
static int is_losses(const struct md_job *job, uint32_t layer) {
    return layer == (uint32_t)job->network.layer_count;
}

static int is_map(uint32_t kind) {
    return kind == MD_TRACE_ACTIVATION || kind == MD_TRACE_ERROR;
}

/* The whole tensor; what is no map is one row. */
static struct md_map shape_of(const struct md_job *job, uint32_t kind, uint32_t layer) {
    const struct md_network *network = &job->network;
    struct md_map map = {.channels = 1, .height = 1, .rows = 1};
    if (is_map(kind)) {
        map.channels = network->layers[layer].co;
        md_layer_size(network, (int)layer, &map.height, &map.width);
    } else if (kind == MD_TRACE_LOSS)
        map.width = 3;
    else if (kind == MD_TRACE_FINAL_WEIGHTS)
        map.width = (int)md_parameter_total(network);
    else if (kind == MD_TRACE_WEIGHT)
        map.width = (int)md_plan_parameters(network, (int)layer);
    else if (is_losses(job, layer))
        map.width = MD_LOSS_COUNT;
    else if (kind != MD_TRACE_END)
        map.width = (int)md_learning_parameters(&network->layers[layer],
                                                md_layer_learns(network, job->policy, (int)layer));
    return map;
}

static enum md_format format_of(const struct md_job *job, uint32_t kind) {
    int moment = kind == MD_TRACE_FIRST_MOMENT || kind == MD_TRACE_SECOND_MOMENT;
    int wide = kind == MD_TRACE_LOSS || kind == MD_TRACE_END ||
               (moment && job->moments == MD_MOMENTS_FP32) ||
               (kind == MD_TRACE_BESIDE_WEIGHT && job->storing == MD_STORE_MASTER);
    return wide ? MD_FP32 : (enum md_format)job->format;
}

/* Whether the job can have led to tensors of this kind, of a layer. */
static int is_written(const struct md_job *job, uint32_t kind, uint32_t layer) {
    int learns = is_losses(job, layer)
                     ? job->objective.weighing == MD_WEIGHTS_DYNAMIC
                     : md_layer_learns(&job->network, job->policy, (int)layer) != MD_LEARNS_NOTHING;
    int moments = md_optimizer_moments[job->optimizer][job->hyper.momentum > 0.0f];
    if (kind >= MD_TRACE_FINAL_WEIGHTS)
        return 1;
    if ((job->kinds >> kind & 1u) == 0)
        return 0;
    if (kind == MD_TRACE_FIRST_MOMENT || kind == MD_TRACE_SECOND_MOMENT)
        return learns && moments > (int)(kind - MD_TRACE_FIRST_MOMENT);
    if (kind == MD_TRACE_BESIDE_WEIGHT)
        return learns && (job->storing == MD_STORE_MASTER || job->storing == MD_STORE_KAHAN);
    return is_map(kind) || kind == MD_TRACE_LOSS || learns;
}

/* Whether the job can have led to this record. */
static int is_possible(const struct md_job *job, const struct md_record *r) {
    int at_end = r->kind >= MD_TRACE_FINAL_WEIGHTS;
    int of_layer = !at_end && r->kind != MD_TRACE_LOSS;
    uint32_t layers = of_layer ? (uint32_t)job->network.layer_count + (r->kind > MD_TRACE_LOSS) : 1;
    uint32_t slots = r->kind < MD_TRACE_LOSS ? job->batch : 1;
    if (r->kind > MD_TRACE_END || r->layer >= layers || r->slot >= slots ||
        (at_end ? r->step != job->steps : r->step >= job->steps) ||
        !is_written(job, r->kind, r->layer) || r->format != format_of(job, r->kind))
        return 0;
    struct md_map map = shape_of(job, r->kind, r->layer);
    size_t row = (size_t)map.channels * (size_t)map.width;
    if (r->from >= r->to || r->to > (uint32_t)map.height ||
        row * (size_t)map.height > UINT32_MAX / md_format_bytes[r->format])
        return 0;
    size_t count = row * (r->to - r->from);
    int whole = job->values || r->kind == MD_TRACE_FINAL_WEIGHTS;
    return r->count == count && r->bytes == (whole ? count * md_format_bytes[r->format] : 0);
}

static void describe(const struct md_trace *trace, const struct md_record *r, char *text,
                     size_t size) {
    const char *kind = md_trace_kind_names[r->kind],
               *layer = is_losses(&trace->job, r->layer) ? "losses"
                                                         : trace->job.network.layers[r->layer].name;
    if (r->kind == MD_TRACE_LOSS || r->kind >= MD_TRACE_FINAL_WEIGHTS)
        snprintf(text, size, "step %u, %s", (unsigned)r->step, kind);
    else if (r->kind >= MD_TRACE_WEIGHT)
        snprintf(text, size, "step %u, %s of %s", (unsigned)r->step, kind, layer);
    else
        snprintf(text, size, "step %u, %s of %s, sample %u", (unsigned)r->step, kind, layer,
                 (unsigned)r->slot);
}

void md_trace_describe(const struct md_trace *trace, char *text, size_t size) {
    describe(trace, &trace->record, text, size);
}

/* ---- records --------------------------------------------------------------------------------- */

static int fail_truncated(const struct md_trace *trace, struct md_error *error) {
    return md_fail(error, MD_FAILED, "%s: the trace ends in record %zu, before its end record",
                   trace->name, trace->records);
}

/* The next record's head, to `ahead`. */
static int read_head(struct md_trace *trace, struct md_error *error) {
    struct md_record *r = &trace->ahead;
    uint32_t step = r->step;
    trace->records++;
    if (fread(r, sizeof *r, 1, trace->from) != 1)
        return fail_truncated(trace, error);
    if (!is_possible(&trace->job, r) || r->step < step)
        return md_fail(error, MD_FAILED,
                       "%s: record %zu is broken: kind %u, step %u, layer %u, sample %u, rows %u "
                       "to %u, format %u, %u values, %u bytes",
                       trace->name, trace->records, (unsigned)r->kind, (unsigned)r->step,
                       (unsigned)r->layer, (unsigned)r->slot, (unsigned)r->from, (unsigned)r->to,
                       (unsigned)r->format, (unsigned)r->count, (unsigned)r->bytes);
    return MD_OK;
}

/* Reads `bytes` of values. Memory grows with what comes, not with what a broken trace claims. */
static int read_payload(struct md_trace *trace, size_t bytes, struct md_error *error) {
    for (size_t got = 0; got < bytes;) {
        if (got == trace->payload_capacity) {
            size_t capacity = got < 1 << 16 ? 1 << 16 : 2 * got;
            void *more = realloc(trace->payload, capacity);
            MD_TRY(md_check_memory(more != NULL, error));
            trace->payload = more;
            trace->payload_capacity = capacity;
        }
        size_t some = (bytes < trace->payload_capacity ? bytes : trace->payload_capacity) - got;
        if (fread((char *)trace->payload + got, some, 1, trace->from) != 1)
            return fail_truncated(trace, error);
        got += some;
    }
    return MD_OK;
}

/* Copies the rows of a record behind those that were there, and returns their digest, which goes by
 * an element's place in the whole tensor. */
static uint64_t copy_rows(const struct md_trace *trace, struct md_tensor *tensor) {
    const struct md_record *r = &trace->ahead;
    struct md_map map = shape_of(&trace->job, r->kind, r->layer);
    size_t width = (size_t)map.width, bytes = width * md_format_bytes[r->format];
    const unsigned char *from = trace->payload;
    uint64_t digest = 0;
    for (uint32_t c = 0; c < (uint32_t)map.channels; c++)
        for (uint32_t h = r->from; h < r->to; h++, from += bytes) {
            memcpy(tensor->values + ((size_t)h * (size_t)map.channels + c) * bytes, from, bytes);
            digest += md_digest((enum md_format)r->format, from,
                                (c * (size_t)map.height + h) * width, width);
        }
    return digest;
}

/* Merges the record ahead into its tensor. */
static int merge_record(struct md_trace *trace, struct md_error *error) {
    const struct md_record *r = &trace->ahead;
    struct md_tensor *tensor = &trace->tensors[tensor_index(&trace->job, r)];
    struct md_record *whole = &tensor->record;
    uint64_t digest = r->digest_low | (uint64_t)r->digest_high << 32;
    if (r->from != whole->to) {
        char text[200];
        describe(trace, r, text, sizeof text);
        return md_fail(error, MD_FAILED, "%s: record %zu has rows %u to %u of %s; expected row %u",
                       trace->name, trace->records, (unsigned)r->from, (unsigned)r->to - 1, text,
                       (unsigned)whole->to);
    }
    MD_TRY(read_payload(trace, r->bytes, error));
    if (r->bytes > 0) {
        unsigned char *more = realloc(tensor->values, (size_t)whole->bytes + r->bytes);
        MD_TRY(md_check_memory(more != NULL, error));
        tensor->values = more;
    }
    if ((r->bytes > 0 && copy_rows(trace, tensor) != digest) || (r->count == 0 && digest != 0))
        return md_fail(error, MD_FAILED, "%s: the values of record %zu do not have its digest",
                       trace->name, trace->records);
    digest += whole->digest_low | (uint64_t)whole->digest_high << 32;
    struct md_record sum = *r;
    sum.from = 0;
    sum.count += whole->count;
    sum.bytes += whole->bytes;
    sum.digest_low = (uint32_t)digest;
    sum.digest_high = (uint32_t)(digest >> 32);
    *whole = sum;
    return MD_OK;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void forget_step(struct md_trace *trace) {
    for (size_t t = 0; t < trace->tensor_count; t++) {
        free(trace->tensors[t].values);
        trace->tensors[t] = (struct md_tensor){0};
    }
}

/* Checks that all rows were there, and gives them the tensor's order. */
static int complete(struct md_trace *trace, struct md_tensor *tensor, struct md_error *error) {
    const struct md_record *r = &tensor->record;
    struct md_map map = shape_of(&trace->job, r->kind, r->layer);
    if (r->to < (uint32_t)map.height) {
        char text[200];
        describe(trace, r, text, sizeof text);
        return md_fail(error, MD_FAILED, "%s: %u of %d rows of %s are there", trace->name,
                       (unsigned)r->to, map.height, text);
    }
    if (r->bytes == 0 || map.channels == 1 || map.height == 1)
        return MD_OK;
    size_t bytes = (size_t)map.width * md_format_bytes[r->format], height = (size_t)map.height;
    unsigned char *ordered = malloc(r->bytes), *from = tensor->values;
    MD_TRY(md_check_memory(ordered != NULL, error));
    for (size_t h = 0; h < height; h++)
        for (size_t c = 0; c < (size_t)map.channels; c++, from += bytes)
            memcpy(ordered + (c * height + h) * bytes, from, bytes);
    free(tensor->values);
    tensor->values = ordered;
    return MD_OK;
}

/* Reads all records of a step, and the head of the one behind them. */
static int read_step(struct md_trace *trace, struct md_error *error) {
    uint32_t step = trace->ahead.step;
    int status = MD_OK, ends = 0;
    forget_step(trace);
    while (status == MD_OK && !ends && trace->ahead.step == step) {
        status = merge_record(trace, error);
        ends = trace->ahead.kind == MD_TRACE_END;
        if (status == MD_OK && !ends)
            status = read_head(trace, error);
        else if (status == MD_OK && fgetc(trace->from) != EOF)
            status = md_fail(error, MD_FAILED, "%s: the trace goes on after record %zu, its end",
                             trace->name, trace->records);
    }
    for (size_t t = 0; status == MD_OK && t < trace->tensor_count; t++)
        if (trace->tensors[t].record.to > 0)
            status = complete(trace, &trace->tensors[t], error);
    return status;
}

int md_trace_next(struct md_trace *trace, struct md_error *error) {
    int status = MD_OK;
    do {
        trace->at++;
        if (trace->at >= trace->tensor_count) {
            if (trace->records == 0)
                status = read_head(trace, error);
            MD_THEN(status, read_step(trace, error));
            trace->at = 0;
        }
    } while (status == MD_OK && trace->tensors[trace->at].record.to == 0);
    if (status == MD_OK) {
        trace->record = trace->tensors[trace->at].record;
        trace->values = trace->tensors[trace->at].values;
    }
    return status;
}

/* ---- the whole trace ------------------------------------------------------------------------- */

static int from_memory(void *context, void *to, size_t bytes) {
    memcpy(to, context, bytes);
    return 0;
}

int md_trace_open(FILE *from, const char *name, struct md_trace *trace, struct md_error *error) {
    struct md_job head;
    *trace = (struct md_trace){.from = from, .name = name};
    if (fread(&head, sizeof head, 1, from) != 1)
        return md_fail(error, MD_FAILED, "%s: the trace has no head of %zu bytes", name,
                       sizeof head);
    if (head.magic != MD_TRACE_MAGIC)
        return md_fail(error, MD_FAILED, "%s: expected a trace (MDT8), found %08x at its start",
                       name, (unsigned)head.magic);
    head.magic = MD_JOB_MAGIC;
    const struct md_io io = {&head, from_memory, NULL};
    if (md_job_read(&io, &trace->job) != MD_JOB_OK)
        return md_fail(error, MD_FAILED, "%s: a value in the trace's head is out of range", name);
    trace->tensor_count = tensor_index(&trace->job, &(struct md_record){.kind = MD_TRACE_END}) + 1;
    trace->at = trace->tensor_count;
    trace->tensors = calloc(trace->tensor_count, sizeof *trace->tensors);
    return md_check_memory(trace->tensors != NULL, error);
}

void md_trace_close(struct md_trace *trace) {
    if (trace->tensors != NULL)
        forget_step(trace);
    free(trace->tensors);
    free(trace->payload);
    trace->tensors = NULL;
    trace->payload = NULL;
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
