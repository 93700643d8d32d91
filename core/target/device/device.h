/* What the microcontroller targets share: which operators there are, and doing one job. The rest
 * (start, input and output, cores) is the target's own: rv32.c, ../gap9. */
#ifndef MD_CORE_TARGET_DEVICE_H
#define MD_CORE_TARGET_DEVICE_H

#include "../../job.h"

enum { MD_STREAM_BYTES = 2048 };

/* Bytes of the arena: of GAP9's 1.5 MB of L2, and of programs that need not fit a chip; and of the
 * flash beside it. */
#define MD_GAP9_ARENA_BYTES  (1200 << 10)
#define MD_GAP9_FLASH_BYTES  (1 << 20)
#define MD_LARGE_ARENA_BYTES (64 << 20)
#define MD_LARGE_FLASH_BYTES (16 << 20)

/* A buffered file: of the job, or of its trace. */
struct md_stream {
    /* Moves up to `count` bytes from the target's file to `bytes`, or the other way: how many, or
     * <= 0 at the end and on failure. */
    long (*transfer)(struct md_stream *stream, unsigned char *bytes, size_t count);
    void *file; /* the target's */
    size_t used, filled;
    unsigned char bytes[MD_STREAM_BYTES];
};

struct md_device {
    struct md_stream job, trace;
    struct md_team *(*team)(int cores); /* NULL when there are not so many; not asked for one */
    void *arena;
    size_t arena_bytes;
    struct md_flash flash; /* for parameters that do not learn, with MD_FLASH */

    /* At work. Large, and the cluster's stacks are not. */
    struct md_job head;
    struct md_setup setup;
    struct md_engine engine;
};

/* Reads the job, does it in the arena, and writes its trace to the end. */
enum md_job_error md_device_work(struct md_device *device);

#endif
