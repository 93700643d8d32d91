#include "listing.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/file.h"
#include "../base/grow.h"

int md_is_utf8(const char *text) {
    json_t *string = json_string(text);
    json_decref(string);
    return string != NULL;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *number_or_word(const char *text) {
    char *end;
    errno = 0;
    long long whole = strtoll(text, &end, 10);
    if (end != text && *end == '\0')
        return errno == 0 ? json_integer(whole) : json_string(text);
    double real;
    return md_parse_real(text, &real) == 0 ? json_real(real) : json_string(text);
}

json_t *md_json_setting(const struct md_config *config, int key) {
    char text[MD_CONFIG_VALUE_SIZE], *rest = text + 1;
    enum md_value_kind kind = md_config_kind(key);
    size_t length;
    md_config_value(config, key, text);
    length = strlen(text);
    if (kind == MD_WORD_VALUE)
        return json_string(text);
    if (kind == MD_NUMBER_VALUE || text[0] != '[')
        return number_or_word(text);
    json_t *list = json_array();
    text[length - 1] = '\0'; /* "]" */
    for (const char *item; (item = md_next_field(&rest)) != NULL;)
        if (item[0] != '\0')
            json_array_append_new(list, number_or_word(item));
    return list;
}

json_t *md_json_settings(const struct md_config *config, const int *keys, int count) {
    json_t *settings = json_object();
    for (int k = 0; k < count; k++) {
        char name[MD_CONFIG_NAME_SIZE];
        md_config_key(keys[k], name);
        json_object_set_new(settings, name, md_json_setting(config, keys[k]));
    }
    return settings;
}

json_t *md_json_notes(const struct md_names *notes) {
    json_t *list = json_array();
    for (size_t i = 0; i < notes->count; i++)
        json_array_append_new(list, md_json_prose(notes->names[i]));
    return list;
}

json_t *md_json_prose(const char *text) {
    char ascii[1100];
    if (md_is_utf8(text))
        return json_string(text);
    snprintf(ascii, sizeof ascii, "%s", text);
    for (char *c = ascii; *c != '\0'; c++)
        *c = (unsigned char)*c >= 0x80 ? '?' : *c;
    return json_string(ascii);
}

/* ---- filling --------------------------------------------------------------------------------- */

static const char *copy_text(struct md_listing *l, const char *text) {
    MD_THEN(l->status, md_names_add(&l->texts, text, l->error));
    return l->status == MD_OK ? l->texts.names[l->texts.count - 1] : "";
}

static void add(struct md_listing *l, const struct md_column *column, struct md_entry entry) {
    struct md_column *columns =
        md_grow(l->columns, l->column_count, &l->column_capacity, sizeof *columns, l->error);
    l->columns = columns != NULL ? columns : l->columns;
    struct md_entry *entries =
        md_grow(l->entries, l->entry_count, &l->entry_capacity, sizeof *entries, l->error);
    l->entries = entries != NULL ? entries : l->entries;
    if (columns == NULL || entries == NULL)
        l->status = MD_FAILED;
    if (l->status == MD_OK && l->row_count == 0) {
        l->columns[l->column_count] = *column;
        l->columns[l->column_count++].title = copy_text(l, column->title);
    }
    if (l->status == MD_OK)
        l->entries[l->entry_count++] = entry;
}

void md_listing_word(struct md_listing *l, const char *title, const char *word) {
    add(l, &(struct md_column){title, 0, 0, 0}, (struct md_entry){copy_text(l, word), 0, 0});
}

void md_listing_number(struct md_listing *l, const char *title, int decimals, double value) {
    add(l, &(struct md_column){title, 1, decimals, 0}, (struct md_entry){NULL, value, (double)NAN});
}

void md_listing_mean(struct md_listing *l, const char *title, int decimals, double mean,
                     double deviation) {
    add(l, &(struct md_column){title, 1, decimals, 1}, (struct md_entry){NULL, mean, deviation});
}

void md_listing_settings(struct md_listing *l, const struct md_config *config, const int *keys,
                         int count) {
    char name[MD_CONFIG_NAME_SIZE], value[MD_CONFIG_VALUE_SIZE] = "";
    for (int k = 0; k < count; k++) {
        md_config_key(keys[k], name);
        if (config != NULL)
            md_config_value(config, keys[k], value);
        md_listing_word(l, name, value);
    }
}

void md_listing_end_row(struct md_listing *l) {
    l->row_count++;
}

void md_listing_free(struct md_listing *l) {
    free(l->columns);
    free(l->entries);
    md_names_free(&l->texts);
    *l = (struct md_listing){.error = l->error, .status = l->status};
}

static const struct md_entry *entry_at(const struct md_listing *listing, size_t row,
                                       size_t column) {
    return &listing->entries[row * listing->column_count + column];
}

/* Whether a column has anything to say about deviations. */
static int deviates(const struct md_listing *listing, size_t column) {
    int found = 0;
    for (size_t r = 0; r < listing->row_count && !found; r++) {
        double deviation = entry_at(listing, r, column)->deviation;
        found = isfinite(deviation) && deviation > 0.0;
    }
    return found && listing->columns[column].has_deviation;
}

void md_number_text(double value, int decimals, char text[MD_NUMBER_SIZE]) {
    if (!isfinite(value))
        snprintf(text, MD_NUMBER_SIZE, "-");
    else
        snprintf(text, MD_NUMBER_SIZE, "%.*f", decimals, value);
    if (text[0] == '-' && text[1] != '\0' && text[1 + strspn(text + 1, "0.")] == '\0')
        memmove(text, text + 1, strlen(text));
}

static void format_number(double value, int decimals, char text[MD_NUMBER_SIZE]) {
    md_number_text(value, decimals == 0 && value != floor(value) ? 1 : decimals, text);
}

/* ---- text ------------------------------------------------------------------------------------ */

/* Characters of a text; of what is not UTF-8, about as many. */
static int width_of(const char *text) {
    int width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void print_padded(const char *text, int width, int to_the_left) {
    int blanks = width > width_of(text) ? width - width_of(text) : 0;
    printf("%*s", to_the_left ? 0 : blanks, "");
    for (; *text != '\0'; text++)
        putchar(iscntrl((unsigned char)*text) ? '?' : *text);
    printf("%*s", to_the_left ? blanks : 0, "");
}

/* One column of the text: a column of the listing, or its deviation. */
struct strip {
    size_t column;
    int is_deviation, width;
};

static const char *strip_text(const struct md_listing *listing, const struct strip *strip,
                              size_t row, char number[MD_NUMBER_SIZE]) {
    const struct md_column *column = &listing->columns[strip->column];
    const struct md_entry *entry = entry_at(listing, row, strip->column);
    if (!column->is_number)
        return entry->word;
    format_number(strip->is_deviation ? entry->deviation : entry->number, column->decimals, number);
    return number;
}

static void print_text(const struct md_listing *listing, struct strip *strips) {
    char number[MD_NUMBER_SIZE];
    size_t count = 0;
    for (size_t c = 0; c < listing->column_count; c++) {
        strips[count++] = (struct strip){c, 0, width_of(listing->columns[c].title)};
        if (deviates(listing, c))
            strips[count++] = (struct strip){c, 1, 2};
    }
    for (size_t s = 0; s < count; s++)
        for (size_t r = 0; r < listing->row_count; r++) {
            int width = width_of(strip_text(listing, &strips[s], r, number));
            strips[s].width = width > strips[s].width ? width : strips[s].width;
        }
    for (size_t r = 0; r <= listing->row_count; r++) /* 0: the titles */
        for (size_t s = 0; s < count; s++) {
            const struct md_column *column = &listing->columns[strips[s].column];
            const char *title = strips[s].is_deviation ? "sd" : column->title;
            int is_last_word = s + 1 == count && !column->is_number;
            print_padded(r == 0 ? title : strip_text(listing, &strips[s], r - 1, number),
                         is_last_word ? 0 : strips[s].width, !column->is_number);
            fputs(s + 1 < count ? "  " : "\n", stdout);
        }
}

/* ---- CSV ------------------------------------------------------------------------------------- */

static void print_field(const char *text, const char *ending) {
    if (text[strcspn(text, ",\"\r\n")] == '\0') {
        printf("%s%s", text, ending);
        return;
    }
    putchar('"');
    for (; *text != '\0'; text++)
        printf(*text == '"' ? "\"\"" : "%c", *text);
    printf("\"%s", ending);
}

static void print_real(double value) {
    if (isfinite(value))
        printf("%.17g", value);
}

static void print_csv(const struct md_listing *listing) {
    for (size_t c = 0; c < listing->column_count; c++) {
        const struct md_column *column = &listing->columns[c];
        fputs(c > 0 ? "," : "", stdout);
        print_field(column->title, "");
        if (column->has_deviation) {
            putchar(',');
            print_field(column->title, "_sd");
        }
    }
    fputs("\r\n", stdout);
    for (size_t r = 0; r < listing->row_count; r++) {
        for (size_t c = 0; c < listing->column_count; c++) {
            const struct md_column *column = &listing->columns[c];
            const struct md_entry *entry = entry_at(listing, r, c);
            fputs(c > 0 ? "," : "", stdout);
            if (!column->is_number)
                print_field(entry->word, "");
            else
                print_real(entry->number);
            if (column->has_deviation) {
                putchar(',');
                print_real(entry->deviation);
            }
        }
        fputs("\r\n", stdout);
    }
}

/* ---- LaTeX ----------------------------------------------------------------------------------- */

/* "[" and "*" after the end of a row would belong to it, "--" would be a dash. */
void md_print_latex(const char *text) {
    static const struct {
        char character;
        const char *command;
    } specials[] = {{'\\', "\\textbackslash{}"},
                    {'~', "\\textasciitilde{}"},
                    {'^', "\\textasciicircum{}"},
                    {'<', "\\textless{}"},
                    {'>', "\\textgreater{}"},
                    {'|', "\\textbar{}"},
                    {'-', "-{}"},
                    {'`', "`{}"},
                    {'\'', "'{}"},
                    {'"', "\\char34{}"},
                    {'{', "\\{"},
                    {'}', "\\}"},
                    {'$', "\\$"},
                    {'&', "\\&"},
                    {'#', "\\#"},
                    {'_', "\\_"},
                    {'%', "\\%"},
                    {'[', "{[}"},
                    {'*', "{*}"}};
    enum { SPECIALS = sizeof specials / sizeof specials[0] };
    int is_utf8 = md_is_utf8(text);
    for (; *text != '\0'; text++) {
        size_t s = 0;
        unsigned char byte = (unsigned char)*text;
        while (s < SPECIALS && specials[s].character != *text)
            s++;
        if (s < SPECIALS)
            fputs(specials[s].command, stdout);
        else
            putchar(iscntrl(byte) || (byte >= 0x80 && !is_utf8) ? '?' : byte);
    }
}

static void print_latex_entry(const struct md_listing *listing, size_t row, size_t column) {
    const struct md_column *about = &listing->columns[column];
    const struct md_entry *entry = entry_at(listing, row, column);
    char number[MD_NUMBER_SIZE], deviation[MD_NUMBER_SIZE];
    if (!about->is_number) {
        md_print_latex(entry->word);
        return;
    }
    format_number(entry->number, about->decimals, number);
    format_number(entry->deviation, about->decimals, deviation);
    if (!isfinite(entry->number))
        fputs("-", stdout);
    else if (deviates(listing, column) && isfinite(entry->deviation))
        printf("$%s \\pm %s$", number, deviation);
    else
        printf("$%s$", number);
}

static void print_latex(const struct md_listing *listing) {
    fputs("\\begin{tabular}{", stdout);
    for (size_t c = 0; c < listing->column_count; c++)
        putchar(listing->columns[c].is_number ? 'r' : 'l');
    fputs("}\n\\toprule\n", stdout);
    for (size_t r = 0; r <= listing->row_count; r++) { /* 0: the titles */
        for (size_t c = 0; c < listing->column_count; c++) {
            fputs(c > 0 ? " & " : "", stdout);
            if (r == 0)
                md_print_latex(listing->columns[c].title);
            else
                print_latex_entry(listing, r - 1, c);
        }
        fputs(r == 0 ? " \\\\\n\\midrule\n" : " \\\\\n", stdout);
    }
    fputs("\\bottomrule\n\\end{tabular}\n", stdout);
}

int md_listing_print(const struct md_listing *listing, enum md_listing_form form) {
    if (listing->status != MD_OK)
        return listing->status;
    struct strip *strips = malloc((2 * listing->column_count + 1) * sizeof *strips);
    MD_TRY(md_check_memory(strips != NULL, listing->error));
    if (form == MD_CSV)
        print_csv(listing);
    else if (form == MD_LATEX)
        print_latex(listing);
    else
        print_text(listing, strips);
    free(strips);
    return MD_OK;
}
