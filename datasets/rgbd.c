/* Folders of pictures with a 16-bit PNG of depths for each, as several data sets have them. A table
 * says where in a folder a layout has its pictures, and where the depth of each; such folders are
 * looked for at and below the root. Depths are in units of which spec.depth_per_m are a metre. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/namelist.h"
#include "associate.h"
#include "readers.h"

static const char *const png_ending[] = {".png", NULL};

enum { MOST_FORMS = 2, MOST_FOLDERS_DEEP = 8 };

/* Paths in a folder, without .png (pictures: or .jpg or .jpeg). '#' stands for what is the same in
 * both names, '*' for the only PNG there. */
struct form {
    const char *picture;
    const char *depth;
    const char *raw; /* depth with the sensor's holes when `depth` has them filled; or NULL */
};

struct layout {
    const char *example; /* of a picture and its depth, for errors */
    struct form forms[MOST_FORMS];
    int rotate;     /* bits to the right that a value is turned by */
    bool sequences; /* train and test are those that TrainSplit.txt and TestSplit.txt name */
    bool timed;     /* the first form may have names that are times */
};

static const struct layout nyu_layout = {
    .example = "color/0001.png and ../depth/000001.png",
    .forms = {{"color/#", "../depth/00#", NULL}},
};
static const struct layout sevenscenes_layout = {
    .example = "frame-000001.color.png and frame-000001.depth.png",
    .forms = {{"frame-#.color", "frame-#.depth", NULL}},
    .sequences = true,
};
static const struct layout sunrgbd_layout = {
    .example = "image/1.jpg and depth_bfx/1.png or depth/1.png",
    .forms = {{"image/#", "depth_bfx/*", "depth/*"}},
    .rotate = 3,
};
static const struct layout rgbd_layout = {
    .example = "rgb/1.png and depth/1.png, or rgb.png and depth.png",
    .forms = {{"rgb/#", "depth/#", NULL}, {"rgb", "depth", NULL}},
    .timed = true,
};

/* A reader's state. An entry's name is the path of its picture. Its number is that of the form, or
 * MOST_FORMS and more where its depth's path is among `depths`. All paths are relative to the root.
 */
struct folders {
    bool raw;
    struct md_names depths;
    struct md_names seen;  /* all files in the folders that were looked into */
    struct md_names used;  /* of them those that belong to samples; of a form with '*': folders */
    const char *sequences; /* name of the file that lists those that are wanted; NULL: all are */
    bool found_sequences;
};

/* --- patterns --- */

/* The part of a pattern behind its folder. */
static const char *file_part(const char *pattern) {
    const char *slash = strrchr(pattern, '/');
    return slash ? slash + 1 : pattern;
}

/* Whether the picture's name fits the pattern (without folders, both), and what '#' stands for. */
static bool match(const char *pattern, const char *name, const char **stem, size_t *stem_length) {
    const size_t length = md_bare_length(name, md_picture_endings);
    const size_t before = strcspn(pattern, "#");
    const char *after = pattern + before + (pattern[before] == '#');
    const bool variable = pattern[before] == '#';
    const size_t fixed = before + strlen(after);
    if (variable ? length <= fixed : length != fixed || length == 0)
        return false;
    *stem = name + before;
    *stem_length = length - fixed;
    return memcmp(name, pattern, before) == 0 &&
           memcmp(name + length - strlen(after), after, strlen(after)) == 0;
}

/* --- listing --- */

/* Adds the pictures of one form among the files of a folder. */
static int add_pictures(struct md_source *source, size_t form, const char *folder,
                        const struct md_names *files, struct md_error *error) {
    const struct layout *layout = source->reader->layout;
    const char *pattern = file_part(layout->forms[form].picture), *stem;
    for (size_t i = 0; i < files->count; i++) {
        char name[MD_PATH_MAX];
        size_t stem_length;
        if (!match(pattern, files->names[i], &stem, &stem_length))
            continue;
        MD_TRY(md_path_format(name, error, "%s%s", folder, files->names[i]));
        MD_TRY(md_source_add(source, name, form, error));
    }
    return MD_OK;
}

/* Adds the pictures of one form that belong to a folder: they lie in it, or in one below it. */
static int add_form(struct md_source *source, size_t form, const char *folder,
                    const struct md_names *files, struct md_error *error) {
    const struct layout *layout = source->reader->layout;
    const char *pattern = layout->forms[form].picture;
    char below[MD_PATH_MAX], path[MD_PATH_MAX];
    struct md_names files_below = {0};
    if (file_part(pattern) == pattern)
        return add_pictures(source, form, folder, files, error);
    int status = md_path_format(below, error, "%s%.*s", folder, (int)(file_part(pattern) - pattern),
                                pattern);
    MD_THEN(status, md_path_format(path, error, "%s/%s", source->spec.root, below));
    if (status != MD_OK || !md_is_folder(path))
        return status;
    status = md_names_of_folder(path, &files_below, error);
    MD_THEN(status, add_pictures(source, form, below, &files_below, error));
    md_names_free(&files_below);
    return status;
}

/* Adds what was paired by times: pictures and depths, relative to the folder, one behind the other.
 */
static int add_pairs(struct md_source *source, const char *folder, const struct md_names *pairs,
                     struct md_error *error) {
    struct folders *folders = source->state;
    char path[MD_PATH_MAX];
    int status = MD_OK;
    for (size_t i = 0; i < pairs->count && status == MD_OK; i++) {
        status = md_path_format(path, error, "%s%s", folder, pairs->names[i]);
        if (status == MD_OK && i % 2 == 0)
            status = md_source_add(source, path, MOST_FORMS + folders->depths.count, error);
        else if (status == MD_OK)
            status = md_names_add(&folders->depths, path, error);
    }
    return status;
}

static int add_used(struct md_source *source, const char *folder, const struct md_names *lists,
                    struct md_error *error) {
    struct folders *folders = source->state;
    char path[MD_PATH_MAX];
    for (size_t i = 0; i < lists->count; i++) {
        MD_TRY(md_path_format(path, error, "%s%s", folder, lists->names[i]));
        MD_TRY(md_names_add(&folders->used, path, error));
    }
    return MD_OK;
}

/* Adds the pictures of a folder whose names are times. `found`: it is one. */
static int add_timed(struct md_source *source, const char *folder, int *found,
                     struct md_error *error) {
    struct md_names pairs = {0}, lists = {0};
    char path[MD_PATH_MAX];
    int status = md_path_format(path, error, "%s/%.*s", source->spec.root,
                                folder[0] ? (int)strlen(folder) - 1 : 0, folder);
    MD_THEN(status, md_associate(path, &pairs, &lists, found, error));
    MD_THEN(status, add_pairs(source, folder, &pairs, error));
    MD_THEN(status, add_used(source, folder, &lists, error));
    md_names_free(&pairs);
    md_names_free(&lists);
    return status;
}

static int add_folder(struct md_source *source, const char *folder, int deep,
                      struct md_error *error);

/* Adds the sequences that a scene's list names: "sequence1" is the folder seq-01. */
static int add_sequences(struct md_source *source, const char *scene, const char *list, int deep,
                         struct md_error *error) {
    struct folders *folders = source->state;
    const char *sequences = folders->sequences, word[] = "sequence";
    char path[MD_PATH_MAX], folder[MD_PATH_MAX];
    struct md_text text;
    int status = md_path_format(path, error, "%s/%s%s", source->spec.root, scene, list);
    MD_THEN(status, md_text_open(path, &text, error));
    if (status != MD_OK)
        return status;
    folders->sequences = NULL; /* in them: everything */
    folders->found_sequences = true;
    for (char *line; status == MD_OK && (line = md_text_line(&text));) {
        int64_t number = -1;
        const char *end = strncmp(line, word, strlen(word)) == 0
                              ? md_parse_integer(line + strlen(word), &number)
                              : NULL;
        if (!end || *end != 0 || number < 0)
            status = md_fail(error, MD_FAILED, "expected sequenceN, found \"%.60s\"", line);
        else
            status = md_path_format(folder, error, "%sseq-%02d/", scene, (int)number);
        MD_THEN(status, add_folder(source, folder, deep, error));
        if (status != MD_OK)
            md_fail_at_line(error, status, path, text.line);
    }
    folders->sequences = sequences;
    md_text_close(&text);
    return status;
}

/* Adds the pictures of all forms that belong to a folder. */
static int add_forms(struct md_source *source, const char *folder, const struct md_names *files,
                     struct md_error *error) {
    const struct layout *layout = source->reader->layout;
    int timed = 0, status = MD_OK;
    if (layout->timed)
        status = add_timed(source, folder, &timed, error);
    for (size_t f = timed ? 1 : 0; f < MOST_FORMS && status == MD_OK && layout->forms[f].picture;
         f++)
        status = add_form(source, f, folder, files, error);
    return status;
}

/* A folder is looked into, a file is noted. */
static int add_below(struct md_source *source, const char *folder, const char *name, int deep,
                     struct md_error *error) {
    struct folders *folders = source->state;
    char below[MD_PATH_MAX], path[MD_PATH_MAX];
    MD_TRY(md_path_format(below, error, "%s%s", folder, name));
    MD_TRY(md_path_format(path, error, "%s/%s", source->spec.root, below));
    if (!md_is_folder(path))
        return md_names_add(&folders->seen, below, error);
    MD_TRY(md_path_format(path, error, "%s/", below));
    return add_folder(source, path, deep + 1, error);
}

static int add_what_is_in(struct md_source *source, const char *folder,
                          const struct md_names *files, int deep, struct md_error *error) {
    const struct folders *folders = source->state;
    int status = MD_OK;
    for (size_t i = 0; folders->sequences && i < files->count; i++)
        if (strcasecmp(files->names[i], folders->sequences) == 0)
            return add_sequences(source, folder, files->names[i], deep + 1, error);
    if (!folders->sequences)
        status = add_forms(source, folder, files, error);
    for (size_t i = 0; i < files->count && status == MD_OK; i++)
        status = add_below(source, folder, files->names[i], deep, error);
    return status;
}

/* Adds what belongs to a folder, "" or relative to the root with a slash at its end, and to those
 * in it, in the order of their names. */
static int add_folder(struct md_source *source, const char *folder, int deep,
                      struct md_error *error) {
    char path[MD_PATH_MAX];
    struct md_names files = {0};
    int status = md_path_format(path, error, "%s/%s", source->spec.root, folder);
    if (status == MD_OK && deep > MOST_FOLDERS_DEEP) /* or without end: links can lead back */
        status =
            md_fail(error, MD_FAILED, "%s: more than %d folders deep", path, MOST_FOLDERS_DEEP);
    MD_THEN(status, md_names_of_folder(path, &files, error));
    MD_THEN(status, add_what_is_in(source, folder, &files, deep, error));
    md_names_free(&files);
    return status;
}

static int no_pictures(const struct md_source *source, const char *folder, struct md_error *error) {
    const struct layout *layout = source->reader->layout;
    return md_fail(
        error, MD_FAILED, "%s%s%s: no pictures; set %s expects %s there or in folders below",
        source->spec.root, folder[0] ? "/" : "", folder, source->spec.set, layout->example);
}

static int add_named(void *context, char *name, struct md_error *error) {
    struct md_source *source = context;
    const size_t before = source->count;
    char folder[MD_PATH_MAX];
    int status = md_path_format(folder, error, "%s/", name);
    MD_THEN(status, add_folder(source, folder, 0, error));
    return status == MD_OK && source->count == before ? no_pictures(source, folder, error) : status;
}

/* Adds the sequences of all scenes. */
static int add_listed(struct md_source *source, const char *list, struct md_error *error) {
    struct folders *folders = source->state;
    folders->sequences = list;
    MD_TRY(add_folder(source, "", 0, error));
    if (!folders->found_sequences)
        return md_fail(error, MD_FAILED, "%s: no %s there or in folders below", source->spec.root,
                       list);
    return MD_OK;
}

static int list_split(struct md_source *source, struct md_error *error) {
    const struct layout *layout = source->reader->layout;
    static const char prefix[] = "raw:";
    const char *split = source->spec.split;
    struct folders *folders = calloc(1, sizeof *folders);
    MD_TRY(md_check_memory(folders != NULL, error));
    source->state = folders;
    folders->raw = strncmp(split, prefix, strlen(prefix)) == 0;
    split += folders->raw ? strlen(prefix) : 0;
    if (folders->raw && !layout->forms[0].raw)
        return md_fail(error, MD_USAGE, "split: set %s has one kind of depth, no raw one",
                       source->spec.set);
    if (layout->sequences && strcmp(split, "train") == 0)
        return add_listed(source, "TrainSplit.txt", error);
    if (layout->sequences && strcmp(split, "test") == 0)
        return add_listed(source, "TestSplit.txt", error);
    if (strcmp(split, "all") != 0)
        return md_split_each(split, add_named, source, error);
    int status = add_folder(source, "", 0, error);
    return status == MD_OK && source->count == 0 ? no_pictures(source, "", error) : status;
}

/* --- the depth of a picture --- */

/* How much of a picture's path is the folder that its form belongs to. */
static int base_length(const char *name, const char *pattern) {
    size_t length = strlen(name);
    for (int names = file_part(pattern) == pattern ? 1 : 2; names > 0; names--) {
        while (length > 0 && name[length - 1] == '/')
            length--;
        while (length > 0 && name[length - 1] != '/')
            length--;
    }
    return (int)length;
}

/* Where the pattern leads for a picture that fits its form: a PNG, or the folder of the file that
 * '*' stands for. */
static int expand(const struct form *form, const char *pattern, const char *name,
                  char path[MD_PATH_MAX], struct md_error *error) {
    const size_t before = strcspn(pattern, "#*");
    const char *stem = "", *after = pattern[before] ? pattern + before + 1 : "";
    size_t stem_length = 0;
    match(file_part(form->picture), file_part(name), &stem, &stem_length);
    if (pattern[before] != '#')
        stem_length = 0;
    return md_path_format(path, error, "%.*s%.*s%.*s%s%s", base_length(name, form->picture), name,
                          (int)before, pattern, (int)stem_length, stem, after,
                          pattern[before] == '*' ? "" : ".png");
}

/* The form of an entry; NULL: it was paired with its depth. */
static const struct form *form_of(const struct md_source *source, const struct md_entry *entry) {
    const struct layout *layout = source->reader->layout;
    return entry->number < MOST_FORMS ? &layout->forms[entry->number] : NULL;
}

static const char *paired_depth(const struct md_source *source, const struct md_entry *entry) {
    const struct folders *folders = source->state;
    return folders->depths.names[entry->number - MOST_FORMS];
}

/* --- what was passed over --- */

/* The path by which files are compared: folders that lead out again are left out, the ending is in
 * small letters. */
static void make_comparable(char *path) {
    for (char *up; (up = strstr(path, "/../")) != NULL && up != path;) {
        char *start = up;
        while (start > path && start[-1] != '/')
            start--;
        memmove(start, up + 4, strlen(up + 4) + 1);
    }
    for (char *c = strrchr(path, '.'); c && *c; c++)
        *c = (char)tolower(*c);
}

static int add_comparable(struct md_names *names, const char *path, struct md_error *error) {
    char comparable[MD_PATH_MAX];
    int status = md_path_format(comparable, error, "%s", path);
    if (status == MD_OK)
        make_comparable(comparable);
    return status == MD_OK ? md_names_add(names, comparable, error) : status;
}

/* Notes the files of an entry: the picture, and what there can be of depths. */
static int note_used(struct md_source *source, const struct md_entry *entry,
                     struct md_error *error) {
    struct folders *folders = source->state;
    const struct form *form = form_of(source, entry);
    char path[MD_PATH_MAX];
    int status = add_comparable(&folders->used, entry->name, error);
    if (status == MD_OK && form == NULL)
        return add_comparable(&folders->used, paired_depth(source, entry), error);
    const char *const patterns[] = {form->depth, form->raw, NULL};
    for (int p = 0; patterns[p] && status == MD_OK; p++) {
        status = expand(form, patterns[p], entry->name, path, error);
        MD_THEN(status, add_comparable(&folders->used, path, error));
    }
    return status;
}

/* Whether a file lies where the pattern leads. */
static bool fits(const char *pattern, const char *path) {
    const char *stem, *file = file_part(path), *folder = pattern, *slash = file_part(pattern);
    size_t stem_length;
    const bool any = strchr(pattern, '*') != NULL;
    if (!any && !match(slash, file, &stem, &stem_length))
        return false;
    folder += strncmp(folder, "../", 3) == 0 ? 3 : 0;
    const size_t length = (size_t)(slash - folder);
    return (size_t)(file - path) >= length && strncmp(file - length, folder, length) == 0;
}

static enum md_unused_why why_unused(const struct layout *layout, const char *path) {
    if (md_bare_length(path, md_picture_endings) == 0)
        return MD_UNUSED_ENDING;
    for (int f = 0; f < MOST_FORMS && layout->forms[f].picture; f++) {
        const struct form *form = &layout->forms[f];
        if (fits(form->depth, path) || (form->raw && fits(form->raw, path)))
            return md_bare_length(path, png_ending) ? MD_UNUSED_DEPTH : MD_UNUSED_ENDING;
        if (fits(form->picture, path))
            return MD_UNUSED_PICTURE;
    }
    return MD_UNUSED_NAME;
}

static bool is_used(const struct folders *folders, const char *path) {
    char comparable[MD_PATH_MAX];
    snprintf(comparable, sizeof comparable, "%s", path);
    make_comparable(comparable);
    if (md_names_have(&folders->used, comparable))
        return true;
    comparable[file_part(comparable) - comparable] = 0;
    return md_names_have(&folders->used, comparable);
}

static int find_unused(struct md_source *source, struct md_error *error) {
    struct folders *folders = source->state;
    int status = MD_OK;
    for (size_t i = 0; i < source->count && status == MD_OK; i++)
        status = note_used(source, &source->entries[i], error);
    md_names_sort(&folders->used, 0);
    for (size_t i = 0; i < folders->seen.count && status == MD_OK; i++)
        if (!is_used(folders, folders->seen.names[i]))
            md_unused_add(&source->unused,
                          why_unused(source->reader->layout, folders->seen.names[i]),
                          folders->seen.names[i]);
    md_names_free(&folders->seen);
    md_names_free(&folders->used);
    return status;
}

static int list(struct md_source *source, struct md_error *error) {
    MD_TRY(list_split(source, error));
    return find_unused(source, error);
}

/* --- reading --- */

/* Puts the name of the only PNG in the folder behind its path, which ends with a slash. */
static int find_only(char path[MD_PATH_MAX], struct md_error *error) {
    struct md_names files = {0};
    const char *only = NULL;
    int count = 0, status = md_names_of_folder(path, &files, error);
    for (size_t i = 0; i < files.count; i++)
        if (md_bare_length(files.names[i], png_ending) > 0) {
            only = files.names[i];
            count++;
        }
    if (status == MD_OK && count != 1)
        status = md_fail(error, MD_FAILED, "%s: expected one PNG, found %d", path, count);
    if (status == MD_OK) {
        char folder[MD_PATH_MAX];
        memcpy(folder, path, sizeof folder);
        status = md_path_format(path, error, "%s%s", folder, only);
    }
    md_names_free(&files);
    return status;
}

/* The path of the depth that belongs to a picture by its form: in the folder of the pattern, or of
 * the raw one where that folder is not there. */
static int find_by_form(const struct md_source *source, const struct form *form, const char *name,
                        char path[MD_PATH_MAX], struct md_error *error) {
    const struct folders *folders = source->state;
    const char *const patterns[] = {folders->raw ? form->raw : form->depth, form->raw};
    char relative[MD_PATH_MAX];
    int status = MD_OK;
    for (int p = 0; p < 2 && patterns[p] && status == MD_OK; p++) {
        status = expand(form, patterns[p], name, relative, error);
        MD_THEN(status, md_path_format(path, error, "%s/%s", source->spec.root, relative));
        if (status == MD_OK && strchr(patterns[p], '*') && md_is_folder(path))
            return find_only(path, error);
    }
    return status == MD_OK && form->raw ? find_only(path, error) : status;
}

static int find_depth(const struct md_source *source, const struct md_entry *entry,
                      char path[MD_PATH_MAX], struct md_error *error) {
    const struct form *form = form_of(source, entry);
    int status =
        form ? find_by_form(source, form, entry->name, path, error)
             : md_path_format(path, error, "%s/%s", source->spec.root, paired_depth(source, entry));
    if (status == MD_OK)
        md_path_find_ending(path);
    return status;
}

/* Both show the same view when their sides are in the same ratio, to 2 %. */
static int check_view(const struct md_image *picture, const struct md_depth_map *map,
                      struct md_error *error) {
    int64_t one = (int64_t)picture->width * map->height,
            other = (int64_t)picture->height * map->width;
    if (50 * llabs(one - other) <= one)
        return MD_OK;
    return md_fail(error, MD_FAILED, "expected the shape of the picture's %dx%d, found %dx%d",
                   picture->width, picture->height, map->width, map->height);
}

static int read_frame(struct md_source *source, const struct md_entry *entry,
                      struct md_image *picture, struct md_depth_map *map, struct md_error *error) {
    const struct layout *layout = source->reader->layout;
    char path[MD_PATH_MAX];
    MD_TRY(md_path_format(path, error, "%s/%s", source->spec.root, entry->name));
    md_path_find_ending(path);
    MD_TRY(md_image_read(path, picture, error));
    MD_TRY(find_depth(source, entry, path, error));
    MD_TRY(md_depth_png_read(path, source->spec.depth_per_m, layout->rotate, map, error));
    int status = check_view(picture, map, error);
    return status == MD_OK ? MD_OK : md_fail_in(error, status, path);
}

static void close_folders(struct md_source *source) {
    struct folders *folders = source->state;
    md_names_free(&folders->depths);
    md_names_free(&folders->seen);
    md_names_free(&folders->used);
    free(folders);
}

#define RGBD_READER(of, text)                                                                      \
    {                                                                                              \
        .splits = text, .layout = &(of), .list = list, .read_frame = read_frame,                   \
        .fb = MD_FIELD_FB, .close = close_folders, .has_own_unit = 1, .range_m = 10,               \
        .needs_root = 1                                                                            \
    }

const struct md_reader md_nyu_folder_reader = RGBD_READER(
    nyu_layout, "all, or folders below root with commas between (train), or @FILE with one a "
                "line: reads NAME/color/0001.png and depth/000001.png");
const struct md_reader md_sevenscenes_reader =
    RGBD_READER(sevenscenes_layout,
                "all; train or test by each scene's TrainSplit.txt or TestSplit.txt; or folders "
                "with commas between (chess/seq-01), or @FILE with one a line: reads "
                "frame-000001.color.png and frame-000001.depth.png in them");
const struct md_reader md_sunrgbd_reader =
    RGBD_READER(sunrgbd_layout,
                "all, or folders of scenes with commas between (kv1/NYUdata), or @FILE with one a "
                "line: reads image/*.jpg and depth_bfx/*.png (else depth/*.png) in them. raw: "
                "before it (raw:all) takes depth/*.png, with its holes");
const struct md_reader md_rgbd_reader = RGBD_READER(
    rgbd_layout,
    "all, or folders below root with commas between, or @FILE with one a line: reads "
    "rgb/1.png and depth/1.png, or rgb.png and depth.png in them; where these are named "
    "by their times (rgb/1305031102.175304.png, as TUM's recordings), pairs by "
    "associations.txt, or less than 0.02 s apart by rgb.txt and depth.txt or the names");
