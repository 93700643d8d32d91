#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "crew.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int md_worker_stops(const struct md_worker_state *board) {
    return board->stop || getppid() != board->parent;
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

int md_crew_open(size_t size, struct md_crew *crew, struct md_error *error) {
    *crew = (struct md_crew){.size = size};
    void *boards = mmap(NULL, size * sizeof *crew->boards, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    crew->boards = boards != MAP_FAILED ? boards : NULL;
    crew->workers = calloc(size, sizeof *crew->workers);
    crew->jobs = calloc(size, sizeof *crew->jobs);
    if (crew->boards == NULL || crew->workers == NULL || crew->jobs == NULL) {
        md_crew_close(crew);
        return md_fail(error, MD_FAILED, "out of memory for %zu workers", size);
    }
    watch_children(SIG_BLOCK);
    return MD_OK;
}

int md_crew_start(struct md_crew *crew, size_t job,
                  int (*work)(void *context, size_t job, struct md_worker_state *board),
                  void *context, struct md_error *error) {
    size_t w = 0;
    while (crew->workers[w] != 0)
        w++;
    struct md_worker_state *board = &crew->boards[w];
    memset(board, 0, sizeof *board);
    board->parent = getpid();
    fflush(NULL); /* or the worker would have it too */
    pid_t child = fork();
    if (child < 0)
        return md_fail(error, MD_FAILED, "cannot start a worker process: %s", strerror(errno));
    if (child == 0) {
        watch_children(SIG_UNBLOCK);
        _exit(work(context, job, board));
    }
    crew->workers[w] = child;
    crew->jobs[w] = job;
    crew->busy++;
    return MD_OK;
}

/* Takes the end of one worker, if there is one. */
static int collect(struct md_crew *crew, struct md_crew_end *end) {
    for (size_t w = 0; w < crew->size; w++) {
        int status;
        if (crew->workers[w] == 0 || waitpid(crew->workers[w], &status, WNOHANG) == 0)
            continue;
        end->job = crew->jobs[w];
        end->result = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        end->error = crew->boards[w].error;
        if (end->result < 0)
            md_error_set(&end->error, "the worker was ended by signal %d (%s)", WTERMSIG(status),
                         strsignal(WTERMSIG(status)));
        else if (end->error.text[0] == '\0')
            md_error_set(&end->error, "the worker ended with exit code %d", end->result);
        crew->workers[w] = 0;
        crew->busy--;
        return 1;
    }
    return 0;
}

int md_crew_wait(struct md_crew *crew, double seconds, struct md_crew_end *end) {
    struct timespec time = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    if (collect(crew, end))
        return 1;
    sigtimedwait(&set, NULL, &time);
    return collect(crew, end);
}

void md_crew_stop(struct md_crew *crew) {
    for (size_t w = 0; w < crew->size; w++)
        crew->boards[w].stop = 1;
}

void md_crew_close(struct md_crew *crew) {
    struct md_crew_end end;
    if (crew->boards != NULL) {
        md_crew_stop(crew);
        while (crew->busy > 0)
            md_crew_wait(crew, 1.0, &end);
        munmap(crew->boards, crew->size * sizeof *crew->boards);
    }
    free(crew->workers);
    free(crew->jobs);
    *crew = (struct md_crew){.size = 0};
    watch_children(SIG_UNBLOCK);
}
