#include "device.h"

/* Without fp64: it is no device format. */
static const struct {
    const struct md_ops *plain;
    void (*overlay)(struct md_ops *ops);
} formats[MD_FORMAT_COUNT] = {[MD_FP32] = {&md_ops_ref_fp32, md_lanes_scalar_fp32},
                              [MD_FP16] = {&md_ops_ref_fp16, md_lanes_scalar_fp16},
                              [MD_BF16] = {&md_ops_ref_bf16, md_lanes_scalar_bf16},
                              [MD_FP16W] = {&md_ops_ref_fp16w, md_lanes_scalar_fp16w},
                              [MD_BF16W] = {&md_ops_ref_bf16w, md_lanes_scalar_bf16w}};

static struct md_ops fast; /* the dispatch table: a program does one job */

const struct md_ops *md_ops_find(enum md_format format, const char *level) {
    if (formats[format].plain == NULL)
        return NULL;
    if (level != NULL && level[0] == 'r') /* "ref" */
        return formats[format].plain;
    fast = *formats[format].plain;
    fast.level = "scalar";
    formats[format].overlay(&fast);
    return &fast;
}

enum md_job_error md_device_work(const struct md_io *io, struct md_team *(*team)(int cores),
                                 void *arena, size_t arena_bytes) {
    struct md_job job;
    struct md_setup setup;
    enum md_job_error error = md_job_read(io, &job);
    if (error != MD_JOB_OK)
        return error;
    md_job_setup(&job, "", &setup);
    struct md_team *cores = job.cores > 1 ? team((int)job.cores) : NULL;
    return md_job_run(&job, &setup, cores, arena, arena_bytes, io);
}
