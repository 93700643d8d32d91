/* Vectors of real numbers for lanes_tmpl.c: what one register of the instruction set being compiled
 * for holds, and the few operations the kernels need. A masked operation leaves switched-off lanes
 * as they are and touches no memory for them. */
#ifndef MD_CORE_LANES_H
#define MD_CORE_LANES_H

#include "format.h"

#if MD_NATIVE_HALF && defined(__AVX512FP16__)
#include "lanes_avx512fp16.h"
#elif defined(__AVX2__)
#include "lanes_x86.h"
#elif defined(MD_NEON)
#include "lanes_neon.h"
#elif defined(MD_PAIRS)
#include "lanes_pairs.h"
#else
#include "lanes_portable.h"
#endif

#endif
