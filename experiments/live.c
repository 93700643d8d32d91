#define _DEFAULT_SOURCE /* struct winsize */
#include "live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

/* Cursor to the first of the lines, then everything from there on is erased. */
static void erase(const struct md_live *live, FILE *to) {
    if (live->lines > 0)
        fprintf(to, "\r\033[%dA\033[J", live->lines);
}

void md_live_draw(struct md_live *live, const char *text) {
    char *all = NULL;
    size_t size = 0;
    FILE *to = live->is_on ? open_memstream(&all, &size) : NULL; /* one write does not flicker */
    if (to == NULL)
        return;
    erase(live, to);
    live->lines = 0;
    for (const char *line = text; *line != '\0'; live->lines++) {
        int length = (int)strcspn(line, "\n");
        /* The last column stays free: behind it some terminals begin a line by themselves. */
        fprintf(to, "%.*s\n", length < live->columns ? length : live->columns - 1, line);
        line += length + (line[length] == '\n');
    }
    if (fclose(to) == 0)
        fwrite(all, 1, size, stderr);
    free(all);
}

void md_live_clear(struct md_live *live) {
    erase(live, stderr);
    live->lines = 0;
}
