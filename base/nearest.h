/* The name that was probably meant by one that does not exist. */
#ifndef MD_BASE_NEAREST_H
#define MD_BASE_NEAREST_H

struct md_nearest {
    const char *word; /* that was typed */
    int distance;     /* letters to change, put in or leave out until it is `name` */
    char name[64];    /* "": nothing is near */
};

/* Starts a search; `word` must outlive it. Then each name that exists is tried; the nearest is kept
 * when it is within a few letters. */
struct md_nearest md_nearest_to(const char *word);
void md_nearest_try(struct md_nearest *nearest, const char *name);

/* "; did you mean NAME?", or nothing. */
enum { MD_NEAREST_SIZE = 96 };
const char *md_nearest_hint(const struct md_nearest *nearest, char text[MD_NEAREST_SIZE]);

#endif
