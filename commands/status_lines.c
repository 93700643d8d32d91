#define _DEFAULT_SOURCE /* struct winsize */
#include "status_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "command.h"

const char md_stop_message[] =
    "stopping: what is under way is finished and kept; a second signal ends it at once";

struct md_status_lines md_status_lines_open(void) {
    const char *terminal = getenv("TERM");
    struct md_status_lines status_lines = {.is_on = isatty(STDERR_FILENO) && terminal != NULL &&
                                                    terminal[0] != '\0' &&
                                                    strcmp(terminal, "dumb") != 0};
    md_status_lines_measure(&status_lines);
    return status_lines;
}

void md_status_lines_measure(struct md_status_lines *status_lines) {
    struct winsize size;
    int known = status_lines->is_on && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0;
    status_lines->rows = known && size.ws_row > 0 ? size.ws_row : 24;
    status_lines->columns = known && size.ws_col > 0 ? size.ws_col : 80;
}

/* Moves the cursor to the first of the lines and erases everything from there on, also what the
 * signal handler has printed below them. */
static void erase(struct md_status_lines *status_lines, FILE *to) {
    int has_message = md_stop_requested && !status_lines->shows_stop;
    if (status_lines->lines > 0)
        fprintf(to, "\r\033[%dA\033[J", status_lines->lines + has_message);
    status_lines->shows_stop = md_stop_requested != 0;
    status_lines->lines = 0;
}

static void draw_line(struct md_status_lines *status_lines, const char *line, int length,
                      FILE *to) {
    /* The last column stays free: behind it some terminals begin a line by themselves. */
    fprintf(to, "%.*s\n", length < status_lines->columns ? length : status_lines->columns - 1,
            line);
    status_lines->lines++;
}

void md_status_lines_draw(struct md_status_lines *status_lines, const char *text) {
    char *all = NULL;
    size_t size = 0;
    FILE *to =
        status_lines->is_on ? open_memstream(&all, &size) : NULL; /* one write does not flicker */
    if (to == NULL)
        return;
    erase(status_lines, to);
    for (const char *line = text; *line != '\0';) {
        int length = (int)strcspn(line, "\n");
        draw_line(status_lines, line, length, to);
        line += length + (line[length] == '\n');
    }
    if (status_lines->shows_stop && status_lines->lines + 1 < status_lines->rows)
        draw_line(status_lines, md_stop_message, (int)strlen(md_stop_message), to);
    if (fclose(to) == 0)
        fwrite(all, 1, size, stderr);
    free(all);
}

void md_status_lines_clear(struct md_status_lines *status_lines) {
    erase(status_lines, stderr);
}
