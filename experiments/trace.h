/* Reading traces (core/job.h), from a file or from a program that is still at work. */
#ifndef MD_EXPERIMENTS_TRACE_H
#define MD_EXPERIMENTS_TRACE_H

#include <stdio.h>

#include "../core/job.h"
#include "../datasets/error.h"

struct md_trace {
    FILE *from;       /* the caller's */
    const char *name; /* for errors; the caller's */
    struct md_job job;
    const struct md_network *network;
    struct md_record record; /* the latest */
    void *values;            /* its values, where record.bytes > 0; owned */
    size_t room, records;
};

/* Reads a trace's head and checks it. Afterwards md_trace_close must follow. */
int md_trace_open(FILE *from, const char *name, struct md_trace *trace, struct md_error *error);
void md_trace_close(struct md_trace *trace);

/* Reads the next record. Its fields are ones that the job can lead to (the order of the records is
 * not checked), and its values have its digest. With MD_TRACE_END the trace is at its end, and
 * nothing must be read any more. */
int md_trace_next(struct md_trace *trace, struct md_error *error);

/* What the record holds, in words: "step 3, weight gradient of encoder.conv0, sample 1". */
void md_trace_describe(const struct md_trace *trace, char *text, size_t size);

/* Value i of the latest record. */
double md_trace_value(const struct md_trace *trace, size_t i);

#endif
