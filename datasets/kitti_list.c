/* Which frames a split of a KITTI set means: a part of the drives (or frames, without drives),
 * some of them, or a list in a file. What has no depth of the wanted kind is no sample, unless it
 * is named: then that is an error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/namelist.h"
#include "kitti.h"

/* ---- drives ---------------------------------------------------------------------------------- */

/* Whether it begins like 2011_09_26. */
static bool is_day(const char *name) {
    static const char form[MD_KITTI_DAY_LENGTH + 1] = "dddd_dd_dd";
    for (int i = 0; i < MD_KITTI_DAY_LENGTH; i++)
        if (form[i] == 'd' ? name[i] < '0' || name[i] > '9' : name[i] != form[i])
            return false;
    return true;
}

/* DAY_drive_NAME_sync, or what may follow the name instead: _extract is not rectified. */
static bool is_drive(const char *name, const char *suffix) {
    const size_t length = strlen(name), end = strlen(suffix);
    return is_day(name) && strncmp(name + MD_KITTI_DAY_LENGTH, "_drive_", 7) == 0 &&
           length < MD_KITTI_DRIVE_SIZE && strcmp(name + length - end, suffix) == 0;
}

/* Finds the drives in root/below, and in the folders of days, train and val there when `below` is
 * empty. */
static int find_drives(struct md_source *source, const char *below, struct md_error *error) {
    char path[MD_PATH_MAX];
    struct md_names names = {0};
    int status = md_path_format(path, error, "%s/%s", source->spec.root, below);
    MD_THEN(status, md_names_of_folder(path, &names, error));
    if (status != MD_OK)
        return status;
    for (size_t i = 0; i < names.count && status == MD_OK; i++) {
        const char *name = names.names[i];
        size_t index;
        bool holds_drives = (is_day(name) && name[MD_KITTI_DAY_LENGTH] == 0) ||
                            strcmp(name, "train") == 0 || strcmp(name, "val") == 0;
        if (is_drive(name, "_sync")) {
            status = md_kitti_find_view(source, name, 0, &index, error);
        } else if (is_drive(name, "_extract")) {
            md_unused_add(&source->unused, MD_UNUSED_FOLDER, name);
        } else if (below[0] == 0 && holds_drives) {
            status = md_path_format(path, error, "%s/%s", source->spec.root, name);
            if (status == MD_OK && md_is_folder(path))
                status = find_drives(source, name, error);
        }
    }
    md_names_free(&names);
    return status;
}

static int compare_views(const void *a, const void *b) {
    const struct md_kitti_view *left = a, *right = b;
    return strcmp(left->drive, right->drive);
}

/* Adds all frames of the drives that have pictures and, numbered from 0, are in the residues. */
static int add_drives(struct md_source *source, unsigned residues, struct md_error *error) {
    struct md_kitti_listing *listing = source->state;
    size_t number = 0;
    int status = MD_OK;
    if (listing->count > 0)
        qsort(listing->views, listing->count, sizeof *listing->views, compare_views);
    for (size_t i = 0; i < listing->count && status == MD_OK; i++)
        if (!listing->views[i].prefix[MD_DEPTH_AUTO])
            md_unused_add(&source->unused, MD_UNUSED_FOLDER, listing->views[i].drive);
        else if (md_residues_have(residues, number++))
            status = md_kitti_add_view(source, i, MD_SPLIT_ALL, error);
    if (status == MD_OK && number == 0)
        status = md_fail(error, MD_FAILED,
                         "%s: expected drives (2011_09_26/2011_09_26_drive_0001_sync/image_02/data "
                         "and the like), found none",
                         source->spec.root);
    return status;
}

static int has_folder(const struct md_source *source, const char *name, bool *has,
                      struct md_error *error) {
    char path[MD_PATH_MAX];
    int status = md_path_format(path, error, "%s/%s", source->spec.root, name);
    *has = status == MD_OK && md_is_folder(path);
    return status;
}

/* train, val and test: what the depth benchmark says where its folders are there, otherwise the
 * drives that md_split_residues says. */
static int add_split_of_drives(struct md_source *source, unsigned residues,
                               struct md_error *error) {
    const char *split = source->spec.split;
    bool train, val, own = false;
    int status = has_folder(source, "train", &train, error);
    MD_THEN(status, has_folder(source, "val", &val, error));
    if (status != MD_OK)
        return status;
    if (residues == MD_SPLIT_ALL || !(train || val)) {
        status = find_drives(source, "", error);
        return status == MD_OK ? add_drives(source, residues, error) : status;
    }
    status = has_folder(source, split, &own, error);
    if (status == MD_OK && !own)
        return md_fail(error, MD_FAILED,
                       "%s: expected a folder %s beside those of the depth benchmark's, found "
                       "none: name drives, or a file of frames",
                       source->spec.root, split);
    MD_THEN(status, find_drives(source, split, error));
    return status == MD_OK ? add_drives(source, MD_SPLIT_ALL, error) : status;
}

/* The last part of a path, which slashes may end. */
static const char *last_part(char *path) {
    for (size_t length = strlen(path); length > 1 && path[length - 1] == '/';)
        path[--length] = 0;
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int add_named_drive(void *context, char *name, struct md_error *error) {
    struct md_source *source = context;
    const struct md_kitti_listing *listing = source->state;
    const char *drive = last_part(name);
    const size_t before = listing->count;
    size_t index;
    if (!is_drive(drive, "_sync"))
        return md_fail(error, MD_USAGE,
                       "split: expected all, train, val, test, @FILE or a drive like "
                       "2011_09_26_drive_0001_sync, found \"%.100s\"",
                       drive);
    MD_TRY(md_kitti_find_view(source, drive, 0, &index, error));
    if (index < before)
        return md_fail(error, MD_USAGE, "split: the drive %s is named twice", drive);
    if (!listing->views[index].prefix[MD_DEPTH_AUTO])
        return md_fail(error, MD_FAILED, "%s: expected %.10s/%s/image_02/data, found none",
                       source->spec.root, drive, drive);
    return md_kitti_add_view(source, index, MD_SPLIT_ALL, error);
}

/* ---- frames in a list ------------------------------------------------------------------------ */

enum { MOST_WORDS = 3 };

/* DAY/DRIVE/image_02/data/FRAME.png */
static int add_picture_path(struct md_source *source, char *path, struct md_error *error) {
    const struct md_kitti_layout *layout = source->reader->layout;
    static const char *const cameras[2] = {"/image_02/data/", "/image_03/data/"};
    for (int camera = 0; camera < 2; camera++) {
        char *middle = strstr(path, cameras[camera]);
        int64_t frame = middle ? md_kitti_frame(layout, middle + strlen(cameras[camera])) : -1;
        if (!middle)
            continue;
        *middle = 0;
        const char *drive = last_part(path);
        if (frame >= 0 && is_drive(drive, "_sync"))
            return md_kitti_add_frame(source, drive, camera, frame, error);
        *middle = '/';
    }
    return md_fail(error, MD_FAILED, "expected DAY/DRIVE/image_02/data/FRAME.png, found \"%.200s\"",
                   path);
}

/* A line of a list for sets with drives. Lists are about in two forms: "folder frame side" with
 * side l or r (Zhou's, Godard's later ones), and the picture's path, which may be followed by that
 * of its depth ("None": the frame is none of the list's), of the right picture, and the focal
 * length; those are not needed. */
static int add_line(void *source, char *line, struct md_error *error) {
    char *words[MOST_WORDS] = {line, line, line}, shown[100];
    int64_t frame;
    snprintf(shown, sizeof shown, "%s", line);
    int count = md_split_words(line, " \t", MOST_WORDS, words);
    if (strstr(words[0], "/data/"))
        return count > 1 && strcmp(words[1], "None") == 0
                   ? MD_OK
                   : add_picture_path(source, words[0], error);
    const char *end = count == 3 ? md_parse_integer(words[1], &frame) : NULL;
    const char *drive = last_part(words[0]);
    if (!end || *end != 0 || frame < 0 || !is_drive(drive, "_sync") ||
        (strcmp(words[2], "l") != 0 && strcmp(words[2], "r") != 0))
        return md_fail(error, MD_FAILED,
                       "expected \"DAY/DRIVE FRAME l\" (or r) or a picture's path, found \"%s\"",
                       shown);
    return md_kitti_add_frame(source, drive, words[2][0] == 'r', frame, error);
}

/* A frame's number, for sets without drives. */
static int add_number(void *context, char *number, struct md_error *error) {
    struct md_source *source = context;
    const struct md_kitti_layout *layout = source->reader->layout;
    int64_t frame = md_kitti_frame(layout, number);
    if (frame < 0 || number[layout->digits] != 0)
        return md_fail(error, MD_USAGE, "split: expected a frame of %d digits, found \"%.100s\"",
                       layout->digits, number);
    return md_kitti_add_frame(source, "", 0, frame, error);
}

static int add_split_of_frames(struct md_source *source, unsigned residues,
                               struct md_error *error) {
    const struct md_kitti_listing *listing = source->state;
    const struct md_kitti_layout *layout = source->reader->layout;
    struct md_kitti_path path;
    size_t index;
    int status = md_kitti_find_view(source, "", 0, &index, error);
    if (status == MD_OK && listing->views[index].prefix[MD_DEPTH_AUTO])
        return md_kitti_add_view(source, index, residues, error);
    MD_THEN(status, md_kitti_path(source, &listing->views[index], layout->prefixes[0],
                                  layout->pictures[0], 0, &path, error));
    return status == MD_OK ? md_fail(error, MD_FAILED,
                                     "expected pictures like %s, found no such folder", path.text)
                           : status;
}

int md_kitti_list(struct md_source *source, struct md_error *error) {
    const struct md_kitti_layout *layout = source->reader->layout;
    struct md_kitti_listing *listing = calloc(1, sizeof *listing);
    const char *split = source->spec.split;
    const int depth = source->spec.depth;
    MD_TRY(md_check_memory(listing != NULL, error));
    source->state = listing;
    if (depth != MD_DEPTH_AUTO && !layout->depths[depth])
        return md_fail(error, MD_USAGE, "depth: the set %s has no %s", source->spec.set,
                       md_depth_source_names[depth]);
    if (!md_is_folder(source->spec.root))
        return md_fail(error, MD_FAILED, "root: %s is no folder", source->spec.root);
    unsigned residues = md_split_residues(split);
    if (residues != 0)
        return layout->drives ? add_split_of_drives(source, residues, error)
                              : add_split_of_frames(source, residues, error);
    return split[0] == '@'
               ? md_names_each_line(split + 1, layout->drives ? add_line : add_number, source,
                                    error)
               : md_names_each(split, layout->drives ? add_named_drive : add_number, source, error);
}
