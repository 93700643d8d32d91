/* The GAP9 target: core on the cluster's eight workers. A job is read from the file JOB on the
 * workstation (the SDK's host file system), and its trace written to the file TRACE there; both can
 * be renamed by -D. The arena is in L2; moving tiles to L1 is left to the
 * SDK and its caches. What a plan has in flash is in the RAM beside the chip, since it comes anew
 * with each job: in a product, which has it once for all, the same copies come from flash. */
#include <pmsis.h>

#include <stdint.h>

#include <bsp/bsp.h>
#include <bsp/fs/hostfs.h>
#include <bsp/ram.h>

#include "../device/device.h"

#ifndef JOB
#define JOB "job.bin"
#endif
#ifndef TRACE
#define TRACE "trace.bin"
#endif
#ifndef ARENA_BYTES
#define ARENA_BYTES MD_GAP9_ARENA_BYTES
#endif
#ifndef FLASH_BYTES
#define FLASH_BYTES MD_GAP9_FLASH_BYTES
#endif

enum { WORKERS = 8, STACK_BYTES = 6 << 10 };

static PI_L2 unsigned char arena[ARENA_BYTES] __attribute__((aligned(64)));

/* ---- input and output ------------------------------------------------------------------------ */

static struct pi_device file_system;

/* Asked of the fabric controller by whichever core has come so far. */
static long read_job(struct md_stream *stream, unsigned char *bytes, size_t count) {
    pi_cl_fs_req_t request;
    pi_cl_fs_read(stream->file, bytes, count, &request);
    return pi_cl_fs_wait(&request);
}

static long write_trace(struct md_stream *stream, unsigned char *bytes, size_t count) {
    pi_cl_fs_req_t request;
    pi_cl_fs_write(stream->file, bytes, count, &request);
    return pi_cl_fs_wait(&request);
}

/* ---- memory beside the chip ------------------------------------------------------------------ */

static struct pi_device ram;
static uint32_t ram_address;

static void read_ram(const struct md_flash *flash, size_t offset, void *to, size_t bytes) {
    pi_cl_ram_req_t request;
    (void)flash;
    pi_cl_ram_read(&ram, ram_address + (uint32_t)offset, to, (uint32_t)bytes, &request);
    pi_cl_ram_read_wait(&request);
}

static void write_ram(const struct md_flash *flash, size_t offset, const void *from, size_t bytes) {
    pi_cl_ram_req_t request;
    (void)flash;
    pi_cl_ram_write(&ram, ram_address + (uint32_t)offset, (void *)(uintptr_t)from, (uint32_t)bytes,
                    &request);
    pi_cl_ram_write_wait(&request);
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

static PI_L2 struct md_device device = {.job.transfer = read_job,
                                        .trace.transfer = write_trace,
                                        .team = team_of,
                                        .arena = arena,
                                        .arena_bytes = sizeof arena,
                                        .flash = {.read = read_ram, .write = write_ram}};

static void on_cluster(void *argument) {
    enum md_job_error *error = argument;
    *error = md_device_work(&device);
}

static int open_files(void) {
    static struct pi_hostfs_conf conf;
    pi_hostfs_conf_init(&conf);
    pi_open_from_conf(&file_system, &conf);
    if (pi_fs_mount(&file_system) != 0)
        return -1;
    device.job.file = pi_fs_open(&file_system, JOB, PI_FS_FLAGS_READ);
    device.trace.file = pi_fs_open(&file_system, TRACE, PI_FS_FLAGS_WRITE);
    return device.job.file != NULL && device.trace.file != NULL ? 0 : -1;
}

/* A board without it does the jobs that want no flash. */
static void open_ram(void) {
    static struct pi_default_ram_conf conf;
    pi_default_ram_conf_init(&conf);
    pi_open_from_conf(&ram, &conf);
    if (pi_ram_open(&ram) == 0 && pi_ram_alloc(&ram, &ram_address, FLASH_BYTES) == 0)
        device.flash.bytes = FLASH_BYTES;
}

static int work_on_cluster(enum md_job_error *error) {
    static struct pi_device cluster_device;
    static struct pi_cluster_conf conf;
    static struct pi_cluster_task task;
    pi_cluster_conf_init(&conf);
    pi_open_from_conf(&cluster_device, &conf);
    if (pi_cluster_open(&cluster_device) != 0)
        return -1;
    pi_cluster_task(&task, on_cluster, error);
    task.stack_size = task.slave_stack_size = STACK_BYTES;
    pi_cluster_send_task_to_cl(&cluster_device, &task);
    pi_cluster_close(&cluster_device);
    return 0;
}

static void program(void) {
    static enum md_job_error error;
    if (open_files() != 0) {
        printf("cannot open %s and %s\n", JOB, TRACE);
        pmsis_exit(MD_JOB_CUT);
    }
    open_ram();
    if (work_on_cluster(&error) != 0) {
        printf("cannot open the cluster\n");
        pmsis_exit(MD_JOB_NO_CORES);
    }
    pi_fs_close(device.job.file);
    pi_fs_close(device.trace.file);
    if (error != MD_JOB_OK)
        printf("%s\n", md_job_error_texts[error]);
    pmsis_exit(error);
}

int main(void) {
    return pmsis_kickoff((void *)(uintptr_t)program);
}
