#define _DEFAULT_SOURCE /* struct winsize */
#include "live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "command.h"

const char md_stop_message[] =
    "stopping: what is under way is finished and kept; a second signal ends it at once";

struct md_live md_live_open(void) {
    const char *terminal = getenv("TERM");
    struct md_live live = {.is_on = isatty(STDERR_FILENO) && terminal != NULL &&
                                    terminal[0] != '\0' && strcmp(terminal, "dumb") != 0};
    md_live_measure(&live);
    return live;
}

void md_live_measure(struct md_live *live) {
    struct winsize size;
    int known = live->is_on && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0;
    live->rows = known && size.ws_row > 0 ? size.ws_row : 24;
    live->columns = known && size.ws_col > 0 ? size.ws_col : 80;
}

/* Cursor to the first of the lines, then everything from there on is erased: also what a handler
 * has said below them. */
static void erase(struct md_live *live, FILE *to) {
    int said = md_stop_requested && !live->stops;
    if (live->lines > 0)
        fprintf(to, "\r\033[%dA\033[J", live->lines + said);
    live->stops = md_stop_requested != 0;
    live->lines = 0;
}

static void draw_line(struct md_live *live, const char *line, int length, FILE *to) {
    /* The last column stays free: behind it some terminals begin a line by themselves. */
    fprintf(to, "%.*s\n", length < live->columns ? length : live->columns - 1, line);
    live->lines++;
}

void md_live_draw(struct md_live *live, const char *text) {
    char *all = NULL;
    size_t size = 0;
    FILE *to = live->is_on ? open_memstream(&all, &size) : NULL; /* one write does not flicker */
    if (to == NULL)
        return;
    erase(live, to);
    for (const char *line = text; *line != '\0';) {
        int length = (int)strcspn(line, "\n");
        draw_line(live, line, length, to);
        line += length + (line[length] == '\n');
    }
    if (live->stops && live->lines + 1 < live->rows)
        draw_line(live, md_stop_message, (int)strlen(md_stop_message), to);
    if (fclose(to) == 0)
        fwrite(all, 1, size, stderr);
    free(all);
}

void md_live_clear(struct md_live *live) {
    erase(live, stderr);
}
