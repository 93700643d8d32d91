#include "pmsis.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_CORES = 8 };

static _Thread_local uint32_t this_core;
static pthread_barrier_t team_barrier;

static struct fork {
    void (*entry)(void *argument);
    void *argument;
} forked;

static void *core_main(void *core) {
    this_core = (uint32_t)(uintptr_t)core;
    forked.entry(forked.argument);
    return NULL;
}

static void check(int failed) {
    if (failed) {
        fprintf(stderr, "no threads\n");
        exit(EXIT_FAILURE);
    }
}

void pi_cl_team_fork(int cores, void (*entry)(void *argument), void *argument) {
    pthread_t threads[MOST_CORES];
    forked = (struct fork){entry, argument};
    check(cores < 1 || cores > MOST_CORES ||
          pthread_barrier_init(&team_barrier, NULL, (unsigned)cores) != 0);
    for (int core = 0; core < cores; core++)
        check(pthread_create(&threads[core], NULL, core_main, (void *)(uintptr_t)core) != 0);
    for (int core = 0; core < cores; core++)
        pthread_join(threads[core], NULL);
    pthread_barrier_destroy(&team_barrier);
}

void pi_cl_team_barrier(void) {
    pthread_barrier_wait(&team_barrier);
}

uint32_t pi_core_id(void) {
    return this_core;
}

int pmsis_kickoff(void *entry) {
    ((void (*)(void))(uintptr_t)entry)();
    return 0;
}

void pmsis_exit(int code) {
    exit(code);
}

void pi_open_from_conf(struct pi_device *device, void *conf) {
    (void)device;
    (void)conf;
}

void pi_cluster_conf_init(struct pi_cluster_conf *conf) {
    conf->id = 0;
}

int pi_cluster_open(struct pi_device *cluster) {
    (void)cluster;
    return 0;
}

int pi_cluster_close(struct pi_device *cluster) {
    (void)cluster;
    return 0;
}

struct pi_cluster_task *pi_cluster_task(struct pi_cluster_task *task, void (*entry)(void *argument),
                                        void *argument) {
    *task = (struct pi_cluster_task){entry, argument, 0, 0};
    return task;
}

int pi_cluster_send_task_to_cl(struct pi_device *cluster, struct pi_cluster_task *task) {
    (void)cluster;
    task->entry(task->arg);
    return 0;
}

void pi_hostfs_conf_init(struct pi_hostfs_conf *conf) {
    conf->unused = 0;
}

int32_t pi_fs_mount(struct pi_device *file_system) {
    (void)file_system;
    return 0;
}

pi_fs_file_t *pi_fs_open(struct pi_device *file_system, const char *name, int flags) {
    static pi_fs_file_t files[2] = {{STDIN_FILENO}, {STDOUT_FILENO}};
    (void)file_system;
    (void)name;
    return &files[flags == PI_FS_FLAGS_WRITE];
}

void pi_fs_close(pi_fs_file_t *file) {
    close(file->descriptor);
}

void pi_cl_fs_read(pi_fs_file_t *file, void *buffer, uint32_t size, pi_cl_fs_req_t *request) {
    request->result = read(file->descriptor, buffer, size);
}

void pi_cl_fs_write(pi_fs_file_t *file, void *buffer, uint32_t size, pi_cl_fs_req_t *request) {
    long done = 0, put = 1;
    while (put > 0 && done < (long)size) {
        put = write(file->descriptor, (char *)buffer + done, size - (size_t)done);
        done += put > 0 ? put : 0;
    }
    request->result = done;
}

int32_t pi_cl_fs_wait(pi_cl_fs_req_t *request) {
    return (int32_t)request->result;
}

/* The RAM beside the chip has addresses of its own, not from 0 on, and copies when waited for. */

enum { RAM_BEGIN = 0x100000 };

static unsigned char *ram_memory;

void pi_default_ram_conf_init(struct pi_default_ram_conf *conf) {
    conf->unused = 0;
}

int pi_ram_open(struct pi_device *ram) {
    (void)ram;
    return 0;
}

int pi_ram_alloc(struct pi_device *ram, uint32_t *address, uint32_t size) {
    (void)ram;
    *address = RAM_BEGIN;
    ram_memory = calloc(1, size);
    return ram_memory != NULL ? 0 : -1;
}

void pi_cl_ram_read(struct pi_device *ram, uint32_t address, void *to, uint32_t size,
                    pi_cl_ram_req_t *request) {
    (void)ram;
    *request = (pi_cl_ram_req_t){to, ram_memory + (address - RAM_BEGIN), size};
}

void pi_cl_ram_write(struct pi_device *ram, uint32_t address, void *from, uint32_t size,
                     pi_cl_ram_req_t *request) {
    (void)ram;
    *request = (pi_cl_ram_req_t){ram_memory + (address - RAM_BEGIN), from, size};
}

void pi_cl_ram_read_wait(pi_cl_ram_req_t *request) {
    memcpy(request->to, request->from, request->size);
}

void pi_cl_ram_write_wait(pi_cl_ram_req_t *request) {
    memcpy(request->to, request->from, request->size);
}
