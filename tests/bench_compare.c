/* make bench-compare: whether training became faster or slower since another commit.
 *
 * Both programs make the same runs, since configs are what stays when the library changes: one that
 * trains, and the same without an epoch, whose time (reading, evaluation) is subtracted. Time is
 * the processor's, of one thread: it does not grow by what else the machine does. Old and new take
 * turns in pairs, the order changes from pair to pair, and of the ratios the median is shown, with
 * the lowest and highest. Whether both learned the same to the bit is shown too.
 *
 * usage: bench_compare OLD NEW [KEY=VALUE ...] (two programs; keys of a config for all runs) */
#define _DEFAULT_SOURCE /* wait4 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rounds.h"

enum { PAIRS = 7, SAMPLES = 8, MOST_WORDS = 40 };

static const char config[] = "weights: scratch\nthreads: 1\n"
                             "data: {set: synthetic, count: 8, val: ''}\n";

/* Overrides of the config; epochs are of SAMPLES samples (an old program
 * may not have all keys, then the row says so). */
static const struct row {
    const char *keys[5];
    int epochs;
} rows[] = {
    {{"policy=full", "format=fp32", "batch=1"}, 12},
    {{"policy=d0", "format=fp32", "batch=1"}, 20},
    {{"policy=full", "format=fp32", "batch=8"}, 12},
    {{"policy=full", "format=bf16", "batch=1"}, 6},
    {{"policy=full", "format=fp16", "batch=1", "optimizer=sgd"}, 4},
    {{"policy=full", "format=fp32", "batch=1", "plan=lean"}, 12},
    {{"policy=full", "format=bf16", "batch=1", "plan=lean"}, 6},
};

/* What is compared: a program, and the digest of what it learned in its last run. */
struct side {
    char *program;
    char digest[80];
};

/* A run with `overrides`, ended by NULL: processor seconds, negative when it failed. */
static double seconds_of(struct side *side, char *const *overrides, const char *folder,
                         int epochs) {
    char path[64], cell[64], said[64], count[32], line[200];
    char *words[MOST_WORDS] = {side->program, "run", path, count, "-o", cell};
    struct rusage usage;
    int status = -1, n = 6;
    snprintf(path, sizeof path, "%s/config.yaml", folder);
    snprintf(cell, sizeof cell, "%s/cell.h5", folder);
    snprintf(said, sizeof said, "%s/said", folder);
    snprintf(count, sizeof count, "epochs=%d", epochs);
    while (*overrides != NULL && n < MOST_WORDS - 1)
        words[n++] = *overrides++;
    unlink(cell);
    pid_t child = fork();
    if (child == 0) {
        dup2(open(said, O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
        dup2(open("/dev/null", O_WRONLY), 2);
        execv(side->program, words);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child || status != 0)
        return -1.0;
    FILE *file = fopen(said, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        sscanf(line, "run digest: %79s", side->digest);
    if (file != NULL)
        fclose(file);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Milliseconds to train a sample; negative when a run failed. */
static double training_ms(struct side *side, char *const *overrides, const char *folder,
                          int epochs) {
    double idle = seconds_of(side, overrides, folder, 0);
    double whole = idle < 0.0 ? -1.0 : seconds_of(side, overrides, folder, epochs);
    return whole < 0.0 ? -1.0 : 1e3 * (whole - idle) / (epochs * SAMPLES);
}

static void compare(struct side sides[2], const struct row *row, char *const *more,
                    const char *folder) {
    char *overrides[MOST_WORDS], name[80] = "";
    double ms[2][PAIRS], ratios[PAIRS];
    int n = 0;
    for (int i = 0; row->keys[i] != NULL; i++) {
        overrides[n++] = (char *)row->keys[i];
        snprintf(name + strlen(name), sizeof name - strlen(name), "%s ", row->keys[i]);
    }
    for (; *more != NULL && n < MOST_WORDS - 8; more++)
        overrides[n++] = *more;
    overrides[n] = NULL;
    printf("%-46s", name);
    fflush(stdout);
    for (int r = 0; r < PAIRS; r++) {
        for (int turn = 0; turn < 2; turn++) {
            int which = (turn + r) % 2;
            ms[which][r] = training_ms(&sides[which], overrides, folder, row->epochs);
            if (ms[which][r] < 0.0) {
                printf(" (the %s program fails)\n", which == 0 ? "old" : "new");
                return;
            }
        }
        ratios[r] = ms[1][r] / ms[0][r];
    }
    struct spread ratio = spread_of(ratios, PAIRS);
    printf(" %8.2f %8.2f %8.3f %6.2f..%-5.2f %s\n", spread_of(ms[0], PAIRS).median,
           spread_of(ms[1], PAIRS).median, ratio.median, ratio.low, ratio.high,
           strcmp(sides[0].digest, sides[1].digest) == 0 ? "same" : "DIFFER");
    fflush(stdout);
}

int main(int argc, char **argv) {
    char folder[] = "/tmp/mudepth-bench.XXXXXX", path[64], command[64];
    if (argc < 3 || mkdtemp(folder) == NULL) {
        fprintf(stderr, "usage: bench_compare OLD NEW [KEY=VALUE ...]\n");
        return 2;
    }
    struct side sides[2] = {{argv[1], ""}, {argv[2], ""}};
    snprintf(path, sizeof path, "%s/config.yaml", folder);
    FILE *file = fopen(path, "w");
    int failed = file == NULL || fputs(config, file) == EOF;
    failed |= file != NULL && fclose(file) != 0;
    printf("milliseconds of processor time to train a sample\n%-46s %8s %8s %8s %13s bits\n", "",
           "old", "new", "new/old", "low..high");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && !failed; i++)
        compare(sides, &rows[i], argv + 3, folder);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return (system(command) != 0) | failed;
}
