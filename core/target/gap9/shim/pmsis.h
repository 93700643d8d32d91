/* As much of the GAP SDK's pmsis interface as gap9.c uses, for this machine: the cluster's workers
 * are threads, the host file system's two files standard input and output. It lets the target be
 * compiled and run where there is no SDK; names and signatures are the SDK's. */
#ifndef MD_GAP9_SHIM_PMSIS_H
#define MD_GAP9_SHIM_PMSIS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PI_L2
#define PI_FS_FLAGS_READ  0
#define PI_FS_FLAGS_WRITE 1

struct pi_device {
    int unused;
};
struct pi_cluster_conf {
    int id;
};
struct pi_hostfs_conf {
    int unused;
};
struct pi_default_ram_conf {
    int unused;
};
struct pi_cluster_task {
    void (*entry)(void *argument);
    void *arg;
    uint32_t stack_size, slave_stack_size;
};
typedef struct pi_fs_file_s {
    int descriptor;
} pi_fs_file_t;
typedef struct {
    long result;
} pi_cl_fs_req_t;
typedef struct {
    void *to;
    const void *from;
    uint32_t size;
} pi_cl_ram_req_t;

int pmsis_kickoff(void *entry);
void pmsis_exit(int code) __attribute__((noreturn));
void pi_open_from_conf(struct pi_device *device, void *conf);

void pi_cluster_conf_init(struct pi_cluster_conf *conf);
int pi_cluster_open(struct pi_device *cluster);
int pi_cluster_close(struct pi_device *cluster);
struct pi_cluster_task *pi_cluster_task(struct pi_cluster_task *task, void (*entry)(void *argument),
                                        void *argument);
int pi_cluster_send_task_to_cl(struct pi_device *cluster, struct pi_cluster_task *task);

void pi_cl_team_fork(int cores, void (*entry)(void *argument), void *argument);
void pi_cl_team_barrier(void);
uint32_t pi_core_id(void);

void pi_hostfs_conf_init(struct pi_hostfs_conf *conf);
int32_t pi_fs_mount(struct pi_device *file_system);
pi_fs_file_t *pi_fs_open(struct pi_device *file_system, const char *name, int flags);
void pi_fs_close(pi_fs_file_t *file);
void pi_cl_fs_read(pi_fs_file_t *file, void *buffer, uint32_t size, pi_cl_fs_req_t *request);
void pi_cl_fs_write(pi_fs_file_t *file, void *buffer, uint32_t size, pi_cl_fs_req_t *request);
int32_t pi_cl_fs_wait(pi_cl_fs_req_t *request);

void pi_default_ram_conf_init(struct pi_default_ram_conf *conf);
int pi_ram_open(struct pi_device *ram);
int pi_ram_alloc(struct pi_device *ram, uint32_t *address, uint32_t size);
void pi_cl_ram_read(struct pi_device *ram, uint32_t address, void *to, uint32_t size,
                    pi_cl_ram_req_t *request);
void pi_cl_ram_write(struct pi_device *ram, uint32_t address, void *from, uint32_t size,
                     pi_cl_ram_req_t *request);
void pi_cl_ram_read_wait(pi_cl_ram_req_t *request);
void pi_cl_ram_write_wait(pi_cl_ram_req_t *request);

#endif
