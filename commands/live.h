/* Lines at the end of a terminal that are drawn again and again in place. The cursor stays below
 * them and no mode of the terminal is changed, so that there is nothing to restore, whatever ends
 * the program. */
#ifndef MD_COMMANDS_LIVE_H
#define MD_COMMANDS_LIVE_H

struct md_live {
    int is_on;         /* standard error is a terminal that can move its cursor */
    int rows, columns; /* of the terminal */
    int lines;         /* that are drawn */
    int stops;         /* it is known below that md_stop_requested */
};

/* What the handler of a signal says on a line of its own (main.c), and drawn lines
 * from then on where there is room. */
extern const char md_stop_message[];

struct md_live md_live_open(void);

/* Asks for the terminal's size again: it may change at any time. */
void md_live_measure(struct md_live *live);

/* Puts these lines, each ended by '\n', in the place of those that are there. What is wider than
 * the terminal is cut off; the caller sees to it that they are fewer than its rows. */
void md_live_draw(struct md_live *live, const char *text);

/* Takes the lines away, for something else to be printed. */
void md_live_clear(struct md_live *live);

#endif
