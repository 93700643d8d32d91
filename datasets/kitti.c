/* KITTI as its owners have it (Geiger et al. 2013; depth benchmark: Uhrig et al. 2017; stereo:
 * Menze and Geiger 2015, Geiger et al. 2012). A layout says where the parts of a frame lie and how
 * its calibration calls things; all else is the same for all of them. */
#include "kitti.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct md_kitti_layout raw = {
    .prefixes = {"$T/", "$T/$D/", "train/$D/", "val/$D/", "$D/"},
    .pictures = {"image_0$C/data/$F.png", "image_0$C/data/$F.jpg"},
    .depths = {[MD_DEPTH_GROUNDTRUTH] = "proj_depth/groundtruth/image_0$C/$F.png",
               [MD_DEPTH_VELODYNE_RAW] = "proj_depth/velodyne_raw/image_0$C/$F.png",
               [MD_DEPTH_LIDAR] = "velodyne_points/data/$F.bin"},
    .calibration = {"calib_cam_to_cam.txt", "calib_velo_to_cam.txt"},
    .keys = {{"P_rect_02", "P_rect_03"}, "R_rect_00", NULL, "R", "T"},
    .digits = 10,
    .drives = true,
};
static const struct md_kitti_layout object = {
    .prefixes = {"training/", ""},
    .pictures = {"image_2/$F.png", "image_2/$F.jpg"},
    .depths = {[MD_DEPTH_VELODYNE_RAW] = "proj_depth/velodyne_raw/image_2/$F.png",
               [MD_DEPTH_LIDAR] = "velodyne/$F.bin"},
    .calibration = {"calib/$F.txt", "calib/$F.txt"},
    .keys = {{"P2", "P3"}, "R0_rect", "Tr_velo_to_cam", NULL, NULL},
    .digits = 6,
};
static const struct md_kitti_layout stereo_2015 = {
    .prefixes = {"training/", ""},
    .pictures = {"image_2/$F_10.png"},
    .depths = {[MD_DEPTH_GROUNDTRUTH] = "disp_occ_0/$F_10.png"},
    .calibration = {"calib_cam_to_cam/$F.txt"},
    .keys = {{"P_rect_02", "P_rect_03"}, NULL, NULL, NULL, NULL},
    .digits = 6,
    .disparity = true,
};
/* Its disparities are those of the grey cameras. */
static const struct md_kitti_layout stereo_2012 = {
    .prefixes = {"training/", ""},
    .pictures = {"image_0/$F_10.png"},
    .depths = {[MD_DEPTH_GROUNDTRUTH] = "disp_occ/$F_10.png"},
    .calibration = {"calib/$F.txt"},
    .keys = {{"P0", "P1"}, NULL, NULL, NULL, NULL},
    .digits = 6,
    .disparity = true,
};

/* ---- reading --------------------------------------------------------------------------------- */

/* The path of the calibration file under the first prefix where there is one; without one under the
 * first prefix of all, for the error that will follow. */
static int find_calibration(const struct md_source *source, const struct md_kitti_view *view,
                            int which, int64_t frame, struct md_kitti_path *path,
                            struct md_error *error) {
    const struct md_kitti_layout *layout = source->reader->layout;
    const char *part = layout->calibration[which];
    for (int i = 0; i < MD_KITTI_PREFIXES && layout->prefixes[i]; i++) {
        int status = md_kitti_path(source, view, layout->prefixes[i], part, frame, path, error);
        if (status != MD_OK || md_is_file(path->text))
            return status;
    }
    return md_kitti_path(source, view, layout->prefixes[0], part, frame, path, error);
}

/* Projects the scan into a picture of the size that the map has. */
static int read_scan(const struct md_source *source, const struct md_kitti_view *view,
                     int64_t frame, const char *path, const struct md_image *picture,
                     struct md_depth_map *map, struct md_error *error) {
    const struct md_kitti_layout *layout = source->reader->layout;
    struct md_kitti_path calibration[2];
    double matrix[3][4];
    for (int i = 0; i < 2; i++)
        MD_TRY(find_calibration(source, view, i, frame, &calibration[i], error));
    MD_TRY(md_kitti_lidar_matrix(calibration[0].text, calibration[1].text, &layout->keys,
                                 view->camera, matrix, error));
    MD_TRY(md_depth_map_allocate(picture->height, picture->width, map, error));
    return md_kitti_project(path, matrix, map, error);
}

/* Turns disparities in pixels into depths. */
static int invert_disparity(const struct md_source *source, const struct md_kitti_view *view,
                            int64_t frame, struct md_depth_map *map, struct md_error *error) {
    const struct md_kitti_layout *layout = source->reader->layout;
    struct md_kitti_path calibration;
    double fb;
    int status = find_calibration(source, view, 0, frame, &calibration, error);
    MD_THEN(status, md_kitti_focal_baseline(calibration.text, &layout->keys, &fb, error));
    size_t pixels = (size_t)map->height * (size_t)map->width;
    for (size_t i = 0; i < pixels && status == MD_OK; i++)
        if (map->depth_m[i] != MD_NO_DEPTH)
            map->depth_m[i] = (float)(fb / (double)map->depth_m[i]);
    return status;
}

static int read_map(const struct md_source *source, const struct md_kitti_view *view, int kind,
                    int64_t frame, const struct md_image *picture, struct md_depth_map *map,
                    struct md_error *error) {
    const struct md_kitti_layout *layout = source->reader->layout;
    struct md_kitti_path path;
    MD_TRY(
        md_kitti_path(source, view, view->prefix[kind], layout->depths[kind], frame, &path, error));
    if (kind == MD_DEPTH_LIDAR)
        return read_scan(source, view, frame, path.text, picture, map, error);
    int status = md_depth_png_read(path.text, 256, 0, map, error);
    if (status == MD_OK && (map->height != picture->height || map->width != picture->width))
        return md_fail(error, MD_FAILED, "%s: expected the picture's %dx%d pixels, found %dx%d",
                       path.text, picture->width, picture->height, map->width, map->height);
    return status == MD_OK && layout->disparity ? invert_disparity(source, view, frame, map, error)
                                                : status;
}

static int read_frame(struct md_source *source, const struct md_entry *entry,
                      struct md_image *picture, struct md_depth_map *map, struct md_error *error) {
    const struct md_kitti_listing *listing = source->state;
    const struct md_kitti_layout *layout = source->reader->layout;
    const struct md_kitti_view *view = &listing->views[entry->number / MD_KITTI_KINDS];
    const char *slash = strrchr(entry->name, '/');
    const int64_t frame = md_kitti_frame(layout, slash ? slash + 1 : entry->name);
    struct md_kitti_path path;
    MD_TRY(md_path_format(path.text, error, "%s/%s", source->spec.root, entry->name));
    MD_TRY(md_image_read(path.text, picture, error));
    return read_map(source, view, (int)(entry->number % MD_KITTI_KINDS), frame, picture, map,
                    error);
}

/* Annotated maps are dense and checked, scans neither: what is learned from or judged by both is no
 * result of either. */
static void describe_depth_kinds(const struct md_source *source, char text[MD_DEPTH_KINDS_SIZE]) {
    size_t count[MD_KITTI_KINDS] = {0}, length = 0;
    int kinds = 0;
    for (size_t i = 0; i < source->count; i++)
        kinds += count[source->entries[i].number % MD_KITTI_KINDS]++ == 0;
    text[0] = 0;
    for (int kind = 0; kinds > 1 && kind < MD_KITTI_KINDS; kind++)
        if (count[kind] > 0)
            length +=
                (size_t)snprintf(text + length, MD_DEPTH_KINDS_SIZE - length, "%s%s of %zu",
                                 length > 0 ? ", " : "", md_depth_source_names[kind], count[kind]);
}

/* ---- the readers ----------------------------------------------------------------------------- */

static void close_listing(struct md_source *source) {
    struct md_kitti_listing *listing = source->state;
    free(listing->views);
    free(listing);
}

/* Everyone's range for KITTI. */
#define RANGE_M 80

#define MAP_UNIT       "1/256 m in maps, the metre in LiDAR scans"
#define DISPARITY_UNIT "1/256 pixel of disparity"

const struct md_reader md_kitti_reader = {
    .splits = "all, train, val or test of the drives below root (DAY/DRIVE, and train/DRIVE and "
              "val/DRIVE for the depth benchmark's proj_depth); or drives with commas between "
              "(2011_09_26_drive_0001_sync); or @FILE with a frame a line, \"DAY/DRIVE FRAME l\" "
              "or r, or a picture's path. Where there are folders train and val they are the "
              "splits; otherwise of the drives sorted by name every sixth from the third on is "
              "val, every sixth from the sixth on is test",
    .layout = &raw,
    .list = md_kitti_list,
    .read_frame = read_frame,
    .fb = MD_KITTI_FB,
    .part = md_square_part,
    .depth_kinds = describe_depth_kinds,
    .close = close_listing,
    .unit = MAP_UNIT,
    .range_m = RANGE_M,
    .needs_root = 1,
};

#define FRAMES_READER(of, unit_of, text)                                                           \
    {                                                                                              \
        .splits = (text), .layout = &(of), .list = md_kitti_list, .read_frame = read_frame,        \
        .fb = MD_KITTI_FB, .depth_kinds = describe_depth_kinds, .part = md_square_part,            \
        .close = close_listing, .unit = (unit_of), .range_m = RANGE_M, .needs_root = 1             \
    }
const struct md_reader md_kitti_object_reader =
    FRAMES_READER(object, MAP_UNIT,
                  "all, train, val or test of the frames in root/training, or frames with commas "
                  "between (000001,000007), or @FILE with one a line. Every sixth frame from the "
                  "third on is val, every sixth from the sixth on is test");
const struct md_reader md_kitti_stereo_reader =
    FRAMES_READER(stereo_2015, DISPARITY_UNIT, "as kitti-object");
const struct md_reader md_kitti_stereo_2012_reader =
    FRAMES_READER(stereo_2012, DISPARITY_UNIT, "as kitti-object");
