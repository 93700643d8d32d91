/* Worker processes: copies of this one (fork), each of which does one job and ends. What they share
 * with the parent is a board each. A worker whose parent has ended, in whatever way, is asked to
 * stop as if the parent had done so. */
#ifndef MD_COMMANDS_CREW_H
#define MD_COMMANDS_CREW_H

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
int md_worker_stops(const struct md_worker_state *board);

struct md_crew {
    size_t size, busy;
    struct md_worker_state *boards; /* one per worker, shared */
    pid_t *workers;                 /* 0: free */
    size_t *jobs;
};

int md_crew_open(size_t size, struct md_crew *crew, struct md_error *error);

/* Has a free worker call work(context, job, board), whose result is the worker's: small and not
 * negative. There must be a free one: crew->busy < crew->size. */
int md_crew_start(struct md_crew *crew, size_t job,
                  int (*work)(void *context, size_t job, struct md_worker_state *board),
                  void *context, struct md_error *error);

/* What came of a job. */
struct md_crew_end {
    size_t job;
    int result;            /* -1: the worker was killed, and `error` has by what */
    struct md_error error; /* what the worker left on its board */
};

/* Waits for a worker to end, at most so long and at most until a signal comes; 0: none has. */
int md_crew_wait(struct md_crew *crew, double seconds, struct md_crew_end *end);

void md_crew_stop(struct md_crew *crew);

/* Stops the workers, waits for them, and frees everything. */
void md_crew_close(struct md_crew *crew);

#endif
