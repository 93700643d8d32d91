/* Where buffers lie in the arena: an instance of dynamic storage allocation, buffers being
 * rectangles of a life (time, fixed) and a size. */
#include "plan_parts.h"

static int meets(const struct md_buffer *a, const struct md_buffer *b) {
    return a->first <= b->last && b->first <= a->last;
}

/* Puts the buffers, in this order, each at the lowest place that is free for all its life; returns
 * the end of the highest. */
static size_t first_fit(struct md_plan *plan, const uint8_t *order, int count) {
    size_t end = 0;
    for (int n = 0; n < count; n++) {
        struct md_buffer *b = &plan->buffer[order[n]];
        size_t at = 0;
        for (int moved = 1; moved;) {
            moved = 0;
            for (int e = 0; e < n; e++) {
                const struct md_buffer *other = &plan->buffer[order[e]];
                if (meets(b, other) && at < other->offset + other->bytes &&
                    other->offset < at + b->bytes) {
                    at = other->offset + other->bytes;
                    moved = 1;
                }
            }
        }
        b->offset = at;
        end = at + b->bytes > end ? at + b->bytes : end;
    }
    return end;
}

size_t md_plan_most_live(const struct md_plan *plan, const int copies[MD_MAX_BUFFERS], int *when) {
    size_t most = 0;
    *when = 0;
    for (int n = 0; n < plan->buffers; n++) { /* it is reached where some buffer begins */
        int at = plan->buffer[n].first;
        size_t live = 0;
        for (int b = 0; b < plan->buffers; b++)
            if (plan->buffer[b].first <= at && plan->buffer[b].last >= at)
                live += plan->buffer[b].bytes * (size_t)copies[b];
        if (live > most || (live == most && at < *when)) {
            most = live;
            *when = at;
        }
    }
    return most;
}

enum { BY_SIZE, BY_AREA, BY_LIFE, BY_TIME, PREORDERS };

static uint64_t weight_of(const struct md_buffer *b, int by) {
    uint64_t life = (uint64_t)b->last - b->first + 1;
    return by == BY_SIZE   ? b->bytes
           : by == BY_AREA ? b->bytes * life
           : by == BY_LIFE ? life
                           : 0xffffu - b->first;
}

static void sort(const struct md_plan *plan, int by, uint8_t *order, int count) {
    for (int n = 1; n < count; n++) { /* heaviest first */
        uint8_t b = order[n];
        int at = n;
        for (; at > 0 &&
               weight_of(&plan->buffer[order[at - 1]], by) < weight_of(&plan->buffer[b], by);
             at--)
            order[at] = order[at - 1];
        order[at] = b;
    }
}

/* Tries orders made from the best one by moving a buffer forward, until the bound is reached, but
 * not forever. */
enum { TRIES = 400 };

static void copy(const uint8_t *from, int count, uint8_t *to) {
    for (int n = 0; n < count; n++)
        to[n] = from[n];
}

static size_t improve(struct md_plan *plan, uint8_t *best, int count, size_t end, size_t least) {
    uint8_t order[MD_MAX_BUFFERS] = {0};
    uint32_t random = 1;
    for (int t = 0; t < TRIES && end > least; t++) {
        copy(best, count, order);
        random = random * 1664525u + 1013904223u;
        int from = (int)((random >> 16) % (uint32_t)count);
        random = random * 1664525u + 1013904223u;
        int to = (int)((random >> 16) % (uint32_t)(from + 1));
        uint8_t moved = order[from];
        for (int n = from; n > to; n--)
            order[n] = order[n - 1];
        order[to] = moved;
        size_t now = first_fit(plan, order, count);
        if (now <= end) {
            end = now;
            copy(order, count, best);
        }
    }
    return end;
}

size_t md_plan_place(struct md_plan *plan, unsigned each, int shared, size_t begin) {
    uint8_t order[MD_MAX_BUFFERS], best[MD_MAX_BUFFERS] = {0};
    int count = 0, copies[MD_MAX_BUFFERS] = {0}, when;
    size_t end = SIZE_MAX;
    for (int b = 0; b < plan->buffers; b++) {
        if (plan->buffer[b].each != each)
            continue;
        copies[b] = 1;
        order[count++] = (uint8_t)b;
        if (!shared) {
            plan->buffer[b].offset = begin;
            begin += plan->buffer[b].bytes;
        }
    }
    if (!shared || count == 0)
        return begin;
    size_t least = md_plan_most_live(plan, copies, &when);
    for (int by = 0; by < PREORDERS && end > least; by++) {
        sort(plan, by, order, count);
        size_t now = first_fit(plan, order, count);
        if (now < end) {
            end = now;
            copy(order, count, best);
        }
    }
    end = improve(plan, best, count, end, least);
    first_fit(plan, best, count);
    for (int n = 0; n < count; n++)
        plan->buffer[best[n]].offset += begin;
    return begin + end;
}
