#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "worker_pool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int md_worker_stops(const struct md_worker_state *state) {
    return state->stop || getppid() != state->parent;
}

/* Ends of workers are waited for with sigtimedwait: the signal must be blocked, not ignored. */
static void watch_children(int how) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaction(SIGCHLD, &action, NULL);
    sigprocmask(how, &set, NULL);
}

int md_pool_open(size_t size, struct md_pool *pool, struct md_error *error) {
    *pool = (struct md_pool){.size = size};
    void *states = mmap(NULL, size * sizeof *pool->states, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pool->states = states != MAP_FAILED ? states : NULL;
    pool->pids = calloc(size, sizeof *pool->pids);
    pool->jobs = calloc(size, sizeof *pool->jobs);
    if (pool->states == NULL || pool->pids == NULL || pool->jobs == NULL) {
        md_pool_close(pool);
        return md_fail(error, MD_FAILED, "out of memory for %zu workers", size);
    }
    watch_children(SIG_BLOCK);
    return MD_OK;
}

int md_pool_start(struct md_pool *pool, size_t job,
                  int (*work)(void *context, size_t job, struct md_worker_state *state),
                  void *context, struct md_error *error) {
    size_t w = 0;
    while (pool->pids[w] != 0)
        w++;
    struct md_worker_state *state = &pool->states[w];
    memset(state, 0, sizeof *state);
    state->parent = getpid();
    fflush(NULL); /* or the worker would have it too */
    pid_t child = fork();
    if (child < 0)
        return md_fail(error, MD_FAILED, "cannot start a worker process: %s", strerror(errno));
    if (child == 0) {
        watch_children(SIG_UNBLOCK);
        _exit(work(context, job, state));
    }
    pool->pids[w] = child;
    pool->jobs[w] = job;
    pool->busy++;
    return MD_OK;
}

/* Takes the end of one worker, if there is one. */
static int collect(struct md_pool *pool, struct md_pool_end *end) {
    for (size_t w = 0; w < pool->size; w++) {
        int status;
        if (pool->pids[w] == 0 || waitpid(pool->pids[w], &status, WNOHANG) == 0)
            continue;
        end->job = pool->jobs[w];
        end->result = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        end->error = pool->states[w].error;
        if (end->result < 0)
            md_error_set(&end->error, "the worker was ended by signal %d (%s)", WTERMSIG(status),
                         strsignal(WTERMSIG(status)));
        else if (end->error.text[0] == '\0')
            md_error_set(&end->error, "the worker ended with exit code %d", end->result);
        pool->pids[w] = 0;
        pool->busy--;
        return 1;
    }
    return 0;
}

int md_pool_wait(struct md_pool *pool, double seconds, struct md_pool_end *end) {
    struct timespec time = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    if (collect(pool, end))
        return 1;
    sigtimedwait(&set, NULL, &time);
    return collect(pool, end);
}

void md_pool_stop(struct md_pool *pool) {
    for (size_t w = 0; w < pool->size; w++)
        pool->states[w].stop = 1;
}

void md_pool_close(struct md_pool *pool) {
    struct md_pool_end end;
    if (pool->states != NULL) {
        md_pool_stop(pool);
        while (pool->busy > 0)
            md_pool_wait(pool, 1.0, &end);
        munmap(pool->states, pool->size * sizeof *pool->states);
    }
    free(pool->pids);
    free(pool->jobs);
    *pool = (struct md_pool){.size = 0};
    watch_children(SIG_UNBLOCK);
}
