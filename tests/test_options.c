/* Tables of options: what they take and refuse, and what help, man page and completion make of
 * them. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "../base/nearest.h"
#include "../commands/commands.h"
#include "../experiments/config.h"
#include "program.h"

volatile sig_atomic_t md_stop_requested;
int md_verbosity;

TestSuite(options, .init = scratch_set_up, .fini = scratch_tear_down, .timeout = 300);

/* ---- a command of our own -------------------------------------------------------------------- */

struct options {
    int flag, whole, choice, own, csv, json;
    double number;
    const char *text;
};

static const char *const colours[] = {"red", "green", "blue", NULL};

static int parse_own(const char *text, void *field, struct md_error *error) {
    *(int *)field = (int)strlen(text);
    return text[0] != '!' ? MD_OK : md_fail(error, MD_USAGE, "expected no !");
}

static const struct md_option table[] = {
    MD_OPT("flag", 'f', FLAG, flag, NULL, "a flag"),
    MD_OPT("whole", 0, WHOLE, whole, "N", "a number", .preset = "3", .low = -1, .high = 10),
    MD_OPT("number", 0, NUMBER, number, "X", "one more", .low = 0.5, .high = 2),
    MD_OPT("choice", 'c', CHOICE, choice, "C", "one of", .names = colours, .preset = "blue"),
    MD_OPT("text", 0, TEXT, text, "T", "a text", .needs = "flag"),
    MD_OPT("own", 0, OWN, own, "O", "its own", .parse = parse_own),
    MD_OPT("csv", 0, FLAG, csv, NULL, "a form", .excludes = "json, own"),
    MD_OPT("json", 0, FLAG, json, NULL, "another"),
    {0}};
static const struct md_command command = {
    .name = "try",
    .summary = "it is tried",
    .words = {{"ONE", MD_WORD_OTHER, MD_ONE, NULL}, {"MORE", MD_WORD_OTHER, MD_ANY_NUMBER, NULL}},
    .options = table,
    .options_size = sizeof(struct options),
    .rest = "OTHERS",
    .rest_needs = "flag"};

static struct options options;
static struct md_invocation typed;
static struct md_error error;

/* Reads the words, with "try" before them. */
static int parse(const char *const *words) {
    static char *argv[20];
    int argc = 0;
    for (argv[argc++] = "try"; words[argc - 1] != NULL; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    error.text[0] = '\0';
    memset(&options, 0xa5, sizeof options);
    return md_invocation_parse(&command, "try", argc, argv, &options, &typed, &error);
}
#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

Test(options, every_type_is_read_and_what_is_not_given_is_zero_or_its_preset) {
    cr_assert_eq(PARSE("word"), MD_OK, "%s", error.text);
    cr_assert(options.flag == 0 && options.whole == 3 && options.choice == 2 && options.own == 0);
    cr_assert(options.number == 0.0 && options.text == NULL);
    cr_assert_eq(PARSE("--whole", "-1", "word", "--number=2", "-fcred", "--own", "four", "--text",
                       "it's", "more", "--", "a", "-b"),
                 MD_OK, "%s", error.text);
    cr_assert(options.flag == 1 && options.whole == -1 && options.choice == 0 && options.own == 4);
    cr_assert_eq(options.number, 2.0);
    cr_assert_str_eq(options.text, "it's");
    cr_assert_eq(typed.count, 2);
    cr_assert_str_eq(typed.words[1], "more");
    cr_assert_eq(typed.rest_count, 2);
    cr_assert_str_eq(typed.rest[1], "-b");
    cr_assert_str_eq(typed.line, "mudepth try --whole -1 word --number=2 -fcred --own four --text "
                                 "'it'\\''s' more");
}

Test(options, of_two_the_last_one_counts) {
    cr_assert_eq(PARSE("--whole", "4", "w", "--whole", "5", "--choice=red", "-c", "green"), MD_OK);
    cr_assert(options.whole == 5 && options.choice == 1);
}

Test(options, all_commands_have_some_in_common) {
    static const struct md_command bare = {.name = "bare"};
    cr_assert_eq(PARSE("w"), MD_OK);
    cr_assert(!typed.common.quiet && !typed.common.verbose);
    cr_assert_eq(PARSE("-fq", "w"), MD_OK);
    cr_assert(typed.common.quiet && options.flag && options.whole == 3);
    cr_assert_eq(PARSE("w", "--verbose"), MD_OK);
    cr_assert(typed.common.verbose && !options.flag);
    cr_assert_str_eq(md_option_at(&bare, 1)->name, "verbose");
    cr_assert_null(md_option_at(&bare, 2));
}

Test(options, what_is_wrong_is_said) {
    static const struct {
        const char *words[6], *message;
    } cases[] = {
        {{NULL}, "expected ONE, found nothing; see mudepth try --help"},
        {{"w", "--whole", "11"}, "--whole: expected a whole number from -1 to 10, found \"11\""},
        {{"w", "--whole", "1.0"}, "--whole: expected a whole number"},
        {{"w", "--whole="}, "--whole: expected a whole number"},
        {{"w", "--number", "0.4"}, "--number: expected a number from 0.5 to 2, found \"0.4\""},
        {{"w", "--number", "nan"}, "--number: expected a number"},
        {{"w", "--number", "1x"}, "--number: expected a number"},
        {{"w", "-c", "pink"}, "--choice: expected red, green or blue, found \"pink\""},
        {{"w", "--own", "!"}, "--own: expected no !"},
        {{"w", "--text", "t"}, "--text: only with --flag"},
        {{"w", "--", "x"}, "OTHERS (behind --): only with --flag"},
        {{"w", "--csv", "--json"}, "--csv: not with --json"},
        {{"w", "--json", "--csv"}, "--csv: not with --json"},
        {{"w", "--own", "x", "--csv"}, "--csv: not with --own"},
        {{"w", "--flga"}, "unknown option --flga; did you mean --flag?; see mudepth try --help"},
        {{"w", "--whole-number=3"}, "unknown option --whole-number=3; see mudepth try --help"},
        {{"w", "--colour"}, "unknown option --colour; see"},
        {{"w", "--flag=1"}, "option --flag=1 takes no value"},
        {{"w", "--text"}, "option --text needs a value"},
        {{"w", "-fx"}, "unknown option -x"},
        {{"w", "-q", "-v"}, "--quiet: not with --verbose"},
        {{"w", "--verbse"}, "unknown option --verbse; did you mean --verbose?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_eq(parse(cases[i].words), MD_USAGE, "%zu: %s", i, cases[i].message);
        cr_assert(strstr(error.text, cases[i].message), "expected \"%s\" in \"%s\"",
                  cases[i].message, error.text);
    }
}

Test(options, the_nearest_name_is_meant_when_it_is_near) {
    static const struct {
        const char *word, *meant;
    } cases[] = {{"polcy", "policy"},
                 {"plicoy", "policy"},
                 {"polciy", "policy"},
                 {"policyy", "policy"},
                 {"optimiser", "optimizer"},
                 {"lr", "lr"},
                 {"rl", "lr"},
                 {"x", ""},
                 {"", ""},
                 {"colour", ""},
                 {"plcoi", ""},
                 {"ecpohs", "epochs"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[MD_CONFIG_NAME_SIZE];
        struct md_nearest nearest = md_nearest_to(cases[i].word);
        for (int key = 0; md_config_key(key, name) == 0; key++)
            md_nearest_try(&nearest, name);
        cr_assert_str_eq(nearest.name, cases[i].meant, "%s", cases[i].word);
    }
}

/* ---- all commands ---------------------------------------------------------------------------- */

static int has_option(const struct md_command *c, const char *name, size_t length) {
    for (const struct md_option *o = c->options; o != NULL && o->name != NULL; o++)
        if (strlen(o->name) == length && strncmp(o->name, name, length) == 0)
            return 1;
    return 0;
}

/* What a table says of other options is of that table, and all that a type needs is there. */
static void check_table(const struct md_command *c) {
    int count = 0;
    for (int i = 0; c->commands != NULL && c->commands[i] != NULL; i++)
        check_table(c->commands[i]);
    cr_assert((c->commands == NULL) != (c->run == NULL), "%s", c->name);
    for (const struct md_option *o = c->options; o != NULL && o->name != NULL; o++, count++) {
        cr_assert(o->help != NULL && (o->value != NULL) == (o->type != MD_OPTION_FLAG), "%s --%s",
                  c->name, o->name);
        cr_assert_lt(o->offset, c->options_size);
        cr_assert((o->type == MD_OPTION_CHOICE) == (o->names != NULL), "--%s", o->name);
        cr_assert((o->type == MD_OPTION_OWN) == (o->parse != NULL), "--%s", o->name);
        cr_assert((o->type == MD_OPTION_WHOLE || o->type == MD_OPTION_NUMBER) == (o->high > o->low),
                  "--%s", o->name);
        cr_assert(o->needs == NULL || has_option(c, o->needs, strlen(o->needs)), "--%s", o->name);
        for (const char *x = o->excludes; x != NULL && *x != '\0'; x += strspn(x, ", ")) {
            cr_assert(has_option(c, x, strcspn(x, ", ")), "%s --%s: %s", c->name, o->name, x);
            x += strcspn(x, ", ");
        }
    }
    cr_assert_leq(count, MD_MOST_OPTIONS);
}

Test(options, tables_are_whole) {
    check_table(&md_program);
}

Test(options, help_knows_commands_and_topics) {
    MUDEPTH("help", "data", "show");
    assert_fine("usage: mudepth data show SPEC -o FILE [options]");
    assert_contains(out, "default 12");
    MUDEPTH("help", "quantities");
    assert_fine("  optimizer_bytes_per_parameter  ");
    MUDEPTH("help", "qurey");
    assert_fails(2, "unknown command \"qurey\"; did you mean query?");
    MUDEPTH("rnu", "x.yaml");
    assert_fails(2, "unknown command \"rnu\"; did you mean run?");
    MUDEPTH("data", "inof", "{}");
    assert_fails(2, "unknown command \"data inof\"; did you mean info?");
    MUDEPTH("help", "--man", "run");
    assert_fails(2, "--man: of all commands");
    MUDEPTH("sweep", "x.yaml", "--dry-run", "--checkpoint", "3");
    assert_fails(2, "--dry-run: not with --checkpoint");
    MUDEPTH("weights", "import", "--help");
    assert_fine("-o, --output OUT.h5");
}

Test(options, a_key_that_is_none_is_told_what_was_meant) {
    struct scratch_path config = written("typo.yaml", "weights: scratch\npolciy: d0\n");
    MUDEPTH("run", config.text);
    assert_fails(2, "typo.yaml:2:1: polciy: unknown key; did you mean policy?");
    MUDEPTH("plan", "configs/demo.yaml", "data.cuont=3");
    assert_fails(2, "command line: data.cuont: unknown key; did you mean count?");
    MUDEPTH("run", "configs/demo.yaml", "update=stochastic");
    assert_fails(2, "command line: update: unknown key; it is called weight_storage now");
    MUDEPTH("run", "configs/demo.yaml", "label=sparse");
    assert_fails(2, "command line: label: unknown key; it is called label_mode now");
    MUDEPTH("run", "configs/demo.yaml", "data.update=stochastic");
    assert_fails(2, "command line: data.update: unknown key; mudepth help config");
    MUDEPTH("query", ".", "--by", "optimiser");
    assert_fails(1, "");
}

/* As the shell does it; `line` is what was typed so far. */
static void complete(const char *line) {
    char script[4000];
    snprintf(script, sizeof script,
             "source <('%s' completion bash) && COMP_LINE='%s' && COMP_POINT=${#COMP_LINE} && "
             "complete -p mudepth >/dev/null && _mudepth '%s' && echo \"${COMPREPLY[*]}\"",
             program(), line, program());
    struct scratch_path path = written("complete.bash", script);
    char shell[8000];
    snprintf(shell, sizeof shell, "bash '%s' >'%s'", path.text,
             scratch_path(&scratch, "stdout").text);
    cr_assert_eq(system(shell), 0, "%s", script);
    read_output("stdout", out);
    out[strcspn(out, "\n")] = '\0';
}

Test(options, bash_completes_what_the_tables_have) {
    static const char *const cases[][2] = {
        {"mudepth r", "run resume rerun report"},
        {"mudepth data sh", "show"},
        {"mudepth data show --", "--output --rows --force --quiet --verbose --help"},
        {"mudepth run configs/demo.yaml pol", "policy="},
        {"mudepth run configs/demo.yaml loss=d", "depth_l1"},
        {"mudepth run configs/demo.yaml data.set=mat", "matrix"},
        {"mudepth run --json configs/demo.yaml optimi", "optimizer="},
        {"mudepth run -o configs/d", ""},
        {"mudepth plan a.yaml --target ", "gap9 host"},
        {"mudepth plan a.yaml --target=h", "host"},
        {"mudepth table kitti_c", "kitti_caps"},
        {"mudepth help con", "config"},
        {"mudepth help c", "compare completion config"},
        {"mudepth completion ", "bash zsh fish"},
        {"mudepth rnu ", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        complete(cases[i][0]);
        cr_assert_str_eq(out, cases[i][1], "%s: %s", cases[i][0], out);
    }
    MUDEPTH("completion", "zsh");
    assert_fine("#compdef mudepth");
    MUDEPTH("completion", "fish");
    assert_fine("complete -c mudepth");
    MUDEPTH("completion", "csh");
    assert_fails(2, "expected bash, zsh or fish, found \"csh\"");
    MUDEPTH("completion");
    assert_fails(2, "expected the name of a shell");
}

Test(options, the_man_page_has_everything_and_no_warning) {
    MUDEPTH("help", "--man");
    assert_fine(".SH NAME\nmudepth \\- ");
    assert_contains(out, ".SS data show\n");
    assert_contains(out, ".B data.camera_fov_h_deg\n");
    char shell[1700];
    if (system("command -v groff >/dev/null") != 0)
        cr_skip("no groff");
    snprintf(shell, sizeof shell, "groff -ww -man -Tutf8 '%s' 2>&1 >/dev/null | grep .",
             scratch_path(&scratch, "stdout").text);
    cr_assert_neq(system(shell), 0, "groff warns");
}
