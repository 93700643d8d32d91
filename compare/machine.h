/* A machine that is given a job (core/job.h) and answers with a trace, or a trace that was saved.
 */
#ifndef MD_COMPARE_MACHINE_H
#define MD_COMPARE_MACHINE_H

#include <sys/types.h>

#include "trace.h"

/* MACHINE[:LEVEL][:FORMAT][:cores=N][:PLAN][:band=N], such as "host:avx2:bf16" or
 * "rv32:cores=8:lean", or trace:FILE. */
struct md_machine_spec {
    const char *text;
    const struct md_machine_kind *kind; /* NULL: a saved trace */
    const char *path;                   /* of the saved trace */
    char level[MD_LEVEL_BYTES];         /* of the operators; "" is the machine's best */
    int format, cores;
    int savings, band; /* -1: the job's */
};

struct md_machine {
    struct md_machine_spec spec;
    FILE *trace;
    pid_t child; /* 0: none */
};

/* Reads a specification; `format` is the one it has when it does not say. `option` is for errors,
 * text must outlive the spec. */
int md_machine_parse(const char *option, const char *text, int format, struct md_machine_spec *spec,
                     struct md_error *error);

/* Writes the job for this machine: the head with its format, level, cores and plan, and the
 * body. Fails where the machine's memory has no room for it. */
int md_machine_write_job(const struct md_machine_spec *spec, const struct md_job *job,
                         const void *body, size_t body_bytes, FILE *to, struct md_error *error);

/* Starts it with that job (a saved trace: opens it). Its trace is then read from machine->trace.
 * Afterwards md_machine_finish must follow. */
int md_machine_start(const struct md_machine_spec *spec, const struct md_job *job, const void *body,
                     size_t body_bytes, struct md_machine *machine, struct md_error *error);

/* Waits for its end and closes it. status: how reading went so far, with its error; the reason
 * that the machine itself gives for a failure goes before it. */
int md_machine_finish(struct md_machine *machine, int status, struct md_error *error);

#endif
