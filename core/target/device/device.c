#include "device.h"

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
    const struct md_job_memory memory = {&device->engine, device->arena, device->arena_bytes,
                                         device->flash};
    enum md_job_error error = md_job_read(&io, &device->head);
    if (error != MD_JOB_OK)
        return error;
    md_job_setup(&device->head, &device->setup);
    int cores = (int)device->head.cores;
    struct md_team *team = cores > 1 ? device->team(cores) : NULL;
    error = md_job_run(&device->head, &device->setup, team, &memory, &io);
    return flush(&device->trace) != 0 && error == MD_JOB_OK ? MD_JOB_NO_OUTPUT : error;
}
