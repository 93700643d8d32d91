/* Matrix ToF flights: pairing by time, what a zone says, the crop, broken files, splits. */
#include <criterion/criterion.h>

#include "reading.h"

enum { SIDE = 4, ZONES = 64 };

static void set_up(void) {
    begin_reading("matrix", SIDE, SIDE);
    spec.crop = 8;
}

TestSuite(matrix, .init = set_up, .fini = end_reading);
TestSuite(flights, .init = set_up, .fini = end_reading);

/* Appends a frame whose 64 zones all hold `zone`, for instance "1500,1,5". */
static void add_frame(char *csv, int time_ms, const char *zone) {
    csv += strlen(csv);
    csv += sprintf(csv, "%d,0,0\n", time_ms);
    for (int i = 0; i < ZONES; i++)
        csv += sprintf(csv, "%s\n", zone);
}

/* Writes a picture into a flight: (height, width) grey of `value`. */
static void add_picture(const char *flight, const char *name, int height, int width,
                        uint8_t value) {
    uint8_t rgb[3 * 16 * 16];
    memset(rgb, value, sizeof rgb);
    char path[200];
    snprintf(path, sizeof path, "%s/images/%s", flight, name);
    write_rgb(path, rgb, height, width);
}

static void write_state(const char *flight, const char *csv) {
    scratch_write_text(scratch_path(&scratch, "%s/state_ToF.csv", flight).text, csv);
}

/* A flight of one frame and one picture. */
static void write_flight(const char *flight) {
    char csv[2048] = "";
    add_frame(csv, 100, "1500,1,5");
    write_state(flight, csv);
    add_picture(flight, "100.jpeg", 8, 8, 7);
}

/* --- pairing --- */

Test(matrix, a_picture_gets_the_frame_nearest_in_time) {
    static const struct {
        int time_ms;
        float depth_m; /* of the frame it gets; 0: the picture is left out */
    } cases[] = {
        {999, 1},  {1000, 1},    {1040, 1},    {1050, 1}, /* a tie: the earlier line */
        {1051, 2}, {1100, 2}, /* two frames of one time: the earlier line */
        {1150, 2}, {1151, 0.5f}, {1200, 0.5f}, {1300, 0.5f}, {1301, 0}, {900, 1},
        {899, 0},  {2901, 3},    {2900, 3},    {2899, 0},    {0, 0},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    static char csv[8192];
    add_frame(csv, 1000, "1000,1,5");
    add_frame(csv, 1100, "2000,1,5");
    add_frame(csv, 1100, "2500,1,5");
    add_frame(csv, 1200, "500,1,5");
    add_frame(csv, 3000, "3000,1,5");
    write_state("F", csv);
    for (int i = 0; i < CASES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d.jpeg", cases[i].time_ms);
        add_picture("F", name, 8, 8, 0);
    }
    assert_opens();
    size_t kept = 0;
    for (int i = 0; i < CASES; i++) {
        char name[64];
        size_t found = 0;
        snprintf(name, sizeof name, "F/images/%d.jpeg", cases[i].time_ms);
        while (found < dataset.count && strcmp(dataset.samples[found].name, name) != 0)
            found++;
        cr_assert_eq(found<dataset.count, cases[i].depth_m> 0, "%s", name);
        if (found < dataset.count)
            cr_assert_eq(dataset.samples[found].depth_m[63], cases[i].depth_m, "%s", name);
        kept += found < dataset.count;
    }
    cr_assert_eq(dataset.count, kept);
}

Test(matrix, samples_are_in_order_of_time_not_of_name) {
    char csv[2048] = "";
    add_frame(csv, 50, "1500,1,5");
    write_state("F", csv);
    add_picture("F", "100.jpeg", 8, 8, 0);
    add_picture("F", "99.jpeg", 8, 8, 0);
    add_picture("F", "5.jpeg", 8, 8, 0);
    assert_opens();
    cr_assert_eq(dataset.count, 3);
    cr_assert_str_eq(dataset.samples[0].name, "F/images/5.jpeg");
    cr_assert_str_eq(dataset.samples[1].name, "F/images/99.jpeg");
    cr_assert_str_eq(dataset.samples[2].name, "F/images/100.jpeg");
}

/* --- zones --- */

Test(matrix, a_zone_is_valid_by_status_targets_and_distance) {
    static const struct {
        const char *line;
        float depth_m; /* 0: none */
    } cases[] = {
        {"1500,1,5", 1.5f}, {"1500,1,9", 1.5f},   {" 777 , 1 , 9 ", 0.777f},
        {"20,1,5", 0.02f},  {"19,1,5", 0},        {"0,1,5", 0},
        {"-5,1,5", 0},      {"3999,1,5", 3.999f}, {"4000,1,5", 0},
        {"1500,0,5", 0},    {"1500,2,5", 0},      {"1500,1,255", 0},
        {"1500,1,0", 0},    {"1500,1,4", 0},      {"1500,1,6", 0},
        {"1500,1,10", 0},   {"1500,-1,5", 0},     {"1500,257,5", 0},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    char csv[2048] = "100,0,0\r\n";
    for (int zone = 0; zone < ZONES; zone++)
        sprintf(csv + strlen(csv), "%s\r\n", zone < CASES ? cases[zone].line : "0,0,255");
    write_state("F", csv);
    add_picture("F", "100.jpeg", 8, 8, 0);
    assert_opens();
    const struct md_sample *sample = &dataset.samples[0];
    cr_assert_eq(sample->depth_height, 8);
    cr_assert_eq(sample->depth_width, 8);
    cr_assert_eq(sample->fb, 80);
    for (int zone = 0; zone < ZONES; zone++) {
        float depth_m = zone < CASES ? cases[zone].depth_m : MD_NO_DEPTH;
        cr_assert_eq(sample->depth_m[zone], depth_m, "zone %d", zone);
        cr_assert_eq(sample->disparity[zone], depth_m > 0 ? 80 / depth_m : MD_INVALID, "zone %d",
                     zone);
    }
}

/* The sensor leaves stale distances on the lines of zones without a target. */
Test(matrix, what_an_invalid_zone_hides_changes_nothing) {
    static const char *const stale[] = {"764,0,255", "1500,0,255", "4862,1,255", "764,2,5"};
    char digest[sizeof dataset.digest] = "";
    add_picture("F", "100.jpeg", 8, 8, 0);
    for (size_t i = 0; i < sizeof stale / sizeof *stale; i++) {
        char csv[2048] = "100,0,0\n";
        for (int zone = 0; zone < ZONES; zone++)
            sprintf(csv + strlen(csv), "%s\n", zone % 3 ? "1500,1,5" : stale[i]);
        write_state("F", csv);
        assert_opens();
        if (i > 0)
            cr_assert_str_eq(dataset.digest, digest, "%s", stale[i]);
        memcpy(digest, dataset.digest, sizeof digest);
    }
}

Test(matrix, which_statuses_count_can_be_chosen) {
    static const int statuses[] = {5, 9, 6, 10, 4, 255, 37};
    static const int counted[][7] = {[MD_STATUS_VALID] = {1, 1, 0, 0, 0, 0, 0},
                                     [MD_STATUS_CERTAIN] = {1, 0, 0, 0, 0, 0, 0},
                                     [MD_STATUS_LIKELY] = {1, 1, 1, 1, 0, 0, 0}};
    char csv[2048] = "100,0,0\n";
    for (int zone = 0; zone < ZONES; zone++)
        sprintf(csv + strlen(csv), "1500,1,%d\n", zone < 7 ? statuses[zone] : 255);
    write_state("F", csv);
    add_picture("F", "100.jpeg", 8, 8, 0);
    for (spec.statuses = 0; spec.statuses < 3; spec.statuses++) {
        assert_opens();
        for (int zone = 0; zone < 7; zone++)
            cr_assert_eq(dataset.samples[0].depth_m[zone] > 0, counted[spec.statuses][zone],
                         "rule %d, status %d", spec.statuses, statuses[zone]);
    }
}

/* A picture at 1045 ms, and frames 5, 35, 45 and 156 ms from it. */
Test(matrix, several_frames_make_one_label) {
    static const struct {
        const char *readings[4];   /* of 1000, 1040, 1080 and 1201 ms; "": none */
        float by_frames[4], gated; /* with 1 to 4 frames; with 3, and at most 10 % apart */
    } zones[] = {
        {{"1000", "2000", "3000", "100"}, {2, 2.5f, 2, 2}, 0},
        {{"1000", "1050", "1090", "100"}, {1.05f, 1.07f, 1.05f, 1.05f}, 1.05f},
        {{"1000", "", "1090", "100"}, {0, 1.09f, 1.045f, 1.045f}, 1.045f},
        {{"1000", "", "1200", "100"}, {0, 1.2f, 1.1f, 1.1f}, 0},
        {{"1000", "", "", "100"}, {0, 0, 1, 1}, 0},
        {{"", "", "", "100"}, {0, 0, 0, 0}, 0},
    };
    enum { CASES = sizeof zones / sizeof *zones };
    static const int times[] = {1000, 1040, 1080, 1201};
    static char csv[8192];
    for (int frame = 0; frame < 4; frame++) {
        sprintf(csv + strlen(csv), "%d,0,0\n", times[frame]);
        for (int zone = 0; zone < ZONES; zone++) {
            const char *reading = zone < CASES ? zones[zone].readings[frame] : "";
            sprintf(csv + strlen(csv), "%s\n", reading[0] ? "" : "0,0,255");
            if (reading[0])
                sprintf(csv + strlen(csv) - 1, "%s,1,5\n", reading);
        }
    }
    write_state("F", csv);
    add_picture("F", "1045.jpeg", 8, 8, 0);
    for (int frames = 1; frames <= 5; frames++) {
        spec.frames = frames < 5 ? frames : 3;
        spec.gate_frames = frames < 5 ? 0 : 0.1;
        assert_opens();
        for (int zone = 0; zone < CASES; zone++) {
            float expected = frames < 5 ? zones[zone].by_frames[frames - 1] : zones[zone].gated;
            cr_assert_float_eq(dataset.samples[0].depth_m[zone], expected, 1e-6, "%d, zone %d: %g",
                               frames, zone, (double)dataset.samples[0].depth_m[zone]);
        }
    }
    spec.frames = 9;
    assert_refused(MD_USAGE, "frames: expected 1 to 8, found 9");
}

/* Alone, beside others, in a corner, on the edge of a step. */
Test(matrix, a_zone_keeps_its_value_in_company) {
    static const float before[4][4] = {
        {1, 0, 2, 2}, {0, 0, 2, 5}, {1.0f, 1.05f, 2, 2}, {1, 1.1f, 1, 2.0f}};
    static const float after[4][4] = {
        {0, 0, 2, 2}, {0, 0, 2, 0}, {1.0f, 1.05f, 0, 2}, {1, 1.1f, 0, 2.0f}};
    char csv[2048] = "100,0,0\n";
    for (int zone = 0; zone < ZONES; zone++) {
        float depth_m = zone / 8 < 4 && zone % 8 < 4 ? before[zone / 8][zone % 8] / 2 : 0;
        sprintf(csv + strlen(csv), "%d,1,%d\n", (int)(1000 * depth_m + 0.5f), depth_m > 0 ? 5 : 4);
    }
    write_state("F", csv);
    add_picture("F", "100.jpeg", 8, 8, 0);
    spec.gate_neighbours = 0.12;
    assert_opens();
    for (int zone = 0; zone < ZONES; zone++) {
        float depth_m = zone / 8 < 4 && zone % 8 < 4 ? after[zone / 8][zone % 8] / 2 : 0;
        cr_assert_float_eq(dataset.samples[0].depth_m[zone], depth_m, 1e-6, "zone %d", zone);
        cr_assert_eq(dataset.samples[0].disparity[zone] == MD_INVALID, depth_m == 0);
    }
}

Test(matrix, a_picture_with_too_few_valid_zones_is_left_out) {
    static char csv[8192];
    for (int frame = 0; frame < 3; frame++) { /* 6, 7 and 8 valid zones */
        sprintf(csv + strlen(csv), "%d,0,0\n", 1000 * frame);
        for (int zone = 0; zone < ZONES; zone++)
            sprintf(csv + strlen(csv), "%s\n", zone < 6 + frame ? "1500,1,5" : "1500,1,4");
    }
    write_state("F", csv);
    add_picture("F", "0.jpeg", 8, 8, 0);
    add_picture("F", "1000.jpeg", 8, 8, 0);
    add_picture("F", "2000.jpeg", 8, 8, 0);
    spec.min_zones = 7;
    assert_opens();
    NAMES("1000.jpeg", "2000.jpeg");
    cr_assert_eq(md_valid_zones(&dataset.samples[1]), 8);
    cr_assert_eq(dataset.unused.count[MD_UNUSED_ZONES], 1);
    assert_contains(dataset.unused.shown[MD_UNUSED_ZONES], "F/images/0.jpeg");
    spec.min_zones = 9;
    assert_refused(MD_FAILED, "none of the 3 pictures has the 9 valid zones of min_zones");
}

Test(matrix, a_frame_without_a_valid_zone_stays) {
    char csv[2048] = "";
    add_frame(csv, 100, "764,0,255");
    write_state("F", csv);
    add_picture("F", "100.jpeg", 8, 8, 0);
    assert_opens();
    cr_assert_eq(dataset.count, 1);
    for (int zone = 0; zone < ZONES; zone++) {
        cr_assert_eq(dataset.samples[0].depth_m[zone], MD_NO_DEPTH);
        cr_assert_eq(dataset.samples[0].disparity[zone], MD_INVALID);
    }
}

/* --- pictures --- */

Test(matrix, the_crop_is_the_centred_square) {
    enum { HEIGHT = 11, WIDTH = 16, TOP = 1, LEFT = 4 }; /* (11 - 8) / 2 and (16 - 8) / 2 */
    uint8_t rgb[3 * HEIGHT * WIDTH];
    write_flight("F");
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            memset(rgb + 3 * (y * WIDTH + x), 16 * y + x, 3);
    write_rgb("F/images/100.jpeg", rgb, HEIGHT, WIDTH);
    assert_opens();
    for (int channel = 0; channel < 3; channel++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                int corner = 16 * (TOP + 2 * y) + LEFT + 2 * x;
                int mean = (4 * corner + 1 + 16 + 17 + 2) / 4; /* of 2 x 2 pixels, rounded */
                cr_assert_eq(dataset.samples[0].picture[(channel * SIDE + y) * SIDE + x], mean);
            }
    spec.crop = 11;
    assert_opens();
    spec.crop = 12;
    assert_refused(MD_FAILED, "F/images/100.jpeg: expected at least 12x12 pixels");
    assert_contains(error.text, "found 16x11");
}

/* 11 x 16 pixels around a sensor's 8 x 8: a zone is a pixel, and there is room for 10 x 16. */
Test(matrix, the_whole_picture_has_labels_in_the_middle_only) {
    enum { HEIGHT = 11, WIDTH = 16, ROWS = 10 };
    uint8_t rgb[3 * HEIGHT * WIDTH];
    write_flight("F");
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            memset(rgb + 3 * (y * WIDTH + x), 20 * y + x, 3);
    write_rgb("F/images/100.jpeg", rgb, HEIGHT, WIDTH);
    assert_opens();
    float zone_m[ZONES];
    memcpy(zone_m, dataset.samples[0].depth_m, sizeof zone_m);
    spec.picture = MD_PICTURE_WHOLE;
    assert_opens();
    const struct md_sample *sample = &dataset.samples[0];
    cr_assert_eq(sample->depth_height, ROWS);
    cr_assert_eq(sample->depth_width, WIDTH);
    for (int y = 0; y < ROWS; y++)
        for (int x = 0; x < WIDTH; x++) {
            int inside = y >= 1 && y < 9 && x >= 4 && x < 12;
            float depth_m = sample->depth_m[y * WIDTH + x];
            cr_assert_eq(depth_m, inside ? zone_m[8 * (y - 1) + x - 4] : MD_NO_DEPTH);
            cr_assert_eq(sample->disparity[y * WIDTH + x],
                         depth_m == MD_NO_DEPTH ? MD_INVALID : sample->fb / depth_m);
        }
    /* A target pixel is the mean of 2.5 rows and 4 columns: 20 x 0.8 and 1.5 of the first. */
    cr_assert_eq(sample->picture[0], 18);
    /* Too little around it for a zone on each side. */
    spec.crop = 11;
    assert_opens();
    cr_assert_eq(dataset.samples[0].depth_height, 8);
    cr_assert_eq(dataset.samples[0].depth_width, 10);
}

Test(matrix, other_files_among_the_pictures) {
    write_flight("F");
    add_picture("F", "Thumbs.db", 8, 8, 0);
    add_picture("F", "._100.jpeg", 8, 8, 0);
    add_picture("F", "100.png", 8, 8, 0);
    assert_opens();
    cr_assert_eq(dataset.count, 1);
    cr_assert_eq(dataset.unused.count[MD_UNUSED_ENDING], 2);
    cr_assert_str_eq(dataset.unused.shown[MD_UNUSED_ENDING], ".png, .db");
    add_picture("F", "120.JPEG", 8, 8, 0);
    add_picture("F", "9000.Jpeg", 8, 8, 0);
    cr_assert_eq(rename(scratch_path(&scratch, "F/state_ToF.csv").text,
                        scratch_path(&scratch, "F/state_ToF.CSV").text),
                 0);
    assert_opens();
    NAMES("F/images/100.jpeg", "F/images/120.JPEG");
    cr_assert_eq(dataset.unused.count[MD_UNUSED_PICTURE], 1);
    cr_assert_str_eq(dataset.unused.shown[MD_UNUSED_PICTURE], "F/images/9000.Jpeg");
    add_picture("F", "100 (copy).jpeg", 8, 8, 0);
    assert_refused(MD_FAILED, "expected pictures named TIME.jpeg, found 100 (copy).jpeg");
}

Test(matrix, a_broken_picture_is_an_error) {
    write_flight("F");
    write_text("F/images/101.jpeg", "text");
    assert_refused(MD_FAILED, "F/images/101.jpeg: expected a PNG or JPEG");
}

/* --- state_ToF.csv --- */

Test(matrix, broken_state_names_file_and_line) {
    static const struct {
        int line; /* which line of two good frames is replaced; 131: one is added */
        const char *text, *place, *expected;
    } cases[] = {
        {1, "t,0,0", "line 1 of ", "expected three integers, found \"t,0,0\""},
        {1, "100,1,0", "line 1 of ", "expected a frame's first line time_ms,0,0"},
        {66, "150,0,5", "line 66 of ", "found \"150,0,5\""},
        {66, "-1,0,0", "line 66 of ", "expected a frame's first line"},
        {66, "99,0,0", "line 66 of ", "time goes back from 100 to 99 ms"},
        {2, "1500,1", "line 2 of ", "expected three integers"},
        {2, "1500,1,5,9", "line 2 of ", "expected three integers"},
        {2, "1500,1,5.0", "line 2 of ", "expected three integers"},
        {2, "1500,1,", "line 2 of ", "expected three integers"},
        {2, "", "line 2 of ", "expected three integers, found \"\""},
        {130, "nan,1,5", "line 130 of ", "expected three integers"},
        {2, "9999999999999999,1,5", "line 2 of ", "expected three integers"},
        {130, NULL, "line 129 of ", "truncated: the last frame has 63 of 64 zones"},
        /* A lost zone makes the next header a zone and the zone after it a header. */
        {3, NULL, "line 66 of ", "found \"1500,1,5\""},
        {131, "200,0,0", "line 131 of ", "truncated: the last frame has 0 of 64 zones"},
    };
    add_picture("F", "100.jpeg", 8, 8, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char csv[4096] = "";
        for (int line = 1; line <= 131; line++) {
            const char *good = line == 1 ? "100,0,0" : line == 66 ? "150,0,0" : "1500,1,5";
            const char *text = line == cases[i].line ? cases[i].text : line < 131 ? good : NULL;
            if (text)
                sprintf(csv + strlen(csv), "%s\n", text);
        }
        write_state("F", csv);
        assert_refused(MD_FAILED, cases[i].expected);
        assert_contains(error.text, "F/state_ToF.csv: ");
        assert_contains(error.text, cases[i].place);
    }
    write_state("F", "");
    assert_refused(MD_FAILED, "F/state_ToF.csv: expected frames, found an empty file");
}

/* --- splits --- */

/* Opens `split` and compares the flights of its samples, joined by blanks, with `expected`. */
static void assert_flights(const char *split, const char *expected) {
    char found[1024] = "";
    opens("matrix", split);
    for (size_t i = 0; i < dataset.count; i++) {
        const char *name = dataset.samples[i].name;
        const char *end = strstr(name, "images/");
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%.*s", i ? " " : "",
                 (int)(end - name), name);
    }
    cr_assert_str_eq(found, expected, "%s: %s", split, found);
}

Test(flights, shares_of_any_folder) {
    static const char *const names[] = {"b/0", "a/x/3", "a-b", "c", "a/x/1", "d/e/f", "a/x/2", "A"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        write_flight(names[i]);
    write_flight("d/too/deep/to_be_found");
    write_flight(".hidden/flight");
    write_flight("c/inside_a_flight");
    write_text("e/state_ToF.csv", "no images/ beside it");
    scratch_path(&scratch, "f/images/");
    write_state("g", "images is no folder");
    write_text("g/images", "");
    assert_flights("all", "A/ a-b/ a/x/1/ a/x/2/ a/x/3/ b/0/ c/ d/e/f/");
    assert_flights("train", "A/ a-b/ a/x/2/ a/x/3/ c/ d/e/f/");
    assert_flights("val", "a/x/1/");
    assert_flights("test", "b/0/");
    assert_flights("fold0", "A/ a/x/3/");
    assert_flights("fold3", "a/x/2/ d/e/f/");
    assert_flights("rest0", "a-b/ a/x/1/ a/x/2/ b/0/ c/ d/e/f/");
    assert_flights("rest3", "A/ a-b/ a/x/1/ a/x/3/ b/0/ c/");
    assert_flights("all[1:3]", "a-b/ a/x/1/");
}

Test(flights, links_that_lead_back_add_nothing) {
    write_flight("a");
    write_flight("b/c");
    cr_assert_eq(symlink("..", scratch_path(&scratch, "b/up").text), 0);
    cr_assert_eq(symlink(".", scratch_path(&scratch, "dot").text), 0);
    cr_assert_eq(symlink("b/c", scratch_path(&scratch, "link").text), 0);
    assert_flights("all", "a/ b/c/ link/");
}

Test(flights, the_root_itself) {
    write_flight("only");
    strcat(spec.root, "/only");
    assert_flights("all", "");
    cr_assert_str_eq(dataset.samples[0].name, "images/100.jpeg");
    assert_flights("train", "");
    assert_flights(".", "");
    refused("matrix", "val", MD_FAILED, "its 1 flights leave none for val");
}

Test(flights, named_flights_keep_their_order) {
    write_flight("a/1");
    write_flight("a/2");
    write_flight("b");
    assert_flights("b", "b/");
    assert_flights("a/2/", "a/2/");
    assert_flights("b, a/1", "b/ a/1/");

    const char *list = write_list("\xEF\xBB\xBF# the hard ones\r\n\r\na/2  # dark\r\n  b\r\n");
    char split[2048];
    assert_flights(list, "a/2/ b/");
    snprintf(split, sizeof split, "%s[1:]", list);
    assert_flights(split, "b/");
}

Test(flights, wrong_requests) {
    static const struct {
        const char *split;
        int status;
        const char *expected;
    } cases[] = {
        {"none", MD_FAILED, "/none is no flight: expected state_ToF.csv and images/"},
        {"a/1,none", MD_FAILED, "/none is no flight"},
        {".", MD_FAILED, "is no flight"},
        {"", MD_USAGE, "expected a name, found nothing"},
        {"a/1,,a/2", MD_USAGE, "found nothing"},
        {"a/1, a/1/", MD_USAGE, "a/1 is named twice"},
        {"@/nowhere/at/all", MD_FAILED, "cannot read /nowhere/at/all: No such file"},
        {"test", MD_FAILED, "its 2 flights leave none for test"},
    };
    write_flight("a/1");
    write_flight("a/2");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refused("matrix", cases[i].split, cases[i].status, cases[i].expected);
    refused("matrix", write_list("a/1\n\n# a comment\na/3\n"), MD_FAILED, "line 4 of ");
    assert_contains(error.text, "list.txt: ");
    refused("matrix", write_list("# nothing\n"), MD_FAILED, "expected names, found none");
    strcat(spec.root, "/a/1/images");
    refused("matrix", "all", MD_FAILED, "no flight (a folder with state_ToF.csv and images/)");
    strcat(spec.root, "/none");
    refused("matrix", "all", MD_FAILED, "No such file");
}

/* --- real data --- */

Test(matrix, the_real_flights, .timeout = 600) {
    /* Found with NumPy and Pillow by the rules in matrix.c. */
    static const struct {
        size_t index;
        const char *name;
        int valid, sum_mm; /* zones */
        int sum, centre;   /* bytes of the picture, and the one in its middle */
    } spots[] = {
        {0, "Approach/A0/images/52305.jpeg", 29, 771, 795234, 24},
        {1000, "Object/O0/images/81807.jpeg", 10, 240, 407229, 41},
        {2500, "Object/O23/images/30086.jpeg", 21, 32455, 533889, 15},
        {4312, "Rotate/R1/images/399085.jpeg", 7, 162, 814737, 63},
    };
    choose_shared("data/tof/Matrix_ToF_Drones");
    spec.crop = 162;
    assert_opens();
    cr_assert_eq(dataset.count, 4313); /* every picture has a frame within 100 ms */
    size_t blind = 0;
    for (size_t i = 0; i < dataset.count; i++) {
        int valid = 0;
        for (int zone = 0; zone < ZONES; zone++)
            valid += dataset.samples[i].depth_m[zone] != MD_NO_DEPTH;
        blind += valid == 0;
    }
    cr_assert_eq(blind, 87);
    for (size_t i = 0; i < sizeof spots / sizeof *spots; i++) {
        const struct md_sample *sample = &dataset.samples[spots[i].index];
        int valid = 0, sum = 0;
        double sum_m = 0;
        for (int zone = 0; zone < ZONES; zone++) {
            valid += sample->depth_m[zone] != MD_NO_DEPTH;
            sum_m += sample->depth_m[zone];
        }
        for (int byte = 0; byte < 3 * 48 * 48; byte++)
            sum += sample->picture[byte];
        cr_assert_str_eq(sample->name, spots[i].name);
        cr_assert_eq(valid, spots[i].valid, "%s", sample->name);
        cr_assert_float_eq(1000 * sum_m, spots[i].sum_mm, 0.01, "%s", sample->name);
        cr_assert_eq(sum, spots[i].sum, "%s", sample->name);
        cr_assert_eq(sample->picture[24 * 48 + 24], spots[i].centre, "%s", sample->name);
    }
}
