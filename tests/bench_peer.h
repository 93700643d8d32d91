/* For the benchmark: PyTorch's step, at the other end of a pipe (bench_torch.py). */
#ifndef MD_TESTS_BENCH_PEER_H
#define MD_TESTS_BENCH_PEER_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_SECONDS = 60 };

/* to and from are NULL when there is no PyTorch, or no more. */
struct peer {
    FILE *to, *from;
    pid_t child;
};

static inline void stop_peer(struct peer *peer) {
    if (peer->to == NULL)
        return;
    fclose(peer->to);
    fclose(peer->from);
    peer->to = peer->from = NULL;
    kill(peer->child, SIGTERM);
    waitpid(peer->child, NULL, 0);
}

/* The next line of what it says; 0, and it is stopped, when it has ended or takes too long. */
static inline int hear_peer(struct peer *peer, char *line, int size) {
    struct pollfd answer = {.fd = fileno(peer->from), .events = POLLIN};
    if (poll(&answer, 1, 1000 * ANSWER_SECONDS) == 1 && fgets(line, size, peer->from) != NULL)
        return 1;
    stop_peer(peer);
    return 0;
}

/* The system's Python has Debian's python3-torch, whatever comes first in PATH and whatever its
 * variables say (-E); if it has not, the one in PATH may. */
static char *const pythons[][4] = {{"/usr/bin/python3", "-E", "tests/bench_torch.py", NULL},
                                   {"python3", "tests/bench_torch.py", NULL}};

/* PyTorch as well is held to the level that is measured, where its libraries can be told. */
static const struct holding {
    const char *level, *name, *value;
} holdings[] = {{"avx2", "ATEN_CPU_CAPABILITY", "avx2"},
                {"avx2", "ONEDNN_MAX_CPU_ISA", "AVX2"},
                {"avx2", "OPENBLAS_CORETYPE", "Haswell"}};

static inline void become_peer(char *const *python, const char *level, const char *threads) {
    setenv("OMP_NUM_THREADS", threads, 1);
    setenv("OPENBLAS_NUM_THREADS", threads, 1);
    for (size_t i = 0; i < sizeof holdings / sizeof holdings[0]; i++)
        if (strcmp(holdings[i].level, level) == 0)
            setenv(holdings[i].name, holdings[i].value, 1);
    signal(SIGPIPE, SIG_DFL);
    if (freopen("/dev/null", "w", stderr) != NULL)
        execvp(python[0], python);
    _exit(127);
}

/* No other child may inherit our ends of the pipes, or this one would never see them closed. */
static inline struct peer start_peer(const char *level, int threads) {
    struct peer peer = {NULL, NULL, -1};
    char line[64], number[8];
    snprintf(number, sizeof number, "%d", threads);
    for (size_t i = 0; i < sizeof pythons / sizeof pythons[0] && peer.to == NULL; i++) {
        int in[2], out[2];
        if (pipe(in) != 0 || pipe(out) != 0)
            abort();
        fcntl(in[1], F_SETFD, FD_CLOEXEC);
        fcntl(out[0], F_SETFD, FD_CLOEXEC);
        peer.child = fork();
        if (peer.child == 0) {
            dup2(in[0], STDIN_FILENO);
            dup2(out[1], STDOUT_FILENO);
            close(in[0]);
            close(out[1]);
            become_peer(pythons[i], level, number);
        }
        close(in[0]);
        close(out[1]);
        peer.to = fdopen(in[1], "w");
        peer.from = fdopen(out[0], "r");
        hear_peer(&peer, line, sizeof line); /* "ready" */
    }
    return peer;
}

struct question {
    struct peer *peer;
    const char *policy;
    int batch;
    double seconds; /* to spend on it */
};

/* Milliseconds of a step; 0 when there is no answer. */
static inline double ask_peer(void *context) {
    const struct question *question = context;
    char line[64];
    if (question->peer->to == NULL)
        return 0.0;
    fprintf(question->peer->to, "%s %d %g\n", question->policy, question->batch, question->seconds);
    fflush(question->peer->to);
    return hear_peer(question->peer, line, sizeof line) ? atof(line) : 0.0;
}

#endif
