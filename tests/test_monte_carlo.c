/* Operators with random rounding errors (compare/monte_carlo.c). */
#include <math.h>

#include "../compare/monte_carlo.h"
#include "engine.h"

/* Kinds with parameters have operators of their own, all others are the plain ones. */
Test(monte_carlo, every_kind_with_parameters_makes_errors) {
    const struct md_ops *plain = md_ops_find(MD_FP64, NULL), ops = md_monte_carlo_ops();
    for (int k = 0; k < MD_KIND_COUNT; k++) {
        const struct md_operator *ours = &ops.kinds[k], *theirs = &plain->kinds[k];
        int has_parameters = md_kinds[k].kernel > 0;
        cr_assert(theirs->forward != NULL && theirs->input_gradient != NULL && md_kinds[k].up > 0);
        cr_assert_eq(theirs->weight_gradient != NULL, has_parameters, "kind %d", k);
        cr_assert_eq(ours->forward != theirs->forward, has_parameters, "kind %d", k);
        cr_assert_eq(ours->input_gradient != theirs->input_gradient, has_parameters, "kind %d", k);
        cr_assert_eq(ours->weight_gradient != theirs->weight_gradient, has_parameters, "kind %d",
                     k);
    }
}
