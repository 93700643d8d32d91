/* mudepth predict: what it writes of pictures, which part of them, and what it refuses. */
#include <criterion/criterion.h>

#include "../base/image.h"
#include "../base/npy.h"
#include "flat_weights.h"
#include "h5_leaks.h"
#include "program.h"

TestSuite(predict, .init = scratch_set_up, .fini = scratch_tear_down, .timeout = 600);

static struct scratch_path picture(const char *name, int height, int width) {
    struct scratch_path path = scratch_path(&scratch, "%s", name);
    uint8_t *rgb = malloc((size_t)(3 * height * width));
    struct md_error error;
    cr_assert(rgb);
    for (int i = 0; i < 3 * height * width; i++)
        rgb[i] = (uint8_t)(i * 7 / 3);
    cr_assert_eq(md_png_write_rgb(path.text, rgb, height, width, &error), MD_OK);
    free(rgb);
    return path;
}

Test(predict, writes_depth_and_colours) {
    struct scratch_path cell = small_cell(), wide = picture("wide.png", 60, 100),
                        tiny = picture("a b.c.png", 1, 1), folder = scratch_path(&scratch, "d/e");
    MUDEPTH("predict", "--weights", cell.text, wide.text, tiny.text, "-o", folder.text);
    assert_fine("wide.depth.png");
    assert_contains(out, "a b.c.colour.png");
    static const char *const names[] = {"wide.depth", "wide.colour", "a b.c.depth", "a b.c.colour"};
    for (int i = 0; i < 4; i++) {
        struct md_image image;
        struct md_error error;
        cr_assert_eq(
            md_image_read(scratch_path(&scratch, "d/e/%s.png", names[i]).text, &image, &error),
            MD_OK, "%s", error.text);
        cr_assert_eq(image.height, 48);
        cr_assert_eq(image.width, 48);
        md_image_free(&image);
    }
    MUDEPTH("predict", "--weights", cell.text, wide.text, "-o", folder.text);
    assert_fails(2, "wide.depth.png: is there already");
    struct scratch_path twin = scratch_path(&scratch, "other/wide.png"),
                        empty = scratch_path(&scratch, "empty");
    mkdir(scratch_path(&scratch, "other").text, 0777);
    rename(tiny.text, twin.text);
    MUDEPTH("predict", "--weights", cell.text, wide.text, twin.text, "-o", empty.text);
    assert_fails(2, "other/wide.png: both would be ");
    cr_assert_neq(access(empty.text, F_OK), 0, "written before it was refused");
}

Test(predict, refuses_broken_pictures_by_name) {
    struct scratch_path cell = small_cell(), whole = picture("whole.png", 48, 48),
                        cut = scratch_path(&scratch, "cut.png"),
                        text = written("text.png", "no picture");
    size_t size;
    unsigned char *bytes = scratch_read(whole.text, &size);
    scratch_write(cut.text, bytes, size / 2);
    free(bytes);
    const char *broken[] = {cut.text, text.text, "no-such@list.txt", "/dev/null", "no.png"};
    for (int i = 0; i < 5; i++) {
        MUDEPTH("predict", "--weights", cell.text, broken[i], "-o",
                scratch_path(&scratch, "d%d", i).text);
        assert_fails(1, broken[i]);
        cr_assert_neq(access(scratch_path(&scratch, "d%d", i).text, F_OK), 0, "a folder is left");
    }
}

/* A share of the mean in every depth: in a run, in eval of its cell, and in what is predicted. */
Test(predict, a_share_of_the_mean) {
    static const char *const train = "{set: synthetic, split: train, count: 6}",
                             *const test = "{set: synthetic, split: test, count: 6}";
    struct scratch_path config = written("small.yaml", SMALL_FIELD),
                        cell = scratch_path(&scratch, "shrunk.h5"),
                        flat = flat_weights("flat.h5", 0, 40), wide = picture("wide.png", 60, 100);
    MUDEPTH("run", config.text, "mean_share=0.5", "-o", cell.text, "--json");
    json_t *run = output_json();
    MUDEPTH("eval", "--weights", cell.text, "--data", test, "--train", train, "--mean-share", "0.5",
            "--json");
    json_t *eval = output_json();
    cr_assert_eq(json_number_value(json_at(run, "test.after.rmse_m")),
                 json_number_value(json_at(eval, "network_metrics.rmse_m")));
    cr_assert_eq(json_number_value(json_at(eval, "mean_share")), 0.5);
    json_decref(run);
    json_decref(eval);
    MUDEPTH("eval", "--weights", cell.text, "--data", test, "--train", train, "--mean-share",
            "0.5");
    assert_fine("each prediction: 0.5 of the depth is the dummy predictor's");
    MUDEPTH("eval", "--weights", cell.text, "--data", test, "--mean-share", "0.5");
    assert_fails(2, "--mean-share: only with --train");
    MUDEPTH("eval", "--weights", cell.text, "--data", test, "--train", train, "--mean-share", "0.5",
            "--protocol", "release");
    assert_fails(2, "--mean-share has an effect only with --protocol textbook");

    double mean_m[3];
    for (int i = 0; i < 3; i++) {
        static const char *const shares[] = {"0", "0.25", "0.5"};
        MUDEPTH("predict", "--weights", flat.text, wide.text, "-o",
                scratch_path(&scratch, "d%d", i).text, "--train", train, "--mean-share", shares[i],
                "--json");
        json_t *json = output_json();
        mean_m[i] =
            json_number_value(json_at(json_array_get(json_at(json, "pictures"), 0), "mean_m"));
        json_decref(json);
    }
    cr_assert_eq(mean_m[0], 2);
    cr_assert(mean_m[1] < 1.99 || mean_m[1] > 2.01);
    cr_assert_float_eq(mean_m[2] - 2, 2 * (mean_m[1] - 2), 1e-6);
    MUDEPTH("predict", "--weights", flat.text, wide.text, "-o", scratch_path(&scratch, "e").text,
            "--train", train);
    assert_fails(2, "--train: only with --mean-share");
}

/* The depth of a plane 80 / 40 m away, as each output has it. */
Test(predict, writes_what_is_asked_for) {
    struct scratch_path flat = flat_weights("flat.h5", 0, 40), wide = picture("wide.png", 60, 100),
                        folder = scratch_path(&scratch, "d");
    MUDEPTH("predict", "--weights", flat.text, wide.text, "-o", folder.text, "--full", "--npy",
            "--disparity", "--json");
    json_t *json = output_json(), *first = json_array_get(json_at(json, "pictures"), 0);
    cr_assert_str_eq(json_string_value(json_at(first, "picture")), wide.text);
    cr_assert_eq(json_real_value(json_at(first, "min_m")), 2.0);
    cr_assert_eq(json_real_value(json_at(first, "mean_m")), 2.0);
    cr_assert_eq(json_integer_value(json_at(first, "without_depth")), 0);
    struct md_grey16 grey;
    struct md_array array;
    struct md_error error;
    cr_assert_eq(md_grey16_read(json_string_value(json_at(first, "full")), &grey, &error), MD_OK,
                 "%s", error.text);
    cr_assert(grey.height == 60 && grey.width == 100);
    for (int i = 0; i < 60 * 100; i++) /* the square is columns 20 .. 79 */
        cr_assert_eq(grey.values[i], i % 100 >= 20 && i % 100 < 80 ? 2000 : 0, "pixel %d", i);
    md_grey16_free(&grey);
    cr_assert_eq(md_grey16_read(json_string_value(json_at(first, "disparity")), &grey, &error),
                 MD_OK, "%s", error.text);
    for (int i = 0; i < 48 * 48; i++)
        cr_assert_eq(grey.values[i], 40 * 256);
    md_grey16_free(&grey);
    static const struct {
        const char *name;
        size_t height, width;
        float value;
    } arrays[] = {{"npy", 48, 48, 2}, {"disparity_npy", 48, 48, 40}, {"full_npy", 60, 100, 2}};
    for (int a = 0; a < 3; a++) {
        const char *path = json_string_value(json_at(first, arrays[a].name));
        cr_assert_eq(md_npy_read(path, &array, &error), MD_OK);
        cr_assert(array.dimensions == 2 && array.shape[0] == arrays[a].height &&
                  array.shape[1] == arrays[a].width);
        for (size_t i = 0; i < array.count; i++)
            cr_assert_eq(array.values[i],
                         a < 2 || (i % 100 >= 20 && i % 100 < 80) ? arrays[a].value : 0);
        md_array_free(&array);
    }
    json_decref(json);
    cr_assert_eq(scratch_count(folder.text), 7);
    MUDEPTH("predict", "--weights", flat.text, wide.text, "-o", folder.text, "--npy");
    assert_fails(2, "is there already");
    need_tool("gnuplot");
    MUDEPTH("predict", "--weights", flat.text, wide.text, "-o", scratch_path(&scratch, "view").text,
            "--view");
    assert_fine("wide.view.png");
}

/* The two pictures of a stereo pair have one name in two folders. */
Test(predict, keeps_folders) {
    struct scratch_path flat = flat_weights("flat.h5", 0, 40);
    picture("pair/left/1.png", 20, 20);
    picture("pair/right/1.png", 20, 20);
    scratch_path(&scratch, "here/");
    const struct manner here = {.folder = scratch_path(&scratch, "here").text};
    call(WORDS("predict", "../pair/left", "../pair//./right/1.png", "--weights", flat.text, "-o",
               "d"),
         here);
    assert_fails(2, "both would be d/1.depth.png; --folders keeps their folders");
    call(WORDS("predict", "../pair/left", "../pair//./right/1.png", "--weights", flat.text, "-o",
               "d", "--folders"),
         here);
    assert_fine("d/pair/left/1.depth.png\n");
    assert_contains(out, "d/pair/right/1.colour.png\n");
    cr_assert_eq(scratch_count(scratch_path(&scratch, "here/d/pair/right").text), 2);
    call(WORDS("predict", "../pair/left", "../pair/../pair/left/1.png", "--weights", flat.text,
               "-o", "e", "--folders"),
         here);
    assert_fine("e/pair/pair/left/1.depth.png\n");
}

/* Weights of a run on KITTI's data, whose constant is another. */
Test(predict, says_when_the_weights_learned_with_another_constant) {
    struct scratch_path config = written("tiny.yaml", "weights: scratch\nepochs: 0\n"
                                                      "data: {set: synthetic, count: 1}\n"),
                        cell = scratch_path(&scratch, "cell.h5"), one = picture("a.png", 48, 48),
                        to = scratch_path(&scratch, "d");
    struct md_error error;
    MUDEPTH("run", config.text, "-o", cell.text);
    assert_fine("RMSE");
    MUDEPTH("predict", "--weights", cell.text, one.text, "-o", to.text);
    assert_code(0);
    cr_assert_str_empty(err);
    hid_t file = H5Fopen(cell.text, H5F_ACC_RDWR, H5P_DEFAULT);
    cr_assert_geq(H5Adelete_by_name(file, "/config", "yaml", H5P_DEFAULT), 0);
    cr_assert_eq(md_h5_write_text(file, "/config", "yaml",
                                  "weights: scratch\nepochs: 0\ndata: {set: kitti, root: x}\n",
                                  &error),
                 MD_OK);
    H5Fclose(file);
    static const char *const words[][2] = {
        {"--like", "matrix"}, {"--like", "kitti"}, {"--fb", "80"}};
    for (int i = 0; i < 3; i++) {
        struct scratch_path large = picture("b.png", 400, 400);
        MUDEPTH("predict", "--weights", cell.text, large.text, "-o", to.text, "--force",
                words[i][0], words[i][1]);
        assert_code(0);
        cr_assert_eq(strstr(err, "learned with an FB of 389.63 (data.set: kitti)") != NULL, i == 0);
    }
}

/* A folder stands for its pictures, in order; @LIST for its lines; a bad one keeps none back. */
/* What of a picture of 400 x 500 pixels is used is what the set's own pictures are made of. */
Test(predict, cuts_as_a_data_set_does) {
    static const struct {
        const char *like;
        int top, left, height, width, mm; /* of disparity 40: 80, or KITTI's 389.63, by that */
    } cases[] = {{"recording", 0, 50, 400, 400, 2000},
                 {"{set: recording, crop: 200}", 100, 150, 200, 200, 2000},
                 {"{set: recording, picture: whole, crop: 200}", 0, 0, 400, 500, 2000},
                 {"matrix", 119, 169, 162, 162, 2000},
                 {"kitti", 0, 70, 360, 360, 9741},
                 {"{set: kitti-stereo, picture: whole}", 0, 0, 400, 500, 9741},
                 {"h5", 0, 70, 360, 360, 9741},
                 {"nyu", 0, 0, 400, 500, 2000},
                 {"micro-kitti", 0, 0, 400, 500, 9741},
                 {"micro", 0, 0, 400, 500, 2000}};
    static const char *const bad[][2] = {{"{set: nyu, crop: 3}", "crop: has an effect only with"},
                                         {"{crop: 3}", "set is missing"},
                                         {"", "--like: "},
                                         {"{set: nyu, split: x}", "given twice"},
                                         {"nowhere", "set: "}};
    struct scratch_path flat = flat_weights("flat.h5", 0, 40), large = picture("l.png", 400, 500),
                        small = picture("small.png", 60, 100);
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct scratch_path folder = scratch_path(&scratch, "d%zu", c);
        struct md_grey16 grey;
        struct md_error error;
        MUDEPTH("predict", "--weights", flat.text, large.text, "-o", folder.text, "--full",
                "--like", cases[c].like);
        assert_fine("l.full.png");
        cr_assert_eq(
            md_grey16_read(scratch_path(&scratch, "d%zu/l.full.png", c).text, &grey, &error),
            MD_OK);
        for (int i = 0; i < 400 * 500; i++) {
            int y = i / 500 - cases[c].top, x = i % 500 - cases[c].left;
            int is_inside = y >= 0 && y < cases[c].height && x >= 0 && x < cases[c].width;
            cr_assert_eq(grey.values[i], is_inside ? cases[c].mm : 0, "%s: %d", cases[c].like, i);
        }
        md_grey16_free(&grey);
    }
    for (size_t b = 0; b < sizeof bad / sizeof bad[0]; b++) {
        struct scratch_path none = scratch_path(&scratch, "none");
        MUDEPTH("predict", "--weights", flat.text, large.text, "-o", none.text, "--like",
                bad[b][0]);
        assert_fails(2, bad[b][1]);
        cr_assert_neq(access(none.text, F_OK), 0);
    }
    MUDEPTH("predict", "--weights", flat.text, small.text, "-o", scratch_path(&scratch, "s").text,
            "--like", "matrix");
    assert_fails(1, "small.png: expected at least 162x162 pixels (the crop), found 100x60");
}

Test(predict, does_all_pictures_even_if_some_are_bad) {
    struct scratch_path flat = flat_weights("flat.h5", 0, 40),
                        folder = scratch_path(&scratch, "out"), frames, list;
    picture("frames/2.png", 48, 48);
    picture("frames/10.JPG", 20, 20);
    written("frames/1.jpeg", "no picture");
    written("frames/times.csv", "no picture either");
    frames = scratch_path(&scratch, "frames");
    char lines[4000];
    struct scratch_path more = picture("more.png", 5, 5);
    snprintf(lines, sizeof lines, "%s\n\nno.png  # gone\n", more.text);
    list = written("list.txt", lines);
    char word[2000];
    snprintf(word, sizeof word, "@%s", list.text);
    MUDEPTH("predict", "--weights", flat.text, frames.text, word, "-o", folder.text);
    assert_code(1);
    assert_contains(err, "frames/1.jpeg: ");
    assert_contains(err, "no.png");
    assert_contains(err, "mudepth predict: 2 of 5 pictures failed");
    const char *ten = strstr(out, "10.depth.png"), *two = strstr(out, "2.depth.png");
    cr_assert(ten && two && ten < two && strstr(out, "more.colour.png"), "%s", out);
    cr_assert_eq(scratch_count(folder.text), 6);
    MUDEPTH("predict", "--weights", flat.text, frames.text, "-o",
            scratch_path(&scratch, "json").text, "--json");
    assert_code(1);
    assert_contains(out, "\"error\": ");
    mkdir(scratch_path(&scratch, "none").text, 0777);
    MUDEPTH("predict", "--weights", flat.text, scratch_path(&scratch, "none").text, "-o",
            scratch_path(&scratch, "no").text);
    assert_fails(1, "none: no picture");
}
