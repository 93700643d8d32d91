/* The weights that a training from scratch starts from. */
#ifndef MD_EXPERIMENTS_INITIAL_WEIGHTS_H
#define MD_EXPERIMENTS_INITIAL_WEIGHTS_H

#include <stdint.h>

#include "../core/network.h"

/* Fresh weights: uniform in +-1/sqrt(fan in), as PyTorch starts its convolutions, from the seed;
 * the last bias is MD_INITIAL_DISPARITY. */
void md_initial_weights(const struct md_network *network, uint64_t seed, float *weights);

#endif
