/* make bench: milliseconds per training step (berHu, Adam), ours beside OpenBLAS (im2col) and, when
 * python3-torch is installed, PyTorch, all in this run: they take turns, ROUNDS times, and the
 * medians are compared, since the machine's speed drifts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../core/target/host.h"

enum { ROUNDS = 7, MAX_BATCH = 16, PIXELS = 48 * 48 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- ours ------------------------------------------------------------------------------------ */

struct ours {
    struct md_engine engine;
    void *arena;
};

static int start(struct ours *ours, const char *level, md_policy policy, int batch, int threads) {
    int failed;
    struct md_setup setup = {
        md_networks[0], md_ops_find(MD_FP32, level), policy, MD_ADAM, 0, batch, .cores = threads};
    struct md_plan plan;
    md_plan_make(&setup, &plan);
    struct md_team *team = md_host_team_start(threads, &failed);
    ours->arena = md_host_arena(plan.arena_bytes);
    size_t total = md_parameter_total(setup.network);
    float *weights = malloc(total * sizeof *weights);
    if (failed || ours->arena == NULL || weights == NULL)
        return -1;
    md_engine_start(&ours->engine, &setup, team, ours->arena, plan.arena_bytes);
    ours->engine.loss = MD_BERHU;
    ours->engine.update = (struct md_update){
        .learning_rate = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-7f};
    srand(1);
    for (size_t i = 0; i < total; i++)
        weights[i] = 0.1f * ((float)rand() / (float)RAND_MAX - 0.5f);
    weights[total - 1] = 10.0f;
    md_engine_set_weights(&ours->engine, weights);
    free(weights);
    for (int s = 0; s < batch; s++) {
        static uint8_t picture[3 * PIXELS];
        static float label[PIXELS];
        for (int p = 0; p < 3 * PIXELS; p++)
            picture[p] = (uint8_t)(rand() >> 8);
        for (int p = 0; p < PIXELS; p++)
            label[p] = p / 48 % 3 == 0 ? -1.0f : 20.0f + 20.0f * (float)rand() / (float)RAND_MAX;
        md_engine_set_picture(&ours->engine, s, picture);
        md_engine_set_label(&ours->engine, s, label);
    }
    return 0;
}

static double milliseconds(struct ours *ours, int batch, int steps) {
    static const float fb[MAX_BATCH] = {0}; /* berhu does not use it */
    struct md_loss_report report;
    md_engine_train(&ours->engine, batch, fb, &report);
    double began = now();
    for (int i = 0; i < steps; i++)
        md_engine_train(&ours->engine, batch, fb, &report);
    return 1e3 * (now() - began) / steps;
}

static void stop(struct ours *ours) {
    md_host_team_stop(ours->engine.team);
    free(ours->arena);
}

/* ---- PyTorch, at the other end of a pipe ----------------------------------------------------- */

struct peer {
    FILE *to, *from;
    pid_t child;
};

/* Starts tests/bench_torch.py; to = NULL when there is no PyTorch. */
static struct peer start_peer(int threads) {
    struct peer peer = {NULL, NULL, 0};
    int in[2], out[2];
    char line[64], number[8];
    if (pipe(in) != 0 || pipe(out) != 0)
        return peer;
    snprintf(number, sizeof number, "%d", threads);
    peer.child = fork();
    if (peer.child == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[1]);
        close(out[0]);
        setenv("OMP_NUM_THREADS", number, 1);
        setenv("OPENBLAS_NUM_THREADS", number, 1);
        if (freopen("/dev/null", "w", stderr) != NULL) /* Debian's own: another may come first */
            execl("/usr/bin/python3", "python3", "tests/bench_torch.py", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    peer.to = fdopen(in[1], "w");
    peer.from = fdopen(out[0], "r");
    if (peer.child < 0 || fgets(line, sizeof line, peer.from) == NULL) {
        fclose(peer.to);
        fclose(peer.from);
        peer.to = NULL;
    }
    return peer;
}

static double ask_peer(const struct peer *peer, const char *policy, int batch, int steps) {
    char line[64];
    if (peer->to == NULL)
        return 0.0;
    fprintf(peer->to, "%s %d %d\n", policy, batch, steps);
    fflush(peer->to);
    return fgets(line, sizeof line, peer->from) != NULL ? atof(line) : 0.0;
}

static void stop_peer(struct peer *peer) {
    if (peer->to != NULL) {
        fclose(peer->to);
        fclose(peer->from);
    }
    waitpid(peer->child, NULL, 0);
}

/* ---- the table ------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double values[ROUNDS]) {
    qsort(values, ROUNDS, sizeof *values, ascending);
    return values[ROUNDS / 2];
}

static int bench_row(const char *name, int batch, int threads, const struct peer *torch) {
    double times[3][ROUNDS], ratio[ROUNDS];
    md_policy policy;
    struct ours exact, blas;
    int steps = batch == 1 ? 60 : 5;
    md_policy_parse(name, &policy);
    if (start(&exact, "", policy, batch, threads) != 0 ||
        start(&blas, "blas", policy, batch, threads) != 0)
        return -1;
    for (int r = 0; r < ROUNDS; r++) {
        times[0][r] = milliseconds(&exact, batch, steps);
        times[1][r] = milliseconds(&blas, batch, steps);
        times[2][r] = ask_peer(torch, name, batch, steps);
        ratio[r] = times[2][r] / times[0][r];
    }
    stop(&exact);
    stop(&blas);
    double ours = median(times[0]);
    double gmacs = 1e-6 * (double)md_step_macs(md_networks[0], policy) * batch / ours;
    printf("%-6s %5d %7d  %9.2f %8.1f %10.2f", name, batch, threads, ours, gmacs, median(times[1]));
    if (torch->to != NULL)
        printf(" %10.2f %12.2f\n", median(times[2]), median(ratio));
    else
        printf(" %10s %12s\n", "-", "-");
    fflush(stdout);
    return 0;
}

int main(void) {
    static const char *const policies[] = {"full", "d0"};
    struct peer torch[2] = {start_peer(1), start_peer(2)};
    printf("milliseconds per training step, fp32, berHu, Adam; medians of %d rounds; exact = %s\n",
           ROUNDS, md_ops_find(MD_FP32, "")->level);
    if (torch[0].to == NULL)
        printf("(no PyTorch here: apt-get install python3-torch puts it beside)\n");
    printf("%-6s %5s %7s  %9s %8s %10s %10s %12s\n", "policy", "batch", "threads", "exact",
           "GMAC/s", "blas", "PyTorch", "PyTorch/exact");
    int failed = 0;
    for (int p = 0; p < 2; p++)
        for (int batch = 1; batch <= MAX_BATCH; batch *= MAX_BATCH)
            for (int threads = 1; threads <= 2; threads++)
                failed |= bench_row(policies[p], batch, threads, &torch[threads - 1]);
    stop_peer(&torch[0]);
    stop_peer(&torch[1]);
    return failed != 0;
}
