/* make bench: how fast a training step is (berHu, Adam, upydnet), in six tables: milliseconds
 * beside OpenBLAS (im2col) and, when python3-torch is installed, PyTorch; every number format
 * beside fp32; plans of less memory beside the fastest; every kind of operator; and how fast
 * samples are read beside it. What is compared takes turns, ROUNDS times, since the machine's speed
 * drifts, and medians are shown; shares are of the multiply-adds a core can do at all, measured
 * first. Nothing fails for being slow. */
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../core/target/host.h"
#include "../datasets/cache.h"
#include "../datasets/micro.h"
#include "operators.h"
#include "rounds.h"
#include "specs.h"

enum { ROUNDS = 5, MAX_BATCH = 16, PIXELS = 48 * 48, PEER_SECONDS = 100 };

/* ---- ours ------------------------------------------------------------------------------------ */

struct ours {
    struct md_engine engine;
    void *arena;
};

/* Uniform, of a variance that keeps the size of activations and errors from layer to layer (He et
 * al., ICCV 2015); biases 0. So small that they vanish, 16-bit ones are not typical of training,
 * and how fast their steps are depends on that. */
static void draw_weights(const struct md_network *network, float *weights) {
    struct md_parameter p;
    srand(1);
    for (int i = 0; md_parameter(network, i, &p) == 0; i++) {
        int transposed = p.dimensions == 4 && p.shape[2] == 2; /* one tap a channel */
        size_t inputs = transposed ? (size_t)p.shape[0] : p.count / (size_t)p.shape[0];
        float bound = p.dimensions == 1 ? 0.0f : sqrtf(6.0f / (float)inputs);
        for (size_t k = 0; k < p.count; k++)
            *weights++ = bound * (2.0f * (float)rand() / (float)RAND_MAX - 1.0f);
    }
    weights[-1] = 10.0f; /* the last bias: the disparity predicted at first */
}

/* What a step uses up: put in again before each. */
static void put_samples(struct ours *ours, int batch) {
    static uint8_t picture[3 * PIXELS];
    static float label[PIXELS];
    srand(2);
    for (int s = 0; s < batch; s++) {
        for (int p = 0; p < 3 * PIXELS; p++)
            picture[p] = (uint8_t)(rand() >> 8);
        for (int p = 0; p < PIXELS; p++)
            label[p] = p / 48 % 3 == 0 ? -1.0f : 20.0f + 20.0f * (float)rand() / (float)RAND_MAX;
        md_engine_set_picture(&ours->engine, s, picture);
        md_engine_set_label(&ours->engine, s, label);
    }
}

static int start_plan(struct ours *ours, const struct md_ops *ops, md_policy policy, int batch,
                      int threads, unsigned savings, int band) {
    int failed;
    struct md_setup setup = {.network = md_networks[0],
                             .ops = ops,
                             .policy = policy,
                             .optimizer = MD_ADAM,
                             .batch = batch,
                             .cores = threads,
                             .savings = savings,
                             .band = band};
    md_plan_make(&setup, &ours->engine.plan);
    size_t bytes = ours->engine.plan.arena_bytes;
    struct md_team *team = md_host_team_start(threads, &failed);
    ours->arena = md_host_arena(bytes);
    size_t total = md_parameter_total(setup.network);
    float *weights = malloc(total * sizeof *weights);
    if (failed || ours->arena == NULL || weights == NULL)
        return -1;
    md_engine_start(&ours->engine, &setup, team, ours->arena, bytes);
    ours->engine.loss = MD_BERHU;
    ours->engine.update = (struct md_update){
        .learning_rate = 1e-6f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-7f};
    draw_weights(setup.network, weights);
    md_engine_set_weights(&ours->engine, weights);
    free(weights);
    return 0;
}

static int start(struct ours *ours, const struct md_ops *ops, md_policy policy, int batch,
                 int threads) {
    return start_plan(ours, ops, policy, batch, threads, MD_SAVINGS_FAST, 0);
}

/* The fastest of some steps: the others were disturbed. */
static double milliseconds(struct ours *ours, int batch, int steps) {
    static const float fb[MAX_BATCH] = {0}; /* berhu does not use it */
    struct md_loss_report report;
    double best = 1e9;
    for (int i = 0; i < steps; i++) {
        put_samples(ours, batch);
        double began = now();
        md_engine_train(&ours->engine, batch, fb, &report);
        double took = now() - began;
        best = took < best ? took : best;
    }
    return 1e3 * best;
}

/* As many steps as take a tenth of a second, at least 3, after some to warm up. */
static int enough_steps(struct ours *ours, int batch) {
    milliseconds(ours, batch, 1);
    double steps = 100.0 / milliseconds(ours, batch, 1);
    return steps < 3.0 ? 3 : steps > 100.0 ? 100 : (int)steps;
}

static void stop(struct ours *ours) {
    md_host_team_stop(ours->engine.team);
    free(ours->arena);
}

/* ---- what the core can do -------------------------------------------------------------------- */

#if defined(__x86_64__)
/* Twelve fused steps that need not wait for each other, in registers only. */
/* clang-format off */
#define FMA(r, i) "vfmadd231ps %%" r "15, %%" r "14, %%" r i "\n\t"
#define TWELVE(r)                                                                                  \
    FMA(r, "0") FMA(r, "1") FMA(r, "2") FMA(r, "3") FMA(r, "4") FMA(r, "5")                        \
    FMA(r, "6") FMA(r, "7") FMA(r, "8") FMA(r, "9") FMA(r, "10") FMA(r, "11")
/* clang-format on */
#define REPEAT(r)                                                                                  \
    __asm__ volatile("vzeroall\n1:\n\t" TWELVE(r) "dec %0\n\tjnz 1b\n\tvzeroupper"                 \
                     : "+r"(count)                                                                 \
                     :                                                                             \
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",       \
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15")

/* Fused steps of binary32 per nanosecond with this level's vectors; 0 where it has none. */
static double peak_of(const char *level) {
    double best = 0.0;
    int lanes = strcmp(level, "avx512") == 0 ? 16 : strcmp(level, "avx2") == 0 ? 8 : 0;
    for (int i = 0; i < 100 && lanes > 0; i++) {
        long count = 20000;
        double began = now(), steps = 12.0 * lanes * (double)count;
        if (lanes == 16)
            REPEAT("zmm");
        else
            REPEAT("ymm");
        double rate = 1e-9 * steps / (now() - began);
        best = rate > best ? rate : best;
    }
    return best;
}
#else
static double peak_of(const char *level) {
    (void)level;
    return 0.0;
}
#endif

/* ---- PyTorch, at the other end of a pipe ----------------------------------------------------- */

struct peer {
    FILE *to, *from; /* NULL when there is no PyTorch, or no more */
    pid_t child;
};

static void drop_peer(struct peer *peer) {
    if (peer->to != NULL)
        fclose(peer->to);
    if (peer->from != NULL)
        fclose(peer->from);
    peer->to = peer->from = NULL;
}

/* One line of what it says; 0 when it has ended. */
static int hear_peer(struct peer *peer, char *line, int size) {
    if (peer->from != NULL && fgets(line, size, peer->from) != NULL)
        return 1;
    drop_peer(peer);
    return 0;
}

/* Starts tests/bench_torch.py. No other child may inherit our ends of its pipes, or it would never
 * see them closed; and whatever happens, its time is limited. */
static struct peer start_peer(int threads) {
    struct peer peer = {NULL, NULL, -1};
    int in[2], out[2];
    char line[64], number[8];
    if (pipe(in) != 0 || pipe(out) != 0)
        return peer;
    fcntl(in[1], F_SETFD, FD_CLOEXEC);
    fcntl(out[0], F_SETFD, FD_CLOEXEC);
    snprintf(number, sizeof number, "%d", threads);
    peer.child = fork();
    if (peer.child == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[0]);
        close(out[1]);
        setenv("OMP_NUM_THREADS", number, 1);
        setenv("OPENBLAS_NUM_THREADS", number, 1);
        signal(SIGPIPE, SIG_DFL);
        alarm(PEER_SECONDS);
        if (freopen("/dev/null", "w", stderr) != NULL) /* Debian's own: another may come first */
            execl("/usr/bin/python3", "python3", "tests/bench_torch.py", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    peer.to = fdopen(in[1], "w");
    peer.from = fdopen(out[0], "r");
    hear_peer(&peer, line, sizeof line);
    return peer;
}

static double ask_peer(struct peer *peer, const char *policy, int batch, int steps) {
    char line[64];
    if (peer->to == NULL)
        return 0.0;
    fprintf(peer->to, "%s %d %d\n", policy, batch, steps);
    fflush(peer->to);
    return hear_peer(peer, line, sizeof line) ? atof(line) : 0.0;
}

static void stop_peer(struct peer *peer) {
    drop_peer(peer);
    if (peer->child > 0) {
        kill(peer->child, SIGTERM);
        waitpid(peer->child, NULL, 0);
    }
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* A number, or a line where there is none. */
static void print_or_line(const char *form, int width, double value) {
    if (value > 0.0)
        printf(form, width, value);
    else
        printf(" %*s", width, "-");
}

/* One policy and batch: with one thread, and with two. */
static int bench_fp32(const char *name, int batch, double peak, struct peer torch[2]) {
    double alone = 0.0;
    for (int threads = 1; threads <= 2; threads++) {
        double times[3][ROUNDS], ratio[ROUNDS];
        md_policy policy;
        struct ours exact, blas;
        md_policy_parse(md_networks[0], name, &policy);
        if (start(&exact, md_ops_find(MD_FP32, ""), policy, batch, threads) != 0 ||
            start(&blas, md_ops_find(MD_FP32, "blas"), policy, batch, threads) != 0)
            return -1;
        int steps = enough_steps(&exact, batch);
        enough_steps(&blas, batch);
        for (int r = 0; r < ROUNDS; r++) {
            times[0][r] = milliseconds(&exact, batch, steps);
            times[1][r] = milliseconds(&blas, batch, steps);
            times[2][r] = ask_peer(&torch[threads - 1], name, batch, steps);
            ratio[r] = times[2][r] / times[0][r];
        }
        stop(&exact);
        stop(&blas);
        double ours = median(times[0], ROUNDS), theirs = median(times[2], ROUNDS);
        double rate = 1e-6 * (double)md_step_macs(md_networks[0], policy) * batch / ours;
        int whole = torch[threads - 1].to != NULL; /* it answered in every round */
        alone = threads == 1 ? ours : alone;
        printf("%-6s %5d %7d %9.2f %8.1f", name, batch, threads, ours, rate);
        print_or_line(" %*.0f%%", 6, peak > 0.0 ? 100.0 * rate / (peak * threads) : 0.0);
        print_or_line(" %*.2f", 9, threads == 2 ? alone / ours : 0.0);
        printf(" %9.2f", median(times[1], ROUNDS));
        print_or_line(" %*.2f", 9, whole ? theirs : 0.0);
        print_or_line(" %*.2f", 13, whole ? median(ratio, ROUNDS) : 0.0);
        printf("\n");
        fflush(stdout);
    }
    return 0;
}

/* Every format's step, batch 1, one thread, beside the one of fp32. *trained: samples per second in
 * fp32, full. */
static int bench_formats(double *trained) {
    static const char *const policies[] = {"full", "d0"};
    double times[2][MD_FORMAT_COUNT], ratio[2][MD_FORMAT_COUNT];
    for (int p = 0; p < 2; p++) {
        struct ours ours[MD_FORMAT_COUNT];
        double rounds[MD_FORMAT_COUNT][ROUNDS], to_fp32[MD_FORMAT_COUNT][ROUNDS];
        int steps[MD_FORMAT_COUNT];
        md_policy policy;
        md_policy_parse(md_networks[0], policies[p], &policy);
        for (int f = 0; f < MD_FORMAT_COUNT; f++) {
            if (start(&ours[f], md_ops_find((enum md_format)f, ""), policy, 1, 1) != 0)
                return -1;
            steps[f] = enough_steps(&ours[f], 1);
        }
        for (int r = 0; r < ROUNDS; r++)
            for (int f = 0; f < MD_FORMAT_COUNT; f++) {
                rounds[f][r] = milliseconds(&ours[f], 1, steps[f]);
                to_fp32[f][r] = rounds[f][r] / rounds[MD_FP32][r];
            }
        for (int f = 0; f < MD_FORMAT_COUNT; f++) {
            times[p][f] = median(rounds[f], ROUNDS);
            ratio[p][f] = median(to_fp32[f], ROUNDS);
            stop(&ours[f]);
        }
    }
    printf("%-6s %9s %9s %9s %9s\n", "format", "full", "to fp32", "d0", "to fp32");
    for (int f = 0; f < MD_FORMAT_COUNT; f++)
        printf("%-6s %9.2f %9.2f %9.2f %9.2f\n", md_format_names[f], times[0][f], ratio[0][f],
               times[1][f], ratio[1][f]);
    *trained = 1e3 / times[0][MD_FP32];
    return 0;
}

/* The fastest plan and those that stream, in bands of some rows and of one, the leanest: time, and
 * the bytes of the host's arena. (On a device: mudepth plan.) */
static int bench_plans(void) {
    static const struct {
        const char *name;
        unsigned savings;
        int band;
    } plans[] = {{"fast", MD_SAVINGS_FAST, 0},
                 {"lean, band 8", MD_SAVINGS_LEAN, 8},
                 {"lean, band 2", MD_SAVINGS_LEAN, 2},
                 {"lean, band 1", MD_SAVINGS_LEAN, 1}};
    static const char *const policies[] = {"full", "d0"};
    static const enum md_format formats[] = {MD_FP32, MD_BF16, MD_FP16};
    enum { PLANS = LENGTH(plans) };
    printf("%-6s %-6s %-14s %9s %9s %9s\n", "policy", "format", "plan", "kB", "ms", "to fast");
    for (int p = 0; p < 2; p++)
        for (size_t f = 0; f < LENGTH(formats); f++) {
            static struct ours ours[PLANS];
            double times[PLANS][ROUNDS], ratios[PLANS][ROUNDS];
            int steps[PLANS];
            md_policy policy;
            md_policy_parse(md_networks[0], policies[p], &policy);
            for (int n = 0; n < PLANS; n++) {
                if (start_plan(&ours[n], md_ops_find(formats[f], ""), policy, 1, 1,
                               plans[n].savings, plans[n].band) != 0)
                    return -1;
                steps[n] = enough_steps(&ours[n], 1);
            }
            for (int r = 0; r < ROUNDS; r++)
                for (int n = 0; n < PLANS; n++) {
                    times[n][r] = milliseconds(&ours[n], 1, steps[n]);
                    ratios[n][r] = times[n][r] / times[0][r];
                }
            for (int n = 0; n < PLANS; n++) {
                printf("%-6s %-6s %-14s %9.0f %9.2f %9.2f\n", policies[p],
                       md_format_names[formats[f]], plans[n].name,
                       1e-3 * (double)ours[n].engine.plan.arena_bytes, median(times[n], ROUNDS),
                       median(ratios[n], ROUNDS));
                stop(&ours[n]);
            }
            fflush(stdout);
        }
    return 0;
}

/* ---- operators ------------------------------------------------------------------------------- */

/* n numbers as large as such operands are, without zeros. */
static void *operand(const struct md_ops *ops, size_t n, float size) {
    float *values = malloc((n + 1) * sizeof *values);
    void *operand = malloc((n + 1) * md_format_bytes[ops->format]);
    if (values == NULL || operand == NULL)
        abort();
    for (size_t i = 0; i < n; i++)
        values[i] = size * ((float)(rand() % 1999) - 999.0f + 0.5f) / 1000.0f;
    ops->from_float(n, values, operand);
    free(values);
    return operand;
}

/* The time of all calls of an operator in the network, and their multiply-adds. */
struct tally {
    const struct md_ops *ops;
    double seconds[LENGTH(operators)], macs[LENGTH(operators)];
};

static void time_call(const struct call *call, void *context) {
    static const float sizes[3][OPERANDS] = {[FORWARD] = {1.0f, 0.2f, 0.1f},
                                             [WEIGHT_GRADIENT] = {1.0f, 0.01f, 0.0f},
                                             [INPUT_GRADIENT] = {0.01f, 0.2f, 0.0f}};
    struct tally *tally = context;
    void *in[OPERANDS], *results[RESULTS], *scratch;
    double best = 1e9;
    for (int i = 0; i < OPERANDS; i++)
        in[i] = operand(tally->ops, operand_count(call, i), sizes[call->op->direction][i]);
    for (int i = 0; i < RESULTS; i++)
        results[i] = operand(tally->ops, result_count(call, i), 0.01f);
    scratch = md_host_arena(scratch_for(tally->ops, call, y_height(call)));
    for (int i = 0; i < 5; i++) {
        double began = now();
        make_call(tally->ops, call, in, results, scratch, (struct md_part){0, 1});
        double took = now() - began;
        best = took < best ? took : best;
    }
    double pixels = (double)y_pixels(call) / (call->op->transposed ? 4.0 : 1.0);
    double share = call->op->direction == INPUT_GRADIENT
                       ? (double)(call->last - call->first) / call->shape.ci
                       : 1.0;
    tally->seconds[call->op - operators] += best;
    tally->macs[call->op - operators] += share * pixels * (double)weight_count(call);
    for (int i = 0; i < OPERANDS; i++)
        free(in[i]);
    for (int i = 0; i < RESULTS; i++)
        free(results[i]);
    free(scratch);
}

/* Millions of parameters updated per second. */
static double update_rate(const struct md_ops *ops, int adam) {
    enum { COUNT = 1 << 15 };
    const struct md_update update = {.learning_rate = 1e-6f,
                                     .momentum = 0.9f,
                                     .beta1 = 0.9f,
                                     .beta2 = 0.999f,
                                     .epsilon = 1e-7f,
                                     .correction1 = 0.1f,
                                     .correction2 = 0.001f};
    void *gradient = operand(ops, COUNT, 0.01f), *weight = operand(ops, COUNT, 0.2f);
    const struct md_kept kept = {.first = operand(ops, COUNT, 0.0f),
                                 .second = operand(ops, COUNT, 0.0f)};
    double best = 1e9;
    for (int i = 0; i < 20; i++) {
        double began = now();
        (adam ? ops->adam : ops->sgd)(COUNT, &update, gradient, &kept, weight);
        double took = now() - began;
        best = took < best ? took : best;
    }
    free(gradient);
    free(kept.first);
    free(kept.second);
    free(weight);
    return 1e-6 * COUNT / best;
}

static void bench_operators(void) {
    printf("%-6s", "format");
    for (size_t o = 0; o < LENGTH(operators); o++)
        printf(" %*s", (int)strlen(operators[o].name), operators[o].name);
    printf(" %9s %9s\n", "SGD M/s", "Adam M/s");
    for (int f = 0; f < MD_FORMAT_COUNT; f++) {
        struct tally tally = {md_ops_find((enum md_format)f, ""), {0.0}, {0.0}};
        each_layer_call(md_networks[0], 48, 48, time_call, &tally);
        printf("%-6s", md_format_names[f]);
        for (size_t o = 0; o < LENGTH(operators); o++)
            printf(" %*.1f", (int)strlen(operators[o].name),
                   1e-9 * tally.macs[o] / tally.seconds[o]);
        printf(" %9.0f %9.0f\n", update_rate(tally.ops, 0), update_rate(tally.ops, 1));
        fflush(stdout);
    }
}

/* ---- samples --------------------------------------------------------------------------------- */

/* Samples per second of a set: best of three readings. Negative: it is not there. */
static double reading_rate(const struct md_data_spec *spec) {
    double best = -1.0;
    for (int i = 0; i < 3; i++) {
        struct md_dataset data;
        struct md_error error;
        double began = now();
        if (md_dataset_open(spec, 48, 48, NULL, &data, &error) != MD_OK)
            return -1.0;
        double rate = (double)data.count / (now() - began);
        best = rate > best ? rate : best;
        md_dataset_close(&data);
    }
    return best;
}

/* Reads `spec` as it is and from a cache in `folder`. */
static void bench_set(const char *name, const struct md_data_spec *spec, const char *folder) {
    struct md_data_spec cached = default_spec();
    struct md_dataset data;
    struct md_error error;
    double rate = reading_rate(spec);
    if (rate < 0.0 || md_dataset_open(spec, 48, 48, NULL, &data, &error) != MD_OK) {
        printf("%-44s (not there)\n", name);
        return;
    }
    int status = md_cache_write(&data, folder, "cached", &error);
    md_dataset_close(&data);
    strcpy(cached.set, "cache");
    strcpy(cached.split, "cached");
    snprintf(cached.root, sizeof cached.root, "%s", folder);
    printf("%-44s %10.0f %10.0f\n", name, rate, status == MD_OK ? reading_rate(&cached) : -1.0);
    fflush(stdout);
}

static struct md_data_spec spec_of(const char *set, const char *root, const char *split) {
    struct md_data_spec spec = default_spec();
    snprintf(spec.set, sizeof spec.set, "%s", set);
    snprintf(spec.root, sizeof spec.root, "%s", root);
    snprintf(spec.split, sizeof spec.split, "%s", split);
    spec.max_depth_m = 0;
    return spec;
}

/* One set of each kind: rays, small files, field pictures, full-size PNG. */
static int bench_samples(void) {
    const char *shared = getenv("MUDEPTH_SHARED") ? getenv("MUDEPTH_SHARED") : "../shared";
    char folder[] = "/tmp/mudepth-bench.XXXXXX", flights[900], kitti[900];
    struct md_data_spec synthetic = spec_of("synthetic", "", "train");
    struct md_dataset data;
    struct md_error error;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(flights, sizeof flights, "%s/data/tof/Matrix_ToF_Drones", shared);
    snprintf(kitti, sizeof kitti, "%s/data/kitti/raw", shared);
    int status = md_dataset_open(&synthetic, 48, 48, NULL, &data, &error);
    if (status == MD_OK)
        status = md_micro_write(&data, folder, "train", NULL, &error);
    md_dataset_close(&data);
    printf("%-44s %10s %10s\n", "set", "read", "cached");
    if (status == MD_OK) {
        const struct {
            const char *name;
            struct md_data_spec spec;
        } sets[] = {{"synthetic field (ray-cast, 8x8 zones)", synthetic},
                    {"micro (48x48 PNG, .npy)", spec_of("micro", folder, "train")},
                    {"Matrix flights (324x244 JPEG), ../shared", spec_of("matrix", flights, "all")},
                    {"KITTI (1242x375 PNG), ../shared", spec_of("kitti", kitti, "all")}};
        for (size_t i = 0; i < LENGTH(sets); i++)
            bench_set(sets[i].name, &sets[i].spec, folder);
    }
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) | status;
}

int main(void) {
    static const char *const policies[] = {"full", "d0"};
    const struct md_ops *ops = md_ops_find(MD_FP32, "");
    signal(SIGPIPE, SIG_IGN);
    if (ops == NULL)
        return 2;
    struct peer torch[2] = {start_peer(1), start_peer(2)};
    double peak = peak_of(ops->level);
    printf("upydnet, berHu, Adam; operators: %s", ops->level);
    if (peak > 0.0)
        printf("; a core's peak with it: %.1f GMAC/s", peak);
    printf("\n\nmilliseconds per training step, fp32\n");
    if (torch[0].to == NULL)
        printf("(no PyTorch here: apt-get install python3-torch puts it beside)\n");
    printf("%-6s %5s %7s %9s %8s %7s %9s %9s %9s %13s\n", "policy", "batch", "threads", "exact",
           "GMAC/s", "of peak", "2 thr / 1", "blas", "PyTorch", "PyTorch/exact");
    int failed = 0;
    for (int p = 0; p < 2; p++)
        for (int batch = 1; batch <= MAX_BATCH; batch *= MAX_BATCH)
            failed |= bench_fp32(policies[p], batch, peak, torch);
    stop_peer(&torch[0]);
    stop_peer(&torch[1]);
    printf("\nmilliseconds per training step, batch 1, one thread\n");
    double trained = 0.0;
    failed |= bench_formats(&trained);
    printf("\nplans of less memory (Adam, batch 1, one thread)\n");
    failed |= bench_plans();
    printf("\nGMAC/s per kind of operator, over the network's layers, one thread\n");
    bench_operators();
    printf("\nsamples per second, to be seen beside the %.0f that a full step of batch 1 trains\n",
           trained);
    failed |= bench_samples();
    return failed != 0;
}
