/* Results as text, CSV, LaTeX and JSON: nothing is lost, whatever the words are. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <math.h>

#include "../commands/listing.h"
#include "program.h"

static const struct md_column columns[] = {
    {"what, where", 0, 0, 0}, {"rmse_m", 1, 3, 1}, {"steps", 1, 0, 1}, {"before", 1, 2, 1}};
enum { COLUMNS = 4, ROWS = 4 };

static const struct md_entry entries[ROWS][COLUMNS] = {
    {{"plain", 0, 0}, {NULL, 0.5, 0.0625}, {NULL, 7, 0}, {NULL, 21.274, 0}},
    {{"é深", 0, 0}, {NULL, 1.0 / 3.0, 1e-17}, {NULL, 2.4, 0.5}, {NULL, 21.274, 0}},
    {{"a \"b\", c\nd", 0, 0}, {NULL, NAN, NAN}, {NULL, 1e15, NAN}, {NULL, -0.001, NAN}},
    {{"", 0, 0}, {NULL, -12345.6789, NAN}, {NULL, INFINITY, NAN}, {NULL, 5, NAN}},
};

TestSuite(listing, .init = scratch_set_up, .fini = scratch_tear_down);

/* What printing writes to standard output, in `out`. */
static void print(const struct md_column *about, size_t column_count, const struct md_entry *rows,
                  size_t row_count, enum md_listing_form form) {
    struct md_error error;
    struct scratch_path path = scratch_path(&scratch, "stdout");
    int kept = dup(1);
    fflush(stdout);
    cr_assert(freopen(path.text, "wb", stdout));
    struct md_listing l = {.error = &error};
    for (size_t r = 0; r < row_count || r == 0; r++) {
        for (size_t c = 0; c < column_count; c++, rows++)
            if (!about[c].is_number)
                md_listing_word(&l, about[c].title, rows->word);
            else
                md_listing_mean(&l, about[c].title, about[c].decimals, rows->number,
                                rows->deviation);
        if (row_count > 0)
            md_listing_end_row(&l);
    }
    int status = md_listing_print(&l, form);
    md_listing_free(&l);
    fflush(stdout);
    dup2(kept, 1);
    close(kept);
    cr_assert_eq(status, MD_OK);
    read_output("stdout", out);
}

static void print_rows(size_t rows, enum md_listing_form form) {
    print(columns, COLUMNS, entries[0], rows, form);
}

/* A deviation that is 0 everywhere has no column, and one beside others is shown. */
Test(listing, text) {
    print_rows(ROWS, MD_TEXT);
    cr_assert_str_eq(out, "what, where      rmse_m     sd             steps   sd  before\n"
                          "plain             0.500  0.062                 7    0   21.27\n"
                          "é深                0.333  0.000               2.4  0.5   21.27\n"
                          "a \"b\", c?d            -      -  1000000000000000    -    0.00\n"
                          "             -12345.679      -                 -    -    5.00\n");
    print_rows(0, MD_TEXT);
    cr_assert_str_eq(out, "what, where  rmse_m  steps  before\n");
}

/* RFC 4180: what has commas, quotes or line ends is quoted; 17 digits are all of a double. */
Test(listing, csv) {
    print_rows(ROWS, MD_CSV);
    cr_assert_str_eq(out, "\"what, where\",rmse_m,rmse_m_sd,steps,steps_sd,before,before_sd\r\n"
                          "plain,0.5,0.0625,7,0,21.274000000000001,0\r\n"
                          "é深,0.33333333333333331,1.0000000000000001e-17,2.3999999999999999,0.5,"
                          "21.274000000000001,0\r\n"
                          "\"a \"\"b\"\", c\nd\",,,1000000000000000,,-0.001,\r\n"
                          ",-12345.678900000001,,,,5,\r\n");
    print_rows(0, MD_CSV);
    cr_assert_str_eq(out, "\"what, where\",rmse_m,rmse_m_sd,steps,steps_sd,before,before_sd\r\n");
}

Test(listing, latex) {
    print_rows(ROWS, MD_LATEX);
    cr_assert_str_eq(out, "\\begin{tabular}{lrrr}\n\\toprule\n"
                          "what, where & rmse\\_m & steps & before \\\\\n\\midrule\n"
                          "plain & $0.500 \\pm 0.062$ & $7 \\pm 0$ & $21.27$ \\\\\n"
                          "é深 & $0.333 \\pm 0.000$ & $2.4 \\pm 0.5$ & $21.27$ \\\\\n"
                          "a \\char34{}b\\char34{}, c?d & - & $1000000000000000$ & $0.00$ \\\\\n"
                          " & $-12345.679$ & - & $5.00$ \\\\\n"
                          "\\bottomrule\n\\end{tabular}\n");
}

/* Each of them alone. */
Test(listing, what_csv_quotes) {
    static const struct {
        const char *word, *written;
    } cases[] = {{"a,b", "\"a,b\""},     {"a\nb", "\"a\nb\""},   {"a\rb", "\"a\rb\""},
                 {"a\"b", "\"a\"\"b\""}, {"a;b\t'c", "a;b\t'c"}, {" a ", " a "}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct md_entry entry = {cases[i].word, 0, 0};
        char expected[100];
        snprintf(expected, sizeof expected, "\"what, where\"\r\n%s\r\n", cases[i].written);
        print(columns, 1, &entry, 1, MD_CSV);
        cr_assert_str_eq(out, expected);
    }
}

/* Every byte there is: none is lost in CSV, and LaTeX, when it is here, sets them all. */
static const char *every_byte(void) {
    static char text[256];
    for (int byte = 1; byte < 256; byte++)
        text[byte - 1] = (char)byte;
    return text;
}

Test(listing, every_byte_in_csv) {
    const struct md_entry entry = {every_byte(), 0, 0};
    print(columns, 1, &entry, 1, MD_CSV);
    const char *at = strstr(out, "\r\n\"");
    cr_assert(at);
    at += 3;
    for (int byte = 1; byte < 256; byte++, at++) {
        cr_assert_eq((unsigned char)*at, byte);
        at += byte == '"';
    }
    cr_assert_str_eq(at, "\"\r\n");
}

Test(listing, latex_sets_every_byte) {
    static char ascii[200];
    int length = 0;
    for (int byte = 1; byte < 128; byte++)
        ascii[length++] = (char)byte;
    snprintf(ascii + length, sizeof ascii - (size_t)length, "--- ?` !` [x] *");
    const struct md_entry words[] = {
        {every_byte(), 0, 0}, {"[1ex] é", 0, 0}, {"*a--b", 0, 0}, {ascii, 0, 0}};
    print(columns, 1, words, 4, MD_LATEX);
    assert_contains(out, "\n{[}1ex");
    assert_contains(out, "\n{*}a-{}-{}b");
    for (const char *c = out; *c != '\0'; c++)
        cr_assert(*c == '\n' || !iscntrl((unsigned char)*c));
    need_tool("pdflatex");
    FILE *file = fopen(scratch_path(&scratch, "table.tex").text, "wb");
    fprintf(file,
            "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n%s"
            "\\end{document}\n",
            out);
    fclose(file);
    char command[2000];
    snprintf(command, sizeof command,
             "cd %s && pdflatex -halt-on-error -interaction=nonstopmode table.tex >log 2>&1",
             scratch.folder);
    cr_assert_eq(system(command), 0, "see %s/log", scratch.folder);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* Numbers are numbers, alone and in lists. */
Test(listing, settings_have_their_types) {
    static const struct {
        const char *override, *json;
    } cases[] = {{"lr=0.25", "0.25"},
                 {"epochs=3", "3"},
                 {"seed=9223372036854775807", "9223372036854775807"},
                 {"seed=18446744073709551615", "\"18446744073709551615\""},
                 {"policy=e+d0", "\"e+d0\""},
                 {"data.train=12", "\"12\""},
                 {"cap_m=80", "80"},
                 {"cap_m=[80, 2.5]", "[80,2.5]"},
                 {"augment=[crop, flip]", "[\"flip\",\"crop\"]"},
                 {"augment=[flip]", "[\"flip\"]"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char override[100], weights[] = "weights=scratch", set[] = "data.set=synthetic", name[40];
        char *const overrides[] = {weights, set, override};
        struct md_config config;
        struct md_error error;
        snprintf(override, sizeof override, "%s", cases[i].override);
        snprintf(name, sizeof name, "%.*s", (int)strcspn(override, "="), override);
        cr_assert_eq(md_config_read(NULL, 3, overrides, &config, &error), MD_OK, "%s", error.text);
        json_t *json = md_json_setting(&config, md_config_find(name));
        char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT);
        cr_assert_str_eq(text, cases[i].json);
        free(text);
        json_decref(json);
    }
}

/* A path in a message may be any bytes. */
Test(listing, prose_is_always_a_text) {
    static const char *const cases[][2] = {{"é", "é"}, {"\xc3\xa9 \xff.h5", "?? ?.h5"}, {"", ""}};
    for (size_t i = 0; i < 3; i++) {
        json_t *json = md_json_prose(cases[i][0]);
        cr_assert_str_eq(json_string_value(json), cases[i][1]);
        json_decref(json);
    }
}
