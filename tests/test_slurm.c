/* Sweeps through Slurm: with a real cluster of one node that each test starts (slurm.sh; as root
 * only, since its jobs are root's), and with a program in the place of sbatch that keeps what it
 * was given. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "sweeps.h"

static int cluster = -1; /* our end of its standard input; it ends when this is closed */
static pid_t cluster_pid;

static void stop_cluster(void) {
    if (cluster < 0)
        return;
    close(cluster);
    waitpid(cluster_pid, NULL, 0);
}

static void tear_down_all(void) {
    stop_cluster();
    scratch_tear_down();
}

TestSuite(slurm, .init = set_up, .fini = tear_down_all, .timeout = 1800);

/* ---- a cluster ------------------------------------------------------------------------------- */

/* A port that nobody listens at, while `taken` are ours. */
static int free_port(int *taken) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    *taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(*taken, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(getsockname(*taken, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

static void start_cluster(void) {
    static const char have[] = "command -v munged slurmctld slurmd sbatch >/dev/null";
    if (geteuid() != 0 || system(have) != 0) {
        fprintf(stderr, "SKIP: no Slurm here, or not root\n");
        cr_skip("no Slurm here, or not root");
    }
    struct scratch_path where = scratch_path(&scratch, "cluster"),
                        conf = scratch_path(&scratch, "cluster/slurm.conf");
    int input[2], output[2], taken[2];
    char ports[2][16], said[2000] = "";
    for (int p = 0; p < 2; p++)
        snprintf(ports[p], sizeof ports[p], "%d", free_port(&taken[p]));
    cr_assert_eq(pipe(input) | pipe(output), 0);
    fcntl(input[1], F_SETFD, FD_CLOEXEC); /* or the cluster would wait for itself */
    close(taken[0]);
    close(taken[1]);
    cluster_pid = fork();
    cr_assert_geq(cluster_pid, 0);
    if (cluster_pid == 0) {
        setsid(); /* what ends this test by its group does not reach it */
        dup2(input[0], 0);
        dup2(output[1], 1);
        close(input[0]);
        close(output[0]);
        close(output[1]);
        execl("tests/slurm.sh", "slurm.sh", where.text, ports[0], ports[1], NULL);
        _exit(127);
    }
    cluster = input[1];
    close(input[0]);
    close(output[1]);
    size_t length = 0;
    for (ssize_t got; strstr(said, "ready") == NULL && length + 1 < sizeof said;
         length += (size_t)got)
        if ((got = read(output[0], said + length, sizeof said - 1 - length)) <= 0)
            break;
    close(output[0]);
    if (strstr(said, "Unable to initialize cgroup plugin") != NULL) {
        fprintf(stderr, "SKIP: no control groups here, which slurmd needs\n");
        cr_skip("no control groups here, which slurmd needs");
    }
    cr_assert(strstr(said, "ready"), "no cluster: %s", said);
    setenv("SLURM_CONF", conf.text, 1);
}

/* What a command of Slurm's says; at most `size` - 1 bytes. */
static void ask(const char *command, char *text, size_t size) {
    FILE *from = popen(command, "r");
    cr_assert(from);
    text[fread(text, 1, size - 1, from)] = '\0';
    pclose(from);
}

static void wait_for_queue(void) {
    char queue[4000];
    while (ask("squeue --noheader 2>&1", queue, sizeof queue), queue[0] != '\0')
        wait_s(0.2);
}

/* Submits the sweep into `folder`: the job's number. */
static int submit(const char *more) {
    MUDEPTH("sweep", config.text, "-o", folder.text, "--slurm", "--checkpoint", "0", "--json",
            more);
    json_t *json = output_json();
    int job = atoi(json_string_value(json_at(json, "job")));
    json_decref(json);
    cr_assert_gt(job, 0, "%s", out);
    return job;
}

/* The logs of all tasks, one behind the other; returns how many. */
static int read_logs(char *text, size_t size) {
    size_t length = 0;
    int count = 0;
    DIR *entries = opendir(folder.text);
    cr_assert(entries);
    for (struct dirent *entry; (entry = readdir(entries));) {
        if (strncmp(entry->d_name, "slurm-", 6) != 0)
            continue;
        size_t here;
        char path[MD_PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", folder.text, entry->d_name);
        unsigned char *bytes = scratch_read(path, &here);
        here = here < size - 1 - length ? here : size - 1 - length;
        memcpy(text + length, bytes, here);
        length += here;
        free(bytes);
        count++;
    }
    closedir(entries);
    text[length] = '\0';
    return count;
}

static int count_in(const char *text, const char *part) {
    int count = 0;
    for (; (text = strstr(text, part)) != NULL; text++)
        count++;
    return count;
}

static char logs[1 << 17];

/* ---- on the cluster -------------------------------------------------------------------------- */

/* In a folder whose name is a trap for shells and for Slurm's patterns. */
Test(slurm, makes_the_cells_that_two_local_workers_make) {
    start_cluster();
    struct digests digests = undisturbed();
    folder = scratch_path(&scratch, "it's 100 %%j \"$HOME\"; exit");
    MUDEPTH("sweep", config.text, "-o", folder.text, "--slurm", "--array-size", "2", "--",
            "--time=5");
    assert_fine("job 1: 2 tasks for 6 cells; mudepth status");
    wait_for_queue();
    cr_assert_eq(read_logs(logs, sizeof logs), 2);
    struct digests here = digests_beside(folder.text, 2);
    assert_same(&digests, &here);
    cr_assert_eq(count_in(logs, ": done, RMSE"), SIX, "%s", logs);
    MUDEPTH("resume", folder.text, "--slurm");
    assert_fine("all 6 cells are done");
}

/* A task that is put back into the queue, as by preemption, goes on; tasks of a second submission
 * find what the first leaves them. */
Test(slurm, requeued_and_duplicate_tasks_are_harmless) {
    start_cluster();
    struct digests digests = undisturbed();
    hold_at(SAMPLES + 1);
    int job = submit(NULL);
    for (int task = 0; task < 2; task++)
        meet();
    char command[200], answer[400];
    snprintf(command, sizeof command, "scontrol requeue %d_0 2>&1", job);
    ask(command, answer, sizeof answer);
    cr_assert_str_empty(answer);
    meet(); /* the signal is there */
    let_go();
    cr_assert_gt(submit(NULL), job);
    wait_for_queue();
    int log_count = read_logs(logs, sizeof logs);
    struct digests here = digests_beside(folder.text, log_count);
    assert_same(&digests, &here);
    cr_assert_eq(count_in(logs, ": done, RMSE"), SIX, "%s", logs);
    assert_contains(logs, "DUE TO JOB REQUEUE");
    assert_contains(logs, "interrupted after epoch");
}

/* It is tried once, by one task; another submission tries it again. */
Test(slurm, a_failed_cell_does_not_stop_the_others) {
    start_cluster();
    struct scratch_path good = small_cell(), bad = written("bad.h5", "no weights\n");
    char text[6000];
    snprintf(text, sizeof text,
             "epochs: 1\ndata: {set: synthetic, count: 2}\n"
             "sweep: {weights: ['%s', '%s'], seed: 0..1}\n",
             bad.text, good.text);
    scratch_write_text(config.text, text);
    submit(NULL);
    wait_for_queue();
    cr_assert_eq(count_of(folder.text, "done"), 2);
    cr_assert_eq(count_of(folder.text, "failed"), 2);
    cr_assert_eq(read_logs(logs, sizeof logs), 4);
    cr_assert_eq(count_in(logs, "failed: "), 2, "%s", logs);
    remove(bad.text);
    cr_assert_eq(link(good.text, bad.text), 0);
    submit(NULL);
    wait_for_queue();
    cr_assert_eq(count_of(folder.text, "done"), 4);
}

Test(slurm, what_sbatch_refuses) {
    start_cluster();
    MUDEPTH("sweep", config.text, "-o", folder.text, "--slurm", "--", "--partition=nowhere");
    assert_fails(1, "sbatch failed with exit code 1: sbatch: error: ");
    assert_contains(err, "invalid partition specified: nowhere");
    MUDEPTH("resume", folder.text, "--slurm", "--", "--nonsense");
    assert_fails(1, "unrecognized option '--nonsense'");
    MUDEPTH("resume", folder.text, "--slurm", "--array-size", "5000");
    assert_fails(1, "Invalid job array specification");
    cr_assert_eq(count_of(folder.text, "missing"), SIX);
}

/* ---- without one ----------------------------------------------------------------------------- */

/* A program instead of sbatch. It leaves its words, each ended by a zero, in "words", and the job's
 * script in "script". */
static void fake_sbatch(const char *answer) {
    char text[5000], path[5000];
    struct scratch_path fake = scratch_path(&scratch, "bin/sbatch");
    snprintf(text, sizeof text, "#!/bin/sh\nprintf '%%s\\0' \"$@\" >'%s'\ncat >'%s'\n%s\n",
             scratch_path(&scratch, "words").text, scratch_path(&scratch, "script").text, answer);
    scratch_write_text(fake.text, text);
    chmod(fake.text, 0755);
    snprintf(path, sizeof path, "%s/bin:%s", scratch.folder, getenv("PATH"));
    setenv("PATH", path, 1);
}

/* The n-th word of the fake's. */
static const char *word(int n) {
    static unsigned char *bytes;
    size_t size, at = 0;
    free(bytes);
    bytes = scratch_read(scratch_path(&scratch, "words").text, &size);
    bytes[size] = '\0';
    for (; n > 0 && at < size; n--)
        at += strlen((char *)bytes + at) + 1;
    return at < size ? (const char *)bytes + at : "(none)";
}

/* Words go to sbatch as they are, and the script does all cells, wherever it is started. */
Test(slurm, nothing_is_pasted_into_a_shell) {
    static char long_option[100001];
    static const char quoted[] = "--comment=it's $(touch owned) `touch owned` \"; touch owned\n";
    struct digests digests = undisturbed();
    memset(long_option, 'x', sizeof long_option - 1);
    memcpy(long_option, "--comment=", 10);
    fake_sbatch("echo '77;cluster'; echo careful >&2");
    folder = scratch_path(&scratch, "a 'b' \"c\" $(touch owned)\n100%%");
    scratch_write_text(config.text, SIX_CELLS "threads: 2\n");
    MUDEPTH("sweep", config.text, "-o", folder.text, "--slurm", "-j", "3", "--json", "--", quoted,
            long_option, "");
    json_t *json = output_json();
    cr_assert_str_eq(json_string_value(json_at(json, "job")), "77;cluster");
    cr_assert_eq(json_integer_value(json_at(json, "tasks")), SIX);
    cr_assert_eq(json_integer_value(json_at(json, "cells")), SIX);
    json_decref(json);
    cr_assert_str_eq(err, "careful\n");
    cr_assert_str_eq(word(4), "--array=0-5");
    cr_assert_str_eq(word(5), "--cpus-per-task=6");
    assert_contains(word(6), "\n100%%/slurm-%A_%a.log");
    cr_assert_str_eq(word(7), quoted);
    cr_assert_str_eq(word(8), long_option);
    cr_assert_str_eq(word(9), "");
    cr_assert_str_eq(word(10), "(none)");
    char command[4000];
    setenv("SLURM_ARRAY_TASK_ID", "3", 1);
    snprintf(command, sizeof command, "cd '%s' && sh script 2>task.log", scratch.folder);
    cr_assert_eq(system(command), 0);
    struct digests here = digests_of(folder.text);
    assert_same(&digests, &here);
    cr_assert_neq(access(scratch_path(&scratch, "owned").text, F_OK), 0);
}

Test(slurm, an_answer_that_is_no_job) {
    fake_sbatch("echo hello");
    MUDEPTH("sweep", config.text, "-o", folder.text, "--slurm");
    assert_fails(1, "sbatch: expected the number of a job, found \"hello\"");
    fake_sbatch("kill -9 $$");
    MUDEPTH("resume", folder.text, "--slurm");
    assert_fails(1, "sbatch was killed by signal 9");
}

Test(slurm, no_sbatch) {
    setenv("PATH", scratch.folder, 1);
    MUDEPTH("sweep", config.text, "-o", folder.text, "--slurm");
    assert_fails(1, "cannot run sbatch (is it installed?): No such file or directory");
    folder = scratch_path(&scratch, "back\\slash");
    MUDEPTH("sweep", config.text, "-o", folder.text, "--slurm");
    assert_fails(2, "a folder with a backslash");
}

Test(slurm, wrong_usage) {
    MUDEPTH("sweep", config.text, "--array-size", "2");
    assert_fails(2, "--array-size: only with --slurm");
    MUDEPTH("sweep", config.text, "--", "--time=5");
    assert_fails(2, "SBATCH-OPTION (behind --): only with --slurm");
    MUDEPTH("sweep", config.text, "--slurm", "--array-size", "0");
    assert_fails(2, "--array-size: expected a whole number from 1");
    MUDEPTH("sweep", config.text, "--slurm", "--dry-run");
    assert_fails(2, "--slurm: not with --dry-run");
    static const char *const tasks[] = {"", "1", "2/2", "-1/2", "0/0", "1/2/3", "1/2x", "x"};
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++) {
        MUDEPTH("resume", folder.text, "--task", tasks[i]);
        assert_fails(2, "--task: expected K/N");
    }
    MUDEPTH("resume", folder.text, "--task", "0/2", "--json");
    assert_fails(2, "--task: not with --json");
    MUDEPTH("resume", folder.text, "--task", "0/2", "--slurm");
    assert_fails(2, "--slurm: not with --task");
}
