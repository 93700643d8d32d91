#include "device.h"

extern const struct md_ops md_lanes_v2f16_fp16;

/* One row per level and format, from the slowest to the fastest. fp64 is no device format. */
#define ROWS(format, id)                                                                           \
    {id, "ref", &md_ops_ref_##format, NULL}, {                                                     \
        id, "scalar", &md_ops_ref_##format, &md_lanes_scalar_##format                              \
    }
static const struct {
    enum md_format format;
    const char *level;
    const struct md_ops *plain, *twins;
} rows[] = {ROWS(fp32, MD_FP32),   ROWS(bf16, MD_BF16),
            ROWS(fp16w, MD_FP16W), ROWS(bf16w, MD_BF16W),
            ROWS(fp16, MD_FP16),   {MD_FP16, "v2f16", &md_ops_ref_fp16, &md_lanes_v2f16_fp16}};
enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

static struct md_ops table; /* the dispatch table: a program does one job */

static const struct md_ops *fill_table(int row) {
    table = md_ops_overlaid(rows[row].level, rows[row].plain, rows[row].twins);
    return &table;
}

static int same(const char *a, const char *b) {
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

const struct md_ops *md_ops_find(enum md_format format, const char *level) {
    const struct md_ops *found = NULL;
    int best = level == NULL || level[0] == '\0';
    for (int i = 0; i < ROW_COUNT; i++) {
        if (rows[i].format == format && (best || same(rows[i].level, level)))
            found = fill_table(i);
    }
    return found;
}

/* ---- the work -------------------------------------------------------------------------------- */

static int read_job(void *context, void *to, size_t bytes) {
    struct md_stream *from = &((struct md_device *)context)->job;
    unsigned char *t = to;
    for (; bytes > 0; bytes--) {
        if (from->used == from->filled) {
            long got = from->transfer(from, from->bytes, MD_STREAM_BYTES);
            if (got <= 0)
                return -1;
            from->used = 0;
            from->filled = (size_t)got;
        }
        *t++ = from->bytes[from->used++];
    }
    return 0;
}

static int flush(struct md_stream *to) {
    for (size_t done = 0; done < to->filled;) {
        long put = to->transfer(to, to->bytes + done, to->filled - done);
        if (put <= 0)
            return -1;
        done += (size_t)put;
    }
    to->filled = 0;
    return 0;
}

static int write_trace(void *context, const void *from, size_t bytes) {
    struct md_stream *to = &((struct md_device *)context)->trace;
    const unsigned char *f = from;
    for (; bytes > 0; bytes--) {
        if (to->filled == MD_STREAM_BYTES && flush(to) != 0)
            return -1;
        to->bytes[to->filled++] = *f++;
    }
    return 0;
}

enum md_job_error md_device_work(struct md_device *device) {
    const struct md_io io = {device, read_job, write_trace};
    const struct md_job_memory memory = {&device->engine, device->arena, device->flash,
                                         device->arena_bytes, device->flash_bytes};
    enum md_job_error error = md_job_read(&io, &device->head);
    if (error != MD_JOB_OK)
        return error;
    md_job_setup(&device->head, &device->setup);
    int cores = (int)device->head.cores;
    struct md_team *team = cores > 1 ? device->team(cores) : NULL;
    error = md_job_run(&device->head, &device->setup, team, &memory, &io);
    return flush(&device->trace) != 0 && error == MD_JOB_OK ? MD_JOB_NO_OUTPUT : error;
}
