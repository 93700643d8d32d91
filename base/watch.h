/* How long work reports its progress, and is asked to end early. */
#ifndef MD_BASE_WATCH_H
#define MD_BASE_WATCH_H

#include <stddef.h>

/* `report` is called now and then, with what is being done ("reading") and how much of it is done,
 * of `all`; a result other than 0 asks for an early end. */
struct md_watch {
    int (*report)(void *context, const char *what, double done, double all);
    void *context;
};

/* Calls it; 0 where nobody watches (NULL). */
static inline int md_watch_report(const struct md_watch *watch, const char *what, double done,
                                  double all) {
    return watch != NULL && watch->report(watch->context, what, done, all);
}

#endif
