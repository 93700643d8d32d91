/* Worker processes: copies of this one (fork), each of which does one job and ends. What they share
 * with the parent is a struct md_worker_state each. A worker whose parent has ended, in whatever
 * way, is asked to stop as if the parent had done so. */
#ifndef MD_COMMANDS_WORKER_POOL_H
#define MD_COMMANDS_WORKER_POOL_H

#include <sys/types.h>

#include "command.h"

/* Written by the worker and read by the parent, but for `stop` and `parent`. What is read while the
 * worker writes may be of two moments: enough to be looked at, and no more. */
struct md_worker_state {
    volatile int stop; /* the parent asks for an early end */
    pid_t parent;
    struct md_run_progress progress;
    struct md_error error; /* why it failed */
};

/* Whether a worker is to end early: to be asked often. */
int md_worker_stops(const struct md_worker_state *state);

struct md_pool {
    size_t size, busy;
    struct md_worker_state *states; /* one per worker, shared */
    pid_t *pids;                    /* 0: free */
    size_t *jobs;
};

int md_pool_open(size_t size, struct md_pool *pool, struct md_error *error);

/* Has a free worker call work(context, job, state), whose result is the worker's: small and not
 * negative. There must be a free one: pool->busy < pool->size. */
int md_pool_start(struct md_pool *pool, size_t job,
                  int (*work)(void *context, size_t job, struct md_worker_state *state),
                  void *context, struct md_error *error);

/* What came of a job. */
struct md_pool_end {
    size_t job;
    int result;            /* -1: the worker was killed, and `error` has by what */
    struct md_error error; /* what the worker left in its state */
};

/* Waits for a worker to end, at most so long and at most until a signal comes; 0: none has. */
int md_pool_wait(struct md_pool *pool, double seconds, struct md_pool_end *end);

void md_pool_stop(struct md_pool *pool);

/* Stops the workers, waits for them, and frees everything. */
void md_pool_close(struct md_pool *pool);

#endif
