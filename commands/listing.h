/* What commands print to standard output: a table of words and numbers as text, CSV or LaTeX; and
 * single values as JSON, which has their types. */
#ifndef MD_COMMANDS_LISTING_H
#define MD_COMMANDS_LISTING_H

#include <jansson.h>
#include <stddef.h>

#include "../base/namelist.h"
#include "../experiments/config.h"

struct md_column {
    const char *title;
    int is_number; /* words stand to the left, numbers to the right */
    int decimals;  /* of a number in text and LaTeX; one more for a fraction of a whole number */
    int has_deviation; /* a number is a mean, with a standard deviation */
};

struct md_entry {
    const char *word;         /* any bytes */
    double number, deviation; /* not finite: there is none */
};

/* A table while it is filled, from {.error = error} on. Its first failure is remembered. */
struct md_listing {
    struct md_error *error;
    int status;
    struct md_column *columns; /* owned, as the next two */
    struct md_entry *entries;  /* (row_count, column_count), and those of the row under way */
    struct md_names texts;
    size_t column_count, row_count, entry_count, column_capacity, entry_capacity;
};

/* Each adds an entry to the row under way, and in the first row its column, so that a column is
 * said in one place. Titles and words are copied. Without md_listing_end_row there are only the
 * titles. */
void md_listing_word(struct md_listing *listing, const char *title, const char *word);
void md_listing_number(struct md_listing *listing, const char *title, int decimals, double value);
void md_listing_mean(struct md_listing *listing, const char *title, int decimals, double mean,
                     double deviation);
void md_listing_end_row(struct md_listing *listing);

/* A word for each of these keys of a config; config NULL: only their titles are wanted. */
void md_listing_settings(struct md_listing *listing, const struct md_config *config,
                         const int *keys, int count);
void md_listing_free(struct md_listing *listing);

/* MD_TEXT: aligned, with the titles above. A deviation has a column of its own, which is left out
 *     when there is none but 0. No number: "-".
 *
 * MD_CSV: RFC 4180, first the titles; numbers in 17 digits, which are all; a deviation is the
 *     column TITLE_sd, which is always there. No number: empty.
 *
 * MD_LATEX: a tabular for booktabs, "$0.504 \pm 0.012$"; bytes that are not UTF-8 and control
 *     characters become "?". */
enum md_listing_form { MD_TEXT, MD_CSV, MD_LATEX };
int md_listing_print(const struct md_listing *listing, enum md_listing_form form);

/* A number with so many decimals, with no sign if it is rounded to 0; "-" if it is not finite. */
enum { MD_NUMBER_SIZE = 400 }; /* the longest double */
void md_number_text(double value, int decimals, char text[MD_NUMBER_SIZE]);

/* Prints a text to standard output so that LaTeX sets it as it stands. */
void md_print_latex(const char *text);

/* Whether a text is UTF-8. */
int md_is_utf8(const char *text);

/* A config's value of a key: a number, a word, or a list of these, as in YAML. (A whole number that
 * JSON libraries would round, from 2^63 on, is a word.) */
json_t *md_json_setting(const struct md_config *config, int key);

/* An object of a config's values of these keys. */
json_t *md_json_settings(const struct md_config *config, const int *keys, int count);

/* Prose, which may have a path in it and so be no UTF-8: then what is not ASCII becomes "?". */
json_t *md_json_prose(const char *text);
json_t *md_json_notes(const struct md_names *notes);

#endif
