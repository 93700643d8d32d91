/* How long work says how far it is, and is asked to end early. */
#ifndef MD_BASE_WATCH_H
#define MD_BASE_WATCH_H

#include <stddef.h>

/* Called now and then, with what is done of what there is; a result other than 0 asks for an early
 * end. */
struct md_watch {
    int (*tell)(void *context, const char *what, double done, double all);
    void *context;
};

/* That result; 0 where nobody watches (NULL). */
static inline int md_watch_tell(const struct md_watch *watch, const char *what, double done,
                                double all) {
    return watch != NULL && watch->tell(watch->context, what, done, all);
}

#endif
