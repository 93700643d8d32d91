/* make bench: what a sweep costs beside its cells, and what a second worker gains.
 *
 * The harness's share is found with cells that do not train: a sweep of them, and the same runs one
 * after the other in one process, from which nothing is written. The difference is what a cell
 * costs for being one: its process, its locks, its file. Processor time does not depend on what
 * else this machine does; the time that passes does, and has the waiting for the disk in it (two
 * fsync). What is compared takes turns, ROUNDS times, and medians are shown. Nothing fails for
 * being slow.
 *
 * usage: bench_sweep MUDEPTH */
#define _DEFAULT_SOURCE /* wait4 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../experiments/grid.h"
#include "../experiments/train.h"
#include "rounds.h"

enum { ROUNDS = 3, EMPTY_CELLS = 200, FULL_CELLS = 8 };

/* Cells of nothing, and cells of about a second of training each. */
static const char empty_sweep[] = "weights: scratch\nepochs: 0\nbatch: 1\nthreads: 1\n"
                                  "data: {set: synthetic, count: 2, val: ''}\n"
                                  "sweep: {policy: [d0, full], seed: 0..99}\n";
static const char full_sweep[] = "weights: scratch\nepochs: 4\nbatch: 8\nthreads: 1\npolicy: full\n"
                                 "data: {set: synthetic, count: 48, val: ''}\n"
                                 "sweep: {seed: 0..7}\n";

/* Seconds: of processors, and on the clock. */
struct cost {
    double processor, clock;
};

static double seconds_of(struct timeval t) {
    return (double)t.tv_sec + 1e-6 * (double)t.tv_usec;
}

static struct cost wait_for(pid_t child, double began) {
    struct rusage usage;
    int status = -1;
    if (child < 0 || wait4(child, &status, 0, &usage) != child || status != 0)
        return (struct cost){-1.0, -1.0};
    return (struct cost){seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime), now() - began};
}

/* Of a sweep, into a new folder. */
static struct cost cost_of_sweep(const char *program, const char *config, const char *jobs,
                                 const char *folder) {
    double began = now();
    pid_t child = fork();
    if (child == 0) {
        int quiet = open("/dev/null", O_WRONLY);
        dup2(quiet, 1);
        dup2(quiet, 2);
        execl(program, program, "sweep", config, "-j", jobs, "-o", folder, NULL);
        _exit(127);
    }
    return wait_for(child, began);
}

/* The runs of a sweep, without what makes them cells; 0 when all went well. */
static int run_all(const char *config) {
    struct md_grid grid;
    struct md_error error;
    int status = md_grid_read(config, 0, NULL, &grid, &error);
    for (size_t i = 0; i < grid.count && status == MD_OK; i++) {
        struct md_run run;
        status = md_run_open(&grid.cells[i].config, NULL, NULL, &run, &error);
        if (status != MD_OK)
            break;
        status = md_run_measure_before(&run, NULL, &error);
        if (status == MD_OK)
            status = md_run_measure_after(&run, NULL, &error);
        md_run_close(&run);
    }
    md_grid_free(&grid);
    return status;
}

static struct cost cost_of_runs(const char *config) {
    double began = now();
    pid_t child = fork();
    if (child == 0)
        _exit(run_all(config));
    return wait_for(child, began);
}

static int write_config(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    int failed = file == NULL || fputs(text, file) == EOF;
    return (file != NULL && fclose(file) != 0) || failed;
}

int main(int argc, char **argv) {
    char folder[] = "/tmp/mudepth-bench.XXXXXX", empty[64], full[64], cells[64], command[64];
    double processor[ROUNDS], clock[ROUNDS], share[ROUNDS], gain[ROUNDS];
    if (argc != 2 || mkdtemp(folder) == NULL)
        return 2;
    snprintf(empty, sizeof empty, "%s/empty.yaml", folder);
    snprintf(full, sizeof full, "%s/full.yaml", folder);
    int failed = write_config(empty, empty_sweep) | write_config(full, full_sweep);
    for (int r = 0; r < ROUNDS; r++) {
        snprintf(cells, sizeof cells, "%s/empty%d", folder, r);
        struct cost sweep = cost_of_sweep(argv[1], empty, "1", cells), runs = cost_of_runs(empty);
        snprintf(cells, sizeof cells, "%s/one%d", folder, r);
        struct cost one = cost_of_sweep(argv[1], full, "1", cells);
        snprintf(cells, sizeof cells, "%s/two%d", folder, r);
        struct cost two = cost_of_sweep(argv[1], full, "2", cells);
        failed |= sweep.clock < 0.0 || runs.clock < 0.0 || one.clock < 0.0 || two.clock < 0.0;
        processor[r] = 1e3 * (sweep.processor - runs.processor) / EMPTY_CELLS;
        clock[r] = 1e3 * (sweep.clock - runs.clock) / EMPTY_CELLS;
        share[r] = 1e3 * runs.processor / EMPTY_CELLS;
        gain[r] = one.clock / two.clock;
    }
    if (!failed) {
        printf("\nsweep: a cell costs %.1f ms of processor time and %.1f ms in all beside what it\n"
               "computes (of %d cells of %.1f ms each); 2 workers finish %d cells %.2fx as fast as "
               "1\n",
               spread_of(processor, ROUNDS).median, spread_of(clock, ROUNDS).median, EMPTY_CELLS,
               spread_of(share, ROUNDS).median, FULL_CELLS, spread_of(gain, ROUNDS).median);
    }
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return (system(command) != 0) | failed;
}
