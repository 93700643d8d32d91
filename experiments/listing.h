/* A table of words and numbers, printed to standard output as text, CSV or LaTeX. */
#ifndef MD_EXPERIMENTS_LISTING_H
#define MD_EXPERIMENTS_LISTING_H

#include <stddef.h>

#include "../datasets/error.h"

struct md_column {
    const char *title;
    int is_number; /* words stand to the left, numbers to the right */
    int decimals;  /* of a number in text and LaTeX; one more for a fraction of a whole number */
    int has_deviation; /* a number is a mean, with a standard deviation */
};

struct md_entry {
    const char *word;         /* any bytes; not owned */
    double number, deviation; /* not finite: there is none */
};

struct md_listing {
    const struct md_column *columns;
    size_t column_count;
    const struct md_entry *entries; /* (row_count, column_count) */
    size_t row_count;
};

/* MD_TEXT: aligned, with the titles above. A deviation has a column of its own, which is left out
 *     when there is none but 0. No number: "-".
 *
 * MD_CSV: RFC 4180, first the titles; numbers in 17 digits, which are all; a deviation is the
 *     column TITLE_sd, which is always there. No number: empty.
 *
 * MD_LATEX: a tabular for booktabs, "$0.504 \pm 0.012$"; bytes that are not UTF-8 and control
 *     characters become "?". */
enum md_listing_form { MD_TEXT, MD_CSV, MD_LATEX };
int md_listing_print(const struct md_listing *listing, enum md_listing_form form,
                     struct md_error *error);

/* Prints a text to standard output so that LaTeX sets it as it stands. */
void md_print_latex(const char *text);

/* Whether a text is UTF-8. */
int md_is_utf8(const char *text);

#endif
