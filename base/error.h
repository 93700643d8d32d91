/* The one way in which everything outside core reports a failure: a status to return, and a text
 * that says what went wrong, where, what was expected and what was found. The program prints the
 * text once, at the top. */
#ifndef MD_BASE_ERROR_H
#define MD_BASE_ERROR_H

enum md_status {
    MD_OK = 0,
    MD_FAILED = 1, /* the work could not be done: a broken file, a full disk */
    MD_USAGE = 2   /* the request was wrong: an unknown option, key or value */
};

struct md_error {
    char text[1024];
};

/* Puts the formatted text into `error`; a longer text is cut, control characters become '?'. */
void md_error_set(struct md_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, with `status` as its value, so that a function can end with `return md_fail(...)`. A
 * macro, so that compilers and analysers see that what is returned is not MD_OK. */
#define md_fail(error, status, ...) (md_error_set((error), __VA_ARGS__), (int)(status))

/* Puts `prefix: ` before the text that is there already; of a long prefix only its end. The value
 * of md_fail_in is `status`. */
void md_error_prefix(struct md_error *error, const char *prefix);
#define md_fail_in(error, status, prefix) (md_error_prefix((error), (prefix)), (int)(status))

/* After an allocation: md_check_memory(values != NULL, error). */
static inline int md_check_memory(int is_there, struct md_error *error) {
    return is_there ? MD_OK : md_fail(error, MD_FAILED, "out of memory");
}

/* Returns from the function it stands in when the call fails, with what that gave. For functions
 * that have nothing to free at that point. */
#define MD_TRY(call)                                                                               \
    do {                                                                                           \
        const int md_tried = (call);                                                               \
        if (md_tried != MD_OK)                                                                     \
            return md_tried;                                                                       \
    } while (0)

/* Where there is something to free: a step of several, done when all before it went well. */
#define MD_THEN(status, call)                                                                      \
    do {                                                                                           \
        if ((status) == MD_OK)                                                                     \
            (status) = (call);                                                                     \
    } while (0)

#endif
