/* Folders of pictures with a 16-bit PNG of depths for each, as several data sets have them. A table
 * says where in a folder a layout has its pictures, and where the depth of each; such folders are
 * looked for at and below the root. Depths are millimetres; 0 is none. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "namelist.h"
#include "readers.h"

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
    unsigned no_value; /* other than 0 */
    int rotate;        /* bits to the right that a value is turned by */
    bool sequences;    /* train and test are those that TrainSplit.txt and TestSplit.txt name */
};

static const struct layout nyu_layout = {
    "color/0001.png and ../depth/000001.png", {{"color/#", "../depth/00#", NULL}}, 0, 0, false};
static const struct layout sevenscenes_layout = {
    "frame-000001.color.png and frame-000001.depth.png",
    {{"frame-#.color", "frame-#.depth", NULL}},
    65535,
    0,
    true};
static const struct layout sunrgbd_layout = {"image/1.jpg and depth_bfx/1.png or depth/1.png",
                                             {{"image/#", "depth_bfx/*", "depth/*"}},
                                             0,
                                             3,
                                             false};
static const struct layout rgbd_layout = {"rgb/1.png and depth/1.png, or rgb.png and depth.png",
                                          {{"rgb/#", "depth/#", NULL}, {"rgb", "depth", NULL}},
                                          0,
                                          0,
                                          false};

/* A reader's state. An entry's name is the path of its picture, its number that of the form. */
struct folders {
    bool raw;
    const char *sequences; /* name of the file that lists those that are wanted; NULL: all are */
    bool found_sequences;
};

/* --- patterns --- */

/* How long a picture's name is without .png, .jpg or .jpeg; 0 when it has none of them. */
static size_t bare_length(const char *name) {
    static const char *const endings[] = {".png", ".jpg", ".jpeg"};
    const size_t length = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t ending = strlen(endings[i]);
        if (length > ending && strcmp(name + length - ending, endings[i]) == 0)
            return length - ending;
    }
    return 0;
}

/* The part of a pattern behind its folder. */
static const char *file_part(const char *pattern) {
    const char *slash = strrchr(pattern, '/');
    return slash ? slash + 1 : pattern;
}

/* Whether the picture's name fits the pattern (without folders, both), and what '#' stands for. */
static bool match(const char *pattern, const char *name, const char **stem, size_t *stem_length) {
    const size_t length = bare_length(name), before = strcspn(pattern, "#");
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
    int status = MD_OK;
    for (size_t i = 0; i < files->count && status == MD_OK; i++) {
        char name[MD_PATH_MAX];
        size_t stem_length;
        if (!match(pattern, files->names[i], &stem, &stem_length))
            continue;
        status = md_path_format(name, error, "%s%s", folder, files->names[i]);
        if (status == MD_OK)
            status = md_source_add(source, name, form, error);
    }
    return status;
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
    if (status == MD_OK)
        status = md_path_format(path, error, "%s/%s", source->spec.root, below);
    if (status != MD_OK || !md_is_folder(path))
        return status;
    status = md_names_of_folder(path, &files_below, error);
    if (status == MD_OK)
        status = add_pictures(source, form, below, &files_below, error);
    md_names_free(&files_below);
    return status;
}

static int add_folder(struct md_source *source, const char *folder, int deep,
                      struct md_error *error);

/* Adds the sequences that a scene's list names: "sequence1" is the folder seq-01. */
static int add_sequences(struct md_source *source, const char *scene, int deep,
                         struct md_error *error) {
    struct folders *folders = source->state;
    const char *list = folders->sequences, word[] = "sequence";
    char path[MD_PATH_MAX], folder[MD_PATH_MAX];
    struct md_text text;
    int status = md_path_format(path, error, "%s/%s%s", source->spec.root, scene, list);
    if (status == MD_OK)
        status = md_text_open(path, &text, error);
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
        if (status == MD_OK)
            status = add_folder(source, folder, deep, error);
        if (status != MD_OK)
            md_fail_at_line(error, status, path, text.line);
    }
    folders->sequences = list;
    md_text_close(&text);
    return status;
}

static int add_what_is_in(struct md_source *source, const char *folder,
                          const struct md_names *files, int deep, struct md_error *error) {
    const struct folders *folders = source->state;
    const struct layout *layout = source->reader->layout;
    int status = MD_OK;
    if (folders->sequences) {
        for (size_t i = 0; i < files->count; i++)
            if (strcmp(files->names[i], folders->sequences) == 0)
                return add_sequences(source, folder, deep + 1, error);
    } else {
        for (size_t f = 0; f < MOST_FORMS && status == MD_OK && layout->forms[f].picture; f++)
            status = add_form(source, f, folder, files, error);
    }
    for (size_t i = 0; i < files->count && status == MD_OK; i++) {
        char below[MD_PATH_MAX], path[MD_PATH_MAX];
        status = md_path_format(below, error, "%s%s/", folder, files->names[i]);
        if (status == MD_OK)
            status = md_path_format(path, error, "%s/%s", source->spec.root, below);
        if (status == MD_OK && md_is_folder(path))
            status = add_folder(source, below, deep + 1, error);
    }
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
    if (status == MD_OK)
        status = md_names_of_folder(path, &files, error);
    if (status == MD_OK)
        status = add_what_is_in(source, folder, &files, deep, error);
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
    if (status == MD_OK)
        status = add_folder(source, folder, 0, error);
    return status == MD_OK && source->count == before ? no_pictures(source, folder, error) : status;
}

/* Adds the sequences of all scenes. */
static int add_listed(struct md_source *source, const char *list, struct md_error *error) {
    struct folders *folders = source->state;
    folders->sequences = list;
    int status = add_folder(source, "", 0, error);
    if (status == MD_OK && !folders->found_sequences)
        return md_fail(error, MD_FAILED, "%s: no %s there or in folders below", source->spec.root,
                       list);
    return status;
}

static int list(struct md_source *source, struct md_error *error) {
    const struct layout *layout = source->reader->layout;
    static const char prefix[] = "raw:";
    const char *split = source->spec.split;
    struct folders *folders = calloc(1, sizeof *folders);
    if (!folders)
        return md_fail(error, MD_FAILED, "out of memory");
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

/* --- reading --- */

/* Puts the name of the only PNG in the folder behind its path, which ends with a slash. */
static int find_only(char path[MD_PATH_MAX], struct md_error *error) {
    struct md_names files = {0};
    const char *only = NULL;
    int count = 0, status = md_names_of_folder(path, &files, error);
    for (size_t i = 0; i < files.count; i++) {
        size_t length = strlen(files.names[i]);
        if (length > 4 && strcmp(files.names[i] + length - 4, ".png") == 0) {
            only = files.names[i];
            count++;
        }
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

/* Where the pattern leads for a picture that fits its form: all of it but the file with '*'. */
static int expand(const struct md_source *source, const struct form *form, const char *pattern,
                  const char *name, char path[MD_PATH_MAX], struct md_error *error) {
    const size_t before = strcspn(pattern, "#*");
    const char *stem = "", *after = pattern[before] ? pattern + before + 1 : "";
    size_t stem_length = 0;
    match(file_part(form->picture), file_part(name), &stem, &stem_length);
    if (pattern[before] != '#')
        stem_length = 0;
    return md_path_format(path, error, "%s/%.*s%.*s%.*s%s%s", source->spec.root,
                          base_length(name, form->picture), name, (int)before, pattern,
                          (int)stem_length, stem, after, pattern[before] == '*' ? "" : ".png");
}

/* The path of the depth that belongs to a picture. */
static int find_depth(const struct md_source *source, const struct form *form, const char *name,
                      char path[MD_PATH_MAX], struct md_error *error) {
    const struct folders *folders = source->state;
    const char *pattern = folders->raw ? form->raw : form->depth;
    int status = expand(source, form, pattern, name, path, error);
    if (status == MD_OK && form->raw && !md_is_folder(path))
        status = expand(source, form, form->raw, name, path, error);
    if (status == MD_OK && strchr(pattern, '*'))
        status = find_only(path, error);
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

static int read_pair(struct md_source *source, const struct md_entry *entry,
                     struct md_image *picture, struct md_depth_map *map, struct md_error *error) {
    const struct layout *layout = source->reader->layout;
    char path[MD_PATH_MAX];
    int status = md_path_format(path, error, "%s/%s", source->spec.root, entry->name);
    if (status == MD_OK)
        status = md_image_read(path, picture, error);
    if (status == MD_OK)
        status = find_depth(source, &layout->forms[entry->number], entry->name, path, error);
    if (status == MD_OK)
        status = md_depth_png_read(path, 1e-3, layout->no_value, layout->rotate, map, error);
    if (status != MD_OK)
        return status;
    status = check_view(picture, map, error);
    return status == MD_OK ? MD_OK : md_fail_in(error, status, path);
}

static int read_entry(struct md_source *source, size_t index, struct md_sample *sample,
                      struct md_error *error) {
    const struct md_entry *entry = &source->entries[index];
    struct md_image picture = {0};
    struct md_depth_map map = {0};
    int status = read_pair(source, entry, &picture, &map, error);
    if (status == MD_OK)
        status = md_frame_sample(source, entry->name, &picture, &map, MD_FIELD_FB, sample, error);
    md_depth_map_free(&map);
    md_image_free(&picture);
    return status;
}

static void close_folders(struct md_source *source) {
    free(source->state);
}

#define RGBD_READER(of, text)                                                                      \
    {                                                                                              \
        .splits = text, .layout = &(of), .list = list, .read = read_entry, .close = close_folders, \
        .range_m = 10, .needs_root = 1                                                             \
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
    rgbd_layout, "all, or folders below root with commas between, or @FILE with one a line: reads "
                 "rgb/1.png and depth/1.png, or rgb.png and depth.png in them");
