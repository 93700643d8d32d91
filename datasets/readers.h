/* The inside of a data set: a reader lists what a spec names without opening it, and then reads one
 * sample at a time. Cuts, fractions, digests, verifying and caching are done once, in sample.c and
 * source.c, for all readers.
 *
 * A new set is a reader in a file of its own and a line in the table of source.c. */
#ifndef MD_DATASETS_READERS_H
#define MD_DATASETS_READERS_H

#include "../base/file.h"
#include "../base/image.h"
#include "../base/namelist.h"
#include "augment.h"
#include "sample.h"
#include "unused.h"

/* A sample that has been listed: its name, from which the reader knows where it lies, and a number
 * that is the reader's to use. */
struct md_entry {
    char *name; /* owned */
    size_t number;
};

struct md_source {
    const struct md_reader *reader;
    struct md_data_spec spec; /* without the cut; max_depth_m resolved */
    int height, width;        /* of the pictures that are wanted */
    size_t count, capacity;
    struct md_entry *entries;
    struct md_names files;   /* of md_source_add_lines */
    struct md_unused unused; /* of all that was listed, before fraction and cut */
    void *state;             /* the reader's own, NULL at first */
};

/* A depth map as the source has it. */
struct md_depth_map {
    int height, width;
    /* Of what is cut out: the size of the whole, at whose top it begins, and its left column there.
     * Of a whole: 0. */
    int whole_height, whole_width, left;
    float *depth_m; /* (height, width), owned; MD_NO_DEPTH where there is none */
};

struct md_reader {
    const char *splits; /* for --help: what `split` means */
    /* Adds the entries in the order of the split with md_source_add. A missing folder or list is an
     * error; a sample's own files are not opened. */
    int (*list)(struct md_source *source, struct md_error *error);
    /* Reads entry `index` into `sample`, which is all zero. On failure the caller frees what is in
     * it. Errors name the file. */
    int (*read)(struct md_source *source, size_t index, struct md_sample *sample,
                struct md_error *error);
    /* Or, of sets of pictures with depth maps, in the place of `read`: reads the picture and the
     * map of an entry, both empty before; a sample is made of them by md_frame_sample. */
    int (*read_frame)(struct md_source *source, const struct md_entry *entry,
                      struct md_image *picture, struct md_depth_map *map, struct md_error *error);
    float
        fb; /* of such samples: focal length times baseline; 0: MD_FIELD_FB, or the files say it */
    /* Writes which kinds of depth the entries have, and how many of each ("groundtruth of 3, lidar
     * of 26"); "" when all have one kind. NULL: the set has only one. */
    void (*depth_kinds)(const struct md_source *source, char text[MD_DEPTH_KINDS_SIZE]);
    /* Which part of a picture of height x width becomes the network's, as md_picture_part says;
     * NULL: all of it. */
    int (*part)(const struct md_data_spec *spec, int height, int width, struct md_crop *part,
                struct md_error *error);
    void (*close)(struct md_source *source); /* frees the state; NULL: nothing to free */
    const void *layout; /* the reader's own: how this set differs from others that it reads */
    const char *unit;   /* of the depths in its files; NULL: the metre */
    int has_own_unit;   /* spec.depth_per_m gives it */
    double range_m;     /* what max_depth_m 0 means */
    int needs_root;
    int has_fractions; /* it lists spec.fraction percent by itself */
    int crop;          /* what crop 0 means; 0: the whole shorter side */
};

/* One per set; source.c has the table. */
extern const struct md_reader md_micro_reader, md_micro_kitti_reader, md_micro_nyuv2_reader,
    md_micro_tartanair_reader, md_matrix_reader, md_recording_reader, md_kitti_reader,
    md_kitti_object_reader, md_kitti_stereo_reader, md_kitti_stereo_2012_reader, md_h5_reader,
    md_nyu_reader, md_nyu_folder_reader, md_sevenscenes_reader, md_sunrgbd_reader, md_rgbd_reader,
    md_synthetic_reader, md_cache_reader;

/* What `split` means in set number `set` of md_data_set_names. */
const char *md_data_set_splits(int set);

/* The unit of the depths in the files that `spec` (resolved) names, for `info`. */
enum { MD_UNIT_SIZE = 80 };
void md_data_unit(const struct md_data_spec *spec, char text[MD_UNIT_SIZE]);

/* Focal length times baseline of the samples of the set `spec` names: the set's, or where the files
 * give each its own that of most. */
float md_data_fb(const struct md_data_spec *spec);

/* Opens what `spec` names and lists it, cut and fraction applied. On failure nothing is left to
 * close. */
int md_source_open(const struct md_data_spec *spec, int height, int width, struct md_source *source,
                   struct md_error *error);

/* Reads one sample, to be freed with md_sample_free; on failure there is nothing to free. */
int md_source_read(struct md_source *source, size_t index, struct md_sample *sample,
                   struct md_error *error);

void md_source_close(struct md_source *source);

/* The part of a picture of height x width that the set `spec` names makes a sample's picture of:
 * the reader's own rule, so that a picture from elsewhere is cut in the same way. (What a sensor
 * sees of it, alignment: crop, is not in it.) Fails when the picture is too small. */
int md_picture_part(const struct md_data_spec *spec, int height, int width, struct md_crop *part,
                    struct md_error *error);

/* ---- for readers ----------------------------------------------------------------------------- */

/* Splits of recordings that come with none: of the things sorted by name and numbered from 0, the
 * i-th goes to val when i % 6 is 2, to test when it is 5 and to train otherwise; and for
 * cross-validation to "foldK" when i % 4 is K, otherwise to "restK". md_split_residues: the set of
 * i % 12 that "all", "train", "fold0", ... consists of, a bit for each; 0: `split` is none of them.
 * md_residues_have: whether thing `number` is in such a set. */
#define MD_SPLIT_ALL 0xfffu
unsigned md_split_residues(const char *split);
int md_residues_have(unsigned residues, size_t number);

/* Focal length times baseline of a camera pair that is not there: what the field sets and TartanAir
 * agreed on. */
#define MD_FIELD_FB 80.0f

/* Appends an entry with a copy of `name`. */
int md_source_add(struct md_source *source, const char *name, size_t number,
                  struct md_error *error);

/* For sets whose samples are the lines of text files: adds an entry for each line that is left of
 * `text`, with the line as its name. `path` is that of the file; of those that were added it is the
 * next, from 0 on. */
int md_source_add_lines(struct md_source *source, const char *path, struct md_text *text,
                        struct md_error *error);

/* Reads such an entry: gives `read` its line, which may be changed, and the number of its file.
 * Errors get the line's number and the file's path. */
typedef int md_read_line(struct md_source *source, size_t file, char *line,
                         struct md_sample *sample, struct md_error *error);
int md_source_read_line(struct md_source *source, size_t index, md_read_line *read,
                        struct md_sample *sample, struct md_error *error);

/* Gives an empty sample its name, and allocates its picture and label (zeroed); with `right` also
 * those of the other camera. */
int md_sample_allocate(const struct md_source *source, const char *name, int depth_height,
                       int depth_width, int right, struct md_sample *sample,
                       struct md_error *error);

/* Sets disparity = fb / depth_m where there is depth. */
void md_sample_disparity(struct md_sample *sample, float fb);

/* Fills an empty sample of a field set with what the 8x8 zones of the sensor say (metres, row by
 * row, MD_NO_DEPTH where nothing) and with the picture `name`, a path relative to the root,
 * averaged to the network's size. The sensor, beside the camera, sees the centred square of side
 * spec.crop (0: of the shorter side). picture: square uses just that; whole uses all, in which the
 * sample has more zones, those outside without a depth: an even number more along each side, as
 * many as fit. A picture smaller than the crop is an error. */
int md_field_sample(const struct md_source *source, const char *name, const float zone_m[8 * 8],
                    struct md_sample *sample, struct md_error *error);

/* Allocates a map of this size, without any depth; and frees it. */
int md_depth_map_allocate(int height, int width, struct md_depth_map *map, struct md_error *error);
void md_depth_map_free(struct md_depth_map *map);

/* A 16-bit grey PNG of depths, of which `per_m` are a metre, each turned right by `rotate` bits
 * first; what md_depth_code_m says of it. */
int md_depth_png_read(const char *path, double per_m, int rotate, struct md_depth_map *map,
                      struct md_error *error);

/* Turns the dense labels of a sample (and of its right picture) into those that spec.label asks
 * for. Where these are coarser, or an evaluation_crop is set, and the sample has no truth yet, the
 * dense depth becomes its truth. Readers of dense sets call it last. */
int md_sample_label(const struct md_source *source, struct md_sample *sample,
                    struct md_error *error);

/* Two rules of md_reader.part. Field sets: as md_field_sample says. Frames: the square of
 * MD_SQUARE_SIDE pixels at the top, in the middle, or as large as fits; or all (spec.picture). */
int md_field_part(const struct md_data_spec *spec, int height, int width, struct md_crop *part,
                  struct md_error *error);
int md_square_part(const struct md_data_spec *spec, int height, int width, struct md_crop *part,
                   struct md_error *error);

/* KITTI's focal length times baseline in pixels * metres, so that labels are what the release's
 * KITTI weights predict: disparities of the full-size picture. 721.5377 pixels is the focal length
 * of most recordings (P_rect_02), 0.54 m the baseline that everyone takes (the calibrations say
 * 0.533). Measured, as the median of the weights' disparity times the true depth: 388.3 on frames
 * with annotated truth, 388.9 on eleven object frames. */
#define MD_KITTI_FB (721.5377f * 0.54f)

/* Reads entry `index` by the reader's read_frame, cuts picture and map by spec.picture where the
 * reader has md_square_part, and makes a sample of them by: */
int md_frame_read(struct md_source *source, size_t index, struct md_sample *sample,
                  struct md_error *error);

/* Makes a sample of a picture and the depth map that covers the same view, whatever their sizes:
 * the picture is averaged down to the network's size (its shape is not kept); depths are judged by
 * md_dense_depth; the label has for each of its pixels (network size, or the map's own where that
 * is coarser) the mean disparity of the map's pixels whose centres lie in it, or for MD_GRID_TOF8
 * what a sensor sees of that; and with MD_TRUTH_FULL a map that is finer, or of which only a part
 * is to be looked at, is kept as the truth, without what lies outside the evaluation crop. `map`
 * may be used up: free it all the same. */
int md_frame_sample(const struct md_source *source, const char *name,
                    const struct md_image *picture, struct md_depth_map *map, float fb,
                    struct md_sample *sample, struct md_error *error);

/* Sets a truth to MD_NO_DEPTH outside of `evaluation_crop`, of enum md_evaluation_crop. For a map
 * that was cut out of a larger one the crop is that of the larger one. */
void md_crop_truth(int evaluation_crop, struct md_depth_map *map);

#endif
