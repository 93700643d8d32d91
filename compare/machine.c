#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../base/file.h"
#include "../base/namelist.h"
#include "../core/target/device/device.h"
#include "../core/target/host.h"
#include "../experiments/plan_text.h"

/* ---- machines -------------------------------------------------------------------------------- */

enum { NOT_STARTED = 127 };

/* A machine other than the host is a program of its own, built beside this one, and perhaps an
 * emulator that runs it. */
static const struct md_machine_kind {
    const char *program, *make;
    const char *const emulator[4];
    size_t arena_bytes, flash_bytes;
} kinds[] = {
    {NULL, NULL, {NULL}, SIZE_MAX, SIZE_MAX},
    {"mudepth-rv32",
     "make rv32",
     {"qemu-riscv32", "-cpu", "rv32,f=false,d=false,zfinx=true,zhinx=true", NULL},
     MD_LARGE_ARENA_BYTES,
     MD_LARGE_FLASH_BYTES},
    {"mudepth-gap9-shim", "make gap9", {NULL}, MD_GAP9_ARENA_BYTES, MD_GAP9_FLASH_BYTES},
    {"mudepth-gap9-large", "make gap9", {NULL}, MD_LARGE_ARENA_BYTES, MD_LARGE_FLASH_BYTES},
    {"mudepth-aarch64",
     "make aarch64",
     {"qemu-aarch64", NULL},
     MD_LARGE_ARENA_BYTES,
     MD_LARGE_FLASH_BYTES},
};
static const char *const machine_names[] = {"host",       "rv32",    "gap9-shim",
                                            "gap9-large", "aarch64", NULL};

/* ---- the specification ----------------------------------------------------------------------- */

static int set_number(const char *option, const char *word, const char *name, int most, int *to,
                      struct md_error *error) {
    int64_t number = 0;
    const char *end = md_parse_integer(word + strlen(name), &number);
    if (end == NULL || *end != '\0' || number < 1 || number > most)
        return md_fail(error, MD_USAGE, "%s: expected %s1 to %s%d, found \"%.100s\"", option, name,
                       name, most, word);
    *to = (int)number;
    return MD_OK;
}

static int set_word(const char *option, const char *word, struct md_machine_spec *spec,
                    struct md_error *error) {
    int format = md_find_name(md_format_names, word), savings;
    if (format >= 0) {
        spec->format = format;
        return MD_OK;
    }
    if (md_savings_parse(word, &savings) == 0 && savings >= 0) {
        spec->savings = savings;
        return MD_OK;
    }
    if (strncmp(word, "cores=", 6) == 0)
        return set_number(option, word, "cores=", MD_JOB_MAX_CORES, &spec->cores, error);
    if (strncmp(word, "band=", 5) == 0)
        return set_number(option, word, "band=", MD_JOB_MAX_BAND, &spec->band, error);
    if (strlen(word) >= sizeof spec->level || strchr(word, '+') != NULL)
        return md_fail(error, MD_USAGE,
                       "%s: expected a number format, cores=N, band=N, a plan (plain, fast, lean, "
                       "or savings such as share+stream) or a level (ref, scalar, ...) after the "
                       "machine, found \"%.100s\"",
                       option, word);
    strcpy(spec->level, word);
    return MD_OK;
}

int md_machine_parse(const char *option, const char *text, int format, struct md_machine_spec *spec,
                     struct md_error *error) {
    char words[256], levels[MD_HOST_LEVELS_TEXT], *rest = NULL;
    *spec = (struct md_machine_spec){
        .text = text, .format = format, .cores = 1, .savings = -1, .band = -1};
    if (strncmp(text, "trace:", 6) == 0) {
        spec->path = text + 6;
        return MD_OK;
    }
    snprintf(words, sizeof words, "%s", text);
    char *word = strtok_r(words, ":", &rest);
    int machine = word != NULL ? md_find_name(machine_names, word) : -1;
    if (machine < 0 || strlen(text) >= sizeof words)
        return md_fail(
            error, MD_USAGE,
            "%s: expected host, rv32, gap9-shim, gap9-large or aarch64, then perhaps :LEVEL, "
            ":FORMAT, :cores=N, :PLAN and :band=N, or trace:FILE; found \"%.200s\"",
            option, text);
    spec->kind = &kinds[machine];
    while ((word = strtok_r(NULL, ":", &rest)) != NULL)
        MD_TRY(set_word(option, word, spec, error));
    if (machine == 0 && md_ops_find((enum md_format)spec->format, spec->level) == NULL)
        return md_fail(error, MD_USAGE, "%s: level \"%s\" does not exist here for %s; there is %s",
                       option, spec->level, md_format_names[spec->format],
                       md_host_levels((enum md_format)spec->format, levels));
    if (machine != 0 && spec->format == MD_FP64)
        return md_fail(error, MD_USAGE, "%s: fp64 is for the host only", option);
    return MD_OK;
}

/* ---- starting -------------------------------------------------------------------------------- */

/* Whether the machine's memory has room for the step at all: with the reference operators, which
 * need no scratch memory and are on every machine. */
static int check_memory(const struct md_machine_spec *spec, struct md_job job,
                        struct md_error *error) {
    struct md_setup setup;
    struct md_plan plan;
    strcpy(job.level, "ref");
    md_job_setup(&job, &setup);
    md_plan_make(&setup, &plan);
    if (plan.fault != NULL)
        return md_fail(error, MD_FAILED, "%s: there is no such plan: %s", spec->text, plan.fault);
    const struct {
        const char *name;
        size_t needed, there;
    } parts[] = {{"arena", plan.arena_bytes, spec->kind->arena_bytes},
                 {"flash", plan.frozen_bytes, spec->kind->flash_bytes}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i].needed > parts[i].there)
            return md_fail(error, MD_FAILED,
                           "%s: the %s is too small: a step on %d core%s needs %zu bytes (mudepth "
                           "plan lists them), this machine has %zu",
                           spec->text, parts[i].name, spec->cores, spec->cores > 1 ? "s" : "",
                           parts[i].needed, parts[i].there);
    return MD_OK;
}

int md_machine_write_job(const struct md_machine_spec *spec, const struct md_job *job,
                         const void *body, size_t body_bytes, FILE *to, struct md_error *error) {
    struct md_job head = *job;
    head.format = (uint32_t)spec->format;
    memcpy(head.level, spec->level, sizeof head.level);
    head.cores = (uint32_t)spec->cores;
    if (spec->savings >= 0)
        head.savings = (uint32_t)spec->savings;
    if (spec->band >= 0)
        head.band = (uint32_t)spec->band;
    if (spec->band >= 0 && (head.savings & MD_STREAM) == 0)
        return md_fail(error, MD_USAGE,
                       "%s: band=%d has an effect only with a plan that streams: lean, or stream",
                       spec->text, spec->band);
    MD_TRY(check_memory(spec, head, error));
    if (fwrite(&head, sizeof head, 1, to) != 1 || fwrite(body, body_bytes, 1, to) != 1 ||
        fflush(to) != 0)
        return md_fail(error, MD_FAILED, "the job cannot be written: %s", strerror(errno));
    return MD_OK;
}

static int read_stream(void *context, void *to, size_t bytes) {
    (void)context;
    return fread(to, 1, bytes, stdin) == bytes ? 0 : -1;
}

static int write_stream(void *context, const void *from, size_t bytes) {
    (void)context;
    return fwrite(from, 1, bytes, stdout) == bytes ? 0 : -1;
}

/* The host as a machine: a child process that does the job from standard input. */
static enum md_job_error work_on_host(void) {
    static struct md_engine engine; /* large */
    const struct md_io io = {NULL, read_stream, write_stream};
    struct md_job job;
    struct md_setup setup;
    int failed;
    enum md_job_error error = md_job_read(&io, &job);
    if (error != MD_JOB_OK)
        return error;
    md_job_setup(&job, &setup);
    if (setup.ops == NULL)
        return MD_JOB_NO_OPERATORS;
    md_plan_make(&setup, &engine.plan);
    if (engine.plan.fault != NULL)
        return MD_JOB_NO_PLAN;
    struct md_job_memory memory = {.engine = &engine, .arena_bytes = engine.plan.arena_bytes};
    struct md_team *team = md_host_team_start((int)job.cores, &failed);
    memory.arena = md_host_arena(memory.arena_bytes);
    void *flash = md_host_arena(engine.plan.frozen_bytes + 1);
    memory.flash = md_flash_in(flash, engine.plan.frozen_bytes);
    error = failed ? MD_JOB_NO_CORES : MD_JOB_NO_MEMORY;
    if (!failed && memory.arena != NULL && flash != NULL)
        error = md_job_run(&job, &setup, team, &memory, &io);
    if (fflush(stdout) != 0 && error == MD_JOB_OK)
        error = MD_JOB_NO_OUTPUT;
    free(memory.arena);
    free(flash);
    md_host_team_stop(team);
    return error;
}

/* The path of a machine's program. */
static int program_path(const struct md_machine_kind *machine, char path[MD_PATH_MAX],
                        struct md_error *error) {
    MD_TRY(md_program_path(machine->program, path, error));
    if (access(path, X_OK) != 0)
        return md_fail(error, MD_FAILED, "%s: %s; it is built by: %s", path, strerror(errno),
                       machine->make);
    return MD_OK;
}

/* In the child: standard input is the job, standard output the pipe. Never returns. */
static void exec_machine(const struct md_machine_spec *spec, char *program) {
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    if (spec->kind->program == NULL)
        _exit((int)work_on_host());
    char *words[6], **next = words;
    for (const char *const *w = spec->kind->emulator; *w != NULL; w++)
        *next++ = (char *)(uintptr_t)*w;
    *next++ = program;
    *next = NULL;
    execvp(words[0], words);
    _exit(NOT_STARTED);
}

static int open_saved_trace(const struct md_machine_spec *spec, struct md_machine *machine,
                            struct md_error *error) {
    MD_TRY(md_check_readable(spec->path, error));
    machine->trace = fopen(spec->path, "rb");
    if (machine->trace == NULL)
        return md_fail(error, MD_FAILED, "%.400s: %s", spec->path, strerror(errno));
    return MD_OK;
}

int md_machine_start(const struct md_machine_spec *spec, const struct md_job *job, const void *body,
                     size_t body_bytes, struct md_machine *machine, struct md_error *error) {
    char program[MD_PATH_MAX] = "";
    int ends[2];
    *machine = (struct md_machine){.spec = *spec};
    if (spec->kind == NULL)
        return open_saved_trace(spec, machine, error);
    if (spec->kind->program != NULL)
        MD_TRY(program_path(spec->kind, program, error));
    FILE *file = tmpfile();
    if (file == NULL || pipe(ends) != 0) {
        int status = md_fail(error, MD_FAILED, "no temporary file or pipe: %s", strerror(errno));
        if (file != NULL)
            fclose(file);
        return status;
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    int status = md_machine_write_job(spec, job, body, body_bytes, file, error);
    if (status == MD_OK) {
        lseek(fileno(file), 0, SEEK_SET);
        fflush(stdout);
        machine->child = fork();
        if (machine->child == 0) {
            dup2(fileno(file), STDIN_FILENO);
            dup2(ends[1], STDOUT_FILENO);
            close(ends[0]);
            close(ends[1]);
            exec_machine(spec, program);
        }
        if (machine->child < 0) {
            machine->child = 0;
            status = md_fail(error, MD_FAILED, "no process can be started: %s", strerror(errno));
        }
    }
    fclose(file);
    close(ends[1]);
    if (status == MD_OK && (machine->trace = fdopen(ends[0], "rb")) == NULL)
        status = md_fail(error, MD_FAILED, "no stream for a trace: %s", strerror(errno));
    if (machine->trace == NULL)
        close(ends[0]);
    return status;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* How long a machine may go on once its trace is at its end, or it was asked to end. */
enum { PATIENCE_MS = 5000, PAUSE_MS = 5 };

/* Waits for the child's end; returns 0, or -1 when it had to be killed. */
static int wait_for(pid_t child, int *wait_status) {
    const struct timespec pause = {0, PAUSE_MS * 1000000L};
    for (int ms = 0; ms < PATIENCE_MS; ms += PAUSE_MS) {
        pid_t ended = waitpid(child, wait_status, WNOHANG);
        if (ended == child || (ended < 0 && errno != EINTR))
            return 0;
        nanosleep(&pause, NULL);
    }
    kill(child, SIGKILL);
    while (waitpid(child, wait_status, 0) < 0 && errno == EINTR)
        ;
    return -1;
}

int md_machine_finish(struct md_machine *machine, int status, struct md_error *error) {
    int wait_status = 0,
        ended_by_itself = machine->trace != NULL && (status == MD_OK || feof(machine->trace));
    if (machine->trace != NULL)
        fclose(machine->trace);
    machine->trace = NULL;
    if (machine->child == 0)
        return status;
    if (!ended_by_itself)
        kill(machine->child, SIGTERM);
    int forced = wait_for(machine->child, &wait_status) != 0;
    machine->child = 0;
    if (!ended_by_itself)
        return status;
    if (forced)
        return md_fail(error, MD_FAILED, "%s: its trace ended, the machine did not",
                       machine->spec.text);
    if (WIFSIGNALED(wait_status))
        return md_fail(error, MD_FAILED, "%s was ended by signal %d", machine->spec.text,
                       WTERMSIG(wait_status));
    int code = WEXITSTATUS(wait_status);
    if (code == NOT_STARTED)
        return md_fail(error, MD_FAILED, "%s: cannot run %s; is it installed?", machine->spec.text,
                       machine->spec.kind->emulator[0] != NULL ? machine->spec.kind->emulator[0]
                                                               : machine->spec.kind->program);
    if (code != 0)
        return md_fail(error, MD_FAILED, "%s: %s", machine->spec.text,
                       code < MD_JOB_ERROR_COUNT ? md_job_error_texts[code] : "failed");
    return status;
}
