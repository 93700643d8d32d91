/* The one way in which everything outside core reports a failure: a status to return, and a text
 * that says what went wrong, where, what was expected and what was found. The program prints the
 * text once, at the top. */
#ifndef MD_DATASETS_ERROR_H
#define MD_DATASETS_ERROR_H

enum md_status {
    MD_OK = 0,
    MD_FAILED = 1, /* the work could not be done: a broken file, a full disk */
    MD_USAGE = 2   /* the request was wrong: an unknown option, key or value */
};

struct md_error {
    char text[1024];
};

/* Puts the formatted text into `error` and returns `status`, so that a function can end with
 * `return md_fail(...)`. A longer text is cut. */
int md_fail(struct md_error *error, enum md_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts `prefix: ` before the text that is there already and returns `status`. */
int md_fail_in(struct md_error *error, int status, const char *prefix);

#endif
