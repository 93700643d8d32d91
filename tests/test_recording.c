/* Our own recordings: the columns of frames.csv, what a zone says, blocks and names, broken files,
 * and the example of datasets/recording.md. */
#include <criterion/criterion.h>

#include "program.h"
#include "reading.h"

enum { SIDE = 4, ZONES = 64 };

static char csv[1 << 16];

static void set_up(void) {
    begin_reading("recording", SIDE, SIDE);
    csv[0] = 0;
}

TestSuite(recording, .init = set_up, .fini = end_reading);

/* A picture whose left half is dark and right half bright, with a white frame of `frame` pixels at
 * the left and the right. */
static void write_picture(const char *name, int height, int width, int frame) {
    uint8_t rgb[3 * 16 * 16];
    for (int i = 0; i < height * width; i++) {
        int x = i % width;
        uint8_t value = x < frame || x >= width - frame ? 255 : x < width / 2 ? 10 : 200;
        memset(rgb + (size_t)(3 * i), value, 3);
    }
    write_rgb(name, rgb, height, width);
}

__attribute__((format(printf, 1, 2))) static void add(const char *format, ...) {
    size_t used = strlen(csv);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(csv + used, sizeof csv - used, format, arguments);
    va_end(arguments);
}

static void add_columns(const char *name) {
    for (int zone = 0; zone < ZONES; zone++)
        add(",%s_%d", name, zone);
}

static void add_values(int value) {
    for (int zone = 0; zone < ZONES; zone++)
        add(",%d", value);
}

/* The usual first line. */
static void begin(void) {
    csv[0] = 0;
    add("picture");
    add_columns("distance_mm");
    add_columns("target_status");
    add("\n");
}

static void add_frame(const char *picture, int distance_mm) {
    add("%s", picture);
    add_values(distance_mm);
    add_values(5);
    add("\n");
}

static void write_csv(const char *folder) {
    scratch_write_text(scratch_path(&scratch, "%sframes.csv", folder).text, csv);
}

/* A recording of `frames` frames; frame i is 1000 + i mm away. */
static void write_recording(const char *folder, int frames) {
    char picture[64];
    begin();
    for (int i = 0; i < frames; i++)
        add_frame("p.png", 1000 + i);
    write_csv(folder);
    snprintf(picture, sizeof picture, "%sp.png", folder);
    write_picture(picture, 8, 8, 0);
}

/* --- what a line says --- */

/* Which of a zone's two targets is its label, in the driver's order or the other way round. */
Test(recording, a_second_target_can_be_chosen) {
    static const struct {
        int first_mm, first_status, second_mm, second_status, targets;
        float depth_m[4]; /* auto, nearest, farthest, both */
    } cases[] = {
        {1000, 5, 2500, 5, 2, {0, 1, 2.5f, 1.75f}},   {2500, 9, 1000, 5, 2, {0, 1, 2.5f, 1.75f}},
        {1000, 4, 2500, 5, 2, {0, 2.5f, 2.5f, 2.5f}}, {1000, 5, 2500, 4, 2, {0, 1, 1, 1}},
        {1000, 5, 7, 255, 1, {1, 1, 1, 1}},           {1000, 5, 2500, 5, 3, {0, 0, 0, 0}},
        {1000, 5, 5000, 5, 2, {0, 1, 1, 1}},          {0, 255, 0, 255, 0, {0, 0, 0, 0}},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    static const char *const names[] = {"distance_mm", "target_status", "second_distance_mm",
                                        "second_target_status", "nb_target_detected"};
    add("picture");
    for (int n = 0; n < 5; n++)
        add_columns(names[n]);
    add("\np.png");
    for (int n = 0; n < 5; n++)
        for (int zone = 0; zone < ZONES; zone++) {
            const int *values = &cases[zone < CASES ? zone : CASES - 1].first_mm;
            add(",%d", values[n]);
        }
    add("\n");
    write_csv("");
    write_picture("p.png", 8, 8, 0);
    for (spec.target = 0; spec.target < 4; spec.target++) {
        assert_opens();
        for (int zone = 0; zone < CASES; zone++)
            cr_assert_float_eq(dataset.samples[0].depth_m[zone], cases[zone].depth_m[spec.target],
                               1e-6, "%s, zone %d", md_target_names[spec.target], zone);
    }
    write_recording("", 1);
    spec.target = MD_TARGET_NEAREST;
    assert_refused(MD_FAILED, "second_distance_mm_0 to _63");
    assert_contains(error.text, "which target: asks for");
}

Test(recording, zones_and_their_rule) {
    static const struct {
        int zone, distance_mm, status, targets;
        float depth_m; /* without a range it would be distance_mm / 1000 */
    } cases[] = {
        {0, 1500, 5, 1, 1.5f},    {1, 1500, 9, 1, 1.5f}, {7, 2000, 5, 1, 2.0f},
        {8, 1500, 255, 1, 0},     {9, 1500, 6, 1, 0},    {10, 1500, 5, 2, 0},
        {11, 1500, 5, 0, 0},      {12, 19, 5, 1, 0},     {13, 20, 5, 1, 0.02f},
        {14, 3999, 5, 1, 3.999f}, {15, 4000, 5, 1, 0},   {63, 700, 9, 1, 0.7f},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    int value[3][ZONES] = {{0}};
    for (int i = 0; i < CASES; i++) {
        value[0][cases[i].zone] = cases[i].distance_mm;
        value[1][cases[i].zone] = cases[i].status;
        value[2][cases[i].zone] = cases[i].targets;
    }
    /* Any order of columns. */
    add_columns("nb_target_detected");
    add(",time_ms");
    add_columns("target_status");
    add(",picture");
    add_columns("distance_mm");
    memmove(csv, csv + 1, strlen(csv)); /* the comma in front */
    add("\n");
    for (int zone = 0; zone < ZONES; zone++)
        add("%d,", value[2][zone]);
    add("123456789012");
    for (int zone = 0; zone < ZONES; zone++)
        add(",%d", value[1][zone]);
    add(",p.png");
    for (int zone = 0; zone < ZONES; zone++)
        add(",%d", value[0][zone]);
    write_csv("");
    write_picture("p.png", 8, 8, 0);
    assert_opens();
    const struct md_sample *sample = &dataset.samples[0];
    cr_assert_str_eq(sample->name, "p.png");
    cr_assert_eq(sample->fb, 80);
    cr_assert_eq(sample->depth_height, 8);
    cr_assert_eq(sample->depth_width, 8);
    float expected[ZONES] = {0};
    for (int i = 0; i < CASES; i++)
        expected[cases[i].zone] = cases[i].depth_m;
    for (int zone = 0; zone < ZONES; zone++) {
        cr_assert_eq(sample->depth_m[zone], expected[zone], "zone %d", zone);
        cr_assert_eq(sample->disparity[zone], expected[zone] > 0 ? 80 / expected[zone] : MD_INVALID,
                     "zone %d", zone);
    }
}

/* Of a zone without a value the driver's distance may be anything; whole numbers that were kept as
 * floats, and columns that others put there, do no harm. */
Test(recording, as_the_driver_gives_them) {
    static const struct {
        const char *distance, *status, *targets;
        float depth_m;
    } cases[] = {
        {"-1", "255", "1", 0},         {"1.5", "4", "1", 0},
        {"nan", "10", "0", 0},         {"-0.25", "5", "0", 0},
        {"1e30", "9", "2", 0},         {"1500", "5", "1", 1.5f},
        {"1500.0", "9.0", "1.", 1.5f}, {"99999999999999999999", "0", "1", 0},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    add("time_ms,picture,gyro_x");
    add_columns("distance_mm");
    add_columns("target_status");
    add(",picture_of_what,distance_mm_mean");
    add_columns("nb_target_detected");
    add("\n12.75,p.png,0.5");
    for (int zone = 0; zone < ZONES; zone++)
        add(",%s", cases[zone % CASES].distance);
    for (int zone = 0; zone < ZONES; zone++)
        add(",%s", cases[zone % CASES].status);
    add(",a wall,1234.5");
    for (int zone = 0; zone < ZONES; zone++)
        add(",%s", cases[zone % CASES].targets);
    write_csv("");
    write_picture("p.png", 8, 8, 0);
    assert_opens();
    for (int zone = 0; zone < ZONES; zone++)
        cr_assert_eq(dataset.samples[0].depth_m[zone], cases[zone % CASES].depth_m, "zone %d",
                     zone);
    cr_assert_eq(dataset.unused.count[MD_UNUSED_COLUMN], 3);
    cr_assert_str_eq(dataset.unused.shown[MD_UNUSED_COLUMN],
                     "gyro_x, picture_of_what, distance_mm_mean");
}

Test(recording, a_file_as_windows_leaves_it) {
    add("\xEF\xBB\xBF picture ");
    add_columns(" distance_mm");
    add_columns("target_status");
    add("\r\n");
    add("\tp.png ,  1000 ");
    for (int i = 1; i < 2 * ZONES; i++)
        add(", %d\t", i < ZONES ? 1000 : 5);
    add("\r\n\r\n\n");
    write_csv("");
    write_picture("p.png", 8, 8, 0);
    assert_opens();
    cr_assert_eq(dataset.count, 1);
    for (int zone = 0; zone < ZONES; zone++)
        cr_assert_eq(dataset.samples[0].depth_m[zone], 1);
}

Test(recording, the_middle_of_the_picture) {
    begin();
    add_frame("p.png", 1000);
    write_csv("");
    write_picture("p.png", 8, 16, 4); /* the white frame lies outside the centred square */
    assert_opens();
    for (int i = 0; i < 3 * SIDE * SIDE; i++)
        cr_assert_eq(dataset.samples[0].picture[i], i % SIDE < 2 ? 10 : 200, "%d", i);
    write_picture("p.png", 8, 16, 6);
    spec.crop = 4;
    assert_opens();
    for (int i = 0; i < 3 * SIDE * SIDE; i++)
        cr_assert_eq(dataset.samples[0].picture[i], i % SIDE < 2 ? 10 : 200, "%d", i);
    spec.crop = 9;
    assert_refused(MD_FAILED, "p.png: expected at least 9x9 pixels (the crop), found 16x8");
}

/* --- splits --- */

/* Opens the split and compares its frames, as "FOLDER" and millimetres above 1000, joined by
 * blanks. */
static void assert_frames(const char *split, const char *expected) {
    char found[2048] = "";
    opens("recording", split);
    for (size_t i = 0; i < dataset.count; i++) {
        const char *name = dataset.samples[i].name;
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%.*s%.0f", i ? " " : "",
                 (int)strlen(name) - 5, name, 1000 * (double)dataset.samples[i].depth_m[0] - 1000);
    }
    cr_assert_str_eq(found, expected, "%s: %s", split, found);
}

Test(recording, blocks) {
    write_recording("b/", 10);
    write_recording("a/", 7);
    scratch_path(&scratch, "c/nothing/");
    write_text("notes.txt", "of a day");
    assert_frames("all", "a/0 a/1 a/2 a/3 a/4 a/5 a/6 b/0 b/1 b/2 b/3 b/4 b/5 b/6 b/7 b/8 b/9");
    cr_assert_str_eq(dataset.unused.shown[MD_UNUSED_FOLDER], "c");
    cr_assert_str_eq(dataset.unused.shown[MD_UNUSED_ENDING], ".txt");
    assert_frames("train", "a/0 a/1 a/2 a/3 b/0 b/1 b/2 b/3 b/4 b/5 b/6");
    assert_frames("val", "a/4 b/7");
    assert_frames("test", "a/5 a/6 b/8 b/9");
    assert_frames("test[1:3]", "a/6 b/8");
    strcat(spec.root, "/b");
    cr_assert_eq(rename(scratch_path(&scratch, "b/frames.csv").text,
                        scratch_path(&scratch, "b/frames.CSV").text),
                 0);
    assert_frames("test", "8 9");
}

Test(recording, names) {
    write_recording("b/", 2);
    write_recording("a/", 2);
    assert_frames("b", "b/0 b/1");
    assert_frames("b, a/", "b/0 b/1 a/0 a/1");
    assert_frames(write_list("a\r\n"), "a/0 a/1");
    refused("recording", "none", MD_FAILED, "none/frames.csv: No such file");
    refused("recording", "a,a", MD_USAGE, "a is named twice");
    refused("recording", "val", MD_FAILED, "no samples"); /* a tenth of two is none */
    /* Whoever has divided the frames by folders does not want them divided again. */
    write_recording("train/", 3);
    assert_frames("train", "train/0 train/1 train/2");
    refused("recording", "test", MD_FAILED, "test/frames.csv: No such file");
    assert_frames("all", "a/0 a/1 b/0 b/1 train/0 train/1 train/2");
    strcat(spec.root, "/train/p.png");
    refused("recording", "all", MD_FAILED, "cannot read the folder");
}

/* --- what is wrong --- */

Test(recording, broken_first_lines) {
    static const struct {
        const char *more, *expected;
    } cases[] = {
        {",distance_mm_64", "found \"distance_mm_64\""},
        {",distance_mm_-1", "found \"distance_mm_-1\""},
        {",distance_mm_", "found \"distance_mm_\""},
        {",distance_mm", "found \"distance_mm\""},
        {",distance_mm_1x", "found \"distance_mm_1x\""},
        {",distance_mm_63", "the column distance_mm_63 is named twice"},
        {",distance_mm_063", "is named twice"},
        {",picture", "the column picture is named twice"},
        {",nb_target_detected", "found \"nb_target_detected\""},
        {",nb_target_detected_5", "there is no column nb_target_detected_0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin();
        csv[strlen(csv) - 1] = 0;
        add("%s\n", cases[i].more);
        write_csv("");
        assert_refused(MD_FAILED, cases[i].expected);
        assert_contains(error.text, "line 1 of ");
    }
    csv[0] = 0;
    write_csv("");
    assert_refused(MD_FAILED, "frames.csv: expected the names of columns, found no line");
    add("p.png");
    add_values(1000);
    write_csv("");
    assert_refused(MD_FAILED, "expected the names of columns (picture, ");
    csv[0] = 0;
    add("picture");
    add_columns("distance_mm");
    write_csv("");
    assert_refused(MD_FAILED, "there is no column target_status_0");
    begin();
    write_csv("");
    assert_refused(MD_FAILED, "no samples");
    remove(scratch_path(&scratch, "frames.csv").text);
    assert_refused(MD_FAILED, "no frames.csv there or in its folders");
    strcat(spec.root, "/nowhere");
    assert_refused(MD_FAILED, "nowhere: No such file");
}

Test(recording, broken_lines) {
    static const struct {
        const char *picture, *zone_3;
        const char *expected;
    } cases[] = {
        {"p.png", "1.5", "line 3 of "},
        {"p.png", "1.5", "frames.csv: distance_mm, zone 3: expected a whole number, found \"1.5\""},
        {"p.png", "", "expected a whole number, found \"\""},
        {"p.png", "-1", "expected a whole number, found \"-1\""},
        {"p.png", "7.50", "expected a whole number, found \"7.50\""},
        {"p.png", "nan", "expected a whole number, found \"nan\""},
        {"p.png", "1 2", "expected a whole number, found \"1 2\""},
        {"p.png", "9999999999999999", "expected a whole number, found \"9999999999999999\""},
        {"p.png", "1,2", "expected 129 columns, as the first line has, found 130"},
        {"", "1", "the column picture is empty"},
        {"none.png", "1", "none.png: No such file"},
        {"broken.png", "1", "broken.png: expected a PNG or JPEG picture"},
    };
    write_picture("p.png", 8, 8, 0);
    write_text("broken.png", "no picture");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin();
        add_frame("p.png", 1000);
        add("%s,1,1,1,%s", cases[i].picture, cases[i].zone_3);
        for (int c = 5; c < 1 + 2 * ZONES; c++)
            add(",5");
        add("\n");
        write_csv("");
        assert_refused(MD_FAILED, cases[i].expected);
    }
    static const char *const no_numbers[] = {"", "far", "1 2", "1,5"};
    for (size_t i = 0; i < sizeof no_numbers / sizeof *no_numbers; i++) {
        begin();
        add("p.png,%s", no_numbers[i]);
        for (int c = 2; c < 1 + 2 * ZONES; c++)
            add(",255");
        write_csv("");
        assert_refused(MD_FAILED,
                       strchr(no_numbers[i], ',')
                           ? "expected 129 columns, as the first line has, found 130"
                           : "frames.csv: distance_mm, zone 0: expected a number, found");
    }
    begin();
    add_frame("p.png", 1000);
    csv[strlen(csv) - 3] = 0; /* the last value is lost */
    write_csv("");
    assert_refused(MD_FAILED, "expected 129 columns, as the first line has, found 128");
    begin();
    add("\n\n");
    add_frame("p.png", 1000);
    write_csv("");
    assert_refused(MD_FAILED, "line 2 of ");
}

/* --- datasets/recording.md --- */

/* The example, as a reader of the page would run it. */
Test(recording, the_page_tells_the_truth, .timeout = 600) {
    size_t size;
    char command[16384];
    char *page = (char *)scratch_read("datasets/recording.md", &size);
    page[size] = 0;
    char *begin_of = strstr(page, "```sh\n"), *end_of = strstr(page, "\n```\n");
    cr_assert(begin_of && end_of > begin_of);
    *end_of = 0;
    struct scratch_path script = scratch_path(&scratch, "example.sh");
    scratch_write_text(script.text, begin_of + 6);
    need_tool("gnuplot");
    snprintf(command, sizeof command,
             "cd '%s' && mkdir bin && ln -s '%s' bin/mudepth && PATH=\"$PWD/bin:$PATH\" sh -e "
             "example.sh >log 2>&1",
             scratch.folder, program());
    int status = system(command);
    read_output("log", out);
    cr_assert_eq(status, 0, "%s", out);
    assert_contains(out, "20");
    cr_assert_eq(access(scratch_path(&scratch, "tiny.png").text, R_OK), 0);

    strcat(spec.root, "/tiny");
    pictures.height = pictures.width = 48;
    assert_opens();
    cr_assert_eq(dataset.count, 20);
    for (int zone = 0; zone < ZONES; zone++)
        cr_assert_eq(dataset.samples[19].depth_m[zone],
                     zone == 0 ? 0 : (float)(2400 - 200 * (zone % 8)) / 1000, "zone %d", zone);
    free(page);
}

/* Not even where there are others. */
Test(recording, locked_folders_are_not_passed_over) {
    struct scratch_path locked = scratch_path(&scratch, "b");
    write_recording("a/", 2);
    write_recording("b/", 2);
    scratch_lock(&scratch, locked.text);
    assert_refused(MD_FAILED, "b/frames.csv: Permission denied");
    scratch_unlock(locked.text);
}
