#include "namelist.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

int md_names_add(struct md_names *names, const char *name, struct md_error *error) {
    if (names->count == names->capacity) {
        size_t wanted = names->capacity ? 2 * names->capacity : 16;
        char **moved = realloc(names->names, wanted * sizeof *moved);
        if (!moved)
            return md_fail(error, MD_FAILED, "out of memory for %zu names", wanted);
        names->names = moved;
        names->capacity = wanted;
    }
    char *copy = strdup(name);
    if (!copy)
        return md_fail(error, MD_FAILED, "out of memory for the name %s", name);
    names->names[names->count++] = copy;
    return MD_OK;
}

void md_names_free(struct md_names *names) {
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    *names = (struct md_names){0};
}

static int compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int md_names_of_folder(const char *path, struct md_names *names, struct md_error *error) {
    const size_t before = names->count;
    int status = MD_OK;
    DIR *folder = opendir(path);
    if (!folder)
        return md_fail(error, MD_FAILED, "cannot read the folder %s: %s", path, strerror(errno));
    for (struct dirent *entry; status == MD_OK && (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            status = md_names_add(names, entry->d_name, error);
    closedir(folder);
    if (names->count > before)
        qsort(names->names + before, names->count - before, sizeof *names->names, compare);
    return status;
}

/* --- splits --- */

struct use {
    int (*use)(void *context, const char *name, struct md_error *error);
    void *context;
    struct md_names seen;
};

static int use_name(struct use *use, char *name, struct md_error *error) {
    name = md_trim(name);
    for (size_t length = strlen(name); length > 1 && name[length - 1] == '/';)
        name[--length] = 0;
    if (name[0] == 0)
        return md_fail(error, MD_USAGE, "split: expected a name, found nothing");
    for (size_t i = 0; i < use->seen.count; i++)
        if (strcmp(use->seen.names[i], name) == 0)
            return md_fail(error, MD_USAGE, "split: %s is named twice", name);
    int status = md_names_add(&use->seen, name, error);
    return status == MD_OK ? use->use(use->context, name, error) : status;
}

static int use_list(struct use *use, const char *split, struct md_error *error) {
    char *list = strdup(split);
    if (!list)
        return md_fail(error, MD_FAILED, "out of memory for the split");
    int status = MD_OK;
    for (char *name = list; name && status == MD_OK;) {
        char *comma = strchr(name, ',');
        if (comma)
            *comma++ = 0;
        status = use_name(use, name, error);
        name = comma;
    }
    free(list);
    return status;
}

static int use_file(struct use *use, const char *path, struct md_error *error) {
    struct md_text text;
    int status = md_text_open(path, &text, error);
    if (status != MD_OK)
        return status;
    for (char *line; status == MD_OK && (line = md_text_line(&text));) {
        line[strcspn(line, "#")] = 0;
        if (*md_trim(line) == 0)
            continue;
        status = use_name(use, line, error);
        if (status != MD_OK)
            md_fail_at_line(error, status, path, text.line);
    }
    md_text_close(&text);
    if (status == MD_OK && use->seen.count == 0)
        return md_fail(error, MD_FAILED, "%s: expected names, found none", path);
    return status;
}

int md_split_each(const char *split,
                  int (*use)(void *context, const char *name, struct md_error *error),
                  void *context, struct md_error *error) {
    struct use each = {use, context, {0}};
    int status =
        split[0] == '@' ? use_file(&each, split + 1, error) : use_list(&each, split, error);
    md_names_free(&each.seen);
    return status;
}

int md_split_check_name(const char *split, struct md_error *error) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_-";
    if (split[0] != 0 && split[strspn(split, allowed)] == 0)
        return MD_OK;
    return md_fail(error, MD_USAGE, "split: expected letters, digits, _ and -, found \"%s\"",
                   split);
}
