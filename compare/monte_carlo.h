/* A table of binary64 operators that make the rounding errors of binary32: Monte Carlo arithmetic
 * (Parker, "Monte Carlo arithmetic", UCLA 1997). A step done with it shows, in binary64, how far
 * rounding in binary32 may carry each tensor, through the network's own sign changes, the loss's
 * threshold and the optimizer.
 *
 * A chain of K fused steps on terms t_k has partial sums of about S = sqrt(sum t_k^2 + y^2), y its
 * result; each is rounded with a relative error uniform in +-u, u = 2^-24, so their errors add up
 * to a standard deviation of u S sqrt(K / 3). The sum of squares is the same operator on squared
 * operands. Every element of every result gets an error of that size. */
#ifndef MD_COMPARE_MONTE_CARLO_H
#define MD_COMPARE_MONTE_CARLO_H

#include "../core/step.h"

/* The table; its convolutions have such errors, everything else is that of plain binary64. They
 * work on whole maps: for plans without savings. */
struct md_ops md_monte_carlo_ops(void);

/* Before the first step of an engine that uses the table: the trial's random numbers. (They live
 * in its scratch memory, so there is one core.) */
void md_monte_carlo_seed(struct md_engine *engine, uint64_t trial);

/* Gives n values independent relative errors, uniform in +-u: what one rounding does. */
void md_monte_carlo_round(struct md_engine *engine, size_t n, double *values);

#endif
