/* For lanes_tap_sum.h: where finished sums go, and what becomes of them there. */
#ifndef MD_CORE_LANES_SINK_H
#define MD_CORE_LANES_SINK_H

#include "lanes_chains.h"

/* What becomes of a finished sum, together: a bias is added; it goes through leaky_forward; it is
 * added to what is there; it goes through leaky_backward. */
enum { BIASED = 1, LEAKY = 2, ADDED_UP = 4, DERIVED = 8 };

/* Where finished sums go: output channel m, row h of the grid to row first_row + h * row_step of
 * channel m. */
struct sink {
    const struct md_map *map;
    int first_channel, first_row, row_step;
    const elem *bias;        /* added to the sum where not NULL */
    int accumulate;          /* the sum is added to what is there */
    int leaky;               /* what goes there has been through leaky_forward */
    const uint8_t *positive; /* or through leaky_backward, by a bit for each of the map's elements;
                              * NULL: not */
};

/* Where row h of the grid lies in the sink. */
static elem *row_of(const struct sink *sink, int channel, int h) {
    return (elem *)sink->map->at + md_map_row(sink->map, sink->first_channel + channel,
                                              sink->first_row + h * sink->row_step);
}

static int finish_of(const struct sink *sink) {
    return (sink->bias != NULL ? BIASED : 0) | (sink->leaky ? LEAKY : 0) |
           (sink->accumulate ? ADDED_UP : 0) | (sink->positive != NULL ? DERIVED : 0);
}

/* do_it(finish) with a constant. (Only a forward pass has a bias.) */
#define KNOWING(finish, do_it)                                                                     \
    switch (finish) {                                                                              \
        CASE(BIASED, do_it)                                                                        \
        CASE(BIASED | LEAKY, do_it)                                                                \
        CASE(DERIVED, do_it)                                                                       \
        CASE(ADDED_UP, do_it)                                                                      \
        CASE(ADDED_UP | DERIVED, do_it)                                                            \
    default:                                                                                       \
        do_it(0);                                                                                  \
    }
#define CASE(constant, do_it)                                                                      \
    case constant:                                                                                 \
        do_it(constant);                                                                           \
        break;

/* What n sums become behind leaky_forward, or leaky_backward by the mask from bit `at` on. */
INLINE vec activated(const int finish, const uint8_t *positive, vec sums, size_t n, size_t at) {
#if GATHERS
    elem some[LANES];
    if (WIDENS) {
        v_narrow(some, sums);
        sums = v_widen(some);
    }
    if ((finish & LEAKY) != 0)
        sums = v_leaky(v_not_positive(sums), sums);
    if ((finish & DERIVED) != 0)
        sums = v_leaky(lanes_off(positive, at, n), sums);
#else
    (void)finish;
    (void)positive;
    (void)n;
    (void)at;
#endif
    return sums;
}

/* n sums, at most a vector's worth, to elements. Storing an element rounds, so a sum need not be
 * rounded before. (Of the sink, compilers would read anew what they need for each vector.) */
INLINE void store_vector(const int finish, vec bias, const uint8_t *positive, size_t at, vec sum,
                         size_t n, elem *to) {
    if ((finish & BIASED) != 0)
        sum = v_wide_add(sum, bias);
    if ((finish & ADDED_UP) != 0)
        sum = v_wide_add(load_elements(to, n), sum);
    if ((finish & (LEAKY | DERIVED)) != 0)
        sum = activated(finish, positive, sum, n, at);
    store_elements(to, n, sum);
}

/* n sums to elements that lie side by side. */
INLINE void store_run_as(const struct sink *sink, const int finish, int channel, const real *sums,
                         int n, elem *to) {
    const vec bias = (finish & BIASED) != 0 ? v_widen_one(sink->bias + channel) : v_zero();
    const uint8_t *positive = sink->positive;
    size_t at = (size_t)(to - (const elem *)sink->map->at);
    for (; n >= LANES; n -= LANES, sums += LANES, to += LANES, at += LANES)
        store_vector(finish, bias, positive, at, v_load(sums), LANES, to);
    if (n > 0)
        store_vector(finish, bias, positive, at, v_load(sums), (size_t)n, to);
}
static void store_run(const struct sink *sink, int channel, const real *sums, int n, elem *to) {
    const int finish = finish_of(sink);
#define STORE_RUN(constant) store_run_as(sink, constant, channel, sums, n, to)
#if GATHERS
    KNOWING(finish, STORE_RUN);
#else
    STORE_RUN(finish);
#endif
}

#endif
