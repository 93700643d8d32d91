/* Lines at the end of a terminal that are drawn again and again in place. The cursor stays below
 * them and no mode of the terminal is changed, so that there is nothing to restore, whatever ends
 * the program. */
#ifndef MD_COMMANDS_STATUS_LINES_H
#define MD_COMMANDS_STATUS_LINES_H

struct md_status_lines {
    int is_on;         /* standard error is a terminal that can move its cursor */
    int rows, columns; /* of the terminal */
    int lines;         /* that are drawn */
    int shows_stop;    /* the lines show that md_stop_requested */
};

/* What the signal handler prints on a line of its own (main.c), and the drawn lines show from then
 * on where it fits. */
extern const char md_stop_message[];

/* No lines yet; on standard error when that is a terminal. */
struct md_status_lines md_status_lines_open(void);

/* Asks for the terminal's size again: it may change at any time. */
void md_status_lines_measure(struct md_status_lines *status_lines);

/* Puts these lines, each ended by '\n', in the place of those that are there. What is wider than
 * the terminal is cut off; the caller sees to it that they are fewer than its rows. */
void md_status_lines_draw(struct md_status_lines *status_lines, const char *text);

/* Erases the lines, so that something else can be printed. */
void md_status_lines_clear(struct md_status_lines *status_lines);

#endif
