/* Folders of pictures and depth PNGs: the layouts, which picture gets which depth, splits, broken
 * files, and the real ones. */
#include <criterion/criterion.h>

#include <math.h>

#include "program.h"
#include "reading.h"

enum { HEIGHT = 3, WIDTH = 4, PIXELS = HEIGHT * WIDTH };

static void set_up(void) {
    begin_reading("rgbd", HEIGHT, WIDTH);
}

TestSuite(rgbd, .init = set_up, .fini = end_reading);

static void write_picture(const char *name) {
    write_noise(name, 1, HEIGHT, WIDTH);
}

/* A depth PNG whose first value is `first` and whose others are 1000. */
static void write_depth(const char *name, unsigned first) {
    uint16_t values[PIXELS];
    for (int i = 0; i < PIXELS; i++)
        values[i] = (uint16_t)(i == 0 ? first : 1000);
    write_grey16(name, values, HEIGHT, WIDTH);
}

/* Opens the split and compares "NAME:MM" of each sample, MM being its first depth in millimetres,
 * joined by blanks, with `expected`. */
static void assert_samples(const char *set, const char *split, const char *expected) {
    char found[1024] = "";
    opens(set, split);
    for (size_t i = 0; i < dataset.count; i++)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%s:%.0f", i ? " " : "",
                 dataset.samples[i].name, 1000 * (double)dataset.samples[i].depth_m[0]);
    cr_assert_str_eq(found, expected, "%s %s: %s", set, split, found);
}

/* --- layouts --- */

Test(rgbd, every_pixel_keeps_its_place) {
    uint16_t values[PIXELS];
    struct md_image image;
    write_picture("rgb/a.png");
    for (int i = 0; i < PIXELS; i++)
        values[i] = (uint16_t)(600 + 100 * i);
    write_grey16("depth/a.png", values, HEIGHT, WIDTH);
    assert_samples("rgbd", "all", "rgb/a.png:600");
    const struct md_sample *sample = &dataset.samples[0];
    cr_assert_eq(sample->fb, 80);
    cr_assert_eq(md_image_read(scratch_path(&scratch, "rgb/a.png").text, &image, &error), MD_OK);
    for (int i = 0; i < PIXELS; i++) {
        /* One pixel of the map in each of the label: 1 / (1 / d) in double gives the float back. */
        cr_assert_eq(sample->depth_m[i], (float)(values[i] * 1e-3), "%d", i);
        for (int c = 0; c < 3; c++)
            cr_assert_eq(sample->picture[c * PIXELS + i], image.rgb[3 * i + c]);
    }
    md_image_free(&image);
}

Test(rgbd, general_folders) {
    write_picture("b/rgb/2.png");
    write_depth("b/depth/2.png", 1200);
    write_picture("b/rgb/10.jpg"); /* a PNG all the same: its first bytes tell */
    write_depth("b/depth/10.png", 1010);
    write_picture("a/x/rgb.png");
    write_depth("a/x/depth.png", 1100);
    write_text("b/rgb/list.txt", "no picture");
    write_picture("b/rgb/.hidden.png");
    write_picture("b/other/rgbx.png");
    assert_samples("rgbd", "all", "a/x/rgb.png:1100 b/rgb/10.jpg:1010 b/rgb/2.png:1200");
    assert_samples("rgbd", "b", "b/rgb/10.jpg:1010 b/rgb/2.png:1200");
    assert_samples("rgbd", "b,a/x/", "b/rgb/10.jpg:1010 b/rgb/2.png:1200 a/x/rgb.png:1100");
    assert_samples("rgbd", "all[1:2]", "b/rgb/10.jpg:1010");
}

/* Endings in capitals are the same endings, of a picture and of its depth. */
Test(rgbd, endings_in_capitals) {
    write_picture("rgb/1.png");
    write_depth("depth/1.PNG", 1001);
    write_picture("rgb/2.PNG");
    write_depth("depth/2.png", 1002);
    write_picture("rgb/3.Jpeg");
    write_depth("depth/3.Png", 1003);
    write_picture("a/rgb.JPG");
    write_depth("a/depth.PNG", 1004);
    assert_samples("rgbd", "all", "rgb/1.png:1001 rgb/2.PNG:1002 rgb/3.Jpeg:1003 a/rgb.JPG:1004");
    write_picture("n/color/0005.PNG");
    write_depth("depth/000005.Png", 1005);
    assert_samples("nyu-folder", "n", "n/color/0005.PNG:1005");
    write_picture("s/image/6.JPG");
    write_depth("s/depth_bfx/6.PNG", 1006 << 3);
    assert_samples("sunrgbd", "s", "s/image/6.JPG:1006");
    write_picture("t/seq-01/frame-7.color.PNG");
    write_depth("t/seq-01/frame-7.depth.png", 1007);
    write_text("t/TrainSplit.TXT", "sequence1\n");
    assert_samples("7scenes", "train", "t/seq-01/frame-7.color.PNG:1007");
}

/* What was passed over in the folders of a split, and why. */
static void assert_unused(enum md_unused_why why, size_t count, const char *shown) {
    cr_assert_eq(dataset.unused.count[why], count, "%d: %zu", why, dataset.unused.count[why]);
    cr_assert_str_eq(dataset.unused.shown[why], shown);
}

Test(rgbd, what_is_passed_over) {
    write_picture("rgb/1.png");
    write_depth("depth/1.png", 1001);
    assert_samples("rgbd", "all", "rgb/1.png:1001");
    for (int why = 0; why < MD_UNUSED_WHYS; why++)
        assert_unused(why, 0, "");
    write_depth("depth/2.png", 1002);
    write_depth("depth/3.PNG", 1003);
    write_depth("depth/1.jpg", 1001);
    write_text("rgb/1.txt", "");
    write_text("rgb/4.tiff", "");
    write_text("rgb/5.TIFF", "");
    write_text("readme", "");
    write_picture("other/6.png");
    assert_samples("rgbd", "all", "rgb/1.png:1001");
    assert_unused(MD_UNUSED_ENDING, 5, ".jpg, none, .txt, .tiff, .TIFF");
    assert_unused(MD_UNUSED_DEPTH, 2, "depth/2.png, depth/3.PNG");
    assert_unused(MD_UNUSED_NAME, 1, "other/6.png");
    assert_samples("rgbd", "all[:1]", "rgb/1.png:1001"); /* of all, and not of the cut */
    assert_unused(MD_UNUSED_DEPTH, 2, "depth/2.png, depth/3.PNG");
    for (int i = 10; i < 40; i++) {
        char name[40];
        snprintf(name, sizeof name, "depth/%d.png", i);
        write_depth(name, 1);
    }
    opens("rgbd", "all");
    cr_assert_eq(dataset.unused.count[MD_UNUSED_DEPTH], 32);
    cr_assert(strstr(dataset.unused.shown[MD_UNUSED_DEPTH], "depth/2.png, ..."), "%s",
              dataset.unused.shown[MD_UNUSED_DEPTH]);
}

Test(rgbd, the_program_says_what_is_passed_over) {
    char set[700];
    write_picture("s/rgb/1.png");
    write_depth("s/depth/1.png", 1001);
    snprintf(set, sizeof set, "{set: rgbd, root: '%s/s', split: all}", scratch.folder);
    MUDEPTH("data", "verify", set);
    assert_fine("1 samples: 1 sound");
    cr_assert(!strstr(out, "not used"), "%s", out);
    write_depth("s/depth/2.png", 1002);
    write_text("s/rgb/a.txt", "");
    write_text("s/rgb/b.DB", "");
    static const char line[] = "\n3 files not used: 2 files with other endings (.txt, .DB), "
                               "1 depth without a picture (depth/2.png)\n";
    MUDEPTH("data", "verify", set);
    assert_fine(line);
    MUDEPTH("data", "info", set);
    assert_fine(line);
    for (int i = 0; i < 2; i++) {
        MUDEPTH("data", i ? "info" : "verify", "--json", set);
        json_t *json = output_json(), *first = json_array_get(json_at(json, "not_used"), 0);
        cr_assert_eq(json_array_size(json_at(json, "not_used")), 2);
        cr_assert_eq(json_integer_value(json_object_get(first, "count")), 2);
        cr_assert_str_eq(json_string_value(json_object_get(first, "what")),
                         "files with other endings");
        json_decref(json);
    }
}

Test(rgbd, nyu_folders) {
    write_picture("train/color/0003.png");
    write_picture("val/color/0009.png");
    write_picture("val/color/0002.png");
    write_depth("depth/000003.png", 1003);
    write_depth("depth/000009.png", 1009);
    write_depth("depth/000002.png", 1002);
    assert_samples("nyu-folder", "all",
                   "train/color/0003.png:1003 val/color/0002.png:1002 val/color/0009.png:1009");
    assert_unused(MD_UNUSED_DEPTH, 0, "");
    write_depth("depth/000004.png", 1004);
    write_picture("val/other.png");
    opens("nyu-folder", "all");
    assert_unused(MD_UNUSED_DEPTH, 1, "depth/000004.png");
    assert_unused(MD_UNUSED_NAME, 1, "val/other.png");
    assert_samples("nyu-folder", "val", "val/color/0002.png:1002 val/color/0009.png:1009");
    assert_unused(MD_UNUSED_DEPTH, 0, "");
}

Test(rgbd, seven_scenes) {
    static const char *const frames[] = {"s/seq-01/frame-000000", "s/seq-02/frame-000005",
                                         "s/seq-02/frame-000001", "t/seq-10/frame-000000"};
    for (unsigned i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.color.png", frames[i]);
        write_picture(name);
        snprintf(name, sizeof name, "%s.depth.png", frames[i]);
        write_depth(name, i == 3 ? 65535 : 1000 + i);
        snprintf(name, sizeof name, "%s.pose.txt", frames[i]);
        write_text(name, "1 0 0 0");
    }
    write_text("s/TrainSplit.txt", "sequence2 \r\n");
    write_text("s/TestSplit.txt", "sequence1\n");
    write_text("t/TrainSplit.txt", "sequence10");
    /* Both 65535 and 0 are none, whatever the range. */
    spec.max_depth_m = 100;
    assert_samples("7scenes", "t", "t/seq-10/frame-000000.color.png:0");
    spec.max_depth_m = 0;
    write_depth("t/seq-10/frame-000000.depth.png", 0);
    assert_samples("7scenes", "all",
                   "s/seq-01/frame-000000.color.png:1000 s/seq-02/frame-000001.color.png:1002 "
                   "s/seq-02/frame-000005.color.png:1001 t/seq-10/frame-000000.color.png:0");
    assert_unused(MD_UNUSED_ENDING, 7, ".txt"); /* poses and lists */
    assert_unused(MD_UNUSED_NAME, 0, "");
    assert_samples("7scenes", "train",
                   "s/seq-02/frame-000001.color.png:1002 s/seq-02/frame-000005.color.png:1001 "
                   "t/seq-10/frame-000000.color.png:0");
    assert_samples("7scenes", "test", "s/seq-01/frame-000000.color.png:1000");

    write_text("s/TestSplit.txt", "sequence1\nseq 2\n");
    refused("7scenes", "test", MD_FAILED, "line 2 of ");
    assert_contains(error.text, "TestSplit.txt: expected sequenceN, found \"seq 2\"");
    write_text("s/TestSplit.txt", "sequence7\n");
    refused("7scenes", "test", MD_FAILED, "seq-07/: No such file");
    strcat(spec.root, "/s/seq-01");
    refused("7scenes", "train", MD_FAILED, "no TrainSplit.txt there or in folders below");
}

Test(rgbd, sun_scenes) {
    /* 1234 mm is stored turned left by 3 bits, 8191 + 2 mm with its upper bits in front. */
    static const char *const scenes[] = {"kv1/NYUdata/NYU0001", "kv2/x/y/z/scene", "xtion/s"};
    for (int i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/image/%d.jpg", scenes[i], i);
        write_picture(name);
        snprintf(name, sizeof name, "%s/depth/%d_abs.png", scenes[i], i);
        write_depth(name, 1234 << 3);
        snprintf(name, sizeof name, "%s/depth_bfx/%d_abs.png", scenes[i], i);
        if (i != 2)
            write_depth(name, (8193 << 3 & 0xffff) | 8193 >> 13);
    }
    assert_samples("sunrgbd", "all",
                   "kv1/NYUdata/NYU0001/image/0.jpg:8193 kv2/x/y/z/scene/image/1.jpg:8193 "
                   "xtion/s/image/2.jpg:1234");
    assert_unused(MD_UNUSED_DEPTH, 0, ""); /* of a frame that has two both are its own */
    assert_samples("sunrgbd", "raw:kv2,kv1",
                   "kv2/x/y/z/scene/image/1.jpg:1234 kv1/NYUdata/NYU0001/image/0.jpg:1234");
    write_depth("xtion/s/depth/more.png", 1);
    refused("sunrgbd", "xtion", MD_FAILED, "xtion/s/depth/: expected one PNG, found 2");
    refused("rgbd", "raw:all", MD_USAGE, "set rgbd has one kind of depth");

    char split[2048];
    const char *list = write_list("# scenes\r\nkv2/x \r\n\r\nkv1/NYUdata/NYU0001/\r\n");
    assert_samples("sunrgbd", list,
                   "kv2/x/y/z/scene/image/1.jpg:8193 kv1/NYUdata/NYU0001/image/0.jpg:8193");
    snprintf(split, sizeof split, "raw:%s[:1]", list);
    assert_samples("sunrgbd", split, "kv2/x/y/z/scene/image/1.jpg:1234");
}

/* --- values --- */

/* Of whatever unit, in all sets that have such files; the label and the digest follow. */
Test(rgbd, units) {
    static const char *const pairs[][3] = {{"rgbd", "rgb/1.png", "depth/1.png"},
                                           {"nyu-folder", "color/0001.png", "../depth/000001.png"},
                                           {"7scenes", "frame-1.color.png", "frame-1.depth.png"},
                                           {"sunrgbd", "image/1.png", "depth/1.png"}};
    char digest[33], set[800];
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const int turned = strcmp(pairs[i][0], "sunrgbd") == 0 ? 8 : 1;
        char name[100];
        snprintf(name, sizeof name, "%zu/x/%s", i, pairs[i][1]);
        write_picture(name);
        snprintf(name, sizeof name, "%zu/x/%s", i, pairs[i][2]);
        write_depth(name, 5000u * (unsigned)turned);
        snprintf(spec.root, sizeof spec.root, "%s/%zu/x", scratch.folder, i);
        spec.depth_per_m = 0; /* as by default: 1000 */
        opens(pairs[i][0], "all");
        cr_assert_eq(dataset.samples[0].depth_m[0], 5);
        memcpy(digest, dataset.digest, sizeof digest);
        spec.depth_per_m = 5000;
        opens(pairs[i][0], "all");
        cr_assert_eq(dataset.samples[0].depth_m[0], 1);
        cr_assert_str_neq(dataset.digest, digest);
    }
    for (int i = 0; i < 2; i++) {
        spec.depth_per_m = i ? -1 : INFINITY;
        refused("rgbd", "all", MD_USAGE, "depth_per_m: expected a positive number");
    }
    snprintf(set, sizeof set, "{set: rgbd, root: '%s/0/x', split: all}", scratch.folder);
    MUDEPTH("data", "info", set);
    assert_fine("unit:     0.001 m, the millimetre (depth_per_m: 1000)");
    snprintf(set, sizeof set, "{set: rgbd, root: '%s/0/x', split: all, depth_per_m: 5e3}",
             scratch.folder);
    MUDEPTH("data", "info", set);
    assert_fine("unit:     0.0002 m (depth_per_m: 5000)");
    assert_contains(out, "0.90 ..   1.00    8.3 %");
    MUDEPTH("data", "info", "{set: kitti, root: x, split: all, depth_per_m: 5000}");
    assert_fails(2, "depth_per_m");
    assert_contains(err, "nyu-folder, 7scenes, sunrgbd, rgbd");
    MUDEPTH("help", "config");
    assert_fine("units of a 16-bit depth PNG are a metre (TUM: 5000)");
}

/* What the program writes for a depth that it does not know, or that does not fit, no reader takes
 * for one; all else comes back as it was. */
Test(rgbd, what_stands_for_no_value) {
    static const struct {
        float depth_m;
        unsigned value;
    } cases[] = {{0, 0},           {-1, 0},        {NAN, 0},          {-INFINITY, 0},
                 {0.0004f, 0},     {0.0006f, 1},   {65.5344f, 65534}, {65.5346f, 65535},
                 {65.535f, 65535}, {1e30f, 65535}, {INFINITY, 65535}, {1.0f, 1000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_eq(md_depth_code(cases[i].depth_m, 1000), cases[i].value, "%g",
                     (double)cases[i].depth_m);
    for (unsigned value = 0; value <= 65535; value++) {
        float depth_m = md_depth_code_m((uint16_t)value, 5000);
        if (value == 0 || value == 65535)
            cr_assert_eq(depth_m, MD_NO_DEPTH);
        else
            cr_assert_eq(md_depth_code(depth_m, 5000), value, "%u", value);
    }
    static const char *const depths[][3] = {
        {"rgbd", "rgb/1.png", "depth/1.png"},
        {"nyu-folder", "color/0001.png", "../depth/000001.png"},
        {"7scenes", "frame-1.color.png", "frame-1.depth.png"},
        {"sunrgbd", "image/1.png", "depth/1.png"},
        {"kitti-object", "training/image_2/000001.png",
         "training/proj_depth/velodyne_raw/image_2/000001.png"}};
    spec.max_depth_m = 1000;
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
        char picture[100], depth[100];
        snprintf(picture, sizeof picture, "%zu/x/%s", i, depths[i][1]);
        snprintf(depth, sizeof depth, "%zu/x/%s", i, depths[i][2]);
        write_picture(picture);
        snprintf(spec.root, sizeof spec.root, "%s/%zu/x", scratch.folder, i);
        for (unsigned value = 0; value <= 65535; value += 65535) {
            write_depth(depth, value);
            opens(depths[i][0], "all");
            cr_assert_eq(dataset.samples[0].depth_m[0], MD_NO_DEPTH, "%s: %u", depths[i][0], value);
            cr_assert_neq(dataset.samples[0].depth_m[1], MD_NO_DEPTH, "%s", depths[i][0]);
        }
    }
}

/* --- pictures and depths that are named by their times --- */

/* As TUM's recordings: two cameras, each with a clock's time for a name. */
static void write_times(const char *folder, unsigned first, const char *const *times) {
    for (unsigned i = 0; times[i]; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/%s.png", folder, times[i]);
        if (first == 0)
            write_picture(name);
        else
            write_depth(name, first + i);
    }
}

#define TIMES(...) ((const char *const[]){__VA_ARGS__, NULL})

Test(rgbd, nearest_times) {
    /* The first depth is nearer to the second picture, which leaves the first one the third; 20 ms
     * are too much, 19 are not; each is used once. */
    write_times("a/rgb", 0, TIMES("100.000000", "100.012", "101.5", "102.5", "1305031102.175304"));
    write_times("a/depth", 1000,
                TIMES("100.010", "101.520", "100.0190", "102.481", "1305031102.160407", "7.25"));
    assert_samples("rgbd", "all",
                   "a/rgb/100.000000.png:1002 a/rgb/100.012.png:1000 a/rgb/102.5.png:1003 "
                   "a/rgb/1305031102.175304.png:1004");
    assert_unused(MD_UNUSED_PICTURE, 1, "a/rgb/101.5.png");
    assert_unused(MD_UNUSED_DEPTH, 2, "a/depth/101.520.png, a/depth/7.25.png");
    assert_samples("rgbd", "a[1:2]", "a/rgb/100.012.png:1000");
    /* One name that is no time: names have to be the same again. */
    write_picture("a/rgb/mean.png");
    refused("rgbd", "a", MD_FAILED, "depth/100.000000.png: No such file");
}

Test(rgbd, times_in_files) {
    write_times("rgb", 0, TIMES("a", "b"));
    write_times("depth", 1000, TIMES("x", "y"));
    write_text("rgb.txt", "# color images\n# timestamp filename\n5.0 rgb/b.png\n4 rgb/a.png\n");
    write_text("depth.txt", "# depth\n4.015 depth/y.png\n5.001 depth/x.png\n9.5 depth/z.png\n");
    assert_samples("rgbd", "all", "rgb/a.png:1001 rgb/b.png:1000");
    assert_unused(MD_UNUSED_ENDING, 0, "");
    /* Both orders of associate.py's output. */
    write_text("associations.txt", "# pairs\n4 rgb/a.png 4.1 depth/x.png\n"
                                   "5.1 depth/y.png 5.0 rgb/b.png # the other\n");
    assert_samples("rgbd", "all", "rgb/a.png:1000 rgb/b.png:1001");
    assert_unused(MD_UNUSED_ENDING, 2, ".txt"); /* the other two files now */

    static const char *const bad[] = {"4 rgb/a.png 4.1", "4 rgb/a.png 4.1 rgb/b.png",
                                      "4 depth/x.png 4.1 depth/y.png", "4 rgb/a.png x depth/x.png",
                                      "4 rgb/a.png 4 depth/x.png 5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[200];
        snprintf(text, sizeof text, "4 rgb/a.png 4.1 depth/x.png\n%s\n", bad[i]);
        write_text("associations.txt", text);
        refused("rgbd", "all", MD_FAILED, "line 2 of ");
        assert_contains(error.text, "associations.txt: expected TIME rgb/FILE TIME depth/FILE");
    }
    write_text("associations.txt", "4 rgb/a.png 4.1 depth/none.png\n");
    refused("rgbd", "all", MD_FAILED, "depth/none.png: No such file");
    write_text("associations.txt", "# nothing\n");
    refused("rgbd", "all", MD_FAILED, "associations.txt: expected names, found none");
    remove(scratch_path(&scratch, "associations.txt").text);
    write_text("depth.txt", "4.015 depth/y.png\n-1 depth/x.png\n");
    refused("rgbd", "all", MD_FAILED, "depth.txt: expected TIME PATH, found \"-1 depth/x.png\"");
    write_text("depth.txt", "4.02 depth/y.png\n");
    refused("rgbd", "all", MD_FAILED, "expected depths within 0.02 s of the 2 pictures");
    remove(scratch_path(&scratch, "depth.txt").text);
    refused("rgbd", "all", MD_FAILED, "depth/a.png: No such file");
}

/* --- what is wrong --- */

Test(rgbd, wrong_requests) {
    write_picture("a/rgb/1.png");
    write_depth("a/depth/1.png", 1000);
    assert_samples("rgbd", "all", "a/rgb/1.png:1000");
    refused("rgbd", "none", MD_FAILED, "none/: No such file");
    refused("rgbd", "a,a", MD_USAGE, "a is named twice");
    refused("rgbd", "a,,", MD_USAGE, "expected a name, found nothing");
    refused("rgbd", "a/rgb", MD_FAILED, "a/rgb/: no pictures; set rgbd expects rgb/1.png");
    refused("sunrgbd", "all", MD_FAILED, ": no pictures; set sunrgbd expects image/1.jpg");
    refused("rgbd", "@/nowhere/at/all", MD_FAILED, "/nowhere/at/all: No such file");
    refused("rgbd", write_list("a\n# again\na/\n"), MD_USAGE, "line 3 of ");
    refused("rgbd", write_list("# nothing\n"), MD_FAILED, "expected names, found none");
    strcat(spec.root, "/a/rgb/1.png");
    refused("rgbd", "all", MD_FAILED, "cannot read the folder");
}

/* '#' begins a comment at the start of a line or behind white space, and is part of a name
 * elsewhere. */
Test(rgbd, comments_in_lists) {
    write_picture("room#3/rgb/1.png");
    write_depth("room#3/depth/1.png", 1300);
    assert_samples("rgbd", write_list("#room#3\nroom#3 # the kitchen#\n \t# nothing\n"),
                   "room#3/rgb/1.png:1300");
    assert_samples("rgbd", write_list("room#3/\t#"), "room#3/rgb/1.png:1300");
}

Test(rgbd, broken_pairs) {
    static const uint16_t square[HEIGHT * HEIGHT];
    struct scratch_path depth = scratch_path(&scratch, "depth/1.png");
    write_picture("rgb/1.png");
    refused("rgbd", "all", MD_FAILED, "depth/1.png: No such file");
    write_picture("depth/1.png");
    refused("rgbd", "all", MD_FAILED, "depth/1.png: not a sound PNG: expected 16-bit grey");
    write_grey16("depth/1.png", square, HEIGHT, HEIGHT);
    refused("rgbd", "all", MD_FAILED,
            "depth/1.png: expected the shape of the picture's 4x3, found 3x3");
    write_depth("depth/1.png", 1000);
    cr_assert_eq(truncate(depth.text, 60), 0);
    refused("rgbd", "all", MD_FAILED, "depth/1.png: not a sound PNG");
    scratch_write_text(depth.text, "");
    refused("rgbd", "all", MD_FAILED, "depth/1.png: expected a PNG picture, found an empty");
    write_depth("depth/1.png", 1000);
    cr_assert_eq(truncate(scratch_path(&scratch, "rgb/1.png").text, 60), 0);
    refused("rgbd", "all", MD_FAILED, "rgb/1.png: not a sound PNG");
}

/* Nothing is taken twice because a folder leads back to one above it, and nothing is passed over.
 */
Test(rgbd, folders_without_end_are_refused) {
    write_picture("scene/rgb/1.png");
    write_depth("scene/depth/1.png", 500);
    cr_assert_eq(symlink("..", scratch_path(&scratch, "scene/up").text), 0);
    refused("rgbd", "all", MD_FAILED, "/scene/up/scene/up/");
    refused("rgbd", "all", MD_FAILED, "more than 8 folders deep");
    remove(scratch_path(&scratch, "scene/up").text);
    write_picture("scene/2/3/4/5/6/7/rgb/1.png");
    write_depth("scene/2/3/4/5/6/7/depth/1.png", 600);
    assert_samples("rgbd", "all", "scene/rgb/1.png:500 scene/2/3/4/5/6/7/rgb/1.png:600");
    write_picture("scene/2/3/4/5/6/7/8/rgb/1.png");
    refused("rgbd", "all", MD_FAILED, "more than 8 folders deep");
}

Test(rgbd, a_map_of_another_size_that_shows_the_same) {
    uint16_t values[4 * PIXELS];
    for (int i = 0; i < 4 * PIXELS; i++)
        values[i] = (uint16_t)(i < 2 * WIDTH ? 2000 : 1000);
    write_picture("rgb/1.png");
    write_grey16("depth/1.png", values, 2 * HEIGHT, 2 * WIDTH);
    opens("rgbd", "all");
    /* The first row of the label sees one row of each: mean disparity 0.75 / m. */
    cr_assert_float_eq(dataset.samples[0].depth_m[0], 1 / 0.75f, 1e-6);
    cr_assert_eq(dataset.samples[0].truth_height, 2 * HEIGHT);
    cr_assert_eq(dataset.samples[0].truth_m[0], 2);
}

/* --- real data --- */

/* One frame, found with NumPy and Pillow: how many depths are 20 to 10000 mm and their sum, the
 * depth in row 100, column 50; of the 48x48 picture (exact area average, halves up) the sum of all
 * bytes and the red one in its middle; of the 48x48 label how many pixels have a value and the sum
 * of the mean disparities 80 / m. */
struct spot {
    const char *set, *folder, *split, *name;
    size_t count;
    long valid, sum_mm, row_100_mm, picture_sum;
    int red, labelled;
    double disparity_sum;
};

static void check_spot(const struct spot *spot) {
    const struct md_sample *sample = NULL;
    long valid = 0, picture_sum = 0;
    int labelled = 0;
    double sum_m = 0, disparity_sum = 0;
    choose_shared(spot->folder);
    opens(spot->set, spot->split);
    cr_assert_eq(dataset.count, spot->count);
    for (size_t i = 0; i < dataset.count; i++)
        if (strcmp(dataset.samples[i].name, spot->name) == 0)
            sample = &dataset.samples[i];
    cr_assert(sample, "%s", spot->name);
    for (int i = 0; i < sample->truth_height * sample->truth_width; i++) {
        valid += sample->truth_m[i] != MD_NO_DEPTH;
        sum_m += (double)sample->truth_m[i];
    }
    for (int i = 0; i < 48 * 48; i++)
        if (sample->disparity[i] != MD_INVALID) {
            labelled++;
            disparity_sum += (double)sample->disparity[i];
        }
    for (int i = 0; i < 3 * 48 * 48; i++)
        picture_sum += sample->picture[i];
    cr_assert_eq(valid, spot->valid, "%s: %ld", spot->name, valid);
    /* Each depth is rounded to float: at most 2^-24 of it. */
    cr_assert_float_eq(1000 * sum_m, spot->sum_mm, spot->sum_mm * 0x1p-24, "%s", spot->name);
    cr_assert_eq(sample->truth_m[100 * sample->truth_width + 50],
                 (float)((double)spot->row_100_mm * 1e-3), "%s", spot->name);
    cr_assert_eq(picture_sum, spot->picture_sum, "%s: %ld", spot->name, picture_sum);
    cr_assert_eq(sample->picture[24 * 48 + 24], spot->red, "%s", spot->name);
    cr_assert_eq(labelled, spot->labelled, "%s", spot->name);
    /* Twice rounded to float, of the depths it is made of and of itself; 4 digits here. */
    cr_assert_float_eq(disparity_sum, spot->disparity_sum, spot->disparity_sum * 0x1p-22 + 1e-4,
                       "%s: %f", spot->name, disparity_sum);
}

static const struct spot spots[] = {
    {"nyu-folder", "data/nyu/NYUDv2-IS", "all", "train/color/0003.png", 15, 307200, 550689557, 2145,
     964177, 206, 2304, 107676.8882},
    {"nyu-folder", "data/nyu/NYUDv2-IS", "val", "val/color/0018.png", 5, 307200, 949687137, 3110,
     757330, 85, 2304, 73657.7175},
    {"nyu-folder", "data/nyu/NYUDv2-IS", "train", "train/color/0013.png", 10, 307200, 988000638,
     3238, 761156, 122, 2304, 65966.8926},
    {"rgbd", "data/nyu/UniDepth_demo", "all", "rgb.png", 1, 209294, 773280050, 0, 970967, 230, 1836,
     45565.7699},
    {"7scenes", "data/extra/7scenes_redkitchen", "all", "frame-000000.color.jpg", 31, 273943,
     526822367, 1952, 779549, 231, 2259, 105977.6001},
    {"7scenes", "data/extra/7scenes_redkitchen", "all", "frame-000495.color.jpg", 31, 285091,
     594591314, 2743, 860771, 123, 2255, 97795.6807},
    {"sunrgbd", "data/extra/sunrgbd", "all", "2014-12-18_11-31-54_260595134347/image/0000144.jpg",
     2, 386900, 928427030, 2181, 847368, 17, 2304, 83261.7885},
    {"sunrgbd", "data/extra/sunrgbd", "all", "img_0063/image/img_0063.jpg", 2, 239547, 469988845,
     1546, 814635, 146, 2304, 95125.7749},
    {"sunrgbd", "data/extra/sunrgbd", "raw:img_0063", "img_0063/image/img_0063.jpg", 1, 162067,
     318566455, 1544, 814635, 146, 1949, 79933.2622},
};

Test(rgbd, the_real_frames, .timeout = 600) {
    for (size_t i = 0; i < sizeof spots / sizeof *spots; i++)
        check_spot(&spots[i]);
}
