/* What the files that make a plan have in common: plan.c below schedule.c and place.c, planner.c
 * above them. */
#ifndef MD_CORE_PLAN_PARTS_H
#define MD_CORE_PLAN_PARTS_H

#include "plan.h"

/* Fills in every layer's shape, what of it learns, and whether its output's error is wanted. */
void md_plan_mark(const struct md_network *network, md_policy policy, struct md_plan *plan);

/* Of a layer's output, and of the picture. */
static inline int md_plan_channels(const struct md_network *network, int layer) {
    return layer == MD_PICTURE ? 3 : network->layers[layer].co;
}

/* A new buffer, or MD_NO_BUFFER and plan->fault. */
uint8_t md_plan_buffer(struct md_plan *plan, enum md_buffer_kind kind, int layer);

/* Fills in the instructions, the buffers they name, and loss and update; marks must be there. */
void md_plan_schedule(const struct md_setup *setup, struct md_plan *plan);

/* Gives those of `count` buffers that `each` says their places from `begin` on, and returns where
 * the last one ends. Where they are not shared, or live all the time, they lie one after the other.
 */
size_t md_plan_place(struct md_plan *plan, unsigned each, int shared, size_t begin);

/* The most bytes that are live at once, and the first instruction where they are; copies[b] of
 * buffer b are counted. No placing is smaller. */
size_t md_plan_most_live(const struct md_plan *plan, const int copies[MD_MAX_BUFFERS], int *when);

#endif
