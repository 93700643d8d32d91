#include "gnuplot.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/process.h"

/* The same figure, as far as it goes: `unit` is a pixel in what the terminal counts its size in,
 * and the SVG terminal takes font sizes for pixels where the others take them for points. */
static const struct terminal {
    const char *ending, *name;
    double unit;
    const char *size_unit, *options;
} terminals[] = {
    {".png", "pngcairo", 1.0, "", ""},
    {".svg", "svg", 1.0, "", "fontscale 1.333 background rgb 'white'"},
    {".pdf", "pdfcairo", 1.0 / 128.0, "in", ""},
};
enum { TERMINAL_COUNT = sizeof terminals / sizeof *terminals };
static const double PIXELS_PER_POINT = 96.0 / 72.0;

static const struct terminal *find_terminal(const char *path) {
    const char *ending = strrchr(path, '.');
    for (int t = 0; ending != NULL && t < TERMINAL_COUNT; t++)
        if (strcmp(ending, terminals[t].ending) == 0)
            return &terminals[t];
    return NULL;
}

int md_gnuplot_start(struct md_gnuplot *figure, const char *path, int width, int height,
                     struct md_error *error) {
    const struct terminal *terminal = find_terminal(path);
    if (terminal == NULL)
        return md_fail(error, MD_USAGE, "%s: a figure's name must end in .png, .svg or .pdf", path);
    figure->path = path;
    figure->width = width;
    figure->height = height;
    figure->script = tmpfile();
    if (figure->script == NULL)
        return md_fail(error, MD_FAILED, "%s: cannot make a temporary file: %s", path,
                       strerror(errno));
    fprintf(figure->script,
            "set encoding utf8\n"
            "set terminal %s size %.4f%s,%.4f%s font 'Helvetica,11' noenhanced %s\n",
            terminal->name, width * terminal->unit, terminal->size_unit, height * terminal->unit,
            terminal->size_unit, terminal->options);
    return MD_OK;
}

static int run(const struct md_gnuplot *figure, int drawing, FILE *complaints,
               struct md_error *error) {
    char program[] = "gnuplot", option[] = "-d"; /* without the user's settings */
    char *const words[] = {program, option, NULL};
    const int files[3] = {fileno(figure->script), drawing, fileno(complaints)};
    struct md_error why;
    int result;
    if (md_process_run(words, files, &result, &why) != MD_OK)
        return md_fail(error, MD_FAILED, "%s: %s", figure->path, why.text);
    char text[600];
    md_process_output(complaints, text, sizeof text);
    if (WIFSIGNALED(result))
        return md_fail(error, MD_FAILED, "%s: gnuplot was killed by signal %d: %s", figure->path,
                       WTERMSIG(result), text);
    /* gnuplot draws on after a warning of its own; those of the font library are not about us. */
    if (WEXITSTATUS(result) != 0 || strstr(text, ": warning:") != NULL)
        return md_fail(error, MD_FAILED, "%s: gnuplot failed (exit status %d): %s", figure->path,
                       WEXITSTATUS(result), text);
    return MD_OK;
}

static int draw(const struct md_gnuplot *figure, struct md_error *error) {
    struct md_new_file drawing;
    MD_TRY(md_new_file_open(figure->path, &drawing, error));
    int status = MD_OK;
    FILE *complaints = tmpfile();
    /* gnuplot reads the same open file: it must be complete, and read from its beginning. */
    if (complaints == NULL || fflush(figure->script) != 0 || ferror(figure->script) ||
        lseek(fileno(figure->script), 0, SEEK_SET) != 0)
        status = md_fail(error, MD_FAILED, "%s: cannot write a temporary file: %s", figure->path,
                         strerror(errno));
    MD_THEN(status, run(figure, fileno(drawing.stream), complaints, error));
    if (status == MD_OK && lseek(fileno(drawing.stream), 0, SEEK_END) <= 0)
        status = md_fail(error, MD_FAILED, "%s: gnuplot drew nothing", figure->path);
    if (complaints != NULL)
        fclose(complaints);
    return md_new_file_finish(&drawing, status, error);
}

int md_gnuplot_finish(struct md_gnuplot *figure, struct md_error *error) {
    int status = draw(figure, error);
    fclose(figure->script);
    return status;
}

void md_gnuplot_cancel(struct md_gnuplot *figure) {
    fclose(figure->script);
}

/* Length in bytes of the UTF-8 character at `text`, 0 when it is broken, overlong, a surrogate, or
 * one of the two that XML (so SVG) forbids. */
static int utf8_length(const unsigned char *text) {
    int length = 1;
    if (text[0] >= 0x80)
        length = text[0] < 0xc2 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
    for (int i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    int overlong = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
    int surrogate = text[0] == 0xed && text[1] >= 0xa0;
    int too_large = text[0] > 0xf4 || (text[0] == 0xf4 && text[1] >= 0x90);
    int forbidden = text[0] == 0xef && text[1] == 0xbf && text[2] >= 0xbe;
    return overlong || surrogate || too_large || forbidden ? 0 : length;
}

/* Rough width of a character in units of the font size, rather too much than too little: of DejaVu
 * Sans, the widest font that stands in for Helvetica. */
static double width_em(unsigned char c) {
    if (c >= 0xe1) /* from U+1000 on: mostly ideographs */
        return 1.0;
    if (c < 0x80 && strchr("MWm@%", c) != NULL)
        return 1.0;
    if (c < 0x80 && strchr("w+=<>~#&", c) != NULL)
        return 0.84;
    if (c < 0x80 && strchr(" iljtf.,:;'|!()[]-/", c) != NULL)
        return 0.4;
    return isupper(c) ? 0.78 : 0.64;
}

/* One character to show: where its bytes are, how many, and how wide it will be. */
struct glyph {
    const char *bytes;
    int length;
    double width;
};

static struct glyph glyph_at(const char *text) {
    const unsigned char *c = (const unsigned char *)text;
    int length = utf8_length(c);
    if (length == 0 || *c < ' ' || *c == 0x7f)
        return (struct glyph){"?", 1, width_em('?')};
    return (struct glyph){text, length, width_em(*c)};
}

static const char *next_glyph(const char *text) {
    int length = utf8_length((const unsigned char *)text);
    return text + (length == 0 ? 1 : length);
}

/* Everything that could mean something to gnuplot is written as an octal escape; digits too, since
 * one behind an escape would be read as part of it. (Single quotes would be simpler, but gnuplot
 * misreads a text that begins with one.) */
static void write_bytes(FILE *script, const char *bytes, int length) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ";
    for (int i = 0; i < length; i++)
        fprintf(script, strchr(plain, bytes[i]) != NULL ? "%c" : "\\%03o", (unsigned char)bytes[i]);
}

static double text_em(const char *text) {
    double total = 0.0;
    for (const char *c = text; *c != '\0'; c = next_glyph(c))
        total += glyph_at(c).width;
    return total;
}

double md_gnuplot_width(const char *text, double size, double most_em) {
    return fmin(text_em(text), most_em) * size * PIXELS_PER_POINT;
}

void md_gnuplot_text(FILE *script, const char *text, double most_em) {
    static const char ellipsis[] = "\xe2\x80\xa6";
    static const double ellipsis_em = 1.0;
    double written = 0.0;
    int cut = text_em(text) > most_em;
    putc('"', script);
    for (const char *c = text; *c != '\0'; c = next_glyph(c)) {
        struct glyph glyph = glyph_at(c);
        written += glyph.width;
        if (cut && written > most_em - ellipsis_em)
            break;
        write_bytes(script, glyph.bytes, glyph.length);
    }
    write_bytes(script, ellipsis, cut ? 3 : 0);
    fputs("\" noenhanced", script);
}

/* Labels, not gnuplot's own title: that is centred on the plot and knows no edge of the page. */
static void write_heading(const struct md_gnuplot *figure, const char *text, double size,
                          double y) {
    enum { EDGE = 12 };
    fputs("set label ", figure->script);
    md_gnuplot_text(figure->script, text, (figure->width - 2 * EDGE) / (size * PIXELS_PER_POINT));
    fprintf(figure->script, " at screen 0.5,%.5f center front font 'Helvetica,%g'\n",
            1.0 - y / figure->height, size);
}

/* gnuplot makes its columns as wide as their longest title would be in digits. */
struct md_legend md_gnuplot_legend(const char *const *titles, size_t count, int width) {
    enum { EDGE = 12, SAMPLE = 5 /* digits: the sample and what is between */ };
    static const double digit_em = 0.64, em = MD_TEXT_SIZE * 96.0 / 72.0;
    double legend_width = width - 2 * EDGE, longest = 0.0;
    for (size_t t = 0; t < count; t++) {
        double glyphs = 0.0;
        for (const char *c = titles[t]; *c != '\0'; c = next_glyph(c))
            glyphs += 1.0;
        longest = fmax(longest, glyphs);
    }
    int columns = (int)(legend_width / ((longest + SAMPLE) * digit_em * em));
    columns = columns < 1 ? 1 : columns;
    struct md_legend legend = {.rows = ((int)count + columns - 1) / columns};
    legend.height = legend.rows * MD_LEGEND_ROW + 8;
    legend.least_panel = (legend.rows + 1) * MD_LEGEND_ROW;
    legend.most_em = legend_width / em - SAMPLE * digit_em;
    return legend;
}

void md_gnuplot_head(const struct md_gnuplot *figure, const char *title,
                     const struct md_legend *legend) {
    const char *below = strchr(title, '\n');
    char first[1000];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(title, "\n"), title);
    write_heading(figure, first, 15.0, 22.0);
    if (below != NULL)
        write_heading(figure, below + 1, 10.0, 48.0);
    fprintf(figure->script,
            "set tmargin at screen %.5f\nset key at screen 0.5,%.5f center bottom vertical maxrows "
            "%d samplen 3 reverse Left spacing 1.15\n",
            1.0 - (double)MD_TITLE_HEIGHT / figure->height, 6.0 / figure->height, legend->rows);
}

void md_gnuplot_parts(FILE *script, const struct md_gnuplot_part *parts, const char *const *titles,
                      size_t count) {
    fputs("plot NaN notitle", script);
    for (size_t p = 0; p < count; p++)
        if (parts[p].count > 0)
            fprintf(script, ", %s title '%s'", parts[p].drawn, titles[p]);
    fputs("\n", script);
}
