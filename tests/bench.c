/* make bench: how fast a training step is (berHu, Adam, upydnet) at every level of the operators,
 * beside PyTorch where there is one, and how fast samples are read. Within a case, what is compared
 * takes turns, a few rounds, since the machine's speed drifts; medians are shown, and the rounds'
 * lowest and highest. Nothing fails for being slow. */
#include <getopt.h>
#include <jansson.h>

#include "../base/error.h"
#include "bench_peak.h"
#include "bench_peer.h"
#include "bench_samples.h"
#include "bench_step.h"
#include "numbers.h"

static const char help[] =
    "usage: build/bench [TABLE ...] [options]\n"
    "\n"
    "tables (all when none is named):\n"
    "  steps      a training step on one thread, beside PyTorch's\n"
    "  formats    ... in every number format, beside fp32\n"
    "  threads    ... on two threads, beside one\n"
    "  plans      ... by plans of less memory, beside the fastest\n"
    "  samples    reading a sample, and reading it from a cache\n"
    "\n"
    "options:\n"
    "  --level L[,L]   levels of the operators; when there is no --level: the one that "
    "MUDEPTH_CPU\n"
    "                  says, or all that have vectors\n"
    "  --format F[,F]  number formats (fp32 stays where others are compared with it)\n"
    "  --policy P[,P]  what learns; full,d0 when there is no --policy\n"
    "  --quick         3 rounds instead of 5, and shorter ones\n"
    "  --json          all numbers of all rounds as JSON\n"
    "\n"
    "columns: kB of the arena, milliseconds with the lowest and highest of all rounds, billions "
    "of\n"
    "multiply-adds per second, their share of what the cores' fp32 units do when nothing else is\n"
    "asked of them for as long, in turns with the steps, and the time as a multiple of the case's\n"
    "first line, with its lowest and highest.\n"
    "\n"
    "examples:\n"
    "  build/bench steps --level avx2\n"
    "  build/bench formats threads --format bf16 --policy d0 --quick\n"
    "  build/bench --json | jq '.[] | select(.what == \"PyTorch\") | [.level, .case, .ratio]'\n";

/* What is asked for. */
enum { MOST_NAMES = 16 };
static struct {
    unsigned tables, formats;
    const char *levels[MOST_NAMES], *policies[MOST_NAMES]; /* ended by NULL */
    int rounds;
    double seconds; /* of a step's repetitions in a round */
    json_t *json;   /* or NULL */
} asked = {.policies = {"full", "d0"}, .rounds = 5, .seconds = 0.1};

/* ---- a case ---------------------------------------------------------------------------------- */

/* What takes turns with the others of its case. */
struct entry {
    const char *what;
    double (*milliseconds)(void *context); /* 0: it is not there, or no more */
    void (*stop)(void *context);           /* or NULL */
    void *context;
    double bytes, work; /* work: multiply-adds; 0 where there are none */
    int threads;        /* that work */
};

enum { MOST_ENTRIES = 9 };

struct the_case {
    const char *table, *level;
    char name[48];
    int count;
    struct entry entries[MOST_ENTRIES];
};

static json_t *json_spread(struct spread s) {
    return json_pack("{s:f, s:f, s:f}", "low", s.low, "median", s.median, "high", s.high);
}

/* A number, or a line where there is none. */
static void column(int width, int decimals, double value) {
    if (value > 0.0)
        printf(" %*.*f", width, decimals, value);
    else
        printf(" %*s", width, "-");
}

static void range(int width, const char *form, struct spread s) {
    char text[32];
    snprintf(text, sizeof text, form, s.low, s.high);
    printf(" %*s", width, text);
}

/* What an entry took in each round, as a multiple of the first entry's time too, and the share that
 * it had of what its cores could do just then. */
struct rounds {
    double ms[MOST_ROUNDS], ratios[MOST_ROUNDS], shares[MOST_ROUNDS];
};

static void report(const struct the_case *c, const struct entry *e, const struct rounds *of) {
    int there = of->ms[asked.rounds - 1] > 0.0; /* to the end */
    struct spread time = spread_of(of->ms, asked.rounds),
                  ratio = spread_of(of->ratios, asked.rounds),
                  share = spread_of(of->shares, asked.rounds);
    double rate = there ? 1e-6 * e->work / time.median : 0.0;
    if (asked.json != NULL && there) {
        json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "table", c->table, "level",
                                c->level, "case", c->name, "what", e->what, "milliseconds",
                                json_spread(time), "ratio", json_spread(ratio));
        if (e->bytes > 0.0)
            json_object_set_new(row, "arena_bytes", json_real(e->bytes));
        if (rate > 0.0)
            json_object_set_new(row, "giga_per_second", json_real(rate));
        if (share.median > 0.0)
            json_object_set_new(row, "share_of_peak", json_spread(share));
        json_array_append_new(asked.json, row);
    }
    if (asked.json != NULL)
        return;
    printf("%-22s %-19s", e == c->entries ? c->name : "", e->what);
    if (!there) {
        printf("  (not there)\n");
        return;
    }
    column(6, 0, 1e-3 * e->bytes);
    column(9, 3, time.median);
    range(15, "%.3g..%.3g", time);
    column(7, 2, rate);
    column(7, 0, 100.0 * share.median);
    if (e == c->entries) {
        printf(" %6s\n", "1");
        return;
    }
    column(6, 2, ratio.median);
    range(12, "%.2f..%.2f", ratio);
    printf("\n");
}

/* One round of an entry. */
static void measure_round(const struct the_case *c, const struct entry *e, struct rounds *of,
                          int r) {
    double ms = e->milliseconds(e->context), peak = 0.0;
    if (ms > 0.0 && e->work > 0.0)
        peak = e->threads * peak_of(c->level, 1e-3 * ms, asked.seconds);
    of->ms[r] = ms;
    of->shares[r] = peak > 0.0 ? 1e-6 * e->work / ms / peak : 0.0;
}

/* Measures all entries, says what came out, and stops them. Who begins changes by rounds. */
static void measure(struct the_case *c) {
    struct rounds of[MOST_ENTRIES];
    for (int r = 0; r < asked.rounds; r++)
        for (int i = 0; i < c->count; i++) {
            int turn = (i + r) % c->count;
            measure_round(c, &c->entries[turn], &of[turn], r);
        }
    for (int i = 0; i < c->count; i++) {
        for (int r = 0; r < asked.rounds; r++)
            of[i].ratios[r] = of[i].ms[r] / of[0].ms[r];
        report(c, &c->entries[i], &of[i]);
        if (c->entries[i].stop != NULL)
            c->entries[i].stop(c->entries[i].context);
    }
    fflush(stdout);
}

/* ---- steps ----------------------------------------------------------------------------------- */

enum { THE_CASES = -1 }; /* for a format */

/* Cases are a table's formats (one bit each), batches and the policies; in each, its sides take
 * turns. */
static const struct table {
    const char *name;
    unsigned formats;
    int batches[3];
    struct side {
        const char *what;
        int format, threads, pytorch;
        unsigned savings;
        int band;
        const char *level; /* NULL: the one that is measured; else only beside one whose name it
                            * goes on from */
    } sides[MOST_ENTRIES];
} tables[] = {
#define FAST          0, MD_SAVINGS_FAST, 0, NULL
#define NATIVE(level) 0, MD_SAVINGS_FAST, 0, level
#define LEAN(band)    0, MD_SAVINGS_LEAN, band, NULL
#define PYTORCH       1, 0, 0, NULL
    {"steps",
     1u << MD_FP32,
     {1, MAX_BATCH},
     {{"exact", THE_CASES, 1, FAST}, {"PyTorch", THE_CASES, 1, PYTORCH}}},
    {"formats",
     1u << MD_FP32,
     {1},
     {{"fp32", MD_FP32, 1, FAST},
      {"fp64", MD_FP64, 1, FAST},
      {"fp16", MD_FP16, 1, FAST},
      {"fp16, natively", MD_FP16, 1, NATIVE("avx512fp16")},
      {"fp16, natively", MD_FP16, 1, NATIVE("neonfp16")},
      {"bf16", MD_BF16, 1, FAST},
      {"fp16w", MD_FP16W, 1, FAST},
      {"bf16w", MD_BF16W, 1, FAST}}},
    {"threads",
     1u << MD_FP32,
     {1, MAX_BATCH},
     {{"1 thread", THE_CASES, 1, FAST},
      {"2 threads", THE_CASES, 2, FAST},
      {"PyTorch, 2 threads", THE_CASES, 2, PYTORCH}}},
    {"plans",
     1u << MD_FP32 | 1u << MD_BF16 | 1u << MD_FP16,
     {1},
     {{"fast", THE_CASES, 1, FAST},
      {"lean, band 8", THE_CASES, 1, LEAN(8)},
      {"lean, band 2", THE_CASES, 1, LEAN(2)},
      {"lean, band 1", THE_CASES, 1, LEAN(1)}}},
};
enum { STEP_TABLES = LENGTH(tables) };
enum { SAMPLES = STEP_TABLES, TABLES };

static const char *table_name(int table) {
    return table < STEP_TABLES ? tables[table].name : "samples";
}

/* PyTorch at the level that is measured, on one thread and on two: started when first asked. */
struct at_level {
    const char *level;
    struct peer peers[3];
    int asked_peer[3];
};

static struct peer *peer_at(struct at_level *at, int threads) {
    if (!at->asked_peer[threads])
        at->peers[threads] = start_peer(at->level, threads);
    at->asked_peer[threads] = 1;
    return &at->peers[threads];
}

static const struct md_ops *ops_of(const struct at_level *at, const struct side *side, int format) {
    if (side->level != NULL && (strncmp(side->level, at->level, strlen(at->level)) != 0 ||
                                strcmp(side->level, at->level) == 0))
        return NULL;
    return md_ops_find((enum md_format)format, side->level != NULL ? side->level : at->level);
}

/* Adds a side to a case where it can be. */
static void add_side(struct the_case *c, struct at_level *at, const struct side *side, int format,
                     const char *policy, int batch, struct question *question) {
    md_policy learns;
    struct entry entry = {.what = side->what, .threads = side->threads};
    const struct md_ops *ops = ops_of(at, side, format);
    md_policy_parse(md_networks[0], policy, &learns);
    entry.work = (double)md_step_macs(md_networks[0], learns) * batch;
    if (side->pytorch) {
        *question =
            (struct question){peer_at(at, side->threads), policy, batch, 2.0 * asked.seconds};
        entry.milliseconds = ask_peer;
        entry.context = question;
    } else {
        struct md_setup setup = {.network = md_networks[0],
                                 .ops = ops,
                                 .policy = learns,
                                 .optimizer = MD_ADAM,
                                 .batch = batch,
                                 .cores = side->threads,
                                 .savings = side->savings,
                                 .band = side->band};
        struct training *training = start_training(&setup, asked.seconds);
        entry.milliseconds = time_step;
        entry.stop = stop_training;
        entry.context = training;
        entry.bytes = (double)training->engine.plan.arena_bytes;
    }
    c->entries[c->count++] = entry;
}

/* Whether a side is there at all: a format that is asked for and that the level has; PyTorch's
 * numbers and published policies are binary32's. */
static int has_side(const struct at_level *at, const struct side *side, int format,
                    const char *policy) {
    if (side->pytorch)
        return format == MD_FP32 && md_ops_find(MD_FP32, at->level) != NULL &&
               (strcmp(policy, "full") == 0 || strcmp(policy, "d0") == 0);
    int wanted = side->format == THE_CASES || side->format == MD_FP32 || asked.formats == 0 ||
                 (asked.formats & 1u << format) != 0;
    return wanted && ops_of(at, side, format) != NULL;
}

static void bench_case(const struct table *table, struct at_level *at, int format,
                       const char *policy, int batch) {
    struct the_case c = {.table = table->name, .level = at->level};
    struct question question;
    int mixed = table->sides[0].format != THE_CASES;
    snprintf(c.name, sizeof c.name, "%s%s%s, batch %d", policy, mixed ? "" : " ",
             mixed ? "" : md_format_names[format], batch);
    for (const struct side *side = table->sides; side->what != NULL; side++) {
        int its = mixed ? side->format : format;
        if (has_side(at, side, its, policy))
            add_side(&c, at, side, its, policy, batch, &question);
    }
    if (c.count > 0)
        measure(&c);
}

static void bench_steps(const struct table *table, struct at_level *at) {
    int mixed = table->sides[0].format != THE_CASES;
    unsigned formats = mixed || asked.formats == 0 ? table->formats : asked.formats;
    for (const char *const *policy = asked.policies; *policy != NULL; policy++)
        for (int f = 0; f < MD_FORMAT_COUNT; f++)
            for (const int *batch = table->batches; *batch != 0 && formats >> f & 1; batch++)
                bench_case(table, at, f, *policy, *batch);
}

/* ---- samples --------------------------------------------------------------------------------- */

static int bench_samples(void) {
    char folder[] = "/tmp/mudepth-bench.XXXXXX", command[64];
    struct md_data_spec spec = spec_of(&sets[0], "");
    if (mkdtemp(folder) == NULL)
        return 1;
    int failed = write_micro(&spec, folder) != 0;
    for (size_t i = 0; i < LENGTH(sets) && !failed; i++) {
        struct the_case c = {.table = "samples", .level = ""};
        struct md_data_spec cached;
        spec = spec_of(&sets[i], folder);
        snprintf(c.name, sizeof c.name, "%s", sets[i].name);
        c.entries[c.count++] = (struct entry){"read", time_reading, NULL, &spec, 0, 0, 0};
        if (write_cache(&spec, folder, &cached) == 0)
            c.entries[c.count++] = (struct entry){"cached", time_reading, NULL, &cached, 0, 0, 0};
        measure(&c);
    }
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return failed | (system(command) != 0);
}

/* ---- what is asked for ----------------------------------------------------------------------- */

/* Words of "a,b" (which is cut up) into `words`; each has to be among `known`, ended by NULL. */
static int read_words(const char *option, char *text, const char *const *known,
                      const char *words[MOST_NAMES], struct md_error *error) {
    int count = 0;
    for (char *word = strtok(text, ","); word != NULL; word = strtok(NULL, ",")) {
        char all[200] = "";
        int found = 0;
        for (const char *const *k = known; *k != NULL; k++) {
            found |= strcmp(*k, word) == 0;
            snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", k == known ? "" : ", ",
                     *k);
        }
        if (!found || count + 1 == MOST_NAMES)
            return md_fail(error, MD_USAGE, "%s: expected some of %s, found \"%.100s\"", option,
                           all, word);
        words[count++] = word;
    }
    words[count] = NULL;
    return count > 0 ? MD_OK : md_fail(error, MD_USAGE, "%s names nothing", option);
}

static int read_policies(char *text, struct md_error *error) {
    md_policy policy;
    int count = 0;
    for (char *word = strtok(text, ","); word != NULL; word = strtok(NULL, ",")) {
        if (md_policy_parse(md_networks[0], word, &policy) != 0 || count + 1 == MOST_NAMES)
            return md_fail(
                error, MD_USAGE,
                "--policy: expected e, d0, d1, d2, last, biases joined by +, or full, found "
                "\"%.100s\"",
                word);
        asked.policies[count++] = word;
    }
    asked.policies[count] = NULL;
    return MD_OK;
}

/* The levels of all formats: some have one of their own. */
static void find_levels(const char *known[MOST_NAMES]) {
    const char *names[8];
    int count = 0;
    for (int f = 0; f < MD_FORMAT_COUNT; f++) {
        md_ops_levels((enum md_format)f, names);
        for (const char **name = names; *name != NULL && count + 1 < MOST_NAMES; name++) {
            int there = 0;
            for (int k = 0; k < count; k++)
                there |= strcmp(known[k], *name) == 0;
            if (!there)
                known[count++] = *name;
        }
    }
    known[count] = NULL;
}

static int read_option(int option, struct md_error *error) {
    const char *names[MOST_NAMES], *known[MOST_NAMES];
    int status = MD_OK;
    find_levels(known);
    if (option == 'l')
        status = read_words("--level", optarg, known, asked.levels, error);
    if (option == 'p')
        status = read_policies(optarg, error);
    if (option == 'f')
        status = read_words("--format", optarg, md_format_names, names, error);
    for (int f = 0; option == 'f' && status == MD_OK && f < MD_FORMAT_COUNT; f++)
        for (const char **name = names; *name != NULL; name++)
            asked.formats |= strcmp(*name, md_format_names[f]) == 0 ? 1u << f : 0u;
    if (option == 'q') {
        asked.rounds = 3;
        asked.seconds = 0.03;
    }
    if (option == 'j')
        asked.json = json_array();
    return option == '?' ? md_fail(error, MD_USAGE, "see build/bench --help") : status;
}

static int read_arguments(int argc, char **argv, struct md_error *error) {
    static const struct option options[] = {{"level", 1, NULL, 'l'},  {"format", 1, NULL, 'f'},
                                            {"policy", 1, NULL, 'p'}, {"quick", 0, NULL, 'q'},
                                            {"json", 0, NULL, 'j'},   {NULL, 0, NULL, 0}};
    int option, status = MD_OK;
    while (status == MD_OK && (option = getopt_long(argc, argv, "", options, NULL)) != -1)
        status = read_option(option, error);
    for (int i = optind; i < argc && status == MD_OK; i++) {
        unsigned before = asked.tables;
        for (int t = 0; t < TABLES; t++)
            asked.tables |= strcmp(argv[i], table_name(t)) == 0 ? 1u << t : 0u;
        if (asked.tables == before)
            status = md_fail(error, MD_USAGE, "expected a table (build/bench --help), found \"%s\"",
                             argv[i]);
    }
    if (asked.tables == 0)
        asked.tables = (1u << TABLES) - 1u;
    return status;
}

/* The levels that are measured when none is named: the one that is forced, or those with vectors;
 * where there are none, the last. */
static void choose_levels(void) {
    static const char *const slow[] = {"ref", "scalar", "blas"};
    const char *known[MOST_NAMES];
    int count = 0;
    find_levels(known);
    for (const char **k = known; *k != NULL; k++) {
        int is_slow = 0;
        for (size_t i = 0; i < LENGTH(slow); i++)
            is_slow |= strcmp(*k, slow[i]) == 0;
        if (md_host_level()[0] == '\0' ? !is_slow : strcmp(*k, md_host_level()) == 0)
            asked.levels[count++] = *k;
    }
    if (count == 0)
        asked.levels[0] = md_ops_find(MD_FP32, "")->level;
}

static void print_head(const char *table) {
    if (asked.json == NULL)
        printf("\n%-22s %-19s %6s %9s %15s %7s %7s %6s %12s\n", table, "", "kB", "ms", "low..high",
               "G/s", "% peak", "ratio", "low..high");
}

static void bench_level(const char *level) {
    struct at_level at = {.level = level};
    if (asked.json == NULL)
        printf("\n==== %s\n", level);
    for (int t = 0; t < STEP_TABLES; t++) {
        if (!(asked.tables >> t & 1))
            continue;
        print_head(table_name(t));
        bench_steps(&tables[t], &at);
    }
    for (int threads = 1; threads <= 2; threads++)
        stop_peer(&at.peers[threads]);
}

int main(int argc, char **argv) {
    struct md_error error;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0)
            return fputs(help, stdout) == EOF;
    if (read_arguments(argc, argv, &error) != MD_OK) {
        fprintf(stderr, "bench: %s\n", error.text);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (asked.levels[0] == NULL)
        choose_levels();
    int failed = 0;
    for (const char **level = asked.levels; *level != NULL; level++)
        bench_level(*level);
    if (asked.tables >> SAMPLES & 1) {
        print_head("samples");
        failed = bench_samples();
    }
    if (asked.json != NULL)
        failed |= json_dumpf(asked.json, stdout, JSON_INDENT(1)) != 0 || puts("") == EOF;
    json_decref(asked.json);
    return failed;
}
