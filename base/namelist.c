#include "namelist.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "grow.h"

int md_names_add(struct md_names *names, const char *name, struct md_error *error) {
    char **grown = md_grow(names->names, names->count, &names->capacity, sizeof *grown, error);
    if (!grown)
        return MD_FAILED;
    names->names = grown;
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

void md_names_sort(struct md_names *names, size_t first) {
    if (names->count > first)
        qsort(names->names + first, names->count - first, sizeof *names->names, compare);
}

int md_names_have(const struct md_names *names, const char *name) {
    return names->count > 0 &&
           bsearch(&name, names->names, names->count, sizeof *names->names, compare) != NULL;
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
    md_names_sort(names, before);
    return status;
}

int md_find_name(const char *const *names, const char *text) {
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    return -1;
}

void md_join_names(const char *const *names, const char *last, char *text, size_t size) {
    text[0] = '\0';
    for (int i = 0; names[i] != NULL; i++)
        snprintf(text + strlen(text), size - strlen(text), "%s%s",
                 i == 0                 ? ""
                 : names[i + 1] == NULL ? last
                                        : ", ",
                 names[i]);
}

/* --- what a split names --- */

/* Ends the line where its comment begins: at its start or behind a space ("room#3" is a name). */
static void cut_comment(char *line) {
    for (char *c = line; *c; c++)
        if (*c == '#' && (c == line || c[-1] == ' ' || c[-1] == '\t'))
            *c = 0;
}

int md_names_each_line(const char *path, md_use_name *use, void *context, struct md_error *error) {
    struct md_text text;
    size_t used = 0;
    MD_TRY(md_text_open(path, &text, error));
    int status = MD_OK;
    for (char *line; status == MD_OK && (line = md_text_line(&text));) {
        cut_comment(line);
        line = md_trim(line);
        if (*line == 0)
            continue;
        used++;
        status = use(context, line, error);
        if (status != MD_OK)
            md_fail_at_line(error, status, path, text.line);
    }
    md_text_close(&text);
    if (status == MD_OK && used == 0)
        return md_fail(error, MD_FAILED, "%s: expected names, found none", path);
    return status;
}

int md_names_each(const char *list, md_use_name *use, void *context, struct md_error *error) {
    char *copy = strdup(list), *rest = copy;
    MD_TRY(md_check_memory(copy != NULL, error));
    int status = MD_OK;
    for (char *name; status == MD_OK && (name = md_next_field(&rest));)
        status = *name
                     ? use(context, name, error)
                     : md_fail(error, MD_USAGE, "\"%.100s\": expected a name, found nothing", list);
    free(copy);
    return status;
}

struct unique {
    md_use_name *use;
    void *context;
    struct md_names seen;
};

static int use_once(void *context, char *name, struct md_error *error) {
    struct unique *unique = context;
    for (size_t length = strlen(name); length > 1 && name[length - 1] == '/';)
        name[--length] = 0;
    for (size_t i = 0; i < unique->seen.count; i++)
        if (strcmp(unique->seen.names[i], name) == 0)
            return md_fail(error, MD_USAGE, "split: %s is named twice", name);
    MD_TRY(md_names_add(&unique->seen, name, error));
    return unique->use(unique->context, name, error);
}

int md_split_each(const char *split, md_use_name *use, void *context, struct md_error *error) {
    struct unique unique = {use, context, {0}};
    int status = split[0] == '@' ? md_names_each_line(split + 1, use_once, &unique, error)
                                 : md_names_each(split, use_once, &unique, error);
    md_names_free(&unique.seen);
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
