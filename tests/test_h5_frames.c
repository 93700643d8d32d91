/* The .h5 form of frames: trees of generated files, their values, and broken ones. (Real files:
 * test_kitti_real.c.) */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>

#include "../base/h5.h"
#include "../datasets/readers.h"
#include "h5_leaks.h"
#include "reading.h"

enum { SIDE = 4 }; /* of every sample's picture */

static void set_up(void) {
    begin_reading("h5", SIDE, SIDE);
}

TestSuite(h5_frames, .init = set_up, .fini = end_reading);

/* Writes a file with rgb (3, 2, 4) and depth (2, 4), or what else the shapes say. */
static void write_h5(const char *name, const size_t rgb_shape[3], hid_t rgb_type,
                     const size_t depth_shape[2]) {
    static const uint8_t bytes[24] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                                      13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24};
    static const float depths[8] = {1, 2, 0, NAN, 5, -6, 90, 80};
    static const float fractions[24] = {0.5f};
    struct md_h5_writer writer;
    int whole = rgb_type == H5T_NATIVE_UINT8;
    cr_assert_eq(md_h5_create(scratch_path(&scratch, "%s", name).text, &writer, &error), MD_OK);
    cr_assert_eq(md_h5_write(writer.file, "rgb", rgb_type, 3, rgb_shape,
                             whole ? (const void *)bytes : fractions, &error),
                 MD_OK);
    cr_assert_eq(
        md_h5_write(writer.file, "depth", H5T_NATIVE_FLOAT, 2, depth_shape, depths, &error), MD_OK);
    cr_assert_eq(md_h5_finish(&writer, MD_OK, &error), MD_OK, "%s", error.text);
}

static const size_t rgb_shape[3] = {3, 2, 4}, depth_shape[2] = {2, 4};

H5_TEST(h5_frames, trees_of_files) {
    write_h5("train/01/b.h5", rgb_shape, H5T_NATIVE_UINT8, depth_shape);
    write_h5("capitals/d.H5", rgb_shape, H5T_NATIVE_UINT8, depth_shape);
    opens("h5", "capitals");
    NAMES("capitals/d.H5");
    scratch_remove(scratch_path(&scratch, "capitals").text);
    write_h5("train/00/a.h5", rgb_shape, H5T_NATIVE_UINT8, depth_shape);
    write_h5("val/c.h5", rgb_shape, H5T_NATIVE_UINT8, depth_shape);
    write_text("val/read.me", "");
    opens("h5", "all");
    NAMES("train/00/a.h5", "train/01/b.h5", "val/c.h5");
    cr_assert_eq(dataset.unused.count[MD_UNUSED_ENDING], 1);
    cr_assert_str_eq(dataset.unused.shown[MD_UNUSED_ENDING], ".me");
    opens("h5", "train");
    NAMES("train/00/a.h5", "train/01/b.h5");
    opens("h5", "val, train/01");
    NAMES("val/c.h5", "train/01/b.h5");
    refused("h5", "test", MD_FAILED, "test: No such file");
    refused("h5", "val,", MD_USAGE, "found nothing");
    for (int i = 0; i < 10; i++)
        scratch_path(&scratch, "deep/1/2/3/4/5/6/7/8/9/x");
    refused("h5", "all", MD_FAILED, "more than 8 folders deep");
    md_dataset_close(&dataset);
}

H5_TEST(h5_frames, values) {
    write_h5("a.h5", rgb_shape, H5T_NATIVE_UINT8, depth_shape);
    spec.picture = MD_PICTURE_WHOLE;
    pictures.height = 2;
    pictures.width = 4;
    assert_opens();
    static const float expected[8] = {1, 2, 0, 0, 5, 0, 0, 80};
    const struct md_sample *sample = dataset.samples;
    for (int i = 0; i < 24; i++)
        cr_assert_eq(sample->picture[i], i + 1);
    for (int i = 0; i < 8; i++) /* 1 / (1 / d); 80 m is the farthest */
        cr_assert_float_eq(sample->depth_m[i], expected[i], 1e-5, "%d: %g", i, sample->depth_m[i]);
    cr_assert_eq(sample->fb, MD_KITTI_FB);
    md_dataset_close(&dataset);
}

H5_TEST(h5_frames, other_forms_are_refused) {
    static const size_t wide[3] = {3, 2, 5}, grey[3] = {1, 2, 4}, flat[3] = {3, 4, 2};
    const size_t *const shapes[] = {wide, grey, flat};
    for (int i = 0; i < 3; i++) {
        const size_t *shape = shapes[i];
        size_t depth[2] = {2, 4};
        float zeros[30] = {0};
        struct md_h5_writer writer;
        cr_assert_eq(md_h5_create(scratch_path(&scratch, "a.h5").text, &writer, &error), MD_OK);
        cr_assert_eq(md_h5_write(writer.file, "rgb", H5T_NATIVE_FLOAT, 3, shape, zeros, &error), 0);
        cr_assert_eq(md_h5_write(writer.file, "depth", H5T_NATIVE_FLOAT, 2, depth, zeros, &error),
                     0);
        cr_assert_eq(md_h5_finish(&writer, MD_OK, &error), MD_OK);
        refused("h5", "all", MD_FAILED, "a.h5: expected rgb of the shape (3, height, width)");
    }
    write_h5("a.h5", rgb_shape, H5T_NATIVE_FLOAT, depth_shape);
    refused("h5", "all", MD_FAILED, "a.h5: rgb: expected bytes, found 0.5");
    write_text("a.h5", "no HDF5");
    refused("h5", "all", MD_FAILED, "a.h5");
}

/* The reader takes what ends in .h5. */
static int fails(const char *path) {
    (void)path;
    return open_dataset() != MD_OK;
}

H5_TEST(h5_frames, truncated) {
    write_h5("whole", rgb_shape, H5T_NATIVE_UINT8, depth_shape);
    struct scratch_path whole = scratch_path(&scratch, "whole");
    size_t size;
    free(scratch_read(whole.text, &size));
    /* Others' files have no seal, and without it ours are whole. */
    cr_assert_eq(truncate(whole.text, (off_t)(size - MD_H5_SEAL_BYTES)), 0);
    cr_assert_eq(symlink("cut", scratch_path(&scratch, "cut.h5").text), 0);
    scratch_each_prefix_fails(&scratch, whole.text, fails, &error);
}
