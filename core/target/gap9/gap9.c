/* The GAP9 target: core on the cluster's eight workers. A job is read from the file JOB on the
 * workstation (the SDK's host file system), and its trace written to the file TRACE there; both can
 * be renamed by -D. The arena is in L2; moving tiles to L1 is left to the SDK and its caches. */
#include <pmsis.h>

#include <stdint.h>

#include <bsp/bsp.h>
#include <bsp/fs/hostfs.h>

#include "../device/device.h"

#ifndef JOB
#define JOB "job.bin"
#endif
#ifndef TRACE
#define TRACE "trace.bin"
#endif
#ifndef ARENA_BYTES
#define ARENA_BYTES (1200 << 10) /* of 1.5 MB */
#endif

enum { WORKERS = 8, STACK_BYTES = 6 << 10, BUFFER_BYTES = 2048 };

static PI_L2 unsigned char arena[ARENA_BYTES] __attribute__((aligned(64)));

/* ---- input and output ------------------------------------------------------------------------ */

static struct pi_device file_system;
static PI_L2 struct stream {
    pi_fs_file_t *file;
    size_t used, filled;
    unsigned char bytes[BUFFER_BYTES];
} input, output;

/* One transfer, asked of the fabric controller by whichever core has come so far. */
static long transfer(struct stream *stream, int writes, size_t bytes) {
    pi_cl_fs_req_t request;
    if (writes)
        pi_cl_fs_write(stream->file, stream->bytes, bytes, &request);
    else
        pi_cl_fs_read(stream->file, stream->bytes, bytes, &request);
    return pi_cl_fs_wait(&request);
}

static int read_all(void *context, void *to, size_t bytes) {
    unsigned char *t = to;
    (void)context;
    for (; bytes > 0; bytes--) {
        if (input.used == input.filled) {
            long got = transfer(&input, 0, BUFFER_BYTES);
            if (got <= 0)
                return -1;
            input.used = 0;
            input.filled = (size_t)got;
        }
        *t++ = input.bytes[input.used++];
    }
    return 0;
}

static int flush(void) {
    size_t bytes = output.filled;
    output.filled = 0;
    return bytes == 0 || transfer(&output, 1, bytes) == (long)bytes ? 0 : -1;
}

static int write_all(void *context, const void *from, size_t bytes) {
    const unsigned char *f = from;
    (void)context;
    for (; bytes > 0; bytes--) {
        if (output.filled == BUFFER_BYTES && flush() != 0)
            return -1;
        output.bytes[output.filled++] = *f++;
    }
    return 0;
}

/* ---- cores ----------------------------------------------------------------------------------- */

static struct cluster {
    struct md_team team;
    void (*work)(void *argument, int core);
    void *argument;
} cluster;

static void worker(void *argument) {
    const struct cluster *c = argument;
    c->work(c->argument, (int)pi_core_id());
}

static void run(struct md_team *team, void (*work)(void *argument, int core), void *argument) {
    cluster.work = work;
    cluster.argument = argument;
    pi_cl_team_fork(team->cores, worker, &cluster);
}

static void barrier(struct md_team *team) {
    (void)team;
    pi_cl_team_barrier();
}

static struct md_team *team_of(int cores) {
    cluster.team = (struct md_team){cores, run, barrier};
    return cores <= WORKERS ? &cluster.team : NULL;
}

/* ---- the program ----------------------------------------------------------------------------- */

static void on_cluster(void *argument) {
    const struct md_io io = {NULL, read_all, write_all};
    enum md_job_error *error = argument;
    *error = md_device_work(&io, team_of, arena, sizeof arena);
    if (flush() != 0 && *error == MD_JOB_OK)
        *error = MD_JOB_NO_OUTPUT;
}

static int open_files(void) {
    static struct pi_hostfs_conf conf;
    pi_hostfs_conf_init(&conf);
    pi_open_from_conf(&file_system, &conf);
    if (pi_fs_mount(&file_system) != 0)
        return -1;
    input.file = pi_fs_open(&file_system, JOB, PI_FS_FLAGS_READ);
    output.file = pi_fs_open(&file_system, TRACE, PI_FS_FLAGS_WRITE);
    return input.file != NULL && output.file != NULL ? 0 : -1;
}

static int work_on_cluster(enum md_job_error *error) {
    static struct pi_device device;
    static struct pi_cluster_conf conf;
    static struct pi_cluster_task task;
    pi_cluster_conf_init(&conf);
    pi_open_from_conf(&device, &conf);
    if (pi_cluster_open(&device) != 0)
        return -1;
    pi_cluster_task(&task, on_cluster, error);
    task.stack_size = task.slave_stack_size = STACK_BYTES;
    pi_cluster_send_task_to_cl(&device, &task);
    pi_cluster_close(&device);
    return 0;
}

static void program(void) {
    static enum md_job_error error;
    if (open_files() != 0) {
        printf("cannot open %s and %s\n", JOB, TRACE);
        pmsis_exit(MD_JOB_CUT);
    }
    if (work_on_cluster(&error) != 0) {
        printf("cannot open the cluster\n");
        pmsis_exit(MD_JOB_NO_CORES);
    }
    pi_fs_close(input.file);
    pi_fs_close(output.file);
    if (error != MD_JOB_OK)
        printf("%s\n", md_job_error_texts[error]);
    pmsis_exit(error);
}

int main(void) {
    return pmsis_kickoff((void *)(uintptr_t)program);
}
