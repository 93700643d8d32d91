/* Where the parts of KITTI's frames lie, and which of them there are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/grow.h"
#include "../base/namelist.h"
#include "kitti.h"

/* ---- where things lie ------------------------------------------------------------------------ */

int md_kitti_path(const struct md_source *source, const struct md_kitti_view *view,
                  const char *prefix, const char *part, int64_t frame, struct md_kitti_path *path,
                  struct md_error *error) {
    const struct md_kitti_layout *layout = source->reader->layout;
    char template[200], number[24], *out = path->text;
    size_t room = sizeof path->text;
    snprintf(template, sizeof template, "%s%s", prefix, part);
    snprintf(number, sizeof number, "%0*lld", layout->digits, (long long)frame);
    int length = snprintf(out, room, "%s/", source->spec.root);
    for (const char *c = template; *c && (size_t)length < room; c++) {
        const char *text = c;
        int size = 1;
        if (*c == '$') {
            c++;
            text = *c == 'C' ? (view->camera ? "3" : "2") : *c == 'F' ? number : view->drive;
            size = *c == 'T' ? MD_KITTI_DAY_LENGTH : MD_KITTI_DRIVE_SIZE;
        }
        length += snprintf(out + length, room - (size_t)length, "%.*s", size, text);
    }
    if ((size_t)length >= room)
        return md_fail(error, MD_FAILED, "%.100s...: the path is too long", path->text);
    md_path_find_ending(path->text);
    return MD_OK;
}

/* The first prefix under which the part's folder exists, or NULL. */
static const char *find_prefix(const struct md_source *source, const struct md_kitti_view *view,
                               const char *part) {
    const struct md_kitti_layout *layout = source->reader->layout;
    struct md_kitti_path path;
    struct md_error ignored;
    for (int i = 0; part && i < MD_KITTI_PREFIXES && layout->prefixes[i]; i++) {
        const char *prefix = layout->prefixes[i];
        if (md_kitti_path(source, view, prefix, part, 0, &path, &ignored) != MD_OK)
            continue;
        *strrchr(path.text, '/') = 0;
        if (md_is_folder(path.text))
            return prefix;
    }
    return NULL;
}

int md_kitti_find_view(struct md_source *source, const char *drive, int camera, size_t *index,
                       struct md_error *error) {
    struct md_kitti_listing *listing = source->state;
    const struct md_kitti_layout *layout = source->reader->layout;
    for (*index = listing->count; (*index)-- > 0;)
        if (listing->views[*index].camera == camera &&
            strcmp(listing->views[*index].drive, drive) == 0)
            return MD_OK;
    struct md_kitti_view *views =
        md_grow(listing->views, listing->count, &listing->capacity, sizeof *views, error);
    if (!views)
        return MD_FAILED;
    listing->views = views;
    *index = listing->count++;
    struct md_kitti_view *view = &listing->views[*index];
    *view = (struct md_kitti_view){.camera = camera};
    snprintf(view->drive, sizeof view->drive, "%s", drive);
    view->prefix[MD_DEPTH_AUTO] = find_prefix(source, view, layout->pictures[0]);
    for (int kind = MD_DEPTH_GROUNDTRUTH; kind < MD_KITTI_KINDS; kind++)
        view->prefix[kind] = find_prefix(source, view, layout->depths[kind]);
    return MD_OK;
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* The kind of depth that spec.depth means for the frame, or MD_DEPTH_AUTO: it has none. */
static int depth_of(const struct md_source *source, const struct md_kitti_view *view,
                    int64_t frame) {
    const struct md_kitti_layout *layout = source->reader->layout;
    const int wanted = source->spec.depth;
    struct md_kitti_path path;
    struct md_error ignored;
    for (int kind = MD_DEPTH_GROUNDTRUTH; kind < MD_KITTI_KINDS; kind++)
        if ((wanted == MD_DEPTH_AUTO || wanted == kind) && view->prefix[kind] &&
            md_kitti_path(source, view, view->prefix[kind], layout->depths[kind], frame, &path,
                          &ignored) == MD_OK &&
            md_is_file(path.text))
            return kind;
    return MD_DEPTH_AUTO;
}

/* Adds the frame with the picture at `path`. */
static int add_frame(struct md_source *source, size_t view, int kind, const char *path,
                     struct md_error *error) {
    return md_source_add(source, path + strlen(source->spec.root) + 1,
                         view * MD_KITTI_KINDS + (size_t)kind, error);
}

int md_kitti_add_frame(struct md_source *source, const char *drive, int camera, int64_t frame,
                       struct md_error *error) {
    const struct md_kitti_listing *listing = source->state;
    const struct md_kitti_layout *layout = source->reader->layout;
    struct md_kitti_path path;
    size_t index;
    MD_TRY(md_kitti_find_view(source, drive, camera, &index, error));
    int status = MD_OK;
    const struct md_kitti_view *view = &listing->views[index];
    const char *prefix = view->prefix[MD_DEPTH_AUTO];
    int kind = depth_of(source, view, frame);
    if (!prefix)
        return md_fail(error, MD_FAILED, "%s: expected pictures%s%s, found none", source->spec.root,
                       drive[0] ? " of the drive " : "", drive);
    for (int i = 0; i < MD_KITTI_PICTURES && layout->pictures[i]; i++) {
        status = md_kitti_path(source, view, prefix, layout->pictures[i], frame, &path, error);
        if (status != MD_OK)
            return status;
        if (!md_is_file(path.text))
            continue;
        if (kind != MD_DEPTH_AUTO)
            return add_frame(source, index, kind, path.text, error);
        return md_fail(error, MD_FAILED, "%s: expected a depth (%s) of the same frame, found none",
                       path.text, md_depth_source_names[source->spec.depth]);
    }
    return md_fail(error, MD_FAILED, "expected the picture %s, found none", path.text);
}

int64_t md_kitti_frame(const struct md_kitti_layout *layout, const char *name) {
    int64_t frame;
    const char *end = md_parse_integer(name, &frame);
    return end && end - name == layout->digits && frame >= 0 ? frame : -1;
}

/* Whether a file's name is that of a frame's picture, and not of something else. */
static bool is_picture(const struct md_kitti_layout *layout, const char *name) {
    for (int i = 0; i < MD_KITTI_PICTURES && layout->pictures[i]; i++)
        if (strcasecmp(name + layout->digits, strrchr(layout->pictures[i], 'F') + 1) == 0)
            return true;
    return false;
}

/* Of a file in the folder of a view's pictures, or of depths. */
static void pass_over(struct md_source *source, const char *folder, const char *name,
                      enum md_unused_why why) {
    char path[2 * MD_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder + strlen(source->spec.root) + 1, name);
    md_unused_add(&source->unused,
                  why != MD_UNUSED_DEPTH && md_bare_length(name, md_picture_endings) == 0
                      ? MD_UNUSED_ENDING
                      : why,
                  path);
}

static bool has_picture(const struct md_source *source, const struct md_kitti_view *view,
                        int64_t frame) {
    const struct md_kitti_layout *layout = source->reader->layout;
    struct md_kitti_path path;
    struct md_error ignored;
    for (int i = 0; i < MD_KITTI_PICTURES && layout->pictures[i]; i++)
        if (md_kitti_path(source, view, view->prefix[MD_DEPTH_AUTO], layout->pictures[i], frame,
                          &path, &ignored) == MD_OK &&
            md_is_file(path.text))
            return true;
    return false;
}

/* Of the depths of one kind, those whose pictures are not there. */
static int pass_over_depths(struct md_source *source, const struct md_kitti_view *view, int kind,
                            struct md_error *error) {
    const struct md_kitti_layout *layout = source->reader->layout;
    struct md_kitti_path path;
    struct md_names names = {0};
    if (!view->prefix[kind])
        return MD_OK;
    MD_TRY(md_kitti_path(source, view, view->prefix[kind], layout->depths[kind], 0, &path, error));
    *strrchr(path.text, '/') = 0;
    struct md_error ignored; /* a folder that is locked is told of when a depth is read */
    md_names_of_folder(path.text, &names, &ignored);
    for (size_t i = 0; i < names.count; i++) {
        const int64_t frame = md_kitti_frame(layout, names.names[i]);
        if (frame >= 0 && !has_picture(source, view, frame))
            pass_over(source, path.text, names.names[i], MD_UNUSED_DEPTH);
    }
    md_names_free(&names);
    return MD_OK;
}

int md_kitti_add_view(struct md_source *source, size_t index, unsigned residues,
                      struct md_error *error) {
    const struct md_kitti_listing *listing = source->state;
    const struct md_kitti_layout *layout = source->reader->layout;
    const struct md_kitti_view *view = &listing->views[index];
    struct md_kitti_path path;
    struct md_names names = {0};
    int64_t last = -1;
    size_t number = 0;
    MD_TRY(md_kitti_path(source, view, view->prefix[MD_DEPTH_AUTO], layout->pictures[0], 0, &path,
                         error));
    *strrchr(path.text, '/') = 0;
    int status = md_names_of_folder(path.text, &names, error);
    for (size_t i = 0; i < names.count && status == MD_OK; i++) {
        struct md_kitti_path picture;
        const int64_t frame = md_kitti_frame(layout, names.names[i]);
        const bool fits = frame >= 0 && is_picture(layout, names.names[i]);
        const int kind = fits && frame != last ? depth_of(source, view, frame) : MD_DEPTH_AUTO;
        if (kind == MD_DEPTH_AUTO) {
            pass_over(source, path.text, names.names[i],
                      fits && frame != last ? MD_UNUSED_PICTURE : MD_UNUSED_NAME);
            continue;
        }
        last = frame;
        if (!md_residues_have(residues, number++))
            continue;
        status = md_path_format(picture.text, error, "%s/%s", path.text, names.names[i]);
        MD_THEN(status, add_frame(source, index, kind, picture.text, error));
    }
    md_names_free(&names);
    for (int kind = MD_DEPTH_GROUNDTRUTH; kind < MD_KITTI_KINDS && status == MD_OK; kind++)
        status = pass_over_depths(source, view, kind, error);
    return status;
}
