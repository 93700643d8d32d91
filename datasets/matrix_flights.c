/* A flight is a folder that holds state_ToF.csv and images/. The forms of a split:
 *
 *     all                 every flight, the root itself or up to 3 folders below it, by path
 *     train, val, test, fold0 .. fold3, rest0 .. rest3
 *                         those of all flights that md_split_residues says
 *     A, or A,B,C         these flights (paths relative to root, "." for root itself), in this
 *                         order
 *     @FILE               the same, one a line, as md_names_each_line reads them
 */
#include "matrix_flights.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "readers.h"

#define MAX_DEPTH 3

static bool is_flight(const char *folder) {
    char csv[MD_PATH_MAX], images[MD_PATH_MAX];
    struct md_error ignored;
    if (md_path_format(csv, &ignored, "%s/state_ToF.csv", folder) != MD_OK ||
        md_path_format(images, &ignored, "%s/images", folder) != MD_OK)
        return false;
    md_path_find_ending(csv);
    return md_is_file(csv) && md_is_folder(images);
}

/* --- all flights below a folder --- */

/* A folder that is being searched. */
struct searched {
    const struct searched *above;
    dev_t device;
    ino_t number;
    int depth; /* 0: the root */
};

/* Through a link. */
static bool leads_back(const struct searched *here) {
    for (const struct searched *above = here->above; above; above = above->above)
        if (above->device == here->device && above->number == here->number)
            return true;
    return false;
}

/* Adds `relative` when it is a flight, otherwise the flights in it. What is no folder, but for the
 * root, is passed over. */
static int search(const char *root, const char *relative, const struct searched *above,
                  struct md_names *flights, struct md_error *error) {
    char path[MD_PATH_MAX];
    struct md_names names = {0};
    struct stat information;
    MD_TRY(md_path_format(path, error, "%s/%s", root, relative));
    if (stat(path, &information) != 0) /* a link that leads nowhere is no folder */
        return above && errno != EACCES
                   ? MD_OK
                   : md_fail(error, MD_FAILED, "cannot read %s: %s", path, strerror(errno));
    if (above && !S_ISDIR(information.st_mode))
        return MD_OK;
    if (is_flight(path))
        return md_names_add(flights, relative, error);
    const struct searched here = {above, information.st_dev, information.st_ino,
                                  above ? above->depth + 1 : 0};
    if (here.depth == MAX_DEPTH || leads_back(&here))
        return MD_OK;
    int status = md_names_of_folder(path, &names, error);
    for (size_t i = 0; i < names.count && status == MD_OK; i++) {
        char below[MD_PATH_MAX];
        bool at_root = strcmp(relative, ".") == 0;
        status = md_path_format(below, error, "%s%s%s", at_root ? "" : relative, at_root ? "" : "/",
                                names.names[i]);
        MD_THEN(status, search(root, below, &here, flights, error));
    }
    md_names_free(&names);
    return status;
}

static void keep_residues(struct md_names *flights, unsigned residues) {
    size_t kept = 0;
    for (size_t i = 0; i < flights->count; i++) {
        if (md_residues_have(residues, i))
            flights->names[kept++] = flights->names[i];
        else
            free(flights->names[i]);
    }
    flights->count = kept;
}

static int find_split(const char *root, const char *split, struct md_names *flights,
                      struct md_error *error) {
    MD_TRY(search(root, ".", NULL, flights, error));
    if (flights->count == 0)
        return md_fail(error, MD_FAILED,
                       "%s: no flight (a folder with state_ToF.csv and images/) within %d folders",
                       root, MAX_DEPTH);
    size_t found = flights->count;
    md_names_sort(flights, 0); /* by whole paths, not folder by folder */
    keep_residues(flights, md_split_residues(split));
    if (flights->count == 0)
        return md_fail(error, MD_FAILED, "%s: its %zu flights leave none for %s", root, found,
                       split);
    return MD_OK;
}

/* --- flights given by name --- */

struct flights_of {
    const char *root;
    struct md_names *flights;
};

static int add_named(void *context, char *name, struct md_error *error) {
    const struct flights_of *of = context;
    char path[MD_PATH_MAX];
    MD_TRY(md_path_format(path, error, "%s/%s", of->root, name));
    if (!is_flight(path))
        return md_fail(error, MD_FAILED,
                       "%s is no flight: expected state_ToF.csv and images/ in it", path);
    return md_names_add(of->flights, name, error);
}

static int find_flights(const char *root, const char *split, struct md_names *flights,
                        struct md_error *error) {
    if (md_split_residues(split) != 0)
        return find_split(root, split, flights, error);
    return md_split_each(split, add_named, &(struct flights_of){root, flights}, error);
}

int md_flights_find(const char *root, const char *split, struct md_names *flights,
                    struct md_error *error) {
    *flights = (struct md_names){0};
    int status = find_flights(root, split, flights, error);
    if (status != MD_OK)
        md_names_free(flights);
    return status;
}
