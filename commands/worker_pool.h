/* Worker processes: copies of this one (fork), each of which does one job and ends. What they share
 * with the parent is a struct md_worker_state each. A worker whose parent has ended, in whatever
 * way, is asked to stop as if the parent had done so. */
#ifndef MD_COMMANDS_WORKER_POOL_H
#define MD_COMMANDS_WORKER_POOL_H

#include <sys/types.h>

#include "command.h"

/* Shared memory, written by the worker and read by the parent, but for `stop` and `parent`. Reads
 * are not synchronised: progress may be half new and half old, which is good enough to be
 * displayed. */
struct md_worker_state {
    volatile int stop; /* the parent asks for an early end */
    pid_t parent;
    struct md_run_progress progress;
    struct md_error error; /* why it failed */
};

/* Whether a worker is to end early; the worker calls it often. */
int md_worker_stops(const struct md_worker_state *state);

struct md_pool {
    size_t size, busy;
    struct md_worker_state *states; /* one per worker, shared */
    pid_t *pids;                    /* 0: free */
    size_t *jobs;
};

/* Makes a pool of `size` workers, none of them started; after MD_OK md_pool_close must follow. */
int md_pool_open(size_t size, struct md_pool *pool, struct md_error *error);

/* Has a free worker call work(context, job, state), whose result is the worker's: small and not
 * negative. There must be a free one: pool->busy < pool->size. */
int md_pool_start(struct md_pool *pool, size_t job,
                  int (*work)(void *context, size_t job, struct md_worker_state *state),
                  void *context, struct md_error *error);

/* What came of a job. */
struct md_pool_end {
    size_t job;
    int result;            /* -1: the worker was killed; `error` names the signal */
    struct md_error error; /* what the worker left in its state */
};

/* Waits for a worker to end, at most `seconds` and at most until a signal comes. Returns 1 when one
 * has ended, otherwise 0. */
int md_pool_wait(struct md_pool *pool, double seconds, struct md_pool_end *end);

/* Asks all workers to end early, without waiting for them. */
void md_pool_stop(struct md_pool *pool);

/* Stops the workers, waits for them, and frees everything. */
void md_pool_close(struct md_pool *pool);

#endif
