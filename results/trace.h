/* Reading traces (core/job.h), from a file or from a program that is still at work. */
#ifndef MD_RESULTS_TRACE_H
#define MD_RESULTS_TRACE_H

#include <stdio.h>

#include "../core/job.h"
#include "../datasets/error.h"

struct md_trace {
    FILE *from;       /* the caller's */
    const char *name; /* for errors; the caller's */
    struct md_job job;
    const struct md_network *network;
    struct md_record record; /* the latest */
    void *values;            /* its values, NULL when there are only digests; owned */
    size_t room, records;
};

/* Reads a trace's head and checks it. Afterwards md_trace_close must follow. */
int md_trace_open(FILE *from, const char *name, struct md_trace *trace, struct md_error *error);
void md_trace_close(struct md_trace *trace);

/* Reads the next record. Its fields are within the network's and the job's bounds, and its values
 * agree with its digest. After MD_TRACE_END nothing must be read. */
int md_trace_next(struct md_trace *trace, struct md_error *error);

/* What the record holds, in words: "step 3, weight gradient of encoder.conv0, sample 1". */
void md_trace_describe(const struct md_trace *trace, char *text, size_t size);

/* The name of the layer's parameters ("encoder.conv0"), or what it does ("relu", "pool"). */
void md_trace_layer_name(const struct md_network *network, int layer, char *text, size_t size);

/* Value i of the latest record. */
double md_trace_value(const struct md_trace *trace, size_t i);

#endif
