/* Which runs are asked for. A filter is NAME OPERATOR VALUE without spaces, the operator one of
 * = != < <= > >=, and NAME
 *   a key of the config: "policy=d0", "lr<0.01"; also a range of numbers with both its ends,
 *     "seed=0..2", and a list of which any value will do, "format=[fp32, bf16]";
 *   a quantity: "rmse_m<0.6", "dummy.delta1@15>=0.5" (quantity.h); a run without it never passes;
 *   a text of the cell: "code_version=1a2b3c", "host!=box".
 * Values of a key are written, checked and compared as in a config; only numbers are less or
 * more than another. */
#ifndef MD_RESULTS_FILTER_H
#define MD_RESULTS_FILTER_H

#include "quantity.h"

struct md_filter;
struct md_filters {
    struct md_filter *filters; /* owned */
    size_t count;
};

/* The length of the name that a filter begins with; 0 when the text does not begin like one. */
size_t md_filter_name(const char *text);

/* Reads filters; what is none is MD_USAGE. To be freed, after a failure too. */
int md_filters_parse(int count, char *const *texts, struct md_filters *filters,
                     struct md_error *error);
void md_filters_free(struct md_filters *filters);

/* Whether a run passes all of them; it passes none at all. */
int md_filters_pass(const struct md_filters *filters, const struct md_cell *cell);

#endif
