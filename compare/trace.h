/* Reading traces (core/job.h), from a file or from a program that is still at work. Records come in
 * the order of a machine's plan, some rows of a tensor each; they are merged here, so that machines
 * with different plans give the same tensors in the same order. */
#ifndef MD_COMPARE_TRACE_H
#define MD_COMPARE_TRACE_H

#include <stdio.h>

#include "../base/error.h"
#include "../core/job.h"

struct md_trace {
    FILE *from;       /* the caller's */
    const char *name; /* for errors; the caller's */
    struct md_job job;
    struct md_record record; /* of the latest tensor, as if it had been written at once */
    const void *values;      /* its values, where record.bytes > 0 */
    size_t at;               /* its index among the tensors that a step may have */

    /* Of the step under way; owned. */
    struct md_record ahead; /* the next record, not yet merged into its tensor */
    size_t records;         /* that were read */
    void *payload;          /* a record's values */
    size_t payload_capacity;
    struct md_tensor *tensors; /* of a step, by their index */
    size_t tensor_count;
};

/* Reads a trace's head and checks it. Afterwards md_trace_close must follow. The trace must stay
 * where it is. */
int md_trace_open(FILE *from, const char *name, struct md_trace *trace, struct md_error *error);
void md_trace_close(struct md_trace *trace);

/* The next tensor, whole. It is one that the job can lead to, its rows came in order and its values
 * have their digest. A step's tensors come in an order that does not depend on the plan: the
 * activations, sample by sample and layer by layer; then for each sample the errors and the
 * gradients of the weights, from the last layer to the first; the loss; then for each layer its
 * weight and what the optimizer keeps. At the very end the final weights, and MD_TRACE_END, after
 * which nothing must be read any more. */
int md_trace_next(struct md_trace *trace, struct md_error *error);

/* What the tensor is, in words: "step 3, weight gradient of encoder.conv0, sample 1". */
void md_trace_describe(const struct md_trace *trace, char *text, size_t size);

/* Value i of the latest tensor. */
double md_trace_value(const struct md_trace *trace, size_t i);

#endif
