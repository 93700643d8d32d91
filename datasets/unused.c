#include "unused.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *one, *more;
} whats[MD_UNUSED_WHYS] = {
    [MD_UNUSED_ENDING] = {"file with another ending", "files with other endings"},
    [MD_UNUSED_NAME] = {"file of another name", "files of other names"},
    [MD_UNUSED_PICTURE] = {"picture without a depth", "pictures without a depth"},
    [MD_UNUSED_DEPTH] = {"depth without a picture", "depths without a picture"},
    [MD_UNUSED_ZONES] = {"picture with too few valid zones", "pictures with too few valid zones"},
    [MD_UNUSED_FOLDER] = {"folder without a recording", "folders without a recording"},
    [MD_UNUSED_COLUMN] = {"column", "columns"},
};

const char *md_unused_what(const struct md_unused *unused, enum md_unused_why why) {
    return unused->count[why] == 1 ? whats[why].one : whats[why].more;
}

/* The ending of a path's file, with its dot; "none". */
static const char *ending_of(const char *path) {
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    return dot != NULL && (slash == NULL || dot > slash) ? dot : "none";
}

/* Whether one of the texts with ", " between is `name`. */
static int is_shown(const char *shown, const char *name) {
    for (size_t length = strlen(name); shown != NULL; shown = strchr(shown, ',')) {
        shown += strspn(shown, ", ");
        if (strncmp(shown, name, length) == 0 && (shown[length] == ',' || shown[length] == 0))
            return 1;
    }
    return 0;
}

void md_unused_add(struct md_unused *unused, enum md_unused_why why, const char *name) {
    char *shown = unused->shown[why];
    const size_t used = strlen(shown);
    unused->count[why]++;
    name = why == MD_UNUSED_ENDING ? ending_of(name) : name;
    if (why == MD_UNUSED_ENDING && is_shown(shown, name))
        return;
    /* What does not fit leaves "..." behind, and nothing follows that. */
    const char *comma = used > 0 ? ", " : "";
    if (used + strlen(comma) + strlen(name) + strlen(", ...") < MD_UNUSED_SHOWN)
        snprintf(shown + used, MD_UNUSED_SHOWN - used, "%s%s", comma, name);
    else if (used < 3 || strcmp(shown + used - 3, "...") != 0)
        snprintf(shown + used, MD_UNUSED_SHOWN - used, "%s...", comma);
}
