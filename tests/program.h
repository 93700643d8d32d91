/* Runs the built program as a user does, and keeps what it says. MUDEPTH_PROGRAM is its path
 * (default build/mudepth). */
#ifndef MD_TESTS_PROGRAM_H
#define MD_TESTS_PROGRAM_H

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "scratch.h"

enum { MOST_OUTPUT = 1 << 17 };

/* How a call is made; all zero is the ordinary way. */
struct manner {
    const char *folder;   /* to run in */
    const char *output;   /* a file as standard output, such as /dev/full */
    int close_streams;    /* standard output and error are closed, as by >&- 2>&- */
    rlim_t file_bytes;    /* no file may become larger: as if the disk was full */
    int as_nobody;        /* without the rights of root */
    int interrupt, again; /* signals to send to a program that is held (hold_at) */
};

/* The latest call. */
static int code; /* its exit code, or 1000 + the signal that ended it */
static char out[MOST_OUTPUT], err[MOST_OUTPUT];

static inline const char *program(void) {
    static char path[8192];
    const char *given = getenv("MUDEPTH_PROGRAM");
    size_t length = 0;
    if (given == NULL)
        given = "build/mudepth";
    if (given[0] != '/') { /* it may be called from another folder */
        cr_assert(getcwd(path, 4096));
        length = strlen(path);
    }
    snprintf(path + length, sizeof path - length, "%s%s", length ? "/" : "", given);
    cr_assert_eq(access(path, X_OK), 0, "no program %s; MUDEPTH_PROGRAM says where it is", path);
    return path;
}

static inline void read_output(const char *name, char *text) {
    FILE *file = fopen(scratch_path(&scratch, "%s", name).text, "rb");
    cr_assert(file);
    size_t size = fread(text, 1, MOST_OUTPUT - 1, file);
    text[size] = '\0';
    fclose(file);
}

extern char **environ;

static inline int open_output(const char *path) {
    return open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
}

static inline void become_program(const char *const *words, const struct manner *how,
                                  const char *path, const char *out_path, const char *err_path) {
    /* Opened while we may: nobody cannot go through every folder to it. */
    int executable = open(path, O_RDONLY | O_CLOEXEC);
    int failed = dup2(open_output(how->output ? how->output : out_path), 1) < 0 ||
                 dup2(open_output(err_path), 2) < 0;
    if (how->close_streams)
        failed |= close(1) != 0 || close(2) != 0;
    if (how->folder)
        failed |= chdir(how->folder) != 0;
    if (how->file_bytes) {
        struct rlimit limit = {how->file_bytes, how->file_bytes};
        failed |= setrlimit(RLIMIT_FSIZE, &limit) != 0;
    }
    if (how->as_nobody && geteuid() == 0)
        failed |= setgid(65534) != 0 || setuid(65534) != 0;
    if (!failed)
        fexecve(executable, (char *const *)(uintptr_t)words, environ);
    _exit(127);
}

static inline void wait_s(double seconds) {
    struct timespec time = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
    nanosleep(&time, NULL);
}

static int hold = -1; /* our end of what held programs write to */

/* Programs that are started from now on wait before their training step number `step`, and say so
 * (held.c), until let_go. */
static inline void hold_at(int step) {
    char text[8300];
    struct scratch_path fifo = scratch_path(&scratch, "hold");
    cr_assert(mkfifo(fifo.text, 0600) == 0 || errno == EEXIST);
    hold = open(fifo.text, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    cr_assert_geq(hold, 0);
    setenv("MUDEPTH_HOLD", fifo.text, 1);
    snprintf(text, sizeof text, "%d", step);
    setenv("MUDEPTH_HOLD_STEP", text, 1);
    snprintf(text, sizeof text, "%s", program());
    if (strstr(text, "-held") == NULL)
        strcat(text, "-held");
    setenv("MUDEPTH_PROGRAM", text, 1);
}

/* Waits for a process to say that it waits, that a signal reached it while it does, or that it told
 * its workers to stop; returns which it is. */
static inline pid_t meet(void) {
    pid_t who = 0;
    struct pollfd said = {hold, POLLIN, 0};
    while (poll(&said, 1, -1) < 0)
        ;
    cr_assert_eq(read(hold, &who, sizeof who), (ssize_t)sizeof who, "it ended");
    return who;
}

static inline void let_go(void) {
    close(hold);
    hold = -1;
}

static inline void send_signals(pid_t child, const struct manner *how) {
    cr_assert_eq(meet(), child);
    kill(child, how->interrupt);
    if (how->interrupt != SIGKILL) /* of which it hears nothing */
        cr_assert_eq(meet(), child);
    if (how->again)
        kill(child, how->again);
    let_go();
}

/* words: "mudepth", "run", ..., NULL. */
static inline void call(const char *const *words, struct manner how) {
    const char *path = program();
    struct scratch_path out_path = scratch_path(&scratch, "stdout"),
                        err_path = scratch_path(&scratch, "stderr");
    int status;
    scratch_write_text(out_path.text, "");
    scratch_write_text(err_path.text, "");
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0)
        become_program(words, &how, path, out_path.text, err_path.text);
    if (how.interrupt)
        send_signals(child, &how);
    cr_assert_eq(waitpid(child, &status, 0), child);
    code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    cr_assert_neq(code, 127, "cannot start %s", path);
    read_output("stdout", out);
    read_output("stderr", err);
}

#define WORDS(...)        ((const char *const[]){"mudepth", __VA_ARGS__, NULL})
#define MUDEPTH(...)      call(WORDS(__VA_ARGS__), (struct manner){.folder = NULL})
#define assert_code(wish) cr_assert_eq(code, wish, "exit code %d\n%s%s", code, out, err)

/* The outcome of the latest call: fine and with this in standard output; failed or misused, with
 * this in standard error and nothing else said. */
static inline void assert_fine(const char *part) {
    assert_code(0);
    assert_contains(out, part);
}
static inline void assert_fails(int wish, const char *part) {
    assert_code(wish);
    assert_contains(err, part);
    assert_contains(err, "mudepth");
    cr_assert_str_empty(out);
}

/* Standard output as JSON, to be released with json_decref. */
static inline json_t *output_json(void) {
    json_error_t problem;
    json_t *json = json_loads(out, 0, &problem);
    assert_code(0);
    cr_assert(json, "%s in %s", problem.text, out);
    return json;
}

/* What "test.after.rmse_m" leads to. */
static inline json_t *json_at(json_t *json, const char *path) {
    char keys[200];
    snprintf(keys, sizeof keys, "%s", path);
    for (char *key = strtok(keys, "."); key != NULL; key = strtok(NULL, ".")) {
        json = json_object_get(json, key);
        cr_assert(json, "no %s in %s", path, out);
    }
    return json;
}

/* Is there, and of this type. */
static inline void assert_json(json_t *json, const char *path, json_type type) {
    json_t *value = json_at(json, path);
    cr_assert_eq(json_typeof(value), type, "%s has the wrong type in %s", path, out);
}

/* Skips the test, and says so, when there is no such tool. */
static inline void need_tool(const char *tool) {
    char command[200];
    snprintf(command, sizeof command, "%s --version >/dev/null 2>&1", tool);
    if (system(command) != 0) {
        fprintf(stderr, "SKIP: %s not there\n", tool);
        cr_skip("%s not there", tool);
    }
}

/* A file in the scratch folder. */
static inline struct scratch_path written(const char *name, const char *text) {
    struct scratch_path path = scratch_path(&scratch, "%s", name);
    scratch_write_text(path.text, text);
    return path;
}

#define SMALL_FIELD                                                                                \
    "weights: scratch\npolicy: full\nlr: 0.003\nbatch: 4\nepochs: 2\n"                             \
    "data: {set: synthetic, count: 6}\n"

/* The digest that standard output, JSON, has; to be freed. */
static inline char *output_digest(void) {
    json_t *json = output_json();
    char *digest = strdup(json_string_value(json_at(json, "digest")));
    json_decref(json);
    return digest;
}

/* A cell of a run on the small field. */
static inline struct scratch_path small_cell(void) {
    struct scratch_path config = written("small.yaml", SMALL_FIELD),
                        cell = scratch_path(&scratch, "small.h5");
    MUDEPTH("run", config.text, "-o", cell.text);
    assert_fine("RMSE");
    return cell;
}

#endif
