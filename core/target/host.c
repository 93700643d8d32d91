#include "host.h"

#if defined(MD_VECTOR_LEVELS)
#include <cpuid.h>
#endif
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- which operators ------------------------------------------------------------------------- */

static int runs_everywhere(void) {
    return 1;
}

#if defined(MD_VECTOR_LEVELS)
static int runs_avx2(void) {
    unsigned a, b, c = 0, d; /* not every compiler's __builtin_cpu_supports knows F16C */
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0 &&
           __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
static int runs_avx512(void) {
    return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

/* One row per level and format, from the slowest to the fastest; `blas` is last and is only taken
 * when asked for. A row without plain loops of its own stands on the best row before it. */
#if defined(MD_VECTOR_LEVELS)
#define ROWS(format, id)                                                                           \
    {"ref", &md_ops_ref_##format, NULL, runs_everywhere, id},                                      \
        {"scalar", &md_ops_ref_##format, &md_lanes_scalar_##format, runs_everywhere, id},          \
        {"avx2", &md_ops_avx2_##format, &md_lanes_avx2_##format, runs_avx2, id}, {                 \
        "avx512", &md_ops_avx512_##format, &md_lanes_avx512_##format, runs_avx512, id              \
    }
#else
#define ROWS(format, id)                                                                           \
    {"ref", &md_ops_ref_##format, NULL, runs_everywhere, id}, {                                    \
        "scalar", &md_ops_ref_##format, &md_lanes_scalar_##format, runs_everywhere, id             \
    }
#endif
static const struct level {
    const char *name;
    const struct md_ops *plain;
    const struct md_ops *twins;
    int (*runs)(void);
    enum md_format format;
} levels[] = {
    ROWS(fp32, MD_FP32),
    ROWS(fp64, MD_FP64),
    ROWS(fp16, MD_FP16),
    ROWS(bf16, MD_BF16),
    ROWS(fp16w, MD_FP16W),
    ROWS(bf16w, MD_BF16W),
    {"blas", NULL, &md_blas_fp32, md_blas_start, MD_FP32},
};
enum { LEVELS = sizeof levels / sizeof levels[0] };

/* The dispatch table, and which of its rows can run here. */
static struct md_ops tables[LEVELS];
static int runs_here[LEVELS];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

/* The fastest exact table of row i's format, among the rows before it. */
static const struct md_ops *best_before(int i) {
    const struct md_ops *best = &tables[0];
    for (int j = 0; j < i; j++)
        if (levels[j].format == levels[i].format && runs_here[j])
            best = &tables[j];
    return best;
}

static void fill_tables(void) {
    for (int i = 0; i < LEVELS; i++) {
        runs_here[i] = levels[i].runs();
        tables[i] = md_ops_overlaid(levels[i].name,
                                    levels[i].plain != NULL ? levels[i].plain : best_before(i),
                                    levels[i].twins);
    }
}

const char *md_host_level(void) {
    const char *level = getenv("MUDEPTH_CPU");
    return level != NULL ? level : "";
}

const struct md_ops *md_ops_find(enum md_format format, const char *level) {
    const struct md_ops *found = NULL;
    int asked = level != NULL && level[0] != '\0';
    if (!asked)
        level = md_host_level();
    pthread_once(&tables_once, fill_tables);
    for (int i = 0; i < LEVELS; i++)
        if (levels[i].format == format && runs_here[i] && (asked || levels[i].plain != NULL) &&
            (level[0] == '\0' || strcmp(levels[i].name, level) == 0))
            found = &tables[i];
    return found;
}

int md_ops_levels(enum md_format format, const char *names[8]) {
    int count = 0;
    pthread_once(&tables_once, fill_tables);
    for (int i = 0; i < LEVELS && count < 7; i++)
        if (levels[i].format == format && runs_here[i])
            names[count++] = levels[i].name;
    names[count] = NULL;
    return count;
}

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
