#include "help.h"

#include <stdio.h>
#include <string.h>

#include "../datasets/readers.h"
#include "../experiments/config.h"
#include "../experiments/version.h"
#include "../results/append.h"
#include "../results/quantity.h"
#include "../results/study.h"

/* How a page is written: on a terminal, or for man. */
struct md_page {
    void (*heading)(const char *name, const char *summary, const char *usage); /* NULL: none */
    void (*section)(const char *title);
    void (*item)(const char *term, const char *text, int width); /* width: of terms like it */
    void (*paragraph)(const char *text);
    void (*line)(const char *text); /* as it stands */
};

/* ---- on a terminal --------------------------------------------------------------------------- */

void md_print_wrapped(const char *text, int indent) {
    enum { WIDTH = 100 };
    for (int at = indent; *text != '\0'; text += strspn(text, " ")) {
        int length = (int)strcspn(text, " ");
        if (at > indent && at + 1 + length > WIDTH)
            printf("\n%*s", at = indent, "");
        at += printf("%s%.*s", at > indent ? " " : "", length, text);
        text += length;
    }
    printf("\n");
}

static void plain_heading(const char *name, const char *summary, const char *usage) {
    printf("mudepth%s%s: %s\n", name[0] != '\0' ? " " : "", name, summary);
    if (usage != NULL)
        printf("\nusage: %s\n\n", usage);
}

static void plain_section(const char *title) {
    printf("\n%s:\n", title);
}

static void plain_item(const char *term, const char *text, int width) {
    if ((int)strlen(term) > width)
        printf("  %s\n%*s", term, width + 4, "");
    else
        printf("  %-*s  ", width, term);
    md_print_wrapped(text, width + 4);
}

static void plain_paragraph(const char *text) {
    printf("\n");
    md_print_wrapped(text, 0);
}

static void plain_line(const char *text) {
    printf("%s\n", text);
}

static const struct md_page plain = {.heading = plain_heading,
                                     .section = plain_section,
                                     .item = plain_item,
                                     .paragraph = plain_paragraph,
                                     .line = plain_line};

/* ---- for man --------------------------------------------------------------------------------- */

static void put_troff(const char *text) {
    if (*text == '.' || *text == '\'')
        printf("\\&");
    for (; *text != '\0'; text++)
        printf(*text == '\\'   ? "\\e"
               : *text == '-'  ? "\\-"
               : *text == '\'' ? "\\(aq"
               : *text == '^'  ? "\\(ha"
               : *text == '~'  ? "\\(ti"
                               : "%c",
               *text);
    printf("\n");
}

static void troff_heading(const char *name, const char *summary, const char *usage) {
    printf(".SS ");
    put_troff(name);
    if (usage != NULL) {
        printf(".B ");
        put_troff(usage);
        printf(".PP\n");
    }
    put_troff(summary);
}

static void troff_section(const char *title) {
    printf(".PP\n.B ");
    put_troff(title);
}

static void troff_item(const char *term, const char *text, int width) {
    (void)width;
    printf(".TP\n.B ");
    put_troff(term);
    put_troff(text);
}

static void troff_paragraph(const char *text) {
    printf(".PP\n");
    put_troff(text);
}

static void troff_line(const char *text) {
    printf(".nf\n");
    put_troff(text);
    printf(".fi\n");
}

static const struct md_page troff = {.heading = troff_heading,
                                     .section = troff_section,
                                     .item = troff_item,
                                     .paragraph = troff_paragraph,
                                     .line = troff_line};

/* ---- commands -------------------------------------------------------------------------------- */

static void write_text(const struct md_page *page, const char *text) {
    char line[1200];
    for (; text != NULL && *text != '\0'; text += strspn(text, "\n")) {
        size_t length = strcspn(text, "\n");
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        (line[0] == ' ' ? page->line : page->paragraph)(line);
        text += length;
    }
}

/* "-o, --output FILE", or in a usage only "-o FILE" */
static void name_option(const struct md_option *o, int briefly, char *text, size_t size) {
    char letter[8] = "    ";
    if (o->letter != 0)
        snprintf(letter, sizeof letter, "-%c%s", o->letter, briefly ? "" : ", ");
    snprintf(text, size, "%s%s%s%s%s", briefly && o->letter == 0 ? "" : letter,
             briefly && o->letter != 0 ? "" : "--", briefly && o->letter != 0 ? "" : o->name,
             o->value != NULL ? " " : "", o->value != NULL ? o->value : "");
}

/* "mudepth run CONFIG.yaml [KEY=VALUE ...] [options]" */
static void write_usage(const struct md_command *c, const char *name, char *text, size_t size) {
    static const char *const forms[] = {" %s", " [%s]", " %s...", " [%s ...]"};
    int optional = 0;
    snprintf(text, size, "mudepth %s", name);
    for (int w = 0; w < MD_MOST_WORDS && c->words[w].name != NULL; w++)
        md_append(text, size, forms[c->words[w].number], c->words[w].name);
    const struct md_option *o;
    for (int i = 0; (o = md_option_at(c, i)) != NULL; i++) {
        char option[80];
        name_option(o, 1, option, sizeof option);
        optional |= !o->is_required;
        if (o->is_required)
            md_append(text, size, " %s", option);
    }
    if (optional)
        md_append(text, size, " [options]");
    if (c->rest != NULL)
        md_append(text, size, " [-- %s ...]", c->rest);
}

static void write_options(const struct md_page *page, const struct md_command *command) {
    enum { WIDTH = 20 };
    char term[80], text[1000], names[200];
    const struct md_option *o;
    for (int i = 0; (o = md_option_at(command, i)) != NULL; i++) {
        snprintf(text, sizeof text, "%s", o->help);
        name_option(o, 0, term, sizeof term);
        if (o->names != NULL) {
            md_join_names(o->names, ", ", names, sizeof names);
            md_append(text, sizeof text, ": %s", names);
        }
        if (o->preset != NULL)
            md_append(text, sizeof text, " (default %s)", o->preset);
        if (o->needs != NULL)
            md_append(text, sizeof text, "; only with --%s", o->needs);
        page->item(term, text, WIDTH);
    }
}

static void write_command(const struct md_page *page, const struct md_command *c,
                          const char *name) {
    char text[400];
    for (int i = 0; c->commands != NULL && c->commands[i] != NULL; i++) {
        snprintf(text, sizeof text, "%s %s", name, c->commands[i]->name);
        write_command(page, c->commands[i], text);
        page->line("");
    }
    if (c->commands == NULL) {
        write_usage(c, name, text, sizeof text);
        page->heading(name, c->summary, text);
        write_options(page, c);
    }
    write_text(page, c->notes);
    if (c->examples != NULL)
        page->section("examples");
    write_text(page, c->examples);
}

/* ---- topics ---------------------------------------------------------------------------------- */

static void write_keys(const struct md_page *page) {
    enum { WIDTH = 21 }; /* data.camera_fov_h_deg */
    char name[MD_CONFIG_NAME_SIZE], text[MD_CONFIG_HELP_SIZE];
    page->paragraph("A config is a YAML file of these keys; \"data.root\" is root below data. "
                    "Behind it on the command line KEY=VALUE overrides them, the last of two equal "
                    "ones. A key that would have no effect is refused; but one of the file that an "
                    "override takes the effect from, such as data.count with another data.set, has "
                    "its default again. A relative path is of the config's folder, where there "
                    "is such a thing, or else of the current one, or came with the program.");
    page->section("keys");
    for (int key = 0; md_config_key(key, name) == 0; key++) {
        md_config_describe(key, text);
        page->item(name, text, WIDTH);
    }
    page->paragraph("A SPEC (mudepth eval, mudepth data) is a mapping in one line, {set: matrix, "
                    "root: DIR, split: test}: it has the keys of data without \"data.\", but "
                    "instead of train, val and test the key split. A trailing [a:b] behind any "
                    "split takes its samples a to b-1.");
    page->section("sets, and what split means in them");
    for (int set = 0; md_data_set_names[set] != NULL; set++)
        page->item(md_data_set_names[set], md_data_set_splits(set), WIDTH);
}

static void write_quantities(const struct md_page *page) {
    enum { WIDTH = 29 }; /* optimizer_bytes_per_parameter */
    const char *name, *help;
    page->paragraph("[before.|after.|dummy.]NAME[@CAP]: which predictor (after fine-tuning when "
                    "none is named) and up to which depth in metres (the run's first cap when "
                    "there is none).");
    page->section("names");
    for (int row = 0; md_quantity_describe(row, &name, &help) == 0; row++)
        page->item(name, help, WIDTH);
}

/* Of those below this folder. */
static void write_studies(const struct md_page *page) {
    enum { WIDTH = 16 };
    struct md_names names = {0};
    struct md_study study;
    struct md_error error;
    if (md_studies_list(&names, &error) != MD_OK)
        page->paragraph("There are none: " MD_STUDY_FOLDER " is no folder here.");
    for (size_t i = 0; i < names.count; i++) {
        int status = md_study_read(names.names[i], &study, &error);
        page->item(names.names[i], status == MD_OK ? study.title : error.text, WIDTH);
        md_study_free(&study);
    }
    md_names_free(&names);
}

const struct md_topic md_topics[] = {
    {"config", "the keys of a config and of a data SPEC, and the data sets", write_keys},
    {"quantities", "what mudepth query can show, sort and filter by", write_quantities},
    {"studies", "what mudepth table and plot know by name", write_studies},
    {0}};

/* ---- whole pages ----------------------------------------------------------------------------- */

static const char environment[] =
    "MUDEPTH_CPU=ref, scalar, avx2, avx512 or avx512fp16 (on ARM: neon or neonfp16) forces an "
    "instruction set, where no backend is asked for; those of fp16 leave other formats their "
    "fastest; the results are the same to the bit.";
static const char files[] =
    "What is there already under the name of an output is refused, and replaced with --force. But "
    "a finished run is shown and not made again, a log goes on with --resume, a sweep goes on in "
    "its folder, and of another folder the files of the same names are replaced and no others.";
static const char exit_code[] = "0: fine; 1: failed; 2: wrong usage.";

static void write_program(const struct md_command *program) {
    enum { WIDTH = 10 };
    printf(
        "mudepth: %s\n\nusage: mudepth COMMAND [options]    (mudepth help COMMAND says more)\n\n",
        program->summary);
    for (int i = 0; program->commands[i] != NULL; i++)
        plain_item(program->commands[i]->name, program->commands[i]->summary, WIDTH);
    plain_section("topics (mudepth help TOPIC)");
    for (const struct md_topic *topic = md_topics; topic->name != NULL; topic++)
        plain_item(topic->name, topic->summary, WIDTH);
    printf("\n");
    plain_item("--version", "what this program was built from", WIDTH);
    printf("\nenvironment: ");
    md_print_wrapped(environment, 13);
    printf("files: ");
    md_print_wrapped(files, 7);
    printf("exit code: %s\n", exit_code);
}

void md_help_command(const struct md_command *command, const char *name) {
    if (name[0] == '\0')
        write_program(command);
    else
        write_command(&plain, command, name);
}

void md_help_topic(const struct md_topic *topic) {
    plain_heading(topic->name, topic->summary, NULL);
    topic->write(&plain);
}

void md_help_man(const struct md_command *program) {
    printf(".TH MUDEPTH 1 \"\" \"mudepth %s\" \"User Commands\"\n.ad l\n.SH NAME\nmudepth \\- ",
           md_code_version());
    put_troff(program->summary);
    printf(".SH SYNOPSIS\n.B mudepth\n.I COMMAND\n[options]\n.SH COMMANDS\n");
    for (int i = 0; program->commands[i] != NULL; i++)
        write_command(&troff, program->commands[i], program->commands[i]->name);
    for (const struct md_topic *topic = md_topics; topic->name != NULL; topic++) {
        printf(".SH TOPIC: %s\n", topic->name);
        topic->write(&troff);
    }
    printf(".SH ENVIRONMENT\n");
    put_troff(environment);
    printf(".SH FILES\n");
    put_troff(files);
    printf(".SH EXIT STATUS\n");
    put_troff(exit_code);
}
