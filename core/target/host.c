#include "host.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

/* ---- cores ----------------------------------------------------------------------------------- */

/* Threads meet by spinning for a while, since a step meets every few microseconds, and then by
 * giving the processor away, since there may be fewer processors than threads. */
enum { SPINS = 2000 };

struct host_team {
    struct md_team team;
    pthread_t threads[MD_HOST_MAX_CORES];
    struct seat {
        struct host_team *host;
        int core;
    } seats[MD_HOST_MAX_CORES];
    atomic_int arrived;                     /* at the barrier */
    atomic_uint round;                      /* of the barrier */
    void (*work)(void *argument, int core); /* NULL: stop */
    void *argument;
    pthread_mutex_t lock; /* the threads sleep on `start` between runs */
    pthread_cond_t start;
    unsigned runs;
};

static void wait_for_change(atomic_uint *value, unsigned old) {
    for (int spins = 0; atomic_load_explicit(value, memory_order_acquire) == old;)
        if (++spins > SPINS)
            sched_yield();
}

static void barrier(struct md_team *team) {
    struct host_team *host = (struct host_team *)team;
    unsigned round = atomic_load(&host->round);
    if (atomic_fetch_add(&host->arrived, 1) + 1 == team->cores) {
        atomic_store(&host->arrived, 0);
        atomic_fetch_add(&host->round, 1);
    } else {
        wait_for_change(&host->round, round);
    }
}

static void *thread_main(void *argument) {
    const struct seat *seat = argument;
    struct host_team *host = seat->host;
    for (unsigned seen = 0;; seen++) {
        pthread_mutex_lock(&host->lock);
        while (host->runs == seen)
            pthread_cond_wait(&host->start, &host->lock);
        void (*work)(void *, int) = host->work;
        pthread_mutex_unlock(&host->lock);
        if (work == NULL)
            return NULL;
        work(host->argument, seat->core);
        barrier(&host->team);
    }
}

static void wake(struct host_team *host, void (*work)(void *, int), void *argument) {
    pthread_mutex_lock(&host->lock);
    host->work = work;
    host->argument = argument;
    host->runs++;
    pthread_cond_broadcast(&host->start);
    pthread_mutex_unlock(&host->lock);
}

static void run(struct md_team *team, void (*work)(void *argument, int core), void *argument) {
    wake((struct host_team *)team, work, argument);
    work(argument, 0);
    barrier(team);
}

struct md_team *md_host_team_start(int cores, int *failed) {
    *failed = 0;
    if (cores == 1)
        return NULL;
    struct host_team *host = calloc(1, sizeof *host);
    *failed = host == NULL || cores < 1 || cores > MD_HOST_MAX_CORES;
    if (*failed) {
        free(host);
        return NULL;
    }
    host->team = (struct md_team){1, run, barrier};
    pthread_mutex_init(&host->lock, NULL);
    pthread_cond_init(&host->start, NULL);
    for (int core = 1; core < cores; core++) {
        host->seats[core] = (struct seat){host, core};
        if (pthread_create(&host->threads[core], NULL, thread_main, &host->seats[core]) != 0) {
            *failed = 1;
            md_host_team_stop(&host->team);
            return NULL;
        }
        host->team.cores = core + 1;
    }
    return &host->team;
}

void md_host_team_stop(struct md_team *team) {
    struct host_team *host = (struct host_team *)team;
    if (host == NULL)
        return;
    wake(host, NULL, NULL);
    for (int core = 1; core < team->cores; core++)
        pthread_join(host->threads[core], NULL);
    pthread_cond_destroy(&host->start);
    pthread_mutex_destroy(&host->lock);
    free(host);
}

void *md_host_arena(size_t bytes) {
    void *arena = NULL;
    return posix_memalign(&arena, 64, bytes > 0 ? bytes : 64) == 0 ? arena : NULL;
}
