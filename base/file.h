/* Whole files in memory, text by lines, and writing that never leaves half a file behind. */
#ifndef MD_BASE_FILE_H
#define MD_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"

/* A larger file is refused before anything is allocated. */
#define MD_FILE_MAX_BYTES ((size_t)1 << 30)
#define MD_PATH_MAX       4096

struct md_file {
    size_t size;
    uint8_t *bytes; /* owned; a zero stands behind the last one */
};

/* Reads a regular file of at most MD_FILE_MAX_BYTES whole; to be freed. */
int md_file_read(const char *path, struct md_file *file, struct md_error *error);
void md_file_free(struct md_file *file);

/* Fails unless `path` is a regular file that we may read. To be asked where others open it: a pipe
 * would be waited for, and a folder looks like an empty file. */
int md_check_readable(const char *path, struct md_error *error);

/* The one rule of everything that writes a file a user has named: what is there is replaced with
 * `force` only, and only if it is a file: no folder, no device. Otherwise MD_USAGE. */
int md_may_write(const char *path, int force, struct md_error *error);

/* Fails unless files can be made in the folder that `path` lies in, so that it is known before any
 * work. With `is_made` (missing folders will be made): in the nearest folder above it that exists.
 */
int md_check_folder(const char *path, int is_made, struct md_error *error);

/* Whether two paths name one file, there or not, however they are spelt: a.png, ./a.png. */
int md_is_same_file(const char *a, const char *b);

/* Makes a folder and those above it; fine when it is there. */
int md_make_folder(const char *path, struct md_error *error);

/* The folder that a path lies in; "." for a name alone. */
void md_path_folder(const char *path, char folder[MD_PATH_MAX]);

/* The name under which what will be `path` is written until it is whole: PATH.tmp.PID.HOST. Several
 * machines may write into one folder, where a process number alone is not unique. */
int md_temporary_path(char temporary[MD_PATH_MAX], const char *path, struct md_error *error);

/* A file that appears whole or not at all: it is written under its temporary name and renamed, so
 * that `path` is at every moment either what it was before or whole. */
struct md_new_file {
    FILE *stream; /* write here */
    char path[MD_PATH_MAX], temporary[MD_PATH_MAX];
};
int md_new_file_open(const char *path, struct md_new_file *file, struct md_error *error);

/* Closes it. With `status` MD_OK it is flushed to the disk and put in its place; otherwise, and
 * when that fails, it is removed. Returns `status`, or MD_FAILED. */
int md_new_file_finish(struct md_new_file *file, int status, struct md_error *error);

/* All of that for bytes that are there already. */
int md_file_write(const char *path, const void *bytes, size_t size, struct md_error *error);

/* Whether `path` is a folder; whether it is something else that exists. What we have no permission
 * to look at counts as both, so that it is not taken for missing: reading it will say why it fails.
 */
int md_is_folder(const char *path);
int md_is_file(const char *path);

/* How long a name is without its ending when that is one of `endings` (".png"; ended by NULL), in
 * capitals or not; otherwise 0. */
size_t md_bare_length(const char *name, const char *const *endings);

/* Where there is no file `path` but one whose ending differs in capitals only (1.PNG for 1.png),
 * `path` becomes the path of that one. */
void md_path_find_ending(char path[MD_PATH_MAX]);

/* Prints into `path`, with one slash where there are several (folders may be given with one at
 * their end), or fails when the result is too long. */
int md_path_format(char path[MD_PATH_MAX], struct md_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The path of something that came with the program (configs/demo.yaml): as it stands where there is
 * such a thing, and otherwise in the share folder of where the program is installed, if it is
 * there. */
void md_shipped_path(const char *name, char path[MD_PATH_MAX]);

/* NAME beside the program, or else in the lib folder of where it is installed. */
int md_program_path(const char *name, char path[MD_PATH_MAX], struct md_error *error);

/* A text file being read line by line. A byte order mark at the start and white space at the end
 * (of the file and of each line: Windows line ends) are no part of it. */
struct md_text {
    struct md_file file;
    char *rest;
    int line; /* number of the line given out last; the first is 1 */
};

/* Fails when the file has a zero byte. To be closed after MD_OK. */
int md_text_open(const char *path, struct md_text *text, struct md_error *error);
void md_text_close(struct md_text *text);

/* The next line without the white space round it, NULL after the last. It may be changed and lives
 * until the text is closed. */
char *md_text_line(struct md_text *text);

/* Puts `line N of PATH: ` before the error's text and returns `status`. */
int md_fail_at_line(struct md_error *error, int status, const char *path, int line);

/* Cuts the white space off both ends, in place; returns the new start. */
char *md_trim(char *string);

/* Splits a line into words at any of the separators, in place. Returns how many it has, of which
 * the first `most` are in `words`. */
int md_split_words(char *line, const char *separators, int most, char **words);

/* How many fields with commas between a line has: one at least. */
int md_field_count(const char *line);

/* The next field of a line of fields with commas between, without the white space round it; NULL
 * after the last. Changes the line, and moves *line behind the field. */
char *md_next_field(char **line);

/* Reads a decimal integer of at most 15 digits and returns where it ends, or NULL when there is
 * none. Only digits and a leading '-' count: no white space, no '+', no 0x. */
const char *md_parse_integer(const char *string, int64_t *value);

/* A whole text as a finite decimal number: no white space, no 0x, no nan. 0, or -1 when it is none,
 * or none that a double can hold. */
int md_parse_real(const char *text, double *value);

#endif
