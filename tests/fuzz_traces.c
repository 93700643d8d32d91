/* libFuzzer: any bytes as a trace, or as a job that is then done. The first byte says how; the rest
 * begins with a head (struct md_job), of which some fields are put right so that the fuzzer comes
 * further. Whatever comes in, the readers may refuse it, with a text; they may not crash, and what
 * a job writes has to be a trace. Build with clang -fsanitize=fuzzer,address,undefined. */
#include <stdlib.h>
#include <string.h>

#include "../compare/trace.h"
#include "../core/target/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = sizeof(struct md_job) };

enum how {
    AS_JOB = 1,       /* otherwise as a trace */
    RIGHT_MAGIC = 2,  /* the head's magic number and level are put right */
    RIGHT_DIGESTS = 4 /* trace: the records' digests too */
};

static void demand(int condition) {
    if (!condition)
        abort();
}

/* ---- traces ---------------------------------------------------------------------------------- */

/* Of rows of a map as the head's network has it, or of one row. */
static uint64_t digest_of(const uint8_t *head, const struct md_record *r, const void *values) {
    struct md_job job;
    int layer, height = 1, width = (int)r->count, channels = 1;
    uint64_t digest = 0;
    memcpy(&job, head, sizeof job);
    if (r->kind < MD_TRACE_WEIGHT_GRADIENT && md_network_check(&job.network, &layer) == NULL &&
        r->layer < (uint32_t)job.network.layer_count) {
        md_layer_size(&job.network, (int)r->layer, &height, &width);
        channels = job.network.layers[r->layer].co;
    }
    size_t rows = r->to > r->from ? r->to - r->from : 0, row = (size_t)width;
    if (rows * row * (size_t)channels != r->count)
        return 0;
    for (size_t i = 0; i < rows * (size_t)channels; i++)
        digest += md_digest((enum md_format)r->format,
                            (const char *)values + i * row * md_format_bytes[r->format],
                            (i / rows * (size_t)height + r->from + i % rows) * row, row);
    return digest;
}

static void right_digests(uint8_t *bytes, size_t size) {
    struct md_record r;
    for (size_t at = HEAD; at + sizeof r <= size; at += sizeof r + r.bytes) {
        memcpy(&r, bytes + at, sizeof r);
        size_t left = size - at - sizeof r;
        if (r.format >= MD_FORMAT_COUNT || r.bytes > left ||
            r.bytes != (uint64_t)r.count * md_format_bytes[r.format])
            return;
        void *values = malloc(r.bytes + 1); /* aligned */
        demand(values != NULL);
        memcpy(values, bytes + at + sizeof r, r.bytes);
        uint64_t digest = digest_of(bytes, &r, values);
        free(values);
        memcpy(bytes + at + offsetof(struct md_record, digest_low), &digest, sizeof digest);
    }
}

/* Reads to the end, or as far as it goes; returns whether it is a whole trace. */
static int read_trace(const void *bytes, size_t size) {
    struct md_trace trace;
    struct md_error error = {.text = ""};
    char text[200];
    FILE *file = fmemopen((void *)(uintptr_t)bytes, size, "rb");
    demand(file != NULL);
    int status = md_trace_open(file, "fuzzed", &trace, &error);
    const struct md_record *r = &trace.record;
    for (int ends = 0; status == MD_OK && !ends; ends = r->kind == MD_TRACE_END) {
        status = md_trace_next(&trace, &error);
        if (status != MD_OK)
            break;
        md_trace_describe(&trace, text, sizeof text);
        demand(r->layer < (uint32_t)trace.job.network.layer_count && r->slot < trace.job.batch);
        demand(r->kind >= MD_TRACE_FINAL_WEIGHTS || r->step < trace.job.steps);
        if (r->bytes > 0)
            md_trace_value(&trace, r->count - 1);
    }
    md_trace_close(&trace);
    fclose(file);
    demand((status != MD_OK) == (error.text[0] != '\0'));
    return status == MD_OK;
}

/* ---- jobs ------------------------------------------------------------------------------------ */

enum { MOST_CORES = 4, SMALL = 16, MOST_ARENA = 4 << 20 };

/* Heads and other small things come from the fuzzed bytes; for pictures, labels and weights these
 * would not last, and are repeated. */
struct source {
    const uint8_t *bytes;
    size_t at, size;
    FILE *trace;
};

static int read_source(void *context, void *to, size_t size) {
    struct source *s = context;
    uint8_t *t = to;
    if (s->size - s->at < (size <= SMALL || size == HEAD ? size : 1))
        return -1;
    for (size_t i = 0; i < size; i++)
        t[i] = s->bytes[s->at + i % (s->size - s->at)];
    s->at += size <= SMALL || size == HEAD ? size : 0;
    return 0;
}

static int write_trace(void *context, const void *from, size_t size) {
    struct source *s = context;
    return fwrite(from, 1, size, s->trace) == size ? 0 : -1;
}

static enum md_job_error do_job(struct source *source) {
    const struct md_io io = {source, read_source, write_trace};
    struct md_job job;
    struct md_setup setup;
    static struct md_engine engine;
    int failed;
    enum md_job_error error = md_job_read(&io, &job);
    if (error != MD_JOB_OK)
        return error;
    struct md_job_memory memory = {.engine = &engine};
    md_job_setup(&job, &setup);
    if (setup.ops == NULL || job.cores > MOST_CORES)
        return md_job_run(&job, &setup, NULL, &memory, &io);
    md_plan_make(&setup, &engine.plan);
    size_t wanted = engine.plan.arena_bytes, flash = engine.plan.frozen_bytes;
    int planned = engine.plan.fault == NULL;
    memory.arena_bytes = wanted < MOST_ARENA ? wanted : MOST_ARENA;
    struct md_team *team = md_host_team_start((int)job.cores, &failed);
    memory.arena = md_host_arena(memory.arena_bytes + 1);
    size_t flash_bytes = flash < MOST_ARENA ? flash : MOST_ARENA;
    memory.flash = md_flash_in(md_host_arena(flash_bytes + 1), flash_bytes);
    demand(!failed && memory.arena != NULL && memory.flash.memory != NULL);
    error = md_job_run(&job, &setup, team, &memory, &io);
    free(memory.arena);
    free(memory.flash.memory);
    md_host_team_stop(team);
    demand((error == MD_JOB_NO_PLAN) == !planned);
    demand((error == MD_JOB_NO_MEMORY) ==
           (planned && (memory.arena_bytes < wanted || flash_bytes < flash)));
    return error;
}

static void fuzz_job(const uint8_t *bytes, size_t size) {
    char *trace = NULL;
    size_t trace_bytes = 0;
    struct source source = {bytes, 0, size, open_memstream(&trace, &trace_bytes)};
    demand(source.trace != NULL);
    enum md_job_error error = do_job(&source);
    demand(fclose(source.trace) == 0);
    if (trace_bytes > 0)
        demand(read_trace(trace, trace_bytes) == (error == MD_JOB_OK));
    else
        demand(error != MD_JOB_OK);
    free(trace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return -1;
    int how = data[0];
    uint8_t *bytes = malloc(size - 1);
    demand(bytes != NULL);
    memcpy(bytes, data + 1, size - 1);
    size--;
    if ((how & RIGHT_MAGIC) != 0 && size >= HEAD) {
        const uint32_t magic = how & AS_JOB ? MD_JOB_MAGIC : MD_TRACE_MAGIC;
        memcpy(bytes, &magic, sizeof magic);
        memset(bytes + offsetof(struct md_job, level), 0, sizeof((struct md_job *)0)->level);
    }
    if ((how & (AS_JOB | RIGHT_DIGESTS)) == RIGHT_DIGESTS && size >= HEAD)
        right_digests(bytes, size);
    if ((how & AS_JOB) != 0)
        fuzz_job(bytes, size);
    else
        read_trace(bytes, size);
    free(bytes);
    return 0;
}
